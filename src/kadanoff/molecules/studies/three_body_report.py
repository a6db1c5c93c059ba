"""What the three-body study found: numbers, ledger, verdict in words, arrays and pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray
from numpy.typing import NDArray

from kadanoff import plotting
from kadanoff.estimates import Estimate, bootstrap_samples, mean
from kadanoff.losses import Ledger, Loss
from kadanoff.molecules.force_floor import ForceFloor
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.many_body_matching import ManyBodyMatch
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.structure import Structure
from kadanoff.molecules.studies.bottom_up import Expected
from kadanoff.molecules.term_matching import FittedTerm, TermMatch
from kadanoff.study import Reported, Result, judge

__all__ = ["CITE", "Comparison", "Recovered", "Simulated", "angle_rms", "report"]

Array = NDArray[np.float64]
NAMES = {"pair": "pairs", "three_body": "pairs + three-body"}
_COLOURS = {"pair": plotting.ORANGE, "three_body": plotting.BLUE}

CITE = (
    "Force matching: S. Izvekov, G. A. Voth, J. Phys. Chem. B 109, 2469 (2005); W. G. Noid et al., J. Chem. Phys. 128, "
    "244114 (2008)",
    "Three-body terms: L. Larini, L. Lu, G. A. Voth, J. Chem. Phys. 132, 164107 (2010); C. Scherer, D. Andrienko, "
    "Phys. Chem. Chem. Phys. 20, 22387 (2018)",
    "Stillinger-Weber form: F. H. Stillinger, T. A. Weber, Phys. Rev. B 31, 5262 (1985); mW water: V. Molinero, E. B. "
    "Moore, J. Phys. Chem. B 113, 4008 (2009)",
    "Spline triplets: S. R. Xie, M. Rupp, R. G. Hennig, npj Comput. Mater. 9, 162 (2023)",
    "Tetrahedral order: J. R. Errington, P. G. Debenedetti, Nature 409, 318 (2001)",
)


@dataclass(frozen=True, eq=False)
class Simulated:
    """What a bead simulation gave, or None of it and the ``trouble``. ``pressures`` (frames,) in bar."""

    shape: Structure | None
    distribution: PairDistribution | None
    pressures: Array | None
    last: Frames | None
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class Recovered:
    """Fits of mW water: ``exact`` with 1, cos, cos^2 and ``free`` with splines, and the terms in them."""

    epsilon: float
    exact: TermMatch
    free: TermMatch
    truth: Model
    powers: FittedTerm
    angle: FittedTerm
    pair: FittedTerm
    noise: float

    def strength(self) -> Estimate:
        """lambda = c_2 / epsilon; 23.15 in mW water."""
        c = self.powers
        error = float(c.samples[:, 2].std(ddof=1)) / self.epsilon
        return Estimate(float(c.coefficients[2]) / self.epsilon, error, c.blocks, "", "bootstrap over blocks")

    def cosine(self) -> Estimate:
        """cos theta_0 = -c_1 / (2 c_2); -1/3 in mW water."""
        c = self.powers
        samples = -0.5 * c.samples[:, 1] / c.samples[:, 2]
        value = float(-0.5 * c.coefficients[1] / c.coefficients[2])
        return Estimate(value, float(samples.std(ddof=1)), c.blocks, "", "bootstrap over blocks")

    def inside(self) -> tuple[int, int]:
        """Supported knots of h, found with splines, inside their bands, and their number."""
        low, high = self.angle.supported
        x = self.angle.nodes[(self.angle.nodes >= low - 1e-9) & (self.angle.nodes <= high + 1e-9)]
        truth = self.truth.triplets[0].angular(x)[0]  # type: ignore[union-attr]
        return int(np.sum(np.abs(self.angle.value(x) - truth) <= self.angle.band(x))), len(x)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that the study measured."""

    temperature: float
    judged: float
    target: PairDistribution
    fine: Structure
    match: ManyBodyMatch
    models: Mapping[str, Model]
    runs: Mapping[str, Simulated]
    differences: Mapping[str, tuple[Estimate, Estimate]]
    floor: ForceFloor | None
    recovered: Recovered | None
    pressure: float | None


def angle_rms(fine: Structure, coarse: Structure) -> Estimate:
    """Root mean square difference of two densities P(cos theta), with a bootstrap error over blocks.

    The noise of both, squared, is taken off the mean square before the root.
    """

    def density(counts: NDArray[np.int64]) -> Array:
        total = counts.sum(axis=0)
        return np.asarray(total / total.sum() * (0.5 * counts.shape[1]))

    one = bootstrap_samples(density, fine.angle_counts, resamples=400, seed=0)
    two = bootstrap_samples(density, coarse.angle_counts, resamples=400, seed=1)
    difference = density(fine.angle_counts) - density(coarse.angle_counts)
    noise = one.var(axis=0, ddof=1) + two.var(axis=0, ddof=1)
    square = max(float(np.mean(difference**2 - noise)), 0.0)
    value = float(np.sqrt(square))
    wobble = (one - one.mean(axis=0)) - (two - two.mean(axis=0))
    # to first order; where the difference is all noise, the noise itself
    error = float(np.std(np.mean(wobble * difference, axis=1), ddof=1)) / max(value, float(np.sqrt(np.mean(noise))))
    return Estimate(value, error, min(len(fine.frames), len(coarse.frames)), "", "bootstrap over blocks, noise removed")


def report(found: Comparison, expected: Mapping[str, Expected]) -> Result:
    """Numbers, ledger, verdict, arrays, pictures and model files."""
    numbers = estimates(found)
    unknown = set(expected) - set(numbers)
    if unknown:
        raise ValueError(f"expected.{sorted(unknown)[0]} is no number of this study; they are {', '.join(numbers)}")
    for name, wanted in expected.items():
        given = numbers[name]
        estimate = given.estimate if isinstance(given, Reported) else given
        reason = given.reason if isinstance(given, Reported) else ""
        numbers[name] = Reported(estimate, wanted.value, wanted.error, wanted.tolerance, wanted.source, reason)
    ledger = _ledger(found)
    from kadanoff.molecules.studies import three_body_pictures

    return Result(
        numbers, ledger, judge(numbers, ledger, _verdict(found)), _arrays(found), three_body_pictures.of(found),
        _files(found), CITE,
    )  # fmt: skip


def explained(found: Comparison) -> dict[str, Estimate]:
    """Explained variance, held out and in sample averaged, by what is in the fit."""
    match = found.match
    known = {"pair": match.pair.total, "three_body": match.three_body.total}
    if match.splines is not None:
        known["three_body_splines"] = match.splines.total
    if match.density is not None:
        known["density"] = match.density.total
    return known


def estimates(found: Comparison) -> dict[str, Estimate | Reported]:
    """The numbers of result.json."""
    numbers: dict[str, Estimate | Reported] = {}
    for name, value in explained(found).items():
        numbers[f"force_variance_explained.{name}"] = value
    if found.floor is not None:
        flat = "plateau of D(t) at fixed bead positions: at least so much"
        if found.floor.bound:
            flat = "D(t) at fixed bead positions still rises" if found.floor.reached else "no plateau"
        source = f"{found.floor.bound}: {flat}" if found.floor.bound else flat
        numbers["force_variance_floor"] = Reported(found.floor.floor, source=source)
    else:
        best = found.match.best
        numbers["force_variance_floor"] = Reported(
            Estimate(1.0 - best.value, best.error, best.samples, "", best.method),
            source="upper bound of the floor: the least residual of the fits; no forces at fixed beads were given",
        )
    numbers["three_body_cutoff"] = Estimate.exact(found.match.angular.cutoff, "nm")
    numbers["three_body_decay"] = Estimate.exact(found.match.angular.decay, "nm")
    numbers["tetrahedral_order.fine"] = found.fine.tetrahedral
    numbers["coordination.fine"] = found.fine.coordination
    for name, run in found.runs.items():
        reason = f"the simulation of {NAMES[name]} failed: {run.trouble}"
        shape = run.shape
        if shape is None or run.pressures is None:
            for number in ("angle_rms", "tetrahedral_order", "coordination", "rdf_rms", "pressure"):
                numbers[f"{number}.{name}"] = Reported(None, reason=reason)
            continue
        numbers[f"angle_rms.{name}"] = angle_rms(found.fine, shape)
        numbers[f"tetrahedral_order.{name}"] = shape.tetrahedral
        numbers[f"coordination.{name}"] = shape.coordination
        numbers[f"rdf_rms.{name}"] = found.differences[name][0]
        numbers[f"pressure.{name}"] = mean(run.pressures, "bar")
    if found.recovered is not None:
        source = "Molinero & Moore, J. Phys. Chem. B 113, 4008 (2009), table 1"
        numbers["stillinger_weber.lambda"] = Reported(found.recovered.strength(), 23.15, source=source)
        numbers["stillinger_weber.cosine"] = Reported(found.recovered.cosine(), -1.0 / 3.0, source=source)
        inside, knots = found.recovered.inside()
        numbers["stillinger_weber.knots_inside"] = Estimate.exact(inside / knots)
        numbers["stillinger_weber.explained_by_pairs"] = found.recovered.exact.explained["pair"]
        numbers["stillinger_weber.explained"] = found.recovered.exact.total
    return numbers


def _ledger(found: Comparison) -> Ledger:
    ledger = Ledger()
    for name, value in explained(found).items():
        ledger.add(
            Loss(
                f"force_variance.{name}", Estimate.exact(1.0), value,
                Estimate(1.0 - value.value, value.error, value.samples, "", value.method), theorem="coarse <= fine",
                conditions="least squares", theorem_text="a fitted force is never longer than what it is fitted to",
            )
        )  # fmt: skip
    if found.floor is not None and found.floor.reached:
        best, floor = found.match.best, found.floor.floor
        reachable = Estimate(1.0 - floor.value, floor.error, floor.samples, "", floor.method)
        ledger.add(
            Loss(
                "mean_force", reachable, best, reachable.minus(best), theorem="coarse <= fine",
                conditions="one ensemble, D(t) flat to 5 %",
                theorem_text="no function of the bead positions explains more than the many-body mean force does, and "
                "that at most one less what was measured at fixed beads",
            )
        )  # fmt: skip
    for name, run in found.runs.items():
        if run.shape is not None:
            fine, coarse = found.fine, run.shape
            for what in ("tetrahedral", "coordination"):
                one, two = getattr(fine, what), getattr(coarse, what)
                label = "tetrahedral_order" if what == "tetrahedral" else what
                ledger.add(Loss(f"{label}.{name}", one, two, one.minus(two)))
            ledger.add(Loss(f"angular_distribution.{name}", None, None, angle_rms(fine, coarse)))
    ledger.verify()
    return ledger


def _verdict(found: Comparison) -> str:
    known = explained(found)
    gain = found.match.three_body.gain["three-body"]
    said = [
        f"Pair forces explain {known['pair']} of the variance of the forces on the beads, pairs and a three-body term "
        f"{known['three_body']}: a gain of {gain} on blocks that the fit did not see."
    ]
    if found.match.splines is not None:
        said.append(
            f"Splines of three distances instead of the Stillinger-Weber form explain {known['three_body_splines']}."
        )
    if found.match.density is not None and "density" in found.match.density.gain:
        said.append(f"A local density adds {found.match.density.gain['density']} to pairs and the three-body term.")
    if found.floor is not None:
        top = 1.0 - found.floor.floor.value
        said.append(f"The rest is not all to be had, at most {top:.3g} can be explained: {found.floor.text}.")
    else:
        said.append(
            f"How much of the rest is irreducible was not measured (no forces at fixed beads were given): "
            f"{1.0 - found.match.best.value:.3g} is an upper bound of the floor."
        )
    pair, both = found.runs["pair"], found.runs["three_body"]
    for name, run in found.runs.items():
        if run.shape is None:
            said.append(f"The model of {NAMES[name]} is unstable at this density and temperature: {run.trouble}.")
    if pair.shape is not None and both.shape is not None:
        one, two = angle_rms(found.fine, pair.shape), angle_rms(found.fine, both.shape)
        orders = [shape.tetrahedral for shape in (found.fine, pair.shape, both.shape)]
        share = (orders[2].value - orders[1].value) / (orders[0].value - orders[1].value)
        said.append(
            f"Angles in the first shell, which no fit saw, are off by an RMS of {one} with pairs and {two} with the "
            f"three-body term. Tetrahedral order is {orders[0]} in the reference, {orders[1]} with pairs and "
            f"{orders[2]} with the three-body term: {100 * share:.0f} % of what pairs lose comes back."
        )
        assert pair.pressures is not None
        assert both.pressures is not None
        said.append(
            f"The pressure is {mean(pair.pressures, 'bar')} with pairs and {mean(both.pressures, 'bar')} with the "
            f"three-body term" + (f"; the reference has {found.pressure:g} bar." if found.pressure is not None else ".")
        )
    if found.recovered is not None:
        inside, number = found.recovered.inside()
        said.append(
            f"mW water, whose three-body potential is known, gives lambda {found.recovered.strength()} (23.15) and "
            f"cos theta_0 {found.recovered.cosine()} (-0.3333) from forces with noise of {found.recovered.noise:g} of "
            f"their RMS; with free splines {inside} of {number} supported knots of h lie inside their 95 % bands."
        )
    said.append(
        f"Matched at {found.temperature:g} K and {found.target.density:.4g} beads/nm^3; forces were matched, g(r) was "
        "not. Other states were not tested."
    )
    return "\n".join(f"- {words}" for words in said)


def _arrays(found: Comparison) -> xarray.Dataset:
    match, fine = found.match, found.fine
    x = np.linspace(-1.0, 1.0, 101)
    angle = match.three_body.of(match.angular)
    r = next(fit for fit in match.pair.fits).knots.r
    data = xarray.Dataset(
        {
            "h": ("cosine", angle.value(x), {"units": "kJ/mol"}),
            "h_error": ("cosine", angle.error(x), {"units": "kJ/mol"}),
            "h_supported": ("cosine", ((x >= angle.supported[0]) & (x <= angle.supported[1])).astype(np.int8),
                            {"units": "1"}),
            "angles": ("bin", fine.angles, {"units": "1"}),
            "angles_error": ("bin", fine.angles_error, {"units": "1"}),
            "order": ("q", fine.order, {"units": "1"}),
            "g": ("distance", found.target.g, {"units": "1"}),
            "g_error": ("distance", found.target.error, {"units": "1"}),
            "tried_cutoff": ("tried", np.array([one.term.cutoff for one in match.candidates]), {"units": "nm"}),
            "tried_decay": ("tried", np.array([one.term.decay for one in match.candidates]), {"units": "nm"}),
            "tried_held_out": ("tried", np.array([one.held_out.value for one in match.candidates]), {"units": "1"}),
        },
        {
            "cosine": ("cosine", x, {"units": "1"}), "r": ("r", r, {"units": "nm"}),
            "bin": ("bin", fine.cosines, {"units": "1"}), "q": ("q", fine.orders, {"units": "1"}),
            "distance": ("distance", found.target.r, {"units": "nm"}),
        },
    )  # fmt: skip
    for name, fit in (("pair", match.pair), ("three_body", match.three_body)):
        force = fit.fits[0]
        data[f"force_{name}"] = ("r", force.value(r), {"units": "kJ/mol/nm"})
        data[f"force_error_{name}"] = ("r", force.error(r), {"units": "kJ/mol/nm"})
        run = found.runs[name]
        if run.shape is not None and run.distribution is not None:
            data[f"angles_{name}"] = ("bin", run.shape.angles, {"units": "1"})
            data[f"angles_error_{name}"] = ("bin", run.shape.angles_error, {"units": "1"})
            data[f"order_{name}"] = ("q", run.shape.order, {"units": "1"})
            data[f"g_{name}"] = ("distance", run.distribution.g, {"units": "1"})
            data[f"g_error_{name}"] = ("distance", run.distribution.error, {"units": "1"})
    if found.floor is not None:
        data["structure_function"] = ("lag", found.floor.curve, {"units": "1"})
        data["structure_function_error"] = ("lag", found.floor.error, {"units": "1"})
        data.coords["lag"] = ("lag", found.floor.lags, {"units": "ps"})
    return data


def _files(found: Comparison) -> dict[str, str | bytes]:
    """Both models as JSON and for LAMMPS, and the normal equations, from which other fits can be solved."""
    from kadanoff.molecules.tables import write_lammps

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, model in found.models.items():
            (folder / kind).mkdir()
            model.save(folder / kind / "model.json")
            write_lammps(model, folder / kind / "lammps.table")
        found.match.equations.save(folder / "equations.npz")
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {f"model/{path.relative_to(folder)}": path.read_bytes() for path in paths}
