"""Normal equations of force matching for any terms and any bead types: a trajectory is read once, then only solved.

    gram = sum G^T G,   moment = sum G^T f,   square = sum f . f    over the frames of a block,

where G (force components, coefficients) holds the force that each coefficient of `force_terms` makes with value one. A
new set of terms, another strength of regularisation or a shorter range of knots is a new solution of the stored
matrices (`term_matching.fit_terms`). For pairs of one bead type alone `force_matching.normal_equations` is several
times faster.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.molecules._kernels import force_terms as kernels
from kadanoff.molecules.force_frames import Part, parts
from kadanoff.molecules.force_terms import (
    AngularBasis,
    DensityBasis,
    PairBasis,
    Term,
    TripletBasis,
    check_terms,
    from_plain,
    to_plain,
)
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.local_density import weight_coefficients
from kadanoff.molecules.neighbours import neighbour_pairs
from kadanoff.molecules.time_blocks import TimeBlocks, grouped
from kadanoff.parallel import map_ordered

__all__ = ["TermEquations", "term_equations"]

Array = NDArray[np.float64]
_MEMORY = 1 << 29  # bytes of matrices held while a trajectory is read


@dataclass(frozen=True, eq=False)
class TermEquations:
    """All that force matching with these terms needs to know of a trajectory, block by block in time.

    ``terms``; ``names``: the bead types; ``columns`` (k,): which coefficients of all terms, one term after the other,
    the matrices hold: those of triplet terms that no data touch are left out. ``gram`` (b, k, k), ``moment`` (b, k),
    ``square`` (b,) as in the head of this module, forces in kJ/mol/nm; ``net`` (b,): sum over frames of |sum_i f_i|^2;
    ``counts`` (b, cells): samples of each cell of each term: pairs in each interval of r, triplets in each interval of
    the cosine, beads in each interval of rho, triplets that touch each coefficient of a triplet term; ``frames`` (b,);
    ``beads``: their number, and ``numbers``: that of each type of ``names``, empty where it is not known (in older
    files).

    ``strata`` (b,): which state a block is of, where several were merged (`multistate.merged_equations`); error bars
    compare only blocks of one state. One state by default.

    `save` writes these arrays under these names into an npz file that NumPy alone can read; ``terms`` is JSON text.
    """

    terms: tuple[Term, ...]
    names: tuple[str, ...]
    columns: NDArray[np.int64]
    gram: Array
    moment: Array
    square: Array
    net: Array
    counts: NDArray[np.int64]
    frames: NDArray[np.int64]
    beads: int
    numbers: tuple[int, ...] = ()
    strata: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "numbers", tuple(int(number) for number in self.numbers))
        if self.numbers and (len(self.numbers) != len(self.names) or sum(self.numbers) != self.beads):
            raise ValueError(f"{self.numbers} beads of types {self.names} do not make {self.beads}")
        b, k, m = len(self.frames), len(self.columns), sum(term.cells for term in self.terms)
        if not len(self.strata):
            object.__setattr__(self, "strata", np.zeros(b, np.int64))
        shapes = {"gram": (b, k, k), "moment": (b, k), "square": (b,), "net": (b,), "counts": (b, m), "strata": (b,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    @property
    def nbytes(self) -> int:
        """Memory of the matrices."""
        return int(self.gram.nbytes + self.moment.nbytes)

    def select(self, blocks: slice | ArrayLike) -> TermEquations:
        """Some of the blocks, e.g. ``slice(0, None, 2)`` for the even ones, or an array of indices."""
        which = blocks if isinstance(blocks, slice) else np.asarray(blocks)
        return self._with({name: getattr(self, name)[which] for name in (*_PER_BLOCK, "strata")})

    def reblock(self, blocks: int) -> TermEquations:
        """The same data in fewer, longer blocks of neighbours, each of one state."""
        groups = grouped(self.strata, blocks)
        starts, order = np.cumsum([0, *(len(group) for group in groups[:-1])]), np.concatenate(groups)
        sums = {name: np.add.reduceat(getattr(self, name)[order], starts) for name in _PER_BLOCK}
        return self._with({**sums, "strata": self.strata[order][starts]})

    def only(self, terms: Iterable[Term]) -> TermEquations:
        """The same data for some of the terms, in the order given here."""
        wanted = list(terms)
        missing = [term.name for term in wanted if term not in self.terms]
        if missing:
            raise ValueError(f"the equations hold no {missing[0]!r}; they hold {[term.name for term in self.terms]}")
        which = [self.terms.index(term) for term in wanted]
        start, cell = _offsets(self.terms)
        begin = _offsets(wanted)[0]
        kept, columns, cells = [], [], []
        for new, old in enumerate(which):
            inside = np.flatnonzero((self.columns >= start[old]) & (self.columns < start[old + 1]))
            kept.append(inside)
            columns.append(self.columns[inside] - start[old] + begin[new])
            cells.append(np.arange(cell[old], cell[old + 1]))
        k, c = np.concatenate(kept), np.concatenate(cells)
        return replace(
            self, terms=tuple(wanted), columns=np.concatenate(columns), gram=self.gram[:, k[:, None], k],
            moment=self.moment[:, k], counts=self.counts[:, c],
        )  # fmt: skip

    def merge(self, other: TermEquations) -> TermEquations:
        """The blocks of this one, then those of the other: another piece of one system's trajectory."""
        for name in ("terms", "names", "beads"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f"cannot merge normal equations of different {name}")
        if self.numbers and other.numbers and self.numbers != other.numbers:
            raise ValueError(
                f"cannot merge normal equations of {self.numbers} and {other.numbers} beads of types {self.names}"
            )
        columns = np.union1d(self.columns, other.columns)
        two = [one._spread(columns) for one in (self, other)]
        return self._with(
            {
                "columns": columns,
                "numbers": self.numbers or other.numbers,
                **{n: np.concatenate([getattr(one, n) for one in two]) for n in (*_PER_BLOCK, "strata")},
            }
        )

    def _with(self, changes: dict[str, Any]) -> TermEquations:
        return replace(self, **changes)

    def _spread(self, columns: NDArray[np.int64]) -> TermEquations:
        place = np.searchsorted(columns, self.columns)
        both = zip(self.gram, self.moment, strict=True)
        gram, moment = zip(*(_larger(len(columns), place, *one) for one in both), strict=True)
        return replace(self, columns=columns, gram=np.stack(gram), moment=np.stack(moment))

    def save(self, path: str | PathLike[str]) -> None:
        """Write an open npz file of the arrays of this class; ``terms`` and ``names`` as JSON text."""
        arrays = {name: getattr(self, name) for name in (*_PER_BLOCK, "columns", "strata")}
        np.savez_compressed(
            path, allow_pickle=False, format="kadanoff term equations 1", beads=self.beads,
            numbers=np.array(self.numbers, np.int64),
            terms=json.dumps([to_plain(term) for term in self.terms]), names=json.dumps(self.names), **arrays,
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TermEquations:
        """Read what `save` wrote; a file without ``strata`` is of one state. Raises ValueError for another file."""
        with np.load(path, allow_pickle=False) as file:
            missing = {"terms", "names", "columns", "beads", *_PER_BLOCK} - set(file.files)
            if missing:
                raise ValueError(f"{path}: not normal equations of force matching; {sorted(missing)} are missing")
            terms = tuple(from_plain(entry) for entry in json.loads(str(file["terms"])))
            arrays = {name: file[name] for name in (*_PER_BLOCK, "columns", "strata") if name in file.files}
            numbers = tuple(file["numbers"].tolist()) if "numbers" in file.files else ()
            names = tuple(json.loads(str(file["names"])))
            return cls(terms, names, beads=int(file["beads"]), numbers=numbers, **arrays)


_PER_BLOCK = ("gram", "moment", "square", "net", "counts", "frames")


def term_equations(
    frames: Frames | Iterable[Frames],
    terms: Sequence[Term],
    *,
    blocks: int | None = None,
    executor: Executor | None = None,
) -> TermEquations:
    """Normal equations of force matching with any terms, in one pass over frames with forces.

    frames: one `Frames` or an iterable of chunks, read once; any number of bead types, one bead a molecule (no pair is
    left out). terms: of `force_terms`; a pair of types without a term has no pair force. blocks: number of blocks of
    time for the error bars; by default about a fifth of the frames, at least 20 and at most 50. executor: where chunks
    are counted; the result has the same bits for every executor and every cutting into chunks.

    A frame needs 24 n k bytes for its n beads and k coefficients that it touches.

    Raises ValueError for frames without forces, a cut-off above half a box edge, numbers that are not finite, beads on
    top of each other or nearer than the first knot of their pair, terms of unknown types or given twice, no frames.
    """
    stream = _Stream(tuple(terms))
    tasks = stream.tasks(iter((frames,)) if isinstance(frames, Frames) else iter(frames))
    for results in map_ordered(_accumulate, tasks, executor):
        for result in results:
            stream.add(*result)
    return stream.close(blocks)


_Task = tuple[tuple[Term, ...], Part]
_One = tuple[NDArray[np.int64], Array, Array, float, float, NDArray[np.int64]]


def _offsets(terms: Sequence[Term]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the columns and the cells of each term begin, and after the last."""
    return (
        np.cumsum([0, *(term.columns for term in terms)], dtype=np.int64),
        np.cumsum([0, *(term.cells for term in terms)], dtype=np.int64),
    )


def _accumulate(task: _Task) -> list[_One]:
    terms, part = task
    return [
        _frame(terms, part.beads.names, part.beads.types, *one, part.first + index)
        for index, one in enumerate(zip(part.positions, part.forces, part.box, strict=True))
    ]


def _frame(
    terms: tuple[Term, ...], names: tuple[str, ...], types: NDArray[np.int32], x: Array, f: Array, box: Array,
    number: int,
) -> _One:  # fmt: skip
    """Columns that one frame touches, gram and moment of them, square, net and counts."""
    design, touched, counts = _design(terms, names, types, x, box, number)
    flat = design.reshape(-1, len(touched))
    force = f.ravel()
    return (
        touched, flat.T @ flat, flat.T @ force, float(force @ force), float(np.sum(f.sum(axis=0) ** 2)), counts,
    )  # fmt: skip


def _design(
    terms: tuple[Term, ...], names: tuple[str, ...], types: NDArray[np.int32], x: Array, box: Array, number: int
) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Force on each bead of each coefficient that is touched (n, 3, k), which those are (k,), samples of the cells."""
    index = {name: kind for kind, name in enumerate(names)}
    start, cell = _offsets(terms)
    counts = np.zeros(cell[-1], np.int64)
    first, second, squared = neighbour_pairs(x, box, max(term.reach for term in terms))
    if len(squared) and squared.min() == 0.0:
        raise ValueError(f"two beads are at one place in frame {number}: they have no force of finite size")
    many = [term for term in terms if not isinstance(term, PairBasis)]
    starts, who, away = kernels.surroundings(
        x, box, first, second, squared, max((term.reach for term in many), default=0.0)
    )  # fmt: skip

    tables, touched = {}, []
    for which, term in enumerate(terms):
        if isinstance(term, TripletBasis):
            tables[which] = table = term.table
            one, two = (index[end] for end in term.ends)
            kernels.touch_triplets(
                types, starts, who, away, index[term.center], one, two, term.near.cutoff, term.near.intervals,
                term.far.cutoff, term.far.intervals, table, int(cell[which]), counts,
            )  # fmt: skip
            touched.append(start[which] + np.flatnonzero(counts[cell[which] : cell[which + 1]]))
        else:
            touched.append(np.arange(start[which], start[which + 1]))
    begin = np.cumsum([0, *map(len, touched)])
    design = np.zeros((len(x), 3, begin[-1]))

    pairs = [which for which, term in enumerate(terms) if isinstance(term, PairBasis)]
    if pairs:
        term_of, knots = np.full((len(names), len(names)), -1), []
        for place, which in enumerate(pairs):
            term = terms[which]
            assert isinstance(term, PairBasis)
            a, b = (index[name] for name in term.types)
            term_of[a, b] = term_of[b, a] = place
            knots.append(term.knots)
        closest = np.full(len(pairs), np.inf)
        kernels.add_pairs(
            x, box, types, first, second, squared, term_of, np.array([one.start for one in knots]),
            np.array([one.spacing for one in knots]), np.array([one.intervals for one in knots]), begin[pairs],
            cell[pairs], design, counts, closest,
        )  # fmt: skip
        for place, which in enumerate(pairs):
            if closest[place] < knots[place].start:
                raise ValueError(
                    f"{terms[which].name}: two beads are {closest[place]:g} nm apart in frame {number}, nearer than "
                    f"the first knot at {knots[place].start:g} nm: lower start"
                )
    for which, term in enumerate(terms):
        if isinstance(term, PairBasis):
            continue
        center, at, count = index[term.center], int(begin[which]), int(cell[which])
        if not isinstance(term, DensityBasis):
            one, two = (index[end] for end in term.ends)
        if isinstance(term, AngularBasis):
            kernels.add_angles(
                types, starts, who, away, center, one, two, term.cutoff, term.decay, term.cells,
                not term.intervals, at, count, design, counts,
            )  # fmt: skip
        elif isinstance(term, TripletBasis):
            columns = np.full(term.columns, -1, np.int64)
            columns[touched[which] - start[which]] = np.arange(begin[which], begin[which + 1])
            kernels.add_triplets(
                types, starts, who, away, center, one, two, term.near.cutoff, term.near.intervals,
                term.far.cutoff, term.far.intervals, tables[which], columns, design,
            )  # fmt: skip
        else:
            counted = np.array([name in term.neighbours for name in names])
            kernels.add_densities(
                types, starts, who, away, center, counted, term.inner, term.outer,
                weight_coefficients(term.inner, term.outer),
                term.knots.start, term.knots.spacing, term.knots.intervals, at, count, design, counts,
            )  # fmt: skip
    return design, np.concatenate(touched), counts


def _larger(size: int, place: NDArray[np.intp], gram: Array, moment: Array) -> tuple[Array, Array]:
    """The same matrices with rows for more columns; ``place``: where the present ones go."""
    square, vector = np.zeros((size, size)), np.zeros(size)
    square[place[:, None], place] = gram
    vector[place] = moment
    return square, vector


class _Stream:
    """Adds up the sums of frames; the grouping depends on a frame's number alone. Columns are added as data come."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = terms
        self.part: Part | None = None
        self.columns = np.empty(0, np.int64)
        most = max(1, sum(term.columns for term in terms))
        groups = int(np.clip(_MEMORY // (8 * most * most), 64, 2048))
        self.sums = TimeBlocks(2 * groups)

    def tasks(self, chunks: Iterator[Frames]) -> Iterator[_Task]:
        check_terms(self.terms, [name for term in self.terms for name in _types(term)])
        for part in parts(chunks, max(term.reach for term in self.terms)):
            if self.part is None:
                check_terms(self.terms, part.beads.names)
                self.part = part
            yield self.terms, part

    def add(
        self, columns: NDArray[np.int64], gram: Array, moment: Array, square: float, net: float,
        counts: NDArray[np.int64],
    ) -> None:  # fmt: skip
        both = np.union1d(self.columns, columns)
        if len(both) > len(self.columns):
            place = np.searchsorted(both, self.columns)
            self.sums.change(lambda gram, moment, *rest: (*_larger(len(both), place, gram, moment), *rest))
            self.columns = both
        if len(columns) < len(both):
            gram, moment = _larger(len(both), np.searchsorted(both, columns), gram, moment)
        self.sums.add(gram, moment, square, net, counts)

    def close(self, blocks: int | None) -> TermEquations:
        frames, (gram, moment, square, net, counts) = self.sums.close(blocks)
        assert self.part is not None  # else there were no frames, which `TimeBlocks.close` refuses
        beads = self.part.beads
        return TermEquations(
            self.terms, beads.names, self.columns, gram, moment, square, net, counts, frames, len(beads),
            tuple(np.bincount(beads.types, minlength=len(beads.names)).tolist()),
        )  # fmt: skip


def _types(term: Term) -> tuple[str, ...]:
    if isinstance(term, PairBasis):
        return term.types
    return (term.center, *(term.ends if isinstance(term, AngularBasis | TripletBasis) else term.neighbours))
