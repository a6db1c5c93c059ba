"""Jump processes: what lumping states hides. Gases: hard disks, H, molecular chaos, the Boltzmann equation."""

from kadanoff.dynamics.dsmc import bkw_relaxation, relax
from kadanoff.dynamics.entropy_production import (
    Split,
    edge_flows,
    entropy_production,
    lumped_entropy_production,
    ring,
    split,
    stationary,
)
from kadanoff.dynamics.hard_disks import (
    DiskDynamics,
    Disks,
    collision_rate_ratio,
    disk_pressure,
    enskog_rate,
    lattice_start,
    random_start,
    reversed_disks,
)
from kadanoff.dynamics.kinetic_entropy import boltzmann_h, entropy_against_time, maxwell_h
from kadanoff.dynamics.molecular_chaos import Chaos, chaos_meter

__all__ = [
    "Chaos",
    "DiskDynamics",
    "Disks",
    "Split",
    "bkw_relaxation",
    "boltzmann_h",
    "chaos_meter",
    "collision_rate_ratio",
    "disk_pressure",
    "edge_flows",
    "enskog_rate",
    "entropy_against_time",
    "entropy_production",
    "lattice_start",
    "lumped_entropy_production",
    "maxwell_h",
    "random_start",
    "relax",
    "reversed_disks",
    "ring",
    "split",
    "stationary",
]
