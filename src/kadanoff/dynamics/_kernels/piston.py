"""A heavy particle in an unbounded one-dimensional ideal gas, event by event.

Legend: M = ``mass`` of the particle in units of that of a gas particle, n ``density`` on each side, s the thermal speed
of the gas. Gas particles do not meet each other; each flies on a line x = a + u t. Those that have never hit the
particle are not stored: their first hits are drawn from the flux n |V - u| f(u), and a draw is discarded where its
line, followed backwards, crosses the path of the particle before, for then it is the line of a gas particle that was
met (or of one that began on the other side). That test is the support function of the convex hull of the path, which
grows by one corner a collision. Those that have hit it are kept, and may be met again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import normal, uniform

__all__ = ["collide", "hull_support", "piston_paths", "push_hull"]

_ROOT_TWO = math.sqrt(2.0)
_PER_ROOT_TWO_PI = 1 / math.sqrt(2 * math.pi)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def collide(heavy: float, light: float, mass: float) -> tuple[float, float]:
    """Velocities after an elastic collision of masses ``mass`` and 1: momentum and energy stay, V - u turns round."""
    change = light - heavy
    return heavy + 2.0 / (mass + 1.0) * change, light - 2.0 * mass / (mass + 1.0) * change


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def push_hull(times: NDArray[Any], places: NDArray[Any], count: int, time: float, place: float, side: float) -> int:
    """Add the corner (time, place), the latest, to the upper (side 1) or lower (side -1) hull; its new length."""
    while count >= 2:
        before = (places[count - 1] - places[count - 2]) * (time - times[count - 2])
        after = (place - places[count - 2]) * (times[count - 1] - times[count - 2])
        if side * (before - after) > 0:
            break
        count -= 1
    times[count], places[count] = time, place
    return count + 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def hull_support(times: NDArray[Any], places: NDArray[Any], count: int, slope: float, side: float) -> float:
    """The largest (side 1) or smallest (side -1) of place - slope * time over the corners of a hull."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        rise = places[middle + 1] - places[middle] - slope * (times[middle + 1] - times[middle])
        if side * rise > 0:
            low = middle + 1
        else:
            high = middle
    return float(places[low] - slope * times[low])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _longer(array: NDArray[Any]) -> NDArray[Any]:
    new = np.empty(2 * len(array), array.dtype)
    for i in range(len(array)):
        new[i] = array[i]
    return new


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _wider(table: NDArray[Any]) -> NDArray[Any]:
    new = np.empty((table.shape[0], 2 * table.shape[1]))
    for k in range(table.shape[0]):
        for i in range(table.shape[1]):
            new[k, i] = table[k, i]
    return new


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _flux(velocity: float, speed: float) -> float:
    """int |V - u| f(u) du of a Maxwellian of thermal speed s."""
    z = velocity / speed
    return speed * (2 * _PER_ROOT_TWO_PI * math.exp(-0.5 * z * z) + z * math.erf(z / _ROOT_TWO))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _wait(seed: int, draw: int, item: int, rate: float) -> float:
    return -math.log(uniform(seed, 1, draw, item)[0]) / rate


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _incoming(seed: int, draw: int, item: int, v: float, speed: float) -> tuple[float, int]:
    """u from |V - u| f(u): from (|V| + |u|) f(u), kept with probability |V - u| / (|V| + |u|); the last draw used."""
    thermal = 2 * speed * _PER_ROOT_TWO_PI
    while True:
        pick, keep = uniform(seed, 2, draw, item)
        if pick * (abs(v) + thermal) < abs(v):
            u = speed * normal(seed, 3, draw, item)[0]
        else:
            size, sign = uniform(seed, 3, draw, item)
            u = speed * math.sqrt(-2 * math.log(size))
            if sign < 0.5:
                u = -u
        if keep * (abs(v) + abs(u)) < abs(v - u):
            return u, draw
        draw += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _list_near(
    met: NDArray[Any], count: int, t: float, x: float, reach: float, fastest: float, near: NDArray[Any]
) -> int:
    """List the met particles that a piston below a speed can come up with in time; their number."""
    listed = 0
    for i in range(count):
        if met[2, i] * (met[0, i] + met[1, i] * t - x) <= (fastest - met[2, i] * met[1, i]) * reach:
            near[listed] = i
            listed += 1
    return listed


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _first_near(
    met: NDArray[Any], near: NDArray[Any], listed: int, t: float, x: float, v: float, soonest: float
) -> tuple[float, int]:
    """The next collision with a listed particle before `soonest`: when, and with which (-1: none)."""
    partner = -1
    for k in range(listed):
        i = near[k]
        closing = met[2, i] * (v - met[1, i])
        if closing > 0:
            time = max(met[2, i] * (met[0, i] + met[1, i] * t - x), 0.0) / closing
            if time < soonest:
                soonest, partner = time, i
    return soonest, partner


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def piston_paths(
    seed: int,
    first: int,
    mass: float,
    density: float,
    speed: float,
    step: float,
    horizon: float,
    velocity: NDArray[Any],
    place: NDArray[Any],
    squares: NDArray[Any],
    collisions: NDArray[Any],
    again: NDArray[Any],
) -> None:
    """Trajectories first, first + 1, ...: ``velocity`` and ``place`` (r, points) at times 0, step, ...

    squares (r,): sum of the squared velocity changes of all collisions; collisions, again (r,): their number, and of
    those with a gas particle that was met before. ``horizon``: time for which the met particles near enough to matter
    are listed; it changes no result.
    """
    points = velocity.shape[1]
    hull = np.empty((4, 64))  # times and places of the upper hull, times and places of the lower
    met = np.empty((3, 64))  # particles that were met: x = met[0] + met[1] t, on the right (met[2] = 1) or left (-1)
    near = np.empty(64, np.int64)
    none: Any = np.int64(0)  # a literal 0 would compile what it is handed to a second time
    for row in range(velocity.shape[0]):
        item = first + row
        v = speed / math.sqrt(mass) * normal(seed, 0, 0, item)[0]
        x, t, draw, written = 0.0, 0.0, none, 0
        upper = push_hull(hull[0], hull[1], none, 0.0, 0.0, 1.0)
        lower = push_hull(hull[2], hull[3], none, 0.0, 0.0, -1.0)
        count, listed, until, fastest = none, none, 0.0, 0.0
        squares[row], collisions[row], again[row] = 0.0, 0, 0
        wait = _wait(seed, draw, item, density * _flux(v, speed))
        while True:
            if t >= until or abs(v) > fastest:
                until, fastest = t + horizon, abs(v) + speed / math.sqrt(mass)
                listed = _list_near(met, count, t, x, horizon, fastest, near)
            soonest, partner = _first_near(met, near, listed, t, x, v, min(wait, until - t))
            fresh = partner < 0 and wait <= soonest
            while written < points and step * written <= t + soonest:
                velocity[row, written] = v
                place[row, written] = x + v * (step * written - t)
                written += 1
            if written == points:
                break
            wait -= soonest
            t += soonest
            x += v * soonest
            if fresh:
                u, draw = _incoming(seed, draw + 1, item, v, speed)
                # its line, followed backwards, must stay on its side of the path
                if u < v:
                    true = hull_support(hull[0], hull[1], upper, u, 1.0) < x - u * t
                else:
                    true = hull_support(hull[2], hull[3], lower, u, -1.0) > x - u * t
                if true:
                    if count == met.shape[1]:
                        met, near = _wider(met), _longer(near)
                    partner = count
                    near[listed] = partner
                    met[1, partner], met[2, partner] = u, 1.0 if u < v else -1.0
                    count, listed = count + 1, listed + 1
            elif partner >= 0:
                again[row] += 1
            if partner >= 0:
                old = v
                v, met[1, partner] = collide(v, met[1, partner], mass)
                met[0, partner] = x - met[1, partner] * t
                squares[row] += (v - old) * (v - old)
                collisions[row] += 1
                if max(upper, lower) == hull.shape[1]:
                    hull = _wider(hull)
                upper = push_hull(hull[0], hull[1], upper, t, x, 1.0)
                lower = push_hull(hull[2], hull[3], lower, t, x, -1.0)
            if fresh or partner >= 0:
                draw += 1
                wait = _wait(seed, draw, item, density * _flux(v, speed))
