"""Divergences from the reversed process out of counted words, with their bias taken off and an error bar.

A word is anything that was seen and that time reversal turns into another word: two lumps in a row, two resolved
transitions and the bin of the time between them. From counts n_w in a time T

    sigma = 1/T sum_{w < w'} (n_w - n_w') ln((n_w + 1/2) / (n_w' + 1/2)),    w' the reversed word

is what the counts of one run show. Noise alone makes it positive, also in equilibrium. The data are therefore cut into
blocks that are longer than the slowest correlation, and blocks drawn with replacement tell both the bias, which is
taken off, and the standard error. The estimate may come out below zero by its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate

__all__ = ["Blocks", "Words", "binned", "cut", "divergence", "resampled", "words"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_MOST, _FEWEST = 128, 16  # blocks
_SHORTEST = 8  # symbols in a block
_RESAMPLES = 400
_RARE = 10  # words seen fewer times than this, their reverse included, are merged into one that is its own reverse
_PAIRS = 1 << 14  # pairs of words resampled at once
_BINS = 256


@dataclass(frozen=True, eq=False)
class Words:
    """Counts (blocks, pairs) of both words of every pair {w, reversed w}: ``there`` and ``back``; ``sign`` is a scale."""

    there: Array
    back: Array
    sign: float = 1.0


@dataclass(frozen=True, eq=False)
class Blocks:
    """``number`` (n,): the block of every symbol; ``duration`` (b,): how long the blocks are (steps or time)."""

    number: Index
    duration: Array


def cut(symbols: Index, times: Array | None) -> Blocks:
    """Blocks of equally many symbols, 128 of them or fewer, until neighbours no longer remember each other.

    The share of time spent in each symbol is compared between neighbouring blocks; where it is correlated beyond 4
    standard errors the blocks are joined two and two.

    Raises:
        ValueError: where fewer than 16 blocks are left: the series is short beside its slowest time scale.
    """
    spent = np.ones(len(symbols)) if times is None else times
    count = _MOST
    while count * _SHORTEST > len(symbols):
        count //= 2
    kinds = int(symbols.max()) + 1
    while count >= _FEWEST:
        number = (np.arange(len(symbols)) * count) // len(symbols)
        share = np.bincount(number * kinds + symbols, spent, minlength=count * kinds).reshape(count, kinds)
        duration = share.sum(axis=1)
        share = share / duration[:, None]
        if not _remember(share):
            return Blocks(number, duration)
        count //= 2
    raise ValueError(
        f"the series of {len(symbols)} symbols is too short beside its slowest time scale: even {_FEWEST} blocks "
        "of it are not independent (or hold fewer than 8 symbols), so that there is no error bar; take a longer one"
    )


def words(code: Index, reverse: Index, number: Index, blocks: int, sign: float = 1.0) -> Words:
    """Count words by block.

    Arguments:
        code, reverse: (n,) what was seen, and what it turns into when time is reversed; any integers.
        number: (n,) the block of each; blocks: how many there are.
        sign: +1 or -1, and a scale.
    """
    moving = code != reverse
    low = np.minimum(code[moving], reverse[moving])
    forward = code[moving] == low
    _, pair = np.unique(low, return_inverse=True)
    pairs = int(pair.max(initial=-1)) + 1
    place = number[moving] * pairs + pair
    there = np.bincount(place[forward], minlength=blocks * pairs).reshape(blocks, pairs)
    back = np.bincount(place[~forward], minlength=blocks * pairs).reshape(blocks, pairs)
    often = there.sum(axis=0) + back.sum(axis=0) >= _RARE
    return Words(there[:, often].astype(np.float64), back[:, often].astype(np.float64), sign)


def binned(code: Index, reverse: Index, times: Array) -> tuple[Index, Index]:
    """Words and their reverses with the bin of a time added to both.

    The bins hold equally many of the times of a word and its reverse together, n^0.4 bins for n times, at most 256.
    Binning lowers a divergence (data processing), so that a bound stays one.
    """
    low = np.minimum(code, reverse)
    bin_number = np.zeros(len(code), np.int64)
    order = np.argsort(low, kind="stable")
    starts = np.flatnonzero(np.diff(low[order], prepend=low[order[0]] - 1)) if len(order) else order
    for rows in np.split(order, starts[1:]):
        if code[rows[0]] == reverse[rows[0]]:
            continue
        bins = int(np.clip(len(rows) ** 0.4, 1, _BINS))
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
                n = weight @ part.there[:, start : start + _PAIRS]
                m = weight @ part.back[:, start : start + _PAIRS]
                total += part.sign * np.sum((n - m) * np.log((n + 0.5) / (m + 0.5)), axis=1)
        return np.asarray(total / (weight @ duration))

    plain, drawn = resampled(rates, len(duration), seed)
    error = float(drawn.std(ddof=1)) * np.sqrt(len(duration) / (len(duration) - 1))
    return Estimate(
        2 * plain - float(drawn.mean()), float(error), len(duration), unit, "words, blocks redrawn, bias taken off"
    )


def resampled(function, blocks: int, seed: int) -> tuple[float, Array]:  # type: ignore[no-untyped-def]
    """A function of weights (m, b) -> (m,) of the blocks, for all of them once and for 400 draws with replacement."""
    generator = np.random.default_rng(seed)
    weight = generator.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=_RESAMPLES).astype(np.float64)
    return float(function(np.ones((1, blocks)))[0]), np.asarray(function(weight))


def _remember(share: Array) -> bool:
    """Whether the shares of neighbouring blocks are correlated beyond 4 standard errors, in any symbol."""
    centred = share - share.mean(axis=0)
    variance = np.mean(centred**2, axis=0)
    covariance = np.mean(centred[1:] * centred[:-1], axis=0)
    moving = variance > 0
    return bool(np.any(covariance[moving] > 4 / np.sqrt(len(share)) * variance[moving]))
