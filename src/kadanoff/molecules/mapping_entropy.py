"""Mapping entropy: the information about the atoms that the positions of the beads no longer hold, in nats.

A linear map M takes n atoms r to N beads R = M r, M's rows adding up to one. Given only R, the honest guess of the
atoms is a smear: their density p is replaced by q(r), which has the same density of the beads and, for given beads,
spreads as the ideal gas does. The mapping entropy is the relative entropy between the two,

    S_map = int p ln(p / q) dr = H(R) - H(r) + ln(volume of the atoms that share one R) >= 0,         (1)

with the differential entropies H of beads and atoms and, in a volume V in d dimensions, V^(n - N) atoms for each R
(Rudzinski & Noid, J. Chem. Phys. 135, 214101, 2011; Foley, Shell, Noid, J. Chem. Phys. 143, 243104, 2015). No potential
between the beads, however good, wins it back.

Gaussian systems (elastic networks) have H = ln det(2 pi e C) / 2 with their covariance C, and (1) is exact:
`mapping_entropy`. The smear over a volume V is then only defined while V is larger than the fluctuations; another one,
defined always, spreads atoms as a Gaussian ideal gas bound to its place with the variance a^2 (an Einstein crystal):
`relative_information`. It is a relative entropy between two Gaussians for any a, so that losses are never negative and
add up along maps, and as a grows it goes over into (1).

Fluids are not Gaussian. There (1) is bounded: `internal_entropy_bound`, `orientation_entropy_bound`.
"""

from __future__ import annotations

from math import log, pi

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import null_space
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from kadanoff.estimates import Estimate, bootstrap_samples, mean
from kadanoff.maps import Map
from kadanoff.molecules.frames import Frames

__all__ = [
    "internal_entropy_bound",
    "mapping_entropy",
    "mean_matrix",
    "neighbour_axes",
    "orientation_entropy_bound",
    "relative_information",
]

Array = NDArray[np.float64]


def mean_matrix(mapping: Map) -> Array:
    """The matrix (N, n) of ``mapping.mean`` : rows are the weights of the atoms in each bead and add up to one."""
    return np.asarray(mapping.mean(np.eye(mapping.membership.shape[1])))


def mapping_entropy(
    covariance: ArrayLike, mapping: ArrayLike | Map, *, length: float, dimensions: int = 3, floating: bool = False
) -> Estimate:
    """Mapping entropy of a Gaussian system, exact, in nats (equation 1).

        S_map = (d/2) [ln det(M C M^T) - ln det C - (n - N) ln(2 pi e)] + d (n - N) ln(length)

    It adds up along maps, S(M2 M1 | C) = S(M1 | C) + S(M2 | M1 C M1^T), and is zero for a permutation or no map at all.
    It is negative only where ``length`` is too short for the system to be thought of as inside it.

    Arguments:
        covariance: (n, n) of the atoms along one of d alike, independent directions (a Gaussian network), nm^2; or
            (3 n, 3 n), atom by atom, for a network that is not isotropic (dimensions = 3 then).
        mapping: (N, n) matrix with rows that add up to one, or a `Map`, whose mean is meant.
        length: V^(1/d) of the volume over which the smear spreads, nm.
        dimensions: d.
        floating: the covariance is that of a free body about its centre, singular for a common shift of all atoms. The
            beads keep that shift, so its variance, however large, drops out; it is put back here. Rotations of a free
            body in (3 n, 3 n) are not put back: pin the body, or give it a harmonic hold.

    Raises ValueError for a covariance that is not symmetric and positive definite, and shapes that do not fit.
    """
    c, m, copies, shifts = _gaussian(covariance, mapping, dimensions, floating)
    if not length > 0:
        raise ValueError(f"the length of the volume must be positive, not {length} nm")
    dropped = m.shape[1] - m.shape[0]
    coarse = _log_det(m @ c @ m.T, None if shifts is None else m @ shifts)
    value = 0.5 * (coarse - _log_det(c, shifts) - dropped * log(2 * pi * np.e)) + dropped * log(length)
    return Estimate.exact(copies * value, "nat")


def relative_information(
    covariance: ArrayLike, mapping: ArrayLike | Map, *, spread: float | ArrayLike, dimensions: int = 3
) -> Estimate:
    """Information that a map loses about a Gaussian system beside a Gaussian ideal gas, exact, in nats; never negative.

        S = D(C | Q) - D(M C M^T | M Q M^T),     D(A | B) = (d/2) [ln det B - ln det A + tr(B^-1 A) - n]

    with D the relative entropy of two Gaussians of one centre, and Q = ``spread``^2 (or a matrix) the covariance of the
    gas. The first term is all that the system's order is worth, the second what of it the beads can tell: no map can
    raise a relative entropy (data processing), hence S >= 0, and S adds up along maps. It is the relative entropy of
    the system and the smear that has the beads' own density and, for given beads, spreads as the gas does.

    Arguments: as `mapping_entropy`; ``spread``: (n, n) or (3 n, 3 n) covariance in nm^2, or one standard deviation in
    nm for independent atoms. Raises ValueError likewise.
    """
    c, m, copies, _ = _gaussian(covariance, mapping, dimensions, floating=False)
    given = np.asarray(spread, dtype=np.float64)
    q = float(given) ** 2 * np.eye(len(c)) if given.ndim == 0 else given
    if q.shape != c.shape or not np.all(np.linalg.eigvalsh(0.5 * (q + q.T)) > 0):
        raise ValueError(f"spread must be positive: a number, or a covariance of shape {c.shape}")
    return Estimate.exact(copies * (_divergence(c, q) - _divergence(m @ c @ m.T, m @ q @ m.T)), "nat")


def internal_entropy_bound(positions: ArrayLike, weights: ArrayLike, *, blocks: int = 20, seed: int = 0) -> Estimate:
    """Upper bound on the entropy that a molecule's bead loses, from second moments, in nats (lengths in nm).

        (H(r) - H(R)) / N <= (1/2) ln det(2 pi e Y) - 3 ln w_1,     Y: covariance of (r_2 - R, ..., r_k - R)

    where atom 1 is the one left out (any gives the same). Three steps, each of which can only raise the entropy: the
    inner coordinates are taken without what the beads tell of them, one molecule without the others, and a Gaussian in
    place of their distribution, which has the most entropy at a given covariance. Equality holds for independent
    molecules with Gaussian inner coordinates that do not depend on where the beads are. So the mapping entropy
    (equation 1) in a box of edge L is at least

        S_map / N >= 3 (k - 1) ln L - bound.

    It holds for like molecules in any state and is useful for flexible ones, close to Gaussian; for rigid molecules it
    is true and empty (their H(r) is minus infinity): see `orientation_entropy_bound`.

    Arguments:
        positions: (f, N, k, 3) nm, atoms of whole molecules, in time order.
        weights: (k,) of the atoms in the bead, positive; they are divided by their sum.
        blocks, seed: of the bootstrap over blocks of time for the error. The logarithm makes the value too low by
            about p (p + 1) / (2 n) for n independent molecules and p = 3 (k - 1), far below the error as a rule.

    Raises ValueError for one atom only, shapes that do not fit, too few frames, or inner coordinates in a plane.
    """
    r, w = np.asarray(positions, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if r.ndim != 4 or r.shape[3] != 3 or r.shape[2] < 2 or w.shape != (r.shape[2],):
        raise ValueError(f"need positions (f, N, k, 3) and weights (k,), k >= 2, not {r.shape} and {w.shape}")
    if not np.all(w > 0) or not np.all(np.isfinite(r)):
        raise ValueError("weights must be positive and positions finite")
    if len(r) < blocks:
        raise ValueError(f"{len(r)} frames are fewer than {blocks} blocks")
    w = w / w.sum()
    inner = (r - np.einsum("k,fnkd->fnd", w, r)[:, :, None])[:, :, 1:].reshape(len(r), r.shape[1], -1)
    moments = np.stack([_moments(part.reshape(-1, inner.shape[2])) for part in np.array_split(inner, blocks)])

    def bound(parts: Array) -> float:
        total = parts.sum(axis=0)
        average = total[0, 1:] / total[0, 0]
        covariance = total[1:, 1:] / total[0, 0] - np.outer(average, average)
        return 0.5 * (_log_det(covariance) + len(covariance) * log(2 * pi * np.e)) - 3.0 * log(w[0])

    error = float(np.std(bootstrap_samples(bound, moments, resamples=200, seed=seed), ddof=1))
    return Estimate(bound(moments), error * (blocks / (blocks - 1)) ** 0.5, blocks, "nat", "bootstrap over blocks")


def orientation_entropy_bound(axes: ArrayLike) -> Estimate:
    """Upper bound on the entropy of the direction of a molecule's axis, in nats; without any order it is ln(4 pi).

        h <= ln Z(l) - l . <t(u)>,     Z = int exp(l . t(u)) du,     t: the 3 first and 5 second moments of u

    for every l; the best one makes it the entropy of the Fisher-Bingham distribution, which has the most at given mean
    and second moments, as a Gaussian has in flat space. l is fitted to one half of the frames and held against the
    other, so that no fit to noise lowers the bound, then the other way round.

    With the axes seen from a frame that the beads define (`neighbour_axes`), this bounds the entropy of the direction
    given all beads, hence from below what a bead that has no direction loses: for rigid molecules, with the smear that
    turns each freely about its bead,

        S_map / N >= ln(4 pi) - bound.

    The bound leaves out the turn about the axis itself, the relations between molecules, and all that the chosen frame
    does not see; each of them could only make the loss larger.

    ``axes`` (f, N, 3): unit vectors, frames in time order, 8 at least. Raises ValueError for other shapes or lengths.
    """
    u = np.asarray(axes, dtype=np.float64)
    if u.ndim != 3 or u.shape[2] != 3 or len(u) < 8:
        raise ValueError(f"axes must have the shape (frames, molecules, 3) with 8 frames or more, not {u.shape}")
    if not np.allclose(np.linalg.norm(u, axis=2), 1.0, atol=1e-4):
        raise ValueError("axes must be unit vectors")
    nodes, logarithm = _sphere()
    at = _features(nodes)
    seen = _features(u).mean(axis=1)  # one row a frame
    halves = [seen[: len(seen) // 2], seen[len(seen) // 2 :]]
    found = []
    for fitted, judged in (halves, halves[::-1]):
        goal = fitted.mean(axis=0)

        def dual(at_hand: Array, goal: Array = goal) -> tuple[float, Array]:
            exponent = at @ at_hand + logarithm
            size = float(logsumexp(exponent))
            return size - float(at_hand @ goal), np.exp(exponent - size) @ at - goal

        best = minimize(dual, np.zeros(at.shape[1]), jac=True, method="BFGS").x
        # whatever the minimiser found, any l gives a bound
        found.append(float(logsumexp(at @ best + logarithm)) - judged @ best)
    one, two = (mean(part) for part in found)
    error = 0.5 * float(np.hypot(one.error or 0.0, two.error or 0.0))
    return Estimate(0.5 * (one.value + two.value), error, None, "nat", "blocked autocorrelation, in two halves")


def neighbour_axes(frames: Frames) -> Array:
    """A frame of axes at every bead that its two nearest neighbours define, (f, n, 3, 3), rows x, y, z.

    z points to the nearest bead, x lies in the plane of the two, on the side of the second, and y = z x x. Directions
    of molecules in it are ``np.einsum("fnij,fnj->fni", axes, directions)``. Raises ValueError for fewer than three
    beads.
    """
    number = len(frames.beads)
    if number < 3:
        raise ValueError(f"axes need two neighbours; there are {number} beads")
    found = np.empty((len(frames), number, 3, 3))
    for k, (positions, box) in enumerate(zip(frames.positions, frames.box, strict=True)):
        x = np.asarray(positions, dtype=np.float64) % box
        x[x >= box] = 0.0
        _, near = cKDTree(x, boxsize=box).query(x, k=3)
        to = x[near[:, 1:]] - x[:, None]
        to -= box * np.round(to / box)
        z = to[:, 0] / np.linalg.norm(to[:, 0], axis=1, keepdims=True)
        side = to[:, 1] - np.sum(to[:, 1] * z, axis=1, keepdims=True) * z
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        found[k] = np.stack([side, np.cross(z, side), z], axis=1)
    return found


def _gaussian(
    covariance: ArrayLike, mapping: ArrayLike | Map, dimensions: int, floating: bool
) -> tuple[Array, Array, float, Array | None]:
    """Covariance and map of equal size, by how much to multiply, and the common shifts (size, k) where they float."""
    m = mean_matrix(mapping) if isinstance(mapping, Map) else np.asarray(mapping, dtype=np.float64)
    c = np.asarray(covariance, dtype=np.float64)
    if m.ndim != 2 or c.ndim != 2 or c.shape[0] != c.shape[1] or len(c) not in (m.shape[1], 3 * m.shape[1]):
        raise ValueError(f"a map {m.shape} needs a covariance of {m.shape[1]} or 3 x {m.shape[1]} rows, not {c.shape}")
    if not np.allclose(m.sum(axis=1), 1.0, rtol=0, atol=1e-9):
        raise ValueError("the rows of the map must add up to one: beads are averages of atoms")
    if np.linalg.matrix_rank(m) < len(m):
        raise ValueError("two beads of the map are the same, or one follows from others: it has no density")
    if dimensions < 1:
        raise ValueError(f"dimensions must be 1 or more, not {dimensions}")
    copies = float(dimensions)
    shifts = np.ones((m.shape[1], 1))
    if len(c) != m.shape[1]:
        m, copies, shifts = (np.asarray(np.kron(m, np.eye(3))), 1.0, np.asarray(np.kron(shifts, np.eye(3))))
    if not np.allclose(c, c.T, rtol=1e-9, atol=1e-12 * np.abs(c).max()):
        raise ValueError("the covariance is not symmetric")
    basis = null_space(shifts.T) if floating else np.eye(len(c))
    least = np.linalg.eigvalsh(basis.T @ c @ basis)
    if not least[0] > 1e-12 * least[-1]:
        raise ValueError(
            f"the covariance is singular (eigenvalues from {least[0]:.3g} to {least[-1]:.3g}): some motion costs "
            f"nothing "
            "or is forbidden. A free body needs floating=True, and a hold against rotation; constraints are no "
            "Gaussians"
        )
    return c, m, copies, shifts if floating else None


def _log_det(matrix: Array, shifts: Array | None = None) -> float:
    """ln det A; with ``shifts`` B, the ln of what multiplies t^k in det(A + t B B^T): of the bordered determinant."""
    if shifts is not None:
        matrix = np.block([[matrix, shifts], [shifts.T, np.zeros((shifts.shape[1],) * 2)]])
    sign, value = np.linalg.slogdet(matrix)
    if sign == 0 or (shifts is None and sign < 0):
        raise ValueError("a covariance is singular: coordinates that lie in a plane have no density, and no entropy")
    return float(value)


def _divergence(a: Array, b: Array) -> float:
    """Relative entropy of two Gaussians of one centre with covariances a and b, nats."""
    return 0.5 * (_log_det(b) - _log_det(a) + float(np.trace(np.linalg.solve(b, a))) - len(a))


def _moments(values: Array) -> Array:
    """Number, sums and sums of products of values (n, p), as one symmetric matrix (p + 1, p + 1)."""
    padded = np.column_stack([np.ones(len(values)), values])
    return np.asarray(padded.T @ padded)


def _sphere(polar: int = 32) -> tuple[Array, Array]:
    """Nodes (q, 3) on the unit sphere and the logarithm of their areas (q,), exact for polynomials to degree 60."""
    cosine, weight = np.polynomial.legendre.leggauss(polar)
    angle = 2 * pi * np.arange(2 * polar) / (2 * polar)
    sine = np.sqrt(1.0 - cosine**2)
    nodes = np.stack([np.outer(sine, np.cos(angle)), np.outer(sine, np.sin(angle)),
                      np.repeat(cosine[:, None], 2 * polar, axis=1)], axis=-1)  # fmt: skip
    areas = np.repeat((weight * pi / polar)[:, None], 2 * polar, axis=1)
    return nodes.reshape(-1, 3), np.log(areas.ravel())


def _features(u: Array) -> Array:
    """The 3 first and 5 second moments (..., 8) of directions (..., 3)."""
    x, y, z = np.moveaxis(u, -1, 0)
    return np.stack([x, y, z, x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1.0], axis=-1)
