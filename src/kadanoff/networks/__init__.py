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
from kadanoff.networks.density_test import BlockDensityTest, DensityTest, compare_block_densities, compare_densities
from kadanoff.networks.detection import Detected, Thresholds, above, detected, threshold_curve, without_background
from kadanoff.networks.highways import Highways, find_highways, matched_highways
from kadanoff.networks.hubs import Hubs, betweenness, hub_statistics, participation, strength, within_region_z
from kadanoff.networks.indirect_flow import Flow, MaximumFlow, flow, max_flow
from kadanoff.networks.laplacian_rg import Peak, Susceptibility, diffusion_regions, entropic_susceptibility, peaks
from kadanoff.networks.layers import Netted, layer_blocks, netted, per_layer
from kadanoff.networks.lost import (
    corrected_information,
    divergence,
    ledger_of,
    outflow_defect,
    reconstruction,
    shared_information,
    wiring_forgotten,
)
from kadanoff.networks.map_resampling import projectome_resampled, soft_block_resampled
from kadanoff.networks.memberships import coarser_shares, post_shares, pre_shares, require_disjoint, shares_of_amounts
from kadanoff.networks.motifs import TRIADS, reciprocity, transitivity, triad_census
from kadanoff.networks.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm, largest_of_all
from kadanoff.networks.network import Coded, Mended, Network
from kadanoff.networks.normalise import Normalised, density, enrichment, input_fraction, output_fraction
from kadanoff.networks.null_models import (
    Configuration,
    NullModel,
    block_null,
    configuration,
    configuration_tail,
    degree_null,
    either_way,
    random_null,
    undirected_degree_null,
)
from kadanoff.networks.null_tests import NullTest, null_test
from kadanoff.networks.out_of_core import Aggregated, block_of_dataset, soft_block_of_dataset
from kadanoff.networks.partitions import (
    equitable_regions,
    following_regions,
    informative_regions,
    modular_regions,
    spectral_regions,
)
from kadanoff.networks.presets import PRESETS, Preset, read_preset, read_preset_nodes
from kadanoff.networks.regions import Regions, Shares
from kadanoff.networks.resampling import BlockErrors, block_errors, resampled
from kadanoff.networks.rich_club import RichClub, rich_club_curve
from kadanoff.networks.tables import NodeTable, read_matrix, read_network, read_nodes, read_sites
from kadanoff.networks.traversal import Cascades, Layers, signal_cascades, traversal_layers
from kadanoff.networks.worm import varshney_worm, witvliet_nodes, witvliet_worm

__all__ = [
    "PRESETS",
    "TRIADS",
    "Aggregated",
    "BesideRandom",
    "BlockDensityTest",
    "BlockErrors",
    "Cascades",
    "Coded",
    "Configuration",
    "DensityTest",
    "Detected",
    "Flow",
    "Following",
    "Highways",
    "Hubs",
    "Layers",
    "MaximumFlow",
    "Mended",
    "Netted",
    "Network",
    "NodeTable",
    "Normalised",
    "NullModel",
    "NullTest",
    "Peak",
    "Preset",
    "RegionNetwork",
    "Regions",
    "RichClub",
    "Shares",
    "Susceptibility",
    "Thresholds",
    "above",
    "activity",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "beside_random",
    "betweenness",
    "block",
    "block_errors",
    "block_layers",
    "block_null",
    "block_of_dataset",
    "coarser_shares",
    "compare_block_densities",
    "compare_densities",
    "configuration",
    "configuration_tail",
    "corrected_information",
    "degree_null",
    "density",
    "detected",
    "diffusion_regions",
    "divergence",
    "either_way",
    "enrichment",
    "entropic_susceptibility",
    "equitable_regions",
    "find_highways",
    "flow",
    "flow_error",
    "following",
    "following_regions",
    "holm",
    "hub_statistics",
    "informative_regions",
    "input_fraction",
    "input_fractions",
    "largest_of_all",
    "layer_blocks",
    "ledger_of",
    "lumpability_defect",
    "matched_highways",
    "max_flow",
    "modular_regions",
    "netted",
    "null_test",
    "outflow_defect",
    "output_fraction",
    "participation",
    "peaks",
    "per_layer",
    "post_shares",
    "pre_shares",
    "projectome",
    "projectome_resampled",
    "random_null",
    "read_matrix",
    "read_network",
    "read_nodes",
    "read_preset",
    "read_preset_nodes",
    "read_sites",
    "reciprocity",
    "reconstruction",
    "region_operator",
    "require_disjoint",
    "resampled",
    "rich_club_curve",
    "shared_information",
    "shares_of_amounts",
    "signal_cascades",
    "soft_block",
    "soft_block_of_dataset",
    "soft_block_resampled",
    "spectral_regions",
    "strength",
    "threshold_curve",
    "transitivity",
    "traversal_layers",
    "triad_census",
    "undirected_degree_null",
    "varshney_worm",
    "wiring_forgotten",
    "within_region_z",
    "without_background",
    "witvliet_nodes",
    "witvliet_worm",
]
