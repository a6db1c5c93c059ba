"""What the study of the worm takes from its files beyond the connections: ganglia, the receivers' records, muscles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions
from kadanoff.networks.tables import needed
from kadanoff.networks.worm import CHEMICAL, STAGES, packaged_file, varshney_worm, witvliet_nodes, witvliet_worm

__all__ = ["GANGLIA", "Stages", "Worm", "read_stages", "read_worm"]

GANGLIA = {
    "A": "anterior",
    "B": "dorsal",
    "C": "lateral",
    "D": "ventral",
    "E": "retrovesicular",
    "G": "ventral cord",
    "F": "posterolateral",
    "H": "preanal",
    "J": "dorsorectal",
    "K": "lumbar",
}
"""Names of the letters from head to tail, by their members in WormAtlas (IL1 and IL2 lie in the anterior ganglion, ALA
and RID in the dorsal, AVA and the amphid neurons in the lateral, AIY and RIH in the ventral, DVA, DVB and DVC in the
dorsorectal, PVC in the lumbar one)."""

MUSCLES = "body wall muscles"


@dataclass(frozen=True, eq=False)
class Worm:
    """The adult hermaphrodite.

    Arguments:
        both: the layers "chemical" and "gap junction" (in both directions).
        chemical: synapses as their senders record them.
        received: the same as their receivers record them.
        gap_junctions: how many, each counted once.
        ganglia: the ten ganglia.
        muscle_junctions: synapses onto muscles, which are no neurons of this network.
        lower_case: (sender, receiver, count) of the receivers' records in lower case.
    """

    both: Network
    chemical: Network
    received: Network
    gap_junctions: int
    ganglia: Regions
    muscle_junctions: int
    lower_case: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, eq=False)
class Stages:
    """Eight stages of development: one network a stage between the same cells, and the regions of the cells."""

    networks: tuple[Network, ...]
    regions: Regions


def read_worm() -> Worm:
    """Chemical synapses, gap junctions and ganglia of the adult.

    Raises:
        ValueError: with the pip line where a package is not installed; where a neuron has no row in the table of
            ganglia.
    """
    both = varshney_worm()
    chemical, gaps = both.of_layer("chemical"), both.of_layer("gap junction")
    own = int(gaps.count[gaps.source == gaps.target].sum())
    sheet = needed("xlrd").open_workbook(packaged_file("cect", "NeuronConnect.xls")).sheet_by_index(0)
    rows = [sheet.row_values(k)[:4] for k in range(1, sheet.nrows)]
    heard = [(str(b), str(a), int(count)) for a, b, kind, count in rows if kind in ("R", "Rp")]
    pre, post, count = (np.array(column) for column in zip(*heard, strict=True))
    table = witvliet_nodes()
    letters = table.along(table.column("ganglion"), both)
    return Worm(
        both,
        chemical,
        Network.from_edges(np.char.upper(pre), np.char.upper(post), count, nodes=both.nodes),
        (int(gaps.total) - own) // 2 + own,
        _regions([GANGLIA.get(letter, "") for letter in letters], tuple(GANGLIA.values())),
        sum(int(row[3]) for row in rows if row[2] == "NMJ"),
        tuple(row for row in heard if row[0] != row[0].upper()),
    )


def read_stages() -> Stages:
    """The chemical synapses of eight stages, from birth to adult; muscles are a region of their own, glia and others
    unassigned."""
    table = witvliet_nodes()
    cells = zip(table.ids, table.column("ganglion"), strict=True)
    labels = [MUSCLES if str(name).startswith("BWM") else GANGLIA.get(letter, "") for name, letter in cells]
    return Stages(
        tuple(witvliet_worm(stage).of_layer(CHEMICAL) for stage in STAGES),
        _regions(labels, (*GANGLIA.values(), MUSCLES)),
    )


def _regions(labels: list[str], names: tuple[str, ...]) -> Regions:
    """Regions in this order, from head to tail."""
    return Regions.from_labels(np.array([names.index(label) if label else -1 for label in labels]), names)
