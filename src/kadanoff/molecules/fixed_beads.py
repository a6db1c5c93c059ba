"""Atomistic water whose beads stand still: the forces that `force_floor` needs.

The atoms of each rigid molecule turn about its centre of mass, which is held where a frame of the reference has it;
the force on a bead, the sum over its atoms, then fluctuates as it does among all fine configurations with these bead
positions. Every run starts from a frame of the reference, a fair draw at its own bead positions, so that nothing need
be dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.reference import WaterReference, water_context

__all__ = ["FixedRun", "hold_beads"]

Array = NDArray[np.float64]

MASSES = np.array([15.99943, 1.007947, 1.007947])
"""O, H, H of SPC/E in OpenMM (amu)."""


@dataclass(frozen=True, eq=False)
class FixedRun:
    """Forces at fixed bead positions: ``positions`` (beads, 3) nm, ``forces`` (times, beads, 3) kJ/mol/nm at multiples
    of ``interval`` ps from 0 on, ``box`` edge in nm."""

    positions: Array
    forces: NDArray[np.float32]
    interval: float
    box: float


def hold_beads(
    atoms: Array, box: float, settings: WaterReference, *, length: float, interval: float, seed: int
) -> FixedRun:
    """Run rigid SPC/E water with every centre of mass held, from one frame of the reference.

    ``atoms`` (3 molecules, 3) in nm, molecules whole, ``box`` edge in nm; ``length`` and ``interval`` in ps;
    ``settings.friction`` (1/ps) acts on the rotations. After each step of the integrator every molecule is moved back
    and its centre's velocity removed: for a rigid body that is the dynamics of its rotation alone.

    Needs OpenMM. Raises `ValueError` for an interval that is no multiple of the time step.
    """
    every = round(interval / settings.timestep)
    if every < 1 or abs(every * settings.timestep - interval) > 1e-9:
        raise ValueError(f"the interval {interval} ps is no multiple of the time step {settings.timestep} ps")
    context, integrator, _ = water_context(settings, box, seed)
    share = MASSES / MASSES.sum()
    context.setPositions(atoms)
    context.applyConstraints(1e-8)
    context.setVelocitiesToTemperature(settings.temperature, seed % 2**31)
    centre = _centres(_molecules(context.getState(positions=True).getPositions(asNumpy=True)), share)
    steps = round(length / settings.timestep)
    forces = np.empty((steps // every + 1, settings.molecules, 3), np.float32)
    for step in range(steps + 1):
        if step:
            integrator.step(1)
        state = context.getState(positions=True, velocities=True)
        x, v = _molecules(state.getPositions(asNumpy=True)), _molecules(state.getVelocities(asNumpy=True))
        x = x + (centre - _centres(x, share))[:, None]
        v = v - _centres(v, share)[:, None]
        context.setPositions(x.reshape(-1, 3))
        context.setVelocities(v.reshape(-1, 3))
        if step % every == 0:
            forces[step // every] = _molecules(context.getState(forces=True).getForces(asNumpy=True)).sum(axis=1)
    return FixedRun(centre, forces, interval, box)


def _molecules(quantity: Any) -> Array:
    """(molecules, 3 atoms, 3) of what OpenMM gives, in its own units: nm, ps, kJ/mol."""
    return np.asarray(quantity._value, dtype=np.float64).reshape(-1, 3, 3)


def _centres(atoms: Array, share: Array) -> Array:
    return np.asarray(np.einsum("nad,a->nd", atoms, share))
