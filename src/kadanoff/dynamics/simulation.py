"""Runs of a Langevin model, and the comparison of what it does with what the data do.

Random numbers are keyed by (seed, step, walker): a walker goes the same way whatever the others do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.ndimage
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels.langevin import baoab, overdamped, overdamped_1d
from kadanoff.dynamics.correlations import (
    BLOCKS,
    Correlation,
    autocorrelation,
    mean_square_displacement,
    passage_time,
)
from kadanoff.dynamics.models import OverdampedModel, UnderdampedModel
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.estimates import Estimate

__all__ = ["Comparison", "compare", "simulate_overdamped", "simulate_underdamped"]

Array = NDArray[np.float64]

_STREAM_OVERDAMPED, _STREAM_UNDERDAMPED = 40, 50


def simulate_overdamped(
    model: OverdampedModel,
    start: ArrayLike,
    steps: int,
    timestep: float,
    *,
    every: int = 1,
    seed: int,
    scheme: Literal["euler", "milstein"] = "euler",
) -> Trajectories:
    """Walkers of dx = a dt + sqrt(2 D) dW in the sense of Ito (no drift is added for a D that varies).

    "euler": x + a h + sqrt(2 D h) xi (Maruyama, 1955), of weak order 1; "milstein": + D' h (xi^2 - 1) / 2 (1975), of
    strong order 1, for one coordinate. Between centres of cells a and the root of 2 D are straight lines. The ends of
    the supported cells reflect (in one dimension those of their longest run), and steps into cells without support are
    not taken: the model knows nothing of them.

    Arguments:
        model: a fitted or given model.
        start: (k,) or (k, d), where the walkers begin; they must stand in supported cells.
        steps: of each walker. timestep: short against the time over which drift and diffusion change on the way.
        every: steps between frames.
        seed: of the random numbers.
        scheme: as above.

    Returns:
        k trajectories of 1 + steps / every frames, the start first.

    Raises:
        ValueError: for a start without support, `steps` that are no multiple of `every`, Milstein's scheme in more
            dimensions.
    """
    d = model.dimensions
    x = _starts(start, d)
    frames = _frames(steps, timestep, every)
    low, width = np.array([e[0] for e in model.edges]), np.array([(e[-1] - e[0]) / (len(e) - 1) for e in model.edges])
    known = model.supported
    if scheme not in ("euler", "milstein"):
        raise ValueError(f'the scheme is "euler" or "milstein", not {scheme!r}')
    if d == 1:
        first, last = _whole_range(known)
        low = low + first * width
        inside = (x[:, 0] >= low[0]) & (x[:, 0] <= low[0] + (last - first) * width[0])
        _refuse(inside, x)
        out = np.empty((len(x), frames))
        noise = np.sqrt(2 * model.diffusion[first:last, 0, 0])
        overdamped_1d(
            np.ascontiguousarray(x[:, 0]), float(low[0]), float(width[0]),
            np.ascontiguousarray(model.drift[first:last, 0]), noise, scheme == "milstein", float(timestep), every, seed,
            _STREAM_OVERDAMPED, out,
        )  # fmt: skip
        return _joined(out[..., None], None, timestep * every, model)
    if scheme == "milstein":
        raise ValueError("Milstein's scheme is for one coordinate; in more dimensions take euler")
    shape = np.array(known.shape)
    cell = np.floor((x - low) / width).astype(int)
    inside = np.all((cell >= 0) & (cell < shape), axis=1)
    inside[inside] = known[tuple(cell[inside].T)]
    _refuse(inside, x)
    # straight lines from supported cells into the others need a value there: that of the nearest supported one
    nearest = scipy.ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    drift = model.drift[tuple(nearest)].reshape(-1, d)
    root = np.linalg.cholesky(2 * model.diffusion[tuple(nearest)]).reshape(-1, d, d)
    paths = np.empty((len(x), frames, d))
    overdamped(
        x, low, width, shape, drift, root, known.ravel(), float(timestep), every, seed, _STREAM_OVERDAMPED, paths
    )
    return _joined(paths, None, timestep * every, model)


def simulate_underdamped(
    model: UnderdampedModel,
    start: ArrayLike,
    velocities: ArrayLike | None,
    steps: int,
    timestep: float,
    *,
    every: int = 1,
    seed: int,
) -> Trajectories:
    """Walkers of dx = v dt, dv = (f - gamma v) dt + sqrt(2 B) dW by BAOAB (Leimkuhler and Matthews, 2013).

    Of order 2 in the timestep; the positions of a harmonic well are exact at any step below 2 / omega, its velocities
    have the variance kT / m (1 - omega^2 h^2 / 4). Friction and noise are those at the middle of each step.

    Arguments:
        model, start, steps, timestep, every, seed: as `simulate_overdamped`, in one dimension.
        velocities: (k,) at the start; None for velocities drawn from exp(-gamma v^2 / 2 B).

    Returns:
        k trajectories with velocities.
    """
    x = _starts(start, 1)[:, 0]
    frames = _frames(steps, timestep, every)
    first, last = _whole_range(model.supported)
    width = float(model.edges[-1] - model.edges[0]) / (len(model.edges) - 1)
    low = float(model.edges[0]) + first * width
    _refuse((x >= low) & (x <= low + (last - first) * width), x[:, None])
    friction, noise = model.friction[first:last], model.noise[first:last]
    if velocities is None:
        if not friction.min() > 0:
            raise ValueError("without friction there is no temperature to draw velocities from: give them")
        thermal = np.sqrt(np.interp(x, model.centres[first:last], noise / friction))
        v = thermal * np.random.default_rng([seed, _STREAM_UNDERDAMPED]).standard_normal(len(x))
    else:
        v = np.asarray(velocities, dtype=np.float64).reshape(-1)
        if v.shape != x.shape or not np.all(np.isfinite(v)):
            raise ValueError(f"{len(x)} walkers need {len(x)} finite velocities, got shape {v.shape}")
    out, out_velocity = np.empty((len(x), frames)), np.empty((len(x), frames))
    baoab(
        np.ascontiguousarray(x), v, low, width, np.ascontiguousarray(model.acceleration[first:last]),
        np.ascontiguousarray(friction), np.ascontiguousarray(noise), float(timestep), every, seed, _STREAM_UNDERDAMPED,
        out, out_velocity,
    )  # fmt: skip
    return _joined(out[..., None], out_velocity.reshape(-1, 1), timestep * every, model)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the data (fine) and the model (effective) do, seen at the same frames.

    ``velocity``, ``displacement``: pairs (fine, effective) of `Correlation`, of the mean velocity over a frame and of
    the mean square displacement; ``passages``: rows (start, target, fine, effective), None where too few were seen.
    """

    velocity: tuple[Correlation, Correlation]
    displacement: tuple[Correlation, Correlation]
    passages: tuple[tuple[float, float, Estimate | None, Estimate | None], ...]


def compare(
    fine: Trajectories,
    effective: Trajectories,
    lags: ArrayLike,
    levels: ArrayLike = (),
    *,
    blocks: int = BLOCKS,
) -> Comparison:
    """Velocity autocorrelation, mean square displacement and passage times of data and model, with errors.

    Arguments:
        fine, effective: trajectories with the same spacing (`Trajectories.thinned`): passages and mean velocities
            depend on how often one looks.
        lags: (m,) frames from 1, for both curves.
        levels: (p, 2) pairs (start, target) of the first coordinate for first passages.
        blocks: for the error bars.

    Raises:
        ValueError: for spacings that differ, and as `correlations.autocorrelation`.
    """
    if abs(fine.spacing - effective.spacing) > 1e-9 * fine.spacing:
        raise ValueError(
            f"frames {fine.spacing:g} and {effective.spacing:g} apart cannot be compared: thin one of them"
        )
    steps = np.asarray(lags)
    velocity = tuple(_mean_velocity(source, np.concatenate([[0], steps]), blocks) for source in (fine, effective))
    moved = tuple(mean_square_displacement(source, steps, blocks=blocks) for source in (fine, effective))
    rows = []
    for start, target in np.asarray(levels, dtype=np.float64).reshape(-1, 2):
        found: list[Estimate | None] = []
        for source in (fine, effective):
            try:
                found.append(passage_time(source, float(start), float(target), blocks=blocks))
            except ValueError:  # too few passages: said by None
                found.append(None)
        rows.append((float(start), float(target), found[0], found[1]))
    return Comparison((velocity[0], velocity[1]), (moved[0], moved[1]), tuple(rows))


def _mean_velocity(source: Trajectories, lags: Array, blocks: int) -> Correlation:
    """<w(0) w(t)> of w = (x[t + 1] - x[t]) / spacing; the last frame of a trajectory has no w of its own."""
    w = np.diff(source.positions, axis=0, append=source.positions[-1:]) / source.spacing
    keep = np.ones(source.frames, dtype=bool)
    keep[source.offsets[1:] - 1] = False
    lengths = source.lengths - 1
    shorter = Trajectories(
        source.positions[keep], np.concatenate([[0], np.cumsum(lengths)]), source.spacing, None, None, source.unit,
        source.time_unit,
    )  # fmt: skip
    unit = f"{source.unit}^2/{source.time_unit}^2" if source.unit and source.time_unit else ""
    return autocorrelation(shorter, w[keep], lags, blocks=blocks, unit=unit)


def _starts(start: ArrayLike, d: int) -> Array:
    x = np.asarray(start, dtype=np.float64)
    x = x.reshape(-1, 1) if x.ndim < 2 and d == 1 else x
    if x.ndim != 2 or x.shape[1] != d or not len(x) or not np.all(np.isfinite(x)):
        raise ValueError(f"walkers begin at (k, {d}) finite positions, not at an array of shape {x.shape}")
    return np.ascontiguousarray(x)


def _frames(steps: int, timestep: float, every: int) -> int:
    if steps < 1 or every < 1 or steps % every or not timestep > 0:
        raise ValueError(f"{steps} steps of {timestep} with a frame every {every} steps cannot be run")
    if steps // every < 3:
        raise ValueError(f"{steps} steps with a frame every {every} make {steps // every + 1} frames; 4 are needed")
    return steps // every + 1


def _whole_range(known: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest run of supported cells of a one-dimensional model, [first, last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    first, last = edges[::2], edges[1::2]
    longest = int(np.argmax(last - first))
    if last[longest] - first[longest] < 2:
        raise ValueError("no two neighbouring cells of the model are supported: fit it with wider cells or more data")
    return int(first[longest]), int(last[longest])


def _refuse(inside: NDArray[np.bool_], x: Array) -> None:
    if not inside.all():
        walker = int(np.flatnonzero(~inside)[0])
        raise ValueError(f"walker {walker} begins at {x[walker]}, where the model has no data")


def _joined(
    paths: Array, velocities: Array | None, spacing: float, model: OverdampedModel | UnderdampedModel
) -> Trajectories:
    k, n, d = paths.shape
    return Trajectories(
        paths.reshape(k * n, d), n * np.arange(k + 1), spacing, velocities, None, model.unit, model.time_unit
    )
