"""The Kac ring: bit-packed against booleans, its laws on both branches, its return, damage that stays local."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.kac_ring import (
    advance_ring,
    black_balls,
    colour_curve,
    colour_entropy,
    colour_law,
    colour_law_of_number,
    flip_ball,
    leap_ring,
    mean_colour,
    packed_ring,
    random_ring,
    rewind_ring,
    unpacked,
)
from kadanoff.parallel import executor
from kadanoff.random import philox


def drawn(seed, sites):
    generator = np.random.default_rng(seed)
    return generator.random(sites) < 0.5, generator.random(sites) < generator.random()


def plainly(balls, markers, steps):
    for _ in range(steps):
        balls = np.roll(balls ^ markers, 1)
    return balls


rings = st.tuples(st.integers(0, 2**31), st.one_of(st.integers(1, 300), st.sampled_from([64, 128, 33_000])))


@settings(max_examples=60)
@given(rings, st.integers(0, 300))
def test_the_packed_ring_equals_booleans_and_runs_back(ring, steps):
    balls, markers = drawn(*ring)
    start = packed_ring(balls, markers)
    later, colours = colour_curve(start, steps)
    expected = plainly(balls, markers, steps)
    assert np.array_equal(unpacked(later)[0], expected)
    assert colours[-1] == 1 - 2 * expected.sum() / len(balls)
    assert len(colours) == steps + 1
    assert advance_ring(start, steps).same_as(later)
    assert leap_ring(start, steps).same_as(later)
    assert rewind_ring(later, steps).same_as(start)
    assert leap_ring(later, -steps).same_as(start)
    assert np.array_equal(unpacked(start)[0], balls)


@settings(max_examples=40)
@given(rings)
def test_every_ring_returns_after_two_rounds(ring):
    start = packed_ring(*drawn(*ring))
    if start.sites <= 300:
        assert advance_ring(start, 2 * start.sites).same_as(start)
        once = unpacked(advance_ring(start, start.sites))[0] ^ unpacked(start)[0]
        assert np.all(once == bool(unpacked(start)[1].sum() % 2))
    assert leap_ring(start, 2 * start.sites).same_as(start)
    assert leap_ring(start, 10**12 * start.sites * 2 + 5).same_as(advance_ring(start, 5))


@pytest.mark.parametrize("sites", [20, 1000])
def test_mean_colour_follows_the_law_there_and_back(sites):
    curve = mean_colour(sites, 2 * sites, 2000, probability=0.1, seed=3)
    steps = np.arange(2 * sites + 1)
    law = colour_law(sites, steps, 0.1)
    assert np.array_equal(curve.value, curve.value[::-1])  # white balls: every ring for itself
    assert (curve.value[0], curve.value[-1], curve.error[0], curve.error[-1]) == (1, 1, 0, 0)
    shown = [5, 10, 2 * sites - 10, 2 * sites - 5]
    assert np.all(np.abs(curve.value - law)[shown] < 4.5 * curve.error[shown])
    assert np.all(np.abs(curve.value - law)[1:-1] < 5.5 * curve.error[1:-1])
    wrong = colour_law(sites, steps, 0.13)
    assert np.abs(curve.value - wrong)[5] > 8 * curve.error[5]


def test_the_error_of_the_mean_falls_with_the_square_root_of_rings():
    few, many = (mean_colour(100, 20, rings, probability=0.2, seed=1) for rings in (256, 4096))
    assert np.mean(few.error[1:] / many.error[1:]) == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(("sites", "number"), [(7, 3), (12, 4), (30, 29), (41, 11), (2, 1), (1, 1), (1, 0)])
def test_the_law_of_a_fixed_number_is_hypergeometric(sites, number):
    def exactly(t):
        window = min(t, 2 * sites - t)
        return float(
            sum(
                Fraction(
                    (-1) ** k * math.comb(number, k) * math.comb(sites - number, window - k), math.comb(sites, window)
                )
                for k in range(max(0, window + number - sites), min(number, window) + 1)
            )
        )

    steps = np.arange(2 * sites + 1)
    assert colour_law_of_number(sites, steps, number) == pytest.approx([exactly(int(t)) for t in steps], abs=1e-12)


def test_rings_of_exactly_so_many_markers_follow_their_own_law_and_not_the_other():
    curve = mean_colour(12, 24, 4000, number=3, seed=4)
    steps = np.arange(1, 24)
    law = colour_law_of_number(12, steps, 3)
    inner = curve.error[1:-1] > 0  # at t = N every ball has passed all ten
    assert np.all(np.abs(curve.value[1:-1] - law)[inner] < 5 * curve.error[1:-1][inner])
    assert np.abs(curve.value[1:-1] - law)[~inner] == pytest.approx(0, abs=1e-12)
    independent = colour_law(12, steps, 0.25)
    assert np.abs(law - independent)[5] > 0.01
    assert np.abs(curve.value[1:-1] - independent)[5] > 8 * curve.error[6]


@pytest.mark.parametrize(("sites", "number"), [(10, 0), (10, 10), (1000, 137), (70, 1)])
def test_the_number_of_markers_is_kept(sites, number):
    for ring in range(20):
        assert unpacked(random_ring(sites, number=number, seed=2, ring=ring))[1].sum() == number


def test_every_set_of_markers_is_as_likely_as_any_other():
    seen = [tuple(np.flatnonzero(unpacked(random_ring(5, number=2, seed=0, ring=r))[1])) for r in range(4000)]
    _, counts = np.unique(seen, axis=0, return_counts=True)
    assert len(counts) == 10
    assert np.abs(counts - 400).max() < 4.5 * math.sqrt(4000 * 0.1 * 0.9)


def test_random_markers_equal_their_plain_twin():
    sites, probability, seed = 200, 0.3, 12345678901
    threshold = int(probability * 2**64)
    expected = np.zeros(256, dtype=bool)
    for word in range(4):
        numbers = [0] * 64  # a random number of 64 bits for each site, its bits from 32 calls
        for call in range(32):
            a, b, c, d = (int(v) for v in philox(word, 64 * 7 + call, 0, 0x4B61, seed & 0xFFFFFFFF, seed >> 32))
            for both in ((a << 32) | b, (c << 32) | d):
                numbers = [2 * n + ((both >> site) & 1) for site, n in enumerate(numbers)]
        expected[64 * word : 64 * word + 64] = [n < threshold for n in numbers]
    assert np.array_equal(unpacked(random_ring(sites, probability=probability, seed=seed, ring=7))[1], expected[:sites])


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_share_of_markers(probability):
    share = unpacked(random_ring(100_000, probability=probability, seed=5))[1].mean()
    assert abs(share - probability) <= 4.5 * math.sqrt(probability * (1 - probability) / 100_000)


def test_no_worker_changes_a_bit():
    alone = mean_colour(40, 80, 300, probability=0.1, seed=9)
    with executor(3) as workers:
        together = mean_colour(40, 80, 300, probability=0.1, seed=9, executor=workers)
    assert np.array_equal(alone.value, together.value)
    assert np.array_equal(alone.error, together.error)


def test_one_changed_ball_stays_one_changed_ball():
    start = random_ring(10_000, probability=0.1, seed=0)
    turned = flip_ball(advance_ring(start, 300), 77)
    back = rewind_ring(turned, 300)
    assert (unpacked(back)[0] ^ unpacked(start)[0]).sum() == 1


def test_coarse_entropy_rises_returns_and_falls_with_finer_blocks():
    start = random_ring(64_000, probability=0.1, seed=0)
    later = advance_ring(start, 40)
    assert colour_entropy(black_balls(start), 64_000) == 0
    by_block = [colour_entropy(black_balls(later, block), block) for block in (1, 10, 64, 640, 64_000)]
    assert by_block[0] == 0  # every ball seen
    assert np.all(np.diff(by_block) > 0)
    assert by_block[-1] == pytest.approx(math.log(2), abs=2e-3)
    assert colour_entropy(black_balls(rewind_ring(later, 40)), 64_000) == 0


@settings(max_examples=30)
@given(rings, st.integers(1, 20))
def test_blocks_are_counted_like_booleans(ring, blocks):
    seed, sites = ring
    balls, markers = drawn(seed, blocks * max(1, sites // blocks))
    counted = black_balls(packed_ring(balls, markers), len(balls) // blocks)
    assert np.array_equal(counted, balls.reshape(blocks, -1).sum(axis=1))


@pytest.mark.slow
def test_a_ring_of_a_thousand_million_sites():
    start = random_ring(10**9, probability=0.1, seed=1)
    later, colours = colour_curve(start, 40)
    law = colour_law(10**9, np.arange(41), 0.1)
    # windows of t markers overlap, so that some 1/mu sites hang together
    assert np.abs(colours - law).max() < 4.5 * math.sqrt(40 / 1e9)
    assert rewind_ring(later, 40).same_as(start)
    assert leap_ring(later, 2 * 10**9 - 40).same_as(start)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: packed_ring([True], [True, False]), "one length"),
        (lambda: random_ring(0, probability=0.5, seed=0), "one site"),
        (lambda: random_ring(5, seed=0), "one of the two"),
        (lambda: random_ring(5, probability=0.1, number=1, seed=0), "one of the two"),
        (lambda: random_ring(5, probability=1.1, seed=0), "between 0 and 1"),
        (lambda: random_ring(5, number=6, seed=0), "6 markers do not fit"),
        (lambda: advance_ring(random_ring(5, number=1, seed=0), -1), "not negative"),
        (lambda: black_balls(random_ring(5, number=1, seed=0), 2), "do not divide"),
        (lambda: flip_ball(random_ring(5, number=1, seed=0), 5), "0 to 4"),
        (lambda: mean_colour(5, 5, 1, probability=0.1, seed=0), "two rings"),
        (lambda: colour_entropy([3], 2), "0 to 2 black"),
        (lambda: colour_law_of_number(5, 1, 6), "do not fit"),
    ],
)
def test_bad_requests_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
