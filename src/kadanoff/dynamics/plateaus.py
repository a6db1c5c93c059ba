"""Where a curve measured with error bars stands still, or that it does not.

Friction, diffusion and other transport coefficients are read off plateaus: of D(lag), of the running integral of a
force or velocity autocorrelation. In a finite bath there is none at long times: the integral goes to zero (Espanol and
Zuniga, 1993; Bocquet, Hansen and Piasecki, 1994), and a late value would be no friction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.correlations import Correlation, jackknife_error
from kadanoff.estimates import Estimate

__all__ = ["NoPlateau", "Plateau", "RunningIntegral", "find_plateau", "judged_integral", "running_integral"]

Array = NDArray[np.float64]

SPAN = 3.0  # a plateau is at least so many times longer at its end than at its start
CHANGE = 0.15  # of its height: the most a plateau may rise or fall from end to end, at 95 % confidence
_POINTS = 4
_LEVEL = 0.05  # of its height: a rise that is taken for level whatever lies around
_SHARE = 1 / 3  # of the slope around it: a plateau that rises for certain must rise less than its surroundings
_AROUND = 1.5  # factor in time of the least stretch that counts as surroundings
_DECADE = 10.0
_WINDOWS = 60  # points of a running integral among which a plateau is sought
_CERTAIN = 2.0  # standard errors
_ABOVE = 4.0  # standard errors a plateau must stand above zero


@dataclass(frozen=True)
class Plateau:
    """From time ``start`` to ``end`` a curve stands still. Its ``height`` is read off the part of it, ``core``, that
    gives the smallest error: the jackknife error and half of the rise from end to end of the core, which is ``change``
    (over the height)."""

    start: float
    end: float
    core: tuple[float, float]
    height: Estimate
    change: Estimate

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True)
class NoPlateau:
    """There is none, and why: ``undecided`` where longer data might still show one."""

    reason: str
    undecided: bool

    def __bool__(self) -> bool:
        return False


class _Window(NamedTuple):
    first: int
    last: int
    height: float
    error: float
    rise: float
    rise_error: float


def find_plateau(
    time: ArrayLike,
    value: ArrayLike,
    left_out: ArrayLike,
    *,
    unit: str = "",
    time_unit: str = "",
    change: float = CHANGE,
    span: float = SPAN,
    name: str = "the curve",
) -> Plateau | NoPlateau:
    """The longest stretch of times over which a curve does not change, by a test of equivalence.

    In each window of 4 points or more that spans a factor `span` in time, a line in ln t is fitted (weights from the
    errors); its rise over the window must be below `change` of its height with 95 % confidence (|rise| + 2 errors <=
    change), each point within that and 3 of its errors, and the height 4 errors above zero. Poor data cannot pass as
    a plateau, and good data cannot fail by a slope that does not matter. A window that rises for certain, by more than
    a twentieth, must stand out: where the stretches of the same length in ln t before and behind it (what there is of
    them) are less than three times as steep, it is a piece of a power law or of a logarithm and no plateau. Of all
    windows the longest in ln t is taken.

    Arguments:
        time: (m,) increasing, positive. value: (m,). left_out: (b, m), the curve without each block.
        unit, time_unit: of the height and time, as printed.
        change, span: as above. name: what the curve is called where there is no plateau.

    Returns:
        `Plateau`, or `NoPlateau`, which is false.
    """
    t, y, rows = (np.asarray(a, dtype=np.float64) for a in (time, value, left_out))
    good = np.isfinite(y) & np.isfinite(rows).all(axis=0)
    end = len(t) if good.all() else int(np.argmin(good))  # what follows a missing point is beyond the method's reach
    t, y, rows = t[:end], y[:end], rows[:, :end]
    accepted: list[_Window] = []
    closest, open_window, trend = np.inf, False, False
    log, error = np.log(t), np.maximum(jackknife_error(rows), 1e-300)
    for i in range(end):
        for j in range(i + _POINTS - 1, end):
            if log[j] - log[i] < np.log(span) - 1e-9:
                continue
            part = slice(i, j + 1)
            height, rise = (float(number) for number in _line(log[part], y[part], error[part]))
            heights, rises = _line(log[part], rows[:, part], error[part])
            height_error, rise_error = float(jackknife_error(heights)), float(jackknife_error(rises))
            if not height > _ABOVE * height_error:
                continue
            closest = min(closest, float(abs(rise)))
            near = bool(np.all(np.abs(y[part] - height) <= change * height + 3 * error[part]))
            if near and abs(rise) > max(_LEVEL, _CERTAIN * rise_error) and not _stands_out(log, y, i, j, height, rise):
                trend |= abs(rise) <= change
                continue
            if near and abs(rise) + _CERTAIN * rise_error <= change:
                total = float(np.hypot(height_error, abs(rise) * height / 2))
                accepted.append(_Window(i, j, float(height), total, float(rise), rise_error))
            open_window |= bool(near and abs(rise) <= change)
    if accepted:
        whole = max(accepted, key=lambda one: log[one.last] - log[one.first])
        inside = [one for one in accepted if one.first >= whole.first and one.last <= whole.last]
        core = min(inside, key=lambda one: one.error)
        start, stop = float(t[core.first]), float(t[core.last])
        how = f"plateau, {start:.4g}-{stop:.4g} {time_unit}".rstrip()
        return Plateau(
            float(t[whole.first]), float(t[whole.last]), (start, stop),
            Estimate(core.height, core.error, len(rows), unit, how),
            Estimate(core.rise, core.rise_error, len(rows), "", "jackknife"),
        )  # fmt: skip
    if open_window:
        return NoPlateau(f"{name} may be level somewhere, but its error bars are too wide to show it", True)
    if not np.isfinite(closest):
        return NoPlateau(
            f"no stretch of times that spans a factor of {span:g} rises out of the noise" if end else "no point at all",
            True,
        )
    if trend:
        return NoPlateau(
            "where the curve changes least it goes on at much the same rate per factor in time before and behind, as a "
            "power law or a logarithm does",
            False,
        )
    if closest <= change:
        return NoPlateau(
            f"over no factor of {span:g} in time do all points lie within {100 * change:.0f} % of their mean", False
        )
    return NoPlateau(
        f"over every factor of {span:g} in time {name} changes by {100 * closest:.0f} % of its height or more", False
    )


def _stands_out(log: Array, y: Array, i: int, j: int, height: float, rise: float) -> bool:
    """Whether a rise from i to j is less steep than a third of what lies before or behind; True where nothing does."""
    length = log[j] - log[i]
    first = int(np.searchsorted(log, log[i] - length - 1e-9))
    last = int(np.searchsorted(log, log[j] + length + 1e-9, side="right")) - 1
    sides = [
        abs(y[b] - y[a]) / abs(height) / (log[b] - log[a])
        for a, b in ((first, i), (j, last))
        if log[b] - log[a] >= np.log(_AROUND)
    ]
    return not sides or abs(rise) / length < _SHARE * max(sides)


@dataclass(frozen=True, eq=False)
class RunningIntegral:
    """int_0^t C(s) ds, its error band, the plateau where there is one, and a ``warning`` (or "")."""

    time: Array
    value: Array
    error: Array
    plateau: Plateau | NoPlateau
    warning: str


def running_integral(curve: Correlation, factor: float = 1.0, *, unit: str = "") -> RunningIntegral:
    """The running integral of a correlation function, such as a friction int <F F> / kT or a diffusion int <v v>.

    Arguments:
        curve: at evenly or unevenly spaced times from 0, trapezoidal rule between them.
        factor: such as 1 / kT.
        unit: of the integral.

    Returns:
        `RunningIntegral`. Where it rises and falls back towards zero, the warning says that the bath is finite or the
        coordinate bound; then a plateau must last a decade, since the neighbourhood of a maximum is none.

    Raises:
        ValueError: for a curve that does not begin at time 0.
    """
    if curve.time[0] != 0:
        raise ValueError(f"a running integral begins at time 0, the curve at {curve.time[0]:g}")
    steps = np.diff(curve.time)

    def run(rows: Array) -> Array:
        return np.asarray(factor * np.cumsum((rows[..., 1:] + rows[..., :-1]) / 2 * steps, axis=-1))

    return judged_integral(curve.time[1:], run(curve.value), run(curve.left_out), unit=unit)


def judged_integral(time: Array, value: Array, left_out: Array, *, unit: str = "") -> RunningIntegral:
    """`running_integral` of an integral (m,) that is there already, with those without each block (b, m)."""
    error = jackknife_error(left_out)
    top = int(np.argmax(value))
    late = slice(max(top, int(0.8 * len(value))), None)
    falls = value[top] > _ABOVE * error[top] and np.all(value[late] < 0.5 * value[top] - _CERTAIN * error[late])
    some = np.unique(np.geomspace(1, len(time), min(len(time), _WINDOWS)).round().astype(int)) - 1
    found = find_plateau(time[some], value[some], left_out[:, some], unit=unit, span=_DECADE if falls else SPAN)
    warning = ""
    if falls:
        warning = (
            f"the running integral falls from {value[top]:.4g} at {time[top]:.4g} to {value[-1]:.4g} at {time[-1]:.4g}:"
            " the bath is finite or the coordinate bound, and its late value is no transport coefficient"
            + ("" if found else "; there is no plateau on the way either, so none is given")
        )
    return RunningIntegral(time, value, error, found, warning)


def _line(x: Array, y: Array, error: Array) -> tuple[Array, Array]:
    """Mean height and relative rise from end to end of weighted straight fits to y (..., n)."""
    weight = 1 / error**2
    weight = weight / weight.sum()
    centre = np.sum(weight * x)
    height = np.sum(weight * y, axis=-1)
    slope = np.sum(weight * (x - centre) * y, axis=-1) / np.sum(weight * (x - centre) ** 2)
    return height, slope * (x[-1] - x[0]) / np.where(height == 0, np.nan, height)
