"""A heavy particle bound to harmonic oscillators: the fine system whose memory kernel is known exactly.

    H = P^2 / 2M + sum_j p_j^2 / 2m_j + (1/2) sum_j k_j (q_j - Q)^2,     w_j^2 = k_j / m_j
    K(t) = sum_j k_j cos(w_j t)                                          (Ford, Kac and Mazur, 1965; Zwanzig, 1973)

The normal modes come from the secular equation of the arrowhead Hessian in N^2 operations, one root between each pair
of neighbouring w_j^2; a dense solver needs N^3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels.secular import amplitudes, secular_roots

__all__ = ["HeatBath", "Modes", "Paths", "ohmic_bath", "ohmic_kernel", "sample_bath", "velocity_correlation"]

Array = NDArray[np.float64]
_CHUNK = 256  # trajectories made at once: bounds the memory, and fixes the bits whatever their number


class Modes(NamedTuple):
    """Normal modes: ``frequency`` (N + 1,), zero first (free motion), and ``share`` (N + 1,), the squared component of
    the heavy particle in each; the shares sum to one."""

    frequency: Array
    share: Array


class Paths(NamedTuple):
    """Trajectories of the heavy particle, (trajectories, n) each: position from Q(0) = 0, velocity, total force."""

    position: Array
    velocity: Array
    force: Array


@dataclass(frozen=True, eq=False)
class HeatBath:
    """A free particle of mass M in a bath of oscillators.

    Arguments:
        frequency: w_j (N,), positive and increasing.
        stiffness: k_j (N,), positive.
        mass: M.

    Raises:
        ValueError: for an oscillator whose frequency or stiffness is not positive or not finite, frequencies that do
            not increase (join oscillators of one frequency into one), or a mass that is not positive.
    """

    frequency: Array
    stiffness: Array
    mass: float = 1.0

    def __post_init__(self) -> None:
        w, k = (np.ascontiguousarray(x, dtype=np.float64) for x in (self.frequency, self.stiffness))
        if w.ndim != 1 or w.shape != k.shape or not len(w):
            raise ValueError(f"frequencies {w.shape} and stiffnesses {k.shape}: one of each (N,) is needed")
        for name, values in (("frequency", w), ("stiffness", k)):
            bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
            if len(bad):
                raise ValueError(f"{name} of oscillator {bad[0]} is {values[bad[0]]}, not positive")
        if len(order := np.flatnonzero(np.diff(w) <= 0)):
            raise ValueError(
                f"frequencies must increase: {w[order[0]]} is followed by {w[order[0] + 1]} at oscillator "
                f"{order[0] + 1}; sort them, and add the stiffnesses of equal ones"
            )
        if not (math.isfinite(self.mass) and self.mass > 0):
            raise ValueError(f"mass: {self.mass} is not positive")
        object.__setattr__(self, "frequency", w)
        object.__setattr__(self, "stiffness", k)

    def kernel(self, time: ArrayLike) -> Array:
        """K(t) = sum_j k_j cos(w_j t), of the shape of `time`."""
        t = np.asarray(time, dtype=np.float64)
        return np.asarray(np.cos(np.multiply.outer(t, self.frequency)) @ self.stiffness)

    def running_friction(self, time: ArrayLike) -> Array:
        """int_0^t K = sum_j k_j sin(w_j t) / w_j."""
        t = np.asarray(time, dtype=np.float64)
        return np.asarray(np.sin(np.multiply.outer(t, self.frequency)) @ (self.stiffness / self.frequency))

    @cached_property
    def modes(self) -> Modes:
        """The normal modes, x = 0 and the roots x of M = sum_j k_j / (x - w_j^2)."""
        root, share = np.empty_like(self.frequency), np.empty_like(self.frequency)
        secular_roots(self.frequency, self.stiffness / self.mass, root, share)
        free = self.mass / (self.mass + float(np.sum(self.stiffness / self.frequency**2)))
        return Modes(np.concatenate([[0.0], np.sqrt(root)]), np.concatenate([[free], share]))


def ohmic_kernel(time: ArrayLike, friction: float = 1.0, cutoff: float = 1.0) -> Array:
    """K(t) = (2 eta w_c / pi) / (1 + (w_c t)^2) of the continuum J(w) = eta w exp(-w / w_c); int_0^t K =
    (2 eta / pi) arctan(w_c t)."""
    t = np.asarray(time, dtype=np.float64)
    return np.asarray(2 * friction * cutoff / math.pi / (1 + (cutoff * t) ** 2))


def ohmic_bath(
    modes: int = 600, *, friction: float = 1.0, cutoff: float = 1.0, mass: float = 1.0, highest: float = 36.0
) -> HeatBath:
    """Oscillators for J(w) = eta w exp(-w / w_c), by Gauss-Legendre quadrature of K(t) = (2/pi) int J(w)/w cos(wt) dw.

    k_j = (2/pi) eta exp(-w_j / w_c) dw_j. The kernel is that of the continuum to rounding for w_c t below about
    1.5 modes / highest; later the finite bath shows.

    Arguments:
        modes: N.
        friction: eta = int_0^infinity K.
        cutoff: w_c.
        mass: M.
        highest: largest frequency over w_c; exp(-36) is rounding.

    Raises:
        ValueError: for an argument that is not positive.
    """
    for name, value in (("modes", modes), ("friction", friction), ("cutoff", cutoff), ("highest", highest)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {value} is not positive")
    nodes, weights = np.polynomial.legendre.leggauss(modes)
    scaled = highest * (nodes + 1) / 2
    strength = 2 / math.pi * friction * cutoff * np.exp(-scaled) * weights * highest / 2
    return HeatBath(cutoff * scaled, strength, mass)


def velocity_correlation(bath: HeatBath, time: ArrayLike, temperature: float = 1.0, derivative: int = 0) -> Array:
    """<v(0) v(t)> = (kT / M) sum_i u_i^2 cos(W_i t) of the heavy particle, exact, or its first or second derivative.

    Arguments:
        bath: the system.
        time: any shape.
        temperature: kT.
        derivative: 0, 1 or 2.

    Raises:
        ValueError: for another derivative.
    """
    if derivative not in (0, 1, 2):
        raise ValueError(f"derivative: 0, 1 or 2, not {derivative}")
    w, share = bath.modes
    phase = np.multiply.outer(np.asarray(time, dtype=np.float64), w)
    wave = -np.sin(phase) if derivative == 1 else (-1.0) ** (derivative // 2) * np.cos(phase)
    return np.asarray(temperature / bath.mass * (wave @ (share * w**derivative)))


def sample_bath(
    bath: HeatBath, step: float, points: int, trajectories: int, *, temperature: float = 1.0, seed: int
) -> Paths:
    """Trajectories of the heavy particle from the canonical ensemble, exact at every time: sums over normal modes.

        v(t) = sqrt(kT/M) sum_i u_i (a_i cos W_i t + b_i sin W_i t),   a, b standard normal;   F = M dv/dt

    Arguments:
        bath: the system.
        step, points: times 0, step, ..., (points - 1) step.
        trajectories: how many.
        temperature: kT.
        seed: of the amplitudes, keyed by trajectory and mode.

    Raises:
        ValueError: for a number that is not positive.
    """
    for name, value in (
        ("step", step), ("points", points), ("trajectories", trajectories), ("temperature", temperature)
    ):  # fmt: skip
        if not value > 0:
            raise ValueError(f"{name}: {value} is not positive")
    paths = Paths(*(np.empty((trajectories, points)) for _ in range(3)))
    first = 0
    for part in _chunks(bath, np.arange(points) * np.float64(step), trajectories, temperature, seed):
        for whole, some in zip(paths, part, strict=True):
            whole[first : first + len(some)] = some
        first += len(part.position)
    return paths


def _chunks(bath: HeatBath, time: Array, trajectories: int, temperature: float, seed: int) -> Iterator[Paths]:
    w, share = bath.modes
    speed = math.sqrt(temperature / bath.mass) * np.sqrt(share)
    phase = np.outer(w, time)
    cosine, sine = np.cos(phase), np.sin(phase)
    slow = w == 0
    inverse = np.where(slow, 0.0, 1 / np.where(slow, 1.0, w))
    for first in range(0, trajectories, _CHUNK):
        a, b = (np.empty((_CHUNK, len(w))) for _ in range(2))
        amplitudes(seed, first, a, b)
        a, b = a * speed, b * speed
        velocity = a @ cosine + b @ sine
        force = bath.mass * ((b * w) @ cosine - (a * w) @ sine)
        position = (a * inverse) @ sine + (b * inverse) @ (1 - cosine) + np.outer(a[:, slow].sum(axis=1), time)
        some = slice(0, min(_CHUNK, trajectories - first))
        yield Paths(position[some], velocity[some], force[some])
