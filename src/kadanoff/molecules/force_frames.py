"""Frames with forces on their way into normal equations: checked, in double precision, in bounded pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.frames import Beads, Frames

__all__ = ["Part", "alike", "parts"]

Array = NDArray[np.float64]


class Part(NamedTuple):
    """Some frames: the number of the first one, positions, forces (f, n, 3) and boxes (f, 3)."""

    first: int
    beads: Beads
    positions: Array
    forces: Array
    box: Array


def alike(one: Beads, other: Beads) -> bool:
    """Whether two sets of beads have the same types, by name, in the same order."""
    return one is other or (one.names == other.names and np.array_equal(one.types, other.types))


def parts(chunks: Iterator[Frames], cutoff: float) -> Iterator[Part]:
    """Pieces of at most 64 frames and about 20,000 beads.

    Raises ValueError for frames without forces, other beads than those of the first chunk, a cut-off above half a box
    edge, and numbers that are not finite.
    """
    beads: Beads | None = None
    seen = 0
    for chunk in chunks:
        if chunk.forces is None:
            raise ValueError(
                f"the frames from number {seen} on hold no forces: force matching needs a trajectory with forces "
                "(TRR, for example; in GROMACS set nstfout)"
            )
        if beads is None:
            beads = chunk.beads
        elif not alike(chunk.beads, beads):
            raise ValueError(
                f"the chunk at frame {seen} holds other beads than the first one, or the same in another order "
                f"(types {chunk.beads.names} and {beads.names}): give chunks of one system"
            )
        half = 0.5 * chunk.box.min(axis=1) if len(chunk) else np.array([np.inf])
        if not np.all(half >= cutoff * (1.0 - 1e-12)):
            frame = int(np.argmin(np.nan_to_num(half, nan=-1.0)))
            raise ValueError(
                f"the cut-off {cutoff:g} nm exceeds half the shortest box edge, {half[frame]:g} nm, in "
                f"frame {seen + frame} (box {chunk.box[frame]} nm): choose a shorter cut-off"
            )
        step = int(np.clip(20_000 / max(len(beads), 1), 1, 64))
        for start in range(0, len(chunk), step):
            part = slice(start, start + step)
            positions, forces, box = (
                np.ascontiguousarray(array[part], dtype=np.float64)
                for array in (chunk.positions, chunk.forces, chunk.box)
            )
            for name, array in (("position", positions), ("force", forces)):
                bad = ~np.isfinite(array)
                if bad.any():
                    frame, bead, _ = np.argwhere(bad)[0]
                    where = f"bead {bead} in frame {seen + start + frame}"
                    raise ValueError(f"the {name} of {where} is not a finite number")
            yield Part(seen + start, beads, positions, forces, box)
        seen += len(chunk)
