"""Epsilon expansion and local-potential approximation: published digits, solvable limits, spurious roots."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.lattices.flows import fixed_points
from kadanoff.lattices.functional_rg import local_potential_flow, truncation_ladder
from kadanoff.lattices.momentum_space import epsilon_flow, epsilon_series, largest_epsilon


@pytest.fixture(scope="module")
def ising():
    return {step.n: step for step in truncation_ladder((4, 6, 8, 10, 12, 14, 16))}


def test_exponents_of_the_local_potential(ising):
    best = ising[16]
    assert best.nu == pytest.approx(0.649562, abs=1e-6)
    assert best.omega == pytest.approx(0.655746, abs=1e-6)
    assert best.rho0 == pytest.approx(1.814898, abs=1e-6)
    assert ising[14].nu == pytest.approx(0.649562, abs=1e-6)
    assert len(best.point.relevant) == 1
    assert best.point.residual < 1e-12


@pytest.mark.parametrize(
    ("n", "nu", "digit"),
    [(4, 0.65057, 1e-5), (6, 0.64985, 1e-5), (8, 0.64948, 1e-5), (10, 0.649576, 1e-6), (12, 0.649560, 1e-6)],
)
def test_ladder_of_truncations(ising, n, nu, digit):
    assert ising[n].nu == pytest.approx(nu, abs=digit / 2)


def test_the_ladder_converges_geometrically(ising):
    differences = [abs(ising[n].nu - ising[16].nu) for n in (4, 6, 8, 10, 12)]
    ratios = np.divide(differences[1:], differences[:-1])
    assert np.all(ratios < 0.4)


def test_other_numbers_of_components():
    """Litim (2002), table of nu for d = 3."""
    for components, nu in ((2, 0.708211), (3, 0.761123), (4, 0.804348)):
        assert truncation_ladder((14,), 3.0, components)[0].nu == pytest.approx(nu, abs=3e-6)


@pytest.mark.parametrize("dimension", [2.5, 3.0, 3.5])
def test_infinitely_many_components_are_solved_exactly(dimension):
    for step in truncation_ladder((3, 8), dimension, math.inf):
        assert step.nu == pytest.approx(1 / (dimension - 2), abs=1e-9)
        assert step.omega == pytest.approx(4 - dimension, abs=1e-9)
        assert step.rho0 == pytest.approx(1 / (dimension - 2), abs=1e-9)


def test_many_components_approach_the_limit_as_one_over_n():
    gaps = [1 - truncation_ladder((8,), 3.0, n)[0].nu for n in (200, 400, 800)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.02)
    assert gaps[1] / gaps[2] == pytest.approx(2, rel=0.01)


def test_close_to_four_dimensions_the_local_potential_has_the_first_order_of_epsilon():
    for components in (1, 3):
        slope = epsilon_series(components).nu[1]
        for epsilon, accuracy in ((0.02, 0.05), (0.01, 0.025)):
            (step,) = truncation_ladder((6,), 4 - epsilon, components)
            assert (step.nu - 0.5) / epsilon == pytest.approx(slope, rel=accuracy)


def test_spurious_roots_are_met_and_not_taken(ising):
    for step in truncation_ladder((4, 6), elsewhere=True):
        assert step.spurious >= 1
        assert step.point.couplings == pytest.approx(ising[step.n].point.couplings, rel=1e-9)
    assert all(len(step.point.relevant) == 1 for step in ising.values())


def test_there_is_no_wilson_fisher_point_above_four_dimensions():
    with pytest.raises(ValueError, match="0 Wilson-Fisher fixed points"):
        truncation_ladder((6,), 4.5)


def test_epsilon_series():
    series = epsilon_series(1)
    assert series.nu == pytest.approx([1 / 2, 1 / 12, 7 / 162])
    assert series.eta == pytest.approx([0, 0, 1 / 54])
    assert series.omega == pytest.approx([0, 1, -17 / 27])
    for n in (0, 2, 3, 10):
        assert epsilon_series(n).nu[1] == pytest.approx((n + 2) / (4 * (n + 8)))
        second = (n + 2) * (n * n + 23 * n + 60) / (8 * (n + 8) ** 3)
        assert epsilon_series(n).nu[2] == pytest.approx(second)
        assert epsilon_series(n).omega[2] == pytest.approx(-3 * (3 * n + 14) / (n + 8) ** 2)
    assert series.at("nu", 1, 1) == pytest.approx(0.583333, abs=1e-6)
    assert series.at("nu", 1, 2) == pytest.approx(0.626543, abs=1e-6)


@pytest.mark.parametrize("components", [1, 2, 5])
def test_the_series_is_that_of_the_flow_to_its_order(components):
    """Flow and series part with the third power of eps."""
    gaps = []
    for epsilon in (0.08, 0.04, 0.02):
        start = epsilon_series(components).at("coupling", epsilon, 2)
        point = fixed_points(epsilon_flow(epsilon, components), [[0.0, start]]).only(1)
        gaps.append(
            (
                point.nu - epsilon_series(components).at("nu", epsilon, 2),
                -point.exponent(1) - epsilon_series(components).at("omega", epsilon, 2),
            )
        )
    ratios = np.divide(gaps[:-1], gaps[1:])
    assert np.all((ratios > 6.5) & (ratios < 11))


def test_taken_literally_the_second_order_has_no_fixed_point_in_three_dimensions():
    starts = [[0.0, u] for u in (0.0, 0.1, 0.24, 0.3, 0.6, 1.0)]
    assert [point.couplings[1] for point in fixed_points(epsilon_flow(1.0), starts).found] == [0.0]  # Gaussian only
    assert fixed_points(epsilon_flow(1.0, order=1), starts).only(1).nu == pytest.approx(0.6, abs=1e-12)
    limit = largest_epsilon()
    assert limit == pytest.approx(27 / 68)
    assert len(fixed_points(epsilon_flow(limit - 1e-3), starts).found) == 3
    assert len(fixed_points(epsilon_flow(limit + 1e-3), starts).found) == 1


def test_what_has_no_meaning_is_refused():
    for wrong in (
        lambda: local_potential_flow(1),
        lambda: local_potential_flow(4, 2.0),
        lambda: local_potential_flow(4, 3.0, 0.0),
        lambda: truncation_ladder(()),
        lambda: epsilon_flow(0.1, -2.0),
        lambda: epsilon_flow(0.1, 1, 3),
        lambda: epsilon_series().at("beta", 1, 1),
    ):
        with pytest.raises(ValueError, match="not"):
            wrong()
