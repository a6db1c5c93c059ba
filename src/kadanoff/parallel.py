"""Where work runs: in order, in threads, in processes, on a Dask cluster. The numbers do not depend on it.

Tasks are cut without looking at the number of workers, carry their seed and chunk number, and are merged in task order.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

__all__ = ["Serial", "executor", "map_ordered", "reduce_ordered", "usable_cores"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Serial(Executor):
    """An executor that runs each call at once, in the caller's thread."""

    _max_workers = 1

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run ``fn`` now; the future is finished when it is returned and holds the result or the error."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # an executor's future carries whatever the call raised
            future.set_exception(error)
        return future


def usable_cores() -> int:
    """Number of cores this process may use (its CPU affinity where the system tells)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor(workers: int | str = 1) -> Iterator[Executor]:
    """The executor that ``workers`` asks for, shut down at the end.

    1: no concurrency; n or "threads:n": n threads; "processes:n": n freshly spawned processes; "dask://host:port": a
    Dask cluster through ``Client.get_executor(pure=False)`` (with ``pure=True`` identical tasks would return one cached
    result). Without ":n" it is one per usable core. Raises ValueError for anything else, for a cluster that cannot be
    reached, and where the extra ``kadanoff[dask]`` is missing.
    """
    kind, number = _parse(workers)
    if kind == "dask":
        with _dask(number) as pool:
            yield pool
        return
    count = int(number)
    if kind == "threads" and count == 1:
        yield Serial()
    elif kind == "threads":
        with ThreadPoolExecutor(count) as threads:
            yield threads
    else:
        import multiprocessing

        with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as processes:
            yield processes


def _parse(workers: int | str) -> tuple[str, str]:
    text = str(workers).strip()
    if text.startswith("dask://"):
        return "dask", text.removeprefix("dask://")
    kind, _, number = text.partition(":")
    if kind.isdecimal() and not number:
        kind, number = "threads", kind
    number = number or str(usable_cores())
    if kind not in ("threads", "processes") or not number.isdecimal() or int(number) < 1:
        raise ValueError(
            f"workers: {text!r} is none of a number from 1, 'threads:4', 'processes:4', 'dask://host:port'"
        )
    return kind, number


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        import distributed
    except ImportError as error:
        raise ValueError("workers on a Dask cluster need the extra: pip install '.[dask]' in the clone") from error
    try:
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=10).close()  # fails at once; the client would go on trying
        client = distributed.Client(f"tcp://{address}", timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(f"workers: no Dask scheduler answers at {address} ({error})") from error
    with client:
        yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]


def map_ordered(
    function: Callable[[T], R], tasks: Iterable[T], executor: Executor | None = None, *, ahead: int | None = None
) -> Iterator[R]:
    """Yield ``function(task)`` in the order of the tasks, whatever order they finish in.

    ``tasks`` may be a generator: at most ``ahead`` of them (by default twice the workers, 32 where their number is not
    known) are taken before their turn, so memory stays bounded. ``executor=None`` runs in order. An error of a task is
    raised when its turn comes and those behind it are cancelled. For processes and Dask the function is one of a
    module.
    """
    if executor is None or isinstance(executor, Serial):
        yield from map(function, tasks)
        return
    width = ahead if ahead is not None else 2 * int(getattr(executor, "_max_workers", 0) or 16)
    if width < 1:
        raise ValueError(f"ahead must be 1 or more, not {width}")
    queue: deque[Any] = deque()
    source = iter(tasks)
    try:
        while True:
            queue.extend(executor.submit(function, task) for task in itertools.islice(source, width - len(queue)))
            if not queue:
                return
            yield queue.popleft().result()
    finally:
        for future in queue:
            future.cancel()


def reduce_ordered(
    function: Callable[[T], R], tasks: Iterable[T], merge: Callable[[R, R], R], executor: Executor | None = None
) -> R:
    """Merge ``function(task)`` over all tasks from the first to the last: merge(merge(r0, r1), r2) ...

    The order is fixed, so floating-point sums are the same bits for any number of workers. Raises ValueError without a
    task.
    """
    results = map_ordered(function, tasks, executor)
    try:
        total = next(results)
    except StopIteration:
        raise ValueError("no tasks: nothing to merge") from None
    for part in results:
        total = merge(total, part)
    return total
