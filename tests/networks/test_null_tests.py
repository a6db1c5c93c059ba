"""Statistics against nulls: what is there is found, what is not is not, and the error of z is what it says."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kadanoff.networks import (
    Network,
    Regions,
    block,
    block_null,
    compare_densities,
    degree_null,
    find_highways,
    flow,
    null_test,
    reciprocity,
    transitivity,
    triad_census,
    undirected_degree_null,
)
from kadanoff.networks.null_tests import judge_draws

LABELS = Regions.from_labels(np.arange(60) % 3)


def blocks(seed: int, extra: float) -> Network:
    """Three blocks of unlike density; a share `extra` of the edges is answered."""
    rng = np.random.default_rng(seed)
    chance = np.array([[0.2, 0.05, 0.02], [0.05, 0.1, 0.2], [0.15, 0.02, 0.08]])
    there = rng.random((60, 60)) < chance[np.ix_(LABELS.label, LABELS.label)]
    there |= there.T & (rng.random((60, 60)) < extra)
    np.fill_diagonal(there, False)
    return Network.from_matrix(there * rng.integers(1, 6, (60, 60)))


def test_what_the_region_network_forgot_is_found():
    network = blocks(1, extra=0.25)
    null = block_null(network, LABELS, seed=2)
    found = null_test(network, reciprocity, null, replicas=100)
    assert found.z > 6
    assert found.p == pytest.approx(2 / 101)
    assert found.null == "degree and blocks"
    census = null_test(network, triad_census, null, replicas=100)
    assert census.observed.sum() == 60 * 59 * 58 // 6
    assert np.all(census.drawn.sum(axis=1) == 60 * 59 * 58 // 6)


def test_nothing_is_found_in_networks_of_the_null():
    """Negative control: a draw of the null has the reciprocity, clustering and flow of the null."""
    base = block_null(blocks(3, extra=0.0), LABELS, seed=4)
    data = base.draw(7)
    null = block_null(data, LABELS, seed=5)
    for statistic in (reciprocity, transitivity):
        found = null_test(data, statistic, null, replicas=100)
        assert abs(found.z) < 4
        assert found.p > 0.02

    def indirect(network: Network):
        return flow(network, regions=LABELS).total[:3, :3]

    found = null_test(data, indirect, null, replicas=60)
    assert np.abs(found.z).max() < 4.5
    undirected = null_test(data, transitivity, undirected_degree_null(data, seed=6), replicas=60)
    assert 0 < undirected.observed < 1


def test_the_error_of_z_is_the_spread_of_z():
    """From many sets of draws of a skewed law: closed form 1 / R + z^2 (k - 1) / (4 R)."""
    rng = np.random.default_rng(1)
    found = [judge_draws("x", "null", np.array(3.5), rng.gamma(4.0, size=200), "greater") for _ in range(400)]
    z, error = (np.array([float(getattr(one, name)) for one in found]) for name in ("z", "z_error"))
    assert z.std() == pytest.approx(np.sqrt((error**2).mean()), rel=4.5 / np.sqrt(2 * 400))
    far = [judge_draws("x", "null", np.array(14.0), rng.gamma(4.0, size=200), "greater") for _ in range(400)]
    z, error = (np.array([float(getattr(one, name)) for one in far]) for name in ("z", "z_error"))
    assert z.std() == pytest.approx(np.sqrt((error**2).mean()), rel=0.2)  # the spread's own skewness enters
    p = [float(judge_draws("x", "n", v, rng.random(39), "two-sided").p) for v in rng.random(4000)]
    assert stats.chisquare(np.unique(p, return_counts=True)[1]).pvalue > 1e-5
    assert len(set(p)) == 20


def test_extremes_take_the_side_that_was_asked_for():
    drawn = np.array([[0.0, 5.0, 1.0], [2.0, 5.0, 1.0], [1.0, 5.0, 1.0]])
    for alternative, want, first in (("greater", np.inf, 2.0), ("less", -np.inf, -2.0), ("two-sided", np.inf, 2.0)):
        found = judge_draws("x", "null", np.array([3.0, 5.0, 4.0]), drawn, alternative)
        seen, largest = found.extremes()
        assert found.fixed.tolist() == [False, True, False]
        assert found.z.mask.tolist() == [False, True, True]
        assert seen.tolist() == [first, -np.inf, want]
        assert largest.tolist() == {"greater": [0, 1, 0], "less": [1, 0, 0], "two-sided": [1, 1, 0]}[alternative]
    with pytest.raises(ValueError, match="constant"):
        judge_draws("x", "null", np.array([5.0]), drawn[:, 1:2], "less")


def test_too_few_draws_are_refused():
    network = blocks(0, 0.0)
    with pytest.raises(ValueError, match="too few"):
        null_test(network, reciprocity, degree_null(network, seed=0), replicas=5)


@pytest.fixture
def larva() -> tuple[Network, np.ndarray, np.ndarray]:
    """The 2,952 neurons of the larva's largest component, their hemisphere and their kind."""
    folder = os.environ.get("KADANOFF_LARVA")
    if folder is None:
        pytest.skip("set KADANOFF_LARVA to the folder of G_edgelist.txt and meta_data.csv")
    with (Path(folder) / "meta_data.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    at = {name: rows[0].index(name) for name in ("selected_lcc", "hemisphere", "simple_group")}
    kept = [row for row in rows[1:] if row[at["selected_lcc"]] == "True"]
    ids = np.array([int(row[0]) for row in kept])
    edges = np.loadtxt(Path(folder) / "G_edgelist.txt").astype(np.int64)
    edges = edges[np.isin(edges[:, 0], ids) & np.isin(edges[:, 1], ids)]
    network = Network.from_edges(*edges.T, nodes=ids)
    return network, *(np.array([row[at[name]] for row in kept]) for name in ("hemisphere", "simple_group"))


@pytest.mark.slow
def test_the_larva(larva: tuple[Network, np.ndarray, np.ndarray]):
    network, side, kind = larva
    assert (network.n, network.m, network.total) == (2952, 110677, 352611)
    loops = int((network.source == network.target).sum())
    # 0.2606 was noted with connections of a neuron with itself counted as answered
    assert (reciprocity(network) * (network.m - loops) + loops) / network.m == pytest.approx(0.2606, abs=1e-4)
    regions = Regions.from_labels(np.char.add(kind, side))
    fine, coarse = flow(network, regions=regions), flow(block(network, regions))
    assert fine.indirect_share == pytest.approx(0.890, abs=1e-3)
    assert fine.no_input == 58
    assert coarse.indirect_share == pytest.approx(0.9, abs=1e-12)  # all regions have inputs: the gain, not the wiring
    halves = compare_densities(network, side == "L", side == "R")
    assert halves.edges == (36045, 38933)
    assert halves.p < 1e-15
    # pairs onto output neurons of the mushroom body have many synapses: where the draws do not keep what a node
    # receives these come first, else the connections of Kenyon cells among themselves
    for kept, second in ((False, "MBONs"), (True, "KCs")):
        roads = find_highways(network, regions, seed=1, replicas=60, received=kept)
        assert set(roads.found()[:2]) == {(f"KCs{side}", f"{second}{side}") for side in "LR"}
    answered = null_test(network, reciprocity, block_null(network, regions, seed=1), replicas=20)
    assert answered.z > 20
