"""The studies of dynamics."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.dynamics.entropy_production import split
from kadanoff.dynamics.jumps import ring
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.maps import Map
from kadanoff.study import Picture, Reported, Result, Run, judge
from kadanoff.units import Quantity

__all__ = ["HiddenCycle", "hidden_cycle"]

_Rate = Annotated[float, Quantity("1/s")]


class HiddenCycle(BaseModel):
    """Settings of dynamics.hidden-cycle."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    forward: _Rate = Field(2.0, gt=0, description="Rate k+ of A -> B, B -> C, C -> A")
    backward: _Rate = Field(1.0, gt=0, description="Rate k- of the reverse jumps")
    ring: int = Field(12, ge=3, le=360, description="States of the ring that is seen as fewer and fewer arcs.")


def drive_curve(affinities: NDArray[np.float64], backward: float) -> NDArray[np.float64]:
    """Total, apparent, inside, mixed (n, 4) of the 3-cycle with {B, C} lumped, at affinities ln(k+/k-) per jump."""
    lumps = Map.groups([0, 1, 1])
    parts = [split(ring(3, backward * math.exp(affinity), backward), lumps) for affinity in affinities]
    return np.array([[part.total, part.apparent, part.inside, part.mixed] for part in parts])


def arc_curve(states: int, forward: float, backward: float) -> NDArray[np.float64]:
    """(arcs, apparent) for every number of equal arcs that divides a ring of ``states``, 2 and ``states`` included."""
    numbers = [arcs for arcs in range(2, states + 1) if states % arcs == 0]
    rates = ring(states, forward, backward)
    apparent = [split(rates, Map.groups(np.arange(states) // (states // arcs))).apparent for arcs in numbers]
    return np.column_stack([numbers, apparent])


def hidden_cycle(config: HiddenCycle, run: Run) -> Result:
    """The driven cycle A -> B -> C -> A with B and C lumped: apparent entropy production 0, total (k+ - k-)
    ln(k+/k-)."""
    parts = split(ring(3, config.forward, config.backward), Map.groups([0, 1, 1]))
    affinities = np.linspace(0.0, 3.0, 61)
    drive = run.stage("drive", drive_curve, affinities, config.backward)
    arcs, seen = run.stage("arcs", arc_curve, config.ring, config.forward, config.backward).T
    total = (config.forward - config.backward) * math.log(config.forward / config.backward)
    law = np.where(arcs > 2, arcs / config.ring, 0.0) * total

    def exact(value: float) -> Estimate:
        return Estimate.exact(float(value), "nat/s")

    estimates: dict[str, Reported | Estimate] = {
        "entropy_production_total": Reported(
            exact(parts.total), total, source="(k+ - k-) ln(k+/k-), the stationary state being uniform"
        ),
        "entropy_production_apparent": Reported(
            exact(parts.apparent), 0.0, source="two lumps: every flow is balanced by its reverse"
        ),
        "entropy_production_inside": Reported(exact(parts.inside), total / 3, source="the edge B-C, one of three"),
        "entropy_production_mixed": Reported(
            exact(parts.mixed), 2 * total / 3, source="the edges A-B and C-A, seen as one"
        ),
        "arcs_law_deviation": Reported(
            exact(np.abs(seen - law).max()),
            0.0,
            tolerance=1e-9 * max(total, 1e-3),
            source="a uniform ring seen as m > 2 of n equal arcs shows m/n of its total, as 2 arcs nothing",
        ),
    }
    conditions = "the lumped flows are those of the stationary state"
    ledger = Ledger(
        [
            Loss(
                "entropy production, cycle",
                exact(parts.total),
                exact(parts.apparent),
                exact(parts.total - parts.apparent),
                "nat/s",
                "coarse <= fine",
                conditions,
                "apparent never exceeds total (log-sum inequality)",
            ),
            *(
                Loss(
                    f"entropy production, ring as {arc:.0f} arcs",
                    exact(total),
                    exact(value),
                    exact(total - value),
                    "nat/s",
                    "coarse <= fine",
                    conditions,
                    "apparent never exceeds total (log-sum inequality)",
                )
                for arc, value in zip(arcs, seen, strict=True)
                if arc in (2.0, 3.0, float(config.ring))
            ),
        ]
    )
    text = (
        f"The cycle dissipates {parts.total:.4f} nats a second. Who sees A and the lump {{B, C}} only, computes "
        "exactly zero from the flows: "
        "with two visible states every jump there is matched by a jump back. A third of the dissipation lies inside "
        "the lump, two thirds in "
        "the two different ways between A and the lump that look like one.\n\n"
        "Limits: what is zero here is the entropy production of the flows, and for this cycle also that of the whole "
        "lumped time series, since "
        "it alternates between independent dwell times. The lumped process is not Markovian: the second moment of "
        "the dwell times still "
        "bounds the hidden part (Skinner and Dunkel, 2021). Apparent at most total holds for lumped states; it says "
        "nothing for other "
        "observation protocols, and apparent is never an estimate of total."
    )
    data = xarray.Dataset(
        {
            "drive": (("affinity", "part"), drive, {"units": "nat/s", "long_name": "entropy production of the cycle"}),
            "seen": ("arcs", seen, {"units": "nat/s", "long_name": "apparent entropy production of the ring"}),
        },
        {
            "affinity": ("affinity", affinities, {"units": "1", "long_name": "ln(k+/k-)"}),
            "part": ["total", "apparent", "inside", "mixed"],
            "arcs": ("arcs", arcs, {"units": "1", "long_name": "visible arcs"}),
        },
    )
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, text),
        data,
        {"hidden": _draw(affinities, drive, arcs, seen, config, total)},
        cite=[
            "J. Schnakenberg, Network theory of microscopic and macroscopic behavior of master equation systems, "
            "Rev. Mod. Phys. 48, 571 (1976).",
            "M. Esposito, Stochastic thermodynamics under coarse graining, Phys. Rev. E 85, 041125 (2012).",
            "D. J. Skinner and J. Dunkel, Estimating entropy production from waiting time distributions, Phys. Rev. "
            "Lett. 127, 198101 (2021).",
        ],
    )


def _draw(
    affinities: NDArray[np.float64],
    drive: NDArray[np.float64],
    arcs: NDArray[np.float64],
    seen: NDArray[np.float64],
    config: HiddenCycle,
    total: float,
) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    plotting.band(left, affinities, drive[:, 0], None, color=plotting.BLACK, label="total")
    left.stackplot(
        affinities,
        drive[:, 2],
        drive[:, 3],
        colors=[plotting.VERMILION, plotting.ORANGE],
        alpha=0.4,
        linewidth=0,
        labels=["hidden: inside {B, C}", "hidden: two ways seen as one"],
    )
    plotting.band(left, affinities, drive[:, 1], None, color=plotting.BLUE, label="seen: A and {B, C}")
    left.set(
        xlabel=plotting.label("drive ln(k₊/k₋)"),
        ylabel=plotting.label("entropy production", "nat/s"),
        ylim=(-0.03 * drive[-1, 0], None),
    )
    left.set_title("A → B → C → A, B and C lumped")
    left.legend(loc="upper left")
    share = np.divide(seen, total, out=np.zeros_like(seen), where=total != 0)
    right.plot([3, config.ring], [3 / config.ring, 1], color=plotting.BLACK, linewidth=1, label=f"m/{config.ring}")
    right.plot(arcs, share, "o", color=plotting.BLUE, markersize=6, label="seen")
    right.set(
        xlabel=plotting.label("visible arcs m"),
        ylabel=plotting.label("share of the dissipation seen"),
        ylim=(-0.04, 1.04),
        xticks=arcs,
    )
    right.set_title(f"A ring of {config.ring} states, seen as m arcs")
    right.legend(loc="upper left")
    return Picture(
        drawing,
        (
            "What lumping hides. Left: entropy production of the cycle against the drive; the seen part (blue) is "
            "zero, the rest lies inside the "
            "lump or in two different edges that look like one. Right: the share of the dissipation that a ring "
            "shows when equal arcs of it are "
            "lumped; with two arcs nothing is left to see, with more the share is the number of arcs over the number "
            "of states (line)."
        ),
    )
