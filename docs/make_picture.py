"""The picture of the README, from the folder of a `water` run: ``python docs/make_picture.py out/water``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib
import numpy as np
import xarray
from matplotlib.figure import Figure

from kadanoff import plotting
from kadanoff.estimates import Estimate

LIMIT = 200_000  # bytes


def draw(folder: Path) -> Figure:
    """Structure, potentials, and two of the losses."""
    with xarray.open_dataset(folder / "data.nc", engine="h5netcdf") as stored:
        data = {str(name): stored[name].values for name in stored.variables}
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))

    def number(name: str) -> Estimate:
        return Estimate(result["estimates"][name]["value"], result["estimates"][name]["error"])

    drawing = Figure(figsize=(10.2, 4.5), layout="constrained")
    left, middle, right = drawing.subfigures(1, 3, width_ratios=[1.1, 1, 1.05])
    panels = {
        **left.subplot_mosaic([["g"], ["rest"]], height_ratios=[2.4, 1], sharex=True),
        **middle.subplot_mosaic([["u"]]),
        **right.subplot_mosaic([["order"], ["force"]], height_ratios=[3.2, 1]),
    }

    r, target, beads = data["r"], data["g_target"], data["g_beads"]
    errors = data["g_target_error"], data["g_beads_error"]
    axis = panels["g"]
    plotting.band(axis, r, target, errors[0], label="atomistic water", color=plotting.BLACK, linewidth=3.2, alpha=0.75)
    plotting.band(axis, r, beads, errors[1], label="beads", color=plotting.BLUE, linewidth=1.3)
    axis.set(ylabel="g(r)", xlim=(0.22, 1.2), ylim=(0, None), title="Kept: pair structure")
    axis.legend(loc="upper right")
    axis, noise = panels["rest"], np.hypot(*errors)
    axis.fill_between(r, -2 * noise, 2 * noise, color=plotting.BLACK, alpha=0.15, linewidth=0, label="twice the noise")
    axis.axhline(0, color=plotting.BLACK, linewidth=0.6)
    axis.plot(r, beads - target, color=plotting.BLUE, marker=".", markersize=3, linewidth=0.8)
    axis.axvline(1.0, color=plotting.BLACK, linestyle=":", linewidth=0.9)
    axis.set(xlabel=plotting.label("r", "nm"), ylabel="difference", xlim=(0.22, 1.2))
    axis.set_ylim(-0.05, 0.065)
    axis.legend(loc="upper right", bbox_to_anchor=(0.8, 1.08))

    axis, distance = panels["u"], data["distance"]
    curves = (
        ("newton", "fits the structure", plotting.BLUE, 2.0),
        ("fm", "fits the forces", plotting.VERMILION, 1.4),
        ("pmf", "-kT ln g(r)", plotting.PURPLE, 1.4),
    )
    first = distance[data["supported_newton"] > 0][0]
    for name, label, colour, width in curves:
        shown = distance >= first
        error = np.nan_to_num(data[f"energy_{name}_error"][shown])
        energy = data[f"energy_{name}"][shown]
        plotting.band(axis, distance[shown], energy, error, label=label, color=colour, linewidth=width)
    axis.axhline(0, color=plotting.BLACK, linewidth=0.6)
    axis.set(xlim=(0.25, 0.9), ylim=(-4, 8), xlabel=plotting.label("r", "nm"), ylabel=plotting.label("U(r)", "kJ/mol"))
    axis.set_title("Three bead potentials of one water")
    axis.legend()

    axis = panels["order"]
    for side, label, colour in (("fine", "atomistic water", plotting.BLACK), ("coarse", "beads", plotting.BLUE)):
        plotting.band(
            axis, data["order"], data[f"orders_{side}"], data[f"orders_{side}_error"], color=colour,
            label=f"{label}, mean {number(f'tetrahedral_order_{side}')}",
        )  # fmt: skip
    axis.set(xlim=(-0.5, 1), ylim=(0, 3), xlabel="tetrahedral order of a molecule", ylabel="probability density")
    axis.set_title("Lost: tetrahedral order")
    axis.legend(loc="upper left")
    axis, explained = panels["force"], number("force_variance_explained")
    axis.barh([0], [explained.value], xerr=[explained.error or 0.0], color=plotting.VERMILION, alpha=0.8, height=0.6)
    axis.barh([0], [1 - explained.value], left=[explained.value], color="#dddddd", height=0.6)
    axis.text(0.02, 0, f"pairs: {explained}", va="center", color="white", fontsize=8.5)
    axis.text(0.98, 0, f"{Estimate(1 - explained.value, explained.error)}", va="center", ha="right", fontsize=8.5)
    axis.set(xlim=(0, 1), yticks=[], xlabel="share of the force variance", title="Lost: forces beyond pairs")
    return drawing


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/water")
    with plotting.house_style():
        matplotlib.rcParams["savefig.dpi"] = 130
        drawing = draw(folder)
        path = Path(__file__).parent / "assets" / "water.png"
        drawing.savefig(path, metadata={"Software": None})
    if path.stat().st_size > LIMIT:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes, more than {LIMIT}")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
