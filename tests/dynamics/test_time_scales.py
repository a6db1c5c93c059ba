"""Plateaus, Markov tests and the report: what has a Langevin model, and what must be refused."""

import numpy as np
import pytest
from exact_processes import linear, ornstein_uhlenbeck, oscillator
from scipy.signal import lfilter

from kadanoff.dynamics.correlations import Correlation, autocorrelation
from kadanoff.dynamics.markov_tests import Check, chapman_kolmogorov, hotelling, residuals, slowest_time
from kadanoff.dynamics.plateaus import find_plateau, running_integral
from kadanoff.dynamics.time_scales import default_lags, lag_scan, time_scale_report
from kadanoff.dynamics.trajectories import trajectories
from kadanoff.estimates import Estimate

OU = ornstein_uhlenbeck(50_000, 0.05, seed=1, count=4)


def noisy(curve, error, seed=0, blocks=32):
    """The curve with white noise of this size, and its jackknife values."""
    rng = np.random.default_rng(seed)
    blocks_of = curve + error * np.sqrt(blocks) * rng.standard_normal((blocks, len(curve)))
    mean = blocks_of.mean(axis=0)
    return mean, (blocks * mean - blocks_of) / (blocks - 1)


# --- plateaus -----------------------------------------------------------------------------------------------------


def test_a_plateau_and_its_ends():
    t = np.geomspace(0.01, 100, 49)
    value, rows = noisy((1 - np.exp(-t / 0.1)) * np.exp(-t / 300), 0.01)
    found = find_plateau(t, value, rows)
    assert found
    assert 0.1 < found.start < 0.5
    assert 10 < found.end < 100
    assert found.start <= found.core[0] < found.core[1] <= found.end
    assert abs(found.height.value - 1) < 4 * found.height.error + 0.03


@pytest.mark.parametrize(("power", "error"), [(0.3, 0.001), (-0.2, 0.001), (-0.3, 0.02)])
def test_a_power_law_has_no_plateau(power, error):
    t = np.geomspace(0.01, 100, 33)
    value, rows = noisy(t**power, error * t**power)
    found = find_plateau(t, value, rows)
    assert not found
    assert not found.undecided
    assert "% of its height or more" in found.reason


@pytest.mark.parametrize(
    "curve", [lambda t: t**0.1, lambda t: t**-0.1, lambda t: np.log1p(100 * t), lambda t: 2 - 2 / np.sqrt(1 + t)]
)
def test_a_trend_too_slow_for_a_factor_of_three_is_no_plateau_either(curve):
    """Fractional noise of H = 0.55 and 0.45, the integral of a kernel 1 / (1 + 100 t), which diverges, and that of
    (1 + t)^-3/2 on the way to its limit: all change by less than 15 % over some factor of three."""
    t = np.geomspace(0.1, 100, 49)
    found = find_plateau(t, *noisy(curve(t), 0.001 * curve(t)))
    assert not found
    assert not found.undecided
    assert "power law or a logarithm" in found.reason


def test_an_oscillating_integral_says_why_it_has_none():
    time = np.linspace(0, 100, 2001)
    rows = np.exp(-time / 5) * np.cos(3 * time) * (1 + 1e-6 * np.random.default_rng(3).standard_normal((32, 1)))
    curve = Correlation(time, rows.mean(axis=0), 1e-6 * np.ones(2001), rows, np.full(2001, 1000.0))
    found = running_integral(curve)
    assert not found.plateau
    assert "do all points lie within 15 %" in found.plateau.reason


def test_noise_is_no_plateau_but_undecided():
    t = np.geomspace(0.01, 100, 33)
    found = find_plateau(t, *noisy(np.ones(33), 0.5))
    assert not found
    assert found.undecided


@pytest.mark.parametrize("seed", range(20))
def test_a_level_curve_is_found_and_its_height_covered(seed):
    t = np.geomspace(1, 100, 17)
    found = find_plateau(t, *noisy(np.full(17, 2.0), 0.02, seed))
    assert found
    assert (found.start, found.end) == (1, 100)
    assert abs(found.height.value - 2) < 4.5 * found.height.error


def test_the_running_friction_of_a_finite_bath_is_warned_of():
    """Ohmic bath: int C rises to a plateau and stays; with a discrete spectrum it falls back to nothing."""
    t = np.linspace(0, 60, 241)
    for curve, level, falls in ((np.exp(-t), True, False), (np.exp(-t) - np.exp(-t / 12) / 12, False, True)):
        value, rows = noisy(curve, 2e-4)
        found = running_integral(Correlation(t, value, np.full(241, 2e-4), rows, np.full(241, 9.0)), 2.0)
        assert bool(found.plateau) is level
        assert bool(found.warning) is falls
        if falls:
            assert "finite or the coordinate bound" in found.warning
    with pytest.raises(ValueError, match="begins at time 0"):
        running_integral(Correlation(t + 1, value, value, rows, value))


def test_the_diffusion_of_a_bound_particle_from_its_velocities_is_warned_of():
    source = oscillator(2.0, 1.0, 4000, 0.05, seed=3, count=50)
    found = running_integral(autocorrelation(source, source.velocities, np.arange(0, 241)))
    assert not found.plateau
    assert "no transport coefficient" in found.warning


# --- tests at one lag ---------------------------------------------------------------------------------------------


def test_checks():
    assert Check("a", Estimate(0.04, 0.01), 0, 0.05).passed is True
    assert Check("a", Estimate(0.08, 0.01), 0, 0.05).passed is False
    assert Check("a", Estimate(0.08, 0.03), 0, 0.05).passed is None
    assert Check("a", Estimate(0.30, 0.03), 0, 0.05).passed is False
    assert "FAILS" in str(Check("a", Estimate(0.08, 0.01), 0, 0.05))


def test_hotelling_is_uniform_without_an_effect():
    rng = np.random.default_rng(4)
    values = []
    for _ in range(300):
        blocks = rng.standard_normal((32, 4)) @ rng.standard_normal((4, 4))
        mean = blocks.mean(axis=0)
        values.append(hotelling(mean, (32 * mean - blocks) / 31))
    assert np.histogram(values, 5, (0, 1))[0] == pytest.approx(np.full(5, 60), abs=4.5 * np.sqrt(60 * 0.8))


def test_markov_data_pass_and_their_shadows_fail():
    """An Ornstein-Uhlenbeck process passes both tests; one coordinate of a rotation in the plane fails both."""
    good = chapman_kolmogorov(OU, 4)
    assert good.check.passed
    assert np.abs(good.seen - good.predicted).max() < 0.02
    noise = residuals(OU, 4)
    assert all(check.passed for check in noise.checks)
    assert noise.p_value > 1e-3
    assert np.abs(noise.correlation / noise.error).max() < 4.5
    shadow = linear([[1.0, 3.0], [-3.0, 1.0]], np.eye(2), 4000, 0.05, seed=5, count=50)[..., :1]
    hidden = trajectories(shadow, 0.05)
    assert chapman_kolmogorov(hidden, 4).check.passed is False
    assert chapman_kolmogorov(hidden, 4).p_value < 1e-6
    wrong = residuals(hidden, 4)
    assert wrong.checks[1].passed is False
    assert wrong.p_value < 1e-6


@pytest.mark.slow
def test_both_coordinates_of_a_rotation_pass():
    whole = trajectories(linear([[1.0, 3.0], [-3.0, 1.0]], np.eye(2), 4000, 0.05, seed=5, count=50), 0.05)
    assert chapman_kolmogorov(whole, 2, tolerance=0.06).check.passed
    assert all(check.passed for check in residuals(whole, 2, bins=16).checks)


def test_residuals_equal_a_plain_loop():
    source = ornstein_uhlenbeck(3000, 0.1, seed=6)
    from kadanoff.dynamics.langevin import kramers_moyal
    from kadanoff.dynamics.trajectories import pieces

    moments = kramers_moyal(source, [2], edges=[np.linspace(-2, 2, 7)], blocks=8)
    found = residuals(source, 2, moments=moments, most=3, blocks=8)
    x, edges = source.positions[:, 0], moments.edges[0]
    kept, product, pairs = [], 0.0, 0
    for start, stop, _, block in zip(*pieces(source, 8), strict=True):
        sums = moments.sums[np.arange(8) % 2 != block % 2, 0].sum(axis=0)
        mean = sums[:, 1] / sums[:, 0]
        spread = (sums[:, 2] / sums[:, 0] - mean**2) * sums[:, 0] / (sums[:, 0] - 1)
        t = np.arange(start, min(stop, 3000 - 2))
        cell = np.floor((x[t] - edges[0]) / (edges[1] - edges[0])).astype(int)
        good = (cell >= 0) & (cell < 6)
        r = np.where(good, (x[t + 2] - x[t] - mean[cell % 6]) / np.sqrt(spread[cell % 6]), np.nan)
        kept.append(r[good])
        product += np.nansum(r[:-2] * r[2:])
        pairs += np.isfinite(r[:-2] * r[2:]).sum()
    kept = np.concatenate(kept)
    assert found.checks[0].figure.value == pytest.approx(kept.var(), rel=1e-9)
    fourth = np.mean((kept - kept.mean()) ** 4)
    assert found.checks[3].figure.value == pytest.approx(fourth / 3 / kept.var() ** 2, rel=1e-9)
    assert found.correlation[0] * kept.var() == pytest.approx(product / pairs - kept.mean() ** 2, rel=1e-2)


def test_jumps_fail_by_pawula():
    rng = np.random.default_rng(7)
    kicks = 0.05 * rng.standard_normal(100_000) + (rng.random(100_000) < 0.01) * rng.standard_normal(100_000)
    report = time_scale_report(trajectories(lfilter([1], [1, -np.exp(-0.05)], kicks), 0.05))
    assert report.plateau
    assert report.window is None
    assert report.friction is None
    assert "Pawula ratio" in report.verdict
    assert "FAIL" in str(report.tests[0].checks[4])


def test_slowest_time():
    found = slowest_time(ornstein_uhlenbeck(50_000, 0.05, seed=8, count=4), 8)
    assert abs(found.value - 1) < 4.5 * found.error
    assert found.error < 0.05
    assert slowest_time(trajectories(np.random.default_rng(1).standard_normal(20_000).cumsum(), 1.0), 8) is None


# --- the report ---------------------------------------------------------------------------------------------------


def test_a_langevin_process_gets_its_model_and_friction():
    report = time_scale_report(OU, thermal_energy=2.0, bins=30)
    assert report.window is not None
    assert report.window[0] == pytest.approx(0.05)
    assert abs(report.diffusion.value - 1) < 4.5 * report.diffusion.error
    assert report.diffusion.error < 0.02
    assert abs(report.friction.value - 2) < 4.5 * report.friction.error
    assert abs(report.persistence.value) < 4.5 * report.persistence.error
    assert report.verdict.startswith("A Langevin model holds between the lags 0.05 and")
    assert report.model.lag in report.scan.time


def test_noise_of_the_measurement_makes_the_persistence_negative_and_no_other_harm():
    rng = np.random.default_rng(9)
    seen = trajectories([OU.trajectory(i) + 0.1 * rng.standard_normal((50_000, 1)) for i in range(4)], 0.05)
    report = time_scale_report(seen)
    assert abs(report.diffusion.value - 1) < 4.5 * report.diffusion.error
    assert abs(report.persistence.value + 0.01) < 4.5 * report.persistence.error


def test_an_underdamped_particle_seen_through_its_position():
    """gamma = 20 in a harmonic well: D = the slow rate (gamma - sqrt(gamma^2 - 4)) / 2, p from the fast one, exact."""
    source = oscillator(20.0, 1.0, 10_000, 0.02, seed=10, count=60)
    report = time_scale_report(trajectories([source.trajectory(i) for i in range(60)], 0.02))
    root = np.sqrt(20.0**2 - 4)
    slow, fast = (20 - root) / 2, (20 + root) / 2
    assert abs(report.diffusion.value - slow) < 4.5 * report.diffusion.error
    assert abs(report.persistence.value - np.log(fast / (fast - slow)) / slow) < 4.5 * report.persistence.error
    assert report.window[0] > 0.15
    assert report.plateau.start > 0.1


@pytest.mark.parametrize(("friction", "stiffness"), [(2.0, 1.0), (1.0, 1.0)])
def test_without_separated_time_scales_there_is_no_model(friction, stiffness):
    source = oscillator(friction, stiffness, 20_000, 0.05, seed=11, count=20)
    report = time_scale_report(trajectories([source.trajectory(i) for i in range(20)], 0.05), thermal_energy=1.0)
    assert not report.plateau
    assert (report.window, report.model, report.diffusion, report.friction) == (None, None, None, None)
    assert "no plateau" in report.verdict.lower()
    assert not report.plateau.undecided


def test_a_hidden_slow_variable_leaves_no_model():
    """The sum of two Ornstein-Uhlenbeck processes of the times 1 and 10: short lags look like diffusion, and half of
    the coordinate is still there when a Langevin equation of its own drift has forgotten it. Seen over t and 4 t its
    correlation (e^-t + e^-t/10) / 2 has the times t / ln ..., the bound of the figure from below."""
    fast = ornstein_uhlenbeck(100_000, 0.02, seed=21, count=4)
    slow = ornstein_uhlenbeck(100_000, 0.02, seed=22, rate=0.1, diffusion=0.1, count=4)
    both = [fast.trajectory(i) + slow.trajectory(i) for i in range(4)]
    report = time_scale_report(trajectories(both, 0.02), thermal_energy=1.0)
    assert report.plateau
    assert (report.window, report.model, report.diffusion, report.friction) == (None, None, None, None)
    assert "does not relax at one rate" in report.verdict
    t = min(report.plateau.end, report.slowest.value / 2)
    seen = [n * t / -np.log((np.exp(-n * t) + np.exp(-n * t / 10)) / 2) for n in (1, 4)]
    # Gaussian: the second eigenfunction of every propagator is x itself
    assert abs(report.relaxation.figure.value - seen[1] / seen[0]) < 4.5 * report.relaxation.figure.error + 0.02
    control = time_scale_report(fast)
    assert abs(control.relaxation.figure.value - 1) < 4.5 * control.relaxation.figure.error
    assert control.relaxation.passed is True


def test_a_walk_without_a_stationary_state():
    walk = trajectories(0.1 * np.random.default_rng(12).standard_normal(100_000).cumsum() + 3e-4 * np.arange(1e5), 1.0)
    report = time_scale_report(walk, stationary=False)
    assert abs(report.diffusion.value - 0.005) < 4.5 * report.diffusion.error
    assert report.slowest is None
    with pytest.raises(ValueError, match="shorter than its slowest time scale, or it has no stationary state"):
        time_scale_report(walk)


@pytest.mark.parametrize("seed", range(8))
def test_data_as_short_as_their_slowest_time_are_refused(seed):
    with pytest.raises(ValueError, match=r"slowest time scale"):
        time_scale_report(ornstein_uhlenbeck(1000, 0.003, seed=seed))


def test_rounded_data_and_far_points():
    x = OU.trajectory(0)
    with pytest.raises(ValueError, match="rounded more coarsely"):
        time_scale_report(trajectories(np.round(4 * x) / 4, 0.05))
    far = x.copy()
    far[777] = 1e4
    assert slowest_time(trajectories(far, 0.05), 8).value == pytest.approx(1, abs=0.2)


def test_scan_needs_and_gives():
    assert default_lags(OU).max() <= OU.frames // 320
    with pytest.raises(ValueError, match="two lags"):
        lag_scan(OU, [3])
    scan = lag_scan(OU, [1, 2, 4])
    assert scan.apparent == pytest.approx((1 - np.exp(-scan.time)) / scan.time, abs=0.02)
    assert np.all(scan.corrected > scan.apparent)
