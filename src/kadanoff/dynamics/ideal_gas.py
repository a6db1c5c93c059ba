"""Free expansion of an ideal gas between two walls, in arithmetic that loses nothing.

    u(t) = u(0) + v t  modulo 2^64

A box with mirror walls is half of a circle: a particle at u beyond 2^63 is one at 2^64 - 1 - u that flies the other
way. Positions and velocities are integers, so that flight to any time and back is exact. The particles never meet:
density modes decay by themselves as exp(-k^2 (kT/m) t^2 / 2), and coarse-graining alone makes the arrow. Units: the box
L = 1, the thermal velocity sqrt(kT/m) = 1, time L / sqrt(kT/m).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels import ideal_gas as kernels
from kadanoff.estimates import Estimate, from_blocks

__all__ = [
    "IdealGas",
    "density_mode",
    "density_mode_law",
    "expanding_gas",
    "fly",
    "gas_fine_entropy",
    "phase_cell",
    "phase_counts",
    "places",
    "reversed_gas",
    "velocities",
]

_GAS = 0x4964  # stream of random numbers
_BOX = 2.0**63


@dataclass(frozen=True, eq=False)
class IdealGas:
    """Particles on the unfolded circle: ``position`` (n,) uint64, ``velocity`` (n,) int64 in points a step.

    A step is L / sqrt(kT/m) / ``resolution``. Make one by `expanding_gas`, read it by `places` and `velocities`.
    """

    position: NDArray[np.uint64]
    velocity: NDArray[np.int64]
    resolution: int

    def same_as(self, other: IdealGas) -> bool:
        """Whether both gases are the same, bit by bit."""
        return np.array_equal(self.position, other.position) and np.array_equal(self.velocity, other.velocity)


def expanding_gas(particles: int, *, share: float = 0.5, resolution: int = 1024, seed: int) -> IdealGas:
    """A gas in equilibrium behind a wall at ``share`` of the box, which is then taken away.

    Arguments:
        particles: n.
        share: of the box that the gas fills at first, 0 < share <= 1.
        resolution: steps of the clock in L / sqrt(kT/m).
        seed: of positions (uniform) and velocities (Maxwell).

    Raises:
        ValueError: for no particles, a share outside (0, 1], a resolution outside 16 ... 2^40.
    """
    if particles < 1:
        raise ValueError(f"a gas has one particle at least, not {particles}")
    if not 0 < share <= 1:
        raise ValueError(f"the gas fills a share of the box between 0 and 1, not {share}")
    if not 16 <= resolution <= 1 << 40:
        raise ValueError(f"resolution: expected 16 to 2^40 steps in L / sqrt(kT/m), got {resolution}")
    position, velocity = np.empty(particles, dtype=np.uint64), np.empty(particles, dtype=np.int64)
    kernels.draw(seed, _GAS, share, _BOX / resolution, position, velocity)
    return IdealGas(position, velocity, resolution)


def fly(gas: IdealGas, steps: int) -> IdealGas:
    """The gas ``steps`` steps later, earlier where negative: one multiplication, exact whatever their number."""
    moved = gas.velocity.view(np.uint64) * np.uint64(int(steps) % (1 << 64))  # two's complement: wraps as it should
    return replace(gas, position=gas.position + moved)


def reversed_gas(gas: IdealGas) -> IdealGas:
    """The gas with every velocity reversed."""
    return replace(gas, velocity=-gas.velocity)


def places(gas: IdealGas) -> NDArray[np.float64]:
    """Positions (n,) in the box, 0 to 1."""
    beyond = gas.position >> np.uint64(63) != 0
    return np.asarray(np.where(beyond, ~gas.position, gas.position) / _BOX)


def velocities(gas: IdealGas) -> NDArray[np.float64]:
    """Velocities (n,) in the box, in sqrt(kT/m)."""
    beyond = gas.position >> np.uint64(63) != 0
    return np.asarray(np.where(beyond, -gas.velocity, gas.velocity) * (gas.resolution / _BOX))


def density_mode(gas: IdealGas, order: int) -> Estimate:
    """The density mode <cos(n pi x / L)> over the particles, with its standard error."""
    return from_blocks(np.cos(order * math.pi * places(gas)))


def density_mode_law(order: int, time: ArrayLike, share: float = 0.5) -> NDArray[np.float64]:
    """sin(k s)/(k s) exp(-k^2 t^2 / 2), k = n pi: the mode n of a gas that filled the share s of the box at time 0.

    The walls are mirrors, so that the unfolded gas is spread by its velocities alone.
    """
    k = order * math.pi
    return np.asarray(np.sinc(order * share) * np.exp(-0.5 * (k * np.asarray(time, dtype=np.float64)) ** 2))


def gas_fine_entropy(share: float) -> float:
    """Fine entropy per particle ln s + ln(2 pi e)/2, in nats, of the gas in the share s of the box (L = v = 1).

    It is the same at all times (Liouville): shear does not change areas in the plane of x and v.
    """
    return math.log(share) + 0.5 * math.log(2 * math.pi * math.e)


def phase_counts(gas: IdealGas, columns: int, rows: int) -> NDArray[np.int64]:
    """Particles in each cell (columns, rows) of the plane of x and v; one row: cells of x alone.

    The rows reach as far as the fastest particle, which stays the fastest.
    """
    if columns < 1 or rows < 1:
        raise ValueError(f"there are one column and one row of cells at least, not {columns} and {rows}")
    column = np.minimum((places(gas) * columns).astype(np.int64), columns - 1)
    half = _fastest(gas)
    row = np.minimum(((velocities(gas) + half) * (rows / (2 * half))).astype(np.int64), rows - 1)
    return np.bincount(column * rows + row, minlength=columns * rows).reshape(columns, rows)


def phase_cell(gas: IdealGas, columns: int, rows: int) -> float:
    """The area of a cell of `phase_counts`, in L sqrt(kT/m)."""
    return 2 * _fastest(gas) / (columns * rows)


def _fastest(gas: IdealGas) -> float:
    fastest = float(np.abs(gas.velocity).max()) * (gas.resolution / _BOX)
    if fastest == 0:
        raise ValueError("no particle moves: there are no cells of velocity")
    return fastest
