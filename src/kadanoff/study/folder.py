"""The folder of a study: claimed for one run, never at the cost of files that are not kadanoff's.

provenance.json is the mark: it stands from the first moment of a run and lists under ``written`` every file kadanoff
writes. A folder that holds anything and has no mark is refused; what is removed or replaced is on the list.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import kadanoff
from kadanoff.study.configs import ConfigError
from kadanoff.study.stages import PARTIAL, saved_stages, write_atomically

__all__ = ["RESERVED", "InUse", "claimed", "free_place", "write_json"]

_MARK = "provenance.json"
_OWN_FOLDERS = ("stages", "figures")
RESERVED = ("result.json", "data.nc", "report.html", "log.txt", _MARK, "figures/captions.json", "figures/slides.json")
"""The files of every study, kadanoff's own in a marked folder."""


class InUse(ConfigError):
    """The folder is not free: it holds a result or files of somebody else, or another run is at work in it."""


@contextmanager
def claimed(folder: Path, *, resume: bool, force: bool) -> Iterator[None]:
    """The folder, marked and ours alone while the study runs, without an earlier result; with ``force`` without its
    stages too. The lock goes with the process, however it ends.

    Raises InUse where the folder is not free, ConfigError where it cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise InUse(f"{folder} is a file; --out needs a folder")
    try:
        lock = _claim(folder, resume=resume, force=force)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}; give another --out") from error
    with lock:
        yield


def _claim(folder: Path, *, resume: bool, force: bool) -> TextIO:
    if not _is_free_or_marked(folder):
        raise InUse(
            f"{folder} holds files that are not of a kadanoff run (no {_MARK} of kadanoff's lists them), and none of "
            "them is touched, not even with --force. Give a new or empty folder with --out"
        )
    stages = _within(folder, "stages/lock").parent
    stages.mkdir(parents=True, exist_ok=True)
    lock = (stages / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not resume and not force:
            _refuse_used(folder)
        _clear(folder, everything=force)
        write_json(folder / _MARK, {"kadanoff": kadanoff.__version__, "written": list(RESERVED)})
    except BlockingIOError as error:
        lock.close()
        raise InUse(
            f"another run is at work in {folder}: wait for its end or stop it, or give another --out"
        ) from error
    except BaseException:
        lock.close()
        raise
    return lock


def _is_free_or_marked(folder: Path) -> bool:
    if not folder.exists() or _written(folder) is not None:
        return True
    # A run that was killed before it set its mark leaves an empty folder of stages.
    left = [path for path in folder.iterdir() if not path.name.startswith(PARTIAL)]
    return all(path.name == "stages" and path.is_dir() for path in left) and all(
        path.name == "lock" for stages in left for path in stages.iterdir()
    )


def _refuse_used(folder: Path) -> None:
    if (folder / "result.json").exists():
        raise InUse(
            f"{folder} already holds an earlier run. Use --resume to go on with its finished stages (after a change of "
            "settings only what the change touches is computed again), --force to start anew, or another --out"
        )
    if saved_stages(folder / "stages"):
        raise InUse(
            f"{folder} holds an unfinished run. Use --resume to go on with it, --force to start anew, or another --out"
        )


def _written(folder: Path) -> list[str] | None:
    """The list in the mark; None without a mark."""
    try:
        mark = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, ValueError):
        return None
    names = mark.get("written") if isinstance(mark, dict) else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _clear(folder: Path, *, everything: bool) -> None:
    """Remove an earlier result, so that result.json is there only after a run to the end; with ``everything``, its
    log and stages too."""
    paths = {name: _within(folder, name) for name in _written(folder) or ()}  # all are checked before one goes
    for name, path in paths.items():
        kept = name == _MARK or (name == "log.txt" and not everything)
        if not kept and (path.is_file() or path.is_symlink()):
            path.unlink()
    folders = {folder} | {place for path in paths.values() for place in path.parents if folder in place.parents}
    for place in sorted(folders, key=lambda place: len(place.parts), reverse=True):
        for leftover in place.glob(f"{PARTIAL}*"):  # of a run that was killed while it wrote
            leftover.unlink()
        if place.is_dir() and place != folder and not any(place.iterdir()):
            place.rmdir()
    for path in saved_stages(folder / "stages") if everything else ():
        path.unlink()


def free_place(folder: Path, name: str, *, figure: bool = False) -> Path:
    """Where a study's file or figure ``name`` is to be written.

    Raises ValueError where that is no plain relative name, is kept for kadanoff, leads out of the folder or is taken
    by a file that kadanoff did not write.
    """
    if not figure and set(PurePosixPath(name).parts[:1]) & {*RESERVED, *_OWN_FOLDERS}:
        raise ValueError(f"a study's file cannot be called {name!r}: that is a name of kadanoff's own")
    path = _within(folder, name)
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path} is in the way: kadanoff did not write it. Move it, then use --resume")
    return path


def _within(folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or path.name.startswith("."):
        raise ValueError(f"a study's file needs a plain relative name, not {name!r}")
    if not (folder / path).parent.resolve().is_relative_to(folder.resolve()):
        raise InUse(f"{(folder / path).parent} leads out of {folder}, where kadanoff writes nothing; remove that link")
    return folder / path


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON, whole or not at all."""
    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
