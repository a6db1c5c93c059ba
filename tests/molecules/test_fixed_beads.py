"""Forces on beads that stand still: the structure function, the held run, and the shipped sums."""

from importlib.resources import files

import numpy as np
import pytest

from kadanoff.molecules.fixed_beads import structure_function

DATA = files("kadanoff.molecules") / "data"


def test_structure_function_of_a_known_process():
    """D(t) = 3 s^2 (1 - exp(-t / tau)) for three independent Ornstein-Uhlenbeck components."""
    random, decay, beads, times = np.random.default_rng(3), np.exp(-0.25), 400, 400
    kicks = random.standard_normal((times, beads, 3)) * np.sqrt(1 - decay**2)
    forces = np.empty((times, beads, 3), np.float32)
    now = random.standard_normal((beads, 3))
    for step in range(times):
        forces[step] = now
        now = decay * now + kicks[step]
    forces += 5.0  # a mean force is no fluctuation
    lags = np.arange(20)
    found, truth = structure_function(forces, 20), 3.0 * (1 - decay**lags)
    # about times / (2 * 4) independent values of each of the beads' components
    assert np.all(np.abs(found - truth) <= 5 * truth * np.sqrt(2 / (3 * beads * times / 8)))


def test_held_beads_stand_still_and_feel_the_forces_of_the_reference():
    pytest.importorskip("openmm")
    from kadanoff.molecules.reading import open_trajectory
    from kadanoff.molecules.reference import WaterReference
    from kadanoff.molecules.studies.force_floor import held_run

    with np.load(DATA / "spce_floor.npz") as kept:
        shipped = {name: kept[name] for name in kept.files}
    settings = WaterReference(friction=1.0)
    run = held_run(DATA / "spce.gro", DATA / "spce.trr", 0, settings, 0.2, 0.02, 1)
    assert run.forces.shape == (11, 500, 3)
    np.testing.assert_allclose(run.positions, shipped["positions"][0], atol=1e-5)
    (chunk,) = open_trajectory(DATA / "spce.gro", DATA / "spce.trr", stop=1).chunks()
    atoms = chunk.forces[0].reshape(-1, 3, 3).sum(axis=1)
    assert np.sqrt(np.mean((run.forces[0] - atoms) ** 2)) < 1e-3 * np.sqrt(np.mean(atoms**2))
    # 500 beads give the fluctuation after 0.1 ps to a few per cent; the shipped configurations scatter by 2 %
    assert run.structure(6)[5] == pytest.approx(shipped["structure"][0, 5], rel=0.15)
    with pytest.raises(ValueError, match="multiple"):
        held_run(DATA / "spce.gro", DATA / "spce.trr", 0, settings, 0.2, 0.003, 1)


def test_the_shipped_sums_hang_together():
    """The mean force explains what the plateau of D leaves: two estimators of one floor."""
    with np.load(DATA / "spce_floor.npz") as kept:
        floor = kept["structure"][:, kept["lags"] > 1.0].mean(axis=1) / kept["square"].mean()
        explained = np.sum(kept["mean_force"].astype(float) ** 2, axis=2).mean(axis=1) / kept["square"]
        assert kept["mean_force"].shape == kept["positions"].shape == (20, 500, 3)
    error = np.std(floor, ddof=1) / np.sqrt(len(floor))
    assert abs(floor.mean() + explained.mean() - 1.0) < 5 * error  # a run of 10 ps still misses a little of the mean
    assert floor.mean() == pytest.approx(0.2244, abs=4 * 0.0013)
