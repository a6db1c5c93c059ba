"""What a force field may be made of when forces are matched: bases that are linear in their coefficients.

    pair          f(r) = sum_a c_a B_a(r)                                  force along the line of two beads
    angular       U = sum_i sum_{j<k} h(cos theta_jik) e(r_ij) e(r_ik),  e(r) = exp(d / (r - r_c)),
                  h(x) = sum_a c_a B_a(x + 1),   or   c_0 + c_1 x + c_2 x^2
    triplet       U = sum_i sum_{j<k} sum_abc c_abc B_a(r_ij) B_b(r_ik) B_c(r_jk)
    density       U = sum_i F(rho_i),  rho_i = sum_j w(r_ij),  F'(rho) = sum_a c_a B_a(rho)

with cubic B-splines B_a. The three-body terms are those of `three_body`, the local density that of `local_density`; a
fit of them turns into a `Model` (`term_matching`). Sources: Stillinger & Weber, Phys. Rev. B 31, 5262 (1985); Larini,
Lu, Voth, J. Chem. Phys. 132, 164107 (2010); Xie, Rupp, Hennig, npj Comput. Mater. 9, 162 (2023); Sanyal & Shell, J.
Chem. Phys. 145, 034109 (2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.splines import Knots

__all__ = ["AngularBasis", "DensityBasis", "Kind", "PairBasis", "Term", "TripletBasis", "check_terms", "from_plain",
           "to_plain"]  # fmt: skip

Kind = Literal["pair", "three-body", "density"]

POWERS = 3  # 1, x, x^2: all that the form of Stillinger and Weber needs
_COSINE_BINS = 20  # in which the samples of a polynomial h are counted


@dataclass(frozen=True)
class PairBasis:
    """Cubic B-splines for the force between beads of two types, ``knots`` in nm."""

    types: tuple[str, str]
    knots: Knots

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))

    @property
    def kind(self) -> Kind:
        """Of the three kinds of terms, this one."""
        return "pair"

    @property
    def name(self) -> str:
        """A name that tells this term from others."""
        return f"pair {self.types[0]}-{self.types[1]}"

    @property
    def reach(self) -> float:
        """Longest distance at which the term acts, nm."""
        return self.knots.cutoff

    @property
    def columns(self) -> int:
        """Number of coefficients."""
        return self.knots.splines

    @property
    def cells(self) -> int:
        """Number of cells in which samples are counted."""
        return self.knots.intervals


@dataclass(frozen=True)
class AngularBasis:
    """Splines or powers of the cosine, times the two radial factors of Stillinger and Weber.

    ``center`` and ``ends``: bead types; ``cutoff`` r_c and ``decay`` d in nm; ``intervals``: of equally spaced knots
    in the cosine from -1 to 1, or 0 for 1, cos, cos^2, which hold the form of Stillinger and Weber exactly.
    """

    center: str
    ends: tuple[str, str]
    cutoff: float
    decay: float
    intervals: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(self.ends))
        if not (0.0 < self.cutoff < np.inf and 0.0 < self.decay < np.inf):
            raise ValueError(f"cut-off and decay of {self.name} must be positive (nm)")
        if self.intervals and self.intervals < 4:
            raise ValueError(f"{self.name}: at least four intervals of the cosine, or 0 for its powers 0, 1, 2")

    @property
    def kind(self) -> Kind:
        """Of the three kinds of terms, this one."""
        return "three-body"

    @property
    def name(self) -> str:
        """A name that tells this term from others."""
        form = "powers" if not self.intervals else f"{self.intervals} intervals"
        return (
            f"angular {self.ends[0]}-{self.center}-{self.ends[1]}, cut-off {self.cutoff:.6g}, decay {self.decay:.6g}, "
            f"{form}"
        )

    @property
    def reach(self) -> float:
        """Longest distance at which the term acts, nm."""
        return self.cutoff

    @property
    def columns(self) -> int:
        """Number of coefficients."""
        return self.intervals + 3 if self.intervals else POWERS

    @property
    def cells(self) -> int:
        """Number of cells in which samples are counted."""
        return self.intervals or _COSINE_BINS

    @property
    def knots(self) -> Knots:
        """The knots in x + 1, from 0 to 2; for powers those between which samples are counted."""
        return Knots(0.0, 2.0, self.cells)


@dataclass(frozen=True)
class TripletBasis:
    """Tensor products of cubic B-splines in the three distances (UF3), ``near`` and ``far`` from 0 (nm).

    ``near``: of the two distances from the centre; ``far``: of the distance between the ends, either to twice the near
    cut-off or shorter, and then the term vanishes there smoothly. The last three splines along ``near`` are left out,
    so that the term ends with two derivatives.
    """

    center: str
    ends: tuple[str, str]
    near: Knots
    far: Knots

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(self.ends))
        if self.near.start or self.far.start:
            raise ValueError(f"the knots of {self.name} must start at 0: what no data touch is left out by itself")

    @property
    def kind(self) -> Kind:
        """Of the three kinds of terms, this one."""
        return "three-body"

    @property
    def name(self) -> str:
        """A name that tells this term from others."""
        return (
            f"triplet {self.ends[0]}-{self.center}-{self.ends[1]}, near {self.near.cutoff:.6g} in "
            f"{self.near.intervals}, far {self.far.cutoff:.6g} in {self.far.intervals}"
        )

    @property
    def reach(self) -> float:
        """Longest distance from the centre at which the term acts, nm."""
        return self.near.cutoff

    @property
    def table(self) -> NDArray[np.int64]:
        """(near splines, near splines, far splines): which coefficient belongs to a, b, c; -1 where it is zero.

        Where the ends are alike (a, b) and (b, a) are one.
        """
        a, c = self.near.intervals, self.far.splines
        c -= 3 if self.far.cutoff < 2.0 * self.near.cutoff * (1 - 1e-12) else 0
        table = np.full((self.near.splines, self.near.splines, self.far.splines), -1, np.int64)
        if self.ends[0] != self.ends[1]:
            table[:a, :a, :c] = np.arange(a * a * c).reshape(a, a, c)
            return table
        one, two = np.tril_indices(a)
        numbers = np.arange(len(one) * c).reshape(len(one), c)
        table[one, two, :c] = numbers
        table[two, one, :c] = numbers
        return table

    @property
    def columns(self) -> int:
        """Number of coefficients, whether data touch them or not."""
        return int(self.table.max()) + 1

    @property
    def cells(self) -> int:
        """Number of cells in which samples are counted: one for each coefficient."""
        return self.columns


@dataclass(frozen=True)
class DensityBasis:
    """Cubic B-splines for F'(rho), with ``knots`` in rho (a number of neighbours); beyond them F' is constant.

    ``center``: type of the beads that have the energy; ``neighbours``: types that are counted; ``inner`` and ``outer``
    radius of the weight in nm (`local_density.weight`).
    """

    center: str
    neighbours: tuple[str, ...]
    inner: float
    outer: float
    knots: Knots

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbours", tuple(self.neighbours))
        if not 0.0 <= self.inner < self.outer < np.inf:
            raise ValueError(f"{self.name}: need 0 <= inner < outer, not {self.inner:g} and {self.outer:g} nm")

    @property
    def kind(self) -> Kind:
        """Of the three kinds of terms, this one."""
        return "density"

    @property
    def name(self) -> str:
        """A name that tells this term from others."""
        return (
            f"density of {'+'.join(self.neighbours)} at {self.center}, {self.inner:.6g}-{self.outer:.6g} nm, "
            f"{self.knots.intervals} intervals"
        )

    @property
    def reach(self) -> float:
        """Longest distance at which the term acts, nm."""
        return self.outer

    @property
    def columns(self) -> int:
        """Number of coefficients."""
        return self.knots.splines

    @property
    def cells(self) -> int:
        """Number of cells in which samples are counted."""
        return self.knots.intervals


Term = PairBasis | AngularBasis | TripletBasis | DensityBasis

_FORMS: dict[str, type[Any]] = {
    "pair": PairBasis, "angular": AngularBasis, "triplet": TripletBasis, "density": DensityBasis,
}  # fmt: skip


def check_terms(terms: Sequence[Term], names: Sequence[str]) -> None:
    """Raises ValueError for no terms, a bead type that is unknown, a term or a pair of types given twice."""
    if not terms:
        raise ValueError("no terms to fit: give one or more of PairBasis, AngularBasis, TripletBasis, DensityBasis")
    seen: set[object] = set()
    for term in terms:
        types = term.types if isinstance(term, PairBasis) else (
            term.center, *(term.neighbours if isinstance(term, DensityBasis) else term.ends)
        )  # fmt: skip
        unknown = [name for name in types if name not in names]
        if unknown:
            raise ValueError(f"the term {term.name} names the bead type {unknown[0]!r}; the frames hold {list(names)}")
        key = ("pair", *sorted(term.types)) if isinstance(term, PairBasis) else term.name
        if key in seen:
            raise ValueError(f"the term {term.name} is given twice")
        seen.add(key)


def to_plain(term: Term) -> dict[str, Any]:
    """A term as JSON has it."""
    form = next(name for name, kind in _FORMS.items() if isinstance(term, kind))
    return {"form": form, **asdict(term)}


def from_plain(entry: Mapping[str, Any]) -> Term:
    """What `to_plain` made."""
    fields = {key: Knots(**value) if isinstance(value, dict) else value for key, value in entry.items()}
    form = _FORMS[str(fields.pop("form"))]
    term: Term = form(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
    return term
