"""Stages: results on disk, found again by what went into them.

key = hash(stage name, function, inputs by content, seed of the run, sources of the package). An entry is written to a
temporary file, synced and renamed, and carries its own checksum: it is whole or it is not there.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import inspect
import io
import logging
import os
import pickle
import re
import struct
import tempfile
import types
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

__all__ = ["PARTIAL", "Store", "file_hash", "fingerprint", "saved_stages", "source_hash", "write_atomically"]

_MAGIC = b"kadanoff stage 2\n"
PARTIAL = ".kadanoff-partial-"
"""How the name of a file begins while it is being written."""
_log = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@functools.lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content (read once a process while size and time of change stay the same)."""
    status = path.stat()
    return _file_hash(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.cache
def source_hash() -> str:
    """SHA-256 over every source file of the installed package."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _function_hash(function: Callable[..., Any], where: str) -> list[Any]:
    plain = getattr(function, "py_func", function)  # a numba function is known by what it was compiled from
    module, name = getattr(plain, "__module__", None), getattr(plain, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        raise ValueError(
            f"{where}: {function!r} is not a function of a module; a stage needs one that can be found again by name"
        )
    if module.split(".")[0] == "kadanoff":  # covered by the hash of the sources
        return [module, name]
    source = inspect.getsourcefile(plain)
    return [module, name, file_hash(Path(source)) if source and Path(source).is_file() else ""]


class _Hasher:
    """Feeds a value into SHA-256, every piece with its kind and length, so that different values cannot look alike."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def piece(self, kind: str, content: bytes | memoryview = b"") -> None:
        size = content.nbytes if isinstance(content, memoryview) else len(content)
        self.digest.update(f"{kind}:{size};".encode())
        self.digest.update(content)

    def feed(self, value: Any, where: str) -> None:
        match value:
            case None | bool():
                self.piece(repr(value))
            case enum.Enum():
                self.piece("enum", f"{type(value).__qualname__}.{value.name}".encode())
            case np.generic() | np.ndarray():
                array = np.asarray(value)
                if array.dtype.hasobject:
                    raise ValueError(
                        f"{where}: an array of Python objects cannot be a stage's input; make it a list or numbers"
                    )
                self.piece(
                    "array", f"{array.dtype.str}{array.dtype.descr if array.dtype.names else ''}{array.shape}".encode()
                )
                self.piece("bytes", np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
            case int():
                self.piece("int", str(value).encode())
            case float():
                self.piece("float", struct.pack("<d", value))
            case complex():
                self.piece("complex", struct.pack("<dd", value.real, value.imag))
            case str():
                self.piece("str", value.encode())
            case bytes() | bytearray():
                self.piece("bytes", bytes(value))
            case Path():
                if not value.is_file():
                    raise ValueError(
                        f"{where}: {value} is not a file; a path among a stage's inputs is hashed by what it holds"
                    )
                self.piece("file", f"{value.name} {file_hash(value)}".encode())
            case Mapping():
                self.piece("mapping", str(len(value)).encode())
                for key, item in value.items():
                    self.feed(key, f"{where}, a key")
                    self.feed(item, f"{where}[{key!r}]")
            case list() | tuple():
                self.piece(type(value).__name__, str(len(value)).encode())
                for index, item in enumerate(value):
                    self.feed(item, f"{where}[{index}]")
            case set() | frozenset():
                self.feed(sorted(fingerprint(item, where) for item in value), where)
            case range() | slice():
                self.feed([type(value).__name__, value.start, value.stop, value.step], where)
            case BaseModel():
                self.fields(value, list(type(value).model_fields), where)
            case functools.partial():
                self.feed(["partial", _function_hash(value.func, where), list(value.args), dict(value.keywords)], where)
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                self.fields(value, [item.name for item in dataclasses.fields(value)], where)
            case _ if isinstance(value, types.FunctionType) or hasattr(value, "py_func"):
                self.feed(["function", *_function_hash(value, where)], where)
            case _:
                self.library(value, where)

    def fields(self, value: Any, names: list[str], where: str) -> None:
        self.piece("object", f"{type(value).__module__}.{type(value).__qualname__}".encode())
        for name in names:
            self.piece("field", name.encode())
            self.feed(getattr(value, name), f"{where}.{name}")

    def library(self, value: Any, where: str) -> None:
        """Sparse matrices and xarray objects, without importing either library for it."""
        library = type(value).__module__.split(".")[0]
        if library == "scipy" and hasattr(value, "tocoo"):
            matrix = value.tocoo()
            self.piece("sparse", f"{type(value).__name__} {value.shape}".encode())
            for part in (*matrix.coords, matrix.data):
                self.feed(np.asarray(part), where)
        elif library == "xarray" and hasattr(value, "to_dict"):
            self.piece(type(value).__name__)
            self.feed(value.to_dict(data="array", encoding=False), where)
        else:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise ValueError(
                f"{where} is a {kind}, which cannot be hashed by content; pass numbers, text, arrays, paths, "
                "dataclasses, "
                "pydantic models, or lists and dictionaries of them"
            )


def fingerprint(value: Any, where: str = "value") -> str:
    """SHA-256 of a value by its content: equal content, equal fingerprint, in every process.

    Numbers, text, arrays, sparse matrices, xarray objects, dataclasses, pydantic models, module-level functions,
    containers of them; a ``pathlib.Path`` stands for the content of that file. Raises ValueError, with ``where``, for
    anything else.
    """
    hasher = _Hasher()
    hasher.feed(value, where)
    return hasher.digest.hexdigest()


class Store:
    """The finished stages of one folder."""

    def __init__(self, folder: Path, seed: int, *, reuse: bool = True) -> None:
        self.folder, self.seed, self.reuse = folder, seed, reuse
        self.used: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{PARTIAL}*"):  # of a run that was killed while it wrote
            leftover.unlink()

    def key(self, name: str, function: Callable[..., Any], inputs: tuple[Any, ...], named: Mapping[str, Any]) -> str:
        """The key of a stage. Executors and progress bars do not enter: they cannot change the bits."""
        where = f"stage {name!r}"
        counted = [(index, item) for index, item in enumerate(inputs) if not _is_tool(item)]
        return fingerprint(
            [
                name,
                self.seed,
                source_hash(),
                _function_hash(function, where),
                [index for index, _ in counted],
                {f"input {index}": item for index, item in counted},
                {key: named[key] for key in sorted(named) if not _is_tool(named[key])},
            ],
            where,
        )

    def path(self, name: str, key: str) -> Path:
        plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)[:80]
        return self.folder / f"{plain}.{key[:20]}.stage"

    def load(self, name: str, key: str) -> tuple[Any, float] | None:
        """Value of a finished stage and the seconds it took; None where it is to be computed. A damaged entry counts
        as missing."""
        path = self.path(name, key)
        self.used[path.name] = name
        if not self.reuse or not path.is_file():
            return None
        content = path.read_bytes()
        head = len(_MAGIC)
        body = memoryview(content)[head + 32 :]
        if content[:head] != _MAGIC or hashlib.sha256(body).digest() != content[head : head + 32]:
            _log.warning("stage %s: the saved result %s is damaged; it is computed again", name, path.name)
            return None
        return pickle.loads(body[8:]), float(struct.unpack("<d", body[:8])[0])

    def save(self, name: str, key: str, value: Any, seconds: float) -> Any:
        """Write a finished stage and return its value as read back, so that a resumed run goes on with the very same
        object."""
        buffer = io.BytesIO()
        buffer.write(struct.pack("<d", seconds))
        try:
            pickle.dump(value, buffer, protocol=5)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ValueError(
                f"stage {name!r} returned something that cannot be saved ({error}); return arrays and dataclasses"
            ) from error
        body = buffer.getbuffer()
        write_atomically(self.path(name, key), b"".join((_MAGIC, hashlib.sha256(body).digest(), body)))
        return pickle.loads(body[8:])

    def tidy(self) -> None:
        """Remove entries that this run did not use: those of older settings or sources."""
        for path in saved_stages(self.folder):
            if path.name not in self.used:
                path.unlink()


def saved_stages(folder: Path) -> list[Path]:
    """The entries in a folder, known by their names."""
    return [path for path in sorted(folder.glob("*.stage")) if re.search(r"\.[0-9a-f]{20}\.stage$", path.name)]


def _is_tool(value: Any) -> bool:
    owner = getattr(value, "__self__", value)
    return isinstance(value, Executor) or bool(getattr(type(owner), "not_an_input", False))
