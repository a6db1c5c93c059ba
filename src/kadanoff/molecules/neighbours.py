"""Which pairs of points are near: a list with distances, in a periodic box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.molecules._kernels import neighbours as kernels
from kadanoff.molecules._kernels.lanes import WIDTH

__all__ = ["Pairs", "neighbour_pairs"]


class Pairs(NamedTuple):
    """Pairs first < second, each once, (p,) int32, and their squared distance (p,) in nm^2; in no promised order."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    squared: NDArray[np.float64]


def neighbour_pairs(positions: ArrayLike, box: ArrayLike, cutoff: float) -> Pairs:
    """All pairs of points closer than a cut-off, r_ij^2 = min over images |x_i - x_j|^2 < cutoff^2, each pair once.

    Arguments:
        positions: (n, 3) nm, anywhere: they are wrapped into the box.
        box: (3,) nm, the edges of an orthorhombic periodic box.
        cutoff: nm, at most half the shortest edge.

    Returns: `Pairs`: ``first`` < ``second`` (p,) and ``squared`` (p,) in nm^2, double precision; the same call gives
        the same order.

    Raises `ValueError` for positions that are no numbers and for a cut-off that is above half the box.

    Source: blocks of neighbours as in Pall & Hess, Comput. Phys. Commun. 184, 2641 (2013).
    """
    x, edges = np.array(positions, dtype=np.float64), np.array(box, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or edges.shape != (3,):
        raise ValueError(f"need positions (n, 3) and a box (3,), not {x.shape} and {edges.shape}")
    if not np.all(np.isfinite(edges) & (edges > 0)):
        raise ValueError(f"every box edge must be positive, not {edges} nm")
    if not 0 < cutoff <= 0.5 * edges.min() * (1 + 1e-12):
        raise ValueError(
            f"the cut-off must lie between 0 and half the shortest box edge {0.5 * edges.min():g} nm, not {cutoff:g} nm"
        )
    if not np.all(np.isfinite(x)):
        raise ValueError(f"{np.count_nonzero(~np.isfinite(x).all(axis=1))} of {len(x)} positions are not numbers")
    n = len(x)
    if n < 2:
        return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
    x -= np.floor(x / edges) * edges
    x[x >= edges] = 0.0
    pad = -(-n // WIDTH) * WIDTH
    blocks = pad // WIDTH
    flat = np.zeros((3, pad))
    flat[:, :n] = x.T
    places = np.empty(n, np.int64)
    kernels.order(flat.ravel(), n, pad, edges, places)
    flat[:, :n] = x[places].T
    identity = np.zeros(pad, np.int32)
    identity[:n] = places
    fractions = (flat * (kernels.TURN / edges)[:, None]).astype(np.int64).astype(np.int32).ravel()
    middle, half = (np.empty(3 * (2 * blocks + WIDTH), np.float32) for _ in range(2))
    kernels.bound(flat.ravel(), n, pad, edges, middle, half)
    filled, room = np.empty(pad, np.int32), min(48, blocks // 2 + 2)
    while True:
        rows = np.empty((pad, room), np.int32)
        if kernels.list_rows(0, blocks, fractions, n, pad, edges, float(cutoff), middle, half, rows, filled)[0]:
            break
        room = min(2 * room, blocks // 2 + 2)
    count, scratch = int(0.5 * n * n * min(1.0, 4.6 * cutoff**3 / float(np.prod(edges)))) + 100, np.empty(WIDTH)
    while True:
        first, second, squared = (
            np.empty(count + WIDTH, np.int32),
            np.empty(count + WIDTH, np.int32),
            np.empty(count + WIDTH),
        )
        found = kernels.pairs(
            flat.ravel(), n, pad, edges, float(cutoff), identity, rows, filled, first, second, squared, scratch
        )
        if found <= count:
            return Pairs(first[:found], second[:found], squared[:found])
        count = found
