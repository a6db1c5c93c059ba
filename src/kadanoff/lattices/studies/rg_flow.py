"""The study `rg-flow`: couplings level by level from both sides of the critical point, and what flows nowhere."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import Executor
from typing import Literal, NamedTuple

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.blocked_operators import LevelSums, level_sums
from kadanoff.lattices.blocking import pack_spins, pyramid
from kadanoff.lattices.coupling_fixed_point import CouplingFixedPoint, critical_tangent, newton_fixed_point
from kadanoff.lattices.couplings import Couplings, fit_couplings
from kadanoff.lattices.lattice import honeycomb, square, triangular
from kadanoff.lattices.monte_carlo_rg import MonteCarloRG, Sector, exponents
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.studies.ising_mcrg import critical_coupling, draw_exponents, known_exponents
from kadanoff.lattices.variational_rg import VariationalRG, variational_fixed_point
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["RGFlow", "rg_flow"]

CRITICAL = math.log1p(math.sqrt(2.0)) / 2
EQUAL_NEIGHBOURS = 0.190192680  # critical K of equal first and second neighbours (Qian et al., 2016)


class RGFlow(BaseModel):
    """Settings of lattices.rg-flow."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int = Field(64, ge=32, description="Cells along an edge of the square lattice, a power of two times 8.")
    samples: int = Field(600, ge=200, description="Configurations of each start of the flow.")
    critical_samples: int = Field(8000, ge=2000, description="Configurations at K_c, for the fixed point.")
    universality_samples: int = Field(4000, ge=2000, description="Configurations of every other lattice.")
    variational_size: int = Field(32, ge=16, description="Cells along an edge for the variational couplings, even.")
    sweeps: int = Field(800, ge=200, description="Sweeps of each of 16 walkers for the variational couplings.")
    below: float = Field(0.42, gt=0, lt=CRITICAL, description="K = J/kT of the start below K_c.")
    above: float = Field(0.46, gt=CRITICAL, description="K = J/kT of the start above K_c.")


class Start(NamedTuple):
    """Couplings of first and second neighbours, fitted at every level, and the sums of every level."""

    couplings: tuple[float, float]
    levels: tuple[Couplings, ...]
    sums: list[LevelSums]


def flow_from(
    couplings: tuple[float, float], size: int, samples: int, every: int, seed: int, executor: Executor | None = None
) -> Start:
    """Draw, block and fit the couplings of every level whose spins leave them open to a fit."""
    drawn = sample(
        square(size),
        couplings if couplings[1] else couplings[0],
        samples=samples,
        algorithm="swendsen-wang",
        seed=seed,
        every=every,
        executor=executor,
    )
    spins = pack_spins(drawn.configurations)
    sums = level_sums(spins, square(size), seed=seed)
    fitted = []
    for level in pyramid(spins, square(size), levels=len(sums) - 1, seed=seed):
        try:
            fitted.append(fit_couplings(level.spins, level.lattice))
        except ValueError:  # nearly all spins aligned: the couplings have run away
            break
    return Start(couplings, tuple(fitted), sums)


def decimated(size: int, samples: int, seed: int, executor: Executor | None = None) -> list[LevelSums]:
    """Critical spins blocked by keeping one of four."""
    drawn = sample(
        square(size), CRITICAL, samples=samples, algorithm="swendsen-wang", seed=seed, every=8, executor=executor
    )
    return level_sums(drawn.configurations, square(size), rule="decimation", seed=seed)


def independent(size: int, samples: int, seed: int) -> list[LevelSums]:
    """Random spins, blocked by majority."""
    spins = np.random.default_rng(seed).integers(0, 2, (samples, size, size), dtype=np.int8)
    return level_sums(2 * spins - 1, square(size), seed=seed)


def other_lattice(
    name: Literal["triangular", "honeycomb"], samples: int, seed: int, executor: Executor | None = None
) -> list[LevelSums]:
    """Critical spins of another lattice."""
    lattice = triangular(72) if name == "triangular" else honeycomb(64)
    coupling = critical_coupling(name)
    assert coupling is not None
    drawn = sample(lattice, coupling, samples=samples, algorithm="swendsen-wang", seed=seed, every=8, executor=executor)
    return level_sums(drawn.configurations, lattice, seed=seed)


class Variational(NamedTuple):
    """The fixed point by the variational route, its first run (at K_c) and its last (at the fixed point)."""

    point: CouplingFixedPoint
    first: VariationalRG
    last: VariationalRG


def by_bias(size: int, sweeps: int, seed: int, executor: Executor | None = None) -> Variational:
    """Couplings and fixed point by the bias that makes the block spins free."""
    point, runs = variational_fixed_point(square(size), [CRITICAL], sweeps=sweeps, seed=seed, executor=executor)
    return Variational(point, runs[0], runs[-1])


def rg_flow(config: RGFlow, run: Run) -> Result:
    """Flow of fitted couplings from below, at and above K_c, its fixed point, other lattices, and two controls."""
    k = EQUAL_NEIGHBOURS
    starts: dict[str, tuple[float, float]] = {
        "below": (config.below, 0.0), "above": (config.above, 0.0),
        "second_below": (0.95 * k, 0.95 * k), "second_above": (1.05 * k, 1.05 * k),
        "mixed_below": (0.30, 0.08), "mixed_above": (0.34, 0.10),
    }  # fmt: skip
    flows = {
        name: run.stage(f"flow-{name}", flow_from, pair, config.size, config.samples, 5, run.seed + n, run.executor)
        for n, (name, pair) in enumerate(starts.items())
    }
    more = config.critical_samples
    flows["critical"] = run.stage(
        "flow-critical", flow_from, (CRITICAL, 0.0), config.size, more, 8, run.seed + 20, run.executor
    )
    count = config.universality_samples
    flows["second_critical"] = run.stage(
        "flow-second", flow_from, (k, k), config.size, count, 8, run.seed + 21, run.executor
    )
    sums = {
        "decimation": run.stage("decimation", decimated, config.size, count, run.seed + 30, run.executor),
        "random": run.stage("random", independent, config.size, 1000, run.seed + 31),
        "triangular": run.stage("triangular", other_lattice, "triangular", count, run.seed + 32, run.executor),
        "honeycomb": run.stage("honeycomb", other_lattice, "honeycomb", count, run.seed + 33, run.executor),
    }
    second = run.stage("variational", by_bias, config.variational_size, config.sweeps, run.seed + 40, run.executor)
    found = {name: exponents(flow.sums) for name, flow in flows.items()} | {
        name: exponents(levels) for name, levels in sums.items()
    }
    critical = flows["critical"]
    point = newton_fixed_point(critical.levels[1], critical.levels[2], critical.sums[1], critical.sums[2])
    tangent = critical_tangent(critical.sums, 1)
    estimates = _estimates(flows, found, point, tangent) | _of_bias(second)
    ledger = _ledger(flows)
    return Result(
        estimates, ledger, judge(estimates, ledger, _text(flows, found, point, tangent, second)),
        _data(flows, point, second),
        {
            "flow": _draw_flow(flows, point, second),
            "universality": draw_exponents(
                {
                    name: found[key]
                    for name, key in (
                        ("square", "critical"), ("square, second neighbours", "second_critical"),
                        ("triangular", "triangular"), ("honeycomb", "honeycomb"),
                    )
                },
                known_exponents("square"),
            ),
        },
        cite=[
            "R. H. Swendsen, Monte Carlo calculation of renormalized coupling parameters, Phys. Rev. "
            "Lett. 52, 1165 (1984)",
            "T. Kennedy, Renormalization group maps for Ising models in lattice gas variables, J. Stat. "
            "Phys. 140, 409 (2010)",
            "Y. Wu and R. Car, Variational approach to Monte Carlo renormalization group, Phys. Rev. Lett. 119, "
            "220602 (2017)",
        ],
    )  # fmt: skip


def _estimates(
    flows: dict[str, Start], found: dict[str, MonteCarloRG], point: CouplingFixedPoint, tangent: Estimate
) -> dict[str, Reported | Estimate]:
    estimates: dict[str, Reported | Estimate] = {}
    for name in ("below", "critical", "above"):
        start = flows[name]
        for level, couplings in enumerate(start.levels):
            for which, operator in enumerate(("nn", "nnn")):
                entry: Reported | Estimate = couplings[operator]
                if level == 0:
                    entry = Reported(couplings[operator], start.couplings[which], source="the coupling put in")
                estimates[f"K_{operator}.{name}.level{level}"] = entry
    estimates["fixed_point.K_nn"], estimates["fixed_point.K_nnn"] = point["nn"], point["nnn"]
    estimates["critical_tangent"] = Reported(
        tangent, math.sqrt(2.0), source="exact: singular parts of <s_00 s_11> and <s_00 s_01> (Onsager, 1944)"
    )
    exact = known_exponents("square")
    assert exact is not None
    for name, key in (
        ("square", "critical"), ("second_neighbours", "second_critical"), ("triangular", "triangular"),
        ("honeycomb", "honeycomb"),
    ):  # fmt: skip
        for exponent in ("y_t", "y_h"):
            sector = found[key].even if exponent == "y_t" else found[key].odd
            last = sector.estimate(len(sector.values) - 1)
            if last is None:
                estimates[f"{name}.{exponent}"] = Reported(
                    None, getattr(exact, exponent), reason="not real: too few samples"
                )
            else:
                estimates[f"{name}.{exponent}"] = Reported(
                    last, getattr(exact, exponent), tolerance=_allowed(sector, last), source=exact.source
                )
    first = found["decimation"].odd.estimate(0, 1)
    estimates["decimation.y_h"] = Reported(
        first, 2.0, tolerance=0.01, source="one spin of four kept: y_h = d", reason="" if first else "not real"
    )
    expected = {
        "below": "disordered", "above": "ordered", "critical": "critical", "second_critical": "critical",
        "random": "independent",
    }  # fmt: skip
    right = sum(found[name].fate == fate for name, fate in expected.items())
    estimates["fates_recognised"] = Reported(
        Estimate.exact(right), float(len(expected)), source="where each start must flow"
    )
    return estimates


def _of_bias(second: Variational) -> dict[str, Reported | Estimate]:
    """Couplings of the first blocking, the fixed point, and exponents there: those of a flow cut to these operators,
    which have no exact value to be held against."""
    estimates: dict[str, Reported | Estimate] = {}
    for name in ("nn", "nnn"):
        estimates[f"variational.K_{name}.level1"] = second.first.couplings[name]
        estimates[f"variational.fixed_point.K_{name}"] = second.point[name]
    for name, sector in (("y_t", second.last.even), ("y_h", second.last.odd)):
        entry = sector.estimate(0)
        estimates[f"variational.{name}"] = Reported(entry, reason="" if entry else "not real")
    estimates["variational.correlation_time"] = Estimate(
        second.first.correlation_time, None, unit="sweep", method="autocorrelation window"
    )
    return estimates


def _ledger(flows: dict[str, Start]) -> Ledger:
    ledger = Ledger()
    for name in ("below", "critical", "above"):
        levels = flows[name].levels
        for a, b in itertools.pairwise(range(len(levels))):
            one, two = levels[a]["nn"], levels[b]["nn"]
            ledger.add(Loss(f"K_nn {name}, level {a} to {b}", one, two, one.minus(two)))
    return ledger


def _text(
    flows: dict[str, Start], found: dict[str, MonteCarloRG], point: CouplingFixedPoint, tangent: Estimate,
    second: Variational,
) -> str:  # fmt: skip
    def path(name: str) -> str:
        return " -> ".join(f"({c['nn']}, {c['nnn']})" for c in flows[name].levels)

    lines = [f"{name.capitalize()} K_c: {path(name)}: {found[name].fate}." for name in ("below", "above")]
    lines.insert(1, f"At K_c: {path('critical')}: {found['critical'].fate}.")
    largest = point.eigenvalues[0]
    eigenvalue = f"{largest.real:.3f}" if largest.imag == 0 else f"{largest:.3f}, complex: too few samples"
    lines.append(
        f"Fixed point of the majority rule with {len(point.names)} couplings: K_nn = {point['nn']}, K_nnn = "
        f"{point['nnn']}; the largest eigenvalue there is {eigenvalue} (2 exactly). Raising K_nnn by "
        "a little moves "
        f"the critical K_nn down by {tangent} times that (sqrt 2)."
    )
    bias, fitted = second.first.couplings, flows["critical"].levels[1]
    lines.append(
        f"A second route: the bias that makes the block spins free undoes their Hamiltonian. It gives K_nn = "
        f"{bias['nn']} and K_nnn = {bias['nnn']} after the first blocking, beside {fitted['nn']} and {fitted['nnn']} "
        f"from the fit; with so few operators the two are different truncations of one Hamiltonian. Its fixed point is "
        f"K_nn = {second.point['nn']}, K_nnn = {second.point['nnn']}, with y_t = {second.last.even.estimate(0)} and "
        f"y_h = {second.last.odd.estimate(0)}: each step cuts the couplings to {len(second.point.names)}, which moves "
        f"this point and what grows there. At K_c its samples forget within {second.first.correlation_time:.1f} "
        "sweeps, where unbiased Metropolis sweeps slow down with the size."
    )
    first, last = found["decimation"].odd.estimate(0, 1), found["critical"].odd.estimate(0)
    lines.append(
        f"Controls: decimation gives y_h = {first} by the magnetization alone, which is the dimension of space and no "
        f"exponent ({found['decimation'].odd.estimate(0)} with all operators: the couplings it makes reach further "
        f"than they do; majority: {last}). "
        f"Random spins: {found['random'].verdict()} Below K_c: {found['below'].verdict()}"
    )
    lines.append(
        "Limits: fitted couplings, and the place of the fixed point, depend on which operators the fit is allowed; "
        "exponents do not. Deep in the ordered phase nearly all spins are alike, and the flow is drawn "
        "only as far as a "
        "fit exists. Exponents are allowed four standard errors and the change made by the last blocking; the "
        "variational ones are held against nothing, since they are those of the cut flow."
    )
    return "\n\n".join(lines)


def _allowed(sector: Sector, entry: Estimate) -> float:
    """Four standard errors, and the last change: what a sequence that at least halves its distance has still to go."""
    last = len(sector.values) - 1
    moved = sector.difference((last, -1), (last - 1, -1)) if last else None
    return 4.0 * (entry.error or 0.0) + (abs(moved.value) if moved else 0.0)


def _data(flows: dict[str, Start], point: CouplingFixedPoint, second: Variational) -> xarray.Dataset:
    one = {"units": "1"}
    depth = max(len(flow.levels) for flow in flows.values())
    shape = (len(flows), depth, len(point.names))
    values, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, flow in enumerate(flows.values()):
        for level, couplings in enumerate(flow.levels):
            values[row, level] = couplings.values
            errors[row, level] = np.sqrt(np.diag(couplings.covariance))
    where = ("start", "level", "operator")
    return xarray.Dataset(
        {
            "couplings": (where, values, {**one, "long_name": "K_a = J_a/kT by pseudo-likelihood"}),
            "couplings_error": (where, errors, one),
            "stability_matrix": (("operator", "operator_fine"), point.matrix, one),
            "fixed_point": (("operator",), point.values, one),
            "fixed_point_error": (("operator",), point.errors, one),
            "variational": (("operator",), second.first.couplings.values, one),
            "variational_error": (("operator",), np.sqrt(np.diag(second.first.couplings.covariance)), one),
            "variational_fixed_point": (("operator",), second.point.values, one),
            "variational_fixed_point_error": (("operator",), second.point.errors, one),
        },
        {
            "start": list(flows), "level": ("level", np.arange(depth), one), "operator": list(point.names),
            "operator_fine": list(point.names),
        },
    )  # fmt: skip


def _draw_flow(flows: dict[str, Start], point: CouplingFixedPoint, second: Variational) -> Picture:
    drawing, (axis,) = plotting.figure(1, width=6.4, height=4.6)
    colours = {"disordered": plotting.BLUE, "critical": plotting.GREEN, "ordered": plotting.VERMILION}
    line = np.array([[0.0, CRITICAL], [EQUAL_NEIGHBOURS, EQUAL_NEIGHBOURS], [CRITICAL, 0.0]])
    smooth = np.linspace(0, CRITICAL, 100)
    axis.plot(smooth, _through(line, smooth), color=plotting.BLACK, linestyle="--", linewidth=0.9)
    axis.plot(line[1:, 0], line[1:, 1], "o", color=plotting.BLACK, markersize=3)
    labelled = set()
    for name, flow in flows.items():
        kind = "disordered" if name.endswith("below") else "ordered" if name.endswith("above") else "critical"
        places = np.array([[c["nn"].value, c["nnn"].value] for c in flow.levels])
        colour = colours[kind]
        text = {"disordered": "below $K_c$", "critical": "at $K_c$", "ordered": "above $K_c$"}[kind]
        axis.plot(*places.T, "o", color=colour, markersize=3, label=None if kind in labelled else text)
        labelled.add(kind)
        for a, b in itertools.pairwise(places):
            axis.annotate("", b, a, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.2})
    centre = np.array([point["nn"].value, point["nnn"].value])
    axis.errorbar(
        centre[0], centre[1], xerr=point["nn"].error, yerr=point["nnn"].error, fmt="*", color=plotting.PURPLE,
        markersize=11, zorder=5, label="fixed point",
    )  # fmt: skip
    other = second.point
    for entries, marker, label in (
        (second.first.couplings, "D", "variational, one blocking"), (other, "*", "variational, fixed point"),
    ):  # fmt: skip
        axis.errorbar(
            entries["nn"].value, entries["nnn"].value, xerr=entries["nn"].error, yerr=entries["nnn"].error,
            fmt=marker, color=plotting.ORANGE, markersize=5 if marker == "D" else 11, zorder=6, label=label,
        )  # fmt: skip
    names = [point.names.index("nn"), point.names.index("nnn")]
    direction = point.directions[names, 0].real
    direction = 0.07 * direction / np.linalg.norm(direction) * np.sign(direction[0])
    for sign in (1, -1):
        axis.annotate(
            "",
            tuple(centre + sign * direction),
            tuple(centre),
            arrowprops={"arrowstyle": "->", "color": plotting.PURPLE, "linewidth": 1},
        )
    axis.set_xlim(-0.02, 0.62)
    axis.set_ylim(-0.06, 0.32)
    axis.set_xlabel("nearest neighbours $K_{nn}$ = J/kT")
    axis.set_ylabel("next-nearest neighbours $K_{nnn}$")
    axis.legend(loc="upper right")
    return Picture(
        drawing,
        "Each arrow is one blocking by majority: couplings fitted before and after, two of five shown. Starts on the "
        "critical line (dashed, through its known points) move along it to the fixed point; those beside "
        "it leave along "
        "the relevant direction (purple), to no coupling at all or to full order. Orange: one blocking from K_c, and "
        "the fixed point, by the variational route; another truncation, hence another place.",
    )


def _through(points: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The parabola through three points."""
    return np.asarray(np.polyval(np.polyfit(points[:, 0], points[:, 1], 2), x))
