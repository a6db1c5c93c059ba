"""What the kind `networks.regions` reports: estimates, ledger, tables, files, and the verdict in words."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.networks.aggregation import EXTERNAL, RegionNetwork
from kadanoff.networks.detection import without_background
from kadanoff.networks.laplacian_rg import peaks
from kadanoff.networks.layers import layer_blocks, netted
from kadanoff.networks.lost import corrected_information, ledger_of, shared_information
from kadanoff.networks.motifs import reciprocity
from kadanoff.networks.normalise import density, enrichment, input_fraction, output_fraction
from kadanoff.networks.presets import PRESETS
from kadanoff.networks.regions import UNASSIGNED
from kadanoff.networks.resampling import block_errors
from kadanoff.networks.studies.measures import beside_others, lost_estimates, region_table
from kadanoff.study import Reported, Table

if TYPE_CHECKING:
    from kadanoff.networks.studies.connectome import Found

__all__ = ["cite", "data", "estimates", "files", "in_words", "ledger", "tables"]

Array = NDArray[np.float64]
STRONGEST, LISTED = 5, 60


def strongest(made: RegionNetwork, number: int) -> list[tuple[int, int]]:
    """The blocks (from, to) between different named regions with the most synapses, first the largest."""
    counts = made.counts.astype(np.float64)  # a copy
    np.fill_diagonal(counts, -1)
    for k, name in enumerate(made.names):
        if name in (UNASSIGNED, EXTERNAL):
            counts[k] = counts[:, k] = -1
    order = np.argsort(-counts, axis=None, kind="stable")[:number]
    pairs = [(int(at) // made.k, int(at) % made.k) for at in order]
    return [(a, b) for a, b in pairs if counts[a, b] > 0]


def _name(text: str) -> str:
    return text.replace(" ", "_")


def expectation(found: Found) -> Array | None:
    """(K, K) what the reader's table expects between the regions, NaN where it says nothing."""
    if found.config.expected is None:
        return None
    names = list(found.made.names)
    told = np.full((len(names), len(names)), np.nan)
    with Path(found.config.expected).open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        if not {"from", "to", "synapses"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{found.config.expected}: expected the columns from, to, synapses, got {rows.fieldnames}")
        for number, row in enumerate(rows):
            if row["from"] not in names or row["to"] not in names:
                raise ValueError(
                    f"{found.config.expected}: row {number} is about {row['from']} to {row['to']}, and the regions are "
                    f"{', '.join(names)}"
                )
            told[names.index(row["from"]), names.index(row["to"])] = float(row["synapses"])
    return told


def estimates(found: Found) -> dict[str, Reported | Estimate]:
    """The numbers of result.json."""
    network, made, config = found.read.network, found.made, found.config
    exact = Estimate.exact
    mended = network.mended
    told = expectation(found)
    out: dict[str, Reported | Estimate] = {
        "neurons": exact(network.n),
        "connections": exact(len(network.matrix().data)),
        "synapses": exact(network.total),
        "regions": exact(int((made.members[:-1] > 0).sum())),
        "synapses_kept": Reported(exact(made.total), float(network.total), source="no synapse is lost"),
        "unassigned_neurons": exact(made.members[-1]),
        "unassigned_share": exact(float((made.counts[-1].sum() + made.counts[:-1, -1].sum()) / made.total)),
    }
    for what in ("duplicates", "self_loops", "unmatched", "zeros", "silent", "below"):
        if number := getattr(mended, what):
            out[f"read.{what}"] = exact(number)
    if (carried := found.maps.get("projectome")) is not None:
        out["external_share"] = exact(float(carried.counts[-1].sum() / carried.total))
        assert carried.ended is not None
        out["ended_share"] = exact(float(carried.ended.sum() / carried.total))
    if (soft := found.maps.get("soft block")) is not None and found.read.receivers is not None:
        out["soft_unassigned_share"] = exact(float((soft.counts[-1].sum() + soft.counts[:-1, -1].sum()) / soft.total))
        out["share_entropy"] = exact(float(found.read.receivers.entropy.mean()), "nat")
    background = None if config.precision is None else without_background(made, config.precision)
    for a, b in strongest(made, STRONGEST):
        name = f"{_name(made.names[a])}.{_name(made.names[b])}"
        error = float(found.neurons.error[a, b]) if found.neurons.known[a, b] else None
        reference = None if told is None or not np.isfinite(told[a, b]) else float(told[a, b])
        out[f"flow.{name}"] = Reported(
            Estimate(float(made.counts[a, b]), error, None, "", "neurons redrawn within regions"), reference,
            source="" if reference is None else "the mean of the model that made these data, neurons redrawn",
        )  # fmt: skip
        if background is not None:
            mean, spread = float(background.mean[a, b]), float(background.error[a, b])
            out[f"flow_without_background.{name}"] = Estimate(mean, spread, None, "", "synapses")
    chosen = found.chosen
    if chosen is not made:
        spread = found.redrawn.std(axis=0, ddof=1)
        for a, b in strongest(chosen, STRONGEST):
            name = f"{_name(chosen.kind)}.{_name(chosen.names[a])}.{_name(chosen.names[b])}"
            error = float(spread[a, b])
            out[name] = Estimate(float(chosen.counts[a, b]), error, config.replicates, "", "neurons redrawn")
    if told is not None:
        for confidence in (0.95, 0.999):
            bars = block_errors(network, found.read.regions, unit="neuron", confidence=confidence)
            tested = bars.known & np.isfinite(told)
            outside = int(((told < bars.low) | (told > bars.high))[tested].sum())
            mean = float((1 - confidence) * tested.sum())
            out[f"expected.outside_{100 * confidence:g}"] = Reported(
                exact(outside), mean, max(mean * confidence, 1e-12) ** 0.5,
                source=f"{100 * confidence:g} % intervals of {int(tested.sum())} blocks, neurons redrawn",
            )  # fmt: skip
        out["expected.total_ratio"] = exact(float(made.counts[np.isfinite(told)].sum() / np.nansum(told)))
    few = "no block has neurons enough on both sides for an error"
    for unit, bars in (("neurons", found.neurons), ("synapses", found.synapses)):
        typical = exact(float(np.median(bars.relative))) if bars.relative.size else None
        out[f"relative_error.{unit}"] = Reported(typical, reason="" if typical else few)
    hub = _first_hub(found)
    out["hub_strength"] = Estimate(
        float(found.hubs.strength[hub]), float(found.hubs.strength_error[hub]), config.replicates, "", "neurons redrawn"
    )
    out["hub_ranks_first"] = exact(float(found.hubs.first[hub]))
    adjusted = found.roads.p_largest
    assert adjusted is not None
    beyond = (adjusted <= 0.05).filled(False)
    more = found.roads.observed > found.roads.expected  # z has no value where all draws are alike
    out["highways"] = exact(int((beyond & more).sum()))
    out["avoided"] = exact(int((beyond & ~more).sum()))
    out["blocks_tested"] = exact(found.roads.tested)
    out["reciprocity"] = exact(reciprocity(network))
    if isinstance(found.mutual, str):
        out["reciprocity_z"] = Reported(None, reason=found.mutual)
    elif np.ma.is_masked(found.mutual.z):
        out["reciprocity_z"] = Reported(None, reason="all networks with these blocks are alike in it")
    else:
        z, spread = float(found.mutual.z), float(found.mutual.z_error)
        out["reciprocity_z"] = Estimate(z, spread, found.mutual.replicas, "", "networks with these blocks")
    if isinstance(found.club, str):
        out["rich_club_p_largest"] = Reported(None, reason=found.club)
    else:
        out["rich_club_p_largest"] = exact(found.club.p_largest)
    out["indirect_share"] = exact(found.flow.indirect_share)
    if config.signs:
        split = netted(network, found.read.regions, config.signs)
        out["cancelled_if_netted"] = exact(split.cancelled)
    levels = found.thresholds
    for level, total, moved in zip(levels.thresholds, levels.total, levels.moved, strict=True):
        if level > 1:
            out[f"threshold_{level}.synapses_kept"] = exact(float(total / network.total))
            out[f"threshold_{level}.moved"] = exact(float(moved))
    tops = peaks(found.scales)
    out["scales"] = exact(len(tops))
    for number, top in enumerate(sorted(tops, key=lambda one: -one.height.value)[:3], start=1):
        out[f"scale_{number}.diffusion_time"] = top.tau
        out[f"scale_{number}.susceptibility"] = top.height
    out["information"] = exact(shared_information(network), "nat")
    out["information.bias_corrected"] = corrected_information(network)
    return out | lost_estimates(found.lost, config.random_partitions)


def ledger(found: Found) -> Ledger:
    """What each of the maps conserves and loses, layers among it."""
    read = found.read
    book = Ledger()
    for name, made in found.maps.items():
        regions: Any = {"block": read.regions, "soft block": read.senders, "projectome": None}[name]
        post = read.receivers if name == "soft block" else None
        for loss in ledger_of(read.network, regions, made, post=post, name=name):
            book.add(loss)
    if read.network.layer is not None:
        parts = layer_blocks(read.network, read.regions)
        gap = int(np.abs(sum(part.counts for part in parts.values()) - found.made.counts).max())
        book.add(
            Loss(
                "layers, block", Estimate.exact(0.0), Estimate.exact(gap), Estimate.exact(gap), "", "coarse == fine",
                "", "the layers' region networks add up to that of all; the largest difference of any block",
            )
        )  # fmt: skip
    return book


def in_words(found: Found) -> str:
    """The verdict's text."""
    network, made, config, roads = found.read.network, found.made, found.config, found.roads
    price = found.lost.measures
    kept, defect, flow = (price[key] for key in ("information kept", "lumpability defect", "flow error"))
    early, late = (price[f"dynamics error at t = {time}"] for time in (1, 8))
    named = [k for k in range(made.k) if made.names[k] != UNASSIGNED and made.members[k] > 0]
    hub = _first_hub(found)
    place = {name: k for k, name in enumerate(roads.names)}
    more = roads.observed > roads.expected
    ways = [(a, b) for a, b in roads.found() if more[place[a], place[b]]]
    between = [f"{a} to {b}" for a, b in ways if a != b][:4]
    unit = "" if found.read.labelled else ", a region being where most of a neuron's input lies"
    mended = network.mended
    lost = "; unassigned" if found.read.labelled else ""
    said = [
        f"{mended.unmatched} rows name neurons that are in no table ({mended.unmatched_count:g} synapses{lost})"
        if mended.unmatched else "",
        f"{mended.duplicates} rows repeat a pair and are added to it" if mended.duplicates else "",
        f"{mended.self_loops} neurons connect to themselves" if mended.self_loops else "",
        f"{mended.zeros} rows of no synapse are left out" if mended.zeros else "",
        f"{mended.silent} neurons have no connection" if mended.silent else "",
        f"{mended.below} weak connections with {mended.below_count:g} synapses are left out, as asked"
        if mended.below else "",
    ]  # fmt: skip
    told = "; ".join(text for text in said if text)
    others = [name for name in found.maps if name != config.map]
    of_block = f"{len(named)} regions{unit}; {_unassigned(int(made.members[-1]))}"
    where = of_block if found.chosen is made else f"{_filled(found.chosen)} regions"
    often = f" (in {100 * found.hubs.first[hub]:.0f} % of the replicates)" if found.neurons.relative.size else ""
    text = (
        f"All {network.total:,} synapses of {network.n:,} neurons are in the {config.map} network of {where}. "
        + (f"In reading: {told}. " if told else "")
        + (
            f"The tables allow the {' and the '.join(others)} too, with every synapse in it; that is another question "
            "with other numbers, never to be mixed with this one. "
            if others else ""
        )
        + "Null models and losses below are those of the block map"
        + (".\n\n" if found.chosen is made else f" ({of_block}), hubs and their errors those of the map asked for.\n\n")
        + f"{found.chosen.names[hub]} is the first hub by strength, evenness of its partners and shortest paths "
        f"together{often}. {len(ways)} of {roads.tested} blocks are stronger than in {roads.replicas} networks in "
        "which every neuron keeps its numbers of partners and of synapses (p < 0.05 with all blocks tested at once)"
        + (f", between regions above all {', '.join(between)}. " if between else ". ")
        + _mutual(found)
        + f"{_paths(found)}\n\n"
    )  # fmt: skip
    if found.neurons.relative.size:
        text += (
            "With neurons redrawn within regions the median error of a block is "
            f"{100 * np.median(found.neurons.relative):.0f} %, with synapses redrawn "
            f"{100 * np.median(found.synapses.relative):.0f} %"
        )
    else:
        text += "No block has neurons enough on both sides for an error with neurons redrawn"
    rest = beside_others(found.lost, "these regions")
    better = (
        "less than" if early.value < early.random.value - 2 * early.spread
        else "more than" if early.value > early.random.value + 2 * early.spread else "within the spread of"
    )  # fmt: skip
    easy = ": their true flow is nearly the same everywhere and easy to get right"
    easy = easy if flow.random.value < flow.value else ""
    return text + (
        f".\n\nThe price. Knowing the sender's region tells {100 * kept.value:.0f} % of what the neuron tells of the "
        f"receiver ({100 * kept.random.value:.1f} % with random regions of the same sizes; plug-in values, the fine "
        f"one biased upward by sparse counts). The members of a region listen alike to within {defect.value:.2f} "
        f"({defect.random.value:.2f}). With {found.read.lit_as} switched on, the region network errs by "
        f"{100 * early.value:.0f} % after one time constant, {better} random regions ({100 * early.random.value:.0f} "
        f"%), and by {100 * late.value:.0f} % after eight ({100 * late.random.value:.0f} %). Flow over all paths is "
        f"off by {100 * flow.value:.0f} % ({100 * flow.random.value:.0f} %{easy}).{rest}\n\n"
        "Limits. One animal gives no error from one to the next, whatever is redrawn. The rate model is linear and "
        "knows no signs. The null model keeps degrees and strengths, not distances: what lies close together may stand "
        "out for that alone."
    )


def _first_hub(found: Found) -> int:
    """The region of the best rank; what is nowhere is no hub."""
    rank = np.where(np.isin(found.chosen.names, (UNASSIGNED, EXTERNAL)), found.hubs.rank.max() + 1, found.hubs.rank)
    return int(np.argmin(rank))


def _filled(made: RegionNetwork) -> int:
    """Regions with a connection, what is nowhere not counted."""
    busy = (made.counts.sum(axis=0) + made.counts.sum(axis=1)) > 0
    return sum(bool(there) and name not in (UNASSIGNED, EXTERNAL) for name, there in zip(made.names, busy, strict=True))


def _unassigned(neurons: int) -> str:
    if not neurons:
        return "every neuron has a region"
    return f"{neurons} neuron{'s are' if neurons > 1 else ' is'} unassigned, and that is a region too"


def _mutual(found: Found) -> str:
    if isinstance(found.mutual, str):
        return ""
    if np.ma.is_masked(found.mutual.z):
        far = "all drawn networks with the same blocks are alike in this and differ from it"
    else:
        z, places = float(found.mutual.z), 0 if found.mutual.z_error > 0.5 else 1
        far = f"{z:+.{places}f} standard deviations from networks with the same blocks"
    missed = "that much the region network does not know" if found.mutual.p <= 0.05 else "no more than chance"
    return f"Reciprocal pairs are {float(found.mutual.observed):.3f} of all, {far}: {missed}. "


def _paths(found: Found) -> str:
    """Where flow over several steps goes; its share of all flow says nothing but the gain."""
    over = found.flow.total - found.flow.direct
    over = over.copy()
    np.fill_diagonal(over, -1)
    over[-1] = over[:, -1] = -1
    a, b = (int(at) for at in np.unravel_index(int(np.argmax(over)), over.shape))
    if over[a, b] <= 0:
        return "No flow takes more than one step between regions."
    return (
        f"Over paths of several steps most flow runs from {found.made.names[a]} to {found.made.names[b]} (that "
        f"{100 * found.flow.indirect_share:.0f} % of all flow is indirect is the gain of {found.config.gain:g}, less "
        "what ends at neurons without input, whatever the wiring)."
    )


def data(found: Found) -> xarray.Dataset:
    """The arrays of data.nc."""
    made = found.made
    pair = ("sender", "receiver")
    out = xarray.Dataset(
        {
            "synapses": (pair, made.counts, {"units": "1", "long_name": "block network"}),
            "error_neurons": (
                pair, found.neurons.error, {"units": "1", "long_name": "standard error, neurons redrawn"}
            ),
            "expected": (pair, found.roads.expected, {"units": "1", "long_name": "mean of rewired networks"}),
            "z": (pair, found.roads.z.filled(np.nan), {"units": "1", "long_name": "against rewired networks"}),
            "members": ("sender", made.members, {"units": "1", "long_name": "neurons"}),
            "activity": (
                ("time", "sender"), found.lost.following.true, {"units": "1", "long_name": "mean of the neurons"}
            ),
            "activity_coarse": (
                ("time", "sender"), found.lost.following.model, {"units": "1", "long_name": "of the region network"}
            ),
            "dynamics_error": ("time", found.lost.following.error, {"units": "1", "long_name": "relative error"}),
            "flow": (pair, found.flow.total, {"units": "1", "long_name": "direct and indirect, of the neurons"}),
            "threshold_counts": (
                ("threshold", *pair), found.thresholds.counts, {"units": "1", "long_name": "pairs from a threshold on"}
            ),
        },
        {
            "sender": list(made.names), "receiver": list(made.names),
            "time": ("time", found.lost.following.times, {"units": "1", "long_name": "time, in time constants"}),
            "threshold": ("threshold", found.thresholds.thresholds, {"units": "1", "long_name": "synapses of a pair"}),
        },
    )  # fmt: skip
    for name, function in (
        ("output_fraction", output_fraction), ("input_fraction", input_fraction), ("density", density),
        ("enrichment", enrichment),
    ):  # fmt: skip
        made_of = function(made)
        out[name] = (pair, made_of.values.filled(np.nan), {"units": "1", "long_name": made_of.kind})
    for kind in ("soft block", "projectome"):
        if kind in found.maps:
            other = found.maps[kind]
            axis = _name(kind)
            out[axis] = (
                (f"{axis}_sender", f"{axis}_receiver"), other.counts.astype(np.float64),
                {"units": "1", "long_name": kind},
            )  # fmt: skip
            out = out.assign_coords({f"{axis}_sender": list(other.names), f"{axis}_receiver": list(other.names)})
    return out


def tables(found: Found) -> dict[str, Table]:
    """Regions, blocks and layers, for the report."""
    made, drawn = found.chosen, found.redrawn
    errors = np.array([drawn.sum(axis=2).std(axis=0, ddof=1), drawn.sum(axis=1).std(axis=0, ddof=1)])
    counts = made.counts.astype(np.float64)
    shown = np.flatnonzero((made.members > 0) | (counts.sum(axis=0) + counts.sum(axis=1) > 0))
    out = {
        "regions": region_table(
            made.names, made.members, counts, errors, found.hubs, shown,
            f"Regions, {made.kind} map: synapses sent and received (those within counted in both), the share that "
            "stays inside, how evenly the rest is spread over the others, the share of shortest paths that pass "
            "through, the rank by strength (sent and received, without what stays inside) and the last two together, "
            "and how often a region ranks first. Errors: neurons redrawn within regions; one animal gives none "
            "from one to the next.",
        ),
        "blocks": _blocks(found),
    }  # fmt: skip
    if found.read.network.layer is not None:
        parts = layer_blocks(found.read.network, found.read.regions)
        out["layers"] = Table(
            {
                "layer": list(parts),
                "synapses": [int(part.counts.sum()) for part in parts.values()],
                "within regions": [float(np.trace(part.counts) / max(part.counts.sum(), 1)) for part in parts.values()],
            },
            "Layers, kept apart: setting one off against another would hide strong regions.",
        )
    return out


def _blocks(found: Found) -> Table:
    made, roads = found.made, found.roads
    order = np.argsort(-made.counts, axis=None, kind="stable")[:LISTED]
    pairs = [(int(at) // made.k, int(at) % made.k) for at in order if made.counts.flat[at] > 0]
    assert roads.p_largest is not None
    adjusted = roads.p_largest

    def number(values: Any, a: int, b: int) -> float | None:
        return None if np.ma.is_masked(values[a, b]) else float(values[a, b])

    return Table(
        {
            "from": [made.names[a] for a, _ in pairs],
            "to": [made.names[b] for _, b in pairs],
            "synapses": [
                Estimate(float(made.counts[a, b]), float(found.neurons.error[a, b]))
                if found.neurons.known[a, b] and found.neurons.error[a, b] > 0 else int(made.counts[a, b])
                for a, b in pairs
            ],
            "by chance": [
                Estimate(float(roads.expected[a, b]), float(roads.spread[a, b])) if roads.spread[a, b] > 0
                else float(roads.expected[a, b])
                for a, b in pairs
            ],
            "z": [number(roads.z, a, b) for a, b in pairs],
            "adjusted p": [number(adjusted, a, b) for a, b in pairs],
        },
        f"The {len(pairs)} strongest blocks: synapses with the error of neurons redrawn; mean and standard deviation "
        f"of {roads.replicas} networks of the same degrees and strengths; p adjusted for all {roads.tested} blocks by "
        "the most extreme one of every draw.",
    )  # fmt: skip


def files(found: Found) -> dict[str, str | bytes]:
    """Region networks as long tables, for other programs."""
    out: dict[str, str | bytes] = {}
    for kind, made in found.maps.items():
        out[f"{kind.replace(' ', '-')}.csv"] = _long(made, found if kind == "block" else None)
    return out


def _long(made: RegionNetwork, found: Found | None) -> str:
    lines = ["from,to,synapses" + (",error (neurons),z,adjusted p" if found else "")]
    for a, b in np.argwhere(made.counts > 0):
        value = made.counts[a, b]
        row = [
            _quoted(made.names[a]),
            _quoted(made.names[b]),
            f"{value}" if made.counts.dtype.kind in "iu" else f"{value:.10g}",
        ]
        if found is not None:
            assert found.roads.p_largest is not None
            known = found.neurons.known[a, b]
            more = (found.roads.z[a, b], found.roads.p_largest[a, b])
            row += [f"{found.neurons.error[a, b]:.6g}" if known else ""]
            row += ["" if np.ma.is_masked(one) else f"{one:.6g}" for one in more]
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text


def cite(found: Found) -> list[str]:
    """Works behind the methods, and the data's where a preset names them."""
    works = [
        "S. Maslov and K. Sneppen, Science 296, 910 (2002), on rewired networks.",
        "P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing (1993).",
        "R. Guimera and L. A. N. Amaral, Nature 433, 895 (2005), on participation.",
        "J. G. Kemeny and J. L. Snell, Finite Markov Chains (1960), on lumping.",
        "T. M. Cover and J. A. Thomas, Elements of Information Theory (2006), section 2.8, data processing.",
    ]
    if found.config.preset is not None and PRESETS[found.config.preset].cite:
        works.append(f"The data: {PRESETS[found.config.preset].cite}. Licence: {PRESETS[found.config.preset].licence}.")
    return works
