"""The kind `lattices.mcrg`: the renormalization of the reader's own configurations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff import plotting
from kadanoff.estimates import Estimate
from kadanoff.lattices.blocked_operators import LevelSums, join_sums, level_sums
from kadanoff.lattices.blocking import Ties, block_potts, lattice_blocks, pyramid
from kadanoff.lattices.configuration_files import SpinKind, lattice_of_shape, open_configurations, spins_of
from kadanoff.lattices.couplings import Couplings, fit_couplings
from kadanoff.lattices.information_lost import (
    entropy_per_spin,
    information_kept,
    plurality_noise,
    potts_information_kept,
)
from kadanoff.lattices.lattice import Lattice, LatticeName
from kadanoff.lattices.monte_carlo_rg import MonteCarloRG, exponents
from kadanoff.lattices.operators import even_operators, odd_operators
from kadanoff.lattices.other_couplings import fit_field_couplings, fit_potts_couplings
from kadanoff.lattices.studies.ising_mcrg import critical_coupling, draw_exponents
from kadanoff.losses import Ledger, Loss
from kadanoff.study import InputFile, Picture, Reported, Result, Run, judge

__all__ = ["MCRG", "mcrg"]

_PIECE = 1 << 24  # spins read at once
_FITTED = 1 << 24  # spins that couplings and entropies are taken from; of Potts states and fields a quarter
_SIGMAS = 4.0  # from which on a field is one


class MCRG(BaseModel):
    """Settings of lattices.mcrg."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    configurations: InputFile = Field(
        description="Configurations (samples, *shape) in time order: .npy, .npz or HDF5.", examples=["spins.npy"]
    )
    dataset: str | None = Field(None, description="Name of the array in an .npz or HDF5 file.", examples=["spins"])
    lattice: LatticeName = Field(
        "square", description='"square" or "triangular" (L, L), "honeycomb" (L, L, 2), "cubic" (L, L, L).'
    )
    spins: SpinKind = Field("ising", description='"ising": +-1; "potts": 0 to potts - 1; "real": the sign is taken.')
    potts: int = Field(2, ge=2, le=100, description="States of a Potts spin.")
    temperature: float | None = Field(
        None, gt=0, description="kT/J, to be held against the fitted coupling.", examples=[2.269]
    )
    start: int = Field(0, ge=0, description="Configurations to leave out at the beginning.")
    edge: int = Field(2, ge=2, description="Edge of a block, square and cubic lattices.")
    blockings: int | None = Field(None, ge=1, description="How often to block; by default to 8 cells along an edge.")
    ties: Ties = Field("coin", description='A tied block: "coin" tosses one, "first" copies its first spin.')

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.potts != 2 and self.spins != "potts":
            raise ValueError(f'potts = {self.potts} belongs to spins = "potts", and spins is "{self.spins}"')
        return self


def read_and_block(path: Path, config: MCRG, seed: int) -> list[LevelSums]:
    """Read a file piece by piece, and measure the operators of every level."""
    with open_configurations(path, config.dataset) as source:
        lattice, count = _lattice(source.shape, config), len(source)
        share = max(64, _PIECE // lattice.sites // 64 * 64)
        q = config.potts if config.spins == "potts" else 2
        return join_sums(
            [
                level_sums(
                    spins_of(source[first : first + share], config.spins, config.potts, first),
                    lattice, levels=config.blockings, q=q, edge=config.edge, ties=config.ties, seed=seed + number,
                )
                for number, first in enumerate(range(config.start, count, share))
            ]
        )  # fmt: skip


class Fitted(NamedTuple):
    """Of every level: couplings, or why there are none; entropies (square lattices); information kept (of level 1 on).
    Of level 0 the ``external`` field H/kT of two states, in ``field`` the couplings of the real field itself, and
    ``axes``, by how much neighbours along one axis are more alike than along another."""

    couplings: list[Couplings | str]
    entropies: list[Estimate]
    kept: list[Estimate]
    external: Estimate | None = None
    field: Couplings | str | None = None
    axes: Estimate | None = None


def fit_and_count(path: Path, config: MCRG, levels: int, seed: int) -> Fitted:
    """Couplings, entropies and information kept, from samples over the file."""
    most = _FITTED if config.spins == "ising" or _two(config) else _FITTED // 4
    with open_configurations(path, config.dataset) as source:
        lattice, count = _lattice(source.shape, config), len(source)
        step = max(1, -(-(count - config.start) * lattice.sites // most))
        values = np.asarray(source[config.start :: step])
    spins = spins_of(values, config.spins, config.potts, config.start)
    axes = _axes(spins.reshape(len(spins), *lattice.shape), lattice)
    if not _two(config):
        states = spins.reshape(len(spins), *lattice.shape)
        return _of_states(states, lattice, config, levels, seed)._replace(axes=axes)
    odd = even_operators(lattice)[:5] + odd_operators(lattice)[:1]
    external = _or_why(fit_couplings, spins, lattice, odd)  # why not, is said of the couplings of level 0
    found = Fitted([], [], [], external["magnetization"] if isinstance(external, Couplings) else None, axes=axes)
    for level in pyramid(spins, lattice, levels=levels, edge=config.edge, ties=config.ties, seed=seed):
        found.couplings.append(_or_why(fit_couplings, level.spins, level.lattice))
        if config.lattice == "square":
            found.entropies.append(entropy_per_spin(level.configurations).estimate)
            if len(found.entropies) > 1:
                found.kept.append(information_kept(level, found.entropies[-1]))
    if config.spins == "real":
        return found._replace(field=_or_why(fit_field_couplings, values, lattice, even_operators(lattice)[:2]))
    return found


def _axes(spins: NDArray[np.int8], lattice: Lattice) -> Estimate:
    """The largest difference between two axes, in standard errors, of the share of neighbours that are alike: lattices
    named here have equivalent axes, which rows out of order break."""
    bins = np.array_split(np.arange(len(spins)), 20)
    alike = np.stack([(spins == np.roll(spins, 1, axis=1 + k)).mean(axis=tuple(range(1, spins.ndim)))
                      for k in range(lattice.dimension)])  # fmt: skip
    parts = np.array([alike[:, one].mean(axis=1) for one in bins if len(one)])
    pairs = [parts[:, a] - parts[:, b] for a, b in itertools.combinations(range(lattice.dimension), 2)]
    found = [Estimate(pair.mean(), pair.std(ddof=1) / math.sqrt(len(pair)), len(pair), "", "blocks") for pair in pairs]
    return max(found, key=lambda one: abs(one.value) / (one.error or math.inf))


def _of_states(states: NDArray[np.int8], lattice: Lattice, config: MCRG, levels: int, seed: int) -> Fitted:
    """The same of Potts states, blocked by plurality."""
    found, here, q = Fitted([], [], []), lattice, config.potts
    for level in range(levels + 1):
        if level:
            blocks = lattice_blocks(here, config.edge)
            noise = plurality_noise(states, blocks, q) if config.ties == "coin" else 0.0
            states = block_potts(states, blocks, q, ties=config.ties, seed=seed, level=level - 1)
            here = blocks.coarse
        found.couplings.append(_or_why(fit_potts_couplings, states, here, q))
        if config.lattice == "square":
            found.entropies.append(entropy_per_spin(states, q=q).estimate)
            if level:
                found.kept.append(potts_information_kept(noise, blocks, found.entropies[-1]))
    return found


def _two(config: MCRG) -> bool:
    """Whether a spin has two states."""
    return config.spins != "potts" or config.potts == 2


def _or_why(fit: Callable[..., Couplings], *given: Any) -> Couplings | str:
    try:
        return fit(*given)
    except ValueError as error:
        return str(error)


def mcrg(config: MCRG, run: Run) -> Result:
    """Your own configurations blocked again and again: couplings, exponents with errors, information, a verdict."""
    path = Path(config.configurations)
    sums = run.stage("sums", read_and_block, path, config, run.seed)
    found = exponents(sums)
    fitted = run.stage("couplings", fit_and_count, path, config, len(sums) - 1, run.seed)
    estimates = _estimates(config, found, fitted)
    ledger = Ledger()
    for level, entry in enumerate(fitted.kept, 1):
        below = fitted.entropies[level - 1]
        ledger.add(
            Loss(
                f"blocking {level}, per spin below", below, entry, below.minus(entry), "nat", "coarse <= fine",
                "both are upper bounds, a percent above the truth", "I(fine; blocks) <= H(fine)",
            )
        )  # fmt: skip
    pictures = {"levels": _draw_levels(found, fitted.couplings)}
    if found.fate == "critical":
        pictures["exponents"] = draw_exponents({config.lattice: found}, None)
    return Result(
        estimates, ledger, judge(estimates, ledger, _text(config, found, fitted)), _data(found), pictures,
        files={"exponents.txt": found.table() + "\n"},
        cite=["R. H. Swendsen, Monte Carlo renormalization group, Physical Review Letters 42, 859 (1979)"],
    )  # fmt: skip


def _lattice(shape: tuple[int, ...], config: MCRG) -> Lattice:
    if config.start >= shape[0]:
        raise ValueError(f"start: {config.start} configurations left out, and the file has {shape[0]}")
    return lattice_of_shape(tuple(int(n) for n in shape[1:]), config.lattice)


def _estimates(config: MCRG, found: MonteCarloRG, all_fitted: Fitted) -> dict[str, Reported | Estimate]:
    estimates: dict[str, Reported | Estimate] = {}
    for name, sector in (("y_t", found.even), ("y_h", found.odd)):
        for k in range(len(found.sums) - 1):
            if found.fate == "critical":
                entry, reason = sector.estimate(k), "the leading eigenvalue is not real and positive: too few samples"
            else:
                entry, reason = None, found.verdict()
            estimates[f"{name}.level{k + 1}"] = Reported(entry, reason="" if entry else reason)
    for level, fitted in enumerate(all_fitted.couplings):
        for name in ("nn", "nnn"):
            if isinstance(fitted, str):
                estimates[f"K_{name}.level{level}"] = Reported(None, reason=fitted)
                continue
            given = config.temperature is not None and level == 0 and name == "nn" and config.spins != "real"
            estimates[f"K_{name}.level{level}"] = Reported(
                fitted[name], 1.0 / config.temperature if given and config.temperature else None,
                source="J/kT of the temperature given" if given else "",
            )  # fmt: skip
    if all_fitted.field is not None:
        estimates |= _of_field(all_fitted.field, config)
    if all_fitted.axes is not None:
        estimates["axis_difference.level0"] = Reported(
            all_fitted.axes, 0.0, source="neighbours along any axis are alike equally often"
        )
    if all_fitted.external is not None:
        estimates["H.level0"] = all_fitted.external
    for level, entropy in enumerate(all_fitted.entropies):
        estimates[f"entropy_per_spin.level{level}"] = entropy
    for level, entry in enumerate(all_fitted.kept, 1):
        estimates[f"information_kept.level{level}"] = entry
    estimates["correlation_time"] = Estimate(
        found.correlation_time, None, unit="sample", method="autocorrelation window"
    )
    return estimates


def _of_field(field: Couplings | str, config: MCRG) -> dict[str, Reported | Estimate]:
    """The field's own couplings: of pairs, of phi^2 (r) and of phi^4 (u)."""
    if isinstance(field, str):
        return {f"field.{name}": Reported(None, reason=field) for name in ("K_nn", "K_nnn", "r", "u")}
    given = None if config.temperature is None else 1.0 / config.temperature
    found: dict[str, Reported | Estimate] = {
        "field.K_nn": Reported(field["nn"], given, source="" if given is None else "J/kT of the temperature given"),
        "field.K_nnn": field["nnn"], "field.r": field["r"], "field.u": field["u"],
    }  # fmt: skip
    return found


def _text(config: MCRG, found: MonteCarloRG, fitted: Fitted) -> str:
    samples, lengths = len(found.sums[0].even), " -> ".join(f"{length:.4g}" for length in found.lengths)
    text = [
        f"{samples} configurations on a {config.lattice} lattice, blocked {lengths}; their correlation time is "
        f"{found.correlation_time:.3g} samples, errors come from {found.bins} bins.",
        found.verdict(),
    ]
    external = fitted.external
    if external is not None and abs(external.value) > _SIGMAS * (external.error or 0.0):
        text.append(
            f"The spins feel a field, H/kT = {external}: turning all of them is no symmetry. Exponents take it for "
            "one, and are not those of a critical point."
        )
    known = critical_coupling(config.lattice, config.potts if config.spins == "potts" else 2)
    if config.temperature is not None and known is not None and config.spins != "real":
        off = (1.0 / config.temperature / known - 1.0) * 100
        shown = abs(off) >= 0.005 and found.fate == "critical"
        leaving = " Exponents near but not at it are those of a flow that is leaving." if shown else ""
        text.append(
            f"With nearest neighbours alone the critical coupling is {known:.6g}; yours, "
            f"{1 / config.temperature:.6g}, is {off:+.2f} % off.{leaving}"
        )
    first, field = fitted.couplings[0], fitted.field
    given = "" if config.temperature is None else f" (1/temperature: {1 / config.temperature:.6g})"
    if config.spins == "real":
        text.append(
            "Of real fields the sign is the spin: exponents, entropies and couplings K are those of the signs, and K "
            "is no coupling of the field. What each blocking keeps of the field itself, in nats, is not had from signs."
        )
        if isinstance(field, Couplings):
            text.append(
                f"The field itself, weight exp(K_nn sum phi phi' + K_nnn ... - r sum phi^2 - u sum phi^4), by score "
                f"matching: K_nn {field['nn']}, K_nnn {field['nnn']}, r {field['r']}, u {field['u']}{given}."
            )
        else:
            text.append(f"The field's own couplings could not be had: {field}.")
    elif isinstance(first, Couplings):
        text.append(
            "Couplings fitted at level 0: "
            + ", ".join(f"{name} {value}" for name, value in first.estimates().items())
            + f"{given}."
        )
        text += _strangers(config, first)
    if fitted.axes is not None and abs(fitted.axes.value) > _SIGMAS * (fitted.axes.error or 0.0):
        text.insert(
            1,
            f"Neighbours along one axis are alike more often than along another, by {fitted.axes}: rows are not in the "
            "order of the lattice, or couplings differ from axis to axis; exponents of rows out of order mean nothing.",
        )
    text.append(
        "Limits: error bars are statistical; what more operators, another blocking or a larger lattice would change is "
        "seen in the last columns and rows only. Fitted couplings belong to their set of operators."
    )
    return "\n\n".join(text)


def _strangers(config: MCRG, first: Couplings) -> list[str]:
    """Which couplings of level 0 are not those of nearest neighbours at the temperature given, and what may be why."""
    strange = []
    for name, value in first.estimates().items():
        known = 0.0 if name != "nn" else None if config.temperature is None else 1.0 / config.temperature
        if known is not None and abs(value.value - known) > _SIGMAS * (value.error or 0.0):
            strange.append(f"{name} ({value}, not {known:.6g})")
    if not strange:
        return []
    return [
        f"More than {_SIGMAS:g} errors off nearest neighbours alone: {', '.join(strange)}. Either the model has these "
        "interactions (or another temperature), or the sites are not in the order this lattice expects, its edges are "
        "not periodic, or the samples are not in equilibrium."
    ]


def _data(found: MonteCarloRG) -> xarray.Dataset:
    one = {"units": "1"}
    return xarray.Dataset(
        {
            "y_t": (("blocking", "even_operators"), found.even.values, one),
            "y_t_error": (("blocking", "even_operators"), found.even.errors, one),
            "y_h": (("blocking", "odd_operators"), found.odd.values, one),
            "y_h_error": (("blocking", "odd_operators"), found.odd.errors, one),
            "correlation": (("level",), np.array([entry.value for entry in found.correlations]), one),
        },
        {
            "even_operators": [operator.name for operator in found.even.operators],
            "odd_operators": [operator.name for operator in found.odd.operators],
            "length": ("level", found.lengths, {"units": "cells"}),
        },
    )


def _draw_levels(found: MonteCarloRG, couplings: list[Couplings | str]) -> Picture:
    drawing, (left, right) = plotting.figure(2)
    levels = np.arange(len(found.correlations))
    values, errors = zip(*((entry.value, entry.error or 0.0) for entry in found.correlations), strict=True)
    plotting.band(left, levels, values, errors, color=plotting.BLUE, marker="o")
    left.set_ylabel("correlation of neighbours")
    for name, colour in (("nn", plotting.BLUE), ("nnn", plotting.VERMILION)):
        fitted = [(level, one[name]) for level, one in enumerate(couplings) if isinstance(one, Couplings)]
        if fitted:
            x, entries = zip(*fitted, strict=True)
            plotting.band(
                right, x, [e.value for e in entries], [e.error or 0.0 for e in entries], label=f"$K_{{{name}}}$",
                color=colour, marker="o",
            )  # fmt: skip
            right.legend()
    right.set_ylabel("fitted couplings J/kT")
    for axis in (left, right):
        axis.set_xlabel("level")
        axis.set_xticks(levels)
    return Picture(
        drawing,
        "What the blockings do to the configurations: the correlation of neighbouring spins and the couplings fitted, "
        "level by level. At a fixed point both stay; far from one they run to 0 or away. Bands are one standard error.",
    )
