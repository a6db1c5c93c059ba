"""The whole of force matching in one call: pairs, the three-body term that predicts best, splines, local density.

A trajectory is read once, with every three-body term that is tried in one set of normal equations; which one is
taken, and how strongly each is regularised, is decided by blocks that the fit did not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from kadanoff.estimates import Estimate
from kadanoff.molecules.force_frames import parts
from kadanoff.molecules.force_terms import AngularBasis, DensityBasis, PairBasis, TripletBasis
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.local_density import weight
from kadanoff.molecules.neighbours import neighbour_pairs
from kadanoff.molecules.pair_forces import ratio_error
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import TermEquations, term_equations
from kadanoff.molecules.term_matching import TermMatch, check_equations, fit_terms
from kadanoff.molecules.term_solution import Mode, Strength, System

__all__ = ["Candidate", "ManyBodyMatch", "angular_candidates", "match_many_body", "scan_terms"]

_CUTOFFS = (1.25, 1.3, 1.35, 1.4, 1.5, 1.6)  # of the mean distance of nearest neighbours
_DECAYS = (0.2, 0.4, 0.55, 0.75, 1.05)
_NEAR, _FAR = 10, 16  # intervals of the spline triplet, to 1.4 and 2.8 such distances
_CROWDED, _DENSITIES = 1.3, 8  # reach of the local density in such distances, intervals of rho


@dataclass(frozen=True)
class Candidate:
    """A three-body term that was tried: ``held_out``, the variance that pairs and it explain on unseen blocks."""

    term: AngularBasis
    held_out: Estimate


@dataclass(frozen=True, eq=False)
class ManyBodyMatch:
    """What `match_many_body` found: nested fits on one set of ``equations``.

    ``pair``: pairs alone; ``three_body``: with the best angular term, ``angular``; ``splines``: with a spline triplet
    instead, None if not asked for; ``density``: pairs, angular term and a local density, None likewise;
    ``candidates``: the angular terms that were tried, best first.
    """

    equations: TermEquations
    angular: AngularBasis
    candidates: tuple[Candidate, ...]
    pair: TermMatch
    three_body: TermMatch
    splines: TermMatch | None
    density: TermMatch | None

    @property
    def best(self) -> Estimate:
        """Most of the force variance that any of the fits explains."""
        fits = [fit.total for fit in (self.pair, self.three_body, self.splines, self.density) if fit is not None]
        return max(fits, key=lambda estimate: estimate.value)


def angular_candidates(
    center: str, ends: tuple[str, str], distance: float, *, intervals: int = 10,
    cutoffs: Sequence[float] | None = None, decays: Sequence[float] | None = None,
) -> list[AngularBasis]:  # fmt: skip
    """Angular terms to choose from: all pairs of the ``cutoffs`` and ``decays`` (nm).

    By default 1.25 to 1.6 and 0.2 to 1.05 times ``distance``, that of nearest neighbours (nm), rounded to 0.001 nm.
    """
    lengths = [[round(factor * distance, 3) for factor in factors] for factors in (_CUTOFFS, _DECAYS)]
    return [
        AngularBasis(center, ends, cutoff, decay, intervals)
        for cutoff in (cutoffs or lengths[0])
        for decay in (decays or lengths[1])
    ]


def scan_terms(
    equations: TermEquations, fixed: Sequence[PairBasis], tried: Sequence[AngularBasis], mode: Mode = "joint"
) -> tuple[Candidate, ...]:
    """The force variance that pairs and each term explain on blocks held out, hardly regularised; best first."""
    found = []
    square = equations.square
    for term in tried:
        system = System.of(equations.only([*fixed, term]), "zero", mode)
        left = system.unseen(system.penalty({one.name: Strength() for one in system.terms}))
        value = 1.0 - float(left.sum() / square.sum())
        error = ratio_error(left, square, equations.strata)
        found.append(Candidate(term, Estimate(value, error, len(square), "", "blocks held out")))
    return tuple(sorted(found, key=lambda one: -one.held_out.value))


def match_many_body(
    frames: Frames | Iterable[Frames],
    *,
    cutoff: float = 0.9,
    spacing: float = 0.02,
    center: str | None = None,
    ends: tuple[str, str] | None = None,
    tried: Sequence[AngularBasis] | None = None,
    intervals: int = 10,
    mode: Mode = "joint",
    splines: bool = True,
    density: bool = True,
    blocks: int | None = None,
    resamples: int = 400,
    seed: int = 0,
    executor: Executor | None = None,
) -> ManyBodyMatch:
    """Match forces with pairs alone, pairs and three-body terms, and local densities; one pass over the frames.

    frames: one `Frames` or an iterable of chunks, with forces. cutoff and spacing of the pair knots, nm. center, ends:
    bead types of the three-body term; with one type they need not be said. tried: angular terms to choose from, by
    default `angular_candidates` around the mean distance of nearest neighbours in the first frame, with so many
    ``intervals`` of the cosine. mode: see `fit_terms`. splines, density: whether to fit a spline triplet and a local
    density too; blocks, executor: see `term_equations`; resamples, seed: of the bands.

    Raises ValueError as `term_equations` and `fit_terms` do, and where several bead types leave open which triplet is
    meant.
    """
    chunks = iter((frames,)) if isinstance(frames, Frames) else iter(frames)
    first = next((chunk for chunk in chunks if len(chunk)), None)
    if first is None:
        raise ValueError("no frames: at least one is needed")
    next(parts(iter((first[:1],)), cutoff))  # what is wrong with the first frame is said before it is measured
    names = [first.beads.names[kind] for kind in np.unique(first.beads.types)]
    if center is None:
        if len(names) > 1:
            raise ValueError(f"say which triplet is meant among the bead types {names}: center= and ends=")
        center = names[0]
    ends = ends or (center, center)
    around = nearest_distance(first)
    angular = list(tried) if tried is not None else angular_candidates(center, ends, around, intervals=intervals)
    knots = Knots(0.0, cutoff, max(4, round(cutoff / spacing)))
    pairs = [PairBasis((a, b), knots) for i, a in enumerate(names) for b in names[i:]]
    near = round(1.4 * around, 3)
    triplet = TripletBasis(center, ends, Knots(0.0, near, _NEAR), Knots(0.0, 2.0 * near, _FAR))
    crowd = density_basis(first, center, ends, round(_CROWDED * around, 3))
    extra: list[TripletBasis | DensityBasis] = []
    if splines:
        extra.append(triplet)
    if density:
        extra.append(crowd)
    equations = term_equations(
        chain((first,), chunks), [*pairs, *angular, *extra], blocks=blocks, executor=executor
    )  # fmt: skip
    check_equations(equations)
    candidates = scan_terms(equations, pairs, angular, mode)
    best = candidates[0].term

    def fit(*terms: AngularBasis | TripletBasis | DensityBasis) -> TermMatch:
        return fit_terms(equations, terms=[*pairs, *terms], mode=mode, resamples=resamples, seed=seed)

    return ManyBodyMatch(
        equations.only([*pairs, best, *extra]), best, candidates, fit(), fit(best),
        fit(triplet) if splines else None, fit(best, crowd) if density else None,
    )  # fmt: skip


def nearest_distance(frames: Frames) -> float:
    """Mean distance of a bead's nearest neighbour in the first frame, nm."""
    x, box = np.asarray(frames.positions[0], np.float64), frames.box[0]
    reach = min(2.5 * (float(np.prod(box)) / len(x)) ** (1.0 / 3.0), 0.5 * float(box.min()))
    pairs = neighbour_pairs(x, box, reach)
    nearest = np.full(len(x), np.inf)
    np.minimum.at(nearest, pairs.first, pairs.squared)
    np.minimum.at(nearest, pairs.second, pairs.squared)
    near = np.sqrt(nearest[np.isfinite(nearest)])
    if not len(near):
        raise ValueError(f"no two beads of the first frame are within {reach:g} nm of each other: nothing to match")
    return float(near.mean())


def density_basis(
    frames: Frames, center: str, neighbours: Sequence[str], outer: float, *, inner: float = 0.0,
    intervals: int = _DENSITIES,
) -> DensityBasis:  # fmt: skip
    """A local density of one type around another, its knots over the densities of the first frame and a fifth more."""
    beads, x, box = frames.beads, np.asarray(frames.positions[0], np.float64), frames.box[0]
    counted = tuple(dict.fromkeys(neighbours))
    pairs = neighbour_pairs(x, box, outer)
    w = weight(np.sqrt(pairs.squared), inner, outer)[0]
    kinds = np.array(beads.names)[beads.types]
    density = np.zeros(len(x))
    np.add.at(density, pairs.first, w * np.isin(kinds[pairs.second], counted))
    np.add.at(density, pairs.second, w * np.isin(kinds[pairs.first], counted))
    own = density[kinds == center]
    if not len(own) or not own.max() > 0.0:
        raise ValueError(f"no {center} of the first frame has a neighbour of {list(counted)} within {outer:g} nm")
    span = float(np.ptp(own)) or float(own.max())
    low, high = max(0.0, float(own.min()) - 0.2 * span), float(own.max()) + 0.2 * span
    return DensityBasis(center, counted, inner, outer, Knots(round(low, 2), round(high, 2), intervals))
