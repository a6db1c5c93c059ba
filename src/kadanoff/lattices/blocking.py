"""Block spins: many spins to one, on square, triangular, honeycomb and cubic lattices, again and again.

    S_I = rule( s_i, i in I )

with I the blocks of a `Map`, which again form a lattice of the same kind, b times wider.

| lattice | block | b | ties |
|---|---|---|---|
| square | 2 x 2, 3 x 3, 4 x 4 | 2, 3, 4 | for even b |
| triangular | three neighbours | sqrt 3 | none |
| honeycomb | star: a site and its three neighbours | 2 | 2-2 |
| cubic | 2 x 2 x 2 | 2 | 4-4 |

A coin that decides a tie says nothing about the spins: it is noise, counted by `Level.tie_fraction`. Majority does not
compose: two steps of 2 x 2 are not one of 4 x 4. Kadanoff (1966); Niemeijer and van Leeuwen (1974); Swendsen (1979);
weighted majority: Bloete, Heringa, Hoogland, Meyer and Smit, Phys. Rev. Lett. 76, 2613 (1996).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, expit

from kadanoff.lattices._kernels import blocking as kernels
from kadanoff.lattices._kernels import packed_spins
from kadanoff.lattices.lattice import HONEYCOMB_CELL, Lattice, triangular_colour, triangular_form
from kadanoff.maps import Map

__all__ = [
    "Blocks",
    "Level",
    "PackedSpins",
    "SpinRule",
    "Ties",
    "block_field",
    "block_packed",
    "block_potts",
    "block_spins",
    "ising_spins",
    "lattice_blocks",
    "pack_spins",
    "potts_states",
    "pyramid",
    "spins_on",
    "unpack_spins",
]

SpinRule = Literal["majority", "weighted", "decimation"]
Ties = Literal["coin", "first"]

_STREAM = 0x426C0000  # the streams of coins: one a level
_MOST = 63  # spins of a block: their votes fit into six bit planes


@dataclass(frozen=True, eq=False)
class PackedSpins:
    """Ising spins of many configurations, 64 to a word: ``words`` (groups, sites), bit set for +1; ``samples``."""

    words: NDArray[np.uint64]
    samples: int


@dataclass(frozen=True, eq=False)
class Blocks:
    """How a lattice is cut: ``members`` (blocks, size) sites, the first of which decides ties by rule; the ``fine`` and
    the ``coarse`` lattice; ``ratio`` b of their lengths."""

    members: NDArray[np.int32]
    fine: Lattice
    coarse: Lattice
    ratio: float

    @property
    def map(self) -> Map:
        """The blocks as a `Map`."""
        label = np.empty(self.fine.sites, dtype=np.int64)
        label[self.members] = np.arange(len(self.members))[:, None]
        return Map.groups(label, coarse=len(self.members))


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a pyramid: its ``lattice``, its spins, the length ratio to the level below (1 at level 0), the
    share of blocks that were tied, and the ``noise`` of the rule's coins, H(block | spins below) in nats a block."""

    lattice: Lattice
    spins: PackedSpins
    ratio: float
    tie_fraction: float
    noise: float = 0.0

    @property
    def configurations(self) -> NDArray[np.int8]:
        """The spins +-1, (samples, *shape)."""
        return unpack_spins(self.spins).reshape(-1, *self.lattice.shape)


def lattice_blocks(fine: Lattice, edge: int = 2) -> Blocks:
    """The blocks of a lattice: squares and cubes of ``edge``, triangles of three neighbours, stars of the honeycomb.

    Arguments:
        fine: the lattice.
        edge: b of square and cubic lattices; the other two have one kind of block, and ``edge`` is not looked at.

    Raises:
        ValueError: where the lattice cannot be cut so (odd sizes for even blocks), or blocks of more than 63 spins.
    """
    if fine.kind in ("square", "cubic"):
        if edge < 2 or edge**fine.dimension > _MOST:
            raise ValueError(f"blocks of edge {edge} have {edge**fine.dimension} spins; 2 to {_MOST} can vote")
        wide, ratio, needed = edge * np.eye(fine.dimension), float(edge), f"a side that the edge of {edge} divides"
        offsets = np.array(list(np.ndindex(*(edge,) * fine.dimension)))
    elif fine.kind == "triangular":  # a site of colour 0 and its neighbours of colour 1 and 2
        wide, ratio, needed = HONEYCOMB_CELL, math.sqrt(3.0), "a side that is a multiple of three"
        offsets = np.array([[0, 0], [1, 0], [0, 1]])
    elif fine.kind == "honeycomb":
        wide, ratio, needed = 2 * np.eye(2), 2.0, "an even number of cells along a side"
        offsets = np.array([[0, 0], [-1, 0], [0, 1], [1, -1]])  # twice a site of colour 1 has colour 2
    else:
        raise ValueError(f"{fine.name}: blocks are known for square, triangular, honeycomb and cubic lattices")
    periods = np.rint(fine.periods @ np.linalg.inv(wide)).astype(np.int64)
    if not np.array_equal(periods @ wide, fine.periods):
        twisted = "" if np.array_equal(fine.periods, np.diag(fine.cells)) else f", periods {fine.periods.tolist()}"
        raise ValueError(f"a {fine.name} lattice of {fine.cells} cells{twisted} cannot be blocked: it needs {needed}")
    coarse = replace(fine, periods=triangular_form(periods))
    steps = np.broadcast_to(offsets, (coarse.sites, *offsets.shape))
    if fine.kind == "honeycomb":
        steps = np.where((triangular_colour(coarse.coordinates) == 1)[:, None, None], steps, -steps)
    centres = np.rint(coarse.coordinates @ wide).astype(np.int64)
    return Blocks(np.ascontiguousarray(fine.index(centres[:, None, :] + steps)), fine, coarse, ratio)


def ising_spins(configurations: ArrayLike) -> NDArray[np.int8]:
    """Ising configurations (samples, ...) as int8.

    Raises ValueError for other values than +-1 (with the first place) or no configuration.
    """
    given = np.asarray(configurations)
    if given.ndim < 2 or given.size == 0:
        raise ValueError(f"configurations are an array (samples, ...) of +-1, not of shape {given.shape}")
    if (wrong := (given != 1) & (given != -1)).any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"Ising spins are +1 or -1; configuration {place[0]} has {given[place]} at site {place[1:]}")
    return np.ascontiguousarray(given, dtype=np.int8)


def potts_states(states: ArrayLike, q: int, lattice: Lattice) -> NDArray[np.int8]:
    """Potts configurations of a lattice, (samples, sites) int8.

    Raises ValueError for a shape of another lattice, or a state that is not one of 0 ... q - 1 (with its place).
    """
    given = np.asarray(states)
    _check_shape(given.shape, lattice)
    if (wrong := ~((given >= 0) & (given < q) & (given == np.rint(given)))).any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"Potts states are 0 to q - 1 = {q - 1}; configuration {place[0]} has {given[place]} at site {place[1:]}"
        )
    return np.ascontiguousarray(given.reshape(len(given), -1), dtype=np.int8)


def spins_on(configurations: ArrayLike | PackedSpins, lattice: Lattice) -> PackedSpins:
    """Ising configurations of a lattice, packed: (samples, *shape) or (samples, sites).

    Raises ValueError as `pack_spins`, and for a shape of another lattice.
    """
    if isinstance(configurations, PackedSpins):
        if configurations.words.shape[1] != lattice.sites:
            _check_shape((configurations.samples, configurations.words.shape[1]), lattice)
        return configurations
    _check_shape(np.shape(configurations), lattice)
    return pack_spins(configurations)


def pack_spins(configurations: ArrayLike) -> PackedSpins:
    """Pack Ising configurations (samples, ...) of +-1; raises as `ising_spins`."""
    given = ising_spins(configurations)
    flat = given.reshape(len(given), -1)
    words = np.zeros((-(-len(flat) // 64), flat.shape[1]), dtype=np.uint64)
    packed_spins.pack(flat, 1, words)
    return PackedSpins(words, len(flat))


def unpack_spins(spins: PackedSpins) -> NDArray[np.int8]:
    """The configurations +-1, (samples, sites) int8."""
    flat = np.empty((spins.samples, spins.words.shape[1]), dtype=np.int8)
    packed_spins.unpack(spins.words, flat)
    return flat


def block_packed(
    spins: PackedSpins,
    blocks: Blocks,
    rule: SpinRule = "majority",
    *,
    ties: Ties = "coin",
    weight: float | None = None,
    seed: int = 0,
    level: int = 0,
) -> tuple[PackedSpins, float]:
    """One blocking of packed spins, and the share of blocks that were tied.

    Arguments:
        spins, blocks: of one lattice.
        rule: "majority"; "weighted", P(S) ~ exp(w S sum s); "decimation", the block's first spin.
        ties: of the majority: "coin", fair and drawn from (seed, level, configuration, block), or "first".
        weight: w > 0 of the weighted rule; w -> infinity is the majority with coins, up to 2^-32.
        seed, level: of the random numbers; give every blocking of a pyramid its own level.

    Raises:
        ValueError: for spins of another lattice, another rule for ties (all up or all down would break the symmetry of
            the spins), or a weight that is missing, not positive or not wanted.
    """
    if spins.words.shape[1] != blocks.fine.sites:
        raise ValueError(f"these blocks are of {blocks.fine.sites} sites, the spins have {spins.words.shape[1]}")
    _check_ties(ties)
    if (rule == "weighted") != (weight is not None):
        raise ValueError('give a weight to the rule "weighted", and to no other')
    blocked = np.empty((len(spins.words), len(blocks.members)), dtype=np.uint64)
    tied = 0.0
    if rule == "majority":
        counts = np.empty(len(spins.words), dtype=np.int64)
        kernels.majority(spins.words, blocks.members, ties == "coin", seed, _STREAM + level, blocked, counts)
        tied = float(counts.sum()) / (spins.samples * len(blocks.members))
    elif rule == "weighted":
        assert weight is not None
        if not weight > 0:
            raise ValueError(f"the weight of a block's sum is positive, not {weight}")
        kernels.weighted(
            spins.words, blocks.members, _thresholds(weight, blocks.members.shape[1]), seed, _STREAM + level, blocked
        )
        if spins.samples % 64:
            blocked[-1] &= np.uint64((1 << spins.samples % 64) - 1)
    elif rule == "decimation":
        blocked[:] = spins.words[:, blocks.members[:, 0]]
    else:
        raise ValueError(f'rule: expected "majority", "weighted" or "decimation", got {rule!r}')
    return PackedSpins(blocked, spins.samples), tied


def block_spins(
    configurations: ArrayLike,
    blocks: Blocks,
    rule: SpinRule = "majority",
    *,
    ties: Ties = "coin",
    weight: float | None = None,
    seed: int = 0,
    level: int = 0,
) -> NDArray[np.int8]:
    """One blocking of Ising configurations (samples, *shape) of +-1; arguments as `block_packed`.

    Returns:
        (samples, *coarse shape) int8.
    """
    coarse, _ = block_packed(pack_spins(configurations), blocks, rule, ties=ties, weight=weight, seed=seed, level=level)
    return unpack_spins(coarse).reshape(-1, *blocks.coarse.shape)


def pyramid(
    configurations: ArrayLike | PackedSpins,
    fine: Lattice,
    *,
    levels: int,
    edge: int = 2,
    rule: SpinRule = "majority",
    ties: Ties = "coin",
    weight: float | None = None,
    seed: int = 0,
) -> list[Level]:
    """Block again and again: level 0 is the input, level k + 1 the block spins of level k.

    Arguments:
        configurations: (samples, *shape) of +-1, or packed.
        fine: their lattice.
        levels: how many blockings.
        edge: of `lattice_blocks`; rule, ties, weight, seed: of `block_packed`.

    Raises:
        ValueError: as those two.
    """
    spins = spins_on(configurations, fine)
    found = [Level(fine, spins, 1.0, 0.0)]
    for level in range(levels):
        blocks = lattice_blocks(found[-1].lattice, edge)
        below = spins
        spins, tied = block_packed(below, blocks, rule, ties=ties, weight=weight, seed=seed, level=level)
        noise = tied * math.log(2.0) if ties == "coin" else 0.0
        if weight is not None:
            noise = _coin_entropy(below, blocks, weight)
        found.append(Level(blocks.coarse, spins, blocks.ratio, tied, noise))
    return found


def block_potts(
    states: ArrayLike, blocks: Blocks, q: int, *, ties: Ties = "coin", seed: int = 0, level: int = 0
) -> NDArray[np.int8]:
    """The commonest state of each block of Potts configurations (samples, *shape) of 0 ... q - 1.

    A tie is drawn among the commonest, or ("first") goes to the first member that has one of them, which keeps the
    symmetry of the states.

    Raises:
        ValueError: for states outside 0 ... q - 1, or another lattice.
    """
    _check_ties(ties)
    flat = potts_states(states, q, blocks.fine)
    blocked = np.empty((len(flat), len(blocks.members)), dtype=np.int8)
    counts = np.empty(blocks.members.shape[1] + 1, dtype=np.int64)
    kernels.plurality(flat, blocks.members, q, ties == "coin", seed, _STREAM + level, blocked, counts)
    return blocked.reshape(-1, *blocks.coarse.shape)


def block_field(fields: ArrayLike, blocks: Blocks, *, scale: float = 1.0) -> NDArray[np.float64]:
    """Kadanoff's block field of real configurations (samples, *shape): phi_I = scale times the sum of phi_i in I.

    A scale of b^(-(d + 2 - eta) / 2) leaves the critical field as it is.

    Raises ValueError for fields of another lattice, or that are not finite.
    """
    given = np.asarray(fields, dtype=np.float64)
    _check_shape(given.shape, blocks.fine)
    if not np.isfinite(given).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(given))[0])
        raise ValueError(f"configuration {place[0]} has {given[place]} at site {place[1:]}: fields are finite")
    flat = given.reshape(len(given), -1)
    return scale * np.asarray(blocks.map.sum(flat, axis=1)).reshape(-1, *blocks.coarse.shape)


def _check_shape(shape: tuple[int, ...], lattice: Lattice) -> None:
    if shape[1:] not in (lattice.shape, (lattice.sites,)) or not shape[0]:
        raise ValueError(
            f"configurations of this {lattice.name} lattice have shape (samples, "
            f"{', '.join(map(str, lattice.shape))}) or (samples, {lattice.sites}), got {shape}"
        )


def _check_ties(ties: str) -> None:
    if ties not in get_args(Ties):
        raise ValueError(
            f'ties: expected "coin" or "first", which treat all states of a spin alike, got {ties!r}; a rule that '
            "prefers one breaks their symmetry"
        )


def _chance(weight: float, size: int) -> NDArray[np.float64]:
    """Of an up block spin where 0, 1, ... size of its spins are up."""
    return np.asarray(expit(2.0 * weight * (2.0 * np.arange(size + 1) - size)))


def _thresholds(weight: float, size: int) -> NDArray[np.uint64]:
    return np.asarray(np.rint(_chance(weight, size) * 2.0**kernels.BITS), dtype=np.uint64)


def _coin_entropy(spins: PackedSpins, blocks: Blocks, weight: float) -> float:
    """Mean entropy of the weighted rule's coin, in nats a block."""
    size = blocks.members.shape[1]
    votes = np.zeros(size + 1, dtype=np.int64)
    for group in range(len(spins.words)):
        here = PackedSpins(spins.words[group : group + 1], min(64, spins.samples - 64 * group))
        up = (unpack_spins(here) > 0)[:, blocks.members].sum(axis=2)
        votes += np.bincount(up.ravel(), minlength=size + 1)
    chance = _chance(weight, size)
    return float(votes @ (entr(chance) + entr(1.0 - chance)) / votes.sum())
