"""Claim: cross-correlations of inverse Monte Carlo at least 20 times as fast as csg_stat --do-imc, the same matrix.

Run: ``python benchmarks/imc.py [--frames 40] [--repeats 3]``. 2,180 beads at the density of water, pair distances to
0.9 nm in 90 bins; the matrix is <S_k S_l> - <S_k><S_l> of the pair counts of single frames. csg_stat (Debian package
votca) reads the frames from a TRR file; the time of a run over one frame is taken off for start-up and topology. One
core each, in seconds of processor time, which a busy machine stretches less than the clock's. The matrices must agree
where distances do not lie on an edge of a bin. Exits 1 if the claim fails.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import machine, table, use_cores

BEADS, DENSITY, REACH, BINS = 2180, 33.4, 0.9, 90
CLAIM = 20.0
OPTIONS = f"""<cg><nbsearch>grid</nbsearch>
<non-bonded><name>W-W</name><type1>W</type1><type2>W</type2>
<min>{REACH / BINS:g}</min><max>{REACH - REACH / BINS:g}</max><step>{REACH / BINS:g}</step>
<inverse><target>W-W.dist.tgt</target><imc><group>all</group></imc></inverse></non-bonded></cg>"""


def make_frames(number: int) -> Any:
    """Beads on a lattice, shaken anew in every frame."""
    import numpy as np

    from kadanoff.molecules.frames import Beads, Frames

    rng = np.random.default_rng(1)
    edge = (BEADS / DENSITY) ** (1.0 / 3.0)
    lattice = (np.stack(np.meshgrid(*3 * [np.arange(13)], indexing="ij"), -1).reshape(-1, 3) + 0.5) / 13.0 * edge
    sites = lattice[rng.permutation(len(lattice))[:BEADS]]
    positions = (sites + 0.06 * rng.normal(size=(number, BEADS, 3))).astype(np.float32)
    beads = Beads.alike(BEADS, 18.015, "W")
    return Frames(beads, positions.astype(np.float64), np.full((number, 3), edge), np.arange(float(number)))


def write_files(frames: Any, folder: Path) -> None:
    """What csg_stat reads."""
    import MDAnalysis as mda

    universe = mda.Universe.empty(BEADS, n_residues=BEADS, atom_resindex=range(BEADS), trajectory=True)
    for name, value in (("names", "W"), ("resnames", "W"), ("masses", 18.015)):
        universe.add_TopologyAttr(name, [value] * BEADS)
    universe.add_TopologyAttr("resids", list(range(1, BEADS + 1)))
    with mda.Writer(str(folder / "frames.trr"), BEADS) as writer:
        for i in range(len(frames)):
            universe.atoms.positions = 10.0 * (frames.positions[i] % frames.box[i])
            universe.dimensions = [*(10.0 * frames.box[i]), 90.0, 90.0, 90.0]
            universe.trajectory.ts.time = float(i)
            writer.write(universe.atoms)
    universe.atoms.write(str(folder / "frames.gro"))
    (folder / "options.xml").write_text(OPTIONS)
    grid = "".join(f"{k * REACH / BINS:.4f} 1.0 i\n" for k in range(1, BINS))
    (folder / "W-W.dist.tgt").write_text(grid)  # csg_stat wants one to write its differences from


def csg_stat(folder: Path, number: int) -> float:
    """Processor seconds of a whole run over so many frames."""
    command = ["csg_stat", "--top", "frames.gro", "--trj", "frames.trr", "--options", "options.xml"]
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "--do-imc", "--nframes", str(number)], cwd=folder, capture_output=True, text=True
    )
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"csg_stat failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def ours(frames: Any) -> Any:
    """The matrix of all bins, centred on multiples of the width as csg_stat has them."""
    import numpy as np

    from kadanoff.molecules.pair_distributions import pair_distribution

    fine = pair_distribution(frames, cutoff=REACH, width=0.5 * REACH / BINS, blocks=len(frames))
    counts = fine.counts[:, 1:-1].reshape(len(fine), BINS - 1, 2).sum(axis=2).astype(float)
    return np.cov(counts, rowvar=False, bias=True)


def main() -> int:
    """Time both, compare the matrices, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    use_cores(1)
    import numpy as np

    print(machine())
    if shutil.which("csg_stat") is None:
        print("csg_stat is missing: nothing to compare with")
        return 0
    frames = make_frames(options.frames)
    ours(frames)  # compiles
    times = []
    for _ in range(options.repeats):
        start = time.process_time()
        ours(frames)
        times.append(time.process_time() - start)
    own = statistics.median(times)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(frames, folder)
        base = statistics.median(csg_stat(folder, 1) for _ in range(options.repeats))
        peer = statistics.median(csg_stat(folder, options.frames) for _ in range(options.repeats))
        theirs = np.loadtxt(folder / "all.gmc")
    peer = (peer - base) * options.frames / (options.frames - 1)
    ratio = peer / own
    rows: list[tuple[object, ...]] = [
        ("kadanoff", options.frames / own, 1.0), ("csg_stat --do-imc", options.frames / peer, ratio)
    ]  # fmt: skip
    print(table(rows, ("program", "frames/CPU s", "kadanoff is x times as fast")))
    mine = ours(frames)
    sign = -1.0 if np.trace(theirs) < 0 else 1.0
    size = min(len(theirs), len(mine))
    off = float(np.max(np.abs(sign * theirs[:size, :size] - mine[:size, :size])) / np.max(np.abs(mine)))
    print(f"largest difference of the matrices: {off:.2g} of the largest element ({theirs.shape}, {mine.shape})")
    good = ratio >= CLAIM and off < 0.01
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
