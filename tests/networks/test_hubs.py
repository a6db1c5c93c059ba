"""Hubs against closed forms, plain enumeration of paths, and the layers they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.networks import (
    Network,
    Regions,
    betweenness,
    block,
    hub_statistics,
    layer_blocks,
    netted,
    participation,
    per_layer,
    strength,
    within_region_z,
)
from kadanoff.networks.indirect_flow import flow


def test_paths_stars_and_complete_graphs():
    n = 7
    path = np.eye(n, k=1, dtype=int)
    at = np.arange(n)
    assert np.allclose(betweenness(path, lengths="hops"), at * (n - 1 - at) / ((n - 1) * (n - 2)), rtol=1e-14)
    star = np.zeros((n, n), int)
    star[0, 1:] = star[1:, 0] = 3
    assert np.allclose(betweenness(star), [1, *[0] * (n - 1)], atol=1e-15)
    assert np.array_equal(betweenness(np.ones((n, n), int)), np.zeros(n))
    ring = np.roll(np.eye(n, dtype=int), 1, axis=1)
    assert np.allclose(betweenness(ring), 0.5, rtol=1e-13)  # of n - 1 - d nodes between, the mean over d


def test_a_bridge_between_two_cliques_carries_all_that_crosses():
    a, b = 4, 6
    n = a + b + 1
    counts = np.zeros((n, n), int)
    counts[:a, :a] = counts[a:-1, a:-1] = 2
    counts[-1, :] = counts[:, -1] = 2
    for lengths in ("inverse", "logarithm", "hops"):
        want = [0.0] * (a + b) + [2 * a * b / ((n - 1) * (n - 2))]
        assert np.allclose(betweenness(counts, lengths=lengths), want, atol=1e-14)
    regions = Regions.from_labels([0] * a + [1] * b + [0])
    assert participation(counts, regions)[-1] == pytest.approx(1 - (a**2 + b**2) / (a + b) ** 2, rel=1e-14)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["inverse", "logarithm", "hops"]))
def test_betweenness_equals_all_paths_tried(seed: int, lengths: str):
    rng = np.random.default_rng(seed)
    n = 6
    counts = rng.integers(1, 4, (n, n)) * (rng.random((n, n)) < 0.5)
    np.fill_diagonal(counts, 5)
    off = counts * ~np.eye(n, dtype=bool)
    if (off > 0).sum() < 2:
        return
    total = off.sum()
    long = {"inverse": lambda w: 1 / w, "logarithm": lambda w: np.log(total / w), "hops": lambda w: 1.0}[lengths]
    paths = {}

    def walk(visited, distance):
        paths.setdefault((visited[0], visited[-1]), []).append((distance, visited))
        for j in np.flatnonzero(off[visited[-1]]):
            if j not in visited:
                walk([*visited, int(j)], distance + long(off[visited[-1], j]))

    for i in range(n):
        walk([i], 0.0)
    want = np.zeros(n)
    for (i, j), found in paths.items():
        if i == j:
            continue
        short = min(distance for distance, _ in found)
        best = [visited for distance, visited in found if distance <= short * (1 + 1e-9)]
        for visited in best:
            want[visited[1:-1]] += 1 / len(best)
    assert np.allclose(betweenness(counts, lengths=lengths), want / ((n - 1) * (n - 2)), atol=1e-12)


def test_networkx_agrees():
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 60, (40, 40)) * (rng.random((40, 40)) < 0.3)
    graph = networkx.from_numpy_array(1 / np.maximum(counts, 1) * (counts > 0), create_using=networkx.DiGraph)
    want = networkx.betweenness_centrality(graph, weight="weight")
    assert np.allclose(betweenness(counts), [want[i] for i in range(40)], atol=1e-12)


def test_participation_and_z_in_closed_form():
    regions = Regions.from_labels([0, 0, 1, 1, 2, 2])
    counts = np.zeros((6, 6), int)
    counts[0, 2:] = [4, 4, 2, 6]  # half to each of two regions
    counts[1, 0] = 9  # all to one
    counts[2, [1, 3, 4]] = 5  # a third to each
    out = participation(counts, regions)
    assert np.allclose(out[:3], [0.5, 0, 2 / 3], rtol=1e-14)
    assert out.mask.tolist() == [False] * 3 + [True] * 3  # nothing sent, no value
    into = participation(counts, regions, "in")
    assert into[4] == pytest.approx(1 - (2**2 + 5**2) / 7**2)
    z = within_region_z(counts, regions)
    assert z.mask.tolist() == [True] * 6  # 0 and 1 exchange 9, 2 and 3 exchange 5: all alike in their regions
    counts[0, 1] = 2
    assert within_region_z(counts, regions).mask.all()
    three = Regions.from_labels([0, 0, 0, 1, 1, 1])
    z = within_region_z(counts, three)
    own = np.array([2 + 4 + 9, 9 + 2 + 5, 5 + 4])
    assert z[1] == pytest.approx((16 - own.mean()) / own.std())
    assert np.allclose(z[:3].sum(), 0, atol=1e-13)


def test_what_is_given_stays_as_it_is():
    given = scipy.sparse.csr_array(([1, 0, 2], [1, 2, 0], [0, 2, 3, 3]), shape=(3, 3))
    betweenness(given)
    strength(given)
    assert given.data.tolist() == [1, 0, 2]


def test_one_call_on_networks_and_regions():
    rng = np.random.default_rng(3)
    network = Network.from_edges(rng.integers(30, size=300), rng.integers(30, size=300), nodes=np.arange(30))
    small = Regions.from_labels(rng.integers(5, size=30))
    coarse = block(network, small)
    found = hub_statistics(coarse, regions=Regions.from_labels(["x", "x", "y", "y", "y", None]))
    assert found.names == small.names
    out, into = strength(coarse)
    assert out.sum() == into.sum() == coarse.total - np.trace(coarse.counts)
    assert np.issubdtype(out.dtype, np.integer)
    assert found.betweenness[-1] == 0  # nobody is unassigned
    assert found.participation_out.mask.tolist() == [False] * 5 + [True]
    assert hub_statistics(network).participation_out is None
    assert hub_statistics(network).degree_out.sum() == (network.source != network.target).sum()


def test_layers_are_never_set_off_against_each_other():
    rng = np.random.default_rng(5)
    m = 400
    network = Network.from_edges(
        rng.integers(20, size=m),
        rng.integers(20, size=m),
        rng.integers(1, 5, size=m),
        nodes=np.arange(20),
        layer=rng.choice(["acetylcholine", "GABA", "dopamine"], size=m),
    )
    regions = Regions.from_labels(np.arange(20) % 4)
    parts = layer_blocks(network, regions)
    assert np.array_equal(sum(part.counts for part in parts.values()), block(network, regions).counts)
    net = netted(network, regions, {"acetylcholine": 1, "GABA": -1, "dopamine": 0})
    assert np.array_equal(net.net, parts["acetylcholine"].counts - parts["GABA"].counts)
    assert net.unsigned == parts["dopamine"].total
    assert net.unsigned + net.excitatory.sum() + net.inhibitory.sum() == network.total
    even = np.minimum(net.excitatory, net.inhibitory).sum()
    assert net.cancelled == pytest.approx(2 * even / (network.total - net.unsigned))
    for function in (hub_statistics, flow):
        with pytest.raises(ValueError, match="set off against each other"):
            function(net)
        with pytest.raises(ValueError, match="negative counts; excitation and inhibition"):
            function(net.net)
    found = per_layer(network, hub_statistics)
    assert sorted(found) == ["GABA", "acetylcholine", "dopamine"]
    off = network.of_layer("GABA").where(network.of_layer("GABA").source != network.of_layer("GABA").target)
    assert found["GABA"].strength_out.sum() == off.total
    with pytest.raises(ValueError, match=r"give .* to each of .*dopamine"):
        netted(network, regions, {"acetylcholine": 1, "GABA": -1})
    with pytest.raises(ValueError, match="has none"):
        per_layer(Network.from_edges([0], [1]), strength)
