"""The study runs small, agrees with its references, and says so in words taken from its numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kadanoff.dynamics.studies import arrow_of_time_systems as systems
from kadanoff.dynamics.studies.arrow_of_time import ArrowOfTime, arrow_of_time
from kadanoff.parallel import Serial
from kadanoff.study import Run

SMALL = ArrowOfTime(
    rings=2000,
    large_ring=100_000,
    lattice=1 << 18,
    gas_particles=20_000,
    fluid_particles=108,
    fluid_steps=10_000,
    disks=4000,
    disk_collisions=150,
    packings=[0.1],
    molecules=1000,
)


@pytest.fixture(scope="module")
def result():
    return arrow_of_time(SMALL, Run(seed=3))


def test_the_study_passes(result):
    wrong = {name: number for name, number in result.reported.items() if number.agrees is False}
    assert wrong == {}
    assert result.verdict.passed is True, result.verdict.text
    result.ledger.verify()
    assert result.reported["entropy_slope.cat_map"].reference == pytest.approx(math.log((3 + math.sqrt(5)) / 2))
    assert result.reported["recurrence"].value == 1.0
    assert result.reported["integer_fluid.return"].value == 1.0
    assert result.reported["integer_fluid.mean_square_displacement"].value > 1
    assert result.reported["integer_fluid.distance_after_one_bit"].value > 1


def test_the_table_holds_every_system(result):
    rows = [line.split(",") for line in result.files["arrow-of-time.csv"].splitlines()]
    assert [row[0] for row in rows[1:]] == ["Kac ring", "cat map", "free expansion", "hard disks", "integer fluid"]
    assert [row[6] for row in rows[1:]] == ["yes", "yes", "yes", "to rounding", "yes"]
    lost = [float(row[7]) for row in rows[1:]]
    assert max(lost[:3]) < 1e-4
    assert min(lost[3:]) > 0.2


def test_pictures_and_data_are_labelled(result):
    assert set(result.pictures) == {"entropy", "slopes", "cells", "ring", "disks", "dsmc"}
    for picture in result.pictures.values():
        assert all(axis.get_xlabel() for axis in picture.figure.axes[:1])
        assert len(picture.caption) > 100
    numeric = [v for v in result.data.variables.values() if np.issubdtype(v.dtype, np.number)]
    assert all(v.attrs.get("units") for v in numeric)


def test_packings_beyond_a_fluid_are_refused():
    with pytest.raises(ValueError, match=r"between 0 and 0\.45"):
        ArrowOfTime(packings=[0.1, 0.6])


@pytest.mark.slow
def test_collision_rate_of_a_dense_fluid():
    (rate,) = systems.disk_rates([0.4], 1500.0, 0, Serial())
    assert rate.error <= 0.003
    assert rate.value == pytest.approx(1.0, abs=0.01)


@pytest.mark.slow
def test_the_study_at_its_default_size():
    result = arrow_of_time(ArrowOfTime(), Run())
    assert result.verdict.passed is True, result.verdict.text
