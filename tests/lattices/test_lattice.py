"""Lattices: every table is symmetric, every colouring proper, shells as in the textbook."""

import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff import lattices
from kadanoff.lattices.blocking import lattice_blocks
from kadanoff.lattices.lattice import bravais, colours, cubic, honeycomb, lieb, square, triangular
from kadanoff.lattices.operators import clusters, even_operators

KAGOME = [(0, 1, (0, 0)), (0, 2, (0, 0)), (1, 2, (0, 0)), (1, 0, (1, 0)), (2, 0, (0, 1)), (1, 2, (1, -1))]
LATTICES = {
    "square": (square(6), 4, 2),
    "oblong": (square(4, 6), 4, 2),
    "odd": (square(5), 4, 5),
    "triangular": (triangular(6), 6, 3),
    "honeycomb": (honeycomb(4), 3, 2),
    "cubic": (cubic(4), 6, 2),
    "decorated": (lieb(4), 4, 2),
    "kagome": (bravais((6, 6), KAGOME), 4, 3),
}


@pytest.mark.parametrize("name", list(LATTICES))
def test_neighbours_and_colours(name):
    lattice, coordination, most = LATTICES[name]
    neighbours = lattice.neighbours
    assert neighbours.dtype == np.int32
    assert neighbours.shape == (lattice.sites, coordination)
    joined = np.zeros((lattice.sites, lattice.sites), int)
    site, column = np.nonzero(neighbours >= 0)
    np.add.at(joined, (site, neighbours[site, column]), 1)
    assert np.array_equal(joined, joined.T)
    assert not np.any(np.diag(joined))
    from_bonds = np.zeros_like(joined)
    np.add.at(from_bonds, tuple(lattice.bonds.T), 1)
    assert np.array_equal(from_bonds + from_bonds.T, joined)
    tint = lattice.colours
    assert len(np.unique(tint)) == tint.max() + 1 <= most
    assert not np.any(joined * (tint[:, None] == tint[None, :]))


@pytest.mark.parametrize("name", ["square", "triangular", "honeycomb", "cubic", "decorated"])
def test_bonds_are_one_long_and_the_first_shell(name):
    lattice = LATTICES[name][0]
    far = lattice.positions[lattice.bonds[:, 1]] - lattice.positions[lattice.bonds[:, 0]]
    box = lattice.vectors * np.array(lattice.cells)[:, None]
    images = np.stack([far + np.array(shift) @ box for shift in np.ndindex(*(3,) * lattice.dimension)])
    images -= box.sum(axis=0)
    assert np.sqrt((images**2).sum(axis=-1)).min(axis=0) == pytest.approx(1.0)
    shell = lattice.shell(1)
    assert np.array_equal(np.sort(shell.neighbours, axis=1), np.sort(lattice.neighbours, axis=1))


def test_site_order_and_columns_of_the_square_lattice():
    lattice = square(4, 5)
    i, j = 1, 4
    down, right, up, left = lattice.neighbours[i * 5 + j]
    assert (down, right, up, left) == (2 * 5 + 4, 1 * 5 + 0, 4, 1 * 5 + 3)
    assert lattice.shape == (4, 5)
    assert honeycomb(3).shape == (3, 3, 2)


@pytest.mark.parametrize(
    ("lattice", "counts"),
    [
        (square(12), [4, 4, 4, 8]),
        (triangular(12), [6, 6, 6, 12]),
        (honeycomb(12), [3, 6, 3, 6]),
        (cubic(8), [6, 12, 8, 6]),
    ],
)
def test_shells(lattice, counts):
    assert [lattice.shell(k + 1).coordination for k in range(4)] == counts
    both = colours(lattice, lattice.shell(2))
    for one in (lattice, lattice.shell(2)):
        assert np.all(both[one.bonds[:, 0]] != both[one.bonds[:, 1]])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 7), st.integers(2, 7), st.lists(st.tuples(st.integers(-1, 1), st.integers(-2, 2)), max_size=4))
def test_any_table_is_coloured(rows, columns, steps):
    wanted = {(1, 0), *((abs(a), b) if a else (0, abs(b)) for a, b in steps if a or b)}
    kept = [(0, 0, step) for step in sorted(wanted) if step[0] % rows or step[1] % columns]
    kept = [bond for bond in kept if (0, 0, (-bond[2][0], -bond[2][1])) not in kept]
    lattice = bravais((rows, columns), kept)
    tint = lattice.colours
    assert np.all(tint[lattice.bonds[:, 0]] != tint[lattice.bonds[:, 1]])


def test_a_twisted_lattice_is_a_lattice():
    """9 x 27 cells of triangles, closed by the periods that a blocking by sqrt(3) leaves: 6 neighbours, 3 colours."""
    twisted = lattice_blocks(triangular(27)).coarse
    assert np.any(twisted.periods != np.diag(twisted.cells))
    one = {tuple(sorted(pair)) for pair in twisted.bonds}
    assert one == {tuple(sorted((i, j))) for i, row in enumerate(twisted.neighbours) for j in row}
    assert len(one) == 3 * twisted.sites
    assert one == {tuple(sorted(pair)) for pair in clusters(even_operators(twisted)[0], twisted)}
    assert np.all(twisted.colours[twisted.bonds[:, 0]] != twisted.colours[twisted.bonds[:, 1]])
    assert twisted.shell(2).coordination == 6


def test_blocks_and_operators_are_of_known_lattices():
    for other in (lieb(8), square(8).shell(2)):
        with pytest.raises(ValueError, match=other.name):
            lattice_blocks(other)
        with pytest.raises(ValueError, match=other.name):
            even_operators(other)
    with pytest.raises(ValueError, match="no integer coordinates"):
        lieb(4).translations()


def test_what_the_package_exports_hides_no_module():
    """A function of a module's name would stand where the module is looked for."""
    modules = {module.name for module in pkgutil.iter_modules(lattices.__path__)}
    assert not modules & set(lattices.__all__)
    assert all(hasattr(lattices, name) for name in lattices.__all__)


def test_refusals():
    with pytest.raises(ValueError, match="two cells"):
        square(1)
    with pytest.raises(ValueError, match="itself"):
        bravais((3, 3), [(0, 0, (3, 0)), (0, 0, (0, 1))])
    with pytest.raises(ValueError, match="twice"):
        bravais((4, 4), [(0, 0, (1, 0)), (0, 0, (-1, 0))])
    with pytest.raises(ValueError, match="does not fit"):
        bravais((4, 4), [(0, 0, (1,))])
    with pytest.raises(ValueError, match="no bond"):
        bravais((4, 4), [(0, 0, (1, 0))], basis=[[0, 0], [0.5, 0.5]])
    with pytest.raises(ValueError, match="no bonds"):
        bravais((4, 4), [])
    with pytest.raises(ValueError, match="counted from 1"):
        square(4).shell(0)
