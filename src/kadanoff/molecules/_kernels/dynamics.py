"""Kernels of the bead engine."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def philox4(c0, c1, c2, c3, k0, k1):
    """Philox 4x32-10 (Salmon et al., 2011)."""
    for _ in range(10):
        p0 = np.uint64(c0) * np.uint64(0xD2511F53)
        p1 = np.uint64(c2) * np.uint64(0xCD9E8D57)
        n0 = np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0
        n2 = np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1
        c1 = np.uint32(p1 & np.uint64(0xFFFFFFFF))
        c3 = np.uint32(p0 & np.uint64(0xFFFFFFFF))
        c0, c2 = n0, n2
        k0 = np.uint32(k0 + np.uint32(0x9E3779B9))
        k1 = np.uint32(k1 + np.uint32(0xBB67AE85))
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def normals3(seed, stream, step, item):
    k0, k1 = np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)
    a, b, c, d = philox4(np.uint32(item), np.uint32(stream), np.uint32(step & 0xFFFFFFFF), np.uint32(step >> 32), k0, k1)
    scale = 1.0 / 4294967296.0
    r1, t1 = np.sqrt(-2.0 * np.log((a + 0.5) * scale)), 2.0 * np.pi * (b + 0.5) * scale
    r2, t2 = np.sqrt(-2.0 * np.log((c + 0.5) * scale)), 2.0 * np.pi * (d + 0.5) * scale
    return r1 * np.cos(t1), r1 * np.sin(t1), r2 * np.cos(t2)


@njit(cache=True, nogil=True)
def build_list(x, box, reach, start, neighbour):
    """Half Verlet list; returns the number of pairs, also where it is more than fits."""
    n, count = len(x), 0
    for i in range(n):
        start[i] = count
        for j in range(i + 1, n):
            dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
            dx -= box[0] * np.rint(dx / box[0])
            dy -= box[1] * np.rint(dy / box[1])
            dz -= box[2] * np.rint(dz / box[2])
            if dx * dx + dy * dy + dz * dz < reach * reach:
                if count < len(neighbour):
                    neighbour[count] = j
                count += 1
    start[n] = count
    return count


@njit(cache=True, nogil=True)
def forces(x, box, types, start, neighbour, energy, slope, step, f):
    """Exact Hermite interpolant; returns energy and virial."""
    n, last = len(x), energy.shape[2] - 1
    cutoff = step * last
    f[:] = 0.0
    total, virial = 0.0, 0.0
    for i in range(n):
        fx, fy, fz = 0.0, 0.0, 0.0
        for p in range(start[i], start[i + 1]):
            j = neighbour[p]
            dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
            dx -= box[0] * np.rint(dx / box[0])
            dy -= box[1] * np.rint(dy / box[1])
            dz -= box[2] * np.rint(dz / box[2])
            s = dx * dx + dy * dy + dz * dz
            if s >= cutoff * cutoff:
                continue
            r = np.sqrt(s)
            k = min(int(r / step), last - 1)
            t = r / step - k
            u, v = energy[types[i], types[j]], slope[types[i], types[j]]
            s0, s1, du = v[k] * step, v[k + 1] * step, u[k + 1] - u[k]
            c2, c3 = 3 * du - 2 * s0 - s1, s0 + s1 - 2 * du
            total += u[k] + t * (s0 + t * (c2 + t * c3))
            g = (s0 + t * (2 * c2 + 3 * t * c3)) / step
            virial -= g * r
            w = -g / r if r > 0 else 0.0
            fx += w * dx
            fy += w * dy
            fz += w * dz
            f[j, 0] -= w * dx
            f[j, 1] -= w * dy
            f[j, 2] -= w * dz
        f[i, 0] += fx
        f[i, 1] += fy
        f[i, 2] += fz
    return total, virial


@njit(cache=True, nogil=True)
def chain_half(v, mass, q, p, kt, freedom, dt):
    """Half a step of the Nose-Hoover chain (Martyna et al., 1996; one Suzuki-Yoshida term)."""
    m = len(q)
    kinetic = 0.0
    for i in range(len(v)):
        kinetic += mass[i] * (v[i, 0] ** 2 + v[i, 1] ** 2 + v[i, 2] ** 2)
    for k in range(m - 1, -1, -1):
        push = (kinetic - freedom * kt) if k == 0 else p[k - 1] * p[k - 1] / q[k - 1] - kt
        if k == m - 1:
            p[k] += 0.25 * dt * push
        else:
            a = np.exp(-0.125 * dt * p[k + 1] / q[k + 1])
            p[k] = (p[k] * a + 0.25 * dt * push) * a
    scale = np.exp(-0.5 * dt * p[0] / q[0])
    v *= scale
    kinetic *= scale * scale
    for k in range(m):
        push = (kinetic - freedom * kt) if k == 0 else p[k - 1] * p[k - 1] / q[k - 1] - kt
        if k == m - 1:
            p[k] += 0.25 * dt * push
        else:
            a = np.exp(-0.125 * dt * p[k + 1] / q[k + 1])
            p[k] = (p[k] * a + 0.25 * dt * push) * a


@njit(cache=True, nogil=True)
def steps(x, v, f, built, mass, types, box, start, neighbour, energy, slope, step, skin, dt, kind, kt, friction, q, p, seed, first, count):
    """``count`` steps; returns (steps done, state): 0 done, 1 the list needs room, 2 exploded."""
    n = len(x)
    reach = step * (energy.shape[2] - 1) + skin
    c1, c2 = np.exp(-friction * dt), np.sqrt(1.0 - np.exp(-2.0 * friction * dt))
    e, w = 0.0, 0.0
    for now in range(first, first + count):
        if kind == 2:
            chain_half(v, mass, q, p, kt, 3.0 * n - 3.0, dt)
        moved, leap = 0.0, 0.0
        for i in range(n):
            h = 0.5 * dt / mass[i]
            g0, g1, g2 = 0.0, 0.0, 0.0
            if kind == 1:
                g0, g1, g2 = normals3(seed, 1, now, i)
            noise = c2 * np.sqrt(kt / mass[i])
            far, jump = 0.0, 0.0
            for d in range(3):
                g = g0 if d == 0 else (g1 if d == 1 else g2)
                v[i, d] += h * f[i, d]
                old = x[i, d]
                x[i, d] += 0.5 * dt * v[i, d]
                if kind == 1:
                    v[i, d] = c1 * v[i, d] + noise * g
                x[i, d] += 0.5 * dt * v[i, d]
                far += (x[i, d] - built[i, d]) ** 2
                jump += (x[i, d] - old) ** 2
            moved = max(moved, far)
            if not jump <= leap:
                leap = jump
        if not leap < 0.01 * reach * reach:
            return now - first, 2, 0.0, 0.0
        if moved > 0.25 * skin * skin:
            built[:] = x
            if build_list(x, box, reach, start, neighbour) > len(neighbour):
                return now - first, 1, 0.0, 0.0
        e, w = forces(x, box, types, start, neighbour, energy, slope, step, f)
        for i in range(n):
            h = 0.5 * dt / mass[i]
            for d in range(3):
                v[i, d] += h * f[i, d]
        if kind == 2:
            chain_half(v, mass, q, p, kt, 3.0 * n - 3.0, dt)
    return count, 0, e, w
