"""Boltzmann inversion against distributions made from known potentials."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.molecules.boltzmann import boltzmann_inversion, ibi_update, potential_from_bins, supported_bins
from kadanoff.molecules.frames import BOLTZMANN
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import lennard_jones

TEMPERATURE = 300.0
KT = BOLTZMANN * TEMPERATURE
TRUTH = lennard_jones(1.2 * KT, 0.3, 0.9)


def dilute(potential=TRUTH, *, pairs=None, blocks=40, width=0.01, cutoff=1.0, seed=1, temperature=TEMPERATURE):
    """Distribution with g = exp(-U/kT) averaged over each bin; counts drawn, or (pairs=None) practically exact."""
    edges = width * np.arange(round(cutoff / width) + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    r = 0.5 * (edges[1:] + edges[:-1])[:, None] + 0.5 * width * nodes
    g = np.exp(-potential.energy_at(r) / (BOLTZMANN * temperature))
    mean = np.sum(weights * r**2 * g, axis=1) / np.sum(weights * r**2, axis=1)
    ideal = np.tile(shells / shells.sum() * (pairs or 1e15) / blocks, (blocks, 1))
    if pairs is None:
        counts = np.round(ideal * mean).astype(np.int64)
    else:
        counts = np.random.default_rng(seed).poisson(ideal * mean)
    return PairDistribution(edges, counts, ideal, np.ones(blocks, np.int64), ("A", "A"), (1000, 1000))


def test_dilute_limit_is_exact():
    """Bin averages over a rise of many kT a bin are undone; what is left is third order in the width."""
    worst = []
    for width in (0.01, 0.005):
        found = boltzmann_inversion(dilute(width=width), TEMPERATURE, cutoff=0.9)
        r = np.linspace(0.275, 0.85, 300)
        difference = found.energy_at(r) - TRUTH.energy_at(r)
        worst.append(np.abs(difference).max() / KT)
    assert worst[0] < 0.05
    assert worst[1] < worst[0] / 4
    plain = dilute()
    naive = -KT * np.log(plain.g[25]) - TRUTH.energy_at(plain.r[25])
    assert abs(naive) > 0.05 * KT  # what the bin average alone would cost at 0.255 nm


def test_bands_hold_the_truth():
    inside, total, forces = 0, 0, 0
    for seed in range(30):
        found = boltzmann_inversion(dilute(pairs=4e6, seed=seed), TEMPERATURE, cutoff=0.9)
        r = np.arange(0.32, 0.84, 0.02) + 0.005
        band = np.interp(r, found.r, found.band)
        inside += np.count_nonzero(np.abs(found.energy_at(r) - TRUTH.energy_at(r)) < 2.02 * band)
        band = np.interp(r, found.r, found.force_band)
        forces += np.count_nonzero(np.abs(found.force_at(r) - TRUTH.force_at(r)) < 2.02 * band)
        total += len(r)
    # the shift at the cut-off is common to all points of a seed: 30 seeds bound its coverage to 0.95 +- 0.16 (4 sigma)
    assert inside / total > 0.79
    assert 0.92 < forces / total < 0.98


def test_core_is_extrapolated_from_the_first_seen_bin():
    distribution = dilute(pairs=1e6)
    bins = supported_bins(distribution, 0.9)
    found = boltzmann_inversion(distribution, TEMPERATURE, cutoff=0.9)
    first = distribution.r[bins.start]
    assert distribution.counts.sum(axis=0)[bins.start - 1] < 20 <= distribution.counts.sum(axis=0)[bins.start]
    assert found.supported[0] == pytest.approx(first)
    assert not found.is_supported(first - 0.01)
    core = found.energy_at(np.linspace(0, first, 50))
    assert np.all(np.diff(core) < 0)
    assert core[-1] > 2 * KT
    assert found.energy_at(0.9) == 0
    assert found.force_at(0.9) == 0


def test_single_block_has_no_band():
    assert boltzmann_inversion(dilute(blocks=1), TEMPERATURE, cutoff=0.9).band is None


def test_iteration_recovers_the_potential_where_the_model_is_dilute():
    """With an exact "simulation" of dilute beads a few steps from another potential give the true one."""
    start = lennard_jones(0.4 * KT, 0.29, 0.9)
    target = dilute()
    better = ibi_update(start, target, dilute(start), TEMPERATURE, largest=20.0)
    # where the two differ steeply the ratio of bin means is not the ratio at the centre; that vanishes as they approach
    final = better
    for _ in range(3):
        final = ibi_update(final, target, dilute(final), TEMPERATURE, largest=20.0)
    r = np.linspace(0.28, 0.84, 200)
    assert np.abs(final.energy_at(r) - TRUTH.energy_at(r)).max() < 0.01 * KT
    assert np.abs(better.energy_at(r) - TRUTH.energy_at(r)).max() < 0.4 * KT
    half = ibi_update(start, target, dilute(start), TEMPERATURE, scale=0.5, largest=20.0)
    middle = 0.5 * (start.energy_at(r) + better.energy_at(r))
    np.testing.assert_allclose(half.energy_at(r), middle, atol=0.01 * KT)
    assert better.energy_at(0.9) == 0
    assert better.force_at(0.9) == 0


def test_fixed_point():
    target = dilute()
    same = ibi_update(TRUTH, target, target, TEMPERATURE)
    r = np.linspace(target.r[supported_bins(target, 0.9).start + 1], 0.9, 100)
    np.testing.assert_allclose(same.energy_at(r), TRUTH.energy_at(r), atol=1e-6)


def test_a_bin_the_model_never_visits_is_pulled_in():
    target = dilute(pairs=1e6)
    empty = dilute(pairs=1e6, seed=2)
    bins = supported_bins(target, 0.9)
    empty.counts[:, : bins.start + 4] = 0
    better = ibi_update(TRUTH, target, empty, TEMPERATURE)
    change = better.energy_at(target.r[bins]) - TRUTH.energy_at(target.r[bins])
    assert np.all(change[:3] < -1.0 * KT)
    assert np.all(change[:3] > -2.3 * KT)


def test_gaps_are_refused_with_distances():
    broken = dilute(pairs=1e6)
    broken.counts[:, 60] = 0
    with pytest.raises(ValueError, match=r"behind the first peak.*0\.605 nm"):
        boltzmann_inversion(broken, TEMPERATURE, cutoff=0.9)
    with pytest.raises(ValueError, match="behind the first peak"):
        ibi_update(TRUTH, broken, dilute(), TEMPERATURE)
    mask = np.ones(10, bool)
    mask[4] = False
    with pytest.raises(ValueError, match=r"gap at r = 0\.45"):
        potential_from_bins(0.05 + 0.1 * np.arange(10), np.zeros(10), mask, 1.0)


def test_refusals():
    with pytest.raises(ValueError, match="no bin below"):
        boltzmann_inversion(dilute(pairs=10), TEMPERATURE, cutoff=0.9)
    with pytest.raises(ValueError, match="known to 1 nm only"):
        boltzmann_inversion(dilute(), TEMPERATURE, cutoff=1.2)
    with pytest.raises(ValueError, match="different bins"):
        ibi_update(TRUTH, dilute(), dilute(width=0.005), TEMPERATURE)
    with pytest.raises(ValueError, match="temperature"):
        boltzmann_inversion(dilute(), 0.0)
