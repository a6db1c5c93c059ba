"""The bead engine against closed forms, against itself in double precision, and against bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kadanoff.molecules._kernels.neighbours import TURN
from kadanoff.molecules.engines import Exploded, Langevin, NoseHoover
from kadanoff.molecules.engines.bead import BeadEngine, FastTable, _State
from kadanoff.molecules.frames import BOLTZMANN, Beads, Frames
from kadanoff.molecules.potentials import Model, PairPotential, lennard_jones, two_well

WATER = Model.single(two_well(0.9), 18.0)
LENNARD_JONES = Model.single(lennard_jones(1.0, 0.3, 0.75), 18.0)
TYPES = Model(
    ("A", "B"), (18.0, 30.0),
    {("A", "A"): two_well(0.9), ("A", "B"): lennard_jones(1.0, 0.3, 0.9), ("B", "B"): lennard_jones(0.4, 0.34, 0.9)},
)  # fmt: skip
MIXED, DOUBLE = BeadEngine(), BeadEngine("double")
KT = BOLTZMANN * 300.0


def lattice(number, density=33.4, names=("A",), shake=0.03, seed=0, box=None):
    edges = np.full(3, (number / density) ** (1 / 3)) if box is None else np.asarray(box, float)
    side = np.ceil(edges * (number / np.prod(edges)) ** (1 / 3) - 1e-9).astype(int)
    rng = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid(*[np.arange(k) for k in side], indexing="ij"), -1).reshape(-1, 3)
    x = rng.permutation(sites)[:number] * edges / side + rng.uniform(-shake, shake, (number, 3))
    types = (np.arange(number) % len(names)).astype(np.int32)
    return Frames(Beads(types, names, np.array([18.0, 30.0])[types]), x[None], edges[None], np.zeros(1))


def run(engine, model, start, steps, every, thermostat, seed=1, timestep=0.004):
    return Frames.join(
        list(engine.run(model, start, steps=steps, timestep=timestep, every=every, thermostat=thermostat, seed=seed))
    )


@pytest.fixture(scope="module")
def warm():
    """A liquid of 500 beads at 300 K."""
    return run(MIXED, WATER, lattice(500), 3000, 3000, Langevin(300.0, 5.0))


# ---- tables and forces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [WATER, LENNARD_JONES], ids=["water", "lennard-jones"])
def test_fast_table_force_is_the_derivative_of_its_energy(model):
    fast = FastTable.of(model)
    r = np.linspace(0.02, model.cutoff + 0.01, 20_011)
    h = 1e-7
    # a difference across a knot mixes two lines: leave out what is nearer than h
    knots = np.sqrt(fast.knots.astype(float))
    far = (
        np.min(
            np.abs(r[:, None] - knots[np.clip(np.searchsorted(knots, r)[:, None] + [-1, 0], 0, len(knots) - 1)]), axis=1
        )
        > 2 * h
    )
    r = r[far]
    slope = (fast.at(r + h)[0] - fast.at(r - h)[0]) / (2 * h)
    energy, force = fast.at(r)
    assert np.max(np.abs(slope + force) / (1e-6 * np.abs(force) + 3e-8 * (1 + np.abs(energy)) / h * 1e-1 + 1e-5)) < 1


@pytest.mark.parametrize("model", [WATER, LENNARD_JONES], ids=["water", "lennard-jones"])
def test_fast_table_is_near_the_hermite_interpolant(model):
    fast, exact = FastTable.of(model), model.only
    r = np.linspace(0.6 * 0.3, model.cutoff, 5001)
    energy, force = fast.at(r)
    scale = np.maximum(np.abs(exact.force_at(r)), 10.0)
    assert np.max(np.abs(force - exact.force_at(r)) / scale) < 1e-3
    assert np.max(np.abs(energy - exact.energy_at(r)) / np.maximum(1.0, np.abs(exact.energy_at(r)))) < 1e-3


def direct(model, frame):
    x, box, kinds = frame.positions[0], frame.box[0], [model.names[0]] * len(frame.beads)
    kinds = [frame.beads.names[t] for t in frame.beads.types]
    i, j = np.triu_indices(len(x), 1)
    d = x[i] - x[j]
    d -= box * np.rint(d / box)
    r = np.sqrt(np.sum(d * d, axis=1))
    energy, force = np.zeros(len(r)), np.zeros(len(r))
    for a in model.names:
        for b in model.names:
            mine = np.array([kinds[p] == a and kinds[q] == b for p, q in zip(i, j, strict=True)])
            energy[mine], force[mine] = model.pair(a, b).energy_at(r[mine]), model.pair(a, b).force_at(r[mine])
    vector = (force / r)[:, None] * d
    total = np.zeros_like(x)
    np.add.at(total, i, vector)
    np.add.at(total, j, -vector)
    return energy.sum(), total, np.sum(force * r)


CASES = {
    "500 in a small box": (WATER, lattice(500)),
    "cut-off of half the box": (TYPES, lattice(203, box=[1.8, 1.8, 1.8], names=("A", "B"))),
    "two types, long box": (TYPES, lattice(601, box=[1.9, 6.0, 2.3], names=("A", "B"))),
    "nine": (WATER, lattice(9, 1.0)),
    "two": (WATER, lattice(2, 0.2)),
}


@pytest.mark.parametrize("case", CASES)
def test_evaluate_is_the_plain_sum_over_pairs(case):
    model, frame = CASES[case]
    energy, forces, virial = direct(model, frame)
    found = DOUBLE.evaluate(model, frame)
    assert found.energy == pytest.approx(energy, rel=1e-11, abs=1e-11)
    assert found.virial == pytest.approx(virial, rel=1e-11, abs=1e-11)
    np.testing.assert_allclose(found.forces, forces, rtol=1e-10, atol=1e-10 * np.abs(forces).max())


@pytest.mark.parametrize("case", CASES)
def test_mixed_forces_are_the_fast_table_summed(case):
    model, frame = CASES[case]
    state = _State(model, frame, exact=False, skin=0.1, steps=0, frames=0, timestep=1.0, thermostat=None, seed=0)
    state.walk(until=0, every=1, threads=1, pool=None)
    fast, back = FastTable.of(model), np.argsort(state.identity[: state.n])
    forces = state.f.reshape(3, -1)[:, : state.n].T[back]
    x, box, types = frame.positions[0], frame.box[0], frame.beads.types
    d = x[:, None] - x[None]
    d -= box * np.rint(d / box)
    r = np.sqrt(np.sum(d * d, axis=2))
    wanted, energy, virial = np.zeros_like(x), 0.0, 0.0
    for a in range(len(model.names)):
        for b in range(len(model.names)):
            mine = (types[:, None] == a) & (types[None] == b) & (r > 0)
            u, f = fast.at(r[mine], a, b)
            energy, virial = energy + 0.5 * u.sum(), virial + 0.5 * np.sum(f * r[mine])
            vector = np.zeros((*r.shape, 3))
            vector[mine] = (f / r[mine])[:, None] * d[mine]
            wanted += vector.sum(1)
    np.testing.assert_allclose(forces, wanted, atol=3e-6 * np.abs(wanted).max() + 1e-6, rtol=0)
    assert state.sums[3].sum() == pytest.approx(energy, rel=1e-6, abs=1e-6 * len(x))
    assert state.sums[4].sum() == pytest.approx(virial, rel=1e-5, abs=1e-4 * len(x))
    assert np.abs(state.u.reshape(3, -1)[:, : state.n] / TURN).max() < 0.5 + 1e-9


def test_virial_is_the_volume_derivative_of_the_energy():
    frame, h = lattice(500), 1e-6
    scaled = [replace(frame, positions=frame.positions * s, box=frame.box * s) for s in (1 + h, 1 - h)]
    # U(s): dU/ds at s = 1 is minus the virial
    slope = np.subtract(*(DOUBLE.evaluate(WATER, one).energy for one in scaled)) / (2 * h)
    assert DOUBLE.evaluate(WATER, frame).virial == pytest.approx(-slope, rel=1e-6)


# ---- dynamics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thermostat", [Langevin(300.0, 5.0), NoseHoover(300.0), None], ids=["Langevin", "chain", "NVE"]
)
@pytest.mark.parametrize("engine", [MIXED, DOUBLE], ids=["mixed", "double"])
def test_the_same_bits_again_and_on_any_number_of_threads(thermostat, engine):
    start = replace(lattice(1100), velocities=np.random.default_rng(0).normal(0, 0.37, (1, 1100, 3)))
    one = run(engine, WATER, start, 60, 20, thermostat, seed=5)
    again = run(replace(engine, threads=2), WATER, start, 60, 20, thermostat, seed=5)
    for name in ("positions", "velocities", "energy", "virial"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    other = run(engine, WATER, start, 60, 20, thermostat, seed=6)
    assert np.array_equal(one.positions, other.positions) == (not isinstance(thermostat, Langevin))


def test_frames_are_what_evaluate_says(warm):
    frames = run(DOUBLE, WATER, warm, 20, 10, Langevin(300.0, 5.0))
    for k in range(2):
        value = DOUBLE.evaluate(WATER, frames[k])
        assert frames.energy[k] == pytest.approx(value.energy, rel=1e-12)
        assert frames.virial[k] == pytest.approx(value.virial, rel=1e-9)
    np.testing.assert_allclose(frames.time, warm.time[0] + np.array([0.04, 0.08]))
    assert np.all((frames.positions >= 0) & (frames.positions < frames.box[:, None]))
    mixed = run(MIXED, WATER, warm, 20, 10, Langevin(300.0, 5.0))
    value = DOUBLE.evaluate(WATER, mixed[1])
    assert mixed.energy[1] == pytest.approx(value.energy, rel=1e-4)
    np.testing.assert_allclose(mixed.positions[0], frames.positions[0], atol=1e-4)


def total_energy(frames):
    kinetic = 0.5 * np.einsum("fnd,fnd,n->f", frames.velocities, frames.velocities, frames.beads.masses)
    return kinetic + frames.energy


@pytest.mark.parametrize("model", [WATER, LENNARD_JONES], ids=["water", "lennard-jones"])
def test_energy_error_falls_with_the_square_of_the_step(model, warm):
    errors = []
    for parts in (1, 2, 4):
        frames = run(DOUBLE, model, warm, 100 * parts, parts, None, timestep=0.002 / parts)
        errors.append(np.std(total_energy(frames)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("model", [WATER, LENNARD_JONES], ids=["water", "lennard-jones"])
def test_mixed_precision_drifts_no_more_than_twice_double(model, warm):
    start = run(MIXED, model, warm, 1000, 1000, Langevin(300.0, 5.0))

    def drift(engine, number):
        frames = run(engine, model, start, number, 20, None, timestep=0.002)
        energy, blocks = total_energy(frames), 8
        slopes = [
            np.polyfit(t, e, 1)[0] for t, e in zip(np.split(frames.time, blocks), np.split(energy, blocks), strict=True)
        ]
        return np.polyfit(frames.time, energy, 1)[0], np.std(slopes, ddof=1) / np.sqrt(blocks)

    (double, error), (mixed, other) = drift(DOUBLE, 1600), drift(MIXED, 1600)
    assert abs(mixed) < 2 * abs(double) + 4 * np.hypot(error, other)
    assert abs(mixed) / (1.5 * 500 * KT) < 2e-3  # of the kinetic energy, a ps


@pytest.mark.parametrize(("engine", "bound"), [(MIXED, 2e-6), (DOUBLE, 1e-13)], ids=["mixed", "double"])
def test_momentum_is_conserved_without_friction(engine, bound, warm):
    frames = run(engine, WATER, warm, 500, 500, None)
    momenta = [np.einsum("nd,n->d", f.velocities[0], f.beads.masses) for f in (warm, frames)]
    scale = np.sum(np.abs(frames.velocities[0]) * 18.0)
    assert np.max(np.abs(momenta[1] - momenta[0])) < bound * scale


def test_both_thermostats_hold_temperature_and_agree(warm):
    means, errors = [], []
    for thermostat in (Langevin(300.0, 5.0), NoseHoover(300.0)):
        frames = run(MIXED, WATER, warm, 10_000, 10, thermostat)[200:]
        freedom = 1500 - (3 if isinstance(thermostat, NoseHoover) else 0)
        kinetic = np.einsum("fnd,fnd->f", frames.velocities, frames.velocities) * 18.0 / (freedom * BOLTZMANN)
        for series in (kinetic, frames.energy / 500):
            blocks = series[: len(series) // 20 * 20].reshape(20, -1).mean(1)
            means.append(blocks.mean())
            errors.append(blocks.std(ddof=1) / np.sqrt(20))
    for k in (0, 2):  # the velocities of the splitting are off by O(dt^2): below 1 % at 4 fs
        assert abs(means[k] - 300.0) < 4 * errors[k] + 3.0
    assert abs(means[1] - means[3]) < 4 * np.hypot(errors[1], errors[3])


def test_free_beads_diffuse_as_the_formula_says():
    start = lattice(4000, 1.0)
    free, friction, dt = Model.single(PairPotential.zero(0.5), 18.0), 4.0, 0.01
    frames = run(MIXED, free, start, 200, 1, Langevin(300.0, friction), timestep=dt)
    v = frames.velocities[:, :, :] / np.sqrt(KT / 18.0)
    assert abs(np.mean(v[-1] ** 2) - 1) < 4 * np.sqrt(2 / 12_000)
    assert abs(np.mean(v[-1] ** 4) - 3) < 4 * np.sqrt(96 / 12_000)
    for lag in (10, 25, 50):  # the Ornstein-Uhlenbeck process is exact for any step
        found = np.mean(v[100] * v[100 + lag])
        assert abs(found - np.exp(-friction * dt * lag)) < 4 / np.sqrt(12_000)
    step = np.diff(np.concatenate([frames.positions[:1], frames.positions]), axis=0)
    step -= start.box[0] * np.rint(step / start.box[0])
    far = step[1:].sum(0)
    time = dt * 199
    wanted = 2 * KT / 18.0 / friction * (time - (1 - np.exp(-friction * time)) / friction)
    # the middle of BAOAB's drift adds (friction dt)^2 / 12: 1e-4 of it here
    assert abs(np.mean(far**2) / wanted - 1) < 4 * np.sqrt(2 / 12_000)


def test_two_beads_sample_the_boltzmann_factor():
    potential = lennard_jones(1.5, 0.3, 0.75)
    model, edge = Model.single(potential, 18.0), 1.6
    start = lattice(2, box=[edge] * 3)
    blocks = []
    for seed in range(20):
        frames = run(MIXED, model, start, 40_000, 20, Langevin(300.0, 8.0), seed=seed, timestep=0.008)
        d = frames.positions[100:, 0] - frames.positions[100:, 1]
        d -= edge * np.rint(d / edge)
        counts = np.histogram(np.sqrt(np.sum(d * d, axis=1)), bins=20, range=(0.25, 0.75))[0]
        blocks.append(counts / len(d))
    blocks = np.array(blocks)
    r = np.linspace(0.25, 0.75, 20 * 20 + 1)
    r = 0.5 * (r[1:] + r[:-1])
    # the pair anywhere in the periodic box: normalise by the whole configuration integral
    grid = (np.arange(160) + 0.5) / 160 * edge - edge / 2
    far = np.sqrt(sum(a**2 for a in np.meshgrid(grid, grid, grid, indexing="ij")))
    whole = np.sum(np.exp(-potential.energy_at(far) / KT)) * (edge / 160) ** 3
    weight = 4 * np.pi * r**2 * np.exp(-potential.energy_at(r) / KT) * (r[1] - r[0]) / whole
    wanted = weight.reshape(20, 20).sum(1)
    error = blocks.std(0, ddof=1) / np.sqrt(len(blocks))
    assert np.max(np.abs(blocks.mean(0) - wanted)[1:] / error[1:]) < 4.5
    assert np.sum(((blocks.mean(0) - wanted)[1:] / error[1:]) ** 2) < 50  # chi^2 of 19


# ---- trouble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [MIXED, DOUBLE, BeadEngine(threads=2)], ids=["mixed", "double", "threads"])
def test_an_explosion_is_told_with_the_frames_before_it(engine):
    with pytest.raises(Exploded, match="exploded at step") as caught:
        run(engine, LENNARD_JONES, lattice(1100, shake=0.0), 2000, 1, Langevin(300.0, 0.1), timestep=0.03)
    assert len(caught.value.frames) >= 1
    assert np.all(np.isfinite(caught.value.frames.positions))


def test_bad_input_is_refused():
    start, bath = lattice(500), Langevin(300.0)
    broken = replace(start, positions=np.where(np.arange(500)[None, :, None] == 7, np.nan, start.positions))
    with pytest.raises(ValueError, match="not numbers"):
        run(MIXED, WATER, broken, 10, 10, bath)
    with pytest.raises(ValueError, match="half the shortest box edge"):
        run(MIXED, WATER, lattice(100), 10, 10, bath)
    with pytest.raises(ValueError, match="start velocities"):
        run(MIXED, WATER, start, 10, 10, None)
    with pytest.raises(ValueError, match="temperature"):
        run(MIXED, WATER, start, 10, 10, Langevin(-1.0))
    with pytest.raises(ValueError, match="friction"):
        run(MIXED, WATER, start, 10, 10, Langevin(300.0, 0.0))
    with pytest.raises(ValueError, match="precision"):
        BeadEngine("single")
    with pytest.raises(ValueError, match="skin"):
        BeadEngine(skin=-0.1)


def test_any_skin_gives_the_same_physics_and_room_grows_on_demand(warm):
    crowd = replace(
        lattice(800, box=[30.0, 30.0, 30.0]), positions=np.random.default_rng(1).uniform(0, 2.0, (1, 800, 3))
    )
    soft = Model.single(
        PairPotential.from_function(lambda r: 0.02 * (1.5 - r) ** 2, lambda r: -0.04 * (1.5 - r), 1.5), 18.0
    )
    wide, narrow = (run(BeadEngine("double", skin=s), soft, crowd, 10, 10, NoseHoover(300.0)) for s in (2.0, 0.01))
    np.testing.assert_allclose(wide.positions, narrow.positions, atol=1e-8)
    mixed = run(BeadEngine(skin=2.0), soft, crowd, 10, 10, NoseHoover(300.0))
    np.testing.assert_allclose(mixed.positions, narrow.positions, atol=1e-5)
