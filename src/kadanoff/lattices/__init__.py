"""Spins on lattices: block spins, and what they keep of the spins they stand for."""

from kadanoff.lattices.block_spins import (
    BlockInformation,
    Enumeration,
    bond_sum,
    channel,
    enumerate_states,
    information,
    log_partition,
    spin_states,
)

__all__ = [
    "BlockInformation",
    "Enumeration",
    "bond_sum",
    "channel",
    "enumerate_states",
    "information",
    "log_partition",
    "spin_states",
]
