"""Every step of structure matching on fluids of known potential; reweighting, constraints, states, bad input."""

from dataclasses import replace

import numpy as np
import pytest

from kadanoff.molecules.constraints import KirkwoodBuffConstraint, PressureConstraint, constrain
from kadanoff.molecules.engines import Exploded
from kadanoff.molecules.frames import BOLTZMANN, Beads, Frames
from kadanoff.molecules.integral_equations import hnc_start
from kadanoff.molecules.iteration import Sampling, rdf_difference, sample
from kadanoff.molecules.matching import STEPS, Target, _States, match
from kadanoff.molecules.matching_steps import PRIOR, Basis, felt
from kadanoff.molecules.potentials import Model, PairPotential, lennard_jones
from kadanoff.molecules.reweighting import Stack, bin_means, reweight
from kadanoff.molecules.three_body import AngularTriplet
from kadanoff.molecules.uncertainty import settle

TEMPERATURE, CUTOFF, WIDTH = 300.0, 0.8, 0.01
THERMAL = BOLTZMANN * TEMPERATURE


def lattice(count, density, types=None, names=("A",)):
    edge = (count / density) ** (1 / 3)
    side = int(np.ceil(count ** (1 / 3)))
    sites = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[:count] * edge / side
    types = np.zeros(count, np.int64) if types is None else types
    beads = Beads(types, names, np.full(count, 40.0))
    return Frames(beads, sites[None], np.full((1, 3), edge), np.zeros(1))


def fluid(model, start, temperature=TEMPERATURE, steps=12_000, seed=1):
    reach = np.floor(0.5 * start.box.min() / WIDTH) * WIDTH
    sampling = Sampling(temperature, reach=min(reach, 1.2), width=WIDTH, every=20, equilibration=2000)
    return sample(model, start, sampling, steps=steps, seed=seed), sampling


def blocks(found):
    return {pair: part.reblock(40) for pair, part in found.pairs.items()}


@pytest.fixture(scope="module")
def one():
    truth = Model.single(lennard_jones(0.6 * THERMAL, 0.34, CUTOFF), 40.0)
    found, sampling = fluid(truth, lattice(300, 15.0))
    return truth, found, sampling


@pytest.fixture(scope="module")
def two():
    names = ("A", "B")
    sizes = {("A", "A"): (0.6, 0.34), ("A", "B"): (0.8, 0.32), ("B", "B"): (0.4, 0.30)}
    pairs = {pair: lennard_jones(depth * THERMAL, sigma, CUTOFF) for pair, (depth, sigma) in sizes.items()}
    truth = Model(names, (40.0, 40.0), pairs)
    types = (np.arange(300) % 5 < 2).astype(np.int64)
    found, sampling = fluid(truth, lattice(300, 15.0, types, names))
    return truth, found, sampling


def matched(case, step, *, target=None, model=None, length=12_000, **options):
    _, found, sampling = case
    seen = []

    def simulate(number, state, tried, start):
        seen.append(sample(tried, start, sampling, steps=length, seed=100 + number))
        return seen[-1]

    target = Target(TEMPERATURE, blocks(found), found.last) if target is None else target
    return match(target, model, step, cutoff=CUTOFF, simulate=simulate, upper=0.8, **options), seen


def apart(model, truth):
    """RMS distance from the truth in kT over the supported range, the largest of all pairs."""
    worst = 0.0
    for pair, potential in model.pairs.items():
        inside = (potential.r > potential.supported[0] + 0.02) & (potential.r < CUTOFF - 0.02)
        difference = (potential.energy - truth.pairs[pair].energy)[inside]
        worst = max(worst, float(np.sqrt(np.mean(difference**2))) / THERMAL)
    return worst


def scores(model, truth):
    """(U - truth) / band of all pairs on the supported range, and the mean band in kT."""
    z, widths = [], []
    for pair, potential in model.pairs.items():
        inside = (potential.r > potential.supported[0] + 0.02) & (potential.r < CUTOFF - 0.02)
        z.append(((potential.energy - truth.pairs[pair].energy) / potential.band)[inside])
        widths.append(potential.band[inside] / THERMAL)
    return np.concatenate(z), float(np.mean(np.concatenate(widths)))


def ratio(turn):
    return turn.rms.value / turn.floor.value


def test_gauss_newton_recovers_a_fluid_and_stops_at_its_noise(one):
    result, seen = matched(one, "gauss-newton")
    assert result.converged
    assert "noise" in result.note
    assert ratio(result.turns[-1]) < 1.3
    assert apart(result.model, one[0]) < 0.06 < apart(result.begin, one[0])
    z, width = scores(result.model, one[0])
    assert np.sqrt(np.mean(z**2)) < 3  # of one soft mode, as good as one number
    assert width < 0.1
    assert result.simulations_run == len(seen) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_every_step_recovers_a_fluid(one, step):
    result, seen = matched(one, step, steps=25)
    assert result.converged, result.note
    assert ratio(result.turns[-1]) < 1.5
    assert apart(result.model, one[0]) < 0.1
    assert result.simulations_run == len(seen) <= (12 if step == "ibi" else 6)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_every_step_recovers_a_mixture(two, step):
    result, _ = matched(two, step, steps=25, length=24_000)
    assert result.converged, result.note
    assert ratio(result.turns[-1]) < 1.5
    assert apart(result.model, two[0]) < 0.15


def test_a_target_of_the_model_itself_asks_for_no_step(one):
    _, found, sampling = one
    own = sample(one[0], found.last, sampling, steps=12_000, seed=100)
    target = Target(TEMPERATURE, blocks(found), found.last)
    for step in STEPS:
        result = match(target, one[0], step, cutoff=CUTOFF, simulate=lambda *_: own, upper=0.8)
        assert result.converged
        assert (result.iterations, result.simulations_run) == (0, 1), step


def view(case, found):
    truth, reference, _ = case
    target = Target(TEMPERATURE, blocks(reference), reference.last)
    states = _States([target], [Stack.of(target.distributions)], lambda *_: found, True, 0.4, 100.0, 9)
    return states.look(truth, True)[0]


def test_two_names_of_one_type_feel_what_the_one_type_feels(one):
    """The information about x is that of `uncertainty.settle`, to rounding."""
    truth, found, sampling = one
    other = sample(truth, found.last, sampling, steps=12_000, seed=5)
    begin = hnc_start(found.pairs["A", "A"].reblock(40), TEMPERATURE, CUTOFF)
    near = settle(
        truth.only, begin, found.pairs["A", "A"].reblock(40), other.singles.reblock(40), other.singles, TEMPERATURE
    )
    views = view(one, other)
    basis, first = Basis.of(truth, views, 0.02), Model.single(begin, 40.0)
    spread = basis.spread(first, THERMAL, PRIOR)
    best = felt(basis, views, spread).posterior(spread, basis.away(first))
    assert np.sqrt(best.size) == pytest.approx(near.prior, rel=1e-6)
    assert best.freedom == pytest.approx(near.freedom, rel=1e-6)
    assert basis.largest(best.mean, THERMAL) == pytest.approx(near.largest, rel=1e-4)


def test_reweighted_g_and_pressure_are_those_of_a_fresh_simulation(one):
    truth, found, sampling = one
    r = np.linspace(0.3, CUTOFF, 100)
    bump = 0.12 * THERMAL * (CUTOFF - r) / (CUTOFF - 0.3)
    other = Model.single(truth.only.updated(r, bump, supported=(0.3, CUTOFF)), 40.0)
    long, fresh = (sample(m, found.last, sampling, steps=30_000, seed=7 + k) for k, m in enumerate((truth, other)))
    frames, volume = Stack.of(long.pairs), float(found.last.volume[0])
    back = reweight(frames, long.pressures, truth, other, TEMPERATURE, volume)
    assert 0.1 < back.effective < 0.95
    moved, new = frames.weighted(back.weights).reblock(40), Stack.of(fresh.pairs).reblock(40)
    known = Stack.of(found.pairs).g > 0.1
    before = frames.reblock(40)
    z = (moved.g - new.g)[known] / np.hypot(moved.error, new.error)[known]
    still = (before.g - new.g)[known] / np.hypot(before.error, new.error)[known]
    assert np.mean(z**2) < 1.8
    assert np.mean(still**2) > 2 * np.mean(z**2)  # without weights it is another liquid
    pressure = np.average(back.pressures, weights=back.weights)
    error = np.hypot(fresh.pressure.error, long.pressure.error / np.sqrt(back.effective))
    assert abs(pressure - fresh.pressure.value) < 4 * error
    assert abs(long.pressure.value - fresh.pressure.value) > 4 * error


def test_a_large_change_leaves_no_frames_and_is_simulated(one):
    truth, found, _ = one
    r = np.linspace(0.3, CUTOFF, 100)
    far = Model.single(truth.only.updated(r, THERMAL * np.sin(12 * r), supported=(0.3, CUTOFF)), 40.0)
    frames = Stack.of(found.pairs)
    lost = reweight(frames, found.pressures, truth, far, TEMPERATURE, float(found.last.volume[0]))
    assert lost.effective < 0.02
    result, seen = matched(one, "gauss-newton", reweighting=False)
    assert all(turn.samples is not None for turn in result.turns)
    assert len(seen) == len(result.turns)


def test_weights_of_the_same_model_are_one(one):
    truth, found, _ = one
    same = reweight(Stack.of(found.pairs), found.pressures, truth, truth, TEMPERATURE, 20.0)
    np.testing.assert_allclose(same.weights, 1.0, atol=1e-12)
    np.testing.assert_allclose(same.pressures, found.pressures)
    assert same.effective == pytest.approx(1.0)


def test_bin_means_of_a_quadratic_are_exact():
    edges = np.linspace(0.0, 1.0, 11)
    bent = PairPotential.from_function(lambda r: (r - 1.0) ** 3, lambda r: 3 * (r - 1.0) ** 2, 1.0)
    energy, _ = bin_means(edges, Model.single(bent, 1.0), (("A", "A"),))
    low, high = edges[:-1], edges[1:]

    def integral(r):
        return r**6 / 6 - 3 * r**5 / 5 + 3 * r**4 / 4 - r**3 / 3

    wanted = (integral(high) - integral(low)) / ((high**3 - low**3) / 3)
    np.testing.assert_allclose(energy[1:], wanted[1:], atol=1e-9)


def test_a_pressure_constraint_is_met_and_its_price_seen(one):
    _, found, _ = one
    wanted = found.pressure.value + 250.0
    result, _ = matched(one, "gauss-newton", constraints=[PressureConstraint(wanted, 25.0)], steps=12, length=20_000)
    assert result.converged, result.note
    last = result.turns[-1]
    assert abs(last.pressures[0].value - wanted) < 25.0 + 4 * last.pressures[0].error


def test_constraints_are_exact_where_all_is_linear():
    generator = np.random.default_rng(0)
    root = generator.normal(size=(6, 6))
    spread, slopes, wanted = root @ root.T, generator.normal(size=(2, 6)), np.array([0.3, -2.0])
    free = generator.normal(size=6)
    x = constrain(free, spread, slopes, wanted, ["a", "b"])
    np.testing.assert_allclose(slopes @ x, wanted, atol=1e-10)
    # no cheaper step meets them: the gradient of the price lies in the span of the slopes
    price = np.linalg.solve(spread, x - free)
    left = price - slopes.T @ np.linalg.lstsq(slopes.T, price, rcond=None)[0]
    np.testing.assert_allclose(left, 0.0, atol=1e-8)
    with pytest.raises(ValueError, match="contradict or repeat"):
        constrain(free, spread, np.array([slopes[0], slopes[0]]), wanted, ["a", "b"])
    with pytest.raises(ValueError, match="a cannot be reached"):
        constrain(free, spread, np.zeros((1, 6)), wanted[:1], ["a"])


def test_a_step_that_explodes_is_halved_and_what_was_found_is_kept(one):
    truth, found, sampling = one
    runs = []

    def simulate(number, state, tried, start):
        runs.append(number)
        if number > 0:
            raise Exploded("bead 7 left the box")
        return sample(tried, start, sampling, steps=12_000, seed=number)

    target = Target(TEMPERATURE, blocks(found), found.last)
    wrong = Model.single(truth.only * 0.3, 40.0)
    result = match(target, wrong, "gauss-newton", cutoff=CUTOFF, simulate=simulate, upper=0.8, reweighting=False)
    assert not result.converged
    assert "explodes even after 4 halvings: bead 7" in result.note
    assert len(runs) == 6
    np.testing.assert_array_equal(result.model.only.energy, wrong.only.energy)
    runs.clear()
    spent = match(
        target, wrong, "gauss-newton", cutoff=CUTOFF, simulate=simulate, upper=0.8, reweighting=False, simulations=3
    )
    assert "limit of simulations was reached; the last step explodes: bead 7" in spent.note
    np.testing.assert_array_equal(spent.model.only.energy, wrong.only.energy)
    with pytest.raises(Exploded):
        match(
            target, wrong, cutoff=CUTOFF, upper=0.8,
            simulate=lambda *_: (_ for _ in ()).throw(Exploded("at once")),
        )  # fmt: skip


def test_bad_targets_are_refused_by_name(one, two):
    _, found, _ = one
    good = blocks(found)
    part = good["A", "A"]
    for factor in (2.0, 1.2, 0.85):
        with pytest.raises(ValueError, match="normalised wrongly"):
            Target(TEMPERATURE, {("A", "A"): replace(part, ideal=factor * part.ideal)}, found.last)
    with pytest.raises(ValueError, match="4 or more"):
        Target(TEMPERATURE, {("A", "A"): part.reblock(2)}, found.last)
    with pytest.raises(ValueError, match="no g of the pair"):
        Target(TEMPERATURE, good, two[1].last)
    with pytest.raises(ValueError, match="no pair at all"):
        Target(TEMPERATURE, {("A", "A"): replace(part, counts=0 * part.counts)}, found.last)
    target = Target(TEMPERATURE, good, found.last)
    short = {("A", "A"): replace(part, edges=part.edges[:101], counts=part.counts[:, :100], ideal=part.ideal[:, :100])}
    other = Target(TEMPERATURE, short, found.last)
    with pytest.raises(ValueError, match="state 1 has other bins"):
        matched(one, "ibi", target=[target, other])
    with pytest.raises(ValueError, match=r"other bins than its target, .* of 0.01 nm where that has 100 of"):
        matched(one, "ibi", target=other)
    with pytest.raises(ValueError, match="unknown step"):
        matched(one, "newton")
    with pytest.raises(ValueError, match="there are 1 states"):
        matched(one, "ibi", constraints=[PressureConstraint(1.0, state=1)])


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_two_states_of_one_potential_are_matched_together(one, step):
    truth, found, sampling = one
    warm, _ = fluid(truth, lattice(300, 13.0), temperature=400.0, seed=3)
    samplings = (sampling, replace(sampling, temperature=400.0))
    warm = sample(truth, warm.last, samplings[1], steps=12_000, seed=4)
    targets = [Target(TEMPERATURE, blocks(found), found.last), Target(400.0, blocks(warm), warm.last, weight=0.5)]

    def simulate(number, state, tried, start):
        return sample(tried, start, samplings[state], steps=12_000, seed=50 + number)

    result = match(targets, None, step, cutoff=CUTOFF, simulate=simulate, upper=0.8, steps=25)
    assert result.converged, result.note
    assert apart(result.model, truth) < 0.1
    assert ratio(result.turns[-1]) < 1.5


@pytest.mark.slow
def test_a_kirkwood_buff_constraint_moves_the_integral(one):
    truth, found, _ = one
    edges, g = found.distribution.edges, found.distribution.g
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    inner = edges[1:] <= 1.0 + 1e-9
    now = float(np.sum((shells * (g - 1))[inner]))
    wish = KirkwoodBuffConstraint(("A", "A"), now + 0.002, 1.0, 0.0008)
    result, seen = matched(one, "gauss-newton", model=truth, constraints=[wish], steps=12, length=20_000)
    assert result.converged, result.note
    got = float(np.sum((shells * (seen[-1].distribution.g - 1))[inner]))
    assert abs(got - wish.value) < 0.0008 + 1e-9


@pytest.mark.slow
def test_a_held_three_body_term_is_simulated_and_the_same_bits_come_again(one):
    """g of a fluid with a Stillinger-Weber term is met with that term held, and not by the same pairs without it."""
    truth, start, sampling = one
    angular = AngularTriplet.stillinger_weber(0.5 * THERMAL, 0.3, strength=20.0, reach=1.6, gamma=0.5)
    found = sample(replace(truth, triplets=(angular,)), start.last, sampling, steps=12_000, seed=21)
    case, begin = (truth, found, sampling), replace(Model.single(truth.only * 0.9, 40.0), triplets=(angular,))
    (result, _), (again, _) = (matched(case, "ihnc", model=begin) for _ in range(2))
    assert result.converged, result.note
    assert all(turn.model.triplets == (angular,) for turn in result.turns)
    assert ratio(result.turns[-1]) < 1.5
    np.testing.assert_array_equal(result.model.only.energy, again.model.only.energy)
    bare = sample(replace(result.model, triplets=()), found.last, sampling, steps=12_000, seed=22)
    rms, floor = rdf_difference(bare.distribution, found.distribution, 0.8)
    assert rms.value > 3 * floor.value


@pytest.mark.slow
def test_a_constraint_that_contradicts_the_target_is_named(one):
    _, found, _ = one
    wish = PressureConstraint(found.pressure.value + 6000.0, 50.0)
    result, _ = matched(one, "gauss-newton", constraints=[wish], steps=12, length=20_000)
    assert "contradict g of the target" in result.note
