"""The study `ising-mcrg`: critical exponents of Ising and Potts spins by the Monte Carlo renormalization group."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.blocked_operators import SMALLEST, LevelSums, join_sums, level_sums
from kadanoff.lattices.blocking import SpinRule, pack_spins
from kadanoff.lattices.lattice import LatticeName, named_lattice
from kadanoff.lattices.monte_carlo_rg import MonteCarloRG, exponents
from kadanoff.lattices.operators import even_operators, odd_operators
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.tuned_weight import tuned_weights
from kadanoff.lattices.two_lattice import matched_couplings
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = [
    "IsingMCRG",
    "critical_coupling",
    "draw_exponents",
    "draw_pieces",
    "draw_sums",
    "ising_mcrg",
    "known_exponents",
]

_PIECE = 1 << 26  # spins drawn and blocked at once
_LEAST = 2000  # configurations, or a piece would spend its time on coming to equilibrium
_OFF = 0.05  # (K / K_c - 1) L^y_t from which on the lattice feels that K is not K_c
_WEIGHTS = np.arange(0.30, 1.01, 0.05)
_WEIGHED = {"square": (64, 32), "triangular": (72, 24), "honeycomb": (64, 32), "cubic": (32, 16)}
_WEIGHED_SAMPLES = (2000, 4000)  # on the larger and the smaller lattice by which weights are chosen


class IsingMCRG(BaseModel):
    """Settings of lattices.ising-mcrg."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lattice: LatticeName = Field("square", description='"square", "triangular", "honeycomb" or "cubic".')
    potts: int = Field(2, ge=2, le=10, description="States of a spin: 2 is the Ising model.")
    size: int = Field(0, ge=0, description="Cells along an edge; 0: 64 (triangular 216; honeycomb, Potts 128).")
    samples: int = Field(
        0,
        ge=0,
        description="Configurations; 0: 40,000 (honeycomb 10,000, triangular 6,000, Potts 16,000, cubic 2,000), as "
        "many of a lattice of half the size.",
    )
    every: int = Field(
        0, ge=0, description="Swendsen-Wang sweeps between configurations; 0: 8 (triangular and honeycomb 4, Potts 6)."
    )
    coupling: float = Field(0.0, ge=0, description="K = J/kT; 0: the known critical coupling.")
    blockings: int = Field(0, ge=0, description="How often to block; 0: to 8 cells along an edge (Potts 16).")
    rule: Literal["default", "majority", "weighted", "decimation"] = Field(
        "default", description='The block-spin rule; "default": "weighted" for cubic, "majority" for other lattices.'
    )
    weight: float = Field(
        0.0,
        ge=0,
        description='w of the rule "weighted", P(S) ~ exp(w S sum s), for y_t; 0: where correlations change least.',
    )
    weight_odd: float = Field(0.0, ge=0, description="The same for y_h; 0: chosen likewise.")

    @property
    def spin_rule(self) -> SpinRule:
        """The rule in use."""
        if self.rule == "default":
            return "weighted" if self.lattice == "cubic" and self.potts == 2 else "majority"
        return self.rule

    @model_validator(mode="after")
    def _one_rule(self) -> IsingMCRG:
        if (self.weight or self.weight_odd) and self.spin_rule != "weighted":
            raise ValueError('a weight belongs to the rule "weighted"')
        if bool(self.weight) != bool(self.weight_odd):
            raise ValueError("give both weights, for y_t and y_h, or none")
        if self.potts > 2 and self.spin_rule != "majority":
            raise ValueError("Potts spins are blocked by plurality only")
        return self


class Known(NamedTuple):
    """Exponents with their errors and source; ``y_t_bias`` and ``y_h_bias``, what slow corrections may still leave
    after three blockings."""

    y_t: float
    y_h: float
    y_t_error: float | None
    y_h_error: float | None
    source: str
    y_t_bias: float = 0.0
    y_h_bias: float = 0.0


def critical_coupling(lattice: LatticeName, potts: int = 2) -> float | None:
    """K_c = J/kT where it is known: exactly in two dimensions, to 5e-9 for the cubic Ising lattice."""
    if potts > 2:
        return math.log1p(math.sqrt(potts)) if lattice == "square" else None
    return {
        "square": math.log1p(math.sqrt(2.0)) / 2,
        "triangular": math.log(3.0) / 4,
        "honeycomb": math.acosh(2.0) / 2,
        "cubic": 0.221654626,  # Ferrenberg, Xu and Landau (2018)
    }[lattice]


def known_exponents(lattice: LatticeName, potts: int = 2) -> Known | None:
    """The exponents that all lattices of a universality class share."""
    if lattice == "cubic":
        source = "Ferrenberg, Xu and Landau (2018); conformal bootstrap for y_h"
        return Known(1.58752, 2.48185, 2.2e-4, 1e-5, source) if potts == 2 else None
    exact = {2: (1.0, 15 / 8), 3: (6 / 5, 28 / 15), 4: (3 / 2, 15 / 8)}
    if potts not in exact:
        return None
    # of q = 3 the irrelevant exponent is -4/5: a blocking leaves 0.57 of the first one's deviation of 0.1, three 0.02
    bias = (0.03 * 6 / 5, 0.005 * 28 / 15) if potts == 3 else (0.0, 0.0)
    return Known(*exact[potts], None, None, "exact (Onsager, 1944; Nienhuis, 1984)", *bias)


def draw_sums(
    config: IsingMCRG,
    size: int,
    coupling: float,
    samples: int,
    seed: int,
    weights: tuple[float, float],
    levels: int | None = None,
    executor: Executor | None = None,
) -> tuple[list[LevelSums], list[LevelSums]]:
    """Draw configurations at one coupling and measure the operators of every level, blocked for the even and for the
    odd sector: with one rule the same sums twice, with two weights each its own operators."""
    lattice = named_lattice(config.lattice, size)
    model: Literal["ising", "potts"] = "potts" if config.potts > 2 else "ising"
    drawn = sample(
        lattice,
        coupling,
        samples=samples,
        seed=seed,
        model=model,
        states=config.potts,
        algorithm="swendsen-wang",
        every=config.every,
        executor=executor,
    ).configurations
    even, odd = even_operators(config.lattice), odd_operators(config.lattice)
    if weights[0] == weights[1]:
        sums = level_sums(
            drawn, lattice, levels=levels, q=config.potts, seed=seed, rule=config.spin_rule, weight=weights[0] or None
        )
        return sums, sums
    spins = pack_spins(drawn)
    return (
        level_sums(spins, lattice, levels=levels, seed=seed, rule="weighted", weight=weights[0], odd=odd[:1]),
        level_sums(spins, lattice, levels=levels, seed=seed, rule="weighted", weight=weights[1], even=even[:1]),
    )


def choose_weights(
    name: LatticeName, coupling: float, seed: int, executor: Executor | None = None
) -> tuple[float, float]:
    """Weights for the even and the odd sector, from samples of their own and before any exponent is known."""
    packed = []
    for number, (size, samples) in enumerate(zip(_WEIGHED[name], _WEIGHED_SAMPLES, strict=True)):
        lattice = named_lattice(name, size)
        drawn = sample(
            lattice, coupling, samples=samples, algorithm="swendsen-wang", every=8,
            seed=seed + number, executor=executor,
        )  # fmt: skip
        packed.append((pack_spins(drawn.configurations), lattice))
    even, odd, _ = tuned_weights(packed[0], packed[1], _WEIGHTS, seed=seed)
    return even, odd


def ising_mcrg(config: IsingMCRG, run: Run) -> Result:
    """Critical exponents from block spins: stability matrices of every blocking, with truncation and finite size
    judged."""
    config = _filled_in(config)
    size = config.size
    coupling = config.coupling or critical_coupling(config.lattice, config.potts)
    if coupling is None:
        raise ValueError(
            f"no critical coupling is known for q = {config.potts} on the {config.lattice} lattice: set one"
        )
    weights = config.weight, config.weight_odd
    if config.spin_rule == "weighted" and not config.weight:
        key = _seed(run.seed, "weights", 0)
        weights = run.stage("weights", choose_weights, config.lattice, coupling, key, run.executor)
    large = draw_pieces(config, run, "large", size, coupling, weights)
    found = _both(*large)
    small, half, missing = None, None, ""
    if found.fate == "critical" and large[0][-1].ratio == 2.0 and size % 2 == 0 and len(large[0]) > 2:
        small = draw_pieces(config, run, "half", size // 2, coupling, weights)
        try:
            half = _both(*small)
        except ValueError as error:  # samples that do for the large lattice may not do here: only for comparison
            missing = f"Finite size was not judged by a lattice of {size // 2} cells: {error}."
    half = half if half is not None and half.fate == "critical" else None
    known = known_exponents(config.lattice, config.potts)
    estimates: dict[str, Reported | Estimate] = {}
    ledger = Ledger()
    for name in ("y_t", "y_h"):
        _report(estimates, ledger, name, found, half, known)
    if small is not None:
        estimates["critical_coupling"] = Reported(
            matched_couplings(large[0], small[0], coupling)[-1],
            critical_coupling(config.lattice, config.potts),
            reference_error=5e-9 if config.lattice == "cubic" else None,
            source="exact in two dimensions; Ferrenberg, Xu and Landau (2018) in three",
        )
    text = _text(config, size, coupling, found, half, missing)
    if config.spin_rule == "weighted":
        chosen = "as given" if config.weight else "chosen where correlations change least from level to level"
        ends = _WEIGHTS[[0, -1]]
        if not config.weight and np.isin(weights, ends).any():
            chosen += f" among {ends[0]:.3g} to {ends[1]:.3g}, at an end of them: the best weight may lie beyond"
        text = f"Weights w = {weights[0]:.3g} for y_t and {weights[1]:.3g} for y_h, {chosen}.\n\n{text}"
    pictures = {}
    if found.fate == "critical":
        pictures["exponents"] = draw_exponents({config.lattice: found}, known)
    return Result(
        estimates, ledger, judge(estimates, ledger, text), _data(found), pictures,
        files={"exponents.txt": found.table() + "\n"},
        cite=[
            "R. H. Swendsen, Monte Carlo renormalization group, Physical Review Letters 42, 859 (1979)",
            "G. S. Pawley, R. H. Swendsen, D. J. Wallace and K. G. Wilson, Physical Review B 29, 4030 (1984)",
            *(
                ["D. Ron, A. Brandt and R. H. Swendsen, Physical Review E 95, 053305 (2017)"]
                if config.spin_rule == "weighted"
                else []
            ),
        ],
    )  # fmt: skip


def _both(even: list[LevelSums], odd: list[LevelSums]) -> MonteCarloRG:
    """The even sector of one pyramid and the odd one of another."""
    found = exponents(even)
    return found if odd is even else replace(found, odd=exponents(odd).odd)


def _filled_in(config: IsingMCRG) -> IsingMCRG:
    size, samples, every = {
        "square": (64, 40_000, 8), "triangular": (216, 6_000, 4), "honeycomb": (128, 10_000, 4),
        "cubic": (64, 2_000, 8),
    }[config.lattice]  # fmt: skip
    if config.potts > 2:
        size, samples, every = 128, 16_000, 6  # y_t to 0.005: a quarter of what slow corrections leave
    update = {"size": config.size or size, "samples": config.samples or samples, "every": config.every or every}
    return config.model_copy(update=update)


def draw_pieces(
    config: IsingMCRG, run: Run, name: str, size: int, coupling: float, weights: tuple[float, float]
) -> tuple[list[LevelSums], list[LevelSums]]:
    """All samples in pieces that fit into memory, each a stage; the pieces do not depend on the number of workers."""
    samples = config.samples
    levels = config.blockings - (name == "half") if config.blockings else None
    spins = math.prod(named_lattice(config.lattice, size).shape)
    share = min(samples, max(_LEAST, _PIECE // spins))
    pieces = [min(share, samples - start) for start in range(0, samples, share)]
    drawn = [
        run.stage(
            f"{name}-{k}", draw_sums, config, size, coupling, count, _seed(run.seed, name, k), weights, levels,
            run.executor,
        )
        for k, count in enumerate(pieces)
    ]  # fmt: skip
    even = join_sums([part[0] for part in drawn])
    return even, even if weights[0] == weights[1] else join_sums([part[1] for part in drawn])


def _seed(seed: int, name: str, piece: int) -> int:
    """Of a piece of a run: no other piece, and none of a run with the next seed, has the same."""
    key = [abs(seed), int(seed < 0), *name.encode(), piece]
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _report(
    estimates: dict[str, Reported | Estimate], ledger: Ledger, name: str, result: MonteCarloRG,
    half: MonteCarloRG | None, known: Known | None,
) -> None:  # fmt: skip
    sector = result.even if name == "y_t" else result.odd
    last = len(result.sums) - 2
    for k in range(last + 1):
        entry, reason = None, result.verdict()
        if result.fate == "critical":
            entry = sector.estimate(k)
            reason = "" if entry else "the leading eigenvalue is not real and positive: too few samples"
        reference = error = tolerance = None
        source = ""
        if k == last and known is not None and entry is not None:
            reference, error = getattr(known, name), getattr(known, f"{name}_error")
            source = known.source
            if bias := getattr(known, f"{name}_bias"):
                tolerance = max(4.0 * (entry.error or 0.0), bias)
        estimates[f"{name}.level{k + 1}"] = Reported(entry, reference, error, tolerance, source, reason)
    if result.fate != "critical":
        return
    whole, shorter = sector.estimate(last), sector.difference((last, -1), (last, -2))
    if whole is not None and shorter is not None:
        ledger.add(Loss(f"{name}, last operator", whole, None, shorter))
    if half is not None and last >= 1:
        other = half.even if name == "y_t" else half.odd
        wide, narrow = sector.estimate(last - 1), other.estimate(last - 1)
        if wide is not None and narrow is not None:
            ledger.add(Loss(f"{name}, half the size", wide, narrow, wide.minus(narrow)))


def _text(
    config: IsingMCRG, size: int, coupling: float, found: MonteCarloRG, half: MonteCarloRG | None, missing: str
) -> str:
    spins = "Ising spins" if config.potts == 2 else f"Potts spins with q = {config.potts}"
    text = [
        f"{config.samples} configurations of {spins} on a {config.lattice} lattice of {size} cells along "
        "an edge at K = "
        f"{coupling:.6g}, {config.every} sweeps apart, {found.bins} bins; a correlation time of "
        f"{found.correlation_time:.3g} samples."
    ]
    text.append(found.verdict())
    critical, known = critical_coupling(config.lattice, config.potts), known_exponents(config.lattice, config.potts)
    if critical is not None and abs(coupling / critical - 1) * size ** (known.y_t if known else 1.0) > _OFF:
        text.append(
            f"K is {100 * (coupling / critical - 1):+.2g} % off the critical {critical:.6g}: the flow is leaving the "
            "critical surface, and these are no critical exponents."
        )
    if config.potts == 4:
        text.append(
            "At q = 4 a marginal operator makes corrections logarithmic: blockings of lattices such as these end below "
            "y_t = 3/2, by an amount that the change of the last blocking does not show."
        )
    if config.potts > 4:
        text.append(
            f"With q = {config.potts} the transition is of first order (Baxter, 1973): there is no critical point, and "
            "what stands here belongs to a lattice smaller than the correlation length."
        )
    if missing:
        text.append(missing)
    if half is not None:
        k = min(len(found.even.values), len(half.even.values)) - 1
        parts = []
        for name, wide, narrow in (("y_t", found.even, half.even), ("y_h", found.odd, half.odd)):
            one, two = wide.estimate(k), narrow.estimate(k)
            if one is not None and two is not None:
                moved = one.minus(two)
                word = "agree" if abs(moved.value) <= 2 * (moved.error or 0.0) else "differ"
                parts.append(f"{name} {one} and {two} {word}")
        if parts:
            text.append(
                f"Finite size: after {k + 1} blockings of lattices of {size} and {size // 2}, {'; '.join(parts)}. The "
                f"same spins of {size // 2} cells, blocked from {size} or simulated: neighbours correlate by "
                f"{found.correlations[1]} and {half.correlations[0]}, and {_matched(found, half)}"
            )
    rule = (
        "The exact exponents are allowed 3 % (y_t) and 0.5 % (y_h) or four standard errors: of three states the "
        "leading irrelevant exponent is -4/5, so that a blocking leaves 0.57 of the distance before it."
        if config.potts == 3
        else "A reference is judged by four standard errors and nothing else."
    )
    text.append(
        "Limits: error bars are statistical. What operators outside the set, blockings not made and the last lattice's "
        "own size would change is not in them; the comparisons above are the only handle on it. " + rule
    )
    return "\n\n".join(text)


def _matched(large: MonteCarloRG, small: MonteCarloRG) -> str:
    """Whether what sets the two lattices apart dies out as both are blocked on."""
    pairs = zip(large.correlations[1:], small.correlations, strict=False)
    gaps = [one.minus(two) for one, two in pairs]
    first, last = gaps[0], gaps[-1]
    if len(gaps) < 2:
        return "no further level tells whether the difference dies out."
    ends = f"level by level the difference goes from {first} to {last}"
    if all(abs(gap.value) <= 2 * (gap.error or 0.0) for gap in gaps):
        return f"{ends}: none is seen."
    if abs(last.value) <= 2 * (last.error or 0.0) or abs(last.value) < abs(first.value) / 2:
        return f"{ends}: it is irrelevant and dies out."
    return f"{ends}: it does not die out, so that this rule has no fixed point at this K, or is far from it."


def _data(found: MonteCarloRG) -> xarray.Dataset:
    one = {"units": "1"}
    levels = np.arange(1, len(found.even.values) + 1)  # none off criticality
    variables: dict[str, tuple[tuple[str, ...], NDArray[np.float64], dict[str, str]]] = {}
    for name, sector, axis in (("y_t", found.even, "even_operators"), ("y_h", found.odd, "odd_operators")):
        variables[name] = (("blocking", axis), sector.values, {**one, "long_name": f"{name}, first n operators"})
        variables[f"{name}_error"] = (("blocking", axis), sector.errors, one)
        pairs = np.stack([sector.eigenvalues.real, sector.eigenvalues.imag], axis=-1)
        variables[f"{name}_eigenvalues"] = (("blocking", f"{name}_eigenvalue", "part"), pairs, one)
    correlations = np.array([entry.value for entry in found.correlations])
    variables["correlation"] = (("level",), correlations, {**one, "long_name": "nearest-neighbour correlation"})
    return xarray.Dataset(
        variables,
        {
            "blocking": ("blocking", levels, one),
            "even_operators": [operator.name for operator in found.even.operators],
            "odd_operators": [operator.name for operator in found.odd.operators],
            "part": ["real", "imaginary"],
            "length": ("level", found.lengths, {"units": "cells"}),
        },
    )


def draw_exponents(results: dict[str, MonteCarloRG], known: Known | None) -> Picture:
    """Exponents against the width of the lattice that was blocked, with the exact line; a colour a lattice."""
    drawing, axes = plotting.figure(2)
    for axis, name in zip(axes, ("y_t", "y_h"), strict=True):
        for (label, result), colour in zip(results.items(), plotting.COLOURS, strict=False):
            sector = result.even if name == "y_t" else result.odd
            widths, values, errors = np.array(result.lengths[:-1]), sector.values[:, -1], sector.errors[:, -1]
            good = np.isfinite(values) & np.isfinite(errors)
            plotting.band(axis, widths[good], values[good], errors[good], label=label, color=colour, marker="o")
        if known is not None:
            axis.axhline(getattr(known, name), color=plotting.BLACK, linewidth=0.9, linestyle="--")
        axis.set_xscale("log", base=2)
        widest = max(result.lengths[0] for result in results.values())
        axis.set_xlim(1.1 * widest, SMALLEST)
        axis.set_xlabel(plotting.label("width before the blocking", "cells"))
        axis.set_ylabel(f"${name}$")
        axis.set_title("thermal exponent" if name == "y_t" else "magnetic exponent")
    axes[0].legend()
    return Picture(
        drawing,
        "Exponents blocking by blocking, from wide to narrow, with all operators; bands are one standard "
        "error"
        + ("" if known is None else f", dashed: the {'exact' if known.y_t_error is None else 'best known'} value")
        + ". "
        + "The first blocking still feels the microscopic lattice; the later ones settle.",
    )
