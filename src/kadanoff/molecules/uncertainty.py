"""What g(r) says of a pair potential and what it leaves open: the posterior mean, and error bands that fit to it.

A dense liquid hardly feels some smooth changes of its pair potential, so a potential can match every bin of g to its
noise and still be wrong by a good part of kT, and its pressure by kilobars. Which changes are felt is measured, not
modelled. For a change of U by sum_j x_j B_j the sums over pairs S_j = sum B_j(r) say all there is to say (they are the
sufficient statistics of the exponential family), and

    d<S>/dx = -beta cov(S),        y = <S>_target - <S>_model

Modes are the generalised eigenvectors of beta^2 cov(S) and of a prior covariance s^2 K of smooth curves around the
potential that the iteration started from. The prior is centred there because that is all that is known without g; its
size s is the one that makes the data most probable, as the start may be a tenth of kT off or two. In a mode that is
felt the posterior mean follows the data, in one that is not it stays at the start; the band holds both errors, the
noise of the blocks carried through the estimator and s along what was not felt.
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

__all__ = ["LeftOpen", "Settled", "left_open", "settle"]

Array = NDArray[np.float64]

_PRIOR = ((1.0, 0.15), (0.2, 0.03))
"""Shape of the spread of U around the start: parts of (kT, nm). Its size is found from the data."""

_FRAMES = 500
"""So few single frames at least for the covariance of about 40 sums."""


@dataclass(frozen=True, eq=False)
class Settled:
    """The posterior mean of U after one simulation, and what the simulation saw.

    ``chi2``: mean square of y over its noise, by mode, before the step; ``expected``: what noise alone would make it;
    ``prior``: the size s of the prior; ``freedom``: how many modes the data decide; ``largest``: the largest change of
    U in kT; ``converged``: the change is one that noise makes.
    """

    potential: PairPotential
    chi2: float
    expected: float
    prior: float
    freedom: float
    largest: float
    converged: bool


@dataclass(frozen=True, eq=False)
class LeftOpen:
    """``potential`` with its band; ``pressure`` (bar), the standard error that the band means for the virial pressure;
    ``softest``: chi^2 by which a change of one prior width along the least felt direction would show in g (below 1:
    not felt at all)."""

    potential: PairPotential
    pressure: float
    softest: float


@dataclass(frozen=True, eq=False)
class _Modes:
    """Modes of U that a simulation can tell apart.

    ``shapes`` (r, modes) on the grid ``fine``; ``begin`` (modes,): start - potential; ``answer`` (modes,):
    -dy/da; ``difference`` (modes,): y; ``target``, ``model`` (blocks, modes): deviations of their blocks.
    """

    fine: Array
    shapes: Array
    begin: Array
    answer: Array
    difference: Array
    target: Array
    model: Array

    def prior(self, noise: Array) -> float:
        """The variance s^2 of the prior that makes the data most probable."""
        found, error = self.difference / -self.answer, noise / self.answer**2
        sizes = np.geomspace(1e-2, 1e4, 121)
        spread = sizes[:, None] + error
        chance = -0.5 * np.sum(np.log(spread) + (found - self.begin) ** 2 / spread, axis=1)
        return float(sizes[int(np.argmax(chance))])


def settle(
    potential: PairPotential,
    start: PairPotential,
    target: PairDistribution,
    model: PairDistribution,
    singles: PairDistribution,
    temperature: float,
    *,
    spacing: float = 0.02,
    trust: float = 0.5,
    least_counts: int = 20,
) -> Settled:
    """The posterior mean of U given the target's g and a simulation of ``potential`` that is near it.

    ``start``: the potential the iteration began with, the centre of the prior; ``model``: g of the simulation and
    ``singles`` the same with one block for each frame, 500 at least. The change is a cubic spline with knots
    ``spacing`` nm apart that vanishes with two derivatives at the cut-off, and nowhere more than ``trust`` kT.

    Returns a `Settled`. Raises ValueError for unlike bins, or too few frames. Source: Shell, J. Chem. Phys. 129,
    144108 (2008) for S and its covariance; MacKay, Neural Comput. 4, 415 (1992) for the size of the prior.
    """
    modes = _modes(potential, start, target, model, singles, temperature, spacing, least_counts)
    own = _noise(modes.model)
    noise = _noise(modes.target) + own
    spread = modes.prior(noise)
    felt = modes.answer**2 / noise
    share = felt / (felt + 1.0 / spread)
    change = modes.shapes @ (share * modes.difference / -modes.answer + (1.0 - share) * modes.begin)
    # a potential that was fitted to the target and to the noise of another simulation differs by two of the latter
    chance = np.maximum(1.0, 2.0 * own / noise)
    freedom = float(np.sum(share))
    chi2, expected = (float(np.sum(share * x) / freedom) for x in (modes.difference**2 / noise, chance))
    thermal = BOLTZMANN * temperature
    largest = float(np.max(np.abs(change)) / thermal)
    enough = chi2 < expected * (1.0 + 3.0 * np.sqrt(2.0 / freedom)) and largest < trust
    if largest > trust:
        change, largest = change * (trust / largest), trust
    width = float(target.edges[1] - target.edges[0])
    better = potential.updated(modes.fine, change, supported=(float(modes.fine[0]), float(modes.fine[-1])), edge=width)
    return Settled(better, chi2, expected, float(np.sqrt(spread)), freedom, largest, bool(enough))


def left_open(
    potential: PairPotential,
    start: PairPotential,
    target: PairDistribution,
    fitted: PairDistribution,
    fresh: PairDistribution,
    singles: PairDistribution,
    temperature: float,
    *,
    spacing: float = 0.02,
    least_counts: int = 20,
) -> LeftOpen:
    """Standard error of a potential that `settle` gave, and of its pressure.

    ``start``: as for `settle`; ``target`` and ``fitted``: the distributions that it compared, whose noise is in the
    potential; ``fresh``: a new simulation of the potential, and ``singles`` the same with one block for each frame, at
    least 500. Where ``fresh`` is further from ``target`` than their noise (mean chi^2 above 1), the variances grow by
    chi^2. The pressure error is that of P = -(2 pi / 3) rho^2 int r^3 U'(r) g(r) dr at fixed g.

    The noise of the blocks goes through the estimator as it is: the modes are independent in one frame, but slow
    motions tie them together in time, and the pressure, to which all of them add, would come out twice too certain.

    Returns a `LeftOpen`. Raises ValueError for unlike bins, or too few frames.
    """
    if not np.array_equal(target.edges, fitted.edges):
        raise ValueError("the distributions have different bins; measure all with one cutoff and width")
    modes = _modes(potential, start, target, fresh, singles, temperature, spacing, least_counts)
    last = _modes(potential, start, target, fitted, singles, temperature, spacing, least_counts, float(modes.fine[0]))
    noise = _noise(modes.target) + _noise(last.model)
    now = _noise(modes.target) + _noise(modes.model)
    spread = modes.prior(now)
    felt = modes.answer**2 / noise
    share = felt / (felt + 1.0 / spread)
    chi2 = max(1.0, float(np.sum(share * modes.difference**2 / now) / np.sum(share)))

    def error(along: Array) -> Array:
        """Standard error of ``along`` (any, modes) times the modes."""
        carried = along * (share / modes.answer)
        variance = sum(
            np.sum((blocks @ carried.T) ** 2, axis=0) * (len(blocks) / (len(blocks) - 1))
            for blocks in (modes.target, last.model)
        )
        return np.asarray(np.sqrt(chi2 * (variance + spread * np.sum((along * (1.0 - share)) ** 2, axis=1))))

    shapes, fine = modes.shapes, modes.fine
    band = error(shapes)
    pushed = np.gradient(shapes, fine, axis=0) * (fine**3 * np.interp(fine, target.r, target.g))[:, None]
    push = np.atleast_2d(-2 * np.pi / 3 * target.density**2 * BAR * np.trapezoid(pushed, fine, axis=0))
    inner = potential.r >= fine[0] - 1e-9
    return LeftOpen(
        replace(potential, band=np.where(inner, np.interp(potential.r, fine, band), np.nan), force_band=None),
        float(error(push)[0]),
        float(np.min(felt) * spread),
    )


def _noise(deviations: Array) -> Array:
    """Variance of a mean from the deviations of its blocks."""
    blocks = len(deviations)
    return np.asarray(np.sum(deviations**2, axis=0) * (blocks / (blocks - 1)))


def _modes(
    potential: PairPotential, start: PairPotential, target: PairDistribution, model: PairDistribution,
    singles: PairDistribution, temperature: float, spacing: float, least_counts: int, lower: float | None = None,
) -> _Modes:  # fmt: skip
    if not all(np.array_equal(target.edges, other.edges) for other in (model, singles)):
        raise ValueError("the distributions have different bins; measure all with one cutoff and width")
    if len(singles) < _FRAMES:
        raise ValueError(
            f"the answer of g to U needs {_FRAMES} frames or more, one block each; these are {len(singles)} blocks"
        )
    thermal, cutoff = BOLTZMANN * temperature, potential.cutoff
    if lower is None:
        counts = np.minimum(target.counts.sum(axis=0), model.counts.sum(axis=0))
        lower = used_bins(counts, target, least_counts)[1]
    inside = (target.r > lower) & (target.r < cutoff)
    values = spline_basis(target.r[inside], lower, cutoff, spacing)
    covariance = np.cov(singles.counts[:, inside] @ values, rowvar=False) / thermal**2
    root = linalg.cholesky(smooth_spread(start, lower, values.shape[1], thermal, _PRIOR), lower=True) * thermal
    strength, turn = linalg.eigh(root.T @ covariance @ root)
    vectors = root @ turn
    fine = fine_grid(lower, cutoff)
    basis = spline_basis(fine, lower, cutoff, spacing)
    away = linalg.lstsq(basis, start.energy_at(fine) - potential.energy_at(fine))[0]
    sums = (singles.ideal.sum(axis=0) / singles.frames.sum())[inside, None] * (values @ vectors)  # g to <S> a frame
    return _Modes(
        fine=fine,
        shapes=basis @ vectors,
        begin=linalg.solve(vectors, away),
        answer=np.maximum(strength, 1e-12 * strength[-1]) * thermal,
        difference=(target.g - model.g)[inside] @ sums,
        target=target.deviations[:, inside] @ sums,
        model=model.deviations[:, inside] @ sums,
    )
