"""Networks: connections between things, aggregated to connections between regions."""

from kadanoff.networks.activity import (
    BesideRandom,
    Following,
    activity,
    beside_random,
    flow_error,
    following,
    input_fractions,
    lumpability_defect,
    region_operator,
)
from kadanoff.networks.aggregation import RegionNetwork, block, block_layers, projectome, soft_block
from kadanoff.networks.detection import Detected, Thresholds, above, detected, threshold_curve, without_background
from kadanoff.networks.lost import (
    corrected_information,
    divergence,
    ledger_of,
    outflow_defect,
    reconstruction,
    shared_information,
    wiring_forgotten,
)
from kadanoff.networks.memberships import coarser_shares, post_shares, pre_shares, require_disjoint, shares_of_amounts
from kadanoff.networks.network import Coded, Mended, Network
from kadanoff.networks.presets import PRESETS, Preset, read_preset, read_preset_nodes
from kadanoff.networks.regions import Regions, Shares
from kadanoff.networks.resampling import BlockErrors, block_errors, resampled
from kadanoff.networks.tables import NodeTable, read_matrix, read_network, read_nodes
from kadanoff.networks.worm import varshney_worm, witvliet_nodes, witvliet_worm

__all__ = [
    "PRESETS",
    "BesideRandom",
    "BlockErrors",
    "Coded",
    "Detected",
    "Following",
    "Mended",
    "Network",
    "NodeTable",
    "Preset",
    "RegionNetwork",
    "Regions",
    "Shares",
    "Thresholds",
    "above",
    "activity",
    "beside_random",
    "block",
    "block_errors",
    "block_layers",
    "coarser_shares",
    "corrected_information",
    "detected",
    "divergence",
    "flow_error",
    "following",
    "input_fractions",
    "ledger_of",
    "lumpability_defect",
    "outflow_defect",
    "post_shares",
    "pre_shares",
    "projectome",
    "read_matrix",
    "read_network",
    "read_nodes",
    "read_preset",
    "read_preset_nodes",
    "reconstruction",
    "region_operator",
    "require_disjoint",
    "resampled",
    "shared_information",
    "shares_of_amounts",
    "soft_block",
    "threshold_curve",
    "varshney_worm",
    "wiring_forgotten",
    "without_background",
    "witvliet_nodes",
    "witvliet_worm",
]
