"""Chains of lattice spins: a model in the words of the kernels, and a stretch of one chain by each algorithm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices._kernels import chains as kernels
from kadanoff.lattices._kernels import multispin
from kadanoff.lattices.lattice import CellProducts, Lattice, colours
from kadanoff.lattices.operators import Operator, clusters

__all__ = ["REPLICAS", "STRIDE", "Leg", "Record", "System", "digits", "run", "start"]

REPLICAS = 64  # chains of one word of the multi-spin code
STRIDE = 4  # sweeps of multi-spin Metropolis between two records: counting the bits costs most of a sweep
Spins: TypeAlias = NDArray[Any]  # (n,) int8 states, or (2, rows, columns / 2 + 2) uint64 words of the multi-spin code
_START = 0x5374_0000  # stream of disordered starts


@dataclass(frozen=True, eq=False)
class System:
    """A model and an algorithm. The kernels' weight is exp(like [s_i = s_j]) for each bond, exp(fields[s_i]) for each
    site."""

    lattices: tuple[Lattice, ...]
    model: str
    states: int
    couplings: tuple[float, ...]
    field: float
    algorithm: str
    seed: int
    clusters: int = 1
    products: tuple[Operator | CellProducts, ...] = ()  # their couplings stand behind those of the lattices

    @property
    def like(self) -> NDArray[np.float64]:
        return np.array(self.couplings) * (2.0 if self.model == "ising" else 1.0)

    @property
    def fields(self) -> NDArray[np.float64]:
        if self.model == "ising":
            return np.array([-self.field, self.field])
        return np.where(np.arange(self.states) == 0, self.field, 0.0)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the bonds and products of each coupling begin, and the number of all."""
        return np.cumsum([0, *map(len, self.tables)])

    @property
    def tables(self) -> list[NDArray[np.int32]]:
        """The sites of every product of each coupling: bonds (m, 2), then products (m, r)."""
        lattice = self.lattices[0]
        pairs = [one.bonds for one in self.lattices]
        return pairs + [clusters(p, lattice) if isinstance(p, Operator) else lattice.products(p) for p in self.products]

    @property
    def is_square(self) -> bool:
        """Whether only nearest neighbours of a square lattice are coupled."""
        return len(self.lattices) == 1 and self.lattices[0].table == ((0, 0, (1, 0)), (0, 0, (0, 1)))

    @property
    def key(self) -> int:
        """The seed as 64 bits."""
        return self.seed & (2**64 - 1)

    @property
    def chains(self) -> int:
        """Chains of one leg."""
        return REPLICAS if self.algorithm == "multispin" else 1

    @property
    def stride(self) -> int:
        """Sweeps of one record."""
        return STRIDE if self.algorithm == "multispin" else 1

    def sums(self, like: NDArray[np.int64]) -> NDArray[np.int64]:
        """S_a from numbers of like bonds (..., couplings)."""
        return 2 * like - np.diff(self.starts) if self.model == "ising" else like

    def energies(self, sums: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Per site in kT, from S_a and numbers of sites in each state."""
        return np.asarray(-(sums @ np.array(self.couplings) + counts @ self.fields) / self.lattices[0].sites)

    def magnetisations(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """From numbers of sites in each state (..., q)."""
        n = self.lattices[0].sites
        if self.model == "ising":
            return np.asarray((counts[..., 1] - counts[..., 0]) / n)
        return np.asarray((self.states * counts.max(axis=-1) / n - 1) / (self.states - 1))


@dataclass(frozen=True, eq=False)
class Leg:
    """A stretch of a chain (or of 64 of them): from ``spins`` at record ``first``, ``records`` more, of which every
    ``every``-th leaves a configuration, ``keep`` in all."""

    system: System
    number: int
    spins: Spins
    first: int
    records: int
    every: int = 1
    keep: int = 0


@dataclass(frozen=True, eq=False)
class Record:
    """What a leg leaves: its last spins; of each chain like bonds (chains, records, couplings), numbers of sites in
    each state (chains, records, q) and configurations (chains, keep, n); how many sites Wolff's clusters had."""

    spins: Spins
    like: NDArray[np.int64]
    counts: NDArray[np.int64]
    stored: NDArray[np.int8]
    flipped: int = 0


def start(system: System, number: int, random: bool) -> Spins:
    """The first spins of leg ``number``: at random, or ordered, in the state that the field favours or, without a
    field, in one state after the other."""
    lattice = system.lattices[0]
    if system.algorithm == "multispin":
        rows, columns = lattice.cells
        return np.full((2, rows, columns // 2 + 2), 0xAAAA_AAAA_AAAA_AAAA, np.uint64)  # every other replica up
    if random:
        drawn = np.random.Generator(np.random.Philox(key=[system.key, _START + number]))
        return drawn.integers(system.states, size=lattice.sites, dtype=np.int8)
    ordered = int(np.argmax(system.fields)) if system.field else number % system.states
    return np.full(lattice.sites, ordered, np.int8)


def run(leg: Leg) -> Record:
    """Run a leg; its spins stay as they are."""
    system = leg.system
    lattice, spins, chains = system.lattices[0], leg.spins.copy(), system.chains
    like = np.empty((chains, leg.records, len(system.couplings)), np.int64)
    counts = np.empty((chains, leg.records, system.states), np.int64)
    stored = np.empty((chains, leg.keep, lattice.sites), np.int8)
    place = (np.uint64(system.key), leg.number, leg.first, leg.every)
    if system.algorithm == "multispin":
        k = system.couplings[0]
        four, eight = digits(math.exp(-4 * k)), digits(math.exp(-8 * k))
        multispin.run_multispin(spins, four, eight, system.stride, *place, like, counts, stored)
        return Record(spins, like, counts, stored)
    tail = (*place, like[0], counts[0], stored[0])
    thresholds = np.array([fraction(-math.expm1(-k)) if k > 0 else 0 for k in system.like], np.uint64)
    if system.algorithm == "swendsen-wang" and system.is_square:
        kernels.run_swendsen_wang_square(spins.reshape(lattice.cells), thresholds[0], system.field, *tail)
        return Record(spins, like, counts, stored)
    if system.algorithm == "heat-bath":
        terms = _stacked(system.tables)
        couplings = np.repeat(system.couplings, np.diff(system.starts))
        touching = _touching(terms, lattice.sites)
        kernels.run_heat_bath(spins, terms, couplings, touching, system.field, system.starts, *tail)
        return Record(spins, like, counts, stored)
    bonds = np.concatenate([one.bonds for one in system.lattices])
    if system.algorithm == "swendsen-wang":
        kernels.run_swendsen_wang(spins, bonds, system.starts, thresholds, system.field, *tail)
        return Record(spins, like, counts, stored)
    neighbours = np.hstack([one.neighbours for one in system.lattices])
    shell = np.concatenate([np.full(one.coordination, k) for k, one in enumerate(system.lattices)])
    if system.algorithm == "wolff":
        flipped = kernels.run_wolff(spins, neighbours, thresholds[shell], system.clusters, bonds, system.starts, *tail)
        return Record(spins, like, counts, stored, int(flipped))
    tint = colours(*system.lattices)
    order = np.argsort(tint, kind="stable").astype(np.int32)
    begins = np.concatenate([[0], np.cumsum(np.bincount(tint))])
    kernels.run_metropolis(
        spins, neighbours, system.like[shell], system.fields, order, begins, bonds, system.starts, *tail
    )
    return Record(spins, like, counts, stored)


def _stacked(tables: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Tables (m, r) one below the other, rows filled up with -1."""
    width = max(table.shape[1] for table in tables)
    rows = [np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1) for table in tables]
    return np.ascontiguousarray(np.concatenate(rows))


def _touching(terms: NDArray[np.int32], sites: int) -> NDArray[np.int32]:
    """(n, t) int32: the rows of terms in which each site stands, filled up with -1."""
    row, column = np.nonzero(terms >= 0)
    site = terms[row, column]
    order = np.argsort(site, kind="stable")
    count = np.bincount(site, minlength=sites)
    place = np.arange(len(site)) - np.repeat(np.cumsum(count) - count, count)
    found = np.full((sites, count.max()), -1, np.int32)
    found[site[order], place] = row[order]
    return found


def fraction(probability: float) -> int:
    """A probability as a fraction of 2^64, exact to its last binary digit, 2^64 - 1 for 1."""
    return min(int(math.ldexp(probability, 64)), 2**64 - 1)


def digits(probability: float) -> NDArray[np.uint64]:
    """(65,) words of ones or zeros: the first binary digit of a probability below 1, then where a digit differs from
    the one before it; after the 64th come zeros."""
    whole = fraction(probability)
    binary = np.array([whole >> (63 - k) & 1 for k in range(64)] + [0], np.uint64)
    return np.asarray(np.uint64(0) - (binary ^ np.concatenate([[np.uint64(0)], binary[:-1]])))
