"""Functional renormalization in the local-potential approximation, with the optimised regulator.

The effective potential u(rho), rho = phi^2 / 2, of an O(N) field in d dimensions flows as (Litim, 2001, 2002)

    du/dt = -d u + (d - 2) rho u' + 1/N 1 / (1 + u' + 2 rho u'') + (1 - 1/N) / (1 + u'),      t = ln k,

in units that absorb the constant of the momentum integral, u and rho per component (both divided by N), so that N =
infinity, which is exactly solvable with nu = 1 / (d - 2), is a value as any other. The potential is expanded about its
minimum rho0, u'(rho0) = 0, as sum_m a_m (rho - rho0)^m up to m = n: the couplings are (rho0, a_2, ..., a_n). The field
itself is not renormalized: eta = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz

from kadanoff.lattices.flows import FixedPoint, Flow, fixed_points

__all__ = ["PotentialFixedPoint", "local_potential_flow", "truncation_ladder"]

Array = NDArray[np.float64]


def local_potential_flow(n: int, dimension: float = 3.0, components: float = 1.0) -> Flow:
    """The flow towards long lengths (l = -t) of rho0, a_2, ..., a_n, with its exact derivatives.

    All series are cut after (rho - rho0)^n, so that a_{n+1} = a_{n+2} = 0. Potentials with rho0 <= 0 or a_2 <= 0 are
    not allowed: they have no minimum at rho0.

    Arguments:
        n: highest power kept, n >= 2; the flow has n couplings.
        dimension: d, 2 < d < 4 for a Wilson-Fisher fixed point.
        components: N > 0; ``math.inf`` for the exactly solvable limit.

    Raises:
        ValueError: for n < 2, d <= 2 or N <= 0.
    """
    if n < 2:
        raise ValueError(f"a minimum needs powers up to 2 at least, not {n}")
    if not dimension > 2:
        raise ValueError(f"this truncation (eta = 0) is for d above 2, not {dimension}")
    if not components > 0:
        raise ValueError(f"O(N) with N above 0, not {components}")
    radial = 1.0 / float(components)
    factor = np.arange(3, n + 2, dtype=np.float64)  # d rho^m / d rho0 = m rho^{m-1}

    def times_rho(series: Array, rho0: float) -> Array:
        shifted = np.zeros_like(series)
        shifted[..., 1:] = series[..., :-1]
        return rho0 * series + shifted

    def potential(couplings: Array) -> tuple[float, Array, Array, Array]:
        """rho0 and the series of u (one power more than is kept), u' and u''."""
        u = np.zeros(n + 2)
        u[2 : n + 1] = couplings[1:]
        slope = _derivative(u)
        return float(couplings[0]), u, slope[: n + 1], _derivative(slope)[: n + 1]

    def rate(couplings: Array) -> Array:
        """du/dt at fixed rho, to the power n."""
        rho0, u, slope, curve = potential(couplings)
        change = -dimension * u[: n + 1] + (dimension - 2) * times_rho(slope, rho0)
        change += radial * _reciprocal(slope + 2 * times_rho(curve, rho0))
        if radial < 1:
            change += (1 - radial) * _reciprocal(slope)
        return np.asarray(change)

    def rates(couplings: Array) -> Array:
        """Derivatives of `rate` with rho0 (where it stands by itself, the powers fixed), a_2, ..., a_n: (n, n + 1)."""
        rho0, _, slope, curve = potential(couplings)
        basis = np.zeros((n, n + 2))
        basis[np.arange(1, n), np.arange(2, n + 1)] = 1.0
        slopes = _derivative(basis)
        curves = _derivative(slopes)[:, : n + 1]
        slopes = slopes[:, : n + 1]
        change = -dimension * basis[:, : n + 1] + (dimension - 2) * times_rho(slopes, rho0)
        change[0] += (dimension - 2) * slope
        widths = slopes + 2 * times_rho(curves, rho0)
        widths[0] += 2 * curve
        change -= radial * widths @ _squared(_reciprocal(slope + 2 * times_rho(curve, rho0)))
        if radial < 1:
            change -= (1 - radial) * slopes @ _squared(_reciprocal(slope))
        return np.asarray(change)

    def velocity(couplings: Array) -> Array:
        change, above = rate(couplings), np.append(couplings[2:], 0.0)  # a_3, ..., a_{n+1} = 0
        moved = -change[1] / (2 * couplings[1])  # drho0/dt: the minimum stays a minimum
        return -np.concatenate([[moved], change[2:] + factor * above * moved])

    def jacobian(couplings: Array) -> Array:
        change, changes, above = rate(couplings), rates(couplings), np.append(couplings[2:], 0.0)
        moved = -change[1] / (2 * couplings[1])
        moves = -changes[:, 1] / (2 * couplings[1])
        moves[1] += change[1] / (2 * couplings[1] ** 2)
        matrix = np.vstack([moves, changes[:, 2:].T + (factor * above)[:, None] * moves])
        matrix[np.arange(1, n - 1), np.arange(2, n)] += moved * factor[:-1]
        return -matrix

    names = ("rho0", *(f"a{m}" for m in range(2, n + 1)))
    return Flow(names, velocity, None, jacobian, allowed=lambda point: bool(point[0] > 0 and point[1] > 0))


def _derivative(series: Array) -> Array:
    """Power series differentiated, along the last axis, same length."""
    length = series.shape[-1]
    out = np.zeros_like(series)
    out[..., :-1] = series[..., 1:] * np.arange(1, length)
    return out


def _reciprocal(series: Array) -> Array:
    """1 / (1 + series), to the same length."""
    out = np.zeros_like(series)
    out[0] = 1.0 / (1.0 + series[0])
    for m in range(1, len(series)):
        out[m] = -out[0] * np.dot(series[1 : m + 1], out[m - 1 :: -1])
    return out


def _squared(series: Array) -> Array:
    """The matrix that multiplies series, as rows, by the square of this one."""
    return np.asarray(toeplitz(np.convolve(series, series)[: len(series)], np.zeros(len(series))).T)


@dataclass(frozen=True, eq=False)
class PotentialFixedPoint:
    """The Wilson-Fisher fixed point at one truncation: ``n``, ``point`` (exponents y = 1/nu, -omega, ...), and how many
    other roots the search met at that n and refused (``spurious``: not one relevant direction, or far from the root of
    the truncation before; ``failed``: no root at all)."""

    n: int
    point: FixedPoint
    spurious: int
    failed: int

    @property
    def nu(self) -> float:
        """1 / y of the one relevant direction."""
        return self.point.nu

    @property
    def omega(self) -> float:
        """-y of the slowest irrelevant direction; a real number, or ValueError."""
        return -self.point.exponent(1)

    @property
    def rho0(self) -> float:
        """Position of the minimum, rho per component."""
        return float(self.point.couplings[0])


def truncation_ladder(
    orders: Sequence[int] = (4, 6, 8, 10, 12, 14),
    dimension: float = 3.0,
    components: float = 1.0,
    *,
    elsewhere: bool = False,
) -> tuple[PotentialFixedPoint, ...]:
    """The Wilson-Fisher fixed point, n = 2 to the largest order, each started from the one before.

    A truncated potential has more roots the higher it is cut. Kept is the one with a single relevant direction that
    continues the truncation before (rho0 within 10 % from n = 5 on).

    Arguments:
        orders: which n to return, each at least 2.
        dimension, components: as `local_potential_flow`.
        elsewhere: search from other starts, too, and count the roots found there as spurious.

    Raises:
        ValueError: where a truncation has no such root, or two.

    Litim, Nucl. Phys. B 631, 128 (2002): nu = 0.649562 for d = 3, N = 1.
    """
    wanted = sorted(set(orders))
    if not wanted or wanted[0] < 2:
        raise ValueError(f"truncations from n = 2 on, not {orders}")
    kept: list[PotentialFixedPoint] = []
    last: Array | None = None
    for n in range(2, wanted[-1] + 1):
        search = fixed_points(
            local_potential_flow(n, dimension, components), _starts(n, last, elsewhere), tolerance=1e-9
        )
        good = [point for point in search.found if len(point.relevant) == 1 and (n < 5 or _continues(point, last))]
        if len(good) != 1:
            raise ValueError(
                f"n = {n}, d = {dimension:g}, N = {components:g}: {len(good)} Wilson-Fisher fixed points (one relevant "
                f"direction, close to that of n = {n - 1}) among {len(search.found)} roots"
            )
        last = good[0].couplings
        if n in wanted:
            kept.append(PotentialFixedPoint(n, good[0], len(search.found) - 1, len(search.rejected)))
    return tuple(kept)


def _starts(n: int, last: Array | None, elsewhere: bool) -> list[Array]:
    if last is None:
        return [np.array([rho0, a2]) for rho0 in (0.5, 1.0, 2.0) for a2 in (0.02, 0.1, 0.3)]
    starts = [np.append(last, 0.0)]
    if elsewhere or n < 5:  # low truncations are far from one another
        starts += [np.concatenate([[rho0, a2], np.zeros(n - 2)]) for rho0 in (0.5, 1.0, 2.0, 3.0) for a2 in (0.05, 0.2)]
    return starts


def _continues(point: FixedPoint, last: Array | None) -> bool:
    return last is not None and bool(abs(point.couplings[0] - last[0]) < 0.1 * last[0])
