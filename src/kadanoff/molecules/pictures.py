"""What the studies of molecules draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.molecules.comparison import AGREES, NEARLY, Comparison, order_in_words, plural, share_beyond
from kadanoff.molecules.force_matching import ForceMatch
from kadanoff.molecules.iteration import Iteration
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.structure import Structure
from kadanoff.study import Picture

__all__ = ["of", "plain_rdf"]

NAMES = {"newton": "Newton", "ibi": "IBI", "fm": "force matching", "pmf": "Boltzmann inversion"}
_SHORT = {**NAMES, "newton": "Newton"}
_COLOURS = {"newton": plotting.BLUE, "ibi": plotting.ORANGE, "fm": plotting.VERMILION, "pmf": plotting.PURPLE}


def of(found: Comparison) -> dict[str, Picture]:
    """All pictures of the bottom-up study, the most telling first."""
    drawn = {
        "rdf": rdf(found),
        "potentials": potentials(found),
        "convergence": convergence(found.turns, found.turns["newton"][-1].floor),
    }
    if found.match is not None:
        drawn["forces"] = forces(found.match, found.potential)
    if found.shapes is not None:
        drawn["shapes"] = shapes(*found.shapes, found.ratio <= NEARLY)
    return drawn


def rdf(found: Comparison) -> Picture:
    """g(r) of reference and model, and their difference against the noise."""
    target, model = found.odd, found.final.distribution
    drawing, (top, bottom) = plotting.figure(1, 2, width=6.2, height=5.8, sharex=True)
    start = max(0.0, float(target.r[np.argmax(target.g > 0.01)]) - 0.03)
    plotting.band(
        top, target.r, target.g, target.error, label="atomistic, odd blocks", color=plotting.BLACK, linewidth=3.2,
        alpha=0.75,
    )  # fmt: skip
    plotting.band(top, model.r, model.g, model.error, label="beads", color=_COLOURS["newton"], linewidth=1.3)
    if found.matched is not None:
        other = found.matched.distribution
        plotting.band(
            top, other.r, other.g, other.error, label="force-matched beads", color=_COLOURS["fm"], linewidth=1,
            linestyle="--",
        )  # fmt: skip
    top.set(ylabel=plotting.label("g(r)"), xlim=(start, float(target.edges[-1])), ylim=(0, None))
    _legend_above(top)
    difference = model.g - target.g
    noise = np.hypot(model.error, target.error)
    bottom.fill_between(
        target.r, -2 * noise, 2 * noise, color=plotting.BLACK, alpha=0.12, linewidth=0, label="twice the noise of both"
    )
    bottom.axhline(0, color=plotting.BLACK, linewidth=0.7)
    bottom.plot(
        target.r, difference, color=_COLOURS["newton"], marker=".", markersize=3, linewidth=1, label="beads - atomistic"
    )
    bottom.axvline(found.judged, color=plotting.BLACK, linewidth=0.9, linestyle=":", label="judged up to here")
    bottom.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("difference of g"))
    _legend_above(bottom)
    rms, floor = found.difference
    share = share_beyond(model, target, found.judged)
    caption = (
        f"Top: pair distribution of the centres of mass in the atomistic reference (odd time blocks, which the fit "
        f"never saw) and in a fresh simulation of the beads; bands are standard errors. Bottom: their difference. Its "
        f"RMS up to {found.judged:g} nm (dotted) is {rms}, {found.ratio:.3g} times the {floor} that the noise alone "
        f"would give; {100 * share:.0f} % of the bins lie beyond twice the noise of both (by chance about 5 %)."
    )
    if found.matched_difference is not None:
        rms, floor = found.matched_difference
        caption += f" Force-matched beads (dashed): RMS {rms}, {rms.value / floor.value:.3g} times their noise."
    return Picture(drawing, caption)


def potentials(found: Comparison) -> Picture:
    """All potentials on one axis, with the bands that are known and the unsupported range shaded."""
    curves, newton = found.curves, found.potential
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.9)
    floor = min(float(p.energy[p.is_supported(p.r)].min()) for p in curves.values())
    for axis in (left, right):
        for name, potential in curves.items():
            shown = potential.r >= newton.supported[0] - 0.03
            band = None if potential.band is None else np.nan_to_num(potential.band[shown])
            plotting.band(
                axis, potential.r[shown], potential.energy[shown], band, label=NAMES[name], color=_COLOURS[name]
            )
        axis.axvspan(newton.supported[0] - 0.03, newton.supported[0], color=plotting.BLACK, alpha=0.12, linewidth=0)
        axis.axhline(0, color=plotting.BLACK, linewidth=0.6)
        axis.set(
            xlabel=plotting.label("r", "nm"),
            ylabel=plotting.label("U(r)", "kJ/mol"),
            xlim=(newton.supported[0] - 0.03, newton.cutoff),
        )
    left.set_ylim(1.3 * floor - 1, 3.0 * max(2.0, -floor))
    tail = newton.supported[0] + 0.35 * (newton.cutoff - newton.supported[0])
    right.set(ylim=_limits([p.energy[p.r > tail] for p in curves.values()]), xlim=(tail, newton.cutoff))
    left.legend()
    left.set_title("Whole range")
    right.set_title("Tail")
    return Picture(drawing, _potentials_in_words(found))


def _potentials_in_words(found: Comparison) -> str:
    curves, newton = found.curves, found.potential
    banded = [_SHORT[name] for name, potential in curves.items() if potential.band is not None]
    words = [f"Bead potentials from one trajectory: {_listed([_SHORT[name] for name in curves])}."]
    words.append(f"Bands are standard errors, known for {_listed(banded)}." if banded else "Errors are not known.")
    words.append("Grey: no data, the wall is extrapolated.")
    # on the wall the smallest shift is many kJ/mol, and means nothing
    first = float(found.odd.r[np.argmax(found.odd.g > 0.1)])
    r = newton.r[(newton.r >= first) & (newton.r < newton.cutoff)]
    distances = []
    for name, potential in curves.items():
        if name == "newton":
            continue
        difference = np.abs(potential.energy_at(r) - newton.energy_at(r))
        at = int(np.argmax(difference))
        distance = f"{_SHORT[name]} {difference[at]:.2g} kJ/mol at {r[at]:.2f} nm"
        parts = [np.interp(r, p.r, p.band)[at] for p in (newton, potential) if p.band is not None]
        error = float(np.sqrt(np.nansum(np.square(parts))))
        distances.append(f"{distance} ({difference[at] / error:.2g} standard errors)" if error > 0 else distance)
    if distances:
        words.append(
            f"Largest distance from the Newton potential beyond {first:.2f} nm, where g(r) has passed 0.1: "
            f"{_listed(distances)}."
        )
    for name, turns in found.turns.items():
        taken = found.best if name == "newton" else turns[-1]
        floors = taken.rms.value / taken.floor.value
        short = "has not converged" if name == "ibi" else "does not match the fitted g(r)"
        state = short if floors > AGREES else "matches the fitted g(r)"
        words.append(f"{_SHORT[name]} {state}: its RMS is {floors:.3g} noise floors.")
    return " ".join(words)


def forces(match: ForceMatch, newton: PairPotential) -> Picture:
    """The matched pair force with its 95 % band, and the variance it leaves."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.8)
    first, last = match.supported[0], match.knots.cutoff
    r = np.linspace(first, last, 400)
    force, half, other = match.force(r), match.band(r), newton.force_at(r)
    for axis in (left, right):
        drawn = axis.plot(r, force, color=_COLOURS["fm"], label="force matching")[0]
        axis.fill_between(r, force - half, force + half, color=drawn.get_color(), alpha=0.25, linewidth=0)
        axis.plot(r, other, color=_COLOURS["newton"], linewidth=1, label="-dU/dr of the Newton potential")
        axis.axhline(0, color=plotting.BLACK, linewidth=0.6)
        axis.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("pair force", "kJ/mol/nm"))

    def largest(start: float) -> float:
        return max(float(np.abs(curve[r >= start]).max()) for curve in (force, other))

    # the wall is cut off: behind it lies all that differs
    negative = r[(force < 0) | (other < 0)]
    reach = largest(float(negative[0]) if len(negative) else first)
    left.set(ylim=(-1.3 * reach, min(4.0 * reach, 1.05 * largest(first))), xlim=(first - 0.01, last))
    tail = first + 0.35 * (last - first)
    right.set(ylim=_limits([curve[r >= tail] for curve in (force, other)]), xlim=(tail, last))
    left.legend()
    left.set_title("Pair force")
    right.set_title("Tail")
    return Picture(
        drawing,
        f"The pair force that comes nearest to the atomistic forces on the beads, with its {100 * match.confidence:g} "
        f"% band, explains {match.explained_variance} of their variance. The rest is many-body or comes from what the "
        f"map has averaged out: no pair potential of this cut-off can have it. Blue: the force of the potential that "
        f"was fitted to g(r).",
    )


def convergence(turns: Mapping[str, Sequence[Iteration]], floor: Estimate) -> Picture:
    """RMS of g and pressure against the number of the simulation, for each method."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.6)
    error = floor.error or 0.0
    left.axhspan(floor.value - error, floor.value + error, color=plotting.BLACK, alpha=0.15, linewidth=0)
    left.axhline(floor.value, color=plotting.BLACK, linestyle="--", linewidth=1, label="noise floor")
    for name, found in turns.items():
        number = [turn.number for turn in found]
        left.errorbar(
            number, [turn.rms.value for turn in found], [turn.rms.error or 0.0 for turn in found], color=_COLOURS[name],
            marker="o", markersize=4, capsize=2, label=NAMES[name],
        )  # fmt: skip
        right.errorbar(
            number, [turn.sample.pressure.value / 1000 for turn in found],
            [(turn.sample.pressure.error or 0.0) / 1000 for turn in found], color=_COLOURS[name], marker="o",
            markersize=4, capsize=2,
        )  # fmt: skip
    left.set(yscale="log", xlabel="steps taken", ylabel=plotting.label("RMS of g(r) from the fitted blocks"))
    right.set(xlabel="steps taken", ylabel=plotting.label("pressure of the beads", "kbar"))
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_above(left)
    ends = [
        f"{_SHORT[name]} ends at {found[-1].rms} after {plural(len(found) - 1, 'step')}, "
        f"{found[-1].rms.value / found[-1].floor.value:.3g} noise floors"
        for name, found in turns.items()
    ]
    return Picture(
        drawing,
        f"Left: distance of the beads' g(r) from the blocks that are fitted, for each simulation on the way; dashed: "
        f"the noise floor {floor} and, grey, its error. {'; '.join(ends)}. Right: the pressure of the beads on the "
        f"way. 0 is the first guess: the HNC potential for Newton"
        + (", the potential of mean force for IBI." if "ibi" in turns else "."),
    )


def shapes(fine: Structure, coarse: Structure, matches: bool) -> Picture:
    """Angles in the first shell and tetrahedral order, atomistic and beads; ``matches``: whether g(r) agrees."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.6)
    for shape, name, color in ((fine, "atomistic", plotting.BLACK), (coarse, "beads", _COLOURS["newton"])):
        plotting.band(left, shape.cosines, shape.angles, shape.angles_error, label=name, color=color)
        plotting.band(
            right, shape.orders, shape.order, shape.order_error, label=f"{name}, mean {shape.tetrahedral}", color=color
        )
    counts = np.cumsum(fine.order_counts.sum(axis=0) + coarse.order_counts.sum(axis=0))
    lowest = float(fine.orders[np.searchsorted(counts, 0.001 * counts[-1])])
    left.set(xlabel="cosine of the angle between two neighbours", ylabel="probability density", ylim=(0, None))
    right.set(
        xlabel="tetrahedral order q", ylabel="probability density", xlim=(lowest - 0.05, 1), ylim=(0, None),
    )  # fmt: skip
    _legend_above(left)
    _legend_above(right)
    return Picture(
        drawing,
        f"What a pair fit never saw. Left: angles within the first shell ({fine.cutoff:.3g} nm). Right: "
        f"Errington-Debenedetti order of the four nearest neighbours, 1 for a perfect tetrahedron. "
        f"{order_in_words(fine.tetrahedral, coarse.tetrahedral, matches)} Bands are standard errors.",
    )


def _legend_above(axis: Axes) -> None:
    """All entries in one row over the axis, where no curve can be."""
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, borderaxespad=0.2, columnspacing=1.4)


def _limits(curves: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    low, high = min(float(curve.min()) for curve in curves), max(float(curve.max()) for curve in curves)
    return low - 0.12 * (high - low), high + 0.12 * (high - low)


def _listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def plain_rdf(distribution: PairDistribution) -> Picture:
    """One g(r) with its band."""
    drawing, (axis,) = plotting.figure()
    plotting.band(axis, distribution.r, distribution.g, distribution.error, color=plotting.BLACK)
    axis.axhline(1, color=plotting.BLACK, linewidth=0.6)
    axis.set(xlabel=plotting.label("r", "nm"), ylabel="g(r)", ylim=(0, None))
    return Picture(drawing, "Pair distribution of the centres of mass, with standard errors from blocks of frames.")
