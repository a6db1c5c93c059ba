"""Forces of several states as one fit: the normal equations of all, each with its weight.

    minimise  sum_s w_s sum |f - F|^2

Structure has several states in `matching.match`. A potential that does not depend on the state cannot follow all of
them: what is left is the price, and `transferability` says how much.

Source: Moore, Iacovella, McCabe, J. Chem. Phys. 140, 224104 (2014), for the idea of several states (with Boltzmann
inversion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from kadanoff.molecules.force_matching import NormalEquations
from kadanoff.molecules.term_equations import TermEquations

__all__ = ["merged_equations"]

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
