"""Pair potentials on a uniform grid, and bead models made of them.

One interpolant serves every reader of a table (our engine, the writers of other engines' tables, the tests): between the nodes
r_k = k * step the energy is the cubic Hermite polynomial of the nodes' energy and slope dU/dr, and the force is exactly the
derivative of that polynomial. At and beyond the cut-off both are zero; there is no tail correction anywhere.

Two rules complete what data cannot give:

*Cut-off.* The potential is shifted by its value at the cut-off (a constant, so no force changes), and the slope b that is left
there is removed by U'(r) -> U'(r) - b w(r), w rising from 0 to 1 as a C2 smoothstep over the last ``smooth`` nm. No force changes
by more than |b|, and a potential that already vanishes with its slope is untouched.

*Core.* Below the first supported point r0 stands a wall that joins in energy and slope, falls monotonically and is convex:
U(r) = U(r0) + (F0 r0 / n) ((r0 / r)^n - 1), continued as a straight line where its force has grown to 100 F0, so that U(0) is finite.
F0 and n (one of 6, 9, 12, 18, 24) are fitted to all supported points within ``edge`` nm of r0, because the derivative of a sampled
potential at its own edge is the noisiest number it has, and the core moves the pressure. Where the fit is less repulsive than
F_min = (12 / r0) * (spread of the supported energies) / 4, or attractive, F_min is used: a wall r^-12 as high as a quarter of the
spread. Extrapolated is extrapolated: `PairPotential.is_supported` says where.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Model", "PairPotential", "lennard_jones", "two_well"]

_Array = NDArray[np.float64]
_EXPONENTS = (6, 9, 12, 18, 24)
_STIFFEST = 100.0  # force of the core over its force at the edge, where the straight line begins


@dataclass(frozen=True, eq=False)
class PairPotential:
    """A tabulated pair potential U(r) with one interpolant, cubic Hermite, on r_k = k * step, k = 0..m-1, r_{m-1} = cut-off.

    ``step`` in nm; ``energy`` (m,) in kJ/mol; ``slope`` (m,) = dU/dr in kJ/mol/nm; both zero at the cut-off.
    ``supported`` (lo, hi) in nm is the range that data support: outside it the table is extrapolated.
    ``band`` (m,) is the standard error of the energy in kJ/mol and ``force_band`` (m,) that of the force in kJ/mol/nm, NaN
    where nothing supports them; None if unknown.

    Raises `ValueError` for a table that is not finite or not zero at the cut-off.
    """

    step: float
    energy: _Array
    slope: _Array
    supported: tuple[float, float]
    band: _Array | None = None
    force_band: _Array | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.step) and self.step > 0):
            raise ValueError(f"the step of a table must be positive, not {self.step} nm")
        arrays: dict[str, _Array] = {}
        for name in ("energy", "slope", "band", "force_band"):
            given = getattr(self, name)
            if given is not None:
                arrays[name] = np.array(given, dtype=np.float64)
        energy, slope = arrays["energy"], arrays["slope"]
        if energy.ndim != 1 or len(energy) < 3:
            raise ValueError(f"a table needs at least 3 nodes in one dimension, not shape {energy.shape}")
        for name, array in arrays.items():
            if array.shape != energy.shape:
                raise ValueError(f"{name} has shape {array.shape}, energy {energy.shape}; they share one grid")
        for name in ("energy", "slope"):
            bad = np.flatnonzero(~np.isfinite(arrays[name]))
            if len(bad):
                raise ValueError(f"{name} is not finite at {len(bad)} nodes, first at r = {bad[0] * self.step:.4g} nm")
        scale = 1e-9 * max(1.0, float(np.ptp(energy)))
        if abs(energy[-1]) > scale or abs(slope[-1]) * self.step > scale:
            raise ValueError(
                f"energy and slope must vanish at the cut-off, but are {energy[-1]:.4g} kJ/mol and {slope[-1]:.4g} kJ/mol/nm; "
                "build the table with from_energy, from_force or from_function, which see to it"
            )
        energy[-1] = slope[-1] = 0.0
        lo, hi = (float(x) for x in self.supported)
        if not 0 <= lo < hi:
            raise ValueError(f"supported must be a range 0 <= lo < hi, not ({lo}, {hi})")
        for array in arrays.values():
            array.flags.writeable = False
        object.__setattr__(self, "step", float(self.step))
        object.__setattr__(self, "supported", (lo, min(hi, self.step * (len(energy) - 1))))
        for name, array in arrays.items():
            object.__setattr__(self, name, array)

    # ---- reading -------------------------------------------------------------------------------------------------------

    @property
    def r(self) -> _Array:
        """(m,) the grid in nm."""
        return self.step * np.arange(len(self.energy))

    @property
    def cutoff(self) -> float:
        """Cut-off in nm; the potential is zero there and beyond."""
        return self.step * (len(self.energy) - 1)

    def energy_at(self, r: ArrayLike) -> _Array:
        """U(r) in kJ/mol for distances of any shape in nm."""
        return self._evaluate(r)[0]

    def force_at(self, r: ArrayLike) -> _Array:
        """-dU/dr in kJ/mol/nm, exactly the derivative of `energy_at`."""
        return -self._evaluate(r)[1]

    def is_supported(self, r: ArrayLike) -> NDArray[np.bool_]:
        """Where data stand behind the table; False where it is extrapolated (the cut-off's zero counts as supported)."""
        x = np.asarray(r, dtype=np.float64)
        lo, hi = self.supported
        tiny = 1e-9 * self.cutoff
        return np.asarray(((x >= lo - tiny) & (x <= hi + tiny)) | (x >= self.cutoff - tiny))

    def _evaluate(self, r: ArrayLike) -> tuple[_Array, _Array]:
        x = np.asarray(r, dtype=np.float64)
        if not np.all(x >= 0):
            raise ValueError("distances must be numbers >= 0")
        k = np.minimum(np.minimum(x, self.cutoff) / self.step, len(self.energy) - 2).astype(np.int64)
        t = x / self.step - k
        u0, du = self.energy[k], self.energy[k + 1] - self.energy[k]
        s0, s1 = self.slope[k] * self.step, self.slope[k + 1] * self.step
        c2, c3 = 3 * du - 2 * s0 - s1, s0 + s1 - 2 * du
        inside = x < self.cutoff
        energy = np.where(inside, u0 + t * (s0 + t * (c2 + t * c3)), 0.0)
        slope = np.where(inside, (s0 + t * (2 * c2 + 3 * t * c3)) / self.step, 0.0)
        return energy, slope

    # ---- building ------------------------------------------------------------------------------------------------------

    @classmethod
    def from_energy(
        cls, r: ArrayLike, u: ArrayLike, *, cutoff: float, supported: tuple[float, float] | None = None, step: float = 0.002,
        smooth: float = 0.05, band: ArrayLike | None = None, edge: float = 0.02, minimum_repulsion: float | None = None,
    ) -> PairPotential:  # fmt: skip
        """Potential from samples of the energy: cubic spline inside ``supported``, core and cut-off by the module's rules.

        ``r`` (p,) rising, in nm; ``u`` (p,) in kJ/mol, finite inside ``supported`` (default: from the first to the last finite
        sample; what lies outside is ignored, so -kT ln 0 may stand there). The table ends in zero at ``cutoff``, or at
        the last supported sample if that comes first. ``step`` is shrunk to divide the cut-off. ``band`` (p,): standard error of u;
        it weights the fit of the core. ``edge``: width of that fit (at least three samples are used);
        ``minimum_repulsion`` (kJ/mol/nm) replaces F_min. Raises `ValueError` for unusable samples.
        """
        samples = _Samples.check(r, u, supported, cutoff, band, "u")
        from scipy.interpolate import CubicSpline

        spline = CubicSpline(samples.r, samples.values, bc_type="natural" if len(samples.r) < 4 else "not-a-knot")
        grid = _grid(cutoff, step)
        end = min(cutoff, samples.r[-1])
        inside = (grid >= samples.r[0] - 1e-9 * cutoff) & (grid <= end + 1e-9 * cutoff)
        energy, slope = np.zeros_like(grid), np.zeros_like(grid)
        energy[inside], slope[inside] = spline(grid[inside]) - spline(end), spline(grid[inside], 1)
        shape = _edge_from_energy(samples, edge)
        return _complete(
            grid, energy, slope, samples, end, float(spline(end, 1)), smooth, shape, minimum_repulsion,
            band=samples.on_grid(grid, samples.error),
        )  # fmt: skip

    @classmethod
    def from_force(
        cls, r: ArrayLike, force: ArrayLike, *, cutoff: float, supported: tuple[float, float] | None = None,
        step: float = 0.002, smooth: float = 0.05, band: ArrayLike | None = None, edge: float = 0.02,
        minimum_repulsion: float | None = None,
    ) -> PairPotential:  # fmt: skip
        """Potential from samples of the force -dU/dr: U(r) = integral of the force's cubic spline from r to the cut-off, exactly.

        Arguments as for `from_energy`; ``force`` and ``band`` in kJ/mol/nm (``band`` becomes ``force_band``).
        """
        samples = _Samples.check(r, force, supported, cutoff, band, "force")
        from scipy.interpolate import CubicSpline

        spline = CubicSpline(samples.r, samples.values, bc_type="natural" if len(samples.r) < 4 else "not-a-knot")
        work = spline.antiderivative()
        grid = _grid(cutoff, step)
        end = min(cutoff, samples.r[-1])
        inside = (grid >= samples.r[0] - 1e-9 * cutoff) & (grid <= end + 1e-9 * cutoff)
        energy, slope = np.zeros_like(grid), np.zeros_like(grid)
        energy[inside], slope[inside] = work(end) - work(grid[inside]), -spline(grid[inside])
        shape = _edge_from_force(samples, edge)
        return _complete(
            grid, energy, slope, samples, end, -float(spline(end)), smooth, shape, minimum_repulsion,
            force_band=samples.on_grid(grid, samples.error),
        )  # fmt: skip

    @classmethod
    def from_function(
        cls, energy: Callable[[_Array], ArrayLike], slope: Callable[[_Array], ArrayLike], cutoff: float, step: float = 0.002,
        *, core: float = 0.0, smooth: float = 0.05,
    ) -> PairPotential:  # fmt: skip
        """Potential from U(r) and dU/dr, exact at the nodes from ``core`` (nm) to the cut-off, with the r^-12 wall below.

        ``energy`` and ``slope`` map (p,) nm to kJ/mol and kJ/mol/nm. Raises `ValueError` where they are not finite.
        """
        grid = _grid(cutoff, step)
        inside = grid >= core - 1e-9 * cutoff
        u, s = np.zeros_like(grid), np.zeros_like(grid)
        u[inside] = np.asarray(energy(grid[inside]), dtype=np.float64)
        s[inside] = np.asarray(slope(grid[inside]), dtype=np.float64)
        bad = inside & ~(np.isfinite(u) & np.isfinite(s))
        if bad.any():
            raise ValueError(
                f"the function is not finite at r = {grid[bad][-1]:.4g} nm; give core= a radius above which it is"
            )
        first = float(grid[inside][0])
        samples = _Samples(grid[inside], u[inside], None)
        u[inside] -= u[-1]
        shape = (max(-float(s[inside][0]), 0.0), 12)
        return _complete(grid, u, s, samples, cutoff, float(s[-1]), smooth, shape, None if first > 0 else 0.0)

    @classmethod
    def zero(cls, cutoff: float, step: float = 0.002) -> PairPotential:
        """No interaction: the ideal gas."""
        grid = _grid(cutoff, step)
        return cls(cutoff / (len(grid) - 1), np.zeros_like(grid), np.zeros_like(grid), (0.0, cutoff))

    # ---- arithmetic ----------------------------------------------------------------------------------------------------

    def updated(
        self, r: ArrayLike, change: ArrayLike, *, supported: tuple[float, float], scale: float = 1.0, smooth: float = 0.05,
        edge: float = 0.02,
    ) -> PairPotential:  # fmt: skip
        """U(r) + scale * change(r) where ``supported``, on this grid, with the core rebuilt below and the cut-off smoothed again.

        ``change`` (p,) in kJ/mol at ``r`` (p,) nm, interpolated by a cubic spline: the step of the iterative methods.
        """
        samples = _Samples.check(r, change, supported, self.cutoff, None, "change")
        from scipy.interpolate import CubicSpline

        spline = CubicSpline(samples.r, samples.values, bc_type="natural" if len(samples.r) < 4 else "not-a-knot")
        end = min(self.cutoff, samples.r[-1])
        inside = (self.r >= samples.r[0] - 1e-9 * self.cutoff) & (self.r <= end + 1e-9 * self.cutoff)
        x = self.r[inside]
        energy, slope = np.zeros_like(self.energy), np.zeros_like(self.slope)
        at_end = float(self.energy_at(end)) + scale * float(spline(end))
        energy[inside] = self.energy[inside] + scale * spline(x) - at_end
        slope[inside] = self.slope[inside] + scale * spline(x, 1)
        known = _Samples(x, energy[inside], None)
        left = -float(self.force_at(end)) + scale * float(spline(end, 1))
        return _complete(self.r, energy, slope, known, end, left, smooth, _edge_from_energy(known, edge), None)

    def __add__(self, other: PairPotential) -> PairPotential:
        """Sum on one grid; supported where both are; bands are dropped, because nothing says how they are correlated."""
        if len(other.energy) != len(self.energy) or not np.isclose(other.step, self.step, rtol=1e-9, atol=0):
            raise ValueError(
                f"potentials on different grids cannot be added: step {self.step} and {other.step} nm, cut-off {self.cutoff} and "
                f"{other.cutoff} nm; bring them to one with .padded(cutoff) or .resampled(step)"
            )
        both = (max(self.supported[0], other.supported[0]), min(self.supported[1], other.supported[1]))
        return PairPotential(self.step, self.energy + other.energy, self.slope + other.slope, both)

    def __mul__(self, factor: float) -> PairPotential:
        """The potential and its bands times a number."""
        size = abs(factor)
        return PairPotential(
            self.step, factor * self.energy, factor * self.slope, self.supported,
            None if self.band is None else size * self.band, None if self.force_band is None else size * self.force_band,
        )  # fmt: skip

    __rmul__ = __mul__

    def __neg__(self) -> PairPotential:
        return self * -1.0

    def __sub__(self, other: PairPotential) -> PairPotential:
        return self + other * -1.0

    def padded(self, cutoff: float) -> PairPotential:
        """The same potential with a longer, zero, tail on the same step; ``cutoff`` (nm) a multiple of the step."""
        nodes = round(cutoff / self.step) + 1
        if nodes < len(self.energy) or not np.isclose((nodes - 1) * self.step, cutoff, rtol=1e-9):
            raise ValueError(f"{cutoff} nm is not a multiple of the step {self.step} nm at or above {self.cutoff} nm")
        more = (0, nodes - len(self.energy))
        bands = [None if b is None else np.pad(b, more, constant_values=np.nan) for b in (self.band, self.force_band)]
        return PairPotential(self.step, np.pad(self.energy, more), np.pad(self.slope, more), self.supported, *bands)

    def resampled(self, step: float) -> PairPotential:
        """The same potential on another step (shrunk to divide the cut-off); exact where the step is an integer fraction."""
        grid = _grid(self.cutoff, step)
        energy, slope = self._evaluate(grid)
        bands = [None if b is None else np.interp(grid, self.r, b) for b in (self.band, self.force_band)]
        return PairPotential(self.cutoff / (len(grid) - 1), energy, slope, self.supported, *bands)


@dataclass(frozen=True)
class _Samples:
    """Finite samples inside the supported range."""

    r: _Array
    values: _Array
    error: _Array | None

    @classmethod
    def check(
        cls, r: ArrayLike, values: ArrayLike, supported: tuple[float, float] | None, cutoff: float, error: ArrayLike | None,
        name: str,
    ) -> _Samples:  # fmt: skip
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
            raise ValueError(f"{name} is not finite at r = {x[use & ~finite][0]:.4g} nm inside the supported range {supported}")
        if np.count_nonzero(use & (x < cutoff - tiny)) < 3:
            raise ValueError(f"fewer than 3 samples lie inside the supported range {supported} and below the cut-off {cutoff} nm")
        e = None
        if error is not None:
            e = np.asarray(error, dtype=np.float64)
            if e.shape != x.shape or np.any(~np.isfinite(e[use]) | (e[use] < 0)):
                raise ValueError(f"the band must hold one finite standard error >= 0 for each supported sample of {name}")
            e = e[use]
        return cls(x[use], y[use], e)

    def on_grid(self, grid: _Array, values: _Array | None) -> _Array | None:
        return None if values is None else np.interp(grid, self.r, values, left=np.nan, right=np.nan)

    def at_edge(self, width: float) -> tuple[_Array, _Array, _Array]:
        """The first few samples (distance, value, square root of the weight)."""
        few = slice(0, max(3, int(np.count_nonzero(self.r <= self.r[0] + width * (1 + 1e-9)))))
        weight = np.ones(len(self.r[few]))
        if self.error is not None and np.all(self.error[few] > 0):
            weight = np.min(self.error[few]) / self.error[few]
        return self.r[few], self.values[few], weight


def _grid(cutoff: float, step: float) -> _Array:
    if not (np.isfinite(cutoff) and np.isfinite(step) and 0 < step < cutoff):
        raise ValueError(f"need 0 < step < cut-off, not step {step} and cut-off {cutoff} nm")
    nodes = max(3, int(np.ceil(cutoff / step - 1e-6)) + 1)
    return cutoff / (nodes - 1) * np.arange(nodes)


def _edge_from_energy(samples: _Samples, width: float) -> tuple[float, int]:
    """Force at the first sample and exponent of the wall: least squares of a + b (r0/r)^n over the edge."""
    r, u, weight = samples.at_edge(width)
    if r[0] <= 0:
        return 0.0, 12
    fits = []
    for n in _EXPONENTS:
        design = np.stack([np.ones_like(r), (r[0] / r) ** n], axis=1) * weight[:, None]
        (a, b), *_ = np.linalg.lstsq(design, u * weight, rcond=None)
        fits.append((float(np.sum((design @ (a, b) - u * weight) ** 2)), float(b) * n / float(r[0]), n))
    _, force, n = min(fits)
    return force, n


def _edge_from_force(samples: _Samples, width: float) -> tuple[float, int]:
    """The same from forces: least squares of F0 (r0/r)^(n+1)."""
    r, f, weight = samples.at_edge(width)
    if r[0] <= 0:
        return 0.0, 12
    fits = []
    for n in _EXPONENTS:
        wall = (r[0] / r) ** (n + 1) * weight
        force = float(wall @ (f * weight) / (wall @ wall))
        fits.append((float(np.sum((force * wall - f * weight) ** 2)), force, n))
    _, force, n = min(fits)
    return force, n


def _complete(
    grid: _Array, energy: _Array, slope: _Array, samples: _Samples, end: float, left: float, smooth: float,
    shape: tuple[float, int], minimum: float | None, *, band: _Array | None = None, force_band: _Array | None = None,
) -> PairPotential:  # fmt: skip
    """Cut-off and core by the rules of this module; ``energy`` is already shifted to zero at ``end``, ``left`` is dU/dr there."""
    first = float(samples.r[0])
    if not 0 < smooth <= end - first:
        raise ValueError(f"smooth must lie between 0 and the supported width {end - first:.4g} nm, not {smooth} nm")
    x = np.clip((grid - (end - smooth)) / smooth, 0.0, 1.0)
    beyond = grid >= end - 1e-9 * grid[-1]
    slope = slope - left * x**3 * (10 - 15 * x + 6 * x * x)
    energy = energy + left * smooth * (0.5 - x**4 * (2.5 - 3 * x + x * x))
    energy[beyond] = slope[beyond] = 0.0
    k = int(np.searchsorted(grid, first - 1e-9 * grid[-1]))
    if k > 0:
        r0 = grid[k]
        force, n = shape
        if minimum is None:
            minimum = 12.0 / r0 * float(np.ptp(energy[k:])) / 4.0
        if force < minimum:
            force, n = minimum, 12
        turn = r0 * _STIFFEST ** (-1.0 / (n + 1))
        wall = np.maximum(grid[:k], turn)
        push = force * (r0 / wall) ** (n + 1)
        energy[:k] = energy[k] + force * r0 / n * ((r0 / wall) ** n - 1.0) + push * (wall - grid[:k])
        slope[:k] = -push
        slope[k] = -force
    return PairPotential(float(grid[-1]) / (len(grid) - 1), energy, slope, (first, end), band, force_band)


@dataclass(frozen=True, eq=False)
class Model:
    """A bead model: ``names`` and ``masses`` (amu) of the bead types, and one potential for each pair of types.

    ``pairs`` maps (name, name), in either order, to a `PairPotential`; all on one grid, because engines walk one table.
    Raises `ValueError` for a pair that is missing, given twice or unknown, and for unequal grids.
    """

    names: tuple[str, ...]
    masses: tuple[float, ...]
    pairs: Mapping[tuple[str, str], PairPotential] = field(repr=False)

    def __post_init__(self) -> None:
        names, masses = tuple(self.names), tuple(float(m) for m in self.masses)
        if not names or len(set(names)) != len(names) or len(masses) != len(names):
            raise ValueError(f"a model needs different names and one mass each, not {names} and {masses}")
        if not all(np.isfinite(m) and m > 0 for m in masses):
            raise ValueError(f"every bead type needs a positive, finite mass (amu), not {masses}")
        ordered: dict[tuple[str, str], PairPotential] = {}
        for (a, b), potential in self.pairs.items():
            if a not in names or b not in names:
                raise ValueError(f"the pair ({a}, {b}) names a bead type that is not among {names}")
            key = (a, b) if names.index(a) <= names.index(b) else (b, a)
            if key in ordered:
                raise ValueError(f"the pair ({a}, {b}) is given twice")
            ordered[key] = potential
        wanted = [(a, b) for i, a in enumerate(names) for b in names[i:]]
        missing = [pair for pair in wanted if pair not in ordered]
        if missing:
            raise ValueError(f"no potential for the pair {missing[0]}; give PairPotential.zero(cutoff) where there is none")
        one = ordered[wanted[0]]
        for pair, potential in ordered.items():
            if len(potential.energy) != len(one.energy) or not np.isclose(potential.step, one.step, rtol=1e-9, atol=0):
                raise ValueError(
                    f"the pairs {wanted[0]} and {pair} have unequal grids (step {one.step} and {potential.step} nm, cut-off "
                    f"{one.cutoff} and {potential.cutoff} nm); bring them to one with .resampled(step) and .padded(cutoff)"
                )
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "masses", masses)
        object.__setattr__(self, "pairs", {pair: ordered[pair] for pair in wanted})

    @classmethod
    def single(cls, potential: PairPotential, mass: float, name: str = "A") -> Model:
        """A model of one bead type."""
        return cls((name,), (mass,), {(name, name): potential})

    def pair(self, a: str, b: str) -> PairPotential:
        """The potential between two types, in either order."""
        for key in ((a, b), (b, a)):
            if key in self.pairs:
                return self.pairs[key]
        raise ValueError(f"no pair ({a}, {b}) in a model of {self.names}")

    @property
    def only(self) -> PairPotential:
        """The single potential of a one-type model; `ValueError` where there are several."""
        if len(self.names) != 1:
            raise ValueError(f"this model has {len(self.names)} bead types {self.names}; name the pair")
        return self.pairs[self.names[0], self.names[0]]

    @property
    def cutoff(self) -> float:
        """The common cut-off in nm."""
        return next(iter(self.pairs.values())).cutoff

    @property
    def step(self) -> float:
        """The common grid step in nm."""
        return next(iter(self.pairs.values())).step

    def tables(self) -> tuple[_Array, _Array]:
        """Energies and slopes of all pairs of types, each (types, types, m), symmetric."""
        both = [[self.pair(a, b) for b in self.names] for a in self.names]
        return (np.array([[p.energy for p in row] for row in both]), np.array([[p.slope for p in row] for row in both]))

    def save(self, path: str | Path) -> Path:
        """Write the model as ``.json`` (to be read by anything) or ``.npz`` (arrays, no pickle); both give the same bits back."""
        path = Path(path)
        if path.suffix not in (".json", ".npz"):
            raise ValueError(f"a model is saved as .json or .npz, not {path.suffix!r}")
        head: dict[str, Any] = {
            "format": "kadanoff model 1", "units": "nm, kJ/mol, amu", "names": self.names, "masses": self.masses,
        }  # fmt: skip
        arrays = ("energy", "slope", "band", "force_band")
        entries = []
        for (a, b), p in self.pairs.items():
            entry: dict[str, Any] = {"pair": (a, b), "step": p.step, "supported": p.supported}
            entries.append(entry | {k: getattr(p, k) for k in arrays if getattr(p, k) is not None})
        if path.suffix == ".json":
            text = [{k: _plain(v) if isinstance(v, np.ndarray) else v for k, v in entry.items()} for entry in entries]
            path.write_text(json.dumps(head | {"pairs": text}, indent=1))
        else:
            flat = {f"{i}.{k}": np.asarray(v) for i, e in enumerate(entries) for k, v in e.items() if k in arrays}
            bare = [{k: v for k, v in entry.items() if k not in arrays} for entry in entries]
            np.savez_compressed(path, head=np.array(json.dumps(head | {"pairs": bare})), allow_pickle=False, **flat)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a model that `save` wrote. Raises `ValueError` for another kind of file."""
        path = Path(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                if "head" not in stored:
                    raise ValueError(f"{path} holds no kadanoff model")
                head = json.loads(str(stored["head"]))
                for key in stored.files:
                    if key != "head":
                        index, name = key.split(".")
                        head["pairs"][int(index)][name] = stored[key]
        else:
            head = json.loads(path.read_text())
        if not isinstance(head, dict) or head.get("format") != "kadanoff model 1":
            raise ValueError(f"{path} holds no kadanoff model")
        pairs = {}
        for entry in head["pairs"]:
            a, b = entry.pop("pair")
            low, high = entry.pop("supported")
            given = {k: None if v is None else np.array(v, dtype=np.float64) for k, v in entry.items() if k != "step"}
            pairs[a, b] = PairPotential(step=entry["step"], supported=(low, high), **given)
        return cls(tuple(head["names"]), tuple(head["masses"]), pairs)


def _plain(array: _Array) -> list[float | None]:
    """JSON has no NaN: null stands for it (and reads back as NaN)."""
    return [None if np.isnan(x) else x for x in array.tolist()]


def lennard_jones(
    epsilon: float, sigma: float, cutoff: float, shifted_force: bool = True, *, step: float = 0.002, smooth: float = 0.05,
) -> PairPotential:  # fmt: skip
    """Lennard-Jones, U = 4 epsilon ((sigma/r)^12 - (sigma/r)^6), with the shifted force F(r) = F_LJ(r) - F_LJ(cutoff).

    ``epsilon`` in kJ/mol, ``sigma``, ``cutoff`` in nm. ``shifted_force=False`` shifts the energy and smooths the force over the last
    ``smooth`` nm only. Exact at the nodes from 0.6 sigma. Source: Toxvaerd & Dyre, J. Chem. Phys. 134, 081102 (2011).
    """
    if not (epsilon > 0 and sigma > 0):
        raise ValueError(f"epsilon and sigma must be positive, not {epsilon} and {sigma}")

    def slope_of(r: _Array) -> _Array:
        s6 = (sigma / r) ** 6
        return np.asarray(-24.0 * epsilon / r * (2 * s6 * s6 - s6))

    last = float(slope_of(np.array(cutoff))) if shifted_force else 0.0

    def slope(r: _Array) -> _Array:
        return slope_of(r) - last

    def energy(r: _Array) -> _Array:
        s6 = (sigma / r) ** 6
        return np.asarray(4.0 * epsilon * (s6 * s6 - s6) - last * (r - cutoff))

    return PairPotential.from_function(energy, slope, cutoff, step, core=0.6 * sigma, smooth=smooth)


def two_well(cutoff: float = 0.9, *, step: float = 0.002, smooth: float = 0.05) -> PairPotential:
    """A soft curve with two wells, like the effective potential between water molecules: a test system without a name.

    U(r) = a r^-12 + sum_k h_k exp(-((r - r_k) / w_k)^2 / 2), wells near 0.28 and 0.45 nm, a barrier near 0.35 nm.
    """
    bumps = ((-2.2, 0.282, 0.016), (1.2, 0.345, 0.030), (-0.9, 0.445, 0.040))
    wall = 1.2 * 0.27**12

    def energy(r: _Array) -> _Array:
        return np.asarray(wall / r**12 + sum(h * np.exp(-0.5 * ((r - c) / w) ** 2) for h, c, w in bumps))

    def slope(r: _Array) -> _Array:
        waves = sum(-h * (r - c) / w**2 * np.exp(-0.5 * ((r - c) / w) ** 2) for h, c, w in bumps)
        return np.asarray(-12 * wall / r**13 + waves)

    return PairPotential.from_function(energy, slope, cutoff, step, core=0.18, smooth=smooth)
