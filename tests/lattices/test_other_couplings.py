"""Couplings of Potts states and real fields: what was put in comes out, and what has none is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import f

from kadanoff.lattices._kernels.state_scores import state_scores
from kadanoff.lattices.couplings import fit_couplings, other_sites
from kadanoff.lattices.lattice import square
from kadanoff.lattices.operators import clusters, even_operators, odd_operators
from kadanoff.lattices.other_couplings import fit_field_couplings, fit_potts_couplings
from kadanoff.lattices.phi4 import sample_fields
from kadanoff.lattices.sampling import sample

POTTS = math.log1p(math.sqrt(3.0))
EVEN = even_operators("square")


def agree(found, expected):
    """Hotelling's statistic: (b - p) / (p (b - 1)) d C^-1 d follows F(p, b - p)."""
    d = found.values - expected
    p, b = len(d), found.blocks
    return f.sf((b - p) / (p * (b - 1)) * d @ np.linalg.solve(found.covariance, d), p, b - p)


@pytest.fixture(scope="module")
def potts():
    return sample(
        square(32), POTTS, samples=300, model="potts", states=3, algorithm="swendsen-wang", every=10, seed=3
    ).configurations


def test_potts_couplings_put_in_come_out_of_themselves_and_of_two_neighbours(potts):
    found = fit_potts_couplings(potts, square(32), 3)
    assert agree(found, POTTS * np.eye(5)[0]) > 1e-4
    assert found["nn"].error < 0.04
    both = sample(
        square(16), (0.5, 0.3), samples=800, model="potts", states=4, algorithm="swendsen-wang", every=4, seed=4
    ).configurations
    assert agree(fit_potts_couplings(both, square(16), 4, EVEN[:3]), np.array([0.5, 0.3, 0.0])) > 1e-4


def test_pairs_of_two_states_are_twice_the_ising_ones():
    spins = sample(square(16), 0.4, samples=200, algorithm="swendsen-wang", every=4, seed=5).configurations
    pairs = tuple(kind for kind in EVEN if len(kind.places) == 2)[:3]
    ising = fit_couplings(spins, square(16), pairs)
    states = fit_potts_couplings((spins + 1) // 2, square(16), 2, pairs)
    assert np.allclose(states.values, 2 * ising.values, atol=1e-7)
    assert np.allclose(states.covariance, 4 * ising.covariance, rtol=1e-5)


def test_the_scores_are_those_of_the_plain_conditional_probabilities():
    lattice, q = square(4), 3
    kinds = (*EVEN[:3], odd_operators("square")[1])
    states = np.random.default_rng(2).integers(0, q, (3, 16), dtype=np.int8)
    k = np.array([0.6, -0.2, 0.3, 0.1])
    gradient, curvature = np.zeros(4), np.zeros((4, 4))
    tables = [clusters(kind, lattice) for kind in kinds]
    cost = state_scores(states, q, *other_sites(tables, 16), k, gradient, curvature)

    def plain(at):
        total = 0.0
        for row in states:
            for i in range(16):
                logs = []
                for state in range(q):
                    turned = row.copy()
                    turned[i] = state
                    alike = [np.all(turned[table] == turned[table][:, :1], axis=1).sum() for table in tables]
                    logs.append(at @ alike)
                total += np.logaddexp.reduce(logs) - logs[row[i]]
        return total

    steps = 1e-4 * np.eye(4)
    assert cost == pytest.approx(plain(k))
    assert np.allclose(-gradient, [(plain(k + h) - plain(k - h)) / 2e-4 for h in steps], atol=1e-5)
    for a, b in ((0, 0), (0, 2), (3, 1)):
        h, g = steps[a], steps[b]
        second = (plain(k + h + g) - plain(k + h - g) - plain(k - h + g) + plain(k - h - g)) / 4e-8
        assert curvature[a, b] == pytest.approx(second, abs=1e-4)


def test_random_states_have_no_couplings_and_aligned_ones_are_refused():
    lattice = square(16)
    states = np.random.default_rng(6).integers(0, 3, (100, 16, 16), dtype=np.int8)
    assert agree(fit_potts_couplings(states, lattice, 3), np.zeros(5)) > 1e-4
    with pytest.raises(ValueError, match="leave a coupling open"):
        fit_potts_couplings(np.zeros((40, 16, 16)), lattice, 3)
    with pytest.raises(ValueError, match="states 0 to 1"):
        fit_potts_couplings(states, lattice, 2)
    with pytest.raises(ValueError, match="10 blocks"):
        fit_potts_couplings(states[:5], lattice, 3)
    with pytest.raises(ValueError, match="magnetization is of one"):
        fit_potts_couplings(states, lattice, 3, odd_operators("square")[:1])


def test_field_couplings_put_in_come_out_and_a_free_field_has_no_quartic_one():
    lattice = square(16)
    for coupling, quartic, seed in ((0.5, 1.0, 7), (0.45, 0.0, 8)):
        fields = sample_fields(square(16), coupling, quartic, samples=300, every=4, seed=seed).configurations
        found = fit_field_couplings(fields, lattice, EVEN[:2])
        assert agree(found, np.array([coupling, 0.0, 1 - 2 * quartic, quartic])) > 1e-4
        assert found["nn"].error < 0.02
    with pytest.raises(ValueError, match="leave a coupling open"):
        fit_field_couplings(np.random.default_rng(1).choice([-1.0, 1.0], (40, 16, 16)), lattice)
    with pytest.raises(ValueError, match="plaquette is none"):
        fit_field_couplings(fields, lattice, EVEN[2:3])
    with pytest.raises(ValueError, match="finite"):
        fit_field_couplings(np.full((40, 16, 16), math.nan), lattice)
