"""A picture of a Markov network: states, their probabilities, the lumps they belong to, and the currents between
them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike

from kadanoff.plotting import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_network"]

_GREY = "#b5b5b5"
_WIDEST = 4.5  # points of the largest current


def draw_network(axis: Axes, flows: ArrayLike, labels: ArrayLike | None = None, names: Any = None) -> None:
    """Draw states on a circle, grey lines where jumps go both ways, an arrow along each net current f_ij - f_ji.

    Areas of the dots follow the probability of the state (the flow that leaves it, where the diagonal is empty), widths
    of the arrows the net current; colours are lumps. Where nothing circulates there are no arrows.

    Arguments:
        axis: to draw on; its frame is taken away.
        flows: (n, n) stationary flows p_i T_ij or p_i k_ij, n up to some 30.
        labels: (n,) lump of each state; states of one lump are put side by side.
        names: (n,) texts, default the numbers.
    """
    f = np.asarray(flows, dtype=np.float64)
    n = len(f)
    lump = np.zeros(n, dtype=int) if labels is None else np.asarray(labels)
    texts = [str(i) for i in range(n)] if names is None else list(names)
    place = np.empty((n, 2))
    order = np.argsort(lump, kind="stable")
    # a gap between lumps as wide as half a place
    position = np.arange(n) + 0.5 * np.concatenate([[0], np.cumsum(np.diff(lump[order]) != 0)])
    turn = np.pi / 2 - 2 * np.pi * position / (position[-1] + (1.5 if len(np.unique(lump)) > 1 else 1.0))
    place[order] = np.column_stack([np.cos(turn), np.sin(turn)])
    net = f - f.T
    largest = float(np.abs(net).max())
    for i in range(n):
        for j in range(i + 1, n):
            if f[i, j] + f[j, i] > 0:
                axis.plot(*place[[i, j]].T, color=_GREY, linewidth=0.8, zorder=1)
            if largest > 1e-12 * float(f.sum()) and abs(net[i, j]) > 0.02 * largest:
                start, end = (i, j) if net[i, j] > 0 else (j, i)
                width = _WIDEST * abs(net[i, j]) / largest
                head = f"-|>,head_length={3 + width},head_width={1.2 + 0.6 * width}"
                arrow = FancyArrowPatch(place[start], place[end], arrowstyle=head, connectionstyle="arc3,rad=0.08")
                arrow.set(linewidth=max(width, 0.5), color="#444444", zorder=2)
                arrow.shrinkA = arrow.shrinkB = 11
                axis.add_patch(arrow)
    weight = f.sum(axis=1) / f.sum()
    colours = [COLOURS[int(k) % (len(COLOURS) - 1)] for k in lump]
    axis.scatter(place[:, 0], place[:, 1], s=80 + 1400 * weight / max(weight.max(), 1e-300) * 0.35, c=colours, zorder=3)
    for i, (x, y) in enumerate(place):
        axis.text(x, y, texts[i], ha="center", va="center", color="white", fontsize=8, fontweight="bold", zorder=4)
    axis.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal")
    axis.set_axis_off()
