"""Colours of sites such that neighbours differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def first_free_colours(neighbours: NDArray[np.int32]) -> NDArray[Any]:
    """Each site (n, z; -1: none) in turn takes the first colour that none of its neighbours has: at most z + 1."""
    n, z = neighbours.shape
    colours = np.full(n, -1, np.int8)
    taken = np.empty(z + 1, np.bool_)
    for i in range(n):
        taken[:] = False
        for k in range(z):
            j = neighbours[i, k]
            if j >= 0 and colours[j] >= 0:
                taken[colours[j]] = True
        colour = 0
        while taken[colour]:
            colour += 1
        colours[i] = colour
    return colours
