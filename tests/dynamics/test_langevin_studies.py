"""The kind on files of a user, the study in small, the template."""

import json
import tomllib

import numpy as np
import pytest
from exact_processes import linear, ornstein_uhlenbeck

from kadanoff.dynamics.models import OverdampedModel
from kadanoff.dynamics.studies.langevin import LangevinData, langevin
from kadanoff.dynamics.studies.langevin_double_well import DoubleWell, double_well_study, relaxation_time
from kadanoff.study import ConfigError, Run, execute, template
from kadanoff.study.configs import load


def own(folder, positions, name="own.csv"):
    np.savetxt(folder / name, positions, delimiter=",", header=",".join("xyz"[: positions.shape[1]]), comments="")
    return folder / name


def test_own_file_to_model_and_report(tmp_path):
    source = ornstein_uhlenbeck(60_000, 0.1, seed=1)
    own(tmp_path, source.positions)
    (tmp_path / "own.toml").write_text(
        'kind = "dynamics.langevin"\nfiles = ["own.csv"]\ncolumns = ["x"]\nspacing = 0.1\nunit = "nm"\n'
        'time_unit = "ps"\nthermal_energy = 2.5\nenergy_unit = "kJ/mol"\nlevels = [[0.0, 1.0]]\n'
    )
    result = json.loads(execute(str(tmp_path / "own.toml"), tmp_path / "out").read_text())
    found = result["estimates"]
    assert result["verdict"]["passed"] is True
    assert "A Langevin model holds between the lags 0.1 and" in result["verdict"]["text"]
    assert abs(found["diffusion"]["value"] - 1) < 4.5 * found["diffusion"]["error"]
    assert abs(found["friction"]["value"] - 2.5) < 4.5 * found["friction"]["error"]
    fine, model = (found[f"passage_time.0_1.{side}"] for side in ("fine", "model"))
    assert abs(fine["value"] - model["value"]) < 4.5 * np.hypot(fine["error"], model["error"])
    assert OverdampedModel.load(tmp_path / "out" / "model.npz").lag > 0
    assert {p.stem for p in (tmp_path / "out" / "figures").glob("*.svg")} == {
        "lag_scan",
        "fields",
        "tests",
        "comparison",
    }


def test_without_a_model_nothing_is_made_of_it(tmp_path):
    path = linear([[0, -1], [1, 1.0]], [[0, 0], [0, 1.0]], 10_000, 0.05, seed=2, count=10)[..., 0]
    np.save(tmp_path / "own.npy", path[..., None])
    result = langevin(LangevinData(files=[tmp_path / "own.npy"], spacing=0.05, thermal_energy=1.0), Run())
    assert result.verdict.passed is False
    assert "An underdamped fit over one frame gives the friction" in result.verdict.text
    assert result.reported["window_start"].reason == "no Langevin model holds; the verdict says why"
    assert "no plateau" in result.verdict.text.lower()
    for name in ("diffusion", "friction", "window_start", "pawula_ratio"):
        assert result.reported[name].value is None
        assert result.reported[name].reason
    assert not result.files
    assert set(result.pictures) == {"lag_scan", "fields"}


def test_velocities_and_forces_of_a_file(tmp_path):
    """gamma and kT / m from the velocities; the friction of a held particle from a force with a known correlation."""
    path = linear([[0, -1], [0.2, 2.0]], [[0, 0], [0, 2.0]], 3000, 0.1, seed=5, count=100).reshape(-1, 2)
    force = linear([[1.0]], [[3.0]], 3000, 0.1, seed=6, count=100).reshape(-1)
    np.savez(tmp_path / "own.npz", run=np.repeat(np.arange(100), 3000), x=path[:, 0], v=path[:, 1], f=force)
    options = {"columns": ["x"], "velocities": ["v"], "forces": ["f"], "trajectory": "run", "spacing": 0.1}
    result = langevin(LangevinData(files=[tmp_path / "own.npz"], thermal_energy=1.5, **options), Run())
    for name, exact in (("underdamped_friction", 2.0), ("underdamped_kT_over_m", 1.0), ("force_friction", 2.0)):
        found = result.reported[name]
        assert abs(found.value - exact) < 4.5 * found.error, name
        assert found.error < 0.1 * exact


def test_prices_have_a_model_without_a_stationary_state(tmp_path):
    rng = np.random.default_rng(3)
    price = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(40_000) + 2e-5))
    own(tmp_path, price[:, None])
    options = {"files": [tmp_path / "own.csv"], "spacing": 1.0, "time_unit": "day", "logarithm": True}
    result = langevin(LangevinData(**options, stationary=False), Run())
    diffusion = result.reported["diffusion"]
    assert result.verdict.passed is True
    assert abs(diffusion.value - 5e-5) < 4.5 * diffusion.error
    assert result.reported["slowest_time"].value is None
    assert "not correlated" in result.reported["underdamped_friction"].reason
    with pytest.raises(ValueError, match="no stationary state"):
        langevin(LangevinData(**options), Run())


def test_the_unit_of_kt_is_the_users(tmp_path):
    """Without a name 2.5 is no kT; four coordinates, and three on too few frames, are refused."""
    source = ornstein_uhlenbeck(20_000, 0.1, seed=1)
    own(tmp_path, source.positions)
    settings = {"files": [tmp_path / "own.csv"], "spacing": 0.1, "unit": "nm", "time_unit": "ps"}
    for energy, unit in ((2.5, "energy ps/nm^2"), (1.0, "kT ps/nm^2")):
        result = langevin(LangevinData(**settings, thermal_energy=energy), Run())
        assert result.reported["friction"].estimate.unit == unit
    noise = np.random.default_rng(0).normal(size=(3000, 4))
    for dimensions, words in ((4, "4 coordinates"), (3, "cells are too many for")):
        np.save(tmp_path / "own.npy", noise[:, :dimensions])
        with pytest.raises(ValueError, match=words):
            langevin(LangevinData(files=[tmp_path / "own.npy"], spacing=1.0), Run())


@pytest.mark.slow
def test_two_coordinates(tmp_path):
    path = linear([[1.0, 1.0], [-1.0, 1.0]], np.eye(2), 3000, 0.05, seed=4, count=40)
    np.save(tmp_path / "own.npy", path)
    result = langevin(LangevinData(files=[tmp_path / "own.npy"], spacing=0.05, bins=16), Run())
    assert result.verdict.passed is True
    diffusion = result.reported["diffusion"]
    assert abs(diffusion.value - 1) < 4.5 * diffusion.error
    model = result.data["model_drift"].values
    centre = result.data["x0"].values
    assert "fields" in result.pictures
    turn = np.mean(model[6:10, 4:12, 0] - model[6:10, 11:3:-1, 0], axis=0)
    assert np.polyfit(centre[4:12], turn, 1)[0] == pytest.approx(-2, abs=0.4)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('files = ["own.csv"]', "either time"),
        ('files = ["none.csv"]\nspacing = 1.0', "no such file"),
        ('files = ["own.csv"]\nspacing = 1.0\nbandwith = 2', "bandwidth"),
        ('files = ["own.csv"]\nspacing = 1.0\ncomponent = "distance"', "second selection"),
        ('files = ["own.csv"]\nspacing = 1.0\nforces = ["x"]', "needs kT"),
        ('files = ["own.csv"]\nspacing = 1.0\nselect = "all"', "no meaning"),
    ],
)
def test_settings_that_cannot_be(tmp_path, lines, words):
    own(tmp_path, np.arange(20.0)[:, None])
    (tmp_path / "own.toml").write_text(f'kind = "dynamics.langevin"\n{lines}\n')
    with pytest.raises(ConfigError, match=words):
        execute(str(tmp_path / "own.toml"), tmp_path / "out")


def test_the_template_can_be_filled_in(tmp_path):
    text = template("dynamics.langevin")
    assert tomllib.loads(text)["files"] == ["trajectory.csv"]
    for name, info in LangevinData.model_fields.items():
        assert f"{name} = " in text
        assert info.description.split("\n")[0] in text
    own(tmp_path, np.arange(20.0)[:, None], "trajectory.csv")
    (tmp_path / "mine.toml").write_text(text.replace("# spacing", "spacing"))
    assert load(str(tmp_path / "mine.toml")).config.spacing == 0.01


def test_relaxation_time_of_the_well():
    # barrier of 1 kT: between the time within a well and the Kramers time 2 pi gamma / sqrt(8 * 4) e / 2 = 1.5 gamma
    assert 1.0 * 20 < relaxation_time(1 / 20) < 1.5 * 20
    assert relaxation_time(0.05, 400) == pytest.approx(relaxation_time(0.05, 800), rel=1e-3)


@pytest.mark.slow
def test_the_study_in_small():
    result = double_well_study(DoubleWell(frames=1_200_000, short_frames=400_000), Run(seed=1))
    assert result.verdict.passed is True, result.verdict.text
    assert result.reported["models.little_friction"].value == 0
    assert "Langevin model holds between the lags" in result.verdict.text
    assert {"trap", "controls", "lag_scan", "fields", "tests", "comparison"} == set(result.pictures)
    names = set(result.reported)
    assert {"diffusion", "friction", "underdamped_friction", "apparent_over_true.top.dt0.002"} <= names


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_molecular_trajectory_by_its_selection(tmp_path):
    """The distance of two atoms, read by MDAnalysis, moves as an Ornstein-Uhlenbeck process about 5 nm."""
    import MDAnalysis

    apart = 50 + 10 * ornstein_uhlenbeck(20_000, 0.1, seed=7).positions[:, 0]  # Angstrom
    universe = MDAnalysis.Universe.empty(2, trajectory=True)
    universe.add_TopologyAttr("masses", [1.0, 3.0])
    universe.add_TopologyAttr("names", ["A", "B"])
    path = np.zeros((len(apart), 2, 3), np.float32)
    path[:, 1, 2] = apart
    universe.load_new(path, dt=0.1)
    universe.atoms.write(str(tmp_path / "a.gro"))
    with MDAnalysis.Writer(str(tmp_path / "a.xtc"), 2) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    (tmp_path / "own.toml").write_text(
        'kind = "dynamics.langevin"\nfiles = ["a.gro", "a.xtc"]\nselect = "name A"\nother = "name B"\n'
        'component = "distance"\nthermal_energy = 2.494\nenergy_unit = "kJ/mol"\n'
    )
    result = json.loads(execute(str(tmp_path / "own.toml"), tmp_path / "out").read_text())
    found = result["estimates"]["diffusion"]
    assert found["unit"] == "nm^2/ps"
    assert abs(found["value"] - 1) < 4.5 * found["error"]
    assert result["estimates"]["friction"]["unit"] == "kJ/mol ps/nm^2"
