"""What an underdamped particle seen only through its position shows at a finite lag, solved and not sampled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import expm_multiply

__all__ = ["position_moments"]

Array = NDArray[np.float64]


def position_moments(
    potential: Callable[[Array], Array],
    friction: float,
    times: ArrayLike,
    *,
    low: float,
    high: float,
    thermal: float = 1.0,
    cells: int = 200,
    velocities: int = 24,
) -> tuple[Array, Array, Array, Array]:
    """Conditional moments of the displacement of dx = v dt, dv = -(U' + gamma v) dt + sqrt(2 gamma kT) dW, m = 1.

    u(x, v, t) = <g(x(t)) | x, v> obeys u_t = v u_x - (U' + gamma v) u_v + gamma kT u_vv (Klein, 1922; Kramers, 1940).
    In Hermite functions of v that is a chain of first-order equations in x; here on a staggered grid on which the part
    without friction is exactly antisymmetric in the norm of the equilibrium density, so that walls reflect and nothing
    grows. Second order in the width of a cell.

    Arguments:
        potential: U(x) of an array. friction: gamma. times: (t,) lags, increasing.
        low, high: reflecting walls, where U stands high above kT.
        thermal: kT. cells, velocities: of the grid in x, of Hermite functions (even).

    Returns:
        Centres x (cells,), equilibrium probabilities (cells,), <d | x> (t, cells) and <d^2 | x> (t, cells), v being in
        equilibrium at the start.

    Raises:
        ValueError: for times that are not positive and increasing.
    """
    lags = np.asarray(times, dtype=np.float64)
    if lags.ndim != 1 or not np.all(np.diff(lags, prepend=0.0) > 0):
        raise ValueError(f"times: positive and increasing, not {lags}")
    edges = np.linspace(low, high, cells + 1)
    x, width = (edges[1:] + edges[:-1]) / 2, (high - low) / cells
    at_centres, at_edges = (np.exp(-potential(y) / thermal) for y in (x, edges[1:-1]))
    root = np.sqrt(thermal)
    up = scipy.sparse.diags_array([-np.ones(cells - 1), np.ones(cells - 1)], offsets=[0, 1], shape=(cells - 1, cells))
    centres_to_edges = up * (root / width)
    edges_to_centres = -centres_to_edges.T
    weights = (at_centres, at_edges)
    differences = (centres_to_edges, edges_to_centres)  # from even to odd functions, and from odd to even

    def lowered(parity: int) -> scipy.sparse.sparray:
        """Minus the adjoint, in the equilibrium norm, of the difference that starts from this parity."""
        here, there = weights[parity], weights[1 - parity]
        return -scipy.sparse.diags_array(1 / here) @ differences[parity].T @ scipy.sparse.diags_array(there)

    blocks: list[list[scipy.sparse.sparray | None]] = [[None] * velocities for _ in range(velocities)]
    for n in range(velocities):
        blocks[n][n] = scipy.sparse.diags_array(np.full(cells - n % 2, -friction * n))
        if n > 0:
            blocks[n][n - 1] = differences[(n - 1) % 2] * np.sqrt(n)
        if n + 1 < velocities:
            blocks[n][n + 1] = lowered(n % 2) * np.sqrt(n + 1)
    generator = scipy.sparse.block_array(blocks, format="csr")
    start = np.zeros((generator.shape[0], 2))
    start[:cells, 0], start[:cells, 1] = x, x**2
    mean, square, before = [], [], 0.0
    for lag in lags:
        start = expm_multiply(generator * (lag - before), start)
        before = lag
        mean.append(start[:cells, 0] - x)
        square.append(start[:cells, 1] - 2 * x * start[:cells, 0] + x**2)
    return x, at_centres / at_centres.sum(), np.array(mean), np.array(square)
