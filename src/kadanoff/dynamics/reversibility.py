"""The arrow of time: fine entropy that cannot change, coarse entropy that does, and the way back.

    S_coarse = H(cells) + sum_c p_c ln|c|

is the entropy of the distribution that is smeared out evenly over each cell c of size |c|. It is never less than the
fine entropy (Gibbs, 1902; Ehrenfest and Ehrenfest, 1911): the relative entropy of the two is what the cells hide. That
it grows with time is not a theorem, and where the motion is reversed it falls again. The fine entropy is constant
because the motion is a permutation of states, or keeps volumes in phase space (Liouville).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from kadanoff.estimates import Estimate
from kadanoff.information import NAT, Correction, entropy, entropy_from_probabilities
from kadanoff.losses import Loss

__all__ = [
    "Echo",
    "EntropySlope",
    "coarse_entropy",
    "coarse_entropy_from_probabilities",
    "echo",
    "entropy_loss",
    "entropy_slope",
    "occupation_entropy",
]

State = TypeVar("State")

GEOMETRY = math.log(16)
"""Nats that the coarse entropy must have risen before its slope is fitted: a cell first loses its corners."""
SATURATION = math.log(100)
"""Nats that must be left to the largest entropy: from there on the image meets itself in the same cells."""
_ROUNDING = 1e-13  # relative, of a slope


def coarse_entropy(
    counts: ArrayLike,
    cell_size: ArrayLike = 1.0,
    *,
    correction: Correction = "miller-madow",
    effective: float | None = None,
) -> Estimate:
    """The coarse Gibbs entropy behind a sample: S = H(cells) + sum_c p_c ln|c|, the bias of H taken off.

    Arguments:
        counts: sampled points in each cell, any shape.
        cell_size: |c|, a number for equal cells or one for each: area in phase space, or the number of fine states.
        correction: of the bias of H, as `information.entropy`.
        effective: how many of the points are independent; by default all.

    Returns:
        Estimate in nats. Its error joins that of H with that of the mean of ln|c|, added, since both come from the same
        sample.

    Raises:
        ValueError: for a cell size that is not positive or fits no cell, and as `information.entropy`.
    """
    table = np.asarray(counts)
    found = entropy(table, correction=correction, effective=effective)
    size = _logarithms(cell_size, table.shape)
    p = table / table.sum()
    shift = float(np.sum(p * size))
    scatter = math.sqrt(max(float(np.sum(p * size**2)) - shift**2, 0.0) / (found.samples or 1.0))
    return Estimate(found.value + shift, (found.error or 0.0) + scatter, found.samples, NAT, found.method)


def coarse_entropy_from_probabilities(probabilities: ArrayLike, cell_size: ArrayLike = 1.0) -> Estimate:
    """The exact coarse Gibbs entropy S = H(cells) + sum_c p_c ln|c| of a distribution over cells.

    Arguments:
        probabilities: of each cell, any shape, summing to one.
        cell_size: |c|, a number for equal cells or one for each.

    Raises:
        ValueError: as `coarse_entropy`, and for probabilities that do not sum to one.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    found = entropy_from_probabilities(p)
    return Estimate.exact(found.value + float(np.sum(p * _logarithms(cell_size, p.shape))), NAT)


def occupation_entropy(occupation: ArrayLike) -> float:
    """The coarse entropy per particle of one state of which only the occupation of equal cells is seen.

    S / N = ln(N! / prod_k n_k!) / N: the macrostate is certain, H(cells) = 0, and ln|c| is Boltzmann's ln W (1877). The
    volume of the cells adds a constant, left out here. Exact for the state at hand, so that there is no error.

    Arguments:
        occupation: (cells,) numbers of particles.

    Raises:
        ValueError: for numbers below 0, or no particles.
    """
    n = np.asarray(occupation, dtype=np.float64)
    if np.any(n < 0) or not n.sum() > 0:
        raise ValueError("occupation: expected numbers of particles from 0 on, and one particle at least")
    return float(gammaln(n.sum() + 1) - gammaln(n + 1).sum()) / float(n.sum())


def entropy_loss(name: str, fine: Estimate, coarse: Estimate, *, constant_by: str) -> Loss:
    """The entry of the ledger: S_coarse is never below S_fine, and S_coarse - S_fine is what the cells hide.

    Arguments:
        name: of the entry.
        fine, coarse: both in nats, for the same distribution.
        constant_by: why the fine entropy does not change: "permutation" or "Liouville".
    """
    return Loss(
        name,
        fine,
        coarse,
        coarse.minus(fine),
        NAT,
        "coarse >= fine",
        f"fine entropy constant by {constant_by}; cells that cover the whole space; nothing is said of its growth in "
        "time",
        "smearing a distribution out over cells never lowers its entropy",
    )


class EntropySlope(NamedTuple):
    """The rise of the coarse entropy per step, and the first and last step of the fitted window."""

    rate: Estimate
    first: int
    last: int


def entropy_slope(entropies: ArrayLike, ceiling: float) -> EntropySlope:
    """The rise of the coarse entropy per step from a line through the window where it is neither geometry nor
    saturation.

    The window holds the steps with S(t) >= S(0) + ln 16 and S(t) <= ceiling - ln 100. Before it the image of a cell has
    not yet outgrown its corners, after it the image fills so much of the space that it meets itself.

    Arguments:
        entropies: (steps + 1,) in nats, from step 0 on.
        ceiling: the largest that the coarse entropy can be.

    Returns:
        The slope, whose error joins that of the line with half the difference between the two halves of the window
        (the curvature that is left), and the window.

    Raises:
        ValueError: where fewer than four steps lie in the window: choose smaller cells.
    """
    s = np.asarray(entropies, dtype=np.float64)
    inside = np.flatnonzero((s >= s[0] + GEOMETRY) & (s <= ceiling - SATURATION))
    if inside.size < 4 or np.any(np.diff(inside) != 1):
        raise ValueError(
            f"{inside.size} steps in a row lie between S(0) + ln 16 and the ceiling - ln 100 ({s[0] + GEOMETRY:.3f} to "
            f"{ceiling - SATURATION:.3f} nats), and a slope needs four: choose smaller cells"
        )
    middle = inside.size // 2
    value, error = _line(inside, s[inside])
    halves = _line(inside[: middle + 1], s[inside[: middle + 1]])[0], _line(inside[middle:], s[inside[middle:]])[0]
    error = math.hypot(error, (halves[1] - halves[0]) / 2)
    rate = Estimate(
        value, error if error > _ROUNDING * abs(value) else 0.0, None, "nat/step",
        f"line through the steps {inside[0]} to {inside[-1]}", inside.size - 2,
    )  # fmt: skip
    return EntropySlope(rate, int(inside[0]), int(inside[-1]))


@dataclass(frozen=True, eq=False)
class Echo(Generic[State]):
    """What was seen on the way out and on the way back.

    ``steps`` (k + 1,) counts from the start; ``out`` and ``back`` (k + 1, ...) are what was observed there; ``turned``
    is the state at the turn as it goes back, the disturbance included, and ``final`` the state at the end.
    """

    steps: NDArray[np.int64]
    out: NDArray[Any]
    back: NDArray[Any]
    turned: State
    final: State


def echo(
    state: State,
    forward: Callable[[State, int], State],
    backward: Callable[[State, int], State],
    observe: Callable[[State], Any],
    pieces: Sequence[int],
    *,
    disturb: Callable[[State], State] | None = None,
) -> Echo[State]:
    """Loschmidt's experiment: run a system, turn it round, let it run back, and look on both ways.

    Arguments:
        state: the start; anything.
        forward, backward: take a state and a number of steps and return a new state. For a system that is reversed by
            its velocities, backward is reverse, forward, reverse.
        observe: what is recorded, a number or an array.
        pieces: (k,) steps between two looks.
        disturb: what is done to the state at the turn, if anything.

    Raises:
        ValueError: where no steps are asked for.
    """
    if len(pieces) == 0 or any(piece < 1 for piece in pieces):
        raise ValueError(f"pieces: expected numbers of steps from 1 on, got {list(pieces)}")
    out = [observe(state)]
    for piece in pieces:
        state = forward(state, int(piece))
        out.append(observe(state))
    turned = state if disturb is None else disturb(state)
    state, back = turned, [observe(turned)]
    for piece in reversed(pieces):
        state = backward(state, int(piece))
        back.append(observe(state))
    return Echo(np.concatenate([[0], np.cumsum(pieces)]), np.array(out), np.array(back[::-1]), turned, state)


def _line(x: NDArray[Any], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope of the least-squares line and its standard error (0 where two points leave no residual)."""
    u = x - x.mean()
    slope = float(u @ y / (u @ u))
    left = y - y.mean() - slope * u
    return slope, math.sqrt(float(left @ left) / max(len(x) - 2, 1) / float(u @ u))


def _logarithms(cell_size: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    size = np.asarray(cell_size, dtype=np.float64)
    if size.shape not in ((), shape):
        raise ValueError(f"cell_size: expected one number, or one for each of the {shape} cells, not {size.shape}")
    if not np.all(np.isfinite(size)) or np.any(size <= 0):
        raise ValueError("cell_size: expected finite positive sizes")
    return np.asarray(np.broadcast_to(np.log(size), shape))
