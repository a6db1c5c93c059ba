"""What the studies of molecules draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.molecules.comparison import Comparison
from kadanoff.molecules.force_matching import ForceMatch
from kadanoff.molecules.iteration import Iteration
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.structure import Structure
from kadanoff.study import Picture

__all__ = ["of", "plain_rdf"]

NAMES = {"newton": "Newton (HNC Jacobian)", "ibi": "IBI", "fm": "force matching", "pmf": "Boltzmann inversion"}
_COLOURS = {"newton": plotting.BLUE, "ibi": plotting.ORANGE, "fm": plotting.VERMILION, "pmf": plotting.PURPLE}


def of(found: Comparison) -> dict[str, Picture]:
    """All pictures of the bottom-up study, the most telling first."""
    rms, floor = found.difference
    matched = None if found.matched is None else found.matched.distribution
    drawn = {
        "rdf": rdf(found.odd, found.final.distribution, matched, found.judged, rms, floor),
        "potentials": potentials(found.curves),
        "convergence": convergence(found.turns, found.turns["newton"][-1].floor),
    }
    if found.match is not None:
        drawn["forces"] = forces(found.match, found.potential)
    if found.shapes is not None:
        drawn["shapes"] = shapes(*found.shapes)
    return drawn


def rdf(
    target: PairDistribution,
    model: PairDistribution,
    matched: PairDistribution | None,
    judged: float,
    rms: Estimate,
    floor: Estimate,
) -> Picture:
    """g(r) of reference and model, and their difference against the noise."""
    drawing, (top, bottom) = plotting.figure(1, 2, width=6.2, height=5.6, sharex=True)
    start = max(0.0, float(target.r[np.argmax(target.g > 0.01)]) - 0.03)
    if matched is not None:
        plotting.band(
            top,
            matched.r,
            matched.g,
            matched.error,
            label="force-matched beads",
            color=_COLOURS["fm"],
            linewidth=1,
            linestyle="--",
        )
    plotting.band(top, target.r, target.g, target.error, label="atomistic (odd blocks)", color=plotting.BLACK)
    plotting.band(
        top, model.r, model.g, model.error, label="beads, fitted to the even blocks", color=_COLOURS["newton"]
    )
    top.set(ylabel=plotting.label("g(r)"), xlim=(start, float(target.edges[-1])), ylim=(0, None))
    top.legend()
    difference = model.g - target.g
    noise = np.hypot(model.error, target.error)
    bottom.fill_between(
        target.r, -2 * noise, 2 * noise, color=plotting.BLACK, alpha=0.12, linewidth=0, label="twice the noise of both"
    )
    bottom.axhline(0, color=plotting.BLACK, linewidth=0.7)
    bottom.plot(target.r, difference, color=_COLOURS["newton"], marker=".", markersize=3, label="beads - atomistic")
    bottom.axvline(judged, color=plotting.BLACK, linewidth=0.7, linestyle=":")
    bottom.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("difference of g"))
    bottom.legend()
    return Picture(
        drawing,
        f"Top: pair distribution of the centres of mass in the atomistic reference (odd time blocks, which the fit "
        f"never saw) and in a "
        f"fresh simulation of the beads; bands are standard errors. Bottom: their difference stays within the noise of "
        f"both: RMS {rms} up to {judged:g} nm (dotted), where the noise alone would give {floor}.",
    )


def potentials(curves: Mapping[str, PairPotential]) -> Picture:
    """All potentials on one axis, with bands and the unsupported range shaded."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.8)
    floor = min(float(p.energy[p.is_supported(p.r)].min()) for p in curves.values())
    newton = curves["newton"]
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
    outer = newton.r > newton.supported[0] + 0.35 * (newton.cutoff - newton.supported[0])
    reach = 1.3 * max(float(np.abs(p.energy[p.r > newton.r[outer][0]]).max()) for p in curves.values())
    right.set(ylim=(-reach, reach), xlim=(float(newton.r[outer][0]), newton.cutoff))
    left.legend()
    left.set_title("Whole range")
    right.set_title("Tail")
    return Picture(
        drawing,
        "Four bead potentials from one trajectory, with standard errors. Grey: no data, the wall is extrapolated. "
        "Methods that match structure "
        "(Newton, IBI) agree with each other as far as g(r) can tell and differ from force matching, because one "
        "pair potential cannot be "
        "right in both; the potential of mean force (Boltzmann inversion) is none of them. Small differences in the "
        "tail move "
        "the pressure by kilobars.",
    )


def forces(match: ForceMatch, newton: PairPotential) -> Picture:
    """The matched pair force with its 95 % band, and the variance it leaves."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.6)
    first = match.supported[0]
    r = np.linspace(first, match.knots.cutoff, 400)
    force, half = match.force(r), match.band(r)
    for axis in (left, right):
        drawn = axis.plot(r, force, color=_COLOURS["fm"], label="force matching, 95 % band")[0]
        axis.fill_between(r, force - half, force + half, color=drawn.get_color(), alpha=0.25, linewidth=0)
        axis.plot(r, newton.force_at(r), color=_COLOURS["newton"], linewidth=1, label="-dU/dr of the Newton potential")
        axis.axhline(0, color=plotting.BLACK, linewidth=0.6)
        axis.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("pair force", "kJ/mol/nm"))
    tail = r > first + 0.1
    reach = 1.4 * float(np.abs(force[tail]).max())
    right.set(ylim=(-reach, reach))
    left.legend()
    left.set_title("Matched pair force")
    right.set_title("The same, enlarged")
    return Picture(
        drawing,
        f"The pair force that comes nearest to the atomistic forces on the beads explains "
        f"{match.explained_variance} of their variance. "
        "The rest is many-body or comes from what the map has averaged out: no pair potential can have it.",
    )


def convergence(turns: Mapping[str, Sequence[Iteration]], floor: Estimate) -> Picture:
    """RMS of g and pressure against the number of the simulation, for each method."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.4)
    for name, found in turns.items():
        number = [turn.number for turn in found]
        left.errorbar(
            number, [turn.rms.value for turn in found], [turn.rms.error or 0.0 for turn in found], color=_COLOURS[name],
            marker="o",
            markersize=4, capsize=2, label=NAMES[name],
        )  # fmt: skip
        right.errorbar(
            number, [turn.sample.pressure.value / 1000 for turn in found],
            [(turn.sample.pressure.error or 0.0) / 1000 for turn in found], color=_COLOURS[name], marker="o",
            markersize=4, capsize=2,
        )  # fmt: skip
    left.axhline(floor.value, color=plotting.BLACK, linestyle="--", linewidth=1, label="noise floor")
    left.set(yscale="log", xlabel="number of mendings", ylabel=plotting.label("RMS of g - g(even blocks)"))
    right.set(xlabel="number of mendings", ylabel=plotting.label("pressure of the beads", "kbar"))
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend()
    return Picture(
        drawing,
        "Left: distance of the beads' g(r) from the blocks that are fitted, against simulations spent; dashed: the "
        "noise. Right: the pressure "
        "of the bead model on the way. Number 0 is the first guess: the HNC potential for Newton, the potential of "
        "mean force for IBI.",
    )


def shapes(fine: Structure, coarse: Structure) -> Picture:
    """Angles in the first shell and tetrahedral order, atomistic and beads."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.4)
    for shape, name, color in ((fine, "atomistic", plotting.BLACK), (coarse, "beads", _COLOURS["newton"])):
        plotting.band(left, shape.cosines, shape.angles, shape.angles_error, label=name, color=color)
        plotting.band(
            right, shape.orders, shape.order, shape.order_error, label=f"{name}, mean {shape.tetrahedral}", color=color
        )
    left.set(xlabel="cos of the angle between two neighbours", ylabel="probability density", ylim=(0, None))
    right.set(xlabel="tetrahedral order q", ylabel="probability density", xlim=(-1, 1), ylim=(0, None))
    left.legend()
    right.legend()
    return Picture(
        drawing,
        f"What a pair fit never saw. Left: angles within the first shell ({fine.cutoff:.3g} nm). Right: "
        f"Errington-Debenedetti order of the four "
        "nearest neighbours, 1 for a perfect tetrahedron. The g(r) agrees and the network does not: beads have no "
        "hydrogen bonds.",
    )


def plain_rdf(distribution: PairDistribution) -> Picture:
    """One g(r) with its band."""
    drawing, (axis,) = plotting.figure()
    plotting.band(axis, distribution.r, distribution.g, distribution.error, color=plotting.BLACK)
    axis.axhline(1, color=plotting.BLACK, linewidth=0.6)
    axis.set(xlabel=plotting.label("r", "nm"), ylabel="g(r)", ylim=(0, None))
    return Picture(drawing, "Pair distribution of the centres of mass, with standard errors from blocks of frames.")
