"""Trajectories in: units, every road to the same numbers, and files that are not what they should be."""

from __future__ import annotations

import pickle

import MDAnalysis
import numpy as np
import pytest
from water_files import EDGES, FRAMES, WATERS, by_mdanalysis, waters, write_gro, write_trr, write_xtc

from kadanoff.molecules.frames import Frames
from kadanoff.molecules.readers import AnyReader, XdrReader
from kadanoff.molecules.reading import open_trajectory
from kadanoff.molecules.trr import TrrMap

ATOMS = 3 * WATERS
pytestmark = pytest.mark.filterwarnings("ignore")  # MDAnalysis is talkative


@pytest.fixture
def gro(tmp_path):
    return write_gro(tmp_path / "w.gro")


@pytest.fixture
def trr(tmp_path):
    x, v, f = waters()
    return write_trr(tmp_path / "w.trr", x, v, f)


@pytest.fixture
def xtc(tmp_path):
    return write_xtc(tmp_path / "w.xtc", waters()[0])


def whole(source, **options):
    return Frames.join(list(source.chunks(3, **options)))


def cut(path, size):
    """The file's first ``size`` bytes (from the end where negative), under another name."""
    short = path.with_name("cut" + path.suffix)
    short.write_bytes(path.read_bytes()[:size])
    return short


def test_mapped_trr_equals_mdanalysis(gro, trr):
    source = open_trajectory(gro, trr)
    assert isinstance(source.reader, TrrMap)
    assert (source.n_frames, source.n_atoms, source.has_forces, source.has_velocities) == (FRAMES, ATOMS, True, True)
    frames = whole(source)
    x, v, f, box, time = by_mdanalysis(gro, trr)
    for ours, theirs in ((frames.positions, x), (frames.velocities, v), (frames.forces, f), (frames.box, box)):
        np.testing.assert_allclose(ours, theirs, rtol=3e-7)
    np.testing.assert_array_equal(frames.time, time)
    np.testing.assert_array_equal(source.times, time)
    np.testing.assert_array_equal(frames.positions, waters()[0])  # what was written, to the bit


def test_xtc_equals_mdanalysis(gro, xtc):
    source = open_trajectory(gro, xtc)
    assert isinstance(source.reader, XdrReader)
    assert not source.has_forces
    frames = whole(source)
    x, _, _, box, time = by_mdanalysis(gro, xtc)
    np.testing.assert_allclose(frames.positions, x, atol=3e-7)
    np.testing.assert_allclose(frames.box, box, rtol=1e-6)
    np.testing.assert_array_equal(source.times, time)
    assert frames.forces is None
    assert np.abs(frames.positions - waters()[0]).max() < 5.1e-4  # half of its last digit


def test_other_formats_go_through_mdanalysis(tmp_path, gro, trr):
    universe = MDAnalysis.Universe(str(gro), str(trr))
    x, v, f = waters()
    for suffix in ("dcd", "nc"):  # AMBER NetCDF holds velocities and forces
        path = tmp_path / f"w.{suffix}"
        with MDAnalysis.Writer(str(path), ATOMS, velocities=suffix == "nc", forces=suffix == "nc") as writer:
            for _ in universe.trajectory:
                writer.write(universe.atoms)
        source = open_trajectory(gro, path)
        assert isinstance(source.reader, AnyReader)
        frames = whole(source)
        np.testing.assert_allclose(frames.positions, x, atol=1e-6)
        np.testing.assert_allclose(frames.box, np.tile(EDGES, (FRAMES, 1)), rtol=1e-6)
        np.testing.assert_allclose(source.times, frames.time)
        assert source.has_forces == (suffix == "nc")
        if source.has_forces:
            np.testing.assert_allclose(frames.forces, f, rtol=1e-6)
            np.testing.assert_allclose(frames.velocities, v, rtol=1e-6)


def test_frames_of_several_kinds_are_left_to_libmdaxdr(tmp_path, gro):
    x, v, f = waters()
    source = open_trajectory(gro, write_trr(tmp_path / "some.trr", x, v, f, forces_every=3))
    assert isinstance(source.reader, XdrReader)
    np.testing.assert_array_equal(whole(source, forces=False).positions, x)
    np.testing.assert_array_equal(source.times, 1.5 * np.arange(FRAMES))
    with pytest.raises(ValueError, match=r"frame 1 holds no forces.*step"):
        whole(source)
    third = open_trajectory(gro, tmp_path / "some.trr", step=3)
    np.testing.assert_array_equal(whole(third).forces, f[::3])


@pytest.mark.parametrize("suffix", ["trr", "xtc", "dcd"])
def test_start_stop_step_and_chunks_agree_with_slices(tmp_path, gro, trr, suffix):
    path = tmp_path / f"w.{suffix}"
    if suffix == "xtc":
        write_xtc(path, waters()[0])
    elif suffix == "dcd":
        MDAnalysis.Universe(str(gro), str(trr)).atoms.write(str(path), frames="all")
    everything = whole(open_trajectory(gro, path))
    for start, stop, step in ((0, None, 2), (1, 6, 3), (-3, None, 1), (2, -1, 1), (0, 1, 1)):
        source = open_trajectory(gro, path, start=start, stop=stop, step=step)
        part = Frames.join(list(source.chunks(2)))
        np.testing.assert_array_equal(part.positions, everything.positions[start:stop:step])
        np.testing.assert_array_equal(source.times, everything.time[start:stop:step])
        assert source.n_frames == len(part) == sum(len(r) for r in source.ranges(2))


@pytest.mark.parametrize("suffix", ["trr", "xtc"])
def test_readers_survive_pickling(gro, trr, xtc, suffix):
    source = open_trajectory(gro, {"trr": trr, "xtc": xtc}[suffix])
    first = source.reader.read(range(2, 5), velocities=False, forces=False)
    again = pickle.loads(pickle.dumps(source.reader)).read(range(2, 5), velocities=False, forces=False)
    np.testing.assert_array_equal(first.positions, again.positions)


@pytest.mark.parametrize("names", [("OW", "HW1", "HW2"), ("O", "H1", "H2")])
def test_masses_of_water_are_guessed_from_its_names(tmp_path, names):
    gro = write_gro(tmp_path / "n.gro", names)
    source = open_trajectory(gro)
    np.testing.assert_allclose(source.masses[:3], [15.999, 1.008, 1.008])
    assert source.masses_guessed
    assert source.n_frames == 1  # a structure is a trajectory of one frame
    assert sorted(source.atoms.names) == sorted(names)


def test_masses_that_cannot_be_guessed_are_asked_for(tmp_path):
    gro = write_gro(tmp_path / "n.gro", ("QX", "HW1", "HW2"))
    with pytest.raises(ValueError, match=r"atoms named QX.*masses = "):
        open_trajectory(gro)
    source = open_trajectory(gro, masses={"QX": 16.0})
    np.testing.assert_allclose(source.masses[:3], [16.0, 1.008, 1.008])
    with pytest.raises(ValueError, match=r"no atom of .* is named OW"):
        open_trajectory(gro, masses={"OW": 16.0})


def test_virtual_sites_have_no_mass_and_do_not_stand_alone(tmp_path):
    source = open_trajectory(write_gro(tmp_path / "n.gro", ("OW", "HW1", "HW2", "MW")))
    np.testing.assert_allclose(source.masses[:4], [15.999, 1.008, 1.008, 0.0])
    with pytest.raises(ValueError, match=r"12 massless sites \(SOL1:MW"):
        next(source.chunks())


def test_atom_numbers_must_match(tmp_path, trr, xtc):
    small = write_gro(tmp_path / "small.gro", molecules=WATERS - 1)
    for path in (trr, xtc):
        with pytest.raises(ValueError, match=rf"has {ATOMS} atoms, but the topology .* has {ATOMS - 3}"):
            open_trajectory(small, path)


def test_files_that_are_missing_or_not_what_their_suffix_says(tmp_path, gro):
    with pytest.raises(ValueError, match="no topology file"):
        open_trajectory(tmp_path / "none.gro")
    with pytest.raises(ValueError, match="no trajectory file"):
        open_trajectory(gro, tmp_path / "none.xtc")
    for suffix in ("xtc", "trr", "dcd", "nonsense"):
        path = tmp_path / f"text.{suffix}"
        path.write_text("this is no trajectory\n" * 20)
        with pytest.raises(ValueError, match=rf"text\.{suffix}.*cannot"):
            open_trajectory(gro, path)
    (tmp_path / "text.gro").write_text("this is no topology\n")
    with pytest.raises(ValueError, match="cannot read it as a topology"):
        open_trajectory(tmp_path / "text.gro")


def test_boxes_that_are_missing_or_triclinic(tmp_path, gro):
    x, _, _ = waters()
    skewed = np.diag(EDGES)
    skewed[1, 0] = 0.3
    for number, writer in enumerate((write_trr, write_xtc)):
        suffix = ("trr", "xtc")[number]
        with pytest.raises(ValueError, match=r"frame 2 has no periodic box"):
            list(open_trajectory(gro, writer(tmp_path / f"a.{suffix}", x, box=np.zeros((3, 3))), start=2).chunks())
        with pytest.raises(ValueError, match=r"frame 0 has a triclinic box"):
            list(open_trajectory(gro, writer(tmp_path / f"b.{suffix}", x, box=skewed)).chunks())


def test_nan_names_its_frame(tmp_path, gro):
    x, _, f = waters()
    x[4, 5, 1] = np.nan
    source = open_trajectory(gro, write_trr(tmp_path / "nan.trr", x, None, f))
    with pytest.raises(ValueError, match=r"frame 4 has a position that is not a number \(atom or bead 5"):
        list(source.chunks(2))
    assert len(list(open_trajectory(gro, tmp_path / "nan.trr", stop=4).chunks(2))) == 2


def test_forces_are_missed_only_when_asked_for(gro, xtc):
    source = open_trajectory(gro, xtc)
    assert whole(source).forces is None
    with pytest.raises(ValueError, match="no forces in this trajectory"):
        next(source.chunks(forces=True))


@pytest.mark.parametrize("suffix", ["trr", "xtc"])
@pytest.mark.parametrize("missing", [1, 41, 0.5, 0.9, 0.995])
def test_truncated_files_are_refused_or_used_up_to_the_cut(gro, trr, xtc, suffix, missing):
    path = {"trr": trr, "xtc": xtc}[suffix]
    frame = path.stat().st_size // FRAMES
    short = cut(path, -(missing if missing >= 1 else int(missing * frame)))
    with pytest.raises(ValueError, match=r"(?s)damaged.*use-good-frames"):
        open_trajectory(gro, short)
    source = open_trajectory(gro, short, damaged="use-good-frames")
    assert source.n_frames == FRAMES - 1
    np.testing.assert_array_equal(whole(source).positions, whole(open_trajectory(gro, path, stop=-1)).positions)


@pytest.mark.parametrize("suffix", ["trr", "xtc"])
def test_damage_in_the_middle_leaves_the_frames_before_it(gro, trr, xtc, suffix):
    path = {"trr": trr, "xtc": xtc}[suffix]
    if suffix == "trr":
        begin = 3 * (path.stat().st_size // FRAMES)
    else:
        begin = int(open_trajectory(gro, path).reader.offsets[3])
    bytes_ = bytearray(path.read_bytes())
    bytes_[begin : begin + 8] = b"\xff" * 8
    path.write_bytes(bytes_)
    with pytest.raises(ValueError, match=r"damaged.*use-good-frames"):
        list(open_trajectory(gro, path).chunks())
    source = open_trajectory(gro, path, damaged="use-good-frames")
    assert source.n_frames == 3
    np.testing.assert_allclose(whole(source).positions, waters()[0][:3], atol=5.1e-4)


def test_a_file_without_one_whole_frame_is_refused_anyway(gro, trr, xtc):
    for path in (trr, xtc):
        short = cut(path, path.stat().st_size // FRAMES // 2)
        with pytest.raises(ValueError, match=r"cut\.(trr|xtc)"):
            open_trajectory(gro, short, damaged="use-good-frames")


def test_no_frames_left_and_wrong_arguments(gro, xtc):
    with pytest.raises(ValueError, match="has 7 frames: none of them"):
        open_trajectory(gro, xtc, start=7)
    with pytest.raises(ValueError, match="step must be 1 or more"):
        open_trajectory(gro, xtc, step=0)
    with pytest.raises(ValueError, match="damaged must be"):
        open_trajectory(gro, xtc, damaged="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="size is the number of frames"):
        next(open_trajectory(gro, xtc).chunks(0))
