"""Networks, regions and the three maps, against plain sums."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.networks import Network, Regions, Shares, block, projectome, soft_block
from kadanoff.networks.regions import QUANTUM


def made(seed: int, n: int = 40, m: int = 300, sites: int = 5) -> Network:
    rng = np.random.default_rng(seed)
    return Network.from_edges(
        rng.integers(n, size=m),
        rng.integers(n, size=m),
        rng.integers(1, 20, size=m),
        nodes=np.arange(n),
        site=rng.integers(sites, size=m),
    )


def test_rows_are_summed_sorted_and_counted():
    network = Network.from_edges(
        ["b", "a", "b", "a", "c"], ["a", "a", "a", "b", "x"], [2, 1, 3, 0, 7], nodes=["a", "b", "c", "d"]
    )
    assert network.nodes.tolist() == ["a", "b", "c", "d", "x"]
    assert network.source.tolist() == [0, 1, 2]
    assert network.target.tolist() == [0, 0, 4]
    assert network.count.tolist() == [1, 5, 7]
    mended = network.mended
    assert (mended.rows, mended.duplicates, mended.self_loops, mended.self_loop_count) == (5, 1, 1, 1)
    assert (mended.zeros, mended.unmatched, mended.unmatched_count, mended.silent) == (1, 1, 7, 1)
    assert network.total == 13
    assert network.starts.tolist() == [0, 1, 2, 3, 3, 3]
    assert network.outflow.tolist() == [1, 5, 7, 0, 0]


def test_bad_counts_are_named():
    with pytest.raises(ValueError, match=r"-2.*row 1.*layer"):
        Network.from_edges([0, 1], [1, 0], [1, -2])
    with pytest.raises(ValueError, match="unique"):
        Network.from_edges([0, 1], [1, 0], nodes=[0, 1, 1])
    with pytest.raises(ValueError, match="empty"):
        Network.from_edges([], [])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_blocks_keep_every_connection_and_equal_the_plain_map(seed: int, drop: bool):
    network = made(seed)
    labels = np.random.default_rng(seed + 1).integers(-1 if drop else 0, 4, size=network.n)
    regions = Regions.from_labels(labels, ("p", "q", "r", "s"))
    found = block(network, regions)
    assert found.counts.dtype == np.int64
    assert found.total == network.total
    assert np.array_equal(found.counts, regions.map.flow(network.matrix().toarray()))
    assert np.array_equal(found.counts.sum(axis=1), regions.map.sum(network.outflow))
    coarser = regions.coarser({"p": "left", "q": "left", "r": "right"})
    twice = np.zeros((3, 3), np.int64)
    parent = [0, 0, 1, 2, 2]
    np.add.at(twice, np.ix_(parent, parent), found.counts)
    assert np.array_equal(block(network, coarser).counts, twice)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_soft_blocks_are_exact(seed: int):
    network = made(seed)
    rng = np.random.default_rng(seed + 1)
    shares = [rng.dirichlet(np.full(4, 0.4), size=network.n)[:, :3] for _ in range(2)]
    pre, post = (Shares.from_matrix(matrix, ("p", "q", "r")) for matrix in shares)
    node = np.repeat(np.arange(network.n), np.diff(pre.starts))
    assert np.all(np.bincount(node, pre.share, network.n) == QUANTUM)
    assert np.abs(pre.map.membership.toarray()[:3] - shares[0].T).max() <= 1 / QUANTUM
    found = soft_block(network, pre, post)
    assert sum(found.exact.ravel()) == network.total * QUANTUM**2
    want = pre.map.membership @ network.matrix() @ post.map.membership.T
    assert np.allclose(found.counts, want.toarray(), rtol=1e-12)


def test_hard_shares_give_the_block():
    network = made(5)
    regions = Regions.from_labels(np.arange(network.n) % 3, ("p", "q", "r"))
    shares = Shares.from_regions(regions)
    assert np.array_equal(soft_block(network, shares, shares).counts, block(network, regions).counts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_projectome_keeps_what_is_sent(seed: int):
    network = made(seed, n=60, m=80)
    found = projectome(network)
    sent = np.bincount(network.site, network.count, len(network.site_names))
    assert np.allclose(found.counts.sum(axis=0), np.append(sent, 0), rtol=1e-12)
    received = np.bincount(network.site[network.outflow[network.target] == 0], minlength=5)
    assert (found.ended[:-1] > 0).tolist() == (received > 0).tolist()


def test_where_nodes_have_one_region_the_three_maps_meet():
    rng = np.random.default_rng(3)
    n = 30
    home = np.arange(n) % 3
    pre, post = np.repeat(np.arange(n), 6), rng.integers(n, size=6 * n)
    same = home[pre] == home[post]  # a connection lies in the one region of both its nodes
    network = Network.from_edges(pre[same], post[same], nodes=np.arange(n), site=home[pre[same]])
    regions = Regions.from_labels(home, ("0", "1", "2"))
    hard = block(network, regions).counts
    carried = projectome(network).counts
    assert np.allclose(carried[:3, :3] + np.diag(carried[3, :3]), hard[:3, :3])


def test_a_matrix_and_a_graph():
    dense = np.array([[0, 2, 0], [1, 0, 0], [0, 0, 3]])
    for matrix in (dense, scipy.sparse.csr_array(dense)):
        assert np.array_equal(Network.from_matrix(matrix).matrix().toarray(), dense)
    assert Network.from_matrix(dense / 2).count.dtype == np.float64


def test_whole_counts_never_wrap_around():
    """Summed rows, totals and strengths are int64: counts beyond were dropped or turned to nothing without a word."""
    half = 1 << 62
    for pre, count in (
        ([1, 1], np.array([half, half])),
        ([1, 2], np.array([half, half])),
        ([1, 2], np.array([(1 << 63) + 5, 1], np.uint64)),
        ([1, 2], np.full(2, (1 << 63) + 5, np.uint64)),
    ):
        with pytest.raises(ValueError, match=r"add up to \d+, 2\^63 or more"):
            Network.from_edges(pre, [3, 3], count)
    most = Network.from_edges([1, 1], [3, 3], np.array([half, half - 1], np.uint64))
    assert most.total == (1 << 63) - 1
    assert most.count.tolist() == [(1 << 63) - 1]


def test_missing_ids_and_labels_are_no_names():
    """Among text NaN is written "nan": neurons without an id would become one neuron of that name."""
    for empty in (None, float("nan")):
        with pytest.raises(ValueError, match="pre: no id in row 1"):
            Network.from_edges(np.array(["a", empty], object), ["b", "c"])
        assert Regions.from_labels(["a", empty, ""]).names == ("a", "unassigned")
