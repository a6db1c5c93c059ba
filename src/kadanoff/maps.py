"""The map from fine things to coarse things: one sparse matrix, used by every field."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

__all__ = ["Map"]

_ROUNDING = 1e-9  # how far above one a column of shares may sum: rounding of the caller's own arithmetic


@dataclass(frozen=True, eq=False)
class Map:
    """Share fine things out among coarse things: X_I = sum_j M_Ij x_j.

    Column j of `membership` M says how fine thing j is shared out, so no column sums to more than one; what is
    missing to one is owned by nobody (`unassigned`). Intensive quantities are averaged with `weight` w:
    X_I = sum_j M_Ij w_j x_j / sum_j M_Ij w_j.

    Arguments:
        membership: (n_coarse, n_fine) sparse or dense, non-negative.
        weight: (n_fine,) non-negative (masses, volumes, probabilities); None means ones.

    Raises:
        ValueError: for negative or non-finite entries, columns that sum to more than one, a weight of another length.

    >>> pairs = Map.groups([0, 0, 1, 1])
    >>> pairs.sum([1.0, 2.0, 3.0, 4.0])
    array([3., 7.])
    >>> pairs.mean([1.0, 2.0, 3.0, 4.0])
    array([1.5, 3.5])
    """

    membership: scipy.sparse.csr_array
    weight: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "membership", _checked_membership(self.membership))
        if self.weight is not None:
            object.__setattr__(self, "weight", _checked_weight(self.weight, self.n_fine))

    @classmethod
    def groups(
        cls,
        labels: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        coarse: int | None = None,
        unassigned: Literal["report", "keep"] = "report",
    ) -> Self:
        """Hard groups: fine thing j belongs to coarse thing labels[j], M_Ij = 1 where labels[j] = I.

        Arguments:
            labels: (n_fine,) integers from 0; -1 marks what belongs to no coarse thing.
            weight: (n_fine,) what `mean` averages by; None means ones.
            coarse: how many coarse things there are; default the largest label plus one.
            unassigned: "report" leaves label -1 out of every group (see `unassigned`); "keep" adds one last coarse
                thing that owns all of them, also when there are none.

        Raises:
            ValueError: for labels that are not integers, lie below -1 or at or above `coarse`.
        """
        given = np.asarray(labels)
        if given.ndim != 1 or given.size == 0:
            raise ValueError(f"labels: expected one integer for every fine thing, got an array of shape {given.shape}")
        if not np.issubdtype(given.dtype, np.integer):
            raise ValueError(f"labels: expected integers, got {given.dtype}; number the groups 0, 1, 2, ... first")
        label = given.astype(np.int64)
        if (low := int(label.min())) < -1:
            raise ValueError(f"labels: {low} at fine thing {int(label.argmin())}; only -1 may be negative (unassigned)")
        high = int(label.max())
        count = high + 1 if coarse is None else coarse
        if count < 1 and unassigned != "keep":
            raise ValueError("labels: every fine thing is unassigned, so there is no coarse thing")
        if high >= count:
            raise ValueError(f"labels: {high} at fine thing {int(label.argmax())}, but there are {count} coarse things")
        if _is_kept(unassigned):
            label = np.where(label < 0, count, label)
            count += 1
        owned = np.flatnonzero(label >= 0)
        membership = scipy.sparse.csr_array(
            (np.ones(owned.size), (label[owned], owned)), shape=(count, label.size), dtype=np.float64
        )
        return cls(membership, _optional(weight))

    @classmethod
    def blocks(cls, shape: int | Sequence[int], size: int | Sequence[int], *, weight: ArrayLike | None = None) -> Self:
        """Blocks of `size` sites of a lattice or grid of `shape`, both sides numbered in C order.

        Arguments:
            shape: sites along every axis, (n0, n1, ...) or one integer for a chain.
            size: block edge along every axis, or one integer for all of them; it must divide the shape.
            weight: (n_sites,) in C order; None means ones.

        Raises:
            ValueError: where a block edge does not divide the lattice.
        """
        edges = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        block = (size,) * len(edges) if isinstance(size, int) else tuple(int(n) for n in size)
        if len(block) != len(edges) or not edges:
            raise ValueError(f"blocks: shape {edges} and size {block} have different numbers of axes")
        for axis, (n, b) in enumerate(zip(edges, block, strict=True)):
            if b < 1 or n < 1 or n % b:
                raise ValueError(f"blocks: a block edge of {b} does not divide the {n} sites of axis {axis}")
        coarse = tuple(n // b for n, b in zip(edges, block, strict=True))
        site = np.unravel_index(np.arange(math.prod(edges)), edges)
        label = np.ravel_multi_index(tuple(i // b for i, b in zip(site, block, strict=True)), coarse)
        return cls.groups(label, weight=weight, coarse=math.prod(coarse))

    @classmethod
    def shares(
        cls,
        matrix: ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix,
        *,
        weight: ArrayLike | None = None,
        unassigned: Literal["report", "keep"] = "report",
    ) -> Self:
        """Soft shares: matrix[I, j] is the part of fine thing j that coarse thing I owns.

        Arguments:
            matrix: (n_coarse, n_fine), dense or sparse, non-negative, columns summing to at most one.
            weight: (n_fine,) what `mean` averages by; None means ones.
            unassigned: "keep" adds one last coarse thing that owns what is missing from every column.
        """
        membership = _checked_membership(matrix)
        if _is_kept(unassigned):
            rest = scipy.sparse.csr_array(_missing(membership)[None, :])
            membership = scipy.sparse.csr_array(scipy.sparse.vstack([membership, rest]))
        return cls(membership, _optional(weight))

    @property
    def n_coarse(self) -> int:
        """How many coarse things there are."""
        return int(self.membership.shape[0])

    @property
    def n_fine(self) -> int:
        """How many fine things there are."""
        return int(self.membership.shape[1])

    @property
    def fine_weight(self) -> NDArray[np.float64]:
        """The weight (n_fine,), ones where none was given."""
        return np.ones(self.n_fine) if self.weight is None else self.weight

    @property
    def coarse_weight(self) -> NDArray[np.float64]:
        """The weight M w (n_coarse,) of the coarse things: what a second map must average by."""
        return np.asarray(self.membership @ self.fine_weight)

    @property
    def unassigned(self) -> NDArray[np.float64]:
        """The part (n_fine,) of every fine thing that no coarse thing owns: 1 - sum_I M_Ij.

        What `sum` leaves out is exactly this: m.sum(x).sum() + m.unassigned @ x = x.sum().
        """
        return _missing(self.membership)

    @property
    def is_hard(self) -> bool:
        """Whether every fine thing belongs wholly to one coarse thing or to none."""
        return bool(np.all(self.membership.data == 1.0) and np.all(self._owners() <= 1))

    def sum(self, x: ArrayLike, axis: int = 0) -> NDArray[Any]:
        """Add an extensive quantity up: X = M x. Totals are conserved but for `unassigned`.

        Arguments:
            x: array with n_fine entries along `axis` (charges, masses, probabilities, forces); real or complex.
            axis: the fine axis.

        Returns:
            The same array with n_coarse entries along `axis`.
        """
        return _along(axis, x, self.n_fine, "fine", lambda flat: self.membership @ flat)

    def mean(self, x: ArrayLike, axis: int = 0) -> NDArray[Any]:
        """Average an intensive quantity: X = M (w x) / M w.

        Arguments:
            x: array with n_fine entries along `axis` (positions, velocities, fields); real or complex.
            axis: the fine axis.

        Returns:
            The same array with n_coarse entries along `axis`.

        Raises:
            ValueError: where a coarse thing owns no weight, so that its average does not exist.
        """
        total = self.coarse_weight
        if (empty := np.flatnonzero(total <= 0)).size:
            raise ValueError(
                f"mean: coarse thing {_listed(empty)} (counted from 0, of {self.n_coarse}) owns no weight and has no "
                "average; drop it from the map, or give it a fine thing with weight"
            )
        weight = self.fine_weight
        return _along(
            axis, x, self.n_fine, "fine", lambda flat: (self.membership @ (weight[:, None] * flat)) / total[:, None]
        )

    def spread(self, coarse: ArrayLike, axis: int = 0, fill: complex = 0.0) -> NDArray[Any]:
        """Hand coarse values back to the fine things: x = M^T X, the adjoint of `sum`.

        For hard maps mean(spread(X)) = X; soft maps smooth. With a `fill` other than zero it is no longer the adjoint.

        Arguments:
            coarse: array with n_coarse entries along `axis`.
            axis: the coarse axis.
            fill: the value given to fine things that no coarse thing owns.

        Returns:
            The same array with n_fine entries along `axis`.
        """

        def back(flat: NDArray[Any]) -> NDArray[Any]:
            fine: NDArray[Any] = self.membership.T @ flat
            if fill != 0:
                fine = fine.astype(np.result_type(fine, fill), copy=False)
                fine[self._owners() == 0] = fill
            return fine

        return _along(axis, coarse, self.n_coarse, "coarse", back)

    def flow(self, flows: Any) -> Any:
        """Aggregate an extensive flow between things: M A M^T.

        For synapse counts, probability currents pi_i K_ij, stiffness; never a bare rate K_ij, whose sum over the
        starting states means nothing (weigh it by pi_i first).

        Arguments:
            flows: (n_fine, n_fine), A_ij from i to j, dense or scipy.sparse.

        Returns:
            (n_coarse, n_coarse), dense for dense, csr_array for sparse. Its total is that of A but for `unassigned`.
        """
        sparse = scipy.sparse.issparse(flows)
        matrix = scipy.sparse.csr_array(flows) if sparse else _numeric(flows)
        if matrix.shape != (self.n_fine, self.n_fine):
            raise ValueError(
                f"flow: expected ({self.n_fine}, {self.n_fine}), from each fine thing to each, got {matrix.shape}"
            )
        if sparse:
            return scipy.sparse.csr_array(self.membership @ matrix @ self.membership.T)
        return np.asarray((self.membership @ (self.membership @ matrix).T).T)

    def __matmul__(self, first: Map) -> Map:
        """Two maps in a row, `second @ first`: membership M2 M1 and the weight of the first.

        The second must average by `first.coarse_weight` (up to a common factor, which averages ignore), so that
        (second @ first).mean(x) = second.mean(first.mean(x)).

        Raises:
            ValueError: where sizes differ or the second map averages by another weight.
        """
        if not isinstance(first, Map):
            return NotImplemented
        if self.n_fine != first.n_coarse:
            raise ValueError(
                f"@: the second map takes {self.n_fine} fine things, the first makes {first.n_coarse} coarse ones"
            )
        mine, needed = self.fine_weight, first.coarse_weight
        if not np.allclose(mine * needed.sum(), needed * mine.sum(), rtol=1e-9, atol=1e-12 * mine.sum() * needed.max()):
            raise ValueError(
                "@: the second map must average by what the first one makes; build it with weight=first.coarse_weight "
                f"(largest there at {int(needed.argmax())}, here at {int(mine.argmax())})"
            )
        return Map(scipy.sparse.csr_array(self.membership @ first.membership), first.weight)

    def __repr__(self) -> str:
        kind = "hard" if self.is_hard else "soft"
        missing = float(self.unassigned.sum())
        left = f", {missing:g} unassigned" if missing else ""
        return f"Map({self.n_fine} -> {self.n_coarse}, {kind}{left})"

    def _owners(self) -> NDArray[np.int64]:
        return np.bincount(self.membership.indices, minlength=self.n_fine)


def _is_kept(unassigned: str) -> bool:
    if unassigned not in ("report", "keep"):
        raise ValueError(f'unassigned: expected "report" or "keep", got {unassigned!r}')
    return unassigned == "keep"


def _optional(weight: ArrayLike | None) -> NDArray[np.float64] | None:
    return None if weight is None else np.asarray(weight)


def _checked_membership(matrix: Any) -> scipy.sparse.csr_array:
    """A read-only, canonical copy: sorted, duplicates added up, no stored zeros."""
    if not scipy.sparse.issparse(matrix):
        matrix = _numeric(matrix)
        if matrix.ndim != 2:
            raise ValueError(f"membership: expected (n_coarse, n_fine), got an array of shape {matrix.shape}")
    if np.iscomplexobj(matrix):
        raise ValueError("membership: expected real shares, got complex ones")
    checked = scipy.sparse.csr_array(matrix, dtype=np.float64, copy=True)
    checked.sum_duplicates()
    checked.eliminate_zeros()
    if 0 in checked.shape:
        raise ValueError(f"membership: no {'coarse' if checked.shape[0] == 0 else 'fine'} things in {checked.shape}")
    if not np.all(np.isfinite(checked.data)):
        raise ValueError("membership: an entry is not finite")
    if checked.data.size and checked.data.min() < 0:
        worst = int(checked.data.argmin())
        row = int(np.searchsorted(checked.indptr, worst, side="right")) - 1
        raise ValueError(
            f"membership: negative share {checked.data[worst]:g} of fine thing {int(checked.indices[worst])} "
            f"in coarse thing {row}; shares are parts of a whole"
        )
    total = np.asarray(checked.sum(axis=0))
    if total.max() > 1 + _ROUNDING:
        worst = int(total.argmax())
        raise ValueError(
            f"membership: fine thing {worst} is shared out {total[worst]:.12g} times; a column may sum to at most 1"
        )
    for part in (checked.data, checked.indices, checked.indptr):
        part.flags.writeable = False
    return checked


def _checked_weight(weight: ArrayLike, n_fine: int) -> NDArray[np.float64]:
    given = _numeric(weight)
    if given.shape != (n_fine,) or np.iscomplexobj(given):
        raise ValueError(f"weight: expected ({n_fine},) real numbers, one for every fine thing, got {given.shape}")
    checked = given.astype(np.float64)
    if not np.all(np.isfinite(checked)) or checked.min() < 0:
        worst = int(np.flatnonzero(~(np.isfinite(checked) & (checked >= 0)))[0])
        raise ValueError(f"weight: {checked[worst]:g} at fine thing {worst}; weights are finite and not negative")
    checked.flags.writeable = False
    return checked


def _missing(membership: scipy.sparse.csr_array) -> NDArray[np.float64]:
    rest = 1.0 - np.asarray(membership.sum(axis=0))
    rest[np.abs(rest) <= _ROUNDING] = 0.0
    return rest


def _numeric(x: ArrayLike) -> NDArray[Any]:
    array = np.asarray(x)
    if array.dtype == np.bool_:
        return array.astype(np.float64)
    if not np.issubdtype(array.dtype, np.number):
        raise ValueError(f"expected numbers, got an array of {array.dtype}")
    return array


def _along(
    axis: int, x: ArrayLike, expected: int, side: str, apply: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Apply a function of (n, columns) along one axis of x."""
    array = _numeric(x)
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis {axis} is outside an array of shape {array.shape}")
    if array.shape[axis] != expected:
        raise ValueError(
            f"expected {expected} {side} things along axis {axis}, got {array.shape[axis]} in shape {array.shape}"
        )
    front = np.moveaxis(array, axis, 0)
    result = np.asarray(apply(front.reshape(expected, -1)))
    return np.moveaxis(result.reshape(result.shape[0], *front.shape[1:]), 0, axis)


def _listed(indices: NDArray[np.int64]) -> str:
    shown = ", ".join(str(i) for i in indices[:5])
    return shown if indices.size <= 5 else f"{shown}, ... ({indices.size} in all)"
