"""Walkers of a tabulated Langevin model. Tables stand at the centres of cells and are joined by straight lines.

Random numbers: `random.normal(seed, stream, step // 2, walker)`, its first number at even steps, the second at odd.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import normal

__all__ = ["baoab", "overdamped", "overdamped_1d"]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _place(x: float, low: float, scale: float, cells: int) -> tuple[int, float]:
    """The centre to the left of x and how far it is to the next (0 to 1); the outermost values hold beyond."""
    s = (x - low) * scale - 0.5
    if s <= 0.0:
        return 0, 0.0
    if s >= cells - 1:
        return cells - 2, 1.0
    left = int(s)
    return left, s - left


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _reflect(x: float, low: float, high: float) -> float:
    if x < low:
        x = 2 * low - x
    elif x > high:
        x = 2 * high - x
    return min(max(x, low), high)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def overdamped_1d(
    start: NDArray[Any],
    low: float,
    width: float,
    drift: NDArray[Any],
    noise: NDArray[Any],
    milstein: bool,
    timestep: float,
    every: int,
    seed: int,
    stream: int,
    out: NDArray[Any],
) -> None:
    """dx = a dt + b dW, Ito: the Euler-Maruyama step, with `milstein` + b b' (dW^2 - dt) / 2; reflecting ends.

    start (k,); drift, noise (c,), c >= 2; out (k, frames): the start, then a frame each `every` steps.
    """
    cells, scale = len(drift), 1.0 / width
    high = low + cells * width
    root = np.sqrt(timestep)
    for walker in range(len(start)):
        x, second, step = start[walker], 0.0, 0
        out[walker, 0] = x
        for frame in range(1, out.shape[1]):
            for _ in range(every):
                if step % 2 == 0:
                    xi, second = normal(seed, stream, step // 2, walker)
                else:
                    xi = second
                step += 1
                left, part = _place(x, low, scale, cells)
                rise = noise[left + 1] - noise[left]
                b = noise[left] + part * rise
                move = (drift[left] + part * (drift[left + 1] - drift[left])) * timestep + b * root * xi
                if milstein:
                    move += 0.5 * b * rise * scale * timestep * (xi * xi - 1.0)
                x = _reflect(x + move, low, high)
            out[walker, frame] = x


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def overdamped(
    start: NDArray[Any],
    low: NDArray[Any],
    width: NDArray[Any],
    shape: NDArray[Any],
    drift: NDArray[Any],
    noise: NDArray[Any],
    open_cells: NDArray[Any],
    timestep: float,
    every: int,
    seed: int,
    stream: int,
    out: NDArray[Any],
) -> None:
    """The Euler-Maruyama step in d dimensions; a step into a cell that is not open is not taken.

    start (k, d); drift (cells, d); noise (cells, d, d) lower triangular; open_cells (cells,) bool; out (k, frames, d).
    """
    d = len(shape)
    root = np.sqrt(timestep)
    xi = np.empty(d + 1)
    x, move, to = np.empty(d), np.empty(d), np.empty(d)
    left, part = np.empty(d, np.int64), np.empty(d)
    for walker in range(len(start)):
        step = 0
        for i in range(d):  # loops, since slices take seconds to compile
            x[i] = start[walker, i]
            out[walker, 0, i] = x[i]
        for frame in range(1, out.shape[1]):
            for _ in range(every):
                for i in range(0, d, 2):
                    xi[i], xi[i + 1] = normal(seed, stream + i // 2, step, walker)
                step += 1
                for i in range(d):
                    left[i], part[i] = _place(x[i], low[i], 1.0 / width[i], shape[i])
                    move[i] = 0.0
                for corner in range(1 << d):
                    weight, cell = 1.0, 0
                    for i in range(d):
                        up = (corner >> i) & 1
                        weight *= part[i] if up else 1.0 - part[i]
                        cell = cell * shape[i] + left[i] + up
                    if weight == 0.0:
                        continue
                    for i in range(d):
                        change = drift[cell, i] * timestep
                        for j in range(i + 1):
                            change += noise[cell, i, j] * root * xi[j]
                        move[i] += weight * change
                cell = 0
                for i in range(d):
                    to[i] = _reflect(x[i] + move[i], low[i], low[i] + shape[i] * width[i])
                    cell = cell * shape[i] + min(int((to[i] - low[i]) / width[i]), shape[i] - 1)
                if open_cells[cell]:
                    for i in range(d):
                        x[i] = to[i]
            for i in range(d):
                out[walker, frame, i] = x[i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def baoab(
    start: NDArray[Any],
    velocity: NDArray[Any],
    low: float,
    width: float,
    force: NDArray[Any],
    friction: NDArray[Any],
    noise: NDArray[Any],
    timestep: float,
    every: int,
    seed: int,
    stream: int,
    out: NDArray[Any],
    out_velocity: NDArray[Any],
) -> None:
    """BAOAB (Leimkuhler and Matthews, 2013) of dv = (f - gamma v) dt + sqrt(2 B) dW; the ends turn walkers back.

    start, velocity (k,); force f (acceleration), friction gamma, noise B (c,); out, out_velocity (k, frames).
    """
    cells, scale = len(force), 1.0 / width
    high = low + cells * width
    half = 0.5 * timestep
    for walker in range(len(start)):
        x, v, second, step = start[walker], velocity[walker], 0.0, 0
        out[walker, 0], out_velocity[walker, 0] = x, v
        left, part = _place(x, low, scale, cells)
        f = force[left] + part * (force[left + 1] - force[left])
        for frame in range(1, out.shape[1]):
            for _ in range(every):
                if step % 2 == 0:
                    xi, second = normal(seed, stream, step // 2, walker)
                else:
                    xi = second
                step += 1
                v += half * f
                x += half * v
                left, part = _place(x, low, scale, cells)
                gamma = friction[left] + part * (friction[left + 1] - friction[left])
                b = noise[left] + part * (noise[left + 1] - noise[left])
                decay = np.exp(-gamma * timestep)
                spread = b * timestep * 2.0 if gamma == 0.0 else b / gamma * (1.0 - decay * decay)
                v = decay * v + np.sqrt(spread) * xi
                x += half * v
                if x < low or x > high:
                    x, v = _reflect(x, low, high), -v
                left, part = _place(x, low, scale, cells)
                f = force[left] + part * (force[left + 1] - force[left])
                v += half * f
            out[walker, frame], out_velocity[walker, frame] = x, v
