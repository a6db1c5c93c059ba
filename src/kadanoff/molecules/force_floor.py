"""The irreducible floor of force matching: what of the force on a bead no function of the bead positions can have.

With the beads held fixed the fine system still moves, and the force on each bead fluctuates around its mean, the many-
body mean force. The share of the force variance in that fluctuation,

    floor = < var(f | bead positions) > / < |f|^2 >,

is what the best coarse model leaves unexplained (Noid et al., J. Chem. Phys. 128, 244114, 2008, section II). From
short runs at fixed bead positions, each begun at a fair draw of the fine system, it is the plateau of

    D(t) = < |f(t) - f(0)|^2 > / (2 < |f|^2 >),

which is unbiased at every t: the start is as good a draw as what follows, so no time is lost for equilibration and no
mean over a finite run is subtracted. D(t) rises until the fine system has forgotten its start; before, it is too small.
A motion that is slower than the runs is not in D(t) at all, so that what is found is always "at least" so much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate

__all__ = ["FixedBeads", "ForceFloor", "force_floor", "structure_of_forces"]

Array = NDArray[np.float64]

_RISE = 0.05  # of the plateau, from the third to the last quarter of the lags: still flat


@dataclass(frozen=True, eq=False)
class FixedBeads:
    """Forces of runs with the bead positions held fixed, reduced to what the floor needs.

    ``lags`` (t,) ps, rising from above 0; ``structure`` (configurations, t): mean over beads and time origins of
    |f(s + t) - f(s)|^2 / 2, and ``square`` (configurations,): mean |f|^2 of a bead, both (kJ/mol/nm)^2;
    ``mean_force`` (configurations, n, 3): average over the run, kJ/mol/nm; ``positions`` (configurations, n, 3) and
    ``box`` (configurations, 3) or (3,), nm.

    Raises ValueError for unlike shapes, numbers that are not finite, and fewer than two configurations.
    """

    lags: Array
    structure: Array
    square: Array
    mean_force: Array | None = None
    positions: Array | None = None
    box: Array | None = None

    def __post_init__(self) -> None:
        lags, structure, square = (np.asarray(x, np.float64) for x in (self.lags, self.structure, self.square))
        if structure.ndim != 2 or structure.shape[1:] != lags.shape or square.shape != structure.shape[:1]:
            raise ValueError(
                f"need lags (t,), structure (configurations, t) and square (configurations,), not {lags.shape}, "
                f"{structure.shape} and {square.shape}"
            )
        if len(square) < 2:
            raise ValueError("one configuration gives no error bar: at least two are needed, and twenty or more wanted")
        if not (np.isfinite(lags).all() and np.isfinite(structure).all() and np.isfinite(square).all()):
            raise ValueError("the forces of the fixed beads hold numbers that are not finite")
        if not (np.all(np.diff(lags) > 0) and lags[0] >= 0 and np.all(square > 0)):
            raise ValueError("lags must rise from zero or above, and forces must not vanish")
        for name, array in (("lags", lags), ("structure", structure), ("square", square)):
            object.__setattr__(self, name, array)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> FixedBeads:
        """Read an npz file with arrays of these names. Raises ValueError where one of the first three is missing."""
        with np.load(path, allow_pickle=False) as file:
            missing = {"lags", "structure", "square"} - set(file.files)
            if missing:
                raise ValueError(f"{path}: not the forces of fixed beads; {sorted(missing)} are missing")
            names = ("lags", "structure", "square", "mean_force", "positions", "box")
            return cls(**{name: np.asarray(file[name], np.float64) for name in names if name in file.files})

    @classmethod
    def of(cls, forces: NDArray[np.floating], spacing: float, *, longest: float | None = None) -> FixedBeads:
        """Reduce forces (configurations, times, beads, 3) in kJ/mol/nm, ``spacing`` ps apart, up to ``longest`` ps.

        By default lags go to half the run, so that every one has as many origins as lags before it.
        """
        forces = np.asarray(forces)
        if forces.ndim != 4 or forces.shape[3] != 3 or forces.shape[1] < 4:
            raise ValueError(f"need forces (configurations, times, beads, 3) at four times or more, not {forces.shape}")
        most = forces.shape[1] // 2 if longest is None else round(longest / spacing)
        if not 1 <= most < forces.shape[1]:
            raise ValueError(f"lags up to {longest} ps do not fit into {forces.shape[1]} times, {spacing} ps apart")
        pairs = [structure_of_forces(one, range(1, most + 1)) for one in forces]
        structure, square = (np.array(x) for x in zip(*pairs, strict=True))
        lags = spacing * np.arange(1, most + 1)
        return cls(lags, structure, square, np.asarray(forces.mean(axis=1), np.float64))


def structure_of_forces(forces: NDArray[np.floating], lags: Sequence[int]) -> tuple[Array, float]:
    """|f(s + t) - f(s)|^2 / 2 of one run (times, beads, 3) averaged over beads and origins, and mean |f|^2."""
    run = np.asarray(forces, np.float64)
    found = [0.5 * float(np.mean(np.sum((run[lag:] - run[: len(run) - lag]) ** 2, axis=-1))) for lag in lags]
    return np.array(found), float(np.mean(np.sum(run**2, axis=-1)))


@dataclass(frozen=True, eq=False)
class ForceFloor:
    """The floor and what it was read from.

    ``floor``: share of the force variance; ``lags`` (t,) ps, ``curve`` (t,) D(t) and its standard ``error`` (t,) over
    configurations; ``reached``: whether D(t) is flat to 5 %; ``rise``: how much D grows from the third to the last
    quarter of the lags, in parts of the last; ``bound``: "lower bound" where D(t) is seen to rise still, by more than
    two errors or without a plateau, else ""; ``text``: what was found, in words, always as "at least".
    """

    floor: Estimate
    lags: Array
    curve: Array
    error: Array
    reached: bool
    rise: Estimate
    bound: str
    text: str


def force_floor(fixed: FixedBeads) -> ForceFloor:
    """Irreducible floor from forces at fixed bead positions: D(t) averaged over the last quarter of the lags.

        floor = sum_c D_c / sum_c <|f|^2>_c

    over configurations c, with the error of that ratio over configurations. A plateau counts as reached where D grows
    by less than 5 % from the third to the last quarter of the lags, its standard error allowed for: rise + 2 errors <
    0.05. Otherwise the number is a lower bound, and so it is where the rise is larger than two of its errors: in an
    ergodic run D(t) only rises towards the floor, as far as force correlations decay without oscillating. A flat curve
    does not exclude a motion slower than the run.

    Raises ValueError for fewer than eight lags.
    """
    number = len(fixed.lags)
    if number < 8:
        raise ValueError(f"{number} lags cannot show a plateau: give eight or more")
    square = fixed.square
    total = float(square.sum())

    def ratio(values: Array) -> tuple[float, float]:
        value = float(values.sum()) / total
        return value, _spread(values - value * square) / total

    curve, error = (np.array(x) for x in zip(*(ratio(column) for column in fixed.structure.T), strict=True))
    quarter = number // 4
    last, before = (fixed.structure[:, a : a + quarter].mean(axis=1) for a in (number - quarter, number - 2 * quarter))
    value, spread = ratio(last)
    height = float(last.sum())  # zero where the beads decide the forces: then there is nothing to rise
    growth = float((last - before).sum()) / height if height else 0.0
    wobble = _spread((last - before) - growth * last) / height if height else 0.0
    rise = Estimate(growth, wobble, len(square), "", "configurations")
    reached = growth + 2.0 * wobble < _RISE
    floor = Estimate(value, spread, len(square), "", "configurations at fixed beads")
    said = f"D(t) over the last quarter of {fixed.lags[-1]:.3g} ps, {len(square)} configurations"
    slower = "a motion slower than these lags is not excluded"
    rising = growth > 2.0 * wobble
    if reached and not rising:
        text = (
            f"floor of at least {floor} of the force variance: plateau of {said}, flat within its noise (it rises by "
            f"{rise} of itself); {slower}"
        )
    elif reached:
        text = (
            f"floor of at least {floor} of the force variance, a lower bound: {said} is nearly flat, but still "
            f"rises by {rise} of itself from one quarter of the lags to the next; {slower}"
        )
    else:
        text = (
            f"floor of at least {floor} of the force variance, a lower bound: {said} still rises by {rise} of itself "
            "from one quarter of the lags to the next, so that no plateau was reached; run longer with the beads held "
            "fixed"
        )
    bound = "lower bound" if rising or not reached else ""
    return ForceFloor(floor, fixed.lags, curve, error, reached, rise, bound, text)


def _spread(deviation: Array) -> float:
    """Standard error of a sum of independent terms."""
    return float(np.sqrt(len(deviation)) * np.std(deviation, ddof=1))
