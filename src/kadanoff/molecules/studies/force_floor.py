"""The run that made the shipped floor of force matching: forces of SPC/E water on beads that stand still."""

from __future__ import annotations

import importlib.util
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import xarray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.estimates import Estimate
from kadanoff.losses import Ledger
from kadanoff.molecules.fixed_beads import FixedRun, hold_beads
from kadanoff.molecules.force_floor import FixedBeads, force_floor, structure_of_forces
from kadanoff.molecules.reading import open_trajectory
from kadanoff.molecules.reference import WaterReference
from kadanoff.plotting import band, figure, label
from kadanoff.study import InputFile, Picture, Reported, Result, Run, judge
from kadanoff.units import Length, Temperature, Time

__all__ = ["ForceFloorConfig", "force_floor_run"]


class ForceFloorConfig(BaseModel):
    """Settings of molecules.force-floor."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    topology: InputFile = Field(description="Topology of a run of SPC/E water, molecules in the order O H H.")
    trajectory: InputFile = Field(description="Its trajectory; molecules whole.")
    configurations: int = Field(20, ge=4, description="Frames whose bead positions are held, evenly spread.")
    length: Time = Field(10.0, gt=0, description="How long each is run.")
    interval: Time = Field(0.02, gt=0, description="Time between forces.")
    lags: int = Field(250, ge=10, description="How many lags of D(t) are kept.")
    temperature: Temperature = Field(300.0, gt=0, description="Temperature.")
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of Lennard-Jones and of the direct Ewald sum.")
    friction: float = Field(1.0, gt=0, description="Friction of the Langevin thermostat on the rotations [1/ps].")
    threads: int = Field(1, ge=1, description="Threads of OpenMM.")


def held_run(
    topology: Path, trajectory: Path, frame: int, settings: WaterReference, length: float, interval: float, seed: int
) -> FixedRun:
    """One frame of the reference, its centres of mass held: a stage."""
    source = open_trajectory(topology, trajectory, start=frame, stop=frame + 1)
    (chunk,) = source.chunks()
    atoms, box = np.asarray(chunk.positions[0], dtype=np.float64), chunk.box[0]
    molecules = atoms.reshape(-1, 3, 3)
    molecules = molecules - box * np.round((molecules - molecules[:, :1]) / box)
    settings = replace(settings, molecules=len(molecules))
    return hold_beads(molecules.reshape(-1, 3), float(box[0]), settings, length=length, interval=interval, seed=seed)


def floor_file(runs: list[FixedRun], lags: int) -> bytes:
    """The sums that `spce_floor.npz` ships: an open npz, described in data/README.md."""
    buffer = io.BytesIO()
    sums = [structure_of_forces(run.forces, range(lags)) for run in runs]
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        lags=runs[0].interval * np.arange(lags),
        structure=np.array([structure for structure, _ in sums]),
        square=np.array([square for _, square in sums]),
        mean_force=np.array([run.forces.mean(axis=0, dtype=np.float64) for run in runs]).astype(np.float32),
        positions=np.array([run.positions for run in runs]).astype(np.float32),
        box=np.array([run.box for run in runs]),
    )
    return buffer.getvalue()


def force_floor_run(config: ForceFloorConfig, run: Run) -> Result:
    """Forces of SPC/E water on beads that stand still: what no bead model can explain (about 15 minutes)."""
    if importlib.util.find_spec("openmm") is None:
        raise ValueError("this study runs OpenMM: pip install '.[openmm]' in the clone")
    frames = open_trajectory(config.topology, config.trajectory).n_frames
    if frames < config.configurations:
        name = config.trajectory.name
        raise ValueError(f"{name} has {frames} frames, fewer than configurations = {config.configurations}")
    if config.lags * config.interval > config.length / 2:
        raise ValueError("lags * interval must not exceed half the length: D(t) needs time origins")
    settings = WaterReference(
        temperature=config.temperature, cutoff=config.cutoff, friction=config.friction, threads=config.threads
    )
    runs = []
    with run.progress(config.configurations, "held beads") as bar:
        for number in range(config.configurations):
            frame = number * (frames // config.configurations)
            runs.append(
                run.stage(
                    f"held-{number}", held_run, config.topology, config.trajectory, frame, settings, config.length,
                    config.interval, run.seed + number,
                )
            )  # fmt: skip
            bar.advance(1)
    content = floor_file(runs, config.lags)
    with np.load(io.BytesIO(content)) as kept:
        found_floor = force_floor(FixedBeads(kept["lags"], kept["structure"], kept["square"]))
    lags, curve, error = found_floor.lags, found_floor.curve, found_floor.error
    picture, (axis,) = figure(1, 1)
    band(axis, lags, curve, error)
    axis.axhline(found_floor.floor.value, linestyle="--", color="0.5")
    axis.set_xlabel(label("time", "ps"))
    axis.set_ylabel("D / mean square force")
    found: dict[str, Estimate | Reported] = {
        "force_variance_floor": found_floor.floor,
        "configurations": Estimate.exact(len(runs)),
    }
    text = f"At fixed bead positions: {found_floor.text}. No function of the bead positions explains any of it."
    record = {
        "what": "sums over forces of SPC/E water at fixed centres of mass",
        "settings": asdict(settings) | {"length": config.length, "interval": config.interval, "seed": run.seed},
        "made_by": "kadanoff run spce-floor",
        "licence": "CC0-1.0: made for kadanoff, in the public domain",
    }
    data = xarray.Dataset(
        {
            "structure": ("lag", curve, {"units": "1"}),
            "structure_error": ("lag", error, {"units": "1"}),
        },
        {"lag": ("lag", lags, {"units": "ps"})},
    )
    ledger = Ledger()
    return Result(
        found, ledger, judge(found, ledger, text), data,
        {"structure": Picture(picture, "Half the mean square change of the force on a bead that stands still, against "
                              "time; dashed: the floor, the mean over the last quarter. Band: standard error over "
                              "configurations.")},
        {"spce_floor.npz": content, "spce_floor.json": json.dumps(record, indent=1) + "\n"},
        ["W. G. Noid et al., J. Chem. Phys. 128, 244114 (2008)"],
    )  # fmt: skip
