"""Errors of region networks: exact where synapses are drawn, unbiased and calibrated where neurons are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kadanoff.networks import Network, Regions, block
from kadanoff.networks._kernels import resampling as kernels
from kadanoff.networks.resampling import _node_variances, block_errors, resampled

WEIGHT = np.array([[0.5, 0.1], [0.05, 0.3]])


def drawn_network(random, sizes, weight, spread=0.5, correlation=0.3, loops=0.0):
    """A degree-corrected block model whose nodes, with what they like to send and receive, are drawn anew."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    z = random.normal(size=(label.size, 2))
    z[:, 1] = correlation * z[:, 0] + math.sqrt(1 - correlation**2) * z[:, 1]
    like = np.exp(spread * z - spread**2 / 2)
    rate = np.outer(like[:, 0], like[:, 1]) * weight[np.ix_(label, label)]
    np.fill_diagonal(rate, loops * like[:, 0])
    return Network.from_matrix(random.poisson(rate)), Regions.from_labels(label, tuple("abcdef"[: len(sizes)]))


def expected_counts(sizes, weight):
    size = np.array(sizes)
    mean = np.outer(size, size) * weight
    mean[np.diag_indices(len(size))] = size * (size - 1) * np.diag(weight)
    return mean


def test_synapses_are_poisson_on_the_coarse_counts():
    network, regions = drawn_network(np.random.default_rng(0), (12, 9), WEIGHT * 4)
    value = block(network, regions).counts
    found = block_errors(network, regions, unit="synapse")
    assert found.error == pytest.approx(np.sqrt(value))
    assert "animal" in found.meaning
    drawn = resampled(network, regions, unit="synapse", replicates=2000, seed=5)
    seen = value > 0
    mean, variance = drawn.mean(axis=0)[seen], drawn.var(axis=0, ddof=1)[seen]
    assert np.all(np.abs(mean - value[seen]) < 4.5 * np.sqrt(value[seen] / 2000))
    assert np.all(np.abs(variance / value[seen] - 1) < 4.5 * math.sqrt(2 / 2000) * 1.1)
    # the same as drawing every edge: the two samples come from one distribution
    random = np.random.default_rng(1)
    edges = np.array(
        [block(Network.from_matrix(random.poisson(network.matrix().toarray()) + 0), regions).counts for _ in range(300)]
    )
    assert stats.ks_2samp(edges[:, 0, 1], drawn[:, 0, 1]).pvalue > 1e-4
    # Garwood's interval for nothing seen: up to -ln(0.025)
    assert found.high[0, 2] == 0 or not found.known[0, 2]
    empty = Network.from_edges([0], [1], [3], nodes=[0, 1])
    one = block_errors(empty, Regions.from_labels(["a", "b"]), unit="synapse")
    assert one.high[1, 0] == pytest.approx(-math.log(0.025))
    assert (one.low[0, 1], one.high[0, 1]) == pytest.approx((0.6186721, 8.7672731), rel=1e-6)


def plain_variance(matrix, label, first, second):
    """The unbiased variance from its definition: sums over pairs of pairs of nodes, by what they have in common."""
    i = np.flatnonzero(label == first)
    j = np.flatnonzero(label == second)
    pairs = [(a, b) for a in i for b in j if a != b]
    same, apart, n_same, n_apart = 0.0, 0.0, 0, 0
    for a, b in pairs:
        for c, d in pairs:
            product = matrix[a, b] * matrix[c, d]
            if {a, b} & {c, d}:
                same, n_same = same + product, n_same + 1
            else:
                apart, n_apart = apart + product, n_apart + 1
    return same - n_same * apart / n_apart


def test_variance_of_neurons_is_that_of_its_definition():
    random = np.random.default_rng(3)
    network, regions = drawn_network(random, (6, 5), WEIGHT * 6, spread=1.0)
    matrix = network.matrix().toarray()
    variance = _node_variances(network, regions)[0]
    for i in range(2):
        for j in range(2):
            assert variance[i, j] == pytest.approx(plain_variance(matrix, regions.label, i, j), rel=1e-11)


@pytest.mark.parametrize(
    ("spread", "loops"),
    [pytest.param(0.0, 0.0, marks=pytest.mark.slow), (0.5, 0.4), pytest.param(1.0, 0.0, marks=pytest.mark.slow)],
)
def test_variance_of_neurons_is_unbiased(spread, loops):
    """Its mean over many drawn networks is the variance of the counts over them."""
    random = np.random.default_rng(11)
    counts, variances = [], []
    for _ in range(300):
        network, regions = drawn_network(random, (16, 12), WEIGHT, spread, 0.3, loops)
        counts.append(block(network, regions).counts[:2, :2])
        variances.append(_node_variances(network, regions)[0][:2, :2])
    counts, variances = np.array(counts), np.array(variances)
    true = counts.var(axis=0, ddof=1)
    fourth = ((counts - counts.mean(axis=0)) ** 4).mean(axis=0)
    error = np.sqrt((fourth - true**2) / 300 + variances.var(axis=0) / 300)
    assert np.all(np.abs(variances.mean(axis=0) - true) < 4.5 * error)


def coverage(runs, sizes, weight, spread, unit="neuron", seed=2):
    random = np.random.default_rng(seed)
    mean, inside = expected_counts(sizes, weight), 0
    for _ in range(runs):
        network, regions = drawn_network(random, sizes, weight, spread)
        found = block_errors(network, regions, unit=unit)
        k = len(sizes)
        inside = inside + ((found.low[:k, :k] <= mean) & (mean <= found.high[:k, :k]))
    return np.asarray(inside) / runs


def test_intervals_of_neurons_cover_and_those_of_synapses_do_not():
    """95 % intervals of degree-corrected block models whose neurons are redrawn; all four blocks together."""
    neuron = coverage(200, (40, 30), WEIGHT, 0.5)
    assert 0.90 <= neuron.mean() <= 0.98
    assert coverage(60, (40, 30), WEIGHT, 0.5, "synapse").mean() < 0.7  # the wrong unit is told apart


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "weight", "spread"),
    [((40, 30), 1.0, 0.5), ((100, 60), 0.1, 0.5), ((40, 30), 1.0, 0.8), ((25, 20), 1.0, 0.5), ((60, 60), 0.3, 0.0)],
)
def test_coverage_of_neurons(sizes, weight, spread):
    """Every block's coverage of 95 % intervals, within 4 binomial errors of the band from 90 to 98 %."""
    runs = 1500
    found = coverage(runs, sizes, WEIGHT * weight, spread)
    assert np.all(found > 0.90 - 4 * math.sqrt(0.9 * 0.1 / runs))
    assert np.all(found < 0.98 + 4 * math.sqrt(0.98 * 0.02 / runs))
    assert 0.90 <= found.mean() <= 0.98


def test_bootstrap_kernel_is_its_twin():
    network, regions = drawn_network(np.random.default_rng(4), (7, 5), WEIGHT * 5, loops=0.5)
    times = np.random.default_rng(0).integers(0, 4, (12, 3)).astype(np.uint16)
    label = regions.label.astype(np.int64)
    apart, own = np.zeros((3, 3, 3), np.int64), np.zeros((3, 3), np.int64)
    kernels.count_drawn(network.source, network.target, network.count, label, times, apart, own)
    matrix = network.matrix().toarray()
    off = matrix - np.diag(np.diag(matrix))
    one_hot = np.eye(3, dtype=np.int64)[label]
    for b in range(3):
        weighted = times[:, b].astype(np.int64)[:, None] * one_hot
        assert np.array_equal(apart[:, :, b], weighted.T @ off @ weighted)
        assert np.array_equal(own[:, b], weighted.T @ np.diag(matrix))


def test_nodes_are_drawn_within_their_region():
    member, starts = np.array([3, 0, 1, 2, 4]), np.array([0, 2, 5])
    times = np.zeros((5, 400), np.uint16)
    kernels.draw_nodes(1, 2, 0, member, starts, times)
    assert np.all(times[[3, 0]].sum(axis=0) == 2)
    assert np.all(times[[1, 2, 4]].sum(axis=0) == 3)
    again = np.zeros((5, 10), np.uint16)
    kernels.draw_nodes(1, 2, 100, member, starts, again)
    assert np.array_equal(again, times[:, 100:110])  # a replicate does not depend on its batch
    mean = times.mean(axis=1)
    assert np.all(np.abs(mean - 1) < 4.5 * np.sqrt([0.67, 0.67, 0.67, 0.5, 0.67]) / 20)


def test_replicates_have_the_unbiased_variance_and_the_plain_ones_more():
    """The plain bootstrap has the noise of single pairs three times: with nothing but that, its variance is thrice."""
    network, regions = drawn_network(np.random.default_rng(8), (200, 150), WEIGHT / 20, spread=0.0)
    value = block(network, regions).counts[:2, :2]
    assert block_errors(network, regions).error[:2, :2] ** 2 / value == pytest.approx(1, abs=0.35)
    plain = resampled(network, regions, replicates=600, seed=3, pairs_once=False)[:, :2, :2]
    ratio = plain.var(axis=0, ddof=1) / value
    assert np.all((ratio > 2.2) & (ratio < 3.8))
    # copies of a node left out, there is no bias
    error = plain.std(axis=0) / math.sqrt(600)
    assert np.all(np.abs(plain.mean(axis=0) - value) < 4.5 * error)
    scaled = resampled(network, regions, replicates=600, seed=3)[:, :2, :2]
    assert scaled.std(axis=0, ddof=1) == pytest.approx(block_errors(network, regions).error[:2, :2], rel=1e-6)


def test_what_cannot_be_known_is_said():
    network = Network.from_edges([0, 1, 2, 3], [1, 2, 0, 0], [4, 3, 2, 6])
    found = block_errors(network, Regions.from_labels(["a", "a", "a", "b"]))
    assert not found.known.any()  # three nodes within a, one node behind b
    assert np.all(found.error == 0)
    weights = Network.from_edges([0, 1], [1, 0], [0.5, 1.5])
    regions = Regions.from_labels(["a", "b"])
    with pytest.raises(ValueError, match="take the neurons"):
        block_errors(weights, regions, unit="synapse")
    with pytest.raises(ValueError, match="expected 'synapse' or 'neuron'"):
        block_errors(weights, regions, unit="animal")
    with pytest.raises(ValueError, match="at least 2"):
        resampled(network, regions, replicates=1)


def test_larva_by_unit(larva):
    """37 groups: synapses alone understate the error several times. A plain bootstrap of neurons gives 0.54, of which
    the pairs counted three times are a part: without bias it is 0.42."""
    regions = larva.regions["function x hemisphere"]
    assert np.median(block_errors(larva.network, regions, unit="synapse").relative) == pytest.approx(0.112, abs=0.001)
    assert np.median(block_errors(larva.network, regions).relative) == pytest.approx(0.4198, abs=0.0005)
    plain = resampled(larva.network, regions, replicates=300, seed=0, pairs_once=False)
    value = block(larva.network, regions).counts
    seen = value > 0
    assert np.median(plain.std(axis=0, ddof=1)[seen] / value[seen]) == pytest.approx(0.54, abs=0.02)
