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

__all__ = ["Split", "edge_flows", "entropy_production", "lumped_entropy_production", "ring", "split", "stationary"]
