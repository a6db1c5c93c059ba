"""Results of worker processes through a scratch file that all of them have mapped.

The pipe of a process pool moves a few hundred MB/s and holds the caller up meanwhile; beads come faster than that.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kadanoff.parallel import map_ordered

__all__ = ["map_to_scratch"]

J = TypeVar("J")
R = TypeVar("R")
Array = NDArray[np.float32]
_Task = tuple[Callable[[Any, range, Array], Any], str, tuple[int, ...], int, range]


def map_to_scratch(
    function: Callable[[J, range, Array], R],
    job: J,
    parts: Sequence[range],
    shape: Callable[[range], tuple[int, ...]],
    pool: ProcessPoolExecutor,
) -> Iterator[tuple[R, Array]]:
    """Yield ``(function(job, part, array), array)`` for each part in order; the function fills the array.

    ``job`` goes to each process once, not with each part. Raises OSError where the disk of temporary files is full.
    """
    shapes = [shape(part) for part in parts]
    slots = min(len(parts), 2 * int(getattr(pool, "_max_workers", 0) or 16))
    size = max(int(np.prod(each)) for each in shapes)
    with TemporaryDirectory(prefix="kadanoff-", ignore_cleanup_errors=True) as folder:
        Path(folder, "job").write_bytes(pickle.dumps(job, protocol=5))
        with Path(folder, "arrays").open("wb") as file:
            for _ in range(slots):
                file.write(bytes(4 * size))  # written, not left a hole: a full disk shows here, as an OSError
        memory = _mapped(folder, (slots, size))
        tasks: list[_Task] = [
            (function, folder, (slots, size, *each), i % slots, part)
            for i, (each, part) in enumerate(zip(shapes, parts, strict=True))
        ]
        # A slot is copied before the task that takes it next is handed out: `map_ordered` is ``slots`` ahead.
        for task, each, result in zip(tasks, shapes, map_ordered(_run, tasks, pool, ahead=slots), strict=True):
            yield result, memory[task[3], : int(np.prod(each))].reshape(each).copy()


def _run(task: _Task) -> Any:
    function, folder, (slots, size, *shape), slot, part = task
    job, memory = _opened(folder, slots, size)
    return function(job, part, memory[slot, : int(np.prod(shape))].reshape(shape))


@lru_cache(maxsize=1)
def _opened(folder: str, slots: int, size: int) -> tuple[Any, Array]:
    return pickle.loads(Path(folder, "job").read_bytes()), _mapped(folder, (slots, size))


def _mapped(folder: str, shape: tuple[int, int]) -> Array:
    return np.memmap(Path(folder, "arrays"), np.float32, "r+", shape=shape).view(np.ndarray)
