"""What nodes receive at one site and send at another: two group-bys and an outer product, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["carry", "sort_by_target"]


@njit(cache=True, nogil=True)
def sort_by_target(
    target: NDArray[np.int32],
    site: NDArray[np.uint16],
    count: NDArray[Any],
    starts: NDArray[np.int64],
    sorted_site: NDArray[np.uint16],
    sorted_count: NDArray[Any],
) -> None:
    """Site and count of the edges of every target side by side (counting sort); starts (n + 1,) zeros at first."""
    n = starts.size - 1
    for e in range(target.size):
        starts[target[e] + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    place = starts[:n].copy()
    for e in range(target.size):
        t = target[e]
        sorted_site[place[t]] = site[e]
        sorted_count[place[t]] = count[e]
        place[t] += 1


@njit(cache=True, nogil=True)
def carry(
    in_starts: NDArray[np.int64],
    in_site: NDArray[np.uint16],
    in_count: NDArray[Any],
    out_starts: NDArray[np.int64],
    out_site: NDArray[np.uint16],
    out_count: NDArray[Any],
    scratch: NDArray[Any],
    carried: NDArray[np.float64],
    ended: NDArray[Any],
) -> None:
    """Add in_i(a) out_i(b) / in_i of every node to carried (S + 1, S + 1), the last row for nodes without inputs.

    Arguments:
        in_starts, in_site, in_count: (nodes + 1,), (edges,) what the nodes receive, from in_starts[0] on.
        out_starts, out_site, out_count: what they send.
        scratch: (2, S) zeros of the type of the sums; zeros again afterwards.
        carried: float64, added to.
        ended: (S,) int64 or float64, added to: received by nodes that send nothing.
    """
    sites = scratch.shape[1]
    into, out = scratch[0], scratch[1]
    for i in range(in_starts.size - 1):
        for e in range(in_starts[i] - in_starts[0], in_starts[i + 1] - in_starts[0]):
            into[in_site[e]] += in_count[e]
        for e in range(out_starts[i] - out_starts[0], out_starts[i + 1] - out_starts[0]):
            out[out_site[e]] += out_count[e]
        received, sent = into.sum(), out.sum()
        if sent > 0 and received > 0:
            for a in range(sites):
                if into[a] > 0:
                    share = into[a] / received
                    row = carried[a]
                    for b in range(sites):
                        row[b] += share * out[b]
        elif sent > 0:
            for b in range(sites):
                carried[sites, b] += out[b]
        else:
            for a in range(sites):
                ended[a] += into[a]
        into[:] = 0
        out[:] = 0
