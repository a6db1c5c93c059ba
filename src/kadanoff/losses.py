"""What a reduction cost: named losses, and the theorems that bind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from kadanoff.estimates import Estimate

__all__ = ["BrokenTheorem", "Ledger", "Loss", "Relation"]

Relation = Literal["coarse <= fine", "coarse >= fine", "coarse == fine", "lost >= 0"]

SIGMAS = 4.0  # combined standard errors within which a theorem holds
_ROUNDING = 1e-9  # relative, for exact numbers; 1e-12 absolute where everything is zero

_RELATIONS = ("coarse <= fine", "coarse >= fine", "coarse == fine", "lost >= 0")


class BrokenTheorem(ValueError):
    """A theorem is broken beyond the error bars: a bug in the program or in the data."""


@dataclass(frozen=True)
class Loss:
    """One named quantity before and after the map, and what was lost on the way.

    Arguments:
        name: the quantity; part of the interface, so it stays stable.
        fine, coarse: the quantity on either side, None where it has no meaning there.
        lost: what was lost (the field says in which sense; often fine - coarse).
        unit: of `lost`; default the one it carries.
        theorem: the relation that must hold between them, or None.
        conditions: when the theorem holds, in words.
        theorem_text: the theorem in the field's own words.

    Raises:
        ValueError: for an unknown relation, a relation on a side that is None, units that disagree.
    """

    name: str
    fine: Estimate | None
    coarse: Estimate | None
    lost: Estimate
    unit: str = ""
    theorem: Relation | None = None
    conditions: str = ""
    theorem_text: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a loss needs a name")
        if not self.unit:
            object.__setattr__(self, "unit", self.lost.unit)
        if self.lost.unit not in ("", self.unit):
            raise ValueError(f"loss {self.name!r} is in {self.unit}, but what was lost in {self.lost.unit}")
        sides = [e.unit for e in (self.fine, self.coarse) if e is not None and e.unit]
        if len(set(sides)) > 1:
            raise ValueError(f"loss {self.name!r}: the fine side is in {sides[0]}, the coarse side in {sides[1]}")
        if self.theorem is None:
            return
        if self.theorem not in _RELATIONS:
            raise ValueError(f"loss {self.name!r}: theorem {self.theorem!r} is none of {', '.join(_RELATIONS)}")
        if self.theorem != "lost >= 0" and (self.fine is None or self.coarse is None):
            raise ValueError(f"loss {self.name!r}: the theorem {self.theorem!r} needs a fine and a coarse value")

    @property
    def holds(self) -> bool | None:
        """Whether the theorem holds within 4 combined standard errors; None where there is no theorem."""
        if self.theorem is None:
            return None
        excess, error = self._excess()
        return excess <= SIGMAS * error + self._rounding()

    def row(self) -> dict[str, str | float | bool | None]:
        """The entry of result.json: plain numbers, texts and None."""
        return {
            "name": self.name,
            "fine": None if self.fine is None else self.fine.value,
            "coarse": None if self.coarse is None else self.coarse.value,
            "lost": self.lost.value,
            "error": self.lost.error,
            "unit": self.unit,
            "theorem": self._statement(),
            "holds": self.holds,
            "fine_error": None if self.fine is None else self.fine.error,
            "coarse_error": None if self.coarse is None else self.coarse.error,
        }

    def broken(self) -> str:
        """The sentence that names the loss, its numbers, the theorem and its conditions."""
        excess, error = self._excess()
        return (
            f"{self.name}: fine {_shown(self.fine)}, coarse {_shown(self.coarse)}, lost {_shown(self.lost)}"
            f"{f' [{self.unit}]' if self.unit else ''} break the theorem {self._statement()!r} by {excess:.6g}, "
            + (f"{excess / error:.1f} combined standard errors" if error else "though the numbers are exact")
        )

    def _excess(self) -> tuple[float, float]:
        """By how much the relation is violated (negative: it holds) and its standard error."""
        if self.theorem == "lost >= 0" or self.fine is None or self.coarse is None:
            return -self.lost.value, self.lost.error or 0.0
        difference = self.coarse.value - self.fine.value
        error = math.hypot(self.coarse.error or 0.0, self.fine.error or 0.0)
        if self.theorem == "coarse <= fine":
            return difference, error
        if self.theorem == "coarse >= fine":
            return -difference, error
        return abs(difference), error

    def _rounding(self) -> float:
        known = [abs(e.value) for e in (self.fine, self.coarse, self.lost) if e is not None]
        return _ROUNDING * max(known) + 1e-12

    def _statement(self) -> str | None:
        if self.theorem is None:
            return None
        text = f"{self.theorem}: {self.theorem_text}" if self.theorem_text else self.theorem
        return f"{text} (if {self.conditions})" if self.conditions else text


class Ledger:
    """The losses of a study, in the order they were entered; names are unique.

    >>> ledger = Ledger([Loss("entropy", Estimate.exact(2.0), Estimate.exact(1.5), Estimate.exact(0.5), "nat")])
    >>> ledger["entropy"].lost.value
    0.5
    """

    def __init__(self, losses: Iterable[Loss] = ()) -> None:
        self._losses: dict[str, Loss] = {}
        for loss in losses:
            self.add(loss)

    def add(self, loss: Loss) -> Ledger:
        """Enter one more loss, and return this ledger.

        Raises:
            ValueError: where a loss of this name is already there.
        """
        if loss.name in self._losses:
            raise ValueError(f"the ledger already holds a loss named {loss.name!r}")
        self._losses[loss.name] = loss
        return self

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses in order."""
        return tuple(self._losses.values())

    def verify(self) -> None:
        """Check every theorem.

        Raises:
            BrokenTheorem: naming every loss whose theorem is broken by more than 4 combined standard errors, with the
                numbers, the theorem and its conditions.
        """
        if broken := [loss.broken() for loss in self if loss.holds is False]:
            raise BrokenTheorem("; ".join(broken))

    def rows(self) -> list[dict[str, str | float | bool | None]]:
        """The ledger of result.json: one dictionary of plain values for every loss."""
        return [loss.row() for loss in self]

    def __iter__(self) -> Iterator[Loss]:
        return iter(self.losses)

    def __len__(self) -> int:
        return len(self._losses)

    def __getitem__(self, name: str) -> Loss:
        return self._losses[name]

    def __contains__(self, name: object) -> bool:
        return name in self._losses

    def __repr__(self) -> str:
        return f"Ledger([{', '.join(self._losses)}])"


def _shown(estimate: Estimate | None) -> str:
    if estimate is None:
        return "none"
    return f"{estimate.value:.10g}" if estimate.error is None else f"{estimate.value:.8g} +- {estimate.error:.3g}"
