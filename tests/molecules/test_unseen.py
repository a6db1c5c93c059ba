"""The orientation that beads forget: found in water, not found where molecules turn freely."""

from importlib.resources import files

import numpy as np
import pytest

from kadanoff.molecules.mapping import BeadConfig, MappingConfig
from kadanoff.molecules.unseen import lost_orientation

DATA = files("kadanoff.molecules") / "data"
WATER = MappingConfig(beads={"W": BeadConfig(select="resname SOL", per="residue")})


def test_water_molecules_point_where_their_neighbours_are():
    loss, reason = lost_orientation(DATA / "spce.gro", DATA / "spce.trr", WATER, {"stop": 40})
    assert reason == ""
    assert loss.holds
    assert loss.lost.value == pytest.approx(0.218, abs=4 * np.hypot(loss.lost.error, 0.002))
    assert loss.lost.value > 10 * loss.lost.error


def test_free_molecules_lose_nothing(tmp_path):
    """The same beads with molecules turned at random: the negative control."""
    MDAnalysis = pytest.importorskip("MDAnalysis")
    from scipy.spatial.transform import Rotation

    universe = MDAnalysis.Universe(str(DATA / "spce.gro"), str(DATA / "spce.trr"))
    random = np.random.default_rng(5)
    share = np.array([15.999, 1.008, 1.008]) / 18.015
    with MDAnalysis.Writer(str(tmp_path / "free.xtc"), n_atoms=universe.atoms.n_atoms) as writer:
        for _ in universe.trajectory[:16]:
            atoms = universe.atoms.positions.reshape(-1, 3, 3)
            centre = np.einsum("nad,a->nd", atoms, share)[:, None]
            turn = Rotation.random(len(atoms), rng=random).as_matrix()
            universe.atoms.positions = (centre + np.einsum("nij,naj->nai", turn, atoms - centre)).reshape(-1, 3)
            writer.write(universe.atoms)
    loss, _ = lost_orientation(DATA / "spce.gro", tmp_path / "free.xtc", WATER, {})
    assert abs(loss.lost.value) < 5 * loss.lost.error + 1e-3
    assert loss.holds


def test_beads_without_a_plane_say_so():
    oxygen = MappingConfig(beads={"O": BeadConfig(select="name OW", per="residue")}, unassigned="ignore")
    loss, reason = lost_orientation(DATA / "spce.gro", DATA / "spce.trr", oxygen, {"stop": 10})
    assert loss is None
    assert "one or two atoms" in reason
    loss, reason = lost_orientation(DATA / "spce.gro", DATA / "spce.trr", WATER, {"stop": 4})
    assert loss is None
    assert "eight" in reason
