"""Detection and thresholds: closed forms against simulation, and what does not commute."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.networks import Network, Regions, block
from kadanoff.networks.detection import above, detected, spoiled, threshold_curve, without_background


def example(seed=0, n=60, m=700):
    random = np.random.default_rng(seed)
    network = Network.from_edges(
        random.integers(n, size=m) ** 2 // n,  # some send more
        random.integers(n, size=m),
        1 + random.poisson(3.0, m),
        nodes=np.arange(n),
        site=random.integers(3, size=m),
    )
    return network, Regions.from_labels(np.repeat(["a", "b", "c"], n // 3))


@pytest.mark.parametrize("precision", [0.6, 0.95])
def test_closed_form_is_the_simulation(precision):
    network, regions = example()
    expected = detected(block(network, regions), precision)
    draws = np.array([block(spoiled(network, precision, seed=k), regions).counts for k in range(400)])
    error = expected.error / math.sqrt(400)
    assert np.all(np.abs(draws.mean(axis=0) - expected.mean) <= 4.5 * error)
    seen = expected.error > 0
    ratio = draws.var(axis=0, ddof=1)[seen] / expected.error[seen] ** 2
    assert np.all(np.abs(ratio - 1) < 4.5 * math.sqrt(2 / 400) * 1.1)
    assert expected.mean.sum() == pytest.approx(network.total)


def test_perfect_detection_changes_nothing():
    network, regions = example(1)
    made = block(network, regions)
    assert np.array_equal(detected(made, 1.0).mean, made.counts)
    assert np.all(detected(made, 1.0).error == 0)
    again = spoiled(network, 1.0, seed=0)
    assert (again.matrix() != network.matrix()).nnz == 0


def test_the_background_is_taken_off_again():
    """On average over detections, what is left is p times the real counts."""
    network, regions = example(2)
    made, p = block(network, regions), 0.8
    draws = [without_background(block(spoiled(network, p, seed=k), regions), p) for k in range(300)]
    found = np.array([draw.mean for draw in draws])
    error = found.std(axis=0, ddof=1) / math.sqrt(300)
    # the background keeps the margins on average; their covariance shifts it by some (1 - p) W / T
    drift = (1 - p) * made.counts / made.total
    assert np.all(np.abs(found.mean(axis=0) - p * made.counts) <= 4.5 * error + drift)
    assert draws[0].mean.sum() == pytest.approx(p * block(spoiled(network, p, seed=0), regions).total)


def test_pairs_are_thresholded_not_rows():
    network = Network.from_edges([0, 0, 1], [1, 1, 0], [3, 3, 5], site=["x", "y", "x"])
    assert above(network, 6).total == 6  # 3 + 3 in two neuropils
    assert above(network, 6).m == 2
    assert above(network, 7).total == 0
    by_row = network.where(network.count >= 5)
    assert by_row.total == 5  # the other convention keeps just what this one leaves out


def test_thresholds_do_not_commute_with_aggregation():
    network, regions = example(3)
    fine_first = block(above(network, 5), regions).counts
    made = block(network, regions).counts
    coarse_first = np.where(made >= 5, made, 0)
    assert not np.array_equal(fine_first, coarse_first)
    assert fine_first.sum() < coarse_first.sum()


def test_curve():
    network, regions = example(4)
    curve = threshold_curve(network, regions, (1, 3, 6))
    dense = network.matrix().toarray()
    for k, level in enumerate((1, 3, 6)):
        kept = np.where(dense >= level, dense, 0)
        assert curve.pairs[k] == np.count_nonzero(kept)
        assert curve.total[k] == kept.sum() == curve.counts[k].sum()
        assert curve.silent[k] == np.sum((kept.sum(axis=0) + kept.sum(axis=1)) == 0)
    assert curve.moved[0] == 0
    assert np.all((curve.moved >= 0) & (curve.moved <= 1))
    # where every pair has as many synapses, a threshold below that changes nothing
    ends = np.divmod(np.unique(network.source * network.n + network.target), network.n)
    fives = Network.from_edges(*ends, np.full(ends[0].size, 5), nodes=network.nodes)
    assert threshold_curve(fives, regions, (1, 5)).moved.tolist() == [0, 0]


def test_bad_input():
    network, regions = example(5)
    made = block(network, regions)
    with pytest.raises(ValueError, match="share of detected"):
        detected(made, 0.0)
    with pytest.raises(ValueError, match="positive number of synapses"):
        above(network, 0)
    with pytest.raises(ValueError, match="increasing"):
        threshold_curve(network, regions, (5, 3))
    with pytest.raises(ValueError, match="no pair has 1000 synapses"):
        threshold_curve(network, regions, (1, 1000))
    with pytest.raises(ValueError, match="weights"):
        spoiled(Network.from_edges([0], [1], [0.5]), 0.9, seed=0)
