"""Readers of trajectory files: XTC and mixed TRR through libmdaxdr, like TRR frames mapped, the rest by MDAnalysis.

Units are converted here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import MDAnalysis
import numpy as np
from MDAnalysis.exceptions import NoDataError
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray

from kadanoff.molecules.trr import Block, TrrMap, orthorhombic

__all__ = ["UNREADABLE", "AnyReader", "Damaged", "FrameReader", "XdrReader", "first_line", "open_reader"]

Damaged = Literal["refuse", "use-good-frames"]
"""What to do with a file that breaks off or cannot be decoded: refuse it, or use the frames before the damage."""

UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, StopIteration, RuntimeError)
"""What MDAnalysis raises for a file that it cannot read."""


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


def open_reader(path: Path, n_atoms: int, damaged: Damaged) -> FrameReader:
    """The reader for a file; raises ValueError where it is damaged or cannot be read."""
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
        f"{path}: frame {frame} cannot be decoded ({first_line(error)}); the file is damaged there. "
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
        raise ValueError(f"{path}: cannot be read as {path.suffix[1:].upper()} ({first_line(error)})") from error


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
                f"{path} is damaged: its last frame cannot be decoded ({first_line(error)}), so the file was cut "
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
                raise ValueError(f"{self.path}: frame {k}: {first_line(error)}") from error
            if step.dimensions is not None:
                box[i] = np.asarray(triclinic_vectors(step.dimensions, dtype=np.float64)) * 0.1
            time[i] = step.time
        return Block(x, orthorhombic(box, self.path, frames), time, v, f)

    def _frame(self, file: Any, k: int) -> Any:
        try:
            now = int(file.ts.frame)
            return file.ts if now == k else file.next() if now == k - 1 else file[k]
        except UNREADABLE as error:
            _opened_file.cache_clear()  # a reader that failed is in no known state
            raise _unreadable_frame(self.path, k, error) from error


def _any_file(path: Path, n_atoms: int) -> tuple[Any, Lock]:
    return _opened_file(path, n_atoms, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)  # text formats are scanned when they are opened: once in a process, not once a chunk
def _opened_file(path: Path, n_atoms: int, changed: int) -> tuple[Any, Lock]:
    try:
        return MDAnalysis.coordinates.core.reader(str(path), n_atoms=n_atoms), Lock()
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: MDAnalysis cannot read it as a trajectory ({first_line(error)}); the format is taken from the "
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


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
