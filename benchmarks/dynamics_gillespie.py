"""Claim: at least 1e7 jumps of a small network a second on one core, at least 1.3 times the textbook loop in numba.

Run: ``python benchmarks/dynamics_gillespie.py [--jumps 5000000] [--repeats 5]``. The 4-state network of Harunari et al.
(2022). Peers, on the same rates and the same number of jumps, made here because no maintained package was found that
simulates a bare matrix of rates: the textbook loop in numba (NumPy's generator, exponential by -log(u), the target by a
running sum over the row), which is what a careful reader would write; and the same loop in plain Python, as notebooks
have it (a fiftieth of the jumps). kadanoff alone draws counter-based numbers, so that a trajectory does
not depend on chunks or threads; that costs it some of its lead. Every program's mean dwell times and occupations are
compared with the exact ones. Processor time, one core. Exits 1 if a claim fails or an answer differs.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from _common import machine, table, use_cores

RATE_CLAIM, PEER_CLAIM = 1e7, 1.3
RATES = [[0.0, 1.0, 3.0, 1.0], [3.0, 0.0, 1.0, 2.0], [2.0, 2.0, 0.0, 1.0], [2.0, 1.0, 3.0, 0.0]]


def textbook(rates: Any) -> Callable[[int, int], Any]:
    """The direct method as in the books, compiled."""
    import numpy as np
    from numba import njit

    @njit(nogil=True)
    def loop(rates, jumps, seed, states, dwells):
        np.random.seed(seed)  # noqa: NPY002 (numba has no other)
        state = 0
        for k in range(jumps):
            total = 0.0
            for j in range(rates.shape[0]):
                total += rates[state, j]
            states[k] = state
            dwells[k] = -math.log(np.random.random()) / total  # noqa: NPY002
            target, below, j = np.random.random() * total, 0.0, 0  # noqa: NPY002
            while True:
                below += rates[state, j]
                if target < below or j == rates.shape[0] - 1:
                    break
                j += 1
            state = j

    def run(jumps: int, seed: int) -> Any:
        states, dwells = np.empty(jumps, np.int32), np.empty(jumps)
        loop(rates, jumps, seed, states, dwells)
        return states, dwells

    return run


def plain(rates: Any) -> Callable[[int, int], Any]:
    """The loop of a notebook, in Python."""
    import numpy as np

    rows = [[(j, rate) for j, rate in enumerate(row) if rate > 0] for row in rates.tolist()]

    def run(jumps: int, seed: int) -> Any:
        generator = random.Random(seed)
        state, states, dwells = 0, [], []
        for _ in range(jumps):
            total = sum(rate for _, rate in rows[state])
            states.append(state)
            dwells.append(-math.log(1.0 - generator.random()) / total)
            target = generator.random() * total
            for j, rate in rows[state]:
                state, target = j, target - rate
                if target < 0:
                    break
        return np.array(states), np.array(dwells)

    return run


def kadanoff(rates: Any) -> Callable[[int, int], Any]:
    from kadanoff.dynamics import simulate_jumps

    def run(jumps: int, seed: int) -> Any:
        path = simulate_jumps(rates, jumps=jumps, seed=seed, start=0)
        return path.states, path.dwells

    return run


def agrees(found: Any, rates: Any) -> bool:
    """Whether occupation and mean dwell times are those of the stationary state, within 5 standard errors."""
    import numpy as np

    from kadanoff.dynamics import stationary

    states, dwells = found
    p, good = stationary(rates), True
    for state in range(len(p)):
        here = states == state
        share = dwells[here].sum() / dwells.sum()
        mean = dwells[here].mean() * rates[state].sum()
        good &= abs(share - p[state]) < 5 * 2 / np.sqrt(len(states)) and abs(mean - 1) < 5 / np.sqrt(here.sum())
    return bool(good)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jumps", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    use_cores(1)

    import numpy as np

    print(machine())
    rates = np.array(RATES)
    runs: dict[str, tuple[Callable[[int, int], Any], int]] = {
        "kadanoff": (kadanoff(rates), options.jumps),
        "textbook loop, numba": (textbook(rates), options.jumps),
        "textbook loop, Python": (plain(rates), max(options.jumps // 50, 1000)),
    }
    failed = False
    times: dict[str, list[float]] = {name: [] for name in runs}
    for name, (run, jumps) in runs.items():  # compiles, and checks the answer
        good = agrees(run(jumps, 1), rates)
        failed |= not good
        print(f"{name}: occupation and dwell times {'agree' if good else 'DIFFER'}")
    for repeat in range(options.repeats):
        for name, (run, jumps) in runs.items():
            start = time.process_time()
            run(jumps, repeat + 2)
            times[name].append((time.process_time() - start) / jumps)
    speed = {name: 1.0 / statistics.median(values) for name, values in times.items()}
    rows = [(name, value / 1e6, speed["kadanoff"] / value) for name, value in speed.items()]
    print(table(rows, ("program", "million jumps/s", "kadanoff is faster by")))
    for what, value, claim in (
        ("jumps a second", speed["kadanoff"], RATE_CLAIM),
        ("times the textbook loop in numba", speed["kadanoff"] / speed["textbook loop, numba"], PEER_CLAIM),
    ):
        print(f"{what}: {value:.3g}, claimed {claim:.3g}: {'holds' if value >= claim else 'DOES NOT HOLD'}")
        failed |= value < claim
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
