"""Beads: laws of the map, molecules over the periodic boundary, forces of rigid molecules, refused mappings."""

from __future__ import annotations

from dataclasses import replace

import MDAnalysis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from water_files import EDGES, FRAMES, MASSES, WATERS, waters, write_gro, write_trr, write_xtc

from kadanoff.molecules._kernels.mapping import bead_sums, whole_means
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.mapping import (
    Mapping,
    MappingConfig,
    read_all_beads,
    read_beads,
    require_one_bead_per_molecule,
)
from kadanoff.molecules.reading import open_trajectory
from kadanoff.parallel import executor

pytestmark = pytest.mark.filterwarnings("ignore:Reader has no dt", "ignore:DCDReader")
ONE = {"beads": {"W": {"select": "resname SOL or resname HOH", "per": "residue"}}}


def config(**keys) -> MappingConfig:
    return MappingConfig.model_validate(keys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waters")
    x, v, f = waters()
    write_gro(folder / "w.gro")
    write_trr(folder / "w.trr", x, v, f)
    write_xtc(folder / "w.xtc", x)
    return folder


@pytest.fixture(scope="module")
def source(folder):
    return open_trajectory(folder / "w.gro", folder / "w.trr")


@pytest.fixture(scope="module")
def mapping(source):
    return Mapping.build(config(**ONE), source)


def as_frames(source, x, v=None, f=None) -> Frames:
    return Frames(source.atoms, x, np.tile(EDGES, (len(x), 1)), np.arange(len(x), dtype=float), v, f)


def modulo(apart):
    """The nearest periodic image of a difference."""
    return np.abs(apart - EDGES * np.round(apart / EDGES))


def whole_waters(x):
    """Each water's hydrogens at the image nearest to its oxygen, by plain NumPy."""
    molecules = x.reshape(len(x), WATERS, 3, 3).astype(np.float64)
    steps = molecules - molecules[:, :, :1]
    return (molecules[:, :, :1] + steps - EDGES * np.round(steps / EDGES)).reshape(x.shape)


def test_water_becomes_one_bead(mapping):
    assert mapping.beads.names == ("W",)
    np.testing.assert_allclose(mapping.beads.masses, MASSES.sum())
    assert mapping.map.is_hard
    assert mapping.map.n_coarse == WATERS
    np.testing.assert_allclose(mapping.map.coarse_weight, mapping.beads.masses)
    require_one_bead_per_molecule(mapping)


def test_kernels_equal_the_plain_map_on_whole_molecules(source, mapping):
    x, v, f = waters()
    whole = whole_waters(x)
    for dtype, digits in ((np.float64, 1e-13), (np.float32, 3e-7)):
        beads = mapping.apply(as_frames(source, *(array.astype(dtype) for array in (x, v, f))))
        assert beads.positions.dtype == dtype
        np.testing.assert_allclose(beads.positions, mapping.map.mean(whole, axis=1), atol=2 * digits)
        np.testing.assert_allclose(beads.velocities, mapping.map.mean(v.astype(float), axis=1), atol=4 * digits)
        np.testing.assert_allclose(beads.forces, mapping.map.sum(f.astype(float), axis=1), atol=1e3 * digits)


def test_the_mapped_file_and_the_frames_give_the_same_bits(folder, source, mapping):
    beads = read_all_beads(folder / "w.gro", folder / "w.trr", config(**ONE), size=3)
    plain = mapping.apply(Frames.join(list(source.chunks())))
    for name in ("positions", "velocities", "forces", "box", "time"):
        np.testing.assert_array_equal(getattr(beads, name), getattr(plain, name))


@pytest.mark.parametrize("beads", [{"X": {"atoms": ["OW", "HW2"]}, "Y": {"atoms": ["HW1"]}}, {"O": {"atoms": ["OW"]}}])
def test_atoms_that_are_not_in_the_order_of_beads(folder, source, beads):
    mapped = config(beads=beads, unassigned="ignore")
    x, v, f = waters()
    made = Mapping.build(mapped, source)
    plain = made.apply(Frames.join(list(source.chunks())))  # the file's box is in single precision
    read = read_all_beads(folder / "w.gro", folder / "w.trr", mapped)
    assert modulo(plain.positions - made.map.mean(whole_waters(x), axis=1)).max() < 1e-6
    np.testing.assert_allclose(plain.velocities, made.map.mean(v, axis=1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(plain.forces, made.map.sum(f.astype(float), axis=1), rtol=1e-6, atol=1e-3)
    for name in ("positions", "velocities", "forces"):
        np.testing.assert_array_equal(getattr(read, name), getattr(plain, name))


@pytest.mark.parametrize("sizes", [[3] * 5, [1, 4, 2, 2, 3, 1, 5], [6], [1], [2, 5]])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("kind", ["float64", "float32", "file"])
def test_kernels_equal_plain_numpy(sizes, shuffled, kind):
    """Odd and even numbers of beads of any sizes, in any order, in memory and as the bits of a file."""
    random = np.random.default_rng(len(sizes) + shuffled)
    frames, n = 3, sum(sizes)
    box = np.tile([1.0, 1.25, 1.5], (frames, 1))
    centres = np.repeat(random.uniform(0, 1, (frames, len(sizes), 3)), sizes, axis=1)
    number = np.float64 if kind == "float64" else np.float32
    x = ((centres + random.uniform(-0.1, 0.1, centres.shape)) % box[:, None]).astype(number)
    starts, share = np.cumsum([0, *sizes]), random.random(n)
    share /= np.repeat(np.add.reduceat(share, starts[:-1]), sizes)
    atoms = random.permutation(n) if shuffled else np.arange(n)
    stored = np.empty_like(x)
    stored[:, atoms] = x
    flat = np.full(stored.size + 1, np.nan, number)
    flat[1:] = stored.ravel()
    values = flat.astype(">f4").view(np.uint32) if kind == "file" else flat
    offset, listed = 1 + 3 * n * np.arange(frames), atoms if shuffled else atoms[:0]
    weights = np.append(share, 0.0)
    wide = x.astype(np.float64)
    origin = np.repeat(wide[:, starts[:-1]], sizes, axis=1)
    step = wide - origin
    step -= box[:, None] * np.round(step / box[:, None])
    means = wide[:, starts[:-1]] + np.add.reduceat(share[:, None] * step, starts[:-1], axis=1)
    out = np.full((frames, 3 * len(sizes) + 3), -7, number)  # the end of a row belongs to nobody
    found = whole_means(values, offset, listed, box, starts, weights.astype(number), out)
    assert found == (-1, -1, True)
    digits = 1e-14 if kind == "float64" else 3e-7
    np.testing.assert_allclose(out[:, :-3].reshape(means.shape), means, atol=digits)
    for plain, factor in ((False, share), (True, np.ones(n))):
        sums = np.add.reduceat(factor[:, None] * wide, starts[:-1], axis=1)
        assert bead_sums(values, offset, listed, starts, np.append(factor, 0.0), plain, out)
        np.testing.assert_allclose(out[:, :-3].reshape(sums.shape), sums, rtol=digits)
    assert (out[:, -3:] == -7).all()
    for bead, begin in enumerate(starts[:-1]):  # every bead is looked at, and only that one is named
        bad = values.copy()
        bad[offset[1] + 3 * (atoms[begin])] = np.full(1, np.nan, ">f4").view(np.uint32)[0] if kind == "file" else np.nan
        assert not whole_means(bad, offset, listed, box, starts, weights.astype(number), out)[2]
        assert np.isnan(out[1, 3 * bead])
        assert np.isnan(out[:, :-3]).sum() == 1
        assert not bead_sums(bad, offset, listed, starts, weights, False, out)


def test_no_frames_make_no_frames(source, mapping):
    x, v, f = (array[:0] for array in waters())
    assert mapping.apply(as_frames(source, x, v, f)).forces.shape == (0, WATERS, 3)


def test_mdanalysis_unwrap_agrees(folder):
    universe = MDAnalysis.Universe(str(folder / "w.gro"), str(folder / "w.trr"))
    universe.add_TopologyAttr("bonds", [(3 * i, 3 * i + k) for i in range(WATERS) for k in (1, 2)])
    beads = read_all_beads(folder / "w.gro", folder / "w.trr", config(**ONE))
    broken = []
    for _, ours in zip(universe.trajectory, beads.positions, strict=True):
        theirs = universe.atoms.center_of_mass(compound="residues", unwrap=True) / 10
        assert modulo(ours - theirs).max() < 2e-6
        broken.append(modulo(ours - universe.atoms.center_of_mass(compound="residues") / 10).max())
    assert max(broken) > 0.1, "no molecule is broken over the boundary: nothing was tested"


@settings(max_examples=40, deadline=None)
@given(
    images=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3 * WATERS, max_size=3 * WATERS),
    shift=st.tuples(*[st.floats(-20, 20)] * 3),
)
def test_wrapping_any_atom_and_moving_all_leave_beads_where_they_are(source, mapping, images, shift):
    x = waters()[0][:1].astype(np.float64)
    here = mapping.apply(as_frames(source, x)).positions
    wrapped = mapping.apply(as_frames(source, x + np.array(images) * EDGES)).positions
    assert modulo(wrapped - here).max() < 1e-12
    moved = mapping.apply(as_frames(source, (x + shift) % EDGES)).positions
    assert modulo(moved - here - shift).max() < 1e-12


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_forces_and_momentum_are_conserved(source, mapping, seed):
    random = np.random.default_rng(seed)
    x = waters()[0][:2].astype(np.float64)
    v, f = random.normal(size=x.shape), 1e3 * random.normal(size=x.shape)
    beads = mapping.apply(as_frames(source, x, v, f))
    np.testing.assert_allclose(beads.forces.sum(axis=1), f.sum(axis=1), atol=1e-9)
    momentum = (mapping.beads.masses[:, None] * beads.velocities).sum(axis=1)
    np.testing.assert_allclose(momentum, (source.masses[:, None] * v).sum(axis=1), atol=1e-10)


def test_constraint_forces_of_a_rigid_water_cancel(source, mapping):
    """The bead force is the sum of three atomic forces, whatever forces act along the bonds that constraints hold."""
    x, _, f = (array.astype(np.float64) for array in waters())
    whole = whole_waters(x).reshape(FRAMES, WATERS, 3, 3)
    bound = f.reshape(FRAMES, WATERS, 3, 3).copy()
    random = np.random.default_rng(3)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        pull = random.normal(scale=1e4, size=(FRAMES, WATERS, 1)) * (whole[:, :, a] - whole[:, :, b])
        bound[:, :, a] += pull
        bound[:, :, b] -= pull
    free = mapping.apply(as_frames(source, x, None, f)).forces
    held = mapping.apply(as_frames(source, x, None, bound.reshape(f.shape))).forces
    np.testing.assert_allclose(free, f.reshape(FRAMES, WATERS, 3, 3).sum(axis=2), atol=1e-9)
    np.testing.assert_allclose(held, free, atol=1e-8)
    assert np.abs(bound.reshape(f.shape) - f).max() > 1e3


def test_weights(source):
    x = waters()[0].astype(np.float64)
    whole = whole_waters(x).reshape(FRAMES, WATERS, 3, 3)
    cases = {
        "mass": MASSES,
        "geometry": np.ones(3),
    }
    for weights, numbers in cases.items():
        made = Mapping.build(config(beads={"W": {"weights": weights}}), source)
        expected = np.einsum("fmad,a->fmd", whole, numbers / numbers.sum())
        np.testing.assert_allclose(made.apply(as_frames(source, x)).positions, expected, atol=1e-12)
        np.testing.assert_allclose(made.beads.masses, MASSES.sum())
    on_oxygen = Mapping.build(config(beads={"W": {"weights": {"OW": 1, "HW1": 0, "HW2": 0}}}), source)
    frames = as_frames(source, x, None, x)
    np.testing.assert_allclose(on_oxygen.apply(frames).positions, whole[:, :, 0], atol=1e-12)
    np.testing.assert_allclose(on_oxygen.apply(frames).forces, x.reshape(FRAMES, WATERS, 3, 3).sum(axis=2))
    with pytest.raises(ValueError, match=r"beads\.W: no weight for atoms named HW1, HW2"):
        Mapping.build(config(beads={"W": {"weights": {"OW": 1.0}}}), source)
    with pytest.raises(ValueError, match=r"beads\.W: no atom it maps is named HX"):
        Mapping.build(config(beads={"W": {"weights": {"OW": 1, "HW1": 0, "HW2": 0, "HX": 1}}}), source)
    with pytest.raises(ValueError, match=r"beads\.W: .*have no weight together"):
        Mapping.build(config(beads={"W": {"weights": {"OW": 0, "HW1": 0, "HW2": 0}}}), source)
    with pytest.raises(ValidationError):
        config(beads={"W": {"weights": {"OW": -1.0}}})


def test_several_types_and_lists_of_atoms(source):
    made = Mapping.build(config(beads={"H": {"atoms": [["HW1"], ["HW2"]]}, "O": {"atoms": ["OW"]}}), source)
    assert made.beads.names == ("H", "O")
    np.testing.assert_array_equal(made.beads.types[:6], [1, 0, 0, 1, 0, 0])  # in the order of their first atoms
    np.testing.assert_allclose(made.beads.masses[:3], MASSES)
    np.testing.assert_array_equal(made.molecule[:6], [0, 0, 0, 1, 1, 1])
    x = waters()[0]
    np.testing.assert_array_equal(made.apply(as_frames(source, x)).positions, x)
    with pytest.raises(ValueError, match=r"2 bead types \(H, O\), but this study fits one"):
        require_one_bead_per_molecule(made)
    pairs = Mapping.build(config(beads={"H": {"atoms": [["HW1"], ["HW2"]]}}, unassigned="ignore"), source)
    with pytest.raises(ValueError, match=r"beads\.H: molecule 0 has 2 beads"):
        require_one_bead_per_molecule(pairs)


def test_beads_by_molecule_and_fragment_need_what_the_topology_knows(source):
    for per, what in (("molecule", "molecule numbers"), ("fragment", "bonds")):
        with pytest.raises(ValueError, match=rf'beads\.W: per = "{per}" needs {what}'):
            Mapping.build(config(beads={"W": {"per": per}}), source)
    universe = MDAnalysis.Universe.empty(3 * WATERS, n_residues=1, atom_resindex=[0] * 3 * WATERS)
    universe.add_TopologyAttr("names", ["O", "H1", "H2"] * WATERS)
    universe.add_TopologyAttr("bonds", [(3 * i, 3 * i + k) for i in range(WATERS) for k in (1, 2)])
    made = Mapping.build(config(beads={"W": {"per": "fragment"}}), replace(source, universe=universe))
    np.testing.assert_array_equal(made.map.membership.indices, np.arange(3 * WATERS))
    require_one_bead_per_molecule(made)


def test_a_massless_site_counts_for_nothing(tmp_path):
    gro = write_gro(tmp_path / "tip4p.gro", ("OW", "HW1", "HW2", "MW"))
    x, _, f = waters()
    four = [np.zeros((FRAMES, WATERS, 4, 3), np.float32) for _ in range(2)]
    for array, three in zip(four, (x, f), strict=True):
        array[:, :, :3] = three.reshape(FRAMES, WATERS, 3, 3)
    four[0][:, :, 3] = four[0][:, :, 0]
    write_trr(tmp_path / "tip4p.trr", four[0].reshape(FRAMES, -1, 3), None, four[1].reshape(FRAMES, -1, 3))
    beads = read_all_beads(gro, tmp_path / "tip4p.trr", config(**ONE))
    np.testing.assert_allclose(beads.forces, f.reshape(FRAMES, WATERS, 3, 3).sum(axis=2), rtol=1e-5, atol=1e-2)
    expected = np.einsum("fmad,a->fmd", whole_waters(x).reshape(FRAMES, WATERS, 3, 3), MASSES / MASSES.sum())
    np.testing.assert_allclose(beads.positions, expected, atol=1e-6)


def test_chunks_processes_and_formats_give_the_same_beads(folder):
    mapped = config(**ONE)
    serial = list(read_beads(folder / "w.gro", folder / "w.xtc", mapped, size=2))
    assert [len(chunk) for chunk in serial] == [2, 2, 2, 1]
    together = Frames.join(serial)
    assert together.forces is None
    for workers in (2, "processes:2"):
        other = read_all_beads(folder / "w.gro", folder / "w.xtc", mapped, size=2, workers=workers)
        np.testing.assert_array_equal(other.positions, together.positions)
        np.testing.assert_array_equal(other.time, together.time)
    exact = read_all_beads(folder / "w.gro", folder / "w.trr", mapped, start=1, step=2, forces=False, workers=2, size=1)
    assert exact.forces is None
    assert exact.velocities is not None
    assert modulo(together.positions[1::2] - exact.positions).max() < 5e-4


def test_processes_give_the_same_forces_fail_alike_and_can_be_left(folder, tmp_path):
    mapped = config(**ONE)
    x, v, f = waters()
    x[5, 4, 0] = np.nan
    broken = write_trr(tmp_path / "nan.trr", x, v, f)
    here = read_all_beads(folder / "w.gro", folder / "w.trr", mapped)
    with executor("processes:2") as pool:
        # More chunks than slots in the scratch file, the last one shorter.
        there = read_all_beads(folder / "w.gro", folder / "w.trr", mapped, size=1, workers=pool)
        pairs = read_all_beads(folder / "w.gro", folder / "w.trr", mapped, size=2, workers=pool)
        for name in ("positions", "velocities", "forces", "box", "time"):
            np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
            np.testing.assert_array_equal(getattr(pairs, name), getattr(here, name))
        chunks = read_beads(folder / "w.gro", broken, mapped, size=1, workers=pool)
        assert sum(len(next(chunks)) for _ in range(5)) == 5
        with pytest.raises(ValueError, match=r"nan\.trr: frame 5 has a position .*bead 1"):
            next(chunks)
        chunks = read_beads(folder / "w.gro", folder / "w.trr", mapped, size=1, workers=pool)
        first = next(chunks)
        chunks.close()
        np.testing.assert_array_equal(first.forces, here.forces[:1])


def test_selections_that_are_empty_or_not_understood(source):
    with pytest.raises(ValueError, match=r"beads\.P: .*finds no atoms; the topology has residues SOL with atoms HW1"):
        Mapping.build(config(beads={"P": {"select": "resname PROT"}}), source)
    with pytest.raises(ValueError, match=r"beads\.P: select = 'resnam SOL' is not understood"):
        Mapping.build(config(beads={"P": {"select": "resnam SOL"}}), source)
    with pytest.raises(ValueError, match=r"beads\.P: no residue has atoms named CA, CB"):
        Mapping.build(config(beads={"P": {"atoms": ["CA", "CB"]}}), source)
    with pytest.raises(ValueError, match=r"beads\.P: the residue of atom SOL1:OW \(atom 1\) has 0 atoms named HW3"):
        Mapping.build(config(beads={"P": {"atoms": ["OW", "HW3"]}}), source)


def test_atoms_in_two_beads_or_in_none(source):
    both = {"W": {}, "O": {"atoms": ["OW"]}}
    with pytest.raises(ValueError, match=r"beads\.O: atoms SOL1:OW \(atom 1\) are already in a bead W"):
        Mapping.build(config(beads=both), source)
    with pytest.raises(ValueError, match=r"beads\.O: atoms SOL1:OW \(atom 1\) are already in a bead O"):
        Mapping.build(config(beads={"O": {"atoms": [["OW"], ["OW"]]}}), source)
    oxygens = {"O": {"atoms": ["OW"]}}
    with pytest.raises(ValueError, match=r"24 atoms are in no bead: SOL1:HW1 \(atom 2\), .* 24 in all"):
        Mapping.build(config(beads=oxygens), source)
    made = Mapping.build(config(beads=oxygens, unassigned="ignore"), source)
    assert made.map.unassigned.sum() == 2 * WATERS


@pytest.mark.parametrize("bead", [0, 2, WATERS - 1])
def test_a_bead_of_half_the_box_is_refused(source, mapping, bead):
    x = waters()[0].copy()
    for atom, part in ((1, 0.3), (2, 0.6)):
        x[3, 3 * bead + atom] = x[3, 3 * bead] + [0, 0, part * EDGES[2]]
    with pytest.raises(ValueError, match=rf"frame 3: bead {bead} \(W\) is half a box long or longer"):
        mapping.apply(as_frames(source, x))


def test_nan_and_missing_forces(tmp_path, folder, source):
    x, _, f = waters()
    f[2, 0, 0] = np.inf
    trr = write_trr(tmp_path / "inf.trr", x, None, f)
    with pytest.raises(ValueError, match=r"inf\.trr: frame 2 has a force"):
        read_all_beads(folder / "w.gro", trr, config(**ONE))
    assert len(read_all_beads(folder / "w.gro", trr, config(**ONE), forces=False)) == FRAMES
    x[5, 4, 0] = np.nan
    trr = write_trr(tmp_path / "nan.trr", x)
    with pytest.raises(ValueError, match=r"nan\.trr: frame 5 has a position .*bead 1"):
        read_all_beads(folder / "w.gro", trr, config(**ONE), size=4)
    with pytest.raises(ValueError, match="no forces in this trajectory"):
        read_beads(folder / "w.gro", folder / "w.xtc", config(**ONE), forces=True)
    made = Mapping.build(config(**ONE), source)
    small = Frames(Beads.alike(6, 1.0), x[:1, :6], EDGES[None], np.zeros(1))
    with pytest.raises(ValueError, match="frames of 6 atoms, but the map is of 36"):
        made.apply(small)


def test_unknown_keys_are_named():
    with pytest.raises(ValidationError, match="selct"):
        config(beads={"W": {"selct": "resname SOL"}})
    with pytest.raises(ValidationError, match="at least 1"):
        config(beads={})
    with pytest.raises(ValidationError, match="beads"):
        config(bead={"W": {}})
