"""Metastable sets of a chain, driven or not: Schur vectors turned to memberships (GPCCA).

The k dominant Schur vectors X of a chain span an invariant subspace, for reversible chains that of the slow
eigenvectors. chi = X A >= 0, sum_J chi_iJ = 1, gives each state its shares in k sets; A starts from the corners of the
simplex that the rows of X fill (inner simplex algorithm) and is improved to make the sets as crisp as can be. Weber and
Galliat (2002); Deuflhard and Weber, Linear Algebra Appl. 398, 161 (2005); Reuter, Fackeldey and Weber, J. Chem. Phys.
150, 174103 (2019).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.dynamics.markov import check_transition, spectrum, stationary_state
from kadanoff.dynamics.transition_counts import MarkovWarning
from kadanoff.maps import Map

__all__ = ["Metastable", "metastable_sets", "suggested_sets"]

Array = NDArray[np.float64]
_DENSE = 1500
_SEARCH = 25  # free numbers up to which the simplex search of Nelder and Mead is trusted
_PAIR = 1e-8  # two moduli closer than this belong together


@dataclass(frozen=True, eq=False)
class Metastable:
    """k metastable sets.

    Arguments:
        memberships: (n, k) chi, shares of each state in the sets, rows sum to one.
        lumps: hard `Map`, each state in the set of its largest share.
        eigenvalues: (d,) of the invariant subspace, d = k, or k + 1 where k would have parted a complex pair.
        transition: (k, k) of the sets, (chi^T D chi)^-1 chi^T D T chi: it has the eigenvalues above where d = k, but
            may have negative entries (the sets are soft).
        crispness: trace(S) / k between 0 and 1, S the share of a set that is its own; 1 for sets without overlap.
        note: what the reader must know, or "".
    """

    memberships: Array
    lumps: Map
    eigenvalues: NDArray[np.complex128]
    transition: Array
    crispness: float
    note: str


def suggested_sets(transition: Any, most: int = 10) -> int:
    """How many sets the spectrum suggests: the k from 2 to ``most`` with the largest gap t_k / t_k+1 of relaxation
    times.

    A gap never parts a complex pair; where there is no other (a driven ring of three states), every state is a set. The
    answer says where the gap is, not that it is wide: look at `spectrum`.
    """
    n = check_transition(transition).shape[0]
    if n < 3:
        return int(n)
    times = spectrum(transition, min(n, most + 1)).times
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = times[:-1] / times[1:]
    ratio = np.where(np.isnan(ratio), 1.0, ratio)
    return 2 + int(ratio.argmax()) if ratio.max() > 1 + _PAIR else int(n)


def metastable_sets(transition: Any, sets: int) -> Metastable:
    """Lump a chain to ``sets`` metastable (or, driven, slowly mixing) sets, without assuming detailed balance.

    The dominant eigenvalues are those of largest modulus. A complex pair is never parted: where ``sets`` would, one
    more set is made and the two that exchange most are joined, with a warning and in `note`.

    Arguments:
        transition: (n, n) irreducible, dense or sparse (ARPACK above 1,500 states).
        sets: 2 <= sets < n.

    Raises:
        ValueError: for a number of sets the chain does not have, or Schur vectors that are not independent.
    """
    matrix = check_transition(transition)
    n = matrix.shape[0]
    if not 2 <= sets < n:
        raise ValueError(f"sets: expected from 2 to {n - 1} of {n} states, got {sets}")
    p = stationary_state(matrix)
    values = spectrum(matrix, min(n, sets + 2)).eigenvalues
    here, following = values[sets - 1], values[sets] if len(values) > sets else 0.0
    parted = abs(here.imag) > _PAIR and abs(here - np.conj(following)) <= _PAIR * max(1.0, abs(here))
    if not parted and abs(abs(here) - abs(following)) <= _PAIR:
        raise ValueError(
            f"sets: eigenvalues {sets} and {sets + 1} have the same modulus {abs(here):.6g}, so which sets there are "
            "would be arbitrary; ask for another number"
        )
    size = sets + 1 if parted else sets
    if size >= n:
        raise ValueError(f"sets: {sets} would part the complex pair {here:.4g}, and {n} states give no further set")
    basis = _subspace(matrix, p, size, values)
    chi, crispness = _memberships(basis, p)
    note = ""
    if parted:
        note = (
            f"{sets} sets would part the complex pair {here.real:.4g} +- {abs(here.imag):.4g} i: {size} sets were "
            "made, and the two that exchange most were joined"
        )
        warnings.warn(note, MarkovWarning, stacklevel=2)
        chi = _joined(chi, matrix, p)
        crispness = float(np.mean([(p @ chi[:, j] ** 2) / (p @ chi[:, j]) for j in range(sets)]))
    order = np.argsort(chi.argmax(axis=0), kind="stable")  # sets in the order of their most typical states
    chi = chi[:, order]
    labels = chi.argmax(axis=1)
    if len(np.unique(labels)) < sets:
        raise ValueError(
            f"sets: some of the {sets} sets is no state's largest share; ask for fewer sets (`suggested_sets`)"
        )
    weighted = chi * p[:, None]
    coarse = np.linalg.solve(weighted.T @ chi, weighted.T @ (matrix @ chi))
    return Metastable(chi, Map.groups(labels, coarse=sets), values[:size], coarse, crispness, note)


def _subspace(matrix: Any, p: Array, size: int, values: NDArray[np.complex128]) -> Array:
    """A basis (n, size) of the dominant invariant subspace, orthonormal with weight p, its first vector constant."""
    root = np.sqrt(p)
    if matrix.shape[0] <= _DENSE:
        dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
        scaled = root[:, None] * dense / root[None, :]
        if np.allclose(scaled, scaled.T, atol=1e-12):  # reversible: orthogonal eigenvectors
            found, vectors = np.linalg.eigh(scaled)
            basis = vectors[:, np.argsort(-np.abs(found), kind="stable")[:size]]
        else:
            after = abs(values[size]) if len(values) > size else 0.0
            cut = (abs(values[size - 1]) + after) / 2
            _, vectors, number = scipy.linalg.schur(
                scaled, output="real", sort=lambda x, y=0.0: bool(np.hypot(np.real(x), np.imag(x) + y) > cut)
            )
            if number != size:
                raise ValueError(
                    f"sets: eigenvalues {size} and {size + 1} have the same modulus {cut:.6g}; ask for another number"
                )
            basis = vectors[:, :size]
    else:
        from scipy.sparse.linalg import eigs

        found, right = eigs(matrix, k=size + 2, which="LM", v0=np.ones(len(p)))
        order = np.lexsort((-found.imag, -found.real.round(12), -np.abs(found).round(12)))[:size]
        columns = [right[:, k].imag if found[k].imag < -_PAIR else right[:, k].real for k in order]
        basis = root[:, None] * np.column_stack(columns)
    # the constant vector lies in the subspace: without it one direction fewer is left, the one of smallest size
    projected = basis - root[:, None] * (root @ basis)[None, :]
    u, s, _ = np.linalg.svd(projected, full_matrices=False)
    if s[size - 2] < 1e-8:
        raise ValueError(f"sets: {size} dominant Schur vectors are not independent; ask for fewer sets")
    return np.asarray(np.column_stack([root, u[:, : size - 1]]) / root[:, None])


def _memberships(basis: Array, p: Array) -> tuple[Array, float]:
    """chi = X A from the corners of the simplex, improved by making trace(S) larger (Roeblitz and Weber, 2013)."""
    size = basis.shape[1]
    start = _feasible(np.linalg.inv(basis[_corners(basis)])[1:, 1:], basis)

    def spread(free: Array) -> float:
        turn = _feasible(free.reshape(size - 1, size - 1), basis)
        return -float(np.sum(np.sum(turn**2, axis=0) / turn[0]))

    first = start[1:, 1:].ravel()
    if first.size <= _SEARCH:
        options = {"maxiter": 2000 * first.size, "maxfev": 2000 * first.size, "xatol": 1e-8, "fatol": 1e-10}
        found = scipy.optimize.minimize(spread, first, method="Nelder-Mead", options=options)
    else:
        found = scipy.optimize.minimize(spread, first, method="BFGS", options={"gtol": 1e-6})
    best = found.x if found.fun <= spread(first) else first
    turn = _feasible(best.reshape(size - 1, size - 1), basis)
    chi = np.clip(basis @ turn, 0.0, 1.0)
    return np.asarray(chi / chi.sum(axis=1, keepdims=True)), -spread(best) / size


def _feasible(free: Any, basis: Array) -> Array:
    """A with its free lower right part: rows 1 ... sum to zero, chi = X A is never negative and sums to one."""
    lower = np.column_stack([-free.sum(axis=1), free])
    top = -(basis[:, 1:] @ lower).min(axis=0)
    turn = np.vstack([top, lower])
    return np.asarray(turn / max(top.sum(), 1e-300))


def _corners(basis: Array) -> list[int]:
    """Rows of X that span the largest simplex, one after another (inner simplex algorithm)."""
    points = basis.copy()
    found = [int(np.linalg.norm(points, axis=1).argmax())]
    points -= points[found[0]]
    for _ in range(1, basis.shape[1]):
        length = np.linalg.norm(points, axis=1)
        found.append(int(length.argmax()))
        direction = points[found[-1]] / length.max()
        points = points - np.outer(points @ direction, direction)
    return found


def _joined(chi: Array, matrix: Any, p: Array) -> Array:
    """The two sets joined that exchange most, by flow over the smaller probability."""
    flow = chi.T @ (p[:, None] * (matrix @ chi))
    mass = p @ chi
    rate = (flow + flow.T) / np.minimum(mass[:, None], mass[None, :])
    np.fill_diagonal(rate, -np.inf)
    a, b = sorted(int(k) for k in np.unravel_index(int(rate.argmax()), rate.shape))
    joined = chi.copy()
    joined[:, a] += joined[:, b]
    return np.asarray(np.delete(joined, b, axis=1))
