"""Angles, tetrahedral order and two-body entropy against lattices, the ideal gas and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.molecules._kernels.structure import shell_structure
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.structure import first_minimum, structure, two_body_entropy


def frames_of(positions, box):
    positions = np.asarray(positions, dtype=float)
    box = np.broadcast_to(np.asarray(box, float), (len(positions), 3)).copy()
    return Frames(Beads.alike(positions.shape[1], 1.0), positions, box, np.arange(float(len(positions))))


def diamond(cells=3, edge=0.6):
    corner = np.array([(0, 0, 0), (0, 2, 2), (2, 0, 2), (2, 2, 0), (1, 1, 1), (1, 3, 3), (3, 1, 3), (3, 3, 1)]) / 4
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3), axis=-1).reshape(-1, 1, 3)
    return (grid + corner).reshape(-1, 3) * edge, cells * edge


def plain(positions, box, cutoff, bins):
    """The twin: every distance, every angle."""
    d = positions[None, :, :] - positions[:, None, :]
    d -= box * np.round(d / box)
    r = np.sqrt(np.sum(d * d, axis=-1))
    np.fill_diagonal(r, np.inf)
    cosines, neighbours, order = [], 0, []
    for i in range(len(positions)):
        near = np.flatnonzero(r[i] < cutoff)
        neighbours += len(near)
        unit = d[i, near] / r[i, near, None]
        cosines.extend((unit @ unit.T)[np.triu_indices(len(near), 1)])
        four = np.argsort(r[i])[:4]
        unit = d[i, four] / r[i, four, None]
        order.append(1 - 0.375 * np.sum(((unit @ unit.T)[np.triu_indices(4, 1)] + 1 / 3) ** 2))
    return np.histogram(cosines, bins, (-1, 1))[0], neighbours, np.array(order)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(5, 120),
    edges=st.tuples(*[st.floats(1.0, 5.0)] * 3),
    reach=st.floats(0.4, 0.5),
)
def test_kernel_equals_its_plain_twin(seed, number, edges, reach):
    rng = np.random.default_rng(seed)
    box = np.array(edges)
    positions = rng.uniform(-1, 2, (number, 3)) * box
    angles, neighbours, order = shell_structure(positions, box, 0.4, reach, 37)
    expected = plain(positions, box, 0.4, 37)
    np.testing.assert_array_equal(angles, expected[0])
    assert neighbours == expected[1]
    np.testing.assert_allclose(order, expected[2], atol=1e-10)


def test_diamond_is_perfect():
    positions, box = diamond()
    found = structure(frames_of([positions] * 2, box), 0.3)
    assert found.tetrahedral.value == pytest.approx(1.0, abs=1e-12)
    assert found.coordination.value == 4
    peak = np.flatnonzero(found.angles)
    assert len(peak) == 1
    assert abs(found.cosines[peak[0]] + 1 / 3) <= 0.02
    assert found.angles.sum() * 0.04 == pytest.approx(1.0)
    assert np.flatnonzero(found.order).tolist() == [99]
    assert np.all(found.angles_error == 0)


def test_ideal_gas_has_no_order():
    rng = np.random.default_rng(1)
    found = structure(frames_of(rng.uniform(0, 2, (200, 200, 3)), 2.0), 0.3, bins=20)
    pull = (found.angles - 0.5) / found.angles_error
    assert np.abs(pull).max() < 5
    assert 0.5 < np.mean(pull**2) < 2
    assert abs(found.tetrahedral.value) < 4 * found.tetrahedral.error
    assert found.tetrahedral.error < 0.005
    expected = 199 * 4 / 3 * np.pi * 0.3**3 / 8.0
    assert abs(found.coordination.value - expected) < 4 * found.coordination.error
    assert found.order.sum() * 0.04 == pytest.approx(1.0)
    assert np.all(found.order_error >= 0)


def test_chunks_and_cut_off_from_g():
    rng = np.random.default_rng(2)
    positions, box = diamond()
    frames = frames_of(positions + rng.normal(0, 0.01, (30, *positions.shape)), box)
    distribution = pair_distribution(frames, cutoff=0.9)
    shell = first_minimum(distribution)
    assert 0.29 < shell < 0.40  # neighbours at 0.260 and 0.424 nm
    one = structure(frames, distribution)
    two = structure([frames[:7], frames[7:]], shell)
    np.testing.assert_array_equal(one.angle_counts, two.angle_counts)
    assert one.coordination.value == 4
    assert 0.9 < one.tetrahedral.value < 1
    assert one.tetrahedral == two.tetrahedral


def synthetic(function, *, density=30.0, cutoff=1.2, width=0.01, pairs=1e14, blocks=20, seed=None):
    edges = width * np.arange(round(cutoff / width) + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    number = 1000
    ideal = np.tile(shells * density / number * number * (number - 1) / 2 * pairs, (blocks, 1))
    expected = ideal * function(0.5 * (edges[1:] + edges[:-1]))
    counts = np.round(expected) if seed is None else np.random.default_rng(seed).poisson(expected)
    frames = np.full(blocks, round(pairs), np.int64)
    return PairDistribution(edges, counts.astype(np.int64), ideal, frames, ("A", "A"), (number, number))


def liquid(r):
    wave = 1 + 1.5 * np.exp(-(((r - 0.3) / 0.03) ** 2)) + 0.3 * np.exp(-r / 0.3) * np.cos(2 * np.pi * r / 0.28)
    return np.where(r > 0.24, wave, 0.0)


def test_two_body_entropy_equals_quadrature():
    from scipy.integrate import quad

    def integrand(r):
        g = liquid(np.array(r))
        return (g * np.log(g) - g + 1 if g > 0 else 1.0) * r * r

    for upper in (0.8, 1.2):
        exact = -2 * np.pi * 30.0 * quad(integrand, 0, upper, points=[0.24, 0.3, 0.4], limit=200)[0]
        found = two_body_entropy(synthetic(liquid, pairs=1e7, width=0.002), upper=upper)
        assert found.value == pytest.approx(exact, rel=2e-4)
        assert found.unit == "k_B"
        assert f"to {upper:g} nm" in found.method


def test_two_body_entropy_has_no_bias_from_noise_and_honest_errors():
    exact = two_body_entropy(synthetic(liquid, pairs=1e7)).value
    found = [two_body_entropy(synthetic(liquid, pairs=3, seed=seed), resamples=100) for seed in range(100)]
    values, errors = np.array([e.value for e in found]), np.array([e.error for e in found])
    assert abs(values.mean() - exact) < 4 * values.std() / 10
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.3)
    # without the correction noise alone would be an entropy
    flat = [two_body_entropy(synthetic(np.ones_like, pairs=3, seed=seed), resamples=50) for seed in range(60)]
    values = np.array([e.value for e in flat])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(60)


def test_refusals():
    positions, box = diamond()
    frames = frames_of([positions], box)
    with pytest.raises(ValueError, match=r"cut-off 1 nm exceeds half the shortest box edge, 0\.9 nm"):
        structure(frames, 1.0)
    with pytest.raises(ValueError, match="no angles"):
        structure(frames, 0.1)
    with pytest.raises(ValueError, match="at least five beads"):
        structure(frames_of(np.random.default_rng(1).uniform(0, 1, (1, 4, 3)), 1.0), 0.3)
    single = structure(frames, 0.3)
    assert single.tetrahedral.error is None
    with pytest.raises(ValueError, match="two blocks"):
        _ = single.angles_error
    with pytest.raises(ValueError, match="outside the bins"):
        two_body_entropy(synthetic(liquid), upper=1.3)
    with pytest.raises(ValueError, match="no peak"):
        first_minimum(synthetic(lambda r: 1 / r))
