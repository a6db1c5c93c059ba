"""What a tensor flow ends in: a plateau of scaling dimensions (a critical point), or a trivial fixed point by name.

At a scale-invariant fixed point the scaling dimensions x_i, i = 1, 2, ..., stay as they are from step to step. In a run
of finite chi they do so only between the first steps, where the lattice shows, and the last ones, where what was cut
off has carried the flow away from the critical point: a plateau, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices.tensor_rg import TensorFlow

__all__ = ["Plateau", "TensorFixedPoint", "dimension_plateau", "fixed_point"]

Array = NDArray[np.float64]
_WITNESS = 5.0  # times the tolerance: higher dimensions drift sooner
_DEGENERATE = 0.02  # below this it is a second phase, not a field: Ising has 1/8, tricritical Ising 3/40
_LATE = 3  # steps: close to a trivial fixed point a single one may stray
_GAPPED = 2.0  # irrelevant in two dimensions: nothing of this weight tells a critical point from a trivial one


class Plateau(NamedTuple):
    """Steps ``first`` to ``last`` (both in), the means of the dimensions over them and half their spread."""

    first: int
    last: int
    dimensions: Array
    half_spread: Array

    @property
    def length(self) -> int:
        """Number of steps."""
        return self.last - self.first + 1


def dimension_plateau(
    dimensions: Array, witness: Array | None = None, *, tolerance: float = 0.005, shortest: int = 3
) -> Plateau | None:
    """The first run of steps over which every dimension given stays within ``tolerance``, or None.

    Within means: largest - smallest <= tolerance times the mean, for each of the dimensions, all of them finite and the
    lowest between 0.02 (else a second phase) and 2 (else irrelevant, and the fixed point trivial). The first, as
    far as it goes: errors of the cuts only grow, and a later run is a turning point of their drift. So is one during
    which the next dimension up, the ``witness``, drifts by more than five times the tolerance.

    Arguments:
        dimensions: (steps, n) the n lowest, without the identity. Few: the plateau of high ones is shorter.
        witness: (steps,) the next one up; None: nobody is asked.
        tolerance: relative.
        shortest: steps, below which no run counts.

    Raises:
        ValueError: for an array of another shape.
    """
    if dimensions.ndim != 2 or dimensions.shape[1] < 1:
        raise ValueError(f"dimension_plateau: expected dimensions (steps, n), got shape {dimensions.shape}")
    for first in range(len(dimensions)):
        found: Plateau | None = None
        for last in range(first, len(dimensions)):
            window = dimensions[first : last + 1]
            if not np.all(np.isfinite(window)) or window[:, 0].min() < _DEGENERATE or window[:, 0].max() >= _GAPPED:
                break
            mean, spread = window.mean(axis=0), np.ptp(window, axis=0)
            if np.any(spread > tolerance * mean) or not _stands(witness, first, last, _WITNESS * tolerance):
                break
            found = Plateau(first, last, mean, spread / 2)
        if found is not None and found.length >= shortest:
            return found
    return None


def _stands(witness: Array | None, first: int, last: int, tolerance: float) -> bool:
    if witness is None:
        return True
    window = witness[first : last + 1]
    return bool(np.all(np.isfinite(window)) and np.ptp(window) <= tolerance * window.mean())


@dataclass(frozen=True, eq=False)
class TensorFixedPoint:
    """Where a flow went.

    ``kind`` "critical" (a plateau), "ordered" (several phases), "disordered" (one), or "undecided"; ``phases`` is the
    number of leading eigenvalues that became equal in a trivial one (a lower bound but for two phases of one parity
    each: the cuts may favour one of q equal phases); ``plateau`` of the critical one.
    """

    kind: Literal["critical", "ordered", "disordered", "undecided"]
    phases: int
    plateau: Plateau | None
    text: str


def fixed_point(
    flow: TensorFlow, *, dimensions: int = 2, tolerance: float = 0.005, shortest: int = 3
) -> TensorFixedPoint:
    """The fixed point that a flow came to, by its transfer spectrum.

    Arguments:
        flow: from `renormalise`.
        dimensions: how many of the lowest must stand still together, the next one up being their witness.
        tolerance, shortest: as `dimension_plateau`.

    A critical point is named where the dimensions have a plateau: for all lengths up to those where it ends. Else the
    median of the last three steps is looked at: eigenvalues with x < 0.02 count as equal to the largest, and where all
    others have x > 2 the fixed point is trivial, with one phase for each. Gu and Wen (2009).
    """
    x = flow.dimensions(dimensions + 1)
    plateau = dimension_plateau(x[:, :-1], x[:, -1], tolerance=tolerance, shortest=shortest)
    last = np.median(flow.dimensions(flow.eigenvalues.shape[1] - 1)[-_LATE:], axis=0)
    phases = 1 + int(np.sum(last < _DEGENERATE))
    if plateau is not None:
        values = ", ".join(f"{x:.4f}" for x in plateau.dimensions)
        reach = (flow.lengths[plateau.first], flow.lengths[plateau.last])
        text = (
            f"critical: dimensions {values} stand still from step {plateau.first} to {plateau.last}, "
            f"lengths {reach[0]:.0f} to {reach[1]:.0f}"
        )
        return TensorFixedPoint("critical", phases, plateau, text)
    if np.all((last < _DEGENERATE) | (last > _GAPPED)):
        kind: Literal["ordered", "disordered"] = "ordered" if phases > 1 else "disordered"
        many = "s" if phases > 1 else ""
        text = f"no plateau; trivial fixed point, {kind}: {phases} phase{many} at length {flow.lengths[-1]:.3g}"
        return TensorFixedPoint(kind, phases, None, text)
    steps = len(flow.tensors) - 1
    return TensorFixedPoint(
        "undecided", phases, None, f"no plateau, and no trivial fixed point after {steps} steps: go on"
    )
