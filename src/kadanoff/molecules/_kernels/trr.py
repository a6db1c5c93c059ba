"""Big-endian single-precision numbers from a mapped file.

Legend: words (w,) the file as 32-bit words; offset (f,) the word where each frame's vectors begin; out (m,) or (f, m)
their numbers, as bits of a float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def swap_frame(words: NDArray[Any], begin: int, out: NDArray[Any]) -> None:
    source = words[begin : begin + out.shape[0]]
    for i in range(out.shape[0]):
        w = source[i]
        out[i] = (
            (w << np.uint32(24))
            | ((w & np.uint32(0xFF00)) << np.uint32(8))
            | ((w >> np.uint32(8)) & np.uint32(0xFF00))
            | (w >> np.uint32(24))
        )


@njit(cache=True, nogil=True)
def swap_frames(words: NDArray[Any], offset: NDArray[Any], out: NDArray[Any]) -> None:
    for f in range(out.shape[0]):
        swap_frame(words, offset[f], out[f])


@njit(cache=True, nogil=True)
def swap_atoms(words: NDArray[Any], begin: int, atoms: NDArray[Any], out: NDArray[Any]) -> None:
    """The vectors of ``atoms`` (a,), or where it is empty the first ones of the frame, into out (3 a,)."""
    if atoms.shape[0] == 0:
        swap_frame(words, begin, out)
    for k in range(atoms.shape[0]):
        swap_frame(words, begin + 3 * atoms[k], out[3 * k : 3 * k + 3])
