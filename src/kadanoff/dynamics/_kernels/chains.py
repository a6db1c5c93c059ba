"""Loops of large sparse chains: one relaxation sweep, aggregates of states."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["gather_aggregates", "relax"]


@numba.njit(cache=True, nogil=True)
def relax(
    start: NDArray[np.int32],
    source: NDArray[np.int32],
    jump: NDArray[np.float64],
    leaving: NDArray[np.float64],
    x: NDArray[np.float64],
) -> None:
    """One Gauss-Seidel sweep of x_j = sum_i x_i W_ij / leaving_j, in place; no subtraction, so x stays positive.

    start, source, jump: the columns of W (n, n) without its diagonal, compressed; leaving (n,) its row sums; x (n,).
    """
    for j in range(x.shape[0]):
        total = 0.0
        for k in range(start[j], start[j + 1]):
            total += x[source[k]] * jump[k]
        x[j] = total / leaving[j]


@numba.njit(cache=True, nogil=True)
def gather_aggregates(
    start: NDArray[np.int32],
    other: NDArray[np.int32],
    flow: NDArray[np.float64],
    order: NDArray[np.int64],
    share: float,
    label: NDArray[np.int64],
) -> int:
    """Aggregates of strongly linked states: each free state of ``order`` takes its free, strongly linked neighbours.

    start, other, flow: a symmetric matrix of flows (n, n) without diagonal, compressed by rows. A link is strong with
    at least ``share`` of the strongest link of the state. A state left alone joins the aggregate of its strongest
    neighbour. Fills label (n,) and returns the number of aggregates.
    """
    label[:] = -1
    number = 0
    for i in order:
        if label[i] >= 0:
            continue
        strongest, best = 0.0, -1
        for k in range(start[i], start[i + 1]):
            if flow[k] > strongest:
                strongest, best = flow[k], other[k]
        alone = True
        for k in range(start[i], start[i + 1]):
            if label[other[k]] < 0 and flow[k] >= share * strongest:
                label[other[k]] = number
                alone = False
        if alone and best >= 0:
            label[i] = label[best]
        else:
            label[i] = number
            number += 1
    return number
