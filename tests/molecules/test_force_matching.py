"""Force matching against exact Lennard-Jones forces, closed forms, and forces that no pair potential explains."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from kadanoff.molecules._kernels.force_matching import accumulate
from kadanoff.molecules.force_matching import Knots, NormalEquations, normal_equations, solve
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.parallel import executor

CUTOFF = 2.5
SEVENTH = np.arange(100)[:, None] == 7


def truth(r):
    """Force of the shifted-force Lennard-Jones potential, epsilon = sigma = 1, zero beyond the cut-off."""
    r = np.asarray(r, float)
    force = 24.0 * (2.0 * r**-13 - r**-7) - 24.0 * (2.0 * CUTOFF**-13 - CUTOFF**-7)
    return np.where(r < CUTOFF, force, 0.0)


def true_energy(r):
    last = 24.0 * (2.0 * CUTOFF**-13 - CUTOFF**-7)
    bare = lambda x: 4.0 * (x**-12 - x**-6)  # noqa: E731
    return bare(r) - bare(CUTOFF) - last * (CUTOFF - r)


def vectors(positions, box):
    """All r_i - r_j of one frame under the nearest-image rule (n, n, 3), and the distances with infinity for i = j."""
    d = positions[:, None] - positions[None]
    d -= box * np.rint(d / box)
    r = np.sqrt((d**2).sum(-1))
    np.fill_diagonal(r, np.inf)
    return d, r


def pair_forces(frames, law=truth):
    result = np.empty(frames.positions.shape)
    for index, (positions, box) in enumerate(zip(frames.positions, frames.box, strict=True)):
        d, r = vectors(positions, box)
        result[index] = np.einsum("ij,ijd->id", law(r) / r, d)
    return result


@pytest.fixture(scope="module")
def fluid():
    """A Lennard-Jones fluid, density 0.7, kT = 1: 24 frames of 100 beads with exact forces; plain Langevin."""
    rng = np.random.default_rng(3)
    n, number, every, dt = 100, 24, 20, 0.005
    box = np.full(3, (n / 0.7) ** (1.0 / 3.0))
    x = (np.array(list(product(range(5), range(5), range(4)))) + 0.5) / (5, 5, 4) * box
    v, keep = rng.normal(size=x.shape), np.exp(-2.0 * dt)
    d, r = vectors(x, box)
    f = np.einsum("ij,ijd->id", truth(r) / r, d)
    positions, forces = [], []
    for step in range(every * (number + 10)):
        v += 0.5 * dt * f
        x = x + 0.5 * dt * v
        v = keep * v + np.sqrt(1.0 - keep**2) * rng.normal(size=x.shape)
        x = x + 0.5 * dt * v
        d, r = vectors(x, box)
        f = np.einsum("ij,ijd->id", truth(r) / r, d)
        v += 0.5 * dt * f
        if step >= 10 * every and step % every == 0:
            positions.append(x)
            forces.append(f)
    edges = np.tile(box, (number, 1))
    return Frames(Beads.alike(n, 1.0), np.array(positions), edges, np.arange(float(number)), forces=np.array(forces))


@pytest.fixture(scope="module")
def rms(fluid):
    return float(np.sqrt(np.mean(fluid.forces**2)))


def noisy(fluid, scale, seed):
    return replace(fluid, forces=fluid.forces + scale * np.random.default_rng(seed).normal(size=fluid.forces.shape))


# ---- splines ----


def test_splines_are_scipys_and_their_integrals_exact():
    from scipy.interpolate import BSpline

    knots = Knots(0.24, 0.9, 11)
    rng = np.random.default_rng(0)
    c = rng.normal(size=knots.splines)
    h = knots.spacing
    grid = knots.start + h * np.arange(-3, knots.intervals + 4)
    spline = BSpline(grid, c, 3)
    r = np.append(rng.uniform(0.24, 0.9, 200), [0.24, 0.9, *knots.r])
    assert np.allclose(knots.values(r) @ c, spline(r), atol=1e-13)
    assert np.allclose(knots.values(r).sum(-1), 1.0, atol=1e-13)
    integral = spline.antiderivative()
    assert np.allclose(knots.integrals(r) @ c, integral(0.9) - integral(r), atol=1e-14)
    assert not knots.values([0.2399, 0.9001]).any()


@pytest.mark.parametrize(("end", "zeros"), [("zero", 1), ("smooth", 2)])
def test_the_force_ends_as_asked(fluid, end, zeros):
    match = solve(normal_equations(fluid, cutoff=CUTOFF, spacing=0.1), end=end, resamples=10)
    h = 1e-4
    tail = match.force(CUTOFF - h * np.arange(3))
    assert abs(tail[0]) < 1e-12
    slope = (tail[2] - 4.0 * tail[1] + 3.0 * tail[0]) / (2.0 * h)
    assert (abs(slope) < 1e-3) == (zeros == 2)


# ---- the kernel ----


@pytest.mark.parametrize(
    ("n", "edges", "start"),
    [(40, (5.0, 5.0, 5.0), 0.0), (60, (5.1, 7.7, 16.0), 0.5), (300, (11.0, 9.0, 6.3), 0.0), (5, (40.0, 6.0, 5.0), 0.0)],
)
def test_kernel_equals_plain_numpy(n, edges, start):
    rng = np.random.default_rng(n)
    box = np.array(edges)
    positions = rng.uniform(-1.5, 2.5, (2, n, 3)) * box  # beads outside the box as well
    forces = rng.normal(size=positions.shape)
    knots = Knots(start, 2.5, 17)
    k, m = knots.splines, knots.intervals
    gram, moment, counts, closest = np.empty((2, k, k)), np.empty((2, k)), np.empty((2, m), np.int64), np.empty(2)
    accumulate(positions, forces, np.stack([box, box]), knots.start, knots.spacing, gram, moment, counts, closest)
    for frame in range(2):
        d, r = vectors(positions[frame], box)
        if start:  # the kernel leaves it to its caller to refuse pairs below the first knot
            below = r < start
            assert closest[frame] == pytest.approx(r.min(), rel=1e-12)
            if below.any():
                continue
        values = knots.values(np.where(r < 2.5, r, 9.0))
        design = np.einsum("ija,ijd->ida", values, d / r[..., None]).reshape(-1, k)
        assert np.allclose(gram[frame], design.T @ design, atol=1e-11)
        assert np.allclose(moment[frame], design.T @ forces[frame].ravel(), atol=1e-11)
        assert np.array_equal(counts[frame], np.histogram(r[np.triu_indices(n, 1)], knots.r)[0])
        assert closest[frame] == pytest.approx(min(r.min(), 2.5), rel=1e-12)


# ---- exact data ----


def test_residual_and_recovery_on_exact_lennard_jones_data(fluid, rms):
    match = solve(normal_equations(fluid, cutoff=CUTOFF, spacing=0.05))
    assert match.residual_fraction.value < 1e-3
    assert match.explained_variance.value > 1.0 - 1e-6
    r = np.linspace(match.supported[0], CUTOFF, 200)
    assert np.max(np.abs(match.force(r) - truth(r)) / (1.0 + np.abs(truth(r)))) < 0.01
    assert np.max(np.abs(match.energy(r) - true_energy(r)) / (1.0 + np.abs(true_energy(r)))) < 0.002
    assert np.allclose(match.potential.force_at(r[5:]), match.force(r[5:]), rtol=1e-4, atol=1e-4)
    assert np.allclose(match.potential.energy_at(r), match.energy(r), rtol=1e-4, atol=1e-4)
    assert match.potential.supported == match.supported
    assert match.net_force.value < 1e-12
    assert not match.notes


def test_error_falls_with_the_fourth_power_of_the_spacing(fluid):
    """The order of cubic splines, on a smooth law whose scale the knots resolve."""

    def law(r):
        r = np.minimum(r, CUTOFF)
        return np.sin(2.0 * r) * (CUTOFF - r)

    smooth = replace(fluid, forces=pair_forces(fluid, law))
    residuals = [
        solve(normal_equations(smooth, cutoff=CUTOFF, spacing=h), curvature=1e-14, resamples=2).residual_fraction.value
        for h in (0.25, 0.125, 0.0625)
    ]
    orders = np.log2(np.array(residuals[:-1]) / residuals[1:])
    assert np.all((orders > 3.6) & (orders < 4.6)), (residuals, orders)


# ---- error bars ----


def test_bands_are_calibrated(fluid, rms):
    """Noise as large as the force: 88-99 % of the supported knots lie inside pointwise 95 % bands, for f and U."""
    inside, inside_energy, knots = [], [], []
    for seed in range(40):
        match = solve(normal_equations(noisy(fluid, rms, seed), cutoff=CUTOFF, spacing=0.125), seed=seed, resamples=200)
        r = match.knots.r[match.supported_knots][:-1]  # at the cut-off itself both are zero
        inside.append(np.abs(match.force(r) - truth(r)) <= match.band(r))
        inside_energy.append(np.abs(match.energy(r) - true_energy(r)) <= match.energy_band(r))
        knots.append(len(r))
    assert min(knots) >= 11
    # 40 fits with about 5 independent knots each: the standard error of the fraction is near 1.5 %
    for fraction in (np.mean(np.concatenate(inside)), np.mean(np.concatenate(inside_energy))):
        assert 0.88 <= fraction <= 0.99, fraction


def test_band_width_falls_as_one_over_root_n(fluid, rms):
    equations = normal_equations(noisy(fluid, rms, 1), cutoff=CUTOFF, spacing=0.125, blocks=24)
    for seed in range(2, 16):
        equations = equations.merge(normal_equations(noisy(fluid, rms, seed), cutoff=CUTOFF, spacing=0.125, blocks=24))
    r = np.linspace(1.0, 2.3, 27)
    widths = [np.median(solve(equations.select(slice(0, n))).band(r)) for n in (24, 96, 360)]
    slopes = np.diff(np.log(widths)) / np.diff(np.log([24, 96, 360]))
    assert np.all(np.abs(slopes + 0.5) < 0.12), (widths, slopes)


def test_pure_noise_is_not_explained(fluid, rms):
    values = []
    for seed in range(20):
        forces = rms * np.random.default_rng(seed).normal(size=fluid.forces.shape)
        match = solve(normal_equations(replace(fluid, forces=forces), cutoff=CUTOFF, spacing=0.125), resamples=2)
        assert abs(match.explained_variance.value) < 5.0 * match.explained_variance.error
        assert match.in_sample.value > 0.0 > match.held_out.value
        values.append(match.explained_variance.value)
    values = np.array(values)
    assert abs(values.mean()) < 4.0 * values.std(ddof=1) / np.sqrt(len(values)), "biased"


def test_an_independent_part_is_counted_and_leaves_the_pair_part_unbiased(fluid, rms):
    """Random forces that add up to zero in each frame: half the variance is lost, the pair force is not."""
    pulls = []
    for seed in range(12):
        extra = rms * np.random.default_rng(seed).normal(size=fluid.forces.shape)
        extra -= extra.mean(axis=1, keepdims=True)
        both = replace(fluid, forces=fluid.forces + extra)
        match = solve(normal_equations(both, cutoff=CUTOFF, spacing=0.125), resamples=100)
        assert abs(match.explained_variance.value - 0.5) < 5.0 * match.explained_variance.error
        assert match.net_force.value < 1e-10
        r = match.knots.r[match.supported_knots][1:-1]
        pulls.append((match.force(r[-10:]) - truth(r[-10:])) / match.band(r[-10:]))
    mean = np.mean(pulls, axis=0) * 2.07  # bands are 2.07 standard errors wide (23 degrees of freedom)
    assert np.all(np.abs(mean) < 5.0 / np.sqrt(12))


# ---- blocks, streams, files ----


def test_same_bits_for_every_cutting_and_every_executor(fluid):
    whole = normal_equations(fluid, cutoff=CUTOFF, spacing=0.1)
    pieces = normal_equations((fluid[i : i + 5] for i in range(0, 24, 5)), cutoff=CUTOFF, spacing=0.1)
    with executor(2) as threads:
        chunks = (fluid[i : i + 3] for i in range(0, 24, 3))
        threaded = normal_equations(chunks, cutoff=CUTOFF, spacing=0.1, executor=threads)
    for other in (pieces, threaded):
        for name in ("gram", "moment", "square", "net", "pairs", "frames"):
            assert np.array_equal(getattr(whole, name), getattr(other, name)), name


def test_merge_reblock_select_save_and_load(fluid, tmp_path):
    whole = normal_equations(fluid, cutoff=CUTOFF, spacing=0.1, blocks=24)
    merged = normal_equations(fluid[:12], cutoff=CUTOFF, spacing=0.1, blocks=12).merge(
        normal_equations(fluid[12:], cutoff=CUTOFF, spacing=0.1, blocks=12)
    )
    assert np.array_equal(whole.gram, merged.gram)
    assert np.allclose(whole.reblock(5).gram.sum(0), whole.gram.sum(0), rtol=1e-14)
    assert whole.select(slice(0, None, 2)).frames.sum() == 12
    path = tmp_path / "equations.npz"
    whole.save(path)
    again = NormalEquations.load(path)
    assert again.knots == whole.knots
    assert (again.beads, again.name) == (100, "A")
    one, two = solve(whole), solve(again)
    assert np.array_equal(one.coefficients, two.coefficients)
    assert np.array_equal(one.covariance, two.covariance)
    np.savez(tmp_path / "other.npz", gram=1)
    with pytest.raises(ValueError, match="are missing"):
        NormalEquations.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="different knots"):
        whole.merge(normal_equations(fluid, cutoff=CUTOFF, spacing=0.125))


def test_single_precision_and_integer_boxes_are_taken(fluid):
    single = replace(fluid, positions=fluid.positions.astype(">f4"), forces=fluid.forces.astype(np.float32))
    one = solve(normal_equations(single, cutoff=CUTOFF, spacing=0.05))
    assert one.residual_fraction.value < 1e-3


# ---- what data lack ----


def test_gap_in_the_data_is_flagged_not_fatal():
    """A cold crystal: no pair between its shells. The knots there are named, and the fit stays finite."""
    rng = np.random.default_rng(2)
    cells = np.array(list(product(range(4), repeat=3)))
    sites = np.concatenate([cells + shift for shift in ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))]) * 1.55
    positions = sites + 0.02 * rng.normal(size=(20, *sites.shape))
    frames = Frames(Beads.alike(len(sites), 1.0), positions, np.full((20, 3), 6.2), np.arange(20.0))
    frames = replace(frames, forces=pair_forces(frames))
    with pytest.warns(UserWarning, match="too few pairs"):
        match = solve(normal_equations(frames, cutoff=CUTOFF, spacing=0.05))
    assert np.all(np.isfinite(match.force(np.linspace(0.0, CUTOFF, 99))))
    assert np.all(np.isfinite(match.band(np.linspace(0.0, CUTOFF, 99))))
    assert not match.supported_knots[round(1.35 / 0.05)]
    assert match.supported_knots[round(1.1 / 0.05)]
    assert match.supported[0] > 1.35
    assert not match.potential.is_supported(1.1)
    assert match.force(1.1) == pytest.approx(float(truth(1.1)), abs=0.05)


def test_hardly_sampled_core_is_extrapolated(fluid):
    """One rare close pair must neither crash the fit nor count as support."""
    positions = fluid.positions.copy()
    positions[3, 0] = positions[3, 1] + np.array([0.7, 0.0, 0.0])
    close = replace(fluid, positions=positions)
    close = replace(close, forces=pair_forces(close))
    match = solve(normal_equations(close, cutoff=CUTOFF, spacing=0.05))
    assert match.supported[0] >= 0.85
    assert not match.potential.is_supported(0.8)
    assert match.potential.force_at(0.8) > match.potential.force_at(0.9) > 0.0


# ---- bad input ----


def test_net_force_is_noticed(fluid):
    field = replace(fluid, forces=fluid.forces + np.array([0.5, 0.0, 0.0]))
    with pytest.warns(UserWarning, match="total force"):
        match = solve(normal_equations(field, cutoff=CUTOFF, spacing=0.1))
    assert match.net_force.value > 0.1
    assert match.notes
    half = Frames(Beads.alike(50, 1.0), fluid.positions[:, :50], fluid.box, fluid.time, forces=fluid.forces[:, :50])
    assert solve(normal_equations(half, cutoff=CUTOFF, spacing=0.1)).explained_variance.value < 0.9


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: replace(f, forces=None), "hold no forces"),
        (lambda f: f[:0], "no frames"),
        (lambda f: replace(f, box=np.full_like(f.box, 4.9)), "half the shortest box edge"),
        (lambda f: replace(f, box=np.full_like(f.box, np.nan)), "half the shortest box edge"),
        (lambda f: replace(f, positions=np.where(SEVENTH, np.nan, f.positions)), "position of bead 7 in frame 0"),
        (lambda f: replace(f, forces=np.where(SEVENTH, np.inf, f.forces)), "force of bead 7 in frame 0"),
        (lambda f: replace(f, positions=np.zeros_like(f.positions)), "on top of each other"),
        (lambda f: replace(f, beads=Beads(np.arange(100) % 2, ("A", "B"), np.ones(100))), "one bead type"),
    ],
)  # fmt: skip
def test_bad_frames_are_refused(fluid, spoil, message):
    with pytest.raises(ValueError, match=message):
        normal_equations(spoil(fluid), cutoff=CUTOFF, spacing=0.1)


def test_bad_questions_are_refused(fluid):
    with pytest.raises(ValueError, match="nearer than the first knot"):
        normal_equations(fluid, cutoff=CUTOFF, spacing=0.1, start=1.2)
    other = Frames(Beads.alike(3, 1.0), np.zeros((1, 3, 3)), fluid.box[:1], np.zeros(1), forces=np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="other beads"):
        normal_equations([fluid, other], cutoff=CUTOFF, spacing=0.1)
    with pytest.raises(ValueError, match="cannot make 25 blocks"):
        normal_equations(fluid, cutoff=CUTOFF, spacing=0.1, blocks=25)
    with pytest.raises(ValueError, match="four knot intervals"):
        normal_equations(fluid, cutoff=CUTOFF, spacing=0.0)
    with pytest.raises(ValueError, match="start"):
        normal_equations(fluid, cutoff=CUTOFF, spacing=0.1, start=3.0)
    one = normal_equations(fluid[0], cutoff=CUTOFF, spacing=0.1)
    with pytest.raises(ValueError, match="at least two blocks"):
        solve(one)
    equations = normal_equations(fluid, cutoff=CUTOFF, spacing=0.1)
    for name, wrong in (("end", "open"), ("confidence", 1.0), ("curvature", 0.0)):
        with pytest.raises(ValueError, match=f"{name} must"):
            solve(equations, **{name: wrong})
    still = replace(fluid, forces=np.zeros_like(fluid.forces))
    with pytest.raises(ValueError, match="all forces are zero"):
        solve(normal_equations(still, cutoff=CUTOFF, spacing=0.1))
