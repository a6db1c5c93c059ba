"""Bead trajectories as files that the readers read back: a GRO topology and a TRR with positions and forces.

Beads take a third of the room of the atoms of water, or less; a reference in this form is small enough to hand on.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np

from kadanoff.molecules.frames import Frames

__all__ = ["bead_files"]


def bead_files(frames: Frames, stem: str, *, residue: str = "SOL") -> dict[str, bytes]:
    """A bead trajectory as ``stem``.gro and ``stem``.trr, {name: content}, each bead a ``residue`` of one atom.

    Positions, velocities and forces, where there are any, go to the TRR in single precision (nm, ps, kJ/mol/nm), so
    that what was float32 comes back with the same bits; the GRO holds the names and the first frame to 0.001 nm. Masses
    are in neither: give them to the reader (``masses = {W = 18.015}``). One or more frames; names of at most five
    letters. Raises ValueError for others.
    """
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    beads = frames.beads
    long = [name for name in (*beads.names, residue) if not 1 <= len(name) <= 5]
    if long or not len(frames):
        raise ValueError(f"a GRO file has names of one to five letters and a frame, not {long or 'no frames'}")
    lines = ["beads, made by kadanoff", f"{len(beads):5d}"]
    for k, (kind, x) in enumerate(zip(beads.types, frames.positions[0], strict=True)):
        number = (k + 1) % 100_000
        lines.append(f"{number:5d}{residue:<5s}{beads.names[kind]:>5s}{number:5d}{x[0]:8.3f}{x[1]:8.3f}{x[2]:8.3f}")
    lines.append("{:10.5f}{:10.5f}{:10.5f}".format(*frames.box[0]))
    arrays = [
        None if array is None else np.ascontiguousarray(array, dtype=np.float32)
        for array in (frames.positions, frames.velocities, frames.forces)
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"{stem}.trr"
        with TRRFile(str(path), "w") as file:
            for k in range(len(frames)):
                x, v, f = (None if array is None else array[k] for array in arrays)
                file.write(
                    x, v, f, np.diag(frames.box[k]).astype(np.float32), k, float(frames.time[k]), 0.0, len(beads)
                )
        return {f"{stem}.gro": ("\n".join(lines) + "\n").encode(), f"{stem}.trr": path.read_bytes()}
