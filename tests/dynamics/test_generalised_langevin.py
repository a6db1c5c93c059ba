"""Prony kernels, the generalised Langevin equation they drive, and the divergence of Gaussian paths."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, solve_discrete_lyapunov

from kadanoff.dynamics._kernels.generalised_langevin import generalised_steps
from kadanoff.dynamics.correlations import autocorrelation
from kadanoff.dynamics.generalised_langevin import (
    divergence_rate,
    embedding,
    model_correlation,
    simulate_generalised,
)
from kadanoff.dynamics.kac_zwanzig import ohmic_bath, velocity_correlation
from kadanoff.dynamics.memory import bath_correlations, exact_correlations, memory_kernel
from kadanoff.dynamics.prony import PronyKernel, fit_prony
from kadanoff.random import normal

MIXED = PronyKernel([0.8, 1.5], [0.5, 1.2], [0.0, 3.0], [0.0, -0.35], 0.2)


def correlations(kernel, step, points, mass=1.0):
    drift, covariance = embedding(kernel, mass)
    flow, state, rows = expm(-drift * step), np.eye(len(drift)), []
    for _ in range(points):
        rows.append(covariance[0, 0] * np.array([state[0, 0], -(drift @ state)[0, 0], (drift @ drift @ state)[0, 0]]))
        state = flow @ state
    value, slope, curvature = np.array(rows).T
    return exact_correlations(step, value, mass=mass, first_derivative=slope, second_derivative=curvature)


terms = st.tuples(st.floats(0.01, 10), st.floats(0.05, 10), st.floats(0.05, 20), st.floats(-1, 1))


@given(st.lists(terms, min_size=1, max_size=4), st.floats(0, 2), st.floats(0.1, 50))
@settings(max_examples=50)
def test_a_prony_kernel_has_a_noise(parts, white, mass):
    """Spectrum nowhere negative; the embedding has the kernel, its stationary covariance and a positive noise."""
    c, a, b, sine = np.array(parts).T
    b = np.where(np.arange(len(b)) % 2, b, 0.0)
    kernel = PronyKernel(c, a, b, np.where(b > 0, sine * a / np.where(b > 0, b, 1), 0.0), white)
    spectrum = kernel.spectrum(np.linspace(0, 50, 400))
    assert spectrum.min() >= -1e-12 * spectrum.max()
    assert kernel.spectrum(0.0) == pytest.approx(2 * kernel.friction, rel=1e-10)
    assert kernel.running(400.0) == pytest.approx(kernel.friction, rel=1e-6)
    drift, covariance = embedding(kernel, mass, 1.7)
    noise = drift @ covariance + covariance @ drift.T
    assert np.linalg.eigvalsh(noise).min() > -1e-9 * np.abs(noise).max()
    assert noise[0, 0] == pytest.approx(2 * 1.7 * white / mass**2, abs=1e-12)
    assert np.abs(noise[0, 1:]).max() < 1e-9 * np.abs(covariance).max()
    for time in (0.0, 0.3, 2.0):
        inner = expm(-drift[1:, 1:] * time)
        assert -mass * drift[0, 1:] @ inner @ drift[1:, 0] == pytest.approx(
            float(kernel.kernel(time)), abs=1e-9 * c.sum()
        )


def test_running_is_the_integral():
    u = np.linspace(0, 5, 4001)
    k = MIXED.kernel(u)
    sums = 0.2 + np.concatenate([[0], np.cumsum((k[1:] + k[:-1]) / 2 * (u[1] - u[0]))])
    assert MIXED.running(u) == pytest.approx(sums, abs=2e-6)


@pytest.mark.parametrize(("strength", "rate"), [(3.0, 0.4), (0.2, 5.0)])
def test_one_exponential_is_found_exactly(strength, rate):
    c = correlations(PronyKernel(strength, rate, 0.0, 0.0), 0.01 / max(rate, 1), 1500)
    kernel = memory_kernel(c, "simpson")
    found = fit_prony(kernel, terms=1)
    assert found.strength == pytest.approx([strength], rel=1e-5)
    assert found.rate == pytest.approx([rate], rel=1e-5)
    assert found.frequency == [0]
    assert len(fit_prony(kernel).rate) == 1


def test_a_damped_cosine_is_found():
    c = correlations(PronyKernel(2.0, 0.7, 4.0, 0.1), 0.01, 1500)
    found = fit_prony(memory_kernel(c, "simpson"), terms=1)
    assert [found.strength[0], found.rate[0], found.frequency[0], found.skew[0]] == pytest.approx(
        [2, 0.7, 4, 0.1], rel=1e-3
    )


def test_a_few_terms_make_the_ohmic_kernel():
    bath, time = ohmic_bath(600), 0.1 * np.arange(201)
    c = exact_correlations(
        0.1, velocity_correlation(bath, time), first_derivative=velocity_correlation(bath, time, derivative=1),
        second_derivative=velocity_correlation(bath, time, derivative=2),
    )  # fmt: skip
    found = fit_prony(memory_kernel(c, "simpson"), terms=4)
    assert found.kernel(time) == pytest.approx(bath.kernel(time), abs=4e-3)
    assert model_correlation(found, 0.1, 201) == pytest.approx(velocity_correlation(bath, time), abs=2e-3)


def test_white_friction_alone():
    """A kernel that is a delta function is fitted by no term at all."""
    c = exact_correlations(0.05, np.exp(-1.3 * 0.05 * np.arange(200)))
    found = fit_prony(memory_kernel(c, "integrated"))
    assert len(found.rate) == 0
    assert found.white == pytest.approx(1.3, rel=1e-3)
    assert model_correlation(found, 0.05, 200) == pytest.approx(c.velocity[0], abs=1e-3)


def twin(seed, walker, start, spread, flow, noise, force, mass, h, every, frames):
    def draw(step):
        numbers = [normal(seed, 70 + k, step, walker) for k in range((len(flow) + 1) // 2)]
        return np.ravel(numbers)[: len(flow)]

    x, y, out, step = start, spread @ draw(0), [], 0
    out.append((x, y[0]))
    for _ in range(frames - 1):
        for _ in range(every):
            step += 1
            y[0] += h / 2 * force(x) / mass
            x += h / 2 * y[0]
            y = flow @ y + noise @ draw(step)
            x += h / 2 * y[0]
            y[0] += h / 2 * force(x) / mass
        out.append((x, y[0]))
    return np.array(out).T


def test_kernel_twin():
    random = np.random.default_rng(0)
    edges, table = np.linspace(-1, 1, 9), random.normal(size=8)
    flow, noise, spread = random.normal(size=(3, 3, 3)) / 3
    for values, force in (
        (table, lambda x: np.interp(x, (edges[1:] + edges[:-1]) / 2, table)),
        (np.empty(0), lambda x: 0.0),
    ):
        x, v = np.empty((2, 6)), np.empty((2, 6))
        generalised_steps(9, 70, 4, np.array([0.1, -0.3]), spread, flow, noise, -1.0, 0.25, values, 1.7, 0.1, 3, x, v)
        for row, start in enumerate((0.1, -0.3)):
            path = twin(9, 4 + row, start, spread, flow, noise, force, 1.7, 0.1, 3, 6)
            assert x[row] == pytest.approx(path[0], rel=1e-11)
            assert v[row] == pytest.approx(path[1], rel=1e-11)


def test_walkers_have_the_correlation_and_give_the_kernel_back():
    """Free: exact at any timestep. The inversion of the walkers' velocities finds the friction."""
    step = 0.1
    source = simulate_generalised(MIXED, np.zeros(1500), 300, step, mass=2.0, temperature=1.5, seed=1)
    curve = autocorrelation(source, source.velocities, np.arange(101))
    law = model_correlation(MIXED, step, 101, mass=2.0, temperature=1.5)
    assert law[0] == pytest.approx(0.75)
    assert np.all(np.abs(curve.value - law) < 5 * curve.error)
    kernel = memory_kernel(bath_correlations(source, 100, mass=2.0), "integrated")
    late = kernel.upper > 1
    assert np.all(np.abs(kernel.running - MIXED.running(kernel.upper))[late] < 5 * kernel.running_error[late] + 0.02)
    coarse = simulate_generalised(MIXED, np.zeros(1500), 30, 1.0, mass=2.0, temperature=1.5, seed=2)
    curve = autocorrelation(coarse, coarse.velocities, np.arange(10))
    assert np.all(np.abs(curve.value - law[:91:10]) < 5 * curve.error)


def test_a_well_stays_canonical():
    """Harmonic well: <x^2> = kT / k and <v^2> = kT / M, whatever the memory."""
    edges = np.linspace(-8, 8, 161)
    centres = (edges[1:] + edges[:-1]) / 2
    source = simulate_generalised(
        MIXED, np.zeros(800), 2000, 0.1, mass=1.0, edges=edges, mean_force=-2.0 * centres, every=5, seed=4
    )
    late = source.positions.reshape(800, -1)[:, 100:]
    speeds = source.velocities.reshape(800, -1)[:, 100:]
    for values, law in ((late, 0.5), (speeds, 1.0)):
        means = np.mean(values**2, axis=1)
        # the splitting is off by (omega h)^2 / 8 and less
        assert abs(means.mean() - law) < 4.5 * means.std() / math.sqrt(800) + 0.006 * law


def test_the_splitting_is_of_order_two():
    """Its stationary covariance in a harmonic well, from the linear map of one step, that of the twin."""
    stiffness, drift, covariance = 2.0, *embedding(MIXED)
    n = len(drift) + 1
    errors = []
    for h in (0.2, 0.1, 0.05):
        kick, fly, turn = np.eye(n), np.eye(n), np.eye(n)  # of (x, v, z)
        kick[1, 0], fly[0, 1] = -h / 2 * stiffness, h / 2
        flow = expm(-drift * h)
        turn[1:, 1:] = flow
        after = kick @ fly
        noise = np.zeros((n, n))
        noise[1:, 1:] = covariance - flow @ covariance @ flow.T
        law = solve_discrete_lyapunov(after @ turn @ fly @ kick, after @ noise @ after.T)
        errors.append([abs(law[0, 0] - 0.5), abs(law[1, 1] - 1.0)])
    # positions are exact or nearly so, velocities of order 2
    assert np.log2(errors[0][1] / errors[1][1]) == pytest.approx(2, abs=0.1)
    assert np.log2(errors[1][1] / errors[2][1]) == pytest.approx(2, abs=0.1)
    assert max(error[0] for error in errors) < 5e-3


def test_walkers_do_not_depend_on_their_number():
    few, many = (simulate_generalised(MIXED, np.zeros(n), 10, 0.1, seed=3) for n in (3, 130))
    assert np.array_equal(few.positions, many.positions[: len(few.positions)])


def test_divergence():
    """Two Ornstein-Uhlenbeck processes: (1/2)(ln(s'^2/s^2) + <e'^2>/s'^2 - 1) with one value of the past."""
    lags = np.arange(30)
    p, q = 2.0 * 0.8**lags, 1.5 * 0.6**lags
    s, model = 2 * (1 - 0.64), 1.5 * (1 - 0.36)
    real = 2 * (1 - 2 * 0.6 * 0.8 + 0.36)
    assert divergence_rate(p, q) == pytest.approx(0.5 * (math.log(model / s) + real / model - 1), rel=1e-10)
    assert divergence_rate(p, p) == pytest.approx(0, abs=1e-12)
    assert divergence_rate(p, q) > 0
    with pytest.raises(ValueError, match="no autocovariances"):
        divergence_rate([1.0, 2.0, 0.0], [1.0, 0.5, 0.2])


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_a_divergence_grows_with_the_past(seed):
    random = np.random.default_rng(seed)
    c, a = np.exp(random.normal(size=(2, 2)))
    p = model_correlation(PronyKernel(c, a, [0, 2.0], [0, 0.4 * a[1]], 0.1), 0.7, 20)
    q = np.exp(-random.exponential() * np.arange(20.0)) * p[0]
    rates = [divergence_rate(p[:n], q[:n]) for n in (2, 5, 12, 20)]
    assert np.all(np.diff(rates) > -1e-9)
    assert rates[0] >= -1e-12


def test_bad_input():
    with pytest.raises(ValueError, match="term 1"):
        PronyKernel([1.0, 1.0], [1.0, 1.0], [0.0, 2.0], [0.0, 0.6])
    with pytest.raises(ValueError, match="white"):
        PronyKernel(1.0, 1.0, 0.0, 0.0, -1.0)
    with pytest.raises(ValueError, match="temperature"):
        embedding(MIXED, 1.0, 0.0)
    with pytest.raises(ValueError, match="whole number of frames"):
        simulate_generalised(MIXED, [0.0], 10, 0.1, every=3, seed=1)
    with pytest.raises(ValueError, match="edges"):
        simulate_generalised(MIXED, [0.0], 10, 0.1, mean_force=[1.0, 2.0], seed=1)
    with pytest.raises(ValueError, match="evenly spaced"):
        simulate_generalised(MIXED, [0.0], 10, 0.1, edges=[0, 1, 3], mean_force=[1.0, 2.0], seed=1)
    with pytest.raises(ValueError, match="one term or more"):
        fit_prony(memory_kernel(exact_correlations(0.1, np.exp(-np.arange(50.0) / 10)), "integrated"), terms=0)
