"""Kramers-Moyal: kernels against loops, closed forms of finite lags, multiplicative noise, rotation, error bars."""

import numpy as np
import pytest
from exact_processes import linear, ornstein_uhlenbeck, oscillator
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.langevin import (
    einstein_friction,
    fit_overdamped,
    fitted_passage_time,
    kramers_moyal,
    persistence_factor,
    potential_of_mean_force,
)
from kadanoff.dynamics.models import OverdampedModel, mean_first_passage_time
from kadanoff.dynamics.trajectories import trajectories
from kadanoff.dynamics.underdamped import fit_underdamped
from kadanoff.estimates import Estimate


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_kernels_equal_plain_numpy(dimensions):
    rng = np.random.default_rng(dimensions)
    source = trajectories([rng.standard_normal((n, dimensions)).cumsum(axis=0) * 0.1 for n in (5000, 2500)], 1.0)
    lags = [1, 3, 40]
    moments = kramers_moyal(source, lags, bins=6, blocks=4)
    low, width = [e[0] for e in moments.edges], [e[1] - e[0] for e in moments.edges]
    for k, lag in enumerate(lags):
        x = np.concatenate([source.trajectory(i)[:-lag] for i in range(2)])
        d = np.concatenate([source.trajectory(i)[lag:] - source.trajectory(i)[:-lag] for i in range(2)])
        place = np.floor((x - low) / width).astype(int)
        inside = np.all((place >= 0) & (place < 6), axis=1)
        cell = np.ravel_multi_index(tuple(place[inside].T), moments.shape)
        columns = [np.ones(inside.sum()), *d[inside].T]
        columns += [d[inside, i] * d[inside, j] for i in range(dimensions) for j in range(i, dimensions)]
        columns += [*(d[inside] ** 3).T, *(d[inside] ** 4).T]
        expected = np.stack([np.bincount(cell, one, minlength=6**dimensions) for one in columns], axis=1)
        assert np.allclose(moments.sums[:, k].sum(axis=0), expected, rtol=1e-10, atol=1e-10)
        with np.errstate(invalid="ignore"):
            assert np.allclose(
                moments.moment(4, k).reshape(-1, dimensions),
                expected[:, -dimensions:] / expected[:, :1],
                equal_nan=True,
            )


def test_one_pass_over_many_lags_and_blocks_gives_the_same_sums():
    source = ornstein_uhlenbeck(4000, 0.1, seed=2, count=3)
    edges = [np.linspace(-2, 2, 9)]
    whole = kramers_moyal(source, [2, 9], edges=edges, blocks=7)
    assert np.allclose(
        whole.sums[:, 1].sum(axis=0), kramers_moyal(source, [9], edges=edges, blocks=2).sums[:, 0].sum(0)
    )
    rows = whole.rows(0)
    assert np.allclose(rows[0] - rows[3], whole.sums[2, 0])


@pytest.mark.parametrize("lag", [1, 5, 10])
def test_ornstein_uhlenbeck_at_finite_lags(lag):
    """The slope of <d>/t is -(1 - e^-gt)/t and var/2t is D (1 - e^-2gt)/2gt as they stand; corrected, -g and D."""
    source = ornstein_uhlenbeck(50_000, 0.1, seed=lag, count=8)
    moments = kramers_moyal(source, [lag], bins=24)
    t = 0.1 * lag
    plain, fitted = moments.model(corrected=False), moments.model()
    x = plain.centres[0]
    for model, slope, diffusion in (
        (plain, -(1 - np.exp(-t)) / t, (1 - np.exp(-2 * t)) / (2 * t)),
        (fitted, -1.0, 1.0),
    ):
        drift = (model.drift[:, 0] - slope * x) / model.drift_error[:, 0]
        spread = (model.diffusion[:, 0, 0] - diffusion) / model.diffusion_error[:, 0, 0]
        inner = slice(3, -3)
        assert np.abs(drift[inner]).max() < 4.5
        assert np.abs(spread[inner]).max() < 4.5
        assert drift[inner].std() > 0.3  # the error bars are not blown up
    wrong = (plain.drift[:, 0] + x) / plain.drift_error[:, 0]
    assert lag == 1 or np.abs(wrong[2:-2]).max() > 10  # as it stands it is not the drift


def test_errors_fall_as_one_over_the_root_of_the_data():
    few = kramers_moyal(ornstein_uhlenbeck(16_000, 0.1, seed=3), [1], edges=[np.linspace(-2, 2, 9)]).model()
    many = kramers_moyal(ornstein_uhlenbeck(16_000, 0.1, seed=4, count=16), [1], edges=[np.linspace(-2, 2, 9)]).model()
    assert np.median(few.drift_error / many.drift_error) == pytest.approx(4.0, rel=0.2)
    assert np.median(few.diffusion_error / many.diffusion_error) == pytest.approx(4.0, rel=0.25)


def test_error_bars_cover():
    """Of 200 runs, the interval of one standard error covers the truth in 68 %, that of two in 95 %."""
    edges = [np.linspace(-1.5, 1.5, 7)]
    drift, diffusion = [], []
    for seed in range(200):
        model = kramers_moyal(ornstein_uhlenbeck(8000, 0.1, seed=1000 + seed), [2], edges=edges).model()
        drift.append((model.drift[1:-1, 0] + model.centres[0][1:-1]) / model.drift_error[1:-1, 0])
        diffusion.append((model.diffusion[1:-1, 0, 0] - 1) / model.diffusion_error[1:-1, 0, 0])
    for z in (np.array(drift), np.array(diffusion)):
        # 800 numbers, about 200 of them independent: 4 sigma of the binomial share
        assert abs(np.mean(np.abs(z) < 1) - 0.67) < 4 * np.sqrt(0.67 * 0.33 / 200)
        assert abs(np.mean(np.abs(z) < 2) - 0.945) < 4 * np.sqrt(0.945 * 0.055 / 200)


def test_persistence_of_an_underdamped_particle():
    """A free underdamped particle shows 1 - (1 - e^-gt)/gt of its D, exactly; `persistence` puts it back."""
    friction = 20.0
    source = oscillator(friction, 1e-6, 20_000, 0.002, seed=5, count=50)
    source = trajectories([source.trajectory(i) - source.trajectory(i)[0] for i in range(50)], 0.002)
    moments = kramers_moyal(source, [1, 5, 25, 100], bins=4)
    for i, (t, share) in enumerate(zip(moments.time, (0.020, 0.094, 0.368, 0.755), strict=True)):
        assert persistence_factor(t, 1 / friction) == pytest.approx(share, abs=6e-4)
        apparent = friction * moments.mean_diffusion(i, corrected=False)
        error = np.sqrt(31 * apparent[1:].var())
        assert abs(apparent[0] - persistence_factor(t, 1 / friction)) < 4.5 * error
        back = friction * moments.mean_diffusion(i, corrected=False, persistence=1 / friction)
        assert abs(back[0] - 1) < 4.5 * np.sqrt(31 * back[1:].var())
    assert persistence_factor(1.0, 0.0) == 1
    assert persistence_factor(1.0, -0.1) == pytest.approx(1.1)


def test_what_the_corrections_leave():
    """For a cubic drift the exact <d> and var(d) are known by a fine Fokker-Planck grid: as it stands the drift is off
    by the first power of the lag, of which the correction leaves less than a seventh (what a parabola makes of a
    cubic in the window of the fit)."""
    edges = np.linspace(-3, 3, 401)
    x = (edges[1:] + edges[:-1]) / 2
    width = edges[1] - edges[0]
    right = np.exp(-0.5 * np.diff(x**4 / 4 + x**2 / 2)) / width**2
    left = np.exp(0.5 * np.diff(x**4 / 4 + x**2 / 2)) / width**2
    rates = np.diag(right, 1) + np.diag(left, -1)
    rates -= np.diag(rates.sum(axis=1))
    from scipy.linalg import expm

    plain, corrected = [], []
    for lag in (0.005, 0.01, 0.02):
        step = expm(rates * lag)
        source = trajectories(np.zeros(8) + np.arange(8), lag)
        moments = kramers_moyal(source, [1], edges=[edges], blocks=2)
        d = x[None, :] - x[:, None]
        weight = np.exp(-(x**4) / 4 - x**2 / 2)
        powers = np.stack([np.sum(step * d**k, axis=1) for k in range(5)], axis=1) * 1e6 * weight[:, None]
        moments.sums[:, 0] = powers / 2
        middle = slice(150, 250)
        truth = (-(x**3) - x)[middle]
        plain.append(np.abs(moments.coefficients(corrected=False)[0][0, middle, 0] - truth).max())
        corrected.append(np.abs(moments.coefficients()[0][0, middle, 0] - truth).max())
    assert plain[1] / plain[0] == pytest.approx(2, rel=0.05)
    assert plain[2] / plain[1] == pytest.approx(2, rel=0.05)
    first_order = (4 * corrected[0] - corrected[1]) / (4 * plain[0] - plain[1])  # second order extrapolated away
    assert first_order < 1 / 7
    assert corrected[2] < plain[2] / 5


def test_multiplicative_noise_of_a_geometric_brownian_motion():
    """dx = mu x dt + sigma x dW (Ito): a = mu x, D = sigma^2 x^2 / 2."""
    rng = np.random.default_rng(6)
    mu, sigma, t = 0.5, 0.3, 0.01
    logs = rng.normal((mu - sigma**2 / 2) * t, sigma * np.sqrt(t), (2000, 200)).cumsum(axis=1)
    source = trajectories(np.exp(logs)[..., None], t)
    model = kramers_moyal(source, [1], edges=[np.linspace(0.6, 3.0, 13)]).model()
    # frames are not evenly spread in a cell: what is found is the mean over them
    frames = np.concatenate([source.trajectory(i)[:-1, 0] for i in range(len(source))])
    count, first, second = (np.histogram(frames, model.edges[0], weights=frames**k)[0] for k in range(3))
    z = (model.drift[:, 0] - mu * first / count) / model.drift_error[:, 0]
    assert np.abs(z).max() < 4.5
    z = (model.diffusion[:, 0, 0] - sigma**2 / 2 * second / count) / model.diffusion_error[:, 0, 0]
    assert np.abs(z).max() < 4.5
    assert model.diffusion[-1, 0, 0] > 8 * model.diffusion[0, 0, 0]


@pytest.mark.parametrize("lag", [1, 6])
def test_two_coordinates_with_rotation(lag):
    """Coupled, with a current that turns: drift -A x with its antisymmetric part, and a full D, at a finite lag."""
    matrix, noise = np.array([[1.0, 2.0], [-2.0, 1.0]]), np.array([[1.0, 0.3], [0.3, 0.5]])
    source = trajectories(linear(matrix, noise, 4000, 0.05, seed=7, count=100), 0.05)
    moments = kramers_moyal(source, [lag], bins=24)
    model = moments.model()
    x = np.stack(np.meshgrid(*model.centres, indexing="ij"), axis=-1)
    known = model.supported & (np.sum((x / np.sqrt([1.0, 0.6])) ** 2, axis=-1) < 3)
    z = (model.drift + np.einsum("ij,xyj->xyi", matrix, x))[known] / model.drift_error[known]
    assert np.abs(z).max() < 5
    assert z.std() < 1.5
    spread = (model.diffusion - noise)[known] / model.diffusion_error[known]
    assert np.abs(spread).max() < 5
    assert abs(spread.mean()) < 0.6
    if lag == 6:  # as it stands, the drift turns by too little
        plain = moments.model(corrected=False)
        assert np.abs((plain.drift + np.einsum("ij,xyj->xyi", matrix, x))[known] / plain.drift_error[known]).max() > 10


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([1e-12, 1e-6, 0.1, 0.7, 3.0, 1e6, 1e12]), st.floats(-5.0, 5.0))
def test_scale_and_shift_of_the_coordinate(scale, shift):
    """x -> s x + c: drift times s, diffusion times s^2, the same PMF."""
    source = ornstein_uhlenbeck(3000, 0.2, seed=8)
    edges = np.linspace(-2, 2, 9)
    moved = trajectories(scale * (source.positions + shift), 0.2)
    first, second = (
        kramers_moyal(source, [2], edges=[edges]),
        kramers_moyal(moved, [2], edges=[scale * (edges + shift)]),
    )
    assume(np.array_equal(first.sums[..., 0], second.sums[..., 0]))  # a frame on an edge may change cells by rounding
    a, b = first.model(), second.model()
    assert np.allclose(b.drift / scale, a.drift, equal_nan=True, rtol=1e-6, atol=1e-9)
    assert np.allclose(b.diffusion / scale**2, a.diffusion, equal_nan=True, rtol=1e-6)


def test_smoothing_is_the_estimator_of_nadaraya_and_watson():
    """With a bandwidth each cell is a weighted mean over frames' cells; in a narrow window that of one cell."""
    source = ornstein_uhlenbeck(20_000, 0.1, seed=9)
    moments = kramers_moyal(source, [1], edges=[np.linspace(-2, 2, 41)])
    drift, _, count = moments.coefficients(bandwidth=0.35, corrected=False)
    x = (moments.edges[0][1:] + moments.edges[0][:-1]) / 2
    total = moments.sums[:, 0].sum(axis=0)
    weight = np.maximum(1 - ((x[:, None] - x) / 0.35) ** 2, 0)
    assert np.allclose(drift[0, :, 0], weight @ total[:, 1] / (weight @ total[:, 0]) / 0.1)
    assert np.allclose(count[0], weight @ total[:, 0])
    assert np.allclose(moments.coefficients(bandwidth=0.05)[0], moments.coefficients()[0])
    with pytest.raises(ValueError, match="bandwidth is positive"):
        moments.coefficients(bandwidth=0.0)


def test_potential_of_mean_force():
    found = potential_of_mean_force(
        ornstein_uhlenbeck(50_000, 0.1, seed=10, count=10), edges=[np.linspace(-2.5, 2.5, 21)]
    )
    x = (found.edges[0][1:] + found.edges[0][:-1]) / 2
    lowest = np.nanargmin(found.energy)
    exact = -np.log(np.diff(_normal_cdf(found.edges[0])))
    z = (found.energy - (exact - exact[lowest]))[np.arange(20) != lowest] / found.error[np.arange(20) != lowest]
    assert np.abs(z).max() < 4.5
    assert found.energy[lowest] == 0
    assert len(x) == 20


def _normal_cdf(x):
    from scipy.special import ndtr

    return ndtr(x)


def test_einstein():
    assert einstein_friction(Estimate(0.5, 0.01), 2.0).value == 4.0
    assert einstein_friction(Estimate(0.5, 0.01), 2.0).error == pytest.approx(0.08)
    with pytest.raises(ValueError, match="within its noise"):
        einstein_friction(Estimate(0.5, 0.2), 2.0)
    with pytest.raises(ValueError, match="kT is positive"):
        einstein_friction(Estimate(0.5, 0.01), 0.0)


def test_models_are_kept_and_read_back(tmp_path):
    model = fit_overdamped(ornstein_uhlenbeck(5000, 0.1, seed=11), 1, bins=9)
    for name in ("a.npz", "a.json"):
        model.save(tmp_path / name)
        again = OverdampedModel.load(tmp_path / name)
        assert np.array_equal(again.drift, model.drift, equal_nan=True)
        assert np.array_equal(again.diffusion_error, model.diffusion_error, equal_nan=True)
        assert (again.lag, again.edges[0].tolist()) == (model.lag, model.edges[0].tolist())
    with pytest.raises(ValueError, match="saved as"):
        model.save(tmp_path / "a.txt")


def test_passage_time_by_quadrature():
    """A harmonic well from 0 to 1 (Gardiner): int_0^1 sqrt(2 pi) e^(y^2/2) Phi(y) dy; and a linear slope, exact."""
    from scipy.integrate import quad
    from scipy.special import ndtr

    exact = quad(lambda y: np.sqrt(2 * np.pi) * np.exp(y * y / 2) * ndtr(y), 0, 1)[0]
    well = OverdampedModel.from_functions(np.linspace(-8, 8, 801), lambda x: -x, lambda x: 1 + 0 * x)
    assert mean_first_passage_time(well, 0.0, 1.0) == pytest.approx(exact, rel=1e-4)
    assert mean_first_passage_time(well, 0.0, -1.0) == pytest.approx(exact, rel=1e-4)
    slope = OverdampedModel.from_functions(np.linspace(-30, 3, 1001), lambda x: 2 + 0 * x, lambda x: 0.5 + 0 * x)
    assert mean_first_passage_time(slope, 0.0, 2.0) == pytest.approx(1.0, rel=1e-3)
    # multiplicative noise, Ito: a = 0, D = x^2: T(1 -> 2) above a reflecting wall at 1/2 is 2 ln 2 ... by hand
    free = OverdampedModel.from_functions(np.linspace(0.5, 3, 2001), lambda x: 0 * x, lambda x: x * x)
    by_hand = quad(lambda y: 2.0 - 1 / y, 1, 2)[0]
    assert mean_first_passage_time(free, 1.0, 2.0) == pytest.approx(by_hand, rel=1e-3)
    with pytest.raises(ValueError, match="not from 0 to 9"):
        mean_first_passage_time(well, 0.0, 9.0)
    source = ornstein_uhlenbeck(100_000, 0.05, seed=12, count=4)
    fitted = fitted_passage_time(kramers_moyal(source, [4], bins=40), 0, 0.0, 1.0)
    assert abs(fitted.value - exact) < 4.5 * fitted.error
    assert fitted.error < 0.1 * exact


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: kramers_moyal(s, [0]), "at least"),
        (lambda s: kramers_moyal(s, [999]), "lag 999 .* beyond the data"),
        (lambda s: kramers_moyal(s, [1.5]), "whole numbers"),
        (lambda s: kramers_moyal(s, [1], bins=1), "2 or more"),
        (lambda s: kramers_moyal(s, [1], edges=[[0.0, 1.0, 3.0]]), "evenly spaced"),
        (lambda s: kramers_moyal(s, [1], edges=[np.linspace(0, 1, 9)] * 2), "1 coordinates, the grid 2"),
        (lambda s: kramers_moyal(s, np.arange(1, 400), bins=20_000), "GB: take fewer"),
        (lambda s: kramers_moyal(s, [1], bins=400).model(), "no cell has"),
        (lambda s: kramers_moyal(trajectories(np.ones(50), 1.0), [1]), "does not move"),
    ],
)
def test_bad_requests(call, words):
    with pytest.raises(ValueError, match=words):
        call(ornstein_uhlenbeck(500, 0.1, seed=13))


def test_noise_of_the_positions_is_no_temperature():
    """Noise of 0.01 at frames 0.05 apart adds 2 (0.01 / 0.05)^2 = 0.08 to <w w> = 1, but more than that to its steps:
    kT / m came out as 2.5. At four frames it is right."""
    source = oscillator(4.0, 1.0, 4000, 0.05, seed=1, count=8)
    rng = np.random.default_rng(0)
    clean = [source.trajectory(i) for i in range(8)]
    noisy = trajectories([x + 0.01 * rng.standard_normal(x.shape) for x in clean], 0.05)
    with pytest.raises(ValueError, match="noise of the positions"):
        fit_underdamped(noisy)
    for series, lag in ((noisy, 4), (trajectories(clean, 0.05), 1)):
        _, friction, thermal = fit_underdamped(series, lag)
        assert abs(friction.value - 4) < 4.5 * friction.error
        assert abs(thermal.value - 1) < 4.5 * thermal.error
