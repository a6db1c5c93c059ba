"""From samples to a table that an engine can run: the two rules that complete what data cannot give.

*Cut-off.* The potential is shifted by its value at the cut-off (a constant, so no force changes), and the slope b
that is left there is removed by U'(r) -> U'(r) - b w(r), w rising from 0 to 1 as a C2 smoothstep over the last
``smooth`` nm. No force changes by more than |b|, and a potential that already vanishes with its slope is untouched.

*Core.* Below the first supported point r0 stands a wall that joins in energy and slope, falls monotonically and is
convex: U(r) = U(r0) + (F0 r0 / 12) ((r0 / r)^12 - 1), continued as a straight line where its force has grown to
100 F0, so that U(0) is finite. F0 comes from a least-squares fit of a + b (r0 / r)^12 to all supported points within
``edge`` nm of r0 (three at least), because the derivative of a sampled potential at its own edge is the noisiest
number it has, and the core moves the pressure; on Lennard-Jones samples F0 is 5-11 % low, at a third of the noise.
Where the fit is less repulsive than F_min = (12 / r0) * (spread of the supported energies) / 4, or attractive, F_min
is used: a wall r^-12 as high as a quarter of the spread. Extrapolated is extrapolated:
`PairPotential.is_supported` says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Samples", "complete", "edge_from_energy", "edge_from_force", "uniform_grid"]

_Array = NDArray[np.float64]
_POWER = 12  # of the wall
_STIFFEST = 100.0  # force of the core over its force at the edge, where the straight line begins


@dataclass(frozen=True)
class Samples:
    """Finite samples inside the supported range."""

    r: _Array
    values: _Array
    error: _Array | None

    @classmethod
    def check(
        cls, r: ArrayLike, values: ArrayLike, supported: tuple[float, float] | None, cutoff: float,
        error: ArrayLike | None, name: str,
    ) -> Samples:  # fmt: skip
        """The samples inside ``supported``; `ValueError` says what is wrong with them, and where."""
        x, y = np.asarray(r, dtype=np.float64), np.asarray(values, dtype=np.float64)
        if x.ndim != 1 or y.shape != x.shape:
            raise ValueError(f"r and {name} must be two arrays of one length, not {x.shape} and {y.shape}")
        if not np.all(np.diff(x) > 0) or (len(x) and x[0] < 0):
            raise ValueError("r must rise from a number >= 0, without repeats or NaN")
        finite = np.isfinite(y)
        if supported is None:
            if not finite.any():
                raise ValueError(f"{name} holds no finite sample")
            supported = (float(x[finite][0]), float(x[finite][-1]))
        tiny = 1e-9 * cutoff
        use = (x >= supported[0] - tiny) & (x <= supported[1] + tiny)
        if np.any(use & ~finite):
            at = x[use & ~finite][0]
            raise ValueError(f"{name} is not finite at r = {at:.4g} nm, inside the supported range {supported}")
        if np.count_nonzero(use & (x < cutoff - tiny)) < 3:
            raise ValueError(f"fewer than 3 samples of {name} lie in {supported} nm and below the cut-off {cutoff} nm")
        e = None
        if error is not None:
            e = np.asarray(error, dtype=np.float64)
            if e.shape != x.shape or np.any(~np.isfinite(e[use]) | (e[use] < 0)):
                raise ValueError(f"the band must hold a finite standard error >= 0 for each supported sample of {name}")
            e = e[use]
        return cls(x[use], y[use], e)

    def on(self, grid: _Array) -> tuple[_Array, float, NDArray[np.bool_], Any]:
        """The grid, where the table ends, the nodes between the samples, and the samples' cubic spline."""
        from scipy.interpolate import CubicSpline

        tiny = 1e-9 * grid[-1]
        end = float(min(grid[-1], self.r[-1]))
        spline = CubicSpline(self.r, self.values, bc_type="natural" if len(self.r) < 4 else "not-a-knot")
        return grid, end, (grid >= self.r[0] - tiny) & (grid <= end + tiny), spline

    def error_on(self, grid: _Array) -> _Array | None:
        """Standard errors at the nodes, NaN outside the samples."""
        return None if self.error is None else np.interp(grid, self.r, self.error, left=np.nan, right=np.nan)

    def at_edge(self, width: float) -> tuple[_Array, _Array, _Array]:
        """The first few samples (distance, value, square root of the weight)."""
        few = slice(0, max(3, int(np.count_nonzero(self.r <= self.r[0] + width * (1 + 1e-9)))))
        weight = np.ones(len(self.r[few]))
        if self.error is not None and np.all(self.error[few] > 0):
            weight = np.min(self.error[few]) / self.error[few]
        return self.r[few], self.values[few], weight


def uniform_grid(cutoff: float, step: float) -> _Array:
    if not (np.isfinite(cutoff) and np.isfinite(step) and 0 < step < cutoff):
        raise ValueError(f"need 0 < step < cut-off, not step {step} and cut-off {cutoff} nm")
    """r_k = k * step from 0 to the cut-off; the step is shrunk to divide it."""
    nodes = max(3, int(np.ceil(cutoff / step - 1e-6)) + 1)
    return np.asarray(cutoff / (nodes - 1) * np.arange(nodes), dtype=np.float64)


def edge_from_energy(samples: Samples, width: float) -> float:
    """Force at the first sample: least squares of a + b (r0/r)^12 over the edge."""
    r, u, weight = samples.at_edge(width)
    if r[0] <= 0:
        return 0.0
    design = np.stack([np.ones_like(r), (r[0] / r) ** _POWER], axis=1) * weight[:, None]
    return float(np.linalg.lstsq(design, u * weight, rcond=None)[0][1] * _POWER / r[0])


def edge_from_force(samples: Samples, width: float) -> float:
    """The same from forces: least squares of F0 (r0/r)^13."""
    r, f, weight = samples.at_edge(width)
    if r[0] <= 0:
        return 0.0
    wall = (r[0] / r) ** (_POWER + 1) * weight
    return float(wall @ (f * weight) / (wall @ wall))


def complete(
    grid: _Array, energy: _Array, slope: _Array, supported: tuple[float, float], left: float, smooth: float,
    force: float, minimum: float | None,
) -> tuple[_Array, _Array]:  # fmt: skip
    """Cut-off and core by the module's rules; ``energy`` is zero at the end already, ``left`` is dU/dr there.

    ``force`` at the first supported distance starts the wall, or ``minimum`` (None: F_min) where that is larger.
    """
    first, end = (float(x) for x in supported)
    tiny = 1e-9 * grid[-1]
    if not 0 < smooth <= end - first:
        raise ValueError(f"smooth must lie between 0 and the supported width {end - first:.4g} nm, not {smooth} nm")
    x = np.clip((grid - (end - smooth)) / smooth, 0.0, 1.0)
    slope = slope - left * x**3 * (10 - 15 * x + 6 * x * x)
    energy = energy + left * smooth * (0.5 - x**4 * (2.5 - 3 * x + x * x))
    energy[grid >= end - tiny] = slope[grid >= end - tiny] = 0.0
    k = int(np.searchsorted(grid, first - tiny))
    if k > 0:
        r0 = grid[k]
        force *= (first / r0) ** (_POWER + 1)
        if minimum is None:
            minimum = 12.0 / r0 * float(np.ptp(energy[k:])) / 4.0
        force = max(force, minimum)
        turn = r0 * _STIFFEST ** (-1.0 / (_POWER + 1))
        wall = np.maximum(grid[:k], turn)
        push = force * (r0 / wall) ** (_POWER + 1)
        energy[:k] = energy[k] + force * r0 / _POWER * ((r0 / wall) ** _POWER - 1.0) + push * (wall - grid[:k])
        slope[:k] = -push
        slope[k] = -force
    return energy, slope
