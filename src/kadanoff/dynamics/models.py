"""Langevin models as tables on a grid, what files they are kept in, and the passage time that follows exactly."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import cumulative_trapezoid, trapezoid

__all__ = ["OverdampedModel", "UnderdampedModel", "mean_first_passage_time"]

Array = NDArray[np.float64]

_FIELDS = ("drift", "diffusion", "drift_error", "diffusion_error")
_UNDERDAMPED = ("edges", "acceleration", "friction", "noise", "acceleration_error", "friction_error", "noise_error")
_FINER = 64  # points a cell in quadratures


@dataclass(frozen=True, eq=False)
class OverdampedModel:
    """dx = a(x) dt + sqrt(2 D(x)) dW in the sense of Ito, on the cells of a grid; `fit_overdamped` makes one.

    Arguments:
        edges: one (c_i + 1,) array of evenly spaced edges for each of d coordinates.
        drift: (c_1, ..., c_d, d) at the centres; diffusion: (c_1, ..., c_d, d, d). NaN where not `supported`.
        drift_error, diffusion_error: standard errors, of the same shapes; None for a model that is given.
        lag: time over which it was fitted (0: none).
        unit, time_unit: of position and time.
    """

    edges: tuple[Array, ...]
    drift: Array
    diffusion: Array
    drift_error: Array | None = None
    diffusion_error: Array | None = None
    lag: float = 0.0
    unit: str = ""
    time_unit: str = ""

    def __post_init__(self) -> None:
        shape, d = tuple(len(edge) - 1 for edge in self.edges), len(self.edges)
        if self.drift.shape != (*shape, d) or self.diffusion.shape != (*shape, d, d):
            raise ValueError(
                f"a grid of {shape} cells in {d} dimensions needs a drift of shape {(*shape, d)} and a diffusion of "
                f"{(*shape, d, d)}, not {self.drift.shape} and {self.diffusion.shape}"
            )
        known = self.supported
        if not known.any():
            raise ValueError("the model has no cell with a drift and a diffusion")
        if np.linalg.eigvalsh(self.diffusion[known]).min() < 0:
            where = np.argwhere(known)[int(np.linalg.eigvalsh(self.diffusion[known]).min(axis=-1).argmin())]
            raise ValueError(f"the diffusion of cell {tuple(int(i) for i in where)} is negative: too few data there")

    @property
    def dimensions(self) -> int:
        """Number of coordinates."""
        return len(self.edges)

    @property
    def supported(self) -> NDArray[np.bool_]:
        """(c_1, ..., c_d): cells in which the model says something."""
        return np.asarray(np.isfinite(self.drift).all(axis=-1) & np.isfinite(self.diffusion).all(axis=(-1, -2)))

    @property
    def centres(self) -> tuple[Array, ...]:
        """Centres of the cells along each coordinate."""
        return tuple((edge[1:] + edge[:-1]) / 2 for edge in self.edges)

    @classmethod
    def from_functions(
        cls, edges: ArrayLike, drift: Any, diffusion: Any, *, unit: str = "", time_unit: str = ""
    ) -> Self:
        """A one-dimensional model from two functions of the position, at the centres between `edges`."""
        cuts = np.asarray(edges, dtype=np.float64)
        x = (cuts[1:] + cuts[:-1]) / 2
        a, d = np.broadcast_to(drift(x), x.shape), np.broadcast_to(diffusion(x), x.shape)
        return cls((cuts,), np.array(a)[:, None], np.array(d)[:, None, None], unit=unit, time_unit=time_unit)

    def save(self, path: str | Path) -> None:
        """Write the model as .npz (arrays) or .json (text). Raises ValueError for another ending."""
        Path(path).write_bytes(self.to_bytes(Path(path).suffix))

    def to_bytes(self, suffix: str) -> bytes:
        """The file `save` writes."""
        arrays = {f"edges_{i}": edge for i, edge in enumerate(self.edges)}
        arrays |= {name: getattr(self, name) for name in _FIELDS if getattr(self, name) is not None}
        words = {"kind": "overdamped", "lag": self.lag, "unit": self.unit, "time_unit": self.time_unit}
        return _written(words, arrays, suffix)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Raises ValueError for a file of another kind."""
        found = _read(Path(path), "overdamped")
        edges = tuple(np.asarray(found[f"edges_{i}"], dtype=np.float64) for i in range(9) if f"edges_{i}" in found)
        arrays = {key: np.asarray(found[key], dtype=np.float64) for key in _FIELDS if key in found}
        return cls(edges, lag=float(found["lag"]), unit=str(found["unit"]), time_unit=str(found["time_unit"]), **arrays)


@dataclass(frozen=True, eq=False)
class UnderdampedModel:
    """dx = v dt, dv = [f(x) - gamma(x) v] dt + sqrt(2 B(x)) dW, in one dimension; `fit_underdamped` makes one.

    Arguments:
        edges: (c + 1,) evenly spaced edges of the cells.
        acceleration: f (c,), force over mass; friction: gamma (c,), a rate; noise: B (c,), diffusion of the velocity,
            gamma kT / m in equilibrium. NaN where not `supported`.
        acceleration_error, friction_error, noise_error: standard errors, or None for a model that is given.
        lag, unit, time_unit: as `OverdampedModel`.
    """

    edges: Array
    acceleration: Array
    friction: Array
    noise: Array
    acceleration_error: Array | None = None
    friction_error: Array | None = None
    noise_error: Array | None = None
    lag: float = 0.0
    unit: str = ""
    time_unit: str = ""

    def __post_init__(self) -> None:
        cells = (len(self.edges) - 1,)
        for name in ("acceleration", "friction", "noise"):
            if getattr(self, name).shape != cells:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}; the grid has {cells[0]} cells")
        known = self.supported
        if not known.any():
            raise ValueError("the model has no cell with a force, a friction and a noise")
        for name in ("friction", "noise"):
            if (least := getattr(self, name)[known].min()) < 0:
                cell = int(np.flatnonzero(known & (getattr(self, name) == least))[0])
                raise ValueError(f"the {name} of cell {cell} is negative ({least:g}): too few data there")

    @property
    def supported(self) -> NDArray[np.bool_]:
        """(c,): cells in which the model says something."""
        return np.isfinite(self.acceleration) & np.isfinite(self.friction) & np.isfinite(self.noise)

    @property
    def centres(self) -> Array:
        """Centres of the cells (c,)."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    @classmethod
    def from_functions(
        cls, edges: ArrayLike, acceleration: Any, friction: float, noise: float, *, unit: str = "", time_unit: str = ""
    ) -> Self:
        """A model from the function f(x), at the centres between `edges`, and a constant friction and noise."""
        cuts = np.asarray(edges, dtype=np.float64)
        x = (cuts[1:] + cuts[:-1]) / 2
        force = np.array(np.broadcast_to(acceleration(x), x.shape), dtype=np.float64)
        return cls(
            cuts, force, np.full(len(x), float(friction)), np.full(len(x), float(noise)), unit=unit, time_unit=time_unit
        )

    def save(self, path: str | Path) -> None:
        """Write the model as .npz (arrays) or .json (text). Raises ValueError for another ending."""
        Path(path).write_bytes(self.to_bytes(Path(path).suffix))

    def to_bytes(self, suffix: str) -> bytes:
        """The file `save` writes."""
        arrays = {name: getattr(self, name) for name in _UNDERDAMPED if getattr(self, name) is not None}
        words = {"kind": "underdamped", "lag": self.lag, "unit": self.unit, "time_unit": self.time_unit}
        return _written(words, arrays, suffix)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Raises ValueError for a file of another kind."""
        found = _read(Path(path), "underdamped")
        arrays = {key: np.asarray(found[key], dtype=np.float64) for key in _UNDERDAMPED if key in found}
        return cls(lag=float(found["lag"]), unit=str(found["unit"]), time_unit=str(found["time_unit"]), **arrays)


def mean_first_passage_time(model: OverdampedModel, start: float, target: float) -> float:
    """Mean time of the one-dimensional model from `start` until it first reaches `target`, by quadrature.

    T = int_start^target dy e^phi(y) int_edge^y dz e^(-phi(z)) / D(z),   phi' = -a / D  (Ito)

    with a reflecting end of the grid behind `start` (Pontryagin, Andronov and Vitt, 1933; Gardiner, section 5.5).

    Raises:
        ValueError: for a model of more dimensions, or levels outside its supported cells.
    """
    if model.dimensions != 1:
        raise ValueError(f"first passages by quadrature need one coordinate, not {model.dimensions}")
    known = np.flatnonzero(model.supported)
    x = model.centres[0][known]
    if np.any(np.diff(known) > 1):
        gap = int(known[int(np.argmax(np.diff(known) > 1))]) + 1
        raise ValueError(
            f"cell {gap} of the model, at {model.centres[0][gap]:g}, is empty: a passage across is unknown"
        )
    low, high = model.edges[0][known[0]], model.edges[0][known[-1] + 1]
    if not (low <= start <= high and low <= target <= high):
        raise ValueError(f"the model reaches from {low:g} to {high:g}: not from {start:g} to {target:g}")
    drift, diffusion = model.drift[known, 0], model.diffusion[known, 0, 0]
    if target < start:  # the same, mirrored
        x, drift, diffusion, low = -x[::-1], -drift[::-1], diffusion[::-1], -high
        start, target = -start, -target
    y = np.linspace(low, target, _FINER * len(x) + 1)
    a, d = np.interp(y, x, drift), np.interp(y, x, diffusion)
    phi = -cumulative_trapezoid(a / d, y, initial=0.0)
    phi -= phi.min()
    inner = cumulative_trapezoid(np.exp(-phi) / d, y, initial=0.0)
    outer = np.exp(phi) * inner
    rest = np.interp(start, y, cumulative_trapezoid(outer, y, initial=0.0))
    return float(trapezoid(outer, y) - rest)


def _written(words: dict[str, Any], arrays: dict[str, Array], suffix: str) -> bytes:
    if suffix == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, **{key: np.asarray(value) for key, value in words.items()}, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()
    if suffix == ".json":
        # null where there is no number: NaN is no JSON
        lists = {key: _nulled(values.tolist()) for key, values in arrays.items()}
        return json.dumps(words | lists, indent=1).encode()
    raise ValueError(f"a model is saved as .npz or .json, not {suffix!r}")


def _read(file: Path, kind: str) -> dict[str, Any]:
    found: dict[str, Any]
    if file.suffix == ".npz":
        with np.load(file) as data:
            found = {key: data[key] for key in data.files}
    else:
        found = json.loads(file.read_text(encoding="utf-8"))
    if str(found.get("kind")) != kind:
        raise ValueError(f"{file} does not hold an {kind} Langevin model")
    return found


def _nulled(values: Any) -> Any:
    if isinstance(values, list):
        return [_nulled(value) for value in values]
    return values if np.isfinite(values) else None
