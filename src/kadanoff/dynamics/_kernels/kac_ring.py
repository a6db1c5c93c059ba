"""Kac rings, 64 sites a word: bit b of word w is site 64 w + b, and bits beyond the last site are zero.

A step is x -> rotate(x XOR markers) by one site. A pass over memory makes up to 64 steps at once: a block of words and
the word below it are taken into the first cache, where each step spoils one more of the lowest 64 bits, so that the
block itself stays right for 64 steps. Blocks go from the top down and are written in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import philox, uniform

__all__ = ["black_by_block", "draw_markers", "fix_number", "reflect", "rotate", "run", "running_parity"]

BLOCK = 512
"""Words of a block: three buffers of 4 kB stay in the first cache."""
PASS = 64
"""Steps of a pass at most: the bits of the word below the block."""

_0, _1, _2, _4, _56 = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
_8, _16, _32, _63 = np.uint64(8), np.uint64(16), np.uint64(32), np.uint64(63)
_PAIRS, _FOURS, _EIGHTS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_HALVES, _QUARTERS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_BYTES = np.uint64(0x0101010101010101)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_WORD: Any = np.int64(64)  # a literal 64 would compile `_extract` a second time


@njit(cache=True, nogil=True, inline="always")
def _ones(word: Any) -> Any:
    """Number of bits that are set."""
    word = word - ((word >> _1) & _PAIRS)
    word = (word & _FOURS) + ((word >> _2) & _FOURS)
    word = (word + (word >> _4)) & _EIGHTS
    return (word * _BYTES) >> _56


@njit(cache=True, nogil=True, inline="always")
def _mirrored(word: Any) -> Any:
    """The 64 bits in reverse order."""
    word = ((word >> _1) & _PAIRS) | ((word & _PAIRS) << _1)
    word = ((word >> _2) & _FOURS) | ((word & _FOURS) << _2)
    word = ((word >> _4) & _EIGHTS) | ((word & _EIGHTS) << _4)
    word = ((word >> _8) & _HALVES) | ((word & _HALVES) << _8)
    word = ((word >> _16) & _QUARTERS) | ((word & _QUARTERS) << _16)
    return (word >> _32) | (word << _32)


@njit(cache=True, nogil=True)
def _extract(words: NDArray[Any], sites: int, start: int, length: int) -> Any:
    """The ``length`` <= 64 bits from site ``start`` on, round the ring as often as need be."""
    found = np.uint64(0)
    got = 0
    at = start
    while got < length:
        low = at % 64
        size = min(length - got, sites - at, 64 - low)
        piece = words[at // 64] >> np.uint64(low)
        if size < 64:
            piece &= (_1 << np.uint64(size)) - _1
        found |= piece << np.uint64(got)
        got += size
        at += size
        if at == sites:
            at = 0
    return found


@njit(cache=True, nogil=True)
def run(balls: NDArray[Any], markers: NDArray[Any], sites: int, steps: int, black: NDArray[Any]) -> None:
    """``steps`` steps in place; ``black`` (steps,) int64 gets the number of set bits after each, or is empty."""
    words = len(balls)
    rest = sites - 64 * (words - 1)
    top = _ALL if rest == 64 else (_1 << np.uint64(rest)) - _1
    counting = len(black) > 0
    now = np.empty(BLOCK + 1, np.uint64)
    then = np.empty(BLOCK + 1, np.uint64)
    mark = np.empty(BLOCK + 1, np.uint64)
    before = (sites - 64) % sites
    ghost_mark = _extract(markers, sites, before, _WORD)
    done = 0
    while done < steps:
        length = min(PASS, steps - done)
        ghost = _extract(balls, sites, before, _WORD)
        if length == 1 and not counting:  # no use for the cache: straight through memory
            for w in range(words - 1, 0, -1):
                balls[w] = ((balls[w] ^ markers[w]) << _1) | ((balls[w - 1] ^ markers[w - 1]) >> _63)
            balls[0] = ((balls[0] ^ markers[0]) << _1) | ((ghost ^ ghost_mark) >> _63)
            balls[words - 1] &= top
            done += 1
            continue
        end = words
        while end > 0:
            start = max(0, end - BLOCK)
            size = end - start
            now[0] = balls[start - 1] if start > 0 else ghost
            mark[0] = markers[start - 1] if start > 0 else ghost_mark
            for w in range(size):
                now[w + 1] = balls[start + w]
                mark[w + 1] = markers[start + w]
            for step in range(length):
                then[0] = (now[0] ^ mark[0]) << _1
                for w in range(1, size + 1):
                    then[w] = ((now[w] ^ mark[w]) << _1) | ((now[w - 1] ^ mark[w - 1]) >> _63)
                if counting:
                    if end == words:
                        then[size] &= top
                    ones = np.uint64(0)
                    for w in range(1, size + 1):
                        ones += _ones(then[w])
                    black[done + step] += np.int64(ones)
                now, then = then, now
            if end == words:
                now[size] &= top
            for w in range(size):
                balls[start + w] = now[w + 1]
            end = start
        done += length


@njit(cache=True, nogil=True)
def draw_markers(seed: int, stream: int, ring: int, sites: int, threshold: Any, out: NDArray[Any]) -> None:
    """Set each bit with probability threshold / 2^64: a random number is compared with it bit by bit, 64 at a time.

    A site is decided at the first bit where the two differ: some eight rounds decide all 64.
    """
    for w in range(len(out)):
        below = np.uint64(0)
        open_ = _ALL
        rest = threshold
        for call in range(32):
            a, b, c, d = philox(w, 64 * ring + call, (64 * ring + call) >> 32, stream, seed, seed >> 32)
            for half in range(2):
                word = ((a << _32) | b) if half == 0 else ((c << _32) | d)
                if rest >> _63:
                    below |= open_ & ~word
                    open_ &= word
                else:
                    open_ &= ~word
                rest = rest << _1
            if open_ == _0 or rest == _0:
                break
        out[w] = below
    rest_bits = sites - 64 * (len(out) - 1)
    if rest_bits < 64:
        out[-1] &= (_1 << np.uint64(rest_bits)) - _1


@njit(cache=True, nogil=True)
def fix_number(seed: int, stream: int, ring: int, sites: int, number: int, markers: NDArray[Any]) -> None:
    """Set or clear random sites until ``number`` are set: a random set of random size becomes one of that size."""
    have = np.int64(0)
    for w in range(len(markers)):
        have += np.int64(_ones(markers[w]))
    attempt = 0
    while have != number:
        site = np.int64(uniform(seed, stream, ring, attempt)[0] * sites)  # below sites: uniform < 1 - 2^-53
        bit = _1 << np.uint64(site % 64)
        marked = (markers[site // 64] & bit) != _0
        if marked == (have > number):
            markers[site // 64] ^= bit
            have += -1 if marked else 1
        attempt += 1


@njit(cache=True, nogil=True)
def rotate(words: NDArray[Any], sites: int, shift: int, out: NDArray[Any]) -> None:
    """Move every bit up by ``shift`` sites, 0 <= shift < sites."""
    for w in range(len(words)):
        out[w] = _extract(words, sites, (64 * w - shift) % sites, min(64, sites - 64 * w))


@njit(cache=True, nogil=True)
def reflect(words: NDArray[Any], sites: int, last: int, out: NDArray[Any]) -> None:
    """Site i of the result is site (last - i) modulo sites."""
    for w in range(len(words)):
        length = min(64, sites - 64 * w)
        word = _extract(words, sites, (last - 64 * w - length + 1) % sites, length)
        out[w] = _mirrored(word) >> np.uint64(64 - length)


@njit(cache=True, nogil=True)
def running_parity(words: NDArray[Any], sites: int, out: NDArray[Any]) -> Any:
    """Bit i of the result: whether an odd number of the bits 0 ... i - 1 is set. Returns the parity of all."""
    odd = np.uint64(0)
    for w in range(len(words)):
        word = words[w]
        for k in range(6):
            word ^= word << np.uint64(1 << k)
        out[w] = (word << _1) ^ (_ALL if odd != _0 else _0)
        odd ^= word >> _63
    rest = sites - 64 * (len(words) - 1)
    if rest < 64:
        out[-1] &= (_1 << np.uint64(rest)) - _1
    return odd != _0


@njit(cache=True, nogil=True)
def black_by_block(words: NDArray[Any], sites: int, block: int, out: NDArray[Any]) -> None:
    """Set bits in each block of ``block`` sites."""
    for b in range(len(out)):
        at, end = b * block, (b + 1) * block
        ones = np.uint64(0)
        while at < end:
            size = min(64 - at % 64, end - at)
            ones += _ones(_extract(words, sites, at, size))
            at += size
        out[b] = np.int64(ones)
