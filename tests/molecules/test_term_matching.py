"""Force matching with many-body terms against plain sums, exact force fields, noise, and fluids that lack the term."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from fluid_forces import (
    COSINE,
    CUTOFF,
    DECAY,
    HEIGHT,
    REACH,
    angular_part,
    apart,
    density_part,
    lennard_jones,
    make_fluid,
    pair_part,
    with_forces,
)

from kadanoff.molecules.force_terms import AngularBasis, DensityBasis, PairBasis, TripletBasis
from kadanoff.molecules.frames import Beads
from kadanoff.molecules.local_density import LocalDensity, weight
from kadanoff.molecules.pair_forces import DataWarning
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import TermEquations, _design, term_equations
from kadanoff.molecules.term_matching import fit_terms
from kadanoff.molecules.term_solution import Strength
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet
from kadanoff.parallel import executor


@pytest.fixture(scope="module")
def fluid():
    return make_fluid()


PAIR = PairBasis(("A", "A"), Knots(0.0, CUTOFF, 50))
COARSE = PairBasis(("A", "A"), Knots(0.0, CUTOFF, 25))
ANGLES = AngularBasis("A", ("A", "A"), REACH, DECAY, 10)
POWERS = replace(ANGLES, intervals=0)


def quiet(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return fit_terms(*arguments, **options)


# ---- the kernels ----


def plain_design(terms, names, types, x, box):
    """Every row by plain sums; three-body energies by complex steps, whose derivatives are exact to rounding."""
    n, index = len(x), {name: kind for kind, name in enumerate(names)}
    u, r = apart(x, box)
    columns = []

    def spline(knots, at):
        """B_a at a complex place."""
        value = np.zeros(knots.splines, complex)
        a = min(int((at.real - knots.start) / knots.spacing), knots.intervals - 1)
        t = (at - knots.start) / knots.spacing - a
        w = 1.0 - t
        value[a : a + 4] = w**3, 3 * t**3 - 6 * t**2 + 4, 3 * w**3 - 6 * w**2 + 4, t**3
        return value / 6.0

    def triplets(term):
        one, two = (index[end] for end in term.ends)
        for i in np.flatnonzero(types == index[term.center]):
            near = np.flatnonzero(r[i] < term.reach)
            for j, k in combinations(near, 2):
                if types[j] == one and types[k] == two:
                    yield i, j, k
                elif types[j] == two and types[k] == one:
                    yield i, k, j

    for term in terms:
        block = np.zeros((n, 3, term.columns))
        if isinstance(term, PairBasis):
            a, b = (index[name] for name in term.types)
            pairs = ((types[:, None] == a) & (types == b)) | ((types[:, None] == b) & (types == a))
            values = term.knots.values(np.where(pairs & (r < term.knots.cutoff), r, 99.0))
            block = -np.einsum("ija,ijd->ida", values, u)
        elif isinstance(term, DensityBasis):
            counted = np.isin(types, [index[name] for name in term.neighbours])
            w, dw = weight(r, term.inner, term.outer)
            density = (w * counted).sum(axis=1)
            values = term.knots.values(np.clip(density, term.knots.start, term.knots.cutoff))
            values = values * (types == index[term.center])[:, None]
            push = np.einsum("ij,ijd->ijd", dw * counted, u)
            block = np.einsum("ijd,ia->ida", push, values) - np.einsum("ijd,ia->jda", push, values)
        else:
            for triplet in triplets(term):
                d1, d2 = (u[triplet[0], other] * r[triplet[0], other] for other in triplet[1:])
                for bead, direction in product(range(3), range(3)):
                    step = np.zeros((3, 3), complex)
                    step[bead, direction] = 1e-30j
                    v1, v2 = d1 + step[1] - step[0], d2 + step[2] - step[0]
                    r1, r2, r3 = (np.sqrt((v**2).sum()) for v in (v1, v2, v2 - v1))
                    if isinstance(term, AngularBasis):
                        cosine = (v1 @ v2) / (r1 * r2)
                        radial = np.exp(term.decay / (r1 - term.cutoff) + term.decay / (r2 - term.cutoff))
                        h = spline(term.knots, cosine + 1.0) if term.intervals else cosine ** np.arange(3)
                        energy = h * radial
                    elif r3.real >= term.far.cutoff:
                        continue
                    else:
                        three = np.einsum(
                            "a,b,c->abc", spline(term.near, r1), spline(term.near, r2), spline(term.far, r3)
                        )
                        table = term.table
                        energy = np.zeros(term.columns, complex)
                        np.add.at(energy, table[table >= 0], three[table >= 0])
                    block[triplet[bead], direction] -= energy.imag / 1e-30
        columns.append(block)
    return np.concatenate(columns, axis=-1)


def mixture_terms():
    near, far, short = Knots(0.0, 0.5, 6), Knots(0.0, 1.0, 9), Knots(0.0, 0.8, 8)
    return (
        PairBasis(("A", "A"), Knots(0.0, 0.9, 9)), PairBasis(("B", "A"), Knots(0.05, 0.8, 7)),
        AngularBasis("A", ("A", "A"), 0.5, 0.2, 6), AngularBasis("B", ("A", "B"), 0.6, 0.3, 5),
        AngularBasis("A", ("B", "B"), 0.55, 0.1, 0), TripletBasis("A", ("A", "A"), near, far),
        TripletBasis("B", ("B", "A"), near, short), DensityBasis("A", ("A", "B"), 0.1, 0.7, Knots(2.0, 5.0, 5)),
        DensityBasis("B", ("A",), 0.0, 0.6, Knots(0.0, 4.0, 4)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
def test_kernels_equal_plain_numpy(seed):
    rng = np.random.default_rng(seed)
    box = np.array([1.9, 2.1, 2.4])
    x = np.array(list(product(range(3), range(3), range(3)))) / 3.0 * box + rng.uniform(-0.2, 0.2, (27, 3)) - 0.3
    types = rng.integers(0, 2, 27).astype(np.int32)
    terms = mixture_terms()
    design, touched, counts = _design(terms, ("A", "B"), types, x, box, 0)
    plain = plain_design(terms, ("A", "B"), types, x, box)
    assert np.abs(plain).max() > 1.0
    assert np.allclose(design, plain[..., touched], atol=1e-10)
    left_out = np.delete(np.arange(plain.shape[-1]), touched)
    assert not plain[..., left_out].any()
    assert len(left_out) > 100  # most coefficients of triplets have no data, and cost nothing
    assert np.allclose(design.sum(axis=0), 0.0, atol=1e-9)
    one = counts[:9]
    _, r = apart(x, box)
    both = (types[:, None] == 0) & (types == 0)
    assert np.array_equal(one, np.histogram(r[both & (np.tri(27, k=-1) > 0)], terms[0].knots.r)[0])


# ---- one pass, stored ----


def test_same_bits_for_every_cutting_executor_and_order_of_columns(fluid):
    frames = with_forces(fluid, pair_part)
    terms = (COARSE, POWERS, TripletBasis("A", ("A", "A"), Knots(0.0, 1.5, 6), Knots(0.0, 3.0, 8)))
    whole = term_equations(frames, terms)
    with executor(2) as pool:
        threaded = term_equations((frames[i : i + 4] for i in range(0, 30, 4)), terms, executor=pool)
    for name in ("columns", "gram", "moment", "square", "net", "counts", "frames"):
        assert np.array_equal(getattr(whole, name), getattr(threaded, name)), name
    assert len(whole.columns) < sum(term.columns for term in terms)


def test_merge_select_reblock_only_save_and_load(fluid, tmp_path):
    frames = with_forces(fluid, pair_part)
    triplet = TripletBasis("A", ("A", "A"), Knots(0.0, 1.5, 6), Knots(0.0, 3.0, 8))
    whole = term_equations(frames, (COARSE, triplet, POWERS), blocks=30)
    merged = term_equations(frames[:13], (COARSE, triplet, POWERS), blocks=13).merge(
        term_equations(frames[13:], (COARSE, triplet, POWERS), blocks=17)
    )
    assert np.array_equal(whole.columns, merged.columns)
    assert np.array_equal(whole.gram, merged.gram)
    assert np.allclose(whole.reblock(7).gram.sum(0), whole.gram.sum(0), rtol=1e-12)
    assert whole.select([2, 3]).frames.sum() == 2
    swapped = whole.only([POWERS, COARSE])
    alone = term_equations(frames, (POWERS, COARSE), blocks=30)
    assert np.array_equal(swapped.columns, alone.columns)
    assert np.array_equal(swapped.counts, alone.counts)
    assert np.allclose(swapped.gram, alone.gram, rtol=1e-12, atol=1e-9)
    whole.save(tmp_path / "equations.npz")
    again = TermEquations.load(tmp_path / "equations.npz")
    assert again.terms == whole.terms
    one, two = quiet(whole, resamples=20), quiet(again, resamples=20)
    assert all(np.array_equal(a.coefficients, b.coefficients) for a, b in zip(one.fits, two.fits, strict=True))
    with pytest.raises(ValueError, match="different terms"):
        whole.merge(swapped)
    with pytest.raises(ValueError, match="hold no"):
        whole.only([PAIR])
    np.savez(tmp_path / "other.npz", gram=1)
    with pytest.raises(ValueError, match="are missing"):
        TermEquations.load(tmp_path / "other.npz")


# ---- exact force fields ----


def test_pairs_alone_are_those_of_the_streaming_kernel(fluid):
    from kadanoff.molecules.force_matching import normal_equations, solve

    frames = with_forces(fluid, pair_part, noise=0.5)
    knots = COARSE.knots
    one = term_equations(frames, (COARSE,))
    two = normal_equations(frames, cutoff=CUTOFF, spacing=knots.spacing)
    assert np.allclose(one.gram, two.gram, atol=1e-9)
    assert np.array_equal(one.counts, two.pairs)
    fit = fit_terms(one, strengths={COARSE.name: Strength(0.0, 1e-9)})
    match = solve(two)
    r = np.linspace(*match.supported, 50)
    assert np.allclose(fit.pair("A", "A").value(r), match.force(r), atol=1e-7)
    assert np.allclose(fit.pair("A", "A").band(r), match.band(r), rtol=1e-6, atol=1e-7)
    assert fit.total.value == pytest.approx(match.explained_variance.value, abs=1e-9)


def test_lennard_jones_of_two_types(fluid):
    types = (np.arange(100) % 3 == 0).astype(np.int32)
    mixed = replace(fluid, beads=Beads(types, ("A", "B"), np.ones(100)))
    terms = [PairBasis(pair, Knots(0.0, CUTOFF, 100)) for pair in (("A", "A"), ("A", "B"), ("B", "B"))]
    frames = with_forces(mixed, lambda u, r: pair_part(u, r, types))
    match = fit_terms(term_equations(frames, terms), resamples=20)
    assert match.residual_fraction.value < 1e-3
    for a, b, sigma in (("A", "A", 1.0), ("B", "A", 0.95), ("B", "B", 0.9)):
        fit = match.pair(a, b)
        r = np.linspace(fit.supported[0], CUTOFF, 60)
        assert np.allclose(fit.value(r), lennard_jones(r, sigma), atol=0.02 * np.abs(lennard_jones(r, sigma)).max())
    model = match.model((1.0, 1.0), step=0.005)
    assert model.pair("B", "A").supported == match.pair("A", "B").supported


def stillinger_weber(u, r):
    return pair_part(u, r) + angular_part(u, r)


def test_stillinger_weber_comes_back_and_pairs_alone_explain_less(fluid):
    frames = with_forces(fluid, stillinger_weber)
    equations = term_equations(frames, (PAIR, ANGLES, POWERS))
    x = np.linspace(-1.0, 0.6, 60)
    truth = HEIGHT * (x - COSINE) ** 2
    for term in (ANGLES, POWERS):
        match = quiet(equations, terms=(PAIR, term), resamples=20)
        assert match.residual_fraction.value < 1e-3, term
        assert np.allclose(match.of(term).value(x), truth, atol=0.01 * HEIGHT)
        assert match.explained["pair"].value < 0.98 < 0.99999 < match.explained["three-body"].value
    c = match.of(POWERS).coefficients
    assert c == pytest.approx([HEIGHT / 9.0, 2.0 * HEIGHT / 3.0, HEIGHT], rel=2e-3)
    assert match.of(POWERS).triplet().angular(0.3)[0] == pytest.approx(HEIGHT * (0.3 - COSINE) ** 2, rel=2e-3)
    assert (c[2], -0.5 * c[1] / c[2]) == pytest.approx((HEIGHT, COSINE), rel=2e-3)
    r = np.linspace(1.0, CUTOFF, 50)
    assert np.allclose(match.pair("A", "A").value(r), lennard_jones(r), atol=0.05)


def inside_bands(fluid, seed, law=stillinger_weber, terms=(COARSE, ANGLES), noise=0.7):
    """Whether truth lies in the bands, at the supported knots of pair force and h."""
    match = quiet(term_equations(with_forces(fluid, law, noise, seed), terms, blocks=30), resamples=200, seed=seed)
    pair, angle = match.fits
    r = pair.nodes[(pair.nodes >= pair.supported[0]) & (pair.nodes < CUTOFF - 1e-9)]
    x = angle.nodes[(angle.nodes >= angle.supported[0]) & (angle.nodes <= angle.supported[1])]
    height = HEIGHT if law is stillinger_weber else 0.0
    return (
        np.abs(pair.value(r) - lennard_jones(r)) <= pair.band(r),
        np.abs(angle.value(x) - height * (x - COSINE) ** 2) <= angle.band(x),
        match,
    )


def test_stillinger_weber_lies_within_its_bands(fluid):
    """Noise of 0.7 of the force. Few fits: the calibration is in the slow suite, here no more than a coarse look."""
    found = [inside_bands(fluid, seed) for seed in range(6)]
    for part in (0, 1):
        fraction = np.mean(np.concatenate([one[part] for one in found]))
        assert fraction > 0.8, (part, fraction)
    gains = [one[2].gain["three-body"] for one in found]
    assert all(gain.value > 4.0 * gain.error for gain in gains)


@pytest.mark.slow
def test_bands_of_pairs_and_angles_are_calibrated(fluid):
    found = [inside_bands(fluid, seed) for seed in range(100, 160)]
    for part in (0, 1):
        fraction = np.mean(np.concatenate([one[part] for one in found]))
        print(part, fraction)
        assert 0.88 <= fraction <= 0.99, (part, fraction)


def test_a_pair_fluid_has_no_three_body_term(fluid):
    """Negative control: h is zero within its bands, and held-out blocks gain nothing."""
    pulls = []
    for seed in range(6):
        _, _, match = inside_bands(fluid, seed, pair_part)
        gain = match.gain["three-body"]
        assert gain.value < 4.0 * gain.error
        angle = match.of(ANGLES)
        x = np.linspace(*angle.supported, 9)
        pulls.append(np.abs(angle.value(x)) <= angle.band(x))
    assert np.mean(pulls) > 0.8


def test_residual_fit_leaves_the_pair_force_as_it_was(fluid):
    equations = term_equations(with_forces(fluid, stillinger_weber), (PAIR, ANGLES))
    alone = quiet(equations, terms=(PAIR,), resamples=20)
    staged = quiet(equations, mode="residual", resamples=20)
    joint = quiet(equations, mode="joint", resamples=20)
    r = np.linspace(1.0, 2.4, 20)
    same = alone.pair("A", "A").value(r)
    assert np.allclose(staged.pair("A", "A").value(r), same, rtol=1e-6, atol=1e-6)
    assert not np.allclose(joint.pair("A", "A").value(r), same, rtol=0.01)
    assert alone.total.value < staged.total.value < joint.total.value


def test_spline_triplet_is_recovered(fluid):
    """Forces from our engine, which has its own kernel for this term."""
    from kadanoff.molecules.engines.bead import BeadEngine

    near, far = Knots(0.0, 1.5, 10), Knots(0.0, 3.0, 12)
    c = 4.0 * np.random.default_rng(1).normal(size=(near.splines, near.splines, far.splines))
    c += c.transpose(1, 0, 2)
    c[-3:] = c[:, -3:] = 0.0
    term = SplineTriplet("A", ("A", "A"), near, far, c)
    pair = PairPotential.from_function(lambda r: (CUTOFF - r) ** 3, lambda r: -3 * (CUTOFF - r) ** 2, CUTOFF, 0.005)
    model = Model(("A",), (1.0,), {("A", "A"): pair}, (term,))
    forces = np.array([BeadEngine().evaluate(model, fluid[i]).forces for i in range(len(fluid))])
    frames = replace(fluid, forces=forces)
    basis = TripletBasis("A", ("A", "A"), near, far)
    match = quiet(term_equations(frames, (COARSE, basis)), resamples=20)
    assert match.residual_fraction.value < 2e-3
    assert match.explained["pair"].value < 0.9
    fitted = BeadEngine().evaluate(match.model((1.0,), step=0.005), fluid[7]).forces
    assert np.sqrt(np.mean((fitted - forces[7]) ** 2) / np.mean(forces**2)) < 3e-3
    # coefficients that many triplets touch are those of the truth
    table = basis.table
    seen = (table >= 0) & (match.of(basis).counts[table] > 20_000)
    assert seen.sum() > 20
    assert np.allclose(match.of(basis).coefficients[table[seen]], c[seen], atol=0.4)


def test_local_density_is_recovered(fluid):
    slope = lambda rho: 2.0 * np.sin(rho - 4.0)  # noqa: E731
    frames = with_forces(fluid, lambda u, r: pair_part(u, r) + density_part(u, r, slope, 1.8))
    term = DensityBasis("A", ("A",), 0.3, 1.8, Knots(2.0, 9.0, 14))
    match = quiet(term_equations(frames, (PAIR, term)), resamples=20)
    assert match.residual_fraction.value < 5e-3
    assert match.gain["density"].value > 10 * match.gain["density"].error
    fit = match.of(term)
    low, high = fit.supported
    rho = np.linspace(low, high, 40)
    apart_by = fit.value(rho) - slope(rho)  # a constant F' is a pair force, and belongs to the pairs
    assert np.ptp(apart_by) < 0.05
    density = fit.density()
    assert isinstance(density, LocalDensity)
    assert np.allclose(density.embedding(rho)[1], fit.value(rho), atol=1e-3)
    assert np.ptp(density.embedding(np.array([0.0, 1.0]))[1]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", ["angular", "density"])
def test_the_model_has_the_forces_of_the_fit(fluid, kind):
    """Our engine on the model, against the design times the coefficients."""
    from kadanoff.molecules.engines.bead import BeadEngine

    term = ANGLES if kind == "angular" else DensityBasis("A", ("A",), 0.3, 1.8, Knots(2.0, 9.0, 14))
    frames = with_forces(fluid, stillinger_weber)
    match = quiet(term_equations(frames, (PAIR, term)), resamples=10)
    model = match.model((1.0,), step=0.005)
    design, columns, _ = _design(
        (PAIR, term), ("A",), fluid.beads.types, np.asarray(fluid.positions[3]), fluid.box[3], 3
    )
    forces = design @ np.concatenate([fit.coefficients for fit in match.fits])[columns]
    off = BeadEngine().evaluate(model, fluid[3]).forces - forces
    assert np.sqrt(np.mean(off**2) / np.mean(forces**2)) < 1e-3


def test_unsampled_cosines_are_flat_and_flagged(fluid):
    fine = replace(ANGLES, intervals=40)
    match = quiet(term_equations(with_forces(fluid, stillinger_weber), (COARSE, fine)), resamples=10)
    fit = match.of(fine)
    assert -1.0 <= fit.supported[0] < fit.supported[1] < 0.95
    term = fit.triplet()
    assert isinstance(term, AngularTriplet)
    beyond = np.linspace(fit.supported[1] + 2 * fit.knots.spacing, 1.0, 5)  # behind the rim's cell and the next
    assert np.ptp(term.angular(beyond)[0]) == pytest.approx(0.0, abs=1e-9)
    x = np.linspace(*fit.supported, 30)
    assert np.allclose(term.angular(x)[0], fit.value(x), atol=1e-9)


# ---- strengths ----


def test_cross_validation_smooths_noise_and_spares_signal(fluid):
    """Few noisy frames and many knots: the chosen curvature predicts better than none; without noise it is weak."""
    fine = AngularBasis("A", ("A", "A"), REACH, DECAY, 40)
    noisy = term_equations(with_forces(fluid[:6], stillinger_weber, noise=2.0), (COARSE, fine), blocks=6)
    match = quiet(noisy, resamples=10)
    risk = match.risks[fine.name, "curvature"]
    assert risk.risk[risk.chosen] < risk.risk[0]
    assert np.all(risk.risk >= risk.risk.min())
    assert match.strengths[fine.name].curvature == risk.strength[risk.chosen]
    exact = quiet(term_equations(with_forces(fluid, stillinger_weber), (COARSE, ANGLES)), resamples=10)
    assert exact.strengths[ANGLES.name].curvature < 1e-4
    assert exact.strengths[ANGLES.name].ridge < 1e-6


def test_too_few_frames_for_the_knots_are_named(fluid):
    triplet = TripletBasis("A", ("A", "A"), Knots(0.0, 1.5, 24), Knots(0.0, 3.0, 40))
    few = term_equations(with_forces(fluid[:3], pair_part, noise=2.0), (COARSE, triplet), blocks=3)
    with pytest.raises(ValueError, match="force components are too few"):
        fit_terms(few)
    less = TripletBasis("A", ("A", "A"), Knots(0.0, 1.5, 10), Knots(0.0, 3.0, 10))
    some = term_equations(with_forces(fluid[:8], pair_part, noise=2.0), (COARSE, less), blocks=8)
    weak = {less.name: Strength(1e-10, 1e-10), COARSE.name: Strength()}
    with pytest.warns(DataWarning, match="too few frames for the knots of triplet"):
        fit_terms(some, strengths=weak, resamples=10)


# ---- bad input ----


def test_what_is_refused(fluid):
    frames = with_forces(fluid, pair_part)
    with pytest.raises(ValueError, match="hold no forces"):
        term_equations(fluid, (COARSE,))
    with pytest.raises(ValueError, match="names the bead type 'B'"):
        term_equations(frames, (PairBasis(("A", "B"), COARSE.knots),))
    with pytest.raises(ValueError, match="given twice"):
        term_equations(frames, (COARSE, PAIR))
    with pytest.raises(ValueError, match="no terms"):
        term_equations(frames, ())
    with pytest.raises(ValueError, match="half the shortest box edge"):
        term_equations(frames, (PairBasis(("A", "A"), Knots(0.0, 3.0, 30)),))
    with pytest.raises(ValueError, match="lower start"):
        term_equations(frames, (PairBasis(("A", "A"), Knots(1.0, 2.5, 15)),))
    same = frames.positions.copy()
    same[2, 5] = same[2, 6]
    with pytest.raises(ValueError, match="at one place in frame 2"):
        term_equations(replace(frames, positions=same), (COARSE,))
    with pytest.raises(ValueError, match="no frames"):
        term_equations(frames[:0], (COARSE,))
    with pytest.raises(ValueError, match="no data at all"):
        fit_terms(term_equations(frames, (COARSE, AngularBasis("A", ("A", "A"), 0.5, 0.1, 6))))
    with pytest.raises(ValueError, match="at least three blocks"):
        fit_terms(term_equations(frames, (COARSE,), blocks=2))
    equations = term_equations(frames, (COARSE,))
    with pytest.raises(ValueError, match="none of the terms"):
        fit_terms(equations, strengths={"pear": Strength()})
    with pytest.raises(ValueError, match="'joint' or 'residual'"):
        fit_terms(equations, mode="both")
    with pytest.raises(ValueError, match="all forces are zero"):
        fit_terms(term_equations(replace(frames, forces=0.0 * frames.forces), (COARSE,)))
    field = replace(frames, forces=frames.forces + np.array([0.5, 0.0, 0.0]))
    with pytest.warns(DataWarning, match="total force"):
        fit_terms(term_equations(field, (COARSE,)), resamples=10)
    with pytest.raises(ValueError, match="must start at 0"):
        TripletBasis("A", ("A", "A"), Knots(0.1, 1.0, 6), Knots(0.0, 2.0, 6))
    with pytest.raises(ValueError, match="must be positive"):
        AngularBasis("A", ("A", "A"), 0.0, 0.1)
