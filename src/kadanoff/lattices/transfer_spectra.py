"""The transfer matrix of a square patch of tensors, and its leading eigenvalues."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigs

from kadanoff.lattices.symmetric_tensors import Blocks, Vectors, contract, matrices, permuted, scaled

__all__ = ["Spectrum", "transfer_spectrum"]

_TIED = 1e-9  # relative: of equal eigenvalues, as in an ordered phase, the even one is the identity and comes first
_SMALL = 64  # a matrix up to this size is diagonalised whole


class Spectrum(NamedTuple):
    """Leading eigenvalues, largest first, their parities, and ln of the trace."""

    eigenvalues: NDArray[np.complex128]
    parities: NDArray[np.int64]
    log_trace: float


def transfer_spectrum(
    first: Blocks, second: Blocks, edge: int, count: int, weights: tuple[Vectors, Vectors] | None = None
) -> Spectrum:
    """Eigenvalues of the matrix that takes the bonds above a patch of edge x edge tensors to those below it.

    The patch closes on itself from left to right. One tensor: M_ud = sum_l T_luld. Two by two on a checkerboard: one
    row, M_(u1 u2)(d1 d2) = sum_lr A_l,u1,r,d1 B_r,u2,l,d2, followed by a shift of one column, which puts the row below
    in the same order; the patch is the square of that matrix. ``weights`` lie on the horizontal and vertical bonds.
    """
    if edge == 1:
        matrix: dict[int, NDArray[np.float64]] = {}
        for (left, up, right, _), block in first.items():
            if left == right:  # the leg up has the parity of the leg down
                across, down = (1.0, 1.0) if weights is None else (weights[0][left], weights[1][up])
                closed = np.einsum("lulv,l->uv", block, np.broadcast_to(across, block.shape[0])) * down
                matrix[up] = matrix.get(up, 0.0) + closed
    else:
        if weights is not None:
            first, second = (scaled(scaled(one, 2, weights[0]), 3, weights[1]) for one in (first, second))
        row = contract(first, second, (0, 2), (2, 0))  # u1, d1, u2, d2
        matrix = {parity: one.matrix for parity, one in matrices(permuted(row, (0, 2, 3, 1)), (0, 1), (2, 3)).items()}
    if edge == 2:
        trace = sum(float(np.einsum("ij,ji->", one, one)) for one in matrix.values())
    else:
        trace = sum(float(np.trace(one)) for one in matrix.values())
    values = [_leading(one, count) ** edge for one in matrix.values()]
    parities = [np.full(len(v), parity) for parity, v in zip(matrix, values, strict=True)]
    every, odd = np.concatenate(values), np.concatenate(parities)
    size = np.abs(every)
    size = np.where((odd == 0) & (size > (1 - _TIED) * size.max()), size * (1 + _TIED), size)
    order = np.argsort(-size, kind="stable")[:count]
    missing = count - len(order)
    if not trace > 0:
        raise ValueError(f"the trace of a transfer matrix is {trace}: this torus has no positive partition function")
    return Spectrum(
        np.concatenate([every[order], np.zeros(missing)]).astype(np.complex128),
        np.concatenate([odd[order], np.zeros(missing)]).astype(np.int64),
        math.log(trace),
    )


def _leading(matrix: NDArray[np.float64], count: int) -> NDArray[np.complex128]:
    if len(matrix) <= max(_SMALL, 3 * count):
        return np.asarray(np.linalg.eigvals(matrix), dtype=np.complex128)
    start = np.full(len(matrix), 1.0) + np.arange(len(matrix)) / len(matrix)  # the same every time
    return np.asarray(eigs(matrix, k=count, v0=start, return_eigenvectors=False), dtype=np.complex128)
