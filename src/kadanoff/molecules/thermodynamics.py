"""Compressibility and Kirkwood-Buff integrals of beads: what long waves of g(r), and the pressure, say of a liquid.

    G(R) = 4 pi int_0^R (g(r) - 1) r^2 dr,        rho kT kappa_T = S(0) = 1 + rho G(infinity) = kT (d rho / d P)_T

with the isothermal compressibility kappa_T: rho kT kappa_T is 1 in an ideal gas and some 0.06 in water. A run is a
closed system of N beads, in which g tends to 1 + (1 - S(0)) / N, not to 1 (Lebowitz & Percus, 1961); that offset is
divided out, S(0) found with it, as in `integral_equations.liquid`.

Sources: Kirkwood & Buff, J. Chem. Phys. 19, 774 (1951); Kruger & Vlugt, Phys. Rev. E 97, 051301 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.losses import Loss
from kadanoff.molecules.frames import BAR, BOLTZMANN
from kadanoff.molecules.pair_distributions import PairDistribution

__all__ = [
    "KirkwoodBuff",
    "compressibility",
    "compressibility_from_pressures",
    "compressibility_loss",
    "in_bar",
    "kirkwood_buff",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KirkwoodBuff:
    """Running Kirkwood-Buff integral, with its error band.

    ``r`` (m,) upper edges of the bins, nm; ``running`` (m,) the integral to r, nm^3, and ``running_error``, which
    swings with g; ``value`` (m,) the same with the weight of Kruger & Vlugt, w = 1 - (23/8) x^3 + (3/4) x^4 + (9/8)
    x^5 for x = r / R, which extrapolates to infinity, and ``error`` (m,). Errors are a jackknife over blocks of time.
    ``offset``: of g in the closed system, at the last R. ``density`` nm^-3, ``blocks`` of the data.
    """

    r: Array
    running: Array
    running_error: Array
    value: Array
    error: Array
    offset: float
    density: float
    blocks: int

    @property
    def truncation(self) -> float:
        """How far ``value`` still moves: half its range over the last third of r, nm^3."""
        last = self.value[-max(2, len(self.r) // 3) :]
        return float(0.5 * np.ptp(last))


def kirkwood_buff(distribution: PairDistribution) -> KirkwoodBuff:
    """Kirkwood-Buff integral of beads of one type, freed of the closed system's offset.

    ``distribution`` from r = 0 (the first edge), to where g is flat, with two blocks or more. Raises ValueError for
    unlike types, bins that do not start at 0, or a last sphere that holds all beads.
    """
    if distribution.names[0] != distribution.names[1]:
        raise ValueError(f"the integral of one bead type is meant, not of the unlike pair {distribution.names}")
    edges, beads, density = distribution.edges, distribution.number[0], distribution.density
    if edges[0] != 0.0:
        raise ValueError(f"the bins must start at r = 0, not at {edges[0]:g} nm: the core belongs to the integral")
    if density * 4 / 3 * np.pi * edges[-1] ** 3 >= beads:
        raise ValueError(f"a sphere of radius {edges[-1]:g} nm holds more than the {beads} beads of the box; shorten g")
    if len(distribution) < 2:
        raise ValueError("error bars need at least two blocks of frames; there is one")
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    x = distribution.r[None, :] / edges[1:, None]
    weights = np.where(x < 1.0, 1.0 - 23.0 / 8.0 * x**3 + 0.75 * x**4 + 9.0 / 8.0 * x**5, 0.0) * shells

    def curves(g: Array) -> Array:
        """Running and weighted integral (2, m) of one g, and its offset with them (a last column)."""
        offset, change = 0.0, 1.0
        for _ in range(500):
            if abs(change) < 1e-14:
                break
            change = -density * float(weights[-1] @ (g / (1.0 + offset) - 1.0)) / beads - offset
            offset += change
        total = g / (1.0 + offset) - 1.0
        return np.stack([np.append(np.cumsum(shells * total), offset), np.append(weights @ total, offset)])

    counts, ideal = distribution.counts, distribution.ideal
    left_out = (counts.sum(axis=0) - counts) / (ideal.sum(axis=0) - ideal)
    blocks = len(distribution)
    parts = np.stack([curves(g) for g in left_out])
    error = np.sqrt((blocks - 1) * parts.var(axis=0))
    running, value = curves(distribution.g)
    return KirkwoodBuff(
        edges[1:], running[:-1], error[0, :-1], value[:-1], error[1, :-1], float(value[-1]), density, blocks
    )


def compressibility(distribution: PairDistribution | KirkwoodBuff) -> Estimate:
    """rho kT kappa_T = S(0) = 1 + rho G of beads of one type, a pure number; 1 in an ideal gas.

    The error joins that of the blocks and `KirkwoodBuff.truncation`: how far the integral still moves with its end.
    Raises ValueError as `kirkwood_buff`.
    """
    integral = kirkwood_buff(distribution) if isinstance(distribution, PairDistribution) else distribution
    density = integral.density
    error = density * float(np.hypot(integral.error[-1], integral.truncation))
    return Estimate(1.0 + density * float(integral.value[-1]), error, integral.blocks, "", "jackknife, and truncation")


def compressibility_from_pressures(
    densities: Sequence[float], pressures: Sequence[Estimate], temperature: float
) -> Estimate:
    """rho kT kappa_T = kT / (dP / d rho) from pressures at several densities: a pure number at their mean density.

    ``densities`` in nm^-3, ``pressures`` (bar) with errors, from independent runs at one ``temperature`` (K). Two make
    a difference quotient, whose own error is of the second order in their distance; with more the straight line of
    weighted least squares is taken. Raises ValueError for fewer than two densities, no errors, or a pressure that does
    not rise beyond four standard errors: there is no compressibility then.
    """
    rho = np.asarray(densities, dtype=np.float64)
    if len(rho) < 2 or len(pressures) != len(rho) or np.ptp(rho) <= 0:
        raise ValueError(f"two densities or more are needed, with a pressure each, not {list(densities)}")
    sigma = np.array([pressure.error or 0.0 for pressure in pressures])
    if not np.all(sigma > 0):
        raise ValueError("every pressure needs an error bar")
    design = np.column_stack([np.ones_like(rho), rho - rho.mean()]) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    slope = float((covariance @ design.T @ (np.array([p.value for p in pressures]) / sigma))[1])
    error = float(np.sqrt(covariance[1, 1]))
    if slope <= 4.0 * error:
        raise ValueError(
            f"the pressure does not rise with the density beyond its noise ({slope:.4g} +- {error:.2g} bar nm^3): take "
            "densities further apart, or run longer"
        )
    value = BOLTZMANN * temperature * BAR / slope
    return Estimate(value, value * error / slope, None, "", "pressures at several densities")


def in_bar(reduced: Estimate, density: float, temperature: float) -> Estimate:
    """kappa_T in 1/bar from rho kT kappa_T, ``density`` in nm^-3 and ``temperature`` in K."""
    return reduced.scaled(1.0 / (density * BOLTZMANN * temperature * BAR), "1/bar")


def compressibility_loss(fine: PairDistribution, coarse: PairDistribution) -> Loss:
    """The entry of the ledger: rho kT kappa_T of the reference's beads, of the model's, and their difference."""
    before, after = compressibility(fine), compressibility(coarse)
    return Loss("compressibility", before, after, before.minus(after))
