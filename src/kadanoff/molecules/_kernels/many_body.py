"""Kernels of terms beyond pairs: three-body terms and local densities, one centre after the other.

Each term is an energy of one bead, the centre, and the vectors to its neighbours, so that all of them share one
frame: gather the neighbours inside the term's cut-off, find the force on each, add them to a buffer. The virial is the
sum of vector times force. Where the angular function is quadratic, h = a + b c + g c^2, the sum over pairs of
neighbours is a sum over neighbours of their moments:

    sum_jk E_j E_k h(u_j . u_k) = a M0^2 + b |M1|^2 + g M2 : M2,    Mn = sum_j E_j u_j ... u_j (n times)

Legend: d vector from the centre to a neighbour (nm), s its square, u its direction; e the radial factor
exp(decay / (r - cutoff)) and de its derivative. Neighbours of the first end type lie in 0 .. one, of the second in two
.. three, both filled up to whole lanes with neighbours that feel nothing; alike ends share one stretch."""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from kadanoff.molecules._kernels.lanes import (
    WIDTH,
    bits,
    from_bits,
    largest,
    least,
    line_at,
    load,
    load_halves,
    masked,
    root,
    spread,
    store,
    to_float,
    to_whole,
    total,
)
from kadanoff.molecules._kernels.neighbours import TURN

QUADRATIC, ANGLE, SPLINE, DENSITY = 0, 1, 2, 3
_MAGIC = 12582912.0  # 1.5 * 2^23: adding it rounds a float32 to a whole number, which then stands in its lowest bits
_MAGIC_BITS = 0x4B400000
# four cubic B-splines as polynomials of t, coefficients of t^0 .. t^3
_PIECES = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6.0
# their lanes: of r_jk (0123 0123), of r_ik (0000 1111 and 2222 3333)
_LANES = np.concatenate([np.tile(_PIECES, 2), *(np.repeat(_PIECES[:, h : h + 2], 4, axis=1) for h in (0, 2))])
_BASIS = np.ascontiguousarray(_LANES, np.float32).ravel()
_SLOPE = np.ascontiguousarray((_LANES.reshape(3, 4, 8)[:, 1:] * np.array([1.0, 2.0, 3.0])[:, None]), np.float32).ravel()


class Bodies(NamedTuple):
    """All terms of a model, the list of near beads, and the buffers of the chunks.

    ``reach`` longest cut-off; ``kinds``, ``center`` (terms,) what and whose; ``ends`` (terms, types) which types are
    neighbours, 1 of the first end, 2 of the second, 3 of both; ``numbers`` (terms, 8) and ``start`` (terms,) into
    ``table`` (float32) or ``exact`` (float64), see `engines.many_body`. ``near`` (pad, room), ``count`` (pad,): beads
    nearer than reach and skin; ``back``, ``ahead`` (chunks,): farthest block before and after a chunk that it writes
    to; ``g`` or ``g_exact`` (chunks, 3 pad) forces; ``sums`` (2, chunks) energy and virial."""

    reach: float
    kinds: np.ndarray
    center: np.ndarray
    ends: np.ndarray
    numbers: np.ndarray
    start: np.ndarray
    table: np.ndarray
    exact: np.ndarray
    near: np.ndarray
    count: np.ndarray
    back: np.ndarray
    ahead: np.ndarray
    g: np.ndarray
    g_exact: np.ndarray
    sums: np.ndarray


@njit(nogil=True)
def hermite(table, begin, nodes, place):
    """Value and slope (per cell) at ``place`` cells of nodes (value, slope times step) from ``begin``; straight
    beyond the ends."""
    inside = min(max(place, 0.0), nodes - 1.0)
    k = min(int(inside), nodes - 2)
    t = inside - k
    at = begin + 2 * k
    v0, v1, du = table[at + 1], table[at + 3], table[at + 2] - table[at]
    c2, c3 = 3.0 * du - 2.0 * v0 - v1, v0 + v1 - 2.0 * du
    slope = v0 + t * (2.0 * c2 + 3.0 * c3 * t)
    return table[at] + t * (v0 + t * (c2 + t * c3)) + slope * (place - inside), slope


# ---- mixed precision: eight neighbours at once -----------------------------------------------------------------------


@njit(nogil=True)
def _gather(i, near, count, u, pad, t, want, sx, sy, sz, limit, at, index, dx, dy, dz, ss):
    """Append the near beads of a type inside the cut-off; returns the new end. Unsigned places spare the test for
    negative ones."""
    x, y, z = u[i], u[pad + i], u[2 * pad + i]
    row, end = near[i], np.uint64(at)
    p1, p2, one, none = np.uint64(pad), np.uint64(2 * pad), np.uint64(1), np.uint64(0)
    for c in range(count[i]):
        j = np.uint64(row[np.uint64(c)])
        a = np.float32(np.int32(u[j] - x)) * sx
        b = np.float32(np.int32(u[p1 + j] - y)) * sy
        d = np.float32(np.int32(u[p2 + j] - z)) * sz
        s = a * a + b * b + d * d
        index[end] = j
        dx[end] = a
        dy[end] = b
        dz[end] = d
        ss[end] = s
        end += one if (s < limit) & (t[j] == want) else none
    return np.int64(end)


@njit(nogil=True)
def _fill_up(at, limit, dx, dy, dz, ss):
    """Complete the last lanes with neighbours at the cut-off, which feel nothing; returns the next whole place."""
    end = (at + WIDTH - 1) // WIDTH * WIDTH
    for c in range(at, end):
        dx[c] = dy[c] = dz[c] = np.float32(0.0)
        ss[c] = limit
    return end


@njit(nogil=True)
def _exponential(x):
    """e^x of -87 < x < 88 in float32: 2^n times a polynomial of the rest (Cephes' coefficients)."""
    magic = spread(np.float32(_MAGIC))
    z = x * spread(np.float32(1.4426950408889634)) + magic
    n = z - magic
    f = x - n * spread(np.float32(0.693359375))
    f = f - n * spread(np.float32(-2.12194440e-4))
    y = spread(np.float32(1.9875691500e-4)) * f + spread(np.float32(1.3981999507e-3))
    y = y * f + spread(np.float32(8.3334519073e-3))
    y = y * f + spread(np.float32(4.1665795894e-2))
    y = y * f + spread(np.float32(1.6666665459e-1))
    y = y * f + spread(np.float32(5.0000001201e-1))
    y = y * f * f + f + spread(np.float32(1.0))
    return from_bits(bits(y) + (bits(z) << spread(np.int32(23))))


@njit(nogil=True)
def _radial(low, high, cutoff, decay, dx, dy, dz, ss, inverse, e, de):
    """Directions in place of vectors, 1/r, and the radial factor with its derivative."""
    rc, d = spread(np.float32(cutoff)), spread(np.float32(decay))
    nearest = spread(np.float32(-decay / 80.0))  # e^-80 stands for zero
    one = spread(np.float32(1.0))
    for c in range(low, high, WIDTH):
        r = root(load(ss, c))
        inv = one / r
        gap = one / least(r - rc, nearest)
        x = d * gap
        factor = _exponential(x)
        store(e, c, factor)
        store(de, c, spread(np.float32(0.0)) - x * gap * factor)
        store(inverse, c, inv)
        store(dx, c, load(dx, c) * inv)
        store(dy, c, load(dy, c) * inv)
        store(dz, c, load(dz, c) * inv)


@njit(nogil=True)
def _quadratic(low, high, one, three, alike, a, b, g, ux, uy, uz, inverse, e, de, fx, fy, fz):
    """Forces on the neighbours low..high from all of one..three; returns the sum of E D, D = dU/dE."""
    zero = spread(np.float32(0.0))
    v0, vx, vy, vz, xx, xy, xz, yy, yz, zz = zero, zero, zero, zero, zero, zero, zero, zero, zero, zero
    for c in range(one, three, WIDTH):
        x, y, z, w = load(ux, c), load(uy, c), load(uz, c), load(e, c)
        wx, wy, wz = w * x, w * y, w * z
        v0, vx, vy, vz = v0 + w, vx + wx, vy + wy, vz + wz
        xx, xy, xz = xx + wx * x, xy + wx * y, xz + wx * z
        yy, yz, zz = yy + wy * y, yz + wy * z, zz + wz * z
    m0 = spread(np.float32(a) * total(v0))
    bs, twice = spread(np.float32(b)), spread(np.float32(2.0))
    mx, my, mz = bs * spread(total(vx)), bs * spread(total(vy)), bs * spread(total(vz))
    gs = spread(np.float32(g))
    xx, xy, xz = gs * spread(total(xx)), gs * spread(total(xy)), gs * spread(total(xz))
    yy, yz, zz = gs * spread(total(yy)), gs * spread(total(yz)), gs * spread(total(zz))
    own = spread(np.float32(a + b + g if alike else 0.0))  # a bead makes no pair with itself
    energy = zero
    for c in range(low, high, WIDTH):
        x, y, z, w = load(ux, c), load(uy, c), load(uz, c), load(e, c)
        qx, qy, qz = xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z
        along, square = mx * x + my * y + mz * z, qx * x + qy * y + qz * z
        slope = m0 + along + square - own * w
        energy = energy + w * slope
        turn = w * load(inverse, c)
        push = load(de, c) * slope - turn * (along + twice * square)
        store(fx, c, zero - (turn * (mx + twice * qx) + push * x))
        store(fy, c, zero - (turn * (my + twice * qy) + push * y))
        store(fz, c, zero - (turn * (mz + twice * qz) + push * z))
    return total(energy)


@njit(nogil=True)
def _angle(low, high, one, three, alike, table, start, nodes, ux, uy, uz, inverse, e, de, fx, fy, fz):
    """The same for any h, by pairs: ``table`` from ``start`` holds eight numbers a cell of the cosine."""
    zero, unit = spread(np.float32(0.0)), spread(np.float32(1.0))
    lowest, magic = spread(np.float32(-1.0)), spread(np.float32(_MAGIC))
    scale, half, top = spread(np.float32(0.5 * (nodes - 1))), spread(np.float32(0.5)), spread(np.float32(nodes - 2))
    first, two = spread(np.int32(start // 2 - 4 * _MAGIC_BITS)), spread(np.int32(2))
    o1, o2, o3 = spread(np.int32(1)), spread(np.int32(2)), spread(np.int32(3))
    energy = 0.0
    for j in range(low, high):
        x, y, z = spread(ux[j]), spread(uy[j]), spread(uz[j])
        ax, ay, az, s1, s2 = zero, zero, zero, zero, zero
        for c in range(one, three, WIDTH):
            kx, ky, kz, w = load(ux, c), load(uy, c), load(uz, c), load(e, c)
            if alike and c <= j < c + WIDTH:
                w = masked(np.uint32(255 ^ (1 << (j - c))), w)
            cosine = largest(least(x * kx + y * ky + z * kz, unit), lowest)
            place = (cosine + unit) * scale
            cell = least(largest(place - half + magic - magic, zero), top)
            at = (bits(cell + magic) << two) + first
            rest = place - cell
            square = rest * rest
            h = line_at(table, at, rest) + square * line_at(table, at + o1, rest)
            slope = w * (line_at(table, at + o2, rest) + square * line_at(table, at + o3, rest))
            ax, ay, az = ax + slope * kx, ay + slope * ky, az + slope * kz
            s1, s2 = s1 + slope * cosine, s2 + w * h
        sum1, sum2, own = total(s1), total(s2), e[j]
        energy += own * sum2
        turn = own * inverse[j]
        push = de[j] * sum2 - turn * sum1
        fx[j] = -(turn * total(ax) + push * ux[j])
        fy[j] = -(turn * total(ay) + push * uy[j])
        fz[j] = -(turn * total(az) + push * uz[j])
    return energy


@njit(nogil=True)
def _near_splines(end, per_near, cells, ss, inverse, fx, fy, fz, cell, rest, basis):
    """1/r of the neighbours 0..end, and of each 32 numbers in ``basis``: the splines of its distance as lanes (0000
    1111, 2222 3333), and their slopes a cell. Clears the forces."""
    p0, p1, p2, p3 = load(_BASIS, 32), load(_BASIS, 40), load(_BASIS, 48), load(_BASIS, 56)
    q0, q1, q2, q3 = load(_BASIS, 64), load(_BASIS, 72), load(_BASIS, 80), load(_BASIS, 88)
    sp1, sp2, sp3 = load(_SLOPE, 24), load(_SLOPE, 32), load(_SLOPE, 40)
    sq1, sq2, sq3 = load(_SLOPE, 48), load(_SLOPE, 56), load(_SLOPE, 64)
    zero, one, scale = spread(np.float32(0.0)), spread(np.float32(1.0)), spread(np.float32(per_near))
    top = spread(np.float32(cells - 0.5))
    for c in range(0, end, WIDTH):
        r = root(load(ss, c))
        store(inverse, c, one / r)
        place = r * scale
        first = to_whole(least(place, top))
        store(cell, c, first)
        store(rest, c, place - to_float(first))
        store(fx, c, zero)
        store(fy, c, zero)
        store(fz, c, zero)
    for c in range(end):
        t = spread(rest[c])
        store(basis, 32 * c, ((p3 * t + p2) * t + p1) * t + p0)
        store(basis, 32 * c + 8, ((q3 * t + q2) * t + q1) * t + q0)
        store(basis, 32 * c + 16, (sp3 * t + sp2) * t + sp1)
        store(basis, 32 * c + 24, (sq3 * t + sq2) * t + sq1)


@njit(nogil=True)
def _spline(one, two, three, alike, table, start, per_near, cells, per_far, far_cells, dx, dy, dz, inverse, fx, fy, fz,
            cell, basis, far_cell, rest, bend, push):  # fmt: skip
    """Tensor splines of r_ij, r_ik, r_jk: each pair of neighbours once; returns the energy.

    For one pair four lanes hold the splines of r_jk, twice, beside two splines of r_ik: 64 coefficients are 16
    contiguous quadruples, contracted with those of r_ij first. What depends on distances alone is done for eight k at
    once, before and after: ``bend`` and ``push`` are dU/dr_ik (a cell) and dU/dr_jk / r_jk."""
    near_row, far_row = far_cells + 3, (cells + 3) * (far_cells + 3)
    f0, f1, f2, f3 = load(_BASIS, 0), load(_BASIS, 8), load(_BASIS, 16), load(_BASIS, 24)
    sf1, sf2, sf3 = load(_SLOPE, 0), load(_SLOPE, 8), load(_SLOPE, 16)
    zero, tiny = spread(np.float32(0.0)), spread(np.float32(1e-12))
    scale, per_cell = spread(np.float32(per_far)), spread(np.float32(per_near))
    most, top = spread(np.float32(far_cells)), spread(np.float32(far_cells - 0.5))
    energy = 0.0
    for j in range(one):
        low = j + 1 if alike else two
        begin = low // WIDTH * WIDTH
        if low >= three:
            break
        x, y, z = spread(dx[j]), spread(dy[j]), spread(dz[j])
        for c in range(begin, three, WIDTH):
            ex, ey, ez = load(dx, c) - x, load(dy, c) - y, load(dz, c) - z
            r = root(largest(ex * ex + ey * ey + ez * ez, tiny))
            place = least(r * scale, most)  # farther than the knots the last coefficients are zero
            first = to_whole(least(place, top))
            store(far_cell, c, first)
            store(rest, c, place - to_float(first))
            store(push, c, zero)
            store(bend, c, zero)
        at = 32 * j
        a0, a1, a2, a3 = spread(basis[at]), spread(basis[at + 4]), spread(basis[at + 8]), spread(basis[at + 12])
        b0, b1, b2, b3 = spread(basis[at + 16]), spread(basis[at + 20]), spread(basis[at + 24]), spread(basis[at + 28])
        base = start + cell[j] * far_row
        along, height = zero, zero
        for place_of_k in range(low, three):
            k = np.uint64(place_of_k)  # unsigned places spare the test for negative ones
            t = spread(rest[k])
            bf = ((f3 * t + f2) * t + f1) * t + f0
            sf = (sf3 * t + sf2) * t + sf1
            at = base + cell[k] * near_row + far_cell[k]
            c = load_halves(table, at, at + near_row)
            mp, np_ = c * a0, c * b0
            c = load_halves(table, at + 2 * near_row, at + 3 * near_row)
            mq, nq = c * a0, c * b0
            at += far_row
            c = load_halves(table, at, at + near_row)
            mp, np_ = mp + c * a1, np_ + c * b1
            c = load_halves(table, at + 2 * near_row, at + 3 * near_row)
            mq, nq = mq + c * a1, nq + c * b1
            at += far_row
            c = load_halves(table, at, at + near_row)
            mp, np_ = mp + c * a2, np_ + c * b2
            c = load_halves(table, at + 2 * near_row, at + 3 * near_row)
            mq, nq = mq + c * a2, nq + c * b2
            at += far_row
            c = load_halves(table, at, at + near_row)
            mp, np_ = mp + c * a3, np_ + c * b3
            c = load_halves(table, at + 2 * near_row, at + 3 * near_row)
            mq, nq = mq + c * a3, nq + c * b3
            own = 32 * place_of_k
            bp, bq = load(basis, own), load(basis, own + 8)
            both = mp * bp + mq * bq
            along = along + (np_ * bp + nq * bq) * bf
            height = height + both * bf
            bend[k] = total((mp * load(basis, own + 16) + mq * load(basis, own + 24)) * bf)
            push[k] = total(both * sf)
        energy += np.float64(total(height))
        sx, sy, sz = zero, zero, zero
        for c in range(begin, three, WIDTH):
            kx, ky, kz = load(dx, c), load(dy, c), load(dz, c)
            ex, ey, ez = kx - x, ky - y, kz - z
            between = load(push, c) * (scale / root(largest(ex * ex + ey * ey + ez * ez, tiny)))
            radial = load(bend, c) * load(inverse, c) * per_cell
            ex, ey, ez = between * ex, between * ey, between * ez
            sx, sy, sz = sx + ex, sy + ey, sz + ez
            store(fx, c, load(fx, c) - (radial * kx + ex))
            store(fy, c, load(fy, c) - (radial * ky + ey))
            store(fz, c, load(fz, c) - (radial * kz + ez))
        pull = total(along) * np.float32(per_near) * inverse[j]
        fx[j] += total(sx) - pull * dx[j]
        fy[j] += total(sy) - pull * dy[j]
        fz[j] += total(sz) - pull * dz[j]
    return energy


@njit(nogil=True)
def _density(end, inner, outer, start, step, nodes, table, begin, dx, dy, dz, ss, fx, fy, fz):
    """F(rho) of the neighbours 0..end; returns it. The weight is 1 - 3 y^2 + 2 y^3 of y = (s - inner^2) / (outer^2 -
    inner^2), cut to 0..1."""
    zero, one = spread(np.float32(0.0)), spread(np.float32(1.0))
    base, scale = spread(np.float32(inner * inner)), spread(np.float32(1.0 / (outer * outer - inner * inner)))
    two, three = spread(np.float32(2.0)), spread(np.float32(3.0))
    rho = zero
    for c in range(0, end, WIDTH):
        y = least(largest((load(ss, c) - base) * scale, zero), one)
        rho = rho + ((two * y - three) * y * y + one)
    value, slope = hermite(table, begin, nodes, (np.float64(total(rho)) - start) / step)
    slope /= step
    push = spread(np.float32(12.0 * slope / (outer * outer - inner * inner)))  # -F' dw/dr = push y (1 - y) r
    for c in range(0, end, WIDTH):
        y = least(largest((load(ss, c) - base) * scale, zero), one)
        w = push * y * (one - y)
        store(fx, c, w * load(dx, c))
        store(fy, c, w * load(dy, c))
        store(fz, c, w * load(dz, c))
    return value


@njit(nogil=True)
def many_forces(first, last, u, n, pad, box, t, span, bodies, g):
    """Forces of all terms whose centres lie in the blocks first..last-1, float32; returns energy and virial."""
    sx, sy, sz = np.float32(box[0] / TURN), np.float32(box[1] / TURN), np.float32(box[2] / TURN)
    room = 2 * bodies.near.shape[1] + 2 * WIDTH
    index = np.empty(room, np.int32)
    dx, dy, dz = np.empty(room, np.float32), np.empty(room, np.float32), np.empty(room, np.float32)
    ss, inverse, e, de = (
        np.empty(room, np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.float32),
    )
    fx, fy, fz = np.empty(room, np.float32), np.empty(room, np.float32), np.empty(room, np.float32)
    cell, far_cell, basis = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(32 * room, np.float32)
    near, count, numbers, types_ = bodies.near, bodies.count, bodies.numbers, bodies.ends.shape[1]
    sum_energy, sum_virial = 0.0, 0.0
    for term in range(len(bodies.kinds)):
        kind, own, begin = bodies.kinds[term], bodies.center[term] * span, bodies.start[term]
        cutoff = numbers[term, 0]
        limit = np.float32(cutoff * cutoff)
        alike = kind == DENSITY
        for other in range(types_):
            alike |= bodies.ends[term, other] == 3
        for i in range(first * WIDTH, min(n, last * WIDTH)):
            if t[i] != own:
                continue
            one = 0
            for other in range(types_):
                if bodies.ends[term, other] & 1:
                    one = _gather(
                        i, near, count, u, pad, t, other * span, sx, sy, sz, limit, one, index, dx, dy, dz, ss
                    )
            two = _fill_up(one, limit, dx, dy, dz, ss)
            if kind != DENSITY and one < (2 if alike else 1):
                continue
            three = two
            if alike:
                middle, high = 0, one
            else:
                middle, high = two, two
                for other in range(types_):
                    if bodies.ends[term, other] & 2:
                        high = _gather(
                            i, near, count, u, pad, t, other * span, sx, sy, sz, limit, high, index, dx, dy, dz, ss
                        )
                if high == middle:
                    continue
                three = _fill_up(high, limit, dx, dy, dz, ss)
            energy = 0.0
            none = np.int64(0)  # a literal 0 would compile what it is handed to once more
            if kind == QUADRATIC:
                _radial(0, three, cutoff, numbers[term, 1], dx, dy, dz, ss, inverse, e, de)
                a, b, c2 = numbers[term, 2], numbers[term, 3], numbers[term, 4]
                energy = np.float64(
                    _quadratic(none, two, middle, three, alike, a, b, c2, dx, dy, dz, inverse, e, de, fx, fy, fz)
                )
                if alike:
                    energy *= 0.5
                else:
                    _quadratic(middle, three, none, two, alike, a, b, c2, dx, dy, dz, inverse, e, de, fx, fy, fz)
            elif kind == ANGLE:
                _radial(0, three, cutoff, numbers[term, 1], dx, dy, dz, ss, inverse, e, de)
                nodes, table = int(numbers[term, 2]), bodies.table
                energy = _angle(
                    none, one, middle, three, alike, table, begin, nodes, dx, dy, dz, inverse, e, de, fx, fy, fz
                )
                if alike:
                    energy *= 0.5
                else:
                    _angle(middle, high, none, two, alike, table, begin, nodes, dx, dy, dz, inverse, e, de, fx, fy, fz)
            elif kind == SPLINE:
                _near_splines(three, numbers[term, 1], int(numbers[term, 2]), ss, inverse, fx, fy, fz, cell, de,
                              basis)  # fmt: skip
                energy = _spline(
                    one, middle, high, alike, bodies.table, begin, numbers[term, 1], int(numbers[term, 2]),
                    numbers[term, 3], int(numbers[term, 5]), dx, dy, dz, inverse, fx, fy, fz, cell, basis, far_cell, e,
                    de, ss,
                )  # fmt: skip
            else:
                energy = _density(
                    two, numbers[term, 1], cutoff, numbers[term, 2], numbers[term, 3],
                    int(numbers[term, 4]), bodies.exact, begin, dx, dy, dz, ss, fx, fy, fz,
                )  # fmt: skip
            vx, vy, vz, virial = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
            p1, p2 = np.uint64(pad), np.uint64(2 * pad)
            unit = kind == QUADRATIC or kind == ANGLE  # there dx holds directions
            for part in range(1 if alike else 2):
                for place in range(0 if part == 0 else middle, one if part == 0 else high):
                    c = np.uint64(place)
                    j = np.uint64(index[c])
                    qx, qy, qz = fx[c], fy[c], fz[c]
                    along = dx[c] * qx + dy[c] * qy + dz[c] * qz
                    virial += along * ss[c] * inverse[c] if unit else along
                    g[j] += qx
                    g[p1 + j] += qy
                    g[p2 + j] += qz
                    vx, vy, vz = vx + qx, vy + qy, vz + qz
            g[i] -= vx
            g[pad + i] -= vy
            g[2 * pad + i] -= vz
            sum_energy += energy
            sum_virial += np.float64(virial)
    return sum_energy, sum_virial
