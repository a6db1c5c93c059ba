"""The study `hidden-cycle`: what different observers of a driven network can say about its entropy production."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.dynamics.block_divergence import BlockDivergence, block_divergence
from kadanoff.dynamics.current_uncertainty import occupation_bound
from kadanoff.dynamics.dissipation import Dissipation
from kadanoff.dynamics.entropy_production import entropy_production, labels_of, split, step_flows
from kadanoff.dynamics.hidden_dissipation import hidden_dissipation
from kadanoff.dynamics.jumps import edge_flows, ring, simulate_chain, simulate_jumps
from kadanoff.dynamics.observers import Observer, ResolvedTransitions, StateLumps
from kadanoff.dynamics.studies import hidden_cycle_pictures as pictures
from kadanoff.dynamics.waiting_times import entry_law_is_fixed
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.maps import Map
from kadanoff.study import Reported, Result, Run, judge
from kadanoff.units import Quantity

__all__ = ["HARUNARI", "HiddenCycle", "driven_chain", "flashing_ratchet", "hidden_cycle"]

Array = NDArray[np.float64]

_Rate = Annotated[float, Quantity("1/s")]

HARUNARI = np.array([[0, 1, 3, 1], [3, 0, 1, 2], [2, 2, 0, 1], [2, 1, 3, 0]], dtype=np.float64)
"""Rates i -> j of the 4-state network of Harunari et al. (2022), from their notebook, whose matrix is the transpose."""
_HARUNARI_PAIRS = ((0, 1), (2, 3))
_HARUNARI_LUMPS = (0, 1, 2, 2)
_PUBLISHED_DWELL = {2.0: 0.6021, 4.0: 3.3507}  # by k+/k-, in units of k-: read off the authors' table of gamma


class HiddenCycle(BaseModel):
    """Settings of dynamics.hidden-cycle."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    forward: _Rate = Field(2.0, gt=0, description="Rate k+ of A -> B, B -> C, C -> A")
    backward: _Rate = Field(1.0, gt=0, description="Rate k- of the reverse jumps")
    ring: int = Field(12, ge=3, le=360, description="States of the ring that is seen as fewer and fewer arcs.")
    jumps: int = Field(5_000_000, ge=20_000, description="Jumps of each sampled trajectory.")
    chains: int = Field(200, ge=10, description="Reversible chains of the null test.")
    chain_jumps: int = Field(20_000, ge=5_000, description="Jumps of each of them.")


def hidden_cycle(config: HiddenCycle, run: Run) -> Result:
    """The driven cycle A -> B -> C -> A with B and C lumped, and the network of Harunari et al. (2022): what every
    observer can say, exactly and from a trajectory, on a ladder from 0 to the total."""
    forward, backward = config.forward, config.backward
    cycle, lumped, edge = ring(3, forward, backward), StateLumps(Map.groups([0, 1, 1])), ResolvedTransitions(((0, 1),))
    seen = hidden_dissipation(cycle, lumped, unit="nat/s")
    by_edge = hidden_dissipation(cycle, edge, unit="nat/s")
    identity = hidden_dissipation(cycle, StateLumps(Map.groups([0, 1, 2])), bounds=["apparent"], unit="nat/s")
    four_lumps, four_edges = StateLumps(Map.groups(list(_HARUNARI_LUMPS))), ResolvedTransitions(_HARUNARI_PAIRS)
    four_seen = hidden_dissipation(HARUNARI, four_lumps, unit="nat/s")
    four = hidden_dissipation(HARUNARI, four_edges, unit="nat/s")
    three_states = hidden_dissipation(HARUNARI, StateLumps(Map.groups([0, 1, 2, 3])), bounds=["apparent"], unit="nat/s")

    sampled = {
        name: run.stage(f"trajectory, {name}", _sampled, rates, observers, config.jumps, run.seed)
        for name, rates, observers in (
            ("cycle", cycle, (lumped, edge)),
            ("four states", HARUNARI, (four_lumps, four_edges)),
        )
    }
    affinities = np.linspace(0.0, 3.0, 31)
    drive = run.stage("drive", drive_curve, affinities, backward)
    arcs, shown = run.stage("arcs", arc_curve, config.ring, forward, backward).T
    ratchet, six = run.stage("words", _words)
    sensor = run.stage("sensor", sensor_curve, np.geomspace(1e-3, 0.98, 50))
    chains = run.stage("null", null_test, config.chains, config.chain_jumps, run.seed)
    driven = run.stage("driven chain", _driven, 200_000, run.seed)

    total = (forward - backward) * math.log(forward / backward)
    law = np.where(arcs > 2, arcs / config.ring, 0.0) * total
    parts = seen.split
    assert parts is not None
    worst = min(chains.contains_zero.values())
    published = _PUBLISHED_DWELL.get(round(forward / backward, 9))
    exact_source = "exact, from the rates"

    def exact(value: float, unit: str = "nat/s") -> Estimate:
        return Estimate.exact(float(value), unit)

    cycle_lumps, cycle_edge = sampled["cycle"]
    four_by_lumps, four_by_edges = sampled["four states"]
    times = four_by_edges.bounds["transition_based"].parts
    estimates: dict[str, Reported | Estimate] = {
        "total": Reported(seen.total, total, source="(k+ - k-) ln(k+/k-), the stationary state being uniform"),
        "apparent": Reported(seen["apparent"], 0.0, source="two lumps: every flow is balanced by its reverse"),
        "inside": Reported(exact(parts.inside), total / 3, source="the edge B-C, one of three"),
        "mixed": Reported(exact(parts.mixed), 2 * total / 3, source="the edges A-B and C-A, seen as one"),
        "identity": Reported(identity["apparent"], total, tolerance=1e-12 * max(total, 1.0), source="nothing lumped"),
        "dwell_bound": Reported(
            seen["dwell_bound.1"], None if published is None else published * backward,
            tolerance=0.005 * (published or 0.0) * backward, source="Skinner and Dunkel (2021), from their table of "
            "gamma: a minimum over networks of a few hidden states, above the limit of many",
        ),
        "transition_based": Reported(by_edge["transition_based"], total, source="one cycle, one of its edges resolved"),
        "apparent.sampled": Reported(cycle_lumps["apparent"], 0.0, source=exact_source),
        "dwell_bound.sampled": Reported(
            cycle_lumps["dwell_bound.1"], seen["dwell_bound.1"].value, source=exact_source
        ),
        "transition_based.sampled": Reported(cycle_edge["transition_based"], total, source=exact_source),
        "harunari.total": Reported(four.total, 1.0830749292, tolerance=1e-10, source="Schnakenberg, from the rates"),
        "harunari.identity": Reported(three_states["apparent"], four.total.value if four.total else None,
                                      tolerance=1e-12, source="nothing lumped"),
        "harunari.apparent": four_seen["apparent"],
        "harunari.sigma_l": Reported(four["transition_sequence"], 0.5290872826, tolerance=1e-10,
                                     source="Harunari et al. (2022), 0.529087; digits by the absorbing generator"),
        "harunari.sigma_t": Reported(four.bounds["transition_based"].parts["times"], 0.0169745833, tolerance=1e-10,
                                     source="Harunari et al. (2022), 0.0169746; digits by the absorbing generator"),
        "harunari.sigma_l.sampled": Reported(times["sequence"], 0.5290872826, source=exact_source),
        "harunari.sigma_t.sampled": Reported(times["times"], 0.0169745833, source=exact_source),
        "harunari.apparent.sampled": Reported(
            four_by_lumps["apparent"], four_seen["apparent"].value, source=exact_source
        ),
        "ratchet.total": Reported(exact(entropy_production(step_flows(flashing_ratchet(1.0))), "nat/step"), 0.0623642,
                                  tolerance=1e-7, source="discrete flashing ratchet, V = 1 (Kim et al., 2020)"),
        "ratchet.increment_9": Reported(exact(ratchet.increments[-1], "nat/step"), 5.42e-3, tolerance=5e-6,
                                        source="enumeration, sheet of three digits"),
        "six_ring.increment_9_over_total": Reported(exact(six.increments[7] / _SIX_TOTAL, "1"), 1.13, tolerance=0.005,
                                                    source="the labels a, a, b, a, b, b at p = 0.8"),
        "null.contains_zero": Reported(
            Estimate(worst, math.sqrt(max(worst * (1 - worst), 1e-4) / config.chains), config.chains, "1",
                     "binomial, the worst of the bounds"),
            1.0, tolerance=0.07, source="at least 93 % of reversible chains",
        ),
        "driven_chain": Reported(driven, 0.18 * math.log(2), source="(p - q) ln(p/q), p = 0.36, q = 0.18"),
        "arcs_law_deviation": Reported(
            exact(np.abs(shown - law).max()), 0.0, tolerance=1e-9 * max(total, 1e-3),
            source="a uniform ring seen as m > 2 of n equal arcs shows m/n of its total, as 2 arcs nothing",
        ),
    }  # fmt: skip
    ledger = Ledger()
    for where, one in (
        ("cycle", seen), ("cycle", by_edge), ("four states", four_seen), ("four states", four),
    ):  # fmt: skip
        for loss in one.ledger(f"{where}, {one.observer}"):
            ledger.add(loss)
    ledger.add(
        _words_loss("flashing ratchet", ratchet.per_step[-1], estimates["ratchet.total"], len(ratchet.divergence))
    )
    ledger.add(_words_loss("ring of six", six.per_step[-1], exact(_SIX_TOTAL, "nat/step"), len(six.divergence)))
    data = _data(affinities, drive, arcs, shown, ratchet, six, sensor, chains)
    drawn = {
        "ladder": pictures.ladder(
            (("A → B → C → A", seen.total, ((seen, cycle_lumps), (by_edge, cycle_edge))),
             ("four states (Harunari et al.)", four.total, ((four_seen, four_by_lumps), (four, four_by_edges)))),
            config.jumps,
        ),
        "networks": pictures.networks(cycle, HARUNARI, (0, 1, 1), _HARUNARI_LUMPS, edge.pairs, _HARUNARI_PAIRS),
        "hidden": pictures.hidden(affinities, drive, arcs, shown, config.ring, total, sensor),
        "words": pictures.words(
            ratchet, entropy_production(step_flows(flashing_ratchet(1.0))), six, _SIX_TOTAL
        ),
        "null": pictures.null(chains, driven),
    }  # fmt: skip
    text = _verdict(seen, by_edge, four_seen, four, four_by_edges, worst, driven, config)
    return Result(estimates, ledger, judge(estimates, ledger, text), data, drawn, cite=_CITE)


def drive_curve(affinities: Array, backward: float) -> Array:
    """Total, apparent, inside, mixed, dwell bound, transition-based (n, 6) of the 3-cycle with {B, C} lumped, at
    affinities ln(k+/k-) per jump."""
    lumps, edge, rows = StateLumps(Map.groups([0, 1, 1])), ResolvedTransitions(((0, 1),)), []
    for affinity in affinities:
        rates = ring(3, backward * math.exp(affinity), backward)
        parts = split(rates, lumps.lumps)
        dwell = hidden_dissipation(rates, lumps, bounds=["dwell_bound"])["dwell_bound.1"].value
        edges = hidden_dissipation(rates, edge, bounds=["transition_based"])["transition_based"].value
        rows.append([parts.total, parts.apparent, parts.inside, parts.mixed, dwell, edges])
    return np.array(rows)


def arc_curve(states: int, forward: float, backward: float) -> Array:
    """(arcs, apparent) for every number of equal arcs that divides a ring of ``states``, 2 and ``states`` included."""
    numbers = [arcs for arcs in range(2, states + 1) if states % arcs == 0]
    rates = ring(states, forward, backward)
    apparent = [split(rates, Map.groups(np.arange(states) // (states // arcs))).apparent for arcs in numbers]
    return np.column_stack([numbers, apparent])


def sensor_curve(backward: Array) -> Array:
    """(total, dwell bound, occupation bound) of the active sensor of Skinner and Dunkel (2021): a ring of 5 driven with
    w+ = 1, w- = w, four states of which are lumped; total = (1 - w) ln(1 / w)."""
    rows, observer = [], StateLumps(Map.groups([0, 1, 1, 1, 1]))
    for w in backward:
        rates = ring(5, 1.0, float(w))
        dwell = hidden_dissipation(rates, observer, bounds=["dwell_bound"])["dwell_bound.1"].value
        rows.append([(1 - w) * math.log(1 / w), dwell, occupation_bound(edge_flows(rates), rates, np.arange(5) > 0)])
    return np.array(rows)


def flashing_ratchet(height: float) -> Array:
    """Transition matrix (6, 6) of the discrete flashing ratchet of Roldan and Parrondo (2010) as in Kim et al. (2020).

    Three places of energy 0, V, 2 V (kT = 1), all joined, with the potential on (states 0-2) or off (3-5), switched
    with the weight 1; weights exp(-(E_j - E_i) / 2), rows normalised.
    """
    energy = height * np.arange(3.0)
    weight = np.zeros((6, 6))
    weight[:3, :3] = np.exp((energy[:, None] - energy[None, :]) / 2)
    weight[3:, 3:] = 1.0
    np.fill_diagonal(weight, 0.0)
    weight[np.arange(3), np.arange(3) + 3] = weight[np.arange(3) + 3, np.arange(3)] = 1.0
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def driven_chain(forward: float = 0.36, backward: float = 0.18) -> Array:
    """A 3-cycle in discrete time: forward p, backward q, staying 1 - p - q; sigma = (p - q) ln(p/q) per step."""
    return np.asarray(ring(3, forward, backward) + (1 - forward - backward) * np.eye(3))


def null_test(chains: int, jumps: int, seed: int) -> pictures.Null:
    """Reversible jump processes of 3 to 5 states, random rates, seen as lumps and as transitions: which intervals
    contain zero, and what the uncorrected counts say."""
    found: dict[str, list[bool]] = {}
    shown = np.empty((chains, 3))
    for chain in range(chains):
        random = np.random.default_rng([seed, chain])
        states = int(random.integers(3, 6))
        weight = random.uniform(0.1, 1.0, (states, states))
        rates = (weight + weight.T) / random.dirichlet(np.full(states, 3.0))[:, None]
        np.fill_diagonal(rates, 0.0)
        path = simulate_jumps(rates, jumps=jumps, seed=seed + 1000 * chain + 7)
        label = np.arange(states) if chain % 2 else np.minimum(np.arange(states), 2)
        observers: tuple[Observer, ...] = (StateLumps(Map.groups(label)), ResolvedTransitions(((0, 1), (1, 2))))
        for observer in observers:
            one = hidden_dissipation(path, observer, longest=3, seed=chain)
            for bound in one.bounds.values():
                low, high = bound.estimate.interval()
                found.setdefault(f"{observer.name}: {bound.name.split('.')[0]}", []).append(low <= 0 <= high)
                if bound.name == "apparent":
                    shown[chain, :2] = bound.estimate.value, bound.estimate.error
        counts = np.zeros((label.max() + 1,) * 2)
        np.add.at(counts, (label[path.states[:-1]], label[path.states[1:]]), 1.0)
        shown[chain, 2] = entropy_production(counts) / path.time
    return pictures.Null({name: float(np.mean(inside)) for name, inside in found.items()}, shown, chains)


def _sampled(rates: Array, observers: tuple[Observer, ...], jumps: int, seed: int) -> list[Dissipation]:
    path = simulate_jumps(rates, jumps=jumps, seed=seed + 1)
    return [
        hidden_dissipation(path, observer, fixed_entry=_fixed(rates, observer), unit="nat/s", seed=seed)
        for observer in observers
    ]


def _fixed(rates: Array, observer: Observer) -> bool:
    return isinstance(observer, StateLumps) and entry_law_is_fixed(rates, labels_of(observer.lumps))


_SIX_TOTAL = 0.6 * math.log(4.0)


def _words() -> tuple[BlockDivergence, BlockDivergence]:
    steps = ring(6, 0.8, 0.2)
    places = Map.groups([0, 1, 2, 0, 1, 2])
    return (
        block_divergence(flashing_ratchet(1.0), places, 9),
        block_divergence(steps, Map.groups([0, 0, 1, 0, 1, 1]), 14),
    )


def _driven(steps: int, seed: int) -> Estimate:
    states = simulate_chain(driven_chain(), steps, seed=seed + 1)
    return hidden_dissipation(states, StateLumps(Map.groups([0, 1, 2])), bounds=["apparent"], seed=seed)["apparent"]


def _words_loss(name: str, bound: float, total: Reported | Estimate, length: int) -> Loss:
    fine = total.estimate if isinstance(total, Reported) else total
    assert fine is not None
    coarse = Estimate.exact(float(bound), "nat/step")
    return Loss(
        f"{name}, words of {length}: D_n / (n - 1)", fine, coarse, fine.minus(coarse), "nat/step", "coarse <= fine",
        "stationary Markov chain, even variables, a map of the instantaneous state", "D_n / (n - 1) never exceeds the "
        "total, at any n",
    )  # fmt: skip


def _data(
    affinities: Array, drive: Array, arcs: Array, shown: Array, ratchet: BlockDivergence, six: BlockDivergence,
    sensor: Array, chains: pictures.Null,
) -> xarray.Dataset:  # fmt: skip
    def words(blocks: BlockDivergence, name: str, dimension: str) -> dict[str, object]:
        return {
            f"{name}_bound": (dimension, blocks.per_step, {"units": "nat/step", "long_name": "D_n / (n - 1), a bound"}),
            f"{name}_increment": (dimension, blocks.increments, {"units": "nat/step", "long_name": "d_n, no bound"}),
        }

    return xarray.Dataset(
        {
            "drive": (("affinity", "part"), drive, {"units": "nat/s", "long_name": "entropy production of the cycle"}),
            "seen": ("arcs", shown, {"units": "nat/s", "long_name": "apparent entropy production of the ring"}),
            "sensor": (("sensor_drive", "sensor_part"), sensor, {"units": "nat/s", "long_name": "active sensor"}),
            "null": (("chain", "null_part"), chains.apparent, {"units": "nat/s", "long_name": "reversible chains"}),
            "harunari_rates": (("from", "to"), HARUNARI, {"units": "1/s", "long_name": "rates i -> j"}),
            **words(ratchet, "ratchet", "ratchet_word"),
            **words(six, "six_ring", "six_ring_word"),
        },
        {
            "affinity": ("affinity", affinities, {"units": "1", "long_name": "ln(k+/k-)"}),
            "part": ["total", "apparent", "inside", "mixed", "dwell bound", "transition based"],
            "arcs": ("arcs", arcs, {"units": "1", "long_name": "visible arcs"}),
            "sensor_part": ["total", "dwell bound", "occupation bound"],
            "null_part": ["apparent", "error", "plain counts"],
            "ratchet_word": ("ratchet_word", ratchet.lengths, {"units": "1", "long_name": "symbols in a word"}),
            "six_ring_word": ("six_ring_word", six.lengths, {"units": "1", "long_name": "symbols in a word"}),
        },
    )


def _verdict(
    seen: Dissipation, by_edge: Dissipation, four_seen: Dissipation, four: Dissipation, sampled: Dissipation,
    worst: float, driven: Estimate, config: HiddenCycle,
) -> str:  # fmt: skip
    assert seen.total is not None
    assert four.total is not None
    total, dwell = seen.total.value, seen["dwell_bound.1"].value
    share = f" ({100 * dwell / total:.0f} % of the total)" if total > 0 else ""
    rates = "; ".join(", ".join(f"{rate:g}" for rate in row) for row in HARUNARI)
    jumps = ", ".join(f"{i} <-> {j}" for i, j in _HARUNARI_PAIRS)
    low, high = driven.interval()
    parts = sampled.bounds["transition_based"].parts
    return (
        f"The cycle dissipates {total:.4f} nats a second. An observer of A and the lump {{B, C}} computes "
        f"{abs(seen['apparent'].value):.1g} from the flows: with two lumps every jump there is matched by a jump back. "
        f"The spread of the times spent in {{B, C}} still tells that at least {dwell:.4f} are produced{share}; an "
        f"observer who resolves the jumps A <-> B gets {by_edge['transition_based'].value:.4f}, all of it, because the "
        "network has one cycle. On other networks that is a lower bound too.\n\n"
        f"The network of Harunari et al. has the rates (row: from) {rates}, and the jumps {jumps} are resolved: order "
        f"and times of these give {four['transition_based'].value:.6f} of {four.total.value:.6f} nats a second; lumps "
        f"with states 2 and 3 joined show {four_seen['apparent'].value:.4f}. From {config.jumps:,} jumps sigma_l = "
        f"{parts['sequence']} and sigma_t = {parts['times']}.\n\n"
        f"Of {config.chains} reversible chains at least {100 * worst:.1f} % give an interval that contains zero, for "
        f"every bound; the driven 3-cycle gives {driven.value:.4f} nats a step, {low:.4f} to {high:.4f}, which "
        f"{'excludes' if low > 0 else 'does not exclude'} zero.\n\n"
        "Limits: apparent <= path divergence <= total is a theorem for a stationary Markov process with even "
        "variables, "
        "every reservoir an edge of its own, and a map of the instantaneous state. Dwell times between milestones, or "
        "jumps that cannot be told apart, are other observations, and their estimators are other ones (Hartich and "
        "Godec, "
        "2024, and the reply). A bound is never an estimate of the total: networks in and out of equilibrium can show "
        "the "
        "same lumped data. Increments of word divergences are estimates of a limit and pass the total at finite n. The "
        "dwell-time bound is the solved minimum over all networks; the authors' table lies 0.2 to 0.6 % above it, "
        "being "
        "a search over networks of a few states."
    )


_CITE = [
    "J. Schnakenberg, Network theory of microscopic and macroscopic behavior of master equation systems, "
    "Rev. Mod. Phys. 48, 571 (1976).",
    "M. Esposito, Stochastic thermodynamics under coarse graining, Phys. Rev. E 85, 041125 (2012).",
    "E. Roldan and J. M. R. Parrondo, Estimating dissipation from single stationary trajectories, Phys. Rev. Lett. "
    "105, "
    "150607 (2010).",
    "I. A. Martinez, G. Bisker, J. M. Horowitz and J. M. R. Parrondo, Inferring broken detailed balance in the "
    "absence of "
    "observable currents, Nat. Commun. 10, 3542 (2019).",
    "D. Hartich and A. Godec, Comment on it, Nat. Commun. 15, 8678 (2024); reply, Nat. Commun. 15, 8679 (2024).",
    "D. J. Skinner and J. Dunkel, Estimating entropy production from waiting time distributions, Phys. Rev. "
    "Lett. 127, 198101 (2021).",
    "P. E. Harunari, A. Dutta, M. Polettini and E. Roldan, What to learn from a few visible transitions' statistics?, "
    "Phys. Rev. X 12, 041026 (2022).",
    "J. van der Meer, B. Ertel and U. Seifert, Thermodynamic inference in partially accessible Markov networks, "
    "Phys. Rev. X 12, 031025 (2022).",
    "A. C. Barato and U. Seifert, Thermodynamic uncertainty relation for biomolecular processes, Phys. Rev. Lett. 114, "
    "158101 (2015).",
]
