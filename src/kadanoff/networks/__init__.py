"""Networks: connections between things, aggregated to connections between regions."""

from kadanoff.networks.aggregation import RegionNetwork, block, projectome, soft_block
from kadanoff.networks.lost import divergence, outflow_defect, reconstruction, shared_information
from kadanoff.networks.network import Mended, Network
from kadanoff.networks.regions import Regions, Shares

__all__ = [
    "Mended",
    "Network",
    "RegionNetwork",
    "Regions",
    "Shares",
    "block",
    "divergence",
    "outflow_defect",
    "projectome",
    "reconstruction",
    "shared_information",
    "soft_block",
]
