"""The studies of molecules: the main job, and the run that made its reference data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import xarray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff.estimates import Estimate, bootstrap_samples, mean
from kadanoff.losses import Ledger, Loss
from kadanoff.molecules import pictures
from kadanoff.molecules.boltzmann import boltzmann_inversion
from kadanoff.molecules.force_matching import ForceMatch, normal_equations, solve
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.integral_equations import gauss_newton_step, hnc_start
from kadanoff.molecules.iteration import (
    Iteration,
    Mend,
    Sample,
    Sampling,
    even_and_odd,
    ibi,
    iterate,
    newton,
    rdf_difference,
    sample,
    starting_frame,
)  # fmt: skip
from kadanoff.molecules.mapping import BeadConfig, Mapping, MappingConfig, map_trajectory, require_one_bead_per_molecule
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.reading import open_trajectory
from kadanoff.molecules.reference import ReferenceFrame, WaterReference, advance, reference_files, seconds_per_ns
from kadanoff.molecules.structure import Structure, first_minimum, structure, two_body_entropy
from kadanoff.molecules.tables import write_gromacs, write_lammps, write_lammps_data, write_openmm, write_votca
from kadanoff.study import InputFile, Reported, Result, Run, judge
from kadanoff.units import Length, Pressure, Temperature, Time

__all__ = ["BottomUp", "WaterReferenceConfig", "bottom_up", "water_reference"]

_strict = ConfigDict(extra="forbid", frozen=True)


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
        8, ge=0, le=500, description="Steps of iterative Boltzmann inversion, for comparison; 0 leaves it out."
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
    steps: int = Field(20_000, ge=1000, description="Steps of each simulation on the way.")
    final_steps: int = Field(80_000, ge=1000, description="Steps of the final simulation, which no iteration saw.")


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
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of the bead potential; it ends there smoothly in zero.")
    reach: Length = Field(
        1.2, gt=0, description="g(r) is measured to here, well beyond the cut-off, at most half the box."
    )
    width: Length = Field(0.01, gt=0, description="Bin width of g(r).")
    judged: Length = Field(1.0, gt=0, description="The RMS difference of g(r) is taken up to here.")
    knots: Length = Field(0.02, gt=0, description="Distance of the knots of the matched force.")
    atomistic: Literal["none", "spce"] = Field(
        "none", description='"spce" times a short OpenMM run of SPC/E water for the speed-up.'
    )
    expected: dict[str, Expected] = Field({}, description="Numbers of result.json to compare with, by name.")
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
        if self.judged > self.reach:
            raise ValueError(f"judged {self.judged:g} nm lies beyond reach {self.reach:g} nm")
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
    frames = run.stage("beads", read_reference, reference.topology, reference.trajectory, mapping, options)
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
    mends: dict[str, Mend] = {"newton": newton(even, config.temperature), "ibi": ibi(even, config.temperature)}
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
    best = turns["newton"][-1].potential
    last = turns["newton"][-1].sample.last
    final = run.stage(
        "final", sample, best, last, sampling, steps=simulation.final_steps, seed=run.seed + 9000, keep=200
    )
    matched = None
    if match is not None:
        matched = run.stage(
            "force-matched", sample, match.potential, begin, sampling, steps=simulation.steps, seed=run.seed + 3000
        )
    rms, floor = rdf_difference(final.distribution, odd, config.judged)

    minimum = first_minimum(target)
    assert final.frames is not None
    shapes = tuple(
        run.stage(f"structure-{name}", structure, which, minimum)
        for name, which in (("fine", frames), ("coarse", final.frames))
    )
    peak = run.stage("peak", centred, frames, config.reach, config.width)
    seconds = None
    if config.atomistic == "spce":
        seconds = run.stage(
            "speed", atomistic_speed, len(frames.beads), target.density, config.temperature, simulation.threads
        )

    # what the noise of the reference leaves open of the pressure counts beside the noise of the simulation
    left_open = gauss_newton_step(best, even, final.distribution, config.temperature).pressure_error
    spread = float(np.hypot(final.pressure.error or 0.0, left_open))
    pressure = replace(
        final.pressure, error=spread, samples=None, method="simulation, and noise of the reference through the fit"
    )
    entropies = two_body_entropy(target), two_body_entropy(final.distribution)

    ledger = Ledger()
    if match is not None:
        ledger.add(
            Loss(
                "force_variance", Estimate.exact(1.0), match.in_sample,
                replace(match.explained_variance, value=1.0 - match.explained_variance.value), theorem="coarse <= fine",
                theorem_text="a least-squares force is never longer than what it is fitted to", conditions="in sample",
            )
        )  # fmt: skip
    ledger.add(Loss("two_body_entropy", *entropies, entropies[0].minus(entropies[1])))
    ledger.add(
        Loss(
            "tetrahedral_order",
            shapes[0].tetrahedral,
            shapes[1].tetrahedral,
            shapes[0].tetrahedral.minus(shapes[1].tetrahedral),
        )
    )
    ledger.add(
        Loss(
            "coordination",
            shapes[0].coordination,
            shapes[1].coordination,
            shapes[0].coordination.minus(shapes[1].coordination),
        )
    )
    ledger.add(Loss("angular_distribution", None, None, angular_distance(*shapes)))
    if reference.pressure is not None:
        fine = Estimate(reference.pressure, reference.pressure_error, None, "bar", "given")
        ledger.add(Loss("pressure", fine, pressure, fine.minus(replace(pressure, unit="bar"))))
    ledger.verify()

    ratio = rms.value / floor.value
    ratio_error = ratio * float(np.hypot((rms.error or 0.0) / rms.value, (floor.error or 0.0) / floor.value))
    position, height = first_peak(peak)
    bead_seconds = final.seconds / final.simulated * 1000.0
    found: dict[str, Estimate | Reported] = {
        "rdf_rms": rms,
        "noise_floor": floor,
        "rdf_rms_over_noise": Reported(
            Estimate(ratio, ratio_error, rms.samples, "", rms.method),
            1.0, tolerance=0.5, source="1 where the model differs from the reference by the noise of both alone",
        ),
        "iterations": Estimate.exact(len(turns["newton"]) - 1),
        "first_peak_position": position,
        "first_peak_height": height,
        "pressure": pressure,
        "tetrahedral_order_fine": shapes[0].tetrahedral,
        "tetrahedral_order_coarse": shapes[1].tetrahedral,
        "two_body_entropy_fine": entropies[0],
        "two_body_entropy_coarse": entropies[1],
        "force_variance_explained": match.explained_variance
        if match
        else Reported(None, reason="the trajectory holds no forces"),
        "speedup_per_ns": seconds.scaled(1.0 / bead_seconds, "") if seconds else Reported(
            None,
            reason="needs an atomistic run on this machine: pip install 'kadanoff[openmm]', atomistic = \"spce\" (water)",
        ),
    }  # fmt: skip
    for name, expected in config.expected.items():
        if name not in found:
            raise ValueError(f"expected.{name}: there is no such number; there are {', '.join(found)}")
        given = found[name]
        estimate = given.estimate if isinstance(given, Reported) else given
        found[name] = Reported(estimate, expected.value, expected.error, expected.tolerance, expected.source)
    model = Model(begin.beads.names, (float(begin.beads.masses[0]),), {(begin.beads.names[0],) * 2: best})
    curves = {"newton": best, "pmf": starts["ibi"]}
    if "ibi" in turns:
        curves["ibi"] = turns["ibi"][-1].potential
    if match is not None:
        curves["fm"] = match.potential
    drawn = {
        "rdf": pictures.rdf(
            odd, final.distribution, matched.distribution if matched else None, config.judged, rms, floor
        ),
        "potentials": pictures.potentials(curves),
        "convergence": pictures.convergence(turns, turns["newton"][-1].floor),
    }
    if match is not None:
        drawn["forces"] = pictures.forces(match, best)
    drawn["shapes"] = pictures.shapes(*shapes)
    text = _verdict(config, target, rms, floor, turns, pressure, match, shapes)
    return Result(
        found,
        ledger,
        judge(found, ledger, text),
        _data(odd, final, matched, curves, turns, shapes),
        drawn,
        model_files(model, final.last),
        _CITE,
    )


def _verdict(
    config: BottomUp, target: PairDistribution, rms: Estimate, floor: Estimate, turns: dict[str, list[Iteration]],
    pressure: Estimate,
    match: ForceMatch | None, shapes: tuple[Structure, ...],
) -> str:  # fmt: skip
    """What holds, what does not, and where it stops holding."""
    ratio, steps = rms.value / floor.value, len(turns["newton"]) - 1
    words = [
        f"The bead model has the pair structure of the reference "
        f"{'to its noise' if ratio <= 1.5 else 'only roughly'}: RMS of g(r) {rms} on "
        f"blocks that the fit never saw, {ratio:.2f} times the noise floor {floor}, after {steps} Newton "
        f"step{'s' * (steps != 1)}."
    ]
    if "ibi" in turns:
        reached = next(
            (turn.number for turn in turns["ibi"] if turn.rms.value <= 1.1 * turns["newton"][-1].rms.value), None
        )
        words.append(
            f"Iterative Boltzmann inversion needed {reached} steps for the same." if reached is not None else
            f"Iterative Boltzmann inversion did not get there in {len(turns['ibi']) - 1} steps."
        )  # fmt: skip
    if match is not None:
        words.append(
            f"A pair force explains {match.explained_variance} of the variance of the forces on the beads; no pair "
            f"potential can explain more."
        )
    fine, coarse = (shape.tetrahedral for shape in shapes)
    words.append(f"Tetrahedral order falls from {fine} to {coarse}: beads have no directions, so no hydrogen bonds.")
    words.append(
        f"The pressure of the beads is {pressure}, "
        + ("thousands of bar: " if abs(pressure.value) > 1000 else "")
        + "a potential that matches g(r) does not match the pressure; use it at constant volume."
    )
    words.append(
        f"Fitted at {config.temperature:g} K and {target.density:.4g} beads/nm^3, it is not to be used at other "
        f"temperatures and densities, in mixtures, at "
        "interfaces, or for dynamics, which it makes faster."
    )
    return " ".join(words)


def _data(
    odd: PairDistribution, final: Sample, matched: Sample | None, curves: dict[str, PairPotential],
    turns: dict[str, list[Iteration]],
    shapes: tuple[Structure, ...],
) -> xarray.Dataset:  # fmt: skip
    """Every array behind the figures."""
    data = xarray.Dataset()

    def put(name: str, axis: str, values: Any, units: str) -> None:
        data[name] = xarray.DataArray(np.asarray(values), dims=axis, attrs={"units": units})

    put("r", "r", odd.r, "nm")
    samples = {"target": odd, "beads": final.distribution} | ({"matched": matched.distribution} if matched else {})
    for name, distribution in samples.items():
        put(f"g_{name}", "r", distribution.g, "1")
        put(f"g_{name}_error", "r", distribution.error, "1")
    put("distance", "distance", curves["newton"].r, "nm")
    for name, potential in curves.items():
        put(f"energy_{name}", "distance", potential.energy_at(curves["newton"].r), "kJ/mol")
        put(f"force_{name}", "distance", potential.force_at(curves["newton"].r), "kJ/mol/nm")
        put(f"supported_{name}", "distance", potential.is_supported(curves["newton"].r).astype(np.int8), "1")
    for name, found in turns.items():
        put(f"rms_{name}", f"{name}_step", [turn.rms.value for turn in found], "1")
        put(f"rms_{name}_error", f"{name}_step", [turn.rms.error or 0.0 for turn in found], "1")
        put(f"pressure_{name}", f"{name}_step", [turn.sample.pressure.value for turn in found], "bar")
    put("cosine", "cosine", shapes[0].cosines, "1")
    put("order", "order", shapes[0].orders, "1")
    for name, shape in zip(("fine", "coarse"), shapes, strict=True):
        put(f"angles_{name}", "cosine", shape.angles, "1")
        put(f"angles_{name}_error", "cosine", shape.angles_error, "1")
        put(f"orders_{name}", "order", shape.order, "1")
        put(f"orders_{name}_error", "order", shape.order_error, "1")
    return data


_CITE = (
    "Newton steps with the HNC Jacobian: M. P. Bernhardt, M. Hanke, N. F. A. van der Vegt, J. Chem. Phys. 154, "
    "084118 (2021)",
    "Iterative Boltzmann inversion: D. Reith, M. Putz, F. Muller-Plathe, J. Comput. Chem. 24, 1624 (2003)",
    "Force matching: S. Izvekov, G. A. Voth, J. Phys. Chem. B 109, 2469 (2005); W. G. Noid et al., J. Chem. Phys. "
    "128, 244114 (2008)",
    "Reading: N. Michaud-Agrawal et al., J. Comput. Chem. 32, 2319 (2011) (MDAnalysis)",
    "SPC/E water: H. J. C. Berendsen, J. R. Grigera, T. P. Straatsma, J. Phys. Chem. 91, 6269 (1987)",
)


def atomistic_speed(molecules: int, density: float, temperature: float, threads: int) -> Estimate | None:
    """Seconds per nanosecond of SPC/E water on this machine, None without OpenMM."""
    import importlib.util

    if importlib.util.find_spec("openmm") is None:
        return None
    return seconds_per_ns(
        WaterReference(molecules=molecules, density=density, temperature=temperature, threads=threads)
    )


def centred(frames: Frames, reach: float, width: float) -> PairDistribution:
    """g(r) in bins centred on multiples of ``width``, the convention of csg_stat and of published peak heights."""
    fine = pair_distribution(frames, cutoff=reach, width=0.5 * width)
    counts, ideal = (array[:, 1:-1].reshape(len(fine), -1, 2).sum(axis=2) for array in (fine.counts, fine.ideal))
    return replace(fine, edges=fine.edges[1::2], counts=counts, ideal=ideal)


def first_peak(distribution: PairDistribution) -> tuple[Estimate, Estimate]:
    """Position (nm; vertex of the parabola through three bins) and height (the highest bin) of g; errors by bootstrap
    over blocks."""
    top = int(np.argmax(distribution.g))
    if not 0 < top < len(distribution.g) - 1:
        raise ValueError("the highest bin of g(r) is the first or the last: no peak within reach")
    width = float(distribution.edges[1] - distribution.edges[0])

    def vertex(g: Any) -> Any:
        left, middle, right = g[..., top - 1], g[..., top], g[..., top + 1]
        return distribution.r[top] + 0.5 * width * (left - right) / (left - 2 * middle + right)

    spread = float(np.std(vertex(distribution.bootstrap(400, 0)), ddof=1))
    many = len(distribution)
    return (
        Estimate(float(vertex(distribution.g)), spread, many, "nm", "bootstrap over blocks"),
        Estimate(float(distribution.g[top]), float(distribution.error[top]), many, "", "spread of blocks"),
    )


def model_files(model: Model, frame: Frames) -> dict[str, bytes]:
    """The model as files for LAMMPS, GROMACS, OpenMM and VOTCA, and as JSON for kadanoff itself."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_lammps(model, folder / "lammps.table")
        write_lammps_data(model, frame, folder / "lammps.data")
        write_gromacs(model, folder)
        write_openmm(model, folder / "openmm.xml")
        write_votca(model.only, folder / "votca.pot")
        model.save(folder / "model.json")
        return {f"model/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}


def angular_distance(fine: Structure, coarse: Structure) -> Estimate:
    """Total variation distance of the two distributions of cos(theta): half the area between them; error by bootstrap
    over blocks."""

    def density(counts: Any) -> Any:
        total = counts.sum(axis=0)
        return total / total.sum()

    value = 0.5 * float(np.abs(density(fine.angle_counts) - density(coarse.angle_counts)).sum())
    one = bootstrap_samples(density, fine.angle_counts, resamples=200, seed=0)
    two = bootstrap_samples(density, coarse.angle_counts, resamples=200, seed=1)
    error = float(np.std(0.5 * np.abs(one - two).sum(axis=1), ddof=1))
    return Estimate(value, error, min(len(fine.frames), len(coarse.frames)), "", "bootstrap over blocks")


class WaterReferenceConfig(BaseModel):
    """Settings of molecules.water-reference."""

    model_config = _strict
    molecules: int = Field(500, ge=30, description="Number of SPC/E molecules.")
    density: float = Field(33.33, gt=0, description="Molecules per nm^3; 33.33 is SPC/E at 1 bar.")
    temperature: Temperature = Field(300.0, gt=0, description="Temperature.")
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of Lennard-Jones and of the direct Ewald sum.")
    equilibration: Time = Field(60.0, gt=0, description="Dropped at the beginning.")
    frames: int = Field(200, ge=20, multiple_of=20, description="Frames to keep.")
    interval: Time = Field(3.0, gt=0, description="Time between frames.")
    threads: int = Field(1, ge=1, description="Threads of OpenMM.")


def water_reference(config: WaterReferenceConfig, run: Run) -> Result:
    """Atomistic SPC/E water with forces, from OpenMM: the reference that kadanoff ships (about 35 minutes)."""
    import importlib.util
    import tempfile

    if importlib.util.find_spec("openmm") is None:
        raise ValueError("this study runs OpenMM: pip install 'kadanoff[openmm]'")
    settings = WaterReference(seed=run.seed, **config.model_dump())
    frames: list[ReferenceFrame] = []
    checkpoint: bytes | None = None
    with run.progress(config.frames, "SPC/E water") as bar:
        for part in range(config.frames // 20):
            more, checkpoint = run.stage(f"frames-{part}", advance, settings, checkpoint, 20)
            frames += more
            bar.advance(20)
    files = reference_files(settings, frames)
    mapping = MappingConfig(beads={"W": BeadConfig(select="resname SOL")})
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        beads = read_reference(Path(name) / "spce.gro", Path(name) / "spce.trr", mapping, {})
    reach = 0.01 * np.floor(50 * frames[0].box)
    distribution = centred(beads, float(reach), 0.01)
    position, height = first_peak(distribution)
    pressure = mean(np.array([frame.pressure for frame in frames]), "bar")
    found: dict[str, Estimate | Reported] = {
        "first_peak_position": Reported(position, 0.28, tolerance=0.01, source="centre of mass of SPC/E, 300 K"),
        "first_peak_height": Reported(
            height, 2.92, tolerance=0.08, source="centre of mass of SPC/E, 300 K, bins of 0.01 nm"
        ),
        "pressure": pressure,
        "density": Estimate.exact(config.density, "1/nm^3"),
        "frames": Estimate.exact(len(frames)),
    }
    data = xarray.Dataset(
        {
            "g": ("r", distribution.g, {"units": "1"}),
            "g_error": ("r", distribution.error, {"units": "1"}),
            "pressure": ("frame", np.array([frame.pressure for frame in frames]), {"units": "bar"}),
        },
        {"r": ("r", distribution.r, {"units": "nm"})},
    )
    text = (
        f"{config.molecules} SPC/E molecules at {config.temperature:g} K and {config.density:g} per nm^3, "
        f"{len(frames)} frames {config.interval:g} ps apart: "
        f"pressure {pressure}, first peak {height} at {position}. Copy model files into a study's folder to use "
        f"them as its reference."
    )
    ledger = Ledger()
    return Result(
        found, ledger, judge(found, ledger, text), data, {"rdf": pictures.plain_rdf(distribution)}, files, _CITE[3:]
    )
