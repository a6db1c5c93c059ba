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
from kadanoff.networks.aggregation import RegionNetwork, block, projectome, soft_block
from kadanoff.networks.detection import Detected, Thresholds, above, detected, threshold_curve, without_background
from kadanoff.networks.laplacian_rg import Peak, Susceptibility, diffusion_regions, entropic_susceptibility, peaks
from kadanoff.networks.lost import (
    corrected_information,
    divergence,
    ledger_of,
    outflow_defect,
    reconstruction,
    shared_information,
    wiring_forgotten,
)
from kadanoff.networks.network import Mended, Network
from kadanoff.networks.partitions import (
    equitable_regions,
    following_regions,
    informative_regions,
    modular_regions,
    spectral_regions,
)
from kadanoff.networks.regions import Regions, Shares
from kadanoff.networks.resampling import BlockErrors, block_errors, resampled

__all__ = [
    "BesideRandom",
    "BlockErrors",
    "Detected",
    "Following",
    "Mended",
    "Network",
    "Peak",
    "RegionNetwork",
    "Regions",
    "Shares",
    "Susceptibility",
    "Thresholds",
    "above",
    "activity",
    "beside_random",
    "block",
    "block_errors",
    "corrected_information",
    "detected",
    "diffusion_regions",
    "divergence",
    "entropic_susceptibility",
    "equitable_regions",
    "flow_error",
    "following",
    "following_regions",
    "informative_regions",
    "input_fractions",
    "ledger_of",
    "lumpability_defect",
    "modular_regions",
    "outflow_defect",
    "peaks",
    "projectome",
    "reconstruction",
    "region_operator",
    "resampled",
    "shared_information",
    "soft_block",
    "spectral_regions",
    "threshold_curve",
    "wiring_forgotten",
    "without_background",
]
