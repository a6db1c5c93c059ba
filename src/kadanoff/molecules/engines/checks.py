"""What every foreign engine asks of a start frame before it spends time on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.engines import Barostat
from kadanoff.molecules.frames import BOLTZMANN, Frames
from kadanoff.molecules.potentials import Model

__all__ = ["check_plan", "check_start", "refuse_barostat", "start_velocities"]


def check_start(model: Model, frame: Frames, *, pairs_only: str | None = None) -> NDArray[np.int64]:
    """Type of each bead as an index into ``model.names``.

    ``pairs_only``: name of an engine that knows no terms beyond pairs. Raises `ValueError` for a model that has some
    there, several frames, numbers that are none, a cut-off above half the box, a bead type the model
    does not know, and two beads on one spot (their force has no direction).
    """
    if len(frame) != 1:
        raise ValueError(f"an engine starts from one frame, not {len(frame)}; take frames[i]")
    x, box = np.asarray(frame.positions[0], dtype=np.float64), np.asarray(frame.box[0], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        raise ValueError(f"{len(bad)} beads have positions that are not numbers, first bead {bad[0]}")
    if frame.velocities is not None and not np.all(np.isfinite(frame.velocities)):
        raise ValueError("some start velocities are not numbers")
    if not np.all(np.isfinite(box) & (box > 0)):
        raise ValueError(f"every box edge must be positive, not {box} nm")
    if pairs_only is not None and not model.pairwise:
        terms = sorted({type(term).__name__ for term in (*model.triplets, *model.densities)})
        raise ValueError(f"{pairs_only} runs pair potentials only; the model has terms of {', '.join(terms)}")
    if model.reach > 0.5 * box.min() * (1 + 1e-9):
        raise ValueError(f"the cut-off {model.reach} nm is more than half the shortest box edge, {box.min()} nm")
    unknown = [name for name in frame.beads.names if name not in model.names]
    if unknown:
        raise ValueError(f"the model of {model.names} knows no bead type {unknown[0]!r}")
    from scipy.spatial import cKDTree

    wrapped = x - box * np.floor(x / box)
    wrapped[wrapped >= box] = 0.0  # rounding: -1e-20 wraps to the edge itself
    same = cKDTree(wrapped, boxsize=box).query_pairs(1e-9 * float(box.min()), output_type="ndarray")
    if len(same):
        i, j = same[0]
        raise ValueError(f"beads {i} and {j} stand on one spot, {x[i]} nm; move them apart")
    return np.array([model.names.index(name) for name in frame.beads.names])[frame.beads.types]


def check_plan(steps: int, timestep: float, every: int) -> int:
    """Number of frames of a run: steps // every."""
    if steps < 1 or every < 1 or not (np.isfinite(timestep) and timestep > 0):
        raise ValueError(f"a run needs steps, timestep and every above zero, not {steps}, {timestep} ps and {every}")
    if every > steps:
        raise ValueError(f"a run of {steps} steps that saves every {every} holds no frame")
    return steps // every


def refuse_barostat(barostat: Barostat | None, engine: str) -> None:
    """Raises `ValueError` where an engine that keeps the volume is asked to change it."""
    if barostat is not None:
        raise ValueError(f"{engine} runs at constant volume only; take BeadEngine for a run with a barostat")


def start_velocities(frame: Frames, temperature: float | None, seed: int) -> NDArray[np.float64]:
    """Velocities (n, 3) in nm/ps: the frame's own, else Maxwell-Boltzmann at ``temperature`` (K) without drift."""
    if frame.velocities is not None:
        return np.asarray(frame.velocities[0], dtype=np.float64)
    if temperature is None:
        raise ValueError("a run without a thermostat needs start velocities")
    masses = frame.beads.masses[:, None]
    noise = np.random.default_rng(seed).standard_normal((len(masses), 3))
    v = noise * np.sqrt(BOLTZMANN * temperature / masses)
    return np.asarray(v - (masses * v).sum(axis=0) / masses.sum(), dtype=np.float64)
