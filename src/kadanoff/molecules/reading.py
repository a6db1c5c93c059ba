"""Trajectories in: any topology and trajectory that MDAnalysis reads, in nm, ps, kJ/mol/nm, in chunks of frames."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.readers import UNREADABLE, Damaged, FrameReader, first_line, open_reader

__all__ = ["Damaged", "Trajectory", "open_trajectory"]

_CHUNK_BYTES = 2 * 2**20


@dataclass(frozen=True, eq=False)
class Trajectory:
    """An opened trajectory: the topology, a reader, and which frames of the file were asked for.

    ``universe`` is the MDAnalysis universe of the topology (for selections); ``masses`` (n_atoms,) amu, zero only for
    virtual sites; ``masses_guessed`` tells whether MDAnalysis guessed them from the atom names; ``frames`` numbers
    them in the file.
    """

    universe: Any
    reader: FrameReader
    frames: range
    masses: NDArray[np.float64]
    masses_guessed: bool

    @property
    def n_frames(self) -> int:
        """How many frames were asked for and are there."""
        return len(self.frames)

    @property
    def n_atoms(self) -> int:
        return self.reader.n_atoms

    @property
    def has_forces(self) -> bool:
        return self.reader.has_forces

    @property
    def has_velocities(self) -> bool:
        return self.reader.has_velocities

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """(n_frames,) ps."""
        return self.reader.times()[self.frames.start : self.frames.stop : self.frames.step]

    @cached_property
    def atoms(self) -> Beads:
        """The atoms as `Beads`; their types are the atom names.

        Raises ValueError where there are massless sites, which are no particles; map them into beads instead.
        """
        if not (self.masses > 0).all():
            where = np.flatnonzero(~(self.masses > 0))
            raise ValueError(
                f"{self.reader.path}: {len(where)} massless sites ({atom_names(self.universe, where)}) cannot stand "
                "alone; "
                "read beads through a mapping, or give them masses"
            )
        names, types = np.unique(_labels(self.universe), return_inverse=True)
        return Beads(types.astype(np.int32), tuple(str(name) for name in names), self.masses)

    def require_forces(self) -> None:
        """Raise ValueError where the trajectory holds no forces."""
        if not self.has_forces:
            raise ValueError(
                f"{self.reader.path}: no forces in this trajectory; save them in a TRR file (GROMACS: nstfout = "
                "nstxout), "
                "or choose a method that needs positions only"
            )

    def ranges(self, size: int | None = None) -> list[range]:
        """The frame numbers of each chunk of ``size`` frames; by default about 2 MB of positions a chunk."""
        if size is None:
            size = max(1, _CHUNK_BYTES // (12 * self.n_atoms))
        if size < 1:
            raise ValueError(f"size is the number of frames in a chunk, at least 1, not {size}")
        return [self.frames[i : i + size] for i in range(0, len(self.frames), size)]

    def chunks(
        self, size: int | None = None, *, velocities: bool | None = None, forces: bool | None = None
    ) -> Iterator[Frames]:
        """Yield chunks of atoms as `Frames`; ``None`` takes velocities and forces where they are.

        Raises ValueError where they are asked for and not there, for NaN, for missing or triclinic boxes and for
        frames that cannot be decoded, each with the number of the frame in the file.
        """
        velocities, forces = self.wanted(velocities, forces)
        for part in self.ranges(size):
            block = self.reader.read(part, velocities=velocities, forces=forces)
            check_finite(block.positions, self.reader.path, part, "position")
            if block.forces is not None:
                check_finite(block.forces, self.reader.path, part, "force")
            yield Frames(self.atoms, block.positions, block.box, block.time, block.velocities, block.forces)

    def wanted(self, velocities: bool | None, forces: bool | None) -> tuple[bool, bool]:
        """What to read: None means where it is there."""
        if forces:
            self.require_forces()
        if velocities and not self.has_velocities:
            raise ValueError(f"{self.reader.path}: no velocities in this trajectory")
        return (
            self.has_velocities if velocities is None else velocities,
            self.has_forces if forces is None else forces,
        )


def open_trajectory(
    topology: str | Path,
    trajectory: str | Path | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    masses: dict[str, float] | None = None,
    damaged: Damaged = "refuse",
) -> Trajectory:
    """Open a topology and a trajectory of any format that MDAnalysis knows.

    Arguments:
        topology: file with the atoms (TPR, GRO, PDB, PSF, LAMMPS data, ...).
        trajectory: file with the frames; by default those in the topology file itself.
        start, stop, step: which frames, as in a slice; negative numbers count from the end.
        masses: amu by atom name, in place of those of the topology; needed where names tell MDAnalysis no element.
        damaged: "refuse" a truncated or undecodable file, or "use-good-frames" before the damage (costs a reading
        pass).

    Returns:
        A `Trajectory`, whose ``chunks()`` yield `Frames` in nm, ps and kJ/mol/nm.

    Raises:
        ValueError: missing or unreadable files, atom numbers that differ, masses that are missing and cannot be
        guessed, no
            frames left, damage.
    """
    topology_path = _existing(topology, "topology")
    universe = _universe(topology_path)
    n_atoms = len(universe.atoms)
    path = topology_path if trajectory is None else _existing(trajectory, "trajectory")
    reader = open_reader(path, n_atoms, damaged)
    if reader.n_atoms != n_atoms:
        raise ValueError(
            f"{path} has {reader.n_atoms} atoms, but the topology {topology_path} has {n_atoms}; give the topology "
            "that the "
            "trajectory was written with, or one of the same subset of atoms"
        )
    if step < 1:
        raise ValueError(f"step must be 1 or more, not {step}")
    frames = range(reader.n_frames)[start:stop:step]
    if not frames:
        raise ValueError(f"{path} has {reader.n_frames} frames: none of them between start = {start} and stop = {stop}")
    weights, guessed = _masses(universe, masses or {}, topology_path)
    return Trajectory(universe, reader, frames, weights, guessed)


def check_finite(values: NDArray[Any], path: Path, frames: Sequence[int], what: str) -> None:
    """Raise ValueError that names the first frame with a NaN or infinity in ``values`` (f, n, 3)."""
    if np.isfinite(values).all():
        return
    bad = ~np.isfinite(values).all(axis=2)
    frame = int(np.argmax(bad.any(axis=1)))
    raise ValueError(
        f"{path}: frame {frames[frame]} has a {what} that is not a number (atom or bead {int(np.argmax(bad[frame]))}, "
        f"counted from 0, and {int(bad[frame].sum()) - 1} more); leave the frame out with start and stop, or write "
        "it again"
    )


def atom_names(universe: Any, indices: NDArray[np.int64], most: int = 5) -> str:
    """The first few atoms in words: residue, number and name, counted as in the topology file."""
    labels = _labels(universe)
    resnames = getattr(universe.atoms, "resnames", None)

    def word(index: int) -> str:
        resid = universe.atoms.resids[index] if hasattr(universe.atoms, "resids") else ""
        return f"{'' if resnames is None else resnames[index]}{resid}:{labels[index]} (atom {index + 1})"

    shown = ", ".join(word(int(index)) for index in indices[:most])
    return shown if len(indices) <= most else f"{shown}, ... {len(indices)} in all"


def _existing(path: str | Path, what: str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no {what} file {path}; give a path that exists, relative to where the program runs")
    return path


def _universe(path: Path) -> Any:
    try:
        return MDAnalysis.Universe(str(path), to_guess=())
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: MDAnalysis cannot read it as a topology ({first_line(error)}); the format is taken from the "
            "suffix"
        ) from error


def _labels(universe: Any) -> NDArray[Any]:
    for attribute in ("names", "types"):
        if hasattr(universe.atoms, attribute):
            return np.asarray(getattr(universe.atoms, attribute)).astype(str)
    return np.full(len(universe.atoms), "atom")


def _masses(universe: Any, given: dict[str, float], path: Path) -> tuple[NDArray[np.float64], bool]:
    labels = _labels(universe)
    if unknown := sorted(set(given) - set(labels)):
        raise ValueError(f"masses: no atom of {path} is named {', '.join(unknown)}; it has {_some(labels)}")
    guessed = not hasattr(universe.atoms, "masses") and not set(labels) <= set(given)
    virtual = np.zeros(len(labels), bool)
    if hasattr(universe.atoms, "masses"):
        masses = np.array(universe.atoms.masses, dtype=np.float64)
        virtual = masses == 0
    elif guessed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it cannot guess is an error below
            universe.guess_TopologyAttrs(to_guess=["types", "masses"])
        masses = np.array(universe.atoms.masses, dtype=np.float64)
        virtual = (masses == 0) & (np.asarray(universe.atoms.types).astype(str) == "DUMMY")
    else:
        masses = np.zeros(len(labels))
    for name, mass in given.items():
        if not (np.isfinite(mass) and mass >= 0):
            raise ValueError(f"masses: {name} = {mass}; a mass is a positive number of amu, or 0 for a virtual site")
        masses[labels == name] = mass
        virtual[labels == name] = mass == 0
    if (missing := ~(masses > 0) & ~virtual).any():
        names = _some(labels[missing])
        raise ValueError(
            f"{path}: no masses, and none can be guessed for the atoms named {names}; give a topology with masses "
            "(TPR, PSF, "
            "LAMMPS data) or name them: masses = {NAME = amu, ...}"
        )
    return masses, guessed


def _some(labels: NDArray[Any]) -> str:
    names = sorted(set(labels.tolist()))
    return ", ".join(names[:8]) + (f", ... ({len(names)} names)" if len(names) > 8 else "")
