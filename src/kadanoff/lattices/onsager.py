"""Exact free energies of infinite two-dimensional lattices, to hold tensor renormalization against."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad

__all__ = [
    "ISING_CRITICAL",
    "gaussian_log_partition",
    "ising_log_partition",
    "potts_critical_coupling",
    "potts_critical_log_partition",
]

ISING_CRITICAL = math.log1p(math.sqrt(2.0)) / 2
"""K_c of the Ising model on the square lattice (Kramers and Wannier, 1941)."""


def ising_log_partition(coupling: float) -> float:
    """ln Z / N in nats of the Ising model on the infinite square lattice, for any K >= 0.

    ln Z / N = ln(2 cosh 2K) + (1/pi) int_0^(pi/2) ln[(1 + sqrt(1 - k^2 sin^2 t)) / 2] dt,  k = 2 sinh 2K / cosh^2 2K.

    Source: L. Onsager, Phys. Rev. 65, 117 (1944), eq. 109b.
    """
    if not 0 <= coupling < 300:
        raise ValueError(f"K = J/kT of a ferromagnet, from 0 to 300, not {coupling}")
    # 1 - k^2 sin^2 t = cos^2 t + (1 - k^2) sin^2 t, and 1 - k^2 is a square: no digits are lost near K_c
    rest = (math.tanh(2 * coupling) ** 2 - 1 / math.cosh(2 * coupling) ** 2) ** 2

    def integrand(t: float) -> float:
        return math.log((1 + math.hypot(math.cos(t), math.sqrt(rest) * math.sin(t))) / 2)

    near = math.pi / 2 - min(math.sqrt(rest), 1.0)  # where the square root bends, close to the critical point
    value = sum(
        quad(integrand, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0] for a, b in ((0.0, near), (near, math.pi / 2))
    )
    return math.log(2 * math.cosh(2 * coupling)) + float(value) / math.pi


def potts_critical_coupling(states: int) -> float:
    """K_c = ln(1 + sqrt q), weights exp(K delta), by duality on the square lattice (Potts, 1952)."""
    return math.log1p(math.sqrt(states))


def potts_critical_log_partition(states: int) -> float:
    """ln Z / N in nats of the q = 2 or 3 Potts model, weights exp(K delta), at K_c on the infinite square lattice.

    ln Z / N = (1/2) ln q + int_0^inf (2 / x) tanh(m x) sinh((pi - m) x) / sinh(pi x) dx,    2 cos m = sqrt q.

    Source: R. J. Baxter, J. Phys. C 6, L445 (1973).
    """
    if states not in (2, 3):
        raise ValueError(f"Baxter's integral is here for q = 2 and 3, not {states}")
    m = math.acos(math.sqrt(states) / 2)

    def integrand(x: float) -> float:
        if x < 1e-8:
            return 2 * m * (math.pi - m) / math.pi
        ratio = math.exp(-m * x) * math.expm1(-2 * (math.pi - m) * x) / math.expm1(-2 * math.pi * x)
        return 2 / x * math.tanh(m * x) * ratio

    return 0.5 * math.log(states) + float(quad(integrand, 0, np.inf, epsabs=1e-13, epsrel=1e-13, limit=400)[0])


def gaussian_log_partition(mass_squared: float) -> float:
    """ln Z / N in nats of the free field, S = sum [(1/2) (d phi)^2 + (1/2) m^2 phi^2], infinite square lattice.

    ln Z / N = -(1/2) int d^2k / (2 pi)^2 ln[(m^2 + 4 - 2 cos k_1 - 2 cos k_2) / 2 pi], one of the two in closed form.
    """
    if not mass_squared > 0:
        raise ValueError(f"the free field needs m^2 > 0, not {mass_squared}")

    def integrand(k: float) -> float:
        a = mass_squared + 4 - 2 * math.cos(k)
        return math.log((a + math.sqrt(a * a - 4)) / 2)  # mean of ln(a - 2 cos k_2) over k_2

    return 0.5 * math.log(2 * math.pi) - 0.5 * float(quad(integrand, 0, math.pi, epsabs=1e-13)[0]) / math.pi
