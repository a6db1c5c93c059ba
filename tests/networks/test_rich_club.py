"""Rich clubs: the worm's, a planted one, and none in Erdos-Renyi graphs."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest

from kadanoff.networks import Network, Regions, block_null, degree_null, either_way, random_null, rich_club_curve
from kadanoff.parallel import executor


def erdos_renyi(seed: int, n: int, m: int) -> Network:
    pairs = np.random.default_rng(seed).choice(n * (n - 1), m, replace=False)
    target = pairs % (n - 1)
    return Network.from_edges(pairs // (n - 1), target + (target >= pairs // (n - 1)), nodes=np.arange(n))


def test_the_curve_equals_plain_counting():
    network = erdos_renyi(1, 40, 300)
    for directed in (False, True):
        found = rich_club_curve(network, seed=1, replicas=40, directed=directed)
        there = (network if directed else either_way(network)).matrix().toarray() > 0
        degree = there.sum(axis=0) + (there.sum(axis=1) if directed else 0)
        assert np.array_equal(found.degree, degree)
        for at, level in enumerate(found.level):
            club = np.flatnonzero(degree > level)
            assert np.array_equal(found.club(level), club)
            assert found.members[at] == club.size
            assert found.edges[at] == there[np.ix_(club, club)].sum() // (1 if directed else 2)
            if club.size > 1:
                share = there[np.ix_(club, club)].sum() / (club.size * (club.size - 1))
                assert found.phi[at] == pytest.approx(share, rel=1e-14)
            else:
                assert found.phi.mask[at]


@pytest.mark.parametrize("directed", [False, True])
def test_random_graphs_have_no_rich_club(directed: bool):
    for seed in range(2):
        found = rich_club_curve(erdos_renyi(seed, 120, 1500), seed=seed, replicas=100, directed=directed)
        assert np.abs(found.z).max() < 4
        assert found.p_largest > 0.01  # the smallest there can be is 0.0099


def test_a_planted_club_is_found_and_workers_change_no_bit():
    network = erdos_renyi(5, 120, 1500)
    matrix = network.matrix().toarray()
    matrix[:20] |= np.random.default_rng(0).random((20, 120)) < 0.35
    matrix[:20, :20] = ~np.eye(20, dtype=bool)
    network = Network.from_matrix(matrix)
    found = rich_club_curve(network, seed=2, replicas=100)
    best = int(np.argmax(found.z.filled(-np.inf)))
    assert found.z[best] > 5
    assert found.p_largest == pytest.approx(1 / 101)
    club = set(found.club(int(found.level[best])).tolist())
    assert len(club & set(range(20))) > 0.8 * len(club)
    with executor(2) as pool:
        other = rich_club_curve(network, seed=2, replicas=100, executor=pool)
    assert np.array_equal(found.phi_null.filled(0), other.phi_null.filled(0))
    regions = Regions.from_labels(np.arange(120) % 3)
    blocks = rich_club_curve(network, seed=1, replicas=50, directed=True, null=block_null(network, regions, seed=1))
    assert blocks.null == "degree and blocks"


def test_nulls_of_another_kind_are_refused():
    network = erdos_renyi(0, 40, 300)
    with pytest.raises(ValueError, match="random null"):
        rich_club_curve(network, seed=0, directed=True, null=random_null(network, seed=0))
    with pytest.raises(ValueError, match="undirected"):
        rich_club_curve(network, seed=0, null=degree_null(network, seed=0))
    with pytest.raises(ValueError, match="lowest degree"):
        rich_club_curve(network, seed=0, replicas=20).at(0)


def worm() -> Network:
    """279 neurons and their 2,287 connections, chemical or gap junctions (Varshney et al., 2011)."""
    xlrd = pytest.importorskip("xlrd")
    try:
        files = importlib.metadata.files("cect") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package cect, which carries the data, is not installed")
    path = next(file for file in files if file.name == "NeuronConnect.xls").locate()
    sheet = xlrd.open_workbook(path).sheet_by_index(0)
    rows = [sheet.row_values(k) for k in range(1, sheet.nrows)]
    kept = [row for row in rows if row[2] in ("S", "Sp", "EJ")]
    return Network.from_edges([r[0] for r in kept], [r[1] for r in kept], [int(r[3]) for r in kept])


def test_the_worm_has_the_published_club():
    """Towlson et al. (2013): the eleven neurons of degree above 43."""
    network = worm()
    assert (network.n, either_way(network).m) == (279, 2 * 2287)
    found = rich_club_curve(network, seed=1, replicas=200)
    at = found.at(43)
    assert found.members[at] == 11
    assert found.edges[at] == 46
    assert sorted(network.nodes[found.club(43)].tolist()) == [
        "AVAL", "AVAR", "AVBL", "AVBR", "AVDL", "AVDR", "AVEL", "AVER", "DVA", "PVCL", "PVCR",
    ]  # fmt: skip
    assert found.phi[at] == pytest.approx(0.836, abs=5e-4)
    assert found.p[at] == pytest.approx(1 / 201, abs=2 / 201)
    # regression: four runs of 1,000 draws, of 10 and of 100 attempts an edge, give 1.359(2) and z = 3.59(5)
    assert found.normalised[at] == pytest.approx(1.359, abs=4.5 * np.hypot(found.normalised_error[at], 0.002))
    assert found.z[at] == pytest.approx(3.59, abs=4.5 * np.hypot(found.z_error[at], 0.05))
