"""Numbers with error bars, and the one place where error bars are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.special import stdtrit

__all__ = [
    "Estimate",
    "Means",
    "bootstrap",
    "bootstrap_samples",
    "from_blocks",
    "integrated_time",
    "jackknife",
    "mean",
    "means",
]

_SHORTEST = 4  # points, below which no error bar can be had
_WINDOW = 5.0  # Sokal's c: sum the autocorrelation up to the first lag of c correlation times
_JUMP = 3.0  # standard errors by which a blocked series must be noisier to uncover a slow, weak correlation
_COLUMNS = 1 << 22  # numbers transformed at once, so that wide series do not fill the memory


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error.

    Arguments:
        value: finite.
        error: standard error in the same unit; None for exact numbers.
        samples: number of effective (independent) samples behind the value, None where it has no meaning.
        unit: as printed.
        method: how the error was got.
        degrees: degrees of freedom of the error itself; default samples - 1.

    Raises:
        ValueError: for a value or error that is not finite, or a negative error.

    >>> print(Estimate(0.9941, 0.0052))
    0.994(5)
    """

    value: float
    error: float | None
    samples: float | None = None
    unit: str = ""
    method: str = "exact"
    degrees: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        if not math.isfinite(self.value):
            raise ValueError(f"an estimate must be finite, got {self.value}; leave out what could not be had, say why")
        for name in ("error", "samples", "degrees"):
            number = getattr(self, name)
            if number is None:
                continue
            object.__setattr__(self, name, float(number))
            if not math.isfinite(number) or number < 0:
                raise ValueError(f"the {name} of an estimate must be finite and not negative, got {number}")

    @classmethod
    def exact(cls, value: float, unit: str = "") -> Self:
        """A number without error: enumerated, solved or defined."""
        return cls(value, None, None, unit, "exact")

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The interval value -+ t error, with t of Student for `degrees` degrees of freedom (normal where unknown).

        Raises:
            ValueError: for a confidence outside (0, 1), or without a single degree of freedom.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}")
        if not self.error:
            return self.value, self.value
        degrees = self.degrees
        if degrees is None:
            degrees = math.inf if self.samples is None else self.samples - 1
        if degrees <= 0:
            raise ValueError(f"interval: {self.samples} effective samples leave no degree of freedom for the error")
        reach = float(stdtrit(degrees if math.isfinite(degrees) else 1e12, 0.5 + confidence / 2)) * self.error
        return self.value - reach, self.value + reach

    def minus(self, other: Estimate) -> Estimate:
        """The difference of two independent estimates; errors add in quadrature (Welch, 1947, for the degrees)."""
        if self.unit != other.unit:
            raise ValueError(f"cannot subtract {other.unit or 'a plain number'} from {self.unit or 'a plain number'}")
        if self.error is None and other.error is None:
            return Estimate.exact(self.value - other.value, self.unit)
        variance = (self.error or 0.0) ** 2 + (other.error or 0.0) ** 2
        spread = sum((e.error or 0.0) ** 4 / e._freedom() for e in (self, other) if e._freedom() > 0)
        degrees = variance**2 / spread if spread > 0 else None
        return Estimate(self.value - other.value, math.sqrt(variance), None, self.unit, "difference", degrees)

    def scaled(self, factor: float, unit: str | None = None) -> Estimate:
        """The estimate times an exact number, with its new unit where that changes."""
        error = None if self.error is None else abs(factor) * self.error
        return replace(self, value=factor * self.value, error=error, unit=self.unit if unit is None else unit)

    def _freedom(self) -> float:
        if self.degrees is not None:
            return self.degrees
        return math.inf if self.samples is None else self.samples - 1

    def __str__(self) -> str:
        return f"{_printed(self.value, self.error)} {self.unit}".rstrip()


def _printed(value: float, error: float | None) -> str:
    """Value with the error of its last digits in brackets: one digit, two where the first is a 1."""
    if error is None:
        return f"{value:.12g}"
    if error == 0:
        return f"{value:.12g}(0)"
    largest = max(abs(value), error)
    power = math.floor(math.log10(largest))
    if power < -4 or power > 8:
        shift = power
        mantissa = _printed(value / 10.0**shift, error / 10.0**shift)
        return f"{mantissa}e{shift}"
    exponent = math.floor(math.log10(error))
    digits = exponent - 1 if error / 10.0**exponent < 1.95 else exponent
    decimals = max(0, -digits)
    rounded, uncertainty = round(value, -digits) + 0.0, round(error, -digits)
    bracket = f"{error / 10.0**digits:.0f}" if decimals and uncertainty < 1 else f"{uncertainty:.{decimals}f}"
    return f"{rounded:.{decimals}f}({bracket})"


class Means(NamedTuple):
    """Means of many series at once, arrays of one shape: the fields of an `Estimate`."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]
    samples: NDArray[np.float64]
    degrees: NDArray[np.float64]


def mean(series: ArrayLike, unit: str = "") -> Estimate:
    """The mean of a correlated, stationary series in time order, with a standard error that knows the correlation.

    error^2 = C(0) / n * tau, tau = 1 + 2 sum_{t=1}^{W} rho(t)

    with the window W of `integrated_time`, the bias (2 W + 1) / n of the subtracted mean put back (Wolff, 2004), and
    n / (2 W + 1) degrees of freedom (Priestley, 1981, section 6.2). The same is done on the series blocked by 2, 4, 8,
    ... (Flyvbjerg and Petersen, 1989), which uncovers a slow correlation that hides under fast noise. A series with
    tau < 1 (oscillating) takes a Bartlett window, which cannot turn negative.

    Arguments:
        series: (n,) real, n >= 4; the interval is calibrated from some 100 effective samples on.
        unit: of the series.

    Returns:
        The estimate; `samples` is n / tau, `degrees` what Student's t needs. A constant series has the error 0.

    Raises:
        ValueError: for fewer than 4 points or a number that is not finite.

    >>> print(mean([1.0, 3.0, 2.0, 1.0, 3.0, 2.0, 2.0, 3.0, 1.0, 2.0, 1.0, 3.0]))
    2.00(8)
    """
    data = _checked_series(series)
    if data.ndim != 1:
        raise ValueError(f"mean: expected one series (n,), got shape {data.shape}; use `means` for many")
    many = means(data)
    method = "constant series" if many.error == 0 else "blocked autocorrelation"
    return Estimate(
        float(many.value), float(many.error), float(many.samples), unit, method, degrees=float(many.degrees)
    )


def means(series: ArrayLike) -> Means:
    """`mean` of many series at once.

    Arguments:
        series: (n, ...) real, time along the first axis.

    Returns:
        Arrays of shape (...): value, standard error, effective samples, degrees of freedom.

    Raises:
        ValueError: as `mean`.
    """
    data = _checked_series(series)
    shape = data.shape[1:]
    columns = data.reshape(len(data), -1)
    width = max(1, _COLUMNS // len(data))
    parts = [_means(columns[:, start : start + width]) for start in range(0, columns.shape[1], width)]
    return Means(*(np.concatenate(field).reshape(shape) for field in zip(*parts, strict=True)))


def integrated_time(series: ArrayLike) -> Estimate:
    """The integrated autocorrelation time of a series, in steps: tau = 1 + 2 sum_{t=1}^{W} rho(t).

    W is the first lag above 5 tau(W) / 2 (Sokal, 1997), and above 5 (1/2 + 2 sum_t rho(t)^2), so that the window does
    not close where an oscillating rho first sums to nothing. n / tau is the number of effective samples. The error is
    tau sqrt(2 (2 W + 1) / n) (Sokal, 1997); the Bartlett window of a series with tau < 1 counts as fewer lags.

    Arguments:
        series: (n,) real, n >= 4, in time order.

    Raises:
        ValueError: as `mean`, and for a constant series, which has no autocorrelation.
    """
    data = _checked_series(series)
    if data.ndim != 1:
        raise ValueError(f"integrated_time: expected one series (n,), got shape {data.shape}")
    if _is_constant(data[:, None])[0]:
        raise ValueError("integrated_time: the series is constant and has no autocorrelation")
    _, tau, degrees = _correlation(data[:, None])
    error = tau[0] * math.sqrt(2 / degrees[0])
    return Estimate(tau[0], error, len(data) / tau[0], "step", "autocorrelation window", degrees[0])


def from_blocks(values: ArrayLike, unit: str = "") -> Estimate:
    """The mean of independent values, one a block or a run: error^2 = sum (x - mean)^2 / (b (b - 1)).

    Arguments:
        values: (b,) real, b >= 2, independent of each other.
        unit: of the values.

    Raises:
        ValueError: for fewer than two values or one that is not finite.
    """
    data = _checked_series(values, shortest=2)
    if data.ndim != 1:
        raise ValueError(f"from_blocks: expected one number a block (b,), got shape {data.shape}")
    error = 0.0 if _is_constant(data[:, None])[0] else float(data.std(ddof=1)) / math.sqrt(len(data))
    return Estimate(float(data.mean()), error, len(data), unit, "blocks")


def jackknife(function: Callable[[NDArray[Any]], float], blocks: ArrayLike, unit: str = "") -> Estimate:
    """A function of block data with its jackknife error: error^2 = (b - 1) / b sum_i (f_i - mean f)^2.

    f_i is the function of the blocks without block i (Efron, 1982). For smooth functions; a median needs `bootstrap`.

    Arguments:
        function: takes (m, ...) blocks, any m, and returns one number; the value is that of all blocks.
        blocks: (b, ...) independent blocks, b >= 2.
        unit: of the result.

    Raises:
        ValueError: for fewer than two blocks or a result that is not finite.
    """
    data = _checked_series(blocks, shortest=2)
    left_out = np.array([function(np.delete(data, i, axis=0)) for i in range(len(data))], dtype=np.float64)
    if not np.all(np.isfinite(left_out)):
        worst = int(np.flatnonzero(~np.isfinite(left_out))[0])
        raise ValueError(f"jackknife: the function gives {left_out[worst]} without block {worst}")
    error = math.sqrt((len(data) - 1) * float(left_out.var()))
    return Estimate(float(function(data)), error, len(data), unit, "jackknife")


def bootstrap_samples(
    function: Callable[[NDArray[Any]], Any], blocks: ArrayLike, *, resamples: int = 200, seed: int
) -> NDArray[Any]:
    """The function of `resamples` draws of blocks with replacement (Efron, 1979).

    Arguments:
        function: takes (b, ...) blocks and returns a number or an array of fixed shape.
        blocks: (b, ...) independent blocks, b >= 2.
        resamples: how many draws.
        seed: of the draws; the same seed gives the same draws.

    Returns:
        (resamples, ...). Their spread is short of the standard error by sqrt((b - 1) / b).
    """
    data = _checked_series(blocks, shortest=2)
    if resamples < 2:
        raise ValueError(f"bootstrap: at least 2 resamples, got {resamples}")
    drawn = np.random.default_rng(seed).integers(len(data), size=(resamples, len(data)))
    return np.array([function(data[rows]) for rows in drawn])


def bootstrap(
    function: Callable[[NDArray[Any]], float], blocks: ArrayLike, *, resamples: int = 200, seed: int, unit: str = ""
) -> Estimate:
    """A function of block data with its bootstrap error: the spread over resampled blocks times sqrt(b / (b - 1)).

    Arguments:
        function, blocks, resamples, seed: as `bootstrap_samples`; one number each. The value is that of all blocks.
        unit: of the result.

    Raises:
        ValueError: for fewer than two blocks or a result that is not finite.
    """
    data = _checked_series(blocks, shortest=2)
    samples = np.asarray(bootstrap_samples(function, data, resamples=resamples, seed=seed), dtype=np.float64)
    if samples.ndim != 1 or not np.all(np.isfinite(samples)):
        raise ValueError("bootstrap: the function must give one finite number for every resampling of the blocks")
    error = float(samples.std(ddof=1)) * math.sqrt(len(data) / (len(data) - 1))
    return Estimate(float(function(data)), error, len(data), unit, "bootstrap")


def _means(columns: NDArray[np.float64]) -> Means:
    n, width = columns.shape
    value = columns.mean(axis=0)
    error, samples, degrees = np.zeros(width), np.full(width, float(n)), np.full(width, n - 1.0)
    if not (moving := ~_is_constant(columns)).any():
        return Means(value, error, samples, degrees)
    blocked = columns[:, moving] - value[moving]
    variance, tau, freedom = _correlation(blocked)
    alone = variance  # of one sample
    squared = variance * tau / n
    while (half := len(blocked) // 2) >= 2 * _SHORTEST:
        blocked = (blocked[: 2 * half : 2] + blocked[1 : 2 * half : 2]) / 2
        # blocks of a strictly alternating series are all alike: nothing left to uncover
        still = _is_constant(blocked)
        variance, tau, fewer = _correlation(np.where(still, np.arange(half)[:, None] % 2, blocked))
        coarser = np.where(still, 0.0, variance * tau / half)
        better = (fewer >= 8) & (coarser * (1 - _JUMP * np.sqrt(2 / fewer)) > squared)
        squared, freedom = np.where(better, coarser, squared), np.where(better, fewer, freedom)
    error[moving] = np.sqrt(squared)
    samples[moving] = np.maximum(alone / squared, 1.0)
    degrees[moving] = freedom
    return Means(value, error, samples, degrees)


def _correlation(columns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Variance of one sample, integrated time (1 for white noise) and degrees of freedom of every column."""
    n, width = columns.shape
    centred = columns - columns.mean(axis=0)
    padded = fft.next_fast_len(2 * n, real=True)
    power = np.abs(fft.rfft(centred, padded, axis=0)) ** 2
    covariance = fft.irfft(power, padded, axis=0)[:n] / (n - np.arange(n))[:, None]
    rho = covariance / covariance[0]
    rho[0] = 0.0  # so that running sums begin at lag one
    lag = np.arange(n)[:, None]
    total = np.cumsum(rho, axis=0)
    closed = lag >= _WINDOW * (0.5 + np.maximum(total, 2 * np.cumsum(rho**2, axis=0)))
    closed[n // 2 :] = True
    window = np.argmax(closed, axis=0)
    column = np.arange(width)
    tau = 1 + 2 * total[window, column]
    tapered = 1 + 2 * (total - np.cumsum(lag * rho, axis=0) / (window + 1))[window, column]
    # lags seen through the window: the sum of its squares (Priestley, 1981, section 6.2)
    lags = np.where(tau < 1, 1 + window * (2 * window + 1) / (3 * (window + 1)), 2 * window + 1)
    tau = np.where(tau < 1, tapered, tau) * (1 + (2 * window + 1) / n)
    # the unbiased covariances do not form a positive sequence: a short series may still reach zero
    return covariance[0], np.maximum(tau, 1 / n), np.maximum(n / lags, 1.0)


def _is_constant(columns: NDArray[np.float64]) -> NDArray[np.bool_]:
    spread = columns.max(axis=0) - columns.min(axis=0)
    return np.asarray(spread <= 1e-13 * np.abs(columns).max(axis=0))


def _checked_series(series: ArrayLike, shortest: int = _SHORTEST) -> NDArray[np.float64]:
    data = np.asarray(series)
    if np.iscomplexobj(data) or not (np.issubdtype(data.dtype, np.number) or data.dtype == np.bool_):
        raise ValueError(f"expected real numbers, got an array of {data.dtype}")
    if data.ndim == 0 or len(data) < shortest:
        raise ValueError(f"an error bar needs at least {shortest} points, got shape {data.shape}")
    data = data.astype(np.float64)
    if data.size == 0:
        raise ValueError(f"expected numbers, got an empty array of shape {data.shape}")
    if not np.all(np.isfinite(data)):
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(data))[0])
        raise ValueError(f"{data[at]} at point {at[0] if data.ndim == 1 else at}; leave such points out, and say why")
    return data
