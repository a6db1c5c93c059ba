"""Metropolis on the square lattice, 64 replicas a word: bit r of a word is the spin of replica r at that site.

A flip that costs energy happens with probability e^-4K or e^-8K. 64 such decisions at once compare 64 random numbers u
with p digit by digit: where u and p agree so far and the next random bit says "agree again" a lane stays undecided,
where it says "differ" the digit of p decides (1: u < p). With m_k the k-th digit of p as a word of ones or zeros,

    undecided_0 = 1,                            accept_0 = m_0,
    undecided_{k+1} = undecided_k & r_k,        accept_{k+1} = accept_k ^ undecided_{k+1} & (m_k ^ m_{k+1}).

Twelve digits decide all but one lane in 4096, and those are carried on to 64 digits: the probabilities are those of a
double. Both probabilities share the random words, since a spin uses one of them only; no two replicas share any.
Words are drawn by one sfc64 generator a column: Philox would cost five times more than all the rest.

The two colours of the checkerboard lie apart, (rows, columns / 2 + 2) with a column of the other end at either side, so
that all loads are contiguous. Rounds of sixteen columns vectorise.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.lattices._kernels.records import place_of, step_of
from kadanoff.lattices._kernels.sfc64 import next_sfc64, seed_sfc64
from kadanoff.random import Integer

GENERATORS = np.uint64(0x4D53_0000)  # stream
LANES = 16  # columns at once
_A, _B, _C, _W, _UNDECIDED, _FOUR, _EIGHT = range(7)  # rows of scratch
_ONE = np.uint64(1)
_DIGITS = 12  # for every lane; the undecided ones go on


@njit(cache=True, nogil=True)
def seed_generators(seed: Integer, step: Integer, scratch: NDArray[np.uint64]) -> None:
    """Fill the states of scratch (blocks, 7, LANES), a generator a column."""
    for block in range(len(scratch)):
        for lane in range(LANES):
            x, y, z, w = seed_sfc64(np.uint64(seed), GENERATORS, np.uint64(step), np.uint64(block * LANES + lane))
            scratch[block, _A, lane], scratch[block, _B, lane] = x, y
            scratch[block, _C, lane], scratch[block, _W, lane] = z, w


@njit(cache=True, nogil=True)
def draw_decisions(scratch: NDArray[np.uint64], four: NDArray[np.uint64], eight: NDArray[np.uint64]) -> None:
    """Twelve digits of 64 LANES comparisons: scratch (7, LANES), its rows undecided, accepted at 4K and at 8K.

    ``four`` and ``eight`` (65,): m_0, then m_k ^ m_{k-1}. Written out, so that the loop over lanes is the inner one.
    """
    f0, e0 = four[0], eight[0]
    f1, e1 = four[1], eight[1]
    f2, e2 = four[2], eight[2]
    f3, e3 = four[3], eight[3]
    f4, e4 = four[4], eight[4]
    f5, e5 = four[5], eight[5]
    f6, e6 = four[6], eight[6]
    f7, e7 = four[7], eight[7]
    f8, e8 = four[8], eight[8]
    f9, e9 = four[9], eight[9]
    f10, e10 = four[10], eight[10]
    f11, e11 = four[11], eight[11]
    f12, e12 = four[12], eight[12]
    for i in range(LANES):
        a, b, c, w = scratch[_A, i], scratch[_B, i], scratch[_C, i], scratch[_W, i]
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u, f, e = r, f0 ^ (r & f1), e0 ^ (r & e1)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f2), e ^ (u & e2)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f3), e ^ (u & e3)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f4), e ^ (u & e4)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f5), e ^ (u & e5)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f6), e ^ (u & e6)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f7), e ^ (u & e7)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f8), e ^ (u & e8)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f9), e ^ (u & e9)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f10), e ^ (u & e10)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f11), e ^ (u & e11)
        r, a, b, c, w = next_sfc64(a, b, c, w)
        u &= r
        f, e = f ^ (u & f12), e ^ (u & e12)
        scratch[_A, i], scratch[_B, i], scratch[_C, i], scratch[_W, i] = a, b, c, w
        scratch[_UNDECIDED, i], scratch[_FOUR, i], scratch[_EIGHT, i] = u, f, e


@njit(cache=True, nogil=True)
def sweep_colour(
    mine: NDArray[np.uint64],
    others: NDArray[np.uint64],
    colour: int,
    four: NDArray[np.uint64],
    eight: NDArray[np.uint64],
    scratch: NDArray[np.uint64],
) -> None:
    """Try every spin of one colour, mine (rows, half + 2) overwritten, between the others.

    Scratch: (blocks, 7, LANES) with the states of the generators.
    """
    rows, half = mine.shape[0], mine.shape[1] - 2
    for i in range(rows):
        here, beside = mine[i], others[i]
        above, below = others[i - 1], others[i + 1 - rows]  # negative rows count from the end
        side = 0 if (i + colour) & 1 == 0 else 2
        for block in range(len(scratch)):
            drawn = scratch[block]
            draw_decisions(drawn, four, eight)
            first = 1 + block * LANES
            pending = np.uint64(0)
            for k in range(min(LANES, half + 1 - first)):
                s = here[first + k]
                p, q = s ^ above[first + k], s ^ below[first + k]
                t, v = s ^ beside[first + k], s ^ beside[first + k + side - 1]
                one, other = p ^ q, t ^ v
                two = (p & q) | (t & v) | (one & other)  # at least two neighbours differ: the flip costs nothing
                f, e = drawn[_FOUR, k], drawn[_EIGHT, k]
                accepted = two | (e ^ ((e ^ f) & (one | other)))
                wait = drawn[_UNDECIDED, k] & ~two
                here[first + k] = s ^ (accepted & ~wait)
                drawn[_UNDECIDED, k] = wait
                pending |= wait
            if pending == 0:
                continue
            for k in range(min(LANES, half + 1 - first)):
                wait = drawn[_UNDECIDED, k]
                if wait == 0:
                    continue
                s = here[first + k]
                p, q = s ^ above[first + k], s ^ below[first + k]
                t, v = s ^ beside[first + k], s ^ beside[first + k + side - 1]
                f, e, u = drawn[_FOUR, k], drawn[_EIGHT, k], wait
                a, b, c, w = drawn[_A, k], drawn[_B, k], drawn[_C, k], drawn[_W, k]
                for digit in range(_DIGITS + 1, 65):
                    r, a, b, c, w = next_sfc64(a, b, c, w)
                    u &= r
                    f, e = f ^ (u & four[digit]), e ^ (u & eight[digit])
                    if u == 0:
                        break
                drawn[_A, k], drawn[_B, k], drawn[_C, k], drawn[_W, k] = a, b, c, w
                here[first + k] = s ^ (wait & (e ^ ((e ^ f) & ((p ^ q) | (t ^ v)))))
        here[0], here[half + 1] = here[half], here[1]


@njit(cache=True, nogil=True)
def add_bits(words: NDArray[np.uint64], planes: NDArray[np.uint64]) -> None:
    """Add the words (m,) to 64 sums, lane by lane; bit r of planes[k] is the k-th binary digit of the sum of lane r.

    Eight words a turn by carry-save adders (Harley and Seal), their eights by ripple.
    """
    ones, twos, fours = planes[0], planes[1], planes[2]
    m = len(words)
    for start in range(0, m - 7, 8):
        carry_two = carry_four = carry_eight = np.uint64(0)
        for pair in range(4):
            x, y = words[start + 2 * pair], words[start + 2 * pair + 1]
            u = ones ^ x
            carry = (ones & x) | (u & y)
            ones = u ^ y
            if pair & 1 == 0:
                carry_two = carry
                continue
            u = twos ^ carry_two
            carry, twos = (twos & carry_two) | (u & carry), u ^ carry
            if pair == 1:
                carry_four = carry
                continue
            u = fours ^ carry_four
            carry_eight, fours = (fours & carry_four) | (u & carry), u ^ carry
        level = 3
        while carry_eight:
            planes[level], carry_eight = planes[level] ^ carry_eight, planes[level] & carry_eight
            level += 1
    planes[0], planes[1], planes[2] = ones, twos, fours
    for k in range(m - m % 8, m):
        carry, level = words[k], 0
        while carry:
            planes[level], carry = planes[level] ^ carry, planes[level] & carry
            level += 1


@njit(cache=True, nogil=True)
def measure_packed(
    even: NDArray[np.uint64],
    odd: NDArray[np.uint64],
    buffer: NDArray[np.uint64],
    like: NDArray[np.int64],
    up: NDArray[np.int64],
) -> None:
    """Like bonds (64,) and spins up (64,) of each replica; buffer (half,)."""
    rows, half = even.shape[0], even.shape[1] - 2
    bonds, spins = np.zeros(64, np.uint64), np.zeros(64, np.uint64)
    for i in range(rows):
        side = 0 if i & 1 == 0 else 2
        add_bits(even[i, 1 : half + 1], spins)
        add_bits(odd[i, 1 : half + 1], spins)
        for k in range(4):
            row = i - 1 if k == 0 else i + 1 - rows if k == 1 else i
            shift = side if k == 3 else 1
            for c in range(half):
                buffer[c] = ~(even[i, 1 + c] ^ odd[row, shift + c])
            add_bits(buffer, bonds)
    for r in range(64):
        like[r] = up[r] = 0
        for k in range(48):
            like[r] += np.int64((bonds[k] >> np.uint64(r)) & _ONE) << k
            up[r] += np.int64((spins[k] >> np.uint64(r)) & _ONE) << k


@njit(cache=True, nogil=True)
def unpack(even: NDArray[np.uint64], odd: NDArray[np.uint64], place: int, out: NDArray[np.int8]) -> None:
    """out[:, place] of (64, m, n) int8: 1 where the spin of a replica is up, sites row major."""
    rows, half = even.shape[0], even.shape[1] - 2
    for i in range(rows):
        for c in range(half):
            x, y = even[i, c + 1], odd[i, c + 1]
            if i & 1:
                x, y = y, x
            at = (i * half + c) * 2
            for r in range(64):
                out[r, place, at] = np.int8((x >> np.uint64(r)) & _ONE)
                out[r, place, at + 1] = np.int8((y >> np.uint64(r)) & _ONE)


@njit(cache=True, nogil=True)
def run_multispin(
    colours: NDArray[np.uint64],
    four: NDArray[np.uint64],
    eight: NDArray[np.uint64],
    stride: int,
    seed: Integer,
    group: Integer,
    first: int,
    every: int,
    like: NDArray[np.int64],
    counts: NDArray[np.int64],
    stored: NDArray[np.int8],
) -> None:
    """Records first, first + 1, ... of 64 replicas, ``stride`` sweeps each: like (64, records, 1), counts (64, records,
    2); stored (64, m, n) after every ``every`` records. Spins are colours (2, rows, half + 2), overwritten."""
    even, odd = colours[0], colours[1]
    rows, half = even.shape[0], even.shape[1] - 2
    scratch = np.empty(((half + LANES - 1) // LANES, 7, LANES), np.uint64)
    seed_generators(seed, step_of(group, first), scratch)
    buffer, total, up = np.empty(half, np.uint64), np.empty(64, np.int64), np.empty(64, np.int64)
    for t in range(like.shape[1]):
        for _ in range(stride):
            for colour in range(2):
                sweep_colour(colours[colour], colours[1 - colour], colour, four, eight, scratch)
        measure_packed(even, odd, buffer, total, up)
        for r in range(64):
            like[r, t, 0], counts[r, t, 1], counts[r, t, 0] = total[r], up[r], 2 * rows * half - up[r]
        place = place_of(t, every, stored.shape[1])
        if place >= 0:
            unpack(even, odd, place, stored)
