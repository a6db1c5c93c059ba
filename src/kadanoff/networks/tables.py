"""Tables of connections and of nodes: parquet, feather, CSV, edge lists, matrices, through Apache Arrow.

A table of connections has a row for each pair of nodes (pre, post, count), or for each pair and region its synapses lie
in (pre, post, region, count), or for each synapse (pre, post). Which column is which is named, or known from the public
schemas in `presets`; nothing is guessed where two columns could be meant. Nothing is downloaded.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks.aggregation import RegionNetwork, projectome_of_sites
from kadanoff.networks.identifiers import IdTable
from kadanoff.networks.memberships import require_disjoint, shares_of_amounts
from kadanoff.networks.network import Coded, Network
from kadanoff.networks.regions import UNASSIGNED, Regions, Shares

__all__ = [
    "COLUMNS",
    "NodeTable",
    "needed",
    "read_matrix",
    "read_network",
    "read_nodes",
    "read_sites",
    "read_table",
    "verify_file",
]

COLUMNS: dict[str, tuple[str, ...]] = {
    "pre": ("pre", "pre_id", "pre_root_id", "bodyId_pre", "body_pre", "pre_pt_root_id", "source", "Source", "from"),
    "post": (
        "post",
        "post_id",
        "post_root_id",
        "bodyId_post",
        "body_post",
        "post_pt_root_id",
        "target",
        "Target",
        "to",
    ),
    "count": ("count", "weight", "syn_count", "synapses", "n_syn", "Weight", "n_synapses"),
    "site": ("site", "region", "roi", "neuropil"),
    "layer": ("layer", "nt_type", "transmitter"),
}
"""Names under which a column is found when it is not named."""

_INSTALL = "pip install '.[networks]' in the clone (or pip install {0})"
_EMPTY = ["", "NaN", "nan", "NA", "null"]

ArrowTable: TypeAlias = Any  # pyarrow is optional and has no types
ArrowColumn: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class NodeTable:
    """Nodes and what is known of each.

    Arguments:
        ids: (n,) unique, integers or text.
        columns: {name: (n,)} numbers or text (None where a cell is empty).
    """

    ids: NDArray[Any]
    columns: Mapping[str, NDArray[Any]]

    @property
    def n(self) -> int:
        """How many nodes there are."""
        return self.ids.size

    def column(self, name: str) -> NDArray[Any]:
        """(n,) one column.

        Raises:
            ValueError: where there is none of that name; it lists those there are.
        """
        if name not in self.columns:
            raise ValueError(f"nodes: no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def where(self, kept: NDArray[np.bool_]) -> NodeTable:
        """The nodes chosen by a mask (n,)."""
        return NodeTable(self.ids[kept], {name: values[kept] for name, values in self.columns.items()})

    def regions(self, column: str, network: Network | None = None) -> Regions:
        """Hard regions from a column of names, for the nodes of ``network`` (None: of this table).

        Nodes without a name, and those of the network that are not in the table, are unassigned.
        """
        return Regions.from_labels(self.along(self.column(column), network))

    def regions_of(self, columns: Iterable[str], network: Network | None = None) -> Regions:
        """Hard regions from one column of yes and no (or of positive numbers) for each.

        Raises:
            ValueError: where a node is in more than one: then these are no partition; it names the pairs of regions
                that overlap and how many nodes they share.
        """
        names = list(columns)
        inside = np.array([[_is_yes(value) for value in self.column(name).tolist()] for name in names], dtype=bool)
        if np.any(inside.sum(axis=0) > 1):
            shared = inside.astype(np.int64) @ inside.T.astype(np.int64)
            pairs = [
                f"{names[i]} and {names[j]} ({shared[i, j]} nodes)"
                for i in range(len(names))
                for j in range(i + 1, len(names))
                if shared[i, j]
            ]
            raise ValueError(f"regions overlap, so they are no partition: {', '.join(pairs[:10])}; choose one level")
        label = np.where(inside.any(axis=0), inside.argmax(axis=0), -1)
        return Regions.from_labels(
            self.along(np.array([names[k] if k >= 0 else "" for k in label], dtype=object), network)
        )

    def shares(
        self, columns: Iterable[str], network: Network | None = None, names: tuple[str, ...] | None = None
    ) -> Shares:
        """Soft regions from one column of amounts for each (synapses, length, volume), shares of their sum.

        A node whose amounts are all zero or missing is unassigned. ``names`` of the regions are those of the columns
        by default; senders and receivers need the same.

        Raises:
            ValueError: for amounts that are negative or no numbers, with the column and the row.
        """
        wanted = tuple(columns)
        amounts = np.empty((self.n, len(wanted)))
        for k, name in enumerate(wanted):
            values = self.column(name)
            if not np.issubdtype(values.dtype, np.number):
                raise ValueError(f"nodes: column {name!r} holds {values.dtype}, amounts must be numbers")
            amounts[:, k] = np.where(np.isfinite(values.astype(np.float64)), values, 0)
            if np.any(amounts[:, k] < 0):
                row = int(np.flatnonzero(amounts[:, k] < 0)[0])
                raise ValueError(f"nodes: {values[row]} in column {name!r}, row {row}: amounts are not negative")
        if network is not None:
            place = self._places(network)
            amounts = np.where((place >= 0)[:, None], amounts[np.maximum(place, 0)], 0.0)
        return shares_of_amounts(scipy.sparse.csr_array(amounts), wanted if names is None else names)

    def along(self, values: NDArray[Any], network: Network | None) -> NDArray[Any]:
        """One value for every node of the network, None for nodes that are not in this table."""
        if network is None:
            return values
        place = self._places(network)
        taken = values.astype(object)[np.maximum(place, 0)]
        taken[place < 0] = None
        return taken

    def _places(self, network: Network) -> NDArray[np.int32]:
        return IdTable(self.ids).find(network.nodes)


def read_network(
    path: str | Path,
    *,
    preset: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    nodes: NodeTable | ArrayLike | None = None,
    minimum: float = 0,
    sha256: str | None = None,
    parents: Mapping[str, str] | None = None,
) -> Network:
    """A network from a file or a folder.

    Read are .parquet (or a folder of them), .feather, .arrow, .csv, .tsv, .txt (also .gz), space-separated edge lists
    with or without a header, .npz of scipy.sparse, .graphml and .gml (networkx). See `read_matrix` for matrices in
    text.

    Arguments:
        path: the file, or the folder of a preset.
        preset: name of a public schema, see `presets.PRESETS`.
        columns: {"pre", "post", "count", "site", "layer": column in the table}; what is not named is found by the
            names in `COLUMNS`; None as a value says that there is none. A table without a count has one synapse a row.
        nodes: all nodes, in the order wanted; those that occur beyond them are added and counted in `mended`.
        minimum: leave out pairs of nodes with fewer counts, see `Network.at_least`.
        sha256: what the file must hash to.
        parents: {region: the larger one it lies in}: sites of which one lies in another are refused.

    Raises:
        ValueError: for a column that is missing or could be one of several, ids or counts that are missing (with the
            row), bad counts (see `Network.from_edges`), a wrong checksum, overlapping sites, a format not known.
    """
    if preset is not None:
        from kadanoff.networks import presets  # which stands on this module

        return presets.read_preset(path, preset, columns=columns, nodes=nodes, minimum=minimum, parents=parents)
    file = Path(path)
    if sha256 is not None:
        verify_file(file, sha256)
    ids = nodes.ids if isinstance(nodes, NodeTable) else nodes
    if file.suffix == ".npz":
        network = Network.from_matrix(scipy.sparse.load_npz(file), ids)
    elif file.suffix in (".graphml", ".gml"):
        networkx = needed("networkx")
        network = Network.from_networkx(
            (networkx.read_graphml if file.suffix == ".graphml" else networkx.read_gml)(file)
        )
    else:
        network = network_of_table(read_table(file, columns), columns, ids, str(file))
    if parents is not None:
        require_disjoint(network.site_names, parents)
    return network.at_least(minimum) if minimum > 0 else network


def read_nodes(path: str | Path, id: str | None = None, *, sha256: str | None = None) -> NodeTable:
    """A table of nodes.

    Arguments:
        path: as for `read_network`.
        id: the column of the ids; None: the first.
        sha256: what the file must hash to.

    Raises:
        ValueError: for a column that is not there, or ids that are missing or stand twice (with the row).
    """
    file = Path(path)
    if sha256 is not None:
        verify_file(file, sha256)
    table = _arrow_table(file)
    name = table.column_names[0] if id is None else id
    if name not in table.column_names:
        raise ValueError(f"{file}: no column {name!r}; there are {', '.join(table.column_names)}")
    ids = _ids(table.column(name), name, str(file))
    IdTable(ids)  # refuses ids that stand twice
    rest = {column: _plain_column(table.column(column)) for column in table.column_names if column != name}
    return NodeTable(ids, rest)


def read_sites(path: str | Path, *, id: str, site: str, received: str, sent: str) -> RegionNetwork:
    """The projectome from a table with a row for each node and region (the ROI counts of neuPrint), see
    `projectome_of_sites`.

    Arguments:
        path: as for `read_network`.
        id, site: columns of the ids and of the regions.
        received, sent: columns of what a node receives and sends there. Both are named, since presynaptic sites
            (T-bars) and postsynaptic ones (densities) differ several times in number.

    Raises:
        ValueError: for a column that is not there, cells that are empty (with the row), and as `projectome_of_sites`.
    """
    file, wanted = Path(path), [id, site, received, sent]

    def chosen(names: list[str]) -> list[str]:
        if missing := [name for name in wanted if name not in names]:
            raise ValueError(f"{file}: no column {', '.join(missing)}; there are {', '.join(names)}")
        return wanted

    table = _arrow_table(file, chosen)
    chosen(table.column_names)
    places = coded(table.column(site), UNASSIGNED)
    into, out = (_numbers(table.column(name), name, str(file)) for name in (received, sent))
    node, where = _ids(table.column(id), id, str(file)), np.asarray(places.names)[places.code]
    return projectome_of_sites(node, where, into, out)


def read_matrix(path: str | Path, labels: str | Path | Iterable[str] | None = None) -> Network:
    """A network from a square matrix in text (CSV, TSV or spaces), from row to column, as parcellated human connectomes
    are kept.

    Arguments:
        path: the matrix, with names in its first row (and column) or without.
        labels: names of the nodes, or a file of them; None takes those of the matrix, or 0, 1, 2, ...

    Raises:
        ValueError: for a matrix that is not square, entries that are no numbers, not as many names as rows.
    """
    file = Path(path)
    mark = _separator(file)
    rows = [[cell.strip().strip('"') for cell in _cells(line, mark)] for line in _lines(file)]
    names: list[str] | None = None
    if any(not _is_number(cell) for cell in rows[0]):
        names = [cell for cell in rows.pop(0) if cell]
    if rows and (not _is_number(rows[0][0]) or len(rows[0]) == len(rows) + 1):
        first = [row.pop(0) for row in rows]
        names = names if names is not None and len(names) == len(rows) else names[-len(rows) :] if names else first
    for number, row in enumerate(rows):
        for cell in row:
            if not _is_number(cell):
                raise ValueError(f"{file}: {cell!r} in row {number} of the matrix is no number")
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"{file}: rows of different lengths")
    matrix = np.array(rows, dtype=np.float64)
    if labels is not None:
        if isinstance(labels, str | Path):
            lines = [_cells(line, _separator(Path(labels))) for line in _lines(Path(labels))]
            names = [cell.strip().strip('"') for line in lines for cell in line]
        else:
            names = [str(name) for name in labels]
    if names is not None and len(names) != len(matrix):
        raise ValueError(f"{file}: {len(names)} labels for {len(matrix)} rows")
    return Network.from_matrix(matrix, None if names is None else np.array(names))


def read_table(path: str | Path, columns: Mapping[str, str | None] | None = None) -> ArrowTable:
    """The columns of connections of a table, as an Arrow table; see `read_network`."""
    file = Path(path)
    table = _arrow_table(file, lambda names: _held(found_columns(names, columns, str(file))))
    if table.column_names == [str(number) for number in range(table.num_columns)]:  # an edge list without a header
        if table.num_columns not in (2, 3):
            raise ValueError(
                f"{file}: {table.num_columns} columns without names; an edge list has pre, post and a count"
            )
        table = table.rename_columns(["pre", "post", "count"][: table.num_columns])
    return table.select(_held(found_columns(table.column_names, columns, str(file))))


def found_columns(names: Iterable[str], given: Mapping[str, str | None] | None, where: str) -> dict[str, str | None]:
    """Which column holds what: {"pre", "post", "count", "site", "layer": name or None}."""
    there, named = list(names), dict(given or {})
    if unknown := sorted(set(named) - set(COLUMNS)):
        raise ValueError(f"columns: {', '.join(unknown)} is none of {', '.join(COLUMNS)}")
    found: dict[str, str | None] = {}
    for role, known in COLUMNS.items():
        if role in named:
            if named[role] is not None and named[role] not in there:
                raise ValueError(f"{where}: no column {named[role]!r} for {role!r}; there are {', '.join(there)}")
            found[role] = named[role]
            continue
        candidates = [name for name in known if name in there]
        if len(candidates) > 1:
            raise ValueError(
                f"{where}: {role!r} could be {' or '.join(candidates)}; name it: columns = {{{role!r}: ...}} (counts "
                "of presynaptic and of postsynaptic sites are different numbers)"
            )
        found[role] = candidates[0] if candidates else None
    for role in ("pre", "post"):
        if found[role] is None:
            raise ValueError(f"{where}: no column for {role!r} among {', '.join(there)}; name it: columns = ...")
    left = [name for name in there if name not in found.values()]
    if found["count"] is None and "count" not in named and (mixed := [name for name in left if _looks_counted(name)]):
        raise ValueError(
            f"{where}: the count could be {' or '.join(mixed)}; name it: columns = {{'count': ...}}, or None for one "
            "synapse a row"
        )
    return found


def network_of_table(table: ArrowTable, columns: Mapping[str, str | None] | None, nodes: Any, where: str) -> Network:
    """A network from the columns of an Arrow table."""
    found = found_columns(table.column_names, columns, where)
    pre, post = (_ids(table.column(found[role]), str(found[role]), where) for role in ("pre", "post"))
    count = None if found["count"] is None else _numbers(table.column(found["count"]), found["count"], where)
    layer, site = (
        None if found[role] is None else coded(table.column(found[role]), missing)
        for role, missing in (("layer", "unknown"), ("site", UNASSIGNED))
    )
    return Network.from_edges(pre, post, count, nodes=nodes, layer=layer, site=site)


def coded(column: ArrowColumn, missing: str) -> Coded:
    """A column as sorted names and numbers; empty cells are called ``missing``."""
    pyarrow = needed("pyarrow")
    text = column.cast(pyarrow.string()) if not isinstance(column.type, pyarrow.DictionaryType) else column
    parts = text.dictionary_encode().unify_dictionaries().combine_chunks() if text.num_chunks else None
    if parts is None:
        return Coded((), np.zeros(0, np.int32))
    joined = parts.chunk(0) if isinstance(parts, pyarrow.ChunkedArray) else parts
    names = [str(name) if name not in (None, "") else missing for name in joined.dictionary.to_pylist()]
    index = joined.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    distinct = sorted({*names, *([missing] if (index < 0).any() else [])})
    number = {name: place for place, name in enumerate(distinct)}
    place = np.array([*(number[name] for name in names), number.get(missing, -1)], np.int32)
    return Coded(tuple(distinct), place[index])


def verify_file(path: Path, sha256: str) -> None:
    """Refuse a file that does not hash to ``sha256``."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256.lower():
        raise ValueError(f"{path}: its sha256 is {found}, expected {sha256}: another version, or a damaged copy")


def _held(found: Mapping[str, str | None]) -> list[str]:
    return [name for name in found.values() if name is not None]


def _arrow_table(file: Path, choose: Callable[[list[str]], list[str]] | None = None) -> ArrowTable:
    """A whole table, or the columns that are chosen from its names where the format lets the others lie."""
    csv, dataset = needed("pyarrow.csv"), needed("pyarrow.dataset")
    if not file.exists():
        raise ValueError(f"{file}: there is no such file or folder")
    kind = _kind(file)
    if file.is_dir() or kind in (".parquet", ".pq"):
        held = dataset.dataset(file, format="parquet", partitioning="hive")
        return held.to_table(columns=choose(held.schema.names) if choose else None)
    if kind in (".feather", ".arrow", ".ipc"):
        held = dataset.dataset(file, format="feather")
        return held.to_table(columns=choose(held.schema.names) if choose else None)
    if kind not in (".csv", ".tsv", ".txt", ".edgelist", ".edges", ".dat"):
        raise ValueError(
            f"{file}: not a kind of file that is read: .parquet, .feather, .csv, .tsv, .txt, .npz, .graphml"
        )
    first = next(iter(_lines(file)), "")
    mark = _separator(file)
    bare = all(_is_number(cell) for cell in _cells(first, mark))
    names = [str(number) for number in range(len(_cells(first, mark)))] if bare else None
    return csv.read_csv(
        file,
        read_options=csv.ReadOptions(column_names=names),
        parse_options=csv.ParseOptions(delimiter=mark),
        convert_options=csv.ConvertOptions(strings_can_be_null=True, null_values=_EMPTY),
    )


def _kind(file: Path) -> str:
    return Path(file.stem).suffix.lower() if file.suffix == ".gz" else file.suffix.lower()


def _lines(file: Path) -> Iterable[str]:
    """Lines that are not empty."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                yield line.rstrip("\r\n")


def _separator(file: Path) -> str:
    """The sign between cells: that of the ending, else the one that the first line has."""
    kind = _kind(file)
    if kind == ".tsv":
        return "\t"
    first = next(iter(_lines(file)), "")
    return max("\t,; ", key=first.count) if kind != ".csv" or "," not in first else ","


def _cells(line: str, mark: str) -> list[str]:
    return line.split() if mark == " " else line.split(mark)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_yes(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("true", "yes", "1", "1.0")
    return value is not None and value == value and value > 0


def _looks_counted(name: str) -> bool:
    plain = name.lower()
    words = ("count", "weight", "synap", "psd", "tbar", "t_bar", "n_pre", "n_post", "strength", "contact", "number")
    return plain in ("n", "w", "num", "value", "size", "nbr") or any(word in plain for word in words)


def _ids(column: ArrowColumn, name: str, where: str) -> NDArray[Any]:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise ValueError(
            f"{where}: no id in column {name!r}, row {row} (counted from 0), {column.null_count} such rows"
        )
    values = column.to_numpy()
    return np.asarray(values.astype(str) if values.dtype == object else values)


def _numbers(column: ArrowColumn, name: str | None, where: str) -> NDArray[Any]:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise ValueError(
            f"{where}: no count in column {name!r}, row {row} (counted from 0), {column.null_count} such rows"
        )
    return np.asarray(column.to_numpy())


def _plain_column(column: ArrowColumn) -> NDArray[Any]:
    pyarrow = needed("pyarrow")
    return np.asarray((column.cast("string") if isinstance(column.type, pyarrow.DictionaryType) else column).to_numpy())


def needed(name: str) -> Any:
    """An optional library, or an error with the line that installs it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"this needs {name}: " + _INSTALL.format(name.partition(".")[0])) from error
