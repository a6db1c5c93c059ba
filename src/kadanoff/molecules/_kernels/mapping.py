"""From atoms to beads: molecules made whole, weighted means and sums.

Legend: x (f, a, 3) positions, velocities or forces of the atoms in beads, bead after bead; box (f, 3); starts (b + 1,)
where each bead begins in x; share (a,) weights that sum to one in each bead, or empty for plain sums; out (f, b, 3);
words, offset: a mapped file and where the vectors of each frame begin in it, see `trr`; atoms (a,) which of them are in
beads, empty where they are the first a in order. Kernels return (frame, bead) of the first bead that is half a box long
or longer, and whether all they wrote is finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.molecules._kernels.trr import swap_atoms

Array = NDArray[Any]


@njit(cache=True, nogil=True, error_model="numpy")
def whole_means(
    x: Array, box: Array, starts: Array, share: Array, out: Array
) -> tuple[int, int, bool]:
    """Means over beads made whole at the image of their first atom; (-1, -1, ...) where no bead is too long."""
    bad_frame, bad_bead, finite = -1, -1, True
    number = x.dtype.type  # displacements inside a bead are small: the precision of the file suffices for them
    for f in range(x.shape[0]):
        near = number((0.25 * min(box[f, 0], box[f, 1], box[f, 2])) ** 2)
        atom, bead = x[f], out[f]
        for b in range(starts.shape[0] - 1):
            first = starts[b]
            ox, oy, oz = atom[first, 0], atom[first, 1], atom[first, 2]
            sx, sy, sz, far = number(0), number(0), number(0), number(0)
            for k in range(first + 1, starts[b + 1]):
                dx, dy, dz = atom[k, 0] - ox, atom[k, 1] - oy, atom[k, 2] - oz
                sx += share[k] * dx
                sy += share[k] * dy
                sz += share[k] * dz
                square = dx * dx + dy * dy + dz * dz
                if square > far:
                    far = square
            sx, sy, sz = ox + sx, oy + sy, oz + sz
            bead[b, 0], bead[b, 1], bead[b, 2] = sx, sy, sz
            finite &= abs(sx) + abs(sy) + abs(sz) < np.inf
            # Within a quarter of the box no atom needs an image and no bead is too long: so it is for almost all.
            if far >= near:
                too_long = _imaged_mean(atom, box[f], first, starts[b + 1], share, bead[b])
                if too_long and bad_frame < 0:
                    bad_frame, bad_bead = f, b
    return bad_frame, bad_bead, finite


@njit(cache=True, nogil=True, error_model="numpy")  # a box of zero is refused outside
def _imaged_mean(x: Array, box: Array, begin: int, end: int, share: Array, bead: Array) -> bool:
    """The mean over one bead with the minimum image to its first atom; whether it is half a box long or longer."""
    too_long = False
    for d in range(3):
        origin = np.float64(x[begin, d])
        total = low = high = 0.0
        for k in range(begin + 1, end):
            step = np.float64(x[k, d]) - origin
            step -= box[d] * np.floor(step / box[d] + 0.5)
            total += share[k] * step
            low, high = min(low, step), max(high, step)
        bead[d] = origin + total
        too_long |= high - low >= 0.5 * box[d]
    return too_long


@njit(cache=True, nogil=True)
def bead_sums(x: Array, starts: Array, share: Array, out: Array) -> bool:
    """sum over the atoms of each bead of share * x, or of x where share is empty."""
    finite = True
    for f in range(x.shape[0]):
        atom, bead = x[f], out[f]
        for b in range(starts.shape[0] - 1):
            sx = sy = sz = 0.0
            if share.shape[0] == 0:
                for k in range(starts[b], starts[b + 1]):
                    sx += atom[k, 0]
                    sy += atom[k, 1]
                    sz += atom[k, 2]
            else:
                for k in range(starts[b], starts[b + 1]):
                    sx += share[k] * atom[k, 0]
                    sy += share[k] * atom[k, 1]
                    sz += share[k] * atom[k, 2]
            bead[b, 0], bead[b, 1], bead[b, 2] = sx, sy, sz
            finite &= abs(sx) + abs(sy) + abs(sz) < np.inf
    return finite


@njit(cache=True, nogil=True)
def mapped_whole_means(
    words: Array, offset: Array, atoms: Array, box: Array, starts: Array, share: Array, out: Array
) -> tuple[int, int, bool]:
    """`whole_means` of big-endian positions in a mapped file, frame by frame while they are in the cache."""
    bits = np.empty((1, starts[-1], 3), np.uint32)
    x = bits.view(np.float32)
    bad_frame, bad_bead, finite = -1, -1, True
    for f in range(offset.shape[0]):
        swap_atoms(words, offset[f], atoms, bits.reshape(-1))
        frame, bead, good = whole_means(x, box[f : f + 1], starts, share, out[f : f + 1])
        finite &= good
        if frame >= 0 and bad_frame < 0:
            bad_frame, bad_bead = f, bead
    return bad_frame, bad_bead, finite


@njit(cache=True, nogil=True)
def mapped_bead_sums(
    words: Array, offset: Array, atoms: Array, starts: Array, share: Array, out: Array
) -> bool:
    """`bead_sums` of big-endian vectors in a mapped file."""
    bits = np.empty((1, starts[-1], 3), np.uint32)
    x = bits.view(np.float32)
    finite = True
    for f in range(offset.shape[0]):
        swap_atoms(words, offset[f], atoms, bits.reshape(-1))
        finite &= bead_sums(x, starts, share, out[f : f + 1])
    return finite
