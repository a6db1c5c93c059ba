"""Fluids of known potential: whether every bottom-up method returns it, within the bands it claims."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import xarray
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger
from kadanoff.molecules.comparison import CITE
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.force_matching import normal_equations, solve
from kadanoff.molecules.force_terms import PairBasis
from kadanoff.molecules.frames import BOLTZMANN, Beads, Frames
from kadanoff.molecules.iteration import Sample, Sampling, sample
from kadanoff.molecules.matching import STEPS, Matched, Step, Target, match
from kadanoff.molecules.potentials import Model, lennard_jones
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import term_equations
from kadanoff.molecules.term_matching import fit_terms
from kadanoff.molecules.term_solution import Strength
from kadanoff.study import Picture, Reported, Result, Run, judge
from kadanoff.units import Length, Temperature

__all__ = ["ExactRecovery", "exact_recovery"]

Array = NDArray[np.float64]
KNOTS = 0.02
"""Distance (nm) of the points at which a potential is compared: that of the knots of its splines."""
WALL = 0.01
"""Distance (nm) of the knots of the matched forces. At 0.02 splines miss the steep wall by 1e-3; at 0.005 the innermost
knots rest on the pairs of single blocks, and the blocks held out lie 4e-3 to 7e-3 off there."""

_TITLES = {"one": "one type", "two": "two types"}
_SYSTEMS = {
    "one": (("A",), {("A", "A"): (0.6, 0.34)}),
    "two": (("A", "B"), {("A", "A"): (0.6, 0.34), ("A", "B"): (0.8, 0.32), ("B", "B"): (0.4, 0.30)}),
}
"""Bead types, and the depth (kT) and sigma (nm) of each pair."""


class ExactRecovery(BaseModel):
    """Settings of molecules.exact-recovery."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    temperature: Temperature = Field(300.0, gt=0, description="Temperature.")
    beads: int = Field(300, ge=200, description="Beads of each fluid.")
    density: float = Field(15.0, gt=0, description="Beads per nm^3.")
    cutoff: Length = Field(0.8, gt=0.5, description="Cut-off of the potentials.")
    steps: int = Field(20_000, ge=20_000, description="Steps of each simulation of 4 fs; a frame each 20.")
    simulations: int = Field(12, ge=1, description="Simulations of each step of structure matching at most.")
    threads: int = Field(1, ge=1, description="Threads of the bead engine.")


@dataclass(frozen=True, eq=False)
class Score:
    """How a potential compares with the truth at the knots its data support: the ``share`` inside the 95 % bands, the
    RMS ``distance`` and mean ``band`` in kT, over all pairs of types."""

    share: float
    knots: int
    distance: float
    band: float


def score(model: Model, truth: Model, thermal: float) -> Score:
    """Compare at knots ``KNOTS`` apart, from the first supported to the last before the cut-off."""
    inside, apart, bands = [], [], []
    for pair, potential in model.pairs.items():
        assert potential.band is not None
        r = np.arange(potential.supported[0] + KNOTS, potential.cutoff - 0.5 * KNOTS, KNOTS)
        away = (potential.energy_at(r) - truth.pairs[pair].energy_at(r)) / thermal
        band = np.interp(r, potential.r, potential.band) / thermal
        inside.append(np.abs(away) < 1.96 * band)
        apart.append(away)
        bands.append(band)
    every = np.concatenate(inside)
    return Score(
        float(every.mean()), len(every), float(np.sqrt(np.mean(np.concatenate(apart) ** 2))),
        float(np.mean(np.concatenate(bands))),
    )  # fmt: skip


def exact_recovery(config: ExactRecovery, run: Run) -> Result:
    """Lennard-Jones fluids of one and two types, fitted by force matching and by every step of structure matching."""
    thermal = BOLTZMANN * config.temperature
    numbers: dict[str, Estimate | Reported] = {}
    found: dict[tuple[str, Step], Matched] = {}
    scores: dict[tuple[str, Step], Score] = {}
    truths: dict[str, Model] = {}
    said: list[str] = []
    for name, (types, depths) in _SYSTEMS.items():
        truth = Model(types, (40.0,) * len(types), {
            pair: lennard_jones(depth * thermal, sigma, config.cutoff) for pair, (depth, sigma) in depths.items()
        })  # fmt: skip
        truths[name] = truth
        start = fluid(config, len(types))
        reach = float(np.floor(50.0 * start.box.min()) / 100.0)
        sampling = Sampling(config.temperature, min(reach, 1.2), threads=config.threads, every=20)
        reference = run.stage(
            f"{name}-reference", sample, truth, start, sampling, steps=config.steps, seed=run.seed, keep=200
        )
        assert reference.frames is not None
        residual = run.stage(f"{name}-force-residual", force_residual, reference.frames, truth, config.cutoff)
        numbers[f"force_residual.{name}"] = Reported(
            residual, 0.0, tolerance=1e-3,
            source="RMS residual over RMS force, on blocks that the fit never saw; pair forces are exact here",
        )  # fmt: skip
        said.append(f"{counted(name)}, forces: the pair forces leave {residual.value:.2g} of the RMS force")
        target = Target(
            config.temperature, {pair: part.reblock(40) for pair, part in reference.pairs.items()}, reference.last
        )
        for index, step in enumerate(STEPS):
            result = matched(run, config, f"{name}-{step}", target, step, sampling, 1000 * (index + 1))
            found[name, step], scores[name, step] = result, score(result.model, truth, thermal)
            one = scores[name, step]
            numbers[f"inside_bands.{name}.{step}"] = Reported(
                Estimate(one.share, None, one.knots, "", "knots of all pairs"),
                source=f"95 % expected over many repeats; few soft modes rule one fit; mean band {one.band:.2g} kT",
            )
            numbers[f"rms_error.{name}.{step}"] = Estimate(one.distance, None, one.knots, "kT", "knots of all pairs")
            numbers[f"simulations_run.{name}.{step}"] = Estimate.exact(result.simulations_run)
            numbers[f"iterations.{name}.{step}"] = Estimate.exact(result.iterations)
            said.append(
                f"{counted(name)}, {step}: {one.share:.0%} of {one.knots} knots inside their "
                f"bands, RMS error {one.distance:.2g} kT, {result.simulations_run} simulations"
                + ("" if result.converged else f"; it ended because {result.note}")
            )
    text = "Fluids of known potential, fitted from their structure and forces.\n\n"
    text += "\n".join(f"- {words}." for words in said)
    drawn = {"potentials": potentials(found, truths, thermal), "convergence": convergence(found)}
    ledger = Ledger()
    return Result(numbers, ledger, judge(numbers, ledger, text), arrays(found, truths), drawn, {}, list(CITE))


def fluid(config: ExactRecovery, types: int) -> Frames:
    """Beads on a lattice; of two types, two in five are of the second."""
    edge = (config.beads / config.density) ** (1 / 3)
    side = int(np.ceil(config.beads ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[: config.beads]
    kinds = (np.arange(config.beads) % 5 < 2).astype(np.int32) if types == 2 else np.zeros(config.beads, np.int32)
    beads = Beads(kinds, ("A", "B")[:types], np.full(config.beads, 40.0))
    return Frames(beads, grid[None] * edge / side, np.full((1, 3), edge), np.zeros(1))


def counted(name: str) -> str:
    """One type, two types."""
    return f"{name} type{'s' if len(_SYSTEMS[name][0]) > 1 else ''}"


def force_residual(frames: Frames, truth: Model, cutoff: float) -> Estimate:
    """RMS residual over RMS force of exact forces, each block by the fit to all others; knots fine enough for the wall.

    One type goes through `normal_equations`, several through `term_equations`.
    """
    engine = BeadEngine(precision="double")
    frames = replace(frames, positions=np.asarray(frames.positions, dtype=np.float64))
    forces = np.stack([engine.evaluate(truth, frames[index]).forces for index in range(len(frames))])
    frames = replace(frames, forces=forces)
    if len(truth.names) == 1:
        found = solve(normal_equations(frames, cutoff=cutoff, spacing=WALL)).held_out
    else:
        knots = Knots(0.0, cutoff, round(cutoff / WALL))
        terms = [PairBasis(pair, knots) for pair in truth.pairs]
        strengths = {term.name: Strength() for term in terms}
        found = fit_terms(term_equations(frames, terms), strengths=strengths, resamples=20).held_out["pair"]
    left = float(np.sqrt(max(1.0 - found.value, 0.0)))
    error = 0.0 if not left else (found.error or 0.0) / (2.0 * left)
    return Estimate(left, error, found.samples, "", found.method)


def matched(
    run: Run, config: ExactRecovery, name: str, target: Target, step: Step, sampling: Sampling, seed: int
) -> Matched:
    """One match, each simulation a stage."""
    numbers = count()
    with run.progress(config.simulations, f"{name}: simulations") as bar:

        def simulate(number: int, state: int, model: Model, start: Frames) -> Sample:
            taken = run.stage(
                f"{name}-{next(numbers)}", sample, model, start, sampling, steps=config.steps,
                seed=run.seed + seed + number,
            )  # fmt: skip
            bar.advance(1)
            return taken

        return match(
            target, None, step, cutoff=config.cutoff, simulate=simulate, upper=config.cutoff,
            steps=10 * config.simulations, simulations=config.simulations,
        )  # fmt: skip


def arrays(found: dict[tuple[str, Step], Matched], truths: dict[str, Model]) -> xarray.Dataset:
    """Truth, fits, bands and the way there."""
    data = xarray.Dataset()
    r = next(iter(truths.values())).pairs["A", "A"].r
    data["distance"] = xarray.DataArray(r, dims="distance", attrs={"units": "nm"})
    for name, truth in truths.items():
        for pair, potential in truth.pairs.items():
            label = f"{name}_{''.join(pair)}"
            data[f"energy_{label}"] = xarray.DataArray(potential.energy, dims="distance", attrs={"units": "kJ/mol"})
    for (name, step), result in found.items():
        for pair, potential in result.model.pairs.items():
            label = f"{name}_{''.join(pair)}_{step}"
            band = np.zeros_like(r) if potential.band is None else potential.band
            for what, values in (("energy", potential.energy), ("band", band)):
                data[f"{what}_{label}"] = xarray.DataArray(values, dims="distance", attrs={"units": "kJ/mol"})
        way = np.array([(turn.rms.value, turn.floor.value, turn.simulations) for turn in result.turns])
        for column, what in enumerate(("rms", "floor", "simulations")):
            data[f"{what}_{name}_{step}"] = xarray.DataArray(
                way[:, column], dims=f"{name}_{step}_turn", attrs={"units": "1"}
            )
    return data


def potentials(found: dict[tuple[str, Step], Matched], truths: dict[str, Model], thermal: float) -> Picture:
    """Error of every potential beside its 95 % band."""
    panels = [(name, pair) for name, truth in truths.items() for pair in truth.pairs]
    drawing, axes = plotting.figure(2, 2, width=9.0, height=6.4)
    for axis, (name, pair) in zip(axes, panels, strict=True):
        for index, step in enumerate(STEPS):
            potential, truth = found[name, step].model.pairs[pair], truths[name].pairs[pair]
            r = np.arange(potential.supported[0] + KNOTS, potential.cutoff, 0.005)
            away = (potential.energy_at(r) - truth.energy_at(r)) / thermal
            assert potential.band is not None
            band = 1.96 * np.interp(r, potential.r, potential.band) / thermal
            line = axis.plot(r, away, color=plotting.COLOURS[index], label=step)[0]
            axis.fill_between(r, away - band, away + band, color=line.get_color(), alpha=0.12, linewidth=0)
        axis.axhline(0.0, color=plotting.BLACK, linewidth=0.8)
        axis.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("U - truth", "kT"))
        axis.set_title(f"{_TITLES[name]}: {'-'.join(pair)}")
    axes[0].legend(fontsize="x-small", frameon=False)
    return Picture(
        drawing,
        "The error of every fitted potential, with its 95 % band, on the range that data support: zero (black) should "
        "lie inside a band at 95 % of the distances.",
    )


def convergence(found: dict[tuple[str, Step], Matched]) -> Picture:
    """RMS of g over its noise floor against simulations run."""
    drawing, axes = plotting.figure(2, width=9.0, height=3.8)
    for axis, name in zip(axes, _SYSTEMS, strict=True):
        for index, step in enumerate(STEPS):
            turns = found[name, step].turns
            axis.plot(
                [turn.simulations for turn in turns], [turn.rms.value / turn.floor.value for turn in turns], marker="o",
                markersize=4, color=plotting.COLOURS[index], label=step,
            )  # fmt: skip
        axis.axhline(1.0, color=plotting.BLACK, linestyle="--", linewidth=1)
        axis.set(yscale="log", xlabel="simulations run", ylabel="RMS of g over its noise", title=_TITLES[name])
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(fontsize="x-small", frameon=False)
    ends = "; ".join(f"{name}, {step}: {result.simulations_run}" for (name, step), result in found.items())
    words = "Distance of g from the target in units of its noise (dashed: 1). Simulations run"
    return Picture(drawing, f"{words}: {ends}.")
