"""What the study `fixed-points` draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from kadanoff import plotting
from kadanoff.lattices.closed_maps import decimation, migdal_kadanoff
from kadanoff.lattices.flows import Flow, trajectory
from kadanoff.study import Picture

if TYPE_CHECKING:
    from kadanoff.lattices.studies.fixed_points import Found

__all__ = ["of"]


def of(found: Found) -> dict[str, Picture]:
    """All pictures of the study."""
    return {"ladder": ladder(found), "cobwebs": cobwebs(found), "flow": flow_portrait(found)}


def ladder(found: Found) -> Picture:
    """nu of the three-dimensional Ising model by approximation, and the truncations of the local potential."""
    from kadanoff.lattices.studies.fixed_points import MONTE_CARLO

    drawing, (left, right) = plotting.figure(2, width=9.2, height=3.7)
    rungs = {
        "mean field": found.series.at("nu", 1.0, 0),
        "order $\\epsilon$": found.series.at("nu", 1.0, 1),
        "order $\\epsilon^2$": found.series.at("nu", 1.0, 2),
        "local\npotential": found.ladder[-1].nu,
        "3-D": MONTE_CARLO.value,
    }
    places = np.arange(len(rungs))
    values = np.array(list(rungs.values()))
    left.plot(places[:-1], values[:-1], "o-", color=plotting.BLUE, markersize=6)
    left.errorbar(places[-1:], values[-1:], MONTE_CARLO.error, fmt="D", color=plotting.BLACK, markersize=6)
    left.axhline(MONTE_CARLO.value, color=plotting.BLACK, linewidth=0.9, linestyle=":")
    for x, y in zip(places, values, strict=True):
        left.annotate(f"{y:.4f}", (x, y), (-6, 6), textcoords="offset points", ha="right")
    left.set_xticks(places, list(rungs))
    left.set(ylabel=plotting.label("exponent of the correlation length"), ylim=(0.48, 0.69), xlim=(-0.8, 4.5))
    left.set_title("A ladder to three dimensions")
    best = found.ladder[-1]
    n = [rung.n for rung in found.ladder[:-1]]
    for label, name, colour in (
        ("ν", "nu", plotting.BLUE),
        ("ω", "omega", plotting.VERMILION),
        ("ρ₀", "rho0", plotting.GREEN),
    ):
        gaps = [abs(getattr(rung, name) / getattr(best, name) - 1) for rung in found.ladder[:-1]]
        right.semilogy(n, gaps, "o-", color=colour, markersize=4, label=label)
    right.set(xlabel=plotting.label("highest power kept"), ylabel=plotting.label(f"relative distance to n = {best.n}"))
    right.set_title("Local potential: truncations converge")
    right.legend(loc="upper right")
    return Picture(
        drawing,
        "Left: nu of the Ising model in three dimensions. Each rung is the exact answer of its approximation; diamond "
        "and dotted line: simulation (Ferrenberg, Xu and Landau, 2018; its error is smaller than the mark). The eps "
        "expansion is an asymptotic series, and the local potential (eta = 0) overshoots. Right: how the polynomial "
        "truncation of the local potential converges, by powers kept; every rung has one relevant direction.",
    )


def cobwebs(found: Found) -> Picture:
    """Cobwebs of the chain and of Migdal-Kadanoff."""
    drawing, (left, right) = plotting.figure(2, width=8.6, height=4.1)
    _cobweb(left, decimation(2), [(found.config.chain_coupling, plotting.BLUE)], 1.1 * found.config.chain_coupling)
    left.set_title("Chain: all flow to K = 0")
    star = float(found.migdal_kadanoff.couplings[0])
    _cobweb(right, migdal_kadanoff(), [(0.97 * star, plotting.BLUE), (1.03 * star, plotting.VERMILION)], 0.8)
    right.plot([star], [star], "o", color=plotting.BLACK, markersize=7)
    right.annotate(f"K* = {star:.4f}", (star, star), (18, -18), textcoords="offset points")
    right.set_title("Migdal-Kadanoff, d = 2: two fates")
    return Picture(
        drawing,
        "Up to the curve K'(K), across to the diagonal, and again: each stair is one step b = 2. Left: decimation of "
        "the chain, tanh K' = tanh² K; the curve never meets the diagonal but at K = 0, there is no transition. "
        "Right: Migdal-Kadanoff, bonds moved first; 3 % below K* the flow goes to disorder, 3 % above to order. The "
        "slope at K* is b to the power y_t.",
    )


def _cobweb(axis: Axes, flow: Flow, starts: list[tuple[float, str]], end: float) -> None:
    k = np.linspace(0, end, 301)
    axis.plot(k, k, color="#888888", linewidth=0.9)
    plotting.band(axis, k, [flow([x])[0] for x in k], None, color=plotting.BLACK)
    for start, colour in starts:
        path = trajectory(flow, [start], 14)[:, 0]
        x, y = np.repeat(path, 2)[:-1], np.concatenate([[0.0], np.repeat(path[1:], 2)])
        axis.plot(x, y, color=colour, linewidth=1.2)
        axis.plot([start], [0], "o", color=colour, markersize=5, clip_on=False)
    axis.set(xlabel=plotting.label("K"), ylabel=plotting.label("K after one step"), xlim=(0, end), ylim=(0, end))
    axis.set_aspect("equal")


def flow_portrait(found: Found) -> Picture:
    """Trajectories of the local potential in the plane (rho0, a_2)."""
    drawing, (axis,) = plotting.figure(width=6.6, height=4.4)
    portrait, point = found.portrait, found.portrait.point
    starts: NDArray[np.float64] = portrait.critical
    for path in portrait.paths:
        ordered = path[-1, 0] > point.couplings[0]
        axis.plot(path[:, 0], path[:, 1], color=plotting.VERMILION if ordered else plotting.BLUE, linewidth=1.0)
        _arrow(axis, path)
    x, y = point.couplings[:2]
    for index, colour, name in ((0, plotting.BLACK, "relevant"), (1, plotting.GREEN, "irrelevant")):
        direction = point.directions[:2, index].real
        direction = direction / np.hypot(direction[0] / 3.0, direction[1] / 0.12)
        ends = np.array([[x, y] - 0.45 * direction, [x, y] + 0.45 * direction])
        axis.plot(ends[:, 0], ends[:, 1], "--", color=colour, linewidth=1.6, label=f"{name} eigenvector")
    axis.plot([x], [y], "o", color=plotting.BLACK, markersize=8, zorder=5)
    axis.plot(starts[:, 0], starts[:, 1], "s", color=plotting.ORANGE, markersize=6, label="critical start", zorder=5)
    axis.set(
        xlabel=plotting.label("position of the minimum ρ₀"),
        ylabel=plotting.label("curvature there, a₂"),
        xlim=(0.4, 4.1),
        ylim=(0.0, 0.14),
    )
    axis.set_title("Flow of the local potential, d = 3")
    axis.legend(loc="upper right")
    return Picture(
        drawing,
        "Trajectories of the potential (six couplings) in the plane of minimum and curvature. Squares: where lines "
        "of quartic potentials cross the critical surface, by bisection of the flow. From next to it all go first to "
        "the Wilson-Fisher point (dot), in the end along the least irrelevant direction, and then leave along the "
        "relevant one, to disorder (blue) or order (red). Lines may cross: four couplings are not shown.",
    )


def _arrow(axis: Axes, path: NDArray[np.float64]) -> None:
    middle = len(path) - 3
    if middle < 1:
        return
    axis.annotate(
        "",
        (float(path[middle + 1, 0]), float(path[middle + 1, 1])),
        (float(path[middle, 0]), float(path[middle, 1])),
        arrowprops={"arrowstyle": "->", "color": "#555555", "linewidth": 0.9},
    )
