"""Many-body force matching: what no fit may lose, and what is refused before anything is fitted."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.force_matching import normal_equations
from kadanoff.molecules.force_terms import DensityBasis, PairBasis
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.local_density import LocalDensity
from kadanoff.molecules.many_body_matching import match_many_body
from kadanoff.molecules.pair_distributions import pair_distributions
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
