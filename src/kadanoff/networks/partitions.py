"""Which regions to take: groups found from the connections alone, to stand beside the labels of anatomy.

- `spectral_regions`: leading eigenvectors of the symmetrised, normalised network, cut by k-means.
- `modular_regions`: Louvain communities, through networkx (BSD licence).
- `informative_regions`: the groups whose network keeps most of the information between source and target. This is the
  most likely degree-corrected stochastic block model (Karrer and Newman, 2011).
- `following_regions`: the groups whose region model follows the activity of the nodes best.
- `equitable_regions`: the fewest regions that follow exactly.

Nodes without any connection stay unassigned. Searches by local moves end in a local optimum: what they find depends on
the seed, is not proven best, and is judged on data it was not found with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import eigsh, expm_multiply

from kadanoff.networks._kernels import partitions as kernels
from kadanoff.networks.activity import GAIN, input_fractions
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = [
    "equitable_regions",
    "following_regions",
    "informative_regions",
    "modular_regions",
    "spectral_regions",
]

_STIMULI = 32  # spectral groups, switched on one at a time
_SKETCH = 32  # random starts whose responses stand for those to all
_NEAREST = 4  # regions a node is tried in
_LLOYD = 60  # rounds of k-means at most
_SHARE = 1e-11  # of input, up to which shares are equal; rounding leaves 1e-16


def spectral_regions(network: Network, k: int, *, seed: int = 0, starts: int = 8) -> Regions:
    """Groups by the k leading eigenvectors of D^-1/2 (A + A^T) D^-1/2, rows of length one, k-means (Ng et al., 2001).

    Arguments:
        k: how many groups.
        seed, starts: of k-means; the best of so many starts is taken.

    Raises:
        ValueError: for k below 2, or not below the number of connected nodes.
    """
    there = _connected(network, k)
    a = network.matrix(np.float64)
    both = scipy.sparse.csr_array(a + a.T)[there][:, there]
    root = 1 / np.sqrt(np.asarray(both.sum(axis=1)).ravel())
    scaled = scipy.sparse.diags_array(root) @ both @ scipy.sparse.diags_array(root)
    if k < there.size - 1:
        start = np.random.default_rng(seed).normal(size=there.size)
        _, vectors = eigsh(scipy.sparse.csr_array(scaled), k=k, which="LA", v0=start)
    else:
        vectors = np.linalg.eigh(scaled.toarray())[1][:, -k:]
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found = [_k_means(vectors / np.maximum(length, 1e-300), k, seed + s) for s in range(starts)]
    return _named(network, there, min(found, key=lambda pair: pair[1])[0])


def modular_regions(network: Network, *, resolution: float = 1.0, seed: int = 0) -> Regions:
    """Louvain communities of the directed, weighted network (Blondel et al., 2008), through networkx.

    Arguments:
        resolution: larger gives more, smaller groups; their number cannot be chosen.

    Raises:
        ValueError: where networkx is missing.
    """
    try:
        import networkx  # type: ignore[import-untyped]
    except ImportError as error:
        raise ValueError("modular regions need networkx: pip install networkx") from error
    there = _connected(network, 1)
    graph = networkx.from_scipy_sparse_array(network.matrix(np.float64), create_using=networkx.DiGraph)
    graph.remove_nodes_from(np.setdiff1d(np.arange(network.n), there).tolist())
    groups = networkx.community.louvain_communities(graph, weight="weight", resolution=resolution, seed=seed)
    label = np.full(network.n, -1)
    for number, members in enumerate(groups):
        label[list(members)] = number
    return _named(network, there, label[there])


def informative_regions(
    network: Network, k: int, *, seed: int = 0, starts: int = 4, sweeps: int = 30, begin: Regions | None = None
) -> Regions:
    """The k groups whose region network keeps most of the information between source and target.

    Maximises sum W ln W - sum out ln out - sum in ln in over the groups by moves of single nodes, first from the
    spectral groups, then from random ones; equal to the largest likelihood of a degree-corrected stochastic block
    model (Karrer and Newman, 2011), up to a constant. On a random network it finds groups as well, for it fits noise:
    look at the information of the groups in synapses that were held out (`kadanoff.networks.resampling`).

    Arguments:
        k: how many groups.
        seed, starts: random beginnings; the best end is taken.
        sweeps: over all nodes, at most, for each beginning.
        begin: groups to begin from instead.
    """
    there = _connected(network, k)
    a = network.matrix(np.float64)
    columns = scipy.sparse.csc_array(a)
    random = np.random.default_rng(seed)
    best: tuple[float, NDArray[np.int64]] | None = None
    beginnings = [_labels(begin, there)] if begin is not None else _beginnings(network, k, there, seed, starts)
    for first in beginnings:
        label = np.full(network.n, k, np.int64)
        label[there] = first
        one_hot = _one_hot(label, k + 1)
        counts = np.ascontiguousarray((one_hot.T @ a @ one_hot).toarray())
        sent, got = counts.sum(axis=1), counts.sum(axis=0)
        size = np.bincount(label, minlength=k + 1).astype(np.int64)
        for _ in range(sweeps):
            _, moves = kernels.move_to_inform(
                a.indptr, a.indices, a.data, columns.indptr, columns.indices, columns.data,
                label, counts, sent, got, size, random.permutation(there),
            )  # fmt: skip
            if moves == 0:
                break
        kept = float(_xlogx(counts).sum() - _xlogx(sent).sum() - _xlogx(got).sum())
        if best is None or kept > best[0]:
            best = kept, label.copy()
    assert best is not None
    return _named(network, there, best[1][there])


def following_regions(
    network: Network,
    k: int,
    *,
    stimuli: ArrayLike | None = None,
    times: ArrayLike = (4.0, 8.0),
    gain: float = GAIN,
    begin: Regions | Literal["informative", "responses"] | None = None,
    seed: int = 0,
    starts: int = 6,
    sweeps: int = 4,
) -> Regions:
    """The k groups whose region model follows the activity x' = -x + g B x best.

    Single nodes move to one of the nearest groups wherever that lowers the squared relative error of the region model,
    pooled over the stimuli and averaged over the times. Near is who responds alike (rows of exp(t (g B - 1))) and acts
    alike on the others (columns), in a random sketch of both. The moves begin from `informative_regions`; the stimuli
    switch on one of 32 spectral groups each. Both come from the connections alone, so that neither labels nor stimuli
    that the groups are to be judged by were used to find them.

    What is found follows broad stimuli well, and those that switch on a small set of neurons not always better than
    labels do that hold that set together: judge by the stimuli you care about. Groups of a random network follow it
    better than random groups do, and another random network no better. A large network is done without sweeps: each
    costs some 1,000 n K^2 operations a unit of time.

    Arguments:
        k: how many groups.
        stimuli: (n, S) starts x(0) to follow; None: as above. With stimuli of your own the groups are made for these,
            and near is who responds alike to them: judge by others.
        times: (T,) increasing, at which to follow.
        gain: g.
        begin: k groups to begin from, or how to find them: "informative", or "responses", k-means on the sketch, whose
            groups are more uneven and follow narrow stimuli better. None: "informative", but "responses" to stimuli of
            your own.
        seed, starts: of k-means; the beginning of least error is taken on.
        sweeps: over all nodes, at most.

    Raises:
        ValueError: for a number of groups that the network cannot have, or stimuli of another size.
    """
    there = _connected(network, k)
    random = np.random.default_rng(seed)
    at = np.asarray(times, dtype=np.float64)
    if at.ndim != 1 or at.size == 0 or at[0] <= 0 or np.any(np.diff(at) <= 0):
        raise ValueError(f"times: expected increasing positive numbers, got {at.tolist()}")
    if not 0 <= gain < 1:
        raise ValueError(f"gain: expected a number from 0 to below 1, got {gain}")
    b = input_fractions(network)
    if stimuli is None:
        groups = spectral_regions(network, max(min(_STIMULI, there.size // 4), 2), seed=seed)
        start = np.eye(groups.k)[groups.label][:, : groups.k - 1]
        sketch = random.normal(size=(2, network.n, _SKETCH))
        features = [*_evolved(b, sketch[0], at, gain), *_evolved(b.T, sketch[1], at, gain)]
    else:
        start = np.asarray(stimuli, dtype=np.float64)
        start = start[:, None] if start.ndim == 1 else start
        if start.ndim != 2 or start.shape[0] != network.n or not np.all(np.isfinite(start)):
            raise ValueError(f"stimuli: expected a finite number for each of {network.n} nodes, got {start.shape}")
        features = list(_evolved(b, start, at, gain))
    feature = np.hstack([_unit(each) for each in features])[there]

    active = np.array([start, *_evolved(b, start, at, gain)])
    clock = np.concatenate([[0.0], at])
    if begin is None:
        begin = "informative" if stimuli is None else "responses"
    if isinstance(begin, str) and begin not in ("informative", "responses"):
        raise ValueError(f"begin: expected regions, 'informative' or 'responses', got {begin!r}")
    if begin == "responses":
        beginnings = [_k_means(feature, k, seed + s)[0] for s in range(starts)]
    else:
        if not isinstance(begin, Regions):
            begin = informative_regions(network, k, seed=seed, starts=1)
        beginnings = [_labels(begin, there)]
        if int(beginnings[0].max()) >= k:
            raise ValueError(f"begin: {begin.k - 1} groups to begin from, but k is {k}")
    searches = [_Search(network, b, there, k, active, clock, gain, first) for first in beginnings]
    chosen = min(searches, key=lambda one: one.objective)
    for _ in range(sweeps):
        if chosen.sweep(feature, random.permutation(there)) == 0:
            break
    return _named(network, there, chosen.label[there])


def equitable_regions(network: Network, start: Regions) -> Regions:
    """The fewest regions inside those of `start` that are equitable, B P = P B_c: they follow exactly whatever starts
    evenly on `start`.

    Regions are split by the shares of input their nodes take from each region, until none splits (colour refinement;
    Paige and Tarjan, 1987). One region alone is equitable when every node receives something, so a stimulus is needed
    to begin with. Real networks mostly split down to single nodes.
    """
    if start.label.size != network.n:
        raise ValueError(f"regions: {start.label.size} labels for {network.n} nodes")
    b = input_fractions(network)
    label = np.unique(start.label, return_inverse=True)[1].astype(np.int64)
    while (k := int(label.max()) + 1) < network.n:
        # a random number stands for each region: equal sums are equal shares, but for a chance of some 10^-10
        finer = label
        for key in np.random.default_rng(k).random((2, k)):
            heard = b @ key[label]
            order = np.lexsort((heard, finer))
            split = (np.diff(finer[order]) > 0) | (np.diff(heard[order]) > _SHARE)
            finer = np.empty_like(label)
            finer[order] = np.concatenate([[0], np.cumsum(split)])
        if int(finer.max()) + 1 == k:
            break
        label = finer
    return Regions.from_labels(label, _names(int(label.max()) + 1))


class _Search:
    """One partition with the sums that the moves of nodes change."""

    def __init__(
        self,
        network: Network,
        b: scipy.sparse.csr_array,
        there: NDArray[np.int64],
        k: int,
        active: NDArray[np.float64],
        clock: NDArray[np.float64],
        gain: float,
        first: NDArray[np.int64],
    ) -> None:
        self.b, self.columns, self.k = b, scipy.sparse.csc_array(b), k
        self.there, self.active, self.clock, self.gain = there, active, clock, gain
        self.label = np.full(network.n, k, np.int64)
        self.label[there] = first
        self._sum()

    def _sum(self) -> None:
        one_hot = _one_hot(self.label, self.k + 1)
        self.size = np.bincount(self.label, minlength=self.k + 1).astype(np.int64)
        self.sums = np.ascontiguousarray((one_hot.T @ self.b @ one_hot).toarray())
        self.states = np.array([one_hot.T @ state for state in self.active])
        self.objective = kernels.following_objective(self.sums, self.size, self.states, self.clock, self.gain)

    def sweep(self, feature: NDArray[np.float64], order: NDArray[np.int64]) -> int:
        """One pass over the nodes, each tried in the nearest few regions; returns how many moved."""
        label = self.label[self.there]
        weight = np.maximum(np.bincount(label, minlength=self.k), 1)
        centre = np.asarray(_one_hot(label, self.k).T @ feature) / weight[:, None]
        distance = (centre**2).sum(axis=1)[None, :] - 2 * feature @ centre.T
        tried = np.full((self.label.size, min(_NEAREST, self.k)), -1, np.int64)
        tried[self.there] = np.argsort(distance, axis=1, kind="stable")[:, : tried.shape[1]]
        _, moves = kernels.move_to_follow(
            self.b.indptr, self.b.indices, self.b.data,
            self.columns.indptr, self.columns.indices, self.columns.data,
            self.label, self.sums, self.size, self.states, self.active, self.clock, self.gain,
            order, tried, self.objective,
        )  # fmt: skip
        self._sum()  # afresh, so that rounding does not pile up
        return int(moves)


def _evolved(
    b: scipy.sparse.sparray, start: NDArray[np.float64], times: NDArray[np.float64], gain: float
) -> Iterator[NDArray[np.float64]]:
    rate = scipy.sparse.csr_array(gain * scipy.sparse.csr_array(b) - scipy.sparse.eye_array(b.shape[0]))
    state, now = start, 0.0
    for time in times:
        span = float(time) - now
        state = expm_multiply(rate * span, state, traceA=float(rate.diagonal().sum()) * span)
        now = float(time)
        yield state


def _k_means(points: NDArray[np.float64], k: int, seed: int) -> tuple[NDArray[np.int64], float]:
    """Labels and the sum of squared distances: k-means++ (Arthur and Vassilvitskii, 2007), then Lloyd's rounds."""
    random = np.random.default_rng(seed)
    square = (points**2).sum(axis=1)

    def distances(centre: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(square[:, None] - 2 * points @ centre.T + (centre**2).sum(axis=1), 0.0))

    chosen = [int(random.integers(len(points)))]
    nearest = distances(points[chosen])[:, 0]
    nearest[nearest < 1e-14 * square.max()] = 0.0
    for _ in range(1, k):
        total = nearest.sum()
        if total > 0:
            pick = int(np.searchsorted(np.cumsum(nearest), random.random() * total, side="right"))
            chosen.append(min(pick, len(points) - 1))
        else:  # fewer different points than groups: any other
            chosen.append(int(random.choice(np.setdiff1d(np.arange(len(points)), chosen))))
        nearest = np.minimum(nearest, distances(points[chosen[-1:]])[:, 0])
        nearest[chosen[-1]] = 0.0
    centre = points[chosen]
    label = np.full(len(points), -1)
    for _ in range(_LLOYD):
        apart = distances(centre)
        found = apart.argmin(axis=1)
        for group in np.setdiff1d(np.arange(k), found):  # an empty group takes the point farthest from its centre
            far = int(np.argmax(np.where(np.bincount(found, minlength=k)[found] > 1, apart.min(axis=1), -1.0)))
            found[far] = group
        if np.array_equal(found, label):
            break
        label = found
        size = np.bincount(label, minlength=k)
        centre = np.asarray(_one_hot(label, k).T @ points) / size[:, None]
    return label.astype(np.int64), float(((points - centre[label]) ** 2).sum())


def _beginnings(
    network: Network, k: int, there: NDArray[np.int64], seed: int, starts: int
) -> Iterator[NDArray[np.int64]]:
    yield _labels(spectral_regions(network, k, seed=seed), there)
    random = np.random.default_rng(seed + 1)
    for _ in range(starts - 1):
        yield random.permutation(np.arange(there.size) % k)


def _labels(regions: Regions, there: NDArray[np.int64]) -> NDArray[np.int64]:
    label = regions.label[there].astype(np.int64)
    if np.any(label == regions.k - 1):
        raise ValueError("begin: a node with connections is unassigned; put every such node into a group")
    return label


def _connected(network: Network, k: int) -> NDArray[np.int64]:
    there = np.flatnonzero((network.outflow > 0) | (network.inflow > 0))
    if not 1 <= k < there.size:
        raise ValueError(f"k: expected from 1 to fewer than the {there.size} connected nodes, got {k}")
    return there


def _named(network: Network, there: NDArray[np.int64], label: NDArray[np.int64]) -> Regions:
    """Groups in the order of their sizes, the largest first."""
    number, inverse = np.unique(label, return_inverse=True)
    size = np.bincount(inverse)
    place = np.empty(number.size, np.int64)
    place[np.argsort(-size, kind="stable")] = np.arange(number.size)
    full = np.full(network.n, -1, np.int64)
    full[there] = place[inverse]
    return Regions.from_labels(full, _names(number.size))


def _names(k: int) -> tuple[str, ...]:
    width = len(str(k))
    return tuple(f"group {number:0{width}d}" for number in range(1, k + 1))


def _one_hot(label: NDArray[np.int64], k: int) -> scipy.sparse.csr_array:
    n = label.size
    return scipy.sparse.csr_array((np.ones(n), label.astype(np.int32), np.arange(n + 1)), shape=(n, k))


def _unit(block: NDArray[np.float64]) -> NDArray[np.float64]:
    size = float(np.linalg.norm(block))
    return block / size if size > 0 and math.isfinite(size) else block


def _xlogx(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x * np.log(np.where(x > 0, x, 1.0)))
