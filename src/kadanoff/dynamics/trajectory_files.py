"""Trajectories from files: arrays by NumPy, columns of text by NumPy, coordinates of molecules by MDAnalysis."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.dynamics.trajectories import Trajectories, trajectories

__all__ = ["read_coordinate", "read_trajectories"]

Array = NDArray[np.float64]
Component = Literal["x", "y", "z", "xyz", "distance"]

_DELIMITERS = (",", ";", "\t")


def read_trajectories(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Sequence[str] = (),
    velocities: Sequence[str] = (),
    forces: Sequence[str] = (),
    time: str | None = None,
    trajectory: str | None = None,
    spacing: float | None = None,
    unit: str = "",
    time_unit: str = "",
) -> Trajectories:
    """Trajectories from .npy, .npz or text files (.csv, .txt, .dat); several files are several trajectories.

    Arguments:
        paths: one file or a list.
        columns: the coordinates: names in the header of a text file, names of arrays in a .npz, numbers from 0 in a
            text file without header or a .npy of (n, d). Default: all columns that no other argument names.
        velocities, forces: columns of these, as many as coordinates.
        time: column of the time; else give `spacing`.
        trajectory: column of a label; a new trajectory begins where it changes.
        spacing: time between rows.
        unit, time_unit: of positions and time.

    Returns:
        Checked `Trajectories`. A .npy may also hold (k, n, d), k trajectories.

    Raises:
        ValueError: for a file that cannot be read, a column that is not there (those that are get named), and as
            `trajectories.trajectories`.
    """
    files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not files:
        raise ValueError("no file is given")
    if (spacing is None) == (time is None):
        raise ValueError("give either the spacing of the rows or the column of the time")
    found: dict[str, list[Array]] = {"positions": [], "velocities": [], "forces": [], "times": []}
    for file in files:
        if file.suffix.lower() == ".npy" and (stack := _array(file)).ndim == 3:
            if columns or velocities or forces or time or trajectory:
                raise ValueError(f"{file.name} holds trajectories of shape {stack.shape}: no columns can be chosen")
            found["positions"].extend(stack)
            continue
        table = _table(file)
        others = [name for name in (time, trajectory, *velocities, *forces) if name is not None]
        chosen = list(columns) or [name for name in table if name not in others]
        if not columns:
            _refuse_times(table, chosen, file)
        cuts = [slice(None)] if trajectory is None else _runs(_column(table, trajectory, file))
        groups = (
            ("positions", chosen),
            ("velocities", velocities),
            ("forces", forces),
            ("times", [time] if time else []),
        )
        for name, wanted in groups:
            if not wanted:
                continue
            block = np.column_stack([_column(table, one, file) for one in wanted])
            found[name] += [block[cut, 0] if name == "times" else block[cut] for cut in cuts]
    return trajectories(
        found["positions"],
        spacing,
        times=found["times"] or None,
        velocities=found["velocities"] or None,
        forces=found["forces"] or None,
        unit=unit,
        time_unit=time_unit,
    )


def read_coordinate(
    topology: str | Path,
    trajectory: str | Path | None = None,
    *,
    select: str,
    other: str | None = None,
    component: Component = "xyz",
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
) -> Trajectories:
    """A coordinate of a molecular trajectory, read by MDAnalysis: in nm and ps.

    Arguments:
        topology, trajectory: files in any format that MDAnalysis reads.
        select: the atoms whose centre of mass is followed, in the selection language of MDAnalysis.
        other: a second selection, for component "distance": that between the two centres, by the nearest image.
        component: "x", "y", "z" or "xyz" of the first centre. Each atom is followed through the periodic images by its
            shortest step, so that a path leaves the box and does not jump; in the first frame the molecule is whole.
        start, stop, step: of the frames.

    Returns:
        One trajectory with one coordinate, or three for "xyz".

    Raises:
        ValueError: for files that cannot be read, an empty selection, a box that is not orthorhombic.
    """
    import MDAnalysis
    from MDAnalysis.exceptions import SelectionError
    from MDAnalysis.lib.distances import calc_bonds

    if (component == "distance") != (other is not None):
        raise ValueError('component "distance" goes with a second selection, and only it')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # guessed masses and the like; what matters is checked below
        try:
            universe = MDAnalysis.Universe(str(topology), *([] if trajectory is None else [str(trajectory)]))
            groups = [universe.select_atoms(text) for text in (select, other) if text is not None]
        except (OSError, ValueError, TypeError, KeyError, EOFError, AttributeError, SelectionError) as error:
            raise ValueError(f"MDAnalysis cannot read {topology}, {trajectory} or the selection: {error}") from error
    for text, group in zip((select, other), groups, strict=False):
        if not len(group):
            raise ValueError(f"the selection {text!r} is empty")
    weights = []
    for group in groups:
        mass = np.asarray(group.masses, dtype=np.float64)
        weights.append(mass / mass.sum() if mass.sum() > 0 else np.full(len(group), 1 / len(group)))
    rows, times = [], []
    before: list[Array] = []
    for frame in universe.trajectory[start:stop:step]:
        box = frame.dimensions
        periodic = box is not None and np.all(box[:3] > 0)
        if periodic and np.any(np.abs(box[3:] - 90) > 1e-3):
            raise ValueError(f"frame {frame.frame}: the box is triclinic; only orthorhombic boxes are followed")
        now = [np.asarray(group.positions, dtype=np.float64) for group in groups]
        if periodic and before:
            now = [one - box[:3] * np.round((one - last) / box[:3]) for one, last in zip(now, before, strict=True)]
        before = now
        centres = [weight @ one for weight, one in zip(weights, now, strict=True)]
        if component == "distance":
            far = calc_bonds(centres[0][None], centres[1][None], box=box if periodic else None)
            rows.append(np.array([far[0]]))
        else:
            rows.append(centres[0]["xyz".index(component)][None] if component != "xyz" else centres[0])
        times.append(frame.time)
    if len(rows) < 4:
        raise ValueError(f"{len(rows)} frames from {start} to {stop}: 4 or more are needed")
    return trajectories(0.1 * np.array(rows), times=np.array(times), unit="nm", time_unit="ps")


def _array(file: Path) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{file} cannot be read as NumPy data: {error}") from error


def _table(file: Path) -> dict[str, Array]:
    """Columns by name."""
    suffix = file.suffix.lower()
    if suffix == ".npz":
        with _array(file) as data:
            table: dict[str, Array] = {}
            for name in data.files:
                values = np.asarray(data[name])
                if values.ndim == 1:
                    table[name] = values
                elif values.ndim == 2:
                    table |= {
                        f"{name}.{i}" if values.shape[1] > 1 else name: values[:, i] for i in range(values.shape[1])
                    }
                else:
                    raise ValueError(f"{file.name}: {name} has shape {values.shape}, not (n,) or (n, d)")
        return table
    if suffix == ".npy":
        values = np.asarray(_array(file))
    else:
        names, values = _text(file)
        if names:
            return dict(zip(names, values.T, strict=True))
    if values.ndim not in (1, 2):
        raise ValueError(f"{file.name} has shape {values.shape}, not (n,), (n, d) or (k, n, d)")
    return {str(i): column for i, column in enumerate(values.reshape(len(values), -1).T)}


def _text(file: Path) -> tuple[list[str], Array]:
    """Names of the columns (none without a header) and the numbers (n, c)."""
    try:
        with file.open(encoding="utf-8") as stream:
            first = stream.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as text: {error}") from error
    delimiter = next((one for one in _DELIMITERS if one in first), None)
    words = [word.strip().strip('"') for word in first.lstrip("#").strip().split(delimiter)]
    header = not all(_is_number(word) for word in words)
    if file.stat().st_size == 0:
        raise ValueError(f"{file.name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="loadtxt: input contained no data")  # said below
            values = np.loadtxt(file, delimiter=delimiter, skiprows=1 if header else 0, ndmin=2)
    except ValueError as error:
        below = " (rows from 0 below the header)" if header else ""
        raise ValueError(
            f"{file.name}: {str(error).rstrip('.')}{below}; fill or remove such rows. A file of molecules is read with "
            "select"
        ) from error
    if not len(values):
        raise ValueError(f"{file.name} holds no rows of numbers")
    if header and values.shape[1] != len(words):
        raise ValueError(f"{file.name}: the header names {len(words)} columns, the rows have {values.shape[1]}")
    return (words if header else []), values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _column(table: dict[str, Array], name: str, file: Path) -> Array:
    if name not in table:
        raise ValueError(f"{file.name} has no column {name!r}; it has {', '.join(table)}")
    try:
        return np.asarray(table[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file.name}: column {name!r} does not hold numbers: {error}") from error


def _refuse_times(table: dict[str, Array], names: list[str], file: Path) -> None:
    """A column nobody named that grows evenly from row to row is the time, not a coordinate."""
    for name in names:
        values = _column(table, name, file)
        step = np.diff(values)
        if len(step) > 2 and np.all(step > 0) and np.ptp(step) <= 0.01 * step.mean():
            raise ValueError(
                f"{file.name}: column {name!r} grows evenly from row to row: it looks like the time. Give it as time, "
                "or name the columns of the coordinates"
            )


def _runs(label: Array) -> list[slice]:
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(label) != 0) + 1, [len(label)]])
    return [slice(int(a), int(b)) for a, b in pairwise(cuts)]
