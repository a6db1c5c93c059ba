"""Cat and baker maps: permutations with known periods, whose cells gain the Kolmogorov-Sinai entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.area_maps import cell_counts, cell_points, iterate_map, map_entropy, map_period
from kadanoff.dynamics.reversibility import coarse_entropy_from_probabilities, entropy_slope
from kadanoff.information import entropy_from_probabilities
from kadanoff.maps import Map

names = st.sampled_from(["cat", "baker"])


def plainly(name, x, y, size):
    if name == "cat":
        return (2 * x + y) % size, (x + y) % size
    right = 2 * x >= size
    return 2 * x - size * right + y % 2, y // 2 + size // 2 * right


def every_point(size):
    return np.divmod(np.arange(size * size), size)


@settings(max_examples=40)
@given(names, st.integers(1, 30), st.integers(0, 12))
def test_the_maps_are_bijections_equal_to_their_twins(name, half, steps):
    size = 2 * half
    x, y = every_point(size)
    a, b = x, y
    for _ in range(steps):
        a, b = plainly(name, a, b, size)
    u, v = iterate_map(name, x, y, size, steps)
    assert np.array_equal(u, a)
    assert np.array_equal(v, b)
    assert np.array_equal(np.sort(u * size + v), np.arange(size * size))
    assert all(np.array_equal(p, q) for p, q in zip(iterate_map(name, u, v, size, -steps), (x, y), strict=True))


@settings(max_examples=60)
@given(names, st.integers(1, 2**60), st.integers(0, 2**31), st.integers(-300, 300))
def test_any_point_of_any_lattice_comes_back(name, half, seed, steps):
    x, y = np.random.default_rng(seed).integers(0, 2 * half, size=(2, 20))
    there = iterate_map(name, x, y, 2 * half, steps)
    assert all(np.all((c >= 0) & (c < 2 * half)) for c in there)
    back = iterate_map(name, *there, 2 * half, -steps)
    assert np.array_equal(back[0], x)
    assert np.array_equal(back[1], y)


@pytest.mark.parametrize(("size", "period"), [(64, 48), (101, 25), (256, 192), (1024, 768)])
def test_periods_of_the_cat_map(size, period):
    assert map_period("cat", size) == period
    x, y = np.random.default_rng(0).integers(0, size, size=(2, 50))
    assert np.array_equal(iterate_map("cat", x, y, size, period), (x, y))
    assert not np.array_equal(iterate_map("cat", x, y, size, period // 2)[0], x) or period % 2


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_the_baker_map_turns_the_bits_of_a_point_round(bits):
    assert map_period("baker", 2**bits) == 2 * bits


def test_entropy_of_the_cat_map_rises_at_the_kolmogorov_sinai_rate():
    size, cells = 2**20, (1024, 1024)
    x, y = cell_points(size, cells, (300, 700))
    ceiling = 2 * math.log(size)
    entropies = []
    for step in range(12):
        counts = cell_counts(x, y, size, cells)
        entropies.append(coarse_entropy_from_probabilities(counts / len(x), len(x)).value)
        assert entropies[-1] >= math.log(len(x)) - 1e-12  # the fine entropy of the points, which are all different
        if step < 11:
            x, y = iterate_map("cat", x, y, size, 1)
    slope = entropy_slope(entropies, ceiling)
    assert (slope.first, slope.last) == (3, 9)
    assert slope.rate.value == pytest.approx(map_entropy("cat"), rel=0.01)
    assert abs(slope.rate.value - map_entropy("cat")) < 4 * slope.rate.error
    with pytest.raises(ValueError, match="choose smaller cells"):
        entropy_slope(entropies[:4], ceiling)


def test_entropy_of_the_baker_map_rises_by_ln_2_from_a_cell_and_from_a_strip():
    size = 4096
    for cells, cell, rise in (((16, 16), (5, 9), 8), ((16, 1), (5, 0), 4)):
        x, y = cell_points(size, cells, cell)
        found = []
        for _ in range(rise + 3):
            found.append(entropy_from_probabilities(cell_counts(x, y, size, cells) / len(x)).value)
            x, y = iterate_map("baker", x, y, size, 1)
        expected = np.minimum(np.arange(rise + 3), rise) * math.log(2)
        assert found == pytest.approx(expected, abs=1e-12)


def test_coarse_entropy_need_not_grow():
    """A strip thinner than a cell: the baker map presses it together faster than it broadens what is seen."""
    size, cells = 256, (16, 16)
    x, y = cell_points(size, (256, 1), (37, 0))
    entropies = []
    for _ in range(5):
        entropies.append(entropy_from_probabilities(cell_counts(x, y, size, cells) / len(x)).value)
        x, y = iterate_map("baker", x, y, size, 1)
    assert np.diff(entropies) == pytest.approx(-math.log(2) * np.ones(4), abs=1e-12)


@settings(max_examples=30)
@given(names, st.integers(0, 2**31), st.integers(0, 20))
def test_fine_entropy_is_exactly_constant_and_cells_obey_data_processing(name, seed, steps):
    size = 16
    p = np.random.default_rng(seed).dirichlet(np.full(size * size, 0.1))
    x, y = iterate_map(name, *every_point(size), size, steps)
    moved = np.empty_like(p)
    moved[x * size + y] = p
    assert np.array_equal(np.sort(moved), np.sort(p))
    fine = entropy_from_probabilities(np.sort(moved)).value
    assert fine == entropy_from_probabilities(np.sort(p)).value
    last = fine
    for edge in (2, 4, 8, 16):  # ever larger cells hide ever more
        cells = Map.blocks((size, size), edge).sum(moved)
        coarse = coarse_entropy_from_probabilities(cells, edge * edge).value
        assert coarse >= last - 1e-12
        last = coarse
    assert last == pytest.approx(2 * math.log(size))


def test_independent_points_do_not_feel_each_other():
    x, y = np.random.default_rng(1).integers(0, 2**40, size=(2, 1000))
    a, b = iterate_map("cat", x, y, 2**40, 60)
    a[123] ^= 1
    u, v = iterate_map("cat", a, b, 2**40, -60)
    assert np.flatnonzero((u != x) | (v != y)).tolist() == [123]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: iterate_map("tent", [0], [0], 8, 1), "cat, baker"),
        (lambda: iterate_map("baker", [0], [0], 9, 1), "odd"),
        (lambda: iterate_map("cat", [0], [0], 2**62, 1), "2 to 2\\^61"),
        (lambda: iterate_map("cat", [1, 8], [0, 0], 8, 1), "x: point 1 at 8"),
        (lambda: iterate_map("cat", [1], [-1], 8, 1), "y: point 0 at -1"),
        (lambda: iterate_map("cat", [1.5], [1], 8, 1), "integers"),
        (lambda: iterate_map("cat", [1], [1, 2], 8, 1), "same points"),
        (lambda: cell_counts([1], [1], 8, (3, 2)), "does not divide"),
        (lambda: cell_points(8, (2, 2), (2, 0)), "no cell"),
        (lambda: map_period("baker", 7), "odd"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
