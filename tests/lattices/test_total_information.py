"""What several blockings keep: exact noise of coins, bounds that enclose the enumerated truth, data processing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import entr

from kadanoff.lattices.block_enumeration import bond_sum, channel, enumerate_states, information, spin_states
from kadanoff.lattices.blocking import pyramid
from kadanoff.lattices.information_lost import entropy_per_spin
from kadanoff.lattices.kaufman import torus_entropy
from kadanoff.lattices.lattice import square
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.total_information import coin_noise, information_bounds, ring_entropy

CRITICAL = math.log1p(math.sqrt(2.0)) / 2
STATES = spin_states(16)


def test_the_noise_of_coins_is_that_of_the_enumerated_channel():
    every = STATES.T.reshape(-1, 4, 4)
    once = channel((4, 4), 2)
    twice = once @ channel((2, 2), 2)
    found = coin_noise(every, square(4), 2)
    assert found[0].value == pytest.approx(entr(once).sum() / 2**16 / 4)
    assert found[1].value == pytest.approx(entr(twice).sum() / 2**16)
    assert [one.value for one in coin_noise(every, square(4), 2, ties="first")] == [0.0, 0.0]


@pytest.mark.parametrize("ties", ["coin", "first"])
@pytest.mark.parametrize("coupling", [0.0, 0.25, CRITICAL, 0.6])
def test_bounds_enclose_what_enumeration_says(coupling, ties):
    spins = sample(square(4), coupling, samples=20_000, algorithm="swendsen-wang", every=2, seed=5).configurations
    bonds, once = bond_sum(STATES, (4, 4)), channel((4, 4), 2, ties)
    exact = information(enumerate_states(bonds, once), coupling, 16)
    levels = pyramid(spins, square(4), levels=1, ties=ties)
    noise = coin_noise(spins, square(4), 1, ties=ties)[0]
    assert abs(noise.value / 4 - exact.noise) <= 4 * (noise.error or 0.0) / 4 + 1e-12
    ring = ring_entropy(spins, levels[1].configurations)
    # of the enumerated states: the first block of four, and the eight spins next to it
    weights = np.exp(coupling * bonds) / np.exp(coupling * bonds).sum()
    around = [2, 6, 3, 7, 8, 9, 12, 13]
    up = once.reshape(-1, 16) @ ((np.arange(16) & 1) == 1)
    code = ((STATES[around] > 0) * (1 << np.arange(8))[:, None]).sum(axis=0)
    joint = np.stack([np.bincount(code, weights * p, minlength=256) for p in (up, 1 - up)])
    true = entr(joint).sum() - entr(joint.sum(axis=0)).sum()
    assert true - 4 * ring.error - 2**8 / (2 * 4 * 20_000) < ring.value < true + 4 * ring.error
    assert true / 4 <= exact.coarse + 1e-12


def test_data_processing_is_proven_by_samples_of_a_large_lattice():
    spins = sample(square(64), CRITICAL, samples=600, algorithm="swendsen-wang", every=8, seed=3).configurations
    for ties in ("coin", "first"):
        levels = pyramid(spins, square(64), levels=3, ties=ties, seed=1)
        found = information_bounds(levels, [entropy_per_spin(level.configurations).estimate for level in levels])
        bounds = [torus_entropy(CRITICAL, (64, 64)), *(one.lower.value for one in found[:2])]
        for above, one in zip(bounds, found, strict=True):
            assert one.upper.value + 4 * one.upper.error < above
        assert all(one.lower.value < one.upper.value for one in found[:2])
        assert found[2].lower is None
    free = np.random.default_rng(1).choice(np.array([-1, 1], dtype=np.int8), (100, 32, 32))
    blocks = pyramid(free, square(32), levels=1)[1].configurations
    ring = ring_entropy(free, blocks)  # free spins tell nothing; counts of 2^8 patterns fall short by 2^8 / 2 n
    assert -4 * ring.error < math.log(2) - ring.value < 2**8 / (2 * blocks.size) + 4 * ring.error


def test_blocks_of_another_rule_are_refused():
    spins = np.random.default_rng(1).choice(np.array([-1, 1], dtype=np.int8), (100, 16, 16))
    levels = pyramid(spins, square(16), levels=2, rule="weighted", weight=0.4)
    with pytest.raises(ValueError, match="not blocked by majority"):
        information_bounds(levels, [entropy_per_spin(level.configurations).estimate for level in levels])


def test_blocks_of_other_spins_are_refused():
    ones = np.ones((30, 16, 16), dtype=np.int8)
    with pytest.raises(ValueError, match="ring of 16"):
        ring_entropy(ones, np.ones((30, 2, 2), dtype=np.int8))
    with pytest.raises(ValueError, match="got shapes"):
        ring_entropy(ones, np.ones((30, 5, 5), dtype=np.int8))
    with pytest.raises(ValueError, match="20 blocks"):
        ring_entropy(ones[:5], np.ones((5, 8, 8), dtype=np.int8))
