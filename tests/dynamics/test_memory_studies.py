"""The studies piston and heat-bath, small."""

import pytest

from kadanoff.dynamics.studies.heat_bath import HeatBathStudy, heat_bath
from kadanoff.dynamics.studies.piston import Piston, piston
from kadanoff.study import Run


def test_piston():
    result = piston(Piston(masses=(1, 10), trajectories=(2000, 2000)), Run(seed=1))
    assert result.verdict.passed, result.verdict.text
    names = result.reported
    for mass in (1, 10):
        for kind in ("initial", "integral", "lagged"):
            assert f"friction_ratio.{kind}.M{mass}" in names
    assert names["friction_ratio.initial.M1"].reference == pytest.approx(0.7071, abs=1e-4)
    assert names["friction_ratio.integral.M1"].reference == pytest.approx(0.7854, abs=1e-4)
    assert "M/m = 1: no Langevin equation" in result.verdict.text
    assert all("units" in result.data[name].attrs for name in result.data.variables)
    with pytest.raises(ValueError, match="masses"):
        Piston(masses=(10, 1), trajectories=(100, 100))


def test_heat_bath():
    result = heat_bath(HeatBathStudy(modes=500, trajectories=500, walkers=200), Run(seed=2))
    assert result.verdict.passed, result.verdict.text
    names = result.reported
    assert names["friction"].reference == pytest.approx(0.9682, abs=1e-4)
    assert names["order.simpson"].value == pytest.approx(3, abs=0.1)
    assert result.ledger["path divergence, Langevin"].lost.value > 0.2
    assert result.ledger["path divergence, generalised Langevin"].lost.value < 0.02
    assert "no Langevin equation without memory" in result.verdict.text
