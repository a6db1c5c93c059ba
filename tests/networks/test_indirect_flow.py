"""Indirect flow in closed form, series against solution, cuts against all cuts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.networks import Network, Regions, flow, max_flow
from kadanoff.networks import indirect_flow as module
from kadanoff.networks.indirect_flow import normalised_by, spectral_radius


def test_a_path_and_a_complete_graph():
    path = np.eye(6, k=1, dtype=int) * 7
    found = flow(path, gain=0.8)
    i, j = np.indices((6, 6))
    assert np.allclose(found.total, np.where(j > i, 0.8 ** (j - i), 0.0), rtol=1e-13)
    assert found.no_input == 1
    n, g = 9, 0.9
    complete = 1 - np.eye(n, dtype=int)
    found = flow(complete, gain=g)
    # eigenvalues of g B: g on the ones, -g / (n - 1) on the rest
    rest = -g / (n - 1)
    want = (g / (1 - g) - rest / (1 - rest)) / n + rest / (1 - rest) * np.eye(n)
    assert np.allclose(found.total, want, rtol=1e-12)
    assert found.indirect_share == pytest.approx(g, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.95))
def test_the_indirect_share_is_the_gain_where_all_have_inputs(seed: int, gain: float):
    """A property, and a warning: the share alone says nothing about the wiring."""
    counts = np.random.default_rng(seed).integers(0, 5, (12, 12)) + np.roll(np.eye(12, dtype=int), 1, axis=1)
    assert flow(counts, gain=gain).indirect_share == pytest.approx(gain, rel=1e-10)
    assert flow(counts, gain=gain, normalise="output").indirect_share == pytest.approx(gain, rel=1e-10)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_hops_add_up_and_series_and_solution_agree(seed: int):
    rng = np.random.default_rng(seed)
    network = Network.from_edges(
        rng.integers(60, size=300), rng.integers(60, size=300), rng.integers(1, 9, size=300), nodes=np.arange(60)
    )
    regions = Regions.from_labels(rng.integers(-1, 4, 60), ("a", "b", "c", "d"))
    solved = flow(network, gain=0.85, regions=regions)
    dense = 0.85 * normalised_by(network).toarray()
    member = np.eye(5)[regions.label]
    three = member.T @ (dense + dense @ dense + dense @ dense @ dense) @ member
    found = flow(network, gain=0.85, regions=regions, hops=3)
    assert np.allclose(found.total, three, rtol=1e-12)
    assert found.by_hop.sum() == pytest.approx(found.total.sum(), rel=1e-12)
    for normalise in ("input", "output"):
        other = flow(network, gain=0.85, regions=regions, normalise=normalise)
        kept, module._DENSE = module._DENSE, 10
        try:
            series = flow(network, gain=0.85, regions=regions, normalise=normalise)
        finally:
            module._DENSE = kept
        assert np.allclose(series.total, other.total, rtol=1e-11)
        assert 0 < series.remainder <= 1e-12 * series.total.sum()
        assert series.remainder >= other.total.sum() - series.total.sum() - 1e-12 * other.total.sum()
    assert solved.remainder == 0
    sparse = module._solved(0.85 * normalised_by(network), np.eye(60))
    module._DENSE = 10
    try:
        assert np.allclose(module._solved(0.85 * normalised_by(network), np.eye(60)), sparse, rtol=1e-11)
    finally:
        module._DENSE = 1500


def test_flow_that_does_not_end_is_refused():
    ring = np.roll(np.eye(5, dtype=int), 1, axis=1)
    with pytest.raises(ValueError, match=r"spectral radius of g B is 1\b"):
        flow(ring, gain=1.0)
    with pytest.raises(ValueError, match="spectral radius of g B is 2"):
        flow(2 * ring, gain=1.0, normalise="none")
    assert flow(np.eye(5, k=1, dtype=int) * 4, gain=1.0, normalise="none").total[0, 4] == pytest.approx(4**4)
    assert flow(ring, gain=1.0, hops=10).by_hop.tolist() == [5.0] * 10


def test_arnoldi_equals_all_eigenvalues(monkeypatch):
    big = (np.random.default_rng(0).random((150, 150)) < 0.05).astype(float)
    dense = spectral_radius(normalised_by(big, "none"))
    monkeypatch.setattr(module, "_EIGENVALUES", 10)
    assert spectral_radius(normalised_by(big, "none")) == pytest.approx(dense, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_cut_is_the_smallest_of_all(seed: int):
    rng = np.random.default_rng(seed)
    k = 7
    counts = rng.integers(0, 20, (k, k)) * (rng.random((k, k)) < 0.4)
    found = max_flow(counts, [0, 1], [5, 6])
    cuts = []
    for free in product([False, True], repeat=3):
        side = np.array([True, True, *free, False, False])
        cuts.append(counts[np.ix_(side, ~side)].sum())
    assert found.value == min(cuts) == sum(counts[a, b] for a, b in found.cut)
    assert np.all(found.carried <= counts)
    inside = found.carried.sum(axis=0) - found.carried.sum(axis=1)
    assert np.all(inside[2:5] == 0)
    assert inside[5:].sum() == found.value


def test_max_flow_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="without common"):
        max_flow(np.ones((3, 3), int), [0, 1], [1])
    with pytest.raises(ValueError, match="whole"):
        max_flow(np.ones((3, 3)), [0], [1])
    with pytest.raises(ValueError, match="2\\^31"):
        max_flow(np.full((3, 3), 2**30), [0], [1])
