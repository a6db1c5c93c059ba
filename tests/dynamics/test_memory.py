"""Volterra inversions against exact kernels, their orders, and what they say of data without memory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from kadanoff.dynamics._kernels.volterra import solve_block
from kadanoff.dynamics.correlations import correlation
from kadanoff.dynamics.kac_zwanzig import ohmic_bath, ohmic_kernel, sample_bath, velocity_correlation
from kadanoff.dynamics.memory import (
    bath_correlations,
    exact_correlations,
    memory_kernel,
    memory_number,
    quadrature,
    volterra,
)
from kadanoff.dynamics.noise import noise_check, projected_force
from kadanoff.dynamics.plateaus import running_integral
from kadanoff.dynamics.trajectories import trajectories

# largest error on [0, 20] of the kernel of J = w exp(-w) at steps 0.1, 0.05, 0.025, computed independently
TABLE = {
    "midpoint": (1.9e-4, 4.8e-5, 1.2e-5),
    "trapezoid": (4.9e-4, 1.2e-4, 3.1e-5),
    "simpson": (4.1e-5, 5.4e-6, 6.9e-7),
}
ORDER = {"midpoint": 2, "trapezoid": 2, "simpson": 3, "integrated": 2}


@pytest.fixture(scope="module")
def bath():
    return ohmic_bath(700)


def exact(bath, step, last=20.0):
    time = step * np.arange(round(last / step) + 1)
    return exact_correlations(
        step,
        velocity_correlation(bath, time),
        mass=bath.mass,
        first_derivative=velocity_correlation(bath, time, derivative=1),
        second_derivative=velocity_correlation(bath, time, derivative=2),
    )


def as_trajectories(paths, step):
    return trajectories(
        paths.position[..., None], step, velocities=paths.velocity[..., None], forces=paths.force[..., None]
    )


@pytest.fixture(scope="module")
def source(bath):
    return as_trajectories(sample_bath(bath, 0.1, 401, 2000, seed=5), 0.1)


@pytest.mark.parametrize("method", list(TABLE))
def test_errors_and_orders_of_the_table(bath, method):
    errors = []
    for step in (0.1, 0.05, 0.025):
        kernel = memory_kernel(exact(bath, step), method)
        errors.append(np.abs(kernel.value - ohmic_kernel(kernel.time)).max())
        assert kernel.error is None
    assert errors == pytest.approx(TABLE[method], rel=0.03)
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders == pytest.approx([ORDER[method]] * 2, abs=0.12)


@pytest.mark.parametrize("method", list(ORDER))
def test_the_running_friction_converges(bath, method):
    """int_0^u K = (2 / pi) arctan u, 0.968 at 20."""
    kernels = [memory_kernel(exact(bath, step), method) for step in (0.1, 0.05)]
    errors = [np.abs(kernel.running - 2 / math.pi * np.arctan(kernel.upper)).max() for kernel in kernels]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDER[method], abs=0.12)
    assert kernels[1].integral(20).value == pytest.approx(0.968, abs=2.1e-3)


def test_block_twin():
    """Rows one after the other, in plain Python."""
    random = np.random.default_rng(3)
    n, step = 9, 0.1
    weight, corner, before = random.normal(size=(3, n))
    given, partner, history = random.normal(size=(3, 2, n))
    base = np.array([2.0, 3.0])
    unknown = np.zeros((2, n))
    unknown[:, :4] = random.normal(size=(2, 4))
    twin, total = unknown.copy(), history.copy()
    for row in range(2):
        for i in range(4, 9):
            s = total[row, i] + sum(weight[j] * twin[row, j] * partner[row, i - j] for j in range(4, i))
            s += before[i] * twin[row, i - 1] * partner[row, 1]
            twin[row, i] = (given[row, i] - step * s) / (base[row] + step * corner[i] * partner[row, 0])
    solve_block(unknown, history, given, partner, base, weight, corner, before, step, 4, 9)
    assert unknown == pytest.approx(twin, rel=1e-13)


@pytest.mark.parametrize("method", ["trapezoid", "simpson"])
@pytest.mark.parametrize("n", [3, 511, 513, 2100])
def test_transforms_change_nothing(method, n):
    """Blocks and fast Fourier transforms against the sums written out."""
    t = 0.01 * np.arange(n)
    given, partner = np.exp(-t) * np.cos(3 * t), -np.sin(2 * t) * np.exp(-0.2 * t) + 0.1
    weight, corner, before = quadrature(n, method)
    x = volterra(given, partner, 0.01, weight, corner, before, 1.0)
    twin = np.zeros(n)
    for i in range(n):
        s = np.dot(weight[:i] * twin[:i], partner[i:0:-1]) + (before[i] * twin[i - 1] * partner[1] if i else 0)
        twin[i] = (given[i] - 0.01 * s) / (1 + 0.01 * corner[i] * partner[0])
    assert np.abs(x - twin).max() < 1e-12
    assert np.array_equal(
        volterra(np.tile(given, (3, 1)), np.tile(partner, (3, 1)), 0.01, weight, corner, before, 1.0)[2], x
    )


@given(st.integers(0, 2**31), st.floats(0.05, 20), st.floats(0.05, 20))
@settings(max_examples=20)
def test_an_exponential_kernel(seed, strength, rate):
    """One auxiliary variable: the velocity correlation is an exponential of a 2 x 2 matrix."""
    drift = np.array([[0.0, -1.0], [strength, rate]])
    step = 0.02 / max(rate, math.sqrt(strength))
    flow, n = expm(-drift * step), 400
    states = np.empty((n, 2, 2))
    states[0] = np.eye(2)
    for k in range(1, n):
        states[k] = flow @ states[k - 1]
    c = exact_correlations(
        step, states[:, 0, 0], first_derivative=-(drift @ states)[:, 0, 0],
        second_derivative=(drift @ drift @ states)[:, 0, 0],
    )  # fmt: skip
    kernel = memory_kernel(c, "simpson")
    law = strength * np.exp(-rate * kernel.time)
    assert np.abs(kernel.value - law).max() < 1e-4 * strength


def test_white_friction_is_a_jump():
    """Negative control: Markov data have no kernel but a delta function; exact and sampled."""
    step, friction = 0.05, 1.3
    c = exact_correlations(step, np.exp(-friction * step * np.arange(200)))
    kernel = memory_kernel(c, "integrated")
    assert kernel.running == pytest.approx(np.full(199, kernel.running[0]), rel=1e-10)
    assert kernel.running[0] == pytest.approx(2 / step * math.tanh(friction * step / 2), rel=1e-12)
    assert np.abs(kernel.value[1:]).max() < 1e-8
    assert memory_number(kernel).value == pytest.approx(0, abs=1e-9)

    random = np.random.default_rng(1)
    noise = random.normal(size=(400, 1000))
    v, decay = np.empty((400, 1000)), math.exp(-friction * step)
    v[:, 0] = noise[:, 0]
    for i in range(1, 1000):
        v[:, i] = decay * v[:, i - 1] + math.sqrt(1 - decay**2) * noise[:, i]
    data = trajectories(step * np.cumsum(v, axis=1)[..., None], step, velocities=v[..., None])
    measured = bath_correlations(data, 60)
    kernel = memory_kernel(measured, "integrated")
    assert abs(kernel.running[0] - friction) < 5 * kernel.running_error[0] + 1e-3
    assert np.mean(np.abs(kernel.value[1:]) < 3 * kernel.error[1:]) > 0.95
    assert np.all(np.abs(kernel.value[1:]) < 5 * kernel.error[1:])
    number = memory_number(kernel)
    assert abs(number.value) < 4 * number.error < 0.5


@pytest.mark.parametrize("method", ["midpoint", "simpson", "integrated"])
def test_sampled_friction(source, method):
    kernel = memory_kernel(bath_correlations(source, 200), method)
    friction = kernel.integral(20)
    assert friction.error < 0.06
    assert abs(friction.value - 2 / math.pi * math.atan(20)) < 4 * friction.error
    error = np.abs(kernel.value - ohmic_kernel(kernel.time)) / kernel.error
    assert np.all(error[kernel.time > 0] < 5.5)


def test_the_correlations_behind_it(source, bath):
    c = bath_correlations(source, 100)
    for row, law in (
        (c.velocity, velocity_correlation(bath, c.time)),
        (c.force, velocity_correlation(bath, c.time, derivative=1)),
        (c.force_rate, -velocity_correlation(bath, c.time, derivative=2)),
    ):
        error = np.sqrt(len(row) - 2) * row[1:].std(axis=0)
        assert np.all(np.abs(row[0] - law) <= 5 * error + 1e-12)
    assert np.all(c.acceleration[:, 0] == 0)


def test_components_are_averaged(source):
    """Two components of one trajectory count as two trajectories."""
    pairs = [x.reshape(2, 1000, 401).transpose(1, 2, 0) for x in (source.positions, source.velocities, source.forces)]
    together = trajectories(pairs[0], 0.1, velocities=pairs[1], forces=pairs[2])
    one, two = (memory_kernel(bath_correlations(data, 50), "simpson") for data in (source, together))
    assert two.value == pytest.approx(one.value, abs=1e-12)
    assert np.median(two.error / one.error) == pytest.approx(1, abs=0.4)


def test_one_long_trajectory():
    """Blocks are stretches of it; the noise is looked at in stretches as long as the kernel."""
    random, step, rate = np.random.default_rng(7), 0.1, 2.0
    flow = expm(-step * np.array([[0.0, -1.0], [1.5, rate]]))
    root = np.linalg.cholesky(np.diag([1, 1.5]) - flow @ np.diag([1, 1.5]) @ flow.T)
    y, path = np.array([0.3, 0.5]), np.empty((40000, 2))
    noise = random.normal(size=(40000, 2)) @ root.T
    for i in range(40000):
        path[i] = y
        y = flow @ y + noise[i]
    v, force = path.T
    data = trajectories(step * np.cumsum(v), step, velocities=v, forces=force)
    kernel = memory_kernel(bath_correlations(data, 60, blocks=16), "simpson")
    law = 1.5 * np.exp(-rate * kernel.time)
    assert np.all(np.abs(kernel.value - law) < 5 * kernel.error + 2e-3)
    check = noise_check(data, kernel, 1.0, last=25)
    assert abs(check.ratio.value - 1) < 4.5 * check.ratio.error < 0.5


def test_a_mean_force_is_taken_off(bath):
    """A particle in a harmonic well, with the same bath: B = F + k x gives the kernel of the bath back."""
    stiffness, rate, strength, step = 2.0, 1.5, 0.8, 0.05
    # (x, v, z) with K = strength exp(-rate t): exact sampling of the linear process
    drift = np.array([[0, -1, 0], [stiffness, 0, -1], [0, strength, rate]])
    covariance = np.diag([1 / stiffness, 1.0, strength])
    flow = expm(-drift * step)
    left = covariance - flow @ covariance @ flow.T
    values, vectors = np.linalg.eigh(left)
    root = vectors * np.sqrt(np.maximum(values, 0))
    random = np.random.default_rng(2)
    y = random.normal(size=(600, 3)) * np.sqrt(np.diag(covariance))
    path = np.empty((600, 400, 3))
    for i in range(400):
        path[:, i] = y
        y = y @ flow.T + random.normal(size=(600, 3)) @ root.T
    x, v, z = (np.ascontiguousarray(path[..., k, None]) for k in range(3))
    source = trajectories(x, step, velocities=v, forces=z - stiffness * x)
    mean = (-stiffness * x).reshape(-1)
    for method in ("midpoint", "trapezoid", "integrated"):
        kernel = memory_kernel(bath_correlations(source, 60, mean_force=mean), method)
        law = strength / rate * (1 - np.exp(-rate * kernel.upper))
        later = kernel.upper > 0
        assert np.all(np.abs(kernel.running - law)[later] < 5 * kernel.running_error[later] + 2e-3)
        without = memory_kernel(bath_correlations(source, 60), method)
        assert np.any(np.abs(without.running - law)[later] > 8 * without.running_error[later])


def test_fluctuation_and_dissipation(source, bath):
    kernel = memory_kernel(bath_correlations(source, 100, blocks=16), "simpson")
    check = noise_check(source, kernel, 1.0, last=40)
    assert check.ratio.error < 0.03
    assert abs(check.ratio.value - 1) < 4 * check.ratio.error
    assert abs(check.orthogonality.value) < 4 * check.orthogonality.error
    assert np.all(np.abs(check.noise - check.expected) < 5 * check.difference_error)
    # the exact kernel, and negative controls: another temperature, velocities that are too fast for the forces
    known = memory_kernel(exact(bath, 0.1, 10.0), "simpson")
    right, wrong = (noise_check(source, known, kt, last=40).ratio for kt in (1.0, 1.3))
    assert abs(right.value - 1) < 4 * right.error
    assert wrong.value < 1 - 5 * wrong.error
    x, v, f = (values.reshape(2000, 401, 1) for values in (source.positions, source.velocities, source.forces))
    fast = noise_check(trajectories(x, 0.1, velocities=1.2 * v, forces=f), known, 1.0, last=40).ratio
    assert abs(fast.value - 1) > 5 * fast.error


def test_the_projected_force_begins_as_the_force():
    """And is the noise that a generalised Langevin equation was driven with."""
    bath = ohmic_bath(300)
    kernel = memory_kernel(exact(bath, 0.05, 10.0), "simpson")
    paths = sample_bath(bath, 0.05, 201, 50, seed=9)
    left = projected_force(paths.velocity, paths.force, kernel)
    assert left[:, 0] == pytest.approx(paths.force[:, 0])
    # step by step: int_0^t K v by the trapezoid
    t = 120
    past = 0.05 * np.sum(kernel.value[: t + 1] * paths.velocity[3, t::-1])
    past -= 0.025 * (kernel.value[0] * paths.velocity[3, t] + kernel.value[t] * paths.velocity[3, 0])
    assert left[3, t] == pytest.approx(paths.force[3, t] + past, rel=1e-10)


def test_the_plain_force_has_no_plateau_and_is_not_called_friction(source):
    found = running_integral(correlation(source, source.forces, source.forces, np.arange(201)))
    assert not found.plateau
    assert "no transport coefficient" in found.warning
    assert abs(found.value[-1]) < 0.1


def test_a_finite_bath_is_warned_of():
    """Four oscillators: the running friction comes back, and no plateau is found."""
    bath = ohmic_bath(4, highest=4.0)
    kernel = memory_kernel(exact(bath, 0.05, 60.0), "simpson")
    assert kernel.running == pytest.approx(bath.running_friction(kernel.upper), abs=2e-3)
    assert not kernel.judged().plateau


def test_a_heavy_particle_has_a_plateau():
    """With M = 400 the integral of the plain force stays near the friction for long."""
    bath = ohmic_bath(900, mass=400.0)
    kernel = memory_kernel(exact(bath, 0.2, 40.0), "simpson")
    judged = kernel.judged()
    assert judged.plateau
    assert judged.plateau.height.value == pytest.approx(1, abs=0.12)
    assert not judged.warning


def test_the_memory_number_falls_with_the_mass():
    """As 1 / M: the bath remembers as long as before."""
    numbers = []
    for mass in (1.0, 30.0, 300.0):
        c = exact(ohmic_bath(700, mass=mass), 0.1)
        numbers.append(memory_number(memory_kernel(c, "simpson"), 20.0).value)
    # int_0^20 (G(20) - G(t)) dt = int_0^20 K t dt = ln(1 + 20^2) / pi
    assert np.multiply(numbers, [1, 30, 300]) == pytest.approx([math.log(401) / math.pi] * 3, rel=1e-2)
    with pytest.raises(ValueError, match="not positive"):
        memory_number(memory_kernel(c, "simpson"), -1.0)


def test_bad_input(bath, source):
    good = exact(bath, 0.1)
    with pytest.raises(ValueError, match="none of midpoint"):
        memory_kernel(good, "fft")
    with pytest.raises(ValueError, match="'force'"):
        memory_kernel(exact_correlations(0.1, good.velocity[0]), "midpoint")
    with pytest.raises(ValueError, match="does not move"):
        exact_correlations(0.1, np.zeros(10))
    with pytest.raises(ValueError, match="not positive"):
        exact_correlations(0.0, good.velocity[0])
    with pytest.raises(ValueError, match="finite"):
        exact_correlations(0.1, [1.0, np.nan, 0.5])
    with pytest.raises(ValueError, match="velocities"):
        bath_correlations(trajectories(np.arange(10.0), 1.0), 3)
    with pytest.raises(ValueError, match="beyond the data"):
        bath_correlations(source, 401)
    with pytest.raises(ValueError, match="mean_force"):
        bath_correlations(source, 20, mean_force=np.zeros(7))
    with pytest.raises(ValueError, match="not determined"):
        volterra([1.0, 1.0], [0.0, 1.0], 0.1, np.ones(2), np.ones(2), np.zeros(2))
    with pytest.raises(ValueError, match="point 1 of row 0"):
        volterra([1.0, np.inf], [1.0, 1.0], 0.1, np.ones(2), np.ones(2), np.zeros(2))
    kernel = memory_kernel(good, "midpoint")
    with pytest.raises(ValueError, match="known from"):
        kernel.integral(50.0)
    with pytest.raises(ValueError, match="whole steps"):
        noise_check(source, kernel, 1.0, last=10)
    with pytest.raises(ValueError, match="not between"):
        noise_check(source, memory_kernel(good, "simpson"), 1.0, last=150)


@pytest.mark.slow
def test_error_bars_cover(bath):
    """Friction of 120 independent sets of 300 trajectories: z^2 as a jackknife of 32 blocks should give."""
    law, z = 2 / math.pi * math.atan(10), []
    for seed in range(120):
        data = as_trajectories(sample_bath(bath, 0.1, 201, 300, seed=1000 + seed), 0.1)
        friction = memory_kernel(bath_correlations(data, 100), "midpoint").integral(10)
        z.append((friction.value - law) / friction.error)
    # Student's t of 31 degrees: variance 31 / 29, and that of the sample variance of 120 is 2.2 / 120 or so
    assert np.mean(np.square(z)) == pytest.approx(31 / 29, abs=4.5 * math.sqrt(2.3 / 120))
    assert np.mean(np.abs(z) < 2.04) == pytest.approx(0.95, abs=4.5 * math.sqrt(0.05 * 0.95 / 120))


@pytest.mark.slow
def test_errors_fall_as_the_root_of_the_data(bath):
    errors = []
    for number in (500, 8000):
        data = as_trajectories(sample_bath(bath, 0.1, 401, number, seed=4), 0.1)
        kernel = memory_kernel(bath_correlations(data, 200), "midpoint")
        errors.append(float(np.sqrt(np.mean((kernel.value - ohmic_kernel(kernel.time)) ** 2))))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.5)
