"""The neighbour list equals the direct search, on both sides of every limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.molecules.neighbours import neighbour_pairs


def direct(x, box, cutoff):
    first, second = np.triu_indices(len(x), 1)
    d = x[first] - x[second]
    d -= box * np.rint(d / box)
    squared = np.sum(d * d, axis=1)
    near = squared < cutoff**2
    return {(int(i), int(j)): s for i, j, s in zip(first[near], second[near], squared[near], strict=True)}


def check(x, box, cutoff):
    found = neighbour_pairs(x, box, cutoff)
    wanted = direct(x, np.asarray(box), cutoff)
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert np.all(found.first < found.second)
    edge = 1e-9 * cutoff**2  # a pair this near to the cut-off may fall on either side of the rounding
    for pair in set(pairs) ^ set(wanted):
        i, j = pair
        d = x[i] - x[j]
        d = d - np.asarray(box) * np.rint(d / box)
        assert abs(d @ d - cutoff**2) < edge
    both = [(s, wanted[p]) for p, s in zip(pairs, found.squared, strict=True) if p in wanted]
    if both:
        np.testing.assert_allclose(*np.transpose(both), rtol=1e-9, atol=1e-12)


@given(
    number=st.integers(0, 90), shape=st.tuples(*[st.floats(0.5, 5.0)] * 3), part=st.floats(0.05, 1.0),
    spread=st.sampled_from([1.0, 0.02, 4.0]), seed=st.integers(0, 10**6),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_box_any_number_any_clustering(number, shape, part, spread, seed):
    x = np.random.default_rng(seed).normal(0.3, spread, (number, 3)) * shape
    check(x, np.array(shape), part * 0.5 * min(shape))


@pytest.mark.parametrize("number", [7, 8, 9, 500, 1203])
@pytest.mark.parametrize("cutoff", [0.3, 0.9, 1.235])
def test_a_small_dense_box(number, cutoff):
    check(np.random.default_rng(number).random((number, 3)) * 2.47, np.array([2.47, 2.47, 2.47]), cutoff)


def test_elongated_and_flat_boxes():
    rng = np.random.default_rng(0)
    for box in ([20.0, 1.0, 1.5], [1.0, 1.3, 20.0], [9.0, 9.0, 1.2]):
        check(rng.random((900, 3)) * box, np.array(box), 0.5)


def test_all_points_in_one_place_and_on_the_faces():
    check(np.zeros((40, 3)), np.array([3.0, 3.0, 3.0]), 1.0)
    corners = np.array(np.meshgrid([0.0, 2.0, 4.0], [0.0, 2.0, 4.0], [-2.0, 0.0, 2.0])).reshape(3, -1).T
    check(corners, np.array([4.0, 4.0, 4.0]), 1.99)


def test_more_pairs_than_expected_of_an_even_density():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(2.5, 0.05, (700, 3)), rng.random((100, 3)) * 30.0])
    check(x, np.array([30.0, 30.0, 30.0]), 0.4)


def test_the_same_call_gives_the_same_order():
    x = np.random.default_rng(5).random((300, 3))
    one, two = neighbour_pairs(x, np.ones(3), 0.3), neighbour_pairs(x, np.ones(3), 0.3)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("x", "box", "cutoff", "word"),
    [
        (np.zeros((4, 3)), [1.0, 1.0, 1.0], 0.6, "half"), (np.zeros((4, 2)), [1.0, 1.0, 1.0], 0.3, "positions"),
        (np.zeros((4, 3)), [1.0, 0.0, 1.0], 0.3, "edge"),
        (np.full((4, 3), np.nan), [1.0, 1.0, 1.0], 0.3, "not numbers"),
        (np.zeros((4, 3)), [1.0, 1.0, 1.0], 0.0, "between 0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(x, box, cutoff, word):
    with pytest.raises(ValueError, match=word):
        neighbour_pairs(x, box, cutoff)
