"""What a kind gets beside its configuration: stages, an executor, a seed, progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from kadanoff.study.stages import Store

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bar", "Run"]

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Bar:
    """A progress bar with the time left; shows nothing where there is no terminal."""

    not_an_input: ClassVar[bool] = True

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: float = 1.0) -> None:
        """``steps`` more of the total are done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, steps)


class Run:
    """One run of a study: ``stage``, ``executor``, ``seed`` and ``progress``; nothing else is offered to a kind.

    Without a folder nothing is cached, which is how a kind is called from a script or a test:
    ``block_spins(BlockSpins(), Run())``.
    """

    not_an_input: ClassVar[bool] = True

    def __init__(
        self,
        folder: Path | None = None,
        *,
        seed: int = 0,
        executor: Executor | None = None,
        resume: bool = True,
        quiet: bool = True,
    ) -> None:
        from kadanoff.parallel import Serial

        self.seed = int(seed)
        self.executor: Executor = executor if executor is not None else Serial()
        self.stages: list[dict[str, Any]] = []
        self._store = None if folder is None else Store(Path(folder), self.seed, reuse=resume)
        self._quiet = quiet or not sys.stderr.isatty()
        self._progress: Progress | None = None

    def stage(self, name: str, function: Callable[..., T], *inputs: Any, **named: Any) -> T:
        """``function(*inputs, **named)``, or its saved result where the same call has been finished before.

        The function is one of a module, takes all it needs as inputs (its seed among them) and returns something that
        can be pickled. The key hashes name, function, inputs by content (a ``Path`` by the file's content),
        ``run.seed`` and the package's sources; executors, bars and ``run.progress`` may be passed and do not enter.
        Raises ValueError where an input cannot be hashed or the result cannot be saved; errors of the function pass
        through and leave earlier stages as they are.
        """
        if self._store is None:
            return function(*inputs, **named)
        started = time.perf_counter()
        key = self._store.key(name, function, inputs, named)
        saved = self._store.load(name, key)
        result: T
        if saved is not None:
            result, seconds = saved
            _log.info("stage %s: taken from the earlier run", name)
        else:
            _log.info("stage %s: started", name)
            result = function(*inputs, **named)
            seconds = time.perf_counter() - started
            result = self._store.save(name, key, result, seconds)
            _log.info("stage %s: done in %.1f s", name, seconds)
        self.stages.append({"name": name, "key": key, "seconds": round(seconds, 3), "reused": saved is not None})
        return result

    @property
    def saved_seconds(self) -> float:
        """What the stages that were taken from an earlier run took there."""
        return float(sum(stage["seconds"] for stage in self.stages if stage["reused"]))

    @contextmanager
    def progress(self, total: float, label: str) -> Iterator[Bar]:
        """``with run.progress(steps, "final simulation") as bar: ... bar.advance(n)``; silent when not on a
        terminal."""
        if self._quiet:
            yield Bar(None, None)
            return
        outermost = self._progress is None
        if outermost:
            self._progress = _start_bars()
        assert self._progress is not None
        task = self._progress.add_task(label, total=total)
        try:
            yield Bar(self._progress, task)
        finally:
            if outermost:
                self._progress.stop()
                self._progress = None
            else:
                self._progress.remove_task(task)

    def finish(self) -> None:
        """Drop saved stages that this run did not use; called after the last stage of a run that went well."""
        if self._store is not None:
            self._store.tidy()


def _start_bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    bars.start()
    return bars
