"""Exported tables: what is written comes back, with the right units, and the other programs load it."""

import re
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.engines.lammps import find_lammps
from kadanoff.molecules.frames import BAR, Beads, Frames
from kadanoff.molecules.potentials import Model, PairPotential, lennard_jones, two_well
from kadanoff.molecules.tables import (
    hermite_coefficients,
    read_gromacs,
    read_lammps,
    read_votca,
    write_gromacs,
    write_lammps,
    write_lammps_data,
    write_openmm,
    write_votca,
)

ATMOSPHERE = 1.01325  # bar


@pytest.fixture(scope="module")
def model():
    w = two_well(0.9)
    pairs = {("A", "A"): w, ("A", "B"): lennard_jones(1.0, 0.3, 0.9), ("B", "B"): 0.5 * w}
    return Model(("A", "B"), (18.0, 30.0), pairs)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    sites = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    x = (sites + 0.5) * 0.31 + rng.uniform(-0.03, 0.03, sites.shape)
    types = (np.arange(len(x)) % 2).astype(np.int32)
    velocities = 0.3 * rng.standard_normal(x.shape)
    beads = Beads(types, ("A", "B"), np.where(types == 0, 18.0, 30.0))
    return Frames(beads, x[None], np.full((1, 3), 6 * 0.31), np.zeros(1), velocities=velocities[None])


def test_lammps_tables_come_back(tmp_path, model):
    table, snippet = write_lammps(model, tmp_path / "model.table", points=500)
    tables = read_lammps(table)
    assert set(tables) == {"A-A", "A-B", "B-B"}
    for (a, b), p in model.pairs.items():
        r, energy, force = tables[f"{a}-{b}"]
        assert np.allclose(np.diff(r**2), 0.9**2 * (1 - 1e-6) / 499, rtol=1e-9)
        assert np.allclose(energy, p.energy_at(r), rtol=1e-12, atol=1e-9)
        assert np.allclose(force, p.force_at(r), rtol=1e-10, atol=1e-6)
        assert energy[-1] == force[-1] == 0
    text = table.read_text()
    assert "units real" in text
    row = next(line for line in text.splitlines() if line.startswith("1 "))
    assert float(row.split()[1]) == pytest.approx(0.009)  # Angstrom
    assert float(row.split()[2]) == pytest.approx(model.pair("A", "A").energy_at(9e-4) / 4.184)  # kcal/mol
    assert row.endswith("# o")
    assert sum(line.endswith("# i") for line in text.splitlines()) > 3 * 400
    words = snippet.read_text()
    assert "pair_coeff 1 2 model.table A-B" in words
    assert "mass 2 30" in words
    with pytest.raises(ValueError, match="at least 100"):
        write_lammps(model, table, points=10)


def test_damaged_lammps_tables_are_refused(tmp_path, model):
    table, _ = write_lammps(model, tmp_path / "model.table", points=100)
    lines = table.read_text().splitlines()
    (tmp_path / "short").write_text("\n".join(lines[:60]))
    with pytest.raises(ValueError, match="rows"):
        read_lammps(tmp_path / "short")
    (tmp_path / "other").write_text("hello\nworld\n")
    with pytest.raises(ValueError, match="no line 'N"):
        read_lammps(tmp_path / "other")


def test_lammps_loads_the_files_as_a_user_would_and_agrees(tmp_path, model, frame):
    """Energy and pressure that LAMMPS prints itself, from the snippet, the table and the data file alone."""
    write_lammps(model, tmp_path / "model.table")
    write_lammps_data(model, frame, tmp_path / "start.data")
    (tmp_path / "in.user").write_text(
        "units real\natom_style atomic\nread_data start.data\ninclude model.in\n"
        "thermo_style custom step pe press temp\nthermo_modify format float %.15g\nrun 0\n"
    )
    done = subprocess.run(
        [find_lammps(), "-in", "in.user", "-nocite"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    # LAMMPS compares forces with differences of energies: only inflection points and the straight core may stand out
    doubts = [int(number) for number in re.findall(r"(\d+) of 20000 force values", done.stdout)]
    assert all(number < 400 for number in doubts)
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:1] == ["Step"])
    _, energy, pressure, _ = map(float, lines[at + 1].split())
    point = BeadEngine(precision="double").evaluate(model, frame)
    assert energy * 4.184 == pytest.approx(point.energy, abs=0.02)
    twice_kinetic = float(np.sum(frame.beads.masses[:, None] * frame.velocities[0] ** 2))
    ours = (twice_kinetic + point.virial) / (3 * frame.volume[0]) * BAR
    assert pressure * ATMOSPHERE == pytest.approx(ours, rel=1e-5)


def test_one_mass_for_each_type_in_lammps(tmp_path, model, frame):
    beads = Beads(frame.beads.types, frame.beads.names, np.linspace(1, 2, len(frame.beads)))
    mixed = Frames(beads, frame.positions, frame.box, frame.time)
    with pytest.raises(ValueError, match="one a type"):
        write_lammps_data(model, mixed, tmp_path / "start.data")


def test_gromacs_tables_come_back_and_say_who_can_run_them(tmp_path, model):
    files = write_gromacs(model, tmp_path)
    assert [f.name for f in files] == ["table_A_A.xvg", "table_A_B.xvg", "table_B_B.xvg"]
    for file, p in zip(files, model.pairs.values(), strict=True):
        r, energy, force = read_gromacs(file)
        assert np.allclose(np.diff(r), 0.002)
        assert r[-1] == pytest.approx(1.9)
        assert np.allclose(energy, p.energy_at(r), rtol=1e-9)
        assert np.allclose(force, p.force_at(r), rtol=1e-9)
        assert "GROMACS 2020 and later run no tabulated non-bonded potential" in file.read_text()
    (tmp_path / "bad.xvg").write_text("1 2 3\n4 5 6\n")
    with pytest.raises(ValueError, match="seven columns"):
        read_gromacs(tmp_path / "bad.xvg")


def test_votca_tables_come_back_with_their_flags(tmp_path):
    samples = np.arange(0.25, 0.9001, 0.01)
    p = PairPotential.from_energy(samples, two_well(0.9).energy_at(samples), cutoff=0.9)
    r, energy, supported = read_votca(write_votca(p, tmp_path / "A-A.pot"))
    assert np.allclose(r, p.r)
    assert np.allclose(energy, p.energy, rtol=1e-13)
    assert np.array_equal(supported, p.is_supported(p.r))
    assert not supported[0]


def test_the_coefficients_are_the_interpolant(model):
    cells, first = hermite_coefficients(model)
    assert np.array_equal(first, first.T)
    r = np.random.default_rng(0).uniform(0, 0.9, 200)
    x = r / model.step
    for (a, b), p in model.pairs.items():
        k = first[model.names.index(a), model.names.index(b)] + np.floor(x).astype(int)
        t = x - np.floor(x)
        value = cells[0, k] + t * (cells[1, k] + t * (cells[2, k] + t * cells[3, k]))
        assert np.allclose(value, p.energy_at(r), rtol=1e-9, atol=1e-9)


def test_openmm_loads_the_force_field_and_agrees(tmp_path, model, frame):
    mm = pytest.importorskip("openmm")
    app = pytest.importorskip("openmm.app")
    path = write_openmm(model, tmp_path / "model.xml")
    assert ElementTree.parse(path).getroot().tag == "ForceField"
    topology = app.Topology()
    chain = topology.addChain()
    for kind in frame.beads.types:
        name = frame.beads.names[kind]
        topology.addAtom(name, None, topology.addResidue(name, chain))
    edge = float(frame.box[0, 0])
    topology.setPeriodicBoxVectors(np.diag([edge] * 3))
    system = app.ForceField(str(path)).createSystem(topology, nonbondedMethod=app.CutoffPeriodic, nonbondedCutoff=0.9)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    context.setPositions(frame.positions[0])
    state = context.getState(energy=True, forces=True)
    point = BeadEngine(precision="double").evaluate(model, frame)
    assert state.getPotentialEnergy()._value == pytest.approx(point.energy, rel=1e-10)
    assert np.allclose(state.getForces(asNumpy=True)._value, point.forces, rtol=1e-9, atol=1e-8)
    assert [system.getParticleMass(i)._value for i in range(2)] == [18.0, 30.0]
