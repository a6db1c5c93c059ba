"""The study `langevin`: an underdamped particle in a double well, seen only through its position, and two controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.linalg import eigvalsh_tridiagonal

from kadanoff import plotting
from kadanoff.dynamics.correlations import jackknife_error, passage_time
from kadanoff.dynamics.klein_kramers import position_moments
from kadanoff.dynamics.langevin import fitted_passage_time, kramers_moyal, persistence_factor
from kadanoff.dynamics.models import OverdampedModel, UnderdampedModel, mean_first_passage_time
from kadanoff.dynamics.simulation import simulate_underdamped
from kadanoff.dynamics.studies.langevin_pictures import draw_scan, pictures
from kadanoff.dynamics.studies.langevin_report import (
    CITE,
    arrays,
    comparison,
    estimates,
    losses,
    potential,
    warnings_text,
)
from kadanoff.dynamics.time_scales import TimeScaleReport, time_scale_report
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.dynamics.underdamped import fit_underdamped
from kadanoff.estimates import Estimate
from kadanoff.random import normal, uniform
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["DoubleWell", "double_well_study"]

Array = NDArray[np.float64]

_TRAP = (1, 5, 25, 100, 500)  # frames of the short run: lags of 0.002 ... 1
_TRAP_SPACING = 0.002
_TOP = 0.08  # half-width of the cell at the barrier's top
_WALLS = 2.6


class DoubleWell(BaseModel):
    """Settings of dynamics.langevin-double-well; units in which mass, kT and the distance from well to top are 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    friction: float = Field(
        20.0, gt=4, le=200, description="gamma of dv = (-U' - gamma v) dt + noise, U = (x^2 - 1)^2."
    )
    control_friction: float = Field(1.0, gt=0, le=2, description="gamma of the control without separated time scales.")
    frames: int = Field(4_000_000, ge=100_000, description="Frames of the main run, 0.02 apart, of four walkers.")
    short_frames: int = Field(2_000_000, ge=100_000, description="Frames of the run that shows the trap, 0.002 apart.")


def well(x: Array) -> Array:
    """U = (x^2 - 1)^2."""
    return (x * x - 1.0) ** 2


def relaxation_time(diffusion: float, cells: int = 800) -> float:
    """1 / (second eigenvalue) of the overdamped motion in the well, on a fine grid (nearest-neighbour jumps)."""
    edges = np.linspace(-_WALLS, _WALLS, cells + 1)
    energy = well((edges[1:] + edges[:-1]) / 2)
    rate = diffusion / (edges[1] - edges[0]) ** 2
    up, down = rate * np.exp(-np.diff(energy) / 2), rate * np.exp(np.diff(energy) / 2)
    leaving = np.append(up, 0.0) + np.insert(down, 0, 0.0)
    values = eigvalsh_tridiagonal(leaving, -np.sqrt(up * down), select="i", select_range=(0, 1))
    return float(1 / values[1])


def particle(friction: float, frames: int, spacing: float, inner: int, seed: int) -> Trajectories:
    """Positions of four walkers; their velocities are thrown away."""
    model = UnderdampedModel.from_functions(
        np.linspace(-3, 3, 6001), lambda x: -4.0 * x * (x * x - 1.0), friction, friction
    )
    start = np.array([-1.0, 1.0, -1.0, 1.0])
    found = simulate_underdamped(model, start, None, (frames // 4 - 1) * inner, spacing / inner, every=inner, seed=seed)
    return Trajectories(found.positions, found.offsets, found.spacing)


def jumping(frames: int, spacing: float, seed: int) -> Trajectories:
    """A harmonic well with small noise and rare large kicks: not a diffusion."""
    x, decay = np.empty(frames), np.exp(-spacing)
    now = 0.0
    for step in range(frames):
        small, large = normal(seed, 60, step, 0)
        chance, _ = uniform(seed, 61, step, 0)
        now = decay * now + np.sqrt(0.1 * spacing) * small + (large if chance < 0.2 * spacing else 0.0)
        x[step] = now
    return Trajectories(x[:, None], np.array([0, frames]), spacing)


@dataclass(frozen=True, eq=False)
class Trap:
    """D at the five lags over kT / gamma: at the barrier's top and of all frames, sampled (with errors) and exact."""

    time: Array
    top: Array
    top_error: Array
    top_exact: Array
    whole: Array
    whole_error: Array
    whole_exact: Array
    repaired: Array
    repaired_error: Array


def trap(friction: float, frames: int, seed: int) -> Trap:
    """What plain Kramers-Moyal estimates give at five lags, beside what they must give (`klein_kramers`)."""
    source = particle(friction, frames, _TRAP_SPACING, 4, seed)
    edges = np.arange(-21, 22) * _TOP  # 41 cells and one more edge: the middle cell is the top
    moments = kramers_moyal(source, _TRAP, edges=[edges[::2] + _TOP])
    middle = int(np.searchsorted(moments.edges[0], 0.0) - 1)
    rows = [moments.rows(i)[:, middle] for i in range(len(_TRAP))]
    top = friction * np.array([row[:, 2] / row[:, 0] for row in rows]).T / (2 * moments.time)
    whole = friction * np.array([moments.mean_diffusion(i, corrected=False) for i in range(len(_TRAP))]).T
    repaired = whole / np.array([persistence_factor(float(time), 1 / friction) for time in moments.time])
    x, weight, _, square = position_moments(well, friction, moments.time, low=-_WALLS, high=_WALLS, cells=260)
    apart = friction * square / (2 * moments.time[:, None])
    inside = np.abs(x) < _TOP
    seen = np.abs(x) < moments.edges[0][-1]
    return Trap(
        moments.time, top[0], jackknife_error(top[1:]), apart[:, inside] @ weight[inside] / weight[inside].sum(),
        whole[0], jackknife_error(whole[1:]), apart[:, seen] @ weight[seen] / weight[seen].sum(),
        repaired[0], jackknife_error(repaired[1:]),
    )  # fmt: skip


def main_run(friction: float, frames: int, seed: int) -> tuple[Trajectories, TimeScaleReport]:
    """The long run and its report."""
    source = particle(friction, frames, 0.02, 10, seed)
    return source, time_scale_report(source, bins=40, thermal_energy=1.0)


def from_positions(friction: float, frames: int, seed: int) -> tuple[Estimate, Estimate]:
    """Friction and kT / m of the underdamped fit to positions of a run in steps so small that they do not show."""
    _, gamma, thermal = fit_underdamped(particle(friction, frames, 0.02, 40, seed))
    return gamma, thermal


def control_run(friction: float, frames: int, seed: int) -> TimeScaleReport:
    """The same well with little friction: the particle swings, and nothing is slow."""
    return time_scale_report(particle(friction, frames, 0.05, 2, seed), bins=40, thermal_energy=1.0)


def jump_run(frames: int, seed: int) -> TimeScaleReport:
    """The jumping process."""
    return time_scale_report(jumping(frames, 0.05, seed), bins=40)


def double_well_study(config: DoubleWell, run: Run) -> Result:
    """An underdamped particle in a double well seen only through its position: plain Kramers-Moyal is wrong at every
    lag, the plateau gives friction and passages back, and two controls without a Langevin model are refused."""
    gamma = config.friction
    short = run.stage("trap", trap, gamma, config.short_frames, run.seed)
    source, report = run.stage("main run", main_run, gamma, config.frames, run.seed + 1)
    under, thermal = run.stage("underdamped fit", from_positions, gamma, config.frames // 4, run.seed + 5)
    control = run.stage("control", control_run, config.control_friction, config.frames // 10, run.seed + 2)
    jumps = run.stage("jumps", jump_run, config.frames // 20, run.seed + 3)
    found = run.stage("comparison", comparison, source, report, [(-1.0, 1.0), (1.0, -1.0)], True, run.seed + 4)
    energy = potential(source, report, 1.0, "kT")

    exact = OverdampedModel.from_functions(
        np.linspace(-2.4, 2.4, 1201), lambda x: -4.0 * x * (x * x - 1.0) / gamma, lambda x: 1.0 / gamma + 0.0 * x
    )
    passage = mean_first_passage_time(exact, -1.0, 1.0)
    x = np.linspace(-_WALLS, _WALLS, 2001)
    weight = np.exp(-well(x))
    curvature = float(np.sum(weight * (12 * x * x - 4)) / weight.sum())
    inertia = 1 + curvature / gamma**2
    table = estimates(source, report, found)
    table["diffusion"] = Reported(
        report.diffusion, inertia / gamma, source="kT/gamma (1 + <U''>/gamma^2), to first order",
        reason="" if report.diffusion else report.verdict,
    )  # fmt: skip
    table["friction"] = Reported(
        report.friction, gamma / inertia, source="kT / D", reason="" if report.friction else report.verdict
    )
    table["persistence_time"] = Reported(
        report.persistence, 1 / gamma, source="1/gamma", reason="" if report.persistence else "no plateau"
    )
    table["slowest_time"] = Reported(
        report.slowest, relaxation_time(inertia / gamma), source="second eigenvalue of the Fokker-Planck operator",
        reason="" if report.slowest else "not seen",
    )  # fmt: skip
    table["underdamped_friction"] = Reported(under, gamma, source="the gamma of the run, from positions alone")
    table["underdamped_kT_over_m"] = Reported(thermal, 1.0, source="the kT/m of the run, from positions alone")
    for i, time in enumerate(short.time):
        for name, values, errors, references in (
            ("top", short.top, short.top_error, short.top_exact),
            ("all", short.whole, short.whole_error, short.whole_exact),
        ):
            table[f"apparent_over_true.{name}.dt{time:g}"] = Reported(
                Estimate(values[i], errors[i], 32, "", "jackknife"), float(references[i]),
                source="Klein-Kramers equation, solved",
            )  # fmt: skip
    for i in range(2):  # lags below 1/gamma, where nothing but the persistence is at work
        table[f"repaired_over_true.dt{short.time[i]:g}"] = Reported(
            Estimate(short.repaired[i], short.repaired_error[i], 32, "", "jackknife"), 1.0,
            source="apparent D over 1 - (1 - e^(-gamma t)) / (gamma t)",
        )  # fmt: skip
    if found is not None:
        for start, target, *_ in found.curves.passages:
            every = passage_time(source, start, target)
            table[f"passage_time.{start:g}_{target:g}.every_frame"] = Reported(
                every, passage, source="quadrature with D = kT/gamma"
            )
    if report.lag is not None and report.persistence is not None:
        at = int(np.flatnonzero(report.scan.moments.lags == report.lag)[0])
        solved = fitted_passage_time(report.scan.moments, at, -1.0, 1.0, persistence=report.persistence.value)
        table["passage_time.model_quadrature"] = Reported(solved, passage, source="quadrature with D = kT/gamma")
    for name, other in (("little_friction", control), ("jumps", jumps)):
        table[f"models.{name}"] = Reported(
            Estimate.exact(float(other.window is not None)), 0.0, source="no Langevin equation holds there"
        )
    ledger = losses(found)
    shown = ", ".join(f"{100 * value:.0f} %" for value in short.top)
    text = (
        f"Plain Kramers-Moyal estimates at the top of the barrier give {shown} of the true D at lags of "
        f"{', '.join(f'{t:g}' for t in short.time)}: short lags see the flight, long ones the force. {report.verdict}"
        f"{warnings_text(report)}\n\nControls. Friction {config.control_friction:g}: {control.verdict} Jumps: "
        f"{jumps.verdict}"
        "\n\nLimits: one coordinate, white thermal noise. The overdamped model says nothing below its first lag, where "
        f"velocities persist; from positions alone the underdamped fit gives gamma = {under}."
    )
    data = arrays(report, energy, found, source)
    data = data.assign_coords(trap_lag=("trap_lag", short.time, {"units": "1"}))
    for name in ("top", "top_error", "top_exact", "whole", "whole_error", "whole_exact"):
        data[f"trap_{name}"] = ("trap_lag", getattr(short, name), {"units": "1"})
    files: dict[str, str | bytes] = {}
    if report.model is not None:
        files = {f"model{suffix}": report.model.to_bytes(suffix) for suffix in (".npz", ".json")}
    drawn = {"trap": _draw_trap(short, gamma), **pictures(source, report, energy, found)}
    drawn["controls"] = _draw_controls(control, jumps)
    cite = [
        *CITE,
        "H. A. Kramers, Brownian motion in a field of force and the diffusion model of chemical reactions, Physica "
        "7, 284 "
        "(1940).",
    ]
    return Result(table, ledger, judge(table, ledger, text), data, drawn, files, cite)


def _draw_trap(short: Trap, gamma: float) -> Picture:
    drawing, (axis,) = plotting.figure(1)
    t = np.geomspace(short.time[0], short.time[-1], 100)
    closed = np.array([persistence_factor(float(one), 1 / gamma) for one in t])
    axis.axhline(1, color=plotting.BLACK, linewidth=0.8)
    axis.plot(t, closed, color=plotting.BLACK, linestyle="--", linewidth=1, label="1 - (1 - exp(-γt)) / γt")
    for name, values, errors, references, color in (
        ("at the barrier's top", short.top, short.top_error, short.top_exact, plotting.VERMILION),
        ("mean of all", short.whole, short.whole_error, short.whole_exact, plotting.BLUE),
    ):
        axis.plot(short.time, references, "_", color=color, markersize=16)
        axis.errorbar(short.time, values, errors, fmt="o", color=color, markersize=4, label=name)
    axis.set(xscale="log", xlabel="lag", ylabel="apparent D over true D", ylim=(0, 1.25))
    axis.legend(loc="lower right")
    axis.set_title("The trap: D from positions at one lag")
    return Picture(
        drawing,
        "Diffusion coefficient that a plain Kramers-Moyal estimate gives at one lag, over the true one: points "
        "sampled, with "
        "one standard error, bars exact from the Klein-Kramers equation, dashed the closed form without a force. At "
        "none of "
        "these lags is it right everywhere.",
    )


def _draw_controls(control: TimeScaleReport, jumps: TimeScaleReport) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    draw_scan(left, control, "", "")
    left.legend(loc="upper right")
    left.set_title("Little friction: no plateau")
    draw_scan(right, jumps, "", "")
    pawula = ", ".join(f"{test.checks[4].figure.value:.0f}" for test in jumps.tests[:3])
    right.text(0.03, 0.92, f"Pawula ratio {pawula} ... (should be 1)", transform=right.transAxes)
    right.set_title("Jumps: a plateau, but no diffusion")
    return Picture(
        drawing,
        "Two controls. Left: the same well with little friction; the slope of the spread never stands still before "
        "the force "
        "takes over. Right: rare kicks in a harmonic well; D stands on a plateau, but the fourth moment is far from "
        "that of a "
        "diffusion, and no Langevin model is given.",
    )
