"""The Rayleigh piston: a heavy particle in an unbounded one-dimensional ideal gas, from collisions to friction.

Particle of mass M, gas particles of mass m and density n on each side, temperature kT:

    zeta = 8 n sqrt(m kT / 2 pi)                        friction of a slowly moving wall
    -d ln C/dt at 0+ = (zeta / M) (1 + m/M)^(-1/2)      C(t) = <V(0) V(t)>, from C'(0+) = -(1/2) <rate (dV)^2>
    M = m: C(t) of Jepsen (1965) in closed form, int C dt = sqrt(kT / 2 pi m) / n, so that kT / (zeta int C dt) = pi/4

Gas particles that were met once can be met again: the gas is the true one, not that of the linear Boltzmann equation.
It has no walls, so that no echo comes back.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid
from scipy.special import erfc, ive

from kadanoff.dynamics._kernels.piston import piston_paths
from kadanoff.dynamics.correlations import Correlation, autocorrelation, jackknife_error, mean_square_displacement
from kadanoff.dynamics.memory import BathCorrelations, jackknifed, memory_kernel, memory_number
from kadanoff.dynamics.trajectories import trajectories as joined
from kadanoff.estimates import Estimate, from_blocks
from kadanoff.parallel import map_ordered

__all__ = [
    "PistonPaths",
    "PistonStatistics",
    "friction_ratios",
    "holds",
    "initial_friction_ratio",
    "jepsen_correlation",
    "langevin_tests",
    "piston_friction",
    "piston_statistics",
    "sample_piston",
]

Array = NDArray[np.float64]
_CHUNK = 64  # trajectories a task
_DENSE = 6.0  # relaxation times up to which every frame is a lag


class PistonPaths(NamedTuple):
    """Trajectories of the piston: ``velocity`` and ``position`` (r, points); of each trajectory (r,) the sum of squared
    velocity changes, the number of collisions, and of those with a gas particle that was met before."""

    velocity: Array
    position: Array
    squared_changes: Array
    collisions: NDArray[np.int64]
    recollisions: NDArray[np.int64]


def piston_friction(density: float = 1.0, temperature: float = 1.0, gas_mass: float = 1.0) -> float:
    """zeta = 8 n sqrt(m kT / 2 pi), the friction of the ideal gas on both sides of a slowly moving wall."""
    return 8 * density * math.sqrt(gas_mass * temperature / (2 * math.pi))


def initial_friction_ratio(mass_ratio: ArrayLike) -> Array:
    """(1 + m/M)^(-1/2): M (-d ln C / dt) at 0+ over zeta, for the mass ratio M/m.

    The squared velocity change of a collision is (2m/(M + m))^2 w^2, w the relative velocity, normal with variance
    kT (1/m + 1/M); collisions come at the rate n |w|; <|w|^3> = sqrt(8/pi) <w^2>^(3/2).
    """
    return np.asarray((1 + 1 / np.asarray(mass_ratio, dtype=np.float64)) ** -0.5)


def sample_piston(
    mass_ratio: float,
    step: float,
    points: int,
    trajectories: int,
    *,
    density: float = 1.0,
    temperature: float = 1.0,
    gas_mass: float = 1.0,
    seed: int,
    executor: Executor | None = None,
) -> PistonPaths:
    """Trajectories of the piston in equilibrium, from V(0) of its Maxwellian and an undisturbed gas.

    Event by event, exact: first hits are drawn from the flux of the gas and thinned by the path of the piston, later
    ones follow from the particles that were met. Stationary, so that every frame is a time origin.

    Arguments:
        mass_ratio: M/m.
        step, points: frames at 0, step, ..., (points - 1) step.
        trajectories: how many, independent of each other.
        density, temperature, gas_mass: n on each side, kT, m.
        seed: of the random numbers, keyed by trajectory and draw: the same for any number of workers.
        executor: where tasks of 64 trajectories run.

    Raises:
        ValueError: for a number that is not positive.
    """
    numbers = {
        "mass_ratio": mass_ratio, "step": step, "points": points, "trajectories": trajectories, "density": density,
        "temperature": temperature, "gas_mass": gas_mass,
    }  # fmt: skip
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {value} is not positive")
    run = partial(
        _task, seed=seed, mass=mass_ratio, density=density, speed=math.sqrt(temperature / gas_mass), step=step,
        points=points, trajectories=trajectories, most=_CHUNK,
    )  # fmt: skip
    parts = list(map_ordered(run, range(0, trajectories, _CHUNK), executor))
    return PistonPaths(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _task(
    first: int, *, seed: int, mass: float, density: float, speed: float, step: float, points: int, trajectories: int,
    most: int,
) -> PistonPaths:  # fmt: skip
    number = min(most, trajectories - first)
    velocity, position = np.empty((number, points)), np.empty((number, points))
    squares, collisions, again = np.empty(number), np.empty(number, np.int64), np.empty(number, np.int64)
    horizon = 4 * min(math.sqrt(mass), 30.0) / (density * speed)  # for speed only: it changes no result
    piston_paths(
        seed, first, float(mass), float(density), speed, float(step), horizon, velocity, position, squares, collisions,
        again,
    )  # fmt: skip
    return PistonPaths(velocity, position, squares, collisions, again)


class PistonStatistics(NamedTuple):
    """Averages over trajectories of a piston, in blocks of independent ones.

    ``correlation``: <V(0) V(t)>; ``change``: <(V(t) - V(0))^2> up to tau = M / zeta, which is 2 (C(0) - C(t)), with
    less noise; ``squares`` (b,): squared velocity changes of collisions a unit time; ``residual`` (b, 2): second and
    fourth moment of V(t + tau) - exp(-1) V(t); ``collisions`` and ``recollisions`` in all.
    """

    correlation: Correlation
    change: Correlation
    squares: Array
    residual: Array
    collisions: int
    recollisions: int


def piston_statistics(
    mass_ratio: float,
    trajectories: int,
    *,
    relaxations: float = 16.0,
    longest: float = 8.0,
    frames: int = 20,
    blocks: int = 32,
    density: float = 1.0,
    temperature: float = 1.0,
    gas_mass: float = 1.0,
    seed: int,
    executor: Executor | None = None,
) -> PistonStatistics:
    """What the studies of the piston need, made block by block, so that no more than one block a worker is in memory.

    Arguments:
        mass_ratio: M/m.
        trajectories: in all; rounded up to a multiple of `blocks`.
        relaxations: length of a trajectory in units of tau = M / zeta.
        longest: longest lag in these units, below `relaxations`; beyond 6 there are two lags a tau, before all.
        frames: a tau.
        blocks: of trajectories.
        density, temperature, gas_mass, seed, executor: as `sample_piston`; the blocks are the tasks.

    Raises:
        ValueError: as `sample_piston`, and for a longest lag beyond the trajectories.
    """
    if not 1 <= longest < relaxations:
        raise ValueError(f"longest: a lag of {longest} must lie between 1 and the length of {relaxations} relaxations")
    if blocks < 2 or frames < 2:
        raise ValueError(f"{blocks} blocks and {frames} frames a relaxation: two of each are needed")
    step = mass_ratio * gas_mass / piston_friction(density, temperature, gas_mass) / frames
    points = round(relaxations * frames) + 1
    dense, last = round(min(longest, _DENSE) * frames), round(longest * frames)
    lags = np.unique(np.concatenate([np.arange(dense + 1), np.arange(dense, last + 1, max(1, frames // 2)), [last]]))
    number = -(-trajectories // blocks)
    run = partial(
        _statistics, seed=seed, mass=mass_ratio, density=density, temperature=temperature, gas_mass=gas_mass, step=step,
        points=points, lags=lags, frames=frames, number=number,
    )  # fmt: skip
    parts = list(map_ordered(run, range(blocks), executor))
    curves = [np.array([part[k] for part in parts]) for k in range(4)]
    correlation, change = (
        _from_blocks(step * steps, rows, blocks * number * (points - steps.astype(np.float64)))
        for steps, rows in ((lags, curves[0]), (lags[lags <= frames], curves[1]))
    )
    return PistonStatistics(
        correlation, change, curves[2], curves[3], sum(part[4] for part in parts), sum(part[5] for part in parts)
    )


def _statistics(
    block: int, *, seed: int, mass: float, density: float, temperature: float, gas_mass: float, step: float,
    points: int, lags: NDArray[np.int64], frames: int, number: int,
) -> tuple[Array, Array, float, Array, int, int]:  # fmt: skip
    paths = _task(
        block * number, seed=seed, mass=mass, density=density, speed=math.sqrt(temperature / gas_mass), step=step,
        points=points, trajectories=(block + 1) * number, most=number,
    )  # fmt: skip
    source = joined(paths.velocity[..., None], step)
    correlated = autocorrelation(source, source.positions, lags, blocks=2).value
    changed = mean_square_displacement(source, lags[lags <= frames], blocks=2).value
    left = paths.velocity[:, frames:] - math.exp(-1) * paths.velocity[:, :-frames]
    moments = np.array([np.mean(left**2), np.mean(left**4)])
    rate = float(paths.squared_changes.mean()) / (step * (points - 1))
    return correlated, changed, rate, moments, int(paths.collisions.sum()), int(paths.recollisions.sum())


def _from_blocks(time: Array, rows: Array, pairs: Array) -> Correlation:
    left_out = (rows.sum(axis=0) - rows) / (len(rows) - 1)
    return Correlation(time, rows.mean(axis=0), jackknife_error(left_out), left_out, pairs)


def friction_ratios(statistics: PistonStatistics, mass_ratio: float) -> dict[str, Estimate]:
    """Three frictions of the piston over zeta, for density, temperature and gas mass one.

    "initial": M (-d ln C/dt) at 0+, as the rate of squared velocity changes, (M/2 kT) sum (dV)^2 / time: the slope of
    <(V(t) - V(0))^2> / 2 at zero lag, in equilibrium. "lagged": the same from that function up to 0.35 tau, by a
    parabola. "integral": kT over the integral of C to the longest lag. C(0) is kT/M.
    """
    s, scale = statistics, mass_ratio / piston_friction()
    short = (s.change.time > 0) & (s.change.time <= 0.35 * scale)
    lag = s.change.time[short]

    def lagged(change: Array) -> float:
        slope = change[short] / (2 * lag) * mass_ratio * scale
        # errors of the change grow as its square root
        return float(np.polynomial.polynomial.polyfit(lag, slope, 2, w=1 / np.sqrt(lag))[0])

    return {
        "initial": from_blocks(s.squares / 2 * mass_ratio * scale),
        "lagged": s.change.derived(lagged),
        "integral": s.correlation.derived(lambda c: 1 / (piston_friction() * float(trapezoid(c, s.correlation.time)))),
    }


def langevin_tests(statistics: PistonStatistics, mass_ratio: float) -> dict[str, Estimate]:
    """What must be small for a Langevin equation to hold, for density, temperature and gas mass one.

    "friction": initial over integral friction, less one: does one friction serve short and long times?
    "exponential": C / C(0) less the exponential nearest to it, where that deviates most within 6 tau, errors included.
    "white": correlation of successive residuals of V(t + tau) = rho V(t) + residual, rho (rho^2 - rho_2) / (1 - rho^2)
    with rho, rho_2 = C(tau), C(2 tau) over C(0).
    "gaussian": <r^4> / 3 <r^2>^2 - 1 of the residuals (the Pawula ratio less one).
    "memory": tau_mem / tau_slow up to 2 tau, from the integrated Volterra equation.
    """
    s, tau = statistics, mass_ratio / piston_friction()
    ratios = friction_ratios(s, mass_ratio)
    rows = np.vstack([s.correlation.value, s.correlation.left_out])
    relative, time = rows / rows[:, :1], s.correlation.time
    near = time <= 6 * tau * (1 + 1e-9)
    apart = relative[:, near] - np.exp(-_nearest_rate(relative[:, near], time[near], 1 / tau)[:, None] * time[near])
    worst = int(np.argmax(np.abs(apart[0]) + 2 * jackknife_error(apart[1:])))
    frame = round(tau / time[1])
    one, two = relative[:, frame], relative[:, 2 * frame]
    white = one * (one**2 - two) / (1 - one**2)
    moments = np.vstack([s.residual.mean(axis=0), (s.residual.sum(axis=0) - s.residual) / (len(s.residual) - 1)])
    gaussian = moments[:, 1] / (3 * moments[:, 0] ** 2) - 1
    correlations = BathCorrelations(float(time[1]), mass_ratio, rows[:, near])
    first, last = ratios["initial"], ratios["integral"]
    friction = first.value / last.value
    # the two errors are taken as independent: the integral's is the larger by far
    error = friction * math.hypot((first.error or 0.0) / first.value, (last.error or 0.0) / last.value)
    return {
        "friction": Estimate(friction - 1, error, len(s.residual), method="jackknife"),
        "exponential": jackknifed(apart[0, worst], apart[1:, worst]),
        "white": jackknifed(white[0], white[1:]),
        "gaussian": jackknifed(gaussian[0], gaussian[1:]),
        "memory": memory_number(memory_kernel(correlations, "integrated"), 2 * tau),
    }


def holds(tests: dict[str, Estimate], tolerance: float) -> bool | None:
    """True where all numbers are shown to lie within the tolerance (two standard errors included), False where one is
    shown to lie outside, None where the errors leave it open."""
    low = [abs(test.value) - 2 * (test.error or 0.0) for test in tests.values()]
    high = [abs(test.value) + 2 * (test.error or 0.0) for test in tests.values()]
    return False if max(low) > tolerance else True if max(high) <= tolerance else None


def _nearest_rate(relative: Array, time: Array, rate: float) -> Array:
    """The rate of the exponential nearest to each row, least squares by Gauss-Newton."""
    rates = np.full(len(relative), rate)
    for _ in range(30):
        model = np.exp(-rates[:, None] * time)
        slope = -time * model
        rates += np.sum((relative - model) * slope, axis=1) / np.sum(slope**2, axis=1)
    return rates


def jepsen_correlation(
    time: ArrayLike, density: float = 1.0, temperature: float = 1.0, gas_mass: float = 1.0, nodes: int = 200
) -> Array:
    """<V(0) V(t)> of a particle as heavy as those of the gas (M = m), in closed form up to one quadrature.

    Lines of free flight never turn; only who flies on them changes, and the order stays. With z = w / s, thermal speed
    s = sqrt(kT/m), phi and Phi the normal density and distribution, the numbers of lines that cross one of velocity w
    in time t are Poisson with means a(w) = n t s (phi - z Phi(-z)) and b(w) = a(-w), their difference is k with
    probability p_k = e^(-a-b) (b/a)^(k/2) I_k(2 sqrt(ab)), and

        C(t) = int f(w) w^2 p_0 dw + n t int (s phi)^2 (p_1 + p_-1 - 2 p_0) dw.

    The first term is the particle still on its own line. Trapezoid on a grid that is finer around w = 0.

    Arguments:
        time: any shape, not negative.
        density, temperature, gas_mass: n, kT, m.
        nodes: of the quadrature.

    Source: Jepsen, J. Math. Phys. 6, 405 (1965); Lebowitz and Percus, Phys. Rev. 155, 122 (1967).
    """
    t = np.asarray(time, dtype=np.float64)[..., None]
    s = math.sqrt(temperature / gas_mass)
    # for long times the integrand lives on small |w|; the trapezoid is exact for a smooth one that ends in zeros
    x = np.linspace(-_WIDEST, _WIDEST, nodes | 1)
    z = np.sinh(_PINCH * x) / math.sinh(_PINCH * _WIDEST) * _WIDEST
    measure = _PINCH * np.cosh(_PINCH * x) / math.sinh(_PINCH * _WIDEST) * _WIDEST * (x[1] - x[0])
    density_z = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    scale = density * s * t
    a = scale * np.maximum(density_z - z * erfc(z / math.sqrt(2)) / 2, 0)  # rounding, far out
    b = scale * np.maximum(density_z + z * erfc(-z / math.sqrt(2)) / 2, 0)
    root = np.sqrt(a * b)
    apart = np.exp(-((np.sqrt(a) - np.sqrt(b)) ** 2))  # e^(-a-b) of p_k with the e^(2 sqrt(ab)) that ive leaves out
    none = apart * ive(0, 2 * root)
    # (b/a)^(1/2) + (a/b)^(1/2) = (a + b) / sqrt(ab), and I_1(2r) / r is finite at r = 0
    first = np.where(root > 0, ive(1, 2 * root) / np.where(root > 0, root, 1.0), 1.0)
    one = apart * (a + b) * first
    own = s**2 * z**2 * density_z * none
    others = scale * s**2 * density_z**2 * (one - 2 * none)
    return np.asarray(np.sum(measure * (own + others), axis=-1))


_WIDEST, _PINCH = 9.0, 0.4
