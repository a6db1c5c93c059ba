"""Stages, folders and results: what is cached, what is written, and that a killed run goes on to the same bits."""

import functools
import json
import multiprocessing
import os
import pickle
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import xarray
from pydantic import BaseModel

from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger, Loss
from kadanoff.study import ConfigError, InUse, Reported, Result, Run, Stopped, Verdict, execute, judge
from kadanoff.study.configs import Loaded
from kadanoff.study.stages import Store, fingerprint, source_hash, write_atomically
from small_study import Small, State, advance, begin, loaded, slowly, small

# --- fingerprints -------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    a: int
    b: int


class Model(BaseModel):
    a: int = 1
    b: float = 2.0


def double(x):
    return 2 * x


def triple(x):
    return 3 * x


DIFFERENT = [
    None,
    True,
    False,
    0,
    1,
    0.0,
    -0.0,
    1.0,
    float("nan"),
    "1",
    b"1",
    "",
    b"",
    [],
    (),
    {},
    [1],
    (1,),
    [[1], 2],
    [1, [2]],
    [1, 2],
    {"a": 1},
    {"b": 1},
    {1: "a"},
    {1, 2},
    range(3),
    slice(3),
    1j,
    np.array(1),
    np.array([1]),
    np.array([1.0]),
    np.array([1], np.int32),
    np.array([[1]]),
    np.float32(1),
    np.zeros((0, 3)),
    np.zeros((3, 0)),
    Pair(1, 2),
    Pair(2, 1),
    Model(),
    Model(a=2),
    double,
    triple,
    functools.partial(double, 1),
    functools.partial(triple, 1),
    scipy.sparse.csr_array(np.eye(2)),
    scipy.sparse.csr_array(np.eye(3)[:2]),
    xarray.Dataset({"a": ("x", [1.0])}),
    xarray.Dataset({"a": ("x", [1.0], {"units": "nm"})}),
    "ab",
    ["a", "b"],
]


def test_different_values_have_different_fingerprints():
    prints = [fingerprint(value) for value in DIFFERENT]
    assert len(set(prints)) == len(prints)


def test_equal_content_has_an_equal_fingerprint():
    base = np.arange(12.0).reshape(3, 4)
    assert (
        fingerprint(base)
        == fingerprint(np.asfortranarray(base))
        == fingerprint(np.arange(24.0).reshape(3, 8)[:, ::2] / 2)
    )
    assert fingerprint(Pair(1, 2)) == fingerprint(Pair(1, 2))
    assert fingerprint({3, 1, 2}) == fingerprint({2, 3, 1})
    assert fingerprint(pickle.loads(pickle.dumps(Model()))) == fingerprint(Model())


def test_files_are_known_by_what_they_hold(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    first = fingerprint(path)
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) != first
    other = tmp_path / "elsewhere" / "a.txt"
    other.parent.mkdir()
    other.write_text("one")
    assert fingerprint(other) == first
    with pytest.raises(ValueError, match="not a file"):
        fingerprint(tmp_path / "missing")


@pytest.mark.parametrize(
    "value", [object(), np.array([object()]), iter([1]), lambda x: x, np.random.default_rng(1), [1, {"k": object()}]]
)
def test_what_has_no_content_is_refused(value):
    with pytest.raises(ValueError, match=r"hashed|objects|not a function"):
        fingerprint(value)


def test_the_key_hashes_name_function_inputs_and_seed(tmp_path):
    store = Store(tmp_path, seed=1)
    keys = [
        store.key("a", double, (1,), {}),
        store.key("b", double, (1,), {}),
        store.key("a", triple, (1,), {}),
        store.key("a", double, (2,), {}),
        store.key("a", double, (), {"x": 1}),
        Store(tmp_path, seed=2).key("a", double, (1,), {}),
        store.key("a", double, (1, 1), {}),
    ]
    assert len(set(keys)) == len(keys)
    with ThreadPoolExecutor(1) as pool:
        assert store.key("a", double, (1, pool), {}) == store.key("a", double, (1, Run().executor), {})
    with pytest.raises(ValueError, match="not a function of a module"):
        store.key("a", lambda x: x, (1,), {})


# --- stages -------------------------------------------------------------------

calls = []


def counted(x):
    calls.append(x)
    return np.arange(x)


def test_a_finished_stage_is_not_computed_again(tmp_path):
    calls.clear()
    for seed in (1, 1, 2):
        assert np.array_equal(Run(tmp_path, seed=seed).stage("count", counted, 4), np.arange(4))
    assert calls == [4, 4]
    Run(tmp_path, seed=1, resume=False).stage("count", counted, 4)
    assert calls == [4, 4, 4]


def test_without_a_folder_nothing_is_kept():
    calls.clear()
    run = Run()
    run.stage("count", counted, 2)
    run.stage("count", counted, 2)
    assert calls == [2, 2]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_entry_is_computed_again(tmp_path, caplog, damage):
    calls.clear()
    Run(tmp_path).stage("count", counted, 3)
    (entry,) = tmp_path.glob("*.stage")
    whole = entry.read_bytes()
    entry.write_bytes(
        {"cut": whole[:-9], "flip": whole[:-9] + b"x" + whole[-8:], "empty": b"", "other": b"not a stage at all" * 9}[
            damage
        ]
    )
    assert np.array_equal(Run(tmp_path).stage("count", counted, 3), np.arange(3))
    assert calls == [3, 3]
    assert "damaged" in caplog.text
    again = entry.read_bytes()  # the same but for the checksum and the seconds
    assert (len(again), again[-100:]) == (len(whole), whole[-100:])


def test_fresh_and_saved_results_are_the_same_object_in_memory(tmp_path):
    fresh = Run(tmp_path).stage("begin", begin, 10, 1).walk
    saved = Run(tmp_path).stage("begin", begin, 10, 1).walk
    assert np.array_equal(fresh, saved)
    assert fresh.strides == saved.strides
    assert begin(10, 1).walk.strides != fresh.strides  # sums over the one and the other may differ in the last bit


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be saved"):
        Run(tmp_path).stage("generator", make_generator, 1)
    assert not list(tmp_path.glob("*.stage"))


def make_generator(x):
    return (n for n in range(x))


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_progress_is_silent_without_a_terminal(capfd):
    run = Run(quiet=False)
    with run.progress(3, "outer") as outer, run.progress(2, "inner") as inner:
        outer.advance(1)
        inner.advance(2)
    assert capfd.readouterr() == ("", "")


# --- a run --------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    execute(loaded(), folder, seed=3, workers=2)
    return folder


def facts(folder: Path) -> dict:
    """All that must be the same bits: arrays, estimates, ledger, verdict, figures, files."""
    result = json.loads((folder / "result.json").read_text())
    with xarray.open_dataset(folder / "data.nc", engine="h5netcdf") as data:
        arrays = {
            name: (variable.dims, variable.attrs, variable.values.tobytes())
            for name, variable in data.variables.items()
        }
    files = {
        path.name: path.read_bytes() for pattern in ("figures/*", "tables/*", "*.bin") for path in folder.glob(pattern)
    }
    return {"arrays": arrays, "files": files} | {
        key: result[key] for key in ("study", "estimates", "ledger", "verdict", "schema")
    }


def test_result_json_is_schema_1(finished):
    result = json.loads((finished / "result.json").read_text(), parse_constant=lambda text: pytest.fail(text))
    assert set(result) == {"schema", "study", "seconds", "peak_memory_mb", "estimates", "ledger", "verdict"}
    assert (result["schema"], result["study"]) == (1, "small")
    assert 0 < result["seconds"] < 60
    assert 20 < result["peak_memory_mb"] < 4000
    keys = {"value", "error", "unit", "reference", "reference_error", "tolerance", "source"}
    total = result["estimates"]["total"]
    assert set(total) == keys
    assert (total["error"], total["unit"], total["source"], total["tolerance"]) == (1.0, "nm", "made up", 4.0)
    assert result["estimates"]["size"]["error"] is None
    assert set(result["estimates"]["speedup"]) == keys | {"reason"}
    assert result["estimates"]["speedup"]["value"] is None
    assert result["ledger"] == [
        {
            "name": "spread",
            "fine": 2.0,
            "coarse": 1.5,
            "lost": 0.5,
            "error": None,
            "unit": "nat",
            "theorem": "coarse <= fine: it shrinks (if always)",
            "holds": True,
            "fine_error": None,
            "coarse_error": None,
        }
    ]
    assert result["verdict"] == {"passed": True, "text": "A walk.\n\n- one limit\n- another"}


def test_everything_else_is_written(finished):
    with xarray.open_dataset(finished / "data.nc", engine="h5netcdf") as data:
        assert data["walk"].attrs["units"] == "nm"
    assert (finished / "figures" / "walk.svg").read_text().startswith("<?xml")
    assert json.loads((finished / "figures" / "captions.json").read_text()) == {"walk": "The walk. In nm."}
    assert (finished / "tables" / "walk.txt").is_file()
    record = json.loads((finished / "provenance.json").read_text())
    assert record["seed"] == 3
    assert record["versions"]["numpy"] == np.__version__
    assert record["config"] == Small().model_dump()
    assert [stage["name"] for stage in record["stages"]] == ["begin", *(f"step-{n}" for n in range(5))]
    assert record["files"] == ["tables/walk.txt", "raw.bin"]
    assert "step-4: done" in (finished / "log.txt").read_text()
    assert not list(finished.rglob(".kadanoff-partial-*"))


def test_seed_and_workers(finished, tmp_path):
    execute(loaded(), tmp_path / "a", seed=3, workers=1)
    assert facts(tmp_path / "a") == facts(finished)
    execute(loaded(), tmp_path / "b", seed=4)
    assert facts(tmp_path / "b")["arrays"] != facts(finished)["arrays"]


def test_a_used_folder_is_refused_unless_told(tmp_path):
    execute(loaded(size=10, draw=False), tmp_path)
    before = facts(tmp_path)
    with pytest.raises(InUse, match=r"--resume .* --force"):
        execute(loaded(size=10, draw=False), tmp_path)
    execute(loaded(size=10, draw=False), tmp_path, resume=True)
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert all(stage["reused"] for stage in record["stages"])
    assert facts(tmp_path) == before
    (tmp_path / "mine.txt").write_text("not kadanoff's")
    execute(loaded(size=10, draw=False), tmp_path, force=True)
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert not any(stage["reused"] for stage in record["stages"])
    assert facts(tmp_path) == before
    assert (tmp_path / "mine.txt").is_file()


def test_resume_after_a_change_computes_what_it_touches(tmp_path):
    execute(loaded(size=10, draw=False), tmp_path)
    execute(loaded(size=10, draw=False, steps=7), tmp_path, resume=True)
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert [stage["reused"] for stage in record["stages"]] == [True] * 6 + [False] * 2
    execute(loaded(size=10, draw=False, steps=2), tmp_path, resume=True)
    assert len(list((tmp_path / "stages").glob("*.stage"))) == 3  # entries of older settings are removed


def test_two_runs_in_one_folder(tmp_path):
    process = start(tmp_path, 1)
    wait_for(tmp_path, 1)
    with pytest.raises(InUse, match=r"another run .* wait .* another --out"):
        execute(loaded(), tmp_path, resume=True)
    process.kill()
    process.join()


def test_an_error_keeps_what_was_finished(tmp_path):
    with pytest.raises(Stopped, match=r"left the world(.|\n)*--resume"):
        execute(loaded(size=10, draw=False, fail_at=3), tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["verdict"]["passed"] is False
    assert "left the world" in result["verdict"]["text"]
    assert "step-2" in result["verdict"]["text"]
    assert "Traceback" in (tmp_path / "log.txt").read_text()
    execute(loaded(size=10, draw=False), tmp_path, resume=True)
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert [stage["reused"] for stage in record["stages"]] == [True] * 4 + [False] * 2


def test_a_resumed_result_says_the_seconds_of_all_its_stages(tmp_path):
    with pytest.raises(Stopped):
        execute(loaded(size=10, draw=False, wait=0.2, fail_at=3), tmp_path)
    execute(loaded(size=10, draw=False, wait=0.2), tmp_path, resume=True)
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert [stage["seconds"] >= 0.2 for stage in record["stages"]] == [False] + [True] * 5
    started = time.perf_counter()
    execute(loaded(size=10, draw=False, wait=0.2), tmp_path, resume=True)
    assert time.perf_counter() - started < 1.0
    again = json.loads((tmp_path / "provenance.json").read_text())["stages"]
    assert [stage["seconds"] for stage in again] == [stage["seconds"] for stage in record["stages"]]
    assert json.loads((tmp_path / "result.json").read_text())["seconds"] >= sum(stage["seconds"] for stage in again) > 1


class OurWarning(UserWarning):
    __module__ = "kadanoff.tests"


def test_warnings_of_libraries_go_to_the_log(tmp_path, capfd):
    def kind(config: Small, run: Run) -> Result:
        for text, category in (("old thing", FutureWarning), ("odd data", UserWarning), ("mind this", OurWarning)):
            warnings.warn(text, category, stacklevel=1)
        return empty()

    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: print("SCREEN", message)
        execute(Loaded("odd", "lattices.odd", kind, Small()), tmp_path)
        warnings.warn("after the run", UserWarning, stacklevel=1)
    assert warnings.showwarning is before
    assert capfd.readouterr().out.splitlines() == ["SCREEN mind this", "SCREEN after the run"]
    log = (tmp_path / "log.txt").read_text()
    assert all(words in log for words in ("FutureWarning: old thing", "UserWarning: odd data", "OurWarning: mind this"))
    assert json.loads((tmp_path / "provenance.json").read_text())["warnings"] == 2


# --- files that are not kadanoff's ----------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fill(folder: Path, *names: str) -> dict[str, bytes]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"my own {name}")
    return contents(folder)


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"force": True}])
@pytest.mark.parametrize(
    "names",
    [
        ("figures/thesis.svg", "report.html", "data.nc"),
        ("provenance.json",),
        ("result.json", "log.txt"),
        ("stages/mine.stage",),
        ("notes.txt",),
    ],
)
def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path, monkeypatch, how, names):
    before = fill(tmp_path, *names)
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, Path(".")):
        with pytest.raises(InUse, match=r"not of a kadanoff run(.|\n)*new or empty folder"):
            execute(loaded(size=10), folder, **how)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", ["{}", "[]", '{"written": "all"}', '{"written": [1]}', '{"written": null}'])
def test_only_a_list_of_names_is_a_mark(tmp_path, content):
    fill(tmp_path, "data.nc")
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(InUse, match="not of a kadanoff run"):
        execute(loaded(size=10), tmp_path, force=True)


@pytest.mark.parametrize("how", [{"resume": True}, {"force": True}])
def test_what_is_added_to_a_kadanoff_folder_stays(tmp_path, how):
    execute(loaded(size=10), tmp_path)
    fill(tmp_path, "figures/thesis.svg", "tables/mine.txt", "notes.txt", "stages/mine.stage")
    (tmp_path / "tables" / "walk.txt").unlink()  # taken away by the user: no error either
    execute(loaded(size=10, draw=False), tmp_path, **how)
    kept = contents(tmp_path)
    for name in ("figures/thesis.svg", "tables/mine.txt", "notes.txt", "stages/mine.stage"):
        assert kept[name] == f"my own {name}".encode()
    assert "figures/walk.svg" not in kept  # of the earlier run
    assert "tables/walk.txt" in kept


def test_a_file_in_the_way_is_named_and_stays(tmp_path):
    execute(loaded(size=10, draw=False), tmp_path)
    fill(tmp_path, "figures/walk.svg")
    for _ in range(2):  # what was refused once is not on the list of what may go
        with pytest.raises(Stopped, match=r"walk.svg is in the way.* Move it"):
            execute(loaded(size=10), tmp_path, resume=True)
        assert (tmp_path / "figures" / "walk.svg").read_text() == "my own figures/walk.svg"
    (tmp_path / "figures" / "walk.svg").unlink()
    execute(loaded(size=10), tmp_path, resume=True)
    assert (tmp_path / "figures" / "walk.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("name", ["../mine.txt", "tables/../../mine.txt", "ABSOLUTE", "figures/mine.txt"])
def test_nothing_outside_the_folder_is_removed(tmp_path, name):
    folder, outside = tmp_path / "out", tmp_path / "mine.txt"
    execute(loaded(size=10, draw=False), folder)
    outside.write_text("mine")
    if name.startswith("figures"):  # a link out of the folder
        (folder / "figures" / "captions.json").unlink()
        (folder / "figures").rmdir()
        (folder / "figures").symlink_to(tmp_path)
    record = json.loads((folder / "provenance.json").read_text())
    record["written"].append(name.replace("ABSOLUTE", str(outside)))
    (folder / "provenance.json").write_text(json.dumps(record))
    before = contents(folder)
    with pytest.raises(ValueError, match=r"leads out of|plain relative name"):
        execute(loaded(size=10), folder, force=True)
    assert outside.read_text() == "mine"
    assert contents(folder) == before


def test_stages_that_lead_elsewhere_are_refused(tmp_path):
    before = fill(tmp_path / "other", "begin.0123456789abcdef0123.stage")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "provenance.json").write_text('{"written": []}')
    (tmp_path / "out" / "stages").symlink_to(tmp_path / "other")
    with pytest.raises(InUse, match="leads out of"):
        execute(loaded(size=10), tmp_path / "out", force=True)
    assert contents(tmp_path / "other") == before


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"cannot write to .*file.out: Not a directory; give another --out"):
        execute(loaded(size=10), tmp_path / "file" / "out")


def test_a_full_disk_is_a_stop(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["kadanoff.study.execute"], "write_json", full)
        with pytest.raises(Stopped, match=r"No space left(.|\n)*could not be written down"):
            execute(loaded(size=10, draw=False), tmp_path)
    execute(loaded(size=10, draw=False), tmp_path, resume=True)


@functools.cache
def processes() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["small_study"])  # imports once, so that a process starts at once
    return context


def start(folder: Path, seed: int) -> multiprocessing.process.BaseProcess:
    process = processes().Process(target=slowly, args=(str(folder), seed, source_hash()))
    process.start()
    return process


def wait_for(folder: Path, entries: int) -> None:
    for _ in range(3000):
        if len(list((folder / "stages").glob("*.stage"))) >= entries:
            return
        time.sleep(0.01)
    pytest.fail("the study did not get there")


def test_killed_at_any_moment_it_resumes_to_the_same_bits(finished, tmp_path):
    """SIGKILL before the first entry, between entries, and while figures are drawn: resumed, nothing shows it."""
    for kill_after, pause in ((0, 0.3), (2, 0.0), (4, 0.08), (6, 0.05)):
        process = start(tmp_path, 3)
        wait_for(tmp_path, kill_after)
        time.sleep(pause)
        process.kill()  # SIGKILL
        process.join()
        assert len(list((tmp_path / "stages").glob("*.stage"))) >= kill_after
    if not (tmp_path / "result.json").exists():
        with pytest.raises(InUse, match="unfinished run"):
            execute(loaded(wait=0.1), tmp_path, seed=3)
    for name in ("", "stages", "figures"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / ".kadanoff-partial-left-over").write_bytes(b"half an entry")
    execute(loaded(wait=0.1), tmp_path, seed=3, resume=True)
    assert facts(tmp_path) == facts(finished)
    assert any(stage["reused"] for stage in json.loads((tmp_path / "provenance.json").read_text())["stages"])
    assert not list(tmp_path.rglob(".kadanoff-partial-*"))


# --- results ------------------------------------------------------------------


def returning(result: object):
    def kind(config: Small, run: Run) -> object:
        return result

    return Loaded("odd", "lattices.odd", kind, Small())


def empty(**changes: object) -> Result:
    parts: dict = {"estimates": {}, "ledger": Ledger(), "verdict": Verdict(None, "Nothing."), "data": xarray.Dataset()}
    return Result(**(parts | changes))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "not a Result"),
        (empty(data=xarray.Dataset({"a": ("x", [1.0])})), "units"),
        (empty(data=xarray.Dataset({"a": ("x", np.array([object()]), {"units": "1"})})), "objects"),
        (empty(files={"../outside": "x"}), "relative name"),
        (empty(files={"/etc/x": "x"}), "relative name"),
        (empty(files={"result.json": "x"}), "kadanoff's own"),
        (empty(files={"stages/x": "x"}), "kadanoff's own"),
    ],
)
def test_results_that_cannot_be_written_are_refused(tmp_path, result, words):
    with pytest.raises(Stopped, match=words):
        execute(returning(result), tmp_path)


def test_a_broken_theorem_makes_the_verdict_false(tmp_path):
    broken = Ledger(
        [Loss("entropy", Estimate.exact(1.0), Estimate.exact(2.0), Estimate.exact(-1.0), "nat", "coarse <= fine")]
    )
    execute(returning(empty(ledger=broken, verdict=Verdict(True, "All is well."))), tmp_path)
    verdict = json.loads((tmp_path / "result.json").read_text())["verdict"]
    assert verdict["passed"] is False
    assert "theorem is broken" in verdict["text"]
    assert "All is well." in verdict["text"]


@pytest.mark.parametrize(
    ("reported", "tolerance", "agrees"),
    [
        (Reported(Estimate(1.0, 0.3), 2.1, 0.0), 1.2, True),
        (Reported(Estimate(1.0, 0.3), 2.3, 0.0), 1.2, False),
        (Reported(Estimate(1.0, 0.3), 2.9, 0.4), 2.0, True),
        (Reported(Estimate(1.0, 0.3), 1.2, tolerance=0.1), 0.1, False),
        (Reported(Estimate.exact(1.0), 1.0 + 1e-12), 1e-9, True),
        (Reported(Estimate.exact(1.0), 1.0 + 1e-6), 1e-9, False),
        (Reported(None, 1.0, reason="no data"), 1e-9, False),
        (Reported(Estimate(1.0, 0.3)), None, None),
    ],
)
def test_agreement(reported, tolerance, agrees):
    assert reported.agrees is agrees
    assert reported.allowed == pytest.approx(tolerance, rel=1e-2) if tolerance else reported.allowed is None


def test_judge():
    good, bad, silent = Reported(Estimate(1.0, 0.1), 1.0), Reported(Estimate(1.0, 0.1), 9.0), Estimate(1.0, 0.1)
    assert judge({"a": good, "b": silent}, Ledger(), "").passed is True
    assert judge({"a": good, "b": bad}, Ledger(), "").passed is False
    assert judge({"b": silent}, Ledger(), "").passed is None


def test_reported_refuses_nonsense():
    for change in ({"reference": float("nan")}, {"tolerance": float("inf")}, {"tolerance": -1.0}):
        with pytest.raises(ValueError, match=r"tolerance|reference"):
            Reported(Estimate(1.0, 0.1), **change)
    assert "missing" in Reported(None).reason


def test_a_kind_is_a_plain_function():
    assert small(Small(size=10), Run(seed=1)).verdict.passed is True
    assert advance(State(0, np.zeros((3, 2))), 1, 0.0, False).step == 1
