"""Which block spin knows most about its surroundings: every odd rule of four spins, exactly, and the chain."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.information_optimal import (
    best_rule,
    chain_patch,
    odd_rules,
    rule_information,
    square_patch,
    weighted_rule,
)
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, Verdict, judge

__all__ = ["InformationOptimal", "information_optimal"]

Array = NDArray[np.float64]
CRITICAL = math.log1p(math.sqrt(2.0)) / 2
RULES = {
    "majority, ties to one spin": weighted_rule([1.5, 1, 1, 1]),
    "majority, ties by coin": weighted_rule([1, 1, 1, 1]),
    "three of the four spins": weighted_rule([1, 1, 1, 0]),
    "decimation": weighted_rule([1, 0, 0, 0]),
}


class InformationOptimal(BaseModel):
    """Settings of lattices.information-optimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    buffer: int = Field(1, ge=0, le=1, description="Sites between the block and its surroundings.")
    largest_coupling: float = Field(0.8, gt=0, le=5, description="Couplings K = J/kT run from 0 to this.")
    points: int = Field(25, ge=2, le=500, description="Number of couplings.")


def representatives() -> Array:
    """One odd rule of each class under the square's symmetries and H -> -H, which change no information: (n, 16)."""
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    states = np.arange(16)
    images = []
    for swap, *flip in itertools.product((0, 1), repeat=3):
        moved = (corners[:, ::-1] if swap else corners) ^ np.array(flip)
        images.append(sum((states >> spin & 1) << (2 * row + column) for spin, (row, column) in enumerate(moved)))
    kept: dict[tuple[float, ...], Array] = {}
    for rule in odd_rules(4):
        kept.setdefault(min(tuple(r[image]) for image in images for r in (rule, 1 - rule)), rule)
    return np.array(list(kept.values()))


def curves(couplings: Array, buffer: int) -> Array:
    """I(V; E), the best odd rule's I(H; E), and those of `RULES`, nats, (couplings, 2 + rules)."""
    candidates, named = representatives(), np.array(list(RULES.values()))
    rows = []
    for coupling in couplings:
        patch = square_patch(float(coupling), buffer=buffer)
        rows.append([patch.information, rule_information(patch, candidates).max(), *rule_information(patch, named)])
    return np.array(rows)


def spectrum(coupling: float, buffer: int) -> Array:
    """I(H; E) of all 256 odd rules, (256,), in the order of `odd_rules`."""
    return rule_information(square_patch(coupling, buffer=buffer), odd_rules(4))


def information_optimal(config: InformationOptimal, run: Run) -> Result:
    """The block spin that keeps most about its surroundings: every odd rule of four spins, by exact tables."""
    couplings = np.linspace(0.0, config.largest_coupling, config.points)
    table = run.stage("curves", curves, couplings, config.buffer)
    at_critical = dict(
        zip(["all", "best", *RULES], run.stage("critical", curves, [CRITICAL], config.buffer)[0], strict=True)
    )
    all_rules = run.stage("spectrum", spectrum, CRITICAL, config.buffer)
    best = odd_rules(4)[int(np.argmax(all_rules))]
    coin = RULES["majority, ties by coin"]
    decided = coin != 0.5
    like_majority = any(np.array_equal(mine[decided], coin[decided]) for mine in (best, 1 - best))
    chain = chain_patch(CRITICAL, block=2, buffer=config.buffer)
    chain_best = best_rule(chain).information
    chain_majority, chain_decimation = rule_information(chain, [weighted_rule([1, 1]), weighted_rule([1, 0])])
    one_spin = chain_patch(CRITICAL, block=1, buffer=config.buffer).information

    def nats(value: float) -> Estimate:
        return Estimate.exact(float(value), "nat")

    estimates: dict[str, Reported | Estimate] = {
        "information.block": nats(at_critical["all"]),
        "information.best": Reported(
            nats(at_critical["best"]), float(all_rules.max()), source="all 256 rules against one of each symmetry class"
        ),
        "information.majority": nats(at_critical["majority, ties by coin"]),
        "information.majority_one_spin": nats(at_critical["majority, ties to one spin"]),
        "information.decimation": nats(at_critical["decimation"]),
        "best_is_majority_like": Reported(
            Estimate.exact(float(like_majority)), 1.0, source="the best rule follows the majority wherever there is one"
        ),
        "chain.best": Reported(nats(chain_best), float(chain_decimation), source="in one dimension decimation is best"),
        "chain.majority": nats(chain_majority),
        "chain.one_spin": Reported(
            nats(one_spin), _one_spin(CRITICAL, config.buffer), source="ln 2 + h(r^2) - 2 h(r), r = tanh^(m+1) K"
        ),
    }
    ledger = Ledger()
    for name in ("best", *RULES):
        ledger.add(
            Loss(
                f"I with the surroundings, {name}",
                nats(at_critical["all"]),
                nats(at_critical[name]),
                nats(at_critical["all"] - at_critical[name]),
                theorem="coarse <= fine",
                conditions="the block spin depends on the block and on coins alone",
                theorem_text="no block spin knows more about the surroundings than its block (data processing)",
            )
        )
    verdict = judge(estimates, ledger, _in_words(config, at_critical, chain_decimation, chain_majority, like_majority))
    beaten = at_critical["decimation"] < at_critical["majority, ties by coin"] < at_critical["best"]
    data = xarray.Dataset(
        {
            "information": (("coupling", "rule"), table, {"units": "nat", "long_name": "with the surroundings"}),
            "critical": ("odd_rule", all_rules, {"units": "nat", "long_name": "I(H; E) at K_c of every odd rule"}),
            "odd_rules": (("odd_rule", "state"), odd_rules(4), {"units": "1", "long_name": "P(H up | V)"}),
        },
        {
            "coupling": ("coupling", couplings, {"units": "1", "long_name": "K = J/kT"}),
            "rule": ["block", "best", *RULES],
        },
    )
    return Result(
        estimates,
        ledger,
        Verdict(verdict.passed is True and bool(beaten), verdict.text),
        data,
        {"rules": _draw(config, couplings, table, all_rules)},
        cite=[
            "M. Koch-Janusz and Z. Ringel, Mutual information, neural networks and the renormalization group, "
            "Nature Physics 14, 578 (2018).",
            "P. M. Lenggenhager, D. E. Gokmen, Z. Ringel, S. D. Huber and M. Koch-Janusz, Optimal renormalization "
            "group transformation from information theory, Physical Review X 10, 011037 (2020).",
        ],
    )


def _one_spin(coupling: float, buffer: int) -> float:
    r = math.tanh(coupling) ** (buffer + 1)

    def entropy(correlation: float) -> float:
        return -sum(p * math.log(p) for p in ((1 + correlation) / 2, (1 - correlation) / 2))

    return math.log(2) + entropy(r * r) - 2 * entropy(r)


def _in_words(
    config: InformationOptimal, nats: dict[str, float], decimation: float, majority: float, like_majority: bool
) -> str:
    whole, best = nats["all"], nats["best"]
    apart = "next to it" if config.buffer == 0 else "one site away"
    named = [name for name in RULES if nats[name] > best * (1 - 1e-9)]
    return (
        f"At K_c a block of 2 x 2 spins holds {whole:.4f} nats about the ring {apart}. The best of all 256 odd rules "
        f"keeps {best:.5f} ({100 * best / whole:.0f} %) and {'follows' if like_majority else 'does NOT follow'} the "
        f"majority wherever there is one{f' (it is: {named[0]})' if named else ''}. Majority with ties to one spin "
        f"keeps {nats['majority, ties to one spin']:.5f}, with coins {nats['majority, ties by coin']:.5f}, decimation "
        f"{nats['decimation']:.5f}. In the chain it is the other way round: decimation {decimation:.5f}, majority of "
        f"two with coins {majority:.5f}. No rule with coins does better than the best without (convexity): this "
        "is the optimum over all odd rules.\n\n"
        "Limits. P(block | ring) is that of the infinite lattice, P(ring) that of a patch cut out with a free rim, "
        "which is less correlated. The optimum is for this block and this distance; that it renormalizes best "
        "at long distances is an argument (Koch-Janusz and Ringel), not a theorem."
    )


def _draw(config: InformationOptimal, couplings: Array, table: Array, all_rules: Array) -> Picture:
    drawing, (left, right) = plotting.figure(2, width=9.4, height=3.9)
    colours = (plotting.BLUE, plotting.SKY, plotting.GREEN, plotting.ORANGE, plotting.VERMILION)
    shown = table[:, 0] > 0
    styles: dict[str, dict[str, Any]] = {
        "best odd rule": {"linewidth": 4, "alpha": 0.4},
        "majority, ties to one spin": {"linestyle": "--"},
    }
    for column, (name, colour) in enumerate(zip(["best odd rule", *RULES], colours, strict=True)):
        share = 100 * table[shown, 1 + column] / table[shown, 0]
        plotting.band(left, couplings[shown], share, None, label=name, color=colour, **styles.get(name, {}))
    left.axvline(CRITICAL, color="#888888", linewidth=0.9, linestyle=":")
    left.set(
        xlabel=plotting.label("coupling K = J/kT"),
        ylabel=plotting.label("kept of the block's information", "%"),
        ylim=(0, 100),
    )
    apart = "next to it" if config.buffer == 0 else "one site away"
    left.set_title(f"What a block spin knows of the ring {apart}")
    left.legend(loc="lower right")
    ranked = np.sort(all_rules)[::-1]
    right.plot(np.arange(1, len(ranked) + 1), ranked, ".", color="#888888", markersize=4)
    patch = square_patch(CRITICAL, buffer=config.buffer)
    for (name, rule), colour in reversed([*zip(RULES.items(), colours[1:], strict=True)]):
        height = float(rule_information(patch, rule)[0])
        right.axhline(height, color=colour, linewidth=1.2, label=name, **styles.get(name, {}))
    right.set(
        xlabel=plotting.label("rule, by rank"), ylabel=plotting.label("information at $K_c$", "nat"), ylim=(0, None)
    )
    right.set_title("All 256 odd rules of four spins")
    right.legend(loc="lower left")
    return Picture(
        drawing,
        f"Left: the share of what the whole block knows of the ring {apart} that is left in its one block spin, "
        "against coupling. Dotted: the critical coupling. Right: nats that every odd rule keeps at K_c, by rank; lines "
        "mark the rules with names. Rules that follow the majority stand first, then comes a gap, then decimation. "
        "Three of the four spins do all but what four do with ties to one: those two lines can hardly be told apart.",
    )
