"""Who looks, and what may be concluded from what is seen.

Coarse-graining and time reversal need not commute, so that an estimator that bounds the entropy production for one
observer says nothing for another (Hartich and Godec, Nature Communications 15, 8678 (2024); the authors' reply, 15,
8679 (2024)). The caller therefore says who looks:

- `StateLumps`: a map of the instantaneous state. Time reversal reverses the seen path, dwell times with it.
- `ResolvedTransitions`: some jumps, in both directions, and the times between them. A reversed path shows the reversed
  jumps, and the process starts afresh at each.
- `Milestones`: the last of some states that was visited. "Last" turns into "next" in reversed time: dwell times between
  milestones are not reversed with the path, only the order of the milestones is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.entropy_production import labels_of
from kadanoff.dynamics.jumps import Jumps
from kadanoff.maps import Map

__all__ = ["Milestones", "Observer", "Record", "ResolvedTransitions", "StateLumps", "record", "wanted_bounds"]


@dataclass(frozen=True, eq=False)
class StateLumps:
    """An observer of lumps of states: ``lumps`` is a hard `Map` that owns every state."""

    lumps: Map

    name = "state lumps"


@dataclass(frozen=True)
class ResolvedTransitions:
    """An observer of some jumps: ``pairs`` ((i, j), ...) of states, each seen in both directions, i -> j and j -> i."""

    pairs: tuple[tuple[int, int], ...]

    name = "resolved transitions"

    def __post_init__(self) -> None:
        seen = [frozenset(pair) for pair in self.pairs]
        if not seen or any(len(pair) != 2 for pair in seen) or len(set(seen)) < len(seen):
            raise ValueError(
                f"resolved transitions: expected different pairs of two states, got {self.pairs}; the reverse of a "
                "jump is seen with it and not listed"
            )

    @property
    def directed(self) -> list[tuple[int, int]]:
        """All jumps that are seen: each pair there, then back, so that 2 m and 2 m + 1 are each other's reverse."""
        return [jump for i, j in self.pairs for jump in ((i, j), (j, i))]


@dataclass(frozen=True)
class Milestones:
    """An observer of the last visited one of some ``states``, each a single state of the fine process."""

    states: tuple[int, ...]

    name = "milestones"

    def __post_init__(self) -> None:
        if len(set(self.states)) < max(2, len(self.states)):
            raise ValueError(f"milestones: expected two or more different states, got {self.states}")


Observer = StateLumps | ResolvedTransitions | Milestones

_VALID: dict[type, tuple[str, ...]] = {
    StateLumps: (
        "apparent",
        "block_divergence",
        "waiting_times",
        "semi_markov",
        "dwell_bound",
        "current_uncertainty",
    ),
    ResolvedTransitions: ("transition_sequence", "transition_based", "current_uncertainty"),
    Milestones: ("milestone_sequence",),
}
_KNOWN = tuple(dict.fromkeys(name for names in _VALID.values() for name in names))
_NEEDS_TIME = ("waiting_times", "semi_markov", "dwell_bound", "current_uncertainty", "transition_based")
_DEBATE = "(Hartich and Godec, Nat. Commun. 15, 8678 (2024), and the reply, 8679)"
_REASONS: dict[type, str] = {
    StateLumps: "it needs single jumps between known states, and behind a jump between lumps there may be several",
    ResolvedTransitions: "between resolved transitions the state is not known, so there are no visits to lumps or "
    "milestones; the resolved transitions themselves, with the times between them, are what can be reversed",
    Milestones: "the last milestone visited turns into the next one when time is reversed, so that the times between "
    f"milestones are not those of the reversed process {_DEBATE}; only their order can be used",
}


def wanted_bounds(observer: Observer, names: Iterable[str] | None, continuous: bool = True) -> tuple[str, ...]:
    """The names of the bounds to compute: all that hold for this observer, or those asked for.

    Raises:
        ValueError: for a name that is unknown, does not hold for this observer, or needs continuous time; with the
            reason.
    """
    if type(observer) not in _VALID:
        raise ValueError(
            f"observer: expected StateLumps(map), ResolvedTransitions(pairs) or Milestones(states), got {observer!r}"
        )
    valid = _VALID[type(observer)]
    if names is None:
        return tuple(name for name in valid if continuous or name not in _NEEDS_TIME)
    wanted = (names,) if isinstance(names, str) else tuple(names)
    for name in wanted:
        if name not in _KNOWN:
            raise ValueError(f"there is no bound {name!r}; those that hold for {observer.name}: {', '.join(valid)}")
        if name not in valid:
            raise ValueError(f"{name!r} is no bound for an observer of {observer.name}: {_REASONS[type(observer)]}")
        if not continuous and name == "current_uncertainty":
            raise ValueError(
                "'current_uncertainty' is refused in discrete time: the thermodynamic uncertainty relation holds in "
                "continuous time and for overdamped diffusion, and a chain of steps can break it"
            )
        if not continuous and name in _NEEDS_TIME:
            raise ValueError(f"{name!r} needs continuous time, that is, the times of the jumps")
    return wanted


@dataclass(frozen=True, eq=False)
class Record:
    """What an observer writes down: a sequence of symbols and, where there is a clock, times.

    Arguments:
        symbols: (n,) integers from 0: the lumps visited, the directed jumps seen, or the milestones passed. In
            continuous time two in a row differ, for lumps and milestones.
        partner: (k,) the symbol that each turns into when time is reversed: itself for lumps and milestones, the jump
            back for jumps.
        times: (n,) positive, or None in discrete time: how long the visit lasted; for jumps the time since the last
            one (the first is not used).

    Raises:
        ValueError: for symbols outside 0 ... k - 1 or one that never occurs, for times that are not positive and
            finite, for partners that are not each other's.
    """

    symbols: NDArray[np.int64]
    partner: NDArray[np.int64]
    times: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        symbols, partner = np.asarray(self.symbols), np.asarray(self.partner)
        if symbols.ndim != 1 or not np.issubdtype(symbols.dtype, np.integer):
            raise ValueError(f"symbols: expected integers (n,), got {symbols.dtype} {symbols.shape}")
        k = len(partner)
        if not np.array_equal(np.sort(partner), np.arange(k)) or np.any(partner[partner] != np.arange(k)):
            raise ValueError("partner: every symbol turns into one other, and that one back into it")
        if symbols.size and (symbols.min() < 0 or symbols.max() >= k):
            worst = int(np.flatnonzero((symbols < 0) | (symbols >= k))[0])
            raise ValueError(f"symbols: {symbols[worst]} at {worst}, but there are {k} of them")
        if (never := np.flatnonzero(np.bincount(symbols, minlength=k) == 0)).size:
            raise ValueError(
                f"symbol {never[0]} never occurs: its probability is zero in these data; leave it out, or lump it"
            )
        object.__setattr__(self, "symbols", symbols.astype(np.int64))
        object.__setattr__(self, "partner", partner.astype(np.int64))
        if self.times is not None:
            times = np.asarray(self.times, dtype=np.float64)
            if times.shape != symbols.shape:
                raise ValueError(f"times: expected one for each of the {len(symbols)} symbols, got {times.shape}")
            if (bad := np.flatnonzero(~(np.isfinite(times) & (times > 0)))).size:
                raise ValueError(f"times: {times[bad[0]]:g} at {bad[0]}; they must be positive and finite")
            object.__setattr__(self, "times", times)

    def __len__(self) -> int:
        return len(self.symbols)


def record(source: Jumps | ArrayLike, observer: Observer) -> Record:
    """What the observer sees of a fine trajectory.

    Arguments:
        source: `Jumps` (continuous time), or states (n,) at equal time steps (state lumps only).
        observer: who looks. Consecutive visits to one lump are one visit, its dwell times added up.

    Raises:
        ValueError: for a state that the map does not know, an observer that needs the times, nothing seen, or dwell
            times that are not one number for each visit, finite and not negative.
    """
    wanted_bounds(observer, None)  # refuses what is no observer
    if not isinstance(source, Jumps):
        if not isinstance(observer, StateLumps):
            raise ValueError(
                f"an observer of {observer.name} needs the jumps and their times, not states at equal steps"
            )
        states = _known_states(np.asarray(source), observer.lumps.n_fine)
        return Record(labels_of(observer.lumps)[states], np.arange(observer.lumps.n_coarse))
    if np.shape(source.dwells) != np.shape(source.states):
        raise ValueError(f"dwells: expected one for each of the {len(source.states)} states, got {len(source.dwells)}")
    if (bad := np.flatnonzero(~(np.isfinite(source.dwells) & (source.dwells >= 0)))).size:
        raise ValueError(f"dwells: {source.dwells[bad[0]]:g} at {bad[0]}; no visit lasts that long")
    states, ends = source.states, np.cumsum(source.dwells)
    if isinstance(observer, StateLumps):
        label = labels_of(observer.lumps)[_known_states(states, observer.lumps.n_fine)]
        first = np.flatnonzero(np.concatenate([[True], label[1:] != label[:-1]]))
        return Record(label[first], np.arange(observer.lumps.n_coarse), np.add.reduceat(source.dwells, first))
    if isinstance(observer, Milestones):
        known = np.full(max(int(states.max()), *observer.states) + 1, -1)
        known[list(observer.states)] = np.arange(len(observer.states))
        passed = known[states]
        at = np.flatnonzero(passed >= 0)
        at = at[np.concatenate([[True], passed[at][1:] != passed[at][:-1]])] if at.size else at
        return Record(passed[at], np.arange(len(observer.states)), np.diff((ends - source.dwells)[at], append=ends[-1]))
    size = max(int(states.max()), *(max(pair) for pair in observer.pairs)) + 1
    symbol = np.full((size, size), -1)
    for number, (i, j) in enumerate(observer.directed):
        symbol[i, j] = number
    seen = symbol[states[:-1], states[1:]]
    at = np.flatnonzero(seen >= 0)
    if at.size < 2:
        raise ValueError(f"only {at.size} resolved transitions in {len(states)} jumps: nothing to estimate from")
    moments = ends[at]
    partner = np.arange(2 * len(observer.pairs)) ^ 1
    return Record(seen[at], partner, np.diff(moments, prepend=0.0))


def _known_states(states: NDArray[np.integer], number: int) -> NDArray[np.integer]:  # type: ignore[type-arg]
    if states.ndim != 1 or not np.issubdtype(states.dtype, np.integer) or len(states) < 2:
        raise ValueError(f"states: expected integers (n,), n >= 2, got {states.dtype} {states.shape}")
    if states.min() < 0 or states.max() >= number:
        worst = int(np.flatnonzero((states < 0) | (states >= number))[0])
        raise ValueError(f"states: {states[worst]} at {worst}, but the map knows {number} states")
    return states
