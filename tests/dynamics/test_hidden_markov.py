"""Hidden Markov models: likelihoods by enumeration, fits with more hidden states than symbols, what cannot be told."""

import itertools

import numpy as np
import pytest

from kadanoff.dynamics._kernels.hidden_markov import SPAN, expectations, log_likelihood
from kadanoff.dynamics.hidden_markov import (
    HiddenMarkov,
    choose_hidden_states,
    fit_hidden_markov,
    hidden_markov_error,
    unidentified_directions,
)
from kadanoff.dynamics.jumps import simulate_chain
from kadanoff.dynamics.lumping import lump_chain
from kadanoff.dynamics.quasi_markov import lumped_propagators
from kadanoff.dynamics.transition_counts import MarkovWarning
from kadanoff.maps import Map

CYCLE = np.array([[0.88, 0.1, 0.02], [0.02, 0.88, 0.1], [0.1, 0.02, 0.88]])
SEEN = np.array([[1.0, 0], [0, 1.0], [0, 1.0]])
BLURRED = np.array([[0.9, 0.1], [0.3, 0.7], [0.05, 0.95]])


def plain_expectations(symbols, initial, a, b):
    """Forward and backward over the whole sequence, unscaled."""
    shown = (
        b[:, symbols].T if min(symbols) >= 0 else np.array([b[:, s] if s >= 0 else np.ones(len(a)) for s in symbols])
    )
    n, k = len(symbols), len(a)
    alpha, beta = np.empty((n, k)), np.ones((n, k))
    alpha[0] = initial * shown[0]
    for t in range(1, n):
        alpha[t] = (alpha[t - 1] @ a) * shown[t]
    for t in range(n - 2, -1, -1):
        beta[t] = a @ (shown[t + 1] * beta[t + 1])
    total = alpha[-1].sum()
    gamma = alpha * beta / total
    jumps = sum(alpha[t][:, None] * a * (shown[t + 1] * beta[t + 1])[None, :] for t in range(n - 1)) / total
    emitted = np.zeros((b.shape[1] + 1, k))
    for t, s in enumerate(symbols):
        emitted[s if s >= 0 else b.shape[1]] += gamma[t]
    return np.log(total), gamma[0], jumps, emitted


def rows(b: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.vstack([b.T, np.ones(len(b))]))


@pytest.mark.parametrize("symbols", [[0], [1, 0], [0, 1, 1, -1, 0, 1, 1, 1, -1, -1, 0]])
def test_the_kernel_equals_its_plain_twin(symbols):
    initial = np.array([0.5, 0.2, 0.3])
    first, jumps, shown = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))
    value = expectations(np.array(symbols, dtype=np.int32), initial, CYCLE, rows(BLURRED), first, jumps, shown)
    expected = plain_expectations(symbols, initial, CYCLE, BLURRED)
    assert value == pytest.approx(expected[0], abs=1e-12)
    assert value == pytest.approx(
        log_likelihood(np.array(symbols, dtype=np.int32), initial, CYCLE, rows(BLURRED)), abs=1e-12
    )
    assert first == pytest.approx(expected[1], abs=1e-12)
    assert jumps == pytest.approx(expected[2], abs=1e-12)
    assert shown == pytest.approx(expected[3], abs=1e-12)


def test_spans_join_without_a_seam():
    """Two sequences of 2 SPAN + 3 frames: expected counts add up to the frames, whatever lies in which span."""
    symbols = BLURRED[:, 0].take(simulate_chain(CYCLE, 2 * SPAN + 3, seed=0)) > 0.5
    first, jumps, shown = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))
    expectations(symbols.astype(np.int32), np.full(3, 1 / 3), CYCLE, rows(BLURRED), first, jumps, shown)
    assert first.sum() == pytest.approx(1)
    assert jumps.sum() == pytest.approx(2 * SPAN + 2)
    assert shown.sum() == pytest.approx(2 * SPAN + 3)
    assert jumps.sum(axis=0) + first == pytest.approx(shown.sum(axis=0))


def test_probabilities_of_all_words_sum_to_one():
    model = HiddenMarkov(CYCLE, BLURRED)
    values = [model.log_likelihood(np.array(word)) for word in itertools.product((0, 1), repeat=7)]
    assert np.exp(values).sum() == pytest.approx(1)


def test_propagators_of_a_lumped_chain():
    model = HiddenMarkov(CYCLE, SEEN)
    assert model.propagators(9) == pytest.approx(lumped_propagators(CYCLE, Map.groups([0, 1, 1]), 9), abs=1e-13)


def test_three_hidden_states_behind_two_symbols():
    """The cycle A -> B -> C -> A seen as two symbols: two directions cannot be told, the law of the symbols can."""
    seen = np.array([0, 1, 1])[simulate_chain(CYCLE, 40_000, seed=1)].astype(np.int8)
    with pytest.warns(MarkovWarning, match="2 of the 6 numbers"):
        fit = fit_hidden_markov(seen, 3, labels=[0, 1, 1], seed=0, restarts=4)
    truth = HiddenMarkov(CYCLE, SEEN)
    assert fit.unidentified == 2
    assert fit.parameters == 6
    assert fit.converged
    # twice the gain over the truth is chi-squared with 4 degrees of freedom: below 22 with probability 0.9998
    assert -0.05 < fit.log_likelihood - truth.log_likelihood(seen) < 11
    markov = lump_chain(CYCLE, Map.groups([0, 1, 1]))
    exact = truth.propagators(20)
    naive = np.array([np.linalg.matrix_power(markov, n) for n in range(21)])
    assert np.abs(fit.model.propagators(20) - exact).max() < np.abs(naive - exact).max()
    slow = hidden_markov_error(fit, seen, lambda m: float(m.propagators(4)[4, 0, 0]), blocks=4)
    assert slow.value == pytest.approx(exact[4, 0, 0], abs=5 * slow.error)


def test_the_number_of_hidden_states_is_chosen_on_unseen_data():
    seen = np.array([0, 1, 1])[simulate_chain(CYCLE, 30_000, seed=2)].astype(np.int8)
    two, three = choose_hidden_states(seen, (2, 3), seed=0, restarts=2)
    assert three.fit.bic < two.fit.bic
    assert three.held_out.value > 0
    assert two.held_out.value == 0


def test_markovian_symbols_need_no_hidden_states():
    """Negative control: BIC prefers as many hidden states as symbols."""
    seen = simulate_chain(np.array([[0.8, 0.2], [0.1, 0.9]]), 20_000, seed=3).astype(np.int8)
    two, three = choose_hidden_states(seen, (2, 3), seed=0, restarts=2)
    assert two.fit.bic < three.fit.bic
    assert three.held_out.value < 3 * three.held_out.error


def test_a_driven_hidden_chain_is_found_again():
    """Three symbols, blurred: everything is identified, and nothing makes the fit reversible."""
    emission = np.array([[0.9, 0.05, 0.05], [0.1, 0.85, 0.05], [0.05, 0.05, 0.9]])
    rng = np.random.default_rng(4)
    hidden = simulate_chain(CYCLE, 60_000, seed=4)
    seen = (rng.random(60_000)[:, None] > np.cumsum(emission, axis=1)[hidden]).sum(axis=1).astype(np.int8)
    assert unidentified_directions(HiddenMarkov(CYCLE, emission)) == 0
    fit = fit_hidden_markov([seen[:25_000], seen[25_000:]], 3, seed=1, restarts=4)
    order = fit.model.emission.argmax(axis=0)
    found = fit.model.transition[np.ix_(order, order)]
    assert np.abs(found - CYCLE).max() < 5 * np.sqrt(0.1 / 20_000)  # 20,000 visits a state, some blurring
    assert fit.unidentified == 0


def test_gaps_and_errors():
    seen = np.array([0, 1, 1])[simulate_chain(CYCLE, 3000, seed=5)].astype(np.int8)
    seen[::50] = -1
    assert np.isfinite(fit_hidden_markov(seen, 2, seed=0, restarts=1, iterations=20, quiet=True).log_likelihood)
    with pytest.raises(ValueError, match="frame 2: symbol 2"):
        fit_hidden_markov(np.array([0, 1, 2] * 100), 2, symbols=2, seed=0)
    with pytest.raises(ValueError, match="no hidden state shows symbol 1"):
        fit_hidden_markov(np.array([0, 1] * 100), 2, labels=[0, 0], seed=0)
    with pytest.raises(ValueError, match="too few"):
        fit_hidden_markov(np.array([0, 1, 0]), 3, seed=0)
    with pytest.raises(ValueError, match="rows that sum to one"):
        HiddenMarkov(CYCLE, np.full((3, 2), 0.4))
