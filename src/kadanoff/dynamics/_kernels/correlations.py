"""Sums over pairs of frames a lag apart, block by block."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

__all__ = ["lagged_products", "lagged_squares"]

_CHUNK = 2048  # origins: both series stay in the first cache for all lags


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator]
def _product(first: NDArray[Any], second: NDArray[Any]) -> float:
    total = 0.0
    for i in range(len(first)):
        total += first[i] * second[i]
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator]
def _square(first: NDArray[Any], second: NDArray[Any]) -> float:
    total = 0.0
    for i in range(len(first)):
        total += (second[i] - first[i]) * (second[i] - first[i])
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lagged_products(
    first: NDArray[Any],
    second: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lags: NDArray[Any],
    sums: NDArray[Any],
    counts: NDArray[Any],
) -> None:
    """Add first[t] * second[t + lag] of every piece's origins t to sums (blocks, lags), and their number to counts.

    first, second (n,) float64; start, stop, last, block (p,): `trajectories.Pieces`; lags (m,) >= 0 in frames.
    """
    for p in range(len(start)):
        for begin in range(start[p], stop[p], _CHUNK):
            end = min(begin + _CHUNK, stop[p])
            for k in range(len(lags)):
                n = min(end, last[p] - lags[k]) - begin
                if n > 0:
                    late = begin + lags[k]
                    sums[block[p], k] += _product(first[begin : begin + n], second[late : late + n])
                    counts[block[p], k] += n


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lagged_squares(
    series: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    last: NDArray[Any],
    block: NDArray[Any],
    lags: NDArray[Any],
    sums: NDArray[Any],
    counts: NDArray[Any],
) -> None:
    """As `lagged_products`, with (series[t + lag] - series[t])^2."""
    for p in range(len(start)):
        for begin in range(start[p], stop[p], _CHUNK):
            end = min(begin + _CHUNK, stop[p])
            for k in range(len(lags)):
                n = min(end, last[p] - lags[k]) - begin
                if n > 0:
                    late = begin + lags[k]
                    sums[block[p], k] += _square(series[begin : begin + n], series[late : late + n])
                    counts[block[p], k] += n
