"""Structure matching behind one call: every step, several states and bead types at once, constraints, reweighting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kadanoff.estimates import Estimate
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.iteration import Sample
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import Model

__all__ = ["STEPS", "Matched", "Step", "Target", "Turn", "match"]

Step = Literal["ibi", "imc", "ihnc", "ipy", "gauss-newton", "relative-entropy"]
STEPS: tuple[Step, ...] = ("ibi", "imc", "ihnc", "ipy", "gauss-newton", "relative-entropy")

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Target:
    """What a model is to reproduce at one state.

    ``temperature`` in K; ``distributions`` g of every pair of types; ``start`` one frame to simulate from; ``pressure``
    in bar, if known; ``weight`` of this state among several.
    """

    temperature: float
    distributions: Mapping[Pair, PairDistribution]
    start: Frames
    pressure: Estimate | None = None
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Turn:
    """One mending of the potential: ``number``, the ``model``, the ``samples`` of its states (None where they were
    reweighted, not simulated), RMS of g - g_target and its noise ``floor`` over all states and pairs, the share
    ``effective`` of frames that reweighting left, and a ``note``."""

    number: int
    model: Model
    samples: tuple[Sample, ...] | None
    rms: Estimate
    floor: Estimate
    effective: float
    seconds: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Matched:
    """The ``model`` that `match` found, all ``turns``, how many simulations it took, and why it ended."""

    model: Model
    turns: tuple[Turn, ...]
    simulations_run: int
    converged: bool
    note: str


def match(
    target: Target | Sequence[Target],
    model: Model | None = None,
    step: Step = "gauss-newton",
    *,
    cutoff: float,
    simulate: Callable[[int, int, Model, Frames], Sample],
    upper: float,
    steps: int = 10,
    constraints: Sequence[object] = (),
    reweight: bool = True,
    trust: float = 0.5,
) -> Matched:
    """Mend the pair potentials of ``model`` until its g equals the target's to their noise.

    ``model=None`` starts from HNC's inversion of the targets. ``simulate(number, state, model, start)`` gives the
    `Sample` of one state.
    """
    raise NotImplementedError
