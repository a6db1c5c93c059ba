"""Numbers with error bars, and the one place where error bars are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from scipy.special import stdtrit

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error.

    Arguments:
        value: finite.
        error: standard error in the same unit; None for exact numbers.
        samples: number of effective (independent) samples behind the value, None where it has no meaning.
        unit: as printed.
        method: how the error was got.
        degrees: degrees of freedom of the error itself; default samples - 1.

    Raises:
        ValueError: for a value or error that is not finite, or a negative error.

    >>> print(Estimate(0.9941, 0.0052))
    0.994(5)
    """

    value: float
    error: float | None
    samples: float | None = None
    unit: str = ""
    method: str = "exact"
    degrees: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if not math.isfinite(self.value):
            raise ValueError(f"an estimate must be finite, got {self.value}; leave out what could not be had, say why")
        for name in ("error", "samples", "degrees"):
            number = getattr(self, name)
            if number is None:
                continue
            object.__setattr__(self, name, float(number))
            if not math.isfinite(number) or number < 0:
                raise ValueError(f"the {name} of an estimate must be finite and not negative, got {number}")

    @classmethod
    def exact(cls, value: float, unit: str = "") -> Self:
        """A number without error: enumerated, solved or defined."""
        return cls(value, None, None, unit, "exact")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The interval value -+ t error, with t of Student for `degrees` degrees of freedom (normal where unknown).

        Raises:
            ValueError: for a confidence outside (0, 1), or without a single degree of freedom.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}")
        if not self.error:
            return self.value, self.value
        degrees = self.degrees
        if degrees is None:
            degrees = math.inf if self.samples is None else self.samples - 1
        if degrees <= 0:
            raise ValueError(f"interval: {self.samples} effective samples leave no degree of freedom for the error")
        reach = float(stdtrit(degrees if math.isfinite(degrees) else 1e12, 0.5 + confidence / 2)) * self.error
        return self.value - reach, self.value + reach

    def minus(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates; errors add in quadrature (Welch, 1947, for the degrees)."""
        if self.unit != other.unit:
            raise ValueError(f"cannot subtract {other.unit or 'a plain number'} from {self.unit or 'a plain number'}")
        if self.error is None and other.error is None:
            return Estimate.exact(self.value - other.value, self.unit)
        variance = (self.error or 0.0) ** 2 + (other.error or 0.0) ** 2
        spread = sum((e.error or 0.0) ** 4 / e._freedom() for e in (self, other) if e._freedom() > 0)
        degrees = variance**2 / spread if spread > 0 else None
        return Estimate(self.value - other.value, math.sqrt(variance), None, self.unit, "difference", degrees)

    def scaled(self, factor: float, unit: str | None = None) -> Estimate:
        """The estimate times an exact number, with its new unit where that changes."""
        error = None if self.error is None else abs(factor) * self.error
        return replace(self, value=factor * self.value, error=error, unit=self.unit if unit is None else unit)

    def _freedom(self) -> float:
        if self.degrees is not None:
            return self.degrees
        return math.inf if self.samples is None else self.samples - 1

    def __str__(self) -> str:
        return f"{_printed(self.value, self.error)} {self.unit}".rstrip()


def _printed(value: float, error: float | None) -> str:
    """Value with the error of its last digits in brackets: one digit, two where the first is a 1."""
    if error is None:
        return f"{value:.12g}"
    if error == 0:
        return f"{value:.12g}(0)"
    largest = max(abs(value), error)
    power = math.floor(math.log10(largest))
    if power < -4 or power > 8:
        shift = power
        mantissa = _printed(value / 10.0**shift, error / 10.0**shift)
        return f"{mantissa}e{shift}"
    exponent = math.floor(math.log10(error))
    digits = exponent - 1 if error / 10.0**exponent < 1.95 else exponent
    decimals = max(0, -digits)
    rounded, uncertainty = round(value, -digits) + 0.0, round(error, -digits)
    bracket = f"{error / 10.0**digits:.0f}" if decimals and uncertainty < 1 else f"{uncertainty:.{decimals}f}"
    return f"{rounded:.{decimals}f}({bracket})"
