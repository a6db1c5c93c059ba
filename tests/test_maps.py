"""The laws of the map: conservation, adjointness, composition, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kadanoff.maps import Map

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)
POSITIVE = st.floats(0.0625, 16.0, width=32)


@st.composite
def hard_maps(draw, n_fine=None, whole=False):
    n = draw(st.integers(1, 8)) if n_fine is None else n_fine
    coarse = draw(st.integers(1, 5))
    label = draw(arrays(np.int64, n, elements=st.integers(0 if whole else -1, coarse - 1)))
    weight = draw(st.none() | arrays(np.float64, n, elements=POSITIVE))
    return Map.groups(label, weight=weight, coarse=coarse)


@st.composite
def soft_maps(draw, n_fine=None, weight=None, whole=False):
    n = draw(st.integers(1, 8)) if n_fine is None else n_fine
    coarse = draw(st.integers(1, 5))
    shares = draw(arrays(np.float64, (coarse, n), elements=st.floats(0, 1, width=32)))
    shares[:, shares.sum(axis=0) == 0] = 1.0 if whole else 0.0
    total = shares.sum(axis=0)
    shares = shares / (total if whole else np.maximum(total, 1.0))
    if weight is None:
        weight = draw(st.none() | arrays(np.float64, n, elements=POSITIVE))
    return Map.shares(shares, weight=weight)


MAPS = hard_maps() | soft_maps()


def values(draw, n):
    shape = draw(st.sampled_from([(n,), (n, 3), (n, 2, 2)]))
    x = draw(arrays(np.float64, shape, elements=NUMBERS))
    return x + 1j * draw(arrays(np.float64, shape, elements=NUMBERS)) if draw(st.booleans()) else x


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-8)


@given(m=MAPS, data=st.data())
def test_sum_conserves_what_is_assigned(m, data):
    x = values(data.draw, m.n_fine)
    kept = np.tensordot(m.unassigned, x, axes=1)
    close(m.sum(x).sum(axis=0) + kept, x.sum(axis=0))


@given(m=MAPS, data=st.data())
def test_spread_is_the_adjoint_of_sum(m, data):
    x = data.draw(arrays(np.complex128, m.n_fine, elements=st.complex_numbers(max_magnitude=1e3)))
    big = data.draw(arrays(np.complex128, m.n_coarse, elements=st.complex_numbers(max_magnitude=1e3)))
    close(np.vdot(m.sum(x), big), np.vdot(x, m.spread(big)))


@given(label=st.lists(st.integers(0, 3), min_size=1, max_size=8), data=st.data())
def test_mean_undoes_spread_for_hard_maps(label, data):
    _, label = np.unique(label, return_inverse=True)
    m = Map.groups(label, weight=data.draw(st.none() | arrays(np.float64, len(label), elements=POSITIVE)))
    big = values(data.draw, m.n_coarse)
    close(m.mean(m.spread(big)), big)


def test_soft_maps_smooth():
    hat = Map.shares([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    close(hat.mean(hat.spread([0.0, 3.0])), [0.5, 2.5])


@given(m=MAPS, data=st.data())
def test_flow_conserves_and_agrees_with_the_dense_product(m, data):
    a = data.draw(arrays(np.float64, (m.n_fine, m.n_fine), elements=NUMBERS))
    dense = m.membership.toarray()
    close(m.flow(a), dense @ a @ dense.T)
    sparse = m.flow(scipy.sparse.coo_array(a))
    assert isinstance(sparse, scipy.sparse.csr_array)
    close(sparse.toarray(), m.flow(a))
    owned = 1 - m.unassigned
    close(m.flow(a).sum(), owned @ a @ owned)



@given(data=st.data(), soft=st.booleans())
def test_two_maps_in_a_row(data, soft):
    first = data.draw(soft_maps(whole=True) if soft else hard_maps(whole=True))
    second = data.draw(soft_maps(first.n_coarse, weight=first.coarse_weight))
    both = second @ first
    x, big = values(data.draw, first.n_fine), values(data.draw, second.n_coarse)
    close(both.sum(x), second.sum(first.sum(x)))
    close(both.spread(big), first.spread(second.spread(big)))
    a = data.draw(arrays(np.float64, (first.n_fine, first.n_fine), elements=NUMBERS))
    close(both.flow(a), second.flow(first.flow(a)))
    close(both.coarse_weight, second.coarse_weight)
    if np.all(first.coarse_weight > 0) and np.all(second.coarse_weight > 0):
        close(both.mean(x), second.mean(first.mean(x)))


def test_composition_refuses_another_weight():
    first = Map.groups([0, 0, 0, 1], weight=[1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"weight=first\.coarse_weight"):
        Map.groups([0, 0]) @ first
    with pytest.raises(ValueError, match=r"weight=first\.coarse_weight"):
        Map.groups([0, 0], weight=[6.0, 4.1]) @ first
    close((Map.groups([0, 0], weight=first.coarse_weight) @ first).mean([1, 2, 3, 4]), [3.0])
    with pytest.raises(ValueError, match="3 fine things, the first makes 2"):
        Map.groups([0, 0, 0]) @ first


def test_blocks_of_blocks_are_blocks():
    once = Map.blocks((8, 8), 2)
    twice = Map.blocks((4, 4), 2) @ once  # equal blocks: ones and fours weigh alike
    assert twice.is_hard
    close(twice.membership.toarray(), Map.blocks((8, 8), 4).membership.toarray())
    x = np.arange(64.0).reshape(8, 8)
    close(once.mean(x.ravel()).reshape(4, 4), x.reshape(4, 2, 4, 2).mean(axis=(1, 3)))
    close(Map.blocks(6, 3).sum(np.arange(6)), [3, 12])
    close(Map.blocks((2, 6), (1, 3)).sum(np.ones(12)), np.full(4, 3.0))


def test_any_axis_and_any_numbers():
    m = Map.groups([1, 0, 1], weight=[1.0, 2.0, 3.0])
    frames = np.arange(24.0).reshape(4, 3, 2).astype(np.float32)
    close(m.sum(frames, axis=1), np.stack([m.sum(f) for f in frames]))
    close(m.mean(frames, axis=-2), np.stack([m.mean(f) for f in frames]))
    close(m.spread(m.sum(frames, axis=1), axis=1)[2], m.spread(m.sum(frames[2])))
    close(m.sum([True, False, True]), [0, 2])
    close(m.sum(np.array([1, 2, 3])), [2, 4])
    close(m.sum(np.zeros((3, 0))), np.zeros((2, 0)))


def test_unassigned_is_reported_kept_and_filled():
    m = Map.groups([0, -1, 1, -1])
    close(m.unassigned, [0, 1, 0, 1])
    assert repr(m) == "Map(4 -> 2, hard, 2 unassigned)"
    close(m.spread([5.0, 6.0]), [5, 0, 6, 0])
    filled = m.spread([5.0, 6.0], fill=np.nan)
    assert np.isnan(filled[[1, 3]]).all()
    close(filled[[0, 2]], [5, 6])
    assert m.spread([1.0, 2.0], fill=1j).dtype == np.complex128
    kept = Map.groups([0, -1, 1, -1], unassigned="keep")
    close(kept.sum([1, 10, 100, 1000]), [1, 100, 1010])
    assert not kept.unassigned.any()
    half = Map.shares([[0.5, 1.0]], unassigned="keep")
    close(half.sum([2.0, 3.0]), [4.0, 1.0])
    assert not half.is_hard
    close(Map.shares([[0.5, 1.0]]).unassigned, [0.5, 0])


def test_the_map_cannot_be_changed_behind_its_back():
    weight, shares = np.ones(2), np.eye(2)
    m = Map.shares(shares, weight=weight)
    weight[0], shares[0, 0] = 5.0, 0.0
    close(m.mean([1.0, 2.0]), [1, 2])
    close(m.fine_weight, [1, 1])
    with pytest.raises(ValueError, match="read-only"):
        m.membership.data[0] = 2.0
    with pytest.raises(AttributeError):
        m.weight = None


def test_sparse_shares_add_duplicates_up():
    m = Map.shares(scipy.sparse.coo_array(([0.5, 0.5, 1.0], ([0, 0, 1], [0, 0, 1])), shape=(2, 2)))
    assert m.is_hard
    close(m.sum([3.0, 4.0]), [3, 4])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Map.groups([0, -2]), "-2 at fine thing 1"),
        (lambda: Map.groups([0.0, 1.0]), "expected integers"),
        (lambda: Map.groups([]), "one integer for every fine thing"),
        (lambda: Map.groups([0, 3], coarse=2), "3 at fine thing 1, but there are 2"),
        (lambda: Map.groups([-1, -1]), "every fine thing is unassigned"),
        (lambda: Map.groups([0], unassigned="drop"), 'expected "report" or "keep"'),
        (lambda: Map.blocks((4, 6), 4), "does not divide the 6 sites of axis 1"),
        (lambda: Map.blocks((4, 6), (2, 3, 1)), "different numbers of axes"),
        (lambda: Map.shares([[0.5, -0.1]]), "negative share -0.1 of fine thing 1 in coarse thing 0"),
        (lambda: Map.shares([[0.7, 1.0], [0.4, 0.0]]), "fine thing 0 is shared out 1.1 times"),
        (lambda: Map.shares([[np.nan, 1.0]]), "not finite"),
        (lambda: Map.shares([1.0, 2.0]), r"expected \(n_coarse, n_fine\)"),
        (lambda: Map.shares([[1j]]), "complex"),
        (lambda: Map.shares(np.zeros((0, 3))), "no coarse things"),
        (lambda: Map.groups([0, 0], weight=[1.0]), "one for every fine thing"),
        (lambda: Map.groups([0, 0], weight=[1.0, -1.0]), "-1 at fine thing 1"),
        (lambda: Map.groups([0, 0], weight=[1.0, np.inf]), "inf at fine thing 1"),
        (lambda: Map.groups([0, 2]).mean([1.0, 2.0]), r"mean: coarse thing 1 \(counted from 0, of 3\)"),
        (lambda: Map.groups([0, 1], weight=[1.0, 0.0]).mean([1.0, 2.0]), r"coarse thing 1 \(counted from 0, of 2\)"),
        (lambda: Map.groups([0, 1]).sum([1.0, 2.0, 3.0]), "expected 2 fine things along axis 0, got 3"),
        (lambda: Map.groups([0, 0]).spread([1.0, 2.0]), "expected 1 coarse things along axis 0, got 2"),
        (lambda: Map.groups([0, 1]).sum([1.0, 2.0], axis=1), "axis 1 is outside"),
        (lambda: Map.groups([0, 1]).sum(["a", "b"]), "expected numbers"),
        (lambda: Map.groups([0, 1]).flow(np.eye(3)), r"expected \(2, 2\)"),
    ],
)
def test_refusals_name_the_trouble(make, says):
    with pytest.raises(ValueError, match=says):
        make()
