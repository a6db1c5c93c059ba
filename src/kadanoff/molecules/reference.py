"""Atomistic SPC/E water with forces: the reference that kadanoff ships, and the way it was made.

OpenMM does the dynamics (rigid SPC/E, particle-mesh Ewald). The box is built at the density of SPC/E at 1 bar instead
of
filled by a solvation tool, because those leave a liquid 10 % too thin.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kadanoff.estimates import Estimate, from_blocks, mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from kadanoff.molecules.frames import Frames

__all__ = [
    "ReferenceFrame",
    "WaterReference",
    "advance",
    "build_water_box",
    "reduced",
    "reference_files",
    "seconds_per_ns",
    "simulate_water",
]

_OH, _HOH = 0.1, np.deg2rad(109.47)  # SPC/E: nm and the tetrahedral angle


@dataclass(frozen=True)
class WaterReference:
    """Conditions of the reference run.

    ``density`` is in molecules per nm^3 (33.33 is 0.997 g/cm^3), times are in ps, ``cutoff`` in nm, ``temperature``
    in K,
    ``friction`` in 1/ps; ``threads`` is OpenMM's CPU setting.
    """

    molecules: int = 500
    density: float = 33.33
    temperature: float = 300.0
    timestep: float = 0.002
    cutoff: float = 0.9
    friction: float = 0.2
    equilibration: float = 60.0
    frames: int = 200
    interval: float = 3.0
    seed: int = 20261122
    threads: int = 1


@dataclass(frozen=True)
class ReferenceFrame:
    """One saved instant: positions (n, 3) in nm, forces (n, 3) in kJ/mol/nm, box edge in nm, time in ps, pressure in
    bar."""

    positions: NDArray[np.float64]
    forces: NDArray[np.float64]
    box: float
    time: float
    pressure: float


def build_water_box(molecules: int, density: float, seed: int) -> tuple[NDArray[np.float64], float]:
    """Rigid SPC/E molecules with random orientations on random sites of a cubic lattice.

    Returns positions (3 * molecules, 3) in nm, ordered O H H, and the edge L = (molecules / density)^(1/3) of the
    cubic box.
    """
    random = np.random.default_rng(seed)
    edge = float((molecules / density) ** (1.0 / 3.0))
    per_side = int(np.ceil(molecules ** (1.0 / 3.0)))
    lattice = np.stack(np.meshgrid(*[np.arange(per_side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = lattice[np.sort(random.permutation(len(lattice))[:molecules])] * (edge / per_side)
    half = _HOH / 2
    water = _OH * np.array([[0, 0, 0], [np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    quaternions = random.normal(size=(molecules, 4))
    from scipy.spatial.transform import Rotation

    turned = np.einsum("nij,aj->nai", Rotation.from_quat(quaternions).as_matrix(), water)
    return (sites[:, None, :] + turned).reshape(-1, 3), edge


def _system(settings: WaterReference, edge: float) -> tuple[Any, Any, Any]:
    """OpenMM topology, system and barostat (frequency 0: it only measures the pressure)."""
    import openmm
    from openmm import app, unit

    topology = app.Topology()
    chain = topology.addChain()
    elements = [app.element.oxygen, app.element.hydrogen, app.element.hydrogen]
    for _ in range(settings.molecules):
        residue = topology.addResidue("HOH", chain)
        atoms = [
            topology.addAtom(name, element, residue) for name, element in zip(["O", "H1", "H2"], elements, strict=True)
        ]
        topology.addBond(atoms[0], atoms[1])
        topology.addBond(atoms[0], atoms[2])
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = app.ForceField("spce.xml").createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=settings.cutoff * unit.nanometer, rigidWater=True
    )
    barostat = openmm.MonteCarloBarostat(1 * unit.bar, settings.temperature * unit.kelvin, 0)
    system.addForce(barostat)
    return topology, system, barostat


def water_context(settings: WaterReference, edge: float, seed: int) -> tuple[Any, Any, Any]:
    """OpenMM context on the CPU platform, its Langevin integrator, and the barostat that only measures."""
    import openmm
    from openmm import unit

    _, system, barostat = _system(settings, edge)
    integrator = openmm.LangevinMiddleIntegrator(
        settings.temperature * unit.kelvin, settings.friction / unit.picosecond, settings.timestep * unit.picosecond
    )
    integrator.setRandomNumberSeed(seed % 2**31)
    platform = openmm.Platform.getPlatformByName("CPU")
    return openmm.Context(system, integrator, platform, {"Threads": str(settings.threads)}), integrator, barostat


def simulate_water(
    settings: WaterReference, checkpoint: bytes | None = None, *, frames: int | None = None
) -> Iterator[ReferenceFrame | bytes]:
    """Run rigid SPC/E water and yield frames; the last item yielded is a checkpoint (bytes) to go on from.

    Without ``checkpoint`` the box is built, minimised and equilibrated first; ``frames`` limits this call (all by
    default).
    Forces are those of the force field without constraint forces, which cancel in the sum over a rigid molecule.
    """
    import openmm
    from openmm import unit

    positions, edge = build_water_box(settings.molecules, settings.density, settings.seed)
    context, integrator, barostat = water_context(settings, edge, settings.seed)
    if checkpoint is None:
        context.setPositions(positions)
        openmm.LocalEnergyMinimizer.minimize(context, 10.0, 500)
        context.setVelocitiesToTemperature(settings.temperature * unit.kelvin, settings.seed % 2**31)
        integrator.setFriction(5.0 / unit.picosecond)
        integrator.step(round(settings.equilibration / 2 / settings.timestep))
        integrator.setFriction(settings.friction / unit.picosecond)
        integrator.step(round(settings.equilibration / 2 / settings.timestep))
        context.setTime(0.0)
    else:
        context.loadCheckpoint(checkpoint)
        integrator.setFriction(settings.friction / unit.picosecond)
    for _ in range(settings.frames if frames is None else frames):
        integrator.step(round(settings.interval / settings.timestep))
        state = context.getState(positions=True, forces=True, enforcePeriodicBox=True)
        yield ReferenceFrame(
            positions=state.getPositions(asNumpy=True).value_in_unit(unit.nanometer),
            forces=state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer),
            box=edge,
            time=state.getTime().value_in_unit(unit.picosecond),
            pressure=barostat.computeCurrentPressure(context).value_in_unit(unit.bar),
        )
    yield context.createCheckpoint()


def advance(settings: WaterReference, checkpoint: bytes | None, frames: int) -> tuple[list[ReferenceFrame], bytes]:
    """The next ``frames`` frames and the checkpoint behind them: one stage of a long run."""
    found: list[ReferenceFrame] = []
    end = b""
    for item in simulate_water(settings, checkpoint, frames=frames):
        if isinstance(item, bytes):
            end = item
        else:
            found.append(item)
    return found, end


def reference_files(settings: WaterReference, frames: list[ReferenceFrame]) -> dict[str, bytes]:
    """The reference as files: a GRO topology, a TRR with positions and forces (nm, kJ/mol/nm), a JSON record of its
    making."""
    import tempfile
    import warnings
    from pathlib import Path

    import MDAnalysis
    import openmm

    molecules = settings.molecules
    universe = MDAnalysis.Universe.empty(
        3 * molecules,
        n_residues=molecules,
        atom_resindex=np.repeat(np.arange(molecules), 3),
        trajectory=True,
        forces=True,
    )
    universe.add_TopologyAttr("name", ["OW", "HW1", "HW2"] * molecules)
    universe.add_TopologyAttr("resname", ["SOL"] * molecules)
    universe.add_TopologyAttr("resid", np.arange(1, molecules + 1))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MDAnalysis says which topology attributes are missing
        trr, gro = Path(folder) / "spce.trr", Path(folder) / "spce.gro"
        with MDAnalysis.Writer(str(trr), n_atoms=3 * molecules) as writer:
            for number, frame in enumerate(frames):
                step = universe.trajectory.ts
                step.positions, step.forces = (
                    10 * frame.positions,
                    frame.forces / 10,
                )  # MDAnalysis: Angstrom, kJ/mol/Angstrom
                step.dimensions = [10 * frame.box] * 3 + [90] * 3
                step.frame, step.time = number, frame.time
                writer.write(universe.atoms)
        universe.atoms.write(str(gro), reindex=False)
        files = {path.name: path.read_bytes() for path in (gro, trr)}
    pressure = mean(np.array([frame.pressure for frame in frames]), "bar")
    record = {
        "model": "SPC/E, rigid (Berendsen, Grigera, Straatsma, J. Phys. Chem. 91, 6269, 1987)",
        "electrostatics": "particle-mesh Ewald; Lennard-Jones cut at the same radius with the long-range correction",
        "settings": asdict(settings),
        "units": "density molecules/nm^3, temperature K, times ps, cutoff nm, friction 1/ps",
        "pressure_bar": [round(pressure.value, 1), round(pressure.error or 0.0, 1)],
        "openmm": openmm.version.version,
        "mdanalysis": MDAnalysis.__version__,
        "made_by": "kadanoff run spce-reference",
        "licence": "CC0-1.0: made for kadanoff, in the public domain",
    }
    return {**files, "spce.json": (json.dumps(record, indent=1) + "\n").encode()}


def reduced(files: Mapping[str, bytes], beads: Frames) -> dict[str, bytes]:
    """The reference with beads in place of its atoms: a third of the size, all that a fit of beads asks for.

    ``files`` of `reference_files`; ``beads``: the frames of its molecules' centres of mass with total forces. Returns
    spce.gro, spce.trr (float32) and spce.json, which says so.
    """
    from kadanoff.molecules.bead_files import bead_files

    record = json.loads(files["spce.json"])
    record["beads"] = "one bead W a molecule: centre of mass and total force, single precision"
    record["made_by"] += " --set keep=beads"
    return {**bead_files(beads, "spce"), "spce.json": (json.dumps(record, indent=1) + "\n").encode()}


def seconds_per_ns(settings: WaterReference, steps: int = 300) -> Estimate:
    """Wall seconds of this machine per simulated nanosecond of the atomistic model, from a short run in ten pieces."""
    import time

    import openmm
    from openmm import unit

    positions, edge = build_water_box(settings.molecules, settings.density, settings.seed)
    context, integrator, _ = water_context(settings, edge, settings.seed)
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, 100.0, 50)
    context.setVelocitiesToTemperature(settings.temperature * unit.kelvin, settings.seed % 2**31)
    integrator.step(20)
    pieces = []
    for _ in range(10):
        began = time.perf_counter()
        integrator.step(steps // 10)
        context.getState(positions=True)
        pieces.append((time.perf_counter() - began) / (steps // 10 * settings.timestep) * 1000.0)
    return from_blocks(np.array(pieces), "s/ns")
