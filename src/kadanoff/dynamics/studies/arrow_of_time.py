"""Where the arrow of time comes from: six systems run out and, where they can be reversed, back to the last bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from kadanoff.dynamics.area_maps import map_entropy
from kadanoff.dynamics.dsmc import BkwRelaxation
from kadanoff.dynamics.kac_ring import ColourCurve, colour_law
from kadanoff.dynamics.kinetic_entropy import DiskEntropy
from kadanoff.dynamics.reversibility import EntropySlope, entropy_loss, entropy_slope
from kadanoff.dynamics.studies import arrow_of_time_pictures as pictures
from kadanoff.dynamics.studies import arrow_of_time_systems as systems
from kadanoff.estimates import Estimate, mean
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Reported, Result, Run, Verdict, judge

__all__ = ["ArrowOfTime", "arrow_of_time"]

Array = NDArray[np.float64]


class ArrowOfTime(BaseModel):
    """Settings of dynamics.arrow-of-time."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rings: int = Field(100_000, ge=100, description="Kac rings averaged over.")
    ring_sites: int = Field(20, ge=12, le=100_000, description="Sites of each of them.")
    markers: float = Field(0.1, gt=0, lt=0.5, description="Probability of a marker between two sites.")
    large_ring: int = Field(1_000_000, ge=10_000, multiple_of=1000, description="Sites of the single Kac ring.")
    lattice: int = Field(
        1 << 20, ge=1 << 18, multiple_of=1024, description="Points along an edge of the lattice of the maps."
    )
    gas_particles: int = Field(200_000, ge=10_000, description="Particles of the ideal gas.")
    fluid_particles: int = Field(256, ge=64, description="Particles of the integer fluid.")
    fluid_steps: int = Field(100_000, ge=10_000, description="Steps of the integer fluid, out and back.")
    disks: int = Field(20_000, ge=4000, description="Hard disks that relax to equilibrium.")
    disk_collisions: float = Field(400.0, ge=20, description="Collisions per disk that the rate is counted over.")
    packings: list[float] = Field([0.01, 0.1], min_length=1, description="Packings at which collisions are counted.")
    molecules: int = Field(20_000, ge=1000, description="Maxwell molecules of each of 16 runs.")

    @field_validator("packings")
    @classmethod
    def _can_be_filled(cls, packings: list[float]) -> list[float]:
        if not all(0 < packing <= 0.45 for packing in packings):
            raise ValueError(f"packings of hard disks lie between 0 and 0.45 here (a fluid), not {packings}")
        return packings


@dataclass(frozen=True, eq=False)
class Found:
    """All that was measured."""

    config: ArrowOfTime
    journeys: list[systems.Journey]
    colours: ColourCurve
    recurred: tuple[int, int]
    baker: Array
    slopes: dict[str, EntropySlope]
    portraits: NDArray[np.int64]
    portrait_steps: tuple[int, ...]
    modes: list[tuple[Estimate, float]]
    mode_times: Array
    fluid: systems.FluidReturn
    rates: list[Estimate]
    disks: DiskEntropy
    disks_off: DiskEntropy
    relaxation: systems.Relaxation
    kinetic: BkwRelaxation


def arrow_of_time(config: ArrowOfTime, run: Run) -> Result:
    """Six systems out and back: what stays constant, what grows, what returns, and what one particle can spoil."""
    found = _measure(config, run)
    estimates = _estimates(found)
    ledger = _ledger(found)
    text, sound = _in_words(found)
    verdict = judge(estimates, ledger, text)
    return Result(
        estimates, ledger, Verdict(verdict.passed is True and sound, text), _data(found), pictures.of(found),
        files={"arrow-of-time.csv": _table(found)}, cite=CITE,
    )  # fmt: skip


def _measure(config: ArrowOfTime, run: Run) -> Found:
    seed, pool = run.seed, run.executor
    sites = config.ring_sites
    colours = run.stage("rings", systems.mean_colours, sites, config.rings, config.markers, seed, pool)
    recurred = run.stage("recurrence", systems.recurrences, config.markers, seed)
    ring = run.stage("ring", systems.ring_journey, config.large_ring, config.markers, seed)
    points = run.stage("map", systems.map_journey, config.lattice)
    baker = run.stage("baker", systems.baker_entropies, config.lattice)
    slopes = {
        name: entropy_slope(curve[:, -1], 2 * math.log(config.lattice))
        for name, curve in (("cat_map", points.coarse), ("baker_map", baker))
    }
    steps = (0, 1, 2, 4, 8)
    portraits = run.stage("portraits", systems.map_portraits, steps)
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
    modes = run.stage("modes", systems.gas_modes, config.gas_particles, seed, times)
    gas = run.stage("gas", systems.gas_journey, config.gas_particles, seed)
    fluid = run.stage("fluid", systems.fluid_journey, config.fluid_particles, seed)
    out = run.stage("fluid-out", systems.fluid_out, config.fluid_particles, config.fluid_steps, seed)
    back = run.stage("fluid-back", systems.fluid_return, out, config.fluid_particles, config.fluid_steps, seed, pool)
    rates = run.stage("disk-rates", systems.disk_rates, list(config.packings), config.disk_collisions, seed, pool)
    disks, disks_off = (run.stage(f"disks-{n}", systems.disk_echo, seed, n) for n in (0, 1))
    relaxation = run.stage("relaxation", systems.disk_relaxation, config.disks, seed)
    dsmc = run.stage("dsmc", systems.kinetic, config.molecules, seed)
    return Found(
        config, [ring, points, gas, fluid], colours, recurred, baker, slopes, portraits, steps, modes, times, back,
        rates, disks, disks_off, relaxation, dsmc,
    )  # fmt: skip


def _estimates(found: Found) -> dict[str, Reported | Estimate]:
    config, sites = found.config, found.config.ring_sites
    estimates: dict[str, Reported | Estimate] = {
        f"entropy_slope.{name}": Reported(
            slope.rate,
            map_entropy("cat" if name == "cat_map" else "baker"),
            tolerance=0.01 * map_entropy("cat" if name == "cat_map" else "baker"),
            source=f"Kolmogorov-Sinai entropy, within 1 % over the steps {slope.first} to {slope.last}",
        )
        for name, slope in found.slopes.items()
    }
    for step in sorted({5, 10, sites, 2 * sites - 10, 2 * sites - 5, 2 * sites}):
        value, error = float(found.colours.value[step]), float(found.colours.error[step])
        estimates[f"kac_ring.t{step}"] = Reported(
            Estimate(value, error or None, found.colours.rings, "", "mean over rings"),
            float(colour_law(sites, step, config.markers)),
            source="(1 - 2 mu)^t to t = N, (1 - 2 mu)^(2N - t) from there (Kac, 1959)",
        )
    back, tried = found.recurred
    estimates["recurrence"] = Reported(
        Estimate.exact(back / tried), 1.0, source=f"every ball passes every marker twice in 2N steps; {tried} rings"
    )
    for (mode, law), time in zip(found.modes, found.mode_times, strict=True):
        if time in (0.2, 0.4, 1.0):
            estimates[f"free_expansion.mode.t{time:g}"] = Reported(
                mode, law, source="exp(-k^2 (kT/m) t^2 / 2), k = pi/L, of a gas that filled half of the box"
            )
    for packing, rate in zip(config.packings, found.rates, strict=True):
        estimates[f"collision_rate.packing_{packing:g}"] = Reported(
            rate, 1.0, tolerance=0.01, source="over 2 n sigma sqrt(pi kT/m) chi (N - 1)/N, Enskog with Henderson's chi"
        )
    relaxed = found.relaxation
    estimates["hard_disks.h"] = Reported(
        relaxed.h[-1], relaxed.limit, source="-1 - ln(2 pi kT/m), the Maxwell distribution of the same energy"
    )
    early, still = relaxed.chaos[1], relaxed.equilibrium
    for name, number, reference, source in (
        ("first.after", relaxed.first.after, -1.0, "equal speeds: the sum of the two energies is given"),
        ("relaxing.before", early.before, 0.0, "Boltzmann's assumption in a dilute gas (packing 0.01)"),
        ("relaxing.after", early.after, None, ""),
        ("equilibrium.before", still.before, 0.0, "independent in equilibrium"),
        ("equilibrium.after", still.after, 0.0, "independent in equilibrium"),
    ):
        estimates[f"molecular_chaos.{name}"] = Reported(number, reference, source=source)
    fluid = found.fluid
    estimates["integer_fluid.return"] = Reported(
        Estimate.exact(float(fluid.returned)), 1.0, source="1: all bits as at the start (Levesque and Verlet, 1993)"
    )
    estimates["integer_fluid.mean_square_displacement"] = Estimate.exact(fluid.displacement, "sigma^2")
    estimates["integer_fluid.distance_after_one_bit"] = Estimate.exact(fluid.off, "sigma^2")
    quarter = len(fluid.energy) // 4
    estimates["integer_fluid.energy_drift"] = Reported(
        mean(fluid.energy[-quarter:], "epsilon").minus(mean(fluid.energy[quarter : 2 * quarter], "epsilon")),
        0.0, tolerance=1e-3, source="bounded: less than 0.001 epsilon a particle from the second to the last quarter",
    )  # fmt: skip
    dsmc = found.kinetic
    for index, time in enumerate(dsmc.time):
        if index % 2 == 0:
            estimates[f"dsmc.fourth_moment.after_{time - dsmc.time[0]:.0f}"] = Reported(
                Estimate(float(dsmc.moment[index]), float(dsmc.moment_error[index]), 16, "", "replicas"),
                float(dsmc.moment_reference[index]),
                source=f"15 K (2 - K), K = 1 - exp(-t/6), t = {time:.3f} (Bobylev, 1975; Krook and Wu, 1976)",
            )
    return estimates


def _ledger(found: Found) -> Ledger:
    ledger = Ledger()
    why = {
        "Kac ring": "permutation",
        "cat map": "permutation",
        "free expansion": "Liouville",
        "integer fluid": "permutation",
    }
    for journey in found.journeys:
        for column, cells in enumerate(journey.cells):
            for moment, look in (("start", 0), ("turn", -1)):
                value = float(journey.coarse[look, column])
                error = None if journey.error is None else float(journey.error[look, column])
                ledger.add(
                    entropy_loss(
                        f"{journey.name}, {cells}, {moment}",
                        Estimate.exact(journey.fine, "nat"),
                        Estimate(value, error, None, "nat", "cells"),
                        constant_by=why[journey.name],
                    )
                )
    dsmc = found.kinetic
    first, last = (Estimate(float(dsmc.h[k]), float(dsmc.h_error[k]), 16, "nat", "replicas") for k in (0, -1))
    return ledger.add(
        Loss(
            "H of DSMC",
            first,
            last,
            first.minus(last),
            theorem="coarse <= fine",
            conditions="Boltzmann's equation: partners independent before they collide, many molecules",
            theorem_text="H at the end is no larger than at the start (Boltzmann, 1872)",
        )
    )


def _table(found: Found) -> str:
    """The systems that can be reversed, entropies in nats, as seen through the largest cells of each."""
    rows = [
        (one.name, one.cells[0], f"{one.fine:.6f}", one.coarse[0, 0], one.coarse[-1, 0], one.back[0, 0],
         "yes" if one.returned else "no", one.damage)
        for one in found.journeys
    ]  # fmt: skip
    h = found.disks.h
    rows.insert(3, ("hard disks", "shells of speed", "constant", -h[0], -h[len(h) // 2], -h[-1], "to rounding",
                    float(found.disks_off.missed[-1])))  # fmt: skip
    lines = ["system,cells,fine entropy,coarse at start,coarse at turn,coarse after return,exact return,share lost"]
    for name, cells, fine, start, turn, back, returned, lost in rows:
        lines.append(f"{name},{cells},{fine},{start:.6f},{turn:.6f},{back:.6f},{returned},{lost:.6g}")
    return "\n".join(lines) + "\n"


def _in_words(found: Found) -> tuple[str, bool]:
    """The verdict's text, and whether what has no single reference came out as it must."""
    by = {journey.name: journey for journey in found.journeys}
    alone = [by[name] for name in ("Kac ring", "cat map", "free expansion")]
    local = all(0 < one.damage * size < 1.5 for one, size in zip(alone, _sizes(found.config), strict=True))
    exact = all(journey.returned for journey in found.journeys)
    rose = all(np.all(journey.coarse[-1] > journey.coarse[0]) for journey in found.journeys)
    fluid, disks, off = found.fluid, found.disks, found.disks_off
    mirror = float(np.abs(disks.h - disks.h[::-1]).max())
    sound = (
        exact and local and by["integer fluid"].damage == 1.0 and fluid.displacement > 1 and fluid.off > 1
        and mirror < 1e-2 and float(off.missed[-1]) > 0.2 and _dependent(found.relaxation.chaos[1].after)
    )  # fmt: skip
    slope = found.slopes["cat_map"]
    text = (
        "The fine entropy of every reversible system here does not change; the coarse one "
        + ("rose in all of them" if rose else "did NOT rise in all of them")
        + f". The cells of the cat map gain {slope.rate.value:.4f} nats a step between the steps {slope.first} and "
        f"{slope.last}, the Kolmogorov-Sinai entropy being {map_entropy('cat'):.4f}. Turned round, "
        + ("all four came back to the last bit" if exact else "NOT all came back to the last bit")
        + f", the fluid after {found.config.fluid_steps:,} steps during which its particles had moved by "
        f"{math.sqrt(fluid.displacement):.3g} sigma. The arrow is made by who looks through cells, not by the motion; "
        "that the coarse entropy lies above the fine one is a theorem, that it grows is none.\n\n"
        "One particle moved at the turn spoils the return only where particles meet. In the ring, the map and the "
        "ideal "
        + ("gas one particle is off at the end" if local else "gas it did NOT stay one particle")
        + f"; in the fluid one changed bit leaves {100 * by['integer fluid'].damage:.0f} % of the particles elsewhere "
        f"(mean square distance {fluid.off:.3g} sigma^2), and with one of {systems.ECHO_DISKS} hard disks sent off "
        f"{100 * off.missed[-1]:.0f} % miss their way.\n\n"
        f"Limits. Hard disks move in floating point: rounding is small for the {systems.ECHO_TURN:g} collisions a disk "
        f"shown here (H came back within {mirror:.1g} nats), and takes everything a few collisions later; only "
        "integers return for good. Their one-particle H is not the entropy of the whole, which Liouville's theorem "
        f"keeps. The slope of the maps is that of a window ({slope.first} to {slope.last}): first steps are geometry, "
        "last ones saturation. DSMC draws its collisions at random and has no way back: an H-theorem, and no more. "
        "Enskog's collision rate rests on Henderson's contact value, good to some tenths of a per cent."
    )
    return text, bool(sound)


def _dependent(correlation: Estimate) -> bool:
    """Whether a correlation is negative beyond its error."""
    return correlation.value < -4 * (correlation.error or 0.0)


def _sizes(config: ArrowOfTime) -> tuple[int, int, int]:
    return config.large_ring, (config.lattice // systems.MAP_GRIDS[-1]) ** 2, config.gas_particles


def _data(found: Found) -> xarray.Dataset:
    variables: dict[str, object] = {}
    for journey in found.journeys:
        key = journey.name.lower().replace(" ", "_")
        axes = (f"{key}_time", f"{key}_cells")
        for name, values in (("out", journey.coarse), ("back", journey.back), ("disturbed", journey.disturbed)):
            variables[f"{key}_{name}"] = (axes, values, {"units": "nat", "long_name": f"coarse entropy, {name}"})
        variables[axes[0]] = (axes[0], journey.time, {"units": journey.unit})
        variables[axes[1]] = (axes[1], list(journey.cells))
    sites = found.config.ring_sites
    steps = np.arange(2 * sites + 1)
    dsmc, relaxed = found.kinetic, found.relaxation
    pure = {"units": "1"}
    variables |= {
        "ring_colour": ("step", found.colours.value, pure),
        "ring_colour_error": ("step", found.colours.error, pure),
        "ring_colour_law": ("step", colour_law(sites, steps, found.config.markers), pure),
        "step": ("step", steps, {"units": "1"}),
        "baker_entropy": (("map_step", "grid"), found.baker, {"units": "nat"}),
        "grid": ("grid", list(systems.MAP_GRIDS), {"units": "1", "long_name": "cells along an edge"}),
        "portraits": (("portrait", "column", "row"), found.portraits, {"units": "1", "long_name": "points in a cell"}),
        "disks_h": ("disks_time", found.disks.h, {"units": "nat"}),
        "disks_h_error": ("disks_time", found.disks.error, {"units": "nat"}),
        "disks_h_disturbed": ("disks_time", found.disks_off.h, {"units": "nat"}),
        "disks_time": ("disks_time", found.disks.time, {"units": "1", "long_name": "collisions per disk"}),
        "relaxation_h": ("relaxation_time", [one.value for one in relaxed.h], {"units": "nat"}),
        "relaxation_h_error": ("relaxation_time", [one.error for one in relaxed.h], {"units": "nat"}),
        "relaxation_time": ("relaxation_time", relaxed.time, {"units": "1", "long_name": "collisions per disk"}),
        "chaos_before": ("window", [one.before.value for one in relaxed.chaos], pure),
        "chaos_after": ("window", [one.after.value for one in relaxed.chaos], pure),
        "window": ("window", relaxed.windows, {"units": "1", "long_name": "collisions per disk"}),
        "dsmc_moment": ("dsmc_time", dsmc.moment, pure),
        "dsmc_moment_error": ("dsmc_time", dsmc.moment_error, pure),
        "dsmc_moment_reference": ("dsmc_time", dsmc.moment_reference, pure),
        "dsmc_h": ("dsmc_time", dsmc.h, {"units": "nat"}),
        "dsmc_h_reference": ("dsmc_time", dsmc.h_reference, {"units": "nat"}),
        "dsmc_time": ("dsmc_time", dsmc.time, {"units": "1", "long_name": "collisions per particle"}),
        "fluid_energy": ("fluid_time", found.fluid.energy, {"units": "epsilon"}),
        "fluid_time": ("fluid_time", found.fluid.time, {"units": "tau"}),
    }
    return xarray.Dataset(variables)


CITE = [
    "M. Kac, Probability and Related Topics in Physical Sciences (Interscience, 1959), chapter 3.",
    "G. A. Gottwald and M. Oliver, Boltzmann's dilemma: an introduction to statistical mechanics via the Kac ring, "
    "SIAM Rev. 51, 613 (2009).",
    "V. Latora and M. Baranger, Kolmogorov-Sinai entropy rate versus physical entropy, Phys. Rev. Lett. 82, 520 "
    "(1999).",
    "D. Levesque and L. Verlet, Molecular dynamics and time reversibility, J. Stat. Phys. 72, 519 (1993).",
    "D. Henderson, A simple equation of state for hard discs, Mol. Phys. 30, 971 (1975).",
    "M. Krook and T. T. Wu, Formation of Maxwellian tails, Phys. Rev. Lett. 36, 1107 (1976).",
]
