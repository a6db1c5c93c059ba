"""The worm C. elegans, from the files of two packages: cect (Varshney et al. 2011) and connectome-utilities (Witvliet
et al. 2021). The packages are found by their metadata and never imported."""

from __future__ import annotations

import pickletools
from importlib import metadata
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.tables import NodeTable, needed

__all__ = ["CHEMICAL", "GAP_JUNCTION", "STAGES", "packaged_file", "varshney_worm", "witvliet_nodes", "witvliet_worm"]

CHEMICAL, GAP_JUNCTION = "chemical", "gap junction"
STAGES = tuple(range(1, 9))
"""Developmental stages from birth (1) to adult (7, 8)."""

_INSTALL = "pip install --no-deps cect connectome-utilities"


def packaged_file(package: str, name: str) -> Path:
    """Where a file of an installed package lies, without importing the package.

    Raises:
        ValueError: where the package or the file is missing, with the line that installs it.
    """
    try:
        listed = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise ValueError(f"{name} comes with the package {package}: {_INSTALL}") from error
    for entry in listed:
        if entry.name == name and (file := Path(str(entry.locate()))).is_file():
            return file
    raise ValueError(f"the package {package} holds no {name}; versions that do: {_INSTALL}")


def varshney_worm(path: str | Path | None = None) -> Network:
    """The adult hermaphrodite as two layers, "chemical" and "gap junction", between 279 neurons (Varshney et al. 2011).

    Chemical synapses are those of the sender's records (types S and Sp): 2,194 connections of 6,394 synapses; the
    receiver's records (R, Rp) repeat them, one in lower case. Gap junctions (EJ) stand in both directions, those of a
    neuron with itself once: 1,777 entries of 890 junctions. Muscles (NMJ) are left out, and neurons with neither kind
    of connection to another neuron are none of the 279.

    Arguments:
        path: NeuronConnect.xls; None takes that of the package cect.
    """
    xlrd = needed("xlrd")
    sheet = xlrd.open_workbook(packaged_file("cect", "NeuronConnect.xls") if path is None else path).sheet_by_index(0)
    header = [str(cell).strip() for cell in sheet.row_values(0)]
    if header[:4] != ["Neuron 1", "Neuron 2", "Type", "Nbr"]:
        raise ValueError(f"{path}: expected the columns Neuron 1, Neuron 2, Type, Nbr, got {', '.join(header)}")
    layers = {"S": CHEMICAL, "Sp": CHEMICAL, "EJ": GAP_JUNCTION}
    rows = [sheet.row_values(row)[:4] for row in range(1, sheet.nrows)]
    taken = [(str(a), str(b), layers[kind], number) for a, b, kind, number in rows if kind in layers]
    pre, post, layer, count = (np.array(column) for column in zip(*taken, strict=True))
    return Network.from_edges(pre, post, count, layer=layer)


def witvliet_worm(stage: int, path: str | Path | None = None) -> Network:
    """One of eight animals of growing age, chemical synapses and gap junctions as layers, between 324 nodes (Witvliet
    et al. 2021).

    Arguments:
        stage: 1 (first hours) to 8 (adult).
        path: C_elegans_witvliet.h5; None takes that of the package connectome-utilities.

    Raises:
        ValueError: for a stage that there is not.
    """
    if stage not in STAGES:
        raise ValueError(f"stage: {stage} is none of 1 to 8")
    names = witvliet_nodes(path).ids
    pre, post, count, layer = [], [], [], []
    with h5py.File(_witvliet(path), "r") as file:
        for group, name in (("chemical", CHEMICAL), ("electrical", GAP_JUNCTION)):
            edges = file[f"{group}/full_matrix/edges"]
            place = edges["axis0"][:].tolist().index(stage)
            pairs = file[f"{group}/full_matrix/edge_indices/block0_values"][:]
            number = edges["block0_values"][:, place]
            kept = number > 0
            pre.append(names[pairs[kept, 0]])
            post.append(names[pairs[kept, 1]])
            count.append(number[kept])
            layer.append(np.full(int(kept.sum()), name))
    columns = (np.concatenate(parts) for parts in (pre, post, count, layer))
    a, b, synapses, layers = columns
    return Network.from_edges(a, b, synapses, nodes=names, layer=layers)


def witvliet_nodes(path: str | Path | None = None) -> NodeTable:
    """The 324 nodes with "ganglion" (letters A to K of Achacoso and Yamamoto 1992, None for cells without), "soma
    position" along the body (0 to 1) and "soma region" (H, M, T)."""
    with h5py.File(_witvliet(path), "r") as file:
        table = file["combined/full_matrix/vertex_properties/table"]
        columns: dict[str, NDArray[np.generic]] = {}
        for block in ("values_block_0", "values_block_1"):
            # a list of names written by pandas as a pickle: read for its strings, never executed
            listed = [
                item for _, item, _ in pickletools.genops(bytes(table.attrs[f"{block}_kind"])) if isinstance(item, str)
            ]
            for number, name in enumerate(listed):
                columns[name.strip()] = table[block][:, number]
    ids = np.array([name.decode() for name in columns["Neuron"]])
    text = {
        "ganglion": columns["AY Ganglion Designation"],
        "soma region": columns["Soma Region"],
    }
    clean = {
        key: np.array([None if (cell := value.decode().strip()) in ("", "nan") else cell for value in column], object)
        for key, column in text.items()
    }
    return NodeTable(ids, {**clean, "soma position": columns["Soma Position"].astype(np.float64)})


def _witvliet(path: str | Path | None) -> Path:
    return packaged_file("connectome-utilities", "C_elegans_witvliet.h5") if path is None else Path(path)
