"""Memory kernels of lumped chains: exact, vanishing where they must, and from data."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.jumps import simulate_chain
from kadanoff.dynamics.lumping import lump_chain
from kadanoff.dynamics.markov import (
    spectrum,
)
from kadanoff.dynamics.quasi_markov import (
    implied_times_of_kernels,
    lumped_propagators,
    memory_kernels,
    propagate,
    quasi_markov,
    sampled_propagators,
)
from kadanoff.maps import Map

CYCLE = np.array([[0.88, 0.1, 0.02], [0.02, 0.88, 0.1], [0.1, 0.02, 0.88]])
LUMPS = Map.groups([0, 1, 1])


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(3, 8), st.integers(1, 25))
def test_all_kernels_give_the_lumped_chain_back(seed, states, steps):
    rng = np.random.default_rng(seed)
    chain = rng.dirichlet(np.full(states, 0.6), states)
    lumps = Map.groups(np.concatenate([[0, 1], rng.integers(0, 2, states - 2)]))
    exact = lumped_propagators(chain, lumps, steps)
    kernels = memory_kernels(exact)
    assert propagate(kernels, steps) == pytest.approx(exact, abs=1e-12)
    assert kernels[0] == pytest.approx(lump_chain(chain, lumps), abs=1e-12)
    assert kernels[1:].sum(axis=2) == pytest.approx(np.zeros((steps - 1, 2)), abs=1e-12)


def test_propagators_are_lumped_powers():
    exact = lumped_propagators(CYCLE, LUMPS, 5)
    power = np.linalg.matrix_power(CYCLE, 5)
    assert exact[5] == pytest.approx(lump_chain(power, LUMPS), abs=1e-14)
    with pytest.raises(ValueError, match="steps"):
        lumped_propagators(CYCLE, LUMPS, 0)


def test_a_lumpable_chain_has_no_memory():
    chain = np.array([[0.5, 0.2, 0.3], [0.1, 0.45, 0.45], [0.1, 0.7, 0.2]])  # states 1 and 2 alike towards 0
    kernels = memory_kernels(lumped_propagators(chain, Map.groups([0, 1, 1]), 12))
    assert np.abs(kernels[1:]).max() < 1e-15
    assert implied_times_of_kernels(kernels[:1]) == pytest.approx(
        spectrum(lump_chain(chain, Map.groups([0, 1, 1]))).times
    )


def test_the_error_falls_with_the_cut_off_and_the_slow_time_is_found():
    x = np.linspace(-1.7, 1.7, 24)
    energy = 2.5 * (x**2 - 1) ** 2
    rates = np.zeros((24, 24))
    i = np.arange(23)
    rates[i, i + 1], rates[i + 1, i] = np.exp(-np.diff(energy) / 2), np.exp(np.diff(energy) / 2)
    chain = np.eye(24) + 0.1 * (rates - np.diag(rates.sum(axis=1)))
    lumps = Map.groups((x > 0).astype(int))
    exact = lumped_propagators(chain, lumps, 200)
    kernels = memory_kernels(exact)
    errors = [np.abs(propagate(kernels[: c + 1], 200) - exact).max() for c in (0, 5, 20, 80)]
    assert all(b < 0.7 * a for a, b in itertools.pairwise(errors))
    slow = spectrum(chain).times[0]
    assert implied_times_of_kernels(kernels[:1])[0] < 0.6 * slow
    assert implied_times_of_kernels(kernels[:120])[0] == pytest.approx(slow, rel=0.01)


def test_kernels_from_data():
    seen = np.array([0, 1, 1])[simulate_chain(CYCLE, 120_000, seed=1)]
    exact = memory_kernels(lumped_propagators(CYCLE, LUMPS, 10))
    found = quasi_markov(seen, 10)
    # 40 numbers, half of them independent; 15 degrees of freedom for each error
    scores = (found.kernels - exact) / np.maximum(found.kernel_errors, 1e-12)
    assert np.abs(scores).max() < 5
    assert found.cutoff >= 1
    markov = np.abs(propagate(found.kernels[:1], 30) - lumped_propagators(CYCLE, LUMPS, 30)).max()
    assert np.abs(found.propagate(30) - lumped_propagators(CYCLE, LUMPS, 30)).max() < markov
    assert found.slowest.error > 0


def test_markovian_data_get_no_memory():
    """Negative control."""
    chain = np.array([[0.9, 0.1], [0.05, 0.95]])
    found = quasi_markov(simulate_chain(chain, 60_000, seed=2), 8)
    assert found.cutoff == 0
    assert np.abs(found.kernels[1:] / found.kernel_errors[1:]).max() < 5
    assert abs(found.slowest.value - spectrum(chain).times[0]) < 4 * found.slowest.error


def test_errors_fall_as_the_root_of_the_data():
    seen = np.array([0, 1, 1])[simulate_chain(CYCLE, 320_000, seed=3)]
    small, large = (quasi_markov(seen[:n], 4).kernel_errors.mean() for n in (20_000, 320_000))
    assert small / large == pytest.approx(4, rel=0.35)


def test_bad_input():
    with pytest.raises(ValueError, match="unit matrix"):
        memory_kernels(np.full((3, 2, 2), 0.5))
    with pytest.raises(ValueError, match=r"\(n \+ 1, m, m\)"):
        memory_kernels(np.eye(2))
    with pytest.raises(ValueError, match="lag 1: no pair starts in state 2"):
        sampled_propagators(np.array([0, 1] * 200), 3, states=3)
    with pytest.raises(ValueError, match="beyond the data"):
        sampled_propagators(np.array([0, 1] * 40), 3, 100)
    with pytest.raises(ValueError, match="at least 2"):
        quasi_markov(np.array([0, 1] * 200), 1)
