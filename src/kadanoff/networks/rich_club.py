"""Rich clubs: whether nodes of high degree are joined to each other more than their degrees ask for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kadanoff.networks.multiplicity import largest_of_all
from kadanoff.networks.network import Network
from kadanoff.networks.null_models import Edges, NullModel, degree_null, either_way, undirected_degree_null
from kadanoff.networks.null_tests import judge_draws
from kadanoff.parallel import map_ordered

__all__ = ["RichClub", "rich_club_curve"]

Masked: TypeAlias = "np.ma.MaskedArray[Any, Any]"

_CHUNK = 32  # draws of one task: the same whatever the number of workers


@dataclass(frozen=True, eq=False)
class RichClub:
    """The rich-club curve; arrays (k,) over `level`, masked where fewer than two nodes are left or all draws equal the
    data.

    Arguments:
        level: the degrees k that occur; the club at k are the nodes of degree > k.
        members: N_k, how many these are.
        edges: E_k, edges between them.
        phi: E_k over the pairs of members.
        phi_null: mean over the draws.
        normalised, normalised_error: phi / phi_null, and its standard error from the number of draws.
        z, z_error: of phi under the null, and the error from the number of draws; masked where draws do not vary.
        p: (1 + draws with phi_r >= phi) / (draws + 1).
        p_largest: the same for the largest z of all levels, so that a level may be chosen by looking.
        degree: (n,) degree of every node (in + out where directed).
        replicas: how many draws.
        null: the null model's kind.
    """

    level: NDArray[np.int64]
    members: NDArray[np.int64]
    edges: NDArray[np.int64]
    phi: Masked
    phi_null: Masked
    normalised: Masked
    normalised_error: Masked
    z: Masked
    z_error: Masked
    p: Masked
    p_largest: float
    degree: NDArray[np.int64]
    replicas: int
    null: str

    def at(self, level: int) -> int:
        """The position of the club of nodes of degree > ``level`` in the arrays."""
        position = int(np.searchsorted(self.level, level, side="right")) - 1
        if position < 0:
            raise ValueError(f"rich club: the lowest degree is {self.level[0]}, above {level}")
        return position

    def club(self, level: int) -> NDArray[np.int64]:
        """Positions of the nodes of degree > ``level``."""
        return np.flatnonzero(self.degree > level)


def rich_club_curve(
    network: Network,
    *,
    seed: int,
    replicas: int = 1000,
    directed: bool = False,
    sweeps: int | None = None,
    null: NullModel | None = None,
    executor: Executor | None = None,
) -> RichClub:
    """The rich-club coefficient of every degree against rewired graphs (Colizza et al., 2006; Towlson et al., 2013).

        phi(k) = 2 E_k / (N_k (N_k - 1)),    directed: E_k / (N_k (N_k - 1))

    with E_k edges between the N_k nodes of degree > k; phi_norm = phi / mean of phi over graphs of the same degrees.

    Arguments:
        network: counts play no part; loops are left out.
        seed: of the draws.
        replicas: how many.
        directed: use in + out degree and directed edges; else nodes are joined where a connection runs either way.
        sweeps: attempts per edge of a draw, as `degree_null`.
        null: another null model of the same graph that keeps degrees (`block_null` where directed), in place of the
            degree-preserving one.
        executor: of `kadanoff.parallel`.

    Raises:
        ValueError: as the null models; for a null of the other directedness; where every draw equals the data.
    """
    if null is None:
        build = degree_null if directed else undirected_degree_null
        null = build(network, seed=seed, sweeps=sweeps)
    if "degrees" not in null.preserves or (null.kind == "undirected degree") == directed:
        raise ValueError(f"rich club: the {null.kind} null is not one of {'' if directed else 'un'}directed degrees")
    if replicas < 20:
        raise ValueError(f"rich club: {replicas} draws are too few for a spread; take 20 at least, 1000 for p-values")
    source, target = _edges(network, directed)
    degree = np.bincount(source, minlength=network.n) + np.bincount(target, minlength=network.n)
    level = np.unique(degree)
    members = degree.size - np.searchsorted(np.sort(degree), level, side="right")
    count = partial(_club_edges, degree, level)
    edges = count((source, target, np.empty(0, np.int64)))
    chunks = [range(first, min(first + _CHUNK, replicas)) for first in range(0, replicas, _CHUNK)]
    drawn = np.concatenate(list(map_ordered(partial(_counted, count, null), chunks, executor)))
    pairs = members * (members - 1) // (1 if directed else 2)
    test = judge_draws("rich club", null.kind, edges, drawn, "greater", null.preserves)
    empty = pairs == 0
    safe = np.where(empty, 1, pairs)
    phi = np.ma.array(edges / safe, mask=empty)
    phi_null = np.ma.array(test.mean / safe, mask=empty)
    barren = empty | (test.mean == 0)
    below = np.where(barren, 1.0, test.mean)
    normalised = np.ma.array(edges / below, mask=barren)
    normalised_error = np.ma.array(edges / below * test.mean_error / below, mask=barren)
    seen, most = test.extremes()
    p_largest = float(largest_of_all([seen.max()], most[:, None])[0])
    return RichClub(
        level,
        members,
        edges,
        phi,
        phi_null,
        normalised,
        normalised_error,
        test.z,
        test.z_error,
        np.ma.array(test.p, mask=test.fixed),
        p_largest,
        degree,
        replicas,
        null.kind,
    )


def _edges(network: Network, directed: bool) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if not directed:
        network = either_way(network)
        kept = network.source < network.target
        return network.source[kept], network.target[kept]
    matrix = network.matrix().tocoo()
    source, target = matrix.coords
    kept = source != target
    return source[kept].astype(np.int32), target[kept].astype(np.int32)


def _club_edges(degree: NDArray[np.int64], level: NDArray[np.int64], edges: Edges) -> NDArray[np.int64]:
    """(k,) edges both of whose ends have a degree above each level."""
    lower = np.minimum(degree[edges[0]], degree[edges[1]])
    found = np.bincount(lower, minlength=int(level[-1]) + 1)
    return np.asarray(lower.size - np.cumsum(found)[level], dtype=np.int64)


def _counted(count: Callable[[Edges], NDArray[np.int64]], null: NullModel, chunk: range) -> NDArray[np.int64]:
    return np.array([count(null.edges(replica)) for replica in chunk])
