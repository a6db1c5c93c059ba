"""The house style: the same bytes each time, nobody's settings but ours, no global state."""

import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from kadanoff import plotting


def draw():
    with plotting.house_style():
        return sketch()


def sketch():
    drawing, (left, right) = plotting.figure(2)
    plotting.band(left, np.arange(5), np.arange(5) ** 2, 0.5, label="squares")
    left.set(xlabel=plotting.label("number"), ylabel=plotting.label("area", "nm²"), title="Squares")
    left.legend()
    right.plot(np.arange(3))
    return drawing, left, right


def test_the_same_bytes_whatever_the_user_has_set():
    first = plotting.to_svg(draw()[0])
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "pink", "svg.hashsalt": "x", "axes.grid": False}):
        assert plotting.to_svg(draw()[0]) == first
        assert matplotlib.rcParams["font.size"] == 30
    assert first.startswith(b"<?xml")
    assert plotting.to_png(draw()[0]).startswith(b"\x89PNG")


def test_titles_and_legends_made_outside_the_style_take_it_too():
    drawing, left, _ = sketch()
    plotting.to_svg(drawing)
    plotting.to_svg(drawing)
    assert left.get_title(loc="left") == "Squares"
    assert left.get_title() == ""
    assert not left.get_legend().get_frame_on()


def test_the_band_is_one_error_wide_and_of_the_lines_colour():
    _, (axis,) = plotting.figure()
    line = plotting.band(axis, [0, 1], [1.0, 2.0], [0.1, 0.2], sigmas=2)
    (shade,) = axis.collections
    heights = shade.get_paths()[0].vertices[:, 1]
    assert np.isclose(heights.min(), 0.8)
    assert np.isclose(heights.max(), 2.4)
    assert to_hex(shade.get_facecolor()[0]) == to_hex(line.get_color()) == plotting.BLUE.lower()
    plotting.band(axis, [0, 1], [1.0, 2.0], None)
    assert len(axis.collections) == 1


def test_the_colours_are_okabe_and_ito():
    assert {"#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000"} == set(plotting.COLOURS)
    _, (axis,) = plotting.figure()
    assert tuple(axis.plot([0, 1], [0, n])[0].get_color().upper() for n in range(7)) == plotting.COLOURS


def test_units_are_in_brackets():
    assert plotting.label("distance", "nm") == "distance (nm)"
    assert plotting.label("g(r)", "1") == plotting.label("g(r)") == "g(r)"


def test_many_points_become_a_picture():
    """10^5 points stay small in the file; axes and text stay vector."""
    drawing, (few, many) = plotting.figure(2)
    x = np.random.default_rng(1).normal(size=(2, 100_000))
    few.scatter(*x[:, :100])
    many.scatter(*x, s=1)
    many.plot(*x, ".")
    svg = plotting.to_svg(drawing)
    assert svg.count(b"<image") >= 1
    assert len(svg) < 2_000_000
    assert [collection.get_rasterized() for axis in (few, many) for collection in axis.collections] == [False, True]
    assert many.lines[0].get_rasterized()


def test_pixels_are_the_values():
    values = np.random.default_rng(1).integers(0, 3, (5, 7))
    png = plotting.pixels(values, [plotting.BLACK, "white", plotting.BLUE])
    seen = np.rint(255 * imread(io.BytesIO(png))[..., :3])
    assert np.array_equal(seen, np.array([[0, 0, 0], [255, 255, 255], [0, 0x72, 0xB2]])[values])
    assert png == plotting.pixels(values, [plotting.BLACK, "white", plotting.BLUE])
    with pytest.raises(ValueError, match="0 to 1"):
        plotting.pixels(values, ["white", "black"])


def test_pyplot_is_never_loaded():
    code = (
        "import sys; from kadanoff import plotting; d, (a,) = plotting.figure(); plotting.band(a, [0, 1], [0, 1], 1); "
        "plotting.to_svg(d); print('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
