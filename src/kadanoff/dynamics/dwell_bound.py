"""The entropy production that the spread of dwell times betrays, when only two states are told apart.

Skinner and Dunkel, Physical Review Letters 127, 198101 (2021), bound it by the mean times in A and B and the second
moment of the times in A:

    sigma >= 2 gamma(theta) / (<t_A> + <t_B>),    theta = <t_A^2> / <t_A>^2

and tabulated gamma, the least entropy production of any hidden network with this theta, by searching networks of a few
states. Here it is solved (derived on the documentation's page). In their canonical form let the flows inside A have
conductances c = (n_ij + n_ji) / 2 and currents d = (n_ij - n_ji) / 2; then theta = 2 / (1 + P), where P is the power
that the net exchange with B dissipates in this resistor network. The least cost is a convex problem, solved by two
boundary states that are joined by a line of infinitely many:

    gamma = min_u [ u ln((1 + u) / (1 - u)) + 2 P u^2 / (u^2 - P) ],    P = 2 / theta - 1,  sqrt(P) < u < 1

Its dual, which bounds every network from below, gives the same number:

    2 gamma = max_{0 < a <= 1/4} [ P - max_u ((1 - 2a)^2 u^2 - 2 a^2 u ln((1 + u) / (1 - u))) ] / a^2
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["dwell_time_bound", "least_dissipation"]


def least_dissipation(theta: ArrayLike) -> NDArray[np.float64]:
    """gamma(theta): the least entropy production, in nats for each passage between A and B, of dwell times in A with
    theta = <t^2> / <t>^2.

    Zero from theta = 2 (exponential times) on; 4 (2 - theta) just below it; infinite towards theta = 1, which no
    finite dissipation reaches. Monotone: a smaller spread costs more.

    Arguments:
        theta: one number or an array of them.

    Raises:
        ValueError: for theta <= 1.
    """
    given = np.asarray(theta, dtype=np.float64)
    if not np.all(given > 1):
        raise ValueError(
            f"dwell times with <t^2> / <t>^2 = {given.min():g}: no finite dissipation gives 1 or less (all times "
            "alike, or a clock too coarse to tell them apart)"
        )
    power = np.maximum(2.0 / given - 1.0, 1e-300)

    def cost(z: NDArray[np.float64]) -> NDArray[np.float64]:  # u^2 = P + (1 - P) x, x = 1 / (1 + e^-z)
        x, rest = 1.0 / (1.0 + np.exp(-z)), 1.0 / (1.0 + np.exp(z))
        square = power + (1.0 - power) * x
        u = np.sqrt(square)
        logarithm = 2.0 * np.log1p(u) - np.log1p(-power) - np.log(rest)  # ln((1 + u) / (1 - u))
        return u * logarithm + 2.0 * power * square / ((1.0 - power) * x)

    # golden section, from x ~ P / e^3, since the minimum of small P sits at x ~ P
    low, high = np.log(power) - 3.0, np.full(given.shape, 40.0)
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        falls = cost(left) > cost(right)
        low, high = np.where(falls, left, low), np.where(falls, high, right)
    return np.where(given >= 2.0, 0.0, cost((low + high) / 2))


def dwell_time_bound(mean: float, other_mean: float, second_moment: float) -> float:
    """The bound of Skinner and Dunkel (2021), in nats per unit time: 2 gamma(<t_A^2> / <t_A>^2) / (<t_A> + <t_B>).

    For a stationary Markov process with even variables, seen through a map of its instantaneous state to A or B
    (everything else). Dwell times between milestones or between resolved transitions are other quantities.

    Arguments:
        mean, second_moment: <t_A> and <t_A^2> of the times spent in A, from entering to leaving it.
        other_mean: <t_B> of the times outside A.

    Raises:
        ValueError: for times that are not positive, or <t_A^2> <= <t_A>^2.
    """
    if not (mean > 0 and other_mean > 0 and second_moment > 0):
        raise ValueError(f"dwell times must be positive: <t_A> = {mean:g}, <t_B> = {other_mean:g}")
    return 2.0 * float(least_dissipation(second_moment / mean**2)) / (mean + other_mean)
