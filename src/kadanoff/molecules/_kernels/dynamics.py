"""Kernels of the bead engine: forces from tables, integrators, and the loop over steps that several threads walk
together.

The work is cut into chunks of blocks whose number depends on the system alone. Each chunk adds its pair forces into a
buffer of its own; the buffers are added up in the order of the chunks. So the number of threads changes no bit.

Legend of ``advance``: x, v, f flat padded coordinates (nm), velocities (nm/ps) and forces (kJ/mol/nm), in sorted
order; u 32-bit fractions of the box; g force buffers of the chunks; t bead's offset into the tables; m mass."""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

import sys

import numpy as np
from numba import njit, types

from kadanoff.molecules._kernels.lanes import (
    WIDTH,
    add_atomic,
    bits,
    from_bits,
    iota,
    largest,
    least,
    less,
    line_at,
    load,
    load_atomic,
    masked,
    spread,
    store,
    to_double,
    to_float,
    total,
)
from kadanoff.molecules._kernels.many_body import many_forces
from kadanoff.molecules._kernels.many_body_exact import exact_many_forces
from kadanoff.molecules._kernels.near_beads import list_near, touched
from kadanoff.molecules._kernels.neighbours import TURN, bound, list_rows, order
from kadanoff.random import normal3

_give_way = types.ExternalFunction("SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32())

DONE, ROOM, EXPLODED, CROWD = 0, 1, 2, 3  # how `advance` ends; ROOM and CROWD: a list is too short
STEP, FRAME, MODE, BUILDS, WORST = 0, 1, 2, 3, 4  # its counters
AFRESH = 2  # MODE: the forces of the start are missing; 1: the middle of a step, the list is missing; 0: between steps
NVE, LANGEVIN, CHAIN = 0, 1, 2


@njit(nogil=True)
def wait(sync, goal):
    """Barrier: returns when ``goal`` arrivals have been counted."""
    now = add_atomic(sync, 1)
    spins = 0
    while now < goal:
        now = load_atomic(sync)
        spins += 1
        if spins > 200:
            _give_way()


@njit(nogil=True)
def pair_forces(first, last, u, n, pad, box, t, types_, base, shift, low, high, table, rows, filled, g):
    """Mixed precision: F/r piecewise linear in r^2, in float32, added to the flat buffer ``g``."""
    s0 = spread(np.float32((box[0] / TURN) ** 2))
    s1 = spread(np.float32((box[1] / TURN) ** 2))
    s2 = spread(np.float32((box[2] / TURN) ** 2))
    lowest, highest = spread(np.float32(low)), spread(np.float32(high))
    places, keep = spread(np.int32(shift)), spread(np.int32(-1 << shift))
    zero = spread(np.float32(0.0))
    for i in range(first * WIDTH, min(n, last * WIDTH)):
        x, y, z = spread(u[i]), spread(u[pad + i]), spread(u[2 * pad + i])
        start = spread(np.int32(t[i] * (types_ + 1) - base))
        ax, ay, az = zero, zero, zero
        for c in range(filled[i]):
            j = rows[i, c]
            dx, dy, dz = to_float(load(u, j) - x), to_float(load(u, pad + j) - y), to_float(load(u, 2 * pad + j) - z)
            s = least(largest(dx * dx * s0 + dy * dy * s1 + dz * dz * s2, lowest), highest)
            b = bits(s)
            w = line_at(table, (b >> places) + start + load(t, j), s - from_bits(b & keep))
            dx, dy, dz = w * dx, w * dy, w * dz
            ax, ay, az = ax + dx, ay + dy, az + dz
            if c > 0:  # inside a block both sides of a pair are visited
                store(g, j, load(g, j) + dx)
                store(g, pad + j, load(g, pad + j) + dy)
                store(g, 2 * pad + j, load(g, 2 * pad + j) + dz)
        g[i] -= total(ax)
        g[pad + i] -= total(ay)
        g[2 * pad + i] -= total(az)


@njit(nogil=True)
def pair_energy(first, last, u, n, pad, box, t, types_, base, shift, low, high, table, integral, rows, filled):
    """Energy and virial of the same interpolant, U = U_k - (w_k t + w'_k t^2 / 2) / 2, summed in float64."""
    s0 = spread(np.float32((box[0] / TURN) ** 2))
    s1 = spread(np.float32((box[1] / TURN) ** 2))
    s2 = spread(np.float32((box[2] / TURN) ** 2))
    lowest, highest = spread(np.float32(low)), spread(np.float32(high))
    places, keep = spread(np.int32(shift)), spread(np.int32(-1 << shift))
    half = spread(np.float32(-0.5))
    energy, virial = spread(0.0), spread(0.0)
    for i in range(first * WIDTH, min(n, last * WIDTH)):
        x, y, z = spread(u[i]), spread(u[pad + i]), spread(u[2 * pad + i])
        start = spread(np.int32(t[i] * (types_ + 1) - base))
        for c in range(filled[i]):
            j = rows[i, c]
            dx, dy, dz = to_float(load(u, j) - x), to_float(load(u, pad + j) - y), to_float(load(u, 2 * pad + j) - z)
            s = dx * dx * s0 + dy * dy * s1 + dz * dz * s2
            inside = least(largest(s, lowest), highest)
            b = bits(inside)
            k = (b >> places) + start + load(t, j)
            w = line_at(table, k, inside - from_bits(b & keep))
            mean = line_at(table, k, (from_bits(b & keep) - inside) * half)  # the line at t/2
            e = line_at(integral, k, spread(np.float32(0.0))) + half * mean * (inside - from_bits(b & keep))
            e = e + half * w * (s - inside)  # below the table w is constant; beyond it is zero
            every = np.uint32(255) if c > 0 else less(spread(np.int32(i - rows[i, 0])), iota())
            energy = energy + to_double(masked(every, e))
            virial = virial + to_double(masked(every, w * s))
    return total(energy), total(virial)


@njit(nogil=True)
def exact_forces(first, last, x, n, pad, box, t, span, energy, slope, step, rows, filled, g):
    """Double precision: the cubic Hermite interpolant of the tables; adds forces to ``g``, returns energy and
    virial."""
    nodes = energy.shape[2] - 1
    cutoff = step * nodes
    sum_energy, sum_virial = 0.0, 0.0
    for i in range(first * WIDTH, min(n, last * WIDTH)):
        for c in range(filled[i]):
            begin = rows[i, c]
            for j in range(i + 1 if c == 0 else begin, min(n, begin + WIDTH)):
                dx, dy, dz = x[i] - x[j], x[pad + i] - x[pad + j], x[2 * pad + i] - x[2 * pad + j]
                dx -= box[0] * np.rint(dx / box[0])
                dy -= box[1] * np.rint(dy / box[1])
                dz -= box[2] * np.rint(dz / box[2])
                s = dx * dx + dy * dy + dz * dz
                if s >= cutoff * cutoff:
                    continue
                r = np.sqrt(s)
                k = min(int(r / step), nodes - 1)
                a = r / step - k
                u, v = energy[t[i] // span, t[j] // span], slope[t[i] // span, t[j] // span]
                v0, v1, du = v[k] * step, v[k + 1] * step, u[k + 1] - u[k]
                c2, c3 = 3 * du - 2 * v0 - v1, v0 + v1 - 2 * du
                sum_energy += u[k] + a * (v0 + a * (c2 + a * c3))
                force = -(v0 + a * (2 * c2 + 3 * a * c3)) / step
                sum_virial += force * r
                w = force / r if r > 0 else 0.0
                g[i] += w * dx
                g[pad + i] += w * dy
                g[2 * pad + i] += w * dz
                g[j] -= w * dx
                g[pad + j] -= w * dy
                g[2 * pad + j] -= w * dz
    return sum_energy, sum_virial


@njit(nogil=True)
def chain_half(kinetic, chain, weights, kt, freedom, dt):
    """Half a step of a Nose-Hoover chain, third-order Suzuki-Yoshida; returns the factor of the velocities.

    ``kinetic`` is twice the kinetic energy; ``chain`` momenta, ``weights`` masses of the chain. Source: Martyna,
    Tuckerman, Tobias & Klein, Mol. Phys. 87, 1117 (1996)."""
    scale, last = 1.0, len(chain) - 1
    for part in (1.3512071919596578, -1.7024143839193153, 1.3512071919596578):
        h = 0.5 * part * dt
        for turn in range(2):
            for step in range(last + 1):
                k = last - step if turn == 0 else step
                push = kinetic - freedom * kt if k == 0 else chain[k - 1] * chain[k - 1] / weights[k - 1] - kt
                damp = 1.0 if k == last else np.exp(-0.25 * h * chain[k + 1] / weights[k + 1])
                chain[k] = (chain[k] * damp + 0.5 * h * push) * damp
            if turn == 0:
                factor = np.exp(-h * chain[0] / weights[0])
                scale *= factor
                kinetic *= factor * factor
    return scale


@njit(nogil=True)
def move(low, high, pad, step, seed, kind, dt, kt, friction, box, x, v, f, m, u, built, identity, noise, furthest):
    """First half kick, drift with noise in its middle, fractions of the box; returns the largest displacement^2 and
    how many are wild."""
    h, c1 = 0.5 * dt, 1.0
    if kind == LANGEVIN:
        c1 = np.exp(-friction * dt)
        for i in range(low, high):
            noise[i], noise[pad + i], noise[2 * pad + i] = normal3(seed, 1, step, identity[i])
    for d in range(3):
        o, turn = d * pad, TURN / box[d]
        for i in range(o + low, o + high):
            w = v[i] + h * f[i] / m[i - o]
            a = x[i] + h * w
            if kind == LANGEVIN:
                w = c1 * w + np.sqrt((1.0 - c1 * c1) * kt / m[i - o]) * noise[i]
            a += h * w
            v[i] = w
            x[i] = a
            u[i] = np.int32(np.int64(a * turn))
    moved, wild, fastest = 0.0, 0, (furthest / dt) ** 2
    for i in range(low, high):
        moved = max(
            moved,
            (x[i] - built[i]) ** 2 + (x[pad + i] - built[pad + i]) ** 2 + (x[2 * pad + i] - built[2 * pad + i]) ** 2,
        )
        wild += (
            0 if v[i] ** 2 + v[pad + i] ** 2 + v[2 * pad + i] ** 2 < fastest else 1
        )  # counts what is not a number, too
    return moved, wild


@njit(nogil=True)
def permute(array, first, n, places, spare):
    """array[first + i] = array[first + places[i]] for n beads."""
    for i in range(n):
        spare[i] = array[first + places[i]]
    for i in range(n):
        array[first + i] = spare[i]


@njit(nogil=True)
def settle(n, pad, box, x, v, m, t, identity, u, built, places, spare, spare_int, middle, half):
    """Wrap and sort all beads, and bound their blocks."""
    for d in range(3):
        for i in range(d * pad, d * pad + n):
            x[i] -= np.floor(x[i] / box[d]) * box[d]
            if x[i] >= box[d]:
                x[i] = 0.0
    order(x, n, pad, box, places)
    for d in range(3):
        permute(x, d * pad, n, places, spare)
        permute(v, d * pad, n, places, spare)
        for i in range(d * pad, d * pad + n):
            u[i] = np.int32(np.int64(x[i] * (TURN / box[d])))
            built[i] = x[i]
    permute(m, 0, n, places, spare)
    permute(t, 0, n, places, spare_int)
    permute(identity, 0, n, places, spare_int)
    bound(x, n, pad, box, middle, half)


@njit(cache=True, nogil=True)
def advance(
    thread, threads, sync, counters, until, every, exact, n, pad, chunks, box, reach, skin, dt, kind, kt, friction,
    freedom, seed, x, v, f, m, t, identity, u, built, g, g_exact, noise, chains, weights, places, spare, spare_int,
    middle, half, rows, filled, far, sums, types_, span, base, shift, low, high, table, integral, energy, slope,
    step_r, out_x, out_v, out_values, bodies, weigh,
):  # fmt: skip
    """Walk to step ``until`` and record each ``every``-th; every thread calls this with its number. Returns how it
    ended.

    ``bodies``: terms beyond pairs; None compiles a loop that knows nothing of them. ``weigh``: energy and virial of the
    last step are wanted, recorded or not.

    ``sums`` (6, chunks) of each chunk: displacement^2, wild beads, twice the kinetic energy, energy, virial; and,
    first in the last row, twice the kinetic energy of all."""
    blocks = pad // WIDTH
    step, frame, mode = counters[STEP], counters[FRAME], counters[MODE]
    chain = chains[thread]
    goal = 0
    kinetic = sums[5, 0]
    furthest = 0.25 * reach
    if bodies is not None:
        furthest = max(furthest, 0.25 * bodies.reach)
    while True:
        rebuild = mode != 0
        if mode == 0:
            if step >= until:
                break
            if kind == CHAIN:
                scale = chain_half(kinetic, chain, weights, kt, freedom, dt)
            for c in range(thread, chunks, threads):
                begin, end = c * blocks // chunks * WIDTH, min(n, (c + 1) * blocks // chunks * WIDTH)
                if kind == CHAIN:
                    for d in range(3):
                        for i in range(d * pad + begin, d * pad + end):
                            v[i] *= scale
                sums[0, c], sums[1, c] = move(
                    begin, end, pad, step, seed, kind, dt, kt, friction, box, x, v, f, m, u, built, identity, noise,
                    furthest,
                )  # fmt: skip
            if threads > 1:
                goal += threads
                wait(sync, goal)
            moved, wild = 0.0, 0.0
            for c in range(chunks):
                moved = max(moved, sums[0, c])
                wild += sums[1, c]
            rebuild = moved > 0.25 * skin * skin
            if wild > 0:
                if thread == 0:
                    counters[STEP], counters[FRAME] = step, frame
                return EXPLODED
        if rebuild:
            if thread == 0:
                settle(n, pad, box, x, v, m, t, identity, u, built, places, spare, spare_int, middle, half)
                counters[BUILDS] += 1
            if threads > 1:
                goal += threads
                wait(sync, goal)
            for c in range(thread, chunks, threads):
                fits, farthest = list_rows(
                    c * blocks // chunks,
                    (c + 1) * blocks // chunks,
                    u,
                    n,
                    pad,
                    box,
                    reach + skin,
                    middle,
                    half,
                    rows,
                    filled,
                )
                far[c] = farthest if fits else -1
                if bodies is not None:
                    fits, back, ahead = list_near(
                        c * blocks // chunks, (c + 1) * blocks // chunks, u, n, pad, box, bodies.reach + skin, middle,
                        half, bodies.near, bodies.count,
                    )  # fmt: skip
                    bodies.back[c], bodies.ahead[c] = back if fits else -1, ahead
            if threads > 1:
                goal += threads
                wait(sync, goal)
            for c in range(chunks):
                if far[c] < 0:
                    if thread == 0:
                        counters[STEP], counters[FRAME], counters[MODE] = step, frame, max(mode, 1)
                    return ROOM
            if bodies is not None:
                for c in range(chunks):
                    if bodies.back[c] < 0:
                        if thread == 0:
                            counters[STEP], counters[FRAME], counters[MODE] = step, frame, max(mode, 1)
                        return CROWD
        for c in range(thread, chunks, threads):
            begin, end = c * blocks // chunks, (c + 1) * blocks // chunks
            reached = min(blocks, end - begin + far[c])
            for d in range(3):
                for lap in range(2):
                    one, two = max(0, begin - lap * blocks) * WIDTH, min(blocks, begin - lap * blocks + reached) * WIDTH
                    for i in range(d * pad + one, d * pad + two):
                        if exact:
                            g_exact[c, i] = 0.0
                        else:
                            g[c, i] = np.float32(0.0)
            if exact:
                sums[3, c], sums[4, c] = exact_forces(
                    begin, end, x, n, pad, box, t, span, energy, slope, step_r, rows, filled, g_exact[c]
                )
            else:
                pair_forces(begin, end, u, n, pad, box, t, types_, base, shift, low, high, table, rows, filled, g[c])
            if bodies is not None:
                from_, number = touched(c, chunks, blocks, bodies.back[c], bodies.ahead[c])
                for d in range(3):
                    for lap in range(2):
                        one = max(0, from_ - lap * blocks) * WIDTH
                        for i in range(d * pad + one, d * pad + min(blocks, from_ - lap * blocks + number) * WIDTH):
                            if exact:
                                bodies.g_exact[c, i] = 0.0
                            else:
                                bodies.g[c, i] = np.float32(0.0)
                if exact:
                    bodies.sums[0, c], bodies.sums[1, c] = exact_many_forces(
                        begin, end, x, n, pad, box, t, span, bodies, bodies.g_exact[c]
                    )
                    sums[3, c] += bodies.sums[0, c]
                    sums[4, c] += bodies.sums[1, c]
                else:
                    bodies.sums[0, c], bodies.sums[1, c] = many_forces(
                        begin, end, u, n, pad, box, t, span, bodies, bodies.g[c]
                    )
        if threads > 1:
            goal += threads
            wait(sync, goal)
        record = mode != 2 and (step + 1) % every == 0
        measure = record or mode == 2 or (weigh and step + 1 == until)
        for c in range(thread, chunks, threads):
            begin, end = c * blocks // chunks, (c + 1) * blocks // chunks
            a, b = begin * WIDTH, min(n, end * WIDTH)
            for d in range(3):
                o = d * pad
                for i in range(o + a, o + b):
                    f[i] = 0.0
                for k in range(chunks):
                    first = k * blocks // chunks
                    reached = min(blocks, (k + 1) * blocks // chunks - first + far[k])
                    # the buffer of chunk k holds blocks first .. first + reached - 1 around the ring
                    for lap in range(2):
                        p = max(a, (first - lap * blocks) * WIDTH)
                        q = min(b, (first - lap * blocks + reached) * WIDTH)
                        if exact:
                            for i in range(o + p, o + q):
                                f[i] += g_exact[k, i]
                        else:
                            for i in range(o + p, o + q):
                                f[i] += box[d] / TURN * g[k, i]
                if bodies is not None:
                    for k in range(chunks):
                        from_, number = touched(k, chunks, blocks, bodies.back[k], bodies.ahead[k])
                        for lap in range(2):
                            p = max(a, (from_ - lap * blocks) * WIDTH)
                            q = min(b, (from_ - lap * blocks + number) * WIDTH)
                            if exact:
                                for i in range(o + p, o + q):
                                    f[i] += bodies.g_exact[k, i]
                            else:
                                for i in range(o + p, o + q):
                                    f[i] += bodies.g[k, i]
                if mode != 2:
                    for i in range(o + a, o + b):
                        v[i] += 0.5 * dt * f[i] / m[i - o]
            twice = 0.0
            if kind == CHAIN or record:
                for i in range(a, b):
                    twice += m[i] * (v[i] ** 2 + v[pad + i] ** 2 + v[2 * pad + i] ** 2)
            sums[2, c] = twice
            if measure and not exact:
                sums[3, c], sums[4, c] = pair_energy(
                    begin, end, u, n, pad, box, t, types_, base, shift, low, high, table, integral, rows, filled
                )
                if bodies is not None:
                    sums[3, c] += bodies.sums[0, c]
                    sums[4, c] += bodies.sums[1, c]
        if threads > 1 and (kind == CHAIN or measure):
            goal += threads
            wait(sync, goal)
        if mode == 2:
            mode = 0
            kinetic = 0.0
            for c in range(chunks):
                kinetic += sums[2, c]
            continue
        mode = 0
        step += 1
        if kind == CHAIN:
            kinetic = 0.0
            for c in range(chunks):
                kinetic += sums[2, c]
            scale = chain_half(kinetic, chain, weights, kt, freedom, dt)
            kinetic *= scale * scale
            for c in range(thread, chunks, threads):
                a, b = c * blocks // chunks * WIDTH, min(n, (c + 1) * blocks // chunks * WIDTH)
                for d in range(3):
                    for i in range(d * pad + a, d * pad + b):
                        v[i] *= scale
        if record:
            for c in range(thread, chunks, threads):
                for i in range(c * blocks // chunks * WIDTH, min(n, (c + 1) * blocks // chunks * WIDTH)):
                    for d in range(3):
                        a = x[d * pad + i] - np.floor(x[d * pad + i] / box[d]) * box[d]
                        out_x[frame, identity[i], d] = a if a < box[d] else 0.0
                        out_v[frame, identity[i], d] = v[d * pad + i]
            if thread == 0:
                out_values[0, frame], out_values[1, frame] = 0.0, 0.0
                for c in range(chunks):
                    out_values[0, frame] += sums[3, c]
                    out_values[1, frame] += sums[4, c]
            if threads > 1:
                goal += threads
                wait(sync, goal)
            frame += 1
    if thread == 0:
        counters[STEP], counters[FRAME], counters[MODE] = step, frame, 0
        sums[5, 0] = kinetic
    return DONE
