"""What the study `transfer` draws: maps over temperature and density, structure, potentials and forces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_hex
from matplotlib.patches import Rectangle

from kadanoff import plotting
from kadanoff.molecules.comparison import AGREES
from kadanoff.molecules.transferability import StateResult, Transfer
from kadanoff.study import Picture

__all__ = ["of"]

_NAMES = {"single": "fitted at one state", "multi": "fitted at several", "own": "each state's own"}
_COLOURS = {"single": plotting.BLUE, "multi": plotting.VERMILION, "own": plotting.GREEN}


def of(found: Transfer) -> dict[str, Picture]:
    """All pictures, the map first."""
    drawn = {"map": errors(found), "rdf": structure(found)}
    if found.splits:
        drawn["entropy"] = entropy(found)
    if any("multi" in state.explained for state in found.states):
        drawn["forces"] = forces(found)
    return drawn


def errors(found: Transfer) -> Picture:
    """Errors of the two potentials over temperature and density: structure, pressure, compressibility."""
    drawing, axes = plotting.figure(3, 2, width=10.2, height=4.8)
    columns: tuple[tuple[str, str, float, Callable[[StateResult, str], float | None]], ...] = (
        ("RMS of g over its noise", "{:.1f}", 0.0, lambda state, name: state.ratio[name].value),
        ("pressure error (kbar)", "{:+.1f}", 0.0, _pressure_error),
        ("compressibility over reference", "{:.2f}", 1.0, _stiffness),
    )
    for column, (title, form, right, value) in enumerate(columns):
        values = [value(state, name) for name in ("single", "multi") for state in found.states]
        top = max((abs(v - right) for v in values if v is not None), default=1.0) or 1.0
        for row, name in enumerate(("single", "multi")):
            axis = axes[3 * row + column]
            _tiles(axis, found, name, value, form, right, top)
            axis.set_title(f"{title}\n{_NAMES[name]}", fontsize=9)
    home = found[found.home]
    worst = found.worst("single")
    caption = (
        f"Errors of a potential fitted at {home.temperature:g} K and {home.target.density:.4g} nm^-3 (top, thick "
        f"frame) "
        f"and of one fitted at several states (bottom, thick frames) at every state. Left: RMS of g(r) - g of the "
        f"reference "
        f"on blocks that no fit saw, over the noise of both; {AGREES:g} and less counts as the same structure. The "
        f"worst "
        f"state of the single-state potential is {worst.temperature:g} K, {worst.target.density:.4g} nm^-3, with "
        f"{worst.ratio['single'].value:.3g}. Middle: model minus reference, 0 would be right. Right: isothermal "
        f"compressibility over that of the reference, 1 would be right."
    )
    return Picture(drawing, caption)


def _pressure_error(state: StateResult, name: str) -> float | None:
    return None if state.pressure is None else (state.samples[name].pressure.value - state.pressure.value) / 1000.0


def _stiffness(state: StateResult, name: str) -> float | None:
    return state.compressibility[name].value / state.compressibility["reference"].value


def _tiles(
    axis: Axes, found: Transfer, name: str, value: Callable[[StateResult, str], float | None], form: str, right: float,
    top: float,
) -> None:  # fmt: skip
    """One square a state, its number in it, darker the further from ``right``; where it was fitted: a thick frame."""
    temperatures = sorted({state.temperature for state in found.states})
    densities = sorted({round(state.target.density, 2) for state in found.states})
    shade, scale = colormaps["cividis_r"], Normalize(0.0, top)
    for state in found.states:
        x, y = temperatures.index(state.temperature), densities.index(round(state.target.density, 2))
        number = value(state, name)
        seen = state.fitted if name == "multi" else state.name == found.home
        colour = shade(scale(abs(number - right))) if number is not None else (0.9, 0.9, 0.9, 1.0)
        inset = 0.06
        axis.add_patch(
            Rectangle(
                (x - 0.5 + inset, y - 0.5 + inset), 1 - 2 * inset, 1 - 2 * inset, facecolor=colour,
                edgecolor=plotting.BLACK if seen else "none", linewidth=2.4,
            )
        )  # fmt: skip
        dark = float(np.dot(colour[:3], (0.3, 0.6, 0.1))) < 0.5
        text = "?" if number is None else form.format(number)
        axis.text(x, y, text, ha="center", va="center", color="white" if dark else "black", fontsize=10)
    axis.set(xlim=(-0.6, len(temperatures) - 0.4), ylim=(-0.6, len(densities) - 0.4))
    axis.set_xticks(range(len(temperatures)), [f"{t:g}" for t in temperatures])
    axis.set_yticks(range(len(densities)), [f"{d:g}" for d in densities])
    axis.set(xlabel=plotting.label("temperature", "K"), ylabel=plotting.label("density", "1/nm³"))
    axis.grid(visible=False)


def structure(found: Transfer) -> Picture:
    """g at the coldest and the hottest state: reference, and the three potentials."""
    ordered = sorted(found.states, key=lambda state: (state.temperature, -state.target.density))
    shown = [ordered[0], ordered[-1]]
    drawing, axes = plotting.figure(2, 2, width=9.4, height=5.6, sharex=True)
    for column, state in enumerate(shown):
        top, bottom = axes[column], axes[2 + column]
        odd = state.target.select(slice(1, None, 2))
        plotting.band(top, odd.r, odd.g, odd.error, label="atomistic", color=plotting.BLACK, linewidth=3.0, alpha=0.7)
        noise = np.hypot(odd.error, state.samples["single"].distribution.error)
        bottom.fill_between(odd.r, -2 * noise, 2 * noise, color=plotting.BLACK, alpha=0.12, linewidth=0)
        for name in ("single", "multi", "own"):
            one = state.samples[name].distribution
            top.plot(one.r, one.g, color=_COLOURS[name], linewidth=1.2, label=_NAMES[name])
            bottom.plot(one.r, one.g - odd.g, color=_COLOURS[name], linewidth=1.2)
        start = max(0.0, float(odd.r[np.argmax(odd.g > 0.01)]) - 0.03)
        top.set(xlim=(start, float(odd.edges[-1])), ylim=(0, None))
        top.set_title(f"{state.temperature:g} K, {state.target.density:.4g} nm$^{{-3}}$", fontsize=10)
        bottom.axhline(0, color=plotting.BLACK, linewidth=0.7)
        bottom.set(xlabel=plotting.label("r", "nm"))
    axes[0].set(ylabel=plotting.label("g(r)"))
    axes[2].set(ylabel=plotting.label("difference of g"))
    axes[1].legend(fontsize=8, loc="upper right")
    numbers = ", ".join(
        f"{name} {state.ratio[name].value:.2g}" + (f" at {state.temperature:g} K" if name == "own" else "")
        for state in shown
        for name in ("single", "multi", "own")
    )
    return Picture(
        drawing,
        f"Pair distributions at the coldest and the hottest state, and their difference from the atomistic one (odd "
        f"blocks, which no fit saw); grey: twice the noise of both. RMS over noise: {numbers}.",
    )


def entropy(found: Transfer) -> Picture:
    """The states' own potentials at one density, and their split into energy and entropy."""
    method = "fm" if "fm" in found.splits else "newton"
    split, home = found.splits[method], found[found.home]
    alike = sorted(
        (s for s in found.states if abs(s.target.density / home.target.density - 1.0) < 5e-3),
        key=lambda s: s.temperature,
    )
    drawing, (left, right) = plotting.figure(2, width=9.4, height=3.9)
    shade = colormaps["plasma"]
    for k, state in enumerate(alike):
        potential = state.match.potential if method == "fm" and state.match is not None else state.potential
        inside = (potential.r >= split.r[0]) & (potential.r <= split.r[-1])
        error = None if potential.band is None else np.nan_to_num(potential.band[inside])
        colour = to_hex(shade(0.85 * k / max(1, len(alike) - 1)))
        plotting.band(
            left, potential.r[inside], potential.energy[inside], error, color=colour, label=f"{state.temperature:g} K"
        )
    low = float(min(np.min(split.energy - home.temperature * split.entropy), 0.0))
    left.set(
        xlabel=plotting.label("r", "nm"), ylabel=plotting.label("U", "kJ/mol"), ylim=(1.3 * low - 0.5, -2.5 * low + 2)
    )
    left.legend(fontsize=8)
    t = home.temperature
    plotting.band(right, split.r, split.energy, split.energy_error, color=plotting.BLUE, label="E")
    plotting.band(
        right, split.r, -t * split.entropy, t * split.entropy_error, color=plotting.VERMILION, label=f"-T S at {t:g} K"
    )
    total = split.energy - t * split.entropy
    right.plot(split.r, total, color=plotting.BLACK, linewidth=1, label="U = E - T S")
    right.axhline(0, color=plotting.BLACK, linewidth=0.6)
    shown = split.r > found.peak - 0.015
    parts = np.concatenate([split.energy[shown], -t * split.entropy[shown], total[shown]])
    right.set(xlabel=plotting.label("r", "nm"), ylabel=plotting.label("part of U", "kJ/mol"))
    right.set(ylim=(float(parts.min()) - 1.0, float(parts.max()) + 1.0))
    right.legend(fontsize=8)
    entropic, energetic = found.at_peak(method)
    how = "force matching" if method == "fm" else "structure matching"
    return Picture(
        drawing,
        f"Left: pair potentials of {how} at {home.target.density:.4g} nm^-3, each state's own, with standard errors. "
        f"Right: their straight line in temperature, U = E - T S. At the first peak of g, {found.peak:.3g} nm, E = "
        f"{energetic} and "
        f"-T S = {entropic} at {t:g} K: the second is what a potential without temperature cannot follow.",
    )


def forces(found: Transfer) -> Picture:
    """Share of the variance of the forces that the matched pair forces explain, at each state."""
    drawing, (axis,) = plotting.figure(1, width=7.2, height=3.6)
    states = sorted(
        (state for state in found.states if "multi" in state.explained),
        key=lambda state: (-round(state.target.density, 2), state.temperature),
    )
    place = np.arange(len(states))
    for k, name in enumerate(("own", "single", "multi")):
        values = [100 * state.explained[name].value for state in states]
        bars = [100 * (state.explained[name].error or 0.0) for state in states]
        axis.bar(place + 0.27 * (k - 1), values, 0.25, yerr=bars, color=_COLOURS[name], label=_NAMES[name],
                 error_kw={"linewidth": 1})  # fmt: skip
    axis.set_xticks(place, [f"{s.temperature:g} K\n{s.target.density:.4g} nm$^{{-3}}$" for s in states], fontsize=8)
    lowest = min(100 * min(s.explained[n].value for n in _NAMES) for s in states)
    axis.set(ylabel=plotting.label("variance explained", "%"), ylim=(max(0.0, lowest - 6), None))
    axis.legend(fontsize=8, ncols=3, loc="upper left")
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.25 * (high - low))
    return Picture(
        drawing,
        "Share of the variance of the atomistic forces on the beads that a matched pair force explains: the state's "
        "own, "
        "that of the home state, and one fitted to several states. Bars are standard errors over blocks; the axis "
        "does not begin at 0 where the differences are small.",
    )
