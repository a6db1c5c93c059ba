"""The made-up connectome and its study, small."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.networks import block
from kadanoff.networks._kernels import blocks, twins
from kadanoff.networks.regions import QUANTUM
from kadanoff.networks.studies import fly_scale as study
from kadanoff.networks.studies.fly_scale import FlyScale, fly_scale
from kadanoff.networks.synthetic import synthetic_twin
from kadanoff.parallel import executor
from kadanoff.random import uniform
from kadanoff.study import Run


def test_a_twin_is_a_network_of_the_size_asked_for():
    twin = synthetic_twin(3000, 60_000, 12, regions_per_neuron=3, seed=4)
    network = twin.network
    assert (network.n, network.m, twin.regions.k) == (3000, 60_000, 13)
    key = network.source.astype(np.int64) * network.n + network.target
    assert np.all(np.diff(key) > 0)  # canonical order, no pair twice
    assert twin.regions.sizes[:-1].min() >= 1
    assert twin.regions.sizes[-1] == 0
    degree = np.sort(np.diff(network.starts))[::-1]
    assert degree[:300].sum() > 0.3 * network.m  # a tenth of the neurons send far more than a tenth
    node = np.repeat(np.arange(network.n), np.diff(twin.shares.starts))
    assert np.all(np.bincount(node, twin.shares.share, network.n) == QUANTUM)
    assert np.diff(twin.shares.starts).max() <= 3
    assert network.count.min() >= 1
    assert network.count.max() <= 2358


def test_a_twin_has_the_counts_and_the_regions_it_was_drawn_with():
    """P(count >= c) = c^-1.3, and the share of edges that stay in the region, both within 5 standard errors."""
    twin = synthetic_twin(20_000, 400_000, 10, local=0.4, spread=0.5, seed=1)
    network, regions = twin.network, twin.regions
    for c in (2, 5, 20):
        p = c**-1.3
        assert abs((network.count >= c).mean() - p) < 5 * np.sqrt(p * (1 - p) / network.m)
    other = synthetic_twin(20_000, 400_000, 10, local=0.0, spread=0.5, seed=1)  # the same regions and weights
    inside, by_chance = (
        float((regions.label[one.source] == regions.label[one.target]).mean()) for one in (network, other.network)
    )
    assert abs((inside - by_chance) / (1 - by_chance) - 0.4) < 0.01  # targets drawn again lower it a little


def test_a_row_equals_its_plain_twin():
    random = np.random.default_rng(0)
    n, k = 400, 4
    region = random.integers(k, size=n)
    members = np.argsort(region, kind="stable").astype(np.int32)
    member_starts = np.append(0, np.cumsum(np.bincount(region, minlength=k)))
    member_weight = np.concatenate([np.cumsum(np.full(s, 1 / s)) for s in np.bincount(region)])
    region_weight = np.arange(1, k + 1) / k
    starts = np.append(0, np.cumsum(random.integers(0, 30, n)))
    target, count = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.uint16)
    twins.fill_rows(
        7, 0, n, starts, region, 0.3, region_weight, member_starts, members, member_weight, 1.5, 50, target, count
    )
    for i in range(0, n, 37):
        row, item, size = set(), 0, starts[i + 1] - starts[i]
        while len(row) < size:
            for _ in range(size - len(row)):
                u, v = uniform(7, 0x7431, i, item)
                item += 1
                r = region[i] if u < 0.3 else int(np.searchsorted(region_weight, (u - 0.3) / 0.7, side="right"))
                inside = member_weight[member_starts[r] : member_starts[r + 1]]
                row.add(int(members[member_starts[r] + min(np.searchsorted(inside, v, side="right"), inside.size - 1)]))
        assert target[starts[i] : starts[i + 1]].tolist() == sorted(row)
        drawn = [uniform(7, 0x7432, i, place - place % 2)[place % 2] for place in range(size)]
        assert count[starts[i] : starts[i + 1]].tolist() == [int(min(u ** (-1 / 1.5), 50)) for u in drawn]


def test_the_same_twin_from_any_number_of_workers():
    alone = synthetic_twin(9000, 90_000, 7, seed=2)
    with executor(2) as pool:
        other = synthetic_twin(9000, 90_000, 7, seed=2, executor=pool)
    assert np.array_equal(alone.network.target, other.network.target)
    assert np.array_equal(alone.network.count, other.network.count)
    assert blocks.read(alone.network.target, alone.network.count) == int(
        alone.network.target.sum(dtype=np.int64) + alone.network.count.sum(dtype=np.int64)
    )


@pytest.mark.parametrize("wrong", [{"edges": 10**9}, {"tail": 1.0}, {"regions": 0}, {"local": 1.0}])
def test_a_twin_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="twin"):
        synthetic_twin(**({"neurons": 1000, "edges": 5000, "regions": 5} | wrong))


def test_the_study_small():
    pytest.importorskip("pyarrow")
    config = FlyScale(neurons=3000, edges=60_000, regions=12, regions_per_neuron=3, files=3)
    result = fly_scale(config, Run(seed=5))
    assert result.verdict.passed
    found = result.reported
    twin = synthetic_twin(3000, 60_000, 12, regions_per_neuron=3, seed=5)
    assert found["synapses"].value == twin.network.total
    assert np.array_equal(result.data["block"], block(twin.network, twin.regions).counts)
    for name in ("seconds.block", "rate.block", "fraction_of_read_floor"):
        assert found[name].value > 0
        assert found[name].reference is None  # reported, not judged
    assert found["bit_equal.threads"].value == found["bit_equal.out_of_core"].value == 1
    assert found["bit_equal.dask"].value == 1 or "pip install" in found["bit_equal.dask"].reason
    assert set(result.pictures) == {"regions", "speed"}


def test_other_bits_fail_the_study(monkeypatch):
    """One synapse less on one road: the verdict says no, and by which road."""
    pytest.importorskip("pyarrow")
    real = study.block_of_dataset

    def short(*arguments, **named):
        found = real(*arguments, **named)
        found.network.counts[0, 0] -= 1
        return found

    monkeypatch.setattr(study, "block_of_dataset", short)
    result = fly_scale(FlyScale(neurons=300, edges=1000, regions=3, regions_per_neuron=2, files=2), Run(seed=1))
    assert not result.verdict.passed
    assert "other bits from 2 parquet files" in result.verdict.text
    assert result.reported["bit_equal.out_of_core"].value == 0
