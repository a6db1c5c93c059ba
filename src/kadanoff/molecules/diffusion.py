"""Diffusion coefficients of beads with error bars, from positions (Einstein) and from velocities (Green-Kubo).

    D = [MSD(t2) - MSD(t1)] / (6 (t2 - t1)),  MSD(t) = <|r(t0 + t) - r(t0)|^2>;      D = (1/3) int_0^u <v(0) v(t)> dt

Beads move faster than the atoms they stand for: their energy landscape is smooth. The ratio (`speedup`) is what a time
in the bead model must be multiplied by, at best, to be compared with real time.

In a periodic box D is too small by 2.837297 kT / (6 pi eta L) (Yeh & Hummer, J. Phys. Chem. B 108, 15873, 2004):
`yeh_hummer` adds it where the viscosity eta of that same model is known. Nothing here does so unasked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.estimates import Estimate, mean, means
from kadanoff.losses import Loss
from kadanoff.molecules.frames import BOLTZMANN, Frames, fixed_box

__all__ = [
    "TimeCurve",
    "diffusion_loss",
    "einstein",
    "green_kubo",
    "mean_square_displacement",
    "speedup",
    "unwrapped",
    "velocity_autocorrelation",
    "yeh_hummer",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimeCurve:
    """A function of time: ``time`` (t,) ps, ``value`` (t,) and its standard ``error`` (t,)."""

    time: Array
    value: Array
    error: Array


def unwrapped(frames: Frames, *, drift: bool = False) -> Array:
    """Paths (f, n, 3) in nm of beads through the periodic images: each step is the shortest one.

    The centre of mass is held still unless ``drift``: in runs with Langevin friction it wanders by itself. Raises
    ValueError where a bead moves by more than 0.4 of the box between two frames, so that the shortest step may be
    the wrong one, or the box changes by more than 1e-4 of itself.
    """
    if not fixed_box(frames):
        edges = frames.box[:, int(np.argmax(np.ptp(frames.box, axis=0)))]
        raise ValueError(
            f"the box changes from {edges.min():.6g} to {edges.max():.6g} nm: paths through its images are not "
            "defined, because a barostat moves the beads with the box. Take a run at constant volume"
        )
    steps = np.diff(np.asarray(frames.positions, dtype=np.float64), axis=0)
    box = frames.box[1:, None, :]
    steps -= box * np.round(steps / box)
    if len(steps) and np.any(np.abs(steps) > _FARTHEST * box):
        frame, bead, _ = np.argwhere(np.abs(steps) > _FARTHEST * box)[0]
        raise ValueError(
            f"bead {bead} moves by more than 0.4 of the box between frames {frame} and {frame + 1}: its path "
            "through the images cannot be followed; save frames more often"
        )
    paths = np.concatenate([np.zeros((1, len(frames.beads), 3)), np.cumsum(steps, axis=0)])
    return paths if drift else np.asarray(paths - _centre(frames, paths))


def mean_square_displacement(frames: Frames, *, longest: float | None = None, drift: bool = False) -> TimeCurve:
    """MSD(t) in nm^2, averaged over beads and over all starting frames, to ``longest`` (ps; a quarter of the run).

    The error is that of the mean over starting frames, a series that is correlated over the time t (`estimates.means`).
    Frames must be equally spaced. Raises ValueError where they are not, or too few.
    """
    paths, spacing = unwrapped(frames, drift=drift), _spacing(frames)
    last = len(frames) // 4 if longest is None else round(longest / spacing)
    if not 1 <= last <= len(frames) - 4:
        raise ValueError(f"{len(frames)} frames {spacing:g} ps apart give no mean square displacement to {longest} ps")
    found = [mean(_squares(paths, lag)) for lag in range(1, last + 1)]
    return TimeCurve(
        np.asarray(spacing * np.arange(last + 1)), np.array([0.0, *(one.value for one in found)]),
        np.array([0.0, *(one.error or 0.0 for one in found)]),
    )  # fmt: skip


def einstein(frames: Frames, *, start: float | None = None, end: float | None = None, drift: bool = False) -> Estimate:
    """D in nm^2/ps (1 nm^2/ps = 1e-6 m^2/s) from the slope of the MSD between ``start`` and ``end``.

    By default these are a fiftieth and a tenth of the run. What happens before ``start`` (ps), ballistic flight and the
    rattling in a cage, drops out of the slope if it is over by then. Frames equally spaced; see `unwrapped` for
    ``drift``. Raises ValueError for a window that does not fit.
    """
    spacing = _spacing(frames)
    whole = spacing * len(frames)
    first = max(1, round((whole / 50 if start is None else start) / spacing))
    last = max(first + 1, round((whole / 10 if end is None else end) / spacing))
    if last > len(frames) // 2:
        raise ValueError(
            f"the window ends at {last * spacing:g} ps; {len(frames)} frames {spacing:g} ps apart allow half of "
            f"{whole:g} ps at most: a longer run is needed, or a shorter window"
        )
    paths = unwrapped(frames, drift=drift)
    late, early = _squares(paths, last), _squares(paths, first)[: len(paths) - last]
    found = mean((late - early) / (6.0 * spacing * (last - first)), "nm^2/ps")
    return Estimate(
        found.value, found.error, found.samples, found.unit,
        f"slope of the mean square displacement, {first * spacing:.3g}-{last * spacing:.3g} ps", found.degrees,
    )  # fmt: skip


def velocity_autocorrelation(frames: Frames, *, longest: float, drift: bool = False) -> TimeCurve:
    """<v(0) . v(t)> in nm^2/ps^2, over beads and starting frames, to ``longest`` (ps). Raises ValueError without
    velocities."""
    velocities, spacing = _velocities(frames, drift), _spacing(frames)
    last = round(longest / spacing)
    if not 1 <= last <= len(frames) - 4:
        raise ValueError(f"{len(frames)} frames {spacing:g} ps apart give no correlation to {longest:g} ps")
    found = means(_products(velocities, last))
    return TimeCurve(np.asarray(spacing * np.arange(last + 1)), found.value, found.error)


def green_kubo(frames: Frames, *, upper: float, drift: bool = False) -> Estimate:
    """D in nm^2/ps from the velocity autocorrelation, integrated by the trapezoidal rule to ``upper`` (ps).

    The integral is taken for each starting frame, so that the error of the mean of these knows how noise at different
    times hangs together. Frames must be close (a hundredth of a picosecond for liquids) and ``upper`` long against the
    decay: what lies beyond is left out. Raises ValueError without velocities, or for a window that does not fit.
    """
    velocities, spacing = _velocities(frames, drift), _spacing(frames)
    last = round(upper / spacing)
    if not 1 <= last <= len(frames) // 2:
        raise ValueError(f"{len(frames)} frames {spacing:g} ps apart give no integral to {upper:g} ps")
    weights = np.full(last + 1, spacing)
    weights[[0, -1]] *= 0.5
    found = mean(_products(velocities, last) @ weights / 3.0, "nm^2/ps")
    return Estimate(
        found.value, found.error, found.samples, found.unit, f"Green-Kubo integral to {upper:.3g} ps", found.degrees
    )


def yeh_hummer(diffusion: Estimate, temperature: float, edge: float, viscosity: float) -> Estimate:
    """D of the infinite system: D + 2.837297 kT / (6 pi eta L), for a cubic box of ``edge`` L (nm).

    ``temperature`` in K; ``viscosity`` eta in mPa s, of the model that was run. Source: Yeh & Hummer (2004).
    """
    if not (temperature > 0 and edge > 0 and viscosity > 0):
        raise ValueError(f"temperature, edge and viscosity must be positive, not {temperature}, {edge}, {viscosity}")
    friction = 6.0 * np.pi * viscosity * _MILLIPASCAL_SECOND * edge
    shift = 2.837297 * BOLTZMANN * temperature / friction
    return Estimate(
        diffusion.value + shift, diffusion.error, diffusion.samples, diffusion.unit,
        f"{diffusion.method}; Yeh-Hummer correction", diffusion.degrees,
    )  # fmt: skip


def speedup(fine: Estimate, coarse: Estimate) -> Estimate:
    """D of the beads over D of the atoms' own beads: by how much the smooth landscape hurries. Errors add relatively.

    Raises ValueError where the diffusion of the atoms is not four standard errors from nothing.
    """
    if not fine.value > 4.0 * (fine.error or 0.0):
        raise ValueError(f"the diffusion coefficient of the reference, {fine}, is within its noise: no ratio to it")
    ratio = coarse.value / fine.value
    relative = np.hypot((fine.error or 0.0) / fine.value, (coarse.error or 0.0) / max(abs(coarse.value), 1e-300))
    return Estimate(ratio, float(abs(ratio) * relative), None, "", "ratio of diffusion coefficients")


def diffusion_loss(fine: Estimate, coarse: Estimate) -> Loss:
    """The entry of the ledger: D of the reference's beads, of the model's, and their difference (nm^2/ps)."""
    return Loss("diffusion", fine, coarse, fine.minus(coarse))


_FARTHEST = 0.4  # of the box edge, in one step: half of it cannot be told from its image

_MILLIPASCAL_SECOND = 602.214076  # kJ/mol ps/nm^3


def _spacing(frames: Frames) -> float:
    steps = np.diff(frames.time)
    if len(steps) < 4 or not np.all(steps > 0) or np.ptp(steps) > 1e-3 * steps.mean():
        raise ValueError(
            "motion needs five frames or more, equally spaced in time; here the steps go from "
            f"{steps.min(initial=np.inf):g} to {steps.max(initial=-np.inf):g} ps"
        )
    return float(steps.mean())


def _centre(frames: Frames, vectors: ArrayLike) -> Array:
    share = frames.beads.masses / frames.beads.masses.sum()
    return np.asarray(np.einsum("n,fnd->fd", share, np.asarray(vectors))[:, None, :])


def _squares(paths: Array, lag: int) -> Array:
    """Squared displacement over ``lag`` frames, averaged over beads, for each starting frame (f - lag,)."""
    way = paths[lag:] - paths[:-lag]
    return np.asarray(np.einsum("fnd,fnd->f", way, way) / paths.shape[1])


def _velocities(frames: Frames, drift: bool) -> Array:
    if frames.velocities is None:
        raise ValueError("these frames hold no velocities; use positions (`einstein`), or save velocities")
    velocities = np.asarray(frames.velocities, dtype=np.float64)
    return velocities if drift else np.asarray(velocities - _centre(frames, velocities))


def _products(velocities: Array, last: int) -> Array:
    """v(t0) . v(t0 + t), averaged over beads: (starting frames, last + 1)."""
    origins = len(velocities) - last
    early = velocities[:origins]
    return np.stack([
        np.einsum("fnd,fnd->f", early, velocities[lag : lag + origins]) / velocities.shape[1]
        for lag in range(last + 1)
    ], axis=1)  # fmt: skip
