"""Networks: connections between things, aggregated to connections between regions."""

from kadanoff.networks.aggregation import RegionNetwork, block, projectome, soft_block
from kadanoff.networks.density_test import BlockDensityTest, DensityTest, compare_block_densities, compare_densities
from kadanoff.networks.highways import Highways, find_highways, matched_highways
from kadanoff.networks.hubs import Hubs, betweenness, hub_statistics, participation, strength, within_region_z
from kadanoff.networks.indirect_flow import Flow, MaximumFlow, flow, max_flow
from kadanoff.networks.layers import Netted, layer_blocks, netted, per_layer
from kadanoff.networks.lost import divergence, outflow_defect, reconstruction, shared_information
from kadanoff.networks.motifs import TRIADS, reciprocity, transitivity, triad_census
from kadanoff.networks.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm, largest_of_all
from kadanoff.networks.network import Mended, Network
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
from kadanoff.networks.regions import Regions, Shares
from kadanoff.networks.rich_club import RichClub, rich_club_curve
from kadanoff.networks.traversal import Cascades, Layers, signal_cascades, traversal_layers

__all__ = [
    "TRIADS",
    "BlockDensityTest",
    "Cascades",
    "Configuration",
    "DensityTest",
    "Flow",
    "Highways",
    "Hubs",
    "Layers",
    "MaximumFlow",
    "Mended",
    "Netted",
    "Network",
    "Normalised",
    "NullModel",
    "NullTest",
    "RegionNetwork",
    "Regions",
    "RichClub",
    "Shares",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "betweenness",
    "block",
    "block_null",
    "compare_block_densities",
    "compare_densities",
    "configuration",
    "configuration_tail",
    "degree_null",
    "density",
    "divergence",
    "either_way",
    "enrichment",
    "find_highways",
    "flow",
    "holm",
    "hub_statistics",
    "input_fraction",
    "largest_of_all",
    "layer_blocks",
    "matched_highways",
    "max_flow",
    "netted",
    "null_test",
    "outflow_defect",
    "output_fraction",
    "participation",
    "per_layer",
    "projectome",
    "random_null",
    "reciprocity",
    "reconstruction",
    "rich_club_curve",
    "shared_information",
    "signal_cascades",
    "soft_block",
    "strength",
    "transitivity",
    "traversal_layers",
    "triad_census",
    "undirected_degree_null",
    "within_region_z",
]
