"""The generalised Langevin equation with a Prony kernel, run with auxiliary variables.

    M dv = (f(x) - g_0 v + sum_k z_k) dt + sqrt(2 kT g_0) dW
    dz = (-h v - A z) dt + noise,    one variable for an exponential term, two for a damped cosine

    c exp(-a t) (cos bt + d sin bt):   A = [[a, -b], [b, a]],   h = (c, c d),   kT S the covariance of z with
    S = c [[1, d], [d, 1 + 2 d^2]],    noise of covariance kT (A S + S A^T) dt, positive exactly where |b d| <= a

v and z are advanced together by the exact solution of their linear equations, so the canonical distribution and the
fluctuation-dissipation relation hold at any timestep; only the mean force is split off (Ceriotti, Bussi and Parrinello,
2010; Leimkuhler and Matthews, 2013, for the order of the splitting).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import block_diag, expm, solve_toeplitz, toeplitz

from kadanoff.dynamics._kernels.generalised_langevin import generalised_steps
from kadanoff.dynamics.prony import PronyKernel
from kadanoff.dynamics.trajectories import Trajectories, trajectories

__all__ = ["Embedding", "divergence_rate", "embedding", "model_correlation", "simulate_generalised"]

Array = NDArray[np.float64]
_STREAM = 70
_CHUNK = 64


class Embedding(NamedTuple):
    """dy = -drift y dt + noise with y = (v, z_1, ...): ``drift`` (d, d) and the stationary ``covariance`` (d, d)."""

    drift: Array
    covariance: Array


def embedding(kernel: PronyKernel, mass: float = 1.0, temperature: float = 1.0) -> Embedding:
    """The linear Markov process whose first component has the memory of the kernel, without a mean force.

    Raises:
        ValueError: for a mass or temperature kT that is not positive.
    """
    for name, value in (("mass", mass), ("temperature", temperature)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {value} is not positive")
    within, strengths, shown = [], [], []
    for c, a, b, d in zip(kernel.strength, kernel.rate, kernel.frequency, kernel.skew, strict=True):
        if b > 0:
            within.append(np.array([[a, -b], [b, a]]))
            strengths.append(c * np.array([[1.0, d], [d, 1 + 2 * d * d]]))
            shown += [1.0, 0.0]
        else:
            within.append(np.array([[a]]))
            strengths.append(np.array([[c]]))
            shown.append(1.0)
    seen = np.array(shown)
    drift = np.zeros((1 + len(seen), 1 + len(seen)))
    covariance = np.zeros_like(drift)
    drift[0, 0], covariance[0, 0] = kernel.white / mass, temperature / mass
    if len(seen):
        strength = block_diag(*strengths)
        drift[0, 1:], drift[1:, 0] = -seen / mass, strength @ seen
        drift[1:, 1:], covariance[1:, 1:] = block_diag(*within), temperature * strength
    return Embedding(drift, covariance)


def model_correlation(
    kernel: PronyKernel, step: float, points: int, *, mass: float = 1.0, temperature: float = 1.0
) -> Array:
    """<v(0) v(t)> (points,) at 0, step, ... of the free generalised Langevin equation: kT / M [exp(-drift t)]_00."""
    drift, covariance = embedding(kernel, mass, temperature)
    flow = expm(-drift * step)
    state, out = np.zeros(len(drift)), np.empty(points)
    state[0] = 1.0
    for k in range(points):
        out[k] = state[0]
        state = flow @ state
    return np.asarray(covariance[0, 0] * out)


def simulate_generalised(
    kernel: PronyKernel,
    start: ArrayLike,
    steps: int,
    timestep: float,
    *,
    mass: float = 1.0,
    temperature: float = 1.0,
    edges: ArrayLike | None = None,
    mean_force: ArrayLike | None = None,
    every: int = 1,
    seed: int,
    unit: str = "",
    time_unit: str = "",
) -> Trajectories:
    """Walkers of the generalised Langevin equation, velocities and noise in equilibrium at the start.

    Without a mean force velocities are exact at any timestep; with one the splitting is of order 2 in the timestep.

    Arguments:
        kernel: `fit_prony`, or given.
        start: (k,), positions of k walkers.
        steps, timestep: of each walker.
        mass, temperature: M, kT.
        edges, mean_force: (c + 1,) evenly spaced edges of cells and f (c,) at their centres, straight lines between,
            the outermost values beyond; None: free.
        every: steps between frames.
        seed: of the random numbers, keyed by walker and step.
        unit, time_unit: as printed.

    Returns:
        k trajectories of 1 + steps / every frames with velocities, the start first.

    Raises:
        ValueError: for a number that is not positive, `steps` that are no multiple of `every`, a table that does not
            fit its edges or edges that are not evenly spaced.
    """
    places = np.atleast_1d(np.asarray(start, dtype=np.float64))
    if places.ndim != 1 or not len(places) or not np.all(np.isfinite(places)):
        raise ValueError(f"start: expected the finite positions (k,) of walkers, got shape {places.shape}")
    if not (math.isfinite(timestep) and timestep > 0) or steps < 1 or every < 1 or steps % every:
        raise ValueError(f"{steps} steps of {timestep}, a frame every {every}: no whole number of frames")
    low, width, table = _table(edges, mean_force)
    drift, covariance = embedding(kernel, mass, temperature)
    flow = expm(-drift * timestep)
    noise, spread = _root(covariance - flow @ covariance @ flow.T), _root(covariance)
    x, v = np.empty((len(places), 1 + steps // every)), np.empty((len(places), 1 + steps // every))
    for first in range(0, len(places), _CHUNK):
        part = slice(first, first + _CHUNK)
        generalised_steps(
            seed, _STREAM, first, places[part], spread, flow, noise, low, width, table, float(mass), float(timestep),
            every, x[part], v[part],
        )  # fmt: skip
    return trajectories(x[..., None], timestep * every, velocities=v[..., None], unit=unit, time_unit=time_unit)


def divergence_rate(fine: ArrayLike, coarse: ArrayLike) -> float:
    """Nats per observation by which a stationary Gaussian process is told from a model: KL rate of their series.

        D_n - D_{n-1} = (1/2) [ln(s_m^2 / s^2) + <e_m^2> / s_m^2 - 1]

    with s^2 the error of the best prediction of the next value from the n - 1 before it, s_m^2 what the model thinks
    its own error is and <e_m^2> what it really is, for the process. It grows with n to the rate of the whole past.

    Arguments:
        fine, coarse: (n,) autocovariances of the process and of the model at lags 0, 1, ... of the observations.

    Raises:
        ValueError: for fewer than two lags, different lengths, or a sequence that is no autocovariance.

    Source: Kolmogorov's prediction error; Gray, Entropy and Information Theory (2011), section 7.
    """
    p, q = np.asarray(fine, dtype=np.float64), np.asarray(coarse, dtype=np.float64)
    if p.ndim != 1 or p.shape != q.shape or len(p) < 2:
        raise ValueError(f"two autocovariances of one length are needed, got shapes {p.shape} and {q.shape}")
    own = solve_toeplitz(p[:-1], p[1:])
    model = solve_toeplitz(q[:-1], q[1:])
    best, believed = float(p[0] - own @ p[1:]), float(q[0] - model @ q[1:])
    real = float(p[0] - 2 * model @ p[1:] + model @ toeplitz(p[:-1]) @ model)
    if not (best > 0 and believed > 0 and real > 0):
        raise ValueError(
            f"errors of prediction {best:.3g}, {believed:.3g}, {real:.3g} are not all positive: these are no "
            "autocovariances, or observations lie too close to tell them from a smooth curve; take a longer interval"
        )
    return 0.5 * (math.log(believed / best) + real / believed - 1)


def _root(matrix: Array) -> Array:
    """B with B B^T = matrix, of a matrix that is positive up to rounding."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _table(edges: ArrayLike | None, mean_force: ArrayLike | None) -> tuple[float, float, Array]:
    if edges is None and mean_force is None:
        return 0.0, 1.0, np.empty(0)
    if edges is None or mean_force is None:
        raise ValueError("a mean force needs both the edges of its cells and a value for each")
    cuts, table = np.asarray(edges, dtype=np.float64), np.ascontiguousarray(mean_force, dtype=np.float64)
    if cuts.ndim != 1 or table.shape != (len(cuts) - 1,) or len(table) < 2 or not np.all(np.isfinite(table)):
        raise ValueError(f"a mean force of shape {table.shape}, finite, does not fit edges of shape {cuts.shape}")
    widths = np.diff(cuts)
    if not widths.min() > 0 or np.ptp(widths) > 1e-6 * widths.mean():
        raise ValueError("the edges of the mean force are not evenly spaced and increasing")
    return float(cuts[0]), float(widths.mean()), table
