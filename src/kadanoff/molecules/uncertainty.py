"""What g(r) leaves open of a matched potential: error bands that know which changes of U a liquid does not feel.

A dense liquid hardly feels some smooth changes of its pair potential, so a potential can match every bin of g to its
noise
and still be wrong by a good part of kT, and its pressure by kilobars. How much is felt is measured, not modelled: the
answer R of g to a change of U is a covariance in the simulation of the matched model itself
(`integral_equations.measured_response`). The posterior covariance of U, given g and a prior spread K of smooth
curves, is

    C = ((W R)^T W R + K^-1)^-1

with W of `integral_equations.whitening`. The noise of the measured R would make (W R)^T W R too large, just in the soft
directions that matter; two halves of the simulation, (W R1)^T W R2, have no such bias.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from kadanoff.molecules.frames import BAR, BOLTZMANN
from kadanoff.molecules.integral_equations import (
    fine_grid,
    measured_response,
    smooth_spread,
    spline_basis,
    used_bins,
    whitening,
)
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import PairPotential

__all__ = ["LeftOpen", "left_open"]

_PRIOR = ((1.0, 0.15), (0.2, 0.03))
"""Spread of U before the data, parts of (kT, nm): what the HNC start is off by in Lennard-Jones liquids, up to their
triple point."""


@dataclass(frozen=True, eq=False)
class LeftOpen:
    """``potential`` with its band; ``pressure`` (bar), the standard error that the band means for the virial pressure;
    ``softest``: chi^2 by which a change of one prior width along the least felt direction would show in g (below 1:
    not felt at all)."""

    potential: PairPotential
    pressure: float
    softest: float


def left_open(
    potential: PairPotential,
    target: PairDistribution,
    fitted: PairDistribution,
    fresh: PairDistribution,
    singles: PairDistribution,
    temperature: float,
    *,
    spacing: float = 0.02,
    least_counts: int = 20,
) -> LeftOpen:
    """Standard error of a matched potential and of its pressure.

    ``target`` and ``fitted``: the distributions that were compared in the last step, whose noise is in the potential;
    ``fresh``: a new simulation of the potential, and ``singles`` the same with one block for each frame, at least
    500. Where ``fresh`` is further from ``target`` than their noise (mean chi^2 above 1), the variances grow by
    chi^2. The pressure error is that of P = -(2 pi / 3) rho^2 int r^3 U'(r) g(r) dr at fixed g.

    Returns a `LeftOpen`. Raises ValueError for unlike bins, or too few frames.
    """
    if not all(np.array_equal(target.edges, other.edges) for other in (fitted, fresh, singles)):
        raise ValueError("the distributions have different bins; measure all with one cutoff and width")
    if len(singles) < 500:
        raise ValueError(
            f"the answer of g to U needs 500 frames or more, one block each; these are {len(singles)} blocks"
        )
    thermal, cutoff = BOLTZMANN * temperature, potential.cutoff
    counts = np.minimum(target.counts.sum(axis=0), fresh.counts.sum(axis=0))
    used, lower = used_bins(counts, target, least_counts)
    inside = (target.r > lower) & (target.r < cutoff)
    values = spline_basis(target.r[inside], lower, cutoff, spacing)
    chi2 = float(np.mean((whitening(target, fresh, singles, used) @ (target.g - fresh.g)[used]) ** 2))
    white = whitening(target, fitted, singles, used) / np.sqrt(max(chi2, 1.0))
    half = len(singles) // 2
    parts = [singles.select(part) for part in (slice(0, half), slice(half, None))]
    one, two = (white @ measured_response(part, used, part.counts[:, inside] @ values, temperature) for part in parts)
    information = 0.5 * (one.T @ two + two.T @ one)
    strength, directions = linalg.eigh(information)
    information = (directions * np.clip(strength, 0.0, None)) @ directions.T

    prior = smooth_spread(potential, lower, values.shape[1], thermal, _PRIOR)
    posterior = linalg.inv(information + linalg.inv(prior) / thermal**2)
    fine = fine_grid(lower, cutoff)
    basis = spline_basis(fine, lower, cutoff, spacing)
    band = np.sqrt(np.einsum("ra,ab,rb->r", basis, posterior, basis))
    push = np.gradient(basis, fine, axis=0) * (fine**3 * np.interp(fine, target.r, target.g))[:, None]
    push = -2 * np.pi / 3 * target.density**2 * BAR * np.trapezoid(push, fine, axis=0)
    root = linalg.cholesky(prior, lower=True) * thermal
    softest = float(linalg.eigvalsh(root.T @ information @ root)[0])
    inner = potential.r >= lower - 1e-9
    return LeftOpen(
        replace(potential, band=np.where(inner, np.interp(potential.r, fine, band), np.nan), force_band=None),
        float(np.sqrt(push @ posterior @ push)),
        softest,
    )
