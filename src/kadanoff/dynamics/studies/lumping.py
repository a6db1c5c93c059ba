"""The study `lumping`: what lumping the states of driven networks hides, and how much of it memory brings back."""

from __future__ import annotations

import math

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import stdtrit

from kadanoff import plotting
from kadanoff.dynamics.entropy_production import step_flows
from kadanoff.dynamics.hidden_markov import HiddenMarkov, unidentified_directions
from kadanoff.dynamics.network_diagram import draw_network
from kadanoff.dynamics.studies.lumping_cases import (
    LumpedChain,
    NetworkCase,
    double_well,
    hidden_ring,
    lumped_chain,
    network_cases,
    random_network,
    rms,
)
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["Lumping", "lumping"]

Array = NDArray[np.float64]
_CHUNK = 20  # networks of one stage
_CONDITIONS = "stationary Markov chain, even variables, maps of the instantaneous state"
_RING = (0.1, 0.002)  # probabilities of A -> B -> C -> A and back, a frame
_LEVEL = 1 - 3.167e-5  # one-sided, 4 standard errors of a normal law
_HORIZON = 80  # steps over which T(t) is compared


class Lumping(BaseModel):
    """Settings of dynamics.lumping."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    networks: int = Field(100, ge=5, le=20_000, description="Random driven networks, each under one random map.")
    network_frames: int = Field(40_000, ge=8_000, description="Frames simulated for the path divergence of each.")
    frames: int = Field(100_000, ge=20_000, description="Frames of the lumped cycle and the lumped double well.")
    states: int = Field(100, ge=10, le=400, description="Grid points of the double well.")
    depth: float = Field(3.0, gt=0.5, le=5.0, description="Barrier of the double well, kT.")


def lumping(config: Lumping, run: Run) -> Result:
    """Random driven networks under random maps: none shows more than its total; and three models of a lumped chain."""
    cases: list[NetworkCase] = []
    chunks = [range(k, min(k + _CHUNK, config.networks)) for k in range(0, config.networks, _CHUNK)]
    with run.progress(len(chunks), "random networks") as bar:
        for number, chunk in enumerate(chunks):
            cases += run.stage(f"networks {number}", network_cases, chunk, run.seed, config.network_frames)
            bar.advance()
    ring = run.stage(
        "cycle",
        lumped_chain,
        hidden_ring(*_RING),
        np.array([0, 1, 1]),
        config.frames,
        _HORIZON,
        12,
        (2, 3),
        run.seed + 1,
    )
    transition, x = double_well(config.states, config.depth)
    well = run.stage(
        "double well",
        lumped_chain,
        transition,
        (x > 0).astype(np.int64),
        config.frames,
        _HORIZON,
        30,
        (2, 3, 4),
        run.seed + 2,
    )
    estimates = {
        **_network_estimates(cases),
        "unidentified.cycle_model": _unidentified(),
        **_chain_estimates("cycle", ring),
        **_chain_estimates("double_well", well),
    }
    ledger = _ledger(cases)
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, _text(cases, well)),
        _data(cases, ring, well),
        {
            "slack": _draw_slack(cases, run.seed),
            "double_well": _draw_chain(well),
            "cycle": _draw_chain(ring, cycle=True),
        },
        cite=[
            "Kemeny and Snell, Finite Markov Chains (1960)",
            "Birch, Annals of Mathematical Statistics 33, 930 (1962)",
            "Esposito, Physical Review E 85, 041125 (2012)",
            "Cao et al., Journal of Chemical Physics 153, 014105 (2020)",
        ],
    )


def _unidentified() -> Reported:
    """Of the six numbers of the hidden cycle seen as {A}, {B, C}."""
    model = HiddenMarkov(hidden_ring(*_RING), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    return Reported(
        Estimate.exact(unidentified_directions(model)),
        2.0,
        source="a geometric dwell and one of phase type 2 fix 1 + 3 of 6",
    )


def _excess(cases: list[NetworkCase]) -> dict[str, Array]:
    """By how much each inequality is violated beyond its error (at most zero: it holds), one number a network."""
    table = {name: np.array([getattr(case, name) for case in cases]) for name in NetworkCase._fields}
    rounding = 1e-9 * table["total"] + 1e-14
    reach = stdtrit(table["path_words"] - 1, _LEVEL) * table["path_error"]
    return {
        "apparent <= total": table["apparent"] - table["total"] - rounding,
        "block <= total": table["block"] - table["total"] - rounding,
        "path <= total": table["path"] - table["total"] - reach,
    }


def _flows_above_path(cases: list[NetworkCase]) -> int:
    """Networks whose flows show more than their whole path, by 4 standard errors: no theorem forbids it.

    The four states of Harunari et al. (2022) at the events of a clock of rate 10, seen as {0}, {1}, {2, 3}: D_2 is
    0.03071 nats a step and the path divergence 0.03042.
    """
    apparent, path, error, words = (
        np.array([getattr(case, name) for case in cases]) for name in ("apparent", "path", "path_error", "path_words")
    )
    return int(np.count_nonzero(apparent - path > stdtrit(words - 1, _LEVEL) * error + 1e-14))


def _network_estimates(cases: list[NetworkCase]) -> dict[str, Reported | Estimate]:
    broken = sum(int(np.count_nonzero(excess > 0)) for excess in _excess(cases).values())
    found: dict[str, Reported | Estimate] = {
        "violations": Reported(
            Estimate.exact(broken),
            0.0,
            tolerance=0.0,
            source="apparent, words and path never exceed the total (log-sum inequality, data processing)",
        ),
        "flows_above_path": Estimate.exact(_flows_above_path(cases)),
    }
    for name in ("apparent", "block", "path"):
        shares = np.array([getattr(case, name) / case.total for case in cases])
        found[f"share_seen.{name}"] = _median(shares)
    found["markov_loss.median"] = _median(np.array([case.loss for case in cases]), "nat/step")
    return found


def _median(values: Array, unit: str = "") -> Estimate:
    """The median over networks with its binomial standard error (half of the central 68 % of order statistics)."""
    ordered, n = np.sort(values), len(values)
    reach = math.sqrt(n) / 2
    low, high = ordered[max(0, math.floor(n / 2 - reach))], ordered[min(n - 1, math.ceil(n / 2 + reach))]
    return Estimate(float(np.median(values)), float(high - low) / 2, n, unit, "median over networks")


def _chain_estimates(name: str, chain: LumpedChain) -> dict[str, Reported | Estimate]:
    lower, upper = chain.loss
    found: dict[str, Reported | Estimate] = {
        f"markov_loss.{name}": Estimate(
            (lower + upper) / 2, (upper - lower) / 2, None, "nat/step", "two-sided bounds, not a standard error"
        ),
        f"lumpability_defect.{name}": Estimate.exact(chain.defect),
        f"propagator_error.{name}.markov": Estimate.exact(rms(chain.markov, chain.exact)),
        f"propagator_error.{name}.quasi_markov": _measured(rms(chain.quasi, chain.exact)),
        f"propagator_error.{name}.hidden_markov": _measured(rms(chain.hidden, chain.exact)),
        f"hidden_states.{name}": Estimate.exact(len(chain.hidden_model.transition)),
        f"unidentified.{name}": Estimate.exact(chain.unidentified),
        f"memory_cutoff.{name}": Estimate.exact(chain.cutoff, "frame"),
        f"implied_time.{name}.exact": Estimate.exact(chain.time, "frame"),
        f"implied_time.{name}.markov": Estimate.exact(chain.markov_time, "frame"),
        f"implied_time.{name}.quasi_markov": Reported(
            chain.quasi_time, chain.quasi_limit, source="the exact kernels at the same cut-off"
        ),
        f"implied_time.{name}.hidden_markov": Reported(
            chain.hidden_time, chain.time, source="second eigenvalue of the fine chain"
        ),
    }
    return found


def _measured(value: float) -> Estimate:
    return Estimate(value, None, 1, "", "distance of one fit from the exact T(t)")


def _ledger(cases: list[NetworkCase]) -> Ledger:
    excess = _excess(cases)
    rows = []
    for name, text in (
        ("apparent", "apparent never exceeds total (log-sum inequality)"),
        ("block", "D_n / (n - 1) never exceeds total (data processing)"),
        ("path", "the path divergence never exceeds total (data processing)"),
    ):
        case = cases[int(excess[f"{name} <= total"].argmax())]
        seen = Estimate(case.path, case.path_error, None, "nat/step", "blocks") if name == "path" else None
        seen = seen or Estimate.exact(getattr(case, name), "nat/step")
        total = Estimate.exact(case.total, "nat/step")
        rows.append(
            Loss(
                f"{name} against total, network of least slack",
                total,
                seen,
                total.minus(seen),
                "nat/step",
                "coarse <= fine",
                _CONDITIONS,
                text,
            )
        )
    case = max(cases, key=lambda one: -one.loss)
    loss = Estimate(case.loss, case.loss_width / 2, None, "nat/step", "two-sided bounds")
    rows.append(
        Loss(
            "memory in nats, network of least memory",
            None,
            None,
            loss,
            "nat/step",
            "lost >= 0",
            _CONDITIONS,
            "a divergence from the Markov closure is never negative",
        )
    )
    return Ledger(rows)


def _text(cases: list[NetworkCase], well: LumpedChain) -> str:
    broken = sum(int(np.count_nonzero(excess > 0)) for excess in _excess(cases).values())
    apparent = np.array([case.apparent / case.total for case in cases])
    path = np.array([case.path / case.total for case in cases])
    blind = int(np.count_nonzero(apparent < 1e-9))
    errors = {name: rms(getattr(well, name), well.exact) for name in ("markov", "quasi", "hidden")}
    best = min(errors, key=lambda name: errors[name])
    unidentified = _unidentified().value or 0.0
    words = {"markov": "the Markov", "quasi": "the quasi-Markov", "hidden": "the hidden Markov"}
    return (
        f"In {len(cases)} random driven networks under random maps the flows, the words and the path exceeded the "
        f"total {broken} times. The flows between lumps show {100 * np.median(apparent):.0f} % of the dissipation in "
        f"the median network ({blind} networks: nothing at all), the whole lumped path {100 * np.median(path):.0f} "
        f"%; in {_flows_above_path(cases)} of them the flows show more than the path beyond its error, which no "
        f"theorem forbids.\n\nThe double well of {well.time:.0f} frames relaxation time, seen as two states, has "
        f"{well.markov_time:.0f} frames as a Markov model at lag 1, {well.quasi_time} as a quasi-Markov model whose "
        f"memory of {well.cutoff} further kernels the data support ({well.quasi_limit:.0f} were the kernels exact), "
        f"and {well.hidden_time} as a hidden Markov model of {len(well.hidden_model.transition)} states; "
        f"{words[best]} model has the smallest error of T(t) to {_HORIZON} frames, {errors[best]:.2g} against "
        f"{errors['markov']:.2g} of the Markov model.\n\n"
        f"Limits: of the six numbers of the hidden cycle {unidentified:.0f} cannot be told from two symbols, so its "
        "hidden currents are not measured by any fit; apparent is a lower bound, never an estimate of "
        "the total; the path divergence is that of words of 200 symbols, sampled; the theorem is for maps of the "
        "instantaneous state of a stationary Markov process without odd variables."
    )


def _data(cases: list[NetworkCase], ring: LumpedChain, well: LumpedChain) -> xarray.Dataset:
    units = dict.fromkeys(("states", "lumps", "defect", "path_words"), "1")
    variables: dict[str, tuple[object, object, dict[str, str]]] = {}
    for name in NetworkCase._fields:
        about = {"units": units.get(name, "nat/step"), "long_name": f"{name} of the random networks"}
        variables[f"network_{name}"] = "network", np.array([getattr(case, name) for case in cases], dtype=float), about
    for label, chain in (("cycle", ring), ("well", well)):
        for name in ("exact", "markov", "quasi", "hidden"):
            about = {"units": "1", "long_name": f"T(t) of the {label}, {name}"}
            variables[f"{label}_{name}"] = ("time", "start", "end"), getattr(chain, name), about
        about = {"units": "1", "long_name": "largest entry of K_n and its error"}
        variables[f"{label}_kernel"] = (f"{label}_lag", "part"), chain.kernel_sizes, about
        about = {"units": "frame", "long_name": "slowest time, exact kernels"}
        variables[f"{label}_cutoff_time"] = f"{label}_cutoff", chain.times_of_cutoff[:, 1], about
        about = {"units": "1", "long_name": "rms error of T(t), exact kernels"}
        variables[f"{label}_cutoff_error"] = f"{label}_cutoff", chain.errors_of_cutoff, about
    coordinates = {
        "time": ("time", np.arange(_HORIZON + 1.0), {"units": "frame"}),
        "cycle_cutoff": ("cycle_cutoff", ring.times_of_cutoff[:, 0], {"units": "frame"}),
        "well_cutoff": ("well_cutoff", well.times_of_cutoff[:, 0], {"units": "frame"}),
    }
    return xarray.Dataset(variables, coordinates)


def _draw_slack(cases: list[NetworkCase], seed: int) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    chosen = max(range(len(cases)), key=lambda k: cases[k].total - cases[k].apparent)
    transition, labels = random_network(seed, chosen)
    draw_network(left, step_flows(transition) - np.diag(np.diag(step_flows(transition))), labels)
    left.set_title(f"The network that hides most (number {chosen})")
    bins = np.linspace(0.0, 1.0, 21)
    for name, colour, text in (
        ("apparent", plotting.VERMILION, "apparent (flows)"),
        ("path", plotting.BLUE, "path divergence"),
    ):
        shares = np.clip([getattr(case, name) / case.total for case in cases], 0.0, 1.0)
        right.hist(shares, bins.tolist(), color=colour, alpha=0.45, label=text)
        right.axvline(float(np.median(shares)), color=colour, linewidth=1.2)
    right.set(xlabel=plotting.label("share of the total dissipation that is seen"), ylabel=plotting.label("networks"))
    right.set_title(f"{len(cases)} random networks under random maps")
    right.legend(loc="upper right")
    return Picture(
        drawing,
        "What lumping hides. Left: of the random networks, the one with the most hidden dissipation; colours are "
        "lumps, dots grow with the traffic of a state, arrows are net currents. Right: the share of the entropy "
        "production that the flows between lumps show, and the whole lumped path; lines are medians. No network shows "
        "more than its total.",
    )


def _draw_chain(chain: LumpedChain, *, cycle: bool = False) -> Picture:
    drawing, (left, middle, right) = plotting.figure(3)
    time = np.arange(len(chain.exact))
    base = _relaxation(chain.exact) if cycle else np.zeros(len(time))  # of the cycle all curves look alike
    left.plot(time, _relaxation(chain.exact) - base, color=plotting.BLACK, label="exact")
    for name, colour, text in (
        ("markov", plotting.VERMILION, "Markov"),
        ("quasi", plotting.BLUE, "quasi-Markov"),
        ("hidden", plotting.GREEN, f"hidden Markov, {len(chain.hidden_model.transition)} states"),
    ):
        left.plot(time, _relaxation(getattr(chain, name)) - base, color=colour, label=text, linestyle="--")
    quantity = "error of the relaxation, trace T(t) - 1" if cycle else "relaxation, trace T(t) - 1"
    left.set(xlabel=plotting.label("time", "frame"), ylabel=plotting.label(quantity), xlim=(0, 40) if cycle else None)
    left.legend(loc="best")
    left.set_title("The hidden cycle as two states" if cycle else "The double well as two states")
    cutoff, slow = chain.times_of_cutoff.T
    middle.axhline(chain.time, color=plotting.BLACK, linewidth=1, label="fine chain")
    middle.plot(cutoff, slow, "o-", color=plotting.SKY, label="exact kernels 0 ... c")
    found = chain.quasi_time
    middle.errorbar(
        [chain.cutoff], [found.value], [found.error or 0.0], fmt="s", color=plotting.BLUE, label="quasi-Markov, data"
    )
    low, high = (chain.hidden_time.value + sign * (chain.hidden_time.error or 0.0) for sign in (-1, 1))
    middle.axhspan(low, high, color=plotting.GREEN, alpha=0.22, linewidth=0, label="hidden Markov, data")
    middle.set(
        xscale="symlog",
        xlabel=plotting.label("kernels kept, c", "frame"),
        ylabel=plotting.label("slowest time", "frame"),
    )
    middle.set_title("Relaxation time")
    middle.legend(loc="best")
    lags = np.arange(1, len(chain.kernel_sizes))
    right.plot(lags, np.abs(chain.kernels[lags]).max(axis=(1, 2)), color=plotting.BLACK, label="exact")
    right.errorbar(
        lags, chain.kernel_sizes[1:, 0], chain.kernel_sizes[1:, 1], fmt="o", color=plotting.BLUE, label="data"
    )
    right.axvline(chain.cutoff + 0.5, color=plotting.BLUE, linewidth=1, linestyle=":", label="cut-off")
    right.set(
        yscale="log", xlabel=plotting.label("n", "frame"), ylabel=plotting.label("largest entry of kernel Kₙ"),
        ylim=(max(1e-6, 0.3 * float(chain.kernel_sizes[1:, 0].min())), None),
    )  # fmt: skip
    right.set_title("Memory")
    right.legend(loc="best")
    return Picture(
        drawing,
        "A lumped chain and three models of it. Left: "
        + ("what the models miss of the relaxation" if cycle else "relaxation of the two states")
        + "; the Markov model of one frame is wrong, memory or hidden states mend it. Middle: the slowest time with "
        "ever more exact kernels kept, and what the two models found from data (one standard error). Right: the "
        "memory kernels, exact and sampled; right of the dotted line the data no longer tell them from noise.",
    )


def _relaxation(propagators: Array) -> Array:
    return np.asarray(np.trace(propagators, axis1=1, axis2=2) - 1.0)
