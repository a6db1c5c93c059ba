"""H of velocities against closed forms; its fall, its return, and what one disk does to that."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.kinetic_entropy import boltzmann_h, entropy_against_time, maxwell_h


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("cells", ["shells", "cubes"])
def test_a_maxwell_distribution(dimension, cells):
    velocities = 1.5 * np.random.default_rng(1).normal(size=(40_000, dimension))
    width = {"shells": 0.1, "cubes": 0.3 if dimension < 3 else 0.5}[cells]
    found = boltzmann_h(velocities, width=width, cells=cells)
    coarse = dimension * width**2 / 24  # what cells of this width hide
    assert abs(found.value - maxwell_h(2.25, dimension) + coarse) < 4 * found.error
    assert found.error < 0.01


def test_maxwell_in_the_plane():
    assert maxwell_h(0.7) == pytest.approx(-1 - math.log(2 * math.pi * 0.7), rel=1e-15)


def test_a_full_disc_of_velocities():
    """f = 1 / (pi R^2): H = -ln(pi R^2), whatever the shells are, if one ends at R."""
    draw = np.random.default_rng(2)
    speed, angle = 3 * np.sqrt(draw.uniform(size=50_000)), draw.uniform(0, 2 * math.pi, 50_000)
    velocities = speed[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    found = boltzmann_h(velocities, width=1 / 8 / math.sqrt(np.mean(velocities**2)) * 3)
    assert abs(found.value + math.log(9 * math.pi)) < 4 * found.error + 1e-3


def test_the_bias_of_few_counts_is_taken_off():
    """60 systems of 200 particles: on average within its own error of the truth, where the plain one is 12 off."""
    draw = np.random.default_rng(3)
    found = [boltzmann_h(draw.normal(size=(10, 20, 2)), width=0.2) for _ in range(60)]
    scatter = np.std([one.value for one in found]) / math.sqrt(60)
    assert abs(np.mean([one.value for one in found]) - maxwell_h(1.0) + 2 * 0.2**2 / 24) < 4 * scatter
    assert np.mean([one.error for one in found]) > 0.8 * scatter * math.sqrt(60)


@settings(max_examples=12)
@given(st.floats(0.01, 100), st.integers(0, 2**31))
def test_scaling_all_velocities_shifts_h(factor, seed):
    """H of c v is H of v minus d ln c: the cells scale with the thermal speed."""
    velocities = np.random.default_rng(seed).normal(size=(256, 2))
    shifted = boltzmann_h(velocities).value - 2 * math.log(factor)
    assert boltzmann_h(factor * velocities).value == pytest.approx(shifted, abs=0.05)


@pytest.fixture(scope="module")
def returning():
    return entropy_against_time(100, 0.3, replicas=24, seed=1, turn=10.0, points=10)


def test_h_falls_and_returns(returning):
    out, back = returning.h[:11], returning.h[10:][::-1]
    assert np.all(np.diff(out)[:5] < 0)
    assert abs(out[-1] - returning.limit) < 4 * returning.error[10] + 2 * 0.1**2 / 24
    assert back == pytest.approx(out, abs=1e-3)  # a speed may go over the border of a shell by rounding
    assert returning.missed.max() == 0
    assert returning.time == pytest.approx(np.arange(21.0))


def test_one_disk_sent_off_destroys_the_return(returning):
    lost = entropy_against_time(100, 0.3, replicas=24, seed=1, turn=10.0, points=10, perturbed=1)
    assert np.array_equal(lost.h[:11], returning.h[:11])
    assert lost.missed[-1] > 0.9
    assert abs(lost.h[-1] - lost.limit) < 0.1 < returning.h[-1] - lost.limit
    assert returning.h[-1] - lost.h[-1] > 2.5


def test_equilibrium_stays():
    """Negative control: from a Maxwell distribution H goes nowhere, before the turn or after it."""
    still = entropy_against_time(100, 0.3, replicas=24, seed=1, turn=4.0, points=4, speeds="thermal")
    assert np.all(np.abs(still.h - still.limit + 2 * 0.1**2 / 24) < 4 * still.error)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: boltzmann_h(np.zeros((10, 2))), "64 particles"),
    (lambda: boltzmann_h(np.zeros((100, 2))), "at rest"),
    (lambda: boltzmann_h(np.full((100, 2), np.nan)), "not finite"),
    (lambda: boltzmann_h(np.ones((100, 2)), width=0.0), "positive width"),
    (lambda: boltzmann_h(np.ones((100, 2)), cells="balls"), "shells or cubes"),
    (lambda: maxwell_h(-1.0), "positive"),
    (lambda: entropy_against_time(10, 0.1, replicas=1, seed=0, turn=1.0), "two replicas"),
    (lambda: entropy_against_time(10, 0.1, replicas=2, seed=0, turn=1.0, perturbed=11), "perturbed"),
])  # fmt: skip
def test_bad_input(make, words):
    with pytest.raises(ValueError, match=words):
        make()
