"""The map of a step is exact where nothing is cut, its derivative what Euler and Taylor say, its spectrum Ising's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.lattices import CRITICAL_COUPLING, ising_tensor, linearised_flow, log_partition
from kadanoff.lattices.entanglement_filter import filtered
from kadanoff.lattices.linearised_rg import coarse_step, derivative, gauge_aligned, turned

STRENGTH = 1.5e-4


def start(steps, chi):
    tensor = ising_tensor(CRITICAL_COUPLING).array
    for _ in range(steps):
        tensor = coarse_step(tensor, chi, STRENGTH).tensor
        tensor /= np.linalg.norm(tensor)
    return tensor


@pytest.fixture(scope="module")
def later():
    tensor = start(3, 6)
    return tensor, coarse_step(tensor, 6, STRENGTH)


@pytest.mark.parametrize("coupling", [0.3, 0.7])
def test_a_2x2_torus_is_exact_where_nothing_is_cut(coupling):
    tensor = ising_tensor(coupling)
    step = coarse_step(tensor.array, 4, 0.0)
    whole = math.log(np.einsum("lulu->", step.tensor)) + 4 * tensor.log_scale
    assert whole == pytest.approx(log_partition(coupling, (2, 2)), abs=1e-12)


def test_a_filter_leaves_fewer_states_and_the_same_torus():
    tensor = start(3, 8)

    def torus(a, b):
        return np.einsum("aebf,bgah,cfde,dhcg->", a, b, b, a, optimize=True)

    for strength in (1e-4, 3e-4, 1e-3):
        fewer = filtered(tensor, tensor, strength)
        assert max(fewer.first.shape) <= 6 < max(tensor.shape)
        assert abs(torus(fewer.first, fewer.second) / torus(tensor, tensor) - 1) < 10 * strength
    again = filtered(tensor, tensor, 1e-3, fewer.cuts)
    assert again.first == pytest.approx(fewer.first, abs=1e-9)


def test_of_degree_four(later):
    tensor, step = later
    twice = coarse_step(2 * tensor, 6, STRENGTH, step)
    assert twice.tensor == pytest.approx(16 * step.tensor, rel=1e-9, abs=1e-9)
    apply = derivative(tensor, step, 6, STRENGTH, 1e-5)
    assert apply(tensor) == pytest.approx(4 * step.tensor, abs=1e-8)  # Euler


def test_central_differences_are_of_second_order(later):
    tensor, step = later
    change = np.random.default_rng(1).standard_normal(tensor.shape)
    change += change.transpose(2, 1, 0, 3)
    widths = np.array([4e-3, 2e-3, 1e-3])
    found = [derivative(tensor, step, 6, STRENGTH, width)(change) for width in (*widths, 1e-5)]
    errors = [np.linalg.norm(one - found[-1]) for one in found[:-1]]
    assert np.diff(np.log(errors)) / np.diff(np.log(widths)) == pytest.approx([2, 2], abs=0.15)


def test_bases_are_turned_back(later):
    _, step = later
    random = np.random.default_rng(2)
    n, m = step.tensor.shape[:2]
    scale = np.linalg.norm(step.tensor)
    signs = [np.diag(random.choice([-1.0, 1.0], size)) for size in (n, m)]
    other = turned(step, *signs)
    assert np.linalg.norm(other.tensor - step.tensor) > 0.1 * scale
    back = turned(other, *gauge_aligned(other.tensor, step.tensor))
    assert np.linalg.norm(back.tensor - step.tensor) < 1e-6 * scale


@pytest.mark.parametrize(("coupling", "phases"), [(0.3, 1), (0.6, 2)])
def test_a_trivial_fixed_point_has_its_volumes_and_nothing_else_that_grows(coupling, phases):
    flow = linearised_flow(ising_tensor(coupling), 6, steps=9, first=8, count=4)
    assert flow.change[-1] < 1e-3
    size = np.abs(flow.eigenvalues[-1])
    assert size[:phases] == pytest.approx(4, abs=0.01)
    assert np.all(size[phases:] < 1)


def test_scaling_dimensions_of_ising():
    flow = linearised_flow(ising_tensor(CRITICAL_COUPLING), 8, steps=5, first=4, count=5, filter_strength=2e-4)
    assert flow.dimensions(2)[-1] == pytest.approx([1 / 8, 1], rel=0.02)
    assert flow.dimensions(4)[-1, 2:] == pytest.approx(9 / 8, rel=0.03)
    assert np.all(np.isnan(flow.eigenvalues[:4]))


@pytest.mark.slow
def test_at_twelve_states_they_are_as_close_as_published():
    # Lyu, Xu and Kawashima (2021), 20 states: 0.127, 1.009, 1.125, 1.128
    flow = linearised_flow(ising_tensor(CRITICAL_COUPLING), 12, steps=7, first=4, count=6)
    x = flow.dimensions(4)[4:]
    assert np.abs(x[:, 0] - 1 / 8).max() < 0.003
    assert np.abs(x[:, 1] - 1).max() < 0.012
    assert np.abs(x[:, 2:] - 9 / 8).max() < 0.025
    unfiltered = linearised_flow(ising_tensor(CRITICAL_COUPLING), 12, steps=7, first=6, filter_strength=0.0)
    assert flow.change[6] < 0.6 * unfiltered.change[6]


def test_bad_input_is_refused():
    tensor = ising_tensor(0.4)
    for chi, options in ((1, {"steps": 2}), (4, {"steps": 0}), (4, {"steps": 2, "first": 2})):
        with pytest.raises(ValueError, match="2 states, 1 step"):
            linearised_flow(tensor, chi, **options)
