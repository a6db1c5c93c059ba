"""Tensors that a reflection leaves as they are, kept as blocks of definite parity, and their truncated decomposition.

Every leg is a list of even states (parity 0) followed by odd ones (parity 1). A tensor that the reflection of all spins
leaves as it is has entries only where the parities of its legs add up to an even number, so that half of a matrix
and three quarters of the work of a product of two tensors are never touched (Singh, Pfeifer and Vidal, 2011). A tensor
without that symmetry is one block of even states; no function here asks which of the two it was given.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Blocks",
    "Split",
    "Vectors",
    "contract",
    "dense",
    "largest_singular_vectors",
    "leg_sizes",
    "matrices",
    "permuted",
    "scaled",
    "split",
]

Array = NDArray[np.float64]
Blocks = dict[tuple[int, ...], Array]
"""{parity of each leg: block}; a block that is not there is zero."""
Vectors = dict[int, Array]
"""{parity: one number for each state of a leg}."""
Shapes = dict[tuple[int, ...], tuple[int, ...]]
"""{parities of some legs: their sizes}."""
Place = tuple[tuple[int, ...], slice, tuple[int, ...]]
"""Parities of some legs, where they lie in a row of numbers, and their sizes."""

_OVERSAMPLE = 10  # random vectors beyond the rank (Halko, Martinsson and Tropp, 2011)
_POWER = 2  # subspace iterations: error (s_{k+1} / s_j)^5, below that of the truncation itself
_ZERO = 1e-14  # singular values below this share of the largest are rounding


class Split(NamedTuple):
    """T = left diag(values) right, cut to few values: ``left`` legs (rows..., new), ``right`` legs (new, columns...).

    ``discarded`` is the share of the squared Frobenius norm that was cut off.
    """

    left: Blocks
    values: Vectors
    right: Blocks
    discarded: float


def permuted(tensor: Blocks, order: Sequence[int]) -> Blocks:
    """The tensor with its legs in another order, as `numpy.transpose`."""
    return {tuple(key[i] for i in order): block.transpose(order) for key, block in tensor.items()}


def scaled(tensor: Blocks, leg: int, factors: Vectors) -> Blocks:
    """The tensor times one number for each state of a leg."""
    found = {}
    for key, block in tensor.items():
        shape = [1] * block.ndim
        shape[leg] = -1
        found[key] = block * factors[key[leg]].reshape(shape)
    return found


def contract(first: Blocks, second: Blocks, legs_first: Sequence[int], legs_second: Sequence[int]) -> Blocks:
    """Sum over pairs of legs, as `numpy.tensordot`: first's other legs come first, then second's."""
    free_first = [i for i in range(_legs(first)) if i not in legs_first]
    free_second = [i for i in range(_legs(second)) if i not in legs_second]
    summed = _shapes(first, legs_first) | _shapes(second, legs_second)  # a block may be there in one of them alone
    left = matrices(first, free_first, legs_first, more_columns=summed)
    right = matrices(second, legs_second, free_second, more_rows=summed)
    found = {}
    for parity in left.keys() & right.keys():
        product = left[parity].matrix @ right[parity].matrix
        for top, down, height in left[parity].rows:
            for side, along, width in right[parity].columns:
                found[top + side] = product[down, along].reshape(height + width)
    return found


def dense(tensor: Blocks) -> Array:
    """The tensor as one array, even states first in every leg."""
    legs = _legs(tensor)
    sizes = [leg_sizes(tensor, leg) for leg in range(legs)]
    whole = np.zeros([sum(size.values()) for size in sizes])
    for key, block in tensor.items():
        start = [size.get(0, 0) if parity else 0 for parity, size in zip(key, sizes, strict=True)]
        whole[tuple(slice(s, s + n) for s, n in zip(start, block.shape, strict=True))] = block
    return whole


def leg_sizes(tensor: Blocks, leg: int) -> dict[int, int]:
    """{parity: number of states} of a leg."""
    return {key[leg]: block.shape[leg] for key, block in tensor.items()}


def split(
    tensor: Blocks, rows: Sequence[int], columns: Sequence[int], most: int, random: np.random.Generator | None
) -> Split:
    """The singular value decomposition of a tensor read as a matrix, cut to the ``most`` largest values.

    Both parities are decomposed on their own and the largest values of the two together are kept.

    Arguments:
        tensor: blocks; ``rows`` and ``columns`` are its legs on either side of the cut, in order.
        most: values kept at most; values below 1e-14 of the largest are never kept.
        random: draws the test vectors of a randomised decomposition (10 beyond the rank, 2 power steps); None for a
            full one.
    """
    found = matrices(tensor, rows, columns)
    wanted = {parity: most if len(found) == 1 else most // 2 + 2 for parity in found}
    while True:
        parts = {
            parity: largest_singular_vectors(item.matrix, wanted[parity], random) for parity, item in found.items()
        }
        every = np.sort(np.concatenate([values for _, values, _ in parts.values()]))[::-1]
        if not (every[0] > 0 and math.isfinite(every[0])):
            raise ValueError(f"a tensor's norm is {every[0]}: the weights cancel, or the partition function is 0")
        least = max(every[min(most, len(every)) - 1], _ZERO * every[0])
        keep = {parity: int(np.sum(values >= least)) for parity, (_, values, _) in parts.items()}
        short = [p for p, item in found.items() if keep[p] > wanted[p] and wanted[p] < min(item.matrix.shape)]
        if not short:
            break
        for parity in short:  # this sector holds more than its share of the largest values
            wanted[parity] = most
    total = sum(float(np.vdot(item.matrix, item.matrix)) for item in found.values())
    left, values, right, kept = {}, {}, {}, 0.0
    for parity, (u, s, v) in parts.items():
        if not (n := keep[parity]):
            continue
        item = found[parity]
        values[parity] = s[:n]
        kept += float(np.sum(s[:n] ** 2))
        for key, where, shape in item.rows:
            left[(*key, parity)] = u[where, :n].reshape(*shape, n)
        for key, where, shape in item.columns:
            right[(parity, *key)] = v[:n, where].reshape(n, *shape)
    return Split(left, values, right, 1.0 - kept / total)


def largest_singular_vectors(
    matrix: Array, rank: int, random: np.random.Generator | None
) -> tuple[Array, Array, Array]:
    """U, s, V^T of at least the ``rank`` largest singular values; randomised where that is cheaper.

    Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011), algorithms 4.4 and 5.1.
    """
    width = rank + _OVERSAMPLE
    if random is None or 3 * width > min(matrix.shape):
        u, s, v = np.linalg.svd(matrix, full_matrices=False)
        return u, s, v
    basis = np.linalg.qr(matrix @ random.standard_normal((matrix.shape[1], width)))[0]
    for _ in range(_POWER):
        basis = np.linalg.qr(matrix @ (matrix.T @ basis))[0]
    rows, triangle = np.linalg.qr(matrix.T @ basis)
    u, s, v = np.linalg.svd(triangle.T)
    v = v @ rows.T
    return basis @ u[:, :rank], s[:rank], v[:rank]


class Matrix(NamedTuple):
    """One parity of a tensor read as a matrix, and where its blocks lie among the rows and columns."""

    matrix: Array
    rows: list[Place]
    columns: list[Place]


def matrices(
    tensor: Blocks,
    rows: Sequence[int],
    columns: Sequence[int],
    *,
    more_rows: Shapes | None = None,
    more_columns: Shapes | None = None,
) -> dict[int, Matrix]:
    """The tensor as a matrix from the legs ``columns`` to the legs ``rows``, one for each parity.

    ``more_rows`` and ``more_columns`` hold the shapes of further blocks, zero in this tensor.
    """
    down = _places(_shapes(tensor, rows) | (more_rows or {}))
    along = _places(_shapes(tensor, columns) | (more_columns or {}))
    found = {
        parity: Matrix(np.zeros((_end(down[parity]), _end(along[parity]))), down[parity], along[parity])
        for parity in sorted(down.keys() & along.keys())
    }
    row, column = ({key: where for places in side.values() for key, where, _ in places} for side in (down, along))
    for key, block in tensor.items():
        top, side = tuple(key[i] for i in rows), tuple(key[i] for i in columns)
        moved = block.transpose([*rows, *columns])
        part = found[sum(top) % 2].matrix[row[top], column[side]]
        part.reshape(moved.shape)[...] = moved  # a view: axes are split, none are joined
    return found


def _places(shapes: Shapes) -> dict[int, list[Place]]:
    places: dict[int, list[Place]] = defaultdict(list)
    for key, shape in sorted(shapes.items()):
        start = _end(places[sum(key) % 2])
        places[sum(key) % 2].append((key, slice(start, start + math.prod(shape)), shape))
    return places


def _end(places: list[Place]) -> int:
    return int(places[-1][1].stop) if places else 0


def _shapes(tensor: Blocks, legs: Sequence[int]) -> Shapes:
    return {tuple(key[i] for i in legs): tuple(block.shape[i] for i in legs) for key, block in tensor.items()}


def _legs(tensor: Blocks) -> int:
    return len(next(iter(tensor)))
