"""Boltzmann's assumption, measured: are two disks that are about to collide independent? And after?

The meter is the correlation of the two kinetic energies at contact, minus its value for independent partners drawn from
the one-particle distribution of the same moment with weight |g.k| (partners that approach fast meet more often):

    chaos = corr(e1, e2 | contact) - corr(e1, e2 | independent, weight |g.k|)

About 0 before collisions of a dilute gas; not 0 after them while the distribution is not Maxwell's (-1 after the first
collisions of disks of one speed, whose e1 + e2 is given); 0 before and after in equilibrium. Turning all velocities
round swaps before and after: then H rises. The normal components alone are blind, since equal disks only exchange them.

    dynamics = DiskDynamics(random_start(100_000, 0.01, seed=1, speeds="equal"))
    meter = chaos_meter(dynamics, 0.5 / enskog_rate(dynamics.disks()), seed=1)       # -> Chaos: .before, .after

Ehrenfest and Ehrenfest (1911).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.dynamics.hard_disks import DiskDynamics
from kadanoff.estimates import Estimate, jackknife

__all__ = ["Chaos", "chaos_meter"]

Array = NDArray[np.float64]

_BLOCKS = 32
_SNAPSHOTS = 8  # of the one-particle distribution, over the stretch of time
_PARTNERS = 8  # independent ones for every disk and snapshot
_LEAST = 8  # collisions, or disks, a block
_EQUAL = 1e-12  # relative variance of energies that are all alike but for rounding


@dataclass(frozen=True)
class Chaos:
    """Correlation of the kinetic energies of two disks at contact beyond that of independent partners.

    ``before`` and ``after`` the collision; ``contact_before``, ``contact_after``, ``independent`` the correlations
    themselves; ``collisions`` how many were looked at.
    """

    before: Estimate
    after: Estimate
    contact_before: Estimate
    contact_after: Estimate
    independent: Estimate
    collisions: int


def chaos_meter(dynamics: DiskDynamics, time: float, *, seed: int, first: bool = False) -> Chaos:
    """Let ``time`` pass and measure how far the partners of collisions are from independent.

    Arguments:
        dynamics: of the disks, 256 at least; it is ``time`` later afterwards.
        time: short against the relaxation, a fraction of a collision per disk; 256 collisions at least.
        seed: of the drawing of independent partners.
        first: take only collisions of two disks neither of which has collided in this stretch. Independent partners
            then come from its start.

    Returns:
        Chaos. Errors by jackknife over 32 stretches of collisions and 32 parts of the disks. Energies that are all
        alike have correlation 0: a constant is independent of anything.

    Raises:
        ValueError: for too few disks or collisions.
    """
    start = dynamics.disks()
    number = len(start.positions)
    if number < _BLOCKS * _LEAST:
        raise ValueError(f"the chaos meter needs {_BLOCKS * _LEAST} disks or more, not {number}")
    drift = start.velocities.mean(axis=0)
    order = np.random.default_rng(seed).permutation(number)  # one for all snapshots: a disk stays in its block
    pairs, before, after, drawn = [], [], [], []
    for _ in range(_SNAPSHOTS):
        halves = [dynamics.collisions(time / _SNAPSHOTS / 2)]
        velocities = (start if first else dynamics.disks()).velocities - drift
        halves.append(dynamics.collisions(time / _SNAPSHOTS / 2))
        pairs += [half.pairs for half in halves]
        before += [half.before - drift for half in halves]
        after += [half.after - drift for half in halves]
        drawn.append(_independent(velocities[order]) * sum(len(half.time) for half in halves))
    met = np.concatenate(pairs)
    chosen = _first_meetings(met) if first else np.ones(len(met), dtype=bool)
    seen = int(chosen.sum())
    if seen < _BLOCKS * _LEAST:
        raise ValueError(
            f"the chaos meter needs {_BLOCKS * _LEAST} collisions or more, and there were {seen}: a longer time, or "
            "more disks"
        )
    independent = jackknife(_correlation, np.sum(drawn, axis=0))
    earlier, later = (jackknife(_correlation, _contact(np.concatenate(v)[chosen])) for v in (before, after))
    return Chaos(earlier.minus(independent), later.minus(independent), earlier, later, independent, seen)


def _first_meetings(pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which collisions are the first of both disks."""
    disks, first = np.unique(pairs, return_index=True)
    collision = np.empty(disks[-1] + 1 if len(disks) else 0, np.int64)
    collision[disks] = first // 2
    return np.asarray(np.all(collision[pairs] == np.arange(len(pairs))[:, None], axis=1))


def _moments(first: Array, second: Array) -> Array:
    """1, e, e^2 (the mean of both partners') and e1 e2 of pairs (...,): (..., 4)."""
    return np.stack([np.ones_like(first), (first + second) / 2, (first**2 + second**2) / 2, first * second], axis=-1)


def _contact(velocities: Array) -> Array:
    """Sums of the moments of the pairs (c, 2, 2) over 32 stretches: (32, 4)."""
    energies = 0.5 * np.sum(velocities**2, axis=2)
    starts = np.arange(_BLOCKS) * len(velocities) // _BLOCKS
    return np.asarray(np.add.reduceat(_moments(energies[:, 0], energies[:, 1]), starts, axis=0))


def _independent(velocities: Array) -> Array:
    """Moments (32, 4) of pairs of shuffled disks with weight |g|, what |g.k| leaves after all k; total weight one."""
    size = len(velocities) // _BLOCKS
    v = velocities[: size * _BLOCKS].reshape(_BLOCKS, size, 2)
    energies = 0.5 * np.sum(v**2, axis=2)
    total = np.zeros((_BLOCKS, 4))
    for shift in range(1, 1 + min(_PARTNERS, size - 1)):
        speed = np.linalg.norm(v - np.roll(v, shift, axis=1), axis=2)
        total += np.sum(speed[..., None] * _moments(energies, np.roll(energies, shift, axis=1)), axis=1)
    return np.asarray(total / total[:, 0].sum())


def _correlation(moments: Array) -> float:
    weight, energy, square, product = moments.sum(axis=0)
    mean = float(energy / weight)
    variance, covariance = float(square / weight) - mean**2, float(product / weight) - mean**2
    return 0.0 if variance <= _EQUAL * mean**2 else covariance / variance
