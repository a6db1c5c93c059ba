"""A made-up connectome of any size: regions, heavy-tailed degrees and counts, from a seed."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks._kernels import twins
from kadanoff.networks.memberships import shares_of_amounts
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions, Shares
from kadanoff.parallel import map_ordered

__all__ = ["Twin", "synthetic_twin"]

_NODES = 1 << 12  # of a task: the same whatever the number of workers
_FIRST_ID = 720_575_940_600_000_000  # ids of 18 digits, as the segments of an electron-microscopy volume have


@dataclass(frozen=True, eq=False)
class Twin:
    """A made-up connectome and its regions, hard and soft (the same shares for senders and receivers)."""

    network: Network
    regions: Regions
    shares: Shares


def synthetic_twin(
    neurons: int = 166_700,
    edges: int = 25_600_000,
    regions: int = 100,
    *,
    regions_per_neuron: int = 5,
    local: float = 0.4,
    spread: float = 1.0,
    tail: float = 1.3,
    top: int = 2_358,
    seed: int = 0,
    executor: Executor | None = None,
) -> Twin:
    """A degree-corrected block model with exactly so many edges, all different.

    Sizes of regions, out-degrees and the weights of nodes as targets are log-normal; of the edges of a node the share
    `local` stays in its region; synapses of an edge are floor(u^(-1 / tail)), mean zeta(tail) but for the largest.
    Defaults are the size of the MaleCNS connectome (Berg et al. 2026) and the strongest edge of FlyWire.

    Arguments:
        neurons, edges, regions: how many.
        regions_per_neuron: regions over which each neuron is spread in `Twin.shares`, its own among them.
        local: share of edges within the region.
        spread: standard deviation of the logarithm of degrees and weights.
        tail: exponent of the counts' distribution, above 1.
        top: largest count, below 2^16.
        seed: the same twin for any number of workers.
        executor: threads may share the work.

    Raises:
        ValueError: for more edges than an eightieth of all pairs, or numbers outside their range.
    """
    if not (1 <= regions <= neurons and 1 <= regions_per_neuron <= regions and neurons >= 2):
        raise ValueError("twin: needs 1 <= regions per neuron <= regions <= neurons")
    if not (0 <= local < 1 and spread >= 0 and tail > 1 and 1 <= top < 1 << 16):
        raise ValueError("twin: needs 0 <= local < 1, spread >= 0, tail > 1 and 1 <= top < 65536")
    if edges > neurons * (neurons // 80 + 1):
        raise ValueError(f"twin: {edges} edges are too many among {neurons} neurons, at most one in eighty pairs")
    random = np.random.default_rng([seed, 0x7477])
    weight = random.lognormal(0.0, 0.7, regions)
    region = np.concatenate([np.arange(regions), random.choice(regions, neurons - regions, p=weight / weight.sum())])
    region = random.permutation(region)
    starts = np.append(0, np.cumsum(_degrees(random.lognormal(0.0, spread, neurons), edges, neurons // 20 + 1)))
    target_weight = random.lognormal(0.0, spread, neurons)
    members = np.argsort(region, kind="stable").astype(np.int32)
    member_starts = np.append(0, np.cumsum(np.bincount(region, minlength=regions)))
    inside = np.add.reduceat(target_weight[members], member_starts[:-1])
    cumulative = np.empty(neurons)
    for r in range(regions):
        part = slice(member_starts[r], member_starts[r + 1])
        cumulative[part] = np.cumsum(target_weight[members[part]]) / inside[r]
    region_weight = np.cumsum(inside) / inside.sum()
    target, count = np.empty(edges, np.int32), np.empty(edges, np.uint16)

    def fill(first: int) -> None:
        twins.fill_rows(
            seed,
            first,
            min(first + _NODES, neurons),
            starts,
            region,
            local,
            region_weight,
            member_starts,
            members,
            cumulative,
            tail,
            top,
            target,
            count,
        )

    for _ in map_ordered(fill, range(0, neurons, _NODES), executor):
        pass
    ids = _FIRST_ID + np.cumsum(random.integers(1, 1000, neurons))
    source = np.repeat(np.arange(neurons, dtype=np.int32), np.diff(starts))
    names = tuple(f"R{k:0{len(str(regions - 1))}d}" for k in range(regions))
    return Twin(
        Network(ids, source, target, count),
        Regions.from_labels(region, names),
        _spread_out(random, region, regions, regions_per_neuron, names),
    )


def _degrees(weight: NDArray[np.float64], edges: int, most: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to the weights, between 0 and `most`, that add up to `edges`."""
    scale = edges / weight.sum()
    for _ in range(60):  # those above the most are cut off; the others make up for it
        wanted = np.minimum(weight * scale, most)
        scale *= edges / wanted.sum()
    degree = np.floor(wanted).astype(np.int64)
    left = edges - int(degree.sum())
    order = np.argsort(degree - wanted, kind="stable")
    order = order[degree[order] < most]
    while left != 0:
        step = order[: abs(left)]
        degree[step] += 1 if left > 0 else -1
        left -= step.size if left > 0 else -step.size
        order = order[(degree[order] < most) & (degree[order] > 0)]
    return np.asarray(degree, dtype=np.int64)


def _spread_out(random: Any, region: NDArray[np.int64], k: int, each: int, names: tuple[str, ...]) -> Shares:
    """Each neuron in its own region, half of it on average, and in others by chance: Dirichlet shares."""
    n = region.size
    step = (
        np.sort(np.argpartition(random.random((n, k - 1)), each - 2, axis=1)[:, : each - 1], axis=1)
        if each > 1
        else None
    )
    others = np.zeros((n, 0), np.int64) if step is None else (region[:, None] + 1 + step) % k
    column = np.concatenate([region[:, None], others], axis=1)
    amounts = random.dirichlet(np.append(max(each - 1.0, 1.0), np.ones(each - 1)), n)
    rows = np.repeat(np.arange(n), each)
    return shares_of_amounts(scipy.sparse.csr_array((amounts.ravel(), (rows, column.ravel())), shape=(n, k)), names)
