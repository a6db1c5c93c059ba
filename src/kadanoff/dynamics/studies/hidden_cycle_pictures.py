"""The pictures of the study `hidden-cycle`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff import plotting
from kadanoff.dynamics.block_divergence import BlockDivergence
from kadanoff.dynamics.dissipation import Dissipation
from kadanoff.dynamics.jumps import edge_flows
from kadanoff.estimates import Estimate
from kadanoff.study import Picture

__all__ = ["Null", "hidden", "ladder", "networks", "null", "words"]

Array = NDArray[np.float64]

_COLOURS = {"state lumps": plotting.BLUE, "resolved transitions": plotting.VERMILION, "milestones": plotting.GREEN}
_WORDS = {
    "apparent": "apparent: flows between lumps",
    "block_divergence": "words of {} lumps, D/(n-1)",
    "waiting_times": "half of jump, dwell time, jump",
    "semi_markov": "affinity and dwell times",
    "dwell_bound": "spread of dwell times, lump {}",
    "current_uncertainty": "uncertainty relation",
    "transition_sequence": "order of the jumps, σ_l",
    "transition_based": "order and times, σ_l + σ_t",
}


@dataclass(frozen=True, eq=False)
class Null:
    """Of the null test: the share of intervals with zero inside, by bound; (apparent, its error, uncorrected) (n, 3) of
    every chain; how many chains."""

    contains_zero: dict[str, float]
    apparent: Array
    chains: int


def ladder(
    networks: Sequence[tuple[str, Estimate | None, Sequence[tuple[Dissipation, Dissipation]]]], jumps: int
) -> Picture:
    """0 <= apparent <= bounds <= total, for each observer, exactly and from a trajectory."""
    drawing, axes = plotting.figure(1, len(networks), width=7.4, height=3.1 * len(networks))
    for axis, (title, total, observers) in zip(axes, networks, strict=True):
        labels, row = [], 0
        for exact, measured in observers:
            colour = _COLOURS[exact.observer]
            for name, bound in exact.bounds.items():
                stem, _, number = name.partition(".")
                if not bound.rigorous or (stem == "block_divergence" and number != "3"):
                    continue
                axis.plot([0, bound.estimate.value], [row, row], color=colour, linewidth=5, alpha=0.35,
                          solid_capstyle="butt", label=exact.observer if name in _FIRST else None)  # fmt: skip
                if name in measured.bounds:
                    low, high = measured[name].interval()
                    axis.errorbar(measured[name].value, row, xerr=[[max(measured[name].value - low, 0)],
                                  [max(high - measured[name].value, 0)]], fmt="o", markersize=3.5, color=colour,
                                  capsize=2, linewidth=1)  # fmt: skip
                labels.append(_WORDS[stem].format(number))
                row += 1
        if total is not None:
            axis.axvline(total.value, color=plotting.BLACK, linewidth=1.2)
            axis.text(total.value, -0.75, " total", va="center", fontsize=8)
            axis.set_xlim(-0.02 * max(total.value, 1e-3), 1.12 * max(total.value, 1e-3))
        axis.set(yticks=range(row), yticklabels=labels, ylim=(row - 0.4, -1.1))
        axis.tick_params(axis="y", labelsize=8)
        axis.set_xlabel(plotting.label("entropy production", "nat/s"))
        axis.set_title(title)
        axis.legend(loc="upper right", bbox_to_anchor=(0.88, 0.95), fontsize=8)
    return Picture(
        drawing,
        f"The ladder from 0 to the total (black line) as each observer climbs it. Bars: exact, what endless data would "
        f"give. Points: from one trajectory of {jumps:,} jumps, with 95 % intervals and the finite-data bias taken "
        "off. "
        "Blue: an observer of lumps of states; red: one of resolved jumps. No bar may pass the total, and none says "
        "how "
        "much is left.",
    )


_FIRST = ("apparent", "transition_sequence")


def networks(
    cycle: Array, four: Array, lumps: Sequence[int], four_lumps: Sequence[int], pairs: Sequence[tuple[int, int]],
    four_pairs: Sequence[tuple[int, int]],
) -> Picture:  # fmt: skip
    """Both networks with their net currents; lumps as colours of states, resolved edges in red."""
    drawing, axes = plotting.figure(2, width=7.4, height=3.5)
    for axis, rates, label, resolved, title, names in (
        (axes[0], cycle, lumps, pairs, "A → B → C → A", "ABC"),
        (axes[1], four, four_lumps, four_pairs, "four states (Harunari et al.)", "0123"),
    ):
        _network(axis, rates, label, {frozenset(pair) for pair in resolved}, names)
        axis.set_title(title)
    return Picture(
        drawing,
        "Net currents in the stationary state: an arrow points along the net flow between two states, its width and "
        "the "
        "number beside it give its size in jumps per second. States of one colour are one lump to the observer of "
        "lumps; "
        "red edges are those that the observer of transitions resolves, in both directions.",
    )


def _network(axis: Any, rates: Array, label: Sequence[int], resolved: set[frozenset[int]], names: str) -> None:
    flows = edge_flows(rates)
    n = len(rates)
    angle = np.pi / 2 + (np.pi / 4 if n == 4 else 0) - 2 * np.pi * np.arange(n) / n
    place = np.column_stack([np.cos(angle), np.sin(angle)])
    net = flows - flows.T
    largest = np.abs(net).max() or 1.0
    for i in range(n):
        for j in range(i + 1, n):
            if flows[i, j] == 0:
                continue
            start, end = (i, j) if net[i, j] >= 0 else (j, i)
            colour = plotting.VERMILION if frozenset((i, j)) in resolved else "#666666"
            axis.annotate(
                "", place[end], place[start],
                arrowprops={"arrowstyle": "-|>", "shrinkA": 17, "shrinkB": 17, "color": colour,
                            "linewidth": 0.8 + 3.2 * abs(net[i, j]) / largest, "mutation_scale": 15},
            )  # fmt: skip
            middle = 0.66 * place[start] + 0.34 * place[end]  # clear of the crossing of diagonals
            axis.text(*middle, f"{abs(net[i, j]):.3f}", fontsize=8, ha="center", va="center", color=colour,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0})  # fmt: skip
    fills = (plotting.SKY, plotting.ORANGE, plotting.GREEN, plotting.PURPLE)
    for i in range(n):
        axis.plot(*place[i], "o", markersize=25, color=fills[label[i] % len(fills)], markeredgecolor="black",
                  markeredgewidth=0.8)  # fmt: skip
        axis.text(*place[i], names[i], ha="center", va="center", fontsize=11)
    axis.set(xlim=(-1.4, 1.4), ylim=(-1.35, 1.35), aspect="equal")
    axis.axis("off")


def hidden(
    affinities: Array, drive: Array, arcs: Array, shown: Array, states: int, total: float, sensor: Array
) -> Picture:
    """The cycle against the drive, a ring seen as arcs, and the active sensor."""
    drawing, (left, middle, right) = plotting.figure(3, width=10.4, height=3.3)
    plotting.band(left, affinities, drive[:, 0], None, color=plotting.BLACK, label="total")
    left.stackplot(affinities, drive[:, 2], drive[:, 3], colors=[plotting.VERMILION, plotting.ORANGE], alpha=0.35,
                   linewidth=0, labels=["hidden inside {B, C}", "hidden: two ways as one"])  # fmt: skip
    plotting.band(left, affinities, drive[:, 4], None, color=plotting.GREEN, linestyle="--", label="dwell-time bound")
    plotting.band(left, affinities, drive[:, 1], None, color=plotting.BLUE, label="apparent")
    left.set(xlabel=plotting.label("drive ln(k₊/k₋)"), ylabel=plotting.label("entropy production", "nat/s"),
             ylim=(-0.03 * drive[-1, 0], None))  # fmt: skip
    left.set_title("A → B → C → A, B and C lumped")
    left.legend(loc="upper left", fontsize=8)
    share = np.divide(shown, total, out=np.zeros_like(shown), where=total != 0)
    middle.plot([3, states], [3 / states, 1], color=plotting.BLACK, linewidth=1, label=f"m/{states}")
    middle.plot(arcs, share, "o", color=plotting.BLUE, markersize=6, label="apparent")
    middle.set(xlabel=plotting.label("visible arcs m"), ylabel=plotting.label("share of the dissipation seen"),
               ylim=(-0.04, 1.04), xticks=arcs)  # fmt: skip
    middle.set_title(f"A ring of {states} states, seen as m arcs")
    middle.legend(loc="upper left", fontsize=8)
    order = np.argsort(sensor[:, 0])
    exact = sensor[order, 0]
    right.plot(exact, exact, color=plotting.BLACK, linewidth=1, label="total")
    plotting.band(right, exact, sensor[order, 1], None, color=plotting.GREEN, linestyle="--", label="dwell-time bound")
    plotting.band(right, exact, sensor[order, 2], None, color=plotting.PURPLE, label="uncertainty of the share of time")
    right.set(xlabel=plotting.label("total", "nat/s"), ylabel=plotting.label("bound", "nat/s"))
    right.set_title("Active sensor: 1 of 5 states told apart")
    right.legend(loc="upper left", fontsize=8)
    return Picture(
        drawing,
        "What lumping hides, and what the dwell times still tell. Left: entropy production of the cycle against the "
        "drive; the flows between A and {B, C} show none of it (blue), the spread of the dwell times in {B, C} bounds "
        "it "
        "from below (green). Middle: the share of the dissipation that the flows of a ring show when equal arcs of it "
        "are lumped; two arcs show nothing. Right: the active sensor of Skinner and Dunkel, four of its five states "
        "lumped: the dwell-time bound against that of the share of time spent in the lump.",
    )


def words(ratchet: BlockDivergence, ratchet_total: float, six: BlockDivergence, six_total: float) -> Picture:
    """Divergence of words against their length, as a share of the total."""
    drawing, axes = plotting.figure(2)
    for axis, blocks, total, title in (
        (axes[0], ratchet, ratchet_total, "Flashing ratchet, its switch unseen"),
        (axes[1], six, six_total, "Ring of six, labels a a b a b b"),
    ):
        axis.plot(blocks.lengths, blocks.per_step / total, "o-", color=plotting.BLUE, markersize=4,
                  label="D_n/(n-1), a bound")  # fmt: skip
        axis.plot(blocks.lengths, blocks.increments / total, "s--", color=plotting.ORANGE, markersize=4,
                  label="d_n, not a bound at finite n")  # fmt: skip
        if blocks.increments.max() > 0.5 * total:
            axis.axhline(1.0, color=plotting.BLACK, linewidth=1, label="total")
        axis.set(xlabel=plotting.label("symbols n in a word"), ylabel="share of the total", ylim=(0, None))
        axis.set_title(title)
        axis.legend(loc="best", fontsize=8)
    return Picture(
        drawing,
        "Words of n symbols against the same words read backwards, exactly enumerated. Left: places of the flashing "
        f"ratchet (V = 1), potential unseen: even words of {len(ratchet.divergence)} show "
        f"{100 * ratchet.per_step[-1] / ratchet_total:.0f} % of the total as a bound and "
        f"{100 * ratchet.increments[-1] / ratchet_total:.0f} % by the increment. Right: a ring driven with p = 0.8, "
        "where "
        f"the increment of n = 9 is {six.increments[7] / six_total:.2f} of the total: above it, so that increments "
        "are no "
        "bounds. D_n / (n - 1) never passes 1.",
    )


def null(chains: Null, driven: Estimate) -> Picture:
    """The null test: chains in equilibrium."""
    drawing, (left, right) = plotting.figure(2, width=9.4, height=3.4)
    value, error, plain = chains.apparent[chains.apparent[:, 1] > 0].T
    order = np.argsort(value / error)
    rank = np.arange(len(value))
    left.axhspan(-1.98, 1.98, color=plotting.SKY, alpha=0.25, linewidth=0, label="95 % interval contains zero")
    left.plot(rank, (plain / error)[order], ".", color=plotting.VERMILION, markersize=3, label="plain counts")
    left.plot(rank, (value / error)[order], ".", color=plotting.BLUE, markersize=3, label="bias taken off")
    left.axhline(0.0, color=plotting.BLACK, linewidth=1)
    left.set(xlabel="reversible chain, by rank", ylabel="apparent / its error", ylim=(-2.6, 4.0))
    left.set_title(f"{chains.chains} chains in equilibrium")
    left.legend(loc="upper left", fontsize=8)
    names = list(chains.contains_zero)
    place = np.arange(len(names))
    right.barh(place, [100 * chains.contains_zero[name] for name in names], color=plotting.BLUE, alpha=0.4)
    right.axvline(93, color=plotting.BLACK, linewidth=1)
    right.set(yticks=place, yticklabels=[name.replace("_", " ") for name in names], xlim=(80, 100.5),
              xlabel="intervals that contain zero (%)")  # fmt: skip
    right.tick_params(axis="y", labelsize=7)
    right.invert_yaxis()
    low, high = driven.interval()
    right.set_title("by bound; line: 93 %")
    return Picture(
        drawing,
        "The null test. Left: apparent entropy production of chains that produce none, in standard errors; plain "
        "counts (red) are never below zero and would be taken for dissipation. Right: how often the interval of each "
        f"bound contains zero. A driven 3-cycle of 0.12477 nats a step gives {driven.value:.4f} "
        f"({low:.4f} to {high:.4f}).",
    )
