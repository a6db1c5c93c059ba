"""Take out of a checkerboard of tensors the entanglement that only circles a plaquette.

Cut one bond of a plaquette open, to legs a and b. What the plaquette passes on to its outer legs, E_ab,outer, depends
on the pair through the Gram matrix G = E^T E = sum_i w_i u_i u_i^T alone. Closing the bond again with a matrix Q in
place of the identity,

    Q = sum_i t_i u_i,      t_i = tr u_i  w_i / (w_i + strength^2 w_max),

changes the plaquette only along u_i to which it hardly answers, and Q has small singular values where the identity has
ones: states of the bond that closed on themselves (corner double lines). Those are cut, the rest is shared out to
the two tensors of the bond, and the next bond is looked at. M. Hauru, C. Delcamp and S. Mizera, Phys. Rev. B 97, 045111
(2018); the aim is that of the filter of S. Yang, Z.-C. Gu and X.-G. Wen, Phys. Rev. Lett. 118, 110504 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Filtered", "filtered", "on_leg", "plaquette"]

Array = NDArray[np.float64]
_ROUNDS = 3  # over the four bonds
_REPEATS = 4  # of one bond, while its states are still being weighed
_LEVEL = 1e-2  # spread of the singular values of Q below which a bond has settled: Q is the identity on what is left
_CUT = 1e-3  # singular values of Q below this share of the largest: states that are left out
# bond k comes into tensor k of a plaquette: (tensor, leg) of its end there and of its end at the tensor before
_ENDS = (((0, 3), (1, 1)), ((1, 0), (0, 2)), ((0, 1), (1, 3)), ((1, 2), (0, 0)))


class Filtered(NamedTuple):
    """Both tensors with fewer states, and the matrices (new, old) that did it, for each one's legs l, u, r, d."""

    first: Array
    second: Array
    legs_first: tuple[Array, ...]
    legs_second: tuple[Array, ...]


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


def filtered(first: Array, second: Array, strength: float) -> Filtered:
    """Both tensors of a checkerboard with fewer states of their bonds and nearly the same plaquettes.

    Arguments:
        first, second: (l, u, r, d), as `plaquette`.
        strength: of the filter; a change of the plaquette by that share of its norm is nothing. 0 returns the tensors
            as they are.

    Raises:
        ValueError: for a negative strength, or a plaquette that multiplies to nothing.
    """
    if not strength >= 0:
        raise ValueError(f"the strength of the filter is a share of a norm, 0 or more, not {strength}")
    tensors = [first, second]
    legs = [[np.eye(n) for n in one.shape] for one in tensors]
    for _ in range(_ROUNDS if strength > 0 else 0):
        for bond, ((into, leg_in), (out, leg_out)) in enumerate(_ENDS):
            for _ in range(_REPEATS):
                u, s, v = np.linalg.svd(_closing(plaquette(*tensors), bond, strength))
                keep = s > _CUT * s[0]
                root = np.sqrt(s[keep])
                for which, leg, matrix in (
                    (into, leg_in, (u[:, keep] * root).T),
                    (out, leg_out, root[:, None] * v[keep]),
                ):
                    tensors[which] = on_leg(tensors[which], leg, matrix)
                    legs[which][leg] = matrix @ legs[which][leg]
                if np.ptp(s[keep]) < _LEVEL:
                    break
    return Filtered(tensors[0], tensors[1], tuple(legs[0]), tuple(legs[1]))


def _closing(loop: Sequence[Array], bond: int, strength: float) -> Array:
    """Q (in, out) of a bond."""
    n = loop[bond].shape[0]
    around = np.eye(n * n)
    for i in range(len(loop)):
        around = around @ _twice(loop[(bond + i) % len(loop)])
    gram = around.reshape(n, n, n, n).transpose(0, 2, 1, 3).reshape(n * n, n * n)
    w, vectors = np.linalg.eigh((gram + gram.T) / 2)
    if not w[-1] > 0:
        raise ValueError("a plaquette's tensors multiply to nothing; the model's weights cancel")
    w = np.clip(w / w[-1], 0.0, None)
    traces = vectors.reshape(n, n, -1).trace(axis1=0, axis2=1)
    return np.asarray((vectors @ (traces * w / (w + strength**2))).reshape(n, n))


def _twice(one: Array) -> Array:
    """A tensor of the loop and its copy, summed over the outer legs: (in in', out out')."""
    flat = one.transpose(0, 3, 1, 2).reshape(one.shape[0] * one.shape[3], -1)
    product = (flat @ flat.T).reshape(one.shape[0], one.shape[3], one.shape[0], one.shape[3])
    return np.asarray(product.transpose(0, 2, 1, 3).reshape(one.shape[0] ** 2, one.shape[3] ** 2))


def on_leg(tensor: Array, leg: int, matrix: Array) -> Array:
    """The tensor with a matrix (new, old) applied to one leg."""
    return np.moveaxis(np.tensordot(matrix, tensor, (1, leg)), 0, leg)
