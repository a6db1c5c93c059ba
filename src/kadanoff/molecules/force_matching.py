"""Pairwise force matching: the pair force nearest to the forces of a trajectory, and what it leaves unexplained.

    minimise  sum_frames sum_i | f_i - sum_j f(r_ij) (r_i - r_j) / r_ij |^2,    f(r) = sum_a c_a B_a(r)

with cubic B-splines B_a on equally spaced knots (multiscale coarse-graining: Izvekov & Voth, J. Phys. Chem. B 109,
2469, 2005; Noid et al., J. Chem. Phys. 128, 244114, 2008). The problem is linear, so that a trajectory is read once,
into the normal equations of blocks of frames (`normal_equations`), and solved in milliseconds as often as one likes
(`solve`), with error bars from the blocks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from kadanoff.estimates import Estimate
from kadanoff.molecules._kernels.force_matching import accumulate
from kadanoff.molecules.force_frames import parts
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.pair_forces import (
    DataWarning,
    End,
    gaps,
    net_force,
    pair_columns,
    pair_table,
    ratio_error,
    supported_range,
)
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.time_blocks import TimeBlocks, block_draws, grouped

__all__ = ["DataWarning", "ForceMatch", "Knots", "NormalEquations", "normal_equations", "solve"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """All that force matching needs to know of a trajectory, block by block in time.

        gram = sum G^T G,   moment = sum G^T f,   square = sum f . f    over the frames of a block,

    where row (frame, bead, direction) of the design G holds sum_j B_a(r_ij) (r_i - r_j) / r_ij.

    knots: the splines, k of them on m intervals; gram (b, k, k), nm and kJ/mol out of the forces' unit; moment (b, k);
    square (b,); net (b,): sum over frames of |sum_i f_i|^2; pairs (b, m): pairs of beads in each knot interval;
    frames (b,); beads: their number; name: of their type; strata (b,): which state a block is of, where several were
    merged (`multistate.merged_equations`): error bars compare only blocks of one state. One state by default.

    `save` writes these arrays under these names into an npz file that NumPy alone can read (no pickles).
    """

    knots: Knots
    gram: Array
    moment: Array
    square: Array
    net: Array
    pairs: NDArray[np.int64]
    frames: NDArray[np.int64]
    beads: int
    name: str = "A"
    strata: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        b, k, m = len(self.frames), self.knots.splines, self.knots.intervals
        if not len(self.strata):
            object.__setattr__(self, "strata", np.zeros(b, np.int64))
        shapes = {"gram": (b, k, k), "moment": (b, k), "square": (b,), "net": (b,), "pairs": (b, m), "strata": (b,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    def select(self, blocks: slice | ArrayLike) -> NormalEquations:
        """Some of the blocks, e.g. ``slice(0, None, 2)`` for the even ones, or an array of indices."""
        which = blocks if isinstance(blocks, slice) else np.asarray(blocks)
        return self._with(lambda array: array[which], self.strata[which])

    def merge(self, other: NormalEquations) -> NormalEquations:
        """The blocks of this one, then those of the other: another piece of one system's trajectory."""
        if self.knots != other.knots:
            raise ValueError(f"cannot merge normal equations of different knots: {self.knots} and {other.knots}")
        if (self.beads, self.name) != (other.beads, other.name):
            raise ValueError(f"cannot merge {self.beads} beads {self.name!r} with {other.beads} beads {other.name!r}")
        both: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in (*_PER_BLOCK, "strata")
        }
        return replace(self, **both)

    def reblock(self, blocks: int) -> NormalEquations:
        """The same data in fewer, longer blocks of neighbours, each of one state."""
        groups = grouped(self.strata, blocks)
        starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
        order = np.concatenate(groups)
        return self._with(lambda array: np.add.reduceat(array[order], starts), self.strata[order][starts])

    def save(self, path: str | PathLike[str]) -> None:
        """Write an open npz file: start, cutoff, intervals, beads, name and the arrays of this class."""
        arrays = {name: getattr(self, name) for name in (*_PER_BLOCK, "strata")}
        np.savez_compressed(
            path, allow_pickle=False, start=self.knots.start, cutoff=self.knots.cutoff, intervals=self.knots.intervals,
            beads=self.beads, name=self.name, **arrays,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | PathLike[str]) -> NormalEquations:
        """Read what `save` wrote; a file without ``strata`` is of one state."""
        with np.load(path, allow_pickle=False) as file:
            missing = {"start", "cutoff", "intervals", "beads", "name", *_PER_BLOCK} - set(file.files)
            if missing:
                raise ValueError(f"{path}: not normal equations of force matching; {sorted(missing)} are missing")
            knots = Knots(float(file["start"]), float(file["cutoff"]), int(file["intervals"]))
            arrays = {name: file[name] for name in (*_PER_BLOCK, "strata") if name in file.files}
            return cls(knots, beads=int(file["beads"]), name=str(file["name"]), **arrays)

    def _with(self, change: Any, strata: NDArray[np.int64]) -> NormalEquations:
        return replace(self, strata=strata, **{name: change(getattr(self, name)) for name in _PER_BLOCK})


_PER_BLOCK = ("gram", "moment", "square", "net", "pairs", "frames")


def normal_equations(
    frames: Frames | Iterable[Frames],
    *,
    cutoff: float,
    spacing: float = 0.02,
    start: float = 0.0,
    blocks: int | None = None,
    executor: Executor | None = None,
) -> NormalEquations:
    """Normal equations of pairwise force matching, in one pass over frames with forces.

    frames: one `Frames` or an iterable of chunks, read once; one type of bead, one bead a molecule (no pair is left
    out). cutoff, spacing and start of the knots in nm; the range is cut into the nearest whole number of intervals.
    Knots where no pair is found cost nothing and are found in `solve`, so that ``start`` seldom needs a thought; a pair
    nearer than it is refused. blocks: number of blocks of time for the error bars; by default about a fifth of the
    frames, at least 20 and at most 50. executor: where chunks are counted; the result has the same bits for every
    executor and every cutting into chunks.

    Raises ValueError for frames without forces, more than one bead type, a cut-off above half a box edge, numbers that
    are not finite, beads on top of each other, no frames.
    """
    knots = Knots(float(start), float(cutoff), max(1, round((cutoff - start) / spacing)) if spacing > 0 else 0)
    stream = _Stream(knots)
    tasks = stream.tasks(iter((frames,)) if isinstance(frames, Frames) else iter(frames))
    if executor is None:
        results: Iterator[_Sums] = map(_accumulate, tasks)
    else:
        from kadanoff.parallel import map_ordered

        results = map_ordered(_accumulate, tasks, executor)
    for sums in results:
        stream.add(sums)
    return stream.close(blocks)


_Task = tuple[Knots, Array, Array, Array]
_Sums = tuple[Array, Array, Array, Array, NDArray[np.int64], Array]


def _accumulate(task: _Task) -> _Sums:
    """gram, moment, square, net, pairs and the smallest distance of every frame of a chunk."""
    knots, positions, forces, box = task
    number, k = len(positions), knots.splines
    gram, moment = np.empty((number, k, k)), np.empty((number, k))
    pairs, closest = np.empty((number, knots.intervals), np.int64), np.empty(number)
    accumulate(positions, forces, box, knots.start, knots.spacing, gram, moment, pairs, closest)
    square = np.einsum("fid,fid->f", forces, forces)
    net = np.sum(np.sum(forces, axis=1) ** 2, axis=1)
    return gram, moment, square, net, pairs, closest


class _Stream:
    """Adds up the sums of frames; frames are grouped by their number in the trajectory alone."""

    def __init__(self, knots: Knots) -> None:
        self.knots = knots
        self.beads: Beads | None = None
        self.sums = TimeBlocks()

    def tasks(self, chunks: Iterator[Frames]) -> Iterator[_Task]:
        for part in parts(chunks, self.knots.cutoff):
            if self.beads is None:
                self.beads = part.beads
                kinds = np.unique(part.beads.types)
                if len(kinds) > 1:
                    names = [part.beads.names[kind] for kind in kinds]
                    raise ValueError(
                        f"force matching fits one bead type, not {len(kinds)}: {names}. Map to one type first, or use "
                        "term_equations, which fits any number"
                    )
            yield self.knots, part.positions, part.forces, part.box

    def add(self, sums: _Sums) -> None:
        *arrays, closest = sums
        for index, distance in enumerate(closest):
            if distance <= 0.0 or distance < self.knots.start:
                advice = "lower start" if distance > 0.0 else "beads on top of each other have no pair force"
                raise ValueError(
                    f"two beads are {distance:g} nm apart in frame {len(self.sums)}, nearer than the first knot at "
                    f"{self.knots.start:g} nm: {advice}"
                )
            self.sums.add(*(array[index] for array in arrays))

    def close(self, blocks: int | None) -> NormalEquations:
        frames, (gram, moment, square, net, pairs) = self.sums.close(blocks)
        assert self.beads is not None  # else there were no frames, which `TimeBlocks.close` refuses
        beads = self.beads
        name = beads.names[int(beads.types[0])]
        return NormalEquations(self.knots, gram, moment, square, net, pairs, frames, len(beads), name)


@dataclass(frozen=True, eq=False)
class ForceMatch:
    """The matched pair force with its error bars, and how much of the forces it explains. Made by `solve`.

    knots, coefficients (k,) in kJ/mol/nm and their covariance (k, k); samples (resamples, k): bootstrap coefficients;
    sampled (m,): whether an interval holds data enough, pairs (m,) in each interval.

    Of the mean square force, the fraction 1 - <|f - F|^2> / <|f|^2> that is explained:
    ``in_sample``: by the fitted force on the blocks it was fitted to, too high by about (splines) / (force components);
    ``held_out``: on each block by the force fitted to all others, too low by as much;
    ``explained_variance``: their mean, where the two biases cancel: what the best pair force of this basis explains.
    ``residual_fraction``: root of the mean square residual over that of the force, in sample.
    ``net_force``: root mean square total force of a frame over sqrt(n) times the root mean square force of a bead: 0
    where forces obey Newton's third law, near the residual fraction where the rest is independent noise on each bead.
    ``notes``: what a user should know: gaps in the data, a net force.
    """

    knots: Knots
    coefficients: Array
    covariance: Array
    samples: Array
    sampled: NDArray[np.bool_]
    pairs: NDArray[np.int64]
    explained_variance: Estimate
    held_out: Estimate
    in_sample: Estimate
    residual_fraction: Estimate
    net_force: Estimate
    blocks: int
    confidence: float
    notes: tuple[str, ...]

    @cached_property
    def potential(self) -> PairPotential:
        """The table, with the standard errors of U and f: the fit from its first well sampled knot on, a wall below."""
        return pair_table(self)

    @property
    def supported(self) -> tuple[float, float]:
        """From the first knot of an unbroken run of well sampled intervals to the cut-off, nm."""
        return supported_range(self.knots, self.sampled)

    @property
    def supported_knots(self) -> NDArray[np.bool_]:
        """For each knot (m + 1,): are the intervals on both sides of it well sampled? (At an end: the only one.)"""
        right = np.append(self.sampled, True)
        left = np.append(True, self.sampled)
        left[0] = self.sampled[0]
        return np.asarray(left & right)

    def force(self, r: ArrayLike) -> Array:
        """f(r) in kJ/mol/nm, positive where it repels; zero beyond the cut-off."""
        return np.asarray(self.knots.values(r) @ self.coefficients)

    def band(self, r: ArrayLike) -> Array:
        """Half width of the pointwise band of f(r), kJ/mol/nm: Student t times the bootstrap error over blocks."""
        return self._width(self.knots.values(r))

    def energy(self, r: ArrayLike) -> Array:
        """U(r), the integral of f from r to the cut-off, kJ/mol."""
        return np.asarray(self.knots.integrals(r) @ self.coefficients)

    def energy_band(self, r: ArrayLike) -> Array:
        """Half width of the pointwise band of U(r), kJ/mol."""
        return self._width(self.knots.integrals(r))

    def error(self, r: ArrayLike) -> Array:
        """Standard error of f(r), kJ/mol/nm."""
        return self.band(r) / self._reach

    def energy_error(self, r: ArrayLike) -> Array:
        """Standard error of U(r), kJ/mol."""
        return self.energy_band(r) / self._reach

    def _width(self, values: Array) -> Array:
        variance = np.einsum("...a,ab,...b->...", values, self.covariance, values)
        return np.asarray(self._reach * np.sqrt(variance.clip(0.0)))

    @property
    def _reach(self) -> float:
        return float(stdtrit(self.blocks - 1, 0.5 + 0.5 * self.confidence))


def solve(
    equations: NormalEquations,
    *,
    end: End = "zero",
    curvature: float = 1e-9,
    minimum_pairs: int = 20,
    confidence: float = 0.95,
    resamples: int = 400,
    seed: int = 0,
) -> ForceMatch:
    """The pair force of least squares, with error bars from a bootstrap over blocks.

        (sum_b gram_b + curvature s D^T D) c = sum_b moment_b,
        D: second differences, s: median diagonal element of the Gram matrix

    end: what the force does at the cut-off: "zero" f = 0 (the force and its table are continuous), "smooth" f = f' = 0,
    "free" nothing. curvature: the default is too weak to move a coefficient that data decide, and continues the force
    in a straight line where there are none. An interval counts as sampled with at least ``minimum_pairs`` pairs in all
    and at least one in half of the blocks; others are fitted along but flagged, and the potential is extrapolated.
    confidence: of the bands. resamples, seed: of the bootstrap; blocks are drawn with replacement, one fewer than there
    are, so that the spread has no bias of (blocks - 1) / blocks. Of equations of several states (``strata``) the blocks
    of each state are drawn among themselves, here and in every other error: how many frames a state has is no chance.

    Raises ValueError with fewer than two blocks, or two of every state (no error bars are possible), too few pairs near
    the cut-off, or where all forces are zero. Warns of gaps in the data and of a net force that a pair force cannot
    have; `ForceMatch.notes` repeats it.
    """
    blocks = len(equations)
    if blocks < 2:
        raise ValueError(
            f"error bars need at least two blocks of frames; these normal equations have {blocks} block of "
            f"{int(equations.frames.sum())} frame(s)"
        )
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    if not curvature > 0.0:
        raise ValueError(f"curvature must be positive (the default is 1e-9), not {curvature}")
    knots = equations.knots
    square = equations.square.sum()
    if not square > 0.0:
        raise ValueError("all forces are zero: nothing to match")
    pairs = equations.pairs.sum(axis=0)
    sampled = (pairs >= minimum_pairs) & (np.count_nonzero(equations.pairs, axis=0) >= 0.5 * blocks)
    if not sampled[-1]:
        where = np.count_nonzero(equations.pairs[:, -1])
        raise ValueError(
            f"the last knot interval before the cut-off holds {pairs[-1]} pairs (in {where} of {blocks} blocks): too "
            "few to match a force. Use more frames, a wider spacing or another cut-off"
        )

    basis = pair_columns(knots, int(np.flatnonzero(pairs)[0]), end)
    gram = np.einsum("ai,bac,cj->bij", basis, equations.gram, basis, optimize=True)
    moment = equations.moment @ basis
    second = np.diff(basis, 2, axis=0)
    diagonal = np.diagonal(gram.sum(axis=0))
    penalty = curvature * float(np.median(diagonal[diagonal > 0.0])) * (second.T @ second)

    def fit(weights: Array) -> Array:
        """Coefficients (w, j) for the blocks' weights (w, b); the penalty goes with the data."""
        share = weights.sum(axis=1)[:, None, None] / blocks
        return np.linalg.solve(np.tensordot(weights, gram, 1) + share * penalty, (weights @ moment)[..., None])[..., 0]

    best = fit(np.ones((1, blocks)))[0]
    samples = fit(block_draws(equations.strata, resamples, seed))
    without = fit(1.0 - np.eye(blocks))

    def residual(c: Array) -> Array:
        squares = np.einsum("bi,bij,bj->b", c, gram, c)
        return np.asarray(equations.square - 2.0 * np.einsum("bi,bi->b", c, moment) + squares)

    unseen = residual(without)
    seen = residual(np.broadcast_to(best, without.shape))
    remains = max(float(seen.sum()) / square, 0.0)
    net, notes = net_force(equations.net, equations.square, int(equations.frames.sum()), seen.sum(), equations.strata)
    notes += gaps(knots, sampled)
    for note in notes:
        warnings.warn(note, DataWarning, stacklevel=2)

    def explained(left: Array, method: str) -> Estimate:
        error = ratio_error(left, equations.square, equations.strata)
        return Estimate(1.0 - float(left.sum()) / square, error, blocks, "", method)

    samples = samples @ basis.T
    fraction = float(np.sqrt(remains))
    spread = ratio_error(seen, equations.square, equations.strata) / (2.0 * fraction) if remains else 0.0
    return ForceMatch(
        knots, basis @ best, np.cov(samples, rowvar=False), samples, sampled, pairs,
        explained_variance=explained(0.5 * (seen + unseen), "blocks, in sample and held out"),
        held_out=explained(unseen, "blocks held out"), in_sample=explained(seen, "blocks, in sample"),
        residual_fraction=Estimate(fraction, spread, blocks, "", "blocks, in sample"),
        net_force=net, blocks=blocks, confidence=confidence, notes=tuple(notes),
    )  # fmt: skip
