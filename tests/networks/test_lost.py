"""Aggregation of networks: conservation, maps of maps, and what regions remember."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr

from kadanoff.maps import Map
from kadanoff.networks import divergence, outflow_defect, reconstruction, shared_information


def random_counts(seed: int, nodes: int) -> np.ndarray:
    counts = np.random.default_rng(seed).poisson(2.0, (nodes, nodes))
    counts[0, -1] += 1
    return counts


def random_map(seed: int, nodes: int, kind: str) -> Map:
    random = np.random.default_rng(seed)
    if kind == "hard":
        return Map.groups(np.concatenate([[0, 1, 2], random.integers(-1, 3, nodes - 3)]), unassigned="keep")
    return Map.shares(random.dirichlet(np.ones(4), nodes).T[:3], unassigned="keep")


CASES = st.tuples(st.integers(0, 2**31), st.integers(4, 15), st.sampled_from(["hard", "soft"]))


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_every_connection_is_still_there(case):
    counts, one = random_counts(*case[:2]), random_map(*case)
    assert one.flow(counts).sum() == pytest.approx(counts.sum(), rel=1e-13)
    assert outflow_defect(counts, one) <= 1e-12 * counts.sum()
    assert reconstruction(counts, one).sum() == pytest.approx(counts.sum(), rel=1e-12)


def test_hard_aggregation_is_exact_in_integers():
    counts, labels = random_counts(3, 12), np.repeat([0, 1, 2], 4)
    summed = counts.reshape(3, 4, 3, 4).sum(axis=(1, 3))
    assert np.array_equal(Map.groups(labels).flow(counts), summed)
    big = np.array([[0, 2**53 - 1], [2**52, 1]])
    assert Map.groups([0, 0]).flow(big)[0, 0] == pytest.approx(float(big.sum()), rel=1e-15)


def test_what_is_not_owned_is_missing_unless_kept():
    counts = random_counts(4, 5)
    lost = Map.groups([0, 0, 1, 1, -1])
    assert lost.flow(counts).sum() == counts[:4, :4].sum()
    assert outflow_defect(counts, lost) > 0  # and the defect says so


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_data_processing(case):
    """The source region never tells more about the target region than source and target nodes do."""
    counts, one = random_counts(*case[:2]), random_map(*case)
    coarse = shared_information(one.flow(counts))
    assert -1e-12 <= coarse <= shared_information(counts) + 1e-12


@settings(max_examples=40, deadline=None)
@given(CASES.filter(lambda case: case[2] == "hard"))
def test_memory_of_hard_regions(case):
    """Even on each block, aggregates to the same regions, forgets no more; its entropy is the divergence more."""
    counts, one = random_counts(*case[:2]), random_map(*case)
    memory = reconstruction(counts, one)
    assert one.flow(memory) == pytest.approx(one.flow(counts), rel=1e-12)
    assert reconstruction(memory, one) == pytest.approx(memory, rel=1e-12)
    assert divergence(memory, reconstruction(memory, one)) == pytest.approx(0, abs=1e-12)
    p, q = counts / counts.sum(), memory / memory.sum()
    assert divergence(counts, memory) == pytest.approx(entr(q).sum() - entr(p).sum(), abs=1e-11)


def test_one_region_for_each_node_loses_nothing():
    counts = random_counts(6, 9)
    one = Map.groups(np.arange(9))
    assert divergence(counts, reconstruction(counts, one)) == pytest.approx(0, abs=1e-14)
    assert shared_information(one.flow(counts)) == pytest.approx(shared_information(counts), rel=1e-14)


def test_known_information():
    assert shared_information(np.eye(4)) == pytest.approx(np.log(4))
    assert shared_information(np.ones((4, 4))) == pytest.approx(0, abs=1e-15)
    assert divergence(np.eye(2), np.ones((2, 2))) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[1, 2]], "square"),
        ([[-1, 1], [0, 0]], "not negative"),
        ([[0, 0], [0, 0]], "at least one"),
        ([[np.inf, 1], [1, 1]], "finite"),
    ],
)
def test_bad_counts(counts, words):
    with pytest.raises(ValueError, match=words):
        shared_information(counts)


def test_an_excluded_connection_is_an_error():
    with pytest.raises(ValueError, match="infinite"):
        divergence(np.ones((2, 2)), np.eye(2))
