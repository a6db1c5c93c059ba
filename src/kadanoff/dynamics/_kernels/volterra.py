"""One diagonal block of a discretised Volterra equation, row by row."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

__all__ = ["solve_block"]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def solve_block(
    unknown: NDArray[Any],
    history: NDArray[Any],
    given: NDArray[Any],
    partner: NDArray[Any],
    base: NDArray[Any],
    weight: NDArray[Any],
    corner: NDArray[Any],
    before: NDArray[Any],
    step: float,
    first: int,
    last: int,
) -> None:
    """Solve the rows first <= n < last of

        (base + h corner_n D_0) x_n = g_n - h (S_n + before_n x_{n-1} D_1),  S_n = sum_{j<n} weight_j x_j D_{n-j},

    for every equation of a batch. ``history`` (b, n) holds the part of S_n from j < first and is completed here;
    x = ``unknown``, g = ``given``, D = ``partner``: (b, n); base (b,); weight, corner, before (n,); h = ``step``.
    """
    for row in range(unknown.shape[0]):
        x, s, d = unknown[row], history[row], partner[row]
        for n in range(first, last):
            total = s[n]
            if before[n] != 0.0:
                total += before[n] * x[n - 1] * d[1]
            x[n] = (given[row, n] - step * total) / (base[row] + step * corner[n] * d[0])
            y = weight[n] * x[n]
            for k in range(n + 1, last):  # to the rows below at once: contiguous, and no sum that must keep its order
                s[k] += y * d[k - n]
