"""The fixed point behind a flow of fitted couplings, and the tangent of the critical surface.

    K* = K + (1 - T)^-1 (K' - K)        one Newton step from couplings K of one level and K' of the next
    dK_nn / dK_a on the critical surface = - C_a / C_nn,      C_a = < S'_nn S_a >c

with T = dK'/dK and S' far up the pyramid: whatever moves along the critical surface dies out there, so that only the
relevant combination of couplings is left (Swendsen, 1984; Wu and Car, Phys. Rev. E 100, 022138, 2019). A fixed point
belongs to its set of operators and to its rule (Kennedy, 2010); the tangent does not.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.lattices.blocked_operators import LevelSums
from kadanoff.lattices.couplings import Couplings

__all__ = ["CouplingFixedPoint", "critical_tangent", "newton_fixed_point"]


@dataclass(frozen=True, eq=False)
class CouplingFixedPoint:
    """Couplings K* (a,) with jackknife ``errors``, the matrix T (a, a) at the place it was taken, its ``eigenvalues``
    and ``directions`` (columns, dK), the largest modulus first."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    matrix: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    directions: NDArray[np.complex128]
    blocks: int

    def __getitem__(self, name: str) -> Estimate:
        """The coupling of the operator of that name at the fixed point."""
        a = self.names.index(name)
        return Estimate(float(self.values[a]), float(self.errors[a]), self.blocks, "", "Newton step, jackknife")


def newton_fixed_point(before: Couplings, after: Couplings, fine: LevelSums, coarse: LevelSums) -> CouplingFixedPoint:
    """The fixed point from the couplings of two levels and the operators of the same samples.

    Arguments:
        before, after: couplings of the level and of the next, with the first even operators of the lattice.
        fine, coarse: `level_sums` of the same two levels.

    Raises:
        ValueError: for couplings with other operators or blocks, or fewer samples than blocks.
    """
    width, blocks = len(before.values), before.blocks
    if before.operators != after.operators or after.blocks != blocks:
        raise ValueError("the couplings of the two levels have other operators or other blocks")
    if fine.even.shape[1] < width or len(fine.even) < blocks:
        raise ValueError(f"expected the sums of {width} operators of {blocks} samples at least")
    edges = np.linspace(0, len(fine.even), blocks + 1).astype(np.int64)
    s, t = fine.even[:, :width], coarse.even[:, :width]
    matrices = [_stability(s, t)]
    for start, end in itertools.pairwise(edges):
        matrices.append(_stability(np.delete(s, np.s_[start:end], axis=0), np.delete(t, np.s_[start:end], axis=0)))
    first = np.vstack([before.values, before.replicates])
    second = np.vstack([after.values, after.replicates])
    found = np.array(
        [k + np.linalg.solve(np.eye(width) - m, n - k) for k, n, m in zip(first, second, matrices, strict=True)]
    )
    errors = np.sqrt((blocks - 1) * found[1:].var(axis=0))
    return point_of(tuple(operator.name for operator in before.operators), found[0], errors, matrices[0], blocks)


def point_of(
    names: tuple[str, ...],
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    matrix: NDArray[np.float64],
    blocks: int,
) -> CouplingFixedPoint:
    """A fixed point with what follows from its matrix T."""  # fmt: skip
    eigenvalues, directions = np.linalg.eig(matrix)
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    return CouplingFixedPoint(
        names, values, errors, matrix, eigenvalues[order].astype(np.complex128),
        directions[:, order].astype(np.complex128), blocks,
    )  # fmt: skip


def critical_tangent(sums: list[LevelSums], operator: int, *, blocks: int = 20) -> Estimate:
    """By how much K_nn must fall on the critical surface when the coupling of an even operator rises: C_a / C_nn.

    On the square Ising lattice it is sqrt 2 for next-nearest neighbours.

    Arguments:
        sums: of critical samples at every level.
        operator: index a among the even ones.
        blocks: of samples, for the jackknife.
    """
    far = sums[-1].even[:, 0]
    near, other = sums[0].even[:, 0], sums[0].even[:, operator]
    length = len(far) // blocks
    parts = np.stack([far, near, other, far * near, far * other])[:, : blocks * length]
    each = parts.reshape(5, blocks, length).mean(axis=2)
    means = np.concatenate([each.mean(axis=1)[:, None], (each.sum(axis=1)[:, None] - each) / (blocks - 1)], axis=1)
    ratio = (means[4] - means[0] * means[2]) / (means[3] - means[0] * means[1])
    error = math.sqrt((blocks - 1) * float(ratio[1:].var()))
    return Estimate(float(ratio[0]), error, blocks, "", "jackknife")


def _stability(fine: NDArray[np.float64], coarse: NDArray[np.float64]) -> NDArray[np.float64]:
    t = coarse - coarse.mean(axis=0)
    return np.asarray(np.linalg.solve(t.T @ t, t.T @ fine))
