"""Flows in closed form, their fixed points and exponents: from the chain to functional renormalization."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.estimates import Estimate
from kadanoff.lattices.closed_maps import (
    decimation,
    decimation_in_field,
    decimation_losses,
    migdal_kadanoff,
    migdal_kadanoff_equation,
    niemeijer_van_leeuwen,
    second_cumulant,
)
from kadanoff.lattices.flows import FixedPoint, FixedPoints, critical_point, fixed_points, grid, trajectory
from kadanoff.lattices.functional_rg import PotentialFixedPoint, local_potential_flow, truncation_ladder
from kadanoff.lattices.momentum_space import EpsilonSeries, epsilon_flow, epsilon_series, largest_epsilon
from kadanoff.lattices.studies import fixed_points_pictures as pictures
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Reported, Result, Run, judge

__all__ = ["FixedPointsStudy", "fixed_points_study"]

Array = NDArray[np.float64]
MONTE_CARLO = Estimate(0.629912, 0.000086, None, "", "Ferrenberg, Xu and Landau (2018)")  # nu of the 3-D Ising model
LADDER = {4: (0.65057, 1e-5), 6: (0.64985, 1e-5), 8: (0.64948, 1e-5), 10: (0.649576, 1e-6), 12: (0.649560, 1e-6)}
_ONE_LINE = [[0.05], [0.3], [1.0], [2.5]]


class FixedPointsStudy(BaseModel):
    """Settings of lattices.fixed-points."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    truncation: int = Field(14, ge=6, le=20, description="Highest power of rho - rho0 in the local potential.")
    chain_coupling: float = Field(1.5, gt=0, le=5, description="K = J/kT from which the Ising chain is decimated.")
    chain_steps: int = Field(6, ge=1, le=20, description="Decimations of the chain by b = 2.")


@dataclass(frozen=True, eq=False)
class Found:
    """All that was computed."""

    config: FixedPointsStudy
    chain: FixedPoints
    zero_temperature: FixedPoint
    chain_entropies: Array
    migdal_kadanoff: FixedPoint
    decimated_first: FixedPoint
    small_steps: FixedPoint
    niemeijer_van_leeuwen: FixedPoint
    second: FixedPoint
    second_critical: float
    series: EpsilonSeries
    literal: int
    ladder: tuple[PotentialFixedPoint, ...]
    many: PotentialFixedPoint
    other: dict[int, PotentialFixedPoint]
    portrait: Portrait


@dataclass(frozen=True, eq=False)
class Portrait:
    """Trajectories of the local potential (n = 6) from either side of the critical surface: ``critical`` (rho0, a_2),
    where lines a_2 = const, a_3 = ... = 0 cross it; ``paths`` (m, 6) each; ``point``, where they part."""

    critical: Array
    paths: list[Array]
    point: FixedPoint


def potential_ladder(truncation: int, components: float, elsewhere: bool) -> tuple[PotentialFixedPoint, ...]:
    """The rungs of the study: every second n from 4 on, and the last."""
    return truncation_ladder(sorted({*range(4, truncation + 1, 2), truncation}), 3.0, components, elsewhere=elsewhere)


def portrait() -> Portrait:
    """Where the line through bare phi^4 potentials crosses the critical surface, and the flow from next to it."""
    flow = local_potential_flow(6)
    (rung,) = truncation_ladder((6,))
    critical, paths = [], []

    def phase(couplings: Array) -> int:
        return -1 if couplings[0] < 0.5 else 1 if couplings[0] > 4 else 0

    for quartic in (0.03, 0.09):
        tail = [quartic, 0.0, 0.0, 0.0, 0.0]
        start = critical_point(flow, [0.7, *tail], [3.0, *tail], phase=phase, length=0.5, tolerance=1e-7)
        critical.append(start[:2])
        for away in (-0.05, -0.002, -2e-5, 2e-5, 0.002, 0.05):
            begin = start.copy()
            begin[0] += away
            path = trajectory(flow, begin, 120, length=0.1)
            outside = np.flatnonzero((path[:, 0] < 0.5) | (path[:, 0] > 4))
            paths.append(path[: outside[0] + 1] if len(outside) else path)
    return Portrait(np.array(critical), paths, rung.point)


def fixed_points_study(config: FixedPointsStudy, run: Run) -> Result:
    """Fixed points and exponents of every flow in closed form, each held against its published digits."""
    found = _find(config, run)
    estimates, ledger = _estimates(found), _ledger(found)
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, _in_words(found)),
        _data(found),
        pictures.of(found),
        cite=CITE,
    )


def _find(config: FixedPointsStudy, run: Run) -> Found:
    series = epsilon_series()
    literal = fixed_points(epsilon_flow(1.0), [[0.0, u] for u in (0.1, 0.2, 0.3, 0.5, 0.8, 1.5)])
    n = config.truncation
    return Found(
        config,
        fixed_points(decimation(2), [[k] for k in (0.0, 0.1, 0.5, 1.0, 3.0, 10.0, 40.0)]),
        fixed_points(decimation_in_field(2), grid([0.05, 0.3], [0.0, 0.3])).only(2),
        decimation_losses(config.chain_coupling, 2, config.chain_steps),
        fixed_points(migdal_kadanoff(), _ONE_LINE).only(1),
        fixed_points(migdal_kadanoff(first="decimation"), _ONE_LINE).only(1),
        fixed_points(migdal_kadanoff_equation(), _ONE_LINE).only(1),
        fixed_points(niemeijer_van_leeuwen(), grid([0.2, 0.35, 0.6], [0.0, 0.1])).only(2),
        fixed_points(second_cumulant(), grid([0.2, 0.28, 0.35], [-0.02, 0.0], [-0.02, 0.0])).only(1),
        float(critical_point(second_cumulant(), [0.1, 0.0, 0.0], [1.0, 0.0, 0.0])[0]),
        series,
        sum(bool(np.any(point.couplings != 0)) for point in literal.found),
        run.stage("ladder", potential_ladder, n, 1.0, True),
        run.stage("many", potential_ladder, n, math.inf, False)[-1],
        {k: run.stage(f"components-{k}", potential_ladder, n, float(k), False)[-1] for k in (2, 3, 4)},
        run.stage("portrait", portrait),
    )


def _estimates(found: Found) -> dict[str, Reported | Estimate]:
    estimates: dict[str, Reported | Estimate] = {}

    def exact(
        name: str, value: float, reference: float | None = None, tolerance: float = 1e-6, source: str = ""
    ) -> None:
        number = Estimate.exact(float(value))
        estimates[name] = number if reference is None else Reported(number, reference, None, tolerance, source)

    finite = sum(bool(point.couplings[0] > 1e-6) for point in found.chain.found)
    exact("decimation.finite_fixed_points", finite, 0, 0, "the chain has no transition (Ising, 1925)")
    both = found.zero_temperature.exponents.real
    exact("decimation.y_t", both[0], 1.0, source="in e^{-2K} at zero temperature (Nelson and Fisher, 1975)")
    exact("decimation.y_h", both[1], 1.0, source="at zero temperature (Nelson and Fisher, 1975)")
    mk, nvl = found.migdal_kadanoff, found.niemeijer_van_leeuwen
    exact("migdal_kadanoff.K", mk.couplings[0], 0.3046889, source="b = 2, d = 2, bonds moved first; root to 7 digits")
    exact("migdal_kadanoff.y_t", mk.exponent(), 0.747236, source="the same, to 6 digits")
    exact("migdal_kadanoff.nu", mk.nu, 1.338266, source="the same; 1.338 in Meurice (2013)")
    exact(
        "migdal_kadanoff.decimated_first.K", found.decimated_first.couplings[0], 2 * mk.couplings[0], 1e-9,
        "half a step further on: b^{d-1} K*",
    )  # fmt: skip
    exact(
        "migdal_kadanoff.small_steps.K", found.small_steps.couplings[0], math.log1p(math.sqrt(2)) / 2, 1e-9,
        "b -> 1 is self-dual: K_c of the square lattice (Onsager, 1944)",
    )  # fmt: skip
    exact("migdal_kadanoff.small_steps.y_t", found.small_steps.exponent())
    paper = "first cumulant, triangular lattice (Niemeijer and van Leeuwen, 1973)"
    exact("niemeijer_van_leeuwen.K", nvl.couplings[0], 0.3356135, source=paper)
    y_h, y_t = nvl.exponents.real
    exact("niemeijer_van_leeuwen.y_t", y_t, 0.8822026, source=paper)
    exact("niemeijer_van_leeuwen.nu", 1 / y_t, 1.1335264, source=paper)
    exact("niemeijer_van_leeuwen.y_h", y_h, 1.3690702, source="ln(3 / sqrt 2) / ln(sqrt 3)")
    exact("second_cumulant.K1", found.second.couplings[0])
    exact("second_cumulant.y_t", found.second.exponent())
    exact("second_cumulant.K_c", found.second_critical)
    for order, reference in enumerate((0.5, 1 / 2 + 1 / 12, 1 / 2 + 1 / 12 + 7 / 162)):
        exact(
            f"epsilon.nu.order{order}", found.series.at("nu", 1.0, order), reference, 1e-9,
            "1/2 + eps/12 + 7 eps^2/162 at eps = 1 (Wilson and Fisher, 1972; second order 1972)",
        )  # fmt: skip
    exact("epsilon.eta.order2", found.series.at("eta", 1.0, 2), 1 / 54, 1e-9, "eps^2/54")
    exact("epsilon.literal_fixed_points", found.literal, 0, 0, "eps = 1 lies beyond 27/68, where the roots are complex")
    best = found.ladder[-1]
    litim = "Litim (2002), optimised regulator, d = 3"
    sharp = 1e-6 if best.n >= 14 else 1e-3  # a shorter ladder is not converged
    exact("lpa.nu", best.nu, 0.649562, sharp, litim)
    exact("lpa.omega", best.omega, 0.65575 if best.n < 14 else 0.655746, 1e-2 if best.n < 14 else 1e-6, litim)
    exact("lpa.rho0", best.rho0, 1.814898, sharp, "root of the truncation n = 14 to 7 digits")
    for rung in found.ladder:
        if rung.n in LADDER:
            reference, digit = LADDER[rung.n]
            exact(f"lpa.nu.n{rung.n}", rung.nu, reference, digit / 2, f"truncation n = {rung.n}, all digits given")
    for k, reference in ((2, 0.708211), (3, 0.761123), (4, 0.804348)):
        exact(f"lpa.nu.N{k}", found.other[k].nu, reference, 3e-6 if best.n >= 14 else 3e-3, f"{litim}, N = {k}")
    exact("lpa.nu.N_infinite", found.many.nu, 1.0, 1e-9, "N = infinity is solved exactly: 1 / (d - 2)")
    return estimates


def _ledger(found: Found) -> Ledger:
    ledger = Ledger()
    for step, (before, after) in enumerate(zip(found.chain_entropies, found.chain_entropies[1:], strict=False)):
        fine, coarse = Estimate.exact(before, "nat"), Estimate.exact(after, "nat")
        ledger.add(
            Loss(
                f"chain entropy per original spin, decimation {step + 1}",
                fine,
                coarse,
                fine.minus(coarse),
                theorem="coarse <= fine",
                conditions="every second spin is kept",
                theorem_text="no step brings information back (data processing)",
            )
        )
    rungs = [(f"order {k} of eps", found.series.at("nu", 1.0, k)) for k in range(3)]
    for name, value in [*rungs, (f"local potential, n = {found.ladder[-1].n}", found.ladder[-1].nu)]:
        coarse = Estimate.exact(value)
        ledger.add(Loss(f"nu of the 3-D Ising model, {name}", MONTE_CARLO, coarse, MONTE_CARLO.minus(coarse)))
    return ledger


def _in_words(found: Found) -> str:
    best, mk = found.ladder[-1], found.migdal_kadanoff
    finite = sum(bool(point.couplings[0] > 1e-6) for point in found.chain.found)
    spurious = sum(rung.spurious for rung in found.ladder)
    entropies = found.chain_entropies
    y_h, y_t = found.niemeijer_van_leeuwen.exponents.real
    return (
        f"The chain has {finite or 'no'} fixed point at a finite coupling; decimated {len(entropies) - 1} times from "
        f"K = {found.config.chain_coupling:g} it keeps {entropies[-1]:.4f} of {entropies[0]:.4f} nats per original "
        f"spin. In two dimensions (exact: y_t = 1) Migdal-Kadanoff with b = 2 gives y_t = {mk.exponent():.4f} and the "
        f"first cumulant on triangles {y_t:.4f} (y_h = {y_h:.4f}, exact: 1.875), the second "
        f"{found.second.exponent():.4f}: none knows its own error. In three dimensions nu climbs from "
        f"{found.series.at('nu', 1.0, 0):g} (mean field) over {found.series.at('nu', 1.0, 1):.4f} and "
        f"{found.series.at('nu', 1.0, 2):.4f} (orders 1 and 2 of eps) to "
        f"{best.nu:.6f} (local potential, eta = 0); simulation has {MONTE_CARLO}.\n\n"
        f"Roots of truncated flows are not all real ones: the search met {spurious} spurious ones beside the "
        f"{len(found.ladder)} rungs of the local potential (not one relevant direction, or far from the rung before), "
        f"and the second-order flow of the eps expansion has {found.literal or 'no'} interacting fixed point at eps = "
        f"1 at all (only below eps = {largest_epsilon():.3f}): its numbers are terms of an asymptotic series.\n\n"
        "Limits. Every number is the exact answer of its own approximation, to the digits of the root search, and "
        "carries no error bar: none of these schemes can tell how far it is from the lattice. The rungs of the ladder "
        "to 3-D are not a convergent series."
    )


def _data(found: Found) -> xarray.Dataset:
    pure = {"units": "1"}
    k = np.linspace(0.0, 2.0, 201)
    ladder = found.ladder
    longest = max(len(path) for path in found.portrait.paths)
    variables: dict[str, object] = {
        "chain_map": ("K", [decimation(2)([x])[0] for x in k], pure),
        "migdal_kadanoff_map": ("K", [migdal_kadanoff()([x])[0] for x in k], pure),
        "chain_entropy": ("step", found.chain_entropies, {"units": "nat", "long_name": "per original spin"}),
        "lpa_nu": ("n", [rung.nu for rung in ladder], pure),
        "lpa_omega": ("n", [rung.omega for rung in ladder], pure),
        "lpa_rho0": ("n", [rung.rho0 for rung in ladder], pure),
        "lpa_spurious": ("n", [rung.spurious for rung in ladder], pure),
        "path_length": ("path", [len(path) for path in found.portrait.paths], {"units": "1", "long_name": "points"}),
    }
    for column, name in enumerate(("rho0", "a2")):
        padded = [np.pad(path[:, column], (0, longest - len(path)), mode="edge") for path in found.portrait.paths]
        variables[f"path_{name}"] = (("path", "point"), np.array(padded), pure)
    return xarray.Dataset(
        variables,
        {
            "K": ("K", k, {"units": "1", "long_name": "K = J/kT"}),
            "n": ("n", [rung.n for rung in ladder], {"units": "1", "long_name": "highest power kept"}),
            "step": ("step", np.arange(len(found.chain_entropies)), pure),
        },
    )


CITE = [
    "L. P. Kadanoff, Notes on Migdal's recursion formulas, Annals of Physics 100, 359 (1976).",
    "A. A. Migdal, Phase transitions in gauge and spin-lattice systems, JETP 42, 743 (1975).",
    "Th. Niemeijer and J. M. J. van Leeuwen, Wilson theory for spin systems on a triangular lattice, "
    "Physical Review Letters 31, 1411 (1973).",
    "D. R. Nelson and M. E. Fisher, Soluble renormalization groups and scaling fields for low-dimensional Ising "
    "systems, Annals of Physics 91, 226 (1975).",
    "K. G. Wilson and M. E. Fisher, Critical exponents in 3.99 dimensions, Physical Review Letters 28, 240 (1972).",
    "D. F. Litim, Critical exponents from optimised renormalisation group flows, Nuclear Physics B 631, 128 (2002).",
    "A. M. Ferrenberg, J. Xu and D. P. Landau, Pushing the limits of Monte Carlo simulations for the three-dimensional "
    "Ising model, Physical Review E 97, 043301 (2018).",
]
