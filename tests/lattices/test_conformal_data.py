"""A plateau is found where there is one, and none is found in noise, drift or a trivial fixed point."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.lattices import (
    CRITICAL_COUPLING,
    dimension_plateau,
    gaussian_log_partition,
    infinite_log_partition,
    potts_critical_log_partition,
)


def test_the_first_run_as_far_as_it_goes():
    x = np.array(
        [[0.2, 1.3], [0.13, 1.1], [0.125, 1.0], [0.1251, 1.001], [0.1249, 0.999], [0.1252, 1.002], [0.12, 0.9]]
    )
    found = dimension_plateau(x)
    assert (found.first, found.last, found.length) == (2, 5, 4)
    assert found.dimensions == pytest.approx([0.12505, 1.0005])
    assert found.half_spread == pytest.approx([0.00015, 0.0015])
    assert dimension_plateau(x, shortest=5) is None
    assert dimension_plateau(x, tolerance=1e-4) is None
    assert dimension_plateau(x, np.array([3, 2, 1.12, 1.13, 1.14, 1.13, 1])).last == 5
    assert dimension_plateau(x, np.array([3, 2, 1.2, 1.15, 1.1, 1.05, 1])) is None  # a turning point of the drift


@pytest.mark.parametrize(
    "x",
    [
        np.full((9, 2), 1e-12),  # a second phase
        np.full((9, 2), 2.5),  # a gap that stays
        np.full((9, 2), np.inf),
        np.geomspace(0.1, 1.0, 9)[:, None],  # a steady drift
        0.5 + 0.1 * np.random.default_rng(3).standard_normal((40, 2)),
    ],
    ids=["degenerate", "irrelevant", "nothing", "drift", "noise"],
)
def test_there_is_none(x):
    assert dimension_plateau(x) is None


def test_one_number_a_step_is_no_table():
    with pytest.raises(ValueError, match=r"\(steps, n\)"):
        dimension_plateau(np.ones(4))


def test_exact_free_energies():
    ising = infinite_log_partition(CRITICAL_COUPLING)
    catalan = 0.915965594177219
    assert ising == pytest.approx(math.log(2) / 2 + 2 * catalan / math.pi, abs=1e-13)
    assert potts_critical_log_partition(2) == pytest.approx(ising + 2 * CRITICAL_COUPLING, abs=1e-12)
    edge, mass = 40, 0.5
    k = 2 - 2 * np.cos(2 * np.pi * np.arange(edge) / edge)
    torus = -0.5 * np.mean(np.log((mass + k[:, None] + k[None, :]) / (2 * np.pi)))
    assert gaussian_log_partition(mass) == pytest.approx(torus, abs=1e-10)
    with pytest.raises(ValueError, match="m\\^2"):
        gaussian_log_partition(0.0)
    with pytest.raises(ValueError, match="q = 2 and 3"):
        potts_critical_log_partition(4)
