"""When a set of chains has reached equilibrium, and how long it remembers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import integrated_time, means

__all__ = ["FIRST", "SHORTEST", "Advance", "Settled", "autocorrelation", "settle"]

SHORTEST = 4  # records that have an autocorrelation time at all
FIRST = 64  # records, after which equilibrium is first looked for
_TIMES = 20  # autocorrelation times that the kept half of a chain must hold
_AGREE = 3.0  # standard errors

# (spins of every leg, first record, number of records) -> spins, and what was observed (chains, records, 2)
Advance = Callable[[list[Any], int, int], tuple[list[Any], NDArray[np.float64]]]


@dataclass(frozen=True, eq=False)
class Settled:
    """Chains in equilibrium: their spins, the records kept (chains, records, 2), how many were dropped, and the larger
    autocorrelation time of the two quantities, in records."""

    spins: list[Any]
    series: NDArray[np.float64]
    dropped: int
    time: float


def settle(advance: Advance, spins: list[Any], longest: int, mixed: bool, name: str) -> Settled:
    """Run chains until the second half of their record looks like equilibrium; each time it does not, twice as long.

    Arguments:
        advance: runs all chains on; it observes energy and magnetisation.
        spins: where they start.
        longest: records, after which the search is given up.
        mixed: whether every other chain began at random, and the others in order.
        name: what runs, for messages.

    Raises:
        ValueError: for no equilibrium within ``longest`` records, with what spoke against it.
    """
    spins, series = advance(spins, 0, FIRST)
    while True:
        length = series.shape[1]
        kept = series[:, length // 2 :]
        trouble, time = _trouble(kept, mixed)
        if not trouble:
            return Settled(spins, kept, length // 2, time)
        if 2 * length > longest:
            raise ValueError(
                f"sample: no equilibrium after {length} records of {name}: {trouble}. Take another algorithm, a "
                "smaller lattice, or a larger `longest`"
            )
        spins, later = advance(spins, length, length)
        series = np.concatenate([series, later], axis=1)


def autocorrelation(series: NDArray[np.float64]) -> tuple[float, float]:
    """The largest of the integrated autocorrelation times of the quantities in (chains, records, k), each averaged over
    the chains, and its standard error, in records.

    A record that never changes has nothing to forget: time 1.
    """
    found = []
    for k in range(series.shape[2]):
        moving = [column for column in series[:, :, k] if np.ptp(column) > 1e-12 * np.abs(column).max()]
        if moving:
            each = [integrated_time(column) for column in moving]
            error = math.sqrt(sum((one.error or 0.0) ** 2 for one in each)) / len(each)
            found.append((float(np.mean([one.value for one in each])), error))
    return max(found, default=(1.0, 0.0))


def _trouble(series: NDArray[np.float64], mixed: bool) -> tuple[str, float]:
    """What speaks against equilibrium in (chains, records, 2), in words; and the autocorrelation time."""
    half = series.shape[1] // 2
    halves = [means(np.moveaxis(part, 0, 1)) for part in (series[:, :half], series[:, half : 2 * half])]
    whole = means(np.moveaxis(series, 0, 1))
    time, _ = autocorrelation(series)
    for k, name in enumerate(("energy", "magnetisation")):
        change = float(np.mean(halves[1].value[:, k] - halves[0].value[:, k]))
        error = math.sqrt(float(np.sum(halves[0].error[:, k] ** 2 + halves[1].error[:, k] ** 2))) / len(series)
        if abs(change) > _AGREE * error + 1e-12:
            return f"the {name} still drifts, by {change:.2g} +- {error:.2g} between the halves of the record", time
        if mixed and len(series) > 1:
            kinds = [(whole.value[start::2, k], whole.error[start::2, k]) for start in (0, 1)]
            gap = float(np.mean(kinds[0][0]) - np.mean(kinds[1][0]))
            error = math.sqrt(sum(float(np.sum(e**2)) / len(e) ** 2 for _, e in kinds))
            if abs(gap) > _AGREE * error + 1e-12:
                return f"ordered and random starts differ in {name} by {gap:.2g} +- {error:.2g}", time
    if series.shape[1] < _TIMES * time:
        return f"the record holds only {series.shape[1] / time:.0f} autocorrelation times, not {_TIMES}", time
    return "", time
