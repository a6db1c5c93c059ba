"""Claim: the memory kernel of 10^5 points in seconds at most, time growing as n log^2 n, 10 times the peer or more.

Run: ``python benchmarks/dynamics_kernel_inversion.py [--largest 100000] [--peer 100000]``. The same exact correlation
functions (an exponential kernel) go to kadanoff and to gleqpy's ``calc_memory_dtrapz``, a NumPy loop of n^2 operations
(memtools does the same work in the same way); where gleqpy cannot be imported (it needs ASE, undeclared) that loop,
written out here, takes its place and the table says so. One core, process time. The answers are compared; exits 1 if
they differ or a claim fails. The peer is run up to ``--peer`` points, beyond which its time is the square of its last.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from _common import machine, table, use_cores

use_cores(1)

import numpy as np  # noqa: E402

from kadanoff.dynamics.memory import exact_correlations, memory_kernel  # noqa: E402

STRENGTH, RATE, END = 1.0, 1.0, 40.0
LIMIT, FASTER, EXPONENT = 5.0, 10.0, 1.35  # seconds at 10^5 points; over the peer at its largest; of time against n


def correlations(n: int) -> tuple[float, Any, Any, Any, Any]:
    """C, C', C'' of M = kT = 1 and K = c exp(-a t): roots of s (s + a) + c."""
    step = END / n
    t = step * np.arange(n)
    roots = np.roots([1.0, RATE, STRENGTH]).astype(complex)
    weights = (roots + RATE) / (2 * roots + RATE)
    waves = weights * np.exp(np.multiply.outer(t, roots))
    value, first, second = ((waves * roots**k).sum(axis=1).real for k in range(3))
    return step, t, value, first, second


def numpy_loop(first: Any, given: Any, start: float, step: float) -> Any:
    """Trapezoidal rule for the second kind, one row at a time."""
    kernel = np.zeros(len(first))
    kernel[0] = given[0] / start
    for i in range(1, len(first)):
        back = first[i:0:-1]
        past = kernel[0] * back[0] / 2 + np.sum(kernel[1:i] * back[1:])
        kernel[i] = (given[i] - step * past) / (start + step / 2 * first[0])
    return kernel


def peer() -> tuple[str, Callable[[Any, Any, float, float], Any]]:
    try:
        from gleqpy.memory.time import calc_memory_dtrapz
    except ImportError as error:
        print(f"gleqpy is not there ({error}): its loop, written out, takes its place")
        return "NumPy loop", numpy_loop
    return "gleqpy", lambda first, given, start, step: calc_memory_dtrapz(first, -given, start, step)


def seconds(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    best, answer = float("inf"), None
    for _ in range(repeats):
        begin = time.process_time()
        answer = call()
        best = min(best, time.process_time() - begin)
    return best, answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=100_000)
    parser.add_argument("--peer", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    name, other = peer()
    sizes = [n for n in (1000, 3000, 10_000, 20_000, 30_000, 100_000, 300_000) if n <= options.largest]
    rows, ours, theirs, good = [], [], None, True
    for n in sizes:
        step, t, value, first, second = correlations(n)
        exact = exact_correlations(step, value, first_derivative=first, second_derivative=second)
        memory_kernel(exact, "trapezoid")  # compiled
        mine, kernel = seconds(lambda e=exact: memory_kernel(e, "trapezoid").value, options.repeats)
        finer, simpson = seconds(lambda e=exact: memory_kernel(e, "simpson").value, options.repeats)
        ours.append(mine)
        law = STRENGTH * np.exp(-RATE * t)
        apart: float | str = "-"
        if n <= options.peer:
            theirs, answer = seconds(lambda a=(first, -second, value[0], step): other(*a), 1)
            apart = float(np.abs(answer - kernel).max())
            good &= apart < 1e-10
            peer_n, shown = n, f"{theirs:.3g}"
        else:
            shown = "-" if theirs is None else f"({theirs * (n / peer_n) ** 2:.3g})"
        ratio = "-" if theirs is None else f"{theirs * (n / peer_n) ** 2 / mine:.0f}"
        rows.append((n, mine, finer, shown, ratio, apart, np.abs(kernel - law).max(), np.abs(simpson - law).max()))
    header = ("n", "trapezoid (s)", "Simpson (s)", f"{name} (s)", "ratio", "difference", "error", "error, Simpson")
    print(table(rows, header))
    exponent = float(np.polyfit(np.log(sizes[-3:]), np.log(ours[-3:]), 1)[0])
    print(f"time grows as n^{exponent:.2f} over the largest three; in brackets: not run, n^2 of the largest that was")
    if sizes[-1] >= 100_000:
        good &= ours[sizes.index(100_000)] < LIMIT and exponent < EXPONENT
    if theirs is not None:
        good &= theirs / ours[sizes.index(peer_n)] > FASTER
    print("claims hold" if good else "A CLAIM FAILS OR AN ANSWER DIFFERS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
