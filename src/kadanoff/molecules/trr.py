"""GROMACS TRR files whose frames are all alike, read as one strided array on disk.

Such a file is a C array of equal records (XDR: big-endian), so it is mapped instead of parsed. Files with frames of
several kinds, or in double precision, are left to MDAnalysis; see `reading`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules._kernels.trr import swap_frames

__all__ = ["Block", "TrrMap", "orthorhombic"]

_MAGIC = 1993
_HEADER = np.dtype(
    [
        ("magic", ">i4"), ("version", ">i4"), ("name_length", ">i4"), ("name", "S12"), ("unused", ">i4", 2),
        ("box_size", ">i4"), ("virial_size", ">i4"), ("pressure_size", ">i4"), ("unused2", ">i4", 2),
        ("x_size", ">i4"), ("v_size", ">i4"), ("f_size", ">i4"), ("atoms", ">i4"), ("step", ">i4"), ("nre", ">i4"),
        ("time", ">f4"), ("coupling", ">f4"),
    ]
)  # fmt: skip
_FREE = ("step", "nre", "time", "coupling")  # may differ between frames that are alike
_UNIT = np.eye(3)


class Block(NamedTuple):
    """Atoms of some frames as they come from a file, already in nm, ps, kJ/mol/nm; what is not there is None."""

    positions: NDArray[Any]  # (f, n, 3)
    box: NDArray[np.float64]  # (f, 3)
    time: NDArray[np.float64]  # (f,)
    velocities: NDArray[Any] | None
    forces: NDArray[Any] | None


def orthorhombic(matrices: NDArray[Any], path: Path, frames: range) -> NDArray[np.float64]:
    """Edge lengths (f, 3) of box matrices (f, 3, 3), or a ValueError that names the first frame with another box."""
    edges = np.array(np.diagonal(matrices, axis1=1, axis2=2), dtype=np.float64)
    if (matrices == edges[:, :, None] * _UNIT).all() and np.isfinite(edges).all() and (edges > 0).all():
        return edges
    missing = ~(np.isfinite(edges) & (edges > 0)).all(axis=1)
    if missing.any():
        raise ValueError(
            f"{path}: frame {frames[int(np.argmax(missing))]} has no periodic box; kadanoff needs one in every frame. "
            "Write the trajectory with its box, or add one (gmx trjconv -box, MDAnalysis set_dimensions)"
        )
    skew = ~(np.abs(matrices - edges[:, :, None] * _UNIT).max(axis=(1, 2)) <= 1e-5 * edges.max(axis=1))
    if skew.any():
        raise ValueError(
            f"{path}: frame {frames[int(np.argmax(skew))]} has a triclinic box; only orthorhombic boxes are supported. "
            "Simulate in a rectangular box, or convert to one"
        )
    return edges


class TrrMap:
    """A single-precision TRR file of like frames, memory-mapped; make one with `TrrMap.open`.

    ``n_frames`` counts whole frames; ``damage`` tells in words what is wrong behind them, None for a sound file.
    """

    def __init__(self, path: Path, record: np.dtype[Any], n_frames: int, damage: str | None) -> None:
        self.path, self.n_frames, self.damage = path, n_frames, damage
        self.n_atoms = int(record["x"].shape[0])
        self._record = record
        self._mapped: NDArray[np.uint32] | None = None

    @classmethod
    def open(cls, path: Path) -> TrrMap | None:
        """Map a file; None where its frames differ in kind or it is not TRR in single precision."""
        size = path.stat().st_size
        head = np.fromfile(path, _HEADER, count=1)
        record = _record(head[0]) if len(head) else None
        if record is None or size < record.itemsize:
            return None
        whole, rest = divmod(size, record.itemsize)
        alike = _alike(np.memmap(path, record, mode="r", shape=(whole,))["header"], head[0])
        good = whole if alike.all() else int(np.argmin(alike))
        damage = None
        if good < whole or rest:
            # Where the like frames end, one of another kind starts with the magic number; a damaged one rarely does.
            tail = np.fromfile(path, _HEADER, count=1, offset=good * record.itemsize)
            if len(tail) and int(tail[0]["magic"]) == _MAGIC and not _alike(tail, head[0])[0]:
                return None
            damage = f"frame {good} is not whole" if good == whole else f"the bytes of frame {good} are no TRR frame"
        return cls(path, record, good, damage)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mapped": None}

    @property
    def has_velocities(self) -> bool:
        return "v" in (self._record.names or ())

    @property
    def has_forces(self) -> bool:
        return "f" in (self._record.names or ())

    def times(self) -> NDArray[np.float64]:
        """(n_frames,) ps."""
        return np.asarray(self._records()["header"]["time"], dtype=np.float64)

    def read(self, frames: range, *, velocities: bool, forces: bool) -> Block:
        """Decode some of the frames."""
        box, time = self.headers(frames)
        v = self._vectors("v", frames) if velocities else None
        return Block(self._vectors("x", frames), box, time, v, self._vectors("f", frames) if forces else None)

    def headers(self, frames: range) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes (f, 3) and times (f,) of some of the frames."""
        part = self._records()[frames.start : frames.stop : frames.step]
        return orthorhombic(part["box"], self.path, frames), part["header"]["time"].astype(np.float64)

    def words(self) -> NDArray[np.uint32]:
        """The mapped file."""
        if self._mapped is None:
            words = self.n_frames * self._record.itemsize // 4
            self._mapped = np.memmap(self.path, np.uint32, mode="r", shape=(words,)).view(np.ndarray)
        return self._mapped

    def offsets(self, name: str, frames: range) -> NDArray[np.int64]:
        """The word where the vectors "x", "v" or "f" of each frame begin."""
        fields = self._record.fields
        assert fields is not None
        return (np.asarray(frames, dtype=np.int64) * self._record.itemsize + fields[name][1]) // 4

    def _records(self) -> Any:
        return self.words().view(self._record)

    def _vectors(self, name: str, frames: range) -> NDArray[np.float32]:
        out = np.empty((len(frames), self.n_atoms, 3), np.uint32)
        swap_frames(self.words(), self.offsets(name, frames), out.reshape(len(frames), -1))
        return out.view(np.float32)


def _record(head: Any) -> np.dtype[Any] | None:
    """The layout of the frames, or None where it is not the plain one."""
    atoms = int(head["atoms"])
    sizes = {name: int(head[f"{name}_size"]) for name in ("virial", "pressure", "x", "v", "f")}
    full = {"virial": 36, "pressure": 36, "x": 12 * atoms, "v": 12 * atoms, "f": 12 * atoms}
    plain = int(head["magic"]) == _MAGIC and int(head["name_length"]) == 12 and int(head["box_size"]) == 36
    if not plain or head["unused"].any() or head["unused2"].any() or atoms < 1 or not sizes["x"]:
        return None
    if any(size not in (0, full[name]) for name, size in sizes.items()):
        return None
    fields: list[Any] = [("header", _HEADER), ("box", ">f4", (3, 3))]
    fields += [(name, ">f4", (3, 3)) for name in ("virial", "pressure") if sizes[name]]
    fields += [(name, ">f4", (atoms, 3)) for name in ("x", "v", "f") if sizes[name]]
    return np.dtype(fields)


def _alike(headers: Any, first: Any) -> NDArray[np.bool_]:
    """Which headers (f,) are of the same kind as the first."""
    alike = np.ones(len(headers), bool)
    for name in _HEADER.names or ():
        if name not in _FREE:
            same = headers[name] == first[name]
            alike &= same if same.ndim == 1 else same.all(axis=1)
    return alike
