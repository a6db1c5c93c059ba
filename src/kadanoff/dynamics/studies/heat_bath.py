"""The study of the Kac-Zwanzig heat bath: memory kernel and friction from trajectories against the exact ones."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.dynamics.correlations import Correlation, autocorrelation, correlation
from kadanoff.dynamics.generalised_langevin import divergence_rate, model_correlation, simulate_generalised
from kadanoff.dynamics.kac_zwanzig import HeatBath, ohmic_bath, sample_bath, velocity_correlation
from kadanoff.dynamics.memory import (
    BathCorrelations,
    MemoryKernel,
    Method,
    bath_correlations,
    exact_correlations,
    memory_kernel,
    memory_number,
)
from kadanoff.dynamics.noise import NoiseCheck, noise_check
from kadanoff.dynamics.plateaus import Plateau, RunningIntegral, running_integral
from kadanoff.dynamics.prony import PronyKernel, fit_prony
from kadanoff.dynamics.trajectories import trajectories
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["HeatBathStudy", "heat_bath"]

Array = NDArray[np.float64]

_METHODS: tuple[Method, ...] = ("midpoint", "trapezoid", "simpson")
_STEPS = (0.1, 0.05, 0.025)
_ORDER = {"midpoint": 2.0, "trapezoid": 2.0, "simpson": 3.0}
_INTERVAL = 1.0  # between the observations that tell a model from the fine system
_PAST = 40  # observations


class HeatBathStudy(BaseModel):
    """Settings of dynamics.heat-bath."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    modes: int = Field(700, ge=200, le=4000, description="Oscillators.")
    cutoff: float = Field(1.0, gt=0, description="w_c of J(w) = w exp(-w / w_c).")
    trajectories: int = Field(10000, ge=256, description="Sampled, each twice as long as the kernel.")
    step: float = Field(0.1, gt=0, description="Time between frames.")
    upper: float = Field(20.0, gt=0, description="Where kernel and friction end.")
    walkers: int = Field(4000, ge=128, description="Of the generalised Langevin equation.")


class Sampled(NamedTuple):
    """What the trajectories gave."""

    correlations: BathCorrelations
    velocity: Correlation
    plain: RunningIntegral
    noise: NoiseCheck


def exact_kernels(bath: HeatBath, upper: float, step: float) -> dict[str, MemoryKernel]:
    """The three inversions of exact correlation functions."""
    time = step * np.arange(round(upper / step) + 1)
    exact = exact_correlations(
        step,
        velocity_correlation(bath, time),
        mass=bath.mass,
        first_derivative=velocity_correlation(bath, time, derivative=1),
        second_derivative=velocity_correlation(bath, time, derivative=2),
    )
    return {method: memory_kernel(exact, method) for method in _METHODS}


def sampled(bath: HeatBath, config: HeatBathStudy, seed: int) -> Sampled:
    """Correlation functions, the integral of the plain force, and the noise, from sampled trajectories."""
    last = round(config.upper / config.step)
    paths = sample_bath(bath, config.step, 2 * last + 1, config.trajectories, seed=seed)
    source = trajectories(
        paths.position[..., None], config.step, velocities=paths.velocity[..., None], forces=paths.force[..., None]
    )
    correlations = bath_correlations(source, last)
    lags = np.arange(last + 1)
    plain = running_integral(correlation(source, paths.force.reshape(-1), paths.force.reshape(-1), lags))
    velocity = autocorrelation(source, paths.velocity.reshape(-1), lags)
    # the noise is looked at in the first half of the kernel, in stretches as long as that: more of them
    short = last // 2
    near = bath_correlations(source, short)
    return Sampled(
        correlations, velocity, plain, noise_check(source, memory_kernel(near, "simpson"), 1.0, last=short // 2)
    )


def walked(kernel: PronyKernel, config: HeatBathStudy, seed: int) -> Correlation:
    """Velocity autocorrelation of walkers of the generalised Langevin equation."""
    last = round(config.upper / config.step)
    source = simulate_generalised(kernel, np.zeros(config.walkers), 2 * last, config.step, seed=seed)
    assert source.velocities is not None
    return autocorrelation(source, source.velocities, np.arange(last + 1))


def heat_bath(config: HeatBathStudy, run: Run) -> Result:
    """Memory kernel, friction, noise and effective equations of a particle among oscillators, against exact ones."""
    bath = ohmic_bath(config.modes, cutoff=config.cutoff)
    errors = np.empty((len(_METHODS), len(_STEPS)))
    for column, step in enumerate(_STEPS):
        kernels = run.stage(f"exact-{step:g}", exact_kernels, bath, 20.0, step)
        errors[:, column] = [np.abs(kernels[m].value - bath.kernel(kernels[m].time)).max() for m in _METHODS]
    data = run.stage("sampled", sampled, bath, config, run.seed)
    kernel = memory_kernel(data.correlations, "midpoint")
    fitted = run.stage("fit", fit_prony, kernel)
    model = run.stage("walkers", walked, fitted, config, run.seed)

    friction = kernel.integral(config.upper)
    exact_friction = float(bath.running_friction(kernel.upper[-1]))
    exact = exact_kernels(bath, config.upper, config.step)["simpson"]
    number = memory_number(kernel)
    exact_number = memory_number(exact)
    time = data.velocity.time
    fine = velocity_correlation(bath, time)
    effective = model_correlation(fitted, config.step, len(time))
    markov = np.exp(-friction.value / bath.mass * time) / bath.mass
    kept = _divergences(bath, fitted, friction.value)

    estimates: dict[str, Reported | Estimate] = {}
    usual = config.cutoff == 1
    for row, method in enumerate(_METHODS):
        slope = math.log2(errors[row, 1] / errors[row, 2])
        known = {"midpoint": 1.9e-4, "trapezoid": 4.9e-4, "simpson": 4.1e-5}[method] if usual else None
        estimates[f"kernel_error.{method}"] = Reported(
            Estimate.exact(errors[row, 0]), known, tolerance=None if known is None else 0.02 * known,
            source="largest error on [0, 20] at step 0.1, J = w exp(-w)" if usual else "",
        )  # fmt: skip
        estimates[f"order.{method}"] = Reported(
            Estimate.exact(slope), _ORDER[method], tolerance=0.1, source="order of the quadrature; steps 0.05, 0.025"
        )
    width = 2 * (friction.error or 0.0) / friction.value
    estimates |= {
        "friction": Reported(friction, exact_friction, source=f"sum k sin(w u) / w of the bath, u = {config.upper:g}"),
        "friction_width": Reported(
            Estimate.exact(width),
            0.0,
            tolerance=0.15,
            source="from minus to plus one standard error, over the friction",
        ),
        "kernel_rms_error": Estimate.exact(float(np.sqrt(np.mean((kernel.value - bath.kernel(kernel.time)) ** 2)))),
        "fluctuation_dissipation": Reported(data.noise.ratio, 1.0, source="<F_R F_R> = kT K, integrated over time"),
        "orthogonality": Reported(data.noise.orthogonality, 0.0, source="<v(0) F_R(t)> = 0, mean over time"),
        "memory_number": Reported(
            number, exact_number.value, source="int_0^u (G(u) - G(t)) dt / M of exact correlation functions"
        ),
        "mean_square_velocity": Reported(
            data.velocity.derived(lambda c: float(c[0])), 1 / bath.mass, source="equipartition, kT / M"
        ),
        "gle_friction": Estimate.exact(fitted.friction),
    }
    ledger = Ledger()
    lost = [float(np.abs(curve - fine).max()) for curve in (effective, markov)]
    for name, nats, apart in zip(("generalised Langevin", "Langevin"), kept, lost, strict=True):
        ledger.add(
            Loss(
                f"path divergence, {name}",
                None,
                None,
                Estimate.exact(nats),
                "nat/observation",
                "lost >= 0",
                f"stationary Gaussian velocities seen every {_INTERVAL:g}, given {_PAST - 1} observations before; the "
                "model as fitted",
                "a Kullback-Leibler divergence is not negative",
            )
        )
        ledger.add(
            Loss(
                f"velocity autocorrelation, {name}",
                None,
                None,
                Estimate.exact(apart),
                "kT/M",
                conditions=f"largest deviation from the exact one up to {config.upper:g}",
            )
        )
    text = _text(config, friction, exact_friction, kernel.judged(), data.plain, number, fitted, kept, lost)
    at = int(np.argmax(np.abs(model.value - effective) / model.error))
    estimates["walkers_deviation"] = Reported(
        Estimate(
            float(model.value[at] - effective[at]),
            float(model.error[at]),
            len(model.left_out),
            method="largest of all lags",
        ),
        0.0,
        source="exp(-drift t) of the same equation",
    )
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, text),
        _dataset(kernel, data, model, fine, effective, markov, errors, bath),
        {
            "kernel": _draw_kernel(kernel, data.plain, fitted, bath),
            "orders": _draw_orders(errors, data.noise),
            "velocities": _draw_velocities(data.velocity, model, fine, effective, markov),
        },
        cite=[
            "G. W. Ford, M. Kac and P. Mazur, Statistical mechanics of assemblies of coupled oscillators, J. Math. "
            "Phys. 6, 504 (1965).",
            "R. Zwanzig, Nonlinear generalized Langevin equations, J. Stat. Phys. 9, 215 (1973).",
            "P. Linz, Analytical and Numerical Methods for Volterra Equations, SIAM (1985).",
        ],
    )


def _divergences(bath: HeatBath, fitted: PronyKernel, friction: float) -> tuple[float, float]:
    """Nats an observation lost by the generalised and by the plain Langevin equation."""
    time = _INTERVAL * np.arange(_PAST)
    fine = velocity_correlation(bath, time)
    return (
        divergence_rate(fine, model_correlation(fitted, _INTERVAL, _PAST)),
        divergence_rate(fine, np.exp(-friction / bath.mass * time) / bath.mass),
    )


def _text(
    config: HeatBathStudy,
    friction: Estimate,
    exact: float,
    judged: RunningIntegral,
    plain: RunningIntegral,
    number: Estimate,
    fitted: PronyKernel,
    kept: tuple[float, float],
    lost: list[float],
) -> str:
    found = judged.plateau
    plateau = (
        f"The running friction has a plateau from {found.start:.3g} to {found.end:.3g} at {found.height}"
        if isinstance(found, Plateau)
        else f"The running friction has no plateau ({found.reason})"
    )
    wrong = (
        f"The integral of the plain force, without projection: {plain.warning}."
        if plain.warning
        else "The integral of the plain force does not fall back within the time looked at."
    )
    memory = (
        "no Langevin equation without memory"
        if number.value - 2 * (number.error or 0) > 0.1
        else "a Langevin equation without memory may do"
        if number.value + 2 * (number.error or 0) <= 0.1
        else "whether one without memory does is open"
    )
    return (
        f"From {config.trajectories} trajectories the friction up to {config.upper:g} is {friction}, exactly "
        f"{exact:.4f}. {plateau}. {wrong}\n\nMemory number {number}: {memory}. A kernel of {len(fitted.rate)} terms "
        f"keeps the velocity autocorrelation within {lost[0]:.2g} kT/M and loses "
        f"{kept[0]:.2g} nats an observation; the plain Langevin equation with the same friction is off by "
        f"{lost[1]:.2g} kT/M and loses {kept[1]:.2g}.\n\nLimits: error bars are statistical, a "
        "jackknife over 32 blocks of trajectories through the inversion; the error of the quadrature at step "
        f"{config.step:g} comes on top, and the friction beyond {config.upper:g} is not in it (the kernel of this "
        "bath decays as the inverse square of time). The divergence is that of the fitted models, seen at intervals "
        f"of {_INTERVAL:g}: at shorter ones more is lost. Kernel and noise assume a force linear in the past "
        "velocities, which a bath of oscillators obeys exactly."
    )


def _dataset(
    kernel: MemoryKernel,
    data: Sampled,
    model: Correlation,
    fine: Array,
    effective: Array,
    markov: Array,
    errors: Array,
    bath: HeatBath,
) -> xarray.Dataset:
    noise = data.noise

    def table(dims: object, values: Array | None, units: str) -> tuple[object, Array | None, dict[str, str]]:
        return dims, values, {"units": units}

    return xarray.Dataset(
        {
            "kernel": table("kernel_time", kernel.value, "M/tau^2"),
            "kernel_error": table("kernel_time", kernel.error, "M/tau^2"),
            "kernel_exact": table("kernel_time", bath.kernel(kernel.time), "M/tau^2"),
            "running_friction": table("upper", kernel.running, "M/tau"),
            "running_friction_error": table("upper", kernel.running_error, "M/tau"),
            "running_friction_exact": table("upper", bath.running_friction(kernel.upper), "M/tau"),
            "plain_integral": table("upper", data.plain.value, "M/tau"),
            "plain_integral_error": table("upper", data.plain.error, "M/tau"),
            "noise": table("noise_time", noise.noise, "M kT/tau^2"),
            "noise_error": table("noise_time", noise.error, "M kT/tau^2"),
            "noise_expected": table("noise_time", noise.expected, "M kT/tau^2"),
            "velocity": table("time", data.velocity.value, "kT/M"),
            "velocity_error": table("time", data.velocity.error, "kT/M"),
            "velocity_exact": table("time", fine, "kT/M"),
            "velocity_walkers": table("time", model.value, "kT/M"),
            "velocity_walkers_error": table("time", model.error, "kT/M"),
            "velocity_model": table("time", effective, "kT/M"),
            "velocity_langevin": table("time", markov, "kT/M"),
            "inversion_error": table(("method", "step"), errors, "M/tau^2"),
        },
        {
            "kernel_time": table("kernel_time", kernel.time, "tau"),
            "upper": table("upper", kernel.upper, "tau"),
            "noise_time": table("noise_time", noise.time, "tau"),
            "time": table("time", data.velocity.time, "tau"),
            "step": table("step", np.array(_STEPS), "tau"),
            "method": list(_METHODS),
        },
    )


def _draw_kernel(kernel: MemoryKernel, plain: RunningIntegral, fitted: PronyKernel, bath: HeatBath) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    early = kernel.time <= 6
    plotting.band(
        left, kernel.time[early], kernel.value[early], None if kernel.error is None else kernel.error[early], sigmas=2,
        color=plotting.BLUE, label="from trajectories",
    )  # fmt: skip
    left.plot(
        kernel.time[early],
        fitted.kernel(kernel.time[early]),
        color=plotting.VERMILION,
        label=f"{len(fitted.rate)} terms",
    )
    left.plot(kernel.time[early], bath.kernel(kernel.time[early]), "--", color=plotting.BLACK, label="exact")
    left.set(xlabel=plotting.label("time t", "M/η"), ylabel=plotting.label("memory kernel K(t)", "η²/M"))
    left.legend()
    plotting.band(
        right,
        kernel.upper,
        kernel.running,
        kernel.running_error,
        sigmas=2,
        color=plotting.BLUE,
        label="∫K, from trajectories",
    )
    right.plot(kernel.upper, bath.running_friction(kernel.upper), "--", color=plotting.BLACK, label="∫K, exact")
    plotting.band(
        right, plain.time, plain.value, plain.error, sigmas=2, color=plotting.ORANGE, label="∫⟨FF⟩/kT, not projected"
    )
    right.set(xlabel=plotting.label("time u", "M/η"), ylabel=plotting.label("running friction", "η"))
    right.legend(loc="center right")
    return Picture(
        drawing,
        "Left: the memory kernel from trajectories, its fit by a few terms, and the exact one. Right: its running "
        "integral, the friction, with its band; the integral of the plain force (orange) rises and decays to zero, "
        "because the particle moves: it never is the friction. Bands: two standard errors.",
    )


def _draw_orders(errors: Array, noise: NoiseCheck) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    steps = np.array(_STEPS)
    for colour, row, method in zip(plotting.COLOURS, errors, _METHODS, strict=False):
        left.loglog(steps, row, "o-", color=colour, label=f"{method}, order {math.log2(row[1] / row[2]):.2f}")
    left.set(xlabel=plotting.label("step", "M/η"), ylabel=plotting.label("largest error of K on [0, 20]", "η²/M"))
    left.set_xticks(steps, [f"{step:g}" for step in steps])
    left.minorticks_off()
    left.legend()
    plotting.band(
        right, noise.time, noise.noise, noise.error, sigmas=2, color=plotting.BLUE, label="⟨F$_R$(s) F$_R$(s+t)⟩"
    )
    right.plot(noise.time, noise.expected, "--", color=plotting.BLACK, label="kT K(t)")
    right.set(xlabel=plotting.label("time t", "M/η"), ylabel=plotting.label("noise correlation", "kTη²/M"))
    right.legend()
    return Picture(
        drawing,
        "Left: error of the three inversions of the exact correlation functions against the step, with the order "
        "seen between the two smallest. Right: the correlation of the projected force of the trajectories, at s > "
        "0, lies on kT times the kernel: the fluctuation-dissipation relation. Band: two standard errors.",
    )


def _draw_velocities(data: Correlation, model: Correlation, fine: Array, effective: Array, markov: Array) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    near = data.time <= 12
    time = data.time[near]
    left.plot(time, fine[near], color=plotting.BLACK, label="fine, exact")
    plotting.band(
        left, time, model.value[near], model.error[near], sigmas=2, color=plotting.BLUE, linestyle="--",
        label="generalised Langevin",
    )  # fmt: skip
    left.plot(time, markov[near], color=plotting.VERMILION, label="Langevin")
    left.set(xlabel=plotting.label("time t", "M/η"), ylabel=plotting.label("velocity autocorrelation", "kT/M"))
    left.legend()
    plotting.band(
        right,
        time,
        data.value[near] - fine[near],
        data.error[near],
        sigmas=2,
        color=plotting.GREEN,
        label="sampled data",
    )
    plotting.band(
        right, time, model.value[near] - fine[near], model.error[near], sigmas=2, color=plotting.BLUE,
        label="generalised Langevin, walkers",
    )  # fmt: skip
    right.plot(time, effective[near] - fine[near], "--", color=plotting.BLACK, label="the same, exact")
    right.set(xlabel=plotting.label("time t", "M/η"), ylabel=plotting.label("difference from fine", "kT/M"))
    right.legend()
    return Picture(
        drawing,
        "Left: velocity autocorrelation of the particle, of the generalised Langevin equation with the fitted "
        "kernel, and of the Langevin equation with the same friction and no memory, which is wrong throughout. "
        "Right: what the first two differ by from the exact function. Bands: two standard errors.",
    )
