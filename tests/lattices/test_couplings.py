"""Fitted couplings: what was put in comes out, with true errors; the fixed point and the critical tangent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from kadanoff.lattices.blocked_operators import level_sums
from kadanoff.lattices.blocking import pack_spins, pyramid
from kadanoff.lattices.coupling_fixed_point import critical_tangent, newton_fixed_point
from kadanoff.lattices.couplings import fit_couplings
from kadanoff.lattices.lattice import cubic, square, triangular
from kadanoff.lattices.operators import even_operators, odd_operators, operator_sums
from kadanoff.lattices.sampling import sample

CRITICAL = math.log1p(math.sqrt(2.0)) / 2


def agree(found, expected):
    """Hotelling's statistic: (b - p) / (p (b - 1)) d C^-1 d follows F(p, b - p)."""
    from scipy.stats import f

    d = found.values - expected
    p, b = len(d), found.blocks
    statistic = (b - p) / (p * (b - 1)) * d @ np.linalg.solve(found.covariance, d)
    return f.sf(statistic, p, b - p)


def test_couplings_put_in_come_out_at_level_zero():
    spins = sample(square(32), CRITICAL, samples=800, algorithm="swendsen-wang", every=8, seed=4).configurations
    found = fit_couplings(spins, square(32))
    assert agree(found, CRITICAL * np.eye(5)[0]) > 1e-4
    assert found["nn"].error < 0.01
    assert found.steps < 12
    with pytest.raises(KeyError, match="no operator"):
        found["far"]


def test_two_couplings_a_field_and_another_lattice_come_out():
    lattice = square(16)
    spins = sample(
        square(16), (0.2, 0.1), samples=3000, algorithm="swendsen-wang", every=4, field=0.05, seed=6
    ).configurations
    operators = even_operators("square")[:3] + odd_operators("square")[:1]
    assert agree(fit_couplings(spins, lattice, operators), np.array([0.2, 0.1, 0.0, 0.05])) > 1e-4
    spins = sample(triangular(12), 0.2, samples=3000, algorithm="swendsen-wang", every=4, seed=7).configurations
    operators = even_operators("triangular")[:2] + odd_operators("triangular")[1:2]
    assert agree(fit_couplings(spins, triangular(12), operators), np.array([0.2, 0.0, 0.0])) > 1e-4


def test_the_fit_is_the_maximum_of_the_plain_pseudo_likelihood():
    lattice = square(8)
    spins = np.random.default_rng(1).choice(np.array([-1, 1], dtype=np.int8), (40, 8, 8))
    operators = even_operators("square")[:3] + odd_operators("square")[:2]
    found = fit_couplings(spins, lattice, operators)
    sums = operator_sums(spins, lattice, operators)
    changes = []
    for site in range(64):
        flipped = spins.reshape(40, -1).copy()
        flipped[:, site] *= -1
        changes.append(sums - operator_sums(flipped.reshape(40, 8, 8), lattice, operators))
    change = np.concatenate(changes).astype(float)  # 2 z of every site and sample
    best = minimize(lambda k: np.logaddexp(0, -change @ k).sum(), np.zeros(5), method="BFGS", options={"gtol": 1e-7})
    assert np.allclose(found.values, best.x, atol=1e-5)


def test_sandwich_errors_are_those_of_repeated_runs():
    values, errors = [], []
    for seed in range(20):
        spins = sample(square(16), 0.4, samples=300, algorithm="swendsen-wang", every=6, seed=40 + seed).configurations
        found = fit_couplings(spins, square(16), even_operators("square")[:2])
        values.append(found.values)
        errors.append(np.sqrt(np.diag(found.covariance)))
    ratio = np.std(values, axis=0, ddof=1) / np.sqrt(np.mean(np.square(errors), axis=0))
    assert np.all((ratio > 0.5) & (ratio < 1.6))
    offset = (np.mean(values, axis=0) - [0.4, 0.0]) / (np.sqrt(np.mean(np.square(errors), axis=0)) / math.sqrt(20))
    assert np.all(np.abs(offset) < 4)


def test_random_spins_have_no_couplings_and_stay_there():
    spins = np.random.default_rng(9).choice(np.array([-1, 1], dtype=np.int8), (200, 32, 32))
    for level in pyramid(spins, square(32), levels=2, seed=1):
        assert agree(fit_couplings(level.spins, level.lattice), np.zeros(5)) > 1e-4


def test_the_critical_tangent_is_the_root_of_two_and_the_fixed_point_stays_put():
    spins = pack_spins(
        sample(square(32), CRITICAL, samples=6000, algorithm="swendsen-wang", every=4, seed=12).configurations
    )
    sums = level_sums(spins, square(32))
    tangent = critical_tangent(sums, 1)
    assert abs(tangent.value - math.sqrt(2)) < 4 * tangent.error
    assert tangent.error < 0.01
    levels = [fit_couplings(level.spins, level.lattice) for level in pyramid(spins, square(32), levels=2)]
    point = newton_fixed_point(levels[1], levels[2], sums[1], sums[2])
    # published, 400 configurations of 64^2: the flow settles at 0.344(17), 0.084(15)
    assert abs(point["nn"].value - 0.344) < 4 * math.hypot(point["nn"].error, 0.017)
    assert abs(point["nnn"].value - 0.084) < 4 * math.hypot(point["nnn"].error, 0.015)
    assert abs(point.eigenvalues[0].real - 2.0) < 0.15
    with pytest.raises(ValueError, match="other operators"):
        newton_fixed_point(levels[1], fit_couplings(spins, square(32), blocks=10), sums[1], sums[2])


def test_what_leaves_a_coupling_open_is_refused():
    lattice = square(16)
    with pytest.raises(ValueError, match="leave a coupling open"):
        fit_couplings(np.ones((40, 16, 16), dtype=np.int8), lattice)
    with pytest.raises(ValueError, match="10 blocks"):
        fit_couplings(np.ones((5, 16, 16), dtype=np.int8), lattice)
    with pytest.raises(ValueError, match=r"\(samples, 256\), got \(40, 8, 8\)"):
        fit_couplings(np.ones((40, 8, 8), dtype=np.int8), lattice)
    with pytest.raises(ValueError, match="Ising"):
        fit_couplings(np.zeros((40, 16, 16), dtype=np.int8), lattice)
    operators = even_operators("cubic") + odd_operators("cubic")
    with pytest.raises(ValueError, match="take fewer"):
        fit_couplings(np.ones((40, 8, 8, 8), dtype=np.int8), cubic(8), operators)


def test_weights_are_chosen_where_a_flow_stands_still():
    from kadanoff.lattices.tuned_weight import level_change, tuned_weights

    large, small = (
        (
            pack_spins(
                sample(
                    square(size), CRITICAL, samples=1500, algorithm="swendsen-wang", every=4, seed=size
                ).configurations
            ),
            square(size),
        )
        for size in (32, 16)
    )
    weights = np.array([0.1, 0.8, 2.0])
    even, odd, changes = tuned_weights(large, small, weights)
    assert even in weights
    assert odd in weights
    # a weight near zero makes noise of any spins: the correlations fall at each level
    assert np.all(changes[0] > 2 * changes.min(axis=0))
    wide, narrow = (level_sums(*one, rule="weighted", weight=0.8)[-1] for one in (large, small))
    plain = []
    for level in (wide, narrow):
        mixed = np.array([(level.odd[:, a, 0] * level.odd[:, 0, 0]).mean() for a in range(level.odd.shape[1])])
        plain.append((level.even.mean(axis=0) / level.even_clusters, mixed[1:] / mixed[0]))
    assert changes[1] == pytest.approx([np.linalg.norm(plain[0][k] - plain[1][k]) for k in (0, 1)], rel=1e-9)
    assert level_change(large, small, 0.8) == pytest.approx(changes[1])
    with pytest.raises(ValueError, match="does not become the small one"):
        level_change(large, large, 0.8)


@pytest.mark.slow
def test_critical_couplings_of_twenty_runs_scatter_as_their_errors_say():
    exact = CRITICAL * np.eye(5)[0]
    off = []
    for seed in range(20):
        spins = sample(square(64), CRITICAL, samples=600, algorithm="swendsen-wang", every=5, seed=1000 + seed)
        found = fit_couplings(spins.configurations, square(64))
        off.append((found.values - exact) / np.sqrt(np.diag(found.covariance)))
    # Student's t with 19 degrees: variance 19 / 17, and its square a variance of 3.4
    assert np.all(np.abs(np.mean(off, axis=0)) < 4 * math.sqrt(19 / 17 / 20))
    assert np.all(np.abs(np.mean(np.square(off), axis=0) - 19 / 17) < 4 * math.sqrt(3.4 / 20))
