"""What becomes of a bead potential away from the state it was fitted to: errors over temperature and density.

A potential that is right at every state is a free energy, not an energy: integrating out the atoms leaves

    U(r; T) = E(r) - T S(r)

and a potential that does not depend on temperature keeps E - T0 S of the state T0 alone. `energy_and_entropy` takes the
two apart, from potentials fitted at several temperatures and one density.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.molecules.comparison import AGREES, apart, plural
from kadanoff.molecules.force_matching import ForceMatch, NormalEquations
from kadanoff.molecules.iteration import Sample, even_and_odd, rdf_difference
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.pair_forces import ratio_error
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.relative_entropy import RelativeEntropy
from kadanoff.molecules.thermodynamics import compressibility
from kadanoff.study import Reported

__all__ = ["MODELS", "Split", "StateResult", "Transfer", "energy_and_entropy", "explained"]

Array = NDArray[np.float64]

MODELS = ("single", "multi", "own")
"""A potential fitted at one state, one fitted to several, and each state's own."""


@dataclass(frozen=True, eq=False)
class Split:
    """Energy E and entropy S of potentials U(r; T) = E - T S, linear in T, on distances ``r`` (m,) nm.

    ``energy`` and ``energy_error`` (m,) kJ/mol, ``entropy`` and ``entropy_error`` (m,) kJ/mol/K; ``chi2`` (m,): the
    mean square of what the line leaves, in errors, per degree of freedom; NaN for two temperatures, which a line meets.
    """

    r: Array
    energy: Array
    energy_error: Array
    entropy: Array
    entropy_error: Array
    chi2: Array


def energy_and_entropy(r: ArrayLike, temperatures: Sequence[float], curves: ArrayLike, errors: ArrayLike) -> Split:
    """The straight line in T through potentials of several temperatures, by weighted least squares at each distance.

    ``r`` (m,) nm; ``temperatures`` (n,) K, two different ones at least; ``curves`` and ``errors`` (n, m) kJ/mol, the
    errors independent between temperatures. Where the line leaves more than they explain, mean chi^2 above one, the
    errors returned grow by its root. Raises ValueError for fewer, curves that are not
    finite, or errors that are not positive.
    """
    t, u, s = (np.asarray(x, dtype=np.float64) for x in (temperatures, curves, errors))
    at = np.asarray(r, dtype=np.float64)
    if len(np.unique(t)) < 2 or u.shape != (len(t), len(at)) or s.shape != u.shape:
        raise ValueError(f"two temperatures or more are needed, with a curve (m,) each, not {t.tolist()} and {u.shape}")
    if not (np.all(s > 0) and np.all(np.isfinite(s))):
        raise ValueError("every point of every curve needs a positive and finite error")
    for temperature, curve in zip(t, u, strict=True):
        if not np.all(np.isfinite(curve)):
            where = at[np.flatnonzero(~np.isfinite(curve))[0]]
            raise ValueError(
                f"the potential at {temperature:g} K is not a finite number at {where:g} nm: leave out distances where "
                "a curve is not known"
            )
    w = s**-2
    total, middle = w.sum(axis=0), (w * t[:, None]).sum(axis=0) / w.sum(axis=0)
    away = t[:, None] - middle
    spread = (w * away**2).sum(axis=0)
    slope = (w * away * u).sum(axis=0) / spread
    mean = (w * u).sum(axis=0) / total
    energy = mean - slope * middle
    left = (w * (u - energy - slope * t[:, None]) ** 2).sum(axis=0)
    freedom = len(t) - 2
    chi2 = left / freedom if freedom else np.full(len(at), np.nan)
    growth = float(np.sqrt(max(1.0, np.mean(chi2)))) if freedom else 1.0
    return Split(at, energy, growth * np.sqrt(1 / total + middle**2 / spread), -slope, growth * spread**-0.5, chi2)


def explained(coefficients: Array, equations: NormalEquations) -> Estimate:
    """Share of the variance of the forces that a given pair force explains, 1 - <|f - F|^2> / <|f|^2>, over blocks.

    ``coefficients`` (k,) on the knots of ``equations``, fitted anywhere; the error is the spread of blocks. Negative
    where the force is worse than none. Raises ValueError for fewer than two blocks.
    """
    if len(equations) < 2:
        raise ValueError("error bars need at least two blocks of frames; there is one")
    c = coefficients
    left = equations.square - 2.0 * equations.moment @ c + np.einsum("a,bac,c->b", c, equations.gram, c)
    share = float(left.sum() / equations.square.sum())
    error = ratio_error(left, equations.square, equations.strata)
    return Estimate(1.0 - share, error, len(left), "", "spread of blocks")


@dataclass(frozen=True, eq=False)
class StateResult:
    """What one state gave.

    ``fitted``: whether the potential of several states was fitted here; ``target``: g of the reference; ``pressure``
    (bar) of the reference, or None; ``samples``: simulations of the three `MODELS` at this state, by name;
    ``potential``: the state's own, with its band; ``match``: its own matched force, or None; ``explained``: share of
    the variance of its forces that the matched forces of the three models explain.
    """

    name: str
    temperature: float
    fitted: bool
    target: PairDistribution
    pressure: Estimate | None
    samples: Mapping[str, Sample]
    potential: PairPotential
    match: ForceMatch | None
    explained: Mapping[str, Estimate]
    judged: float

    @cached_property
    def difference(self) -> dict[str, tuple[Estimate, Estimate]]:
        """RMS of g - g_reference and its noise floor for each model, on the odd blocks, which no fit saw."""
        odd = even_and_odd(self.target)[1]
        return {name: rdf_difference(self.samples[name].distribution, odd, self.judged) for name in self.samples}

    @cached_property
    def ratio(self) -> dict[str, Estimate]:
        """RMS over noise floor."""
        found = {}
        for name, (rms, floor) in self.difference.items():
            ratio = rms.value / floor.value
            error = np.hypot((rms.error or 0.0) / floor.value, ratio * (floor.error or 0.0) / floor.value)
            found[name] = Estimate(ratio, float(error), rms.samples, "", rms.method)
        return found

    @cached_property
    def compressibility(self) -> dict[str, Estimate]:
        """rho kT kappa_T of the reference and of each model."""
        found = {"reference": compressibility(self.target)}
        return found | {name: compressibility(one.distribution) for name, one in self.samples.items()}

    @cached_property
    def pressures(self) -> dict[str, Estimate]:
        """Pressure (bar) of the reference, where it is known, and of each model."""
        known = {} if self.pressure is None else {"reference": self.pressure}
        return known | {name: one.pressure for name, one in self.samples.items()}


@dataclass(frozen=True, eq=False)
class Transfer:
    """All that the study `transfer` found: its states, the name of the one that was fitted alone, and the potentials.

    ``potentials``: {"single": ..., "multi": ...}; ``splits``: {method: `Split`} of the states' own potentials ("fm":
    matched forces, "newton": matched structure) at the density of ``home``, empty for one temperature. ``information``:
    by how much the relative entropy of the single-state potential exceeds that of the state's own, at the worst state;
    or why that could not be had.
    """

    home: str
    states: Sequence[StateResult]
    potentials: Mapping[str, PairPotential]
    splits: Mapping[str, Split]
    information: RelativeEntropy | str

    def __getitem__(self, name: str) -> StateResult:
        return next(state for state in self.states if state.name == name)

    @property
    def away(self) -> list[StateResult]:
        """The states that the single-state fit never saw."""
        return [state for state in self.states if state.name != self.home]

    def worst(self, model: str) -> StateResult:
        """The state other than home with the largest RMS of g over its noise."""
        return max(self.away or self.states, key=lambda state: state.ratio[model].value)

    @property
    def peak(self) -> float:
        """Where g of the home state is highest, nm."""
        target = self[self.home].target
        return float(target.r[int(np.argmax(target.g))])

    def at_peak(self, method: str) -> tuple[Estimate, Estimate]:
        """-T0 S and E (kJ/mol) of the split at `peak`, with T0 of the home state."""
        split, temperature = self.splits[method], self[self.home].temperature
        k = int(np.argmin(np.abs(split.r - self.peak)))
        return (
            Estimate(
                -temperature * split.entropy[k], temperature * split.entropy_error[k], None, "kJ/mol", "line in T"
            ),
            Estimate(split.energy[k], split.energy_error[k], None, "kJ/mol", "line in T"),
        )

    def estimates(self) -> dict[str, Estimate | Reported]:
        """The numbers of result.json."""
        found: dict[str, Estimate | Reported] = {}
        for state in self.states:
            for name, ratio in state.ratio.items():
                found[f"rdf_rms_over_noise.{name}.{state.name}"] = ratio
            for name, (rms, _) in state.difference.items():
                found[f"rdf_rms.{name}.{state.name}"] = rms
            for name, pressure in state.pressures.items():
                found[f"pressure.{name}.{state.name}"] = pressure
            for name, value in state.compressibility.items():
                found[f"compressibility.{name}.{state.name}"] = value
            for name, value in state.explained.items():
                found[f"force_variance_explained.{name}.{state.name}"] = value
        for name in ("single", "multi"):
            found[f"rdf_rms_over_noise.{name}.worst"] = self.worst(name).ratio[name]
        found["relative_entropy.single"] = (
            Reported(None, reason=self.information) if isinstance(self.information, str) else self.information.per_bead
        )
        for method in self.splits:
            entropic, energetic = self.at_peak(method)
            found[f"entropic_part.{method}"], found[f"energetic_part.{method}"] = entropic, energetic
        if not self.splits:
            found["entropic_part.fm"] = Reported(None, reason="one temperature at this density: no derivative")
        return found

    def ledger(self) -> Ledger:
        """What each state loses to a potential that is not its own; least squares binds the share of the forces."""
        ledger = Ledger()
        for state in self.states:
            own = state.difference["own"][0]
            for name in ("single", "multi"):
                given = state.difference[name][0]
                ledger.add(Loss(f"rdf_rms.{name}.{state.name}", own, given, given.minus(own)))
            for name in ("single", "multi"):
                if name in state.explained:
                    best, other = state.explained["own"], state.explained[name]
                    ledger.add(
                        Loss(
                            f"force_variance.{name}.{state.name}", best, other, best.minus(other),
                            theorem="coarse <= fine", conditions="on the frames of the state, one basis",
                            theorem_text="no pair force explains more than the one fitted to the state itself",
                        )
                    )  # fmt: skip
        if not isinstance(self.information, str):
            ledger.add(
                Loss(
                    "relative_entropy.single", None, None, self.information.per_bead,
                    theorem="lost >= 0", conditions="the state's own potential is that of least relative entropy",
                    theorem_text="no pair potential is nearer to the reference than the one with its g(r)",
                )
            )  # fmt: skip
        ledger.verify()
        return ledger

    def verdict(self) -> str:
        """What the numbers say, and no more."""
        return f"{self._single()}\n\n" + "\n".join(
            f"- {words}"
            for words in (
                self._multi(),
                *self._nats(),
                self._pressures(),
                *self._forces(),
                *self._entropy(),
                _LIMITS,
            )
        )

    def _single(self) -> str:
        home, words = self[self.home], []
        for state in self.away:
            words.append(f"{state.ratio['single'].value:.3g} at {_where(state)}")
        start = (
            f"The potential fitted to g(r) at {_where(home)} is {home.ratio['single'].value:.3g} noise floors from "
            f"the reference there"
        )
        if not words:
            return f"{start}; there is no other state to carry it to."
        right = sum(state.ratio["single"].value <= AGREES for state in self.away)
        return (
            f"{start}. Carried to other states it is off by {', '.join(words)} (noise floors; up to {AGREES:g} counts "
            f"as the same structure: {right} of {len(self.away)} states)."
        )

    def _multi(self) -> str:
        fitted = [state for state in self.states if state.fitted]
        held = [state for state in self.states if not state.fitted]

        def mean(states: Sequence[StateResult], name: str) -> str:
            return f"{np.sqrt(np.mean([state.ratio[name].value ** 2 for state in states])):.3g}"

        words = (
            f"One potential fitted to {len(fitted)} states at once is {mean(fitted, 'multi')} noise floors off on "
            f"them (the single-state one {mean(fitted, 'single')})"
        )
        if held:
            words += f", and {mean(held, 'multi')} on the {len(held)} held out (single-state {mean(held, 'single')})"
        return f"{words}; each state's own potential {mean(self.states, 'own')} on all."

    def _nats(self) -> list[str]:
        if isinstance(self.information, str):
            return []
        lost, between = self.information.per_bead, len(self.information.free.couplings) - 2
        how = f"by Bennett's ratio, {plural(between, 'model')} between the two" if between else "by Bennett's ratio"
        return [
            f"At the worst state, {_where(self.worst('single'))}, the single-state potential is {lost} a bead further "
            f"from the reference than the state's own, in relative entropy ({how})."
        ]

    def _pressures(self) -> str:
        known = [state for state in self.states if state.pressure is not None]
        if not known:
            return "Pressures of the reference were not given."
        words = []
        for name in ("single", "multi", "own"):
            off = [state.samples[name].pressure.value - state.pressure.value for state in known if state.pressure]
            words.append(f"{name} {min(off):.0f} to {max(off):.0f} bar")
        text = f"Pressures are off by (model - reference): {', '.join(words)}"
        ideal = [state.compressibility for state in self.states]
        ratios = [one["single"].value / one["reference"].value for one in ideal]
        return (
            f"{text}. The single-state potential has {min(ratios):.2g} to {max(ratios):.2g} times the compressibility "
            f"of the reference."
        )

    def _forces(self) -> list[str]:
        known = [state for state in self.states if "multi" in state.explained]
        if not known:
            return []
        lost = {
            name: [100 * (state.explained["own"].value - state.explained[name].value) for state in known]
            for name in ("single", "multi")
        }
        best = [state.explained["own"].value for state in known]
        return [
            f"A pair force of the state's own explains {100 * min(best):.1f} to {100 * max(best):.1f} % of the "
            f"variance "
            f"of the forces; the one of {_where(self[self.home])} up to {max(lost['single']):.2g} percentage points "
            f"less, the one fitted to several states up to {max(lost['multi']):.2g}."
        ]

    def _entropy(self) -> list[str]:
        words = []
        names = {"fm": "matched forces", "newton": "matched structure"}
        for method in self.splits:
            entropic, energetic = self.at_peak(method)
            distance = apart(entropic, Estimate.exact(0.0, "kJ/mol")) or 0.0
            known = "which is within its noise" if distance < 2 else f"{distance:.1f} standard errors from nothing"
            words.append(f"{names[method]}: E = {energetic}, -T S = {entropic}, {known}")
        if not words:
            return []
        return [
            f"What a potential without temperature cannot follow is its entropic part. At the first peak of g, "
            f"{self.peak:.3g} nm, and {self[self.home].temperature:g} K, U = E - T S of the states' own potentials "
            f"at this density splits into: {'; '.join(words)}. Structure fits leave alone what g does not feel, so "
            f"that their split is drawn towards no change; the two answer different questions, forces and g(r)."
        ]

    def arrays(self) -> xarray.Dataset:
        """Every array behind the figures."""
        data = xarray.Dataset()
        names = [state.name for state in self.states]
        data["state"] = xarray.DataArray(np.arange(len(names)), dims="state", attrs={"units": "1", "names": names})

        def put(name: str, axes: str | tuple[str, ...], values: ArrayLike, units: str) -> None:
            data[name] = xarray.DataArray(np.asarray(values, dtype=np.float64), dims=axes, attrs={"units": units})

        put("temperature", "state", [state.temperature for state in self.states], "K")
        put("density", "state", [state.target.density for state in self.states], "1/nm^3")
        put("r", "r", self.states[0].target.r, "nm")
        put("g_reference", ("state", "r"), [state.target.g for state in self.states], "1")
        put("g_reference_error", ("state", "r"), [state.target.error for state in self.states], "1")
        distance = self.potentials["single"].r
        put("distance", "distance", distance, "nm")
        for name in MODELS:
            put(f"g_{name}", ("state", "r"), [state.samples[name].distribution.g for state in self.states], "1")
            put(f"rdf_rms_over_noise_{name}", "state", [state.ratio[name].value for state in self.states], "1")
            put(f"pressure_{name}", "state", [state.samples[name].pressure.value for state in self.states], "bar")
        for name, potential in self.potentials.items():
            put(f"energy_{name}", "distance", potential.energy_at(distance), "kJ/mol")
        own = [state.potential.energy_at(distance) for state in self.states]
        put("energy_own", ("state", "distance"), own, "kJ/mol")
        for method, split in self.splits.items():
            axis = f"r_{method}"
            put(axis, axis, split.r, "nm")
            put(f"energetic_{method}", axis, split.energy, "kJ/mol")
            put(f"energetic_{method}_error", axis, split.energy_error, "kJ/mol")
            put(f"entropy_{method}", axis, split.entropy, "kJ/mol/K")
            put(f"entropy_{method}_error", axis, split.entropy_error, "kJ/mol/K")
        return data


_LIMITS = (
    "Only these states were tested, at constant volume, with 500 beads or what the references hold; interfaces, "
    "mixtures "
    "and dynamics were not. Compressibilities are from g(r) of a finite box, and their errors say how far the integral "
    "still moves with its end."
)


def _where(state: StateResult) -> str:
    return f"{state.temperature:g} K, {state.target.density:.4g} nm^-3"
