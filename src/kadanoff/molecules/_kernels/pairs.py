"""Histograms of pair distances under the minimum image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["pair_counts"]


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def pair_counts(
    positions: NDArray[Any], box: NDArray[Any], starts: NDArray[Any], width: float, bins: int
) -> NDArray[Any]:
    """Counts (t (t + 1) / 2, bins) of the distances of one frame, for beads sorted by type: type k is
    ``positions[starts[k]:starts[k + 1]]``. Type pairs come in the order (0, 0), (0, 1), ..., (1, 1), ..."""
    number, kinds = len(positions), len(starts) - 1
    wrapped = np.empty((3, number), np.float32)
    for axis in range(3):
        for i in range(number):
            x = positions[i, axis]
            wrapped[axis, i] = x - box[axis] * np.floor(x / box[axis])
    lx, ly, lz = np.float32(box[0]), np.float32(box[1]), np.float32(box[2])
    scale, last = np.float32(1.0 / width), np.int32(bins)
    found = np.empty(number, np.int32)
    counts = np.zeros((kinds * (kinds + 1) // 2, bins), np.int64)
    table = np.empty((4, bins + 1), np.int64)
    pair = 0
    for a in range(kinds):
        for b in range(a, kinds):
            table[:] = 0
            for i in range(starts[a], starts[a + 1]):
                first = i + 1 if a == b else starts[b]
                length = starts[b + 1] - first
                xi, yi, zi = wrapped[0, i], wrapped[1, i], wrapped[2, i]
                xs, ys, zs = wrapped[0, first : first + length], wrapped[1, first : first + length], wrapped[2, first : first + length]
                for j in range(length):
                    dx, dy, dz = abs(xs[j] - xi), abs(ys[j] - yi), abs(zs[j] - zi)
                    dx, dy, dz = min(dx, lx - dx), min(dy, ly - dy), min(dz, lz - dz)
                    found[j] = min(np.int32(np.sqrt(dx * dx + dy * dy + dz * dz) * scale), last)
                whole = length // 4 * 4
                for j in range(0, whole, 4):
                    table[0, found[j]] += 1
                    table[1, found[j + 1]] += 1
                    table[2, found[j + 2]] += 1
                    table[3, found[j + 3]] += 1
                for j in range(whole, length):
                    table[0, found[j]] += 1
            for k in range(bins):
                counts[pair, k] = table[0, k] + table[1, k] + table[2, k] + table[3, k]
            pair += 1
    return counts
