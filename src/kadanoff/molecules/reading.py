"""Trajectories in: any topology and trajectory that MDAnalysis reads, in nm, ps, kJ/mol/nm, in chunks of frames.

Units are converted here and nowhere else. XTC goes through MDAnalysis' libmdaxdr, TRR files of like frames through a
memory map (`trr`), every other format through an MDAnalysis reader.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import MDAnalysis
import numpy as np
from MDAnalysis.exceptions import NoDataError
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray

from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.trr import Block, TrrMap, orthorhombic

__all__ = ["Damaged", "Trajectory", "open_trajectory"]

Damaged = Literal["refuse", "use-good-frames"]
"""What to do with a file that breaks off or cannot be decoded: refuse it, or use the frames before the damage."""

_CHUNK_BYTES = 2 * 2**20
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, StopIteration, RuntimeError)


class FrameReader(Protocol):
    """One file of frames with random access; picklable, so that it can be read in several processes."""

    path: Path
    n_frames: int
    n_atoms: int

    @property
    def has_velocities(self) -> bool: ...

    @property
    def has_forces(self) -> bool: ...

    def times(self) -> NDArray[np.float64]: ...

    def read(self, frames: range, *, velocities: bool, forces: bool) -> Block: ...


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
    reader = _reader(path, n_atoms, damaged)
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
    except _UNREADABLE as error:
        raise ValueError(
            f"{path}: MDAnalysis cannot read it as a topology ({_first_line(error)}); the format is taken from the "
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


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _reader(path: Path, n_atoms: int, damaged: Damaged) -> FrameReader:
    if damaged not in ("refuse", "use-good-frames"):
        raise ValueError(f'damaged must be "refuse" or "use-good-frames", not {damaged!r}')
    suffix = path.suffix.lower()
    if suffix == ".trr" and (mapped := TrrMap.open(path)) is not None:
        if mapped.damage:
            _refuse_damage(path, mapped.n_frames, mapped.damage, damaged)
        return mapped
    if suffix in (".xtc", ".trr"):
        return _open_xdr(path, damaged)
    return _open_any(path, n_atoms, damaged)


def _refuse_damage(path: Path, good: int, damage: str, damaged: Damaged) -> None:
    if damaged == "refuse" or good == 0:
        raise ValueError(
            f"{path} is damaged: {damage}. "
            + (f'To use the {good} frames before it, say damaged = "use-good-frames"' if good else "No frame is whole")
        )


def _unreadable_frame(path: Path, frame: int, error: BaseException) -> ValueError:
    return ValueError(
        f"{path}: frame {frame} cannot be decoded ({_first_line(error)}); the file is damaged there. "
        'To use the frames before it, say damaged = "use-good-frames"'
    )


class XdrReader:
    """XTC, or TRR with frames of several kinds, through MDAnalysis' libmdaxdr (native units: nm, ps, kJ/mol/nm)."""

    def __init__(self, path: Path, offsets: NDArray[np.int64], n_atoms: int, has: tuple[bool, bool]) -> None:
        self.path, self.offsets, self.n_atoms, self._has = path, offsets, n_atoms, has
        self.n_frames = len(offsets)
        self._file: Any = None
        self._lock = Lock()  # one file position: threads take turns

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "offsets": self.offsets, "n_atoms": self.n_atoms, "has": self._has}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def is_xtc(self) -> bool:
        return _is_xtc(self.path)

    @property
    def has_velocities(self) -> bool:
        return self._has[0]

    @property
    def has_forces(self) -> bool:
        return self._has[1]

    def times(self) -> NDArray[np.float64]:
        """(n_frames,) ps; for XTC straight from the frame headers, without decoding."""
        if _is_xtc(self.path):
            data = np.memmap(self.path, np.uint8, mode="r")
            bytes_of_time = data[self.offsets[:, None] + np.arange(12, 16)]
            return np.ascontiguousarray(bytes_of_time).view(">f4")[:, 0].astype(np.float64)
        file = self._opened()
        times = np.empty(self.n_frames)
        for k in range(self.n_frames):
            file.seek(k)
            times[k] = file.read().time
        return times

    def read(self, frames: range, *, velocities: bool, forces: bool) -> Block:
        """Decode some of the frames."""
        with self._lock:
            return self._read(frames, velocities, forces)

    def _read(self, frames: range, velocities: bool, forces: bool) -> Block:
        file = self._opened()
        shape = (len(frames), self.n_atoms, 3)
        x = np.empty(shape, np.float32)
        v = np.empty(shape, np.float32) if velocities else None
        f = np.empty(shape, np.float32) if forces else None
        box, time = np.empty((len(frames), 3, 3), np.float32), np.empty(len(frames))
        xtc = _is_xtc(self.path)
        for i, k in enumerate(frames):
            frame = self._frame(file, k, x[i] if xtc else None)
            if not xtc:
                for what, there, values, target in (
                    ("positions", frame.hasx, frame.x, x),
                    ("velocities", frame.hasv, frame.v, v),
                    ("forces", frame.hasf, frame.f, f),
                ):
                    if target is not None:
                        if not there:
                            raise ValueError(
                                f"{self.path}: frame {k} holds no {what}, though the file's first frame does; choose "
                                "the frames that do with start, stop and step"
                            )
                        target[i] = values
            box[i], time[i] = frame.box, frame.time
        return Block(x, orthorhombic(box, self.path, frames), time, v, f)

    def each(self, frames: range) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], float]]:
        """Positions (1 + 3 n,), box (3, 3) and time of each frame of an XTC file; the next overwrites the positions.

        They have one number to spare before them, as the kernels want. One frame fits the processor's cache, which a
        block of them does not.
        """
        with self._lock:
            file = self._opened()
            flat = np.zeros(3 * self.n_atoms + 1, np.float32)
            x = flat[1:].reshape(-1, 3)
            for k in frames:
                frame = self._frame(file, k, x)
                yield flat, frame.box, frame.time

    def _frame(self, file: Any, k: int, target: NDArray[np.float32] | None) -> Any:
        try:
            if file.tell() != k:
                file.seek(k)
            return file.read() if target is None else file.read_direct_x(target)
        except (OSError, EOFError, StopIteration) as error:
            self._file = None
            raise _unreadable_frame(self.path, k, error) from error

    def _opened(self) -> Any:
        if self._file is None:
            self._file = _xdr_file(self.path)
            self._file.set_offsets(self.offsets)
        return self._file


def _is_xtc(path: Path) -> bool:
    return path.suffix.lower() == ".xtc"


def _xdr_file(path: Path) -> Any:
    try:
        return (XTCFile if _is_xtc(path) else TRRFile)(str(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read as {path.suffix[1:].upper()} ({_first_line(error)})") from error


def _open_xdr(path: Path, damaged: Damaged) -> XdrReader:
    file = _xdr_file(path)
    size = path.stat().st_size
    if damaged == "use-good-frames":
        offsets = _good_offsets(file, size)
        if not len(offsets):
            _refuse_damage(path, 0, "its first frame cannot be decoded", damaged)
    else:
        try:
            offsets = np.array(file.offsets)
            file.seek(len(offsets) - 1)
            file.read()
            whole = file._bytes_tell() == size
        except (OSError, EOFError, StopIteration) as error:
            raise ValueError(
                f"{path} is damaged: its last frame cannot be decoded ({_first_line(error)}), so the file was cut "
                "off or "
                'overwritten. To use the frames before the damage, say damaged = "use-good-frames"'
            ) from error
        if not whole:
            _refuse_damage(path, len(offsets), f"bytes that are no frame follow frame {len(offsets) - 1}", damaged)
    has = (False, False)
    if not _is_xtc(path):
        file = _xdr_file(path)
        first = file.read()
        has = (bool(first.hasv), bool(first.hasf))
    return XdrReader(path, offsets, file.n_atoms, has)


def _good_offsets(file: Any, size: int) -> NDArray[np.int64]:
    """Offsets of the frames before the first that cannot be decoded, by decoding them all."""
    offsets, position = [], 0
    try:
        while position < size:
            file.read()
            offsets.append(position)
            position = file._bytes_tell()
    except (OSError, EOFError, StopIteration):
        pass
    return np.array(offsets, dtype=np.int64)


class AnyReader:
    """Every other format, through MDAnalysis' own reader; its units (Angstrom, kJ/mol/Angstrom) are converted here."""

    def __init__(self, path: Path, n_atoms: int, n_frames: int, has: tuple[bool, bool]) -> None:
        self.path, self.n_atoms, self.n_frames, self._has = path, n_atoms, n_frames, has

    @property
    def has_velocities(self) -> bool:
        return self._has[0]

    @property
    def has_forces(self) -> bool:
        return self._has[1]

    def times(self) -> NDArray[np.float64]:
        """(n_frames,) ps, by going through the file once."""
        file, lock = _any_file(self.path, self.n_atoms)
        with lock:
            return np.array([self._frame(file, k).time for k in range(self.n_frames)], dtype=np.float64)

    def read(self, frames: range, *, velocities: bool, forces: bool) -> Block:
        """Decode some of the frames."""
        file, lock = _any_file(self.path, self.n_atoms)
        with lock:
            return self._read(file, frames, velocities, forces)

    def _read(self, file: Any, frames: range, velocities: bool, forces: bool) -> Block:
        shape = (len(frames), self.n_atoms, 3)
        x = np.empty(shape, np.float32)
        v = np.empty(shape, np.float32) if velocities else None
        f = np.empty(shape, np.float32) if forces else None
        box, time = np.zeros((len(frames), 3, 3)), np.empty(len(frames))
        for i, k in enumerate(frames):
            step = self._frame(file, k)
            try:
                np.multiply(step.positions, 0.1, out=x[i], casting="same_kind")
                if v is not None:
                    np.multiply(step.velocities, 0.1, out=v[i], casting="same_kind")
                if f is not None:
                    np.multiply(step.forces, 10.0, out=f[i], casting="same_kind")
            except NoDataError as error:
                raise ValueError(f"{self.path}: frame {k}: {_first_line(error)}") from error
            if step.dimensions is not None:
                box[i] = np.asarray(triclinic_vectors(step.dimensions, dtype=np.float64)) * 0.1
            time[i] = step.time
        return Block(x, orthorhombic(box, self.path, frames), time, v, f)

    def _frame(self, file: Any, k: int) -> Any:
        try:
            now = int(file.ts.frame)
            return file.ts if now == k else file.next() if now == k - 1 else file[k]
        except _UNREADABLE as error:
            _opened_file.cache_clear()  # a reader that failed is in no known state
            raise _unreadable_frame(self.path, k, error) from error


def _any_file(path: Path, n_atoms: int) -> tuple[Any, Lock]:
    return _opened_file(path, n_atoms, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)  # text formats are scanned when they are opened: once in a process, not once a chunk
def _opened_file(path: Path, n_atoms: int, changed: int) -> tuple[Any, Lock]:
    try:
        return MDAnalysis.coordinates.core.reader(str(path), n_atoms=n_atoms), Lock()
    except _UNREADABLE as error:
        raise ValueError(
            f"{path}: MDAnalysis cannot read it as a trajectory ({_first_line(error)}); the format is taken from the "
            "suffix"
        ) from error


def _open_any(path: Path, n_atoms: int, damaged: Damaged) -> AnyReader:
    file, _ = _any_file(path, n_atoms)
    has = (bool(file.ts.has_velocities), bool(file.ts.has_forces))
    reader = AnyReader(path, int(file.n_atoms), int(file.n_frames), has)
    if damaged == "use-good-frames":
        for k in range(reader.n_frames):
            try:
                reader._frame(_any_file(path, n_atoms)[0], k)
            except ValueError:
                reader.n_frames = k
                break
        if reader.n_frames == 0:
            _refuse_damage(path, 0, "its first frame cannot be decoded", damaged)
    return reader
