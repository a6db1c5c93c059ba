"""The user's own trajectory to a Langevin model with a report on where it is valid: the kind dynamics.langevin."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadanoff.dynamics.correlations import BLOCKS
from kadanoff.dynamics.studies.langevin_pictures import pictures
from kadanoff.dynamics.studies.langevin_report import (
    CITE,
    arrays,
    comparison,
    estimates,
    force_friction,
    losses,
    potential,
    underdamped,
    underdamped_text,
    warnings_text,
)
from kadanoff.dynamics.time_scales import time_scale_report
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.dynamics.trajectory_files import read_coordinate, read_trajectories
from kadanoff.study import InputFile, Result, Run, Verdict

__all__ = ["LangevinData", "langevin"]

_Level = Annotated[list[float], Field(min_length=2, max_length=2)]


class LangevinData(BaseModel):
    """Settings of dynamics.langevin."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    files: list[InputFile] = Field(
        description="The trajectories: .npy, .npz, .csv or other text, one file or several (each its own trajectory).\n"
        "With `select` below: a topology and, where it is another file, a trajectory that MDAnalysis reads.",
        examples=[["trajectory.csv"]],
    )
    columns: list[str] = Field(
        [], description="Columns of the coordinates, 1 to 3: names in the header (.csv) or of arrays (.npz), or\n"
        "numbers from 0. Empty: all columns but those named below.",
    )  # fmt: skip
    time: str | None = Field(None, description="Column of the time; or give the spacing instead.", examples=["time"])
    spacing: float | None = Field(None, gt=0, description="Time between rows, in your unit of time.", examples=[0.01])
    trajectory: str | None = Field(
        None, description="Column of a number: a new trajectory begins where it changes.", examples=["run"]
    )
    velocities: list[str] = Field(
        [], description="Columns of the velocities, as many as coordinates; without them they are taken from positions."
    )
    forces: list[str] = Field(
        [], description="Columns of the forces on a held coordinate: friction from their correlation (needs kT)."
    )
    select: str | None = Field(
        None, description="Atoms whose centre of mass is the coordinate (nm, ps), in MDAnalysis' selection language.",
        examples=["resname LIG"],
    )  # fmt: skip
    other: str | None = Field(
        None, description="A second selection: the coordinate is the distance of the two centres.", examples=["resid 1"]
    )
    component: Literal["x", "y", "z", "xyz", "distance"] = Field("xyz", description="Which of it; only with `select`.")
    logarithm: bool = Field(False, description="Take the logarithm first: prices, concentrations.")
    unit: str = Field("", description="Unit of the coordinate, as printed.")
    time_unit: str = Field("", description="Unit of time, as printed.")
    thermal_energy: float | None = Field(
        None, gt=0, description="kT in your unit of energy: potential and friction kT / D are then in that unit.",
        examples=[2.494],
    )  # fmt: skip
    energy_unit: str = Field("", description="Name of that unit, such as kJ/mol.")
    stationary: bool = Field(
        True, description="Whether the coordinate has a stationary state (a bound particle) or not (a price, a free\n"
        "path). If it should have one, data shorter than 20 of its slowest times are refused.",
    )  # fmt: skip
    bins: int | None = Field(
        None, ge=8, le=400, description="Cells of drift and diffusion along each coordinate. Default: 40, and 10\n"
        "along each of three.", examples=[40],
    )  # fmt: skip
    bandwidth: float | None = Field(
        None, gt=0, description="Half-width of the Epanechnikov kernel over the cells, in your unit. Default: none.",
        examples=[0.1],
    )  # fmt: skip
    blocks: int = Field(BLOCKS, ge=8, le=256, description="Blocks of frames for error bars.")
    lags: list[int] = Field([], description="Lags to scan, in rows. Empty: evenly in their logarithm.")
    levels: list[_Level] = Field(
        [], description="Pairs [from, to] of the first coordinate for first passages. Empty: between its 15 % and\n"
        "85 % quantiles, both ways.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _complete(self) -> LangevinData:
        if self.logarithm and (self.velocities or self.forces):
            raise ValueError("velocities and forces are those of the coordinate itself: not with logarithm = true")
        if self.forces and self.thermal_energy is None:
            raise ValueError("a friction from forces needs kT: give thermal_energy, or leave forces out")
        if self.select is None:
            if (self.time is None) == (self.spacing is None):
                raise ValueError("give either time, the column of the time, or spacing, the time between rows")
        elif len(self.files) > 2 or self.columns or self.time or self.spacing or self.trajectory:
            raise ValueError(
                "with select, files are a topology and at most one trajectory, and columns, time, spacing, "
                "trajectory have no meaning"
            )
        if (self.other is not None) != (self.component == "distance"):
            raise ValueError('component = "distance" goes with other, a second selection')
        return self


def read(config: LangevinData) -> Trajectories:
    """The trajectories that the settings name."""
    if config.select is not None:
        found = read_coordinate(*config.files, select=config.select, other=config.other, component=config.component)
    else:
        found = read_trajectories(
            config.files, columns=config.columns, velocities=config.velocities, forces=config.forces,
            time=config.time, trajectory=config.trajectory,
            spacing=config.spacing, unit=config.unit, time_unit=config.time_unit,
        )  # fmt: skip
    if not config.logarithm:
        return found
    if not found.positions.min() > 0:
        row = int(np.argwhere(found.positions <= 0)[0][0])
        raise ValueError(f"logarithm = true, but row {row} of all is {found.positions[row]}: not positive")
    return Trajectories(
        np.log(found.positions), found.offsets, found.spacing, None, None, f"ln({found.unit or 'x'})", found.time_unit
    )


def langevin(config: LangevinData, run: Run) -> Result:
    """Your own trajectory to a Langevin model, with a report on where it is valid: potential, drift, diffusion,
    friction, the time scales between which it holds, tests, and the model beside the data."""
    source = read(config)
    if source.dimensions > 3:
        raise ValueError(f"{source.dimensions} coordinates: a model can have 1 to 3; name them in columns")
    report = run.stage(
        "time scales", time_scale_report, source, lags=config.lags or None,
        bins=config.bins or (10 if source.dimensions == 3 else 40),
        bandwidth=config.bandwidth, thermal_energy=config.thermal_energy, energy_unit=config.energy_unit,
        stationary=config.stationary,
        blocks=config.blocks,
    )  # fmt: skip
    low, high = (float(q) for q in np.quantile(source.positions[:, 0], [0.15, 0.85]))
    levels = [(a, b) for a, b in config.levels] or [(round(low, 6), round(high, 6)), (round(high, 6), round(low, 6))]
    found = run.stage("comparison", comparison, source, report, levels, config.stationary, run.seed)
    energy = potential(source, report, config.thermal_energy, config.energy_unit) if config.stationary else None
    table = estimates(source, report, found)
    table |= (seen := underdamped(source))
    warned = ""
    if config.forces and config.thermal_energy is not None:
        table["force_friction"], warned = force_friction(source, config.thermal_energy)
    files: dict[str, str | bytes] = {}
    if report.model is not None:
        files = {f"model{suffix}": report.model.to_bytes(suffix) for suffix in (".npz", ".json")}
    text = (
        f"{report.verdict}{underdamped_text(report, seen)}{warnings_text(report)}{warned}\n\nLimits: the tests are of "
        "the coordinate as given, at "
        "the lags "
        "that the "
        "spacing of frames allows, within the tolerances printed beside them. What passes may still be wrong in parts "
        "that the data hardly visit: there the bands are wide or the cells are left empty."
    )
    return Result(
        table, losses(found), Verdict(report.window is not None, text), arrays(report, energy, found, source),
        pictures(source, report, energy, found), files, CITE,
    )  # fmt: skip
