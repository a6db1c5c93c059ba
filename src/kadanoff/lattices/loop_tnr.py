"""Loop tensor-network renormalization: cut four tensors round a plaquette together, after filtering what circles it.

Four tensors round every fourth plaquette are replaced by eight with one outer leg each,

    X_1 X_2 X_3 X_4  ~  S_1 S_2 ... S_8,        minimise || X_1 X_2 X_3 X_4 - S_1 ... S_8 ||^2,

one S at a time, which is linear least squares. Before that goes the short-range entanglement that closes inside a
plaquette (corner double lines, which TRG keeps for ever, so that it never comes to a fixed point): see
`entanglement_filter`. The S then meet on the plaquettes between, four to a new tensor, and make a checkerboard of two
kinds, half as many.
S. Yang, Z.-C. Gu and X.-G. Wen, Phys. Rev. Lett. 118, 110504 (2017).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.lattices.entanglement_filter import filtered, plaquette
from kadanoff.lattices.symmetric_tensors import Blocks

__all__ = ["loop_overlap", "optimised", "steps"]

Array = NDArray[np.float64]
_SWEEPS = 60  # over the eight tensors, at most
_STILL = 1e-3  # relative improvement of a sweep below which another one is not worth it
_NOTHING = 1e-15  # of the loop's squared norm: rounding
_PROXIMAL = 1e-13  # weight of staying put, of the largest eigenvalue: directions that change nothing do not move


def steps(tensor: Array, chi: int, strength: float) -> Iterator[tuple[Blocks, Blocks, float, float, float]]:
    """After each step: the two tensors of the checkerboard, ln of their common factor, 2, the share discarded.

    The share is that of the filtered loops; what the filter itself changed is not in it.

    Arguments:
        tensor: (l, u, r, d), the one a lattice is made of.
        chi: states kept of a bond at most.
        strength: of the filter before each step that has to cut.

    Raises:
        ValueError: where a step's tensors vanish.
    """
    first = second = tensor
    while True:
        loop = plaquette(first, second)
        if any(min(a * i, j * b) > chi for a, i, j, b in (one.shape for one in loop)):  # else nothing is cut
            fewer = filtered(first, second, strength)
            loop = plaquette(fewer.first, fewer.second)
        pieces, lost = optimised(loop, chi)
        s1, s2, s3, s4, s5, s6, s7, s8 = pieces
        one = np.einsum("arx,xye,vrb,cyv->abce", s4, s5, s1, s8, optimize=True)
        two = np.einsum("zwa,bqz,ewp,pqc->abce", s7, s6, s2, s3, optimize=True)
        largest = [float(np.abs(one).max()), float(np.abs(two).max())]
        if not min(largest) > 0:
            raise ValueError("loop-tnr: the tensors of a step vanish; the model's weights cancel")
        first, second = one / largest[0], two / largest[1]
        factor = (math.log(largest[0]) + math.log(largest[1])) / 2
        yield {(0, 0, 0, 0): first}, {(0, 0, 0, 0): second}, factor, 2.0, lost


def loop_overlap(first: Sequence[Array], second: Sequence[Array]) -> float:
    """<first, second> of two loops of tensors (in, outer, outer, out)."""
    product: Array | None = None
    for one, other in zip(first, second, strict=True):
        step = np.einsum("aijb,pijq->apbq", one, other, optimize=True)
        step = step.reshape(step.shape[0] * step.shape[1], -1)
        product = step if product is None else product @ step
    assert product is not None
    return float(np.trace(product))


def optimised(loop: Sequence[Array], chi: int) -> tuple[list[Array], float]:
    """Eight tensors (in, outer, out) for four (in, outer, outer, out), and the share of the squared norm they miss.

    Arguments:
        loop: the four; the eight start from the singular value decomposition of each.
        chi: states kept of the bonds in their middle.
    """
    pieces: list[Array] = []
    for one in loop:
        a, i, j, b = one.shape
        u, s, v = np.linalg.svd(one.reshape(a * i, j * b), full_matrices=False)
        n = min(chi, int(np.sum(s > 1e-14 * s[0])))
        pieces += [(u[:, :n] * np.sqrt(s[:n])).reshape(a, i, n), (np.sqrt(s[:n])[:, None] * v[:n]).reshape(n, j, b)]
    norm = loop_overlap(loop, loop)
    halves = [np.tensordot(pieces[2 * i], pieces[2 * i + 1], 1) for i in range(4)]
    scale = loop_overlap(loop, halves) / loop_overlap(halves, halves)
    pieces = [one * abs(scale) ** 0.125 for one in pieces]
    pieces[0] = pieces[0] * math.copysign(1.0, scale)
    before = math.inf
    for _ in range(_SWEEPS):
        missed = _sweep(pieces, loop, norm)
        if missed < _NOTHING or before - missed < _STILL * before:
            break
        before = missed
    return pieces, max(missed, 0.0)


def _sweep(pieces: list[Array], loop: Sequence[Array], norm: float) -> float:
    """Each of the eight in turn at its best, the others held; returns the share of the squared norm still missed."""
    squares = [_square(one, one) for one in pieces]
    crossed = [_cross(loop[i], pieces[2 * i], pieces[2 * i + 1]) for i in range(4)]
    after = [np.eye(pieces[0].shape[0] ** 2)]  # products of what comes later in the loop
    for square in squares[:0:-1]:
        after.append(square @ after[-1])
    after_crossed = [np.eye(loop[0].shape[0] * pieces[0].shape[0])]
    for cross in crossed[:0:-1]:
        after_crossed.append(cross @ after_crossed[-1])
    before, before_crossed = np.eye(len(after[0])), np.eye(len(after_crossed[0]))
    missed = math.inf
    for k in range(8):
        p, o, n = pieces[k].shape
        around = (after[7 - k] @ before).reshape(n, n, p, p)  # n n' p p'
        matrix = around.transpose(2, 0, 3, 1).reshape(p * n, p * n)
        i, late = divmod(k, 2)
        x = loop[i]
        rest = (after_crossed[3 - i] @ before_crossed).reshape(x.shape[3], -1, x.shape[0], pieces[2 * i].shape[0])
        other = pieces[2 * i + (1 - late)]
        if late:  # b q a p; S_2i(m, j, q) is missing
            aimed = np.einsum("bqap,aijb,pim->mjq", rest, x, other, optimize=True)
        else:
            aimed = np.einsum("bqap,aijb,mjq->pim", rest, x, other, optimize=True)
        old, right = (one.transpose(0, 2, 1).reshape(p * n, o) for one in (pieces[k], aimed))
        matrix = (matrix + matrix.T) / 2
        stay = _PROXIMAL * float(np.abs(np.diag(matrix)).max())
        matrix[np.diag_indices(p * n)] += stay
        new = linalg.solve(matrix, right + stay * old, assume_a="sym", check_finite=False)
        missed = (norm - 2 * float(np.vdot(new, right)) + float(np.vdot(new, matrix @ new))) / norm
        pieces[k] = new.reshape(p, n, o).transpose(0, 2, 1)
        before = before @ _square(pieces[k], pieces[k])
        if late:
            before_crossed = before_crossed @ _cross(x, pieces[k - 1], pieces[k])
    return missed


def _square(one: Array, other: Array) -> Array:
    product = np.einsum("pon,qom->pqnm", one, other, optimize=True)
    return np.asarray(product.reshape(product.shape[0] * product.shape[1], -1))


def _cross(x: Array, first: Array, second: Array) -> Array:
    product = np.einsum("aijb,pim,mjq->apbq", x, first, second, optimize=True)
    return np.asarray(product.reshape(product.shape[0] * product.shape[1], -1))
