"""The compiled loops against plain NumPy and SciPy, in pieces and in threads; memberships from sites."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.networks import (
    Network,
    Regions,
    Shares,
    aggregation,
    block,
    block_layers,
    coarser_shares,
    post_shares,
    pre_shares,
    projectome,
    projectome_of_sites,
    require_disjoint,
    shares_of_amounts,
    soft_block,
)
from kadanoff.networks.identifiers import IdTable
from kadanoff.networks.regions import QUANTUM
from kadanoff.parallel import executor

SEEDS = st.integers(0, 10_000)


def made(seed: int, n: int = 50, m: int = 400, top: int = 40, layers: int = 3, sites: int = 5) -> Network:
    rng = np.random.default_rng(seed)
    return Network.from_edges(
        rng.integers(n, size=m),
        rng.integers(n, size=m),
        rng.integers(1, top, size=m),
        nodes=np.arange(n),
        layer=rng.integers(layers, size=m),
        site=rng.integers(sites, size=m),
    )


def shares(seed: int, n: int, k: int = 4) -> Shares:
    rng = np.random.default_rng(seed)
    return Shares.from_matrix(rng.dirichlet(np.full(k, 0.4), size=n)[:, : k - 1], tuple("pqrstuv"[: k - 1]))


def plain_block(network: Network, regions: Regions) -> np.ndarray:
    counts = np.zeros((regions.k, regions.k), np.int64 if network.is_counted else np.float64)
    np.add.at(counts, (regions.label[network.source], regions.label[network.target]), network.count)
    return counts


def plain_rows(shares: Shares) -> scipy.sparse.csr_array:
    entries = (shares.share.astype(np.int64), shares.region.astype(np.int32), shares.starts)
    return scipy.sparse.csr_array(entries, shape=(shares.n, shares.k))


def plain_projectome(network: Network) -> tuple[np.ndarray, np.ndarray]:
    k = len(network.site_names)
    count = network.count.astype(np.float64)
    into = scipy.sparse.csr_array((count, (network.target, network.site)), shape=(network.n, k)).toarray()
    out = scipy.sparse.csr_array((count, (network.source, network.site)), shape=(network.n, k)).toarray()
    received, sent = into.sum(axis=1), out.sum(axis=1)
    carried = np.zeros((k + 1, k + 1))
    inside = received > 0
    carried[:k, :k] = (into[inside] / received[inside, None]).T @ out[inside]
    carried[k, :k] = out[~inside].sum(axis=0)
    return carried, np.append(into[sent == 0].sum(axis=0), 0)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([3, 70_000]), st.booleans())
def test_the_maps_equal_the_plain_ones(seed: int, top: int, wide: bool):
    """One set of bins and two."""
    equal_the_plain_ones(seed, top, wide)


@pytest.mark.slow
@pytest.mark.parametrize("top", [3, 300, 70_000])
@pytest.mark.parametrize("wide", [False, True])
def test_narrow_types_equal_the_plain_ones(top: int, wide: bool, monkeypatch):
    """Counts of 8, 16 and 32 bits, labels of 8 and 16, as large networks have them."""
    monkeypatch.setattr(aggregation, "_SMALL", 0)
    for seed in range(10):
        equal_the_plain_ones(seed, top, wide)


def equal_the_plain_ones(seed: int, top: int, wide: bool) -> None:
    network = made(seed, top=top)
    names = tuple(f"r{k:03}" for k in range(300 if wide else 6))
    regions = Regions.from_labels(np.random.default_rng(seed).integers(-1, len(names), network.n), names)
    found = block(network, regions)
    assert np.array_equal(found.counts, plain_block(network, regions))
    by_layer = block_layers(network, regions)
    assert np.array_equal(sum(one.counts for one in by_layer.values()), found.counts)
    for name, one in by_layer.items():
        assert np.array_equal(one.counts, plain_block(network.of_layer(name), regions))
    pre, post = shares(seed, network.n), shares(seed + 1, network.n)
    soft = soft_block(network, pre, post)
    want = plain_rows(pre).T @ network.matrix() @ plain_rows(post)
    assert np.array_equal(soft.exact, want.toarray().astype(object))
    carried, ended = plain_projectome(network)
    carriers = projectome(network)
    assert np.allclose(carriers.counts, carried, rtol=1e-12, atol=0)
    assert np.array_equal(carriers.ended, ended)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_projectome_of_sites_is_that_of_the_network(seed: int):
    """Rows of nodes and sites, some twice, in any order; seven times as many received change nothing."""
    network = made(seed, n=30, m=60)
    node = np.concatenate([network.nodes[network.target], network.nodes[network.source]])
    site = np.concatenate([network.site, network.site])
    none = np.zeros(network.m, np.int64)
    received, sent = np.concatenate([network.count, none]), np.concatenate([none, network.count])
    order = np.random.default_rng(seed).permutation(node.size)
    want = projectome(network)
    for factor in (1, 7, 0.5):
        found = projectome_of_sites(node[order], site[order], (factor * received)[order], sent[order])
        assert found.names == want.names
        assert np.allclose(found.counts, want.counts, rtol=1e-12, atol=1e-12)
        assert np.allclose(found.ended, factor * want.ended, rtol=1e-12)
        assert np.allclose(found.counts.sum(axis=0)[:-1], np.bincount(network.site, network.count, 5), rtol=1e-12)


def test_pieces_and_threads_change_no_bit(monkeypatch):
    network = made(3, n=300, m=6000)
    weighted = Network.from_edges(network.source, network.target, network.count / 7, nodes=network.nodes)
    regions = Regions.from_labels(np.arange(network.n) % 7, tuple("abcdefg"))
    pre, post = shares(1, network.n), shares(2, network.n)

    def all_maps(pool=None):
        return (
            block(network, regions, pool).counts,
            np.stack([one.counts for one in block_layers(network, regions, pool).values()]),
            soft_block(network, pre, post, pool).exact,
        )

    def of_weights(pool=None):
        made = block(weighted, regions, pool), soft_block(weighted, pre, post, pool), projectome(network, pool)
        return [one.counts for one in made]

    whole, rounded = all_maps(), of_weights()
    for edges, nodes in ((1, 1), (37, 64), (1000, 299)):
        monkeypatch.setattr(aggregation, "_EDGES", edges)
        monkeypatch.setattr(aggregation, "_NODES", nodes)
        alone, apart = all_maps(), of_weights()
        with executor(2) as pool:
            assert all(np.array_equal(a, b) for a, b in zip(all_maps(pool), whole, strict=True))
            assert all(np.array_equal(a, b) for a, b in zip(of_weights(pool), apart, strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(alone, whole, strict=True))
        assert all(np.allclose(a, b, rtol=1e-13) for a, b in zip(apart, rounded, strict=True))


@pytest.mark.parametrize("size", [2**20, 2**31, 2**45])
def test_soft_blocks_are_exact_beyond_int64(size: int):
    """Counts whose sums of shares need 52 to 95 bits, against Python integers; one row, and one count, above 2^31."""
    rng = np.random.default_rng(0)
    n = 12
    network = Network.from_edges(
        rng.integers(n, size=60), rng.integers(n, size=60), rng.integers(size, 2 * size, 60), nodes=np.arange(n)
    )
    pre, post = shares(1, n), shares(2, n)
    left, right = (plain_rows(one).toarray().astype(object) for one in (pre, post))
    want = left.T.dot(network.matrix().toarray().astype(object)).dot(right)
    found = soft_block(network, pre, post).exact
    assert np.array_equal(found, want)
    assert sum(found.ravel().tolist()) == network.total * QUANTUM**2


def test_counts_beyond_int64_are_refused():
    ends = [0, 1, 0], [1, 2, 1]
    for kind in (np.int64, np.uint64):
        with pytest.raises(ValueError, match=r"2\^63"):
            Network.from_edges(*ends, np.full(3, 2**62, kind))
    most = Network.from_edges(*ends, np.array([2**62, 5, 2**62 - 6], np.uint64))
    regions = Regions.from_labels([0, 0, 0], ("all",))
    assert block(most, regions).total == most.total == 2**63 - 1
    assert soft_block(most, *[Shares.from_regions(regions)] * 2).exact[0, 0] == (2**63 - 1) << 32


def test_a_network_without_connections():
    network = made(1)
    none = network.where(np.zeros(network.m, dtype=bool))
    regions = Regions.from_labels(np.zeros(network.n, int), ("all",))
    assert block(none, regions).total == 0
    assert soft_block(none, shares(1, network.n), shares(1, network.n)).total == 0
    assert projectome(none).total == 0


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_shares_of_sites(seed: int):
    """Shares times QUANTUM within one of the exact parts; the soft block of a network with one site a node is hard."""
    network = made(seed, m=150)
    for made_shares, ends, flow in (
        (pre_shares(network), network.source, network.outflow),
        (post_shares(network), network.target, network.inflow),
    ):
        exact = np.zeros((network.n, len(network.site_names)))
        np.add.at(exact, (ends, network.site), network.count)
        held = plain_rows(made_shares).toarray()
        assert np.all(held.sum(axis=1) == QUANTUM)
        assert np.array_equal(held[:, -1] == QUANTUM, flow == 0)
        some = flow > 0
        assert np.abs(held[some, :-1] - QUANTUM * exact[some] / flow[some, None]).max() < 1
    soft = soft_block(network, pre_shares(network), post_shares(network))
    assert sum(soft.exact.ravel()) == network.total * QUANTUM**2
    home = np.arange(network.n) % 3
    lone = Network.from_edges(
        network.source, network.target, network.count, nodes=network.nodes, site=home[network.source]
    )
    hard = np.zeros((3, 3), np.int64)
    np.add.at(hard, (home[lone.source], home[lone.target]), lone.count)
    at_home = shares_of_amounts(np.eye(3)[home], ("0", "1", "2"))
    assert np.array_equal(soft_block(lone, at_home, at_home).counts[:3, :3], hard)
    assert np.array_equal(np.diff(pre_shares(lone).starts), np.ones(lone.n))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_maps_of_maps_are_maps(seed: int):
    """Shares of larger regions are shares added up, and so are the soft blocks, to the last whole number."""
    network = made(seed)
    fine = pre_shares(network), post_shares(network)
    parent = {"0": "left", "1": "left", "2": "right", "4": "right"}  # 3 is left out
    coarse = [coarser_shares(one, parent) for one in fine]
    group = np.zeros((6, 3), object)
    for region, name in enumerate(fine[0].names):
        group[region, coarse[0].names.index(parent.get(name, "unassigned"))] = 1
    assert np.array_equal(soft_block(network, *coarse).exact, group.T @ soft_block(network, *fine).exact @ group)


def test_largest_remainder_by_hand():
    thirds = shares_of_amounts(np.array([[1, 1, 1], [0, 0, 0], [2, 0, 1]]), ("a", "unassigned", "c"))
    assert thirds.names == ("a", "c", "unassigned")
    assert plain_rows(thirds).toarray().tolist() == [
        [21846, 21845, 21845],
        [0, 0, 65536],
        [43691, 21845, 0],
    ]


def test_overlapping_levels_are_refused():
    parents = {"EB(R1)": "EB", "EB": "CX", "PB": "CX"}
    require_disjoint(["EB", "PB"], parents)
    with pytest.raises(ValueError, match=r"EB\(R1\) in EB.*PB in CX.*3 pairs|EB.*in CX"):
        require_disjoint(["EB(R1)", "PB", "CX"], parents)
    with pytest.raises(ValueError, match="lies in itself"):
        require_disjoint(["a"], {"a": "b", "b": "a"})


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.booleans())
def test_ids_are_found(seed: int, text: bool):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.unique(rng.integers(-(2**62), 2**62, 40)))
    wanted = np.concatenate([rng.choice(ids, 60), rng.integers(-(2**62), 2**62, 5)])
    where = {int(one): place for place, one in enumerate(ids)}
    want = [where.get(int(one), -1) for one in wanted]
    kind = str if text else np.int64
    assert IdTable(ids.astype(kind)).find(wanted.astype(kind)).tolist() == want
    assert IdTable(np.arange(7)).find(np.array([-1, 0, 6, 7])).tolist() == [-1, 0, 6, -1]
    with pytest.raises(ValueError, match=f"{ids[3]} stands more than once"):
        IdTable(np.append(ids, ids[3]).astype(kind))
