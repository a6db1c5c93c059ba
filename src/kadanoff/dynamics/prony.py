"""Memory kernels as sums of exponentials and damped cosines from which a noise can be made.

    K(t) = 2 g_0 delta(t) + sum_k c_k exp(-a_k t) (cos b_k t + d_k sin b_k t),     c_k > 0, a_k > 0, |b_k d_k| <= a_k

Each term has a spectrum that is nowhere negative, which is what the last condition says; so the sum is the covariance
of a noise, and the generalised Langevin equation with it holds the fluctuation-dissipation relation exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from kadanoff.dynamics.memory import MemoryKernel

__all__ = ["PronyKernel", "fit_prony"]

Array = NDArray[np.float64]

_MOST_POINTS = 400  # of a curve in the fit; longer ones are thinned
_EXACT = 1e-4  # of the largest value: the error that an exact curve is fitted with
_FLOOR = 1e-3  # of the largest error: no point weighs more
_GRID = 24  # decay rates and frequencies that a new term may start from


@dataclass(frozen=True, eq=False)
class PronyKernel:
    """A kernel of ``strength`` c, ``rate`` a, ``frequency`` b (0: a plain exponential) and ``skew`` d, (k,) each, and
    the friction without memory ``white`` g_0 >= 0.

    Raises:
        ValueError: for a term that is not positive or whose spectrum turns negative (|b d| > a).
    """

    strength: Array
    rate: Array
    frequency: Array
    skew: Array
    white: float = 0.0

    def __post_init__(self) -> None:
        for name in ("strength", "rate", "frequency", "skew"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=np.float64)))
        c, a, b, d = self.strength, self.rate, self.frequency, self.skew
        if not c.shape == a.shape == b.shape == d.shape:
            raise ValueError(f"terms of {len(c)} strengths, {len(a)} rates, {len(b)} frequencies, {len(d)} skews")
        good = np.isfinite(c + a + b + d) & (c > 0) & (a > 0) & (b >= 0)
        good &= np.abs(b * d) <= a * (1 + 1e-12)
        if not np.all(good) or not (math.isfinite(self.white) and self.white >= 0):
            k = int(np.argmin(good))
            raise ValueError(
                f"term {k} (c = {c[k]:.4g}, a = {a[k]:.4g}, b = {b[k]:.4g}, d = {d[k]:.4g}) or white friction "
                f"{self.white}: needs c > 0, a > 0, b >= 0, |b d| <= a and white >= 0, else no noise has this kernel"
            )

    @property
    def friction(self) -> float:
        """int_0^infinity K = g_0 + sum c (a + b d) / (a^2 + b^2)."""
        c, a, b, d = self.strength, self.rate, self.frequency, self.skew
        return float(self.white + np.sum(c * (a + b * d) / (a**2 + b**2)))

    def kernel(self, time: ArrayLike) -> Array:
        """K(t) without the delta function, of the shape of `time`."""
        waves = np.exp(np.multiply.outer(np.asarray(time, dtype=np.float64), -self._roots()))
        return np.asarray((waves @ self._amplitudes()).real)

    def running(self, time: ArrayLike) -> Array:
        """G(u) = int_0^u K, with g_0 from the beginning."""
        waves = -np.expm1(np.multiply.outer(np.asarray(time, dtype=np.float64), -self._roots()))
        return np.asarray(self.white + (waves @ (self._amplitudes() / self._roots())).real)

    def spectrum(self, frequency: ArrayLike) -> Array:
        """2 int_0^infinity K(t) cos(w t) dt, nowhere negative."""
        w = np.asarray(frequency, dtype=np.float64)[..., None]
        roots, amplitudes = self._roots(), self._amplitudes()
        both = amplitudes / (roots - 1j * w) + amplitudes / (roots + 1j * w)
        return np.asarray(2 * self.white + both.real.sum(axis=-1))

    def _roots(self) -> NDArray[np.complex128]:
        return np.asarray(self.rate - 1j * self.frequency)

    def _amplitudes(self) -> NDArray[np.complex128]:
        return np.asarray(self.strength * (1 - 1j * self.skew))


@dataclass(frozen=True, eq=False)
class _Curves:
    """What is fitted, over its errors: K at `time`, G at `upper`."""

    time: Array
    kernel: Array
    kernel_error: Array
    upper: Array
    running: Array
    running_error: Array

    def residuals(self, model: PronyKernel) -> Array:
        return np.concatenate([
            (model.kernel(self.time) - self.kernel) / self.kernel_error,
            (model.running(self.upper) - self.running) / self.running_error,
        ])  # fmt: skip


def fit_prony(
    kernel: MemoryKernel, *, terms: int | None = None, most: int = 5, oscillating: bool = True
) -> PronyKernel:
    """The sum of few terms nearest to a kernel and its running integral, both over their error bars.

    A term is added at a time, an exponential or a damped cosine, where it takes most off the residual, and all are
    refined by least squares, until the Bayesian information criterion, chi^2 + (parameters) ln(points), falls no more.
    Errors of neighbouring points are correlated and the criterion does not know it: it may keep a term too many. A
    kernel by the method "integrated" is fitted through its running integral alone, with friction without memory beside
    the terms. No term decays more slowly than the kernel is long.

    Arguments:
        kernel: with error bars, or exact: then to 1e-4 of its largest value.
        terms: how many; None: by the criterion, at most `most`.
        most: as above.
        oscillating: whether damped cosines are allowed beside exponentials.

    Raises:
        ValueError: for a number of terms below one, or a kernel that is nowhere positive.
    """
    number = most if terms is None else terms
    if number < 1:
        raise ValueError(f"a fit has one term or more, not {number}")
    curves = _curves(kernel)
    bare = kernel.method == "integrated"
    best: tuple[float, PronyKernel] | None = None
    none = np.empty(0)
    model = PronyKernel(none, none, none, none, max(float(curves.running[0]), 0.0) if bare else 0.0)
    dictionary, shapes = _dictionary(curves, oscillating)
    if bare and terms is None:
        best = _score(curves, model, bare), model
    for _ in range(number):
        tried = []
        for kind in (False, True)[: 1 + oscillating]:
            new = _new_term(curves.residuals(model), dictionary, shapes, kind)
            if new is not None:
                longer = _refined(curves, [*_terms(model), new], model.white, bare)
                tried.append((_score(curves, longer, bare), longer))
        if not tried:
            break
        score, model = min(tried, key=lambda pair: pair[0])
        if terms is None and best is not None and score >= best[0]:
            break
        best = score, model
    if best is None:
        raise ValueError("the kernel is nowhere positive: no sum of positive terms is near it")
    return best[1]


def _score(curves: _Curves, model: PronyKernel, bare: bool) -> float:
    residuals = curves.residuals(model)
    parameters = int(np.sum(np.where(model.frequency > 0, 4, 2))) + bare
    return float(np.sum(residuals**2)) + parameters * math.log(len(residuals))


def _terms(model: PronyKernel) -> list[tuple[float, float, float, float]]:
    return list(zip(*(x.tolist() for x in (model.strength, model.rate, model.frequency, model.skew)), strict=True))


def _curves(kernel: MemoryKernel) -> _Curves:
    parts: list[Array] = []
    for time, value, error in (
        (kernel.time, kernel.value, kernel.error),
        (kernel.upper, kernel.running, kernel.running_error),
    ):
        keep = slice(0, 0) if kernel.method == "integrated" and value is kernel.value else slice(None)
        thin = slice(None, None, max(1, len(time) // _MOST_POINTS))
        t, x = time[keep][thin], value[keep][thin]
        e = np.zeros_like(x) if error is None else error[keep][thin]
        if len(x):
            size = float(np.abs(x).max())
            e = np.maximum(e, _FLOOR * e.max()) if e.max() > 0 else np.full_like(x, _EXACT * size)
        positive = (t > 0) | (e > 0)  # G(0) = 0 is known
        parts += [t[positive], x[positive], e[positive]]
    return _Curves(*parts)


def _dictionary(curves: _Curves, oscillating: bool) -> tuple[PronyKernel, Array]:
    """Terms of strength one on a grid, and what each does to the residuals, (points, terms)."""
    end, step = float(curves.upper[-1]), float(curves.upper[1] - curves.upper[0])
    rates = np.geomspace(1.5 / end, 3 / step, _GRID)
    waves = np.geomspace(1 / end, 1.5 / step, _GRID) if oscillating else np.empty(0)
    rate, wave, sine = (x.ravel() for x in np.meshgrid(rates, waves, np.array([-1.0, 0.0, 1.0]), indexing="ij"))
    rate, wave = np.concatenate([rates, rate]), np.concatenate([np.zeros(_GRID), wave])
    skew = np.concatenate([np.zeros(_GRID), sine * rate[_GRID:] / wave[_GRID:]])
    root, amplitude = rate - 1j * wave, 1 - 1j * skew
    kernel = (np.exp(np.multiply.outer(curves.time, -root)) * amplitude).real
    running = (-np.expm1(np.multiply.outer(curves.upper, -root)) * amplitude / root).real
    shapes = np.concatenate([kernel / curves.kernel_error[:, None], running / curves.running_error[:, None]])
    return PronyKernel(np.ones_like(rate), rate, wave, skew), shapes


def _new_term(
    residual: Array, dictionary: PronyKernel, shapes: Array, wave: bool
) -> tuple[float, float, float, float] | None:
    """The exponential or (`wave`) damped cosine that takes most off the residual, its strength positive."""
    overlap, size = -residual @ shapes, np.sum(shapes**2, axis=0)
    gain = np.where((overlap > 0) & ((dictionary.frequency > 0) == wave), overlap**2 / size, 0.0)
    k = int(np.argmax(gain))
    if gain[k] == 0:
        return None
    d = dictionary
    return float(overlap[k] / size[k]), float(d.rate[k]), float(d.frequency[k]), float(d.skew[k])


def _refined(curves: _Curves, terms: list[tuple[float, float, float, float]], white: float, bare: bool) -> PronyKernel:
    """Least squares over ln c, ln a, ln b, and the angle of b d / a = sin(angle)."""
    end, step = float(curves.upper[-1]), float(curves.upper[1] - curves.upper[0])
    start, low, high = [], [], []
    for c, a, b, d in terms:
        start += [math.log(c), math.log(a)]
        low += [-math.inf, math.log(1 / end)]
        high += [math.inf, math.log(30 / step)]
        if b > 0:
            # not quite at an extreme, where the slope of the sine vanishes
            start += [math.log(b), math.asin(max(-0.9, min(0.9, b * d / a)))]
            low += [math.log(0.1 / end), -math.pi / 2]
            high += [math.log(math.pi / step), math.pi / 2]
    if bare:
        start, low, high = [*start, max(white, 1e-12)], [*low, 0.0], [*high, math.inf]

    def model(x: Array) -> PronyKernel:
        parts, at = [], 0
        for _, _, wave, _ in terms:
            strength, rate = math.exp(min(x[at], 300.0)), math.exp(x[at + 1])
            if wave > 0:
                frequency = math.exp(x[at + 2])
                parts.append((strength, rate, frequency, rate * math.sin(x[at + 3]) / frequency))
                at += 4
            else:
                parts.append((strength, rate, 0.0, 0.0))
                at += 2
        c, a, b, d = np.array(parts).T
        return PronyKernel(c, a, b, d, float(x[at]) if bare else 0.0)

    clipped = np.clip(start, np.add(low, 1e-9), np.subtract(high, 1e-9))
    answer = least_squares(
        lambda x: curves.residuals(model(x)), clipped, bounds=(low, high), xtol=1e-12, ftol=1e-10, gtol=1e-12,
        max_nfev=80,
    )  # fmt: skip
    return model(answer.x)
