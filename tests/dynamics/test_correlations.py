"""Correlation functions and passage times against closed forms and plain loops."""

import numpy as np
import pytest
from exact_processes import ornstein_uhlenbeck
from scipy.integrate import trapezoid

from kadanoff.dynamics.correlations import autocorrelation, correlation, mean_square_displacement, passage_time
from kadanoff.dynamics.trajectories import trajectories


@pytest.fixture
def ragged():
    rng = np.random.default_rng(3)
    return trajectories([rng.standard_normal((n, 2)).cumsum(axis=0) for n in (900, 333, 61)], 0.5)


def test_the_kernels_equal_plain_loops(ragged):
    lags = [0, 1, 7, 60, 500]
    parts = [ragged.trajectory(i) for i in range(3)]
    other = [part[:, ::-1] + 1 for part in parts]
    curve = autocorrelation(ragged, ragged.positions, lags, blocks=5)
    cross = correlation(ragged, ragged.positions, np.concatenate(other), lags, blocks=5)
    moved = mean_square_displacement(ragged, lags, blocks=5)
    for k, lag in enumerate(lags):
        pairs = [
            (p[: len(p) - lag], q[lag:], r[lag:]) for p, q, r in zip(parts, parts, other, strict=True) if len(p) > lag
        ]
        assert curve.value[k] == pytest.approx(np.mean(np.concatenate([(a * b).sum(1) for a, b, _ in pairs])))
        assert cross.value[k] == pytest.approx(np.mean(np.concatenate([(a * c).sum(1) for a, _, c in pairs])))
        assert moved.value[k] == pytest.approx(np.mean(np.concatenate([((b - a) ** 2).sum(1) for a, b, _ in pairs])))
        assert curve.pairs[k] == sum(len(a) for a, _, _ in pairs)
    assert moved.error[0] == 0


def test_ornstein_uhlenbeck_is_found_within_its_error():
    source = ornstein_uhlenbeck(4000, 0.1, seed=1, count=40)
    lags = np.arange(0, 40, 4)
    curve = autocorrelation(source, source.positions, lags)
    apart = (curve.value - np.exp(-0.1 * lags)) / curve.error
    assert np.abs(apart).max() < 4.5
    assert np.abs(apart).max() > 0.1  # error bars are not blown up
    integral = curve.integral(2.0)
    exact = trapezoid(np.exp(-0.1 * lags[lags <= 20]), 0.1 * lags[lags <= 20])
    assert abs(integral.value - exact) < 4.5 * integral.error
    assert integral.error == pytest.approx(
        float(np.sqrt(_weights(curve) @ curve.covariance @ _weights(curve))), rel=1e-9
    )


def _weights(curve):
    keep = curve.time <= 2.0 + 1e-9
    weights = np.zeros(len(curve.time))
    step = np.diff(curve.time[keep])
    weights[: keep.sum()][:-1] += step / 2
    weights[1 : keep.sum()] += step / 2
    return weights


def test_passages_of_a_process_with_exponential_times():
    """A two-level jump process: the mean time from one level to the other is 1 / rate."""
    rng = np.random.default_rng(5)
    chance = 1 - np.exp(-0.01)
    paths = []
    for _ in range(20):
        flips = rng.random(20_000) < chance
        paths.append(np.cumsum(flips) % 2.0)
    found = passage_time(trajectories(paths, 0.01), 0.0, 1.0)
    exact = 0.01 / chance
    assert abs(found.value - exact) < 4.5 * found.error
    assert found.error == pytest.approx(exact / np.sqrt(found.samples), rel=0.5)


def test_bad_input(ragged):
    for call, words in (
        (lambda: autocorrelation(ragged, ragged.positions, [900]), "lag 900 .* beyond the data"),
        (lambda: autocorrelation(ragged, ragged.positions, [-1]), "not negative"),
        (lambda: autocorrelation(ragged, ragged.positions[1:], [1]), "does not belong"),
        (lambda: autocorrelation(ragged, np.full(ragged.frames, np.inf), [1]), "not finite at row 0"),
        (lambda: autocorrelation(ragged, ragged.positions, [890], blocks=4), "one block holds all pairs"),
        (lambda: passage_time(ragged, 1.0, 1.0), "two different levels"),
        (lambda: passage_time(ragged, 0.0, 1e9), "0 passages"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
