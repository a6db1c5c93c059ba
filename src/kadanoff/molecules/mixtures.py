"""Integral equations of several bead types at once: Ornstein-Zernike as matrices, HNC and PY closures.

    H^(k) = C^(k) + C^(k) rho H^(k),     rho = diag(rho_a)
    beta U = h - c - ln g  (HNC),        beta U = ln(1 + (h - c)) - ln g  (Percus-Yevick)

with one curve for each pair of types. A change of C changes H by

    dH^ = A dC^ A^T,                     A = (1 - C^ rho)^-1

a matrix Q(k) between pairs, S(k)^2 for one type; and so g answers to U by

    [1/g - 1/y + (1/y) F^-1 Q^-1 F] dh = -beta dU,      y = 1 (HNC) or 1 + h - c (PY)

For one type this is `integral_equations`, to the last bits of the arithmetic. Sources: Hansen & McDonald, Theory of
Simple Liquids, ch. 3-4; Delbary, Hanke, Ivanizki, Inverse Probl. Sci. Eng. 28, 1166 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.molecules.frames import BOLTZMANN
from kadanoff.molecules.integral_equations import _transform

__all__ = ["Closure", "Mixture", "mixture", "mixture_jacobian", "mixture_potential"]

Array = NDArray[np.float64]
Closure = Literal["hnc", "py"]

_LEAST_CAVITY = 0.2
"""Least y = 1 + h - c that Percus-Yevick is believed: measured curves of dense liquids make it negative."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Correlations of all pairs of types on bin centres, beyond the measured range too.

    ``total`` h and ``direct`` c (pairs, points), pairs in the order (0, 0), (0, 1) ... (1, 1) ...; ``answer`` (points,
    pairs, pairs) Q(k); ``measured`` number of bins that were data; ``width`` nm; ``densities`` (types,) nm^-3.
    """

    width: float
    densities: Array
    measured: int
    total: Array
    direct: Array
    answer: Array


def mixture(g: Array, width: float, densities: Array, *, volume: float | None = None) -> Mixture:
    """Ornstein-Zernike for measured curves g(r) of all pairs of types, with c = 0 beyond the last bin.

    ``g`` (pairs, m) on bins (i, i + 1) width, from r = 0; ``densities`` (types,) nm^-3. In a closed system of
    ``volume`` nm^3 each g tends to 1 - h^(0) / V, not to 1; that is divided out, see `integral_equations.liquid`.
    Raises ValueError for g that is not finite or negative, and where no c with a positive structure factor gives g:
    a liquid that is not one phase, a noisy g, or one that was measured too short.
    """
    g = np.asarray(g, dtype=np.float64)
    types = len(densities)
    pairs, m = types * (types + 1) // 2, g.shape[-1]
    if g.shape != (pairs, m) or not np.all(np.isfinite(g)) or np.any(g < 0):
        raise ValueError(
            f"g must be {pairs} curves of finite, non-negative numbers, one for each pair of {types} types, not an "
            f"array {g.shape}"
        )
    points = max(512, 2 * m)
    _, _, forward, backward = _transform(points, width)
    ahead, back = forward[:, :m], backward[:m]
    share = 0.0 if volume is None else 1.0 / volume
    c, state = np.zeros((pairs, m)), _solve(np.zeros((pairs, points)), densities)
    assert state is not None
    done, step = 0.0, 0.1
    while done < 1.0:
        part, old, before = min(1.0, done + step), c, state
        for _ in range(12):
            h = (back @ state[0].T).T
            residual = part * (g / (1.0 - state[0][:, :1] * share) - 1.0) - h
            if np.max(np.abs(residual)) < 1e-10:
                done, step = part, 1.5 * step
                break
            matrix = np.einsum("ik,kpq,kj->piqj", back, state[1], ahead, optimize=True)
            shift = 1.0 - state[0][:, :1] * share
            matrix -= part * share * np.einsum("pi,pq,j->piqj", g / shift**2, state[1][0], ahead[0])
            c = c + linalg.solve(matrix.reshape(pairs * m, pairs * m), residual.ravel()).reshape(pairs, m)
            fresh = _solve((ahead @ c.T).T, densities)
            if fresh is None:
                break
            state = fresh
        if done != part:
            c, state, step = old, before, 0.4 * step
            if step < 1e-3:
                raise ValueError(
                    f"no direct correlation function gives these g(r) beyond {done:.2g} of h: two phases, too much "
                    "noise, or bins that end too early; begin from a potential of your own"
                )
    total = (backward @ state[0].T).T
    return Mixture(width, densities, m, total, np.pad(c, ((0, 0), (0, points - m))), state[1])


def _solve(direct: Array, densities: Array) -> tuple[Array, Array] | None:
    """h^ (pairs, points) and Q (points, pairs, pairs) of c^ (pairs, points); None where S(k) is not positive."""
    types = len(densities)
    rows, columns = np.triu_indices(types)
    matrix = np.zeros((direct.shape[1], types, types))
    matrix[:, rows, columns] = matrix[:, columns, rows] = direct.T
    root = np.sqrt(densities)
    inverse = np.eye(types) - root[:, None] * matrix * root  # 1 / S, symmetric
    if np.min(np.linalg.eigvalsh(inverse)) <= 1e-3:
        return None
    factor = np.linalg.inv(inverse) * (root[None, :] / root[:, None])  # A = (1 - C rho)^-1
    total = (factor @ matrix)[:, rows, columns].T
    answer = factor[:, rows][:, :, rows] * factor[:, columns][:, :, columns]
    mixed = factor[:, rows][:, :, columns] * factor[:, columns][:, :, rows]
    return np.asarray(total), np.asarray(answer + np.where(rows == columns, 0.0, mixed))


def mixture_potential(state: Mixture, temperature: float, closure: Closure = "hnc") -> Array:
    """U(r) of all pairs on the measured bins (pairs, m), kJ/mol; infinite where g is zero, NaN where PY has none."""
    total, direct = state.total[:, : state.measured], state.direct[:, : state.measured]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_force = -np.log(np.maximum(1.0 + total, 0.0))
        indirect = total - direct if closure == "hnc" else np.log(1.0 + total - direct)
        return np.asarray(BOLTZMANN * temperature * (mean_force + indirect))


def mixture_jacobian(state: Mixture, temperature: float, closure: Closure = "hnc", *, floor: float = 1e-6) -> Array:
    """dg_i/dU_j of the closure on the measured bins of all pairs, (pairs m, pairs m) in mol/kJ.

    ``floor`` keeps 1/g finite in the core, where the answer is then nearly zero, as it should be.
    """
    pairs, points = state.total.shape
    _, _, forward, backward = _transform(points, state.width)
    inner = np.linalg.inv(state.answer)
    blocks = np.empty((pairs, points, pairs, points))
    cavity = np.ones_like(state.total)
    if closure == "py":
        cavity = np.maximum(1.0 + state.total - state.direct, _LEAST_CAVITY)
    for p in range(pairs):
        for q in range(pairs):
            blocks[p, :, q] = ((backward * inner[:, p, q]) @ forward) / cavity[p][:, None]
    matrix = blocks.reshape(pairs * points, pairs * points)
    diagonal = 1.0 / np.maximum(1.0 + state.total, floor) - 1.0 / cavity
    matrix[np.diag_indices_from(matrix)] += diagonal.ravel()
    inverse = linalg.inv(matrix).reshape(pairs, points, pairs, points)
    m = state.measured
    return np.asarray(-inverse[:, :m, :, :m].reshape(pairs * m, pairs * m) / (BOLTZMANN * temperature))
