"""Energies of many frames under pair tables: every pair of beads, nearest images, one pass."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["pair_energies"]


@numba.njit(cache=True, nogil=True)
def pair_energies(
    positions: NDArray[np.float64],
    box: NDArray[np.float64],
    types: NDArray[np.int32],
    energy: NDArray[np.float64],
    slope: NDArray[np.float64],
    step: float,
    out: NDArray[np.float64],
) -> None:
    """Sum over pairs of the cubic Hermite table.

    positions (f, n, 3) and box (f, 3) nm; types (n,); energy and slope (types, types, m) on the grid k * step, zero at
    the last node and beyond; out (f,) kJ/mol.
    """
    frames, n, _ = positions.shape
    nodes = energy.shape[2]
    reach = (step * (nodes - 1)) ** 2
    for f in range(frames):
        total = 0.0
        for i in range(n - 1):
            a = types[i]
            part = 0.0
            for j in range(i + 1, n):
                s = 0.0
                for d in range(3):
                    x = positions[f, i, d] - positions[f, j, d]
                    x -= box[f, d] * np.round(x / box[f, d])
                    s += x * x
                if s < reach:
                    t = np.sqrt(s) / step
                    k = min(int(t), nodes - 2)
                    t -= k
                    b = types[j]
                    u0, du = energy[a, b, k], energy[a, b, k + 1] - energy[a, b, k]
                    s0, s1 = slope[a, b, k] * step, slope[a, b, k + 1] * step
                    part += u0 + t * (s0 + t * (3.0 * du - 2.0 * s0 - s1 + t * (s0 + s1 - 2.0 * du)))
            total += part
        out[f] = total
