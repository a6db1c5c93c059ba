"""From atoms to beads: molecules made whole, weighted means and sums; two beads at once, see `trr`.

Legend: values: positions, velocities or forces of all atoms, flat, with a number to spare before them: float32,
float64 or the words of a TRR file; offset (f,) where those of each frame begin; atoms (a,) which of them are in beads,
bead after bead, empty where they are the first a in order; starts (b + 1,) where each bead begins in atoms; share
(a + 1,) their weights and a zero; box (f, 3); out (f, 3 b).
"""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.molecules._kernels.lanes import absolute, largest, least, less, spread
from kadanoff.molecules._kernels.trr import double, edges, load_two, nearest, prefetch, spread_two, store_two

Array = NDArray[Any]
_AHEAD = 512  # numbers
_NUMBERS = 0xEE  # the lanes that hold the two vectors


@njit(cache=True, nogil=True)
def _place(begin: int, atoms: Array, k: int) -> int:
    return begin + 3 * (atoms[k] if atoms.shape[0] else k)


@njit(cache=True, nogil=True, error_model="numpy")  # a box of zero is refused outside
def whole_means(
    values: Array, offset: Array, atoms: Array, box: Array, starts: Array, share: Array, out: Array
) -> tuple[int, int, bool]:
    """Means over beads made whole at the image of their first atom.

    Returns (frame, bead) of the first bead that is half a box long or longer, -1 for none, and whether all is finite.
    """
    bad_frame, bad_bead, finite = -1, -1, True
    number = out.dtype.type  # displacements inside a bead are small: the precision of the file suffices for them
    beads = starts.shape[0] - 1
    zero, infinite = spread(number(0)), spread(number(np.inf))
    for f in range(offset.shape[0]):
        begin, target = offset[f], out[f]
        edge = edges(number(box[f, 0]), number(box[f, 1]), number(box[f, 2]))
        inverse = edges(number(1 / box[f, 0]), number(1 / box[f, 1]), number(1 / box[f, 2]))
        half = edges(number(0.5 * box[f, 0]), number(0.5 * box[f, 1]), number(0.5 * box[f, 2]))
        for a in range(0, beads, 2):
            b = min(a + 1, beads - 1)
            i, j = np.int64(starts[a]), np.int64(starts[b])
            n, m = starts[a + 1] - i, starts[b + 1] - j
            prefetch(values, _place(begin, atoms, i) + _AHEAD)
            origin = load_two(values, _place(begin, atoms, i), _place(begin, atoms, j))
            mean = low = high = zero
            for k in range(1, max(n, m)):
                p, q = (i + k if k < n else i), (j + k if k < m else j)  # the shorter one stays at its origin
                weight = spread_two(share, p, q)
                step = load_two(values, _place(begin, atoms, p), _place(begin, atoms, q)) - origin
                step = step - edge * nearest(step * inverse)
                mean = mean + weight * step
                low, high = least(step, low), largest(step, high)
            mean = origin + mean
            store_two(target, 3 * a, mean, b > a)
            short, sound = less(high - low, half), less(absolute(mean), infinite)
            if (short & sound & _NUMBERS) != _NUMBERS:
                finite &= (sound & _NUMBERS) == _NUMBERS
                if bad_frame < 0 and (short & _NUMBERS) != _NUMBERS:
                    bad_frame, bad_bead = f, (b if (short & 0xE) == 0xE else a)
    return bad_frame, bad_bead, finite


@njit(cache=True, nogil=True)
def bead_sums(values: Array, offset: Array, atoms: Array, starts: Array, share: Array, plain: bool, out: Array) -> bool:
    """sum over the atoms of each bead of share * value, in double precision; ``plain`` where all shares are one.

    Returns whether all is finite.
    """
    finite = True
    beads = starts.shape[0] - 1
    zero, infinite, nothing = spread(0.0), spread(np.inf), share.shape[0] - 1
    for f in range(offset.shape[0]):
        begin, target = offset[f], out[f]
        for a in range(0, beads, 2):
            b = min(a + 1, beads - 1)
            i, j = np.int64(starts[a]), np.int64(starts[b])
            n, m = starts[a + 1] - i, starts[b + 1] - j
            prefetch(values, _place(begin, atoms, i) + _AHEAD)
            both = zero
            if plain and n == m:
                for k in range(n):
                    both = both + double(load_two(values, _place(begin, atoms, i + k), _place(begin, atoms, j + k)))
                n = m = 0
            for k in range(max(n, m)):
                p, q = (i + k if k < n else i), (j + k if k < m else j)
                weight = spread_two(share, p if k < n else nothing, q if k < m else nothing)
                both = both + weight * double(load_two(values, _place(begin, atoms, p), _place(begin, atoms, q)))
            store_two(target, 3 * a, both, b > a)
            finite &= (less(absolute(both), infinite) & _NUMBERS) == _NUMBERS
    return finite
