"""The run that made the shipped atomistic water."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import xarray
from pydantic import BaseModel, ConfigDict, Field

from kadanoff.estimates import Estimate, mean
from kadanoff.losses import Ledger
from kadanoff.molecules import pictures
from kadanoff.molecules.comparison import CITE, centred, first_peak
from kadanoff.molecules.mapping import BeadConfig, MappingConfig
from kadanoff.molecules.reference import ReferenceFrame, WaterReference, advance, reduced, reference_files
from kadanoff.molecules.studies.bottom_up import read_reference
from kadanoff.study import Reported, Result, Run, judge
from kadanoff.units import Length, Temperature, Time

__all__ = ["WaterReferenceConfig", "water_reference"]


class WaterReferenceConfig(BaseModel):
    """Settings of molecules.water-reference."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    molecules: int = Field(500, ge=30, description="Number of SPC/E molecules.")
    density: float = Field(33.33, gt=0, description="Molecules per nm^3; 33.33 is SPC/E at 1 bar.")
    temperature: Temperature = Field(300.0, gt=0, description="Temperature.")
    cutoff: Length = Field(0.9, gt=0, description="Cut-off of Lennard-Jones and of the direct Ewald sum.")
    equilibration: Time = Field(60.0, gt=0, description="Dropped at the beginning.")
    frames: int = Field(200, ge=20, multiple_of=20, description="Frames to keep.")
    interval: Time = Field(3.0, gt=0, description="Time between frames.")
    threads: int = Field(1, ge=1, description="Threads of OpenMM.")
    keep: Literal["atoms", "beads"] = Field(
        "atoms", description='What the files hold: all atoms, or "beads": centres of mass with the total forces.'
    )


def water_reference(config: WaterReferenceConfig, run: Run) -> Result:
    """Atomistic SPC/E water with forces, from OpenMM: the reference that kadanoff ships (about 35 minutes)."""
    import importlib.util
    import tempfile

    if importlib.util.find_spec("openmm") is None:
        raise ValueError("this study runs OpenMM: pip install '.[openmm]' in the clone")
    settings = WaterReference(seed=run.seed, **config.model_dump(exclude={"keep"}))
    frames: list[ReferenceFrame] = []
    checkpoint: bytes | None = None
    with run.progress(config.frames, "SPC/E water") as bar:
        for part in range(config.frames // 20):
            more, checkpoint = run.stage(f"frames-{part}", advance, settings, checkpoint, 20)
            frames += more
            bar.advance(20)
    files = reference_files(settings, frames)
    mapping = MappingConfig(beads={"W": BeadConfig(select="resname SOL")})
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        beads = read_reference(Path(name) / "spce.gro", Path(name) / "spce.trr", mapping, {})
    if config.keep == "beads":
        files = reduced(files, beads)
    reach = 0.01 * np.floor(50 * frames[0].box)
    distribution = centred(beads, float(reach), 0.01)
    position, height = first_peak(distribution)
    pressure = mean(np.array([frame.pressure for frame in frames]), "bar")
    found: dict[str, Estimate | Reported] = {
        "first_peak_position": Reported(position, 0.28, tolerance=0.01, source="centre of mass of SPC/E, 300 K"),
        "first_peak_height": Reported(
            height, 2.92, tolerance=0.08, source="centre of mass of SPC/E, 300 K, bins of 0.01 nm"
        ),
        "pressure": pressure,
        "density": Estimate.exact(config.density, "1/nm^3"),
        "frames": Estimate.exact(len(frames)),
    }
    data = xarray.Dataset(
        {
            "g": ("r", distribution.g, {"units": "1"}),
            "g_error": ("r", distribution.error, {"units": "1"}),
            "pressure": ("frame", np.array([frame.pressure for frame in frames]), {"units": "bar"}),
        },
        {"r": ("r", distribution.r, {"units": "nm"})},
    )
    text = (
        f"{config.molecules} SPC/E molecules at {config.temperature:g} K and {config.density:g} per nm^3, "
        f"{len(frames)} frames {config.interval:g} ps apart: "
        f"pressure {pressure}, first peak {height} at {position}. Copy model files into a study's folder to use "
        f"them as its reference."
    )
    ledger = Ledger()
    return Result(
        found, ledger, judge(found, ledger, text), data, {"rdf": pictures.plain_rdf(distribution)}, files, CITE[4:]
    )
