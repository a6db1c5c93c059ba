"""The command: what it prints, what it refuses and how, what it writes."""

import json
import shutil
import subprocess
import sys

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

import kadanoff.study
from kadanoff.catalogue import KINDS, STUDIES
from kadanoff.cli import app
from kadanoff.report import failures
from kadanoff.study import ConfigError, InputFile, template
from kadanoff.study.configs import config_model, kind_function, load

HEAVY = {
    "numpy",
    "scipy",
    "numba",
    "xarray",
    "matplotlib",
    "MDAnalysis",
    "pydantic",
    "rich",
    "jinja2",
    "asyncio",
    "pandas",
}
OWN_FILES = (  # ask for a file of the user's
    "dynamics.langevin",
    "dynamics.markov",
    "dynamics.entropy-production",
    "lattices.mcrg",
    "networks.regions",
)
INSTALLED = [kind for kind in KINDS if not kind.startswith("molecules") and kind not in OWN_FILES]


@pytest.fixture
def small_kind(monkeypatch):
    """The small study as a kind that TOML files can name."""
    monkeypatch.setitem(KINDS, "tests.small", "small_study:small")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fresh(*arguments):
    """A process of its own that tells which heavy libraries it loaded."""
    code = (
        f"import sys; sys.argv = {['kadanoff', *arguments]!r}\n"
        "from kadanoff.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', sorted(set(sys.modules) & {HEAVY!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["--version"]])
def test_help_and_list_load_nothing_heavy(arguments):
    printed = fresh(*arguments)
    assert printed.endswith("LOADED []\n")
    assert len(printed) > 20


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, kadanoff; print(sorted(set(sys.modules) & {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_list_names_every_study():
    printed = call("list").output
    for study in STUDIES:
        assert f"{study.name} " in printed
        assert study.line in printed
        assert study.field in printed
    assert all(kind in printed for kind in KINDS)
    assert fresh("list").startswith(printed.splitlines()[0])


def test_version():
    assert f"kadanoff {kadanoff.__version__}" in fresh("--version")


def test_every_study_has_a_known_kind_and_the_reference_is_not_in_the_atlas():
    assert all(study.kind in KINDS for study in STUDIES)
    assert {study.name for study in STUDIES if not study.flagship} == {"spce-reference", "spce-floor"}
    assert len({study.name for study in STUDIES}) == len(STUDIES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "blok-spins"], ["unknown study 'blok-spins'", "did you mean 'block-spins'"]),
        (["run", "zzz"], ["unknown study 'zzz'", "kadanoff list"]),
        (["run", "missing.toml"], ["no such file: missing.toml"]),
        (["run", "lattices.block-spins"], ["is a kind", "kadanoff new lattices.block-spins"]),
        (["run", "block-spins", "--set", "tise=first"], ["tise: unknown key", "did you mean 'ties'"]),
        (
            ["run", "block-spins", "--set", "zzzzzz=1"],
            ["zzzzzz: unknown key", "known keys: ties, largest_coupling, points"],
        ),
        (["run", "block-spins", "--set", "ties=dice"], ["ties", "'coin' or 'first'", "'dice'"]),
        (["run", "hidden-cycle", "--set", "forward=3 ps"], ["forward", "'3 ps' is a time", "rate in 1/s"]),
        (["run", "hidden-cycle", "--set", "forward"], ["--set forward", "key=value"]),
        (["run", "hidden-cycle", "--set", "forward.a=1"], ["'forward' is a value, not a table"]),
        (["run", "hidden-cycle", "--set", "kind=x"], ["cannot change the kind"]),
        (["run", "hidden-cycle", "--workers", "many"], ["workers", "'many'"]),
        (["run", "hidden-cycle", "--resume", "--force"], ["one of them"]),
        (["new", "networks.region"], ["unknown kind", "did you mean 'networks.regions'"]),
        (["report", "."], ["no result.json"]),
        (["run", "."], [". is a folder", "kadanoff list"]),
        (["run", "block-spins", "--out", "."], ["not of a kadanoff run", "--out"]),
        (["run", "block-spins", "--out", "a-file/x"], ["cannot write to a-file/x", "--out"]),
        (["run", "block-spins", "--out", "a-file"], ["a-file is a file"]),
        (["new", "networks.regions", "--out", "none/x.toml"], ["cannot write none/x.toml", "No such file"]),
        (["new", "networks.regions", "--out", "a-file/x.toml"], ["cannot write a-file/x.toml"]),
        (["atlas", "--out", "site"], ["index.html is not a page of kadanoff's", "--out"]),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_message(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    result = call(*arguments)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a-file", "index.html", "site"]
    assert (tmp_path / "site" / "index.html").read_text() == "mine"
    assert result.exit_code == 2
    assert result.stderr.startswith("kadanoff: ")
    assert result.stdout == ""
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind = ", ["mine.toml is not valid TOML"]),
        ("steps = 1", ['the key "kind" is missing']),
        ('kind = "tests.smal"', ["unknown kind 'tests.smal'", "did you mean 'tests.small'"]),
        (
            'kind = "tests.small"\nstpes = 3\nsize = "big"',
            ["stpes: unknown key; did you mean 'steps'?", "size: input should be a valid integer"],
        ),
    ],
)
def test_errors_in_a_file(tmp_path, small_kind, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    result = call("run", path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    for word in words:
        assert word in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_of_ones_own(tmp_path, small_kind):
    path = tmp_path / "mine.toml"
    path.write_text('kind = "tests.small"\nsize = 10\n')
    result = call("run", path, "--out", tmp_path / "out", "--set", "steps=2", "--seed", 7, "--workers", "2")
    assert result.exit_code == 0, result.output
    assert "mine: passed" in result.output
    assert "total" in result.output
    assert (tmp_path / "out" / "report.html").is_file()
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (record["seed"], record["workers"], record["config"]["steps"], record["config"]["size"]) == (7, "2", 2, 10)
    again = call("run", path, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert "--force" in again.stderr
    assert call("run", path, "--out", tmp_path / "out", "--resume").exit_code == 0
    assert call("run", path, "--out", tmp_path / "out", "--force", "--set", "draw=false").exit_code == 0


def test_a_study_that_stops(tmp_path, small_kind):
    path = tmp_path / "mine.toml"
    path.write_text('kind = "tests.small"\nsize = 10\nfail_at = 2\n')
    result = call("run", path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "left the world" in result.stderr
    assert "--resume" in result.stderr
    assert "Traceback" not in result.output
    assert "left the world" in (tmp_path / "out" / "report.html").read_text()


def test_messages_are_whole(tmp_path, small_kind, monkeypatch):
    long = "\n\n".join(f"line {number} of a long message " + "x" * 200 for number in range(30))

    def fail(*_):
        raise ValueError(long)

    monkeypatch.setattr("small_study.judge", fail)
    path = tmp_path / "mine.toml"
    path.write_text('kind = "tests.small"\n')
    result = call("run", path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert long in result.stderr
    page = (tmp_path / "out" / "report.html").read_text()
    (reason,) = failures(tmp_path / "out")
    for text in (page, reason):
        assert all(f"line {number} of a long message {'x' * 200}" in text for number in range(30))


def test_a_folder_where_a_file_is_needed(tmp_path, monkeypatch):
    class Config(BaseModel):
        trajectory: InputFile

    def kind(config: Config, run):
        raise AssertionError

    monkeypatch.setitem(KINDS, "tests.reads", "kadanoff.tests:kind")
    monkeypatch.setattr("kadanoff.study.configs.kind_function", lambda _: kind)
    monkeypatch.setattr("kadanoff.study.configs.config_model", lambda _: Config)
    (tmp_path / "runs").mkdir()
    (tmp_path / "mine.toml").write_text('kind = "tests.reads"\ntrajectory = "runs"\n')
    with pytest.raises(ConfigError, match=r"trajectory: 'runs' is a folder, and a file is needed$"):
        load(str(tmp_path / "mine.toml"))


def test_values_of_set():
    config = load("hidden-cycle", ["forward=3 1/s", "backward=0.5", "ring = 6"]).config.model_dump()
    assert {key: config[key] for key in ("forward", "backward", "ring")} == {"forward": 3.0, "backward": 0.5, "ring": 6}
    assert load("connectome", ['region=["a", "b", "c"]']).config.region == ["a", "b", "c"]


# --- templates ------------------------------------------------------------------


@pytest.mark.parametrize("kind", INSTALLED)
def test_a_template_runs_as_it_stands(tmp_path, kind):
    result = call("new", kind, "--out", tmp_path / "new.toml")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "new.toml").read_text()
    assert text == template(kind)
    for name, info in config_model(kind_function(kind)).model_fields.items():
        assert f"\n{name} = " in text
        assert info.description
        assert info.description in text
    assert load(str(tmp_path / "new.toml")).kind == kind
    again = call("new", kind, "--out", tmp_path / "new.toml")
    assert again.exit_code == 2
    assert "--force" in again.stderr


def test_a_template_names_units():
    assert "[1/s]" in template("dynamics.hidden-cycle")


# --- the atlas ------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kadanoff.catalogue.STUDIES", _TWO)
        result = call("atlas", "--out", folder, "--workers", 1)
    return folder, result


_TWO = tuple(study for study in STUDIES if study.name in ("block-spins", "markov"))


def test_atlas(two_studies):
    folder, result = two_studies
    assert result.exit_code == 0, result.output
    index = (folder / "index.html").read_text()
    assert "All 2 studies passed" in index
    assert 'href="block-spins/report.html"' in index
    assert "entropy_<wbr>critical" in index


def test_atlas_leaves_out_what_is_not_installed_and_says_so(two_studies, tmp_path, monkeypatch):
    spins, other = _TWO
    lacking = other._replace(needs=("numpy", "no-such-package"), install="pip install no-such-package")
    monkeypatch.setattr("kadanoff.catalogue.STUDIES", (spins, lacking))
    monkeypatch.setattr(kadanoff.study, "execute", lambda *_, **__: None)
    shutil.copytree(two_studies[0], tmp_path, dirs_exist_ok=True)
    called = call("atlas", "--out", tmp_path, "--workers", 1)
    assert called.exit_code == 0, called.output
    assert "Left out: markov needs no-such-package: pip install no-such-package" in called.output
    assert "All 1 studies passed" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("harm", ["verdict", "reference", "theorem", "lost"])
def test_atlas_fails_on_any_false(two_studies, tmp_path, monkeypatch, harm):
    monkeypatch.setattr("kadanoff.catalogue.STUDIES", _TWO)
    monkeypatch.setattr(
        kadanoff.study, "execute", lambda *_, **__: None
    )  # the results are there, one of them is harmed
    shutil.copytree(two_studies[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "markov" / "result.json"
    result = json.loads(path.read_text())
    produced = result["estimates"]["entropy_production"]
    match harm:
        case "verdict":
            result["verdict"]["passed"] = False
        case "reference":
            produced["value"] = 364.0
        case "theorem":
            result["ledger"][0]["holds"] = False
        case "lost":
            produced |= {"value": None, "reason": "lost on the way"}
    path.write_text(json.dumps(result))
    called = call("atlas", "--out", tmp_path, "--workers", 1)
    assert called.exit_code == 1
    assert "markov:" in called.stderr
    assert "1 of 2 studies not passed" in (tmp_path / "index.html").read_text()
