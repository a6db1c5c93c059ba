"""The multi-spin code against plain integers: digits, decisions, sweeps, sums; replicas independent of each other."""

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy_generators import numpys_sfc64

from kadanoff.lattices._kernels import multispin
from kadanoff.lattices.chains import Leg, System, digits, run, start
from kadanoff.lattices.enumeration import spectrum
from kadanoff.lattices.lattice import square

MASK = 2**64 - 1


def packed(spins):
    """(64, rows, columns) of 0 and 1 to the two colours with their columns of the other end."""
    weight = 1 << np.arange(64, dtype=np.uint64)
    words = (spins.astype(np.uint64) * weight[:, None, None]).sum(axis=0, dtype=np.uint64)
    rows, columns = words.shape
    out = np.zeros((2, rows, columns // 2 + 2), np.uint64)
    for i in range(rows):
        out[0, i, 1:-1], out[1, i, 1:-1] = words[i, i % 2 :: 2], words[i, (i + 1) % 2 :: 2]
    out[:, :, 0], out[:, :, -1] = out[:, :, -2], out[:, :, 1]
    return out


def test_seeds_differ_and_numpy_draws_the_same():
    scratch = np.empty((2, 7, multispin.LANES), np.uint64)
    multispin.seed_generators(np.uint64(3), np.uint64(5), scratch)
    states = np.moveaxis(scratch[:, :4], 1, 2).reshape(-1, 4)
    assert len(np.unique(states[:, :3])) == 3 * len(states)
    before = states.copy()
    four, eight = digits(0.5), digits(0.25)
    multispin.draw_decisions(scratch[0], four, eight)
    for lane in range(multispin.LANES):
        generator = numpys_sfc64(before[lane])
        words = [int(generator.random_raw()) for _ in range(12)]
        assert generator.state["state"]["state"].tolist() == scratch[0, :4, lane].tolist()
        # p = 1/2 is decided by the first digit: accepted where it differs from the one, u = 0...
        assert int(scratch[0, 5, lane]) == MASK ^ words[0]
        undecided = MASK
        for word in words:
            undecided &= word
        assert int(scratch[0, 4, lane]) == undecided


@pytest.mark.parametrize("coupling", [0.1, math.log1p(math.sqrt(2)) / 2, 0.9, 3.0])
def test_thresholds_are_exact(coupling):
    """The digits give back exp(-4K) and exp(-8K) to 2^-64, far below the 2^-24 of a cheaper code."""
    for factor in (4, 8):
        p = math.exp(-factor * coupling)
        change = digits(p)
        assert set(np.unique(change)) <= {0, MASK}
        binary = np.bitwise_xor.accumulate(change)
        value = sum(Fraction(int(b) & 1, 2 ** (k + 1)) for k, b in enumerate(binary))
        assert abs(value - Fraction(p)) <= Fraction(1, 2**64)


def test_a_sweep_is_that_of_plain_integers():
    """Replica by replica, spin by spin: accepted where two neighbours differ, or where u < p, digit after digit."""
    seed, group, first, coupling = np.uint64(7), 2, 9, 0.35
    rng = np.random.default_rng(0)
    spins = rng.integers(2, size=(64, 6, 44))
    colours = packed(spins)
    like, counts = np.empty((64, 1, 1), np.int64), np.empty((64, 1, 2), np.int64)
    stored = np.empty((64, 1, 6 * 44), np.int8)
    four, eight = digits(math.exp(-4 * coupling)), digits(math.exp(-8 * coupling))
    multispin.run_multispin(colours, four, eight, 2, seed, group, first, 1, like, counts, stored)

    states = np.empty((2, 7, multispin.LANES), np.uint64)
    multispin.seed_generators(seed, np.uint64((group << 40) + first), states)
    generators = [numpys_sfc64(states[column // 16, :4, column % 16]) for column in range(32)]
    limits = {
        same: [int(math.exp(-4 * coupling * (1 + same)) * 2**64) >> (63 - k) & 1 for k in range(64)] for same in (0, 1)
    }
    for _ in range(2):
        for colour in (0, 1):
            for i in range(6):
                for block in (0, 1):
                    place = [16 * block + lane for lane in range(16)]
                    words = [
                        [int(generators[c].random_raw()) for _ in range(12)] for c in place
                    ]  # of every lane, used or not
                    for c, word in zip(place, words, strict=True):
                        if c >= 22:
                            continue
                        j = 2 * c + (i + colour) % 2
                        around = [((i - 1) % 6, j), ((i + 1) % 6, j), (i, (j - 1) % 44), (i, (j + 1) % 44)]
                        differ = sum((spins[:, x, y] != spins[:, i, j]).astype(int) for x, y in around)
                        costly, k = np.flatnonzero(differ < 2), 0
                        flip = differ >= 2
                        while len(costly):
                            if k == len(word):
                                word.append(int(generators[c].random_raw()))
                            agree = np.array([word[k] >> int(r) & 1 for r in costly], bool)
                            for r in costly[~agree]:
                                flip[r] = limits[int(differ[r] == 0)][k]
                            costly, k = costly[agree], k + 1
                        spins[:, i, j] ^= flip
    assert np.array_equal(stored[:, 0].reshape(spins.shape), spins)
    bonds = square(6, 44).bonds
    flat = spins.reshape(64, -1)
    assert np.array_equal(like[:, 0, 0], (flat[:, bonds[:, 0]] == flat[:, bonds[:, 1]]).sum(axis=1))
    assert np.array_equal(counts[:, 0], np.stack([(flat == 0).sum(axis=1), flat.sum(axis=1)], axis=1))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 31, 1000])
def test_sums_of_bits(count):
    words = np.random.default_rng(count).integers(0, 2**64, size=count, dtype=np.uint64)
    planes = np.zeros(64, np.uint64)
    for part in (words[: count // 3], words[count // 3 :]):
        multispin.add_bits(part, planes)
    found = [sum((int(planes[k]) >> r & 1) << k for k in range(64)) for r in range(64)]
    assert found == [int((words >> np.uint64(r) & np.uint64(1)).sum()) for r in range(64)]


def replicas(side, coupling, records):
    system = System((square(side),), "ising", 2, (coupling,), 0.0, "multispin", 3)
    settled = run(Leg(system, 0, start(system, 0, False), 0, 50))
    record = run(Leg(system, 0, settled.spins, 50, records))
    sums = system.sums(record.like)[:, :, 0].astype(float)
    return sums, system.magnetisations(record.counts)


def test_replicas_know_nothing_of_each_other():
    """Correlations between the energies of any two of 64 replicas: none larger than chance allows, and their squares
    sum to what independence says. One random number for all of them would show as a correlation of 0.5 and more."""
    sums, order = replicas(4, 0.25, 4000)
    bound = math.sqrt(2 * math.log(64 * 63 / 2 / 1e-4))
    for series in (sums, np.abs(order)):
        found = np.corrcoef(series)[np.triu_indices(64, 1)]
        rho = np.array([np.corrcoef(one[:-1], one[1:])[0, 1] for one in series]).mean()
        spread = math.sqrt((1 + rho**2) / (1 - rho**2) / series.shape[1])  # of two independent series with memory
        assert np.abs(found).max() < bound * spread
        pairs = len(found)
        assert abs((found**2).mean() / spread**2 - 1) < 5 * math.sqrt(2 / pairs) + 0.05
        assert abs(found.mean()) < 5 * spread / math.sqrt(pairs)


def test_every_replica_has_the_right_energy_distribution():
    """chi^2 of the bond sums of all replicas against the counted 4 x 4 lattice, from records far apart."""
    coupling = 0.3
    sums, _ = replicas(4, coupling, 8000)
    exact = spectrum(square(4))
    levels = np.unique(exact.bond_sums)
    p = np.array([exact.probabilities(coupling)[exact.bond_sums[:, 0] == level].sum() for level in levels])
    drawn = sums[:, ::8]
    counts = np.array([(drawn == level).sum() for level in levels])
    assert counts.sum() == drawn.size
    kept = p * drawn.size > 10
    chi = float(((counts - p * drawn.size)[kept] ** 2 / (p * drawn.size)[kept]).sum())
    freedom = kept.sum() - 1
    assert abs(chi - freedom) < 5 * math.sqrt(2 * freedom)
