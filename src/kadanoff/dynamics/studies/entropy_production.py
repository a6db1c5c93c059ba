"""The kind `dynamics.entropy-production`: bounds on the dissipation behind the reader's own sequence of states."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff import plotting
from kadanoff.dynamics.dissipation import Dissipation
from kadanoff.dynamics.hidden_dissipation import hidden_dissipation
from kadanoff.dynamics.observers import Milestones, Observer, Record, ResolvedTransitions, StateLumps
from kadanoff.maps import Map
from kadanoff.study import Picture, Reported, Result, Run, judge
from kadanoff.study.configs import InputFile

__all__ = ["EntropyProduction", "entropy_production_of_data", "read_record"]

_COLUMNS = {
    "state lumps": "state [dwell time]",
    "resolved transitions": "from to waiting-time",
    "milestones": "milestone",
}


_DURATION = {"state lumps": "dwell time", "resolved transitions": "time since the last jump"}


class EntropyProduction(BaseModel):
    """Settings of dynamics.entropy-production."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sequence: InputFile = Field(
        description="Text file, one row an event in time order, '#' starts a comment. State lumps: state and, in "
        "continuous time, its dwell time; resolved transitions: from, to, the time since the last one; milestones: "
        "the milestone. States are words or numbers.",
        examples=["states.txt"],
    )
    observer: Literal["state lumps", "resolved transitions", "milestones"] = Field(
        description="What the file shows: a map of the instantaneous state, some jumps with their reverses, or the "
        "last milestone visited. The bounds that hold differ.",
        examples=["state lumps"],
    )
    time_unit: str = Field("s", description="Unit of the times in the file, as printed.")
    longest: int = Field(4, ge=2, le=12, description="Longest words of the block divergence.")
    fixed_entry: bool = Field(
        False,
        description="State lumps: true if a lump and the one before it settle how the lump is entered (lumps of one "
        "state each, or with one gate). Makes the semi-Markov value a bound.",
    )


def entropy_production_of_data(config: EntropyProduction, run: Run) -> Result:
    """Every bound that holds for the stated observer, with intervals, from the reader's own file."""
    seen, names = run.stage("read", read_record, config.sequence, config.observer)
    unit = "nat/step" if seen.times is None else f"nat/{config.time_unit}"
    if config.observer == "milestones":
        unit = "nat/milestone"
    observer = _observer(config.observer, len(seen.partner))
    found = run.stage(
        "bounds", hidden_dissipation, seen, observer, longest=config.longest, fixed_entry=config.fixed_entry, unit=unit,
        seed=run.seed,
    )  # fmt: skip
    estimates: dict[str, Reported] = {}
    for name, bound in found.bounds.items():
        estimates[name] = Reported(bound.estimate, source=_of(name, names) + _tag(bound.rigorous, bound.assumptions))
        for part, estimate in bound.parts.items():
            estimates[f"{name}.{part}"] = Reported(estimate, source="a part of the sum")
    ledger = found.ledger()
    labels = [f"{symbol}: {name}" for symbol, name in enumerate(names)]
    data = xarray.Dataset(
        {
            "value": ("bound", [b.estimate.value for b in found.bounds.values()], {"units": unit}),
            "error": ("bound", [b.estimate.error or 0.0 for b in found.bounds.values()], {"units": unit}),
            "rigorous": ("bound", [int(b.rigorous) for b in found.bounds.values()], {"units": "1"}),
        },
        {"bound": list(found.bounds)},
        {"symbols": "; ".join(labels)},
    )
    text = _text(found, seen, names)
    return Result(estimates, ledger, judge(estimates, ledger, text), data, {"bounds": _draw(found, names)}, cite=_CITE)


def read_record(path: Path, observer: str) -> tuple[Record, list[str]]:
    """A `Record` from a text file, and the names of its symbols, in the order of their numbers.

    Raises:
        ValueError: for rows with another number of columns, a time that is no number or not positive, a jump that is
            never seen in reverse by name; with the line. For times that grow from row to row: those of a clock.
    """
    rows, lines = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if words:
            rows.append(words)
            lines.append(number)
    if not rows:
        raise ValueError(f"{path.name} holds no rows; expected: {_COLUMNS[observer]}")
    widths = {"state lumps": (1, 2), "resolved transitions": (3,), "milestones": (1,)}[observer]
    for words, line_number in zip(rows, lines, strict=True):
        if len(words) not in widths or len(words) != len(rows[0]):
            raise ValueError(
                f"{path.name}, line {line_number}: {len(words)} columns; for {observer} expected: "
                f"{_COLUMNS[observer]}, the same in every row"
            )
    if observer == "resolved transitions":
        jumps = [(words[0], words[1]) for words in rows]
        for (start, end), line_number in zip(jumps, lines, strict=True):
            if start == end:
                raise ValueError(f"{path.name}, line {line_number}: a jump {start} -> {end} goes nowhere")
        directed = sorted({jump for start, end in jumps for jump in ((start, end), (end, start))}, key=_pair_order)
        number_of = {jump: k for k, jump in enumerate(directed)}
        partner = np.array([number_of[(end, start)] for start, end in directed])
        if never := sorted(set(directed) - set(jumps)):
            raise ValueError(
                f"{path.name}: the jump {never[0][0]} -> {never[0][1]} never occurs, its reverse does: without it no "
                "finite bound can be had; leave both out, or take more data"
            )
        symbols = np.array([number_of[jump] for jump in jumps])
        names = [f"{start} -> {end}" for start, end in directed]
    else:
        names = sorted({words[0] for words in rows}, key=_state_order)
        place = {name: k for k, name in enumerate(names)}
        symbols, partner = np.array([place[words[0]] for words in rows]), np.arange(len(names))
    times = None
    if len(rows[0]) > 1:
        times = np.empty(len(rows))
        for k, (words, line_number) in enumerate(zip(rows, lines, strict=True)):
            try:
                times[k] = float(words[-1])
            except ValueError:
                raise ValueError(f"{path.name}, line {line_number}: the time {words[-1]!r} is no number") from None
            if not (np.isfinite(times[k]) and times[k] > 0):
                raise ValueError(
                    f"{path.name}, line {line_number}: the time {words[-1]} is no {_DURATION[observer]}: it must be "
                    "positive and finite"
                )
        if len(times) > 8 and np.all(np.diff(times) > 0):
            raise ValueError(
                f"{path.name}: the times grow in every row: they look like those of a clock. Needed is the "
                f"{_DURATION[observer]} of each row, a difference of such times"
            )
    if times is not None and observer == "state lumps":
        symbols, times = _joined(symbols, times)
    if observer == "milestones":
        symbols = symbols[np.concatenate([[True], symbols[1:] != symbols[:-1]])]
    return Record(symbols, partner, times), names


def _joined(symbols: NDArray[np.int64], times: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of one state that follow each other are one visit."""
    first = np.flatnonzero(np.concatenate([[True], symbols[1:] != symbols[:-1]]))
    return symbols[first], np.add.reduceat(times, first)


def _pair_order(jump: tuple[str, str]) -> tuple[object, ...]:
    low, high = sorted(jump, key=_state_order)
    return _state_order(low), _state_order(high), _state_order(jump[0])


def _state_order(name: str) -> tuple[float, str]:
    try:
        return float(name), ""
    except ValueError:
        return float("inf"), name


def _observer(name: str, symbols: int) -> Observer:
    if name == "state lumps":
        return StateLumps(Map.groups(np.arange(symbols)))
    if name == "milestones":
        return Milestones(tuple(range(symbols)))
    return ResolvedTransitions(tuple((2 * k, 2 * k + 1) for k in range(symbols // 2)))


def _of(name: str, names: list[str]) -> str:
    """Whose dwell times a bound is about, by the name in the file."""
    kind, _, number = name.partition(".")
    return f"dwell times of {names[int(number)]}: " if kind == "dwell_bound" else ""


def _tag(rigorous: bool, assumptions: str) -> str:
    return f"lower bound, if: {assumptions}" if rigorous else f"no bound: {assumptions}"


def _text(found: Dissipation, seen: Record, names: list[str]) -> str:
    low, high = found.best.estimate.interval()
    whose = _of(found.best.name, names).removesuffix(": ")
    best = f"{found.best.name} ({whose})" if whose else found.best.name
    verdict = f"The best bound is {best}: {found.best.estimate}, {low:.3g} to {high:.3g} at 95 %. "
    if low > 0:
        verdict += "It excludes zero: the process is driven, and produces at least that much entropy."
    else:
        verdict += "It contains zero: these data, seen so, do not tell the process from one in equilibrium."
    notes = " ".join(f"Note: {note}." for note in found.notes)
    return (
        f"{len(seen)} events with {len(names)} symbols, seen by an observer of {found.observer}. {verdict} {notes}\n\n"
        "Limits: every number is a lower bound on the total under the assumptions beside it, never an estimate of it; "
        "the process is taken to be stationary and Markovian underneath, with even variables. What holds for this "
        "observer does not hold for another (Hartich and Godec, 2024). The best of several bounds was picked from the "
        "data, so that its interval is a little too short."
    )


def _draw(found: Dissipation, names: list[str]) -> Picture:
    drawing, (axis,) = plotting.figure(1, width=7.0, height=0.9 + 0.32 * len(found.bounds))
    for row, bound in enumerate(found.bounds.values()):
        low, high = bound.estimate.interval()
        colour = plotting.BLUE if bound.rigorous else plotting.ORANGE
        axis.errorbar(bound.estimate.value, row, xerr=[[max(bound.estimate.value - low, 0.0)],
                      [max(high - bound.estimate.value, 0.0)]], fmt="o" if bound.rigorous else "s", color=colour,
                      markersize=4, capsize=2)  # fmt: skip
    axis.axvline(0.0, color=plotting.BLACK, linewidth=1)
    axis.set(yticks=range(len(found.bounds)),
             yticklabels=[_of(name, names).removesuffix(": ") or name.replace("_", " ") for name in found.bounds],
             xlabel=plotting.label("entropy production", found.unit), ylim=(len(found.bounds) - 0.5, -0.5))  # fmt: skip
    axis.set_title(f"What an observer of {found.observer} can say")
    return Picture(
        drawing,
        "Lower bounds on the entropy production (blue) with 95 % intervals, the finite-data bias taken off; orange "
        "squares are estimates that are no bounds. Intervals right of zero say that the process is driven.",
    )


_CITE = [
    "D. Hartich and A. Godec, Nat. Commun. 15, 8678 (2024); reply, Nat. Commun. 15, 8679 (2024).",
    "E. Roldan and J. M. R. Parrondo, Phys. Rev. Lett. 105, 150607 (2010).",
    "I. A. Martinez, G. Bisker, J. M. Horowitz and J. M. R. Parrondo, Nat. Commun. 10, 3542 (2019).",
    "D. J. Skinner and J. Dunkel, Phys. Rev. Lett. 127, 198101 (2021).",
    "P. E. Harunari, A. Dutta, M. Polettini and E. Roldan, Phys. Rev. X 12, 041026 (2022).",
    "A. C. Barato and U. Seifert, Phys. Rev. Lett. 114, 158101 (2015).",
]
