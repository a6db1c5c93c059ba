"""Fractions, densities and enrichment of region networks; counts alone add up."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.networks import (
    Network,
    Regions,
    block,
    density,
    enrichment,
    input_fraction,
    output_fraction,
    projectome,
)


@pytest.fixture
def network() -> Network:
    rng = np.random.default_rng(1)
    return Network.from_edges(
        rng.integers(40, size=500), rng.integers(40, size=500), rng.integers(1, 7, size=500), nodes=np.arange(40)
    )


def test_fractions_sum_to_one_and_what_is_empty_is_masked(network: Network):
    coarse = block(network, Regions.from_labels(np.arange(40) % 4))
    out, into = output_fraction(coarse), input_fraction(coarse)
    assert np.allclose(out.values.sum(axis=1)[:4], 1, rtol=1e-14)
    assert np.allclose(into.values.sum(axis=0)[:4], 1, rtol=1e-14)
    for found in (out, into, density(coarse), enrichment(coarse)):
        assert np.all(np.isfinite(found.values.filled(0)))
        assert found.undefined_regions == ("unassigned",)
        assert found.undefined == found.values.mask.sum()
    assert out.undefined == into.undefined == 5
    assert density(coarse).undefined == enrichment(coarse).undefined == 9


def test_density_counts_the_pairs_there_are():
    everyone = np.argwhere(~np.eye(6, dtype=bool))
    full = Network.from_edges(everyone[:, 0], everyone[:, 1])
    coarse = block(full, Regions.from_labels([0, 0, 1, 1, 1, 2]))
    found = density(coarse)
    assert found.values.compressed().tolist() == [1.0] * 8  # all pairs; one node alone has no pair within
    assert found.values.mask[2, 2]
    assert found.undefined_regions == ("2", "unassigned")
    assert density(coarse, loops=True).values[2, 2] == 0
    sites = Network.from_edges([0, 1], [1, 0], site=["a", "b"])
    with pytest.raises(ValueError, match="projectome"):
        density(projectome(sites))


def test_enrichment_is_one_for_a_network_of_random_matching():
    rng = np.random.default_rng(2)
    out = rng.integers(1, 20, 6)
    into = rng.integers(1, 20, 6)
    counts = np.outer(out, into)
    ends = np.argwhere(counts)
    network = Network.from_edges(ends[:, 0], ends[:, 1], counts.ravel())
    found = enrichment(block(network, Regions.from_labels(np.arange(6))))
    assert np.allclose(found.values.compressed(), 1, rtol=1e-13)


def test_a_two_block_model_has_its_densities():
    rng = np.random.default_rng(3)
    p, q, n = 0.12, 0.03, 400
    label = np.arange(n) % 2
    there = rng.random((n, n)) < np.where(label[:, None] == label, p, q)
    np.fill_diagonal(there, False)
    coarse = block(Network.from_matrix(there.astype(int)), Regions.from_labels(label))
    pairs = np.array([[n / 2 * (n / 2 - 1), n * n / 4], [n * n / 4, n / 2 * (n / 2 - 1)]])
    want = np.array([[p, q], [q, p]])
    error = np.sqrt(want * (1 - want) / pairs)
    assert np.all(np.abs(density(coarse).values[:2, :2] - want) < 4.5 * error)
    expected = want * pairs
    ratio = expected * expected.sum() / np.outer(expected.sum(axis=1), expected.sum(axis=0))
    assert np.allclose(ratio, 2 * want / (p + q), rtol=0.01)
    spread = ratio * np.sqrt((1 / expected).sum())  # of all four counts, more than that of one
    assert np.all(np.abs(enrichment(coarse).values[:2, :2] - ratio) < 4.5 * spread)


def test_counts_compose_and_fractions_do_not(network: Network):
    small, parent = Regions.from_labels(np.minimum(np.arange(40) // 4, 3)), np.array([0, 0, 1, 1, 2])
    large = small.coarser({"0": "a", "1": "a", "2": "b", "3": "b"})
    fine, coarse = block(network, small), block(network, large)

    def merged(values):
        summed = np.zeros((3, 3), values.dtype)
        np.add.at(summed, np.ix_(parent, parent), values)
        return summed

    assert np.array_equal(merged(fine.counts), coarse.counts)
    for function in (output_fraction, input_fraction, density, enrichment):
        summed = merged(function(fine).values.filled(0))
        for values in (summed, summed / 2):  # neither sums nor means of the parts
            assert np.abs(values - function(coarse).values.filled(0)).max() > 1e-3
