"""Configurations from the reader's own files: NumPy's .npy and .npz, and HDF5."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices.lattice import Lattice, LatticeName, named_lattice

__all__ = ["SpinKind", "lattice_of_shape", "open_configurations", "spins_of"]

SpinKind = Literal["ising", "potts", "real"]
_HDF5 = (".h5", ".hdf5", ".hdf", ".nc")


@contextmanager
def open_configurations(path: Path, dataset: str | None = None) -> Iterator[Any]:
    """The array of a file, (samples, *shape), to be sliced along its first axis; .npy and HDF5 are not read whole.

    Arguments:
        path: .npy, .npz, or HDF5 (.h5, .hdf5, .hdf, .nc).
        dataset: name of the array in an .npz or HDF5 file; may be left out where there is one only.

    Raises:
        ValueError: for other files, a name that is not there (with those that are), an array that is not of numbers.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        yield _checked(np.load(path, mmap_mode="r", allow_pickle=False), path)
    elif suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            yield _checked(archive[_chosen(list(archive.files), dataset, path)], path)
    elif suffix in _HDF5:
        import h5py  # type: ignore[import-untyped]

        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            yield _checked(file[_chosen(names, dataset, path)], path)
    else:
        raise ValueError(f"{path.name}: configurations are read from .npy, .npz and HDF5 ({', '.join(_HDF5)})")


def lattice_of_shape(shape: tuple[int, ...], lattice: LatticeName) -> Lattice:
    """The lattice of configurations of this shape: (L, L), cubic (L, L, L), honeycomb (L, L, 2), or their sites in a
    row.

    Raises ValueError for a shape that is none of these, or edges of different lengths.
    """
    dimension = 3 if lattice == "cubic" else 2
    basis = 2 if lattice == "honeycomb" else 1
    edge = round((math.prod(shape) / basis) ** (1 / dimension))
    whole = (edge,) * dimension + ((basis,) if basis > 1 else ())
    if shape not in (whole, (math.prod(whole),)):
        raise ValueError(
            f"a {lattice} lattice has configurations of shape "
            f"{'(L, L, L)' if lattice == 'cubic' else '(L, L, 2)' if basis > 1 else '(L, L)'}, got {shape}: "
            "name the lattice they are of; samples come first (np.moveaxis brings them there, a reshape would mix "
            "spins of different samples)"
        )
    return named_lattice(lattice, edge)


def spins_of(values: NDArray[Any], kind: SpinKind, states: int, first: int = 0) -> NDArray[np.int8]:
    """Spins of a piece of a file: +-1 ("ising"; of "real" fields the sign), or 0 ... states - 1 ("potts").

    Arguments:
        first: number of the piece's first configuration, for messages.

    Raises:
        ValueError: for a value outside the set, with its place and what to do.
    """
    given = np.asarray(values)
    if kind == "real":
        wrong = ~np.isfinite(given) | (given == 0)
        expected = "real fields are finite and not 0: their sign is the spin"
    elif kind == "ising":
        wrong = (given != 1) & (given != -1)
        expected = 'Ising spins are +1 and -1; for 0 and 1 say spins = "potts" with potts = 2, or convert them'
    else:
        wrong = (given < 0) | (given >= states) | (given != np.rint(given))
        expected = f"Potts states are 0 to {states - 1}"
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"configuration {first + place[0]} has {given[place]} at site {place[1:]}: {expected}")
    spins = np.sign(given) if kind == "real" else given
    if kind == "potts" and states == 2:
        spins = 2 * given.astype(np.int8) - 1
    return np.ascontiguousarray(spins, dtype=np.int8)


def _chosen(names: list[str], wanted: str | None, path: Path) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        asked = "give the name of one" if wanted is None else f"there is no {wanted!r}"
        raise ValueError(f"{path.name}: {asked}; it holds {', '.join(sorted(names)) or 'no array'}")
    return wanted


def _checked(array: Any, path: Path) -> Any:
    if array.ndim < 2 or len(array) == 0 or array.dtype.kind not in "iufb":
        raise ValueError(
            f"{path.name}: configurations are an array of numbers (samples, *shape), got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array
