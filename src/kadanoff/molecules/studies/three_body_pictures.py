"""What the three-body study draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from kadanoff import plotting
from kadanoff.molecules.studies.three_body_report import NAMES, Comparison, Recovered, angle_rms, explained
from kadanoff.study import Picture

if TYPE_CHECKING:
    from kadanoff.molecules.term_matching import FittedTerm

__all__ = ["of"]

_COLOURS = {"pair": plotting.ORANGE, "three_body": plotting.BLUE}
_LABELS = {
    "pair": "pairs", "three_body": "+ three-body\n(angles)", "three_body_splines": "+ three-body\n(splines)",
    "density": "+ angles\n+ density",
}  # fmt: skip


def of(found: Comparison) -> dict[str, Picture]:
    """All pictures, the most telling first."""
    drawn = {"variance": variance(found), "angles": angles(found), "forces": forces(found), "rdf": rdf(found)}
    if found.recovered is not None:
        drawn["mw"] = mw(found.recovered)
    drawn["scan"] = scan(found)
    if found.floor is not None:
        drawn["floor"] = floor(found)
    return drawn


def variance(found: Comparison) -> Picture:
    """Explained variance by term, up to what can be explained at all."""
    drawing, (axis,) = plotting.figure(width=6.6, height=3.9)
    known = explained(found)
    places = np.arange(len(known))
    values = [value.value for value in known.values()]
    colours = [_COLOURS.get(name, plotting.SKY) for name in known]
    axis.bar(places, values, 0.62, yerr=[value.error or 0.0 for value in known.values()], color=colours, capsize=3)
    for place, value in zip(places, values, strict=True):
        axis.text(float(place), value - 0.03, f"{value:.3f}", ha="center", va="top", color="white")
    if found.floor is not None:
        top = 1.0 - found.floor.floor.value
        error = found.floor.floor.error or 0.0
        words = "at most this can be explained"
        axis.axhspan(top, 1.0, color=plotting.BLACK, alpha=0.12, linewidth=0)
        axis.axhspan(top - error, top + error, color=plotting.BLACK, alpha=0.3, linewidth=0)
        axis.text(len(known) - 0.55, top + 0.02, f"{words}: {top:.3f}", ha="right", va="bottom", fontsize=8)
    axis.set(xticks=places, ylabel="explained force variance", ylim=(0, 1.0), xlim=(-0.6, len(known) - 0.4))
    axis.set_xticklabels([_LABELS[name] for name in known])
    if found.floor is not None:
        last = f"Grey: {found.floor.text}."
    else:
        last = (
            f"What is left, {1.0 - found.match.best.value:.3f} at best, is an upper bound of the irreducible floor, "
            "which was not measured."
        )
    return Picture(
        drawing,
        f"Share of the variance of the forces on the beads that each fit explains, in-sample and held-out averaged, "
        f"with standard errors. {last}",
    )


def angles(found: Comparison) -> Picture:
    """Angles in the first shell and tetrahedral order of reference and models."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.7)
    shapes = [("reference", found.fine, plotting.BLACK)]
    shapes += [(NAMES[name], run.shape, _COLOURS[name]) for name, run in found.runs.items() if run.shape is not None]
    for name, shape, colour in shapes:
        plotting.band(left, shape.cosines, shape.angles, shape.angles_error, label=name, color=colour)
        plotting.band(
            right, shape.orders, shape.order, shape.order_error, label=f"{name}: mean {shape.tetrahedral}", color=colour
        )
    counts = np.cumsum(sum(shape.order_counts.sum(axis=0) for _, shape, _ in shapes))
    lowest = float(found.fine.orders[np.searchsorted(counts, 0.002 * counts[-1])])
    left.set(xlabel="cosine of the angle between two neighbours", ylabel="probability density", ylim=(0, None))
    right.set(xlabel="tetrahedral order q", ylabel="probability density", xlim=(lowest - 0.05, 1), ylim=(0, None))
    _above(left, 3)
    right.set_ylim(0, 1.4 * right.get_ylim()[1])  # room for the legend
    right.legend(loc="upper left")
    off = [
        f"{NAMES[name]} {angle_rms(found.fine, run.shape)}" for name, run in found.runs.items() if run.shape is not None
    ]
    return Picture(
        drawing,
        f"What no fit saw. Left: angles within the first shell ({found.fine.cutoff:.3g} nm); RMS difference from the "
        f"reference: {'; '.join(off)}. Right: Errington-Debenedetti order of the four nearest neighbours. Bands are "
        "standard errors.",
    )


def forces(found: Comparison) -> Picture:
    """Pair forces with bands, with and without the three-body term, and h(cos)."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.8)
    fits = {"pair": found.match.pair.fits[0], "three_body": found.match.three_body.fits[0]}
    first = min(fit.supported[0] for fit in fits.values())
    r = np.linspace(first - 0.02, fits["pair"].knots.cutoff, 500)
    deepest = 0.0
    for name, fit in fits.items():
        inside = r >= fit.supported[0]
        value = fit.value(r[inside])
        plotting.band(left, r[inside], value, fit.band(r[inside]), label=NAMES[name], color=_COLOURS[name])
        deepest = max(deepest, -float(value.min()))
    left.axvspan(first - 0.02, first, color=plotting.BLACK, alpha=0.12, linewidth=0, label="no data")
    left.axhline(0, color=plotting.BLACK, linewidth=0.6)
    left.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("pair force", "kJ/mol/nm"),
             ylim=(-1.25 * deepest, 2.5 * deepest), xlim=(r[0], r[-1]))  # fmt: skip
    left.legend()
    angle = found.match.three_body.of(found.match.angular)
    _angular(right, angle, _COLOURS["three_body"])
    right.legend()
    return Picture(
        drawing,
        f"Left: pair forces with their 95 % bands; beside a three-body term the pair force has another meaning. Right: "
        f"h(cos theta) of the three-body term with cut-off {angle.term.reach:g} nm, with its 95 % band; grey: few or "
        "no triplets; where there are none the model's h goes over into a constant.",
    )


def _angular(axis: Axes, angle: FittedTerm, colour: str) -> None:
    x = np.linspace(*angle.supported, 300)
    plotting.band(axis, x, angle.value(x), angle.band(x), label="force matching", color=colour)
    low, high = angle.supported
    for at, end, name in ((-1.0, low, ""), (high, 1.0, "few data")):
        if end > at:
            axis.axvspan(at, end, color=plotting.BLACK, alpha=0.12, linewidth=0, label=name or None)
    axis.axhline(0, color=plotting.BLACK, linewidth=0.6)
    axis.set(xlabel=r"cos $\theta$", ylabel=plotting.label("h", "kJ/mol"), xlim=(-1, 1))


def rdf(found: Comparison) -> Picture:
    """g(r) of reference and models."""
    drawing, (axis,) = plotting.figure(width=6.6, height=3.9)
    target = found.target
    plotting.band(axis, target.r, target.g, target.error, label="reference", color=plotting.BLACK, linewidth=2.6,
                  alpha=0.75)  # fmt: skip
    words = []
    for name, run in found.runs.items():
        if run.distribution is not None:
            g = run.distribution
            plotting.band(axis, g.r, g.g, g.error, label=NAMES[name], color=_COLOURS[name], linewidth=1.3)
            rms, noise = found.differences[name]
            words.append(f"{NAMES[name]} {rms}, {rms.value / noise.value:.3g} times the noise")
    start = max(0.0, float(target.r[np.argmax(target.g > 0.01)]) - 0.03)
    axis.set(xlabel=plotting.label("r", "nm"), ylabel="g(r)", xlim=(start, float(target.edges[-1])), ylim=(0, None))
    axis.legend()
    return Picture(
        drawing,
        f"Pair distributions; forces were matched, not these. RMS difference up to {found.judged:g} nm from the odd "
        f"blocks of the reference: {'; '.join(words)}.",
    )


def mw(recovered: Recovered) -> Picture:
    """The known Stillinger-Weber potential and what the fit returned."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.8)
    angle, pair = recovered.angle, recovered.pair
    _angular(left, angle, plotting.BLUE)
    x = np.linspace(-1.0, 1.0, 200)
    truth = recovered.truth.triplets[0].angular(x)[0]  # type: ignore[union-attr]
    left.plot(x, truth, color=plotting.BLACK, linestyle="--", linewidth=1.2, label="truth")
    left.set_ylim(-0.1 * float(truth.max()), 1.3 * float(truth.max()))
    left.legend(loc="upper left")
    r = np.linspace(pair.supported[0], pair.knots.cutoff, 400)
    value = pair.value(r)
    plotting.band(right, r, value, pair.band(r), label="force matching", color=plotting.BLUE)
    exact = recovered.truth.only.force_at(r)
    right.plot(r, exact, color=plotting.BLACK, linestyle="--", linewidth=1.2, label="truth")
    right.axhline(0, color=plotting.BLACK, linewidth=0.6)
    deepest = -float(exact.min())
    right.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("pair force", "kJ/mol/nm"),
              ylim=(-1.4 * deepest, 3.0 * deepest))  # fmt: skip
    right.legend()
    inside, number = recovered.inside()
    return Picture(
        drawing,
        f"mW water, forces with Gaussian noise of {recovered.noise:g} of their RMS: the three-body function and the "
        f"pair force that were put in (dashed) and those that came back, with 95 % bands; {inside} of {number} "
        f"supported knots of h lie inside. With 1, cos, cos^2: lambda {recovered.strength()}, cos theta_0 "
        f"{recovered.cosine()}; pairs alone explain {recovered.exact.explained['pair']} of the variance, with the "
        f"three-body term {recovered.exact.total}.",
    )


def scan(found: Comparison) -> Picture:
    """Held-out explained variance against cut-off and decay."""
    drawing, (axis,) = plotting.figure(width=6.6, height=3.7)
    decays = sorted({one.term.decay for one in found.match.candidates})
    for decay, colour in zip(decays, plotting.COLOURS * 4, strict=False):
        some = sorted(
            (one for one in found.match.candidates if one.term.decay == decay), key=lambda one: one.term.cutoff
        )
        axis.plot(
            [one.term.cutoff for one in some], [one.held_out.value for one in some], marker="o", markersize=4,
            color=colour, label=f"d = {decay:g} nm",
        )  # fmt: skip
    axis.set(xlabel=plotting.label("cut-off of the three-body term", "nm"), ylabel="explained variance, held out")
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    best = found.match.candidates[0]
    return Picture(
        drawing,
        f"Force variance that pairs and a three-body term explain on blocks that were not fitted, for each cut-off and "
        f"decay d that was tried. Best: {best.term.cutoff:g} nm and {best.term.decay:g} nm, {best.held_out}.",
    )


def floor(found: Comparison) -> Picture:
    """D(t) of the forces at fixed beads."""
    assert found.floor is not None
    drawing, (axis,) = plotting.figure(width=6.0, height=3.6)
    plotting.band(axis, found.floor.lags, found.floor.curve, found.floor.error, color=plotting.BLACK, label="D(t)")
    least = 1.0 - found.match.best.value
    axis.axhline(least, color=plotting.BLUE, linestyle="--", label="left by the best fit")
    axis.set(xlabel=plotting.label("t", "ps"), ylabel="share of the force variance", ylim=(0, 1.15 * least))
    axis.legend(loc="lower right")
    return Picture(drawing, f"Forces at fixed bead positions: {found.floor.text}. Bands are standard errors.")


def _above(axis: Axes, columns: int) -> None:
    axis.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, borderaxespad=0.2, columnspacing=1.2)
