"""Claim: drift and diffusion at least 10 times as fast as kramersmoyal on the same histogram, with the same answer.

Run: ``python benchmarks/dynamics_kramers_moyal.py [--frames 4000000] [--bins 200] [--repeats 5]``. One series of an
Ornstein-Uhlenbeck process; both programs take the same edges and the same Epanechnikov kernel. The first four moments
are compared cell by cell. A scan of 20 lags in one pass is timed beside one call of the peer times 20. The share of
memory bandwidth is that of a plain sum of the series in the time for one lag. One core. Exits 1 if the claim fails or
an answer differs; without kramersmoyal (``pip install kramersmoyal``) only our own times are shown.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys

from _common import machine, seconds, table, use_cores

CLAIM = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=4_000_000)
    parser.add_argument("--bins", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    use_cores(1)
    import numpy as np
    from scipy.signal import lfilter

    from kadanoff.dynamics.langevin import kramers_moyal
    from kadanoff.dynamics.trajectories import trajectories

    print(machine())
    x = lfilter([1], [1, -0.99], np.random.default_rng(1).standard_normal(options.frames)) * np.sqrt(1 - 0.99**2)
    source = trajectories(x, 1.0)
    # one edge beyond the last frame: what lies on it goes into the last cell in one program, nowhere in the other
    edges = np.linspace(x[:-1].min(), x[:-1].max() * (1 + 1e-12), options.bins + 1)
    bandwidth = 5.5 * (edges[1] - edges[0])
    scan = np.unique(np.geomspace(1, 1000, 20).round().astype(int))

    def ours() -> object:
        found = kramers_moyal(source, [1], edges=[edges], blocks=32)
        return found, found._correlate(found.rows(0)[:1], found._epanechnikov(bandwidth))[0]

    mine, _ = seconds(ours, repeats=options.repeats)
    twenty, _ = seconds(lambda: kramers_moyal(source, scan, edges=[edges], blocks=32), repeats=options.repeats)
    reading, _ = seconds(lambda: x.sum(), repeats=options.repeats)
    rate = options.frames / mine / 1e6
    rows: list[tuple[object, ...]] = [
        ("kadanoff, 1 lag, 32 blocks", mine, rate),
        (f"kadanoff, {len(scan)} lags, 32 blocks", twenty, len(scan) * options.frames / twenty / 1e6),
    ]
    failed, other = False, 0.0
    if importlib.util.find_spec("kramersmoyal") is None:
        print("kramersmoyal is missing (pip install kramersmoyal): no ratio")
    else:
        from kramersmoyal import km
        from kramersmoyal.kernels import epanechnikov

        powers = np.arange(5)[:, None]

        def theirs() -> object:
            return km(x[:, None], [edges], powers, kernel=epanechnikov, bw=bandwidth)

        other, _ = seconds(theirs, repeats=options.repeats)
        rows.append(("kramersmoyal, 1 lag", other, options.frames / other / 1e6))
        failed = not agree(ours(), theirs())
    print(table(rows, ("program", "seconds", "million displacements/s")))
    if other:
        print(f"one lag: {other / mine:.1f} times, a scan: {len(scan) * other / twenty:.1f} times, claimed {CLAIM:g}")
        failed |= other / mine < CLAIM
    print(f"memory: reading the series alone takes {100 * reading / mine:.0f} % of our time for one lag")
    return int(failed)


def agree(mine: object, theirs: object) -> bool:
    """Whether the first four moments are the same in all cells that hold frames, to the rounding of the peer's FFT."""
    import math

    import numpy as np

    _, sums = mine  # type: ignore[misc]
    moments, _ = theirs[:2]  # type: ignore[index]
    weight = sums[:, 0]
    full = weight > 1e-3 * weight.max()
    worst = 0.0
    for power in range(1, 5):
        here = sums[full, power] / weight[full] / math.factorial(power)
        there = moments[power][full]
        worst = max(worst, float(np.max(np.abs(here - there)) / np.max(np.abs(here))))
    print(f"largest difference of a moment from kramersmoyal: {worst:.1e} of the largest")
    return worst < 1e-6


if __name__ == "__main__":
    sys.exit(main())
