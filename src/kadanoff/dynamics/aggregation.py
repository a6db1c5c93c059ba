"""The stationary state of a large sparse chain, found by coarse-graining it: multilevel aggregation.

A relaxed guess x lumps strongly linked states, the coarse chain (P diag(x) W P^T) / (P x) is solved the same way, and
its answer rescales each aggregate. No subtraction anywhere, so that tiny probabilities keep their digits. Where it is
slow, on long thin networks (a line, a strip, a plane), the matrix is factorised instead. Horton and
Leutenegger (1994); De Sterck, Manteuffel, McCormick, Nguyen and Ruge, SIAM J. Sci. Comput. 30, 2235 (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray
from scipy.sparse.csgraph import reverse_cuthill_mckee

from kadanoff.dynamics._kernels.chains import gather_aggregates, relax
from kadanoff.information import stationary_distribution

__all__ = ["sparse_stationary_state"]

_COARSEST = 200  # states, solved by elimination
_STRONG = 0.25  # share of the strongest link from which on a link is strong
_SWEEPS = 2  # relaxations before and after each coarse correction
_QUICK = 0.5  # part of the residual that two sweeps must leave at most, for going on with sweeps alone
_CYCLES = 400
_PATIENCE = 6  # cycles after which the convergence is looked at; three times as many may follow
_ENVELOPE = 2.0e9  # entries below the envelope of the matrix, up to which its factors fit into memory
_KEPT = 4  # iterates combined to the one of the smallest residual

Array = NDArray[np.float64]


def sparse_stationary_state(jumps: Any, *, tolerance: float = 1e-12) -> Array:
    """The distribution x with sum_i x_i W_ij = x_j sum_k W_jk of an irreducible sparse chain or jump process.

    Arguments:
        jumps: (n, n) scipy.sparse, W_ij >= 0 the probability or rate of i -> j, without diagonal, irreducible.
        tolerance: sum_j |in_j - out_j| over the total flow sum_j out_j at which to stop.

    Returns:
        (n,) probabilities; the residual is below the tolerance. The error is up to the residual over the spectral gap
        in units of the jump rate.

    Raises:
        ValueError: where the residual stays above the tolerance, with both numbers.
    """
    rows = scipy.sparse.csr_array(jumps, dtype=np.float64)
    columns = rows.tocsc()
    leaving = np.asarray(rows.sum(axis=1)).ravel()

    def relaxed(x: Array) -> Array:
        for _ in range(_SWEEPS):
            relax(columns.indptr, columns.indices, columns.data, leaving, x)
        return np.asarray(x / x.sum())

    def imbalance(x: Array) -> tuple[Array, float]:
        difference = columns.T @ x - x * leaving
        return difference, float(np.abs(difference).sum()) / float(x @ leaving)

    x = relaxed(np.full(rows.shape[0], 1.0 / rows.shape[0]))
    residual, before = imbalance(x)[1], np.inf
    while tolerance < residual < _QUICK * before:  # a network that mixes fast needs no more
        x = relaxed(x)
        residual, before = imbalance(x)[1], residual
    kept: list[tuple[Array, Array]] = []
    for cycle in range(_CYCLES):
        if residual <= tolerance:
            return x
        if cycle == _PATIENCE and residual * (residual / before) ** _PATIENCE > tolerance and _is_thin(rows):
            x = relaxed(_factorised(rows, leaving, x))
        else:
            x = _cycle(rows, x)
        difference, latest = imbalance(x)
        before = residual if cycle == _PATIENCE - 3 else before
        residual = latest
        if residual > tolerance:
            kept = [*kept[1 - _KEPT :], (x, difference)]
            x = _combined(kept, columns, leaving, residual * float(x @ leaving))
    raise ValueError(
        f"stationary state: the relative residual {residual:.2g} is still above {tolerance:.2g} after {_CYCLES} "
        "cycles; accept it with a larger tolerance, or drop jumps so rare that they do not matter"
    )


def _is_thin(rows: Any) -> bool:
    """Whether an ordering of the states keeps all jumps near the diagonal, so that elimination fills in little."""
    both = scipy.sparse.csr_array(rows + rows.T)
    order = reverse_cuthill_mckee(scipy.sparse.csr_matrix(both), symmetric_mode=True)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    pairs = both.tocoo()
    reach = np.zeros(len(order), dtype=np.int64)
    np.maximum.at(reach, place[pairs.row], place[pairs.row] - place[pairs.col])
    return float(reach.sum()) <= _ENVELOPE


def _factorised(rows: Any, leaving: Array, guess: Array) -> Array:
    """x from the balance of all states but the most probable one, whose x is set: an M-matrix, factorised unpivoted."""
    pinned = int(guess.argmax())
    others = np.delete(np.arange(len(guess)), pinned)
    # in the unknowns x_i leaving_i every column of the matrix is 1 on the diagonal and sums to at least 0
    jump = scipy.sparse.csr_array(scipy.sparse.diags_array(1.0 / leaving) @ rows)
    inner = scipy.sparse.eye_array(len(others)) - jump[others][:, others].T
    factors = scipy.sparse.linalg.splu(
        scipy.sparse.csc_array(inner),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    x = np.ones(len(guess))
    x[others] = factors.solve(jump[[pinned]].toarray().ravel()[others])
    x /= leaving
    if x.min() < 0:
        return guess
    return np.asarray(x / x.sum())


def _combined(kept: list[tuple[Array, Array]], columns: Any, leaving: Array, worst: float) -> Array:
    """The combination of the kept iterates with the smallest residual, where it is positive and really better."""
    x, imbalance = kept[-1]
    if len(kept) < 2:
        return x
    steps = np.column_stack([other - imbalance for _, other in kept[:-1]])
    weight, *_ = np.linalg.lstsq(steps, -imbalance, rcond=None)
    mixed = x + np.column_stack([other - x for other, _ in kept[:-1]]) @ weight
    if mixed.min() <= 0 or float(np.abs(columns.T @ mixed - mixed * leaving).sum()) >= worst:
        return x
    return np.asarray(mixed / mixed.sum())


def _cycle(rows: Any, x: Array) -> Array:
    """One W-cycle: relax, lump, solve the lumped chain, hand its probabilities back, relax."""
    n = len(x)
    leaving = np.asarray(rows.sum(axis=1)).ravel()
    if n == 1:
        return np.ones(1)
    if n <= _COARSEST:
        fastest = 2.0 * leaving.max()
        return stationary_distribution(rows.toarray() / fastest + np.diag(1.0 - leaving / fastest))
    columns = rows.tocsc()
    parts = (columns.indptr, columns.indices, columns.data)
    x = x.copy()
    for _ in range(_SWEEPS):
        relax(*parts, leaving, x)
    x /= x.sum()
    flow = scipy.sparse.diags_array(x) @ rows
    both = scipy.sparse.csr_array(flow + flow.T)
    label = np.empty(n, dtype=np.int64)
    number = gather_aggregates(both.indptr, both.indices, both.data, np.argsort(-x, kind="stable"), _STRONG, label)
    share = scipy.sparse.csr_array((np.ones(n), (label, np.arange(n))), shape=(number, n))
    coarse = share @ x
    lumped = scipy.sparse.csr_array(scipy.sparse.diags_array(1.0 / coarse) @ (share @ flow @ share.T))
    lumped.setdiag(0.0)
    lumped.eliminate_zeros()
    guess = coarse
    for _ in range(2):
        guess = _cycle(lumped, guess)
        if number <= _COARSEST:
            break
    x *= (guess / coarse)[label]
    for _ in range(_SWEEPS):
        relax(*parts, leaving, x)
    return np.asarray(x / x.sum())
