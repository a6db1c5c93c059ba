"""What several blockings keep together of the original spins: I(level 0; level k), between two bounds, in nats.

    I(s; S) / N = ( H(S) - H(S | s) ) / N        H(S | s) / blocks = < entropy of the coin P(S_I = + | s) >

Given the original spins every block has coins of its own, so that P(S_I = + | s) follows level by level from the votes
of independent blocks, and the noise is exact however many blockings there are. The entropy of the block spins is bound
from both sides:

    H( S_I | the fine spins around its block )  <=  H(S) / blocks  <=  H( S_I | block spins before it )

The left holds where interactions reach to nearest neighbours: the ring around a block then separates it from all other
fine spins, of which the other block spins are made, by coins that know nothing of it. Data processing, I(s; S'') <=
I(s; S') for blocks S'' of S', can so be proven or refuted by samples: the lower bound of one level against the upper of
the next (Cover and Thomas, section 2.8).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from kadanoff.estimates import Estimate, from_blocks
from kadanoff.lattices.blocking import Level, Ties, ising_spins, lattice_blocks
from kadanoff.lattices.lattice import Lattice

__all__ = ["TotalInformation", "coin_noise", "information_bounds", "ring_entropy"]

NAT = "nat"
_BLOCKS = 20  # of samples
_RING = 16  # spins around a block, at most: 2^16 patterns
_PIECE = 1 << 22  # spins at once


class TotalInformation(NamedTuple):
    """I(level 0; level k) in nats per spin of level 0: ``lower`` (None where the ring is too long) and ``upper``
    bound."""

    lower: Estimate | None
    upper: Estimate


def coin_noise(
    configurations: ArrayLike, lattice: Lattice, levels: int, *, edge: int = 2, ties: Ties = "coin"
) -> list[Estimate]:
    """H(level k | level 0) in nats per block of level k, k = 1 ... levels, of majorities with coins; 0 with a rule.

    Arguments:
        configurations: (samples, *shape) of +-1, level 0, in time order.
        lattice, levels, edge, ties: as `blocking.pyramid`.

    Raises:
        ValueError: as `blocking.lattice_blocks`, and for fewer than 20 samples.
    """
    if ties == "first":
        return [Estimate.exact(0.0, NAT)] * levels
    spins = ising_spins(configurations).reshape(-1, lattice.sites)
    _enough(len(spins))
    cuts = []
    here = lattice
    for _ in range(levels):
        cuts.append(lattice_blocks(here, edge))
        here = cuts[-1].coarse
    noise = np.empty((levels, len(spins)))
    step = max(1, _PIECE // lattice.sites)
    for start in range(0, len(spins), step):
        up = (spins[start : start + step] > 0).astype(np.float64)
        for k, blocks in enumerate(cuts):
            up = _majority(up[:, blocks.members])
            noise[k, start : start + step] = (entr(up) + entr(1.0 - up)).mean(axis=1)
    parts = [from_blocks([part.mean() for part in np.array_split(row, _BLOCKS)], NAT) for row in noise]
    return [replace(part, value=float(row.mean())) for part, row in zip(parts, noise, strict=True)]


def ring_entropy(fine: ArrayLike, blocked: ArrayLike) -> Estimate:
    """H(S_I | the fine spins around block I) in nats, a lower bound of the entropy per block spin.

    From counts, whose entropy is on the average below the true one: the bound stays one. Nearest neighbours only.

    Arguments:
        fine: (samples, L, L) of +-1, in time order.
        blocked: (samples, L / e, L / e), made of squares of e x e fine spins, e <= 4.

    Raises:
        ValueError: for other shapes, blocks too large, fewer than 20 samples.
    """
    s, big = ising_spins(fine), ising_spins(blocked)
    if s.ndim != 3 or big.ndim != 3 or len(s) != len(big) or s.shape[1] % big.shape[1] or s.shape[2] % big.shape[2]:
        raise ValueError(f"fine spins (samples, L, L) and their blocks, got shapes {s.shape} and {big.shape}")
    edge = s.shape[1] // big.shape[1]
    if s.shape[2] != edge * big.shape[2] or 4 * edge > _RING or edge + 2 > min(s.shape[1:]):
        raise ValueError(f"blocks of {edge} x {edge} spins on {s.shape[1:]}: a ring of {_RING} spins at most, apart")
    _enough(len(s))
    up = s > 0
    codes = np.zeros(big.shape, dtype=np.int64)
    for k in range(edge):
        for rows, columns in ((-1, k), (edge, k), (k, -1), (k, edge)):
            around = np.roll(up, (-rows, -columns), axis=(1, 2))[:, ::edge, ::edge]
            codes = 2 * codes + around
    words = 2 * codes + (big > 0)
    size = 2 ** (4 * edge + 1)
    table = np.stack([np.bincount(part.ravel(), minlength=size) for part in np.array_split(words, _BLOCKS)])
    total = table.sum(axis=0)
    found = np.array([_conditional(total), *(_conditional(total - part) for part in table)])
    error = math.sqrt((_BLOCKS - 1) * float(found[1:].var()))
    return Estimate(float(found[0]), error, _BLOCKS, NAT, f"counts given a ring of {4 * edge}, jackknife over blocks")


def information_bounds(levels: list[Level], entropies: list[Estimate]) -> list[TotalInformation]:
    """Bounds of I(level 0; level k), k = 1 ..., from a pyramid of majorities of squares and the entropies per spin.

    Arguments:
        levels: of `blocking.pyramid`, on a square lattice with nearest neighbours only.
        entropies: upper bounds of the entropy per spin of every level (`information_lost.entropy_per_spin`).

    Raises:
        ValueError: for another number of entropies, and for the coins of another rule.
    """
    if len(levels) != len(entropies):
        raise ValueError(f"{len(levels)} levels and {len(entropies)} entropies")
    ties: Ties = "coin" if any(level.noise for level in levels) else "first"
    fine = levels[0].configurations
    edge = round(levels[1].ratio)
    found = []
    noises = coin_noise(fine, levels[0].lattice, len(levels) - 1, edge=edge, ties=ties)
    if not math.isclose(noises[0].value, levels[1].noise, abs_tol=1e-9):
        raise ValueError("these levels were not blocked by majority: another rule tosses other coins")
    for k, noise in enumerate(noises, 1):
        share = 1.0 / edge ** (2 * k)
        lower = None
        if 4 * edge**k <= _RING:
            lower = ring_entropy(fine, levels[k].configurations).minus(noise).scaled(share)
        found.append(TotalInformation(lower, entropies[k].minus(noise).scaled(share)))
    return found


def _majority(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability that independent spins (..., n), up with these probabilities, have an up majority, a tie half."""
    size = up.shape[-1]
    chance = np.zeros((*up.shape[:-1], size + 1))
    chance[..., 0] = 1.0
    for k in range(size):
        p = up[..., k, None]
        chance[..., 1:] = chance[..., 1:] * (1 - p) + chance[..., :-1] * p
        chance[..., 0] *= 1 - p[..., 0]
    weight = (1 + np.sign(2 * np.arange(size + 1) - size)) / 2
    return np.asarray(np.clip(chance @ weight, 0.0, 1.0))


def _conditional(counts: NDArray[np.int64]) -> float:
    """H(spin | ring) of counts of words, the lowest bit the spin."""
    pairs = counts.reshape(-1, 2) / counts.sum()
    return float(entr(pairs).sum() - entr(pairs.sum(axis=1)).sum())


def _enough(samples: int) -> None:
    if samples < _BLOCKS:
        raise ValueError(f"{samples} samples: errors need {_BLOCKS} blocks of a sample at least")
