"""What region networks keep: sparse values against dense ones, ledgers, and the larva."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadanoff.losses import BrokenTheorem
from kadanoff.networks import Network, Regions, Shares, block, projectome, soft_block
from kadanoff.networks.lost import (
    corrected_information,
    divergence,
    ledger_of,
    reconstruction,
    shared_information,
    wiring_forgotten,
)
from kadanoff.networks.regions import QUANTUM


def edges(seed: int, n: int, layers: bool = False) -> Network:
    random = np.random.default_rng(seed)
    m = 6 * n
    return Network.from_edges(
        random.integers(n, size=m),
        random.integers(n, size=m),
        random.integers(1, 9, size=m),
        nodes=np.arange(n),
        site=random.integers(2, size=m) if layers else None,
    )


def some_shares(seed: int, n: int, k: int) -> Shares:
    return Shares.from_matrix(np.random.default_rng(seed).dirichlet(np.ones(k), n) * 0.9, tuple("abcdef"[:k]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(6, 30), st.booleans())
def test_sparse_values_are_the_dense_ones(seed, n, layers):
    network = edges(seed, n, layers)
    regions = Regions.from_labels(np.random.default_rng(seed).integers(-1, 3, n), ("a", "b", "c"))
    dense, one = network.matrix().toarray(), regions.map
    assert shared_information(network) == pytest.approx(shared_information(dense), abs=1e-12)
    made = block(network, regions)
    told = divergence(dense, reconstruction(dense, one))
    assert wiring_forgotten(network, regions, made) == pytest.approx(told, abs=1e-11)
    pre, post = some_shares(seed, n, 3), some_shares(seed + 1, n, 3)
    soft = soft_block(network, pre, post)
    rows = [m.share / QUANTUM for m in (pre, post)]
    m_pre, m_post = (
        np.array([np.bincount(m.region[a:b], row[a:b], m.k) for a, b in zip(m.starts, m.starts[1:], strict=False)])
        for m, row in zip((pre, post), rows, strict=True)
    )
    density = np.divide(soft.counts, np.outer(m_pre.sum(axis=0), m_post.sum(axis=0)))
    told = divergence(dense, m_pre @ density @ m_post.T)
    assert wiring_forgotten(network, pre, soft, post=post) == pytest.approx(told, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(6, 30))
def test_ledger_holds_for_every_map(seed, n):
    """Conservation in whole numbers, data processing of the joint of places, a divergence that is not negative."""
    network = edges(seed, n, layers=True)
    regions = Regions.from_labels(np.random.default_rng(seed).integers(-1, 3, n), ("a", "b", "c"))
    pre, post = some_shares(seed, n, 4), some_shares(seed + 1, n, 4)
    hard = ledger_of(network, regions, block(network, regions), name="hard")
    soft = ledger_of(network, pre, soft_block(network, pre, post), post=post)
    carried = ledger_of(network, None, projectome(network))
    for ledger in (hard, soft, carried):
        ledger.verify()
    assert [loss.name for loss in soft] == [
        "connections",
        "outflow of regions",
        "inflow of regions",
        "source tells target",
        "wiring",
    ]
    for name in ("outflow of regions", "inflow of regions"):
        assert soft[name].lost.value == hard[f"{name}, hard"].lost.value == 0  # whole numbers: not a rounding error
    weights = Network(network.nodes, network.source, network.target, network.count * 0.37)
    ledger_of(weights, regions, block(weights, regions)).verify()


def test_one_lost_connection_is_caught():
    """Also among 10^12, where a relative bound would let it through."""
    network = Network.from_edges([0, 1, 2], [1, 2, 0], [10**12, 7, 5])
    regions = Regions.from_labels(["a", "a", "b"])
    made = block(network, regions)
    ledger_of(network, regions, made).verify()
    counts = made.counts.copy()
    counts[0, 0] -= 1
    with pytest.raises(BrokenTheorem, match="outflow of regions"):
        ledger_of(network, regions, replace(made, counts=counts)).verify()


def test_what_a_degree_corrected_memory_forgets_is_the_information_lost():
    """D(A | W_IJ out_i in_j / (out_I in_J)) = I(A) - I(W): the likelihood of Karrer and Newman (2011)."""
    network = edges(5, 30)
    regions = Regions.from_labels(np.arange(30) % 3, ("a", "b", "c"))
    made, dense = block(network, regions).counts, network.matrix().toarray()
    out, into = network.outflow / made.sum(axis=1)[regions.label], network.inflow / made.sum(axis=0)[regions.label]
    memory = made[np.ix_(regions.label, regions.label)] * np.outer(out, into)
    assert divergence(dense, memory) == pytest.approx(shared_information(network) - shared_information(made), abs=1e-12)


def test_corrected_information_of_independent_ends():
    """Negative control: nothing is shared. The plug-in value says otherwise; the corrected one knows by its error."""
    random = np.random.default_rng(2)
    independent = random.poisson(5.0, (60, 60))
    plain, found = shared_information(independent), corrected_information(independent)
    assert plain == pytest.approx(59 * 59 / (2 * independent.sum()), rel=0.1)
    assert abs(found.value) < 4 * found.error
    assert abs(found.value) < plain / 4
    # and one that is known: everything is shared within 4 groups, ln 4
    groups = np.kron(np.eye(4), np.full((5, 5), 8.0))
    known = corrected_information(random.poisson(groups))
    assert abs(known.value - np.log(4)) < 4 * known.error
    with pytest.raises(ValueError, match="weights"):
        corrected_information([[0.5, 1.0], [1.0, 1.0]])


def test_a_map_of_other_regions_is_refused():
    network = edges(1, 10)
    regions = Regions.from_labels(np.arange(10) % 2, ("a", "b"))
    other = Regions.from_labels(np.arange(10) % 2, ("c", "d"))
    with pytest.raises(ValueError, match="was not made with these regions"):
        ledger_of(network, other, block(network, regions))
    with pytest.raises(ValueError, match="needs the regions"):
        ledger_of(network, None, block(network, regions))


def test_larva_information_kept(larva):
    """Shares of the plug-in information, 5.808 bits, that partitions keep."""
    fine = shared_information(larva.network)
    assert fine / np.log(2) == pytest.approx(5.808, abs=0.0005)
    kept = {
        name: shared_information(block(larva.network, regions).counts) / fine for name, regions in larva.regions.items()
    }
    told = {"hemisphere": 0.021, "function": 0.160, "function x hemisphere": 0.199, "L4": 0.228, "L6": 0.327}
    assert kept == pytest.approx(told, abs=0.0005)
    shuffled = larva.regions["function x hemisphere"].shuffled(0)
    assert shared_information(block(larva.network, shuffled).counts) / fine == pytest.approx(0.004, abs=0.0006)
