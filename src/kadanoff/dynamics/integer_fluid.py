"""A Lennard-Jones fluid that can be run back to its start, bit by bit, after any number of steps.

    d(n + 1) = d(n) + [h^2 F(x(n)) / m],   x(n + 1) = x(n) + d(n + 1),   all integers

Verlet's rule in integers (Levesque and Verlet, J. Stat. Phys. 72, 519, 1993): the rounded push depends on the positions
alone, so x(n - 1) follows from x(n) and x(n + 1) by the same rule. Here every pair's push is rounded before pushes are
added, so that their order cannot matter either, and momentum is conserved exactly. In floating point such a run is lost
after a few collisions a particle. Units: sigma, epsilon and the mass are 1, time sqrt(m sigma^2 / epsilon).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels import integer_fluid as kernels
from kadanoff.random import normal

__all__ = [
    "Fluid",
    "FluidEnergy",
    "advance_fluid",
    "expanding_fluid",
    "flip_bit",
    "fluid_energy",
    "fluid_places",
    "make_fluid",
    "mean_square_distance",
    "reversed_fluid",
]

Integers = TypeVar("Integers", np.int32, np.int64)

POINTS = 2.0**32
"""Lattice points along an edge of the box."""
SKIN = 0.35
"""Of the list of neighbours, in sigma; it changes the speed and no bit."""
_FLUID = 0x4C4A  # stream of random numbers
_CLOSEST = 0.7  # sigma: nearer pairs of a start would fly apart


@dataclass(frozen=True, eq=False)
class Fluid:
    """Positions and last steps on the lattice, (n, 3) int32, and the way travelled since the start, (n, 3) int64.

    ``edge`` and ``cutoff`` in sigma, ``timestep`` in sqrt(m sigma^2 / epsilon). Make one by `make_fluid` or
    `expanding_fluid`.
    """

    position: NDArray[np.int32]
    step: NDArray[np.int32]
    travelled: NDArray[np.int64]
    edge: float
    cutoff: float
    timestep: float

    @property
    def scale(self) -> float:
        """The length of one lattice point in sigma."""
        return self.edge / POINTS

    def same_as(self, other: Fluid) -> bool:
        """Whether both fluids are the same, bit by bit, the way travelled included."""
        return (
            np.array_equal(self.position, other.position)
            and np.array_equal(self.step, other.step)
            and np.array_equal(self.travelled, other.travelled)
        )


class FluidEnergy(NamedTuple):
    """Kinetic and potential energy per particle, in epsilon."""

    kinetic: float
    potential: float

    @property
    def total(self) -> float:
        """Kinetic and potential energy together."""
        return self.kinetic + self.potential


def make_fluid(
    positions: ArrayLike, velocities: ArrayLike, edge: float, *, timestep: float = 0.004, cutoff: float = 2.5
) -> Fluid:
    """A fluid from positions and velocities, rounded to the lattice of 2^32 points an edge.

    The potential is 4 (r^-12 - r^-6) with a parabola that takes it and its force to zero at the cut-off (Stoddard and
    Ford, Phys. Rev. A 8, 1504, 1973). The first step is that of Verlet's rule, h v + h^2 F / 2m.

    Arguments:
        positions: (n, 3) in sigma; a flat fluid has all z alike.
        velocities: (n, 3) in sqrt(epsilon / m).
        edge: of the periodic cube, at least twice the cut-off.
        timestep: h.
        cutoff: of the pair potential.

    Raises:
        ValueError: for arrays of other shapes or with numbers that are not finite, a box too small, a pair nearer than
            0.7 sigma (named), a first step of an eighth of the box.
    """
    x, v = np.asarray(positions, dtype=np.float64), np.asarray(velocities, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or x.shape != v.shape or len(x) < 2:
        raise ValueError(f"positions and velocities are two arrays (n, 3), n >= 2, not {x.shape} and {v.shape}")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(v))):
        raise ValueError("positions and velocities must be finite")
    if not (cutoff > 0 and timestep > 0 and edge >= 2 * cutoff):
        raise ValueError(
            f"cut-off {cutoff}, time step {timestep} and edge {edge}: positive, the edge twice the cut-off at least"
        )
    lattice = np.floor(np.mod(x / edge, 1.0) * POINTS).astype(np.int64).astype(np.uint32).view(np.int32)
    _require_apart(lattice, edge)
    push, _ = _pushes(lattice, edge, cutoff, timestep)
    step = np.rint(v * (timestep * POINTS / edge) - 0.5 * push)
    if np.abs(step).max() >= kernels.LARGEST:
        raise ValueError("a particle crosses an eighth of the box in one step: choose a shorter time step")
    return Fluid(lattice, step.astype(np.int32), np.zeros(x.shape, dtype=np.int64), edge, cutoff, timestep)


def expanding_fluid(
    particles: int,
    density: float,
    temperature: float,
    *,
    share: float = 1.0,
    dimensions: int = 3,
    timestep: float = 0.004,
    cutoff: float = 2.5,
    seed: int,
) -> Fluid:
    """A fluid that starts on a lattice in the first ``share`` of its box (along x), with random velocities.

    Arguments:
        particles: n.
        density: n / edge^3, or n / edge^2 in two dimensions, once the box is filled.
        temperature: of the starting velocities, whose mean is zero.
        share: of the box that is filled at first.
        dimensions: 3, or 2 for a flat fluid.
        timestep, cutoff: as `make_fluid`.
        seed: of the velocities.

    Raises:
        ValueError: for a share or density that puts particles on top of each other, and as `make_fluid`.
    """
    if dimensions not in (2, 3):
        raise ValueError(f"a fluid has 2 or 3 dimensions here, not {dimensions}")
    if particles < 2 or not (density > 0 and temperature > 0 and 0 < share <= 1):
        raise ValueError(
            f"{particles} particles, density {density}, temperature {temperature}, share {share}: two particles at "
            "least, positive numbers, a share to 1"
        )
    edge = (particles / density) ** (1 / dimensions)
    spacing = (share * edge**dimensions / particles) ** (1 / dimensions)
    across = math.ceil(edge / spacing - 1e-9)
    along = math.ceil(particles / across ** (dimensions - 1))
    counts = (along, across, across if dimensions == 3 else 1)
    site = np.stack(np.unravel_index(np.arange(particles), counts), axis=1) + 0.5
    positions = site * (np.array([share * edge, edge, edge]) / counts)
    velocities = np.array([[*normal(seed, _FLUID, 0, i), normal(seed, _FLUID, 1, i)[0]] for i in range(particles)])
    velocities[:, dimensions:] = 0.0
    velocities -= velocities.mean(axis=0)
    velocities *= math.sqrt(temperature * dimensions * (particles - 1) / np.sum(velocities**2))
    return make_fluid(positions, velocities, edge, timestep=timestep, cutoff=cutoff)


def advance_fluid(fluid: Fluid, steps: int, *, skin: float = SKIN) -> Fluid:
    """The fluid ``steps`` steps later.

    Arguments:
        fluid: left as it is.
        steps: how many; to go back, run the `reversed_fluid`.
        skin: how much farther than the cut-off the list of neighbours reaches, in sigma: a matter of speed alone.

    Raises:
        ValueError: where two particles are pushed by more than their distance in one step: the time step is too long.
    """
    if steps < 0:
        raise ValueError(f"a number of steps is not negative: {steps}; run the reversed fluid to go back")
    if not skin > 0:
        raise ValueError(f"the skin of the neighbour list is positive, not {skin}")
    x, d, travelled = fluid.position.T.copy(), fluid.step.T.copy(), fluid.travelled.T.copy()
    who = np.arange(x.shape[1])
    done = 0
    while done < steps:
        order, start, found = _neighbours(x, fluid.scale, fluid.cutoff + skin)
        x, d, travelled, who = x[:, order], d[:, order], travelled[:, order], who[order]
        more, failed = kernels.advance(
            x, d, travelled, steps - done, start, found, fluid.scale, fluid.cutoff, fluid.timestep**2, skin
        )
        done += more
        if failed:
            raise ValueError(
                f"step {done + 1} of {steps} fails: a pair is pushed by more than its distance, or a particle crosses "
                f"an eighth of the box; the time step {fluid.timestep} is too long for this start"
            )
    back = np.argsort(who)
    return replace(fluid, position=_rows(x, back), step=_rows(d, back), travelled=_rows(travelled, back))


def reversed_fluid(fluid: Fluid) -> Fluid:
    """The fluid run backwards: its last two positions change places. Twice is the fluid itself."""
    # int32 wraps as the periodic box does
    return replace(
        fluid, position=fluid.position - fluid.step, step=-fluid.step, travelled=fluid.travelled - fluid.step
    )


def flip_bit(fluid: Fluid, particle: int = 0, axis: int = 0, bit: int = 0) -> Fluid:
    """The fluid with one bit of one coordinate changed: edge / 2^32 for the lowest."""
    if not (0 <= particle < len(fluid.position) and 0 <= axis < 3 and 0 <= bit < 31):
        raise ValueError(f"particle {particle}, axis {axis}, bit {bit}: there is no such bit")
    position = fluid.position.copy()
    position[particle, axis] ^= np.int32(1 << bit)
    return replace(fluid, position=position)


def fluid_places(fluid: Fluid) -> NDArray[np.float64]:
    """Positions (n, 3) in the box, from 0 to the edge, in sigma."""
    return np.asarray(fluid.position.view(np.uint32) * fluid.scale, dtype=np.float64)


def fluid_energy(fluid: Fluid) -> FluidEnergy:
    """Energies per particle at the last position, the velocity being (x(n + 1) - x(n - 1)) / 2h."""
    push, potential = _pushes(fluid.position, fluid.edge, fluid.cutoff, fluid.timestep)
    speed = (fluid.step + 0.5 * push) * (fluid.scale / fluid.timestep)
    n = len(fluid.position)
    return FluidEnergy(0.5 * float(np.sum(speed**2)) / n, potential / n)


def mean_square_distance(fluid: Fluid, other: Fluid | None = None) -> float:
    """The mean square way travelled since the start in sigma^2, or the mean square distance to the same particles of
    another fluid, by the shortest way through the box."""
    if other is None:
        return float(np.mean(np.sum((fluid.travelled * fluid.scale) ** 2, axis=1)))
    apart = (fluid.position - other.position) * fluid.scale
    return float(np.mean(np.sum(apart**2, axis=1)))


def _pushes(lattice: NDArray[np.int32], edge: float, cutoff: float, timestep: float) -> tuple[NDArray[np.int64], float]:
    """h^2 F / m on every particle (n, 3), and the potential energy."""
    scale = edge / POINTS
    order, start, found = _neighbours(lattice.T.copy(), scale, 1.001 * cutoff)
    x = lattice.T[:, order]
    out = np.empty(x.shape, dtype=np.int64)
    kernels.pushes(x, start, found, scale, cutoff, timestep**2, out)
    potential = kernels.potential_energy(x, start, found, scale, cutoff)
    return _rows(out, np.argsort(order)), potential


def _neighbours(
    x: NDArray[np.int32], scale: float, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
    """The order of particles along cells, and each pair within reach once, numbered in that order."""
    n = x.shape[1]
    cells = int(min(POINTS * scale / reach, max(3.0, (8.0 * n) ** (1 / 3))))
    cells = cells if cells >= 3 else 1  # with two a cell would be its neighbour on both sides
    order, head = kernels.cell_order(x, cells)
    start, found = kernels.neighbours(np.ascontiguousarray(x[:, order]), head, cells, scale, reach)
    return order, start, found


def _rows(columns: NDArray[Integers], order: NDArray[np.int64]) -> NDArray[Integers]:
    """(n, 3) from (3, n), in another order."""
    return np.ascontiguousarray(columns[:, order].T)


def _require_apart(lattice: NDArray[np.int32], edge: float) -> None:
    from scipy.spatial import cKDTree

    places = lattice.view(np.uint32) / POINTS
    distance, partner = cKDTree(places, boxsize=1.0).query(places, k=2)
    closest = int(np.argmin(distance[:, 1]))
    if distance[closest, 1] * edge < _CLOSEST:
        raise ValueError(
            f"particles {closest} and {partner[closest, 1]} start {distance[closest, 1] * edge:.3g} sigma apart; "
            f"nearer than {_CLOSEST} they would fly off: move them, or lower the density"
        )
