"""Cat and baker maps on integer lattices: permutations, so that every step can be undone to the last bit.

    cat:    (x, y) -> (2x + y, x + y) mod N               stretches by (3 + sqrt 5)/2 a step
    baker:  x doubled, y halved, the right half put on top  stretches by 2 a step

A permutation of the lattice only renames the points, so the entropy of any distribution over them is the same for ever.
That of the cells they lie in rises by the logarithm of the stretching, the Kolmogorov-Sinai entropy, until that
saturates.
Arnold and Avez, Ergodic Problems of Classical Mechanics (1968); Latora and Baranger, Phys. Rev. Lett. 82, 520 (1999).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels import area_maps as kernels

__all__ = ["AreaMap", "cell_counts", "cell_points", "iterate_map", "map_entropy", "map_period"]

AreaMap = Literal["cat", "baker"]
Points = tuple[NDArray[np.int64], NDArray[np.int64]]

_FORWARD = {"cat": kernels.cat, "baker": kernels.baker}
_BACK = {"cat": kernels.cat_back, "baker": kernels.baker_back}
_LARGEST = 1 << 61  # lattice points along an edge: the sum of three coordinates stays an int64


def iterate_map(name: AreaMap, x: ArrayLike, y: ArrayLike, size: int, steps: int) -> Points:
    """The points ``steps`` steps later, or earlier where ``steps`` is negative, exactly.

    Arguments:
        name: "cat" or "baker". The baker map shifts the lowest bit of y into x, which makes it a permutation too; for
            N = 2^k it turns the 2k bits of a point round by one.
        x, y: (n,) integers, 0 <= x, y < N.
        size: N, lattice points along an edge, 2 <= N <= 2^61; even for the baker map.
        steps: how many.

    Returns:
        x, y: (n,) int64.

    Raises:
        ValueError: for an unknown map, a point outside the lattice (named), an odd lattice for the baker map.
    """
    a, b = _lattice_points(x, y, size)
    kernel = (_FORWARD if steps >= 0 else _BACK)[_checked_name(name, size)]
    kernel(a, b, size, abs(steps))
    return a, b


def map_entropy(name: AreaMap) -> float:
    """The Kolmogorov-Sinai entropy per step: ln((3 + sqrt 5)/2) = 0.9624237 of the cat map, ln 2 of the baker map."""
    _checked_name(name, 2)
    return math.log((3 + math.sqrt(5)) / 2) if name == "cat" else math.log(2)


def map_period(name: AreaMap, size: int) -> int:
    """The number of steps after which every point of the lattice is back (the order of the permutation).

    The cat map's is the order of its matrix modulo N, at most 3 N (Dyson and Falk, 1992): 48, 25, 192, 768 for N = 64,
    101, 256, 1024. The baker map's is found point by point, so that N^2 points must fit into memory; 2k for N = 2^k.
    """
    _checked_name(name, size)
    if name == "cat":
        a, b, c, d, steps = 2 % size, 1 % size, 1 % size, 1 % size, 1
        while (a, b, c, d) != (1 % size, 0, 0, 1 % size):
            a, b, c, d = (2 * a + c) % size, (2 * b + d) % size, (a + c) % size, (b + d) % size
            steps += 1
        return steps
    point = np.arange(size * size)
    x, y = iterate_map(name, point // size, point % size, size, 1)
    return _order(x * size + y)


def cell_points(size: int, cells: tuple[int, int], cell: tuple[int, int]) -> Points:
    """All lattice points x, y of one cell of a grid of ``cells`` (columns, rows) over a lattice of edge ``size``.

    They are a distribution without sampling error: uniform over |cell| points, of entropy ln |cell|.
    """
    width, height = _cell_shape(size, cells)
    if not (0 <= cell[0] < cells[0] and 0 <= cell[1] < cells[1]):
        raise ValueError(f"a grid of {cells} cells has no cell {cell}")
    x, y = np.divmod(np.arange(width * height), height)
    return x + cell[0] * width, y + cell[1] * height


def cell_counts(x: ArrayLike, y: ArrayLike, size: int, cells: tuple[int, int]) -> NDArray[np.int64]:
    """How many points lie in each cell, (columns, rows), of a grid over a lattice of edge ``size``.

    Raises:
        ValueError: for points outside the lattice, or a grid that does not divide it.
    """
    width, height = _cell_shape(size, cells)
    a, b = _lattice_points(x, y, size)
    counts = np.zeros(cells, dtype=np.int64)
    kernels.count(a, b, width, height, counts)
    return counts


def _order(permutation: NDArray[np.int64]) -> int:
    """The order of a permutation: the least common multiple of the lengths of its cycles."""
    lengths, open_ = set(), np.ones(len(permutation), dtype=bool)
    for start in range(len(permutation)):
        if not open_[start]:
            continue
        length, at = 0, start
        while open_[at]:
            open_[at] = False
            at = permutation[at]
            length += 1
        lengths.add(length)
    return math.lcm(*lengths)


def _checked_name(name: str, size: int) -> str:
    if name not in _FORWARD:
        raise ValueError(f"map: expected one of {', '.join(_FORWARD)}, got {name!r}")
    if not 2 <= size <= _LARGEST:
        raise ValueError(f"a lattice has an edge of 2 to 2^61 points, not {size}")
    if name == "baker" and size % 2:
        raise ValueError(f"the baker map cuts the lattice into halves: an edge of {size} points is odd")
    return name


def _cell_shape(size: int, cells: tuple[int, int]) -> tuple[int, int]:
    columns, rows = cells
    if columns < 1 or rows < 1 or size % columns or size % rows:
        raise ValueError(f"a grid of {columns} x {rows} cells does not divide a lattice of edge {size}")
    return size // columns, size // rows


def _lattice_points(x: ArrayLike, y: ArrayLike, size: int) -> Points:
    points = []
    for axis, given in (("x", x), ("y", y)):
        array = np.asarray(given)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"{axis}: expected integers (n,), got {array.dtype} of shape {array.shape}")
        if array.size and (array.min() < 0 or array.max() >= size):
            worst = int(np.flatnonzero((array < 0) | (array >= size))[0])
            raise ValueError(f"{axis}: point {worst} at {array[worst]} lies outside the lattice 0 ... {size - 1}")
        points.append(array.astype(np.int64))
    if points[0].shape != points[1].shape:
        raise ValueError(f"x and y belong to the same points, but there are {points[0].size} and {points[1].size}")
    return points[0], points[1]
