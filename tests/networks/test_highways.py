"""Highways and densities: planted blocks found, nothing found where nothing is, p-values that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kadanoff.networks import (
    Network,
    Regions,
    benjamini_hochberg,
    benjamini_yekutieli,
    block,
    block_null,
    compare_block_densities,
    compare_densities,
    degree_null,
    find_highways,
    holm,
    largest_of_all,
    matched_highways,
    undirected_degree_null,
)
from kadanoff.networks.density_test import fisher


def made(seed: int, n: int = 100, m: int = 1200, planted: tuple[int, int] | None = None, extra: int = 0) -> Network:
    """Heavy-tailed degrees, no structure but a planted block of labels i % 5."""
    rng = np.random.default_rng(seed)
    weight = rng.pareto(2.5, n) + 0.3
    weight /= weight.sum()
    source, target = rng.choice(n, m, p=weight), rng.choice(n, m, p=weight)
    if planted is not None:
        source = np.append(source, 5 * rng.integers(n // 5, size=extra) + planted[0])
        target = np.append(target, 5 * rng.integers(n // 5, size=extra) + planted[1])
    kept = source != target
    pairs = np.unique(source[kept] * n + target[kept])
    return Network.from_edges(pairs // n, pairs % n, 1 + rng.poisson(2, pairs.size), nodes=np.arange(n))


LABELS = Regions.from_labels(np.arange(100) % 5)


def test_a_planted_block_is_found_first():
    network = made(1, planted=(1, 3), extra=150)
    found = find_highways(network, LABELS, seed=2, replicas=200)
    assert found.found()[0] == ("1", "3")
    others = np.delete(found.z.filled(0).ravel(), 6 * 1 + 3)
    assert found.z[1, 3] > max(
        6, 1.8 * others.max()
    )  # it draws others along: what 3 gets from 1 it lacks from the rest
    assert found.ratio[1, 3] > 1.5
    assert found.tested == 25
    assert found.z.mask[5].all()
    assert np.array_equal(found.observed, block(network, LABELS).counts)
    assert np.array_equal(found.p_largest.mask, found.z.mask)
    assert np.all(found.p_largest >= found.p)
    assert np.all(found.p_holm >= found.p_hochberg)
    rows = found.expected.sum(axis=1)
    assert np.allclose(rows, found.observed.sum(axis=1), rtol=1e-12)  # counts travel with their source
    avoided = find_highways(network, LABELS, seed=2, replicas=200, alternative="less")
    assert np.all(avoided.p + found.p >= 1)


def test_random_networks_have_no_highways():
    """Negative control: no structure beyond the degrees, and Erdos-Renyi graphs."""
    for seed in range(2):
        assert find_highways(made(seed), LABELS, seed=seed, replicas=120).found(0.01) == []
        rng = np.random.default_rng(seed)
        pairs = rng.choice(100 * 99, 900, replace=False)
        target = pairs % 99
        network = Network.from_edges(pairs // 99, target + (target >= pairs // 99), nodes=np.arange(100))
        found = find_highways(network, LABELS, seed=seed, replicas=120)
        assert found.found(0.01) == []
        assert (found.p_holm > 0.01).all()


def test_strong_receivers_are_no_highways():
    """Negative control whose counts depend on the receiver: Poisson numbers of mean theta_i phi_j, and phi larger in
    one region. Counts that only travel with their source find highways into it in every such network."""
    label = np.arange(120) % 5
    regions = Regions.from_labels(label)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        mean = np.outer(rng.lognormal(0, 0.5, 120), rng.lognormal(0, 0.5, 120) * np.where(label == 4, 4, 1))
        np.fill_diagonal(mean, 0)
        network = Network.from_matrix(rng.poisson(mean * 3600 / mean.sum()))
        null = degree_null(network, seed=seed, sweeps=15)
        found = find_highways(network, regions, seed=seed, replicas=120, null=null)
        assert found.found(0.01) == []
        assert np.abs(found.ratio[:5, 4] - 1).max() < 0.1
        assert np.allclose(found.expected.sum(axis=1), found.observed.sum(axis=1), rtol=1e-12)
        plain = find_highways(network, regions, seed=seed, replicas=120, null=null, received=False)
        assert {to for _, to in plain.found(0.01)} == {"4"}


def below_five_per_cent(networks: int, replicas: int) -> float:
    """Share of blocks with p <= 0.05 in networks that are draws of the null; that is its size for 20 k - 1 draws."""
    base = degree_null(made(7), seed=1)
    below = tested = 0
    for k in range(networks):
        found = find_highways(base.draw(k), LABELS, seed=100 + k, replicas=replicas)
        below += int((found.p <= 0.05).sum())
        tested += found.tested
    return below / tested


def test_p_values_are_calibrated():
    # of 25 blocks 20 are free, as rows keep their sums
    assert below_five_per_cent(15, 39) == pytest.approx(0.05, abs=4.5 * np.sqrt(0.05 * 0.95 / (15 * 20)))


@pytest.mark.slow
def test_p_values_are_calibrated_to_more_digits():
    assert 0.035 <= below_five_per_cent(200, 199) <= 0.065


def test_matching_is_exact_and_calibrated_for_single_synapses():
    rng = np.random.default_rng(3)
    out, into = np.array([200, 300, 500]), np.array([400, 350, 250])
    tables = stats.random_table(out, into).rvs(300, random_state=rng).astype(int)
    share, z = [], []
    for table in tables:
        network = block(
            Network.from_edges(*np.divmod(np.arange(9), 3), table.ravel()), Regions.from_labels(np.arange(3))
        )
        found = matched_highways(network)
        share.append((found.p[:3, :3] < 0.05).sum())
        z.append(found.z[:3, :3])
    # discreteness leaves a little less than 5 %: the exact size is the tail at the largest p below 0.05
    law = stats.hypergeom(1000, into[None, :], out[:, None])
    x = np.arange(1001)[:, None, None]
    tails = law.sf(x - 1)
    size = np.where(tails < 0.05, tails, 0).max(axis=0).mean()
    assert np.mean(share) / 9 == pytest.approx(size, abs=4.5 * np.sqrt(size / 9 / 300))
    z = np.array(z)
    assert np.abs(z.mean(axis=0)).max() < 4.5 / np.sqrt(300)
    assert np.abs(z.var(axis=0) - 1).max() < 4.5 * np.sqrt(2 / 300)


def test_synapses_of_a_pair_come_together():
    """With counts of many synapses a pair the closed form finds highways where there are none; rewiring does not."""
    rng = np.random.default_rng(4)
    pairs = rng.choice(100 * 99, 600, replace=False)
    target = pairs % 99
    network = Network.from_edges(
        pairs // 99, target + (target >= pairs // 99), rng.geometric(0.05, 600), nodes=np.arange(100)
    )
    assert len(matched_highways(block(network, LABELS)).found()) > 2
    assert find_highways(network, LABELS, seed=1, replicas=200).found() == []


def test_a_block_that_no_draw_fills_is_not_left_out():
    """Two nodes of few connections that only talk to each other: all draws are empty there and z has no value."""
    network = made(2)
    ends = np.concatenate([network.source, [100]]), np.concatenate([network.target, [101]])
    network = Network.from_edges(*ends, np.append(network.count, 40), nodes=np.arange(102))
    labels = Regions.from_labels(np.append(np.arange(100) % 5, [5, 6]))
    found = find_highways(network, labels, seed=1, replicas=60)
    if found.expected[5, 6] == 0:
        assert found.z.mask[5, 6]
        assert found.ratio.mask[5, 6]
    assert found.p[5, 6] <= 2 / 61
    assert found.p_largest[5, 6] <= 2 / 61
    assert ("5", "6") in found.found()
    assert found.z.mask[7].all()
    assert found.p.mask[7].all()


def test_nulls_that_fix_the_blocks_are_refused():
    network = made(0)
    with pytest.raises(ValueError, match="keeps blocks"):
        find_highways(network, LABELS, seed=0, null=block_null(network, LABELS, seed=0), replicas=20)
    with pytest.raises(ValueError, match="direction"):
        find_highways(network, LABELS, seed=0, null=undirected_degree_null(network, seed=0), replicas=20)
    with pytest.raises(ValueError, match="another network"):
        find_highways(network, LABELS, seed=0, null=degree_null(made(1), seed=0, sweeps=1), replicas=20)
    with pytest.raises(ValueError, match="at most"):
        find_highways(network, LABELS, seed=0, null=degree_null(network, seed=0, sweeps=1), replicas=10**8)


def test_adjusted_p_values_against_known_ones():
    p = [0.01, 0.04, 0.03, 0.005]
    assert np.allclose(holm(p), [0.03, 0.06, 0.06, 0.02], rtol=1e-14)
    assert np.allclose(benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-14)
    assert np.allclose(benjamini_yekutieli(p), stats.false_discovery_control(p, method="by"), rtol=1e-14)
    drawn = [[0.0, 1.0], [2.0, 0.5], [1.5, 3.0]]
    assert largest_of_all([2.0, 3.5], drawn).tolist() == [3 / 4, 1 / 4]
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.5, 1.5])


def test_largest_of_all_holds_its_level():
    rng = np.random.default_rng(6)
    wrong = [
        (largest_of_all(x[0], x[1:]) <= 0.1).any()
        for x in rng.normal(size=(800, 100, 20)) + rng.normal(size=(800, 100, 1))
    ]
    assert np.mean(wrong) == pytest.approx(0.1, abs=4.5 * np.sqrt(0.09 / 800))


def test_fisher_equals_scipy():
    rng = np.random.default_rng(7)
    for _ in range(50):
        n, m = rng.integers(5, 400, 2)
        a, b = rng.integers(0, n + 1), rng.integers(0, m + 1)
        want = stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue
        assert fisher(a, n, b, m) == pytest.approx(want, rel=1e-9)
        odds = float(rng.uniform(0.3, 3))
        law = stats.nchypergeom_fisher(n + m, n, a + b, odds)
        chance = law.pmf(np.arange(max(0, a + b - m), min(n, a + b) + 1))
        want = chance[chance <= law.pmf(a) * (1 + 1e-7)].sum()
        assert fisher(a, n, b, m, odds) == pytest.approx(want, rel=1e-6, abs=1e-12)


def two_sides(seed: int, left: float, right: float, special: float) -> tuple[Network, np.ndarray, Regions]:
    rng = np.random.default_rng(seed)
    side, kind = np.arange(120) % 2 == 0, np.arange(120) // 2 % 3
    chance = np.where(side[:, None], left, right) * np.ones((120, 120))
    chance[np.ix_(side & (kind == 0), side & (kind == 2))] *= special
    there = (rng.random((120, 120)) < chance) & (side[:, None] == side[None, :])
    return Network.from_matrix(there.astype(int)), side, Regions.from_labels(kind)


def test_sides_that_differ_are_told_apart_and_others_are_not():
    network, side, kinds = two_sides(1, 0.15, 0.15, 1.0)
    alike = compare_densities(network, side, ~side)
    assert alike.pairs == (60 * 59, 60 * 59)
    assert alike.p > 1e-4
    assert compare_block_densities(network, side, ~side, kinds).found(0.01) == []
    network, side, kinds = two_sides(2, 0.22, 0.15, 1.0)
    assert compare_densities(network, side, ~side).p < 1e-9
    assert compare_block_densities(network, side, ~side, kinds, common=True).found(0.01) == []
    network, side, kinds = two_sides(3, 0.15, 0.15, 2.2)
    blocks = compare_block_densities(network, side, ~side, kinds)
    assert blocks.found(0.01) == [("0", "2")]
    assert blocks.tested == 9
    assert blocks.pairs.sum(axis=(1, 2)).tolist() == list(compare_densities(network, side, ~side).pairs)
    with pytest.raises(ValueError, match="both parts"):
        compare_densities(network, side, np.ones(120, dtype=bool))


def test_the_density_test_holds_its_level():
    found = []
    for seed in range(250):
        network, side, _ = two_sides(seed, 0.1, 0.1, 1.0)
        found.append(compare_densities(network, side, ~side).p < 0.05)
    assert 0.01 < np.mean(found) < 0.05 + 4.5 * np.sqrt(0.05 * 0.95 / 250)  # exact tests of counts are cautious
