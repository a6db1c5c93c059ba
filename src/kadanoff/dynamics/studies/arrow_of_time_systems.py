"""The systems of the study `arrow-of-time`, each run out and, where it can be, back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.dynamics.area_maps import Points, cell_counts, cell_points, iterate_map
from kadanoff.dynamics.dsmc import BkwRelaxation, bkw_relaxation, bkw_start
from kadanoff.dynamics.hard_disks import DiskDynamics, collision_rate_ratio, enskog_rate, random_start
from kadanoff.dynamics.ideal_gas import (
    IdealGas,
    density_mode,
    density_mode_law,
    expanding_gas,
    fly,
    gas_fine_entropy,
    phase_cell,
    phase_counts,
)
from kadanoff.dynamics.integer_fluid import (
    Fluid,
    advance_fluid,
    expanding_fluid,
    flip_bit,
    fluid_energy,
    fluid_places,
    mean_square_distance,
    reversed_fluid,
)
from kadanoff.dynamics.kac_ring import (
    ColourCurve,
    KacRing,
    advance_ring,
    black_balls,
    colour_entropy,
    flip_ball,
    leap_ring,
    mean_colour,
    packed_ring,
    random_ring,
    rewind_ring,
    unpacked,
)
from kadanoff.dynamics.kinetic_entropy import DiskEntropy, boltzmann_h, entropy_against_time, maxwell_h
from kadanoff.dynamics.molecular_chaos import Chaos, chaos_meter
from kadanoff.dynamics.reversibility import coarse_entropy, coarse_entropy_from_probabilities, echo, occupation_entropy
from kadanoff.estimates import Estimate
from kadanoff.parallel import map_ordered

Array = NDArray[np.float64]

RING_STEPS = 40
MAP_GRIDS = (64, 256, 1024)
MAP_STEPS = 12
GAS_CELLS = ((64, 1), (64, 8), (64, 64))
GAS_TIME, GAS_LOOKS = 16.0, 32
FLUID_CELLS = (4, 16)
FLUID_LOOKS = 20
ECHO_PACKING, ECHO_DISKS, ECHO_TURN = 0.3, 100, 6.0
DISK_WINDOW = 0.5
"""Collisions per disk of one reading of the chaos meter."""


@dataclass(frozen=True, eq=False)
class Journey:
    """A system out and back: ``coarse`` and ``back`` (looks, cells) in nats, with ``error`` of the sampled ones.

    ``time`` (looks,) in ``unit``; ``cells`` names the coarse-grainings, ``fine`` the constant entropy; ``disturbed``
    (looks, cells) is the way back after one particle was moved, ``returned`` says whether the undisturbed one came back
    to the last bit, ``damage`` the share of particles that did not, after one was moved.
    """

    name: str
    time: Array
    unit: str
    cells: tuple[str, ...]
    fine: float
    coarse: Array
    back: Array
    disturbed: Array
    error: Array | None
    returned: bool
    damage: float


@dataclass(frozen=True, eq=False)
class FluidReturn:
    """The long run of the fluid: displacement, energies on the way out, and how far off one bit leads."""

    returned: bool
    displacement: float
    time: Array
    energy: Array
    off: float


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Dilute hard disks of one speed: H and the chaos meter against collisions per disk, and in equilibrium."""

    time: Array
    h: list[Estimate]
    limit: float
    windows: Array
    chaos: list[Chaos]
    first: Chaos
    equilibrium: Chaos


# -- the Kac ring


def mean_colours(sites: int, rings: int, markers: float, seed: int, executor: Executor) -> ColourCurve:
    """The mean colour of many rings over two rounds."""
    return mean_colour(sites, 2 * sites, rings, probability=markers, seed=seed, executor=executor)


def ring_journey(sites: int, markers: float, seed: int) -> Journey:
    """One large ring out to `RING_STEPS` and back, seen in blocks of 10 and 1000 sites and as a whole."""
    start = random_ring(sites, probability=markers, seed=seed)
    blocks = (sites, 1000, 10)

    def entropies(ring: KacRing) -> list[float]:
        return [colour_entropy(black_balls(ring, block), block) for block in blocks]

    pieces = [1] * RING_STEPS
    plain = echo(start, advance_ring, rewind_ring, entropies, pieces)
    off = echo(start, advance_ring, rewind_ring, entropies, pieces, disturb=lambda ring: flip_ball(ring, sites // 3))
    damage = float(np.mean(unpacked(off.final)[0] != unpacked(start)[0]))
    return Journey(
        "Kac ring", plain.steps.astype(float), "steps", ("whole ring", "blocks of 1000", "blocks of 10"), 0.0,
        plain.out, plain.back, off.back, None, plain.final.same_as(start), damage,
    )  # fmt: skip


def recurrences(markers: float, seed: int) -> tuple[int, int]:
    """(rings that are back after 2N steps, rings tried): random colours, walked step by step, and one by a leap."""
    tried = [(sites, ring) for sites in (20, 64, 1000) for ring in range(100)] + [(20_000, ring) for ring in range(4)]
    back = 0
    for sites, ring in tried:
        marked = unpacked(random_ring(sites, probability=markers, seed=seed, ring=ring))[1]
        colours = unpacked(random_ring(sites, probability=0.5, seed=seed + 1, ring=ring))[1]
        start = packed_ring(colours, marked)
        back += advance_ring(start, 2 * sites).same_as(start)
    large = random_ring(10_000_000, probability=markers, seed=seed)
    later = advance_ring(large, 50)
    return back + leap_ring(later, 2 * large.sites - 50).same_as(large), len(tried) + 1


# -- the maps


def baker_entropies(size: int) -> Array:
    """Entropy (steps + 1, grids) of all lattice points of one cell of the finest grid under the baker map."""
    points = cell_points(size, (MAP_GRIDS[-1],) * 2, (300, 700))
    found = [_seen(points, size)]
    for _ in range(MAP_STEPS):
        points = iterate_map("baker", *points, size, 1)
        found.append(_seen(points, size))
    return np.array(found)


def _seen(points: Points, size: int) -> list[float]:
    return [
        coarse_entropy_from_probabilities(
            cell_counts(*points, size, (grid, grid)) / len(points[0]), (size // grid) ** 2
        ).value
        for grid in MAP_GRIDS
    ]


def map_journey(size: int) -> Journey:
    """The points of one cell under the cat map, out and back; one point moved by one lattice constant at the turn."""
    start = cell_points(size, (MAP_GRIDS[-1],) * 2, (300, 700))

    def forward(points: Points, steps: int) -> Points:
        return iterate_map("cat", *points, size, steps)

    def backward(points: Points, steps: int) -> Points:
        return iterate_map("cat", *points, size, -steps)

    def moved(points: Points) -> Points:
        x = points[0].copy()
        x[len(x) // 3] = (x[len(x) // 3] + 1) % size
        return x, points[1]

    def observe(points: Points) -> list[float]:
        return _seen(points, size)

    pieces = [1] * MAP_STEPS
    plain = echo(start, forward, backward, observe, pieces)
    off = echo(start, forward, backward, observe, pieces, disturb=moved)
    missing = (off.final[0] != start[0]) | (off.final[1] != start[1])
    return Journey(
        "cat map", plain.steps.astype(float), "steps", tuple(f"{grid} x {grid} cells" for grid in MAP_GRIDS),
        math.log(len(start[0])), plain.out, plain.back, off.back, None,
        all(np.array_equal(a, b) for a, b in zip(plain.final, start, strict=True)), float(np.mean(missing)),
    )  # fmt: skip


def map_portraits(steps: tuple[int, ...]) -> NDArray[np.int64]:
    """Points in each of 128 x 128 cells, (portraits, 128, 128), of one of 16 x 16 cells after these steps, and back."""
    size, grid = 1 << 13, (128, 128)
    points = cell_points(size, (16, 16), (4, 9))
    found = [cell_counts(*iterate_map("cat", *points, size, step), size, grid) for step in steps]
    back = iterate_map("cat", *iterate_map("cat", *points, size, steps[-1]), size, -steps[-1])
    return np.array([*found, cell_counts(*back, size, grid)])


# -- the ideal gas


def gas_modes(particles: int, seed: int, times: Array) -> list[tuple[Estimate, float]]:
    """The first density mode at each time, and its law at the time on the clock of the gas."""
    gas = expanding_gas(particles, seed=seed)
    ticks = np.rint(times * gas.resolution).astype(int)
    return [(density_mode(fly(gas, int(t)), 1), float(density_mode_law(1, t / gas.resolution))) for t in ticks]


def gas_journey(particles: int, seed: int) -> Journey:
    """The gas out of the left half of its box and back, seen in cells of x, and of x and v."""
    start = expanding_gas(particles, seed=seed)
    sizes = [phase_cell(start, *cells) for cells in GAS_CELLS]

    def observe(gas: IdealGas) -> list[tuple[float, float]]:
        found = [coarse_entropy(phase_counts(gas, *cells), size) for cells, size in zip(GAS_CELLS, sizes, strict=True)]
        return [(one.value, one.error or 0.0) for one in found]

    def backward(gas: IdealGas, steps: int) -> IdealGas:
        return fly(gas, -steps)

    def pushed(gas: IdealGas) -> IdealGas:
        velocity = gas.velocity.copy()
        velocity[particles // 3] += gas.resolution
        return IdealGas(gas.position, velocity, gas.resolution)

    # the first thermal crossing is where all happens: looks are closer there
    looks = np.rint(GAS_TIME * start.resolution * (np.arange(GAS_LOOKS + 1) / GAS_LOOKS) ** 2).astype(int)
    pieces = [int(piece) for piece in np.diff(looks)]
    plain = echo(start, fly, backward, observe, pieces)
    off = echo(start, fly, backward, observe, pieces, disturb=pushed)
    missing = (off.final.position != start.position) | (off.final.velocity != start.velocity)
    return Journey(
        "free expansion", plain.steps / start.resolution, "L / sqrt(kT/m)",
        ("cells of x", "8 rows of v", "64 rows of v"), gas_fine_entropy(0.5), plain.out[..., 0], plain.back[..., 0],
        off.back[..., 0], plain.out[..., 1], plain.final.same_as(start), float(np.mean(missing)),
    )  # fmt: skip


# -- the integer fluid


def fluid_start(particles: int, seed: int) -> Fluid:
    """A Lennard-Jones fluid that fills the left half of its box."""
    return expanding_fluid(particles, 0.3, 2.5, share=0.5, seed=seed)


def fluid_back(fluid: Fluid, steps: int) -> Fluid:
    """The fluid ``steps`` steps earlier."""
    return reversed_fluid(advance_fluid(reversed_fluid(fluid), steps))


def fluid_journey(particles: int, seed: int) -> Journey:
    """The fluid out into the whole box and back, seen by the occupation of cells along x; one bit changed."""
    start = fluid_start(particles, seed)

    def observe(fluid: Fluid) -> list[float]:
        place = fluid_places(fluid)[:, 0] / fluid.edge
        return [occupation_entropy(np.bincount((place * k).astype(int), minlength=k)) for k in FLUID_CELLS]

    pieces = [125] * (FLUID_LOOKS // 2) + [625] * (FLUID_LOOKS // 2)
    plain = echo(start, advance_fluid, fluid_back, observe, pieces)
    off = echo(start, advance_fluid, fluid_back, observe, pieces, disturb=flip_bit)
    missing = np.any(off.final.position != start.position, axis=1)
    return Journey(
        "integer fluid", np.asarray(plain.steps * start.timestep, dtype=np.float64), "tau",
        tuple(f"{k} cells of x" for k in FLUID_CELLS), 0.0, plain.out, plain.back, off.back, None,
        plain.final.same_as(start), float(np.mean(missing)),
    )  # fmt: skip


def fluid_out(particles: int, steps: int, seed: int) -> tuple[Fluid, Array, Array]:
    """The fluid after ``steps`` steps, and its energy per particle every 1/200 of them."""
    fluid = fluid_start(particles, seed)
    every = steps // 200
    energy = [fluid_energy(fluid).total]
    for look in range(200):
        fluid = advance_fluid(fluid, every if look < 199 else steps - 199 * every)
        energy.append(fluid_energy(fluid).total)
    return fluid, np.asarray(np.arange(201) * every * fluid.timestep, dtype=np.float64), np.array(energy)


def _fluid_way_back(task: tuple[Fluid, int, bool]) -> Fluid:
    there, steps, disturbed = task
    return fluid_back(flip_bit(there) if disturbed else there, steps)


def fluid_return(
    out: tuple[Fluid, Array, Array], particles: int, steps: int, seed: int, executor: Executor
) -> FluidReturn:
    """All the way back, as it is and with one bit changed at the turn."""
    there, time, energy = out
    start = fluid_start(particles, seed)
    tasks = [(there, steps, False), (there, steps, True)]
    back, off = map_ordered(_fluid_way_back, tasks, executor)
    return FluidReturn(back.same_as(start), mean_square_distance(there), time, energy, mean_square_distance(off, start))


# -- hard disks and the Boltzmann equation


def _disk_rate(task: tuple[float, float, int]) -> Estimate:
    packing, collisions, seed = task
    return collision_rate_ratio(random_start(2000, packing, seed=seed), settle=20, collisions=collisions)


def disk_rates(packings: Sequence[float], collisions: float, seed: int, executor: Executor) -> list[Estimate]:
    """Collision rate over Enskog's at each packing."""
    return list(map_ordered(_disk_rate, [(packing, collisions, seed) for packing in packings], executor))


def disk_echo(seed: int, perturbed: int) -> DiskEntropy:
    """H of small systems of hard disks of one speed, out and back."""
    return entropy_against_time(
        ECHO_DISKS, ECHO_PACKING, replicas=64, seed=seed, turn=ECHO_TURN, points=24, perturbed=perturbed
    )


def disk_relaxation(disks: int, seed: int) -> Relaxation:
    """Dilute disks of one speed from their first collisions to equilibrium."""
    start = random_start(disks, 0.01, seed=seed, speeds="equal")
    per = 1 / enskog_rate(start)
    first = chaos_meter(DiskDynamics(start), 0.2 * per, seed=seed, first=True)
    dynamics = DiskDynamics(start)
    time, h, windows, chaos = [0.0], [boltzmann_h(start.velocities)], [], []
    for window in range(12):
        chaos.append(chaos_meter(dynamics, DISK_WINDOW * per, seed=seed + window))
        windows.append((window + 0.5) * DISK_WINDOW)
        time.append((window + 1) * DISK_WINDOW)
        h.append(boltzmann_h(dynamics.disks().velocities))
    for _ in range(6):
        dynamics.run(per)
        time.append(time[-1] + 1)
        h.append(boltzmann_h(dynamics.disks().velocities))
    still = chaos_meter(dynamics, 4 * per, seed=seed)
    return Relaxation(np.array(time), h, maxwell_h(start.temperature), np.array(windows), chaos, first, still)


def kinetic(molecules: int, seed: int) -> BkwRelaxation:
    """Maxwell molecules by DSMC beside the Bobylev-Krook-Wu solution."""
    start = bkw_start()
    return bkw_relaxation(molecules, start + np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0]), replicas=16, seed=seed)
