"""Mapping entropy where it is exact (Gaussian chains), and bounds that hold on what they bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from kadanoff.maps import Map
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.mapping_entropy import (
    internal_entropy_bound,
    mapping_entropy,
    mean_matrix,
    neighbour_axes,
    orientation_entropy_bound,
    relative_information,
)

LN = np.log(2 * np.pi * np.e)


def chain(number, stiffness=1.0, hold=0.3):
    """Covariance kT K^-1 (kT = 1) of beads on a line of springs, each held to its place by a weaker one."""
    k = np.diag(np.full(number, 2 * stiffness + hold)) - stiffness * (np.eye(number, k=1) + np.eye(number, k=-1))
    k[0, 0] = k[-1, -1] = stiffness + hold
    return np.linalg.inv(k), k


def pairs(number):
    return Map.groups(np.arange(number) // 2)


def covariance(seed, number):
    half = np.random.default_rng(seed).normal(size=(number, number + 2))
    return half @ half.T


def test_two_atoms_to_their_centre_lose_the_spread_of_their_distance():
    """Independent atoms of variance v: what is lost is their distance, of variance 2 v, in a box of edge L."""
    v, edge = 0.04, 3.0
    found = mapping_entropy(v * np.eye(2), np.full((1, 2), 0.5), length=edge)
    # (r1 - r2) has the Jacobian 1 beside the centre
    assert found.value == pytest.approx(3 * (np.log(edge) - 0.5 * (LN + np.log(2 * v))))
    assert found.error is None


def test_decimation_of_a_chain_is_the_entropy_of_what_is_left_out():
    """Keeping every second atom (a map of ones and noughts) loses the others, whose covariance given the kept ones is
    the inverse of their block of K (Schur's complement)."""
    c, k = chain(9)
    kept = np.arange(0, 9, 2)
    m = np.eye(9)[kept]
    left = np.setdiff1d(np.arange(9), kept)
    conditional = np.linalg.inv(k[np.ix_(left, left)])
    schur = c[np.ix_(left, left)] - c[np.ix_(left, kept)] @ np.linalg.solve(
        c[np.ix_(kept, kept)], c[np.ix_(kept, left)]
    )
    assert np.allclose(conditional, schur)
    exact = 3 * (4 * np.log(2.5) - 0.5 * (np.linalg.slogdet(conditional)[1] + 4 * LN))
    assert mapping_entropy(c, m, length=2.5).value == pytest.approx(exact)


@pytest.mark.parametrize(
    "loss", [lambda c, m: mapping_entropy(c, m, length=4.0), lambda c, m: relative_information(c, m, spread=0.7)]
)
def test_no_map_and_a_permutation_lose_nothing(loss):
    c, _ = chain(8)
    assert loss(c, np.eye(8)).value == pytest.approx(0.0, abs=1e-12)
    assert loss(c, np.eye(8)[::-1]).value == pytest.approx(0.0, abs=1e-12)


def test_losses_add_up_along_maps():
    c, _ = chain(9)
    first = Map.groups(np.array([0, 0, 1, 1, 1, 2, 2, 2, 3]), weight=np.arange(1.0, 10.0))
    second = Map.groups(np.array([0, 1, 1, 0]), weight=first.coarse_weight)
    m1 = mean_matrix(first)
    one = mapping_entropy(c, first, length=4.0).value
    two = mapping_entropy(m1 @ c @ m1.T, second, length=4.0).value
    assert mapping_entropy(c, second @ first, length=4.0).value == pytest.approx(one + two)
    assert mapping_entropy(c, mean_matrix(second) @ m1, length=4.0).value == pytest.approx(one + two)


def test_relative_information_adds_up_along_maps_with_the_mapped_gas():
    c, gas = covariance(1, 8), covariance(2, 8)
    first, second = mean_matrix(pairs(8)), mean_matrix(pairs(4))
    one = relative_information(c, first, spread=gas).value
    two = relative_information(first @ c @ first.T, second, spread=first @ gas @ first.T).value
    assert relative_information(c, second @ first, spread=gas).value == pytest.approx(one + two)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(2, 7), beads=st.integers(1, 6), spread=st.floats(0.05, 20.0))
def test_no_map_gains_information(seed, number, beads, spread):
    """Data processing, for any covariance and any map of averages."""
    beads = min(beads, number)
    random = np.random.default_rng(seed)
    m = random.random((beads, number)) ** 3 + 1e-3
    m /= m.sum(axis=1, keepdims=True)
    lost = relative_information(covariance(seed, number), m, spread=spread).value
    assert lost >= -1e-8 * (1 + number / spread**2)


def test_a_wide_gas_is_the_smear_over_a_volume():
    """As the spread a of the gas grows, it is a volume of edge L = a sqrt(2 pi), up to O(1/a^2)."""
    c, m = chain(6)[0], pairs(6)
    differences = []
    for a in (30.0, 300.0):
        # in the gas the mean of two atoms has half the variance of one: ln(2)/2 for each of three beads and directions
        flat = mapping_entropy(c, m, length=a * np.sqrt(2 * np.pi)).value + 3 * 3 * 0.5 * np.log(2.0)
        differences.append(abs(relative_information(c, m, spread=a).value - flat))
    assert differences[1] < differences[0] / 50
    assert differences[0] < 0.02


def test_smear_is_what_it_says():
    """The relative entropy of system and smear, the smear built as a Gaussian with the beads' covariance."""
    c, q, m = covariance(3, 5), covariance(4, 5), mean_matrix(Map.groups(np.array([0, 0, 1, 1, 1])))
    back = q @ m.T @ np.linalg.inv(m @ q @ m.T)
    smear = back @ (m @ c @ m.T) @ back.T + q - back @ m @ q
    exact = 0.5 * (np.linalg.slogdet(smear)[1] - np.linalg.slogdet(c)[1] + np.trace(np.linalg.solve(smear, c)) - 5)
    assert relative_information(c, m, spread=q, dimensions=1).value == pytest.approx(exact)


def test_networks_in_three_dimensions_need_not_be_isotropic():
    c, _ = chain(4)
    m = pairs(4)
    alike = mapping_entropy(c, m, length=2.0).value
    assert mapping_entropy(np.kron(c, np.eye(3)), m, length=2.0).value == pytest.approx(alike)
    different = np.kron(c, np.diag([1.0, 2.0, 0.5]))
    each = sum(mapping_entropy(s * c, m, length=2.0, dimensions=1).value for s in (1.0, 2.0, 0.5))
    assert mapping_entropy(different, m, length=2.0).value == pytest.approx(each)


def test_a_floating_body_is_the_limit_of_a_weak_hold():
    number = 6
    k = 2 * np.eye(number) - np.eye(number, k=1) - np.eye(number, k=-1)
    k[0, 0] = k[-1, -1] = 1.0
    free = np.linalg.pinv(k)
    m = Map.groups(np.array([0, 0, 0, 1, 1, 2]), weight=np.array([16.0, 1, 1, 12, 1, 1]))
    found = mapping_entropy(free, m, length=2.0, floating=True).value
    held = [mapping_entropy(np.linalg.inv(k + hold * np.eye(number)), m, length=2.0).value for hold in (1e-3, 1e-5)]
    assert found == pytest.approx(held[1], abs=1e-3)
    assert abs(found - held[1]) < abs(found - held[0]) / 50
    three = mapping_entropy(np.kron(free, np.eye(3)), m, length=2.0, floating=True).value
    assert three == pytest.approx(found)
    with pytest.raises(ValueError, match="singular"):
        mapping_entropy(free, m, length=2.0)


# ---- bounds ----

WEIGHTS = np.array([0.6, 0.3, 0.1])


def molecules(seed, frames=400, number=40):
    """Gaussian trimers, independent of each other, whose inner coordinates do not depend on where their bead is: the
    bound is met. Returns positions and their covariance."""
    random = np.random.default_rng(seed)
    inner = np.eye(3) - np.outer(np.ones(3), WEIGHTS)
    c = inner @ chain(3, 4.0, 0.5)[0] @ inner.T + 0.8
    return np.einsum("ij,fnjd->fnid", np.linalg.cholesky(c), random.normal(size=(frames, number, 3, 3))), c


def test_the_bound_is_met_by_gaussian_molecules_and_does_not_mind_which_atom_is_left_out():
    positions, c = molecules(1)
    found = internal_entropy_bound(positions, WEIGHTS)
    exact = 3 * 0.5 * (np.linalg.slogdet(c)[1] - np.log(WEIGHTS @ c @ WEIGHTS) + 2 * LN)
    assert found.value == pytest.approx(exact, abs=4 * found.error)
    turned = internal_entropy_bound(positions[:, :, ::-1], WEIGHTS[::-1])
    assert turned.value == pytest.approx(found.value, abs=1e-9)
    # the bound is on what mapping_entropy has beside the volume
    lost = mapping_entropy(c, WEIGHTS[None, :], length=5.0).value
    assert 3 * 2 * np.log(5.0) - found.value == pytest.approx(lost, abs=4 * found.error)


def test_the_bound_lies_above_the_entropy_of_molecules_that_are_not_gaussian():
    """Two atoms whose distance is uniform in a ball of radius a: their entropy is ln(4 pi a^3 / 3), to the measure."""
    random = np.random.default_rng(2)
    way = random.normal(size=(400, 50, 3))
    way *= (random.random((400, 50, 1)) ** (1 / 3)) / np.linalg.norm(way, axis=2, keepdims=True)
    positions = np.stack([0.5 * way, -0.5 * way], axis=2) + random.normal(size=(400, 50, 1, 3))
    found = internal_entropy_bound(positions, [1.0, 1.0])
    exact = np.log(4 * np.pi / 3)  # r1 - r2 beside the centre: Jacobian 1
    gaussian = 1.5 * (LN + np.log(1 / 5))  # variance a^2 / 5 in each direction
    assert found.value == pytest.approx(gaussian, abs=4 * found.error)
    assert found.value - exact > 4 * found.error


def directions(frames, strength, seed, number=200):
    """Von Mises-Fisher about z (Wood, 1994): density ~ exp(strength u_z)."""
    random = np.random.default_rng(seed)
    y = random.random((frames, number))
    z = 1.0 + np.log(y + (1 - y) * np.exp(-2 * strength)) / strength
    angle = 2 * np.pi * random.random((frames, number))
    sine = np.sqrt(1 - z**2)
    return np.stack([sine * np.cos(angle), sine * np.sin(angle), z], axis=-1)


def test_directions_of_most_entropy_meet_their_bound_and_no_order_is_ln_4_pi():
    kappa = 2.0
    found = orientation_entropy_bound(directions(400, kappa, 3))
    exact = np.log(4 * np.pi * np.sinh(kappa) / kappa) - kappa / np.tanh(kappa) + 1
    assert found.value == pytest.approx(exact, abs=4 * found.error)
    free = np.random.default_rng(4).normal(size=(400, 200, 3))
    none = orientation_entropy_bound(free / np.linalg.norm(free, axis=2, keepdims=True))
    assert none.value == pytest.approx(np.log(4 * np.pi), abs=4 * none.error + 8 / 40_000)


def test_the_bound_on_directions_lies_above_their_entropy():
    """A density ~ exp(6 z^4), which second moments do not describe."""
    random = np.random.default_rng(5)
    z = random.uniform(-1, 1, 1_200_000)
    z = z[random.random(len(z)) < np.exp(6 * (z**4 - 1))][: 400 * 100]
    angle = 2 * np.pi * random.random(len(z))
    u = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=-1).reshape(400, -1, 3)
    norm, fourth = (quad(lambda x, p=p: 2 * np.pi * x**p * np.exp(6 * x**4), -1, 1)[0] for p in (0, 4))
    exact = np.log(norm) - 6 * fourth / norm
    found = orientation_entropy_bound(u)
    assert exact < found.value - 4 * found.error < np.log(4 * np.pi)


def test_axes_of_neighbours_turn_with_the_beads():
    random = np.random.default_rng(6)
    box = np.array([3.0, 3.5, 4.0])
    frames = Frames(Beads.alike(30, 1.0), random.random((2, 30, 3)) * box - 1.0, np.tile(box, (2, 1)), np.zeros(2))
    axes = neighbour_axes(frames)
    assert np.allclose(np.einsum("fnij,fnkj->fnik", axes, axes), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(axes), 1.0)
    apart = frames.positions[0][None] - frames.positions[0][:, None]
    apart -= box * np.round(apart / box)
    distance = np.linalg.norm(apart, axis=2) + 10 * np.eye(30)
    near = np.argsort(distance, axis=1)
    seen = np.einsum("nij,nj->ni", axes[0], apart[np.arange(30), near[:, 0]])
    assert np.allclose(seen, [0, 0, 1] * distance.min(axis=1)[:, None] * np.ones(3), atol=1e-12)
    second = np.einsum("nij,nj->ni", axes[0], apart[np.arange(30), near[:, 1]])
    assert np.all(second[:, 0] > 0)
    assert np.allclose(second[:, 1], 0, atol=1e-12)
    turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0.0]])  # a rotation that permutes the axes of the box
    other = Frames(frames.beads, frames.positions @ turn, frames.box @ turn, frames.time)
    assert np.allclose(neighbour_axes(other), axes @ turn)


def test_bad_input_is_refused():
    c, _ = chain(4)
    with pytest.raises(ValueError, match="add up to one"):
        mapping_entropy(c, np.ones((1, 4)), length=1.0)
    with pytest.raises(ValueError, match="rows"):
        mapping_entropy(c, np.eye(3), length=1.0)
    with pytest.raises(ValueError, match="same"):
        mapping_entropy(c, np.full((2, 4), 0.25), length=1.0)
    with pytest.raises(ValueError, match="symmetric"):
        mapping_entropy(c + np.eye(4, k=1), pairs(4), length=1.0)
    with pytest.raises(ValueError, match="length"):
        mapping_entropy(c, pairs(4), length=0.0)
    with pytest.raises(ValueError, match="positive"):
        relative_information(c, pairs(4), spread=-np.eye(4))
    flat = np.random.default_rng(0).normal(size=(40, 10, 2, 3)) * [1, 1, 0]
    with pytest.raises(ValueError, match="plane"):
        internal_entropy_bound(flat, [1.0, 1.0])
    with pytest.raises(ValueError, match="unit"):
        orientation_entropy_bound(np.ones((10, 5, 3)))
    with pytest.raises(ValueError, match="two neighbours"):
        neighbour_axes(Frames(Beads.alike(2, 1.0), np.zeros((1, 2, 3)), np.ones((1, 3)), np.zeros(1)))
