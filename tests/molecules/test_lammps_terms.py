"""LAMMPS as the judge of terms beyond pairs: sw, sw/angle/table, uf3 and local/density on the same configuration."""

from dataclasses import replace

import numpy as np
import pytest
from many_body_models import CASES, MIXTURE, TWO, bend, crowd, liquid, model, wave

from kadanoff.molecules.engines import Langevin
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.engines.lammps import LammpsEngine
from kadanoff.molecules.engines.openmm import OpenMMEngine
from kadanoff.molecules.frames import BOLTZMANN, Frames
from kadanoff.molecules.mw_water import mw_water
from kadanoff.molecules.pair_distributions import pair_distribution
from kadanoff.molecules.potentials import two_well
from kadanoff.molecules.tables import write_lammps

PAIR = two_well(0.6)
SINGLE = {name: case for name, case in CASES.items() if "all" not in name}
SYSTEMS = {name: (model(*case[:3], pair=PAIR), liquid(250, case[2])) for name, case in SINGLE.items()}
SYSTEMS["several terms"] = (model(MIXTURE[0][:3], MIXTURE[1], TWO, PAIR), liquid(250, TWO))
SYSTEMS["one style twice"] = (model((bend(), bend(cosine=0.2, reach=1.7), wave()), (), pair=PAIR), liquid(250))


@pytest.mark.parametrize("system", SYSTEMS)
def test_energy_forces_and_virial_agree(system):
    """To 1e-5 of the RMS force in double and 1e-4 in mixed precision."""
    what, frame = SYSTEMS[system]
    ours, theirs = BeadEngine("double").evaluate(what, frame), LammpsEngine().evaluate(what, frame)
    rms = np.sqrt(np.mean(ours.forces**2))
    assert np.sqrt(np.mean((theirs.forces - ours.forces) ** 2)) < 1e-5 * rms
    thermal = len(frame.beads) * BOLTZMANN * 300.0
    assert abs(theirs.energy - ours.energy) < 1e-5 * thermal
    assert abs(theirs.virial - ours.virial) < 1e-5 * (abs(ours.virial) + thermal)
    still = replace(frame, velocities=np.zeros_like(frame.positions))
    plan = {"steps": 1, "timestep": 1e-9, "every": 1, "thermostat": None, "seed": 1}
    mixed = next(BeadEngine().run(what, still, **plan))
    assert abs(mixed.energy[0] - theirs.energy) < 1e-4 * thermal
    assert abs(mixed.virial[0] - theirs.virial) < 1e-4 * (abs(theirs.virial) + thermal)
    push = mixed.velocities[0] * frame.beads.masses[:, None] / 1e-9  # at rest before: v = F dt / m
    assert np.sqrt(np.mean((push - theirs.forces) ** 2)) < 1e-4 * rms


def test_paths_of_mw_water_stay_together_on_ranks_and_with_openmp():
    frame = liquid(216, shake=0.02)
    frame = replace(frame, beads=replace(frame.beads, names=("W",)), velocities=np.zeros((1, 216, 3)))
    plan = {"steps": 50, "timestep": 0.002, "every": 50, "thermostat": None, "seed": 1}
    ours = next(BeadEngine("double").run(mw_water(), frame, **plan))
    for engine in (LammpsEngine(), LammpsEngine(ranks=2), LammpsEngine(accelerate="omp")):
        theirs = next(engine.run(mw_water(), frame, **plan))
        gap = theirs.positions - ours.positions
        gap -= ours.box[:, None] * np.rint(gap / ours.box[:, None])
        assert np.abs(gap).max() < 1e-7


def test_what_lies_beside_the_tables(tmp_path):
    _, snippet = write_lammps(SYSTEMS["several terms"][0], tmp_path / "model.table", points=100)
    text = snippet.read_text()
    assert "pair_style hybrid/overlay table linear 100 sw sw sw/angle/table local/density" in text
    assert "pair_coeff * * sw 2 model.2.sw t1 t2" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["model.1.sw", "model.2.sw", "model.3.sw", "model.3.angle", "model.ld", "model.in", "model.table"]
    )


def test_openmm_refuses_by_name():
    what, frame = model((bend(),), (crowd(),)), liquid(180)
    with pytest.raises(ValueError, match=r"OpenMMEngine runs pair potentials only.*AngularTriplet, LocalDensity"):
        OpenMMEngine().evaluate(what, frame)


def blocked(series, blocks=10):
    means = np.array([part.mean(axis=0) for part in np.array_split(series, blocks)])
    return means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(blocks)


@pytest.mark.slow
def test_structure_and_pressure_of_mw_water_agree():
    """g(r), pressure and energy of 512 beads at 300 K from both engines within 5 combined standard errors."""
    start = liquid(512, shake=0.02)
    start = replace(start, beads=replace(start.beads, names=("W",)))
    plan = {"timestep": 0.005, "every": 20, "thermostat": Langevin(300.0, 5.0)}
    a, b = (
        Frames.join(list(engine.run(mw_water(), start, steps=40_000, seed=seed, **plan)))[200:]
        for engine, seed in ((BeadEngine(), 1), (LammpsEngine(points=2000), 2))
    )
    for series, widest in ((lambda f: f.pressure(300.0), 60.0), (lambda f: f.energy / 512, 0.05)):
        (x, dx), (y, dy) = blocked(series(a)), blocked(series(b))
        assert np.hypot(dx, dy) < widest
        assert abs(x - y) < 5 * np.hypot(dx, dy)
    g, h = (pair_distribution(f, cutoff=0.9, width=0.02, blocks=10) for f in (a, b))
    use = (g.g > 0.05) & (h.g > 0.05)
    z = (g.g - h.g)[use] / np.sqrt(g.error**2 + h.error**2)[use]
    assert np.sqrt(g.error**2 + h.error**2)[use].max() < 0.05
    assert np.abs(z).max() < 5
    assert np.sqrt(np.mean(z**2)) < 1.8
