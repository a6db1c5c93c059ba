"""The study of the Rayleigh piston: from which mass on does a Langevin equation hold?"""

from __future__ import annotations

import math

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff import plotting
from kadanoff.dynamics.piston import (
    PistonStatistics,
    friction_ratios,
    holds,
    initial_friction_ratio,
    jepsen_correlation,
    langevin_tests,
    piston_friction,
    piston_statistics,
)
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["Piston", "piston"]

Array = NDArray[np.float64]
_TESTS = {
    "friction": "one friction at short and long times",
    "exponential": "exponential decay",
    "white": "white residuals",
    "gaussian": "Gaussian residuals",
    "memory": "memory number",
}


class Piston(BaseModel):
    """Settings of dynamics.piston."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    masses: tuple[float, ...] = Field((1.0, 10.0, 100.0, 1000.0), min_length=1, description="Mass ratios M/m.")
    trajectories: tuple[int, ...] = Field((48000, 40000, 12000, 12000), description="Trajectories of each mass.")
    tolerance: float = Field(0.05, gt=0, lt=1, description="What must be small for a Langevin equation stays below it.")

    @model_validator(mode="after")
    def _fit(self) -> Piston:
        if len(self.masses) != len(self.trajectories):
            raise ValueError(f"{len(self.masses)} masses and {len(self.trajectories)} numbers of trajectories")
        if (
            min(self.masses) < 0.1
            or len(set(self.masses)) < len(self.masses)
            or list(self.masses) != sorted(self.masses)
        ):
            raise ValueError("masses: increasing numbers from 0.1 on")
        if min(self.trajectories) < 64:
            raise ValueError("trajectories: 64 or more of each mass, two a block")
        return self


def _length(mass: float) -> tuple[float, float, int]:
    """Length, longest lag (in relaxation times) and frames a relaxation: a light piston relaxes within a collision, and
    the tail of its correlation is part of the integral."""
    return (96.0, 40.0, 10) if mass < 3 else (16.0, 8.0, 20)


def piston(config: Piston, run: Run) -> Result:
    """Friction of a heavy particle in an ideal gas from the initial decay and the integral of its velocity
    autocorrelation, and whether a Langevin equation holds."""
    found: dict[float, PistonStatistics] = {}
    with run.progress(sum(config.trajectories), "pistons") as bar:
        for mass, number in zip(config.masses, config.trajectories, strict=True):
            length, longest, frames = _length(mass)
            found[mass] = run.stage(
                f"M{mass:g}", piston_statistics, mass, number, relaxations=length, longest=longest, frames=frames,
                seed=run.seed, executor=run.executor,
            )  # fmt: skip
            bar.advance(number)
    ratios = {mass: friction_ratios(statistics, mass) for mass, statistics in found.items()}
    tests = {mass: langevin_tests(statistics, mass) for mass, statistics in found.items()}
    verdicts = {mass: holds(test, config.tolerance) for mass, test in tests.items()}

    estimates: dict[str, Reported | Estimate] = {
        "friction": Reported(
            Estimate.exact(piston_friction()), 8 / math.sqrt(2 * math.pi), source="8 n sqrt(m kT/2 pi)"
        )
    }
    for mass in config.masses:
        law = float(initial_friction_ratio(mass))
        source = "(1 + m/M)^(-1/2), from <rate (dV)^2> of a Maxwellian gas"
        for name in ("initial", "lagged"):
            ratio = ratios[mass][name]
            # within 1 % and its error
            allowed = min(4 * (ratio.error or 0.0), 0.01 * law + (ratio.error or 0.0))
            estimates[f"friction_ratio.{name}.M{mass:g}"] = Reported(ratio, law, tolerance=allowed, source=source)
        exact = math.pi / 4 if mass == 1 else None
        estimates[f"friction_ratio.integral.M{mass:g}"] = Reported(
            ratios[mass]["integral"], exact, source="Jepsen (1965): D = sqrt(kT / 2 pi m) / n" if exact else ""
        )
        for name, test in tests[mass].items():
            estimates[f"langevin.{name}.M{mass:g}"] = test
    if 1.0 in found:
        estimates["jepsen_deviation.M1"] = Reported(
            _worst(found[1.0]),
            0.0,
            source="closed form of <V(0) V(t)> for M = m (Jepsen, 1965), where it is farthest off",
        )
    ledger = Ledger([
        Loss(
            f"velocity autocorrelation, M/m = {mass:g}",
            None,
            None,
            Estimate(abs(test["exponential"].value), test["exponential"].error, test["exponential"].samples),
            conditions="largest distance from the nearest exponential within 6 M / zeta, relative to C(0)",
        )
        for mass, test in tests.items()
    ])  # fmt: skip
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, _text(config, ratios, tests, verdicts, found)),
        _data(found),
        {"correlations": _draw_correlations(found), "frictions": _draw_frictions(ratios, tests, config.tolerance)},
        cite=[
            "Lord Rayleigh, Dynamical problems in illustration of the theory of gases, Phil. Mag. 32, 424 (1891).",
            "D. W. Jepsen, Dynamics of a simple many-body system of hard rods, J. Math. Phys. 6, 405 (1965).",
            "J. L. Lebowitz and J. K. Percus, Kinetic equations and density expansions: exactly solvable "
            "one-dimensional system, Phys. Rev. 155, 122 (1967).",
        ],
    )


def _worst(statistics: PistonStatistics) -> Estimate:
    """Deviation from Jepsen's function where it is largest in standard errors; the error counts the lags looked at."""
    curve = statistics.correlation
    apart = curve.value - jepsen_correlation(curve.time)
    at = int(np.argmax(np.abs(apart) / curve.error))
    return Estimate(float(apart[at]), float(curve.error[at]), len(curve.left_out), method="largest of all lags")


def _text(
    config: Piston,
    ratios: dict[float, dict[str, Estimate]],
    tests: dict[float, dict[str, Estimate]],
    verdicts: dict[float, bool | None],
    found: dict[float, PistonStatistics],
) -> str:
    lines = []
    for mass in config.masses:
        worst = max(tests[mass], key=lambda name: abs(tests[mass][name].value) - 2 * (tests[mass][name].error or 0.0))
        widest = max(tests[mass], key=lambda name: abs(tests[mass][name].value) + 2 * (tests[mass][name].error or 0.0))
        again = found[mass].recollisions / found[mass].collisions
        if verdicts[mass] is False:
            failed = ", ".join(
                f"{_TESTS[name]} {number}"
                for name, number in tests[mass].items()
                if abs(number.value) - 2 * (number.error or 0.0) > config.tolerance
            )
            said = f"no Langevin equation ({failed}; farthest: {_TESTS[worst]})"
        elif verdicts[mass]:
            largest = f"{_TESTS[widest]} {tests[mass][widest]}"
            said = f"a Langevin equation holds within {100 * config.tolerance:g} % (largest: {largest})"
        else:
            said = f"open, for lack of data: {_TESTS[widest]} {tests[mass][widest]}"
        lines.append(
            f"M/m = {mass:g}: {said}. Friction over zeta {ratios[mass]['initial']} from the initial decay, "
            f"{ratios[mass]['integral']} from the integral; {100 * again:.2g} % of the collisions are with a "
            "particle met before."
        )
    good = [mass for mass in config.masses if all(verdicts[other] for other in config.masses if other >= mass)]
    summary = (
        f"Of the masses looked at a Langevin equation holds from M/m = {good[0]:g} on."
        if good
        else "At none of the masses looked at is a Langevin equation shown to hold for it and all heavier ones."
    )
    return (
        "\n".join(lines) + f"\n\n{summary} Its friction is that of the initial decay, zeta (1 + m/M)^(-1/2), not zeta "
        f"itself.\n\nLimits: 'holds' means that each of five numbers lies within {config.tolerance:g} of zero, two "
        "standard errors included: the ratio of initial and integrated friction less one, the distance of the "
        "autocorrelation from an exponential, the correlation and the Pawula ratio of residuals over one "
        "relaxation time M / zeta, and the memory number up to two. On shorter times the force comes in single "
        "collisions and is never Gaussian. One dimension and a gas whose particles do not meet each other: no "
        "hydrodynamic tail but that of the particles met again."
    )


def _data(found: dict[float, PistonStatistics]) -> xarray.Dataset:
    variables = {}
    for mass, statistics in found.items():
        name, curve = f"M{mass:g}", statistics.correlation
        for suffix, values in (("", curve.value), ("_error", curve.error)):
            variables[f"velocity_correlation_{name}{suffix}"] = (
                f"time_{name}", values, {"units": "kT/m", "long_name": f"<V(0) V(t)>{suffix}, M/m = {mass:g}"},
            )  # fmt: skip
    times = {
        f"time_M{mass:g}": (f"time_M{mass:g}", s.correlation.time, {"units": "(m/kT)^(1/2)/n"})
        for mass, s in found.items()
    }
    return xarray.Dataset(variables, times)


def _draw_correlations(found: dict[float, PistonStatistics]) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    for colour, (mass, statistics) in zip(plotting.COLOURS, found.items(), strict=False):
        curve, tau = statistics.correlation, mass / piston_friction()
        near = curve.time <= 6 * tau
        relative, error = curve.value[near] / curve.value[0], curve.error[near] / curve.value[0]
        plotting.band(left, curve.time[near] / tau, relative, error, color=colour, label=f"M/m = {mass:g}", sigmas=2)
        rate = float(initial_friction_ratio(mass)) / tau
        plotting.band(
            right, curve.time[near] / tau, relative - np.exp(-rate * curve.time[near]), error, color=colour, sigmas=2,
            label=f"M/m = {mass:g}",
        )  # fmt: skip
    grid = np.linspace(0, 6, 200)
    left.plot(grid, np.exp(-grid), color=plotting.BLACK, linestyle="--", label="exp(-ζt/M)")
    if 1.0 in found:
        time = grid / piston_friction()
        exact = jepsen_correlation(time)
        left.plot(grid, exact, color=plotting.BLACK, linewidth=0.8, label="Jepsen, M = m")
        law = np.exp(-float(initial_friction_ratio(1.0)) * grid)
        right.plot(grid, exact - law, color=plotting.BLACK, linewidth=0.8, label="Jepsen, M = m")
    left.set(xlabel=plotting.label("time ζt/M"), ylabel=plotting.label("velocity autocorrelation C(t)/C(0)"))
    right.axhline(0, color=plotting.BLACK, linewidth=0.6)
    right.set(xlabel=plotting.label("time ζt/M"), ylabel=plotting.label("C(t)/C(0) less its own exponential"))
    left.legend()
    return Picture(
        drawing,
        "Velocity autocorrelation of the piston against time in units of M/ζ. Left: the heavier it is, the nearer "
        "to exp(-ζt/M); a particle as heavy as those of the gas follows Jepsen's closed form. Right: less the "
        "exponential of the same initial slope: for M = m the correlation falls below it, because particles met "
        "again push back, and the integrated friction is larger than the initial one. Bands: two standard errors.",
    )


def _draw_frictions(
    ratios: dict[float, dict[str, Estimate]], tests: dict[float, dict[str, Estimate]], tolerance: float
) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    masses = np.array(sorted(ratios))
    grid = np.geomspace(0.5 / masses[-1], 2 / masses[0], 200)
    left.plot(grid, initial_friction_ratio(1 / grid), color=plotting.BLACK, label="(1 + m/M)$^{-1/2}$")
    if masses[0] == 1:
        left.plot([1], [math.pi / 4], "_", color=plotting.BLACK, markersize=14, label="π/4, Jepsen")
    for name, colour, marker in (("initial", plotting.BLUE, "o"), ("integral", plotting.VERMILION, "s")):
        values = [ratios[mass][name] for mass in masses]
        left.errorbar(
            1 / masses, [v.value for v in values], [2 * (v.error or 0) for v in values], fmt=marker, color=colour,
            markersize=5, label=f"{name} decay" if name == "initial" else "integral",
        )  # fmt: skip
    left.set(xscale="log", xlabel=plotting.label("mass ratio m/M"), ylabel=plotting.label("friction over ζ"))
    left.legend(loc="lower left")
    for place, (colour, name) in enumerate(zip(plotting.COLOURS, _TESTS, strict=False)):
        values = [tests[mass][name] for mass in masses]
        right.errorbar(
            masses * 1.12 ** (place - 2), [abs(v.value) for v in values], [2 * (v.error or 0) for v in values],
            fmt="o-", color=colour, markersize=4, linewidth=1, label=_TESTS[name],
        )  # fmt: skip
    right.axhspan(0, tolerance, color=plotting.GREEN, alpha=0.12, linewidth=0)
    right.set(
        xscale="log", xlabel=plotting.label("mass ratio M/m"),
        ylabel=plotting.label("distance from a Langevin equation"),
    )  # fmt: skip
    right.set_yscale("symlog", linthresh=0.02)
    right.set_ylim(0, 1)
    right.set_yticks([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1], ["0", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"])
    right.legend(loc="upper right")
    return Picture(
        drawing,
        "Left: friction over ζ = 8n(mkT/2π)½ from the initial decay (circles; the line is exact) and from the "
        "integral of the autocorrelation (squares); for M = m they differ, for heavier pistons no more. Right: five "
        "numbers that are zero where a Langevin equation holds; in the green stripe they count as small. Bars are two "
        "standard errors.",
    )
