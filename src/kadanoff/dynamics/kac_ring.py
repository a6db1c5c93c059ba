"""The Kac ring: balls on a ring that all move on by one site a step and change colour where they pass a marker.

    x'(i + 1) = x(i) XOR m(i)

The simplest system with an arrow of time: the colours mix as the Boltzmann equation says, D(t) = (1 - 2 mu)^t, though
every step can be undone and after 2 N steps every ball has passed every marker twice and has its first colour again.
Rings are kept 64 sites a word, so that 10^9 sites fit into 250 MB. Kac, Probability and Related Topics in Physical
Sciences (1959), chapter 3; Gottwald and Oliver, SIAM Review 51, 613 (2009).
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from kadanoff.dynamics._kernels import kac_ring as kernels
from kadanoff.parallel import reduce_ordered

__all__ = [
    "ColourCurve",
    "KacRing",
    "advance_ring",
    "black_balls",
    "colour_curve",
    "colour_entropy",
    "colour_law",
    "colour_law_of_number",
    "flip_ball",
    "leap_ring",
    "mean_colour",
    "packed_ring",
    "random_ring",
    "rewind_ring",
    "unpacked",
]

_MARKERS, _NUMBER = 0x4B61, 0x4B62  # streams of random numbers
_RINGS = 64  # of a task: the same whatever the number of workers
_SQUARES_FIT = 1 << 28  # sites, up to which the sum of 64 squared numbers of balls fits into 63 bits


@dataclass(frozen=True, eq=False)
class KacRing:
    """A ring of ``sites`` balls (bit set: black) and markers (bit i: between site i and i + 1), 64 sites a word.

    Make one by `packed_ring` or `random_ring`; the functions below return new rings and leave their argument alone.
    """

    sites: int
    balls: NDArray[np.uint64]
    markers: NDArray[np.uint64]

    def same_as(self, other: KacRing) -> bool:
        """Whether both rings are the same, bit by bit."""
        return (
            self.sites == other.sites
            and np.array_equal(self.balls, other.balls)
            and np.array_equal(self.markers, other.markers)
        )


class ColourCurve(NamedTuple):
    """The mean colour (white - black) / N over ``rings`` rings at the steps 0, 1, ...: ``value`` and ``error`` (t,)."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]
    rings: int


def packed_ring(balls: ArrayLike, markers: ArrayLike) -> KacRing:
    """A ring from its colours (N,), True for black, and its markers (N,), marker i between site i and site i + 1.

    Raises:
        ValueError: for arrays of different or no length.
    """
    colours, marked = np.asarray(balls, dtype=bool), np.asarray(markers, dtype=bool)
    if colours.ndim != 1 or colours.shape != marked.shape or colours.size == 0:
        raise ValueError(f"balls and markers are arrays (sites,) of one length, not {colours.shape} and {marked.shape}")
    return KacRing(len(colours), _packed(colours), _packed(marked))


def random_ring(
    sites: int, *, probability: float | None = None, number: int | None = None, seed: int, ring: int = 0
) -> KacRing:
    """A ring of white balls with random markers: each with ``probability`` mu, or exactly ``number`` of them.

    Arguments:
        sites: N, to 10^9 and more (a bit each for ball and marker).
        probability: 0 <= mu <= 1, exact to 2^-64.
        number: of markers, every set of that many alike.
        seed, ring: which ring; the same two give the same markers.

    Raises:
        ValueError: for a ring without sites, or where not one of probability and number is given in its range.
    """
    if sites < 1:
        raise ValueError(f"a ring has one site at least, not {sites}")
    if (probability is None) == (number is None):
        raise ValueError("give the probability of a marker or the number of markers, one of the two")
    words = -(-sites // 64)
    markers = np.zeros(words, dtype=np.uint64)
    if number is not None:
        if not 0 <= number <= sites:
            raise ValueError(f"{number} markers do not fit on a ring of {sites} sites")
        probability = number / sites
    assert probability is not None
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"the probability of a marker lies between 0 and 1, not at {probability}")
    if probability == 1.0:
        markers[:] = _packed(np.ones(sites, dtype=bool))
    else:
        threshold = np.uint64(int(probability * 2.0**64))
        kernels.draw_markers(seed, _MARKERS, ring, sites, threshold, markers)
    if number is not None:
        kernels.fix_number(seed, _NUMBER, ring, sites, number, markers)
    return KacRing(sites, np.zeros(words, dtype=np.uint64), markers)


def unpacked(ring: KacRing) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The balls (N,), True for black, and the markers (N,)."""
    return _unpacked(ring.balls, ring.sites), _unpacked(ring.markers, ring.sites)


def advance_ring(ring: KacRing, steps: int) -> KacRing:
    """The ring ``steps`` steps later, step by step."""
    _require_steps(steps)
    balls = ring.balls.copy()
    kernels.run(balls, ring.markers, ring.sites, steps, np.empty(0, dtype=np.int64))
    return KacRing(ring.sites, balls, ring.markers)


def rewind_ring(ring: KacRing, steps: int) -> KacRing:
    """The ring ``steps`` steps earlier: the same motion on the reflected ring, since R T R = T^-1.

    R puts site i where site N - 1 - i was and marker i where marker N - 2 - i was.
    """
    _require_steps(steps)
    back = _reflected(ring)
    kernels.run(back.balls, back.markers, ring.sites, steps, np.empty(0, dtype=np.int64))
    return KacRing(ring.sites, _reflected(back).balls, ring.markers)


def leap_ring(ring: KacRing, steps: int) -> KacRing:
    """The ring any number of steps later (earlier where negative) in one pass over memory.

    x_t(i) = x_0(i - t) XOR P(i) XOR P(i - t), P the parity of the markers passed. Equals `advance_ring`, and reaches
    the return at 2 N of a ring of 10^9 sites.
    """
    rounds, shift = divmod(int(steps), ring.sites)
    parity = np.empty_like(ring.markers)
    odd = kernels.running_parity(ring.markers, ring.sites, parity)
    balls = np.empty_like(ring.balls)
    kernels.rotate(ring.balls ^ parity, ring.sites, shift, balls)
    balls ^= parity
    if odd:  # balls that passed the last site once more than the others
        wrapped = np.zeros_like(balls)
        wrapped[: shift // 64] = ~np.uint64(0)
        if shift % 64:
            wrapped[shift // 64] = np.uint64((1 << shift % 64) - 1)
        balls ^= wrapped
        if rounds % 2:
            balls = ~balls
    return KacRing(ring.sites, _trimmed(balls, ring.sites), ring.markers)


def flip_ball(ring: KacRing, site: int) -> KacRing:
    """The ring with the colour of one ball changed."""
    if not 0 <= site < ring.sites:
        raise ValueError(f"the ring has the sites 0 to {ring.sites - 1}, not {site}")
    balls = ring.balls.copy()
    balls[site // 64] ^= np.uint64(1 << site % 64)
    return KacRing(ring.sites, balls, ring.markers)


def black_balls(ring: KacRing, block: int | None = None) -> NDArray[np.int64]:
    """The number of black balls in each block of ``block`` sites, in the whole ring by default.

    Raises ValueError where the block does not divide the ring.
    """
    block = ring.sites if block is None else block
    if block < 1 or ring.sites % block:
        raise ValueError(f"blocks of {block} sites do not divide a ring of {ring.sites}")
    found = np.empty(ring.sites // block, dtype=np.int64)
    kernels.black_by_block(ring.balls, ring.sites, block, found)
    return found


def colour_curve(ring: KacRing, steps: int) -> tuple[KacRing, NDArray[np.float64]]:
    """Run ``steps`` steps: the ring at the end, and (white - black) / N at the steps 0, 1, ..., steps."""
    _require_steps(steps)
    balls, black = ring.balls.copy(), np.zeros(steps, dtype=np.int64)
    kernels.run(balls, ring.markers, ring.sites, steps, black)
    counts = np.concatenate([black_balls(ring), black])
    return KacRing(ring.sites, balls, ring.markers), 1.0 - 2.0 * counts / ring.sites


def mean_colour(
    sites: int,
    steps: int,
    rings: int,
    *,
    probability: float | None = None,
    number: int | None = None,
    seed: int,
    executor: Executor | None = None,
) -> ColourCurve:
    """The mean colour at the steps 0 ... ``steps`` over ``rings`` rings of random markers, all balls white at first.

    Arguments as `random_ring`. The sums are of integers, so that they do not depend on the order. Raises ValueError for
    fewer than two rings, which have no error.
    """
    if rings < 2:
        raise ValueError(f"an error needs two rings at least, not {rings}")
    _require_steps(steps)
    tasks = [
        (sites, steps, probability, number, seed, range(start, min(start + _RINGS, rings)))
        for start in range(0, rings, _RINGS)
    ]
    black, squares = reduce_ordered(_black_sums, tasks, lambda a, b: (a[0] + b[0], a[1] + b[1]), executor)
    mean = black / rings
    # exact integers until here: the difference of two large numbers loses nothing
    variance = (rings * squares - black**2) / (rings * (rings - 1))
    return ColourCurve(
        np.asarray(1 - 2 * mean / sites, dtype=np.float64),
        2 * np.sqrt(np.asarray(variance, dtype=np.float64) / rings) / sites,
        rings,
    )


def colour_law(sites: int, steps: ArrayLike, probability: float) -> NDArray[np.float64]:
    """The mean over independent markers: (1 - 2 mu)^t to t = N, (1 - 2 mu)^(2N - t) from there to 2 N, and again.

    On the way back the ball passes markers a second time, which undoes the first (Kac, 1959).

    Arguments:
        sites, steps: N and any steps, 0, 1, ...
        probability: mu.
    """
    t = np.asarray(steps, dtype=np.int64) % (2 * sites)
    return np.asarray((1.0 - 2.0 * probability) ** np.minimum(t, 2 * sites - t).astype(np.float64))


def colour_law_of_number(sites: int, steps: ArrayLike, number: int) -> NDArray[np.float64]:
    """The mean over all sets of exactly ``number`` = n markers, sum_k (-1)^k of the hypergeometric law.

    (N - t) D(t + 1) = (N - 2n) D(t) - t D(t - 1), D(0) = 1; D(N - t) = (-1)^n D(t), D(2N - t) = D(t): Krawtchouk
    polynomials over binomials. After Gottwald and Oliver (2009).

    Arguments:
        sites, steps: N and any steps, 0, 1, ...
        number: of markers.

    Raises:
        ValueError: for more markers than sites.
    """
    if not 0 <= number <= sites:
        raise ValueError(f"{number} markers do not fit on a ring of {sites} sites")
    half = sites // 2
    law = np.ones(half + 2)
    law[1] = (sites - 2 * number) / sites
    for t in range(1, half + 1):
        law[t + 1] = ((sites - 2 * number) * law[t] - t * law[t - 1]) / (sites - t)
    wanted = np.asarray(steps, dtype=np.int64) % (2 * sites)
    wanted = np.minimum(wanted, 2 * sites - wanted)
    sign = np.where((wanted > half) & (number % 2 == 1), -1.0, 1.0)
    return np.asarray(sign * law[np.where(wanted > half, sites - wanted, wanted)])


def colour_entropy(black: ArrayLike, block: int) -> float:
    """The coarse entropy per site, in nats, of who sees only how many balls of each block are black.

    S / N = sum over blocks of ln C(b, n) / N: H(cells) + sum p ln|cell| of one ring, whose macrostate is certain.

    Arguments:
        black: (blocks,) black balls of each block, as `black_balls` counts them.
        block: b, sites of a block.

    Raises:
        ValueError: for numbers below 0 or above the block.
    """
    counts = np.asarray(black, dtype=np.float64)
    if np.any(counts < 0) or np.any(counts > block):
        raise ValueError(f"a block of {block} sites has 0 to {block} black balls")
    ways = gammaln(block + 1) - gammaln(counts + 1) - gammaln(block - counts + 1)
    return float(ways.sum()) / (block * counts.size)


def _black_sums(
    task: tuple[int, int, float | None, int | None, int, range],
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    sites, steps, probability, number, seed, rings = task
    black = np.zeros((len(rings), steps + 1), dtype=np.int64)
    for row, which in enumerate(rings):
        ring = random_ring(sites, probability=probability, number=number, seed=seed, ring=which)
        kernels.run(ring.balls, ring.markers, sites, steps, black[row, 1:])
    exact = black.astype(object) if sites > _SQUARES_FIT else black
    return exact.sum(axis=0).astype(object), (exact**2).sum(axis=0).astype(object)


def _reflected(ring: KacRing) -> KacRing:
    balls, markers = np.empty_like(ring.balls), np.empty_like(ring.markers)
    kernels.reflect(ring.balls, ring.sites, ring.sites - 1, balls)
    kernels.reflect(ring.markers, ring.sites, (ring.sites - 2) % ring.sites, markers)
    return KacRing(ring.sites, balls, markers)


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    padded = np.zeros(-(-len(bits) // 64) * 64, dtype=bool)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view("<u8").astype(np.uint64)


def _unpacked(words: NDArray[np.uint64], sites: int) -> NDArray[np.bool_]:
    return np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little", count=sites).astype(bool)


def _trimmed(words: NDArray[np.uint64], sites: int) -> NDArray[np.uint64]:
    if sites % 64:
        words[-1] &= np.uint64((1 << sites % 64) - 1)
    return words


def _require_steps(steps: int) -> None:
    if steps < 0:
        raise ValueError(f"a number of steps is not negative: {steps}; `rewind_ring` goes back")
