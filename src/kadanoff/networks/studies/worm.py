"""The worm C. elegans: 279 neurons to ten ganglia, with its rich club, its growth, and what the ganglia forget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.networks.aggregation import RegionNetwork, block
from kadanoff.networks.highways import Highways, find_highways
from kadanoff.networks.lost import corrected_information, ledger_of, shared_information
from kadanoff.networks.resampling import BlockErrors, block_errors, resampled
from kadanoff.networks.rich_club import RichClub, rich_club_curve
from kadanoff.networks.studies import pictures
from kadanoff.networks.studies.measures import (
    HubErrors,
    Lost,
    bars,
    beside_others,
    hub_errors,
    lost,
    lost_estimates,
    other_regions,
    region_table,
)
from kadanoff.networks.studies.worm_records import Stages, Worm, read_stages, read_worm
from kadanoff.study import Picture, Reported, Result, Run, Table, judge

__all__ = ["WormConfig", "worm"]

Array = NDArray[np.float64]

LOSSES = ("information kept", "lumpability defect", "dynamics error at t = 4", "flow error")
CLUB_ABOVE = 43  # Towlson et al. (2013)
GROUPS = {"head": ("anterior", "dorsal", "lateral", "ventral", "retrovesicular"),
          "body": ("ventral cord", "posterolateral"), "tail": ("preanal", "dorsorectal", "lumbar")}  # fmt: skip
PUBLISHED = "Varshney et al. (2011)"
TOWLSON = "Towlson et al. (2013)"
WITVLIET = (1296, 1895, 2128, 2777, 4116, 4456, 7467, 7970)
AGES = ("1: L1", "2: L1", "3: L1", "4: L1", "5: L2", "6: L3", "7: adult", "8: adult")


class WormConfig(BaseModel):
    """Settings of networks.worm."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rewirings: int = Field(
        1000, ge=100, description="Rewired networks that the rich club and the ganglia are held against."
    )
    replicates: int = Field(1000, ge=100, description="Replicates with neurons redrawn, for the errors of hubs.")
    random_partitions: int = Field(20, ge=2, description="Random partitions of the same sizes beside the ganglia.")
    gain: float = Field(0.9, ge=0, lt=1, description="Gain of the linear rate model.")


@dataclass(frozen=True, eq=False)
class Found:
    """All that was measured."""

    worm: Worm
    stages: Stages
    made: RegionNetwork
    neurons: BlockErrors
    synapses: BlockErrors
    redrawn: Array
    hubs: HubErrors
    club: RichClub
    roads: Highways
    lost: Lost
    grown: NDArray[np.int64]


def worm(config: WormConfig, run: Run) -> Result:
    """C. elegans from 279 neurons to ten ganglia, every synapse accounted for; rich club; eight stages of growth."""
    found = _measure(config, run)
    estimates = _estimates(config, found)
    ledger = _ledger(found)
    return Result(
        estimates, ledger, judge(estimates, ledger, _in_words(config, found)), _data(found), _pictures(found),
        files={"ganglia.csv": _matrix_table(found), "rich-club.csv": _club_lines(found)}, cite=CITE,
        tables={"ganglia": _ganglia(found), "rich-club": _club_table(found)},
    )  # fmt: skip


def _measure(config: WormConfig, run: Run) -> Found:
    animal, stages = read_worm(), read_stages()
    regions = animal.ganglia
    made = block(animal.chemical, regions)
    start = (regions.label == regions.names.index("anterior")).astype(np.float64)
    club = run.stage(
        "rich-club", rich_club_curve, animal.both, seed=run.seed, replicas=config.rewirings, executor=run.executor
    )
    roads = run.stage(
        "highways",
        find_highways,
        animal.chemical,
        regions,
        seed=run.seed,
        replicas=config.rewirings,
        alternative="two-sided",
        executor=run.executor,
    )
    redrawn = run.stage(
        "redrawn", resampled, animal.chemical, regions, unit="neuron", replicates=config.replicates, seed=run.seed
    )
    kinds = ("spectral", "informative", "following")
    others = run.stage("others", other_regions, animal.chemical, regions, kinds, run.seed)
    price = run.stage(
        "lost", lost, animal.chemical, regions, start, others, gain=config.gain, seed=run.seed,
        partitions=config.random_partitions,
    )  # fmt: skip
    return Found(
        animal, stages, made,
        block_errors(animal.chemical, regions, unit="neuron"),
        block_errors(animal.chemical, regions, unit="synapse"),
        redrawn, run.stage("hubs", hub_errors, made.counts.astype(np.float64), redrawn), club, roads, price,
        np.array([block(one, stages.regions).counts for one in stages.networks]),
    )  # fmt: skip


def _estimates(config: WormConfig, found: Found) -> dict[str, Reported | Estimate]:
    animal, made = found.worm, found.made
    exact = Estimate.exact

    def counted(value: float, reference: float | None = None, source: str = "") -> Reported:
        return Reported(exact(float(value)), reference, source=source)

    club = found.club.at(CLUB_ABOVE)
    pair = animal.lower_case
    estimates: dict[str, Reported | Estimate] = {
        "neurons": counted(animal.chemical.n, 279, PUBLISHED),
        "chemical_connections": counted(animal.chemical.m, 2194, PUBLISHED),
        "chemical_synapses": counted(
            animal.chemical.total, 6394, f"the file as it stands; published are 6,393 ({PUBLISHED}), see the verdict"
        ),
        "synapses_recorded_in_lower_case": counted(sum(row[2] for row in pair)),
        "chemical_synapses_without_these": counted(
            animal.chemical.total - sum(row[2] for row in pair), 6393, PUBLISHED
        ),
        "pairs_that_sides_disagree_on": counted(
            (animal.chemical.matrix() != animal.received.matrix()).nnz, 0, "both ends of a synapse are recorded"
        ),
        "gap_junctions": counted(animal.gap_junctions, 890, PUBLISHED),
        "neuromuscular_junctions": counted(animal.muscle_junctions, 1410, f"{PUBLISHED}; not part of the network"),
        "undirected_edges": counted(int(found.club.degree.sum()) // 2, 2287, TOWLSON),
        "rich_club_size": counted(
            int(found.club.members[club]), 11, f"{TOWLSON}, neurons of degree above {CLUB_ABOVE}"
        ),
        "rich_club_phi": Reported(
            exact(float(found.club.phi[club])), 0.836, tolerance=5e-4, source="46 of 55 pairs, counted by networkx"
        ),
        "rich_club_normalised": Reported(
            Estimate(float(found.club.normalised[club]), float(found.club.normalised_error[club]), config.rewirings,
                     "", "rewired networks"),
            1.376, reference_error=0.014, source="80 networks rewired by networkx, ten swaps an edge",
        ),
        "rich_club_z": Estimate(
            float(found.club.z[club]), float(found.club.z_error[club]), config.rewirings, "", "rewired networks"
        ),
        "rich_club_p_largest": exact(found.club.p_largest),
        "ganglia": counted(sum(size > 0 for size in animal.ganglia.sizes), 10, "letters A to K of the file, without I"),
        "neurons_without_ganglion": counted(int(animal.ganglia.sizes[-1]), 0, "every neuron has one"),
        "synapses_between_ganglia": counted(made.total, animal.chemical.total, "no synapse is lost"),
    }  # fmt: skip
    for a, b, number in (
        ("lateral", "lateral", 1070),
        ("ventral cord", "ventral cord", 744),
        ("lateral", "ventral", 428),
    ):
        i, j = made.names.index(a), made.names.index(b)
        name = f"{a}_to_{b}".replace(" ", "_")
        estimates[f"synapses.{name}"] = counted(int(made.counts[i, j]), number, "counted apart, from the same file")
        estimates[f"flow.{name}"] = Estimate(
            float(made.counts[i, j]), float(found.neurons.error[i, j]), None, "", "neurons redrawn within ganglia"
        )
    for k, (network, total) in enumerate(zip(found.stages.networks, WITVLIET, strict=True)):
        estimates[f"stage_{k + 1}_synapses"] = counted(
            int(found.grown[k].sum()), total, f"all cells, muscles included; {network.total} before the map"
        )
    estimates["relative_error.neurons"] = exact(float(np.median(found.neurons.relative)))
    estimates["relative_error.synapses"] = exact(float(np.median(found.synapses.relative)))
    estimates["information"] = exact(shared_information(animal.chemical), "nat")
    estimates["information.bias_corrected"] = corrected_information(animal.chemical)
    return estimates | lost_estimates(found.lost, config.random_partitions)


def _ledger(found: Found) -> Ledger:
    ledger = ledger_of(found.worm.chemical, found.worm.ganglia, found.made)
    first, last = found.stages.networks[0], found.stages.networks[-1]
    for name, fine, coarse in (("first stage", first, found.grown[0]), ("last stage", last, found.grown[-1])):
        ledger.add(
            Loss(
                f"connections, {name}", Estimate.exact(fine.total), Estimate.exact(float(coarse.sum())),
                Estimate.exact(float(fine.total - coarse.sum())), "", "coarse == fine",
                "muscles and unassigned cells are regions", "aggregation conserves every connection",
            )
        )  # fmt: skip
    return ledger


def _club_names(found: Found) -> list[str]:
    at = found.club.club(CLUB_ABOVE)
    order = at[np.argsort(-found.club.degree[at], kind="stable")]
    return [str(found.worm.chemical.nodes[k]) for k in order]


def _in_words(config: WormConfig, found: Found) -> str:
    club, names = found.club, _club_names(found)
    at = club.at(CLUB_ABOVE)
    price = found.lost.measures
    kept, defect, late = (price[key] for key in ("information kept", "lumpability defect", "dynamics error at t = 8"))
    flow = price["flow error"]
    rows = found.worm.lower_case
    strange = " and ".join(f"{a.upper()} to {b.upper()}" for a, b, _ in rows)
    rest = beside_others(found.lost, "the ganglia")
    return (
        f"All {found.made.total:,} synapses between {found.worm.chemical.n} neurons are in the matrix of ten ganglia. "
        f"The file holds {found.worm.chemical.total:,}; the published 6,393 is what is left without the one synapse "
        f"whose receiver's row is in lower case ({strange or 'none'}). Read in either case, sending and receiving "
        "rows agree in all pairs.\n\n"
        f"The {club.members[at]} neurons of degree above {CLUB_ABOVE}, {', '.join(names)}, are joined in "
        f"{club.edges[at]} of {club.members[at] * (club.members[at] - 1) // 2} pairs, {club.normalised[at]:.2f} times "
        f"as often as in {config.rewirings:,} networks of the same degrees (z = {club.z[at]:.1f}; p = "
        f"{club.p_largest:.2g} for the best level of all).\n\n"
        f"Knowing the ganglion of the sender tells {100 * kept.value:.0f} % of what the neuron tells about the "
        f"receiver, {100 * kept.random.value:.0f} % with random regions of the same sizes. Both shares are plug-in "
        "values, and the fine one is biased upward by sparse counts. "
        f"Ganglia are {'more' if defect.value < defect.random.value else 'NOT more'} alike inside than random ones "
        f"(lumpability defect {defect.value:.2f} against {defect.random.value:.2f}), and the network of ganglia is off "
        f"by {100 * late.value:.0f} % of the mean activity after eight time constants ({100 * late.random.value:.0f} % "
        f"for random ones). Flow over all paths is wrong by {100 * flow.value:.0f} %, for random regions by "
        f"{100 * flow.random.value:.0f} %: their true flow is nearly the same everywhere, which is easy to get "
        f"right.{rest}\n\nLimits. With neurons redrawn within ganglia the median error of a block is "
        f"{100 * np.median(found.neurons.relative):.0f} %, with synapses redrawn "
        f"{100 * np.median(found.synapses.relative):.0f} %: which one is meant must be said. Ganglia have few neurons "
        "and each neuron a name, so a population they could be drawn from is a fiction here; and one animal says "
        "nothing of the next. The first data are of one adult, put together from several; "
        "the eight stages are eight other animals, of their nerve rings alone, so that the ventral cord is nearly "
        "empty. The linear rate model knows no signs, which the data do not have."
    )


def _data(found: Found) -> xarray.Dataset:
    made, names = found.made, list(found.made.names)
    pair = ("sender", "receiver")
    stage = ("stage", "cell_sender", "cell_receiver")
    cells = list(found.stages.regions.names)
    z, adjusted = _scores(found)
    return xarray.Dataset(
        {
            "synapses": (pair, made.counts, {"units": "1", "long_name": "synapses between ganglia"}),
            "error_neurons": (
                pair, found.neurons.error, {"units": "1", "long_name": "standard error, neurons redrawn"}
            ),
            "error_synapses": (
                pair, found.synapses.error, {"units": "1", "long_name": "standard error, synapses redrawn"}
            ),
            "z": (pair, z, {"units": "1", "long_name": "against networks of the same degrees"}),
            "p_adjusted": (pair, adjusted, {"units": "1", "long_name": "p-value, adjusted for all blocks"}),
            "grown": (stage, found.grown, {"units": "1", "long_name": "synapses between regions at eight stages"}),
            "activity": (
                ("time", "sender"), found.lost.following.true, {"units": "1", "long_name": "mean of the neurons"}
            ),
            "activity_coarse": (
                ("time", "sender"), found.lost.following.model, {"units": "1", "long_name": "of the network of ganglia"}
            ),
            "dynamics_error": ("time", found.lost.following.error, {"units": "1", "long_name": "relative error"}),
            "rich_club": (
                ("degree", "what"),
                np.stack([np.ma.filled(row.astype(float), np.nan) for row in _curves(found.club)], axis=1),
                {"units": "1", "long_name": "members, phi, phi of rewired networks, their ratio, z; above each degree"},
            ),
        },
        {
            "sender": names, "receiver": names, "cell_sender": cells, "cell_receiver": cells, "stage": list(AGES),
            "time": ("time", found.lost.following.times, {"units": "1", "long_name": "time, in time constants"}),
            "degree": ("degree", found.club.level, {"units": "1", "long_name": "degree that members exceed"}),
            "what": ["members", "phi", "phi_null", "normalised", "z"],
        },
    )  # fmt: skip


def _curves(club: RichClub) -> tuple[NDArray[np.generic], ...]:
    return club.members, club.phi, club.phi_null, club.normalised, club.z


def _scores(found: Found) -> tuple[Array, Array]:
    """z and p adjusted for all blocks, NaN where the draws do not vary."""
    assert found.roads.p_largest is not None
    return found.roads.z.filled(np.nan), found.roads.p_largest.filled(np.nan)


def _groups(names: tuple[str, ...]) -> list[str]:
    return [next((group for group, inside in GROUPS.items() if name in inside), "") for name in names]


def _pictures(found: Found) -> dict[str, Picture]:
    made = found.made
    counts = made.counts.astype(np.float64)
    filled = [k for k in range(made.k) if made.members[k] > 0]
    names = tuple(made.names[k] for k in filled)
    kept = counts[np.ix_(filled, filled)]
    groups = _groups(names)
    z, adjusted = _scores(found)
    scores, sure = z[np.ix_(filled, filled)], adjusted[np.ix_(filled, filled)] < 0.05
    follow = found.lost.following
    shown = np.argsort(-follow.true.max(axis=0) * (made.members > 0), kind="stable")[:5]
    club = found.club
    hub = found.hubs
    level = club.members >= 3
    x = club.level[level].astype(np.float64)
    null_error = np.ma.filled(club.phi / np.ma.maximum(club.normalised, 1e-9) * club.normalised_error, np.nan)[level]
    ratio = {"φ / φ of rewired networks": (
        np.ma.filled(club.normalised, np.nan)[level], np.ma.filled(club.normalised_error, np.nan)[level])}  # fmt: skip
    both = {
        "as it is": (np.ma.filled(club.phi, np.nan)[level], None),
        "rewired": (np.ma.filled(club.phi_null, np.nan)[level], null_error),
    }
    return {
        "ganglia": Picture(
            pictures.matrices(kept, names, groups=groups, z=scores, marked=sure, unit="synapses"),
            "Synapses between ganglia, from head to tail. Left: counts; white is none. Right: standard deviations from "
            "networks in which every neuron keeps its numbers of partners and of synapses; dots mark p < 0.05 with all "
            "blocks tested at once. "
            f"{int((sure & (scores > 0)).diagonal().sum())} of {len(names)} ganglia talk more to themselves than that.",
        ),
        "growth": Picture(
            pictures.strips(
                list(AGES), found.grown, found.stages.regions.names,
                np.array([one.total for one in found.stages.networks]), unit="synapses",
            ),
            "Growth of the nerve ring: eight animals from birth to adult. Above: synapses between the ganglia of the "
            "cells, muscles a region of their own; below: their totals, by the ganglion of the sender. The pattern is "
            "there at birth and fills up.",
        ),
        "rich-club": Picture(
            pictures.curves(x, {"density among neurons above this degree": both, "ratio": ratio}, xlabel="degree"),
            f"The rich club. Left: the share of pairs that are joined among neurons above a degree, in the worm and in "
            f"{club.replicas:,} networks of the same degrees. Right: their ratio with the error of the mean over these "
            f"networks. Above degree {CLUB_ABOVE} stand {len(_club_names(found))} neurons: the club.",
        ),
        "flows": Picture(
            pictures.chords(kept, names, groups=groups, strongest=40),
            "The strongest flows between ganglia; head blue, body orange, tail green. A ribbon has the colour of the "
            "ganglion it comes from, touches the rim there and ends a step inside where it arrives.",
        ),
        "hubs": Picture(
            pictures.hubs(
                hub.strength[filled], hub.participation[filled], names, strength_error=hub.strength_error[filled],
                participation_error=hub.participation_error[filled], groups=groups, unit="synapses from and to others",
            ),
            "Ganglia by what flows through them and how evenly it is spread over the others. Bars: one standard error, "
            "neurons redrawn within ganglia. The lateral ganglion is the hub.",
        ),
        "lost": Picture(
            pictures.bars_of_loss(*bars(found.lost, LOSSES, "ganglia"), {}),
            "What ten ganglia keep and lose, beside random regions of the same sizes (line and band) and ten groups "
            "made from the connections alone. More information kept is better; of the others less is better.",
        ),
        "activity": Picture(
            pictures.activity(
                follow.times, follow.true[:, shown], follow.model[:, shown], [made.names[k] for k in shown],
                {"ganglia": follow.error, "random regions, ± 2 sd": found.lost.random_error}
                | {name: error for name, (_, error) in found.lost.others.items()},
            ),
            "The anterior ganglion is switched on and the activity spreads. Left: mean activity of ganglia, from all "
            "neurons and from the network of ganglia. Right: the relative error of the latter.",
        ),
    }  # fmt: skip


def _ganglia(found: Found) -> Table:
    made = found.made
    drawn = found.redrawn
    errors = np.array([drawn.sum(axis=2).std(axis=0, ddof=1), drawn.sum(axis=1).std(axis=0, ddof=1)])
    caption = (
        "Ganglia: synapses sent and received (those within counted in both), the share that stays inside, how evenly "
        "the rest is spread, the share of shortest paths that pass through, the rank by strength (sent and received, "
        "without what stays inside) and the last two together, and how often a ganglion ranks first when neurons are "
        "redrawn within ganglia, as for all errors here. One animal gives no error from one to the next."
    )
    counts = made.counts.astype(np.float64)
    filled = np.flatnonzero(made.members > 0)
    return region_table(made.names, made.members, counts, errors, found.hubs, filled, caption)


def _club_table(found: Found) -> Table:
    names = _club_names(found)
    nodes = [str(node) for node in found.worm.chemical.nodes]
    at = [nodes.index(name) for name in names]
    regions = found.worm.ganglia
    return Table(
        {
            "neuron": names,
            "ganglion": [regions.names[regions.label[k]] for k in at],
            "degree": [int(found.club.degree[k]) for k in at],
            "synapses sent": [int(found.worm.chemical.outflow[k]) for k in at],
            "synapses received": [int(found.worm.chemical.inflow[k]) for k in at],
        },
        f"The rich club: neurons joined to more than {CLUB_ABOVE} others by chemical synapses or gap junctions.",
    )


def _matrix_table(found: Found) -> str:
    names = found.made.names
    z, adjusted = _scores(found)
    lines = ["from,to,synapses,error (neurons),error (synapses),z,adjusted p"]
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            known = found.neurons.known[i, j]
            lines.append(
                f"{a},{b},{found.made.counts[i, j]},{found.neurons.error[i, j] if known else ''},"
                f"{found.synapses.error[i, j]:.6g},{z[i, j]:.6g},{adjusted[i, j]:.6g}"
            )
    return "\n".join(lines) + "\n"


def _club_lines(found: Found) -> str:
    table = _club_table(found)
    lines = [",".join(table.columns)]
    lines += [",".join(str(value) for value in row) for row in zip(*table.columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


CITE = [
    "L. R. Varshney, B. L. Chen, E. Paniagua, D. H. Hall and D. B. Chklovskii, PLoS Comput. Biol. 7, e1001066 (2011).",
    "E. K. Towlson, P. E. Vertes, S. E. Ahnert, W. R. Schafer and E. T. Bullmore, J. Neurosci. 33, 6380 (2013).",
    "D. Witvliet et al., Nature 596, 257 (2021).",
    "V. Colizza, A. Flammini, M. A. Serrano and A. Vespignani, Nature Phys. 2, 110 (2006).",
    "The packages cect (OpenWorm, MIT) and connectome-utilities (Apache-2.0), which carry the files.",
]
