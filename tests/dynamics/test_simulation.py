"""Simulators against closed forms: exact marginals, orders of convergence, passage times; and the underdamped fit."""

import numpy as np
import pytest
from exact_processes import ornstein_uhlenbeck, oscillator

from kadanoff.dynamics._kernels.kramers_moyal import pair_counts, velocity_moments
from kadanoff.dynamics.correlations import passage_time
from kadanoff.dynamics.klein_kramers import position_moments
from kadanoff.dynamics.models import OverdampedModel, UnderdampedModel, mean_first_passage_time
from kadanoff.dynamics.simulation import compare, simulate_overdamped, simulate_underdamped
from kadanoff.dynamics.trajectories import trajectories
from kadanoff.dynamics.underdamped import fit_underdamped
from kadanoff.estimates import from_blocks
from kadanoff.random import normal

EDGES = np.linspace(-8, 8, 161)
WELL = OverdampedModel.from_functions(EDGES, lambda x: -x, lambda x: 1 + 0 * x)
HEAVY = UnderdampedModel.from_functions(EDGES, lambda x: -x, 0.7, 0.7)


def variance_of(paths, burn):
    """Mean of x^2 over walkers after `burn` frames, with its error."""
    return from_blocks([np.mean(paths.trajectory(i)[burn:] ** 2) for i in range(len(paths))])


def test_the_overdamped_kernel_equals_a_plain_loop():
    model = OverdampedModel.from_functions(np.linspace(-2, 2, 9), lambda x: -x + x**3 / 9, lambda x: 1 + x**2 / 4)
    x, c = 0.3, model.centres[0]
    a, b = model.drift[:, 0], np.sqrt(2 * model.diffusion[:, 0, 0])
    for scheme in ("euler", "milstein"):
        found = simulate_overdamped(model, [1.0, x], 24, 0.05, every=2, seed=7, scheme=scheme).trajectory(1)[:, 0]
        y, plain = x, [x]
        for step in range(24):
            xi = normal(7, 40, step // 2, 1)[step % 2]
            left = int(np.clip(np.searchsorted(c, y) - 1, 0, len(c) - 2))
            rise = (b[left + 1] - b[left]) / (c[1] - c[0]) if c[0] <= y <= c[-1] else 0.0
            move = np.interp(y, c, a) * 0.05 + np.interp(y, c, b) * np.sqrt(0.05) * xi
            if scheme == "milstein":
                move += 0.5 * np.interp(y, c, b) * rise * 0.05 * (xi**2 - 1)
            y += move
            y = 4 - y if y > 2 else -4 - y if y < -2 else y
            plain.append(y)
        if scheme == "euler" or np.all(np.abs(plain) < c[-1]):
            assert found == pytest.approx(np.array(plain[::2]), rel=1e-12)


def test_a_walker_goes_the_same_way_whatever_the_others_do():
    many = simulate_underdamped(HEAVY, np.zeros(5), np.zeros(5), 64, 0.1, seed=3)
    few = simulate_underdamped(HEAVY, np.zeros(2), np.zeros(2), 64, 0.1, every=4, seed=3)
    assert np.array_equal(many.trajectory(1)[::4], few.trajectory(1))
    assert not np.array_equal(many.trajectory(0), many.trajectory(1))
    plane = OverdampedModel((EDGES, EDGES), *_plane())
    more, less = (simulate_overdamped(plane, np.zeros((k, 2)), 64, 0.1, seed=3) for k in (4, 2))
    assert np.array_equal(more.trajectory(1), less.trajectory(1))


def _plane(turn=2.0):
    x, y = np.meshgrid((EDGES[1:] + EDGES[:-1]) / 2, (EDGES[1:] + EDGES[:-1]) / 2, indexing="ij")
    drift = np.stack([-x - turn * y, turn * x - y], axis=-1)
    return drift, np.broadcast_to(np.eye(2), (*x.shape, 2, 2)).copy()


def test_euler_in_a_harmonic_well_is_off_by_the_known_amount():
    """Its stationary variance is 1 / (1 - h/2) exactly: weak order 1."""
    for h in (0.1, 0.4):
        paths = simulate_overdamped(WELL, np.zeros(200), 4000, h, seed=1)
        found = variance_of(paths, 100)
        assert abs(found.value - 1 / (1 - h / 2)) < 4.5 * found.error
    assert abs(found.value - 1) > 10 * found.error


def test_euler_in_the_plane_keeps_the_rotation():
    paths = simulate_overdamped(OverdampedModel((EDGES, EDGES), *_plane()), np.zeros((200, 2)), 4000, 0.01, seed=2)
    areas = [np.mean(p[50:-1, 0] * p[51:, 1] - p[50:-1, 1] * p[51:, 0]) for p in map(paths.trajectory, range(200))]
    found = from_blocks(areas)
    # <x dy - y dx> = 2 h turn <x^2>, <x^2> = 1 / (1 - h (1 + turn^2) / 2) of the scheme
    exact = 2 * 0.01 * 2.0 / (1 - 0.01 * 5 / 2)
    assert abs(found.value - exact) < 4.5 * found.error
    assert found.error < 0.05 * exact


def test_milstein_is_of_strong_order_one_and_euler_of_a_half():
    """dx = sigma x dW against x e^(-sigma^2 t/2 + sigma W) with the same W; linear tables are exact for it."""
    sigma, walkers = 0.4, 400
    model = OverdampedModel.from_functions(np.linspace(0, 60, 601), lambda x: 0 * x, lambda x: sigma**2 * x**2 / 2)
    errors = {}
    for scheme in ("euler", "milstein"):
        for steps in (16, 64):
            h = 1.0 / steps
            end = simulate_overdamped(model, np.full(walkers, 7.0), steps, h, every=steps // 4, seed=4, scheme=scheme)
            wiener = np.array([
                sum(normal(4, 40, s // 2, w)[s % 2] for s in range(steps)) * np.sqrt(h) for w in range(walkers)
            ])  # fmt: skip
            exact = 7.0 * np.exp(sigma * wiener - sigma**2 / 2)
            last = np.array([end.trajectory(w)[-1, 0] for w in range(walkers)])
            errors[scheme, steps] = np.sqrt(np.mean((last - exact) ** 2))
    assert errors["euler", 16] / errors["euler", 64] == pytest.approx(2, rel=0.35)
    assert errors["milstein", 16] / errors["milstein", 64] == pytest.approx(4, rel=0.35)
    assert errors["milstein", 64] < errors["euler", 64] / 3


def test_baoab_is_exact_in_the_positions_of_a_harmonic_well():
    """<x^2> = kT / k at any step, <v^2> = kT / m (1 - (omega h)^2 / 4) (Leimkuhler and Matthews, 2013)."""
    for h in (0.2, 1.0, 1.5):
        paths = simulate_underdamped(HEAVY, np.zeros(400), None, 4000, h, seed=5)
        x = variance_of(paths, 200)
        v = from_blocks(np.mean(paths.velocities.reshape(400, -1)[:, 200:] ** 2, axis=1))
        assert abs(x.value - 1) < 4.5 * x.error
        assert abs(v.value - (1 - h**2 / 4)) < 4.5 * v.error
        assert x.error < 0.004


def test_baoab_is_of_second_order():
    """Without noise and friction it is velocity Verlet: the phase error of an oscillation falls as h^2."""
    quiet = UnderdampedModel.from_functions(EDGES, lambda x: -x, 0.0, 0.0)
    errors = []
    for steps in (32, 64, 128):
        end = simulate_underdamped(quiet, [1.0], [0.0], steps, 4.0 / steps, seed=1).trajectory(0)[-1, 0]
        errors.append(abs(end - np.cos(4.0)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


@pytest.mark.slow
def test_first_passages_equal_the_quadrature():
    step = 0.0004
    paths = simulate_overdamped(WELL, np.zeros(64), 250_000, step, every=5, seed=6)
    found = passage_time(paths, 0.0, 1.0)
    # a walker seen every h passes a level that lies 0.5826 sqrt(2 D h) further (Siegmund, 1985): the start's level too
    shift = 0.5826 * np.sqrt(2 * 5 * step)
    exact = mean_first_passage_time(WELL, -shift, 1.0 + shift)
    assert abs(found.value - exact) < 4.5 * found.error
    assert found.error < 0.03 * exact


def test_klein_kramers_in_a_harmonic_well():
    """<d|x> = (c(t) - 1) x and <d^2> = 2 (1 - c(t)), c the position autocorrelation of the damped oscillator."""
    times = np.array([0.01, 0.1, 1.0])
    x, weight, mean, square = position_moments(lambda y: y * y / 2, 5.0, times, low=-6, high=6, cells=160)
    fast, slow = (5 + np.sqrt(21)) / 2, (5 - np.sqrt(21)) / 2
    c = (fast * np.exp(-slow * times) - slow * np.exp(-fast * times)) / (fast - slow)
    near = np.abs(x) < 2
    assert mean[:, near] == pytest.approx((c - 1)[:, None] * x[near], rel=1e-3, abs=1e-7)
    assert square @ weight == pytest.approx(2 * (1 - c), rel=1e-3)
    errors = []
    for cells in (40, 80):
        _, weight, _, square = position_moments(lambda y: y * y / 2, 5.0, times, low=-6, high=6, cells=cells)
        errors.append(abs((square @ weight)[2] - 2 * (1 - c[2])))
    assert errors[0] / errors[1] > 3.7  # second order at least; for this well and mean it is the fourth
    with pytest.raises(ValueError, match="increasing"):
        position_moments(lambda y: y, 1.0, [1.0, 0.5], low=-1, high=1)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(("friction", "lag"), [(1.0, 1), (1.0, 4), (6.0, 2)])
def test_underdamped_fit(given, friction, lag):
    """gamma, B = gamma kT and f = -k x of an oscillator sampled exactly, from velocities and from positions alone."""
    source = oscillator(friction, 0.5, 4000, 0.05, seed=int(10 * friction) + lag, count=100)
    if not given:
        source = trajectories([source.trajectory(i) for i in range(100)], 0.05)
    model, gamma, thermal = fit_underdamped(source, lag, bins=20)
    # the force along the way is known to first order: its square is left, (k t^2)^2
    slack = (0.5 * (0.05 * lag) ** 2 * friction, 0.5 * (0.05 * lag) ** 2)
    assert abs(gamma.value - friction) < 4.5 * gamma.error + slack[0]
    assert abs(thermal.value - 1) < 4.5 * thermal.error + slack[1]
    assert gamma.error < 0.03 * friction
    known = model.supported
    known[[0, 1, -2, -1]] = False
    assert np.abs((model.acceleration + 0.5 * model.centres) / model.acceleration_error)[known].max() < 5
    assert np.abs((model.noise - friction)[known] / np.hypot(model.noise_error[known], slack[0])).max() < 5


def test_the_plain_regression_of_differences_gives_two_thirds():
    """What the instrument is for: regressing w_{t+1} on w_t finds 2/3 of the friction (Pedersen et al., 2016)."""
    source = oscillator(1.0, 1e-6, 4000, 0.02, seed=9, count=100)
    x = np.stack([source.trajectory(i)[:, 0] for i in range(100)])
    w = np.diff(x, axis=1) / 0.02
    plain = -np.log(np.sum(w[:, :-1] * w[:, 1:]) / np.sum(w[:, :-1] ** 2)) / 0.02
    assert plain == pytest.approx(2 / 3, abs=0.05)
    _, gamma, _ = fit_underdamped(trajectories(list(x), 0.02), 1, bins=8)
    assert abs(gamma.value - 1) < 4.5 * gamma.error


def test_comparison_of_a_model_with_itself_and_with_another():
    start = np.random.default_rng(1).standard_normal(40)
    first, second = (simulate_overdamped(WELL, start, 40_000, 0.01, every=20, seed=seed) for seed in (1, 2))
    other = OverdampedModel.from_functions(EDGES, lambda x: -1.3 * x, lambda x: 1.3 + 0 * x)
    slower = simulate_overdamped(other, start, 40_000, 0.01, every=20, seed=3)
    same, different = (compare(first, one, [1, 2, 5], [(0.0, 1.0)]) for one in (second, slower))

    def apart(pair):
        return np.abs((pair[0].value - pair[1].value) / np.hypot(pair[0].error, pair[1].error)).max()

    assert apart(same.displacement) < 4.5
    assert apart(same.velocity) < 4.5
    assert apart(different.displacement) > 10
    _, _, fine, effective = same.passages[0]
    assert abs(fine.value - effective.value) < 4.5 * np.hypot(fine.error, effective.error)
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(first, first.thinned(2), [1])
    assert compare(first, second, [1], [(0.0, 1e9)]).passages[0][2:] == (None, None)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: simulate_overdamped(WELL, [9.0], 9, 0.1, seed=1),
            "walker 0 begins at .*, where the model has no data",
        ),
        (lambda: simulate_overdamped(WELL, [np.nan], 9, 0.1, seed=1), "finite positions"),
        (lambda: simulate_overdamped(WELL, [0.0], 9, 0.1, every=2, seed=1), "cannot be run"),
        (lambda: simulate_overdamped(WELL, [0.0], 2, 0.1, seed=1), "4 are needed"),
        (lambda: simulate_overdamped(WELL, [0.0], 9, 0.1, seed=1, scheme="heun"), "the scheme is"),
        (lambda: simulate_underdamped(HEAVY, [0.0], [0.0, 1.0], 9, 0.1, seed=1), "1 finite velocities"),
        (lambda: fit_underdamped(trajectories(np.zeros((9, 2)) + np.arange(9)[:, None], 1.0)), "one coordinate, not 2"),
        (lambda: fit_underdamped(ornstein_uhlenbeck(5000, 1.0, seed=1)), "are not correlated"),
        (lambda: OverdampedModel((EDGES,), np.zeros((3, 1)), np.zeros((3, 1, 1))), "needs a drift of shape"),
        (lambda: OverdampedModel.from_functions(EDGES, lambda x: x, lambda x: -1 + 0 * x), "negative"),
        (lambda: UnderdampedModel.from_functions(EDGES, lambda x: x, -1.0, 1.0), "friction of cell 0 is negative"),
    ],
)
def test_bad_requests(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_other_kernels_equal_plain_loops():
    """BAOAB and the plane, step by step; velocity sums and pair counts, frame by frame."""
    force, friction, noise = (lambda x: -x + x**2 / 5), 0.7, 1.3
    model = UnderdampedModel.from_functions(np.linspace(-3, 3, 13), force, friction, noise)
    c, f, h = model.centres, model.acceleration, 0.2
    found = simulate_underdamped(model, [0.0, 0.5], [0.0, 1.0], 30, h, every=3, seed=8)
    x, v, plain = 0.5, 1.0, [(0.5, 1.0)]
    for step in range(30):
        xi = normal(8, 50, step // 2, 1)[step % 2]
        v += h / 2 * np.interp(x, c, f)
        x += h / 2 * v
        v = np.exp(-friction * h) * v + np.sqrt(noise / friction * (1 - np.exp(-2 * friction * h))) * xi
        x += h / 2 * v
        if abs(x) > 3:
            x, v = np.sign(x) * 6 - x, -v
        v += h / 2 * np.interp(x, c, f)
        plain.append((x, v))
    assert np.c_[found.trajectory(1), found.velocities[11:]] == pytest.approx(np.array(plain[::3]), rel=1e-10)

    drift, diffusion = _plane()
    paths = simulate_overdamped(
        OverdampedModel((EDGES, EDGES), drift, diffusion), [[1.0, -0.5]], 12, 0.05, every=3, seed=9
    )
    y, walk = np.array([1.0, -0.5]), [(1.0, -0.5)]
    for step in range(12):  # the tables are linear: straight lines between centres are exact
        y = y + 0.05 * np.array([-y[0] - 2 * y[1], 2 * y[0] - y[1]]) + np.sqrt(0.1) * np.array(normal(9, 40, step, 0))
        walk.append(tuple(y))
    assert paths.trajectory(0) == pytest.approx(np.array(walk[::3]), rel=1e-9)

    rng = np.random.default_rng(10)
    series = rng.standard_normal(300).cumsum() * 0.1
    for velocities in (np.empty(0), rng.standard_normal(300)):
        sums, expected = np.zeros((2, 4, 9)), np.zeros((2, 4, 9))
        ends = (np.array([0, 150]), np.array([150, 300]), np.array([0, 150]), np.array([150, 300]), np.array([0, 1]))
        velocity_moments(series, velocities, *ends, 3, -1.0, 0.5, sums)
        for t in range(300):
            first, last = (0, 150) if t < 150 else (150, 300)
            cell = int(np.floor((series[t] + 1.0) / 0.5))
            if not 0 <= cell < 4:
                continue
            if len(velocities):
                if t + 3 >= last:
                    continue
                z = a = velocities[t]
                b = velocities[t + 3]
            else:
                if t - 3 < first or t + 6 >= last:
                    continue
                z, a, b = series[t] - series[t - 3], series[t + 3] - series[t], series[t + 6] - series[t + 3]
            expected[t // 150, cell] += [1, z, a, b, z * a, z * b, a * a, a * b, b * b]
        assert sums == pytest.approx(expected)
    cells = rng.integers(-1, 3, 300).astype(np.int32)
    counts, table = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
    pair_counts(cells, ends[0], ends[1], ends[3], ends[4], 4, counts)
    for t in range(300):
        if t % 150 < 146 and min(cells[t], cells[t + 4]) >= 0:
            table[t // 150, cells[t], cells[t + 4]] += 1
    assert np.array_equal(counts, table)
