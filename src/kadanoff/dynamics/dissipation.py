"""What an observer can say about the entropy production: bounds by name, with what each of them assumes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kadanoff.dynamics.entropy_production import Split
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss

__all__ = ["Bound", "Dissipation"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

STATIONARY = "stationary Markov process with even variables, every reservoir an edge of its own"
INSTANT = f"{STATIONARY}; a map of the instantaneous state"
FIXED = "the pair (lump before, lump) settles how the lump is entered: semi-Markov of second order"
LIMIT = "an estimate of the limit; not a bound at finite n"
RESOLVED = f"{STATIONARY}; every resolved jump belongs to one pair of states, and is seen in both directions"
SCHNAKENBERG = "Schnakenberg (1976), of the lumped flows"
ROLDAN = "Roldan and Parrondo (2010)"
MARTINEZ = "Martinez, Bisker, Horowitz and Parrondo (2019)"
SKINNER = "Skinner and Dunkel (2021), gamma solved exactly"
HARUNARI = "Harunari et al. (2022); van der Meer, Ertel and Seifert (2022)"
BARATO = "Barato and Seifert (2015); Dechant (2019)"


@dataclass(frozen=True)
class Bound:
    """One number about the entropy production, and what it is worth.

    ``rigorous``: a lower bound if the assumptions hold; else an estimate only. ``parts``: what it is the sum of.
    """

    name: str
    estimate: Estimate
    rigorous: bool
    assumptions: str
    source: str
    parts: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Dissipation:
    """All that one observer can say: ``bounds`` by name, and the exact ``total`` and ``split`` where a model is known.

    ``split`` is Esposito's, for state lumps. ``notes`` say what was left out, and why.
    """

    observer: str
    unit: str
    bounds: dict[str, Bound]
    total: Estimate | None = None
    split: Split | None = None
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Estimate:
        return self.bounds[name].estimate

    @property
    def best(self) -> Bound:
        """The rigorous bound whose 95 % interval begins highest. Picked from data, it is a little too short."""
        return max((bound for bound in self.bounds.values() if bound.rigorous), key=lambda b: b.estimate.interval()[0])

    def ledger(self, prefix: str = "entropy production") -> Ledger:
        """Every rigorous bound with the theorem that binds it: 0 <= bound, and bound <= total where that is known."""
        losses = []
        for bound in self.bounds.values():
            if not bound.rigorous:
                continue
            theorem = f"{bound.name} never exceeds the total, for an observer of {self.observer}"
            name = f"{prefix}, {bound.name}"
            if self.total is None:
                losses.append(Loss(name, None, bound.estimate, bound.estimate, self.unit, "lost >= 0",
                                   bound.assumptions, "a divergence is not negative"))  # fmt: skip
            else:
                losses.append(Loss(name, self.total, bound.estimate, self.total.minus(bound.estimate), self.unit,
                                   "coarse <= fine", bound.assumptions, theorem))  # fmt: skip
        return Ledger(losses)


class Collected:
    """Bounds as they are found, in order."""

    def __init__(self, unit: str) -> None:
        self.unit, self.bounds, self.notes = unit, dict[str, Bound](), list[str]()

    def keep(self, name: str, estimate: Estimate, assumptions: str, source: str, rigorous: bool = True,
             **parts: Estimate) -> None:  # fmt: skip
        self.bounds[name] = Bound(name, estimate, rigorous, assumptions, source, parts)

    def add(self, name: str, value: float, assumptions: str, source: str, rigorous: bool = True,
            **parts: float) -> None:  # fmt: skip
        exact = {part: Estimate.exact(number, self.unit) for part, number in parts.items()}
        self.keep(name, Estimate.exact(value, self.unit), assumptions, source, rigorous, **exact)


def chords_of(flows: Array) -> list[tuple[int, int]]:
    """The edges outside a spanning tree of the graph of lumps: its independent currents."""
    joined = np.arange(len(flows))
    chords = []
    for i, j in zip(*np.nonzero(np.triu(flows + flows.T, 1)), strict=True):
        if joined[i] == joined[j]:
            chords.append((int(i), int(j)))
        else:
            joined[joined == joined[j]] = joined[i]
    return chords


def current_weights(chords: list[tuple[int, int]], start: Index, end: Index) -> Array:
    """+1 for a jump along each chord, -1 against it: (chords, ...) for jumps start -> end."""
    shape = np.broadcast_shapes(np.shape(start), np.shape(end))
    weights = np.zeros((len(chords), *shape))
    for number, (i, j) in enumerate(chords):
        weights[number] += (start == i) & (end == j)
        weights[number] -= (start == j) & (end == i)
    return weights
