"""Periodic lattices: sites, neighbours and colours of any Bravais lattice with a basis, from one table of bonds.

A bond is (from, to, displacement): basis site ``from`` of cell x is joined to basis site ``to`` of cell x +
displacement. Each bond stands once in the table; neighbours, coordination and colours follow from it.

Sites are numbered row major over the array ``shape``: (cells along axis 0, axis 1, ..., basis), the last axis left out
for one site a cell. A configuration is an array of that shape, and ``configuration.ravel()[i]`` is site i.

Block spins and operators are written in integer coordinates, so that they are the same few lines on each lattice.
Those of a lattice with one site a cell are its cells. Honeycomb sites are triangular sites x e1 + y e2, whose
neighbours are +-e1, +-e2, +-(e1 - e2) and whose colour (x - y) mod 3 is 1 or 2: those of colour 0 are the centres of
the hexagons. Any independent periods close a lattice, also the twisted ones to which a blocking by sqrt(3) leads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.lattices._kernels.colouring import first_free_colours

__all__ = [
    "DIAMOND",
    "PLAQUETTE",
    "Bond",
    "CellProducts",
    "Lattice",
    "LatticeName",
    "bravais",
    "colours",
    "cubic",
    "honeycomb",
    "lieb",
    "named_lattice",
    "point_group",
    "square",
    "triangular",
]

Bond: TypeAlias = tuple[int, int, tuple[int, ...]]
# the products of spins that belong to one cell, each a tuple of (basis site, displacement of its cell)
CellProducts: TypeAlias = tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]
LatticeName = Literal["square", "triangular", "honeycomb", "cubic"]

PLAQUETTE: CellProducts = (((0, (0, 0)), (0, (0, 1)), (0, (1, 0)), (0, (1, 1))),)  # four spins of a square lattice
DIAMOND: CellProducts = (((0, (-1, 0)), (0, (1, 0)), (0, (0, -1)), (0, (0, 1))),)  # the four neighbours of a site
HONEYCOMB_CELL = np.array([[1, 1], [2, -1]])
"""The two shortest vectors between triangular sites of one colour; a honeycomb cell has two sites."""
_HONEYCOMB_BASIS = np.array([[1, 0], [2, 0]])
_TRIALS = 4096  # linear colourings looked through before the first free colour is taken


@dataclass(frozen=True, eq=False)
class Lattice:
    """A periodic lattice.

    Arguments:
        name: of the lattice, for messages.
        periods: (d, d) integers, a period in each row, in cells: upper triangular, with a positive diagonal.
        table: the bonds of one cell, each once.
        vectors: (d, d), row k is the step of one cell along axis k, in units of the bond length.
        basis: (b, d), where the sites of a cell lie.
        kind: of the lattices that block spins and operators are known for; None for one of your own.
    """

    name: str
    periods: NDArray[np.int64]
    table: tuple[Bond, ...]
    vectors: NDArray[np.float64]
    basis: NDArray[np.float64]
    kind: LatticeName | None = None

    @property
    def cells(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(int(m) for m in np.diag(self.periods))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one configuration: the cells, then the basis where it has more than one site."""
        return self.cells if len(self.basis) == 1 else (*self.cells, len(self.basis))

    @property
    def dimension(self) -> int:
        """Number of axes of cells."""
        return len(self.periods)

    @property
    def sites(self) -> int:
        """Number of sites n."""
        return math.prod(self.cells) * len(self.basis)

    @property
    def length(self) -> float:
        """The linear size in cells, (number of cells)^(1/d)."""
        return float(math.prod(self.cells) ** (1 / self.dimension))

    @property
    def coordination(self) -> int:
        """Largest number of neighbours z of a site."""
        return int(self.neighbours.shape[1])

    @property
    def positions(self) -> NDArray[np.float64]:
        """(n, d) where the sites lie, in bond lengths."""
        corners = self._corners @ self.vectors
        return np.asarray((corners[:, None, :] + self.basis).reshape(self.sites, self.dimension))

    @property
    def coordinates(self) -> NDArray[np.int64]:
        """(n, d) the integer coordinates of the sites."""
        if len(self.basis) == 1:
            return self._corners
        if self.kind != "honeycomb":
            raise ValueError(f"{self.name}: no integer coordinates; {', '.join(get_args(LatticeName))} have them")
        return np.asarray(((self._corners @ HONEYCOMB_CELL)[:, None, :] + _HONEYCOMB_BASIS).reshape(self.sites, 2))

    @cached_property
    def bonds(self) -> NDArray[np.int32]:
        """(m, 2) int32: every bond once, in the order of the table. A side of two cells has its bonds twice."""
        origin = (0,) * self.dimension
        found = [np.stack([self._at(start, origin), self._at(end, step)], axis=1) for start, end, step in self.table]
        return np.concatenate(found).astype(np.int32)

    @cached_property
    def neighbours(self) -> NDArray[np.int32]:
        """(n, z) int32: ends of the bonds that start at a site, in the order of the table, then starts of those that
        end there; rows with fewer than z neighbours are filled up with -1. Square: down, right, up, left."""
        columns: list[list[NDArray[np.int64]]] = [[] for _ in self.basis]
        for start, end, step in self.table:
            columns[start].append(self._at(end, step))
        for start, end, step in self.table:
            columns[end].append(self._at(start, tuple(-s for s in step)))
        found = np.full((math.prod(self.cells), len(self.basis), max(map(len, columns))), -1, np.int32)
        for site, column in enumerate(columns):
            for k, reached in enumerate(column):
                found[:, site, k] = reached
        return found.reshape(self.sites, -1)

    @cached_property
    def colours(self) -> NDArray[np.int8]:
        """(n,) int8: no two neighbours have the same colour, so that all sites of one colour can be updated at once.

        The fewest colours of the form (c . cell + offset of the basis site) mod m that fit the periods: 2 on even
        square, cubic and honeycomb lattices, 3 on triangular ones of a side divisible by 3. Where none fits, each site
        in turn takes the first colour that no neighbour has.
        """
        return colours(self)

    def index(self, points: ArrayLike) -> NDArray[np.int32]:
        """The sites (...) at integer coordinates (..., d), brought into the lattice by its periods.

        Raises ValueError for a place where the lattice has no site (the centre of a hexagon).
        """
        box, table = self._places
        found = table[place_in_box(np.asarray(points, dtype=np.int64), box)]
        if found.size and found.min() < 0:
            raise ValueError(f"the {self.name} lattice has no site at one of these places")
        return found

    def translations(self) -> NDArray[np.int64]:
        """All translations (cells, d) of the lattice: from its first site to every site like it."""
        like = self.coordinates[:: len(self.basis)]
        return np.asarray(like - like[0])

    def shell(self, order: int) -> Lattice:
        """The same sites joined to their ``order``-th nearest neighbours (1: the nearest ones), by distance.

        Raises:
            ValueError: where the cells are too few for that distance: a site would be its own neighbour.
        """
        if order < 1:
            raise ValueError(f"shell: neighbours are counted from 1, not {order}")
        reach = order + 1
        found = [
            (float(np.linalg.norm(np.asarray(step) @ self.vectors + self.basis[end] - self.basis[start])), bond)
            for step in itertools.product(range(-reach, reach + 1), repeat=self.dimension)
            for start, end in itertools.product(range(len(self.basis)), repeat=2)
            for bond in [(start, end, step)]
            if (step, end - start) > (tuple([0] * self.dimension), 0)  # one of the two directions
        ]
        lengths = np.array([length for length, _ in found])
        distances = np.unique(np.round(lengths, 9))
        at = distances[order - 1]
        bonds = tuple(bond for length, bond in found if abs(length - at) < 1e-6)
        return _checked(replace(self, name=f"{self.name}, neighbours {order}", table=bonds, kind=None))

    def products(self, operator: CellProducts) -> NDArray[np.int32]:
        """(m, r) int32: the sites of every product of an operator, cell after cell; short products end with -1.

        Raises:
            ValueError: for a product that names a site twice, as on too few cells, or does not fit the lattice.
        """
        found = []
        longest = max(map(len, operator), default=0)
        for product in operator:
            if any(not 0 <= site < len(self.basis) or len(step) != self.dimension for site, step in product):
                raise ValueError(
                    f"{self.name}: {product} does not fit {self.dimension} axes, {len(self.basis)} basis sites"
                )
            rows = [self._at(site, step) for site, step in product]
            if not product or len({int(row[0]) for row in rows}) < len(product):
                raise ValueError(f"{self.name}: {product} names no site or one twice on {self.cells} cells")
            rows += [np.full(len(rows[0]), -1)] * (longest - len(rows))
            found.append(np.stack(rows, axis=1))
        if not found:
            raise ValueError(f"{self.name}: an operator without products")
        return np.concatenate(found).astype(np.int32)

    @cached_property
    def _corners(self) -> NDArray[np.int64]:
        """(cells, d) the cells in their order."""
        return np.indices(self.cells).reshape(self.dimension, -1).T

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The periods in integer coordinates, and from a place in their box to the site, -1 where there is none."""
        box = triangular_form(self.periods @ HONEYCOMB_CELL) if self.kind == "honeycomb" else self.periods
        table = np.full(math.prod(np.diag(box)), -1, dtype=np.int32)
        table[place_in_box(self.coordinates, box)] = np.arange(self.sites, dtype=np.int32)
        return box, table

    def _at(self, site: int, step: tuple[int, ...]) -> NDArray[np.int64]:
        """(cells,) basis site ``site`` of the cells ``step`` away from each cell."""
        return place_in_box(self._corners + np.array(step), self.periods) * len(self.basis) + site


def bravais(
    cells: Sequence[int],
    bonds: Sequence[Bond],
    vectors: ArrayLike | None = None,
    basis: ArrayLike | None = None,
    name: str = "lattice",
) -> Lattice:
    """A lattice of your own: cells, and the bonds of one cell.

    Arguments:
        cells: (d,) number of cells along each axis, at least two each.
        bonds: each once, (from, to, displacement): basis sites and the step of d cells between them.
        vectors: (d, d) steps of a cell; unit vectors by default. Only `positions` and `shell` use them.
        basis: (b, d) positions in a cell; by default all at its corner, as many as the bonds name.
        name: for messages.

    Raises:
        ValueError: for a bond that joins a site to itself, that stands twice in the table, or names no basis site; for
            a site without bonds.

    Example: the kagome lattice is ``bravais((6, 6), [(0, 1, (0, 0)), (0, 2, (0, 0)), (1, 2, (0, 0)), (1, 0, (1, 0)),
    (2, 0, (0, 1)), (1, 2, (1, -1))])``.
    """
    size = tuple(int(m) for m in cells)
    if not size or min(size) < 2:
        raise ValueError(f"{name}: at least two cells along each axis, got {size}")
    table = tuple((int(a), int(b), tuple(int(s) for s in step)) for a, b, step in bonds)
    if not table:
        raise ValueError(f"{name}: no bonds")
    count = 1 + max(max(a, b) for a, b, _ in table) if basis is None else len(np.atleast_2d(np.asarray(basis)))
    steps = np.eye(len(size)) if vectors is None else np.array(vectors, dtype=np.float64)
    places = np.zeros((count, len(size))) if basis is None else np.atleast_2d(np.array(basis, dtype=np.float64))
    if steps.shape != (len(size), len(size)) or places.shape != (count, len(size)):
        got = f"{steps.shape}, {places.shape}"
        raise ValueError(f"{name}: {len(size)} axes need vectors (d, d) and basis (b, d), got {got}")
    return _checked(Lattice(name, np.diag(size), table, steps, places))


def named_lattice(name: LatticeName, cells: int) -> Lattice:
    """`square`, `triangular`, `honeycomb` or `cubic` by name, of so many cells along each axis.

    Raises ValueError for another name.
    """
    if name not in get_args(LatticeName):
        raise ValueError(f"lattice: expected one of {', '.join(get_args(LatticeName))}, got {name!r}")
    return {"square": square, "triangular": triangular, "honeycomb": honeycomb, "cubic": cubic}[name](cells)


def square(side: int, columns: int | None = None) -> Lattice:
    """The square lattice of ``side`` rows and as many columns (or ``columns``); 4 neighbours."""
    return _known("square", (side, columns or side), [(0, 0, (1, 0)), (0, 0, (0, 1))])


def triangular(side: int, columns: int | None = None) -> Lattice:
    """The triangular lattice, side x side rhombic cells; 6 neighbours: (1, 0), (0, 1), (1, -1) and back.

    Axes 0 and 1 are (1, 0) and (1/2, sqrt(3)/2): they meet at 60 degrees.
    """
    vectors = [[1.0, 0.0], [0.5, math.sqrt(0.75)]]
    bonds = [(0, 0, (1, 0)), (0, 0, (0, 1)), (0, 0, (1, -1))]
    return _known("triangular", (side, columns or side), bonds, vectors)


def honeycomb(side: int, columns: int | None = None) -> Lattice:
    """The honeycomb lattice, side x side cells of two sites; 3 neighbours.

    Site (i, j, 0) is joined to (i, j, 1), (i - 1, j, 1) and (i, j - 1, 1): the configuration has shape (side, side, 2).
    Its cells form a triangular lattice of spacing sqrt(3) bond lengths.
    """
    root = math.sqrt(3.0)
    vectors = [[root, 0.0], [root / 2, 1.5]]
    bonds = [(0, 1, (0, 0)), (0, 1, (-1, 0)), (0, 1, (0, -1))]
    return _known("honeycomb", (side, columns or side), bonds, vectors, [[0.0, 0.0], [root / 2, 0.5]])


def cubic(side: int) -> Lattice:
    """The simple cubic lattice, side^3 sites; 6 neighbours."""
    return _known("cubic", (side,) * 3, [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0)), (0, 0, (0, 0, 1))])


def lieb(side: int) -> Lattice:
    """The decorated square lattice: sites (i, j, 0) of the square lattice with 4 neighbours, and one site in the middle
    of each bond, (i, j, 1) towards (i + 1, j) and (i, j, 2) towards (i, j + 1), with 2 neighbours."""
    bonds = [(0, 1, (0, 0)), (0, 2, (0, 0)), (1, 0, (1, 0)), (2, 0, (0, 1))]
    return bravais((side, side), bonds, 2 * np.eye(2), [[0, 0], [1, 0], [0, 1]], name="decorated square")


def colours(*lattices: Lattice) -> NDArray[np.int8]:
    """(n,) int8: a colouring of the sites that fits the bonds of several lattices of the same sites, as
    `Lattice.colours`."""
    first = lattices[0]
    table = [bond for lattice in lattices for bond in lattice.table]
    dimension, count = first.dimension, len(first.basis)
    for number in range(2, 2 * len(table) + 2):
        if number ** (dimension + count - 1) > _TRIALS:
            break
        for trial in itertools.product(range(number), repeat=dimension + count - 1):
            slope, offset = trial[:dimension], (0, *trial[dimension:])
            wraps = not np.any(first.periods @ np.array(slope) % number)
            if wraps and all(
                (sum(c * s for c, s in zip(slope, step, strict=True)) + offset[b] - offset[a]) % number
                for a, b, step in table
            ):
                plane = (first._corners @ np.array(slope))[:, None] + np.array(offset)
                return np.asarray((plane % number).ravel().astype(np.int8))
    return np.asarray(first_free_colours(np.hstack([lattice.neighbours for lattice in lattices])))


def point_group(name: LatticeName) -> list[NDArray[np.int64]]:
    """The rotations and reflections of a lattice, integer matrices g with place' = place @ g.

    8 of the square, 48 of the cubic, 12 of the triangular and of the honeycomb lattice (about a hexagon's centre).
    """
    if name in ("square", "cubic"):
        dimension = 2 if name == "square" else 3
        unit = np.eye(dimension, dtype=np.int64)
        return [
            unit[list(order)] * np.array(signs)
            for order in itertools.permutations(range(dimension))
            for signs in itertools.product((1, -1), repeat=dimension)
        ]
    turn, mirror = np.array([[0, 1], [-1, 1]]), np.array([[0, 1], [1, 0]])  # by 60 degrees: e1 -> e2 -> e2 - e1
    turns = [np.linalg.matrix_power(turn, k) for k in range(6)]
    return [*turns, *(mirror @ g for g in turns)]


def triangular_colour(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """The colour (x - y) mod 3 of triangular sites (..., 2)."""
    return np.asarray((points[..., 0] - points[..., 1]) % 3)


def place_in_box(points: NDArray[np.int64], box: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of points (..., d) inside the box of upper triangular periods, as one number in C order."""
    rest = points.copy()
    key = np.zeros(points.shape[:-1], dtype=np.int64)
    for axis in range(len(box)):
        turns = rest[..., axis] // box[axis, axis]
        rest -= turns[..., None] * box[axis]
        key = key * box[axis, axis] + rest[..., axis]
    return key


def triangular_form(periods: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same periods as an upper triangular matrix with a positive diagonal (Hermite's normal form)."""
    rows = np.array(periods, dtype=np.int64)
    for axis in range(len(rows)):
        while np.any(rows[axis + 1 :, axis]):  # Euclid's algorithm on the column
            live = axis + np.flatnonzero(rows[axis:, axis])
            smallest = live[np.argmin(np.abs(rows[live, axis]))]
            rows[[axis, smallest]] = rows[[smallest, axis]]
            rows[axis + 1 :] -= (rows[axis + 1 :, axis] // rows[axis, axis])[:, None] * rows[axis]
        if rows[axis, axis] == 0:
            raise ValueError("the periods of a lattice must be independent")
        if rows[axis, axis] < 0:
            rows[axis] *= -1
        rows[:axis] -= (rows[:axis, axis] // rows[axis, axis])[:, None] * rows[axis]
    return rows


def _known(
    kind: LatticeName,
    cells: Sequence[int],
    bonds: Sequence[Bond],
    vectors: ArrayLike | None = None,
    basis: ArrayLike | None = None,
) -> Lattice:
    return replace(bravais(cells, bonds, vectors, basis, name=kind), kind=kind)


def _checked(lattice: Lattice) -> Lattice:
    """The lattice, if every bond of its table fits it."""
    name, size, count, seen = lattice.name, lattice.cells, len(lattice.basis), set()
    for a, b, step in lattice.table:
        if len(step) != len(size) or not (0 <= a < count and 0 <= b < count):
            raise ValueError(f"{name}: bond {(a, b, step)} does not fit {len(size)} axes and {count} basis sites")
        if a == b and place_in_box(np.array(step), lattice.periods) == 0:
            raise ValueError(f"{name}: bond {(a, b, step)} joins a site to itself on {size} cells: take more cells")
        if (a, b, step) in seen or (b, a, tuple(-s for s in step)) in seen:
            raise ValueError(f"{name}: bond {(a, b, step)} stands twice in the table; each bond once, in one direction")
        seen.add((a, b, step))
    alone = set(range(count)) - {site for a, b, _ in lattice.table for site in (a, b)}
    if alone:
        raise ValueError(f"{name}: basis sites {sorted(alone)} have no bond")
    return lattice
