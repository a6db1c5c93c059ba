"""The pictures of the kind `networks.regions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kadanoff.networks.aggregation import EXTERNAL, RegionNetwork
from kadanoff.networks.regions import UNASSIGNED
from kadanoff.networks.studies import pictures as draw
from kadanoff.networks.studies.connectome_results import strongest
from kadanoff.networks.studies.measures import bars
from kadanoff.study import Picture

if TYPE_CHECKING:
    from kadanoff.networks.studies.connectome import Found

__all__ = ["pictures"]

Array = NDArray[np.float64]
APART = (UNASSIGNED, EXTERNAL)


def pictures(found: Found) -> dict[str, Picture]:
    """All pictures, by the stem of their file."""
    made, hub = found.made, found.hubs
    depth = depths(found)
    order = _order(made, found.read.groups, depth)
    names = [made.names[k] for k in order]
    groups = [found.read.groups.get(name, "") for name in names] if found.read.groups else None
    counts = made.counts.astype(np.float64)
    inside = np.ix_(order, order)
    adjusted = found.roads.p_largest
    assert adjusted is not None
    sure = (adjusted <= 0.05).filled(False)
    chosen = found.chosen
    deep = dict(zip(made.names, depth.tolist(), strict=True))  # regions of the same names stand in the same order
    beside = np.array([deep.get(name, np.nan) for name in chosen.names])
    other = _order(chosen, found.read.groups, beside) if chosen is not made else order
    shown_names = [chosen.names[k] for k in other]
    shown_groups = [found.read.groups.get(name, "") for name in shown_names] if found.read.groups else None
    shown_counts = chosen.counts.astype(np.float64)[np.ix_(other, other)]
    out = {
        "region-network": Picture(
            draw.matrices(
                counts[inside], names, groups=groups, apart=APART, z=found.roads.z.filled(np.nan)[inside],
                marked=sure[inside], unit="synapses",
            ),
            "The block network. Left: synapses from row to column, on a logarithmic scale; white is none, the strip at "
            f"the edge holds neurons without a region. Right: standard deviations from {found.roads.replicas} networks "
            "in which every neuron keeps its numbers of partners and of synapses; dots mark p < 0.05 with all blocks "
            "tested at once.",
        )
    }  # fmt: skip
    if chosen is not made:
        out["chosen-map"] = Picture(
            draw.matrices(shown_counts, shown_names, groups=shown_groups, apart=APART, unit="synapses"),
            f"The {chosen.kind} network, the map that was asked for. It answers another question than the block "
            "network above and must not be compared with it entry by entry.",
        )
    out["flows"] = Picture(
        draw.chords(shown_counts, shown_names, groups=shown_groups, strongest=40),
        f"The strongest flows between regions, {chosen.kind} map. A ribbon has the colour of where it comes from"
        f"{' (its group)' if shown_groups else ''}, touches the rim there and ends a step inside where it arrives; "
        "flows of a region to itself are left out.",
    )
    through = counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    out["layers"] = Picture(
        draw.layered(
            counts[inside], names, depth[order], through[order], groups=groups, axis_label="mean step of recruitment",
        ),
        f"Regions by the mean step at which their neurons are recruited from {found.read.lit_as}, as large as what "
        "flows through them. Flows to later regions curve above, flows back below and dashed; only the strongest are "
        "drawn.",
    )  # fmt: skip
    named = [k for k in order if made.names[k] != UNASSIGNED]
    placed = [k for k in other if chosen.names[k] not in APART]
    out["hubs"] = Picture(
        draw.hubs(
            hub.strength[placed], hub.participation[placed], [chosen.names[k] for k in placed],
            strength_error=hub.strength_error[placed], participation_error=hub.participation_error[placed],
            groups=[found.read.groups.get(chosen.names[k], "") for k in placed] if found.read.groups else None,
            unit="synapses from and to other regions",
        ),
        f"Regions by what flows through them ({chosen.kind} map) and by how evenly it is spread over the others. Bars: "
        "one standard error, neurons redrawn within regions. Hubs stand at the upper right.",
    )  # fmt: skip
    kinds = (
        "information kept",
        "lumpability defect",
        "dynamics error at t = 1",
        "dynamics error at t = 8",
        "flow error",
    )
    out["lost"] = Picture(
        draw.bars_of_loss(*bars(found.lost, kinds, f"{len(named)} regions"), {}),
        "What the regions keep and lose (bars), beside random regions of the same sizes (line, and band of two "
        "standard deviations) and as many groups made from the connections alone. More information kept is better; of "
        "the others less is better.",
    )
    follow = found.lost.following
    most = [k for k in np.argsort(-follow.true.max(axis=0), kind="stable") if made.names[k] != UNASSIGNED][:5]
    out["activity"] = Picture(
        draw.activity(
            follow.times, follow.true[:, most], follow.model[:, most], [made.names[k] for k in most],
            {"these regions": follow.error, "random regions, ± 2 sd": found.lost.random_error}
            | {name: error for name, (_, error) in found.lost.others.items()},
        ),
        f"{found.read.lit_as[:1].upper() + found.read.lit_as[1:]} are on at the start and activity spreads. Left: the "
        "mean of a region's neurons, and the same from the region network. Right: the relative error of the latter "
        "against time.",
    )  # fmt: skip
    out["thresholds"] = _thresholds(found)
    scales = found.scales
    susceptibility = {"": (scales.value, scales.error if scales.method == "random vectors" else None)}
    out["scales"] = Picture(
        draw.curves(
            scales.tau, {"entropic susceptibility (nat)": susceptibility},
            xlabel="diffusion time (1 / a connection)", log=True,
        ),
        f"Scales of the network by diffusion on it ({scales.method}): a peak is a time over which groups of nodes "
        "become one; a network without a scale between its nodes and the whole has one peak alone.",
    )  # fmt: skip
    return out


def depths(found: Found) -> Array:
    """(K,) mean step at which the neurons of a region are recruited, NaN where none is."""
    label, layer = found.read.regions.label, found.layers.layer
    there = ~np.ma.getmaskarray(layer)
    k = found.made.k
    number = np.bincount(label[there], minlength=k)
    total = np.bincount(label[there], layer.filled(0.0)[there], k)
    return np.asarray(np.divide(total, number, out=np.full(k, np.nan), where=number > 0))


def _order(made: RegionNetwork, groups: dict[str, str], depth: Array | None) -> list[int]:
    """Regions with a connection, by group and then by depth (or as they are); unassigned and external last."""
    counts = made.counts
    used = [k for k in range(made.k) if counts[k].any() or counts[:, k].any()]
    known = list(dict.fromkeys(sorted(groups.values())))

    def place(k: int) -> tuple[bool, int, float]:
        name = made.names[k]
        group = known.index(groups[name]) if name in groups else len(known)
        deep = float(k) if depth is None else float(np.nan_to_num(depth[k], nan=1e9))
        return name in APART, group, deep

    return sorted(used, key=place)


def _thresholds(found: Found) -> Picture:
    levels, made = found.thresholds, found.made
    x = levels.thresholds.astype(np.float64)
    kept = {
        "synapses": (levels.total / levels.total[0], None),
        "pairs of neurons": (levels.pairs / levels.pairs[0], None),
    }
    shares = {}
    for a, b in strongest(made, 4):
        share = levels.counts[:, a, b] / levels.total
        error = found.neurons.error[a, b] / made.counts[a, b] * share if found.neurons.known[a, b] else None
        shares[f"{made.names[a]} to {made.names[b]}"] = (share, error)
    panels = {"share kept": kept, "share of all synapses kept": shares}
    if not shares:
        del panels["share of all synapses kept"]
    return Picture(
        draw.curves(x, panels, xlabel="pairs with at least so many synapses"),
        "What a threshold on pairs of neurons does. Left: what is kept. Right: the share of the strongest blocks among "
        "what is kept, with the relative error of neurons redrawn at no threshold. Level lines say that the threshold "
        "takes the same share everywhere.",
    )
