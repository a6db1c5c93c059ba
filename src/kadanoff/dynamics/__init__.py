"""Jump processes: what lumping states hides."""

from kadanoff.dynamics.entropy_production import (
    Split,
    edge_flows,
    entropy_production,
    lumped_entropy_production,
    ring,
    split,
    stationary,
)
from kadanoff.dynamics.generalised_langevin import (
    Embedding,
    divergence_rate,
    embedding,
    model_correlation,
    simulate_generalised,
)
from kadanoff.dynamics.kac_zwanzig import (
    HeatBath,
    Modes,
    Paths,
    ohmic_bath,
    ohmic_kernel,
    sample_bath,
    velocity_correlation,
)
from kadanoff.dynamics.memory import (
    BathCorrelations,
    MemoryKernel,
    bath_correlations,
    exact_correlations,
    memory_kernel,
    memory_number,
)
from kadanoff.dynamics.noise import (
    NoiseCheck,
    noise_check,
    projected_force,
)
from kadanoff.dynamics.piston import (
    PistonPaths,
    PistonStatistics,
    friction_ratios,
    initial_friction_ratio,
    jepsen_correlation,
    langevin_tests,
    piston_friction,
    piston_statistics,
    sample_piston,
)
from kadanoff.dynamics.prony import (
    PronyKernel,
    fit_prony,
)

__all__ = [
    "BathCorrelations",
    "Embedding",
    "HeatBath",
    "MemoryKernel",
    "Modes",
    "NoiseCheck",
    "Paths",
    "PistonPaths",
    "PistonStatistics",
    "PronyKernel",
    "Split",
    "bath_correlations",
    "divergence_rate",
    "edge_flows",
    "embedding",
    "entropy_production",
    "exact_correlations",
    "fit_prony",
    "friction_ratios",
    "initial_friction_ratio",
    "jepsen_correlation",
    "langevin_tests",
    "lumped_entropy_production",
    "memory_kernel",
    "memory_number",
    "model_correlation",
    "noise_check",
    "ohmic_bath",
    "ohmic_kernel",
    "piston_friction",
    "piston_statistics",
    "projected_force",
    "ring",
    "sample_bath",
    "sample_piston",
    "simulate_generalised",
    "split",
    "stationary",
    "velocity_correlation",
]
