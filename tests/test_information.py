"""Entropies and mutual information against exact values, within their own error bars."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kadanoff.information import (
    entropy,
    entropy_from_probabilities,
    entropy_knn,
    entropy_rate,
    jensen_shannon,
    kl_divergence,
    mutual_information,
    mutual_information_from_probabilities,
    mutual_information_knn,
    stationary_distribution,
)
from kadanoff.maps import Map

GEOMETRIC = (0.8 * math.log(1 / 0.8) + 0.2 * math.log(1 / 0.2)) / 0.2  # entropy of p (1 - p)^k with p = 0.2


def check(estimates, exact, widest=1.7):
    """Estimates of many seeds: right on average, never 5 errors off, and the errors neither small nor wide."""
    value = np.array([e.value for e in estimates])
    error = np.array([e.error for e in estimates])
    assert np.all(np.abs(value - exact) < 5 * error)
    assert abs(value.mean() - exact) < max(4 * value.std() / math.sqrt(len(value)), 0.75 * error.mean())
    assert 0.8 < np.sqrt(np.mean(error**2)) / np.sqrt(np.mean((value - exact) ** 2)) < widest


def seeds(n):
    return [np.random.default_rng((n, i)) for i in range(n)]


def distributions(*shape):
    return arrays(np.float64, shape, elements=st.floats(0, 1, width=32)).map(
        lambda p: p / p.sum() if p.sum() > 1e-3 else np.full(shape, 1 / p.size)
    )


def test_exact_entropies():
    assert entropy_from_probabilities(np.full((2, 8), 1 / 16)).value == pytest.approx(math.log(16))
    assert entropy_from_probabilities([1.0, 0.0]).value == 0
    k = np.arange(400)
    tail = 0.2 * 0.8**k
    assert entropy_from_probabilities(tail / tail.sum()).value == pytest.approx(GEOMETRIC, rel=1e-12)
    assert entropy_from_probabilities([0.5, 0.5]).error is None
    assert entropy_from_probabilities([0.5, 0.5]).unit == "nat"


@pytest.mark.parametrize("correction", ["miller-madow", "chao-wang-jost"])
@pytest.mark.parametrize(("draws", "states"), [(500, 5), (200, 16), (1000, 64)])
def test_entropy_of_uniform_counts(correction, draws, states):
    counts = [np.bincount(rng.integers(states, size=draws), minlength=states) for rng in seeds(100)]
    check([entropy(c, correction=correction) for c in counts], math.log(states))


@pytest.mark.parametrize("correction", ["miller-madow", "chao-wang-jost"])
def test_entropy_of_geometric_counts(correction):
    counts = [np.bincount(rng.geometric(0.2, size=1000)) for rng in seeds(100)]
    check([entropy(c, correction=correction) for c in counts], GEOMETRIC)


def test_the_plain_entropy_is_biased_and_its_error_says_so():
    counts = [np.bincount(rng.integers(64, size=300), minlength=64) for rng in seeds(50)]
    plain = [entropy(c, correction="none") for c in counts]
    bias = np.mean([e.value for e in plain]) - math.log(64)
    assert bias == pytest.approx(-63 / 600, rel=0.15)
    assert np.mean([e.error for e in plain]) > -bias
    assert abs(np.mean([entropy(c).value for c in counts]) - math.log(64)) < -bias / 4


def test_undersampled_counts_widen_the_error():
    counts = np.bincount(np.random.default_rng(0).integers(2000, size=300), minlength=2000)
    estimate = entropy(counts)
    assert abs(estimate.value - math.log(2000)) < 3 * estimate.error
    assert estimate.error > 0.5


def test_one_state_only_has_an_error_too():
    estimate = entropy([100])
    assert estimate.value == 0
    assert estimate.error == pytest.approx((1 + math.log(100)) / 100)


def test_correlated_draws_count_as_fewer():
    counts = np.array([40, 30, 20, 10])
    assert 1.6 < entropy(counts, effective=25).error / entropy(counts).error < 2.1  # sqrt(4), less the bias taken off
    assert entropy(counts, effective=25).value - entropy(counts).value == pytest.approx(3 / 50 - 3 / 200)


@given(p=distributions(5), q=distributions(5))
def test_divergences(p, q):
    q = (q + 0.01) / (q + 0.01).sum()
    assert kl_divergence(p, q).value >= 0
    assert kl_divergence(p, p).value == pytest.approx(0, abs=1e-12)
    distance = jensen_shannon(p, q).value
    assert distance == pytest.approx(jensen_shannon(q, p).value, abs=1e-12)
    assert 0 <= distance <= math.log(2) + 1e-12
    middle = (p + q) / 2
    assert distance == pytest.approx((kl_divergence(p, middle).value + kl_divergence(q, middle).value) / 2, abs=1e-9)


def test_known_divergences():
    assert kl_divergence([0.5, 0.5], [0.25, 0.75]).value == pytest.approx(0.5 * math.log(4 / 3))
    assert jensen_shannon([1.0, 0.0], [0.0, 1.0]).value == pytest.approx(math.log(2))


@given(joint=distributions(5, 4), labels=st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_data_processing_inequality_under_a_map(joint, labels):
    coarse = Map.groups(labels, coarse=3)
    fine = mutual_information_from_probabilities(joint).value
    assert mutual_information_from_probabilities(coarse.sum(joint)).value <= fine + 1e-9
    soft = Map.shares(np.array([[1.0, 0.5, 0.2, 0.0, 0.9], [0.0, 0.5, 0.8, 1.0, 0.1]]))
    assert mutual_information_from_probabilities(soft.sum(joint)).value <= fine + 1e-9


@given(joint=distributions(4, 3))
def test_exact_mutual_information_is_a_sum_of_entropies(joint):
    parts = [entropy_from_probabilities(p).value for p in (joint.sum(axis=1), joint.sum(axis=0), joint)]
    assert mutual_information_from_probabilities(joint).value == pytest.approx(
        parts[0] + parts[1] - parts[2], abs=1e-9
    )


@pytest.mark.parametrize(("draws", "states"), [(300, 3), (1000, 8)])
def test_independent_variables_share_nothing(draws, states):
    tables = [rng.multinomial(draws, np.full(states**2, states**-2)).reshape(states, states) for rng in seeds(100)]
    check([mutual_information(t) for t in tables], 0.0)


def test_mutual_information_of_dependent_counts():
    joint = np.array([[0.4, 0.1, 0.02], [0.05, 0.4, 0.03]])
    exact = mutual_information_from_probabilities(joint).value
    check([mutual_information(rng.multinomial(500, joint.ravel()).reshape(2, 3)) for rng in seeds(100)], exact)


@pytest.mark.parametrize(
    ("draw", "exact"),
    [
        (lambda rng: 3 * rng.standard_normal(600), 0.5 * math.log(2 * math.pi * math.e * 9)),
        (lambda rng: rng.random(600), 0.0),
        (lambda rng: rng.exponential(size=600), 1.0),
        (lambda rng: rng.standard_normal((600, 2)) @ [[1, 1], [0, 2]], math.log(2 * math.pi * math.e * 2)),
    ],
)
def test_entropy_of_samples(draw, exact):
    check([entropy_knn(draw(rng)) for rng in seeds(20)], exact, widest=2.5)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_mutual_information_of_gaussian_samples(correlation):
    estimates = []
    for rng in seeds(20):
        x, z = rng.standard_normal((2, 500))
        y = correlation * x + math.sqrt(1 - correlation**2) * z
        estimates.append(mutual_information_knn(x, 1000 * y))
    check(estimates, -0.5 * math.log(1 - correlation**2), widest=2.5)


def test_mutual_information_of_vectors():
    rng = np.random.default_rng(3)
    x, z = rng.standard_normal((2, 1500, 2))
    estimate = mutual_information_knn(x, 0.6 * x + 0.8 * z)
    assert abs(estimate.value + math.log(1 - 0.36)) < 4 * estimate.error
    assert estimate.error < 0.1


def test_stationary_distribution_of_known_chains():
    two = np.array([[0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_allclose(stationary_distribution(two), [0.75, 0.25])
    np.testing.assert_allclose(stationary_distribution(scipy.sparse.csr_array(two)), [0.75, 0.25])
    transient = np.array([[0.5, 0.25, 0.25], [0, 0.9, 0.1], [0, 0.3, 0.7]])
    np.testing.assert_allclose(stationary_distribution(transient), [0, 0.75, 0.25])
    np.testing.assert_allclose(stationary_distribution([[0.0, 1.0], [1.0, 0.0]]), [0.5, 0.5])  # periodic
    assert stationary_distribution([[1.0]]) == [1.0]
    rare = np.array([[1 - 1e-18, 1e-18], [1.0, 0.0]])
    assert stationary_distribution(rare)[1] == pytest.approx(1e-18, rel=1e-12)


@given(matrix=arrays(np.float64, (5, 5), elements=st.floats(0.001, 1)))
def test_stationary_distribution_is_stationary(matrix):
    transition = matrix / matrix.sum(axis=1, keepdims=True)
    p = stationary_distribution(transition)
    np.testing.assert_allclose(p @ transition, p, rtol=1e-12)
    flow = p[:, None] * transition
    told = mutual_information_from_probabilities(flow).value
    assert entropy_rate(transition).value == pytest.approx(entropy_from_probabilities(p).value - told, abs=1e-9)


def test_entropy_rate_of_known_chains():
    h = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert entropy_rate([[0.9, 0.1], [0.1, 0.9]]).value == pytest.approx(h)
    assert entropy_rate([[0.0, 1.0], [1.0, 0.0]]).value == 0
    assert entropy_rate(np.full((4, 4), 0.25)).value == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: entropy([1.5, 2.0]), "expected integers from 0 on"),
        (lambda: entropy([-1, 2]), "expected integers from 0 on"),
        (lambda: entropy([1, 0]), "1 draws give no estimate"),
        (lambda: entropy([1, 1, 1]), "none of the 3 draws fell on the same state"),
        (lambda: entropy([3, 4], effective=8), "from 2 to the 7 draws"),
        (lambda: entropy([3, 4], correction="best"), "expected one of miller-madow"),
        (lambda: entropy(["a"]), "expected integers"),
        (lambda: entropy_from_probabilities([0.5, 0.6]), "sum to 1.1, not one"),
        (lambda: entropy_from_probabilities([1.5, -0.5]), "-0.5 is negative"),
        (lambda: entropy_from_probabilities([math.nan]), "finite"),
        (lambda: kl_divergence([0.5, 0.5], [1.0, 0.0]), r"infinite: state \(1,\) has p = 0.5 but q = 0"),
        (lambda: kl_divergence([1.0], [0.5, 0.5]), "cannot be compared"),
        (lambda: jensen_shannon([1.0], [0.5, 0.5]), "cannot be compared"),
        (lambda: mutual_information([1, 2]), "joint table"),
        (lambda: mutual_information_from_probabilities([1.0]), "joint table"),
        (lambda: entropy_knn(np.arange(10.0)), "10 points are too few"),
        (lambda: entropy_knn(np.repeat(np.arange(60.0), 2)), "60 points are repeated"),
        (lambda: entropy_knn(np.full(100, np.nan)), "0 is not finite"),
        (lambda: entropy_knn(np.zeros((10, 2, 2))), r"expected \(n,\) or \(n, d\)"),
        (lambda: entropy_knn(np.arange(100.0), k=0), "neighbour from 1 on"),
        (lambda: mutual_information_knn(np.arange(100.0), np.arange(99.0)), "100 samples of x but 99 of y"),
        (lambda: stationary_distribution([[0.5, 0.4], [0, 1]]), "row 0 sums to 0.9"),
        (lambda: stationary_distribution([[0.5, 0.5]]), r"expected \(n, n\)"),
        (lambda: stationary_distribution([[2.0, -1.0], [0, 1]]), "not negative"),
        (lambda: stationary_distribution(np.eye(2)), "cannot reach each other"),
    ],
)
def test_refusals_name_the_trouble(make, says):
    with pytest.raises(ValueError, match=says):
        make()
