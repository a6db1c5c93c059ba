"""Claim: three-body force matching at least 20 times as fast as csg_fmatch, the same three-body function.

Run: ``python benchmarks/force_matching_three_body.py [--frames 12] [--repeats 3]``. 2,180 beads of mW water, forces
exact but for Gaussian noise of half their RMS; cubic splines of the pair force on 33 intervals from 0.24 to 0.9 nm
(about 110,000 pairs a frame) and of the angle in the Stillinger-Weber form, cut-off 0.43065 nm and decay 0.2871 nm.
csg_fmatch (Debian package votca, ``threebody``) reads the frames from a TRR file, with its grid search, as plain least
squares by blocks of 3 frames; its start-up is taken off. Its splines are in the angle, ours in the cosine, 20 intervals
each. Medians of frames a second, turn by turn, on one core; the two h must agree within 2 % of their RMS, and the truth
stands beside. Exits 1 if the claim fails.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import machine, seconds, table, use_cores

BEADS, DENSITY, START, CUTOFF, INTERVALS = 2180, 33.33, 0.24, 0.9, 33
SPACING = (CUTOFF - START) / INTERVALS
REACH, DECAY, ANGLES = 0.43065, 0.2871, 20
FIRST, LAST = 0.80, 3.1415927  # of the angle; below, no triplet of mW water is found
CLAIM, BLOCK = 20.0, 3
OPTIONS = f"""<cg><nbsearch>grid</nbsearch>
<fmatch><frames_per_block>{BLOCK}</frames_per_block><constrainedLS>false</constrainedLS></fmatch>
<non-bonded><name>W-W</name><type1>W</type1><type2>W</type2>
<fmatch><min>{START}</min><max>{CUTOFF}</max><step>{SPACING:.4f}</step><out_step>0.01</out_step></fmatch>
</non-bonded>
<non-bonded><name>W-W-W</name><threebody>true</threebody><type1>W</type1><type2>W</type2><type3>W</type3>
<fmatch><a>{REACH}</a><sigma>1.0</sigma><gamma>{DECAY}</gamma><min>{FIRST}</min><max>{LAST}</max>
<step>{(LAST - FIRST) / ANGLES:.9f}</step><out_step>{(LAST - FIRST) / 60:.9f}</out_step></fmatch>
</non-bonded></cg>"""


def make_frames(number: int) -> Any:
    """mW water from our own engine, its forces with noise."""
    from dataclasses import replace

    import numpy as np

    from kadanoff.molecules.engines import Langevin
    from kadanoff.molecules.engines.bead import BeadEngine
    from kadanoff.molecules.frames import Beads, Frames
    from kadanoff.molecules.mw_water import mw_water

    rng = np.random.default_rng(1)
    edge = (BEADS / DENSITY) ** (1.0 / 3.0)
    lattice = (np.stack(np.meshgrid(*3 * [np.arange(13)], indexing="ij"), -1).reshape(-1, 3) + 0.5) / 13.0 * edge
    frame = Frames(
        Beads.alike(BEADS, 18.0154, "W"), lattice[rng.permutation(len(lattice))[:BEADS]][None], np.full((1, 3), edge),
        np.zeros(1),
    )  # fmt: skip
    model, engine = mw_water(), BeadEngine()
    run = engine.run(
        model, frame, steps=100 * (number + 10), timestep=0.005, every=100, thermostat=Langevin(300.0, 5.0), seed=2
    )
    frames = Frames.join(list(run))[10:]
    forces = np.stack([engine.evaluate(model, frames[i]).forces for i in range(number)])
    return replace(frames, forces=forces + 0.5 * forces.std() * rng.normal(size=forces.shape))


def write_files(frames: Any, folder: Path) -> None:
    """What csg_fmatch reads."""
    import MDAnalysis as mda

    universe = mda.Universe.empty(BEADS, n_residues=BEADS, atom_resindex=range(BEADS), trajectory=True, forces=True)
    for name, value in (("names", "W"), ("resnames", "W"), ("masses", 18.0154)):
        universe.add_TopologyAttr(name, [value] * BEADS)
    universe.add_TopologyAttr("resids", list(range(1, BEADS + 1)))
    with mda.Writer(str(folder / "frames.trr"), BEADS) as writer:
        for i in range(len(frames)):
            universe.atoms.positions = 10.0 * (frames.positions[i] % frames.box[i])
            universe.atoms.forces = 0.1 * frames.forces[i]
            universe.dimensions = [*(10.0 * frames.box[i]), 90.0, 90.0, 90.0]
            universe.trajectory.ts.time = float(i)
            writer.write(universe.atoms)
    universe.atoms.write(str(folder / "frames.gro"))
    (folder / "options.xml").write_text(OPTIONS)


def csg_fmatch(folder: Path, number: int) -> tuple[float, Any]:
    """Seconds of a whole run, and columns angle, h, error of its result."""
    import numpy as np

    command = ["csg_fmatch", "--top", "frames.gro", "--trj", "frames.trr", "--no-map", "--options", "options.xml"]
    start = time.perf_counter()
    done = subprocess.run([*command, "--nframes", str(number)], cwd=folder, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"csg_fmatch failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return wall, np.loadtxt(folder / "W-W-W.pot", usecols=(0, 1, 2), comments=("#", "@"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    use_cores(1)
    import numpy as np

    from kadanoff.molecules.force_terms import AngularBasis, PairBasis
    from kadanoff.molecules.mw_water import mw_water
    from kadanoff.molecules.splines import Knots
    from kadanoff.molecules.term_equations import term_equations
    from kadanoff.molecules.term_matching import fit_terms

    print(machine())
    number = options.frames // BLOCK * BLOCK
    frames = make_frames(number)
    pair = PairBasis(("W", "W"), Knots(0.0, CUTOFF, round(CUTOFF / SPACING)))
    angle = AngularBasis("W", ("W", "W"), REACH, DECAY, ANGLES)

    def run() -> Any:
        return term_equations(frames, (pair, angle))

    equations = run()
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(frames, folder)
        for _ in range(options.repeats):  # turn by turn, so that a busy moment hits both alike
            ours.append(number / seconds(run, repeats=3, warm=False)[0])
            if shutil.which("csg_fmatch"):
                few, _ = csg_fmatch(folder, BLOCK)
                wall, columns = csg_fmatch(folder, number)
                theirs.append((number - BLOCK) / (wall - few))  # start-up taken off
    match = fit_terms(equations)
    fit = match.of(angle)
    solve = seconds(lambda: fit_terms(equations), repeats=3)[0]
    x = np.linspace(fit.supported[0], fit.supported[1], 40)
    truth = mw_water().triplets[0].angular(x)[0]  # type: ignore[union-attr]
    print(f"{number} frames, {int(equations.counts[:, : pair.cells].sum() / number)} pairs a frame; "
          f"a solution with cross-validation and error bars: {solve:.2f} s")  # fmt: skip
    off = np.sqrt(np.mean((fit.value(x) - truth) ** 2) / np.mean(truth**2))
    print(f"our h is off the truth by {off:.2g} of the RMS of h")
    if not theirs:
        print("csg_fmatch is not installed: nothing to compare with")
        return 0
    other = np.interp(np.arccos(x), columns[:, 0], columns[:, 1])
    inside = (np.arccos(x) > columns[2, 0]) & (np.arccos(x) < columns[-2, 0])
    apart = float(np.sqrt(np.mean((other - fit.value(x))[inside] ** 2)) / np.sqrt(np.mean(truth[inside] ** 2)))
    ratio = statistics.median(ours) / statistics.median(theirs)
    holds = ratio >= CLAIM and apart < 0.02
    rows: list[tuple[object, ...]] = [
        ("kadanoff", statistics.median(ours), "", "", ""),
        ("csg_fmatch", statistics.median(theirs), ratio, CLAIM, "yes" if holds else "NO"),
    ]
    print(table(rows, ("program", "frames/s", "ours/theirs", "claim >=", "holds")))
    print(f"the two h differ by {apart:.3g} of the RMS of h (at most 0.02)")
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
