"""Region networks of tables larger than memory: parquet and feather files, piece by piece.

Every piece (some row groups of one file) gives a (K, K) sum of whole numbers, so that the result is the same bits for
any size of batch, any number and kind of workers, and whether or not a killed run was taken up again. Memory is one
batch and (K, K) for every worker, whatever the size of the table.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks._kernels import blocks
from kadanoff.networks.aggregation import ExactSum, RegionNetwork, packed_shares, shared_rows
from kadanoff.networks.identifiers import IdTable
from kadanoff.networks.regions import QUANTUM, Regions, Shares
from kadanoff.networks.tables import NodeTable, found_columns, needed
from kadanoff.parallel import map_ordered
from kadanoff.study.stages import write_atomically

__all__ = ["Aggregated", "block_of_dataset", "soft_block_of_dataset"]

_TALLY = ("rows", "zeros", "self_loops", "self_loop_count", "unmatched", "unmatched_count", "total")


@dataclass(frozen=True, eq=False)
class Aggregated:
    """A region network of a table out of core, and what was met on the way.

    Rows of the same pair are added up, which changes no region; they are not counted as duplicates, since no pair is
    held in memory.

    Arguments:
        network: block or soft block.
        rows, zeros: rows read, and those of count zero.
        self_loops, self_loop_count: rows of a node with itself, and the counts in them; kept.
        unmatched, unmatched_count: rows one of whose ends is not among the nodes, and the counts in them; that end is
            unassigned.
        pieces, resumed: pieces of the table, and how many of them were taken from an earlier run.
    """

    network: RegionNetwork
    rows: int
    zeros: int
    self_loops: int
    self_loop_count: int
    unmatched: int
    unmatched_count: int
    pieces: int
    resumed: int


class _Labels(NamedTuple):
    """What a worker knows of the nodes; node n stands for those that are not in the table."""

    ids: NDArray[Any]
    label: NDArray[Any]
    k: int


class _Words(NamedTuple):
    ids: NDArray[Any]
    pre_starts: NDArray[Any]
    pre: NDArray[np.uint32]
    post_starts: NDArray[Any]
    post: NDArray[np.uint32]
    k: int


class _Piece(NamedTuple):
    file: Path
    groups: tuple[int, ...]
    columns: tuple[str, str, str | None]
    batch: int
    nodes: _Labels | _Words | Path
    partial: Path | None


def block_of_dataset(
    path: str | Path,
    nodes: NodeTable | ArrayLike,
    regions: Regions,
    *,
    columns: Mapping[str, str | None] | None = None,
    partials: str | Path | None = None,
    batch: int = 1 << 20,
    piece: int = 1 << 24,
    executor: Executor | None = None,
) -> Aggregated:
    """The `block` network of a table that need not fit into memory.

    Arguments:
        path: a parquet or feather file, or a folder of them (hive partitions too).
        nodes: ids of all nodes.
        regions: of these nodes, in their order.
        columns: as for `read_network`; only "pre", "post" and "count" are read.
        partials: a folder that keeps the sum of every finished piece; a run that was killed goes on from there. A piece
            is known by its file's path in the folder, size and time of change, the columns and the regions.
        batch: rows held at a time by each worker.
        piece: rows of a piece, at least; row groups are not cut, and no piece reaches into a second file.
        executor: see `kadanoff.parallel`; processes and clusters need paths that they can read too.

    Raises:
        ValueError: for a column that is missing or ambiguous, ids or counts that are missing, counts that are negative
            or no whole numbers (with file and row), sums of 2^63 and more.
    """
    ids = _ids_of(nodes)
    if regions.label.size != ids.size:
        raise ValueError(f"regions: {regions.label.size} labels for {ids.size} nodes")
    known = _Labels(ids, np.append(regions.label, regions.label.dtype.type(regions.k - 1)), regions.k)
    words, tally, pieces, resumed = _run(path, known, columns, partials, batch, piece, executor)
    counts = (words.words[0] << 32) + words.words[1]
    network = RegionNetwork("block", regions.names, counts, regions.sizes.astype(np.float64))
    return _aggregated(network, tally, pieces, resumed)


def soft_block_of_dataset(
    path: str | Path,
    nodes: NodeTable | ArrayLike,
    pre: Shares,
    post: Shares,
    *,
    columns: Mapping[str, str | None] | None = None,
    partials: str | Path | None = None,
    batch: int = 1 << 20,
    piece: int = 1 << 24,
    executor: Executor | None = None,
) -> Aggregated:
    """The `soft_block` network of a table that need not fit into memory; arguments as `block_of_dataset`.

    A batch sorted by sender is fastest; another one is sorted first, which changes no bit.
    """
    ids = _ids_of(nodes)
    if pre.n != ids.size or post.n != ids.size:
        raise ValueError(f"shares: of {pre.n} senders and {post.n} receivers for {ids.size} nodes")
    if pre.names != post.names:
        raise ValueError("shares: senders and receivers must be shared out among the same regions")
    known = _Words(ids, *_with_unknown(pre), *_with_unknown(post), pre.k)
    sums, tally, pieces, resumed = _run(path, known, columns, partials, batch, piece, executor)
    exact = sums.value
    members = np.asarray(np.bincount(pre.region, pre.share / QUANTUM, pre.k), dtype=np.float64)
    network = RegionNetwork("soft block", pre.names, exact.astype(np.float64) / QUANTUM**2, members, exact)
    return _aggregated(network, tally, pieces, resumed)


def _aggregated(network: RegionNetwork, tally: dict[str, int], pieces: int, resumed: int) -> Aggregated:
    kept = {name: number for name, number in tally.items() if name != "total"}
    return Aggregated(network, **kept, pieces=pieces, resumed=resumed)


def _ids_of(nodes: NodeTable | ArrayLike) -> NDArray[Any]:
    ids = nodes.ids if isinstance(nodes, NodeTable) else np.asarray(nodes)
    return ids.astype(str) if ids.dtype == object else ids


def _with_unknown(shares: Shares) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Packed shares with one node more, all of it unassigned."""
    starts, word = packed_shares(shares)
    nowhere = packed_shares(
        Shares(
            shares.names,
            np.array([0, 1]),
            np.array([shares.k - 1], np.uint16),
            np.array([QUANTUM], np.uint32),
        )
    )[1]
    return np.append(starts, starts[-1] + starts.dtype.type(1)), np.append(word, nowhere)


def _run(
    path: str | Path,
    nodes: _Labels | _Words,
    columns: Mapping[str, str | None] | None,
    partials: str | Path | None,
    batch: int,
    piece: int,
    executor: Executor | None,
) -> tuple[ExactSum, dict[str, int], int, int]:
    if batch < 1 or piece < 1:
        raise ValueError(f"batch of {batch} rows and piece of {piece}: at least 1")
    IdTable(nodes.ids)  # refuses ids that stand twice before anything is read
    folder = None if partials is None else Path(partials)
    known: _Labels | _Words | Path = nodes
    digest = _digest(nodes)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        known = folder / f"nodes.{digest[:20]}.npz"
        if not known.exists():
            _save(known, {"kind": np.array(type(nodes).__name__), **nodes._asdict()})
    todo = list(_pieces(Path(path), columns, batch, piece, known, folder, digest))
    resumed = sum(one.partial is not None and one.partial.exists() for one in todo)
    sums, tally = ExactSum(nodes.k), dict.fromkeys(_TALLY, 0)
    for words, numbers in map_ordered(_sum_of_piece, todo, executor):
        sums.add_words(words)
        for name, number in zip(_TALLY, numbers, strict=True):
            tally[name] += number
    if tally["total"] >= 1 << 63:
        raise ValueError(f"count: the counts add up to {tally['total']}, int64 holds less than 2^63")
    return sums, tally, len(todo), resumed


def _pieces(
    path: Path,
    columns: Mapping[str, str | None] | None,
    batch: int,
    piece: int,
    nodes: _Labels | _Words | Path,
    folder: Path | None,
    digest: str,
) -> Iterator[_Piece]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _is_table(file))
    if not files:
        raise ValueError(f"{path}: no .parquet or .feather file there; other tables are read by `read_network`")
    for file in files:
        if not _is_table(file):
            raise ValueError(f"{file}: only .parquet and .feather are read in pieces; write one with pyarrow")
        names, rows = _layout(file)
        found = found_columns(names, columns, str(file))
        chosen = (str(found["pre"]), str(found["post"]), found["count"])
        status = file.stat()
        for groups in _bundles(rows, piece):
            partial = None
            if folder is not None:
                name = file.name if file == path else file.relative_to(path).as_posix()
                about = repr((digest, name, status.st_size, status.st_mtime_ns, groups, chosen))
                key = hashlib.sha256(about.encode()).hexdigest()
                partial = folder / f"{file.stem}.{groups[0]}-{groups[-1]}.{key[:20]}.npz"
            yield _Piece(file, groups, chosen, batch, nodes, partial)


def _is_table(file: Path) -> bool:
    return file.is_file() and file.suffix.lower() in (".parquet", ".pq", ".feather", ".arrow")


def _layout(file: Path) -> tuple[list[str], list[int]]:
    """Names of the columns, and the rows of every group."""
    if file.suffix.lower() in (".parquet", ".pq"):
        held = needed("pyarrow.parquet").ParquetFile(file)
        groups = held.metadata.num_row_groups
        return held.schema_arrow.names, [held.metadata.row_group(group).num_rows for group in range(groups)]
    pyarrow = needed("pyarrow")
    with needed("pyarrow.ipc").open_file(pyarrow.memory_map(str(file))) as reader:
        return reader.schema.names, [reader.get_batch(group).num_rows for group in range(reader.num_record_batches)]


def _bundles(rows: list[int], least: int) -> Iterator[tuple[int, ...]]:
    """Row groups side by side until there are rows enough: the same pieces for any batch and any number of workers."""
    bundle: list[int] = []
    held = 0
    for group, number in enumerate(rows):
        bundle.append(group)
        held += number
        if held >= least:
            yield tuple(bundle)
            bundle, held = [], 0
    if bundle:
        yield tuple(bundle)


def _batches(piece: _Piece) -> Iterator[Any]:
    wanted = [name for name in piece.columns if name is not None]
    if piece.file.suffix.lower() in (".parquet", ".pq"):
        held = needed("pyarrow.parquet").ParquetFile(piece.file)
        yield from held.iter_batches(piece.batch, row_groups=list(piece.groups), columns=wanted, use_threads=False)
        return
    pyarrow = needed("pyarrow")
    options = needed("pyarrow.ipc").IpcReadOptions(use_threads=False)
    with needed("pyarrow.ipc").open_file(pyarrow.memory_map(str(piece.file)), options=options) as reader:
        for group in piece.groups:
            whole = reader.get_batch(group).select(wanted)
            for start in range(0, whole.num_rows, piece.batch):
                yield whole.slice(start, piece.batch)


def _sum_of_piece(piece: _Piece) -> tuple[NDArray[np.int64], list[int]]:
    """High and low words (2, K, K) of the sums, and the tally."""
    if piece.partial is not None and piece.partial.exists():
        with np.load(piece.partial) as held:
            return held["words"], [int(number) for number in held["tally"]]
    nodes, table = _known(piece.nodes) if isinstance(piece.nodes, Path) else (piece.nodes, IdTable(piece.nodes.ids))
    sums, tally = ExactSum(nodes.k), [0] * len(_TALLY)
    row = 0
    for batch in _batches(piece):
        source, target, count, numbers = _checked(batch, piece, table, nodes.ids.size, row)
        row += batch.num_rows
        tally = [a + b for a, b in zip(tally, numbers, strict=True)]
        if isinstance(nodes, _Labels):
            out = np.zeros((nodes.k, nodes.k), np.int64)
            blocks.add_columns(source, target, count, nodes.label, nodes.label, out)
            sums.add(out)
        else:
            sums.add(_soft_sum(source, target, count, nodes))
    if piece.partial is not None:
        _save(piece.partial, {"words": sums.words, "tally": np.array([str(number) for number in tally])})
    return sums.words, tally


def _checked(
    batch: Any, piece: _Piece, table: IdTable, n: int, row: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any], list[int]]:
    """Positions of both ends (n: not in the table), whole counts, and what is tallied of them."""
    ends = []
    for name in piece.columns[:2]:
        column = batch.column(batch.schema.get_field_index(name))
        if column.null_count:
            raise ValueError(f"{piece.file}: no id in column {name!r} near row {row}, {column.null_count} such rows")
        values = column.to_numpy(zero_copy_only=False)
        if np.issubdtype(values.dtype, np.floating):
            raise ValueError(f"{piece.file}: column {name!r} holds {values.dtype}, ids are integers or text")
        place = table.find(values.astype(str) if values.dtype == object else values)
        ends.append(place)
    source, target = ends
    count = _whole(batch, piece, row)
    missing = (source < 0) | (target < 0)
    loops = (source == target) & ~missing
    source[source < 0] = n
    target[target < 0] = n
    high = int(count.max(initial=0)) * count.size >= 1 << 63
    numbers = [
        count.size,
        int((count == 0).sum()),
        int(loops.sum()),
        int(count[loops].sum(dtype=np.int64)),
        int(missing.sum()),
        int(count[missing].sum(dtype=np.int64)),
        sum(count.tolist()) if high else int(count.sum(dtype=np.int64)),
    ]
    if numbers[-1] >= 1 << 63:
        raise ValueError(f"{piece.file}: counts of a batch add up to {numbers[-1]}, int64 holds less than 2^63")
    return source, target, count, numbers


def _whole(batch: Any, piece: _Piece, row: int) -> NDArray[Any]:
    name = piece.columns[2]
    if name is None:
        return np.ones(batch.num_rows, np.uint8)
    column = batch.column(batch.schema.get_field_index(name))
    if column.null_count:
        raise ValueError(f"{piece.file}: no count in column {name!r} near row {row}, {column.null_count} such rows")
    count = np.asarray(column.to_numpy(zero_copy_only=False))
    bad = count < 0
    if np.issubdtype(count.dtype, np.floating):
        top = 1 << (24 if count.dtype.itemsize <= 4 else 53)
        bad = ~((count >= 0) & (count == np.rint(count)) & (count < top))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{piece.file}: {count[first]} ({count.dtype}) in column {name!r}, row {row + first} of row groups "
            f"{piece.groups[0]} to {piece.groups[-1]}, {int(bad.sum())} such rows in its batch; out of core counts are "
            "whole numbers, not negative, and exact (floats of 32 bits up to 2^24, of 64 bits up to 2^53)"
        )
    return count if count.dtype in (np.uint8, np.uint16, np.uint32, np.int32, np.int64) else count.astype(np.int64)


def _soft_sum(source: NDArray[np.int32], target: NDArray[np.int32], count: NDArray[Any], nodes: _Words) -> NDArray[Any]:
    if np.any(source[1:] < source[:-1]):
        order = np.argsort(source)
        source, target, count = source[order], target[order], count[order]
    begins = np.flatnonzero(np.append(True, source[1:] != source[:-1])) if source.size else np.zeros(0, np.int64)
    starts = np.append(begins, source.size).astype(np.int64)
    words = (nodes.pre_starts, nodes.pre, nodes.post_starts, nodes.post)
    return shared_rows(source[begins], starts, target, count, words, nodes.k)


@functools.lru_cache(maxsize=2)
def _known(path: Path) -> tuple[_Labels | _Words, IdTable]:
    """The nodes as the folder of partial sums keeps them: read once by every worker."""
    with np.load(path) as held:
        fields = {name: held[name] for name in held.files if name not in ("kind", "k")}
        kind = _Labels if str(held["kind"]) == _Labels.__name__ else _Words
        nodes = kind(**fields, k=int(held["k"]))
    return nodes, IdTable(nodes.ids)


def _digest(nodes: _Labels | _Words) -> str:
    digest = hashlib.sha256(type(nodes).__name__.encode())
    for name, value in nodes._asdict().items():
        array = np.asarray(value)
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())
