"""Block-spin rules on packed spins (64 configurations a word) and on Potts states.

The votes of a block are added as bit planes. The coin of a tie is one bit of a counter-based generator keyed by (seed,
stream, group of 64 configurations, block): nothing but these four decides it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import philox

__all__ = ["majority", "plurality", "weighted"]

_PLANES = 6  # votes of up to 63 spins
BITS = 32
"""Binary digits of a probability."""
_32 = np.uint64(32)
_1 = np.uint64(1)
_2, _4, _56 = np.uint64(2), np.uint64(4), np.uint64(56)
_PAIRS, _FOURS, _EIGHTS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_BYTES = np.uint64(0x0101010101010101)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True, inline="always")
def _ones(word: Any) -> Any:
    """Number of bits that are set."""
    word = word - ((word >> _1) & _PAIRS)
    word = (word & _FOURS) + ((word >> _2) & _FOURS)
    return np.int64((((word + (word >> _4)) & _EIGHTS) * _BYTES) >> _56)


@njit(cache=True, nogil=True)
def majority(
    words: NDArray[np.uint64],
    members: NDArray[np.int32],
    coin: bool,
    seed: int,
    stream: int,
    blocked: NDArray[np.uint64],
    ties: NDArray[np.int64],
) -> None:
    """The sign of each block's sum; a tie goes to a coin, or to the first member.

    Arguments:
        words: (groups, sites), members: (blocks, size), size below 64.
        blocked: (groups, blocks), overwritten.
        ties: (groups,), overwritten: tied blocks among the 64 configurations (idle bits included).
    """
    groups, (blocks, size) = words.shape[0], members.shape
    half = np.uint64(size // 2)
    even = size % 2 == 0
    planes = np.empty(_PLANES, np.uint64)
    low, high = np.uint64(seed), np.uint64(seed) >> _32
    for group in range(groups):
        row = words[group]
        tied = 0
        spare = np.uint64(0)
        for block in range(blocks):
            if size == 4:
                a, b, c, d = (
                    row[members[block, 0]],
                    row[members[block, 1]],
                    row[members[block, 2]],
                    row[members[block, 3]],
                )
                pair, two = a ^ b, a & b
                other, also = c ^ d, c & d
                more = (two & (c | d)) | (also & (a | b))
                equal = (pair & other) | ((two ^ also) & ~(pair | other))
            elif size == 3:
                a, b, c = row[members[block, 0]], row[members[block, 1]], row[members[block, 2]]
                more, equal = (a & b) | (c & (a | b)), np.uint64(0)
            else:
                planes[:] = 0
                for k in range(size):
                    carry = row[members[block, k]]
                    p = 0
                    while carry != 0:
                        planes[p], carry = planes[p] ^ carry, planes[p] & carry
                        p += 1
                more, equal = np.uint64(0), _ALL
                for p in range(_PLANES - 1, -1, -1):
                    if (half >> np.uint64(p)) & _1:
                        equal &= planes[p]
                    else:
                        more |= equal & planes[p]
                        equal &= ~planes[p]
            if even:
                if coin:
                    if block % 2 == 0:  # one call is good for two blocks
                        e, f, g, h = philox(block // 2, group, 0, stream, low, high)
                        toss, spare = (e << _32) | f, (g << _32) | h
                    else:
                        toss = spare
                else:
                    toss = row[members[block, 0]]
                more |= equal & toss
                tied += _ones(equal)
            blocked[group, block] = more
        ties[group] = tied


@njit(cache=True, nogil=True)
def weighted(
    words: NDArray[np.uint64],
    members: NDArray[np.int32],
    thresholds: NDArray[np.uint64],
    seed: int,
    stream: int,
    blocked: NDArray[np.uint64],
) -> None:
    """A block spin up with the probability thresholds[k] 2^-32 where k of its members are up.

    Arguments:
        thresholds: (size + 1,), 0 ... 2^32; both ends mean never and always.
        the others as `majority`.
    """
    groups, (blocks, size) = words.shape[0], members.shape
    votes = np.empty(_PLANES, np.uint64)
    digits = np.empty(BITS, np.uint64)
    low, high = np.uint64(seed), np.uint64(seed) >> _32
    for group in range(groups):
        row = words[group]
        for block in range(blocks):
            votes[:] = 0
            for k in range(size):
                carry = row[members[block, k]]
                p = 0
                while carry != 0:
                    votes[p], carry = votes[p] ^ carry, votes[p] & carry
                    p += 1
            for call in range(BITS // 2):
                e, f, g, h = philox(block, group * (BITS // 2) + call, 0, stream, low, high)
                digits[2 * call], digits[2 * call + 1] = (e << _32) | f, (g << _32) | h
            up = np.uint64(0)
            for k in range(size + 1):
                mine = _ALL
                for p in range(_PLANES):
                    mine &= votes[p] if (k >> p) & 1 else ~votes[p]
                if mine == 0 or thresholds[k] == 0:
                    continue
                if thresholds[k] >> _32:
                    up |= mine
                    continue
                below, equal = np.uint64(0), mine  # random digits against the threshold's, the highest first
                for j in range(BITS):
                    if (thresholds[k] >> np.uint64(BITS - 1 - j)) & _1:
                        below |= equal & ~digits[j]
                        equal &= digits[j]
                    else:
                        equal &= ~digits[j]
                up |= below
            blocked[group, block] = up


@njit(cache=True, nogil=True)
def plurality(
    states: NDArray[np.int8],
    members: NDArray[np.int32],
    q: int,
    coin: bool,
    seed: int,
    stream: int,
    blocked: NDArray[np.int8],
    ties: NDArray[np.int64],
) -> None:
    """The commonest Potts state of each block; a tie is drawn among the commonest, or goes to the first member's if
    that is among them and to the next member's if not.

    Arguments:
        states: (n, sites) of 0 ... q - 1; blocked (n, blocks) and ties (size + 1,), overwritten: how many blocks had
            1, 2, ... commonest states.
    """
    votes = np.empty(q, np.int64)
    low, high = np.uint64(seed), np.uint64(seed) >> _32
    ties[:] = 0
    for row in range(states.shape[0]):
        for block in range(members.shape[0]):
            votes[:] = 0
            most = 0
            for k in range(members.shape[1]):
                state = states[row, members[block, k]]
                votes[state] += 1
                most = max(most, votes[state])
            level = 0
            for state in range(q):
                level += votes[state] == most
            ties[level] += 1
            chosen = 0
            if level > 1 and coin:
                word = philox(block, row, 0, stream, low, high)[0]
                pick = np.int64((word * np.uint64(level)) >> _32)
                for state in range(q):
                    if votes[state] == most:
                        if pick == 0:
                            chosen = state
                        pick -= 1
            else:
                for k in range(members.shape[1] - 1, -1, -1):
                    if votes[states[row, members[block, k]]] == most:
                        chosen = states[row, members[block, k]]
            blocked[row, block] = chosen
