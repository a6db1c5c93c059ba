"""The force that is left as noise, and whether it obeys the fluctuation-dissipation relation."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.integrate import trapezoid

from kadanoff.dynamics.correlations import jackknife_error
from kadanoff.dynamics.memory import MemoryKernel, jackknifed, per_frame
from kadanoff.dynamics.trajectories import Trajectories
from kadanoff.estimates import Estimate

__all__ = ["NoiseCheck", "noise_check", "projected_force"]

Array = NDArray[np.float64]


def projected_force(velocity: ArrayLike, bath_force: ArrayLike, kernel: MemoryKernel) -> Array:
    """F_R(t) = B(t) + int_0^t K(s) v(t - s) ds along stretches of trajectory, each from its own time zero.

    This is Mori's random force, B moved by the projected dynamics: F_R(0) = B(0), and <v(0) F_R(t)> = 0.

    Arguments:
        velocity, bath_force: (stretches, n), n at most the points of the kernel.
        kernel: by the trapezoidal or Simpson's rule; the integral is taken by the trapezoid.

    Returns:
        (stretches, n).

    Raises:
        ValueError: for shapes that differ, stretches longer than the kernel, a kernel on other points.
    """
    v, b = np.atleast_2d(np.asarray(velocity, dtype=np.float64)), np.atleast_2d(np.asarray(bath_force, np.float64))
    _fits(v, b, kernel)
    return _projected(v, b, kernel.value, kernel.step)


class NoiseCheck(NamedTuple):
    """The noise against the kernel: ``time`` (n,), ``noise`` <F_R(s) F_R(s + t)> with its ``error``, ``expected``
    kT K(t), ``difference_error`` (n,) of noise - expected, ``ratio`` of their integrals (1 where the
    fluctuation-dissipation relation holds), ``orthogonality``: the mean of <v(0) F_R(t)> over t, relative to its
    natural size."""

    time: Array
    noise: Array
    error: Array
    expected: Array
    difference_error: Array
    ratio: Estimate
    orthogonality: Estimate


def noise_check(
    source: Trajectories,
    kernel: MemoryKernel,
    temperature: float,
    *,
    last: int,
    mean_force: ArrayLike | None = None,
    blocks: int = 32,
) -> NoiseCheck:
    """The fluctuation-dissipation relation <F_R(s) F_R(s + t)> = kT K(t) from the projected force of trajectories.

    At s = 0 it is the Volterra equation itself and cannot fail; at s > 0 it says that the noise is stationary and that
    its strength goes with the temperature, which holds in equilibrium with a force linear in the past velocities, and
    not otherwise. All s > 0 that leave room for t are averaged. Trajectories are cut into stretches as long as the
    kernel, each with its own time zero.

    Arguments:
        source: with velocities and forces.
        kernel: of these trajectories ("trapezoid" or "simpson"), its blocks are left out with theirs; or an exact one.
        temperature: kT.
        last: longest t, in frames; below half of the points of the kernel.
        mean_force: as in `bath_correlations`.
        blocks: of stretches for the jackknife, where the kernel is exact; else as many as it has.

    Raises:
        ValueError: without forces, for too few stretches or too long a `last`.
    """
    if source.velocities is None or source.forces is None:
        raise ValueError("the noise needs velocities and forces: give them to `trajectories`")
    n = min(len(kernel.time), int(source.lengths.max()))
    if not 1 <= last <= n // 2:
        raise ValueError(f"last: {last} is not between 1 and {n // 2}, half of a stretch")
    bath = source.forces if mean_force is None else source.forces - per_frame(source, mean_force)
    v, b = (_stretches(source, series, n) for series in (source.velocities, bath))
    sampled = len(kernel.left_out) > 0
    blocks = len(kernel.left_out) if sampled else blocks
    if len(v) < 2 * blocks:
        raise ValueError(f"{len(v)} stretches of {n} frames are too few for {blocks} blocks: take a shorter kernel")
    _fits(v, b, kernel)
    kernels = kernel.left_out if sampled else np.tile(kernel.value, (blocks, 1))
    cut = np.linspace(0, len(v), blocks + 1).round().astype(int)
    counts = np.diff(cut)
    whole, across = _noise(v, b, kernel.value, kernel.step, last, cut)
    noise, sideways = counts @ whole / len(v), counts @ across / len(v)
    left_noise, left_sideways = np.empty((blocks, last + 1)), np.empty((blocks, n))
    for k in range(blocks):
        parts, orthogonal = _noise(v, b, kernels[k], kernel.step, last, cut) if sampled else (whole, across)
        rest = np.arange(blocks) != k
        left_noise[k] = counts[rest] @ parts[rest] / counts[rest].sum()
        left_sideways[k] = counts[rest] @ orthogonal[rest] / counts[rest].sum()
    expected = temperature * kernel.value[: last + 1]
    left_expected = temperature * kernels[:, : last + 1]
    ratio = trapezoid(noise) / trapezoid(expected)
    left_ratio = trapezoid(left_noise, axis=1) / trapezoid(left_expected, axis=1)
    size = math.sqrt(float(np.mean(v[:, 0] ** 2) * noise[0]))
    return NoiseCheck(
        kernel.time[: last + 1],
        noise,
        jackknife_error(left_noise),
        expected,
        jackknife_error(left_noise - left_expected),
        jackknifed(float(ratio), left_ratio),
        jackknifed(float(sideways.mean()) / size, left_sideways.mean(axis=1) / size),
    )


def _fits(v: Array, b: Array, kernel: MemoryKernel) -> None:
    if v.shape != b.shape:
        raise ValueError(f"velocities {v.shape} and forces {b.shape} differ in shape")
    if kernel.method not in ("trapezoid", "simpson"):
        raise ValueError(f"the noise needs a kernel at whole steps, by 'trapezoid' or 'simpson', not {kernel.method}")
    if v.shape[1] > len(kernel.value):
        raise ValueError(f"stretches of {v.shape[1]} points are longer than the kernel's {len(kernel.value)}; cut them")


def _projected(v: Array, b: Array, kernel: Array, step: float) -> Array:
    n = v.shape[1]
    size = fft.next_fast_len(2 * n, real=True)
    past = fft.irfft(fft.rfft(v, size, axis=1) * fft.rfft(kernel[:n], size), size, axis=1)[:, :n]
    past -= (kernel[:n] * v[:, :1] + kernel[0] * v) / 2
    past[:, 0] = 0.0
    return np.asarray(b + step * past)


def _noise(v: Array, b: Array, kernel: Array, step: float, last: int, cut: NDArray[np.int64]) -> tuple[Array, Array]:
    """Block means of <F_R(s) F_R(s + t)> over s = 1 ... n - 1 - t, and of v(0) F_R(t)."""
    n = v.shape[1]
    size = fft.next_fast_len(2 * n, real=True)
    noise, across = np.empty((len(cut) - 1, last + 1)), np.empty((len(cut) - 1, n))
    pairs = n - 1 - np.arange(last + 1)
    for k, (first, end) in enumerate(pairwise(cut)):
        left = _projected(v[first:end], b[first:end], kernel, step)
        across[k] = np.mean(v[first:end, :1] * left, axis=0)
        left[:, 0] = 0.0
        power = np.abs(fft.rfft(left, size, axis=1)) ** 2
        noise[k] = fft.irfft(power.mean(axis=0), size)[: last + 1] / pairs
    return noise, across


def _stretches(source: Trajectories, series: Array, n: int) -> Array:
    """(stretches times components, n): trajectories cut into stretches of n frames; what is left over is dropped."""
    parts = [series[begin : begin + n].T for a, b in pairwise(source.offsets) for begin in range(a, b - n + 1, n)]
    return np.concatenate(parts) if parts else np.empty((0, n))
