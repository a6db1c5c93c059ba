"""One potential for several states: temperatures and densities that are fitted together, each with its weight.

    minimise  sum_s w_s |W_s (g*_s - g_s - J_s dU)|^2 + lambda dU^T K^-1 dU        (structure)
    minimise  sum_s w_s sum |f - F|^2                                               (forces)

with whitening W_s, answer J_s of g to the potential and spread K of `integral_equations.gauss_newton_step`, whose step
for one state this is; for forces the normal equations of the states are added up. A potential that does not depend on
the state cannot follow all of them: what is left is the price, and `transferability` says how much.

Source: Moore, Iacovella, McCabe, J. Chem. Phys. 140, 224104 (2014), for the idea of several states (with Boltzmann
inversion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.molecules.force_matching import NormalEquations
from kadanoff.molecules.frames import BOLTZMANN
from kadanoff.molecules.integral_equations import (
    _SMOOTH,
    NewtonStep,
    _least_risk,
    fine_grid,
    measured_response,
    smooth_spread,
    spline_basis,
    used_bins,
    whitening,
)
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.term_equations import TermEquations

__all__ = ["StateTarget", "merged_equations", "multistate_step"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StateTarget:
    """A state to be fitted: its g(r), temperature (K) and weight among the others."""

    target: PairDistribution
    temperature: float
    weight: float = 1.0


def multistate_step(
    potential: PairPotential,
    states: Sequence[StateTarget],
    models: Sequence[tuple[PairDistribution, PairDistribution]],
    *,
    spacing: float = 0.02,
    trust: float = 0.5,
    least_counts: int = 20,
) -> NewtonStep:
    """One regularised Gauss-Newton step of one potential towards the g(r) of several states.

    ``models``: for each state, g of a simulation of the potential there, and the same with one block a frame, from
    which the answer J_s is measured; the start must be near enough for that (the potential of one of the states is).
    Weights are relative: their mean counts as one. Other arguments as `integral_equations.gauss_newton_step`, the
    change is measured in kT of the coldest state. Returns a `NewtonStep`, its ``chi2`` the weighted mean over all
    states.

    Raises ValueError for no states, weights that are not positive, or unlike bins.
    """
    if not states or len(models) != len(states):
        raise ValueError(f"every state needs a simulation of its own: {len(states)} states, {len(models)} simulations")
    weights = np.array([state.weight for state in states])
    if not np.all(weights > 0):
        raise ValueError(f"weights of states must be positive, not {weights.tolist()}")
    cutoff = potential.cutoff
    found = []
    for state, (model, _) in zip(states, models, strict=True):
        if not np.array_equal(state.target.edges, model.edges):
            raise ValueError(
                "target and model distributions have different bins; measure both with one cutoff and width"
            )
        counts = np.minimum(state.target.counts.sum(axis=0), model.counts.sum(axis=0))
        found.append(used_bins(counts, state.target, least_counts))
    lower = min(low for _, low in found)
    fine = fine_grid(lower, cutoff)
    basis = spline_basis(fine, lower, cutoff, spacing)
    rows, answers, variances = [], [], []
    for state, (model, singles), (used, _), weight in zip(
        states, models, found, np.sqrt(weights / weights.mean()), strict=True
    ):
        r = state.target.r
        inside = (r > lower) & (r < cutoff)
        felt = singles.counts[:, inside] @ spline_basis(r[inside], lower, cutoff, spacing)
        white = weight * whitening(state.target, model, singles, used)
        rows.append(white @ (state.target.g - model.g)[used])
        answers.append(white @ measured_response(singles, used, felt, state.temperature))
        variances.append(np.full(len(white), weight**2))  # a state's weight is no better knowledge of its g
    difference, design = np.concatenate(rows), np.concatenate(answers)
    thermal = BOLTZMANN * min(state.temperature for state in states)
    penalty = linalg.inv(smooth_spread(potential, lower, basis.shape[1], thermal, _SMOOTH)) / thermal**2
    chi2 = float(np.mean(difference**2))
    risk, change, strength, freedom = _least_risk(design, difference, penalty, np.concatenate(variances))
    gain = chi2 * len(difference) - risk
    if gain <= 0.0:
        return NewtonStep(potential, chi2, chi2, strength, freedom, 0.0, True, True)
    largest = float(np.max(np.abs(basis @ change)) / thermal)
    if largest > trust:
        change, largest = change * (trust / largest), trust
    predicted = float(np.mean((difference - design @ change) ** 2))
    width = float(states[0].target.edges[1] - states[0].target.edges[0])
    better = potential.updated(fine, basis @ change, supported=(lower, cutoff), edge=width)
    return NewtonStep(better, chi2, predicted, strength, freedom, largest, True, gain < 4.0)


Equations = TypeVar("Equations", NormalEquations, TermEquations)


def merged_equations(equations: Sequence[Equations], weights: Sequence[float] | None = None) -> Equations:
    """Normal equations of force matching of several states as one: the blocks of all, each state's times its weight.

    Weights are relative to their mean; a state also counts by its frames and by the square of its forces. All states
    need the same knots or terms, bead types and numbers of beads. Each is a stratum of its own in the error bars of
    `force_matching.solve`, or of `term_matching.fit_terms` for the equations of many-body terms.
    Raises ValueError for others, or weights that are not positive.
    """
    given = np.ones(len(equations)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(equations) or len(given) != len(equations) or not np.all(given > 0):
        raise ValueError(f"every state needs a positive weight: {len(equations)} states, weights {given.tolist()}")
    scaled: list[Equations] = []
    first = 0  # label of the next state: blocks of different states are never drawn for each other
    for one, w in zip(equations, given / given.mean(), strict=True):
        labels, strata = np.unique(one.strata, return_inverse=True)
        scaled.append(
            replace(
                one, gram=w * one.gram, moment=w * one.moment, square=w * one.square, net=w * one.net,
                strata=strata.astype(np.int64) + first,
            )
        )  # fmt: skip
        first += len(labels)
    total = scaled[0]
    for other in scaled[1:]:
        total = total.merge(other)
    return total
