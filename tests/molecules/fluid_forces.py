"""A fluid and exact forces on it by plain sums, for the tests of many-body force matching."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np

from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.local_density import weight

CUTOFF = 2.5
HEIGHT, COSINE, REACH, DECAY = 40.0, -1.0 / 3.0, 1.6, 0.9  # of the Stillinger-Weber term


def lennard_jones(r, sigma=1.0):
    """Force, shifted to zero at the cut-off."""
    force = lambda x: 24.0 / sigma * (2.0 * (sigma / x) ** 13 - (sigma / x) ** 7)  # noqa: E731
    return np.where(r < CUTOFF, force(np.asarray(r, float)) - force(CUTOFF), 0.0)


def apart(positions, box):
    """Unit vectors from i to j (n, n, 3) and distances, infinite for i = j."""
    d = positions[None] - positions[:, None]
    d -= box * np.rint(d / box)
    r = np.sqrt((d**2).sum(-1))
    np.fill_diagonal(r, np.inf)
    return d / r[..., None], r


def pair_part(u, r, types=None, sigmas=((1.0, 0.95), (0.95, 0.9))):
    if types is None:
        return -np.einsum("ij,ijd->id", lennard_jones(r), u)
    force = np.zeros_like(r)
    for a, b in product((0, 1), (0, 1)):
        force += np.where((types[:, None] == a) & (types == b), lennard_jones(r, sigmas[a][b]), 0.0)
    return -np.einsum("ij,ijd->id", force, u)


def angular_part(u, r):
    """Forces of U = sum h(cos) e e with h = HEIGHT (cos - COSINE)^2: plain sums over ordered pairs of neighbours."""
    gap = np.where(r < REACH, r - REACH, -1.0)
    e = np.where(r < REACH, np.exp(DECAY / gap), 0.0)
    de = np.where(r < REACH, -DECAY / gap**2, 0.0) * e
    x = np.einsum("ijd,ikd->ijk", u, u)
    other = e[:, None, :] * ~np.eye(len(r), dtype=bool)
    h, slope = HEIGHT * (x - COSINE) ** 2, 2.0 * HEIGHT * (x - COSINE)
    turn = np.einsum("ijk,ikd->ijd", slope * other, u) - np.einsum("ijk,ijk->ij", slope * x, other)[..., None] * u
    on_j = -((e / r)[..., None] * turn + (de * np.einsum("ijk,ijk->ij", h, other))[..., None] * u)
    return on_j.sum(axis=0) - on_j.sum(axis=1)


def density_part(u, r, slope, outer):
    w, dw = weight(r, 0.3, outer)
    push = slope(w.sum(axis=1))
    return np.einsum("ij,ijd->id", (push[:, None] + push[None]) * dw, u)


@cache
def make_fluid():
    """A Lennard-Jones fluid of density 0.7 at kT = 1, plain Langevin: 30 frames of 100 beads."""
    rng = np.random.default_rng(5)
    n, number, every, dt = 100, 30, 20, 0.005
    box = np.full(3, (n / 0.7) ** (1.0 / 3.0))
    x = (np.array(list(product(range(5), range(5), range(4)))) + 0.5) / (5, 5, 4) * box
    v, keep = rng.normal(size=x.shape), np.exp(-2.0 * dt)
    f = pair_part(*apart(x, box))
    positions = []
    for step in range(every * (number + 10)):
        v += 0.5 * dt * f
        x = x + 0.5 * dt * v
        v = keep * v + np.sqrt(1.0 - keep**2) * rng.normal(size=x.shape)
        x = x + 0.5 * dt * v
        f = pair_part(*apart(x, box))
        v += 0.5 * dt * f
        if step >= 10 * every and step % every == 0:
            positions.append(x)
    return Frames(Beads.alike(n, 1.0), np.array(positions), np.tile(box, (number, 1)), np.arange(float(number)))


_EXACT = {}  # forces without noise, which many tests want again


def with_forces(frames, law, noise=0.0, seed=0):
    key = (law, frames.positions.tobytes())
    if key not in _EXACT:
        _EXACT[key] = np.array([law(*apart(x, box)) for x, box in zip(frames.positions, frames.box, strict=True)])
    forces = _EXACT[key].copy()
    forces += noise * np.sqrt(np.mean(forces**2)) * np.random.default_rng(seed).normal(size=forces.shape)
    return replace(frames, forces=forces)
