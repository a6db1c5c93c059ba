"""Memory kernels from correlation functions, with error bars through the inversion.

The generalised Langevin equation of a coarse coordinate of mass M in the mean force f (Mori, 1965; Zwanzig, 2001),

    M dv/dt = f(x) - int_0^t K(s) v(t - s) ds + F_R(t),      <F_R(0) F_R(t)> = kT K(t),      <v(0) F_R(t)> = 0,

multiplied by v(0) and averaged, leaves a Volterra equation of the first kind for K; its derivative is one of the second
kind. With B = F - f, the force of the bath:

    first kind     <v(0) B(t)> = - int_0^t K(s) <v(0) v(t - s)> ds
    second kind    K(t) <v v> = <a(0) B(t)> - int_0^t K(s) <v(0) a(t - s)> ds,  a = dv/dt
    integrated     M <v(0) v(t)> - M <v v> - int_0^t <v(0) f(s)> ds = - int_0^t G(s) <v(0) v(t - s)> ds,  G = int K

The last needs no force of the bath, and holds where there is none: collisions, white noise. G(infinity) is the
friction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.integrate import cumulative_simpson, cumulative_trapezoid, trapezoid

from kadanoff.dynamics._kernels.volterra import solve_block
from kadanoff.dynamics.correlations import BLOCKS, correlation, jackknife_error
from kadanoff.dynamics.plateaus import RunningIntegral, judged_integral
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.estimates import Estimate

__all__ = [
    "BathCorrelations",
    "MemoryKernel",
    "Method",
    "bath_correlations",
    "exact_correlations",
    "memory_kernel",
    "memory_number",
    "volterra",
]

Array = NDArray[np.float64]
Method = Literal["midpoint", "trapezoid", "simpson", "integrated"]

_BLOCK = 512  # rows solved directly; what lies below them is added by fast Fourier transforms


@dataclass(frozen=True, eq=False)
class BathCorrelations:
    """The correlation functions behind a kernel, at times 0, step, 2 step, ...

    Each is (1 + b, n): the first row from all data, the others without one block of them in turn; b = 0 for exact
    functions. Make them with `bath_correlations` or `exact_correlations`.

    Arguments:
        step: time between points.
        mass: M.
        velocity: <v(0) v(t)>.
        mean_force: <v(0) f(t)> with the mean force f; None where there is none.
        acceleration: <v(0) a(t)>, None without forces.
        force: <v(0) B(t)>.
        force_rate: <a(0) B(t)> = -d/dt <v(0) B(t)>.
    """

    step: float
    mass: float
    velocity: Array
    mean_force: Array | None = None
    acceleration: Array | None = None
    force: Array | None = None
    force_rate: Array | None = None

    @property
    def time(self) -> Array:
        """(n,)."""
        return np.asarray(self.step * np.arange(self.velocity.shape[1]), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class MemoryKernel:
    """K(t) and its running integral G(u) = int_0^u K.

    Arguments:
        time, value, error: (n,); `error` None for exact correlation functions.
        upper, running, running_error: (m,).
        left_out: (b, n) and ``running_left_out`` (b, m): the same without each block of data in turn.
        step: time between points.
        method: of the inversion.
        mass: M.
    """

    time: Array
    value: Array
    error: Array | None
    upper: Array
    running: Array
    running_error: Array | None
    left_out: Array = field(repr=False)
    running_left_out: Array = field(repr=False)
    step: float
    method: Method
    mass: float = 1.0

    def integral(self, upper: float | None = None, unit: str = "") -> Estimate:
        """G at the last point up to `upper` (default: at the end). It is the friction only where G has a plateau there.

        Whether it has one, `judged` says. Raises ValueError where `upper` lies outside the data.
        """
        at = len(self.upper) - 1
        if upper is not None:
            if not self.upper[0] <= upper * (1 + 1e-9) or upper > self.upper[-1] + self.step:
                raise ValueError(f"the running integral is known from {self.upper[0]:g} to {self.upper[-1]:g}")
            at = int(np.searchsorted(self.upper, upper * (1 + 1e-9), side="right")) - 1
        return jackknifed(self.running[at], self.running_left_out[:, at], unit)

    def judged(self, unit: str = "") -> RunningIntegral:
        """G with its plateau, or the finding that there is none, and a warning where it falls back towards zero."""
        # find_plateau weighs by errors: those of an exact kernel are rounding
        exact = self.running * (1 + 1e-9 * np.array([[-1.0], [1.0]]))
        keep = slice(1 if self.upper[0] == 0 else 0, None)
        rows = self.running_left_out if len(self.running_left_out) else exact
        return judged_integral(self.upper[keep], self.running[keep], rows[:, keep], unit=unit)


def jackknifed(value: float, left_out: Array, unit: str = "") -> Estimate:
    """An `Estimate` from the value of all data and those without each block (b,); exact where there is none."""
    if not len(left_out):
        return Estimate.exact(float(value), unit)
    return Estimate(float(value), float(jackknife_error(left_out)), len(left_out), unit, "jackknife")


def exact_correlations(
    step: float,
    velocity: ArrayLike,
    *,
    mass: float = 1.0,
    first_derivative: ArrayLike | None = None,
    second_derivative: ArrayLike | None = None,
) -> BathCorrelations:
    """The correlation functions of a free coordinate (no mean force) from its velocity autocorrelation C.

        <v(0) B(t)> = M C'(t),    <a(0) B(t)> = -M C''(t)

    Arguments:
        step: time between points.
        velocity: C (n,).
        mass: M.
        first_derivative, second_derivative: C' and C'' (n,), where known.

    Raises:
        ValueError: for shapes that differ, C(0) <= 0, or a number that is not finite.
    """
    value, rows = _row(velocity, "velocity"), []
    for name, values in (("first_derivative", first_derivative), ("second_derivative", second_derivative)):
        rows.append(None if values is None else _row(values, name))
    slope, curvature = rows
    for other in (slope, curvature):
        if other is not None and other.shape != value.shape:
            raise ValueError(f"correlation functions of {other.shape[1]} and {value.shape[1]} points")
    return checked(
        BathCorrelations(
            float(step), float(mass), value, None, slope,
            None if slope is None else mass * slope,
            None if curvature is None else -mass * curvature,
        )
    )  # fmt: skip


def bath_correlations(
    source: Trajectories,
    last: int,
    *,
    mass: float = 1.0,
    mean_force: ArrayLike | None = None,
    blocks: int = BLOCKS,
) -> BathCorrelations:
    """The correlation functions behind a kernel from trajectories, averaged over all starting frames and components.

    <v(0) a(t)> is taken as half of itself less <a(0) v(t)>, which stationarity makes equal.

    Arguments:
        source: with velocities; with the total forces on the coordinate, where its kernel comes from them.
        last: the longest lag, in frames.
        mass: M.
        mean_force: f (n, d) at the frames, such as minus the slope of the potential of mean force; None: there is none.
        blocks: of frames, left out in turn for the error bars.

    Raises:
        ValueError: without velocities, for a mass that is not positive, shapes that differ, lags beyond the data.
    """
    if source.velocities is None:
        raise ValueError("memory kernels need velocities: give them to `trajectories`")
    if last < 2:
        raise ValueError(f"a kernel needs two lags or more, not {last}")
    if not (np.isfinite(mass) and mass > 0):
        raise ValueError(f"mass: {mass} is not positive")
    lags = np.arange(last + 1)
    dimensions = source.velocities.shape[1]

    def rows(first: ArrayLike, second: ArrayLike) -> Array:
        curve = correlation(source, first, second, lags, blocks=blocks)
        return np.asarray(np.vstack([curve.value, curve.left_out]) / dimensions)

    v = source.velocities
    f = None if mean_force is None else per_frame(source, mean_force)
    parts: dict[str, Array | None] = {"velocity": rows(v, v), "mean_force": None if f is None else rows(v, f)}
    if source.forces is not None:
        rising = (rows(v, source.forces) - rows(source.forces, v)) / 2  # M <v(0) a(t)>
        parts["acceleration"] = rising / mass
        parts["force"] = rising if parts["mean_force"] is None else rising - parts["mean_force"]
        bath = source.forces if f is None else source.forces - f
        parts["force_rate"] = rows(source.forces, bath) / mass
    return checked(BathCorrelations(source.spacing, float(mass), **parts))  # type: ignore[arg-type]


def per_frame(source: Trajectories, mean_force: ArrayLike) -> Array:
    """The mean force as (n, d). Raises ValueError where it does not have one row a frame."""
    f = np.asarray(mean_force, dtype=np.float64)
    if f.size != source.positions.size or len(f) != len(source.positions) or not np.all(np.isfinite(f)):
        raise ValueError(
            f"mean_force {f.shape}: a finite value for each coordinate of {source.frames} frames is needed"
        )
    return f.reshape(source.positions.shape)


def checked(given: BathCorrelations) -> BathCorrelations:
    """The same. Raises ValueError for a step or mass that is not positive and for C(0) <= 0."""
    for name in ("step", "mass"):
        if not (np.isfinite(getattr(given, name)) and getattr(given, name) > 0):
            raise ValueError(f"{name}: {getattr(given, name)} is not positive")
    if given.velocity.shape[1] < 3:
        raise ValueError(f"a kernel needs three points or more, not {given.velocity.shape[1]}")
    if np.any(given.velocity[:, 0] <= 0):
        raise ValueError("<v(0) v(0)> is not positive: the coordinate does not move")
    return given


def memory_kernel(correlations: BathCorrelations, method: Method = "trapezoid") -> MemoryKernel:
    """The memory kernel and its running integral by inversion of a Volterra equation.

    | method       | equation    | needs                       | K at           | error            |
    |--------------|-------------|-----------------------------|----------------|------------------|
    | "midpoint"   | first kind  | <v v>, <v B>                | (k + 1/2) step | step^2           |
    | "trapezoid"  | second kind | <v v>(0), <v a>, <a B>      | k step         | step^2           |
    | "simpson"    | second kind | the same                    | k step         | step^3           |
    | "integrated" | first, of G | <v v> (and <v f>)           | k step         | G: step^2        |

    Points with an odd number of intervals take Simpson's rule up to the last and the trapezoid there: order 3. The cost
    is that of fast Fourier transforms, n log^2 n, in blocks of 512 rows solved directly. The first kind divides by the
    step: noise of the data grows in K, though hardly in G; the second kind does not. "integrated" shows friction
    without memory as a jump of G within the first half step.

    Arguments:
        correlations: from `bath_correlations` or `exact_correlations`.
        method: one of the table.

    Returns:
        Kernel and running integral. Error bars are the jackknife over the blocks of the correlation functions, each
        inverted without a block.

    Raises:
        ValueError: for an unknown method, or correlation functions that it needs and that are missing.

    Source: Linz, Analytical and Numerical Methods for Volterra Equations (1985), chapters 7 and 9; Kowalik, Daldrop,
    Kappler, Schulz, Schlaich and Netz (2019) for G.
    """
    c = correlations
    h, n = c.step, c.velocity.shape[1]
    needs = {
        "midpoint": ("force",),
        "trapezoid": ("acceleration", "force_rate"),
        "simpson": ("acceleration", "force_rate"),
        "integrated": (),
    }
    if method not in needs:
        raise ValueError(f"method {method!r} is none of {', '.join(needs)}")
    for name in needs[method]:
        if getattr(c, name) is None:
            raise ValueError(f"{method} needs the correlation function {name!r}; 'integrated' needs velocities only")
    if method in ("trapezoid", "simpson"):
        assert c.acceleration is not None
        assert c.force_rate is not None
        weight, corner, before = quadrature(n, method)
        values = volterra(c.force_rate, c.acceleration, h, weight, corner, before, c.velocity[:, 0])
        sums = cumulative_trapezoid if method == "trapezoid" else cumulative_simpson
        running = sums(values, dx=h, axis=1, initial=0)
        return _kernel(c.time, values, c.time, running, c, method)
    half = (c.velocity[:, 1:] + c.velocity[:, :-1]) / 2
    ones, none = np.ones(n - 1), np.zeros(n - 1)
    middle = h * (np.arange(n - 1) + 0.5)
    if method == "midpoint":
        assert c.force is not None
        values = volterra(-c.force[:, 1:], half, h, ones, ones, none)
        return _kernel(middle, values, middle + h / 2, h * np.cumsum(values, axis=1), c, method)
    fall = c.mass * (c.velocity[:, :1] - c.velocity[:, 1:])
    if c.mean_force is not None:
        fall = fall + cumulative_trapezoid(c.mean_force, dx=h, axis=1)
    running = volterra(fall, half, h, ones, ones, none)
    values = np.diff(running, axis=1, prepend=0) / h
    values[:, 0] *= 2  # the first interval is half a step
    return _kernel(middle - h / 2, values, middle, running, c, method)


def memory_number(kernel: MemoryKernel, upper: float | None = None) -> Estimate:
    """tau_mem / tau_slow: how long the kernel remembers, over the time in which the momentum is lost.

        tau_mem = int_0^u K t dt / int_0^u K dt = int_0^u (1 - G(t) / G(u)) dt,      tau_slow = M / G(u)

    For a free coordinate tau_slow is int C dt / C(0) of the velocity autocorrelation; taken from G it needs no longer
    data than the kernel. Well below one a Langevin equation without memory can hold. A kernel that changes sign can
    have a small or negative tau_mem and still a long memory: look at it.

    Arguments:
        kernel: of any method.
        upper: u, by default the end of the kernel.

    Raises:
        ValueError: where the running integral is not positive at `upper`.
    """
    end = kernel.upper[-1] if upper is None else upper
    keep = kernel.upper <= end * (1 + 1e-9)
    time = np.concatenate([[0.0], kernel.upper[keep]])
    rows = np.vstack([kernel.running, kernel.running_left_out])[:, keep]
    if not rows.shape[1] or np.any(rows[:, -1] <= 0):
        raise ValueError(
            f"the running integral is not positive at {end:g}, or not known: no memory number without a friction; take "
            "another `upper`"
        )
    # before the first point of G there is nothing to join to: a jump at zero is friction without memory
    rows = np.concatenate([rows[:, :1] if kernel.method == "integrated" else 0 * rows[:, :1], rows], axis=1)
    number = trapezoid(rows[:, -1:] - rows, time, axis=1) / kernel.mass
    return jackknifed(number[0], number[1:])


def quadrature(n: int, method: Method) -> tuple[Array, Array, Array]:
    """Weights of the points of row n in units of the step: of point j < n, of point n, and what point n - 1 has
    more."""
    weight, corner, before = np.ones(n), np.full(n, 0.5), np.zeros(n)
    weight[0] = 0.5
    if method == "simpson":
        weight[1::2], weight[2::2], weight[0] = 4 / 3, 2 / 3, 1 / 3
        corner[0::2], before[1::2] = 1 / 3, 1 / 6
    corner[0] = 0.0
    return weight, corner, before


def volterra(
    given: ArrayLike,
    partner: ArrayLike,
    step: float,
    weight: ArrayLike,
    corner: ArrayLike,
    before: ArrayLike,
    base: ArrayLike | float = 0.0,
) -> Array:
    """Solve (base + h corner_n D_0) x_n = g_n - h (sum_{j<n} weight_j x_j D_{n-j} + before_n x_{n-1} D_1), all n.

    Rows are solved directly in blocks; a finished stretch of 2^p blocks is added to the next 2^p by one transform
    (Hairer, Lubich and Schlichte, 1985): n log^2 n instead of n^2.

    Arguments:
        given, partner: g and D, (n,) or a batch (b, n).
        step: h.
        weight, corner, before: (n,), of the quadrature.
        base: a number or (b,).

    Returns:
        x, of the shape of `given`.

    Raises:
        ValueError: for shapes that differ, a number that is not finite, or a row whose left side is zero.
    """
    g = np.ascontiguousarray(np.atleast_2d(np.asarray(given, dtype=np.float64)))
    d = np.ascontiguousarray(np.atleast_2d(np.asarray(partner, dtype=np.float64)))
    if g.shape != d.shape:
        raise ValueError(f"given and partner have shapes {g.shape} and {d.shape}; one of each row is needed")
    for name, array in (("given", g), ("partner", d)):
        if not np.all(np.isfinite(array)):
            row, point = np.argwhere(~np.isfinite(array))[0]
            raise ValueError(f"{name}: {array[row, point]} at point {point} of row {row}")
    n = g.shape[1]
    w, end, extra = (np.ascontiguousarray(a, dtype=np.float64) for a in (weight, corner, before))
    start = np.ascontiguousarray(np.broadcast_to(np.asarray(base, dtype=np.float64), (len(g),)))
    left = start[:, None] + step * end * d[:, :1]
    if np.any(left == 0):
        row, point = np.argwhere(left == 0)[0]
        raise ValueError(f"point {point} of row {row} is not determined: its own weight is zero")
    x, history = np.zeros_like(g), np.zeros_like(g)
    spectra: dict[int, NDArray[np.complex128]] = {}
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        solve_block(x, history, g, d, start, w, end, extra, float(step), first, last)
        if last == n:
            break
        number = last // _BLOCK
        size = _BLOCK * (number & -number)  # the largest power of two of blocks that ends here
        if size not in spectra:
            spectra[size] = fft.rfft(d[:, : 2 * size], 2 * size, axis=1)
        done = fft.rfft(w[last - size : last] * x[:, last - size : last], 2 * size, axis=1)
        # wrapped products fall on the first half, which is not used
        reach = min(size, n - last)
        history[:, last : last + reach] += fft.irfft(done * spectra[size], 2 * size, axis=1)[:, size : size + reach]
    return x if np.ndim(given) == 2 else x[0]


def _kernel(
    time: Array, values: Array, upper: Array, running: Array, source: BathCorrelations, method: Method
) -> MemoryKernel:
    sampled = len(values) > 1
    return MemoryKernel(
        time,
        values[0],
        jackknife_error(values[1:]) if sampled else None,
        upper,
        running[0],
        jackknife_error(running[1:]) if sampled else None,
        values[1:],
        running[1:],
        source.step,
        method,
        source.mass,
    )


def _row(values: ArrayLike, name: str) -> Array:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or not np.all(np.isfinite(row)):
        raise ValueError(f"{name}: expected a finite correlation function (n,), got shape {row.shape}")
    return row[None, :].copy()
