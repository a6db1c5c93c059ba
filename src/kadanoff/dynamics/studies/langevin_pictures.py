"""Pictures of a Langevin model: lag scan, potential and fields, tests, fine and effective curves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from kadanoff import plotting
from kadanoff.dynamics.langevin import Potential
from kadanoff.dynamics.plateaus import Plateau
from kadanoff.dynamics.studies.langevin_report import Compared
from kadanoff.dynamics.time_scales import TimeScaleReport
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.study import Picture

__all__ = ["draw_scan", "pictures"]


def pictures(
    source: Trajectories, report: TimeScaleReport, energy: Potential | None, found: Compared | None
) -> dict[str, Picture]:
    """All that there is something to draw for."""
    drawn = {"lag_scan": _scan(source, report)}
    if report.tests:
        drawn["tests"] = _tests(source, report)
    if source.dimensions == 1 and (report.model is not None or energy is not None):
        drawn["fields"] = _fields(source, report, energy)
    if source.dimensions == 2 and (report.model is not None or energy is not None):
        drawn["fields"] = _maps(source, report, energy)
    if found is not None:
        drawn["comparison"] = _comparison(source, found)
    return drawn


def draw_scan(axis: Axes, report: TimeScaleReport, unit: str, time_unit: str) -> None:
    """D against the lag, with the plateau shaded, or without one."""
    scan = report.scan
    plotting.band(axis, scan.time, scan.apparent, scan.apparent_error, color=plotting.SKY, label="as it stands")
    good = np.isfinite(scan.corrected)
    plotting.band(
        axis, scan.time[good], scan.corrected[good], scan.corrected_error[good], color=plotting.BLUE,
        label="drift corrected",
    )  # fmt: skip
    good = np.isfinite(scan.differential)
    axis.errorbar(
        scan.between[good], scan.differential[good], scan.differential_error[good], fmt="o", markersize=3.5,
        color=plotting.VERMILION, linewidth=1, label="slope between lags",
    )  # fmt: skip
    if isinstance(report.plateau, Plateau):
        axis.axvspan(report.plateau.start, report.plateau.end, color=plotting.GREEN, alpha=0.13, linewidth=0)
        height, error = report.plateau.height.value, report.plateau.height.error or 0.0
        axis.fill_between(
            report.plateau.core, height - error, height + error, color=plotting.GREEN, alpha=0.4,
            linewidth=0, label="plateau",
        )  # fmt: skip
    else:
        axis.text(0.03, 0.92, "no plateau", transform=axis.transAxes)
    top = np.nanmax(np.concatenate([scan.apparent, scan.differential[good]]))
    axis.set(
        xscale="log", xlabel=plotting.label("lag", time_unit), ylim=(0, 1.25 * float(top)),
        ylabel=plotting.label("D", f"{unit}²/{time_unit}" if unit and time_unit else ""),
    )  # fmt: skip


def _scan(source: Trajectories, report: TimeScaleReport) -> Picture:
    drawing, (axis,) = plotting.figure(1)
    draw_scan(axis, report, source.unit, source.time_unit)
    axis.legend(loc="best")
    axis.set_title("Diffusion against the lag")
    held = (
        "The shaded lags are the plateau on which D is read off; a model that is fitted where the lightest curve still "
        "rises is wrong by that much."
        if report.plateau
        else "No stretch of lags has a slope that stands still: there is no diffusion constant to read off."
    )
    return Picture(
        drawing,
        "Diffusion coefficient against the lag it is measured over, with one standard error: as it stands, corrected "
        "in "
        "closed form for the drift on the way, and as the slope of the spread between neighbouring lags (points). "
        f"{held}",
    )


def _plain_ticks(axis: Axes) -> None:
    """Of a logarithmic axis of about a decade: at 1, 2 and 5 of each, as plain numbers."""
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _tests(source: Trajectories, report: TimeScaleReport) -> Picture:
    drawing, (left, middle, right) = plotting.figure(3)
    best = next((test for test in report.tests if test.lag == report.lag), report.tests[0])
    propagator = best.propagator
    multiples = np.array(propagator.multiples) * best.time
    for lump in range(propagator.seen.shape[1]):
        color = plotting.COLOURS[lump]
        left.errorbar(
            multiples, propagator.seen[:, lump], propagator.error[:, lump], fmt="o", color=color, markersize=4,
            label="data" if lump == 0 else None,
        )  # fmt: skip
        left.plot(
            [0, *multiples], [1, *propagator.predicted[:, lump]], color=color, linewidth=1,
            label="power of one lag" if lump == 0 else None,
        )  # fmt: skip
    left.set(xlabel=plotting.label("time", source.time_unit), ylabel="P(in the same quarter)", ylim=(0, 1.02))
    left.set_title(f"Chapman-Kolmogorov, lag {best.time:.3g}")
    left.legend(loc="best")
    times = np.array([test.time for test in report.tests])
    for i, (name, color) in enumerate(
        (
            ("Chapman-Kolmogorov", plotting.BLUE),
            ("variance - 1", plotting.GREEN),
            ("autocorrelation", plotting.VERMILION),
        )
    ):
        checks = [test.checks[i] for test in report.tests]
        middle.errorbar(
            times, [(c.figure.value - c.target) / c.tolerance for c in checks],
            [(c.figure.error or 0.0) / c.tolerance for c in checks], fmt="o-", color=color, markersize=4, linewidth=1,
            label=name,
        )  # fmt: skip
    pawula = [test.checks[4] for test in report.tests]
    middle.errorbar(
        times, [(c.figure.value - c.target) / c.tolerance for c in pawula],
        [(c.figure.error or 0.0) / c.tolerance for c in pawula], fmt="s-", color=plotting.ORANGE, markersize=4,
        linewidth=1, label="Pawula ratio - 1",
    )  # fmt: skip
    middle.axhspan(-1, 1, color=plotting.GREEN, alpha=0.12, linewidth=0)
    low, high = middle.get_ylim()
    middle.set(
        xscale="log", xlabel=plotting.label("lag", source.time_unit), ylabel="departure over tolerance",
        ylim=(max(low, -4), min(max(high, 1.6), 6)),
    )  # fmt: skip
    _plain_ticks(middle)
    middle.set_title("Tests along the plateau")
    middle.legend(loc="best")
    lags = best.time * np.arange(1, len(best.noise.correlation) + 1)
    right.axhspan(-0.1, 0.1, color=plotting.GREEN, alpha=0.12, linewidth=0)
    right.errorbar(lags, best.noise.correlation, best.noise.error, fmt="o", color=plotting.BLUE, markersize=4)
    right.axhline(0, color=plotting.BLACK, linewidth=0.8)
    reach = max(0.15, 1.2 * float(np.max(np.abs(best.noise.correlation) + best.noise.error)))
    right.set(
        xlabel=plotting.label("time", source.time_unit), ylabel="autocorrelation of residuals", ylim=(-reach, reach)
    )
    right.set_title(f"Whiteness, lag {best.time:.3g}")
    return Picture(
        drawing,
        "Is it a Langevin model? Left: the chance to be in the same quarter of the data later, seen (points, one "
        "standard "
        "error) and predicted by powers of the propagator over one lag (lines). Middle: how far each test is from "
        "what it "
        "should give, in units of its tolerance, at the lags of the plateau; inside the shaded band it passes. "
        "Right: what "
        "drift and diffusion leave over, fitted on half of the data and held against the other half, should forget "
        "itself "
        "after one lag.",
    )


def _fields(source: Trajectories, report: TimeScaleReport, energy: Potential | None) -> Picture:
    model = report.model
    count = 2 * (model is not None) + (energy is not None)
    drawing, axes = plotting.figure(count)
    unit, time = source.unit, source.time_unit
    place = plotting.label("coordinate", unit)
    if energy is not None:
        axis = axes.pop(0)
        x = (energy.edges[0][1:] + energy.edges[0][:-1]) / 2
        good = np.isfinite(energy.energy)
        plotting.band(axis, x[good], energy.energy[good], energy.error[good], color=plotting.BLUE)
        axis.set(xlabel=place, ylabel=plotting.label("potential of mean force", energy.unit))
        axis.set_title("Potential")
    if model is not None and model.drift_error is not None and model.diffusion_error is not None:
        x, good = model.centres[0], model.supported
        plotting.band(axes[0], x[good], model.drift[good, 0], model.drift_error[good, 0], color=plotting.VERMILION)
        axes[0].axhline(0, color=plotting.BLACK, linewidth=0.8)
        axes[0].set(xlabel=place, ylabel=plotting.label("drift", f"{unit}/{time}" if unit and time else ""))
        sure = good & (model.drift_error[..., 0] <= 5 * float(np.median(model.drift_error[good, 0])))
        edge = np.abs(model.drift[sure, 0]) + model.drift_error[sure, 0]  # the thin cells at the ends need not fit
        axes[0].set(ylim=(-1.2 * float(edge.max()), 1.2 * float(edge.max())))
        axes[0].set_title(f"Drift, lag {model.lag:.3g}")
        diffusion, error = model.diffusion[good, 0, 0], model.diffusion_error[good, 0, 0]
        plotting.band(axes[1], x[good], diffusion, error, color=plotting.GREEN)
        top = float(np.quantile(diffusion + error, 0.9))  # the thin cells at the ends need not fit
        axes[1].set(
            xlabel=place,
            ylabel=plotting.label("diffusion", f"{unit}²/{time}" if unit and time else ""),
            ylim=(0, 1.4 * top),
        )
        axes[1].set_title("Diffusion")
    return Picture(
        drawing,
        "The model, with one standard error from blocks: potential of mean force, drift and diffusion in cells of the "
        "coordinate; bands of cells that the data hardly visit may leave the picture."
        if model is not None
        else "The potential of mean force with one standard error. No drift and diffusion: no Langevin model holds.",
    )


def _maps(source: Trajectories, report: TimeScaleReport, energy: Potential | None) -> Picture:
    """Two coordinates: the potential as a map, the drift as arrows on the mean diffusion."""
    model = report.model
    drawing, axes = plotting.figure((model is not None) + (energy is not None), height=3.6)
    labels = {
        "xlabel": plotting.label("first coordinate", source.unit),
        "ylabel": plotting.label("second coordinate", source.unit),
    }
    if energy is not None:
        axis = axes.pop(0)
        mesh = axis.pcolormesh(*energy.edges, energy.energy.T, cmap="viridis", rasterized=True)
        drawing.colorbar(mesh, ax=axis, label=plotting.label("potential of mean force", energy.unit))
        axis.set(**labels)
        axis.set_title("Potential")
    if model is not None:
        axis = axes[0]
        trace = np.where(model.supported, np.trace(model.diffusion, axis1=-2, axis2=-1) / 2, np.nan)
        unit = f"{source.unit}²/{source.time_unit}" if source.unit and source.time_unit else ""
        high = float(np.nanquantile(trace, 0.95))
        mesh = axis.pcolormesh(*model.edges, trace.T, cmap="cividis", vmin=0, vmax=high, rasterized=True)
        drawing.colorbar(mesh, ax=axis, label=plotting.label("mean diffusion", unit))
        x, y = np.meshgrid(*model.centres, indexing="ij")
        every = (slice(None, None, max(1, len(x) // 14)),) * 2
        axis.quiver(x[every], y[every], model.drift[(*every, 0)], model.drift[(*every, 1)], color="white", width=0.006)
        axis.set(**labels)
        axis.set_title(f"Drift and diffusion, lag {model.lag:.3g}")
    return Picture(
        drawing,
        "Two coordinates. The potential of mean force as a map and, where a model holds, its drift as arrows on half "
        "the "
        "trace of its diffusion; white cells are not known. Arrows that turn round show a current: the drift is then "
        "not "
        "the slope of a potential. Errors of all cells are in data.nc and in the model's file.",
    )


def _comparison(source: Trajectories, found: Compared) -> Picture:
    curves = found.curves
    drawing, (left, middle, right) = plotting.figure(3)
    scale = curves.velocity[0].value[0]
    for curve, color, name in zip(curves.velocity, (plotting.BLUE, plotting.VERMILION), ("data", "model"), strict=True):
        few = slice(0, 12)
        plotting.band(
            left, curve.time[few], curve.value[few] / scale, curve.error[few] / scale, color=color, label=name,
            marker="o", markersize=3,
        )  # fmt: skip
    left.axhline(0, color=plotting.BLACK, linewidth=0.8)
    left.set(xlabel=plotting.label("time", source.time_unit), ylabel="velocity autocorrelation / its start")
    left.set_title("Mean velocity over one lag")
    left.legend(loc="best")
    for curve, color, name in zip(
        curves.displacement, (plotting.BLUE, plotting.VERMILION), ("data", "model"), strict=True
    ):
        plotting.band(middle, curve.time, curve.value, curve.error, color=color, label=name)
    middle.set(
        xscale="log", yscale="log", xlabel=plotting.label("time", source.time_unit),
        ylabel=plotting.label("mean square displacement", f"{source.unit}²" if source.unit else ""),
    )  # fmt: skip
    _plain_ticks(middle)
    middle.set_title("Displacement")
    middle.legend(loc="best")
    names = []
    for i, (start, target, fine, coarse) in enumerate(curves.passages):
        names.append(f"{start:.3g} → {target:.3g}")
        for value, shift, color in ((fine, -0.12, plotting.BLUE), (coarse, 0.12, plotting.VERMILION)):
            if value is not None:
                right.errorbar(i + shift, value.value, value.error or 0.0, fmt="o", color=color, capsize=3)
    if names:
        right.set(xticks=range(len(names)), xlim=(-0.6, len(names) - 0.4), ylim=(0, None))
        right.set_xticklabels(names)
        right.set(xlabel=plotting.label("passage", source.unit), ylabel=plotting.label("mean time", source.time_unit))
    else:
        right.text(0.5, 0.5, "no passages\n(not stationary, or none asked for)", transform=right.transAxes, ha="center")
        right.set_axis_off()
    right.set_title("First passages")
    return Picture(
        drawing,
        "The data (fine) and the fitted model (effective), looked at every lag of the model, with one standard error: "
        "autocorrelation of the mean velocity over a lag, mean square displacement, mean first-passage times.",
    )
