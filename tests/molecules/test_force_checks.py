"""Many-body force matching: what no fit may lose, and what is refused before anything is fitted."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.force_terms import DensityBasis, PairBasis
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.local_density import LocalDensity
from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import term_equations
from kadanoff.molecules.term_matching import fit_terms


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
