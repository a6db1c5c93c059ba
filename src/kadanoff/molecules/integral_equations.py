"""Integral equations as a model of how g(r) answers to the potential: HNC start and regularised Newton steps.

The Ornstein-Zernike equation and the hypernetted-chain (HNC) closure

    h^(k) = c^(k) (1 + rho h^(k)),        beta U(r) = h(r) - c(r) - ln g(r)

give a first potential from a measured g, and the answer of g to a small change of U,

    dg/dU = -beta [diag(1/g - 1) + T]^-1,        T = F^-1 diag((1 + rho h^)^-2) F,

from one distribution, without the cross-correlations of inverse Monte Carlo (Delbary, Hanke, Ivanizki 2020; Bernhardt,
Hanke, van der Vegt 2021). Long waves are where this fails: 1/S(0)^2 is about 250 for water, so the noise of g at large
r would rule the step. Each step is therefore regularised, as strongly as the known noise of g asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from kadanoff.molecules.frames import BOLTZMANN
from kadanoff.molecules.potentials import PairPotential

if TYPE_CHECKING:
    from kadanoff.molecules.pair_distributions import PairDistribution

__all__ = [
    "Liquid",
    "NewtonStep",
    "gauss_newton_step",
    "hnc_distribution",
    "hnc_jacobian",
    "hnc_potential",
    "hnc_start",
    "liquid",
]

Array = NDArray[np.float64]

SMOOTH = ((0.3, 0.15), (0.1, 0.03))
"""Sizes (kT) and reaches (nm) of the changes of U that a step lets through: what HNC gets wrong is smooth."""


@lru_cache(maxsize=8)
def _transform(points: int, width: float) -> tuple[Array, Array, Array, Array]:
    """r, k and the matrices of f^(k) = 4 pi/k int r f sin(kr) dr and its inverse; exact inverses of each other
    (DST-IV)."""
    half = np.arange(points) + 0.5
    r, k = half * width, half * np.pi / (points * width)
    sine = np.sin(np.outer(k, r))
    forward = 4 * np.pi * width * sine * r[None, :] / k[:, None]
    backward = (sine.T * k[None, :] / r[:, None]) * (k[1] - k[0]) / (2 * np.pi**2)
    return np.asarray(r), np.asarray(k), np.asarray(forward), np.asarray(backward)


@dataclass(frozen=True, eq=False)
class Liquid:
    """Total and direct correlation of a liquid on the bin centres r = (i + 1/2) width, beyond the measured range too.

    ``total`` h (m,), ``direct`` c (m,), ``structure_factor`` S(k) = 1 + rho h^(k) (m,), ``measured`` number of bins
    that were data, ``density`` in nm^-3, ``width`` in nm; ``extended``: whether h goes on beyond them (see `liquid`).
    """

    width: float
    density: float
    measured: int
    total: Array
    direct: Array
    structure_factor: Array
    extended: bool = True

    @property
    def r(self) -> Array:
        """Bin centres (nm)."""
        return _transform(len(self.total), self.width)[0]


def liquid(g: Array, width: float, density: float, *, beads: int | None = None, smallest: float = 0.02) -> Liquid:
    """Ornstein-Zernike for a measured g(r), with c = 0 beyond the last bin: h there follows (Verlet 1968).

        h^(k) = c^(k) / (1 - rho c^(k)),      h(r) = g(r) - 1 for r < R,      c(r) = 0 for r > R

    h oscillates far beyond R in a dense liquid, c does not: cutting h at R instead makes the HNC potential of a
    Lennard-Jones fluid near its triple point wrong by 2 kT, cutting c by 0.1 kT outside the core. Solved by Newton's
    method, from c of the cut h.

    In a closed system of ``beads`` N, with g normalised by N(N-1)/2 pairs, g tends to 1 + (1 - S(0))/N, not to 1
    (Lebowitz & Percus 1961). That offset is divided out, S(0) found with it: small in g, it is everything in S(0).

    ``g`` (m,) on bins (i, i + 1) width, from r = 0; ``width`` nm, ``density`` nm^-3. Where no c with S(k) > 0 gives g
    (noise, a short R), h is cut at R, S(k) at ``smallest``, and `Liquid.extended` is False. Raises ValueError where g
    is negative or not finite, or where N is so small that the sphere of the last bin holds them all.
    """
    g = np.asarray(g, dtype=np.float64)
    if g.ndim != 1 or not np.all(np.isfinite(g)) or np.any(g < 0):
        raise ValueError("g must be one curve of finite, non-negative numbers on bins that start at r = 0")
    measured = len(g)
    points = max(512, 2 * measured)
    _, _, forward, backward = _transform(points, width)
    if beads is not None and density * 4 / 3 * np.pi * (measured * width) ** 3 >= beads:
        raise ValueError(
            f"a sphere of radius {measured * width:g} nm holds more than the {beads} beads of the box; shorten g"
        )
    total = np.zeros(points)
    offset = 0.0
    for _ in range(200):
        total[:measured] = g / (1.0 + offset) - 1.0
        fresh = 0.0 if beads is None else -density * float(forward[0] @ total) / beads
        if abs(fresh - offset) < 1e-12:
            break
        offset = fresh
    structure = np.maximum(1.0 + density * (forward @ total), smallest)
    direct = backward @ ((structure - 1.0) / density / structure)
    longer = _direct(g, density, forward, backward, 0.0 if beads is None else 1.0 / beads)
    if longer is not None:
        structure = 1.0 / (1.0 - density * (forward @ longer))
        return Liquid(width, density, measured, backward @ ((structure - 1.0) / density), longer, structure)
    return Liquid(width, density, measured, total, direct, structure, extended=False)


def _direct(g: Array, density: float, forward: Array, backward: Array, share: float) -> Array | None:
    """c (points,), zero beyond the bins of g, whose h is g / (1 + (1 - S(0)) ``share``) - 1 on them; None if not found.

    Newton's method, dh/dc = F^-1 S^2 F and what S(0) adds, along t h with t from 0 (the ideal gas, c = 0) to 1.
    """
    m = len(g)
    forward, backward = forward[:, :m], backward[:m]
    c, structure = np.zeros(m), np.ones(len(forward))
    done, step = 0.0, 0.1
    while done < 1.0:
        part, old, before = min(1.0, done + step), c, structure
        for _ in range(12):
            h = backward @ ((structure - 1.0) / density)
            residual = part * (g / (1.0 + (1.0 - structure[0]) * share) - 1.0) - h
            if np.max(np.abs(residual)) < 1e-10:
                done, step = part, 1.5 * step
                break
            matrix = (backward * structure**2) @ forward
            shift = 1.0 + (1.0 - structure[0]) * share
            matrix -= part * np.outer(g / shift**2, share * density * structure[0] ** 2 * forward[0])
            c = c + linalg.solve(matrix, residual)
            inverse = 1.0 - density * (forward @ c)
            if inverse.min() <= 1e-3:
                break
            structure = 1.0 / inverse
        if done != part:
            c, structure, step = old, before, 0.4 * step
            if step < 1e-3:
                return None
    return np.concatenate([c, np.zeros(backward.shape[1] - m)])


def hnc_potential(state: Liquid, temperature: float) -> Array:
    """U(r) = kT (h - c - ln g) on the measured bins (m,), kJ/mol; infinite where g is zero."""
    total, direct = state.total[: state.measured], state.direct[: state.measured]
    with np.errstate(divide="ignore"):
        return BOLTZMANN * temperature * (total - direct - np.log(np.maximum(1.0 + total, 0.0)))


def hnc_jacobian(state: Liquid, temperature: float, *, floor: float = 1e-6) -> Array:
    """dg_i/dU_j of the HNC closure on the measured bins, (m, m) in mol/kJ.

    dg/dU = -beta [diag(1/g - 1) + F^-1 S(k)^-2 F]^-1, inverted on the extended range and then cut to the measured one.
    ``floor`` keeps 1/g finite in the core, where the answer is then nearly zero, as it should be.
    """
    _, _, forward, backward = _transform(len(state.total), state.width)
    matrix = (backward / state.structure_factor**2) @ forward
    matrix[np.diag_indices_from(matrix)] += 1.0 / np.maximum(1.0 + state.total, floor) - 1.0
    inverse = linalg.inv(matrix)
    return np.asarray(-inverse[: state.measured, : state.measured] / (BOLTZMANN * temperature))


def hnc_distribution(
    energy: Array, width: float, density: float, temperature: float, *, start: Liquid | None = None
) -> Liquid:
    """Solve HNC for a potential on bins: g(r) without a simulation, by Newton's method on h - c.

    ``energy`` (m,) in kJ/mol at the bin centres, zero beyond. Raises ValueError where HNC has no solution that Newton
    finds
    (dense or cold liquids).
    """
    measured = len(energy)
    points = max(512, 2 * measured)
    _, _, forward, backward = _transform(points, width)
    reduced = np.zeros(points)
    reduced[:measured] = np.asarray(energy) / (BOLTZMANN * temperature)
    indirect = np.zeros(points) if start is None else (start.total - start.direct).copy()
    # gamma = h - c obeys gamma^ = rho c^2 / (1 - rho c^). It is cooled at full density, each step solved by Newton:
    # raising the
    # density at full strength would walk through the region where vapour and liquid part
    for strength in np.linspace(0.1, 1.0, 7) if start is None else np.array([1.0]):
        for _ in range(60):
            g = np.exp(np.clip(indirect, -30, 30) - strength * reduced)
            direct = g - 1.0 - indirect
            transformed = forward @ direct
            denominator = 1.0 - density * transformed
            residual = backward @ (density * transformed**2 / denominator) - indirect
            size = np.max(np.abs(residual))
            if size < 1e-11:
                break
            slope = (backward * (1.0 / denominator**2 - 1.0)) @ forward
            matrix = slope * (g - 1.0)[None, :]
            matrix[np.diag_indices_from(matrix)] -= 1.0
            change = linalg.solve(matrix, residual)
            indirect = indirect - change * min(1.0, 1.0 / max(np.max(np.abs(change)), 1e-300))
        else:
            raise ValueError(
                f"HNC has no solution that Newton's method finds at {strength:.2g} of the potential (residual "
                f"{size:.2g}); simulate instead"
            )
    total = np.exp(indirect - reduced) - 1.0
    return Liquid(width, density, measured, total, total - indirect, 1.0 + density * (forward @ total))


def hnc_start(
    target: PairDistribution, temperature: float, cutoff: float, *, spacing: float = 0.02, least_counts: int = 20
) -> PairPotential:
    """The HNC potential of a measured g(r), smoothed to its noise: a first potential without any simulation.

    U(r) = kT (h - c - ln g) on the bins with at least ``least_counts`` pairs, fitted by a cubic spline with knots
    ``spacing`` nm apart that
    vanishes smoothly at ``cutoff``. The noise of U is that of kT ln g; roughness is judged beside the curve's own
    curvature and its strength
    minimises the predictive risk (residual^2 + 2 degrees of freedom). ``target`` needs error bars, and bins from r =
    0 to well beyond the
    cut-off. Returns a `PairPotential` whose core is extrapolated below the first used bin.
    """
    width = float(target.edges[1] - target.edges[0])
    energy = hnc_potential(liquid(target.g, width, target.density, beads=target.number[0]), temperature)
    used, lower = used_bins(target.counts.sum(axis=0), target, least_counts)
    used &= target.r < cutoff
    thermal = BOLTZMANN * temperature
    r, sigma = target.r[used], thermal * target.error[used] / target.g[used]
    design = spline_basis(r, lower, cutoff, spacing)
    scaled = design / sigma[:, None]
    free = linalg.lstsq(scaled, energy[used] / sigma)[0]
    bend = np.convolve(np.pad(np.abs(np.diff(free, 2)), 2, mode="edge"), np.full(5, 0.2), mode="valid")
    rough = np.diff(np.eye(len(free)), 2, axis=0) / (0.05 * thermal + bend[:, None])
    _, smooth, _, _ = least_risk(scaled, energy[used] / sigma, rough.T @ rough + 1e-9 * np.eye(len(free)))
    fine = fine_grid(lower, cutoff)
    return PairPotential.from_energy(
        fine, spline_basis(fine, lower, cutoff, spacing) @ smooth, cutoff=cutoff, supported=(lower, cutoff), edge=width
    )


@dataclass(frozen=True, eq=False)
class NewtonStep:
    """A potential after one step, and what the step saw.

    ``chi2`` is the mean square of the whitened difference of g before the step, 1 where model and target agree within
    their noise; ``predicted`` the same after it by the linear answer; ``strength`` the regularisation lambda,
    ``freedom`` the degrees of freedom it left, ``largest`` the largest change of U in kT; ``measured`` whether the
    answer of g was measured or HNC's. ``converged``: no step lowers the predictive risk by 4 or more, this one is
    within the noise; a chi2 far above 1 then says that the linear answer is at its end.
    """

    potential: PairPotential
    chi2: float
    predicted: float
    strength: float
    freedom: float
    largest: float
    measured: bool
    converged: bool


def gauss_newton_step(
    potential: PairPotential,
    target: PairDistribution,
    model: PairDistribution,
    temperature: float,
    *,
    singles: PairDistribution | None = None,
    spacing: float = 0.02,
    trust: float = 0.5,
    far: float = 3.0,
    least_counts: int = 20,
) -> NewtonStep:
    """One regularised Gauss-Newton step towards the target g.

    The change of U is a cubic spline with knots ``spacing`` nm apart that vanishes with two derivatives at the
    cut-off. It minimises

        |W (g* - g - J dU)|^2 + lambda dU^T K^-1 dU

    with the covariance K of a smooth curve, and W from `whitening`. Lambda minimises the predictive risk, residual^2
    + 2 (degrees of freedom), which the known noise of g makes computable; where no step lowers it by 4 the iteration
    has converged. No change passes ``trust`` kT.

    ``target`` and ``model`` must have the same bins from r = 0, should reach well beyond the cut-off, and need error
    bars; bins with fewer than ``least_counts`` pairs in either are left out, and below the first that is left the
    core is extrapolated. ``singles`` is the model's g again with one block for each frame. With it, W knows how the
    noise of the bins hangs together: a dense liquid is nearly incompressible, so some sums over bins are known far
    better than their parts, and they hold the pressure. And J is `measured_response` once the bins agree to chi^2 <
    ``far``; further away, and without ``singles``, J is `hnc_jacobian`, which is good for the stiff changes and free
    of noise.

    Returns a `NewtonStep`. Raises ValueError for unlike bins. Source: Bernhardt, Hanke, van der Vegt, JCP 154, 084118
    (2021) and Lyubartsev, Laaksonen, PRE 52, 3730 (1995) for the two J; Mallows, Technometrics 15, 661 (1973) for the
    risk.
    """
    if not np.array_equal(target.edges, model.edges):
        raise ValueError(
            "target and model distributions have different bins; measure both with the same cutoff and width"
        )
    width, cutoff, thermal = float(target.edges[1] - target.edges[0]), potential.cutoff, BOLTZMANN * temperature
    used, lower = used_bins(np.minimum(target.counts.sum(axis=0), model.counts.sum(axis=0)), target, least_counts)
    inside = (target.r > lower) & (target.r < cutoff)
    values = spline_basis(target.r[inside], lower, cutoff, spacing)
    difference = (target.g - model.g)[used]
    apart = float(np.mean(difference**2 / (target.error**2 + model.error**2)[used]))
    measured = singles is not None and apart < far
    if singles is not None and measured:
        answer = measured_response(singles, used, singles.counts[:, inside] @ values, temperature)
    else:
        state = liquid(0.5 * (model.g + target.g), width, target.density, beads=target.number[0])
        answer = (hnc_jacobian(state, temperature)[:, inside] @ values)[used]
    white = whitening(target, model, singles, used)
    difference, design = white @ difference, white @ answer
    chi2 = float(np.mean(difference**2))
    penalty = linalg.inv(smooth_spread(potential, lower, values.shape[1], thermal, SMOOTH)) / thermal**2
    risk, change, strength, freedom = least_risk(design, difference, penalty)
    fine = fine_grid(lower, cutoff)
    basis = spline_basis(fine, lower, cutoff, spacing)
    gain = chi2 * len(difference) - risk
    if gain <= 0.0:
        return NewtonStep(potential, chi2, chi2, strength, freedom, 0.0, measured, True)
    largest = float(np.max(np.abs(basis @ change)) / thermal)
    if largest > trust:
        change, largest = change * (trust / largest), trust
    predicted = float(np.mean((difference - design @ change) ** 2))
    better = potential.updated(fine, basis @ change, supported=(lower, cutoff), edge=width)
    return NewtonStep(better, chi2, predicted, strength, freedom, largest, measured, gain < 4.0)


def whitening(
    target: PairDistribution, model: PairDistribution, singles: PairDistribution | None, used: NDArray[np.bool_]
) -> Array:
    """Matrix (modes, used bins) that turns g_target - g_model into numbers of unit noise, independent of each other.

    The modes are the eigenvectors of the covariance of g over single frames (``singles``, at least four times as many
    as bins), the noise of each is that of the blocks of ``target`` and ``model`` along it, which counts correlation in
    time too. Without ``singles`` every bin stands for itself. Raises ValueError for too few frames.
    """
    if singles is None:
        return np.diag(1.0 / np.sqrt(target.error**2 + model.error**2)[used])
    if len(singles) < 4 * np.count_nonzero(used):
        raise ValueError(
            f"{len(singles)} frames are too few for the noise of {np.count_nonzero(used)} bins together; simulate "
            f"longer, or keep "
            "frames more often"
        )
    g = singles.counts[:, used] / singles.ideal[:, used]
    modes = linalg.eigh(np.cov(g, rowvar=False))[1]
    return unit_noise(modes, target.deviations[:, used], model.deviations[:, used])


def unit_noise(modes: Array, *deviations: Array) -> Array:
    """The rows of ``modes`` (bins, modes), each over its noise: the root of what the deviations (blocks, bins) of every
    distribution make of it; a mode without any counts for nothing."""
    noise = np.zeros(modes.shape[1])
    for part in deviations:
        noise += np.sum((part @ modes) ** 2, axis=0) * (len(part) / (len(part) - 1))
    return np.asarray((modes / np.sqrt(np.where(noise > 0, noise, np.inf))).T)


def measured_response(singles: PairDistribution, used: NDArray[np.bool_], felt: Array, temperature: float) -> Array:
    """dg_i/dx_j = -beta <dg_i dS_j> over single frames, (used bins, parameters) in mol/kJ.

    ``felt`` (frames, parameters): S_j, the sum over pairs of what parameter j adds to U at their distance. This is
    the answer of inverse
    Monte Carlo (Lyubartsev & Laaksonen, 1995): exact for long runs, noisy for short ones.
    """
    g = singles.counts[:, used] / singles.ideal[:, used]
    return np.asarray(-(g - g.mean(axis=0)).T @ (felt - felt.mean(axis=0)) / len(g) / (BOLTZMANN * temperature))


def smooth_spread(
    potential: PairPotential, lower: float, knots: int, thermal: float, parts: tuple[tuple[float, float], ...]
) -> Array:
    """Covariance (knots, knots), in (kT)^2, of smooth changes of U on the splines of `spline_basis`.

    The sum of squared exponentials of ``parts`` (size in kT, reach in nm); in the wall, where U passes 3 kT, the size
    grows with U.
    """
    spacing = (potential.cutoff - lower) / (knots - 1)
    apart = spacing * np.subtract.outer(np.arange(knots), np.arange(knots))
    spread = sum(size**2 * np.exp(-0.5 * (apart / reach) ** 2) for size, reach in parts)
    wall = np.clip(potential.energy_at(lower + spacing * np.arange(knots)) / (3.0 * thermal), 1.0, 5.0)
    return np.asarray(spread * np.outer(wall, wall) + 1e-8 * np.eye(knots))


def used_bins(counts: NDArray[np.int64], target: PairDistribution, least: int) -> tuple[NDArray[np.bool_], float]:
    """Bins with enough pairs, from the first on, and the lower edge of the first."""
    used = counts >= least
    if not used.any():
        raise ValueError(f"no bin of g(r) holds {least} pairs: the data are too few")
    return used, float(target.edges[int(np.argmax(used))])


def fine_grid(lower: float, cutoff: float) -> Array:
    return lower + (cutoff - lower) * np.linspace(0.0, 1.0, 401)


def least_risk(
    design: Array, data: Array, penalty: Array, variances: Array | None = None
) -> tuple[float, Array, float, float]:
    """Ridge solution with the least predictive risk |data - fit|^2 + 2 sum_i H_ii v_i: risk, x, lambda, freedom.

    H takes the data to the fit; v are the noise ``variances`` of the rows, 1 by default; the sum is the freedom."""
    normal, right = design.T @ design, design.T @ data
    noisy = normal if variances is None else design.T @ (variances[:, None] * design)
    found: list[tuple[float, Array, float, float]] = []
    for strength in np.geomspace(1e5, 1e-3, 81):
        factor = linalg.cho_factor(normal + strength * penalty)
        solution = linalg.cho_solve(factor, right)
        freedom = float(np.trace(linalg.cho_solve(factor, noisy)))
        found.append((float(np.sum((data - design @ solution) ** 2)) + 2 * freedom, solution, float(strength), freedom))
    return min(found, key=lambda item: item[0])


def spline_basis(r: Array, lower: float, cutoff: float, spacing: float) -> Array:
    """Cubic B-splines on [lower, cutoff] at r; the last three are left out, so U = U' = U'' = 0 at the cut-off."""
    from scipy.interpolate import BSpline

    intervals = max(4, round((cutoff - lower) / spacing))
    knots = lower + (cutoff - lower) / intervals * np.arange(-3, intervals + 4)
    return np.asarray(BSpline.design_matrix(np.clip(r, lower, cutoff * (1 - 1e-12)), knots, 3).toarray()[:, :-3])
