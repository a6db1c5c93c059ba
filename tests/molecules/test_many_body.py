"""Terms beyond pairs in the bead engine: against plain loops, their own derivatives, and laws every force obeys."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from many_body_models import CASES, MIXTURE, SPLINE, TWO, bend, coefficients, crowd, liquid, model, plain_energy, wave

from kadanoff.molecules.engines import Exploded, Langevin, NoseHoover
from kadanoff.molecules.engines.bead import BeadEngine, _State
from kadanoff.molecules.frames import BOLTZMANN, Frames
from kadanoff.molecules.mw_water import EPSILON, SIGMA, mw_water, stillinger_weber_pair
from kadanoff.molecules.potentials import Model, two_well
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet

MIXED, DOUBLE = BeadEngine(), BeadEngine("double")
KT = BOLTZMANN * 300.0


def frame_of(case, number=180, **more):
    return liquid(number, CASES[case][2], **more)


def run(engine, what, start, steps, every, thermostat, seed=1, timestep=0.004):
    plan = {"steps": steps, "timestep": timestep, "every": every, "thermostat": thermostat, "seed": seed}
    return Frames.join(list(engine.run(what, start, **plan)))


def mixed_values(what, frame):
    """Energy, forces and virial as the dynamics in mixed precision sees them."""
    state = _State(what, frame, exact=False, skin=0.05, steps=0, frames=0, timestep=1.0, thermostat=None, seed=0)
    state.walk(until=0, every=1, threads=1, pool=None)
    forces = np.empty((state.n, 3))
    forces[state.identity[: state.n]] = state.f.reshape(3, -1)[:, : state.n].T
    return state.sums[3].sum(), forces, state.sums[4].sum()


# ---- single points -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_energy_is_that_of_plain_loops(case):
    frame, what = frame_of(case), model(*CASES[case])
    energy = plain_energy(what, frame)
    assert abs(energy) > 1.0
    assert DOUBLE.evaluate(what, frame).energy == pytest.approx(energy, rel=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_forces_are_minus_the_gradient_and_the_virial_the_volume_derivative(case):
    frame, what, h = frame_of(case), model(*CASES[case]), 1e-5
    value = DOUBLE.evaluate(what, frame)
    rms = np.sqrt(np.mean(value.forces**2))
    for bead, axis in ((0, 0), (1, 1), (37, 2), (98, 0), (179, 1)):
        energies = []
        for step in (2 * h, h, -h, -2 * h):
            x = frame.positions.copy()
            x[0, bead, axis] += step
            energies.append(DOUBLE.evaluate(what, replace(frame, positions=x)).energy)
        slope = (8 * (energies[1] - energies[2]) - (energies[0] - energies[3])) / (12 * h)
        assert value.forces[bead, axis] == pytest.approx(-slope, abs=2e-5 * rms)
    scaled = [replace(frame, positions=frame.positions * s, box=frame.box * s) for s in (1 + h, 1 - h)]
    slope = np.subtract(*(DOUBLE.evaluate(what, one).energy for one in scaled)) / (2 * h)
    assert value.virial == pytest.approx(-slope, abs=1e-5 * np.abs(value.forces).sum() * 0.3)


@pytest.mark.parametrize("case", CASES)
def test_mixed_precision_is_near_double(case):
    """To 1e-4 of the RMS force is asked; pair tables of the dynamics are another interpolant, good to 3e-5."""
    frame, what = frame_of(case), model(*CASES[case])
    value, (energy, forces, virial) = DOUBLE.evaluate(what, frame), mixed_values(what, frame)
    bound = 1e-4 if case == "all with pairs" else 3e-6
    rms = np.sqrt(np.mean(value.forces**2))
    assert np.sqrt(np.mean((forces - value.forces) ** 2)) < bound * rms
    assert energy == pytest.approx(value.energy, abs=bound * 180 * KT)
    assert virial == pytest.approx(value.virial, abs=bound * np.abs(value.forces).sum() * 0.3)


@pytest.mark.parametrize("case", ["all with pairs", "long density"])
@pytest.mark.parametrize("box", [[1.7, 1.7, 1.7], [1.7, 5.0, 2.1]], ids=["small", "long"])
def test_any_box_and_number_of_beads(case, box):
    frame, what = frame_of(case, 167 if box[1] < 2 else 401, box=box), model(*CASES[case])
    value = DOUBLE.evaluate(what, frame)
    assert value.energy == pytest.approx(plain_energy(what, frame), rel=1e-11)
    _, forces, _ = mixed_values(what, frame)
    assert np.sqrt(np.mean((forces - value.forces) ** 2)) < 1e-4 * np.sqrt(np.mean(value.forces**2))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.floats(-5, 5)] * 3),
)
def test_neither_place_nor_order_matters_and_no_net_force_acts(seed, shift):
    frame, what = liquid(90, TWO, seed=seed, box=[1.7, 1.7, 1.7]), model(*MIXTURE, TWO)
    value = DOUBLE.evaluate(what, frame)
    scale = np.abs(value.forces).max()
    assert np.abs(value.forces.sum(axis=0)).max() < 1e-11 * scale * 90
    order = np.random.default_rng(seed).permutation(90)
    beads = replace(frame.beads, types=frame.beads.types[order], masses=frame.beads.masses[order])
    moved = replace(frame, beads=beads, positions=(frame.positions + np.array(shift))[:, order])
    other = DOUBLE.evaluate(what, moved)
    assert other.energy == pytest.approx(value.energy, rel=1e-9)
    assert other.virial == pytest.approx(value.virial, rel=1e-7, abs=1e-7 * scale)
    np.testing.assert_allclose(other.forces, value.forces[order], atol=1e-9 * scale, rtol=0)


def test_terms_that_are_zero_change_no_bit():
    start, pair = liquid(300, shake=0.03), two_well(0.6)
    nothing = SplineTriplet("A", ("A", "A"), SPLINE.near, SPLINE.far, 0.0 * coefficients())
    flat = replace(crowd(), energy=np.zeros(7), slope=np.zeros(7))
    level = AngularTriplet("A", ("A", "A"), 0.4, 0.3, np.zeros(3), np.zeros(3))
    for engine in (BeadEngine(skin=0.1), BeadEngine("double", skin=0.1)):
        bare = run(engine, Model.single(pair, 18.0), start, 40, 20, Langevin(300.0, 5.0))
        dressed = run(engine, model((nothing, level), (flat,), pair=pair), start, 40, 20, Langevin(300.0, 5.0))
        for name in ("positions", "velocities", "energy", "virial"):
            np.testing.assert_array_equal(getattr(bare, name), getattr(dressed, name))


def test_a_wrong_angle_would_be_seen():
    """Negative control of the comparisons above: a hundredth more of the term is far outside their bounds."""
    frame = liquid(180)
    good, bad = (DOUBLE.evaluate(model((bend(cosine=c),)), frame) for c in (-1 / 3, -0.33))
    assert abs(good.energy - bad.energy) > 1e-4 * abs(good.energy)
    assert np.abs(good.forces - bad.forces).max() > 1e-3 * np.sqrt(np.mean(good.forces**2))


# ---- mW water ------------------------------------------------------------------------------------------------------


def test_the_minimum_of_mw_water_is_minus_epsilon():
    pair = mw_water().only
    at = 2 ** (1 / 6) * SIGMA
    assert pytest.approx(6.189 * 4.184) == EPSILON
    assert float(pair.energy_at(at)) == pytest.approx(-EPSILON, rel=1e-7)
    assert abs(float(pair.force_at(at))) < 1e-3
    r = np.linspace(0.2, pair.cutoff, 20_001)
    assert r[np.argmin(pair.energy_at(r))] == pytest.approx(at, abs=2e-5)
    assert np.abs(pair.energy_at(r[-20:])).max() < 1e-12
    with pytest.raises(ValueError, match="positive"):
        stillinger_weber_pair(1.0, -0.2, a=1.8, big_a=7.0, big_b=0.6)


def test_a_diamond_lattice_of_mw_water_has_minus_two_epsilon_a_molecule():
    spacing = 2 ** (1 / 6) * SIGMA * 4 / np.sqrt(3)
    corners = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]])
    cell = np.concatenate([corners, corners + 1]) / 4
    sites = (np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 1, 3) + cell).reshape(-1, 3)
    frame = replace(liquid(216), positions=(sites * spacing)[None], box=np.full((1, 3), 3 * spacing))
    frame = replace(frame, beads=replace(frame.beads, names=("W",)))
    water = mw_water()
    assert spacing / np.sqrt(2) > water.cutoff  # second neighbours, 0.4385 nm
    value = DOUBLE.evaluate(water, frame)
    assert value.energy / 216 == pytest.approx(-2 * EPSILON, rel=1e-7)
    assert value.energy / 216 / 4.184 == pytest.approx(-12.378, abs=5e-4)
    assert abs(value.energy - DOUBLE.evaluate(replace(water, triplets=()), frame).energy) < 1e-9 * 216 * EPSILON
    assert np.abs(value.forces).max() < 1e-2
    energy, _, _ = mixed_values(water, frame)
    assert energy / 216 == pytest.approx(-2 * EPSILON, rel=1e-4)


@pytest.fixture(scope="module")
def warm():
    """Liquid mW water at 300 K, 512 beads."""
    start = liquid(512, shake=0.02)
    start = replace(start, beads=replace(start.beads, names=("W",)))
    return run(MIXED, mw_water(), start, 2000, 2000, Langevin(300.0, 5.0))


def total_energy(frames):
    return 0.5 * np.einsum("fnd,fnd,n->f", frames.velocities, frames.velocities, frames.beads.masses) + frames.energy


def test_mixed_precision_drifts_no_more_than_twice_double(warm):
    def drift(engine):
        frames = run(engine, mw_water(), warm, 800, 10, None, timestep=0.004)
        energy = total_energy(frames)
        parts = zip(np.split(frames.time, 8), np.split(energy, 8), strict=True)
        slopes = [np.polyfit(t, e, 1)[0] for t, e in parts]
        return np.polyfit(frames.time, energy, 1)[0], np.std(slopes, ddof=1) / np.sqrt(8)

    (double, error), (mixed, other) = drift(DOUBLE), drift(MIXED)
    assert abs(mixed) < 2 * abs(double) + 4 * np.hypot(error, other)
    assert abs(mixed) / (1.5 * 512 * KT) < 2e-3  # of the kinetic energy, a ps


def test_energy_error_falls_with_the_square_of_the_step(warm):
    errors = [np.std(total_energy(run(DOUBLE, mw_water(), warm, 100 * k, k, None, timestep=0.004 / k))) for k in (1, 2)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)


def test_frames_are_what_evaluate_says_and_momentum_stays(warm):
    frames = run(DOUBLE, mw_water(), warm, 40, 20, NoseHoover(300.0))
    for k in range(2):
        value = DOUBLE.evaluate(mw_water(), frames[k])
        assert frames.energy[k] == pytest.approx(value.energy, rel=1e-12)
        assert frames.virial[k] == pytest.approx(value.virial, rel=1e-9)
    mixed = run(MIXED, mw_water(), warm, 40, 20, NoseHoover(300.0))
    value = DOUBLE.evaluate(mw_water(), mixed[1])
    assert mixed.energy[1] == pytest.approx(value.energy, rel=1e-4)
    assert mixed.virial[1] == pytest.approx(value.virial, abs=1e-4 * np.abs(value.forces).sum() * 0.3)
    np.testing.assert_allclose(mixed.positions[0], frames.positions[0], atol=1e-4)
    for one, bound in ((frames, 1e-12), (mixed, 2e-6)):
        momentum = np.einsum("nd,n->d", one.velocities[-1], one.beads.masses)
        assert np.abs(momentum).max() < bound * np.abs(one.velocities[-1]).sum() * 18.0


# ---- dynamics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thermostat", [Langevin(300.0, 5.0), NoseHoover(300.0), None], ids=["Langevin", "chain", "NVE"]
)
@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_the_same_bits_on_any_number_of_threads(thermostat, precision):
    what = model((bend("A", TWO), wave("B", ("B", "A"))), (crowd("B", TWO),), TWO, two_well(0.6))
    start = liquid(1600, TWO, shake=0.03)
    start = replace(start, velocities=np.random.default_rng(0).normal(0, 0.3, (1, 1600, 3)))
    runs = [run(BeadEngine(precision, threads=k), what, start, 16, 8, thermostat) for k in (1, 2, 3)]
    plan = {"steps": 0, "frames": 0, "timestep": 1.0, "thermostat": None, "seed": 0}
    assert _State(what, start, exact=False, skin=0.1, **plan).chunks == 3
    for other in runs[1:]:
        for name in ("positions", "velocities", "energy", "virial"):
            np.testing.assert_array_equal(getattr(runs[0], name), getattr(other, name))


@pytest.mark.parametrize("engine", [MIXED, DOUBLE], ids=["mixed", "double"])
def test_any_skin_follows_one_path_where_terms_reach_farther_than_pairs(engine):
    what = model((SPLINE, wave()), (crowd(inner=0.3, outer=0.8),), pair=two_well(0.36))
    start = replace(liquid(300, shake=0.03), velocities=np.zeros((1, 300, 3)))
    wide, narrow = (run(replace(engine, skin=s), what, start, 50, 50, None, timestep=0.002) for s in (0.3, 0.004))
    gap = wide.positions - narrow.positions
    gap -= wide.box[:, None] * np.rint(gap / wide.box[:, None])
    assert np.abs(gap).max() < (1e-9 if engine is DOUBLE else 1e-5)


@pytest.mark.parametrize("engine", [MIXED, DOUBLE, BeadEngine(threads=2)], ids=["mixed", "double", "threads"])
def test_an_explosion_is_told_with_the_frames_before_it(engine, warm):
    with pytest.raises(Exploded, match="exploded at step") as caught:
        run(engine, mw_water(), warm, 2000, 1, Langevin(30_000.0, 1.0), timestep=0.05)
    assert np.all(np.isfinite(caught.value.frames.positions))


def test_the_longest_reach_must_fit_into_half_the_box():
    what = model((), (crowd(inner=0.3, outer=0.8),))
    with pytest.raises(ValueError, match=r"cut-off 0\.8 nm is more than half"):
        DOUBLE.evaluate(what, liquid(120))
