"""How far from the senses: traversal by recruited inputs, and cascades synapse by synapse, averaged over runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks._kernels import traversal as kernels
from kadanoff.networks.network import Network
from kadanoff.parallel import map_ordered

__all__ = ["Cascades", "Layers", "signal_cascades", "traversal_layers"]

Masked: TypeAlias = "np.ma.MaskedArray[Any, np.dtype[np.float64]]"
Seeds: TypeAlias = ArrayLike

_TRAVERSAL, _CASCADE = 0x7261, 0x7262  # streams of random numbers
_CHUNK = 64  # runs of one task: the same whatever the number of workers


@dataclass(frozen=True, eq=False)
class Layers:
    """Mean step of recruitment; arrays (n,), masked for nodes never reached (error: reached in one run alone).

    Arguments:
        layer, error: mean over the runs that reached a node, and its standard error.
        reached: share of the runs that did.
        runs, steps: how many, and the longest a run may be.
    """

    layer: Masked
    error: Masked
    reached: NDArray[np.float64]
    runs: int
    steps: int


@dataclass(frozen=True, eq=False)
class Cascades:
    """How often signals reach a node at each hop.

    Arguments:
        at_hop: (hops + 1, n) share of the runs in which the signal first comes at hop h; hop 0 are the seeds.
        error: its standard error, binomial; for shares of 0 and 1 that of Laplace's estimate (x + 1) / (runs + 2).
        reached: (n,) share of the runs that reach a node at all.
        runs: how many.
    """

    at_hop: NDArray[np.float64]
    error: NDArray[np.float64]
    reached: NDArray[np.float64]
    runs: int


class _Wiring(NamedTuple):
    starts: NDArray[np.int64]
    target: NDArray[np.int32]
    synapses: NDArray[np.int64]


def traversal_layers(
    network: Network,
    seeds: Seeds,
    *,
    seed: int,
    runs: int = 1000,
    saturation: float = 0.3,
    dice: Literal["inputs", "edges"] = "inputs",
    steps: int = 50,
    executor: Executor | None = None,
) -> Layers:
    """Mean step at which a node is recruited from the seeds (Schlegel et al., 2021, eLife 10, e66018).

        P(recruited at step t) = min(1, f / saturation)

    with f the share of a node's input synapses that come from nodes recruited before t; what is recruited stays so.
    The authors' program (navis, where seeds are of layer 1) throws dice for every edge by itself instead,

        P = 1 - prod_e (1 - min(1, f_e / saturation))

    with f_e the share of edge e from a recruited node, which recruits more slowly where inputs are strong.

    Arguments:
        network: whole counts; synapses of a node with itself count among its inputs.
        seeds: (n,) mask or positions of the nodes of step 0.
        seed: of the random numbers.
        runs: how many to average.
        saturation: the share of inputs that recruits for certain.
        dice: "inputs", one throw for all of a node's inputs, or "edges".
        steps: the longest a run may be; nodes not recruited by then are not reached.
        executor: of `kadanoff.parallel`; the numbers do not depend on it.

    Raises:
        ValueError: without seeds, for fewer than two runs, a saturation outside (0, 1].
    """
    if dice not in ("inputs", "edges"):
        raise ValueError(f"traversal: dice for 'inputs' or 'edges', not {dice!r}")
    if not 0 < saturation <= 1:
        raise ValueError(f"traversal: saturation {saturation} must be above 0 and at most 1")
    wiring, first = _wiring(network), _positions(network, seeds)
    inputs = np.asarray(network.inflow, dtype=np.int64)
    one = partial(_traversed, wiring, inputs, first, seed, saturation, dice == "edges", steps)
    n = network.n
    number, summed, squared = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for layer in _runs(one, runs, steps, executor):
        there = layer >= 0
        held = np.where(there, layer, 0).astype(np.int64)
        number += there.sum(axis=0)
        summed += held.sum(axis=0)
        squared += (held * held).sum(axis=0)
    never = number == 0
    mean = summed / np.maximum(number, 1)
    variance = np.maximum(squared - number * mean**2, 0.0) / np.maximum(number - 1, 1)
    error = np.sqrt(variance / np.maximum(number, 1))
    return Layers(np.ma.array(mean, mask=never), np.ma.array(error, mask=number < 2), number / runs, runs, steps)


def signal_cascades(
    network: Network,
    seeds: Seeds,
    *,
    seed: int,
    chance: float = 0.05,
    hops: int = 5,
    stops: ArrayLike | None = None,
    runs: int = 1000,
    executor: Executor | None = None,
) -> Cascades:
    """Where signals get within a few hops when every synapse passes them on by chance (Winding et al., 2023).

    A node reached at hop h - 1 reaches j at hop h with 1 - (1 - chance)^w for w synapses, once; no node is reached
    twice.

    Arguments:
        network: whole counts.
        seeds: (n,) mask or positions of the nodes of hop 0.
        seed: of the random numbers.
        chance: of one synapse.
        hops: how many.
        stops: (n,) mask of nodes that pass nothing on (unless they are seeds), as motor neurons; None: none.
        runs: how many to average.
        executor: of `kadanoff.parallel`; the numbers do not depend on it.

    Raises:
        ValueError: without seeds, for a chance outside [0, 1].
    """
    if not 0 <= chance <= 1:
        raise ValueError(f"cascades: the chance of a synapse, {chance}, must lie from 0 to 1")
    wiring, first = _wiring(network), _positions(network, seeds)
    stop = np.zeros(network.n, dtype=bool) if stops is None else np.asarray(stops, dtype=bool)
    if stop.shape != (network.n,):
        raise ValueError(f"stops: a mask of {stop.shape} for {network.n} nodes")
    # log1p keeps small chances of few synapses; a synapse that never fails needs no logarithm
    passes = -np.expm1(wiring.synapses * np.log1p(-chance)) if chance < 1 else np.ones(wiring.synapses.size)
    one = partial(_cascaded, wiring, passes, stop, first, seed, hops)
    found = np.zeros((hops + 1, network.n), np.int64)
    for hop in _runs(one, runs, hops, executor):
        for h in range(hops + 1):
            found[h] += (hop == h).sum(axis=0)
    share = found / runs
    guess = np.where((found == 0) | (found == runs), (found + 1) / (runs + 2), share)
    return Cascades(share, np.sqrt(guess * (1 - guess) / runs), share.sum(axis=0), runs)


def _runs(one: Callable[[range], NDArray[np.int16]], runs: int, steps: int, executor: Executor | None) -> Any:
    if runs < 2:
        raise ValueError(f"runs: {runs}; two at least, for an error bar")
    if not 1 <= steps <= np.iinfo(np.int16).max:
        raise ValueError(f"steps: {steps}; from 1 to {np.iinfo(np.int16).max}")
    return map_ordered(one, [range(a, min(a + _CHUNK, runs)) for a in range(0, runs, _CHUNK)], executor)


def _traversed(
    wiring: _Wiring,
    inputs: NDArray[np.int64],
    first: NDArray[np.int64],
    seed: int,
    saturation: float,
    alone: bool,
    steps: int,
    chunk: range,
) -> NDArray[np.int16]:
    layer = np.empty((len(chunk), inputs.size), np.int16)
    kernels.traverse(seed, _TRAVERSAL, chunk.start, steps, saturation, alone, *wiring, inputs, first, layer)
    return layer


def _cascaded(
    wiring: _Wiring,
    passes: NDArray[np.float64],
    stop: NDArray[np.bool_],
    first: NDArray[np.int64],
    seed: int,
    hops: int,
    chunk: range,
) -> NDArray[np.int16]:
    hop = np.empty((len(chunk), stop.size), np.int16)
    kernels.cascade(seed, _CASCADE, chunk.start, hops, wiring.starts, wiring.target, passes, stop, first, hop)
    return hop


def _wiring(network: Network) -> _Wiring:
    if not network.is_counted:
        raise ValueError("traversal: whole counts of synapses are needed, these are weights")
    matrix = network.matrix()
    return _Wiring(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.int64))


def _positions(network: Network, seeds: Seeds) -> NDArray[np.int64]:
    given = np.asarray(seeds)
    if given.dtype == np.bool_:
        if given.shape != (network.n,):
            raise ValueError(f"seeds: a mask of {given.shape} for {network.n} nodes")
        given = np.flatnonzero(given)
    if given.size == 0 or not np.issubdtype(given.dtype, np.integer):
        raise ValueError("seeds: a mask or positions of at least one node")
    if given.min() < 0 or given.max() >= network.n:
        raise ValueError(f"seeds: positions from 0 to {network.n - 1}, got {given.min()} to {given.max()}")
    return np.unique(given).astype(np.int64)
