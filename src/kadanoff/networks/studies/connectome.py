"""The kind `networks.regions`: the reader's own tables of connections and neurons, to regions and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff.networks.aggregation import RegionNetwork, block, projectome, soft_block
from kadanoff.networks.detection import Thresholds, threshold_curve
from kadanoff.networks.highways import Highways, find_highways
from kadanoff.networks.indirect_flow import Flow, flow
from kadanoff.networks.laplacian_rg import Susceptibility, entropic_susceptibility
from kadanoff.networks.map_resampling import projectome_resampled, soft_block_resampled
from kadanoff.networks.memberships import post_shares, pre_shares
from kadanoff.networks.motifs import reciprocity
from kadanoff.networks.network import Network
from kadanoff.networks.null_models import block_null
from kadanoff.networks.null_tests import NullTest, null_test
from kadanoff.networks.presets import PRESETS
from kadanoff.networks.regions import Regions, Shares
from kadanoff.networks.resampling import BlockErrors, block_errors, resampled
from kadanoff.networks.rich_club import RichClub, rich_club_curve
from kadanoff.networks.studies.measures import HubErrors, Lost, hub_errors, lost, other_regions
from kadanoff.networks.tables import NodeTable, read_network, read_nodes
from kadanoff.networks.traversal import Layers, traversal_layers
from kadanoff.study import InputFile, Result, Run, judge

__all__ = ["Columns", "RegionsConfig", "ShareColumns", "regions"]

Array = NDArray[np.float64]
MapName = Literal["block", "soft block", "projectome"]


class Columns(BaseModel):
    """Columns of the table of connections."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pre: str | None = Field(None, description="Sender.", examples=["pre"])
    post: str | None = Field(None, description="Receiver.", examples=["post"])
    count: str | None = Field(None, description='Synapses of the row; "" for one a row.', examples=["synapses"])
    site: str | None = Field(None, description='Where they lie (neuropil); "" for none.', examples=["neuropil"])
    layer: str | None = Field(None, description='Transmitter or sign; "" for none.', examples=["transmitter"])

    @property
    def given(self) -> dict[str, str | None]:
        """What was named, None where a role is said to have no column."""
        return {role: name or None for role, name in self.model_dump().items() if name is not None}


class ShareColumns(BaseModel):
    """Columns of the table of neurons that say how much of a neuron lies in which region."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    names: list[str] = Field([], description="Regions, one for each column.", examples=[["axon", "dendrite"]])
    sender: list[str] = Field(
        [], description="Amounts of output in each (synapses, length).", examples=[["axon_output", "dendrite_output"]]
    )
    receiver: list[str] = Field(
        [], description="Amounts of input in each.", examples=[["axon_input", "dendrite_input"]]
    )

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if not len(self.names) == len(self.sender) == len(self.receiver):
            raise ValueError(
                f"{len(self.names)} names need as many columns of senders and of receivers, not {len(self.sender)} and "
                f"{len(self.receiver)}"
            )
        return self


class RegionsConfig(BaseModel):
    """Settings of networks.regions."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    edges: InputFile = Field(
        description="Table of connections: .csv, .tsv (also .gz), .parquet, .feather, an edge list. Nothing is "
        "downloaded.",
        examples=["edges.csv"],
    )
    neurons: InputFile | None = Field(None, description="Table of neurons.", examples=["neurons.csv"])
    preset: str | None = Field(
        None, description=f"A public schema that names the columns: {', '.join(PRESETS)}.", examples=["flywire-783"]
    )
    id: str | None = Field(None, description="Column of ids in the table of neurons; the first.", examples=["root_id"])
    region: list[str] = Field(
        [], description="Column of regions; several are joined (type and hemisphere). Empty: the region in which most "
        "of a neuron's input lies, by sites or shares.",
    )  # fmt: skip
    group: str | None = Field(
        None, description="Column of the larger thing that regions lie in, to order the pictures.", examples=["side"]
    )
    map: MapName = Field(
        "block",
        description='Which of three different maps is shown: "block" (a neuron is in one region), "soft block" (shared '
        'out among several), "projectome" (a neuron carries from where it listens to where it speaks; needs sites).',
    )
    minimum: int = Field(1, ge=1, description="Leave out pairs of neurons with fewer synapses.")
    thresholds: list[int] = Field([1, 2, 3, 5, 10], min_length=1, description="Thresholds on pairs to be compared.")
    precision: float | None = Field(
        None, gt=0, le=1, description="Share of detected synapses that are real.", examples=[0.9]
    )
    rewirings: int = Field(
        100,
        ge=20,
        description="Rewired networks to compare with, three times: some seconds each per million connections.",
    )
    replicates: int = Field(200, ge=50, description="Replicates with neurons redrawn, for the errors of hubs.")
    random_partitions: int = Field(10, ge=2, description="Random regions of the same sizes to compare with.")
    others: list[Literal["spectral", "informative", "following"]] = Field(
        ["spectral", "informative"], description="Groups made from the connections alone, as many as regions: "
        '"spectral", "informative" (most information kept), "following" (least dynamics error; slow beyond some '
        "thousand neurons).",
    )  # fmt: skip
    gain: float = Field(0.9, gt=0, lt=1, description="What one step passes on, in flows and in the rate model.")
    stimulus: list[str] = Field(
        [], description="Regions that are switched on; empty: the neurons without input, or else the tenth that sends "
        "most for what it receives.",
    )  # fmt: skip
    signs: dict[str, int] = Field({}, description="+1, -1 or 0 for each layer.", examples=[{"GABA": -1}])
    expected: InputFile | None = Field(
        None, description="A table from,to,synapses of what is to be expected, where that is known.",
        examples=["expected.csv"],
    )  # fmt: skip
    columns: Columns = Field(
        Columns(), description="Columns of the table of connections; found by their names if left out."
    )
    shares: ShareColumns = Field(
        ShareColumns(), description="Shares of neurons in regions; taken from the sites if left out."
    )


@dataclass(frozen=True, eq=False)
class Read:
    """What was read.

    Arguments:
        labelled: whether regions come from a column, or from where the inputs of a neuron lie.
        senders, receivers: shares, None without sites and columns.
        groups: {region: larger thing}.
        lit: (n,) which neurons are switched on, and in words which these are.
    """

    network: Network
    regions: Regions
    labelled: bool
    senders: Shares | None
    receivers: Shares | None
    groups: dict[str, str]
    lit: NDArray[np.bool_]
    lit_as: str


@dataclass(frozen=True, eq=False)
class Found:
    """All that was measured. `maps` holds what the data allow of the three; `redrawn` (replicates with neurons redrawn
    within regions) and `hubs` are of the map that was asked for, all else is of the block network."""

    config: RegionsConfig
    read: Read
    maps: dict[str, RegionNetwork]
    neurons: BlockErrors
    synapses: BlockErrors
    redrawn: Array
    hubs: HubErrors
    roads: Highways
    mutual: NullTest | str
    club: RichClub | str
    flow: Flow
    layers: Layers
    thresholds: Thresholds
    lost: Lost
    scales: Susceptibility

    @property
    def made(self) -> RegionNetwork:
        """The block network, which is what null models, errors and losses are about."""
        return self.maps["block"]

    @property
    def chosen(self) -> RegionNetwork:
        """The map that was asked for."""
        return self.maps[self.config.map]


def regions(config: RegionsConfig, run: Run) -> Result:
    """A network of neurons to one of regions: every synapse accounted for, errors, null models, and what was lost."""
    from kadanoff.networks.studies import connectome_pictures as drawn
    from kadanoff.networks.studies import connectome_results as results

    found = _measure(config, run)
    estimates, ledger = results.estimates(found), results.ledger(found)
    verdict = judge(estimates, ledger, results.in_words(found))
    return Result(
        estimates, ledger, verdict, results.data(found), drawn.pictures(found),
        files=results.files(found), cite=results.cite(found), tables=results.tables(found),
    )  # fmt: skip


def _measure(config: RegionsConfig, run: Run) -> Found:
    read = run.stage("read", read_tables, config, Path(config.edges), config.neurons)
    network, hard = read.network, read.regions
    maps = {"block": block(network, hard)}
    if read.senders is not None and read.receivers is not None:
        maps["soft block"] = soft_block(network, read.senders, read.receivers)
    if network.site is not None:
        maps["projectome"] = projectome(network)
    if config.map not in maps:
        what = "sites" if config.map == "projectome" else "sites or columns of shares"
        raise ValueError(f'map = "{config.map}" needs {what}, and these tables have none; they allow {", ".join(maps)}')
    seed, pool, draws = run.seed, run.executor, config.rewirings
    roads = run.stage(
        "highways", find_highways, network, hard, seed=seed, replicas=draws, alternative="two-sided", executor=pool
    )
    mutual = run.stage("reciprocity", _reciprocity, network, hard, seed, draws, pool)
    club = run.stage("rich-club", _rich_club, network, seed, draws, pool)
    redrawn = run.stage("redrawn", redraw, config.map, read, config.replicates, seed, not config.shares.names)
    layers = run.stage("layers", traversal_layers, network, read.lit, seed=seed, runs=200, executor=pool)
    others = run.stage("others", other_regions, network, hard, config.others, seed)
    price = run.stage(
        "lost", lost, network, hard, read.lit.astype(np.float64), others, gain=config.gain, seed=seed,
        partitions=config.random_partitions,
    )  # fmt: skip
    return Found(
        config, read, maps, block_errors(network, hard, unit="neuron"),
        block_errors(network, hard, unit="synapse"),
        redrawn, run.stage("hubs", hub_errors, maps[config.map].counts.astype(np.float64), redrawn),
        roads, mutual, club, run.stage("flow", flow, network, gain=config.gain, regions=hard), layers,
        threshold_curve(network, hard, _within(config.thresholds, network)), price,
        run.stage("scales", _scales, network, seed),
    )  # fmt: skip


def redraw(kind: MapName, read: Read, replicates: int, seed: int, by_sites: bool) -> Array:
    """(replicates, K, K) of the map that was asked for, neurons redrawn within regions."""
    if kind == "projectome":
        return projectome_resampled(read.network, read.regions, replicates=replicates, seed=seed)
    if kind == "soft block":
        assert read.senders is not None
        assert read.receivers is not None
        return soft_block_resampled(
            read.network, read.senders, read.receivers, read.regions, replicates=replicates, seed=seed,
            by_sites=by_sites,
        )  # fmt: skip
    return resampled(read.network, read.regions, unit="neuron", replicates=replicates, seed=seed)


def _scales(network: Network, seed: int) -> Susceptibility:
    # sixteen vectors miss one of the larva's three scales; its eigenvalues take four seconds
    return entropic_susceptibility(network, vectors=64, seed=seed)


def _within(thresholds: list[int], network: Network) -> list[int]:
    """Thresholds that leave a pair."""
    most = float(network.matrix().data.max())
    return [level for level in sorted(set(thresholds)) if level <= most] or [1]


def _reciprocity(network: Network, hard: Regions, seed: int, replicas: int, pool: Any) -> NullTest | str:
    """Reciprocity against networks with the same blocks, or why there is nothing to test."""
    try:
        return null_test(network, reciprocity, block_null(network, hard, seed=seed), replicas=replicas, executor=pool)
    except ValueError as error:
        return _constant(error)


def _rich_club(network: Network, seed: int, replicas: int, pool: Any) -> RichClub | str:
    try:
        return rich_club_curve(network, seed=seed, replicas=replicas, directed=True, executor=pool)
    except ValueError as error:
        return _constant(error)


def _constant(error: ValueError) -> str:
    """The message of a test whose draws all equal the data; other errors go on."""
    if "constant under this null" not in str(error):
        raise error
    return str(error)


def read_tables(config: RegionsConfig, edges: Path, neurons: Path | None) -> Read:
    """The network, its regions and shares from the reader's tables.

    Raises:
        ValueError: for columns that are missing, an unknown preset, and no source of regions at all.
    """
    if config.preset is not None and config.preset not in PRESETS:
        raise ValueError(f"preset: no {config.preset!r}; there are {', '.join(PRESETS)}")
    table = None
    if neurons is not None:
        known = PRESETS[config.preset].id if config.preset is not None else None
        table = read_nodes(neurons, config.id or known)
    network = read_network(
        edges, preset=config.preset, columns=config.columns.given, nodes=table,
        minimum=config.minimum if config.minimum > 1 else 0,
    )  # fmt: skip
    if table is not None:
        used = network.nodes[(network.outflow + network.inflow) > 0]
        if not np.isin(used.astype(str), table.ids.astype(str)).any():
            raise ValueError(
                f"{neurons}: no neuron of the connections is in this table: they are named {used[0]}, ... there and "
                f"{table.ids[0]}, ... here; name the column of ids (id = ...)"
            )
    if not network.is_counted:
        raise ValueError(
            f"{edges}: {network.mended.fractional} rows hold fractions of synapses; this study needs whole counts (the "
            "functions block, soft_block and projectome take weights)"
        )
    senders, receivers = _shares(config, network, table)
    if config.region:
        if table is None:
            raise ValueError("region: columns of regions need a table of neurons (neurons = ...)")
        hard, labelled = _labels(config.region, network, table), True
    elif receivers is not None and senders is not None:
        hard, labelled = _main_regions(senders, receivers), False
    else:
        raise ValueError("region: name a column of the neurons, or give sites or shares to take the regions from")
    if (hard.sizes > 0).sum() < 2:
        raise ValueError(f"region: all {network.n} neurons are in {hard.names[int(hard.label[0])]!r}; two are needed")
    groups = _groups(config, network, table, hard)
    lit, lit_as = _lit(config, network, hard)
    return Read(network, hard, labelled, senders, receivers, groups, lit, lit_as)


def _labels(columns: list[str], network: Network, table: NodeTable) -> Regions:
    """One column, or several joined; a neuron that lacks one of them is unassigned."""
    values = [table.along(table.column(name), network) for name in columns]
    joined = [
        ""
        if any(part is None or part != part or part == "" for part in parts)
        else " ".join(str(part) for part in parts)
        for parts in zip(*values, strict=True)
    ]
    return Regions.from_labels(np.array(joined, dtype=object))


def _shares(config: RegionsConfig, network: Network, table: NodeTable | None) -> tuple[Shares | None, Shares | None]:
    from dataclasses import replace

    asked = config.shares
    if asked.names:
        if table is None:
            raise ValueError("shares: columns of shares need a table of neurons (neurons = ...)")
        made = [table.shares(columns, network) for columns in (asked.sender, asked.receiver)]
        names = (*asked.names, made[0].names[-1])
        return replace(made[0], names=names), replace(made[1], names=names)
    if network.site is None:
        return None, None
    return pre_shares(network), post_shares(network)


def _main_regions(senders: Shares, receivers: Shares) -> Regions:
    """The region with the largest share of a neuron's input, or of its output where it has no input."""
    label = np.full(receivers.n, -1)
    for shares in (senders, receivers):  # inputs last: they decide
        node = np.repeat(np.arange(shares.n), np.diff(shares.starts))
        kept = shares.region < shares.k - 1
        order = np.lexsort((-shares.region[kept].astype(np.int64), shares.share[kept], node[kept]))  # the largest last
        label[node[kept][order]] = shares.region[kept][order]
    return Regions.from_labels(label, receivers.names[:-1])


def _groups(config: RegionsConfig, network: Network, table: NodeTable | None, hard: Regions) -> dict[str, str]:
    """The larger thing that most neurons of a region lie in."""
    if config.group is None:
        return {}
    if table is None:
        raise ValueError("group: a column of groups needs a table of neurons (neurons = ...)")
    larger = Regions.from_labels(table.along(table.column(config.group), network))
    votes = np.zeros((hard.k, larger.k))
    np.add.at(votes, (hard.label, larger.label), 1)
    return {
        name: larger.names[int(votes[k, :-1].argmax())] for k, name in enumerate(hard.names[:-1]) if votes[k, :-1].any()
    }


def _lit(config: RegionsConfig, network: Network, hard: Regions) -> tuple[NDArray[np.bool_], str]:
    if config.stimulus:
        if unknown := sorted(set(config.stimulus) - set(hard.names)):
            raise ValueError(f"stimulus: no region named {', '.join(unknown)}; there are {', '.join(hard.names)}")
        return np.isin(hard.label, [hard.names.index(name) for name in config.stimulus]), ", ".join(config.stimulus)
    silent = (network.inflow == 0) & (network.outflow > 0)
    if silent.any():
        return silent, f"the {int(silent.sum())} neurons without input"
    through = np.maximum(network.outflow + network.inflow, 1)
    share = network.outflow / through
    lit = np.zeros(network.n, dtype=bool)
    lit[np.argsort(-share, kind="stable")[: max(1, network.n // 10)]] = True
    return lit, "the tenth of the neurons that sends most for what it receives"
