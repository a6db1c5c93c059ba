"""What the Langevin studies have in common: from trajectories to report, comparison, estimates, ledger and arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray

from kadanoff.dynamics.correlations import BLOCKS, autocorrelation
from kadanoff.dynamics.langevin import Potential, potential_of_mean_force
from kadanoff.dynamics.models import OverdampedModel
from kadanoff.dynamics.plateaus import Plateau, running_integral
from kadanoff.dynamics.simulation import Comparison, compare, simulate_overdamped
from kadanoff.dynamics.time_scales import TimeScaleReport
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.dynamics.underdamped import fit_underdamped
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Reported

__all__ = [
    "CITE",
    "arrays",
    "comparison",
    "estimates",
    "force_friction",
    "losses",
    "potential",
    "underdamped",
    "underdamped_text",
    "warnings_text",
]

Array = NDArray[np.float64]

CITE = [
    "S. Siegert, R. Friedrich and J. Peinke, Analysis of data sets of stochastic systems, Phys. Lett. A 243, 275 "
    "(1998).",
    "L. Rydin Gorjao and F. Meirinhos, kramersmoyal: Kramers-Moyal coefficients for stochastic processes, J. Open "
    "Source "
    "Softw. 4, 1693 (2019).",
    "H. Risken, The Fokker-Planck Equation, Springer (1989).",
]

_TURN = 0.02  # of a relaxation: a step of the model's run
_WALKERS = 16


@dataclass(frozen=True, eq=False)
class Compared:
    """The comparison, and how the model was run for it."""

    curves: Comparison
    timestep: float


def potential(source: Trajectories, report: TimeScaleReport, thermal_energy: float | None, unit: str) -> Potential:
    """The potential of mean force on the grid of the scan, in kT where no kT is given."""
    return potential_of_mean_force(
        source, edges=report.scan.moments.edges, thermal_energy=thermal_energy or 1.0,
        unit=unit if thermal_energy else "kT", blocks=len(report.scan.rows),
    )  # fmt: skip


def comparison(
    source: Trajectories, report: TimeScaleReport, levels: list[tuple[float, float]], stationary: bool, seed: int
) -> Compared | None:
    """Data and model, seen every lag of the model; None where no model holds.

    As much time of the model as of the data, in steps of a fiftieth of its fastest relaxation.
    """
    model, lag = report.model, report.lag
    if model is None or lag is None:
        return None
    fine = source.thinned(lag)
    time = lag * source.spacing
    rate = _fastest(model)
    inner = int(np.clip(np.ceil(time * rate / _TURN), 4, 400))
    known = model.supported
    low = np.array([c[np.any(known, axis=tuple(j for j in range(known.ndim) if j != i))][0]
                    for i, c in enumerate(model.centres)])  # fmt: skip
    high = np.array([c[np.any(known, axis=tuple(j for j in range(known.ndim) if j != i))][-1]
                     for i, c in enumerate(model.centres)])  # fmt: skip
    if stationary:
        walkers = min(_WALKERS, fine.frames // 64)
        rows = np.linspace(0, fine.frames - 1, walkers).round().astype(int)
        frames = fine.frames // walkers
    else:  # as the data: from where they begin, as far as they go
        rows = np.repeat(fine.offsets[:-1], max(1, _WALKERS // len(fine)))
        frames = int(fine.lengths.mean())
    start = np.clip(fine.positions[rows], low, high)
    if known.ndim > 1:
        start = _to_supported(model, start)
    effective = simulate_overdamped(model, start, (frames - 1) * inner, time / inner, every=inner, seed=seed)
    most = int(min(fine.longest_lag // 3, effective.longest_lag // 3, max(8, _reach(report) / time)))
    lags = np.unique(np.geomspace(1, max(most, 4), 24).round().astype(int))
    blocks = min(BLOCKS, len(report.scan.rows), fine.frames // (4 * int(lags[-1])))
    return Compared(compare(fine, effective, lags, levels if stationary else [], blocks=max(blocks, 8)), time / inner)


def estimates(source: Trajectories, report: TimeScaleReport, found: Compared | None) -> dict[str, Reported | Estimate]:
    """The numbers of result.json that every Langevin study gives."""
    none = report.verdict
    short = "no Langevin model holds; the verdict says why"
    unit = source.time_unit

    def known(value: Estimate | None, reason: str) -> Reported:
        return Reported(value, reason=reason if value is None else "")

    table: dict[str, Reported | Estimate] = {
        "diffusion": known(report.diffusion, none),
        "friction": known(report.friction, none if report.model is None else "no thermal energy was given"),
        "persistence_time": known(report.persistence, "no plateau"),
        "slowest_time": known(report.slowest, "not asked for: the data are not stationary"),
        "memory_number": known(
            None if report.memory is None else report.memory.figure, "no plateau, or not stationary"
        ),
        "relaxation": known(
            None if report.relaxation is None else report.relaxation.figure,
            "of one stationary coordinate on a plateau, in trajectories that hold four of the longest lags on it",
        ),
    }
    for i, end in enumerate(("start", "end")):
        table[f"window_{end}"] = known(Estimate.exact(report.window[i], unit) if report.window else None, short)
    best = next((test for test in report.tests if test.lag == report.lag), None)
    names = ("chapman_kolmogorov", "residual_variance", "residual_autocorrelation", "residual_skewness", "pawula_ratio")
    for i, name in enumerate(names):
        check = None if best is None else best.checks[i]
        table[name] = (
            Reported(
                check.figure, check.target, tolerance=check.tolerance, source="a Langevin model, within its tolerance"
            )
            if check is not None
            else Reported(None, reason=short)
        )
    if found is not None:
        for start, target, fine, coarse in found.curves.passages:
            for side, value in (("fine", fine), ("model", coarse)):
                table[f"passage_time.{start:g}_{target:g}.{side}"] = known(value, "fewer than 8 passages were seen")
    return table


def underdamped(source: Trajectories) -> dict[str, Reported | Estimate]:
    """Friction and kT / m of an underdamped fit over one frame, or why there is none; nothing for more coordinates."""
    if source.dimensions > 1:
        return {}
    names = ("underdamped_friction", "underdamped_kT_over_m")
    try:
        _, friction, thermal = fit_underdamped(source)
    except ValueError as error:  # not a failure: velocities that nothing remembers
        return {name: Reported(None, reason=str(error)) for name in names}
    return dict(zip(names, (friction, thermal), strict=True))


def underdamped_text(report: TimeScaleReport, found: dict[str, Reported | Estimate]) -> str:
    """Where no model of positions alone holds: the underdamped fit in words, or nothing."""
    values = [value for value in found.values() if isinstance(value, Estimate)]
    if report.model is not None or len(values) < 2:
        return ""
    return (
        f"\n\nThe coordinate remembers its velocity. An underdamped fit over one frame gives the friction {values[0]} "
        f"and kT/m = {values[1]}; it is given as it stands, no test has been passed."
    )


def force_friction(source: Trajectories, thermal_energy: float) -> tuple[Reported, str]:
    """int <F(0) F(t)> dt / kT of one coordinate from its plateau, or why not; and the warning in words."""
    longest = min(source.longest_lag // 4, 20_000)
    lags = np.unique(np.concatenate([np.arange(min(200, longest)), np.geomspace(1, longest, 100).round().astype(int)]))
    assert source.forces is not None
    curve = autocorrelation(source, source.forces, lags, centred=True)
    found = running_integral(curve, 1 / (thermal_energy * source.dimensions))
    warned = f"\n\nWarning: {found.warning}." if found.warning else ""
    if isinstance(found.plateau, Plateau):
        return Reported(found.plateau.height), warned
    return Reported(None, reason=found.plateau.reason), warned


def losses(found: Compared | None) -> Ledger:
    """What the model gets wrong: mean square displacements and passage times, data against model."""
    ledger = Ledger()
    if found is None:
        return ledger
    fine, coarse = found.curves.displacement
    for i in sorted({0, len(fine.time) // 2, len(fine.time) - 1}):
        sides = [Estimate(float(c.value[i]), float(c.error[i]), len(c.left_out), c.unit) for c in (fine, coarse)]
        lost = sides[0].minus(sides[1])
        ledger.add(Loss(f"mean square displacement at {fine.time[i]:.4g}", sides[0], sides[1], lost))
    for start, target, before, after in found.curves.passages:
        if before is not None and after is not None:
            ledger.add(Loss(f"passage time {start:g} to {target:g}", before, after, before.minus(after)))
    return ledger


def warnings_text(report: TimeScaleReport) -> str:
    """The warnings as a paragraph, or nothing."""
    return "\n\nWarnings: " + "; ".join(report.warnings) + "." if report.warnings else ""


def arrays(
    report: TimeScaleReport, energy: Potential | None, found: Compared | None, source: Trajectories
) -> xarray.Dataset:
    """The curves, for data.nc."""
    scan, unit, time = report.scan, source.unit or "1", source.time_unit or "1"
    area = f"{unit}^2/{time}"
    data = xarray.Dataset(coords={"lag": ("lag", scan.time, {"units": time})})
    for name in ("apparent", "apparent_error", "corrected", "corrected_error"):
        data[f"diffusion_{name}"] = ("lag", getattr(scan, name), {"units": area})
    data["diffusion_differential"] = ("between", scan.differential, {"units": area})
    data["diffusion_differential_error"] = ("between", scan.differential_error, {"units": area})
    data = data.assign_coords(between=("between", scan.between, {"units": time}))
    axes = tuple(f"x{i}" for i in range(source.dimensions))
    edges = scan.moments.edges
    data = data.assign_coords({a: (a, (e[1:] + e[:-1]) / 2, {"units": unit}) for a, e in zip(axes, edges, strict=True)})
    if energy is not None:
        data["potential"] = (axes, energy.energy, {"units": energy.unit})
        data["potential_error"] = (axes, energy.error, {"units": energy.unit})
    if (model := report.model) is not None and model.drift_error is not None and model.diffusion_error is not None:
        for name, values, units in (
            ("drift", model.drift, f"{unit}/{time}"), ("drift_error", model.drift_error, f"{unit}/{time}"),
            ("diffusion", model.diffusion, area), ("diffusion_error", model.diffusion_error, area),
        ):  # fmt: skip
            extra = ("component", "component2")[: values.ndim - source.dimensions]
            data[f"model_{name}"] = ((*axes, *extra), values, {"units": units})
    if found is not None:
        curves = found.curves
        data = data.assign_coords(time=("time", curves.velocity[0].time, {"units": time}))
        data = data.assign_coords(later=("later", curves.displacement[0].time, {"units": time}))
        for side, v, m in zip(("fine", "model"), curves.velocity, curves.displacement, strict=True):
            data[f"velocity_{side}"] = ("time", v.value, {"units": f"{unit}^2/{time}^2"})
            data[f"velocity_{side}_error"] = ("time", v.error, {"units": f"{unit}^2/{time}^2"})
            data[f"displacement_{side}"] = ("later", m.value, {"units": f"{unit}^2"})
            data[f"displacement_{side}_error"] = ("later", m.error, {"units": f"{unit}^2"})
    return data


def _reach(report: TimeScaleReport) -> float:
    """How far the curves are compared: two slowest times, or ten times the window."""
    if report.slowest is not None:
        return 2 * report.slowest.value
    return 10 * report.window[1] if report.window else float(report.scan.time[-1])


def _fastest(model: OverdampedModel) -> float:
    """The largest slope of the drift in supported cells, as a rate."""
    rates = [0.0]
    for i, edge in enumerate(model.edges):
        slope = np.diff(model.drift[..., i], axis=i) / (edge[1] - edge[0])
        if np.isfinite(slope).any():
            rates.append(float(np.quantile(np.abs(slope[np.isfinite(slope)]), 0.9)))
    return max(rates)


def _to_supported(model: OverdampedModel, start: Array) -> Array:
    """Each start, or the centre of the nearest supported cell."""
    centres = np.stack(np.meshgrid(*model.centres, indexing="ij"), axis=-1)[model.supported]
    low = np.array([edge[0] for edge in model.edges])
    width = np.array([edge[1] - edge[0] for edge in model.edges])
    cell = np.clip(((start - low) / width).astype(int), 0, np.array(model.supported.shape) - 1)
    good = model.supported[tuple(cell.T)]
    nearest = centres[np.argmin(np.sum((centres[None] - start[:, None]) ** 2, axis=-1), axis=1)]
    return np.where(good[:, None], start, nearest)
