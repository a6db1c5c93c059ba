"""Jump processes: what lumping states hides."""

from kadanoff.dynamics.entropy_production import Split, entropy_production, lumped_entropy_production, split
from kadanoff.dynamics.jumps import Jumps, check_rates, edge_flows, ring, simulate_jumps, stationary

__all__ = [
    "Jumps",
    "Split",
    "check_rates",
    "edge_flows",
    "entropy_production",
    "lumped_entropy_production",
    "ring",
    "simulate_jumps",
    "split",
    "stationary",
]
