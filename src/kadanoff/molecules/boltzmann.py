"""From pair distributions to pair potentials: Boltzmann inversion, and its iteration.

    U(r) = -kT ln g(r)                      exact for dilute beads, a first guess elsewhere
    U_new(r) = U(r) + kT ln(g(r) / g*(r))   iterative Boltzmann inversion (Soper 1996; Reith et al. 2003)

Both act only on supported bins, where the target was seen often enough. Below the first of them the table is a wall
extrapolated from that bin (see `tabulation`); a gap further out is refused. A bin holds the mean of g over its width,
which on a steep rise is not g at its centre: the inversion corrects for that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.molecules.frames import BOLTZMANN
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import PairPotential

__all__ = ["boltzmann_inversion", "ibi_update", "potential_from_bins", "supported_bins"]

Array = NDArray[np.float64]

LEAST_COUNTS = 20
"""Pairs a bin must hold to be believed: about 22 % error of g, 0.2 kT of U."""


def supported_bins(distribution: PairDistribution, cutoff: float, *, least_counts: int = LEAST_COUNTS) -> slice:
    """The bins that data support: from the first behind the core to the last that touches the cut-off.

    The core ends at the last bin before the highest peak of g that holds fewer than ``least_counts`` pairs. One bin
    with its centre beyond ``cutoff`` (nm) is kept where there is one. Raises ValueError where the distribution ends
    before the cut-off, or where a bin behind the peak holds too few pairs (a gap, where -ln g says nothing): with the
    distances.
    """
    r, total = distribution.r, distribution.counts.sum(axis=0)
    width = float(distribution.edges[-1] - distribution.edges[-2])
    if distribution.cutoff < cutoff - 1e-6 * width:
        raise ValueError(
            f"g is known to {distribution.cutoff:g} nm only, the potential is to reach {cutoff:g} nm: measure further"
        )
    stop = min(len(r), int(np.searchsorted(r, cutoff - 1e-9 * cutoff)) + 1)
    scarce = total[:stop] < least_counts
    if scarce.all():
        raise ValueError(f"no bin below {cutoff:g} nm holds {least_counts} pairs: more frames or wider bins are needed")
    peak = int(np.argmax(np.where(scarce, -1.0, distribution.g[:stop])))
    before = np.flatnonzero(scarce[:peak])
    first = int(before[-1]) + 1 if len(before) else 0
    behind = peak + np.flatnonzero(scarce[peak:])
    if len(behind):
        raise ValueError(
            f"{len(behind)} bin(s) behind the first peak hold fewer than {least_counts} pairs, the first at r = "
            f"{r[behind[0]]:.4g} nm with {total[behind[0]]}: -kT ln g is unknown there; use more frames or wider bins"
        )
    if stop - first < 3:
        raise ValueError(
            f"only {stop - first} bin(s) below {cutoff:g} nm hold {least_counts} pairs or more; three are the least"
        )
    return slice(first, stop)


def potential_from_bins(
    r: ArrayLike,
    u: ArrayLike,
    supported: ArrayLike,
    cutoff: float,
    *,
    error: ArrayLike | None = None,
    step: float = 0.002,
    smooth: float = 0.05,
) -> PairPotential:
    """Potential from energies at bin centres: their cubic spline where supported, wall below, zero at the cut-off.

    r (m,) nm; u (m,) kJ/mol; supported (m,) True where u is known: one unbroken run; error (m,) standard error of u.
    ``step`` and ``smooth`` (nm): see `PairPotential.from_energy`. Raises ValueError where the supported bins have a
    gap.
    """
    x, mask = np.asarray(r, dtype=np.float64), np.asarray(supported, dtype=bool)
    known = np.flatnonzero(mask)
    if mask.shape != x.shape or not len(known):
        raise ValueError(f"supported must mark at least one of the {len(x)} bins, in an array of their shape")
    gaps = np.flatnonzero(~mask[known[0] : known[-1] + 1])
    if len(gaps):
        raise ValueError(f"the supported bins have a gap at r = {x[known[0] + gaps[0]]:.4g} nm: fill it or cut there")
    ends = (float(x[known[0]]), float(x[known[-1]]))
    return PairPotential.from_energy(x, u, supported=ends, cutoff=cutoff, step=step, smooth=smooth, band=error)


def boltzmann_inversion(
    distribution: PairDistribution,
    temperature: float,
    *,
    cutoff: float | None = None,
    least_counts: int = LEAST_COUNTS,
    step: float = 0.002,
    smooth: float = 0.05,
) -> PairPotential:
    """U(r) = -kT ln g(r) on the supported bins: the potential of mean force, exact in the dilute limit.

    distribution: with bins to ``cutoff`` (nm; by default all of them) or beyond. temperature in K. ``least_counts``:
    pairs a bin must hold to be believed. ``band`` and ``force_band`` of the potential are jackknife errors over the
    blocks, shift to zero at the cut-off included; None for a single block. Raises ValueError for a gap in the support.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, not {temperature} K")
    cutoff = distribution.cutoff if cutoff is None else cutoff
    bins = supported_bins(distribution, cutoff, least_counts=least_counts)
    thermal = BOLTZMANN * temperature
    r, edges = distribution.r[bins], distribution.edges[bins.start : bins.stop + 1]
    error = thermal / np.sqrt(distribution.counts.sum(axis=0)[bins])  # of counting; only weights the fit of the core
    centre = _mean_over_centre(edges, np.log(distribution.g[bins]))

    def potential(g: Array) -> PairPotential:
        energy = -thermal * (np.log(g) - centre)
        return potential_from_bins(r, energy, np.ones(len(r), bool), cutoff, error=error, step=step, smooth=smooth)

    whole = potential(distribution.g[bins])
    known = np.isfinite(whole.band) if whole.band is not None else np.ones(len(whole.energy), bool)
    if len(distribution) < 2:
        return replace(whole, band=None)
    counts, ideal = distribution.counts[:, bins], distribution.ideal[:, bins]
    # Half a pair stands in where all the pairs of a bin lie in the one block that is left out.
    left_out = np.maximum(counts.sum(axis=0) - counts, 0.5) / (ideal.sum(axis=0) - ideal)
    parts = [potential(g) for g in left_out]
    factor = np.sqrt(len(parts) - 1.0)
    bands = [factor * np.std([getattr(part, name) for part in parts], axis=0) for name in ("energy", "slope")]
    return replace(whole, band=np.where(known, bands[0], np.nan), force_band=np.where(known, bands[1], np.nan))


def ibi_update(
    potential: PairPotential,
    target: PairDistribution,
    model: PairDistribution,
    temperature: float,
    *,
    scale: float = 1.0,
    least_counts: int = LEAST_COUNTS,
    largest: float = 2.0,
) -> PairPotential:
    """One step of iterative Boltzmann inversion: U(r) + scale kT ln(g_model(r) / g_target(r)).

    Acts on the bins that the target supports; the core is extrapolated anew from the first of them. A bin there that
    the model never visits is as much a reason to act as any: it counts as half a pair, and no change exceeds
    ``largest`` kT. U and its slope vanish at the cut-off. temperature in K. Raises ValueError for unlike bins, and for
    gaps in the target's support.
    """
    if not np.array_equal(target.edges, model.edges):
        raise ValueError("target and model have different bins: measure both with one cutoff and width")
    if not (temperature > 0 and scale > 0):
        raise ValueError(f"temperature and scale must be positive, not {temperature} K and {scale}")
    bins = supported_bins(target, potential.cutoff, least_counts=least_counts)
    seen = np.maximum(model.counts.sum(axis=0)[bins], 0.5) / model.ideal.sum(axis=0)[bins]
    change = np.clip(np.log(seen / target.g[bins]), -largest, largest) * BOLTZMANN * temperature
    r = target.r[bins]
    return potential.updated(r, change, supported=(float(r[0]), float(r[-1])), scale=scale)


def _mean_over_centre(edges: Array, log_mean: Array) -> Array:
    """ln of (mean of g over a bin, with weight r^2) / (g at its centre), by a parabola through ln g of five bins."""
    centre, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    result = np.zeros_like(log_mean)
    for k in range(len(log_mean)):
        low = min(max(k - 2, 0), max(len(log_mean) - 5, 0))
        near = slice(low, low + 5)
        powers = np.vander((centre[near] - centre[k]) / width[k], 3)
        curve, slope, _ = np.linalg.lstsq(powers, log_mean[near], rcond=None)[0]
        x = 0.5 * nodes
        share = weights * (centre[k] + x * width[k]) ** 2
        result[k] = np.log(np.sum(share * np.exp(slope * x + curve * x * x)) / share.sum())
    return result
