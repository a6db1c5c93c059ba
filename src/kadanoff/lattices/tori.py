"""Periodic lattices as integer coordinates, so that blocks and operators are the same few lines on each of them.

Square and cubic sites are all integer vectors. Triangular sites are x e1 + y e2 with the neighbours +-e1, +-e2,
+-(e1 - e2); their colour is (x - y) mod 3, and neighbours differ in it. Honeycomb sites are the triangular sites of
colour 1 and 2: those of colour 0 are the centres of the hexagons. Any set of independent periods makes a torus, also
the twisted ones to which a blocking by sqrt(3) leads.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LatticeName", "Torus", "point_group", "torus"]

LatticeName = Literal["square", "triangular", "honeycomb", "cubic"]

HONEYCOMB_CELL = np.array([[1, 1], [2, -1]])
"""The two shortest vectors between triangular sites of one colour; a honeycomb cell has two sites."""
HONEYCOMB_BASIS = np.array([[1, 0], [2, 0]])


@dataclass(frozen=True, eq=False)
class Torus:
    """Sites of a periodic lattice in the order of a configuration's array (C order).

    Arguments:
        name: of the lattice.
        periods: (d, d) integers, a period in each row, in coordinates of the lattice.
        coordinates: (n, d) integers, the place of each site.
        shape: of one configuration; its product is n.
        table: from the place inside the periods' box to the site, -1 where there is none.
    """

    name: LatticeName
    periods: NDArray[np.int64]
    coordinates: NDArray[np.int64]
    shape: tuple[int, ...]
    table: NDArray[np.int32]

    @property
    def sites(self) -> int:
        """The number of sites."""
        return len(self.coordinates)

    @property
    def dimension(self) -> int:
        """Of space."""
        return len(self.periods)

    @property
    def length(self) -> float:
        """The linear size in units of the lattice's own cell, (number of cells)^(1/d)."""
        cells = self.sites / (2 if self.name == "honeycomb" else 1)
        return float(cells ** (1 / self.dimension))

    def index(self, points: ArrayLike) -> NDArray[np.int32]:
        """The sites (...) at integer places (..., d), brought into the torus by its periods.

        Raises ValueError for a place where the lattice has no site (the centre of a hexagon).
        """
        found = self.table[_box_key(np.asarray(points, dtype=np.int64), self.periods)]
        if found.size and found.min() < 0:
            raise ValueError(f"the {self.name} lattice has no site at one of these places")
        return found

    def translations(self) -> NDArray[np.int64]:
        """All translations (cells, d) of the lattice inside the torus: from its first site to every site like it."""
        if self.name != "honeycomb":
            return np.asarray(self.coordinates - self.coordinates[0])
        like = colour(self.coordinates) == colour(self.coordinates[0])
        return np.asarray(self.coordinates[like] - self.coordinates[0])


def torus(name: LatticeName, size: int | tuple[int, ...]) -> Torus:
    """A torus of ``size`` cells along every axis; configurations have the shape (L, L), cubic (L, L, L).

    Honeycomb configurations have the shape (L, L, 2): site (i, j, 0) is joined to (i, j, 1), (i - 1, j, 1) and
    (i, j - 1, 1). All as in `kadanoff.lattices.lattice`.

    Raises:
        ValueError: for an unknown lattice, or a size that does not fit its dimension.
    """
    if name not in get_args(LatticeName):
        raise ValueError(f"lattice: expected one of {', '.join(get_args(LatticeName))}, got {name!r}")
    dimension = 3 if name == "cubic" else 2
    edges = (size,) * dimension if isinstance(size, int) else tuple(size)
    if len(edges) != dimension or min(edges) < 1:
        raise ValueError(f"a {name} lattice has {dimension} edges of one cell at least, got {edges}")
    cells = np.array(list(np.ndindex(*edges)), dtype=np.int64)
    if name == "honeycomb":
        corners = cells @ HONEYCOMB_CELL
        places = (corners[:, None, :] + HONEYCOMB_BASIS).reshape(-1, 2)
        return torus_with(name, np.array(edges)[:, None] * HONEYCOMB_CELL, places, (*edges, 2))
    return torus_with(name, np.diag(edges), cells, edges)


def torus_with(
    name: LatticeName,
    periods: NDArray[np.int64],
    coordinates: NDArray[np.int64] | None = None,
    shape: tuple[int, ...] | None = None,
) -> Torus:
    """A torus with these periods; without coordinates its sites are those of the periods' box in C order."""
    box = _triangular_form(periods)
    edges = tuple(int(edge) for edge in np.diag(box))
    if coordinates is None or shape is None:
        coordinates, shape = np.array(list(np.ndindex(*edges)), dtype=np.int64), edges
    table = np.full(math.prod(edges), -1, dtype=np.int32)
    table[_box_key(coordinates, box)] = np.arange(len(coordinates), dtype=np.int32)
    return Torus(name, box, coordinates, shape, table)


def colour(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """The colour (x - y) mod 3 of triangular sites (..., 2)."""
    return np.asarray((points[..., 0] - points[..., 1]) % 3)


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


def _box_key(points: NDArray[np.int64], box: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of points inside the box of upper triangular periods, as one number in C order."""
    rest = points.copy()
    key = np.zeros(points.shape[:-1], dtype=np.int64)
    for axis in range(len(box)):
        turns = rest[..., axis] // box[axis, axis]
        rest -= turns[..., None] * box[axis]
        key = key * box[axis, axis] + rest[..., axis]
    return key


def _triangular_form(periods: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same periods as an upper triangular matrix with a positive diagonal (Hermite's normal form)."""
    rows = np.array(periods, dtype=np.int64)
    for axis in range(len(rows)):
        while np.any(rows[axis + 1 :, axis]):  # Euclid's algorithm on the column
            live = axis + np.flatnonzero(rows[axis:, axis])
            smallest = live[np.argmin(np.abs(rows[live, axis]))]
            rows[[axis, smallest]] = rows[[smallest, axis]]
            rows[axis + 1 :] -= (rows[axis + 1 :, axis] // rows[axis, axis])[:, None] * rows[axis]
        if rows[axis, axis] == 0:
            raise ValueError("the periods of a torus must be independent")
        if rows[axis, axis] < 0:
            rows[axis] *= -1
        rows[:axis] -= (rows[:axis, axis] // rows[axis, axis])[:, None] * rows[axis]
    return rows
