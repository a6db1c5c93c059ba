"""Boltzmann's H of a velocity distribution, and how it goes with hard disks when time is turned round.

    H = int f ln f d^d v = -S,    S_coarse = H(cells) + sum p ln|cell| >= S,    Maxwell: H = -(d/2) (1 + ln(2 pi kT/m))

The cells are shells of speed (for f without direction) or cubes. Coarse cells hide detail: for a Maxwell distribution H
comes out lower by about d w^2 / 24 (shells, or cubes, w thermal speeds wide).

    curve = entropy_against_time(100, 0.3, replicas=64, seed=1, turn=10.0)           # -> DiskEntropy, H and back
    lost = entropy_against_time(100, 0.3, replicas=64, seed=1, turn=10.0, perturbed=1)

H falls until the velocities are turned round at ``turn`` and then rises as it fell: no law of dynamics forbids it. One
disk sent elsewhere at the turn spoils it, as far as its influence has come. Loschmidt (1876); Orban and Bellemans
(1967), who did this with hard disks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.hard_disks import DiskDynamics, Disks, Speeds, enskog_rate, random_start, reversed_disks
from kadanoff.estimates import Estimate, jackknife
from kadanoff.information import entropy

__all__ = ["Cells", "DiskEntropy", "boltzmann_h", "entropy_against_time", "maxwell_h"]

Array = NDArray[np.float64]
Cells = Literal["shells", "cubes"]

_BLOCKS = 32  # of particles, where there is one system only
_AWAY = 0.1  # thermal speeds by which a velocity misses the one on the way out
_LEAST = 64  # particles, below which no histogram is worth a logarithm


@dataclass(frozen=True, eq=False)
class DiskEntropy:
    """H of hard disks on the way out and back.

    ``time`` (t,) in expected collisions per disk; ``h``, ``error`` (t,) of H in nats; ``missed`` (t,) the share of
    disks whose velocity is more than a tenth of the thermal speed from minus what it was at the mirror time (0 on the
    way out); ``turn`` when the velocities were turned round; ``limit`` the H of a Maxwell distribution of this
    energy.
    """

    time: Array
    h: Array
    error: Array
    missed: Array
    turn: float
    limit: float


def maxwell_h(temperature: float, dimension: int = 2) -> float:
    """H of the Maxwell distribution of mass 1: -(d/2) (1 + ln(2 pi kT)); in the plane -1 - ln(2 pi kT)."""
    if not temperature > 0 or dimension < 1:
        raise ValueError(f"expected a positive temperature and dimension, got {temperature} and {dimension}")
    return -dimension / 2 * (1 + math.log(2 * math.pi * temperature))


def boltzmann_h(velocities: ArrayLike, *, width: float = 0.1, cells: Cells = "shells") -> Estimate:
    """H = int f ln f d^d v from velocities: minus the coarse entropy, its bias of few counts taken off (Miller-Madow).

    The error is a jackknife's over replicas, or over 32 parts of the particles of a single system, and what the two
    estimates of `information.entropy` differ by. Particles of one system share an energy, so that its H near
    equilibrium is surer than the error from parts says.

    Arguments:
        velocities: (n, d), or (replicas, n, d) of independent systems; 64 particles or more in all.
        width: of a shell, or a cube's edge, in thermal speeds sqrt(<v^2> / d).
        cells: "shells" where f depends on the speed only (as it does if it did so at the start); "cubes" otherwise.

    Raises:
        ValueError: for too few particles, numbers that are not finite, all at rest, a width that is not positive.
    """
    v = np.asarray(velocities, dtype=np.float64)
    if v.ndim == 2:
        v = v[: len(v) - len(v) % _BLOCKS].reshape(_BLOCKS, -1, v.shape[1]) if len(v) >= _LEAST else v[None]
    if v.ndim != 3 or len(v) < 2 or v.shape[0] * v.shape[1] < _LEAST:
        raise ValueError(
            f"H needs velocities (n, d) of {_LEAST} particles or more, or (replicas, n, d) of two replicas, got "
            f"{np.shape(velocities)}"
        )
    if not np.all(np.isfinite(v)):
        raise ValueError(f"velocity {tuple(int(k) for k in np.argwhere(~np.isfinite(v))[0])} is not finite")
    if not (width > 0) or cells not in get_args(Cells):
        raise ValueError(f"cells: {' or '.join(get_args(Cells))} of a positive width, got {cells!r}, {width}")
    dimension = v.shape[-1]
    edge = width * math.sqrt(float(np.mean(v**2)))
    if edge == 0:
        raise ValueError("all particles are at rest: f has no density, and H no value")
    if cells == "shells":
        index = np.floor(np.linalg.norm(v, axis=-1) / edge).astype(np.int64)
        shells = np.arange(index.max() + 2)
        ball = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1) * edge**dimension
        volumes = ball * np.diff(shells.astype(np.float64) ** dimension)
    else:
        _, index = np.unique(np.floor(v / edge).reshape(-1, dimension), axis=0, return_inverse=True)
        index = index.reshape(v.shape[:2])
        volumes = np.full(index.max() + 1, edge**dimension)
    counts = np.stack([np.bincount(row, minlength=len(volumes)) for row in index])
    logarithms = np.log(volumes)

    def minus_entropy(blocks: NDArray[np.int64]) -> float:
        table = blocks.sum(axis=0).astype(np.int64)
        return -entropy(table).value - float(table @ logarithms) / float(table.sum())

    found = jackknife(minus_entropy, counts, "nat")
    table = counts.sum(axis=0)
    bias = entropy(table, correction="chao-wang-jost").value - entropy(table).value
    return replace(found, error=math.hypot(found.error or 0.0, bias), method=f"counts in {cells}, jackknife")


def entropy_against_time(
    number: int,
    packing: float,
    *,
    replicas: int,
    seed: int,
    turn: float,
    points: int = 16,
    perturbed: int = 0,
    speeds: Speeds = "equal",
    width: float = 0.1,
) -> DiskEntropy:
    """H of hard disks from a start far from equilibrium to the time ``turn``, and back, all velocities turned round.

    Arguments:
        number, packing, speeds: of each system, as `random_start`; mass, diameter and kT are 1.
        replicas: independent systems, two or more, whose velocities are pooled.
        seed: of the starts; replica r takes seed + r.
        turn: when velocities are turned round, in expected collisions per disk (`enskog_rate`). A return needs rounding
            not to have grown to the whole: three collisions a disk at a packing of 0.01 are too many, ten at 0.1,
            twenty-five at 0.3.
        points: moments looked at each way.
        perturbed: disks whose velocity is sent off at a right angle as well, at the turn.
        width: as `boltzmann_h`.

    Returns:
        DiskEntropy with 2 points + 1 times from 0 to 2 turn.
    """
    if not turn > 0 or points < 1 or replicas < 2 or not 0 <= perturbed <= number:
        raise ValueError(
            "expected a positive turn, a point or more, two replicas or more and 0 <= perturbed <= number, got "
            f"{turn}, {points}, {replicas}, {perturbed}"
        )
    velocities, missed = np.empty((2 * points + 1, replicas, number, 2)), np.zeros((2 * points + 1, replicas))
    for replica in range(replicas):
        start = random_start(number, packing, seed=seed + replica, speeds=speeds)
        step = turn / enskog_rate(start) / points
        velocities[0, replica] = start.velocities
        dynamics = DiskDynamics(start)
        for point in range(1, 2 * points + 1):
            dynamics.run(step)
            now = dynamics.disks()
            velocities[point, replica] = now.velocities
            if point == points:
                dynamics = DiskDynamics(_sent_off(reversed_disks(now), perturbed))
            if point > points:
                away = np.linalg.norm(now.velocities + velocities[2 * points - point, replica], axis=1)
                missed[point, replica] = np.mean(away > _AWAY)
    found = [boltzmann_h(one, width=width) for one in velocities]
    return DiskEntropy(
        np.linspace(0.0, 2 * turn, 2 * points + 1),
        np.array([one.value for one in found]),
        np.array([one.error for one in found], dtype=np.float64),
        missed.mean(axis=1),
        turn,
        maxwell_h(float(np.mean(velocities**2))),
    )


def _sent_off(disks: Disks, number: int) -> Disks:
    velocities = disks.velocities.copy()
    velocities[:number] = velocities[:number, ::-1] * [1.0, -1.0]
    return replace(disks, velocities=velocities)
