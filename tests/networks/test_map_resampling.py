"""Error bars of projectomes and soft regions by redrawn neurons."""

import numpy as np
import pytest

from kadanoff.networks import Network, Regions, Shares, projectome, soft_block
from kadanoff.networks.map_resampling import projectome_resampled, soft_block_resampled


def sited(seed: int, n: int = 60, rows: int = 900) -> Network:
    random = np.random.default_rng(seed)
    pre, post = random.integers(5, n, rows), random.integers(0, n - 5, rows)  # some only listen, some only speak
    return Network.from_edges(
        pre, post, random.poisson(2, rows) + 1, nodes=np.arange(n),
        site=np.array(["a", "b", "c"])[random.integers(0, 3, rows)],
    )  # fmt: skip


def strata(n: int) -> Regions:
    return Regions.from_labels(np.arange(n) % 3, ("p", "q", "r"))


def test_the_projectome_has_the_variance_of_its_sum_over_carriers():
    network, groups, draws = sited(1), strata(60), 4000
    drawn = projectome_resampled(network, groups, replicates=draws, seed=3)
    made = projectome(network).counts
    carried = np.zeros((60, 4, 4))
    for i in range(60):
        into, out = (
            np.bincount(network.site[ends == i], network.count[ends == i], 3)
            for ends in (network.target, network.source)
        )
        listens = np.append(into / into.sum(), 0.0) if into.sum() else np.array([0, 0, 0, 1.0])
        carried[i, :, :3] = np.outer(listens, out)
    assert carried.sum(axis=0) == pytest.approx(made)
    variance = np.zeros((4, 4))
    for label in range(3):
        part = carried[groups.label == label]
        variance += (part**2).sum(axis=0) - part.sum(axis=0) ** 2 / len(part)
    there = variance > 0
    assert np.abs((drawn.mean(axis=0) - made)[there] / np.sqrt(variance[there] / draws)).max() < 5
    kurtosis = ((drawn - drawn.mean(axis=0)) ** 4).mean(axis=0)[there] / variance[there] ** 2
    error = variance[there] * np.sqrt((kurtosis - 1) / draws)
    assert np.abs((drawn.var(axis=0, ddof=1)[there] - variance[there]) / error).max() < 5
    assert np.array_equal(drawn[:, :, 3], np.zeros((draws, 4)))  # nothing is sent into the external


def test_a_soft_network_redrawn_scatters_about_itself():
    network, groups, draws = sited(2), strata(60), 2000
    random = np.random.default_rng(0)
    pre, post = (Shares.from_matrix(random.dirichlet(np.ones(3), 60), ("a", "b", "c")) for _ in range(2))
    drawn = soft_block_resampled(network, pre, post, groups, replicates=draws, seed=4)
    made = soft_block(network, pre, post).counts
    # E m_i m_j = 1 - 1/n_s within a stratum (1 + (n-1)/n on the diagonal), 1 between strata
    same = groups.label[:, None] == groups.label[None, :]
    times = np.where(same, 1 - 1 / 20, 1.0) + np.diag(np.full(60, 1.0))
    matrix = network.matrix(float).toarray() * times
    expected = pre.map.membership @ matrix @ post.map.membership.T
    spread = drawn.std(axis=0, ddof=1)[:3, :3] / np.sqrt(draws)
    assert np.abs((drawn.mean(axis=0) - expected)[:3, :3] / spread).max() < 5
    assert made[:3, :3].sum() == pytest.approx(network.total)


def test_replicates_do_not_depend_on_their_number():
    network, groups = sited(3), strata(60)
    few, many = (projectome_resampled(network, groups, replicates=r, seed=1) for r in (3, 9))
    assert np.array_equal(few, many[:3])
    assert not np.array_equal(few[0], few[1])


def test_what_cannot_be_redrawn_is_refused():
    network = sited(4)
    with pytest.raises(ValueError, match="59 labels for 60 nodes"):
        projectome_resampled(network, strata(59))
    with pytest.raises(ValueError, match="at least 2, got 1"):
        projectome_resampled(network, strata(60), replicates=1)
    with pytest.raises(ValueError, match="no sites"):
        projectome_resampled(Network.from_edges([0], [1]), strata(2))
