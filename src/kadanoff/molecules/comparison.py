"""What a bead model kept of its reference and what it lost: numbers, ledger, arrays and the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray

from kadanoff.estimates import Estimate, bootstrap_samples
from kadanoff.losses import SIGMAS, Ledger, Loss
from kadanoff.molecules.force_matching import ForceMatch
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.iteration import EXPLODED, Iteration, Sample, rdf_difference
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.structure import Structure, two_body_entropy
from kadanoff.molecules.unseen import Unseen
from kadanoff.study import Reported

__all__ = [
    "AGREES",
    "CITE",
    "Comparison",
    "angular_distance",
    "apart",
    "centred",
    "first_peak",
    "order_in_words",
    "plural",
    "share_beyond",
]

CITE = (
    "Newton steps with the HNC Jacobian: M. P. Bernhardt, M. Hanke, N. F. A. van der Vegt, J. Chem. Phys. 154, "
    "084118 (2021)",
    "Measured response of g to the potential: A. P. Lyubartsev, A. Laaksonen, Phys. Rev. E 52, 3730 (1995)",
    "Iterative Boltzmann inversion: D. Reith, M. Putz, F. Muller-Plathe, J. Comput. Chem. 24, 1624 (2003)",
    "Force matching: S. Izvekov, G. A. Voth, J. Phys. Chem. B 109, 2469 (2005); W. G. Noid et al., J. Chem. Phys. 128, "
    "244114 (2008)",
    "Tetrahedral order: J. R. Errington, P. G. Debenedetti, Nature 409, 318 (2001)",
    "Reading: N. Michaud-Agrawal et al., J. Comput. Chem. 32, 2319 (2011) (MDAnalysis)",
)


AGREES, NEARLY = 1.5, 3.0
"""RMS of g over its noise floor: up to the first the structures agree, up to the second nearly."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that the bottom-up study measured.

    ``target`` g of all blocks, ``even`` of those that were fitted, ``odd`` of those that the fit never saw; ``turns``
    the iterations of each method; ``potential`` the Newton result, ``mean_force`` the Boltzmann inversion; ``final``
    its fresh simulation, ``matched`` that of the matched force; ``shapes`` angles and order of reference and model, or
    None and ``no_shapes`` the reason; ``peak``, ``model_peak`` g of reference and model in centred bins;
    ``pressure_left_open`` (bar) what the noise of the reference leaves open; ``fine_pressure`` of the reference;
    ``hidden`` compressibility and diffusion, ``direction`` the orientation that beads without one forget.
    """

    temperature: float
    judged: float
    target: PairDistribution
    even: PairDistribution
    odd: PairDistribution
    match: ForceMatch | None
    matched: Sample | None
    turns: Mapping[str, Sequence[Iteration]]
    potential: PairPotential
    mean_force: PairPotential
    final: Sample
    pressure_left_open: float
    shapes: tuple[Structure, Structure] | None
    no_shapes: str
    peak: PairDistribution
    model_peak: PairDistribution
    atomistic_seconds: Estimate | None
    fine_pressure: Estimate | None
    hidden: Unseen | None = None
    direction: Loss | None = None

    @cached_property
    def difference(self) -> tuple[Estimate, Estimate]:
        """RMS of g_model - g_target over the judged range, and its noise floor."""
        return rdf_difference(self.final.distribution, self.odd, self.judged)

    @cached_property
    def chance(self) -> tuple[Estimate, Estimate]:
        """The same of the two halves of the reference: what chance alone makes."""
        return rdf_difference(self.even, self.odd, self.judged)

    @cached_property
    def matched_difference(self) -> tuple[Estimate, Estimate] | None:
        """The same of the beads with the matched force, None without one."""
        return None if self.matched is None else rdf_difference(self.matched.distribution, self.odd, self.judged)

    @property
    def ratio(self) -> float:
        """RMS over noise floor."""
        rms, floor = self.difference
        return rms.value / floor.value

    @property
    def best(self) -> Iteration:
        """The Newton iteration whose potential was taken."""
        newton = self.turns["newton"]
        taken = (
            turn
            for turn in newton
            for found in (turn.potential, turn.better)
            if found is not None and np.array_equal(found.energy, self.potential.energy)
        )
        return next(taken, newton[-1])

    @property
    def pressure(self) -> Estimate:
        """Pressure of the beads (bar), with the noise of the simulation and what the noise of the reference leaves
        open."""
        error = float(np.hypot(self.final.pressure.error or 0.0, self.pressure_left_open))
        return Estimate(
            self.final.pressure.value, error, None, "bar", "simulation, and noise of the reference in the fit"
        )

    @property
    def curves(self) -> dict[str, PairPotential]:
        """The potentials of all methods."""
        curves = {"newton": self.potential, "pmf": self.mean_force}
        if "ibi" in self.turns:
            curves["ibi"] = self.turns["ibi"][-1].potential
        if self.match is not None:
            curves["fm"] = self.match.potential
        return curves

    def estimates(self) -> dict[str, Estimate | Reported]:
        """The numbers of result.json."""
        rms, floor = self.difference
        chance = _over(*self.chance)
        copied = float(np.sqrt(1.0 + 0.5 * (self.chance[1].value / floor.value) ** 2))
        missing = Reported(None, reason="the trajectory holds no forces")
        position, height = _peak_or_reason(self.peak)
        found: dict[str, Estimate | Reported] = {
            "rdf_rms": rms,
            "noise_floor": floor,
            "rdf_rms_over_noise": Reported(
                _over(rms, floor), 1.0, tolerance=AGREES - 1.0,
                source=f"1 expected of a model that is the truth, {copied:.2f} of a perfect copy of the fitted blocks, "
                f"whose own noise is not in the floor; at most {AGREES:g} counts as agreement",
            ),
            "rdf_even_odd_over_noise": Reported(
                chance,
                source="no model: the two halves of the reference against each other; chance makes it 1, correlated "
                "blocks or a drift make it another number",
            ),
            "iterations": Estimate.exact(len(self.turns["newton"]) - 1),
            "frames": Estimate.exact(int(self.target.frames.sum())),
            "beads": Estimate.exact(self.target.number[0]),
            "first_peak_position": position,
            "first_peak_height": height,
            "first_peak_height_model": _peak_or_reason(self.model_peak)[1],
            "pressure": self.pressure,
            "force_variance_explained": missing if self.match is None else self.match.explained_variance,
            "two_body_entropy_fine": two_body_entropy(self.target),
            "two_body_entropy_coarse": two_body_entropy(self.final.distribution),
        }  # fmt: skip
        for index, side in enumerate(("fine", "coarse")):
            found[f"tetrahedral_order_{side}"] = (
                Reported(None, reason=self.no_shapes) if self.shapes is None else self.shapes[index].tetrahedral
            )
        found["speedup_per_ns"] = self._speedup()
        if self.hidden is not None:
            found["diffusion_speedup"] = Reported(self.hidden.speedup, reason=self.hidden.reason)
        return found

    def _speedup(self) -> Reported:
        if self.atomistic_seconds is None:
            untimed = "for water: needs atomistic = \"spce\" and OpenMM (pip install '.[openmm]' in the clone)"
            return Reported(None, reason=untimed)
        beads = self.final.seconds / self.final.simulated * 1000.0
        speedup = self.atomistic_seconds.scaled(1 / beads, "")
        # the first simulation of all may hold the compilation
        runs = [turn.sample for turns in self.turns.values() for turn in turns][1:]
        if len(runs) < 3:
            source = "the error is that of the atomistic time alone: the beads were timed too few times for a scatter"
            return Reported(speedup, source=source)
        rates = np.array([run.seconds / run.simulated for run in runs])
        scatter = float(np.std(rates, ddof=1) / np.mean(rates))
        error = float(np.hypot(speedup.error or 0.0, speedup.value * scatter))
        source = f"the error holds the scatter of the atomistic time and that of {len(runs)} simulations of beads"
        return Reported(replace(speedup, error=error, method="scatter of timings"), source=source)

    def ledger(self) -> Ledger:
        """What was lost, with the one theorem that binds a fit; verified."""
        ledger = Ledger()
        if self.match is not None:
            explained = self.match.explained_variance
            ledger.add(
                Loss(
                    "force_variance", Estimate.exact(1.0), self.match.in_sample,
                    replace(explained, value=1.0 - explained.value),
                    theorem="coarse <= fine", conditions="in sample",
                    theorem_text="a least-squares force is never longer than what it is fitted to",
                )
            )  # fmt: skip

        def both(name: str, fine: Estimate, coarse: Estimate) -> None:
            ledger.add(Loss(name, fine, coarse, fine.minus(coarse)))

        both("two_body_entropy", two_body_entropy(self.target), two_body_entropy(self.final.distribution))
        if self.shapes is not None:
            fine, coarse = self.shapes
            both("tetrahedral_order", fine.tetrahedral, coarse.tetrahedral)
            both("coordination", fine.coordination, coarse.coordination)
            ledger.add(Loss("angular_distribution", None, None, angular_distance(fine, coarse)))
        if self.fine_pressure is not None:
            both("pressure", self.fine_pressure, self.pressure)
        for loss in () if self.hidden is None else self.hidden.losses:
            ledger.add(loss)
        if self.direction is not None:
            ledger.add(self.direction)
        ledger.verify()
        return ledger

    def verdict(self) -> str:
        """What holds, what does not, and where it stops holding: only what the numbers say."""
        first = " ".join([self._structure_in_words(), *_warnings(self.target)])
        said = [self._newton_in_words()]
        if "ibi" in self.turns:
            said.append(_ibi_in_words(self.turns["ibi"], self.best))
        if self.match is not None:
            words = (
                f"A pair force explains {self.match.explained_variance} of the variance of the forces on the beads; "
                f"no pair potential of this cut-off can explain more"
            )
            if self.matched_difference is not None:
                rms, floor = self.matched_difference
                words += f". Its beads are {rms.value / floor.value:.3g} noise floors from g(r) of the reference"
            said.append(f"{words}.")
        if self.shapes is not None:
            fine, coarse = (shape.tetrahedral for shape in self.shapes)
            said.append(order_in_words(fine, coarse, self.ratio <= NEARLY))
        said.append(self._pressure_in_words())
        if self.direction is not None:
            said.append(
                f"A bead has no direction: it forgets at least {self.direction.lost} of where its molecule points, "
                f"which its neighbours' positions tell of the atoms but not of beads."
            )
        quick = None if self.hidden is None else self.hidden.speedup
        moved = "Dynamics was not compared: its friction is the thermostat's."
        if quick is not None:
            moved = (
                f"Under a thermostat that leaves their motion alone the beads diffuse {quick} times as fast as the "
                f"reference: a nanosecond of beads is no nanosecond of atoms."
            )
        said.append(
            f"Fitted at {self.temperature:g} K and {self.target.density:.4g} beads/nm^3. Other temperatures and "
            f"densities, mixtures and interfaces were not tested: as a rule such a potential does not transfer. {moved}"
        )
        return f"{first}\n\n" + "\n".join(f"- {words}" for words in said)

    def _structure_in_words(self) -> str:
        rms, floor = self.difference
        numbers = (
            f"RMS of g(r) {rms} up to {self.judged:g} nm on blocks that the fit never saw, {self.ratio:.3g} times the "
            f"noise floor {floor}"
        )
        if self.ratio <= AGREES:
            return f"The beads have the pair structure of the reference to its noise: {numbers}."
        if self.ratio <= NEARLY:
            return f"The beads nearly have the pair structure of the reference: {numbers}."
        why = (
            "the pair form, the cut-off or the sampling cannot do it"
            if self.turns["newton"][-1].converged
            else "the steps were too few, or the pair form, the cut-off or the sampling cannot do it"
        )
        return f"The beads do not have the pair structure of the reference: {numbers}; {why}."

    def _newton_in_words(self) -> str:
        newton = self.turns["newton"]
        steps, last = plural(len(newton) - 1, "Newton step"), newton[-1]
        if last.note.startswith(EXPLODED):
            words = f"The iteration ended early, after {steps}: {last.note}."
        elif last.converged:
            words = f"After {steps} no further one promised to come nearer."
        else:
            words = f"The iteration has not converged: it stopped at the step limit, after {steps}."
        if self.best.number != last.number:
            words += f" The potential is that of step {self.best.number}, the nearest to the fitted blocks."
        return words

    def _pressure_in_words(self) -> str:
        own, left = self.final.pressure, Estimate.exact(float(f"{self.pressure_left_open:.2g}"), "bar")
        words = f"The pressure of these beads is {own}"
        if self.fine_pressure is None:
            return f"{words}; that of the reference was not given, and structure does not determine it."
        words += f", that of the reference {self.fine_pressure}"
        distance, certain = apart(self.pressure, self.fine_pressure), apart(own, self.fine_pressure)
        if distance is None or certain is None:
            return f"{words}, without error bars to judge the difference by."
        if certain <= 2.0:
            return f"{words}: the same within {certain:.1f} standard errors, though g(r) leaves {left} open."
        if distance <= 2.0:
            return (
                f"{words}. The noise of g(r) leaves {left} open, so another potential that fits as well may have the "
                f"pressure of the reference; use this one at constant volume."
            )
        match = "a potential that matches g(r)" if self.ratio <= NEARLY else "this potential"
        return (
            f"{words}, {distance:.3g} standard errors away even with the {left} that the noise of g(r) leaves open: "
            f"{match} does not match the pressure; use it at constant volume."
        )

    def arrays(self) -> xarray.Dataset:
        """Every array behind the figures."""
        data = xarray.Dataset()

        def put(name: str, axis: str, values: Any, units: str, error: Any = None) -> None:
            data[name] = xarray.DataArray(np.asarray(values), dims=axis, attrs={"units": units})
            if error is not None:
                put(f"{name}_error", axis, error, units)

        put("r", "r", self.odd.r, "nm")
        samples = {"target": self.odd, "beads": self.final.distribution}
        if self.matched is not None:
            samples["matched"] = self.matched.distribution
        for name, distribution in samples.items():
            put(f"g_{name}", "r", distribution.g, "1", distribution.error)
        distance = self.potential.r
        put("distance", "distance", distance, "nm")
        for name, potential in self.curves.items():
            energy, force = (
                None if band is None else np.interp(distance, potential.r, band)
                for band in (potential.band, potential.force_band)
            )  # fmt: skip
            put(f"energy_{name}", "distance", potential.energy_at(distance), "kJ/mol", energy)
            put(f"force_{name}", "distance", potential.force_at(distance), "kJ/mol/nm", force)
            put(f"supported_{name}", "distance", potential.is_supported(distance).astype(np.int8), "1")
        for name, turns in self.turns.items():
            put(f"rms_{name}", f"{name}_step", [t.rms.value for t in turns], "1", [t.rms.error or 0.0 for t in turns])
            pressures = [t.sample.pressure for t in turns]
            put(
                f"pressure_{name}",
                f"{name}_step",
                [p.value for p in pressures],
                "bar",
                [p.error or 0.0 for p in pressures],
            )
        for side, shape in zip(("fine", "coarse"), self.shapes or (), strict=False):
            put("cosine", "cosine", shape.cosines, "1")
            put("order", "order", shape.orders, "1")
            put(f"angles_{side}", "cosine", shape.angles, "1", shape.angles_error)
            put(f"orders_{side}", "order", shape.order, "1", shape.order_error)
        return data


def _ibi_in_words(ibi: Sequence[Iteration], newton: Iteration) -> str:
    reached = next((turn.number for turn in ibi if turn.rms.value <= 1.1 * newton.rms.value), None)
    if reached is not None:
        return f"Iterative Boltzmann inversion came as near to the fitted blocks in {plural(reached, 'step')}."
    last = ibi[-1]
    words = (
        f"Iterative Boltzmann inversion is {last.rms.value / newton.rms.value:.3g} times as far from the fitted blocks "
        f"after {plural(len(ibi) - 1, 'step')}"
    )
    if last.note.startswith(EXPLODED):
        return f"{words}; {last.note}."
    floors = last.rms.value / last.floor.value
    return f"{words}: at {floors:.3g} noise floors it has not converged." if floors > AGREES else f"{words}."


def _warnings(target: PairDistribution) -> list[str]:
    """What is wrong with a reference: it is ordered to the end of the range, or its blocks are no independent ones."""
    found = []
    end = target.r > 0.8 * target.cutoff
    low, high = float(target.g[end].min()), float(target.g[end].max())
    # the noise of a few dozen bins spans about five standard errors
    if high - low > 0.2 + 5.0 * float(np.median(target.error[end])):
        found.append(
            f"Warning: g(r) of the reference still swings between {low:.2f} and {high:.2f} beyond "
            f"{0.8 * target.cutoff:.3g} nm: a solid, two phases, or too short a reach. The fit takes it that g(r) has "
            f"come to 1 there."
        )
    correlation, deviations = target.block_correlation, target.deviations
    products = deviations @ deviations.T
    between = products[~np.eye(len(target), dtype=bool)]
    chance = float(np.sqrt(len(target) * np.var(between)) / max(np.trace(products), 1e-300))
    if correlation > max(0.1, 3.0 * chance):
        found.append(
            f"Warning: neighbouring time blocks of the reference are correlated ({correlation:.2f}): it drifts or is "
            f"too short, and neither errors nor noise floor can be trusted."
        )
    return found


def _over(rms: Estimate, floor: Estimate) -> Estimate:
    ratio = rms.value / floor.value
    error = float(np.hypot((rms.error or 0.0) / floor.value, ratio * (floor.error or 0.0) / floor.value))
    return Estimate(ratio, error, rms.samples, "", rms.method)


def _peak_or_reason(distribution: PairDistribution) -> tuple[Estimate | Reported, Estimate | Reported]:
    try:
        return first_peak(distribution)
    except ValueError as error:  # nothing in reach, or a gas
        return Reported(None, reason=str(error)), Reported(None, reason=str(error))


def plural(count: int, noun: str) -> str:
    """``plural(1, "step")`` is "1 step", ``plural(2, "step")`` "2 steps"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def apart(one: Estimate, other: Estimate) -> float | None:
    """By how many combined standard errors two numbers differ; None where neither has one."""
    error = float(np.hypot(one.error or 0.0, other.error or 0.0))
    return abs(one.value - other.value) / error if error > 0 else None


def order_in_words(fine: Estimate, coarse: Estimate, matches: bool) -> str:
    """What became of the tetrahedral order; ``matches``: whether g(r) agrees, so that the pair form is to blame."""
    numbers, distance = f"from {fine} to {coarse}", apart(fine, coarse)
    if distance is None:
        return f"Tetrahedral order goes {numbers}, without error bars to judge it by."
    if distance <= SIGMAS:
        return f"Tetrahedral order is kept, {numbers}: {distance:.1f} standard errors."
    if coarse.value > fine.value:
        return f"Tetrahedral order rises {numbers}, by {distance:.0f} standard errors."
    why = ": directional order is lost where g(r) is kept, for pair forces have no directions" if matches else ""
    return f"Tetrahedral order falls {numbers}, by {distance:.0f} standard errors{why}."


def share_beyond(model: PairDistribution, target: PairDistribution, upper: float, sigmas: float = 2.0) -> float:
    """Share of the bins up to ``upper`` (nm) where g_model and g_target differ by more than so many combined errors.

    Counted from the first bin with g_target > 0.01; 0.05 is to be expected by chance for two.
    """
    first, end = int(np.argmax(target.g > 0.01)), int(np.searchsorted(target.r, upper))
    noise = np.hypot(model.error, target.error)[first:end]
    return float(np.mean(np.abs(model.g - target.g)[first:end] > sigmas * noise))


def centred(frames: Frames, reach: float, width: float) -> PairDistribution:
    """g(r) in bins centred on multiples of ``width``, the convention of csg_stat and of published peak heights."""
    fine = pair_distribution(frames, cutoff=reach, width=0.5 * width)
    bins = (len(fine.edges) - 2) // 2
    counts, ideal = (
        array[:, 1 : 1 + 2 * bins].reshape(len(fine), bins, 2).sum(axis=2) for array in (fine.counts, fine.ideal)
    )
    return replace(fine, edges=fine.edges[1 : 2 + 2 * bins : 2], counts=counts, ideal=ideal)


def first_peak(distribution: PairDistribution) -> tuple[Estimate, Estimate]:
    """Position (nm) and height of the highest peak of g, with errors from blocks.

    The position is the vertex of the parabola through the three highest bins, the height that of the highest bin.
    Raises ValueError
    where that bin is the first or the last.
    """
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


def angular_distance(fine: Structure, coarse: Structure) -> Estimate:
    """Total variation distance of two distributions of cos(theta): half the area between them, 0 where alike and 1
    where apart.

    Its error is a bootstrap's over blocks. Noise alone makes it positive, by about the error times the root of the
    number of bins.
    """

    def density(counts: Any) -> Any:
        total = counts.sum(axis=0)
        return total / total.sum()

    value = 0.5 * float(np.abs(density(fine.angle_counts) - density(coarse.angle_counts)).sum())
    one = bootstrap_samples(density, fine.angle_counts, resamples=200, seed=0)
    two = bootstrap_samples(density, coarse.angle_counts, resamples=200, seed=1)
    error = float(np.std(0.5 * np.abs(one - two).sum(axis=1), ddof=1))
    return Estimate(value, error, min(len(fine.frames), len(coarse.frames)), "", "bootstrap over blocks")
