"""Kernels of the event-driven dynamics of hard disks in a periodic square.

A disk is one line of cache, seen through two arrays on the same memory: ``disk`` (n, 8) float64 holds

    0 x, 1 y, 2 vx, 3 vy at the disk's own time 4; 5 time of its collision; 6 time at which it leaves its cell;

``link`` (n, 16) int32: 14 its partner in that collision (-1: none, look again then), 15 its cell, cx | cy << 16.
Disks move only when something happens to them (local times), and each has one event in the queue, its earliest
(Lubachevsky, 1991). A disk takes a partner only where the partner's own collision is later; who loses its partner to an
earlier collision looks again at the time of the lost one: all its other chances were later than that.

The queue is a calendar: ``heads`` (buckets,) first disk of each bucket, ``nodes`` (n, 2) next and previous disk in it
(previous of a first one: -2 - bucket; -2^31: not queued). A bucket holds a few events, searched for the earliest
(Brown, 1988; Paul, 2007). ``cells`` (m * m, 1 + room): number of disks in a cell, then the disks.
"""

# mypy: ignore-errors

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kadanoff.random import uniform

NOT_QUEUED = np.int32(-(2**31))
COLLISIONS, CROSSINGS, RENEWALS, LOGGED, BUCKET = 0, 1, 2, 3, 4  # places in ``tally``
ARRIVED, LOG_FULL, CELL_FULL = 0, 1, 2  # why `advance` came back
NO_ROOM = -2  # of a list of disks in a cell
_FAR = np.int64(1) << np.int64(52)
_ONE = np.int64(1)  # a literal 1 would compile the function it is handed to a second time


@njit(cache=True, nogil=True)
def leaves(disk, link, i, width):
    """(time, direction) at which disk i leaves its cell: 0 to +x, 1 to -x, 2 to +y, 3 to -y; infinite for one at
    rest."""
    cell = link[i, 15]
    vx, vy = disk[i, 2], disk[i, 3]
    first, second = math.inf, math.inf
    a, b = 0, 2
    if vx > 0.0:
        first = (((cell & 0xFFFF) + 1) * width - disk[i, 0]) / vx
    elif vx < 0.0:
        first, a = ((cell & 0xFFFF) * width - disk[i, 0]) / vx, 1
    if vy > 0.0:
        second = (((cell >> 16) + 1) * width - disk[i, 1]) / vy
    elif vy < 0.0:
        second, b = ((cell >> 16) * width - disk[i, 1]) / vy, 3
    # rounding may have put the disk a trifle outside: it leaves now, not in the past
    if first <= second:
        return disk[i, 4] + max(first, 0.0), a
    return disk[i, 4] + max(second, 0.0), b


@njit(cache=True, nogil=True)
def enqueue(disk, heads, nodes, i, rate):
    when = min(disk[i, 5], disk[i, 6])
    if when == math.inf:
        nodes[i, 1] = NOT_QUEUED
        return
    bucket = np.int32(np.int64(min(when * rate, np.float64(_FAR))) & np.int64(heads.shape[0] - 1))
    after = heads[bucket]
    nodes[i, 0] = after
    nodes[i, 1] = -2 - bucket
    if after >= 0:
        nodes[after, 1] = i
    heads[bucket] = i


@njit(cache=True, nogil=True)
def dequeue(heads, nodes, i):
    before, after = nodes[i, 1], nodes[i, 0]
    if before == NOT_QUEUED:
        return
    if before >= 0:
        nodes[before, 0] = after
    else:
        heads[-2 - before] = after
    if after >= 0:
        nodes[after, 1] = before
    nodes[i, 1] = NOT_QUEUED


@njit(cache=True, nogil=True)
def search(disk, link, cells, i, left, right, down, up, edge, squared, m):
    """The earliest collision of disk i, at its own time, with disks of the cells left..right, down..up around its own:
    (time, partner), earlier than the collision that either has."""
    x, y, vx, vy, now = disk[i, 0], disk[i, 1], disk[i, 2], disk[i, 3], disk[i, 4]
    earliest, partner = disk[i, 5], -1
    cx, cy = link[i, 15] & 0xFFFF, link[i, 15] >> 16
    for dy in range(down, up + 1):
        row, shift_y = cy + dy, 0.0
        if row < 0:
            row, shift_y = row + m, -edge
        elif row >= m:
            row, shift_y = row - m, edge
        for dx in range(left, right + 1):
            column, shift_x = cx + dx, 0.0
            if column < 0:
                column, shift_x = column + m, -edge
            elif column >= m:
                column, shift_x = column - m, edge
            c = row * m + column
            for slot in range(1, cells[c, 0] + 1):
                j = np.int64(cells[c, slot])
                if j == i:
                    continue
                lag = now - disk[j, 4]
                gx, gy = disk[j, 2] - vx, disk[j, 3] - vy
                rx = disk[j, 0] + disk[j, 2] * lag + shift_x - x
                ry = disk[j, 1] + disk[j, 3] * lag + shift_y - y
                b = rx * gx + ry * gy
                if b >= 0.0:
                    continue
                excess = rx * rx + ry * ry - squared
                root = b * b - (gx * gx + gy * gy) * excess
                if root <= 0.0:
                    continue
                # touching or overlapping by rounding: they collide now
                when = now + max(excess / (math.sqrt(root) - b), 0.0)
                if when < earliest and when < disk[j, 5]:
                    earliest, partner = when, j
    return earliest, partner


@njit(cache=True, nogil=True)
def engage(disk, link, heads, nodes, i, j, when, rate, queued):
    """Disks i and j will collide at ``when``; the partners they had look again at the times these collisions had."""
    for one in (i, j):
        lost = link[one, 14]
        if lost >= 0:
            link[lost, 14] = -1
    for one, other in ((i, j), (j, i)):
        sooner = when < disk[one, 6]
        disk[one, 5] = when
        link[one, 14] = other
        # most disks leave their cell before they collide: their place in the queue stays
        if queued and (sooner or nodes[one, 1] == NOT_QUEUED):
            dequeue(heads, nodes, one)
            enqueue(disk, heads, nodes, one, rate)


@njit(cache=True, nogil=True)
def renew(disk, link, cells, heads, nodes, i, edge, squared, m, rate):
    """Disk i looks all around for a partner and is queued."""
    dequeue(heads, nodes, i)
    earliest, partner = search(disk, link, cells, i, -_ONE, _ONE, -_ONE, _ONE, edge, squared, m)
    if partner >= 0:
        engage(disk, link, heads, nodes, i, partner, earliest, rate, True)
    else:
        enqueue(disk, heads, nodes, i, rate)


@njit(cache=True, nogil=True)
def build(disk, link, cells, heads, nodes, edge, squared, m, rate):
    """Cells, first events and queue of disks whose place, velocity and time 0 are set; False where a cell is too
    small."""
    width = edge / m
    cells[:, 0] = 0
    heads[:] = -1
    for i in range(disk.shape[0]):
        cx, cy = min(m - 1, int(disk[i, 0] / width)), min(m - 1, int(disk[i, 1] / width))
        c = cy * m + cx
        if cells[c, 0] + 1 >= cells.shape[1]:
            return False
        cells[c, 0] += 1
        cells[c, cells[c, 0]] = i
        link[i, 14], link[i, 15] = -1, cx | (cy << 16)
        disk[i, 4], disk[i, 5] = 0.0, math.inf
        disk[i, 6], _ = leaves(disk, link, i, width)
    for i in range(disk.shape[0]):
        earliest, partner = search(disk, link, cells, i, -_ONE, _ONE, -_ONE, _ONE, edge, squared, m)
        if partner >= 0:
            engage(disk, link, heads, nodes, i, partner, earliest, rate, False)
    for i in range(disk.shape[0]):
        enqueue(disk, heads, nodes, i, rate)
    return True


@njit(cache=True, nogil=True)
def move(disk, i, now):
    lag = now - disk[i, 4]
    disk[i, 0] += disk[i, 2] * lag
    disk[i, 1] += disk[i, 3] * lag
    disk[i, 4] = now


@njit(cache=True, nogil=True)
def cross(disk, link, cells, heads, nodes, i, edge, squared, m, rate):
    """Disk i, not queued, goes to the next cell and looks for partners in the three cells new to it; False where the
    cell is full (nothing is changed)."""
    width = edge / m
    now, direction = leaves(disk, link, i, width)
    cx, cy = link[i, 15] & 0xFFFF, link[i, 15] >> 16
    old = cy * m + cx
    shift_x, shift_y = 0.0, 0.0
    left, right, down, up = -1, 1, -1, 1
    if direction == 0:
        cx, left = cx + 1, 1
        if cx == m:
            cx, shift_x = 0, -edge
    elif direction == 1:
        cx, right = cx - 1, -1
        if cx < 0:
            cx, shift_x = m - 1, edge
    elif direction == 2:
        cy, down = cy + 1, 1
        if cy == m:
            cy, shift_y = 0, -edge
    else:
        cy, up = cy - 1, -1
        if cy < 0:
            cy, shift_y = m - 1, edge
    new = cy * m + cx
    if cells[new, 0] + 1 >= cells.shape[1]:
        return False
    slot = 1
    while cells[old, slot] != i:
        slot += 1
    cells[old, slot] = cells[old, cells[old, 0]]
    cells[old, 0] -= 1
    cells[new, 0] += 1
    cells[new, cells[new, 0]] = i
    move(disk, i, now)
    disk[i, 0] += shift_x
    disk[i, 1] += shift_y
    link[i, 15] = cx | (cy << 16)
    disk[i, 6], _ = leaves(disk, link, i, width)
    earliest, partner = search(disk, link, cells, i, left, right, down, up, edge, squared, m)
    if partner >= 0:
        engage(disk, link, heads, nodes, i, partner, earliest, rate, True)
    else:
        enqueue(disk, heads, nodes, i, rate)
    return True


@njit(cache=True, nogil=True)
def collide(disk, i, j, edge, diameter):
    """Equal disks exchange the components of velocity along the line of centres k; returns their speed of approach."""
    rx, ry = disk[j, 0] - disk[i, 0], disk[j, 1] - disk[i, 1]
    rx -= edge * math.floor(rx / edge + 0.5)
    ry -= edge * math.floor(ry / edge + 0.5)
    distance = math.sqrt(rx * rx + ry * ry)
    kx, ky = rx / distance, ry / distance
    approach = (disk[i, 2] - disk[j, 2]) * kx + (disk[i, 3] - disk[j, 3]) * ky
    disk[i, 2] -= approach * kx
    disk[i, 3] -= approach * ky
    disk[j, 2] += approach * kx
    disk[j, 3] += approach * ky
    return approach


@njit(cache=True, nogil=True)
def advance(disk, link, cells, heads, nodes, virial, tally, pairs, log, until, edge, diameter, m, rate):
    """Let all events up to ``until`` happen.

    ``pairs`` (room, 2) and ``log`` (room, 9) take the collisions, if they have any rows: the two disks; time, their
    velocities before, then after. Returns ARRIVED, LOG_FULL or CELL_FULL; what was done so far is whole.
    """
    squared = diameter * diameter
    mask = np.int64(heads.shape[0] - 1)
    bucket, now = tally[BUCKET], -math.inf
    while True:
        chosen, when = -1, math.inf
        other = heads[bucket & mask]
        while other >= 0:
            time = min(disk[other, 5], disk[other, 6])
            # a bucket also holds events of later years of the calendar
            if time < when and np.int64(min(time * rate, np.float64(_FAR))) <= bucket:
                chosen, when = other, time
                if time == now:
                    break  # none is earlier: many at one time are no search of all for each
            other = nodes[other, 0]
        if chosen < 0:
            if (bucket + 1) / rate > until:
                break
            bucket += 1
            continue
        if when > until:
            break
        i, now = np.int64(chosen), when
        if disk[i, 5] > disk[i, 6]:
            dequeue(heads, nodes, i)
            if not cross(disk, link, cells, heads, nodes, i, edge, squared, m, rate):
                enqueue(disk, heads, nodes, i, rate)
                tally[BUCKET] = bucket
                return CELL_FULL
            tally[CROSSINGS] += 1
            continue
        j = np.int64(link[i, 14])
        if j < 0:
            dequeue(heads, nodes, i)
            move(disk, i, when)
            disk[i, 5] = math.inf
            disk[i, 6], _ = leaves(disk, link, i, edge / m)
            renew(disk, link, cells, heads, nodes, i, edge, squared, m, rate)
            tally[RENEWALS] += 1
            continue
        entry = tally[LOGGED]
        if pairs.shape[0] > 0 and entry == pairs.shape[0]:
            tally[BUCKET] = bucket
            return LOG_FULL
        dequeue(heads, nodes, i)
        dequeue(heads, nodes, j)
        move(disk, i, when)
        move(disk, j, when)
        if pairs.shape[0] > 0:
            pairs[entry, 0], pairs[entry, 1] = i, j
            log[entry, 0] = when
            for k in range(2):
                log[entry, 1 + k], log[entry, 3 + k] = disk[i, 2 + k], disk[j, 2 + k]
        virial[0] += diameter * collide(disk, i, j, edge, diameter)
        if pairs.shape[0] > 0:
            for k in range(2):
                log[entry, 5 + k], log[entry, 7 + k] = disk[i, 2 + k], disk[j, 2 + k]
            tally[LOGGED] += 1
        tally[COLLISIONS] += 1
        for one in (i, j):
            disk[one, 5] = math.inf
            link[one, 14] = -1
            disk[one, 6], _ = leaves(disk, link, one, edge / m)
        for one in (i, j):
            renew(disk, link, cells, heads, nodes, one, edge, squared, m, rate)
    tally[BUCKET] = bucket
    return ARRIVED


@njit(cache=True, nogil=True)
def closest(x, cells, edge, m):
    """(squared distance, i, j) of the closest pair among neighbouring cells; fills ``cells``, lists of disks (m * m,
    1 + room). Infinite where no two are neighbours; i = NO_ROOM where a cell is too small."""
    width = edge / m
    cells[:, 0] = 0
    for i in range(x.shape[0]):
        c = min(m - 1, int(x[i, 1] / width)) * m + min(m - 1, int(x[i, 0] / width))
        if cells[c, 0] + 1 >= cells.shape[1]:
            return math.inf, NO_ROOM, NO_ROOM
        cells[c, 0] += 1
        cells[c, cells[c, 0]] = i
    least, first, second = math.inf, -1, -1
    for i in range(x.shape[0]):
        found, j = nearest(x, cells, x[i, 0], x[i, 1], i, edge, m)
        if found < least:
            least, first, second = found, i, j
    return least, first, second


@njit(cache=True, nogil=True)
def nearest(x, cells, px, py, skip, edge, m):
    """(squared distance, index) of the disk in the nine cells around the point (px, py) that is closest to it."""
    width = edge / m
    cx, cy = min(m - 1, int(px / width)), min(m - 1, int(py / width))
    least, which = math.inf, -1
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            c = ((cy + dy) % m) * m + (cx + dx) % m
            for slot in range(1, cells[c, 0] + 1):
                j = cells[c, slot]
                if j == skip:
                    continue
                rx, ry = x[j, 0] - px, x[j, 1] - py
                rx -= edge * math.floor(rx / edge + 0.5)
                ry -= edge * math.floor(ry / edge + 0.5)
                if rx * rx + ry * ry < least:
                    least, which = rx * rx + ry * ry, j
    return least, which


@njit(cache=True, nogil=True)
def insert(x, cells, edge, diameter, m, seed, stream, most):
    """Random sequential insertion: disks (n, 2) one by one at random places that are free; returns how many found one
    within ``most`` tries in a row, or NO_ROOM."""
    width = edge / m
    cells[:, 0] = 0
    tries = 0
    for i in range(x.shape[0]):
        failed = 0
        while True:
            first, second = uniform(seed, stream, tries, 0)
            tries += 1
            px, py = first * edge, second * edge
            found, _ = nearest(x, cells, px, py, -_ONE, edge, m)
            if found >= diameter * diameter:
                break
            failed += 1
            if failed == most:
                return i
        c = min(m - 1, int(py / width)) * m + min(m - 1, int(px / width))
        if cells[c, 0] + 1 >= cells.shape[1]:
            return NO_ROOM
        cells[c, 0] += 1
        cells[c, cells[c, 0]] = i
        x[i, 0], x[i, 1] = px, py
    return x.shape[0]
