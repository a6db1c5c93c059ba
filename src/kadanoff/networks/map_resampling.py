"""Error bars of the projectome and of soft regions: neurons redrawn with all their synapses.

`kadanoff.networks.resampling` has the errors of the block map without resampling; here the map itself is redrawn. A
projectome is a sum over carriers, W_ab = sum_i f_ia o_ib with f_ia = in_i(a) / in_i and o_ib = out_i(b), so that
redrawing them within the strata s gives

    var W_ab = sum_s [ sum_i f_ia^2 o_ib^2 - (sum_i f_ia o_ib)^2 / n_s ]

exactly. A soft block network is a sum over pairs: its bootstrap has the part of single pairs three times (Owen, 2007),
and is so far on the safe side.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.regions import QUANTUM, Regions, Shares

__all__ = ["projectome_resampled", "soft_block_resampled"]

_STREAM = 0x4E53  # of random numbers


def projectome_resampled(
    network: Network, strata: Regions, *, replicates: int = 200, seed: int = 0
) -> NDArray[np.float64]:
    """Replicates of `projectome` with carriers redrawn, the external region last.

    A carrier comes with what it receives and sends; the sites of its partners are those of the data.

    Arguments:
        network: with sites.
        strata: regions within which neurons are redrawn.
        replicates: how many, at least 2; replicate k is the same whatever their number.

    Returns:
        (replicates, K, K), K with the external region.
    """
    if network.site is None:
        raise ValueError("projectome: this network has no sites; give the column that says where a connection lies")
    shape = (network.n, len(network.site_names))
    count = network.count.astype(np.float64)
    into = scipy.sparse.csr_array((count, (network.target, network.site)), shape=shape)
    out = scipy.sparse.csr_array((count, (network.source, network.site)), shape=shape)
    received = np.asarray(into.sum(axis=1))
    scale = np.divide(1.0, received, out=np.zeros(network.n), where=received > 0)
    outside = scipy.sparse.csr_array((received == 0).astype(np.float64)[:, None])
    listens = scipy.sparse.csr_array(scipy.sparse.hstack([scipy.sparse.diags_array(scale) @ into, outside]))
    k = shape[1] + 1
    drawn = np.zeros((replicates, k, k))
    for number, times in enumerate(_draws(strata, network.n, replicates, seed)):
        drawn[number, :, : k - 1] = (listens.T @ (scipy.sparse.diags_array(times) @ out)).toarray()
    return drawn


def soft_block_resampled(
    network: Network, pre: Shares, post: Shares, strata: Regions, *, replicates: int = 200, seed: int = 0
) -> NDArray[np.float64]:
    """Replicates of `soft_block` with neurons redrawn, as senders and as receivers at once; see `projectome_resampled`.

    Returns:
        (replicates, K, K).
    """
    sent, got = (
        scipy.sparse.csr_array((one.share / QUANTUM, one.region.astype(np.int32), one.starts), shape=(one.n, one.k))
        for one in (pre, post)
    )
    if pre.n != network.n or post.n != network.n or pre.names != post.names:
        raise ValueError(f"shares: of {pre.n} and {post.n} nodes for {network.n}, and of the same regions both ways")
    matrix = network.matrix(np.float64)
    drawn = np.empty((replicates, pre.k, pre.k))
    for number, times in enumerate(_draws(strata, network.n, replicates, seed)):
        weight = scipy.sparse.diags_array(times)
        drawn[number] = ((weight @ sent).T @ (matrix @ (weight @ got))).toarray()
    return drawn


def _draws(strata: Regions, n: int, replicates: int, seed: int) -> list[NDArray[np.float64]]:
    """How often each node is drawn, in every replicate: as many draws within a stratum as it has nodes."""
    if strata.label.size != n:
        raise ValueError(f"strata: {strata.label.size} labels for {n} nodes")
    if replicates < 2:
        raise ValueError(f"replicates: at least 2, got {replicates}")
    label = strata.label.astype(np.int64)
    member = np.argsort(label, kind="stable")
    size = strata.sizes
    first = np.cumsum(size) - size
    found = []
    for number in range(replicates):
        random = np.random.Generator(np.random.Philox(key=[seed, _STREAM + (number << 32)]))
        chosen = member[first[label] + (random.random(n) * size[label]).astype(np.int64)]
        found.append(np.bincount(chosen, minlength=n).astype(np.float64))
    return found
