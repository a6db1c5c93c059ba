"""Entropy production of Markov jump processes, before and after states are lumped.

rates[i, j] is the rate of jumps i -> j (diagonal ignored), flows f_ij = p_i k_ij. All entropies in nats. Schnakenberg,
Reviews of Modern Physics 48, 571 (1976); Esposito, Physical Review E 85, 041125 (2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kadanoff.dynamics.jumps import check_rates, edge_flows
from kadanoff.maps import Map

__all__ = ["Split", "entropy_production", "lumped_entropy_production", "split"]


@dataclass(frozen=True)
class Split:
    """sigma_total = ``apparent`` + ``inside`` + ``mixed``, in nats per unit time (Esposito, 2012).

    ``apparent``: of the lumped flows; ``inside``: of jumps within lumps; ``mixed``: of the several jumps behind one
    lumped flow.
    """

    apparent: float
    inside: float
    mixed: float

    @property
    def total(self) -> float:
        """The entropy production of the fine process."""
        return self.apparent + self.inside + self.mixed


def entropy_production(flows: ArrayLike) -> float:
    """sigma = 1/2 sum_ij (f_ij - f_ji) ln(f_ij / f_ji), in nats per unit time; zero exactly where each flow is balanced
    by its reverse.

    ``flows`` (n, n), the diagonal is ignored. Raises ValueError for a flow without reverse: its entropy production is
    infinite.
    """
    forward = check_rates(flows, least=1)
    back = forward.T
    if np.any((forward > 0) != (back > 0)):
        start, end = np.argwhere((forward > 0) & (back == 0))[0]
        raise ValueError(f"the jump {start} -> {end} has no reverse: the entropy production is infinite")
    there = forward > 0
    return float(0.5 * np.sum((forward[there] - back[there]) * np.log(forward[there] / back[there])))


def lumped_entropy_production(rates: ArrayLike, lumps: Map) -> float:
    """What an observer of the lumps alone computes from the flows between them, M f M^T: never more than the total."""
    return entropy_production(lumps.flow(edge_flows(rates)))


def split(rates: ArrayLike, lumps: Map) -> Split:
    """Where the entropy production is: between lumps, inside them, or hidden in parallel jumps between the same two.

    ``lumps`` is a hard `Map` that owns every state. Raises ValueError for a soft or an incomplete one.
    """
    if not lumps.is_hard or np.any(lumps.unassigned):
        raise ValueError("lumps must be a hard map that owns every state")
    flows = edge_flows(rates)
    label = np.asarray(lumps.membership.argmax(axis=0)).ravel()
    within = np.where(label[:, None] == label[None, :], flows, 0.0)
    apparent, inside = entropy_production(lumps.flow(flows)), entropy_production(within)
    return Split(apparent, inside, entropy_production(flows) - apparent - inside)
