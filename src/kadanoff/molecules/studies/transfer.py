"""A bead potential away from home: fitted at one state or at several, tested over temperature and density."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff.estimates import Estimate
from kadanoff.molecules import transfer_pictures as pictures
from kadanoff.molecules.comparison import CITE
from kadanoff.molecules.force_matching import ForceMatch, NormalEquations, normal_equations, solve
from kadanoff.molecules.frames import Frames, fixed_box
from kadanoff.molecules.integral_equations import hnc_start
from kadanoff.molecules.iteration import (
    Iteration,
    Sample,
    Sampling,
    answer,
    even_and_odd,
    iterate,
    newton,
    sample,
    starting_frame,
)  # fmt: skip
from kadanoff.molecules.mapping import BeadConfig, MappingConfig
from kadanoff.molecules.matching import Target, match
from kadanoff.molecules.multistate import merged_equations
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.relative_entropy import PoorOverlap, RelativeEntropy, relative_entropy_difference
from kadanoff.molecules.studies.bottom_up import model_files, read_reference
from kadanoff.molecules.transferability import Split, StateResult, Transfer, energy_and_entropy, explained
from kadanoff.molecules.uncertainty import left_open
from kadanoff.parallel import map_ordered
from kadanoff.study import InputFile, Result, Run, judge
from kadanoff.units import Length, Pressure, Temperature

__all__ = ["TransferConfig", "transfer"]

_strict = ConfigDict(extra="forbid", frozen=True)


class State(BaseModel):
    """The atomistic (or already mapped) trajectory of one state."""

    model_config = _strict
    topology: InputFile = Field(description="Topology that MDAnalysis reads.", examples=["system.gro"])
    trajectory: InputFile = Field(description="Trajectory; forces, where it has them, are used.", examples=["run.trr"])
    temperature: Temperature = Field(gt=0, description="Its temperature.", examples=["300 K"])
    pressure: Pressure | None = Field(None, description="Its mean pressure.", examples=["1 bar"])
    pressure_error: Pressure | None = Field(None, description="The standard error of that.", examples=["50 bar"])
    masses: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="Masses by atom name [amu], where topology and names tell none.", examples=[{"W": 18.015}]
    )
    fit: bool = Field(True, description="Whether the multistate fit sees this state; else it is held out.")
    weight: float = Field(1.0, gt=0, description="Weight in the multistate fit.")


class Simulations(BaseModel):
    """How the bead models are simulated."""

    model_config = _strict
    steps: int = Field(20_000, ge=1000, description="Steps of each simulation, 0.004 ps each.")
    every: int = Field(20, ge=1, description="A frame each so many steps.")
    turns: int = Field(4, ge=1, le=20, description="Newton steps at most of the single-state fit.")
    multistate_turns: int = Field(3, ge=1, le=20, description="Newton steps of the multistate fit.")
    own_turns: int = Field(2, ge=1, le=20, description="Newton steps at most of each state's own fit.")


class TransferConfig(MappingConfig):
    """Settings of molecules.transfer."""

    home: str = Field(description="Name of the state that is fitted alone.", examples=["cold"])
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of the bead potential.")
    reach: Length = Field(1.2, gt=0, description="g(r) is measured to here, at most half of each box.")
    width: Length = Field(0.01, gt=0, description="Bin width of g(r).")
    judged: Length = Field(1.0, gt=0, description="The RMS difference of g(r) is taken up to here.")
    knots: Length = Field(0.02, gt=0, description="Distance of the knots of the matched force.")
    simulations: Simulations = Field(Simulations(), description="How the bead models are simulated.")
    beads: dict[str, BeadConfig] = Field(
        min_length=1, description="The bead, the same at all states.",
        examples=[{"W": {"select": "resname SOL", "per": "residue"}}],
    )  # fmt: skip
    states: dict[str, State] = Field(
        min_length=2, description="The states, by name.",
        examples=[{"cold": {"topology": "cold.gro", "trajectory": "cold.trr", "temperature": 280.0}}],
    )  # fmt: skip

    @model_validator(mode="after")
    def _sense(self) -> Self:
        if self.home not in self.states:
            raise ValueError(f"home = {self.home!r} is none of the states {', '.join(self.states)}")
        if not any(state.fit for state in self.states.values()):
            raise ValueError("no state has fit = true: the multistate fit needs one at least")
        if not self.cutoff <= self.reach or not self.judged <= self.reach:
            raise ValueError(f"cutoff and judged must lie within reach = {self.reach:g} nm, where g(r) is measured")
        if self.simulations.steps // self.simulations.every < max(500, 4 * round(self.reach / self.width)):
            raise ValueError(
                f"simulations.steps = {self.simulations.steps} with every = {self.simulations.every} are too few "
                f"frames: at least {max(500, 4 * round(self.reach / self.width))}, four for each bin of g"
            )
        return self


def transfer(config: TransferConfig, run: Run) -> Result:
    """A bead potential at states it was not fitted to, beside one fitted to several and each state's own.

    Fits g(r) by Newton steps at ``home``, at all states with ``fit`` together, and at each state by itself; matches the
    forces of the same; simulates every potential at every state; compares g(r), pressure, compressibility and forces,
    and splits the states' own potentials into energy and entropy.
    """
    names, how = list(config.states), config.simulations
    frames: dict[str, Frames] = {}
    for name, state in config.states.items():
        mapping = MappingConfig(
            beads=config.beads, unassigned=config.unassigned, masses={**config.masses, **state.masses}
        )
        frames[name] = run.stage(f"beads-{name}", read_reference, state.topology, state.trajectory, mapping, {})
        half = 0.5 * float(frames[name].box.min())
        if config.reach > half:
            raise ValueError(f"reach = {config.reach:g} nm exceeds half the box of state {name}, {half:g} nm: lower it")
    targets = {
        name: run.stage(f"target-{name}", pair_distribution, frames[name], cutoff=config.reach, width=config.width)
        for name in names
    }
    even = {name: even_and_odd(target)[0] for name, target in targets.items()}
    starts = {name: starting_frame(frames[name]) for name in names}
    samplings = {
        name: Sampling(state.temperature, config.reach, config.width, every=how.every)
        for name, state in config.states.items()
    }
    matches, shares = _force_matches(config, run, frames)

    def task(name: str, potential: PairPotential, number: int) -> _Task:
        return potential, starts[name], samplings[name], how.steps, run.seed + 100 * names.index(name) + number

    total = (
        len(names) * (2 + how.own_turns)
        + how.turns
        + sum(s.fit for s in config.states.values()) * (how.multistate_turns + 1)
    )
    with run.progress(total + len(names), "simulations of beads") as bar:
        home = config.home
        begin = hnc_start(even[home], config.states[home].temperature, config.cutoff)
        alone = run.stage(
            "single", fit_alone, task(home, begin, 1000), even[home], how.turns, config.judged
        )  # fmt: skip
        bar.advance(how.turns + 1)
        single = answer(alone)[0]

        tasks = [(task(name, single, 2000), even[name], how.own_turns, config.judged) for name in names]
        own = dict(zip(names, run.stage("own", fit_each, tasks, run.executor), strict=True))
        bar.advance(len(names) * (how.own_turns + 2))

        fitted = [name for name, state in config.states.items() if state.fit]
        wanted = [
            Target(config.states[name].temperature, {even[name].names: even[name]}, starts[name],
                   weight=config.states[name].weight)
            for name in fitted
        ]  # fmt: skip
        several = run.stage(
            "multistate-fit", fit_several, [task(name, single, 3000) for name in fitted], wanted,
            how.multistate_turns, config.judged, run.executor,
        )  # fmt: skip
        bar.advance(len(fitted) * (how.multistate_turns + 1))
        final = run.stage("multistate", simulate_each, [task(name, several, 9000) for name in names], run.executor)
        bar.advance(len(names))

    states = []
    for name, multi in zip(names, final, strict=True):
        state, best = config.states[name], own[name]
        states.append(
            StateResult(
                name, state.temperature, state.fit, targets[name],
                None if state.pressure is None
                else Estimate(state.pressure, state.pressure_error, None, "bar", "given"),
                {"single": best.begin, "multi": multi, "own": best.sample}, best.potential, matches.get(name),
                shares.get(name, {}),
                config.judged,
            )
        )  # fmt: skip
    result = Transfer(home, states, {"single": single, "multi": several}, _splits(states, home, config.cutoff), "")
    worst = result.worst("single")
    far = task(worst.name, single, 9500)
    result = replace(
        result, information=run.stage("information", information, frames[worst.name], worst.potential, far)
    )
    numbers, ledger = result.estimates(), result.ledger()
    bead = starts[home].beads
    model = Model(bead.names, (float(bead.masses[0]),), {(bead.names[0],) * 2: several})
    return Result(
        numbers, ledger, judge(numbers, ledger, result.verdict()), result.arrays(), pictures.of(result),
        model_files(model, starts[home]), (*CITE, _MULTISTATE),
    )  # fmt: skip


_MULTISTATE = "Several states: T. C. Moore, C. R. Iacovella, C. McCabe, J. Chem. Phys. 140, 224104 (2014)"

_Task = tuple[PairPotential, Frames, Sampling, int, int]


def simulate(task: _Task) -> Sample:
    """One simulation of a potential at a state."""
    potential, start, sampling, steps, seed = task
    return sample(potential, start, sampling, steps=steps, seed=seed)


def simulate_each(tasks: Sequence[_Task], executor: Executor | None = None) -> list[Sample]:
    """The same for several, wherever the executor runs them."""
    return list(map_ordered(simulate, tasks, executor))


def fit_alone(task: _Task, target: PairDistribution, turns: int, upper: float) -> list[Iteration]:
    """Newton steps at one state from the potential of the task."""
    potential, start, sampling, steps, seed = task

    def run(number: int, tried: PairPotential, begin: Frames) -> Sample:
        return sample(tried, begin, sampling, steps=steps, seed=seed + number)

    mend = newton(target, sampling.temperature, potential)
    return iterate(potential, target, mend, run, start, steps=turns, upper=upper)


def _at_state(tasks: Sequence[_Task], number: int, state: int, model: Model, start: Frames) -> Sample:
    _, _, sampling, steps, seed = tasks[state]
    return sample(model, start, sampling, steps=steps, seed=seed + number)


def fit_several(
    tasks: Sequence[_Task], targets: Sequence[Target], turns: int, upper: float, executor: Executor | None = None
) -> PairPotential:
    """The potential nearest to several states among that of the tasks and what steps at all of them make of it.

    The start is a candidate like the others: a step whose simulations come out worse is not taken.
    """
    start, beads = tasks[0][0], tasks[0][1].beads
    found = match(
        targets, Model.single(start, float(beads.masses[0]), beads.names[0]), "imc", cutoff=start.cutoff,
        simulate=partial(_at_state, tasks), upper=upper, steps=turns, simulations=len(targets) * (turns + 1),
        reweighting=False, executor=executor,
    )  # fmt: skip
    return min(found.turns, key=lambda turn: turn.rms.value).model.only


@dataclass(frozen=True, eq=False)
class OwnFit:
    """A fit at one state from a given potential: ``begin``, the sample of that; the ``potential`` found, with its band;
    and ``sample``, a fresh simulation of it that no step saw."""

    begin: Sample
    potential: PairPotential
    sample: Sample


def _fit(arguments: tuple[_Task, PairDistribution, int, float]) -> OwnFit:
    task, target, _, _ = arguments
    _, _, sampling, steps, seed = task
    turns = fit_alone(*arguments)
    best, turn = answer(turns)
    fresh = sample(best, turn.sample.last, sampling, steps=steps, seed=seed + 50)
    left = left_open(
        best, turns[0].potential, target, turn.sample.distribution, fresh.distribution, fresh.singles,
        sampling.temperature,
    )  # fmt: skip
    return OwnFit(turns[0].sample, left.potential, fresh)


def fit_each(
    tasks: Sequence[tuple[_Task, PairDistribution, int, float]], executor: Executor | None = None
) -> list[OwnFit]:
    """Newton steps at several states, each by itself."""
    return list(map_ordered(_fit, tasks, executor))


def information(reference: Frames, own: PairPotential, task: _Task) -> RelativeEntropy | str:
    """By how much the relative entropy of the task's potential exceeds that of ``own``; where that fails, why."""
    if not fixed_box(reference):
        return "the box of the reference changes, and relative entropies are compared at constant volume"
    single, start, sampling, steps, seed = task
    bead = start.beads
    numbers = count(seed)

    def model(potential: PairPotential) -> Model:
        return Model(bead.names, (float(bead.masses[0]),), {(bead.names[0],) * 2: potential})

    def simulated(which: Model) -> Frames:
        kept = sample(which.only, start, sampling, steps=steps, seed=next(numbers), keep=500).frames
        assert kept is not None
        return kept

    best, other = model(own), model(single)
    try:
        return relative_entropy_difference(
            reference, (best, simulated(best)), (other, simulated(other)), sampling.temperature, simulate=simulated
        )
    except PoorOverlap as error:
        return str(error)


def _force_matches(
    config: TransferConfig, run: Run, frames: dict[str, Frames]
) -> tuple[dict[str, ForceMatch], dict[str, dict[str, Estimate]]]:
    """Each state's own matched force, and what its own, the home state's and the merged one explain at each state."""
    if any(one.forces is None for one in frames.values()):
        return {}, {}
    equations: dict[str, NormalEquations] = {
        name: run.stage(f"forces-{name}", normal_equations, one, cutoff=config.cutoff, spacing=config.knots)
        for name, one in frames.items()
    }
    matches = {name: solve(one) for name, one in equations.items()}
    fitted = [name for name, state in config.states.items() if state.fit]
    several = solve(
        merged_equations([equations[name] for name in fitted], [config.states[name].weight for name in fitted])
    )
    forces = {"single": matches[config.home], "multi": several}
    shares = {
        name: {"own": explained(matches[name].coefficients, one)}
        | {model: explained(force.coefficients, one) for model, force in forces.items()}
        for name, one in equations.items()
    }
    return matches, shares


def _splits(states: Sequence[StateResult], home: str, cutoff: float) -> dict[str, Split]:
    """Energy and entropy of the own potentials at the home state's density, where that has several temperatures."""
    density = next(state for state in states if state.name == home).target.density
    alike = [state for state in states if abs(state.target.density / density - 1.0) < 5e-3]
    temperatures = [state.temperature for state in alike]
    if len(set(temperatures)) < 2:
        return {}
    found = {}
    curves: dict[str, list[PairPotential | None]] = {
        "fm": [None if s.match is None else s.match.potential for s in alike],
        "newton": [s.potential for s in alike],
    }
    for method, potentials in curves.items():
        known = [potential for potential in potentials if potential is not None and potential.band is not None]
        if len(known) < len(alike):
            continue
        first = max(potential.supported[0] for potential in known)
        r = np.linspace(first, cutoff, 200)[:-10]
        errors = [np.interp(r, p.r, np.nan_to_num(np.asarray(p.band))) for p in known]
        found[method] = energy_and_entropy(r, temperatures, [p.energy_at(r) for p in known], errors)
    return found
