"""What the study `arrow-of-time` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from kadanoff import plotting
from kadanoff.dynamics.area_maps import map_entropy
from kadanoff.dynamics.dsmc import bkw_h, bkw_moment
from kadanoff.dynamics.kac_ring import colour_law
from kadanoff.study import Picture

if TYPE_CHECKING:
    from kadanoff.dynamics.studies.arrow_of_time import Found
    from kadanoff.dynamics.studies.arrow_of_time_systems import Journey

__all__ = ["of"]

_CELLS = (plotting.BLUE, plotting.SKY, plotting.GREEN)


def of(found: Found) -> dict[str, Picture]:
    """All pictures of the study, the one that shows the whole first."""
    return {
        "entropy": entropy(found),
        "slopes": slopes(found),
        "cells": cells(found),
        "ring": ring(found),
        "disks": disks(found),
        "dsmc": dsmc(found),
    }


def entropy(found: Found) -> Picture:
    """Coarse and fine entropy of every system on the way out and back."""
    drawing, axes = plotting.figure(3, 2, width=11.4, height=6.6)
    by = {journey.name: journey for journey in found.journeys}
    for axis, name in zip(axes, ("Kac ring", "cat map", "free expansion"), strict=False):
        _journey(axis, by[name])
    axis = axes[3]
    both, turn = found.disks, found.disks.turn
    plotting.band(axis, both.time, -both.h, both.error, color=plotting.BLUE, label="-H, shells of speed")
    back = both.time >= turn
    axis.plot(both.time[back], -found.disks_off.h[back], "--", color=plotting.VERMILION, label="one disk sent off")
    axis.axhline(-both.limit, color=plotting.BLACK, linewidth=0.9, linestyle=":", label="Maxwell")
    _turn(axis, turn)
    axis.set(xlabel=plotting.label("time", "collisions a disk"), ylabel=plotting.label("entropy", "nat"))
    axis.set_title("Hard disks")
    axis.legend(loc="lower center")
    _journey(axes[4], by["integer fluid"])
    axis = axes[5]
    dsmc = found.kinetic
    grid = np.linspace(dsmc.time[0], dsmc.time[-1], 120)
    axis.plot(grid - grid[0], -bkw_h(grid), color=plotting.BLACK, linewidth=1, label="Bobylev, Krook, Wu")
    axis.errorbar(
        dsmc.time - dsmc.time[0], -dsmc.h, dsmc.h_error, fmt="o", color=plotting.BLUE, markersize=4, label="-H of DSMC"
    )
    axis.set(xlabel=plotting.label("time", "collisions a particle"), ylabel=plotting.label("entropy", "nat"))
    axis.set_title("Boltzmann equation (DSMC): no way back")
    axis.legend(loc="lower right")
    return Picture(
        drawing,
        "Out, round at the dotted line, and back. Coarse entropy (colours: sizes of cells, largest first) rises and "
        "falls back by the same way; the fine entropy (black) is constant by theorem. Dashed: one particle moved at "
        "the turn. Ring, map and ideal gas do not care, because there no particle feels another: the dashed line lies "
        "on the solid one. In hard disks and in the fluid, where particles collide, it spoils the return. Ring and "
        "fluid are single states, of entropy 0; entropies per ball or particle. Collisions drawn at random (DSMC) have "
        "no return.",
    )


def _journey(axis: Axes, journey: Journey) -> None:
    end = 2 * journey.time[-1]
    time = np.concatenate([journey.time, end - journey.time[-2::-1]])
    for column, (name, colour) in enumerate(zip(journey.cells, _CELLS, strict=False)):
        values = np.concatenate([journey.coarse[:, column], journey.back[-2::-1, column]])
        error = None
        if journey.error is not None:
            error = np.concatenate([journey.error[:, column], journey.error[-2::-1, column]])
        plotting.band(axis, time, values, error, color=colour, label=name)
    late = end - journey.time[::-1]
    for column in range(len(journey.cells)):
        axis.plot(
            late, journey.disturbed[::-1, column], "--", color=plotting.VERMILION, linewidth=1.1,
            label="one moved" if column == 0 else None,
        )  # fmt: skip
    axis.axhline(journey.fine, color=plotting.BLACK, linewidth=1.2, label="fine")
    _turn(axis, float(journey.time[-1]))
    axis.set(xlabel=plotting.label("time", journey.unit), ylabel=plotting.label("entropy", "nat"))
    axis.set_title(journey.name[0].upper() + journey.name[1:])
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 0.07))


def _turn(axis: Axes, time: float) -> None:
    axis.axvline(time, color=plotting.BLACK, linewidth=0.8, linestyle=":")


def slopes(found: Found) -> Picture:
    """Entropy gained per step by the maps, with the Kolmogorov-Sinai entropy and the window of the fit."""
    drawing, axes = plotting.figure(2, width=9.0, height=3.6)
    curves = {"cat_map": (found.journeys[1].coarse, "cat"), "baker_map": (found.baker, "baker")}
    named = found.journeys[1].cells
    for axis, (name, (curve, title)) in zip(axes, curves.items(), strict=True):
        steps, slope = np.arange(1, len(curve)), found.slopes[name]
        for column, colour in zip(range(curve.shape[1] - 1, -1, -1), _CELLS, strict=False):
            axis.plot(steps, np.diff(curve[:, column]), "o-", color=colour, markersize=4, label=named[column])
        rate = map_entropy("cat" if title == "cat" else "baker")
        axis.axhline(rate, color=plotting.BLACK, linewidth=1, label=f"{rate:.4f}")
        axis.axvspan(slope.first, slope.last, color=plotting.ORANGE, alpha=0.15, linewidth=0, label="window of the fit")
        axis.set(xlabel=plotting.label("step"), ylabel=plotting.label("entropy gained", "nat/step"), ylim=(-0.35, 1.5))
        error = f"± {slope.rate.error:.4f}" if slope.rate.error else "exactly"
        axis.set_title(f"{title.capitalize()} map: {slope.rate.value:.4f} {error} a step")
        axis.legend(loc="lower center" if title == "cat" else "lower right")
    return Picture(
        drawing,
        "Coarse entropy gained in each step by the points of one of the smallest cells. First steps depend on how the "
        "image of a cell lies across cells, last ones on how it fills the space; in between the gain is the "
        "Kolmogorov-Sinai entropy (black), whatever the cells. Shaded: the window of the fit, for the smallest cells.",
    )


def cells(found: Found) -> Picture:
    """The points of one cell under the cat map, and back."""
    count = len(found.portraits)
    drawing, axes = plotting.figure(3, 2, width=8.4, height=5.8)
    whole = found.portraits[0].max()
    titles = [f"step {step}" for step in found.portrait_steps] + [f"back from step {found.portrait_steps[-1]}"]
    shown: Any = None
    for axis, portrait, title in zip(axes[:count], found.portraits, titles, strict=True):
        density = np.where(portrait > 0, portrait / whole, np.nan)
        shown = axis.imshow(
            density.T,
            origin="lower",
            extent=(0, 1, 0, 1),
            norm=LogNorm(1e-3, 1),
            cmap="viridis",
            interpolation="nearest",
        )
        axis.set(xticks=[0, 1], yticks=[0, 1], xlabel=plotting.label("x"), ylabel=plotting.label("y"))
        axis.set_title(title)
        axis.grid(False)
    drawing.colorbar(shown, ax=axes, label=plotting.label("share of a cell that points fill"), shrink=0.7)
    return Picture(
        drawing,
        "The cat map on a lattice of 8192 x 8192 points, seen in 128 x 128 cells: the points of one square are drawn "
        "out along one direction and pressed together along the other, until every cell holds a few of them. Not one "
        "has been lost: the inverse map brings each back to where it was.",
    )


def ring(found: Found) -> Picture:
    """Mean colour of many rings over two rounds, and its distance from the law."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.6)
    curve, sites = found.colours, found.config.ring_sites
    steps = np.arange(2 * sites + 1)
    law = colour_law(sites, steps, found.config.markers)
    left.plot(steps, law, color=plotting.BLACK, linewidth=1, label="law")
    plotting.band(
        left, steps, curve.value, curve.error, color=plotting.BLUE, marker="o", markersize=3, linewidth=0, label="mean"
    )
    boltzmann = (1 - 2 * found.config.markers) ** steps
    left.plot(steps, boltzmann, ":", color=plotting.VERMILION, label="Boltzmann's assumption")
    left.set(xlabel=plotting.label("step"), ylabel=plotting.label("mean colour"))
    left.set_title(f"{curve.rings:,} rings of {sites} balls")
    left.legend(loc="upper center")
    inner = curve.error > 0
    right.axhspan(-1, 1, color=plotting.BLACK, alpha=0.1, linewidth=0, label="one standard error")
    right.plot(steps[inner], ((curve.value - law)[inner] / curve.error[inner]), "o", color=plotting.BLUE, markersize=3)
    right.axhline(0, color=plotting.BLACK, linewidth=0.8)
    right.set(xlabel=plotting.label("step"), ylabel="(mean - law) / standard error", ylim=(-5, 5))
    right.set_title("Distance from the law")
    right.legend(loc="upper right")
    return Picture(
        drawing,
        f"White balls on rings with markers at random. Up to step N = {sites} the mean colour decays as (1 - 2 mu)^t, "
        "as if each step met fresh markers; then balls pass markers again, the changes undo each other, and after 2N "
        "steps every ring is as it was. Right: how far the mean lies from the law, in standard errors; the same "
        "numbers twice, since each white ring goes back the way it came.",
    )


def disks(found: Found) -> Picture:
    """H of dilute hard disks of one speed, and the chaos meter before and after collisions."""
    drawing, (left, right) = plotting.figure(2, width=9.4, height=3.7)
    relaxed = found.relaxation
    h, error = ([getattr(one, name) or 0.0 for one in relaxed.h] for name in ("value", "error"))
    plotting.band(left, relaxed.time, h, error, color=plotting.BLUE, marker="o", markersize=4, label="hard disks")
    left.axhline(relaxed.limit, color=plotting.BLACK, linewidth=1, label="-1 - ln(2π kT/m)")
    left.set(xlabel=plotting.label("collisions a disk"), ylabel=plotting.label("H", "nat"))
    left.set_title("H of disks of one speed, packing 0.01")
    left.legend()
    for name, colour in (("before", plotting.BLUE), ("after", plotting.VERMILION)):
        seen = [getattr(one, name) for one in relaxed.chaos]
        right.errorbar(
            relaxed.windows, [one.value for one in seen], [one.error for one in seen], fmt="o-", color=colour,
            markersize=4, linewidth=1, label=f"{name} the collision",
        )  # fmt: skip
    right.plot([0], [relaxed.first.after.value], "s", color=plotting.VERMILION, label="after the first ones")
    right.axhline(0, color=plotting.BLACK, linewidth=0.8)
    right.set(xlabel=plotting.label("collisions a disk"), ylabel="correlation of energies beyond chaos")
    right.set_title("Molecular chaos, measured")
    right.legend()
    return Picture(
        drawing,
        "Left: H = int f ln f d^2v of disks that all start with one speed falls to that of Maxwell's distribution. "
        "Right: the correlation of the two kinetic energies at contact, less that of independent partners. Before they "
        "collide disks know nothing of each other; after it they do, most strongly while all speeds are alike (-1: the "
        "sum of the two energies is given), and not in equilibrium. Run backwards, before and after change places and "
        "H rises.",
    )


def dsmc(found: Found) -> Picture:
    """Fourth moment of Maxwell molecules beside the exact solution."""
    drawing, (left, right) = plotting.figure(2, width=9.0, height=3.5)
    run = found.kinetic
    grid = np.linspace(run.time[0], run.time[-1], 200)
    left.plot(grid, bkw_moment(grid), color=plotting.BLACK, linewidth=1, label="15 K (2 - K)")
    left.errorbar(run.time, run.moment, run.moment_error, fmt="o", color=plotting.BLUE, markersize=4, label="DSMC")
    left.set(xlabel=plotting.label("time", "collisions a particle"), ylabel=plotting.label("⟨v⁴⟩", "(kT/m)²"))
    left.legend(loc="lower right")
    left.set_title("Fourth moment")
    right.axhline(0, color=plotting.BLACK, linewidth=0.8)
    for name, value, reference, error, colour in (
        ("fourth moment", run.moment, run.moment_reference, run.moment_error, plotting.BLUE),
        ("H", run.h, run.h_reference, run.h_error, plotting.VERMILION),
    ):
        right.errorbar(
            run.time, value / reference - 1, error / np.abs(reference), fmt="o", color=colour, markersize=4, label=name
        )
    right.set(xlabel=plotting.label("time", "collisions a particle"), ylabel="relative distance from the solution")
    right.set_title("DSMC - exact")
    right.legend()
    return Picture(
        drawing,
        f"Maxwell molecules from the earliest time of the Bobylev-Krook-Wu solution, 6 ln(5/2) = {run.time[0]:.3f}, "
        "on: 16 runs of DSMC (bars: standard errors) and the exact curve; right, what is left between.",
    )
