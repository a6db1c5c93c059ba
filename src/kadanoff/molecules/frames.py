"""What a trajectory is inside kadanoff: the beads (or atoms), and chunks of frames of them.

Units everywhere: nm, ps, kJ/mol, amu, K; forces kJ/mol/nm. Boxes are orthorhombic: three edge lengths a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BAR", "BOLTZMANN", "Beads", "Frames", "fixed_box"]

BOLTZMANN = 0.00831446261815324
"""Boltzmann constant in kJ/mol/K (CODATA 2018, exact)."""

BAR = 16.605390671738
"""1 kJ/mol/nm^3 in bar."""


@dataclass(frozen=True, eq=False)
class Beads:
    """What does not change from frame to frame.

    ``types`` (n,) integer type of each bead, an index into ``names``; ``masses`` (n,) in amu.
    """

    types: NDArray[np.int32]
    names: tuple[str, ...]
    masses: NDArray[np.float64]

    def __post_init__(self) -> None:
        types, masses = (
            np.ascontiguousarray(self.types, dtype=np.int32),
            np.ascontiguousarray(self.masses, dtype=np.float64),
        )
        if types.ndim != 1 or masses.shape != types.shape:
            raise ValueError(f"types and masses must be two arrays of one length, not {types.shape} and {masses.shape}")
        if len(types) and (types.min() < 0 or types.max() >= len(self.names)):
            raise ValueError(
                f"types must index the {len(self.names)} names {self.names}; found {types.min()}..{types.max()}"
            )
        if np.any(masses <= 0) or not np.all(np.isfinite(masses)):
            raise ValueError("every bead needs a positive, finite mass (amu)")
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "masses", masses)

    def __len__(self) -> int:
        return len(self.types)

    @classmethod
    def alike(cls, number: int, mass: float, name: str = "A") -> Beads:
        """``number`` beads of one type."""
        return cls(np.zeros(number, np.int32), (name,), np.full(number, float(mass)))


@dataclass(frozen=True, eq=False)
class Frames:
    """A chunk of frames, from a reader or an engine.

    positions (f, n, 3) nm; box (f, 3) nm; time (f,) ps; velocities (f, n, 3) nm/ps; forces (f, n, 3) kJ/mol/nm;
    energy (f,) kJ/mol, the potential energy; virial (f,) kJ/mol, -3 V dU/dV: for pairs the sum of r_ij . F_ij.
    What was not recorded is None.
    """

    beads: Beads
    positions: NDArray[Any]
    box: NDArray[np.float64]
    time: NDArray[np.float64]
    velocities: NDArray[Any] | None = None
    forces: NDArray[Any] | None = None
    energy: NDArray[np.float64] | None = None
    virial: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.positions), len(self.beads), 3)
        for name in ("positions", "velocities", "forces"):
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not (frames, beads, 3) = {shape}")
        if self.box.shape != (shape[0], 3):
            raise ValueError(f"box has shape {self.box.shape}, not (frames, 3) = {(shape[0], 3)}")

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, which: int | slice | NDArray[Any]) -> Frames:
        """Some of the frames; a single index keeps the frame axis."""
        if isinstance(which, int | np.integer):
            which = slice(int(which), int(which) + 1 or None)

        def cut(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else array[which]

        return replace(self, positions=self.positions[which], box=self.box[which], time=self.time[which],
                       velocities=cut(self.velocities), forces=cut(self.forces), energy=cut(self.energy),
                       virial=cut(self.virial))  # fmt: skip

    @classmethod
    def join(cls, chunks: Sequence[Frames]) -> Frames:
        """Chunks of one system, one after the other; a field is kept only where every chunk has it."""
        if not chunks:
            raise ValueError("no chunks to join")

        def cat(name: str) -> Any:
            arrays = [getattr(chunk, name) for chunk in chunks]
            return None if any(array is None for array in arrays) else np.concatenate(arrays)

        names = ("positions", "box", "time", "velocities", "forces", "energy", "virial")
        return cls(chunks[0].beads, **{name: cat(name) for name in names})

    @property
    def volume(self) -> NDArray[np.float64]:
        """(f,) nm^3."""
        return np.asarray(np.prod(self.box, axis=1))

    def pressure(self, temperature: float) -> NDArray[np.float64]:
        """Pressure in bar: P = N k T / V + virial / (3 V), with the ideal part from ``temperature`` (K).

        No tail correction: tables are zero beyond their cut-off.
        """
        if self.virial is None:
            raise ValueError("these frames hold no virial; only frames from an engine do")
        return (len(self.beads) * BOLTZMANN * temperature + self.virial / 3.0) / self.volume * BAR


def fixed_box(frames: Frames) -> bool:
    """Whether every box edge stays the same to 1e-4 of itself: a run at constant volume, however it was stored."""
    return not len(frames) or bool(np.all(np.ptp(frames.box, axis=0) <= 1e-4 * frames.box.mean(axis=0)))
