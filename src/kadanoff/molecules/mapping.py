"""From atoms to beads: which atoms make which bead, and how positions, velocities and forces follow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.maps import Map
from kadanoff.molecules._kernels.mapping import bead_sums, whole_means
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.readers import Damaged, XdrReader
from kadanoff.molecules.reading import Trajectory, atom_names, check_finite, open_trajectory
from kadanoff.molecules.scratch import map_to_scratch
from kadanoff.molecules.trr import Block, TrrMap, orthorhombic
from kadanoff.parallel import executor, map_ordered

__all__ = ["BeadConfig", "Mapping", "MappingConfig", "read_all_beads", "read_beads", "require_one_bead_per_molecule"]

Weights = Literal["mass", "geometry"] | dict[str, Annotated[float, Field(ge=0)]]


class BeadConfig(BaseModel):
    """One bead type: ``[beads.W]`` with ``select = "resname SOL"``, ``per = "residue"``.

    Keys:
        select: MDAnalysis selection of the atoms that belong to beads of this type; default all.
        per: what makes one bead of them: each "atom", "residue", "molecule" (needs molecule numbers, as in TPR files)
            or "fragment" (needs bonds).
        atoms: names of the bead's atoms within each residue (molecule, fragment), or a list of such lists where that
            holds several beads of this type. Residues without any of the names are passed over.
        weights: positions by "mass" (centre of mass), "geometry" (all alike), or numbers by atom name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    select: str = "all"
    per: Literal["atom", "residue", "molecule", "fragment"] = "residue"
    atoms: list[str] | list[list[str]] | None = None
    weights: Weights = "mass"


class MappingConfig(BaseModel):
    """The mapping part of a study: ``[beads.<NAME>]`` for each bead type.

    Keys:
        beads: the bead types by name, in the order in which types are numbered.
        unassigned: what to do with atoms in no bead, "error" or "ignore".
        masses: amu by atom name, where the topology has none and names tell no element.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    beads: Annotated[dict[str, BeadConfig], Field(min_length=1)]
    unassigned: Literal["error", "ignore"] = "error"
    masses: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)


_SOUND = (-1, -1, True)  # what a kernel returns where nothing is wrong


@dataclass(frozen=True, eq=False)
class Mapping:
    """Atoms to beads: R_I = sum_j c_Ij r_j, F_I = sum_{j in I} f_j.

    The coefficients c_Ij = w_j / sum_{k in I} w_k are those of ``map.mean``, the forces of ``map.sum``. Each atom is in
    one bead at most, so the force map B_Ij = 1 obeys B C^T = 1: whatever the weights, the mean of F_I at given bead
    positions is the mean force there, as long as no rigid constraint joins two beads (constraints inside a bead add
    forces that cancel in its sum). Velocities are averaged by mass and bead masses are sums, so momentum is conserved
    and the beads have the temperature of the atoms; with mass weights (the default) these are also the velocities of
    the bead positions, and Noid's conditions on the momenta hold.

    ``beads`` types and masses; ``map`` (n_beads, n_atoms); ``molecule`` (n_beads,) which molecule each bead is part of.

    Source: Noid et al., J. Chem. Phys. 128, 244114 (2008); Ciccotti, Kapral, Vanden-Eijnden,
    ChemPhysChem 6, 1809 (2005).
    """

    beads: Beads
    map: Map
    molecule: NDArray[np.int64]
    n_atoms: int
    _atoms: NDArray[np.int64]  # bead after bead; empty where they are the first ones of a frame in order
    _starts: NDArray[np.int64]
    _share: NDArray[np.float64]  # with a zero behind, as all weights for the kernels
    _mass_share: NDArray[np.float64]

    @classmethod
    def build(cls, config: MappingConfig, source: Trajectory) -> Mapping:
        """Find the atoms of every bead of ``config`` in the topology of ``source``.

        Beads are numbered by their first atom. Raises ValueError for empty selections, atoms in two beads or (unless
        ``unassigned = "ignore"``) in none, names that are missing or double, groups that the topology does not know.
        """
        names = tuple(config.beads)
        groups: list[NDArray[np.int64]] = []
        types: list[int] = []
        weight = np.zeros(source.n_atoms)
        owner = np.full(source.n_atoms, -1)
        for kind, (name, bead) in enumerate(config.beads.items()):
            found = _groups(name, bead, source)
            for group in found:
                taken = group[owner[group] >= 0]
                if len(taken):
                    others = ", ".join(sorted({names[i] for i in owner[taken]}))
                    raise ValueError(
                        f"beads.{name}: atoms {atom_names(source.universe, taken)} are already in a bead {others}; "
                        "an atom "
                        "may be in one bead only: narrow one of the selections"
                    )
                owner[group] = kind
                weight[group] = _weights(name, bead, group, source)
            _check_weight_names(name, bead, found, source)
            groups += found
            types += [kind] * len(found)
        free = np.flatnonzero(owner < 0)
        if len(free) and config.unassigned == "error":
            raise ValueError(
                f"{len(free)} atoms are in no bead: {atom_names(source.universe, free)}; add a bead for them, or say "
                'unassigned = "ignore" to leave them out'
            )
        order = sorted(range(len(groups)), key=lambda i: int(groups[i][0]))
        return cls._of([groups[i] for i in order], np.array([types[i] for i in order]), names, weight, source)

    @classmethod
    def _of(
        cls, groups: list[NDArray[np.int64]], types: NDArray[Any], names: tuple[str, ...], weight: NDArray[np.float64],
        source: Trajectory,
    ) -> Mapping:  # fmt: skip
        labels = np.full(source.n_atoms, -1)
        for bead, group in enumerate(groups):
            labels[group] = bead
        atoms = np.concatenate(groups)
        starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
        mass = np.add.reduceat(source.masses[atoms], starts[:-1])
        total = np.add.reduceat(weight[atoms], starts[:-1])
        for what, sums in (("weight", total), ("mass", mass)):
            if not (sums > 0).all():
                bad = int(np.argmin(sums))
                raise ValueError(
                    f"beads.{names[types[bead]]}: the atoms {atom_names(source.universe, groups[bad])} have no "
                    f"{what} together; "
                    f"give one of them a positive {what}"
                )
        size = np.diff(starts)
        molecule = _molecules(source.universe)[atoms[starts[:-1]]]
        if not hasattr(source.universe.atoms, "bonds") and np.all(size == 1) and len(np.unique(molecule)) == 1:
            molecule = np.arange(len(size))  # an atomic liquid whose topology puts all into one residue
        in_order = np.array_equal(atoms, np.arange(len(atoms)))
        return cls(
            Beads(types.astype(np.int32), names, mass),
            Map.groups(labels, weight=weight, coarse=len(groups)),
            molecule, source.n_atoms, atoms[:0] if in_order else atoms, starts,
            np.append(weight[atoms] / np.repeat(total, size), 0.0),
            np.append(source.masses[atoms] / np.repeat(mass, size), 0.0),
        )  # fmt: skip

    def apply(self, frames: Frames) -> Frames:
        """Beads of a chunk of atoms.

        Each bead is made whole first: its atoms are taken at the periodic image nearest to its first atom, where the
        bead stays, so trajectories without jumps stay so and bead positions may lie outside the box.

        Raises ValueError for beads longer than half the box, whose images cannot be told apart, and for NaN.
        """
        block = Block(frames.positions, frames.box, frames.time, frames.velocities, frames.forces)
        velocities, forces = frames.velocities is not None, frames.forces is not None
        arrays = np.empty((1 + velocities + forces, len(frames), len(self.beads), 3), frames.positions.dtype)
        out = _block(arrays, np.empty((len(frames), 3)), np.empty(len(frames)), velocities, forces)
        self._fill(block, out, Path("frames"), range(len(frames)))
        return Frames(self.beads, *out)

    def _fill(self, block: Block, out: Block, path: Path, numbers: range) -> None:
        """Map a block of atoms; ``path`` and the frame ``numbers`` are for messages."""
        if block.positions.shape[1] != self.n_atoms:
            raise ValueError(f"{path}: frames of {block.positions.shape[1]} atoms, but the map is of {self.n_atoms}")
        out.box[:], out.time[:] = block.box, block.time
        offset = 1 + 3 * self.n_atoms * np.arange(len(numbers))
        self._means(_with_one_before(block.positions), offset, out, path, numbers)
        for what, atoms, array in (
            ("velocity", block.velocities, out.velocities),
            ("force", block.forces, out.forces),
        ):
            if atoms is not None and array is not None:
                self._sums(_with_one_before(atoms), offset, what, array, path, numbers)

    def _means(self, values: NDArray[Any], offset: NDArray[np.int64], out: Block, path: Path, numbers: range) -> None:
        share = self._share.astype(out.positions.dtype)
        flat = out.positions.reshape(len(numbers), 3 * len(self.beads))
        self._check(whole_means(values, offset, self._atoms, out.box, self._starts, share, flat), out, path, numbers)

    def _sums(
        self, values: NDArray[Any], offset: NDArray[np.int64], what: str, out: NDArray[Any], path: Path, numbers: range
    ) -> None:
        plain = what == "force"
        weights = np.append(np.ones(len(self._share) - 1), 0.0) if plain else self._mass_share
        flat = out.reshape(len(numbers), 3 * len(self.beads))
        if not bead_sums(values, offset, self._atoms, self._starts, weights, plain, flat):
            check_finite(out, path, numbers, what)

    def _fill_mapped(self, reader: TrrMap, out: Block, numbers: range) -> None:
        """`_fill` straight from a mapped file."""
        out.box[:], out.time[:] = reader.headers(numbers)
        self._means(reader.words(), reader.offsets("x", numbers), out, reader.path, numbers)
        for name, what, array in (("v", "velocity", out.velocities), ("f", "force", out.forces)):
            if array is not None:
                self._sums(reader.words(), reader.offsets(name, numbers), what, array, reader.path, numbers)

    def _fill_each(self, reader: XdrReader, out: Block, numbers: range) -> None:
        """`_fill` from a compressed file, frame by frame."""
        share, matrices = self._share.astype(np.float32), np.empty((len(numbers), 3, 3), np.float32)
        flat, begin, found = out.positions.reshape(len(numbers), 3 * len(self.beads)), np.ones(1, np.int64), []
        for i, (x, matrices[i], out.time[i]) in enumerate(reader.each(numbers)):
            out.box[i], here = matrices[i].diagonal(), slice(i, i + 1)
            found.append(whole_means(x, begin, self._atoms, out.box[here], self._starts, share, flat[here]))
        orthorhombic(matrices, reader.path, numbers)  # before the beads are looked at: without a box they mean nothing
        for i, each in enumerate(found):
            if each != _SOUND:
                here = slice(i, i + 1)
                self._check(each, Block(out.positions[here], out.box, out.time, None, None), reader.path, numbers[here])

    def _check(self, found: tuple[int, int, bool], out: Block, path: Path, numbers: range) -> None:
        frame, bead, finite = found
        if not finite:
            check_finite(out.positions, path, numbers, "position")
        if frame >= 0:
            kind = self.beads.names[self.beads.types[bead]]
            raise ValueError(
                f"{path}: frame {numbers[frame]}: bead {bead} ({kind}) is half a box long or longer, so its periodic "
                "images cannot be told apart; map it into smaller beads, or simulate a larger box"
            )


def read_beads(
    topology: str | Path,
    trajectory: str | Path | None,
    mapping: MappingConfig,
    *,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    size: int | None = None,
    forces: bool | None = None,
    velocities: bool | None = None,
    workers: int | str | Executor = 1,
    damaged: Damaged = "refuse",
) -> Iterator[Frames]:
    """Yield chunks of bead frames of a trajectory.

    Arguments: as for `open_trajectory`, and
        mapping: the beads.
        size: frames in a chunk; never depends on ``workers``.
        forces, velocities: True asks for them, False leaves them out, None takes them where they are.
        workers: as for `parallel.executor`; XTC holds the interpreter's lock while it decodes, so several workers need
            processes: "processes:4".

    Raises:
        ValueError: as `open_trajectory`, `Mapping.build` and `Mapping.apply`; what shows in a frame, when it is read.
    """
    source = open_trajectory(
        topology, trajectory, start=start, stop=stop, step=step, masses=mapping.masses, damaged=damaged
    )
    return map_trajectory(
        source, Mapping.build(mapping, source), size=size, forces=forces, velocities=velocities, workers=workers
    )


def read_all_beads(
    topology: str | Path, trajectory: str | Path | None, mapping: MappingConfig, **options: Any
) -> Frames:
    """All of `read_beads` in one `Frames`."""
    return Frames.join(list(read_beads(topology, trajectory, mapping, **options)))


def map_trajectory(
    source: Trajectory,
    mapping: Mapping,
    *,
    size: int | None = None,
    forces: bool | None = None,
    velocities: bool | None = None,
    workers: int | str | Executor = 1,
) -> Iterator[Frames]:
    """Yield chunks of bead frames of an opened trajectory, in order; see `read_beads`."""
    with_velocities, with_forces = source.wanted(velocities, forces)
    job = (source.reader, mapping, with_velocities, with_forces)
    return _mapped(job, source.ranges(size), workers)


_CACHE_BYTES = 2**19
_Job = tuple[Any, Mapping, bool, bool]


def _mapped(job: _Job, parts: list[range], workers: int | str | Executor) -> Iterator[Frames]:
    with nullcontext(workers) if isinstance(workers, Executor) else executor(workers) as pool:
        _, mapping, velocities, forces = job
        if not isinstance(pool, ProcessPoolExecutor):
            yield from map_ordered(_map_one, [(job, part) for part in parts], pool)
            return
        fields, beads = 1 + velocities + forces, len(mapping.beads)
        for (box, time), arrays in map_to_scratch(
            _map_into, job, parts, lambda part: (fields, len(part), beads, 3), pool
        ):
            yield Frames(mapping.beads, *_block(arrays, box, time, velocities, forces))


def _block(
    arrays: NDArray[Any], box: NDArray[np.float64], time: NDArray[np.float64], velocities: bool, forces: bool
) -> Block:
    left = iter(arrays)
    return Block(next(left), box, time, next(left) if velocities else None, next(left) if forces else None)


def _map_one(task: tuple[_Job, range]) -> Frames:
    job, part = task
    _, mapping, velocities, forces = job
    # One allocation: the allocator then keeps what is freed for the next chunk, without page faults all over again.
    arrays = np.empty((1 + velocities + forces, len(part), len(mapping.beads), 3), np.float32)
    return Frames(mapping.beads, *_block(arrays, *_map_into(job, part, arrays), velocities, forces))


def _map_into(job: _Job, part: range, arrays: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beads of some frames into ``arrays`` (positions, velocities, forces); returns their boxes and times."""
    reader, mapping, velocities, forces = job
    out = _block(arrays, np.empty((len(part), 3)), np.empty(len(part)), velocities, forces)
    if isinstance(reader, TrrMap):
        mapping._fill_mapped(reader, out, part)
    elif isinstance(reader, XdrReader) and not velocities and not forces and reader.is_xtc:
        mapping._fill_each(reader, out, part)
    else:
        few = max(1, _CACHE_BYTES // (12 * reader.n_atoms))  # atoms are mapped while they are in the processor's cache
        for i in range(0, len(part), few):
            block = reader.read(part[i : i + few], velocities=velocities, forces=forces)
            here = Block(*(None if array is None else array[i : i + few] for array in out))  # type: ignore[arg-type]
            mapping._fill(block, here, reader.path, part[i : i + few])
    return out.box, out.time


def _with_one_before(x: NDArray[Any]) -> NDArray[Any]:
    """The numbers of x, flat, with one to spare before them, as the kernels want."""
    flat = np.zeros(x.size + 1, x.dtype)
    flat[1:].reshape(x.shape)[:] = x
    return flat


def require_one_bead_per_molecule(mapping: Mapping) -> None:
    """Raise ValueError unless the mapping makes beads of one type, one of each molecule.

    Molecules are fragments where the topology has bonds, else molecule numbers, else residues.
    """
    if len(mapping.beads.names) > 1:
        raise ValueError(
            f"beads: {len(mapping.beads.names)} bead types ({', '.join(mapping.beads.names)}), but this study fits one "
            'type; keep one and leave the other atoms out with unassigned = "ignore"'
        )
    molecule, counts = np.unique(mapping.molecule, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"beads.{mapping.beads.names[0]}: molecule {int(molecule[np.argmax(counts)])} has {int(counts.max())} "
            "beads, but "
            'this study fits one bead per molecule; map each molecule into one bead (per = "residue" or "fragment")'
        )


def _groups(name: str, bead: BeadConfig, source: Trajectory) -> list[NDArray[np.int64]]:
    """Atom numbers of each bead of one type."""
    from MDAnalysis.exceptions import SelectionError

    universe = source.universe
    try:
        selected = np.unique(universe.select_atoms(bead.select).indices).astype(np.int64)
    except (SelectionError, AttributeError, ValueError) as error:
        raise ValueError(f"beads.{name}: select = {bead.select!r} is not understood by MDAnalysis: {error}") from error
    if not len(selected):
        raise ValueError(
            f"beads.{name}: select = {bead.select!r} finds no atoms; the topology has residues "
            f"{_known(universe, 'resnames')} with atoms {_known(universe, 'names')}"
        )
    groups = _split(selected, _owners(name, bead.per, universe)[selected])
    if bead.atoms is None:
        return groups
    plain = [entry for entry in bead.atoms if isinstance(entry, str)]
    lists = [plain] if plain else [entry for entry in bead.atoms if not isinstance(entry, str)]
    wanted = [entry for entries in lists for entry in entries]
    labels = np.asarray(universe.atoms.names).astype(str)
    found: list[NDArray[np.int64]] = []
    for group in groups:
        found += _named(name, bead.per, lists, group, labels, source)
    if not found:
        raise ValueError(
            f"beads.{name}: no {bead.per} has atoms named {', '.join(wanted)}; the topology has "
            f"{_known(universe, 'names')}"
        )
    return found


def _named(
    name: str, per: str, lists: list[list[str]], group: NDArray[np.int64], labels: NDArray[Any], source: Trajectory
) -> list[NDArray[np.int64]]:
    here = labels[group]
    wanted = [entry for entries in lists for entry in entries]
    if not set(wanted) & set(here):
        return []
    for entry in wanted:
        count = int((here == entry).sum())
        if count != 1:
            raise ValueError(
                f"beads.{name}: the {per} of atom {atom_names(source.universe, group[:1])} has {count} atoms named "
                f"{entry}; "
                "it must have one: narrow select, or list other names"
            )
    return [np.array([group[here == entry][0] for entry in entries]) for entries in lists]


def _owners(name: str, per: str, universe: Any) -> NDArray[np.int64]:
    if per == "atom":
        return np.arange(len(universe.atoms))
    attribute = {"residue": "resindices", "molecule": "molnums", "fragment": "fragindices"}[per]
    try:
        return np.asarray(getattr(universe.atoms, attribute), dtype=np.int64)
    except AttributeError as error:
        what = "bonds" if per == "fragment" else "molecule numbers"
        raise ValueError(
            f'beads.{name}: per = "{per}" needs {what}, which the topology does not have; use per = "residue", or a '
            f"topology with {what} (TPR{', PSF, PDB with CONECT' if per == 'fragment' else ''})"
        ) from error


def _molecules(universe: Any) -> NDArray[np.int64]:
    for attribute in ("fragindices", "molnums", "resindices"):
        if hasattr(universe.atoms, attribute):
            return np.asarray(getattr(universe.atoms, attribute), dtype=np.int64)
    return np.zeros(len(universe.atoms), np.int64)


def _split(atoms: NDArray[np.int64], owners: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(owners, kind="stable")
    cuts = np.flatnonzero(np.diff(owners[order])) + 1
    return list(np.split(atoms[order], cuts))


def _weights(name: str, bead: BeadConfig, group: NDArray[np.int64], source: Trajectory) -> NDArray[np.float64]:
    if bead.weights == "mass":
        return source.masses[group]
    if bead.weights == "geometry":
        return np.ones(len(group))
    labels = np.asarray(source.universe.atoms.names).astype(str)[group]
    assert isinstance(bead.weights, dict)
    if missing := sorted(set(labels) - set(bead.weights)):
        raise ValueError(
            f"beads.{name}: no weight for atoms named {', '.join(missing)}; give each a number (0 for atoms that are "
            "in "
            "the bead but do not move it)"
        )
    return np.array([bead.weights[label] for label in labels])


def _check_weight_names(name: str, bead: BeadConfig, groups: list[NDArray[np.int64]], source: Trajectory) -> None:
    if isinstance(bead.weights, dict):
        labels = np.asarray(source.universe.atoms.names).astype(str)
        if unknown := sorted(set(bead.weights) - set(labels[np.concatenate(groups)])):
            raise ValueError(
                f"beads.{name}: no atom it maps is named {', '.join(unknown)}, though weights gives numbers for "
                "them; its "
                f"atoms are {', '.join(sorted(set(labels[np.concatenate(groups)])))}"
            )


def _known(universe: Any, attribute: str) -> str:
    values = getattr(universe.atoms, attribute, None)
    if values is None:
        return "(none)"
    unique = sorted({str(value) for value in values})
    return ", ".join(unique[:8]) + (", ..." if len(unique) > 8 else "")
