"""What a bead model kept of its reference and what it lost: numbers, ledger, arrays and the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray

from kadanoff.estimates import Estimate, bootstrap_samples
from kadanoff.losses import Ledger, Loss
from kadanoff.molecules.force_matching import ForceMatch
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.iteration import EXPLODED, Iteration, Sample, rdf_difference
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.structure import Structure, two_body_entropy
from kadanoff.study import Reported

__all__ = ["CITE", "Comparison", "angular_distance", "centred", "first_peak"]

CITE = (
    "Newton steps with the HNC Jacobian: M. P. Bernhardt, M. Hanke, N. F. A. van der Vegt, J. Chem. Phys. 154, "
    "084118 (2021)",
    "Iterative Boltzmann inversion: D. Reith, M. Putz, F. Muller-Plathe, J. Comput. Chem. 24, 1624 (2003)",
    "Force matching: S. Izvekov, G. A. Voth, J. Phys. Chem. B 109, 2469 (2005); W. G. Noid et al., J. Chem. Phys. 128, "
    "244114 (2008)",
    "Tetrahedral order: J. R. Errington, P. G. Debenedetti, Nature 409, 318 (2001)",
    "Reading: N. Michaud-Agrawal et al., J. Comput. Chem. 32, 2319 (2011) (MDAnalysis)",
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that the bottom-up study measured.

    ``target`` g of all blocks, ``odd`` of those that the fit never saw; ``turns`` the iterations of each method;
    ``potential``
    the Newton result, ``mean_force`` the Boltzmann inversion; ``final`` its fresh simulation; ``shapes`` angles and
    order of
    reference and model, or None and ``no_shapes`` the reason; ``peak`` g in centred bins; ``pressure_left_open``
    (bar) what the noise of
    the reference leaves open.
    """

    temperature: float
    judged: float
    target: PairDistribution
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
    atomistic_seconds: Estimate | None
    fine_pressure: Estimate | None

    @property
    def difference(self) -> tuple[Estimate, Estimate]:
        """RMS of g_model - g_target over the judged range, and its noise floor."""
        return rdf_difference(self.final.distribution, self.odd, self.judged)

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
        ratio = rms.value / floor.value
        error = ratio * float(np.hypot((rms.error or 0.0) / rms.value, (floor.error or 0.0) / floor.value))
        position, height = first_peak(self.peak)
        missing = Reported(None, reason="the trajectory holds no forces")
        untimed = "needs an atomistic run here: pip install 'kadanoff[openmm]' and, for water, atomistic = \"spce\""
        found: dict[str, Estimate | Reported] = {
            "rdf_rms": rms,
            "noise_floor": floor,
            "rdf_rms_over_noise": Reported(
                Estimate(ratio, error, rms.samples, "", rms.method), 1.0, tolerance=0.5,
                source="1 where model and reference differ by the noise of both alone; at most 1.5 counts as agreement",
            ),
            "iterations": Estimate.exact(len(self.turns["newton"]) - 1),
            "first_peak_position": position,
            "first_peak_height": height,
            "pressure": self.pressure,
            "force_variance_explained": missing if self.match is None else self.match.explained_variance,
            "two_body_entropy_fine": two_body_entropy(self.target),
            "two_body_entropy_coarse": two_body_entropy(self.final.distribution),
        }  # fmt: skip
        for index, side in enumerate(("fine", "coarse")):
            found[f"tetrahedral_order_{side}"] = (
                Reported(None, reason=self.no_shapes) if self.shapes is None else self.shapes[index].tetrahedral
            )
        beads = self.final.seconds / self.final.simulated * 1000.0
        found["speedup_per_ns"] = (
            Reported(None, reason=untimed)
            if self.atomistic_seconds is None
            else self.atomistic_seconds.scaled(1 / beads, "")
        )
        return found

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
        ledger.verify()
        return ledger

    def verdict(self) -> str:
        """What holds, what does not, and where it stops holding."""
        rms, floor = self.difference
        ratio, newton = rms.value / floor.value, self.turns["newton"]
        steps = len(newton) - 1
        words = [
            f"The beads have the pair structure of the reference "
            f"{'to its noise' if ratio <= 1.5 else 'only roughly'}: RMS of g(r) "
            f"{rms} on blocks that the fit never saw, {ratio:.2f} times the noise floor {floor}, after {steps} Newton "
            f"step{'s' * (steps != 1)}."
        ]
        if newton[-1].note.startswith(EXPLODED):
            words.append(f"The Newton steps ended early: {newton[-1].note}.")
        if "ibi" in self.turns:
            words.append(_ibi_in_words(self.turns["ibi"], newton))
        if self.match is not None:
            words.append(
                f"A pair force explains {self.match.explained_variance} of the variance of the forces on the beads; "
                f"no pair "
                f"potential of this cut-off can explain more."
            )
        if self.shapes is not None:
            fine, coarse = (shape.tetrahedral for shape in self.shapes)
            words.append(
                f"Tetrahedral order goes from {fine} to {coarse}: beads have no directions, so no hydrogen bonds."
            )
        words.append(
            f"The pressure of the beads is {self.pressure}"
            + (", thousands of bar" if abs(self.pressure.value) > 1000 else "")
            + ": a potential that matches g(r) does not match the pressure; use it at constant volume."
        )
        words.append(
            f"Fitted at {self.temperature:g} K and {self.target.density:.4g} beads/nm^3, it does not transfer to "
            f"other temperatures and "
            "densities, to mixtures or to interfaces, and its dynamics are faster than the real ones."
        )
        return " ".join(words)

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
            put(f"energy_{name}", "distance", potential.energy_at(distance), "kJ/mol")
            put(f"force_{name}", "distance", potential.force_at(distance), "kJ/mol/nm")
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


def _ibi_in_words(ibi: Sequence[Iteration], newton: Sequence[Iteration]) -> str:
    goal = 1.1 * newton[-1].rms.value
    reached = next((turn.number for turn in ibi if turn.rms.value <= goal), None)
    if reached is not None:
        return f"Iterative Boltzmann inversion needed {reached} steps for the same."
    ratio = ibi[-1].rms.value / newton[-1].rms.value
    words = f"Iterative Boltzmann inversion is at {ratio:.1f} times that RMS after {len(ibi) - 1} steps"
    return f"{words}; {ibi[-1].note}." if ibi[-1].note.startswith(EXPLODED) else f"{words}."


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
