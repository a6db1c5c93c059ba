"""Reciprocity, clustering and triads against plain loops and networkx."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.networks import TRIADS, Network, reciprocity, transitivity, triad_census
from kadanoff.networks.motifs import _TYPE


def made(seed: int, n: int, m: int) -> Network:
    rng = np.random.default_rng(seed)
    return Network.from_edges(rng.integers(n, size=m), rng.integers(n, size=m), nodes=np.arange(n))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 12), st.integers(1, 60))
def test_the_census_equals_plain_loops(seed: int, n: int, m: int):
    network = made(seed, n, m)
    there = network.matrix().toarray() > 0
    want = np.zeros(16, int)
    for a, b, c in combinations(range(n), 3):
        ways = [there[i, j] + 2 * there[j, i] for i, j in ((a, b), (a, c), (b, c))]
        want[_TYPE[ways[0] + 4 * ways[1] + 16 * ways[2]]] += 1
    assert triad_census(network).tolist() == want.tolist()


def test_networkx_agrees():
    networkx = pytest.importorskip("networkx")
    network = made(1, 60, 500)
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(60))
    graph.add_edges_from(
        (a, b) for a, b in zip(network.source.tolist(), network.target.tolist(), strict=True) if a != b
    )
    assert dict(zip(TRIADS, triad_census(network).tolist(), strict=True)) == networkx.triadic_census(graph)
    assert reciprocity(network) == pytest.approx(networkx.overall_reciprocity(graph), rel=1e-14)
    assert transitivity(network) == pytest.approx(networkx.transitivity(graph.to_undirected()), rel=1e-14)


def test_known_graphs():
    ring = Network.from_edges([0, 1, 2], [1, 2, 0])
    assert triad_census(ring)[TRIADS.index("030C")] == 1
    assert reciprocity(ring) == 0
    assert transitivity(ring) == 1
    star = Network.from_edges([0, 0, 0], [1, 2, 3])
    assert triad_census(star).tolist() == [1, 0, 0, 3, *[0] * 12]
    assert transitivity(star) == 0
    with pytest.raises(ValueError, match="two neighbours"):
        transitivity(Network.from_edges([0], [1]))
    with pytest.raises(ValueError, match="no two"):
        reciprocity(Network.from_edges([0], [0]))
