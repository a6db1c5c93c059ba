"""Our own bead engine: molecular dynamics on CPUs, compiled by numba: pair tables, three-body and density terms.

In mixed precision F(r)/r is piecewise linear in s = r^2, on knots that divide each octave of s alike, and the energy
is exactly its integral, U(s) = U_k - (w_k t + w'_k t^2 / 2) / 2 with t = s - s_k: no root, no division, and one
interpolant. Pairs are float32 with distances from 32-bit fractions of the box; positions, velocities and sums are
float64.

In double precision, and always in `BeadEngine.evaluate`, the interpolant is the table's own cubic Hermite polynomial.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules._kernels import dynamics
from kadanoff.molecules._kernels.lanes import WIDTH
from kadanoff.molecules.engines import Barostat, Exploded, Langevin, NoseHoover, PointValue, Thermostat
from kadanoff.molecules.engines.checks import check_plan, check_start, start_velocities
from kadanoff.molecules.engines.many_body import bodies_of
from kadanoff.molecules.frames import BAR, BOLTZMANN, Frames
from kadanoff.molecules.potentials import Model

__all__ = ["BeadEngine", "FastTable"]

_Array = NDArray[np.float64]
_PIECES = 9  # 2^9 pieces an octave of r^2: 2e-5 of the force at the wall of a water-like potential
_OCTAVES = 8  # of r^2 below the cut-off's; closer than a sixteenth of the cut-off F/r is constant
_BLOCKS_A_CHUNK = 64
_SHORT_SKIN = 0.1  # nm: how far beads move between rebuilds hardly depends on a short reach
_CRAMPED, _BOILED = 0.2, 10.0  # share of trials below the least box, and growth of the volume, that end a run
_SKIN = 0.13  # of the cut-off: a liquid at room temperature and 4 fs lives about ten steps on a list, the measured best


@dataclass(frozen=True, eq=False)
class FastTable:
    """F/r = -U'(r)/r of all pairs of types, piecewise linear in s = r^2, and its integral: the interpolant of the
    dynamics.

    U(s) = U_k - (w_k t + w'_k t^2 / 2) / 2,  t = s - s_k.

    ``knots`` (k + 1,) of s in nm^2; ``lines`` (types, types + 1, k, 2) float32 of w_k and w'_k; ``energy`` likewise
    of U_k and 0. The last type is nobody: it fills incomplete blocks and feels nothing. ``base``, ``shift``: knot of
    s = (bits of s >> shift) - base."""

    knots: NDArray[np.float32]
    lines: NDArray[np.float32]
    energy: NDArray[np.float32]
    base: int
    shift: int

    @classmethod
    def of(cls, model: Model) -> FastTable:
        """Tabulate every pair of a model; `ValueError` for forces that float32 cannot hold."""
        shift = 23 - _PIECES
        top = np.float32(model.cutoff**2)
        last = (int(top.view(np.int32)) >> shift) + (int(top.view(np.int32)) % (1 << shift) > 0)
        base = last - (_OCTAVES << _PIECES)
        knots = (np.arange(base, last + 2, dtype=np.int32) << shift).view(np.float32)
        s = knots.astype(np.float64)
        r = np.sqrt(s[:-1])
        types = len(model.names)
        lines = np.zeros((types, types + 1, len(r), 2), np.float32)
        energy = np.zeros_like(lines)
        for a, first in enumerate(model.names):
            for b, second in enumerate(model.names):
                w = np.append(np.where(r < model.cutoff, model.pair(first, second).force_at(r) / r, 0.0), 0.0)
                if not np.max(np.abs(w)) < 1e12:
                    raise ValueError(
                        f"the force between {first} and {second} grows beyond 1e12 kJ/mol/nm^2 times r: no bead model"
                    )
                lines[a, b, :, 0] = w[:-1]
                lines[a, b, :, 1] = np.diff(w) / np.diff(s)
                value, slope = lines[a, b].astype(np.float64).T
                t = np.diff(s)
                energy[a, b, :, 0] = np.cumsum((0.5 * t * (value + 0.5 * slope * t))[::-1])[::-1]
        return cls(knots, lines, energy, base, shift)

    def at(self, r: NDArray[np.float64], a: int = 0, b: int = 0) -> tuple[_Array, _Array]:
        """Energy (kJ/mol) and force (kJ/mol/nm) at distances r in nm: the interpolant, evaluated in float64."""
        s = np.asarray(r, np.float64) ** 2
        inside = np.clip(s, self.knots[0], self.knots[-2])
        k = (inside.astype(np.float32).view(np.int32) >> self.shift) - self.base
        k = k - (inside < self.knots[k])
        t = inside - self.knots[k]
        value, slope = (self.lines[a, b, k, c].astype(np.float64) for c in (0, 1))
        w = value + slope * t
        return self.energy[a, b, k, 0] - 0.5 * t * (value + 0.5 * slope * t) - 0.5 * w * (s - inside), w * np.asarray(r)


@dataclass(frozen=True)
class BeadEngine:
    """Bead molecular dynamics with tabulated pair potentials, three-body and local-density terms.

    ``precision``: "mixed" (float32 pairs, float64 sums) or "double", of the dynamics; ``threads``: how many cores
    walk together (0: all); ``skin``: margin of the neighbour lists in nm, None for 0.13 of the cut-off and, with terms
    beyond pairs, at least 0.1 nm. The number of threads changes no bit of the result.

    Langevin dynamics is BAOAB (Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34), Nose-Hoover chains follow
    Martyna, Tobias & Klein (1994) and Martyna et al. (1996), and conserve momentum: the centre of mass is brought to
    rest first."""

    precision: Literal["mixed", "double"] = "mixed"
    threads: int = 1
    skin: float | None = None

    def __post_init__(self) -> None:
        if self.precision not in ("mixed", "double"):
            raise ValueError(f"precision is 'mixed' or 'double', not {self.precision!r}")
        if self.threads < 0:
            raise ValueError(f"threads must be a number >= 0, not {self.threads}")
        if self.skin is not None and not 0 < self.skin < 10:
            raise ValueError(f"the skin must be positive (nm), not {self.skin}")

    def evaluate(self, model: Model, frame: Frames) -> PointValue:
        """Energy, forces and virial of one frame, in double precision, from the tables' own Hermite interpolant."""
        state = _State(model, frame, exact=True, skin=1e-6, steps=0, frames=0, timestep=1.0, thermostat=None, seed=0)
        state.walk(until=0, every=1, threads=1, pool=None)
        forces = np.empty((state.n, 3))
        forces[state.identity[: state.n]] = state.f.reshape(3, -1)[:, : state.n].T
        return PointValue(float(state.sums[3].sum()), forces, float(state.sums[4].sum()))

    def run(
        self, model: Model, start: Frames, *, steps: int, timestep: float, every: int, thermostat: Thermostat | None,
        barostat: Barostat | None = None, seed: int,
    ) -> Iterator[Frames]:  # fmt: skip
        """Run from the single frame ``start`` and yield chunks of frames, one frame each ``every`` steps.

        The model may hold any number of bead types, `AngularTriplet` (Stillinger-Weber form with any h of the cosine),
        `SplineTriplet` and `LocalDensity` terms beside its pair tables. ``timestep`` in ps; ``thermostat`` `Langevin`,
        `NoseHoover` or None (NVE); ``barostat`` (with a thermostat): the volume changes at constant pressure, and each
        frame has its own box. Velocities are drawn at the thermostat's temperature with ``seed`` where ``start`` has
        none. Frames hold positions wrapped into the box, velocities, energy and virial of all terms at full steps, the
        first one after ``every`` steps. The same call gives the same bits whatever ``threads`` is. Raises `Exploded`
        with the frames of the unfinished chunk, also for a box that shrinks below twice the cut-off, and `ValueError`
        for positions that are no numbers or a cut-off above half the box."""
        n, total = len(start.beads), check_plan(steps, timestep, every)
        size = max(1, min(total, 100, 1_000_000 // n, 1 + 40_000_000 // (n * every)))
        skin = self.skin
        if skin is None:
            skin = _SKIN * model.cutoff if model.pairwise else max(_SKIN * model.reach, _SHORT_SKIN)
        if barostat is not None:
            if thermostat is None:
                raise ValueError("a barostat needs a thermostat: constant pressure is sampled at constant temperature")
            if barostat.period < 1 or not np.isfinite(barostat.pressure):
                raise ValueError(f"a barostat needs a finite pressure and a period of one step or more, not {barostat}")
        state = _State(
            model, start, exact=self.precision == "double", skin=skin, steps=steps, frames=size, timestep=timestep,
            thermostat=thermostat, seed=seed,
        )  # fmt: skip
        threads = min(self.threads or os.cpu_count() or 1, state.chunks)
        with ThreadPoolExecutor(threads - 1) if threads > 1 else nullcontext() as pool:
            for begin in range(0, total, size):
                number = min(size, total - begin)
                boxes, trouble = list[_Array](), ""
                state.counters[dynamics.FRAME], stop = 0, (begin + number) * every
                while not trouble and (at := int(state.counters[dynamics.STEP])) < stop:
                    until = stop if barostat is None else min(stop, (at // barostat.period + 1) * barostat.period)
                    trial = barostat is not None and until % barostat.period == 0
                    ended = state.walk(until=until, every=every, threads=threads, pool=pool, weigh=trial)
                    boxes += [state.box.copy()] * (int(state.counters[dynamics.FRAME]) - len(boxes))
                    if ended == dynamics.EXPLODED:
                        trouble = (
                            f"exploded at step {state.counters[dynamics.STEP]}: a bead moved by more than a quarter of "
                            "the cut-off in one step. Overlapping start positions, a wall without a core, or too long "
                            f"a timestep ({timestep} ps) do that"
                        )
                    elif trial and barostat is not None:
                        trouble = state.change_volume(barostat, every, threads, pool)
                made = len(boxes)
                time = start.time[0] + every * timestep * np.arange(begin + 1, begin + 1 + made)
                frames = Frames(
                    start.beads, state.out_x[:made].copy(), np.array(boxes).reshape(made, 3), time,
                    velocities=state.out_v[:made].copy(), energy=state.out_values[0, :made].copy(),
                    virial=state.out_values[1, :made].copy(),
                )  # fmt: skip
                if not trouble and not np.all(np.isfinite(state.out_values[:, :made])):
                    trouble = f"exploded before step {stop}: energy or virial are no numbers any more"
                if trouble:
                    raise Exploded(f"the simulation {trouble}", frames)
                yield frames


class _State:
    """The arrays that `dynamics.advance` walks on, in sorted order, flat and padded to whole blocks."""

    def __init__(
        self, model: Model, start: Frames, *, exact: bool, skin: float, steps: int, frames: int, timestep: float,
        thermostat: Thermostat | None, seed: int,
    ) -> None:  # fmt: skip
        kinds, positions, box = (
            check_start(model, start),
            np.array(start.positions[0]),
            np.array(start.box[0], np.float64),
        )
        self.n = n = len(positions)
        self.pad = pad = -(-n // WIDTH) * WIDTH
        blocks = pad // WIDTH
        self.chunks = max(1, min(16, blocks // _BLOCKS_A_CHUNK))
        self.box, self.exact, self.skin, self.dt = box, exact, skin, timestep
        self.first_volume, self.trials, self.refused = float(np.prod(box)), 0, 0
        self.seed = np.uint64(seed % 2**64)
        fast = FastTable.of(model)
        self.table, self.integral = fast.lines.ravel(), fast.energy.ravel()
        self.base, self.shift = fast.base, fast.shift
        self.low, self.high, self.span = float(fast.knots[0]), float(fast.knots[-2]), fast.lines.shape[2]
        self.reach = max(model.cutoff, float(np.sqrt(self.high)))
        self.longest = model.reach
        self.energy, self.slope = model.tables()
        self.step_r, self.types = model.step, len(model.names)

        def padded(values: Any, fill: float, kind: Any) -> NDArray[Any]:
            out = np.full((3, pad) if np.ndim(values) == 2 else pad, fill, kind)
            out[..., :n] = np.asarray(values).T
            return out.ravel()

        mass = start.beads.masses
        self.kind, self.kt, self.friction, self.freedom = dynamics.NVE, 0.0, 1.0, 3.0 * n
        self.weights = np.ones(1)
        if thermostat is not None:
            self.kt = BOLTZMANN * thermostat.temperature
            if not (np.isfinite(self.kt) and self.kt > 0):
                raise ValueError(f"the temperature must be positive (K), not {thermostat.temperature}")
        velocities = (
            start_velocities(start, thermostat.temperature if thermostat else None, seed) if steps else np.zeros((n, 3))
        )
        if isinstance(thermostat, Langevin):
            if not (np.isfinite(thermostat.friction) and thermostat.friction > 0):
                raise ValueError(f"the friction must be positive (1/ps), not {thermostat.friction}")
            self.kind, self.friction = dynamics.LANGEVIN, thermostat.friction
        elif isinstance(thermostat, NoseHoover):
            if not thermostat.period > 0 or thermostat.chain < 1 or n < 2:
                raise ValueError(
                    "a Nose-Hoover chain needs a positive period, at least one thermostat and at least two beads"
                )
            self.kind, self.freedom = dynamics.CHAIN, 3.0 * n - 3.0
            velocities = velocities - (mass[:, None] * velocities).sum(0) / mass.sum()
            self.weights = np.full(thermostat.chain, self.kt * (thermostat.period / (2.0 * np.pi)) ** 2)
            self.weights[0] *= self.freedom
        self.x, self.v, self.m = (
            padded(positions, 0.0, np.float64),
            padded(velocities, 0.0, np.float64),
            padded(mass, 1.0, np.float64),
        )
        self.t = padded(kinds * self.span, self.types * self.span, np.int32)
        self.identity = padded(np.arange(n), 0, np.int32)
        self.f, self.built = np.zeros(3 * pad), np.zeros(3 * pad)
        self.u = np.zeros(3 * pad, np.int32)
        self.g = np.zeros((self.chunks, 1 if exact else 3 * pad), np.float32)
        self.g_exact = np.zeros((self.chunks, 3 * pad if exact else 1))
        self.noise = np.zeros(3 * pad, np.float32)
        self.places, self.spare, self.spare_int = np.zeros(n, np.int64), np.zeros(n), np.zeros(n, np.int32)
        self.middle, self.half = (np.zeros(3 * (2 * blocks + WIDTH), np.float32) for _ in range(2))
        self.rows, self.filled = np.zeros((pad, min(48, blocks // 2 + 2)), np.int32), np.zeros(pad, np.int32)
        self.bodies = bodies_of(model, pad=pad, chunks=self.chunks, room=32, exact=exact)
        self.far, self.sums = np.zeros(self.chunks, np.int64), np.zeros((6, self.chunks))
        self.sums[5, 0] = float(np.sum(mass[:, None] * velocities**2))
        self.chain = np.zeros_like(self.weights)
        self.counters = np.array([0, 0, dynamics.AFRESH, 0], np.int64)
        self.out_x, self.out_v = np.empty((frames, n, 3)), np.empty((frames, n, 3))
        self.out_values = np.empty((2, frames))

    def walk(
        self, *, until: int, every: int, threads: int, pool: ThreadPoolExecutor | None, weigh: bool = False
    ) -> int:
        """Go on to step ``until``; frames recorded on the way go into ``out_x`` and its like from the FRAME-th on."""
        while True:
            sync = np.zeros(1, np.int64)
            chains = np.tile(self.chain, (threads, 1))

            def one(thread: int, sync: NDArray[np.int64] = sync, chains: _Array = chains) -> int:
                ended: int = dynamics.advance(
                    thread, threads, sync, self.counters, until, every, self.exact, self.n, self.pad, self.chunks,
                    self.box, self.reach, self.skin, self.dt, self.kind, self.kt, self.friction, self.freedom,
                    self.seed, self.x, self.v, self.f, self.m, self.t, self.identity, self.u, self.built, self.g,
                    self.g_exact, self.noise, chains, self.weights, self.places, self.spare, self.spare_int,
                    self.middle, self.half, self.rows, self.filled, self.far, self.sums, self.types, self.span,
                    self.base, self.shift, self.low, self.high, self.table, self.integral, self.energy, self.slope,
                    self.step_r, self.out_x, self.out_v, self.out_values, self.bodies, weigh,
                )  # fmt: skip
                return ended

            others = [] if pool is None else [pool.submit(one, thread) for thread in range(1, threads)]
            ended = one(0)
            for other in others:
                other.result()
            self.chain = chains[0]
            if ended == dynamics.ROOM:
                self.rows = np.zeros((self.pad, int(1.5 * self.rows.shape[1]) + 1), np.int32)
            elif ended == dynamics.CROWD:
                assert self.bodies is not None
                self.bodies = self.bodies._replace(
                    near=np.zeros((self.pad, int(1.5 * self.bodies.near.shape[1]) + 1), np.int32)
                )
            else:
                return ended

    def change_volume(self, barostat: Barostat, every: int, threads: int, pool: ThreadPoolExecutor | None) -> str:
        """One Monte Carlo trial of the volume, after a walk that weighed its last step; returns what is wrong, or "".

        A box of less than twice the cut-off is no state of the ensemble: such a trial is rejected. It is a trouble
        where that happens again and again, and so is a box that has grown without end."""
        step, names = int(self.counters[dynamics.STEP]), "x v m t identity f u built rows filled far sums box bodies"
        rng = np.random.default_rng([int(self.seed), 1, step])
        size, place, chance = rng.uniform(np.log(0.05), np.log(3.0)), rng.uniform(-1.0, 1.0), rng.uniform()
        change = place * np.exp(size) / np.sqrt(self.n)
        volume, energy = float(np.prod(self.box)), float(self.sums[3].sum())
        self.trials += 1
        if 2.0 * self.longest > self.box.min() * np.exp(change / 3.0) * (1 + 1e-9):
            self.refused += 1
            if self.refused > 10 and self.refused > _CRAMPED * self.trials:
                return (
                    f"asks again and again for a box of less than twice the cut-off, last at step {step} (edge "
                    f"{self.box.min():.4g} nm): take more beads, or see whether the pressure is right"
                )
            return ""
        before = {name: _copied(getattr(self, name)) for name in names.split()}
        self.box = self.box * np.exp(change / 3.0)
        self.x *= np.exp(change / 3.0)
        self.counters[dynamics.MODE] = dynamics.AFRESH
        self.walk(until=step, every=every, threads=threads, pool=pool)
        work = float(self.sums[3].sum()) - energy + barostat.pressure / BAR * volume * np.expm1(change)
        if not np.log(chance) < (self.n + 1) * change - work / self.kt:
            for name, value in before.items():
                setattr(self, name, value)
        elif volume * np.exp(change) > _BOILED * self.first_volume:
            return (
                f"has grown to {_BOILED:g} times its first volume at step {step}: at {barostat.pressure:g} bar these "
                "beads are no liquid. See whether the pressure is right, or start from a larger box"
            )
        return ""


def _copied(value: Any) -> Any:
    """A copy of an array, or of the arrays in a tuple."""
    if isinstance(value, tuple):
        return type(value)(*map(_copied, value))
    return value.copy() if isinstance(value, np.ndarray) else value
