"""Sums of operators on every level of a blocking: what the Monte Carlo renormalization group is made of.

    S_a = sum over the clusters of operator a of the products of their spins

Of Potts spins the products are those of "in one state", and the sums of the magnetic sector have a component a state.
R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.lattices.blocking import (
    PackedSpins,
    SpinRule,
    Ties,
    block_packed,
    block_potts,
    lattice_blocks,
    spins_on,
)
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.operators import (
    Operator,
    clusters,
    even_operators,
    odd_operators,
    operator_sums,
    potts_sums,
)

__all__ = ["LevelSums", "join_sums", "level_sums", "possible_levels"]

SMALLEST = 8.0
"""Cells along an edge of the last lattice: operators of range 2 must not feel the periods."""
_SMALLEST_POTTS = 16.0  # y_t of q = 3 comes out 0.02 to 0.03 too low from a blocking to 8 cells


@dataclass(frozen=True, eq=False)
class LevelSums:
    """The operators of one level: ``operators``, the even ones first; their sums ``even`` (samples, operators) and
    ``odd`` (samples, operators, components); how many clusters the even ones have; the length ``ratio`` to the level
    below (1 at level 0); the share of tied blocks."""

    lattice: Lattice
    operators: tuple[Operator, ...]
    ratio: float
    even: NDArray[np.float64]
    odd: NDArray[np.float64]
    even_clusters: NDArray[np.int64]
    tie_fraction: float


def possible_levels(lattice: Lattice, edge: int = 2) -> int:
    """How many blockings leave a lattice of at least 8 cells along an edge and without remainder.

    Raises ValueError where there is none.
    """
    count, here = 0, lattice
    while True:
        try:
            here = lattice_blocks(here, edge).coarse
        except ValueError as error:
            if count == 0:
                raise
            del error
            return count
        if here.length < SMALLEST - 1e-9:
            break
        count += 1
    if count == 0:
        raise ValueError(
            f"a {lattice.name} lattice of length {lattice.length:.4g} would be {here.length:.4g} wide after one "
            f"blocking; the operators need {SMALLEST:g}: use a larger lattice"
        )
    return count


def level_sums(
    configurations: ArrayLike | PackedSpins,
    lattice: Lattice,
    *,
    levels: int | None = None,
    q: int = 2,
    edge: int = 2,
    rule: SpinRule = "majority",
    ties: Ties = "coin",
    weight: float | None = None,
    even: tuple[Operator, ...] | None = None,
    odd: tuple[Operator, ...] | None = None,
    seed: int = 0,
) -> list[LevelSums]:
    """Block configurations and measure the operators of every level.

    Arguments:
        configurations: (samples, *shape) of +-1, or packed; for q > 2 of 0 ... q - 1, blocked by plurality.
        lattice: theirs.
        levels: blockings; by default all that `possible_levels` allows, of Potts spins those that leave 16 cells along
            an edge: they feel the periods of narrower lattices.
        q: states of a spin.
        edge, rule, ties, weight, seed: of `block_packed` and `lattice_blocks`.
        even, odd: operators; those of the lattice by default. Potts spins know no odd and even numbers of spins: there
            the magnetic sector has the pairs and plaquettes of one state too.

    Raises:
        ValueError: as those, and where a blocked lattice would be narrower than 8 cells.
    """
    most = possible_levels(lattice, edge)
    count = levels if levels is not None else most if q == 2 else _potts_default(lattice, edge, most)
    if not 1 <= count <= most:
        raise ValueError(f"levels: {count} blockings asked for, and 1 to {most} leave {SMALLEST:g} cells along an edge")
    even = even or even_operators(lattice)
    odd = odd or odd_operators(lattice) + (even if q > 2 else ())
    if q > 2:
        return _potts_levels(configurations, lattice, count, q, edge, ties, even, odd, seed)
    spins = spins_on(configurations, lattice)
    here, ratio, tied = lattice, 1.0, 0.0
    found = []
    for level in range(count + 1):
        sums = operator_sums(spins, here, even + odd).astype(np.float64)
        found.append(
            LevelSums(
                here, even + odd, ratio, sums[:, : len(even)], sums[:, len(even) :, None], _numbers(even, here), tied
            )
        )
        if level < count:
            blocks = lattice_blocks(here, edge)
            spins, tied = block_packed(spins, blocks, rule, ties=ties, weight=weight, seed=seed, level=level)
            here, ratio = blocks.coarse, blocks.ratio
    return found


def join_sums(parts: Sequence[list[LevelSums]]) -> list[LevelSums]:
    """Sums of several runs or pieces of one run, in order, as one."""
    first = parts[0]
    return [
        LevelSums(
            level.lattice, level.operators, level.ratio,
            np.concatenate([part[k].even for part in parts]), np.concatenate([part[k].odd for part in parts]),
            level.even_clusters,
            float(np.average([part[k].tie_fraction for part in parts], weights=[len(part[k].even) for part in parts])),
        )
        for k, level in enumerate(first)
    ]  # fmt: skip


def _potts_default(lattice: Lattice, edge: int, most: int) -> int:
    """Blockings that leave 16 cells, at least one."""
    widths = [lattice.length / lattice_blocks(lattice, edge).ratio ** (k + 1) for k in range(most)]
    return max(1, sum(width >= _SMALLEST_POTTS - 1e-9 for width in widths))


def _potts_levels(
    configurations: ArrayLike | PackedSpins, lattice: Lattice, count: int, q: int, edge: int, ties: Ties,
    even: tuple[Operator, ...], odd: tuple[Operator, ...], seed: int,
) -> list[LevelSums]:  # fmt: skip
    if isinstance(configurations, PackedSpins):
        raise ValueError("Potts configurations are an array of states 0 ... q - 1, not packed spins")
    states, here, ratio = np.asarray(configurations), lattice, 1.0
    measured = tuple(dict.fromkeys(even + odd))
    symmetric, broken = ([measured.index(operator) for operator in some] for some in (even, odd))
    found = []
    for level in range(count + 1):
        sums = potts_sums(states, here, measured, q).astype(np.float64)
        magnetic = sums[:, broken] - sums[:, broken].mean(axis=2, keepdims=True)
        total = sums[:, symmetric].sum(axis=2)
        found.append(LevelSums(here, even + odd, ratio, total, magnetic, _numbers(even, here), 0.0))
        if level < count:
            blocks = lattice_blocks(here, edge)
            states = block_potts(states, blocks, q, ties=ties, seed=seed, level=level)
            here, ratio = blocks.coarse, blocks.ratio
    return found


def _numbers(operators: tuple[Operator, ...], lattice: Lattice) -> NDArray[np.int64]:
    return np.array([len(clusters(operator, lattice)) for operator in operators])
