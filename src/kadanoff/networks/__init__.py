"""Networks: connections between things, aggregated to connections between regions."""

from kadanoff.networks.aggregation import divergence, outflow_defect, reconstruction, shared_information

__all__ = ["divergence", "outflow_defect", "reconstruction", "shared_information"]
