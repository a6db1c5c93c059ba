"""Our own bead engine: tabulated pair potentials on CPUs, compiled by numba."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules._kernels import dynamics
from kadanoff.molecules.engines import Exploded, Langevin, NoseHoover, PointValue, Thermostat
from kadanoff.molecules.frames import BOLTZMANN, Frames
from kadanoff.molecules.potentials import Model

__all__ = ["BeadEngine"]


@dataclass(frozen=True)
class BeadEngine:
    """Bead molecular dynamics with pair tables (first version: double precision, one thread)."""

    precision: str = "mixed"
    threads: int = 1
    skin: float | None = None

    def evaluate(self, model: Model, frame: Frames) -> PointValue:
        """Energy, forces and virial of one frame, in double precision, from the table's own Hermite interpolant."""
        x, box, types = _checked(model, frame)
        energy, slope = model.tables()
        start, neighbour = _room(len(x), box, model.cutoff)
        count = dynamics.build_list(x, box, model.cutoff, start, neighbour)
        if count > len(neighbour):
            neighbour = np.empty(count, np.int32)
            dynamics.build_list(x, box, model.cutoff, start, neighbour)
        f = np.zeros_like(x)
        total, virial = dynamics.forces(x, box, types, start, neighbour, energy, slope, model.step, f)
        return PointValue(float(total), f, float(virial))

    def run(
        self, model: Model, start: Frames, *, steps: int, timestep: float, every: int, thermostat: Thermostat | None,
        seed: int,
    ) -> Iterator[Frames]:  # fmt: skip
        """Run from the single frame ``start`` and yield chunks of frames, one frame each ``every`` steps."""
        x, box, types = _checked(model, start)
        n, mass = len(x), start.beads.masses
        skin = 0.15 if self.skin is None else self.skin
        temperature = 0.0 if thermostat is None else thermostat.temperature
        kt = BOLTZMANN * temperature
        if start.velocities is not None:
            v = np.array(start.velocities[0], dtype=np.float64)
        elif thermostat is None:
            raise ValueError("a run without a thermostat needs start velocities")
        else:
            noise = np.array([dynamics.normals3(seed, 0, 0, i) for i in range(n)])
            v = noise * np.sqrt(kt / mass)[:, None]
        kind, friction, q = 0, 1.0, np.ones(1)
        if isinstance(thermostat, Langevin):
            kind, friction = 1, thermostat.friction
        elif isinstance(thermostat, NoseHoover):
            kind = 2
            v -= (mass[:, None] * v).sum(0) / mass.sum()
            q = np.full(thermostat.chain, kt * (thermostat.period / (2 * np.pi)) ** 2)
            q[0] *= 3 * n - 3
        p = np.zeros_like(q)
        energy, slope = model.tables()
        first, neighbour = _room(n, box, model.cutoff + skin)
        count = dynamics.build_list(x, box, model.cutoff + skin, first, neighbour)
        if count > len(neighbour):
            neighbour = np.empty(int(1.1 * count), np.int32)
            dynamics.build_list(x, box, model.cutoff + skin, first, neighbour)
        f, built = np.zeros_like(x), x.copy()
        dynamics.forces(x, box, types, first, neighbour, energy, slope, model.step, f)
        total = steps // every
        size = max(1, min(total, 50, 500_000 // n))
        done = 0
        for begin in range(0, total, size):
            number = min(size, total - begin)
            xs, vs = np.empty((number, n, 3)), np.empty((number, n, 3))
            es, ws = np.empty(number), np.empty(number)
            for k in range(number):
                left = every
                while left:
                    made, state, e, w = dynamics.steps(
                        x, v, f, built, mass, types, box, first, neighbour, energy, slope, model.step, skin, timestep, kind, kt,
                        friction, q, p, seed, done, left,
                    )  # fmt: skip
                    done, left = done + made, left - made
                    if state == 1:
                        raise NotImplementedError("list overflow")
                    if state == 2:
                        raise Exploded(
                            f"the simulation exploded at step {done}: a bead leapt by more than a tenth of the cut-off",
                            _frames(start, xs[:k], vs[:k], es[:k], ws[:k], box, begin, every * timestep) if k else None,
                        )
                xs[k], vs[k], es[k], ws[k] = x - np.floor(x / box) * box, v, e, w
            yield _frames(start, xs, vs, es, ws, box, begin, every * timestep)


def _frames(
    start: Frames, x: NDArray[np.float64], v: NDArray[np.float64], e: NDArray[np.float64], w: NDArray[np.float64],
    box: NDArray[np.float64], begin: int, spacing: float,
) -> Frames:  # fmt: skip
    time = start.time[0] + spacing * np.arange(begin + 1, begin + 1 + len(x))
    return Frames(start.beads, x, np.tile(box, (len(x), 1)), time, velocities=v, energy=e, virial=w)


def _room(n: int, box: NDArray[np.float64], reach: float) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    pairs = 0.5 * n * n * min(1.0, 4.2 * reach**3 / float(np.prod(box)))
    return np.zeros(n + 1, np.int64), np.empty(int(1.5 * pairs) + 10 * n + 100, np.int32)


def _checked(model: Model, frame: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    if len(frame) != 1:
        raise ValueError(f"give one frame, not {len(frame)}")
    x, box = np.array(frame.positions[0], dtype=np.float64), np.array(frame.box[0], dtype=np.float64)
    if not np.all(np.isfinite(x)):
        raise ValueError(f"{np.count_nonzero(~np.isfinite(x).all(1))} beads have positions that are not numbers")
    if not np.all(np.isfinite(box) & (box > 0)):
        raise ValueError(f"every box edge must be positive, not {box} nm")
    if model.cutoff > 0.5 * box.min():
        raise ValueError(f"the cut-off {model.cutoff} nm is more than half the shortest box edge {box.min()} nm")
    missing = [name for name in frame.beads.names if name not in model.names]
    if missing:
        raise ValueError(f"the model {model.names} knows no bead type {missing[0]!r}")
    index = np.array([model.names.index(name) for name in frame.beads.names], np.int32)
    return x, box, index[frame.beads.types]
