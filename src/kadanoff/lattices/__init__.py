"""Spins on lattices: drawn, counted, blocked, and what block spins keep of the spins they stand for."""

from kadanoff.lattices.block_spins import (
    BlockInformation,
    Enumeration,
    bond_sum,
    channel,
    enumerate_states,
    information,
    spin_states,
)
from kadanoff.lattices.enumeration import Spectrum, spectrum
from kadanoff.lattices.kaufman import (
    CRITICAL_COUPLING,
    infinite_energy,
    infinite_entropy,
    infinite_log_partition,
    infinite_magnetisation,
    log_partition,
    torus_energy,
    torus_entropy,
)
from kadanoff.lattices.lattice import DIAMOND, PLAQUETTE, Lattice, bravais, cubic, honeycomb, lieb, square, triangular
from kadanoff.lattices.phi4 import FieldConfigurations, sample_fields
from kadanoff.lattices.sampling import Configurations, sample

__all__ = [
    "CRITICAL_COUPLING",
    "DIAMOND",
    "PLAQUETTE",
    "BlockInformation",
    "Configurations",
    "Enumeration",
    "FieldConfigurations",
    "Lattice",
    "Spectrum",
    "bond_sum",
    "bravais",
    "channel",
    "cubic",
    "enumerate_states",
    "honeycomb",
    "infinite_energy",
    "infinite_entropy",
    "infinite_log_partition",
    "infinite_magnetisation",
    "information",
    "lieb",
    "log_partition",
    "sample",
    "sample_fields",
    "spectrum",
    "spin_states",
    "square",
    "torus_energy",
    "torus_entropy",
    "triangular",
]
