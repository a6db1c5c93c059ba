"""The study `ising-mcrg`: critical exponents of Ising and Potts spins by the Monte Carlo renormalization group."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from typing import Literal, NamedTuple

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.blocking import pack_spins
from kadanoff.lattices.lattice import LatticeName, named_lattice
from kadanoff.lattices.monte_carlo_rg import SMALLEST, LevelSums, MonteCarloRG, Sector, exponents, join_sums, level_sums
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.tuned_weight import tuned_weights
from kadanoff.lattices.two_lattice import matched_couplings
from kadanoff.losses import Ledger, Loss
from kadanoff.study import Picture, Reported, Result, Run, judge

__all__ = ["IsingMCRG", "allowed", "critical_coupling", "draw_exponents", "draw_sums", "ising_mcrg", "known_exponents"]

_PIECE = 1 << 24  # spins drawn and blocked at once
_WEIGHED = 600  # configurations by which weights are chosen
_WEIGHTS = np.arange(0.20, 1.21, 0.05)


class IsingMCRG(BaseModel):
    """Settings of lattices.ising-mcrg."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lattice: LatticeName = Field("square", description='"square", "triangular", "honeycomb" or "cubic".')
    potts: int = Field(2, ge=2, le=10, description="States of a spin: 2 is the Ising model.")
    size: int = Field(0, ge=0, description="Cells along an edge; 0: 64 (triangular 72, cubic 32, Potts 128).")
    samples: int = Field(
        0,
        ge=0,
        description="Configurations; 0: 40,000 (triangular and honeycomb 20,000, Potts 4,000, cubic 6,000). A lattice "
        "of half the size gets half as many.",
    )
    every: int = Field(0, ge=0, description="Swendsen-Wang sweeps between configurations; 0: 8 (Potts 24, cubic 4).")
    coupling: float = Field(0.0, ge=0, description="K = J/kT; 0: the known critical coupling.")
    blockings: int = Field(0, ge=0, description="How often to block; 0: to 8 cells along an edge.")
    rule: Literal["majority", "weighted", "decimation"] = Field(
        "majority", description="The block-spin rule (of Potts spins always the plurality)."
    )
    weight: float = Field(
        0.0,
        ge=0,
        description='w of the rule "weighted", P(S) ~ exp(w S sum s), for y_t; 0: where correlations change least.',
    )
    weight_odd: float = Field(0.0, ge=0, description="The same for y_h; 0: chosen likewise.")

    @model_validator(mode="after")
    def _one_rule(self) -> IsingMCRG:
        if (self.weight or self.weight_odd) and self.rule != "weighted":
            raise ValueError('a weight belongs to the rule "weighted"')
        if bool(self.weight) != bool(self.weight_odd):
            raise ValueError("give both weights, for y_t and y_h, or none")
        if self.potts > 2 and self.rule != "majority":
            raise ValueError("Potts spins are blocked by plurality only")
        return self


class Known(NamedTuple):
    """Exponents with their errors and source; how far off a result may be beyond its own error."""

    y_t: float
    y_h: float
    y_t_error: float | None
    y_h_error: float | None
    source: str


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
    return Known(*exact[potts], None, None, "exact (Onsager, 1944; Nienhuis, 1984)")


def draw_sums(
    config: IsingMCRG,
    size: int,
    coupling: float,
    samples: int,
    seed: int,
    weight: float,
    executor: Executor | None = None,
) -> list[LevelSums]:
    """Draw configurations at one coupling and measure the operators of every level."""
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
    )
    return level_sums(
        drawn.configurations,
        lattice,
        q=config.potts,
        seed=seed,
        rule=config.rule,
        weight=weight or None,
    )


def choose_weights(name: LatticeName, size: int, coupling: float, seed: int) -> tuple[float, float]:
    """Weights for the even and the odd sector, from samples of their own and before any exponent is known."""
    lattice = named_lattice(name, size)
    drawn = sample(lattice, coupling, samples=_WEIGHED, algorithm="swendsen-wang", seed=seed)
    even, odd, _ = tuned_weights(pack_spins(drawn.configurations), lattice, _WEIGHTS, seed=seed)
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
    weight, weight_odd = config.weight, config.weight_odd
    if config.rule == "weighted" and not weight:
        weight, weight_odd = run.stage("weights", choose_weights, config.lattice, size, coupling, run.seed + 5000)
    large = _drawn(config, run, "large", size, coupling, weight)
    odd = large if weight_odd == weight else _drawn(config, run, "odd", size, coupling, weight_odd)
    found = exponents(_first(large, config.blockings))
    found_odd = found if odd is large else exponents(_first(odd, config.blockings))
    small = None
    if found.fate == "critical" and large[-1].ratio == 2.0 and size % 2 == 0 and len(large) > 2:
        small = _drawn(config, run, "half", size // 2, coupling, weight)
    half = None if small is None else exponents(small)
    half = half if half is not None and half.fate == "critical" else None
    known = known_exponents(config.lattice, config.potts)
    estimates: dict[str, Reported | Estimate] = {}
    ledger = Ledger()
    for name, result in (("y_t", found), ("y_h", found_odd)):
        _report(estimates, ledger, name, result, half if result is found else None, known)
    if small is not None:
        matched = matched_couplings(large, small, coupling)
        moved = matched[-1].minus(matched[-2]).value
        estimates["critical_coupling"] = Reported(
            matched[-1],
            critical_coupling(config.lattice, config.potts),
            tolerance=4.0 * (matched[-1].error or 0.0) + abs(moved),
            source="exact in two dimensions; Ferrenberg, Xu and Landau (2018) in three",
        )
    text = _text(config, size, coupling, found, found_odd, half)
    if config.rule == "weighted":
        chosen = "as given" if config.weight else "chosen where correlations change least from level to level"
        text = f"Weights w = {weight:.3g} for y_t and {weight_odd:.3g} for y_h, {chosen}.\n\n{text}"
    pictures = {}
    if found.fate == "critical":
        pictures["exponents"] = draw_exponents({config.lattice: (found, found_odd)}, known)
    return Result(
        estimates, ledger, judge(estimates, ledger, text), _data(found, found_odd), pictures,
        files={"exponents.txt": found.table() + "\n"},
        cite=[
            "R. H. Swendsen, Monte Carlo renormalization group, Physical Review Letters 42, 859 (1979)",
            "G. S. Pawley, R. H. Swendsen, D. J. Wallace and K. G. Wilson, Physical Review B 29, 4030 (1984)",
        ],
    )  # fmt: skip


def _filled_in(config: IsingMCRG) -> IsingMCRG:
    size, samples, every = {
        "square": (64, 40_000, 8), "triangular": (72, 20_000, 8), "honeycomb": (64, 20_000, 8), "cubic": (32, 6_000, 4),
    }[config.lattice]  # fmt: skip
    if config.potts > 2:
        size, samples, every = 128, 4_000, 24
    update = {"size": config.size or size, "samples": config.samples or samples, "every": config.every or every}
    return config.model_copy(update=update)


def _drawn(config: IsingMCRG, run: Run, name: str, size: int, coupling: float, weight: float) -> list[LevelSums]:
    """All samples in pieces that fit into memory, each a stage; the pieces do not depend on the number of workers."""
    samples = config.samples // 2 if name == "half" else config.samples
    spins = math.prod(named_lattice(config.lattice, size).shape)
    share = min(samples, max(500, _PIECE // spins))
    pieces = [min(share, samples - start) for start in range(0, samples, share)]
    offset = 1000 * ["large", "odd", "half"].index(name)
    return join_sums(
        [
            run.stage(
                f"{name}-{k}", draw_sums, config, size, coupling, count, run.seed + offset + k, weight, run.executor
            )
            for k, count in enumerate(pieces)
        ]
    )


def _first(sums: list[LevelSums], blockings: int) -> list[LevelSums]:
    if blockings >= len(sums):
        raise ValueError(f"blockings: {blockings} asked for, {len(sums) - 1} leave 8 cells along an edge")
    return sums[: blockings + 1] if blockings else sums


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
            tolerance, source = allowed(sector, entry), known.source
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


def allowed(sector: Sector, entry: Estimate) -> float:
    """Four standard errors, and the last change: what a sequence that at least halves its distance has still to go."""
    last = len(sector.values) - 1
    moved = sector.difference((last, -1), (last - 1, -1)) if last else None
    return 4.0 * (entry.error or 0.0) + (abs(moved.value) if moved else 0.0)


def _text(
    config: IsingMCRG, size: int, coupling: float, found: MonteCarloRG, odd: MonteCarloRG, half: MonteCarloRG | None
) -> str:
    spins = "Ising spins" if config.potts == 2 else f"Potts spins with q = {config.potts}"
    text = [
        f"{config.samples} configurations of {spins} on a {config.lattice} lattice of {size} cells along "
        "an edge at K = "
        f"{coupling:.6g}, {config.every} sweeps apart, {found.bins} bins; a correlation time of "
        f"{found.correlation_time:.3g} samples."
    ]
    text.append(found.verdict() if odd is found else f"Even: {found.verdict()} Odd: {odd.verdict()}")
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
                f"{found.correlations[1]} and {half.correlations[0]}; the difference is what is irrelevant "
                "and dies out."
            )
    text.append(
        "Limits: error bars are statistical. What operators outside the set, blockings not made and the last lattice's "
        "own size would change is not in them; the comparisons above are the only handle on it. The allowed distance "
        "from the reference is four standard errors and the change made by the last blocking (of K_c: by "
        "the last match)."
    )
    return "\n\n".join(text)


def _data(found: MonteCarloRG, odd: MonteCarloRG) -> xarray.Dataset:
    one = {"units": "1"}
    levels = np.arange(1, len(found.even.values) + 1)  # none off criticality
    variables: dict[str, tuple[tuple[str, ...], NDArray[np.float64], dict[str, str]]] = {}
    for name, sector, axis in (("y_t", found.even, "even_operators"), ("y_h", odd.odd, "odd_operators")):
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
            "odd_operators": [operator.name for operator in odd.odd.operators],
            "part": ["real", "imaginary"],
            "length": ("level", found.lengths, {"units": "cells"}),
        },
    )


def draw_exponents(results: dict[str, tuple[MonteCarloRG, MonteCarloRG]], known: Known | None) -> Picture:
    """Exponents against the width of the lattice that was blocked, with the exact line; a colour a lattice."""
    drawing, axes = plotting.figure(2)
    for axis, name in zip(axes, ("y_t", "y_h"), strict=True):
        for (label, (even, odd)), colour in zip(results.items(), plotting.COLOURS, strict=False):
            result = even if name == "y_t" else odd
            sector = result.even if name == "y_t" else result.odd
            widths, values, errors = np.array(result.lengths[:-1]), sector.values[:, -1], sector.errors[:, -1]
            good = np.isfinite(values) & np.isfinite(errors)
            plotting.band(axis, widths[good], values[good], errors[good], label=label, color=colour, marker="o")
        if known is not None:
            axis.axhline(getattr(known, name), color=plotting.BLACK, linewidth=0.9, linestyle="--")
        axis.set_xscale("log", base=2)
        widest = max(result.lengths[0] for result, _ in results.values())
        axis.set_xlim(1.1 * widest, SMALLEST)
        axis.set_xlabel(plotting.label("width before the blocking", "cells"))
        axis.set_ylabel(f"${name}$")
        axis.set_title("thermal exponent" if name == "y_t" else "magnetic exponent")
    axes[0].legend()
    return Picture(
        drawing,
        "Exponents blocking by blocking, from wide to narrow, with all operators; bands are one standard "
        "error, dashed: "
        + ("the exact value. " if known is not None and known.y_t_error is None else "the best known value. ")
        + "The first blocking still feels the microscopic lattice; the later ones settle.",
    )
