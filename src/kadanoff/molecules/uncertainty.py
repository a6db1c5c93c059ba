"""What g(r) leaves open of a matched potential: error bands that know which changes of U a liquid does not feel.

A dense liquid hardly feels some smooth changes of its pair potential (Henderson's theorem holds, but is
ill-conditioned), so a potential can
match g to its noise and still be wrong by a good part of kT, and its pressure by kilobars. How little is felt is
measured, not
modelled: the answer of g to a change of U is a covariance in the simulation of the matched model itself,

    dg_i / dU_j = -beta <dn_i dn_j> / n0_i          n: pairs in a bin, n0: in an ideal gas

(Lyubartsev & Laaksonen, 1995). With it, the posterior covariance of U given g and a prior spread K of smooth curves is

    C = (R^T S^-1 R + K^-1)^-1,    S = diag(se_target^2 + se_model^2).

The noise of the measured R would make R^T S^-1 R too large, just in the soft directions that matter; two halves of the
simulation, R1^T S^-1 R2, have no such bias.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.molecules.frames import BAR, BOLTZMANN
from kadanoff.molecules.integral_equations import fine_grid, smooth_spread, spline_basis, used_bins
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
    model: PairDistribution,
    frames: PairDistribution,
    temperature: float,
    *,
    spacing: float = 0.02,
    least_counts: int = 20,
) -> LeftOpen:
    """Standard error of a matched potential and of its pressure, given that g agrees.

    ``target`` and ``model``: the distributions that were compared, with error bars; ``frames``: the model's again,
    with one block for each
    frame, 500 at least. The pressure error is that of P = -(2 pi / 3) rho^2 int r^3 U'(r) g(r) dr at fixed g.

    Returns a `LeftOpen`. Raises ValueError for unlike bins, or too few frames. Where target and model differ by more
    than their noise the
    potential is wrong by more than this.
    """
    if not (np.array_equal(target.edges, model.edges) and np.array_equal(target.edges, frames.edges)):
        raise ValueError("the distributions have different bins; measure all with one cutoff and width")
    if len(frames) < 500:
        raise ValueError(
            f"the answer of g to U needs 500 frames or more, one block each; these are {len(frames)} blocks"
        )
    thermal, cutoff = BOLTZMANN * temperature, potential.cutoff
    used, lower = used_bins(np.minimum(target.counts.sum(axis=0), model.counts.sum(axis=0)), target, least_counts)
    inside = (target.r > lower) & (target.r < cutoff)
    values = spline_basis(target.r[inside], lower, cutoff, spacing)
    sigma = np.sqrt(target.error**2 + model.error**2)[used]

    g = frames.counts[:, used] / frames.ideal[:, used] / sigma
    felt = frames.counts[:, inside] @ values
    half = len(frames) // 2
    one, two = (_response(g[part], felt[part]) / thermal for part in (slice(0, half), slice(half, None)))
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


def _response(g: NDArray[np.float64], felt: NDArray[np.float64]) -> NDArray[np.float64]:
    """-<dg dS> over frames."""
    return np.asarray(-(g - g.mean(axis=0)).T @ (felt - felt.mean(axis=0)) / len(g))
