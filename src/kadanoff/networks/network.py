"""Directed, counted connections between named nodes: the fine system of this field."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks._kernels import blocks
from kadanoff.networks.identifiers import IdTable

__all__ = ["Coded", "Mended", "Network"]

_PIECE = 1 << 20
_WHOLE_32, _WHOLE_64 = 1 << 24, 1 << 53  # up to which floats of 32 and 64 bits hold every whole number


class Coded(NamedTuple):
    """A column of names held once: row i is called names[code[i]]."""

    names: tuple[str, ...]
    code: NDArray[Any]


@dataclass(frozen=True)
class Mended:
    """What was counted and put right while the connections were read; nothing is dropped without standing here.

    Arguments:
        rows: rows that were read.
        duplicates: rows added to an earlier one with the same ends (and layer and site).
        self_loops: connections of a node with itself, and `self_loop_count` the counts in them; both kept.
        zeros: rows of count zero, left out.
        unmatched: rows one of whose ends is not in the node table, and `unmatched_count` the counts in them; their
            nodes were added, without a region.
        silent: nodes of the table without any connection; kept.
        fractional: rows whose count is no whole number; with one of them the network is one of weights, whose sums are
            rounded.
        below: connections that `Network.at_least` left out, and `below_count` the counts in them.
    """

    rows: int = 0
    duplicates: int = 0
    self_loops: int = 0
    self_loop_count: float = 0
    zeros: int = 0
    unmatched: int = 0
    unmatched_count: float = 0
    silent: int = 0
    fractional: int = 0
    below: int = 0
    below_count: float = 0


@dataclass(frozen=True, eq=False)
class Network:
    """Connections e from node source[e] to node target[e], count[e] of them.

    Rows are sorted by (source, target, layer, site) and no two are alike, so that `starts` cuts them into rows of a
    sparse matrix. Build one with `from_edges`, `from_matrix` or `kadanoff.networks.tables`.

    Arguments:
        nodes: (n,) the ids, unique, integers or strings.
        source, target: (m,) int32, positions in `nodes`.
        count: (m,) positive: unsigned integers (synapses: all sums are exact) or float64 (weights: sums are rounded).
        layer: (m,) uint8 or None: which of `layer_names` (transmitter, sign, gap junction) a connection is of.
        site: (m,) uint16 or None: in which of `site_names` (neuropils) its synapses lie; 0-based.
        mended: what reading changed.
    """

    nodes: NDArray[Any]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    count: NDArray[Any]
    layer: NDArray[np.uint8] | None = None
    layer_names: tuple[str, ...] = ()
    site: NDArray[np.uint16] | None = None
    site_names: tuple[str, ...] = ()
    mended: Mended = field(default_factory=Mended)

    @classmethod
    def from_edges(
        cls,
        pre: ArrayLike,
        post: ArrayLike,
        count: ArrayLike | None = None,
        *,
        nodes: ArrayLike | None = None,
        layer: ArrayLike | Coded | None = None,
        site: ArrayLike | Coded | None = None,
    ) -> Self:
        """A network from columns of ids.

        Arguments:
            pre, post: (rows,) ids of the two ends, integers or strings.
            count: (rows,) synapses; whole numbers are held as integers, others as float64. None: one each.
            nodes: (n,) all ids, in the order wanted; None: those that occur, sorted. Ids that occur but are not among
                them are added at the end and counted in `mended.unmatched`.
            layer, site: (rows,) names or numbers of the layer and the site of every row, or a `Coded` column.

        Raises:
            ValueError: for columns of different lengths, counts that are negative or not finite (with the row), counts
                that add up to 2^63, counts in 32-bit floats from 2^24 on, where whole numbers are no longer exact,
                ids that are missing or in floats beyond 2^53, node ids that are not unique.
        """
        a, b = whole_ids("pre", np.asarray(pre)), whole_ids("post", np.asarray(post))
        if a.ndim == 1 and a.shape == b.shape == (0,):
            raise ValueError("edges: no rows: the table of connections is empty")
        if a.ndim != 1 or a.shape != b.shape:
            raise ValueError(f"edges: pre and post must be columns of one length, got {a.shape} and {b.shape}")
        weight, fractional = checked_count(np.ones(a.size, np.uint8) if count is None else np.asarray(count), a.size)
        known, (source, target), given = _indices(a, b, nodes)
        layer_names, layers = _categories("layer", layer, a.size, np.uint8)
        site_names, sites = _categories("site", site, a.size, np.uint16)
        unmatched = (source >= given) | (target >= given)
        parts = [(source, len(known)), (target, len(known))]
        parts += [(layers, len(layer_names))] if layers is not None else []
        parts += [(sites, len(site_names))] if sites is not None else []
        kept = np.flatnonzero(weight > 0)
        counted = bool(np.issubdtype(weight.dtype, np.integer))
        order, first = _sorted_rows(parts, None if kept.size == a.size else kept, stable=not counted)
        starts = np.flatnonzero(first)
        held = weight if order is None else weight[order]
        summed = np.add.reduceat(held, starts) if starts.size else held[:0]
        chosen = starts if order is None else order[starts]
        loops = source[chosen] == target[chosen]
        touched = np.zeros(len(known), dtype=bool)
        touched[source[chosen]] = touched[target[chosen]] = True
        mended = Mended(
            rows=a.size,
            duplicates=int(kept.size - starts.size),
            self_loops=int(loops.sum()),
            self_loop_count=summed[loops].sum().item(),
            zeros=int(a.size - kept.size),
            unmatched=int(unmatched.sum()),
            unmatched_count=weight[unmatched].sum().item(),
            silent=int((~touched).sum()),
            fractional=fractional,
        )
        return cls(
            known,
            source[chosen],
            target[chosen],
            _narrow(summed),
            None if layers is None else layers[chosen],
            layer_names,
            None if sites is None else sites[chosen],
            site_names,
            mended,
        )

    @classmethod
    def from_matrix(cls, matrix: Any, nodes: ArrayLike | None = None) -> Self:
        """A network from a square matrix A (dense or scipy.sparse), A_ij from i to j; None names nodes 0, 1, 2, ...

        Raises:
            ValueError: for a matrix that is not square, or entries that are negative or not finite.
        """
        sparse = scipy.sparse.coo_array(matrix)
        if sparse.ndim != 2 or sparse.shape[0] != sparse.shape[1]:
            raise ValueError(f"matrix: expected a square one, from each node to each node, got {sparse.shape}")
        ids = np.arange(sparse.shape[0]) if nodes is None else np.asarray(nodes)
        if ids.shape != (sparse.shape[0],):
            raise ValueError(f"nodes: {ids.shape} ids for {sparse.shape[0]} rows")
        row, column = sparse.coords
        return cls.from_edges(ids[row], ids[column], sparse.data, nodes=ids)

    @classmethod
    def from_networkx(cls, graph: Any, weight: str = "weight") -> Self:
        """A network from a networkx graph; an undirected edge becomes one connection each way. `weight` names the
        attribute of the counts; an edge without one counts as 1."""
        nodes = np.asarray(list(graph.nodes))
        ends = [(a, b, data.get(weight, 1)) for a, b, data in graph.edges(data=True)]
        if not graph.is_directed():
            ends += [(b, a, w) for a, b, w in ends if a != b]
        pre, post, count = zip(*ends, strict=True)
        return cls.from_edges(np.asarray(pre), np.asarray(post), np.asarray(count), nodes=nodes)

    @property
    def n(self) -> int:
        """How many nodes there are, with those that have no connection."""
        return len(self.nodes)

    @property
    def m(self) -> int:
        """How many connections there are: pairs of nodes (of one layer and site)."""
        return len(self.count)

    @property
    def is_counted(self) -> bool:
        """Whether the counts are whole numbers, so that sums are exact."""
        return bool(np.issubdtype(self.count.dtype, np.integer))

    @cached_property
    def total(self) -> int | float:
        """All counts added up, exact for whole numbers."""
        found = self.count.sum(dtype=np.int64 if self.is_counted else np.float64)
        return int(found) if self.is_counted else float(found)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(n + 1,) where the rows of each source begin."""
        return np.searchsorted(self.source, np.arange(self.n + 1), side="left").astype(np.int64)

    @cached_property
    def outflow(self) -> NDArray[Any]:
        """(n,) counts sent by every node, int64 or float64."""
        return self._strength(self.source)

    @cached_property
    def inflow(self) -> NDArray[Any]:
        """(n,) counts received by every node, int64 or float64."""
        return self._strength(self.target)

    def _strength(self, ends: NDArray[np.int32]) -> NDArray[Any]:
        if self.is_counted:
            return exact_sums(ends, self.count, self.n)
        return np.asarray(np.bincount(ends, self.count, self.n))

    def matrix(self, dtype: Any = None) -> scipy.sparse.csr_array:
        """(n, n) sparse matrix A of the counts, all layers and sites added; int64 or float64 unless `dtype` says."""
        kind = dtype or (np.int64 if self.is_counted else np.float64)
        count, shape = self.count.astype(kind), (self.n, self.n)
        made = scipy.sparse.csr_array((count, self.target.copy(), self.starts.copy()), shape=shape)
        made.sum_duplicates()  # works in place
        return made

    def of_layer(self, name: str) -> Network:
        """The connections of one layer, between the same nodes."""
        if self.layer is None or name not in self.layer_names:
            raise ValueError(f"layer {name!r}: this network has {', '.join(self.layer_names) or 'no layers'}")
        return self.where(self.layer == self.layer_names.index(name))

    def where(self, kept: NDArray[np.bool_]) -> Network:
        """The connections chosen by a mask (m,), between the same nodes."""
        return Network(
            self.nodes,
            self.source[kept],
            self.target[kept],
            self.count[kept],
            None if self.layer is None else self.layer[kept],
            self.layer_names,
            None if self.site is None else self.site[kept],
            self.site_names,
            self.mended,
        )

    def at_least(self, minimum: float) -> Network:
        """The connections of pairs of nodes whose counts, all layers and sites added up, reach `minimum`; what is left
        out stands in `mended`.

        The pair counts, not the row: a pair of five synapses in five neuropils is one of five (the convention of
        FlyWire). Thresholds do not commute with aggregation, so they come first.
        """
        pair = np.ones(self.m, dtype=bool)
        pair[1:] = (self.source[1:] != self.source[:-1]) | (self.target[1:] != self.target[:-1])
        starts = np.flatnonzero(pair)
        wide = self.count.astype(np.int64 if self.is_counted else np.float64)
        kept = np.repeat(np.add.reduceat(wide, starts) >= minimum, np.diff(np.append(starts, self.m)))
        left = self.where(kept)
        mended = replace(
            self.mended,
            below=self.mended.below + int((~kept).sum()),
            below_count=self.mended.below_count + wide[~kept].sum().item(),
        )
        return replace(left, mended=mended)

    def __repr__(self) -> str:
        return f"Network({self.n} nodes, {self.m} connections, total {self.total:g})"


def exact_sums(where: NDArray[Any], count: NDArray[Any], n: int) -> NDArray[np.int64]:
    """(n,) whole counts added up by place, exactly."""
    summed = np.zeros(n, np.int64)
    blocks.add_where(where, count.astype(np.int64) if count.dtype == np.uint64 else count, summed)
    return summed


def whole_ids(what: str, ids: NDArray[Any]) -> NDArray[Any]:
    """Ids as integers or text: a table with holes is read as floats, which hold whole numbers up to 2^53 alone."""
    if ids.dtype == object:
        missing = np.array([value is None or value != value for value in ids.ravel().tolist()], dtype=bool)
        if missing.any():
            row = int(np.flatnonzero(missing)[0])
            raise ValueError(f"{what}: no id in row {row} (counted from 0), {int(missing.sum())} such rows")
        return ids.astype(str)
    if not np.issubdtype(ids.dtype, np.floating):
        return ids
    bad = ~np.isfinite(ids) | (ids != np.rint(ids)) | (np.abs(ids) > _WHOLE_64)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{what}: {ids[row]} in row {row} (counted from 0) is no id, {int(bad.sum())} such rows; ids are integers "
            "or text (floats hold whole numbers up to 2^53 alone): write the column as one of these"
        )
    return ids.astype(np.int64)


def _sorted_rows(
    parts: list[tuple[NDArray[Any], int]], kept: NDArray[np.int64] | None, *, stable: bool
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """The order of the rows that are kept (None: they stand in it), and which begin a new connection in that order.

    Sums of floats depend on the order of rows that are alike, hence `stable`; sums of integers do not.
    """
    span = 1
    for _, size in parts:
        span *= max(size, 1)
    first = np.ones(parts[0][0].size if kept is None else kept.size, dtype=bool)
    if span < 1 << 63:
        key = parts[0][0].astype(np.int64)
        for column, size in parts[1:]:
            key *= size
            key += column
        if kept is not None:
            key = key[kept]
        if np.all(key[1:] >= key[:-1]):
            order = kept
        else:
            order = np.argsort(key, kind="stable" if stable else None)
            key = key[order]
            order = order if kept is None else kept[order]
        first[1:] = key[1:] != key[:-1]
        return order, first
    columns = [column if kept is None else column[kept] for column, _ in parts]
    order = np.lexsort(columns[::-1])
    columns = [column[order] for column in columns]
    first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return order if kept is None else kept[order], first


def checked_count(count: NDArray[Any], rows: int) -> tuple[NDArray[Any], int]:
    """Counts as int64 or float64, and how many are no whole numbers."""
    if count.shape != (rows,):
        raise ValueError(f"count: {count.shape} numbers for {rows} rows")
    if count.dtype == np.bool_:
        count = count.astype(np.uint8)
    if not np.issubdtype(count.dtype, np.number) or np.iscomplexobj(count):
        raise ValueError(f"count: expected numbers, got {count.dtype}")
    bad = count < 0 if np.issubdtype(count.dtype, np.integer) else ~(np.isfinite(count) & (count >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"count: {count[row]} in row {row} (counted from 0), {int(bad.sum())} such rows; counts are finite and not "
            "negative: put the sign of a connection into a layer (excitatory, inhibitory), never into its count"
        )
    if not np.issubdtype(count.dtype, np.floating):
        return _below_int64(count), 0
    top = float(count.max(initial=0))
    if count.dtype.itemsize <= 4 and top >= _WHOLE_32:
        rows_above = int((count >= _WHOLE_32).sum())
        raise ValueError(
            f"count: {rows_above} rows of {count.dtype} from 2^24 = {_WHOLE_32} on (up to {top:.9g}), where it no "
            "longer holds every whole number; write the column as integers, or as float64 if these are weights"
        )
    fractional = int((count != np.rint(count)).sum())
    if fractional == 0 and top < _WHOLE_64:
        return _below_int64(count), 0
    return count.astype(np.float64), fractional


def _below_int64(count: NDArray[Any]) -> NDArray[np.int64]:
    """Whole counts as int64, refused where their sum would wrap around."""
    if float(count.max(initial=0)) * count.size >= 2.0**62 and (total := sum(map(int, count.tolist()))) >= 1 << 63:
        raise ValueError(f"count: the counts add up to {total}, 2^63 or more, which int64 does not hold")
    return count.astype(np.int64)


def _narrow(count: NDArray[Any]) -> NDArray[Any]:
    """The smallest unsigned integers that hold the counts: less memory to read."""
    if not np.issubdtype(count.dtype, np.integer):
        return count
    return count.astype(np.min_scalar_type(int(count.max(initial=0))))


def _indices(
    pre: NDArray[Any], post: NDArray[Any], nodes: ArrayLike | None
) -> tuple[NDArray[Any], tuple[NDArray[np.int32], NDArray[np.int32]], int]:
    """All ids, the positions of both ends among them, and how many of the ids were given."""
    if nodes is None:
        known = _distinct(pre, post)
        return known, _places(IdTable(known), pre, post), known.size
    known = whole_ids("nodes", np.asarray(nodes))
    source, target = _places(IdTable(known), pre, post)
    given = known.size
    if min(source.min(), target.min()) < 0:
        more = _distinct(pre[source < 0], post[target < 0])
        known = np.concatenate([known, more])
        table = IdTable(more)
        for place, ids in ((source, pre), (target, post)):
            lost = np.flatnonzero(place < 0)
            place[lost] = table.find(ids[lost]) + given
    return known, (source, target), given


def _distinct(*columns: NDArray[Any]) -> NDArray[Any]:
    """All ids in order; piece by piece, since most stand many times."""
    found = [_once(ids[at : at + _PIECE]) for ids in columns for at in range(0, ids.size, _PIECE)]
    return _once(np.concatenate(found))


def _once(ids: NDArray[Any]) -> NDArray[Any]:
    """As np.unique, whose hash table is far slower than sorting integers."""
    ordered = np.sort(ids)
    return np.asarray(ordered[np.append(True, ordered[1:] != ordered[:-1])])


def _places(table: IdTable, pre: NDArray[Any], post: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if table.size >= np.iinfo(np.int32).max:
        raise ValueError(f"nodes: {table.size} are more than 2^31; aggregate such a table out of core")
    return table.find(pre), table.find(post)


def _categories(
    what: str, values: ArrayLike | Coded | None, rows: int, kind: type
) -> tuple[tuple[str, ...], NDArray[Any] | None]:
    if values is None:
        return (), None
    if isinstance(values, Coded):
        names, index = values
    else:
        distinct, index = np.unique(np.asarray(values), return_inverse=True)
        names = tuple(str(name) for name in distinct)
    if index.shape != (rows,):
        raise ValueError(f"{what}: {index.shape} values for {rows} rows")
    if len(names) > np.iinfo(kind).max:
        raise ValueError(f"{what}: {len(names)} different ones, at most {np.iinfo(kind).max} can be held")
    return names, index.astype(kind)
