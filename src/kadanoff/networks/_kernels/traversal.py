"""Signals that spread from node to node, run by run.

Outgoing edges of node i are starts[i] ... starts[i + 1] - 1. Chance number for run r and step t: (seed, stream,
r * most + t, item), item a node or an edge.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import uniform

__all__ = ["cascade", "traverse"]


@njit(cache=True, nogil=True)
def traverse(
    seed: int,
    stream: int,
    first: int,
    most: int,
    saturation: float,
    alone: bool,
    starts: NDArray[np.int64],
    target: NDArray[np.int32],
    count: NDArray[np.int64],
    inputs: NDArray[np.int64],
    seeds: NDArray[np.int64],
    layer: NDArray[np.int16],
) -> None:
    """Fill layer (runs, n) with the step at which a node is recruited, 0 for seeds, -1 for never.

    A node is recruited at step t with the chance min(1, f / saturation), f the share of its ``inputs`` (n,) that comes
    from nodes of steps before t; ``alone``: with the chance 1 - prod_e (1 - min(1, f_e / saturation)) over the edges e
    from those nodes.
    """
    runs, n = layer.shape
    heard = np.empty(n, np.int64)
    missed = np.empty(n)
    waiting, new = np.empty(n, np.int64), np.empty(n, np.int64)
    for r in range(runs):
        heard[:] = 0
        missed[:] = 1.0
        layer[r, :] = -1
        fresh, listening = 0, 0
        for s in seeds:
            layer[r, s] = 0
            new[fresh] = s
            fresh += 1
        for t in range(1, most + 1):
            for p in range(fresh):
                for e in range(starts[new[p]], starts[new[p] + 1]):
                    j = target[e]
                    if layer[r, j] < 0 and heard[j] == 0:
                        waiting[listening] = j
                        listening += 1
                    heard[j] += count[e]
                    missed[j] *= max(0.0, 1.0 - count[e] / (saturation * inputs[j]))
            fresh, left = 0, 0
            for p in range(listening):
                j = waiting[p]
                draw, _ = uniform(seed, stream, np.int64(first + r) * most + t - 1, j)
                if draw < (1.0 - missed[j] if alone else heard[j] / (saturation * inputs[j])):
                    layer[r, j] = t
                    new[fresh] = j
                    fresh += 1
                else:
                    waiting[left] = j
                    left += 1
            listening = left
            if listening == 0 and fresh == 0:
                break


@njit(cache=True, nogil=True)
def cascade(
    seed: int,
    stream: int,
    first: int,
    most: int,
    starts: NDArray[np.int64],
    target: NDArray[np.int32],
    chance: NDArray[np.float64],
    stops: NDArray[np.bool_],
    seeds: NDArray[np.int64],
    hop: NDArray[np.int16],
) -> None:
    """Fill hop (runs, n) with the step at which a signal first reaches a node, 0 for seeds, -1 for never.

    Each edge of a node reached at step t - 1 passes the signal on at step t with its own chance (m,), once; nodes with
    ``stops`` are reached but pass nothing on.
    """
    runs, n = hop.shape
    old, new = np.empty(n, np.int64), np.empty(n, np.int64)
    for r in range(runs):
        hop[r, :] = -1
        fresh = 0
        for s in seeds:
            hop[r, s] = 0
            new[fresh] = s
            fresh += 1
        for t in range(1, most + 1):
            old, new = new, old
            before, fresh = fresh, 0
            for p in range(before):
                i = old[p]
                if stops[i] and t > 1:
                    continue
                for e in range(starts[i], starts[i + 1]):
                    j = target[e]
                    if hop[r, j] >= 0:
                        continue
                    draw, _ = uniform(seed, stream, np.int64(first + r) * most + t - 1, e)
                    if draw < chance[e]:
                        hop[r, j] = t
                        new[fresh] = j
                        fresh += 1
            if fresh == 0:
                break
