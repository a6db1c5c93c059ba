"""A region network read as fractions, densities and ratios. Counts alone add up: normalise last, never before.

A fraction of a coarse network is not a sum of fractions of the fine one, so none of these is a `RegionNetwork` and none
can be aggregated again. What has no value (the fractions of a region that sends nothing) is masked, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks.aggregation import RegionNetwork
from kadanoff.networks.null_models import configuration, whole_counts

__all__ = ["Normalised", "density", "enrichment", "input_fraction", "output_fraction"]

Masked: TypeAlias = "np.ma.MaskedArray[Any, np.dtype[np.float64]]"


@dataclass(frozen=True, eq=False)
class Normalised:
    """Numbers (K, K) from row to column, masked where they have no value.

    Arguments:
        kind: what they are.
        names: (K,) regions.
        values: (K, K) float64, masked where undefined.
        undefined: how many entries are masked.
        undefined_regions: regions that are the reason: senders, receivers or those without members.
    """

    kind: str
    names: tuple[str, ...]
    values: Masked
    undefined: int
    undefined_regions: tuple[str, ...]


def output_fraction(network: RegionNetwork) -> Normalised:
    """W_ab / sum_b W_ab: of what region a sends, the fraction that goes to b; rows sum to one."""
    counts = _counts(network)
    whole = counts.sum(axis=1)
    return _ratio("output fraction", network, counts, np.broadcast_to(whole[:, None], counts.shape), whole == 0)


def input_fraction(network: RegionNetwork) -> Normalised:
    """W_ab / sum_a W_ab: of what region b receives, the fraction that comes from a; columns sum to one."""
    counts = _counts(network)
    whole = counts.sum(axis=0)
    return _ratio("input fraction", network, counts, np.broadcast_to(whole[None, :], counts.shape), whole == 0)


def density(network: RegionNetwork, *, loops: bool = False) -> Normalised:
    """Connections per pair of members: W_ab / (n_a n_b), and W_aa / (n_a (n_a - 1)) within a region.

    Arguments:
        network: a block network. Of a network with one connection a pair it is the chance of a connection, else the
            mean count of a pair.
        loops: whether nodes may connect to themselves: then W_aa / n_a^2.

    Raises:
        ValueError: for a network of another kind, whose members are not whole.
    """
    if network.kind != "block":
        raise ValueError(f"density: a block network has whole members to make pairs of; this is a {network.kind}")
    size = network.members
    pairs = np.outer(size, size) - (0.0 if loops else np.diag(size))
    lonely = size < (1 if loops else 2)
    return _ratio("density", network, _counts(network), pairs, lonely)


def enrichment(network: RegionNetwork) -> Normalised:
    """Observed over expected: W_ab T / (o_a i_b), the ratio to random matching of the ends (`configuration`)."""
    counts = whole_counts(network)
    expected = configuration(counts).mean
    silent = (counts.sum(axis=1) == 0) | (counts.sum(axis=0) == 0)
    return _ratio("observed / expected", network, counts, expected, silent)


def _ratio(
    kind: str, network: RegionNetwork, above: NDArray[Any], below: ArrayLike, reason: NDArray[np.bool_]
) -> Normalised:
    whole = np.asarray(below, dtype=np.float64)
    missing = whole == 0
    values = np.divide(above, whole, out=np.zeros(whole.shape), where=~missing)
    names = tuple(name for name, is_reason in zip(network.names, reason, strict=True) if is_reason)
    return Normalised(kind, network.names, np.ma.array(values, mask=missing), int(missing.sum()), names)


def _counts(network: RegionNetwork) -> NDArray[Any]:
    counts = np.asarray(network.counts)
    if (counts < 0).any():
        raise ValueError("counts: negative ones have no fractions; keep signs in layers of their own")
    return counts
