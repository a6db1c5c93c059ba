"""Claim: the command answers at once. `kadanoff --help` < 0.2 s, `kadanoff list` < 0.3 s, `import kadanoff` < 0.1 s.

Run: ``python benchmarks/startup.py [--repeats 21]``. Medians of fresh processes, with the ratio to a bare Python and
to an ``import numpy``, run turn by turn so that a busy moment of the machine hits all alike. Exits 1 if a claim fails.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _common import machine, table

COMMAND = Path(sys.executable).with_name("kadanoff")
CASES: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "python -c 'import numpy'": ([sys.executable, "-c", "import numpy"], None),
    "python -c 'import kadanoff'": ([sys.executable, "-c", "import kadanoff"], 0.1),
    "kadanoff --help": ([str(COMMAND), "--help"], 0.2),
    "kadanoff list": ([str(COMMAND), "list"], 0.3),
}


def wall(command: list[str]) -> float:
    """Seconds of one fresh process, which must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=21)
    repeats = parser.parse_args().repeats
    if not COMMAND.exists():
        raise SystemExit(f"{COMMAND} is not there: install kadanoff in this environment first (pip install .)")
    for command, _ in CASES.values():
        wall(command)  # unmeasured: byte code is written, the file cache is filled
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(repeats):
        for name, (command, _) in CASES.items():
            times[name].append(wall(command))
    bare = statistics.median(times["python -c pass"])
    rows: list[tuple[object, ...]] = []
    failed = False
    for name, (_, limit) in CASES.items():
        median = statistics.median(times[name])
        verdict = "" if limit is None else ("yes" if median < limit else "NO")
        failed |= verdict == "NO"
        rows.append((name, median, min(times[name]), median / bare, "" if limit is None else limit, verdict))
    print(machine())
    print(table(rows, ("command", "median s", "best s", "times bare Python", "claim <", "holds")))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
