"""Counted states against plain sums over all states and against closed forms."""

import itertools
import math

import numpy as np
import pytest

from kadanoff.lattices.block_enumeration import bond_sum, log_partition, spin_states
from kadanoff.lattices.enumeration import spectrum
from kadanoff.lattices.lattice import bravais, cubic, honeycomb, square, triangular


@pytest.mark.parametrize("coupling", [0.0, 0.2, 0.44, 1.0])
def test_square_against_all_states(coupling):
    states = spin_states(16)
    bonds, total = bond_sum(states, (4, 4)), states.sum(axis=0, dtype=int)
    found = spectrum(square(4))
    assert found.degeneracy.sum() == 2**16
    for field in (0.0, 0.1):
        weight = np.exp(coupling * bonds + field * total)
        assert found.log_partition(coupling, field) == pytest.approx(math.log(weight.sum()), abs=1e-12)
        exact = float((weight * np.abs(total)).sum() / weight.sum() / 16)
        assert found.mean(np.abs(found.magnetisations), coupling, field) == pytest.approx(exact, abs=1e-12)
        energy = -float((weight * (coupling * bonds + field * total)).sum() / weight.sum()) / 16
        assert found.energy(coupling, field) == pytest.approx(energy, abs=1e-12)
    if coupling:
        assert found.log_partition(coupling) == pytest.approx(log_partition(coupling, (4, 4)), abs=1e-11)
    each = np.exp(coupling * bonds - found.log_partition(coupling))
    assert found.entropy(coupling) == pytest.approx(-float((each * np.log(each)).sum()) / 16, abs=1e-12)


@pytest.mark.parametrize("lattice", [triangular(3), honeycomb(2), cubic(2)], ids=lambda one: one.name)
def test_other_lattices_and_next_neighbours_against_all_states(lattice):
    states = spin_states(lattice.sites).astype(int)
    both = lattice.cells[0] > 2
    chosen = [lattice, lattice.shell(2)] if both else [lattice]
    sums = [(states[one.bonds[:, 0]] * states[one.bonds[:, 1]]).sum(axis=0) for one in chosen]
    couplings = [0.3, -0.1][: len(chosen)]
    weight = np.exp(sum(k * s for k, s in zip(couplings, sums, strict=True)))
    found = spectrum(lattice, shells=len(chosen))
    assert found.log_partition(couplings) == pytest.approx(math.log(weight.sum()), abs=1e-12)


def test_potts_ring_and_plain_sum():
    """q = 3: a ring is (e^K + q - 1)^n + (q - 1) (e^K - 1)^n, and 2 x 3 sites are summed plainly."""
    k, q = 0.7, 3
    ring = spectrum(bravais((7,), [(0, 0, (1,))]), model="potts", states=q)
    exact = (math.exp(k) + q - 1) ** 7 + (q - 1) * (math.exp(k) - 1) ** 7
    assert ring.log_partition(k) == pytest.approx(math.log(exact), abs=1e-12)
    lattice = square(2, 3)
    states = np.array(list(itertools.product(range(q), repeat=6)))
    like = (states[:, lattice.bonds[:, 0]] == states[:, lattice.bonds[:, 1]]).sum(axis=1)
    weight = np.exp(k * like + 0.2 * (states == 0).sum(axis=1))
    most = np.stack([(states == s).sum(axis=1) for s in range(q)]).max(axis=0)
    found = spectrum(lattice, model="potts", states=q)
    assert found.log_partition(k, 0.2) == pytest.approx(math.log(weight.sum()), abs=1e-12)
    exact = float((weight * (q * most / 6 - 1) / (q - 1)).sum() / weight.sum())
    assert found.mean(found.magnetisations, k, 0.2) == pytest.approx(exact, abs=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="too many"):
        spectrum(square(6))
    with pytest.raises(ValueError, match="one or two shells"):
        spectrum(square(3), shells=3)
    with pytest.raises(ValueError, match="ising"):
        spectrum(square(3), states=3)
    with pytest.raises(ValueError, match="couplings given"):
        spectrum(square(3)).log_partition([0.1, 0.2])
