"""Flows of couplings: fixed points, their exponents, what is relevant, and where the critical surface lies.

A renormalization step is a map of couplings with a length factor b, or a differential equation in l = ln b:

    K' = R_b(K)                 y_i = ln lambda_i / ln b,    lambda_i the eigenvalues of dR/dK at K* = R(K*)
    dK/dl = beta(K)             y_i the eigenvalues of dbeta/dK at beta(K*) = 0

A direction with Re y > 0 is relevant: it grows under renormalization and must be tuned to reach the critical point. A
negative eigenvalue of a map gives a complex y (imaginary part pi / ln b: the flow hops from side to side), a complex
pair a spiral. Both are reported as they are, never as |lambda|. Wilson and Kogut (1974), section 12; Wegner (1972).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import root

__all__ = [
    "FixedPoint",
    "FixedPoints",
    "Flow",
    "Rejected",
    "critical_point",
    "fixed_points",
    "grid",
    "linearise",
    "trajectory",
]

Array = NDArray[np.float64]
_STEP = 2e-2  # of the widest difference, relative; three halvings extrapolated leave an error of its 8th power
_MARGINAL = 1e-8  # |Re y| below this is neither relevant nor irrelevant
_BISECTIONS = 60


class _WrongShape(ValueError):
    """The user's mistake, never a point where a flow is not defined."""


@dataclass(frozen=True, eq=False)
class Flow:
    """A flow of couplings: a map with a length factor, or a differential equation.

    Arguments:
        names: of the couplings, (k,).
        function: takes couplings (k,), returns the next ones R(K), or the velocity dK/dl; where there are none it may
            give NaN or raise.
        scale: the length factor b > 1 of a map; None for a differential equation in l = ln b.
        jacobian: takes couplings (k,), returns the derivatives (k, k), row i those of component i; None: differences
            (`linearise`).
        allowed: takes couplings, says whether they mean something (K > 0, a potential that is bounded). A root outside
            is rejected by name.

    Raises:
        ValueError: for a scale that is not above 1, or no coupling.
    """

    names: tuple[str, ...]
    function: Callable[[Array], ArrayLike]
    scale: float | None
    jacobian: Callable[[Array], ArrayLike] | None = None
    allowed: Callable[[Array], bool] | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("a flow needs at least one coupling")
        if self.scale is not None and not self.scale > 1:
            raise ValueError(f"the length factor of a map is above 1, not {self.scale}; None means dK/dl")

    def __call__(self, couplings: ArrayLike) -> Array:
        """R(K) or dK/dl, (k,). Raises ValueError for a wrong number of couplings."""
        return self._checked(self.function(self._checked(couplings, "given")), "returned")

    def _checked(self, values: ArrayLike, what: str) -> Array:
        array = np.atleast_1d(np.asarray(values, dtype=np.float64))
        if array.shape != (len(self.names),):
            wanted = f"({len(self.names)},) for {', '.join(self.names)}"
            raise _WrongShape(f"a flow was {what} couplings of shape {array.shape}, not {wanted}")
        return array


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A fixed point and the flow next to it.

    ``couplings`` (k,); ``residual``, the largest component of R(K) - K or dK/dl; ``eigenvalues`` (k,) of the
    linearised flow and ``exponents`` (k,), complex, most relevant first; ``directions`` (k, k), column i the right
    eigenvector (along it the flow leaves or enters), ``fields`` (k, k), row i the left eigenvector (the scaling field
    fields[i] . (K - K*)), with fields @ directions = 1; ``names`` of the couplings.
    """

    names: tuple[str, ...]
    couplings: Array
    residual: float
    eigenvalues: NDArray[np.complex128]
    exponents: NDArray[np.complex128]
    directions: NDArray[np.complex128]
    fields: NDArray[np.complex128]

    @property
    def relevant(self) -> NDArray[np.complex128]:
        """Exponents with Re y > 0, largest first."""
        return self.exponents[self.exponents.real > _MARGINAL]

    @property
    def irrelevant(self) -> NDArray[np.complex128]:
        """Exponents with Re y < 0, the slowest to die first."""
        return self.exponents[self.exponents.real < -_MARGINAL]

    @property
    def is_complex(self) -> bool:
        """Whether any exponent has an imaginary part: a spiral, or an eigenvalue of a map below zero."""
        return bool(np.any(self.exponents.imag != 0))

    def exponent(self, index: int = 0) -> float:
        """The ``index``-th largest exponent as a real number.

        Raises ValueError where it is complex: its modulus would be a number without meaning.
        """
        value = complex(self.exponents[index])
        if value.imag != 0:
            raise ValueError(
                f"the exponent {value:.6g} at K = {self.couplings} is complex: no power law, a spiral or hop"
            )
        return value.real

    @property
    def nu(self) -> float:
        """1 / y of the most relevant exponent. Raises ValueError where nothing is relevant or y is complex."""
        if not len(self.relevant):
            raise ValueError(f"nothing is relevant at K = {self.couplings}: a sink of the flow, no critical point")
        return 1.0 / self.exponent(0)


@dataclass(frozen=True, eq=False)
class Rejected:
    """A start of the search that led to no fixed point: where it ended, the residual there, and why it counts not."""

    start: Array
    end: Array
    residual: float
    reason: str


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """``found``, each point once, ordered by the number of relevant directions and then by the first coupling;
    ``rejected``, one entry for every start that led nowhere."""

    found: tuple[FixedPoint, ...]
    rejected: tuple[Rejected, ...]

    def only(self, relevant: int) -> FixedPoint:
        """The one fixed point with so many relevant directions.

        Raises ValueError where there is none, or more than one; the message says what was found instead.
        """
        chosen = [point for point in self.found if len(point.relevant) == relevant]
        if len(chosen) != 1:
            seen = "; ".join(f"{point.couplings} with {len(point.relevant)} relevant" for point in self.found) or "none"
            why = "; ".join(sorted({item.reason for item in self.rejected}))
            raise ValueError(
                f"{len(chosen)} fixed points with {relevant} relevant directions; found: {seen}"
                + (f"; starts that led nowhere: {why}" if why else "")
            )
        return chosen[0]


def linearise(flow: Flow, couplings: ArrayLike) -> Array:
    """The derivatives of the flow at a point, (k, k): the given jacobian, or differences.

    Central differences of steps h, h/2, h/4, h/8 extrapolated to h = 0 (Richardson), error O(h^8): ten digits for a
    function that is smooth over 4 % of each coupling.

    Arguments:
        flow: map or equation.
        couplings: (k,).

    Raises:
        ValueError: where a derivative is not finite.
    """
    point = flow._checked(couplings, "given")
    size = len(point)
    if flow.jacobian is not None:
        matrix = np.asarray(flow.jacobian(point), dtype=np.float64).reshape(size, size)
    else:
        matrix = np.empty((size, size))
        for column in range(size):
            width = _STEP * max(abs(point[column]), 0.1)
            table = []
            for halving in range(4):
                shift = np.zeros(size)
                shift[column] = width / 2**halving
                table.append((_value(flow, point + shift) - _value(flow, point - shift)) / (2 * shift[column]))
            for order in range(1, 4):
                table = [(4**order * b - a) / (4**order - 1) for a, b in itertools.pairwise(table)]
            matrix[:, column] = table[0]
    if not np.all(np.isfinite(matrix)):
        raise ValueError(f"the flow has no finite derivative at {dict(zip(flow.names, point, strict=True))}")
    return matrix


def fixed_points(flow: Flow, starts: Iterable[ArrayLike], *, tolerance: float = 1e-10) -> FixedPoints:
    """Fixed points of a flow by root searches from many starts, each checked after it was found.

    A root counts when (1) the residual, computed anew, is below ``tolerance``; (2) the Newton step there is, too: far
    out, where a residual merely dies away, it is not; (3) the point is isolated: the derivative of the residual is not
    singular (else a whole line may be fixed); (4) ``flow.allowed`` takes it. What fails is kept with its reason.

    Arguments:
        flow: map or equation.
        starts: (n, k) couplings; in one dimension numbers will do.
        tolerance: absolute, of residual and Newton step, times 1 + |K|.

    Returns:
        FixedPoints. No start, no point: a search finds what its starts reach and proves no absence.
    """
    found: list[FixedPoint] = []
    rejected: list[Rejected] = []
    for given in starts:
        start = flow._checked(given, "given")
        end, reason = _search(flow, start, tolerance)
        size = float(np.max(np.abs(_residual(flow, end)))) if np.all(np.isfinite(end)) else math.inf
        if reason:
            rejected.append(Rejected(start, end, size, reason))
            continue
        near = 1e3 * tolerance * (1 + np.max(np.abs(end)))
        if not any(np.max(np.abs(end - other.couplings)) < near for other in found):
            found.append(_fixed_point(flow, end, size))
    found.sort(key=lambda point: (len(point.relevant), point.couplings[0]))
    return FixedPoints(tuple(found), tuple(rejected))


def _value(flow: Flow, point: Array) -> Array:
    """The flow, NaN where it is not defined."""
    try:
        with np.errstate(all="ignore"):
            return flow(point)
    except _WrongShape:
        raise
    except (ArithmeticError, ValueError):
        return np.full(len(point), math.nan)


def _residual(flow: Flow, point: Array) -> Array:
    """The residual; large and finite where the flow is not defined, so that a search turns back there."""
    value = _value(flow, point) - (point if flow.scale is not None else 0.0)
    return np.nan_to_num(value, nan=1e6, posinf=1e6, neginf=-1e6)


def _slope(flow: Flow, point: Array) -> Array:
    """The derivative of the residual."""
    return linearise(flow, point) - (np.eye(len(point)) if flow.scale is not None else 0.0)


def _slope_or_identity(flow: Flow, point: Array) -> Array:
    """`_slope` for a search, which may stray to where there is none."""
    try:
        return _slope(flow, point)
    except (ValueError, ArithmeticError):
        return np.eye(len(point))


def _search(flow: Flow, start: Array, tolerance: float) -> tuple[Array, str]:
    """Where a search from ``start`` ends, and why that is no fixed point ('' where it is one)."""
    exact = None if flow.jacobian is None else lambda point: _slope_or_identity(flow, point)
    with np.errstate(all="ignore"):
        answer = root(lambda point: _residual(flow, point), start, jac=exact, method="hybr", options={"xtol": 1e-14})
    end = np.asarray(answer.x, dtype=np.float64)
    if not np.all(np.isfinite(end)):
        return end, "the search ran away"
    allowed = tolerance * (1 + float(np.max(np.abs(end))))
    value = _residual(flow, end)
    if np.max(np.abs(value)) > allowed:
        return end, "the residual does not vanish"
    if flow.allowed is not None and not flow.allowed(end):
        return end, "the couplings there are not allowed"
    try:
        slope = _slope(flow, end)
    except (ArithmeticError, ValueError):
        return end, "the flow has no derivative there"
    weakest, strongest = np.linalg.svd(slope, compute_uv=False)[[-1, 0]]
    if weakest <= (1e-9 if flow.jacobian is None else 1e-12) * max(1.0, strongest):
        return end, "the point is not isolated (a line of fixed points, or a multiple root)"
    if np.max(np.abs(np.linalg.solve(slope, value))) > allowed:
        return end, "the Newton step there is not small: a tail, no root"
    return end, ""


def _fixed_point(flow: Flow, point: Array, residual: float) -> FixedPoint:
    values, vectors = np.linalg.eig(linearise(flow, point))
    values = values.astype(np.complex128)
    if flow.scale is None:
        exponents = values
    else:
        exponents = np.full(len(values), complex(-math.inf, 0.0))  # an eigenvalue 0 dies in one step
        alive = values != 0
        exponents[alive] = np.log(values[alive]) / math.log(flow.scale)
    order = np.lexsort((-exponents.imag, -exponents.real))
    directions = vectors[:, order].astype(np.complex128)
    fields = np.linalg.pinv(directions).astype(np.complex128)  # of a defective matrix no inverse exists
    return FixedPoint(flow.names, point, residual, values[order], exponents[order], directions, fields)


def trajectory(flow: Flow, start: ArrayLike, steps: int, *, length: float = 0.1, bound: float = 1e3) -> Array:
    """Couplings along the flow, (m, k), m <= steps + 1, from ``start`` on.

    A map is applied ``steps`` times; a differential equation is integrated over steps of ``length`` in l = ln b
    (LSODA: the most irrelevant couplings make flows stiff; relative error 1e-10 a step). The path ends early where a
    coupling passes ``bound`` or the flow is not defined.

    Raises ValueError for no steps.
    """
    if steps < 1:
        raise ValueError(f"a trajectory has at least one step, not {steps}")
    here = flow._checked(start, "given")
    path = [here]
    if flow.scale is not None:
        for _ in range(steps):
            here = _value(flow, here)
            if not np.all(np.isfinite(here)) or np.max(np.abs(here)) > bound:
                break
            path.append(here)
        return np.array(path)

    def leaves(_: float, point: Array) -> float:
        return float(bound - np.max(np.abs(point)))

    leaves.terminal = True  # type: ignore[attr-defined]
    times = length * np.arange(steps + 1)
    solved = solve_ivp(
        lambda _, point: _value(flow, point),
        (0.0, times[-1]),
        here,
        "LSODA",
        times,
        events=leaves,
        rtol=1e-10,
        atol=1e-12,
    )
    return np.asarray(solved.y.T, dtype=np.float64)


def critical_point(
    flow: Flow,
    first: ArrayLike,
    last: ArrayLike,
    *,
    phase: Callable[[Array], int] | None = None,
    steps: int = 1000,
    length: float = 0.1,
    tolerance: float = 0.0,
) -> Array:
    """Where the line from ``first`` to ``last`` crosses the critical surface, (k,): bisection by where the flow goes.

    Arguments:
        flow: map or equation.
        first, last: (k,), in different phases.
        phase: takes couplings, returns -1 or +1 where they are deep in a phase, 0 while undecided. By default -1 once
            all |K| < 0.01 (disorder) and +1 once some |K| > 20 (order).
        steps, length: as `trajectory`.
        tolerance: the share of the line to which the point is wanted; 0 goes to the last bit.

    Raises:
        ValueError: where both ends flow into the same phase, or a flow is undecided after ``steps`` or breaks down.

    Niemeijer and van Leeuwen (1974) found K_c of the nearest-neighbour lattice on the line K_2 = K_3 = 0 so.
    """
    decide = phase or _disorder_or_order

    def fate(point: Array) -> int:
        here = point
        for _ in range(steps):
            if (where := decide(here)) != 0:
                return where
            path = trajectory(flow, here, 1, length=length, bound=math.inf)
            if len(path) < 2:
                raise ValueError(f"the flow from {point} breaks down at {here}, in no phase; choose nearer ends")
            here = path[-1]
        raise ValueError(f"after {steps} steps the flow from {point} is in no phase (it is at {here}); more steps?")

    one, other = flow._checked(first, "given"), flow._checked(last, "given")
    below, above = fate(one), fate(other)
    if below == above:
        raise ValueError(f"{one} and {other} flow into the same phase: no critical point is certain between them")
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if high - low <= tolerance or middle in (low, high):
            break
        try:
            side = fate(one + middle * (other - one))
        except ValueError:
            if high - low > 1e-9:
                raise
            break  # closer to the critical surface than the flow can tell
        low, high = (middle, high) if side == below else (low, middle)
    return one + (low + high) / 2 * (other - one)


def _disorder_or_order(couplings: Array) -> int:
    largest = float(np.max(np.abs(couplings)))
    return -1 if largest < 0.01 else 1 if largest > 20 else 0


def grid(*axes: Sequence[float] | Array) -> Array:
    """Starts for a search: all combinations of values, (n, k), one sequence a coupling."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1).astype(np.float64)
