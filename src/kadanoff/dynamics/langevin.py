"""Overdamped Langevin models from trajectories: drift and diffusion on a grid, potential of mean force, friction.

    dx = a(x) dt + sqrt(2 D(x)) dW  (Ito)        a = lim <d>_x / t,   2 D = lim <d d^T>_x / t,   d = x(t) - x(0)

At a finite lag t both are off. For a drift that is linear nearby, a(y) = a(x) + F (y - x), the conditional mean and
covariance of d are known in closed form, and so is the way back (Ornstein-Uhlenbeck; Ozaki, 1992):

    <d> = F^-1 (E - 1) a,     cov(d) = int_0^t e^(F s) 2 D e^(F^T s) ds,     E = e^(F t) = 1 + slope of <d>

In one dimension: D = var(d) / 2t * 2 ln(1 + u) / (u (2 + u)) and a = (<d> - D a'' t^2 (u - l) / l^2) / t * l / u with
u the slope of <d>, l = ln(1 + u): there the curvature of the drift is put in too (Shoji and Ozaki, 1998).
What moves with a velocity that persists for a time p (an underdamped particle, gamma = 1/p) shows at the lag t only

    1 - (1 - e^(-t/p)) / (t/p)

of its drift and of its diffusion (Uhlenbeck and Ornstein, 1930): `persistence` puts that back. Siegert, Friedrich and
Peinke, Physics Letters A 243, 275 (1998); Rydin Gorjao and Meirinhos, Journal of Open Source Software 4, 1693 (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels.kramers_moyal import displacement_moments, displacement_moments_1d
from kadanoff.dynamics.correlations import BLOCKS, checked_lags, jackknife_error
from kadanoff.dynamics.models import OverdampedModel, mean_first_passage_time
from kadanoff.dynamics.trajectories import Trajectories, pieces
from kadanoff.estimates import Estimate

__all__ = [
    "Moments",
    "Potential",
    "einstein_friction",
    "fit_overdamped",
    "fitted_passage_time",
    "grid",
    "kramers_moyal",
    "persistence_factor",
    "potential_of_mean_force",
]

Array = NDArray[np.float64]

LEAST = 50  # displacements in a cell, below which nothing is said of it
FULL = 0.8  # of all displacements begin in cells that hold so many; else a mean over these is no sample of the whole
_SLOPE_REACH = 0.08  # of the range: half-width of the window in which the slope of <d> is fitted
_LARGEST = 2_000_000_000  # bytes of sums


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of powers of displacements by block, lag and cell: all that Kramers-Moyal estimates need.

    ``edges`` as `OverdampedModel`; ``lags`` (m,) frames; ``sums`` (blocks, m, cells, 1 + d + d (d + 1) / 2 + 2 d): the
    number, d_i, d_i d_j for i <= j, d_i^3, d_i^4, with the last coordinate of a cell fastest.
    """

    edges: tuple[Array, ...]
    lags: NDArray[np.int64]
    spacing: float
    sums: Array
    unit: str = ""
    time_unit: str = ""

    @property
    def dimensions(self) -> int:
        """Number of coordinates."""
        return len(self.edges)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each coordinate."""
        return tuple(len(edge) - 1 for edge in self.edges)

    @property
    def time(self) -> Array:
        """The lags as times (m,)."""
        return np.asarray(self.spacing * self.lags)

    def rows(self, lag: int) -> Array:
        """Sums (1 + blocks, cells, ...) at the lag with this index: of all blocks, then without each in turn."""
        at = self.sums[:, lag]
        total = at.sum(axis=0)
        return np.concatenate([total[None], total - at])

    def moment(self, power: int, lag: int = 0) -> Array:
        """<d_i^power> (c_1, ..., c_d, d) of every cell, power 1 to 4; NaN where a cell has no displacement."""
        d = self.dimensions
        total = self.sums[:, lag].sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            if power == 2:
                value = np.einsum("cii->ci", second_moments(total, d))
            else:
                first = {1: 1, 3: 1 + d + d * (d + 1) // 2, 4: 1 + 2 * d + d * (d + 1) // 2}[power]
                value = total[:, first : first + d]
            return np.asarray((value / total[:, :1]).reshape(*self.shape, d))

    def coefficients(
        self,
        lag: int = 0,
        *,
        bandwidth: float | None = None,
        corrected: bool = True,
        persistence: float = 0.0,
        rows: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """Drift (r, cells, d), diffusion (r, cells, d, d) and counts (r, cells) of `rows` (all by default).

        With a `bandwidth` each cell takes its neighbours in, with the weights 1 - (distance / bandwidth)^2 (the
        estimator of Nadaraya and Watson with the kernel of Epanechnikov, on the histogram). `corrected`: closed forms
        above, with the slope of <d> fitted in a window about each cell; NaN where a lag is too long for them.
        `persistence`: see the top.
        """
        d, time = self.dimensions, float(self.time[lag])
        factor = persistence_factor(time, persistence)
        sums = self.rows(lag) if rows is None else rows
        smooth = sums if bandwidth is None else self._correlate(sums, self._epanechnikov(bandwidth))
        count = smooth[..., 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = smooth[..., 1 : 1 + d] / count[..., None]
            covariance = second_moments(smooth, d) / count[..., None, None] - mean[..., :, None] * mean[..., None, :]
        drift, diffusion = mean / time, covariance / (2 * time)
        if corrected:
            if d == 1:
                slope, curvature = self._parabola(sums)
                drift, diffusion = _local_correction(mean, covariance, slope, curvature / factor, time)
            else:
                drift, diffusion = _linear_correction(mean, covariance, self._slopes(sums), time)
        return drift / factor, diffusion / factor, count

    def model(
        self, lag: int = 0, *, bandwidth: float | None = None, corrected: bool = True, persistence: float = 0.0,
        least: int = LEAST,
    ) -> OverdampedModel:  # fmt: skip
        """The `OverdampedModel` at the lag with this index, with jackknife errors; other arguments: `coefficients`.

        A cell is supported where at least `least` displacements begin in it, whichever block is left out.

        Raises:
            ValueError: where no cell is.
        """
        drift, diffusion, count = self.coefficients(
            lag, bandwidth=bandwidth, corrected=corrected, persistence=persistence
        )
        known = np.asarray((count.min(axis=0) >= least) & np.isfinite(drift).all(axis=(0, 2)))
        known &= np.isfinite(diffusion).all(axis=(0, 2, 3)) & np.all(np.einsum("rcii->rci", diffusion) > 0, axis=(0, 2))
        if not known.any():
            raise ValueError(
                f"at lag {self.lags[lag]} no cell has {least} displacements and a lag short enough for its drift: take "
                "wider cells, a shorter lag or more data"
            )
        d = self.dimensions
        shapes = ((*self.shape, d), (*self.shape, d, d))
        fields = []
        for rows, shape in zip((drift, diffusion), shapes, strict=True):
            for values in (rows[0], jackknife_error(rows[1:])):
                values = np.where(known.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)
                fields.append(values.reshape(shape))
        return OverdampedModel(
            self.edges, fields[0], fields[2], fields[1], fields[3], float(self.time[lag]), self.unit, self.time_unit
        )

    def mean_diffusion(self, lag: int = 0, *, corrected: bool = True, persistence: float = 0.0) -> Array:
        """tr D / d averaged over the frames (1 + blocks,): of all blocks, then without each in turn.

        Cells too thin for a slope of their own, or with a lag too long for the correction, are left out.
        """
        if not corrected:
            sums = self.rows(lag).sum(axis=1)
            total = np.einsum("rii->r", second_moments(sums, self.dimensions))
            time = float(self.time[lag])
            factor = persistence_factor(time, persistence)
            return np.asarray(total / sums[:, 0] / (2 * self.dimensions * time) / factor)
        _, diffusion, count = self.coefficients(lag, corrected=True, persistence=persistence)
        trace = np.einsum("rcii->rc", diffusion) / self.dimensions
        used = np.isfinite(trace).all(axis=0) & (count.min(axis=0) >= LEAST)
        if count[0, used].sum() < FULL * count[0].sum():
            return np.full(len(count), np.nan)
        return np.asarray(np.sum(trace[:, used] * count[:, used], axis=1) / count[:, used].sum(axis=1))

    def _widths(self) -> Array:
        return np.array([edge[1] - edge[0] for edge in self.edges])

    def _offsets(self, reach: Array) -> tuple[Array, Array]:
        """Offsets (k_1, ..., k_d, d) of cells up to `reach` away, and the squared distance in units of it."""
        axes = [np.arange(-int(r / w), int(r / w) + 1) * w for r, w in zip(reach, self._widths(), strict=True)]
        offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        return offsets, np.sum((offsets / reach) ** 2, axis=-1)

    def _epanechnikov(self, bandwidth: float) -> Array:
        if not bandwidth > 0:
            raise ValueError(f"a bandwidth is positive, not {bandwidth}")
        _, far = self._offsets(np.full(self.dimensions, float(bandwidth)))
        return np.maximum(1.0 - far, 0.0)

    def _correlate(self, values: Array, weights: Array) -> Array:
        """sum_o weights[o] values[cell + o], for (r, cells, q)."""
        if weights.size == 1:
            return np.asarray(values * weights.ravel()[0])
        shaped = values.reshape(len(values), *self.shape, -1)
        found = scipy.ndimage.correlate(shaped, weights[None, ..., None], mode="constant")
        return np.asarray(found.reshape(values.shape))

    def _parabola(self, sums: Array) -> tuple[Array, Array]:
        """Slope and second derivative of <d> (r, cells) in one dimension, from a weighted parabola about each cell."""
        reach = float(self._window()[0])
        offsets, far = self._offsets(self._window())
        # offsets in units of the window: scipy.ndimage takes weights below 1e-16 for zero
        weights, o = np.maximum(1.0 - far, 0.0), offsets[..., 0] / reach
        n = np.stack([self._correlate(sums[..., :1], weights * o**k)[..., 0] for k in range(5)], axis=-1)
        m = np.stack([self._correlate(sums[..., 1:2], weights * o**k)[..., 0] for k in range(3)], axis=-1)
        matrix = np.stack([n[..., i : i + 3] for i in range(3)], axis=-2)
        matrix = matrix + 1e-9 * np.maximum(n[..., :1, None], 1.0) * np.eye(3)
        found = np.linalg.solve(matrix, m[..., None])[..., 0]
        return np.asarray(found[..., 1] / reach), np.asarray(2 * found[..., 2] / reach**2)

    def _window(self) -> Array:
        return np.asarray(np.maximum(_SLOPE_REACH * self._widths() * np.array(self.shape), 2.5 * self._widths()))

    def _slopes(self, sums: Array) -> Array:
        """d<d_i>/dx_j (r, cells, d, d), from a weighted straight fit about each cell."""
        d = self.dimensions
        offsets, far = self._offsets(self._window())
        offsets = offsets / self._window()
        weights = np.maximum(1.0 - far, 0.0)
        plain = self._correlate(sums[..., : 1 + d], weights)
        tilted = [self._correlate(sums[..., : 1 + d], weights * offsets[..., j]) for j in range(d)]
        count, value = plain[..., 0], plain[..., 1:]
        square = np.stack([
            np.stack([self._correlate(sums[..., :1], weights * offsets[..., i] * offsets[..., j])[..., 0]
                      for j in range(d)], axis=-1)
            for i in range(d)
        ], axis=-2)  # fmt: skip
        lean = np.stack([tilt[..., 0] for tilt in tilted], axis=-1)  # sum of weights times offset
        moved = np.stack([tilt[..., 1:] for tilt in tilted], axis=-1)  # (r, cells, i, j)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = lean / count[..., None]
            spread = square - share[..., :, None] * lean[..., None, :]
            shift = moved - value[..., :, None] * share[..., None, :]
        # a window with a single filled cell has no slope: none is taken
        thin = ~np.isfinite(spread).all(axis=(-1, -2))
        spread[thin], shift[thin] = np.eye(d), 0.0
        size = np.trace(square, axis1=-1, axis2=-2)[..., None, None]
        spread += 1e-9 * np.where(size > 0, size, 1.0) * np.eye(d)
        slopes = np.swapaxes(np.linalg.solve(spread, np.swapaxes(shift, -1, -2)), -1, -2)
        return np.asarray(slopes / self._window())


def kramers_moyal(
    source: Trajectories,
    lags: ArrayLike,
    *,
    bins: int | Sequence[int] = 50,
    edges: Sequence[ArrayLike] | None = None,
    blocks: int = BLOCKS,
) -> Moments:
    """Conditional moments of the displacement, <d^k | x>, on a grid, at all lags in one pass over the frames.

    Arguments:
        source: the trajectories.
        lags: (m,) whole frames, from 1.
        bins: cells of the default grid (`grid`), one number or one a coordinate.
        edges: evenly spaced edges for each coordinate instead.
        blocks: of frames, for jackknife errors; those of long trajectories must be long against their memory.

    Returns:
        `Moments`; its `.model(i)` is the Langevin model at lag i.

    Raises:
        ValueError: for a lag of 0 or beyond the data, uneven edges, or a grid too large for the memory.
    """
    steps = checked_lags(source, lags)
    if steps.min() < 1:
        raise ValueError("a displacement needs a lag of one frame at least")
    cuts = grid(source, bins) if edges is None else tuple(_checked_edges(edge) for edge in edges)
    d = source.dimensions
    if len(cuts) != d:
        raise ValueError(f"the positions have {d} coordinates, the grid {len(cuts)}")
    shape = np.array([len(cut) - 1 for cut in cuts])
    columns = 1 + d + d * (d + 1) // 2 + 2 * d
    size = blocks * len(steps) * int(shape.prod()) * columns * 8
    if size > _LARGEST:
        raise ValueError(
            f"{blocks} blocks, {len(steps)} lags and {shape.prod()} cells need {size / 1e9:.1f} GB: take fewer bins, "
            "lags or blocks"
        )
    sums = np.zeros((blocks, len(steps), int(shape.prod()), columns))
    cut = pieces(source, blocks)
    if d == 1:
        x = np.ascontiguousarray(source.positions[:, 0])
        displacement_moments_1d(x, *cut, steps, float(cuts[0][0]), float(cuts[0][1] - cuts[0][0]), sums)
    else:
        low, width = np.array([c[0] for c in cuts]), np.array([(c[-1] - c[0]) / (len(c) - 1) for c in cuts])
        displacement_moments(source.positions, *cut, steps, low, width, shape, sums)
    return Moments(cuts, steps, source.spacing, sums, source.unit, source.time_unit)


def grid(source: Trajectories, bins: int | Sequence[int] = 50) -> tuple[Array, ...]:
    """Evenly spaced edges for each coordinate, over all but the outermost thousandth of the frames on either side.

    Raises:
        ValueError: for fewer than 2 bins, or a coordinate that does not move.
    """
    numbers = [int(bins)] * source.dimensions if np.isscalar(bins) else [int(b) for b in bins]  # type: ignore[union-attr,arg-type]
    if len(numbers) != source.dimensions or min(numbers) < 2:
        raise ValueError(f"bins: 2 or more for each of {source.dimensions} coordinates, not {bins}")
    edges = []
    for i, number in enumerate(numbers):
        low, high = np.quantile(source.positions[:, i], [0.001, 0.999])
        if not high > low:
            raise ValueError(f"coordinate {i} does not move: it is {low:g} all along")
        edges.append(np.linspace(low, high, number + 1))
    return tuple(edges)


def fit_overdamped(
    source: Trajectories,
    lag: int,
    *,
    bins: int | Sequence[int] = 50,
    bandwidth: float | None = None,
    corrected: bool = True,
    persistence: float = 0.0,
    blocks: int = BLOCKS,
) -> OverdampedModel:
    """The overdamped Langevin model at one lag (frames): `kramers_moyal(...).model()`. Whether one holds at that lag is
    what `time_scales.time_scale_report` says."""
    return kramers_moyal(source, [lag], bins=bins, blocks=blocks).model(
        0, bandwidth=bandwidth, corrected=corrected, persistence=persistence
    )


def persistence_factor(time: float, persistence: float) -> float:
    """1 - (1 - e^(-t/p)) / (t/p): the share of drift and diffusion that a motion of persistence p shows at a lag t.

    1 for p = 0. A negative p (noise of the measurement, which adds to every displacement) gives 1 - p / t.
    """
    if persistence == 0:
        return 1.0
    ratio = time / persistence
    return float(1.0 - 1.0 / ratio) if ratio < 0 else float(1.0 + np.expm1(-ratio) / ratio)


def fitted_passage_time(
    moments: Moments, lag: int, start: float, target: float, *, persistence: float = 0.0, least: int = LEAST
) -> Estimate:
    """`models.mean_first_passage_time` of the one-dimensional model at the lag with this index, with a jackknife error.

    Raises:
        ValueError: as there, and as `Moments.model`.
    """
    model = moments.model(lag, persistence=persistence, least=least)
    drift, diffusion, _ = moments.coefficients(lag, persistence=persistence)
    known = model.supported
    times = []
    for a, d in zip(drift, diffusion, strict=True):
        one = OverdampedModel(
            model.edges, np.where(known[:, None], a, np.nan), np.where(known[:, None, None], d, np.nan)
        )
        times.append(mean_first_passage_time(one, start, target))
    return Estimate(
        times[0], float(jackknife_error(times[1:])), len(times) - 1, moments.time_unit, "quadrature, jackknife"
    )


def einstein_friction(diffusion: Estimate, thermal_energy: float, unit: str = "") -> Estimate:
    """zeta = kT / D (Einstein, 1905), with relative error that of D.

    Raises:
        ValueError: where D is not four standard errors from zero: no friction can be had from it.
    """
    if not thermal_energy > 0:
        raise ValueError(f"kT is positive, not {thermal_energy}")
    if not diffusion.value > 4 * (diffusion.error or 0.0):
        raise ValueError(f"D = {diffusion} is within its noise: no friction from it")
    value = thermal_energy / diffusion.value
    error = None if diffusion.error is None else value * diffusion.error / diffusion.value
    return Estimate(value, error, diffusion.samples, unit, f"kT / D; D: {diffusion.method}", diffusion.degrees)


@dataclass(frozen=True, eq=False)
class Potential:
    """A potential of mean force on the cells of a grid: ``energy`` (c_1, ..., c_d), zero at its lowest, NaN in cells
    never visited; ``error`` of the same shape, that of the difference from the lowest cell."""

    edges: tuple[Array, ...]
    energy: Array
    error: Array
    unit: str = "kT"


def potential_of_mean_force(
    source: Trajectories,
    *,
    bins: int | Sequence[int] = 50,
    edges: Sequence[ArrayLike] | None = None,
    thermal_energy: float = 1.0,
    unit: str = "kT",
    blocks: int = BLOCKS,
) -> Potential:
    """U(x) = -kT ln p(x), with jackknife errors over blocks.

    For stationary data that have seen all they claim to: `time_scales` says whether they have.

    Raises:
        ValueError: as `kramers_moyal`.
    """
    cuts = grid(source, bins) if edges is None else tuple(_checked_edges(edge) for edge in edges)
    cut = pieces(source, blocks)
    counts = np.zeros((blocks, *(len(c) - 1 for c in cuts)))
    for start, stop, _, block in zip(*cut, strict=True):
        counts[block] += np.histogramdd(source.positions[start:stop], bins=list(cuts))[0]
    total = counts.sum(axis=0)
    rows = np.concatenate([total[None], total - counts])
    flat = rows.reshape(len(rows), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = (-thermal_energy * np.log(flat / flat[:, [int(total.argmax())]])).reshape(rows.shape)
    seen = np.asarray((rows > 0).all(axis=0))  # a cell of one block alone has no error bar
    error = jackknife_error(np.where(seen, energy[1:], 0.0))
    return Potential(cuts, np.where(seen, energy[0], np.nan), np.where(seen, error, np.nan), unit)


def second_moments(sums: Array, d: int) -> Array:
    """The sums of d_i d_j among `Moments.sums`, as (..., d, d)."""
    found = np.empty((*sums.shape[:-1], d, d))
    place = 1 + d
    for i in range(d):
        for j in range(i, d):
            found[..., i, j] = found[..., j, i] = sums[..., place]
            place += 1
    return found


def _local_correction(
    mean: Array, covariance: Array, slope: Array, curvature: Array, time: float
) -> tuple[Array, Array]:
    """Drift and diffusion of one coordinate from <d>, var(d), slope and second derivative of <d>, at every cell."""
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.where(slope > -1, np.log1p(slope), np.nan)
        small = np.abs(slope) < 1e-6
        u, log = np.where(small, 1.0, slope), np.where(small, 1.0, log)
        factor = np.where(small, 1 - slope / 2, log / u)
        spread = np.where(small, 1 - slope, 2 * log / (u * (2 + u)))
        bend = time**2 * np.where(small, 0.5, (u - log) / log**2)
        diffusion = covariance[..., 0, 0] / (2 * time) * spread
        drift = (mean[..., 0] - diffusion * curvature / time * factor * bend) / time * factor
    return drift[..., None], diffusion[..., None, None]


def _linear_correction(mean: Array, covariance: Array, slope: Array, time: float) -> tuple[Array, Array]:
    """Drift and diffusion of the linear process whose <d>, cov(d) and slope of <d> these are, at every cell."""
    known = np.asarray(np.isfinite(mean).all(axis=-1) & np.isfinite(slope).all(axis=(-1, -2)))
    values, vectors = np.linalg.eig(np.where(known[..., None, None], slope, 0.0))
    # eigenvalues of E = 1 + slope on the negative axis have no real logarithm
    negative = np.asarray((values.real <= -1) & (np.abs(values.imag) < 1e-12))
    bad = np.asarray(~known | negative.any(axis=-1))
    rate = np.log1p(np.where(bad[..., None], 0.0, values.astype(np.complex128)))  # times the lag
    inverse = np.linalg.inv(vectors)
    turned = np.einsum("...ij,...j->...i", inverse, mean.astype(np.complex128))
    factor = np.where(np.abs(rate) < 1e-9, 1.0, rate / np.where(np.abs(rate) < 1e-9, 1.0, np.expm1(rate)))
    drift = np.einsum("...ij,...j->...i", vectors, factor * turned).real / time
    both = rate[..., :, None] + rate[..., None, :]
    tiny = np.abs(both) < 1e-9
    ratio = np.where(tiny, 1.0, both / np.where(tiny, 1.0, np.expm1(both)))
    inside = np.einsum("...ij,...jk,...lk->...il", inverse, covariance, inverse)
    diffusion = np.einsum("...ij,...jk,...lk->...il", vectors, ratio * inside, vectors).real / (2 * time)
    return np.where(bad[..., None], np.nan, drift), np.where(bad[..., None, None], np.nan, diffusion)


def _checked_edges(edges: ArrayLike) -> Array:
    cut = np.asarray(edges, dtype=np.float64)
    steps = np.diff(cut)
    if cut.ndim != 1 or len(cut) < 3 or not np.all(steps > 0) or np.ptp(steps) > 1e-6 * steps.mean():
        raise ValueError(
            f"edges are three or more evenly spaced, increasing numbers; got {cut.shape} from {cut.ravel()[:3]}"
        )
    return cut
