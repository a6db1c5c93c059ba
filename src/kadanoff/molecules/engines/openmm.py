"""OpenMM as an engine: bead models on a GPU, and a third opinion on every table.

The pair energy is exactly the Hermite interpolant of the table (discrete functions of coefficients, see
`tables.openmm_expression`). OpenMM reports no virial; a second force in a group of its own, which no integrator
follows, has -r dU/dr as its "energy", so that its sum over pairs is the virial sum r_ij . F_ij exactly, without a
finite difference of the volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kadanoff.molecules.engines import Barostat, Exploded, Langevin, NoseHoover, PointValue, Thermostat
from kadanoff.molecules.engines.checks import check_plan, check_start, refuse_barostat, start_velocities
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.tables import hermite_coefficients, openmm_expression

__all__ = ["OpenMMEngine", "bead_system", "require_openmm"]


def require_openmm() -> Any:
    """The module openmm. Raises ValueError with the pip line where it is missing."""
    try:
        import openmm
    except ImportError as error:
        raise ValueError("OpenMM is not installed; install it with: pip install '.[openmm]' in the clone") from error
    return openmm


def bead_system(model: Model, frame: Frames) -> Any:
    """The ``openmm.System`` of a frame's beads: energy in force group 0, the virial as the energy of force group 1.

    Save it for OpenMM alone with ``openmm.XmlSerializer.serialize``; there, drop force 1 or integrate group 0 only.
    """
    mm = require_openmm()
    types = check_start(model, frame, pairs_only="OpenMMEngine")
    system = mm.System()
    edges = frame.box[0].tolist()
    system.setDefaultPeriodicBoxVectors((edges[0], 0, 0), (0, edges[1], 0), (0, 0, edges[2]))
    for mass in frame.beads.masses.tolist():
        system.addParticle(mass)
    cells, first = hermite_coefficients(model)
    for group, expression in enumerate(openmm_expression(model.step)):
        force = mm.CustomNonbondedForce(expression)
        for i in range(4):
            force.addTabulatedFunction(f"c{i}", mm.Discrete1DFunction(cells[i].tolist()))
        size = len(model.names)
        force.addTabulatedFunction("first", mm.Discrete2DFunction(size, size, first.T.ravel().astype(float).tolist()))
        force.addPerParticleParameter("species")
        for kind in types.tolist():
            force.addParticle([kind])
        force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(min(model.cutoff, 0.5 * min(edges)))  # rounding of a cut-off that is half the box
        force.setUseLongRangeCorrection(False)
        force.setForceGroup(group)
        system.addForce(force)
    return system


@dataclass(frozen=True)
class OpenMMEngine:
    """Runs bead models in OpenMM.

    ``platform``: "CUDA", "HIP", "OpenCL", "CPU" or "Reference"; None takes the fastest at hand. ``threads``: of the
    CPU platform (its forces are asked to be deterministic). Single points always use Reference, which is double
    precision.
    """

    platform: str | None = None
    threads: int = 1

    def evaluate(self, model: Model, frame: Frames) -> PointValue:
        """Energy, forces and virial of one frame, in double precision."""
        mm = require_openmm()
        context = mm.Context(bead_system(model, frame), mm.VerletIntegrator(0.001), _platform("Reference"))
        context.setPositions(np.asarray(frame.positions[0], dtype=np.float64))
        state = context.getState(energy=True, forces=True, groups={0})
        virial = context.getState(energy=True, groups={1})
        return PointValue(
            float(state.getPotentialEnergy()._value),
            np.array(state.getForces(asNumpy=True)._value, dtype=np.float64),
            float(virial.getPotentialEnergy()._value),
        )

    def run(
        self, model: Model, start: Frames, *, steps: int, timestep: float, every: int, thermostat: Thermostat | None,
        barostat: Barostat | None = None, seed: int,
    ) -> Iterator[Frames]:  # fmt: skip
        """Run from the single frame ``start``; chunks with velocities, forces, energy and virial.

        ``Langevin`` is LangevinMiddleIntegrator, ``NoseHoover`` NoseHooverIntegrator (collision frequency 2 pi /
        period), None velocity Verlet. The first two keep velocities half a step behind the positions, as OpenMM does.
        """
        total = check_plan(steps, timestep, every)
        refuse_barostat(barostat, "OpenMMEngine")
        mm = require_openmm()
        system = bead_system(model, start)
        integrator = _integrator(mm, thermostat, timestep, seed)
        integrator.setIntegrationForceGroups({0})
        platform = _platform(self.platform)
        on_cpu = platform.getName() == "CPU"
        properties = {"Threads": str(self.threads), "DeterministicForces": "true"} if on_cpu else {}
        context = mm.Context(system, integrator, platform, properties)
        context.setPositions(np.asarray(start.positions[0], dtype=np.float64))
        temperature = None if thermostat is None else thermostat.temperature
        context.setVelocities(start_velocities(start, temperature, seed))
        size = max(1, min(total, 50, 500_000 // len(start.beads)))
        for first in range(0, total, size):
            states: list[tuple[Any, float]] = []
            for k in range(first, min(first + size, total)):
                trouble = ""
                try:
                    integrator.step(every)
                    state = context.getState(positions=True, velocities=True, forces=True, energy=True, groups={0})
                    virial = float(context.getState(energy=True, groups={1}).getPotentialEnergy()._value)
                except mm.OpenMMException as error:
                    trouble = str(error)
                if not trouble:
                    energy, x = state.getPotentialEnergy()._value, state.getPositions(asNumpy=True)._value
                    if not (np.isfinite(energy) and np.isfinite(virial) and np.isfinite(x).all()):
                        trouble = "positions or energy are no numbers any more"
                if trouble:
                    kept = _chunk(start, states, first, every * timestep) if states else None
                    raise Exploded(
                        f"the simulation exploded in OpenMM before step {(k + 1) * every}: {trouble}; "
                        "try a smaller timestep or a relaxed start",
                        kept,
                    )
                states.append((state, virial))
            yield _chunk(start, states, first, every * timestep)


def _platform(name: str | None) -> Any:
    mm = require_openmm()
    have = [mm.Platform.getPlatform(i) for i in range(mm.Platform.getNumPlatforms())]
    if name is None:
        return max(have, key=lambda platform: platform.getSpeed())
    names = [platform.getName() for platform in have]
    if name not in names:
        raise ValueError(f"this OpenMM has no platform {name!r}; it has {', '.join(names)}")
    return have[names.index(name)]


def _integrator(mm: Any, thermostat: Thermostat | None, timestep: float, seed: int) -> Any:
    if isinstance(thermostat, Langevin):
        integrator = mm.LangevinMiddleIntegrator(thermostat.temperature, thermostat.friction, timestep)
        own = int(np.random.SeedSequence(seed).generate_state(1, np.uint32)[0])
        integrator.setRandomNumberSeed(1 + own % (2**31 - 2))  # 0 would mean a new seed each time
    elif isinstance(thermostat, NoseHoover):
        frequency = 2 * np.pi / thermostat.period
        integrator = mm.NoseHooverIntegrator(thermostat.temperature, frequency, timestep, thermostat.chain)
    else:
        integrator = mm.CustomIntegrator(timestep)
        integrator.addUpdateContextState()
        integrator.addComputePerDof("v", "v + 0.5 * dt * f / m")
        integrator.addComputePerDof("x", "x + dt * v")
        integrator.addComputePerDof("v", "v + 0.5 * dt * f / m")
    return integrator


def _chunk(start: Frames, states: list[tuple[Any, float]], first: int, spacing: float) -> Frames:
    box = start.box[0]
    x = np.array([state.getPositions(asNumpy=True)._value for state, _ in states])
    return Frames(
        start.beads, x - np.floor(x / box) * box, np.tile(box, (len(states), 1)),
        start.time[0] + spacing * np.arange(first + 1, first + 1 + len(states)),
        velocities=np.array([state.getVelocities(asNumpy=True)._value for state, _ in states]),
        forces=np.array([state.getForces(asNumpy=True)._value for state, _ in states]),
        energy=np.array([state.getPotentialEnergy()._value for state, _ in states], dtype=np.float64),
        virial=np.array([virial for _, virial in states]),
    )  # fmt: skip
