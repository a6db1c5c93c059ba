"""Potentials: the interpolant, the rules of core and cut-off, arithmetic, models."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.molecules.potentials import Model, PairPotential, lennard_jones, two_well


def cubic(r):
    return 3.0 * (r - 0.8) ** 2 * (1.0 + 2.0 * (r - 0.8))


def cubic_slope(r):
    return 6.0 * (r - 0.8) * (1.0 + 2.0 * (r - 0.8)) + 6.0 * (r - 0.8) ** 2


def slope_by_difference(potential, r, h=1e-6):
    return (potential.energy_at(r + h) - potential.energy_at(r - h)) / (2 * h)


# ---- the interpolant ----


def test_the_interpolant_is_exact_for_cubic_polynomials():
    p = PairPotential.from_function(cubic, cubic_slope, 0.8, step=0.1)
    r = np.linspace(0, 0.8, 97)
    assert np.allclose(p.energy_at(r), cubic(r), atol=1e-12)
    assert np.allclose(p.force_at(r), -cubic_slope(r), atol=1e-11)


def test_energy_converges_with_order_four_and_force_with_order_three():
    r = np.linspace(0.28, 0.74, 1001)
    exact = lennard_jones(1.0, 0.3, 0.75, step=0.00025)
    errors = []
    for step in (0.01, 0.005, 0.0025):
        p = lennard_jones(1.0, 0.3, 0.75, step=step)
        off = (p.energy_at(r) - exact.energy_at(r), p.force_at(r) - exact.force_at(r))
        errors.append([np.abs(off[0]).max(), np.abs(off[1]).max()])
    order = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(order[-1] > [3.7, 2.8])


@pytest.mark.parametrize("potential", [lennard_jones(1.0, 0.3, 0.75), two_well(0.9)])
def test_force_is_the_derivative_of_the_energy_everywhere(potential):
    r = np.random.default_rng(0).uniform(0.05, 1.1 * potential.cutoff, 500)
    numeric = slope_by_difference(potential, r)
    assert np.allclose(-potential.force_at(r), numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


def test_nothing_at_the_cut_off_and_beyond():
    p = two_well(0.9)
    assert np.all(p.energy_at([0.9, 0.95, 5.0]) == 0)
    assert np.all(p.force_at([0.9, 0.95, 5.0]) == 0)
    assert abs(p.energy_at(0.9 - 1e-9)) < 1e-9


def test_shapes_are_kept_and_senseless_distances_refused():
    p = two_well(0.9)
    assert p.energy_at(0.3).shape == ()
    assert p.force_at(np.full((2, 3), 0.3)).shape == (2, 3)
    for bad in (-0.1, np.nan):
        with pytest.raises(ValueError, match="distances"):
            p.energy_at(bad)


# ---- samples ----


def test_force_samples_integrate_to_the_exact_energy():
    # force of U = (0.8 - r)^3 is 3 (0.8 - r)^2, which a cubic spline holds exactly
    r = np.linspace(0.0, 0.8, 41)
    p = PairPotential.from_force(r, 3 * (0.8 - r) ** 2, cutoff=0.8)
    x = np.linspace(0, 0.8, 333)
    assert np.allclose(p.energy_at(x), (0.8 - x) ** 3, atol=1e-12)
    assert np.allclose(p.force_at(x), 3 * (0.8 - x) ** 2, atol=1e-11)


def test_energy_and_force_samples_of_one_curve_give_one_potential():
    truth = two_well(0.9)
    r = np.arange(0.25, 0.9001, 0.005)
    a = PairPotential.from_energy(r, truth.energy_at(r), cutoff=0.9)
    b = PairPotential.from_force(r, truth.force_at(r), cutoff=0.9)
    x = np.linspace(0.262, 0.9, 500)
    rms = np.sqrt(np.mean(truth.force_at(x) ** 2))
    for p in (a, b):
        assert np.abs(p.energy_at(x) - truth.energy_at(x)).max() < 2e-3
        assert np.abs(p.force_at(x) - truth.force_at(x)).max() < 0.01 * rms


@pytest.mark.parametrize("kind", ["energy", "force"])
def test_samples_ending_below_the_cut_off_leave_zero_beyond(kind):
    truth = two_well(0.9)
    r = np.arange(0.255, 0.8, 0.01)
    if kind == "energy":
        p = PairPotential.from_energy(r, truth.energy_at(r) + 7.0, cutoff=0.9)  # a constant is no force
    else:
        p = PairPotential.from_force(r, truth.force_at(r), cutoff=0.9)
    assert p.supported == pytest.approx((0.255, 0.795))
    assert np.all(p.energy_at(np.linspace(0.796, 0.9, 50)) == 0)
    inner = np.linspace(0.3, 0.74, 100)
    assert np.allclose(p.force_at(inner), truth.force_at(inner), atol=1.0)


def test_the_unsupported_samples_are_ignored():
    r = np.arange(0.005, 0.9, 0.01)
    g = np.where(r < 0.25, 0.0, 1.0 + np.exp(-(((r - 0.3) / 0.03) ** 2)))
    with np.errstate(divide="ignore"):
        u = -2.5 * np.log(g)
    p = PairPotential.from_energy(r, u, cutoff=0.9)
    assert p.supported[0] == pytest.approx(0.255)
    assert not p.is_supported(0.24)
    assert p.is_supported([0.3, 0.895, 0.95]).all()


# ---- the cut-off ----


def test_a_potential_that_vanishes_is_untouched():
    r = np.linspace(0.3, 0.8, 101)
    p = PairPotential.from_energy(r, cubic(r), cutoff=0.8)
    x = np.linspace(0.31, 0.8, 77)
    assert np.allclose(p.energy_at(x), cubic(x), atol=1e-12)


def test_a_slope_left_at_the_cut_off_is_removed_smoothly():
    r = np.linspace(0.3, 0.8, 101)
    left = 4.0
    p = PairPotential.from_energy(r, cubic(r) + left * r + 11.0, cutoff=0.8, smooth=0.1)
    x = np.linspace(0.31, 0.8, 400)
    change = -p.force_at(x) - (cubic_slope(x) + left)
    assert np.all(np.abs(change) <= left + 1e-9)
    assert np.allclose(change[x < 0.7], 0, atol=1e-9)
    assert p.energy_at(0.8) == 0
    assert p.force_at(0.8) == 0
    # C2: the force has no kink where the switch begins, energy and force agree
    assert np.allclose(slope_by_difference(p, x[:-1]), -p.force_at(x[:-1]), atol=1e-5)


# ---- the core ----


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 0.05, 0.5, 3.0]), first=st.integers(24, 31))
def test_the_core_is_a_finite_convex_repulsive_wall_whatever_the_noise(seed, noise, first):
    truth = two_well(0.9)
    r = np.arange(first, 90) * 0.01
    u = truth.energy_at(r) + noise * np.random.default_rng(seed).standard_normal(len(r))
    for p in (
        PairPotential.from_energy(r, u, cutoff=0.9),
        PairPotential.from_force(r, 100 * u, cutoff=0.9),
    ):
        k = int(np.ceil(p.supported[0] / p.step - 1e-6))
        wall, slope = p.energy[: k + 1], p.slope[: k + 1]
        assert np.all(np.isfinite(wall))
        assert np.all(np.diff(wall) < 0)
        assert np.all(slope < 0)
        assert np.all(np.diff(slope) >= -1e-9 * np.abs(slope[:-1]))
        lowest = 12 / p.r[k] * np.ptp(p.energy[k:]) / 4
        assert -slope[-1] >= lowest * (1 - 1e-9)
        # one curve for energy and force below the edge, joined C1
        x = np.linspace(0.02, p.r[k] - 1e-4, 50)
        assert np.allclose(slope_by_difference(p, x), -p.force_at(x), rtol=1e-4, atol=1e-4 * abs(slope).max())


def test_an_exact_power_law_is_continued_exactly():
    r = np.arange(0.25, 0.9001, 0.01)
    p = PairPotential.from_force(r, 12e-3 * (0.25 / r) ** 13, cutoff=0.9)
    x = np.linspace(0.19, 0.25, 50)
    assert np.allclose(p.force_at(x), 12e-3 * (0.25 / x) ** 13, rtol=1e-3)


def test_the_fitted_edge_is_steadier_than_the_derivative_at_the_edge():
    from scipy.interpolate import CubicSpline

    truth, r = two_well(0.9), np.arange(0.255, 0.9, 0.01)
    rng = np.random.default_rng(3)
    ours, plain = [], []
    for _ in range(200):
        u = truth.energy_at(r) + 0.1 * rng.standard_normal(len(r))
        p = PairPotential.from_energy(r, u, cutoff=0.9)
        ours.append(-p.slope[round(0.256 / p.step)])
        plain.append(-CubicSpline(r, u)(0.256, 1))
    exact = float(truth.force_at(0.256))
    assert np.std(ours) < 0.5 * np.std(plain)
    assert abs(np.mean(ours) - exact) < 0.4 * exact


def test_an_attractive_edge_gets_the_stated_wall():
    r = np.arange(0.3, 0.9001, 0.01)
    u = 5.0 * (r - 0.9)  # falls towards the core
    p = PairPotential.from_energy(r, u, cutoff=0.9, smooth=0.1)
    k = round(0.3 / p.step)
    assert -p.slope[k] == pytest.approx(12 / 0.3 * np.ptp(p.energy[k:]) / 4)
    q = PairPotential.from_energy(r, u, cutoff=0.9, smooth=0.1, minimum_repulsion=500.0)
    assert -q.slope[k] == pytest.approx(500.0)


def test_no_interaction_stays_no_interaction():
    r = np.arange(0.3, 0.9001, 0.01)
    p = PairPotential.from_energy(r, np.full(len(r), 2.0), cutoff=0.9)
    assert np.allclose(p.energy, 0, atol=1e-12)
    assert np.all(PairPotential.zero(0.9).energy == 0)


def test_the_band_weighs_the_fit_and_reaches_the_grid():
    truth, r = lennard_jones(1.0, 0.3, 0.9), np.arange(0.27, 0.9001, 0.01)
    u, band = truth.energy_at(r), np.full(len(r), 0.01)
    u[0] += 4.0
    band[0] = 100.0
    weighted = PairPotential.from_energy(r, u, cutoff=0.9, band=band)
    plain = PairPotential.from_energy(r, u, cutoff=0.9)
    exact = float(truth.force_at(0.27))
    k = round(0.27 / 0.002)
    assert abs(-weighted.slope[k] - exact) < 0.2 * exact < abs(-plain.slope[k] - exact)
    assert np.isnan(weighted.band[k - 1])
    assert weighted.band[k + 10] == pytest.approx(0.01)
    assert PairPotential.from_force(r, u, cutoff=0.9, band=band).force_band is not None


# ---- arithmetic ----


def test_sums_and_multiples():
    a, b = two_well(0.9), lennard_jones(1.0, 0.3, 0.9)
    r = np.linspace(0.2, 1.0, 200)
    c = a + 0.5 * b - b
    assert np.allclose(c.energy_at(r), a.energy_at(r) - 0.5 * b.energy_at(r), rtol=1e-12, atol=1e-9)
    assert np.allclose(c.force_at(r), a.force_at(r) - 0.5 * b.force_at(r), rtol=1e-12, atol=1e-7)
    assert np.allclose((-a).energy_at(r), -a.energy_at(r))
    with pytest.raises(ValueError, match="different grids"):
        a + lennard_jones(1.0, 0.3, 0.75)


def test_padding_and_resampling_keep_the_curve():
    a = lennard_jones(1.0, 0.3, 0.75)
    r = np.linspace(0.01, 1.0, 300)
    long = a.padded(0.9)
    assert long.cutoff == pytest.approx(0.9)
    fine = a.resampled(0.001)
    for p in (long, fine):
        assert np.allclose(p.energy_at(r), a.energy_at(r), rtol=1e-10, atol=1e-10)
        assert np.allclose(p.force_at(r), a.force_at(r), rtol=1e-9, atol=1e-7)
    with pytest.raises(ValueError, match="multiple"):
        a.padded(0.7511)


def test_an_update_adds_where_supported_and_rebuilds_the_rest():
    a = two_well(0.9)
    r = np.arange(0.265, 0.9, 0.01)
    change = 0.3 * np.cos(8 * r) + 1.0
    b = a.updated(r, change, supported=(0.27, 0.88), scale=0.5)
    assert b.supported == pytest.approx((0.275, 0.875))
    x = np.linspace(0.28, 0.8, 200)
    difference = b.energy_at(x) - a.energy_at(x)
    assert np.allclose(difference - difference[0], 0.15 * (np.cos(8 * x) - np.cos(8 * x[0])), atol=1e-4)
    k = round(0.276 / b.step)
    assert np.all(b.slope[: k + 1] < 0)
    assert b.energy_at(0.88) == 0


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(-2, 2))
def test_a_constant_change_leaves_the_forces_alone(scale):
    a = two_well(0.9)
    r = np.arange(0.2, 0.9001, 0.01)
    b = a.updated(r, np.ones(len(r)), supported=(0.2, 0.9), scale=scale)
    x = np.linspace(0.21, 0.9, 100)
    assert np.allclose(b.force_at(x), a.force_at(x), rtol=1e-9, atol=1e-8)


# ---- test systems ----


def test_lennard_jones_in_closed_form():
    epsilon, sigma, cutoff = 0.8, 0.31, 0.775
    p = lennard_jones(epsilon, sigma, cutoff)
    r = p.r[(p.r > 0.25) & (p.r < cutoff)]
    plain = 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)
    at = 4 * epsilon * ((sigma / cutoff) ** 12 - (sigma / cutoff) ** 6)
    push = 24 * epsilon / cutoff * (2 * (sigma / cutoff) ** 12 - (sigma / cutoff) ** 6)
    assert np.allclose(p.energy_at(r), plain - at + push * (r - cutoff), atol=1e-10)
    force = 24 * epsilon / r * (2 * (sigma / r) ** 12 - (sigma / r) ** 6) - push
    assert np.allclose(p.force_at(r), force, atol=1e-9)
    cut = lennard_jones(epsilon, sigma, cutoff, shifted_force=False)
    inner = r < cutoff - 0.06
    assert np.allclose(cut.force_at(r[inner]), (force + push)[inner], atol=1e-9)


def test_the_two_well_curve_has_two_wells():
    p = two_well(0.9)
    r = np.linspace(0.25, 0.6, 2000)
    rising = p.force_at(r) < 0
    turns = r[1:][np.diff(rising.astype(int)) == 1]
    assert len(turns) == 2
    assert abs(turns[0] - 0.28) < 0.01
    assert abs(turns[1] - 0.45) < 0.02


# ---- models ----


def mixture():
    w = two_well(0.9)
    pairs = {("A", "A"): w, ("B", "A"): lennard_jones(1.0, 0.3, 0.9), ("B", "B"): 0.5 * w}
    return Model(("A", "B"), (18.0, 30.0), pairs)


def test_a_model_finds_its_pairs_in_either_order():
    model = mixture()
    assert model.pair("B", "A") is model.pair("A", "B")
    energy, slope = model.tables()
    assert energy.shape == slope.shape == (2, 2, 451)
    assert np.array_equal(energy[0, 1], energy[1, 0])
    single = Model.single(two_well(0.9), 18.0, "W")
    assert single.only is single.pair("W", "W")
    with pytest.raises(ValueError, match="2 bead types"):
        _ = model.only
    with pytest.raises(ValueError, match="no pair"):
        model.pair("A", "C")


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_models_come_back_with_the_same_bits(tmp_path, suffix):
    r = np.arange(0.25, 0.9001, 0.01)
    noisy = PairPotential.from_energy(r, two_well(0.9).energy_at(r) / 3, cutoff=0.9, band=np.full(len(r), 0.1))
    model = Model(("A", "B"), (1.5, 2.5), dict(mixture().pairs) | {("B", "B"): noisy})
    again = Model.load(model.save(tmp_path / f"model{suffix}"))
    assert (again.names, again.masses) == (model.names, model.masses)
    for pair, p in model.pairs.items():
        q = again.pairs[pair]
        assert (q.step, q.supported) == (p.step, p.supported)
        assert np.array_equal(q.energy, p.energy)
        assert np.array_equal(q.slope, p.slope)
    assert np.array_equal(again.pair("B", "B").band, noisy.band, equal_nan=True)
    assert again.pair("A", "A").band is None


def test_other_files_are_no_models(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"format": "something"}))
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    for name in ("a.json", "b.npz"):
        with pytest.raises(ValueError, match="holds no kadanoff model"):
            Model.load(tmp_path / name)
    with pytest.raises(ValueError, match=r"\.json or \.npz"):
        mixture().save(tmp_path / "model.pkl")


W = two_well(0.9)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ({("A", "A"): W, ("B", "B"): W}, r"no potential for the pair \('A', 'B'\)"),
        ({("A", "A"): W, ("A", "B"): W, ("B", "A"): W, ("B", "B"): W}, "given twice"),
        ({("A", "A"): W, ("A", "B"): W, ("B", "B"): W, ("A", "C"): W}, "not among"),
        ({("A", "A"): W, ("A", "B"): W, ("B", "B"): two_well(0.8)}, "unequal grids"),
        ({("A", "A"): W, ("A", "B"): W, ("B", "B"): two_well(0.9, step=0.003)}, "unequal grids"),
    ],
)
def test_bad_models_are_refused(pairs, words):
    with pytest.raises(ValueError, match=words):
        Model(("A", "B"), (1.0, 1.0), pairs)


def test_bad_masses_are_refused():
    with pytest.raises(ValueError, match="mass"):
        Model.single(W, 0.0)
    with pytest.raises(ValueError, match="one mass each"):
        Model(("A", "A"), (1.0, 1.0), {("A", "A"): W})


R = np.arange(0.25, 0.9, 0.01)
U = W.energy_at(R)
HOLE = np.where(R > 0.5, np.nan, 0.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PairPotential(0.1, np.array([1.0, np.nan, 0.0]), np.zeros(3), (0, 0.2)), "not finite at 1 nodes"),
        (lambda: PairPotential(0.1, np.array([2.0, 1.0, 0.5]), np.zeros(3), (0, 0.2)), "vanish at the cut-off"),
        (lambda: PairPotential(0.1, np.zeros(3), np.zeros(4), (0, 0.2)), "share one grid"),
        (lambda: PairPotential(-0.1, np.zeros(3), np.zeros(3), (0, 0.2)), "step"),
        (lambda: PairPotential(0.1, np.zeros(3), np.zeros(3), (0.3, 0.2)), "supported"),
        (lambda: PairPotential.from_energy(R, U + HOLE, cutoff=0.9, supported=(0.25, 0.9)), "not finite at r"),
        (lambda: PairPotential.from_energy(R, np.full(len(R), np.nan), cutoff=0.9), "no finite sample"),
        (lambda: PairPotential.from_energy(R[::-1], U, cutoff=0.9), "must rise"),
        (lambda: PairPotential.from_energy(R, U[:-1], cutoff=0.9), "one length"),
        (lambda: PairPotential.from_energy(R, U, cutoff=0.9, supported=(0.85, 0.86)), "fewer than 3 samples"),
        (lambda: PairPotential.from_energy(R, U, cutoff=0.9, smooth=0.8), "smooth"),
        (lambda: PairPotential.from_energy(R, U, cutoff=0.9, step=1.0), "step"),
        (lambda: PairPotential.from_energy(R, U, cutoff=0.9, band=-np.ones(len(R))), "standard error"),
        (lambda: PairPotential.from_function(lambda r: r**-1, lambda r: -(r**-2), 0.9), "not finite at r = 0"),
        (lambda: lennard_jones(-1.0, 0.3, 0.9), "positive"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_tables_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
