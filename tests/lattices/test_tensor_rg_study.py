"""The study runs small and says what it found."""

from __future__ import annotations

import numpy as np
import pytest

from kadanoff.lattices.studies.tensor_rg import TensorRg, tensor_rg
from kadanoff.study import Run

SMALL = TensorRg(
    chi=24,
    ladder=[8],
    hotrg=[4],
    loop=[4],
    steps=24,
    scan_chi=10,
    temperatures=[1.5, 4.0],
    potts_chi=0,
    loop_chi=6,
    linear_chi=6,
)


@pytest.fixture(scope="module")
def result():
    return tensor_rg(SMALL, Run(seed=1))


def test_names_and_references(result):
    numbers = result.reported
    assert {"free_energy_error", "free_energy_error.chi8", "free_energy_error.T1.5", "central_charge"} <= set(numbers)
    assert numbers["free_energy_error"].allowed == 6e-8
    assert numbers["phases.T2.2"].value == 2
    assert numbers["phases.T2.35"].value == 1
    assert numbers["free_energy_error.plaquettes.T4"].agrees
    result.ledger.verify()
    assert "BTRG with 24 states" in result.verdict.text
    assert set(result.pictures) == {"tower", "drift", "error", "temperatures"}
    numeric = [v for v in result.data.variables.values() if np.issubdtype(v.dtype, np.number)]
    assert all(v.attrs.get("units") for v in numeric)


def test_a_run_without_a_plateau_says_so(result):
    # with 24 states the drift over three steps is larger than the criterion: no number is given, and nothing passes
    assert result.reported["scaling_dimension.2"].value is None
    assert "no three steps" in result.reported["central_charge"].reason
    assert "no plateau" in result.verdict.text
    assert result.verdict.passed is False


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="between 4 and 64"):
        TensorRg(ladder=[2])
    with pytest.raises(ValueError, match=r"between 0\.1 and 100"):
        TensorRg(temperatures=[0.0])


@pytest.mark.slow
def test_the_study_at_its_default_size():
    result = tensor_rg(TensorRg(), Run())
    assert result.verdict.passed is True, result.verdict.text
    assert result.reported["free_energy_error"].value <= 1.5e-8
    assert result.reported["free_energy_error.chi24"].value <= 6e-8
    assert result.reported["plateau_steps"].value >= 3
