"""Between which time scales a Langevin model holds, or that none does: lag scan, plateau, tests, and the model.

The mean diffusion coefficient at a lag t, corrected for the drift (see `langevin`), times t is half of what the
displacement spreads by noise, S(t). Once whatever is fast is over, S(t) = D (t - p): its slope D stands still, and p,
the first moment of the velocity autocorrelation over its integral, is the time the coordinate remembers. So D is read
off a plateau of the slope dS/dt, which fast motion reaches exponentially (S(t)/t only as p/t), and p tells what share
of drift and diffusion a finite lag shows. Noise of the measurement makes p negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.correlations import BLOCKS, checked_lags, jackknife_error
from kadanoff.dynamics.langevin import FULL, LEAST, Moments, einstein_friction, kramers_moyal
from kadanoff.dynamics.markov_tests import (
    ChapmanKolmogorov,
    Check,
    Residuals,
    chapman_kolmogorov,
    residuals,
    second_eigenvalues,
    slowest_time,
)
from kadanoff.dynamics.models import OverdampedModel
from kadanoff.dynamics.plateaus import CHANGE, NoPlateau, Plateau, find_plateau
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.estimates import Estimate

__all__ = ["LagScan", "LagTests", "TimeScaleReport", "default_lags", "lag_scan", "require_long", "time_scale_report"]

Array = NDArray[np.float64]

FARTHEST = 1.5  # corrected over apparent D: a lag with more is no longer short against the drift
LONG = 20.0  # slowest times that data must hold for averages over them to mean anything
MEMORY = 0.1  # p over the slowest time: the most that counts as separated
_TESTED = 8  # lags at most
_ONE_RATE = 0.1  # the most by which relaxation may slow down


@dataclass(frozen=True, eq=False)
class LagScan:
    """D against the lag: ``apparent`` (m,), <|d|^2> / 2 d t as it stands; ``corrected`` for the drift; and the slope
    ``differential`` (m - 1,) of the spread between neighbouring lags, at ``between``. Each with its error; NaN where a
    lag is so long that the correction is half of D or more. ``rows`` (b, m - 1) is the slope without each block."""

    moments: Moments
    apparent: Array
    apparent_error: Array
    corrected: Array
    corrected_error: Array
    corrected_rows: Array
    between: Array
    differential: Array
    differential_error: Array
    rows: Array

    @property
    def time(self) -> Array:
        """The lags as times (m,)."""
        return self.moments.time


@dataclass(frozen=True, eq=False)
class LagTests:
    """The tests at one lag; ``passed`` is False where one fails, None where one is undecided."""

    lag: int
    time: float
    propagator: ChapmanKolmogorov
    noise: Residuals

    @property
    def checks(self) -> tuple[Check, ...]:
        """All figures with their tolerances."""
        return (self.propagator.check, *self.noise.checks)

    @property
    def passed(self) -> bool | None:
        """Whether a Langevin model holds at this lag."""
        answers = [check.passed for check in self.checks]
        return False if False in answers else None if None in answers else True


@dataclass(frozen=True, eq=False)
class TimeScaleReport:
    """What `time_scale_report` found; ``verdict`` says it in words, ``warnings`` what limits it.

    ``window``: (start, end) of the lags at which a Langevin model holds, None where it does not; then there is no
    ``model``, ``diffusion`` or ``friction`` either. ``slowest``: relaxation time of the coordinate, None where the data
    are too short to see it relax. ``persistence``: p. ``relaxation``: `_relaxation`, of one stationary coordinate.
    """

    scan: LagScan
    plateau: Plateau | NoPlateau
    persistence: Estimate | None
    slowest: Estimate | None
    memory: Check | None
    tests: tuple[LagTests, ...]
    window: tuple[float, float] | None
    lag: int | None
    model: OverdampedModel | None
    diffusion: Estimate | None
    friction: Estimate | None
    warnings: tuple[str, ...]
    verdict: str
    relaxation: Check | None = None


def default_lags(source: Trajectories, blocks: int = BLOCKS, per_decade: int = 8) -> NDArray[np.int64]:
    """Lags evenly spread in ln t from one frame to a tenth of a block or a third of the longest trajectory."""
    longest = max(8, min(source.longest_lag // 3, source.frames // (10 * blocks)))
    if longest > source.longest_lag:
        raise ValueError(f"trajectories of {source.longest_lag + 1} frames are too short for a scan of lags")
    number = max(4, int(per_decade * np.log10(longest)) + 1)
    return np.unique(np.geomspace(1, longest, number).round().astype(np.int64))


def lag_scan(
    source: Trajectories, lags: ArrayLike | None = None, *, bins: int | Sequence[int] = 50, blocks: int = BLOCKS
) -> LagScan:
    """D at every lag in one pass over the data; arguments as `langevin.kramers_moyal`.

    Raises:
        ValueError: as there, and for fewer than two lags.
    """
    steps = default_lags(source, blocks) if lags is None else np.unique(checked_lags(source, lags))
    if len(steps) < 2:
        raise ValueError("a scan needs two lags at least")
    moments = kramers_moyal(source, steps, bins=bins, blocks=blocks)
    apparent = np.stack([moments.mean_diffusion(i, corrected=False) for i in range(len(steps))], axis=-1)
    corrected = np.stack([moments.mean_diffusion(i) for i in range(len(steps))], axis=-1)
    with np.errstate(invalid="ignore"):
        far = ~(corrected[0] <= FARTHEST * apparent[0])
    corrected[:, np.maximum.accumulate(far)] = np.nan
    time = moments.time
    slope = np.diff(corrected * time, axis=-1) / np.diff(time)
    return LagScan(
        moments, apparent[0], jackknife_error(apparent[1:]), corrected[0], jackknife_error(corrected[1:]),
        corrected[1:], np.sqrt(time[1:] * time[:-1]), slope[0], jackknife_error(slope[1:]), slope[1:],
    )  # fmt: skip


def require_long(source: Trajectories, slowest: Estimate | None) -> None:
    """Refuse data that are too short for averages over a stationary state.

    Raises:
        ValueError: where all trajectories together hold fewer than 20 of the slowest times, or none could be seen.
    """
    total = float(np.sum(source.lengths - 1)) * source.spacing
    unit = f" {source.time_unit}" if source.time_unit else ""
    if slowest is None:
        raise ValueError(
            f"{total:g}{unit} of data do not show the coordinate relax: they are shorter than its slowest time scale, "
            "or it has no stationary state. Say stationary = false to have drift and diffusion alone, or run longer"
        )
    if total < LONG * slowest.value:
        raise ValueError(
            f"{total:g}{unit} of data hold {total / slowest.value:.2g} of the slowest time scale, {slowest}, "
            f"and {LONG:g} are needed for a mean: run longer, or say stationary = false"
        )


def time_scale_report(
    source: Trajectories,
    *,
    lags: ArrayLike | None = None,
    bins: int | Sequence[int] = 50,
    bandwidth: float | None = None,
    thermal_energy: float | None = None,
    energy_unit: str = "",
    stationary: bool = True,
    blocks: int = BLOCKS,
) -> TimeScaleReport:
    """Scan the lags, find the plateau, test the lags on it, and fit the model where one holds.

    A Langevin model holds at a lag where (1) the slope of the spread stands on a plateau (`plateaus.find_plateau`);
    (2) the memory p is below a tenth of the slowest time, and that time is not shown to grow by more than a tenth from
    one lag to four (`_relaxation`; one coordinate); (3) the propagator over 2 and 4 lags is the 2nd and 4th power of
    that over one within 0.05; (4) the residuals of a fit to half of the data have, on the other half, variance 1 within
    0.1, autocorrelation 0 within 0.1, <r^4> / 3 <r^2>^2 1 within 0.15.

    Arguments:
        source: trajectories of 1 to 3 coordinates.
        lags: (m,) frames to scan; default `default_lags`.
        bins, bandwidth: of drift and diffusion, as `langevin.Moments.model`.
        thermal_energy: kT, for a friction kT / D; None: no friction. energy_unit: as printed;
            by default kT where that is 1.
        stationary: False for data without a stationary state (prices, free paths): no slowest time is asked for.
        blocks: for error bars.

    Raises:
        ValueError: for data shorter than 20 slowest times where they should be stationary, and as `lag_scan`.
    """
    scan = lag_scan(source, lags, bins=bins, blocks=blocks)
    _refuse_rounded(scan.moments)
    _refuse_thin(scan.moments)
    area = f"{source.unit}^2/{source.time_unit}" if source.unit and source.time_unit else ""
    found = find_plateau(scan.between, scan.differential, scan.rows, unit=area, time_unit=source.time_unit, name="D")
    if isinstance(found, NoPlateau):
        found = _why(scan, found, source.time_unit)
    slowest, warnings = None, []
    if stationary:
        # the longest lag that the drift allows: there the second eigenvalue is furthest from one
        lag = int(scan.moments.lags[max(int(np.sum(np.isfinite(scan.corrected))) - 1, 0)])
        slowest = slowest_time(source, lag, blocks=blocks)
        require_long(source, slowest)
        assert slowest is not None
        if (block := source.frames / blocks * source.spacing) < 2 * slowest.value:
            length = f"{block:.3g} {source.time_unit}".rstrip()
            warnings.append(
                f"a block of {length} is shorter than two slowest times ({slowest}): error bars of "
                "averages over the whole are too small; take fewer blocks"
            )
    if isinstance(found, NoPlateau):
        text = "The data cannot tell yet" if found.undecided else "No Langevin model"
        return TimeScaleReport(
            scan, found, None, slowest, None, (), None, None, None, None, None, tuple(warnings),
            f"{text}: no plateau. {found.reason[:1].upper()}{found.reason[1:]}. No friction is given.",
        )  # fmt: skip
    persistence = _persistence(scan, found, source.time_unit)
    memory = None
    if slowest is not None:
        ratio = persistence.value / slowest.value
        error = float(
            np.hypot((persistence.error or 0.0) / slowest.value, ratio * (slowest.error or 0.0) / slowest.value)
        )
        memory = Check("memory over slowest time", Estimate(ratio, error, blocks, "", "jackknife"), 0.0, MEMORY)
    on = [i for i, t in enumerate(scan.time) if _on(scan, found, i) and t <= found.end * (1 + 1e-9)]
    on = [on[i] for i in np.unique(np.linspace(0, len(on) - 1, _TESTED).round().astype(int))] if on else []
    tests, skipped = [], []
    for i in on:
        step = int(scan.moments.lags[i])
        try:
            propagator = chapman_kolmogorov(source, step, blocks=blocks)
            noise = residuals(source, step, moments=scan.moments, blocks=blocks)
            tests.append(LagTests(step, float(scan.time[i]), propagator, noise))
        except ValueError as error:  # a lag too long for the tests; said below
            skipped.append(f"lag {f'{scan.time[i]:.4g} {source.time_unit}'.rstrip()} could not be tested: {error}")
    warnings += skipped
    window, at = _window(tests)
    relaxation = None
    if slowest is not None and source.dimensions == 1:
        relaxation = _relaxation(source, found.end, slowest.value, persistence.value, blocks)
    held = window is not None and (memory is None or memory.passed is True)
    held = held and (relaxation is None or relaxation.passed is not False)
    model = friction = diffusion = None
    if held and at is not None:
        index = int(np.flatnonzero(scan.moments.lags == at)[0])
        model = scan.moments.model(index, bandwidth=bandwidth, persistence=persistence.value)
        diffusion = found.height
        if thermal_energy is not None:
            energy_unit = energy_unit or ("kT" if thermal_energy == 1 else "energy")
            drag = f"{energy_unit} {source.time_unit}/{source.unit}^2" if area else ""
            friction = einstein_friction(diffusion, thermal_energy, drag)
    return TimeScaleReport(
        scan, found, persistence, slowest, memory, tuple(tests), window if held else None, at if held else None, model,
        diffusion, friction, tuple(warnings),
        _verdict(source, found, persistence, memory, tests, window, held, relaxation), relaxation,
    )  # fmt: skip


def _refuse_rounded(moments: Moments) -> None:
    """Raise ValueError where a cell is empty between full ones: the data are rounded more coarsely than the cells."""
    if moments.dimensions != 1:
        return
    count = moments.sums[:, 0, :, 0].sum(axis=0)
    holes = np.flatnonzero((count[1:-1] == 0) & (count[:-2] >= LEAST) & (count[2:] >= LEAST)) + 1
    if len(holes):
        place = (moments.edges[0][holes[0]] + moments.edges[0][holes[0] + 1]) / 2
        raise ValueError(
            f"cell {holes[0]}, at {place:.6g}, is empty though its neighbours are full: the data are rounded more "
            "coarsely "
            "than the cells are wide. Take fewer bins"
        )


def _refuse_thin(moments: Moments) -> None:
    """Raise ValueError where two or three coordinates have too many cells for their frames: D is a mean over full ones,
    and these must hold four fifths of the displacements."""
    count = moments.rows(0)[..., 0]
    share = count[0, count.min(axis=0) >= LEAST].sum() / max(count[0].sum(), 1)
    if moments.dimensions > 1 and share < FULL:
        raise ValueError(
            f"{moments.shape} cells are too many for {count[0].sum():.0f} displacements: {100 * share:.0f} % of them "
            f"begin in cells that hold {LEAST} or more, and {100 * FULL:.0f} % are needed. Take fewer bins, more "
            "frames, or one coordinate at a time"
        )


def _why(scan: LagScan, found: NoPlateau, unit: str) -> NoPlateau:
    """What stood in the way of a plateau, where the drift ends the scan."""
    reach = int(np.sum(np.isfinite(scan.corrected)))
    if reach == len(scan.time) or not found.undecided:
        return found
    end = f"{scan.time[min(reach, len(scan.time) - 1)]:.3g} {unit}".rstrip()
    if reach < 3:
        return NoPlateau(
            f"D can be had at {reach} lags only, the last before {end}: beyond it the drift takes over, or the cells "
            "hold too "
            "few displacements. Frames closer together are needed, more of them, or fewer cells",
            True,
        )
    first, last = scan.differential[0], scan.differential[reach - 2]
    noise = np.hypot(scan.differential_error[0], scan.differential_error[reach - 2])
    if abs(last - first) > CHANGE * abs(last) + 3 * noise:
        return NoPlateau(
            f"the drift takes over at a lag of {end}, and up to there D has changed from {first:.3g} to {last:.3g} and "
            "never stood still: the coordinate is not slow against what it forgets",
            False,
        )
    return NoPlateau(f"the drift takes over at a lag of {end}, too soon to see D stand still", True)


def _on(scan: LagScan, found: Plateau, i: int) -> bool:
    """Whether a lag lies on the plateau; the first of all does where the plateau begins with the first slope."""
    return bool(scan.time[i] >= found.start * (1 - 1e-9) or (i == 0 and found.start <= scan.between[0]))


def _persistence(scan: LagScan, found: Plateau, unit: str) -> Estimate:
    """p of S = D (t - p) over the core of the plateau, by a straight fit with the errors of S."""
    start, end = found.core
    used = (scan.time >= start * (1 - 1e-9)) & (scan.time <= end * (1 + 1e-9))
    t, error = scan.time[used], np.maximum((scan.corrected_error * scan.time)[used], 1e-300)
    weight = 1 / error**2

    def intercept(corrected: Array) -> float:
        spread = (corrected * scan.time)[used]
        centre, level = np.average(t, weights=weight), np.average(spread, weights=weight)
        slope = np.sum(weight * (t - centre) * spread) / np.sum(weight * (t - centre) ** 2)
        return float(centre - level / slope)

    rows = np.array([intercept(row) for row in scan.corrected_rows])
    return Estimate(intercept(scan.corrected), float(jackknife_error(rows)), len(rows), unit, "intercept of the spread")


def _relaxation(source: Trajectories, end: float, slowest: float, memory: float, blocks: int) -> Check | None:
    """The slowest time seen over four lags over that seen over one: 1 for a Markov process, at any lag.

    -t / ln(lambda(t) / (1 + p / slowest)) with the second eigenvalue lambda of the counted propagator; what is fast
    takes the factor 1 + p / slowest once. The lag ends on the plateau, at half of the slowest time at most, so that
    four of them still show something. A hidden slow variable, or a power law, makes the figure larger than one.
    """
    lag = max(1, int(min(end, slowest / 2) / source.spacing * (1 + 1e-9)))
    if 4 * lag > source.longest_lag:
        return None
    rows = np.array([second_eigenvalues(source, n * lag, blocks) for n in (1, 4)])
    if not np.all((rows > 0) & (rows < 1)):
        return None
    shift = float(np.log1p(max(memory / slowest, -0.9)))
    rates = shift - np.log(rows)
    if not np.all(rates > 0):
        return None
    ratio = 4 * rates[0] / rates[1]
    figure = Estimate(float(ratio[0]), float(jackknife_error(ratio[1:])), blocks, "", "jackknife")
    return Check("relaxation over four lags", figure, 1.0, _ONE_RATE)


def _window(tests: Sequence[LagTests]) -> tuple[tuple[float, float] | None, int | None]:
    """The longest run of lags that pass, and the lag in it whose worst figure departs least, in its tolerance."""
    best: list[LagTests] = []
    run: list[LagTests] = []
    for test in tests:
        run = [*run, test] if test.passed else []
        if len(run) > len(best):
            best = run
    if not best:
        return None, None

    def worst(test: LagTests) -> float:
        return max(abs(check.figure.value - check.target) / check.tolerance for check in test.checks)

    return (best[0].time, best[-1].time), min(best, key=worst).lag


def _verdict(
    source: Trajectories,
    found: Plateau,
    persistence: Estimate,
    memory: Check | None,
    tests: Sequence[LagTests],
    window: tuple[float, float] | None,
    held: bool,
    relaxation: Check | None,
) -> str:
    unit = source.time_unit
    stands = (
        f"D stands on a plateau of {found.height} from {found.start:.3g} to {found.end:.3g} {unit}".rstrip()
        + f", and what is fast is over after p = {persistence}."
    )
    if held and window is not None:
        where = (
            f"at the lag {window[0]:.3g} {unit}" if window[0] == window[1]
            else f"between the lags {window[0]:.3g} and {window[1]:.3g} {unit}"
        )  # fmt: skip
        return f"A Langevin model holds {where.rstrip()}. {stands}"
    if memory is not None and memory.passed is None:
        return f"The data cannot tell yet: {stands} But that is {memory.figure} of the slowest time: too uncertain."
    if memory is not None and memory.passed is False:
        return (
            f"No Langevin model: no separation of time scales. {stands} But that is {memory.figure} of the slowest "
            f"time, and {memory.tolerance:g} is the most that counts as separated. No friction is given."
        )
    if window is not None and relaxation is not None and relaxation.passed is False:
        return (
            f"No Langevin model: {stands} But the coordinate does not relax at one rate: the slowest time is longer by "
            f"a factor {relaxation.figure} where it is seen over four times the lag. Something slower that is not in "
            "it remembers. No friction is given."
        )
    failed = {check.name for test in tests for check in test.checks if check.passed is False}
    open_ones = {check.name for test in tests for check in test.checks if check.passed is None}
    if failed:
        return (
            f"No Langevin model: {stands} But no lag on it passes every test; what fails: {', '.join(sorted(failed))}. "
            "No friction is given."
        )
    if open_ones:
        return f"The data cannot tell yet: {stands} But they are too few to test: {', '.join(sorted(open_ones))}."
    return f"The data cannot tell yet: {stands} But no lag on it could be tested."
