"""Divergences from the reversed process out of counted words, with their bias taken off and an error bar.

A word is anything that was seen and that time reversal turns into another word: two lumps in a row, two resolved
transitions and the bin of the time between them. From counts n_w in a time T

    sigma = 1/T sum_{w < w'} (n_w - n_w') ln((n_w + 1/2) / (n_w' + 1/2)),    w' the reversed word

is what the counts of one run show. Noise alone makes it positive, also in equilibrium: by 2 / T for every pair of words
whose counts are independent Poisson numbers, by more or less where they are correlated (currents through a network obey
Kirchhoff's law). The data are therefore cut into blocks that are longer than the slowest correlation. The covariance of
the counts between blocks gives the bias, which is taken off, and blocks drawn with replacement give the standard error.
A reverse that was never seen is not seen in redrawn blocks either: what its unknown mean leaves open, (1.02 n)^2 by the
97.5 % limit 3.69 of a Poisson mean without a count, joins the variance. The estimate may come out below zero by its
error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate, means

__all__ = ["Blocks", "Words", "binned", "cut", "divergence", "resampled", "words"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_MOST, FEWEST = 128, 16  # blocks
_SHORTEST = 8  # symbols in a block
_RESAMPLES = 400
_RARE = 10  # words seen fewer times than this, their reverse included, are merged into one that is its own reverse
_MOST_PAIRS = 1 << 16  # pairs of words kept, the most frequent ones: leaving words out keeps a bound
_PAIRS = 1 << 14  # pairs of words resampled at once
_BINS = 256
_UNSEEN = 1.02  # ln(3.69 / 0.5) / 1.96: a word of no count in the data has up to 3.69 on average, with 97.5 %


@dataclass(frozen=True, eq=False)
class Words:
    """Counts (blocks, pairs) of both words of every pair {w, reversed w}, ``there`` and ``back``; ``sign`` scales."""

    there: Array
    back: Array
    sign: float = 1.0


@dataclass(frozen=True, eq=False)
class Blocks:
    """``number`` (n,): the block of every symbol; ``duration`` (b,): how long the blocks are (steps or time)."""

    number: Index
    duration: Array


def cut(symbols: Index, times: Array | None) -> Blocks:
    """Blocks of equally many symbols, 128 of them or fewer, long enough to be independent of each other.

    The share of time spent in each symbol is compared between neighbouring blocks: where it is correlated beyond 3
    standard errors, the blocks are joined two and two.

    Raises:
        ValueError: for a series that holds fewer than 16 independent pieces with 8 changes of symbol.
    """
    spent = np.ones(len(symbols)) if times is None else times
    events = len(symbols) if times is not None else np.count_nonzero(np.diff(symbols))  # equal steps show rests too
    count = _MOST
    while count * _SHORTEST > events and count > 1:
        count //= 2
    blocks, share = _divided(symbols, spent, count)
    pieces = float(count)
    if count >= FEWEST and share.size:
        pieces = min(pieces, float(means(share).samples.min()))
    if 1.6 * pieces < FEWEST or count < FEWEST:
        raise ValueError(
            f"the series of {len(symbols)} symbols is too short beside its slowest time scale: it holds about "
            f"{pieces:.0f} independent pieces with {_SHORTEST} changes or more, and an error bar needs {FEWEST}; take "
            "a longer one"
        )
    while count >= 2 * FEWEST and _remember(share):
        count //= 2
        blocks, share = _divided(symbols, spent, count)
    return blocks


def _divided(symbols: Index, spent: Array, count: int) -> tuple[Blocks, Array]:
    """``count`` blocks, and the shares of time of the symbols in them, those that vary by more than rounding."""
    kinds = int(symbols.max(initial=0)) + 1
    number = (np.arange(len(symbols)) * count) // len(symbols)
    share = np.bincount(number * kinds + symbols, spent, minlength=count * kinds).reshape(count, kinds)
    duration = share.sum(axis=1)
    share = share / duration[:, None]
    return Blocks(number, duration), share[:, share.std(axis=0) * len(symbols) > count]


def _remember(share: Array) -> bool:
    """Whether the shares of neighbouring blocks are correlated beyond 3 standard errors, in any symbol."""
    centred = share - share.mean(axis=0)
    correlation = np.mean(centred[1:] * centred[:-1], axis=0) / np.mean(centred**2, axis=0)
    return bool(correlation.max(initial=0.0) > 3 / np.sqrt(len(share)))


def words(code: Index, reverse: Index, number: Index, blocks: int, sign: float = 1.0) -> Words:
    """Count words by block; pairs seen fewer than ten times are left out, and all but the 65,536 most frequent.

    Arguments:
        code, reverse: (n,) what was seen, and what it turns into when time is reversed; any integers.
        number: (n,) the block of each; blocks: how many there are.
        sign: +1 or -1, and a scale.
    """
    moving = code != reverse
    low = np.minimum(code[moving], reverse[moving])
    forward, block = code[moving] == low, number[moving]
    _, pair, seen = np.unique(low, return_inverse=True, return_counts=True)
    often = seen >= _RARE
    if np.count_nonzero(often) > _MOST_PAIRS:
        often = seen >= np.partition(seen, -_MOST_PAIRS)[-_MOST_PAIRS]
        often &= np.cumsum(often) <= _MOST_PAIRS
    pairs, renamed = int(np.count_nonzero(often)), np.cumsum(often) - 1
    kept = often[pair]
    place, forward = block[kept] * pairs + renamed[pair[kept]], forward[kept]
    there = np.bincount(place[forward], minlength=blocks * pairs).reshape(blocks, pairs)
    back = np.bincount(place[~forward], minlength=blocks * pairs).reshape(blocks, pairs)
    return Words(there.astype(np.float64), back.astype(np.float64), sign)


def binned(code: Index, reverse: Index, times: Array) -> tuple[Index, Index]:
    """Words and their reverses with the bin of a time added to both.

    The bins hold equally many of the times of a word and its reverse together: n^0.4 bins, at most 256, where the
    rarer of the two was seen n times. Binning lowers a divergence (data processing), so that a bound stays one.
    """
    low = np.minimum(code, reverse)
    bin_number = np.zeros(len(code), np.int64)
    order = np.argsort(low, kind="stable")
    starts = np.flatnonzero(np.diff(low[order], prepend=low[order[0]] - 1)) if len(order) else order
    for rows in np.split(order, starts[1:]):
        if code[rows[0]] == reverse[rows[0]]:
            continue
        rarer = min(np.count_nonzero(code[rows] == low[rows]), np.count_nonzero(code[rows] != low[rows]))
        bins = int(np.clip(rarer**0.4, 1, _BINS))
        edges = np.quantile(times[rows], np.arange(1, bins) / bins)
        bin_number[rows] = np.searchsorted(edges, times[rows])
    return code * _BINS + bin_number, reverse * _BINS + bin_number


def divergence(parts: Sequence[Words], duration: Array, unit: str, seed: int = 0) -> Estimate:
    """sigma of the words of all parts, each with its sign, per unit of the summed ``duration`` (b,) of the blocks.

    Returns:
        The estimate, its bias taken off; ``samples`` is the number of blocks.
    """

    def rates(weight: Array) -> Array:
        total = np.zeros(len(weight))
        for part in parts:
            for start in range(0, part.there.shape[1], _PAIRS):
                n = np.maximum(weight @ part.there[:, start : start + _PAIRS], 0.0)
                m = np.maximum(weight @ part.back[:, start : start + _PAIRS], 0.0)
                total += part.sign * np.sum((n - m) * np.log((n + 0.5) / (m + 0.5)), axis=1)
        return np.asarray(total / (weight @ duration))

    blocks = len(duration)
    weight = _draws(blocks, seed)
    plain, drawn, mirrored = float(rates(np.ones((1, blocks)))[0]), rates(weight), rates(2.0 - weight)
    # f of noise x about x0 is a (x0 + x)^2: what is odd in x has the variance 4 a^2 x0^2, and x0^2 is too large by that
    # of the noise it holds itself; what is even has 2 a^2, the variance in equilibrium
    even = float(np.var((drawn + mirrored) / 2, ddof=1))
    variance = max(float(np.var(drawn, ddof=1)) - 2 * even, even) * blocks / (blocks - 1)
    variance += sum(part.sign**2 * _unseen(part) for part in parts) / float(duration.sum()) ** 2
    bias = sum(part.sign * _bias(part) for part in parts) / float(duration.sum())
    return Estimate(plain - bias, np.sqrt(variance), blocks, unit, "words, blocks redrawn, bias taken off")


def _bias(part: Words) -> float:
    """What noise adds to sum (n - m) ln((n + 1/2) / (m + 1/2)), to second order in the fluctuations of the counts.

    With f = (n - m) ln(n / m): f_nn v_n / 2 + f_mm v_m / 2 + f_nm c, and what the halves add, -(n - m)^2 / 2nm; 2 for
    Poisson numbers. Counts below 10 are taken as Poisson, for want of a variance.
    """
    if part.there.shape[1] == 0:
        return 0.0
    blocks = len(part.there)
    n, m = part.there.sum(axis=0) + 0.5, part.back.sum(axis=0) + 0.5
    first, second = part.there - part.there.mean(axis=0), part.back - part.back.mean(axis=0)
    scale = blocks / (blocks - 1)
    v, w, c = scale * (first**2).sum(axis=0), scale * (second**2).sum(axis=0), scale * (first * second).sum(axis=0)
    few = np.minimum(n, m) < _RARE
    v, w, c = np.where(few, n, v), np.where(few, m, w), np.where(few, 0.0, c)
    curved = (1 / n + m / n**2) * v / 2 + (1 / m + n / m**2) * w / 2 - (1 / n + 1 / m) * c
    return float(np.sum(curved - (n - m) ** 2 / (2 * n * m)))


def _unseen(part: Words) -> float:
    """Variance of sum (n - m) ln((n + 1/2) / (m + 1/2)) from words whose reverse was never seen, which no redrawing of
    the blocks can show: ln(m + 1/2) stands for the logarithm of a mean that could be nothing or several."""
    n, m = part.there.sum(axis=0), part.back.sum(axis=0)
    return float(np.sum((_UNSEEN * (n + m)[np.minimum(n, m) == 0]) ** 2))


def resampled(function: Callable[[Array], Array], blocks: int, seed: int) -> tuple[float, Array]:
    """A function of weights (m, b) -> (m,) of the blocks, for all of them once and for 400 draws with replacement."""
    return float(function(np.ones((1, blocks)))[0]), np.asarray(function(_draws(blocks, seed)))


def _draws(blocks: int, seed: int) -> Array:
    """How often each block is taken in 400 draws with replacement."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=_RESAMPLES).astype(np.float64)
