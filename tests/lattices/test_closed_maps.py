"""Closed maps: every published digit, exact recursions by enumeration, duality, and where no fixed point is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.lattices.closed_maps import (
    chain_entropy,
    decimation,
    decimation_in_field,
    decimation_losses,
    migdal_kadanoff,
    migdal_kadanoff_equation,
    niemeijer_van_leeuwen,
    second_cumulant,
)
from kadanoff.lattices.flows import critical_point, fixed_points, grid, linearise

ONSAGER = math.log1p(math.sqrt(2)) / 2
STARTS = [[0.05], [0.3], [1.0], [2.5]]


def test_niemeijer_van_leeuwen():
    flow = niemeijer_van_leeuwen()
    point = fixed_points(flow, grid([0.2, 0.35, 0.6], [0.0, 0.1])).only(2)
    assert point.couplings == pytest.approx([0.3356135, 0.0], abs=1e-7)
    y_h, y_t = point.exponents.real
    assert y_t == pytest.approx(0.8822026, abs=1e-7)
    assert 1 / y_t == pytest.approx(1.1335264, abs=1e-7)
    assert y_h == pytest.approx(1.3690702, abs=1e-7)
    assert y_h == pytest.approx(math.log(3 / math.sqrt(2)) / math.log(math.sqrt(3)), abs=1e-12)
    assert critical_point(flow, [0.1, 0.0], [1.0, 0.0])[0] == pytest.approx(point.couplings[0], abs=1e-9)


def test_niemeijer_van_leeuwen_is_the_first_cumulant_by_enumeration():
    """<s> of a spin of a free triangle whose majority is up, from its states; two bonds a pair of blocks."""
    k = 0.37
    states = [s for s in itertools.product((-1, 1), repeat=3) if sum(s) > 0]
    weights = [math.exp(k * (a * b + b * c + c * a)) for a, b, c in states]
    mean = sum(w * s[0] for w, s in zip(weights, states, strict=True)) / sum(weights)
    assert niemeijer_van_leeuwen()([k, 0.1]) == pytest.approx([2 * k * mean**2, 3 * 0.1 * mean])


def test_second_cumulant():
    """The fixed point of Niemeijer and van Leeuwen (1974), to the four digits they give."""
    flow = second_cumulant()
    point = fixed_points(flow, grid([0.2, 0.28, 0.35], [-0.02, 0.0], [-0.02, 0.0])).only(1)
    assert point.couplings == pytest.approx([0.2789, -0.0142, -0.0152], abs=6e-5)
    assert point.exponent() == pytest.approx(1.0424, abs=1e-4)
    assert critical_point(flow, [0.1, 0, 0], [1.0, 0, 0])[0] == pytest.approx(0.25748, abs=1e-5)
    first = niemeijer_van_leeuwen()([0.02, 0.0])[0]  # at weak coupling only 2 K Phi^2 is left
    assert flow([0.02, 0, 0])[0] == pytest.approx(first, rel=0.1)


@pytest.mark.parametrize("end", [(1, 1), (3, 0), (2, 2)])
def test_second_cumulant_by_enumeration_of_three_blocks(end):
    """Half the variance of the bonds between blocks, for each of 8 majorities: its S_B S_C part, all 2^9 states."""
    k, corners, height = 0.31, [(0, 0), (1, 0), (0, 1)], math.sqrt(3) / 2

    def places(block):
        return np.array([(block[0] + x + (block[1] + y) / 2, height * (block[1] + y)) for x, y in corners])

    states = np.array(list(itertools.product((-1, 1), repeat=9))).reshape(-1, 3, 3)  # (state, block, spin)
    inside = np.exp(k * sum(states[:, b, i] * states[:, b, j] for b in range(3) for i, j in ((0, 1), (1, 2), (0, 2))))
    majority = np.sign(states.sum(axis=2))
    total = 0.0
    for middle in [(1, 1), (2, -1), (-1, 2), (-1, -1), (-2, 1), (1, -2)]:
        if middle == end:
            continue
        sites = [places(block) for block in ((0, 0), end, middle)]
        bonds = [
            (a, i, b, j)
            for a, b in ((2, 0), (2, 1), (0, 1))
            for i, j in itertools.product(range(3), repeat=2)
            if abs(np.linalg.norm(sites[a][i] - sites[b][j]) - 1) < 1e-9
        ]
        energy = k * sum(states[:, a, i] * states[:, b, j] for a, i, b, j in bonds)
        for signs in itertools.product((-1, 1), repeat=3):
            weight = inside * np.all(majority == signs, axis=1)
            weight /= weight.sum()
            variance = weight @ energy**2 - (weight @ energy) ** 2
            total += variance / 2 * signs[0] * signs[1] / 8
    row = {(1, 1): 0, (3, 0): 1, (2, 2): 2}[end]
    direct = niemeijer_van_leeuwen()([k, 0.0])[0] if row == 0 else 0.0
    assert second_cumulant()([k, 0, 0])[row] - direct == pytest.approx(total, abs=1e-12)


def test_migdal_kadanoff():
    point = fixed_points(migdal_kadanoff(), STARTS).only(1)
    assert point.couplings[0] == pytest.approx(0.3046889, abs=1e-7)
    assert point.exponent() == pytest.approx(0.747236, abs=1e-6)
    assert point.nu == pytest.approx(1.338266, abs=1e-6)
    other = fixed_points(migdal_kadanoff(first="decimation"), STARTS).only(1)
    assert other.couplings[0] == pytest.approx(2 * point.couplings[0], abs=1e-12)
    assert other.exponent() == pytest.approx(point.exponent(), abs=1e-12)
    dual = -math.log(math.tanh(point.couplings[0])) / 2
    assert other.couplings[0] == pytest.approx(dual, abs=1e-12)


def test_migdal_kadanoff_in_the_limit_of_small_steps_is_self_dual():
    point = fixed_points(migdal_kadanoff_equation(), STARTS).only(1)
    assert point.couplings[0] == pytest.approx(ONSAGER, abs=1e-12)
    errors = []
    for b in (1.02, 1.01):
        step = fixed_points(migdal_kadanoff(2.0, b), STARTS).only(1)
        errors.append((step.couplings[0] - ONSAGER, step.exponent() - point.exponent()))
    assert errors[0][0] / errors[1][0] == pytest.approx(2, rel=0.02)  # the fixed point moves with b - 1,
    assert abs(errors[1][1]) < 1e-4  # the exponent is close to that of the limit
    assert critical_point(migdal_kadanoff_equation(), [0.3], [0.6], length=2.0, tolerance=1e-9)[0] == pytest.approx(
        ONSAGER, abs=1e-7
    )


def test_migdal_kadanoff_of_potts_models():
    ising = fixed_points(migdal_kadanoff(2, 2), STARTS).only(1)
    potts = fixed_points(migdal_kadanoff(2, 2, states=2), STARTS).only(1)
    assert potts.couplings[0] == pytest.approx(2 * ising.couplings[0], abs=1e-12)
    assert potts.exponent() == pytest.approx(ising.exponent(), abs=1e-12)
    for q in (1.0, 3.0, 4.0):  # moved first and decimated first are dual in d = 2 for every q
        one, other = (
            fixed_points(migdal_kadanoff(2, 2, states=q, first=first), [[0.3], [0.6], [1.0], [1.5]]).only(1)
            for first in ("bonds", "decimation")
        )
        assert math.expm1(one.couplings[0]) * math.expm1(other.couplings[0]) == pytest.approx(q, abs=1e-9)
    growing = [fixed_points(migdal_kadanoff(2, 2, states=q), STARTS).only(1).exponent() for q in (1, 2, 3, 4)]
    assert growing == sorted(growing)


@given(st.floats(0.05, 2.0), st.integers(2, 4), st.sampled_from([2, 3, 5]))
@settings(max_examples=30, deadline=None)
def test_bonds_in_series_and_in_parallel_by_enumeration(coupling, b, q):
    """One cell of the hierarchical lattice: b chains of b bonds, inner Potts spins summed over."""
    diagonal = np.exp(coupling * np.eye(q))
    chain = np.linalg.matrix_power(diagonal, b)
    cell = b * math.log(chain[0, 0] / chain[0, 1])
    assert migdal_kadanoff(2, b, states=q, first="decimation")([coupling])[0] == pytest.approx(cell, rel=1e-9)


@pytest.mark.parametrize("flow", [decimation(2), decimation(3), migdal_kadanoff(1.0), migdal_kadanoff(1.0, 3.0)])
def test_one_dimension_has_no_finite_fixed_point(flow):
    search = fixed_points(flow, [[k] for k in (0.01, 0.1, 0.5, 1, 2, 5, 10, 40)])
    assert all(abs(point.couplings[0]) < 1e-6 for point in search.found)
    assert all(not len(point.relevant) for point in search.found)
    assert any("residual" in item.reason for item in search.rejected)


@given(st.floats(1e-3, 15.0), st.integers(2, 4), st.integers(2, 4))
def test_two_decimations_are_one(coupling, b, c):
    once = decimation(b * c)([coupling])[0]
    assert decimation(c)(decimation(b)([coupling]))[0] == pytest.approx(once, rel=1e-9, abs=1e-14)


@given(st.floats(0.02, 0.98), st.floats(-1.5, 1.5))
def test_two_decimations_in_a_field_are_one(x, h):
    twice = decimation_in_field(2)(decimation_in_field(2)([x, h]))
    assert twice == pytest.approx(decimation_in_field(4)([x, h]), abs=1e-12)
    without = decimation_in_field(3)([x, 0.0])
    assert without[0] == pytest.approx(math.exp(-2 * decimation(3)([-math.log(x) / 2])[0]), abs=1e-12)
    assert without[1] == pytest.approx(0, abs=1e-15)


@given(st.floats(-2.0, 2.0), st.integers(2, 5))
def test_decimation_is_the_product_of_tanh(coupling, b):
    assert math.tanh(decimation(b)([coupling])[0]) == pytest.approx(math.tanh(coupling) ** b, abs=1e-13)


def test_decimation_by_enumeration_of_a_ring_in_a_field():
    """A ring of 8 in a field, every second spin summed over, is a ring of 4 with x', h': all 16 weights."""
    k, h, b = 0.6, 0.3, 2
    found = {}
    for s in itertools.product((-1, 1), repeat=8):
        weight = math.exp(sum(k * s[i] * s[(i + 1) % 8] + h * s[i] for i in range(8)))
        found[s[::2]] = found.get(s[::2], 0.0) + weight
    x, field = decimation_in_field(b)([math.exp(-2 * k), h])
    new = -math.log(x) / 2
    wanted = {
        s: math.exp(sum(new * s[i] * s[(i + 1) % 4] + field * s[i] for i in range(4)))
        for s in itertools.product((-1, 1), repeat=4)
    }
    ratio = [found[s] / wanted[s] for s in wanted]
    assert ratio == pytest.approx([ratio[0]] * 16, rel=1e-12)


def test_the_zero_temperature_fixed_point_of_the_chain():
    search = fixed_points(decimation_in_field(2), grid([0.05, 0.3, 0.9], [0.0, 0.5]))
    (point,) = search.found
    assert point.couplings == pytest.approx([0, 0], abs=1e-9)
    assert point.exponents.real == pytest.approx([1, 1], abs=1e-9)
    assert any("isolated" in item.reason for item in search.rejected)  # free spins: a line


def test_entropy_of_the_chain():
    k = 0.7
    assert chain_entropy(k) == pytest.approx(math.log(2 * math.cosh(k)) - k * math.tanh(k), abs=1e-13)
    assert chain_entropy(0.0, 0.8) == pytest.approx(math.log(2 * math.cosh(0.8)) - 0.8 * math.tanh(0.8), abs=1e-13)

    def free_energy(t):  # ln Lambda at K/t, h/t: S = d(t ln Lambda)/dt
        return t * math.log(
            math.exp(k / t) * math.cosh(0.3 / t)
            + math.sqrt(math.exp(2 * k / t) * math.sinh(0.3 / t) ** 2 + math.exp(-2 * k / t))
        )

    d = 1e-4
    assert chain_entropy(k, 0.3) == pytest.approx((free_energy(1 + d) - free_energy(1 - d)) / (2 * d), abs=1e-8)


@given(st.floats(-3, 3), st.integers(2, 4))
def test_no_decimation_brings_information_back(coupling, b):
    entropies = decimation_losses(coupling, b, 4)
    assert np.all(np.diff(entropies) <= 1e-15)
    assert entropies[0] == pytest.approx(chain_entropy(coupling))
    direct = decimation_losses(coupling, b * b, 2)
    assert entropies[::2] == pytest.approx(direct, abs=1e-13)


def test_derivatives_hold_far_out():
    for k in (1e-4, 0.3, 5.0, 12.0):
        (slope,) = linearise(decimation(2), [k]).ravel()
        exact = 2 * math.tanh(k) / (math.cosh(k) ** 2 * (1 - math.tanh(k) ** 4)) if k < 6 else 1.0
        assert slope == pytest.approx(exact, rel=1e-7)


def test_what_has_no_meaning_is_refused():
    for wrong in (lambda: migdal_kadanoff(0.5), lambda: migdal_kadanoff(2, 1.0), lambda: migdal_kadanoff(states=0)):
        with pytest.raises(ValueError, match="not"):
            wrong()
    with pytest.raises(ValueError, match="from 2 on"):
        decimation(1)
    with pytest.raises(ValueError, match="at least one step"):
        decimation_losses(0.3, 2, 0)
    with pytest.raises(ValueError, match="350"):
        chain_entropy(400.0)
