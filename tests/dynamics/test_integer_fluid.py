"""The integer fluid: equal to its plain twin, exact in momentum, back to its start bit by bit, lost after one bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.integer_fluid import (
    Fluid,
    advance_fluid,
    expanding_fluid,
    flip_bit,
    fluid_energy,
    fluid_places,
    make_fluid,
    mean_square_distance,
    reversed_fluid,
)


def plain_pushes(fluid):
    """h^2 F / m of every particle by all pairs, each rounded, and the potential energy."""
    n, out, potential = len(fluid.position), np.zeros((len(fluid.position), 3), dtype=np.int64), 0.0
    most, scale = fluid.cutoff**2, fluid.edge / 2**32
    bend, level = 6 / most**6 - 3 / most**3, -7 / most**6 + 4 / most**3
    for i in range(n):
        for j in range(i):
            d = (fluid.position[j] - fluid.position[i]).astype(np.float64)  # int32 wraps: the nearest image
            r2 = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) * (scale * scale)
            if r2 >= most:
                continue
            q = 1.0 / r2
            q3 = q * q * q
            strength = fluid.timestep**2 * (24.0 * (2.0 * q3 * q3 * q - q3 * q) - 8.0 * bend / most)
            push = np.rint(d * strength).astype(np.int64)
            out[j] += push
            out[i] -= push
            potential += 4 * (q3 * q3 - q3 + bend * r2 / most + level)
    return out, potential


def plainly(fluid, steps):
    x, d, travelled = fluid.position.copy(), fluid.step.copy(), fluid.travelled.copy()
    for _ in range(steps):
        pushes, _ = plain_pushes(Fluid(x, d, travelled, fluid.edge, fluid.cutoff, fluid.timestep))
        d = (d + pushes).astype(np.int32)
        x, travelled = x + d, travelled + d
    return Fluid(x, d, travelled, fluid.edge, fluid.cutoff, fluid.timestep)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_kernel_equals_all_pairs_one_by_one(dimensions):
    start = expanding_fluid(40, 0.4, 1.5, dimensions=dimensions, cutoff=1.6, seed=1)
    assert advance_fluid(start, 25).same_as(plainly(start, 25))


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(2, 200), st.floats(0.05, 0.7), st.floats(0.01, 1.5))
def test_the_list_of_neighbours_changes_no_bit_and_every_state_comes_back(seed, particles, density, skin):
    cutoff = min(2.5, 0.5 * (particles / density) ** (1 / 3))
    start = expanding_fluid(particles, density, 1.0, cutoff=cutoff, seed=seed)
    there = advance_fluid(start, 60)
    assert advance_fluid(start, 60, skin=skin).same_as(there)
    assert advance_fluid(advance_fluid(start, 23), 37).same_as(there)
    assert np.array_equal(there.step.sum(axis=0, dtype=np.int64), start.step.sum(axis=0, dtype=np.int64))
    back = reversed_fluid(advance_fluid(reversed_fluid(there), 60))
    assert back.same_as(start)
    assert reversed_fluid(reversed_fluid(there)).same_as(there)


def test_the_order_of_particles_changes_no_bit():
    start = expanding_fluid(100, 0.6, 1.2, seed=3)
    shuffled = np.random.default_rng(0).permutation(100)
    other = Fluid(
        start.position[shuffled],
        start.step[shuffled],
        start.travelled[shuffled],
        start.edge,
        start.cutoff,
        start.timestep,
    )
    assert np.array_equal(advance_fluid(start, 300).position[shuffled], advance_fluid(other, 300).position)


def test_the_error_of_the_energy_falls_with_the_square_of_the_time_step():
    errors = []
    for timestep in (0.008, 0.004, 0.002):
        fluid = expanding_fluid(64, 0.5, 1.0, timestep=timestep, cutoff=2.2, seed=5)
        energy = [fluid_energy(fluid).total]
        for _ in range(25):
            fluid = advance_fluid(fluid, round(0.024 / timestep))
            energy.append(fluid_energy(fluid).total)
        errors.append(np.std(energy))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.25)


def test_two_particles_oscillate_as_the_potential_says():
    """Near the minimum r0 = 2^(1/6) the period is 2 pi / sqrt(2 U''), U'' = 36 2^(2/3) less the parabola's part."""
    r0, amplitude = 2 ** (1 / 6), 1e-3
    positions = np.array([[2.0, 3.0, 3.0], [2.0 + r0 + amplitude, 3.0, 3.0]])
    fluid = make_fluid(positions, np.zeros((2, 3)), 12.0, timestep=0.001, cutoff=5.0)
    distance = []
    for _ in range(3000):
        fluid = advance_fluid(fluid, 1)
        distance.append(fluid_places(fluid)[1, 0] - fluid_places(fluid)[0, 0])
    mean = np.mean(distance)
    crossings = np.flatnonzero(np.diff(np.sign(np.array(distance) - mean)) > 0)
    period = np.diff(crossings).mean() * 0.001
    assert period == pytest.approx(2 * math.pi / math.sqrt(2 * 36 * 2 ** (2 / 3)), rel=4e-3)


def test_energy_of_a_state_equals_all_pairs():
    fluid = advance_fluid(expanding_fluid(50, 0.5, 1.0, cutoff=2.3, seed=2), 40)
    found = fluid_energy(fluid)
    pushes, potential = plain_pushes(fluid)
    speed = (fluid.step + 0.5 * pushes) * fluid.scale / fluid.timestep
    assert found.potential == pytest.approx(potential / 50, rel=1e-12)
    assert found.kinetic == pytest.approx(0.5 * np.sum(speed**2) / 50, rel=1e-12)
    assert found.total == found.kinetic + found.potential
    assert fluid_energy(expanding_fluid(50, 0.5, 1.3, cutoff=2.3, seed=2)).kinetic == pytest.approx(
        1.5 * 1.3 * 49 / 50, rel=1e-6
    )


def test_back_after_thousands_of_steps_and_lost_after_one_bit():
    start = expanding_fluid(64, 0.3, 1.0, dimensions=2, share=0.5, seed=0)
    there = advance_fluid(start, 20_000)
    assert mean_square_distance(there) > 1
    assert abs(fluid_energy(there).total - fluid_energy(start).total) < 2e-3
    assert reversed_fluid(advance_fluid(reversed_fluid(there), 20_000)).same_as(start)
    disturbed = reversed_fluid(advance_fluid(reversed_fluid(flip_bit(there, 5)), 20_000))
    assert mean_square_distance(disturbed, start) > 1
    assert np.all(np.any(disturbed.position != start.position, axis=1))
    short = advance_fluid(start, 50)  # over a short time the damage is still small: it grows, it is not there at once
    near = reversed_fluid(advance_fluid(reversed_fluid(flip_bit(short, 5)), 50))
    assert 0 < mean_square_distance(near, start) < 1e-12


@pytest.mark.slow
def test_back_after_a_million_steps():
    start = expanding_fluid(64, 0.7, 1.0, cutoff=2.2, seed=0)
    there = advance_fluid(start, 1_000_000)
    assert mean_square_distance(there) > 1
    assert abs(fluid_energy(there).total - fluid_energy(start).total) < 5e-3
    assert reversed_fluid(advance_fluid(reversed_fluid(there), 1_000_000)).same_as(start)


def test_a_flat_fluid_stays_flat_and_its_share_is_filled():
    start = expanding_fluid(100, 0.3, 1.0, dimensions=2, share=0.5, seed=1)
    assert fluid_places(start)[:, 0].max() < 0.5 * start.edge
    later = advance_fluid(start, 500)
    assert len(np.unique(later.position[:, 2])) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make_fluid([[0, 0, 0]], [[0, 0, 0]], 9.0), "n >= 2"),
        (lambda: make_fluid([[0, 0, 0], [np.nan, 0, 0]], np.zeros((2, 3)), 9.0), "finite"),
        (lambda: make_fluid([[0, 0, 0], [1, 0, 0]], np.zeros((2, 3)), 4.0), "twice the cut-off"),
        (lambda: make_fluid([[0, 0, 0], [3, 0, 0], [8.7, 0, 0]], np.zeros((3, 3)), 9.0), "particles 0 and 2"),
        (lambda: make_fluid([[0, 0, 0], [3, 0, 0]], np.full((2, 3), 1e4), 9.0), "eighth of the box"),
        (lambda: expanding_fluid(20, 0.5, 1.0, dimensions=4, seed=0), "2 or 3"),
        (lambda: expanding_fluid(20, 0.5, -1.0, seed=0), "positive"),
        (lambda: expanding_fluid(2000, 5.0, 1.0, seed=0), "lower the density"),
        (lambda: advance_fluid(expanding_fluid(200, 0.5, 1.0, seed=0), -1), "reversed fluid"),
        (lambda: advance_fluid(expanding_fluid(200, 0.5, 1.0, seed=0), 1, skin=0), "skin"),
        (lambda: advance_fluid(expanding_fluid(200, 0.5, 5.0, timestep=0.05, seed=0), 500), "too long"),
        (lambda: flip_bit(expanding_fluid(200, 0.5, 1.0, seed=0), 200), "no such bit"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
