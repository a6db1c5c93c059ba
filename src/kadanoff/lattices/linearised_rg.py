"""Scaling dimensions from a coarse-graining map made linear at the tensor it leaves as it is.

A perturbation dT of a fixed-point tensor T = F(T) becomes F'(T) dT, and the eigenvalues of F' are those of the
renormalization group,

    lambda_i = b^(2 - x_i),      b = 2,      x_0 = 0 (the volume),      x_i = log2(lambda_0 / lambda_i),

which needs no transfer matrix and no conformal symmetry. F filters the loops of a plaquette out of the tensor
(`entanglement_filter`), which leaves a checkerboard A B / B A, and makes one tensor of the four as HOTRG does:

    T' = Y^T ( U V ) Y,      U = X^T (A over B) W,      V = W^T (B over A) X,

X, W, Y the leading eigenvectors of the squared pairs, seen from their outer, inner and vertical bonds. Eigenvectors
have free signs, and free bases where values are equal. They are turned so that T' comes closest to T (else T is no
fixed point however far the flow goes), and those of T + dT so that they come closest to those of T, which makes F
smooth: it has a derivative, taken by central differences. The filter has to move with dT: held fast it takes out what
dT uses and T does not.
X. Lyu, R. G. Xu and N. Kawashima, Phys. Rev. Research 3, 023048 (2021); Z. Y. Xie et al., Phys. Rev. B 86, 045139
(2012); M. Hauru, C. Delcamp and S. Mizera, Phys. Rev. B 97, 045111 (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigs

from kadanoff.lattices.entanglement_filter import Cut, filtered, nearest_rotation
from kadanoff.lattices.tensors import LocalTensor

__all__ = ["CoarseStep", "LinearisedFlow", "coarse_step", "derivative", "gauge_aligned", "linearised_flow", "turned"]

Array = NDArray[np.float64]
_FILTER = 1.5e-4  # stronger than loop-tnr's: without an optimised loop, what is left over goes more slowly
_WIDTH = 1e-5  # of the differences: their error is 1e-10 of it, that of rounding the same
_GAP = 0.2  # relative distance of two eigenvalues of a squared pair between which a cut may fall
_LEAST_GAP = 0.12  # the same, for the number of states that there already is
_ZERO = 1e-14  # share of the largest eigenvalue of a squared pair below which a state is rounding
_STARTS = 12  # of the search for signs
_TURNS = 200  # of the search for bases, at most
_SMALL = 200  # entries of a tensor up to which its map is written out whole


class CoarseStep(NamedTuple):
    """One step: T' (not normalised), the filter's cuts, and the bases X, W, Y (n, n', m)."""

    tensor: Array
    cuts: tuple[Cut, ...]
    outer: Array
    inner: Array
    vertical: Array


@dataclass(frozen=True, eq=False)
class LinearisedFlow:
    """Row n belongs to the map from step n to n + 1.

    Arguments:
        model, chi: what was renormalised and how many states a bond kept at most.
        eigenvalues: (steps, count) of F', largest first, over the factor g of F(T) = g T'; 4 is the volume's. Complex
            where they are; 0 where there are no more.
        change: (steps,) |T' - T| / |T|, how far the tensor is from a fixed point; NaN where its shape changed, and no
            eigenvalue is then given either.
        lengths: (steps,) edge of the lattice that a tensor of row n stands for.
    """

    model: str
    chi: int
    eigenvalues: NDArray[np.complex128]
    change: Array
    lengths: Array

    def dimensions(self, count: int) -> Array:
        """Scaling dimensions (steps, count) by |lambda|, smallest first, the volume left out; inf where none is."""
        size = np.abs(self.eigenvalues)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.log2(size[:, :1] / size)
        return np.asarray(x[:, 1 : count + 1])


def linearised_flow(
    tensor: LocalTensor,
    chi: int,
    *,
    steps: int,
    first: int = 0,
    count: int = 6,
    filter_strength: float = _FILTER,
    width: float = _WIDTH,
) -> LinearisedFlow:
    """Renormalise a lattice of equal tensors and make each step linear at the tensor it starts from.

    Arguments:
        tensor: of `tensors`, or your own.
        chi: states kept of a bond at most; the work of a step grows as chi^7.
        steps: each quadruples the spins of a tensor.
        first: eigenvalues are computed from this step on; NaN before.
        count: eigenvalues of each step, the volume's included.
        filter_strength: as of `renormalise`; 0 is HOTRG without a filter, which comes to no fixed point.
        width: of the central differences, as a share of the tensor's norm; their error is of its second order.

    Raises:
        ValueError: for numbers out of range, or tensors that vanish.
    """
    if chi < 2 or steps < 1 or not 0 <= first < steps or count < 1:
        raise ValueError(
            f"linearised renormalization: 2 states, 1 step and 1 eigenvalue at least, first below steps; not {chi}, "
            f"{steps}, {count}, first {first}"
        )
    here = tensor.array
    here = here / np.linalg.norm(here)
    values = np.full((steps, count), np.nan, dtype=np.complex128)
    change = np.full(steps, np.nan)
    for n in range(steps):
        step = coarse_step(here, chi, filter_strength)
        there = step.tensor
        scale = float(np.linalg.norm(there))
        if not scale > 0:
            raise ValueError("the tensors of a step vanish; the model's weights cancel")
        if there.shape == here.shape:
            step = turned(step, *gauge_aligned(there / scale, here))
            there = step.tensor
            change[n] = np.linalg.norm(there / scale - here)
            if n >= first:
                values[n] = _leading(derivative(here, step, chi, filter_strength, width), here, count) / scale
        here = there / scale
    lengths = np.asarray(math.sqrt(tensor.spins) * 2.0 ** np.arange(steps), dtype=np.float64)
    return LinearisedFlow(tensor.name, chi, values, change, lengths)


def coarse_step(
    tensor: Array, chi: int, filter_strength: float = _FILTER, like: CoarseStep | None = None
) -> CoarseStep:
    """F of a tensor (l, u, r, d), with bases of at most ``chi`` states.

    ``like``: the step of a tensor close by, whose numbers of states are kept and whose bases are come closest to.
    """
    fewer = filtered(tensor, tensor, filter_strength, None if like is None else like.cuts)
    a, b = fewer.first, fewer.second
    outer = _basis(
        _seen_from_left(a, b) + _seen_from_left(_mirrored(b), _mirrored(a)), chi, like and like.outer, tensor.shape[0]
    )
    inner = _basis(_seen_from_left(b, a) + _seen_from_left(_mirrored(a), _mirrored(b)), chi, like and like.inner)
    left, right = _above(a, b, outer, inner), _above(b, a, inner, outer)
    # seen from above and below, the left one of a pair is the upper one
    top = _seen_from_left(left.transpose(1, 0, 3, 2), right.transpose(1, 0, 3, 2))
    bottom = _seen_from_left(left.transpose(3, 0, 1, 2), right.transpose(3, 0, 1, 2))
    vertical = _basis(top + bottom, chi, like and like.vertical, tensor.shape[1])
    return CoarseStep(_beside(left, right, vertical), fewer.cuts, outer, inner, vertical)


def turned(step: CoarseStep, across: Array, down: Array) -> CoarseStep:
    """The step with the new horizontal and vertical bonds in other orthonormal bases (old, new)."""
    tensor = np.einsum("lurd,lL,uU,rR,dD->LURD", step.tensor, across, down, across, down, optimize=True)
    return step._replace(tensor=tensor, outer=step.outer @ across, vertical=step.vertical @ down)


def derivative(
    tensor: Array, step: CoarseStep, chi: int, filter_strength: float, width: float
) -> Callable[[Array], Array]:
    """dT -> F'(T) dT by central differences of ``width`` |T|, about ``step``, the step of T."""
    size = float(np.linalg.norm(tensor))

    def apply(change: Array) -> Array:
        h = width * size / float(np.linalg.norm(change))
        ahead, behind = (coarse_step(tensor + sign * h * change, chi, filter_strength, step) for sign in (1, -1))
        return np.asarray((ahead.tensor - behind.tensor) / (2 * h))

    return apply


def gauge_aligned(tensor: Array, target: Array) -> tuple[Array, Array]:
    """Orthogonal matrices (old, new) for the horizontal and vertical bonds that bring a tensor closest to another.

    First the signs, each by the leading eigenvector of the overlaps between states, from several starts; then the
    bases, alternately by polar decomposition.
    """
    n, m = tensor.shape[:2]
    every = tensor * target
    random = np.random.default_rng(0)
    best, signs = -math.inf, (np.ones(n), np.ones(m))
    for start in range(_STARTS):
        down = np.ones(m) if start == 0 else random.choice([-1.0, 1.0], m)
        overlap = -math.inf
        while True:
            across = _signs(np.einsum("lurd,u,d->lr", every, down, down))
            down = _signs(np.einsum("lurd,l,r->ud", every, across, across))
            now = float(np.einsum("lurd,l,u,r,d->", every, across, down, across, down, optimize=True))
            if now <= overlap * (1 + 1e-12) + 1e-300:
                break
            overlap = now
        if overlap > best:
            best, signs = overlap, (across, down)
    turn_across, turn_down = np.diag(signs[0]), np.diag(signs[1])
    for _ in range(_TURNS):
        # each bond has two ends: the overlap with one end turned as before, the other one free
        left = np.einsum("lurd,rR,uU,dD->lURD", tensor, turn_across, turn_down, turn_down, optimize=True)
        right = np.einsum("lurd,lL,uU,dD->LUrD", tensor, turn_across, turn_down, turn_down, optimize=True)
        new_across = nearest_rotation(_overlap(left, target, 0) + _overlap(right, target, 2))
        upper = np.einsum("lurd,lL,rR,dD->LuRD", tensor, new_across, new_across, turn_down, optimize=True)
        lower = np.einsum("lurd,lL,rR,uU->LURd", tensor, new_across, new_across, turn_down, optimize=True)
        new_down = nearest_rotation(_overlap(upper, target, 1) + _overlap(lower, target, 3))
        moved = max(float(np.abs(new_across - turn_across).max()), float(np.abs(new_down - turn_down).max()))
        turn_across, turn_down = new_across, new_down
        if moved < 1e-10:
            break
    return turn_across, turn_down


def _overlap(tensor: Array, target: Array, leg: int) -> Array:
    others = [i for i in range(4) if i != leg]
    return np.asarray(np.tensordot(tensor, target, (others, others)))


def _signs(overlaps: Array) -> Array:
    """Signs s that make s^T C s large."""
    _, vectors = np.linalg.eigh((overlaps + overlaps.T) / 2)
    return np.where(vectors[:, -1] < 0, -1.0, 1.0)


def _leading(apply: Callable[[Array], Array], like: Array, count: int) -> NDArray[np.complex128]:
    """The largest eigenvalues of a linear map of tensors, 0 where there are no more."""
    size = like.size
    found = np.zeros(count, dtype=np.complex128)
    if size <= max(_SMALL, 4 * count):
        matrix = np.stack([apply(unit.reshape(like.shape)).reshape(-1) for unit in np.eye(size)], axis=1)
        values = np.linalg.eigvals(matrix)
    else:
        operator = LinearOperator(
            (size, size), matvec=lambda x: apply(np.asarray(x).reshape(like.shape)).reshape(-1), dtype=np.float64
        )
        start = np.random.default_rng(0).standard_normal(size) / math.sqrt(size) + like.reshape(-1)
        values = eigs(operator, k=count, v0=start, ncv=max(4 * count, 20), tol=1e-8, return_eigenvectors=False)
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    found[: len(order)] = values[order]
    return found


def _mirrored(tensor: Array) -> Array:
    return tensor.transpose(2, 1, 0, 3)


def _seen_from_left(upper: Array, lower: Array) -> Array:
    """M M^T of a pair one above the other, (l l', l2 l2'), never forming M."""
    top = np.tensordot(upper, upper, ([1, 2], [1, 2]))  # l, m, l2, m2
    bottom = np.tensordot(lower, lower, ([2, 3], [2, 3]))  # l', m, l2', m2
    square = np.tensordot(top, bottom, ([1, 3], [1, 3]))  # l, l2, l', l2'
    return np.asarray(square.transpose(0, 2, 1, 3))


def _basis(square: Array, chi: int, like: Array | None, wish: int = 0) -> Array:
    """Leading eigenvectors (n, n', m) of (n, n', n, n'), turned to come closest to ``like``."""
    n, other = square.shape[:2]
    w, vectors = np.linalg.eigh(square.reshape(n * other, n * other))
    m = _states(w[::-1], chi, wish) if like is None else like.shape[2]
    if not m:
        raise ValueError("the tensors of a step vanish; the model's weights cancel")
    basis = vectors[:, : -m - 1 : -1]
    if like is not None:
        basis = basis @ nearest_rotation(basis.T @ like.reshape(n * other, m))
    return np.asarray(basis.reshape(n, other, m))


def _states(values: Array, chi: int, wish: int) -> int:
    """How many of the largest to keep: at most chi, and none of a group of near equals without the others.

    ``wish``, the number there was before, is kept to where it can: a fixed point has the same states after as before.

    Between near equals a cut falls by chance, and a small change of the tensor turns one into the other: F would have
    huge derivatives there that mean nothing.
    """
    found = int(np.sum(values > _ZERO * values[0]))
    if found <= chi:
        return found
    choice = np.arange(chi // 2 + 1, chi + 1)
    gaps = 1 - values[choice] / values[choice - 1]
    if np.any(gaps[choice == wish] >= _LEAST_GAP):
        return wish
    wide = gaps >= _GAP
    return int(choice[wide][-1] if wide.any() else choice[np.argmax(gaps)])


def _above(upper: Array, lower: Array, left: Array, right: Array) -> Array:
    """(l, u, r, d) of one tensor above another, their doubled bonds in the bases ``left`` and ``right``."""
    half = np.tensordot(left, upper, (0, 0))  # l', l, u, r, m
    pair = np.tensordot(half, lower, ([0, 4], [0, 1]))  # l, u, r, r', d
    return np.asarray(np.tensordot(pair, right, ([2, 3], [0, 1])).transpose(0, 1, 3, 2))


def _beside(left: Array, right: Array, basis: Array) -> Array:
    """(l, u, r, d) of one tensor to the left of another, their doubled vertical bonds in one basis."""
    turned = _above(left.transpose(1, 0, 3, 2), right.transpose(1, 0, 3, 2), basis, basis)  # u, l, d, r
    return turned.transpose(1, 0, 3, 2)
