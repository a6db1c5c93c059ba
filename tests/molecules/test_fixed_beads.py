"""Forces on beads that stand still: the held run, and the shipped sums."""

from importlib.resources import files

import numpy as np
import pytest

from kadanoff.molecules.force_floor import FixedBeads, force_floor, structure_of_forces

DATA = files("kadanoff.molecules") / "data"


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
    assert structure_of_forces(run.forces, [5])[0][0] == pytest.approx(shipped["structure"][0, 5], rel=0.15)
    with pytest.raises(ValueError, match="multiple"):
        held_run(DATA / "spce.gro", DATA / "spce.trr", 0, settings, 0.2, 0.003, 1)


def test_the_shipped_sums_hang_together():
    """The mean force explains what the plateau of D leaves: two estimators of one floor."""
    fixed = FixedBeads.load(DATA / "spce_floor.npz")
    found = force_floor(fixed)
    assert found.reached
    assert found.floor.value == pytest.approx(0.225, abs=4 * 0.0014)
    explained = np.sum(fixed.mean_force**2, axis=2).mean() / fixed.square.mean()
    # a mean over 10 ps still holds some noise of its own: it explains a little too much
    assert abs(found.floor.value + explained - 1.0) < 5 * found.floor.error
