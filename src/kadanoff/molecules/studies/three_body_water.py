"""Pair forces against pair and three-body forces: what a liquid with directions loses where forces have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.estimates import Estimate
from kadanoff.molecules.engines import Exploded, Langevin
from kadanoff.molecules.force_floor import FixedBeads, force_floor
from kadanoff.molecules.force_terms import AngularBasis, PairBasis
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.iteration import even_and_odd, rdf_difference, starting_frame
from kadanoff.molecules.many_body_matching import ManyBodyMatch, angular_candidates, match_many_body, nearest_distance
from kadanoff.molecules.mapping import BeadConfig, MappingConfig
from kadanoff.molecules.mw_water import EPSILON, SIGMA, mw_water
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.structure import Structure, first_minimum, structure
from kadanoff.molecules.studies.bottom_up import Expected, Reference, read_reference
from kadanoff.molecules.studies.three_body_report import Comparison, Recovered, Simulated, report
from kadanoff.molecules.term_equations import term_equations
from kadanoff.molecules.term_matching import fit_terms
from kadanoff.molecules.term_solution import Mode
from kadanoff.study import InputFile, Result, Run
from kadanoff.units import Length, Temperature, Time

__all__ = ["ThreeBody", "three_body"]

_strict = ConfigDict(extra="forbid", frozen=True)


class Walk(BaseModel):
    """How the bead models are simulated, with our own engine."""

    model_config = _strict
    threads: int = Field(1, ge=1, description="Threads of the engine.")
    timestep: Time = Field(0.004, gt=0, description="Time step.")
    friction: float = Field(2.0, gt=0, description="Friction of the Langevin thermostat [1/ps].")
    every: int = Field(50, ge=1, description="A frame each so many steps.")
    steps: int = Field(20_000, ge=1000, description="Steps of each simulation that are kept.")
    equilibration: int = Field(3000, ge=0, description="Steps that are dropped before them.")


class Recovery(BaseModel):
    """The check on mW water, whose three-body potential is known."""

    model_config = _strict
    molecules: int = Field(216, ge=0, description="Beads of mW water; 0 leaves the check out.")
    frames: int = Field(40, ge=6, description="Frames, 100 steps of 5 fs apart.")
    noise: float = Field(
        0.5, ge=0, description="Gaussian noise on the forces, in parts of their RMS, so that error bars mean something."
    )


class ThreeBody(MappingConfig):
    """Settings of molecules.three-body."""

    temperature: Temperature = Field(gt=0, description="Temperature of the reference.", examples=["300 K"])
    unassigned: Literal["error", "ignore"] = Field(
        "error", description='Atoms in no bead are an "error", or "ignore" them.'
    )
    masses: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="Masses by atom name [amu], where topology and names tell none.", examples=[{"X": 12.0}]
    )
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of the pair force.")
    knots: Length = Field(0.02, gt=0, description="Distance of the knots of the pair force.")
    reach: Length = Field(1.2, gt=0, description="g(r) is measured to here, at most half the box.")
    width: Length = Field(0.01, gt=0, description="Bin width of g(r).")
    judged: Length = Field(1.0, gt=0, description="The RMS difference of g(r) is taken up to here.")
    mode: Mode = Field(
        "joint", description='"joint" fits pairs and three-body terms at once, "residual" one after the other.'
    )
    intervals: int = Field(10, ge=4, description="Knot intervals of the three-body function of the cosine.")
    three_body_cutoff: Length | None = Field(
        None, gt=0, description="Cut-off of the three-body term; scanned by default.", examples=["0.37 nm"]
    )
    three_body_decay: Length | None = Field(
        None, gt=0, description="Decay of its radial factors; scanned by default.", examples=["0.15 nm"]
    )
    floor: InputFile | None = Field(
        None, description="Forces at fixed bead positions (npz), for the irreducible floor.", examples=["floor.npz"]
    )
    expected: dict[str, Expected] = Field({}, description="Numbers of result.json to compare with, by name.")
    reference: Reference = Field(description="The atomistic trajectory, with forces.")
    simulation: Walk = Field(Walk(), description="How the bead models are simulated.")
    recovery: Recovery = Field(Recovery(), description="The check on mW water.")
    beads: dict[str, BeadConfig] = Field(
        min_length=1,
        description="The bead: a name, and which atoms make one.",
        examples=[{"W": {"select": "resname SOL", "per": "residue"}}],
    )


def fit_reference(frames: Frames, config: dict[str, object]) -> ManyBodyMatch:
    """All force-matching fits of the reference."""
    config = dict(config)
    cutoff, decay = config.pop("three_body_cutoff"), config.pop("three_body_decay")
    name = frames.beads.names[int(frames.beads.types[0])]
    tried = angular_candidates(
        name, (name, name), nearest_distance(frames), intervals=int(str(config["intervals"])),
        cutoffs=None if cutoff is None else [float(str(cutoff))], decays=None if decay is None else [float(str(decay))],
    )  # fmt: skip
    return match_many_body(frames, tried=tried, **config)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Plan:
    """What a bead simulation is told."""

    walk: Walk
    temperature: float
    reach: float
    width: float
    shell: float


def simulate(model: Model, start: Frames, plan: Plan, seed: int) -> Simulated:
    """Simulate a bead model; one that explodes is said, not hidden."""
    from kadanoff.molecules.engines.bead import BeadEngine

    walk = plan.walk
    drop = -(-walk.equilibration // walk.every)
    runner = BeadEngine(threads=walk.threads).run(
        model, start, steps=(drop + walk.steps // walk.every) * walk.every, timestep=walk.timestep, every=walk.every,
        thermostat=Langevin(plan.temperature, walk.friction), seed=seed,
    )  # fmt: skip
    try:
        frames = Frames.join(list(runner))[drop:]
    except Exploded as error:
        return Simulated(None, None, None, None, str(error))
    return Simulated(
        structure(frames, plan.shell, blocks=20), pair_distribution(frames, cutoff=plan.reach, width=plan.width),
        frames.pressure(plan.temperature), frames[len(frames) - 1],
    )  # fmt: skip


def recover_mw(recovery: Recovery, temperature: float, seed: int) -> Recovered:
    """Simulate mW water, add noise to its forces, and fit them: the Stillinger-Weber form should come back."""
    from kadanoff.molecules.engines.bead import BeadEngine

    model = mw_water()
    number, density = recovery.molecules, 33.33
    edge = (number / density) ** (1.0 / 3.0)
    side = int(np.ceil(number ** (1.0 / 3.0)))
    lattice = (np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5)[:number] / side
    start = Frames(Beads.alike(number, model.masses[0], "W"), edge * lattice[None], np.full((1, 3), edge), np.zeros(1))
    engine = BeadEngine()
    bath = Langevin(temperature, 5.0)
    warm = list(engine.run(model, start, steps=4000, timestep=0.005, every=4000, thermostat=bath, seed=seed))[-1]
    begin, steps = warm[len(warm) - 1], 100 * recovery.frames
    run = engine.run(model, begin, steps=steps, timestep=0.005, every=100, thermostat=bath, seed=seed + 1)
    frames = Frames.join(list(run))
    forces = np.array([engine.evaluate(model, frames[i]).forces for i in range(len(frames))])
    size = float(np.sqrt(np.mean(forces**2)))
    forces += recovery.noise * size * np.random.default_rng(seed).normal(size=forces.shape)
    frames = Frames(frames.beads, frames.positions, frames.box, frames.time, forces=forces)
    cutoff, decay = 1.8 * SIGMA, 1.2 * SIGMA
    pair = PairBasis(("W", "W"), Knots(0.0, cutoff, 36))
    powers = AngularBasis("W", ("W", "W"), cutoff, decay, 0)
    splines = AngularBasis("W", ("W", "W"), cutoff, decay, 10)
    equations = term_equations(frames, (pair, powers, splines))
    exact = fit_terms(equations, terms=(pair, powers), seed=seed)
    free = fit_terms(equations, terms=(pair, splines), seed=seed)
    return Recovered(EPSILON, exact, free, model, exact.of(powers), free.of(splines), free.of(pair), recovery.noise)


def three_body(config: ThreeBody, run: Run) -> Result:
    """Pair forces against pair and three-body forces: explained variance, angles, tetrahedral order.

    Matches the forces of an atomistic trajectory with pairs alone, with a three-body term, with splines of three
    distances and with a local density; simulates beads with pair forces and with three-body forces; compares angles and
    order with the reference, which no fit saw; and returns the known three-body potential of mW water from its forces.
    """
    reference = config.reference
    mapping = MappingConfig(beads=config.beads, unassigned=config.unassigned, masses=config.masses)
    options = {"start": reference.start, "stop": reference.stop, "step": reference.step, "damaged": reference.damaged}
    frames = run.stage("beads", read_reference, reference.topology, reference.trajectory, mapping, options)
    if frames.forces is None:
        raise ValueError(
            f"{reference.trajectory.name} holds no forces, and this study matches forces: give a trajectory with them "
            "(TRR; in GROMACS set nstfout)"
        )
    if config.reach > 0.5 * frames.box.min():
        raise ValueError(
            f"reach = {config.reach:g} nm exceeds half the shortest box edge, {0.5 * frames.box.min():g} nm: "
            "set reach (and cutoff) below it"
        )
    floor = None if config.floor is None else force_floor(FixedBeads.load(config.floor))
    target: PairDistribution = run.stage("target", pair_distribution, frames, cutoff=config.reach, width=config.width)
    shell = first_minimum(target)
    fine: Structure = run.stage("structure-fine", structure, frames, shell, blocks=20)
    match: ManyBodyMatch = run.stage(
        "force-matching", fit_reference, frames,
        {
            "cutoff": config.cutoff, "spacing": config.knots, "intervals": config.intervals, "mode": config.mode,
            "three_body_cutoff": config.three_body_cutoff, "three_body_decay": config.three_body_decay,
            "seed": run.seed,
        },
    )  # fmt: skip
    plan = Plan(config.simulation, config.temperature, config.reach, config.width, shell)
    start = starting_frame(frames)
    mass = (float(start.beads.masses[0]),)
    models = {"pair": match.pair.model(mass), "three_body": match.three_body.model(mass)}
    runs = {
        name: run.stage(f"simulation-{name}", simulate, model, start, plan, run.seed + 100 * place)
        for place, (name, model) in enumerate(models.items(), 1)
    }
    recovered = None
    if config.recovery.molecules:
        recovered = run.stage("mw-water", recover_mw, config.recovery, config.temperature, run.seed + 500)
    differences: dict[str, tuple[Estimate, Estimate]] = {
        name: rdf_difference(one.distribution, even_and_odd(target)[1], config.judged)
        for name, one in runs.items()
        if one.distribution is not None
    }
    found = Comparison(
        config.temperature, config.judged, target, fine, match, models, runs, differences, floor, recovered,
        float(reference.pressure) if reference.pressure is not None else None,
    )  # fmt: skip
    return report(found, config.expected)
