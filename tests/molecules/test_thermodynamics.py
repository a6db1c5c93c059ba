"""Compressibility from g(r) and from pressures: the ideal gas, hard spheres of Percus and Yevick, a simulated fluid."""

from functools import cache

import numpy as np
import pytest

from kadanoff.estimates import Estimate, mean
from kadanoff.molecules.engines import Langevin
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.frames import BAR, BOLTZMANN, Beads, Frames
from kadanoff.molecules.integral_equations import liquid
from kadanoff.molecules.pair_distributions import PairDistribution, pair_distribution
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.thermodynamics import (
    compressibility,
    compressibility_from_pressures,
    compressibility_loss,
    in_bar,
    kirkwood_buff,
)


def gas(number, frames, edge, seed):
    random = np.random.default_rng(seed)
    box = np.full((frames, 3), edge)
    return Frames(Beads.alike(number, 18.0), random.random((frames, number, 3)) * edge, box, np.arange(frames) * 1.0)


@cache
def hard_spheres(packing, reach, width=0.01):
    """g of Percus and Yevick for spheres of 1 nm, means over bins, from their closed c(r); density and S(0)."""
    density = 6 * packing / np.pi
    first = (1 + 2 * packing) ** 2 / (1 - packing) ** 4
    second = -((1 + packing / 2) ** 2) / (1 - packing) ** 4
    r, w = np.polynomial.legendre.leggauss(300)
    r, w = 0.5 * (r + 1), 0.5 * w
    direct = -(first + 6 * packing * second * r + 0.5 * packing * first * r**3)
    step = 0.02
    k = np.arange(1, 30_001) * step
    transform = np.concatenate([
        4 * np.pi / part * ((np.sin(np.outer(part, r)) * r) @ (w * direct)) for part in np.array_split(k, 20)
    ])  # fmt: skip
    total = transform / (1 - density * transform)
    edges = width * np.arange(round(reach / width) + 1)
    inside = np.array([2 / np.pi * step * np.sum(total * (np.sin(k * e) / k - e * np.cos(k * e))) for e in edges])
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    return edges, 1 + np.diff(inside) / shells, density, (1 - packing) ** 4 / (1 + 2 * packing) ** 2


def closed(edges, g, density, zero, beads):
    """The noiseless pair distribution of a closed system of so many beads."""
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    ideal = np.tile(1e9 * beads * (beads - 1) / 2 * shells * density / beads, (2, 1))
    seen = np.round(np.clip(g, 0, None) * (1 + (1 - zero) / beads) * ideal).astype(np.int64)
    return PairDistribution(edges, seen, ideal, np.array([10**9] * 2), ("A", "A"), (beads, beads))


@pytest.mark.parametrize("packing", [0.1, 0.2, 0.3, 0.4])
def test_hard_spheres_have_the_compressibility_of_percus_and_yevick(packing):
    edges, g, density, exact = hard_spheres(packing, 6.0)
    for beads in (1000, 4000):  # the offset of a closed system is divided out
        found = compressibility(closed(edges, g, density, exact, beads))
        assert found.value == pytest.approx(exact, abs=2 * found.error)
        assert found.error < 0.005  # what the end at 6 nm leaves open
    short = compressibility(closed(edges[:401], g[:400], density, exact, 1000))
    assert short.error > found.error  # a shorter g says less, and knows it


def test_without_the_offset_the_compressibility_is_wrong():
    edges, g, density, exact = hard_spheres(0.3, 6.0)
    closed_system = closed(edges, g, density, exact, 1000)
    found = kirkwood_buff(closed_system)
    assert found.offset == pytest.approx((1 - exact) / 1000, rel=0.02)
    pretended = closed(edges, g, density, exact, 10**6)  # the same g, but taken for that of an open system
    raw = compressibility(PairDistribution(edges, closed_system.counts, closed_system.ideal, pretended.frames,
                                           ("A", "A"), (1000, 1000)))  # fmt: skip
    assert raw.value == pytest.approx(exact, abs=2 * raw.error)
    open_sum = 1 + density * float(4 / 3 * np.pi * np.diff(edges**3) @ (closed_system.g - 1))
    assert abs(open_sum - exact) > 0.1


def test_it_agrees_with_the_liquid_of_the_integral_equations_where_g_is_flat():
    edges, g, density, exact = hard_spheres(0.2, 6.0)
    one = closed(edges, g, density, exact, 2000)
    other = liquid(one.g, 0.01, one.density, beads=2000).structure_factor[0]
    assert compressibility(one).value == pytest.approx(other, abs=5e-3)


def test_an_ideal_gas_has_rho_kt_kappa_one():
    distribution = pair_distribution(gas(400, 150, 5.0, 1), cutoff=2.0)
    found = kirkwood_buff(distribution)
    # G is judged against the error of the blocks alone: nothing is truncated in a gas
    assert found.value[-1] == pytest.approx(0.0, abs=4 * found.error[-1])
    assert np.mean(np.abs(found.running) < 2 * found.running_error) > 0.5
    assert compressibility(distribution).value == pytest.approx(1.0, abs=4 * found.density * found.error[-1])


def test_the_error_of_the_integral_is_its_spread():
    integrals = [kirkwood_buff(pair_distribution(gas(100, 40, 3.0, seed), cutoff=1.4)) for seed in range(60)]
    spread = np.std([one.value[-1] for one in integrals], ddof=1)
    assert np.mean([one.error[-1] for one in integrals]) == pytest.approx(spread, rel=5 / np.sqrt(2 * 60))


def test_pressures_of_an_ideal_gas_give_one_and_noise_is_refused():
    kt = BOLTZMANN * 300 * BAR
    pressures = [Estimate(rho * kt, 0.5, 100, "bar") for rho in (3.0, 4.0, 5.0)]
    found = compressibility_from_pressures([3.0, 4.0, 5.0], pressures, 300.0)
    assert found.value == pytest.approx(1.0)
    assert found.error == pytest.approx(0.5 / np.sqrt(2) / kt)
    assert in_bar(found, 4.0, 300.0).value == pytest.approx(1 / (4.0 * kt))  # kappa = 1 / P
    with pytest.raises(ValueError, match="does not rise"):
        compressibility_from_pressures(
            [3.0, 3.1], [Estimate(3 * kt, 90, 9, "bar"), Estimate(3.1 * kt, 90, 9, "bar")], 300.0
        )
    with pytest.raises(ValueError, match="error bar"):
        compressibility_from_pressures([3.0, 3.1], [Estimate.exact(1.0, "bar"), Estimate.exact(2.0, "bar")], 300.0)


def soft(height=6.0):
    return PairPotential.from_function(
        lambda r: height * (1 - (r / 0.6) ** 2) ** 2,
        lambda r: -4 * height * r / 0.36 * (1 - (r / 0.6) ** 2),
        0.6,
        0.002,
    )


def fluid(density, seed, steps, number=500):
    """A bead fluid of soft spheres at 300 K."""
    model = Model.single(soft(), 18.0)
    edge = (number / density) ** (1 / 3)
    start = Frames(Beads.alike(number, 18.0), np.random.default_rng(seed).random((1, number, 3)) * edge,
                   np.full((1, 3), edge), np.zeros(1))  # fmt: skip
    chunks = BeadEngine().run(
        model, start, steps=steps, timestep=0.005, every=50, thermostat=Langevin(300.0, 3.0), seed=seed
    )
    return Frames.join(list(chunks))[40:]


@pytest.mark.slow
def test_long_waves_and_pressures_of_a_fluid_agree():
    densities, step = (8.0, 8.8, 9.6), 60_000
    runs = [fluid(density, seed, step) for seed, density in enumerate(densities)]
    pressures = [mean(run.pressure(300.0), "bar") for run in runs]
    slope = compressibility_from_pressures(densities, pressures, 300.0)
    waves = compressibility(pair_distribution(runs[1], cutoff=1.8))
    assert slope.value < 0.2  # far from an ideal gas
    assert waves.value == pytest.approx(slope.value, abs=4 * np.hypot(waves.error, slope.error))
    assert slope.error < 0.05 * slope.value
    loss = compressibility_loss(pair_distribution(runs[0], cutoff=1.8), pair_distribution(runs[2], cutoff=1.8))
    assert loss.lost.value > 0  # denser is stiffer


def test_bad_input_is_refused():
    distribution = pair_distribution(gas(50, 12, 3.0, 3), cutoff=1.4)
    with pytest.raises(ValueError, match="two blocks"):
        kirkwood_buff(distribution.reblock(1))
    few = pair_distribution(gas(8, 12, 3.0, 3), cutoff=1.4)
    assert kirkwood_buff(few).blocks == 12
    crowd = PairDistribution(few.edges, few.counts, few.ideal * 4, few.frames, ("A", "A"), (8, 8))
    with pytest.raises(ValueError, match="shorten"):
        kirkwood_buff(crowd)
    with pytest.raises(ValueError, match="two densities"):
        compressibility_from_pressures([3.0], [Estimate(1.0, 0.1, 9, "bar")], 300.0)
