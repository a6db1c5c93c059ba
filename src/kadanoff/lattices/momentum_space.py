"""Momentum-space renormalization of the O(N) model near four dimensions: the epsilon expansion to second order.

phi^4 with u / 4! in units of (4 pi)^2, d = 4 - eps, minimal subtraction, l = ln b (Wilson and Fisher, 1972; Brezin, Le
Guillou, Zinn-Justin and Nickel, 1973):

    du/dl = eps u - (N + 8)/3 u^2 + (3 N + 14)/3 u^3
    dr/dl = (2 - (N + 2)/3 u + 5 (N + 2)/18 u^2) r
    eta   = (N + 2)/18 u^2

Everything here is an asymptotic series in eps, and only the order to which it is expanded is meant. Taken literally at
eps = 1 and N = 1 the second-order flow has no fixed point at all (the two roots have become complex): exponents come
from the expansion, not from the zeros of the truncated flow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kadanoff.lattices.flows import Flow

__all__ = ["EpsilonSeries", "epsilon_flow", "epsilon_series", "largest_epsilon"]

Array = NDArray[np.float64]


def epsilon_flow(epsilon: float, components: float = 1, order: int = 2) -> Flow:
    """The flow of (r, u) in d = 4 - eps to first or second order in u, with its exact derivatives.

    Arguments:
        epsilon: 4 - d.
        components: N of O(N), above -2; 1 is Ising.
        order: 1 or 2, loops kept.

    Raises:
        ValueError: for another order, or N <= -2.
    """
    two, three, mass, mass2 = _coefficients(components, order)

    def velocity(couplings: Array) -> Array:
        r, u = couplings
        return np.array([(2 - mass * u + mass2 * u**2) * r, epsilon * u - two * u**2 + three * u**3])

    def slope(couplings: Array) -> Array:
        r, u = couplings
        return np.array(
            [
                [2 - mass * u + mass2 * u**2, (-mass + 2 * mass2 * u) * r],
                [0.0, epsilon - 2 * two * u + 3 * three * u**2],
            ]
        )

    return Flow(("r", "u"), velocity, None, slope)


def largest_epsilon(components: float = 1) -> float:
    """The eps up to which the second-order flow has its Wilson-Fisher fixed point: (N + 8)^2 / (12 (3 N + 14)).

    27/68 = 0.397 for N = 1, far from the eps = 1 of three dimensions.
    """
    two, three, _, _ = _coefficients(components, 2)
    return two**2 / (4 * three)


@dataclass(frozen=True, eq=False)
class EpsilonSeries:
    """Coefficients of eps^0, eps^1, eps^2 of the Wilson-Fisher fixed point: ``coupling`` u*, ``nu``, ``eta`` (its eps^3
    needs another loop), ``omega``; each (3,). They are the terms of asymptotic series."""

    coupling: Array
    nu: Array
    eta: Array
    omega: Array

    def at(self, name: str, epsilon: float, order: int) -> float:
        """Partial sum of one series, by its name, through ``order`` (0, 1 or 2)."""
        if name not in ("coupling", "nu", "eta", "omega") or order not in (0, 1, 2):
            raise ValueError(
                f'a series ("coupling", "nu", "eta", "omega") and an order 0, 1 or 2, not {name!r}, {order}'
            )
        return float(np.polynomial.polynomial.polyval(epsilon, getattr(self, name)[: order + 1]))


def epsilon_series(components: float = 1) -> EpsilonSeries:
    """u*, nu, eta and omega to second order in eps, expanded from the flow.

    For N = 1: nu = 1/2 + eps/12 + 7 eps^2/162, eta = eps^2/54, omega = eps - 17 eps^2/27.

    Raises ValueError for N <= -2.
    """
    two, three, mass, mass2 = _coefficients(components, 2)
    first, second = 1 / two, three / two**3  # of u*: eps = two u - three u^2
    y = np.array([2.0, -mass * first, mass2 * first**2 - mass * second])
    p, q = y[1] / y[0], y[2] / y[0]
    nu = np.array([1.0, -p, p**2 - q]) / y[0]
    # omega = -(eps - 2 two u + 3 three u^2)
    omega = np.array([0.0, 2 * two * first - 1, 2 * two * second - 3 * three * first**2])
    eta = np.array([0.0, 0.0, (components + 2) / 18 * first**2])
    return EpsilonSeries(np.array([0.0, first, second]), nu, eta, omega)


def _coefficients(components: float, order: int) -> tuple[float, float, float, float]:
    """Of u^2 and u^3 in -du/dl and +du/dl, and of u and u^2 in the growth rate of r."""
    if order not in (1, 2):
        raise ValueError(f"the flow is known here to order 1 and 2, not {order}")
    if not (components > -2 and math.isfinite(components)):
        raise ValueError(f"O(N) with N above -2 and finite, not {components}")
    second = order - 1
    return (
        (components + 8) / 3,
        second * (3 * components + 14) / 3,
        (components + 2) / 3,
        second * 5 * (components + 2) / 18,
    )
