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
from kadanoff.dynamics.hidden_markov import (
    HiddenMarkov,
    HiddenMarkovFit,
    choose_hidden_states,
    fit_hidden_markov,
    hidden_markov_error,
    unidentified_directions,
)
from kadanoff.dynamics.jumps import Jumps, check_rates, edge_flows, ring, simulate_chain, simulate_jumps, stationary
from kadanoff.dynamics.lumping import (
    EntropyRateBounds,
    Lumpability,
    LumpingLoss,
    entropy_rate_bounds,
    lump_chain,
    lumpability,
    lumping_loss,
    sampled_entropy_rate,
)
from kadanoff.dynamics.markov import Spectrum, spectrum, stationary_state, transition_matrix
from kadanoff.dynamics.metastable import Metastable, metastable_sets, suggested_sets
from kadanoff.dynamics.observers import Milestones, Record, ResolvedTransitions, StateLumps, record
from kadanoff.dynamics.quasi_markov import QuasiMarkov, lumped_propagators, memory_kernels, quasi_markov
from kadanoff.dynamics.time_reversal import Reversibility, reversibility_test
from kadanoff.dynamics.time_scales import ChapmanKolmogorov, TimeScales, chapman_kolmogorov, implied_time_scales
from kadanoff.dynamics.transition_counts import (
    Counts,
    MarkovModel,
    MarkovWarning,
    count_transitions,
    markov_model,
    reversible_estimate,
)

__all__ = [
    "BlockDivergence",
    "Bound",
    "ChapmanKolmogorov",
    "Counts",
    "Cycle",
    "Dissipation",
    "EntropyRateBounds",
    "HiddenMarkov",
    "HiddenMarkovFit",
    "Jumps",
    "Lumpability",
    "LumpingLoss",
    "MarkovModel",
    "MarkovWarning",
    "Metastable",
    "Milestones",
    "QuasiMarkov",
    "Record",
    "ResolvedTransitions",
    "Reversibility",
    "Spectrum",
    "Split",
    "StateLumps",
    "TimeScales",
    "block_divergence",
    "chapman_kolmogorov",
    "check_rates",
    "choose_hidden_states",
    "count_transitions",
    "cycles",
    "dwell_time_bound",
    "edge_flows",
    "entropy_production",
    "entropy_rate_bounds",
    "fit_hidden_markov",
    "hidden_dissipation",
    "hidden_markov_error",
    "implied_time_scales",
    "least_dissipation",
    "lump_chain",
    "lumpability",
    "lumped_entropy_production",
    "lumped_propagators",
    "lumping_loss",
    "markov_model",
    "memory_kernels",
    "metastable_sets",
    "quasi_markov",
    "record",
    "reversibility_test",
    "reversible_estimate",
    "ring",
    "sampled_entropy_rate",
    "simulate_chain",
    "simulate_jumps",
    "spectrum",
    "split",
    "stationary",
    "stationary_state",
    "step_flows",
    "suggested_sets",
    "transition_matrix",
    "unidentified_directions",
]
