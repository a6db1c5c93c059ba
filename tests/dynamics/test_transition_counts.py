"""Counts and estimates from trajectories: exact twins, error bars, reversibility, time scales."""

import math

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.implied_time_scales import chapman_kolmogorov, implied_time_scales
from kadanoff.dynamics.jumps import simulate_chain
from kadanoff.dynamics.markov import (
    spectrum,
    stationary_state,
)
from kadanoff.dynamics.time_reversal import reversibility_test
from kadanoff.dynamics.transition_counts import (
    MarkovWarning,
    count_transitions,
    jackknife_counts,
    markov_model,
    reversible_estimate,
)
from kadanoff.maps import Map
from kadanoff.parallel import executor

CYCLE = np.array([[0.46, 0.36, 0.18], [0.18, 0.46, 0.36], [0.36, 0.18, 0.46]])
TOTAL = 0.18 * math.log(2)  # 0.12477 nats a step
BALANCED = np.array([[0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.2, 0.2, 0.6]])


def plain_counts(trajectories, lag, stride, states):
    table = np.zeros((states, states), dtype=int)
    skipped = 0
    for x in trajectories:
        for t in range(0, len(x) - lag, stride):
            if x[t] < 0 or x[t + lag] < 0:
                skipped += 1
            else:
                table[x[t], x[t + lag]] += 1
    return table, skipped


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(-1, 3), min_size=1, max_size=60), min_size=1, max_size=4),
    st.integers(1, 5),
    st.booleans(),
    st.integers(1, 6),
)
def test_counts_equal_their_plain_twin(frames, lag, sliding, blocks):
    """Any number of trajectories, gaps, lag and blocks."""
    data = [np.array(x, dtype=np.int32) for x in frames]
    table, skipped = plain_counts(data, lag, 1 if sliding else lag, 4)
    if table.sum() == 0:
        with pytest.raises(ValueError, match=r"lag|so there is no state"):
            count_transitions(data, lag, states=4, sliding=sliding, blocks=blocks)
        return
    found = count_transitions(data, lag, states=4, sliding=sliding, blocks=blocks)
    assert found.matrix.tolist() == table.tolist()
    assert sum(found.blocks).tolist() == table.tolist()
    assert found.skipped == skipped
    assert found.pairs == table.sum() + skipped


def test_long_blocks_are_counted_by_twos_gaps_and_all():
    """Blocks of 10,000 pairs: three frames in a row where all have a state, pairs around a gap and at the end."""
    x = np.random.default_rng(4).integers(0, 5, 20_003).astype(np.int32)
    x[[0, 4096, 13_001]] = -1
    found = count_transitions(x, 1, states=5, blocks=2)
    table, skipped = plain_counts([x], 1, 1, 5)
    assert found.matrix.tolist() == table.tolist()
    assert found.blocks[0].tolist() == plain_counts([x[:10_002]], 1, 1, 5)[0].tolist()
    assert found.skipped == skipped
    x[15_000] = 5
    with pytest.raises(ValueError, match="trajectory 0, frame 15000: state 5"):
        count_transitions(x, 1, states=5, blocks=2)


@pytest.mark.parametrize("dtype", [np.int8, np.int64])
def test_integer_types_and_workers_change_nothing(dtype):
    x = simulate_chain(CYCLE, 5000, seed=1)
    plain = count_transitions(x, 3)
    with executor(2) as pool:
        other = count_transitions([x.astype(dtype)], 3, states=3, executor=pool)
    assert plain.matrix.tolist() == other.matrix.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(plain.blocks, other.blocks, strict=True))


def test_many_states_are_counted_sparsely():
    x = np.random.default_rng(0).integers(0, 1100, 20_000)
    x[::100] = -1
    found = count_transitions([x[:7000], x[7000:]], 2, states=1100, blocks=5)
    table, skipped = plain_counts([x[:7000], x[7000:]], 2, 1, 1100)
    assert scipy.sparse.issparse(found.matrix)
    assert np.array_equal(found.matrix.toarray(), table)
    assert found.skipped == skipped
    with pytest.raises(ValueError, match="trajectory 0, frame 3: state 1100"):
        count_transitions(np.array([0, 1, 2, 1100, 1]), 1, states=1100)


@pytest.mark.parametrize(
    ("frames", "options", "words"),
    [
        ([0, 1, 0], {"lag": 3}, "lag: 3 frames are beyond the data"),
        ([0, 1, 0], {"lag": 0}, "lag"),
        ([0, 1, 5], {"states": 3}, "trajectory 0, frame 2: state 5"),
        ([0, -2, 1], {"states": 3}, "frame 1: state -2"),
        ([0.0, 1.0], {}, "integers"),
        ([], {}, "none given|shape"),
        ([-1, -1], {}, "no state"),
    ],
)
def test_bad_trajectories(frames, options, words):
    with pytest.raises(ValueError, match=words):
        count_transitions(np.array(frames) if frames else [], **options)


def test_estimate_and_both_error_bars():
    counts = count_transitions(simulate_chain(CYCLE, 100_000, seed=2))
    model = markov_model(counts)
    blocks, multinomial = model.errors(), model.errors("multinomial")
    assert np.abs(model.transition - CYCLE).max() < 5 * multinomial.max()
    assert blocks == pytest.approx(multinomial, rel=0.6)  # 31 degrees of freedom: 13 %, 4.6 sigma
    with pytest.raises(ValueError, match="overlap"):
        markov_model(count_transitions(simulate_chain(CYCLE, 1000, seed=2), 2)).errors("multinomial")


def test_errors_fall_as_the_root_of_the_data():
    x = simulate_chain(CYCLE, 160_000, seed=3)
    errors = [markov_model(count_transitions(x[: n * 10_000])).errors().mean() for n in (1, 16)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.35)


def test_overlapping_pairs_do_not_fool_the_blocks():
    """At lag 20 sliding counts are 20 times as many as there is information; the block errors see it."""
    slow = np.array([[0.98, 0.02], [0.03, 0.97]])
    counts = count_transitions(simulate_chain(slow, 200_000, seed=4), 20)
    model = markov_model(counts)
    naive = np.sqrt(model.transition * (1 - model.transition) / counts.matrix.sum(axis=1)[:, None])
    assert np.all(model.errors() > 2 * naive)
    assert np.abs(model.transition - np.linalg.matrix_power(slow, 20)).max() < 5 * model.errors().max()


@pytest.mark.slow
def test_coverage_of_the_block_errors():
    """|T - exact| over its error in 200 runs: variance about one, for sliding pairs at lag 5."""
    exact = np.linalg.matrix_power(CYCLE, 5)
    scores = []
    for seed in range(200):
        model = markov_model(count_transitions(simulate_chain(CYCLE, 20_000, seed=seed), 5))
        scores.append(((model.transition - exact) / model.errors())[0, 1])
    assert np.mean(np.abs(scores) < 2.04) == pytest.approx(0.95, abs=5 * math.sqrt(0.95 * 0.05 / 200))


def test_excluded_states_are_named():
    x = np.array([3, 3] + [0, 1, 2, 1] * 50 + [0])
    with pytest.warns(MarkovWarning, match=r"1 of 4 states .*\(3\)"):
        model = markov_model(count_transitions(x))
    assert model.states.tolist() == [0, 1, 2]
    assert model.excluded.tolist() == [3]
    assert model.excluded_share == pytest.approx(2 / 202)
    with pytest.raises(ValueError, match="ever returned"):
        markov_model(count_transitions(np.arange(6)))


@pytest.mark.parametrize("wrap", [np.array, scipy.sparse.csr_array])
def test_reversible_estimate_is_the_fixed_point(wrap):
    """The self-consistent iteration of Bowman et al. (2009) ends where Newton's method does."""
    counts = np.random.default_rng(5).integers(0, 40, (6, 6)) + 1
    transition, p = reversible_estimate(wrap(counts))
    dense = transition.toarray() if scipy.sparse.issparse(transition) else transition
    both, leaving = counts + counts.T, counts.sum(axis=1)
    x = both.astype(float)
    for _ in range(5000):
        row = x.sum(axis=1)
        x = both / (leaving[:, None] / row[:, None] + leaving[None, :] / row[None, :])
    assert dense == pytest.approx(x / x.sum(axis=1, keepdims=True), rel=1e-9)
    assert p[:, None] * dense == pytest.approx((p[:, None] * dense).T, abs=1e-15)
    assert p == pytest.approx(stationary_state(dense), rel=1e-9)


def test_symmetric_counts_are_already_reversible():
    counts = np.array([[5, 3, 0], [3, 9, 2], [0, 2, 4]])
    assert reversible_estimate(counts)[0] == pytest.approx(counts / counts.sum(axis=1, keepdims=True), rel=1e-10)
    with pytest.raises(ValueError, match="strongly connected"):
        reversible_estimate([[1, 1], [0, 1]])


def test_the_driven_cycle_is_not_reversible():
    """Total 0.12477 nats a step from 2e5 steps, where a model that forces reversibility has none."""
    counts = count_transitions(simulate_chain(CYCLE, 200_000, seed=6))
    test = reversibility_test(counts)
    assert test.p_value < 0.001
    assert not test.reversible
    assert test.cycles == 1
    assert test.strongest in ((0, 1), (1, 2), (2, 0))
    assert test.entropy_production.value == pytest.approx(TOTAL, abs=4 * test.entropy_production.error)
    assert test.entropy_production.interval()[0] > 0.1
    with pytest.warns(MarkovWarning, match="not reversible"):
        forced = markov_model(counts, reversible=True)
    flow = forced.stationary[:, None] * forced.transition
    assert np.abs(flow - flow.T).max() < 1e-12


def test_two_states_cannot_tell():
    test = reversibility_test(count_transitions(np.array([0, 1, 1, 0, 0, 1] * 100)))
    assert (test.p_value, test.cycles, test.strongest) == (1.0, 0, None)


def test_reversible_data_are_not_rejected():
    """Negative control: p is uniform, so 5 % of 100 runs fall below 0.05; the production contains zero."""
    found = [
        reversibility_test(count_transitions(simulate_chain(BALANCED, 4000, seed=s)), resamples=399) for s in range(100)
    ]
    p = np.array([one.p_value for one in found])
    assert np.mean(p < 0.05) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 100)
    assert abs(p.mean() - 0.5) < 5 / math.sqrt(12 * 100)
    inside = [one.entropy_production.interval()[0] <= 0 <= one.entropy_production.interval()[1] for one in found]
    assert np.mean(inside) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("lag", [1, 4])
def test_reversible_lumped_data_are_not_rejected_either(lag):
    """A reversible chain of 8 states seen as 3: not Markovian, overlapping pairs, and still p is uniform."""
    rng = np.random.default_rng(7)
    flow = rng.random((8, 8)) ** 4
    flow += flow.T
    chain = flow / flow.sum(axis=1, keepdims=True)
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 0])
    p = [
        reversibility_test(count_transitions(labels[simulate_chain(chain, 20_000, seed=s)], lag), resamples=799).p_value
        for s in range(300)
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / 300))


def test_implied_times_of_a_markov_chain_do_not_depend_on_the_lag():
    chain = np.array([[0.95, 0.05, 0], [0.02, 0.96, 0.02], [0, 0.04, 0.96]])
    found = implied_time_scales(simulate_chain(chain, 100_000, seed=8), [1, 4, 8], 2)
    assert np.all(np.abs(found.times - spectrum(chain).times) < 5 * found.errors)
    assert np.all(found.errors > 0)
    assert np.all(np.isinf(found.periods))
    with pytest.warns(MarkovWarning, match="too short"):
        implied_time_scales(simulate_chain(chain, 1000, seed=8), [1], 1, blocks=16)


def test_chapman_kolmogorov_tells_markov_from_lumped():
    slow = np.array([[0.9, 0.1, 0, 0], [0.1, 0.8, 0.1, 0], [0, 0.1, 0.8, 0.1], [0, 0, 0.1, 0.9]])
    x = simulate_chain(slow, 60_000, seed=9)
    assert chapman_kolmogorov(x, 1).p_value > 0.01
    assert chapman_kolmogorov(np.array([0, 0, 1, 1])[x], 1).p_value < 1e-4
    by_map = chapman_kolmogorov(x, 1, lumps=Map.groups([0, 0, 1, 1]))
    assert by_map.p_value > 0.01  # the fine model predicts the lumps
    assert by_map.predicted.shape == (4, 2, 2)


def test_the_jackknife_names_the_block():
    counts = count_transitions(np.array([0] * 100 + [1] + [0] * 100), blocks=5)
    with pytest.raises(ValueError, match="without block"):
        jackknife_counts(counts, lambda c: c[1, 0] / c[1].sum() if c[1].sum() else np.nan)
    with pytest.raises(ValueError, match="at least 4 blocks"):
        jackknife_counts(count_transitions(np.array([0, 1, 0, 1]), blocks=2), np.sum)
