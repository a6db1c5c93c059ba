"""The study of three-body forces: its numbers, its pictures, what it says without a floor or with one, bad input."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from fluid_forces import CUTOFF, DECAY, REACH, angular_part, make_fluid, pair_part, with_forces

import kadanoff.molecules
from kadanoff.molecules.force_terms import AngularBasis, PairBasis
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.many_body_matching import angular_candidates, match_many_body, nearest_distance, scan_terms
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.structure import structure
from kadanoff.molecules.studies.three_body_report import angle_rms
from kadanoff.molecules.studies.three_body_water import Plan, Walk, simulate
from kadanoff.molecules.term_equations import TermEquations, term_equations
from kadanoff.molecules.term_matching import fit_terms
from kadanoff.study import ConfigError, Stopped, execute

DATA = Path(kadanoff.molecules.__file__).parent / "data"
QUICK = (
    "reference.stop=40", 'three_body_cutoff="0.37 nm"', 'three_body_decay="0.15 nm"', "simulation.steps=2000",
    "simulation.equilibration=1000", "recovery.molecules=125", "recovery.frames=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def fluid():
    return make_fluid()


# ---- the whole fit ----


def test_the_scan_finds_the_form_that_made_the_forces(fluid):
    """Held-out variance is highest at the true cut-off and decay, among neighbours on both sides."""
    pair = PairBasis(("A", "A"), Knots(0.0, CUTOFF, 25))
    frames = with_forces(fluid, lambda u, r: pair_part(u, r) + angular_part(u, r), noise=0.2)
    tried = [
        AngularBasis("A", ("A", "A"), cutoff, decay, 8)
        for cutoff in (0.9 * REACH, REACH, 1.1 * REACH)
        for decay in (0.7 * DECAY, DECAY, 1.4 * DECAY)
    ]
    found = scan_terms(term_equations(frames, (pair, *tried)), (pair,), tried)
    assert (found[0].term.cutoff, found[0].term.decay) == (REACH, DECAY)
    assert found[0].held_out.value > found[1].held_out.value > found[-1].held_out.value


def test_one_call_fits_all_and_gives_nothing_to_a_pair_fluid(fluid):
    """Negative control of the whole recipe: among thirty candidates, splines and a density, none gains by chance."""
    frames = with_forces(fluid, pair_part, noise=0.7)
    match = match_many_body(frames, cutoff=CUTOFF, spacing=0.1, intervals=6, resamples=20)
    assert len(match.candidates) == 30
    for fit, kind in ((match.three_body, "three-body"), (match.splines, "three-body"), (match.density, "density")):
        gain = fit.gain[kind]
        assert gain.value < 4.0 * gain.error, kind
        assert abs(fit.total.value - match.pair.total.value) < 0.01
    assert 0.95 < nearest_distance(frames) < 1.05
    assert match.best.value >= match.pair.total.value
    chunked = match_many_body(
        (frames[i : i + 7] for i in range(0, 30, 7)), cutoff=CUTOFF, spacing=0.1, intervals=6, resamples=20
    )
    assert np.array_equal(chunked.three_body.fits[1].coefficients, match.three_body.fits[1].coefficients)
    mixed = replace(frames, beads=replace(frames.beads, types=np.arange(100) % 2, names=("A", "B")))
    with pytest.raises(ValueError, match="say which triplet"):
        match_many_body(mixed, cutoff=CUTOFF)
    with pytest.raises(ValueError, match="no frames"):
        match_many_body(frames[:0])
    assert len(angular_candidates("A", ("A", "A"), 0.28, cutoffs=[0.4], decays=[0.1, 0.2])) == 2


def test_angle_rms_of_one_liquid_with_itself_is_noise(fluid):
    one, two = (structure(fluid[half], 1.5, blocks=10) for half in (slice(0, 15), slice(15, 30)))
    same = angle_rms(one, two)
    assert same.value < 4.0 * same.error
    gas = replace(fluid, positions=np.random.default_rng(0).uniform(0, 5, fluid.positions.shape))
    apart = angle_rms(one, structure(gas, 1.5, blocks=10))
    assert apart.value > 10.0 * apart.error


# ---- the study ----


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three-body")
    execute("three-body-water", folder, overrides=QUICK)
    return folder


def test_three_body_terms_bring_angles_back(water):
    result = json.loads((water / "result.json").read_text())
    numbers = {name: entry["value"] for name, entry in result["estimates"].items()}
    errors = {name: entry["error"] for name, entry in result["estimates"].items()}
    assert numbers["force_variance_explained.pair"] == pytest.approx(0.571, abs=0.01)
    assert numbers["force_variance_explained.three_body"] == pytest.approx(0.642, abs=0.01)
    assert numbers["force_variance_explained.three_body_splines"] > 0.63
    assert numbers["force_variance_explained.density"] >= numbers["force_variance_explained.three_body"] - 1e-3
    assert numbers["angle_rms.three_body"] < 0.5 * numbers["angle_rms.pair"]
    fine, pair, both = (numbers[f"tetrahedral_order.{name}"] for name in ("fine", "pair", "three_body"))
    assert pair + 0.1 < both < fine
    assert numbers["rdf_rms.three_body"] < 0.5 * numbers["rdf_rms.pair"]
    assert abs(numbers["stillinger_weber.lambda"] - 23.15) < 4.5 * errors["stillinger_weber.lambda"]
    assert abs(numbers["stillinger_weber.cosine"] + 1 / 3) < 4.5 * errors["stillinger_weber.cosine"]
    assert errors["stillinger_weber.lambda"] < 1.0
    assert numbers["stillinger_weber.explained_by_pairs"] < numbers["stillinger_weber.explained"] - 0.1
    assert numbers["force_variance_floor"] == pytest.approx(0.225, abs=0.01)
    assert result["verdict"]["passed"] is True
    assert {path.stem for path in (water / "figures").glob("*.svg")} == {
        "variance", "angles", "forces", "rdf", "mw", "scan", "floor",
    }  # fmt: skip


def test_other_fits_are_solved_from_what_the_study_left(water):
    equations = TermEquations.load(water / "model" / "equations.npz")
    match = fit_terms(equations, terms=equations.terms[:1], resamples=20)
    numbers = json.loads((water / "result.json").read_text())["estimates"]
    assert match.total.value == pytest.approx(numbers["force_variance_explained.pair"]["value"], abs=1e-12)
    model = Model.load(water / "model" / "three_body" / "model.json")
    assert len(model.triplets) == 1
    assert (water / "model" / "three_body" / "lammps.table").exists()
    with xarray.open_dataset(water / "data.nc", engine="h5netcdf") as data:
        assert all("units" in variable.attrs for variable in data.variables.values())
        assert np.all(np.isfinite(data["h"]))


@pytest.mark.slow
def test_without_a_measured_floor_the_best_residual_is_called_a_bound(tmp_path):
    shipped = (DATA / "three-body-water.toml").read_text().replace('floor = "spce_floor.npz"\n', "")
    for name in ("spce.gro", "spce.trr"):
        shipped = shipped.replace(f'"{name}"', f'"{DATA / name}"')
    (tmp_path / "study.toml").write_text(shipped)
    overrides = [*QUICK, "recovery.molecules=0", "simulation.steps=1000"]
    execute(tmp_path / "study.toml", tmp_path / "out", overrides=overrides)
    numbers = json.loads((tmp_path / "out" / "result.json").read_text())["estimates"]
    assert "upper bound of the floor" in numbers["force_variance_floor"]["source"]
    explained = (v["value"] for name, v in numbers.items() if name.startswith("force_variance_explained"))
    assert numbers["force_variance_floor"]["value"] == pytest.approx(1 - max(explained))


@pytest.mark.slow
def test_a_measured_floor_bounds_what_is_explained(tmp_path):
    lags = np.linspace(0.05, 2.0, 40)
    rng = np.random.default_rng(0)
    square = 1000.0 * (1 + 0.02 * rng.normal(size=24))
    structure_function = 0.3 * square[:, None] * (1 - np.exp(-lags / 0.1)) * (1 + 0.01 * rng.normal(size=(24, 1)))
    np.savez(tmp_path / "floor.npz", lags=lags, structure=structure_function, square=square)
    overrides = [*QUICK, "recovery.molecules=0", f'floor="{tmp_path / "floor.npz"}"', "simulation.steps=1000"]
    execute("three-body-water", tmp_path / "out", overrides=overrides)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["estimates"]["force_variance_floor"]["value"] == pytest.approx(0.3, abs=0.01)
    assert "stillinger_weber.lambda" not in result["estimates"]
    losses = {row["name"]: row for row in result["ledger"]}
    assert losses["mean_force"]["holds"] is True
    assert (tmp_path / "out" / "figures" / "floor.svg").exists()


def test_a_trajectory_without_forces_is_refused(tmp_path):
    MDAnalysis = pytest.importorskip("MDAnalysis")
    universe = MDAnalysis.Universe(str(DATA / "spce.gro"), str(DATA / "spce.trr"))
    with MDAnalysis.Writer(str(tmp_path / "run.xtc"), n_atoms=universe.atoms.n_atoms) as writer:
        for _ in universe.trajectory[:10]:
            writer.write(universe.atoms)
    with pytest.raises(Stopped, match="holds no forces"):
        execute(
            "three-body-water", tmp_path / "out",
            overrides=[f'reference.trajectory="{tmp_path / "run.xtc"}"', "reference.stop=10"],
        )  # fmt: skip
    with pytest.raises(ConfigError, match="mode"):
        execute("three-body-water", tmp_path / "out2", overrides=['mode="both"'])
    with pytest.raises(Stopped, match="half the shortest box edge"):
        execute("three-body-water", tmp_path / "out3", overrides=['reach="1.4 nm"', "reference.stop=10"])


def test_an_unstable_model_is_said_not_hidden():
    positions = 2.0 * np.random.default_rng(0).random((1, 27, 3))
    start = Frames(Beads.alike(27, 18.0), positions, np.full((1, 3), 2.0), np.zeros(1))
    wall = PairPotential.from_function(lambda r: 1e9 * (0.9 - r) ** 2, lambda r: -2e9 * (0.9 - r), 0.9)
    found = simulate(Model.single(wall, 18.0), start, Plan(Walk(steps=1000), 300.0, 0.9, 0.01, 0.4), seed=1)
    assert found.shape is None
    assert "explode" in found.trouble
