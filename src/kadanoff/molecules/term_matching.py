"""Force matching with three-body and local-density terms: functions with bands, and what each kind of term explains.

    minimise  sum | f - F |^2,    F = pairs + three-body terms + local densities       (terms: `force_terms`)

on the normal equations of `term_equations`. A trajectory is read once; every fit of it takes well under a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from kadanoff.estimates import Estimate
from kadanoff.molecules.force_terms import AngularBasis, DensityBasis, PairBasis, Term, TripletBasis
from kadanoff.molecules.local_density import LocalDensity
from kadanoff.molecules.pair_forces import (
    DataWarning,
    End,
    gaps,
    net_force,
    pair_table,
    ratio_error,
    supported_range,
)
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import TermEquations
from kadanoff.molecules.term_solution import KINDS, Mode, Risk, Strength, System, choose_strengths
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet, Triplet
from kadanoff.molecules.time_blocks import block_draws

__all__ = ["FittedTerm", "TermMatch", "check_equations", "fit_terms"]

Array = NDArray[np.float64]
_RARE = 0.01  # of the mean cell: fewer samples support nothing


@dataclass(frozen=True, eq=False)
class FittedTerm:
    """One term of a fit: its function with error bars.

    ``coefficients`` (k,) of the whole basis, zero where no data touch it, and ``samples`` (resamples, k) from the
    bootstrap; ``counts`` (cells,) samples of each cell and ``sampled`` (cells,) whether they are enough.
    """

    term: Term
    coefficients: Array
    samples: Array
    counts: NDArray[np.int64]
    sampled: NDArray[np.bool_]
    blocks: int
    confidence: float

    @property
    def knots(self) -> Knots:
        """The knots of a function of one variable: r, cos + 1, or rho. Raises ValueError for a triplet term."""
        if isinstance(self.term, TripletBasis):
            raise ValueError(f"{self.term.name} is a function of three distances: look at its coefficients")
        return self.term.knots

    @cached_property
    def supported(self) -> tuple[float, float]:
        """Where data stand behind the function: from the last gap to the cut-off, or the longest run in cos or rho."""
        if isinstance(self.term, PairBasis):
            return supported_range(self.knots, self.sampled)
        low, high = self._run
        if high - low > 2:  # the rim of the data lies somewhere inside its cell
            low, high = low + (low > 0), high - (high < len(self.sampled))
        return float(self.nodes[low]), float(self.nodes[high])

    @cached_property
    def _run(self) -> tuple[int, int]:
        """First cell of the longest run of sampled ones, and the one after it."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.sampled, [False]]).astype(int))).reshape(-1, 2)
        if not len(edges):
            return 0, 0
        low, high = edges[int(np.argmax(edges[:, 1] - edges[:, 0]))]
        return int(low), int(high)

    @property
    def _rims(self) -> tuple[int, int]:
        """First cell with data enough, and the one after the last: thin cells between them keep the fit."""
        cells = np.flatnonzero(self.sampled)
        return (int(cells[0]), int(cells[-1]) + 1) if len(cells) else (0, 0)

    @property
    def nodes(self) -> Array:
        """The knots in the function's own variable: r (nm), cos theta, or rho."""
        return self.knots.r - (1.0 if isinstance(self.term, AngularBasis) else 0.0)

    def value(self, x: ArrayLike) -> Array:
        """f(r) in kJ/mol/nm, h(cos) in kJ/mol, or F'(rho) in kJ/mol, as the fit has it, also where data lack."""
        return np.asarray(self._basis(x) @ self.coefficients)

    def error(self, x: ArrayLike) -> Array:
        """Its standard error."""
        return np.asarray((self._basis(x) @ self.samples.T).std(axis=-1, ddof=1))

    def band(self, x: ArrayLike) -> Array:
        """Half width of its pointwise band: Student t times the bootstrap error over blocks."""
        return self._reach * self.error(x)

    def force(self, r: ArrayLike) -> Array:
        """`value` of a pair term."""
        return self.value(r)

    def energy(self, r: ArrayLike) -> Array:
        """U(r) of a pair term, the integral of f from r to the cut-off, kJ/mol."""
        return np.asarray(self.knots.integrals(r) @ self.coefficients)

    def energy_error(self, r: ArrayLike) -> Array:
        """Standard error of U(r), kJ/mol."""
        return np.asarray((self.knots.integrals(r) @ self.samples.T).std(axis=-1, ddof=1))

    @property
    def coefficient_errors(self) -> Array:
        """(k,) standard errors of the coefficients."""
        return np.asarray(self.samples.std(axis=0, ddof=1))

    def _basis(self, x: ArrayLike) -> Array:
        at = np.asarray(x, dtype=np.float64)
        if isinstance(self.term, AngularBasis):
            if not self.term.intervals:
                return at[..., None] ** np.arange(3)
            return self.knots.values(np.clip(at + 1.0, 0.0, 2.0))
        if isinstance(self.term, DensityBasis):
            at = np.clip(at, self.knots.start, self.knots.cutoff)
        return self.knots.values(at)

    @property
    def _reach(self) -> float:
        return float(stdtrit(self.blocks - 1, 0.5 + 0.5 * self.confidence))

    # ---- as terms of a model ----

    def potential(self, step: float = 0.002) -> PairPotential:
        """The table of a pair term with standard errors; a wall below the first well sampled knot."""
        return pair_table(self, step)

    def triplet(self) -> Triplet:
        """The three-body term of a model. Beyond the first and the last cell with data h goes over into a constant."""
        term = self.term
        if isinstance(term, TripletBasis):
            table = term.table
            full = np.where(table >= 0, self.coefficients[table], 0.0)
            return SplineTriplet(term.center, term.ends, term.near, term.far, full)
        if not isinstance(term, AngularBasis):
            raise ValueError(f"{term.name} is no three-body term")
        energy = self.value(self.nodes)
        if not term.intervals:
            slope = self.coefficients[1] + 2.0 * self.coefficients[2] * self.nodes
            return AngularTriplet(term.center, term.ends, term.cutoff, term.decay, energy, slope)
        width = self.knots.spacing
        slope = self.knots.slopes(self.knots.r) @ self.coefficients
        low, high = self._rims
        energy[:low] = energy[low] - 0.5 * width * slope[low]  # a quadratic over one interval, then flat
        energy[high + 1 :] = energy[high] + 0.5 * width * slope[high]
        slope[:low] = slope[high + 1 :] = 0.0
        return AngularTriplet(term.center, term.ends, term.cutoff, term.decay, energy, slope)

    def density(self) -> LocalDensity:
        """The local-density term of a model: F on four nodes an interval.

        F' is constant beyond the first and the last cell with data.
        """
        term = self.term
        if not isinstance(term, DensityBasis):
            raise ValueError(f"{term.name} is no local density")
        nodes = np.linspace(term.knots.start, term.knots.cutoff, 4 * term.knots.intervals + 1)
        inside = np.clip(nodes, *(self.nodes[cell] for cell in self._rims))
        energy = term.knots.integrals(inside[:1]) - term.knots.integrals(inside)
        slope = self.value(inside)
        return LocalDensity(
            term.center, term.neighbours, term.inner, term.outer, term.knots.start, float(nodes[1] - nodes[0]),
            energy @ self.coefficients + slope * (nodes - inside), slope,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class TermMatch:
    """A fit of forces with several terms. Made by `fit_terms`.

    ``fits``: the terms in order. Of the mean square force, the fraction 1 - <|f - F|^2> / <|f|^2> that is explained by
    fits of pairs, of pairs and three-body terms, of all, by the last kind that is in:
    ``explained``: the mean of ``in_sample`` and ``held_out`` (each block by the fit to all others), whose biases
    cancel; ``gain``: what a kind adds to the fit without it, held out, from differences block by block.
    ``residual_fraction``: root of the mean square residual of the whole fit over that of the force, in sample;
    ``net_force``: see `ForceMatch`.
    ``strengths`` of the regularisation, by name of the term; ``risks``: risk against strength by (name, penalty), for
    those chosen by cross-validation. ``notes``: what a user should know.
    """

    fits: tuple[FittedTerm, ...]
    names: tuple[str, ...]
    mode: Mode
    explained: dict[str, Estimate]
    held_out: dict[str, Estimate]
    in_sample: dict[str, Estimate]
    gain: dict[str, Estimate]
    residual_fraction: Estimate
    net_force: Estimate
    strengths: dict[str, Strength]
    risks: dict[tuple[str, str], Risk]
    notes: tuple[str, ...]

    @property
    def total(self) -> Estimate:
        """Explained variance of the whole fit."""
        return list(self.explained.values())[-1]

    def of(self, term: Term | str) -> FittedTerm:
        """The fit of one term, by itself or by name. Raises ValueError where there is none."""
        for fit in self.fits:
            if term in (fit.term, fit.term.name):
                return fit
        raise ValueError(f"no term {term!r} in this fit; it holds {[fit.term.name for fit in self.fits]}")

    def pair(self, a: str, b: str) -> FittedTerm:
        """The fitted pair force of two types, in either order."""
        for fit in self.fits:
            if isinstance(fit.term, PairBasis) and sorted(fit.term.types) == sorted((a, b)):
                return fit
        raise ValueError(f"no pair {a}-{b} in this fit; it holds {[fit.term.name for fit in self.fits]}")

    def model(self, masses: Sequence[float], *, step: float = 0.002) -> Model:
        """A bead model of all terms; ``masses`` (amu) of the types in order; ``step`` (nm) of the pair tables.

        A pair of types without a term does not interact. Pair cut-offs must be multiples of the step where they differ.
        """
        pairs = {fit.term.types: fit.potential(step) for fit in self.fits if isinstance(fit.term, PairBasis)}
        longest = max((table.cutoff for table in pairs.values()), default=10 * step)
        if any(table.cutoff < longest * (1 - 1e-9) for table in pairs.values()):
            pairs = {types: table.padded(longest) for types, table in pairs.items()}
        for i, a in enumerate(self.names):
            for b in self.names[i:]:
                if (a, b) not in pairs and (b, a) not in pairs:
                    pairs[a, b] = PairPotential.zero(longest, step)
        return Model(
            self.names, tuple(masses), pairs,
            tuple(fit.triplet() for fit in self.fits if fit.term.kind == "three-body"),
            tuple(fit.density() for fit in self.fits if fit.term.kind == "density"),
        )  # fmt: skip


def fit_terms(
    equations: TermEquations,
    *,
    terms: Sequence[Term] | None = None,
    mode: Mode = "joint",
    strengths: Mapping[str, Strength] | None = None,
    folds: int = 10,
    end: End = "zero",
    minimum_samples: int = 20,
    confidence: float = 0.95,
    resamples: int = 400,
    seed: int = 0,
) -> TermMatch:
    """Fit forces with terms: coefficients, bands, strengths of regularisation, explained variance by kind.

    terms: some of those of ``equations``; all by default. mode: "joint" solves for all terms at once, which explains
    most; "residual" fits the pairs first and further kinds to what is left (`term_solution`), so that the pair force
    stays that of the pair fit. strengths: ridge and curvature of the regularisation by name of a term; what is not
    given is chosen by cross-validation over ``folds`` runs of blocks (`choose_strengths`). end: of every pair force at
    its cut-off, see `force_matching.solve`. A cell counts as sampled with at least ``minimum_samples`` in all and one
    in half of the blocks, and of other terms than pairs with a hundredth of the mean cell. confidence: of the bands;
    resamples, seed: of the bootstrap over blocks, of each state among themselves (`force_matching.solve`), to which is
    added what the smoothing may hide (`System.smoothing`).

    Raises ValueError with fewer than three blocks, for fewer force components than coefficients, a term without data,
    a pair force without data at its cut-off, and where all forces are zero. Warns (`DataWarning`, and `notes`) of gaps
    in the data, of terms with too few frames for their knots, and of a net force that no such terms can have.

    Sources: Noid et al., J. Chem. Phys. 128, 244114 (2008); Scherer & Andrienko, Phys. Chem. Chem. Phys. 20, 22387
    (2018); Efron (1979) for the bootstrap.
    """
    if terms is not None:
        equations = equations.only(terms)
    check_equations(equations)
    blocks = len(equations)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    if mode not in ("joint", "residual"):
        raise ValueError(f"mode is 'joint' or 'residual', not {mode!r}")
    square = float(equations.square.sum())
    system = System.of(equations, end, mode)
    data = 3 * equations.beads * int(equations.frames.sum())
    if data * (blocks - 1) // blocks <= system.parameters:
        raise ValueError(
            f"{data} force components are too few for the {system.parameters} coefficients of "
            f"{[term.name for term in system.terms]}: use more frames or fewer knots"
        )
    unknown = set(strengths or {}) - {term.name for term in system.terms}
    if unknown:
        raise ValueError(f"a strength is given for {sorted(unknown)[0]!r}, which is none of the terms")

    given = dict(strengths or {})
    chosen: dict[str, Strength] = {term.name: given.get(term.name, Strength()) for term in system.terms}
    risks: dict[tuple[str, str], Risk] = {}
    if len(given) < len(chosen):
        found, risks = choose_strengths(system, chosen, folds)
        chosen = {name: given.get(name, strength) for name, strength in found.items()}
        risks = {key: risk for key, risk in risks.items() if key[0] not in given}
    penalty = system.penalty(chosen)
    best = system.solve(np.ones((1, blocks)), penalty)[0]
    samples = system.solve(block_draws(equations.strata, resamples, seed), penalty)
    samples += system.smoothing(best, chosen, risks, resamples, np.random.default_rng((seed, 1)))

    notes: list[str] = []
    fits = tuple(
        _fitted(system, index, best, samples, minimum_samples, confidence) for index in range(len(system.terms))
    )
    for fit in fits:
        notes += _gaps(fit)
    explained, held_out, in_sample, gain = _explained(system, chosen, notes)
    left = system.residual(np.broadcast_to(best, (blocks, len(best))))
    remains = max(float(left.sum()) / square, 0.0)
    fraction = float(np.sqrt(remains))
    spread = ratio_error(left, equations.square, equations.strata) / (2.0 * fraction) if remains else 0.0
    net, more = net_force(
        equations.net, equations.square, int(equations.frames.sum()), float(left.sum()), equations.strata
    )
    notes += more
    for note in notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return TermMatch(
        fits, equations.names, mode, explained, held_out, in_sample, gain,
        Estimate(fraction, spread, blocks, "", "blocks, in sample"), net, chosen, risks, tuple(notes),
    )  # fmt: skip


def check_equations(equations: TermEquations) -> None:
    """Raise ValueError for what no fit can be made of: fewer than three blocks, or no forces."""
    blocks, frames = len(equations), int(equations.frames.sum())
    if blocks < 3:
        raise ValueError(
            f"error bars and cross-validation need at least three blocks of frames, not {blocks} of {frames} frame(s): "
            "give more frames, or ask for more blocks"
        )
    if not equations.square.sum() > 0.0:
        raise ValueError(
            f"all forces are zero in all {frames} frames: nothing to match. Was the trajectory written with forces?"
        )


def _fitted(system: System, index: int, best: Array, samples: Array, minimum: int, confidence: float) -> FittedTerm:
    equations, term = system.equations, system.terms[index]
    start = sum(other.columns for other in system.terms[:index])
    cell = sum(other.cells for other in system.terms[:index])
    counts = equations.counts[:, cell : cell + term.cells]
    total = counts.sum(axis=0)
    sampled = (total >= minimum) & (np.count_nonzero(counts, axis=0) >= 0.5 * len(counts))
    if not isinstance(term, PairBasis):  # the tails of a distribution hold samples, but decide nothing
        sampled &= total >= _RARE * total.mean()
    if isinstance(term, PairBasis) and not sampled[-1]:
        raise ValueError(
            f"{term.name}: the last knot interval before the cut-off holds {total[-1]} pairs (in "
            f"{np.count_nonzero(counts[:, -1])} of {len(counts)} blocks): too few to match a force. Use more frames, "
            "a wider spacing or another cut-off"
        )
    place, basis = system.places[index], system.bases[index]
    touched = equations.columns[system.rows[index]] - start
    coefficients, spread = np.zeros(term.columns), np.zeros((len(samples), term.columns))
    coefficients[touched] = basis @ best[place]
    spread[:, touched] = samples[:, place] @ basis.T
    return FittedTerm(term, coefficients, spread, total, sampled, len(equations), confidence)


def _gaps(fit: FittedTerm) -> list[str]:
    """Cells without data, where they matter."""
    if isinstance(fit.term, TripletBasis):
        return []  # coefficients at the rim of the data are always poorly sampled; the penalty rules them
    if isinstance(fit.term, PairBasis):
        return [f"{fit.term.name}: {note}" for note in gaps(fit.knots, fit.sampled)]
    if not fit.sampled.any():
        return [f"{fit.term.name}: too few samples in every interval, so that nothing of it is supported"]
    if isinstance(fit.term, AngularBasis) and not fit.term.intervals:
        return []  # three numbers, which any samples decide
    notes = []
    what = "cos theta" if isinstance(fit.term, AngularBasis) else "rho"
    low, high = fit._rims
    holes = low + np.flatnonzero(~fit.sampled[low:high])
    if len(holes):
        where = ", ".join(f"{fit.nodes[hole]:.4g} to {fit.nodes[hole + 1]:.4g}" for hole in holes)
        notes.append(
            f"{fit.term.name}: too few samples for {what} in {where}: there it is a smooth continuation from both "
            f"sides, not data, and it counts as supported only in {fit.supported[0]:.4g} to {fit.supported[1]:.4g}"
        )
    beyond = int(fit.counts[:low].sum() + fit.counts[high:].sum())
    if beyond:
        kept = "h is constant" if isinstance(fit.term, AngularBasis) else "F' is constant"
        notes.append(
            f"{fit.term.name}: {beyond} samples, {beyond / fit.counts.sum():.2g} of all, lie in thin cells at the "
            f"rims, outside {what} {fit.nodes[low]:.4g} to {fit.nodes[high]:.4g}; in a model {kept} there, not in "
            "the fit"
        )
    return notes


def _explained(
    system: System, strengths: Mapping[str, Strength], notes: list[str]
) -> tuple[dict[str, Estimate], dict[str, Estimate], dict[str, Estimate], dict[str, Estimate]]:
    """Explained variance of nested fits by the last kind in them: mean, held out, in sample, and the gains."""
    square, strata = system.equations.square, system.equations.strata
    blocks = len(square)
    present = [kind for kind in KINDS if any(term.kind == kind for term in system.terms)]
    explained: dict[str, Estimate] = {}
    held_out, in_sample, gain = dict(explained), dict(explained), dict(explained)
    before: Array | None = None
    for number in range(1, len(present) + 1):
        part = system if number == len(present) else system.subset(present[:number])
        penalty = part.penalty({term.name: strengths[term.name] for term in part.terms})
        best = part.solve(np.ones((1, blocks)), penalty)
        seen, unseen = part.residual(np.broadcast_to(best, (blocks, part.parameters))), part.unseen(penalty)
        kind = present[number - 1]

        def of(left: Array, method: str) -> Estimate:
            error = ratio_error(left, square, strata)
            return Estimate(1.0 - float(left.sum() / square.sum()), error, blocks, "", method)

        explained[kind] = of(0.5 * (seen + unseen), "blocks, in sample and held out")
        held_out[kind], in_sample[kind] = of(unseen, "blocks held out"), of(seen, "blocks, in sample")
        if before is not None:
            more = before - unseen
            error = ratio_error(more, square, strata)
            gain[kind] = Estimate(float(more.sum() / square.sum()), error, blocks, "", "blocks held out, differences")
            if gain[kind].value < -2.0 * error:
                names = ", ".join(term.name for term in part.terms if term.kind == kind)
                notes.append(
                    f"too few frames for the knots of {names}: on blocks that were not fitted it explains "
                    f"{-gain[kind].value:.2g} less of the force variance than the fit without it. Use more frames, "
                    "fewer knots or stronger regularisation"
                )
        before = unseen
    return explained, held_out, in_sample, gain
