"""Signed and per-transmitter layers, kept apart.

Excitatory and inhibitory counts set off against each other cancel, and a hub of both looks like none. So a network's
statistics are taken layer by layer; where the net count itself is wanted it comes as `Netted`, with what cancelled,
and hubs, flows and null models refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kadanoff.networks.aggregation import RegionNetwork, block
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = ["Netted", "layer_blocks", "netted", "per_layer"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Netted:
    """Excitatory minus inhibitory counts of every block. Not a `RegionNetwork`: it has no hubs and no flow.

    Arguments:
        names: (K,) regions.
        excitatory, inhibitory: (K, K) int64, both not negative.
        net: their difference.
        cancelled: sum of 2 min(excitatory, inhibitory) over all counts: the share of synapses that nobody would see.
        unsigned: counts in layers that were given no sign; in neither.
    """

    names: tuple[str, ...]
    excitatory: NDArray[np.int64]
    inhibitory: NDArray[np.int64]
    net: NDArray[np.int64]
    cancelled: float
    unsigned: int


def per_layer(network: Network, function: Callable[[Network], T]) -> dict[str, T]:
    """A function of every layer by itself, by name; layers without connections are left out.

    Raises:
        ValueError: for a network without layers.
    """
    _require_layers(network)
    parts = {name: network.of_layer(name) for name in network.layer_names}
    return {name: function(part) for name, part in parts.items() if part.m}


def layer_blocks(network: Network, regions: Regions) -> dict[str, RegionNetwork]:
    """The region network of every layer; together they are that of all layers, exactly."""
    _require_layers(network)
    return {name: block(network.of_layer(name), regions) for name in network.layer_names}


def netted(network: Network, regions: Regions, sign: Mapping[str, int]) -> Netted:
    """Excitatory minus inhibitory counts between regions, with the share that cancels.

    Arguments:
        network: whole counts with layers.
        regions: one label a node.
        sign: +1 (excitatory), -1 (inhibitory) or 0 (neither) of every layer.

    Raises:
        ValueError: for layers without a sign, signs of unknown layers, or counts that are not whole.
    """
    _require_layers(network)
    if not network.is_counted:
        raise ValueError("layers: whole counts are needed to say exactly what cancels")
    missing, unknown = set(network.layer_names) - set(sign), set(sign) - set(network.layer_names)
    if missing or unknown:
        wrong_names = (("missing", missing), ("no layer", unknown))
        said = "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in wrong_names if names)
        raise ValueError(f"sign: give +1, -1 or 0 to each of {', '.join(network.layer_names)} ({said})")
    if wrong := [name for name, value in sign.items() if value not in (-1, 0, 1)]:
        raise ValueError(f"sign: +1, -1 or 0, not {sign[wrong[0]]} as for {wrong[0]}")
    parts = layer_blocks(network, regions)
    k = regions.k
    split = {value: np.zeros((k, k), np.int64) for value in (-1, 0, 1)}
    for name, part in parts.items():
        split[sign[name]] += part.counts
    excitatory, inhibitory = split[1], split[-1]
    signed = int(excitatory.sum() + inhibitory.sum())
    lost = 2 * int(np.minimum(excitatory, inhibitory).sum())
    return Netted(
        regions.names,
        excitatory,
        inhibitory,
        excitatory - inhibitory,
        lost / signed if signed else 0.0,
        int(split[0].sum()),
    )


def _require_layers(network: Network) -> None:
    if network.layer is None:
        raise ValueError("layers: this network has none; give the column that names transmitter or sign")
