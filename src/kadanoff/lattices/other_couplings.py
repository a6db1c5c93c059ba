"""Couplings of Potts states by pseudo-likelihood, and of real fields by score matching.

    Potts    weight exp( sum_a K_a sum_c [all spins of the cluster c are alike] )
             P(s_i = s | the others) = exp( sum_a K_a n_a(s) ) / sum_t exp( sum_a K_a n_a(t) )

with n_a(s) the clusters of kind a that hold i and all of whose other spins are in state s. ln P is concave in K, as for
Ising spins (Besag, 1975), and pair couplings of q = 2 are twice the Ising ones.

    field    weight exp( K sum_<ij> phi_i phi_j - r sum_i phi_i^2 - u sum_i phi_i^4 )

Its normalisation given the neighbours is an integral without a closed form. Score matching needs none: the couplings
that minimise < (1/2) (d ln p / d phi_i)^2 + d^2 ln p / d phi_i^2 > solve linear equations (Hyvaerinen, J. Mach. Learn.
Res. 6, 695, 2005). In the convention of `phi4`, r = 1 - 2 lambda and u = lambda.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.lattices._kernels.state_scores import state_scores
from kadanoff.lattices.couplings import LEAVES_OPEN, Couplings, other_sites, sample_blocks
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.operators import Operator, clusters, even_operators

__all__ = ["fit_field_couplings", "fit_potts_couplings"]

_NEWTON, _FAR = 50, 50.0


def fit_potts_couplings(
    states: ArrayLike, lattice: Lattice, q: int, operators: tuple[Operator, ...] | None = None, *, blocks: int = 20
) -> Couplings:
    """The couplings of Potts configurations by maximum pseudo-likelihood.

    Arguments:
        states: (samples, *shape) of 0 ... q - 1, in time order.
        lattice: theirs.
        q: states of a spin.
        operators: clusters of two spins or more; by default the first five even ones of the lattice.
        blocks: of consecutive samples, for the errors; each long against the correlation time.

    Raises:
        ValueError: for other states, another lattice, fewer samples than blocks, a single spin as an operator, states
            that leave a coupling open (all alike).
    """
    kinds = even_operators(lattice)[:5] if operators is None else operators
    if single := [kind.name for kind in kinds if len(kind.places) < 2]:
        raise ValueError(f"a Potts coupling is of two spins or more, and {', '.join(single)} is of one")
    given = np.asarray(states)
    flat = np.ascontiguousarray(given.reshape(len(given), -1), dtype=np.int8)
    if flat.shape[1] != lattice.sites or flat.min() < 0 or flat.max() >= q:
        raise ValueError(
            f"expected states 0 to {q - 1} on {lattice.sites} sites, got {flat.min()} to {flat.max()} on "
            f"{flat.shape[1]}"
        )
    edges = sample_blocks(len(flat), blocks)
    others, sizes, numbers = other_sites([clusters(kind, lattice) for kind in kinds], lattice.sites)

    def derivatives(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Cost, the gradient of every block, and the curvature."""
        scores, curvature = np.zeros((blocks, len(kinds))), np.zeros((len(kinds), len(kinds)))
        cost = 0.0
        for b in range(blocks):
            part = flat[edges[b] : edges[b + 1]]
            each = np.zeros_like(curvature)
            cost += state_scores(part, q, others, sizes, numbers, at, scores[b], each)
            curvature += each
        return cost, scores, curvature

    k = np.zeros(len(kinds))
    cost, scores, curvature = derivatives(k)
    for step in range(1, _NEWTON):
        if np.linalg.cond(curvature) > 1e12:
            raise ValueError(LEAVES_OPEN)
        move = np.linalg.solve(curvature, scores.sum(axis=0))
        there = derivatives(k + move)
        while there[0] > cost * (1 + 1e-12) and np.max(np.abs(move)) > 1e-9:
            move = move / 2
            there = derivatives(k + move)
        k = k + move
        cost, scores, curvature = there
        if np.max(np.abs(k)) > _FAR:
            break
        if np.max(np.abs(move)) < 1e-9:
            inverse = np.linalg.inv(curvature)
            covariance = inverse @ (scores.T @ scores) @ inverse * blocks / (blocks - 1)
            return Couplings(kinds, k, covariance, blocks, step, k - scores @ inverse)
    raise ValueError(LEAVES_OPEN)


def fit_field_couplings(
    fields: ArrayLike, lattice: Lattice, operators: tuple[Operator, ...] | None = None, *, blocks: int = 20
) -> Couplings:
    """The couplings of real configurations by score matching: those of pairs, then r of phi^2 and u of phi^4.

    Arguments:
        fields: (samples, *shape) real, in time order.
        lattice: theirs.
        operators: pairs; by default nearest neighbours.
        blocks: of consecutive samples, for the errors.

    Returns:
        Couplings of the pairs, "r" and "u"; the weight falls with the last two.

    Raises:
        ValueError: for numbers that are not finite, another lattice, clusters that are no pairs, fewer samples than
            blocks, fields that leave a coupling open (of two values only, as +-1 are).
    """
    kinds = even_operators(lattice)[:1] if operators is None else operators
    if wrong := [kind.name for kind in kinds if len(kind.places) != 2]:
        raise ValueError(f"a field is fitted with pairs, and {', '.join(wrong)} is none")
    given = np.asarray(fields, dtype=np.float64)
    flat = given.reshape(len(given), -1)
    if flat.shape[1] != lattice.sites or not np.all(np.isfinite(flat)):
        raise ValueError(f"expected finite fields on {lattice.sites} sites, got {flat.shape[1]} or others")
    edges = sample_blocks(len(flat), blocks)
    others, _, numbers = other_sites([clusters(kind, lattice) for kind in kinds], lattice.sites)
    columns = np.split(np.arange(others.shape[1]), np.cumsum(numbers)[:-1])
    width = len(kinds) + 2
    quadratic, linear = np.zeros((blocks, width, width)), np.zeros((blocks, width))
    for b in range(blocks):
        for field in flat[edges[b] : edges[b + 1]]:
            slopes = np.stack([*(field[others[:, c]].sum(axis=1) for c in columns), -2 * field, -4 * field**3])
            quadratic[b] += slopes @ slopes.T  # of d ln p / d phi_i, which is linear in the couplings
            linear[b, -2] += 2 * lattice.sites
            linear[b, -1] += 12 * (field**2).sum()
    matrix = quadratic.sum(axis=0)
    scale = np.sqrt(np.diag(matrix))
    if np.any(scale == 0) or np.linalg.cond(matrix / np.outer(scale, scale)) > 1e10:
        raise ValueError(LEAVES_OPEN)
    inverse = np.linalg.inv(matrix)
    k = inverse @ linear.sum(axis=0)
    scores = linear - quadratic @ k
    names = (*kinds, Operator("r", ((0,) * lattice.dimension,)), Operator("u", ((0,) * lattice.dimension,)))
    covariance = inverse @ (scores.T @ scores) @ inverse * blocks / (blocks - 1)
    return Couplings(names, k, covariance, blocks, 1, k - scores @ inverse, "score matching, sandwich over blocks")
