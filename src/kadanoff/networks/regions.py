"""Which region every node belongs to: hard labels, or shares in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from kadanoff.maps import Map

__all__ = ["QUANTUM", "UNASSIGNED", "Regions", "Shares"]

UNASSIGNED = "unassigned"
QUANTUM = 1 << 16
"""The shares of a node in whole numbers sum to this, so that soft aggregation is exact in integers."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Hard regions: node i belongs to region label[i] of `names`. The last region is always `UNASSIGNED`, a region like
    any other, so that nothing is dropped.

    Arguments:
        names: (K,) unique; the last is "unassigned".
        label: (n,) uint8 or uint16 (the narrowest), from 0 to K - 1.
    """

    names: tuple[str, ...]
    label: NDArray[Any]

    @classmethod
    def from_labels(cls, labels: ArrayLike, names: tuple[str, ...] | None = None) -> Self:
        """Regions from one label a node.

        Arguments:
            labels: (n,) names (None, NaN and "" are unassigned) or, where `names` is given, integers with -1 for
                unassigned.
            names: of the numbered regions; None takes the names that occur, sorted.

        Raises:
            ValueError: for numbers outside the names, or more than 65,534 regions.
        """
        # as objects: among text NumPy would write NaN as "nan", a region like any other
        given = np.asarray(labels, dtype=object if names is None and not isinstance(labels, np.ndarray) else None)
        if given.ndim != 1:
            raise ValueError(f"labels: expected one for every node, got {given.shape}")
        if names is None:
            text = np.array(["" if _is_missing(value) else str(value) for value in given.tolist()], dtype=object)
            known = sorted({value for value in text if value and value != UNASSIGNED})
            number = {name: k for k, name in enumerate(known)} | {"": len(known), UNASSIGNED: len(known)}
            index = np.fromiter((number[value] for value in text), np.int64, text.size)
        else:
            known = [str(name) for name in names if name != UNASSIGNED]
            if not np.issubdtype(given.dtype, np.integer):
                raise ValueError(f"labels: expected integers for {len(known)} named regions, got {given.dtype}")
            if given.size and not -1 <= given.min() <= given.max() < len(known):
                worst = int(np.flatnonzero((given < -1) | (given >= len(known)))[0])
                raise ValueError(f"labels: {given[worst]} at node {worst}, but there are {len(known)} regions")
            index = np.where(given < 0, len(known), given).astype(np.int64)
        if len(set(known)) != len(known):
            raise ValueError("names: two regions have one name")
        if len(known) > np.iinfo(np.uint16).max - 1:
            raise ValueError(f"labels: {len(known)} regions, at most {np.iinfo(np.uint16).max - 1} can be held")
        kind = np.uint8 if len(known) <= np.iinfo(np.uint8).max else np.uint16
        return cls((*known, UNASSIGNED), index.astype(kind))

    @property
    def k(self) -> int:
        """How many regions there are, with the unassigned."""
        return len(self.names)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(K,) nodes in every region."""
        return np.bincount(self.label, minlength=self.k).astype(np.int64)

    @property
    def map(self) -> Map:
        """The hard `Map` of these regions, the unassigned as its last coarse thing."""
        return Map.groups(self.label.astype(np.int64), coarse=self.k)

    def coarser(self, parent: dict[str, str]) -> Self:
        """The regions that these lie in: `parent` names the larger region of each; one left out stays unassigned."""
        if unknown := sorted(set(parent) - set(self.names)):
            raise ValueError(f"parent: no region named {', '.join(unknown)}; there are {', '.join(self.names)}")
        larger = np.array([parent.get(name, "") for name in self.names], dtype=object)
        larger[-1] = ""
        return type(self).from_labels(larger[self.label])

    def shuffled(self, seed: int) -> Self:
        """Random regions of the same sizes: what any partition must beat."""
        return type(self)(self.names, np.random.default_rng(seed).permutation(self.label))


@dataclass(frozen=True, eq=False)
class Shares:
    """Soft regions in whole numbers: share[e] of QUANTUM of node i lie in region[e], e from starts[i] to starts[i + 1].

    Every node's shares sum to QUANTUM; what was missing to one lies in the last region, `UNASSIGNED`.

    Arguments:
        names: (K,) unique; the last is "unassigned".
        starts: (n + 1,) int64.
        region: (entries,) uint16.
        share: (entries,) uint32, positive.
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    region: NDArray[np.uint16]
    share: NDArray[np.uint32]

    @classmethod
    def from_matrix(cls, matrix: Any, names: tuple[str, ...]) -> Self:
        """Shares from M (n, K), rows summing to at most one, rounded to whole numbers by largest remainder: no share is
        off by more than 1 / QUANTUM and every row sums to QUANTUM exactly.

        Arguments:
            matrix: (n, K) dense or sparse, non-negative; K counts the named regions, without the unassigned.
            names: (K,) of the columns.

        Raises:
            ValueError: for shares that are negative or not finite, and rows that sum to more than one (regions that
                overlap: choose levels of a hierarchy that do not).
        """
        named = Map.shares(scipy.sparse.csr_array(matrix).T, unassigned="keep")  # checks shares, keeps what is missing
        rows = scipy.sparse.csr_array(named.membership.T)
        rows.sort_indices()
        part = rows.data * QUANTUM
        whole = np.floor(part + 1e-9).astype(np.int64)
        node = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        left = QUANTUM - np.bincount(node, whole, rows.shape[0]).astype(np.int64)
        order = np.lexsort((rows.indices, whole - part, node))  # largest remainder first
        rank = np.empty(node.size, np.int64)
        rank[order] = np.arange(node.size) - rows.indptr[node[order]]
        whole += rank < left[node]
        kept = whole > 0
        starts = np.concatenate([[0], np.cumsum(np.bincount(node[kept], minlength=rows.shape[0]))])
        if len(names) + 1 != rows.shape[1]:
            raise ValueError(f"names: {len(names)} for {rows.shape[1] - 1} columns")
        return cls(
            (*(str(name) for name in names), UNASSIGNED),
            starts.astype(np.int64),
            rows.indices[kept].astype(np.uint16),
            whole[kept].astype(np.uint32),
        )

    @classmethod
    def from_regions(cls, regions: Regions) -> Self:
        """Hard regions as shares: QUANTUM in one region."""
        n = regions.label.size
        return cls(
            regions.names,
            np.arange(n + 1, dtype=np.int64),
            regions.label.astype(np.uint16),
            np.full(n, QUANTUM, np.uint32),
        )

    @property
    def k(self) -> int:
        """How many regions there are, with the unassigned."""
        return len(self.names)

    @property
    def n(self) -> int:
        """How many nodes there are."""
        return len(self.starts) - 1

    @property
    def map(self) -> Map:
        """The soft `Map` of these shares."""
        rows = scipy.sparse.csr_array((self.share / QUANTUM, self.region, self.starts), shape=(self.n, self.k))
        return Map.shares(rows.T)

    @property
    def entropy(self) -> NDArray[np.float64]:
        """(n,) entropy in nats of every node's shares: 0 for a node of one region."""
        p = self.share / QUANTUM
        node = np.repeat(np.arange(self.n), np.diff(self.starts))
        return np.asarray(np.bincount(node, -p * np.log(p), self.n) + 0.0, dtype=np.float64)


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value != value
