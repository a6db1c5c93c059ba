"""The study `ising-blocks`: block spins below, at and above T_c, and how much of the entropy each blocking keeps."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import xarray
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.block_enumeration import bond_sum, channel, enumerate_states, information, spin_states
from kadanoff.lattices.blocking import Ties, pyramid
from kadanoff.lattices.information_lost import (
    EntropyPerSpin,
    block_microstates,
    entropy_per_spin,
    information_kept,
    magnetization_entropy,
)
from kadanoff.lattices.kaufman import torus_entropy
from kadanoff.lattices.lattice import square
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.total_information import TotalInformation, information_bounds
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, Slides, judge

__all__ = ["IsingBlocks", "ising_blocks"]

CRITICAL = math.log1p(math.sqrt(2.0)) / 2
_ZOOM, _ZOOM_SWEEPS = 512, 400  # some twenty autocorrelation times
_WINDOW = 64  # spins, of every level that has them
_ALIKE = 0.1  # relative: entropies of critical levels that differ by less are called alike
_ROWS = {"cold": "T < $T_c$", "critical": "$T_c$", "hot": "T > $T_c$"}


class IsingBlocks(BaseModel):
    """Settings of lattices.ising-blocks."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: int = Field(128, ge=64, description="Spins along an edge; divisible by 2^levels.")
    levels: int = Field(3, ge=1, le=6, description="How often to block by 2 x 2.")
    samples: int = Field(
        1200, ge=100, description="Configurations at T_c; a quarter as many at the other temperatures."
    )
    every: int = Field(8, ge=1, description="Swendsen-Wang sweeps between configurations.")
    cold: float = Field(0.9, gt=0, lt=1, description="The temperature below T_c, in units of T_c.")
    hot: float = Field(1.1, gt=1, description="The temperature above T_c, in units of T_c.")
    ties: Ties = Field("coin", description='A tied block: "coin" tosses one, "first" copies its first spin.')


class Pyramid(NamedTuple):
    """Of every level: entropies, the share of ties, information kept (of level 1 on), bounds of what all blockings up
    to it keep of level 0, one configuration to show."""

    coupling: float
    entropies: list[EntropyPerSpin]
    ties: list[float]
    kept: list[Estimate]
    total: list[TotalInformation]
    pictures: list[NDArray[np.int8]]


def blocked(
    size: int,
    coupling: float,
    samples: int,
    every: int,
    levels: int,
    ties: Ties,
    seed: int,
    executor: Executor | None = None,
) -> Pyramid:
    """Draw configurations, block them, and measure every level."""
    drawn = sample(
        square(size), coupling, samples=samples, algorithm="swendsen-wang", every=every, seed=seed, executor=executor
    )
    found = pyramid(drawn.configurations, square(size), levels=levels, ties=ties, seed=seed)
    entropies = [entropy_per_spin(level.configurations) for level in found]
    kept = [information_kept(level, entropy.estimate) for level, entropy in zip(found[1:], entropies[1:], strict=True)]
    total = information_bounds(found, [entropy.estimate for entropy in entropies])
    pictures = [level.configurations[-1] for level in found]
    return Pyramid(coupling, entropies, [level.tie_fraction for level in found], kept, total, pictures)


def zoom_levels(ties: Ties, seed: int) -> list[NDArray[np.int8]]:
    """One critical configuration of 512 x 512 spins and its five blockings."""
    drawn = sample(
        square(_ZOOM), CRITICAL, samples=1, algorithm="swendsen-wang", every=1, equilibration=_ZOOM_SWEEPS, seed=seed
    )
    levels = pyramid(drawn.configurations, square(_ZOOM), levels=5, ties=ties, seed=seed)
    return [level.configurations[0] for level in levels]


def exact_steps(ties: Ties) -> tuple[float, float, float]:
    """Entropy, and nats kept by one and by two blockings of 4 x 4 critical spins, per original spin, by enumeration."""
    bonds = bond_sum(spin_states(16), (4, 4))
    first = channel((4, 4), 2, ties)
    once = information(enumerate_states(bonds, first), CRITICAL, 16)
    twice = information(enumerate_states(bonds, first @ channel((2, 2), 2, ties)), CRITICAL, 16)
    return once.fine, once.kept, twice.kept


def ising_blocks(config: IsingBlocks, run: Run) -> Result:
    """Spins blocked again and again below, at and above T_c: pictures, entropy per spin, information kept by a step."""
    if config.size % 2**config.levels:
        raise ValueError(f"{config.size} spins cannot be blocked {config.levels} times by 2")
    couplings = {"cold": CRITICAL / config.cold, "critical": CRITICAL, "hot": CRITICAL / config.hot}
    found = {
        name: run.stage(
            f"pyramid-{name}", blocked, config.size, coupling, config.samples // (1 if name == "critical" else 4),
            config.every, config.levels, config.ties, run.seed + n, run.executor,
        )
        for n, (name, coupling) in enumerate(couplings.items())
    }  # fmt: skip
    exact = {name: torus_entropy(coupling, (config.size,) * 2) for name, coupling in couplings.items()}
    zoomed = run.stage("zoom", zoom_levels, config.ties, run.seed + 10)
    steps = exact_steps(config.ties)
    estimates = _estimates(found, exact)
    ledger = _ledger(found, exact, steps)
    return Result(
        estimates, ledger, judge(estimates, ledger, _text(config, found, exact)), _data(found),
        {"pyramid": _draw_pyramid(found), "information": _draw_information(found, exact)},
        cite=[
            "L. P. Kadanoff, Scaling laws for Ising models near T_c, Physics Physique Fizika 2, 263 (1966)",
            "B. Kaufman, Crystal statistics II, Physical Review 76, 1232 (1949)",
            "T. M. Cover and J. A. Thomas, Elements of Information Theory, sections 2.8 and 4.2",
        ],
        slides={"zoom": _whole(zoomed), "window": _windows(zoomed)},
    )  # fmt: skip


def _estimates(found: dict[str, Pyramid], exact: dict[str, float]) -> dict[str, Reported | Estimate]:
    estimates: dict[str, Reported | Estimate] = {}
    for name in ("critical", "cold", "hot"):
        end = "" if name == "critical" else f".{name}"
        for level, entropy in enumerate(found[name].entropies):
            entry: Reported | Estimate = entropy.estimate
            if level == 0:
                allowed = 0.01 * exact[name] + (0.0 if name == "critical" else 4 * (entropy.estimate.error or 0.0))
                entry = Reported(
                    entropy.estimate, exact[name], tolerance=allowed, source="Kaufman (1949), the same torus"
                )
            estimates[f"entropy_per_spin{end}.level{level}"] = entry
        for level, kept in enumerate(found[name].kept, 1):
            estimates[f"information_kept{end}.level{level}"] = kept
    for level, (lower, upper) in enumerate(found["critical"].total, 1):
        estimates[f"information_total.level{level}.at_most"] = upper
        if lower is not None:
            estimates[f"information_total.level{level}.at_least"] = lower
    states, nats = block_microstates(16)
    sums = spin_states(16).astype(np.int64).sum(axis=0)
    counted = float((sums > 0).sum() + (sums == 0).sum() / 2)
    estimates["microstates_of_a_block"] = Reported(
        Estimate.exact(counted), states, source="half of the 2^16 states of 4 x 4 spins, by symmetry"
    )
    estimates["entropy_of_a_block"] = Estimate.exact(nats, "nat")
    estimates["entropy_of_no_magnetization"] = Reported(
        Estimate.exact(float(magnetization_entropy(16, 0)), "nat"), math.log((sums == 0).sum()), source="counted"
    )
    return estimates


def _ledger(found: dict[str, Pyramid], exact: dict[str, float], steps: tuple[float, float, float]) -> Ledger:
    fine, once, twice = (Estimate.exact(value, "nat") for value in steps)
    critical = found["critical"]
    lowest = critical.entropies[0].estimate
    true = Estimate.exact(exact["critical"], "nat")
    ledger = Ledger(
        [
            Loss(
                "entropy per spin, level 0", true, lowest, lowest.minus(true), "nat", "coarse >= fine",
                "a large lattice: a torus may hold ln 2 / N more than its contexts tell",
                "a finite context leaves more entropy than there is",
            ),
            Loss(
                "4 x 4 to 2 x 2, per spin", fine, once, fine.minus(once), "nat", "coarse <= fine",
                "all states counted", "blocks cannot tell more than there is to tell",
            ),
            Loss(
                "4 x 4 to 2 x 2 to one, per spin", once, twice, once.minus(twice), "nat", "coarse <= fine",
                "all states counted, in nats per original spin", "data processing",
            ),
        ]
    )  # fmt: skip
    before, at_least = "the entropy", true
    for level, (lower, upper) in enumerate(critical.total, 1):
        ledger.add(
            Loss(
                f"level 0 to {level}, per original spin", at_least, upper, at_least.minus(upper), "nat",
                "coarse <= fine", f"{before} from below, {level} blockings from above; nearest neighbours",
                "data processing",
            )
        )  # fmt: skip
        if lower is None:
            break
        before, at_least = f"{level} blockings", lower
    for level, kept in enumerate(critical.kept, 1):
        below = critical.entropies[level - 1].estimate
        ledger.add(
            Loss(
                f"blocking {level}, per spin below", below, kept, below.minus(kept), "nat", "coarse <= fine",
                "both are upper bounds, a percent above the truth", "I(fine; blocks) <= H(fine)",
            )
        )  # fmt: skip
    return ledger


def _text(config: IsingBlocks, found: dict[str, Pyramid], exact: dict[str, float]) -> str:
    critical = found["critical"]
    entropies = ", ".join(str(entropy.estimate) for entropy in critical.entropies)
    shares = ", ".join(
        f"{100 * kept.value / entropy.estimate.value:.0f} %"
        for kept, entropy in zip(critical.kept, critical.entropies, strict=False)
    )
    excess = 100 * (critical.entropies[0].estimate.value / exact["critical"] - 1)
    spread = max(abs(one.estimate.value / critical.entropies[0].estimate.value - 1) for one in critical.entropies)
    alike = (
        f"within {100 * spread:.0f} % at every level, which is the fixed point seen by information"
        if spread < _ALIKE
        else f"up to {100 * spread:.0f} % apart: the last levels feel the size of the lattice"
    )
    sides = " ".join(
        _leaving(name, where, end, getattr(config, name), found[name])
        for name, where, end in (("cold", "Below T_c", "nothing"), ("hot", "Above it", "ln 2"))
    )
    coin = "the coins of tied blocks are taken off" if config.ties == "coin" else "ties go to the block's first spin"
    total = "; ".join(
        f"{level} between {lower} and {upper}" if lower else f"{level} at most {upper}"
        for level, (lower, upper) in enumerate(critical.total, 1)
    )
    before = [exact["critical"], *(lower.value for lower, _ in critical.total if lower)]
    apart = all(upper.value < above for above, (_, upper) in zip(before, critical.total, strict=False))
    proven = (
        "samples prove it here: each upper bound lies below the lower bound of the level before"
        if apart
        else "these samples do not tell: an upper bound lies above the lower bound of the level before"
    )
    return (
        f"At T_c a spin has {entropies} at level 0, 1, ...: {alike}. Level 0 is {excess:+.2f} % off the exact entropy "
        f"of this torus. Each blocking keeps {shares} "
        f"of what the spins below hold; {coin}. {sides}\n\n"
        f"Of an original spin so many blockings together keep: {total}. No later level can hold more than an earlier "
        f"one, and {proven}.\n\n"
        "Limits: the entropy given a finite context is an upper bound (of a torus of N spins but for some ln 2 / N), "
        "here of all levels alike; so is what a blocking keeps. Lower bounds come from the ring of fine spins around a "
        "block, which is short enough for two blockings; they lie far below. Of 4 x 4 spins two steps are exact by "
        "enumeration (the ledger). On the last level few spins are left, which allow short contexts only, and its "
        "entropy is further above the truth by the context and below that of a large lattice by its size."
    )


def _leaving(name: str, where: str, end: str, temperature: float, found: Pyramid) -> str:
    first, last = found.entropies[0].estimate, found.entropies[-1].estimate
    moved = last.minus(first).value * (1 if name == "hot" else -1)
    goes = f"goes towards {end}" if moved > 2 * (last.error or 0.0) else f"does not yet go to {end}"
    return f"{where}, at {temperature:g} T_c, the entropy of a spin {goes}, from {first} to {last}."


def _data(found: dict[str, Pyramid]) -> xarray.Dataset:
    nat, one = {"units": "nat"}, {"units": "1"}
    names, depth = list(found), len(found["critical"].entropies)
    rows = [[p.entropies[k].estimate for k in range(depth)] for p in found.values()]
    kept = [p.kept for p in found.values()]
    where, step = ("temperature", "level"), ("temperature", "blocking")
    curve = found["critical"].entropies[0]
    return xarray.Dataset(
        {
            "entropy_per_spin": (where, [[e.value for e in row] for row in rows], nat),
            "entropy_per_spin_error": (where, [[e.error or 0.0 for e in row] for row in rows], nat),
            "information_kept": (step, [[e.value for e in row] for row in kept], nat),
            "information_kept_error": (step, [[e.error or 0.0 for e in row] for row in kept], nat),
            "tie_fraction": (where, [p.ties for p in found.values()], one),
            "coupling": (("temperature",), [p.coupling for p in found.values()], one),
            "entropy_by_context": (("context",), curve.values, nat),
            "entropy_by_context_error": (("context",), curve.errors, nat),
        },
        {
            "temperature": names,
            "level": ("level", np.arange(depth), one),
            "blocking": ("blocking", np.arange(1, depth), one),
            "context": ("context", curve.contexts, {**one, "long_name": "spins of the context"}),
        },
    )


def _draw_pyramid(found: dict[str, Pyramid]) -> Picture:
    depth = len(found["critical"].pictures)
    drawing, axes = plotting.figure(depth, 3, width=1.9 * depth, height=6.0)
    colours = ListedColormap(["white", plotting.BLUE])
    for row, (name, title) in enumerate(_ROWS.items()):
        for level, spins in enumerate(found[name].pictures):
            axis = axes[row * depth + level]
            axis.imshow(spins, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(False)
            for side in axis.spines.values():
                side.set_visible(True)
            if row == 0:
                axis.set_title(f"{spins.shape[0]} x {spins.shape[1]}")
            if level == 0:
                axis.set_ylabel(title)
    return Picture(
        drawing,
        "One configuration at each temperature and its block spins, 2 x 2 to one by majority from left to right. Below "
        "T_c the picture goes to one colour, above it to noise; at T_c every level looks like the one before.",
    )


def _whole(levels: list[NDArray[np.int8]]) -> Slides:
    images = {
        f"level {k}: {spins.shape[0]} x {spins.shape[1]} spins" + (f", one for {4**k} of the first" if k else ""): spins
        for k, spins in enumerate(levels)
    }
    return Slides(
        {label: _pixels(spins) for label, spins in images.items()},
        "One configuration at T_c, blocked again and again. Each step puts the majority of 2 x 2 spins in their place: "
        "the fine structure goes, the large domains stay where they are. Blue is up.",
    )


def _windows(levels: list[NDArray[np.int8]]) -> Slides:
    def middle(spins: NDArray[np.int8]) -> NDArray[np.int8]:
        first = (spins.shape[0] - _WINDOW) // 2
        return spins[first : first + _WINDOW, first : first + _WINDOW]

    wide = [spins for spins in levels if spins.shape[0] >= _WINDOW]
    return Slides(
        {
            f"level {k}: {_WINDOW} x {_WINDOW} of {spins.shape[0]} x {spins.shape[1]} spins": _pixels(middle(spins))
            for k, spins in enumerate(wide)
        },
        f"The same levels through a window of {_WINDOW} x {_WINDOW} spins of each: every step looks on from twice as "
        "far away. No level can be told from another by its look, and that is what critical means.",
    )


def _pixels(spins: NDArray[np.int8]) -> bytes:
    return plotting.pixels(spins > 0, ["white", plotting.BLUE])


def _draw_information(found: dict[str, Pyramid], exact: dict[str, float]) -> Picture:
    drawing, (left, middle, right) = plotting.figure(3, width=10.5)
    colours = {"cold": plotting.VERMILION, "critical": plotting.GREEN, "hot": plotting.BLUE}
    for name, title in _ROWS.items():
        rows = [entropy.estimate for entropy in found[name].entropies]
        plotting.band(
            left, np.arange(len(rows)), [e.value for e in rows], [e.error or 0.0 for e in rows],
            label=title, color=colours[name], marker="o",
        )  # fmt: skip
        kept = found[name].kept
        plotting.band(
            middle, np.arange(1, len(rows)), [e.value for e in kept], [e.error or 0.0 for e in kept],
            label=title, color=colours[name], marker="o",
        )  # fmt: skip
    left.axhline(math.log(2), color=plotting.BLACK, linestyle="--", linewidth=0.9)
    left.set_title("Entropy of a spin")
    left.set_ylabel(plotting.label("upper bound", "nat"))
    middle.set_title("Kept by a blocking")
    middle.set_ylabel(plotting.label("per spin of the level below", "nat"))
    for axis in (left, middle):
        axis.set_xlabel("level")
        axis.set_xticks(np.arange(axis is middle, len(found["critical"].entropies)))
        axis.set_ylim(bottom=0)
    left.set_ylim(0, 0.95)
    left.legend(loc="upper right", ncols=3)
    curve = found["critical"].entropies[0]
    shown = curve.contexts > 0
    plotting.band(
        right, curve.contexts[shown], curve.values[shown], curve.errors[shown], color=plotting.GREEN, marker="o"
    )
    right.axhline(exact["critical"], color=plotting.BLACK, linestyle="--", linewidth=0.9)
    right.set_title("Level 0 at $T_c$")
    right.set_xlabel("spins of the context")
    right.set_ylabel(plotting.label("entropy of a spin", "nat"))
    return Picture(
        drawing,
        "Left: at T_c the entropy of a spin stays, off it goes to ln 2 (dashed) or to nothing. Middle: "
        "what each blocking "
        "keeps, the coins of ties taken off. Right: the more spins the context has, the lower the bound, towards the "
        "exact entropy of this torus (dashed). Bands are one standard error.",
    )
