"""The steps of structure matching: how the pair potentials of a model change, given g of target and model.

All act on one vector x: the coefficients of cubic splines that are added to U of every pair of types, for several
states at once. They differ in the answer of g to x and in what they weigh:

    ibi               dU = kT ln(g / g*), bin by bin, the mean over states
    imc               dg/dx = -beta cov(g, S), measured in the simulation; every bin by its own noise
    ihnc, ipy         dg/dx of the HNC or PY closure, from g alone
    relative-entropy  beta (<S>* - <S>) against beta^2 cov(S): Newton's step of the relative entropy, which is the
                      posterior mean (see `uncertainty`)
    gauss-newton      ihnc from afar, the posterior mean from near

imc, ihnc, ipy are regularised by a smooth spread of U as strongly as the noise of g asks for (`_least_risk`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.molecules.constraints import Constraint, KirkwoodBuffConstraint, constrain
from kadanoff.molecules.frames import BAR, BOLTZMANN
from kadanoff.molecules.integral_equations import _SMOOTH, _least_risk, fine_grid, smooth_spread, spline_basis
from kadanoff.molecules.mixtures import Closure, mixture, mixture_jacobian, mixture_potential
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.reweighting import Stack
from kadanoff.molecules.uncertainty import _PRIOR as PRIOR

__all__ = ["PRIOR", "Basis", "Felt", "View", "banded", "changed", "felt", "hold", "ibi", "response_step", "start_model"]

Array = NDArray[np.float64]
LEAST_COUNTS = 20


@dataclass(frozen=True, eq=False)
class View:
    """One state as a step sees it: ``target`` and ``model`` in blocks of frames, ``frames`` of the model one by one,
    with ``weights``, their ``pressures`` (bar) and the mean ``pressure``; ``share`` of this state in the fit; ``near``:
    frames of other simulations whose g was near the target, for its answer only."""

    temperature: float
    volume: float
    densities: Array
    share: float
    target: Stack
    model: Stack
    frames: Stack
    weights: Array
    pressures: Array
    pressure: float
    pressure_error: float
    near: tuple[Stack, ...] = ()

    @property
    def thermal(self) -> float:
        """kT in kJ/mol."""
        return BOLTZMANN * self.temperature

    @property
    def noise(self) -> Array:
        """Variance of g_target - g_model (pairs m,)."""
        return np.asarray(self.target.error**2 + self.model.error**2)

    @cached_property
    def apart(self) -> float:
        """Mean chi^2 of the bins that hold anything."""
        known = self.noise > 0
        return float(np.mean((self.target.g - self.model.g)[known] ** 2 / self.noise[known]))


@dataclass(frozen=True, eq=False)
class Basis:
    """Splines of every pair: ``lower`` ends (pairs,) nm, ``parts`` slices of x, ``values`` (pairs m, p) at the bins and
    ``used`` (pairs m,) the bins that hold enough pairs."""

    model: Model
    cutoff: float
    spacing: float
    lower: tuple[float, ...]
    parts: tuple[slice, ...]
    values: Array
    used: NDArray[np.bool_]

    @classmethod
    def of(cls, model: Model, views: Sequence[View], spacing: float) -> Basis:
        """The basis that all targets support, the same for every model: a wall that moved with the counts of each
        simulation would leave steps in U. Raises ValueError where a pair of types is hardly ever seen."""
        known = np.sum([view.target.counts.sum(axis=0) for view in views], axis=0) >= LEAST_COUNTS
        seen_by_both = np.sum(
            [np.minimum(v.target.counts.sum(axis=0), v.model.counts.sum(axis=0)) for v in views], axis=0
        )
        first, used = views[0].target, seen_by_both >= LEAST_COUNTS
        lower, blocks, parts, begin = [], [], [], 0
        for index, pair in enumerate(first.pairs):
            seen = known[first.along(index)]
            if not (seen & used[first.along(index)]).any():
                raise ValueError(f"no bin of g of {pair} holds {LEAST_COUNTS} pairs: the data are too few")
            low = float(first.edges[int(np.argmax(seen))])
            inside = (first.r > low) & (first.r < model.cutoff)
            some = spline_basis(first.r[inside], low, model.cutoff, spacing)
            block = np.zeros((len(first.r), some.shape[1]))
            block[inside] = some
            lower.append(low)
            blocks.append(block)
            parts.append(slice(begin, begin + some.shape[1]))
            begin += some.shape[1]
        return cls(
            model, model.cutoff, spacing, tuple(lower), tuple(parts), np.asarray(linalg.block_diag(*blocks)), used
        )

    def spread(self, start: Model, thermal: float, shape: tuple[tuple[float, float], ...]) -> Array:
        """Covariance (p, p), (kJ/mol)^2, of smooth changes around ``start``; pairs are independent."""
        blocks = [
            smooth_spread(potential, low, part.stop - part.start, thermal, shape) * thermal**2
            for potential, low, part in zip(start.pairs.values(), self.lower, self.parts, strict=True)
        ]
        return np.asarray(linalg.block_diag(*blocks))

    def curve(self, index: int) -> tuple[Array, Array]:
        """Grid and basis (r, own knots) of one pair."""
        fine = fine_grid(self.lower[index], self.cutoff)
        return fine, spline_basis(fine, self.lower[index], self.cutoff, self.spacing)

    def away(self, start: Model) -> Array:
        """x (p,) that leads from the model back to ``start``."""
        parts = []
        for index, (here, there) in enumerate(zip(self.model.pairs.values(), start.pairs.values(), strict=True)):
            fine, basis = self.curve(index)
            parts.append(linalg.lstsq(basis, there.energy_at(fine) - here.energy_at(fine))[0])
        return np.concatenate(parts)

    def largest(self, x: Array, thermal: float) -> float:
        """The largest change of U in kT."""
        return max(
            float(np.max(np.abs(self.curve(index)[1] @ x[part]))) / thermal for index, part in enumerate(self.parts)
        )


def changed(basis: Basis, x: Array, width: float) -> Model:
    """The model with x added to its pair potentials."""
    pairs = {}
    for index, (pair, potential) in enumerate(basis.model.pairs.items()):
        fine, curves = basis.curve(index)
        pairs[pair] = potential.updated(
            fine, curves @ x[basis.parts[index]], supported=(basis.lower[index], basis.cutoff), edge=width
        )
    return replace(basis.model, pairs=pairs)


@dataclass(frozen=True, eq=False)
class Felt:
    """What the data say of x: ``information`` (p, p) and ``right`` (p,), so that their best x solves I x = right.

    ``doubled``: I times what two fits to one target differ by; ``blocks``: what each block of each distribution adds to
    ``right``, arrays (blocks, p)."""

    information: Array
    right: Array
    doubled: Array
    blocks: tuple[Array, ...]

    def posterior(self, spread: Array, begin: Array) -> Posterior:
        """The posterior of x. ``spread`` (p, p): the prior's shape around ``begin`` (p,); its size makes the data most
        probable."""
        root = linalg.cholesky(spread, lower=True)
        strength, turn = linalg.eigh(root.T @ self.information @ root)
        vectors = root @ turn
        strength = np.maximum(strength, 1e-12 * strength[-1])
        found, start = (turn.T @ root.T @ self.right) / strength, linalg.solve(vectors, begin)
        sizes = np.geomspace(1e-2, 1e4, 121)
        variances = sizes[:, None] + 1.0 / strength
        chance = -0.5 * np.sum(np.log(variances) + (found - start) ** 2 / variances, axis=1)
        size = float(sizes[int(np.argmax(chance))])
        share = strength / (strength + 1.0 / size)
        step = share * found + (1.0 - share) * start
        twice = np.einsum("pm,pq,qm->m", vectors, self.doubled, vectors) / strength
        return Posterior(
            vectors @ step, (vectors / (strength + 1.0 / size)) @ vectors.T, size, float(share.sum()),
            self.information, float(np.sum(share**2 * twice)), float(np.sum(share**4 * twice**2)),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the data and the prior say of x: ``mean`` (p,) and ``covariance`` (p, p), the ``size`` of the prior and the
    ``freedom``, how many modes the data decide.

    ``noise`` and ``spread``: what two simulations of one fit make of the chi^2 of a step along what is felt, by the
    ``information`` (p, p), and half its variance. The noise of the target is the same at every step and moves nothing.
    """

    mean: Array
    covariance: Array
    size: float
    freedom: float
    information: Array
    noise: float
    spread: float

    def felt(self, x: Array) -> float:
        """chi^2 of the step x."""
        return float(x @ self.information @ x)

    def settled(self, x: Array) -> bool:
        """Whether x is a step that the noise of the simulations makes, to three standard deviations."""
        return self.felt(x) < self.noise + 3.0 * float(np.sqrt(2.0 * self.spread))


def felt(basis: Basis, views: Sequence[View], spread: Array) -> Felt:
    """The information that the sums S of every state hold about x, see `uncertainty`; states by their share.

    ``spread`` (p, p): the prior's shape, in whose modes the noise is taken as independent.
    """
    size = basis.values.shape[1]
    information, right, doubled = np.zeros((size, size)), np.zeros(size), np.zeros((size, size))
    blocks: list[Array] = []
    root = linalg.cholesky(spread, lower=True)
    for view in views:
        covariance = answer_of_sums(view, basis.values)
        strength, turn = linalg.eigh(root.T @ covariance @ root)
        strength = np.maximum(strength, 1e-12 * strength[-1])
        whole = (view.frames.ideal.sum(axis=0) / view.frames.frames.sum())[:, None] * (basis.values @ (root @ turn))
        own, other = (
            np.sum((part.deviations @ whole) ** 2, axis=0) * (len(part) / (len(part) - 1))
            for part in (view.model, view.target)
        )
        noise = own + other
        difference = (view.target.g - view.model.g) @ whole
        back = linalg.solve_triangular(root, turn, lower=True, trans="T")  # x to modes, transposed
        information += view.share * (back * (strength**2 / noise)) @ back.T
        doubled += view.share**2 * (back * (strength**2 / noise * 2.0 * own / noise)) @ back.T
        right -= view.share * back @ (strength * difference / noise)
        each = view.share * back * (strength / noise)
        blocks += [part.deviations @ whole @ each.T for part in (view.model, view.target)]
    return Felt(information, right, doubled, tuple(blocks))


def answer_of_sums(view: View, values: Array) -> Array:
    """beta cov(S) (p, p), kJ/mol^-1, the mean over the simulations near the target, by their frames.

    One simulation has a few hundred independent frames for up to a hundred sums; the inverse of their covariance is
    then too large, and steps overshoot from one simulation to the next. Where a match ends does not depend on it.
    """
    sums = [view.frames.counts @ values, *(stack.counts @ values for stack in view.near)]
    weights = [view.weights, *(np.ones(len(some)) for some in sums[1:])]
    parts = [np.cov(some, rowvar=False, aweights=w) for some, w in zip(sums, weights, strict=True)]
    return np.asarray(np.average(parts, axis=0, weights=[len(some) for some in sums]) / view.thermal)


def banded(result: Model, model: Model, begin: Model, views: Sequence[View], spacing: float) -> Model:
    """``result`` with bands: the root of the mean square error that the data leave each U(r).

    Three parts: the noise of the blocks carried through the posterior mean, the prior where nothing is felt (see
    `uncertainty`), and the distance of the model from the posterior mean: a step that stopped before it, as IBI does in
    soft directions, is wrong by that. ``views``: of ``model``, which ``result`` is or was made of.
    """
    basis = Basis.of(model, views, spacing)
    shape = basis.spread(begin, float(np.mean([view.thermal for view in views])), PRIOR)
    found = felt(basis, views, shape)
    best = found.posterior(shape, basis.away(begin))
    mean, covariance, size = best.mean, best.covariance, best.size
    carried = [blocks @ covariance for blocks in found.blocks]
    prior = covariance @ linalg.solve(shape, covariance, assume_a="pos") / size
    pairs = {}
    for index, (pair, potential) in enumerate(result.pairs.items()):
        fine, curves = basis.curve(index)
        part = basis.parts[index]
        away = potential.energy_at(fine) - model.pairs[pair].energy_at(fine) - curves @ mean[part]
        variance = np.einsum("rp,pq,rq->r", curves, prior[part, part], curves) + away**2
        for some in carried:
            variance += np.sum((some[:, part] @ curves.T) ** 2, axis=0) * (len(some) / (len(some) - 1))
        inner = potential.r >= fine[0] - 1e-9
        band = np.where(inner, np.interp(potential.r, fine, np.sqrt(variance)), np.nan)
        pairs[pair] = replace(potential, band=band, force_band=None)
    return replace(result, pairs=pairs)


def measured_answer(view: View, values: Array) -> Array:
    """dg/dx = -beta cov(g, S) of one state, (pairs m, p), from its frames: the cross-correlations of IMC."""
    g = view.frames.counts / view.frames.ideal
    sums = view.frames.counts @ values
    weights = view.weights / view.weights.sum()
    return np.asarray(-((g - weights @ g) * weights[:, None]).T @ (sums - weights @ sums) / view.thermal)


def closure_answer(view: View, values: Array, closure: Closure) -> Array:
    """dg/dx of HNC or PY at the mean of target and model, (pairs m, p)."""
    pairs = len(view.target.pairs)
    g = 0.5 * (view.target.g + view.model.g).reshape(pairs, -1)
    state = mixture(g, view.target.width, view.densities, volume=view.volume)
    return mixture_jacobian(state, view.temperature, closure) @ values


def response_step(
    basis: Basis, views: Sequence[View], answers: Sequence[Array], start: Model
) -> tuple[Array, Array, float]:
    """Regularised least squares of g* - g - A x over all states: x (p,), its spread (p, p), and by how much it lowers
    the predictive risk."""
    designs, data, variances = [], [], []
    for view, answer in zip(views, answers, strict=True):
        weight = np.sqrt(view.share / np.where(view.noise > 0, view.noise, np.inf))[basis.used]
        designs.append(answer[basis.used] * weight[:, None])
        data.append((view.target.g - view.model.g)[basis.used] * weight)
        variances.append(np.full(len(weight), view.share))  # a state's weight is no better knowledge of its g
    design, thermal = np.vstack(designs), float(np.mean([view.thermal for view in views]))
    penalty = linalg.inv(basis.spread(start, thermal, _SMOOTH))
    difference = np.concatenate(data)
    risk, x, strength, _ = _least_risk(design, difference, penalty, np.concatenate(variances))
    return x, np.asarray(linalg.inv(design.T @ design + strength * penalty)), float(difference @ difference) - risk


def ibi(basis: Basis, views: Sequence[View], *, largest: float = 2.0) -> list[tuple[Array, Array]]:
    """kT ln(g / g*) of each pair, as (r, dU): the mean over states by their shares, on bins that all targets support.

    A bin that the model never visits counts as half a pair; no change exceeds ``largest`` kT.
    """
    first, result = views[0].target, []
    for index in range(len(first.pairs)):
        along, r = first.along(index), first.r
        inside = (r > basis.lower[index]) & (r < basis.cutoff + first.width)
        total = np.zeros(len(r))
        for view in views:
            goal = np.maximum(view.target.counts.sum(axis=0)[along], 0.5) / view.target.ideal.sum(axis=0)[along]
            seen = np.maximum(view.model.counts.sum(axis=0)[along], 0.5) / view.model.ideal.sum(axis=0)[along]
            total += view.share * view.thermal * np.clip(np.log(seen / goal), -largest, largest)
        result.append((r[inside], total[inside] / sum(view.share for view in views)))
    return result


def hold(
    x: Array, spread: Array, constraints: Sequence[Constraint], basis: Basis, views: Sequence[View]
) -> tuple[Array, list[float], list[float]]:
    """The step nearest to x that meets the constraints to first order; what they are off by, and their errors.

    The answer of the pressure is -<sum r B'>/3V - beta cov(P, S), with S, P of single frames, that of a Kirkwood-Buff
    integral the integral of the measured answer of g.
    """
    slopes, wanted, errors = [], [], []
    for constraint in constraints:
        view = views[constraint.state]
        sums = view.frames.counts @ basis.values
        weights = view.weights / view.weights.sum()
        if isinstance(constraint, KirkwoodBuffConstraint):
            names = [tuple(sorted(pair)) for pair in view.target.pairs]
            along = view.target.along(names.index(tuple(sorted(constraint.pair))))
            inner = view.target.edges[1:] <= constraint.upper + 1e-9
            shells = np.where(inner, 4.0 / 3.0 * np.pi * np.diff(view.target.edges**3), 0.0)
            now = float(shells @ (view.model.g[along] - 1.0))
            slopes.append(shells @ measured_answer(view, basis.values)[along])
            errors.append(float(np.sqrt(np.sum((view.model.deviations[:, along] @ shells) ** 2))))
        else:
            now = view.pressure
            push = np.zeros_like(sums)
            for index, part in enumerate(basis.parts):
                fine, curves = basis.curve(index)
                slope = np.gradient(curves, fine, axis=0)
                r, along = view.target.r, view.target.along(index)
                inside = (r > basis.lower[index]) & (r < basis.cutoff)
                at = np.stack([np.interp(r[inside], fine, one) for one in slope.T], axis=1) * r[inside, None]
                push[:, part] = view.frames.counts[:, along][:, inside] @ at
            explicit = -(weights @ push) / (3.0 * view.volume) * BAR
            together = (view.pressures - weights @ view.pressures) * weights
            slopes.append(explicit - together @ (sums - weights @ sums) / view.thermal)
            errors.append(view.pressure_error)
        wanted.append(constraint.value - now)
    names_ = [constraint.name for constraint in constraints]
    return constrain(x, spread, np.array(slopes), np.array(wanted), names_), wanted, errors


def start_model(
    views: Sequence[tuple[Stack, float, Array, float]], names: tuple[str, ...], masses: tuple[float, ...],
    cutoff: float, closure: Closure, spacing: float,
) -> Model:  # fmt: skip
    """The closure's potential of the targets, the mean over states (target, temperature, densities, volume), smoothed
    to the noise as `integral_equations.hnc_start` does. Raises ValueError where the closure has none."""
    pairs: dict[tuple[str, str], PairPotential] = {}
    energies = [
        mixture_potential(
            mixture(stack.g.reshape(len(stack.pairs), -1), stack.width, densities, volume=volume), temperature, closure
        )
        for stack, temperature, densities, volume in views
    ]
    first = views[0][0]
    for index, pair in enumerate(first.pairs):
        along, r = first.along(index), first.r
        counts = np.min([stack.counts.sum(axis=0)[along] for stack, *_ in views], axis=0)
        known = (counts >= LEAST_COUNTS) & np.all([np.isfinite(energy[index]) for energy in energies], axis=0)
        if not known.any():
            raise ValueError(f"no bin of g of {pair} holds {LEAST_COUNTS} pairs: the data are too few")
        lower = float(first.edges[int(np.argmax(known))])
        used = known & (r < cutoff)
        energy = np.mean([one[index] for one in energies], axis=0)[used]
        sigma = np.sqrt(np.mean([
            (BOLTZMANN * temperature * stack.error[along][used] / stack.g[along][used]) ** 2
            for stack, temperature, *_ in views
        ], axis=0))  # fmt: skip
        scaled = spline_basis(r[used], lower, cutoff, spacing) / sigma[:, None]
        free = linalg.lstsq(scaled, energy / sigma)[0]
        thermal = BOLTZMANN * float(np.mean([temperature for _, temperature, *_ in views]))
        bend = np.convolve(np.pad(np.abs(np.diff(free, 2)), 2, mode="edge"), np.full(5, 0.2), mode="valid")
        rough = np.diff(np.eye(len(free)), 2, axis=0) / (0.05 * thermal + bend[:, None])
        smooth = _least_risk(scaled, energy / sigma, rough.T @ rough + 1e-9 * np.eye(len(free)))[1]
        fine = fine_grid(lower, cutoff)
        pairs[pair] = PairPotential.from_energy(
            fine, spline_basis(fine, lower, cutoff, spacing) @ smooth, cutoff=cutoff, supported=(lower, cutoff),
            edge=first.width,
        )  # fmt: skip
    return Model(names, masses, pairs)
