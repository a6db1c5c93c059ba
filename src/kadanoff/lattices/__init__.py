"""Lattices: sampling, block spins, Monte Carlo and tensor renormalization, flows to fixed points."""

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
from kadanoff.lattices.conformal_data import (
    FixedPoint,
    Plateau,
    find_plateau,
    fixed_point,
)
from kadanoff.lattices.enumeration import (
    Spectrum,
    spectrum,
)
from kadanoff.lattices.exact_free_energies import (
    gaussian_log_partition,
    potts_critical_coupling,
    potts_critical_log_partition,
)
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
from kadanoff.lattices.lattice import (
    Lattice,
    bravais,
    cubic,
    honeycomb,
    lieb,
    square,
    triangular,
)
from kadanoff.lattices.phi4 import (
    FieldConfigurations,
    sample_fields,
)
from kadanoff.lattices.sampling import (
    Configurations,
    sample,
)
from kadanoff.lattices.tensor_rg import (
    TensorFlow,
    renormalise,
)
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
    "Configurations",
    "Enumeration",
    "FieldConfigurations",
    "FixedPoint",
    "Lattice",
    "LocalTensor",
    "Plateau",
    "Spectrum",
    "TensorFlow",
    "bond_sum",
    "bravais",
    "channel",
    "clock_tensor",
    "cubic",
    "enumerate_states",
    "find_plateau",
    "fixed_point",
    "gaussian_log_partition",
    "honeycomb",
    "infinite_energy",
    "infinite_entropy",
    "infinite_log_partition",
    "infinite_magnetisation",
    "information",
    "ising_plaquette_tensor",
    "ising_tensor",
    "lieb",
    "log_partition",
    "pair_tensor",
    "phi4_tensor",
    "plaquette_tensor",
    "potts_critical_coupling",
    "potts_critical_log_partition",
    "potts_tensor",
    "renormalise",
    "sample",
    "sample_fields",
    "spectrum",
    "spin_states",
    "square",
    "torus_energy",
    "torus_entropy",
    "triangular",
]
