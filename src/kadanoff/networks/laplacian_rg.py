"""Laplacian renormalization: the scales of a network, read from diffusion on it.

    rho(tau) = exp(-tau L) / Z,   S = -tr rho ln rho = ln Z + tau <L>,   C = -dS / d ln tau = tau^2 (<L^2> - <L>^2)

L = D - A of the symmetrised network. S falls from ln n to the logarithm of the number of components; its slope C, the
entropic susceptibility, has a peak at every scale where diffusion has filled one structure and not yet the next, and is
d / 2 on a lattice of d dimensions. Villegas, Gili, Caldarelli and Gabrielli, Nature Physics 19, 445 (2023), who divide
S, and C with it, by ln n: here both are in nats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import expm_multiply

from kadanoff.estimates import Estimate
from kadanoff.networks.network import Network
from kadanoff.networks.regions import Regions

__all__ = [
    "Peak",
    "Susceptibility",
    "diffusion_regions",
    "entropic_susceptibility",
    "laplacian",
    "of_spectrum",
    "peaks",
]

EXACT_UP_TO = 5000
"""Nodes up to which all eigenvalues are computed; beyond, traces are estimated with random vectors."""

_SIGMAS = 4.0  # by which a peak must stand out of the error
_COLUMNS = 256  # of the diffusion kernel, computed together
_BREAKDOWN = 1e-10  # relative size of a Lanczos vector that says that the Krylov space is closed


_Rule: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]  # nodes and weights of a quadrature


@dataclass(frozen=True, eq=False)
class Susceptibility:
    """Entropy and entropic susceptibility of diffusion over times tau, in nats.

    Arguments:
        tau: (T,) diffusion times, in units of 1 / (a connection).
        entropy, entropy_error: (T,) S and its standard error, 0 where exact.
        value, error: (T,) C and its standard error, 0 where exact.
        nodes: n, without those that have no connection with another.
        components: of the network.
        method: "eigenvalues" or "random vectors".
        samples: (vectors, T) C of the jackknife without each vector, where there are such: for errors of what is made
            from C.
    """

    tau: NDArray[np.float64]
    entropy: NDArray[np.float64]
    entropy_error: NDArray[np.float64]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    nodes: int
    components: int
    method: Literal["eigenvalues", "random vectors"]
    samples: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Peak:
    """A scale of the network: the diffusion time of a local maximum of C, and its height in nats."""

    tau: Estimate
    height: Estimate


def laplacian(network: Network, *, weighted: bool = False) -> scipy.sparse.csr_array:
    """L = D - A of the undirected network, without self-connections and without nodes that have no other connection.

    Arguments:
        weighted: A_ij + A_ji as weights; False: 1 where there is a connection either way.
    """
    return _laplacian(network, weighted)[0]


def of_spectrum(eigenvalues: ArrayLike, tau: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """S and C (T,) at times tau from all eigenvalues of a Laplacian.

    Arguments:
        eigenvalues: (n,) not negative but for rounding.
        tau: (T,) positive.
    """
    spectrum = np.asarray(eigenvalues, dtype=np.float64)
    lowest = max(float(spectrum.min()), 0.0)
    at = _times(tau)
    entropy, value = np.empty(at.size), np.empty(at.size)
    for k, time in enumerate(at):
        weight = np.exp(-time * (spectrum - lowest))
        z = weight.sum()
        mean = float((weight * spectrum).sum() / z)
        entropy[k] = np.log(z) + time * (mean - lowest)
        value[k] = time**2 * float((weight * (spectrum - mean) ** 2).sum() / z)
    return entropy, value


def entropic_susceptibility(
    network: Network,
    tau: ArrayLike | None = None,
    *,
    weighted: bool = False,
    method: Literal["auto", "eigenvalues", "random vectors"] = "auto",
    vectors: int = 64,
    steps: int = 120,
    seed: int = 0,
) -> Susceptibility:
    """Entropy and entropic susceptibility of a network.

    Random vectors v of signs give tr f(L) = <v f(L) v>, each by Lanczos quadrature (Ubaru, Chen and Saad, 2017): one
    run of `steps` products with L serves every tau. The modes at zero, one a component, are known and taken out before,
    so that long times keep their accuracy. Errors are those of the jackknife over vectors, joined with the change from
    three quarters of the steps to all of them; they fall as 1 / sqrt(vectors).

    Arguments:
        tau: (T,) positive, increasing; None: 50 a decade, from 0.01 / the largest to 10 / the smallest
            eigenvalue but zero (as the random vectors have it, where they are used).
        weighted: as `laplacian`.
        method: all eigenvalues (n^3), random vectors, or by the number of nodes (`EXACT_UP_TO`).
        vectors: how many random vectors, at least 4.
        steps: of Lanczos; about 3 sqrt(tau lambda_max) are needed at time tau.
        seed: of the vectors.

    Raises:
        ValueError: for a network without connections between different nodes, or times that are not positive.
    """
    operator, _ = _laplacian(network, weighted)
    n = operator.shape[0]
    given = None if tau is None else _times(tau)
    components, member = connected_components(operator, directed=False)
    if method not in ("auto", "eigenvalues", "random vectors"):
        raise ValueError(f"method: expected 'auto', 'eigenvalues' or 'random vectors', got {method!r}")
    if method == "eigenvalues" or (method == "auto" and n <= EXACT_UP_TO):
        spectrum = scipy.linalg.eigvalsh(operator.toarray(), overwrite_a=True)
        spectrum[:components] = 0.0  # what rounding left of the zero modes
        at = _default_times(spectrum[components], spectrum[-1]) if given is None else given
        entropy, value = of_spectrum(spectrum, at)
        none = np.zeros(at.size)
        return Susceptibility(at, entropy, none, value, none, n, components, "eigenvalues")
    if vectors < 4:
        raise ValueError(f"vectors: at least 4 give an error, got {vectors}")
    rules, shorter = _quadrature(operator, member, components, vectors, steps, seed)
    if given is None:
        at = _default_times(min(nodes.min() for nodes, _ in rules), max(nodes.max() for nodes, _ in rules))
    else:
        at = given
    full = _moments(rules, at)
    left_out = (full.sum(axis=0) - full) / (vectors - 1)
    entropy, value = _from_moments(full.mean(axis=0), at, components)
    jack_entropy, jack_value = _from_moments(left_out, at, components)
    short_entropy, short_value = _from_moments(_moments(shorter, at).mean(axis=0), at, components)
    spread = np.sqrt(vectors - 1.0)
    return Susceptibility(
        at,
        entropy,
        np.hypot(spread * jack_entropy.std(axis=0), entropy - short_entropy),
        value,
        np.hypot(spread * jack_value.std(axis=0), value - short_value),
        n,
        components,
        "random vectors",
        jack_value,
    )


def peaks(found: Susceptibility) -> list[Peak]:
    """The local maxima of C, by a parabola through the three times around each, in ln tau.

    With random vectors a peak counts if it stands above the lowest C on either side by 4 standard errors of that
    difference; errors of place and height are of the jackknife.
    """
    c, x = found.value, np.log(found.tau)
    made = []
    tops = [k for k in range(1, c.size - 1) if c[k - 1] < c[k] >= c[k + 1]]
    for k in tops:
        if found.samples is not None and not _stands_out(found, k):
            continue
        place, height = _vertex(x, c, k)
        if found.samples is None:
            made.append(Peak(Estimate.exact(float(np.exp(place))), Estimate.exact(height, "nat")))
            continue
        count = len(found.samples)
        jack = np.array([_vertex(x, one, int(_highest(one, k))) for one in found.samples])
        error = np.sqrt(count - 1.0) * jack.std(axis=0)
        tau = float(np.exp(place))
        made.append(
            Peak(
                Estimate(tau, tau * float(error[0]), count, "", "jackknife over vectors"),
                Estimate(height, float(np.hypot(error[1], found.error[k])), count, "nat", "jackknife over vectors"),
            )
        )
    return made


def diffusion_regions(network: Network, tau: float, *, weighted: bool = False) -> Regions:
    """Groups of nodes that diffusion over a time tau has made one: the coarse-graining step of the Laplacian
    renormalization group.

    Nodes i and j are joined where rho_ij > min(rho_ii, rho_jj), and groups are the connected parts of that (Villegas et
    al., 2023); take tau from a peak of C. Where all nodes are alike (a ring, a complete graph) nothing is ever joined,
    for then rho_ij < rho_ii. Nodes without a connection stay unassigned.

    Up to `EXACT_UP_TO` nodes exp(-tau L) is made from the eigenvectors; beyond, 256 columns of it at a time, which are
    looked at and forgotten: memory stays flat, time grows as n times the connections times tau times the largest
    degree.
    """
    if not (np.isfinite(tau) and tau > 0):
        raise ValueError(f"tau: expected a positive diffusion time, got {tau}")
    operator, there = _laplacian(network, weighted)
    n = operator.shape[0]
    joined_rows, joined_columns = [], []
    for columns, kernel in _diffusion_kernel(operator, tau):
        own = kernel[columns, np.arange(columns.size)]
        # the pair (i, j) is seen in both columns, so each needs its own diagonal alone; ties by rounding join nothing
        row, column = np.nonzero(kernel > own * (1 + 1e-9))
        joined_rows.append(row)
        joined_columns.append(columns[column])
    rows, ends = np.concatenate(joined_rows), np.concatenate(joined_columns)
    joined = scipy.sparse.coo_array((np.ones(rows.size, dtype=bool), (rows, ends)), shape=(n, n))
    _, group = connected_components(joined, directed=False)
    label = np.full(network.n, -1, np.int64)
    order = np.argsort(np.argsort(-np.bincount(group), kind="stable"), kind="stable")
    label[there] = order[group]
    k = int(label.max()) + 1
    return Regions.from_labels(label, tuple(f"group {number:0{len(str(k))}d}" for number in range(1, k + 1)))


def _diffusion_kernel(
    operator: scipy.sparse.csr_array, tau: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """exp(-tau L) in blocks: which columns, and these (n, columns)."""
    n = operator.shape[0]
    blocks = [np.arange(start, min(start + _COLUMNS, n)) for start in range(0, n, _COLUMNS)]
    if n <= EXACT_UP_TO:
        spectrum, vector = scipy.linalg.eigh(operator.toarray(), overwrite_a=True)
        decayed = vector * np.exp(-tau * spectrum)
        for columns in blocks:
            yield columns, vector @ decayed[columns].T
        return
    rate = scipy.sparse.csr_array(operator * -tau)
    trace = float(rate.diagonal().sum())
    for columns in blocks:
        unit = np.zeros((n, columns.size))
        unit[columns, np.arange(columns.size)] = 1.0
        yield columns, expm_multiply(rate, unit, traceA=trace)


def _laplacian(network: Network, weighted: bool) -> tuple[scipy.sparse.csr_array, NDArray[np.int64]]:
    a = network.matrix(np.float64)
    both = scipy.sparse.csr_array(a + a.T)
    both = scipy.sparse.csr_array(both - scipy.sparse.diags_array(both.diagonal()))
    both.eliminate_zeros()
    if not weighted:
        both.data[:] = 1.0
    degree = np.asarray(both.sum(axis=1)).ravel()
    there = np.flatnonzero(degree > 0)
    if there.size == 0:
        raise ValueError("laplacian: no connection between different nodes")
    kept = both[there][:, there]
    return scipy.sparse.csr_array(scipy.sparse.diags_array(degree[there]) - kept), there


def _default_times(smallest: float, largest: float) -> NDArray[np.float64]:
    """From before diffusion starts to long after, by the eigenvalues but zero."""
    low, high = np.log10(0.01 / largest), np.log10(10.0 / smallest)
    return np.logspace(low, high, int(np.ceil(50 * (high - low))) + 1)


def _quadrature(
    operator: scipy.sparse.csr_array, member: NDArray[np.int32], components: int, vectors: int, steps: int, seed: int
) -> tuple[list[_Rule], list[_Rule]]:
    """Nodes and weights of v^T f(L) v for every random vector, with all steps and with three quarters of them."""
    n = operator.shape[0]
    size = np.bincount(member, minlength=components).astype(np.float64)
    one_hot = scipy.sparse.csr_array((np.ones(n), member, np.arange(n + 1)), shape=(n, components))

    def orthogonal(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(v - (one_hot.T @ v / size[:, None])[member])

    v = orthogonal(np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, vectors)))
    weight = (v**2).sum(axis=0)
    v /= np.sqrt(weight)
    before, steps = np.zeros_like(v), min(steps, n - components)
    alpha, beta = np.zeros((steps, vectors)), np.zeros((steps, vectors))
    length = np.full(vectors, steps)
    largest = 2 * float(operator.diagonal().max())
    for k in range(steps):
        after = operator @ v - before * (beta[k - 1] if k else 0.0)
        alpha[k] = (after * v).sum(axis=0)
        after = orthogonal(after - v * alpha[k])  # rounding brings the zero modes back
        beta[k] = np.sqrt((after**2).sum(axis=0))
        closed = (beta[k] <= _BREAKDOWN * largest) & (length == steps)
        length[closed] = k + 1
        before, v = v, after / np.where(beta[k] > _BREAKDOWN * largest, beta[k], np.inf)
    stops = [(length[j], length[j] if length[j] < steps else max(3 * steps // 4, 1)) for j in range(vectors)]
    rules = [[_gauss(alpha[:stop, j], beta[: stop - 1, j], weight[j]) for stop in stops[j]] for j in range(vectors)]
    return [all_steps for all_steps, _ in rules], [fewer for _, fewer in rules]


def _gauss(alpha: NDArray[np.float64], beta: NDArray[np.float64], weight: float) -> _Rule:
    value, vector = scipy.linalg.eigh_tridiagonal(alpha, beta)
    return np.maximum(value, 0.0), weight * vector[0] ** 2


def _moments(rules: list[_Rule], tau: NDArray[np.float64]) -> NDArray[np.float64]:
    """(vectors, 3, T) of tr L^k exp(-tau L), k = 0, 1, 2, without the zero modes."""
    made = np.empty((len(rules), 3, tau.size))
    for j, (value, weight) in enumerate(rules):
        decayed = weight[:, None] * np.exp(-np.outer(value, tau))
        for k in range(3):
            made[j, k] = (value[:, None] ** k * decayed).sum(axis=0)
    return made


def _from_moments(
    moments: NDArray[np.float64], tau: NDArray[np.float64], components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z = moments[..., 0, :] + components
    mean, square = moments[..., 1, :] / z, moments[..., 2, :] / z
    return np.log(z) + tau * mean, tau**2 * (square - mean**2)


def _stands_out(found: Susceptibility, k: int) -> bool:
    """Whether C at k is above its feet, the lowest C before it rises above that on either side, by 4 errors."""
    c, samples = found.value, found.samples
    assert samples is not None
    for step in (-1, 1):
        foot = at = k
        while 0 <= at + step < c.size and c[at + step] <= c[k]:
            at += step
            foot = at if c[at] < c[foot] else foot
        apart = samples[:, k] - samples[:, foot]
        if c[k] - c[foot] <= _SIGMAS * np.sqrt(len(samples) - 1.0) * apart.std():
            return False
    return True


def _highest(c: NDArray[np.float64], near: int) -> int:
    """The local maximum that is reached uphill from one place."""
    k = near
    while True:
        if k > 1 and c[k - 1] > c[k]:
            k -= 1
        elif k < c.size - 2 and c[k + 1] > c[k]:
            k += 1
        else:
            return k


def _vertex(x: NDArray[np.float64], c: NDArray[np.float64], k: int) -> tuple[float, float]:
    a, b, top = np.polyfit(x[k - 1 : k + 2] - x[k], c[k - 1 : k + 2], 2)
    shift = float(-b / (2 * a)) if a < 0 else 0.0
    return float(x[k]) + shift, float(top + b * shift + a * shift**2)


def _times(tau: ArrayLike) -> NDArray[np.float64]:
    given = np.atleast_1d(np.asarray(tau, dtype=np.float64))
    if given.ndim != 1 or not np.all(np.isfinite(given)) or np.any(given <= 0) or np.any(np.diff(given) <= 0):
        raise ValueError("tau: expected increasing positive diffusion times")
    return given
