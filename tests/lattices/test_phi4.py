"""phi^4: the Gaussian field, a ring by its transfer matrix, the Ising limit, and plain twins."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kadanoff.estimates import mean
from kadanoff.lattices._kernels import cluster, phi4
from kadanoff.lattices.enumeration import spectrum
from kadanoff.lattices.lattice import bravais, square, triangular
from kadanoff.lattices.phi4 import sample_fields
from kadanoff.random import philox, uniform


def test_gaussian_field():
    """lambda = 0: <phi phi> is the inverse of 2 - K adjacency."""
    lattice, k = triangular(5), 0.28
    joined = np.zeros((25, 25))
    np.add.at(joined, tuple(lattice.bonds.T), 1.0)
    covariance = np.linalg.inv(2 * np.eye(25) - k * (joined + joined.T))
    drawn = sample_fields(lattice, k, 0.0, samples=4000, seed=1)
    flat = drawn.configurations.reshape(4000, -1)
    exact = {
        "square": (np.mean(flat**2, axis=1), np.trace(covariance) / 25),
        "bonds": (drawn.bond_sums, covariance[tuple(lattice.bonds.T)].sum()),
        "order": (drawn.magnetisations**2, covariance.sum() / 25**2),
        "mean": (drawn.magnetisations, 0.0),
    }
    for series, value in exact.values():
        found = mean(series)
        assert abs(found.value - value) < 4 * found.error
    assert 0.35 < drawn.acceptance < 0.65


@pytest.mark.parametrize(("k", "quartic"), [(0.8, 0.5), (-0.6, 1.5)])
def test_ring_against_its_transfer_matrix(k, quartic):
    grid = np.linspace(-4, 4, 401)
    site = -(grid**2) - quartic * (grid**2 - 1) ** 2
    matrix = np.exp(k * grid[:, None] * grid + (site[:, None] + site) / 2)
    power = [np.linalg.matrix_power(matrix / matrix.max(), n) for n in (5, 6)]
    z = np.trace(power[1])
    square_ = np.diag(power[1]) @ grid**2 / z
    fourth = np.diag(power[1]) @ grid**4 / z
    near = np.sum(power[0].T * (matrix / matrix.max()) * np.outer(grid, grid)) / z
    drawn = sample_fields(bravais((6,), [(0, 0, (1,))]), k, quartic, samples=6000, seed=3)
    for series, value in (
        (np.mean(drawn.configurations**2, axis=1), square_),
        (np.mean(drawn.configurations**4, axis=1), fourth),
        (drawn.bond_sums / 6, near),
        (drawn.energies, -(k * near - square_ - quartic * (fourth - 2 * square_ + 1))),
    ):
        found = mean(series)
        assert abs(found.value - value) < 4 * found.error


def test_ising_limit():
    """A deep well leaves signs: |magnetisation| of the counted 4 x 4 lattice, up to <phi^2> - 1 ~ 1 / lambda."""
    k, quartic = 0.4, 400.0
    drawn = sample_fields(square(4), k, quartic, samples=4000, seed=2)
    exact = spectrum(square(4))
    signs = np.sign(drawn.configurations)
    found = mean(np.abs(signs.mean(axis=(1, 2))))
    assert abs(found.value - exact.mean(np.abs(exact.magnetisations), k)) < 4 * found.error + 5 / quartic


def test_kernels_are_their_plain_twins():
    lattice, k, quartic, width = triangular(6), 0.3, 0.7, 1.1
    seed, step = np.uint64(4), np.uint64((2 << 40) + 3)
    before = np.random.default_rng(1).normal(size=36)
    order = np.argsort(lattice.colours, kind="stable").astype(np.int32)
    fast, plain = before.copy(), before.copy()
    taken = phi4.move_fields(fast, lattice.neighbours, k, quartic, width, order, seed, step)

    def weight(field):
        return k * np.sum(np.prod(field[lattice.bonds], axis=1)) - np.sum(field**2 + quartic * (field**2 - 1) ** 2)

    accepted = 0
    for at, i in enumerate(order):
        u, v = uniform(seed, phi4.MOVES, step, np.uint64(at))
        tried = plain.copy()
        tried[i] += width * (2 * u - 1)
        if math.log(v) < weight(tried) - weight(plain):
            plain, accepted = tried, accepted + 1
    assert fast == pytest.approx(plain, abs=1e-12)
    assert taken == accepted

    after = fast.copy()
    parent, fresh, size = np.empty(36, np.uint32), np.empty(36, np.int8), np.empty(36, np.int64)
    phi4.flip_clusters(after, lattice.bonds, k, seed, step, parent, fresh, size)
    u = np.array([uniform(seed, phi4.EMBEDDED, step, np.uint64(b))[0] for b in range(len(lattice.bonds))])
    kept = u > np.exp(-2 * np.maximum(0, k * np.prod(fast[lattice.bonds], axis=1)))
    graph = coo_array((np.ones(kept.sum()), tuple(lattice.bonds[kept].T)), shape=(36, 36))
    cells = connected_components(graph, directed=False)[1]
    first = np.array([np.flatnonzero(cells == c)[0] for c in range(cells.max() + 1)])
    low = [int(x) for x in philox(*map(np.uint64, (0, 3, 2 << 8, cluster.STATES, 4, 0)))]
    coins = np.array([(low[0] << 32 | low[1]) >> int(site) & 1 for site in first])
    assert np.array_equal(after, np.where(coins[cells] == 1, -fast, fast))


def test_workers_change_no_bit_and_bad_input_is_refused():
    alone = sample_fields(square(4), 0.5, 0.5, samples=20, seed=5)
    with ThreadPoolExecutor(3) as pool:
        shared = sample_fields(square(4), 0.5, 0.5, samples=20, seed=5, executor=pool)
    assert np.array_equal(alone.configurations, shared.configurations)
    for options, words in (((0.6, 0.0), "no finite sum"), ((0.1, -1.0), "lambda >= 0"), ((math.nan, 1.0), "finite K")):
        with pytest.raises(ValueError, match=words):
            sample_fields(square(4), *options, samples=4, seed=1)
    with pytest.raises(ValueError, match="at least one sample"):
        sample_fields(square(4), 0.1, 1.0, samples=0, seed=1)
