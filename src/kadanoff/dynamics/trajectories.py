"""Trajectories of one coordinate or a few, checked once, so that nothing below has to.

All frames lie in one array, trajectory after trajectory; `offsets` says where each begins. Blocks for error bars are
equal stretches of that array, cut at the ends of trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Pieces", "Trajectories", "pieces", "trajectories"]

Array = NDArray[np.float64]

SHORTEST = 4  # frames of a trajectory
_UNEVEN = 1e-3  # of the spacing: times in files are rounded
_SINGLE = 5e-7  # of the time itself: files of molecules keep it in single precision


@dataclass(frozen=True, eq=False)
class Trajectories:
    """One or many trajectories with a common, uniform spacing in time; make it with `trajectories`.

    Arguments:
        positions: (n, d), all trajectories one behind the other.
        offsets: (k + 1,), trajectory i holds the frames offsets[i] ... offsets[i + 1] - 1.
        spacing: time between frames.
        velocities, forces: (n, d) or None, at the same frames.
        unit, time_unit: as printed.
    """

    positions: Array
    offsets: NDArray[np.int64]
    spacing: float
    velocities: Array | None = None
    forces: Array | None = None
    unit: str = ""
    time_unit: str = ""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def frames(self) -> int:
        """All frames of all trajectories."""
        return len(self.positions)

    @property
    def dimensions(self) -> int:
        """Coordinates of a frame."""
        return int(self.positions.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each trajectory (k,)."""
        return np.diff(self.offsets)

    @property
    def longest_lag(self) -> int:
        """Steps of the longest trajectory: no lag can be longer."""
        return int(self.lengths.max()) - 1

    def trajectory(self, number: int) -> Array:
        """The positions (n, d) of one trajectory."""
        return self.positions[self.offsets[number] : self.offsets[number + 1]]

    def thinned(self, every: int) -> Trajectories:
        """Every so-manieth frame of each trajectory. Raises ValueError where fewer than 4 frames are left."""
        keep = np.concatenate([np.arange(a, b, every) for a, b in pairwise(self.offsets)])
        lengths = -(-self.lengths // every)
        if lengths.min() < SHORTEST:
            raise ValueError(f"every {every}th frame leaves {lengths.min()} of a trajectory; {SHORTEST} are needed")
        return Trajectories(
            self.positions[keep],
            np.concatenate([[0], np.cumsum(lengths)]),
            self.spacing * every,
            None if self.velocities is None else self.velocities[keep],
            None if self.forces is None else self.forces[keep],
            self.unit,
            self.time_unit,
        )


class Pieces(NamedTuple):
    """Stretches of frames, each of one trajectory and one block: (p,) integers."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    last: NDArray[np.int64]  # one past the last frame of the trajectory
    block: NDArray[np.int64]


def trajectories(
    positions: ArrayLike | Sequence[ArrayLike],
    spacing: float | None = None,
    *,
    times: ArrayLike | Sequence[ArrayLike] | None = None,
    velocities: ArrayLike | Sequence[ArrayLike] | None = None,
    forces: ArrayLike | Sequence[ArrayLike] | None = None,
    unit: str = "",
    time_unit: str = "",
) -> Trajectories:
    """Checked trajectories from arrays.

    Arguments:
        positions: one trajectory (n,) or (n, d), many of equal length (k, n, d), or a list of (n_i,) or (n_i, d).
        spacing: time between frames; or give `times`.
        times: the time of every frame, (n,) or a list like `positions`: increasing, evenly spaced to a thousandth.
        velocities, forces: of the shape of `positions`.
        unit, time_unit: of positions and time, as printed.

    Raises:
        ValueError: for a number that is not finite, times that are unsorted or uneven, a trajectory shorter than 4
            frames, shapes that differ: with trajectory and row.

    >>> trajectories([[0.0, 0.1, 0.3, 0.2], [0.2, 0.1, 0.4, 0.3, 0.2]], 0.5).lengths.tolist()
    [4, 5]
    """
    parts = _parts(positions, "positions")
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    for number, part in enumerate(parts):
        if len(part) < SHORTEST:
            raise ValueError(f"trajectory {number} has {len(part)} frames; {SHORTEST} or more are needed")
    if (spacing is None) == (times is None):
        raise ValueError("give either the spacing of the frames or their times")
    if times is not None:
        spacing = _spacing(_parts(times, "times", columns=False), parts)
    assert spacing is not None
    if not (np.isfinite(spacing) and spacing > 0):
        raise ValueError(f"the spacing of frames is a positive time, not {spacing}")
    beside: dict[str, Array | None] = {}
    for name, values in (("velocities", velocities), ("forces", forces)):
        if values is None:
            beside[name] = None
            continue
        others = _parts(values, name)
        if [other.shape for other in others] != [part.shape for part in parts]:
            raise ValueError(
                f"{name} are of shapes {_shapes(others)}, the positions of {_shapes(parts)}: one of each is needed"
            )
        beside[name] = _joined(others)
    return Trajectories(
        _joined(parts), offsets, float(spacing), beside["velocities"], beside["forces"], unit, time_unit
    )


def pieces(source: Trajectories, blocks: int) -> Pieces:
    """All frames cut into `blocks` equal stretches, and these at the ends of trajectories.

    Where there are four trajectories a block or more, a block is made of whole ones.

    Raises:
        ValueError: for fewer than 2 blocks, or more than a quarter of the frames.
    """
    n, offsets = source.frames, source.offsets
    if not 2 <= blocks <= n // SHORTEST:
        raise ValueError(f"{n} frames cannot be cut into {blocks} blocks; 2 to {n // SHORTEST} can be had")
    cuts = np.linspace(0, n, blocks + 1).round().astype(np.int64)
    if len(source) >= 4 * blocks:
        whole = offsets[np.searchsorted(offsets, cuts - source.lengths.mean() / 2)]
        whole[0], whole[-1] = 0, n
        cuts = whole if np.all(np.diff(whole) > 0) else cuts
    edges = np.unique(np.concatenate([cuts, offsets]))
    start, stop = edges[:-1], edges[1:]
    owner = np.searchsorted(offsets, start, side="right")
    return Pieces(start, stop, offsets[owner], np.searchsorted(cuts, start, side="right") - 1)


def _parts(values: Any, name: str, columns: bool = True) -> list[Array]:
    """A list of (n, d) arrays, or of (n,) where `columns` is false, all finite and of one width."""
    try:
        whole = None if isinstance(values, list | tuple) and not _scalars(values) else np.asarray(values, np.float64)
        if whole is None:
            listed = [np.asarray(value, dtype=np.float64) for value in values]
        elif whole.ndim == (3 if columns else 2):
            listed = list(whole)
        else:
            listed = [whole]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} are not arrays of numbers: {error}") from error
    if not listed:
        raise ValueError(f"{name}: no trajectory at all")
    for number, part in enumerate(listed):
        if part.ndim not in ((1, 2) if columns else (1,)) or part.size == 0:
            raise ValueError(f"{name} of trajectory {number} have shape {part.shape}, not (n,) or (n, d)")
        bad = np.argwhere(~np.isfinite(part))
        if len(bad):
            row = int(bad[0][0])
            raise ValueError(
                f"{name} of trajectory {number}, row {row}: {part[tuple(bad[0])]}. Cut the trajectory there into two, "
                "or fill the gap and say so"
            )
    if not columns:
        return listed
    shaped = [part.reshape(len(part), -1) for part in listed]
    if len({part.shape[1] for part in shaped}) > 1:
        raise ValueError(f"{name} have different numbers of coordinates: {_shapes(shaped)}")
    return shaped


def _scalars(values: Sequence[Any]) -> bool:
    return len(values) > 0 and all(np.isscalar(value) for value in values)


def _joined(parts: list[Array]) -> Array:
    return np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)


def _shapes(parts: list[Array]) -> str:
    shown = [str(part.shape) for part in parts[:3]]
    return ", ".join(shown) + (" ..." if len(parts) > 3 else "")


def _spacing(times: list[Array], parts: list[Array]) -> float:
    if [len(time) for time in times] != [len(part) for part in parts]:
        raise ValueError("the times do not have one entry for every frame of every trajectory")
    steps = [np.diff(time) for time in times]
    for number, step in enumerate(steps):
        if len(back := np.flatnonzero(step <= 0)):
            row = int(back[0])
            raise ValueError(
                f"times of trajectory {number} are not increasing: {times[number][row]:g} at row {row}, "
                f"{times[number][row + 1]:g} at row {row + 1}. Sort the rows, or cut there"
            )
    spacing = float(np.median(np.concatenate(steps)))
    for number, step in enumerate(steps):
        allowed = _UNEVEN * spacing + _SINGLE * np.abs(times[number]).max()
        if len(uneven := np.flatnonzero(np.abs(step - spacing) > allowed)):
            row = int(uneven[0])
            raise ValueError(
                f"times of trajectory {number} are not evenly spaced: the step from row {row} to {row + 1} is "
                f"{step[row]:g}, most are {spacing:g}. Cut at the gap, or interpolate and say so"
            )
    # the median is one of the rounded steps: their mean is better
    return float(np.sum([step.sum() for step in steps]) / np.sum([len(step) for step in steps]))
