"""Block spins against closed forms: free spins, ground states, Kaufman's torus, transfer matrices, data processing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from kadanoff.lattices import bond_sum, channel, enumerate_states, information, log_partition, spin_states
from kadanoff.lattices.studies.block_spins import CRITICAL, BlockSpins, block_spins, exact_entropy, nats_per_block
from kadanoff.maps import Map
from kadanoff.study import Run

LN2 = math.log(2)
BONDS = bond_sum(spin_states(16), (4, 4))
RULES = {rule: channel((4, 4), 2, rule) for rule in ("coin", "first", "decimation")}
COUNTED = {rule: enumerate_states(BONDS, matrix) for rule, matrix in RULES.items()}


def transfer_matrix(coupling: float) -> float:
    """ln Z of the 4 x 4 torus as ln tr T^4 over the 16 states of a row; log weights, so that no K overflows."""
    rows = spin_states(4).T.astype(float)
    inside = coupling * (rows * np.roll(rows, 1, axis=1)).sum(axis=1)
    log_t = coupling * rows @ rows.T + (inside[:, None] + inside[None, :]) / 2
    shift = log_t.max()
    return float(np.log(np.trace(np.linalg.matrix_power(np.exp(log_t - shift), 4))) + 4 * shift)


@pytest.mark.parametrize("coupling", [0.05, 0.3, CRITICAL, 0.8, 2.0])
def test_three_roads_to_the_partition_function(coupling):
    counted = float(logsumexp(coupling * BONDS))
    assert counted == pytest.approx(transfer_matrix(coupling), abs=1e-11)
    assert counted == pytest.approx(log_partition(coupling, (4, 4)), abs=1e-11)


def test_another_rule_is_refused():
    with pytest.raises(ValueError, match="expected one of coin, first, decimation, got 'majority'"):
        channel((4, 4), 2, "majority")


def test_kaufman_on_an_oblong_torus():
    bonds = bond_sum(spin_states(12), (3, 4))
    for coupling in (0.2, 0.5, 1.0):
        for shape in ((3, 4), (4, 3)):
            assert log_partition(coupling, shape) == pytest.approx(float(logsumexp(coupling * bonds)), abs=1e-11)
    with pytest.raises(ValueError, match="K > 0"):
        log_partition(0.0, (4, 4))


@pytest.mark.parametrize("coupling", [0.1, CRITICAL, 1.0])
def test_energy_is_the_slope_of_the_transfer_matrix(coupling):
    weight = np.exp(coupling * (BONDS - BONDS.max()))
    h = 2e-3
    low2, low, high, high2 = (transfer_matrix(coupling + n * h) for n in (-2, -1, 1, 2))
    slope = (low2 - 8 * low + 8 * high - high2) / (12 * h)
    assert (weight * BONDS).sum() / weight.sum() == pytest.approx(slope, abs=1e-7)
    assert 4 * information(COUNTED["coin"], coupling, 4).fine == pytest.approx(
        transfer_matrix(coupling) - coupling * slope, abs=1e-7
    )
    assert exact_entropy(coupling) == pytest.approx(transfer_matrix(coupling) - coupling * slope, abs=1e-7)


@pytest.mark.parametrize(("rule", "kept"), [("coin", LN2 * 10 / 16), ("first", LN2), ("decimation", LN2)])
def test_free_spins(rule, kept):
    hot = information(COUNTED[rule], 0.0, 4)
    assert 4 * hot.fine == pytest.approx(16 * LN2, rel=1e-14)
    assert hot.coarse == pytest.approx(LN2, rel=1e-14)
    assert hot.kept == pytest.approx(kept, rel=1e-13)
    assert hot.lost == pytest.approx(4 * LN2 - kept, rel=1e-13)


@pytest.mark.parametrize("rule", list(RULES))
def test_ground_states(rule):
    cold = information(COUNTED[rule], 8.0, 1)
    assert (cold.fine, cold.kept, cold.lost, cold.noise) == pytest.approx((LN2, LN2, 0.0, 0.0), abs=1e-11)


def test_gathered_states_are_all_states():
    """The fast way, by levels of energy, against the plain sum over all 65 536 states."""
    for rule, matrix in RULES.items():
        for coupling in (0.0, 0.37, 1.1):
            p = np.exp(coupling * (BONDS - BONDS.max()))
            p /= p.sum()
            joint = p[:, None] * matrix
            q = joint.sum(axis=0)
            positive = joint > 0
            mutual = (joint[positive] * np.log((joint / (p[:, None] * q[None, :]))[positive])).sum()
            found = information(COUNTED[rule], coupling, 4)
            assert found.kept == pytest.approx(mutual / 4, abs=1e-12)
            assert found.fine == pytest.approx(-(p * np.log(p)).sum() / 4, abs=1e-12)


def test_the_channel_is_the_map_with_a_rule():
    """Each row is what `Map.blocks` and a majority of its sums say, block by block."""
    states = spin_states(16)
    sums = Map.blocks((4, 4), 2).sum(states)
    for rule, matrix in RULES.items():
        assert matrix.shape == (2**16, 16)
        assert np.array_equal(matrix.sum(axis=1), np.ones(2**16))
        assert set(np.unique(matrix)) <= {0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0}
        up = matrix @ ((np.arange(16)[:, None] >> np.arange(4)) & 1)  # probability that each block is up
        if rule == "decimation":
            assert np.array_equal(up.T, (states[[0, 2, 8, 10]] + 1) / 2)
        else:
            tie = states[[0, 2, 8, 10]] if rule == "first" else 0 * sums
            assert np.array_equal(up.T, (np.sign(np.where(sums == 0, tie, sums)) + 1) / 2)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.0, 5.0), st.sampled_from(list(RULES)), st.sampled_from(list(RULES)))
def test_data_processing(coupling, first, second):
    """0 <= I after two steps <= I after one <= H, whatever the rules and the coupling."""
    once = information(COUNTED[first], coupling, 1)
    twice = information(enumerate_states(BONDS, RULES[first] @ channel((2, 2), 2, second)), coupling, 1)
    assert -1e-12 <= twice.kept <= once.kept + 1e-12
    assert once.kept <= once.fine + 1e-12
    assert once.lost >= -1e-12


def test_two_steps_are_not_one_big_step():
    """Majority does not compose: 2 x 2 twice is another map than 4 x 4 at once."""
    twice, at_once = RULES["first"] @ channel((2, 2), 2, "first"), channel((4, 4), 4, "first")
    assert twice.shape == at_once.shape
    assert np.any(twice != at_once)


def test_too_many_spins_and_blocks_that_do_not_fit():
    with pytest.raises(ValueError, match="enumeration"):
        spin_states(21)
    with pytest.raises(ValueError, match="divide"):
        channel((4, 4), 3)


@pytest.mark.parametrize("ties", ["coin", "first"])
def test_the_study(ties):
    result = block_spins(BlockSpins(ties=ties, points=7), Run())
    assert result.verdict.passed is True
    assert all(loss.holds for loss in result.ledger)
    value = {name: number.value for name, number in result.reported.items()}
    # the sum over all states at K_c, from the plain test above: kept + lost is the entropy
    assert value["kept_critical"] + value["lost_critical"] == pytest.approx(value["entropy_critical"], rel=1e-13)
    assert value["kept_twice_critical"] < value["kept_critical"]
    assert result.data["majority"].sel(quantity="kept").values == pytest.approx(
        nats_per_block(ties, 1, np.linspace(0, 1.2, 7))[:, 3], rel=1e-13
    )


def test_numbers_of_the_study_stay():
    result = block_spins(BlockSpins(points=3), Run())
    assert result.reported["kept_critical"].value == pytest.approx(0.3018770, abs=1e-7)
    assert result.reported["lost_critical"].value == pytest.approx(0.8188029, abs=1e-7)
