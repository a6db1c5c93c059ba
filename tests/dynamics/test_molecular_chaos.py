"""The chaos meter: exactly -1 after first collisions of one speed, nothing in equilibrium, swapped by reversal."""

import numpy as np
import pytest

from kadanoff.dynamics.hard_disks import DiskDynamics, enskog_rate, random_start, reversed_disks
from kadanoff.dynamics.molecular_chaos import _first_meetings, chaos_meter


def started(number, packing, speeds, seed=1):
    disks = random_start(number, packing, seed=seed, speeds=speeds)
    return DiskDynamics(disks), 1 / enskog_rate(disks)


def test_after_first_collisions_of_one_speed():
    dynamics, each = started(10_000, 0.01, "equal")
    meter = chaos_meter(dynamics, 0.2 * each, seed=1, first=True)
    assert meter.after.value == pytest.approx(-1, abs=1e-9)
    assert (meter.before.value, meter.independent.value) == (0.0, 0.0)  # nothing varies yet
    assert meter.collisions > 500


def test_chaos_before_and_not_after():
    dynamics, each = started(20_000, 0.01, "equal")
    dynamics.run(0.5 * each)
    meter = chaos_meter(dynamics, 0.5 * each, seed=1)
    assert abs(meter.before.value) < 4 * meter.before.error
    assert meter.after.value < -10 * meter.after.error
    assert meter.before.error < 0.03
    assert meter.collisions == pytest.approx(5000, rel=0.1)


def test_reversal_swaps_before_and_after():
    dynamics, each = started(4_000, 0.01, "equal")
    dynamics.run(0.3 * each)
    out = chaos_meter(dynamics, 0.5 * each, seed=1)
    back = chaos_meter(DiskDynamics(reversed_disks(dynamics.disks())), 0.5 * each, seed=1)
    assert back.collisions == out.collisions
    assert back.contact_before.value == pytest.approx(out.contact_after.value, abs=1e-6)
    assert back.contact_after.value == pytest.approx(out.contact_before.value, abs=1e-6)
    assert back.before.value < -10 * back.before.error
    assert abs(back.after.value) < 4 * back.after.error


@pytest.mark.parametrize("packing", [0.01, 0.3])
def test_equilibrium_has_none(packing):
    """Negative control; partners of a Maxwell gas weighted with |g| have a correlation of -1/11."""
    dynamics, each = started(10_000, packing, "thermal")
    dynamics.run(3 * each)
    meter = chaos_meter(dynamics, 2.0 * each, seed=1)
    for one in (meter.before, meter.after):
        assert abs(one.value) < 4 * one.error
        assert one.error < 0.02
    assert abs(meter.independent.value + 1 / 11) < 4 * meter.independent.error
    assert abs(meter.contact_before.value + 1 / 11) < 4 * meter.contact_before.error


def test_first_meetings():
    pairs = np.array([[3, 1], [1, 2], [5, 4], [2, 6], [7, 8]])
    assert _first_meetings(pairs).tolist() == [True, False, True, False, True]


def test_too_little_is_refused():
    dynamics, each = started(100, 0.1, "thermal")
    with pytest.raises(ValueError, match="256 disks"):
        chaos_meter(dynamics, each, seed=1)
    dynamics, each = started(300, 0.1, "thermal")
    with pytest.raises(ValueError, match="256 collisions"):
        chaos_meter(dynamics, 0.1 * each, seed=1)
