"""Entropy production behind a partial observation: one call, every bound that holds for this observer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from kadanoff.dynamics.dissipation import Dissipation
from kadanoff.dynamics.jumps import Jumps
from kadanoff.dynamics.measured_dissipation import measured_dissipation
from kadanoff.dynamics.modelled_dissipation import modelled_dissipation
from kadanoff.dynamics.observers import Observer, Record

__all__ = ["hidden_dissipation"]


def hidden_dissipation(
    source: Jumps | Record | ArrayLike,
    observer: Observer,
    *,
    discrete: bool = False,
    bounds: Iterable[str] | None = None,
    longest: int | None = None,
    fixed_entry: bool = False,
    unit: str = "",
    seed: int = 0,
) -> Dissipation:
    """Everything that an observer can say about the entropy production, of a known model or from data.

    A model (rates or a transition matrix) gives exact numbers: the total, Esposito's split, and every bound that
    endless data would give. Data give the bounds alone, each with an error bar and its finite-data bias taken off, so
    that a process in equilibrium gives intervals that contain zero. Each bound says what it assumes.

    State lumps: `apparent` (Schnakenberg of the lumped flows), `block_divergence.n` (D_n / (n - 1); the increments
    `block_increment.n` beside it are no bounds), `waiting_times` (half of the divergence of jump, dwell time, jump),
    `semi_markov` (affinity and waiting times: Martinez et al., 2019; a bound only where the lump before settles how a
    lump is entered), `dwell_bound.J` (Skinner and Dunkel, 2021), `current_uncertainty`. Resolved transitions:
    `transition_sequence`, `transition_based` (Harunari et al., 2022; van der Meer et al., 2022), `current_uncertainty`.
    Milestones: `milestone_sequence`. In discrete time `apparent` and `block_divergence.n`.

    Arguments:
        source: a model: rates (n, n), 1 / time, or (r, n, n) of r reservoirs; with ``discrete`` a transition matrix. Or
            data: fine `Jumps`, integer states (n,) at equal time steps, or a `Record` of what the observer saw.
        observer: who looks: `StateLumps(map)`, `ResolvedTransitions(pairs)` or `Milestones(states)`.
        discrete: whether the model is a transition matrix.
        bounds: which; by default all that hold for this observer. Names without the part after the dot.
        longest: words of the block divergence; by default 6 for models and 4 for data.
        fixed_entry: of data: whether you know that a lump and the one before it settle how the lump is entered (lumps
            of a single state, or with a single gate). For a model it is found.
        unit: of the result; default "nat/time" or "nat/step".
        seed: of the redrawn blocks, for data.

    Raises:
        ValueError: for a bound that does not hold for this observer, with the reason; for a jump of the model without
            reverse; for lumps without probability; for series too short beside their slowest time scale.
    """
    if isinstance(source, Jumps | Record) or np.ndim(source) == 1:
        if discrete:
            raise ValueError("discrete is of models: data without times are in discrete time by themselves")
        return measured_dissipation(
            source, observer, bounds=bounds, longest=longest or 4, fixed_entry=fixed_entry, unit=unit, seed=seed
        )
    return modelled_dissipation(source, observer, discrete=discrete, bounds=bounds, longest=longest or 6, unit=unit)
