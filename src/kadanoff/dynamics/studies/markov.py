"""The study `markov`: a Markov model of the reader's own discrete trajectory, and whether it may be used."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import xarray
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff import plotting
from kadanoff.dynamics.entropy_production import entropy_production
from kadanoff.dynamics.implied_time_scales import TimeScales, chapman_kolmogorov, implied_time_scales
from kadanoff.dynamics.jumps import simulate_chain
from kadanoff.dynamics.lumping import Lumpability, LumpingLoss, lump_labels, lumpability, lumping_loss
from kadanoff.dynamics.markov import (
    Spectrum,
    closed_classes,
    spectrum,
)
from kadanoff.dynamics.metastable import metastable_sets, suggested_sets
from kadanoff.dynamics.network_diagram import draw_network
from kadanoff.dynamics.studies.lumping_cases import hidden_ring
from kadanoff.dynamics.time_reversal import Reversibility, reversibility_test
from kadanoff.dynamics.transition_counts import (
    MarkovModel,
    MarkovWarning,
    _dense,
    _part,
    checked_trajectories,
    count_transitions,
    markov_model,
    reversible_estimate,
)
from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.maps import Map
from kadanoff.study import InputFile, Picture, Reported, Result, Run, judge

__all__ = ["Markov", "markov"]

_MOST = 1000  # states of a model that is analysed as a dense matrix


class Ring(BaseModel):
    """A simulated driven ring of three states in place of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    forward: float = Field(0.36, gt=0, lt=1, description="Probability of A -> B, B -> C, C -> A in a step.")
    backward: float = Field(0.18, gt=0, lt=1, description="Probability of the reverse jumps.")
    frames: int = Field(200_000, ge=10_000, description="Frames simulated.")


class Markov(BaseModel):
    """Settings of dynamics.markov."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    trajectory: InputFile | None = Field(
        None,
        description="States from 0, -1 for none: .npy (frames,) or (trajectories, frames), or a table of text, a "
        "column each.",
        examples=["states.npy"],
    )
    lag: int = Field(1, ge=1, description="Frames of one step of the model.")
    lags: list[int] | None = Field(
        None, description="Lags of the implied time scales; by default lag times 1, 2, 4, ...", examples=[[1, 2, 5, 10]]
    )
    lumps: list[Annotated[int, Field(ge=0)]] | None = Field(
        None,
        description="The lump of every state, from 0; by default the metastable sets.",
        examples=[[0, 0, 1, 1]],
    )
    times: int = Field(3, ge=1, le=20, description="Implied time scales shown.")
    blocks: int = Field(
        32, ge=12, le=1000, description="Blocks of time for the error bars; long against the slowest time."
    )
    ring: Ring | None = Field(None, description="Simulate a driven ring instead of reading a file.")

    @model_validator(mode="after")
    def _one_source(self) -> Markov:
        if (self.trajectory is None) == (self.ring is None):
            raise ValueError("give either trajectory, a file, or the table [ring]")
        return self


class Analysis(NamedTuple):
    """What was found in the data."""

    model: MarkovModel
    notes: tuple[str, ...]
    test: Reversibility
    coarse_test: Reversibility
    scales: TimeScales
    spectrum: Spectrum
    labels: NDArray[np.int64]  # of the states of the model
    suggested: bool
    defect: Lumpability
    loss: LumpingLoss
    chapman: float | None
    forced: float  # entropy production of the model with detailed balance
    frames: int
    trajectories: int


def markov(config: Markov, run: Run) -> Result:
    """A Markov model of discrete trajectories, driven or not: counts, reversibility, time scales, lumps, losses."""
    if config.ring is not None:
        found = run.stage("analysis", analyse_ring, config.ring, config, run.seed)
        stay = (config.ring.forward + config.ring.backward) / 2
        control = run.stage("control", control_of_ring, stay, config.ring.frames, config.blocks, run.seed + 1)
    else:
        assert config.trajectory is not None
        found, control = run.stage("analysis", analyse_file, config.trajectory, config), None
    estimates = _estimates(found, config, control)
    ledger = _ledger(found)
    return Result(
        estimates, ledger, judge(estimates, ledger, _text(found)), _data(found), _pictures(found),
        cite=[
            "Prinz et al., Journal of Chemical Physics 134, 174105 (2011)",
            "Reuter, Fackeldey and Weber, Journal of Chemical Physics 150, 174103 (2019)",
        ],
    )  # fmt: skip


def read_states(path: Path) -> list[NDArray[Any]]:
    """Discrete trajectories of a file: .npy (frames,) or (trajectories, frames); else text, a column a trajectory.

    Raises ValueError for other shapes, a file without rows, and, with the line, numbers that are not integers or a row
    of another length; for a column that counts up in equal steps, which is one of times.
    """
    if path.suffix == ".npy":
        given = np.load(path, mmap_mode="r", allow_pickle=False)
        rows = [given] if given.ndim == 1 else list(given)
        return checked_trajectories(rows)
    text = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
    lines = [(number, line.split()) for number, line in enumerate(text, 1) if line.split() and line.strip()[0] != "#"]
    if not lines:
        raise ValueError(f"{path.name} holds no rows; expected integers, a column for each trajectory")
    columns = len(lines[0][1])
    table = np.empty((len(lines), columns), dtype=np.int64)
    for row, (number, words) in enumerate(lines):
        expected = f"{path.name}, line {number}: expected {columns} integer{'s' * (columns > 1)}"
        if len(words) != columns:
            raise ValueError(
                f"{expected}, got {' '.join(words)!r}; trajectories of unequal length are filled up with -1"
            )
        try:
            table[row] = [int(word) for word in words]
        except ValueError as error:
            hint = "a header starts with #, states are numbers from 0" if row == 0 else "-1 where the state is unknown"
            raise ValueError(f"{expected}, got {' '.join(words)!r}; {hint}") from error
    steps = np.diff(table, axis=0)
    if len(lines) > 2 and (rising := np.flatnonzero((steps[0] > 0) & np.all(steps == steps[0], axis=0))).size:
        raise ValueError(
            f"{path.name}: column {rising[0]} (from 0) counts up by {steps[0, rising[0]]} in every row: it looks like "
            "a time or a row number, not like a state; leave it out, every column is a trajectory"
        )
    return checked_trajectories(list(table.T))


def analyse_file(path: Path, config: Markov) -> Analysis:
    """`analyse` of a file's trajectories."""
    return analyse(read_states(path), config)


def analyse_ring(ring: Ring, config: Markov, seed: int) -> Analysis:
    """`analyse` of a simulated ring."""
    return analyse([simulate_chain(hidden_ring(ring.forward, ring.backward), ring.frames, seed=seed)], config)


def control_of_ring(jump: float, frames: int, blocks: int, seed: int) -> Reversibility:
    """The same ring without drive."""
    return reversibility_test(
        count_transitions(simulate_chain(hidden_ring(jump, jump), frames, seed=seed), blocks=blocks)
    )


def analyse(data: list[NDArray[Any]], config: Markov) -> Analysis:
    """All that the study asks of discrete trajectories."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MarkovWarning)
        counts = count_transitions(data, config.lag, blocks=config.blocks)
        model = markov_model(counts)
        n = len(model.states)
        if n < 2:
            others = ", ".join(str(state) for state in model.excluded[:8]) or "none"
            raise ValueError(
                f"at lag {config.lag} only state {int(model.states[0])} is left: two states at least must be reached "
                f"and left again, and these are not: {others}. An absorbing state, data in parts, or too long a lag "
                "leave no model"
            )
        if n > _MOST:
            raise ValueError(f"{n} connected states: this analysis takes at most {_MOST}; lump them first (`Map`)")
        _require_spread(model)
        model = dataclasses.replace(model, transition=_dense(model.transition))  # sparse where labels are large numbers
        kept = [_renumbered(one, model.states, counts.states) for one in data]
        test = reversibility_test(counts)
        times = min(config.times, n - 1)
        lags = config.lags or _lags(kept, config)
        scales = implied_time_scales(kept, lags, times, states=n, blocks=config.blocks)
        if config.lumps is None:
            labels = _suggested(model.transition)
        else:
            if len(config.lumps) != counts.states:
                raise ValueError(f"lumps: {len(config.lumps)} labels were given for {counts.states} states")
            labels = np.unique(np.asarray(config.lumps)[model.states], return_inverse=True)[1]
        coarse = Map.groups(labels)
        lumped = [np.where(one >= 0, labels[one], -1) for one in kept]
        few = coarse if n > 8 else Map.groups(np.arange(n))
        longest = max(len(one) for one in kept)
        steps = [k for k in (2, 3, 5, 8) if k * config.lag < longest]
        if not steps:
            raise ValueError(
                f"lag: {config.lag} frames leave no room for the test of Chapman and Kolmogorov, which looks at 2 lags "
                f"and more: the longest trajectory has {longest} frames; take a shorter lag"
            )
        chapman = None
        if few.n_coarse <= 8:
            chapman = chapman_kolmogorov(kept, config.lag, steps, lumps=few, states=n).p_value
    flow = _dense(_part(model.counts.matrix, model.states))
    reversible, p = reversible_estimate(flow)
    return Analysis(
        model, tuple(dict.fromkeys(str(one.message) for one in caught)), test,
        reversibility_test(count_transitions(lumped, config.lag, states=coarse.n_coarse, blocks=config.blocks)),
        scales, spectrum(model.transition, min(n, 40)), labels, config.lumps is None,
        lumpability(model.transition, coarse), lumping_loss(model.transition, coarse, width=1e-6, words=2000,
        longest=60), chapman, abs(entropy_production(p[:, None] * reversible)), sum(len(one) for one in data),
        len(data),
    )  # fmt: skip


def _require_spread(model: MarkovModel) -> None:
    """Refuse states that only one block of time connects with the others: nothing there has an error bar."""
    counts = model.counts
    for number, block in enumerate(counts.blocks):
        labels, _ = closed_classes(_part(counts.matrix - block, model.states))
        if labels.max() > 0:
            alone = model.states[np.flatnonzero(labels != np.bincount(labels).argmax())[0]]
            raise ValueError(
                f"state {int(alone)} is connected with the others by jumps in block {number} of {len(counts.blocks)} "
                "of time alone, so that no error bar can be had: more data, or lump it, or set its frames to -1"
            )


def _suggested(transition: NDArray[np.float64]) -> NDArray[np.int64]:
    """The set (n,) of every state, as many sets as the spectrum suggests; where these cannot be had, fewer, and at last
    each state by itself, with a warning."""
    n = len(transition)
    most = suggested_sets(transition, min(8, n - 1))
    if most == n:
        return np.arange(n)
    why = ""
    for sets in range(most, 1, -1):
        try:
            found = lump_labels(metastable_sets(transition, sets).lumps, n)
        except ValueError as error:  # a number of sets that this chain does not have
            why = why or str(error).removeprefix("sets: ").partition(";")[0]
            continue
        if sets < most:
            warnings.warn(
                f"the spectrum suggests {most} sets, which cannot be had ({why}): {sets} were taken. To choose "
                "yourself, give lumps",
                MarkovWarning,
                stacklevel=2,
            )
        return found
    warnings.warn(
        f"the spectrum suggests {most} sets, but neither these nor fewer can be had ({why}): each state is left by "
        "itself. To choose yourself, give lumps",
        MarkovWarning,
        stacklevel=2,
    )
    return np.arange(n)


def _renumbered(frames: NDArray[Any], states: NDArray[np.int64], number: int) -> NDArray[np.int32]:
    """Numbers of the model's states, -1 for frames in others."""
    table = np.full(number + 1, -1, dtype=np.int32)  # the last for -1
    table[states] = np.arange(len(states))
    return np.asarray(table[frames])


def _lags(data: list[NDArray[Any]], config: Markov) -> list[int]:
    """lag times 1, 2, 4, ... to a quarter of a block of time, at most 8 of them."""
    block = sum(len(one) for one in data) / config.blocks
    longest = min(block / 4, max(len(one) for one in data) / 2)
    return [config.lag * 2**k for k in range(8) if k == 0 or config.lag * 2**k <= longest]


def _estimates(found: Analysis, config: Markov, control: Reversibility | None) -> dict[str, Reported | Estimate]:
    production: Reported | Estimate = found.test.entropy_production
    estimates: dict[str, Reported | Estimate] = {}
    if config.ring is not None and control is not None:
        ring = config.ring
        total = (ring.forward - ring.backward) * float(np.log(ring.forward / ring.backward))
        if config.lag == 1:
            production = Reported(found.test.entropy_production, total, source="(p - q) ln(p / q) of the ring")
        estimates["entropy_production.control"] = Reported(
            control.entropy_production, 0.0, source="the same ring without drive"
        )
        estimates["reversible_p_value.control"] = Estimate.exact(control.p_value)
    estimates = {
        "entropy_production": production,
        "entropy_production.lumped": found.coarse_test.entropy_production,
        "entropy_production.reversible_model": Reported(
            Estimate.exact(found.forced, "nat/lag"), 0.0, tolerance=1e-12, source="detailed balance by construction"
        ),
        "reversible_p_value": Estimate.exact(found.test.p_value),
        **estimates,
        "states": Estimate.exact(len(found.model.states)),
        "excluded_share": Estimate.exact(found.model.excluded_share),
        "sets": Estimate.exact(int(found.labels.max()) + 1),
        "lumpability_defect": Estimate(found.defect.largest, None, None, "", "of the estimated matrix"),
        "markov_loss": found.loss.lost,
        "chapman_kolmogorov_p_value": Reported(
            None if found.chapman is None else Estimate.exact(found.chapman), reason="more than 8 sets"
        ),
    }
    for number in range(found.scales.times.shape[1]):
        value, error = found.scales.times[0, number], found.scales.errors[0, number]
        known = bool(np.isfinite(value) and np.isfinite(error))
        estimates[f"implied_time.{number + 1}"] = Reported(
            Estimate(value, error, config.blocks, "frame", "jackknife over blocks of time") if known else None,
            reason="the eigenvalue has modulus one: the chain is periodic",
        )
    return estimates


def _ledger(found: Analysis) -> Ledger:
    fine, coarse = found.test.entropy_production, found.coarse_test.entropy_production
    conditions = "the same counts, lumped by a map of the instantaneous state"
    return Ledger(
        [
            Loss("entropy production of the counts", fine, coarse, fine.minus(coarse), "nat/lag", "coarse <= fine",
            conditions,
                 "apparent never exceeds total (log-sum inequality)"),
            Loss("memory of the lumped chain", None, None, found.loss.lost, "nat/step", "lost >= 0",
                 "the model is Markovian", "a divergence from the Markov closure is never negative"),
        ]
    )  # fmt: skip


def _text(found: Analysis) -> str:
    test, model = found.test, found.model
    verdict = (
        f"They are not reversible (p = {test.p_value:.2g}): at least {test.entropy_production} are produced. A model "
        f"that forces detailed balance would show {found.forced:.1g}."
        if test.p_value < 0.05
        else f"Nothing speaks against reversibility (p = {test.p_value:.2g}; entropy production "
        f"{test.entropy_production})."
        if test.cycles
        else "Their network has no cycle, so counts at one lag cannot tell whether they are reversible."
    )
    chapman = (
        "The test of Chapman and Kolmogorov was left out (more than 8 sets)."
        if found.chapman is None
        else f"The test of Chapman and Kolmogorov {'accepts' if found.chapman > 0.05 else 'rejects'} the model at "
        f"this lag (p = {found.chapman:.2g})"
        + ("." if found.chapman > 0.05 else ": a longer lag, more states, or memory (`quasi_markov`) is needed.")
    )
    scales = found.scales
    until = int(np.flatnonzero(scales.resolved[:, 0])[-1]) if scales.resolved[:, 0].any() else 0
    first, last = scales.times[0, 0], scales.times[until, 0]
    change = (last - first) / max(float(np.hypot(scales.errors[0, 0], scales.errors[until, 0])), 1e-300)
    level = (
        f"All processes have decayed within {scales.lags[1] if len(scales.lags) > 1 else scales.lags[0]} frames: the "
        "lag is too long to see them."
        if until == 0
        else f"The slowest time scale does not change from lag {scales.lags[0]} to {scales.lags[until]} within 3 "
        f"errors ({first:.4g} and {last:.4g} frames)."
        if abs(change) < 3
        else f"The slowest time scale still moves, from {first:.4g} frames at lag {scales.lags[0]} to {last:.4g} at "
        f"lag {scales.lags[until]}: the states are not Markovian at the short lag."
    )
    source = "suggested by the spectrum" if found.suggested else "as given"
    notes = "".join(f"\n\nNote: {note}." for note in found.notes)
    return (
        f"{found.frames} frames in {found.trajectories} trajectories, {len(model.states)} connected states at lag "
        f"{model.lag}. {verdict}\n\n{level} {chapman}\n\n"
        f"In {int(found.labels.max()) + 1} lumps ({source}) the counts show {found.coarse_test.entropy_production}; "
        f"the largest defect of lumpability is {found.defect.largest:.3g} (state "
        f"{int(model.states[found.defect.state])}), and a Markov model of the lumps forgets {found.loss.lost}.\n\n"
        "Limits: entropy production of counts is a lower bound of what the system produces; error bars assume blocks "
        "of time that are long against the slowest time scale; time scales of a model whose test fails are lower "
        f"bounds at best.{notes}"
    )


def _data(found: Analysis) -> xarray.Dataset:
    scales, model = found.scales, found.model
    p = model.stationary
    return xarray.Dataset(
        {
            "transition": (("start", "end"), model.transition, {"units": "1", "long_name": "transition probabilities"}),
            "counts": (("start", "end"), _dense(_part(model.counts.matrix, model.states)), {"units": "1"}),
            "stationary": ("start", p, {"units": "1", "long_name": "stationary distribution"}),
            "lump": ("start", found.labels, {"units": "1", "long_name": "lump of each state"}),
            "implied_time": (("lag", "scale"), scales.times, {"units": "frame"}),
            "implied_time_error": (("lag", "scale"), scales.errors, {"units": "frame"}),
            "implied_time_resolved": (("lag", "scale"), scales.resolved.astype(np.int8), {"units": "1"}),
            "eigenvalue_real": ("eigenvalue", found.spectrum.eigenvalues.real, {"units": "1"}),
            "eigenvalue_imaginary": ("eigenvalue", found.spectrum.eigenvalues.imag, {"units": "1"}),
        },
        {
            "start": ("start", model.states, {"units": "1"}),
            "end": ("end", model.states, {"units": "1"}),
            "lag": ("lag", scales.lags, {"units": "frame"}),
        },
    )


def _pictures(found: Analysis) -> dict[str, Picture]:
    drawing, (left, right) = plotting.figure(2)
    scales = found.scales
    for number in range(scales.times.shape[1]):
        seen = np.isfinite(scales.times[:, number]) & (scales.times[:, number] > 0) & scales.resolved[:, number]
        plotting.band(left, scales.lags[seen], scales.times[seen, number], scales.errors[seen, number], marker="o",
                      label=f"t{number + 1}")  # fmt: skip
    left.fill_between(scales.lags, 0, scales.lags, color="#dddddd", linewidth=0, label="shorter than the lag")
    positive = scales.times[np.isfinite(scales.times) & (scales.times > 0) & scales.resolved]
    left.set(
        xscale="log",
        yscale="log",
        xlabel=plotting.label("lag", "frame"),
        ylabel=plotting.label("implied time", "frame"),
    )
    if positive.size:
        left.set_xlim(0.9 * scales.lags[0], 1.2 * scales.lags[scales.resolved.any(axis=1)].max())
        left.set_ylim(0.5 * float(positive.min()), 3 * float(positive.max()))
    left.set_title("Time scales against the lag")
    left.legend(loc="best")
    values = found.spectrum.eigenvalues
    turn = np.linspace(0, 2 * np.pi, 200)
    right.plot(np.cos(turn), np.sin(turn), color=plotting.BLACK, linewidth=0.8)
    right.plot(values.real, values.imag, "o", color=plotting.BLUE)
    right.set(xlabel=plotting.label("real part"), ylabel=plotting.label("imaginary part"), aspect="equal")
    right.set_title(f"Eigenvalues at lag {found.model.lag}")
    pictures = {
        "time_scales": Picture(
            drawing,
            "Left: implied time scales with one standard error, as far as they stand out of the noise; a model is "
            "right from the lag on where they level off, and the grey part is shorter than the lag itself. Right: "
            "eigenvalues of the transition matrix; off the real axis the system rotates, which a reversible model "
            "cannot.",
        )
    }
    if len(found.model.states) <= 30:
        net, (axis,) = plotting.figure(1, width=4.2, height=3.8)
        flow = found.model.stationary[:, None] * found.model.transition
        draw_network(axis, flow - np.diag(np.diag(flow)), found.labels, found.model.states)
        axis.set_title("Net currents between states")
        pictures["network"] = Picture(
            net,
            "States (colours: lumps; dots grow with the traffic), and the net currents between them as arrows. "
            + ("They are significant." if found.test.p_value < 0.05 else "They are within the noise of the data."),
        )
    return pictures
