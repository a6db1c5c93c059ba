"""Ids of nodes to positions, fast for integers of 64 bits and right for text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.networks._kernels import identifiers as kernels

__all__ = ["IdTable"]


class IdTable:
    """Positions of ids in (n,) ids, integers or text.

    Raises:
        ValueError: where an id stands more than once, with it and how often.
    """

    def __init__(self, ids: NDArray[Any]) -> None:
        self.size = ids.size
        self.kind = ids.dtype.kind
        # ids 0, 1, 2, ... are their own positions
        self._counted = ids.dtype.kind in "iu" and np.array_equal(ids, np.arange(ids.size))
        if self._counted:
            return
        if np.issubdtype(ids.dtype, np.integer):
            bits = max(4, int(2 * ids.size).bit_length())  # at most half full
            self._keys = np.zeros(1 << bits, np.int64)
            self._values = np.full(1 << bits, -1, np.int32)
            plain = np.ascontiguousarray(ids, dtype=np.int64)
            if kernels.fill_table(plain, self._keys, self._values) >= 0:
                _refuse_twice(ids)
        else:
            self._order = np.argsort(ids, kind="stable")
            self._sorted = ids[self._order]
            if ids.size > 1 and np.any(self._sorted[1:] == self._sorted[:-1]):
                _refuse_twice(ids)

    def find(self, wanted: NDArray[Any]) -> NDArray[np.int32]:
        """Position of every wanted id, -1 where there is none.

        Raises:
            ValueError: for integers among text, or text among integers.
        """
        integers = np.issubdtype(wanted.dtype, np.integer)
        if wanted.size and self.size and integers != (self.kind in "iu"):
            kinds = ("integers", "text") if integers else ("text", "integers")
            raise ValueError(f"ids: the connections name nodes by {kinds[0]}, the node table by {kinds[1]}")
        if self.size == 0:
            return np.full(wanted.size, -1, np.int32)
        if self._counted:
            return np.where((wanted >= 0) & (wanted < self.size), wanted, -1).astype(np.int32)
        if integers:
            out = np.empty(wanted.size, np.int32)
            kernels.find(np.ascontiguousarray(wanted, dtype=np.int64), self._keys, self._values, out)
            return out
        distinct, inverse = np.unique(wanted, return_inverse=True)
        at = np.minimum(np.searchsorted(self._sorted, distinct), self.size - 1)
        found = np.where(self._sorted[at] == distinct, self._order[at], -1)
        return np.asarray(found[inverse], dtype=np.int32)


def _refuse_twice(ids: NDArray[Any]) -> None:
    distinct, times = np.unique(ids, return_counts=True)
    raise ValueError(
        f"nodes: id {distinct[times > 1][0]} stands more than once ({int((times - 1).sum())} rows too many); ids are "
        "unique"
    )
