"""Hidden Markov models of discrete trajectories, with more hidden states than symbols where the data want them.

A hidden chain i -> j with A_ij shows symbol s with B_is. Nothing forces A to be reversible. Fitted by expectation and
maximisation (Baum, Petrie, Soules and Weiss, 1970), accelerated (Varadhan and Roland, Scand. J. Stat. 35, 335, 2008).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.dynamics._kernels.hidden_markov import expectations, log_likelihood
from kadanoff.dynamics.markov import check_transition, spectrum, stationary_state
from kadanoff.dynamics.transition_counts import MarkovWarning, checked_trajectories
from kadanoff.estimates import Estimate, from_blocks

__all__ = [
    "HiddenMarkov",
    "HiddenMarkovChoice",
    "HiddenMarkovFit",
    "choose_hidden_states",
    "fit_hidden_markov",
    "hidden_markov_error",
    "unidentified_directions",
]

Array = NDArray[np.float64]
_PILOT = 20_000  # frames on which restarts compete
_WORDS = 4096


@dataclass(frozen=True, eq=False)
class HiddenMarkov:
    """A hidden chain and what it shows: ``transition`` (k, k), ``emission`` (k, m), both with rows that sum to one."""

    transition: Array
    emission: Array

    def __post_init__(self) -> None:
        matrix = np.asarray(check_transition(self.transition))
        shown = np.array(self.emission, dtype=np.float64)
        if (
            shown.ndim != 2
            or len(shown) != len(matrix)
            or shown.min() < 0
            or np.abs(shown.sum(axis=1) - 1).max() > 1e-9
        ):
            raise ValueError(f"emission: expected ({len(matrix)}, m) with rows that sum to one, got {shown.shape}")
        object.__setattr__(self, "transition", matrix)
        object.__setattr__(self, "emission", shown)

    @property
    def stationary(self) -> Array:
        """The stationary distribution (k,) of the hidden chain."""
        return stationary_state(self.transition)

    @property
    def times(self) -> Array:
        """Relaxation times (k - 1,) of the hidden chain, in frames."""
        return spectrum(self.transition).times

    def propagators(self, steps: int) -> Array:
        """T(0) ... T(steps) (steps + 1, m, m) of the symbols: T(n)_ab = P(Y_n = b | Y_0 = a), stationary."""
        weight = self.stationary[:, None] * self.emission
        mass = weight.sum(axis=0)
        if mass.min() <= 0:
            raise ValueError(f"propagators: symbol {int(mass.argmin())} is never shown")
        ahead = self.emission
        found = np.empty((steps + 1, len(mass), len(mass)))
        found[0] = np.eye(len(mass))
        for n in range(1, steps + 1):
            ahead = self.transition @ ahead
            found[n] = weight.T @ ahead / mass[:, None]
        return found

    def log_likelihood(self, trajectories: Any) -> float:
        """ln P of one or several trajectories (-1: frame not seen), each starting in the stationary state."""
        data = _symbols(trajectories, self.emission.shape[1])
        return sum(log_likelihood(frames, self.stationary, self.transition, _rows(self.emission)) for frames in data)


@dataclass(frozen=True, eq=False)
class HiddenMarkovFit:
    """A fitted hidden Markov model.

    Arguments:
        model: the best of all restarts.
        log_likelihood: ln P of the data, nats; ``frames`` how many they have.
        parameters: free numbers in the model.
        unidentified: directions among them that these data cannot tell (`unidentified_directions`).
        converged: whether the last step gained less than the tolerance.
        restarts: (r,) ln P per frame that the restarts reached on the pilot data, best first.
    """

    model: HiddenMarkov
    log_likelihood: float
    frames: int
    parameters: int
    unidentified: int
    converged: bool
    restarts: Array

    @property
    def bic(self) -> float:
        """Schwarz' criterion -2 ln P + parameters ln(frames): the smallest is preferred."""
        return -2 * self.log_likelihood + self.parameters * float(np.log(self.frames))


def fit_hidden_markov(
    trajectories: Any,
    hidden: int,
    *,
    symbols: int | None = None,
    labels: ArrayLike | None = None,
    restarts: int = 8,
    iterations: int = 500,
    tolerance: float = 1e-8,
    seed: int,
    quiet: bool = False,
) -> HiddenMarkovFit:
    """Fit a hidden Markov model, reversible or not, to one or several trajectories.

    Restarts from random models compete on some 20,000 frames; the best goes on with all data. There may be more hidden
    states than symbols. With ``labels`` each hidden state shows one symbol only (an aggregated Markov model, a lumped
    chain): that has fewer parameters and a clearer meaning, but what is unidentified stays so.

    Arguments:
        trajectories: (frames,) integers from 0, or several; -1 is a frame that was not seen.
        hidden: number of hidden states.
        symbols: how many there are; default the largest seen plus one.
        labels: (hidden,) the only symbol of each hidden state.
        restarts, seed: random starts.
        iterations: of the final fit, at most.
        tolerance: gain of ln P per frame and iteration at which to stop.
        quiet: no warnings; what they say is in the result.

    Raises:
        ValueError: for no hidden state, labels that do not fit, a symbol none of them shows, too few frames.
    """
    data = checked_trajectories(trajectories)
    m = 1 + max(int(frames.max()) for frames in data) if symbols is None else symbols
    data = _symbols(data, m)
    frames = sum(len(one) for one in data)
    if hidden < 1 or restarts < 1:
        raise ValueError(f"hidden, restarts: expected at least one of each, got {hidden} and {restarts}")
    if frames < 10 * hidden * max(hidden, m):
        raise ValueError(f"{frames} frames are too few for {hidden} hidden states and {m} symbols")
    mask = _mask(labels, hidden, m)
    seen = np.unique(np.concatenate([np.unique(one) for one in data]))
    if missing := [int(s) for s in seen if s >= 0 and not mask[:, s].any()]:
        raise ValueError(f"labels: no hidden state shows symbol {missing[0]}")
    rng = np.random.default_rng(seed)
    pilot = _first(data, _PILOT)
    size = sum(len(one) for one in pilot)
    tried = []
    for _ in range(restarts if hidden > 1 else 1):
        stay = rng.uniform(0.3, 0.95)
        transition = stay * np.eye(hidden) + (1 - stay) * rng.dirichlet(np.ones(hidden), hidden)
        emission = np.where(mask, rng.dirichlet(np.ones(m), hidden) + 1e-3, 0.0)
        start = HiddenMarkov(transition, emission / emission.sum(axis=1, keepdims=True))
        tried.append(_climb(pilot, start, 60, 10 * tolerance))
    tried.sort(key=lambda one: -one[1])
    model, value, converged = _climb(data, tried[0][0], iterations, tolerance)
    free = hidden * (hidden - 1) + int(mask.sum()) - hidden
    lost = unidentified_directions(model, frames)
    if not quiet and lost:
        warnings.warn(
            f"{lost} of the {free} numbers of a model with {hidden} hidden states and {m} symbols cannot be told from "
            "these data: its hidden rates, currents and entropy production are not measured, only what "
            "follows from the law of the symbols",
            MarkovWarning,
            stacklevel=2,
        )
    if not quiet and not converged:
        warnings.warn(
            f"the fit still gains after {iterations} iterations; more iterations, or fewer hidden states",
            MarkovWarning,
            stacklevel=2,
        )
    return HiddenMarkovFit(model, value, frames, free, lost, converged, np.array([one[1] for one in tried]) / size)


def hidden_markov_error(
    fit: HiddenMarkovFit,
    trajectories: Any,
    function: Callable[[HiddenMarkov], float],
    *,
    blocks: int = 12,
    tolerance: float = 1e-8,
    unit: str = "",
) -> Estimate:
    """A number of the fitted model with its error: the jackknife over blocks of time, each refit started at the fit.

    Only numbers that the law of the symbols fixes have an error in this sense (relaxation times, propagators); where
    `fit.unidentified` is not zero, hidden rates do not.

    Arguments:
        fit: of `fit_hidden_markov`, on the same trajectories.
        function: takes a `HiddenMarkov`, returns a number.
        blocks: of time, at least 4.
        tolerance: as in the fit.
        unit: of the number.
    """
    pieces = _blocks(_symbols(trajectories, fit.model.emission.shape[1]), blocks)
    value = float(function(fit.model))
    without = []
    for left in range(len(pieces)):
        kept = [piece for number, block in enumerate(pieces) if number != left for piece in block]
        without.append(float(function(_climb(kept, fit.model, 200, tolerance)[0])))
    error = float(np.sqrt((len(pieces) - 1) * np.var(without)))
    return Estimate(value, error, len(pieces), unit, "jackknife over blocks of time, refitted")


@dataclass(frozen=True)
class HiddenMarkovChoice:
    """One number of hidden states: its fit, BIC, and ln P per frame of data it has not seen, relative to the first."""

    hidden: int
    fit: HiddenMarkovFit
    held_out: Estimate


def choose_hidden_states(
    trajectories: Any,
    numbers: Sequence[int],
    *,
    symbols: int | None = None,
    blocks: int = 12,
    seed: int,
    **options: Any,
) -> list[HiddenMarkovChoice]:
    """Fits with several numbers of hidden states, compared on data they have not seen.

    The even blocks of time are fitted and the odd ones scored, and the other way round; `held_out` is the mean over
    blocks of ln P per frame minus that of the first number, so that it is zero for the first and its error is that of
    the difference. Also look at `fit.bic`.

    Arguments:
        trajectories, symbols, seed, options: as `fit_hidden_markov`.
        numbers: of hidden states.
        blocks: of time, even, at least 4.
    """
    if blocks < 4 or blocks % 2:
        raise ValueError(f"blocks: expected an even number from 4 on, got {blocks}")
    data = checked_trajectories(trajectories)
    m = 1 + max(int(frames.max()) for frames in data) if symbols is None else symbols
    pieces = _blocks(_symbols(data, m), blocks)
    scores, fits = [], []
    for hidden in numbers:
        fits.append(fit_hidden_markov(data, hidden, symbols=m, seed=seed, quiet=True, **options))
        score = np.empty(len(pieces))
        for parity in (0, 1):
            training = [piece for block in pieces[parity::2] for piece in block]
            model = _climb(training, fits[-1].model, 300, options.get("tolerance", 1e-8))[0]
            for number in range(1 - parity, len(pieces), 2):
                size = sum(len(piece) for piece in pieces[number])
                score[number] = model.log_likelihood(pieces[number]) / size
        scores.append(score)
    return [
        HiddenMarkovChoice(hidden, fit, from_blocks(score - scores[0], "nat/frame"))
        for hidden, fit, score in zip(numbers, fits, scores, strict=True)
    ]


def unidentified_directions(model: HiddenMarkov, frames: int | None = None) -> int:
    """How many directions of change leave the law of the symbols as it is: free numbers minus the rank of the Jacobian.

    The law of a hidden Markov model of k states is fixed by its words of 2 k symbols (Paz, 1971); their derivatives by
    the non-zero numbers of the model are taken exactly (complex steps) along the directions that keep the rows
    normalised. Where there are more than 4,096 words, so many are drawn.

    With ``frames`` also those directions count that so many frames, cut to words, would know to no better than a number
    drawn at random between 0 and 1: I = frames / (2 k) sum_w (dP_w)^2 / P_w below 12. A model that is nearly one with
    unidentified directions has them too.
    """
    a, b = model.transition, model.emission
    k, m = b.shape
    words = _word_list(k, m)
    columns = []
    for which, matrix in ((0, a), (1, b)):
        for row in range(len(matrix)):
            free = np.flatnonzero(matrix[row] > 0)
            for column in free[1:]:
                change = [np.zeros((k, k), dtype=np.complex128), np.zeros((k, m), dtype=np.complex128)]
                change[which][row, column], change[which][row, free[0]] = 1e-30j, -1e-30j
                columns.append(_word_probabilities(a + change[0], b + change[1], words).imag / 1e-30)
    if not columns:
        return 0
    jacobian = np.column_stack(columns)
    if frames is not None:
        p = _word_probabilities(a, b, words)
        scaled = jacobian[p > 0] / np.sqrt(p[p > 0])[:, None]
        known = frames / (2 * k) * (m ** (2 * k) / len(words)) * np.linalg.svd(scaled, compute_uv=False) ** 2
        return int(len(columns) - np.count_nonzero(known > 12.0))
    size = np.linalg.norm(jacobian, axis=0)
    values = np.linalg.svd(jacobian / np.where(size > 0, size, 1.0), compute_uv=False)
    return int(len(columns) - np.count_nonzero(values > 1e-8 * values[0]))


def _word_list(k: int, m: int) -> NDArray[np.int64]:
    length = 2 * k
    if m**length <= _WORDS:
        return np.array(np.unravel_index(np.arange(m**length), (m,) * length)).T
    return np.random.default_rng(0).integers(0, m, (_WORDS, length))


def _word_probabilities(a: NDArray[Any], b: NDArray[Any], words: NDArray[np.int64]) -> NDArray[Any]:
    k = len(a)
    start = np.linalg.solve(np.eye(k) - a.T + 1.0, np.ones(k))  # the stationary state, also of complex numbers
    alpha = start * b[:, words[:, 0]].T
    for t in range(1, words.shape[1]):
        alpha = (alpha @ a) * b[:, words[:, t]].T
    return np.asarray(alpha.sum(axis=1))


def _climb(
    data: list[NDArray[Any]], model: HiddenMarkov, iterations: int, tolerance: float
) -> tuple[HiddenMarkov, float, bool]:
    """Expectation-maximisation with squared extrapolation in the logarithms of the numbers."""
    frames = sum(len(one) for one in data)
    current = model
    improved, value = _step(data, current)
    done = 0
    while done < iterations:
        second, _ = _step(data, improved)
        third, latest = _step(data, second)
        done += 2
        if (latest - value) / frames <= 2 * tolerance:
            return second, latest, True
        leap = _extrapolated(current, improved, second)
        current, value, improved = second, latest, third
        if leap is not None:
            ahead, found = _step(data, leap)
            done += 1
            if found > value:
                current, value, improved = leap, found, ahead
    return current, value, False


def _extrapolated(a: HiddenMarkov, b: HiddenMarkov, c: HiddenMarkov) -> HiddenMarkov | None:
    """theta_a - 2 s r + s^2 v, r = b - a, v = c - 2 b + a, s = -|r| / |v|, in logarithms; None where it is no leap."""
    x, y, z = (
        np.log(np.maximum(np.concatenate([m.transition.ravel(), m.emission.ravel()]), 1e-300)) for m in (a, b, c)
    )
    moving = z > -600
    r, v = (y - x)[moving], (z - 2 * y + x)[moving]
    if (norm := float(np.linalg.norm(v))) == 0:
        return None
    s = -float(np.linalg.norm(r)) / norm
    if s > -1.0:
        return None
    s = max(s, -64.0)
    new = np.full(len(x), -np.inf)
    new[moving] = np.clip(x[moving] - 2 * s * r + s * s * v, -300.0, 10.0)
    k = len(a.transition)
    parts = np.exp(new[: k * k]).reshape(k, k), np.exp(new[k * k :]).reshape(k, -1)
    if any(part.sum(axis=1).min() <= 0 for part in parts):
        return None
    transition, emission = (part / part.sum(axis=1, keepdims=True) for part in parts)
    return HiddenMarkov(transition, emission)


def _step(data: list[NDArray[Any]], model: HiddenMarkov) -> tuple[HiddenMarkov, float]:
    """One step of expectation and maximisation, and ln P of the model it started from."""
    k, m = model.emission.shape
    first, jumps, shown = np.zeros(k), np.zeros((k, k)), np.zeros((m + 1, k))
    start, rows = _start(model.transition), _rows(model.emission)
    value = sum(expectations(one, start, model.transition, rows, first, jumps, shown) for one in data)
    if not np.isfinite(value):
        return model, -np.inf
    return HiddenMarkov(_kept(jumps, model.transition), _kept(shown[:m].T, model.emission)), value


def _kept(counts: Array, old: Array) -> Array:
    """Rows of expected counts, normalised; a hidden state that is never visited keeps its old row."""
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 1e-200, counts / total, old)


def _start(transition: Array) -> Array:
    """The stationary state, by a plain solve: a hidden chain on its way may have states without return."""
    k = len(transition)
    found, *_ = np.linalg.lstsq(
        np.vstack([np.eye(k) - transition.T, np.ones(k)]), np.append(np.zeros(k), 1.0), rcond=None
    )
    positive = np.maximum(found, 1e-12)
    return np.asarray(positive / positive.sum())


def _rows(emission: Array) -> Array:
    """(m + 1, k): a row a symbol, and a last row of ones for a frame not seen."""
    return np.ascontiguousarray(np.vstack([emission.T, np.ones(len(emission))]))


def _mask(labels: ArrayLike | None, hidden: int, m: int) -> NDArray[np.bool_]:
    if labels is None:
        return np.ones((hidden, m), dtype=bool)
    given = np.asarray(labels)
    if given.shape != (hidden,) or not np.issubdtype(given.dtype, np.integer) or given.min() < 0 or given.max() >= m:
        raise ValueError(f"labels: expected ({hidden},) symbols from 0 to {m - 1}, got {given.tolist()}")
    return np.asarray(given[:, None] == np.arange(m))


def _symbols(trajectories: Any, m: int) -> list[NDArray[Any]]:
    data = checked_trajectories(trajectories)
    for number, frames in enumerate(data):
        if frames.max() >= m or (np.issubdtype(frames.dtype, np.signedinteger) and frames.min() < -1):
            at = int(np.argmax((frames >= m) | (frames < -1)))
            raise ValueError(
                f"trajectory {number}, frame {at}: symbol {int(frames[at])} is none of 0 ... {m - 1} or -1"
            )
    return [frames.astype(np.int32, copy=False) for frames in data]  # one compiled kernel for all


def _first(data: list[NDArray[Any]], frames: int) -> list[NDArray[Any]]:
    """The start of every trajectory, in proportion, some ``frames`` in all (at least 100 of each)."""
    total = sum(len(one) for one in data)
    share = min(1.0, frames / total)
    return [one[: max(100, int(share * len(one)))] for one in data]


def _blocks(data: list[NDArray[Any]], number: int) -> list[list[NDArray[Any]]]:
    """``number`` blocks of about the same number of frames, each a list of pieces."""
    total = sum(len(one) for one in data)
    if number < 4 or total < 100 * number:
        raise ValueError(f"{total} frames do not give {number} blocks of 100 frames (at least 4)")
    edges = [total * b // number for b in range(number + 1)]
    blocks: list[list[NDArray[Any]]] = [[] for _ in range(number)]
    begin = 0
    for one in data:
        for b in range(number):
            low, high = max(edges[b] - begin, 0), min(edges[b + 1] - begin, len(one))
            if high - low > 1:
                blocks[b].append(one[low:high])
        begin += len(one)
    return blocks
