"""Renormalized couplings: what Hamiltonian a set of spin configurations was drawn from, by pseudo-likelihood.

    P(s_i | the others) = 1 / (1 + exp(-2 sum_a K_a z_a))
    z_a = s_i sum over the clusters c of kind a that hold i of prod_{j in c, j != i} s_j

The sum over sites and samples of ln P is concave in K (Besag, 1975): Newton's method finds its one maximum. It holds
the same conditional probabilities as the Callen identities of Swendsen (Phys. Rev. Lett. 52, 1165, 1984), and needs no
iteration over simulations. Only how often each pattern (z_1, z_2, ...) occurs matters, so that the fit does not grow
with the data. Couplings of block spins depend on which operators are allowed (Kennedy, 2010): they come with their set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from kadanoff.estimates import Estimate
from kadanoff.lattices._kernels import local_fields
from kadanoff.lattices.blocking import PackedSpins, spins_on, unpack_spins
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.operators import Operator, clusters, even_operators

__all__ = ["Couplings", "fit_couplings"]

_PATTERNS = 1 << 22
_FEWEST = 10  # blocks of samples behind an error
_NEWTON = 50

LEAVES_OPEN = (
    "the samples leave a coupling open (spins that are all aligned, or operators that are always alike): fewer "
    "operators, more samples or a higher temperature"
)
"""What to say where no one maximum exists."""


@dataclass(frozen=True, eq=False)
class Couplings:
    """Couplings K_a = J_a / kT of ``operators``: ``values`` (a,), ``covariance`` (a, a) from ``blocks`` blocks of
    samples (sandwich), Newton ``steps`` taken; ``replicates`` (blocks, a), the couplings without each block (to first
    order), for a jackknife of what is made of them; ``method``, how they were got."""

    operators: tuple[Operator, ...]
    values: NDArray[np.float64]
    covariance: NDArray[np.float64]
    blocks: int
    steps: int
    replicates: NDArray[np.float64]
    method: str = "pseudo-likelihood, sandwich over blocks"

    def __getitem__(self, name: str) -> Estimate:
        """The coupling of the operator of that name."""
        names = [operator.name for operator in self.operators]
        if name not in names:
            raise KeyError(f"no operator {name!r} among {', '.join(names)}")
        a = names.index(name)
        error = math.sqrt(self.covariance[a, a])
        return Estimate(float(self.values[a]), error, self.blocks, "", self.method)

    def estimates(self) -> dict[str, Estimate]:
        """Every coupling by the name of its operator."""
        return {operator.name: self[operator.name] for operator in self.operators}


def fit_couplings(
    configurations: ArrayLike | PackedSpins,
    lattice: Lattice,
    operators: tuple[Operator, ...] | None = None,
    *,
    blocks: int = 20,
) -> Couplings:
    """The couplings of Ising configurations by maximum pseudo-likelihood.

    Arguments:
        configurations: (samples, *shape) of +-1 in time order, or packed.
        lattice: theirs.
        operators: even and odd ones; by default the first five even ones of the lattice. The magnetization's coupling
            is H/kT.
        blocks: of consecutive samples, for the errors; each long against the correlation time.

    Raises:
        ValueError: for fewer samples than blocks, operators with too many patterns, spins that leave a coupling open
            (all aligned: every large K fits), another lattice.
    """
    kinds = even_operators(lattice)[:5] if operators is None else operators
    flat = unpack_spins(spins_on(configurations, lattice))
    edges = sample_blocks(len(flat), blocks)
    others, sizes, numbers = other_sites([clusters(kind, lattice) for kind in kinds], lattice.sites)
    patterns = math.prod(int(n) + 1 for n in numbers)
    if patterns > _PATTERNS:
        raise ValueError(f"these {len(kinds)} operators make {patterns} patterns, {_PATTERNS} are the most: take fewer")
    table = np.zeros((blocks, patterns), dtype=np.int64)
    for b in range(blocks):
        local_fields.count_patterns(flat[edges[b] : edges[b + 1]], others, sizes, numbers, table[b])
    seen = np.flatnonzero(table.any(axis=0))
    z = np.asarray(2 * np.stack(np.unravel_index(seen, tuple(numbers + 1)), axis=1) - numbers, dtype=np.float64)
    return _newton(kinds, z, table[:, seen].astype(np.float64))


def sample_blocks(samples: int, blocks: int) -> NDArray[np.int64]:
    """Where blocks of consecutive samples begin and end, (blocks + 1,).

    Raises ValueError for fewer than ten blocks, or blocks without a sample.
    """
    if blocks < _FEWEST or samples < blocks:
        raise ValueError(f"{samples} samples in {blocks} blocks: errors need {_FEWEST} blocks of a sample at least")
    return np.linspace(0, samples, blocks + 1).astype(np.int64)


def _newton(kinds: tuple[Operator, ...], z: NDArray[np.float64], table: NDArray[np.float64]) -> Couplings:
    counts = table.sum(axis=0)
    k = np.zeros(z.shape[1])

    def cost(at: NDArray[np.float64]) -> float:
        return float(counts @ np.logaddexp(0.0, -2.0 * (z @ at)) / counts.sum())

    here = cost(k)
    steps = 0
    while True:
        steps += 1
        miss = expit(-2.0 * (z @ k))  # probability of the other sign
        gradient = 2.0 * z.T @ (counts * miss)
        curvature = 4.0 * (z.T * (counts * miss * (1.0 - miss))) @ z
        if np.linalg.cond(curvature) > 1e12:
            raise ValueError(LEAVES_OPEN)
        move = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while (there := cost(k + scale * move)) > here + 1e-15 and scale > 1e-6:
            scale /= 2.0
        k, here = k + scale * move, there
        if np.max(np.abs(k)) > 50.0 or steps > _NEWTON:
            raise ValueError(LEAVES_OPEN)
        if np.max(np.abs(move)) < 1e-10:
            break
    miss = expit(-2.0 * (z @ k))
    inverse = np.linalg.inv(4.0 * (z.T * (counts * miss * (1.0 - miss))) @ z)
    scores = table @ (2.0 * miss[:, None] * z)  # of every block; they sum to zero at the maximum
    b = len(table)
    covariance = inverse @ (scores.T @ scores) @ inverse * b / (b - 1)
    return Couplings(kinds, k, covariance, b, steps, k - scores @ inverse)


def other_sites(
    tables: Sequence[NDArray[np.int32]], sites: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """For every site the other sites of the clusters that hold it, (sites, m); sizes and numbers by kind.

    Arguments:
        tables: for every kind its clusters (clusters, spins), in which every site occurs equally often.
        sites: of the lattice.
    """
    columns, sizes, numbers = [], [], []
    for table in tables:
        size = table.shape[1]
        site = table.ravel()
        rest = np.stack([np.delete(table, k, axis=1) for k in range(size)], axis=1).reshape(len(site), size - 1)
        order = np.argsort(site, kind="stable")
        number = len(site) // sites
        columns.append(rest[order].reshape(sites, number * (size - 1)))
        sizes.append(size - 1)
        numbers.append(number)
    return np.ascontiguousarray(np.hstack(columns), dtype=np.int32), np.array(sizes), np.array(numbers)
