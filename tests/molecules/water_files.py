"""Small trajectories of rigid waters for the tests of reading and mapping, written with MDAnalysis."""

from __future__ import annotations

from pathlib import Path

import MDAnalysis
import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import TRRFile, XTCFile
from scipy.spatial.transform import Rotation

WATERS, FRAMES, EDGES = 12, 7, np.array([2.0, 2.2, 2.4])
MASSES = np.array([15.999, 1.008, 1.008])


def waters(seed: int = 1):
    """Positions, velocities, forces (f, n, 3) of atoms O H H, wrapped into the box one by one; nm, ps, kJ/mol."""
    random = np.random.default_rng(seed)
    half = np.deg2rad(109.47) / 2
    water = 0.1 * np.array([[0, 0, 0], [np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    turns = Rotation.random(FRAMES * WATERS, rng=random).as_matrix().reshape(FRAMES, WATERS, 3, 3)
    x = random.random((FRAMES, WATERS, 1, 3)) * EDGES + np.einsum("fnij,aj->fnai", turns, water)
    x = (x % EDGES).reshape(FRAMES, -1, 3)
    v, f = random.normal(size=x.shape), 500 * random.normal(size=x.shape)
    return x.astype(np.float32), v.astype(np.float32), f.astype(np.float32)


def write_gro(path: Path, names=("OW", "HW1", "HW2"), residue: str = "SOL", molecules: int = WATERS) -> Path:
    """A GRO file of ``molecules`` residues (its coordinates do not matter, its box is EDGES)."""
    lines = ["water", str(molecules * len(names))]
    for m in range(molecules):
        for a, name in enumerate(names):
            number = m * len(names) + a + 1
            lines.append(f"{m + 1:5d}{residue:<5s}{name:>5s}{number:5d}{0.1 * a:8.3f}{0.1 * m:8.3f}{0.0:8.3f}")
    path.write_text("\n".join([*lines, "{:10.5f}{:10.5f}{:10.5f}".format(*EDGES)]) + "\n")
    return path


def write_trr(path: Path, x, v=None, f=None, *, box=None, forces_every: int = 1) -> Path:
    box = np.diag(EDGES) if box is None else box
    with TRRFile(str(path), "w") as file:
        for k in range(len(x)):
            force = f[k] if f is not None and k % forces_every == 0 else None
            file.write(x[k], None if v is None else v[k], force, box, k, 1.5 * k, 0.0, x.shape[1])
    return path


def write_xtc(path: Path, x, *, box=None) -> Path:
    with XTCFile(str(path), "w") as file:
        for k in range(len(x)):
            file.write(x[k], np.diag(EDGES) if box is None else box, k, 1.5 * k, 1000.0)
    return path


def by_mdanalysis(topology: Path, trajectory: Path):
    """Positions, velocities, forces, boxes, times as MDAnalysis' own reader gives them, in nm, ps, kJ/mol/nm."""
    universe = MDAnalysis.Universe(str(topology), str(trajectory))
    rows = []
    for step in universe.trajectory:
        rows.append(
            (
                step.positions / 10,
                step.velocities / 10 if step.has_velocities else None,
                step.forces * 10 if step.has_forces else None,
                step.dimensions[:3] / 10,
                step.time,
            )
        )
    return [None if any(entry is None for entry in column) else np.array(column) for column in zip(*rows, strict=True)]
