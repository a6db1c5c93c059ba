"""Does the activity of regions follow that of their nodes?

    x' = -x + g B x + s,   B_ij = A_ji / sum_k A_ki

the linear rate model on input fractions: node i listens to j in proportion to the share of its input that comes from
there. Regions P (one-hot) give the Galerkin model y' = -y + g B_c y + P^+ s with B_c = P^+ B P, P^+ the mean over the
members. It is exact where the regions are equitable, B P = P B_c (Kemeny and Snell, 1960; Boguna and others call such
cells exactly lumpable), and the start and drive are even inside each region.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import expm_multiply

from kadanoff.estimates import Estimate, from_blocks
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = [
    "BesideRandom",
    "Following",
    "activity",
    "beside_random",
    "flow_error",
    "following",
    "input_fractions",
    "lumpability_defect",
    "mean_over_members",
    "region_operator",
]

GAIN = 0.9
_FLOW_TOLERANCE = 1e-12  # relative, of the series of indirect flow


@dataclass(frozen=True, eq=False)
class Following:
    """Activity of regions, true and as the region model has it.

    Arguments:
        times: (T,).
        true: (T, K) means over the members of the nodes' activity.
        model: (T, K) of the region model.
        error: (T,) |P (model - true)| / |P true|, the 2-norm over nodes; 0 where both vanish.
        nodes_error: (T,) |P model - x| / |x|: what is missed of the nodes themselves, so that regions without inner
            life are not mistaken for good ones.
    """

    times: NDArray[np.float64]
    true: NDArray[np.float64]
    model: NDArray[np.float64]
    error: NDArray[np.float64]
    nodes_error: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BesideRandom:
    """A measure of a partition beside that of random ones of the same sizes.

    Arguments:
        value: of the partition.
        random: mean over the random partitions, with its standard error.
        spread: standard deviation from one random partition to the next.
    """

    value: float
    random: Estimate
    spread: float

    @property
    def sigmas(self) -> float | None:
        """(value - mean of the random ones) / spread; None where the random ones are all alike."""
        return (self.value - self.random.value) / self.spread if self.spread > 0 else None


def input_fractions(network: Network) -> scipy.sparse.csr_array:
    """(n, n) B with B_ij = A_ji / in_i: rows of nodes that receive something sum to one, the others are zero."""
    received = network.inflow.astype(np.float64)
    scale = np.divide(1.0, received, out=np.zeros(network.n), where=received > 0)
    return scipy.sparse.csr_array(scipy.sparse.diags_array(scale) @ network.matrix(np.float64).T.tocsr())


def mean_over_members(values: ArrayLike, regions: Regions) -> NDArray[np.float64]:
    """P^+ v: means over the members of every region, (n, ...) to (K, ...); 0 for a region without members."""
    given = np.asarray(values, dtype=np.float64)
    if given.shape[:1] != (regions.label.size,):
        raise ValueError(f"values: {given.shape} for {regions.label.size} nodes")
    sums = _one_hot(regions).T @ given.reshape(len(given), -1)
    return np.asarray((sums / np.maximum(regions.sizes, 1)[:, None]).reshape(regions.k, *given.shape[1:]))


def region_operator(network: Network, regions: Regions) -> NDArray[np.float64]:
    """(K, K) B_c = P^+ B P: the mean share of the input of a region's nodes that comes from each region."""
    return mean_over_members(_heard(input_fractions(network), regions), regions)


def lumpability_defect(network: Network, regions: Regions) -> float:
    """|B P - P B_c| / |B P| in the Frobenius norm: how differently the members of a region listen to the regions.

    0 where the regions are equitable: all members of a region take the same shares of their input from each region.
    """
    heard = _heard(input_fractions(network), regions)
    size = float(np.linalg.norm(heard))
    if size == 0:
        raise ValueError("lumpability: this network has no connection")
    return float(np.linalg.norm(heard - mean_over_members(heard, regions)[regions.label])) / size


def activity(
    network: Network,
    start: ArrayLike,
    times: ArrayLike,
    *,
    gain: float = GAIN,
    drive: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """The activity x(t) of all nodes, x' = -x + g B x + s from x(0) = start.

    The action of the exponential (Al-Mohy and Higham, 2011), whose backward error is below 2^-53: as exact as the
    matrix itself is held.

    Arguments:
        start: (n,) activity at time 0.
        times: (T,) increasing, from 0 on, in units of a node's own decay.
        gain: g, from 0 to below 1.
        drive: (n,) constant input s; None: none.

    Returns:
        (T, n).
    """
    return _integrated(input_fractions(network), _vector(start, network.n, "start"), _times(times), gain, drive)


def following(
    network: Network,
    regions: Regions,
    start: ArrayLike,
    times: ArrayLike,
    *,
    gain: float = GAIN,
    drive: ArrayLike | None = None,
    fine: NDArray[np.float64] | None = None,
) -> Following:
    """The region model beside the true means over the regions' members.

    Arguments:
        network, start, times, gain, drive: as `activity`.
        regions: of the nodes.
        fine: what `activity` returned, where it is at hand; it does not depend on the regions.

    Raises:
        ValueError: for a gain outside [0, 1), or sizes that disagree.
    """
    at = _times(times)
    begin = _vector(start, network.n, "start")
    x = activity(network, begin, at, gain=gain, drive=drive) if fine is None else fine
    if x.shape != (at.size, network.n):
        raise ValueError(f"fine: expected ({at.size}, {network.n}), got {x.shape}")
    true = mean_over_members(x.T, regions).T
    coarse_drive = None if drive is None else mean_over_members(drive, regions)
    small = scipy.sparse.csr_array(region_operator(network, regions))
    model = _integrated(small, mean_over_members(begin, regions), at, gain, coarse_drive)
    weight = regions.sizes
    missed = np.sqrt(((model - true) ** 2 * weight).sum(axis=1))
    return Following(
        at,
        true,
        model,
        _relative(missed, np.sqrt((true**2 * weight).sum(axis=1))),
        _relative(np.linalg.norm(model[:, regions.label] - x, axis=1), np.linalg.norm(x, axis=1)),
    )


def flow_error(network: Network, regions: Regions, *, gain: float = GAIN) -> float:
    """|F_c - P^+ F P| / |P^+ F P|, Frobenius norm over region pairs, of direct and indirect flow.

    F = (I - g B)^-1 - I = g B + g^2 B^2 + ... counts what reaches a node over any number of steps, each weakened by g;
    F_c is the same of B_c. A random partition has a true flow of nearly rank one, easy to get right: look at this
    beside one.
    """
    _check_gain(gain)
    identity = np.eye(regions.k)
    coarse = np.asarray(np.linalg.inv(identity - gain * region_operator(network, regions)))
    true = mean_over_members(_total_flow(input_fractions(network), regions, coarse, gain), regions)
    true -= mean_over_members(identity[regions.label], regions)
    model = coarse - identity
    size = float(np.linalg.norm(true))
    return float(np.linalg.norm(model - true)) / size if size else 0.0


def _total_flow(
    fractions: scipy.sparse.csr_array, regions: Regions, coarse: NDArray[np.float64], gain: float
) -> NDArray[np.float64]:
    """Y (n, K) of (I - g B) Y = P: steps Y + r with the residual r, which falls at least by g each, with the regions'
    own solution taken off wherever that makes it fall faster (iterative aggregation; Koury, McAllister and Stewart,
    1984). The error is at most r / (1 - g), for rows of B sum to at most one."""
    heard = gain * _heard(fractions, regions)
    label = regions.label
    found = np.asarray(coarse[label])
    left = np.eye(regions.k)[label] - found + heard @ coarse
    while np.abs(left).max(initial=0.0) > _FLOW_TOLERANCE * (1 - gain) * np.abs(found).max():
        found += left
        left = gain * (fractions @ left)
        shift = coarse @ mean_over_members(left, regions)
        corrected = left - shift[label] + heard @ shift
        if np.abs(corrected).max() < np.abs(left).max():
            found += shift[label]
            left = corrected
    return np.asarray(found)


def beside_random(
    measure: Callable[[Regions], ArrayLike], regions: Regions, *, seed: int, partitions: int = 10
) -> list[BesideRandom]:
    """Measures of a partition beside those of random partitions of the same sizes.

    Arguments:
        measure: takes regions, returns one number or several.
        partitions: how many random ones, at least 2.

    Returns:
        One entry a number that ``measure`` returns.
    """
    if partitions < 2:
        raise ValueError(f"partitions: at least 2 random ones give a spread, got {partitions}")
    value = np.atleast_1d(np.asarray(measure(regions), dtype=np.float64))
    drawn = np.array([np.atleast_1d(measure(regions.shuffled(seed + k))) for k in range(partitions)], dtype=np.float64)
    return [
        BesideRandom(float(value[k]), from_blocks(drawn[:, k]), float(drawn[:, k].std(ddof=1)))
        for k in range(value.size)
    ]


def _one_hot(regions: Regions) -> scipy.sparse.csr_array:
    n = regions.label.size
    return scipy.sparse.csr_array((np.ones(n), regions.label.astype(np.int32), np.arange(n + 1)), shape=(n, regions.k))


def _heard(fractions: scipy.sparse.csr_array, regions: Regions) -> NDArray[np.float64]:
    if fractions.shape[0] != regions.label.size:
        raise ValueError(f"regions: {regions.label.size} labels for {fractions.shape[0]} nodes")
    return np.asarray((fractions @ _one_hot(regions)).toarray())


def _integrated(
    fractions: scipy.sparse.csr_array,
    start: NDArray[np.float64],
    times: NDArray[np.float64],
    gain: float,
    drive: ArrayLike | None,
) -> NDArray[np.float64]:
    """x(t) at each time, from one to the next; a drive becomes one more node whose activity stays one."""
    _check_gain(gain)
    n = len(start)
    rate = gain * fractions - scipy.sparse.eye_array(n)
    state = start
    if drive is not None:
        column = scipy.sparse.csr_array(_vector(drive, n, "drive")[:, None])
        rate = scipy.sparse.vstack([scipy.sparse.hstack([rate, column]), scipy.sparse.csr_array((1, n + 1))])
        state = np.append(start, 1.0)
    rate = scipy.sparse.csr_array(rate)
    trace = float(rate.diagonal().sum())
    found = np.empty((times.size, n))
    now = 0.0
    for k, time in enumerate(times):
        if time > now:
            state = expm_multiply(rate * (time - now), state, traceA=trace * (time - now))
            now = float(time)
        found[k] = state[:n]
    return found


def _relative(missed: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.any((size == 0) & (missed > 0)):
        raise ValueError("the true activity vanishes, so no relative error can be had: give a stimulus that is felt")
    return np.divide(missed, size, out=np.zeros_like(missed), where=size > 0)


def _vector(values: ArrayLike, n: int, name: str) -> NDArray[np.float64]:
    given = np.asarray(values, dtype=np.float64)
    if given.shape != (n,) or not np.all(np.isfinite(given)):
        raise ValueError(f"{name}: expected {n} finite numbers, one a node, got {given.shape}")
    return given


def _times(times: ArrayLike) -> NDArray[np.float64]:
    given = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if given.ndim != 1 or not np.all(np.isfinite(given)) or given[0] < 0 or np.any(np.diff(given) <= 0):
        raise ValueError(f"times: expected increasing numbers from 0 on, got {times!r}")
    return given


def _check_gain(gain: float) -> None:
    if not (math.isfinite(gain) and 0 <= gain < 1):
        raise ValueError(f"gain: expected a number from 0 to below 1 (beyond, activity does not die out), got {gain}")
