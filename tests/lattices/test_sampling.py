"""Samplers against every state of small lattices and against plain Python twins."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy_generators import numpys_sfc64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kadanoff.estimates import mean
from kadanoff.lattices._kernels import chains as kernels
from kadanoff.lattices._kernels import cluster, sfc64
from kadanoff.lattices.block_enumeration import spin_states
from kadanoff.lattices.enumeration import spectrum
from kadanoff.lattices.kaufman import torus_energy
from kadanoff.lattices.lattice import DIAMOND, PLAQUETTE, cubic, honeycomb, square, triangular
from kadanoff.lattices.operators import even_operators
from kadanoff.lattices.sampling import sample
from kadanoff.random import philox

UINT = np.uint64  # of all that the kernels count with: another type would be compiled again
CRITICAL = math.log1p(math.sqrt(2.0)) / 2
CASES = {
    "square": (square(4), CRITICAL, {"algorithm": "swendsen-wang"}),
    "square, Wolff": (square(4), CRITICAL, {"algorithm": "wolff"}),
    "square, Metropolis": (square(4), CRITICAL, {"algorithm": "metropolis"}),
    "square, antiferromagnet": (square(4), -0.4, {}),
    "square, field": (square(4), 0.3, {"field": 0.05}),
    "square, field, Metropolis": (square(4), 0.3, {"field": 0.05, "algorithm": "metropolis"}),
    "oblong and odd": (square(3, 5), 0.35, {}),
    "next neighbours": (square(4), (0.2, 0.1), {}),
    "next neighbours, Wolff": (square(4), (0.2, 0.1), {"algorithm": "wolff"}),
    "frustrated": (square(4), (0.4, -0.1), {}),
    "triangular": (triangular(3), math.log(3) / 4, {}),
    "triangular, Metropolis": (triangular(3), math.log(3) / 4, {"algorithm": "metropolis"}),
    "2 x 2, Metropolis": (square(2), 0.25, {"algorithm": "metropolis"}),
    "triangular, frustrated, Metropolis": (triangular(3), -0.25, {"algorithm": "metropolis"}),
    "triangular, weak, Metropolis": (triangular(3), 0.1, {"algorithm": "metropolis"}),
    "no coupling, Metropolis": (square(4), 0.0, {"algorithm": "metropolis"}),
    "honeycomb": (honeycomb(2), 0.6, {}),
    "honeycomb, Metropolis": (honeycomb(2), 0.6, {"algorithm": "metropolis"}),
    "cubic": (cubic(2), 0.15, {}),
    "Potts": (square(3), math.log1p(math.sqrt(3)), {"model": "potts", "states": 3}),
    "Potts, Wolff": (square(3), math.log1p(math.sqrt(3)), {"model": "potts", "states": 3, "algorithm": "wolff"}),
    "Potts, Metropolis": (square(3), 0.9, {"model": "potts", "states": 3, "algorithm": "metropolis"}),
    "Potts, field": (square(3), 0.9, {"model": "potts", "states": 3, "field": 0.1}),
    "square, multispin": (square(4), CRITICAL, {"algorithm": "multispin"}),
    "oblong, multispin": (square(2, 8), 0.3, {"algorithm": "multispin"}),
    "square, heat bath": (square(4), CRITICAL, {"algorithm": "heat-bath"}),
    "no coupling, heat bath": (square(4), 0.0, {"algorithm": "heat-bath", "field": 0.2}),
    "no coupling": (square(4), 0.0, {}),
}


def words_of(item, step, stream, seed):
    """The four words of Philox as integers."""
    step = int(step)
    return [int(x) for x in philox(*map(UINT, (item, step & 0xFFFFFFFF, step >> 32, stream, seed, 0)))]


@pytest.mark.parametrize("name", list(CASES))
def test_against_every_state(name):
    lattice, coupling, options = CASES[name]
    drawn = sample(lattice, coupling, samples=4000, seed=11, **options)
    model = {key: options[key] for key in ("model", "states") if key in options}
    field = options.get("field", 0.0)
    exact = spectrum(lattice, shells=np.size(coupling), **model)
    energy = mean(drawn.energies)
    assert abs(energy.value - exact.energy(coupling, field)) <= 4 * energy.error + 1e-12
    order = mean(np.abs(drawn.magnetisations))
    assert abs(order.value - exact.mean(np.abs(exact.magnetisations), coupling, field)) < 4 * order.error
    square_ = mean(drawn.magnetisations**2)
    assert abs(square_.value - exact.mean(exact.magnetisations**2, coupling, field)) < 4 * square_.error
    if field or "model" not in options:
        signed = mean(drawn.magnetisations)
        assert abs(signed.value - exact.mean(exact.magnetisations, coupling, field)) < 4 * signed.error
    for a in range(np.size(coupling)):
        found = mean(drawn.bond_sums[:, a])
        assert abs(found.value - exact.mean(exact.bond_sums[:, a], coupling, field)) <= 4 * found.error + 1e-12


def test_what_is_reported_belongs_to_the_configurations():
    for model, states in (("ising", 2), ("potts", 3)):
        lattice = square(6)
        drawn = sample(lattice, (0.2, 0.1), samples=50, seed=2, model=model, states=states, field=0.02)
        spins = drawn.configurations.reshape(50, -1).astype(int)
        assert drawn.configurations.shape == (50, 6, 6)
        assert drawn.configurations.dtype == np.int8
        assert set(np.unique(spins)) == ({-1, 1} if model == "ising" else {0, 1, 2})
        sums = []
        for one in (lattice, lattice.shell(2)):
            left, right = spins[:, one.bonds[:, 0]], spins[:, one.bonds[:, 1]]
            sums.append((left * right if model == "ising" else left == right).sum(axis=1))
        assert np.array_equal(drawn.bond_sums, np.stack(sums, axis=1))
        along = spins.sum(axis=1) if model == "ising" else (spins == 0).sum(axis=1)
        assert drawn.energies == pytest.approx(-(0.2 * sums[0] + 0.1 * sums[1] + 0.02 * along) / 36)


@pytest.mark.parametrize("algorithm", ["swendsen-wang", "wolff", "metropolis", "multispin"])
def test_workers_change_no_bit(algorithm):
    count = 600 if algorithm == "multispin" else 33
    alone = sample(square(6), 0.4, samples=count, seed=5, algorithm=algorithm)
    with ThreadPoolExecutor(3) as pool:
        shared = sample(square(6), 0.4, samples=count, seed=5, algorithm=algorithm, executor=pool)
    other = sample(square(6), 0.4, samples=count, seed=6, algorithm=algorithm)
    assert np.array_equal(alone.configurations, shared.configurations)
    assert np.array_equal(alone.energies, shared.energies)
    assert alone.autocorrelation_time == shared.autocorrelation_time
    assert not np.array_equal(alone.configurations, other.configurations)


def test_bernoulli_words_have_their_probability():
    """Bits set with probability p, to 4.5 standard errors, for dull and sharp p; 0 and 1 exactly."""
    out = np.empty(20_000, np.uint64)
    for p in (0.5, 0.585786, 0.01, 0.999, 1 / 3):
        cluster.bernoulli_words(UINT(int(p * 2.0**64)), UINT(1), UINT(2), UINT(3), len(out), out)
        n = 64 * len(out)
        assert abs(int(np.bitwise_count(out).sum()) - n * p) < 4.5 * math.sqrt(n * p * (1 - p))
        bits = (out[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        assert np.abs(bits.mean(axis=0) - p).max() < 4.5 * math.sqrt(p * (1 - p) / len(out))
        pairs = (bits[:, :-1] & bits[:, 1:]).mean()
        assert abs(pairs - p * p) < 4.5 * math.sqrt(p * p / (63 * len(out)))
    cluster.bernoulli_words(UINT(0), UINT(1), UINT(2), UINT(3), 10, out)
    assert not out[:10].any()


def test_bernoulli_words_are_the_comparison_of_binary_fractions():
    """Each lane reads one digit of u from each random word, the first digit first: bit set where u < p."""
    p, seed, stream, step = 0xB3C5 << 48, UINT(5), UINT(6), UINT(7)
    out = np.empty(40, np.uint64)
    cluster.bernoulli_words(UINT(p), seed, stream, step, len(out), out)
    generator = numpys_sfc64(sfc64.seed_sfc64(seed, stream, step, UINT(0)))
    for word in out:
        undecided, expected = set(range(64)), 0
        for digit in (p >> (63 - k) & 1 for k in range(16)):
            if not undecided:
                break
            r = int(generator.random_raw())
            differ = {lane for lane in undecided if r >> lane & 1 != digit}
            expected |= sum(digit << lane for lane in differ)
            undecided -= differ
        assert int(word) == expected


def bits_of(threshold, seed, stream, step, count):
    words = np.empty(count // 64 + 1, np.uint64)
    cluster.bernoulli_words(threshold, seed, stream, step, len(words), words)
    return ((words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).ravel()[:count].astype(bool)


def clusters_of(spins, bonds, kept):
    active = kept & (spins[bonds[:, 0]] == spins[bonds[:, 1]])
    n = len(spins)
    graph = coo_array((np.ones(active.sum()), tuple(bonds[active].T)), shape=(n, n))
    return connected_components(graph, directed=False)[1], active


@pytest.mark.parametrize("field", [0.0, 0.03])
@pytest.mark.parametrize("states", [2, 3])
@pytest.mark.parametrize("shape", [(9, 7), (2, 2), (16, 64)])
def test_a_sweep_of_swendsen_and_wang_is_that_of_a_plain_graph(shape, states, field):
    """Clusters by scipy; each takes one of the new states, by its own label; both kernels."""
    rng = np.random.default_rng(3)
    lattice = square(*shape)
    n, seed, step = lattice.sites, UINT(12), UINT((3 << 40) + 5)
    threshold = np.uint64(int(0.55 * 2.0**64))
    up, left = (bits_of(threshold, seed, cluster.BONDS + UINT(k), step, n) for k in (0, 1))
    kept = np.concatenate([up[lattice.bonds[:n, 1]], left[lattice.bonds[n:, 1]]])
    before = np.where(rng.random(n) < 0.8, 0, rng.integers(states, size=n)).astype(np.int8)
    cells, active = clusters_of(before, lattice.bonds, kept)
    fast, words = before.reshape(shape).copy(), np.empty((2, n // 64 + 1), np.uint64)
    parent, size, fresh = np.empty(n, np.uint32), np.empty(n, np.int64), np.empty(n, np.int8)
    labels = np.empty(shape, np.uint32)
    cluster.swendsen_wang_square(fast, threshold, states, field, seed, step, words, labels, parent, size, fresh)
    # a label is new where neither the bond to the left nor that above is active
    down, right = active[:n].reshape(shape), active[n:].reshape(shape)
    old = np.zeros(shape, bool)
    old[1:] |= down[:-1]
    old[:, 1:] |= right[:, :-1]
    number = np.cumsum(~old.ravel()) - 1
    first = np.array([np.flatnonzero(cells == c)[0] for c in range(cells.max() + 1)])
    assert np.array_equal(fast.ravel(), twin_states(number[first], cells, states, field, seed, step))

    kept = np.concatenate([up, left])  # bit k of a shell: its bond k
    cells, _ = clusters_of(before, lattice.bonds, kept)
    first = np.array([np.flatnonzero(cells == c)[0] for c in range(cells.max() + 1)])
    slow, words = before.copy(), np.empty(2 * n // 64 + 1, np.uint64)
    starts, thresholds = np.array([0, n, 2 * n]), np.array([threshold, threshold])
    cluster.swendsen_wang(
        slow, lattice.bonds, starts, thresholds, states, field, seed, step, words, parent, size, fresh
    )
    assert np.array_equal(slow, twin_states(first, cells, states, field, seed, step))


def twin_states(label, cells, states, field, seed, step):
    """The new state of every site: one draw for each cluster, by its label, with the weight of its size."""
    fresh = []
    for c, k in enumerate(label):
        if states == 2 and field == 0:
            a, b, u, v = words_of(int(k) >> 7, step, cluster.STATES, seed)
            fresh.append(((a << 32 | b) | (u << 32 | v) << 64) >> (int(k) & 127) & 1)
            continue
        a, b, _, _ = words_of(int(k), step, cluster.STATES, seed)
        size = np.sum(cells == c)
        if field == 0:
            fresh.append(a * states >> 32)
        elif states == 2:
            fresh.append(int((a + 0.5) / 2**32 < math.exp(field * size) / (2 * math.cosh(field * size))))
        else:
            favoured = math.exp(field * size) / (math.exp(field * size) + states - 1)
            fresh.append(0 if (a + 0.5) / 2**32 < favoured else 1 + (b * (states - 1) >> 32))
    return np.array(fresh, np.int8)[cells]


def test_a_cluster_of_wolff_is_grown_as_in_plain_python():
    lattice, seed, states = triangular(8), UINT(4), 3
    rng = np.random.default_rng(1)
    thresholds = np.full(6, np.uint64(int(0.5 * 2.0**64)))
    for step in range(20):
        spins = np.where(rng.random(64) < 0.7, 0, rng.integers(states, size=64)).astype(np.int8)
        fast = spins.copy()
        flipped = cluster.wolff(fast, lattice.neighbours, thresholds, states, seed, UINT(step), np.empty(64, np.int32))
        a, b, _, _ = words_of(0, step, cluster.SEEDS, seed)
        stack, drawn = [a * 64 >> 32], 0
        old = spins[stack[0]]
        new = (old + 1 + (b * (states - 1) >> 32)) % states
        members = {stack[0]}
        while stack:
            i = stack.pop()
            for j in lattice.neighbours[i]:
                if spins[j] == old and j not in members:
                    u = words_of(drawn // 4, step, cluster.GROWTH, seed)[drawn % 4]
                    drawn += 1
                    if u < 2**31:
                        members.add(j)
                        stack.append(j)
        plain = spins.copy()
        plain[list(members)] = new
        assert np.array_equal(fast, plain)
        assert flipped == len(members)


def test_a_sweep_of_metropolis_is_that_of_plain_python():
    lattice, seed, step = triangular(6), UINT(9), UINT((1 << 40) + 17)
    fields, couplings = np.array([0.1, 0.0, -0.2]), np.full(6, 0.4)
    rng = np.random.default_rng(2)
    before = rng.integers(3, size=36).astype(np.int8)
    order = np.argsort(lattice.colours, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(lattice.colours))])
    fast, plain = before.copy(), before.copy()
    kernels.metropolis(fast, lattice.neighbours, couplings, fields, order, starts, seed, step)
    for at, i in enumerate(order):
        a, b, _, _ = words_of(at, step, int(kernels.PROPOSALS) + int(lattice.colours[i]), seed)
        new = (plain[i] + 1 + (b * 2 >> 32)) % 3
        near = plain[lattice.neighbours[i]]
        gain = fields[new] - fields[plain[i]] + 0.4 * (np.sum(near == new) - np.sum(near == plain[i]))
        if (a + 0.5) / 2**32 < math.exp(min(gain, 0.0)):
            plain[i] = new
    assert np.array_equal(fast, plain)
    assert not np.array_equal(fast, before)


CORNER = (((0, (0, 0)), (0, (0, 1)), (0, (1, 0))), ((0, (0, 0)),))  # three spins, and the spin itself: an odd operator


def test_products_of_spins_against_every_state():
    """Pairs of two shells, plaquettes, diamonds and an odd operator together, on 3 x 4 sites."""
    lattice, pairs = square(3, 4), (0.2, -0.1)
    operators = [(0.15, PLAQUETTE), (-0.05, DIAMOND), (0.03, CORNER)]
    states = spin_states(12).astype(int)
    tables = [lattice.bonds, lattice.shell(2).bonds, *(lattice.products(one) for _, one in operators)]
    padded = np.concatenate([states, np.ones((1, states.shape[1]), int)])  # site -1 is a spin that is always up
    sums = np.stack([padded[table].prod(axis=1).sum(axis=0) for table in tables])
    couplings = np.array([*pairs, *(k for k, _ in operators)])
    weight = np.exp(couplings @ sums)
    weight /= weight.sum()
    drawn = sample(lattice, pairs, products=operators, samples=6000, seed=8)
    assert drawn.algorithm == "heat-bath"
    for a in range(5):
        found = mean(drawn.bond_sums[:, a])
        assert abs(found.value - weight @ sums[a]) < 4 * found.error
    energy = mean(drawn.energies)
    assert abs(energy.value + weight @ (couplings @ sums) / 12) < 4 * energy.error
    again = np.concatenate([drawn.configurations.reshape(-1, 12).T, np.ones((1, 6000), int)])
    assert np.array_equal(drawn.bond_sums.T, [again[table].prod(axis=1).sum(axis=0) for table in tables])


def test_operators_by_name_are_their_products():
    lattice, named = square(6), {operator.name: operator for operator in even_operators("square")}
    by_name = [(0.1, named["plaquette"]), (-0.05, named["diamond"])]
    found = sample(lattice, 0.2, products=by_name, samples=100, seed=3)
    again = sample(lattice, 0.2, products=[(0.1, PLAQUETTE), (-0.05, DIAMOND)], samples=100, seed=3)
    assert np.array_equal(found.configurations, again.configurations)
    assert np.array_equal(found.bond_sums, again.bond_sums)


def test_a_sweep_of_the_heat_bath_is_that_of_plain_python():
    lattice, seed, step = square(4, 6), UINT(9), UINT((1 << 40) + 17)
    terms = lattice.products(PLAQUETTE)
    couplings = np.random.default_rng(1).normal(size=len(terms))
    touching = np.array([np.flatnonzero((terms == i).any(axis=1)) for i in range(24)], np.int32)
    before = np.random.default_rng(2).integers(2, size=24).astype(np.int8)
    fast, plain = before.copy(), 2 * before.astype(int) - 1
    kernels.heat_bath(fast, terms, couplings, touching, 0.1, seed, step)
    for i in range(24):
        weights = []
        for s in (-1, 1):
            plain[i] = s
            weights.append(math.exp(float(couplings @ plain[terms].prod(axis=1)) + 0.1 * s))
        u = (words_of(i, step, kernels.HEAT, seed)[0] + 0.5) / 2**32
        plain[i] = 1 if u < weights[1] / sum(weights) else -1
    assert np.array_equal(2 * fast.astype(int) - 1, plain)


def test_products_that_do_not_fit():
    for cells, operator, words in (
        (2, PLAQUETTE[:0], "without products"),
        (2, DIAMOND, "one twice"),
        (4, (((1, (0, 0)),),), "does not fit"),
        (4, (((0, (0,)),),), "does not fit"),
    ):
        with pytest.raises(ValueError, match=words):
            square(cells).products(operator)


def test_slow_chains_are_not_taken_for_equilibrium():
    """Metropolis at the critical point of 32 x 32 needs a record of thousands of sweeps, clusters do not."""
    with pytest.raises(ValueError, match="no equilibrium after"):
        sample(square(32), CRITICAL, samples=8, seed=1, algorithm="metropolis", longest=512)
    assert sample(square(32), CRITICAL, samples=8, seed=1, longest=2048).dropped <= 1024


@pytest.mark.parametrize("algorithm", ["swendsen-wang", "wolff", "multispin"])
@pytest.mark.parametrize(("side", "coupling"), [(16, CRITICAL), (24, 0.47)])
def test_against_kaufman(side, coupling, algorithm):
    """Energy of a torus too large to count, within 4 standard errors."""
    drawn = sample(square(side), coupling, samples=4000, seed=21, algorithm=algorithm)
    energy = mean(drawn.energies).scaled(1 / coupling)
    assert abs(energy.value - torus_energy(coupling, (side, side))) < 4 * energy.error
    assert energy.error < 0.005


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "coupling", "per_bond"),
    [
        (square, CRITICAL, math.sqrt(0.5)),
        (triangular, math.log(3) / 4, 2 / 3),
        (honeycomb, math.log(2 + math.sqrt(3)) / 2, 4 / (3 * math.sqrt(3))),
    ],
)
def test_critical_energies_of_the_infinite_lattices(build, coupling, per_bond):
    """E_L = E + a / L + O(1 / L^3) on a critical torus (Ferdinand and Fisher, 1969): 2 E_2L - E_L is E within errors.

    At L = 16 the rest is 2e-5 on the square lattice (Kaufman), far below the error asked for.
    """
    energies = []
    for side in (16, 32):
        drawn = sample(build(side), coupling, samples=6000, seed=4, algorithm="swendsen-wang")
        energies.append(mean(drawn.bond_sums[:, 0] / len(build(side).bonds)))
    found = energies[1].scaled(2).minus(energies[0])
    assert 1 / 16**3 < found.error < 0.004
    assert abs(found.value - per_bond) < 4 * found.error


def test_which_algorithm_is_chosen():
    assert sample(square(8), CRITICAL, samples=64, seed=1).algorithm == "multispin"
    for lattice, coupling, options in [
        (square(8), CRITICAL, {"samples": 10}),
        (square(8), CRITICAL, {"every": 2}),
        (square(9), CRITICAL, {}),
        (square(8), 0.01, {}),
        (square(8), CRITICAL, {"field": 0.1}),
        (triangular(6), 0.2, {}),
        (square(8), 0.4, {"model": "potts"}),
    ]:
        drawn = sample(lattice, coupling, **{"samples": 64, "seed": 1, "equilibration": 1, **options})
        assert drawn.algorithm == "swendsen-wang"
    assert sample(square(128), CRITICAL, samples=64, seed=1, equilibration=1).algorithm == "swendsen-wang"
    assert sample(square(8), -0.2, samples=64, seed=1).algorithm == "metropolis"


def test_ground_states():
    """So cold that nothing moves but the sign: no drift, and both signs are seen."""
    drawn = sample(square(4), 12.0, samples=200, seed=1, algorithm="swendsen-wang")
    assert np.all(np.abs(drawn.magnetisations) == 1)
    assert abs(drawn.magnetisations.mean()) < 4.5 / math.sqrt(200)
    assert drawn.autocorrelation_time.value == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coupling": -0.2, "algorithm": "wolff"}, "needs couplings >= 0"),
        ({"field": 0.1, "algorithm": "wolff"}, "no field"),
        ({"states": 3}, "potts"),
        ({"model": "xy"}, "potts"),
        ({"model": "potts", "states": 200}, "2 to 127"),
        ({"coupling": math.nan}, "finite"),
        ({"samples": 0}, "at least one"),
        ({"every": 0}, "at least one sweep"),
        ({"algorithm": "heat"}, "one of"),
        ({"algorithm": "heat-bath", "model": "potts"}, "for Ising"),
        ({"products": [(0.1, PLAQUETTE)], "algorithm": "metropolis"}, "by heat-bath"),
        ({"algorithm": "multispin", "field": 0.1}, "even sides"),
        ({"algorithm": "multispin", "coupling": -0.1}, "even sides"),
        ({"equilibration": -1}, "dropped"),
        ({"algorithm": "multispin", "lattice": square(2)}, "16 sites"),
    ],
)
def test_refusals(options, words):
    options = {"coupling": 0.3, "samples": 4, **options}
    with pytest.raises(ValueError, match=words):
        sample(options.pop("lattice", square(4)), options.pop("coupling"), seed=1, **options)
