"""Engines that run bead models, behind one protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kadanoff.molecules.frames import Frames
    from kadanoff.molecules.potentials import Model

__all__ = ["Barostat", "Engine", "Exploded", "Langevin", "NoseHoover", "PointValue", "Thermostat"]


@dataclass(frozen=True)
class Langevin:
    """Langevin dynamics: ``temperature`` in K, ``friction`` in 1/ps (BAOAB splitting: Leimkuhler & Matthews, 2013)."""

    temperature: float
    friction: float = 1.0


@dataclass(frozen=True)
class NoseHoover:
    """Nose-Hoover chain: ``temperature`` in K, ``period`` in ps, ``chain`` thermostats (Martyna et al., 1992)."""

    temperature: float
    period: float = 0.1
    chain: int = 3


Thermostat = Langevin | NoseHoover


@dataclass(frozen=True)
class Barostat:
    """Isotropic Monte Carlo barostat: ``pressure`` in bar, a trial of the volume every ``period`` steps.

    A trial scales box and bead positions, V' = V exp(x), and is accepted with the probability
    min(1, exp(-(U' - U + P (V' - V)) / kT + (N + 1) x)): the isothermal-isobaric ensemble exactly, whatever the size
    of the trials. That size is drawn anew each time, log-uniform from 0.05 to 3 / sqrt(N), so nothing is tuned while
    sampling. Boxes below twice the cut-off are no states of the ensemble; a run that keeps asking for them, or grows to
    ten times its first volume, ends as `Exploded`. Source: Frenkel & Smit, Understanding Molecular Simulation (2002),
    5.4.2.
    """

    pressure: float
    period: int = 25


@dataclass(frozen=True, eq=False)
class PointValue:
    """One configuration: energy (kJ/mol), forces (n, 3) in kJ/mol/nm, virial -3 V dU/dV (kJ/mol)."""

    energy: float
    forces: NDArray[np.float64]
    virial: float


class Exploded(ValueError):
    """The simulation left the range of numbers or of sense; ``frames`` holds what was computed before."""

    def __init__(self, message: str, frames: Frames | None = None) -> None:
        super().__init__(message)
        self.frames = frames


class Engine(Protocol):
    """What every engine offers; settings of the engine itself (precision, threads, ranks) are in its constructor."""

    def run(
        self, model: Model, start: Frames, *, steps: int, timestep: float, every: int,
        thermostat: Thermostat | None, barostat: Barostat | None = None, seed: int,
    ) -> Iterator[Frames]:  # fmt: skip
        """Run from the single frame ``start`` and yield chunks of frames, one frame each ``every`` steps.

        ``timestep`` is in ps; ``thermostat=None`` is NVE; with a ``barostat`` the box changes from frame to frame.
        Velocities are drawn from the thermostat's temperature with ``seed`` where ``start`` has none. The same call
        gives the same bits. Raises `Exploded`, and `ValueError` where the engine knows no barostat or not all terms of
        the model.
        """
        ...

    def evaluate(self, model: Model, frame: Frames) -> PointValue:
        """Energy, forces and virial of one frame, in double precision."""
        ...
