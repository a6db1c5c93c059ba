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
from kadanoff.lattices.conformal_data import FixedPoint, Plateau, find_plateau, fixed_point
from kadanoff.lattices.exact_free_energies import (
    gaussian_log_partition,
    potts_critical_coupling,
    potts_critical_log_partition,
)
from kadanoff.lattices.kaufman import CRITICAL_COUPLING, infinite_log_partition
from kadanoff.lattices.tensor_rg import TensorFlow, renormalise
from kadanoff.lattices.tensors import (
    LocalTensor,
    clock_tensor,
    ising_plaquette_tensor,
    ising_tensor,
    pair_tensor,
    phi4_tensor,
    plaquette_tensor,
    potts_tensor,
)

__all__ = [
    "CRITICAL_COUPLING",
    "BlockInformation",
    "Enumeration",
    "FixedPoint",
    "LocalTensor",
    "Plateau",
    "TensorFlow",
    "bond_sum",
    "channel",
    "clock_tensor",
    "enumerate_states",
    "find_plateau",
    "fixed_point",
    "gaussian_log_partition",
    "infinite_log_partition",
    "information",
    "ising_plaquette_tensor",
    "ising_tensor",
    "log_partition",
    "pair_tensor",
    "phi4_tensor",
    "plaquette_tensor",
    "potts_critical_coupling",
    "potts_critical_log_partition",
    "potts_tensor",
    "renormalise",
    "spin_states",
]
