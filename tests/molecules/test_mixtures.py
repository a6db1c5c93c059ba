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


def test_jacobian_is_the_derivative_of_the_potential():
    """By central differences of g -> U: dU = J^-1 dg for all three pairs of an unlike mixture, both closures."""
    g = 1 + solved(TRUTH).total[:BINS]
    densities = DENSITY * np.array([0.3, 0.7])
    curves = np.array([g, g * (1 + 0.2 * BUMP), g * (1 - 0.1 * BUMP)])
    inside = (R > 0.35) & (R < 0.8)
    change, size = g * np.array([BUMP, 0.5 * np.roll(BUMP, 5), -0.3 * BUMP]), 0.02
    state, up, down = (mixture(curves + sign * size * change, WIDTH, densities) for sign in (0, 1, -1))
    for closure in ("hnc", "py"):
        # c = 0 beyond the bins is an assumption of `mixture`, U = 0 there one of the Jacobian: they differ by c there
        with np.errstate(invalid="ignore"):
            slope = mixture_potential(up, TEMPERATURE, closure) - mixture_potential(down, TEMPERATURE, closure)
        slope = np.where(np.isfinite(slope), slope, 0.0) / (2 * size)
        again = (mixture_jacobian(state, TEMPERATURE, closure) @ slope.ravel()).reshape(3, BINS)
        assert np.max(np.abs(again - change)[:, inside]) < 5e-3 * np.max(np.abs(change)), closure


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
