"""A coupling fitted at one temperature and used at others: where its transition goes, exactly and from samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from kadanoff import plotting
from kadanoff.estimates import Estimate, means
from kadanoff.lattices import decorated
from kadanoff.lattices.decorated import CRITICAL_TEMPERATURE
from kadanoff.lattices.kaufman import CRITICAL_COUPLING, infinite_entropy, infinite_magnetisation
from kadanoff.lattices.lattice import lieb
from kadanoff.lattices.sampling import sample
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["TransferredCoupling", "transferred_coupling"]

Array = NDArray[np.float64]
_PIECE = 1 << 25  # spins in memory at once
_CORRELATION = math.sqrt(0.5)  # <s s'> of the square lattice at K_c (Onsager, 1944)


class TransferredCoupling(BaseModel):
    """Settings of lattices.transferred-coupling."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    temperatures: list[float] = Field([0.5, 1.0, 1.5, 2.0], min_length=1, description="Where J_eff is fitted, in J/k.")
    size: int = Field(64, ge=8, le=1024, description="Sites along an edge of the sampled torus.")
    samples: int = Field(6000, ge=1000, description="Configurations of each fit, an autocorrelation time apart.")
    curve_samples: int = Field(500, ge=100, description="Configurations of each point of the magnetisation curve.")

    @field_validator("temperatures")
    @classmethod
    def _have_excited_spins(cls, temperatures: list[float]) -> list[float]:
        if not all(0.4 <= t <= 5 for t in temperatures):
            raise ValueError(f"fits are for 0.4 to 5 J/k (colder, hardly a spin is ever turned), not {temperatures}")
        if len(set(temperatures)) < len(temperatures):
            raise ValueError(f"a temperature stands twice in {temperatures}")
        return sorted(temperatures)


@dataclass(frozen=True, eq=False)
class Fit:
    """J_eff in J at one temperature from samples: by pseudo-likelihood, and by the exact energy inverted."""

    temperature: float
    pseudo_likelihood: Estimate
    energy: Estimate


@dataclass(frozen=True, eq=False)
class Sampled:
    """|m| of the sites and of the decorating spins against temperature, with errors, (n,) each."""

    temperature: Array
    sites: Array
    sites_error: Array
    decorations: Array
    decorations_error: Array


def drawn(temperature: float, size: int, samples: int, seed: int) -> Iterator[NDArray[np.int8]]:
    """Configurations (n, size, size, 3) of the decorated lattice itself, sites first, in pieces that fit into
    memory."""
    share = max(500, _PIECE // lieb(size).sites)
    for number, start in enumerate(range(0, samples, share)):
        one = sample(
            lieb(size), 1 / temperature, samples=min(share, samples - start), seed=seed + number,
            algorithm="swendsen-wang",
        )  # fmt: skip
        yield one.configurations


def fit(temperature: float, size: int, samples: int, seed: int) -> Fit:
    """J_eff from samples of the decorated lattice, its sites alone."""
    table = np.concatenate([decorated.neighbour_counts(c[..., 0]) for c in drawn(temperature, size, samples, seed)])
    return Fit(
        temperature,
        decorated.coupling_by_pseudo_likelihood(table).scaled(temperature, "J"),
        decorated.coupling_by_energy(table, (size, size)).scaled(temperature, "J"),
    )


def magnetisation(temperatures: Array, size: int, samples: int, seed: int) -> Sampled:
    """|m| of the sites and of the decorating spins."""
    rows = []
    for number, temperature in enumerate(temperatures):
        pieces = drawn(temperature, size, samples, seed + 1000 * number)
        found = [np.abs([c[..., 0].mean(axis=(1, 2)), c[..., 1:].mean(axis=(1, 2, 3))]) for c in pieces]
        average = means(np.concatenate(found, axis=1).T)
        rows.append((average.value[0], average.error[0], average.value[1], average.error[1]))
    table = np.array(rows)
    return Sampled(temperatures, table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def transferred_coupling(config: TransferredCoupling, run: Run) -> Result:
    """A decorated lattice, its exact effective coupling, and that coupling frozen: the phase transition it misses."""
    fits = [  # each from random numbers of its own: their errors are independent
        run.stage(f"fit-{t:g}", fit, t, config.size, config.samples, run.seed + 1000 * number)
        for number, t in enumerate([*config.temperatures, CRITICAL_TEMPERATURE], start=1)
    ]
    points = np.array([0.7, 0.8, 0.9, 1.05, 1.15, 1.22, 1.28, 1.34, 1.42, 1.55, 1.8])
    sampled = run.stage("magnetisation", magnetisation, points, config.size, config.curve_samples, run.seed + 1_000_000)
    estimates = _estimates(config, fits, sampled)
    ledger = _ledger(config)
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, _in_words(config, fits)),
        _data(sampled),
        {"transfer": _draw_transfer(fits), "magnetisation": _draw_magnetisation(config, sampled)},
        cite=[
            "I. Syozi, Statistics of kagome lattice, Progress of Theoretical Physics 6, 306 (1951).",
            "M. E. Fisher, Transformations of Ising models, Physical Review 113, 969 (1959).",
            "L. Onsager, Crystal statistics I, Physical Review 65, 117 (1944).",
            "J. Besag, Statistical analysis of non-lattice data, The Statistician 24, 179 (1975).",
        ],
    )


def magnetisation_of(couplings: ArrayLike) -> Array:
    """Spontaneous magnetisation of infinite square lattices of these couplings, (n,)."""
    return np.array([infinite_magnetisation(float(k)) for k in np.atleast_1d(couplings)])


def predicted(temperature: float) -> float:
    """T_c in J/k of the model whose J_eff was frozen at ``temperature``; exact."""
    return decorated.critical_temperature_of(float(decorated.effective_energy(temperature)))


def _name(temperature: float) -> str:
    return f"T{temperature:g}" if temperature != CRITICAL_TEMPERATURE else "Tc"


def _estimates(config: TransferredCoupling, fits: list[Fit], sampled: Sampled) -> dict[str, Reported | Estimate]:
    known = {0.5: 1.8762, 1.0: 1.5033, 1.5: 1.2039, 2.0: 0.9843}
    estimates: dict[str, Reported | Estimate] = {
        "critical_coupling": Reported(
            Estimate.exact(1 / CRITICAL_TEMPERATURE), 0.764285, tolerance=1e-6, source="arccosh(1 + sqrt 2) / 2"
        ),
        "critical_temperature": Reported(
            Estimate.exact(CRITICAL_TEMPERATURE, "J/k"), 1.308412, tolerance=1e-6, source="2 / arccosh(1 + sqrt 2)"
        ),
    }
    for temperature in config.temperatures:
        value = Estimate.exact(predicted(temperature), "J/k")
        estimates[f"predicted.{_name(temperature)}"] = (
            Reported(
                value, known[temperature], tolerance=5e-5, source="2.269185 T_ref ln cosh(2J/T_ref) / 2, four digits"
            )
            if temperature in known
            else value
        )
    estimates["predicted.Tc"] = Reported(
        Estimate.exact(predicted(CRITICAL_TEMPERATURE), "J/k"),
        CRITICAL_TEMPERATURE,
        source="where it was fitted at T_c, the model has the right T_c, exactly",
    )
    for one in fits:
        name = _name(one.temperature)
        for kind, number in (("fitted", one.pseudo_likelihood), ("fitted_by_energy", one.energy)):
            estimates[f"{kind}.{name}"] = Reported(
                number.scaled(1 / CRITICAL_COUPLING, "J/k"),
                predicted(one.temperature),
                source="from the exact J_eff(T_ref)",
            )
    for index, temperature in enumerate(sampled.temperature):
        if temperature < 0.95 * CRITICAL_TEMPERATURE:
            estimates[f"magnetisation.T{temperature:g}"] = Reported(
                Estimate(
                    float(sampled.sites[index]), float(sampled.sites_error[index]), None, "", "blocked autocorrelation"
                ),
                float(magnetisation_of(decorated.decorated_coupling(1 / temperature))[0]),
                source="(1 - sinh(2K')^-4)^(1/8) of the infinite lattice (Yang, 1952), K' = ln cosh(2K) / 2",
            )
    return estimates


def _ledger(config: TransferredCoupling) -> Ledger:
    fine_t = Estimate.exact(CRITICAL_TEMPERATURE, "J/k")
    ledger = Ledger()
    for temperature in config.temperatures:
        value = predicted(temperature)
        ledger.add(
            Loss(
                f"critical temperature, frozen at T = {temperature:g}",
                fine_t,
                Estimate.exact(value, "J/k"),
                Estimate.exact(CRITICAL_TEMPERATURE - value, "J/k"),
            )
        )
    ledger.add(
        Loss(
            "critical temperature, J_eff(T) followed",
            fine_t,
            Estimate.exact(_followed(), "J/k"),
            Estimate.exact(CRITICAL_TEMPERATURE - _followed(), "J/k"),
            theorem="coarse == fine",
            conditions="the decorating spins are summed over exactly, at each temperature anew",
            theorem_text="a potential of mean force that follows the temperature keeps the partition function, and T_c",
        )
    )
    coupling = 1 / CRITICAL_TEMPERATURE
    hidden = 2 * decorated.decorated_bond_entropy(coupling, _CORRELATION)
    sites = infinite_entropy(CRITICAL_COUPLING)
    ledger.add(
        Loss(
            "entropy per site at T_c",
            Estimate.exact(sites + hidden, "nat"),
            Estimate.exact(sites, "nat"),
            Estimate.exact(hidden, "nat"),
            theorem="coarse <= fine",
            conditions="the sites are some of the spins",
            theorem_text="the sites hold no more than all the spins; the rest is H(decorating spins | sites)",
        )
    )
    fine = -float(np.tanh(2 * coupling) * (1 + _CORRELATION))
    coarse = -float(decorated.effective_energy(CRITICAL_TEMPERATURE) * _CORRELATION)
    return ledger.add(
        Loss(
            "energy per bond at T_c",
            Estimate.exact(fine, "J"),
            Estimate.exact(coarse, "J"),
            Estimate.exact(fine - coarse, "J"),
        )
    )


def _followed() -> float:
    """T_c in J/k of the model whose coupling is J_eff(T) at each T: the T with T = T_c[J_eff(T)], by bisection."""
    low, high = 0.1, 10.0
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if predicted(middle) > middle else (low, middle)
    return (low + high) / 2


def _in_words(config: TransferredCoupling, fits: list[Fit]) -> str:
    errors = {t: 100 * (predicted(t) / CRITICAL_TEMPERATURE - 1) for t in config.temperatures}
    frozen = ", ".join(f"{predicted(t):.4f} (fitted at {t:g}, {errors[t]:+.0f} %)" for t in config.temperatures)
    worst = max(
        abs(one.pseudo_likelihood.value - float(decorated.effective_energy(one.temperature)))
        / (one.pseudo_likelihood.error or 1.0)
        for one in fits
    )
    return (
        f"The decorated lattice orders at T_c = {CRITICAL_TEMPERATURE:.6f} J/k. Its sites alone are a square lattice "
        "with J_eff(T) = T/2 ln cosh(2J/T), exactly. With J_eff frozen at the one temperature where it was fitted the "
        f"transition comes at {frozen} J/k. A fit below T_c puts it too high, one above too low; at T_c itself it is "
        "right. Nothing is wrong with the form of the model nor with the fit: J_eff is a free energy, with the "
        f"entropy of the decorating spins in it. Let it follow the temperature, and T_c is {_followed():.6f} again. "
        f"The couplings fitted to samples of the decorated lattice lie within {worst:.1f} standard errors of the exact "
        "ones (pseudo-likelihood).\n\n"
        "Limits. Nearest-neighbour J_eff is exact here because a decorating spin touches two sites alone; elsewhere "
        f"summing over spins makes further couplings, too. The samples are of a {config.size} x {config.size} torus: "
        "fits of a coupling have no finite-size error, the magnetisation has, and is compared 5 % and more below T_c "
        "only."
    )


def _data(sampled: Sampled) -> xarray.Dataset:
    grid = np.linspace(0.05, 2.5, 246)
    pure, kelvin = {"units": "1"}, {"units": "J/k"}
    return xarray.Dataset(
        {
            "effective_energy": ("temperature", decorated.effective_energy(grid), {"units": "J"}),
            "predicted_critical_temperature": ("temperature", [predicted(t) for t in grid], kelvin),
            "magnetisation_exact": (
                "temperature",
                magnetisation_of(decorated.decorated_coupling(1 / grid)),
                {"units": "1", "long_name": "sites, infinite lattice"},
            ),
            "magnetisation_sites": ("sampled", sampled.sites, pure),
            "magnetisation_sites_error": ("sampled", sampled.sites_error, pure),
            "magnetisation_decorations": ("sampled", sampled.decorations, pure),
            "magnetisation_decorations_error": ("sampled", sampled.decorations_error, pure),
        },
        {"temperature": ("temperature", grid, kelvin), "sampled": ("sampled", sampled.temperature, kelvin)},
    )


def _draw_transfer(fits: list[Fit]) -> Picture:
    drawing, (left, right) = plotting.figure(2, width=8.6, height=3.6)
    grid = np.linspace(0.2, 2.4, 221)
    t = np.array([one.temperature for one in fits])
    energies = np.array([(one.pseudo_likelihood.value, one.pseudo_likelihood.error or 0.0) for one in fits])
    plotting.band(left, grid, decorated.effective_energy(grid), None, color=plotting.BLACK, label="exact")
    left.errorbar(
        t, energies[:, 0], 4 * energies[:, 1], fmt="o", color=plotting.BLUE, markersize=4, label="fitted, 4 errors"
    )
    left.plot(grid, grid * CRITICAL_COUPLING, "--", color=plotting.VERMILION, linewidth=1, label="critical line")
    left.set(xlabel=plotting.label("T", "J/k"), ylabel=plotting.label("$J_\\mathrm{eff}$", "J"), ylim=(0, 1.05))
    left.set_title("The effective coupling falls with T")
    plotting.band(right, grid, [predicted(x) for x in grid], None, color=plotting.BLACK, label="exact")
    right.errorbar(
        t, energies[:, 0] / CRITICAL_COUPLING, 4 * energies[:, 1] / CRITICAL_COUPLING, fmt="o", color=plotting.BLUE,
        markersize=4, label="fitted, 4 errors",
    )  # fmt: skip
    right.axhline(CRITICAL_TEMPERATURE, color=plotting.VERMILION, linewidth=1, linestyle="--", label="the true $T_c$")
    right.set(
        xlabel=plotting.label("fitted at $T_\\mathrm{ref}$", "J/k"), ylabel=plotting.label("predicted $T_c$", "J/k")
    )
    right.set_title("Frozen, it has another transition")
    for axis in (left, right):
        axis.axvline(CRITICAL_TEMPERATURE, color="#888888", linewidth=0.9, linestyle=":")
        axis.legend(loc="best")
    return Picture(
        drawing,
        "Left: the exact effective coupling of the sites against temperature, and fits to samples of the decorated "
        "lattice (bars of four standard errors). It meets the critical line of the square lattice at the true T_c "
        "(dotted). Right: the T_c of a model whose coupling was frozen at T_ref: right for a fit at T_c alone.",
    )


def _draw_magnetisation(config: TransferredCoupling, sampled: Sampled) -> Picture:
    drawing, (axis,) = plotting.figure(width=6.4, height=3.9)
    grid = np.unique(np.concatenate([np.linspace(0.2, 2.4, 441), CRITICAL_TEMPERATURE - np.geomspace(1e-9, 0.05, 60)]))
    fine = magnetisation_of(decorated.decorated_coupling(1 / grid))
    plotting.band(axis, grid, fine, None, color=plotting.BLACK, label="decorated lattice, exact", linewidth=2)
    axis.errorbar(
        sampled.temperature, sampled.sites, sampled.sites_error, fmt="o", color=plotting.BLACK, markersize=4,
        label=f"sampled, {config.size} x {config.size}",
    )  # fmt: skip
    for temperature, colour in zip(config.temperatures, plotting.COLOURS, strict=False):
        energy, end = float(decorated.effective_energy(temperature)), predicted(temperature)
        here = np.unique(np.concatenate([grid, end - np.geomspace(1e-9, 0.05, 60)]))
        axis.plot(here, magnetisation_of(energy / here), "--", color=colour, label=f"frozen at {temperature:g}")
        axis.plot([temperature], magnetisation_of(energy / temperature), "D", color=colour, markersize=5)
    axis.set(xlabel=plotting.label("T", "J/k"), ylabel=plotting.label("magnetisation of the sites"), ylim=(-0.03, 1.05))
    axis.set_title("Right where it was fitted, and nowhere else")
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Picture(
        drawing,
        "Magnetisation of the sites: exact (Yang's formula at K'(T)) and sampled, against models with the coupling "
        "frozen at one temperature (dashed; diamond: where it was fitted). Each frozen model agrees at its diamond and "
        "orders at a temperature of its own. Just above T_c the |m| of a finite sample does not vanish.",
    )
