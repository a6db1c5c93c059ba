"""Dynamics: Langevin and memory, Markov models, entropy production, and the arrow of time."""

from kadanoff.dynamics.block_divergence import (
    BlockDivergence,
    block_divergence,
)
from kadanoff.dynamics.correlations import (
    Correlation,
    autocorrelation,
    mean_square_displacement,
    passage_time,
)
from kadanoff.dynamics.dissipation import (
    Bound,
    Dissipation,
)
from kadanoff.dynamics.dwell_bound import (
    dwell_time_bound,
    least_dissipation,
)
from kadanoff.dynamics.entropy_production import (
    Cycle,
    Split,
    cycles,
    entropy_production,
    lumped_entropy_production,
    split,
    step_flows,
)
from kadanoff.dynamics.generalised_langevin import (
    Embedding,
    divergence_rate,
    embedding,
    model_correlation,
    simulate_generalised,
)
from kadanoff.dynamics.hidden_dissipation import (
    hidden_dissipation,
)
from kadanoff.dynamics.jumps import (
    Jumps,
    check_rates,
    edge_flows,
    ring,
    simulate_chain,
    simulate_jumps,
    stationary,
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
from kadanoff.dynamics.langevin import (
    einstein_friction,
    fit_overdamped,
    kramers_moyal,
    potential_of_mean_force,
)
from kadanoff.dynamics.memory import (
    BathCorrelations,
    MemoryKernel,
    bath_correlations,
    exact_correlations,
    memory_kernel,
    memory_number,
)
from kadanoff.dynamics.models import (
    OverdampedModel,
    UnderdampedModel,
    mean_first_passage_time,
)
from kadanoff.dynamics.noise import (
    NoiseCheck,
    noise_check,
    projected_force,
)
from kadanoff.dynamics.observers import (
    Milestones,
    Record,
    ResolvedTransitions,
    StateLumps,
    record,
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
from kadanoff.dynamics.simulation import (
    compare,
    simulate_overdamped,
    simulate_underdamped,
)
from kadanoff.dynamics.time_scales import (
    lag_scan,
    time_scale_report,
)
from kadanoff.dynamics.trajectories import (
    Trajectories,
)
from kadanoff.dynamics.trajectory_files import (
    read_coordinate,
    read_trajectories,
)
from kadanoff.dynamics.underdamped import (
    fit_underdamped,
)

__all__ = [
    "BathCorrelations",
    "BlockDivergence",
    "Bound",
    "Correlation",
    "Cycle",
    "Dissipation",
    "Embedding",
    "HeatBath",
    "Jumps",
    "MemoryKernel",
    "Milestones",
    "Modes",
    "NoiseCheck",
    "OverdampedModel",
    "Paths",
    "PistonPaths",
    "PistonStatistics",
    "PronyKernel",
    "Record",
    "ResolvedTransitions",
    "Split",
    "StateLumps",
    "Trajectories",
    "UnderdampedModel",
    "autocorrelation",
    "bath_correlations",
    "block_divergence",
    "check_rates",
    "compare",
    "cycles",
    "divergence_rate",
    "dwell_time_bound",
    "edge_flows",
    "einstein_friction",
    "embedding",
    "entropy_production",
    "exact_correlations",
    "fit_overdamped",
    "fit_prony",
    "fit_underdamped",
    "friction_ratios",
    "hidden_dissipation",
    "initial_friction_ratio",
    "jepsen_correlation",
    "kramers_moyal",
    "lag_scan",
    "langevin_tests",
    "least_dissipation",
    "lumped_entropy_production",
    "mean_first_passage_time",
    "mean_square_displacement",
    "memory_kernel",
    "memory_number",
    "model_correlation",
    "noise_check",
    "ohmic_bath",
    "ohmic_kernel",
    "passage_time",
    "piston_friction",
    "piston_statistics",
    "potential_of_mean_force",
    "projected_force",
    "read_coordinate",
    "read_trajectories",
    "record",
    "ring",
    "sample_bath",
    "sample_piston",
    "simulate_chain",
    "simulate_generalised",
    "simulate_jumps",
    "simulate_overdamped",
    "simulate_underdamped",
    "split",
    "stationary",
    "step_flows",
    "time_scale_report",
    "velocity_correlation",
]
