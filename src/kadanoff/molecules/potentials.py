"""Pair potentials on a uniform grid, and bead models made of them.

One interpolant serves every reader of a table (our engine, the writers of other engines' tables, the tests): between
the nodes r_k = k * step the energy is the cubic Hermite polynomial of the nodes' energy and slope dU/dr, and the
force is exactly the derivative of that polynomial. At and beyond the cut-off both are zero; there is no tail
correction anywhere.

What data cannot give, the core and the last stretch to the cut-off, follows the two rules stated in `tabulation`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.molecules.local_density import LocalDensity
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.tabulation import Samples, complete, edge_from_energy, edge_from_force, uniform_grid
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet, Triplet

__all__ = ["Model", "PairPotential", "lennard_jones", "two_well"]

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairPotential:
    """A tabulated pair potential U(r): cubic Hermite on r_k = k * step, k = 0..m-1, r_{m-1} = cut-off.

    ``step`` in nm; ``energy`` (m,) in kJ/mol; ``slope`` (m,) = dU/dr in kJ/mol/nm; both zero at the cut-off.
    ``supported`` (lo, hi) in nm is the range that data support: outside it the table is extrapolated. ``band`` (m,)
    is the standard error of the energy in kJ/mol and ``force_band`` (m,) that of the force in kJ/mol/nm, NaN where
    nothing supports them; None if unknown.

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
                f"energy and slope must vanish at the cut-off, but are {energy[-1]:.4g} kJ/mol and {slope[-1]:.4g} "
                "kJ/mol/nm; build the table with from_energy, from_force or from_function, which see to it"
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

    # ---- reading ----

    @property
    def r(self) -> _Array:
        """(m,) the grid in nm."""
        return np.asarray(self.step * np.arange(len(self.energy)), dtype=np.float64)

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
        """Where data stand behind the table; False where it is extrapolated (the zero beyond the cut-off is not)."""
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

    # ---- building ----

    @classmethod
    def from_energy(
        cls, r: ArrayLike, u: ArrayLike, *, cutoff: float, supported: tuple[float, float] | None = None,
        step: float = 0.002, smooth: float = 0.05, band: ArrayLike | None = None, edge: float = 0.02,
        minimum_repulsion: float | None = None,
    ) -> PairPotential:  # fmt: skip
        """Potential from samples of the energy: their cubic spline where supported, core and cut-off by rule.

        ``r`` (p,) rising, in nm; ``u`` (p,) in kJ/mol, finite inside ``supported`` (default: from the first to the last
        finite sample; what lies outside is ignored, so -kT ln 0 may stand there). The table ends in zero at ``cutoff``,
        or at the last supported sample if that comes first. ``step`` is shrunk to divide the cut-off. ``band`` (p,):
        standard error of u; it weights the fit of the core. ``edge``: width of that fit (at least three samples are
        used); ``minimum_repulsion`` (kJ/mol/nm) replaces F_min. Raises `ValueError` for unusable samples.
        """
        samples = Samples.check(r, u, supported, cutoff, band, "u")
        grid, end, inside, spline = samples.on(uniform_grid(cutoff, step))
        energy, slope = np.zeros_like(grid), np.zeros_like(grid)
        energy[inside], slope[inside] = spline(grid[inside]) - spline(end), spline(grid[inside], 1)
        force, left = edge_from_energy(samples, edge), float(spline(end, 1))
        energy, slope = complete(
            grid, energy, slope, (samples.r[0], end), left, smooth, force, minimum_repulsion,
        )  # fmt: skip
        return cls(grid[1], energy, slope, (samples.r[0], end), band=samples.error_on(grid))

    @classmethod
    def from_force(
        cls, r: ArrayLike, force: ArrayLike, *, cutoff: float, supported: tuple[float, float] | None = None,
        step: float = 0.002, smooth: float = 0.05, band: ArrayLike | None = None, edge: float = 0.02,
        minimum_repulsion: float | None = None,
    ) -> PairPotential:  # fmt: skip
        """Potential from samples of the force -dU/dr: the energy is the exact integral of their cubic spline.

        Arguments as for `from_energy`; ``force`` and ``band`` in kJ/mol/nm (``band`` becomes ``force_band``).
        """
        samples = Samples.check(r, force, supported, cutoff, band, "force")
        grid, end, inside, spline = samples.on(uniform_grid(cutoff, step))
        work = spline.antiderivative()
        energy, slope = np.zeros_like(grid), np.zeros_like(grid)
        energy[inside], slope[inside] = work(end) - work(grid[inside]), -spline(grid[inside])
        edge_force, left = edge_from_force(samples, edge), -float(spline(end))
        energy, slope = complete(
            grid, energy, slope, (samples.r[0], end), left, smooth, edge_force, minimum_repulsion,
        )  # fmt: skip
        return cls(grid[1], energy, slope, (samples.r[0], end), force_band=samples.error_on(grid))

    @classmethod
    def from_function(
        cls, energy: Callable[[_Array], ArrayLike], slope: Callable[[_Array], ArrayLike], cutoff: float,
        step: float = 0.002, *, core: float = 0.0, smooth: float = 0.05,
    ) -> PairPotential:  # fmt: skip
        """Potential from U(r) and dU/dr, exact at the nodes from ``core`` (nm) on, with the wall r^-12 below.

        ``energy`` and ``slope`` map (p,) nm to kJ/mol and kJ/mol/nm. Raises `ValueError` where they are not finite.
        """
        grid = uniform_grid(cutoff, step)
        inside = grid >= core - 1e-9 * cutoff
        u, s = np.zeros_like(grid), np.zeros_like(grid)
        u[inside] = np.asarray(energy(grid[inside]), dtype=np.float64)
        s[inside] = np.asarray(slope(grid[inside]), dtype=np.float64)
        bad = inside & ~(np.isfinite(u) & np.isfinite(s))
        if bad.any():
            at = grid[bad][-1]
            raise ValueError(f"the function is not finite at r = {at:.4g} nm; give core= a radius above which it is")
        u[inside] -= u[-1]
        first, push = float(grid[inside][0]), -float(s[inside][0])
        minimum = 0.0 if push > 0 else None  # exact data need no better judgement
        u, s = complete(grid, u, s, (first, cutoff), float(s[-1]), smooth, push, minimum)
        return cls(grid[1], u, s, (first, cutoff))

    @classmethod
    def zero(cls, cutoff: float, step: float = 0.002) -> PairPotential:
        """No interaction: the ideal gas."""
        grid = uniform_grid(cutoff, step)
        return cls(grid[1], np.zeros_like(grid), np.zeros_like(grid), (0.0, cutoff))

    # ---- arithmetic ----

    def updated(
        self, r: ArrayLike, change: ArrayLike, *, supported: tuple[float, float], scale: float = 1.0,
        smooth: float = 0.05, edge: float = 0.02, minimum_repulsion: float | None = None,
    ) -> PairPotential:  # fmt: skip
        """U(r) + scale * change(r) where supported, on this grid, core and cut-off rebuilt: the step of an iteration.

        ``change`` (p,) in kJ/mol at ``r`` (p,) nm, interpolated by a cubic spline; the rest as for `from_energy`.
        """
        samples = Samples.check(r, change, supported, self.cutoff, None, "change")
        grid, end, inside, spline = samples.on(self.r)
        at_end = float(self.energy_at(end)) + scale * float(spline(end))
        left = -float(self.force_at(end)) + scale * float(spline(end, 1))
        energy, slope = np.zeros_like(grid), np.zeros_like(grid)
        energy[inside] = self.energy[inside] + scale * spline(grid[inside]) - at_end
        slope[inside] = self.slope[inside] + scale * spline(grid[inside], 1)
        force = edge_from_energy(Samples(grid[inside], energy[inside], None), edge)
        energy, slope = complete(
            grid, energy, slope, (samples.r[0], end), left, smooth, force, minimum_repulsion,
        )  # fmt: skip
        return PairPotential(self.step, energy, slope, (samples.r[0], end))

    def __add__(self, other: PairPotential) -> PairPotential:
        """Sum on one grid; supported where both are; bands are dropped: nothing says how they are correlated."""
        if len(other.energy) != len(self.energy) or not np.isclose(other.step, self.step, rtol=1e-9, atol=0):
            raise ValueError(
                f"potentials on different grids cannot be added: step {self.step} and {other.step} nm, cut-off "
                f"{self.cutoff} and {other.cutoff} nm; bring them to one with .padded(cutoff) or .resampled(step)"
            )
        both = (max(self.supported[0], other.supported[0]), min(self.supported[1], other.supported[1]))
        return PairPotential(self.step, self.energy + other.energy, self.slope + other.slope, both)

    def __mul__(self, factor: float) -> PairPotential:
        """The potential and its bands times a number."""
        bands = [None if b is None else abs(factor) * b for b in (self.band, self.force_band)]
        return PairPotential(self.step, factor * self.energy, factor * self.slope, self.supported, *bands)

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
        """This potential on another step (shrunk to divide the cut-off); exact for an integer fraction of its own."""
        grid = uniform_grid(self.cutoff, step)
        energy, slope = self._evaluate(grid)
        bands = [None if b is None else np.interp(grid, self.r, b) for b in (self.band, self.force_band)]
        return PairPotential(grid[1], energy, slope, self.supported, *bands)


@dataclass(frozen=True, eq=False)
class Model:
    """A bead model: ``names`` and ``masses`` (amu) of the bead types, and one potential for each pair of types.

    ``pairs`` maps (name, name), in either order, to a `PairPotential`; all on one grid, because engines walk one table.
    ``triplets`` (`three_body`) and ``densities`` (`local_density`): further terms, added to the pairs.
    Raises `ValueError` for a pair that is missing, given twice or unknown, for unequal grids, and for a term of a type
    that is unknown.
    """

    names: tuple[str, ...]
    masses: tuple[float, ...]
    pairs: Mapping[tuple[str, str], PairPotential] = field(repr=False)
    triplets: tuple[Triplet, ...] = ()
    densities: tuple[LocalDensity, ...] = ()

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
            raise ValueError(f"no potential for the pair {missing[0]}; PairPotential.zero(cutoff) stands for none")
        one = ordered[wanted[0]]
        for pair, potential in ordered.items():
            if len(potential.energy) != len(one.energy) or not np.isclose(potential.step, one.step, rtol=1e-9, atol=0):
                raise ValueError(
                    f"the pairs {wanted[0]} and {pair} have unequal grids: step {one.step} and {potential.step} nm, "
                    f"cut-off {one.cutoff} and {potential.cutoff} nm; use .resampled(step) and .padded(cutoff)"
                )
        for term in (*self.triplets, *self.densities):
            others = term.neighbours if isinstance(term, LocalDensity) else term.ends
            unknown = [name for name in (term.center, *others) if name not in names]
            if unknown:
                raise ValueError(f"a {type(term).__name__} names the bead type {unknown[0]!r}, not among {names}")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "masses", masses)
        object.__setattr__(self, "pairs", {pair: ordered[pair] for pair in wanted})
        object.__setattr__(self, "triplets", tuple(self.triplets))
        object.__setattr__(self, "densities", tuple(self.densities))

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
        """The common cut-off of the pair potentials in nm."""
        return next(iter(self.pairs.values())).cutoff

    @property
    def pairwise(self) -> bool:
        """Whether pair potentials are all there is."""
        return not self.triplets and not self.densities

    @property
    def reach(self) -> float:
        """The longest cut-off of all terms in nm."""
        return max(self.cutoff, *(term.cutoff for term in (*self.triplets, *self.densities)), 0.0)

    @property
    def step(self) -> float:
        """The common grid step in nm."""
        return next(iter(self.pairs.values())).step

    def tables(self) -> tuple[_Array, _Array]:
        """Energies and slopes of all pairs of types, each (types, types, m), symmetric."""
        both = [[self.pair(a, b) for b in self.names] for a in self.names]
        return (np.array([[p.energy for p in row] for row in both]), np.array([[p.slope for p in row] for row in both]))

    def save(self, path: str | Path) -> Path:
        """Write the model as ``.json`` or ``.npz`` (no pickle); both give the same bits back."""
        path = Path(path)
        if path.suffix not in (".json", ".npz"):
            raise ValueError(f"a model is saved as .json or .npz, not {path.suffix!r}")
        head: dict[str, Any] = {
            "format": "kadanoff model 1", "units": "nm, kJ/mol, amu", "names": self.names, "masses": self.masses,
        }  # fmt: skip
        head |= {"triplets": [_term(t) for t in self.triplets], "densities": [_term(d) for d in self.densities]}
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
            given = [np.array(entry[k], dtype=np.float64) if k in entry else None for k in ("band", "force_band")]
            pairs[a, b] = PairPotential(entry["step"], entry["energy"], entry["slope"], (low, high), *given)
        triplets = tuple(_triplet(entry) for entry in head.get("triplets", []))
        densities = tuple(LocalDensity(**entry) for entry in head.get("densities", []))
        return cls(tuple(head["names"]), tuple(head["masses"]), pairs, triplets, densities)


def _term(term: Triplet | LocalDensity) -> dict[str, Any]:
    """A term as JSON has it: its fields, arrays as lists (floats keep their bits)."""
    plain = {name: getattr(term, name) for name in term.__dataclass_fields__}
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else asdict(value) if isinstance(value, Knots) else value
        for name, value in plain.items()
    }


def _triplet(entry: dict[str, Any]) -> Triplet:
    if "near" not in entry:
        return AngularTriplet(**entry)
    return SplineTriplet(**entry | {name: Knots(**entry[name]) for name in ("near", "far")})


def _plain(array: _Array) -> list[float | None]:
    """JSON has no NaN: null stands for it (and reads back as NaN)."""
    return [None if np.isnan(x) else x for x in array.tolist()]


def lennard_jones(
    epsilon: float, sigma: float, cutoff: float, shifted_force: bool = True, *, step: float = 0.002,
    smooth: float = 0.05,
) -> PairPotential:  # fmt: skip
    """Lennard-Jones, U = 4 epsilon ((sigma/r)^12 - (sigma/r)^6), with the shifted force F(r) = F_LJ(r) - F_LJ(cutoff).

    ``epsilon`` in kJ/mol, ``sigma``, ``cutoff`` in nm. ``shifted_force=False`` shifts the energy and smooths the
    force over the last ``smooth`` nm only. Exact at the nodes from 0.6 sigma. Source: Toxvaerd & Dyre, J. Chem. Phys.
    134, 081102 (2011).
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
