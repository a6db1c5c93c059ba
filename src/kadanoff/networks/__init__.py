"""Networks: connections between things, aggregated to connections between regions."""

from kadanoff.networks.aggregation import (
    RegionNetwork,
    block,
    block_layers,
    projectome,
    projectome_of_sites,
    soft_block,
)
from kadanoff.networks.lost import divergence, outflow_defect, reconstruction, shared_information
from kadanoff.networks.memberships import (
    coarser_shares,
    post_shares,
    pre_shares,
    require_disjoint,
    shares_of_amounts,
)
from kadanoff.networks.network import Coded, Mended, Network
from kadanoff.networks.out_of_core import Aggregated, block_of_dataset, soft_block_of_dataset
from kadanoff.networks.presets import PRESETS, Preset, read_preset, read_preset_nodes
from kadanoff.networks.regions import Regions, Shares
from kadanoff.networks.tables import NodeTable, read_matrix, read_network, read_nodes, read_sites
from kadanoff.networks.worm import varshney_worm, witvliet_nodes, witvliet_worm

__all__ = [
    "PRESETS",
    "Aggregated",
    "Coded",
    "Mended",
    "Network",
    "NodeTable",
    "Preset",
    "RegionNetwork",
    "Regions",
    "Shares",
    "block",
    "block_layers",
    "block_of_dataset",
    "coarser_shares",
    "divergence",
    "outflow_defect",
    "post_shares",
    "pre_shares",
    "projectome",
    "projectome_of_sites",
    "read_matrix",
    "read_network",
    "read_nodes",
    "read_preset",
    "read_preset_nodes",
    "read_sites",
    "reconstruction",
    "require_disjoint",
    "shared_information",
    "shares_of_amounts",
    "soft_block",
    "soft_block_of_dataset",
    "varshney_worm",
    "witvliet_nodes",
    "witvliet_worm",
]
