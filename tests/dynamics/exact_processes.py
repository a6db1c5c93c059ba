"""Processes sampled without a step error: what the estimators are held against."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.signal import lfilter

from kadanoff.dynamics.trajectories import Trajectories, trajectories


def ornstein_uhlenbeck(
    frames: int, spacing: float, seed: int, rate: float = 1.0, diffusion: float = 1.0, count: int = 1
):
    """dx = -rate x dt + sqrt(2 D) dW from its stationary state: `count` trajectories."""
    rng = np.random.default_rng(seed)
    decay, spread = np.exp(-rate * spacing), np.sqrt(diffusion / rate)
    noise = rng.standard_normal((count, frames)) * spread * np.sqrt(1 - decay**2)
    noise[:, 0] = rng.standard_normal(count) * spread
    return trajectories(lfilter([1], [1, -decay], noise, axis=1)[..., None], spacing)


def linear(matrix, noise, frames: int, spacing: float, seed: int, count: int = 64) -> np.ndarray:
    """dx = -A x dt + sqrt(2 D) dW, exactly: (count, frames, d) from the stationary state."""
    matrix, noise = np.asarray(matrix, float), np.asarray(noise, float)
    stationary = solve_continuous_lyapunov(matrix, 2 * noise)
    step = expm(-matrix * spacing)
    kick = stationary - step @ stationary @ step.T
    values, vectors = np.linalg.eigh(kick)
    root = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(seed)
    x = np.linalg.cholesky(stationary + 1e-15 * np.eye(len(matrix))) @ rng.standard_normal((len(matrix), count))
    out = np.empty((count, frames, len(matrix)))
    for frame in range(frames):
        out[:, frame] = x.T
        x = step @ x + root @ rng.standard_normal((len(matrix), count))
    return out


def oscillator(
    friction: float, stiffness: float, frames: int, spacing: float, seed: int, count: int = 64
) -> Trajectories:
    """dv = (-k x - gamma v) dt + sqrt(2 gamma) dW with kT = m = 1, positions and velocities."""
    path = linear([[0, -1], [stiffness, friction]], [[0, 0], [0, friction]], frames, spacing, seed, count)
    return trajectories(path[..., :1], spacing, velocities=path[..., 1:])
