"""Operators of spin configurations: sums over all translations and rotations of a few spins' product.

    S_a = sum over the distinct clusters of kind a of prod_{i in cluster} s_i,        weight exp(sum_a K_a S_a)

Each cluster counts once, so that K_nn is J/kT per bond. Even operators keep their sign when all spins turn, odd ones
change it. For Potts spins a cluster counts where all its spins are in one state. Operators reach further than nearest
neighbours; a lattice on which a cluster would meet its own image is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.lattices._kernels import packed_spins
from kadanoff.lattices.blocking import PackedSpins, potts_states, spins_on
from kadanoff.lattices.lattice import Lattice, LatticeName, point_group, triangular_colour

__all__ = [
    "Operator",
    "clusters",
    "even_operators",
    "odd_operators",
    "operator_sums",
    "potts_sums",
]


@dataclass(frozen=True)
class Operator:
    """A kind of cluster: its name and one of its clusters as places (integer coordinates of the lattice)."""

    name: str
    places: tuple[tuple[int, ...], ...]

    @property
    def even(self) -> bool:
        """Whether the product of its spins keeps its sign when all spins turn."""
        return len(self.places) % 2 == 0


_SQUARE = (
    Operator("nn", ((0, 0), (0, 1))),
    Operator("nnn", ((0, 0), (1, 1))),
    Operator("plaquette", ((0, 0), (0, 1), (1, 0), (1, 1))),
    Operator("third", ((0, 0), (0, 2))),
    Operator("knight", ((0, 0), (1, 2))),
    Operator("(2,2)", ((0, 0), (2, 2))),
    Operator("diamond", ((0, 1), (1, 0), (0, -1), (-1, 0))),
    Operator("magnetization", ((0, 0),)),
    Operator("corner", ((0, 0), (0, 1), (1, 0))),
    Operator("straight", ((0, -1), (0, 0), (0, 1))),
    Operator("diagonal", ((-1, -1), (0, 0), (1, 1))),
)
_TRIANGULAR = (
    Operator("nn", ((0, 0), (1, 0))),
    Operator("nnn", ((0, 0), (1, 1))),
    Operator("rhombus", ((0, 0), (1, 0), (0, 1), (1, -1))),
    Operator("third", ((0, 0), (2, 0))),
    Operator("trapezoid", ((0, 0), (1, 0), (2, 0), (0, 1))),
    Operator("knight", ((0, 0), (2, 1))),
    Operator("magnetization", ((0, 0),)),
    Operator("triangle", ((0, 0), (1, 0), (0, 1))),
    Operator("bent", ((1, 0), (0, 0), (-1, 1))),
    Operator("straight", ((-1, 0), (0, 0), (1, 0))),
)
_HONEYCOMB = (  # colours 1 and 2 of the triangular sites; neighbours of (1, 0) are (2, 0), (1, -1), (0, 1)
    Operator("nn", ((1, 0), (2, 0))),
    Operator("nnn", ((1, 0), (2, 1))),
    Operator("third", ((1, 0), (-1, 0))),
    Operator("star", ((1, 0), (2, 0), (1, -1), (0, 1))),
    Operator("path", ((1, 0), (0, 1), (-1, 1), (-1, 0))),
    Operator("fourth", ((1, 0), (4, -1))),
    Operator("magnetization", ((1, 0),)),
    Operator("bent", ((2, 0), (1, 0), (0, 1))),
    Operator("neighbours", ((2, 0), (1, -1), (0, 1))),
    Operator("triangle", ((1, 0), (0, -1), (-1, 1))),
)
_CUBIC = (
    Operator("nn", ((0, 0, 0), (0, 0, 1))),
    Operator("nnn", ((0, 0, 0), (0, 1, 1))),
    Operator("plaquette", ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1))),
    Operator("corner", ((0, 0, 0), (1, 1, 1))),
    Operator("third", ((0, 0, 0), (0, 0, 2))),
    Operator("tetrahedron", ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))),
    Operator("knight", ((0, 0, 0), (0, 1, 2))),
    Operator("magnetization", ((0, 0, 0),)),
    Operator("bent", ((0, 0, 0), (0, 0, 1), (0, 1, 0))),
    Operator("straight", ((0, 0, -1), (0, 0, 0), (0, 0, 1))),
    Operator("diagonals", ((0, 0, 0), (0, 1, 1), (1, 0, 1))),
)
_SETS: dict[LatticeName, tuple[Operator, ...]] = {
    "square": _SQUARE, "triangular": _TRIANGULAR, "honeycomb": _HONEYCOMB, "cubic": _CUBIC,
}  # fmt: skip


def even_operators(lattice: Lattice | LatticeName) -> tuple[Operator, ...]:
    """The even operators of a lattice, in the order in which truncations take them in.

    Raises ValueError for a lattice of another kind than square, triangular, honeycomb and cubic.
    """
    return tuple(operator for operator in _SETS[_kind(lattice)] if operator.even)


def odd_operators(lattice: Lattice | LatticeName) -> tuple[Operator, ...]:
    """The odd operators of a lattice, the magnetization first; as `even_operators`."""
    return tuple(operator for operator in _SETS[_kind(lattice)] if not operator.even)


def clusters(operator: Operator, lattice: Lattice) -> NDArray[np.int32]:
    """Every distinct cluster of an operator of a lattice, (clusters, spins) sites.

    Raises:
        ValueError: where clusters meet their own images on a lattice too small, or it is of another kind or dimension.
    """
    if any(len(place) != lattice.dimension for place in operator.places):
        raise ValueError(
            f"the operator {operator.name!r} has places of {len(operator.places[0])} coordinates, the {lattice.name} "
            f"lattice has {lattice.dimension}"
        )
    shapes = _shapes(operator, lattice)
    moves = lattice.translations()
    found = np.concatenate([lattice.index(np.array(shape)[None, :, :] + moves[:, None, :]) for shape in shapes])
    ordered = np.sort(found, axis=1)
    # clusters that are alike can be moved together to the first cell, whose sites are 0 and, of a honeycomb, 1
    near = ordered[(ordered <= 1).any(axis=1)]
    if np.any(ordered[:, 1:] == ordered[:, :-1]) or len(np.unique(near, axis=0)) != len(near):
        raise ValueError(
            f"the operator {operator.name!r} meets its own image on a {lattice.name} lattice of {lattice.shape} sites; "
            "block less often or start from a larger lattice"
        )
    return np.ascontiguousarray(found)


def operator_sums(
    configurations: ArrayLike | PackedSpins, lattice: Lattice, operators: tuple[Operator, ...]
) -> NDArray[np.int64]:
    """The sums S_a of Ising configurations, (samples, operators).

    Arguments:
        configurations: (samples, *shape) of +-1, or packed.
        lattice: theirs.
        operators: as `even_operators` gives them, or your own.

    Raises:
        ValueError: for spins of another lattice, and as `clusters`.
    """
    spins = spins_on(configurations, lattice)
    down = ~spins.words
    found = np.empty((64 * len(down), len(operators)), dtype=np.int64)
    column = np.empty(len(found), dtype=np.int64)
    for a, operator in enumerate(operators):
        sites = clusters(operator, lattice)
        packed_spins.odd_counts(down, sites, column)
        found[:, a] = len(sites) - 2 * column
    return found[: spins.samples]


def potts_sums(states: ArrayLike, lattice: Lattice, operators: tuple[Operator, ...], q: int) -> NDArray[np.int64]:
    """For every Potts state the number of clusters all of whose spins are in it: (samples, operators, q).

    The sum over states is the even operator (symmetric under permutations); what each state has beyond the mean of all
    q is the magnetic sector, of q - 1 components.

    Arguments:
        states: (samples, *shape) of 0 ... q - 1.
        lattice, operators: as `operator_sums`.
    """
    flat = potts_states(states, q, lattice)
    found = np.empty((64 * -(-len(flat) // 64), len(operators), q), dtype=np.int64)
    column = np.empty(len(found), dtype=np.int64)
    tables = [clusters(operator, lattice) for operator in operators]
    for state in range(q):
        words = np.zeros((-(-len(flat) // 64), flat.shape[1]), dtype=np.uint64)
        packed_spins.pack(flat, state, words)
        for a, sites in enumerate(tables):
            packed_spins.all_set_counts(words, sites, column)
            found[:, a, state] = column
    return found[: len(flat)]


def _kind(lattice: Lattice | LatticeName) -> LatticeName:
    kind = lattice.kind if isinstance(lattice, Lattice) else lattice
    if kind not in _SETS:
        name = lattice.name if isinstance(lattice, Lattice) else repr(lattice)
        raise ValueError(f"operators are known for {', '.join(_SETS)} lattices, not for {name}")
    return kind


def _shapes(operator: Operator, lattice: Lattice) -> list[tuple[tuple[int, ...], ...]]:
    """The cluster turned and mirrored in every way, each different shape once, moved to the lattice's first site."""
    found = set()
    for g in point_group(_kind(lattice)):
        places = np.array(operator.places) @ g
        ordered = places[np.lexsort(places.T[::-1])]
        first = ordered[0]
        if lattice.kind == "honeycomb":  # translations keep the colour
            first = first - np.array([1, 0]) * triangular_colour(first)
        found.add(tuple(tuple(int(x) for x in place) for place in ordered - first))
    return sorted(found)
