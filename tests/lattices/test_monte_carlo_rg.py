"""Monte Carlo renormalization group: exact stability matrices, published exponents, refusals, controls."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.lattices.blocked_operators import _potts_levels, join_sums, level_sums, possible_levels
from kadanoff.lattices.blocking import block_packed, lattice_blocks, pack_spins
from kadanoff.lattices.lattice import honeycomb, square, triangular
from kadanoff.lattices.monte_carlo_rg import critical_exponents, exponents, sector_of
from kadanoff.lattices.operators import even_operators, odd_operators, operator_sums
from kadanoff.lattices.sampling import sample
from kadanoff.lattices.two_lattice import matched_couplings

CRITICAL = math.log1p(math.sqrt(2.0)) / 2


@pytest.fixture(scope="module")
def critical():
    return sample(square(32), CRITICAL, samples=6000, algorithm="swendsen-wang", every=4, seed=11).configurations


@pytest.fixture(scope="module")
def result(critical):
    return critical_exponents(critical, square(32))


def test_matrices_are_covariances_and_only_even_means_are_taken_off(critical, result):
    lattice = square(32)
    spins = pack_spins(critical)
    blocks = lattice_blocks(lattice)
    coarse, _ = block_packed(spins, blocks)
    used = slice(len(critical) - len(critical) // result.bins * result.bins, None)
    for sector, operators in ((result.even, even_operators("square")), (result.odd, odd_operators("square"))):
        s = operator_sums(spins, lattice, operators)[used].astype(float)
        t = operator_sums(coarse, blocks.coarse, operators)[used].astype(float)
        if sector is result.even:
            s, t = s - s.mean(axis=0), t - t.mean(axis=0)
        matrix = np.linalg.solve(t.T @ t, t.T @ s)
        assert np.allclose(sector.matrices[0], matrix, rtol=1e-6, atol=1e-8)
        found = max(np.linalg.eigvals(matrix), key=abs)
        assert sector.values[0, -1] == pytest.approx(math.log2(found.real), abs=1e-9)


def test_exponents_of_the_square_lattice_agree_with_the_published_table(result):
    # 32^2 start, 20,000 configurations in the published run: 0.972(6) -> 0.992(10), 1.8812(3) -> 1.8759(5)
    assert result.fate == "critical"
    assert result.bins <= 6000 / (10 * result.correlation_time)
    published = ((result.even, [(0.972, 0.006), (0.992, 0.010)]), (result.odd, [(1.8812, 3e-4), (1.8759, 5e-4)]))
    for sector, rows in published:
        for k, (value, error) in enumerate(rows):
            entry = sector.estimate(k)
            assert abs(entry.value - value) < 4 * math.hypot(entry.error, error)
    assert abs(result.even.estimate(1).value - 1.0) < 4 * result.even.estimate(1).error
    assert "y_t" in result.table()
    assert "32->16" in result.table()
    assert "last blocking" in result.verdict()


def test_jackknife_errors_are_those_of_repeated_runs():
    lattice = square(16)
    values, errors = [], []
    for seed in range(16):
        spins = sample(
            square(16), CRITICAL, samples=1000, algorithm="swendsen-wang", every=3, seed=100 + seed
        ).configurations
        entry = critical_exponents(spins, lattice).even.estimate(0, 2)
        values.append(entry.value)
        errors.append(entry.error)
    ratio = np.std(values, ddof=1) / math.sqrt(np.mean(np.square(errors)))
    assert 0.5 < ratio < 1.6  # 16 runs know a spread to 18 %: within three of it


def test_decimation_gives_the_dimension_for_an_exponent(critical):
    found = critical_exponents(critical, square(32), rule="decimation")
    entry = found.odd.estimate(0, 1)
    assert abs(entry.value - 2.0) < 0.01
    assert abs(entry.value - 15 / 8) > 20 * entry.error


@pytest.mark.parametrize(
    ("coupling", "fate", "words"), [(0.36, "disordered", "high temp"), (0.5, "ordered", "low temp")]
)
def test_off_critical_spins_flow_to_a_trivial_fixed_point(coupling, fate, words):
    spins = sample(square(32), coupling, samples=1000, algorithm="swendsen-wang", every=4, seed=3).configurations
    found = critical_exponents(spins, square(32))
    assert found.fate == fate
    assert words in found.verdict()
    assert len(found.even.values) == len(found.odd.values) == 0
    first, last = found.correlations[0].value, found.correlations[-1].value
    assert (last > first) == (fate == "ordered")


def test_random_spins_have_no_fixed_point():
    spins = np.random.default_rng(5).choice(np.array([-1, 1], dtype=np.int8), (1000, 32, 32))
    found = critical_exponents(spins, square(32))
    assert found.fate == "independent"
    assert "no fixed point" in found.verdict().lower()


@pytest.mark.parametrize("shares", [(0.4, 0.6), (0.2, 0.3, 0.5)])
def test_free_spins_in_a_field_have_no_fixed_point(shares):
    """They are alike more often than not, and were given exponents: y_t = -0.17(8) and y_h = 1.472(8)."""
    q = len(shares)
    states = np.random.default_rng(5).choice(np.arange(q, dtype=np.int8), (1000, 32, 32), p=shares)
    found = critical_exponents(states if q > 2 else 2 * states - 1, square(32), q=q)
    assert found.fate == "independent"
    assert len(found.even.values) == 0


def test_more_potts_states_than_there_are_is_refused():
    """Three states called four gave y_h = 1.896(1) instead of 1.866(2)."""
    states = np.random.default_rng(5).integers(3, size=(300, 16, 16), dtype=np.int8)
    with pytest.raises(ValueError, match="state 3 of 4 never occurs"):
        critical_exponents(states, square(16), q=4)


def test_copies_of_samples_are_refused(critical):
    """Five times the same run: errors were too small by more than a third and no word was said."""
    with pytest.raises(ValueError, match="samples differ, and the others"):
        critical_exponents(np.tile(critical[:300], (5, 1, 1)), square(32))


def test_pieces_joined_are_the_whole_and_the_seed_decides_the_coins(critical):
    lattice = square(32)
    parts = [level_sums(critical[:640], lattice), level_sums(critical[640:1280], lattice, seed=1)]
    joined = join_sums(parts)
    assert np.array_equal(joined[2].even[:640], parts[0][2].even)
    assert len(joined[0].odd) == 1280
    assert np.array_equal(level_sums(critical[:640], lattice)[1].even, parts[0][1].even)
    assert np.any(level_sums(critical[:640], lattice, seed=1)[1].even != parts[0][1].even)


def test_potts_with_two_states_is_the_ising_model(critical):
    lattice = square(32)
    ising = level_sums(critical[:500], lattice)[0]
    operators = even_operators("square")[:2], odd_operators("square")[:1]
    potts = _potts_levels((critical[:500] + 1) // 2, lattice, 1, 2, 2, "coin", *operators, 0)[0]
    assert np.array_equal(2 * potts.even - [2048, 2048], ising.even[:, :2])
    assert np.allclose(potts.odd[:, 0, 1] - potts.odd[:, 0, 0], ising.odd[:, 0, 0])


def test_two_lattices_match_at_the_critical_coupling():
    start = 0.436  # one percent below
    large = level_sums(
        sample(square(32), start, samples=4000, algorithm="swendsen-wang", every=4, seed=21).configurations,
        square(32),
    )
    small = level_sums(
        sample(square(16), start, samples=4000, algorithm="swendsen-wang", every=4, seed=22).configurations,
        square(16),
    )
    found = matched_couplings(large, small, start)
    assert abs(found[-1].value - CRITICAL) < 4 * found[-1].error + 0.001  # a Newton step of 0.005 leaves its square
    assert found[-1].error < 0.002
    with pytest.raises(ValueError, match="must be alike"):
        matched_couplings(large, large, start)


def test_bad_data_are_refused_with_what_to_do(critical):
    lattice = square(32)
    with pytest.raises(ValueError, match=r"errors need 20: \d+ samples"):
        critical_exponents(critical[:100], lattice)
    with pytest.raises(ValueError, match="nothing fluctuates"):
        critical_exponents(np.ones((1000, 32, 32), dtype=np.int8), lattice)
    drifting = np.concatenate(
        [
            sample(square(32), 0.6, samples=600, algorithm="swendsen-wang", every=1, seed=1).configurations,
            critical[:2400],
        ]
    )
    with pytest.raises(ValueError, match=r"not in equilibrium.*leave out the first \d+"):
        critical_exponents(drifting, lattice)
    with pytest.raises(ValueError, match="use a larger lattice"):
        possible_levels(square(12))
    with pytest.raises(ValueError, match="it needs a side that the edge of 2 divides"):
        possible_levels(square(17))
    with pytest.raises(ValueError, match="blockings asked for"):
        level_sums(critical[:100], lattice, levels=3)
    with pytest.raises(ValueError, match="bins"):
        critical_exponents(critical, lattice, bins=4000)
    with pytest.raises(ValueError, match="Potts configurations"):
        level_sums(pack_spins(critical[:64]), lattice, q=3)


def test_complex_eigenvalues_are_reported_and_never_made_real():
    generator = np.random.default_rng(0)
    fine = generator.normal(size=(4000, 2))
    turn = np.array([[1.0, -1.5], [1.5, 1.0]])
    coarse = fine @ np.linalg.inv(turn)  # <S'S'>^-1 <S'S> is then the rotation
    sector = sector_of(even_operators("square")[:2], [(fine[:, :, None], coarse[:, :, None], 2.0)], 20, True)
    assert sector.estimate(0) is None
    assert sorted(sector.eigenvalues[0].imag) == pytest.approx([-1.5, 1.5], abs=1e-9)
    assert np.isnan(sector.values[0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["triangular", "honeycomb"])
def test_other_lattices_flow_to_the_same_exponents(name):
    lattice, coupling, samples = {
        "triangular": (triangular(216), math.log(3) / 4, 3000),
        "honeycomb": (honeycomb(128), math.acosh(2) / 2, 5000),
    }[name]
    drawn = (
        sample(lattice, coupling, samples=samples, algorithm="swendsen-wang", every=4, seed=seed).configurations
        for seed in range(2)
    )
    parts = [level_sums(spins, lattice, seed=seed) for seed, spins in enumerate(drawn)]
    found = exponents(join_sums(parts))
    for sector, exact in ((found.even, 1.0), (found.odd, 15 / 8)):
        entry = sector.estimate(len(sector.values) - 1)
        assert abs(entry.value - exact) < 4 * entry.error
        assert entry.error < (0.025 if exact == 1 else 0.002)


@pytest.mark.slow
def test_a_large_lattice_gives_both_exponents_to_two_thousandths():
    # the third blocking, 64 -> 32: two have rid the spins of their lattice, and its width is not felt yet.
    # Every second sweep: what a blocking forgets is new far sooner than the energy is
    drawn = (
        sample(
            square(256), CRITICAL, samples=8000, algorithm="swendsen-wang", every=2, equilibration=256, seed=seed
        ).configurations
        for seed in range(22)
    )
    parts = [level_sums(spins, square(256), levels=3, seed=seed) for seed, spins in enumerate(drawn)]
    found = exponents(join_sums(parts))
    y_t, y_h = found.even.estimate(2), found.odd.estimate(2)
    assert y_t.error < 2e-3
    assert abs(y_t.value - 1.0) < 4 * y_t.error
    assert y_h.error < 2e-4
    assert abs(y_h.value - 15 / 8) < 2e-3
