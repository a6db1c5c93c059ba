"""Entropies, divergences and mutual information, in nats: the one place where the log of a histogram is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln, hyperu, xlogy

from kadanoff.estimates import Estimate

__all__ = [
    "Correction",
    "entropy",
    "entropy_from_probabilities",
    "entropy_knn",
    "entropy_rate",
    "jensen_shannon",
    "kl_divergence",
    "mutual_information",
    "mutual_information_from_probabilities",
    "mutual_information_knn",
    "stationary_distribution",
]

Correction = Literal["miller-madow", "chao-wang-jost", "none"]

NAT = "nat"
_ROUNDING = 1e-9  # how far from one probabilities may sum: rounding of the caller's own arithmetic
_PARTS = 10  # disjoint parts of the samples whose scatter gives the error of a nearest-neighbour estimate
_SHUFFLES = 4  # ways of parting them, averaged


def entropy_from_probabilities(probabilities: ArrayLike) -> Estimate:
    """The exact entropy of a distribution: H = -sum_i p_i ln p_i.

    Arguments:
        probabilities: any shape, non-negative, summing to one; 0 ln 0 = 0.

    Raises:
        ValueError: for a negative probability or a sum other than one.

    >>> print(entropy_from_probabilities([0.5, 0.25, 0.25]))
    1.03972077084 nat
    """
    return Estimate.exact(_entropy(_checked_probabilities(probabilities)), NAT)


def entropy(counts: ArrayLike, *, correction: Correction = "miller-madow", effective: float | None = None) -> Estimate:
    """The entropy of the distribution that counts were drawn from.

    H = -sum p ln p + (K - 1) / 2N with p = n / N and K states seen (Miller, 1955; Madow), or the estimate of Chao, Wang
    and Jost (2013), which also looks at what was seen once and twice and is better where many states are rare. The
    error joins the variance (sum p ln^2 p - (sum p ln p)^2) / N, at least (K - 1) / 2N^2 (that of a uniform
    distribution, where the first vanishes), with the distance between the two estimates: what is left of the bias,
    large where the states are undersampled.

    Arguments:
        counts: integers of any shape, how often each state was drawn; states never drawn may be left out.
        correction: of the bias; "none" gives the plain -sum p ln p, and its bias joins the error.
        effective: how many of the draws are independent, where they come from a correlated series.

    Returns:
        Estimate in nats; `samples` is N or `effective`.

    Raises:
        ValueError: for counts that are negative, fractional or fewer than 2, or an `effective` number above theirs.
    """
    table = _checked_counts(counts)
    drawn, independent = _sizes(table, effective)
    p = table / drawn
    plain, excess = _entropy(p), (np.count_nonzero(table) - 1) / (2 * independent)
    miller_madow = plain + excess
    # the bias falls as 1 / N, so that of fewer independent draws is larger in proportion
    chao = plain + (_chao_wang_jost(table) - plain) * drawn / independent
    chosen = {"miller-madow": miller_madow, "chao-wang-jost": chao, "none": plain}
    if correction not in chosen:
        raise ValueError(f"correction: expected one of {', '.join(chosen)}, got {correction!r}")
    value = chosen[correction]
    variance = _variance(_mean_square_log(p, p) - plain**2, excess, independent)
    other = miller_madow if correction == "chao-wang-jost" else chao
    error = math.hypot(math.sqrt(variance), value - other)
    return Estimate(value, error, independent, NAT, f"counts, {correction}")


def kl_divergence(first: ArrayLike, second: ArrayLike) -> Estimate:
    """The exact relative entropy of two distributions: D = sum_i p_i ln(p_i / q_i) (Kullback and Leibler, 1951).

    Arguments:
        first, second: p and q, of one shape, each summing to one.

    Raises:
        ValueError: where q vanishes and p does not, so that D is infinite.
    """
    p, q = _checked_probabilities(first), _checked_probabilities(second)
    if p.shape != q.shape:
        raise ValueError(f"kl_divergence: distributions over {p.shape} and {q.shape} states cannot be compared")
    if (missing := np.argwhere((p > 0) & (q == 0))).size:
        state = tuple(int(i) for i in missing[0])
        raise ValueError(f"kl_divergence is infinite: state {state} has p = {p[state]:g} but q = 0")
    seen = p > 0
    return Estimate.exact(max(float(np.sum(p[seen] * np.log(p[seen] / q[seen]))), 0.0), NAT)


def jensen_shannon(first: ArrayLike, second: ArrayLike) -> Estimate:
    """The exact Jensen-Shannon divergence: H((p + q) / 2) - (H(p) + H(q)) / 2, between 0 and ln 2 (Lin, 1991).

    Arguments:
        first, second: p and q, of one shape, each summing to one.
    """
    p, q = _checked_probabilities(first), _checked_probabilities(second)
    if p.shape != q.shape:
        raise ValueError(f"jensen_shannon: distributions over {p.shape} and {q.shape} states cannot be compared")
    return Estimate.exact(max(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2, 0.0), NAT)


def mutual_information_from_probabilities(joint: ArrayLike) -> Estimate:
    """The exact mutual information of a joint distribution: I = sum_xy p_xy ln(p_xy / (p_x p_y)).

    Arguments:
        joint: (n_x, n_y), summing to one.
    """
    p = _checked_probabilities(joint)
    if p.ndim != 2:
        raise ValueError(f"mutual information: expected a joint table (n_x, n_y), got shape {p.shape}")
    return Estimate.exact(_mutual(p), NAT)


def mutual_information(joint: ArrayLike, *, effective: float | None = None) -> Estimate:
    """The mutual information behind joint counts, with the bias taken off.

    I = sum p_xy ln(p_xy / (p_x p_y)) - (K_x - 1)(K_y - 1) / 2N over the rows and columns seen (Miller, 1955): right on
    average for independent variables, whose 2 N I is chi-squared. The error joins the variance (sum p ln^2 - I^2) / N,
    at least (K_x - 1)(K_y - 1) / 2N^2 (that of independent variables), with the distance from the estimate by the three
    entropies of Chao, Wang and Jost (2013), large where the table is undersampled. The value may fall below zero by
    its error.

    Arguments:
        joint: (n_x, n_y) integers.
        effective: how many of the draws are independent, where they come from a correlated series.

    Raises:
        ValueError: as `entropy`.
    """
    table = _checked_counts(joint)
    if table.ndim != 2:
        raise ValueError(f"mutual information: expected a joint table (n_x, n_y), got shape {table.shape}")
    drawn, independent = _sizes(table, effective)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    p = table / drawn
    plain = _mutual(p)
    excess = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1) / (2 * independent)
    by_entropies = _chao_wang_jost(rows) + _chao_wang_jost(columns) - _chao_wang_jost(table)
    other = plain + (by_entropies - plain) * drawn / independent
    value = plain - excess
    outer = np.outer(p.sum(axis=1), p.sum(axis=0))
    ratio = np.divide(p, outer, out=np.ones_like(p), where=p > 0)
    variance = _variance(_mean_square_log(p, ratio) - plain**2, excess, independent)
    error = math.hypot(math.sqrt(variance), value - other)
    return Estimate(value, error, independent, NAT, "counts, Miller-Madow")


def entropy_knn(samples: ArrayLike, k: int = 3) -> Estimate:
    """The differential entropy of a density from samples: H = psi(N) - psi(k) + ln V_d + d <ln e_i>.

    e_i is the distance from sample i to its k-th nearest neighbour and V_d the unit ball's volume (Kozachenko and
    Leonenko, 1987). The error joins the scatter of the estimates of ten disjoint tenths, over sqrt(10),
    with the change from half of the samples to all, which tells of the bias. The samples must be independent: thin a
    series first.

    Arguments:
        samples: (n,) or (n, d), n >= 20 (k + 1).
        k: which neighbour; a larger k has a smaller variance and a larger bias.

    Returns:
        Estimate in nats (of the unit the samples are in).

    Raises:
        ValueError: for too few samples or repeated ones, which have no density.
    """
    data = _checked_samples(samples, k)

    def estimate(rows: NDArray[np.intp]) -> float:
        n, d = len(rows), data.shape[1]
        distance = _neighbour_distances(data[rows], k, 2.0)
        ball = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
        return float(digamma(n) - digamma(k) + ball + d * np.mean(np.log(distance)))

    return _with_subsampling(estimate, len(data), f"nearest neighbours (k = {k})")


def mutual_information_knn(x: ArrayLike, y: ArrayLike, k: int = 3) -> Estimate:
    """The mutual information of two continuous variables from samples.

    I = psi(k) + psi(N) - <psi(n_x + 1) + psi(n_y + 1)>

    n_x counts the samples closer in x than the k-th neighbour is in the joint space, in the maximum norm, after every
    coordinate is scaled to its standard deviation (Kraskov, Stogbauer and Grassberger, 2004, algorithm 1). Error,
    independence and limits as `entropy_knn`; strongly dependent variables (I above some ln N) are underestimated.

    Arguments:
        x, y: (n,) or (n, d), drawn together, n >= 20 (k + 1).
        k: which neighbour.

    Raises:
        ValueError: for lengths that differ, too few or repeated samples, a constant coordinate.
    """
    first, second = _scaled(_checked_samples(x, k, "x")), _scaled(_checked_samples(y, k, "y"))
    if len(first) != len(second):
        raise ValueError(f"mutual information: {len(first)} samples of x but {len(second)} of y; they come in pairs")

    def estimate(rows: NDArray[np.intp]) -> float:
        a, b = first[rows], second[rows]
        # closer than the neighbour: the tree counts "up to", so stop one float short
        reach = np.nextafter(_neighbour_distances(np.hstack([a, b]), k, math.inf), 0.0)
        near = [cKDTree(s).query_ball_point(s, reach, p=math.inf, return_length=True) for s in (a, b)]
        return float(digamma(k) + digamma(len(rows)) - np.mean(digamma(near[0]) + digamma(near[1])))

    return _with_subsampling(estimate, len(first), f"nearest neighbours (k = {k})")


def stationary_distribution(transition: Any) -> NDArray[np.float64]:
    """The stationary distribution of a Markov chain: pi T = pi, sum pi = 1.

    Solved by elimination without subtractions (Grassmann, Taksar and Heyman, 1985), so that tiny probabilities keep
    their digits; transient states have probability 0.

    Arguments:
        transition: (n, n), T_ij the probability of going from i to j; dense or scipy.sparse; rows sum to one.

    Returns:
        (n,) probabilities.

    Raises:
        ValueError: for a matrix that is not stochastic, or that falls into several closed classes, each with its own.
    """
    matrix = _checked_transition(transition)
    number, member = connected_components(scipy.sparse.csr_array(matrix), directed=True, connection="strong")
    leaving = np.zeros(number, dtype=bool)
    source, target = np.nonzero(matrix)
    leaving[member[source[member[source] != member[target]]]] = True
    if (closed := np.flatnonzero(~leaving)).size > 1:
        raise ValueError(
            f"stationary distribution: {closed.size} sets of states cannot reach each other (state "
            f"{int(np.argmax(member == closed[0]))} and state {int(np.argmax(member == closed[1]))}); take one of them"
        )
    recurrent = np.flatnonzero(member == closed[0])
    work = matrix[np.ix_(recurrent, recurrent)]
    for last in range(len(work) - 1, 0, -1):
        work[:last, last] /= work[last, :last].sum()
        work[:last, :last] += np.outer(work[:last, last], work[last, :last])
    weight = np.ones(len(work))
    for i in range(1, len(work)):
        weight[i] = weight[:i] @ work[:i, i]
    distribution = np.zeros(len(matrix))
    distribution[recurrent] = weight / weight.sum()
    return distribution


def entropy_rate(transition: Any) -> Estimate:
    """The exact entropy per step of a stationary Markov chain: h = -sum_ij pi_i T_ij ln T_ij (Shannon, 1948).

    Arguments:
        transition: (n, n), rows sum to one; as `stationary_distribution`.
    """
    matrix = _checked_transition(transition)
    rate = -float(stationary_distribution(matrix) @ xlogy(matrix, matrix).sum(axis=1))
    return Estimate.exact(max(rate, 0.0), NAT)


def _entropy(p: NDArray[np.float64]) -> float:
    return max(-float(np.sum(xlogy(p, p))), 0.0)


def _mutual(p: NDArray[np.float64]) -> float:
    outer = np.outer(p.sum(axis=1), p.sum(axis=0))
    seen = p > 0
    return max(float(np.sum(p[seen] * np.log(p[seen] / outer[seen]))), 0.0)


def _mean_square_log(p: NDArray[np.float64], ratio: NDArray[np.float64]) -> float:
    seen = p > 0
    return float(np.sum(p[seen] * np.log(ratio[seen]) ** 2))


def _variance(scatter: float, excess: float, independent: float) -> float:
    """Delta-method variance from the sampled scatter, which is too large by the bias `excess`; never below excess / N.

    Where all draws fell into one state, the error is the entropy of another one with probability 1 / N.
    """
    if excess == 0:
        return ((1 + math.log(independent)) / independent) ** 2
    return max(scatter - excess, excess) / independent


def _chao_wang_jost(counts: NDArray[np.int64]) -> float:
    """The estimate of Chao, Wang and Jost (2013), equation 7: seen states, and an extrapolation to the unseen."""
    seen = counts[counts > 0].ravel()
    n = int(seen.sum())
    value = float(np.sum(seen / n * (digamma(n) - digamma(seen))))
    once, twice = int(np.count_nonzero(seen == 1)), int(np.count_nonzero(seen == 2))
    if once == 0:
        return value
    a = 2 * twice / ((n - 1) * once + 2 * twice) if twice else 2 / ((n - 1) * (once - 1) + 2)
    if a >= 1:
        return value
    return value + once / n * _tail(a, n)


def _tail(a: float, n: int) -> float:
    """(1 - a)^(1 - n) (-ln a - sum_{r<n} (1 - a)^r / r) = sum_{r>=n} (1 - a)^(r - n + 1) / r, without cancellation."""
    decay = -math.log1p(-a)
    if (terms := math.ceil(40 / decay)) <= 20_000:
        r = np.arange(terms)
        return float(np.sum(np.exp(-decay * (r + 1)) / (n + r)))
    # slow decay: Euler and Maclaurin, with U(1, 1, z) = e^z E_1(z) for the integral
    return (1 - a) * float(hyperu(1, 1, decay * n) + 1 / (2 * n) + (decay + 1 / n) / (12 * n))


def _with_subsampling(estimate: Callable[[NDArray[np.intp]], float], n: int, method: str) -> Estimate:
    generator = np.random.default_rng(0)  # shuffled: neighbours in time must not share a part
    value = estimate(np.arange(n))
    halves = [estimate(rows) for rows in np.array_split(generator.permutation(n), 2)]
    tenths = [[estimate(rows) for rows in np.array_split(generator.permutation(n), _PARTS)] for _ in range(_SHUFFLES)]
    scatter = math.sqrt(float(np.mean(np.var(tenths, axis=1, ddof=1))) / _PARTS)
    error = math.hypot(scatter, value - float(np.mean(halves)))
    return Estimate(value, error, n, NAT, method, degrees=_PARTS - 1)


def _neighbour_distances(points: NDArray[np.float64], k: int, norm: float) -> NDArray[np.float64]:
    distance, _ = cKDTree(points).query(points, k=[k + 1], p=norm)
    return np.asarray(distance[:, 0])


def _scaled(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = samples.std(axis=0)
    if np.any(spread == 0):
        raise ValueError(f"coordinate {int(np.argmin(spread))} of the samples is constant and tells nothing")
    return np.asarray((samples - samples.mean(axis=0)) / spread)


def _checked_samples(samples: ArrayLike, k: int, name: str = "samples") -> NDArray[np.float64]:
    data = np.asarray(samples, dtype=np.float64)
    data = data[:, None] if data.ndim == 1 else data
    if data.ndim != 2 or data.shape[1] == 0:
        raise ValueError(f"{name}: expected (n,) or (n, d), got shape {data.shape}")
    if k < 1:
        raise ValueError(f"k: expected a neighbour from 1 on, got {k}")
    if len(data) < 2 * _PARTS * (k + 1):
        raise ValueError(f"{name}: {len(data)} points are too few for an error bar; at least {2 * _PARTS * (k + 1)}")
    if not np.all(np.isfinite(data)):
        raise ValueError(f"{name}: {int(np.argwhere(~np.isfinite(data))[0][0])} is not finite")
    if (repeated := len(data) - len(np.unique(data, axis=0))) > 0:
        raise ValueError(f"{name}: {repeated} points are repeated, so they have no density; count such data instead")
    return data


def _checked_counts(counts: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(counts)
    if not np.issubdtype(given.dtype, np.number) or np.iscomplexobj(given):
        raise ValueError(f"counts: expected integers, got {given.dtype}")
    if not np.all(np.isfinite(given)) or np.any(given != np.floor(given)) or np.any(given < 0):
        raise ValueError("counts: expected integers from 0 on; probabilities go to ..._from_probabilities")
    table = given.astype(np.int64)
    if (drawn := int(table.sum())) < 2:
        raise ValueError(f"counts: {drawn} draws give no estimate; at least 2 are needed")
    if table.max() == 1:
        raise ValueError(f"counts: none of the {drawn} draws fell on the same state; use fewer states, or draw more")
    return table


def _sizes(table: NDArray[np.int64], effective: float | None) -> tuple[int, float]:
    drawn = int(table.sum())
    if effective is None:
        return drawn, float(drawn)
    if not 2 <= effective <= drawn:
        raise ValueError(f"effective: expected from 2 to the {drawn} draws, got {effective}")
    return drawn, float(effective)


def _checked_probabilities(probabilities: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.size == 0 or not np.all(np.isfinite(p)):
        raise ValueError(f"probabilities: expected finite numbers, got an array of shape {p.shape}")
    if p.min() < 0:
        raise ValueError(f"probabilities: {p.min():g} is negative")
    if abs(total := float(p.sum()) - 1) > _ROUNDING:
        raise ValueError(f"probabilities sum to {total + 1:.12g}, not one; divide by their sum, or give counts")
    return p


def _checked_transition(transition: Any) -> NDArray[np.float64]:
    dense = transition.toarray() if scipy.sparse.issparse(transition) else transition
    matrix = np.array(dense, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"transition matrix: expected (n, n), got {matrix.shape}")
    if not np.all(np.isfinite(matrix)) or matrix.min() < 0:
        raise ValueError("transition matrix: entries must be finite and not negative")
    off = np.abs(matrix.sum(axis=1) - 1)
    if off.max() > _ROUNDING:
        row = int(off.argmax())
        raise ValueError(f"transition matrix: row {row} sums to {matrix[row].sum():.12g}, not one (rows are 'from')")
    return matrix
