"""Trajectories of jumps: against a plain twin, the stationary state, and what must be refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse

from kadanoff.dynamics import Jumps, check_rates, edge_flows, ring, simulate_chain, simulate_jumps, stationary
from kadanoff.dynamics._kernels.jumps import alias_tables
from kadanoff.dynamics.jumps import _STREAM
from kadanoff.dynamics.studies.hidden_cycle import HARUNARI, driven_chain
from kadanoff.random import uniform


def twin(rates, jumps, seed, start):
    """The direct method with plain Python and the same random numbers, its alias tables read as probabilities."""
    n = len(rates)
    targets = [[j for j in range(n) if rates[i][j] > 0] for i in range(n)]
    offset = np.concatenate([[0], np.cumsum([len(row) for row in targets])])
    flat = np.array([j for row in targets for j in row], np.int32)
    keep, other = alias_tables(offset, flat, np.array([rates[i][j] for i in range(n) for j in targets[i]]))
    state, states, dwells = start, [], []
    for k in range(jumps):
        wait, choice = uniform(seed, _STREAM, k, 0)
        states.append(state)
        dwells.append(-math.log(wait) / sum(rates[state]))
        place = choice * len(targets[state])
        row = offset[state] + int(place)
        state = int(flat[row] if place - int(place) < keep[row] else other[row])
    return np.array(states), np.array(dwells)


@pytest.mark.parametrize("states", [2, 5, 9])
def test_alias_tables_hold_the_rates(states):
    """What the tables give adds up to the rates: P(j) = (keep_j + what other entries lend to j) / entries."""
    rates = np.exp(np.random.default_rng(states).normal(0, 2, (states, states)))
    np.fill_diagonal(rates, 0)
    table = scipy.sparse.csr_array(rates)
    keep, other = alias_tables(table.indptr.astype(np.int64), table.indices.astype(np.int32), table.data)
    for i in range(states):
        row = slice(table.indptr[i], table.indptr[i + 1])
        given = np.zeros(states)
        np.add.at(given, table.indices[row], keep[row])
        np.add.at(given, other[row], 1 - keep[row])
        assert given / (states - 1) == pytest.approx(rates[i] / rates[i].sum(), abs=1e-14)


def test_the_kernel_equals_its_twin():
    path = simulate_jumps(HARUNARI, jumps=500, seed=3, start=2)
    states, dwells = twin(HARUNARI.tolist(), 500, 3, 2)
    assert np.array_equal(path.states, states)
    assert path.dwells == pytest.approx(dwells, rel=1e-14)


def test_a_longer_trajectory_begins_with_the_shorter_one():
    short, long = (simulate_jumps(HARUNARI, jumps=n, seed=4) for n in (100, 300))
    assert np.array_equal(short.states, long.states[:100])
    assert np.array_equal(short.dwells, long.dwells[:100])


def test_a_time_cuts_the_last_visit():
    whole = simulate_jumps(HARUNARI, jumps=2000, seed=5)
    part = simulate_jumps(HARUNARI, time=20.0, seed=5)
    assert part.time == pytest.approx(20.0)
    assert np.array_equal(part.states, whole.states[: len(part)])
    assert np.array_equal(part.dwells[:-1], whole.dwells[: len(part) - 1])
    assert part.dwells[-1] <= whole.dwells[len(part) - 1]


def test_sparse_rates_and_generators_are_as_good():
    dense = simulate_jumps(HARUNARI, jumps=200, seed=6, start=0)
    generator = HARUNARI - np.diag(HARUNARI.sum(axis=1))
    for same in (scipy.sparse.csr_array(HARUNARI), scipy.sparse.coo_array(generator), generator):
        other = simulate_jumps(same, jumps=200, seed=6, start=0)
        assert np.array_equal(dense.states, other.states)
        assert np.array_equal(dense.dwells, other.dwells)


def test_statistics_of_a_trajectory():
    """Shares of time, mean dwell times and flows are those of the stationary state, within 5 standard errors."""
    path = simulate_jumps(HARUNARI, jumps=400_000, seed=7)
    p, flows = stationary(HARUNARI), edge_flows(HARUNARI)
    for i in range(4):
        here = path.dwells[path.states == i]
        assert here.mean() * HARUNARI[i].sum() == pytest.approx(1, abs=5 / math.sqrt(len(here)))
        assert here.sum() / path.time == pytest.approx(p[i], abs=5 * 2 / math.sqrt(len(path)))
    counts = np.zeros((4, 4))
    np.add.at(counts, (path.states[:-1], path.states[1:]), 1)
    expected = flows * path.time
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 1)


def test_a_chain():
    states = simulate_chain(driven_chain(), 200_000, seed=8)
    counts = np.zeros((3, 3))
    np.add.at(counts, (states[:-1], states[1:]), 1)
    share = counts / counts.sum(axis=1, keepdims=True)
    assert np.all(np.abs(share - driven_chain()) < 5 * np.sqrt(driven_chain() / counts.sum(axis=1, keepdims=True)))
    assert np.array_equal(states[:50], simulate_chain(driven_chain(), 50, seed=8))


def test_the_chain_equals_its_twin():
    chain = driven_chain()
    table = scipy.sparse.csr_array(chain)
    keep, other = alias_tables(table.indptr.astype(np.int64), table.indices.astype(np.int32), table.data)
    state, states = 1, []
    for k in range(300):
        states.append(state)
        place = uniform(9, _STREAM, k, 0)[0] * 3
        row = 3 * state + int(place)
        state = int(table.indices[row] if place - int(place) < keep[row] else other[row])
    assert simulate_chain(chain, 300, seed=9, start=1).tolist() == states


def test_the_length_and_the_diagonal():
    path = Jumps(np.array([0, 1], np.int32), np.array([0.5, 1.5]))
    assert (len(path), path.time) == (2, 2.0)
    assert check_rates([[-1, 1], [2, -2]]).tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    ("rates", "named", "words"),
    [
        (HARUNARI, {}, "either the number of jumps or the time"),
        (HARUNARI, {"jumps": 10, "time": 1.0}, "either"),
        (HARUNARI, {"jumps": 0}, "must be positive"),
        (HARUNARI, {"time": math.nan}, "must be positive"),
        (HARUNARI, {"jumps": 5, "start": 4}, "no state 4 among 4"),
        ([[0, 1, 0], [1, 0, 1], [0, 0, 0]], {"jumps": 5}, "state 2 has no way out"),
        ([[0, -1], [1, 0]], {"jumps": 5}, r"-1 for the jump 0 -> 1"),
        (scipy.sparse.coo_array(np.array([[0, np.inf], [1, 0]])), {"jumps": 5}, r"inf for the jump 0 -> 1"),
        (scipy.sparse.coo_array(np.ones((2, 3))), {"jumps": 5}, "square"),
    ],
)
def test_what_cannot_be_simulated(rates, named, words):
    with pytest.raises(ValueError, match=words):
        simulate_jumps(rates, seed=1, **named)


def test_a_generator_is_as_good_as_its_rates_and_nothing_else_is():
    rates = ring(3, 2, 1)
    generator = rates - np.diag(rates.sum(axis=1))
    assert np.array_equal(check_rates(generator), rates)
    assert np.array_equal(stationary(generator), stationary(rates))
    generator[1, 1] = -2.9
    with pytest.raises(ValueError, match=r"row 1 is no row of a generator: its diagonal is -2\.9"):
        stationary(generator)
    with pytest.raises(ValueError, match="transition matrix"):
        edge_flows(np.full((3, 3), 1 / 3))


def test_bad_probabilities_and_chains():
    with pytest.raises(ValueError, match="expected \\(3,\\)"):
        edge_flows(ring(3, 2, 1), [0.5, 0.5])
    with pytest.raises(ValueError, match="cannot run 0 steps"):
        simulate_chain(driven_chain(), 0, seed=1)
    with pytest.raises(ValueError, match="state 1 is never entered"):
        stationary([[0, 0, 1], [1, 0, 1], [1, 0, 0]])
