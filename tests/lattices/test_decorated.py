"""The decorated lattice: exact by enumeration, its sampler against a plain twin, fits that give the coupling back."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadanoff.lattices.decorated import (
    CRITICAL_TEMPERATURE,
    coupling_by_energy,
    coupling_by_pseudo_likelihood,
    critical_temperature_of,
    decorated_bond_entropy,
    decorated_coupling,
    effective_energy,
    neighbour_counts,
)
from kadanoff.lattices.enumeration import spectrum
from kadanoff.lattices.kaufman import log_partition, torus_energy
from kadanoff.lattices.lattice import lieb
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.studies.transferred_coupling import TransferredCoupling, transferred_coupling
from kadanoff.study import Run


def test_the_critical_point_and_the_transfer():
    temperature = CRITICAL_TEMPERATURE
    assert 1 / temperature == pytest.approx(math.acosh(1 + math.sqrt(2)) / 2, abs=1e-14)
    assert 1 / temperature == pytest.approx(0.764285, abs=1e-6)
    assert temperature == pytest.approx(1.308412, abs=1e-6)
    for temperature, predicted in ((0.5, 1.8762), (1.0, 1.5033), (1.5, 1.2039), (2.0, 0.9843)):
        assert critical_temperature_of(float(effective_energy(temperature))) == pytest.approx(predicted, abs=5e-5)
    there = critical_temperature_of(float(effective_energy(CRITICAL_TEMPERATURE)))
    assert there == pytest.approx(CRITICAL_TEMPERATURE, abs=1e-13)


@pytest.mark.parametrize("coupling", [0.3, 0.76, 1.5])
def test_enumeration_of_a_decorated_square_is_the_plain_one(coupling):
    """2 x 2 sites and the 8 bonds of a torus: every one of 2^12 states."""
    bonds = [(0, 1), (1, 0), (2, 3), (3, 2), (0, 2), (2, 0), (1, 3), (3, 1)]
    sums = {}
    for sites in itertools.product((-1, 1), repeat=4):
        total = 0.0
        for decorations in itertools.product((-1, 1), repeat=8):
            total += math.exp(
                coupling * sum(d * (sites[i] + sites[j]) for d, (i, j) in zip(decorations, bonds, strict=True))
            )
        sums[sites] = total
    effective = float(decorated_coupling(coupling))
    factor = (2 * math.sqrt(math.cosh(2 * coupling))) ** 8
    for sites, total in sums.items():
        wanted = factor * math.exp(effective * sum(sites[i] * sites[j] for i, j in bonds))
        assert total == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_partition_function_is_that_of_the_square_torus(size):
    """All states of the decorated lattice, counted by the general enumeration, against Kaufman's formula at K'."""
    counted, bonds = spectrum(lieb(size)), 2 * size * size
    for coupling in (0.2, 0.76, 1.3):
        square = log_partition(float(decorated_coupling(coupling)), (size, size))
        free = bonds * math.log(2 * math.sqrt(math.cosh(2 * coupling)))
        assert counted.log_partition(coupling) == pytest.approx(free + square, rel=1e-12)


@given(st.floats(-30, 30))
def test_the_effective_coupling_keeps_its_digits(coupling):
    exact = 0.5 * math.log(math.cosh(2 * coupling))
    assert float(decorated_coupling(coupling)) == pytest.approx(exact, rel=1e-12, abs=1e-15)


def test_limits_of_the_effective_energy():
    assert effective_energy([1e-3, 1e-2]) == pytest.approx(1 - np.array([1e-3, 1e-2]) * math.log(2) / 2, abs=1e-12)
    assert float(effective_energy(300.0)) == pytest.approx(1 / 300, rel=1e-4)
    with pytest.raises(ValueError, match="above 0"):
        effective_energy(0.0)


def test_the_open_bond_entropy_by_enumeration():
    k, correlation = 0.7, 0.4
    total = 0.0
    for s, t in itertools.product((-1, 1), repeat=2):
        p = (1 + correlation * s * t) / 4
        up = 1 / (1 + math.exp(-2 * k * (s + t)))
        total -= p * (up * math.log(up) + (1 - up) * math.log(1 - up))
    assert decorated_bond_entropy(k, correlation) == pytest.approx(total, abs=1e-13)
    with pytest.raises(ValueError, match="between -1 and 1"):
        decorated_bond_entropy(0.3, 1.2)


def test_the_sampler_has_the_exact_distribution():
    """3 x 3 sites: s s' against enumeration of the square torus with K', the fine energy from it: 4.5 errors."""
    k = 0.9
    drawn = sample(lieb(3), k, samples=40_000, seed=4).configurations
    sites, decorations = drawn[..., 0], drawn[..., 1:]
    states = (2 * (np.arange(512)[:, None] >> np.arange(9) & 1) - 1).reshape(-1, 3, 3)
    bonds = (states * (np.roll(states, 1, 1) + np.roll(states, 1, 2))).sum(axis=(1, 2))
    weight = np.exp(float(decorated_coupling(k)) * bonds)
    exact = float(weight @ bonds / weight.sum()) / 18
    assert -torus_energy(float(decorated_coupling(k)), (3, 3)) / 2 == pytest.approx(exact, abs=1e-9)
    sampled = (sites * (np.roll(sites, 1, 1) + np.roll(sites, 1, 2))).sum(axis=(1, 2)) / 18
    blocks = sampled.reshape(100, -1).mean(axis=1)
    assert abs(sampled.mean() - exact) < 4.5 * blocks.std(ddof=1) / 10
    pairs = [sites.astype(float) + np.roll(sites, -1, axis) for axis in (1, 2)]
    energy = sum(decorations[..., n] * pairs[n] for n in (0, 1)).sum(axis=(1, 2)) / 18  # <d (s + s')>
    blocks = energy.reshape(100, -1).mean(axis=1)
    assert abs(energy.mean() - math.tanh(2 * k) * (1 + exact)) < 4.5 * blocks.std(ddof=1) / 10


def test_fits_give_the_coupling_back():
    for temperature, seed in ((1.0, 1), (2.0, 2)):
        k = 1 / temperature
        counts = neighbour_counts(sample(lieb(32), k, samples=3000, seed=seed).configurations[..., 0])
        exact = float(decorated_coupling(k))
        for estimate in (coupling_by_pseudo_likelihood(counts), coupling_by_energy(counts, (32, 32))):
            assert abs(estimate.value - exact) < 4.5 * estimate.error
            assert estimate.error < 0.01 * exact


def test_errors_of_the_pseudo_likelihood_are_calibrated():
    """50 independent runs: the spread of (value - exact) / error is one, within 4 standard errors of a spread of 50."""
    k, exact = 0.6, float(decorated_coupling(0.6))
    pulls = []
    for seed in range(50):
        counts = neighbour_counts(sample(lieb(12), k, samples=1200, seed=seed).configurations[..., 0])
        estimate = coupling_by_pseudo_likelihood(counts)
        pulls.append((estimate.value - exact) / estimate.error)
    assert abs(np.mean(pulls)) < 4 / math.sqrt(50)
    assert np.std(pulls) == pytest.approx(1.0, abs=4 / math.sqrt(100))


def test_too_few_excited_spins_are_refused_with_the_number_needed():
    counts = np.tile([1, 0, 0, 2, 997], (4, 1))
    with pytest.raises(ValueError, match="about 20 samples"):
        coupling_by_pseudo_likelihood(counts)
    random = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (400, 8, 8))
    estimate = coupling_by_pseudo_likelihood(neighbour_counts(random))
    assert abs(estimate.value) < 4.5 * estimate.error  # random spins have no coupling
    with pytest.raises(ValueError, match="no K'"):
        coupling_by_energy(neighbour_counts(-np.abs(random) * (-1) ** np.indices((8, 8)).sum(axis=0)[None]), (8, 8))


def test_wrong_configurations_are_refused():
    with pytest.raises(ValueError, match="3 x 3 sites or more"):
        neighbour_counts(np.ones((4, 2, 8), np.int8))
    with pytest.raises(ValueError, match=r"of \+-1"):
        neighbour_counts(np.zeros((4, 8, 8), np.int8))


def test_the_study_runs_small():
    config = TransferredCoupling(temperatures=[1.0, 2.0], size=24, samples=1500, curve_samples=200)
    result = transferred_coupling(config, Run(seed=2))
    assert {name for name, number in result.reported.items() if number.agrees is False} == set()
    assert result.verdict.passed is True
    result.ledger.verify()
    assert {"critical_temperature", "predicted.T1", "predicted.Tc", "fitted.T2", "fitted.Tc"} <= set(result.estimates)
    assert "1.308412" in result.verdict.text
    with pytest.raises(ValueError, match="hardly a spin"):
        TransferredCoupling(temperatures=[0.1])
