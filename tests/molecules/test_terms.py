"""Three-body and local-density terms: their tables, their limits, and what they refuse."""

import numpy as np
import pytest

from kadanoff.molecules.local_density import LocalDensity, weight
from kadanoff.molecules.potentials import Model, lennard_jones
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet

MW = {"strength": 23.15, "reach": 1.8, "gamma": 1.2}
NEAR, FAR = Knots(0.0, 0.4, 6), Knots(0.0, 0.8, 8)


def coefficients():
    c = np.random.default_rng(1).normal(size=(NEAR.splines, NEAR.splines, FAR.splines))
    c = 0.5 * (c + c.transpose(1, 0, 2))
    c[-3:], c[:, -3:] = 0.0, 0.0
    return c


def all_terms():
    angular = AngularTriplet.stillinger_weber(25.9, 0.239, **MW)
    spline = SplineTriplet("A", ("A", "A"), NEAR, FAR, coefficients())
    density = LocalDensity("A", ("A",), 0.2, 0.5, 0.0, 2.0, np.linspace(1, 2, 6) ** 2, np.ones(6))
    return angular, spline, density


def test_a_quadratic_angle_is_exact_between_nodes_and_known_as_one():
    term = all_terms()[0]
    x = np.linspace(-1, 1, 17)
    h, slope = term.angular(x)
    assert np.allclose(h, 23.15 * 25.9 * (x + 1 / 3) ** 2, rtol=1e-12, atol=1e-10)
    assert np.allclose(slope, 2 * 23.15 * 25.9 * (x + 1 / 3), rtol=1e-12, atol=1e-10)
    height, cosine = term.quadratic()
    assert (height, cosine) == pytest.approx((23.15 * 25.9, -1 / 3))
    grid = np.linspace(-1, 1, 9)
    assert AngularTriplet("A", ("A", "A"), 0.4, 0.3, np.cos(grid), -np.sin(grid)).quadratic() is None


def test_weight_is_smooth_at_both_ends():
    for at in (0.2, 0.5):
        for step in (1e-7, -1e-7):
            assert weight(at + step, 0.2, 0.5)[0] == pytest.approx(1.0 if at == 0.2 else 0.0, abs=1e-10)
            assert abs(weight(at + step, 0.2, 0.5)[1]) < 1e-4
    r = np.linspace(0.0, 0.6, 601)
    slope = np.gradient(weight(r, 0.2, 0.5)[0], r)
    assert np.allclose(slope[1:-1], weight(r, 0.2, 0.5)[1][1:-1], atol=0.05)


def test_embedding_goes_straight_beyond_its_ends():
    density = all_terms()[2]
    value, slope = density.embedding(np.array([-1.0, 0.0, 10.0, 12.0]))
    assert np.allclose(slope, 1.0)
    assert np.allclose(value, [0.0, 1.0, 4.0, 6.0])


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_model_with_terms_comes_back_bit_for_bit(tmp_path, suffix):
    angular, spline, density = all_terms()
    pair = lennard_jones(1.0, 0.3, 0.75)
    model = Model(("A",), (18.0,), {("A", "A"): pair}, (angular, spline), (density,))
    back = Model.load(model.save(tmp_path / f"model{suffix}"))
    assert not back.pairwise
    assert model.reach == 0.75
    assert back.triplets[1].near == NEAR
    assert np.array_equal(back.triplets[1].coefficients, spline.coefficients)
    assert np.array_equal(back.triplets[0].energy, angular.energy)
    assert back.triplets[0].ends == ("A", "A")
    assert np.array_equal(back.densities[0].energy, density.energy)
    assert back.densities[0].neighbours == ("A",)


def test_what_terms_refuse():
    angular, _, density = all_terms()
    c = coefficients()
    with pytest.raises(ValueError, match="symmetric"):
        SplineTriplet("A", ("A", "A"), NEAR, FAR, c * np.arange(9)[:, None, None])
    c[-1, 0, 0] = 1.0
    with pytest.raises(ValueError, match="last three"):
        SplineTriplet("A", ("A", "B"), NEAR, FAR, c)
    with pytest.raises(ValueError, match="twice"):
        SplineTriplet("A", ("A", "A"), NEAR, Knots(0.0, 0.6, 8), coefficients())
    with pytest.raises(ValueError, match="start at 0"):
        SplineTriplet("A", ("A", "A"), Knots(0.1, 0.4, 6), FAR, coefficients())
    with pytest.raises(ValueError, match="positive"):
        AngularTriplet("A", ("A", "A"), 0.4, -1.0, np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="inner < outer"):
        LocalDensity("A", ("A",), 0.5, 0.5, 0.0, 1.0, np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="'B'"):
        Model(("A",), (18.0,), {("A", "A"): lennard_jones(1.0, 0.3, 0.75)},
              (AngularTriplet("B", ("A", "A"), 0.4, 0.3, angular.energy, angular.slope),), (density,))  # fmt: skip
