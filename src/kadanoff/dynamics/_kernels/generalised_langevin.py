"""Walkers of a generalised Langevin equation with auxiliary variables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import normal

__all__ = ["generalised_steps"]

_START: Any = np.int64(0)  # a literal 0 would compile `_draw` a second time


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _draw(seed: int, stream: int, step: int, walker: int, out: NDArray[Any]) -> None:
    for k in range(0, len(out), 2):
        first, second = normal(seed, stream + k // 2, step, walker)
        out[k] = first
        if k + 1 < len(out):
            out[k + 1] = second


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _force(x: float, low: float, scale: float, table: NDArray[Any]) -> float:
    """Straight lines between values at the centres of cells; the outermost values hold beyond."""
    s = (x - low) * scale - 0.5
    if s <= 0.0:
        return float(table[0])
    if s >= len(table) - 1:
        return float(table[-1])
    left = int(s)
    return float(table[left] + (s - left) * (table[left + 1] - table[left]))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def generalised_steps(
    seed: int,
    stream: int,
    first: int,
    start: NDArray[Any],
    spread: NDArray[Any],
    flow: NDArray[Any],
    noise: NDArray[Any],
    low: float,
    width: float,
    table: NDArray[Any],
    mass: float,
    timestep: float,
    every: int,
    position: NDArray[Any],
    velocity: NDArray[Any],
) -> None:
    """Walkers first, first + 1, ...: kick h/2, drift h/2, y -> flow y + noise xi, drift h/2, kick h/2.

    y = (v, auxiliary variables) (d,), at the start ``spread`` (d, d) times normal numbers; flow, noise (d, d);
    table (c,) of the mean force on cells from ``low`` of ``width``, empty for none; position, velocity (r, frames): the
    start, then a frame each ``every`` steps.
    """
    d = flow.shape[0]
    y, new, xi = np.empty(d), np.empty(d), np.empty(d)
    scale, bound = 1.0 / width, len(table) > 0
    kick = 0.5 * timestep / mass
    for row in range(position.shape[0]):
        x, walker = start[row], first + row
        _draw(seed, stream, _START, walker, xi)
        for i in range(d):
            y[i] = 0.0
            for j in range(d):
                y[i] += spread[i, j] * xi[j]
        position[row, 0], velocity[row, 0] = x, y[0]
        force = _force(x, low, scale, table) if bound else 0.0
        step = 0
        for frame in range(1, position.shape[1]):
            for _ in range(every):
                step += 1
                y[0] += kick * force
                x += 0.5 * timestep * y[0]
                _draw(seed, stream, step, walker, xi)
                for i in range(d):
                    total = 0.0
                    for j in range(d):
                        total += flow[i, j] * y[j] + noise[i, j] * xi[j]
                    new[i] = total
                y, new = new, y
                x += 0.5 * timestep * y[0]
                if bound:
                    force = _force(x, low, scale, table)
                    y[0] += kick * force
            position[row, frame], velocity[row, frame] = x, y[0]
