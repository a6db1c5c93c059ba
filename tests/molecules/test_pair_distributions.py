"""Pair distributions against a plain double-precision count, and their error bars against known truth."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.molecules._kernels.pairs import pair_counts
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.integral_equations import gauss_newton_step
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution, pair_distributions
from kadanoff.molecules.potentials import PairPotential
from kadanoff.molecules.time_blocks import TimeBlocks, default_blocks


def frames_of(positions, box, types=None, names=("A",)):
    positions = np.asarray(positions, dtype=float)
    number = positions.shape[1]
    types = np.zeros(number, np.int32) if types is None else np.asarray(types, np.int32)
    beads = Beads(types, tuple(names), np.ones(number))
    count = len(positions)
    return Frames(beads, positions, np.broadcast_to(np.asarray(box, float), (count, 3)).copy(), np.arange(float(count)))


def distances(one, two, box):
    """Minimum-image distances (n, m), in double precision: the plain twin."""
    d = one[:, None, :] - two[None, :, :]
    d -= box * np.round(d / box)
    return np.sqrt(np.sum(d * d, axis=-1))


def assert_same_counts(counts, r, width, bins, slack):
    """Equal, but for pairs within ``slack`` of an edge, which may lie on either side of it."""
    edges = width * np.arange(1, bins + 1)
    found = np.cumsum(counts)
    fewest = np.array([np.count_nonzero(r < edge - slack) for edge in edges])
    most = np.array([np.count_nonzero(r < edge + slack) for edge in edges])
    assert np.all(found >= fewest)
    assert np.all(found <= most)


@pytest.mark.parametrize(
    ("number", "box", "bins"),
    [
        (2, (1.0, 1.0, 1.0), 50),
        (23, (1.0, 1.3, 2.0), 50),  # one block, cut-off exactly half the box
        (60, (1.2, 5.0, 1.1), 55),  # some beads in reach in two images
        (500, (3.0, 3.0, 3.0), 150),
        (700, (9.0, 2.0, 4.0), 30),
    ],
)
def test_counts_equal_the_plain_twin(number, box, bins):
    rng = np.random.default_rng(number)
    box = np.array(box)
    positions = rng.uniform(-2.0, 3.0, (number, 3)) * box
    counts = pair_counts(positions, box, np.array([0, number]), 0.01, bins)[0]
    r = distances(positions, positions, box)[np.triu_indices(number, 1)]
    # rounding of single precision, relative to the cut-off, and far below the bin width of 0.01
    assert_same_counts(counts, r, 0.01, bins, 1e-6 * 0.01 * bins)


def test_all_pairs_of_types_in_one_pass():
    rng = np.random.default_rng(5)
    box = np.array([2.0, 2.2, 2.5])
    types = rng.integers(0, 3, 150)
    positions = rng.uniform(0, 1, (2, 150, 3)) * box
    every = pair_distributions(frames_of(positions, box, types, ("A", "B", "C")), cutoff=1.0)
    assert list(every) == [("A", "A"), ("A", "B"), ("A", "C"), ("B", "B"), ("B", "C"), ("C", "C")]
    for (a, b), found in every.items():
        one, two = types == "ABC".index(a), types == "ABC".index(b)
        for frame in range(2):
            r = distances(positions[frame, one], positions[frame, two], box)
            r = r[np.triu_indices(len(r), 1)] if a == b else r.ravel()
            assert_same_counts(found.counts[frame], r, 0.01, 100, 1e-6)
        assert found.number == (one.sum(), two.sum())
        assert found.density == pytest.approx(two.sum() / box.prod())
        pairs = one.sum() * (one.sum() - 1) / 2 if a == b else one.sum() * two.sum()
        np.testing.assert_allclose(found.ideal.sum(axis=1), pairs * 4 / 3 * np.pi / box.prod())
    only = pair_distribution(frames_of(positions, box, types, ("A", "B", "C")), cutoff=1.0, types=("C", "A"))
    np.testing.assert_array_equal(only.counts, every["A", "C"].counts)


@pytest.mark.parametrize("box", [(4.0, 4.0, 4.0), (2.0, 7.0, 1.0), (1.0, 1.1, 30.0), (25.0, 1.0, 1.3)])
@pytest.mark.parametrize("lattice", [False, True])
def test_counts_of_a_short_cutoff_equal_the_plain_twin(box, lattice):
    """Many blocks, far fewer beads in reach than not, several types; beads on a lattice sit on borders of cells."""
    rng = np.random.default_rng(12)
    box = np.array(box)
    if lattice:
        cells = np.maximum(np.rint(box / (box.prod() / 2000) ** (1 / 3)).astype(int), 1)
        sites = np.stack(np.meshgrid(*[np.arange(-1, n - 1) for n in cells], indexing="ij"), -1).reshape(-1, 3)
        positions = rng.permutation(sites * (box / cells))
    else:
        positions = rng.uniform(-2.0, 3.0, (900, 3)) * box
    starts = np.array([0, 1, 34, 34, len(positions)])  # one bead, one more than a block, none, the rest
    counts = pair_counts(positions, box, starts, 0.0173, 25)
    pair = 0
    for a in range(4):
        for b in range(a, 4):
            r = distances(positions[starts[a] : starts[a + 1]], positions[starts[b] : starts[b + 1]], box)
            r = r[np.triu_indices(len(r), 1)] if a == b else r.ravel()
            assert_same_counts(counts[pair], r, 0.0173, 25, 1e-6)
            pair += 1
    assert counts.sum() > 1000


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(2, 90),
    edges=st.tuples(*[st.floats(1.0, 4.0)] * 3),
    shift=st.tuples(*[st.floats(-20.0, 20.0)] * 3),
    image=st.integers(-3, 3),
)
def test_counts_do_not_see_translation_wrapping_and_order(seed, number, edges, shift, image):
    rng = np.random.default_rng(seed)
    box = np.array(edges)
    positions = rng.uniform(0, 1, (number, 3)) * box
    moved = rng.permutation(positions + np.array(shift) + image * rng.integers(-1, 2, (number, 3)) * box)
    r = distances(positions, positions, box)[np.triu_indices(number, 1)]
    for sample in (positions, moved):
        assert_same_counts(pair_counts(sample, box, np.array([0, number]), 0.05, 10)[0], r, 0.05, 10, 1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 30), max_size=5))
def test_same_bits_however_the_frames_are_cut(seed, cuts):
    rng = np.random.default_rng(seed)
    whole = frames_of(rng.uniform(0, 2, (30, 20, 3)), 2.0 + rng.uniform(0, 0.1, (30, 1)))
    bounds = [0, *sorted(cuts), 30]
    one = pair_distribution(whole, cutoff=1.0, width=0.1, blocks=7)
    parts = (whole[a:b] for a, b in pairwise(bounds))
    two = pair_distribution(parts, cutoff=1.0, width=0.1, blocks=7)
    np.testing.assert_array_equal(one.counts, two.counts)
    np.testing.assert_array_equal(one.ideal, two.ideal)
    middle = bounds[len(bounds) // 2]
    if 0 < middle < 30:
        parts = [pair_distribution(part, cutoff=1.0, width=0.1, blocks=1) for part in (whole[:middle], whole[middle:])]
        merged = parts[0].merge(parts[1])
        np.testing.assert_array_equal(merged.counts.sum(axis=0), one.counts.sum(axis=0))
        np.testing.assert_allclose(merged.g, one.g, rtol=1e-12)


def test_same_bits_for_any_number_of_workers():
    frames = frames_of(np.random.default_rng(1).uniform(0, 3, (150, 200, 3)), 3.0)
    alone = pair_distribution(frames, cutoff=1.0)
    with ThreadPoolExecutor(3) as pool:
        together = pair_distribution(frames, cutoff=1.0, executor=pool)
    np.testing.assert_array_equal(alone.counts, together.counts)
    np.testing.assert_array_equal(alone.ideal, together.ideal)


def test_ideal_gas_has_g_one_and_honest_errors():
    """Over 300 seeds: g - 1 has mean zero, and mean squared size equal to the stated error."""
    rng = np.random.default_rng(2)
    pulls, chi2 = [], []
    for _ in range(300):
        found = pair_distribution(frames_of(rng.uniform(0, 2, (40, 40, 3)), 2.0), cutoff=1.0, width=0.1)
        assert len(found) == 20
        pull = ((found.g - 1) / found.error)[3:]
        pulls.append(np.sum((found.g - 1) * found.ideal.sum(axis=0)) / np.sqrt(found.ideal.sum()))
        chi2.append(np.mean(pull**2))
    assert abs(np.mean(pulls)) < 4.5 * np.std(pulls) / np.sqrt(300)
    # t with 19 degrees of freedom: <t^2> = 19 / 17
    assert abs(np.mean(chi2) - 19 / 17) < 4.5 * np.std(chi2) / np.sqrt(300)


def correlated(rng, count, number, keep):
    """Ideal gas in which a bead stays where it is with probability ``keep`` from frame to frame."""
    positions = np.empty((count, number, 3))
    positions[0] = rng.uniform(0, 2, (number, 3))
    for k in range(1, count):
        fresh = rng.uniform(size=number) > keep
        positions[k] = np.where(fresh[:, None], rng.uniform(0, 2, (number, 3)), positions[k - 1])
    return frames_of(positions, 2.0)


def test_errors_know_that_frames_are_correlated():
    """Pairs live 1 / (1 - 0.8^2) = 2.8 frames, 16 a block: frames taken as independent would be 2.1 times too sure."""
    rng = np.random.default_rng(3)
    squares, stated, naive = [], [], []
    for _ in range(60):
        found = pair_distribution(correlated(rng, 800, 16, 0.8), cutoff=1.0, width=0.1)
        assert len(found) == 50
        squares.append((found.g - 1)[3:] ** 2)
        stated.append(found.error[3:] ** 2)
        naive.append(found.g[3:] / found.ideal.sum(axis=0)[3:])
    ratio = np.sqrt(np.mean(squares) / np.mean(stated))
    scatter = np.std(np.mean(np.array(squares) / np.mean(stated), axis=1)) / np.sqrt(60)
    assert abs(ratio**2 - 1) < 4 * scatter + 0.15  # blocks of 16 frames miss an eighth of the variance
    assert np.sqrt(np.mean(squares) / np.mean(naive)) > 1.7
    short = pair_distribution(correlated(rng, 800, 16, 0.8), cutoff=1.0, width=0.1, blocks=400)
    assert short.block_correlation > 0.2
    assert abs(short.reblock(40).block_correlation) < 0.2


def test_covariance_and_bootstrap_agree():
    rng = np.random.default_rng(4)
    found = pair_distribution(frames_of(rng.uniform(0, 2, (200, 60, 3)), 2.0), cutoff=1.0, width=0.1)
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), found.error)
    curves = found.bootstrap(4000, seed=1)
    assert curves.shape == (4000, 10)
    np.testing.assert_allclose(curves.std(axis=0)[2:], found.error[2:], rtol=0.06)
    np.testing.assert_array_equal(curves, found.bootstrap(4000, seed=1))
    np.testing.assert_allclose(np.cov(curves.T)[3:, 3:], found.covariance[3:, 3:], atol=0.1 * found.error[3] ** 2)


def test_blocks_select_merge():
    frames = frames_of(np.random.default_rng(6).uniform(0, 2, (100, 20, 3)), 2.0)
    found = pair_distribution(frames, cutoff=1.0, width=0.1)
    assert len(found) == 20
    assert found.frames.sum() == 100
    even, odd = found.select(slice(0, None, 2)), found.select(np.arange(1, 20, 2))
    np.testing.assert_array_equal(even.merge(odd).counts.sum(axis=0), found.counts.sum(axis=0))
    assert even.frames.sum() == 50
    assert found.density == pytest.approx(2.5)
    assert [default_blocks(n) for n in (1, 7, 60, 200, 9999)] == [1, 7, 20, 40, 50]
    other = pair_distribution(frames, cutoff=1.0, width=0.05)
    with pytest.raises(ValueError, match="different bins"):
        found.merge(other)


def test_long_streams_stay_short():
    sums = TimeBlocks()
    for k in range(10_000):
        sums.add(np.array([1, k]))
    frames, (total,) = sums.close(50)
    assert frames.sum() == 10_000
    np.testing.assert_array_equal(total.sum(axis=0), [10_000, 10_000 * 9_999 // 2])
    np.testing.assert_array_equal(total[:, 0], frames)
    assert frames.max() - frames.min() <= 4


def test_one_frame_has_g_but_no_error():
    found = pair_distribution(frames_of(np.random.default_rng(7).uniform(0, 2, (1, 50, 3)), 2.0), cutoff=1.0)
    assert np.all(np.isfinite(found.g))
    for call in (lambda: found.error, lambda: found.covariance, lambda: found.bootstrap(10, 1)):
        with pytest.raises(ValueError, match=r"at least two blocks.*1 block of 1 frame"):
            call()


def test_bad_input_is_refused_with_numbers():
    frames = frames_of(np.random.default_rng(8).uniform(0, 2, (4, 30, 3)), 2.0)
    with pytest.raises(ValueError, match=r"cut-off 1\.1 nm exceeds half the shortest box edge, 1 nm, in frame 0"):
        pair_distribution(frames, cutoff=1.1)
    with pytest.raises(ValueError, match="multiple of the bin width"):
        pair_distribution(frames, cutoff=0.995)
    with pytest.raises(ValueError, match="no frames"):
        pair_distribution([], cutoff=1.0)
    with pytest.raises(ValueError, match=r"4 frames .* cannot make 5 blocks"):
        pair_distribution(frames, cutoff=1.0, blocks=5)
    broken = frames_of(frames.positions.copy(), 2.0)
    broken.positions[2, 17, 1] = np.nan
    with pytest.raises(ValueError, match="bead 17 in frame 6 is not a finite number"):
        pair_distribution([frames, broken], cutoff=1.0)
    two = frames_of(frames.positions, 2.0, np.arange(30) % 2, ("A", "B"))
    with pytest.raises(ValueError, match="3 pairs of types"):
        pair_distribution(two, cutoff=1.0)
    with pytest.raises(ValueError, match="holds other beads"):
        pair_distribution([frames, two], cutoff=1.0)


def test_histograms_of_single_frames_come_back_with_the_same_bits(tmp_path):
    """From the file alone a step of inverse Monte Carlo is solved again, to the last bit."""
    rng = np.random.default_rng(3)
    types = np.arange(40) % 2
    mixed = pair_distributions(frames_of(rng.uniform(0, 2, (7, 40, 3)), [2.0] * 3, types, ("A", "Wasser β")), cutoff=1)
    target = pair_distribution(frames_of(rng.uniform(0, 2, (100, 40, 3)), [2.0] * 3), cutoff=1.0, width=0.02)
    singles = pair_distribution(
        frames_of(rng.uniform(0, 2, (800, 40, 3)), [2.0] * 3), cutoff=1.0, width=0.02, blocks=800
    )
    again = []
    for number, one in enumerate([*mixed.values(), target, singles]):
        one.save(tmp_path / f"{number}.npz")
        with np.load(tmp_path / f"{number}.npz", allow_pickle=False) as file:
            assert set(file.files) == {"format", "edges", "counts", "ideal", "frames", "names", "number"}
        other = PairDistribution.load(tmp_path / f"{number}.npz")
        for name in ("edges", "counts", "ideal", "frames"):
            assert getattr(one, name).dtype == getattr(other, name).dtype, name
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
        assert (one.names, one.number) == (other.names, other.number)
        again.append(other)
    soft = PairPotential.from_function(lambda r: (1 - r**2) ** 2, lambda r: -4 * r * (1 - r**2), 0.8, 0.002)
    steps = [
        gauss_newton_step(soft, wanted, frames.reblock(20), 300.0, spacing=0.1, singles=frames)
        for wanted, frames in ((target, singles), (again[-2], again[-1]))
    ]
    assert steps[0].measured
    assert steps[0].potential.energy.tobytes() == steps[1].potential.energy.tobytes()
    np.savez(tmp_path / "other.npz", counts=1, format="kadanoff pair distribution 1")
    with pytest.raises(ValueError, match=r"'edges', .* are missing"):
        PairDistribution.load(tmp_path / "other.npz")
