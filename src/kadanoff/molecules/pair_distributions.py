"""Pair distribution functions g(r) with error bars, from chunks of frames.

g(r) is a ratio of sums: pairs counted over pairs expected in an ideal gas of the same numbers and volumes. Both are
kept per block of time, so that errors, covariances and bootstrap curves cost nothing more, and so that two pieces of a
trajectory merge exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.molecules._kernels.pairs import pair_counts
from kadanoff.molecules.force_frames import alike
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.time_blocks import TimeBlocks

__all__ = ["PairDistribution", "pair_distribution", "pair_distributions"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairDistribution:
    """Counts of pair distances of two bead types, block by block in time, and what an ideal gas would have.

        g(r_k) = sum_b counts[b, k] / sum_b ideal[b, k]

    edges (m + 1,) nm; counts (blocks, m); ideal (blocks, m): frames x pairs x shell volume / box volume, with N (N - 1)
    / 2 pairs for like types, so that an ideal gas has g = 1 exactly in expectation; frames (blocks,); names and number:
    the two types and how many beads each has.

    `save` writes these arrays under these names into an npz file that NumPy alone can read (no pickles). With one block
    a frame (``blocks`` of `pair_distributions`) it holds all that inverse Monte Carlo, relative entropy and reweighting
    need of a trajectory, which can be solved again from it.
    """

    edges: Array
    counts: NDArray[np.int64]
    ideal: Array
    frames: NDArray[np.int64]
    names: tuple[str, str]
    number: tuple[int, int]

    def __post_init__(self) -> None:
        shape = (len(self.frames), len(self.edges) - 1)
        if self.counts.shape != shape or self.ideal.shape != shape:
            raise ValueError(
                f"counts {self.counts.shape} and ideal {self.ideal.shape} must both have shape (blocks, bins) = {shape}"
            )

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    @property
    def r(self) -> Array:
        """Bin centres (m,), nm."""
        return np.asarray(0.5 * (self.edges[1:] + self.edges[:-1]))

    @property
    def cutoff(self) -> float:
        """Upper end of the last bin, nm."""
        return float(self.edges[-1])

    @property
    def density(self) -> float:
        """Mean number density of the second type, nm^-3 (of the only type, for like types)."""
        shells = 4.0 / 3.0 * np.pi * (self.edges[-1] ** 3 - self.edges[-2] ** 3)
        inverse = self.ideal[:, -1].sum() / (shells * _pairs(self.names, self.number) * self.frames.sum())
        return float(self.number[1] * inverse)

    @property
    def g(self) -> Array:
        """g at the bin centres (m,): a mean over each bin."""
        return np.asarray(self.counts.sum(axis=0) / self.ideal.sum(axis=0))

    @property
    def deviations(self) -> Array:
        """What each block adds to g - <g>, to first order (blocks, m); the columns sum to zero."""
        return np.asarray((self.counts - self.g * self.ideal) / self.ideal.sum(axis=0))

    @property
    def covariance(self) -> Array:
        """Covariance (m, m) of g, from the spread between blocks (ratio estimate).

        Raises ValueError with fewer than two blocks.
        """
        blocks = self._enough()
        deviations = self.deviations
        return np.asarray(deviations.T @ deviations * (blocks / (blocks - 1)))

    @property
    def error(self) -> Array:
        """Standard error (m,) of g, from the spread between blocks; it has ``len(self) - 1`` degrees of freedom.

        A bin without a single count has error 0 and is not known to be empty: see `counts`.
        Raises ValueError with fewer than two blocks.
        """
        blocks = self._enough()
        return np.asarray(np.sqrt(np.sum(self.deviations**2, axis=0) * (blocks / (blocks - 1))))

    @property
    def block_correlation(self) -> float:
        """Correlation of neighbouring blocks, over all bins, freed of its bias of -1 / blocks.

        About 0 where blocks are long enough; errors are too small where it is not.
        """
        blocks = self._enough()
        deviations = self.deviations
        spread = np.sum(deviations**2)
        return float(np.sum(deviations[1:] * deviations[:-1]) / spread + 1.0 / blocks) if spread > 0 else 0.0

    def select(self, blocks: slice | ArrayLike) -> PairDistribution:
        """Some of the blocks, e.g. ``slice(0, None, 2)`` for the even ones, or an array of indices."""
        which = blocks if isinstance(blocks, slice) else np.asarray(blocks)
        return replace(self, counts=self.counts[which], ideal=self.ideal[which], frames=self.frames[which])

    def merge(self, other: PairDistribution) -> PairDistribution:
        """The blocks of this one, then those of the other: another piece of one system's trajectory."""
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("cannot merge pair distributions of different bins")
        if self.names != other.names or self.number != other.number:
            raise ValueError(
                f"cannot merge {self.names} with {self.number} beads and {other.names} with {other.number} beads"
            )
        return replace(
            self,
            counts=np.concatenate([self.counts, other.counts]),
            ideal=np.concatenate([self.ideal, other.ideal]),
            frames=np.concatenate([self.frames, other.frames]),
        )

    def reblock(self, blocks: int) -> PairDistribution:
        """The same data in fewer, longer blocks of neighbours."""
        if not 1 <= blocks <= len(self):
            raise ValueError(f"{len(self)} blocks cannot be merged into {blocks}")
        starts = np.array([part[0] for part in np.array_split(np.arange(len(self)), blocks)])
        return replace(
            self,
            counts=np.add.reduceat(self.counts, starts),
            ideal=np.add.reduceat(self.ideal, starts),
            frames=np.add.reduceat(self.frames, starts),
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write an open npz file: format and the arrays of this class, ``names`` as text."""
        np.savez_compressed(
            path, allow_pickle=False, format=_FORMAT, edges=self.edges, counts=self.counts, ideal=self.ideal,
            frames=self.frames, names=np.array(self.names), number=np.array(self.number, np.int64),
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | PathLike[str]) -> PairDistribution:
        """Read what `save` wrote, with the same bits. Raises ValueError for another file."""
        with np.load(path, allow_pickle=False) as file:
            missing = {"format", *_SAVED} - set(file.files)
            if missing or str(file["format"]) != _FORMAT:
                what = f"{sorted(missing)} are missing" if missing else f"its format is {str(file['format'])!r}"
                raise ValueError(f"{path}: not a pair distribution ({_FORMAT!r}); {what}")
            edges, counts, ideal, frames, names, number = (file[name] for name in _SAVED)
        first, second = (str(name) for name in names)
        return cls(edges, counts, ideal, frames, (first, second), (int(number[0]), int(number[1])))

    def bootstrap(self, resamples: int, seed: int) -> Array:
        """Curves (resamples, m) of g from blocks drawn with replacement.

        One block fewer than there are is drawn each time, so that the spread has no bias of (blocks - 1) / blocks.
        Raises ValueError with fewer than two blocks.
        """
        blocks = self._enough()
        draws = np.random.default_rng(seed).multinomial(blocks - 1, np.full(blocks, 1.0 / blocks), size=resamples)
        return np.asarray((draws @ self.counts) / (draws @ self.ideal))

    def _enough(self) -> int:
        if len(self) < 2:
            raise ValueError(
                f"error bars need at least two blocks of frames; this pair distribution has {len(self)} block of "
                f"{int(self.frames.sum())} frame(s)"
            )
        return len(self)


_FORMAT = "kadanoff pair distribution 1"
_SAVED = ("edges", "counts", "ideal", "frames", "names", "number")


def pair_distribution(
    frames: Frames | Iterable[Frames],
    *,
    cutoff: float,
    width: float = 0.01,
    blocks: int | None = None,
    types: tuple[str, str] | None = None,
    executor: Executor | None = None,
) -> PairDistribution:
    """Pair distribution of the only bead type, or of the two ``types`` named: see `pair_distributions`."""
    every = pair_distributions(frames, cutoff=cutoff, width=width, blocks=blocks, executor=executor)
    if types is None:
        if len(every) > 1:
            raise ValueError(
                f"these beads have {len(every)} pairs of types, {list(every)}: name one, types=(..., ...), or call "
                "pair_distributions"
            )
        return next(iter(every.values()))
    for names in (types, types[::-1]):
        if names in every:
            return every[names]
    raise ValueError(f"no pair of types {types}; there are {list(every)}")


def pair_distributions(
    frames: Frames | Iterable[Frames],
    *,
    cutoff: float,
    width: float = 0.01,
    blocks: int | None = None,
    executor: Executor | None = None,
) -> dict[tuple[str, str], PairDistribution]:
    """Pair distributions of all pairs of bead types, in one pass over the frames.

        g_ab(r) = <number of pairs ab at r> / <number in an ideal gas of the same N_a, N_b, V>

    frames: one `Frames` or an iterable of chunks, read once. cutoff and width of the bins in nm; cutoff a multiple of
    width, at most half the shortest box edge. blocks: number of blocks of time for the error bars; by default about a
    fifth of the frames, at least 20 and at most 50. executor: where chunks are counted; the result has the same bits
    for every executor and every cutting into chunks. Raises ValueError for a cut-off that does not fit, positions that
    are not finite, no frames.
    """
    bins = round(cutoff / width) if width > 0 else 0
    if bins < 1 or abs(bins * width - cutoff) > 1e-6 * width:
        raise ValueError(f"the cut-off {cutoff:g} nm must be a multiple of the bin width {width:g} nm")
    stream = _Stream(width, bins)
    tasks = stream.tasks(_chunks(frames))
    if executor is None:
        results: Iterator[Any] = map(_count, tasks)
    else:
        from kadanoff.parallel import map_ordered

        results = map_ordered(_count, tasks, executor)
    for counts, inverse_volume in results:
        stream.add(counts, inverse_volume)
    return stream.close(blocks)


def _chunks(frames: Frames | Iterable[Frames]) -> Iterator[Frames]:
    return iter((frames,)) if isinstance(frames, Frames) else iter(frames)


def _pairs(names: tuple[str, str], number: tuple[int, int]) -> float:
    first, second = number
    return first * (first - 1) / 2.0 if names[0] == names[1] else float(first * second)


def _count(task: tuple[NDArray[Any], Array, NDArray[np.int64], float, int]) -> tuple[NDArray[np.int64], Array]:
    positions, box, starts, width, bins = task
    counts = np.stack([
        pair_counts(np.ascontiguousarray(frame, dtype=np.float64), edges, starts, width, bins)
        for frame, edges in zip(positions, box, strict=True)
    ])  # fmt: skip
    return counts, 1.0 / np.prod(box, axis=1)


class _Stream:
    """Adds up counts of frames; frames are grouped by their number in the trajectory alone."""

    def __init__(self, width: float, bins: int) -> None:
        self.width, self.bins = width, bins
        self.beads: Beads | None = None
        self.seen = 0
        self.order: NDArray[np.intp] | None = None
        self.starts = np.zeros(1, np.int64)
        self.sums = TimeBlocks()

    def tasks(self, chunks: Iterator[Frames]) -> Iterator[tuple[NDArray[Any], Array, NDArray[np.int64], float, int]]:
        for chunk in chunks:
            self._check(chunk)
            step = int(np.clip(4e7 / max(len(chunk.beads), 1) ** 2, 1, 64))
            for start in range(0, len(chunk), step):
                positions = chunk.positions[start : start + step]
                if self.order is not None:
                    positions = positions[:, self.order]
                yield (
                    positions,
                    np.ascontiguousarray(chunk.box[start : start + step], float),
                    self.starts,
                    self.width,
                    self.bins,
                )
            self.seen += len(chunk)

    def _check(self, chunk: Frames) -> None:
        if self.beads is None:
            self.beads = chunk.beads
            types = chunk.beads.types
            self.starts = np.searchsorted(np.sort(types), np.arange(len(chunk.beads.names) + 1)).astype(np.int64)
            if np.any(np.diff(types) < 0):
                self.order = np.argsort(types, kind="stable")
        elif not alike(chunk.beads, self.beads):
            raise ValueError(
                f"the chunk at frame {self.seen} holds other beads than the first one, or the same in another order "
                f"(types {chunk.beads.names} and {self.beads.names}): give chunks of one system"
            )
        half = 0.5 * chunk.box.min(axis=1) if len(chunk) else np.array([np.inf])
        if not np.all(half >= self.bins * self.width * (1.0 - 1e-12)):
            frame = int(np.argmin(np.nan_to_num(half, nan=-1.0)))
            raise ValueError(
                f"the cut-off {self.bins * self.width:g} nm exceeds half the shortest box edge, {half[frame]:g} nm, in "
                f"frame {self.seen + frame} (box {chunk.box[frame]} nm): choose a shorter cut-off"
            )
        bad = ~np.isfinite(chunk.positions)
        if bad.any():
            frame, bead, _ = np.argwhere(bad)[0]
            raise ValueError(f"the position of bead {bead} in frame {self.seen + frame} is not a finite number")

    def add(self, counts: NDArray[np.int64], inverse_volume: Array) -> None:
        for frame, inverse in zip(counts, inverse_volume, strict=True):
            self.sums.add(frame, inverse)

    def close(self, blocks: int | None) -> dict[tuple[str, str], PairDistribution]:
        frames, (counts, inverse) = self.sums.close(blocks)
        assert self.beads is not None
        edges = np.asarray(self.width * np.arange(self.bins + 1), dtype=np.float64)
        shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
        sizes = [int(n) for n in np.diff(self.starts)]
        names = self.beads.names
        result = {}
        pairs = [(a, b) for a in range(len(names)) for b in range(a, len(names))]
        for index, (a, b) in enumerate(pairs):
            both = (names[a], names[b])
            ideal = np.asarray(inverse[:, None] * _pairs(both, (sizes[a], sizes[b])) * shells, dtype=np.float64)
            result[both] = PairDistribution(edges, counts[:, index], ideal, frames, both, (sizes[a], sizes[b]))
        return result
