"""What a study hands back: estimates with their references, a ledger, a verdict, arrays, pictures and files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["Picture", "Reported", "Result", "Slides", "Table", "Verdict", "judge"]


@dataclass(frozen=True)
class Reported:
    """A number for the table of estimates, with what it should be where that is known.

    ``estimate`` is None where the number could not be had; then ``reason`` says why. ``tolerance`` is the largest
    distance from ``reference`` that still counts as agreement; by default 4 combined standard errors, |x - r| <= 4
    sqrt(s_x^2 + s_r^2) (for two exact numbers: rounding, 1e-9 of their size). ``source`` says where the reference is
    from.
    """

    estimate: Estimate | None
    reference: float | None = None
    reference_error: float | None = None
    tolerance: float | None = None
    source: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("reference", "reference_error", "tolerance"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name} of a reported number is {number}; leave it None where there is none")
        if self.tolerance is not None and self.tolerance < 0:
            raise ValueError(f"a tolerance is not negative: {self.tolerance}")
        if self.value is None and not self.reason:
            lost = "missing" if self.estimate is None else f"{self.estimate.value}"
            object.__setattr__(self, "reason", f"the computation gave no finite number ({lost})")

    @property
    def value(self) -> float | None:
        """The value, or None where there is no finite one."""
        if self.estimate is None or not math.isfinite(self.estimate.value):
            return None
        return float(self.estimate.value)

    @property
    def error(self) -> float | None:
        """The standard error; None for an exact number and where there is no number."""
        if self.value is None or self.estimate is None or self.estimate.error is None:
            return None
        error = float(self.estimate.error)
        return error if math.isfinite(error) else None

    @property
    def allowed(self) -> float | None:
        """The tolerance in use, None without a reference."""
        if self.reference is None:
            return None
        if self.tolerance is not None:
            return float(self.tolerance)
        rounding = 1e-9 * max(abs(self.reference), abs(self.value or 0.0)) + 1e-12
        return max(4.0 * math.hypot(self.error or 0.0, self.reference_error or 0.0), rounding)

    @property
    def agrees(self) -> bool | None:
        """Whether value and reference agree; None where there is nothing to compare."""
        if self.reference is None or self.allowed is None:
            return None
        return self.value is not None and abs(self.value - self.reference) <= self.allowed


@dataclass(frozen=True, eq=False)
class Picture:
    """A matplotlib figure and its caption."""

    figure: Figure
    caption: str


@dataclass(frozen=True, eq=False)
class Slides:
    """Images that follow one another, behind a slider in the report: {what it shows: PNG}, and a caption for all."""

    images: Mapping[str, bytes]
    caption: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the report whose rows the reader can sort: {heading, with its unit: one value a row}, and a caption.

    A value is a text, a number, an `Estimate` (shown with its error) or None. Raises ValueError for columns of
    different lengths and numbers that are not finite.
    """

    columns: Mapping[str, Sequence[str | int | float | Estimate | None]]
    caption: str

    def __post_init__(self) -> None:
        if len({len(values) for values in self.columns.values()}) != 1:
            lengths = ", ".join(f"{name}: {len(values)}" for name, values in self.columns.items())
            raise ValueError(f"table: columns of one length are needed, got {lengths or 'none'}")
        for name, values in self.columns.items():
            for row, value in enumerate(values):
                if isinstance(value, float) and not math.isfinite(value):
                    raise ValueError(f"table: {name} is {value} in row {row}; give None where there is no number")

    def content(self) -> dict[str, Any]:
        """What tables/NAME.json holds: the caption, and for each column its values and standard errors."""
        return {
            "caption": self.caption,
            "columns": [
                {
                    "name": name,
                    "values": [value.value if isinstance(value, Estimate) else value for value in values],
                    "errors": [value.error if isinstance(value, Estimate) else None for value in values],
                }
                for name, values in self.columns.items()
            ],
        }


@dataclass(frozen=True)
class Verdict:
    """One look: did it pass (None: nothing to compare with), and in words what holds and where it stops holding."""

    passed: bool | None
    text: str


@dataclass(frozen=True, eq=False)
class Result:
    """All that a study found.

    ``estimates`` {stable name: number}; ``data`` an xarray Dataset whose variables all carry the attribute ``units``
    ("1" for pure numbers); ``pictures`` {file stem: Picture}; ``files`` {relative path: text or bytes}, tables for
    other programs; ``cite`` the works to cite; ``slides`` {file stem: Slides}; ``tables`` {file stem: Table}.
    """

    estimates: Mapping[str, Reported | Estimate]
    ledger: Ledger
    verdict: Verdict
    data: xarray.Dataset
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    cite: Sequence[str] = ()
    slides: Mapping[str, Slides] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def reported(self) -> dict[str, Reported]:
        """The estimates, each as a `Reported`."""
        return {
            name: number if isinstance(number, Reported) else Reported(number)
            for name, number in self.estimates.items()
        }


def judge(estimates: Mapping[str, Reported | Estimate], ledger: Ledger, text: str) -> Verdict:
    """The plain verdict: passed where every number with a reference agrees with it and every theorem of the ledger
    holds.

    None where nothing can be compared. ``text`` is the verdict in words, limits of validity included.
    """
    answers = [number.agrees for number in estimates.values() if isinstance(number, Reported)]
    answers += [loss.holds for loss in ledger.losses]
    known = [answer for answer in answers if answer is not None]
    return Verdict(all(known) if known else None, text)
