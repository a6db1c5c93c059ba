"""The piston: collisions, the unbounded gas against one with all its particles, Jepsen's closed form."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import simpson
from scipy.stats import norm

from kadanoff.dynamics._kernels.piston import collide, hull_support, piston_paths, push_hull
from kadanoff.dynamics.memory import BathCorrelations, memory_kernel
from kadanoff.dynamics.piston import (
    friction_ratios,
    holds,
    initial_friction_ratio,
    jepsen_correlation,
    langevin_tests,
    piston_friction,
    piston_statistics,
    sample_piston,
)
from kadanoff.estimates import Estimate
from kadanoff.parallel import executor
from kadanoff.random import normal, uniform

speeds = st.floats(-100, 100)


@given(speeds, speeds, st.floats(0.01, 1e4))
def test_a_collision_conserves(heavy, light, mass):
    v, u = collide(heavy, light, mass)
    size = 1 + mass * abs(heavy) + abs(light)
    assert mass * v + u == pytest.approx(mass * heavy + light, abs=1e-12 * size)
    assert mass * v * v + u * u == pytest.approx(mass * heavy**2 + light**2, abs=1e-12 * size**2)
    assert v - u == pytest.approx(light - heavy, abs=1e-12 * size)
    if mass == 1:
        assert (v, u) == pytest.approx((light, heavy))


@given(st.integers(0, 2**31), st.integers(1, 60), st.floats(-5, 5))
def test_hull(seed, number, slope):
    """The support function of a growing hull is that of all corners."""
    random = np.random.default_rng(seed)
    times, places = np.cumsum(random.exponential(size=number)), np.cumsum(random.normal(size=number))
    for side in (1.0, -1.0):
        hull, count = np.empty((2, number)), 0
        for t, x in zip(times, places, strict=True):
            count = push_hull(hull[0], hull[1], count, t, x, side)
        best = side * np.max(side * (places - slope * times))
        assert hull_support(hull[0], hull[1], count, slope, side) == pytest.approx(best, abs=1e-9)


def twin(seed, item, mass, density, speed, step, points):
    """The same trajectory in plain Python: all corners and all particles that were met are looked at every time."""
    v = speed / math.sqrt(mass) * normal(seed, 0, 0, item)[0]
    x, t, draw = 0.0, 0.0, 0
    corners, met = [(0.0, 0.0)], []
    velocity, squares, collisions, again = [], 0.0, 0, 0

    def wait():
        z = v / speed
        flux = speed * (2 * norm.pdf(z) + z * (2 * norm.cdf(z) - 1))
        return -math.log(uniform(seed, 1, draw, item)[0]) / (density * flux)

    soonest = wait()
    while True:
        time, partner = soonest, None
        for particle in met:
            place, u, side = particle[0] + particle[1] * t, particle[1], particle[2]
            if side * (v - u) > 0 and max(side * (place - x), 0.0) / (side * (v - u)) < time:
                time, partner = max(side * (place - x), 0.0) / (side * (v - u)), particle
        while len(velocity) < points and step * len(velocity) <= t + time:
            velocity.append(v)
        if len(velocity) == points:
            return velocity, squares, collisions, again
        t, x = t + time, x + v * time
        if partner is None:
            draw += 1
            thermal = 2 * speed / math.sqrt(2 * math.pi)
            while True:
                pick, keep = uniform(seed, 2, draw, item)
                if pick * (abs(v) + thermal) < abs(v):
                    u = speed * normal(seed, 3, draw, item)[0]
                else:
                    size, sign = uniform(seed, 3, draw, item)
                    u = speed * math.sqrt(-2 * math.log(size)) * (1 if sign >= 0.5 else -1)
                if keep * (abs(v) + abs(u)) < abs(v - u):
                    break
                draw += 1
            side = 1.0 if u < v else -1.0
            if all(side * (x - u * t - (place - u * s)) > 0 for s, place in corners):
                partner = [0.0, u, side]
                met.append(partner)
        else:
            again += 1
        if partner is not None:
            old, u = v, partner[1]
            v, partner[1] = ((mass - 1) * v + 2 * u) / (mass + 1), ((1 - mass) * u + 2 * mass * v) / (mass + 1)
            partner[0] = x - partner[1] * t
            squares, collisions = squares + (v - old) ** 2, collisions + 1
            corners.append((t, x))
        draw += 1
        soonest = wait()


@pytest.mark.parametrize("mass", [0.5, 1.0, 20.0])
def test_kernel_twin(mass):
    density, speed, step, points, rows = 1.5, 0.8, 0.1, 100, 4
    for horizon in (0.5, 7.0):
        velocity, place = np.empty((rows, points)), np.empty((rows, points))
        squares, collisions, again = np.empty(rows), np.empty(rows, np.int64), np.empty(rows, np.int64)
        piston_paths(11, 3, mass, density, speed, step, horizon, velocity, place, squares, collisions, again)
        for row in range(rows):
            paths, changes, number, met = twin(11, 3 + row, mass, density, speed, step, points)
            assert velocity[row] == pytest.approx(paths, abs=1e-8)
            assert (collisions[row], again[row]) == (number, met)
            assert squares[row] == pytest.approx(changes, rel=1e-9)


def brute(random, mass, time, trajectories):
    """V(0) V(time), collisions and recollisions with every particle of the gas that could arrive, density 1."""
    reach = 9.0 * time + 5
    product, collisions, again = np.empty(trajectories), 0, 0
    for k in range(trajectories):
        place = random.uniform(-reach, reach, random.poisson(2 * reach))
        light, side = random.normal(size=len(place)), np.sign(place)
        start = v = random.normal() / math.sqrt(mass)
        x, left, hit = 0.0, time, np.zeros(len(place), bool)
        while True:
            closing = side * (v - light)
            with np.errstate(divide="ignore", invalid="ignore"):
                wait = np.where(closing > 1e-13, side * (place - x) / closing, np.inf)
            wait[wait < 0] = 0.0
            first = int(np.argmin(wait))
            if wait[first] >= left:
                break
            x, place, left = x + v * wait[first], place + light * wait[first], left - wait[first]
            place[first] = x
            v, light[first] = collide(v, light[first], mass)
            collisions, again = collisions + 1, again + hit[first]
            hit[first] = True
        product[k] = start * v
    return product, collisions / trajectories, again / trajectories


@pytest.mark.parametrize("mass", [1.0, 3.0])
def test_the_unbounded_gas_is_the_gas(mass):
    """Against a gas that is written down particle by particle, stopped before its ends can matter."""
    number = 3000
    product, collisions, again = brute(np.random.default_rng(4), mass, 1.5, number)
    paths = sample_piston(mass, 0.75, 3, 20000, seed=2)
    ours = paths.velocity[:, 0] * paths.velocity[:, 2]
    error = math.hypot(product.std() / math.sqrt(number), ours.std() / math.sqrt(20000))
    assert abs(product.mean() - ours.mean()) < 4.5 * error
    for theirs, values in ((collisions, paths.collisions), (again, paths.recollisions)):
        assert abs(theirs - values.mean()) < 4.5 * values.std() * math.sqrt(1 / number + 1 / 20000)


def test_jepsen():
    """Slope at zero, integral sqrt(kT / 2 pi m) / n, tail -(1 - 5 / 2 pi) / sqrt(2 pi) (n t)^-3, and units."""
    time = np.linspace(0, 60, 2401)
    law = jepsen_correlation(time)
    assert law[0] == pytest.approx(1, rel=1e-12)
    short = 1e-5
    slope = (1 - float(jepsen_correlation(short))) / short
    assert slope == pytest.approx(piston_friction() / math.sqrt(2), rel=1e-4)
    assert simpson(law, x=time) + law[-1] * 60 / 2 == pytest.approx(1 / math.sqrt(2 * math.pi), abs=1e-6)
    tail = [float(jepsen_correlation(t, nodes=1000)) * t**3 for t in (300.0, 600.0)]
    assert 2 * tail[1] - tail[0] == pytest.approx(-(1 - 5 / (2 * math.pi)) / math.sqrt(2 * math.pi), rel=1e-4)
    assert jepsen_correlation(0.4, 2.0, 3.0, 0.5) == pytest.approx(6 * jepsen_correlation(0.4 * 2 * math.sqrt(6)))


def test_equal_masses_against_jepsen():
    s = piston_statistics(1.0, 6400, relaxations=40, longest=20, frames=10, seed=6)
    z = (s.correlation.value - jepsen_correlation(s.correlation.time)) / s.correlation.error
    assert np.abs(z).max() < 5
    assert s.recollisions > 0.2 * s.collisions


@pytest.mark.parametrize("mass", [1.0, 10.0, 100.0])
def test_initial_friction(mass):
    """(1 + m/M)^(-1/2): 0.7071, 0.9535, 0.9950."""
    assert initial_friction_ratio([1, 10, 100, 1000]) == pytest.approx([0.7071, 0.9535, 0.9950, 0.9995], abs=5e-5)
    s = piston_statistics(mass, 5000 if mass < 50 else 600, longest=2, seed=12)
    ratios = friction_ratios(s, mass)
    for name in ("initial", "lagged"):
        assert ratios[name].error < 0.01
        assert abs(ratios[name].value - initial_friction_ratio(mass)) < 4.5 * ratios[name].error


def test_equilibrium_stays():
    """Every frame has the Maxwellian, and time runs both ways."""
    paths = sample_piston(2.0, 0.5, 21, 20000, seed=3)
    squares = 2 * paths.velocity**2
    assert np.all(np.abs(squares.mean(axis=0) - 1) < 4.5 * math.sqrt(2 / 20000))
    assert np.all(np.abs((squares**2).mean(axis=0) - 3) < 4.5 * math.sqrt(96 / 20000))
    odd = paths.velocity[:, 0] ** 3 * paths.velocity[:, 3] - paths.velocity[:, 0] * paths.velocity[:, 3] ** 3
    assert abs(odd.mean()) < 4.5 * odd.std() / math.sqrt(20000)


def test_workers_and_numbers_change_no_bit():
    one = sample_piston(5.0, 0.3, 20, 200, seed=1)
    with executor(2) as pool:
        two = sample_piston(5.0, 0.3, 20, 200, seed=1, executor=pool)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert np.array_equal(sample_piston(5.0, 0.3, 20, 70, seed=1).velocity, one.velocity[:70])


def test_no_langevin_equation_for_equal_masses():
    light = langevin_tests(piston_statistics(1.0, 3200, relaxations=24, longest=12, frames=10, seed=5), 1.0)
    assert holds(light, 0.05) is False
    assert light["gaussian"].value > 0.3
    small = Estimate(0.01, 0.005, 32)
    assert holds({"a": small, "b": small}, 0.05) is True
    assert holds({"a": small, "b": Estimate(0.04, 0.02, 32)}, 0.05) is None


def test_the_kernel_of_the_piston_is_nearly_a_jump():
    """G(0+) is the initial friction, and for M = 10 it stays there."""
    s = piston_statistics(10.0, 4000, frames=10, seed=2)
    rows = np.vstack([s.correlation.value, s.correlation.left_out])
    kernel = memory_kernel(BathCorrelations(float(s.correlation.time[1]), 10.0, rows[:, :50]), "integrated")
    law = initial_friction_ratio(10) * piston_friction()
    assert abs(kernel.running[0] - law) < 4.5 * kernel.running_error[0] + 1e-3 * law
    assert abs(kernel.running[20] - law) < 4.5 * kernel.running_error[20]


def test_bad_input():
    with pytest.raises(ValueError, match="mass_ratio"):
        sample_piston(0.0, 0.1, 10, 10, seed=1)
    with pytest.raises(ValueError, match="density"):
        sample_piston(1.0, 0.1, 10, 10, density=-1, seed=1)
    with pytest.raises(ValueError, match="longest"):
        piston_statistics(1.0, 64, relaxations=4, longest=4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("mass", [1.0, 10.0])
def test_initial_friction_to_a_thousandth(mass):
    s = piston_statistics(mass, 300000 if mass == 1 else 100000, relaxations=24, longest=2, frames=10, seed=77)
    ratio = friction_ratios(s, mass)["initial"]
    assert ratio.error < 1e-3
    assert abs(ratio.value - initial_friction_ratio(mass)) < 4.5 * ratio.error


@pytest.mark.slow
def test_the_integral_for_equal_masses():
    """pi / 4 of zeta (Jepsen, 1965), to half a per cent."""
    s = piston_statistics(1.0, 100000, relaxations=96, longest=40, frames=10, seed=21)
    ratio = friction_ratios(s, 1.0)["integral"]
    assert ratio.error < 0.005
    assert abs(ratio.value - math.pi / 4) < 4.5 * ratio.error
