"""Random starts of an ideal gas on a circle of 2^64 points, the unfolded box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kadanoff.random import normal, uniform

__all__ = ["draw"]


@njit(cache=True, nogil=True)
def draw(seed: int, stream: int, share: float, speed: float, position: NDArray[Any], velocity: NDArray[Any]) -> None:
    """Positions uniform in the first ``share`` of the box of 2^63 points, velocities normal of width ``speed``."""
    for i in range(len(position)):
        position[i] = np.uint64(np.int64(uniform(seed, stream, 0, i)[0] * share * 2.0**63))
        velocity[i] = np.int64(np.rint(normal(seed, stream, 1, i)[0] * speed))
