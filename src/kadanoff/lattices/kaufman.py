"""The Ising model on a square torus in closed form, at any coupling K = J/kT > 0: free energy, energy, entropy.

Z of m rows and n columns (Kaufman, 1949, eq. 39), cosh g_r = cosh 2K coth 2K - cos(pi r / n), g_0 = 2K + ln tanh K:

    Z = (2 sinh 2K)^(mn/2) / 2 [prod 2 cosh(m g_{2r+1}/2) + prod 2 sinh(m g_{2r+1}/2)
                               + prod 2 cosh(m g_{2r}/2) + prod 2 sinh(m g_{2r}/2)],   r = 0 ... n - 1.

The energy is its derivative, taken term by term (no differences). The infinite lattice is Onsager's (1944).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ellipkm1

__all__ = [
    "CRITICAL_COUPLING",
    "infinite_energy",
    "infinite_entropy",
    "infinite_log_partition",
    "infinite_magnetisation",
    "log_partition",
    "torus_energy",
    "torus_entropy",
]

CRITICAL_COUPLING = math.log1p(math.sqrt(2.0)) / 2  # of the infinite square lattice


def log_partition(coupling: float, shape: tuple[int, int]) -> float:
    """ln Z of the Ising torus of ``shape`` (rows, columns), in closed form. Raises ValueError for K <= 0."""
    return _torus(coupling, shape)[0]


def torus_energy(coupling: float, shape: tuple[int, int]) -> float:
    """Energy per spin in units of J, -(d ln Z / dK) / (rows columns). Raises ValueError for K <= 0."""
    return -_torus(coupling, shape)[1] / math.prod(shape)


def torus_entropy(coupling: float, shape: tuple[int, int]) -> float:
    """Entropy per spin in nats, (ln Z - K d ln Z / dK) / (rows columns). Raises ValueError for K <= 0."""
    log_z, slope = _torus(coupling, shape)
    return (log_z - coupling * slope) / math.prod(shape)


def infinite_log_partition(coupling: float) -> float:
    """ln Z per spin of the infinite lattice: ln(2 sinh 2K) / 2 + int_0^pi g(x) dx / 2 pi (Onsager, 1944, eq. 106)."""
    _require_positive(coupling)
    c = math.cosh(2 * coupling) / math.tanh(2 * coupling)
    integral = quad(lambda x: math.acosh(max(c - math.cos(x), 1.0)), 0.0, math.pi, epsabs=1e-13, epsrel=1e-13)[0]
    return math.log(2 * math.sinh(2 * coupling)) / 2 + float(integral) / (2 * math.pi)


def infinite_energy(coupling: float) -> float:
    """Energy per spin in J (Onsager, 1944): -coth 2K [1 + (2 / pi) (2 tanh^2 2K - 1) K(k)], k = 2 sinh 2K / cosh^2 2K.

    K(k) is the complete elliptic integral of the first kind.
    """
    _require_positive(coupling)
    t = math.tanh(2 * coupling)
    gap = 2 * t * t - 1  # its square is 1 - k^2
    elliptic = 0.0 if gap == 0 else gap * float(ellipkm1(gap * gap))
    return -(1 + 2 / math.pi * elliptic) / t


def infinite_entropy(coupling: float) -> float:
    """Entropy per spin of the infinite lattice in nats, ln Z + K energy; 0.306470 at the critical coupling."""
    return infinite_log_partition(coupling) + coupling * infinite_energy(coupling)


def infinite_magnetisation(coupling: float) -> float:
    """Spontaneous magnetisation (1 - sinh^-4 2K)^(1/8), 0 up to the critical coupling (Yang, 1952)."""
    _require_positive(coupling)
    return float(max(0.0, 1 - math.sinh(2 * coupling) ** -4) ** 0.125)


def _require_positive(coupling: float) -> None:
    if not coupling > 0:
        raise ValueError(f"the closed form needs K > 0, not {coupling}")


def _torus(coupling: float, shape: tuple[int, int]) -> tuple[float, float]:
    """ln Z and d ln Z / dK."""
    _require_positive(coupling)
    m, n = shape
    sinh, cosh = math.sinh(2 * coupling), math.cosh(2 * coupling)
    gamma = np.arccosh(np.maximum(cosh * cosh / sinh - np.cos(np.pi * np.arange(2 * n) / n), 1.0))
    gamma[0] = 2 * coupling + math.log(math.tanh(coupling))
    slope = np.empty(2 * n)
    slope[1:] = 2 * cosh * (1 - sinh**-2) / np.sinh(gamma[1:])
    slope[0] = 2 + 2 / sinh
    terms = []  # (logarithm, value and derivative over its exponential) of the four products
    for parity in (1, 0):
        x, dx = m * gamma[parity::2] / 2, m * slope[parity::2] / 2
        terms.append((_log_sum(x), 1.0, float(np.sum(dx * np.tanh(x)))))
        # x_0 passes through zero at the critical coupling: its factor is kept apart
        rest, change = _log_sum(x[1:], -1), float(np.sum(dx[1:] / np.tanh(x[1:])))
        low, high = math.exp(-abs(x[0])), abs(x[0])
        value = math.copysign(1 - low * low, x[0])
        terms.append((rest + high, value, (1 + low * low) * dx[0] + value * change))
    top = max(log for log, _, _ in terms)
    total = sum(math.exp(log - top) * value for log, value, _ in terms)
    tilt = sum(math.exp(log - top) * change for log, _, change in terms)
    log_z = m * n / 2 * math.log(2 * sinh) - math.log(2) + top + math.log(total)
    return log_z, m * n * cosh / sinh + tilt / total


def _log_sum(x: NDArray[np.float64], sign: int = 1) -> float:
    """ln prod 2 cosh x, or of 2 sinh x for x > 0."""
    return float(np.sum(np.abs(x) + np.log1p(sign * np.exp(-2 * np.abs(x)))))
