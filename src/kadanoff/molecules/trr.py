"""GROMACS TRR files whose frames are all alike, read as one strided array on disk.

Such a file is a C array of equal records (XDR: big-endian), so NumPy can map it without a parser loop. Files with frames of
several kinds, or in double precision, are left to MDAnalysis; see `reading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "TrrMap", "orthorhombic"]

_MAGIC = 1993
_HEADER = np.dtype(
    [
        ("magic", ">i4"), ("version", ">i4"), ("name_length", ">i4"), ("name", "S12"),
        ("unused", ">i4", 2), ("box_size", ">i4"), ("virial_size", ">i4"), ("pressure_size", ">i4"), ("unused2", ">i4", 2),
        ("x_size", ">i4"), ("v_size", ">i4"), ("f_size", ">i4"), ("atoms", ">i4"), ("step", ">i4"), ("nre", ">i4"),
        ("time", ">f4"), ("coupling", ">f4"),
    ]
)  # fmt: skip


class Block(NamedTuple):
    """Atoms of consecutive frames as they come from a file, already in nm, ps, kJ/mol/nm; what is not there is None."""

    positions: NDArray[Any]  # (f, n, 3)
    box: NDArray[np.float64]  # (f, 3)
    time: NDArray[np.float64]  # (f,)
    velocities: NDArray[Any] | None
    forces: NDArray[Any] | None


def orthorhombic(matrices: NDArray[Any], path: Path, frames: range) -> NDArray[np.float64]:
    """Edge lengths (f, 3) of box matrices (f, 3, 3), or a ValueError that names the first frame with another box."""
    box = matrices.astype(np.float64)
    edges = np.array(np.diagonal(box, axis1=1, axis2=2))
    missing = ~(np.isfinite(edges) & (edges > 0)).all(axis=1)
    if missing.any():
        raise ValueError(
            f"{path}: frame {frames[int(np.argmax(missing))]} has no periodic box; kadanoff needs one in every frame. "
            "Write the trajectory with its box, or add one (gmx trjconv -box, MDAnalysis set_dimensions)"
        )
    skew = np.abs(box - edges[:, :, None] * np.eye(3)).max(axis=(1, 2)) > 1e-5 * edges.max(axis=1)
    if skew.any():
        raise ValueError(
            f"{path}: frame {frames[int(np.argmax(skew))]} has a triclinic box; only orthorhombic boxes are supported. "
            "Simulate in, or convert to, a rectangular box"
        )
    return edges


@dataclass(frozen=True, eq=False)
class TrrMap:
    """A single-precision TRR file of like frames, memory-mapped.

    ``n_frames`` counts whole frames; ``damage`` tells in words what is wrong behind them, None for a sound file.
    """

    path: Path
    record: np.dtype[Any]
    n_frames: int
    n_atoms: int
    damage: str | None

    @classmethod
    def open(cls, path: Path) -> TrrMap | None:
        """Map a file; None where its frames differ in kind or it is not single-precision TRR."""
        size = path.stat().st_size
        if size < _HEADER.itemsize:
            return None
        head = np.fromfile(path, _HEADER, count=1)[0]
        record = _record(head)
        if record is None or size < record.itemsize:
            return None
        whole, rest = divmod(size, record.itemsize)
        headers = np.memmap(path, record, mode="r", shape=(whole,))["header"]
        alike = _alike(headers)
        good = int(np.argmin(alike)) if not alike.all() else whole
        if good < whole:
            # Frames of another kind still start with the magic number where the like ones end.
            if int(headers[good]["magic"]) == _MAGIC:
                return None
            damage: str | None = f"the bytes of frame {good} are not those of a TRR frame"
        elif rest:
            damage = f"the file ends {rest} bytes into frame {whole}, of {record.itemsize}"
            tail = np.fromfile(path, np.uint8, offset=whole * record.itemsize)
            if rest >= 4 and int(tail[:4].view(">i4")[0]) == _MAGIC and rest >= _HEADER.itemsize:
                last = tail[: _HEADER.itemsize].view(_HEADER)
                if not _alike(np.concatenate([headers[:1], last]))[1]:
                    return None  # a last frame of another kind
        else:
            damage = None
        return cls(path, record, good, int(head["atoms"]), damage)

    @property
    def has_velocities(self) -> bool:
        return "v" in (self.record.names or ())

    @property
    def has_forces(self) -> bool:
        return "f" in (self.record.names or ())

    def mapped(self) -> Any:
        """The file as an array of records with fields header, box, x, v, f (big-endian)."""
        return np.memmap(self.path, self.record, mode="r", shape=(self.n_frames,))

    def times(self) -> NDArray[np.float64]:
        """(n_frames,) ps."""
        return np.asarray(self.mapped()["header"]["time"], dtype=np.float64)

    def read(self, frames: range, *, velocities: bool, forces: bool) -> Block:
        """Decode some of the frames."""
        part = self.mapped()[frames.start : frames.stop : frames.step]
        box = orthorhombic(part["box"], self.path, frames)
        time = part["header"]["time"].astype(np.float64)
        v, f = (part[name].astype(np.float32) if asked else None for name, asked in (("v", velocities), ("f", forces)))
        return Block(part["x"].astype(np.float32), box, time, v, f)


def _record(head: Any) -> np.dtype[Any] | None:
    atoms = int(head["atoms"])
    sizes = {name: int(head[f"{name}_size"]) for name in ("x", "v", "f")}
    plain = int(head["magic"]) == _MAGIC and int(head["name_length"]) == 12 and not head["unused"].any()
    if not plain or head["unused2"].any() or int(head["box_size"]) != 36 or atoms < 1:
        return None
    if sizes["x"] != 12 * atoms or any(size not in (0, 12 * atoms) for size in sizes.values()):
        return None
    if int(head["virial_size"]) not in (0, 36) or int(head["pressure_size"]) not in (0, 36):
        return None
    fields: list[Any] = [("header", _HEADER), ("box", ">f4", (3, 3))]
    fields += [(name, ">f4", (3, 3)) for name in ("virial", "pressure") if int(head[f"{name}_size"])]
    fields += [(name, ">f4", (atoms, 3)) for name in ("x", "v", "f") if sizes[name]]
    return np.dtype(fields)


def _alike(headers: Any) -> NDArray[np.bool_]:
    """Which headers (f,) equal the first but for step, time and coupling."""
    alike = np.ones(len(headers), bool)
    for name in _HEADER.names or ():
        if name not in ("step", "nre", "time", "coupling"):
            same = headers[name] == headers[0][name]
            alike &= same if same.ndim == 1 else same.all(axis=1)
    return alike
