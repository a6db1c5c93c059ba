"""Error bars: printed as people print them, and calibrated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from kadanoff.estimates import (
    Estimate,
    bootstrap,
    bootstrap_samples,
    from_blocks,
    integrated_time,
    jackknife,
    mean,
    means,
)


def autoregressive(phi, n, columns, seed):
    """Stationary AR(1) of unit variance, (n, columns)."""
    noise = np.random.default_rng(seed).standard_normal((n, columns)) * math.sqrt(1 - phi**2)
    noise[0] /= math.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise, axis=0)


def exact_error(phi, n):
    lag = np.arange(1, n)
    return math.sqrt((1 + 2 * np.sum((1 - lag / n) * phi**lag)) / n)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.9941, 0.0052, "0.994(5)"),
        (0.99412, 0.0012, "0.9941(12)"),
        (1234.5, 56.0, "1230(60)"),
        (1234.5, 12.3, "1234(12)"),
        (12.34, 1.24, "12.3(1.2)"),
        (12.3, 3.4, "12(3)"),
        (2.5, 0.96, "2.5(1.0)"),
        (-2.6, 9.96, "-3(10)"),
        (0.3, 0.0197, "0.30(2)"),
        (0.001, 3.0, "0(3)"),
        (0.0, 0.02, "0.00(2)"),
        (-0.001, 0.02, "0.00(2)"),
        (1.2e-9, 3e-11, "1.20(3)e-9"),
        (6.022e23, 4e21, "6.02(4)e23"),
        (1e-9, 3e-7, "0(3)e-7"),
        (5.0, None, "5"),
        (0.1, None, "0.1"),
        (5.0, 0.0, "5(0)"),
    ],
)
def test_printing(value, error, text):
    assert str(Estimate(value, error)) == text
    assert str(Estimate(value, error, unit="nm")) == text + " nm"


@given(value=st.floats(-1e6, 1e6), error=st.floats(1e-6, 1e6))
def test_what_is_printed_can_be_read_back(value, error):
    text, _, power = str(Estimate(value, error)).partition("e")
    number, bracket = text.rstrip(")").split("(")
    decimals = len(number.partition(".")[2])
    shown = float(bracket) * (10.0**-decimals if "." not in bracket else 1) * 10.0 ** int(power or 0)
    assert shown == pytest.approx(error, rel=0.34)
    assert abs(float(number) * 10.0 ** int(power or 0) - value) <= shown


def test_interval_is_that_of_student():
    low, high = Estimate(1.0, 0.1, 10).interval()
    assert high - 1 == pytest.approx(0.2262157162740992)  # t of 9 degrees of freedom, tables
    assert low == pytest.approx(2 - high)
    assert Estimate(1.0, 0.1, 500, degrees=9).interval()[1] == pytest.approx(high)
    assert Estimate(1.0, 0.1).interval(0.6826894921370859)[1] == pytest.approx(1.1)
    assert Estimate.exact(2.0).interval() == (2.0, 2.0)


def test_differences_and_multiples():
    one, other = Estimate(3.0, 0.3, 10, "K", "blocks"), Estimate(1.0, 0.4, 10, "K", "blocks")
    difference = one.minus(other)
    assert (difference.value, difference.error, difference.unit) == (2.0, pytest.approx(0.5), "K")
    assert difference.degrees == pytest.approx(0.25**2 / ((0.09**2 + 0.16**2) / 9))  # Welch
    assert one.minus(Estimate.exact(1.0, "K")).degrees == pytest.approx(9)
    assert Estimate.exact(1.0).minus(Estimate.exact(3.0)).error is None
    assert one.scaled(-2.0, "kK") == Estimate(-6.0, 0.6, 10, "kK", "blocks")
    with pytest.raises(ValueError, match="cannot subtract nm from K"):
        one.minus(Estimate.exact(1.0, "nm"))


def calibration(phi, n, seeds):
    """Coverage of the 95 % interval, and the errors over the exact one."""
    exact, inside, errors = exact_error(phi, n), 0, []
    for seed in range(0, seeds, 100):
        many = means(autoregressive(phi, n, 100, (seed, 1)))
        for value, error, degrees in zip(many.value, many.error, many.degrees, strict=True):
            low, high = Estimate(value, error, degrees=degrees).interval()
            inside += low <= 0 <= high
        errors.append(many.error / exact)
    return inside / seeds, np.concatenate(errors)


def check_widths(errors):
    assert 0.9 < errors.mean() < 1.1
    assert np.quantile(errors, 0.95) < 1.3
    assert np.quantile(errors, 0.05) > 0.75


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_means_are_calibrated(phi):
    seeds = 600
    coverage, errors = calibration(phi, round(200 * (1 + phi) / (1 - phi)), seeds)
    assert abs(coverage - 0.95) < 4 * math.sqrt(0.95 * 0.05 / seeds)
    check_widths(errors)


@pytest.mark.slow
@pytest.mark.parametrize(("phi", "times"), [(0.0, 200), (0.9, 200), (0.99, 200), (0.0, 1000), (0.9, 1000)])
def test_means_are_calibrated_over_2000_seeds(phi, times):
    coverage, errors = calibration(phi, round(times * (1 + phi) / (1 - phi)), 2000)
    assert 0.93 <= coverage <= 0.97
    check_widths(errors)


def test_the_calibration_would_catch_an_error_that_ignores_correlation():
    series = autoregressive(0.9, 3800, 100, 5)
    naive = series.std(axis=0, ddof=1) / math.sqrt(len(series))
    assert np.mean(np.abs(series.mean(axis=0)) < 1.96 * naive) < 0.6


def test_a_slow_motion_under_fast_noise_is_found():
    slow = autoregressive(0.99, 20_000, 60, 1) * math.sqrt(0.1)
    series = slow + np.random.default_rng(2).standard_normal(slow.shape) * math.sqrt(0.9)
    lag = np.arange(1, 20_000)
    exact = math.sqrt((1 + 0.2 * np.sum((1 - lag / 20_000) * 0.99**lag)) / 20_000)
    ratio = means(series).error / exact  # a window that stops in the noise gives 0.3
    assert 0.75 < ratio.mean() < 1.15


@pytest.mark.parametrize("phi", [-0.5, -0.9])
def test_alternating_series_are_better_than_independent_ones(phi):
    many = means(autoregressive(phi, 4000, 100, 3))
    assert np.all(many.samples > 4000)
    assert 0.95 < many.error.mean() / exact_error(phi, 4000) < 1.4  # wide rather than narrow


def test_means_are_those_of_every_column():
    series = autoregressive(0.8, 500, 6, 4)
    many = means(series.reshape(500, 2, 3))
    assert many.error.shape == (2, 3)
    for i in range(6):
        one = mean(series[:, i], "K")
        for field in ("value", "error", "samples", "degrees"):
            assert getattr(many, field).ravel()[i] == pytest.approx(getattr(one, field), rel=1e-9)
    assert (one.unit, one.method) == ("K", "blocked autocorrelation")
    shifted = mean(3 - 2 * series[:, 0])
    first = mean(series[:, 0])
    assert shifted.value == pytest.approx(3 - 2 * first.value)
    assert shifted.error == pytest.approx(2 * first.error)


def test_constant_series_state_an_error_of_zero():
    estimate = mean(np.full(50, 0.1))
    assert (estimate.value, estimate.error, estimate.method) == (pytest.approx(0.1), 0.0, "constant series")
    many = means(np.stack([np.full(50, 0.1), np.arange(50) % 2], axis=1))
    assert many.error[0] == 0
    assert many.error[1] > 0
    assert from_blocks([2.0, 2.0, 2.0]).error == 0


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_integrated_time(phi):
    exact = (1 + phi) / (1 - phi)
    estimates = [integrated_time(autoregressive(phi, 4000, 1, seed)[:, 0]) for seed in range(60)]
    values, errors = np.array([e.value for e in estimates]), np.array([e.error for e in estimates])
    assert abs(values.mean() / exact - 1) < 0.05
    assert 0.63 < values.std() / errors.mean() < 1.37  # 4 sigma of 60 seeds
    assert estimates[0].samples == pytest.approx(4000 / estimates[0].value)


def test_jackknife_of_a_mean_is_the_textbook_error():
    data = np.random.default_rng(1).standard_normal(30)
    estimate = jackknife(np.mean, data, "K")
    plain = from_blocks(data, "K")
    assert estimate.value == pytest.approx(plain.value)
    assert estimate.error == pytest.approx(plain.error)
    assert plain.error == pytest.approx(data.std(ddof=1) / math.sqrt(30))


def test_jackknife_and_bootstrap_of_a_ratio_agree_with_the_truth():
    values = []
    for seed in range(100):
        pairs = 5 + np.random.default_rng(seed).standard_normal((50, 2))
        values.append(jackknife(lambda b: b[:, 0].mean() / b[:, 1].mean(), pairs))
    truth = np.std([v.value for v in values])
    assert np.mean([v.error for v in values]) == pytest.approx(truth, rel=0.28)  # 4 sigma of 100 seeds
    boot = bootstrap(lambda b: b[:, 0].mean() / b[:, 1].mean(), pairs, resamples=1000, seed=1)
    assert boot.error == pytest.approx(values[-1].error, rel=0.15)
    assert boot.value == values[-1].value


def test_bootstrap_of_arrays_is_reproducible():
    blocks = np.random.default_rng(0).standard_normal((40, 5))
    samples = bootstrap_samples(lambda b: b.mean(axis=0), blocks, resamples=2000, seed=3)
    assert samples.shape == (2000, 5)
    again = bootstrap_samples(lambda b: b.mean(axis=0), blocks, resamples=2000, seed=3)
    assert np.array_equal(samples, again)
    expected = blocks.std(axis=0) / math.sqrt(40)
    np.testing.assert_allclose(samples.std(axis=0), expected, rtol=5 / math.sqrt(2 * 2000))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Estimate(math.nan, 0.1), "must be finite, got nan"),
        (lambda: Estimate(math.inf, None), "must be finite, got inf"),
        (lambda: Estimate(1.0, -0.1), "error of an estimate must be finite and not negative"),
        (lambda: Estimate(1.0, math.nan), "error of an estimate must be finite"),
        (lambda: Estimate(1.0, 0.1, 1).interval(), "no degree of freedom"),
        (lambda: Estimate(1.0, 0.1).interval(95), "between 0 and 1"),
        (lambda: mean([1.0, 2.0, 3.0]), "at least 4 points"),
        (lambda: mean([1.0, 2.0, math.nan, 3.0]), "nan at point 2"),
        (lambda: mean(np.ones((5, 2))), "use `means`"),
        (lambda: mean([1j, 2j, 3j, 4j]), "real numbers"),
        (lambda: means(np.where(np.eye(5, 3) > 0, np.inf, 0)[1:]), r"inf at point \(0, 1\)"),
        (lambda: means(np.ones((5, 0))), "empty"),
        (lambda: integrated_time(np.ones(10)), "constant"),
        (lambda: from_blocks([1.0]), "at least 2 points"),
        (lambda: jackknife(np.mean, [1.0]), "at least 2 points"),
        (lambda: jackknife(lambda b: math.nan, [1.0, 2.0]), "gives nan without block 0"),
        (lambda: bootstrap(np.mean, [1.0, 2.0], resamples=1, seed=0), "at least 2 resamples"),
        (lambda: bootstrap(lambda b: b, [1.0, 2.0], seed=0), "one finite number"),
    ],
)
def test_refusals_name_the_trouble(make, says):
    with pytest.raises(ValueError, match=says):
        make()
