"""Free expansion of an ideal gas: exact flight, exact decay of its modes, entropy that coarse cells make."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.ideal_gas import (
    density_mode,
    density_mode_law,
    expanding_gas,
    fly,
    gas_fine_entropy,
    phase_cell,
    phase_counts,
    places,
    reversed_gas,
    velocities,
)
from kadanoff.dynamics.reversibility import coarse_entropy
from kadanoff.random import normal, uniform


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(-(2**62), 2**62))
def test_flight_is_exact_and_reversal_restores_every_bit(seed, steps):
    start = expanding_gas(30, seed=seed)
    there = fly(start, steps)
    expected = [(int(u) + int(v) * steps) % 2**64 for u, v in zip(start.position, start.velocity, strict=True)]
    assert there.position.tolist() == expected
    assert reversed_gas(fly(reversed_gas(there), steps)).same_as(start)
    assert fly(there, -steps).same_as(start)


def test_walls_are_mirrors():
    gas = expanding_gas(200, resolution=1000, seed=1)
    x, v = places(gas), velocities(gas)
    for _ in range(300):  # steps in the box itself, in floating point
        x, v = x + v / 100, v
        over, under = x > 1, x < 0
        x = np.where(over, 2 - x, np.where(under, -x, x))
        v = np.where(over | under, -v, v)
    later = fly(gas, 3000)
    assert places(later) == pytest.approx(x, abs=1e-11)
    assert velocities(later) == pytest.approx(v, abs=1e-12)


def test_the_start_equals_its_plain_twin():
    gas = expanding_gas(5, share=0.3, resolution=64, seed=8)
    for i in range(5):
        assert int(gas.position[i]) == int(uniform(8, 0x4964, 0, i)[0] * 0.3 * 2.0**63)
        assert int(gas.velocity[i]) == int(np.rint(normal(8, 0x4964, 1, i)[0] * 2.0**63 / 64))


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_density_modes_decay_as_a_gaussian(share):
    start = expanding_gas(200_000, share=share, seed=2)
    for order in (1, 2, 3):
        for time in (0.0, 0.1, 0.25, 0.5, 2.0):
            found = density_mode(fly(start, round(1024 * time)), order)
            law = float(density_mode_law(order, round(1024 * time) / 1024, share))
            assert abs(found.value - law) < 4.5 * found.error
    found = density_mode(fly(start, 256), 1)
    assert abs(found.value - float(density_mode_law(1, 0.3, share))) > 8 * found.error  # the wrong time is seen


def test_coarse_entropy_rises_by_the_logarithm_of_the_volume_and_not_below_the_fine():
    start = expanding_gas(200_000, seed=3)
    fine = gas_fine_entropy(0.5)
    for columns, rows in ((32, 1), (32, 8), (32, 32)):
        size = phase_cell(start, columns, rows)
        found = [coarse_entropy(phase_counts(fly(start, t * 1024), columns, rows), size) for t in (0, 40)]
        assert all(one.value > fine - 4 * one.error for one in found)
        rise = found[1].minus(found[0])
        assert abs(rise.value - math.log(2)) < 4.5 * rise.error
    # cells so small that the stripes are still seen: nothing hidden yet
    fresh = fly(start, 256)
    seen = coarse_entropy(phase_counts(fresh, 64, 256), phase_cell(fresh, 64, 256))
    hidden = coarse_entropy(phase_counts(fresh, 64, 1), phase_cell(fresh, 64, 1))
    assert seen.value < fine + 0.1
    assert hidden.value > seen.value + 0.5


def test_one_particle_off_stays_one_particle_off():
    start = expanding_gas(1000, seed=4)
    there = fly(start, 5000)
    there.velocity[17] += 1
    back = fly(there, -5000)
    assert np.flatnonzero(back.position != start.position).tolist() == [17]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: expanding_gas(0, seed=0), "one particle"),
        (lambda: expanding_gas(5, share=0, seed=0), "share"),
        (lambda: expanding_gas(5, resolution=3, seed=0), "resolution"),
        (lambda: phase_counts(expanding_gas(5, seed=0), 0, 1), "one column"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
