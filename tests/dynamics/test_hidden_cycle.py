"""The study `hidden-cycle`, small, and its parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.dynamics.studies.hidden_cycle import HiddenCycle, arc_curve, drive_curve, hidden_cycle, sensor_curve
from kadanoff.study import Run


def test_arcs_of_a_ring():
    arcs, seen = arc_curve(12, 2.0, 1.0).T
    assert arcs.tolist() == [2, 3, 4, 6, 12]
    assert seen == pytest.approx(np.array([0, 3, 4, 6, 12]) / 12 * math.log(2), abs=1e-14)


def test_the_drive():
    total, apparent, inside, mixed, dwell, edges = drive_curve(np.array([0.0, math.log(2), 2.0]), 1.0).T
    assert total[1] == pytest.approx(math.log(2), rel=1e-12)
    assert apparent == pytest.approx(np.zeros(3), abs=1e-13)
    assert inside + mixed == pytest.approx(total, abs=1e-12)
    assert edges == pytest.approx(total, abs=1e-10)
    assert np.all(dwell <= total)
    assert dwell[1] == pytest.approx(0.6002, abs=1e-4)


def test_the_active_sensor():
    """A ring of five, one state told apart: both bounds stay below (1 - w) ln(1 / w), that of dwell times is better."""
    w = np.array([0.01, 0.1, 0.3])
    total, dwell, occupation = sensor_curve(w).T
    assert total == pytest.approx((1 - w) * np.log(1 / w))
    assert np.all(occupation < dwell)
    assert np.all(dwell < total)


SMALL = {"jumps": 40_000, "chains": 10, "chain_jumps": 5000}


@pytest.mark.parametrize(
    ("forward", "backward", "states"), [(2.0, 1.0, 12), pytest.param(1.0, 5.0, 7, marks=pytest.mark.slow)]
)
def test_the_study(forward, backward, states):
    result = hidden_cycle(HiddenCycle(forward=forward, backward=backward, ring=states, **SMALL), Run())
    assert all(loss.holds for loss in result.ledger)
    total = (forward - backward) * math.log(forward / backward)
    reported = result.reported
    assert reported["total"].value == pytest.approx(total, abs=1e-13)
    assert reported["identity"].value == pytest.approx(total, abs=1e-12)
    assert reported["transition_based"].value == pytest.approx(total, abs=1e-10)
    assert reported["apparent"].value == 0
    assert reported["harunari.sigma_t"].value == pytest.approx(0.0169745833, abs=1e-10)
    for name, number in reported.items():
        if name != "null.contains_zero":  # 10 chains are no test of 93 %
            assert number.agrees is not False, name
    assert "0, 1, 3, 1; 3, 0, 1, 2; 2, 2, 0, 1; 2, 1, 3, 0" in result.verdict.text
    assert set(result.pictures) == {"ladder", "networks", "hidden", "words", "null"}


@pytest.mark.slow
def test_a_cycle_without_drive():
    result = hidden_cycle(HiddenCycle(forward=1.0, backward=1.0, ring=4, **SMALL), Run())
    for name in ("total", "apparent", "dwell_bound", "transition_based"):
        assert result.reported[name].value == pytest.approx(0, abs=1e-9)
    assert all(loss.holds for loss in result.ledger)


@pytest.mark.slow
def test_the_study_as_shipped():
    result = hidden_cycle(HiddenCycle(), Run())
    assert result.verdict.passed is True
    low, _ = result.reported["driven_chain"].estimate.interval()
    assert low > 0
