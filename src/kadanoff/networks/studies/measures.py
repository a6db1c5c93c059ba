"""What the studies of region networks have in common: hubs with error bars, what was lost beside random regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.networks.activity import (
    BesideRandom,
    Following,
    activity,
    beside_random,
    flow_error,
    following,
    lumpability_defect,
)
from kadanoff.networks.aggregation import block
from kadanoff.networks.hubs import betweenness, participation
from kadanoff.networks.lost import shared_information
from kadanoff.networks.network import Network
from kadanoff.networks.partitions import following_regions, informative_regions, spectral_regions
from kadanoff.networks.regions import Regions
from kadanoff.study import Table

__all__ = [
    "TIMES",
    "HubErrors",
    "Lost",
    "bars",
    "beside_others",
    "hub_errors",
    "lost",
    "lost_estimates",
    "other_regions",
    "region_table",
]

Array = NDArray[np.float64]
TIMES = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
LOOKS = (1.0, 4.0, 8.0)  # times at which the error is reported


@dataclass(frozen=True, eq=False)
class HubErrors:
    """Strength (in and out, without what stays inside), participation, betweenness and rank of every region, (K,) each.

    The rank is that of the mean of the ranks by the three. `first` is the share of replicates in which a region comes
    first, `participation` is NaN for a region without connections to others. Errors are standard deviations over the
    replicates.
    """

    strength: Array
    strength_error: Array
    participation: Array
    participation_error: Array
    betweenness: Array
    betweenness_error: Array
    rank: NDArray[np.int64]
    first: Array


def hub_errors(counts: Array, replicates: Array) -> HubErrors:
    """Hubs of a region network and their errors from replicates (R, K, K) of it, in which a region without partners
    takes part with participation 0."""
    value, rank = _hubs(counts)
    drawn, ranks = zip(*(_hubs(one) for one in replicates), strict=True)
    error = np.std(np.nan_to_num(np.array(drawn)), axis=0, ddof=1)
    first = np.mean(np.array(ranks) == 1, axis=0)
    return HubErrors(value[0], error[0], value[1], error[1], value[2], error[2], rank, first)


def _hubs(counts: Array) -> tuple[Array, NDArray[np.int64]]:
    apart = np.array(counts, dtype=np.float64)
    np.fill_diagonal(apart, 0.0)
    both = apart + apart.T
    k = len(both)
    single = Regions(tuple(str(a) for a in range(k)), np.arange(k).astype(np.uint16))
    spread = participation(both, single).filled(np.nan)
    value = np.array([both.sum(axis=1), spread, betweenness(apart)])
    ranks = np.argsort(np.argsort(-np.nan_to_num(value, nan=-1.0), axis=1, kind="stable"), axis=1, kind="stable")
    return value, np.argsort(np.argsort(ranks.mean(axis=0), kind="stable"), kind="stable") + 1


@dataclass(frozen=True, eq=False)
class Lost:
    """What regions lose, beside random regions of the same sizes.

    Arguments:
        measures: {"information kept", "lumpability defect", "dynamics error at t = ...", "flow error"}.
        following: of these regions.
        random_error: (T, 2) mean and standard deviation of the dynamics error of the random ones.
        others: {other regions of the same number: (measures by name, (T,) dynamics error)}.
    """

    measures: dict[str, BesideRandom]
    following: Following
    random_error: Array
    others: dict[str, tuple[dict[str, float], Array]]


def lost(
    network: Network, regions: Regions, start: Array, others: dict[str, Regions], *, gain: float, seed: int,
    partitions: int,
) -> Lost:  # fmt: skip
    """Information, lumpability, dynamics and flow of regions, of ``partitions`` random ones, and of ``others``."""
    fine = activity(network, start, TIMES, gain=gain)
    measure = partial(_measured, network, start, fine, shared_information(network), gain)
    found = beside_random(measure, regions, seed=seed, partitions=partitions)
    at = {"information kept": 0, "lumpability defect": 1, "flow error": 2}
    at |= {f"dynamics error at t = {time:g}": 3 + int(np.flatnonzero(time == TIMES)[0]) for time in LOOKS}
    curve = np.array([[one.random.value, one.spread] for one in found[3:]])
    beside: dict[str, tuple[dict[str, float], Array]] = {}
    for name, other in others.items():
        values = measure(other)
        beside[name] = ({what: float(values[place]) for what, place in at.items()}, values[3:])
    own = following(network, regions, start, TIMES, gain=gain, fine=fine)
    return Lost({what: found[place] for what, place in at.items()}, own, curve, beside)


def other_regions(network: Network, regions: Regions, kinds: Sequence[str], seed: int) -> dict[str, Regions]:
    """As many groups as there are regions with neurons, from the connections alone."""
    k = int((regions.sizes[:-1] > 0).sum())
    make = {"spectral": spectral_regions, "informative": informative_regions, "following": following_regions}
    return {kind: make[kind](network, k, seed=seed) for kind in kinds} if k > 1 else {}


def _measured(
    network: Network, start: Array, fine: Array, told: float, gain: float, regions: Regions
) -> NDArray[np.float64]:
    follows = following(network, regions, start, TIMES, gain=gain, fine=fine)
    kept = shared_information(block(network, regions).counts) / told
    return np.array([
        kept, lumpability_defect(network, regions), flow_error(network, regions, gain=gain), *follows.error
    ])  # fmt: skip


def lost_estimates(found: Lost, partitions: int) -> dict[str, Estimate]:
    """The measures under the names of result.json, each followed by that of random regions."""
    names = {
        "information kept": "information_kept",
        "lumpability defect": "lumpability_defect",
        "flow error": "flow_error",
    } | {f"dynamics error at t = {time:g}": f"dynamics_error.t{time:g}" for time in LOOKS}
    estimates: dict[str, Estimate] = {}
    for what, measure in found.measures.items():
        estimates[names[what]] = Estimate.exact(measure.value)
        estimates[f"{names[what]}.random"] = Estimate(
            measure.random.value, measure.random.error, partitions, "", "random regions of the same sizes"
        )
        for other, (values, _) in found.others.items():
            estimates[f"{names[what]}.{other}"] = Estimate.exact(values[what])
    return estimates


def region_table(
    names: Sequence[str], members: Array, counts: Array, errors: Array, hub: HubErrors, shown: NDArray[np.int64],
    caption: str,
) -> Table:  # fmt: skip
    """The table of regions for the report.

    Arguments:
        errors: (2, K) standard errors of what every region sends and receives, 0 where there is none.
        shown: the regions, by position.
    """
    sent, got, own = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    through = sent + got - own

    def column(values: Array, error: Array | None = None) -> list[int | float | Estimate | None]:
        return [_entry(float(values[k]), 0.0 if error is None else float(error[k])) for k in shown]

    return Table(
        {
            "region": [names[k] for k in shown],
            **({"neurons": column(members)} if members.any() else {}),  # a projectome has none
            "sent": column(sent, errors[0]),
            "received": column(got, errors[1]),
            "self share": column(np.divide(own, through, out=np.full(len(own), np.nan), where=through > 0)),
            "participation": column(hub.participation, hub.participation_error),
            "betweenness": column(hub.betweenness, hub.betweenness_error),
            "hub rank": [int(hub.rank[k]) for k in shown],
            "ranks first": column(hub.first),
        },
        caption,
    )


def _entry(value: float, error: float) -> int | float | Estimate | None:
    if not np.isfinite(value):
        return None
    if np.isfinite(error) and error > 0:
        return Estimate(value, error)
    return int(value) if value.is_integer() else value


def bars(found: Lost, kinds: Sequence[str], own: str) -> tuple[dict[str, tuple[Array, Array, Array]], list[str]]:
    """What `pictures.bars_of_loss` takes: the named measures, and the names of the partitions, ``own`` first."""
    nothing = [np.nan] * len(found.others)
    drawn = {
        kind: (
            np.array([found.measures[kind].value, *(values[kind] for values, _ in found.others.values())]),
            np.array([found.measures[kind].random.value, *nothing]),
            np.array([found.measures[kind].spread, *nothing]),
        )
        for kind in kinds
    }
    return drawn, [own, *found.others]


def beside_others(found: Lost, own: str) -> str:
    """A sentence on how groups made from the connections alone compare with ``own``."""
    what = "dynamics error at t = 8"
    if not found.others:
        return ""
    name, (values, _) = min(found.others.items(), key=lambda item: item[1][0][what])
    most, (kept, _) = max(found.others.items(), key=lambda item: item[1][0]["information kept"])
    more = (
        "and they keep" if most == name else f"and the {most} ones keep"
    ) + f" most information, {100 * kept['information kept']:.0f} %"
    return (
        f" Of as many groups made from the connections alone the {name} ones follow best, with "
        f"{100 * values[what]:.0f} % after eight time constants "
        f"({'less' if values[what] < found.measures[what].value else 'not less'} than these regions), {more}; such "
        "groups were fitted to these data."
    )
