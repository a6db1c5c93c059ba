"""Regularised least squares on stored normal equations: how strong, in which order, and judged on blocks not fitted.

    (sum_b G_b + sum_t [ ridge_t s_t C_t^T C_t + curvature_t s_t D_t^T D_t ]) p = sum_b m_b,

s_t: median diagonal element of the Gram matrix of term t; C_t its coefficients, D_t their second differences. In
"joint" fits all terms are solved for at once; in "residual" fits the pairs first, then three-body terms to the forces
that the pairs leave, then densities to the rest (Scherer & Andrienko, Phys. Chem. Chem. Phys. 20, 22387, 2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.molecules.force_terms import AngularBasis, DensityBasis, Kind, PairBasis, Term, TripletBasis
from kadanoff.molecules.pair_forces import End, pair_columns
from kadanoff.molecules.term_equations import TermEquations
from kadanoff.molecules.time_blocks import centred

__all__ = ["KINDS", "Mode", "Risk", "Strength", "System", "choose_strengths"]

Array = NDArray[np.float64]
Mode = Literal["joint", "residual"]
KINDS: tuple[Kind, ...] = ("pair", "three-body", "density")

_AT_ONCE = 1 << 25  # numbers of matrices that are solved together
_TINY = 1e-12  # of the median diagonal: what no data decide is zero, and no matrix is singular
_CURVATURES = (1e-9, *(10.0**power for power in range(-7, 3)))
_RIDGES = (_TINY, *(10.0**power for power in range(-8, 1)))


class Strength(NamedTuple):
    """Of the regularisation of one term, in parts of its median diagonal element of the Gram matrix."""

    ridge: float = _TINY
    curvature: float = 1e-9


class Risk(NamedTuple):
    """Predictive squared error, in parts of <|f|^2>, against the strength of one penalty of one term.

    ``strength`` (s,), ``risk`` (s,) and its standard error (s,); ``chosen``: index of the strength that is used.
    """

    strength: Array
    risk: Array
    error: Array
    chosen: int


@dataclass(frozen=True, eq=False)
class System:
    """Equations for some terms in their free parameters: ``bases[t]`` (columns of the term, parameters)."""

    equations: TermEquations
    bases: tuple[Array, ...]
    rows: tuple[NDArray[np.intp], ...]
    mode: Mode

    @classmethod
    def of(cls, equations: TermEquations, end: End, mode: Mode) -> System:
        """Parameters of every term: none below the data, the condition at the cut-off, no constant F' beside pairs.

        A constant F'(rho) is a pair force 2 w'(r), so that where pairs are fitted too, as far as the weight w reaches,
        F' is free of one: its mean over the densities that occur is zero. Shorter pairs cannot have that force.
        """
        starts = np.cumsum([0, *(term.columns for term in equations.terms)])
        cells = np.cumsum([0, *(term.cells for term in equations.terms)])
        counts = equations.counts.sum(axis=0)
        pairs = {frozenset(t.types): t.knots.cutoff for t in equations.terms if isinstance(t, PairBasis)}
        bases, rows = [], []
        for index, term in enumerate(equations.terms):
            inside = (equations.columns >= starts[index]) & (equations.columns < starts[index + 1])
            rows.append(np.flatnonzero(inside))
            seen = counts[cells[index] : cells[index + 1]]
            if not seen.any():
                raise ValueError(f"{term.name}: no data at all. Leave the term out, or give it a longer cut-off")
            if isinstance(term, PairBasis):
                bases.append(pair_columns(term.knots, int(np.flatnonzero(seen)[0]), end))
            elif isinstance(term, DensityBasis) and all(
                pairs.get(frozenset((term.center, other)), 0.0) >= term.outer * (1.0 - 1e-9)
                for other in term.neighbours
            ):
                mean = np.zeros(term.columns)
                for cell, number in enumerate(seen):  # integrals of the four splines over a cell
                    mean[cell : cell + 4] += number * np.array([1.0, 11.0, 11.0, 1.0]) / 24.0
                bases.append(linalg.null_space(mean[None]))
            else:
                bases.append(np.eye(int(inside.sum())))
        return cls(equations, tuple(bases), tuple(rows), mode)

    def subset(self, kinds: Sequence[Kind]) -> System:
        """Only the terms of some kinds."""
        keep = [t for t, term in enumerate(self.terms) if term.kind in kinds]
        equations = self.equations.only(self.terms[t] for t in keep)
        sizes = np.cumsum([0, *(len(self.rows[t]) for t in keep)])
        rows = tuple(np.arange(a, b) for a, b in pairwise(sizes))
        return System(equations, tuple(self.bases[t] for t in keep), rows, self.mode)

    def reblock(self, blocks: int) -> System:
        """The same data in fewer blocks."""
        return System(self.equations.reblock(blocks), self.bases, self.rows, self.mode)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms in order."""
        return self.equations.terms

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Where the parameters of each term stand."""
        at = np.cumsum([0, *(basis.shape[1] for basis in self.bases)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(at))

    @cached_property
    def parameters(self) -> int:
        """Number of free parameters."""
        return sum(basis.shape[1] for basis in self.bases)

    @cached_property
    def whole(self) -> Array:
        """(k, p) columns of the equations from parameters."""
        whole = np.zeros((len(self.equations.columns), self.parameters))
        for rows, basis, place in zip(self.rows, self.bases, self.places, strict=True):
            whole[rows, place] = basis
        return whole

    @cached_property
    def gram(self) -> Array:
        """(b, p, p)."""
        return np.asarray(self.whole.T @ self.equations.gram @ self.whole)

    @cached_property
    def moment(self) -> Array:
        """(b, p)."""
        return np.asarray(self.equations.moment @ self.whole)

    @cached_property
    def penalised(self) -> tuple[tuple[Array, Array], ...]:
        """What ridge and curvature of every term square at strength one: (numbers, parameters of the term)."""
        found = []
        diagonal = np.diagonal(self.gram.sum(axis=0))
        for term, rows, basis, place in zip(self.terms, self.rows, self.bases, self.places, strict=True):
            own = diagonal[place]
            scale = float(np.median(own[own > 0.0])) if np.any(own > 0.0) else 1.0
            bent = _differences(term, self.equations, rows) @ basis
            found.append((np.sqrt(scale) * basis, np.sqrt(scale) * bent))
        return tuple(found)

    @cached_property
    def _penalties(self) -> tuple[tuple[Array, Array], ...]:
        return tuple((ridge.T @ ridge, curvature.T @ curvature) for ridge, curvature in self.penalised)

    def penalty(self, strengths: Mapping[str, Strength]) -> Array:
        """(p, p) for the strengths of the terms by name."""
        total = np.zeros((self.parameters, self.parameters))
        for term, place, (ridge, curvature) in zip(self.terms, self.places, self._penalties, strict=True):
            strength = strengths[term.name]
            total[place, place] += strength.ridge * ridge + strength.curvature * curvature
        return total

    @cached_property
    def stages(self) -> list[NDArray[np.intp]]:
        """Parameters that are solved for together, in order."""
        every = np.arange(self.parameters)
        if self.mode == "joint":
            return [every]
        found = [
            [every[place] for term, place in zip(self.terms, self.places, strict=True) if term.kind == kind]
            for kind in KINDS
        ]
        return [np.concatenate(one) for one in found if one]

    def solve(self, weights: Array, penalty: Array) -> Array:
        """Parameters (w, p) for weights (w, b) of the blocks; the penalty goes with the data."""
        blocks = len(self.equations)
        step = max(1, _AT_ONCE // self.parameters**2)
        if len(weights) > step:
            return np.concatenate([self.solve(weights[a : a + step], penalty) for a in range(0, len(weights), step)])
        flat = weights @ self.gram.reshape(blocks, -1)
        gram = flat.reshape(len(weights), self.parameters, self.parameters)
        gram += (weights.sum(axis=1) / blocks)[:, None, None] * penalty
        moment = weights @ self.moment
        found = np.zeros_like(moment)
        solved = np.empty(0, np.intp)
        for stage in self.stages:
            left = moment[:, stage]
            if len(solved):
                left = left - (gram[:, stage[:, None], solved] @ found[:, solved, None])[..., 0]
            found[:, stage] = np.linalg.solve(gram[:, stage[:, None], stage], left[..., None])[..., 0]
            solved = np.concatenate([solved, stage])
        return found

    def residual(self, parameters: Array) -> Array:
        """Sum of squares left in each block by its own parameters (b, p)."""
        squares = np.einsum("bi,bi->b", parameters, (self.gram @ parameters[..., None])[..., 0])
        return np.asarray(self.equations.square - 2.0 * np.einsum("bi,bi->b", parameters, self.moment) + squares)

    def smoothing(self, best: Array, strengths: Mapping[str, Strength], chosen: Iterable[tuple[str, str]],
                  number: int, rng: np.random.Generator) -> Array:  # fmt: skip
        """What regularisation may have moved the parameters by: (number, p) draws around zero.

        A strength that predicts best is the prior width of what it penalises, in units of the noise; the curves that
        this prior and the data leave open are wider than the spread over resampled data by H^-1 P H^-1 sigma^2 (Wahba,
        J. R. Stat. Soc. B 45, 133, 1983; Nychka, J. Am. Stat. Assoc. 83, 1134, 1988). ``chosen``: the penalties, (name
        of a term, "ridge" or "curvature"), that cross-validation chose. sigma^2 comes from the spread of the blocks.
        """
        gram = self.gram.sum(axis=0)
        whole = gram + self.penalty(strengths)
        score = self.moment - self.gram @ best
        score = centred(score, self.equations.strata)
        blocks = len(score)
        solved = np.linalg.solve(whole, np.concatenate([score.T, gram], axis=1))
        noise = np.einsum("bi,ib->", score, solved[:, :blocks])
        sigma = np.sqrt(max(float(noise / np.trace(solved[:, blocks:])), 0.0))
        moment = np.zeros((number, self.parameters))
        wanted = set(chosen)
        for term, place, matrices in zip(self.terms, self.places, self.penalised, strict=True):
            for name, matrix in zip(Strength._fields, matrices, strict=True):
                if (term.name, name) in wanted:
                    draws = rng.normal(size=(number, len(matrix)))
                    moment[:, place] += sigma * np.sqrt(getattr(strengths[term.name], name)) * draws @ matrix
        found, solved_for = np.zeros_like(moment), np.empty(0, np.intp)
        for stage in self.stages:
            left = moment[:, stage] - found[:, solved_for] @ whole[solved_for[:, None], stage]
            found[:, stage] = np.linalg.solve(whole[stage[:, None], stage], left.T).T
            solved_for = np.concatenate([solved_for, stage])
        return found

    def unseen(self, penalty: Array) -> Array:
        """Sum of squares left in each block by the fit to all others."""
        return self.residual(self.solve(1.0 - np.eye(len(self.equations)), penalty))


def choose_strengths(
    system: System, start: Mapping[str, Strength], folds: int
) -> tuple[dict[str, Strength], dict[tuple[str, str], Risk]]:
    """Strengths by cross-validation, one penalty after the other, and the risk curves by (term, penalty).

    Folds are runs of neighbouring blocks, at least two of each state. In a residual fit a term is judged before later
    kinds are added. Taken is the weakest strength whose risk exceeds the least by no more than one standard error of
    their difference over folds: what data can decide is not smoothed away.
    """
    states = len(np.unique(system.equations.strata))
    coarse = system.reblock(min(max(folds, 2 * states), len(system.equations)))
    strata = coarse.equations.strata
    square = coarse.equations.square.sum()
    strengths = dict(start)
    curves: dict[tuple[str, str], Risk] = {}
    for term in system.terms:
        part = coarse if system.mode == "joint" else coarse.subset(KINDS[: KINDS.index(term.kind) + 1])
        for penalty, grid in (("curvature", _CURVATURES), ("ridge", _RIDGES)):
            if penalty == "curvature" and isinstance(term, AngularBasis) and not term.intervals:
                continue
            if penalty == "ridge" and isinstance(term, PairBasis):
                continue  # a pair force is never poor for want of shrinking
            left = []
            for strength in grid:
                tried = {**strengths, term.name: strengths[term.name]._replace(**{penalty: strength})}
                left.append(part.unseen(part.penalty(tried)))
            risks = np.array(left)
            risk = risks.sum(axis=1) / square
            best = int(np.argmin(risk))
            apart = (risks - risks[best]) / square
            error = np.sqrt(np.sum(centred(apart.T, strata) ** 2, axis=0))
            chosen = int(np.flatnonzero(risk - risk[best] <= error)[0])
            spread = np.sqrt(np.sum(centred(risks.T / square, strata) ** 2, axis=0))
            curves[term.name, penalty] = Risk(np.array(grid), risk, spread, chosen)
            strengths[term.name] = strengths[term.name]._replace(**{penalty: grid[chosen]})
    return strengths, curves


def _differences(term: Term, equations: TermEquations, rows: NDArray[np.intp]) -> Array:
    """Second differences of the coefficients of a term (differences, its columns)."""
    if not isinstance(term, TripletBasis):
        if isinstance(term, AngularBasis) and not term.intervals:
            return np.zeros((0, term.columns))
        return np.diff(np.eye(term.columns), 2, axis=0)
    start = sum(other.columns for other in equations.terms[: equations.terms.index(term)])
    place = np.full(term.columns, -2)
    place[equations.columns[rows] - start] = np.arange(len(rows))
    table = term.table
    at = np.where(table >= 0, place[table], -1)  # -1: zero by construction, -2: no data
    found: list[Array] = []
    for axis in range(3):
        moved = np.moveaxis(at, axis, 0)
        three = np.stack([moved[:-2], moved[1:-1], moved[2:]], axis=-1).reshape(-1, 3)
        three = three[(three > -2).all(axis=1) & (three >= 0).any(axis=1)]
        bent = np.zeros((len(three), len(rows)))
        for column, factor in enumerate((1.0, -2.0, 1.0)):
            some = three[:, column] >= 0
            np.add.at(bent, (np.flatnonzero(some), three[some, column]), factor)
        found.append(bent)
    return np.concatenate(found)
