"""Null models: all graphs equally often, what is kept kept exactly, closed forms against enumeration."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kadanoff.networks import Network, Regions, block
from kadanoff.networks._kernels import rewiring as kernels
from kadanoff.networks.motifs import reciprocity, triad_census
from kadanoff.networks.null_models import (
    block_null,
    configuration,
    configuration_tail,
    degree_null,
    either_way,
    random_null,
    undirected_degree_null,
)
from kadanoff.networks.null_tests import null_test
from kadanoff.parallel import executor
from kadanoff.random import philox

TRIANGLES = 1 << 29


def made(seed: int, n: int = 30, m: int = 150, loops: bool = True) -> Network:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(n, size=m), rng.integers(n, size=m)
    kept = loops | (source != target)
    return Network.from_edges(source[kept], target[kept], rng.integers(1, 9, size=int(kept.sum())), nodes=np.arange(n))


def digraphs(n: int, edges: list[tuple[int, int]]) -> set[frozenset[tuple[int, int]]]:
    """All simple digraphs without loops of the degrees of these edges, source by source."""
    out, into = Counter(i for i, _ in edges), Counter(j for _, j in edges)
    found = [(frozenset(), into)]
    for i in range(n):
        found = [
            (graph | {(i, j) for j in targets}, left - Counter(targets))
            for graph, left in found
            for targets in combinations([j for j in range(n) if j != i and left[j] > 0], out[i])
        ]
    return {graph for graph, _ in found}


def network_of(n: int, edges) -> Network:
    return Network.from_edges([i for i, _ in edges], [j for _, j in edges], nodes=np.arange(n))


def visits(model, draws: int) -> Counter:
    seen = Counter()
    for replica in range(draws):
        source, target, _ = model.edges(replica)
        seen[frozenset(zip(source.tolist(), target.tolist(), strict=True))] += 1
    return seen


def chi_square(seen: Counter, states: set) -> float:
    assert set(seen) <= states
    observed = np.array([seen[state] for state in states])
    return stats.chisquare(observed).pvalue


@pytest.mark.parametrize(
    ("n", "edges"),
    [
        (3, [(0, 1), (1, 2), (2, 0)]),  # two graphs, which no swap joins: the reversed triangle
        (4, [(0, 1), (1, 2), (2, 3), (3, 0)]),
        (4, [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 0)]),
        (5, [(0, 1), (1, 2), (2, 0), (3, 0), (0, 4), (4, 3), (1, 4)]),
    ],
)
def test_all_digraphs_of_the_degrees_come_up_equally_often(n: int, edges):
    states = digraphs(n, edges)
    model = degree_null(network_of(n, edges), seed=11, sweeps=30)
    draws = 40 * len(states) + 400
    assert chi_square(visits(model, draws), states) > 1e-5  # 4.3 sigma


def test_loops_that_are_free_make_swaps_enough():
    states = {frozenset(enumerate(order)) for order in permutations(range(3))}
    model = degree_null(network_of(3, [(0, 1), (1, 2), (2, 0)]), seed=5, loops="free", sweeps=30)
    assert chi_square(visits(model, 1200), states) > 1e-5


def test_counting_moves_in_place_of_attempts_would_be_found_out():
    """Negative control: a chain that runs on until so many swaps are made favours graphs with many swaps."""
    edges = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 0)]
    network = network_of(4, edges)
    seen = Counter()
    for item in range(1500):
        target, moves, t = network.target.copy(), 0, 0
        while moves < 15:
            moves += kernels.rewire_directed(1, 2, item, t, 1, False, network.source, target, network.starts)
            t += 1
        seen[frozenset(zip(network.source.tolist(), target.tolist(), strict=True))] += 1
    assert chi_square(seen, digraphs(4, edges)) < 1e-9


def test_all_undirected_graphs_come_up_equally_often():
    edges = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5)]
    degree = Counter(x for edge in edges for x in edge)
    states = {
        frozenset(chosen)
        for chosen in combinations(list(combinations(range(6), 2)), len(edges))
        if Counter(x for edge in chosen for x in edge) == degree
    }
    model = undirected_degree_null(network_of(6, edges), seed=3, sweeps=30)
    seen = Counter()
    for replica in range(20 * len(states)):
        one, other, _ = model.edges(replica)
        seen[frozenset((min(a, b), max(a, b)) for a, b in zip(one.tolist(), other.tolist(), strict=True))] += 1
    assert chi_square(seen, states) > 1e-5


def test_all_graphs_of_so_many_edges_come_up_equally_often():
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    states = {frozenset(chosen) for chosen in combinations(pairs, 2)}
    model = random_null(network_of(3, [(0, 1), (1, 2)]), seed=9)
    assert chi_square(visits(model, 900), states) > 1e-5


def test_rigid_graphs_are_told():
    """A star is the only graph of its degrees: no move is made, and a test of it is refused."""
    star = network_of(6, [(0, k) for k in range(1, 6)])
    model = undirected_degree_null(star, seed=1)
    assert model.acceptance == 0
    with pytest.raises(ValueError, match="constant under this null"):
        null_test(star, lambda x: x.outflow * np.arange(6), model, replicas=20)


def test_all_digraphs_of_degrees_and_blocks_come_up_equally_often():
    edges = [(0, 1), (1, 3), (3, 2), (2, 4), (4, 0), (0, 3), (2, 0)]
    label = [0, 0, 1, 1, 1]
    blocks = Counter((label[i], label[j]) for i, j in edges)
    states = {graph for graph in digraphs(5, edges) if Counter((label[i], label[j]) for i, j in graph) == blocks}
    assert 10 < len(states) < len(digraphs(5, edges))
    model = block_null(network_of(5, edges), Regions.from_labels(label), seed=8, sweeps=40)
    assert chi_square(visits(model, 60 * len(states)), states) > 1e-5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["travel", "permute"]), st.booleans())
def test_what_is_kept_is_kept_exactly(seed: int, weights: str, free: bool):
    network = made(seed)
    matrix = network.matrix().toarray()
    regions = Regions.from_labels(np.random.default_rng(seed).integers(-1, 3, network.n), ("a", "b", "c"))
    model = degree_null(network, seed=seed, weights=weights, loops="free" if free else "fixed", sweeps=10)
    drawn = model.draw(1).matrix().toarray()
    assert model.acceptance > 0.1
    assert not np.array_equal(drawn, matrix)
    for axis in (0, 1):
        assert np.array_equal((drawn > 0).sum(axis=axis), (matrix > 0).sum(axis=axis))
    assert np.array_equal(np.sort(drawn[drawn > 0]), np.sort(matrix[matrix > 0]))
    if not free:
        assert np.array_equal(np.diag(drawn), np.diag(matrix))
    if weights == "travel":
        assert np.array_equal(drawn.sum(axis=1), matrix.sum(axis=1))
    kept = block_null(network, regions, seed=seed, weights=weights, sweeps=10)
    within = kept.draw(2)
    assert np.array_equal(block(within, regions).counts, block(network, regions).counts)
    binary = [network_of(network.n, list(zip(x.source, x.target, strict=True))) for x in (within, network)]
    assert np.array_equal(*(block(x, regions).counts for x in binary))
    for axis in (0, 1):
        assert np.array_equal((within.matrix().toarray() > 0).sum(axis=axis), (matrix > 0).sum(axis=axis))
    assert np.all(np.diff(within.source.astype(int) * network.n + within.target) > 0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_undirected_and_random_draws_keep_what_they_say(seed: int):
    network = made(seed)
    joined = either_way(network).matrix().toarray()
    matrix = network.matrix().toarray()
    assert np.array_equal(joined, (matrix + matrix.T) * ~np.eye(network.n, dtype=bool))
    drawn = undirected_degree_null(network, seed=seed, sweeps=10).draw(0).matrix().toarray()
    assert np.array_equal(drawn, drawn.T)
    assert not np.diag(drawn).any()
    assert np.array_equal((drawn > 0).sum(axis=0), (joined > 0).sum(axis=0))
    assert drawn.sum() == joined.sum()
    random = random_null(network, seed=seed).draw(4)
    assert random.m == network.m
    assert random.total == network.total
    assert np.array_equal(np.diag(random.matrix().toarray()), np.diag(matrix))


def words(seed: int, stream: int, item: int, t: int) -> tuple[int, int, int, int]:
    return tuple(int(x) for x in philox(item, t, t >> 32, stream, seed, seed >> 32))


def chosen(high: int, low: int, width: int) -> int:
    return int(float(((high << 32) | low) >> 11) * 2.0**-53 * width)


def plain_directed(seed, stream, item, attempts, free, source, target, label=None, weight=None):
    """The moves of the kernels with a set of edges and lists."""
    edges = set(zip(source, target, strict=True))
    m = len(source)
    if label is not None:
        blocks = max(label) + 1
        outgoing = [[e for e in range(m) if label[source[e]] == k] for k in range(blocks)]
        incoming = [[e for e in range(m) if label[target[e]] == k] for k in range(blocks)]

    def exchange(one, two):
        weight[one], weight[two] = weight[two], weight[one]
        at = [(k, line.index(e)) for e in (one, two) for k, line in enumerate(incoming) if e in line]
        (k, p), (q, r) = at
        incoming[k][p], incoming[q][r] = two, one

    def swap(e, f):
        i, j, k, o = source[e], target[e], source[f], target[f]
        if i == k or j == o or (not free and (i == o or k == j)) or (i, o) in edges or (k, j) in edges:
            return False
        edges.difference_update([(i, j), (k, o)])
        edges.update([(i, o), (k, j)])
        target[e], target[f] = o, j
        return True

    for t in range(attempts):
        a, b, c, d = words(seed, stream, item, t)
        e = chosen(a, d, m)
        if not free and c < TRIANGLES:
            i, j = source[e], target[e]
            lines = [x for x in range(m) if source[x] == j]
            if not lines:
                continue
            f = lines[chosen(b, 0, len(lines))]
            k = target[f]
            if k == i or (k, i) not in edges or {(i, k), (k, j), (j, i)} & edges:
                continue
            g = next(x for x in range(m) if (source[x], target[x]) == (k, i))
            pair = None
            if label is not None:
                x, y, z = label[i], label[j], label[k]
                pair = (e, f) if x == y else (f, g) if y == z else (e, g) if x == z else None
                if pair is None:
                    continue
            edges.difference_update([(i, j), (j, k), (k, i)])
            edges.update([(i, k), (k, j), (j, i)])
            target[e], target[f], target[g] = k, i, j
            if pair:
                exchange(*pair)
        elif label is None:
            swap(e, chosen(b, 0, m))
        elif c & 1:
            line = incoming[label[target[e]]]
            swap(e, line[chosen(b, 0, len(line))])
        else:
            line = outgoing[label[source[e]]]
            f = line[chosen(b, 0, len(line))]
            if swap(e, f):
                exchange(e, f)


def plain_undirected(seed, stream, item, attempts, one, other):
    edges = {frozenset(pair) for pair in zip(one, other, strict=True)}
    for t in range(attempts):
        a, b, c, d = words(seed, stream, item, t)
        e, f = chosen(a, d, len(one)), chosen(b, 0, len(one))
        i, j, k, o = one[e], other[e], one[f], other[f]
        if c & 1:
            k, o = o, k
        if i in (k, o) or j in (k, o) or {frozenset((i, o)), frozenset((k, j))} & edges:
            continue
        edges -= {frozenset((i, j)), frozenset((one[f], other[f]))}
        edges |= {frozenset((i, o)), frozenset((k, j))}
        other[e], one[f], other[f] = o, k, j


@pytest.mark.parametrize(("free", "apart"), [(False, 1), (True, 1), (False, 200), (True, 200)])
def test_the_kernels_equal_plain_loops(free: bool, apart: int):
    """Edges are known by a bit for every pair of nodes, or by a hash where nodes are many (`apart`)."""
    close, n = made(3, n=14, m=60, loops=free), 14 * apart
    ends = (close.source * apart, close.target * apart)
    network = Network.from_edges(*ends, close.count, nodes=np.arange(n))
    assert (kernels.edge_table(network.source, network.target, n)[1] == 0) == (apart == 1)
    source, target = network.source.copy(), network.target.copy()
    starts = network.starts
    there = target.copy()
    kernels.rewire_directed(7, 1, 2, 0, 500, free, source, there, starts)
    plain = target.tolist()
    plain_directed(7, 1, 2, 500, free, source.tolist(), plain)
    assert there.tolist() == plain
    if free:
        return
    label = (np.arange(n) // apart % 3).astype(np.int32)
    there, weight = target.copy(), network.count.astype(np.int64)
    kernels.rewire_blocks(7, 1, 2, 0, 500, label, source, there, weight, starts)
    plain, plain_weight = target.tolist(), network.count.tolist()
    plain_directed(7, 1, 2, 500, False, source.tolist(), plain, label.tolist(), plain_weight)
    assert there.tolist() == plain
    assert weight.tolist() == plain_weight
    joined = either_way(network)
    once = joined.source < joined.target
    one, other = joined.source[once].copy(), joined.target[once].copy()
    plain_one, plain_other = one.tolist(), other.tolist()
    kernels.rewire_undirected(7, 1, 2, 0, 500, n, one, other)
    plain_undirected(7, 1, 2, 500, plain_one, plain_other)
    assert one.tolist() == plain_one
    assert other.tolist() == plain_other


def test_sweeps_are_enough_to_forget():
    network = made(1, n=60, m=600)
    for model in (degree_null(network, seed=1), block_null(network, Regions.from_labels(np.arange(60) % 4), seed=1)):
        first = set(zip(network.source.tolist(), network.target.tolist(), strict=True))
        shared = []
        for sweeps in (model.sweeps, 8 * model.sweeps):
            longer = replace(model, sweeps=sweeps)
            draws = [set(zip(*(x.tolist() for x in longer.edges(r)[:2]), strict=True)) for r in range(60)]
            shared.append([len(first & draw) / model.m for draw in draws])
        (a, b) = (np.array(x) for x in shared)
        assert abs(a.mean() - b.mean()) < 4.5 * np.hypot(a.std(), b.std()) / np.sqrt(60)


def test_p_values_are_valid_even_for_draws_that_have_not_forgotten():
    """Besag and Clifford: with one sweep a draw, data of the null still rank evenly among the draws."""
    base = made(5, n=12, m=50, loops=False)
    source = degree_null(base, seed=2, sweeps=40)
    rng = np.random.default_rng(0)
    ranks = []
    for k in range(160):
        data = source.draw(k)
        model = degree_null(data, seed=1000 + k, sweeps=1)
        values = np.array([triad_census(x)[8] for x in (data, *(model.draw(r) for r in range(9)))])
        ranks.append((values[1:] > values[0]).sum() + rng.integers(1 + (values[1:] == values[0]).sum()))
    assert stats.chisquare(np.bincount(ranks, minlength=10)).pvalue > 1e-5


def test_workers_change_no_bit():
    network = made(2)
    model = degree_null(network, seed=4)
    alone = null_test(network, reciprocity, model, replicas=40)
    with executor(3) as pool:
        assert np.array_equal(alone.drawn, null_test(network, reciprocity, model, replicas=40, executor=pool).drawn)
    assert alone.replicas == 40
    assert 0 < alone.p <= 1


def test_matching_in_closed_form_equals_enumeration():
    counts = np.array([[2, 1, 0], [1, 0, 1], [0, 1, 1]])
    out = np.repeat(np.arange(3), counts.sum(axis=1))
    into = np.repeat(np.arange(3), counts.sum(axis=0))
    tables = []
    for order in permutations(range(7)):
        table = np.zeros((3, 3), int)
        np.add.at(table, (out, into[list(order)]), 1)
        tables.append(table)
    tables = np.array(tables)
    law = configuration(counts)
    assert np.allclose(law.mean, tables.mean(axis=0), rtol=1e-13)
    assert np.allclose(law.variance, tables.var(axis=0), rtol=1e-12)
    above, below = configuration_tail(counts)
    assert np.allclose(above, (tables >= counts).mean(axis=0), rtol=1e-12)
    assert np.allclose(below, (tables <= counts).mean(axis=0), rtol=1e-12)


def test_statistics_that_a_null_fixes_are_refused():
    network = made(6)
    regions = Regions.from_labels(np.arange(network.n) % 3)
    model = block_null(network, regions, seed=1)

    def region_network(x: Network):
        return block(x, regions).counts

    with pytest.raises(ValueError, match=r"constant under the degree and blocks null, which keeps blocks"):
        null_test(network, region_network, model, replicas=20)
    with pytest.raises(ValueError, match="equals the data in each of 20 draws"):
        null_test(network, region_network, model, replicas=20, name="something else")
    with pytest.raises(ValueError, match="degrees"):
        null_test(network, lambda x: x.outflow, degree_null(network, seed=1), replicas=20, name="degree")
    assert null_test(network, region_network, degree_null(network, seed=1), replicas=20).fixed.sum() == 7  # unassigned


def test_errors_say_what_is_wrong():
    network = made(6)
    with pytest.raises(ValueError, match="labels for 30 nodes"):
        block_null(network, Regions.from_labels([0, 1]), seed=0)
    with pytest.raises(ValueError, match="whole"):
        degree_null(Network.from_edges([0, 1], [1, 2], [0.5, 1.5]), seed=0)
    with pytest.raises(ValueError, match="at least two"):
        degree_null(Network.from_edges([0, 1], [1, 1]), seed=0)
    with pytest.raises(ValueError, match="from region 0 to 1"):
        configuration(np.array([[1, -1], [0, 2]]))
    with pytest.raises(ValueError, match="float64"):
        configuration(np.array([[0.5, 0.5], [0, 0]]))
