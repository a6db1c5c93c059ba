"""The barostat: an ideal gas in closed form, and a Lennard-Jones fluid against its own runs at constant volume."""

from dataclasses import replace

import numpy as np
import pytest
from many_body_models import bend, crowd, liquid, model
from scipy import stats

from kadanoff.molecules.engines import Barostat, Exploded, Langevin, NoseHoover
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.engines.lammps import LammpsEngine
from kadanoff.molecules.engines.openmm import OpenMMEngine
from kadanoff.molecules.frames import BAR, BOLTZMANN, Frames
from kadanoff.molecules.potentials import Model, PairPotential, lennard_jones, two_well

KT = BOLTZMANN * 300.0
BATH = Langevin(300.0, 5.0)


def run(what, start, steps, every, barostat, *, engine=None, thermostat=BATH, timestep=0.004, seed=1):
    plan = {"steps": steps, "timestep": timestep, "every": every, "thermostat": thermostat, "barostat": barostat}
    return Frames.join(list((engine or BeadEngine()).run(what, start, seed=seed, **plan)))


def blocked(series, blocks=20):
    means = np.array([part.mean(axis=0) for part in np.array_split(series, blocks)])
    return means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(blocks)


def variance(series, blocks=20):
    """With its error; the mean of all blocks is taken from each."""
    return blocked((series - series.mean()) ** 2 * len(series) / (len(series) - 1), blocks)


def test_the_volume_of_an_ideal_gas_is_gamma_distributed():
    """p(V) ~ V^N exp(-P V / kT): a gamma distribution of shape N + 1 and scale kT / P."""
    number, density = 40, 0.5
    barostat = Barostat(density * KT * BAR, period=1)
    gas = Model.single(PairPotential.zero(0.5), 18.0)
    frames = run(gas, liquid(number, density=density), 24_000, 2, barostat)
    series = frames.volume[100:] * density
    (mean, error), (square, spread) = blocked(series), variance(series)
    assert error < 0.25
    assert abs(mean - (number + 1)) < 4 * error
    assert spread < 4.0
    assert abs(square - (number + 1)) < 4 * spread
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):  # the whole distribution
        found, off = blocked(series < stats.gamma.ppf(share, number + 1))
        assert abs(found - share) < 4.5 * off
    assert abs(mean - (number + 1) / 1.03) > 4 * error  # three per cent of the pressure would be seen


def test_terms_beyond_pairs_take_part_and_the_bits_do_not_depend_on_threads():
    what = model((bend(),), (crowd(),), pair=two_well(0.6))
    start = liquid(1100, shake=0.03)
    for precision in ("mixed", "double"):
        one, two = (
            run(what, start, 60, 15, Barostat(2000.0, 6), engine=BeadEngine(precision, threads=k)) for k in (1, 2)
        )
        for name in ("positions", "velocities", "energy", "virial", "box"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        assert len(np.unique(one.box[:, 0])) > 1
        assert np.all(one.positions < one.box[:, None])
        value = BeadEngine("double").evaluate(what, one[3])
        assert one.energy[3] == pytest.approx(value.energy, rel=1e-4)
    other = run(what, start, 60, 15, Barostat(2000.0, 6), seed=2)
    assert not np.array_equal(other.box, one.box)


FLUID = Model.single(lennard_jones(1.0, 0.3, 0.75), 18.0)
DENSITY = 18.0


def compare(steps, thermostat, number=250, every=10):
    """Density at the pressure of constant volume, and the compressibility of its fluctuations."""
    pressures = []
    for density in (0.96 * DENSITY, DENSITY, 1.04 * DENSITY):
        frames = run(FLUID, liquid(number, density=density, shake=0.0), steps + 2000, every, None, seed=int(density))
        pressures.append(blocked(frames.pressure(300.0)[2000 // every :]))
    (low, low_error), (middle, error), (high, high_error) = pressures
    modulus = (high - low) / 0.08  # rho dP/drho
    modulus_error = np.hypot(low_error, high_error) / 0.08
    start = liquid(number, density=DENSITY, shake=0.0)
    frames = run(FLUID, start, 2 * steps + 2000, every, Barostat(float(middle), 5), seed=5, thermostat=thermostat)
    volume = frames.volume[2000 // every :]
    # the mean density, its error with that of the target pressure
    (mean, spread), expected = blocked(volume), number / DENSITY
    known = np.hypot(spread, expected * error / modulus)
    (square, noise) = variance(volume)
    softness, softness_error = square / mean, noise / mean  # kT / modulus
    wanted = KT * BAR / modulus
    return (mean, known, expected), (softness, np.hypot(softness_error, wanted * modulus_error / modulus), wanted)


def test_density_and_compressibility_of_a_fluid_agree_with_constant_volume():
    (volume, error, expected), (softness, spread, wanted) = compare(8_000, NoseHoover(300.0))
    assert error < 0.01 * expected
    # the mean volume of N beads differs from that of N -> infinity by terms of 1/N: 0.1 % here
    assert abs(volume - expected) < 4 * error + 2e-3 * expected
    assert spread < 0.2 * wanted
    assert abs(softness - wanted) < 4 * spread


@pytest.mark.slow
def test_density_and_compressibility_of_a_fluid_agree_closely():
    (volume, error, expected), (softness, spread, wanted) = compare(120_000, BATH)
    assert error < 0.003 * expected
    assert abs(volume - expected) < 4 * error + 2e-3 * expected
    assert spread < 0.07 * wanted
    assert abs(softness - wanted) < 4 * spread


def test_what_constant_pressure_refuses():
    start, gas = liquid(64, density=1.0), Model.single(PairPotential.zero(0.5), 18.0)
    moving = replace(start, velocities=np.zeros((1, 64, 3)))
    with pytest.raises(ValueError, match="barostat needs a thermostat"):
        run(gas, moving, 10, 10, Barostat(1.0), thermostat=None)
    for bad in (Barostat(1.0, 0), Barostat(np.nan)):
        with pytest.raises(ValueError, match="finite pressure and a period"):
            run(gas, start, 10, 10, bad)
    for engine in (LammpsEngine(), OpenMMEngine()):
        with pytest.raises(ValueError, match=f"{type(engine).__name__} runs at constant volume only"):
            run(gas, start, 10, 10, Barostat(1.0), engine=engine)
    with pytest.raises(Exploded, match="less than twice the cut-off") as caught:
        run(gas, start, 5000, 5, Barostat(3e5, 5))
    assert len(caught.value.frames) >= 1
    assert caught.value.frames.box.min() >= 1.0
    with pytest.raises(Exploded, match="10 times its first volume"):
        run(gas, start, 5000, 5, Barostat(-500.0, 5))


def test_a_box_near_the_least_one_is_no_reason_to_stop():
    """Boxes below twice the cut-off are rejected, no more: the volume has the gamma distribution cut there."""
    start, gas = liquid(64, density=64 / 1.5), Model.single(PairPotential.zero(0.5), 18.0)
    pressure = 64 * KT / 1.4 * BAR
    volume = run(gas, start, 30_000, 2, Barostat(pressure, 1)).volume[200:]
    assert volume.min() >= 1.0
    scale = KT * BAR / pressure
    wanted = 65 * scale * stats.gamma.sf(1.0, 66, scale=scale) / stats.gamma.sf(1.0, 65, scale=scale)
    mean, error = blocked(volume)
    assert error < 0.02
    assert abs(mean - wanted) < 4.5 * error
