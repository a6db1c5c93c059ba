"""Markov matrices: checks that name the row, stationary states dense and sparse, spectra, trajectories."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics import aggregation
from kadanoff.dynamics._kernels.chains import gather_aggregates, relax
from kadanoff.dynamics.aggregation import sparse_stationary_state
from kadanoff.dynamics.jumps import ring, stationary
from kadanoff.dynamics.markov import (
    check_transition,
    closed_classes,
    implied_times,
    spectrum,
    stationary_state,
    transition_matrix,
)
from kadanoff.information import stationary_distribution


def random_chain(seed: int, states: int, concentration: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(states, concentration), states)


def birth_and_death(states: int, depth: float) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Two wells on a line; the stationary state is exp(-U)."""
    energy = depth * (np.linspace(-1.5, 1.5, states) ** 2 - 1) ** 2
    up = np.exp(-np.diff(energy) / 2)
    weight = np.exp(-energy)
    return scipy.sparse.csr_array(scipy.sparse.diags_array([up, 1 / up], offsets=[1, -1])), weight / weight.sum()


def driven_torus(edge: int, seed: int) -> scipy.sparse.csr_array:
    """Random rates on a square lattice with periodic ends."""
    rng, n = np.random.default_rng(seed), edge * edge
    row, column = np.divmod(np.arange(n), edge)
    ends = [((row + a) % edge) * edge + (column + b) % edge for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    parts = rng.lognormal(0, 1, 4 * n), (np.tile(np.arange(n), 4), np.concatenate(ends))
    return scipy.sparse.csr_array(parts, shape=(n, n))


def random_network(states: int, seed: int) -> scipy.sparse.csr_array:
    """A ring with three random jumps from every state: an expander."""
    rng = np.random.default_rng(seed)
    source = np.concatenate([np.arange(states), np.repeat(np.arange(states), 3)])
    target = np.concatenate([(np.arange(states) + 1) % states, rng.integers(0, states, 3 * states)])
    rates = scipy.sparse.csr_array((rng.lognormal(0, 1, source.size), (source, target)), shape=(states, states))
    rates.setdiag(0.0)
    rates.eliminate_zeros()
    return rates


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[0.5, 0.5], [0.5, 0.4]], "row 1 sums to 0.9"),
        ([[1.5, -0.5], [0.5, 0.5]], "row 0, column 1"),
        ([[0.5, np.nan], [0.5, 0.5]], "row 0, column 1"),
        ([[0.5, 0.5]], r"\(n, n\)"),
    ],
)
@pytest.mark.parametrize("wrap", [np.array, lambda m: scipy.sparse.csr_array(np.array(m))])
def test_bad_matrices_name_the_row(matrix, words, wrap):
    with pytest.raises(ValueError, match=words):
        check_transition(wrap(matrix))


def test_absorbing_and_parted_states_are_named():
    with pytest.raises(ValueError, match="state 2 is absorbing"):
        stationary_state([[0.5, 0.5, 0], [0.2, 0.7, 0.1], [0, 0, 1]])
    with pytest.raises(ValueError, match="2 parts"):
        stationary_state(np.kron(np.eye(2), np.full((2, 2), 0.5)))
    with pytest.raises(ValueError, match="row 1, column 0"):
        stationary_state([[0, 1.0], [-1.0, 0]], "rates")
    labels, closed = closed_classes([[0.5, 0.5, 0], [0.5, 0.4, 0.1], [0, 0, 1]])
    assert labels[0] == labels[1] != labels[2]
    assert closed.tolist() == [labels[2]]


@pytest.mark.parametrize("wrap", [np.array, scipy.sparse.csr_array])
def test_dense_and_sparse_agree_with_elimination(wrap):
    chain = random_chain(1, 12)
    assert stationary_state(wrap(chain)) == pytest.approx(stationary_distribution(chain), rel=1e-11)
    rates = ring(5, 2.0, 0.3) * np.arange(1, 6)[:, None]
    assert stationary_state(wrap(rates), "rates") == pytest.approx(stationary(rates), rel=1e-11)


@pytest.mark.parametrize("jumps", [driven_torus(16, 0), random_network(700, 1), birth_and_death(300, 3.0)[0]])
def test_the_multilevel_solver_agrees_with_elimination(jumps):
    """The sparse path at sizes where elimination can check it."""
    leaving = np.asarray(jumps.sum(axis=1)).ravel()
    dense = jumps.toarray() / (2 * leaving.max()) + np.diag(1 - leaving / (2 * leaving.max()))
    assert sparse_stationary_state(jumps, tolerance=1e-13) == pytest.approx(stationary_distribution(dense), rel=1e-7)


def test_a_long_line_is_solved_by_its_factors():
    """A residual of 1e-12 over a gap of some 1e-8 (two wells, 1,600 points): at most 1e-4, found 1e-7."""
    jumps, exact = birth_and_death(1600, 4.0)
    assert stationary_state(jumps, "rates") == pytest.approx(exact, rel=1e-4)


def test_a_residual_that_stays_is_an_error(monkeypatch):
    monkeypatch.setattr(aggregation, "_CYCLES", 12)
    with pytest.raises(ValueError, match=r"residual .* still above 1e-30"):
        sparse_stationary_state(random_network(300, 2), tolerance=1e-30)


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: driven_torus(400, 3), lambda: random_network(1_000_000, 4)])
def test_large_sparse_chains(make):
    jumps = make()
    p = stationary_state(jumps, "rates", tolerance=1e-10)
    leaving = np.asarray(jumps.sum(axis=1)).ravel()
    assert p.min() > 0
    assert np.abs(jumps.T @ p - p * leaving).sum() <= 1e-10 * float(p @ leaving)


@pytest.mark.parametrize(("forward", "backward"), [(0.36, 0.18), (0.5, 0.1), (0.2, 0.2)])
def test_spectrum_of_a_ring(forward, backward):
    """lambda_k = stay + forward e^(i phi) + backward e^(-i phi), phi = 2 pi k / n."""
    n = 6
    chain = np.array(ring(n, forward, backward)) + (1 - forward - backward) * np.eye(n)
    phi = 2 * np.pi * np.arange(n) / n
    exact = 1 - forward - backward + forward * np.exp(1j * phi) + backward * np.exp(-1j * phi)
    found = spectrum(chain)
    assert sorted(found.eigenvalues, key=lambda z: (round(z.real, 9), z.imag)) == pytest.approx(
        sorted(exact, key=lambda z: (round(z.real, 9), z.imag)), abs=1e-12
    )
    times, periods = implied_times(found.eigenvalues[1:], 1.0)
    assert times == pytest.approx(found.times)
    assert periods == pytest.approx(found.periods)
    assert found.eigenvalues[0] == pytest.approx(1)
    assert np.all(np.diff(np.abs(found.eigenvalues)) <= 1e-9)


def test_spectrum_of_a_sparse_chain():
    """Two chains that move in turn at random: the eigenvalues are (lambda_i + mu_j) / 2."""
    first, second = random_chain(8, 40, 0.1), random_chain(9, 41, 0.1)
    both = scipy.sparse.kron(first, scipy.sparse.eye_array(41)) + scipy.sparse.kron(scipy.sparse.eye_array(40), second)
    exact = np.add.outer(np.linalg.eigvals(first), np.linalg.eigvals(second)).ravel() / 2
    found = spectrum(scipy.sparse.csr_array(both / 2), 5).eigenvalues
    assert np.abs(found) == pytest.approx(np.sort(np.abs(exact))[::-1][:5], abs=1e-10)
    assert all(np.abs(exact - value).min() < 1e-10 for value in found)


def test_transition_matrix_of_two_states():
    """P(0 -> 1) = a / (a + b) (1 - exp(-(a + b) t))."""
    a, b, t = 0.7, 0.2, 1.3
    expected = a / (a + b) * (1 - np.exp(-(a + b) * t))
    assert transition_matrix([[0, a], [b, 0]], t)[0, 1] == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="lag"):
        transition_matrix([[0, a], [b, 0]], 0.0)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(2, 7))
def test_the_stationary_state_stays(seed, states):
    chain = random_chain(seed, states, 2.0)
    p = stationary_state(chain)
    assert p @ chain == pytest.approx(p, rel=1e-10)
    assert p.sum() == pytest.approx(1)


def test_a_sweep_and_the_aggregates_equal_their_plain_twins():
    jumps = random_network(60, 5)
    columns, leaving = jumps.tocsc(), np.asarray(jumps.sum(axis=1)).ravel()
    x = np.random.default_rng(0).random(60)
    twin = x.copy()
    for j in range(60):
        twin[j] = twin @ jumps.toarray()[:, j] / leaving[j]
    relax(columns.indptr, columns.indices, columns.data, leaving, x)
    assert x == pytest.approx(twin, rel=1e-13)
    both = scipy.sparse.csr_array(jumps + jumps.T)
    dense, order = both.toarray(), np.argsort(-x)
    label = np.empty(60, dtype=np.int64)
    number = gather_aggregates(both.indptr, both.indices, both.data, order, 0.25, label)
    plain, found = np.full(60, -1), 0
    for i in order:
        if plain[i] >= 0:
            continue
        free = (plain < 0) & (dense[i] >= 0.25 * dense[i].max()) & (dense[i] > 0)
        if free.any():
            plain[free], plain[i] = found, found
            found += 1
        else:
            plain[i] = plain[dense[i].argmax()]
    assert (label.tolist(), number) == (plain.tolist(), found)
