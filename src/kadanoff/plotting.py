"""The house style: figures without pyplot's global state, error bands, units on every axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.lines import Line2D

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "GREEN",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "band",
    "figure",
    "house_style",
    "label",
    "pixels",
    "to_png",
    "to_svg",
]

BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
)
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
"""Okabe & Ito (2008); black is for references."""

RASTER_ABOVE = 10_000  # points of one line or collection; a vector drawing of more only makes the file slow


@cache
def _style() -> Any:
    """matplotlib's defaults with the house style on top: the user's own matplotlibrc does not change a report."""
    settings = matplotlib.rc_params_from_file(Path(__file__).with_name("kadanoff.mplstyle"), fail_on_error=True)
    return {key: value for key, value in settings.items() if not key.startswith(("backend", "interactive", "toolbar"))}


def house_style() -> AbstractContextManager[None]:
    """``with house_style(): ...`` draws everything inside in the house style; studies run in it."""
    context: AbstractContextManager[None] = matplotlib.rc_context(_style())
    return context


def figure(
    columns: int = 1,
    rows: int = 1,
    *,
    width: float | None = None,
    height: float | None = None,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure in the house style and its axes in reading order: ``drawing, (left, right) = figure(2)``.

    ``width`` and ``height`` in inches; by default 5.2 wide for one column, else 3.7 a column, and 3.1 high a row.
    """
    size = (width or (5.2 if columns == 1 else 3.7 * columns), height or 3.1 * rows)
    with house_style():
        drawing = Figure(figsize=size, layout="constrained")
        axes = drawing.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return drawing, list(axes.flat)


def band(
    axis: Axes,
    x: ArrayLike,
    y: ArrayLike,
    error: ArrayLike | None,
    *,
    label: str = "",
    color: str | None = None,
    sigmas: float = 1.0,
    **line: Any,
) -> Line2D:
    """A curve y(x) with the shaded band y - s e ... y + s e of its standard error e, s = ``sigmas``.

    ``x``, ``y`` (n,); ``error`` (n,), a number, or None for exact curves. Returns the line; its colour is the band's.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    (drawn,) = axis.plot(x, y, label=label or None, color=color, **line)
    if error is not None:
        half = sigmas * np.broadcast_to(np.asarray(error, dtype=float), y.shape)
        axis.fill_between(
            x, y - half, y + half, color=drawn.get_color(), alpha=0.22, linewidth=0, zorder=drawn.get_zorder() - 0.1
        )
    return drawn


def label(quantity: str, unit: str = "") -> str:
    """The text of an axis: ``label("distance", "nm")`` is "distance (nm)"; a pure number has no brackets."""
    return f"{quantity} ({unit})" if unit not in ("", "1") else quantity


def _points(artist: Any) -> int:
    if isinstance(artist, Line2D):
        return np.size(artist.get_xdata())
    if isinstance(artist, Collection):
        array = artist.get_array()
        return max(int(np.shape(artist.get_offsets())[0]), 0 if array is None else int(np.size(array)))
    return 0


def _finish(axis: Axes) -> None:
    """Titles and legends take their style at the time of the call: style those made outside `house_style` too."""
    title = axis.get_title()
    if title:
        axis.set_title("", loc="center")
        axis.set_title(title, loc=matplotlib.rcParams["axes.titlelocation"])
    legend = axis.get_legend()
    if legend is not None:
        legend.set_frame_on(matplotlib.rcParams["legend.frameon"])
        for text in legend.get_texts():
            text.set_fontsize(matplotlib.rcParams["legend.fontsize"])
    for artist in axis.get_children():
        if _points(artist) > RASTER_ABOVE:
            artist.set_rasterized(True)


def _save(drawing: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        for axis in drawing.axes:
            _finish(axis)
        drawing.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def to_svg(drawing: Figure) -> bytes:
    """The figure as SVG, the same bytes each time; what has more than 10^4 points is rasterised inside it."""
    return _save(drawing, "svg")


def pixels(values: ArrayLike, colours: Sequence[str]) -> bytes:
    """An array of 0, 1, ... (rows, columns) as PNG, one pixel a value, in these colours: as large as it is drawn, and
    never blurred. Raises ValueError for values without a colour."""
    whole = np.asarray(values).astype(np.intp)
    if whole.ndim != 2 or whole.min() < 0 or whole.max() >= len(colours):
        raise ValueError(f"pixels: an array (rows, columns) of 0 to {len(colours) - 1}, got {whole.shape}")
    out = io.BytesIO()
    palette = np.rint(255 * to_rgba_array(list(colours))[:, :3]).astype(np.uint8)
    imsave(out, palette[whole], format="png", metadata={"Software": "kadanoff"})
    return out.getvalue()


def to_png(drawing: Figure) -> bytes:
    """The figure as PNG at 200 dots per inch."""
    return _save(drawing, "png")
