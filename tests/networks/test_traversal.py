"""Traversal and cascades against closed forms and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.networks import Network, signal_cascades, traversal_layers
from kadanoff.networks._kernels import traversal as kernels
from kadanoff.parallel import executor
from kadanoff.random import uniform


def test_a_path_is_walked_a_step_at_a_time():
    path = Network.from_edges(np.arange(9), np.arange(1, 10), np.full(9, 4))
    found = traversal_layers(path, [0], seed=1, runs=50)
    assert found.layer.tolist() == list(range(10))
    assert not found.error.any()
    assert np.all(found.reached == 1)
    back = traversal_layers(path, [5], seed=1, runs=50)
    assert back.layer.mask.tolist() == [True] * 5 + [False] * 5


@pytest.mark.parametrize("share", [1, 2, 3, 5])
def test_waiting_times_are_geometric(share: int):
    """A node that hears `share` of 20 inputs waits 1 / p steps, p = (share / 20) / 0.3, with variance (1 - p) / p^2."""
    network = Network.from_edges([0, 2], [1, 1], [share, 20 - share], nodes=[0, 1, 2])
    found = traversal_layers(network, np.array([True, False, False]), seed=3, runs=4000, steps=500)
    p = share / 20 / 0.3
    assert found.layer[1] == pytest.approx(1 / p, abs=4.5 * found.error[1])
    assert found.error[1] == pytest.approx(np.sqrt((1 - p) / p**2 / 4000), rel=0.15)
    assert found.reached.tolist() == [1, 1, 0]
    assert found.layer.mask[2]
    few = traversal_layers(network, [0], seed=3, runs=4000, steps=2)
    assert few.reached[1] == pytest.approx(1 - (1 - p) ** 2, abs=4.5 * 0.5 / np.sqrt(4000))


def test_cascades_in_closed_form():
    """A diamond 0 -> 1, 2 -> 3, and a stop."""
    network = Network.from_edges([0, 0, 1, 2, 3, 4], [1, 2, 3, 3, 4, 5], [10, 20, 5, 8, 30, 50])
    runs, q = 20_000, 0.05
    first, second, third, fourth, fifth = (1 - (1 - q) ** w for w in (10, 20, 5, 8, 30))
    found = signal_cascades(network, [0], seed=5, runs=runs, stops=np.arange(6) == 4)
    both = 1 - (1 - first * third) * (1 - second * fourth)
    want = [1.0, first, second, both, both * fifth, 0.0]
    assert np.all(np.abs(found.reached - want) <= 4.5 * np.sqrt(np.array(want) * (1 - np.array(want)) / runs))
    assert found.at_hop[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert np.array_equal(np.flatnonzero(found.at_hop[3]), [4])
    assert np.all(found.error > 0)
    assert signal_cascades(network, [0], seed=5, runs=10, chance=1.0).reached.tolist() == [1] * 6
    assert signal_cascades(network, [0], seed=5, runs=10, chance=1.0, hops=2).reached.tolist() == [1, 1, 1, 1, 0, 0]
    assert signal_cascades(network, [0], seed=5, runs=10, chance=0.0).reached.tolist() == [1, 0, 0, 0, 0, 0]


def made(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    return Network.from_edges(
        rng.integers(40, size=200), rng.integers(40, size=200), rng.integers(1, 6, size=200), nodes=np.arange(40)
    )


def test_dice_for_every_edge():
    """Two edges of 3 out of 20 each recruit with 1/2: together for certain by inputs, with 3/4 by edges."""
    network = Network.from_edges([0, 1, 3], [2, 2, 2], [3, 3, 14], nodes=[0, 1, 2, 3])
    assert traversal_layers(network, [0, 1], seed=1, runs=100).layer[2] == 1
    found = traversal_layers(network, [0, 1], seed=1, runs=4000, dice="edges")
    assert found.layer[2] == pytest.approx(4 / 3, abs=4.5 * found.error[2])
    assert found.error[2] == pytest.approx(np.sqrt((1 / 4) / (3 / 4) ** 2 / 4000), rel=0.15)


@pytest.mark.parametrize("alone", [False, True])
def test_the_kernels_equal_plain_loops(alone: bool):
    network = made(1)
    matrix = network.matrix()
    starts, target = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    count, inputs = matrix.data.astype(np.int64), network.inflow
    seeds, most, runs = np.array([3, 7]), 12, 6
    layer = np.empty((runs, 40), np.int16)
    kernels.traverse(9, 2, 5, most, 0.3, alone, starts, target, count, inputs, seeds, layer)
    dense = matrix.toarray()
    for r in range(runs):
        when = np.full(40, -1)
        when[seeds] = 0
        for t in range(1, most + 1):
            share = dense[when >= 0] / np.maximum(inputs, 1) / 0.3
            chance = 1 - np.prod(1 - np.minimum(share, 1), axis=0) if alone else share.sum(axis=0)
            new = [
                j
                for j in np.flatnonzero((when < 0) & (chance > 0))
                if uniform(9, 2, (5 + r) * most + t - 1, j)[0] < chance[j]
            ]
            when[new] = t
        assert when.tolist() == layer[r].tolist()
    chance = 1 - 0.9 ** count.astype(float)
    stops = np.arange(40) % 7 == 0
    hop = np.empty((runs, 40), np.int16)
    kernels.cascade(9, 2, 5, most, starts, target, chance, stops, seeds, hop)
    for r in range(runs):
        when = np.full(40, -1)
        when[seeds] = 0
        for t in range(1, most + 1):
            for i in np.flatnonzero(when == t - 1):
                if stops[i] and t > 1:
                    continue
                for e in range(starts[i], starts[i + 1]):
                    j = target[e]
                    if when[j] < 0 and uniform(9, 2, (5 + r) * most + t - 1, e)[0] < chance[e]:
                        when[j] = t
        assert when.tolist() == hop[r].tolist()


def test_workers_change_no_bit():
    network = made(2)
    alone = traversal_layers(network, [0, 1], seed=2, runs=150), signal_cascades(network, [0, 1], seed=2, runs=150)
    with executor(3) as pool:
        layers = traversal_layers(network, [0, 1], seed=2, runs=150, executor=pool)
        cascades = signal_cascades(network, [0, 1], seed=2, runs=150, executor=pool)
    assert np.array_equal(alone[0].layer.filled(-1), layers.layer.filled(-1))
    assert np.array_equal(alone[1].at_hop, cascades.at_hop)


def test_errors_say_what_is_wrong():
    network = made(3)
    with pytest.raises(ValueError, match="at least one"):
        traversal_layers(network, [], seed=0)
    with pytest.raises(ValueError, match="0 to 39"):
        traversal_layers(network, [40], seed=0)
    with pytest.raises(ValueError, match="saturation"):
        traversal_layers(network, [0], seed=0, saturation=0)
    with pytest.raises(ValueError, match="two at least"):
        signal_cascades(network, [0], seed=0, runs=1)
    with pytest.raises(ValueError, match="whole counts"):
        signal_cascades(Network.from_edges([0], [1], [0.5]), [0], seed=0)
