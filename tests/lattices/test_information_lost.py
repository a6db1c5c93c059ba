"""Entropy per spin and information kept: exact tori, exact enumeration, bounds that stay bounds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr

from kadanoff.estimates import Estimate
from kadanoff.lattices._kernels.contexts import count_contexts, count_state_contexts
from kadanoff.lattices.block_enumeration import bond_sum, channel, enumerate_states, information, spin_states
from kadanoff.lattices.blocking import block_potts, lattice_blocks, pyramid
from kadanoff.lattices.exact_free_energies import potts_critical_coupling, potts_critical_log_partition
from kadanoff.lattices.information_lost import (
    CONTEXTS,
    block_microstates,
    entropy_per_spin,
    information_kept,
    magnetization_entropy,
    plurality_noise,
    potts_information_kept,
)
from kadanoff.lattices.kaufman import torus_entropy
from kadanoff.lattices.lattice import square
from kadanoff.lattices.sampling import sample

CRITICAL = math.log1p(math.sqrt(2.0)) / 2


def test_critical_entropy_falls_with_the_context_to_a_percent_above_the_exact_one():
    spins = sample(square(64), CRITICAL, samples=600, algorithm="swendsen-wang", every=8, seed=3).configurations
    found = entropy_per_spin(spins)
    assert list(found.contexts) == sorted(found.contexts)
    assert np.all(np.diff(found.values) < 0)
    exact = torus_entropy(CRITICAL, (64, 64))
    assert found.estimate.value > exact - 2 * found.estimate.error
    assert found.estimate.value < 1.01 * exact + 4 * found.estimate.error
    assert all(np.all(np.array(b) >= np.array(a)) for a, b in itertools.pairwise(CONTEXTS))


def test_a_small_cold_torus_holds_its_sign_beyond_what_contexts_tell():
    """No upper bound of S / N there: below it by ln 2 / N, the sign of all spins, and by no more."""
    spins = sample(square(16), 1.0, samples=6000, algorithm="swendsen-wang", every=3, seed=3).configurations
    found = entropy_per_spin(spins).estimate
    exact = torus_entropy(1.0, (16, 16))
    assert found.value < exact - 10 * found.error
    assert abs(found.value - (exact - math.log(2) / 256)) < 4 * found.error


def test_free_spins_have_ln_2_and_a_chain_its_exact_entropy():
    free = np.random.default_rng(1).choice(np.array([-1, 1], dtype=np.int8), (200, 32, 32))
    found = entropy_per_spin(free).estimate
    assert 0 <= found.value - math.log(2) < 5e-4  # never below: the prediction cannot be better than the truth
    k = 0.7  # rows without a coupling between them: p(same as the left) = e^K / 2 cosh K
    generator = np.random.default_rng(2)
    p = math.exp(k) / (2 * math.cosh(k))
    rows = np.where(generator.random((400, 32, 64)) < p, 1, -1).astype(np.int8)
    chains = np.cumprod(rows, axis=2, dtype=np.int8)
    exact = -p * math.log(p) - (1 - p) * math.log(1 - p)
    found = entropy_per_spin(chains).estimate
    # one spin in 64 follows the last of its row, of which it knows nothing
    broken = (63 * exact + math.log(2)) / 64
    assert exact < found.value + 4 * found.error
    assert found.value < broken + 4 * found.error + 0.004


def test_information_kept_of_a_small_torus_is_that_of_the_enumeration():
    spins = sample(square(4), CRITICAL, samples=40_000, algorithm="swendsen-wang", every=2, seed=5).configurations
    counted = information(enumerate_states(bond_sum(spin_states(16), (4, 4)), channel((4, 4), 2)), CRITICAL, 16)
    level = pyramid(spins, square(4), levels=1)[1]
    share = np.bincount(((level.configurations.reshape(-1, 4) > 0) * [1, 2, 4, 8]).sum(axis=1), minlength=16) / len(
        spins
    )
    blocks = -(share[share > 0] * np.log(share[share > 0])).sum() / 4
    found = information_kept(level, Estimate.exact(blocks, "nat"))
    assert found.value == pytest.approx(counted.kept, abs=0.003)
    rule = pyramid(spins, square(4), levels=1, ties="first")[1]
    assert information_kept(rule, Estimate.exact(0.4, "nat")).value == pytest.approx(0.1)


@pytest.mark.parametrize("weight", [0.05, 0.5, 10.0])
def test_coins_of_the_weighted_rule_are_no_information(weight):
    """Blocks of free spins are free, so that H(block) = ln 2, of which the coins are H2(P(up | k of 4 up))."""
    spins = np.where(np.random.default_rng(1).random((1000, 32, 32)) < 0.5, 1, -1)
    level = pyramid(spins, square(32), levels=1, rule="weighted", weight=weight)[1]
    up = np.array([1 / (1 + math.exp(-2 * weight * m)) for m in (-4, -2, 0, 2, 4)])
    noise = np.array([1, 4, 6, 4, 1]) / 16 @ (entr(up) + entr(1 - up))
    kept = information_kept(level, Estimate.exact(math.log(2), "nat"))
    assert kept.value == pytest.approx((math.log(2) - noise) / 4, abs=4 * 0.35 / math.sqrt(256_000) / 4)


def test_kept_at_the_critical_point_is_a_fifth_at_every_level():
    spins = sample(square(64), CRITICAL, samples=800, algorithm="swendsen-wang", every=8, seed=8).configurations
    levels = pyramid(spins, square(64), levels=2)
    entropies = [entropy_per_spin(level.configurations).estimate for level in levels]
    # published, 256^2: 0.257 and 0.259 nats a block of four; ties 0.084 and 0.080
    for level, entropy, below in zip(levels[1:], entropies[1:], entropies[:-1], strict=True):
        kept = information_kept(level, entropy)
        assert abs(4 * kept.value - 0.258) < 0.006 + 16 * kept.error
        assert kept.value < below.value
        assert abs(level.tie_fraction - 0.081) < 0.006


@settings(max_examples=8, deadline=None)
@given(st.floats(0.0, 1.5), st.sampled_from(["coin", "first", "decimation"]))
def test_no_second_blocking_brings_information_back(coupling, rule):
    bonds = bond_sum(spin_states(16), (4, 4))
    once = channel((4, 4), 2, rule)
    first = information(enumerate_states(bonds, once), coupling, 16)
    second = information(enumerate_states(bonds, once @ channel((2, 2), 2, rule)), coupling, 16)
    assert second.kept <= first.kept + 1e-12 <= first.fine + 2e-12


def test_macrostates_count_their_microstates():
    sums = spin_states(16).astype(np.int64).sum(axis=0)
    states, nats = block_microstates(16)
    assert states == (sums > 0).sum() + (sums == 0).sum() / 2
    assert nats == pytest.approx(math.log(states))
    assert (sums > 0).sum() == 26_333
    for m in range(-16, 17, 2):
        assert magnetization_entropy(16, m) == pytest.approx(math.log((sums == m).sum()), abs=1e-9)
    with pytest.raises(ValueError, match="one of -16, -14"):
        magnetization_entropy(16, 3)


def test_other_data_are_refused():
    with pytest.raises(ValueError, match="Ising spins"):
        entropy_per_spin(np.zeros((30, 8, 8)))
    with pytest.raises(ValueError, match="rows, columns"):
        entropy_per_spin(np.ones((30, 8)))
    with pytest.raises(ValueError, match="4 blocks"):
        entropy_per_spin(np.ones((3, 8, 8)))
    assert lattice_blocks(square(8)).coarse.sites == 16


def test_critical_potts_states_have_a_percent_more_than_the_exact_entropy():
    q, coupling = 3, potts_critical_coupling(3)
    states = sample(
        square(64), coupling, samples=300, model="potts", states=q, algorithm="swendsen-wang", every=20, seed=4
    ).configurations
    found = entropy_per_spin(states, q=q)
    # of a large lattice; a torus of 64 x 64 has a little less (Ising: 0.3023 of 0.3065)
    exact = potts_critical_log_partition(q) - coupling * (1 + 1 / math.sqrt(q))
    assert np.all(np.diff(found.values) < 0)
    assert 0.98 * exact - 4 * found.estimate.error < found.estimate.value < 1.03 * exact + 4 * found.estimate.error
    blocks = lattice_blocks(square(64))
    above = entropy_per_spin(block_potts(states, blocks, q), q=q).estimate
    kept = potts_information_kept(plurality_noise(states, blocks, q), blocks, above)
    assert 0.1 * exact < kept.value < exact
    # two states are Ising spins: the same words, the same noise
    spins = np.random.default_rng(3).choice(np.array([-1, 1], dtype=np.int8), (40, 16, 16))
    one, two = np.zeros(2**8, dtype=np.int64), np.zeros(2**8, dtype=np.int64)
    count_contexts(spins, 2, 2, -1, one)
    count_state_contexts((spins + 1) // 2, 2, 2, 2, -1, two)
    assert np.array_equal(one, two)
    few = lattice_blocks(square(16))
    tied = pyramid(spins, square(16), levels=1)[1].tie_fraction
    assert plurality_noise((spins + 1) // 2, few, 2) == pytest.approx(tied * math.log(2))
    with pytest.raises(ValueError, match="0 to q - 1 = 2"):
        entropy_per_spin(states + 1, q=3)


def test_noise_of_three_states_is_that_of_all_their_blocks():
    blocks = lattice_blocks(square(2))
    states = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    each = []
    for state in states.reshape(-1, 4):
        votes = np.bincount(state, minlength=3)
        each.append(math.log((votes == votes.max()).sum()))
    assert plurality_noise(states, blocks, 3) == pytest.approx(np.mean(each))


def test_words_of_three_states_are_those_read_one_by_one():
    states = np.random.default_rng(5).integers(0, 3, (2, 6, 7), dtype=np.int8)
    left, above, second = 2, 1, 0
    found, plain = np.zeros(3**7, dtype=np.int64), np.zeros(3**7, dtype=np.int64)
    count_state_contexts(states, 3, left, above, second, found)
    for n, y, x in np.ndindex(*states.shape):
        places = [(y, x + d) for d in range(-left, 0)]
        places += [(y - 1, x + d) for d in range(-above, above + 1)]
        places += [(y - 2, x + d) for d in range(-second, second + 1)]
        word = 0
        for row, column in [*places, (y, x)]:
            word = 3 * word + int(states[n, row % 6, column % 7])
        plain[word] += 1
    assert np.array_equal(found, plain)
