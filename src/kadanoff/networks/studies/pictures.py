"""Pictures of region networks: matrices, flows, hubs, what was lost. Arrays in, matplotlib figures out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.patches import Patch, PathPatch, Wedge
from matplotlib.path import Path as Outline
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from kadanoff import plotting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["activity", "bars_of_loss", "chords", "curves", "hubs", "layered", "matrices", "strips"]

Array = NDArray[np.float64]
_READABLE = 48  # regions whose names still fit beside a matrix
_GREY = "#8a949b"
_PLACES = sorted(  # offsets of a name from its point, nearest first
    itertools.product((4, -4, 12, -12, 24, -24), (4, -10, 13, -19, 22, -28, 31, -37)),
    key=lambda place: abs(place[0]) + abs(place[1] + 3),
)
_LEADER = {"arrowstyle": "-", "color": _GREY, "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 2.0}


def matrices(
    counts: Array,
    names: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    apart: Sequence[str] = (),
    z: Array | None = None,
    marked: NDArray[np.bool_] | None = None,
    unit: str = "connections",
) -> Figure:
    """Counts on a logarithmic scale, regions in brackets of their groups, and beside them the z-scores of a null model.

    Arguments:
        counts: (K, K) from row to column; zeros stay white.
        names: (K,) regions in the order drawn.
        groups: (K,) the larger thing each region lies in; neighbours of one group share a bracket.
        apart: regions to be set off as strips (external, unassigned); they come last in `names`.
        z: (K, K) scores, NaN where there is none; None draws the counts alone.
        marked: (K, K) blocks that get a dot.
        unit: of the counts.
    """
    k = len(names)
    drawing, axes = plotting.figure(
        1 if z is None else 2, width=(5.4 if z is None else 9.8) + (0.6 if k > 20 else 0), height=4.6
    )
    shown = np.where(counts > 0, counts, np.nan)
    low = float(np.nanmin(shown)) if np.isfinite(shown).any() else 1.0
    high = max(float(np.nanmax(shown)) if np.isfinite(shown).any() else 10.0, 1.001 * low)
    image = axes[0].imshow(shown, cmap="viridis", norm=LogNorm(low, high))
    drawing.colorbar(image, ax=axes[0], shrink=0.72, pad=0.02).set_label(unit)
    axes[0].set_title("Counts", pad=24 if groups is not None else 8)
    if z is not None:
        reach = max(float(np.nanmax(np.abs(z))) if np.isfinite(z).any() else 1.0, 4.0)
        seen = min(reach, 20.0)  # a few huge scores must not pale the rest
        image = axes[1].imshow(z, cmap="RdBu_r", norm=TwoSlopeNorm(0.0, -seen, seen))
        end = "both" if reach > seen else "neither"
        drawing.colorbar(image, ax=axes[1], shrink=0.72, pad=0.02, extend=end).set_label("z against the null model")
        axes[1].set_title("More or less than chance", pad=24 if groups is not None else 8)
        if marked is not None and marked.any():
            row, column = np.nonzero(marked)
            axes[1].plot(column, row, ".", color="black", markersize=max(1.2, min(4.0, 60 / k)), linestyle="none")
    for axis in axes:
        _regions_beside(axis, names, groups, sum(name in apart for name in names))
    axes[0].set_ylabel("from region")
    return drawing


def _regions_beside(axis: Axes, names: Sequence[str], groups: Sequence[str] | None, apart: int) -> None:
    k = len(names)
    axis.grid(visible=False)
    axis.set_xlabel("to region")
    if k <= _READABLE:
        size = 8.0 if k <= 16 else max(4.0, 8.0 * 18 / k)
        axis.set_xticks(range(k), names, rotation=90, fontsize=size)
        axis.set_yticks(range(k), names, fontsize=size)
    else:
        axis.set(xticks=[], yticks=[])
    axis.tick_params(length=0)
    if apart:
        edge = k - apart - 0.5
        axis.axhline(edge, color="black", linewidth=0.9)
        axis.axvline(edge, color="black", linewidth=0.9)
    if groups is None:
        return
    for first, last, group in _runs(groups):
        if first:
            axis.axhline(first - 0.5, color="#555555", linewidth=0.5)
            axis.axvline(first - 0.5, color="#555555", linewidth=0.5)
        if not group:
            continue
        x, y = [first - 0.3, first - 0.3, last + 0.3, last + 0.3], [0.0, 1.0, 1.0, 0.0]
        axis.plot(
            x, [1.012 + 0.014 * up for up in y], transform=axis.get_xaxis_transform(), clip_on=False, color=_GREY,
            linewidth=0.9,
        )  # fmt: skip
        axis.text(
            (first + last) / 2, 1.035, group, transform=axis.get_xaxis_transform(), ha="center", va="bottom",
            fontsize=7.5,
        )  # fmt: skip


def _runs(groups: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first, last, group) of neighbours that share a group."""
    runs: list[tuple[int, int, str]] = []
    for k, group in enumerate(groups):
        if runs and runs[-1][2] == group:
            runs[-1] = (runs[-1][0], k, group)
        else:
            runs.append((k, k, group))
    return runs


def _colours(names: Sequence[str], groups: Sequence[str] | None) -> list[Any]:
    """One colour a region: of its group where there are groups of a few, else along a scale."""
    import matplotlib

    labels = list(groups) if groups is not None and 1 < len(set(groups)) <= 6 else list(names)
    kinds = list(dict.fromkeys(labels))
    if len(kinds) <= 6:
        return [plotting.COLOURS[kinds.index(label)] for label in labels]
    scale = matplotlib.colormaps["turbo"]
    return [scale(0.06 + 0.88 * kinds.index(label) / (len(kinds) - 1)) for label in labels]


def chords(
    counts: Array, names: Sequence[str], *, groups: Sequence[str] | None = None, strongest: int = 40, unit: str = ""
) -> Figure:
    """The strongest flows between regions as ribbons across a circle, in the colour of the region they come from.

    Regions take as much of the rim as flows there; a ribbon leaves flush with it and ends a step inside. Flows of a
    region to itself are left out.
    """
    flow = np.array(counts, dtype=np.float64)
    np.fill_diagonal(flow, 0.0)
    limit = np.sort(flow, axis=None)[::-1][min(strongest, flow.size) - 1]
    kept = np.where((flow >= limit) & (flow > 0), flow, 0.0)
    busy = np.flatnonzero(kept.sum(axis=0) + kept.sum(axis=1))
    drawing, (axis,) = plotting.figure(width=6.2, height=5.6)
    axis.set(xlim=(-1.45, 1.45), ylim=(-1.32, 1.32), aspect="equal")
    axis.axis("off")
    colours = _colours(names, groups)
    ends = kept.sum(axis=0) + kept.sum(axis=1)
    gap = 0.012 * 2 * np.pi if busy.size < 40 else 0.004 * 2 * np.pi
    scale = (2 * np.pi - gap * busy.size) / max(ends.sum(), 1e-300)
    place, angle = {}, np.pi / 2
    top, bottom = 1.32, -1.32
    for region in busy.tolist():
        width = ends[region] * scale
        place[region] = angle
        axis.add_patch(
            Wedge((0, 0), 1.05, np.degrees(angle - width), np.degrees(angle), width=0.05, color=colours[region])
        )
        middle = angle - width / 2
        turned = np.degrees(middle) % 360
        reach = np.sin(middle) * (1.1 + 0.031 * len(names[region]))  # where the name ends: it must not meet the title
        top, bottom = max(top, reach), min(bottom, reach)
        flip = 90 < turned < 270
        axis.text(
            1.08 * np.cos(middle), 1.08 * np.sin(middle), names[region], fontsize=7.5 if busy.size <= 30 else 5.5,
            rotation=turned + (180 if flip else 0), rotation_mode="anchor", ha="right" if flip else "left", va="center",
        )  # fmt: skip
        angle -= width + gap
    axis.set_ylim(bottom, top)
    order = sorted(zip(*np.nonzero(kept), strict=True), key=lambda pair: -kept[pair])
    for a, b in order:  # the strong ones below, so that no ribbon hides a weaker one
        width = kept[a, b] * scale
        leaves, place[a] = place[a], place[a] - width
        arrives, place[b] = place[b], place[b] - width
        axis.add_patch(
            PathPatch(
                _ribbon(leaves, arrives, width), facecolor=colours[a], alpha=0.55, edgecolor="white", linewidth=0.3
            )
        )
    if groups is not None and 1 < len({group for group in groups if group}) <= 6:
        kinds = {groups[k]: colours[k] for k in busy.tolist() if groups[k]}
        axis.legend([Patch(color=colour) for colour in kinds.values()], list(kinds), loc="lower left", fontsize=7.5)
    share = kept.sum() / max(flow.sum(), 1e-300)
    axis.set_title(f"{np.count_nonzero(kept)} strongest flows, {100 * share:.0f} % of all between regions{unit}")
    return drawing


def _ribbon(leaves: float, arrives: float, width: float) -> Outline:
    def point(angle: float, radius: float) -> tuple[float, float]:
        return (radius * np.cos(angle), radius * np.sin(angle))

    def rim(start: float, stop: float, radius: float) -> list[tuple[float, float]]:
        return [point(angle, radius) for angle in np.linspace(start, stop, max(8, int(abs(stop - start) / 0.04)))]

    out, into = rim(leaves, leaves - width, 0.995), rim(arrives, arrives - width, 0.90)
    vertices = [*out, (0.0, 0.0), *into, (0.0, 0.0), out[0]]
    codes = [Outline.MOVETO, *[Outline.LINETO] * (len(out) - 1), Outline.CURVE3, Outline.CURVE3]
    codes += [*[Outline.LINETO] * (len(into) - 1), Outline.CURVE3, Outline.CURVE3]
    return Outline(vertices, codes)


def layered(
    counts: Array, names: Sequence[str], position: Array, size: Array, *, groups: Sequence[str] | None = None,
    strongest: int = 40, axis_label: str = "layer",
) -> Figure:  # fmt: skip
    """Regions from left to right by their layer, discs as large as what flows through them; flows with the layers curve
    above, flows against them below (dashed).

    Arguments:
        counts: (K, K) from row to column.
        position: (K,) layer of each region, small ones left; NaN leaves a region out.
        size: (K,) what flows through, not negative.
    """
    shown = np.flatnonzero(np.isfinite(position) & (size > 0))
    colours = _colours(names, groups)
    drawing, (axis,) = plotting.figure(width=7.6, height=4.6)
    height = _spread(position[shown], size[shown])
    where = {int(k): (float(position[k]), float(y)) for k, y in zip(shown, height, strict=True)}
    flow = np.array(counts, dtype=np.float64)
    np.fill_diagonal(flow, 0.0)
    pairs = [(flow[a, b], int(a), int(b)) for a in shown for b in shown if flow[a, b] > 0]
    pairs = sorted(pairs, reverse=True)[:strongest]
    for count, a, b in reversed(pairs):
        (x0, y0), (x1, y1) = where[a], where[b]
        forward = x1 >= x0
        bend = (0.12 if forward else -0.16) * (1 + abs(x1 - x0))
        curve = Outline(
            [(x0, y0), ((x0 + x1) / 2, (y0 + y1) / 2 + bend), (x1, y1)],
            [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3],
        )
        axis.add_patch(
            PathPatch(
                curve, facecolor="none", edgecolor=colours[a], alpha=0.6, linewidth=0.4 + 4.6 * count / pairs[0][0],
                linestyle="-" if forward else (0, (2.5, 1.5)), capstyle="butt",
            )
        )  # fmt: skip
    for k, (x, y) in where.items():
        axis.scatter(
            x, y, s=20 + 480 * size[k] / size.max(), color=colours[k], edgecolor="white", linewidth=0.8, zorder=3
        )
        axis.annotate(
            names[k], (x, y), (0, -5 - 11 * float(np.sqrt(size[k] / size.max()))), textcoords="offset points",
            ha="center", va="top", fontsize=7, zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.7, "linewidth": 0},
        )  # fmt: skip
    span = np.ptp(position[shown]) if shown.size else 1.0
    axis.set(
        xlabel=axis_label, yticks=[], ylim=(-0.2, 1.15),
        xlim=(position[shown].min() - 0.1 * span - 0.05, position[shown].max() + 0.1 * span + 0.05),
    )  # fmt: skip
    axis.grid(visible=False, axis="y")
    axis.spines["left"].set_visible(False)
    return drawing


def _spread(x: Array, size: Array) -> Array:
    """Heights 0 to 1 that keep neighbours in x apart, the large ones in the middle."""
    height = np.empty(x.size)
    slots = np.linspace(0.0, 1.0, max(5, int(np.ceil(np.sqrt(2.5 * x.size)))))
    middle_first = slots[np.argsort(np.abs(slots - 0.5), kind="stable")]
    used: list[tuple[float, float]] = []
    wide = 0.16 * max(float(np.ptp(x)), 1e-9)
    for k in np.argsort(-size, kind="stable"):
        crowd = [sum(abs(x[k] - a) < wide and abs(slot - b) < 1e-9 for a, b in used) for slot in middle_first]
        height[k] = middle_first[int(np.argmin(crowd))]
        used.append((float(x[k]), float(height[k])))
    return height


def hubs(
    strength: Array, participation: Array, names: Sequence[str], *, strength_error: Array | None = None,
    participation_error: Array | None = None, groups: Sequence[str] | None = None, named: int = 12,
    unit: str = "connections in and out",
) -> Figure:  # fmt: skip
    """Regions by how much flows through them and by how evenly that is spread over the others, with error bars."""
    drawing, (axis,) = plotting.figure(width=6.0, height=4.0)
    kinds = list(dict.fromkeys(groups)) if groups is not None and len(set(groups)) <= 6 else [""]
    labels = list(groups) if groups is not None and len(kinds) > 1 else [kinds[0]] * len(names)
    for kind, colour in zip(kinds, plotting.COLOURS, strict=False):
        chosen = np.array([label == kind for label in labels]) & (strength > 0)
        axis.errorbar(
            strength[chosen], participation[chosen],
            None if participation_error is None else participation_error[chosen],
            None if strength_error is None else strength_error[chosen],
            "o", color=colour, ecolor=colour, elinewidth=0.8, markersize=4.5, alpha=0.85, label=kind or None,
        )  # fmt: skip
    axis.set(xscale="log", xlabel=unit, ylabel="participation coefficient")
    seen = strength[strength > 0]
    wide = bool(seen.size) and seen.max() > 1000 * seen.min()
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    order = [int(k) for k in np.argsort(-strength, kind="stable")[:named] if strength[k] > 0]
    _name_points(axis, strength, participation, names, order)
    if len(kinds) > 1:
        axis.legend(loc="best")
    return drawing


def _name_points(axis: Axes, x: Array, y: Array, names: Sequence[str], order: Sequence[int]) -> None:
    """Names beside points, each where it covers no other name and no point, far ones with a line; else none."""
    axis.autoscale_view()
    (low, high), (under, over) = axis.get_xlim(), axis.get_ylim()
    if axis.get_xscale() == "log" and 0 < low < high:
        axis.set_xlim(low, high * (high / low) ** 0.12)  # room for names at the right and above
    axis.set_ylim(under, over + 0.1 * (over - under))
    scale = 72.0 / float(axis.figure.dpi)
    points: Array = axis.transData.transform(np.column_stack([x, y])) * scale
    there = np.isfinite(points).all(axis=1) & (x > 0)
    edge = float(axis.bbox.x1) * scale
    taken: list[tuple[float, float, float, float]] = [
        (float(a) - 3, float(a) + 3, float(b) - 3, float(b) + 3) for a, b in points[there]
    ]
    for k in order:
        if not there[k]:
            continue
        width, right, upper = 4.0 * len(names[k]), float(points[k, 0]), float(points[k, 1])
        for away, up in _PLACES:
            left = right + away if away > 0 else right + away - width
            box = (left, left + width, upper + up, upper + up + 7)
            if box[1] > edge or any(box[0] < b and a < box[1] and box[2] < d and c < box[3] for a, b, c, d in taken):
                continue
            taken.append(box)
            axis.annotate(
                names[k], (x[k], y[k]), (away, up), textcoords="offset points", fontsize=7,
                ha="left" if away > 0 else "right", va="bottom",
                arrowprops=None if (abs(away), up) in {(4, 4), (4, -10)} else _LEADER,
            )  # fmt: skip
            break


def bars_of_loss(
    measures: Mapping[str, tuple[Array, Array, Array]], partitions: Sequence[str], units: Mapping[str, str]
) -> Figure:
    """What each partition keeps or loses, beside random partitions of the same sizes.

    Arguments:
        measures: {what was measured: (value of every partition, mean over random ones, their standard deviation)}.
        partitions: names of the partitions.
        units: {what was measured: unit}.
    """
    drawing, axes = plotting.figure(len(measures), width=min(9.8, max(5.2, 2.9 * len(measures))), height=3.0)
    at = np.arange(len(partitions))
    for axis, (what, (value, chance, spread)) in zip(axes, measures.items(), strict=True):
        axis.bar(at, value, 0.62, color=plotting.BLUE, label="found")
        for k in at:
            if not np.isfinite(chance[k]):
                continue
            axis.fill_between([k - 0.42, k + 0.42], chance[k] - 2 * spread[k], chance[k] + 2 * spread[k],
                              color=plotting.BLACK, alpha=0.18, linewidth=0, zorder=3)  # fmt: skip
            axis.plot([k - 0.42, k + 0.42], [chance[k]] * 2, color=plotting.BLACK, linewidth=1.4, zorder=3,
                      label="random regions of the same sizes, ± 2 sd" if k == 0 else None)  # fmt: skip
        axis.set_title(what, fontsize=8.5)
        axis.set(ylabel=plotting.label("", units.get(what, "")).strip() or None, ylim=(0, None))
        axis.set_xticks(
            at, partitions, rotation=30 if len(partitions) > 2 else 0, ha="right" if len(partitions) > 2 else "center"
        )
        axis.grid(visible=False, axis="x")
        axis.set_xlim(-0.7, len(partitions) - 0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=2)
    return drawing


def activity(
    time: Array, fine: Array, coarse: Array, names: Sequence[str], error: Mapping[str, Array], *, unit: str = "1"
) -> Figure:
    """Left: activity of regions as the fine network has it (lines) and as the region network predicts it (dashes).
    Right: the relative error against time, beside random regions.

    Arguments:
        time: (t,) in time constants.
        fine, coarse: (t, regions drawn).
        names: of the regions drawn.
        error: {partition: (t,) relative error}, or (t, 2) mean and standard deviation of several.
    """
    drawing, (left, right) = plotting.figure(2, width=8.6, height=3.4)
    for k, name in enumerate(names):
        colour = plotting.COLOURS[k % 6]
        left.plot(time, fine[:, k], color=colour, label=name)
        left.plot(time, coarse[:, k], color=colour, linestyle=(0, (3, 1.5)))
    left.set(
        xlabel="time (time constants)",
        ylabel=plotting.label("mean activity", unit),
        title="Fine (line), coarse (dashes)",
    )
    left.legend(fontsize=7)
    for k, (name, curve) in enumerate(error.items()):
        if curve.ndim == 2:
            plotting.band(right, time, curve[:, 0], curve[:, 1], label=name, color=plotting.BLACK, sigmas=2.0)
        else:
            right.plot(time, curve, color=plotting.COLOURS[k % 6], label=name)
    right.set(xlabel="time (time constants)", ylabel="relative error of the coarse model", ylim=(0, None))
    right.set_title("How long the coarse network can be followed")
    right.set_ylim(0, 1.35 * right.get_ylim()[1])  # room for the legend above the curves
    right.legend(fontsize=7, loc="upper left", ncols=2)
    return drawing


def curves(
    x: Array, panels: Mapping[str, Mapping[str, tuple[Array, Array | None]]], *, xlabel: str, log: bool = False
) -> Figure:
    """Panels of curves with bands over one axis: {ylabel: {name: (values, standard errors)}}."""
    drawing, axes = plotting.figure(len(panels), width=max(5.2, 3.9 * len(panels)), height=3.2)
    for axis, (ylabel, lines) in zip(axes, panels.items(), strict=True):
        for (name, (y, error)), colour in zip(lines.items(), plotting.COLOURS, strict=False):
            plotting.band(axis, x, y, error, label=name, color=colour, marker="." if len(x) <= 40 else "")
        axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if log else "linear")
        if len(lines) > 1 or next(iter(lines)):
            axis.legend()
    return drawing


def strips(
    stages: Sequence[str], matrices: NDArray[Any], names: Sequence[str], totals: NDArray[np.int64], *, unit: str
) -> Figure:
    """One small matrix a stage on one logarithmic scale, and the totals below."""
    n = len(stages)
    import matplotlib.gridspec as grids
    from matplotlib.figure import Figure as Sheet

    with plotting.house_style():
        drawing = Sheet(figsize=(9.6, 3.9), layout="constrained")
        grid = grids.GridSpec(2, n, drawing, height_ratios=(1.0, 0.9))
        high = float(matrices.max())
        axes = [drawing.add_subplot(grid[0, k]) for k in range(n)]
        for k, axis in enumerate(axes):
            image = axis.imshow(np.where(matrices[k] > 0, matrices[k], np.nan), cmap="viridis", norm=LogNorm(1, high))
            axis.set(xticks=[], yticks=range(len(names)) if k == 0 else [])
            if k == 0:
                axis.set_yticklabels(names, fontsize=min(6.0, 58 / len(names)))  # 0.9 inch for all
            axis.set_title(stages[k], fontsize=8)
            axis.tick_params(length=0)
            axis.grid(visible=False)
        drawing.colorbar(image, ax=axes, shrink=0.85, pad=0.01).set_label(unit)
        below = drawing.add_subplot(grid[1, :])
        total = matrices.sum(axis=(1, 2)).astype(np.float64)
        out = matrices.sum(axis=2)
        base = np.zeros(n)
        order = np.argsort(-out.sum(axis=0), kind="stable")
        drawn = order[:6]
        for row, colour in zip(drawn, plotting.COLOURS, strict=False):
            below.bar(range(n), out[:, row], 0.66, bottom=base, color=colour, label=f"from {names[row]}")
            base += out[:, row]
        rest = total - base
        if rest.any():
            below.bar(range(n), rest, 0.66, bottom=base, color="#c9ced2", label="from the others")
        for k in range(n):
            below.text(k, total[k], f"{int(totals[k]):,}", ha="center", va="bottom", fontsize=8)
        below.set_xticks(range(n), stages)
        below.set(ylabel=unit, ylim=(0, 1.12 * total.max()))
        below.grid(visible=False, axis="x")
        below.legend(ncols=2, loc="upper left", fontsize=7)
    return drawing
