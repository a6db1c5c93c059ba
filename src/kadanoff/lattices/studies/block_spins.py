"""The studies of lattices."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.block_enumeration import (
    Rule,
    bond_sum,
    channel,
    enumerate_states,
    information,
    log_partition,
    spin_states,
)
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["BlockSpins", "block_spins"]

CRITICAL = math.log1p(math.sqrt(2.0)) / 2  # of the infinite square lattice (Onsager, 1944)
COLD = 5.0
_EDGE, _SIZE, _BLOCKS = 4, 2, 4
_QUANTITIES = ("fine", "coarse", "noise", "kept", "lost")


class BlockSpins(BaseModel):
    """Settings of lattices.block-spins."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ties: Literal["coin", "first"] = Field(
        "coin", description='A tied block: "coin" tosses one, "first" copies its first spin.'
    )
    largest_coupling: float = Field(1.2, gt=0, le=COLD, description="Couplings K = J/kT run from 0 to this.")
    points: int = Field(121, ge=2, le=10_000, description="Number of couplings.")


def nats_per_block(rule: Rule, steps: int, couplings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fine, coarse, noise, kept, lost (couplings, 5), in nats per block of the first step, after ``steps`` blockings by
    ``rule``."""
    states, edge = channel((_EDGE, _EDGE), _SIZE, rule), _EDGE // _SIZE
    for _ in range(steps - 1):
        states, edge = states @ channel((edge, edge), _SIZE, rule), edge // _SIZE
    counted = enumerate_states(bond_sum(spin_states(_EDGE**2), (_EDGE, _EDGE)), states)
    found = [information(counted, coupling, _BLOCKS) for coupling in couplings]
    return np.array([[getattr(item, name) for name in _QUANTITIES] for item in found])


def exact_entropy(coupling: float) -> float:
    """Entropy of the 4 x 4 torus from Kaufman's partition function: S = ln Z - K dln Z/dK, by a five-point
    difference."""
    h = 2e-3
    log_z = {n: log_partition(coupling + n * h, (_EDGE, _EDGE)) for n in (-2, -1, 0, 1, 2)}
    slope = (log_z[-2] - 8 * log_z[-1] + 8 * log_z[1] - log_z[2]) / (12 * h)
    return log_z[0] - coupling * slope


def block_spins(config: BlockSpins, run: Run) -> Result:
    """4 x 4 Ising spins on a torus to 2 x 2 block spins: nats kept and lost per block, exact by enumeration of 2^16
    states."""
    couplings = np.linspace(0.0, config.largest_coupling, config.points)
    marks = np.array([0.0, CRITICAL, COLD])
    cases: dict[str, tuple[Rule, int]] = {
        "majority": (config.ties, 1),
        "majority twice": (config.ties, 2),
        "decimation": ("decimation", 1),
        "other ties": ("first" if config.ties == "coin" else "coin", 1),
    }
    curves = {name: run.stage(f"curve-{name}", nats_per_block, *case, couplings) for name, case in cases.items()}
    hot, critical, cold = (dict(zip(_QUANTITIES, row, strict=True)) for row in nats_per_block(config.ties, 1, marks))
    twice = float(nats_per_block(config.ties, 2, marks)[1, _QUANTITIES.index("kept")])

    def exact(value: float, unit: str = "nat") -> Estimate:
        return Estimate.exact(float(value), unit)

    kept_hot = math.log(2) * (1 - 6 / 16 if config.ties == "coin" else 1)
    kaufman = exact_entropy(CRITICAL) / _BLOCKS
    estimates: dict[str, Reported | Estimate] = {
        "kept_critical": exact(critical["kept"]),
        "lost_critical": exact(critical["lost"]),
        "kept_fraction_critical": exact(critical["kept"] / critical["fine"], ""),
        "kept_twice_critical": exact(twice),
        "entropy_critical": Reported(
            exact(critical["fine"]), kaufman, tolerance=1e-6, source="Kaufman (1949), partition function of the torus"
        ),
        "entropy_hot": Reported(exact(hot["fine"]), 4 * math.log(2), source="free spins: ln 2 each"),
        "entropy_cold": Reported(exact(cold["fine"]), math.log(2) / 4, source="two ground states, at K = 5"),
        "kept_hot": Reported(
            exact(hot["kept"]), kept_hot, source="free spins: ln 2, less ln 2 for each of the 6 ties in 16"
        ),
        "kept_cold": Reported(exact(cold["kept"]), math.log(2) / 4, source="the sign of the ground state, at K = 5"),
    }
    ledger = Ledger(
        [
            Loss(
                "entropy per block",
                exact(critical["fine"]),
                exact(critical["kept"]),
                exact(critical["lost"]),
                "nat",
                "coarse <= fine",
                "blocks depend on the spins and on coins alone",
                "block spins cannot tell more about the spins than there is to tell",
            ),
            Loss(
                "kept by a second blocking",
                exact(critical["kept"]),
                exact(twice),
                exact(critical["kept"] - twice),
                "nat",
                "coarse <= fine",
                "the second step sees the first block spins only",
                "data processing: no step brings information back",
            ),
        ]
    )
    share = 100 * critical["kept"] / critical["fine"]
    text = (
        f"At the critical coupling a block of four spins holds {critical['fine']:.4f} nats; its block spin keeps "
        f"{critical['kept']:.4f} of "
        f"them, {share:.0f} %. All numbers are exact: every one of the 65 536 states was counted.\n\n"
        "Limits: a 4 x 4 torus has no phase transition, and its numbers per block are not those of a large lattice "
        "(finite size rounds "
        "everything near the critical point). Kept nats count how much is known, not whether it is what matters at "
        "long distances: at "
        "high temperature decimation keeps more than majority with coins, and is still the worse renormalization."
    )
    data = xarray.Dataset(
        {
            f"{name.replace(' ', '_')}": (
                ("coupling", "quantity"),
                curve,
                {"units": "nat", "long_name": f"nats per block, {name}"},
            )
            for name, curve in curves.items()
        },
        {"coupling": ("coupling", couplings, {"units": "1", "long_name": "K = J/kT"}), "quantity": list(_QUANTITIES)},
    )
    return Result(
        estimates,
        ledger,
        judge(estimates, ledger, text),
        data,
        {"nats": _draw(couplings, curves, config.ties)},
        cite=[
            "L. P. Kadanoff, Scaling laws for Ising models near T_c, Physics Physique Fizika 2, 263 (1966).",
            "B. Kaufman, Crystal statistics II, Physical Review 76, 1232 (1949).",
        ],
    )


def _draw(couplings: NDArray[np.float64], curves: dict[str, NDArray[np.float64]], ties: str) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    column = {name: index for index, name in enumerate(_QUANTITIES)}
    majority = curves["majority"]
    left.fill_between(couplings, 0, majority[:, column["kept"]], color=plotting.BLUE, alpha=0.25, linewidth=0)
    left.fill_between(
        couplings,
        majority[:, column["kept"]],
        majority[:, column["fine"]],
        color=plotting.VERMILION,
        alpha=0.2,
        linewidth=0,
    )
    plotting.band(left, couplings, majority[:, column["fine"]], None, color=plotting.BLACK)
    plotting.band(left, couplings, majority[:, column["kept"]], None, color=plotting.BLUE)
    left.annotate(
        "held by four spins",
        (0.42, 1.75),
        (0.62, 2.3),
        arrowprops={"arrowstyle": "-", "color": "#555555", "linewidth": 0.7},
    )
    left.text(0.1, 1.4, "lost", color=plotting.VERMILION, weight="bold")
    left.text(0.1, 0.14, "kept", color=plotting.BLUE, weight="bold")
    left.set_title("Four spins, one block spin")
    other = "first spin" if ties == "coin" else "coin"
    named = {
        "majority": f"majority, ties: {'coin' if ties == 'coin' else 'first spin'}",
        "other ties": f"majority, ties: {other}",
        "decimation": "decimation",
        "majority twice": "majority, two steps",
    }
    for name, color in zip(named, (plotting.BLUE, plotting.SKY, plotting.ORANGE, plotting.GREEN), strict=True):
        plotting.band(right, couplings, curves[name][:, column["kept"]], None, label=named[name], color=color)
    right.set_title("Kept, by rule")
    right.legend(loc="upper right")
    for axis in (left, right):
        axis.axvline(CRITICAL, color="#888888", linewidth=0.9, linestyle=":")
        axis.set(
            xlabel=plotting.label("coupling K = J/kT"),
            ylabel=plotting.label("information", "nats per block"),
            ylim=(0, None),
        )
    left.text(CRITICAL + 0.012, left.get_ylim()[1] * 0.97, "$K_c$", color="#666666", va="top")
    return Picture(
        drawing,
        (
            "Nats per block of 2 x 2 spins on a 4 x 4 torus against the coupling. Left: the entropy of the spins, "
            "split into what the block "
            "spins keep, I(spins; blocks), and what they lose, H(spins | blocks). Right: what other rules keep. "
            "Coins that break ties add "
            "entropy to the blocks, but no information. The dotted line is the critical coupling of the infinite "
            "lattice."
        ),
    )
