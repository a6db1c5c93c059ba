"""Sums over blocks of time, collected frame by frame in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TimeBlocks", "block_draws", "centred", "default_blocks", "grouped"]

_GROUPS = 4096


def default_blocks(frames: int) -> int:
    """Blocks of about five frames, but at least 20 and at most 50 of them (one a frame where there are fewer)."""
    return min(frames, int(np.clip(frames // 5, 20, 50)))


def block_draws(strata: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Weights (resamples, b) of blocks drawn with replacement, each from its own stratum, for a bootstrap.

    One block fewer than a stratum has is drawn from it, so that the spread has no bias of (blocks - 1) / blocks; with
    several strata the weights are scaled so that each counts as much as it has blocks. Raises ValueError for a stratum
    of one block, whose spread nobody knows.
    """
    labels, sizes = _enough(strata)
    rng = np.random.default_rng(seed)
    draws = np.zeros((resamples, len(strata)))
    for label, size in zip(labels, sizes, strict=True):
        drawn = rng.multinomial(size - 1, np.full(size, 1.0 / size), size=resamples)
        draws[:, strata == label] = drawn * (size / (size - 1) if len(labels) > 1 else 1.0)
    return draws


def _enough(strata: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels, sizes = np.unique(strata, return_counts=True)
    if len(sizes) and sizes.min() < 2:
        raise ValueError(
            f"error bars need two blocks or more of every state; number {labels[sizes < 2][0]} has one: make more of it"
        )
    return labels, sizes.astype(np.int64)


def centred(values: NDArray[np.float64], strata: NDArray[np.int64]) -> NDArray[np.float64]:
    """Deviations of blocks (b, ...) from the mean of their own stratum, times sqrt(n / (n - 1)) for its n blocks.

    Their squares add up to the variance of the sum over all blocks. Raises ValueError for a stratum of one block.
    """
    found = np.empty_like(values, dtype=np.float64)
    for label in _enough(strata)[0]:
        part = values[strata == label]
        found[strata == label] = (part - part.mean(axis=0)) * np.sqrt(len(part) / (len(part) - 1))
    return found


def grouped(strata: NDArray[np.int64], blocks: int) -> list[NDArray[np.intp]]:
    """Indices of neighbouring blocks that make ``blocks`` longer ones, each of one stratum, in about equal sizes.

    Where it can be every stratum keeps two, so that its spread is known.

    Raises ValueError for more than there are, or fewer than strata.
    """
    labels, sizes = np.unique(strata, return_counts=True)
    if not max(len(labels), 1) <= blocks <= len(strata):
        states = f" of {len(labels)} states" if len(labels) > 1 else ""
        raise ValueError(f"{len(strata)} blocks{states} cannot be merged into {blocks}")
    parts = np.minimum(sizes, 2)
    if parts.sum() > blocks:
        parts = np.ones_like(sizes)
    for _ in range(blocks - int(parts.sum())):
        parts[np.argmax(np.where(parts < sizes, sizes / parts, 0.0))] += 1
    return [
        group
        for label, number in zip(labels, parts, strict=True)
        for group in np.array_split(np.flatnonzero(strata == label), number)
    ]


class TimeBlocks:
    """Adds up arrays of every frame in groups of neighbouring frames; the grouping depends on the frame's number alone.

    At most 4096 groups (by default) are held; then neighbours are merged in pairs, so that a stream of any length fits
    in memory and gives the same bits however it was cut into chunks.
    """

    def __init__(self, groups: int = _GROUPS) -> None:
        """``groups``: an even number of groups to hold at most, fewer where the arrays are large."""
        self._limit = groups
        self._sums: list[tuple[NDArray[Any], ...]] = []
        self._frames: list[int] = []
        self._size = 1

    def __len__(self) -> int:
        """Number of frames seen."""
        return sum(self._frames)

    def add(self, *values: Any) -> None:
        """The values of the next frame, of the same shapes each time."""
        arrays = tuple(np.asarray(value) for value in values)
        if self._frames and self._frames[-1] < self._size:
            self._sums[-1] = tuple(a + b for a, b in zip(self._sums[-1], arrays, strict=True))
            self._frames[-1] += 1
            return
        if len(self._frames) == self._limit:
            halves = zip(self._sums[::2], self._sums[1::2], strict=True)
            self._sums = [tuple(a + b for a, b in zip(one, two, strict=True)) for one, two in halves]
            self._frames = [a + b for a, b in zip(self._frames[::2], self._frames[1::2], strict=True)]
            self._size *= 2
        self._sums.append(arrays)
        self._frames.append(1)

    def change(self, function: Callable[..., tuple[NDArray[Any], ...]]) -> None:
        """Replace the arrays of every group by what ``function(*arrays)`` makes of them, such as larger ones."""
        self._sums = [function(*sums) for sums in self._sums]

    def close(self, blocks: int | None = None) -> tuple[NDArray[np.int64], tuple[NDArray[Any], ...]]:
        """Frames in each block (b,), and the sums of every value over each block (b, ...).

        ``blocks=None``: `default_blocks`. Raises ValueError for no frames, or more blocks than frames.
        """
        total = len(self)
        if total == 0:
            raise ValueError("no frames: at least one is needed")
        if blocks is None:
            blocks = default_blocks(total)
        if not 1 <= blocks <= len(self._frames):
            raise ValueError(f"{total} frames (in {len(self._frames)} groups) cannot make {blocks} blocks")
        starts = np.array([part[0] for part in np.array_split(np.arange(len(self._frames)), blocks)])
        sums = tuple(np.add.reduceat(np.stack(one), starts) for one in zip(*self._sums, strict=True))
        return np.add.reduceat(np.array(self._frames, dtype=np.int64), starts), sums
