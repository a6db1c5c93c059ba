"""Relative entropy of models whose free energies are known: oscillators, and a gas of two and of a few beads."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.signal import lfilter

from kadanoff.molecules.engines import Langevin
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.frames import BOLTZMANN, Beads, Frames
from kadanoff.molecules.potentials import Model, PairPotential, lennard_jones
from kadanoff.molecules.relative_entropy import (
    PoorOverlap,
    RelativeEntropy,
    bennett,
    between,
    energies,
    exponential_average,
    gradient,
    relative_entropy_difference,
    staged,
)

KT = BOLTZMANN * 300.0


def wander(number, sigma, random, memory=0.0):
    """A correlated Gaussian series of given standard deviation (autoregressive, integrated time (1+m)/(1-m))."""
    noise = random.normal(size=number)
    noise[0] /= np.sqrt(1.0 - memory**2)
    return sigma * np.sqrt(1.0 - memory**2) * lfilter([1.0], [1.0, -memory], noise)


def oscillators(seed, *, stiff=2.0, shift=0.5, number=4000, memory=0.0):
    """x = u2 - u1 of u1 = q^2/2 and u2 = stiff (q - shift)^2/2 on samples of both; the exact difference is "
    "ln(stiff)/2."""
    random = np.random.default_rng(seed)

    def change(q):
        return 0.5 * stiff * (q - shift) ** 2 - 0.5 * q**2

    one = wander(number, 1.0, random, memory)
    two = shift + wander(number // 2, stiff**-0.5, random, memory)
    return change(one), change(two)


def test_two_oscillators_have_their_free_energy_difference():
    found = bennett(oscillators(1))
    exact = 0.5 * np.log(2.0)
    assert found.difference.value == pytest.approx(exact, abs=4 * found.difference.error)
    assert found.difference.error < 0.02
    for side in (found.forward, found.backward):
        assert side.value == pytest.approx(exact, abs=5 * side.error)
    assert 0.5 < found.overlap[0] < 1.0


def test_the_error_falls_as_one_over_the_root_of_the_samples():
    short, long = (bennett(oscillators(2, number=n)).difference.error for n in (2000, 32000))
    assert short / long == pytest.approx(4.0, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_intervals_of_the_free_energy_cover_it_as_often_as_they_say(memory):
    exact, runs = 0.5 * np.log(2.0), 600
    inside = 0
    for seed in range(runs):
        low, high = bennett(oscillators(10_000 + seed, memory=memory)).difference.interval(0.95)
        inside += low < exact < high
    # 5 standard errors of a share of 600 runs
    assert abs(inside / runs - 0.95) < 5 * np.sqrt(0.95 * 0.05 / runs)


def test_the_direction_does_not_matter():
    one, two = oscillators(3)
    there, back = bennett([one, two]), bennett([-two, -one])
    assert there.difference.value == pytest.approx(-back.difference.value, abs=1e-10)
    assert there.difference.error == pytest.approx(back.difference.error, rel=1e-9)
    assert there.overlap == pytest.approx(back.overlap)


def test_a_model_and_itself_differ_by_nothing():
    found = bennett([np.zeros(50), np.zeros(30)])
    assert found.difference.value == pytest.approx(0.0, abs=1e-12)
    assert found.difference.error == 0.0
    assert found.overlap == pytest.approx((1.0,))


def test_strangers_are_refused_by_name():
    far = oscillators(4, stiff=1.0, shift=9.0)
    with pytest.raises(PoorOverlap, match="overlap") as caught:
        bennett(far)
    assert caught.value.overlap < 0.05
    with pytest.raises(PoorOverlap, match="effective samples carry"):
        exponential_average(far[0])


def test_models_between_strangers_bridge_the_gap():
    stiff, shift = 3.0, 9.0
    asked = []

    def draw(s):
        """u_s = (1 - s) q^2/2 + s stiff (q - shift)^2/2 is an oscillator again."""
        asked.append(s)
        random = np.random.default_rng(len(asked))
        width = 1.0 + s * (stiff - 1.0)
        q = s * stiff * shift / width + random.normal(size=4000) / np.sqrt(width)
        return 0.5 * stiff * (q - shift) ** 2 - 0.5 * q**2

    found = staged(draw)
    assert found.difference.value == pytest.approx(0.5 * np.log(stiff), abs=4 * found.difference.error)
    assert min(found.overlap) >= 0.05
    assert len(asked) == len(set(asked)) == len(found.couplings) > 2
    with pytest.raises(PoorOverlap, match="most allowed"):
        staged(draw, most=3)


def test_shared_runs_of_a_path_count_once_in_its_error():
    """The spread over seeds of a three-stage path is the error that each run states."""
    values, errors = [], []
    for seed in range(100):
        random = np.random.default_rng(seed)
        q = [s * 3.0 + random.normal(size=400) for s in (0.0, 0.5, 1.0)]
        found = bennett([0.5 * (x - 3.0) ** 2 - 0.5 * x**2 for x in q], (0.0, 0.5, 1.0)).difference
        values.append(found.value)
        errors.append(found.error)
    assert np.std(values) == pytest.approx(np.mean(errors), rel=5 / np.sqrt(2 * 100))
    assert np.mean(values) == pytest.approx(0.0, abs=4 * np.std(values) / np.sqrt(100))


def test_relative_entropy_is_least_at_the_model_with_the_reference_fluctuations():
    """Reference and models Gaussian: S(k) - S(k0) = (k/k0 - 1 - ln(k/k0)) / 2 >= 0."""
    random = np.random.default_rng(5)
    true = 1.7
    reference = random.normal(size=20_000) / np.sqrt(true)
    best = random.normal(size=20_000) / np.sqrt(true)
    for stiff in (0.8, 1.4, 1.6, 1.8, 2.2, 3.5):
        other = random.normal(size=20_000) / np.sqrt(stiff)
        free = bennett([0.5 * (stiff - true) * q**2 for q in (best, other)])
        found = RelativeEntropy.of(0.5 * (stiff - true) * reference**2, free).difference
        exact = 0.5 * (stiff / true - 1.0 - np.log(stiff / true))
        assert exact > 0
        assert found.value == pytest.approx(exact, abs=4 * found.error)


def test_gradient_is_the_slope_of_the_value():
    """(S(k + h) - S(k - h)) / 2h from frames equals <q^2/2>_ref - <q^2/2>_model, and both the closed form."""
    random = np.random.default_rng(6)
    true, stiff, h = 1.7, 1.2, 0.2
    reference = random.normal(size=40_000) / np.sqrt(true)
    low, middle, high = (random.normal(size=40_000) / np.sqrt(k) for k in (stiff - h, stiff, stiff + h))
    slope = gradient(0.5 * reference**2, 0.5 * middle**2)
    free = bennett([2 * h * 0.5 * q**2 for q in (low, high)])
    value = RelativeEntropy.of(2 * h * 0.5 * reference**2, free).difference.scaled(1.0 / (2 * h))
    exact = 0.5 / true - 0.5 / stiff
    assert float(slope.value) == pytest.approx(exact, abs=4 * float(slope.error))
    bend = h**2 / (6 * stiff**3)  # the third derivative of -ln(k)/2 is -1/k^3
    assert value.value == pytest.approx(exact, abs=4 * value.error + 1.2 * bend)
    assert value.value == pytest.approx(float(slope.value), abs=4 * np.hypot(value.error, slope.error) + 1.2 * bend)


# ---- beads ----

EDGE = 3.0


def bump(height):
    """A soft repulsion: height (1 - (r/r_c)^2)^2 to r_c = 1 nm."""
    return PairPotential.from_function(
        lambda r: height * (1 - r**2) ** 2, lambda r: -4 * height * r * (1 - r**2), 1.0, 0.002
    )


def model(potential):
    return Model.single(potential, 18.0)


def gas(potential, number, wanted, temperature, seed):
    """Frames drawn exactly from exp(-beta U), U >= 0, by throwing beads into the box and rejecting."""
    random = np.random.default_rng(seed)
    kept = []
    while len(kept) < wanted:
        throws = random.random((4000, number, 3)) * EDGE
        apart = throws[:, :, None] - throws[:, None]
        apart -= EDGE * np.round(apart / EDGE)
        upper = np.triu_indices(number, 1)
        u = potential.energy_at(np.sqrt(np.sum(apart**2, axis=-1))[:, upper[0], upper[1]]).sum(axis=1)
        kept += list(throws[random.random(len(u)) < np.exp(-u / (BOLTZMANN * temperature))])
    positions = np.array(kept[:wanted])
    return Frames(Beads.alike(number, 18.0), positions, np.full((wanted, 3), EDGE), np.arange(wanted, dtype=float))


def mayer(potential, temperature):
    """int (e^(-beta U) - 1) dr."""

    def shell(r):
        return 4 * np.pi * r**2 * np.expm1(-potential.energy_at(r) / (BOLTZMANN * temperature))

    return quad(shell, 0.0, potential.cutoff, limit=200)[0]


def exact_pair(one, two, temperature):
    """beta (A_2 - A_1) of two beads in the box."""
    volume = EDGE**3
    return -np.log((volume + mayer(two, temperature)) / (volume + mayer(one, temperature)))


def exact_mean(two, one, reference, temperature):
    """beta <U_2 - U_1> of two beads whose distance is distributed as exp(-beta U_reference) says."""
    kt = BOLTZMANN * temperature

    def shell(r):
        boltzmann = np.exp(-reference.energy_at(r) / kt)
        return 4 * np.pi * r**2 * boltzmann * (two.energy_at(r) - one.energy_at(r)) / kt

    return quad(shell, 0.0, 1.0, limit=200)[0] / (EDGE**3 + mayer(reference, temperature))


@pytest.mark.parametrize("temperature", [250.0, 400.0])
def test_two_beads_have_the_relative_entropy_of_the_integral(temperature):
    one, two, truth = bump(4.0), bump(14.0), bump(8.0)
    runs = [gas(u, 2, 1500, temperature, seed) for seed, u in enumerate((one, two, truth))]
    found = relative_entropy_difference(runs[2], (model(one), runs[0]), (model(two), runs[1]), temperature)
    free = exact_pair(one, two, temperature)
    assert found.free.difference.value == pytest.approx(free, abs=4 * found.free.difference.error)
    exact = exact_mean(two, one, truth, temperature) - free
    assert found.difference.value == pytest.approx(exact, abs=4 * found.difference.error)
    assert found.per_bead.value == pytest.approx(0.5 * found.difference.value)


def test_a_dilute_gas_has_the_free_energy_of_its_second_virial_coefficient():
    """beta (A_2 - A_1) = -N(N-1)/(2V) int (e^-bU2 - e^-bU1) dr, up to the third order in the density."""
    number, one, two = 8, bump(1.0), bump(3.0)
    runs = [gas(u, number, 2000, 300.0, 20 + k) for k, u in enumerate((one, two))]
    free = bennett([(energies(model(two), run) - energies(model(one), run)) / KT for run in runs]).difference
    pairs, volume = number * (number - 1) / 2, EDGE**3
    dilute = -pairs / volume * (mayer(two, 300.0) - mayer(one, 300.0))
    next_order = 0.5 * pairs * ((mayer(two, 300.0) / volume) ** 2 - (mayer(one, 300.0) / volume) ** 2)
    # pairs of pairs without a bead or with one in common are independent: what is left is triangles
    assert free.value == pytest.approx(dilute + next_order, abs=4 * free.error + 0.02 * dilute)
    assert free.error < 0.1 * dilute


def test_energies_are_the_sum_over_all_pairs():
    frames = gas(bump(1.0), 9, 3, 300.0, 30)
    potential = lennard_jones(0.65, 0.3165, 0.9)
    by_engine = [BeadEngine().evaluate(model(potential), frames[k]).energy for k in range(3)]
    assert energies(model(potential), frames) == pytest.approx(by_engine, rel=1e-10)
    for k in range(len(frames)):
        x = frames.positions[k]
        apart = x[:, None] - x[None]
        apart -= EDGE * np.round(apart / EDGE)
        r = np.sqrt(np.sum(apart**2, axis=-1))[np.triu_indices(9, 1)]
        assert energies(model(potential), frames[k])[0] == pytest.approx(potential.energy_at(r).sum(), rel=1e-10)


def test_models_between_pair_models_are_simulated_where_overlap_asks_for_them():
    """Fluids of soft and of hard beads do not overlap; two paths with other runs agree."""
    soft, hard = model(bump(0.5)), model(bump(30.0))
    random = np.random.default_rng(7)
    start = Frames(Beads.alike(40, 18.0), random.random((1, 40, 3)) * EDGE, np.full((1, 3), EDGE), np.zeros(1))
    seeds = iter(range(100))

    def simulate(which):
        chunks = BeadEngine().run(
            which, start, steps=24_000, timestep=0.01, every=20, thermostat=Langevin(300.0, 5.0), seed=next(seeds)
        )
        return Frames.join(list(chunks))[200:]

    ends = [(which, simulate(which)) for which in (soft, hard)]
    with pytest.raises(PoorOverlap):
        relative_entropy_difference(ends[0][1], *ends, 300.0)
    found = relative_entropy_difference(ends[0][1], *ends, 300.0, simulate=simulate)
    assert found.difference.value > 20 * found.difference.error  # the first model is the reference itself
    assert len(found.free.couplings) > 2
    again = relative_entropy_difference(ends[0][1], ends[1], ends[0], 300.0, simulate=simulate)
    error = np.hypot(found.free.difference.error, again.free.difference.error)
    assert found.free.difference.value == pytest.approx(-again.free.difference.value, abs=4 * error)


def test_models_that_cannot_be_compared_are_refused():
    frames = gas(bump(1.0), 4, 5, 300.0, 40)
    one = model(bump(1.0))
    with pytest.raises(ValueError, match="beads"):
        relative_entropy_difference(gas(bump(1.0), 3, 5, 300.0, 41), (one, frames), (one, frames), 300.0)
    with pytest.raises(ValueError, match="positive"):
        relative_entropy_difference(frames, (one, frames), (one, frames), 0.0)
    wide = Frames(frames.beads, frames.positions, frames.box * 1.1, frames.time)
    with pytest.raises(ValueError, match="volume"):
        relative_entropy_difference(frames, (one, frames), (one, wide), 300.0)
    other = Model.single(bump(1.0), 18.0, "B")
    with pytest.raises(ValueError, match="unlike"):
        between(one, other, 0.5)
    positions = frames.positions.copy()
    positions[2, 1, 0] = np.nan
    broken = Frames(frames.beads, positions, frames.box, frames.time)
    with pytest.raises(ValueError, match="finite"):
        energies(one, broken)
    with pytest.raises(ValueError, match="half the"):
        energies(one, Frames(frames.beads, frames.positions, frames.box / 2, frames.time))
    for bad in ([[1.0, 2.0], [1.0, 2.0]], [[1.0, 2.0, 3.0, np.nan]] * 2):
        with pytest.raises(ValueError, match="finite"):
            bennett(bad)
    with pytest.raises(ValueError, match="rising from 0 to 1"):
        bennett([np.zeros(9)] * 3, (0.0, 0.6, 0.5))


def test_a_reference_whose_box_changes_is_refused():
    """At constant pressure the formula lacks the work p dV; the mean volume may still be the models' own."""
    frames = gas(bump(1.0), 4, 5, 300.0, 40)
    one = Model.single(bump(1.0), 18.0)
    scale = np.linspace(0.99, 1.01, len(frames))[:, None]
    breathing = Frames(
        frames.beads, frames.positions * scale[..., None], frames.box * scale / np.cbrt(np.mean(scale**3)), frames.time
    )
    assert breathing.volume.mean() == pytest.approx(frames.volume.mean())
    with pytest.raises(ValueError, match="box of the reference changes"):
        relative_entropy_difference(breathing, (one, frames), (one, frames), 300.0)
    with pytest.raises(ValueError, match="no frames"):
        relative_entropy_difference(frames[:0], (one, frames), (one, frames), 300.0)
