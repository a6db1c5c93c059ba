"""Kaufman's torus and Onsager's plane against counted states, each other, and published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.lattices.enumeration import spectrum
from kadanoff.lattices.kaufman import (
    CRITICAL_COUPLING,
    infinite_energy,
    infinite_entropy,
    infinite_log_partition,
    infinite_magnetisation,
    log_partition,
    torus_energy,
    torus_entropy,
)
from kadanoff.lattices.lattice import square

COUNTED = {shape: spectrum(square(*shape)) for shape in ((4, 4), (3, 5), (5, 3), (2, 4))}


@pytest.mark.parametrize("shape", list(COUNTED), ids=str)
@pytest.mark.parametrize("coupling", [0.01, 0.2, CRITICAL_COUPLING, 0.5, 2.0, 20.0])
def test_torus_against_counted_states(shape, coupling):
    exact = COUNTED[shape]
    assert log_partition(coupling, shape) == pytest.approx(exact.log_partition(coupling), abs=1e-11, rel=1e-13)
    assert torus_energy(coupling, shape) * coupling == pytest.approx(exact.energy(coupling), abs=1e-12, rel=1e-11)
    assert torus_entropy(coupling, shape) == pytest.approx(exact.entropy(coupling), abs=1e-11)


@pytest.mark.parametrize(("side", "entropy"), [(64, 0.302341), (128, 0.304366), (256, 0.305408)])
def test_entropy_at_the_critical_coupling(side, entropy):
    assert torus_entropy(CRITICAL_COUPLING, (side, side)) == pytest.approx(entropy, abs=5e-7)
    assert infinite_entropy(CRITICAL_COUPLING) == pytest.approx(0.306470, abs=5e-7)


def test_infinite_lattice():
    assert infinite_log_partition(CRITICAL_COUPLING) == pytest.approx(0.9296953983416103, abs=1e-12)
    assert infinite_energy(CRITICAL_COUPLING) == pytest.approx(-math.sqrt(2), abs=1e-7)
    assert infinite_magnetisation(0.44) == 0
    assert infinite_magnetisation(0.5) == pytest.approx((1 - math.sinh(1.0) ** -4) ** 0.125)
    for coupling in (0.3, 0.6):  # far from critical the torus is infinite up to exp(-L / xi)
        two = math.log(2) / 96**2 if coupling > CRITICAL_COUPLING else 0.0  # two ground states
        plane = infinite_log_partition(coupling) + two
        assert log_partition(coupling, (96, 96)) / 96**2 == pytest.approx(plane, abs=1e-12)
        assert torus_energy(coupling, (96, 96)) == pytest.approx(infinite_energy(coupling), abs=1e-10)
    h = 1e-4
    for coupling in (0.2, 0.43, 0.7):
        slope = (infinite_log_partition(coupling + h) - infinite_log_partition(coupling - h)) / (2 * h)
        assert infinite_energy(coupling) == pytest.approx(-slope, abs=1e-5)


def test_critical_energy_approaches_as_one_over_the_side():
    """E_L - E_inf ~ 1 / L at the critical coupling (Ferdinand and Fisher, 1969): the order, from two doublings."""
    gaps = [torus_energy(CRITICAL_COUPLING, (side, side)) + math.sqrt(2) for side in (64, 128, 256)]
    assert math.log2(gaps[0] / gaps[1]) == pytest.approx(1, abs=0.01)
    assert math.log2(gaps[1] / gaps[2]) == pytest.approx(1, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 3.0), st.integers(2, 40), st.integers(2, 40))
def test_rows_and_columns_are_alike_and_entropy_has_its_bounds(coupling, rows, columns):
    shapes = ((rows, columns), (columns, rows))
    values = [f(coupling, shape) for f in (log_partition, torus_energy, torus_entropy) for shape in shapes]
    assert np.allclose(values[::2], values[1::2], rtol=1e-10, atol=1e-11)
    assert math.log(2) / (rows * columns) - 1e-11 <= values[4] <= math.log(2) + 1e-12
    assert -2 <= values[2] < 0


def test_refusals():
    for function in (infinite_energy, infinite_entropy, infinite_magnetisation):
        with pytest.raises(ValueError, match="K > 0"):
            function(0.0)
    with pytest.raises(ValueError, match="K > 0"):
        torus_energy(-0.1, (4, 4))
