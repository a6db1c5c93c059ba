"""Markov chains and jump processes as matrices, dense or sparse: checks, stationary state, spectrum.

transition[i, j] = P(i -> j), rows sum to one; rates[i, j] is i -> j, the diagonal is ignored. Nothing here assumes
detailed balance. Estimation from data: `transition_counts`; the stationary state of a sparse chain: `aggregation`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from kadanoff.dynamics.aggregation import sparse_stationary_state
from kadanoff.dynamics.jumps import check_rates
from kadanoff.information import stationary_distribution

__all__ = [
    "Spectrum",
    "check_transition",
    "closed_classes",
    "implied_times",
    "spectrum",
    "stationary_state",
    "transition_matrix",
]

_ROUNDING = 1e-9
_DENSE = 1500  # states up to which elimination (n^3 / 3) is the quickest
_MOST = 64  # eigenvalues of a sparse chain
Matrix: TypeAlias = Any  # NDArray[np.float64] or csr_array (n, n)


def check_transition(transition: Any) -> Matrix:
    """The matrix as float64 (dense stays dense, sparse becomes a csr_array without stored zeros), checked.

    Arguments:
        transition: (n, n), transition[i, j] = P(i -> j), dense or scipy.sparse.

    Raises:
        ValueError: naming the row of a negative or non-finite entry, or the row that does not sum to one.
    """
    matrix = _square(transition, "transition matrix")
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    if (off := np.abs(sums - 1)).max() > _ROUNDING:
        row = int(off.argmax())
        raise ValueError(
            f"transition matrix: row {row} sums to {sums[row]:.12g}, not one; rows are where a step starts "
            "(rates go to `transition_matrix`, counts to `markov_model`)"
        )
    return matrix


def closed_classes(matrix: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sets of states that can reach each other, and which of the sets nothing leaves.

    Arguments:
        matrix: (n, n) transition probabilities, rates or counts: an entry above zero is a possible jump.

    Returns:
        labels (n,) of the sets, and the labels of the closed ones. A chain is irreducible where there is one set.
    """
    graph = _square(matrix, "matrix")
    graph = scipy.sparse.csr_array(graph)
    number, label = connected_components(graph, directed=True, connection="strong")
    pairs = graph.tocoo()
    leaving = np.zeros(number, dtype=bool)
    between = label[pairs.row] != label[pairs.col]
    leaving[label[pairs.row[between]]] = True
    return label.astype(np.int64), np.flatnonzero(~leaving)


def stationary_state(
    matrix: Any, kind: Literal["transition", "rates"] = "transition", *, tolerance: float = 1e-12
) -> NDArray[np.float64]:
    """The stationary distribution of an irreducible chain or jump process: sum_i p_i W_ij = p_j sum_k W_jk.

    Up to 1,500 states by elimination without subtractions (Grassmann, Taksar and Heyman, 1985); beyond, and to 10^6
    states and more, by multilevel aggregation (`aggregation.sparse_stationary_state`), whose residual is checked.

    Arguments:
        matrix: (n, n), dense or scipy.sparse: P(i -> j), or rates per time (diagonal ignored).
        kind: which of the two it is.
        tolerance: of a large chain: sum_j |in_j - out_j| over the total flow.

    Raises:
        ValueError: for an absorbing state or parts that cannot all reach each other (states named); a residual above
            the tolerance.
    """
    checked = check_transition(matrix) if kind == "transition" else _square(matrix, "rates", diagonal=False)
    _require_irreducible(checked)
    n = checked.shape[0]
    jumps = scipy.sparse.csr_array(checked, copy=True)
    jumps.setdiag(0.0)
    jumps.eliminate_zeros()
    if n > _DENSE:
        return sparse_stationary_state(jumps, tolerance=tolerance)
    leaving = np.asarray(jumps.sum(axis=1)).ravel()
    fastest = 2.0 * leaving.max(initial=0.5)  # I + (W - leaving) / fastest has the same stationary state
    return stationary_distribution(jumps.toarray() / fastest + np.diag(1.0 - leaving / fastest))


def transition_matrix(rates: ArrayLike, lag: float) -> NDArray[np.float64]:
    """The transition matrix of a jump process seen every ``lag``: T = exp(K lag), K_ii = -sum_j k_ij.

    Arguments:
        rates: (n, n) per time, the diagonal is ignored.
        lag: time, above zero.

    Raises:
        ValueError: for a negative rate (its row is named) or a lag that is not above zero.
    """
    if not (np.isfinite(lag) and lag > 0):
        raise ValueError(f"lag: expected a time above zero, got {lag}")
    generator = check_rates(rates)
    np.fill_diagonal(generator, -generator.sum(axis=1))
    transition = np.clip(scipy.linalg.expm(lag * generator), 0.0, None)
    return np.asarray(transition / transition.sum(axis=1, keepdims=True))


class Spectrum(NamedTuple):
    """Eigenvalues by falling modulus (k,), complex; the first is 1. ``times`` and ``periods`` (k - 1,) in steps belong
    to the others: time of decay -1 / ln|lambda| and of rotation 2 pi / |arg lambda| (infinite where it is none)."""

    eigenvalues: NDArray[np.complex128]
    times: NDArray[np.float64]
    periods: NDArray[np.float64]


def spectrum(transition: Any, number: int | None = None) -> Spectrum:
    """The slow end of a chain's spectrum: relaxation times, and rotation where the chain is driven.

    Complex eigenvalues come in pairs; both are listed. Sparse chains above 1,500 states go to ARPACK.

    Arguments:
        transition: (n, n), rows sum to one, dense or sparse.
        number: how many eigenvalues, the 1 among them; default all, or 10 of a large chain.

    Raises:
        ValueError: as `check_transition`, and for a number the matrix does not have.
    """
    matrix = check_transition(transition)
    n = matrix.shape[0]
    wanted = min(n, 10) if number is None and n > _DENSE else (n if number is None else number)
    if not 1 <= wanted <= (n if n <= _DENSE else _MOST):
        raise ValueError(
            f"spectrum: {wanted} eigenvalues asked of a chain of {n} states (at most {_MOST} above {_DENSE})"
        )
    if n <= _DENSE:
        dense = matrix.toarray() if scipy.sparse.issparse(matrix) else matrix
        values = np.linalg.eigvals(dense).astype(np.complex128)
    else:
        from scipy.sparse.linalg import eigs

        values = eigs(matrix.T.astype(np.float64), k=wanted, which="LM", v0=np.ones(n), return_eigenvectors=False)
    # by modulus, then by phase; rounding must not part a pair
    values = values[np.lexsort((-values.imag, -values.real.round(12), -np.abs(values).round(12)))][:wanted]
    times, periods = implied_times(values[1:], 1.0)
    return Spectrum(values, times, periods)


def implied_times(eigenvalues: ArrayLike, lag: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of decay t = -lag / ln|lambda| and periods 2 pi lag / |arg lambda|, for eigenvalues (k,) other than 1.

    An eigenvalue 0 decays at once (t = 0); a real positive one does not rotate (period infinite).
    """
    values = np.asarray(eigenvalues, dtype=np.complex128)
    size, phase = np.abs(values), np.abs(np.angle(values))
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.minimum(size, 1.0))
        times = np.where(logarithm < 0, -lag / logarithm, np.inf)
        periods = np.where(phase > 1e-12, 2 * np.pi * lag / phase, np.inf)
    return times, periods


def _square(matrix: Any, name: str, *, diagonal: bool = True) -> Matrix:
    sparse = scipy.sparse.issparse(matrix)
    checked: Any = scipy.sparse.csr_array(matrix, dtype=np.float64) if sparse else np.array(matrix, dtype=np.float64)
    if checked.ndim != 2 or checked.shape[0] != checked.shape[1] or 0 in checked.shape:
        raise ValueError(f"{name}: expected (n, n), got {checked.shape}")
    if sparse:
        checked.sum_duplicates()
        checked.eliminate_zeros()
    elif not diagonal:
        np.fill_diagonal(checked, 0.0)
    data = checked.data if sparse else checked.ravel()
    wrong = ~np.isfinite(data) | (data < 0)
    if wrong.any() and sparse and not diagonal:  # a generator's diagonal is negative and is not looked at
        row = np.repeat(np.arange(checked.shape[0]), np.diff(checked.indptr))
        wrong &= row != checked.indices
    if wrong.any():
        at = int(wrong.argmax())
        if sparse:
            i, j = int(np.searchsorted(checked.indptr, at, side="right")) - 1, int(checked.indices[at])
        else:
            i, j = divmod(at, checked.shape[1])
        raise ValueError(f"{name}: the entry {data[at]:g} in row {i}, column {j} is not a finite number from 0 on")
    return checked


def _require_irreducible(matrix: Matrix) -> None:
    labels, closed = closed_classes(matrix)
    if labels.max() == 0:
        return
    sizes = np.bincount(labels)
    for one in closed:
        if sizes[one] == 1:
            raise ValueError(
                f"state {int(np.argmax(labels == one))} is absorbing: nothing leaves it, and there is no stationary "
                "state of the others; remove it, or give it a way back"
            )
    first, second = int(np.argmax(labels == 0)), int(np.argmax(labels == 1))
    raise ValueError(
        f"the {len(labels)} states fall into {labels.max() + 1} parts that cannot all reach each other (state {first} "
        f"and state {second}): no unique stationary state; take one part"
    )
