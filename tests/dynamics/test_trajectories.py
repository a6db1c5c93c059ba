"""Trajectories: what is refused and how it is named, blocks, files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.dynamics.trajectories import pieces, trajectories
from kadanoff.dynamics.trajectory_files import read_coordinate, read_trajectories

X = np.sin(np.arange(12.0))


@pytest.mark.parametrize(
    ("positions", "options", "words"),
    [
        ([X, np.where(np.arange(12) == 5, np.nan, X)], {"spacing": 1.0}, "trajectory 1, row 5: nan"),
        ([X, X[:3]], {"spacing": 1.0}, "trajectory 1 has 3 frames"),
        (X, {"times": np.where(np.arange(12) == 7, 2.5, np.arange(12))}, "not increasing: 6 at row 6, 2.5 at row 7"),
        (X, {"times": np.where(np.arange(12) > 7, 1.0, 0.0) + np.arange(12)}, "step from row 7 to 8 is 2"),
        ([X, X], {"times": [np.arange(12.0)]}, "one entry for every frame"),
        (X, {}, "either the spacing"),
        (X, {"spacing": -1.0}, "positive time"),
        ([X, np.stack([X, X], 1)], {"spacing": 1.0}, "different numbers of coordinates"),
        (X, {"spacing": 1.0, "velocities": X[1:]}, "one of each is needed"),
        ([], {"spacing": 1.0}, "no trajectory"),
        ("x", {"spacing": 1.0}, "not arrays of numbers"),
    ],
)
def test_bad_input_is_named(positions, options, words):
    with pytest.raises(ValueError, match=words):
        trajectories(positions, **options)


def test_times_in_single_precision():
    """As in XTC files: late steps are rounded by more than a thousandth, and a missing frame is still found."""
    times = (0.1 * np.arange(20_000)).astype(np.float32)
    assert trajectories(np.sin(times), times=times).spacing == pytest.approx(0.1, rel=1e-6)
    keep = np.arange(20_000) != 15_000
    with pytest.raises(ValueError, match=r"from row 14999 to 15000 is 0\.199951"):
        trajectories(np.sin(times[keep]), times=times[keep])


def test_shapes():
    assert trajectories(X, 0.5).positions.shape == (12, 1)
    assert len(trajectories(np.zeros((3, 5, 2)) + np.arange(5)[:, None], 0.5)) == 3
    many = trajectories([X, X[:7]], times=[np.arange(12) * 0.5, np.arange(7) * 0.5])
    assert many.spacing == pytest.approx(0.5)
    assert many.thinned(2).lengths.tolist() == [6, 4]
    assert many.thinned(2).trajectory(1)[:, 0] == pytest.approx(X[:7:2])
    with pytest.raises(ValueError, match="every 3th frame leaves 3"):
        many.thinned(3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(4, 60), min_size=1, max_size=40), st.integers(2, 12))
def test_blocks_own_every_frame_once(lengths, blocks):
    source = trajectories([np.arange(float(n)) for n in lengths], 1.0)
    if blocks > source.frames // 4:
        with pytest.raises(ValueError, match="cannot be cut"):
            pieces(source, blocks)
        return
    cut = pieces(source, blocks)
    owned = np.concatenate([np.arange(a, b) for a, b in zip(cut.start, cut.stop, strict=True)])
    assert np.array_equal(owned, np.arange(source.frames))
    assert set(cut.block) == set(range(blocks))
    for start, stop, last in zip(cut.start, cut.stop, cut.last, strict=True):
        owner = np.searchsorted(source.offsets, start, side="right") - 1
        assert stop <= source.offsets[owner + 1] == last


def test_files(tmp_path):
    table = np.column_stack([[0] * 6 + [1] * 6, np.tile(np.arange(6) * 0.25, 2), X, 2 * X])
    np.savetxt(tmp_path / "a.csv", table, delimiter=",", header="run,time,x,y", comments="")
    np.savetxt(tmp_path / "b.txt", table[:, 2:])
    np.save(tmp_path / "c.npy", np.stack([X, X])[..., None])
    np.savez(tmp_path / "d.npz", t=np.arange(12.0), x=X, v=2 * X)
    csv = read_trajectories(tmp_path / "a.csv", time="time", trajectory="run")
    assert (csv.dimensions, csv.lengths.tolist(), csv.spacing) == (2, [6, 6], 0.25)
    one = read_trajectories(tmp_path / "a.csv", columns=["x"], velocities=["y"], trajectory="run", spacing=1.0)
    assert one.velocities == pytest.approx(2 * one.positions)
    assert read_trajectories([tmp_path / "b.txt"] * 2, columns=["1"], spacing=1.0).lengths.tolist() == [12, 12]
    assert len(read_trajectories(tmp_path / "c.npy", spacing=1.0)) == 2
    npz = read_trajectories(tmp_path / "d.npz", columns=["x"], velocities=["v"], time="t", unit="nm")
    assert npz.positions[:, 0] == pytest.approx(X)
    (tmp_path / "bad.csv").write_text("x,y\n1,2\n3,\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("x,y\n")
    (tmp_path / "t.csv").write_text("t,x\n0,1\n1,0\n2,1\n3,0\n")
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    (tmp_path / "short.csv").write_text("x,y,z\n1,2\n3,4\n")
    for name, options, words in (
        ("a.csv", {"columns": ["z"], "spacing": 1.0}, "no column 'z'; it has run, time, x, y"),
        ("bad.csv", {"spacing": 1.0}, "fill or remove"),
        ("empty.csv", {"spacing": 1.0}, "empty.csv is empty"),
        ("header.csv", {"spacing": 1.0}, "header.csv holds no rows"),
        ("words.npy", {"spacing": 1.0}, "words.npy: column '0' does not hold numbers"),
        ("t.csv", {"spacing": 1.0}, "column 't' grows evenly"),
        ("short.csv", {"spacing": 1.0}, "names 3 columns, the rows have 2"),
        ("a.csv", {}, "either the spacing"),
        ("c.npy", {"spacing": 1.0, "columns": ["0"]}, "no columns can be chosen"),
    ):
        with pytest.raises(ValueError, match=words):
            read_trajectories(tmp_path / name, **options)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_molecules_by_mdanalysis(tmp_path):
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(3, trajectory=True)
    universe.add_TopologyAttr("masses", [1.0, 3.0, 2.0])
    universe.add_TopologyAttr("names", ["A", "A", "B"])
    steps = np.array([0.0, 3.0, 6.0, 9.0, 12.0])  # Angstrom along x, through a box of 10
    path = np.zeros((5, 3, 3))
    path[:, :2, 0] = (steps[:, None] + [0.0, 1.0]) % 10.0
    path[:, 2, 0] = 2.0
    universe.load_new(path.astype(np.float32), dimensions=np.array([10, 10, 10, 90, 90, 90]), dt=2.0)
    universe.atoms.write(str(tmp_path / "a.pdb"))
    with MDAnalysis.Writer(str(tmp_path / "a.xtc"), 3) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    files = (tmp_path / "a.pdb", tmp_path / "a.xtc")
    centre = read_coordinate(*files, select="name A", component="x")
    assert centre.positions[:, 0] - centre.positions[0, 0] == pytest.approx(0.1 * steps, abs=1e-3)
    assert read_coordinate(*files, select="name A").dimensions == 3
    apart = read_coordinate(*files, select="name A", other="name B", component="distance")
    shift = (centre.positions[:, 0] - 0.2 + 0.5) % 1.0 - 0.5
    assert apart.positions[:, 0] == pytest.approx(np.abs(shift), abs=2e-3)
    for options, words in (
        ({"select": "name Z"}, "is empty"),
        ({"select": "name A", "component": "distance"}, "second selection"),
        ({"select": "name A", "stop": 2}, "4 or more"),
        ({"select": "nonsense here"}, "cannot read"),
    ):
        with pytest.raises(ValueError, match=words):
            read_coordinate(*files, **options)
