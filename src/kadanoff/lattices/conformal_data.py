"""What a tensor flow ends in: a plateau of scaling dimensions (a critical point), or a trivial fixed point by name.

At a scale-invariant fixed point the scaling dimensions x_i, i = 1, 2, ..., stay as they are from step to step. In a run of
finite chi they do so only between the first steps, where the lattice shows, and the last ones, where what was cut off has
carried the flow away from the critical point: a plateau, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices.tensor_rg import TensorFlow

__all__ = ["FixedPoint", "Plateau", "find_plateau", "fixed_point"]

_FEWEST = 0.02  # a dimension below this is a second phase, not a field: the smallest of a minimal model is 1/40 or more
_GAPPED = 2.0  # irrelevant in two dimensions: nothing of this weight tells a critical point from a trivial one


class Plateau(NamedTuple):
    """Steps ``first`` to ``last`` (both in), the means of the dimensions over them and half their spread."""

    first: int
    last: int
    dimensions: NDArray[np.float64]
    half_spread: NDArray[np.float64]

    @property
    def length(self) -> int:
        """Number of steps."""
        return self.last - self.first + 1


def find_plateau(
    dimensions: NDArray[np.float64], *, tolerance: float = 0.005, shortest: int = 3
) -> Plateau | None:
    """The longest run of steps over which every dimension given stays within ``tolerance``, or None.

    Within means: largest - smallest <= tolerance times the mean, for each of the dimensions, all of them finite and the
    lowest between 0.02 (else a second phase) and 2 (else irrelevant, and the fixed point trivial). Of two runs of equal length, the one that spreads least is taken.

    Arguments:
        dimensions: (steps, n) the n lowest, without the identity. Few: the plateau of high ones is shorter.
        tolerance: relative.
        shortest: steps, below which no run counts.

    Raises:
        ValueError: for an array of another shape.
    """
    if dimensions.ndim != 2 or dimensions.shape[1] < 1:
        raise ValueError(f"find_plateau: expected dimensions (steps, n), got shape {dimensions.shape}")
    best: Plateau | None = None
    for first in range(len(dimensions) - shortest + 1):
        for last in range(first + shortest - 1, len(dimensions)):
            window = dimensions[first : last + 1]
            if not np.all(np.isfinite(window)) or window[:, 0].min() < _FEWEST or window[:, 0].max() >= _GAPPED:
                break
            mean, spread = window.mean(axis=0), np.ptp(window, axis=0)
            if np.any(spread > tolerance * mean):
                break
            found = Plateau(first, last, mean, spread / 2)
            if best is None or found.length > best.length or (
                found.length == best.length and np.max(spread / mean) < np.max(2 * best.half_spread / best.dimensions)
            ):  # fmt: skip
                best = found
    return best


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Where a flow went.

    ``kind`` "critical" (a plateau), "ordered" (several phases), "disordered" (one), or "undecided"; ``phases`` is the
    number of leading eigenvalues that became equal in a trivial one; ``plateau`` of the critical one.
    """

    kind: Literal["critical", "ordered", "disordered", "undecided"]
    phases: int
    plateau: Plateau | None
    text: str


def fixed_point(flow: TensorFlow, *, dimensions: int = 2, tolerance: float = 0.005, shortest: int = 3) -> FixedPoint:
    """The fixed point that a flow came to, by its transfer spectrum.

    Arguments:
        flow: from `renormalise`.
        dimensions: how many of the lowest must stand still together.
        tolerance, shortest: as `find_plateau`.

    A critical point is named where the dimensions have a plateau: for all lengths up to those where it ends. Else the
    last step is looked at: eigenvalues with x < 0.02 count as equal to the largest, and where all others have x > 2 the
    fixed point is trivial, with one phase for each. Gu and Wen (2009).
    """
    plateau = find_plateau(flow.dimensions(dimensions), tolerance=tolerance, shortest=shortest)
    last = flow.dimensions(flow.eigenvalues.shape[1] - 1)[-1]
    phases = 1 + int(np.sum(last < _FEWEST))
    if plateau is not None:
        values = ", ".join(f"{x:.4f}" for x in plateau.dimensions)
        reach = (flow.lengths[plateau.first], flow.lengths[plateau.last])
        text = f"critical: dimensions {values} stand still from step {plateau.first} to {plateau.last}, lengths {reach[0]:.0f} to {reach[1]:.0f}"
        return FixedPoint("critical", phases, plateau, text)
    if np.all((last < _FEWEST) | (last > _GAPPED)):
        kind: Literal["ordered", "disordered"] = "ordered" if phases > 1 else "disordered"
        text = f"no plateau; trivial fixed point, {kind}: {phases} phase{'s' if phases > 1 else ''} at length {flow.lengths[-1]:.3g}"
        return FixedPoint(kind, phases, None, text)
    return FixedPoint("undecided", phases, None, f"no plateau, and no trivial fixed point after {len(flow.tensors) - 1} steps: go on")
