"""Renormalization in closed form: decimation of the chain, Migdal-Kadanoff, Niemeijer-van Leeuwen.

Ising weights exp(K sum_<ij> s_i s_j + h sum_i s_i), K = J/kT; Potts weights exp(K sum_<ij> delta(s_i, s_j)), so that
q = 2 is Ising with K / 2.

All couplings in series and in parallel go through the dual, x -> -1/2 ln tanh x (its own inverse; Kramers and Wannier,
1941): duals add in series, couplings add in parallel. That form keeps all digits at any temperature.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from kadanoff.lattices.flows import Flow

__all__ = [
    "chain_entropy",
    "decimation",
    "decimation_in_field",
    "decimation_losses",
    "migdal_kadanoff",
    "migdal_kadanoff_equation",
    "niemeijer_van_leeuwen",
    "second_cumulant",
]

Array = NDArray[np.float64]


def _dual(coupling: float, states: float = 2.0) -> float:
    """Potts dual, e^K* = (e^K + q - 1) / (e^K - 1); nonnegative couplings, 0 and infinity swap."""
    if coupling <= 0:
        return math.inf if coupling == 0 else math.nan
    return math.log1p(states * math.exp(-coupling) / -math.expm1(-coupling))


def _dual_slope(coupling: float, states: float = 2.0) -> float:
    """d dual / dK = -q e^K / ((e^K - 1) (e^K + q - 1))."""
    small = math.exp(-coupling)
    return -states * small / (-math.expm1(-coupling) * (1 + (states - 1) * small))


def _series(coupling: float, bonds: float, states: float) -> tuple[float, float]:
    """The coupling that ``bonds`` equal ones in a row amount to (inner spins summed over), and its derivative."""
    if coupling == 0:
        return 0.0, 0.0
    if coupling < 0:  # Ising: t -> t^b with t odd in K; elsewhere, or between whole numbers of bonds, no meaning
        if states != 2 or bonds != int(bonds):
            return math.nan, math.nan
        total, slope = _series(-coupling, bonds, states)
        return (total, -slope) if bonds % 2 == 0 else (-total, slope)
    dual = _dual(coupling, states)
    if dual == 0.0:  # colder than numbers can tell: infinite coupling in, infinite out
        return math.inf, 1.0
    total = bonds * dual
    return _dual(total, states), bonds * _dual_slope(coupling, states) * _dual_slope(total, states)


def decimation(b: int = 2) -> Flow:
    """The Ising chain with b - 1 of every b spins summed over, exactly: tanh K' = tanh^b K.

    No finite fixed point but K = 0: the chain has no transition. Two steps b are one of b^2. Even b turns an
    antiferromagnet into a ferromagnet. Nelson and Fisher (1975).

    Raises ValueError for b < 2.
    """
    _check_length(b)

    def step(couplings: Array) -> Array:
        return np.array([_series(2 * couplings[0], b, 2.0)[0] / 2])

    def slope(couplings: Array) -> Array:
        return np.array([[_series(2 * couplings[0], b, 2.0)[1]]])

    return Flow(("K",), step, float(b), slope)


def decimation_in_field(b: int = 2) -> Flow:
    """The Ising chain in a field, decimated exactly by its transfer matrix, in the couplings x = e^{-2K} and h.

    T = ((e^h, x), (x, e^{-h})),    M = T^b:    x' = M_{+-} / sqrt(M_{++} M_{--}),    h' = ln(M_{++} / M_{--}) / 2

    x = 0 is zero temperature, where the flow is smooth: the fixed point x = h = 0 has y = 1 twice, so that the
    correlation length grows as e^{2K} and the magnetisation is a step. x = 1 (K = 0) is a line of fixed points, one for
    every h: free spins. Nelson and Fisher (1975).

    Raises ValueError for b < 2.
    """
    _check_length(b)

    def step(couplings: Array) -> Array:
        x, h = couplings
        powered = np.linalg.matrix_power(np.array([[math.exp(h), x], [x, math.exp(-h)]]), b)
        return np.array(
            [powered[0, 1] / math.sqrt(powered[0, 0] * powered[1, 1]), math.log(powered[0, 0] / powered[1, 1]) / 2]
        )

    return Flow(("exp(-2K)", "h"), step, float(b))


def chain_entropy(coupling: float, field: float = 0.0) -> float:
    """Entropy per spin of the infinite Ising chain, in nats: the entropy rate of the Markov chain that it is.

    P(s -> s') = T_{ss'} v_{s'} / (Lambda v_s), T the symmetric transfer matrix with top eigenvalue Lambda and vector v;
    without field it is H((1 + tanh K) / 2), H the entropy of a biased coin.
    """
    if abs(coupling) > 350 or abs(field) > 350:
        raise ValueError(f"couplings beyond 350 have no weights in double precision: K = {coupling}, h = {field}")
    transfer = np.array(
        [[math.exp(coupling + field), math.exp(-coupling)], [math.exp(-coupling), math.exp(coupling - field)]]
    )
    transfer /= transfer.max()
    values, vectors = np.linalg.eigh(transfer)
    top = np.abs(vectors[:, -1])
    moves = transfer * top[None, :] / (values[-1] * top[:, None])
    return float(np.sum(top**2 * entr(moves).sum(axis=1)))


def decimation_losses(coupling: float, b: int = 2, steps: int = 1) -> Array:
    """Entropies of the decimated chain, nats per original spin, (steps + 1,): s(K_n) / b^n for n = 0 ... steps.

    The kept spins are some of the spins, so that I(chain; kept spins) is their entropy, and they are themselves an
    Ising chain with coupling K_n. What step n lost is the difference of neighbouring entries: never negative (data
    processing), and exact.

    Arguments:
        coupling: K of the chain.
        b: every b-th spin is kept.
        steps: how often.

    Raises:
        ValueError: as `decimation`, or for less than one step.
    """
    flow = decimation(b)
    if steps < 1:
        raise ValueError(f"at least one step of decimation, not {steps}")
    here, entropies = float(coupling), []
    for step in range(steps + 1):
        entropies.append(chain_entropy(here) / float(b) ** step)
        here = float(flow([here])[0])
    return np.array(entropies)


def migdal_kadanoff(
    dimension: float = 2.0,
    b: float = 2.0,
    *,
    states: float | None = None,
    first: Literal["bonds", "decimation"] = "bonds",
) -> Flow:
    """Migdal-Kadanoff: bonds are moved until the rest can be decimated as a chain.

    bonds moved first:      K' = D_b(b^{d-1} K)           Ising: tanh D_b(K) = tanh^b K
    decimated first:        K' = b^{d-1} D_b(K)           Potts: t -> t^b, t = (e^K - 1) / (e^K + q - 1)

    The two are one flow looked at half a step apart: same exponents, K*(decimated first) = b^{d-1} K*(bonds first). In
    d = 2 they are also each other's dual. Exact on the hierarchical (diamond) lattice; d = 1 is plain decimation.

    Arguments:
        dimension: d >= 1, any real number.
        b: length factor above 1, any real number.
        states: q of the Potts model (real, q > 0), couplings K delta; None for the Ising model with K s s'.
        first: what comes first; the number of K* depends on it.

    Raises:
        ValueError: for what is outside these ranges.

    Migdal (1975), Kadanoff (1976).
    """
    if not dimension >= 1:
        raise ValueError(f"Migdal-Kadanoff moves bonds in d >= 1 dimensions, not {dimension}")
    if not b > 1:
        raise ValueError(f"the length factor is above 1, not {b}")
    q, unit = (2.0, 2.0) if states is None else (float(states), 1.0)
    if not q > 0:
        raise ValueError(f"a Potts model has more than 0 states, not {states}")
    if first not in ("bonds", "decimation"):
        raise ValueError(f'first: "bonds" or "decimation", not {first!r}')
    parallel = b ** (dimension - 1)
    before, after = (parallel, 1.0) if first == "bonds" else (1.0, parallel)

    def step(couplings: Array) -> Array:
        return np.array([after * _series(unit * before * couplings[0], b, q)[0] / unit])

    def slope(couplings: Array) -> Array:
        return np.array([[after * before * _series(unit * before * couplings[0], b, q)[1]]])

    return Flow(("K",), step, float(b), slope, allowed=lambda couplings: bool(couplings[0] >= 0))


def migdal_kadanoff_equation(dimension: float = 2.0) -> Flow:
    """Migdal-Kadanoff in the limit b -> 1, Ising: dK/dl = (d - 1) K + 1/2 sinh(2K) ln tanh K.

    There moving first and decimating first are the same, and in d = 2 self-duality makes K* the exact
    ln(1 + sqrt 2) / 2. Kadanoff (1976).

    Raises ValueError for d < 1.
    """
    if not dimension >= 1:
        raise ValueError(f"Migdal-Kadanoff moves bonds in d >= 1 dimensions, not {dimension}")

    def velocity(couplings: Array) -> Array:
        (k,) = couplings
        return np.array([(dimension - 1) * k - math.sinh(2 * k) * _dual(2 * k) / 2 if k else 0.0])

    def slope(couplings: Array) -> Array:
        (k,) = couplings
        return np.array([[dimension - 1 - math.cosh(2 * k) * _dual(2 * k) + 1.0]])

    return Flow(("K",), velocity, None, slope, allowed=lambda couplings: bool(couplings[0] > 0))


def niemeijer_van_leeuwen() -> Flow:
    """Triangular lattice, blocks of three spins by majority, first cumulant, b = sqrt 3; couplings K and h.

    K' = 2 K Phi(K)^2,    h' = 3 h Phi(K),    Phi = (e^{3K} + e^{-K}) / (e^{3K} + 3 e^{-K}):

    the mean of a spin whose block points up. Two bonds join neighbouring blocks; they and the field are taken to first
    order, the bonds inside a block exactly. K* solves Phi = 1/sqrt 2. Niemeijer and van Leeuwen (1973, 1974).
    """

    def step(couplings: Array) -> Array:
        k, h = couplings
        mean, _ = _spin_of_triangle(k)
        return np.array([2 * k * mean**2, 3 * h * mean])

    def slope(couplings: Array) -> Array:
        k, h = couplings
        mean, change = _spin_of_triangle(k)
        return np.array([[2 * mean**2 + 4 * k * mean * change, 0.0], [3 * h * change, 3 * mean]])

    return Flow(("K", "h"), step, math.sqrt(3), slope)


def second_cumulant() -> Flow:
    """The same blocks to second cumulant, couplings K_1, K_2, K_3 of first, second and third neighbours, no field.

    ln <e^V> = <V> + (<V^2> - <V>^2) / 2, V the bonds between blocks. K_1 counts as first order, K_2 and K_3, which it
    makes, as second. Two K_1 bonds i-j and k-l from a block A to blocks B and C couple those by

        K_1^2 Phi^2 (<s_i s_k>_A - Phi^2),        <s_i s_k>_A = 1 or (e^{3K} - e^{-K}) / (e^{3K} + 3 e^{-K}),

    and every bond K_m between B and C adds K_m Phi^2. How many there are of each is counted on the lattice.
    Niemeijer and van Leeuwen (1974).
    """
    bonds, same, other = _count_bonds()

    def step(couplings: Array) -> Array:
        k = float(couplings[0])
        mean, _ = _spin_of_triangle(k)
        small = math.exp(-4 * k)
        pair = (1 - small) / (1 + 3 * small)
        second = same * (1 - mean**2) + other * (pair - mean**2)
        return np.asarray(mean**2 * (bonds @ couplings + k**2 * second))

    return Flow(("K1", "K2", "K3"), step, math.sqrt(3))


def _spin_of_triangle(k: float) -> tuple[float, float]:
    """Mean of a spin of a triangle whose majority is up, and its derivative."""
    small = math.exp(-4 * k)
    return (1 + small) / (1 + 3 * small), 8 * small / (1 + 3 * small) ** 2


def _count_bonds() -> tuple[Array, Array, Array]:
    """For blocks B and C that are first, second and third neighbours: bonds of each kind between them (3, 3), and pairs
    of nearest-neighbour bonds from a third block to B and to C that start at the same (3,) and at different spins (3,).

    Sites x a_1 + y a_2, |a_1| = |a_2| = 1 at 60 degrees, blocks (x, y), (x + 1, y), (x, y + 1) with x - y = 0 mod 3.
    """
    shape = ((0, 0), (1, 0), (0, 1))
    lengths = {1: 0, 3: 1, 4: 2}  # squared, of the three kinds of neighbours

    def squared(x: int, y: int) -> int:
        return x * x + x * y + y * y

    def between(one: tuple[int, int], two: tuple[int, int]) -> list[tuple[int, int, int]]:
        """(kind, spin of one, spin of two) of every bond between two blocks."""
        found = []
        for i, (x, y) in enumerate(shape):
            for j, (u, v) in enumerate(shape):
                distance = squared(two[0] + u - one[0] - x, two[1] + v - one[1] - y)
                if distance in lengths:
                    found.append((lengths[distance], i, j))
        return found

    blocks = [(x, y) for x in range(-6, 7) for y in range(-6, 7) if (x - y) % 3 == 0]
    bonds, same, other = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    start = (0, 0)
    for row, end in enumerate(((1, 1), (3, 0), (2, 2))):
        for kind, _, _ in between(start, end):
            bonds[row, kind] += 1
        for middle in blocks:
            if middle in (start, end):
                continue
            first = [i for kind, i, _ in between(middle, start) if kind == 0]
            second = [i for kind, i, _ in between(middle, end) if kind == 0]
            equal = sum(i == k for i in first for k in second)
            same[row] += equal
            other[row] += len(first) * len(second) - equal
    return bonds, same, other


def _check_length(b: int) -> None:
    if int(b) != b or b < 2:
        raise ValueError(f"decimation keeps every b-th spin, b a whole number from 2 on, not {b}")
