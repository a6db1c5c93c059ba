"""Relative entropy between bead models: by how much one is further from a reference than another, in nats.

The relative entropy of a reference (density p_ref on the beads) and a model with the energy U and the free energy A is

    S_rel = <ln p_ref - ln p_model>_ref = beta <U>_ref - beta A + (a number that no model changes),

so that two models differ by

    S_rel(2) - S_rel(1) = <x>_ref - Delta,      x = beta (U_2 - U_1),      Delta = beta (A_2 - A_1).

The average is of frames of the reference; Delta needs frames of both models, and enough of them where the two overlap
(`bennett`). Where they do not, models on the line U_1 + s (U_2 - U_1) are put between them (`staged`). Everything
here is in the reduced energies x, so that models of two temperatures are meant as well: x = beta_2 U_2 - beta_1 U_1.

Sources: Shell, J. Chem. Phys. 129, 144108 (2008); Chaimovich & Shell, J. Chem. Phys. 134, 094112 (2011); Bennett, J.
Comput. Phys. 22, 245 (1976).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot, log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

from kadanoff.estimates import Estimate, Means, integrated_time, mean, means
from kadanoff.molecules._kernels.energies import pair_energies
from kadanoff.molecules.engines.bead import BeadEngine
from kadanoff.molecules.engines.checks import check_start
from kadanoff.molecules.frames import BOLTZMANN, Frames, fixed_box
from kadanoff.molecules.potentials import Model

__all__ = [
    "FreeEnergy",
    "PoorOverlap",
    "RelativeEntropy",
    "bennett",
    "between",
    "energies",
    "exponential_average",
    "gradient",
    "relative_entropy_difference",
    "staged",
]

Array = NDArray[np.float64]

LEAST_OVERLAP = 0.05
"""Overlap below which a free-energy difference is refused (0.03 for each of the two states is the rule of Klimovich,
Shirts, Mobley, J. Comput. Aided Mol. Des. 29, 397, 2015)."""

_ENOUGH = 0.5
"""Overlap above which a failure is one of the runs, not of the distance of the models."""

_LEAST_SAMPLES = 10.0  # effective samples in the overlap, below which its own estimate says nothing


class PoorOverlap(ValueError):
    """Two models share too few configurations for their free-energy difference; ``overlap`` between 0 and 1."""

    def __init__(self, message: str, overlap: float) -> None:
        super().__init__(message)
        self.overlap = overlap


@dataclass(frozen=True, eq=False)
class FreeEnergy:
    """A free-energy difference Delta = beta (A_2 - A_1) along U_1 + s (U_2 - U_1), in nats. Made by `bennett`.

    ``difference``; ``couplings`` (k,) the s that were sampled, from 0 to 1; ``stages`` the k - 1 parts of the
    difference; ``overlap`` (k - 1,) of neighbours, 1 where they are the same and 0 where they are strangers.
    ``forward`` and ``backward``: the same difference by reweighting one side of each stage alone
    (`exponential_average`), None where fewer than four effective samples carry it: a cross-check, never better.
    """

    difference: Estimate
    couplings: tuple[float, ...]
    stages: tuple[Estimate, ...]
    overlap: tuple[float, ...]
    forward: Estimate | None
    backward: Estimate | None


def bennett(
    samples: Sequence[ArrayLike], couplings: Sequence[float] = (0.0, 1.0), *, least_overlap: float = LEAST_OVERLAP
) -> FreeEnergy:
    """Free-energy difference of two models by the Bennett acceptance ratio, stage by stage.

        sum_{i in a} f(ln(n_a / n_b) + w_i - D) = sum_{j in b} f(-ln(n_a / n_b) - w_j + D),    f(y) = 1 / (1 + e^y)

    for D, the difference of two neighbours a, b on the line, with w = (s_b - s_a) x. With more than two models the
    stages add up.

    The error is first order in the two sums: each is the mean of a series, whose standard error knows its correlation
    in time (`estimates.mean`); a sample that serves two stages counts with the sum of its two shares. Overlap is one
    minus the second eigenvalue of the overlap matrix (Klimovich et al., 2015), sum a (1 - a) (1/n_a + 1/n_b) over all
    samples, with a the chance that a sample is of the first model.

    Arguments:
        samples: one series (n_k,) of x = beta (U_2 - U_1) for each coupling, from equilibrium runs of the model
            U_1 + s_k (U_2 - U_1), in time order, n_k >= 4.
        couplings: s_k rising, the first 0 and the last 1.
        least_overlap: below it, or with fewer than 10 effective samples in the overlap, the difference is refused.

    Raises:
        PoorOverlap: with the stage and its overlap.
        ValueError: for series that do not fit the couplings, or numbers that are not finite.
    """
    series = [np.asarray(one, dtype=np.float64) for one in samples]
    s = tuple(float(one) for one in couplings)
    if (
        len(s) < 2
        or len(series) != len(s)
        or s[0] != 0.0
        or s[-1] != 1.0
        or any(b <= a for a, b in itertools.pairwise(s))
    ):
        raise ValueError(f"one series is needed for each coupling, rising from 0 to 1; {len(series)} for {list(s)}")
    for coupling, one in zip(s, series, strict=True):
        if one.ndim != 1 or len(one) < 4 or not np.all(np.isfinite(one)):
            raise ValueError(f"the samples at s = {coupling:g} must be one series of 4 or more finite numbers")
    stages, overlaps = [], []
    influence = [np.zeros(len(one)) for one in series]
    for k, step in enumerate(np.diff(s)):
        found, overlap, shares = _acceptance(step * series[k], step * series[k + 1])
        _require(overlap, min(_effective(one) for one in shares), s[k : k + 2], least_overlap)
        error = hypot(*((mean(share).error or 0.0) for share in shares))
        stages.append(Estimate(found, error, None, "nat", "Bennett acceptance ratio"))
        overlaps.append(overlap)
        influence[k] += shares[0]
        influence[k + 1] += shares[1]
    errors = [mean(one) for one in influence]
    squares = [(one.error or 0.0) ** 2 for one in errors]
    spread = sum(square**2 / (one.degrees or np.inf) for square, one in zip(squares, errors, strict=True))
    total = Estimate(
        sum(stage.value for stage in stages), float(np.sqrt(sum(squares))), None, "nat", "Bennett acceptance ratio",
        degrees=sum(squares) ** 2 / spread if spread > 0 else None,
    )  # fmt: skip
    forward = [_one_sided(step * one) for step, one in zip(np.diff(s), series, strict=False)]
    backward = [_one_sided(-step * one) for step, one in zip(np.diff(s), series[1:], strict=True)]
    return FreeEnergy(total, s, tuple(stages), tuple(overlaps), _summed(forward, 1.0), _summed(backward, -1.0))


def _acceptance(first: Array, second: Array) -> tuple[float, float, tuple[Array, Array]]:
    """D, overlap, and what each sample adds to the deviation of D (their means are what the error is of)."""
    shift = log(len(first) / len(second))

    def excess(d: float) -> float:
        return float(np.sum(expit(-shift - first + d)) - np.sum(expit(shift + second - d)))

    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    width = abs(shift) + 1.0 + high - low
    while excess(low - width) > 0 or excess(high + width) < 0:
        width *= 2.0
    d = float(brentq(excess, low - width, high + width, xtol=1e-12 * max(1.0, width), rtol=1e-14))
    accepted, returned = expit(-shift - first + d), expit(shift + second - d)
    slope = float(np.sum(accepted * (1 - accepted)) + np.sum(returned * (1 - returned)))
    overlap = slope * (1.0 / len(first) + 1.0 / len(second))
    slope = max(slope, 1e-300)
    return d, overlap, (-len(first) / slope * accepted, len(second) / slope * returned)


def _effective(series: Array) -> float:
    """Effective number of samples, weighted by what they carry: n / tau times the share of the carriers."""
    if np.ptp(series) <= 1e-12 * np.abs(series).max(initial=0.0):
        return float(len(series))
    carried = float(series.sum() ** 2 / np.sum(series**2))
    return carried / max(integrated_time(series).value, 1.0)


def _require(overlap: float, effective: float, between: tuple[float, ...], least: float) -> None:
    if overlap >= least and effective >= _LEAST_SAMPLES:
        return
    raise PoorOverlap(
        f"the models at s = {between[0]:g} and {between[1]:g} overlap by {overlap:.2g} (at least {least:g} is needed) "
        f"in {effective:.2g} effective samples (at least {_LEAST_SAMPLES:g}): their free-energy difference cannot be "
        "had from these runs. Put models between them (`staged`, or `simulate=`), or simulate longer",
        overlap,
    )


def exponential_average(x: ArrayLike) -> Estimate:
    """Free-energy difference from one side: Delta = -ln <e^-x>_1, with x = beta (U_2 - U_1) on frames of model 1.

    Its error is first order in the mean, and its bias of half the variance (Zuckerman & Woolf, 2002) is small only
    while many samples carry the average; ``samples`` is their number, (sum w)^2 / sum w^2 over the correlation time.
    Raises `PoorOverlap` where that is below four, ValueError for fewer than 4 numbers or ones that are not finite.
    Source: Zwanzig, J. Chem. Phys. 22, 1420 (1954).
    """
    series = np.asarray(x, dtype=np.float64)
    if series.ndim != 1 or len(series) < 4 or not np.all(np.isfinite(series)):
        raise ValueError("the reduced energy differences must be one series of 4 or more finite numbers")
    value = -(logsumexp(-series) - log(len(series)))
    weights = np.exp(value - series)
    effective = _effective(weights)
    if effective < 4.0:
        raise PoorOverlap(
            f"{effective:.2g} effective samples carry the average of e^-x: too few for a free energy",
            effective / len(series),
        )
    spread = mean(weights)
    return Estimate(value, spread.error, effective, "nat", "exponential average", degrees=spread.degrees)


def _one_sided(x: Array) -> Estimate | None:
    try:
        return exponential_average(x)
    except PoorOverlap:
        return None


def _summed(parts: Sequence[Estimate | None], sign: float) -> Estimate | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    error = float(np.sqrt(sum((part.error or 0.0) ** 2 for part in known)))
    samples = min(part.samples or 0.0 for part in known)
    return Estimate(sign * sum(part.value for part in known), error, samples, "nat", "exponential average")


def staged(draw: Callable[[float], ArrayLike], *, least_overlap: float = LEAST_OVERLAP, most: int = 33) -> FreeEnergy:
    """`bennett` with as many models between the two as overlap asks for: each stage that fails is cut in half.

    ``draw(s)`` gives x = beta (U_2 - U_1) of an equilibrium run of the model U_1 + s (U_2 - U_1); it is asked once for
    each s, first for 0 and 1. Raises `PoorOverlap` where ``most`` models do not suffice.
    """
    known = {s: np.asarray(draw(s), dtype=np.float64) for s in (0.0, 1.0)}
    while True:
        line = sorted(known)
        broken, worst = [], 1.0
        for a, b in itertools.pairwise(line):
            _, overlap, shares = _acceptance((b - a) * known[a], (b - a) * known[b])
            try:
                _require(overlap, min(_effective(one) for one in shares), (a, b), least_overlap)
            except PoorOverlap as error:
                if error.overlap > _ENOUGH:  # halving would not help: the runs are too short for their own memory
                    raise
                broken.append(0.5 * (a + b))
                worst = min(worst, error.overlap)
        if not broken:
            return bennett([known[s] for s in line], line, least_overlap=least_overlap)
        if len(known) + len(broken) > most:
            raise PoorOverlap(
                f"{len(known)} models on the line between the two do not overlap (the worst neighbours by "
                f"{worst:.2g}), and {most} are the most allowed: the two are too different, or their runs too short",
                worst,
            )
        known |= {s: np.asarray(draw(s), dtype=np.float64) for s in broken}


@dataclass(frozen=True, eq=False)
class RelativeEntropy:
    """By how much the relative entropy of a second model exceeds that of a first, for all beads together, in nats.

    ``difference`` = ``energy`` - ``free``.difference: positive where the first model is the better one; ``per_bead``
    the same over the number of beads.
    """

    difference: Estimate
    energy: Estimate
    free: FreeEnergy
    beads: int

    @property
    def per_bead(self) -> Estimate:
        """The difference over the number of beads."""
        return self.difference.scaled(1.0 / self.beads)

    @classmethod
    def of(cls, reference: ArrayLike, free: FreeEnergy, beads: int = 1) -> RelativeEntropy:
        """From x = beta (U_2 - U_1) on frames of the reference (f,), in time order, and the free-energy difference."""
        energy = mean(np.asarray(reference, dtype=np.float64), "nat")
        return cls(energy.minus(free.difference), energy, free, beads)


def energies(model: Model, frames: Frames) -> Array:
    """Energy (f,) of every frame under a model, kJ/mol, in double precision, from the tables' own interpolant.

    Raises ValueError for beads that the model does not know, and a cut-off above half the box.
    """
    if not model.pairwise:
        engine = BeadEngine()
        return np.array([engine.evaluate(model, frames[k]).energy for k in range(len(frames))])
    out = np.empty(len(frames))
    if not len(frames):
        return out
    kinds = check_start(model, frames[0])
    if not np.all(frames.box >= 2.0 * model.cutoff * (1.0 - 1e-12)):
        raise ValueError(
            f"the cut-off {model.cutoff:g} nm exceeds half the shortest box edge, {0.5 * frames.box.min():g}"
        )
    # a frame that is not finite would slip through the comparison with the cut-off as no energy at all
    if not np.all(np.isfinite(frames.positions)):
        raise ValueError("some positions of these frames are not finite numbers")
    positions, box = (np.ascontiguousarray(array, dtype=np.float64) for array in (frames.positions, frames.box))
    pair_energies(positions, box, np.ascontiguousarray(kinds, dtype=np.int32), *model.tables(), model.step, out)
    return out


def between(first: Model, second: Model, s: float) -> Model:
    """The pair model U_1 + s (U_2 - U_1). Raises ValueError for models of other beads, or with more than pairs."""
    if first.names != second.names or first.masses != second.masses:
        raise ValueError(f"models of unlike beads have none between them: {first.names} and {second.names}")
    if not (first.pairwise and second.pairwise):
        raise ValueError("a model between two is made of pair potentials; these have three-body or density terms")
    pairs = {key: (1.0 - s) * first.pair(*key) + s * second.pair(*key) for key in first.pairs}
    return Model(first.names, first.masses, pairs)


def relative_entropy_difference(
    reference: Frames,
    first: tuple[Model, Frames],
    second: tuple[Model, Frames],
    temperature: float,
    *,
    simulate: Callable[[Model], Frames] | None = None,
    least_overlap: float = LEAST_OVERLAP,
) -> RelativeEntropy:
    """S_rel(second) - S_rel(first) of two bead models with respect to one reference, with its error.

        S_rel(2) - S_rel(1) = beta <U_2 - U_1>_ref - beta (A_2 - A_1)

    Arguments:
        reference: bead frames of the reference (mapped atoms), in time order, at ``temperature`` (K).
        first, second: a model and frames of an equilibrium run of it, of the same beads in the same volume.
        simulate: gives frames of a model between the two, asked for only where they overlap too little; without it
            that is refused. Only for pair models.
        least_overlap: see `bennett`.

    Returns: `RelativeEntropy`.

    Raises:
        PoorOverlap: where the models overlap too little, in the runs given and with what ``simulate`` gives.
        ValueError: for unlike numbers of beads or volumes, a reference whose box changes by more than 1e-4 of itself,
            or a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, not {temperature} K")
    if not len(reference):
        raise ValueError("the reference holds no frames: at least four are needed")
    if not fixed_box(reference):
        low, high = float(reference.volume.min()), float(reference.volume.max())
        raise ValueError(
            f"the box of the reference changes (volume {low:.6g} to {high:.6g} nm^3): the formula is one of fixed "
            "volume. Take a reference at constant volume"
        )
    volume = float(reference.volume.mean())
    for name, (_, frames) in (("first", first), ("second", second)):
        if len(frames.beads) != len(reference.beads):
            raise ValueError(f"the {name} model has {len(frames.beads)} beads, the reference {len(reference.beads)}")
        # at another volume the two densities have no configuration in common
        if not np.allclose(frames.volume, volume, rtol=1e-4):
            raise ValueError(
                f"the {name} model was run at {frames.volume.mean():.6g} nm^3, the reference at {volume:.6g} nm^3: "
                "relative entropy compares models at the reference's volume"
            )
    beta = 1.0 / (BOLTZMANN * temperature)

    def change(frames: Frames) -> Array:
        return beta * (energies(second[0], frames) - energies(first[0], frames))

    ends = {0.0: first[1], 1.0: second[1]}
    if simulate is None:
        free = bennett([change(frames) for frames in ends.values()], least_overlap=least_overlap)
    else:
        make = simulate

        def draw(s: float) -> Array:
            return change(ends[s] if s in ends else make(between(first[0], second[0], s)))

        free = staged(draw, least_overlap=least_overlap)
    return RelativeEntropy.of(change(reference), free, len(reference.beads))


def gradient(reference: ArrayLike, model: ArrayLike) -> Means:
    """Gradient of the relative entropy: dS_rel / dl = <beta dU/dl>_ref - <beta dU/dl>_model, with its errors, in nats.

    ``reference`` (f, ...) and ``model`` (g, ...): beta dU/dl on every frame of the reference and of a run of the model,
    in time order; for a spline coefficient that is beta times the sum of the spline over all pairs. Zero, within its
    error, at the model with the least relative entropy: there g(r) of both agree (Chaimovich & Shell, 2011).
    Raises ValueError for fewer than 4 frames.
    """
    one, two = means(reference), means(model)
    error = np.hypot(one.error, two.error)
    return Means(
        one.value - two.value, error, np.minimum(one.samples, two.samples), np.minimum(one.degrees, two.degrees)
    )
