"""Error bars of several states matched together: what is drawn anew are the blocks of a state, not its share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kadanoff.molecules.force_matching import NormalEquations, normal_equations, solve
from kadanoff.molecules.force_terms import AngularBasis, PairBasis
from kadanoff.molecules.frames import Beads, Frames
from kadanoff.molecules.multistate import merged_equations
from kadanoff.molecules.pair_forces import ratio_error
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.term_equations import TermEquations, term_equations
from kadanoff.molecules.term_matching import fit_terms
from kadanoff.molecules.term_solution import Strength

AT = np.array([0.3, 0.5, 0.7])
PAIR = PairBasis(("A", "A"), Knots(0.0, 0.9, 10))
TERMS = (PAIR, AngularBasis("A", ("A", "A"), 0.5, 0.2, 0))


def state(strength, seed, blocks=20, many=False):
    """Normal equations of a gas with the pair force strength (1 - r / 0.9) and noise of 0.5 on every component."""
    rng = np.random.default_rng(seed)
    n, number, edge = 60, 40, 2.0
    x = rng.uniform(0, edge, (number, n, 3))
    d = x[:, :, None] - x[:, None]
    d -= edge * np.rint(d / edge)
    r = np.sqrt((d**2).sum(-1)) + 9.0 * np.eye(n)
    f = np.einsum("fij,fijd->fid", np.where(r < 0.9, strength * (1 - r / 0.9), 0.0) / r, d)
    f += 0.5 * rng.normal(size=f.shape)
    frames = Frames(Beads.alike(n, 18.0, "A"), x, np.full((number, 3), edge), np.arange(float(number)), forces=f)
    if many:
        return term_equations(frames, TERMS, blocks=blocks)
    return normal_equations(frames, cutoff=0.9, spacing=0.09, blocks=blocks)


def test_bands_of_states_with_unlike_forces_are_calibrated():
    repeats = 40
    fits = [solve(merged_equations([state(1.0, 2 * k), state(3.0, 2 * k + 1)])) for k in range(repeats)]
    spread = np.std([fit.force(AT) for fit in fits], axis=0, ddof=1)
    claimed = np.sqrt(np.mean([fit.error(AT) ** 2 for fit in fits], axis=0))
    assert np.all(np.abs(np.log(claimed / spread)) < 4.0 / np.sqrt(2.0 * (repeats - 1)))  # was 4 to 5 times too wide
    for name in ("in_sample", "residual_fraction"):
        found = [getattr(fit, name) for fit in fits]
        own = np.std([one.value for one in found], ddof=1)
        said = np.sqrt(np.mean([one.error**2 for one in found]))
        assert abs(np.log(said / own)) < 4.0 / np.sqrt(2.0 * (repeats - 1)), name


def test_only_blocks_of_a_stratum_are_compared():
    rng = np.random.default_rng(4)
    strata = np.repeat([0, 1], [6, 10])
    means, squares = np.where(strata, 5.0, 1.0), np.full(16, 9.0)
    values = means + rng.normal(size=16)
    ratio = values.sum() / squares.sum()
    parts = [values[strata == label] - ratio * squares[strata == label] for label in (0, 1)]
    error = np.sqrt(sum(len(part) * part.var() * len(part) / (len(part) - 1) for part in parts)) / squares.sum()
    assert ratio_error(values, squares, strata) == pytest.approx(error, rel=1e-12)
    assert ratio_error(values, squares) > 2.0 * error


def test_strata_are_kept(tmp_path):
    one, two = state(1.0, 1), state(3.0, 2, blocks=10)
    both = merged_equations([one, two])
    assert np.array_equal(both.strata, np.repeat([0, 1], [20, 10]))
    assert np.array_equal(merged_equations([both, one]).strata, np.repeat([0, 1, 2], [20, 10, 20]))
    assert np.array_equal(one.merge(one).strata, np.zeros(40))  # a second piece of one trajectory is the same state
    fewer = both.reblock(6)
    assert np.array_equal(fewer.strata, [0, 0, 0, 0, 1, 1])
    assert np.allclose(fewer.gram[fewer.strata == 1].sum(0), two.gram.sum(0), rtol=1e-13)
    assert np.array_equal(both.select([0, 25]).strata, [0, 1])
    both.save(tmp_path / "both.npz")
    again = NormalEquations.load(tmp_path / "both.npz")
    assert np.array_equal(solve(again).covariance, solve(both).covariance)
    with np.load(tmp_path / "both.npz") as file:
        np.savez(tmp_path / "old.npz", **{name: file[name] for name in file.files if name != "strata"})
    assert not NormalEquations.load(tmp_path / "old.npz").strata.any()
    with pytest.raises(ValueError, match="2 states cannot be merged into 1"):
        both.reblock(1)
    with pytest.raises(ValueError, match="two blocks or more of every state"):
        solve(merged_equations([one, two.reblock(1)]))
    with pytest.raises(ValueError, match="strata has shape"):
        replace(one, strata=np.zeros(3, np.int64))


@pytest.mark.filterwarnings("ignore::kadanoff.molecules.pair_forces.DataWarning")  # the angular term is not needed
def test_states_are_merged_for_many_body_fits_too(tmp_path):
    """Weighted sums of the states; bands calibrated as those of pairs alone; blocks of a state stay its own."""
    repeats, fits = 30, []
    weak = {term.name: Strength() for term in TERMS}
    for k in range(repeats):
        both = merged_equations([state(1.0, 2 * k, many=True), state(3.0, 2 * k + 1, many=True)], [1.0, 2.0])
        fits.append(fit_terms(both, strengths=weak, resamples=100))
    spread = np.std([fit.pair("A", "A").value(AT) for fit in fits], axis=0, ddof=1)
    claimed = np.sqrt(np.mean([fit.pair("A", "A").error(AT) ** 2 for fit in fits], axis=0))
    assert np.all(np.abs(np.log(claimed / spread)) < 4.0 / np.sqrt(2.0 * (repeats - 1)))
    one, two = state(1.0, 0, many=True), state(3.0, 1, blocks=6, many=True)
    both = merged_equations([one, two], [1.0, 2.0])
    assert np.allclose(both.gram.sum(0), (2 * one.gram.sum(0) + 4 * two.gram.sum(0)) / 3, rtol=1e-12)
    assert np.array_equal(both.strata, np.repeat([0, 1], [20, 6]))
    assert np.array_equal(both.reblock(5).strata, [0, 0, 0, 1, 1])
    both.save(tmp_path / "both.npz")
    assert np.array_equal(TermEquations.load(tmp_path / "both.npz").strata, both.strata)
    chosen = fit_terms(both, resamples=10)  # cross-validation: folds of one state each
    assert set(chosen.strengths) == set(weak)
    with pytest.raises(ValueError, match="two blocks or more of every state"):
        fit_terms(merged_equations([one, two.reblock(1)]))
