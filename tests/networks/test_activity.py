"""Does the activity of regions follow: exact on equitable partitions, at the known rate on block models, the larva."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import solve_ivp

from kadanoff.networks import Network, Regions
from kadanoff.networks.activity import (
    activity,
    beside_random,
    flow_error,
    following,
    input_fractions,
    lumpability_defect,
    mean_over_members,
    region_operator,
)


def equitable(seed: int, sizes: tuple[int, ...]) -> tuple[Network, Regions]:
    """Every node of region J takes the same number of connections, of the same counts, from region I, from random
    members."""
    random = np.random.default_rng(seed)
    k, starts = len(sizes), np.concatenate([[0], np.cumsum(sizes)])
    rows = []
    for j in range(k):
        for i in range(k):
            counts = random.integers(1, 6, size=random.integers(1, 4))
            for node in range(starts[j], starts[j + 1]):
                rows += [(starts[i] + random.integers(sizes[i]), node, count) for count in counts]
    label = np.repeat(np.arange(k), sizes)
    return Network.from_edges(*np.array(rows).T, nodes=np.arange(label.size)), Regions.from_labels(
        label, tuple("abcdefgh"[:k])
    )


def block_model(seed: int, members: int, rate: float = 0.5) -> tuple[Network, Regions]:
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(3), members)
    weight = rate * np.array([[1.0, 0.4, 0.1], [0.2, 0.8, 0.5], [0.6, 0.1, 0.9]])
    counts = random.poisson(weight[np.ix_(label, label)])
    return Network.from_matrix(counts), Regions.from_labels(label, ("a", "b", "c"))


def test_activity_is_the_exponential():
    network, _ = block_model(0, 7)
    b = input_fractions(network).toarray()
    assert b.sum(axis=1) == pytest.approx(1)
    start, drive = np.random.default_rng(1).random((2, network.n))
    times = [0.0, 0.7, 5.0, 30.0]
    rate = 0.8 * b - np.eye(network.n)
    for push in (None, drive):
        found = activity(network, start, times, gain=0.8, drive=push)
        rest = np.zeros(network.n) if push is None else -np.linalg.solve(rate, push)
        told = [rest + scipy.linalg.expm(rate * t) @ (start - rest) for t in times]
        assert found == pytest.approx(np.array(told), abs=1e-13)
    solved = solve_ivp(lambda t, x: rate @ x + drive, (0, 5), start, "DOP853", rtol=1e-11, atol=1e-12)
    assert activity(network, start, [5.0], gain=0.8, drive=drive)[0] == pytest.approx(solved.y[:, -1], abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_equitable_regions_are_followed_exactly(seed):
    network, regions = equitable(seed, (5, 8, 3, 6))
    assert lumpability_defect(network, regions) < 1e-15
    start = np.array([1.0, 0.2, 0.0, -0.5, 0.0])[regions.label]
    push = np.array([0.0, 0.3, 0.1, 0.0, 0.0])[regions.label]
    for drive in (None, push):
        found = following(network, regions, start, [0.5, 4.0, 20.0], drive=drive)
        assert np.all(found.error < 1e-12)
        assert np.all(found.nodes_error < 1e-12)
    assert flow_error(network, regions) < 1e-11
    # another partition of the same sizes is not: the test can fail
    other = regions.shuffled(seed)
    assert lumpability_defect(network, other) > 0.1
    assert following(network, other, start, [4.0]).error[0] > 0.01
    assert flow_error(network, other) > 0.01


def test_one_region_for_each_node_is_exact():
    network, _ = block_model(3, 6)
    alone = Regions.from_labels([str(k) for k in range(network.n)])
    start = np.random.default_rng(0).random(network.n)
    assert lumpability_defect(network, alone) == 0
    assert following(network, alone, start, [1.0, 9.0]).error == pytest.approx(0, abs=1e-12)


def test_block_models_become_lumpable_at_their_rate():
    """The shares of a node's in_i inputs are multinomial: |B P - P B_c|^2 = (1 - 1 / n_I) sum f_J (1 - f_J) / in_i."""
    defects = []
    for members in (25, 50, 100, 200):
        found = []
        for seed in range(6):
            network, regions = block_model(seed, members)
            defect = lumpability_defect(network, regions)
            share = region_operator(network, regions)[:3, :3]
            noise = (share * (1 - share)).sum(axis=1)[regions.label] / network.inflow
            told = math.sqrt((1 - 1 / members) * noise.sum() / ((share**2).sum(axis=1)[regions.label].sum()))
            found.append((defect, defect**2 / told**2))
        ratio = np.array(found)[:, 1]
        # each of 3 * members rows holds about two squared deviations
        assert abs(ratio.mean() - 1) < 4.5 * math.sqrt(2 / (6 * 3 * members)) + 2 / members
        defects.append(np.mean(found, axis=0)[0])
    slope = np.polyfit(np.log([25, 50, 100, 200]), np.log(defects), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.03)


@pytest.mark.slow
def test_block_models_are_followed_at_their_rate():
    """Started evenly, the error is sum_j w_j R_j: w_j, of j's outputs, and R_j, of its inputs, vary by members^-1/2
    each and independently, R_j sums to zero, and the mean over members takes another -1/2: a rate of -3/2."""
    sizes, errors = (20, 40, 80, 160), []
    for members in sizes:
        squares = []
        for seed in range(24):
            network, regions = block_model(100 + seed, members)
            start = (regions.label == 0).astype(float)
            squares.append(following(network, regions, start, [4.0]).error[0] ** 2)
        errors.append(math.sqrt(np.mean(squares)))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    # the logarithm of a root mean square of 24 is known to 1 / sqrt(48), the slope to that over 1.55
    assert slope == pytest.approx(-1.5, abs=4.5 / math.sqrt(48) / 1.55)


def test_flow_error_is_that_of_the_dense_inverse():
    network, regions = block_model(5, 9, rate=0.1)
    b = input_fractions(network).toarray()
    flow = np.linalg.inv(np.eye(network.n) - 0.9 * b) - np.eye(network.n)
    true = mean_over_members(flow @ np.eye(4)[regions.label], regions)
    model = np.linalg.inv(np.eye(4) - 0.9 * region_operator(network, regions)) - np.eye(4)
    told = np.linalg.norm(model - true) / np.linalg.norm(true)
    assert flow_error(network, regions) == pytest.approx(told, rel=1e-9)


def test_beside_random():
    network, regions = block_model(7, 30, rate=2.0)
    (defect,) = beside_random(lambda r: lumpability_defect(network, r), regions, seed=3, partitions=8)
    assert defect.value == lumpability_defect(network, regions)
    assert defect.value < defect.random.value - 5 * defect.random.error
    assert defect.sigmas == pytest.approx((defect.value - defect.random.value) / defect.spread)
    assert defect.random.error == pytest.approx(defect.spread / math.sqrt(8))
    # negative control: a random partition is no better than random
    (none,) = beside_random(lambda r: lumpability_defect(network, r), regions.shuffled(99), seed=3, partitions=30)
    assert none.sigmas is not None
    assert abs(none.sigmas) < 4.5


def test_bad_input():
    network, regions = block_model(0, 4)
    start = np.ones(network.n)
    with pytest.raises(ValueError, match="gain"):
        following(network, regions, start, [1.0], gain=1.0)
    with pytest.raises(ValueError, match="increasing"):
        activity(network, start, [2.0, 1.0])
    with pytest.raises(ValueError, match="one a node"):
        activity(network, start[1:], [1.0])
    with pytest.raises(ValueError, match="labels for"):
        lumpability_defect(network, Regions.from_labels(["a"]))
    with pytest.raises(ValueError, match="at least 2"):
        beside_random(lambda r: 0.0, regions, seed=0, partitions=1)


def test_larva(larva):
    """Regression: sensory neurons on at t = 0, g = 0.9, errors at t = 1, 4, 8 and of the flow."""
    times = [1.0, 4.0, 8.0]
    fine = activity(larva.network, larva.sensory, times)
    told = {
        "hemisphere": (0.375, (0.105, 0.340, 0.480), 0.121),
        "function": (0.639, (0.053, 0.294, 0.409), 0.415),
        "function x hemisphere": (0.679, (0.053, 0.293, 0.407), 0.420),
        "L4": (0.634, (0.093, 0.202, 0.272), 0.375),
        "L6": (0.705, (0.089, 0.222, 0.281), 0.262),
    }
    for name, (defect, errors, flow) in told.items():
        regions = larva.regions[name]
        assert lumpability_defect(larva.network, regions) == pytest.approx(defect, abs=0.0006)
        found = following(larva.network, regions, larva.sensory, times, fine=fine)
        assert found.error == pytest.approx(np.array(errors), abs=0.0006)
        assert flow_error(larva.network, regions) == pytest.approx(flow, abs=0.0006)
    random = beside_random(
        lambda r: [lumpability_defect(larva.network, r), flow_error(larva.network, r)],
        larva.regions["function x hemisphere"],
        seed=1,
        partitions=4,
    )
    assert random[0].random.value == pytest.approx(0.848, abs=0.003)
    assert random[1].random.value == pytest.approx(0.19, abs=0.02)
