"""The schemas of public connectomes: which column is which, whose data, under which licence, with which checksum.

The user downloads; a file that has the name of a published one but not its bytes is refused. Figures of size and
SHA-256 are those of the publishers' buckets as of 2026-09-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kadanoff.networks.network import Network
from kadanoff.networks.tables import NodeTable, read_network, read_nodes, verify_file

__all__ = ["PRESETS", "Preset", "read_preset", "read_preset_nodes"]


@dataclass(frozen=True)
class Preset:
    """A public schema.

    Arguments:
        what: the data, in a line.
        licence: as its publisher states it, with what is unsettled.
        columns: {"pre", "post", "count", "site", "layer": column, or None where there is none}.
        edges, nodes: names of files that hold the connections and the nodes, the first that is there is taken.
        id: the column of ids in the table of nodes.
        files: {name: (bytes, sha256)}, None where the publisher gives none.
        cite: whom to cite.
    """

    what: str
    licence: str
    columns: Mapping[str, str | None]
    edges: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    id: str | None = None
    files: Mapping[str, tuple[int | None, str | None]] = field(default_factory=dict)
    cite: str = ""


_NEUPRINT = {"pre": "bodyId_pre", "post": "bodyId_post", "count": "weight", "layer": None}
_FLYWIRE = {
    "pre": "pre_root_id",
    "post": "post_root_id",
    "count": "syn_count",
    "site": "neuropil",
    "layer": "nt_type",
}

PRESETS: dict[str, Preset] = {
    "hemibrain": Preset(
        "hemibrain v1.2, traced neurons, a row for each pair and ROI (NotPrimary is a region)",
        "CC-BY-4.0",
        _NEUPRINT | {"site": "roi"},
        ("traced-roi-connections.csv",),
        ("traced-neurons.csv",),
        "bodyId",
        {
            "exported-traced-adjacencies-v1.2.tar.gz": (
                45_872_577,
                "07d8946eb0c4e3a5cb23d5769c9817847494f9fcadbc0ca239eed7bbd5555cf7",
            )
        },
        "Scheffer et al., eLife 9:e57443 (2020)",
    ),
    "neuprint": Preset(
        "any export of neuPrint in the columns bodyId_pre, bodyId_post, roi, weight (MANC too)",
        "that of the dataset; hemibrain, MANC and MaleCNS are CC-BY-4.0",
        _NEUPRINT | {"site": "roi"},
        ("traced-roi-connections.csv", "roi-connections.csv"),
        ("traced-neurons.csv", "neurons.csv"),
        "bodyId",
    ),
    "neuprint-total": Preset(
        "an export of neuPrint without regions: bodyId_pre, bodyId_post, weight",
        "that of the dataset",
        _NEUPRINT | {"site": None},
        ("traced-total-connections.csv", "total-connections.csv"),
        ("traced-neurons.csv", "neurons.csv"),
        "bodyId",
    ),
    "flywire-783": Preset(
        "FlyWire 783 (Codex export): a row for each pair and neuropil, pairs of 5 synapses and more",
        "unsettled: CC-BY-4.0 by one registry, CC-BY-NC-4.0 for Codex exports by another; ask before redistributing",
        _FLYWIRE,
        ("connections.csv.gz", "connections_no_threshold.csv.gz", "connections_princeton.csv.gz"),
        ("neurons.csv.gz", "classification.csv.gz"),
        "root_id",
        {
            "connections.csv.gz": (
                50_289_304,
                "d49dd692e59e153aa3c83f5257bfc0eff51247b86d7bb183386c6d1622c70fc9",
            ),
            "connections_no_threshold.csv.gz": (212_093_967, None),
            "connections_princeton.csv.gz": (
                68_456_801,
                "445f996bf6c4b1803b9ba186189138a3061ff8623aa94c0abcf38af30a5bd48b",
            ),
            "neurons.csv.gz": (1_679_884, "6a6b3759e635f0f35a677d169052362131ec61d95f55919298b55c43fce4e719"),
            "classification.csv.gz": (934_402, "e946b552f4056dfc977707be0674609832c3f64332a22d69dc0d9615e7aae663"),
        },
        "Dorkenwald et al., Nature 634:124 (2024); Schlegel et al., Nature 634:139 (2024); Eckstein et al., Cell 187 "
        "(2024) for transmitters",
    ),
    "malecns-1.0": Preset(
        "MaleCNS v1.0: body_pre, body_post, weight (postsynaptic sites), all 88.4 million segments",
        "CC-BY-4.0",
        {"pre": "body_pre", "post": "body_post", "count": "weight", "site": None, "layer": None},
        ("connectome-weights-male-cns-v1.0-minconf-0.5.feather",),
        ("body-annotations-male-cns-v1.0-minconf-0.5.feather",),
        None,
        {
            "connectome-weights-male-cns-v1.0-minconf-0.5.feather": (
                1_051_241_946,
                "e35da783d1c686b2b58b3b87cd6a403ae43bfcfba8bff28e08ef752c1a56afc1",
            ),
            "body-annotations-male-cns-v1.0-minconf-0.5.feather": (
                14_483_314,
                "2177e246113e4cfbf1e7772ec37c6da1955ff22e8063d0b1f833101f99a9a3b2",
            ),
        },
        "Berg et al., Cell 189:5504 (2026)",
    ),
    "larva": Preset(
        "brain of the larva of Drosophila: G_edgelist.txt (pre post weight) and meta_data.csv",
        "repository neurodata/bilateral-connectome: MIT; data of Winding et al. through eLife 12:e83739 (CC-BY)",
        {"pre": "pre", "post": "post", "count": "count", "site": None, "layer": None},
        ("G_edgelist.txt",),
        ("meta_data.csv",),
        None,
        cite="Winding et al., Science 379:eadd9330 (2023); Pedigo et al., eLife 12:e83739 (2023)",
    ),
}
"""Schemas by name; the worms are in `worm`, matrices of human parcels in `tables.read_matrix`."""


def read_preset(
    path: str | Path,
    preset: str,
    *,
    columns: Mapping[str, str | None] | None = None,
    nodes: NodeTable | Any = None,
    minimum: float = 0,
    parents: Mapping[str, str] | None = None,
) -> Network:
    """A network in a public schema, from its folder or from the file of its connections; see `read_network`.

    From a folder the table of nodes is read too where it is there and ``nodes`` is None, so that neurons without
    connections are kept.

    Raises:
        ValueError: for a preset or a file that there is not, a file that has the name of a published one and another
            checksum or size, and as `read_network`.
    """
    known = _preset(preset)
    place = Path(path)
    file = _first(place, known.edges, preset) if place.is_dir() else place
    _check(file, known)
    if nodes is None and place.is_dir() and any((place / name).exists() for name in known.nodes):
        nodes = read_preset_nodes(place, preset)
    chosen: dict[str, Any] = {**known.columns, **(columns or {})}
    return read_network(file, columns=chosen, nodes=nodes, minimum=minimum, parents=parents)


def read_preset_nodes(path: str | Path, preset: str) -> NodeTable:
    """The table of nodes in a public schema, from its folder or its file."""
    known = _preset(preset)
    place = Path(path)
    file = _first(place, known.nodes, preset) if place.is_dir() else place
    _check(file, known)
    return read_nodes(file, known.id)


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise ValueError(f"preset: no {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def _first(folder: Path, names: tuple[str, ...], preset: str) -> Path:
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise ValueError(f"{folder}: none of {', '.join(names)} of the preset {preset!r} is there")


def _check(file: Path, preset: Preset) -> None:
    size, digest = preset.files.get(file.name, (None, None))
    if not file.exists():
        raise ValueError(f"{file}: there is no such file")
    if size is not None and file.stat().st_size != size:
        raise ValueError(
            f"{file}: {file.stat().st_size} bytes, published are {size}: another version, or a damaged copy; rename it "
            "to read it all the same"
        )
    if digest is not None:
        verify_file(file, digest)
