"""What every matched pair force needs, however it was matched: its free coefficients, its checks, its table."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.estimates import Estimate
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.time_blocks import centred

__all__ = ["DataWarning", "End", "gaps", "net_force", "pair_columns", "pair_table", "ratio_error", "supported_range"]

Array = NDArray[np.float64]
End = Literal["zero", "smooth", "free"]
"""What the force does at the cut-off: f = 0, f = f' = 0, or nothing."""


class DataWarning(UserWarning):
    """Something about the data that a user should know; the result stands."""


def pair_columns(knots: Knots, first: int, end: End) -> Array:
    """Columns that span the allowed coefficients (splines, free): none below the data, and the condition at the end."""
    full = np.eye(knots.splines)
    if end == "free":
        return full[:, first:]
    if end == "zero":  # (c_(k-3) + 4 c_(k-2) + c_(k-1)) / 6 = 0
        full[-1, -3:-1] = -1.0, -4.0
        return full[:, first:-1]
    if end == "smooth":  # and c_(k-1) = c_(k-3)
        full[-2:, -3] = -0.5, 1.0
        return full[:, first:-2]
    raise ValueError(f"end must be 'zero', 'smooth' or 'free', not {end!r}")


def ratio_error(numerator: Array, denominator: Array, strata: NDArray[np.int64] | None = None) -> float:
    """Standard error of sum(numerator) / sum(denominator) over blocks, to first order.

    ``strata`` (b,): labels of blocks that are alike, such as those of one state; only blocks of one stratum are
    compared with each other. By default all are alike.
    """
    deviation = numerator - numerator.sum() / denominator.sum() * denominator
    alike = np.zeros(len(deviation), np.int64) if strata is None else strata
    return float(np.sqrt(np.sum(centred(deviation, alike) ** 2)) / denominator.sum())


def net_force(
    net: Array, squares: Array, frames: int, residual: float, strata: NDArray[np.int64] | None = None
) -> tuple[Estimate, list[str]]:
    """Relative net force, and a note where it is larger than independent noise of the residual's size makes it.

    ``net`` and ``squares`` (b,): |sum_i f_i|^2 and sum_i |f_i|^2 of the frames of each block; ``residual``: sum of
    squares that the fit leaves; ``strata``: see `ratio_error`. This sees external fields and missing parts of a
    system. It cannot see a constraint between two beads whose force was not recorded: what is left then still adds up
    to zero.
    """
    square = float(squares.sum())
    ratio = float(net.sum()) / square
    value = np.sqrt(ratio)
    error = ratio_error(net, squares, strata) / (2.0 * value) if value > 0.0 else 0.0
    noise = max(residual / square, 1e-12)
    if ratio <= noise * (1.0 + 5.0 * np.sqrt(2.0 / (3.0 * frames))):
        return Estimate(value, error, len(net), "", "blocks"), []
    note = (
        f"the total force of a frame is {np.sqrt(ratio / noise):.3g} times what independent noise of the size of the "
        "residual would give. Pair forces add up to zero, so something else acts on all beads together: an external "
        "field, a part of the system that was left out, or forces of other units or other beads"
    )
    return Estimate(value, error, len(net), "", "blocks"), [note]


def supported_range(knots: Knots, sampled: NDArray[np.bool_]) -> tuple[float, float]:
    """From the first knot of an unbroken run of well sampled intervals to the cut-off, nm."""
    missing = np.flatnonzero(~sampled)
    return float(knots.r[missing[-1] + 1 if len(missing) else 0]), knots.cutoff


def gaps(knots: Knots, sampled: NDArray[np.bool_]) -> list[str]:
    """A note on poorly sampled intervals beyond the first good one: the core below is expected to be empty."""
    first = int(np.argmax(sampled))
    holes = first + np.flatnonzero(~sampled[first:])
    if not len(holes):
        return []
    where = ", ".join(f"{knots.r[hole]:.4g}-{knots.r[hole + 1]:.4g}" for hole in holes)
    return [
        f"too few pairs in the knot intervals {where} nm: the force there is a straight continuation, not data, and "
        f"the potential counts as supported only from {supported_range(knots, sampled)[0]:.4g} nm on"
    ]


class _PairForce(Protocol):
    """What a table is made of."""

    @property
    def knots(self) -> Knots: ...
    @property
    def sampled(self) -> NDArray[np.bool_]: ...
    @property
    def supported(self) -> tuple[float, float]: ...
    def force(self, r: ArrayLike) -> Array: ...
    def error(self, r: ArrayLike) -> Array: ...
    def energy_error(self, r: ArrayLike) -> Array: ...


def pair_table(match: _PairForce, step: float = 0.002) -> PairPotential:
    """The table: the fit from its first well sampled knot on; counted as supported from the last gap on."""
    first = float(match.knots.r[int(np.argmax(match.sampled))])
    last = match.knots.cutoff
    r = np.append(np.arange(np.ceil(first / step - 1e-9), last / step - 1e-6) * step, last)
    smooth = min(0.05, 0.5 * (last - first))
    potential = PairPotential.from_force(
        r, match.force(r), cutoff=last, step=step, smooth=smooth, band=match.error(r)
    )  # fmt: skip
    inside = potential.r >= first - 1e-9
    band = np.where(inside, match.energy_error(np.maximum(potential.r, first)), np.nan)
    return replace(potential, supported=match.supported, band=band)
