"""Fixed points are found, checked and told apart; linearisation, trajectories and critical points, by known flows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.lattices.closed_maps import migdal_kadanoff, niemeijer_van_leeuwen
from kadanoff.lattices.flows import Flow, critical_point, fixed_points, grid, linearise, trajectory
from kadanoff.lattices.functional_rg import local_potential_flow


def linear(matrix, centre, scale=2.0):
    matrix, centre = np.asarray(matrix, float), np.asarray(centre, float)
    return Flow(tuple(f"k{i}" for i in range(len(centre))), lambda k: centre + matrix @ (k - centre), scale)


@given(
    st.lists(st.floats(0.1, 4.0), min_size=3, max_size=3, unique_by=lambda x: round(x, 2)),
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_exponents_of_a_linear_map_in_any_coordinates(values, centre, seed):
    if any(abs(value - 1) < 0.02 for value in values):
        return  # next to marginal: a line of fixed points
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    flow = linear(turned @ np.diag(values) @ turned.T, centre, scale=3.0)
    (point,) = fixed_points(flow, [np.zeros(3), np.ones(3)]).found
    assert point.couplings == pytest.approx(np.array(centre), abs=1e-8)
    wanted = sorted((math.log(value) / math.log(3) for value in values), reverse=True)
    assert point.exponents.real == pytest.approx(np.array(wanted), abs=1e-8)
    assert len(point.relevant) == sum(value > 1 for value in values)
    assert point.fields @ point.directions == pytest.approx(np.eye(3), abs=1e-7)


def test_complex_and_negative_eigenvalues_are_reported_and_not_taken_for_numbers():
    turn = 1.5 * np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    (point,) = fixed_points(linear(turn, [0.2, 0.1]), [[0.0, 0.0]]).found
    assert point.is_complex
    assert point.exponents == pytest.approx((math.log(1.5) + np.array([0.3j, -0.3j])) / math.log(2))
    with pytest.raises(ValueError, match="complex"):
        point.exponent(0)
    (hop,) = fixed_points(linear([[-2.0]], [1.0]), [[0.0]]).found
    assert hop.exponents[0] == pytest.approx(1 + 1j * math.pi / math.log(2))
    with pytest.raises(ValueError, match="complex"):
        _ = hop.nu


def test_differences_equal_analytic_derivatives():
    point = np.array([1.7, 0.05, 0.01, 0.002, 0.003])
    for flow, at in (
        (niemeijer_van_leeuwen(), [0.4, 0.2]),
        (migdal_kadanoff(2.5, 2.0), [0.3]),
        (migdal_kadanoff(2, 3, states=3.5, first="decimation"), [1.1]),
        (local_potential_flow(5, 3.0, 2.0), point),
    ):
        assert linearise(replace(flow, jacobian=None), at) == pytest.approx(linearise(flow, at), rel=1e-9, abs=1e-9)


def test_differences_converge_with_the_eighth_power():
    """exp(a x) at x = 5, where the widest step is 0.1: the error falls by 2^8 with a (relative to the derivative)."""
    errors = []
    for rate in (20.0, 10.0):
        flow = Flow(("x",), lambda k, a=rate: np.exp(a * (k - 5)) / a, 2.0)
        errors.append(abs(linearise(flow, [5.0])[0, 0] - 1.0))
    assert 2**7 < errors[0] / errors[1] < 2**9


def test_no_spurious_root_is_reported():
    tail = Flow(("k",), lambda k: k + np.exp(-k), 2.0)  # the residual dies away, there is no root
    search = fixed_points(tail, [[0.0], [5.0], [30.0], [60.0]])
    assert search.found == ()
    assert len(search.rejected) == 4
    none = Flow(("k",), lambda k: k + 1 + k**2, 2.0)
    assert fixed_points(none, [[0.0], [3.0]]).found == ()
    line = Flow(("a", "b"), lambda k: np.array([k[0] / 2, k[1]]), 2.0)  # a = 0 is fixed for every b
    search = fixed_points(line, [[1.0, 1.0]])
    assert search.found == ()
    assert "isolated" in search.rejected[0].reason
    with pytest.raises(ValueError, match="0 fixed points with 1 relevant"):
        search.only(1)
    refused = fixed_points(replace(linear([[2.0]], [-1.0]), allowed=lambda k: k[0] > 0), [[1.0]])
    assert refused.found == ()
    assert "not allowed" in refused.rejected[0].reason


def test_where_a_flow_is_not_defined_the_search_turns_back():
    flow = Flow(("k",), lambda k: [2 + math.log(k[0])], 2.0)  # math raises below zero
    found = fixed_points(flow, [[5.0], [0.05], [-1.0]]).found
    assert [point.couplings[0] for point in found] == pytest.approx([3.1461932, 0.1585943], abs=1e-7)
    assert trajectory(flow, [0.1], 20)[-1, 0] < 0.1  # the path ends before it leaves the domain
    with pytest.raises(ValueError, match="returned couplings of shape"):
        fixed_points(Flow(("a", "b"), lambda k: k[0], 2.0), [[1.0, 1.0]])


def test_trajectories_follow_the_exact_solution():
    ode = Flow(("k",), lambda k: k * (1 - k), None)
    path = trajectory(ode, [0.1], 50, length=0.1)
    exact = 1 / (1 + 9 * np.exp(-0.1 * np.arange(51)))
    assert path[:, 0] == pytest.approx(exact, abs=1e-9)
    doubled = trajectory(linear([[2.0]], [0.0]), [1.0], 30, bound=100)
    assert doubled[:, 0] == pytest.approx(2.0 ** np.arange(7))  # stops below the bound


def test_the_critical_surface_is_where_the_flow_parts():
    """A map that is linear about its fixed point: the surface is the plane left . (K - K*) = 0."""
    flow = linear([[1.5, 0.3], [0.1, 0.5]], [0.4, 0.2])
    point = fixed_points(flow, [[0.0, 0.0]]).only(1)
    field = point.fields[0].real

    def phase(k):
        value = field @ (k - point.couplings)
        return int(np.sign(value)) if abs(value) > 10 else 0

    there = critical_point(flow, [0.0, 0.7], [1.0, 0.7], phase=phase)
    assert field @ (there - point.couplings) == pytest.approx(0, abs=1e-12)
    assert there[1] == pytest.approx(0.7)
    with pytest.raises(ValueError, match="same phase"):
        critical_point(migdal_kadanoff(), [0.5], [0.9])
    whole = Flow(("k",), lambda k: 2 * k**2, 2.0)
    assert critical_point(whole, [0.1], [1.0])[0] == pytest.approx(0.5, abs=1e-14)
    torn = Flow(("k",), lambda k: 2 * k**2 if abs(k[0] - 0.5) > 0.1 else k + math.nan, 2.0)
    with pytest.raises(ValueError, match="breaks down"):  # and no point is made up
        critical_point(torn, [0.1], [1.0])


def test_what_is_no_flow_is_refused():
    with pytest.raises(ValueError, match="above 1"):
        Flow(("k",), lambda k: k, 1.0)
    with pytest.raises(ValueError, match="returned couplings of shape"):
        Flow(("k",), lambda k: np.ones(2), 2.0)([1.0])
    with pytest.raises(ValueError, match="at least one step"):
        trajectory(linear([[2.0]], [0.0]), [1.0], 0)
    assert grid([1, 2], [3]).tolist() == [[1, 3], [2, 3]]
