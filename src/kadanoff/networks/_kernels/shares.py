"""Connections added up by shares of regions, one pass over the edges.

A row is first spread over the regions its targets lie in, reached[b] = sum_e count[e] share(target[e], b), then given
to the regions of its source. Region and share of an entry stand in one word: half the memory to look up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["SHARE_BITS", "add_shared_rows"]

SHARE_BITS = 17
"""Bits of a share in a word (2^16 itself is one); the region stands above them."""

_SHIFT, _MASK = np.uint32(SHARE_BITS), np.uint32((1 << SHARE_BITS) - 1)
_1, _NEXT = np.uint32(1), np.uint64(1)


@njit(cache=True, nogil=True)
def add_shared_rows(
    node: NDArray[np.int32],
    starts: NDArray[np.int64],
    target: NDArray[np.int32],
    count: NDArray[Any],
    pre_starts: NDArray[Any],
    pre: NDArray[np.uint32],
    post_starts: NDArray[Any],
    post: NDArray[np.uint32],
    reached: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Add rows sorted by source to out (K, K), in units of one share times one share.

    Integers are exact while the counts of these rows add up to less than 2^31: every sum of shares is 2^16, so that no
    entry exceeds 2^31 2^16 2^16 = 2^63.

    Arguments:
        node: (rows,) the source of every row.
        starts, target, count: as in `add_rows`.
        pre_starts, pre: (n + 1,), (entries,) words of the nodes as senders; `post_starts`, `post` as receivers.
        reached: (K,) zeros, of the type of `out`; zeros again afterwards.
        out: (K, K) int64 or float64, added to.
    """
    begin = starts[0]
    k = reached.size
    for row in range(starts.size - 1):
        if starts[row] == starts[row + 1]:
            continue
        for e in range(starts[row] - begin, starts[row + 1] - begin):
            t, c = np.uint32(target[e]), count[e]
            q, end = np.uint64(post_starts[t]), np.uint64(post_starts[t + _1])
            while q < end:
                word = post[q]
                reached[word >> _SHIFT] += c * np.int64(word & _MASK)
                q += _NEXT
        for own in range(pre_starts[node[row]], pre_starts[node[row] + 1]):
            bins, share = out[pre[own] >> _SHIFT], np.int64(pre[own] & _MASK)
            for b in range(k):
                bins[b] += share * reached[b]
        reached[:] = 0
