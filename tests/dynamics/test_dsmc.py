"""Random collisions of particles against the exact solution of the Boltzmann equation, a plain twin, and hard disks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from kadanoff.dynamics._kernels.dsmc import DIRECTION, PAIR, WAIT
from kadanoff.dynamics.dsmc import (
    bkw_density,
    bkw_h,
    bkw_moment,
    bkw_relaxation,
    bkw_start,
    bkw_velocities,
    bkw_width,
    fourth_moment,
    relax,
)
from kadanoff.dynamics.hard_disks import DiskDynamics, contact_value, enskog_rate, random_start
from kadanoff.dynamics.kinetic_entropy import maxwell_h
from kadanoff.random import uniform


@pytest.mark.parametrize(("molecules", "dimension"), [("maxwell", 2), ("maxwell", 3), ("hard", 2), ("hard", 3)])
def test_conservation_and_a_plain_twin(molecules, dimension):
    """The same collisions as written down without a kernel, momentum and energy kept in every one."""
    v = np.random.default_rng(1).normal(size=(30, dimension))
    run = relax(v, [0.0, 5.0], molecules=molecules, rate=0.7, seed=9)
    hard, centre = molecules == "hard", v.mean(axis=0)
    now, step, done, bound = 0.0, 0, 0, 1.0
    while True:
        if hard and step % 30 == 0:
            bound = 2 * np.linalg.norm(v - centre, axis=1).max()
        first, chance = uniform(9, WAIT, step, 0)
        now -= 2 * math.log(first) / (30 * 0.7 * bound)
        if now > 5:
            break
        first, second = uniform(9, PAIR, step, 0)
        i, j = int(30 * first), int(29 * second)
        j += j >= i
        g = v[i] - v[j]
        speed = np.linalg.norm(g)
        if not hard or chance * bound < speed:
            first, second = uniform(9, DIRECTION, step, 0)
            if dimension == 3:
                cosine, sine = 2 * first - 1, math.sqrt(1 - (2 * first - 1) ** 2)
                angle = 2 * math.pi * second
                turned = speed * np.array([sine * math.cos(angle), sine * math.sin(angle), cosine])
            elif not hard:
                turned = speed * np.array([math.cos(2 * math.pi * first), math.sin(2 * math.pi * first)])
            else:  # reflected at the line of centres, which lies at asin(b) from g
                angle = math.atan2(g[1], g[0]) + math.asin(2 * first - 1)
                k = np.array([math.cos(angle), math.sin(angle)])
                turned = g - 2 * (g @ k) * k
            momentum, energy = v[i] + v[j], v[i] @ v[i] + v[j] @ v[j]
            v[i], v[j] = (momentum + turned) / 2, (momentum - turned) / 2
            assert v[i] + v[j] == pytest.approx(momentum, abs=1e-14)
            assert v[i] @ v[i] + v[j] @ v[j] == pytest.approx(energy, rel=1e-13)
            if hard:
                bound = max(bound, 2 * np.linalg.norm(v[[i, j]] - centre, axis=1).max())
            done += 1
        step += 1
    assert run.collisions.tolist() == [0, done]
    assert run.velocities == pytest.approx(v, abs=1e-11)


@settings(max_examples=20)
@given(st.integers(2, 200), st.integers(2, 3), st.integers(0, 2**31), st.sampled_from(["maxwell", "hard"]))
def test_momentum_and_energy(number, dimension, seed, molecules):
    v = np.random.default_rng(seed).normal(size=(number, dimension)) + 1
    run = relax(v, [10.0], molecules=molecules, seed=seed)
    assert run.velocities.mean(axis=0) == pytest.approx(v.mean(axis=0), abs=1e-12)
    assert np.sum(run.velocities**2) == pytest.approx(np.sum(v**2), rel=1e-12)


def test_looking_changes_no_bit():
    v = np.random.default_rng(1).normal(size=(1000, 3))
    once = relax(v, [4.0], molecules="hard", seed=3)
    often = relax(v, np.linspace(0, 4, 41), molecules="hard", seed=3)
    assert np.array_equal(once.velocities, often.velocities)
    assert once.collisions[-1] == often.collisions[-1]


@pytest.mark.parametrize("molecules", ["maxwell", "hard"])
def test_the_number_of_collisions(molecules):
    """Maxwell: one a particle and time. Hard disks in equilibrium: <|g|> = sqrt(pi kT), (n - 1)/n from the energy."""
    v = np.random.default_rng(4).normal(size=(20_000, 2))
    v /= math.sqrt(np.mean(v**2))
    run = relax(v, [5.0], molecules=molecules, seed=1)
    expected = 50_000 * (math.sqrt(math.pi) if molecules == "hard" else 1)
    assert abs(run.collisions[-1] - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_exact_solution_is_one(dimension):
    """Its integrals, and its fourth moment against the rate that isotropic scattering gives it."""
    sphere = 2 * math.pi ** (dimension / 2) / math.gamma(dimension / 2)
    start = bkw_start(dimension)
    assert bkw_width(start, dimension) == pytest.approx(dimension / (dimension + 2), rel=1e-14)
    for t in (start, start + 1, 20.0):
        integral = [
            quad(lambda v, n=n, t=t: sphere * v ** (dimension - 1 + n) * bkw_density(v, t, dimension), 0, 15)[0]
            for n in (0, 2, 4)
        ]
        assert integral == pytest.approx([1, dimension, float(bkw_moment(t, dimension))], rel=1e-9)
    slope = (bkw_moment(8.001, dimension) - bkw_moment(7.999, dimension)) / 0.002
    rate = (dimension - 1) / (2 * dimension)
    assert slope == pytest.approx(rate * (dimension * (dimension + 2) - bkw_moment(8.0, dimension)), rel=1e-6)
    assert bkw_h(400.0, dimension) == pytest.approx(maxwell_h(1.0, dimension), rel=1e-9)
    assert np.all(np.diff(bkw_h(np.linspace(start, 30, 12), dimension)) < 0)


def test_three_dimensions():
    assert bkw_start() == pytest.approx(6 * math.log(2.5), rel=1e-14)
    assert bkw_width(7.0) == pytest.approx(1 - math.exp(-7 / 6), rel=1e-14)
    assert bkw_moment(7.0) == pytest.approx(15 * bkw_width(7.0) * (2 - bkw_width(7.0)), rel=1e-14)


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_draws_are_from_the_exact_solution(dimension):
    time = bkw_start(dimension) + 0.5
    speeds = np.linalg.norm(bkw_velocities(100_000, time, dimension=dimension, seed=1), axis=1)
    sphere = 2 * math.pi ** (dimension / 2) / math.gamma(dimension / 2)
    for v in (0.5, 1.0, 1.5, 2.5):
        below = quad(lambda u: sphere * u ** (dimension - 1) * bkw_density(u, time, dimension), 0, v)[0]
        assert abs(np.mean(speeds < v) - below) < 4 * math.sqrt(below * (1 - below) / 100_000)


@pytest.fixture(scope="module")
def curve():
    return bkw_relaxation(10_000, [bkw_start(), 6.0, 7.0, 9.0, 12.0, 18.0, 30.0], replicas=16, seed=2)


def test_the_fourth_moment_follows(curve):
    assert np.all(np.abs(curve.moment - curve.moment_reference) < 4 * curve.moment_error)
    assert curve.moment_error.max() < 0.01 * 15


def test_h_falls_as_it_should(curve):
    """Shells of a tenth of the thermal speed hide 3 0.01 / 24 near equilibrium."""
    assert np.all(np.abs(curve.h - curve.h_reference) < 4 * curve.h_error + 0.003)
    assert np.all(np.diff(curve.h)[:3] < 0)


def test_errors_fall_as_one_over_root_n():
    """Scatter of 32 runs at 300 and at 4,800 particles: a factor of 4, known to 1 / sqrt(32) or so."""

    def scatter(number):
        runs = [bkw_velocities(number, bkw_start(), seed=k) for k in range(32)]
        return np.std([relax(v, [3.0], molecules="maxwell", seed=k).values[-1] for k, v in enumerate(runs)])

    assert math.log(scatter(300) / scatter(4800)) == pytest.approx(math.log(4), abs=4 * math.sqrt(2 / 2 / 31))


def test_equilibrium_stays():
    """Negative control: a Maxwell gas keeps its fourth moment, to 4 errors of 16 runs."""
    runs = np.array([
        relax(np.random.default_rng(k).normal(size=(5_000, 2)), [0.0, 10.0], molecules="hard", seed=k).values
        for k in range(16)
    ])  # fmt: skip
    change = runs[:, 1] - runs[:, 0]
    assert abs(change.mean()) < 4 * change.std(ddof=1) / 4


def test_dilute_hard_disks_obey_boltzmann():
    """<v^4> of disks of one speed at a packing of 0.005 beside DSMC at the same times: 4 combined errors."""
    times, dynamic, random = np.array([0.5, 1.0, 2.0, 4.0]), [], []
    for seed in range(6):
        disks = random_start(4_000, 0.005, seed=seed, speeds="equal")
        each, dynamics = 1 / enskog_rate(disks), DiskDynamics(disks)
        found = []
        for step in np.diff(times, prepend=0.0):
            dynamics.run(step * each)
            found.append(fourth_moment(dynamics.disks().velocities))
        dynamic.append(found)
        rate = 2 * disks.density * disks.diameter * contact_value(disks.packing)
        random.append(relax(disks.velocities, times * each, molecules="hard", rate=rate, seed=seed).values)
    dynamic, random = np.array(dynamic), np.array(random)
    error = np.sqrt((dynamic.var(axis=0, ddof=1) + random.var(axis=0, ddof=1)) / 6)
    assert np.all(np.abs(dynamic.mean(axis=0) - random.mean(axis=0)) < 4 * error)
    assert error.max() < 0.1


@pytest.mark.parametrize(("make", "words"), [
    (lambda: relax(np.zeros((5, 4)), [1.0], molecules="hard", seed=0), r"\(n, 2\) or \(n, 3\)"),
    (lambda: relax([[0.0, np.inf], [0.0, 1.0]], [1.0], molecules="hard", seed=0), "particle 0"),
    (lambda: relax(np.ones((5, 2)), [1.0], molecules="soft", seed=0), "maxwell, hard"),
    (lambda: relax(np.ones((5, 2)), [1.0], molecules="hard", rate=0.0, seed=0), "rate"),
    (lambda: relax(np.ones((5, 2)), [2.0, 1.0], molecules="hard", seed=0), "rising"),
    (lambda: bkw_width(1.0), "5.49774"),
    (lambda: bkw_relaxation(10, [6.0], replicas=1, seed=0), "two replicas"),
    (lambda: bkw_start(4), "2 or 3"),
])  # fmt: skip
def test_bad_input(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_particles_that_move_alike_never_collide():
    run = relax(np.ones((5, 2)), [3.0], molecules="hard", seed=0)
    assert run.collisions.tolist() == [0]
