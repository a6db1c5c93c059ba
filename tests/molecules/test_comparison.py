"""Verdict, captions and numbers of the bottom-up study change with the data: made-up comparisons, no simulation."""

from dataclasses import replace

import numpy as np
import pytest

from kadanoff.estimates import Estimate
from kadanoff.losses import Loss
from kadanoff.molecules import pictures
from kadanoff.molecules.comparison import Comparison, apart, order_in_words, share_beyond
from kadanoff.molecules.force_matching import normal_equations, solve
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.iteration import EXPLODED, Iteration, Sample, even_and_odd, rdf_difference
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.potentials import lennard_jones
from kadanoff.molecules.structure import Structure
from kadanoff.molecules.unseen import Unseen
from kadanoff.study import Reported

BEADS, BOX, BLOCKS = 500, 2.5, 20
EDGES = 0.01 * np.arange(121)
R = 0.5 * (EDGES[1:] + EDGES[:-1])
LIQUID = np.where(R > 0.26, 1 + 1.9 * np.exp(-(((R - 0.28) / 0.02) ** 2)) + 0.2 * np.exp(-5 * R) * np.cos(25 * R), 0.0)
CRYSTAL = np.where(R > 0.26, 1 + 0.9 * np.cos(2 * np.pi * (R - 0.28) / 0.1), 0.0)
START = Frames(Beads.alike(2, 18.0), np.zeros((1, 2, 3)), np.full((1, 3), BOX), np.zeros(1))


def counted(curve, seed, blocks=BLOCKS, frames=10, drift=0.0):
    """g with Poisson noise; ``drift``: by what share the first peak grows from the first block to the last."""
    shells = 4 / 3 * np.pi * np.diff(EDGES**3)
    ideal = np.tile(frames * BEADS * (BEADS - 1) / 2 * shells / BOX**3, (blocks, 1))
    growth = 1 + drift * np.outer(np.linspace(-0.5, 0.5, blocks), R < 0.4)
    counts = np.random.default_rng(seed).poisson(ideal * curve * growth)
    return PairDistribution(EDGES, counts, ideal, np.full(blocks, frames), ("W", "W"), (BEADS, BEADS))


def simulated(curve, seed, pressure=8000.0, seconds=2.0):
    return Sample(
        distribution=counted(curve, seed), pressure=Estimate(pressure, 20.0, 100, "bar"), last=START, frames=None,
        singles=None, seconds=seconds, simulated=100.0,
    )  # fmt: skip


def turn(number, potential, curve, target, converged=False, note="", seconds=2.0):
    found = simulated(curve, 100 + number, seconds=seconds)
    return Iteration(
        number, potential, found, *rdf_difference(found.distribution, target, 1.0), note=note, converged=converged
    )


def shaped(mean, error=0.001):
    angles = np.random.default_rng(0).poisson(200, (8, 50))
    bell = 100 * np.exp(-(((np.linspace(-3, 1, 100) - mean) / 0.2) ** 2))
    orders = np.random.default_rng(1).poisson(np.tile(bell, (8, 1)))
    return Structure(0.33, angles, orders, np.full(8, 5), Estimate(4.2, 0.01, 40), Estimate(mean, error, 40))


@pytest.fixture(scope="module")
def matched_force():
    """A real fit: forces of a known pair potential and noise, on a jittered lattice."""
    rng = np.random.default_rng(3)
    potential, side, edge = lennard_jones(2.0, 0.3, 0.9), 5, 1.9
    lattice = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3) * edge / side
    positions = lattice + rng.normal(0, 0.02, (12, side**3, 3))
    between = positions[:, :, None] - positions[:, None]
    between -= edge * np.round(between / edge)
    r = np.linalg.norm(between, axis=-1) + np.eye(side**3)
    forces = np.sum(potential.force_at(r)[..., None] * between / r[..., None], axis=2)
    forces += rng.normal(0, 0.3 * forces.std(), forces.shape)
    forces -= forces.mean(axis=1, keepdims=True)
    frames = Frames(Beads.alike(side**3, 18.0), positions, np.full((12, 3), edge), np.arange(12.0), forces=forces)
    return solve(normal_equations(frames, cutoff=0.9, spacing=0.1, start=0.2))


def made(target=LIQUID, model=LIQUID, **changes):
    """A comparison of a good fit; ``changes`` replace its parts."""
    every = changes.pop("every", None) or counted(target, 1)
    even, odd = even_and_odd(every)
    first, last = lennard_jones(0.5, 0.28, 0.9), lennard_jones(0.6, 0.28, 0.9)
    banded = replace(last, band=np.where(last.r > 0.25, 0.05, np.nan))
    other = lennard_jones(0.8, 0.28, 0.9)
    parts = {
        "temperature": 300.0, "judged": 1.0, "target": every, "even": even, "odd": odd, "match": None, "matched": None,
        "turns": {
            "newton": [turn(0, first, 1.05 * model, even), turn(1, last, model, even, converged=True)],
            "ibi": [turn(0, other, 1.3 * model, even), turn(1, other, 1.2 * model, even)],
        },
        "potential": banded, "mean_force": other, "final": simulated(model, 7), "pressure_left_open": 500.0,
        "shapes": (shaped(0.62), shaped(0.44)), "no_shapes": "", "peak": every, "model_peak": counted(model, 8),
        "atomistic_seconds": Estimate(2000.0, 20.0, 10, "s/ns"),
        "fine_pressure": Estimate(20.0, 40.0, None, "bar"),
    }  # fmt: skip
    return Comparison(**parts | changes)


def captions(found):
    return {name: picture.caption for name, picture in pictures.of(found).items()}


def test_a_good_fit_is_said_to_be_one():
    found = made()
    text, words = found.verdict(), captions(found)
    assert found.ratio < 1.5
    assert "to its noise" in text
    assert "Warning" not in text
    assert "After 1 Newton step no further one promised" in text
    assert f"{found.ratio:.3g} times the" in words["rdf"]
    assert share_beyond(found.final.distribution, found.odd, 1.0) < 0.15
    assert found.estimates()["rdf_rms_over_noise"].source.startswith("1 expected of a model that is the truth, 1.")


@pytest.mark.parametrize(
    ("change", "says", "never"), [(1.02, "nearly have", "do not have"), (1.1, "do not have", "to its noise")]
)
def test_a_bad_fit_is_never_called_a_good_one(change, says, never):
    model = np.where(R < 0.5, change * LIQUID, LIQUID)
    found = made(model=model)
    text, words = found.verdict(), captions(found)
    assert says in text
    assert never not in text
    assert ("cannot do it" in text) == (found.ratio > 3)
    assert ("a potential that matches g(r)" in text) == (found.ratio <= 3)
    assert ("where g(r) is kept" in text) == (found.ratio <= 3)
    assert ("where g(r) is kept" in words["shapes"]) == (found.ratio <= 3)
    assert "stays within" not in words["rdf"]
    assert "Newton does not match" in words["potentials"]
    share = round(100 * share_beyond(found.final.distribution, found.odd, 1.0))
    assert share > 10
    assert f"{share} % of the bins" in words["rdf"]


def test_steps_that_did_not_converge_or_exploded():
    even = made().even
    first, last = lennard_jones(0.5, 0.28, 0.9), lennard_jones(0.6, 0.28, 0.9)
    open_ended = [turn(0, first, 1.05 * LIQUID, even), turn(1, last, LIQUID, even)]
    assert "stopped at the step limit, after 1 Newton step." in made(turns={"newton": open_ended}).verdict()
    burst = [replace(open_ended[0], note=f"{EXPLODED}: beads too near")]
    text = made(turns={"newton": burst}, potential=first).verdict()
    assert "ended early, after 0 Newton steps" in text
    assert "beads too near" in text
    worse = [turn(0, last, LIQUID, even), turn(1, first, 1.05 * LIQUID, even)]
    assert "The potential is that of step 0" in made(turns={"newton": worse}).verdict()
    bad = made(model=1.1 * LIQUID, turns={"newton": [turn(0, last, 1.1 * LIQUID, even)]})
    assert "the steps were too few" in bad.verdict()


def test_ibi_is_judged_by_its_own_noise_floor():
    found = made()
    assert "it has not converged" in found.verdict()
    assert "IBI has not converged" in captions(found)["potentials"]
    even, good = found.even, lennard_jones(0.6, 0.28, 0.9)
    near = found.turns | {"ibi": [turn(0, good, 1.3 * LIQUID, even), turn(1, good, LIQUID, even)]}
    found = made(turns=near)
    assert "came as near to the fitted blocks in 1 step." in found.verdict()
    assert "IBI matches the fitted g(r)" in captions(found)["potentials"]
    assert "IBI 0 kJ/mol" in captions(found)["potentials"]
    alone = made(turns={"newton": found.turns["newton"]})
    assert "Boltzmann inversion is at" not in alone.verdict()
    words = captions(alone)
    assert not any("IBI" in words[name] for name in words)
    assert "Newton and Boltzmann inversion." in words["potentials"]


def test_distance_of_potentials_and_their_bands_are_measured():
    found = made()
    text = captions(found)["potentials"]
    r = found.potential.r
    inside = (r >= found.odd.r[np.argmax(found.odd.g > 0.1)]) & (r < 0.9)
    largest = np.abs(found.mean_force.energy - found.potential.energy)[inside].max()
    assert f"IBI {largest:.2g} kJ/mol at" in text
    assert f"({largest / 0.05:.2g} standard errors)" in text
    assert "known for Newton." in text
    bare = made(potential=replace(found.potential, band=None))
    assert "Errors are not known" in captions(bare)["potentials"]


def test_forces_are_spoken_of_only_where_there_are_some(matched_force):
    without = made()
    assert "forces on the beads" not in without.verdict()
    assert "forces" not in pictures.of(without)
    assert without.estimates()["force_variance_explained"].value is None
    found = made(match=matched_force, matched=simulated(1.2 * LIQUID, 9))
    rms, floor = found.matched_difference
    distance = f"{rms.value / floor.value:.3g}"
    assert str(matched_force.explained_variance) in found.verdict()
    assert f"Its beads are {distance} noise floors" in found.verdict()
    words = captions(found)
    assert f"{distance} times their noise" in words["rdf"]
    assert "force matching" in words["potentials"]
    data = found.arrays()
    assert np.nanmax(data["energy_fm_error"]) > 0
    assert found.ledger()["force_variance"].holds


def test_order_lost_kept_or_gained():
    assert "directional order is lost" in made().verdict()
    kept = made(shapes=(shaped(0.44), shaped(0.4405)))
    assert "Tetrahedral order is kept" in kept.verdict()
    assert "directional" not in kept.verdict() + captions(kept)["shapes"]
    assert "rises" in order_in_words(Estimate(0.1, 0.001), Estimate(0.2, 0.001), True)
    assert "without error bars" in order_in_words(Estimate.exact(0.1), Estimate.exact(0.2), True)
    for found in (made(), kept, made(model=1.2 * LIQUID), made(shapes=None, no_shapes="a gas")):
        assert "hydrogen" not in found.verdict() + " ".join(captions(found).values())
    none = made(shapes=None, no_shapes="a gas")
    assert "order" not in none.verdict()
    assert "shapes" not in pictures.of(none)
    assert none.estimates()["tetrahedral_order_fine"].reason == "a gas"


def test_pressure_is_judged_only_against_one_that_was_given():
    assert "a potential that matches g(r) does not match the pressure" in made().verdict()
    unknown = made(fine_pressure=None).verdict()
    assert "was not given, and structure does not determine it" in unknown
    assert "does not match" not in unknown
    assert "the same within" in made(fine_pressure=Estimate(7990.0, 40.0, None, "bar")).verdict()
    soft = made(pressure_left_open=9000.0).verdict()
    assert "another potential that fits as well may have the pressure" in soft
    assert "does not match" not in soft
    assert made(pressure_left_open=3512.0).verdict().count("3500 bar") == 1


def test_claims_that_were_never_measured_are_not_made():
    text = made().verdict()
    assert "faster" not in text
    assert "Dynamics was not compared" in text
    assert "A bead has no direction" not in text
    assert "does not transfer" in text
    assert "300 K" in text
    assert "32 beads/nm^3" in text


def test_what_the_fit_never_saw_is_said_where_it_was_measured():
    stiff = Loss("compressibility", None, None, Estimate(0.1, 0.1), "")
    hidden = Unseen(stiff, None, Estimate(5.6, 0.2))
    turned = Loss("orientation", None, None, Estimate(0.218, 0.002, unit="nat"), "nat", theorem="lost >= 0")
    seen = made(hidden=hidden, direction=turned)
    assert "5.6(2) times as fast" in seen.verdict()
    assert "at least 0.218(2) nat" in seen.verdict()
    assert {"compressibility", "orientation"} <= {row["name"] for row in seen.ledger().rows()}
    lost = made(hidden=Unseen(stiff, None, None, "too few frames"))
    assert lost.estimates()["diffusion_speedup"].reason == "too few frames"
    assert "Dynamics was not compared" in lost.verdict()


def test_a_crystal_is_warned_of():
    text = made(target=CRYSTAL, model=LIQUID).verdict()
    assert "Warning: g(r) of the reference still swings" in text
    assert "do not have the pair structure" in text


@pytest.mark.parametrize("seed", range(8))
def test_correlated_blocks_are_warned_of_and_noise_is_not(seed):
    assert "correlated" not in made(every=counted(LIQUID, seed, blocks=8, frames=2)).verdict()
    assert "are correlated (0." in made(every=counted(LIQUID, seed, drift=0.3)).verdict()


def test_numbers():
    found = made()
    numbers = found.estimates()
    assert numbers["frames"].value == 200
    assert numbers["beads"].value == BEADS
    assert numbers["first_peak_height_model"].value == pytest.approx(found.model_peak.g.max())
    assert numbers["first_peak_height"].value == pytest.approx(found.peak.g.max())
    chance = numbers["rdf_even_odd_over_noise"]
    assert chance.reference is None
    assert abs(chance.value - 1) < 4 / np.sqrt(2 * 75)  # chi^2 of about 75 independent bins


def test_chance_level_is_one_and_a_copy_of_the_fitted_blocks_scores_more():
    """The source text of the ratio: 1 for the truth, sqrt(2) for a copy without noise of its own."""
    ratios, promised = [], []
    for seed in range(12):
        even, odd = even_and_odd(counted(LIQUID, seed))
        many = 400  # so that the copy's simulation adds no noise
        curve = np.where(even.ideal.sum(axis=0) > 0, even.g, 0.0)
        copy = replace(simulated(LIQUID, 0), distribution=counted(curve, 50 + seed, frames=10 * many))
        found = made(every=even.merge(odd), even=even, odd=odd, final=copy)
        ratios.append(found.ratio)
        source = found.estimates()["rdf_rms_over_noise"].source
        promised.append(float(source.split("truth, ")[1].split(" of a perfect")[0]))
    assert np.mean(promised) == pytest.approx(np.sqrt(2), abs=0.03)
    assert np.mean(ratios) == pytest.approx(np.mean(promised), abs=4 * np.std(ratios) / np.sqrt(12))


def test_error_of_the_speed_up_knows_the_scatter_of_the_beads():
    even = made().even
    potential = lennard_jones(0.6, 0.28, 0.9)
    few = made(turns={"newton": [turn(0, potential, LIQUID, even, converged=True)]}).estimates()["speedup_per_ns"]
    assert few.value == pytest.approx(100.0)
    assert few.error == pytest.approx(1.0)
    assert "atomistic time alone" in few.source
    seconds = (60.0, 2.0, 2.4, 1.6)  # the first one compiles
    runs = [turn(n, potential, LIQUID, even, seconds=s) for n, s in enumerate(seconds)]
    many = made(turns={"newton": runs}).estimates()["speedup_per_ns"]
    assert many.error == pytest.approx(np.hypot(1.0, 100.0 * np.std(seconds[1:], ddof=1) / 2.0))
    assert "3 simulations" in many.source
    assert made(atomistic_seconds=None).estimates()["speedup_per_ns"].value is None


def test_a_gas_has_no_peak_and_that_is_a_reason_not_an_end():
    flat = np.linspace(0.5, 1.5, 120)
    numbers = made(model_peak=counted(flat, 4, frames=1000)).estimates()
    assert isinstance(numbers["first_peak_height_model"], Reported)
    assert "no peak within reach" in numbers["first_peak_height_model"].reason


def test_arrays_hold_bands_where_there_are_some():
    data = made().arrays()
    assert np.nanmax(data["energy_newton_error"]) == 0.05
    assert np.all(np.isnan(data["energy_newton_error"][data["distance"] < 0.2]))
    assert "energy_ibi_error" not in data
    assert all("units" in variable.attrs for variable in data.variables.values())


def test_apart():
    assert apart(Estimate(1.0, 0.3), Estimate(2.0, 0.4)) == pytest.approx(2.0)
    assert apart(Estimate.exact(1.0), Estimate.exact(2.0)) is None
