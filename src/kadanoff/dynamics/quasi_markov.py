"""Memory of a lumped chain: the discrete Mori-Zwanzig (transfer-tensor, quasi-Markov) equation.

    T(n + 1) = sum_{k=0}^{n} K_k T(n - k),   T(0) = 1,   T(n)_IJ = P(Y_n = J | Y_0 = I)

K_0 = T(1) is the Markov model, K_1, K_2, ... what it forgets. They vanish where T(n) = T(1)^n, so for every lumpable
chain, and kept all they give T(n) back to rounding. Rows of K_0 sum to one, of all others to zero. Cerrillo and Cao,
Phys. Rev. Lett. 112, 110401 (2014); Cao, Montoya-Castillo, Wang, Markland and Huang, J. Chem. Phys. 153, 014105 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.lumping import lump_labels
from kadanoff.dynamics.markov import check_transition, implied_times, stationary_state
from kadanoff.dynamics.transition_counts import checked_trajectories, count_transitions
from kadanoff.estimates import Estimate
from kadanoff.maps import Map

__all__ = [
    "QuasiMarkov",
    "implied_times_of_kernels",
    "lumped_propagators",
    "memory_kernels",
    "propagate",
    "quasi_markov",
    "sampled_propagators",
]

Array = NDArray[np.float64]
_MOST = 100  # states of sampled kernels


def lumped_propagators(transition: Any, lumps: Map, steps: int) -> Array:
    """The exact T(0) ... T(steps) of a lumped stationary chain: T(n)_IJ = sum_{i in I, j in J} p_i (T^n)_ij / p_I.

    Arguments:
        transition: (n, n) irreducible, dense or sparse (only products with (n, m) arrays are taken).
        lumps: a hard `Map` to m lumps.
        steps: at least 1.

    Returns:
        (steps + 1, m, m).
    """
    matrix = check_transition(transition)
    lump_labels(lumps, matrix.shape[0])
    if steps < 1:
        raise ValueError(f"steps: at least one is needed, got {steps}")
    p = stationary_state(matrix)
    weight = lumps.membership @ scipy.sparse.diags_array(p)
    mass = np.asarray(lumps.membership @ p)
    ahead = lumps.membership.T.toarray()
    found = np.empty((steps + 1, lumps.n_coarse, lumps.n_coarse))
    found[0] = np.eye(lumps.n_coarse)
    for n in range(1, steps + 1):
        ahead = matrix @ ahead
        found[n] = (weight @ ahead) / mass[:, None]
    return found


def memory_kernels(propagators: ArrayLike) -> Array:
    """K_0 ... K_n-1 from T(0) ... T(n): K_n = T(n + 1) - sum_{k < n} K_k T(n - k).

    Arguments:
        propagators: (n + 1, m, m), the first the unit matrix.

    Returns:
        (n, m, m).

    Raises:
        ValueError: for another shape or a first one that is not the unit matrix.
    """
    t = _propagators(propagators)
    kernels = np.empty((len(t) - 1, *t.shape[1:]))
    for n in range(len(kernels)):
        kernels[n] = t[n + 1] - np.einsum("kij,kjl->il", kernels[:n], t[n:0:-1])
    return kernels


def propagate(kernels: ArrayLike, steps: int) -> Array:
    """T(0) ... T(steps) (steps + 1, m, m) from K_0 ... K_c (c + 1, m, m), later kernels zero."""
    k = np.asarray(kernels, dtype=np.float64)
    if k.ndim != 3 or k.shape[1] != k.shape[2] or len(k) == 0:
        raise ValueError(f"kernels: expected (c + 1, m, m), got {k.shape}")
    t = np.empty((steps + 1, *k.shape[1:]))
    t[0] = np.eye(k.shape[1])
    for n in range(steps):
        reach = min(len(k), n + 1)
        t[n + 1] = np.einsum("kij,kjl->il", k[:reach], t[n::-1][:reach])
    return t


def implied_times_of_kernels(kernels: ArrayLike, lag: float = 1.0) -> Array:
    """Relaxation times of T(n + 1) = sum_k K_k T(n - k): -lag / ln|mu| of all mu with det(mu^c+1 - sum K_k mu^c-k) = 0.

    They are the eigenvalues of the block companion matrix; the largest, 1, is left out. Arguments as `propagate`; lag
    in any unit of time. Returns (m (c + 1) - 1,) times, longest first; infinite where the kept kernels do not decay.
    """
    k = np.asarray(kernels, dtype=np.float64)
    number, m = k.shape[0], k.shape[1]
    companion = np.zeros((number * m, number * m))
    companion[:m] = np.concatenate(list(k), axis=1)
    companion[m:, :-m] = np.eye((number - 1) * m)
    found = np.linalg.eigvals(companion)
    values = np.delete(found, int(np.abs(found - 1).argmin()))
    times, _ = implied_times(values, lag)
    return np.sort(times)[::-1]


def sampled_propagators(
    trajectories: Any, steps: int, lag: int = 1, *, states: int | None = None, blocks: int = 16
) -> Array:
    """T(0) ... T(steps) of discrete trajectories, at lags 0, lag, 2 lag, ..., each with one block of time left out.

    Returns:
        (blocks + 1, steps + 1, m, m): from all data, then without block 0, 1, ... (for the jackknife).

    Raises:
        ValueError: as `count_transitions`; where a state is left by no pair (lag and state named).
    """
    data = checked_trajectories(trajectories)
    m = 1 + max(int(frames.max()) for frames in data) if states is None else states
    if m > _MOST:
        raise ValueError(f"{m} states: memory kernels are for up to {_MOST} of them; lump them first")
    found = np.empty((blocks + 1, steps + 1, m, m))
    found[:, 0] = np.eye(m)
    for n in range(1, steps + 1):
        counts = count_transitions(data, n * lag, states=m, blocks=blocks)
        if len(counts.blocks) < blocks:
            raise ValueError(f"lag {n * lag}: the data give only {len(counts.blocks)} pairs for {blocks} blocks")
        for b, table in enumerate([counts.matrix, *(counts.matrix - block for block in counts.blocks)]):
            leaving = table.sum(axis=1)
            if leaving.min() <= 0:
                raise ValueError(
                    f"lag {n * lag}: no pair starts in state {int(leaving.argmin())}"
                    + (f" without block {b - 1}" if b else "")
                    + "; longer data are needed, or fewer states"
                )
            found[b, n] = table / leaving[:, None]
    return found


@dataclass(frozen=True, eq=False)
class QuasiMarkov:
    """A quasi-Markov model of data: kernels, their errors, and the cut-off that the data support.

    Arguments:
        lag: frames of a step.
        propagators, propagator_errors: (n + 1, m, m) T(0) ... T(n) of the data.
        kernels, kernel_errors: (n, m, m).
        held_out: (n,) root mean square over t of what T(t) from kernels 0 ... c of some blocks misses in the blocks
            left out, for every cut-off c, and held_out_error (n,) its standard error.
        cutoff: the smallest c whose held_out is within one standard error of the best (kernels 0 ... c are kept).
        without: (blocks, n, m, m) the kernels with one block of time left out, for errors of what follows from them.
    """

    lag: int
    propagators: Array
    propagator_errors: Array
    kernels: Array
    kernel_errors: Array
    held_out: Array
    held_out_error: Array
    cutoff: int
    without: Array

    def propagate(self, steps: int) -> Array:
        """T(0) ... T(steps) of the model with its cut-off."""
        return propagate(self.kernels[: self.cutoff + 1], steps)

    @property
    def times(self) -> Array:
        """Relaxation times of the model, in frames, longest first."""
        return implied_times_of_kernels(self.kernels[: self.cutoff + 1], self.lag)

    @property
    def slowest(self) -> Estimate:
        """The slowest of the times with its jackknife error, at this cut-off (what the cut-off leaves out is not in
        it).

        Raises ValueError where it is not finite: the kept kernels then do not decay, and more data are needed.
        """
        number = len(self.without)
        left_out = [float(implied_times_of_kernels(k[: self.cutoff + 1], self.lag)[0]) for k in self.without]
        value = float(self.times[0])
        if not np.all(np.isfinite([value, *left_out])):
            raise ValueError(f"the model with kernels 0 ... {self.cutoff} does not decay within the errors of its data")
        error = float(np.sqrt((number - 1) * np.var(left_out)))
        return Estimate(value, error, number, "frame", "jackknife over blocks of time")


def quasi_markov(
    trajectories: Any, steps: int, lag: int = 1, *, states: int | None = None, blocks: int = 16, folds: int = 4
) -> QuasiMarkov:
    """Memory kernels of discrete trajectories with errors, and how many of them the data support.

    The errors are jackknifed over blocks of time. The cut-off is chosen on data the kernels have not seen: from the
    counts without every ``folds``-th part of time, T(t) to ``steps`` is predicted with kernels 0 ... c and compared
    with the T(t) of that part; the smallest c within one standard error of the best is taken (Breiman et al., 1984).

    Arguments:
        trajectories: (frames,) integers, or several; a lumped trajectory has the labels of its lumps.
        steps: of length lag, over which memory is looked for; T is needed to steps * lag.
        lag: frames.
        states: how many there are.
        blocks: of time, for the errors.
        folds: parts of time left out in turn.

    Raises:
        ValueError: as `sampled_propagators`.
    """
    if steps < 2:
        raise ValueError(f"steps: at least 2 are needed to see memory, got {steps}")
    data = checked_trajectories(trajectories)
    m = 1 + max(int(frames.max()) for frames in data) if states is None else states
    found = sampled_propagators(data, steps, lag, states=m, blocks=blocks)
    kernels = np.array([memory_kernels(one) for one in found])
    scale = np.sqrt(blocks - 1)
    missed = np.array([_held_out(training, left, steps) for training, left in _folds(data, steps, lag, m, folds)])
    held_out, error = missed.mean(axis=0), missed.std(axis=0, ddof=1) / np.sqrt(folds)
    best = int(held_out.argmin())
    cutoff = int(np.flatnonzero(held_out <= held_out[best] + error[best])[0])
    return QuasiMarkov(
        lag, found[0], scale * found[1:].std(axis=0), kernels[0], scale * kernels[1:].std(axis=0),
        held_out, error, cutoff, kernels[1:],
    )  # fmt: skip


def _folds(data: Any, steps: int, lag: int, m: int, folds: int) -> list[tuple[Array, Array]]:
    """T(0) ... T(steps) without one part of time, and of that part, for every part."""
    tables = [count_transitions(data, n * lag, states=m, blocks=folds) for n in range(1, steps + 1)]
    parts = []
    for fold in range(folds):
        training, left = np.empty((steps + 1, m, m)), np.empty((steps + 1, m, m))
        training[0] = left[0] = np.eye(m)
        for n, counts in enumerate(tables, 1):
            training[n] = _rows(counts.matrix - counts.blocks[fold], n * lag, fold)
            left[n] = _rows(counts.blocks[fold], n * lag, fold)
        parts.append((training, left))
    return parts


def _rows(table: NDArray[np.int64], lag: int, fold: int) -> Array:
    leaving = table.sum(axis=1)
    if leaving.min() <= 0:
        raise ValueError(f"lag {lag}: part {fold} of time has no pair from state {int(leaving.argmin())}; fewer folds")
    return np.asarray(table / leaving[:, None])


def _held_out(training: Array, left: Array, steps: int) -> Array:
    """Root mean square miss of the predictions, for kernels 0 ... c, c = 0 ... steps - 1."""
    kernels = memory_kernels(training)
    return np.array([np.sqrt(np.mean((propagate(kernels[: c + 1], steps) - left) ** 2)) for c in range(steps)])


def _propagators(propagators: ArrayLike) -> Array:
    t = np.asarray(propagators, dtype=np.float64)
    if t.ndim != 3 or t.shape[1] != t.shape[2] or len(t) < 2:
        raise ValueError(f"propagators: expected (n + 1, m, m) with n >= 1, got {t.shape}")
    if not np.allclose(t[0], np.eye(t.shape[1]), atol=1e-12):
        raise ValueError("propagators: the first, T(0), must be the unit matrix")
    return t
