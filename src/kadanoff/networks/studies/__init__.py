<<<<<<< HEAD
"""The studies of networks, one file a recipe."""
=======
"""The studies of networks."""

from __future__ import annotations

from typing import Self

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.maps import Map
from kadanoff.networks.lost import divergence, outflow_defect, reconstruction, shared_information
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["Regions", "regions"]

_EXAMPLE = [[0, 5, 1, 0], [4, 0, 0, 2], [1, 0, 0, 6], [0, 1, 7, 0]]


class Regions(BaseModel):
    """Settings of networks.regions."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    counts: list[list[int]] = Field(
        description="Connections from each node (row) to each node (column).", examples=[_EXAMPLE]
    )
    regions: list[str] = Field(description="Names of the regions.", examples=[["left", "right"]])
    hard: list[int] = Field(description="Region of each node, counted from 0; -1 for none.", examples=[[0, 0, 1, -1]])
    soft: list[list[float]] = Field(
        description="Share of each node (column) in each region (row); what is missing to 1 belongs to none.",
        examples=[[[1.0, 0.5, 0.0, 0.0], [0.0, 0.5, 1.0, 0.5]]],
    )

    @model_validator(mode="after")
    def _sizes_agree(self) -> Self:
        nodes, names = len(self.counts), len(self.regions)
        if any(len(row) != nodes for row in self.counts):
            raise ValueError(f"counts: every one of the {nodes} rows needs {nodes} numbers")
        if len(self.hard) != nodes:
            raise ValueError(f"hard: {len(self.hard)} labels for {nodes} nodes")
        if any(not -1 <= label < names for label in self.hard):
            raise ValueError(f"hard: labels run from -1 (none) to {names - 1}, the last of {names} regions")
        if len(self.soft) != names or any(len(row) != nodes for row in self.soft):
            raise ValueError(f"soft: {names} rows of {nodes} shares are needed, one row for each region")
        return self


def aggregate(counts: NDArray[np.int64], maps: dict[str, Map]) -> dict[str, NDArray[np.float64]]:
    """For each map: its region network ("hard") and the network as the regions remember it ("hard memory")."""
    made = {name: np.asarray(one.flow(counts), dtype=np.float64) for name, one in maps.items()}
    return made | {f"{name} memory": reconstruction(counts, one) for name, one in maps.items()}


def regions(config: Regions, run: Run) -> Result:
    """A network aggregated to regions, hard and soft: the flow is conserved to the last connection, the wiring inside
    is forgotten."""
    counts = np.array(config.counts, dtype=np.int64)
    maps = {
        "hard": Map.groups(config.hard, coarse=len(config.regions), unassigned="keep"),
        "soft": Map.shares(np.array(config.soft), unassigned="keep"),
    }
    made = run.stage("aggregate", aggregate, counts, maps)
    halves = Map.groups(
        np.arange(len(counts)) // 2
    )  # pairs of neighbours first, then all in one: two steps must equal one
    everything = Map.groups(np.zeros(halves.n_coarse, dtype=int), weight=halves.coarse_weight)
    in_steps = everything.flow(halves.flow(counts)) - (everything @ halves).flow(counts)
    total, fine_information = int(counts.sum()), shared_information(counts)

    def exact(value: float, unit: str = "") -> Estimate:
        return Estimate.exact(float(value), unit)

    estimates: dict[str, Reported | Estimate] = {}
    ledger = Ledger()
    for name, one in maps.items():
        rounding = 1e-12 * total
        lost = divergence(counts, made[f"{name} memory"])
        estimates |= {
            f"total_{name}": Reported(
                exact(made[name].sum()), float(total), tolerance=rounding, source="the sum of all counts"
            ),
            f"outflow_defect_{name}": Reported(
                exact(outflow_defect(counts, one)),
                0.0,
                tolerance=rounding,
                source="a region sends and receives what its parts do",
            ),
            f"forgotten_{name}": exact(lost, "nat"),
            f"information_kept_{name}": exact(shared_information(made[name]) / fine_information),
        }
        ledger = (
            ledger.add(
                Loss(
                    f"connections, {name}",
                    exact(total),
                    exact(made[name].sum()),
                    exact(total - made[name].sum()),
                    "",
                    "coarse == fine",
                    "nodes of no region are kept as one",
                    "aggregation conserves the flow",
                )
            )
            .add(
                Loss(
                    f"wiring, {name}",
                    None,
                    None,
                    exact(lost, "nat"),
                    "nat",
                    "lost >= 0",
                    "",
                    "divergence of the network from what its regions remember",
                )
            )
            .add(
                Loss(
                    f"source tells target, {name}",
                    exact(fine_information, "nat"),
                    exact(shared_information(made[name]), "nat"),
                    exact(fine_information - shared_information(made[name]), "nat"),
                    "nat",
                    "coarse <= fine",
                    "each end is mapped without looking at the other",
                    "data processing",
                )
            )
        )
    memory = made["hard memory"]
    estimates["two_steps_defect"] = Reported(exact(np.abs(in_steps).max()), 0.0, source="a map of a map is one map")
    estimates["forgotten_if_even"] = Reported(
        exact(divergence(memory, reconstruction(memory, maps["hard"])), "nat"),
        0.0,
        tolerance=1e-12,
        source="a network that is even inside every block loses nothing",
    )
    forgotten = {name: divergence(counts, made[f"{name} memory"]) for name in maps}
    kept = {name: 100 * shared_information(made[name]) / fine_information for name in maps}
    text = (
        f"All {total} connections are still there in {len(config.regions)} regions and the nodes of none. What is "
        "gone is who inside a region is wired to whom: "
        f"{forgotten['hard']:.3f} nats a connection with hard regions, {forgotten['soft']:.3f} with soft ones. "
        f"Knowing the source region tells {kept['hard']:.0f} % of what knowing the source node tells about the "
        f"target, {kept['soft']:.0f} % with soft regions.\n\n"
        "Limits: the network is made up, so the numbers show the method and nothing about any brain or market. A "
        "soft share treats the two ends of a "
        "connection as independent given the node. The information is that of the counts as they stand, not an "
        "estimate from a sample."
    )
    node = {"from": np.arange(len(counts)), "to": np.arange(len(counts))}
    names = [*config.regions, "none"]
    data = xarray.Dataset(
        {"counts": (("from", "to"), counts, {"units": "1", "long_name": "connections between nodes"})},
        {
            key: (key, value, {"units": "1", "long_name": f"node the connections go {key}"})
            for key, value in node.items()
        },
    )
    for name in maps:
        labels = names[: len(made[name])]
        data[name] = (
            ("source", "target"),
            made[name],
            {"units": "1", "long_name": f"connections between regions, {name}"},
        )
        data[f"{name}_memory"] = (
            ("from", "to"),
            made[f"{name} memory"],
            {"units": "1", "long_name": f"as remembered by {name} regions"},
        )
        data = data.assign_coords(source=("source", labels), target=("target", labels))
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, text),
        data,
        _draw(counts, made, names),
        cite=[
            "J. G. Kemeny and J. L. Snell, Finite Markov Chains (1960), on lumping.",
            "T. M. Cover and J. A. Thomas, Elements of Information Theory (2006), section 2.8, data processing.",
        ],
    )


def _draw(counts: NDArray[np.int64], made: dict[str, NDArray[np.float64]], names: list[str]) -> dict[str, Picture]:
    drawing, axes = plotting.figure(3, width=9.6, height=3.5)
    titles = ("The network", "What hard regions remember", "What soft regions remember")
    for axis, matrix, title in zip(axes, (counts, made["hard memory"], made["soft memory"]), titles, strict=True):
        image = axis.imshow(matrix, cmap="cividis", vmin=0, vmax=counts.max())
        axis.set(xlabel="to node", title=title, xticks=range(0, len(counts), 3), yticks=range(0, len(counts), 3))
        axis.grid(visible=False)
    axes[0].set_ylabel("from node")
    drawing.colorbar(image, ax=axes, shrink=0.85, pad=0.01).set_label("connections")
    networks, (left, right) = plotting.figure(2, width=7.4, height=3.4)
    for axis, name in ((left, "hard"), (right, "soft")):
        matrix = made[name]
        axis.imshow(matrix, cmap="cividis", vmin=0)
        for (row, column), value in np.ndenumerate(matrix):
            axis.text(
                column,
                row,
                f"{value:.4g}",
                ha="center",
                va="center",
                color="white" if value < 0.6 * matrix.max() else "black",
            )
        ticks = range(len(matrix))
        axis.set(
            xticks=ticks,
            yticks=ticks,
            xticklabels=names[: len(matrix)],
            yticklabels=names[: len(matrix)],
            title=f"Between regions, {name}",
            xlabel="to region",
            ylabel="from region",
        )
        axis.grid(visible=False)
    return {
        "network": Picture(
            drawing,
            (
                "Connections between nodes. Left: as they are. Middle and right: as the regions remember them, "
                "spread evenly over the members of "
                "each region (hard) or by the shares of the nodes (soft). The totals are the same."
            ),
        ),
        "regions": Picture(
            networks, "The region networks M A Mᵀ: connections between regions; their sum is that of the network."
        ),
    }
>>>>>>> room-A
