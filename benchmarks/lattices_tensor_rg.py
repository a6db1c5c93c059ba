"""Claim: BTRG with 32 states and 30 steps, Ising at T_c, takes less than a second on one core; a dense one with full
singular value decompositions, as it is usually written, gives the same free energy in many times that."""

from __future__ import annotations

import time
from collections.abc import Callable

from _common import machine, table, use_cores

use_cores(1)

import numpy as np  # noqa: E402

from kadanoff.lattices import CRITICAL_COUPLING, infinite_log_partition, ising_tensor, renormalise  # noqa: E402

CHI, STEPS = 32, 30


def plain_btrg(coupling: float, chi: int, steps: int) -> float:
    """ln Z / N by BTRG in plain numpy: one dense tensor, full decompositions (Adachi, Okubo and Todo, 2022)."""
    w = np.array([[np.cosh(coupling) ** 0.5, np.sinh(coupling) ** 0.5]] * 2) * [[1, 1], [1, -1]]
    t = np.einsum("sl,su,sr,sd->lurd", w, w, w, w)
    across, down, logs = np.ones(2), np.ones(2), 0.0

    def halves(matrix: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        u, s, v = np.linalg.svd(matrix, full_matrices=False)
        n = min(chi, int(np.sum(s > 1e-14 * s[0])))
        top, s = float(s[0]), s[:n] / s[0]
        return (
            (u[:, :n] * s**0.75).reshape(*shape[:2], n),
            (s[:, None] ** 0.75 * v[:n]).reshape(n, *shape[2:]),
            s**-0.5,
            top,
        )

    for step in range(1, steps + 1):
        l, u, r, d = t.shape  # noqa: E741
        a, b, new_down, one = halves(t.transpose(3, 0, 1, 2).reshape(d * l, u * r), (d, l, u, r))
        c, e, new_across, two = halves(t.reshape(l * u, r * d), (l, u, r, d))
        left = np.tensordot(e * across[None, :, None] * down, b, ([2], [1]))
        right = np.tensordot(c * across[:, None, None] * down[None, :, None], a, ([1], [0]))
        t = np.tensordot(left, right, ([1, 3], [2, 0])).transpose(0, 3, 2, 1)
        down, across = new_down, new_across
        largest = float(np.abs(t).max())
        t, logs = t / largest, logs + np.log(one * two * largest) / 2**step
    return logs + float(np.log(np.einsum("abab,a,b->", t, across, down))) / 2**steps


def processor_seconds(run: Callable[[], float], repeats: int) -> tuple[float, float]:
    """The answer and the least processor time: one thread does it all, and other programs do not count."""
    value, least = run(), float("inf")
    for _ in range(repeats):
        start = time.process_time()
        run()
        least = min(least, time.process_time() - start)
    return value, least


def main() -> None:
    exact = infinite_log_partition(CRITICAL_COUPLING)
    tensor = ising_tensor(CRITICAL_COUPLING)
    assert (
        abs(plain_btrg(CRITICAL_COUPLING, 8, 20) - renormalise(tensor, 8, steps=20, randomised=False).log_partition)
        < 1e-10
    )
    runs = {
        "kadanoff: blocks, randomised": lambda: renormalise(tensor, CHI, steps=STEPS).log_partition,
        "kadanoff: one block, randomised": lambda: renormalise(tensor, CHI, steps=STEPS, symmetric=False).log_partition,
        "kadanoff: blocks, full decompositions": lambda: (
            renormalise(tensor, CHI, steps=STEPS, randomised=False).log_partition
        ),
        "plain numpy: dense, full decompositions": lambda: plain_btrg(CRITICAL_COUPLING, CHI, STEPS),
    }
    rows, took = [], {}
    ours = next(iter(runs))
    for name, run in runs.items():
        value, took[name] = processor_seconds(run, repeats=7 if name == ours else 1)
        rows.append((name, took[name], abs(value / exact - 1), took[name] / took[ours]))
    print(machine())
    print(table(rows, (f"BTRG, {CHI} states, {STEPS} steps, 1 core", "processor s", "relative error", "times as long")))
    print(f"{took[ours]:.2f} s, claim: 1 s")
    raise SystemExit(0 if took[ours] < 1 else 1)


if __name__ == "__main__":
    main()
