"""Rows of the design of force matching: what each coefficient of a force field adds to the force on each bead.

``design`` (n, 3, k): force on a bead, direction, coefficient; every kernel adds to it the terms of one form.
``counts``: samples of each cell (an interval of knots, or a coefficient), from ``cell`` on. Columns of a term begin at
``column``. Pairs come as a half list; `surroundings` makes rows of near neighbours of it.

Letters: B four cubic B-splines that are not zero in an interval, D their derivatives; u unit vectors from the centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["add_angles", "add_densities", "add_pairs", "add_triplets", "surroundings", "touch_triplets"]


@njit(cache=True, nogil=True, error_model="numpy")
def _splines(x: float, inverse: float, intervals: int, value: NDArray[Any], slope: NDArray[Any]) -> int:
    """Values and derivatives of the four splines at x (from the first knot on); returns the interval."""
    s = x * inverse
    a = min(int(s), intervals - 1)
    t = s - a
    u = 1.0 - t
    value[0], value[1] = u * u * u / 6.0, ((3.0 * t - 6.0) * (t * t) + 4.0) / 6.0
    value[2], value[3] = ((3.0 * u - 6.0) * (u * u) + 4.0) / 6.0, t * t * t / 6.0
    slope[0], slope[1] = -0.5 * u * u * inverse, (1.5 * t - 2.0) * t * inverse
    slope[2], slope[3] = (2.0 - 1.5 * u) * u * inverse, 0.5 * t * t * inverse
    return a


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def add_pairs(
    x: NDArray[Any], box: NDArray[Any], types: NDArray[Any], first: NDArray[Any], second: NDArray[Any],
    squared: NDArray[Any], term: NDArray[Any], start: NDArray[Any], spacing: NDArray[Any], intervals: NDArray[Any],
    column: NDArray[Any], cell: NDArray[Any], design: NDArray[Any], counts: NDArray[Any], closest: NDArray[Any],
) -> None:  # fmt: skip
    """All pair terms; ``term`` (types, types) which of them, or -1; ``closest`` (terms,) smallest distance of each."""
    for p in range(len(first)):
        i, j = first[p], second[p]
        k = term[types[i], types[j]]
        if k < 0:
            continue
        r = np.sqrt(squared[p])
        s = (r - start[k]) / spacing[k]
        if s >= intervals[k]:
            continue
        closest[k] = min(closest[k], r)
        if s < 0.0 or r == 0.0:  # the caller refuses it
            continue
        a = min(int(s), intervals[k] - 1)
        counts[cell[k] + a] += 1
        t = s - a
        u = 1.0 - t
        by = 1.0 / (6.0 * r)
        w0, w1 = u * u * u * by, ((3.0 * t - 6.0) * (t * t) + 4.0) * by
        w2, w3 = ((3.0 * u - 6.0) * (u * u) + 4.0) * by, t * t * t * by
        c = column[k] + a
        for d in range(3):
            v = x[i, d] - x[j, d]
            v -= box[d] * np.rint(v / box[d])
            one, two = design[i, d], design[j, d]
            one[c] += w0 * v
            one[c + 1] += w1 * v
            one[c + 2] += w2 * v
            one[c + 3] += w3 * v
            two[c] -= w0 * v
            two[c + 1] -= w1 * v
            two[c + 2] -= w2 * v
            two[c + 3] -= w3 * v


@njit(cache=True, nogil=True, error_model="numpy")
def surroundings(
    x: NDArray[Any], box: NDArray[Any], first: NDArray[Any], second: NDArray[Any], squared: NDArray[Any], reach: float,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:  # fmt: skip
    """Neighbours within ``reach`` of every bead: row starts (n + 1,), who (m,), and unit vector and distance (m, 4)."""
    n, limit = len(x), reach * reach
    starts = np.zeros(n + 1, np.int64)
    for p in range(len(first)):
        if squared[p] < limit:
            starts[first[p] + 1] += 1
            starts[second[p] + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    fill = starts[:-1].copy()
    who, away = np.empty(starts[n], np.int64), np.empty((starts[n], 4))
    for p in range(len(first)):
        if squared[p] < limit:
            i, j, r = first[p], second[p], np.sqrt(squared[p])
            a, b = fill[i], fill[j]
            fill[i] += 1
            fill[j] += 1
            who[a], who[b] = j, i
            away[a, 3], away[b, 3] = r, r
            for d in range(3):
                v = x[j, d] - x[i, d]
                v = (v - box[d] * np.rint(v / box[d])) / r
                away[a, d], away[b, d] = v, -v
    return starts, who, away


@njit(cache=True, nogil=True, error_model="numpy")
def _near(
    i: int, types: NDArray[Any], starts: NDArray[Any], who: NDArray[Any], away: NDArray[Any], one: int, two: int,
    cutoff: float, chosen: NDArray[Any],
) -> int:  # fmt: skip
    """Places in the row of bead i of those within the cut-off and of one of the two end types; returns how many."""
    number = 0
    for p in range(starts[i], starts[i + 1]):
        kind = types[who[p]]
        if away[p, 3] < cutoff and (kind in (one, two)):
            chosen[number] = p
            number += 1
    return number


@njit(cache=True, nogil=True, error_model="numpy")
def _longest(starts: NDArray[Any]) -> int:
    longest = 1
    for i in range(len(starts) - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    return longest


@njit(cache=True, nogil=True, error_model="numpy")
def add_angles(
    types: NDArray[Any], starts: NDArray[Any], who: NDArray[Any], away: NDArray[Any], center: int, one: int, two: int,
    cutoff: float, decay: float, intervals: int, powers: bool, column: int, cell: int, design: NDArray[Any],
    counts: NDArray[Any],
) -> None:  # fmt: skip
    """One angular term, with splines of the cosine or, for ``powers``, its powers 0, 1, 2 (counted by intervals)."""
    size = _longest(starts)
    chosen, e, de = np.empty(size, np.int64), np.empty(size), np.empty(size)
    value, slope = np.empty(4), np.empty(4)
    inverse = 0.5 * intervals
    for i in range(len(types)):
        if types[i] != center:
            continue
        number = _near(i, types, starts, who, away, one, two, cutoff, chosen)
        for p in range(number):
            gap = away[chosen[p], 3] - cutoff
            e[p] = np.exp(decay / gap)
            de[p] = -decay / (gap * gap) * e[p]
        for p in range(number):
            a = chosen[p]
            j = who[a]
            for q in range(p + 1, number):
                b = chosen[q]
                k = who[b]
                if one != two and types[j] == types[k]:
                    continue
                x = away[a, 0] * away[b, 0] + away[a, 1] * away[b, 1] + away[a, 2] * away[b, 2]
                x = min(max(x, -1.0), 1.0)
                at = _splines(x + 1.0, inverse, intervals, value, slope)
                counts[cell + at] += 1
                c, many = column + at, 4
                if powers:
                    value[0], value[1], value[2] = 1.0, x, x * x
                    slope[0], slope[1], slope[2] = 0.0, 1.0, 2.0 * x
                    c, many = column, 3
                both, left, right = e[p] * e[q], de[p] * e[q], e[p] * de[q]
                for d in range(3):
                    ua, ub = away[a, d], away[b, d]
                    turn_j, turn_k = both * (ub - x * ua) / away[a, 3], both * (ua - x * ub) / away[b, 3]
                    for m in range(many):
                        fj = -(slope[m] * turn_j + value[m] * left * ua)
                        fk = -(slope[m] * turn_k + value[m] * right * ub)
                        design[j, d, c + m] += fj
                        design[k, d, c + m] += fk
                        design[i, d, c + m] -= fj + fk


@njit(cache=True, nogil=True, error_model="numpy")
def _third(away: NDArray[Any], a: int, b: int, u: NDArray[Any]) -> float:
    """Distance of two neighbours of a bead, and the unit vector from the first to the second."""
    total = 0.0
    for d in range(3):
        u[d] = away[b, d] * away[b, 3] - away[a, d] * away[a, 3]
        total += u[d] * u[d]
    r = np.sqrt(total)
    for d in range(3):
        u[d] /= r
    return float(r)


@njit(cache=True, nogil=True, error_model="numpy")
def touch_triplets(
    types: NDArray[Any], starts: NDArray[Any], who: NDArray[Any], away: NDArray[Any], center: int, one: int, two: int,
    near: float, near_intervals: int, far: float, far_intervals: int, table: NDArray[Any], cell: int,
    counts: NDArray[Any],
) -> None:  # fmt: skip
    """Count the triplets that touch each coefficient of a triplet term (twice, where two splines of it do)."""
    chosen, u = np.empty(_longest(starts), np.int64), np.empty(3)
    to_near, to_far = near_intervals / near, far_intervals / far
    for i in range(len(types)):
        if types[i] != center:
            continue
        number = _near(i, types, starts, who, away, one, two, near, chosen)
        for p in range(number):
            for q in range(p + 1, number):
                a, b = chosen[p], chosen[q]
                if one != two:
                    if types[who[a]] == types[who[b]]:
                        continue
                    if types[who[a]] != one:
                        a, b = b, a
                r = _third(away, a, b, u)
                if r >= far:
                    continue
                k1 = min(int(away[a, 3] * to_near), near_intervals - 1)
                k2 = min(int(away[b, 3] * to_near), near_intervals - 1)
                k3 = min(int(r * to_far), far_intervals - 1)
                for m1 in range(4):
                    for m2 in range(4):
                        for m3 in range(4):
                            at = table[k1 + m1, k2 + m2, k3 + m3]
                            if at >= 0:
                                counts[cell + at] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def add_triplets(
    types: NDArray[Any], starts: NDArray[Any], who: NDArray[Any], away: NDArray[Any], center: int, one: int, two: int,
    near: float, near_intervals: int, far: float, far_intervals: int, table: NDArray[Any], place: NDArray[Any],
    design: NDArray[Any],
) -> None:  # fmt: skip
    """One triplet term; ``place``: the column of each of its coefficients that data touch."""
    chosen, u = np.empty(_longest(starts), np.int64), np.empty(3)
    v1, v2, v3, s1, s2, s3 = np.empty(4), np.empty(4), np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    to_near, to_far = near_intervals / near, far_intervals / far
    for i in range(len(types)):
        if types[i] != center:
            continue
        number = _near(i, types, starts, who, away, one, two, near, chosen)
        for p in range(number):
            for q in range(p + 1, number):
                a, b = chosen[p], chosen[q]
                if one != two:
                    if types[who[a]] == types[who[b]]:
                        continue
                    if types[who[a]] != one:
                        a, b = b, a
                r = _third(away, a, b, u)
                if r >= far:
                    continue
                j, k = who[a], who[b]
                k1 = _splines(away[a, 3], to_near, near_intervals, v1, s1)
                k2 = _splines(away[b, 3], to_near, near_intervals, v2, s2)
                k3 = _splines(r, to_far, far_intervals, v3, s3)
                for m1 in range(4):
                    for m2 in range(4):
                        for m3 in range(4):
                            at = table[k1 + m1, k2 + m2, k3 + m3]
                            if at < 0:
                                continue
                            c = place[at]
                            f1 = s1[m1] * v2[m2] * v3[m3]
                            f2 = v1[m1] * s2[m2] * v3[m3]
                            f3 = v1[m1] * v2[m2] * s3[m3]
                            for d in range(3):
                                g1, g2, g3 = f1 * away[a, d], f2 * away[b, d], f3 * u[d]
                                design[i, d, c] += g1 + g2
                                design[j, d, c] += g3 - g1
                                design[k, d, c] -= g2 + g3


@njit(cache=True, nogil=True, error_model="numpy")
def add_densities(
    types: NDArray[Any], starts: NDArray[Any], who: NDArray[Any], away: NDArray[Any], center: int,
    counted: NDArray[Any], inner: float, outer: float, weight: NDArray[Any], start: float, spacing: float,
    intervals: int, column: int, cell: int, design: NDArray[Any], counts: NDArray[Any],
) -> None:  # fmt: skip
    """One local-density term; ``counted`` (types,) who is a neighbour, ``weight`` c0, c2, c4, c6."""
    value, slope = np.empty(4), np.empty(4)
    c0, c2, c4, c6 = weight[0], weight[1], weight[2], weight[3]
    for i in range(len(types)):
        if types[i] != center:
            continue
        density = 0.0
        for p in range(starts[i], starts[i + 1]):
            r = away[p, 3]
            if counted[types[who[p]]] and r < outer:
                s = r * r
                density += 1.0 if r <= inner else c0 + s * (c2 + s * (c4 + s * c6))
        at = min(max(density - start, 0.0), intervals * spacing)
        at = _splines(at, 1.0 / spacing, intervals, value, slope)
        counts[cell + at] += 1
        for p in range(starts[i], starts[i + 1]):
            j, r = who[p], away[p, 3]
            if counted[types[j]] and inner < r < outer:
                s = r * r
                steep = r * (2.0 * c2 + s * (4.0 * c4 + 6.0 * s * c6))
                for d in range(3):
                    f = steep * away[p, d]
                    for m in range(4):
                        design[i, d, column + at + m] += f * value[m]
                        design[j, d, column + at + m] -= f * value[m]
