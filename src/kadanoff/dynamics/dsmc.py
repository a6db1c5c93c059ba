"""The homogeneous Boltzmann equation by random collisions of particles (DSMC), and its exact solution.

Each pair of n particles collides at the rate r |g|^a / (n - 1): a = 0 for Maxwell molecules (isotropic scattering), 1
for hard spheres (d = 3, isotropic) and hard disks (d = 2, impact parameter uniform). For n to infinity the distribution
f(v, t) obeys Boltzmann's equation and H falls; one run is off by 1/sqrt(n). Each collision conserves momentum and
energy to rounding. There is no time step: waiting times are exact, partners are drawn without bias.

Maxwell molecules have an exact solution far from equilibrium (Bobylev, 1975; Krook and Wu, 1976), in d dimensions with
kT = m = 1 and time in collisions per particle:

    f = (2 pi K)^(-d/2) e^(-v^2/2K) [((d + 2) K - d) / 2K + (1 - K) v^2 / 2K^2],    K = 1 - e^(-(d - 1) t / 4d)

positive from K = d / (d + 2) on; <v^2> = d, <v^4> = d (d + 2) K (2 - K). In three dimensions K = 1 - e^(-t/6).

    found = bkw_relaxation(20_000, np.linspace(5.5, 30, 8), replicas=16, seed=1)   # <v^4>, H and their references
    run = relax(velocities, times, molecules="hard", rate=0.5, seed=1)             # velocities of the caller's own
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import xlogy

from kadanoff.dynamics._kernels import dsmc as kernels
from kadanoff.dynamics.kinetic_entropy import boltzmann_h
from kadanoff.estimates import from_blocks

__all__ = [
    "BkwRelaxation",
    "Molecules",
    "Relaxed",
    "bkw_density",
    "bkw_h",
    "bkw_moment",
    "bkw_relaxation",
    "bkw_start",
    "bkw_velocities",
    "bkw_width",
    "fourth_moment",
    "relax",
]

Array = NDArray[np.float64]
Molecules = Literal["maxwell", "hard"]


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A run of `relax`: ``time`` (t,), ``values`` (t, ...) observed then, ``collisions`` (t,) up to then, the
    ``velocities`` (n, d) at the end."""

    time: Array
    values: Array
    collisions: NDArray[np.int64]
    velocities: Array


@dataclass(frozen=True, eq=False)
class BkwRelaxation:
    """Maxwell molecules beside the exact solution: arrays over ``time``, in collisions per particle.

    ``moment`` <v^4> with ``moment_error`` and ``moment_reference``; ``h`` with ``h_error`` and ``h_reference``.
    """

    time: Array
    moment: Array
    moment_error: Array
    moment_reference: Array
    h: Array
    h_error: Array
    h_reference: Array


def fourth_moment(velocities: Array) -> float:
    """<v^4> of velocities (n, d)."""
    return float(np.mean(np.sum(velocities**2, axis=1) ** 2))


def relax(
    velocities: ArrayLike,
    times: ArrayLike,
    *,
    molecules: Molecules,
    rate: float = 1.0,
    seed: int,
    observe: Callable[[Array], Any] = fourth_moment,
) -> Relaxed:
    """Let particles collide at random, and observe them at ``times``.

    Arguments:
        velocities: (n, 2) or (n, 3), n >= 2, at time 0.
        times: not negative, not falling. Which times are looked at changes no bit of the collisions.
        molecules: "maxwell" or "hard".
        rate: collisions of one particle per time (Maxwell), or per time and relative speed (hard): density times
            cross-section, that is n pi sigma^2 for spheres, 2 n sigma for disks (times chi, after Enskog).
        seed: of the collisions.
        observe: what to take at each time from the velocities (n, d), a number or an array. It must not change them.

    Returns:
        Relaxed.

    Raises:
        ValueError: for shapes, times or a rate that are not as above.
    """
    v = np.array(velocities, dtype=np.float64, order="C")
    if v.ndim != 2 or v.shape[1] not in (2, 3) or len(v) < 2:
        raise ValueError(f"velocities: expected (n, 2) or (n, 3) with n >= 2, got {v.shape}")
    if not np.all(np.isfinite(v)):
        raise ValueError(f"the velocity of particle {int(np.argwhere(~np.isfinite(v))[0, 0])} is not finite")
    if molecules not in get_args(Molecules):
        raise ValueError(f"molecules: expected one of {', '.join(get_args(Molecules))}, got {molecules!r}")
    if not (rate > 0 and math.isfinite(rate)):
        raise ValueError(f"rate: expected a positive number, got {rate}")
    moments = _checked_times(times, 0.0)
    hard, mean = molecules == "hard", v.mean(axis=0)
    time, step, bound, done = 0.0, 0, 1.0, 0
    values, collisions = [], []
    for until in moments:
        time, step, bound, more = kernels.collide_until(v, mean, time, until, rate, hard, seed, step, bound)
        done += more
        values.append(np.array(observe(v)))
        collisions.append(done)
    return Relaxed(moments, np.array(values), np.array(collisions, dtype=np.int64), v)


def bkw_start(dimension: int = 3) -> float:
    """The earliest time of the exact solution, K = d / (d + 2): 6 ln(5/2) in three dimensions, 8 ln 2 in two."""
    return math.log((_checked_dimension(dimension) + 2) / 2) * 4 * dimension / (dimension - 1)


def bkw_width(time: ArrayLike, dimension: int = 3) -> Array:
    """K = 1 - e^(-(d - 1) t / 4d), t in collisions per particle.

    From the fourth moment: isotropic scattering sends v^4 to s^2 + g^2 V^2 / d, with s = (v1^2 + v2^2) / 2 and V the
    mean velocity, so d<v^4>/dt = -(d - 1)/(2d) (<v^4> - d (d + 2)), and <v^4> - d (d + 2) goes as (1 - K)^2.
    Raises ValueError before `bkw_start`.
    """
    t = np.asarray(time, dtype=np.float64)
    if np.any(~(t >= bkw_start(dimension) * (1 - 1e-12))):
        raise ValueError(
            f"the exact solution is a distribution from t = {bkw_start(dimension):.6g} on, and {t.min():g} is asked for"
        )
    return np.asarray(-np.expm1(-(dimension - 1) * t / (4 * dimension)))


def bkw_moment(time: ArrayLike, dimension: int = 3) -> Array:
    """<v^4> = d (d + 2) K (2 - K)."""
    k = bkw_width(time, dimension)
    return np.asarray(dimension * (dimension + 2) * k * (2 - k))


def bkw_density(velocity: ArrayLike, time: float, dimension: int = 3) -> Array:
    """f(v, t) at speeds ``velocity``, per volume of velocity space."""
    k, squared = float(bkw_width(time, dimension)), np.asarray(velocity, dtype=np.float64) ** 2
    shape = ((dimension + 2) * k - dimension) / (2 * k) + (1 - k) / (2 * k**2) * squared
    return np.asarray(np.maximum(shape, 0.0) * np.exp(-squared / (2 * k)) / (2 * math.pi * k) ** (dimension / 2))


def bkw_h(time: ArrayLike, dimension: int = 3) -> Array:
    """H = int f ln f d^d v of the exact solution, by quadrature."""
    sphere = 2 * math.pi ** (dimension / 2) / math.gamma(dimension / 2)

    def h(t: float) -> float:
        def integrand(v: float) -> float:
            f = float(bkw_density(v, t, dimension))
            return float(sphere * v ** (dimension - 1) * xlogy(f, f))

        return float(quad(integrand, 0.0, 12.0, epsabs=1e-11, limit=200)[0])

    return np.asarray(np.vectorize(h, otypes=[np.float64])(np.asarray(time, dtype=np.float64)))


def bkw_velocities(number: int, time: float, *, dimension: int = 3, seed: int) -> Array:
    """Independent velocities (n, d) of the exact solution at a time, drawn without error.

    f mixes a Maxwell distribution of temperature K, with weight ((d + 2) K - d) / 2K, and the same times v^2, whose
    speeds are those of d + 2 dimensions.
    """
    k = float(bkw_width(time, dimension))
    draw = np.random.default_rng(seed)
    direction = draw.normal(size=(number, dimension))
    length = np.sum(direction**2, axis=1)
    plain = draw.uniform(size=number) < ((dimension + 2) * k - dimension) / (2 * k)
    more = np.sum(draw.normal(size=(number, 2)) ** 2, axis=1)
    stretch = np.sqrt(k * np.where(plain, 1.0, 1.0 + more / length))
    return np.asarray(direction * stretch[:, None])


def bkw_relaxation(
    number: int, times: ArrayLike, *, replicas: int, seed: int, dimension: int = 3, width: float = 0.05
) -> BkwRelaxation:
    """Maxwell molecules started from the exact solution at `bkw_start`, beside it at ``times``.

    Arguments:
        number: particles of a replica.
        times: in collisions per particle, from `bkw_start` on, not falling.
        replicas: independent runs, two or more, that give the errors; replica r draws from seed + r.
        dimension: 2 or 3.
        width: of the shells of speed that give H, as `boltzmann_h`.

    Returns:
        BkwRelaxation.
    """
    start = bkw_start(dimension)
    moments = _checked_times(times, start)
    if replicas < 2:
        raise ValueError(f"an error bar needs two replicas or more, not {replicas}")
    fourth, velocities = np.empty((replicas, len(moments))), np.empty((len(moments), replicas, number, dimension))
    for replica in range(replicas):
        drawn = bkw_velocities(number, start, dimension=dimension, seed=seed + replica)
        run = relax(drawn, np.maximum(moments - start, 0.0), molecules="maxwell", seed=seed + replica, observe=np.copy)
        velocities[:, replica] = run.values
        fourth[replica] = [fourth_moment(v) for v in run.values]
    means = [from_blocks(column) for column in fourth.T]
    h = [boltzmann_h(v, width=width) for v in velocities]
    return BkwRelaxation(
        moments,
        np.array([one.value for one in means]),
        np.array([one.error for one in means], dtype=np.float64),
        bkw_moment(moments, dimension),
        np.array([one.value for one in h]),
        np.array([one.error for one in h], dtype=np.float64),
        bkw_h(moments, dimension),
    )


def _checked_dimension(dimension: int) -> int:
    if dimension not in (2, 3):
        raise ValueError(f"dimension: 2 or 3, not {dimension}")
    return dimension


def _checked_times(times: ArrayLike, earliest: float) -> Array:
    moments = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if moments.ndim != 1 or not len(moments) or not np.all(np.isfinite(moments)):
        raise ValueError(f"times: expected finite numbers (t,), got shape {moments.shape}")
    if moments[0] < earliest * (1 - 1e-12) or np.any(np.diff(moments) < 0):
        raise ValueError(
            f"times: expected rising numbers from {earliest:.6g} on, got {moments[0]:g} to {moments[-1]:g}"
        )
    return moments
