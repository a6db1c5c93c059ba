"""The steps of structure matching beside each other on one target, and one of them under a pressure constraint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import xarray
from matplotlib.ticker import MaxNLocator

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.molecules.constraints import PressureConstraint
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.integral_equations import liquid
from kadanoff.molecules.iteration import Sample, Sampling, rdf_difference, sample
from kadanoff.molecules.matching import Matched, Step, Target, match
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import Model
from kadanoff.study import Picture, Reported, Run

__all__ = ["Compared", "compare", "long_waves"]

_COLOURS = dict(
    zip(
        ("gauss-newton", "ibi", "imc", "ihnc", "ipy", "relative-entropy"),
        (plotting.BLUE, plotting.ORANGE, plotting.VERMILION, plotting.PURPLE, plotting.GREEN, plotting.BLACK),
        strict=True,
    )
)
MOST = {"ibi": 25, "imc": 10, "ihnc": 10, "ipy": 10, "gauss-newton": 10, "relative-entropy": 10}
"""Simulations of each step at most."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What each step found from the blocks ``even``, and its fresh ``finals``, judged by the blocks ``odd``; ``held``,
    the match under a constraint, with its own final."""

    found: dict[Step, Matched]
    finals: dict[Step, Sample]
    held: tuple[PressureConstraint, Matched, Sample] | None
    even: PairDistribution
    odd: PairDistribution
    judged: float

    def estimates(self) -> dict[str, Estimate | Reported]:
        """iterations, simulations_run and rdf_rms of each step; pressure, rdf_rms and S(0) under the constraint."""
        numbers: dict[str, Estimate | Reported] = {}
        for step, matched in self.found.items():
            rms, floor = rdf_difference(self.finals[step].distribution, self.odd, self.judged)
            numbers[f"iterations.{step}"] = Estimate.exact(matched.iterations)
            numbers[f"simulations_run.{step}"] = Estimate.exact(matched.simulations_run)
            numbers[f"rdf_rms.{step}"] = Reported(
                rms, source=f"{rms.value / floor.value:.2f} noise floors on blocks that the fit never saw"
            )
        if self.held is not None:
            constraint, matched, final = self.held
            numbers["iterations.constrained"] = Estimate.exact(matched.iterations)
            numbers["simulations_run.constrained"] = Estimate.exact(matched.simulations_run)
            numbers["rdf_rms.constrained"] = rdf_difference(final.distribution, self.odd, self.judged)[0]
            numbers["pressure.constrained"] = Reported(
                final.pressure, constraint.value, tolerance=30.0, source="the constraint"
            )
            numbers["long_waves.constrained"] = long_waves(final.distribution)
            numbers["long_waves.target"] = long_waves(self.odd)
        return numbers

    def models(self) -> dict[str, Model]:
        """What each step found, and the match under the constraint (``constrained``)."""
        found: dict[str, Model] = {step: matched.model for step, matched in self.found.items()}
        return found | ({} if self.held is None else {"constrained": self.held[1].model})

    def words(self) -> str:
        """The verdict's sentences."""
        said = []
        if self.found:
            copy = rdf_difference(self.even, self.odd, self.judged)[0]
            floors = [rdf_difference(self.finals[step].distribution, self.odd, self.judged)[1] for step in self.found]
            level = float(np.mean([one.value for one in floors]))
            said.append(f"the fitted blocks themselves: {copy.value / level:.3g} noise floors from those held out")
        for step, matched in self.found.items():
            rms, floor = rdf_difference(self.finals[step].distribution, self.odd, self.judged)
            end = "" if matched.converged else f"; it ended because {matched.note}"
            said.append(
                f"{step}: {rms.value / floor.value:.3g} noise floors after {matched.iterations} steps and "
                f"{matched.simulations_run} simulations{end}"
            )
        if self.held is not None:
            constraint, matched, final = self.held
            rms, floor = rdf_difference(final.distribution, self.odd, self.judged)
            one, two = long_waves(final.distribution), long_waves(self.odd)
            said.append(
                f"held at {constraint.value:g} bar the beads have {final.pressure}; the price: g(r) "
                f"{rms.value / floor.value:.3g} noise floors away, S(0) = rho kT kappa {one}, of the reference {two}"
                + ("" if matched.converged else f"; it ended because {matched.note}")
            )
        return "\n".join(f"- {words}." for words in said)

    def arrays(self) -> xarray.Dataset:
        """RMS, floor and simulations of every turn."""
        data = xarray.Dataset()
        for step, matched in self.found.items():
            axis = f"{step}_turn"
            for name, values, units in (
                ("rms", [turn.rms.value for turn in matched.turns], "1"),
                ("rms_error", [turn.rms.error or 0.0 for turn in matched.turns], "1"),
                ("simulations", [turn.simulations for turn in matched.turns], "1"),
                ("seconds", self.clock(matched), "s"),
                ("pressure", [turn.pressures[0].value for turn in matched.turns], "bar"),
                ("effective", [turn.effective for turn in matched.turns], "1"),
            ):
                data[f"match_{name}_{step}"] = xarray.DataArray(np.asarray(values), dims=axis, attrs={"units": units})
        return data

    @staticmethod
    def clock(matched: Matched) -> list[float]:
        """Seconds of simulation up to each turn (those of a resumed stage are what it took when computed)."""
        spent = [sum(s.seconds for s in turn.samples) if turn.samples else 0.0 for turn in matched.turns]
        return [float(x) for x in np.cumsum(spent)]

    def picture(self) -> Picture:
        """Error of g against simulations run and against the time they took, for all steps."""
        drawing, (left, right) = plotting.figure(2, width=9.0, height=3.8)
        floor = float(np.mean([turn.floor.value for matched in self.found.values() for turn in matched.turns]))
        for step, matched in self.found.items():
            rms, error = ([getattr(t.rms, name) or 0.0 for t in matched.turns] for name in ("value", "error"))
            for axis, x in ((left, [t.simulations for t in matched.turns]), (right, self.clock(matched))):
                axis.errorbar(x, rms, error, color=_COLOURS[step], marker="o", markersize=4, capsize=2, label=step)
        for axis in (left, right):
            axis.axhline(floor, color=plotting.BLACK, linestyle="--", linewidth=1)
            axis.set(yscale="log", ylabel=plotting.label("RMS of g(r) from the fitted blocks"))
        left.set(xlabel="simulations run")
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.set(xlabel=plotting.label("time of simulations", "s"))
        left.legend(fontsize="small", frameon=False)
        ends = "; ".join(
            f"{step} ends at {m.turns[-1].rms.value / m.turns[-1].floor.value:.3g} noise floors after "
            f"{m.iterations} steps and {m.simulations_run} simulations"
            for step, m in self.found.items()
        )
        return Picture(
            drawing,
            f"Structure matching on one target; dashed: the noise floor. Steps that reweighting looked "
            f"at lie above each other. {ends}.",
        )


def long_waves(distribution: PairDistribution) -> Estimate:
    """S(0) = rho kT kappa from g, by Ornstein-Zernike (see `integral_equations.liquid`), with its jackknife error."""
    width, few = float(distribution.edges[1] - distribution.edges[0]), distribution.reblock(min(10, len(distribution)))

    def of(part: PairDistribution) -> float:
        return float(liquid(part.g, width, part.density, beads=part.number[0]).structure_factor[0])

    blocks = len(few)
    parts = [of(few.select(np.delete(np.arange(blocks), left))) for left in range(blocks)]
    return Estimate(of(distribution), float(np.sqrt((blocks - 1) * np.var(parts))), blocks, "", "jackknife over blocks")


def compare(
    run: Run, steps: Sequence[Step], even: PairDistribution, odd: PairDistribution, begin: Frames, sampling: Sampling,
    *, cutoff: float, judged: float, length: int, final_length: int, pressure: float | None,
) -> Compared:  # fmt: skip
    """Match ``even`` by every one of ``steps``, from HNC's potential; and by gauss-newton at a ``pressure`` (bar)."""
    target = Target(sampling.temperature, {even.names: even}, begin)
    found: dict[Step, Matched] = {}
    finals: dict[Step, Sample] = {}

    def matched(name: str, step: Step, seed: int, constraint: PressureConstraint | None) -> tuple[Matched, Sample]:
        numbers = count()
        with run.progress(MOST[step] + 1, f"{name}: simulations") as bar:

            def simulate(number: int, state: int, model: Model, start: Frames) -> Sample:
                taken = run.stage(
                    f"match-{name}-{next(numbers)}", sample, model, start, sampling, steps=length,
                    seed=run.seed + seed + number,
                )  # fmt: skip
                bar.advance(1)
                return taken

            result = match(
                target, None, step, cutoff=cutoff, simulate=simulate, upper=judged, steps=10 * MOST[step],
                simulations=MOST[step], constraints=[] if constraint is None else [constraint],
            )  # fmt: skip
        last = run.stage(
            f"final-{name}", sample, result.model, begin, sampling, steps=final_length, seed=run.seed + seed + 99
        )
        return result, last

    for index, step in enumerate(steps):
        found[step], finals[step] = matched(step, step, 10_000 + 1000 * index, None)
    held = None
    if pressure is not None:
        constraint = PressureConstraint(pressure)
        held = (constraint, *matched("constrained", "gauss-newton", 30_000, constraint))
    return Compared(found, finals, held, even, odd, judged)
