"""The pictures of the study `tensor-rg`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kadanoff import plotting
from kadanoff.lattices.conformal_data import Plateau
from kadanoff.lattices.kaufman import CRITICAL_COUPLING
from kadanoff.lattices.linearised_rg import LinearisedFlow
from kadanoff.lattices.tensor_rg import TensorFlow
from kadanoff.study import Picture

__all__ = ["drift", "error", "temperatures", "tower"]

Array = NDArray[np.float64]
_EXACT = (("1/8", 1 / 8), ("1", 1.0), ("9/8", 9 / 8), ("2", 2.0))
_NAMES = {"trg": "TRG", "btrg": "BTRG", "hotrg": "HOTRG", "loop-tnr": "loop-TNR"}


def tower(
    main: TensorFlow,
    plateau: Plateau | None,
    loop: tuple[TensorFlow, Plateau | None],
    off: dict[float, TensorFlow],
) -> Picture:
    """Scaling dimensions against the step: critical, by two schemes, and on either side."""
    drawing, axes = plotting.figure(2 + len(off), width=3.2 * (2 + len(off)), height=3.4, sharey=True)
    flows = [
        (f"$T_c$, {main.scheme.upper()}, $\\chi$ = {main.chi}", main, plateau),
        (f"$T_c$, loop-TNR, $\\chi$ = {loop[0].chi}", *loop),
    ]
    flows += [(f"T = {t:g} J, $\\chi$ = {flow.chi}", flow, None) for t, flow in off.items()]
    for axis, (title, flow, still) in zip(axes, flows, strict=True):
        for name, value in _EXACT:
            axis.axhline(value, color=plotting.BLACK, linewidth=0.7, linestyle="-", alpha=0.6, zorder=1)
            if axis is axes[-1]:
                axis.text(1.02, value, name, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
        steps = np.arange(len(flow.tensors))
        even = plotting.VERMILION if flow.parities.any() else plotting.BLACK  # loop-TNR knows no parities
        for parity, color, label in ((1, plotting.BLUE, "odd"), (0, even, "even")):
            x = flow.dimensions(8, parity=parity)
            row, _ = np.nonzero(np.isfinite(x) & (x < 2.45))
            axis.plot(steps[row], x[np.isfinite(x) & (x < 2.45)], ".", markersize=4.5, color=color, label=label)
        axis.set_title(title)
        axis.set(xlabel=plotting.label("step"), ylim=(-0.05, 2.45), xlim=(-0.5, len(flow.tensors) - 0.5))
        if still is not None:
            axis.axvspan(still.first - 0.5, still.last + 0.5, color=plotting.SKY, alpha=0.25, linewidth=0, zorder=0)
    axes[0].set_ylabel(plotting.label("scaling dimension"))
    axes[0].legend(loc="upper right", markerscale=1.5)
    return Picture(
        drawing,
        "Scaling dimensions ln(l_0 / l_i) / 2 pi of the transfer matrix of a square patch of coarse tensors, against "
        "the step (each doubles its spins), by parity under spin flip where the scheme uses it (black: it does not). "
        "Lines: the exact tower of the Ising model. At T_c: "
        + "; ".join(
            f"{name} has no three steps over which the two lowest stand still"
            if still is None
            else f"by {name} the two lowest stand still over the shaded steps, {still.first} to {still.last}"
            for name, still in ((main.scheme.upper(), plateau), ("loop-TNR", loop[1]))
        )
        + ". Before them the lattice shows; after them, that states were cut off, which higher dimensions feel first. "
        "Right: on either side of T_c nothing stands still, and the flow ends in a trivial fixed point: below T_c an "
        "odd eigenvalue joins the identity (two phases), above it none does (one).",
    )


def drift(main: TensorFlow, loop: TensorFlow, linear: LinearisedFlow, first: int) -> Picture:
    """The three lowest dimensions against the length, by three routes."""
    drawing, axes = plotting.figure(3, width=10.5, height=3.2)
    routes = (
        (f"{main.scheme.upper()}, $\\chi$ = {main.chi}", main.lengths, main.dimensions(3), "o", plotting.BLUE),
        (f"loop-TNR, $\\chi$ = {loop.chi}", loop.lengths, loop.dimensions(3), "D", plotting.VERMILION),
        (
            f"linearised, $\\chi$ = {linear.chi}",
            linear.lengths[first:],
            linear.dimensions(3)[first:],
            "s",
            plotting.GREEN,
        ),
    )
    for field, (axis, (name, value), reach) in enumerate(zip(axes, _EXACT, (0.03, 0.05, 0.08), strict=False)):
        axis.axhline(value, color=plotting.BLACK, linewidth=0.8)
        for label, lengths, x, mark, color in routes:
            axis.plot(lengths, x[:, field], mark, markersize=4, color=color, label=label)
        axis.set_xscale("log", base=2)
        axis.set(xlim=(4, loop.lengths[-1] * 1.5), ylim=(value * (1 - reach), value * (1 + reach)), title=name)
        axis.set_xlabel(plotting.label("length", "spacings"))
    axes[0].set_ylabel(plotting.label("scaling dimension"))
    axes[0].legend(loc="lower left")
    return Picture(
        drawing,
        "The three lowest scaling dimensions of the critical Ising model (lines: exact) against the length, by the "
        "transfer matrix of one tensor of BTRG and of loop-TNR, and by the eigenvalues of a coarse-graining step made "
        "linear. BTRG keeps the loops that close around a plaquette, and its higher dimensions drift away. Loop-TNR "
        "filters them out and holds all three with fewer states, until its own cuts carry it off the critical point. "
        "Each axis shows a few per cent around its line; points outside are not drawn.",
    )


def error(ladder: dict[str, tuple[Array, Array]]) -> Picture:
    """Relative error of the free energy at T_c against the states kept."""
    drawing, (axis,) = plotting.figure(1)
    marks = dict(zip(_NAMES, ("s", "o", "^", "D"), strict=True))
    for (scheme, name), color in zip(_NAMES.items(), plotting.COLOURS, strict=False):
        chi, value = ladder[scheme]
        axis.plot(chi, value, marker=marks[scheme], markersize=4.5, color=color, label=name)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    ticks = sorted({int(chi) for chi, _ in ladder.values() for chi in chi})
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set(xlabel=plotting.label("states kept of a bond"), ylabel=plotting.label("relative error of ln Z / N"))
    axis.legend(loc="lower left")
    return Picture(
        drawing,
        "Relative error of the Ising free energy at T_c (exact: Onsager) against the number of states kept of a bond. "
        "BTRG and TRG do the same work at equal chi: the distance between them is what the weights on the bonds are "
        "worth. HOTRG and loop-TNR are dearer a state, so that no one number of states compares them.",
    )


def temperatures(scan: Array, chi: int) -> Picture:
    """Free energy over the temperatures, and its error."""
    drawing, (left, right) = plotting.figure(2)
    plotting.band(left, scan[:, 0], scan[:, 1], None, color=plotting.BLACK, label="exact, per spin")
    left.plot(scan[:, 0], scan[:, 4], "--", color=plotting.VERMILION, label="per plaquette tensor")
    left.plot(scan[:, 0], scan[:, 4] / 2, "o", markersize=3.5, color=plotting.BLUE, label="BTRG, per spin")
    left.set(xlabel=plotting.label("temperature", "$J/k_B$"), ylabel=plotting.label("ln Z / N", "nat"), ylim=(0, None))
    left.legend(loc="upper right")
    floor = 1e-16
    for column, style, color, name in (
        (2, "o-", plotting.BLUE, "spins on sites"),
        (3, "s--", plotting.GREEN, "on plaquettes"),
    ):
        right.plot(scan[:, 0], np.maximum(scan[:, column], floor), style, markersize=3.5, color=color, label=name)
    right.set_yscale("log")
    right.set(xlabel=plotting.label("temperature", "$J/k_B$"), ylabel=plotting.label("relative error of ln Z / N"))
    right.legend(loc="upper right")
    for axis in (left, right):
        axis.axvline(1 / CRITICAL_COUPLING, color="#888888", linewidth=0.9, linestyle=":")
    return Picture(
        drawing,
        f"Left: ln Z per spin against the temperature, exact and from BTRG with {chi} states. The plaquette tensor "
        "stands for two spins, so that its ln Z per tensor (dashed) is twice too large, at every temperature. Right: "
        "the relative error of both conventions, largest at T_c (dotted), where correlations reach furthest; the floor "
        "when cold is the ln 2 of the two phases, shared by all spins of the last tensor.",
    )
