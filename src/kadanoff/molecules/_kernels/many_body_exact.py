"""Terms beyond pairs in double precision: plain sums over neighbours and pairs of them, from the tables' own
interpolants. Legend and frame as in `many_body`."""

# mypy: ignore-errors
# (kernels are not typed)

from __future__ import annotations

import numpy as np
from numba import njit

from kadanoff.molecules._kernels.lanes import WIDTH
from kadanoff.molecules._kernels.many_body import DENSITY, SPLINE, hermite


@njit(nogil=True)
def _pieces(place, cells, values, slopes):
    """Four cubic B-splines and their slopes (per cell) at ``place`` cells; returns the first one's number."""
    k = min(int(place), cells - 1)
    t = place - k
    v = 1.0 - t
    values[0], values[1] = v * v * v / 6.0, ((3.0 * t - 6.0) * t * t + 4.0) / 6.0
    values[2], values[3] = ((3.0 * v - 6.0) * v * v + 4.0) / 6.0, t * t * t / 6.0
    slopes[0], slopes[1] = -0.5 * v * v, 0.5 * (3.0 * t - 4.0) * t
    slopes[2], slopes[3] = -0.5 * (3.0 * v - 4.0) * v, 0.5 * t * t
    return k


@njit(nogil=True, error_model="numpy")
def exact_many_forces(first, last, x, n, pad, box, t, span, bodies, g):
    """Forces of all terms whose centres lie in the blocks first..last-1, float64; returns energy and virial."""
    room = bodies.near.shape[1]
    index, side = np.empty(room, np.int32), np.empty(room, np.int32)
    d, r, e, de, f = np.empty((room, 3)), np.empty(room), np.empty(room), np.empty(room), np.empty((room, 3))
    place, b, db = np.empty(room, np.int32), np.empty((room, 4)), np.empty((room, 4))
    bf, dbf, table = np.empty(4), np.empty(4), bodies.exact
    sum_energy, sum_virial = 0.0, 0.0
    for term in range(len(bodies.kinds)):
        kind, own, begin = bodies.kinds[term], bodies.center[term], bodies.start[term]
        p = bodies.numbers[term]
        cutoff = p[0]
        for i in range(first * WIDTH, min(n, last * WIDTH)):
            if t[i] // span != own:
                continue
            end = 0
            for c in range(bodies.count[i]):
                j = bodies.near[i, c]
                which = bodies.ends[term, t[j] // span]
                if which == 0:
                    continue
                square = 0.0
                for k in range(3):
                    gap = x[k * pad + j] - x[k * pad + i]
                    gap -= box[k] * np.rint(gap / box[k])
                    d[end, k] = gap
                    f[end, k] = 0.0
                    square += gap * gap
                if square < cutoff * cutoff:
                    index[end], side[end], r[end] = j, which, np.sqrt(square)
                    end += 1
            energy = 0.0
            if kind == DENSITY:
                inner, wide, rho = p[1], cutoff * cutoff - p[1] * p[1], 0.0
                for c in range(end):
                    y = min(max((r[c] * r[c] - inner * inner) / wide, 0.0), 1.0)
                    rho += 1.0 + y * y * (2.0 * y - 3.0)
                energy, slope = hermite(table, begin, int(p[4]), (rho - p[2]) / p[3])
                for c in range(end):
                    y = min(max((r[c] * r[c] - inner * inner) / wide, 0.0), 1.0)
                    for k in range(3):
                        f[c, k] = 12.0 * slope / p[3] / wide * y * (1.0 - y) * d[c, k]
            elif kind == SPLINE:
                for c in range(end):
                    place[c] = _pieces(r[c] * p[1], int(p[2]), b[c], db[c])
            else:
                for c in range(end):
                    gap = min(r[c] - cutoff, -1e-3 * p[1])  # e^-1000 is zero
                    e[c] = np.exp(p[1] / gap)
                    de[c] = -p[1] / (gap * gap) * e[c]
            for one in range(end if kind != DENSITY else 0):
                for two in range(end):
                    # alike ends: each pair once; else the first end first
                    if side[one] & 1 == 0 or side[two] & 2 == 0 or (side[one] == 3 and two <= one):
                        continue
                    if kind == SPLINE:
                        square = 0.0
                        for k in range(3):
                            square += (d[two, k] - d[one, k]) ** 2
                        between = np.sqrt(square)
                        if between >= p[4]:
                            continue
                        first_c = _pieces(between * p[3], int(p[5]), bf, dbf)
                        width, depth = int(p[2]) + 3, int(p[5]) + 3
                        u, du1, du2, du3 = 0.0, 0.0, 0.0, 0.0
                        for q in range(4):
                            for s in range(4):
                                at = begin + ((place[one] + q) * width + place[two] + s) * depth + first_c
                                for m in range(4):
                                    value = table[at + m]
                                    u += value * b[one, q] * b[two, s] * bf[m]
                                    du1 += value * db[one, q] * b[two, s] * bf[m]
                                    du2 += value * b[one, q] * db[two, s] * bf[m]
                                    du3 += value * b[one, q] * b[two, s] * dbf[m]
                        energy += u
                        w1, w2, w3 = p[1] * du1 / r[one], p[1] * du2 / r[two], p[3] * du3 / between
                        for k in range(3):
                            cross = w3 * (d[two, k] - d[one, k])
                            f[one, k] += cross - w1 * d[one, k]
                            f[two, k] -= cross + w2 * d[two, k]
                    else:
                        cosine = 0.0
                        for k in range(3):
                            cosine += d[one, k] * d[two, k]
                        cosine = min(max(cosine / (r[one] * r[two]), -1.0), 1.0)
                        cells = p[2] - 1.0
                        h, slope = hermite(table, begin, int(p[2]), 0.5 * (cosine + 1.0) * cells)
                        slope *= 0.5 * cells
                        energy += h * e[one] * e[two]
                        turn = slope * e[one] * e[two]
                        w1 = (h * de[one] * e[two] - turn * cosine / r[one]) / r[one]
                        w2 = (h * de[two] * e[one] - turn * cosine / r[two]) / r[two]
                        w3 = turn / (r[one] * r[two])
                        for k in range(3):
                            f[one, k] -= w1 * d[one, k] + w3 * d[two, k]
                            f[two, k] -= w2 * d[two, k] + w3 * d[one, k]
            sum_energy += energy
            for c in range(end):
                for k in range(3):
                    g[k * pad + index[c]] += f[c, k]
                    g[k * pad + i] -= f[c, k]
                    sum_virial += d[c, k] * f[c, k]
    return sum_energy, sum_virial
