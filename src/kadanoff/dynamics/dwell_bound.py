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

from scipy.optimize import minimize_scalar

__all__ = ["dwell_time_bound", "least_dissipation"]


def least_dissipation(theta: float) -> float:
    """gamma(theta): the least entropy production, in nats for each passage between A and B, of dwell times in A with
    theta = <t^2> / <t>^2.

    Zero from theta = 2 (exponential times) on; 4 (2 - theta) just below it; infinite towards theta = 1, which no
    finite dissipation reaches. Monotone: a smaller spread costs more.

    Raises:
        ValueError: for theta <= 1.
    """
    if not theta > 1:
        raise ValueError(
            f"dwell times with <t^2> / <t>^2 = {theta:g}: no finite dissipation gives 1 or less (all times alike, or a "
            "clock too coarse to tell them apart)"
        )
    power = 2.0 / theta - 1.0
    if power <= 0:
        return 0.0

    def cost(x: float) -> float:  # u = sqrt(P + (1 - P) x): the bracket is (0, 1) whatever P
        square = power + (1.0 - power) * x
        u = math.sqrt(square)
        logarithm = 2.0 * math.log1p(u) - math.log1p(-power) - math.log1p(-x)  # ln((1 + u) / (1 - u))
        return u * logarithm + 2.0 * power * square / ((1.0 - power) * x)

    # log-spaced in both ends: the minimum sits at x ~ P for small P and at 1 - x ~ small for P near 1
    best = minimize_scalar(lambda z: cost(1.0 / (1.0 + math.exp(-z))), bounds=(-60.0, 34.0), method="bounded",
                           options={"xatol": 1e-10})  # fmt: skip
    return float(best.fun)


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
    return 2.0 * least_dissipation(second_moment / mean**2) / (mean + other_mean)
