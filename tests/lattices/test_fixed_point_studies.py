"""The studies `fixed-points` and `information-optimal` pass, say what they found, and label what they draw."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.lattices.information_optimal import odd_rules
from kadanoff.lattices.studies.fixed_points import FixedPointsStudy, fixed_points_study
from kadanoff.lattices.studies.information_optimal import InformationOptimal, information_optimal, representatives
from kadanoff.study import Run


@pytest.fixture(scope="module")
def fixed():
    return fixed_points_study(FixedPointsStudy(), Run())


@pytest.fixture(scope="module")
def optimal():
    return information_optimal(InformationOptimal(buffer=0, points=5), Run())


def test_every_flow_has_its_published_numbers(fixed):
    wrong = {name: number for name, number in fixed.reported.items() if number.agrees is False}
    assert wrong == {}
    assert fixed.verdict.passed is True
    fixed.ledger.verify()
    for name, value in {
        "niemeijer_van_leeuwen.K": 0.3356135,
        "niemeijer_van_leeuwen.y_t": 0.8822026,
        "niemeijer_van_leeuwen.nu": 1.1335264,
        "niemeijer_van_leeuwen.y_h": 1.3690702,
        "migdal_kadanoff.K": 0.3046889,
        "lpa.nu": 0.649562,
        "lpa.omega": 0.65575,
    }.items():
        assert fixed.reported[name].value == pytest.approx(value, abs=5e-6)
    assert "no fixed point at a finite coupling" in fixed.verdict.text


def test_trajectories_pass_the_fixed_point_and_part(fixed):
    rho0, length = fixed.data["path_rho0"].values, fixed.data["path_length"].values
    last = rho0[np.arange(len(rho0)), length - 1]
    assert sorted(last > 1.8) == [False] * 6 + [True] * 6
    a2, star = fixed.data["path_a2"].values, (1.8155, 0.0629)
    nearest = [
        np.hypot((x[:n] - star[0]) / star[0], (y[:n] - star[1]) / star[1]).min()
        for x, y, n in zip(rho0, a2, length, strict=True)
    ]
    close, far = nearest[2:4] + nearest[8:10], nearest[0::6] + nearest[5::6]
    assert min(far) > 2 * max(close)  # the nearer the critical surface, the closer to the fixed point


def test_majority_like_rules_win(optimal):
    assert optimal.verdict.passed is True
    optimal.ledger.verify()
    found = {name: number.value for name, number in optimal.reported.items()}
    assert found["information.decimation"] < found["information.majority"] < found["information.best"]
    assert found["chain.majority"] < found["chain.best"]
    rules = {tuple(rule) for rule in odd_rules(4)}  # Burnside: classes = mean number of rules that a symmetry keeps
    turn, mirror = np.array([2, 0, 3, 1]), np.array([1, 0, 3, 2])
    squares = [np.arange(4)]
    for _ in range(3):
        squares.append(squares[-1][turn])
    squares += [square[mirror] for square in squares]
    images = [sum((np.arange(16) >> k & 1) << int(new) for k, new in enumerate(square)) for square in squares]
    kept = [sum(tuple(np.array(r)[i]) == tuple(abs(f - np.array(r))) for r in rules) for i in images for f in (0, 1)]
    assert len(representatives()) == sum(kept) / 16


@pytest.mark.parametrize("name", ["fixed", "optimal"])
def test_pictures_and_data_are_labelled(name, request):
    result = request.getfixturevalue(name)
    for picture in result.pictures.values():
        assert all(axis.get_xlabel() or axis.get_xticklabels() for axis in picture.figure.axes)
        assert len(picture.caption) > 100
    numeric = [v for v in result.data.variables.values() if np.issubdtype(v.dtype, np.number)]
    assert all(v.attrs.get("units") for v in numeric)
