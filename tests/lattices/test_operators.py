"""Operator sums: packed counting against plain products, numbers of clusters, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.lattices.lattice import cubic, honeycomb, named_lattice, square
from kadanoff.lattices.operators import (
    Operator,
    clusters,
    even_operators,
    odd_operators,
    operator_sums,
    potts_sums,
)

NAMES = ["square", "triangular", "honeycomb", "cubic"]
SIZES = {"square": 10, "triangular": 9, "honeycomb": 8, "cubic": 6}


@pytest.mark.parametrize("name", NAMES)
def test_sums_are_products_over_clusters(name):
    lattice = named_lattice(name, SIZES[name])
    operators = even_operators(name) + odd_operators(name)
    spins = np.random.default_rng(2).choice(np.array([-1, 1], dtype=np.int8), (70, *lattice.shape))
    found = operator_sums(spins, lattice, operators)
    flat = spins.reshape(70, -1).astype(np.int64)
    for column, operator in enumerate(operators):
        expected = flat[:, clusters(operator, lattice)].prod(axis=2).sum(axis=1)
        assert np.array_equal(found[:, column], expected)
    turned = operator_sums(-spins, lattice, operators)
    signs = np.array([1 if operator.even else -1 for operator in operators])
    assert np.array_equal(turned, signs * found)
    assert len({tuple(sorted(map(tuple, np.sort(clusters(o, lattice), axis=1)))) for o in operators}) == len(operators)


@pytest.mark.parametrize("name", NAMES)
def test_nearest_neighbours_are_the_bonds_and_second_ones_the_second_shell(name):
    lattice = named_lattice(name, SIZES[name])
    for operator, bonds in zip(even_operators(name)[:2], (lattice.bonds, lattice.shell(2).bonds), strict=True):
        one = {tuple(sorted(pair)) for pair in clusters(operator, lattice)}
        assert one == {tuple(sorted(pair)) for pair in bonds}


def test_numbers_of_clusters_per_site():
    lattice = square(10)
    numbers = [len(clusters(o, lattice)) / 100 for o in even_operators("square") + odd_operators("square")]
    assert numbers == [2, 2, 1, 2, 4, 2, 1, 1, 4, 2, 2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_sums_do_not_change_when_the_lattice_is_moved_or_turned(seed, down, right, mirror):
    lattice = square(10)
    spins = np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.int8), (3, 10, 10))
    moved = np.roll(spins, (down, right), axis=(1, 2))
    moved = moved[:, ::-1].swapaxes(1, 2) if mirror else moved
    operators = even_operators("square") + odd_operators("square")
    assert np.array_equal(operator_sums(spins, lattice, operators), operator_sums(moved, lattice, operators))


def test_potts_sums_of_two_states_are_ising_sums():
    lattice = square(10)
    states = np.random.default_rng(3).integers(0, 2, (65, 10, 10), dtype=np.int8)
    operators = even_operators("square")[:1] + odd_operators("square")[:1]
    found = potts_sums(states, lattice, operators, 2)
    ising = operator_sums(2 * states - 1, lattice, operators)
    assert np.array_equal(2 * found[:, 0].sum(axis=1) - 200, ising[:, 0])
    assert np.array_equal(found[:, 1, 1] - found[:, 1, 0], ising[:, 1])
    three = np.random.default_rng(4).integers(0, 3, (65, 10, 10), dtype=np.int8)
    right, below = np.roll(three, -1, axis=2), np.roll(three, -1, axis=1)
    plain = (three == right).sum(axis=(1, 2)) + (three == below).sum(axis=(1, 2))
    assert np.array_equal(potts_sums(three, lattice, operators, 3)[:, 0].sum(axis=1), plain)


def test_what_does_not_fit_is_refused():
    knight = next(operator for operator in even_operators("square") if operator.name == "knight")
    with pytest.raises(ValueError, match="own image"):
        clusters(knight, square(4))
    with pytest.raises(ValueError, match=r"\(samples, 10, 10\) or \(samples, 100\), got \(2, 8, 8\)"):
        operator_sums(np.ones((2, 8, 8), dtype=np.int8), square(10), (knight,))
    with pytest.raises(ValueError, match="2 coordinates, the cubic lattice has 3"):
        clusters(knight, cubic(8))
    with pytest.raises(ValueError, match="no site"):
        clusters(Operator("wrong", ((1, 0), (3, 0))), honeycomb(8))
    with pytest.raises(ValueError, match="configuration 0 has 3 at site"):
        potts_sums(np.full((1, 10, 10), 3), square(10), (knight,), 3)
