"""Local-density terms of a bead model: an energy of how crowded a bead is.

    U = sum_i F(rho_i),   rho_i = sum_{j != i} w(r_ij)

over the beads i of the centre type and their neighbours j of given types, with the weight of Sanyal & Shell, J. Chem.
Phys. 145, 034109 (2016), which LAMMPS' pair_style local/density has too:

    w = 1 (r <= r_1),   c0 + c2 r^2 + c4 r^4 + c6 r^6 (r_1 < r < r_2),   0 (r >= r_2)

with w and dw/dr continuous at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LocalDensity", "weight", "weight_coefficients"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LocalDensity:
    """F(rho) on a uniform grid, cubic Hermite between its nodes and straight beyond its ends.

    ``center``: type of the beads that have the energy; ``neighbours``: types that are counted; ``inner`` r_1 and
    ``outer`` r_2 in nm; ``start`` and ``step`` of the grid of rho; ``energy`` (m,) F in kJ/mol, ``slope`` (m,) dF/drho.

    Raises `ValueError` for tables and grids that are not finite, no neighbours, and radii that are not 0 <= r_1 < r_2.
    """

    center: str
    neighbours: tuple[str, ...]
    inner: float
    outer: float
    start: float
    step: float
    energy: Array
    slope: Array

    def __post_init__(self) -> None:
        if not 0.0 <= self.inner < self.outer < np.inf:
            raise ValueError(f"a local density needs 0 <= inner < outer, not {self.inner} and {self.outer} nm")
        energy, slope = (np.array(x, dtype=np.float64) for x in (self.energy, self.slope))
        if energy.ndim != 1 or len(energy) < 2 or slope.shape != energy.shape or not self.step > 0:
            raise ValueError("F(rho) and its slope need one grid of two nodes or more, with a positive step")
        if not (np.isfinite(energy).all() and np.isfinite(slope).all()):
            raise ValueError(f"F(rho) of {self.center} is not finite")
        if not (np.isfinite(self.start) and np.isfinite(self.step)):
            raise ValueError(
                f"the grid of rho of {self.center} must be finite, not start {self.start} and step {self.step}"
            )
        if not self.neighbours:
            raise ValueError(f"the local density of {self.center} counts no neighbours: name their types")
        for name, array in (("energy", energy), ("slope", slope)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "neighbours", tuple(self.neighbours))

    @property
    def cutoff(self) -> float:
        """The outer radius, nm."""
        return self.outer

    @property
    def densities(self) -> Array:
        """(m,) the grid of rho (a number of neighbours, without unit)."""
        return np.asarray(self.start + self.step * np.arange(len(self.energy)))

    def embedding(self, density: ArrayLike) -> tuple[Array, Array]:
        """F (kJ/mol) and dF/drho at densities of any shape."""
        rho = np.asarray(density, dtype=np.float64)
        last = len(self.energy) - 1
        s = (rho - self.start) / self.step
        inside = np.clip(s, 0.0, last)
        k = np.minimum(inside.astype(np.int64), last - 1)
        t = inside - k
        du = self.energy[k + 1] - self.energy[k]
        s0, s1 = self.slope[k] * self.step, self.slope[k + 1] * self.step
        c2, c3 = 3 * du - 2 * s0 - s1, s0 + s1 - 2 * du
        slope = (s0 + t * (2 * c2 + 3 * t * c3)) / self.step
        return self.energy[k] + t * (s0 + t * (c2 + t * c3)) + slope * (s - inside) * self.step, slope


def weight_coefficients(inner: float, outer: float) -> Array:
    """c0, c2, c4, c6 of the weight, from w = 1, w' = 0 at ``inner`` and w = w' = 0 at ``outer``."""
    x, y = inner**2, outer**2  # w is a cubic in r^2, with zero slope in r^2 at both ends
    return np.array([(1.0 - 3.0 * x / y), 6.0 * x / y**2, -3.0 * (1.0 + x / y) / y**2, 2.0 / y**3]) / (1.0 - x / y) ** 3


def weight(r: ArrayLike, inner: float, outer: float) -> tuple[Array, Array]:
    """w(r) and dw/dr (1/nm) at distances of any shape."""
    at = np.asarray(r, dtype=np.float64)
    c0, c2, c4, c6 = weight_coefficients(inner, outer)
    s = at**2
    middle = (at > inner) & (at < outer)
    value = np.where(at <= inner, 1.0, np.where(middle, c0 + s * (c2 + s * (c4 + s * c6)), 0.0))
    return value, np.where(middle, at * (2.0 * c2 + s * (4.0 * c4 + 6.0 * s * c6)), 0.0)
