"""A statistic of a network against draws of a null model."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.networks.network import Network
from kadanoff.networks.null_models import NullModel, either_way
from kadanoff.parallel import map_ordered

__all__ = ["Alternative", "NullTest", "judge_draws", "null_test", "refuse_fixed"]

Alternative = Literal["greater", "less", "two-sided"]
Masked: TypeAlias = "np.ma.MaskedArray[Any, Any]"

_CHUNK = 16  # draws of one task: the same whatever the number of workers
_FIXED = {  # what a null must keep for a statistic to be constant under it
    "block_counts": "blocks",
    "region_network": "blocks",
    "degree": "degrees",
    "degree_distribution": "degrees",
    "strength_out": "counts sent",
    "edges": "edges",
    "total_count": "total count",
}


@dataclass(frozen=True, eq=False)
class NullTest:
    """Observed values beside those of the draws; arrays of the statistic's shape, masked where there is no value.

    Arguments:
        name: of the statistic.
        null: kind of the null model.
        observed: of the data.
        mean, mean_error: of the draws.
        spread: standard deviation of the draws.
        z, z_error: (observed - mean) / spread and its standard error from the number of draws alone; masked where all
            draws are alike (p says whether the data differ from them).
        p: (1 + draws at least as extreme) / (draws + 1).
        alternative: which draws count as extreme.
        drawn: (replicas, ...) the values themselves.
        fixed: entries in which all draws equal the data: the null leaves no choice, and they tell nothing.
    """

    name: str
    null: str
    observed: NDArray[Any]
    mean: NDArray[np.float64]
    mean_error: NDArray[np.float64]
    spread: NDArray[np.float64]
    z: Masked
    z_error: Masked
    p: NDArray[np.float64]
    alternative: Alternative
    drawn: NDArray[Any] = field(repr=False)
    fixed: NDArray[np.bool_]

    @property
    def replicas(self) -> int:
        """How many draws there are."""
        return len(self.drawn)

    def extremes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far out every entry of the data lies, in standard deviations the way of the alternative, and the largest
        such number of each draw (replicas,), over the entries that are not fixed.

        Where all draws are alike and the data differ, the data lie infinitely far out.
        """
        alike = np.ma.getmaskarray(self.z)
        divisor = np.where(alike, 1.0, self.spread)
        free = ~self.fixed

        def outward(z: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.abs(z) if self.alternative == "two-sided" else -z if self.alternative == "less" else z

        beyond = np.where(self.observed > self.mean, np.inf, -np.inf)
        seen = outward(np.where(alike, beyond, (self.observed - self.mean) / divisor))
        # one draw at a time: all of them would fill as much memory again
        largest = [outward(np.where(alike, 0.0, (one - self.mean) / divisor))[free].max() for one in self.drawn]
        return np.where(free, seen, -np.inf), np.array(largest)


def null_test(
    network: Network,
    statistic: Callable[[Network], ArrayLike],
    null: NullModel,
    *,
    replicas: int = 1000,
    alternative: Alternative = "two-sided",
    name: str | None = None,
    executor: Executor | None = None,
) -> NullTest:
    """Hold a statistic of a network against draws of a null model.

        z = (x - mean) / s,    error(z)^2 = 1/R + z^2 (k - 1) / (4 R),    p = (1 + #{x_r at least as extreme}) / (R + 1)

    k is the kurtosis of the draws. The p-value is valid for any R (Besag and Clifford, 1989; Phipson and Smyth, 2010).

    Arguments:
        network: the data that ``null`` was made of; under an undirected null it is taken `either_way`.
        statistic: of a network, a number or an array of fixed shape; module-level for processes.
        replicas: R draws.
        alternative: "greater", "less" or "two-sided" (twice the smaller one).
        name: of the statistic; None takes that of the function.
        executor: of `kadanoff.parallel`; the numbers do not depend on it.

    Raises:
        ValueError: for a statistic that the null fixes, which would always be found "as expected", and fewer than 20
            draws.
    """
    called = name or str(getattr(statistic, "__name__", "statistic"))
    refuse_fixed(called, null)
    if replicas < 20:
        raise ValueError(f"null test: {replicas} draws are too few for a spread; take 20 at least, 1000 for p-values")
    observed = np.asarray(statistic(either_way(network) if null.kind == "undirected degree" else network))
    chunks = [range(first, min(first + _CHUNK, replicas)) for first in range(0, replicas, _CHUNK)]
    drawn = np.concatenate(list(map_ordered(partial(_values, statistic, null), chunks, executor)))
    return judge_draws(called, null.kind, observed, drawn, alternative, null.preserves)


def refuse_fixed(name: str, null: NullModel) -> None:
    """Raise where a statistic of this name is the same in every draw."""
    if (kept := _FIXED.get(name)) in null.preserves:
        raise ValueError(
            f"null test: {name} is constant under the {null.kind} null, which keeps {kept}: every draw equals the data "
            "and the test can find nothing; take a null that leaves it free"
        )


def judge_draws(
    name: str,
    null: str,
    observed: NDArray[Any],
    drawn: NDArray[Any],
    alternative: Alternative,
    preserves: tuple[str, ...] = (),
) -> NullTest:
    """The numbers of `null_test` from values (...) of the data and (replicas, ...) of draws."""
    r, mean = len(drawn), drawn.mean(axis=0)
    rounding = 1e-12 * np.maximum(np.abs(observed), np.abs(mean))
    alike = np.ptp(drawn, axis=0) <= rounding
    same = alike & (np.abs(observed - mean) <= rounding)
    if same.all():
        raise ValueError(
            f"null test: {name} equals the data in each of {r} draws of the {null} null (it keeps "
            f"{', '.join(preserves) or 'it'}): it is constant under this null, and the test can find nothing"
        )
    second, fourth = np.zeros(mean.shape), np.zeros(mean.shape)
    for start in range(0, r, _CHUNK):  # a part at a time: draws of many blocks fill much memory as they are
        squared = (drawn[start : start + _CHUNK] - mean) ** 2
        second += squared.sum(axis=0)
        fourth += (squared**2).sum(axis=0)
    spread = np.where(alike, 0.0, np.sqrt(second / (r - 1)))
    divisor = np.where(alike, 1.0, spread)
    kurtosis = np.where(alike, 3.0, r * fourth / np.where(alike, 1.0, second) ** 2)
    z = (observed - mean) / divisor
    z_error = np.sqrt(1 / r + z**2 * (kurtosis - 1) / (4 * r))
    above = (1 + (drawn >= observed - rounding).sum(axis=0)) / (r + 1)
    below = (1 + (drawn <= observed + rounding).sum(axis=0)) / (r + 1)
    p = {"greater": above, "less": below, "two-sided": np.minimum(1.0, 2 * np.minimum(above, below))}[alternative]
    return NullTest(
        name,
        null,
        observed,
        np.asarray(mean),
        np.asarray(spread / np.sqrt(r)),
        np.asarray(spread),
        np.ma.array(z, mask=alike),
        np.ma.array(z_error, mask=alike),
        np.asarray(p),
        alternative,
        drawn,
        np.asarray(same),
    )


def _values(statistic: Callable[[Network], ArrayLike], null: NullModel, chunk: range) -> NDArray[Any]:
    return np.array([statistic(null.draw(replica)) for replica in chunk])
