"""Claim: g(r) of 2,180 beads to 1.5 nm, 300 bins, at least 10 times as fast as the best peer, 70 % of a C loop or more.

Run: ``python benchmarks/rdf.py [--frames 20] [--repeats 5]``. Beads at random in a cubic box of 4.03 nm; every
program gets the same frames and its g is compared with ours. Peers that read files (csg_stat) or caches of their own
(ripple-hpc) are timed with the reading, which is a small part. The C loop is brute force over all pairs with four
sub-histograms, in single precision like ours. Frames a second, one core and two. Exits 1 if a claim fails or an
answer differs.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import machine, table

BEADS, EDGE, REACH, BINS = 2180, 4.03, 1.5, 300
PEER_CLAIM, C_CLAIM = 10.0, 0.7

C_LOOP = r"""
#include <math.h>
#include <stdint.h>
void count(const float *restrict x, const float *restrict y, const float *restrict z, int n, float edge, float scale,
           int bins, int32_t *restrict found, int64_t *restrict table) {
  for (int i = 0; i < n; i++) {
    const float xi = x[i], yi = y[i], zi = z[i];
    const float *xs = x + i + 1, *ys = y + i + 1, *zs = z + i + 1;
    const int length = n - i - 1, whole = length / 4 * 4;
    for (int j = 0; j < length; j++) {
      float dx = fabsf(xs[j] - xi), dy = fabsf(ys[j] - yi), dz = fabsf(zs[j] - zi);
      dx = fminf(dx, edge - dx); dy = fminf(dy, edge - dy); dz = fminf(dz, edge - dz);
      int bin = (int)(sqrtf(dx * dx + dy * dy + dz * dz) * scale);
      found[j] = bin < bins ? bin : bins;
    }
    for (int j = 0; j < whole; j += 4) {
      table[found[j]]++;
      table[bins + 1 + found[j + 1]]++;
      table[2 * (bins + 1) + found[j + 2]]++;
      table[3 * (bins + 1) + found[j + 3]]++;
    }
    for (int j = whole; j < length; j++) table[found[j]]++;
  }
}
"""

Run = Callable[[], Any]


def compiled_loop(folder: Path, positions: Any) -> Run | None:
    """The C loop over all frames, or None without gcc."""
    import numpy as np

    if shutil.which("gcc") is None:
        print("gcc is missing: the C loop is left out")
        return None
    (folder / "loop.c").write_text(C_LOOP, encoding="utf-8")
    options = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "loop.c", "-o", "loop.so", "-lm"], cwd=folder, check=True)
    loop = ctypes.CDLL(str(folder / "loop.so")).count
    pointer = ctypes.c_void_p

    def run() -> Any:
        tables = np.zeros((4, BINS + 1), np.int64)
        found = np.empty(BEADS, np.int32)
        for frame in positions:
            axes = np.ascontiguousarray(frame.T, dtype=np.float32)
            arrays = [axis.ctypes.data_as(pointer) for axis in axes]
            loop(
                *arrays, BEADS, ctypes.c_float(EDGE), ctypes.c_float(BINS / REACH), BINS, found.ctypes.data_as(pointer),
                tables.ctypes.data_as(pointer),
            )  # fmt: skip
        edges = np.linspace(0, REACH, BINS + 1)
        ideal = len(positions) * BEADS * (BEADS - 1) / 2 * 4 / 3 * np.pi * np.diff(edges**3) / EDGE**3
        return tables.sum(axis=0)[:BINS] / ideal

    return run


def peers(folder: Path, positions: Any, cores: int) -> dict[str, Run]:
    """The programs that are installed, each a call that returns g."""
    import numpy as np

    runs: dict[str, Run] = {}
    box = np.full(3, EDGE)

    def has(module: str) -> bool:
        if importlib.util.find_spec(module) is None:
            print(f"{module} is missing: left out")
            return False
        return True

    if has("mdtraj") and cores == 1:
        import mdtraj

        topology = mdtraj.Topology()
        chain = topology.add_chain()
        for _ in range(BEADS):
            topology.add_atom("A", None, topology.add_residue("A", chain))
        trajectory = mdtraj.Trajectory(positions.astype(np.float32), topology)
        trajectory.unitcell_lengths = np.tile(box, (len(positions), 1))
        trajectory.unitcell_angles = np.full((len(positions), 3), 90.0)
        pairs = np.stack(np.triu_indices(BEADS, 1), axis=1)
        runs["mdtraj"] = lambda: mdtraj.compute_rdf(trajectory, pairs, (0.0, REACH), n_bins=BINS)[1]

    if has("freud"):
        import freud

        freud.parallel.set_num_threads(cores)
        cell = freud.box.Box.cube(EDGE)
        centred = (positions - EDGE / 2).astype(np.float32)

        def with_freud() -> Any:
            rdf = freud.density.RDF(BINS, REACH)
            for frame in centred:
                rdf.compute((cell, frame), reset=False)
            return rdf.rdf

        runs["freud"] = with_freud

    if has("MDAnalysis"):
        import MDAnalysis
        from MDAnalysis.analysis.rdf import InterRDF

        universe = MDAnalysis.Universe.empty(BEADS, trajectory=True)
        universe.load_new((10 * positions).astype(np.float32), dimensions=np.array([*(10 * box), 90, 90, 90]))
        universe.add_TopologyAttr("names", ["A"] * BEADS)
        universe.add_TopologyAttr("resnames", ["A"])

        def with_mdanalysis() -> Any:
            rdf = InterRDF(universe.atoms, universe.atoms, BINS, (0.0, 10 * REACH), exclusion_block=(1, 1))
            parallel = {} if cores == 1 else {"backend": "multiprocessing", "n_workers": cores}
            return rdf.run(**parallel).results.rdf

        runs["MDAnalysis"] = with_mdanalysis

        if shutil.which("csg_stat"):
            universe.dimensions = [*(10 * box), 90, 90, 90]
            universe.atoms.write(str(folder / "beads.gro"))
            with MDAnalysis.Writer(str(folder / "beads.xtc"), BEADS) as writer:
                for _ in universe.trajectory:
                    writer.write(universe.atoms)
            (folder / "stat.xml").write_text(
                "<cg><non-bonded><name>A-A</name><type1>A</type1><type2>A</type2><min>0</min>"
                f"<max>{REACH}</max><step>{REACH / BINS}</step></non-bonded></cg>"
            )
            command = ["csg_stat", "--top", "beads.gro", "--trj", "beads.xtc", "--options", "stat.xml"]
            command += ["--nt", str(cores)]

            def with_votca() -> Any:
                subprocess.run(command, cwd=folder, check=True, capture_output=True)
                # its bins are centred on multiples of the step: no bin-by-bin comparison
                return None

            runs["csg_stat"] = with_votca
        else:
            print("csg_stat (Debian: votca) is missing: left out")

    if has("ripple") and has("ase"):
        from ase import Atoms
        from ripple import memmap_create, rdf_cal

        atoms = [Atoms("Ar" * BEADS, positions=frame, cell=box, pbc=True) for frame in positions]
        cache = str(folder / "ripple")
        prepared = memmap_create(atoms, save_dir=cache, trajectory_tag=f"beads{cores}", pos_dtype="float32")
        runs["ripple-hpc"] = lambda: rdf_cal(
            prepared, "Ar", "Ar", r_max=REACH, dr=REACH / BINS, n_workers=cores, pos_dtype="float32"
        ).rdf
    return runs


def kadanoff(positions: Any, cores: int) -> Run:
    import numpy as np

    from kadanoff.molecules.frames import Beads, Frames
    from kadanoff.molecules.pair_distributions import pair_distribution
    from kadanoff.parallel import executor

    box = np.full((len(positions), 3), EDGE)
    frames = Frames(Beads.alike(BEADS, 18.0), positions, box, np.arange(float(len(positions))))

    def run() -> Any:
        with executor(cores) as pool:
            return pair_distribution(frames, cutoff=REACH, width=REACH / BINS, executor=pool).g

    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    import numpy as np

    print(machine())
    positions = np.random.default_rng(1).uniform(0, EDGE, (options.frames, BEADS, 3))
    usable, failed = sorted(os.sched_getaffinity(0)), False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for cores in options.cores:
            if cores > len(usable):
                print(f"{cores} cores asked for, {len(usable)} here: left out")
                continue
            os.sched_setaffinity(0, usable[:cores])
            runs: dict[str, Run] = {"kadanoff": kadanoff(positions, cores)}
            loop = compiled_loop(folder, positions) if cores == 1 else None
            if loop is not None:
                runs["C loop"] = loop
            runs |= peers(folder, positions, cores)
            found = {key: run() for key, run in runs.items()}
            failed |= not agree(found, options.frames)
            times: dict[str, list[float]] = {key: [] for key in runs}
            for _ in range(options.repeats):  # turn by turn, so that a busy moment hits all alike
                for key, run in runs.items():
                    start = time.perf_counter()
                    run()
                    times[key].append(time.perf_counter() - start)
            rates = {key: options.frames / statistics.median(values) for key, values in times.items()}
            ranked = sorted(rates.items(), key=lambda x: -x[1])
            rows = [(key, rate, rates["kadanoff"] / rate) for key, rate in ranked]
            print(f"\n{cores} core(s)\n" + table(rows, ("program", "frames/s", "kadanoff is faster by")))
            best = max((rate for key, rate in rates.items() if key not in ("kadanoff", "C loop")), default=None)
            if best is not None:
                failed |= verdict(f"{cores} core(s), best peer", rates["kadanoff"] / best, PEER_CLAIM)
            if "C loop" in rates:
                failed |= verdict("the C loop", rates["kadanoff"] / rates["C loop"], C_CLAIM)
    return int(failed)


def agree(found: dict[str, Any], frames: int) -> bool:
    """Whether every histogram equals ours but for pairs on a bin's edge: 5, or 3e-4 of the bin.

    Some normalise by N^2 / 2 pairs and not by N (N - 1) / 2: either is taken.
    """
    import numpy as np

    good, edges = True, np.linspace(0, REACH, BINS + 1)
    ideal = frames * BEADS * (BEADS - 1) / 2 * 4 / 3 * np.pi * np.diff(edges**3) / EDGE**3
    for key, g in found.items():
        if g is None or key == "kadanoff":
            continue
        other = np.asarray(g)[:BINS]
        factors = (1.0, 1.0 - 1.0 / BEADS)
        moved = min((np.abs(found["kadanoff"] * factor - other) * ideal for factor in factors), key=np.sum)
        print(f"{key}: {moved.sum() / 2:.0f} of {ideal.sum():.3g} pairs in a neighbouring bin")
        good &= bool(np.all(moved <= 5 + 3e-4 * ideal))
    return good


def verdict(what: str, ratio: float, claim: float) -> bool:
    print(f"{what}: {ratio:.2f} times, claimed {claim:g}: {'holds' if ratio >= claim else 'DOES NOT HOLD'}")
    return ratio < claim


if __name__ == "__main__":
    sys.exit(main())
