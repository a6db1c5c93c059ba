"""HNC against itself: exact inversion, exact Jacobian, limits; Newton steps on distributions with known noise."""

import functools

import numpy as np
import pytest

from kadanoff.molecules.frames import BOLTZMANN
from kadanoff.molecules.integral_equations import (
    gauss_newton_step,
    hnc_distribution,
    hnc_jacobian,
    hnc_potential,
    hnc_start,
    least_risk,
    liquid,
)
from kadanoff.molecules.iteration import rdf_difference
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import PairPotential, lennard_jones

TEMPERATURE, WIDTH, BINS, DENSITY, BEADS = 300.0, 0.01, 120, 18.0, 500
THERMAL = BOLTZMANN * TEMPERATURE
R = (np.arange(BINS) + 0.5) * WIDTH
TRUTH = lennard_jones(1.5, 0.3, 0.9)


@functools.cache
def solved(potential, density=DENSITY, bins=BINS):
    r = (np.arange(bins) + 0.5) * WIDTH
    start = solved(TRUTH) if potential is not TRUTH else None
    return hnc_distribution(potential.energy_at(r), WIDTH, density, TEMPERATURE, start=start)


def measured(potential, seed, frames=400, blocks=20):
    """What a trajectory of ``frames`` independent frames would count if HNC were exact: Poisson counts around g."""
    edges = WIDTH * np.arange(BINS + 1)
    volume = BEADS / DENSITY
    ideal = frames / blocks * BEADS * (BEADS - 1) / 2 * 4 / 3 * np.pi * np.diff(edges**3) / volume
    state = solved(potential)
    g = (1 + state.total[:BINS]) * (1 + (1 - state.structure_factor[0]) / BEADS)
    counts = np.random.default_rng(seed).poisson(np.tile(ideal * g, (blocks, 1)))
    return PairDistribution(
        edges, counts, np.tile(ideal, (blocks, 1)), np.full(blocks, frames // blocks), ("A", "A"), (BEADS, BEADS)
    )


def test_inversion_gives_back_the_potential_that_hnc_was_solved_for():
    bins = 240
    state = solved(TRUTH, bins=bins)
    r = (np.arange(bins) + 0.5) * WIDTH
    again = hnc_potential(liquid(1 + state.total[:bins], WIDTH, DENSITY), TEMPERATURE)
    inside = 1 + state.total[:bins] > 1e-3
    np.testing.assert_allclose(again[inside], TRUTH.energy_at(r)[inside], atol=2e-5 * THERMAL)


def test_dilute_limit_is_boltzmann():
    state = solved(TRUTH, density=1e-4)
    g = 1 + state.total[:BINS]
    inside = g > 1e-6
    np.testing.assert_allclose(g, np.exp(-TRUTH.energy_at(R) / THERMAL), rtol=1e-4, atol=1e-12)
    inverted = hnc_potential(liquid(g, WIDTH, 1e-4), TEMPERATURE)
    np.testing.assert_allclose(inverted[inside], TRUTH.energy_at(R)[inside], atol=1e-4)
    jacobian = hnc_jacobian(state, TEMPERATURE)
    np.testing.assert_allclose(jacobian[inside][:, inside], np.diag(-g[inside] / THERMAL), atol=1e-4)


def test_jacobian_is_the_derivative_of_hnc():
    state = solved(TRUTH)
    bump = np.exp(-(((R - 0.5) / 0.03) ** 2))
    errors = []
    for size in (0.1, 0.05):
        up = hnc_distribution(TRUTH.energy_at(R) + size * bump, WIDTH, DENSITY, TEMPERATURE, start=state)
        down = hnc_distribution(TRUTH.energy_at(R) - size * bump, WIDTH, DENSITY, TEMPERATURE, start=state)
        slope = (up.total - down.total)[:BINS] / (2 * size)
        errors.append(np.max(np.abs(slope - hnc_jacobian(state, TEMPERATURE) @ bump)))
    assert errors[1] < 1e-4 * np.max(np.abs(slope))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)  # central differences: second order


def test_closed_system_offset_is_found_with_the_structure_factor():
    bins = 240
    state = solved(TRUTH, bins=bins)
    smallest = state.structure_factor[0]
    closed = (1 + state.total[:bins]) * (1 + (1 - smallest) / 2_000)
    assert liquid(closed, WIDTH, DENSITY, beads=2_000).structure_factor[0] == pytest.approx(smallest, abs=5e-4)
    wrong = liquid(closed, WIDTH, DENSITY).structure_factor[0]
    assert abs(wrong - smallest) > 0.05  # without it S(0) is lost


def test_bad_curves_are_refused():
    with pytest.raises(ValueError, match="finite"):
        liquid(np.array([0.0, np.nan]), WIDTH, DENSITY)
    with pytest.raises(ValueError, match="holds more than the 10 beads"):
        liquid(np.ones(BINS), WIDTH, DENSITY, beads=10)
    with pytest.raises(ValueError, match="no solution"):
        hnc_distribution(lennard_jones(12.0, 0.3, 0.9).energy_at(R), WIDTH, 5.0, TEMPERATURE)


def test_start_is_the_truth_where_hnc_is_exact():
    start = hnc_start(measured(TRUTH, 1), TEMPERATURE, 0.9)
    inside = (start.r > 0.3) & (start.r < 0.85)
    assert np.sqrt(np.mean((start.energy - TRUTH.energy_at(start.r))[inside] ** 2)) < 0.05 * THERMAL


def test_newton_goes_from_the_wrong_potential_to_the_noise_and_stops_there():
    target = measured(TRUTH, 2)
    potential = TRUTH.updated(R, 0.25 * THERMAL * np.cos(25 * R), supported=(0.27, 0.9))  # wrong by 0.25 kT everywhere
    chi2 = []
    for number in range(8):
        step = gauss_newton_step(potential, target, measured(potential, 100 + number), TEMPERATURE)
        chi2.append(step.chi2)
        potential = step.potential
        if step.converged:
            break
    assert chi2[0] > 20
    assert step.converged
    assert number <= 4
    rms, floor = rdf_difference(measured(potential, 200, frames=4000), measured(TRUTH, 201), 1.0)
    assert rms.value < 1.5 * floor.value


def test_no_step_where_there_is_nothing_to_mend():
    stayed = [
        gauss_newton_step(TRUTH, measured(TRUTH, 10 + k), measured(TRUTH, 50 + k), TEMPERATURE) for k in range(10)
    ]
    assert sum(step.converged for step in stayed) >= 5
    assert max(step.largest for step in stayed) < 0.12
    assert np.mean([step.chi2 for step in stayed]) == pytest.approx(1.0, abs=0.1)


def test_unlike_bins_are_refused():
    target = measured(TRUTH, 3)
    other = PairDistribution(
        target.edges[:-1], target.counts[:, :-1], target.ideal[:, :-1], target.frames, target.names, target.number
    )
    with pytest.raises(ValueError, match="different bins"):
        gauss_newton_step(PairPotential.zero(0.9), target, other, TEMPERATURE)
    with pytest.raises(ValueError, match="different bins"):
        rdf_difference(target, other, 1.0)


def test_difference_of_two_samples_of_one_liquid_is_the_noise_floor():
    pairs = [rdf_difference(measured(TRUTH, 300 + k), measured(TRUTH, 400 + k), 1.0) for k in range(20)]
    ratio = np.array([(rms.value / floor.value) ** 2 for rms, floor in pairs])
    assert ratio.mean() == pytest.approx(1.0, abs=5 * ratio.std(ddof=1) / np.sqrt(len(ratio)))
    floors = np.array([floor.value for _, floor in pairs])
    assert np.mean([floor.error for _, floor in pairs]) == pytest.approx(floors.std(ddof=1), rel=0.6)


def test_rms_error_is_the_spread_of_rms():
    wrong = TRUTH.updated(R, 0.2 * THERMAL * np.cos(25 * R), supported=(0.27, 0.9))
    found = [rdf_difference(measured(wrong, 500 + k), measured(TRUTH, 600 + k), 1.0)[0] for k in range(20)]
    spread = np.std([rms.value for rms in found], ddof=1)
    assert np.mean([rms.error for rms in found]) == pytest.approx(spread, rel=0.6)


def test_rows_that_count_more_are_not_known_better():
    """Mallows' risk of rows with noise variances v: predicted and true risk agree; taken as unit noise they do not."""
    random = np.random.default_rng(2)
    designs = [random.normal(size=(60, 30)) * np.exp(-np.arange(30) / 4) for _ in range(4)]
    weights = np.array([10.0, 0.5, 0.5, 0.5])
    weights *= 4 / weights.sum()
    design = np.vstack([np.sqrt(w) * part for w, part in zip(weights, designs, strict=True)])
    variances, penalty = np.repeat(weights, 60), np.eye(30)
    right, wrong = [], []
    for _ in range(60):
        truth = 0.3 * random.normal(size=30)
        data = design @ truth + np.sqrt(variances) * random.normal(size=240)
        for found, given in ((right, variances), (wrong, None)):
            _, x, _, freedom = least_risk(design, data, penalty, given)
            found.append((np.sum((design @ (x - truth)) ** 2), freedom))
    (true, freedom), (other, more) = np.mean(right, axis=0), np.mean(wrong, axis=0)
    spread = np.std(np.subtract(right, wrong), axis=0, ddof=1) / np.sqrt(60)
    assert other - true > 4 * spread[0]
    assert more - freedom > 4 * spread[1]


def test_a_short_g_goes_on_where_c_ends():
    """To 1 nm, where h of this fluid is far from dead: with h cut the potential is wrong, with c cut it is not."""
    density, short = 26.0, 100
    state = hnc_distribution(TRUTH.energy_at(R), WIDTH, density, TEMPERATURE)
    found = liquid(1 + state.total[:short], WIDTH, density)
    assert found.extended
    inside = 1 + state.total[:short] > 1e-3
    wrong = hnc_potential(found, TEMPERATURE)[inside] - TRUTH.energy_at(R[:short])[inside]
    cut = np.where(np.arange(len(state.total)) < short, state.total, 0.0)
    factor = 4 * np.pi * WIDTH * np.sin(np.outer(K, FINE)) * FINE / K[:, None]
    structure = 1 + density * (factor @ cut)
    back = (np.sin(np.outer(K, FINE)).T * K / FINE[:, None]) * (K[1] - K[0]) / (2 * np.pi**2)
    direct = back @ ((structure - 1) / density / structure)
    plain = THERMAL * (cut - direct - np.log(np.maximum(1 + cut, 1e-300)))[:short][inside]
    apart = plain - TRUTH.energy_at(R[:short])[inside]
    assert np.max(np.abs(wrong)) < 0.03 * THERMAL
    assert np.max(np.abs(wrong)) < 0.2 * np.max(np.abs(apart))
    tail = slice(short, 180)
    assert np.max(np.abs(found.total[tail] - state.total[tail])) < 0.2 * np.max(np.abs(state.total[tail]))


FINE = (np.arange(512) + 0.5) * WIDTH
K = (np.arange(512) + 0.5) * np.pi / (512 * WIDTH)


def test_a_curve_that_no_liquid_has_keeps_its_cut():
    assert not liquid(np.full(BINS, 0.2), WIDTH, DENSITY).extended
