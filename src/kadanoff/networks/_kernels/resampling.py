"""Bootstrap of nodes: how often each is drawn, and the region counts of several draws in one pass over the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import uniform

__all__ = ["count_drawn", "draw_nodes"]


@njit(cache=True, nogil=True)
def draw_nodes(
    seed: int, stream: int, first: int, member: NDArray[np.int64], starts: NDArray[np.int64], times: NDArray[np.uint16]
) -> None:
    """times[i, b] (n, batch), zero before: how often replicate first + b draws node i, n_I draws within each region I.

    member[starts[I] : starts[I + 1]] are the nodes of region I.
    """
    for b in range(times.shape[1]):
        for region in range(starts.size - 1):
            size = starts[region + 1] - starts[region]
            for k in range(starts[region], starts[region + 1]):
                u, _ = uniform(seed, stream, first + b, k)
                times[member[starts[region] + min(np.int64(u * size), size - 1)], b] += np.uint16(1)


@njit(cache=True, nogil=True)
def count_drawn(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    count: NDArray[Any],
    label: NDArray[np.int64],
    times: NDArray[np.uint16],
    apart: NDArray[Any],
    own: NDArray[Any],
) -> None:
    """Add sum m_i m_j A_ij of pairs of different nodes to apart (K, K, batch), sum m_i A_ii to own (K, batch)."""
    batch = times.shape[1]
    for e in range(source.size):
        i, j = source[e], target[e]
        if i == j:
            for b in range(batch):
                own[label[i], b] += count[e] * times[i, b]
        else:
            to = apart[label[i], label[j]]
            for b in range(batch):
                to[b] += count[e] * (np.int64(times[i, b]) * np.int64(times[j, b]))
