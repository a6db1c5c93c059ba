"""The nervous system of C. elegans, from the files of two packages that are installed without their dependencies and
never imported: `cect` (Varshney et al., 2011) and `connectome-utilities` (ganglia; eight stages of Witvliet et al.,
2021)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = ["GANGLIA", "INSTALL", "Stages", "Worm", "read_stages", "read_worm"]

INSTALL = "pip install 'kadanoff[networks]' && pip install --no-deps cect connectome-utilities"

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
"""Names of the letters, by their members in WormAtlas (IL1 and IL2 lie in the anterior ganglion, AVA in the lateral,
RIH in the ventral, DVA in the dorsorectal, PVC in the lumbar one, ...)."""

MUSCLES = "body wall muscles"


@dataclass(frozen=True, eq=False)
class Worm:
    """The adult hermaphrodite.

    Arguments:
        chemical: synapses as their senders record them.
        received: the same as their receivers record them.
        gaps: gap junctions, each once, from the neuron first in the alphabet.
        ganglia: the ten ganglia.
        muscle_junctions: synapses onto muscles, which are no neurons of this network.
        lower_case: rows whose names are written in lower case.
    """

    chemical: Network
    received: Network
    gaps: Network
    ganglia: Regions
    muscle_junctions: int
    lower_case: tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, eq=False)
class Stages:
    """Eight stages of development: one network a stage between the same cells, and the regions of the cells."""

    networks: tuple[Network, ...]
    regions: Regions


def read_worm() -> Worm:
    """Chemical synapses, gap junctions and ganglia of the adult.

    Raises:
        ImportError: with the pip line, where a package is not installed.
        ValueError: where a file does not hold what it should.
    """
    rows = _rows(_file("cect", "data/NeuronConnect.xls"))
    lower = tuple(row for row in rows if row[0] != row[0].upper() or row[1] != row[1].upper())
    rows = [(pre.upper(), post.upper(), kind, count) for pre, post, kind, count in rows]
    if unknown := {row[2] for row in rows} - {"S", "Sp", "R", "Rp", "EJ", "NMJ"}:
        raise ValueError(f"NeuronConnect.xls: connections of unknown kinds {', '.join(sorted(unknown))}")
    neurons = np.array(sorted({name for a, b, kind, _ in rows if kind != "NMJ" for name in (a, b)}))

    def network(kinds: set[str], *, turned: bool = False) -> Network:
        chosen = [row for row in rows if row[2] in kinds]
        pre, post = ([row[k] for row in chosen] for k in ((1, 0) if turned else (0, 1)))
        return Network.from_edges(np.array(pre), np.array(post), [row[3] for row in chosen], nodes=neurons)

    both = network({"EJ"})
    once = both.source <= both.target
    there = both.matrix()
    if (there != there.T).nnz:
        raise ValueError("NeuronConnect.xls: gap junctions are not the same from both sides")
    ganglion = dict(zip(*_cells(), strict=True))
    if lost := [name for name in neurons if name not in ganglion]:
        raise ValueError(f"C_elegans_witvliet.h5: no row for {', '.join(lost)}")
    return Worm(
        network({"S", "Sp"}),
        network({"R", "Rp"}, turned=True),
        both.where(once),
        _regions([GANGLIA.get(ganglion[name], "") for name in neurons], tuple(GANGLIA.values())),
        sum(row[3] for row in rows if row[2] == "NMJ"),
        lower,
    )


def read_stages() -> Stages:
    """The chemical synapses of eight stages, from birth to adult; muscles are a region of their own, glia and others
    unassigned."""
    h5py = _library("h5py")
    names, letters = _cells()
    with h5py.File(_file("connectome-utilities", "data/C_elegans_witvliet.h5")) as file:
        ends = file["chemical/full_matrix/edge_indices/block0_values"][:]
        counts = file["chemical/full_matrix/edges/block0_values"][:]
        order = [name.decode() for name in file["chemical/full_matrix/edge_indices/block0_items"][:]]
    pre, post = names[ends[:, order.index("row")]], names[ends[:, order.index("col")]]
    cells = zip(names, letters, strict=True)
    labels = [MUSCLES if name.startswith("BWM") else GANGLIA.get(letter, "") for name, letter in cells]
    return Stages(
        tuple(Network.from_edges(pre, post, counts[:, k], nodes=names) for k in range(counts.shape[1])),
        _regions(labels, (*GANGLIA.values(), MUSCLES)),
    )


def _regions(labels: list[str], names: tuple[str, ...]) -> Regions:
    """Regions in this order, from head to tail."""
    return Regions.from_labels(np.array([names.index(label) if label else -1 for label in labels]), names)


def _cells() -> tuple[NDArray[Any], list[str]]:
    """Names of the cells of the Witvliet file, and the letters of their ganglia."""
    h5py = _library("h5py")
    with h5py.File(_file("connectome-utilities", "data/C_elegans_witvliet.h5")) as file:
        table = file["chemical/full_matrix/vertex_properties/table"]
        texts = table["values_block_1"][:]
    return np.array([row[0].decode().strip() for row in texts]), [row[4].decode().strip() for row in texts]


def _rows(path: Path) -> list[tuple[str, str, str, int]]:
    sheet = _library("xlrd").open_workbook(path).sheet_by_index(0)
    if sheet.row_values(0) != ["Neuron 1", "Neuron 2", "Type", "Nbr"]:
        raise ValueError(f"{path.name}: expected the columns Neuron 1, Neuron 2, Type, Nbr, got {sheet.row_values(0)}")
    rows = [sheet.row_values(k) for k in range(1, sheet.nrows)]
    return [(str(a).strip(), str(b).strip(), str(kind).strip(), int(count)) for a, b, kind, count in rows]


def _file(package: str, ending: str) -> Path:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise ImportError(f"the worm's connections are in the package {package}, which is not installed: {INSTALL}") from None
    found = [Path(str(file.locate())) for file in files if str(file).endswith(ending)]
    if not found or not found[0].is_file():
        raise ImportError(f"this {package} has no file {ending}; another version is needed: {INSTALL}")
    return found[0]


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ImportError(f"{name} is not installed: {INSTALL}") from None
