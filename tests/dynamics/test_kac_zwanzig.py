"""The heat bath of oscillators against dense diagonalisation, one oscillator by hand, and its continuum."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import simpson

from kadanoff.dynamics._kernels.secular import amplitudes
from kadanoff.dynamics.correlations import autocorrelation
from kadanoff.dynamics.kac_zwanzig import (
    HeatBath,
    ohmic_bath,
    ohmic_kernel,
    sample_bath,
    velocity_correlation,
)
from kadanoff.dynamics.trajectories import trajectories
from kadanoff.random import normal


def dense(bath):
    """Squared frequencies and shares from the whole Hessian in mass-weighted coordinates."""
    n = len(bath.frequency)
    hessian = np.zeros((n + 1, n + 1))
    hessian[0, 0] = bath.stiffness.sum() / bath.mass
    hessian[0, 1:] = hessian[1:, 0] = -bath.frequency * np.sqrt(bath.stiffness / bath.mass)
    hessian[np.arange(1, n + 1), np.arange(1, n + 1)] = bath.frequency**2
    values, vectors = np.linalg.eigh(hessian)
    return values, vectors[0] ** 2


@given(st.integers(0, 2**31), st.integers(1, 40), st.floats(0.01, 100))
@settings(max_examples=40)
def test_normal_modes(seed, number, mass):
    random = np.random.default_rng(seed)
    frequency = np.cumsum(np.exp(random.normal(-1, 1.5, number)))
    bath = HeatBath(frequency, np.exp(random.normal(0, 2, number)), mass)
    values, shares = dense(bath)
    assert bath.modes.frequency**2 == pytest.approx(values, rel=1e-9, abs=1e-11 * values[-1])
    assert bath.modes.share == pytest.approx(shares, rel=1e-6, abs=1e-9)
    assert bath.modes.share.sum() == pytest.approx(1, abs=1e-10)
    # one root between two poles, and the moments of the Hessian
    assert np.all(np.diff(bath.modes.frequency) > 0)
    assert np.all(bath.modes.frequency[1:] > frequency)
    assert np.sum(bath.modes.share * bath.modes.frequency**2) == pytest.approx(bath.stiffness.sum() / mass, rel=1e-9)


def test_one_oscillator():
    """W^2 = w^2 + k / M; the heavy particle moves freely with M / (M + m)."""
    bath = HeatBath(np.array([2.0]), np.array([3.0]), 1.5)
    assert bath.modes.frequency == pytest.approx([0, math.sqrt(4 + 2)])
    assert bath.modes.share == pytest.approx([1.5 / 2.25, 0.75 / 2.25])


def test_a_hard_spectrum():
    """Weak coupling and close frequencies: the shares still sum to one, each root keeps to its gap."""
    frequency = 1 + 1e-7 * np.arange(200.0)
    bath = HeatBath(frequency, np.full(200, 1e-13))
    assert bath.modes.share.sum() == pytest.approx(1, abs=1e-9)
    assert np.all(bath.modes.frequency[1:-1] < frequency[1:])


def test_the_continuum():
    bath = ohmic_bath(600)
    time = np.linspace(0, 20, 501)
    assert bath.kernel(0.0) == pytest.approx(2 / math.pi, rel=1e-12)
    assert bath.kernel(time) == pytest.approx(ohmic_kernel(time), abs=1e-11)
    assert bath.running_friction(20.0) == pytest.approx(0.9681954, abs=1e-6)
    stretched = ohmic_bath(600, friction=3.0, cutoff=2.0)
    assert stretched.kernel(time / 2) == pytest.approx(ohmic_kernel(time / 2, 3.0, 2.0), abs=1e-10)


def test_derivatives():
    bath, t, h = ohmic_bath(300), np.linspace(0.1, 5, 30), 1e-4
    for order in (0, 1):
        slope = velocity_correlation(bath, t + h, derivative=order) - velocity_correlation(
            bath, t - h, derivative=order
        )
        assert slope / (2 * h) == pytest.approx(velocity_correlation(bath, t, derivative=order + 1), abs=1e-7)


def test_the_exact_correlation_obeys_its_equation():
    """M C' = - int K C, by Simpson's rule."""
    bath = ohmic_bath(300)
    t = np.linspace(0, 8, 1601)
    product = bath.kernel(t) * velocity_correlation(bath, t)[::-1]
    assert -simpson(product, x=t) == pytest.approx(velocity_correlation(bath, 8.0, derivative=1), abs=1e-9)


def test_paths():
    bath = ohmic_bath(200, mass=2.0)
    paths = sample_bath(bath, 0.02, 201, 1500, temperature=1.7, seed=3)
    # force and position belong to the velocity
    slope = (paths.velocity[:, 2:] - paths.velocity[:, :-2]) / 0.04
    assert np.abs(paths.force[:, 1:-1] - 2.0 * slope).max() < 3e-3
    way = np.cumsum((paths.velocity[:, 1:] + paths.velocity[:, :-1]) * 0.01, axis=1)
    assert np.abs(paths.position[:, 1:] - way).max() < 3e-4
    assert np.all(paths.position[:, 0] == 0)
    source = trajectories(paths.position[..., None], 0.02)
    curve = autocorrelation(source, paths.velocity.reshape(-1), np.arange(0, 161, 16))
    law = velocity_correlation(bath, curve.time, 1.7)
    assert np.all(np.abs(curve.value - law) < 4.5 * curve.error)


def test_paths_do_not_depend_on_how_many_are_made():
    bath = ohmic_bath(20)
    few, many = (sample_bath(bath, 0.1, 11, n, seed=8) for n in (3, 300))
    assert np.array_equal(few.velocity, many.velocity[:3])
    assert not np.array_equal(few.velocity, sample_bath(bath, 0.1, 11, 3, seed=9).velocity)


def test_amplitudes_twin():
    a, b = np.empty((2, 3)), np.empty((2, 3))
    amplitudes(5, 7, a, b)
    for row in range(2):
        for mode in range(3):
            assert (a[row, mode], b[row, mode]) == normal(5, 0, mode, 7 + row)


def test_bad_input():
    with pytest.raises(ValueError, match="oscillator 1 is -2"):
        HeatBath(np.array([1.0, 2.0]), np.array([1.0, -2.0]))
    with pytest.raises(ValueError, match="must increase"):
        HeatBath(np.array([1.0, 1.0]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="mass"):
        HeatBath(np.array([1.0]), np.array([1.0]), 0.0)
    with pytest.raises(ValueError, match="derivative"):
        velocity_correlation(ohmic_bath(10), 1.0, derivative=3)
    with pytest.raises(ValueError, match="trajectories"):
        sample_bath(ohmic_bath(10), 0.1, 10, 0, seed=1)
