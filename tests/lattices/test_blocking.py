"""Block spins: packed kernels against the plain map and rule, geometry, coins, other spins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.lattices.blocking import (
    PackedSpins,
    block_field,
    block_packed,
    block_potts,
    block_spins,
    lattice_blocks,
    pack_spins,
    pyramid,
    unpack_spins,
)
from kadanoff.lattices.lattice import HONEYCOMB_CELL, cubic, honeycomb, named_lattice, point_group, square, triangular
from kadanoff.random import philox

CASES = [
    ("square", 12, 2), ("square", 12, 3), ("square", 12, 4), ("triangular", 9, 2), ("honeycomb", 6, 2), ("cubic", 6, 2),
]  # fmt: skip


def drawn(name, size, samples, seed=0, states=(-1, 1)):
    shape = named_lattice(name, size).shape
    return np.random.default_rng(seed).choice(np.array(states, dtype=np.int8), size=(samples, *shape))


@pytest.mark.parametrize("name", ["square", "triangular", "honeycomb", "cubic"])
def test_coordinates_and_index_are_inverse_and_periodic(name):
    periodic = named_lattice(name, 6)
    periods = periodic.periods @ HONEYCOMB_CELL if name == "honeycomb" else periodic.periods
    far = periodic.coordinates + 3 * periods[0] - 2 * periods[-1]
    assert np.array_equal(periodic.index(far), np.arange(periodic.sites))


@pytest.mark.parametrize(("name", "order"), [("square", 8), ("triangular", 12), ("honeycomb", 12), ("cubic", 48)])
def test_point_groups_are_groups(name, order):
    group = {tuple(g.ravel()) for g in point_group(name)}
    d = 3 if name == "cubic" else 2
    matrices = [np.array(g).reshape(d, d) for g in group]
    assert len(group) == order
    assert all(tuple((a @ b).ravel()) in group for a in matrices for b in matrices)


@pytest.mark.parametrize(("name", "size", "edge"), CASES)
def test_blocks_are_a_partition_and_a_lattice_like_the_fine_one(name, size, edge):
    blocks = lattice_blocks(named_lattice(name, size), edge)
    assert np.array_equal(np.sort(blocks.members.ravel()), np.arange(blocks.fine.sites))
    assert blocks.fine.sites == blocks.coarse.sites * blocks.members.shape[1]
    assert math.isclose(blocks.ratio**blocks.fine.dimension, blocks.members.shape[1])
    cells = blocks.coarse.length * blocks.ratio
    assert math.isclose(cells, blocks.fine.length)
    if name == "square":
        shape = (size // edge, size // edge)
        label = np.arange(size) // edge
        expected = np.ravel_multi_index(np.meshgrid(label, label, indexing="ij"), shape).ravel()
        assert np.array_equal(blocks.map.membership.tocsc().indices, expected)


def test_stars_are_a_site_and_its_neighbours_and_triangles_are_neighbours():
    neighbours = honeycomb(6).neighbours
    for star in lattice_blocks(honeycomb(6)).members:
        assert set(star[1:]) == set(neighbours[star[0]])
    neighbours = triangular(9).neighbours
    for a, b, c in lattice_blocks(triangular(9)).members:
        assert {b, c} <= set(neighbours[a])
        assert c in neighbours[b]


def test_two_triangular_blockings_give_a_lattice_three_times_wider():
    levels = pyramid(drawn("triangular", 18, 3), triangular(18), levels=2)
    assert levels[2].lattice.shape == (6, 6)
    assert np.array_equal(levels[2].lattice.periods, np.diag([6, 6]))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CASES), st.integers(1, 140), st.integers(0, 2**31), st.sampled_from(["coin", "first"]))
def test_majority_is_the_map_and_its_sign_with_the_tie_rule(case, samples, seed, ties):
    name, size, edge = case
    spins = drawn(name, size, samples, seed)
    blocks = lattice_blocks(named_lattice(name, size), edge)
    votes = np.asarray(blocks.map.sum(spins.reshape(samples, -1), axis=1))
    found = block_spins(spins, blocks, ties=ties, seed=seed, level=5).reshape(samples, -1)
    tied = votes == 0
    assert np.array_equal(found[~tied], np.sign(votes)[~tied])
    first = spins.reshape(samples, -1)[:, blocks.members[:, 0]]
    if ties == "first":
        assert np.array_equal(found[tied], first[tied])
    else:
        for row, block in np.argwhere(tied)[:20].tolist():
            words = philox(block // 2, row // 64, 0, 0x426C0000 + 5, seed, seed >> 32)
            pair = words[:2] if block % 2 == 0 else words[2:]
            bits = (int(pair[0]) << 32) | int(pair[1])
            assert found[row, block] == 2 * (bits >> (row % 64) & 1) - 1
    packed, share = block_packed(pack_spins(spins), blocks, ties=ties, seed=seed, level=5)
    assert share == pytest.approx(tied.mean(), abs=1e-12)
    assert np.array_equal(block_spins(spins, blocks, "decimation").reshape(samples, -1), first)
    if samples % 64:  # idle bits stay zero
        assert not np.any(packed.words[-1] >> np.uint64(samples % 64))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 2**31))
def test_turning_all_spins_turns_all_blocks_that_no_coin_decides(case, seed):
    name, size, edge = case
    spins = drawn(name, size, 5, seed)
    blocks = lattice_blocks(named_lattice(name, size), edge)
    assert np.array_equal(block_spins(-spins, blocks, ties="first"), -block_spins(spins, blocks, ties="first"))
    states = (spins + 1) // 2  # q = 2 by plurality is the majority
    plural = block_potts(states, blocks, 2, ties="first")
    votes = np.asarray(blocks.map.sum(spins.reshape(5, -1), axis=1)).reshape(plural.shape)
    assert np.array_equal(2 * plural[votes != 0] - 1, np.sign(votes)[votes != 0])


def test_coins_are_fair_and_weights_are_probabilities():
    blocks = lattice_blocks(square(64))
    row = np.array([1, -1], dtype=np.int8)
    tied = np.tile(row, (200, 64, 32)).reshape(200, 64, 64)
    tossed = block_spins(tied, blocks, seed=3)
    n = tossed.size
    assert abs(tossed.mean()) < 4 / math.sqrt(n)
    across = (tossed[:, :, 1:] * tossed[:, :, :-1]).mean()  # neighbouring blocks toss their own
    assert abs(across) < 4 / math.sqrt(n)
    assert abs((tossed[1:] * tossed[:-1]).mean()) < 4 / math.sqrt(n)
    w = 0.35
    spins = drawn("square", 64, 300, 8)
    votes = np.asarray(blocks.map.sum(spins.reshape(300, -1), axis=1))
    found = block_spins(spins, blocks, "weighted", weight=w, seed=9).reshape(300, -1)
    for vote in (-4, -2, 0, 2, 4):
        here = found[votes == vote]
        expected = math.tanh(w * vote)
        assert abs(here.mean() - expected) < 4.5 * math.sqrt((1 - expected**2) / here.size)
    hard = block_spins(spins, blocks, "weighted", weight=50.0, seed=9).reshape(300, -1)
    assert np.array_equal(hard[votes != 0], np.sign(votes)[votes != 0])


def test_potts_ties_are_drawn_evenly_among_the_commonest():
    blocks = lattice_blocks(square(32))
    states = np.tile(np.array([[0, 1], [2, 0]], dtype=np.int8), (60, 16, 16))
    assert np.all(block_potts(states, blocks, 3) == 0)
    states = np.tile(np.array([[0, 1], [2, 3]], dtype=np.int8), (60, 16, 16))
    found = np.bincount(block_potts(states, blocks, 4, seed=2).ravel(), minlength=4)
    n = found.sum()
    assert np.all(np.abs(found - n / 4) < 4.5 * math.sqrt(n * 3 / 16))


def test_block_fields_are_sums_and_majority_does_not_compose():
    fields = np.random.default_rng(1).normal(size=(4, 8, 8))
    found = block_field(fields, lattice_blocks(square(8)), scale=0.5)
    assert np.allclose(found, 0.5 * fields.reshape(4, 4, 2, 4, 2).sum(axis=(2, 4)))
    spins = drawn("square", 16, 50)
    twice = pyramid(spins, square(16), levels=2, ties="first")[2].configurations
    once = block_spins(spins, lattice_blocks(square(16), 4), ties="first")
    assert np.any(once != twice)


def test_packing_is_undone_and_other_calls_are_refused():
    spins = drawn("square", 8, 130)
    packed = pack_spins(spins)
    assert np.array_equal(unpack_spins(packed).reshape(spins.shape), spins)
    with pytest.raises(ValueError, match=r"\(9, 9\) cells cannot be blocked: it needs a side"):
        lattice_blocks(square(9))
    with pytest.raises(ValueError, match="multiple of three"):
        lattice_blocks(triangular(8))
    with pytest.raises(ValueError, match="even number of cells"):
        lattice_blocks(honeycomb(7))
    spins[2, 1, 3] = 0
    with pytest.raises(ValueError, match=r"configuration 2 has 0 at site \(1, 3\)"):
        pack_spins(spins)
    blocks = lattice_blocks(square(8))
    with pytest.raises(ValueError, match="weight"):
        block_packed(packed, blocks, "weighted")
    with pytest.raises(ValueError, match="of 64 sites"):
        block_packed(PackedSpins(packed.words[:, :16], 130), blocks)
    with pytest.raises(ValueError, match="lattice"):
        named_lattice("kagome", 4)
    for wrong in (3, 256, 0.5, np.nan):
        states = np.full((2, 8, 8), 1.0)
        states[1, 2, 5] = wrong
        with pytest.raises(ValueError, match=r"0 to q - 1 = 2; configuration 1 has .* at site \(2, 5\)"):
            block_potts(states, blocks, 3)
    for ties in ("up", "last"):
        with pytest.raises(ValueError, match="breaks their symmetry"):
            block_packed(packed, blocks, ties=ties)
        with pytest.raises(ValueError, match="breaks their symmetry"):
            block_potts(np.ones((1, 8, 8), int), blocks, 3, ties=ties)
    with pytest.raises(ValueError, match=r"cubic lattice have shape \(samples, 4, 4, 4\)"):
        pyramid(np.ones((5, 8, 8), int), cubic(4), levels=1)  # 64 sites too, but not in that order
    fields = np.ones((2, 8, 8))
    fields[1, 0, 3] = np.inf
    with pytest.raises(ValueError, match=r"configuration 1 has inf at site \(0, 3\)"):
        block_field(fields, blocks)
