"""Structure matching behind one call: every step, several states and bead types at once, constraints, reweighting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.molecules.constraints import Constraint
from kadanoff.molecules.engines import Exploded
from kadanoff.molecules.frames import BOLTZMANN, Frames
from kadanoff.molecules.integral_equations import _SMOOTH
from kadanoff.molecules.iteration import Sample
from kadanoff.molecules.matching_steps import (
    PRIOR,
    Basis,
    View,
    banded,
    changed,
    closure_answer,
    felt,
    hold,
    ibi,
    measured_answer,
    response_step,
    start_model,
)
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.reweighting import Stack, reweight

__all__ = ["STEPS", "Matched", "Step", "Target", "Turn", "match"]

Array = NDArray[np.float64]
Step = Literal["ibi", "imc", "ihnc", "ipy", "gauss-newton", "relative-entropy"]
STEPS: tuple[Step, ...] = ("ibi", "imc", "ihnc", "ipy", "gauss-newton", "relative-entropy")

Pair = tuple[str, str]

_FAR, _HALVINGS, _BLOCKS, _FRAMES_A_KNOT = 3.0, 4, 40, 10
_GAIN = 1.0
"""What a step must promise to lower the predicted chi^2 by: less than one bin's noise is not worth a simulation."""


@dataclass(frozen=True, eq=False)
class Target:
    """What a model is to reproduce at one state.

    ``temperature`` in K; ``distributions`` g of every pair of types, with error bars; ``start`` one frame to simulate
    from; ``pressure`` in bar, if known; ``weight`` of this state among several. Raises ValueError for a g that is
    wrongly normalised (its tail is not near 1), for too few blocks, and for a pair of types that is missing.
    """

    temperature: float
    distributions: Mapping[Pair, PairDistribution]
    start: Frames
    pressure: Estimate | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        names = self.start.beads.names
        if not self.weight > 0 or not self.temperature > 0:
            raise ValueError(f"temperature and weight must be positive, not {self.temperature} K and {self.weight}")
        ordered: dict[Pair, PairDistribution] = {}
        for index, one in enumerate(names):
            for two in names[index:]:
                pair = (one, two) if (one, two) in self.distributions else (two, one)
                if pair not in self.distributions:
                    raise ValueError(f"the target has no g of the pair ({one}, {two})")
                ordered[one, two] = self.distributions[pair]
        if len(self.distributions) != len(ordered):
            raise ValueError(f"the target has g of {list(self.distributions)}, the frame has the types {names}")
        for pair, part in ordered.items():
            if len(part) < 4:
                raise ValueError(f"g of {pair} has {len(part)} blocks of frames; 4 or more are needed for its noise")
            if not part.counts.any():
                raise ValueError(f"g of {pair} holds no pair at all within {part.cutoff:g} nm: more frames are needed")
            outer = np.where(part.r > part.r[-1] * 2.0 / 3.0, part.r**2, 0.0)
            outer /= outer.sum()
            level = float(part.g @ outer)
            noise = float(np.sqrt(np.sum((part.deviations @ outer) ** 2) * len(part) / (len(part) - 1)))
            if abs(level - 1.0) > 0.08 + 4.0 * noise:
                raise ValueError(
                    f"g of {pair} has the mean {level:.3g} over the outer third before {part.cutoff:g} nm, not 1: it "
                    "is normalised wrongly, or was not measured far enough"
                )
        object.__setattr__(self, "distributions", ordered)


@dataclass(frozen=True, eq=False)
class Turn:
    """One look at a model: ``number``, the ``model``, the ``samples`` of its states (None where they were reweighted,
    not simulated), RMS of g - g_target and its noise ``floor`` over states and pairs, the least share ``effective`` of
    frames that reweighting left, ``pressures`` (bar) of the states, ``simulations`` and ``seconds`` so far."""

    number: int
    model: Model
    samples: tuple[Sample, ...] | None
    rms: Estimate
    floor: Estimate
    effective: float
    pressures: tuple[Estimate, ...]
    simulations: int
    seconds: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Matched:
    """The ``model`` that `match` found, with bands (see `matching_steps.banded`), the model it began with, all
    ``turns``, how many simulations it took (``simulations_run``; ``iterations`` counts the steps), and why it ended
    (``note``)."""

    model: Model
    begin: Model
    turns: tuple[Turn, ...]
    simulations_run: int
    converged: bool
    note: str

    @property
    def iterations(self) -> int:
        """Steps that were taken."""
        return max(turn.number for turn in self.turns)


def match(
    target: Target | Sequence[Target],
    model: Model | None = None,
    step: Step = "gauss-newton",
    *,
    cutoff: float,
    simulate: Callable[[int, int, Model, Frames], Sample],
    upper: float,
    steps: int = 10,
    simulations: int | None = None,
    constraints: Sequence[Constraint] = (),
    reweighting: bool = True,
    effective: float = 0.4,
    independent: float = 100.0,
    trust: float = 0.5,
    spacing: float = 0.02,
) -> Matched:
    """Mend the pair potentials of ``model`` until its g equals the targets' to their noise, then stop.

    ``target``: one state, or several for one model of all (by weight); ``model``: where to begin, its three-body and
    local-density terms are held; None begins from HNC's inversion, PY's where HNC has none, Boltzmann's where neither
    has. ``step``: see `matching_steps`. ``cutoff`` nm of the potentials; ``upper`` nm to which the RMS of g is taken.

    ``simulate(number, state, model, start)`` gives the `Sample` of one state, each simulation starts where the last one
    of its state stopped. A step whose model explodes is halved, up to four times. At most ``steps`` steps and
    ``simulations`` simulations (None: as many). With ``reweighting`` a step is looked at without a simulation as long
    as a share ``effective`` of the frames, and ``independent`` frames after their correlation, keep a weight; what it
    finds good enough is simulated before it is believed. No change of U passes ``trust`` kT.

    Returns a `Matched`: every turn, also where the iteration ended early, which its note says. Raises ValueError for
    targets that do not fit together, and `Exploded` where the first model does.
    """
    targets = [target] if isinstance(target, Target) else list(target)
    if not targets:
        raise ValueError("there is no target")
    if step not in STEPS:
        raise ValueError(f"unknown step {step!r}; there are {', '.join(STEPS)}")
    stacks = [Stack.of(one.distributions) for one in targets]
    for number, stack in enumerate(stacks):
        if not np.array_equal(stack.edges, stacks[0].edges) or stack.pairs != stacks[0].pairs:
            raise ValueError(f"the target of state {number} has other bins or pairs of types than that of state 0")
    if stacks[0].edges[-1] < cutoff - 1e-9:
        raise ValueError(f"g is known to {stacks[0].edges[-1]:g} nm only, the potential is to reach {cutoff:g} nm")
    for constraint in constraints:
        if not 0 <= constraint.state < len(targets):
            raise ValueError(f"the {constraint.name}: there are {len(targets)} states, counted from 0")
    began = time.perf_counter()
    begin = first_model(targets, cutoff, spacing) if model is None else model
    if abs(begin.cutoff - cutoff) > 1e-9:
        raise ValueError(f"the model ends at {begin.cutoff:g} nm, the cut-off asked for is {cutoff:g} nm")
    states = _States(targets, stacks, simulate, reweighting, effective, independent, simulations or 10**9)
    now, previous, turns = begin, begin, list[Turn]()
    note, converged, result = "the step limit was reached", False, begin
    number, fresh = 0, True
    while True:
        why, found = "", None
        for halving in range(_HALVINGS + 1):
            if halving:
                now = _between(previous, now)
            try:
                found = states.look(now, fresh or halving > 0)
                break
            except Exploded as error:
                if not turns:
                    raise
                why = str(error)
            except _Spent:
                # a model that was never simulated is the result only where nothing speaks against it
                note, result = "the limit of simulations was reached", now
                if why:
                    note, result = f"{note}; the last step explodes: {why}", previous
                break
        else:
            note, result = f"the step explodes even after {_HALVINGS} halvings: {why}", previous
        if found is None:
            break
        views, samples, kept = found
        rms, floor = _difference(views, upper)
        better, enough, words = _mend(now, begin, step, views, constraints, trust, spacing, rms, floor)
        pressures = tuple(Estimate(v.pressure, v.pressure_error, None, "bar", "blocking") for v in views)
        turns.append(
            Turn(number, now, samples, rms, floor, kept, pressures, states.run, time.perf_counter() - began, words)
        )
        result = now
        seen = now, views
        if enough and samples is not None:
            converged, note, result = True, words, better
            break
        if enough:
            fresh = True  # believed only after a simulation of its own
            continue
        if number == steps:
            break
        previous, now, number, fresh = now, better, number + 1, False
    result = banded(result, seen[0], begin, seen[1], spacing)
    return Matched(result, begin, tuple(turns), states.run, converged, note)


def first_model(targets: Sequence[Target], cutoff: float, spacing: float = 0.02) -> Model:
    """HNC's potential of the targets, PY's where HNC has none, Boltzmann's where neither has."""
    from kadanoff.molecules.boltzmann import boltzmann_inversion

    beads = targets[0].start.beads
    masses = tuple(float(beads.masses[beads.types == index][0]) for index in range(len(beads.names)))
    known = [
        (Stack.of(one.distributions), one.temperature, _densities(one), float(one.start.volume[0])) for one in targets
    ]
    closures: tuple[Literal["hnc", "py"], ...] = ("hnc", "py")
    for closure in closures:
        try:
            return start_model(known, beads.names, masses, cutoff, closure, spacing)
        except ValueError:
            continue
    one = max(targets, key=lambda target: target.weight)
    return Model(beads.names, masses, {
        pair: replace(boltzmann_inversion(part, one.temperature, cutoff=cutoff), band=None, force_band=None)
        for pair, part in one.distributions.items()
    })  # fmt: skip


def _densities(target: Target) -> Array:
    counts = np.bincount(target.start.beads.types, minlength=len(target.start.beads.names))
    return np.asarray(counts / target.start.volume[0])


class _Spent(Exception):
    """No simulation is left."""


class _States:
    """The states of a match, with the last simulation of each: simulated afresh where reweighting cannot serve."""

    def __init__(
        self, targets: Sequence[Target], stacks: Sequence[Stack],
        simulate: Callable[[int, int, Model, Frames], Sample], reweighting: bool, effective: float,
        independent: float, most: int,
    ) -> None:  # fmt: skip
        self.targets, self.stacks, self.simulate = targets, stacks, simulate
        self.reweighting, self.effective, self.independent, self.most = reweighting, effective, independent, most
        self.anchors: list[tuple[Model, Sample, Stack] | None] = [None] * len(targets)
        self.near: list[list[Stack]] = [[] for _ in targets]
        self.frames = [target.start for target in targets]
        self.run = 0

    def look(self, model: Model, fresh: bool) -> tuple[list[View], tuple[Sample, ...] | None, float]:
        """The view of every state; its samples if they are of this very model; the least effective share."""
        if not fresh and self.reweighting:
            views, least = [], 1.0
            for state in range(len(self.targets)):
                found = self._reweighted(state, model)
                if found is None:
                    break
                views.append(found[0])
                least = min(least, found[1])
            else:
                return views, None, least
        if self.run + len(self.targets) > self.most:
            raise _Spent
        samples = []
        for state in range(len(self.targets)):
            self.run += 1
            sample = self.simulate(self.run - 1, state, model, self.frames[state])
            samples.append(sample)
        for state, sample in enumerate(samples):
            frames = Stack.of(sample.pairs)
            if not np.array_equal(frames.edges, self.stacks[state].edges):
                raise ValueError(
                    f"the simulation of state {state} has other bins than its target: measure both with one cut-off "
                    "and width"
                )
            if len(frames) < 500:
                raise ValueError(f"a step needs 500 frames of its simulation or more; these are {len(frames)}")
            self.anchors[state], self.frames[state] = (model, sample, frames), sample.last
        full = [self._reweighted(state, model) for state in range(len(samples))]
        views = [found[0] for found in full if found is not None]
        for view, near in zip(views, self.near, strict=True):
            if view.apart < _FAR:
                near.append(view.frames)
        return views, tuple(samples), 1.0

    def _reweighted(self, state: int, model: Model) -> tuple[View, float] | None:
        anchor = self.anchors[state]
        assert anchor is not None
        old, sample, frames = anchor
        target = self.targets[state]
        assert sample.pressures is not None
        volume, own = float(target.start.volume[0]), model is old
        found = reweight(frames, sample.pressures, old, model, target.temperature, volume)
        if not own and (found.effective < self.effective or found.independent < self.independent):
            return None
        error = (sample.pressure.error or 0.0) / np.sqrt(found.effective)
        pressure = sample.pressure.value if own else float(np.average(found.pressures, weights=found.weights))
        view = View(
            temperature=target.temperature, volume=volume, densities=_densities(target),
            share=target.weight * len(self.targets) / sum(one.weight for one in self.targets),
            target=self.stacks[state],
            model=(frames if own else frames.weighted(found.weights)).reblock(_BLOCKS), frames=frames,
            weights=found.weights, pressures=found.pressures, pressure=pressure, pressure_error=float(error),
            near=tuple(other for other in self.near[state] if other is not frames),
        )  # fmt: skip
        return view, found.effective


def _between(one: Model, two: Model) -> Model:
    """Half-way from ``one`` to ``two``."""
    pairs = {}
    for pair, there in two.pairs.items():
        here = one.pairs[pair]
        pairs[pair] = replace(there, energy=0.5 * (here.energy + there.energy), slope=0.5 * (here.slope + there.slope))
    return replace(two, pairs=pairs)


def _mend(
    model: Model, begin: Model, step: Step, views: Sequence[View], constraints: Sequence[Constraint], trust: float,
    spacing: float, rms: Estimate, floor: Estimate,
) -> tuple[Model, bool, str]:  # fmt: skip
    """A better model, whether the old one was good enough, and a word on the step."""
    basis = Basis.of(model, views, spacing)
    thermal = BOLTZMANN * float(np.mean([view.temperature for view in views]))
    width = views[0].target.width
    noise = float(np.hypot(rms.error or 0.0, floor.error or 0.0))
    enough = rms.value <= floor.value + noise
    words = f"RMS {rms.value / floor.value:.2f} of its noise"
    apart = float(np.mean([view.apart for view in views]))
    frames = min(len(view.frames) for view in views)
    plenty = frames >= _FRAMES_A_KNOT * basis.values.shape[1]  # else the soft modes of the covariance are noise
    if step == "relative-entropy" and not plenty:
        raise ValueError(
            f"{frames} frames are too few for the covariance of {basis.values.shape[1]} knots: relative entropy "
            f"needs {_FRAMES_A_KNOT * basis.values.shape[1]}; simulate longer, keep frames more often, or take ihnc"
        )
    posterior = step == "relative-entropy" or (step == "gauss-newton" and apart < _FAR and plenty)
    answers: list[Array] = []
    if step == "ibi":
        x, spread, better = np.zeros(basis.values.shape[1]), basis.spread(begin, thermal, _SMOOTH), model
        if not enough:
            pairs = {}
            for index, ((pair, potential), (r, change)) in enumerate(
                zip(model.pairs.items(), ibi(basis, views), strict=True)
            ):
                ends = (float(r[0]), float(r[-1]))
                pairs[pair] = potential.updated(r, change, supported=ends)
                fine, curves = basis.curve(index)
                x[basis.parts[index]] = np.linalg.lstsq(curves, np.interp(fine, r, change), rcond=None)[0]
            better = replace(model, pairs=pairs)
    elif posterior:
        shape = basis.spread(begin, thermal, PRIOR)
        best = felt(basis, views, shape).posterior(shape, basis.away(begin))
        x, spread = best.mean, best.covariance
    else:
        answers = [
            measured_answer(view, basis.values)
            if step == "imc"
            else closure_answer(view, basis.values, "py" if step == "ipy" else "hnc")
            for view in views
        ]
        x, spread, gain = response_step(basis, views, answers, begin)
    met = True
    if constraints:
        before = x
        x, off, _ = hold(x, spread, constraints, basis, views)
        met = all(abs(d) <= c.tolerance for d, c in zip(off, constraints, strict=True))
        words += ", off by " + ", ".join(f"{d:.3g} of the {c.name}" for d, c in zip(off, constraints, strict=True))
        if step == "ibi":
            better = changed(replace_model(basis, better), x - before, width)
    if answers:
        moved = float(np.sqrt(np.mean([(answer @ x)[basis.used] ** 2 for answer in answers])))
        own = float(np.sqrt(np.mean([2.0 * view.model.error[basis.used] ** 2 for view in views])))
        enough = (gain < _GAIN and not constraints) or moved <= own  # two simulations of one model differ by as much
        words += f", gain {gain:.2g}, which moves g by {moved / own:.2g} of the noise of simulations"
    if posterior:
        enough = best.settled(x)
        words += f", step {best.felt(x):.2g} of noise {best.noise:.2g}, prior {best.size**0.5:.2g}"
    enough = enough and met
    if step != "ibi":
        largest = basis.largest(x, thermal)
        words += f", largest change {min(largest, trust):.2g} kT"
        if largest > trust:
            x, enough = x * (trust / largest), enough and not posterior
        better = changed(basis, x, width)
    if enough:
        words = f"the noise of target and model is larger than the step it asks for: {words}"
        if constraints and rms.value > floor.value + 4.0 * noise:
            words += f"; the {' and the '.join(c.name for c in constraints)} contradict g of the target"
        if not posterior:
            better = model
    return better, enough, words


def replace_model(basis: Basis, model: Model) -> Basis:
    """The basis for another model."""
    return replace(basis, model=model)


def _difference(views: Sequence[View], upper: float) -> tuple[Estimate, Estimate]:
    """RMS of g_model - g_target over all pairs and states from the first bin with g_target > 0.01 to ``upper`` nm, and
    its noise floor, as `iteration.rdf_difference`; errors to first order in the blocks' deviations."""
    square, variance, count = 0.0, 0.0, 0
    wobbles: list[Array] = []
    ties: list[Array] = []
    for view in views:
        bins = np.zeros(len(view.target.g), bool)
        for index in range(len(view.target.pairs)):
            along = view.target.along(index)
            g = view.target.g[along]
            if not (g > 0.01).any():
                raise ValueError(f"g of {view.target.pairs[index]} never passes 0.01: there is no structure to match")
            behind = np.arange(len(g)) >= int(np.argmax(g > 0.01))
            bins[along] = behind & (view.target.edges[1:] <= upper + 1e-9)
        difference = (view.model.g - view.target.g)[bins]
        square += float(np.sum(difference**2))
        variance += float(np.sum(view.noise[bins]))
        count += int(bins.sum())
        for part in (view.model, view.target):
            blocks = len(part)
            wobbles.append(part.deviations[:, bins] @ difference * np.sqrt(blocks / (blocks - 1)))
            own = np.sum(part.deviations[:, bins] ** 2, axis=1) * blocks
            ties.append((own - own.mean()) / np.sqrt(blocks))
    rms, floor = np.sqrt(square / count), np.sqrt(variance / count)
    error = float(np.sqrt(sum(np.sum(w**2) for w in wobbles)) / count / rms) if rms > 0 else 0.0
    spread = float(np.sqrt(sum(np.mean(t**2) for t in ties)) / count / (2.0 * floor))
    blocks = min(len(view.target) for view in views)
    return (
        Estimate(float(rms), error, blocks, "", "spread of blocks"),
        Estimate(float(floor), spread, blocks, "", "spread of blocks"),
    )
