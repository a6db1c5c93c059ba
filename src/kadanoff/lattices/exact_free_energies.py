"""Exact free energies of the critical Potts model and the free field on the infinite square lattice.

Those of the Ising model, finite and infinite, are in `kaufman`.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import quad

__all__ = [
    "gaussian_log_partition",
    "potts_critical_coupling",
    "potts_critical_log_partition",
]


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
