"""Variational renormalization: exact couplings of small tori, exact derivatives, free blocks, no slowing down."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.optimize import brentq, minimize, root

from kadanoff.lattices._kernels.biased_blocks import biased_sweeps
from kadanoff.lattices._kernels.sfc64 import next_sfc64, seed_sfc64
from kadanoff.lattices.block_enumeration import bond_sum, channel, spin_states
from kadanoff.lattices.blocking import lattice_blocks, pyramid
from kadanoff.lattices.couplings import fit_couplings
from kadanoff.lattices.lattice import square
from kadanoff.lattices.operators import clusters, even_operators, odd_operators, operator_sums
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.variational_rg import (
    Walkers,
    newton_steps,
    sample_biased,
    system_of,
    variational_couplings,
    variational_fixed_point,
)

CRITICAL = math.log1p(math.sqrt(2.0)) / 2
NN = even_operators("square")[0]


def products(spins, table):
    """The sum over clusters of the products of their spins, of states (n, sites)."""
    return spins.astype(np.int64)[:, table].prod(axis=2).sum(axis=1)


@pytest.mark.parametrize("ties", ["coin", "first"])
def test_with_all_operators_the_bias_is_the_exact_hamiltonian_of_the_blocks(ties):
    weights = np.exp(CRITICAL * bond_sum(spin_states(16), (4, 4)))
    log_p = np.log(weights @ channel((4, 4), 2, ties) / weights.sum())
    tables = [np.array([[0, 1], [2, 3], [0, 2], [1, 3]]), np.array([[0, 3], [1, 2]]), np.array([[0, 1, 2, 3]])]
    states = spin_states(4).T
    exact = np.array([log_p @ states[:, table[0]].prod(axis=1) / 16 for table in tables])
    rest = log_p - sum(k * products(states, table) for k, table in zip(exact, tables, strict=True))
    assert np.ptp(rest) < 1e-12
    lattice = square(4)
    blocks = lattice_blocks(lattice)
    chains = Walkers(system_of(blocks.members, [clusters(NN, lattice)], np.array([CRITICAL]), tables, ties), 16, 3)
    bias = np.array([0.6, 0.3, 0.0])
    for records in (500, 1000, 4000):
        blocked = [spins for _, spins in chains.run(bias, records)]
        sums = np.stack([np.stack([products(one, t) for t in tables], axis=1) for one in blocked]).astype(float)
        step, replicates = newton_steps(sums)
        bias = bias + step
    errors = np.sqrt(15 * replicates.var(axis=0))
    assert np.all(np.abs(bias - exact) < 4 * errors)
    assert np.all(errors < 0.015)


def three_by_three(coupling):
    """Exact ln P of the block spins of a 6 x 6 torus, by a transfer matrix over pairs of rows; states (512, 9)."""
    rows = 2.0 * (np.arange(64)[:, None] >> np.arange(6) & 1) - 1
    along = np.exp(coupling * (rows * np.roll(rows, -1, axis=1)).sum(axis=1))
    across = np.exp(coupling * rows @ rows.T)
    votes = rows.reshape(64, 3, 2).sum(axis=2)
    up = (1 + np.sign(votes[:, None] + votes[None, :])) / 2  # (upper, lower, block)
    transfer = []
    for signs in itertools.product((0, 1), repeat=3):
        chance = np.prod(np.where(np.array(signs) == 1, up, 1 - up), axis=2)
        transfer.append((across * along) @ (across * along * chance))  # from a lower row by an upper to a lower one
    transfer = np.array(transfer)
    pairs = np.einsum("aij,bjk->abik", transfer, transfer)
    p = np.einsum("abik,cki->abc", pairs, transfer).ravel()
    states = np.array(list(itertools.product((-1, 1), repeat=9)), dtype=np.int8)
    return np.log(p / p.sum()), states


def least(log_p, sums):
    """The J at which the operators of the biased block spins have no mean."""

    def means(bias):
        weights = np.exp(log_p - sums @ bias - np.max(log_p - sums @ bias))
        return (weights / weights.sum()) @ sums

    found = root(means, np.array([0.5, 0.1, 0.0]), tol=1e-12)
    assert found.success
    return found.x


def conditional(log_p, states, tables):
    """The exact pseudo-likelihood couplings of a distribution."""
    sums = np.stack([products(states, t) for t in tables], axis=1).astype(float)
    index = {tuple(state): n for n, state in enumerate(states)}
    changes = []
    for site in range(9):
        turned = states.copy()
        turned[:, site] *= -1
        changes.append(sums - sums[[index[tuple(state)] for state in turned]])
    change, p = np.concatenate(changes), np.tile(np.exp(log_p), 9)
    found = minimize(lambda k: p @ np.logaddexp(0, -change @ k), np.zeros(3), method="BFGS", options={"gtol": 1e-10})
    return found.x


def test_couplings_and_their_derivative_are_those_of_the_exact_blocks_for_the_same_operators():
    operators = even_operators("square")[:3]
    coarse = square(3)
    tables = [clusters(kind, coarse) for kind in operators]
    log_p, states = three_by_three(0.35)
    sums = np.stack([products(states, t) for t in tables], axis=1).astype(float)
    exact = least(log_p, sums)
    slope = (least(three_by_three(0.351)[0], sums) - least(three_by_three(0.349)[0], sums)) / 0.002
    runs = [
        variational_couplings(square(6), [0.35], operators, odd=odd_operators("square")[:1], sweeps=1500, seed=seed)
        for seed in range(6)
    ]
    found = np.array([run.couplings.values for run in runs])
    errors = np.sqrt(np.mean([np.diag(run.couplings.covariance) for run in runs], axis=0) / 6)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 4 * errors)
    assert np.all(errors < 0.003)
    columns = np.array([run.even.matrices[0][:, 0] for run in runs])
    spread = columns.std(axis=0, ddof=1) / math.sqrt(6)
    assert np.all(np.abs(columns.mean(axis=0) - slope) < 6.9 * spread)  # Student's t with 5 degrees: 1e-3
    # the first route, truncated too, settles elsewhere, and where it must
    other = conditional(log_p, states, tables)
    drawn = sample(square(6), 0.35, samples=8000, algorithm="swendsen-wang", every=2, seed=8).configurations
    fitted = fit_couplings(pyramid(drawn, square(6), levels=1)[1].spins, coarse, operators)
    assert np.all(np.abs(fitted.values - other) < 4.5 * np.sqrt(np.diag(fitted.covariance)))
    assert np.max(np.abs(other - exact) / errors) > 4


def test_the_fixed_point_of_one_coupling_is_that_of_the_exact_blocks():
    table = clusters(NN, square(3))

    def change(coupling):
        log_p, states = three_by_three(coupling)
        sums = products(states, table).astype(float)

        def mean(bias):
            weights = np.exp(log_p - bias * sums - np.max(log_p - bias * sums))
            return weights @ sums

        return brentq(mean, -1.0, 3.0) - coupling

    exact = brentq(change, 0.2, 1.0, xtol=1e-9)
    eigenvalue = 1 + (change(exact + 1e-3) - change(exact - 1e-3)) / 2e-3
    point, runs = variational_fixed_point(square(6), [0.5], (NN,), odd=(), sweeps=2000, walkers=8, seed=3)
    assert abs(point["nn"].value - exact) < 4 * point["nn"].error
    assert point["nn"].error < 0.01
    y = runs[-1].even.estimate(0)
    assert abs(y.value - math.log2(eigenvalue)) < 4 * y.error
    with pytest.raises(ValueError, match="two at least"):
        variational_fixed_point(square(6), [0.5], (NN,), odd=(), steps=1)


def test_no_couplings_make_none():
    found = variational_couplings(square(16), [0.0], sweeps=400, seed=2).couplings
    d, walkers = found.values, found.blocks
    statistic = (walkers - 5) / (5 * (walkers - 1)) * d @ np.linalg.solve(found.covariance, d)
    assert statistic < 8.25  # F(5, 11): 1.8e-3
    assert np.sqrt(np.diag(found.covariance)).max() < 0.007


@pytest.mark.slow
def test_errors_are_those_of_repeated_runs_and_fall_with_the_root_of_the_sweeps():
    def runs(sweeps):
        return [
            variational_couplings(
                square(8), [0.4], even_operators("square")[:2], odd=odd_operators("square")[:1], sweeps=sweeps,
                walkers=8, seed=seed,
            ).couplings
            for seed in range(12)
        ]  # fmt: skip

    found = {sweeps: runs(sweeps) for sweeps in (400, 1600)}
    stated = {n: np.sqrt(np.mean([np.diag(one.covariance) for one in many], axis=0)) for n, many in found.items()}
    for n, many in found.items():
        ratio = np.std([one.values for one in many], axis=0, ddof=1) / stated[n]
        assert np.all((ratio > 0.4) & (ratio < 1.8))  # 11 degrees of freedom
    assert np.all((stated[400] / stated[1600] > 1.5) & (stated[400] / stated[1600] < 2.7))


def test_free_blocks_do_not_slow_down():
    lattice, none = square(16), np.zeros(5)
    bias = variational_couplings(lattice, [CRITICAL], sweeps=400, walkers=8, seed=4)
    assert bias.correlation_time < 6
    slow = sample_biased(lattice, [CRITICAL], none, records=2000, dropped=500, walkers=8, seed=5)
    fast = sample_biased(lattice, [CRITICAL], bias.couplings.values, records=2000, dropped=500, walkers=8, seed=5)
    magnetization = 5
    assert slow.correlation_time(magnetization) > 20 * fast.correlation_time(magnetization)
    # without bias the samples are those of Ising spins
    energy = slow.fine[:, :, 0].mean(axis=1)
    drawn = operator_sums(
        sample(square(16), CRITICAL, samples=4000, algorithm="swendsen-wang", every=4, seed=6).configurations,
        lattice, even_operators("square")[:1],
    )  # fmt: skip
    error = math.hypot(energy.std(ddof=1) / math.sqrt(8), drawn.std() / math.sqrt(4000 / 3))
    assert abs(energy.mean() - drawn.mean()) < 4 * error


@pytest.mark.parametrize("by_rule", [False, True])
def test_the_kernel_is_its_plain_twin(by_rule):
    lattice = square(8)
    blocks = lattice_blocks(lattice)
    fine, coarse = even_operators("square")[:3], even_operators("square")[:2]
    k, j = np.array([0.3, 0.05, -0.04]), np.array([0.25, 0.1])
    system = system_of(
        blocks.members, [clusters(one, lattice) for one in fine], k, [clusters(one, blocks.coarse) for one in coarse],
        "first" if by_rule else "coin",
    )  # fmt: skip
    generator = np.random.default_rng(3)
    start = generator.choice(np.array([-1, 1], dtype=np.int8), 64)
    coins = generator.choice(np.array([-1, 1], dtype=np.int8), 16)
    key = np.array([5, 7, 2, 1], dtype=np.uint64)
    spins, tossed = start.copy(), coins.copy()
    kept, blocked = np.empty((2, 64), dtype=np.int8), np.empty((2, 16), dtype=np.int8)
    biased_sweeps(
        spins, tossed, system.members, system.by_rule, *system.fine, k, *system.coarse, j, key, 2, kept, blocked
    )

    def majority(spins, coins):
        votes = spins[blocks.members].sum(axis=1)
        return np.where(votes != 0, np.sign(votes), spins[blocks.members[:, 0]] if by_rule else coins)

    fine_tables = [clusters(kind, lattice) for kind in fine]
    tables = [clusters(kind, blocks.coarse) for kind in coarse]

    def weight(spins, coins):
        block = majority(spins, coins).astype(np.int8)
        gains = [products(spins[None], table)[0] for table in fine_tables] @ k
        costs = [products(block[None], table)[0] for table in tables] @ j
        return float(gains - costs)

    here, here_coins = start.copy(), coins.copy()
    state = seed_sfc64(*key)
    for record in range(2):
        for _ in range(2):
            for move in range(64 if by_rule else 80):
                there, there_coins = here.copy(), here_coins.copy()
                if move < 64:
                    there[move] *= -1
                elif here[blocks.members[move - 64]].sum() == 0:
                    there_coins[move - 64] *= -1
                else:
                    continue
                gain = weight(there, there_coins) - weight(here, here_coins)
                word, *state = next_sfc64(*[np.uint64(word) for word in state])
                if (int(word) >> 11) * 2.0**-53 < 0.8 * min(1.0, math.exp(gain)):
                    here, here_coins = there, there_coins
        assert np.array_equal(kept[record], here)
        assert np.array_equal(blocked[record], majority(here, here_coins))
    assert np.array_equal(tossed, here_coins)


def test_threads_change_no_bit():
    lattice = square(8)
    few = even_operators("square")[:2]
    one = variational_couplings(lattice, [0.4], few, odd=(), sweeps=128, walkers=6, seed=1)
    with ThreadPoolExecutor(3) as pool:
        two = variational_couplings(lattice, [0.4], few, odd=(), sweeps=128, walkers=6, seed=1, executor=pool)
    assert np.array_equal(one.couplings.values, two.couplings.values)


def test_what_cannot_be_had_is_refused():
    lattice = square(16)
    even, odd = even_operators("square"), odd_operators("square")
    with pytest.raises(ValueError, match="nearly ordered"):
        variational_couplings(lattice, [8.0], sweeps=128, walkers=8)
    with pytest.raises(ValueError, match=r"remember \d"):
        variational_couplings(lattice, [1.0], sweeps=400, walkers=8)
    with pytest.raises(ValueError, match="coin, first"):
        variational_couplings(lattice, [0.4], ties="up")
    with pytest.raises(ValueError, match="need 8 at least"):
        variational_couplings(lattice, [0.4], walkers=4)
    with pytest.raises(ValueError, match="128 at least"):
        variational_couplings(lattice, [0.4], sweeps=10)
    with pytest.raises(ValueError, match="magnetization"):
        variational_couplings(lattice, [0.4], odd[:1])
    with pytest.raises(ValueError, match="nn is among"):
        variational_couplings(lattice, [0.4], odd=even[:1])
    with pytest.raises(ValueError, match="1 to 5 finite"):
        variational_couplings(lattice, [0.4, math.nan])
    with pytest.raises(ValueError, match="own image"):
        variational_couplings(square(8), [0.4])
    with pytest.raises(ValueError, match="expected 5 numbers"):
        sample_biased(lattice, [0.4], [0.1], records=10)
