"""From atoms to beads: molecules made whole, weighted means and sums.

Legend: x (f, n, 3) positions or (f, n, 3) forces of atoms; box (f, 3); atoms (a,) atom numbers, bead after bead;
starts (b + 1,) where each bead begins in ``atoms``; share (a,) weights that sum to one in each bead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def whole_means(
    x: NDArray[Any], box: NDArray[Any], atoms: NDArray[Any], starts: NDArray[Any], share: NDArray[Any], out: NDArray[Any]
) -> tuple[int, int]:
    """Write bead positions into ``out``; returns (frame, bead) of the first bead longer than half the box, or (-1, -1)."""
    bad_frame, bad_bead = -1, -1
    for f in range(x.shape[0]):
        for b in range(starts.shape[0] - 1):
            first = atoms[starts[b]]
            for d in range(3):
                edge = box[f, d]
                origin = np.float64(x[f, first, d])
                total, low, high = 0.0, 0.0, 0.0
                for k in range(starts[b] + 1, starts[b + 1]):
                    step = np.float64(x[f, atoms[k], d]) - origin
                    step -= edge * np.floor(step / edge + 0.5)
                    total += share[k] * step
                    low = min(low, step)
                    high = max(high, step)
                out[f, b, d] = origin + total
                if high - low >= 0.5 * edge and bad_frame < 0:
                    bad_frame, bad_bead = f, b
    return bad_frame, bad_bead


@njit(cache=True, nogil=True)
def bead_sums(
    x: NDArray[Any], atoms: NDArray[Any], starts: NDArray[Any], share: NDArray[Any], out: NDArray[Any]
) -> None:
    """Write sum over the atoms of each bead of share * x into ``out`` (shares of one: plain sums)."""
    for f in range(x.shape[0]):
        for b in range(starts.shape[0] - 1):
            for d in range(3):
                total = 0.0
                for k in range(starts[b], starts[b + 1]):
                    total += share[k] * np.float64(x[f, atoms[k], d])
                out[f, b, d] = total
