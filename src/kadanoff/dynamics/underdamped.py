"""Underdamped Langevin models from positions alone, or with velocities.

    dx = v dt,   dv = [f(x) - gamma v] dt + sqrt(2 B) dW

Velocities that are differences of positions, w_t = (x[t + l] - x[t]) / (l dt), are means over a lag: their noise is
correlated from one to the next, and the plain regression of w_{t+1} on w_t gives 2/3 of the friction (Pedersen, Li,
Gradinaru, Austin, Cox and Flyvbjerg, Physical Review E 94, 062401, 2016; Brueckner, Ronceray and Broedersz, Physical
Review Letters 125, 058103, 2020). Here w_{t-1} stands in for the noisy w_t (an instrument: none of the noise that w_t
and w_{t+1} share is in it):

    E = e^(-gamma t) = cov(w_{t-1}, w_{t+1}) / cov(w_{t-1}, w_t)

which is right at any lag t for a force that is even over the way, and B follows from the variance of w_{t+1} - E w_t
with the closed forms of the integrated Ornstein-Uhlenbeck process. A force that changes on the way, f(x) + f' a t, adds
f' t (1 - E) / gamma to that ratio; it is taken off with the slope of the force found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels.kramers_moyal import velocity_moments
from kadanoff.dynamics.correlations import BLOCKS, checked_lags, jackknife_error
from kadanoff.dynamics.langevin import LEAST, grid
from kadanoff.dynamics.models import UnderdampedModel
from kadanoff.dynamics.trajectories import Trajectories, pieces
from kadanoff.estimates import Estimate

__all__ = ["fit_underdamped"]

Array = NDArray[np.float64]

_NOISE = 0.1  # of kT / m: by how much more a lag may show than twice that lag
_CERTAIN = 4.0  # standard errors by which the memory of the velocity must stand above nothing


def fit_underdamped(
    source: Trajectories,
    lag: int = 1,
    *,
    bins: int = 50,
    edges: ArrayLike | None = None,
    blocks: int = BLOCKS,
) -> tuple[UnderdampedModel, Estimate, Estimate]:
    """The underdamped model of one coordinate, from velocities where there are any, else from positions alone.

    Arguments:
        source: one-dimensional trajectories.
        lag: frames over which a velocity changes (and, from positions, is measured): short against 1 / gamma for a
            force that varies, long against the noise of the positions.
        bins, edges, blocks: as `langevin.kramers_moyal`.

    Returns:
        The model with friction, force and noise in each cell; the friction gamma of all frames, from one regression;
        kT / m = B / gamma of all frames. Both carry jackknife errors.

    Raises:
        ValueError: for more than one coordinate; where velocities a lag apart are not correlated: then the lag is
            longer than their memory, and an overdamped model is what can be had; where kT / m from positions alone
            falls by more than a tenth, and 4 errors, at twice the lag: noise of the positions passes for motion.
    """
    found = _fit(source, lag, bins, edges, blocks)
    if source.velocities is None and 6 * lag < source.longest_lag:
        try:
            again = _fit(source, 2 * lag, bins, edges, blocks)[2]
        except ValueError:  # velocities do not last that long, which noise of the positions would not change
            return found
        thermal = found[2]
        spread = float(np.hypot(thermal.error or 0.0, again.error or 0.0))
        if thermal.value - again.value > _NOISE * again.value + _CERTAIN * spread:
            raise ValueError(
                f"kT/m is {thermal} at the lag {lag} and {again} at {2 * lag} frames: noise of the positions, divided "
                "by the lag, passes for motion. Take a longer lag, or give velocities"
            )
    return found


def _fit(
    source: Trajectories, lag: int, bins: int, edges: ArrayLike | None, blocks: int
) -> tuple[UnderdampedModel, Estimate, Estimate]:
    if source.dimensions != 1:
        raise ValueError(
            f"underdamped models are of one coordinate, not {source.dimensions}: fit each on its own, or an overdamped "
            "model of all"
        )
    (step,) = checked_lags(source, [lag])
    if step < 1:
        raise ValueError("velocities change over a lag of one frame at least")
    cuts = grid(source, bins)[0] if edges is None else np.asarray(edges, dtype=np.float64)
    sums = np.zeros((blocks, len(cuts) - 1, 9))
    cut = pieces(source, blocks)
    owner = np.searchsorted(source.offsets, cut.start, side="right") - 1
    x = np.ascontiguousarray(source.positions[:, 0])
    given = source.velocities is not None
    v = np.ascontiguousarray(source.velocities[:, 0]) if source.velocities is not None else np.empty(0)
    width = float(cuts[-1] - cuts[0]) / (len(cuts) - 1)
    velocity_moments(
        x, v, cut.start, cut.stop, source.offsets[owner], cut.last, cut.block, int(step), float(cuts[0]), width, sums
    )
    time = source.spacing * int(step)
    if not given:  # differences of positions to velocities
        sums[..., 1:4] /= time
        sums[..., 4:] /= time**2
    total = sums.sum(axis=0)
    rows = np.concatenate([total[None], total - sums])
    plain = _regression(rows, time, given)
    # one regression for all frames, the mean of each cell taken off
    whole = _pooled(rows)
    count = rows[..., 0]
    bent = _bend(plain[1], count, np.clip(whole[:, 0], 1e-3, 1 - 1e-3)[:, None], time, width, given)
    decay, force, friction, noise = _regression(rows, time, given, bent)
    whole = _pooled(rows, bent)
    memory_error = float(jackknife_error(whole[1:, 0]))
    if not np.all((whole[:, 0] > 0) & (whole[:, 0] < 1)) or whole[0, 0] < _CERTAIN * memory_error:
        raise ValueError(
            f"velocities {time:g} {source.time_unit} apart are not correlated (e^(-gamma t) = "
            f"{whole[0, 0]:.3g} +- {memory_error:.2g}): the "
            "lag is beyond their memory, or the positions are too noisy. Take a shorter lag, or an overdamped model"
        )
    gamma = -np.log(whole[:, 0]) / time
    thermal = _noise(whole[:, 1], whole[:, 0], gamma, time, given) / gamma
    known = (rows[..., 0].min(axis=0) >= LEAST) & np.all((decay > 0) & (decay < 1) & (noise > 0), axis=0)
    if not known.any():
        raise ValueError(f"no cell has {LEAST} velocities and a memory in them: take wider cells or more data")
    values = [np.where(known, rows[0], np.nan) for rows in (force, friction, noise)]
    errors = [
        np.where(known, jackknife_error(np.where(known, rows[1:], 0.0)), np.nan) for rows in (force, friction, noise)
    ]
    model = UnderdampedModel(
        cuts, values[0], values[1], values[2], errors[0], errors[1], errors[2], time, source.unit, source.time_unit
    )
    rate = f"1/{source.time_unit}" if source.time_unit else ""
    squared = f"{source.unit}^2/{source.time_unit}^2" if source.unit and source.time_unit else ""
    how = f"jackknife; velocities {'given' if given else 'from positions'}, lag {time:.4g}"
    return (
        model,
        Estimate(gamma[0], float(jackknife_error(gamma[1:])), blocks, rate, how),
        Estimate(thermal[0], float(jackknife_error(thermal[1:])), blocks, squared, how),
    )


def _bend(force: Array, count: Array, decay: Array, time: float, width: float, given: bool) -> Array:
    """What a force that changes on the way adds to the regression of b on a, in every cell (r, cells)."""
    gamma = -np.log(decay) / time
    reach = time * (1 - decay) / gamma if not given else (time - (1 - decay) / gamma) / gamma
    # slopes over two cells each way, straight through what is known; none where nothing is
    good = np.isfinite(force) & (count >= LEAST)
    here = np.where(good, force, 0.0)
    offsets = np.arange(-2, 3) * width
    padded, weight = (np.pad(values, ((0, 0), (2, 2))) for values in (here * count, good * count))
    s0, s1, s2, t0, t1 = np.zeros((5, *force.shape))
    for k, o in enumerate(offsets):
        w, y = weight[:, k : k + force.shape[1]], padded[:, k : k + force.shape[1]]
        y = np.where(w > 0, y, 0.0)
        s0, s1, s2, t0, t1 = s0 + w, s1 + w * o, s2 + w * o * o, t0 + y, t1 + y * o
    spread = s0 * s2 - s1 * s1
    slope = np.where(spread > 1e-9 * s0 * s0 * width**2, (s0 * t1 - s1 * t0) / np.where(spread > 0, spread, 1.0), 0.0)
    return np.asarray(slope * reach)


def _regression(rows: Array, time: float, given: bool, bent: Array | float = 0.0) -> tuple[Array, Array, Array, Array]:
    """E, f, gamma and B in every cell."""
    with np.errstate(invalid="ignore", divide="ignore"):
        n, z, a, b, za, zb, aa, ab, bb = np.moveaxis(rows, -1, 0)
        slope = (zb / n - z * b / n**2) / (za / n - z * a / n**2)
        variance = _residual(n, a, b, aa, ab, bb, slope)
        decay = slope - bent
        decay = np.where((decay > 0) & (decay < 1), decay, np.nan)
        friction = -np.log(decay) / time
        force = (b - decay * a) / n * friction / (1 - decay)
        noise = _noise(variance, decay, friction, time, given)
    return decay, force, friction, noise


def _pooled(rows: Array, bent: Array | None = None) -> Array:
    """E and the variance of b - E a of all cells together, (r, 2)."""
    n = np.where(rows[..., 0] > 0, rows[..., 0], 1.0)
    _, z, a, b, za, zb, aa, ab, bb = np.moveaxis(rows, -1, 0)
    through = za - z * a / n
    decay = np.sum(zb - z * b / n, axis=1) / np.sum(through, axis=1)
    inside = [np.sum(values, axis=1) for values in (aa - a * a / n, ab - a * b / n, bb - b * b / n)]
    variance = (inside[2] - 2 * decay * inside[1] + decay**2 * inside[0]) / rows[..., 0].sum(axis=1)
    if bent is not None:
        decay = decay - np.sum(bent * through, axis=1) / np.sum(through, axis=1)
    return np.stack([decay, variance], axis=-1)


def _residual(n: Array, a: Array, b: Array, aa: Array, ab: Array, bb: Array, decay: Array) -> Array:
    va, vab, vb = aa / n - (a / n) ** 2, ab / n - a * b / n**2, bb / n - (b / n) ** 2
    return np.asarray(vb - 2 * decay * vab + decay**2 * va)


def _noise(variance: Array, decay: Array, friction: Array, time: float, given: bool) -> Array:
    """B from the variance of v' - E v: closed forms of the Ornstein-Uhlenbeck process and of its means over a lag."""
    if given:
        return np.asarray(friction * variance / (1 - decay**2))
    g = friction * time
    alike, next_one = 2 * (g - 1 + decay) / g**2, (1 - decay) ** 2 / g**2
    return np.asarray(friction * variance / (alike * (1 + decay**2) - 2 * decay * next_one))
