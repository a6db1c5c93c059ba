"""Local tensors against sums over every state of small tori, and against each other."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from kadanoff.lattices import (
    clock_tensor,
    ising_plaquette_tensor,
    ising_tensor,
    pair_tensor,
    phi4_tensor,
    plaquette_tensor,
    potts_tensor,
    renormalise,
)


def log_torus(tensor, edge):
    """ln Z of edge x edge tensors on a torus."""
    flow = renormalise(tensor, 2, steps=0, patch=edge)
    return flow.log_partition * tensor.spins * edge**2


def summed(across, down, site):
    """Z of 2 x 2 spins on a torus (every pair is joined twice), state by state."""
    total = 0.0
    for a, b, c, d in product(range(len(site)), repeat=4):  # a b over c d
        bonds = (
            across[a, b]
            * across[b, a]
            * across[c, d]
            * across[d, c]
            * down[a, c]
            * down[c, a]
            * down[b, d]
            * down[d, b]
        )
        total += bonds * site[a] * site[b] * site[c] * site[d]
    return total


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_any_pair_weights_sum_to_those_of_a_small_torus(q, seed):
    random = np.random.default_rng(seed)
    across, down, site = random.random((q, q)) + 0.1, random.random((q, q)) + 0.1, random.random(q) + 0.1
    tensor = pair_tensor(across, site, vertical=down)
    assert log_torus(tensor, 2) == pytest.approx(math.log(summed(across, down, site)), abs=1e-12)
    assert log_torus(tensor, 1) == pytest.approx(math.log(np.sum(site * np.diag(across) * np.diag(down))), abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(3, 5), st.integers(0, 2**32 - 1))
def test_a_reflection_changes_the_form_and_not_the_sum(q, seed):
    random = np.random.default_rng(seed)
    image = np.arange(q)[::-1]
    weights = random.random((q, q)) + 0.1
    weights = weights + weights[::-1, ::-1]
    site = random.random(q) + 0.1
    site = site + site[::-1]
    blocks = pair_tensor(weights, site, reflection=image)
    assert len(blocks.blocks) == 8
    assert log_torus(blocks, 2) == pytest.approx(log_torus(pair_tensor(weights, site), 2), abs=1e-12)
    assert log_torus(blocks.without_symmetry(), 2) == pytest.approx(log_torus(blocks, 2), abs=1e-12)


def test_models_that_are_one_another():
    k = 0.37
    ising = log_torus(ising_tensor(k), 2) / 4
    assert log_torus(potts_tensor(2, 2 * k), 2) / 4 == pytest.approx(ising + 2 * k, abs=1e-12)
    assert log_torus(clock_tensor(2, k), 2) / 4 == pytest.approx(ising, abs=1e-12)
    assert log_torus(clock_tensor(4, 2 * k), 2) / 4 == pytest.approx(2 * ising, abs=1e-12)  # two Ising models
    three = log_torus(potts_tensor(3, 1.5 * k), 2) / 4
    assert log_torus(clock_tensor(3, k), 2) / 4 == pytest.approx(three - k, abs=1e-12)
    weights = np.exp(k * np.array([[1.0, -1.0], [-1.0, 1.0]]))
    with_field = math.log(summed(weights, weights, np.exp([-0.2, 0.2])))
    assert log_torus(ising_tensor(k, field=0.2), 2) == pytest.approx(with_field, abs=1e-12)


def test_a_plaquette_tensor_stands_for_two_spins():
    # one tensor on a torus: its left and right spins are one, its upper and lower too, and four bonds join them
    k = 0.41
    tensor = ising_plaquette_tensor(k)
    assert tensor.spins == 2
    assert log_torus(tensor, 1) == pytest.approx(math.log(2 * math.exp(4 * k) + 2 * math.exp(-4 * k)), abs=1e-12)
    weights = np.array([[1.0, 0.3, 0.2], [0.3, 1.5, 0.4], [0.2, 0.4, 0.7]])
    expected = math.log(sum(weights[a, b] ** 4 for a in range(3) for b in range(3)))
    assert log_torus(plaquette_tensor(weights), 1) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("mass", "quartic"), [(1.0, 0.0), (0.3, 0.8), (-1.0, 0.5)])
def test_phi4_on_small_tori(mass, quartic):
    def site(phi):
        return np.exp(-0.5 * mass * phi**2 - 0.25 * quartic * phi**4)

    tensor = phi4_tensor(mass, quartic, nodes=64, most=64)
    alone = quad(site, -20, 20, points=[-2, 0, 2], epsabs=1e-13)[0]
    assert log_torus(tensor, 1) == pytest.approx(math.log(alone), abs=1e-11)
    # 2 x 2: rows of two fields on an even grid (spectrally exact for what has died away at its ends)
    reach = 9.0 if quartic == 0 else 4.5
    phi, step = np.linspace(-reach, reach, 37, retstep=True)
    bond = np.exp(-((phi[:, None] - phi[None, :]) ** 2))  # twice (1/2) (difference)^2
    row = np.sqrt(np.outer(site(phi), site(phi)) * bond).reshape(-1)
    transfer = row[:, None] * np.sqrt(np.kron(bond, bond)) * row[None, :]
    expected = math.log(np.sum(transfer * transfer.T)) + 4 * math.log(step)
    assert log_torus(phi4_tensor(mass, quartic, nodes=48, most=24), 2) == pytest.approx(expected, abs=1e-7)


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="weights change under the reflection"):
        pair_tensor([[1.0, 0.5], [0.5, 2.0]], reflection=[1, 0])
    with pytest.raises(ValueError, match="undoes itself"):
        pair_tensor(np.ones((3, 3)), reflection=[1, 2, 0])
    with pytest.raises(ValueError, match=r"finite numbers \(q, q\)"):
        pair_tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"sites \(q,\)"):
        pair_tensor(np.ones((2, 2)), [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="every site"):
        pair_tensor(np.ones((2, 2)), [0.0, 0.0])
    with pytest.raises(ValueError, match="symmetric"):
        plaquette_tensor([[1.0, 0.5], [0.4, 1.0]])
    with pytest.raises(ValueError, match="lambda > 0"):
        phi4_tensor(-1.0, 0.0)
    with pytest.raises(ValueError, match="2 states"):
        potts_tensor(1, 1.0)
