"""Linear constraints on a step of structure matching: the pressure, and Kirkwood-Buff integrals.

A constraint asks that a number of the model becomes ``value``. To first order a change of U by sum_j x_j B_j changes
it by ``slope`` . x, and the step is the one that costs the fit of g least:

    minimise (x - x0)^T I (x - x0),   C x = d      ->     x = x0 - I^-1 C^T (C I^-1 C^T)^-1 (C x0 - d)

with I the information of the data and the prior (Lagrange). Sources: Bernhardt, Hanke, van der Vegt, JCP 154, 084118
(2021) for constraints in Gauss-Newton steps; Ganguly et al., JCTC 8, 1802 (2012) for Kirkwood-Buff integrals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Constraint", "KirkwoodBuffConstraint", "PressureConstraint", "constrain"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PressureConstraint:
    """Pressure of one ``state`` (its number among the targets): ``value`` bar, met where the model's own is within
    ``tolerance`` bar."""

    value: float
    tolerance: float = 15.0
    state: int = 0

    @property
    def name(self) -> str:
        """In words."""
        return f"pressure {self.value:g} bar of state {self.state}"


@dataclass(frozen=True)
class KirkwoodBuffConstraint:
    """G = 4 pi int_0^upper (g - 1) r^2 dr of the pair of types ``pair`` in one ``state``: ``value`` nm^3, met within
    ``tolerance``; ``upper`` nm.

    This is the plain integral in the closed box that is simulated, which is not the open system's: there g tends to
    1 + (1 - S(0)) / N. Take ``value`` from the target's g by the same integral; a number from experiment or from
    `thermodynamics.kirkwood_buff` (offset divided out, weighted to converge) is another quantity."""

    pair: tuple[str, str]
    value: float
    upper: float
    tolerance: float
    state: int = 0

    @property
    def name(self) -> str:
        """In words."""
        return f"Kirkwood-Buff integral {self.value:g} nm^3 of {self.pair} to {self.upper:g} nm in state {self.state}"


Constraint = PressureConstraint | KirkwoodBuffConstraint


def constrain(step: Array, spread: Array, slopes: Array, wanted: Array, names: Sequence[str]) -> Array:
    """The step nearest to ``step`` (p,), by ``spread`` (p, p) = I^-1, with ``slopes`` (c, p) @ x = ``wanted`` (c,).

    Raises ValueError, with the names, where two constraints contradict each other or where no change of U moves one.
    """
    moved = spread @ slopes.T
    metric = slopes @ moved
    scale = np.sqrt(np.diag(metric))
    for name, size in zip(names, scale, strict=True):
        if not size > 0:
            raise ValueError(f"the {name} cannot be reached: no change of the pair potentials moves it")
    alike = metric / np.outer(scale, scale)
    lowest = float(linalg.eigvalsh(alike)[0])
    if lowest < 1e-8:
        raise ValueError(f"the constraints contradict or repeat each other: {'; '.join(names)}; leave one out")
    return np.asarray(step - moved @ linalg.solve(metric, slopes @ step - wanted, assume_a="pos"))
