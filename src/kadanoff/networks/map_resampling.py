"""Error bars of the projectome and of soft regions: neurons redrawn with all their synapses.

`kadanoff.networks.resampling` has the errors of the block map without resampling; here the map itself is redrawn,
neuron i coming m_i times. Its partners are redrawn with it, so that what it receives and sends at a site changes too,

    in_i(a) = sum_j m_j A_ji(a),    out_i(b) = sum_j m_j A_ij(b),    W_ab = sum_i m_i in_i(a) out_i(b) / in_i.

Redrawn as carriers alone, with the partners of the data, they give W a third less error than it has from one sample of
neurons to the next; that error is var W_ab = sum_s [ sum_i f_ia^2 o_ib^2 - (sum_i f_ia o_ib)^2 / n_s ] over strata s,
with f_ia = in_i(a) / in_i and o_ib = out_i(b). A bootstrap of sums over pairs has the part of single pairs three times
(Owen, 2007), and is so somewhat on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.regions import QUANTUM, UNASSIGNED, Regions, Shares

__all__ = ["projectome_resampled", "soft_block_resampled"]

_STREAM = 0x4E53  # of random numbers
_Times: TypeAlias = "NDArray[np.float64] | None"


def projectome_resampled(
    network: Network, strata: Regions, *, replicates: int = 200, seed: int = 0, partners: bool = True
) -> NDArray[np.float64]:
    """Replicates of `projectome` with neurons redrawn, the external region last.

    A neuron none of whose senders is drawn listens as in the data: the external has those without inputs alone.

    Arguments:
        network: with sites.
        strata: regions within which neurons are redrawn.
        replicates: how many, at least 2; replicate k is the same whatever their number.
        partners: whether neurons are redrawn as partners too; False keeps what each receives and sends.

    Returns:
        (replicates, K, K), K with the external region.
    """
    sites = _Sites(network)
    known, k = sites.listens(None), len(network.site_names) + 1
    outside = scipy.sparse.csr_array((known.sum(axis=1) == 0).astype(np.float64)[:, None])
    drawn = np.zeros((replicates, k, k))
    for number, times in enumerate(_draws(strata, network.n, replicates, seed)):
        met = times if partners else None
        listens = scipy.sparse.csr_array(scipy.sparse.hstack([sites.listens(met) if partners else known, outside]))
        drawn[number, :, : k - 1] = (listens.T @ (scipy.sparse.diags_array(times) @ sites.sent(met))).toarray()
    return drawn


def soft_block_resampled(
    network: Network,
    pre: Shares,
    post: Shares,
    strata: Regions,
    *,
    replicates: int = 200,
    seed: int = 0,
    by_sites: bool = False,
) -> NDArray[np.float64]:
    """Replicates of `soft_block` with neurons redrawn, as senders and as receivers at once; see `projectome_resampled`.

    Arguments:
        by_sites: the shares are `pre_shares` and `post_shares` of the network, and are made afresh from the partners
            drawn; else they are properties of the neurons and stay.

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
    sites = _Sites(network) if by_sites else None
    if sites is not None and pre.names[:-1] != tuple(name for name in network.site_names if name != UNASSIGNED):
        raise ValueError("shares: these are not of the sites of the network, from which they are to be made afresh")
    drawn = np.empty((replicates, pre.k, pre.k))
    for number, times in enumerate(_draws(strata, network.n, replicates, seed)):
        weight = scipy.sparse.diags_array(times)
        if sites is not None:
            sent, got = sites.shares(times)
        drawn[number] = ((weight @ sent).T @ (matrix @ (weight @ got))).toarray()
    return drawn


class _Sites:
    """What neurons receive and send at each site, (n, sites), from the partners drawn (None: those of the data)."""

    def __init__(self, network: Network) -> None:
        if network.site is None:
            raise ValueError("projectome: this network has no sites; give the column that says where a connection lies")
        self.network, self.count = network, network.count.astype(np.float64)
        self.names, self.shape = network.site_names, (network.n, len(network.site_names))
        self.site = network.site

    def _at(self, ends: NDArray[np.int32], others: NDArray[np.int32], times: _Times) -> scipy.sparse.csr_array:
        count = self.count if times is None else self.count * times[others]
        return scipy.sparse.csr_array((count, (ends, self.site)), shape=self.shape)

    def sent(self, times: _Times) -> scipy.sparse.csr_array:
        return self._at(self.network.source, self.network.target, times)

    def listens(self, times: _Times) -> scipy.sparse.csr_array:
        """Shares of a neuron's inputs; those of the data where no sender of it is drawn."""
        return self._shares(self.network.target, self.network.source, times)

    def shares(self, times: _Times) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
        """Shares as senders and as receivers, in the regions of `pre_shares`: unassigned last."""
        order = np.argsort([name == UNASSIGNED for name in self.names], kind="stable")
        made = []
        for ends, others in (
            (self.network.source, self.network.target),
            (self.network.target, self.network.source),
        ):
            found = self._shares(ends, others, times)[:, order]
            silent = np.asarray(found.sum(axis=1)) == 0  # all others' shares sum to one
            rest = silent.astype(np.float64)[:, None]
            if UNASSIGNED in self.names:
                rest, found = rest + found[:, [-1]].toarray(), found[:, :-1]
            made.append(scipy.sparse.csr_array(scipy.sparse.hstack([found, scipy.sparse.csr_array(rest)])))
        return made[0], made[1]

    def _shares(self, ends: NDArray[np.int32], others: NDArray[np.int32], times: _Times) -> scipy.sparse.csr_array:
        found = self._at(ends, others, times)
        whole = np.asarray(found.sum(axis=1))
        scale = np.divide(1.0, whole, out=np.zeros(whole.size), where=whole > 0)
        shares = scipy.sparse.csr_array(scipy.sparse.diags_array(scale) @ found)
        if times is None or not (lost := whole == 0).any():
            return shares
        return scipy.sparse.csr_array(shares + scipy.sparse.diags_array(lost * 1.0) @ self._shares(ends, others, None))


def _draws(strata: Regions, n: int, replicates: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each node is drawn, in every replicate: as many draws within a stratum as it has nodes."""
    if strata.label.size != n:
        raise ValueError(f"strata: {strata.label.size} labels for {n} nodes")
    if replicates < 2:
        raise ValueError(f"replicates: at least 2, got {replicates}")
    label = strata.label.astype(np.int64)
    member = np.argsort(label, kind="stable")
    size = strata.sizes
    first = np.cumsum(size) - size
    for number in range(replicates):
        random = np.random.Generator(np.random.Philox(key=[seed, _STREAM + (number << 32)]))
        chosen = member[first[label] + (random.random(n) * size[label]).astype(np.int64)]
        yield np.bincount(chosen, minlength=n).astype(np.float64)
