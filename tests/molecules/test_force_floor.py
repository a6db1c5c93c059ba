"""The irreducible floor from forces at fixed beads: Ornstein-Uhlenbeck forces of known variance and time."""

from pathlib import Path

import numpy as np
import pytest

import kadanoff.molecules
from kadanoff.molecules.force_floor import FixedBeads, force_floor, structure_of_forces

DATA = Path(kadanoff.molecules.__file__).parent / "data"


def forces_of(time, length, configurations=24, beads=30, seed=0, mean=3.0, width=2.0, spacing=0.01):
    """f = m + x, m fixed in each configuration, x an Ornstein-Uhlenbeck process begun in its stationary state."""
    rng = np.random.default_rng(seed)
    shape = (configurations, beads, 3)
    keep = np.exp(-spacing / time)
    fixed = mean * rng.normal(size=shape)
    x = width * rng.normal(size=shape)
    run = np.empty((configurations, length, beads, 3))
    for step in range(length):
        run[:, step] = fixed + x
        x = keep * x + np.sqrt(1 - keep**2) * width * rng.normal(size=shape)
    return run


FLOOR = 2.0**2 / (2.0**2 + 3.0**2)


def test_known_floor_comes_back_and_a_plateau_is_seen():
    found = force_floor(FixedBeads.of(forces_of(time=0.05, length=200), 0.01))
    assert found.reached
    assert found.bound == ""
    assert "floor of at least" in found.text
    assert "slower than these lags is not excluded" in found.text
    assert abs(found.floor.value - FLOOR) < 4.5 * found.floor.error
    assert found.floor.error < 0.02
    expected = FLOOR * (1.0 - np.exp(-found.lags / 0.05))
    assert np.all(np.abs(found.curve - expected) < 5.0 * found.error)


def test_the_estimate_is_unbiased_and_its_error_calibrated():
    found = [
        force_floor(FixedBeads.of(forces_of(0.05, 60, configurations=12, beads=10, seed=s), 0.01)).floor
        for s in range(60)
    ]
    pulls = np.array([(one.value - FLOOR) / one.error for one in found])
    assert abs(pulls.mean()) < 4.5 * pulls.std(ddof=1) / np.sqrt(len(pulls))
    # Student's t of 11 degrees of freedom has the spread 1.11
    assert 0.7 < pulls.std(ddof=1) < 1.6


def test_a_run_too_short_says_lower_bound():
    found = force_floor(FixedBeads.of(forces_of(time=5.0, length=100), 0.01))
    assert not found.reached
    assert found.bound == "lower bound"
    assert found.floor.value + 4.0 * found.floor.error < FLOOR
    assert found.rise.value > 0.2
    assert "no plateau was reached" in found.text


def test_too_few_configurations_for_the_noise_claim_no_plateau():
    """A rise of two hundredths with an error of five is no evidence of a plateau."""
    fixed = FixedBeads(0.01 * np.arange(1, 41), np.ones((2, 40)), np.full(2, 3.0))
    noisy = fixed.structure.copy()
    noisy[0, 30:] *= 1.3
    noisy[1, 30:] *= 0.72
    assert force_floor(fixed).reached
    assert not force_floor(FixedBeads(fixed.lags, noisy, fixed.square)).reached


def test_forces_that_the_beads_decide_have_no_floor():
    still = np.repeat(forces_of(1.0, 1, seed=4), 40, axis=1)
    found = force_floor(FixedBeads.of(still, 0.01))
    assert found.floor.value == 0.0
    # 0 / 0 of the rise must not pass as a number
    assert found.reached


def test_structure_is_that_of_plain_sums():
    run = forces_of(0.1, 12, configurations=1, beads=3)[0]
    structure, square = structure_of_forces(run, [1, 5])
    for lag, value in zip([1, 5], structure, strict=True):
        terms = [0.5 * np.sum((run[s + lag, b] - run[s, b]) ** 2) for s in range(12 - lag) for b in range(3)]
        assert value == pytest.approx(np.mean(terms))
    assert square == pytest.approx(np.mean(np.sum(run**2, axis=-1)))


def test_file_and_what_is_refused(tmp_path):
    fixed = FixedBeads.of(forces_of(0.05, 60, configurations=3, beads=4), 0.01)
    np.savez(
        tmp_path / "floor.npz", lags=fixed.lags, structure=fixed.structure, square=fixed.square,
        mean_force=fixed.mean_force, positions=np.zeros((3, 4, 3)), box=np.ones((3, 3)),
    )  # fmt: skip
    again = FixedBeads.load(tmp_path / "floor.npz")
    assert force_floor(again).floor == force_floor(fixed).floor
    assert again.mean_force.shape == (3, 4, 3)
    np.savez(tmp_path / "other.npz", lags=fixed.lags)
    with pytest.raises(ValueError, match="are missing"):
        FixedBeads.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="at least two"):
        FixedBeads(fixed.lags, fixed.structure[:1], fixed.square[:1])
    with pytest.raises(ValueError, match="cannot show a plateau"):
        force_floor(FixedBeads(fixed.lags[:5], fixed.structure[:, :5], fixed.square))
    with pytest.raises(ValueError, match="not finite"):
        FixedBeads(fixed.lags, fixed.structure * np.nan, fixed.square)


def test_a_slow_mode_behind_a_flat_curve_makes_a_lower_bound():
    """A motion of 200 ps with a third of the variance moves D by 0.5 % in a run of 5 ps: flat, but seen to rise."""
    lags = 0.02 * np.arange(1, 251)
    rng = np.random.default_rng(0)
    height = 1.0 + 0.002 * rng.normal(size=(20, 1))
    structure = height * (0.2 * (1 - np.exp(-lags / 0.05)) + 0.1 * (1 - np.exp(-lags / 200.0)))
    found = force_floor(FixedBeads(lags, structure, np.ones(20)))
    assert found.reached
    assert found.bound == "lower bound"
    assert "at least" in found.text
    assert "lower bound" in found.text
    assert "is not excluded" in found.text
    assert found.floor.value < 0.3 - 10 * found.floor.error


def test_the_shipped_floor_is_at_least_so_much():
    found = force_floor(FixedBeads.load(DATA / "spce_floor.npz"))
    assert found.rise.value == pytest.approx(0.0019, abs=2e-4)
    assert found.rise.value > 2.0 * found.rise.error
    assert found.reached
    assert found.bound == "lower bound"
    assert found.text.startswith("floor of at least 0.225")
