"""Dynamics: Langevin models and the time scales between which they hold; jump processes and what lumping hides."""

from kadanoff.dynamics.correlations import Correlation, autocorrelation, mean_square_displacement, passage_time
from kadanoff.dynamics.entropy_production import (
    Split,
    edge_flows,
    entropy_production,
    lumped_entropy_production,
    ring,
    split,
    stationary,
)
from kadanoff.dynamics.langevin import einstein_friction, fit_overdamped, kramers_moyal, potential_of_mean_force
from kadanoff.dynamics.models import OverdampedModel, UnderdampedModel, mean_first_passage_time
from kadanoff.dynamics.simulation import compare, simulate_overdamped, simulate_underdamped
from kadanoff.dynamics.time_scales import lag_scan, time_scale_report
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.dynamics.trajectory_files import read_coordinate, read_trajectories
from kadanoff.dynamics.underdamped import fit_underdamped

__all__ = [
    "Correlation",
    "OverdampedModel",
    "Split",
    "Trajectories",
    "UnderdampedModel",
    "autocorrelation",
    "compare",
    "edge_flows",
    "einstein_friction",
    "entropy_production",
    "fit_overdamped",
    "fit_underdamped",
    "kramers_moyal",
    "lag_scan",
    "lumped_entropy_production",
    "mean_first_passage_time",
    "mean_square_displacement",
    "passage_time",
    "potential_of_mean_force",
    "read_coordinate",
    "read_trajectories",
    "ring",
    "simulate_overdamped",
    "simulate_underdamped",
    "split",
    "stationary",
    "time_scale_report",
]
