"""Hard disks in a periodic square, from collision to collision.

Between collisions disks fly straight; two that touch exchange the components of their velocities along the line of
centres. Nothing is approximated: the dynamics conserves phase-space volume and can be reversed, up to rounding, which
grows by a factor of mean free path over diameter or so in each collision.

    rate of collisions of one disk   2 n sigma sqrt(pi kT/m) chi,    chi = (1 - 7 phi/16) / (1 - phi)^2
    pressure                         P V / E = 1 + 2 phi chi = (1 + phi^2/8) / (1 - phi)^2         (Henderson, 1975)

    disks = random_start(10_000, 0.1, seed=1)                 # or lattice_start; speeds="thermal" | "equal"
    dynamics = DiskDynamics(disks)
    dynamics.run(3.0)                                         # -> Counts: collisions, virial, time
    later = dynamics.disks()                                  # -> Disks; to look changes no bit of what follows
    back = DiskDynamics(reversed_disks(later))

Units: mass 1, the caller's length and time. Alder and Wainwright (1959); Lubachevsky (1991); Henderson (1975).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels import hard_disks as kernels
from kadanoff.estimates import Estimate, mean

__all__ = [
    "Collisions",
    "Counts",
    "DiskDynamics",
    "Disks",
    "Speeds",
    "collision_rate_ratio",
    "contact_value",
    "disk_pressure",
    "enskog_rate",
    "lattice_start",
    "random_start",
    "reversed_disks",
    "smallest_distance",
]

Array = NDArray[np.float64]
Speeds = Literal["thermal", "equal"]

_DILUTE, _CROWD = 0.02, 3.0  # packing below which cells hold more than one disk, up to so many: fewer borders to cross
_TILE = 32  # cells
_IN_BUCKET = 3.0  # events a bucket of the calendar, about
_EPOCH = 64  # years of the calendar after which clocks start again from 0, to keep the digits of times
_LOG = 1 << 16  # collisions logged at once
_TRIES = 100_000  # random places tried for one disk
_DENSEST = 0.5  # random insertion jams at a packing of 0.547
_CLOSE = 1e-10  # relative overlap that rounding explains


@dataclass(frozen=True, eq=False)
class Disks:
    """Equal hard disks of mass 1 in a periodic square at one moment.

    Arguments:
        positions: (n, 2), n >= 2; taken into the box [0, edge).
        velocities: (n, 2).
        diameter: of a disk.
        edge: of the box, at least three diameters.
        time: of the moment.

    Raises:
        ValueError: for shapes that disagree, numbers that are not finite, a box too small.
    """

    positions: Array
    velocities: Array
    diameter: float
    edge: float
    time: float = 0.0

    def __post_init__(self) -> None:
        for name in ("positions", "velocities"):
            array = np.array(getattr(self, name), dtype=np.float64, order="C")
            if array.ndim != 2 or array.shape[1] != 2 or len(array) < 2:
                raise ValueError(f"{name} of disks: expected (n, 2) with n >= 2, got {array.shape}")
            if not np.all(np.isfinite(array)):
                row = int(np.argwhere(~np.isfinite(array))[0, 0])
                raise ValueError(f"{name} of disk {row} are {array[row]}: they must be finite")
            object.__setattr__(self, name, array)
        if self.positions.shape != self.velocities.shape:
            raise ValueError(f"{len(self.positions)} positions but {len(self.velocities)} velocities")
        if not (self.diameter > 0 and math.isfinite(self.edge)) or self.edge < 3 * self.diameter:
            raise ValueError(
                f"disks of diameter {self.diameter:g} need a box of three diameters at least, not {self.edge:g}"
            )
        object.__setattr__(self, "positions", wrapped(self.positions, self.edge))

    @property
    def packing(self) -> float:
        """Share of the area that disks cover: phi = n pi sigma^2 / 4."""
        return len(self.positions) * math.pi * self.diameter**2 / (4 * self.edge**2)

    @property
    def density(self) -> float:
        """Disks per area, n."""
        return len(self.positions) / self.edge**2

    @property
    def energy(self) -> float:
        """Kinetic energy, of the motion around the centre of mass too."""
        return 0.5 * float(np.sum(self.velocities**2))

    @property
    def temperature(self) -> float:
        """kT = E / (N - 1) of the motion around the centre of mass, which has 2 (N - 1) degrees of freedom."""
        relative = self.velocities - self.velocities.mean(axis=0)
        return 0.5 * float(np.sum(relative**2)) / (len(relative) - 1)


@dataclass(frozen=True)
class Counts:
    """What happened in a stretch of ``time``.

    ``virial`` is the sum over collisions of r_ij . dp_j (that is, sigma |g.k|); ``crossings`` of cell borders and
    ``renewals`` of lost partners are events without physics.
    """

    time: float
    collisions: int
    virial: float
    crossings: int
    renewals: int


@dataclass(frozen=True, eq=False)
class Collisions:
    """Every collision of a stretch of time, in order.

    ``time`` (c,); ``pairs`` (c, 2) the disks; ``before``, ``after`` (c, 2, 2): collision, partner, vx and vy.
    """

    time: Array
    pairs: NDArray[np.int64]
    before: Array
    after: Array


class DiskDynamics:
    """The motion of hard disks from ``disks`` on.

    To stop and look changes no bit of what follows. A collision takes one to three microseconds where the disks fit the
    cache of a core (some 10,000), up to three times that from memory.

    Arguments:
        disks: where they start. Two may touch, none overlap.

    Raises:
        ValueError: naming two disks that overlap.
    """

    def __init__(self, disks: Disks) -> None:
        distance, first, second = smallest_distance(disks)
        if distance < disks.diameter * (1 - _CLOSE):
            raise ValueError(
                f"disks {first} and {second} overlap: {distance:.12g} apart with a diameter of {disks.diameter:.12g}"
            )
        self._start(disks)

    def run(self, time: float) -> Counts:
        """Let ``time`` pass. Raises ValueError where it is negative or not finite."""
        return self._run(time, np.empty((0, 2), np.int64), np.empty((0, 9)))[0]

    def collisions(self, time: float) -> Collisions:
        """Let ``time`` pass, and keep every collision (88 bytes each)."""
        parts = self._run(time, np.empty((_LOG, 2), np.int64), np.empty((_LOG, 9)))[1]
        pairs = np.concatenate([part[0] for part in parts])
        log = np.concatenate([part[1] for part in parts])
        return Collisions(log[:, 0].copy(), pairs, log[:, 1:5].reshape(-1, 2, 2), log[:, 5:].reshape(-1, 2, 2))

    def disks(self) -> Disks:
        """The disks now, in the order they came in."""
        positions, velocities = np.empty((2, len(self._disk), 2))
        positions[self._order] = self._disk[:, :2] + self._disk[:, 2:4] * (self._local - self._disk[:, 4])[:, None]
        velocities[self._order] = self._disk[:, 2:4]
        return Disks(positions, velocities, self._diameter, self._edge, self.time)

    @property
    def time(self) -> float:
        """The moment reached."""
        return self._epoch + self._local

    def _start(self, disks: Disks) -> None:
        """Sort the disks in space, find their first events, start the clocks from 0 at the disks' time."""
        number, edge = len(disks.positions), disks.edge
        self._edge, self._diameter, self._epoch, self._local = edge, disks.diameter, disks.time, 0.0
        self._m = _cells(number, edge, disks.diameter)
        places = np.minimum((disks.positions / (edge / self._m)).astype(np.int64), self._m - 1)
        # neighbours lie close in memory: tiles of cells, in each row by row
        self._order = np.lexsort((places[:, 0], places[:, 1], places[:, 0] // _TILE, places[:, 1] // _TILE))
        self._disk, self._link = _lines(number)
        self._disk[:, :2], self._disk[:, 2:4] = disks.positions[self._order], disks.velocities[self._order]
        buckets = 1 << max(6, math.ceil(math.log2(number)))
        self._heads, self._nodes = np.empty(buckets, np.int32), np.full((number, 2), kernels.NOT_QUEUED, np.int32)
        self._rate = _events(disks, edge / self._m) / _IN_BUCKET
        self._length = _EPOCH * buckets / self._rate
        self._virial, self._tally = np.zeros(1), np.zeros(5, np.int64)
        room = 8
        while True:
            self._cells = np.empty((self._m**2, room), np.int32)
            if kernels.build(
                self._disk, self._link, self._cells, self._heads, self._nodes, edge, disks.diameter**2, self._m,
                self._rate,
            ):  # fmt: skip
                return
            room *= 2

    def _run(
        self, time: float, pairs: NDArray[np.int64], log: Array
    ) -> tuple[Counts, list[tuple[NDArray[np.int64], Array]]]:
        if not (time >= 0 and math.isfinite(time)):
            raise ValueError(f"time must be finite and not negative, got {time}")
        parts, left = [(np.empty((0, 2), np.int64), np.empty((0, 9)))], time
        collisions, crossings, renewals, virial = 0, 0, 0, 0.0
        while True:
            until = min(self._local + left, self._length)
            before = self._tally.copy()
            full = self._advance(until, pairs, log)
            done = self._tally - before
            collisions, crossings = collisions + int(done[kernels.COLLISIONS]), crossings + int(done[kernels.CROSSINGS])
            renewals, virial = renewals + int(done[kernels.RENEWALS]), virial + float(self._virial[0])
            self._virial[0] = 0.0
            logged = int(self._tally[kernels.LOGGED])
            if logged:
                part = log[:logged].copy()
                part[:, 0] += self._epoch
                parts.append((self._order[pairs[:logged]], part))
                self._tally[kernels.LOGGED] = 0
            if full:
                continue
            left, self._local = max(0.0, left - (until - self._local)), until
            if self._local < self._length:
                return Counts(time, collisions, virial, crossings, renewals), parts
            self._start(self.disks())

    def _advance(self, until: float, pairs: NDArray[np.int64], log: Array) -> bool:
        """Events up to ``until``; whether the log is full before that."""
        while True:
            why = kernels.advance(
                self._disk, self._link, self._cells, self._heads, self._nodes, self._virial, self._tally, pairs, log,
                until, self._edge, self._diameter, self._m, self._rate,
            )  # fmt: skip
            if why == kernels.CELL_FULL:
                wider = np.empty((len(self._cells), 2 * self._cells.shape[1]), np.int32)
                wider[:, : self._cells.shape[1]] = self._cells
                self._cells = wider
                continue
            return bool(why == kernels.LOG_FULL)


def contact_value(packing: float) -> float:
    """chi = (1 - 7 phi/16) / (1 - phi)^2, the pair distribution of hard disks at contact (Henderson, 1975).

    Good to a few tenths of a per cent up to a packing of 0.5. Raises ValueError outside 0 <= phi < 1.
    """
    if not 0 <= packing < 1:
        raise ValueError(f"packing: expected 0 <= phi < 1, got {packing}")
    return (1 - 7 * packing / 16) / (1 - packing) ** 2


def enskog_rate(disks: Disks) -> float:
    """Collisions of one disk per time in equilibrium: 2 n sigma sqrt(pi kT/m) chi (N - 1)/N (Enskog).

    kT = E / (N - 1), and a disk meets the N - 1 others.
    """
    number = len(disks.positions)
    fluid = 2 * disks.density * disks.diameter * math.sqrt(math.pi * disks.temperature) * contact_value(disks.packing)
    return fluid * (number - 1) / number


def collision_rate_ratio(
    disks: Disks, *, settle: float = 20.0, collisions: float = 100.0, blocks: int = 64
) -> Estimate:
    """Collisions per disk and time over `enskog_rate`: near 1 in equilibrium.

    Arguments:
        disks: any start.
        settle, collisions: how long to wait, then to count, in expected collisions per disk.
        blocks: stretches of equal time whose counts give the error, correlation between them included.

    Raises:
        ValueError: as `DiskDynamics`, for disks at rest, or a stretch without one collision expected.
    """
    counts, _ = _counted(disks, settle, collisions, blocks)
    expected = counts[0].time * enskog_rate(disks) * len(disks.positions) / 2
    return mean([one.collisions / expected for one in counts])


def disk_pressure(disks: Disks, *, settle: float = 20.0, collisions: float = 100.0, blocks: int = 64) -> Estimate:
    """P V / E = 1 + sum r_ij . dp_ij / (2 E t), from the virial of the collisions; arguments as `collision_rate_ratio`.

    In two dimensions E = N kT: this is the compressibility factor, (1 + phi^2/8) / (1 - phi)^2 for Henderson (1975).
    """
    counts, energy = _counted(disks, settle, collisions, blocks)
    return mean([1 + one.virial / (2 * energy * one.time) for one in counts])


def _counted(disks: Disks, settle: float, collisions: float, blocks: int) -> tuple[list[Counts], float]:
    if not disks.temperature > 0:
        raise ValueError("disks that all move alike never collide: give them a temperature")
    each = collisions * len(disks.positions) / (2 * max(1, blocks))
    if blocks < 4 or not each >= 1 or not settle >= 0:
        raise ValueError(
            f"{collisions:g} collisions per disk in {blocks} blocks after {settle:g}: expected four blocks or more, "
            "a collision in each, after no negative time"
        )
    drift = disks.velocities.mean(axis=0)
    dynamics = DiskDynamics(replace(disks, velocities=disks.velocities - drift))
    rate = enskog_rate(disks)
    dynamics.run(settle / rate)
    energy = 0.5 * float(np.sum((disks.velocities - drift) ** 2))
    return [dynamics.run(collisions / rate / blocks) for _ in range(blocks)], energy


def lattice_start(
    number: int, packing: float, *, seed: int, speeds: Speeds = "thermal", temperature: float = 1.0
) -> Disks:
    """Disks of diameter 1 on a square lattice, the last row not filled where ``number`` is no square.

    Arguments:
        number: of disks, at least 2.
        packing: phi, the share of area covered; a square lattice holds 0.785 at most.
        seed: of the velocities.
        speeds: "thermal" (a Maxwell distribution) or "equal" (one speed, random directions).
        temperature: kT = E / (N - 1); the total momentum is zero.

    Raises:
        ValueError: for a packing that does not fit.
    """
    edge = _edge(number, packing)
    side = math.ceil(math.sqrt(number))
    if edge / side < 1:
        raise ValueError(f"{number} disks at a packing of {packing:g} do not fit on a lattice of {side} x {side}")
    places = np.arange(number)
    positions = np.asarray((np.column_stack([places % side, places // side]) + 0.5) * (edge / side), dtype=np.float64)
    return Disks(positions, _velocities(number, seed, speeds, temperature), 1.0, edge)


def random_start(
    number: int, packing: float, *, seed: int, speeds: Speeds = "thermal", temperature: float = 1.0
) -> Disks:
    """Disks of diameter 1 at random places: each where it overlaps none before it (random sequential insertion).

    No equilibrium: its pair distribution differs, and some collisions per disk pass before it is forgotten. Arguments
    as `lattice_start`; the packing is 0.5 at most (insertion jams at 0.547).
    """
    if packing > _DENSEST:
        raise ValueError(f"random insertion of disks jams: packing {packing:g} is above {_DENSEST}; use lattice_start")
    edge = _edge(number, packing)
    m, positions = _cells(number, edge, 1.0), np.empty((number, 2))
    room = 8
    while True:
        cells = np.empty((m * m, room), np.int32)
        found = kernels.insert(positions, cells, edge, 1.0, m, seed, _PLACES, _TRIES)
        if found == number:
            return Disks(positions, _velocities(number, seed, speeds, temperature), 1.0, edge)
        if found >= 0:
            raise ValueError(f"no place for disk {found} of {number} at a packing of {packing:g} in {_TRIES} tries")
        room *= 2


def reversed_disks(disks: Disks) -> Disks:
    """The same disks with all velocities turned round, the time going on."""
    return replace(disks, velocities=-disks.velocities)


def smallest_distance(disks: Disks) -> tuple[float, int, int]:
    """(distance, i, j) of the two disks closest to each other, infinite where no two are within a cell or so."""
    m, room = _cells(len(disks.positions), disks.edge, disks.diameter), 8
    while True:
        cells = np.empty((m * m, room), np.int32)
        squared, first, second = kernels.closest(disks.positions, cells, disks.edge, m)
        if first != kernels.NO_ROOM:
            return math.sqrt(squared), int(first), int(second)
        room *= 2


def wrapped(positions: ArrayLike, edge: float) -> Array:
    """Positions taken into the box [0, edge)."""
    inside = np.mod(np.asarray(positions, dtype=np.float64), edge)
    return np.where(inside >= edge, 0.0, inside)  # a tiny negative number rounds up to the edge


_PLACES, _SPEEDS = 0, 1  # streams of random numbers


def _edge(number: int, packing: float) -> float:
    if number < 2 or not 0 < packing < 1:
        raise ValueError(f"disks: expected two or more and 0 < packing < 1, got {number} at {packing}")
    return math.sqrt(number * math.pi / (4 * packing))


def _velocities(number: int, seed: int, speeds: Speeds, temperature: float) -> Array:
    if speeds not in get_args(Speeds):
        raise ValueError(f"speeds: expected one of {', '.join(get_args(Speeds))}, got {speeds!r}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    draw = np.random.default_rng([seed, _SPEEDS])
    energy = (number - 1) * temperature
    if speeds == "thermal":
        velocities = draw.normal(size=(number, 2))
        velocities -= velocities.mean(axis=0)
        return np.asarray(velocities * math.sqrt(2 * energy / np.sum(velocities**2)))
    # opposite pairs, and three at 120 degrees where one is left over: no momentum, all speeds alike
    angles = draw.uniform(0, 2 * math.pi, number)
    pairs = number // 2 if number % 2 == 0 else (number - 3) // 2
    angles[pairs : 2 * pairs] = angles[:pairs] + math.pi
    if number % 2:
        angles[-3:] = angles[-1] + 2 * math.pi / 3 * np.arange(3)
    angles = draw.permutation(angles)
    return np.asarray(math.sqrt(2 * energy / number) * np.column_stack([np.cos(angles), np.sin(angles)]))


def _cells(number: int, edge: float, diameter: float) -> int:
    """Cells along an edge: none smaller than a disk, few disks in each."""
    smallest = math.floor(edge / diameter * (1 - 1e-12))
    packing = number * math.pi * diameter**2 / (4 * edge**2)
    crowd = min(max(1.0, _DILUTE / packing), _CROWD)
    return max(3, min(smallest, math.floor(math.sqrt(number / crowd)), 32_767))


def _lines(number: int) -> tuple[Array, NDArray[np.int32]]:
    """The memory of the disks, each on its cache line, as float64 and as int32."""
    raw = np.empty(64 * (number + 1), np.uint8)
    start = -raw.ctypes.data % 64
    lines = raw[start : start + 64 * number]
    return lines.view(np.float64).reshape(number, 8), lines.view(np.int32).reshape(number, 16)


def _events(disks: Disks, width: float) -> float:
    """Events per time, about: collisions, as many renewals, borders crossed."""
    number, speed = len(disks.positions), math.sqrt(disks.energy / len(disks.positions))
    if speed == 0:
        return number / disks.edge
    rate = 2 * disks.density * disks.diameter * math.sqrt(math.pi) * contact_value(disks.packing) * speed
    return number * (rate + 2 * math.sqrt(2 / math.pi) * speed / width)
