"""Ornstein-Zernike of mixtures against one component, which it must be for types that differ in name alone."""

import numpy as np
import pytest
from test_integral_equations import BINS, DENSITY, TEMPERATURE, THERMAL, TRUTH, WIDTH, R, solved

from kadanoff.molecules.integral_equations import hnc_jacobian, hnc_potential, liquid
from kadanoff.molecules.mixtures import mixture, mixture_jacobian, mixture_potential

BUMP = np.exp(-(((R - 0.5) / 0.03) ** 2))


def test_one_type_is_the_liquid():
    g = 1 + solved(TRUTH).total[:BINS]
    one, many = liquid(g, WIDTH, DENSITY), mixture(g[None], WIDTH, np.array([DENSITY]))
    np.testing.assert_allclose(many.direct[0], one.direct, atol=1e-9)
    np.testing.assert_allclose(mixture_jacobian(many, TEMPERATURE), hnc_jacobian(one, TEMPERATURE), atol=1e-9)


def test_types_that_differ_in_name_alone_are_one_liquid():
    g = 1 + solved(TRUTH).total[:BINS]
    one = liquid(g, WIDTH, DENSITY)
    two = mixture(np.array([g, g, g]), WIDTH, DENSITY * np.array([0.3, 0.7]))
    np.testing.assert_allclose(two.direct, np.tile(one.direct, (3, 1)), atol=1e-9)
    np.testing.assert_allclose(two.total, np.tile(one.total, (3, 1)), atol=1e-9)
    with np.errstate(invalid="ignore"):
        apart = mixture_potential(two, TEMPERATURE) - hnc_potential(one, TEMPERATURE)
    assert np.max(np.abs(apart[:, g > 1e-6])) < 1e-8
    # the same change of all three potentials moves all three g as it moves the one
    moved = mixture_jacobian(two, TEMPERATURE) @ np.tile(BUMP, 3)
    np.testing.assert_allclose(moved, np.tile(hnc_jacobian(one, TEMPERATURE) @ BUMP, 3), atol=1e-9)


def test_closed_system_offset_is_that_of_the_liquid():
    g = 1 + solved(TRUTH).total[:BINS]
    volume = 500 / DENSITY
    one = liquid(g, WIDTH, DENSITY, beads=500)
    two = mixture(np.array([g, g, g]), WIDTH, DENSITY * np.array([0.3, 0.7]), volume=volume)
    np.testing.assert_allclose(two.total, np.tile(one.total, (3, 1)), atol=1e-8)


@pytest.mark.parametrize("closure", ["hnc", "py"])
def test_jacobian_is_the_derivative_of_the_potential(closure):
    """By finite differences of g -> U, second order: dU = J^-1 dg for all three pairs of an unlike mixture."""
    g = 1 + solved(TRUTH).total[:BINS]
    densities = DENSITY * np.array([0.3, 0.7])
    curves = np.array([g, g * (1 + 0.2 * BUMP), g * (1 - 0.1 * BUMP)])
    inside = (R > 0.35) & (R < 0.8)
    change = g * np.array([BUMP, 0.5 * np.roll(BUMP, 5), -0.3 * BUMP])

    def potential(size):
        return mixture_potential(mixture(curves + size * change, WIDTH, densities), TEMPERATURE, closure)

    state = mixture(curves, WIDTH, densities)
    jacobian = mixture_jacobian(state, TEMPERATURE, closure)
    # c = 0 beyond the bins is an assumption of `mixture`, U = 0 there one of the Jacobian: they differ by c there
    errors = []
    for size in (0.04, 0.02):
        slope = (potential(size) - potential(-size)) / (2 * size)
        slope = np.where(np.isfinite(slope), slope, 0.0)
        again = (jacobian @ slope.ravel()).reshape(3, BINS)
        errors.append(np.max(np.abs(again - change)[:, inside]))
    assert errors[1] < 5e-3 * np.max(np.abs(change))


def test_dilute_limit_is_boltzmann():
    g = np.exp(-TRUTH.energy_at(R) / THERMAL)
    state = mixture(np.array([g, g, g]), WIDTH, np.array([1e-5, 2e-5]))
    for closure in ("hnc", "py"):
        u = mixture_potential(state, TEMPERATURE, closure)[:, g > 1e-6]
        np.testing.assert_allclose(u, np.tile(TRUTH.energy_at(R)[g > 1e-6], (3, 1)), atol=1e-3)


def test_curves_without_a_liquid_are_refused():
    with pytest.raises(ValueError, match="one for each pair of 2 types"):
        mixture(np.ones((2, BINS)), WIDTH, np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="no direct correlation function"):
        mixture(np.full((1, BINS), 0.2), WIDTH, np.array([DENSITY]))
