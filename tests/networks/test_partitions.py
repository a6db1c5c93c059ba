"""Choice of regions: planted ones are found, random networks have none, moves are what they claim to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg

from kadanoff.networks import Network, Regions, block
from kadanoff.networks._kernels import partitions as kernels
from kadanoff.networks.activity import activity, beside_random, following, input_fractions, lumpability_defect
from kadanoff.networks.lost import shared_information
from kadanoff.networks.partitions import (
    equitable_regions,
    following_regions,
    informative_regions,
    modular_regions,
    spectral_regions,
)

RATE = np.array([[1.2, 0.3, 0.1, 0.1], [0.1, 1.0, 0.5, 0.1], [0.4, 0.1, 0.9, 0.1], [0.1, 0.5, 0.1, 1.1]])


def planted(seed, members=25, rate=RATE):
    random = np.random.default_rng(seed)
    label = random.permutation(np.repeat(np.arange(len(rate)), members))
    return Network.from_matrix(random.poisson(rate[np.ix_(label, label)])), label


def same(regions: Regions, label) -> bool:
    """Whether two partitions are one, whatever their names."""
    pairs = np.unique(np.column_stack([regions.label, label]), axis=0)
    return len(pairs) == len(np.unique(regions.label)) == len(np.unique(label))


def equitable(seed, sizes):
    """Each node takes two connections from two regions by a fixed plan: equal shares, random partners."""
    random = np.random.default_rng(seed)
    label = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    plan = random.integers(1, 7, size=(len(sizes), len(sizes)))
    rows = [
        (random.choice(np.flatnonzero(label == i)), node, count)
        for node in range(label.size)
        for i, count in enumerate(plan[label[node]])
        for _ in range(2)
    ]
    return Network.from_edges(*np.array(rows).T, nodes=np.arange(label.size)), label


@pytest.mark.parametrize("seed", range(3))
def test_block_models_are_recovered(seed):
    network, label = planted(seed)
    assert same(informative_regions(network, 4, seed=seed), label)
    assert same(spectral_regions(network, 4, seed=seed), label)


def test_communities_are_recovered():
    pytest.importorskip("networkx")
    network, label = planted(1, rate=np.full((4, 4), 0.1) + np.eye(4))
    assert same(modular_regions(network), label)


def test_groups_of_one_strength_do_not_fool_the_degree_corrected_search():
    """Nodes of very different strengths within each group: groups are found, not strengths."""
    random = np.random.default_rng(4)
    label = random.permutation(np.repeat([0, 1], 60))
    like = random.choice([0.3, 1.7], 120)
    rate = np.outer(like, like) * np.array([[1.0, 0.2], [0.2, 1.0]])[np.ix_(label, label)]
    assert same(informative_regions(Network.from_matrix(random.poisson(rate)), 2), label)


@pytest.mark.parametrize("seed", range(3))
def test_equitable_regions_are_found(seed):
    network, label = equitable(seed, (7, 11, 5, 9))
    stimulus = (label == 2).astype(float)
    # exactly: the coarsest partition that the stimulus and the shares allow
    found = equitable_regions(network, Regions.from_labels(stimulus.astype(int).astype(str)))
    assert same(found, label)
    assert lumpability_defect(network, found) < 1e-15
    # and by the search, from the responses to that stimulus; then it follows one that it has not seen
    searched = following_regions(network, 4, stimuli=stimulus, times=(0.5, 1.0, 2.0))
    assert same(searched, label)
    other = np.where(label == 0, 1.0, np.where(label == 3, -0.3, 0.1))
    assert np.all(following(network, searched, other, [1.0, 5.0]).error < 1e-12)


def test_a_random_network_splits_to_single_nodes():
    network, _ = planted(3, members=10)
    found = equitable_regions(network, Regions.from_labels(["a"] * 20 + ["b"] * 20))
    assert found.k - 1 == network.n


def test_what_is_found_is_better_on_what_was_not_seen():
    """Groups from one network, judged on another of the same block model and by other stimuli."""
    network, label = planted(5, members=30, rate=RATE / 4)
    random = np.random.default_rng(9)
    other = Network.from_matrix(random.poisson(RATE[np.ix_(label, label)] / 4))
    stimuli = [(random.random(network.n) < 0.2).astype(float) for _ in range(4)]

    def error(regions):
        return np.mean([following(other, regions, start, [4.0]).nodes_error for start in stimuli])

    def kept(regions):
        return shared_information(block(other, regions).counts)

    (followed,) = beside_random(error, following_regions(network, 4), seed=1, partitions=20)
    (responding,) = beside_random(error, following_regions(network, 4, begin="responses"), seed=1, partitions=20)
    (informed,) = beside_random(kept, informative_regions(network, 4), seed=1, partitions=20)
    assert followed.value < followed.random.value - 4 * followed.spread
    assert responding.value < responding.random.value - 4 * responding.spread
    assert informed.value > informed.random.value + 4 * informed.spread


def test_random_networks_have_no_groups():
    """Negative control: what is found in one random network is worth nothing in another of the same law."""
    random = np.random.default_rng(6)
    network, other = (Network.from_matrix(random.poisson(0.2, (120, 120))) for _ in range(2))
    stimuli = [(random.random(120) < 0.2).astype(float) for _ in range(4)]

    def error(regions):
        return np.mean([following(other, regions, start, [4.0]).nodes_error for start in stimuli])

    def kept(regions):
        return shared_information(block(other, regions).counts)

    followed = beside_random(error, following_regions(network, 4), seed=1, partitions=30)[0]
    informative = informative_regions(network, 4)
    informed = beside_random(kept, informative, seed=1, partitions=30)[0]
    assert abs(followed.value - followed.random.value) < 4.5 * followed.spread
    assert abs(informed.value - informed.random.value) < 4.5 * informed.spread
    # though in the network it was found in, it is well above: noise is fitted
    own = beside_random(lambda r: shared_information(block(network, r).counts), informative, seed=1, partitions=30)[0]
    assert own.value > own.random.value + 10 * own.spread


def plain_objective(network, label, k, starts, times, gain):
    b = input_fractions(network).toarray()
    one_hot = np.eye(k)[label]
    mean = (one_hot / one_hot.sum(axis=0)).T
    rate, small = gain * b - np.eye(len(b)), gain * mean @ b @ one_hot - np.eye(k)
    found = []
    for t in times:
        true, model = mean @ scipy.linalg.expm(rate * t) @ starts, scipy.linalg.expm(small * t) @ mean @ starts
        weight = one_hot.sum(axis=0)[:, None]
        found.append((weight * (model - true) ** 2).sum() / (weight * true**2).sum())
    return float(np.mean(found))


def test_moves_follow_their_objective():
    """Sums carried from move to move are those of the labels, and the objective is that of dense exponentials."""
    network, label = planted(7, members=8)
    random = np.random.default_rng(0)
    starts, times = random.normal(size=(network.n, 3)), np.array([0.0, 1.5, 4.0])
    label = random.integers(0, 4, network.n)
    b = input_fractions(network)
    columns, one_hot = b.tocsc(), np.eye(4)[label]
    active = np.array([activity(network, start, times) for start in starts.T]).transpose(1, 2, 0).copy()
    sums, size = one_hot.T @ (b @ one_hot), np.bincount(label, minlength=4)
    states = np.einsum("ik,tis->tks", one_hot, active).copy()
    before = kernels.following_objective(sums, size, states, times, 0.9)
    assert before == pytest.approx(plain_objective(network, label, 4, starts, times[1:], 0.9), rel=1e-3)
    candidates = np.tile(np.arange(4), (network.n, 1))
    after, moves = kernels.move_to_follow(
        b.indptr, b.indices, b.data, columns.indptr, columns.indices, columns.data,
        label, sums, size, states, active, times, 0.9, random.permutation(network.n), candidates, before,
    )  # fmt: skip
    assert moves > 0
    assert after < before
    assert after == pytest.approx(plain_objective(network, label, 4, starts, times[1:], 0.9), rel=1e-3)
    one_hot = np.eye(4)[label]
    assert sums == pytest.approx(one_hot.T @ (b @ one_hot), abs=1e-12)
    assert states == pytest.approx(np.einsum("ik,tis->tks", one_hot, active), abs=1e-12)
    assert size.tolist() == np.bincount(label, minlength=4).tolist()


def test_moves_gain_the_information_they_say():
    network, _ = planted(8, members=8)
    random = np.random.default_rng(1)
    label = random.integers(0, 4, network.n)
    a = network.matrix(np.float64)
    columns, one_hot = a.tocsc(), np.eye(5)[label]
    counts = one_hot.T @ (a @ one_hot)
    before = shared_information(counts)
    size = np.bincount(label, minlength=5)
    gained, moves = kernels.move_to_inform(
        a.indptr, a.indices, a.data, columns.indptr, columns.indices, columns.data,
        label, counts, counts.sum(axis=1), counts.sum(axis=0), size, random.permutation(network.n),
    )  # fmt: skip
    one_hot = np.eye(5)[label]
    assert moves > 0
    assert np.array_equal(counts, one_hot.T @ (a @ one_hot))
    assert shared_information(counts) - before == pytest.approx(gained / network.total, rel=1e-10)
    # no single move gains more, once none is made
    while moves:
        _, moves = kernels.move_to_inform(
            a.indptr, a.indices, a.data, columns.indptr, columns.indices, columns.data,
            label, counts, counts.sum(axis=1), counts.sum(axis=0), size, random.permutation(network.n),
        )  # fmt: skip
    best = shared_information(counts)
    for node in range(network.n):
        for other in range(4):
            tried = label.copy()
            tried[node] = other
            if np.bincount(tried, minlength=4).min() > 0:
                assert shared_information(np.eye(4)[tried].T @ (a @ np.eye(4)[tried])) <= best + 1e-12


def test_silent_nodes_stay_out_and_seeds_repeat():
    network, _ = planted(2, members=10)
    wider = Network.from_edges(network.source, network.target, network.count, nodes=np.arange(network.n + 2))
    for find in (spectral_regions, informative_regions, following_regions):
        found = find(wider, 3, seed=1)
        assert np.all(found.label[-2:] == found.k - 1)
        assert np.all(found.label[:-2] < found.k - 1)
        assert np.array_equal(found.label, find(wider, 3, seed=1).label)
        assert list(found.sizes[:-1]) == sorted(found.sizes[:-1], reverse=True)
    with pytest.raises(ValueError, match="connected nodes"):
        spectral_regions(network, 40)
    with pytest.raises(ValueError, match="increasing positive"):
        following_regions(network, 3, times=(0.0, 1.0))
    with pytest.raises(ValueError, match="stimuli"):
        following_regions(network, 3, stimuli=np.ones(3))
    with pytest.raises(ValueError, match="'informative' or 'responses'"):
        following_regions(network, 3, begin="anatomy")
    with pytest.raises(ValueError, match="groups to begin from"):
        following_regions(network, 2, begin=spectral_regions(network, 4))


def test_larva_found_groups_beat_the_published(larva):
    """17 groups found without any label, judged by the sensory stimulus that was not used: late errors below those of
    the 17 published clusters and of the function labels."""
    times = [4.0, 8.0]
    fine = activity(larva.network, larva.sensory, times)

    def error(regions):
        return following(larva.network, regions, larva.sensory, times, fine=fine).error

    found = following_regions(larva.network, 17)
    assert found.k - 1 == 17
    assert np.all(error(found) < 0.75 * error(larva.regions["L4"]))
    assert np.all(error(found) < 0.75 * error(larva.regions["function"]))
    assert math.isclose(error(larva.regions["L4"])[1], 0.272, abs_tol=0.001)
