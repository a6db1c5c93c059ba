"""Area-preserving maps on a square lattice of integers, point by point and in place, and points counted in cells."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

__all__ = ["baker", "baker_back", "cat", "cat_back", "count"]


@njit(cache=True, nogil=True)
def cat(x: NDArray[Any], y: NDArray[Any], size: int, steps: int) -> None:
    """(x, y) -> (2 x + y, x + y) modulo ``size``: sums of two numbers below it need no division."""
    for i in range(len(x)):
        a, b = x[i], y[i]
        for _ in range(steps):
            b += a
            b -= size if b >= size else 0
            a += b
            a -= size if a >= size else 0
        x[i], y[i] = a, b


@njit(cache=True, nogil=True)
def cat_back(x: NDArray[Any], y: NDArray[Any], size: int, steps: int) -> None:
    """(x, y) -> (x - y, 2 y - x) modulo ``size``."""
    for i in range(len(x)):
        a, b = x[i], y[i]
        for _ in range(steps):
            a -= b
            a += size if a < 0 else 0
            b -= a
            b += size if b < 0 else 0
        x[i], y[i] = a, b


@njit(cache=True, nogil=True)
def baker(x: NDArray[Any], y: NDArray[Any], size: int, steps: int) -> None:
    """Stretch x to twice its length, press y to half, put the right half on top; the lowest bit of y goes to x."""
    half = size // 2
    for i in range(len(x)):
        a, b = x[i], y[i]
        for _ in range(steps):
            right = 1 if a >= half else 0
            a, b = 2 * a - size * right + (b & 1), (b >> 1) + half * right
        x[i], y[i] = a, b


@njit(cache=True, nogil=True)
def baker_back(x: NDArray[Any], y: NDArray[Any], size: int, steps: int) -> None:
    """The inverse of `baker`."""
    half = size // 2
    for i in range(len(x)):
        a, b = x[i], y[i]
        for _ in range(steps):
            top = 1 if b >= half else 0
            a, b = (a >> 1) + half * top, 2 * (b - half * top) + (a & 1)
        x[i], y[i] = a, b


@njit(cache=True, nogil=True)
def count(x: NDArray[Any], y: NDArray[Any], width: int, height: int, counts: NDArray[Any]) -> None:
    """Add the points to ``counts`` (columns, rows) of cells of width x height lattice points."""
    for i in range(len(x)):
        counts[x[i] // width, y[i] // height] += 1
