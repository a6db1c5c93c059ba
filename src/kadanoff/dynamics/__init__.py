"""Jump processes: what lumping states hides, and what an observer can still say about it."""

from kadanoff.dynamics.block_divergence import BlockDivergence, block_divergence
from kadanoff.dynamics.dissipation import Bound, Dissipation
from kadanoff.dynamics.dwell_bound import dwell_time_bound, least_dissipation
from kadanoff.dynamics.entropy_production import (
    Cycle,
    Split,
    cycles,
    entropy_production,
    lumped_entropy_production,
    split,
    step_flows,
)
from kadanoff.dynamics.hidden_dissipation import hidden_dissipation
from kadanoff.dynamics.jumps import Jumps, check_rates, edge_flows, ring, simulate_jumps, stationary
from kadanoff.dynamics.observers import Milestones, Record, ResolvedTransitions, StateLumps, record

__all__ = [
    "BlockDivergence",
    "Bound",
    "Cycle",
    "Dissipation",
    "Jumps",
    "Milestones",
    "Record",
    "ResolvedTransitions",
    "Split",
    "StateLumps",
    "block_divergence",
    "check_rates",
    "cycles",
    "dwell_time_bound",
    "edge_flows",
    "entropy_production",
    "hidden_dissipation",
    "least_dissipation",
    "lumped_entropy_production",
    "record",
    "ring",
    "simulate_jumps",
    "split",
    "stationary",
    "step_flows",
]
