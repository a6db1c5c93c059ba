"""Take out of a checkerboard of tensors the entanglement that only circles a plaquette.

Cut one bond of a plaquette open, to legs a and b. What the plaquette passes on to its outer legs, E_ab,outer, depends
on the pair through the Gram matrix G = E^T E alone. Closing the bond again with a matrix Q in place of the identity,

    minimise |E Q - E 1|^2 + strength^2 tr G |Q|^2,      Q = (G + strength^2 tr G)^-1 G 1,

changes the plaquette by little, and Q loses what the plaquette does not answer to: it has small singular values where
the identity has ones, for states of the bond that closed on themselves (corner double lines). Those are cut, the rest
is shared out to the two tensors of the bond, and the next bond is looked at. M. Hauru, C. Delcamp and S. Mizera, Phys.
Rev. B 97, 045111 (2018); the aim is that of the filter of S. Yang, Z.-C. Gu and X.-G. Wen, Phys. Rev. Lett. 118,
110504 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Cut", "Filtered", "filtered", "nearest_rotation", "plaquette"]

Array = NDArray[np.float64]
_ROUNDS = 3  # over the four bonds
_REPEATS = 4  # of one bond, while its states are still being weighed
_LEVEL = 1e-2  # spread of the singular values of Q below which a bond has settled: Q is the identity on what is left
_CUT = 1e-3  # singular values of Q below this share of the largest: states that are left out
# bond k comes into tensor k of a plaquette: (tensor, leg) of its end there and of its end at the tensor before
_ENDS = (((0, 3), (1, 1)), ((1, 0), (0, 2)), ((0, 1), (1, 3)), ((1, 2), (0, 0)))


class Cut(NamedTuple):
    """On bond k of a plaquette: the matrices (new, old) applied at its end in tensor k and at the tensor before."""

    bond: int
    into: Array
    out: Array


class Filtered(NamedTuple):
    """Both tensors with fewer states, and the cuts that did it, in order."""

    first: Array
    second: Array
    cuts: tuple[Cut, ...]


def plaquette(first: Array, second: Array) -> list[Array]:
    """The four tensors round a plaquette of a checkerboard, as a loop (in, outer, outer, out).

    ``first`` (l, u, r, d) lies upper left and lower right, ``second`` upper right and lower left.
    """
    return [
        first.transpose(3, 0, 1, 2),  # upper left: in from below, outer legs left and up, out to the right
        second,
        first.transpose(1, 2, 3, 0),
        second.transpose(2, 3, 0, 1),
    ]


def filtered(first: Array, second: Array, strength: float, like: Sequence[Cut] | None = None) -> Filtered:
    """Both tensors of a checkerboard with fewer states of their bonds and nearly the same plaquettes.

    Arguments:
        first, second: (l, u, r, d), as `plaquette`.
        strength: of the filter: a change of a plaquette by less than about that share of its norm counts for nothing.
            0 returns the tensors as they are.
        like: cuts of tensors close by. The same bonds are cut in the same order to the same numbers of states, whose
            bases are turned to come closest to those: what is returned is then smooth in the tensors.

    Raises:
        ValueError: for a negative strength, or a plaquette that multiplies to nothing.
    """
    if not strength >= 0:
        raise ValueError(f"the strength of the filter is a share of a norm, 0 or more, not {strength}")
    tensors, cuts = [first, second], []
    if like is not None:
        for old in like:
            cut = _cut(tensors, old.bond, strength, len(old.into))[0]
            turn = nearest_rotation(old.into @ cut.into.T + old.out @ cut.out.T)
            cuts.append(Cut(old.bond, turn @ cut.into, turn @ cut.out))
            _apply(tensors, cuts[-1])
        return Filtered(tensors[0], tensors[1], tuple(cuts))
    for _ in range(_ROUNDS if strength > 0 else 0):
        for bond in range(len(_ENDS)):
            for _ in range(_REPEATS):
                cut, spread = _cut(tensors, bond, strength, None)
                cuts.append(cut)
                _apply(tensors, cut)
                if spread < _LEVEL:
                    break
    return Filtered(tensors[0], tensors[1], tuple(cuts))


def nearest_rotation(matrix: Array) -> Array:
    """The orthogonal matrix O with the largest tr O^T M (polar decomposition)."""
    u, _, v = np.linalg.svd(matrix)
    return np.asarray(u @ v)


def _cut(tensors: Sequence[Array], bond: int, strength: float, states: int | None) -> tuple[Cut, float]:
    """Q of a bond taken apart, and the spread of the singular values that stay."""
    loop = plaquette(tensors[0], tensors[1])
    n = loop[bond].shape[0]
    around = np.eye(n * n)
    for i in range(len(loop)):
        around = around @ _twice(loop[(bond + i) % len(loop)])
    gram = around.reshape(n, n, n, n).transpose(0, 2, 1, 3).reshape(n * n, n * n)
    gram = (gram + gram.T) / 2
    trace = float(np.trace(gram))
    if not trace > 0:
        raise ValueError("a plaquette's tensors multiply to nothing; the model's weights cancel")
    gram /= trace
    wanted = gram @ np.eye(n).reshape(-1)
    gram[np.diag_indices(n * n)] += strength**2
    u, s, v = np.linalg.svd(linalg.solve(gram, wanted, assume_a="pos", check_finite=False).reshape(n, n))
    keep = int(np.sum(s > _CUT * s[0])) if states is None else states
    root = np.sqrt(s[:keep])
    return Cut(bond, (u[:, :keep] * root).T, root[:, None] * v[:keep]), float(np.ptp(s[:keep]))


def _apply(tensors: list[Array], cut: Cut) -> None:
    for (which, leg), matrix in zip(_ENDS[cut.bond], (cut.into, cut.out), strict=True):
        tensors[which] = np.moveaxis(np.tensordot(matrix, tensors[which], (1, leg)), 0, leg)


def _twice(one: Array) -> Array:
    """A tensor of the loop and its copy, summed over the outer legs: (in in', out out')."""
    flat = one.transpose(0, 3, 1, 2).reshape(one.shape[0] * one.shape[3], -1)
    product = (flat @ flat.T).reshape(one.shape[0], one.shape[3], one.shape[0], one.shape[3])
    return np.asarray(product.transpose(0, 2, 1, 3).reshape(one.shape[0] ** 2, one.shape[3] ** 2))
