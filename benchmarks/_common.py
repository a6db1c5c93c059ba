"""What every benchmark needs: calm timings, a choice of cores, a table that shows the ratio."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable


def seconds(function: Callable[[], object], *, repeats: int = 5, warm: bool = True) -> tuple[float, float]:
    """Median and best wall time of ``function()``; one call before the clock starts compiles and fills caches."""
    if warm:
        function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), min(times)


def use_cores(number: int) -> None:
    """Keep this process and its children on ``number`` cores, and tell the thread pools that read the environment.

    Call it before numba, OpenMM or any BLAS is imported: they size their pools once.
    """
    cores = sorted(os.sched_getaffinity(0))
    if number > len(cores):
        raise SystemExit(f"{number} cores asked for, {len(cores)} here")
    os.sched_setaffinity(0, cores[:number])
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(number)


def machine() -> str:
    """One line: processor, cores, system, Python. Print it above every table."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def table(rows: list[tuple[object, ...]], header: tuple[str, ...]) -> str:
    """Rows as an aligned text table."""
    cells = [header, *(tuple(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
