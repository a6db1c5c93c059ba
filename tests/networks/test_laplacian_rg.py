"""Laplacian renormalization against closed spectra, and random vectors against all eigenvalues."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg

from kadanoff.networks import Network, Regions
from kadanoff.networks import laplacian_rg as lrg
from kadanoff.networks.laplacian_rg import (
    diffusion_regions,
    entropic_susceptibility,
    laplacian,
    of_spectrum,
    peaks,
)

TAU = np.logspace(-2, 2, 60)


def ring(n):
    return Network.from_edges(np.arange(n), (np.arange(n) + 1) % n)


def torus(side):
    x, y = (each.ravel() for each in np.indices((side, side)))
    here = x * side + y
    ends = [((x + 1) % side) * side + y, x * side + (y + 1) % side]
    return Network.from_edges(np.tile(here, 2), np.concatenate(ends))


def cliques(seed, members=30, bridges=3, count=3):
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(count), members)
    a = (label[:, None] == label) & ~np.eye(label.size, dtype=bool)
    for k in range(count - 1):
        for _ in range(bridges):
            a[k * members + random.integers(members), (k + 1) * members + random.integers(members)] = True
    return Network.from_matrix(a.astype(int)), label


SPECTRA = {
    "complete": (lambda n: Network.from_matrix(np.ones((n, n), int)), lambda n: np.append(np.full(n - 1, n), 0.0)),
    "ring": (ring, lambda n: 2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)),
    "path": (
        lambda n: Network.from_edges(np.arange(n - 1), np.arange(1, n)),
        lambda n: 2 - 2 * np.cos(np.pi * np.arange(n) / n),
    ),
    "star": (
        lambda n: Network.from_edges(np.zeros(n - 1, int), np.arange(1, n)),
        lambda n: np.concatenate([[0.0], np.ones(n - 2), [n]]),
    ),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_closed_spectra(name):
    made, spectrum = SPECTRA[name]
    network = made(40)
    found = entropic_susceptibility(network, TAU)
    entropy, value = of_spectrum(spectrum(40), TAU)
    assert found.method == "eigenvalues"
    assert found.value == pytest.approx(value, abs=1e-10)
    assert found.entropy == pytest.approx(entropy, abs=1e-10)
    # C is the slope of S
    fine = np.log(TAU)[:, None] + np.array([-1e-4, 1e-4])
    slope = -np.diff(np.array([of_spectrum(spectrum(40), np.exp(row))[0] for row in fine]), axis=1)[:, 0] / 2e-4
    assert value == pytest.approx(slope, abs=1e-6)
    assert laplacian(network).sum() == pytest.approx(0)


def test_complete_graph_by_hand():
    n, tau = 12, np.array([0.05, 0.2, 0.5])
    p = (n - 1) * np.exp(-n * tau) / (1 + (n - 1) * np.exp(-n * tau))
    assert of_spectrum(np.append(np.full(n - 1, n), 0.0), tau)[1] == pytest.approx((tau * n) ** 2 * p * (1 - p))


@pytest.mark.parametrize(("spectrum", "dimension"), [
    (2 - 2 * np.cos(2 * np.pi * np.arange(4000) / 4000), 1),
    (np.add.outer(*(2 * [2 - 2 * np.cos(2 * np.pi * np.arange(300) / 300)])).ravel(), 2),
])  # fmt: skip
def test_plateau_of_a_lattice_is_half_its_dimension(spectrum, dimension):
    """C -> d / 2 for 1 << tau << n^(2/d), from above as 1 / tau."""
    tau = np.array([20.0, 40.0, 80.0])
    _, value = of_spectrum(spectrum, tau)
    assert value == pytest.approx(dimension / 2, rel=0.02)
    excess = value - dimension / 2
    assert excess[:-1] / excess[1:] == pytest.approx(2, rel=0.1)


def test_a_product_of_graphs_adds_its_entropies():
    found, one = entropic_susceptibility(torus(24), TAU), entropic_susceptibility(ring(24), TAU)
    assert found.value == pytest.approx(2 * one.value, abs=1e-9)
    assert found.entropy == pytest.approx(2 * one.entropy, abs=1e-9)


def test_long_times_leave_the_components():
    one, _ = cliques(0)
    two = Network.from_matrix(scipy.linalg.block_diag(one.matrix().toarray(), one.matrix().toarray()))
    for method in ("eigenvalues", "random vectors"):
        found = entropic_susceptibility(two, [1e4], method=method)
        assert found.components == 2
        assert found.entropy[0] == pytest.approx(math.log(2), abs=1e-10)
        assert found.value[0] == pytest.approx(0, abs=1e-9)


def test_random_vectors_are_within_their_errors():
    network, _ = cliques(1)
    exact = entropic_susceptibility(network, TAU)
    found = entropic_susceptibility(network, TAU, method="random vectors", vectors=48, seed=3)
    assert found.method == "random vectors"
    # Student's t of 47 degrees, and the closure of the Krylov space to rounding
    assert np.all(np.abs(found.value - exact.value) < 4.5 * found.error + 1e-9)
    assert np.all(np.abs(found.entropy - exact.entropy) < 4.5 * found.entropy_error + 1e-9)


@pytest.mark.slow
def test_errors_of_random_vectors_are_calibrated_and_fall_as_their_root():
    network, _ = cliques(2, members=12, bridges=2)
    tau = np.array([0.03, 0.3, 3.0])
    exact = entropic_susceptibility(network, tau).value
    scaled, roots = [], []
    for vectors in (16, 64):
        runs = [
            entropic_susceptibility(network, tau, method="random vectors", vectors=vectors, seed=seed)
            for seed in range(40)
        ]
        missed = np.array([run.value - exact for run in runs])
        scaled.append(np.array([run.error for run in runs]).mean(axis=0))
        roots.append(np.sqrt((missed**2).mean(axis=0)))
    ratio = np.array(roots) / np.array(scaled)
    assert np.all(np.abs(ratio - 1) < 4.5 / math.sqrt(2 * 40) + 0.05)  # errors are what they say
    fall = np.array(roots)[0] / np.array(roots)[1]
    assert np.all(np.abs(fall / 2 - 1) < 4.5 * math.sqrt(2 / (2 * 40)))  # four times the vectors, half the error


def test_scales_of_nested_groups_and_no_false_ones():
    """Cliques joined by few bridges have two scales, a complete graph one; noise of the traces makes no peak."""
    network, _ = cliques(3)
    exact = peaks(entropic_susceptibility(network))
    assert len(exact) == 2
    assert exact[0].tau.value < 0.3 < exact[1].tau.value
    found = peaks(entropic_susceptibility(network, method="random vectors", vectors=128))
    assert len(found) == 2
    for one, other in zip(exact, found, strict=True):
        assert abs(math.log(one.tau.value / other.tau.value)) < 4.5 * other.tau.error / other.tau.value + 1e-9
        assert abs(one.height.value - other.height.value) < 4.5 * other.height.error + 1e-9
    complete = Network.from_matrix(np.ones((50, 50), int))
    fine = np.linspace(0.05, 0.2, 3001)
    place = fine[np.argmax(of_spectrum(np.append(np.full(49, 50.0), 0.0), fine)[1])]
    for method in ("eigenvalues", "random vectors"):
        (one,) = peaks(entropic_susceptibility(complete, method=method))
        assert one.tau.value == pytest.approx(place, rel=1e-2)


def test_groups_of_diffusion(monkeypatch):
    network, label = cliques(4)
    second = peaks(entropic_susceptibility(network))[1].tau.value
    regions = diffusion_regions(network, 0.3 * second)
    pairs = np.unique(np.column_stack([regions.label, label]), axis=0)
    assert len(pairs) == regions.k - 1 == 3  # the cliques
    monkeypatch.setattr(lrg, "EXACT_UP_TO", 10)  # the way of large networks gives the same
    monkeypatch.setattr(lrg, "_COLUMNS", 7)
    assert np.array_equal(diffusion_regions(network, 0.3 * second).label, regions.label)
    # the definition, plainly
    rho = scipy.linalg.expm(-0.3 * second * laplacian(network).toarray())
    own = np.diag(rho)
    joined = rho > np.minimum.outer(own, own) * (1 + 1e-9)
    reach = np.linalg.matrix_power(joined.astype(float) + np.eye(len(rho)), 20) > 0
    assert np.array_equal(reach, regions.label[:, None] == regions.label)
    # where all nodes are alike, none is joined; a silent node is in no group
    assert diffusion_regions(ring(12), 1.0).k - 1 == 12
    silent = Network.from_edges([0, 1], [1, 0], nodes=[0, 1, 2])
    assert isinstance(found := diffusion_regions(silent, 1.0), Regions)
    assert found.label[2] == found.k - 1


def test_bad_input():
    network, _ = cliques(5)
    with pytest.raises(ValueError, match="positive diffusion"):
        entropic_susceptibility(network, [0.0, 1.0])
    with pytest.raises(ValueError, match="at least 4"):
        entropic_susceptibility(network, [1.0], method="random vectors", vectors=2)
    with pytest.raises(ValueError, match="expected 'auto'"):
        entropic_susceptibility(network, [1.0], method="chebyshev")
    with pytest.raises(ValueError, match="no connection between different nodes"):
        laplacian(Network.from_edges([0, 1], [0, 1]))
    with pytest.raises(ValueError, match="positive diffusion time"):
        diffusion_regions(network, 0.0)


def test_larva(larva):
    """Three scales; heights over ln n as Villegas et al. give them."""
    found = entropic_susceptibility(larva.network)
    assert found.nodes == 2952
    assert found.components == 1
    top = peaks(found)
    assert [peak.tau.value for peak in top] == pytest.approx([0.1168, 0.8648, 6.847], rel=1e-3)
    heights = np.array([peak.height.value for peak in top]) / math.log(2952)
    assert heights == pytest.approx([0.129, 0.163, 0.223], abs=0.0006)
    random = entropic_susceptibility(larva.network, found.tau, method="random vectors", vectors=32, steps=150)
    assert np.all(np.abs(random.value - found.value) < 4.5 * random.error + 1e-9)
