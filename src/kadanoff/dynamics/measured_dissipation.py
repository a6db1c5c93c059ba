"""Bounds on the entropy production from what was seen, with intervals; the total stays unknown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics.current_uncertainty import independent
from kadanoff.dynamics.dissipation import (
    BARATO,
    FIXED,
    HARUNARI,
    INSTANT,
    LIMIT,
    MARTINEZ,
    RESOLVED,
    ROLDAN,
    SCHNAKENBERG,
    SKINNER,
    STATIONARY,
    Collected,
    Dissipation,
    chords_of,
)
from kadanoff.dynamics.dwell_bound import least_dissipation
from kadanoff.dynamics.jumps import Jumps
from kadanoff.dynamics.observers import Observer, Record, ResolvedTransitions, StateLumps, record, wanted_bounds
from kadanoff.dynamics.sampled_divergence import FEWEST, Blocks, Words, binned, cut, divergence, resampled, words
from kadanoff.estimates import Estimate

__all__ = ["measured_dissipation"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_TICKS = 10.0  # of a clock, that dwell times must last on average


def measured_dissipation(
    data: Jumps | Record | ArrayLike,
    observer: Observer,
    *,
    bounds: Iterable[str] | None = None,
    longest: int = 4,
    fixed_entry: bool = False,
    unit: str = "",
    seed: int = 0,
) -> Dissipation:
    """Every bound that what was seen allows, with intervals: `hidden_dissipation` of data, with its arguments."""
    seen = data if isinstance(data, Record) else record(data, observer)
    continuous = seen.times is not None
    names = wanted_bounds(observer, bounds, continuous)
    same = seen.partner == np.arange(len(seen.partner))
    if np.any(same) if isinstance(observer, ResolvedTransitions) else not np.all(same):
        raise ValueError(
            "the record is one of jumps that turn into each other in reversed time: its observer is ResolvedTransitions"
            if not isinstance(observer, ResolvedTransitions)
            else f"symbol {int(np.argmax(same))} of the record is its own reverse, so it is no jump: its observer is "
            "StateLumps or Milestones"
        )
    if len(seen.partner) < 2:
        raise ValueError("the record holds one symbol only: whoever sees no change learns nothing of the dissipation")
    if not isinstance(observer, ResolvedTransitions) and (continuous or not isinstance(observer, StateLumps)):
        repeated = np.flatnonzero(seen.symbols[1:] == seen.symbols[:-1])
        if repeated.size:
            raise ValueError(
                f"the symbol at {repeated[0] + 1} is that before it: in continuous time one visit is one row, its "
                "times added up (`record` and the kind do so)"
            )
    unit = unit or ("nat/time" if continuous else "nat/step")
    found = Collected(unit)
    if isinstance(observer, StateLumps):
        _sampled_lumps(found, names, seen, longest, fixed_entry, seed)
    elif isinstance(observer, ResolvedTransitions):
        _sampled_transitions(found, names, seen, seed)
    else:
        blocks = cut(seen.symbols, seen.times)
        estimate = divergence([_pair_words(seen, blocks)], blocks.duration, unit, seed)
        found.keep("milestone_sequence", estimate, STATIONARY + "; each milestone is a single state",
                   "order of the milestones, no times")  # fmt: skip
    return Dissipation(observer.name, unit, found.bounds, None, None, tuple(found.notes))


def _sampled_lumps(
    found: Collected, names: tuple[str, ...], seen: Record, longest: int, fixed_entry: bool, seed: int
) -> None:
    blocks = cut(seen.symbols, seen.times)
    kinds, unit = len(seen.partner), found.unit
    pairs = _pair_words(seen, blocks)
    _one_way_note(found, pairs)
    if "apparent" in names:
        found.keep("apparent", divergence([pairs], blocks.duration, unit, seed), INSTANT, SCHNAKENBERG)
    if "block_divergence" in names:
        values: list[Words] = []
        for length in range(2, longest + 1):
            if kinds**length > 1 << 62 or len(seen) < 2 * length:
                break
            code, back = _word_codes(seen.symbols, kinds, length)
            values.append(words(code, back, blocks.number[length - 1 :], len(blocks.duration)))
            scaled = _scaled(values[-1], 1.0 / (length - 1))
            found.keep(f"block_divergence.{length}", divergence([scaled], blocks.duration, unit, seed), INSTANT, ROLDAN)
            if length > 2:
                step = divergence([values[-1], _scaled(values[-2], -1.0)], blocks.duration, unit, seed)
                found.keep(f"block_increment.{length}", step, LIMIT, ROLDAN, rigorous=False)
    if seen.times is None:
        return
    inner, number = seen.symbols[1:-1], blocks.number[1:-1]  # the first and the last visit are cut off by the watch
    before, after, times = seen.symbols[:-2], seen.symbols[2:], seen.times[1:-1]
    if "waiting_times" in names or "semi_markov" in names:
        code, back = (before * kinds + inner) * kinds + after, (after * kinds + inner) * kinds + before
        count = len(blocks.duration)
        triples = words(code, back, number, count)
        timed = words(*binned(code, back, times), number, count)
        minus = _scaled(pairs, -1.0)
        if "waiting_times" in names:
            half = divergence([_scaled(timed, 0.5)], blocks.duration, unit, seed)
            found.keep("waiting_times", half, INSTANT, "half the divergence of jump, dwell time, jump")
        if "semi_markov" in names:
            whole = divergence([timed, minus], blocks.duration, unit, seed)
            affinity = divergence([triples, minus], blocks.duration, unit, seed)
            waiting = divergence([timed, _scaled(triples, -1.0)], blocks.duration, unit, seed)
            found.keep("semi_markov", whole, f"{INSTANT}; {FIXED}", MARTINEZ, fixed_entry, affinity=affinity,
                       waiting=waiting)  # fmt: skip
    if "dwell_bound" in names:
        for lump in range(kinds):
            blocks_with = np.unique(number[inner == lump]).size
            if blocks_with < FEWEST:
                found.notes.append(
                    f"dwell_bound.{lump} is left out: lump {lump} was visited in {blocks_with} of "
                    f"{len(blocks.duration)} blocks of time, and an error bar needs {FEWEST}"
                )
                continue
            stays = times[inner == lump]
            tick = _tick(stays)
            if float(stays.mean()) < _TICKS * tick:
                found.notes.append(
                    f"dwell_bound.{lump} is left out: the times in lump {lump} are {stays.mean() / tick:.3g} ticks of "
                    f"{tick:.4g} on average, and a clock so coarse ({_TICKS:g} are needed) makes any times look regular"
                )
                continue
            found.keep(
                f"dwell_bound.{lump}", _sampled_dwell(inner == lump, times, number, unit, seed, tick), INSTANT, SKINNER
            )
    if "current_uncertainty" in names:
        jumps = np.zeros((kinds, kinds))
        np.add.at(jumps, (seen.symbols[:-1], seen.symbols[1:]), 1.0)
        moments = np.cumsum(seen.times)
        chord, sign = np.full((kinds, kinds), -1), np.zeros((kinds, kinds))
        for k, (i, j) in enumerate(chords := chords_of(jumps)):
            chord[i, j] = chord[j, i] = k
            sign[i, j], sign[j, i] = 1.0, -1.0
        jump = seen.symbols[:-1], seen.symbols[1:]
        _sampled_uncertainty(
            found, chord[jump], sign[jump], len(chords), moments[:-1], float(moments[-1]), INSTANT, seed
        )


def _sampled_transitions(found: Collected, names: tuple[str, ...], seen: Record, seed: int) -> None:
    kinds, bar, unit = len(seen.partner), seen.partner, found.unit
    waits = None if seen.times is None else seen.times[1:]
    blocks = cut(seen.symbols[1:], waits)
    count = len(blocks.duration)
    before, after = seen.symbols[:-1], seen.symbols[1:]
    code, back = before * kinds + after, bar[after] * kinds + bar[before]
    single = words(after, bar[after], blocks.number, count, -1.0)
    pairs = words(code, back, blocks.number, count)
    _one_way_note(found, single)
    sequence = divergence([pairs, single], blocks.duration, unit, seed)
    if "transition_sequence" in names:
        found.keep("transition_sequence", sequence, RESOLVED, HARUNARI)
    if waits is None:
        return
    if "transition_based" in names:
        timed = words(*binned(code, back, waits), blocks.number, count)
        whole = divergence([timed, single], blocks.duration, unit, seed)
        times = divergence([timed, _scaled(pairs, -1.0)], blocks.duration, unit, seed)
        found.keep("transition_based", whole, RESOLVED, HARUNARI, sequence=sequence, times=times)
    if "current_uncertainty" in names:
        low = np.minimum(np.arange(kinds), bar)
        chord = np.where(bar == np.arange(kinds), -1, np.unique(low, return_inverse=True)[1])
        sign = np.where(np.arange(kinds) == low, 1.0, -1.0)
        moments = np.cumsum(waits)
        _sampled_uncertainty(
            found, chord[after], sign[after], int(chord.max()) + 1, moments, float(moments[-1]), RESOLVED, seed
        )


def _pair_words(seen: Record, blocks: Blocks) -> Words:
    kinds = len(seen.partner)
    before, after = seen.symbols[:-1], seen.symbols[1:]
    return words(before * kinds + after, after * kinds + before, blocks.number[1:], len(blocks.duration))


def _word_codes(symbols: Index, kinds: int, length: int) -> tuple[Index, Index]:
    code, back = np.zeros(len(symbols) - length + 1, np.int64), np.zeros(len(symbols) - length + 1, np.int64)
    for k in range(length):
        here = symbols[k : len(symbols) - length + 1 + k]
        code += here * kinds ** (length - 1 - k)
        back += here * kinds**k
    return code, back


def _scaled(part: Words, factor: float) -> Words:
    return Words(part.there, part.back, part.sign * factor)


def _one_way_note(found: Collected, part: Words) -> None:
    there, back = part.there.sum(axis=0), part.back.sum(axis=0)
    alone = np.flatnonzero(np.minimum(there, back) == 0)
    if alone.size:
        most = int((there + back)[alone].max())
        found.notes.append(
            f"{alone.size} jump(s) never seen in reverse, one of them {most} times: without a reverse the entropy "
            "production is infinite, and what is given is what data of this length can show"
        )


def _tick(times: Array) -> float:
    """The tick of the clock: the least distance of two different times where most of them are seen more than once, else
    zero."""
    different = np.unique(np.round(times / times.mean(), 9)) * times.mean()
    if 2 * len(different) > len(times):
        return 0.0
    return float(np.diff(different, prepend=0.0).min())


def _sampled_dwell(here: NDArray[np.bool_], times: Array, number: Index, unit: str, seed: int, tick: float) -> Estimate:
    """The bound of Skinner and Dunkel from the visits to one lump; zero, with an error, where theta is above 2.

    Times that are whole ticks of a clock have a theta that is wrong by tick / <t> (exponential ones show 2 - tick / <t>
    to first order); gamma by up to 4 times that, as its slope is at least that below 2. It joins the error.
    """
    blocks = int(number.max()) + 1
    visits, once, twice, whole = (
        np.bincount(number, values, minlength=blocks) for values in (here * 1.0, here * times, here * times**2, times)
    )

    def rates(weight: Array) -> Array:
        n, first, second, time = (weight @ values for values in (visits, once, twice, whole))
        theta = second * n / first**2
        cost = least_dissipation(np.maximum(theta, 1 + 1e-9)) + 4 * np.minimum(2 - theta, 0.0)
        return np.asarray(2 * cost * n / time)

    plain, drawn = resampled(rates, blocks, seed)
    error = float(drawn.std(ddof=1)) * np.sqrt(blocks / (blocks - 1))
    if tick:
        theta = twice.sum() * visits.sum() / once.sum() ** 2
        coarse = tick * visits.sum() / once.sum()
        wrong = least_dissipation(max(theta - coarse, 1 + 1e-9)) - least_dissipation(max(theta, 1 + 1e-9))
        error = float(np.hypot(error, 2 * float(wrong) * visits.sum() / whole.sum()))
    value = max(2 * plain - float(drawn.mean()), 0.0)
    return Estimate(value, float(error), blocks, unit, "dwell times, blocks redrawn, bias taken off")


def _sampled_uncertainty(
    found: Collected, chord: Index, sign: Array, count: int, moments: Array, end: float, assumptions: str, seed: int
) -> None:
    """2 J C^-1 J from currents in blocks of equal time, freed of its bias as Hotelling's T^2 is.

    chord (n,) is the current that each jump belongs to (-1: none) of ``count``, sign (n,) its direction, moments (n,)
    when it was. The relation holds for blocks of any length (Horowitz and Gingrich, 2017); 256 symbols in each, on
    average, leave little of the time that the currents remember, and many blocks make the covariance sharp.
    """
    blocks = int(np.clip(len(moments) // 256, 32, 2048))
    if count > blocks // 4:
        found.notes.append(f"current_uncertainty is left out: {count} currents are too many for {blocks} blocks")
        return
    span = end / blocks
    number = np.minimum((moments / span).astype(np.int64), blocks - 1)
    on = chord >= 0
    place = chord[on] * blocks + number[on]
    currents: Array = np.bincount(place, sign[on], minlength=count * blocks).reshape(count, blocks).astype(np.float64)
    if len(currents):  # combinations that hardly fluctuate are bounded: nothing but noise
        currents = independent(np.atleast_2d(np.cov(currents)), 1e-2).T @ currents
    d = len(currents)
    assumptions = f"{assumptions}; continuous time"
    if d == 0:
        zero = Estimate(0.0, 0.0, blocks, found.unit, "no current")
        found.keep("current_uncertainty", zero, assumptions, BARATO)
        return
    products = np.einsum("cb,db->bcd", currents, currents)

    def precision(weight: Array) -> Array:
        mean = weight @ currents.T / blocks
        spread = np.einsum("mb,bcd->mcd", weight, products) / blocks - mean[:, :, None] * mean[:, None, :]
        solved = np.linalg.solve(spread * blocks / (blocks - 1), mean[:, :, None])[:, :, 0]
        return np.asarray((blocks - d - 2) / (blocks - 1) * np.sum(mean * solved, axis=1) - d / blocks)

    value, drawn = resampled(precision, blocks, seed)
    error = float(drawn.std(ddof=1)) * np.sqrt(blocks / (blocks - 1))
    estimate = Estimate(2 * value / span, float(2 * error / span), blocks, found.unit, "currents, blocks redrawn")
    found.keep("current_uncertainty", estimate, assumptions, BARATO)
