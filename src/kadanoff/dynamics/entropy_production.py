"""Entropy production of Markov processes whose rates are known, before and after states are lumped.

rates[i, j] is the rate of jumps i -> j (diagonal ignored), flows f_ij = p_i k_ij; of a chain in discrete time f_ij =
p_i T_ij. Several reservoirs between the same two states are several edges: rates and flows (r, n, n). All entropies
in nats, per unit time or per step. Schnakenberg, Reviews of Modern Physics 48, 571 (1976); Esposito, Physical Review E
85, 041125 (2012).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.jumps import check_rates, edge_flows
from kadanoff.information import stationary_distribution
from kadanoff.maps import Map

__all__ = [
    "Cycle",
    "Split",
    "cycles",
    "entropy_production",
    "lumped_entropy_production",
    "split",
    "step_flows",
]


@dataclass(frozen=True)
class Split:
    """sigma_total = ``apparent`` + ``inside`` + ``mixed``, in nats per unit time (Esposito, 2012).

    ``apparent``: of the lumped flows; ``inside``: of jumps within lumps; ``mixed``: of the several jumps, or
    reservoirs, behind one lumped flow.
    """

    apparent: float
    inside: float
    mixed: float

    @property
    def total(self) -> float:
        """The entropy production of the fine process."""
        return self.apparent + self.inside + self.mixed


@dataclass(frozen=True)
class Cycle:
    """A closed path ``states`` (m,), its last state joined to its first, by ``reservoirs`` (m,), edge by edge.

    ``affinity`` = sum ln(f+ / f-) around it, in nats; ``current`` the net flow through its chord, along the path.
    """

    states: tuple[int, ...]
    reservoirs: tuple[int, ...]
    affinity: float
    current: float


def step_flows(transition: ArrayLike) -> NDArray[np.float64]:
    """Flows per step f_ij = p_i T_ij (n, n) of a chain in discrete time, in its stationary state.

    Raises ValueError for rows that do not sum to one, and where the stationary state is not unique.
    """
    return np.asarray(stationary_distribution(transition)[:, None] * np.asarray(transition, dtype=np.float64))


def entropy_production(flows: ArrayLike) -> float:
    """sigma = 1/2 sum_ij (f_ij - f_ji) ln(f_ij / f_ji), in nats per unit time; zero exactly where each flow is balanced
    by its reverse.

    ``flows`` (n, n), or (r, n, n) for r reservoirs, summed over; the diagonal is ignored. Raises ValueError for a flow
    without reverse: its entropy production is infinite.
    """
    forward = check_rates(flows, least=1, diagonal=True)
    back = np.swapaxes(forward, -1, -2)
    if (one_way := np.argwhere((forward > 0) & (back == 0))).size:
        start, end = one_way[0][-2:]
        where = f" in reservoir {one_way[0][0]}" if forward.ndim == 3 else ""
        raise ValueError(f"the jump {start} -> {end} has no reverse{where}: the entropy production is infinite")
    there = forward > 0
    return float(0.5 * np.sum((forward[there] - back[there]) * np.log(forward[there] / back[there])))


def lumped_entropy_production(rates: ArrayLike, lumps: Map) -> float:
    """What an observer of the lumps alone computes from the flows between them, M f M^T: never more than the total.

    It is the Schnakenberg rate of the lumped chain with its effective rates sum_i p_i k_ij / sum_i p_i.
    """
    return entropy_production(lumps.flow(_merged(edge_flows(rates))))


def split(rates: ArrayLike, lumps: Map) -> Split:
    """Where the entropy production is: between lumps, inside them, or hidden in parallel edges between the same two.

    ``rates`` (n, n) or (r, n, n); ``lumps`` is a hard `Map` that owns every state. Raises ValueError for a soft or an
    incomplete one, or one of another number of states.
    """
    return split_flows(edge_flows(rates), lumps)


def split_flows(flows: NDArray[np.float64], lumps: Map) -> Split:
    """`split` of flows (n, n) or (r, n, n): of a chain in discrete time, those of `step_flows`."""
    label = labels_of(lumps)
    if len(label) != flows.shape[-1]:
        raise ValueError(f"the map has {len(label)} states, the model {flows.shape[-1]}")
    within = np.where(label[:, None] == label[None, :], flows, 0.0)
    apparent, inside = entropy_production(lumps.flow(_merged(flows))), entropy_production(within)
    return Split(apparent, inside, entropy_production(flows) - apparent - inside)


def labels_of(lumps: Map) -> NDArray[np.int64]:
    """The lump (n,) of every state. Raises ValueError for a map that is soft or incomplete or has an empty lump."""
    if not lumps.is_hard or np.any(lumps.unassigned):
        raise ValueError("lumps must be a hard map that owns every state")
    label = np.asarray(lumps.membership.argmax(axis=0)).ravel().astype(np.int64)
    if (empty := np.setdiff1d(np.arange(lumps.n_coarse), label)).size:
        raise ValueError(f"lump {empty[0]} holds no state, so it has probability zero: leave it out of the map")
    return label


def cycles(rates: ArrayLike) -> list[Cycle]:
    """The fundamental cycles of the graph of states: sum of affinity times current is the entropy production.

    A spanning tree (breadth first, from state 0) leaves one cycle for every edge that is not in it, its chord; each
    reservoir is an edge of its own, so that two of them between two states make a cycle (Schnakenberg, 1976).

    Arguments:
        rates: (n, n) or (r, n, n), 1 / time.

    Raises:
        ValueError: for a jump without reverse, or no unique stationary state.
    """
    flows = edge_flows(rates)
    entropy_production(flows)  # refuses what has no reverse
    flows = flows[None] if flows.ndim == 2 else flows
    reservoir, first, second = np.nonzero(np.triu(flows))
    edges = list(zip(first.tolist(), second.tolist(), reservoir.tolist(), strict=True))
    near: dict[int, list[tuple[int, int]]] = {}
    for number, (i, j, _) in enumerate(edges):
        near.setdefault(i, []).append((j, number))
        near.setdefault(j, []).append((i, number))
    above, tree, line = {0: (0, -1)}, set(), deque([0])
    while line:
        for neighbour, number in near[here := line.popleft()]:
            if neighbour not in above:
                above[neighbour] = (here, number)
                tree.add(number)
                line.append(neighbour)
    found = []
    for number, (i, j, r) in enumerate(edges):
        if number in tree:
            continue
        path = [(i, j, r), *((a, b, edges[e][2]) for a, b, e in _tree_path(j, i, above))]
        affinity = sum(float(np.log(flows[r, a, b] / flows[r, b, a])) for a, b, r in path)
        current = float(flows[r, i, j] - flows[r, j, i])
        found.append(Cycle(tuple(a for a, _, _ in path), tuple(r for _, _, r in path), affinity, current))
    return found


def _merged(flows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(flows.sum(axis=0)) if flows.ndim == 3 else flows


def _tree_path(start: int, end: int, above: dict[int, tuple[int, int]]) -> list[tuple[int, int, int]]:
    """The steps (from, to, edge) from ``start`` to ``end`` along a tree, given what lies above every state."""
    up, seen = [], {start: 0}
    here = start
    while above[here][1] >= 0:
        parent, edge = above[here]
        up.append((here, parent, edge))
        seen[here := parent] = len(up)
    down: list[tuple[int, int, int]] = []
    here = end
    while here not in seen:
        parent, edge = above[here]
        down.append((parent, here, edge))
        here = parent
    return up[: seen[here]] + down[::-1]
