"""Entropy production of Markov jump processes, before and after states are lumped.

rates[i, j] is the rate of jumps i -> j (diagonal ignored), flows f_ij = p_i k_ij. All entropies in nats. Schnakenberg,
Reviews of Modern Physics 48, 571 (1976); Esposito, Physical Review E 85, 041125 (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.information import stationary_distribution
from kadanoff.maps import Map

__all__ = ["Split", "edge_flows", "entropy_production", "lumped_entropy_production", "ring", "split", "stationary"]


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


def _rates(rates: ArrayLike, least: int = 2) -> NDArray[np.float64]:
    matrix = np.array(rates, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < least:
        raise ValueError(f"rates and flows are square matrices of at least {least} states, not {matrix.shape}")
    np.fill_diagonal(matrix, 0.0)
    if not np.all(np.isfinite(matrix)) or np.any(matrix < 0):
        raise ValueError("rates must be finite and not negative")
    return matrix


def stationary(rates: ArrayLike) -> NDArray[np.float64]:
    """The stationary distribution p (n,): sum_i p_i k_ij = p_j sum_i k_ji, sum p = 1.

    Raises ValueError where it is not unique, that is, where the states fall into parts that cannot all reach each
    other.
    """
    matrix = _rates(rates)
    from scipy.sparse.csgraph import connected_components

    parts, _ = connected_components(matrix > 0, directed=True, connection="strong")
    if parts > 1:
        raise ValueError(
            f"the states fall into {parts} parts that cannot all reach each other: no unique stationary state"
        )
    leaving = matrix.sum(axis=1)
    fastest = 2.0 * leaving.max(initial=0.5)  # I + K / fastest is stochastic and has the same stationary state
    return stationary_distribution(matrix / fastest + np.diag(1.0 - leaving / fastest))


def edge_flows(rates: ArrayLike, probability: ArrayLike | None = None) -> NDArray[np.float64]:
    """Flows f_ij = p_i k_ij (n, n), by default in the stationary state."""
    matrix = _rates(rates)
    return (stationary(matrix) if probability is None else np.asarray(probability, dtype=np.float64))[:, None] * matrix


def entropy_production(flows: ArrayLike) -> float:
    """sigma = 1/2 sum_ij (f_ij - f_ji) ln(f_ij / f_ji), in nats per unit time; zero exactly where each flow is balanced
    by its reverse.

    ``flows`` (n, n), the diagonal is ignored. Raises ValueError for a flow without reverse: its entropy production is
    infinite.
    """
    forward = _rates(flows, least=1)
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


def ring(states: int, forward: float, backward: float) -> NDArray[Any]:
    """Rates of a driven ring 0 -> 1 -> ... -> 0: ``forward`` along it, ``backward`` against it.

    Its stationary state is uniform and sigma = (k+ - k-) ln(k+/k-): each of the n edges gives 1/n of it.
    """
    if states < 3 or forward <= 0 or backward <= 0:
        raise ValueError("a driven ring has three or more states and positive rates both ways")
    matrix, here = np.zeros((states, states)), np.arange(states)
    matrix[here, (here + 1) % states] = forward
    matrix[(here + 1) % states, here] = backward
    return matrix
