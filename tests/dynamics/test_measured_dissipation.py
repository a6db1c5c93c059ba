"""Bounds from trajectories: against their exact values, in equilibrium, and what data cannot give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.dynamics import (
    Jumps,
    Milestones,
    Record,
    ResolvedTransitions,
    StateLumps,
    dwell_time_bound,
    edge_flows,
    hidden_dissipation,
    record,
    ring,
    simulate_chain,
    simulate_jumps,
)
from kadanoff.dynamics.sampled_divergence import binned, cut, divergence, words
from kadanoff.dynamics.studies.hidden_cycle import HARUNARI, driven_chain, null_test
from kadanoff.maps import Map

EDGES = ResolvedTransitions(((0, 1), (2, 3)))
LUMPS = StateLumps(Map.groups([0, 1, 2, 2]))
LUMPS_OF_TWO = StateLumps(Map.groups([0, 1]))


# --- what an observer writes down ---------------------------------------------------

PATH = Jumps(np.array([0, 1, 2, 3, 2, 0, 2], np.int32), np.array([1.0, 2.0, 0.5, 0.25, 4.0, 8.0, 16.0]))


def test_a_record_of_lumps():
    seen = record(PATH, LUMPS)
    assert seen.symbols.tolist() == [0, 1, 2, 0, 2]
    assert seen.times.tolist() == [1.0, 2.0, 4.75, 8.0, 16.0]
    steps = record(np.array([0, 0, 2, 3, 1]), LUMPS)
    assert steps.symbols.tolist() == [0, 0, 2, 2, 1]
    assert steps.times is None


def test_a_record_of_transitions():
    path = Jumps(np.array([0, 1, 2, 3, 2, 0, 1, 0], np.int32), np.array([1.0, 2.0, 0.5, 0.25, 4.0, 8.0, 16.0, 1.0]))
    seen = record(path, EDGES)
    assert EDGES.directed == [(0, 1), (1, 0), (2, 3), (3, 2)]
    assert seen.symbols.tolist() == [0, 2, 3, 0, 1]
    assert seen.partner.tolist() == [1, 0, 3, 2]
    assert seen.times.tolist() == [1.0, 2.5, 0.25, 12.0, 16.0]
    with pytest.raises(ValueError, match="symbol 1 never occurs"):
        record(PATH, EDGES)


def test_a_record_of_milestones():
    seen = record(PATH, Milestones((0, 3)))
    assert seen.symbols.tolist() == [0, 1, 0]
    assert seen.times.tolist() == [3.5, 4.25, 24.0]


# --- against exact values ------------------------------------------------------------


@pytest.mark.parametrize("observer", [EDGES, LUMPS, Milestones((0, 1, 2))])
def test_every_bound_comes_near_its_exact_value(observer):
    """Within 4.5 standard errors of what endless data would give, parts and estimates that are no bounds included."""
    path = simulate_jumps(HARUNARI, jumps=400_000, seed=2)
    exact, found = hidden_dissipation(HARUNARI, observer, longest=4), hidden_dissipation(path, observer, longest=4)
    assert found.total is None
    assert set(found.bounds) == set(exact.bounds)
    for name, bound in found.bounds.items():
        pairs = [(bound.estimate, exact[name].value)]
        pairs += [(part, exact.bounds[name].parts[key].value) for key, part in bound.parts.items()]
        for estimate, value in pairs:
            assert abs(estimate.value - value) < 4.5 * estimate.error + 1e-12, name
    assert all(loss.holds for loss in found.ledger())


def test_a_driven_chain_is_found():
    """The driven 3-cycle of 0.12477 a step, 2e5 steps: the interval holds that value and excludes zero."""
    states = simulate_chain(driven_chain(), 200_000, seed=3)
    found = hidden_dissipation(states, StateLumps(Map.groups([0, 1, 2])), longest=3)
    low, high = found["apparent"].interval()
    assert 0 < low < 0.12477 < high
    assert found["apparent"].unit == "nat/step"
    assert "waiting_times" not in found.bounds


def test_the_dwell_bound_of_the_hidden_cycle():
    path = simulate_jumps(ring(3, 4, 1), jumps=300_000, seed=4)
    found = hidden_dissipation(path, StateLumps(Map.groups([0, 1, 1])))
    exact = hidden_dissipation(ring(3, 4, 1), StateLumps(Map.groups([0, 1, 1])))["dwell_bound.1"].value
    assert abs(found["dwell_bound.1"].value - exact) < 4 * found["dwell_bound.1"].error
    assert found["dwell_bound.1"].interval()[0] > 0
    assert found.best.name == "dwell_bound.1"
    assert abs(found["apparent"].value) < 1e-5


def test_the_bias_of_counts_is_taken_off():
    """Independent Poisson counts, reverses alike: 2 a pair is what the plain sum shows, and what is taken off."""
    random = np.random.default_rng(5)
    plain, mended, errors = [], [], []
    for _ in range(60):
        code = random.integers(0, 40, 4000)
        one = words(code, code ^ 1, np.arange(4000) // 40, 100)
        n, m = one.there.sum(axis=0), one.back.sum(axis=0)
        plain.append(np.sum((n - m) * np.log((n + 0.5) / (m + 0.5))))
        estimate = divergence([one], np.full(100, 0.01), "nat", 0)
        mended.append(estimate.value)
        errors.append(estimate.error)
    spread = math.sqrt(2 * 20 * 4)  # 20 pairs, each 2 chi^2 of one degree
    assert np.mean(plain) == pytest.approx(40, abs=5 * spread / math.sqrt(60))
    assert np.mean(mended) == pytest.approx(0, abs=5 * spread / math.sqrt(60))
    assert np.mean(errors) / spread == pytest.approx(1.0, abs=5 * math.sqrt(0.5 / 60))


def test_equilibrium_gives_intervals_with_zero():
    """A few reversible chains; the slow suite takes 200."""
    found = null_test(12, 6000, 3)
    assert min(found.contains_zero.values()) >= 10 / 12


def test_bins_split_evenly_and_know_their_reverse():
    random = np.random.default_rng(6)
    code, times = random.integers(0, 2, 20_000), random.exponential(size=20_000)
    word, back = binned(code, 1 - code, times)
    table = {int(w): int(b) for w, b in zip(word, back, strict=True)}
    assert all(table[b] == w for w, b in table.items() if b in table)
    counts = np.bincount(np.minimum(word, back))
    assert np.ptp(counts[counts > 0]) <= 2
    alike, same = binned(np.zeros(50, int), np.zeros(50, int), times[:50])
    assert np.array_equal(alike, same)


def test_transitions_without_times_give_their_order():
    """Per resolved jump: the order alone, the rate of jumps left out."""
    path = simulate_jumps(HARUNARI, jumps=200_000, seed=9)
    seen = record(path, EDGES)
    found = hidden_dissipation(Record(seen.symbols, seen.partner), EDGES)
    timed = hidden_dissipation(seen, EDGES, bounds=["transition_sequence"])["transition_sequence"].value
    assert set(found.bounds) == {"transition_sequence"}
    rate = (len(seen) - 1) / seen.times[1:].sum()
    assert found["transition_sequence"].value * rate == pytest.approx(timed, rel=0.02)


def test_many_lumps_of_data():
    """Words of many lumps stay within memory; what is too much is left out by name."""
    path = simulate_jumps(np.ones((40, 40)) - np.eye(40), jumps=60_000, seed=10)
    found = hidden_dissipation(path, StateLumps(Map.groups(np.arange(40))), bounds=["apparent", "current_uncertainty"])
    low, high = found["apparent"].interval()
    assert low <= 0 <= high
    assert any("currents are too many" in note for note in found.notes)


def test_the_seed_settles_everything():
    path = simulate_jumps(HARUNARI, jumps=20_000, seed=7)
    one, two = (hidden_dissipation(path, EDGES, seed=1) for _ in range(2))
    assert {k: b.estimate for k, b in one.bounds.items()} == {k: b.estimate for k, b in two.bounds.items()}


# --- what cannot be had ---------------------------------------------------------------


def test_a_jump_without_reverse_is_noted():
    symbols = np.tile([0, 1, 2], 3000)
    found = hidden_dissipation(symbols, StateLumps(Map.groups([0, 1, 2])))
    assert any("never seen in reverse" in note for note in found.notes)
    assert found["apparent"].value > 1


def test_a_word_whose_reverse_was_never_seen_has_an_error_of_its_own():
    """Every block holds ten of the word: redrawing them shows no scatter, but a mean of 3.69 for its reverse has still
    2.5 % of chance to show none: 1.96 errors reach down to n ln(n / 3.69)."""
    blocks = 100
    seen = words(np.zeros(1000, int), np.ones(1000, int), np.arange(1000) // 10, blocks)
    found = divergence([seen], np.ones(blocks), "nat/time")
    lowest = 1000 * math.log(1000.5 / 3.69) / blocks
    assert found.value - 1.96 * found.error == pytest.approx(lowest, abs=0.025)  # 1.5 nats of bias, 1.02 rounded
    both = np.arange(1000) % 2
    assert divergence([words(both, 1 - both, np.arange(1000) // 10, blocks)], np.ones(blocks), "nat/time").error == 0


@pytest.mark.parametrize("seed", [7, 15])
def test_few_counts_of_a_reverse_do_not_pass_the_total(seed):
    """Runs of 10,000 jumps in which a resolved jump twice in a row, 3 times on average, was never seen reversed."""
    rates = [[0, 1.709, 4.989, 20.012], [0.585, 0, 10.471, 0], [0.76, 0.529, 0, 0.547], [0.034, 0, 1.512, 0]]
    total = hidden_dissipation(rates, EDGES).total.value
    found = hidden_dissipation(simulate_jumps(rates, jumps=10_000, seed=seed), EDGES)
    for name in ("transition_sequence", "transition_based"):
        assert found[name].interval()[0] < total, name


@pytest.mark.filterwarnings("error")
def test_a_rare_lump_costs_its_own_dwell_bound_alone():
    """State 3 is entered once in 4,000 jumps: no spread of its dwell times can be had, all else can."""
    rates = [[0, 2, 1, 0.002], [1, 0, 2, 0], [2, 1, 0, 0], [5, 0, 0, 0]]
    path = simulate_jumps(rates, jumps=4000, seed=1)
    assert np.bincount(path.states)[3] == 1
    found = hidden_dissipation(path, StateLumps(Map.groups([0, 1, 2, 3])))
    assert [name for name in found.bounds if name.startswith("dwell")] == [f"dwell_bound.{k}" for k in range(3)]
    assert any("dwell_bound.3 is left out: lump 3 was visited in 1 of" in note for note in found.notes)


def test_a_coarse_clock_is_no_dissipation():
    """Exponential times rounded up to ticks of h have <t^2> / <t>^2 = 1 + exp(-h), which looks like a clockwork's."""
    symbols, free = np.arange(40_000) % 2, np.random.default_rng(1).exponential(size=40_000)
    for tick, kept in ((0.03, True), (0.2, False), (30.0, False)):
        times = np.ceil(free / tick) * tick
        found = hidden_dissipation(Record(symbols, np.arange(2), times), LUMPS_OF_TWO)
        assert ("dwell_bound.0" in found.bounds) is kept
        if kept:
            theta = 1 + math.exp(-tick)
            wrong = dwell_time_bound(1.0, 1.0, theta)
            assert wrong / 2 < found["dwell_bound.0"].error < 2 * wrong
            assert found["dwell_bound.0"].interval()[0] <= 0
        else:
            assert any("a clock so coarse" in note for note in found.notes)
    even = np.where(symbols == 0, 1.0, free)
    assert "dwell_bound.0" not in hidden_dissipation(Record(symbols, np.arange(2), even), LUMPS_OF_TWO).bounds


def test_a_series_short_beside_its_slowest_time():
    states = np.repeat(np.arange(8) % 2, np.random.default_rng(1).integers(2000, 8000, 8))
    with pytest.raises(ValueError, match="too short beside its slowest time scale"):
        hidden_dissipation(states, StateLumps(Map.groups([0, 1])))
    with pytest.raises(ValueError, match="too short"):
        hidden_dissipation(np.array([0, 1, 0, 1]), StateLumps(Map.groups([0, 1])))


def test_blocks_grow_until_they_forget():
    random = np.random.default_rng(8)
    fast = cut(random.integers(0, 2, 50_000), None)
    flips = np.cumsum(random.random(50_000) < 0.004) % 2
    slow = cut(flips, None)
    assert len(fast.duration) == 128
    assert 16 <= len(slow.duration) <= 128
    assert fast.duration.sum() == 50_000


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Record(np.array([0, 2, 0]), np.arange(3)), "symbol 1 never occurs"),
        (lambda: Record(np.array([0, 1]), np.arange(2), np.array([1.0, -1.0])), "times: -1 at 1"),
        (lambda: Record(np.array([0, 1]), np.arange(2), np.array([np.nan, 1.0])), "times: nan at 0"),
        (lambda: Record(np.array([0, 1]), np.arange(2), np.array([1.0])), "one for each of the 2"),
        (lambda: Record(np.array([0, 5]), np.arange(2)), "5 at 1"),
        (lambda: Record(np.array([0.0, 1.0]), np.arange(2)), "expected integers"),
        (lambda: Record(np.array([0, 1, 2]), np.array([1, 2, 0])), "turns into one other"),
        (lambda: record(np.array([0, 1, 9]), LUMPS), "9 at 2, but the map knows 4"),
        (lambda: record(np.array([0, 1, 0]), EDGES), "needs the jumps and their times"),
        (lambda: record(PATH, ResolvedTransitions(((1, 3),))), "only 0 resolved transitions"),
        (lambda: hidden_dissipation(np.array([0, 1, 0]), LUMPS, discrete=True), "discrete is of models"),
        (lambda: record(PATH, StateLumps(Map.groups([0, 1, 2, 3, 4]))), "symbol 4 never occurs"),
        (
            lambda: hidden_dissipation(Record(np.array([0, 1, 1]), np.arange(2), np.ones(3)), LUMPS),
            "the symbol at 2 is that before it",
        ),
    ],
)
def test_bad_data(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- slow: calibration ------------------------------------------------------------------


@pytest.mark.slow
def test_two_hundred_reversible_chains():
    """At least 93 % of 200 chains in equilibrium give an interval that contains zero, for every bound."""
    found = null_test(200, 20_000, 0)
    assert min(found.contains_zero.values()) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("observer", [EDGES, LUMPS])
def test_coverage(observer):
    """60 trajectories of 100,000 jumps: the intervals cover the exact values in 95 %, to 4 binomial errors, and the
    mean over trajectories is right within 4 of its errors (bounds held at zero, dwell times, only cover)."""
    exact = hidden_dissipation(HARUNARI, observer, longest=3)
    repeats = 60
    inside: dict[str, list[bool]] = {}
    away: dict[str, list[float]] = {}
    for k in range(repeats):
        path = simulate_jumps(HARUNARI, jumps=100_000, seed=100 + k)
        for name, bound in hidden_dissipation(path, observer, longest=3).bounds.items():
            low, high = bound.estimate.interval()
            inside.setdefault(name, []).append(low <= exact[name].value <= high)
            away.setdefault(name, []).append(bound.estimate.value - exact[name].value)
    for name, hits in inside.items():
        assert np.mean(hits) >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / repeats), name
        if not name.startswith("dwell_bound"):
            assert abs(np.mean(away[name])) < 4 * np.std(away[name]) / math.sqrt(repeats), name


@pytest.mark.slow
def test_the_error_falls_like_the_square_root():
    """Rms deviation of sigma_l over 40 trajectories of 20,000 and of 320,000 jumps: a factor of 4, within 4 errors."""
    exact = hidden_dissipation(HARUNARI, EDGES, bounds=["transition_sequence"])["transition_sequence"].value
    rms = []
    for jumps in (20_000, 320_000):
        away = [
            hidden_dissipation(
                simulate_jumps(HARUNARI, jumps=jumps, seed=500 + k), EDGES, bounds=["transition_sequence"]
            )["transition_sequence"].value
            - exact
            for k in range(40)
        ]
        rms.append(math.sqrt(np.mean(np.square(away))))
    assert math.log(rms[0] / rms[1]) == pytest.approx(math.log(4), abs=4 * math.sqrt(2 / 80))


@pytest.mark.slow
def test_five_million_jumps():
    path = simulate_jumps(HARUNARI, jumps=5_000_000, seed=1)
    assert path.time == pytest.approx(5_000_000 / edge_flows(HARUNARI).sum(), rel=0.005)
    parts = hidden_dissipation(path, EDGES).bounds["transition_based"].parts
    for name, exact in (("sequence", 0.5290872826), ("times", 0.0169745833)):
        assert abs(parts[name].value - exact) < 4 * parts[name].error
    assert parts["times"].error < 0.06 * parts["times"].value  # where the published estimate is 15 % low
