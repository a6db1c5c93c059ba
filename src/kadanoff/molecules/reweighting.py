"""The histogram of pair distances of every frame: all that a change of pair potentials needs of a simulation.

For pair potentials the energy of a frame is a sum over its histograms of pair distances. So a sample that keeps one
histogram a frame and pair of types gives g, the answer of g to U, and by the weights

    w_t = exp(-beta (E_new(t) - E_old(t))),      E_new(t) - E_old(t) = sum_pairs sum_k counts_k(t) dU(r_k)

also g and pressure of another potential, in milliseconds and without a simulation, as long as enough frames keep a
weight: Kish's effective number (sum w)^2 / sum w^2 says how many. Terms that do not change (three-body) cancel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import integrated_time
from kadanoff.molecules.frames import BAR, BOLTZMANN
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import Model

__all__ = ["Reweighted", "Stack", "bin_means", "reweight"]

Array = NDArray[np.float64]
Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Stack:
    """g of several pairs of types as one long curve: the bins of one pair behind those of the other.

    ``pairs``; ``edges`` (m + 1,) nm, the same for all; ``counts`` and ``ideal`` (blocks, pairs m), see
    `PairDistribution`; ``frames`` (blocks,). Counts need not be whole: frames may have weights.
    """

    pairs: tuple[Pair, ...]
    edges: Array
    counts: Array
    ideal: Array
    frames: Array
    number: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, distributions: Mapping[Pair, PairDistribution]) -> Stack:
        """Stack distributions with the same bins and blocks. Raises ValueError for others."""
        parts = list(distributions.values())
        first = parts[0]
        for pair, part in distributions.items():
            if not np.array_equal(part.edges, first.edges):
                raise ValueError(
                    f"g of {pair} has other bins than that of {next(iter(distributions))}: measure all pairs with one "
                    "cut-off and width"
                )
            if not np.array_equal(part.frames, first.frames):
                raise ValueError(f"g of {pair} has other blocks of frames than that of {next(iter(distributions))}")
        return cls(
            tuple(distributions), first.edges, np.hstack([part.counts for part in parts]).astype(np.float64),
            np.hstack([part.ideal for part in parts]), first.frames.astype(np.float64),
            tuple(part.number for part in parts),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def width(self) -> float:
        """Bin width in nm."""
        return float(self.edges[1] - self.edges[0])

    @property
    def r(self) -> Array:
        """Bin centres (m,) of one pair, nm."""
        return np.asarray(0.5 * (self.edges[1:] + self.edges[:-1]))

    @cached_property
    def g(self) -> Array:
        """(pairs m,)"""
        return np.asarray(self.counts.sum(axis=0) / self.ideal.sum(axis=0))

    @cached_property
    def deviations(self) -> Array:
        """What each block adds to g - <g>, to first order (blocks, pairs m)."""
        return np.asarray((self.counts - self.g * self.ideal) / self.ideal.sum(axis=0))

    @cached_property
    def error(self) -> Array:
        """Standard error of g (pairs m,) from the spread of the blocks."""
        blocks = len(self)
        return np.asarray(np.sqrt(np.sum(self.deviations**2, axis=0) * (blocks / (blocks - 1))))

    def weighted(self, weights: Array) -> Stack:
        """The same blocks, each with a weight."""
        column = np.asarray(weights)[:, None]
        return replace(self, counts=self.counts * column, ideal=self.ideal * column, frames=self.frames * column[:, 0])

    def reblock(self, blocks: int) -> Stack:
        """The same data in fewer, longer blocks of neighbours."""
        starts = np.array([part[0] for part in np.array_split(np.arange(len(self)), min(blocks, len(self)))])
        parts = (np.add.reduceat(part, starts) for part in (self.counts, self.ideal, self.frames))
        counts, ideal, frames = parts
        return replace(self, counts=counts, ideal=ideal, frames=frames)

    def along(self, index: int) -> slice:
        """Where the bins of one pair are."""
        bins = len(self.edges) - 1
        return slice(index * bins, (index + 1) * bins)


def bin_means(edges: Array, model: Model, pairs: tuple[Pair, ...]) -> tuple[Array, Array]:
    """U and r dU/dr of each pair as means over bins with weight r^2, (pairs m,), kJ/mol."""
    nodes, weights = np.polynomial.legendre.leggauss(4)
    half, centre = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    r = centre[:, None] + half[:, None] * nodes
    share = weights * r**2
    share /= share.sum(axis=1, keepdims=True)
    energy, virial = [], []
    for pair in pairs:
        potential = model.pair(*pair)
        energy.append(np.sum(share * potential.energy_at(r), axis=1))
        virial.append(np.sum(share * -potential.force_at(r) * r, axis=1))
    return np.concatenate(energy), np.concatenate(virial)


@dataclass(frozen=True, eq=False)
class Reweighted:
    """What a sample says of another model: ``weights`` (frames,) with mean 1, Kish's share of ``effective`` frames
    (0 to 1), how many ``independent`` frames that is, and ``pressures`` (frames,) of the new model in bar."""

    weights: Array
    effective: float
    independent: float
    pressures: Array


def reweight(frames: Stack, pressures: Array, old: Model, new: Model, temperature: float, volume: float) -> Reweighted:
    """Weights that turn a sample of ``old`` into one of ``new``, two models that differ in pair potentials alone.

    ``frames``: one block a frame; ``pressures`` (frames,) bar, of ``old``; ``temperature`` K; ``volume`` nm^3.
    U is taken as its mean over each bin, so the potentials' difference should be smooth within one.
    """
    before, after = (bin_means(frames.edges, model, frames.pairs) for model in (old, new))
    change = frames.counts @ (after[0] - before[0]) / (BOLTZMANN * temperature)
    virial = frames.counts @ (after[1] - before[1])
    weights = np.exp(-(change - change.min()))
    weights /= weights.mean()
    effective = 1.0 / float(np.mean(weights**2))
    still = float(np.ptp(change)) < 1e-12
    correlated = 1.0 if still else max(1.0, integrated_time(change).value)
    return Reweighted(
        weights, effective, effective * len(frames) / correlated, pressures - virial / (3.0 * volume) * BAR
    )
