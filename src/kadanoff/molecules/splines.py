"""Cubic B-splines on equally spaced knots: the basis of forces, of three-body energies and of their fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Knots"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Knots:
    """Equally spaced knots from ``start`` to ``cutoff`` (nm), ``intervals`` + 1 of them, and their cubic B-splines.

    Spline a = 0..intervals + 2 is centred on ``start + (a - 1) spacing`` and reaches two spacings to both sides.
    """

    start: float
    cutoff: float
    intervals: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < self.cutoff < np.inf:
            raise ValueError(f"knots go from 0 <= start up to a cut-off, not {self.start:g} to {self.cutoff:g} nm")
        if self.intervals < 4:
            raise ValueError(f"at least four knot intervals are needed, not {self.intervals}: change the spacing")

    @property
    def spacing(self) -> float:
        """Distance of neighbouring knots, nm."""
        return (self.cutoff - self.start) / self.intervals

    @property
    def splines(self) -> int:
        """Number of splines that are not zero everywhere between start and cut-off."""
        return self.intervals + 3

    @property
    def r(self) -> Array:
        """The knots (intervals + 1,), nm."""
        return np.linspace(self.start, self.cutoff, self.intervals + 1)

    def values(self, r: ArrayLike) -> Array:
        """B_a(r), shape r.shape + (splines,); zero outside the knots, the limit from the left at the cut-off."""
        at, index, t = self._locate(r)
        u = 1.0 - t
        pieces = (u**3, (3.0 * t - 6.0) * t**2 + 4.0, (3.0 * u - 6.0) * u**2 + 4.0, t**3)
        inside = (at >= self.start) & (at <= self.cutoff)
        return self._scatter(index, [np.where(inside, piece / 6.0, 0.0) for piece in pieces])

    def slopes(self, r: ArrayLike) -> Array:
        """dB_a/dr, shape r.shape + (splines,); zero outside the knots, the limit from the left at the cut-off."""
        at, index, t = self._locate(r)
        u = 1.0 - t
        pieces = (-0.5 * u**2, (1.5 * t - 2.0) * t, (2.0 - 1.5 * u) * u, 0.5 * t**2)
        inside = (at >= self.start) & (at <= self.cutoff)
        return self._scatter(index, [np.where(inside, piece / self.spacing, 0.0) for piece in pieces])

    def integrals(self, r: ArrayLike) -> Array:
        """Integral of B_a from r to the cut-off, shape r.shape + (splines,); below the start, from the start."""
        _, index, t = self._locate(r)
        u = 1.0 - t
        # 24 times the integral of each piece over the rest [t, 1] of its interval
        rest = [u**4, 11.0 - ((3.0 * t - 8.0) * t**2 + 16.0) * t, ((3.0 * u - 8.0) * u**2 + 16.0) * u, 1.0 - t**4]
        whole = np.zeros((self.intervals + 1, self.splines))
        for interval in range(self.intervals - 1, -1, -1):
            whole[interval] = whole[interval + 1]
            whole[interval, interval : interval + 4] += (1.0, 11.0, 11.0, 1.0)
        return np.asarray((whole[index + 1] + self._scatter(index, rest)) * self.spacing / 24.0)

    def _locate(self, r: ArrayLike) -> tuple[Array, NDArray[np.intp], Array]:
        at = np.asarray(r, dtype=np.float64)
        s = np.clip((at - self.start) / self.spacing, 0.0, self.intervals)
        index = np.minimum(s.astype(np.intp), self.intervals - 1)
        return at, index, s - index

    def _scatter(self, index: NDArray[np.intp], pieces: list[Array]) -> Array:
        result = np.zeros((*index.shape, self.splines))
        for offset, piece in enumerate(pieces):
            np.put_along_axis(result, (index + offset)[..., None], piece[..., None], axis=-1)
        return result
