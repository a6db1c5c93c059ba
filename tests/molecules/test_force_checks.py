"""Many-body force matching: what no fit may lose, and what is refused before anything is fitted."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.force_matching import normal_equations
from kadanoff.molecules.force_terms import AngularBasis, DensityBasis, PairBasis
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.local_density import LocalDensity
from kadanoff.molecules.many_body_matching import match_many_body
from kadanoff.molecules.pair_distributions import pair_distributions
from kadanoff.molecules.pair_forces import DataWarning
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import TermEquations, term_equations
from kadanoff.molecules.term_matching import fit_terms
from kadanoff.molecules.transferability import energy_and_entropy


def gas(number=12, beads=100, edge=2.0, seed=0):
    """Beads thrown at random, with forces of random size."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, edge, (number, beads, 3))
    return Frames(
        Beads.alike(beads, 18.0, "A"), x, np.full((number, 3), edge), np.arange(float(number)),
        forces=rng.normal(size=x.shape),
    )  # fmt: skip


@pytest.mark.parametrize("cutoff", [0.9, 0.5])
def test_a_local_density_beside_shorter_pairs_keeps_its_linear_part(cutoff):
    """F' = 2 is a pair force to 0.9 nm: pairs to 0.5 nm cannot have it, so that the density must."""
    frames = gas()
    flat = LocalDensity("A", ("A",), 0.0, 0.9, 0.0, 30.0, np.array([0.0, 60.0]), np.array([2.0, 2.0]))
    model = Model(("A",), (18.0,), {("A", "A"): PairPotential.zero(0.9, 0.01)}, (), (flat,))
    forces = [BeadEngine().evaluate(model, frames[k]).forces for k in range(len(frames))]
    exact = replace(frames, forces=np.array(forces))
    terms = [PairBasis(("A", "A"), Knots(0.0, cutoff, 20)), DensityBasis("A", ("A",), 0.0, 0.9, Knots(0.0, 40.0, 8))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match = fit_terms(term_equations(exact, terms), resamples=10)
    assert match.in_sample["density"].value > 1.0 - 1e-6
    assert match.held_out["density"].value > 1.0 - 1e-6


def typed(frames, names, types):
    return replace(frames, beads=Beads(np.asarray(types, np.int32), names, np.full(len(types), 18.0)))


def test_chunks_and_equations_of_other_beads_are_not_merged(tmp_path):
    frames, types = gas(), np.arange(100) % 2
    knots = Knots(0.0, 0.9, 9)
    terms = [PairBasis(pair, knots) for pair in (("A", "A"), ("A", "B"), ("B", "B"))]
    one, swapped = typed(frames[:6], ("A", "B"), types), typed(frames[6:], ("B", "A"), types)
    with pytest.raises(ValueError, match="chunk at frame 6 holds other beads"):
        term_equations([one, swapped], terms)
    with pytest.raises(ValueError, match="chunk at frame 6 holds other beads"):
        pair_distributions([one, swapped], cutoff=0.9)
    with pytest.raises(ValueError, match="chunk at frame 6 holds other beads"):
        normal_equations([frames[:6], typed(frames[6:], ("B",), 0 * types)], cutoff=0.9)
    first = term_equations(one, terms)
    assert first.numbers == (50, 50)
    with pytest.raises(ValueError, match=r"\(50, 50\) and \(25, 75\) beads"):
        first.merge(term_equations(typed(frames[6:], ("A", "B"), np.arange(100) % 4 > 0), terms))
    both = first.merge(term_equations(typed(frames[6:], ("A", "B"), types), terms))
    both.save(tmp_path / "both.npz")
    assert TermEquations.load(tmp_path / "both.npz").numbers == (50, 50)
    with np.load(tmp_path / "both.npz") as file:
        np.savez(tmp_path / "old.npz", **{name: file[name] for name in file.files if name != "numbers"})
    assert TermEquations.load(tmp_path / "old.npz").numbers == ()
    with pytest.raises(ValueError, match="do not make 100"):
        replace(first, numbers=(50, 51))


def test_the_whole_of_matching_says_what_is_wrong_where():
    frames = gas()

    def spoiled(array):
        bad = getattr(frames, array).copy()
        bad[0, 5, 1] = np.nan
        return replace(frames, **{array: bad})

    with pytest.raises(ValueError, match="three blocks of frames, not 1 of 1 frame"):
        match_many_body(frames[:1], cutoff=0.9, splines=False)
    with pytest.raises(ValueError, match="all forces are zero in all 12 frames"):
        match_many_body(replace(frames, forces=0.0 * frames.forces), cutoff=0.9, splines=False)
    with pytest.raises(ValueError, match="position of bead 5 in frame 0 is not a finite number"):
        match_many_body(spoiled("positions"), cutoff=0.9)
    with pytest.raises(ValueError, match="force of bead 5 in frame 0 is not a finite number"):
        match_many_body(spoiled("forces"), cutoff=0.9)


def test_tables_that_are_no_numbers_are_refused():
    zeros = np.zeros(3)
    for start, step in ((np.nan, 1.0), (np.inf, 1.0), (0.0, np.inf)):
        with pytest.raises(ValueError, match="grid of rho of A must be finite"):
            LocalDensity("A", ("A",), 0.0, 0.4, start, step, zeros, zeros)
    with pytest.raises(ValueError, match="counts no neighbours"):
        LocalDensity("A", (), 0.0, 0.4, 0.0, 1.0, zeros, zeros)
    ones = np.ones((2, 1))
    with pytest.raises(ValueError, match=r"at 300 K is not a finite number at 0\.5 nm"):
        energy_and_entropy([0.5], [300.0, 310.0], [[np.nan], [1.0]], ones)
    with pytest.raises(ValueError, match="positive and finite error"):
        energy_and_entropy([0.5], [300.0, 310.0], ones, np.inf * ones)


def test_thin_cells_inside_keep_the_fit_and_are_named():
    """One thin cell in the middle: the model has the forces of the fit on both sides of it, and a note says where."""
    frames = gas(beads=60, edge=1.4)
    angles = AngularBasis("A", ("A", "A"), 0.35, 0.2, 10)
    density = DensityBasis("A", ("A",), 0.0, 0.5, Knots(0.0, 8.0, 10))
    for term, thin, what in ((angles, 4, "cos theta in -0.2 to 0"), (density, 3, "rho in 2.4 to 3.2")):
        equations = term_equations(frames, [term])
        counts = equations.counts.copy()
        counts[:, thin] = 0
        with pytest.warns(DataWarning, match=f"too few samples for {what}"):
            fit = fit_terms(replace(equations, counts=counts), resamples=10).fits[0]
        low, high = np.flatnonzero(fit.sampled)[[0, -1]] + [0, 1]
        x = np.linspace(fit.nodes[low], fit.nodes[high], 300)
        if term is angles:
            model = fit.triplet().angular(fit.nodes[low : high + 1])[0]
            assert np.allclose(model, fit.value(fit.nodes[low : high + 1]), atol=1e-9)
        else:
            nodes = np.linspace(fit.nodes[low], fit.nodes[high], 4 * (high - low) + 1)
            assert np.allclose(fit.density().embedding(nodes)[1], fit.value(nodes), atol=1e-9)
        assert np.ptp(fit.value(x)) > 0.0
        assert fit.supported[1] <= fit.nodes[thin] or fit.supported[0] >= fit.nodes[thin + 1]


def test_samples_that_a_model_flattens_are_told():
    frames = gas(beads=60, edge=1.4)
    angles = AngularBasis("A", ("A", "A"), 0.35, 0.2, 10)
    equations = term_equations(frames, [angles])
    counts = equations.counts.copy()
    counts[:, 9] = 0
    counts[0, 9] = 3
    with pytest.warns(DataWarning, match=r"3 samples, .* outside cos theta -1 to 0\.8; in a model h is constant"):
        fit_terms(replace(equations, counts=counts), resamples=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        counts[0, 9] = 0  # no samples at all: the forces of these frames lose nothing
        fit_terms(replace(equations, counts=counts), resamples=10)
