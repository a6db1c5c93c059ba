"""Roots of the secular equation of an arrowhead matrix, and normal amplitudes keyed by mode and trajectory."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

from kadanoff.random import normal

__all__ = ["amplitudes", "secular_roots"]

_MOST = 200  # iterations; bisection alone needs 60


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def secular_roots(frequency: NDArray[Any], coupling: NDArray[Any], root: NDArray[Any], share: NDArray[Any]) -> None:
    """The roots x_i of 1 = sum_j c_j / (x - w_j^2) and the shares 1 / (1 + sum_j w_j^2 c_j / (x_i - w_j^2)^2).

    frequency w (n,) increasing and positive, coupling c (n,) positive; root, share (n,) overwritten. One root lies
    above each pole and below the next. It is sought as its distance m from the nearer pole o, from

        g(m) = m - c_o - m sum_{j != o} c_j / (m - d_j),      d_j = (w_j - w_o)(w_j + w_o),

    so that no difference of large numbers is taken; Newton's steps, and halving where one leaves the bracket.
    """
    n = len(frequency)
    total = 0.0
    for j in range(n):
        total += coupling[j]
    for i in range(n):
        gap = total
        if i + 1 < n:
            gap = (frequency[i + 1] - frequency[i]) * (frequency[i + 1] + frequency[i])
        # which half holds the root: 1 - sum c / (x - w^2) rises from minus to plus infinity between two poles
        origin, low, high = i, 0.0, gap
        if i + 1 < n:
            value = 1.0
            for j in range(n):
                value -= coupling[j] / (gap / 2 - (frequency[j] - frequency[i]) * (frequency[j] + frequency[i]))
            if value > 0:
                high = gap / 2
            else:
                origin, low, high = i + 1, -gap / 2, 0.0
        w = frequency[origin]
        m = (low + high) / 2
        for _ in range(_MOST):
            g, slope = m - coupling[origin], 1.0
            for j in range(n):
                if j != origin:
                    d = (frequency[j] - w) * (frequency[j] + w)
                    part = coupling[j] / (m - d)
                    g -= m * part
                    slope += part * d / (m - d)
            # g / m rises; its sign at m, and not that of g, tells the side
            if (g > 0) == (m > 0):
                high = m
            else:
                low = m
            following = m - g / slope if slope != 0.0 else m
            if not low < following < high:
                following = (low + high) / 2
            if abs(following - m) <= 1e-15 * abs(m) or following in (low, high):
                m = following
                break
            m = following
        norm = 1.0
        for j in range(n):
            apart = m - (frequency[j] - w) * (frequency[j] + w)
            norm += frequency[j] * frequency[j] * coupling[j] / (apart * apart)
        root[i] = w * w + m
        share[i] = 1.0 / norm


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def amplitudes(seed: int, first: int, cosine: NDArray[Any], sine: NDArray[Any]) -> None:
    """Independent standard normal numbers for every mode (column) of the trajectories first, first + 1, ... (rows)."""
    for row in range(cosine.shape[0]):
        for mode in range(cosine.shape[1]):
            cosine[row, mode], sine[row, mode] = normal(seed, 0, mode, first + row)
