"""Structure matching by iteration: simulate the bead model, compare g(r), mend the potential, again.

Boltzmann inversion, iterative Boltzmann inversion and Newton steps differ only in how the potential is mended, so
there is one
loop, and every simulation of it is a call of one module-level function that a study can keep as a stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate, mean
from kadanoff.molecules.engines import Engine, Exploded, Langevin
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.integral_equations import gauss_newton_step
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distributions
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.uncertainty import settle

__all__ = [
    "Iteration",
    "Sample",
    "Sampling",
    "answer",
    "engine",
    "even_and_odd",
    "ibi",
    "iterate",
    "newton",
    "rdf_difference",
    "sample",
    "starting_frame",
]


@dataclass(frozen=True)
class Sampling:
    """How a bead model is sampled: temperature (K), timestep (ps), friction (1/ps), a frame each ``every`` steps, g
    to ``reach`` nm in bins of ``width`` nm."""

    temperature: float
    reach: float
    width: float = 0.01
    engine: Literal["bead", "lammps", "openmm"] = "bead"
    threads: int = 1
    timestep: float = 0.004
    friction: float = 2.0
    every: int = 25
    equilibration: int = 2000
    blocks: int = 40


@dataclass(frozen=True, eq=False)
class Sample:
    """What one simulation of a bead model gave.

    ``pressure`` in bar; ``last`` the last frame, to go on from; ``frames`` some frames for further analysis, or None;
    ``singles`` g with one block for each frame (up to 4,000);
    ``seconds`` wall time of the engine and ``simulated`` ps; ``pairs`` the same as ``singles`` for every pair of types,
    of which ``distribution`` and ``singles`` hold the first, and ``pressures`` (bar) of those frames.
    """

    distribution: PairDistribution
    pressure: Estimate
    last: Frames
    frames: Frames | None
    singles: PairDistribution
    seconds: float
    simulated: float
    pairs: Mapping[tuple[str, str], PairDistribution] = field(default_factory=dict)
    pressures: NDArray[np.float64] | None = None


def engine(name: str, threads: int) -> Engine:
    """The engine of that name: "bead" (ours), "lammps" or "openmm". Raises ValueError where it is not installed."""
    if name == "bead":
        from kadanoff.molecules.engines.bead import BeadEngine

        return BeadEngine(threads=threads)
    if name == "lammps":
        from kadanoff.molecules.engines.lammps import LammpsEngine, find_lammps

        find_lammps()
        return LammpsEngine(ranks=threads)
    if name == "openmm":
        from kadanoff.molecules.engines.openmm import OpenMMEngine, require_openmm

        require_openmm()
        return OpenMMEngine()
    raise ValueError(f"unknown engine {name!r}; there are bead, lammps and openmm")


def starting_frame(frames: Frames) -> Frames:
    """A frame to start a bead simulation from, at the mean volume: the frame nearest to it, scaled if the box
    breathes."""
    box = frames.box.mean(axis=0)
    nearest = int(np.argmin(np.abs(frames.volume - frames.volume.mean())))
    frame = frames[nearest]
    return replace(
        frame, positions=np.asarray(frame.positions * (box / frame.box[0]), dtype=np.float64), box=box[None, :],
        time=np.zeros(1),
        velocities=None, forces=None, energy=None, virial=None,
    )  # fmt: skip


def sample(
    model: PairPotential | Model, start: Frames, sampling: Sampling, *, steps: int, seed: int, keep: int = 0
) -> Sample:
    """Simulate a bead model and measure g(r) of every pair of types and the pressure.

    ``model``: a `Model`, or the potential of the only type; ``start`` one frame; the first ``sampling.equilibration``
    steps are dropped; ``keep``: how many frames, evenly spread, to keep.
    Raises `Exploded` where the potential lets the simulation explode.
    """
    if isinstance(model, PairPotential):
        model = Model.single(model, float(start.beads.masses[0]), start.beads.names[0])
    thermostat = Langevin(sampling.temperature, sampling.friction)
    runner = engine(sampling.engine, sampling.threads)
    dropped, wanted = sampling.equilibration // sampling.every, steps // sampling.every
    began = time.perf_counter()
    chunks = list(
        runner.run(
            model, start, steps=(dropped + wanted) * sampling.every, timestep=sampling.timestep, every=sampling.every,
            thermostat=thermostat, seed=seed,
        )
    )  # fmt: skip
    seconds = time.perf_counter() - began
    frames = Frames.join(chunks)[dropped:]
    spacing = max(1, len(frames) // keep) if keep else 0
    last = frames[len(frames) - 1]
    some = frames[:: -(-len(frames) // _SINGLES)]
    pairs = pair_distributions(some, cutoff=sampling.reach, width=sampling.width, blocks=len(some))
    first, singles = next(iter(pairs.items()))
    blocks = min(sampling.blocks, len(frames))
    return Sample(
        distribution=singles.reblock(blocks)
        if len(some) == len(frames)
        else pair_distributions(frames, cutoff=sampling.reach, width=sampling.width, blocks=blocks)[first],
        pressure=mean(frames.pressure(sampling.temperature), "bar"),
        last=replace(last, time=np.zeros(1)),
        frames=_light(frames[::spacing]) if keep else None,
        singles=singles,
        seconds=seconds,
        simulated=(dropped + wanted) * sampling.every * sampling.timestep,
        pairs=pairs,
        pressures=some.pressure(sampling.temperature),
    )


def _light(frames: Frames) -> Frames:
    return replace(frames, positions=frames.positions.astype(np.float32), velocities=None)


@dataclass(frozen=True, eq=False)
class Iteration:
    """One turn of the loop: the potential, its sample, the RMS of g - g_target (Estimate), the method's own word on
    it, and the ``better`` potential that it made of them."""

    number: int
    potential: PairPotential
    sample: Sample
    rms: Estimate
    floor: Estimate
    note: str = ""
    converged: bool = False
    better: PairPotential | None = None


_FAR = 3.0
"""Mean chi^2 of g beyond which the linear answer measured in the simulation is not to be trusted."""

EXPLODED = "the potential mended from this one exploded"

_SINGLES = 4000  # at most so many frames are kept one by one

Mend = Callable[[PairPotential, Sample], tuple[PairPotential, bool, str]]
"""(potential, sample of its model) -> (better potential, whether the old one was good enough, a word on the step)."""


def iterate(
    potential: PairPotential,
    target: PairDistribution,
    mend: Mend,
    simulate: Callable[[int, PairPotential, Frames], Sample],
    start: Frames,
    *,
    steps: int,
    upper: float,
) -> list[Iteration]:
    """Run the loop for at most ``steps`` mendings; stops early where ``mend`` finds the potential good enough.

    A mended potential that explodes ends the loop too: the last one that ran is the result, and its `note` begins
    with `EXPLODED`.
    A first potential that explodes raises `Exploded`. ``simulate(number, potential, start)`` gives a `Sample`; each
    simulation starts where the last one stopped.
    ``upper``: to what
    distance (nm) the RMS is taken. Returns one `Iteration` a simulation; the last one's potential is the result.
    """
    turns: list[Iteration] = []
    for number in range(steps + 1):
        try:
            found = simulate(number, potential, start)
        except Exploded as error:
            if not turns:
                raise
            turns[-1] = replace(turns[-1], note=f"{EXPLODED}: {error}")
            break
        start = found.last
        rms, floor = rdf_difference(found.distribution, target, upper)
        better, enough, note = mend(potential, found)
        turns.append(Iteration(number, potential, found, rms, floor, note, enough, better))
        if enough:
            break
        potential = better
    return turns


def newton(target: PairDistribution, temperature: float, start: PairPotential) -> Mend:
    """Regularised Gauss-Newton steps with HNC's answer of g from afar (`integral_equations.gauss_newton_step`), and
    the posterior mean around ``start``, the first potential, from near (`uncertainty.settle`)."""

    def mend(potential: PairPotential, model: Sample) -> tuple[PairPotential, bool, str]:
        away = (target.g - model.distribution.g) ** 2
        noise = target.error**2 + model.distribution.error**2
        if np.mean((away / np.where(noise > 0, noise, 1.0))[noise > 0]) >= _FAR:
            step = gauss_newton_step(potential, target, model.distribution, temperature, singles=model.singles)
            note = f"chi2 {step.chi2:.2f} -> {step.predicted:.2f}, largest change {step.largest:.2f} kT"
            return step.potential, step.converged, note
        near = settle(potential, start, target, model.distribution, model.singles, temperature)
        note = f"chi2 {near.chi2:.2f}, noise {near.expected:.2f}, largest change {near.largest:.2f} kT"
        return near.potential, near.converged, note

    return mend


def answer(turns: Sequence[Iteration]) -> tuple[PairPotential, Iteration]:
    """The potential to take from a loop, and the turn whose simulation it was last fitted to.

    Where the loop converged it is what its last turn made of its own simulation, else the potential of the last turn
    that is as near to the target as any, within two standard errors.
    """
    if turns[-1].converged and turns[-1].better is not None:
        return turns[-1].better, turns[-1]
    least = min((turn.rms for turn in turns), key=lambda rms: rms.value)
    best = [turn for turn in turns if turn.rms.value <= least.value + 2 * (least.error or 0.0)][-1]
    return best.potential, best


def ibi(target: PairDistribution, temperature: float) -> Mend:
    """Iterative Boltzmann inversion, U += kT ln(g / g_target), see `boltzmann.ibi_update`."""
    from kadanoff.molecules.boltzmann import ibi_update

    def mend(potential: PairPotential, model: Sample) -> tuple[PairPotential, bool, str]:
        return ibi_update(potential, target, model.distribution, temperature), False, ""

    return mend


def rdf_difference(
    model: PairDistribution, target: PairDistribution, upper: float, *, resamples: int = 400, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """Root mean square of g_model - g_target, and the noise floor it can be expected to have if the model is right.

        rms = sqrt(mean_k (g_model,k - g_target,k)^2),      floor = sqrt(mean_k (se_model,k^2 + se_target,k^2))

    over the bins from the first with g_target > 0.01 to ``upper`` nm; standard errors by bootstrap over blocks of
    frames. Both come with
    an error by the same bootstrap (rms) and by leaving out blocks (floor). Raises ValueError for unlike bins.
    """
    if not np.array_equal(model.edges, target.edges):
        raise ValueError("the two pair distributions have different bins; measure both with one cutoff and width")
    present = target.g > 0.01
    if not present.any():
        raise ValueError("g_target never passes 0.01: there is no structure to compare")
    bins = slice(int(np.argmax(present)), round(float(upper / (target.edges[1] - target.edges[0]))))
    g, goal = model.bootstrap(resamples, seed)[:, bins], target.bootstrap(resamples, seed + 1)[:, bins]
    difference = (model.g - target.g)[bins]
    variance = g.var(axis=0, ddof=1) + goal.var(axis=0, ddof=1)
    rms, floor = float(np.sqrt(np.mean(difference**2))), float(np.sqrt(np.mean(variance)))
    # to first order d(rms) = mean(difference * d(difference)) / rms: the noise that is squared into rms itself is not
    # its error
    wobble = (g - g.mean(axis=0)) - (goal - goal.mean(axis=0))
    error = float(np.std(np.mean(wobble * difference, axis=1), ddof=1) / rms) if rms > 0 else 0.0
    spread = _floor_error(model, bins) ** 2 + _floor_error(target, bins) ** 2
    blocks = min(len(model), len(target))
    return (
        Estimate(rms, error, blocks, "", "bootstrap over blocks"),
        Estimate(
            floor, float(np.sqrt(spread)) / (2 * floor), blocks, "", "bootstrap; its error by jackknife over blocks"
        ),
    )


def _floor_error(distribution: PairDistribution, bins: slice) -> float:
    """Jackknife error of mean_k se_k^2."""
    blocks = len(distribution)
    parts = [
        float(np.mean(distribution.select(np.delete(np.arange(blocks), left)).error[bins] ** 2))
        for left in range(blocks)
    ]
    # with one block fewer every variance is larger by blocks / (blocks - 1); that common factor is no spread
    return float(np.sqrt((blocks - 1) * np.var(parts)))


def even_and_odd(distribution: PairDistribution) -> tuple[PairDistribution, PairDistribution]:
    """The even time blocks, to fit, and the odd ones, to judge."""
    return distribution.select(slice(0, None, 2)), distribution.select(slice(1, None, 2))
