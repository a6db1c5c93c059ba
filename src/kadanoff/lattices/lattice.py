"""Periodic lattices: sites, neighbours and colours of any Bravais lattice with a basis, from one table of bonds.

A bond is (from, to, displacement): basis site ``from`` of cell x is joined to basis site ``to`` of cell x +
displacement. Each bond stands once in the table; neighbours, coordination and colours follow from it.

Sites are numbered row major over the array ``shape``: (cells along axis 0, axis 1, ..., basis), the last axis left out
for one site a cell. A configuration is an array of that shape, and ``configuration.ravel()[i]`` is site i.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.lattices._kernels.colouring import first_free_colours

__all__ = [
    "DIAMOND",
    "PLAQUETTE",
    "Bond",
    "Lattice",
    "Operator",
    "bravais",
    "colours",
    "cubic",
    "honeycomb",
    "lieb",
    "square",
    "triangular",
]

Bond: TypeAlias = tuple[int, int, tuple[int, ...]]
# the products of spins that belong to one cell, each a tuple of (basis site, displacement of its cell)
Operator: TypeAlias = tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]

PLAQUETTE: Operator = (((0, (0, 0)), (0, (0, 1)), (0, (1, 0)), (0, (1, 1))),)  # four spins of a square lattice
DIAMOND: Operator = (((0, (-1, 0)), (0, (1, 0)), (0, (0, -1)), (0, (0, 1))),)  # the four neighbours of a site
_TRIALS = 4096  # linear colourings looked through before the first free colour is taken


@dataclass(frozen=True, eq=False)
class Lattice:
    """A periodic lattice.

    Arguments:
        name: of the lattice, for messages.
        cells: number of cells along each axis.
        table: the bonds of one cell, each once.
        vectors: (d, d), row k is the step of one cell along axis k, in units of the bond length.
        basis: (b, d), where the sites of a cell lie.
    """

    name: str
    cells: tuple[int, ...]
    table: tuple[Bond, ...]
    vectors: NDArray[np.float64]
    basis: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one configuration: the cells, then the basis where it has more than one site."""
        return self.cells if len(self.basis) == 1 else (*self.cells, len(self.basis))

    @property
    def dimension(self) -> int:
        """Number of axes of cells."""
        return len(self.cells)

    @property
    def sites(self) -> int:
        """Number of sites n."""
        return math.prod(self.cells) * len(self.basis)

    @property
    def coordination(self) -> int:
        """Largest number of neighbours z of a site."""
        return int(self.neighbours.shape[1])

    @property
    def positions(self) -> NDArray[np.float64]:
        """(n, d) where the sites lie, in bond lengths."""
        corner = np.stack(np.meshgrid(*(np.arange(m) for m in self.cells), indexing="ij"), axis=-1) @ self.vectors
        return np.asarray((corner[..., None, :] + self.basis).reshape(self.sites, self.dimension))

    @cached_property
    def bonds(self) -> NDArray[np.int32]:
        """(m, 2) int32: every bond once, in the order of the table. A side of two cells has its bonds twice."""
        number = self._number()
        found = []
        for start, end, step in self.table:
            reached = np.roll(number[..., end], [-s for s in step], axis=tuple(range(self.dimension)))
            found.append(np.stack([number[..., start].ravel(), reached.ravel()], axis=1))
        return np.concatenate(found).astype(np.int32)

    @cached_property
    def neighbours(self) -> NDArray[np.int32]:
        """(n, z) int32: ends of the bonds that start at a site, in the order of the table, then starts of those that
        end there; rows with fewer than z neighbours are filled up with -1. Square: down, right, up, left."""
        number, count = self._number(), len(self.basis)
        columns: list[list[NDArray[np.int64]]] = [[] for _ in range(count)]
        axes = tuple(range(self.dimension))
        for start, end, step in self.table:
            columns[start].append(np.roll(number[..., end], [-s for s in step], axis=axes))
        for start, end, step in self.table:
            columns[end].append(np.roll(number[..., start], list(step), axis=axes))
        found = np.full((*self.cells, count, max(map(len, columns))), -1, np.int32)
        for site, column in enumerate(columns):
            for k, reached in enumerate(column):
                found[..., site, k] = reached
        return found.reshape(self.sites, -1)

    @cached_property
    def colours(self) -> NDArray[np.int8]:
        """(n,) int8: no two neighbours have the same colour, so that all sites of one colour can be updated at once.

        The fewest colours of the form (c . cell + offset of the basis site) mod m that fit the periods: 2 on even
        square, cubic and honeycomb lattices, 3 on triangular ones of a side divisible by 3. Where none fits, each site
        in turn takes the first colour that no neighbour has.
        """
        return colours(self)

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
        bonds = [bond for length, bond in found if abs(length - at) < 1e-6]
        return bravais(self.cells, bonds, self.vectors, self.basis, name=f"{self.name}, neighbours {order}")

    def products(self, operator: Operator) -> NDArray[np.int32]:
        """(m, r) int32: the sites of every product of an operator, cell after cell; short products end with -1.

        Raises:
            ValueError: for a product that names a site twice, as on too few cells, or does not fit the lattice.
        """
        number, axes, found = self._number(), tuple(range(self.dimension)), []
        longest = max(map(len, operator), default=0)
        for product in operator:
            if any(not 0 <= site < len(self.basis) or len(step) != self.dimension for site, step in product):
                raise ValueError(
                    f"{self.name}: {product} does not fit {self.dimension} axes, {len(self.basis)} basis sites"
                )
            places = {(site, tuple(s % m for s, m in zip(step, self.cells, strict=True))) for site, step in product}
            if not product or len(places) < len(product):
                raise ValueError(f"{self.name}: {product} names no site or one twice on {self.cells} cells")
            rows = [np.roll(number[..., site], [-s for s in step], axis=axes).ravel() for site, step in product]
            rows += [np.full(number[..., 0].size, -1)] * (longest - len(rows))
            found.append(np.stack(rows, axis=1))
        if not found:
            raise ValueError(f"{self.name}: an operator without products")
        return np.concatenate(found).astype(np.int32)

    def _number(self) -> NDArray[np.int64]:
        return np.arange(self.sites).reshape(*self.cells, len(self.basis))


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
    seen = set()
    for a, b, step in table:
        if len(step) != len(size) or not (0 <= a < count and 0 <= b < count):
            raise ValueError(f"{name}: bond {(a, b, step)} does not fit {len(size)} axes and {count} basis sites")
        if a == b and all(s % m == 0 for s, m in zip(step, size, strict=True)):
            raise ValueError(f"{name}: bond {(a, b, step)} joins a site to itself on {size} cells: take more cells")
        if (a, b, step) in seen or (b, a, tuple(-s for s in step)) in seen:
            raise ValueError(f"{name}: bond {(a, b, step)} stands twice in the table; each bond once, in one direction")
        seen.add((a, b, step))
    alone = set(range(count)) - {site for a, b, _ in table for site in (a, b)}
    if alone:
        raise ValueError(f"{name}: basis sites {sorted(alone)} have no bond")
    return Lattice(name, size, table, steps, places)


def square(side: int, columns: int | None = None) -> Lattice:
    """The square lattice of ``side`` rows and as many columns (or ``columns``); 4 neighbours."""
    return bravais((side, columns or side), [(0, 0, (1, 0)), (0, 0, (0, 1))], name="square")


def triangular(side: int, columns: int | None = None) -> Lattice:
    """The triangular lattice, side x side rhombic cells; 6 neighbours: (1, 0), (0, 1), (1, -1) and back.

    Axes 0 and 1 are (1, 0) and (1/2, sqrt(3)/2): they meet at 60 degrees.
    """
    vectors = [[1.0, 0.0], [0.5, math.sqrt(0.75)]]
    bonds = [(0, 0, (1, 0)), (0, 0, (0, 1)), (0, 0, (1, -1))]
    return bravais((side, columns or side), bonds, vectors, name="triangular")


def honeycomb(side: int, columns: int | None = None) -> Lattice:
    """The honeycomb lattice, side x side cells of two sites; 3 neighbours.

    Site (i, j, 0) is joined to (i, j, 1), (i - 1, j, 1) and (i, j - 1, 1): the configuration has shape (side, side, 2).
    Its cells form a triangular lattice of spacing sqrt(3) bond lengths.
    """
    root = math.sqrt(3.0)
    vectors = [[root, 0.0], [root / 2, 1.5]]
    bonds = [(0, 1, (0, 0)), (0, 1, (-1, 0)), (0, 1, (0, -1))]
    return bravais((side, columns or side), bonds, vectors, [[0.0, 0.0], [root / 2, 0.5]], name="honeycomb")


def cubic(side: int) -> Lattice:
    """The simple cubic lattice, side^3 sites; 6 neighbours."""
    return bravais((side,) * 3, [(0, 0, (1, 0, 0)), (0, 0, (0, 1, 0)), (0, 0, (0, 0, 1))], name="cubic")


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
    cell = np.stack(np.meshgrid(*(np.arange(m) for m in first.cells), indexing="ij"), axis=-1)
    for number in range(2, 2 * len(table) + 2):
        if number ** (dimension + count - 1) > _TRIALS:
            break
        for trial in itertools.product(range(number), repeat=dimension + count - 1):
            slope, offset = trial[:dimension], (0, *trial[dimension:])
            wraps = all(c * m % number == 0 for c, m in zip(slope, first.cells, strict=True))
            if wraps and all(
                (sum(c * s for c, s in zip(slope, step, strict=True)) + offset[b] - offset[a]) % number
                for a, b, step in table
            ):
                plane = (cell @ np.array(slope))[..., None] + np.array(offset)
                return np.asarray((plane % number).ravel().astype(np.int8))
    return np.asarray(first_free_colours(np.hstack([lattice.neighbours for lattice in lattices])))
