"""What g(r) does not show, and what it is worth: angles in the first shell, tetrahedral order, two-body entropy.

Two models with one g(r) can differ in all of these but the last: a liquid of hydrogen bonds is recognised by its
angles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate, from_blocks, mean
from kadanoff.molecules._kernels.structure import shell_structure
from kadanoff.molecules.frames import Frames
from kadanoff.molecules.pair_distributions import PairDistribution
from kadanoff.molecules.time_blocks import TimeBlocks
from kadanoff.parallel import map_ordered

__all__ = ["Structure", "first_minimum", "structure", "two_body_entropy"]

Array = NDArray[np.float64]

# The order parameter of Errington and Debenedetti lies between -3 (four neighbours in one direction) and 1.
_LOWEST, _HIGHEST = -3.0, 1.0


@dataclass(frozen=True, eq=False)
class Structure:
    """Angles and tetrahedral order of beads, block by block in time.

    cutoff: radius of the first shell (nm); angle_counts (blocks, a): triplets by cos(theta) in [-1, 1]; order_counts
    (blocks, o): beads by q in [-3, 1]; frames (blocks,); coordination: mean number of neighbours within the shell;
    tetrahedral: mean q.
    """

    cutoff: float
    angle_counts: NDArray[np.int64]
    order_counts: NDArray[np.int64]
    frames: NDArray[np.int64]
    coordination: Estimate
    tetrahedral: Estimate

    @property
    def cosines(self) -> Array:
        """Bin centres (a,) of cos(theta)."""
        return _centres(-1.0, 1.0, self.angle_counts.shape[1])

    @property
    def angles(self) -> Array:
        """P(cos theta) (a,): its integral over cos(theta) is one, so 1/2 where directions are random."""
        return _density(self.angle_counts, 2.0)

    @property
    def angles_error(self) -> Array:
        """Standard error (a,) of `angles`, from the spread between blocks. Raises ValueError for a single block."""
        return _density_error(self.angle_counts, 2.0)

    @property
    def orders(self) -> Array:
        """Bin centres (o,) of q."""
        return _centres(_LOWEST, _HIGHEST, self.order_counts.shape[1])

    @property
    def order(self) -> Array:
        """P(q) (o,): its integral over q is one."""
        return _density(self.order_counts, _HIGHEST - _LOWEST)

    @property
    def order_error(self) -> Array:
        """Standard error (o,) of `order`, from the spread between blocks. Raises ValueError for a single block."""
        return _density_error(self.order_counts, _HIGHEST - _LOWEST)


def structure(
    frames: Frames | Iterable[Frames],
    cutoff: float | PairDistribution,
    *,
    bins: int = 50,
    blocks: int | None = None,
    executor: Executor | None = None,
) -> Structure:
    """Angles within the first shell, coordination number and tetrahedral order of beads.

        P(cos theta): all j-i-k with r_ij, r_ik < cutoff
        q_i = 1 - (3/8) sum_{j<k} (cos theta_jik + 1/3)^2 over the four nearest neighbours of i

    so q = 1 for a perfect tetrahedron and 0 on average for random directions. All bead types count alike.

    frames: one `Frames` or chunks, read once. cutoff: nm, at most half the box, or a `PairDistribution` whose
    `first_minimum` it is. bins: of cos(theta). blocks: see `pair_distribution`. Raises ValueError for fewer than five
    beads, a cut-off that does not fit, positions that are not finite, and where no bead has two neighbours within the
    cut-off. Source: Errington & Debenedetti, Nature 409, 318 (2001).
    """
    radius = first_minimum(cutoff) if isinstance(cutoff, PairDistribution) else float(cutoff)
    if not radius > 0 or bins < 1:
        raise ValueError(f"the cut-off must be positive and there must be a bin, not {radius} nm and {bins} bins")
    sums, series = TimeBlocks(), []
    chunks = iter((frames,)) if isinstance(frames, Frames) else iter(frames)
    for angles, orders, neighbours, q in map_ordered(_shells, _tasks(chunks, radius, bins), executor):
        for angle, order, number, value in zip(angles, orders, neighbours, q, strict=True):
            sums.add(angle, order)
            series.append((number, value))
    per_block, (angle_counts, order_counts) = sums.close(blocks)
    if not angle_counts.sum():
        raise ValueError(
            f"no bead has two neighbours within {radius:g} nm: there are no angles; choose a larger cut-off"
        )
    coordination, tetrahedral = (_mean(np.array(one)) for one in zip(*series, strict=True))
    return Structure(radius, angle_counts, order_counts, per_block, coordination, tetrahedral)


def first_minimum(distribution: PairDistribution) -> float:
    """Radius of the first shell (nm): the first minimum of g behind its first peak, g smoothed over five bins.

    A peak stands out of its surroundings by a quarter of the highest g at least. Raises ValueError where g has none, or
    only falls behind it.
    """
    from scipy.signal import find_peaks

    smooth = np.convolve(np.pad(distribution.g, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    peaks = find_peaks(smooth, prominence=0.25 * smooth.max())[0]
    if not len(peaks):
        raise ValueError(f"g(r) has no peak within {distribution.cutoff:g} nm, so no first shell: give the cut-off")
    peak = int(peaks[0])
    rising = np.flatnonzero(np.diff(smooth[peak:]) > 0)
    if not len(rising):
        raise ValueError(
            f"g(r) has no minimum behind its peak at {distribution.r[peak]:.4g} nm within {distribution.cutoff:g} nm: "
            "measure it further, or give the cut-off"
        )
    return float(distribution.r[peak + int(rising[0])])


def two_body_entropy(
    distribution: PairDistribution, *, upper: float | None = None, resamples: int = 400, seed: int = 0
) -> Estimate:
    """Two-body excess entropy per bead, in k_B, with the integral cut at ``upper`` (nm; by default the last bin).

        s2 = -2 pi rho int_0^upper (g ln g - g + 1) r^2 dr

    A sum over bins. Noise of g makes every bin's share larger by var(g) / (2 g), to second order; that is taken out.
    The error is a block bootstrap's. Raises ValueError for unlike types, for fewer than two blocks, and for ``upper``
    beyond the last bin. Source: Green (1952); Nettleton & Green, J. Chem. Phys. 29, 1365 (1958); Baranyai & Evans,
    Phys. Rev. A 40, 3817 (1989).
    """
    if distribution.names[0] != distribution.names[1]:
        raise ValueError(f"the two-body entropy of one bead type is meant, not of the unlike pair {distribution.names}")
    upper = distribution.cutoff if upper is None else upper
    edges = distribution.edges
    last = int(np.searchsorted(edges, upper * (1 + 1e-9), side="right")) - 1
    if last < 1 or upper > distribution.cutoff * (1 + 1e-9):
        raise ValueError(
            f"upper = {upper:g} nm lies outside the bins, which go from {edges[1]:g} to {distribution.cutoff:g} nm"
        )
    shares = -0.5 * distribution.density * 4.0 / 3.0 * np.pi * np.diff(edges[: last + 1] ** 3)

    def entropy(g: Array) -> Any:
        logarithm = np.log(np.where(g > 0, g, 1.0))
        return (g * logarithm - g + 1.0) @ shares

    g = distribution.g[:last]
    noise = np.where(g > 0, 0.5 * distribution.error[:last] ** 2 / np.where(g > 0, g, 1.0), 0.0)
    samples = entropy(distribution.bootstrap(resamples, seed)[:, :last])
    return Estimate(
        float(entropy(g) - noise @ shares), float(np.std(samples, ddof=1)), len(distribution), "k_B",
        f"block bootstrap; integral to {edges[last]:.4g} nm",
    )  # fmt: skip


def _tasks(
    chunks: Iterator[Frames], cutoff: float, bins: int
) -> Iterator[tuple[NDArray[Any], Array, float, float, int]]:
    seen = 0
    for chunk in chunks:
        number = len(chunk.beads)
        if number < 5:
            raise ValueError(f"tetrahedral order needs at least five beads, not {number}")
        half = 0.5 * chunk.box.min(axis=1)
        if len(chunk) and not np.all(half >= cutoff):
            frame = int(np.argmin(np.nan_to_num(half, nan=-1.0)))
            raise ValueError(
                f"the cut-off {cutoff:g} nm exceeds half the shortest box edge, {half[frame]:g} nm, in frame "
                f"{seen + frame}: choose a shorter one"
            )
        bad = ~np.isfinite(chunk.positions)
        if bad.any():
            frame, bead, _ = np.argwhere(bad)[0]
            raise ValueError(f"the position of bead {bead} in frame {seen + frame} is not a finite number")
        for start in range(0, len(chunk), 16):
            box = np.ascontiguousarray(chunk.box[start : start + 16], dtype=np.float64)
            # a sphere of about twenty beads holds the four nearest nearly always
            reach = (15.0 / np.pi * float(np.prod(box[0])) / number) ** (1.0 / 3.0)
            reach = min(max(reach, cutoff), 0.5 * float(box.min()))
            yield chunk.positions[start : start + 16], box, cutoff, reach, bins
        seen += len(chunk)


def _shells(task: tuple[NDArray[Any], Array, float, float, int]) -> tuple[NDArray[Any], ...]:
    positions, box, cutoff, reach, bins = task
    angles, orders, neighbours, means = [], [], [], []
    for frame, edges in zip(positions, box, strict=True):
        angle, number, q = shell_structure(np.ascontiguousarray(frame, dtype=np.float64), edges, cutoff, reach, bins)
        angles.append(angle)
        # rounding must not push a perfect tetrahedron out of the last bin
        orders.append(np.histogram(np.clip(q, _LOWEST, _HIGHEST), 100, (_LOWEST, _HIGHEST))[0])
        neighbours.append(number / len(frame))
        means.append(q.mean())
    return np.array(angles), np.array(orders), np.array(neighbours), np.array(means)


def _mean(series: Array) -> Estimate:
    if len(series) >= 4:
        return mean(series)
    return from_blocks(series) if len(series) > 1 else Estimate(float(series[0]), None, 1, method="one frame: no error")


def _centres(low: float, high: float, bins: int) -> Array:
    return np.asarray(low + (high - low) * (np.arange(bins) + 0.5) / bins, dtype=np.float64)


def _density(counts: NDArray[np.int64], width: float) -> Array:
    return np.asarray(counts.sum(axis=0) / counts.sum() * (counts.shape[1] / width))


def _density_error(counts: NDArray[np.int64], width: float) -> Array:
    blocks = len(counts)
    if blocks < 2:
        raise ValueError("error bars need at least two blocks of frames; there is one")
    share = counts.sum(axis=0) / counts.sum()
    deviations = (counts - share * counts.sum(axis=1, keepdims=True)) / counts.sum()
    spread = np.sqrt(np.sum(deviations**2, axis=0) * (blocks / (blocks - 1)))
    return np.asarray(spread * (counts.shape[1] / width))
