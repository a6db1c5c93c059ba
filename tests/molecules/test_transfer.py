"""The study `transfer`: a true pair potential carries over, water's does not; and the parts the study is made of."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray

import kadanoff.molecules
from kadanoff.molecules.bead_files import bead_files
from kadanoff.molecules.engines import Langevin
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.force_matching import normal_equations, solve
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.iteration import Sampling, even_and_odd, rdf_difference, sample
from kadanoff.molecules.mapping import BeadConfig, MappingConfig, read_all_beads
from kadanoff.molecules.matching import Target
from kadanoff.molecules.multistate import merged_equations
from kadanoff.molecules.pair_distributions import pair_distribution
from kadanoff.molecules.potentials import Model, lennard_jones
from kadanoff.molecules.reference import reduced
from kadanoff.molecules.studies import transfer
from kadanoff.molecules.studies.transfer import fit_several, information
from kadanoff.molecules.transferability import energy_and_entropy, explained
from kadanoff.molecules.unseen import unseen
from kadanoff.study import ConfigError, execute

DATA = Path(kadanoff.molecules.__file__).parent / "data"
TRUTH = lennard_jones(1.0, 0.3, 0.7)
MODEL = Model.single(TRUTH, 18.0, "A")
STATES = {"cold": (250.0, 15.0), "hot": (350.0, 15.0), "thin": (300.0, 12.0)}


def fluid(temperature, density, seed, *, frames=120, every=80, number=160):
    """A Lennard-Jones fluid with the exact forces of every frame, and its pressures."""
    edge = (number / density) ** (1 / 3)
    cell = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3)[:number] * (edge / 6)
    beads = Beads.alike(number, 18.0)
    start = Frames(beads, cell[None], np.full((1, 3), edge), np.zeros(1))
    chunks = BeadEngine().run(
        MODEL, start, steps=(frames + 20) * every, timestep=0.004, every=every, thermostat=Langevin(temperature, 2.0),
        seed=seed,
    )  # fmt: skip
    run = Frames.join(list(chunks))[20:]
    forces = np.stack([BeadEngine().evaluate(MODEL, run[k]).forces for k in range(len(run))])
    return Frames(beads, run.positions, run.box, run.time, forces=forces, virial=run.virial)


@pytest.fixture(scope="module")
def fluids():
    return {name: fluid(*state, seed) for seed, (name, state) in enumerate(STATES.items())}


@pytest.fixture(scope="module")
def study(fluids, tmp_path_factory):
    """The study on three states of the fluid, read from files that `bead_files` wrote."""
    folder = tmp_path_factory.mktemp("transfer")
    lines = ['kind = "molecules.transfer"', 'home = "cold"', "cutoff = 0.7", "reach = 0.8", "judged = 0.8"]
    lines += ["[simulations]", "steps = 10000", "turns = 2", "own_turns = 1", "multistate_turns = 1"]
    lines += ["[beads.A]", 'select = "resname SOL"']
    for name, frames in fluids.items():
        for file, content in bead_files(frames, name).items():
            (folder / file).write_bytes(content)
        pressure = frames.pressure(STATES[name][0]).mean()
        lines += [f"[states.{name}]", f'topology = "{name}.gro"', f'trajectory = "{name}.trr"', "masses = { A = 18.0 }"]
        lines += [f"temperature = {STATES[name][0]}", f"pressure = {pressure}", "pressure_error = 20.0"]
        lines += ["fit = false"] if name == "thin" else []
    (folder / "study.toml").write_text("\n".join(lines))
    execute(folder / "study.toml", folder / "out")
    return folder


def test_a_true_pair_potential_carries_over_and_has_no_entropy(study):
    result = json.loads((study / "out" / "result.json").read_text())
    numbers = result["estimates"]
    for model in ("single", "multi", "own"):
        for state in STATES:
            ratio = numbers[f"rdf_rms_over_noise.{model}.{state}"]
            # a fit that copies the noise of its own half of the data is sqrt(2) noise floors from the other half
            assert ratio["value"] < np.sqrt(2) + 4 * ratio["error"]
            own, carried = (numbers[f"force_variance_explained.{which}.{state}"] for which in ("own", model))
            assert own["value"] > 0.999
            assert carried["value"] == pytest.approx(1.0, abs=2e-3)
    entropic = numbers["entropic_part.newton"]
    assert entropic["value"] == pytest.approx(0.0, abs=4 * entropic["error"])
    energetic = numbers["energetic_part.fm"]
    with xarray.open_dataset(study / "out" / "data.nc", engine="h5netcdf") as data:
        peak = float(data["r"][int(data["g_reference"][0].values.argmax())])
        k = int(abs(data["r_fm"].values - peak).argmin())
        assert energetic["value"] == pytest.approx(TRUTH.energy_at(float(data["r_fm"][k])), abs=0.05)
        assert data["g_single"].shape == (3, 80)
    assert all(row["holds"] is not False for row in result["ledger"])
    lost = numbers["relative_entropy.single"]
    assert abs(lost["value"]) < 4 * lost["error"] + 5e-3  # a bead; both are the truth but for the noise of their fits
    text = result["verdict"]["text"]
    right = sum(numbers[f"rdf_rms_over_noise.single.{state}"]["value"] <= 1.5 for state in ("hot", "thin"))
    assert f"{right} of 2 states" in text
    assert "on the 1 held out" in text


def test_it_leaves_its_pictures_and_a_model(study):
    for name in ("map", "rdf", "entropy", "forces"):
        assert (study / "out" / "figures" / f"{name}.svg").stat().st_size > 5000
    assert Model.load(study / "out" / "model" / "model.json").cutoff == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('home = "cold"', 'home = "tepid"', "none of the states"),
        ("[beads.A]", "judged = 0.9\n[beads.A]", "unknown key"),
        ("steps = 10000", "steps = 1000", "too few frames"),
        ("reach = 0.8", "reach = 0.5", "within reach"),
        ("masses = { A = 18.0 }", "weight = 0.0", "greater than 0"),
    ],
)
def test_a_wrong_request_is_refused_by_name(study, old, new, says):
    wrong = study / "wrong.toml"
    wrong.write_text((study / "study.toml").read_text().replace(old, new))
    with pytest.raises(ConfigError, match=says):
        execute(wrong, study / "refused")


# ---- its parts ----


def test_bead_files_come_back_with_the_same_bits(fluids, tmp_path):
    frames = fluids["hot"]
    for name, content in bead_files(frames, "beads").items():
        (tmp_path / name).write_bytes(content)
    mapping = MappingConfig(beads={"A": BeadConfig(select="resname SOL")}, masses={"A": 18.0})
    back = read_all_beads(tmp_path / "beads.gro", tmp_path / "beads.trr", mapping)
    assert np.array_equal(back.positions, frames.positions.astype(np.float32))
    assert np.array_equal(back.forces, frames.forces.astype(np.float32))
    assert np.allclose(back.time, frames.time)
    assert np.allclose(back.box, frames.box)
    assert back.beads.masses[0] == 18.0
    with pytest.raises(ValueError, match="five letters"):
        bead_files(frames, "beads", residue="SOLVENT")


def test_a_reduced_reference_says_so_and_holds_the_beads(fluids, tmp_path):
    record = json.dumps({"made_by": "kadanoff run spce-reference", "settings": {}}).encode()
    files = reduced({"spce.json": record, "spce.gro": b"atoms", "spce.trr": b"atoms"}, fluids["cold"])
    assert files["spce.trr"] == bead_files(fluids["cold"], "spce")["spce.trr"]
    assert files["spce.gro"] != b"atoms"
    said = json.loads(files["spce.json"])
    assert said["made_by"].endswith("keep=beads")
    assert "centre of mass" in said["beads"]


@pytest.mark.parametrize("path", sorted((DATA / "states").glob("*.trr")), ids=lambda path: path.stem)
def test_shipped_states_are_whole(path):
    mapping = MappingConfig(beads={"W": BeadConfig(select="resname SOL")}, masses={"W": 18.015})
    frames = read_all_beads(path.with_suffix(".gro"), path, mapping)
    record = json.loads(path.with_suffix(".json").read_text())
    settings = record["settings"]
    assert frames.positions.shape == (settings["frames"], settings["molecules"], 3)
    assert len(frames.beads) / frames.volume[0] == pytest.approx(settings["density"], rel=1e-5)
    assert frames.forces is not None
    assert record["licence"].startswith("CC0")
    # all forces of a frame add up to nothing, up to particle-mesh Ewald's own drift
    assert np.abs(frames.forces.sum(axis=1)).max() < 0.02 * np.sqrt(500) * frames.forces.std()


def at_rest(frames):
    return Frames(frames.beads, frames.positions[:1], frames.box[:1], np.zeros(1))


def test_several_states_pull_a_wrong_potential_nearer_to_all(fluids):
    """A well of 0.6 kT for one of 1: g of both states, by fresh simulations."""
    wrong, names = lennard_jones(0.6, 0.3, 0.7), ("hot", "cold")
    g = {name: even_and_odd(pair_distribution(fluids[name], cutoff=0.8)) for name in names}
    tasks = [
        (wrong, at_rest(fluids[name]), Sampling(STATES[name][0], 0.8, every=20), 12_000, 5) for name in names
    ]
    targets = [
        Target(task[2].temperature, {g[name][0].names: g[name][0]}, task[1])
        for name, task in zip(names, tasks, strict=True)
    ]
    found = fit_several(tasks, targets, 2, 0.8)
    for name, (_, start, sampling, steps, _) in zip(names, tasks, strict=True):
        before, after = (
            rdf_difference(sample(one, start, sampling, steps=steps, seed=99).distribution, g[name][1], 0.8)
            for one in (wrong, found)
        )
        noise = np.hypot(before[0].error, after[0].error)
        assert after[0].value < before[0].value - 4 * noise
        assert after[0].value < after[1].value + 4 * np.hypot(after[0].error, after[1].error)


def test_a_step_that_makes_it_worse_is_not_taken(fluids, monkeypatch):
    turns = [
        SimpleNamespace(rms=SimpleNamespace(value=rms), model=Model.single(TRUTH * rms, 18.0)) for rms in (2, 1, 3)
    ]
    monkeypatch.setattr(transfer, "match", lambda *_, **__: SimpleNamespace(turns=turns))
    first = fluids["hot"][0]
    assert fit_several([(TRUTH, first, Sampling(350.0, 0.8), 1000, 1)], [], 2, 0.8) is turns[1].model.only


def test_merged_normal_equations_are_those_of_all_states(fluids):
    equations = [normal_equations(fluids[name], cutoff=0.7) for name in STATES]
    weights = np.array([1.0, 3.0, 2.0])
    found = solve(merged_equations(equations, weights), curvature=1e-12)
    gram = sum(w * one.gram.sum(axis=0) for w, one in zip(weights, equations, strict=True))
    moment = sum(w * one.moment.sum(axis=0) for w, one in zip(weights, equations, strict=True))
    # the solution is a least-squares one: its residual is orthogonal to every change that keeps f = 0 at the end
    left = (moment - gram @ found.coefficients)[found.sampled.argmax() + 3 : -3]
    assert np.abs(left).max() < 1e-6 * np.abs(moment).max()
    r = np.linspace(0.29, 0.65, 50)
    # cubic splines on knots h interpolate to h^4 f^(4) / 384; nearly all of that is the repulsion's, 48 s^12 / r^13
    bound = 0.02**4 / 384 * 13 * 14 * 15 * 16 * 48 * 0.3**12 / r**17
    assert np.all(np.abs(found.force(r) - TRUTH.force_at(r)) < bound + 2e-3)
    for one in equations:
        own = solve(one, curvature=1e-12)
        share = explained(own.coefficients, one)
        assert share.value == pytest.approx(own.in_sample.value, abs=1e-12)
        assert share.error == pytest.approx(own.in_sample.error)
        assert explained(found.coefficients, one).value <= share.value + 1e-9
        assert explained(np.zeros_like(own.coefficients), one).value == 0.0
    with pytest.raises(ValueError, match="weight"):
        merged_equations(equations, [1.0, 0.0, 1.0])


def test_energy_and_entropy_are_the_line_in_temperature():
    random = np.random.default_rng(8)
    temperatures, r = [280.0, 300.0, 320.0, 360.0], np.linspace(0.3, 0.9, 400)
    energy, entropy = np.cos(8 * r), 0.01 * np.sin(5 * r)
    exact = np.array([energy - t * entropy for t in temperatures])
    errors = 0.02 * (1 + random.random(exact.shape))
    split = energy_and_entropy(r, temperatures, exact, errors)
    assert np.allclose(split.energy, energy)
    assert np.allclose(split.entropy, entropy)
    noisy = energy_and_entropy(r, temperatures, exact + errors * random.normal(size=exact.shape), errors)
    for pulls in ((noisy.energy - energy) / noisy.energy_error, (noisy.entropy - entropy) / noisy.entropy_error):
        assert np.std(pulls) == pytest.approx(1.0, abs=5 / np.sqrt(2 * 400))
        assert abs(pulls.mean()) < 5 / np.sqrt(400)
    assert noisy.chi2.mean() == pytest.approx(1.0, abs=5 / np.sqrt(400))
    bent = energy_and_entropy(r, temperatures, exact + 1e-4 * (np.array(temperatures)[:, None] - 320) ** 2, errors)
    assert bent.chi2.mean() > 3
    with pytest.raises(ValueError, match="two temperatures"):
        energy_and_entropy(r, [300.0, 300.0], exact[:2], errors[:2])


def test_what_a_fit_never_saw_is_compared(fluids):
    """The model is the reference: compressibility and diffusion are the same, within errors."""
    frames = fluids["hot"]
    run = fluid(350.0, 15.0, 11, frames=120, every=50)
    target = pair_distribution(frames, cutoff=0.8)
    start = Frames(run.beads, run.positions[-1:], run.box[-1:], np.zeros(1))
    coarse = pair_distribution(run, cutoff=0.8)
    found = unseen(frames, target, MODEL, coarse, start, 350.0, steps=6000)
    assert [loss.name for loss in found.losses] == ["compressibility", "diffusion"]
    lost = found.compressibility.lost
    assert lost.value == pytest.approx(0.0, abs=4 * lost.error)
    assert found.speedup.value > 1.0  # the reference walks under friction, the model freely
    lone = unseen(frames[:3], target, MODEL, coarse, start, 350.0, steps=6000)
    assert lone.speedup is None
    assert "five frames" in lone.reason


@pytest.mark.slow
def test_water_does_not_carry_over(tmp_path):
    execute("transfer", tmp_path / "out", workers=2)
    numbers = json.loads((tmp_path / "out" / "result.json").read_text())["estimates"]
    ratio = {name.removeprefix("rdf_rms_over_noise."): row["value"] for name, row in numbers.items()
             if name.startswith("rdf_rms_over_noise.")}  # fmt: skip
    assert ratio["single.T300-d33"] < 1.6
    assert all(value < 1.8 for name, value in ratio.items() if name.startswith("own."))
    assert ratio["single.T360-d33"] > 4
    # what several states buy shows at the density that the home state does not have, and costs at home
    assert ratio["multi.T300-d32"] < ratio["single.T300-d32"] - 0.8
    assert ratio["multi.T300-d33"] > ratio["single.T300-d33"] + 0.6
    entropic = numbers["entropic_part.fm"]
    assert entropic["value"] > 3 * entropic["error"]
    lost = numbers["relative_entropy.single"]
    assert lost["value"] > 5 * lost["error"]


def test_relative_entropy_of_a_reference_at_constant_pressure_is_said_to_be_lacking(fluids):
    frames = fluids["cold"]
    scale = np.linspace(0.99, 1.01, len(frames))[:, None]
    breathing = Frames(frames.beads, frames.positions * scale[..., None], frames.box * scale, frames.time)
    task = (TRUTH, frames[0], Sampling(250.0, 0.8, 0.02), 1000, 0)
    assert "constant volume" in information(breathing, TRUTH, task)
