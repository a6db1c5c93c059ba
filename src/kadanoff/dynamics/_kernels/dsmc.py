"""Kernel of the stochastic particle method for the homogeneous Boltzmann equation: one collision after another.

Of n particles each pair collides at rate r |g|^a / (n - 1), a = 0 (Maxwell molecules) or 1 (hard spheres and disks).
Candidates come at the rate of the fastest pair possible and are taken with probability |g| over its speed: no time
step, no bias (majorant collision frequency; Koura, 1986; Ivanov and Rogasinsky, 1988).
"""

# mypy: ignore-errors

from __future__ import annotations

import math

import numpy as np
from numba import njit

from kadanoff.random import uniform

WAIT, PAIR, DIRECTION = 0, 1, 2  # streams of random numbers


@njit(cache=True, nogil=True)
def fastest_pair(v, mean):
    """Twice the largest speed relative to ``mean``: no two particles have a larger relative speed."""
    largest = 0.0
    for i in range(v.shape[0]):
        squared = 0.0
        for k in range(v.shape[1]):
            squared += (v[i, k] - mean[k]) ** 2
        largest = max(largest, squared)
    return 2.0 * math.sqrt(largest)


@njit(cache=True, nogil=True)
def turn(g, speed, hard, first, second):
    """Turn the relative velocity g: to any direction alike (spheres and Maxwell molecules), or as a hard disk does, for
    which the impact parameter is uniform."""
    if g.shape[0] == 3:
        cosine, angle = 2.0 * first - 1.0, 2.0 * math.pi * second
        sine = math.sqrt(1.0 - cosine * cosine)
        g[0], g[1], g[2] = speed * sine * math.cos(angle), speed * sine * math.sin(angle), speed * cosine
    elif not hard:
        angle = 2.0 * math.pi * first
        g[0], g[1] = speed * math.cos(angle), speed * math.sin(angle)
    else:
        # line of centres at the angle asin(b) from g; reflection turns g by pi + 2 asin(b)
        b = 2.0 * first - 1.0
        cosine, sine = 2.0 * b * b - 1.0, -2.0 * b * math.sqrt(1.0 - b * b)
        x, y = g[0], g[1]
        g[0], g[1] = cosine * x - sine * y, sine * x + cosine * y


@njit(cache=True, nogil=True)
def collide_until(v, mean, time, until, rate, hard, seed, step, bound):
    """Collisions of the particles v (n, d) from ``time`` to ``until``, in place.

    ``step`` counts candidates and keys their random numbers, ``bound`` is on the relative speed (1 where ``hard`` is
    False); returns (time of the last candidate, step, bound, collisions), to go on from, with the same bits.
    """
    n, d = v.shape
    g, middle = np.empty(d), np.empty(d)
    done = 0
    while True:
        if hard and step % n == 0:
            bound = fastest_pair(v, mean)
        first, chance = uniform(seed, WAIT, step, 0)
        wait = -2.0 * math.log(first) / (n * rate * bound) if bound > 0.0 else math.inf
        if time + wait > until:
            return time, step, bound, done
        time += wait
        first, second = uniform(seed, PAIR, step, 0)
        i, j = int(first * n), int(second * (n - 1))
        j += 1 if j >= i else 0
        squared = 0.0
        for k in range(d):
            g[k] = v[i, k] - v[j, k]
            squared += g[k] * g[k]
        speed = math.sqrt(squared)
        if not hard or chance * bound < speed:
            first, second = uniform(seed, DIRECTION, step, 0)
            turn(g, speed, hard, first, second)
            one, other = 0.0, 0.0
            for k in range(d):
                middle[k] = 0.5 * (v[i, k] + v[j, k])
                v[i, k], v[j, k] = middle[k] + 0.5 * g[k], middle[k] - 0.5 * g[k]
                one += (v[i, k] - mean[k]) ** 2
                other += (v[j, k] - mean[k]) ** 2
            if hard:
                bound = max(bound, 2.0 * math.sqrt(max(one, other)))
            done += 1
        step += 1
