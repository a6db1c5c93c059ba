"""Spins on lattices: block spins, and what they keep of the spins they stand for."""

from kadanoff.lattices.block_spins import BlockInformation, bond_sum, channel, information, log_partition, spin_states

__all__ = ["BlockInformation", "bond_sum", "channel", "information", "log_partition", "spin_states"]
