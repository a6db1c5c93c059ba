"""p-values of many tests at once: how many of them to believe."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["benjamini_hochberg", "benjamini_yekutieli", "holm", "largest_of_all"]


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of Holm (1979): those <= alpha hold no false finding but with chance alpha, however the tests
    depend on each other.

    Arguments:
        p: (m,) p-values.
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * (values.size - np.arange(values.size)))
    return _back(np.minimum(steps, 1.0), order)


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of Benjamini and Hochberg (1995): of those <= q at most the share q is false on average, for
    tests that are independent or positively dependent.

    Arguments:
        p: (m,) p-values.
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * (values.size / np.arange(1, values.size + 1))
    return _back(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0), order)


def benjamini_yekutieli(p: ArrayLike) -> NDArray[np.float64]:
    """As `benjamini_hochberg` for any dependence: times 1 + 1/2 + ... + 1/m (Benjamini and Yekutieli, 2001).

    Blocks of one network compete for the same ends and are dependent, some of them negatively: this is the one to use.
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * (values.size / np.arange(1, values.size + 1)) * np.sum(1 / np.arange(1, values.size + 1))
    return _back(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0), order)


def largest_of_all(observed: ArrayLike, drawn: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values from the largest score of every draw: p_b = (1 + #{r: max_c t_rc >= t_b}) / (R + 1).

    No false finding but with chance alpha, with the dependence of the tests as it is, and with far fewer draws than
    `holm` needs of add-one p-values (Westfall and Young, 1993, single step).

    Arguments:
        observed: (m,) scores t_b, large where there is something to find.
        drawn: (R, m) the same scores of draws of the null.
    """
    largest = np.sort(np.asarray(drawn, dtype=np.float64).max(axis=1))
    beyond = largest.size - np.searchsorted(largest, np.asarray(observed, dtype=np.float64), side="left")
    return np.asarray((1 + beyond) / (largest.size + 1))


def _checked(p: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError("p-values: expected (m,) numbers from 0 to 1")
    return values


def _back(sorted_values: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.empty_like(sorted_values)
    out[order] = sorted_values
    return out
