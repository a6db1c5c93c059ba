"""Configurations of Ising and Potts lattices, drawn with the Boltzmann weight, and how independent they are.

    Ising: exp(sum_a K_a sum_<ij>_a s_i s_j + h sum_i s_i)
    Potts: exp(sum_a K_a sum_<ij>_a [s_i = s_j] + h sum_i [s_i = 0])

with s = +-1 or 0 ... q - 1, K = J/kT, and <ij>_a the a-th nearest neighbours. Chains are equilibrated until two halves
of their record and two kinds of starts agree; a sample is kept after about one autocorrelation time. Swendsen and Wang
(1987), Wolff (1989), Metropolis et al. (1953); Sokal (1997) for the times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate, integrated_time, means
from kadanoff.lattices._kernels import chains as kernels
from kadanoff.lattices.lattice import Lattice, colours
from kadanoff.parallel import map_ordered

__all__ = ["Algorithm", "Configurations", "sample"]

Algorithm = Literal["auto", "swendsen-wang", "wolff", "metropolis"]
Model = Literal["ising", "potts"]

_START = 0x5374_0000  # stream of disordered starts
_CHAINS = 8  # of one site at a time: the same whatever the number of workers
_FIRST = 64  # sweeps, after which equilibrium is first looked for
_TIMES = 20  # autocorrelation times that the kept half of a chain must hold
_AGREE = 3.0  # standard errors


@dataclass(frozen=True, eq=False)
class Configurations:
    """What `sample` draws.

    Arguments:
        configurations: (samples, *lattice.shape) int8, chain after chain.
        bond_sums: (samples, couplings) int64, S_a: the sum over the bonds of one coupling of s_i s_j or of [s_i = s_j].
        energies: (samples,) -ln(weight) per site: -(sum_a K_a S_a + h M) / n, in kT; divided by K, in J.
        magnetisations: (samples,) Ising: the mean spin; Potts: (q n_max / n - 1) / (q - 1).
        autocorrelation_time: 1 + 2 sum_t rho(t) in sweeps, the larger one of energy and |magnetisation|.
        dropped: sweeps of each chain before equilibrium.
        every: sweeps between samples of a chain.
        chains: number of chains of ceil(samples / chains) configurations each, the last of them left out where they do
            not divide.
        algorithm: what was used.
    """

    configurations: NDArray[np.int8]
    bond_sums: NDArray[np.int64]
    energies: NDArray[np.float64]
    magnetisations: NDArray[np.float64]
    autocorrelation_time: Estimate
    dropped: int
    every: int
    chains: int
    algorithm: str


@dataclass(frozen=True, eq=False)
class _System:
    """A model in the words of the kernels: like couplings J, a field for each state."""

    lattices: tuple[Lattice, ...]
    model: str
    states: int
    couplings: tuple[float, ...]
    field: float
    algorithm: str
    seed: int
    clusters: int = 1

    @property
    def like(self) -> NDArray[np.float64]:
        return np.array(self.couplings) * (2.0 if self.model == "ising" else 1.0)

    @property
    def fields(self) -> NDArray[np.float64]:
        if self.model == "ising":
            return np.array([-self.field, self.field])
        return np.where(np.arange(self.states) == 0, self.field, 0.0)

    @property
    def starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(lattice.bonds) for lattice in self.lattices)])

    def sums(self, like: NDArray[np.int64]) -> NDArray[np.int64]:
        """S_a from numbers of like bonds (..., couplings)."""
        return 2 * like - np.diff(self.starts) if self.model == "ising" else like

    def energies(self, sums: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(-(sums @ np.array(self.couplings) + counts @ self.fields) / self.lattices[0].sites)

    def magnetisations(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """From numbers of sites in each state (..., q)."""
        n = self.lattices[0].sites
        if self.model == "ising":
            return np.asarray((counts[..., 1] - counts[..., 0]) / n)
        return np.asarray((self.states * counts.max(axis=-1) / n - 1) / (self.states - 1))


@dataclass(frozen=True, eq=False)
class _Leg:
    """A stretch of one chain: from ``spins`` at sweep ``first``, ``sweeps`` more, ``keep`` configurations."""

    system: _System
    chain: int
    spins: NDArray[np.int8]
    first: int
    sweeps: int
    every: int = 1
    keep: int = 0


@dataclass(frozen=True, eq=False)
class _Record:
    """What a leg leaves: its last spins, like bonds (sweeps, couplings) and states (sweeps, q), configurations (keep,
    n), and how many sites Wolff's clusters had."""

    spins: NDArray[np.int8]
    like: NDArray[np.int64]
    counts: NDArray[np.int64]
    stored: NDArray[np.int8]
    flipped: int = 0


def sample(
    lattice: Lattice,
    coupling: float | Sequence[float],
    *,
    samples: int,
    seed: int,
    model: Model = "ising",
    states: int = 2,
    field: float = 0.0,
    algorithm: Algorithm = "auto",
    every: int | None = None,
    equilibration: int | None = None,
    longest: int = 1 << 17,
    executor: Executor | None = None,
) -> Configurations:
    """Draw configurations of a lattice in equilibrium.

    Every chain starts ordered, or, where clusters move, every other one at random. The first half of the record is
    dropped; of the rest, halves and starts must agree in energy and |magnetisation| within 3 standard errors, and it
    must be 20 autocorrelation times long; else the chains run on, twice as long. The result is the same for any number
    of workers.

    Arguments:
        lattice: from `kadanoff.lattices.lattice`.
        coupling: K of the nearest neighbours, or (K_1, K_2, ...) of first, second ... neighbours (`Lattice.shell`).
        samples: how many configurations.
        seed: of all random numbers.
        model, states: "ising", or "potts" with q = states.
        field: h.
        algorithm: "swendsen-wang" (couplings >= 0, any field), "wolff" (couplings >= 0, no field), "metropolis" (any),
            or "auto": Swendsen-Wang where it can be had.
        every: sweeps between samples; by default the autocorrelation time.
        equilibration: sweeps to drop without a test; by default found as above.
        longest: sweeps, after which the search for equilibrium is given up.
        executor: of `kadanoff.parallel`; chains run beside each other.

    Raises:
        ValueError: for what an algorithm cannot do, and where no equilibrium is found within ``longest`` sweeps.
    """
    system = _system(lattice, coupling, model, states, field, algorithm, seed)
    if samples < 1:
        raise ValueError(f"sample: at least one configuration, not {samples}")
    if every is not None and every < 1:
        raise ValueError(f"sample: every = {every} sweeps; at least one sweep lies between samples")
    chains = min(_CHAINS, samples)
    records = [_Record(_start(system, chain), *_nothing(system)) for chain in range(chains)]
    if system.algorithm == "wolff":
        system = replace(system, clusters=_clusters(system, records))
    series, dropped = np.empty((chains, 0, 2)), 0
    if equilibration is not None:
        records, series = _go_on(system, records, series, 0, max(int(equilibration), 4), executor)
        dropped, spacing = int(equilibration), every or _spacing(_times(series)[0])
    else:
        length = _FIRST
        while True:
            records, series = _go_on(system, records, series, series.shape[1], length, executor)
            dropped = series.shape[1] // 2
            trouble, tau = _trouble(series[:, dropped:], _random_starts(system))
            if not trouble:
                break
            if 2 * series.shape[1] > longest:
                raise ValueError(
                    f"sample: no equilibrium after {series.shape[1]} sweeps of {system.algorithm}: {trouble}. Take "
                    "another algorithm, a smaller lattice, or a larger `longest`"
                )
            length = series.shape[1]
        spacing = every or _spacing(tau)
    share = -(-samples // chains)
    first = series.shape[1]
    legs = [
        _Leg(system, chain, record.spins, first, share * spacing, spacing, share)
        for chain, record in enumerate(records)
    ]
    records = list(map_ordered(_run, legs, executor))
    series = np.concatenate([series[:, dropped:], np.stack([_observed(system, record) for record in records])], axis=1)
    tau, error = _times(series)
    at = slice(spacing - 1, None, spacing)
    sums = system.sums(np.concatenate([record.like[at] for record in records])[:samples])
    counts = np.concatenate([record.counts[at] for record in records])[:samples]
    stored = np.concatenate([record.stored for record in records])[:samples]
    return Configurations(
        (2 * stored - 1 if model == "ising" else stored).astype(np.int8, copy=False).reshape(samples, *lattice.shape),
        sums,
        system.energies(sums, counts),
        system.magnetisations(counts),
        Estimate(tau, error, chains * series.shape[1] / tau, "sweep", "autocorrelation window"),
        dropped,
        spacing,
        chains,
        system.algorithm,
    )


def _system(
    lattice: Lattice,
    coupling: float | Sequence[float],
    model: str,
    states: int,
    field: float,
    algorithm: str,
    seed: int,
) -> _System:
    couplings = tuple(float(k) for k in np.atleast_1d(np.asarray(coupling, dtype=np.float64)))
    if not couplings or not all(map(math.isfinite, (*couplings, field))):
        raise ValueError(f"sample: couplings and field are finite numbers, got {couplings} and {field}")
    if model not in ("ising", "potts"):
        raise ValueError(f'sample: the model is "ising" or "potts", not {model!r}')
    if model == "ising" and states != 2:
        raise ValueError(f'sample: an Ising spin has 2 states; {states} states are model="potts"')
    if not 2 <= states <= 127:
        raise ValueError(f"sample: 2 to 127 states, not {states}")
    clusters = min(couplings) >= 0
    if algorithm == "auto":
        algorithm = "swendsen-wang" if clusters else "metropolis"
    if algorithm not in ("swendsen-wang", "wolff", "metropolis"):
        raise ValueError(f'sample: {algorithm!r} is none of "auto", "swendsen-wang", "wolff", "metropolis"')
    if algorithm != "metropolis" and not clusters:
        raise ValueError(
            f"sample: {algorithm} joins like spins and needs couplings >= 0, got {couplings}; take metropolis"
        )
    if algorithm == "wolff" and field != 0:
        raise ValueError("sample: Wolff's clusters know no field; take swendsen-wang or metropolis")
    if algorithm == "metropolis" and states == 2 and field == 0 and not any(couplings):
        raise ValueError(
            "sample: at K = 0 Metropolis flips every spin at every sweep and forgets nothing; take swendsen-wang"
        )
    lattices = tuple(lattice if k == 0 else lattice.shell(k + 1) for k in range(len(couplings)))
    return _System(lattices, model, states, couplings, float(field), algorithm, seed)


def _random_starts(system: _System) -> bool:
    """Local moves need ages to rid a cold lattice of the stripes that a random start leaves."""
    return system.algorithm != "metropolis"


def _start(system: _System, chain: int) -> NDArray[np.int8]:
    """Chains 0, 2, ... begin ordered, in the state that the field favours; the others at random where that helps."""
    n = system.lattices[0].sites
    if chain % 2 == 0 or not _random_starts(system):
        return np.full(n, int(np.argmax(system.fields)), np.int8)
    drawn = np.random.Generator(np.random.Philox(key=[system.seed & (2**64 - 1), _START + chain]))
    return drawn.integers(system.states, size=n, dtype=np.int8)


def _nothing(system: _System) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    n = system.lattices[0].sites
    return (
        np.empty((0, len(system.couplings)), np.int64),
        np.empty((0, system.states), np.int64),
        np.empty((0, n), np.int8),
    )


def _run(leg: _Leg) -> _Record:
    """Run a leg; spins of the leg stay as they are."""
    system = leg.system
    spins, n = leg.spins.copy(), leg.spins.size
    like = np.empty((leg.sweeps, len(system.couplings)), np.int64)
    counts = np.empty((leg.sweeps, system.states), np.int64)
    stored = np.empty((leg.keep, n), np.int8)
    bonds = np.concatenate([lattice.bonds for lattice in system.lattices])
    thresholds = np.array([_threshold(-math.expm1(-k)) if k > 0 else 0 for k in system.like], np.uint64)
    tail = (system.seed & (2**64 - 1), leg.chain, leg.first, leg.every, like, counts, stored)
    field, flipped = system.field, 0
    columns = np.concatenate([np.full(lattice.coordination, k) for k, lattice in enumerate(system.lattices)])
    if system.algorithm == "swendsen-wang" and _is_square(system):
        kernels.run_swendsen_wang_square(spins.reshape(system.lattices[0].cells), thresholds[0], field, *tail)
    elif system.algorithm == "swendsen-wang":
        kernels.run_swendsen_wang(spins, bonds, system.starts, thresholds, field, *tail)
    else:
        neighbours = np.hstack([lattice.neighbours for lattice in system.lattices])
        if system.algorithm == "wolff":
            flipped = kernels.run_wolff(
                spins, neighbours, thresholds[columns], system.clusters, bonds, system.starts, *tail
            )
        else:
            tint = colours(*system.lattices)
            order = np.argsort(tint, kind="stable").astype(np.int32)
            begins = np.concatenate([[0], np.cumsum(np.bincount(tint))])
            kernels.run_metropolis(
                spins, neighbours, system.like[columns], system.fields, order, begins, bonds, system.starts, *tail
            )
    return _Record(spins, like, counts, stored, int(flipped))


def _is_square(system: _System) -> bool:
    return len(system.lattices) == 1 and system.lattices[0].table == ((0, 0, (1, 0)), (0, 0, (0, 1)))


def _threshold(probability: float) -> int:
    """A probability as a fraction of 2^64, exact to its last binary digit, 1 - 2^-64 for 1."""
    return min(int(math.ldexp(probability, 64)), 2**64 - 1)


def _clusters(system: _System, records: list[_Record]) -> int:
    """How many clusters of Wolff make up about one lattice: a number fixed once, from an ordered and a random start."""
    grown = [_run(_Leg(system, chain, record.spins, 0, 64)).flipped / 64 for chain, record in enumerate(records[:2])]
    return max(1, round(system.lattices[0].sites / max(grown)))


def _go_on(
    system: _System,
    records: list[_Record],
    series: NDArray[np.float64],
    first: int,
    sweeps: int,
    executor: Executor | None,
) -> tuple[list[_Record], NDArray[np.float64]]:
    legs = [_Leg(system, chain, record.spins, first, sweeps) for chain, record in enumerate(records)]
    records = list(map_ordered(_run, legs, executor))
    return records, np.concatenate([series, np.stack([_observed(system, record) for record in records])], axis=1)


def _observed(system: _System, record: _Record) -> NDArray[np.float64]:
    """(sweeps, 2): energy and magnetisation, without its sign where no field tells it."""
    order = system.magnetisations(record.counts)
    order = order if system.field else np.abs(order)
    return np.stack([system.energies(system.sums(record.like), record.counts), order], axis=1)


def _trouble(series: NDArray[np.float64], random_starts: bool) -> tuple[str, float]:
    """What speaks against equilibrium in (chains, sweeps, 2), in words; and the autocorrelation time."""
    half = series.shape[1] // 2
    halves = [means(np.moveaxis(part, 0, 1)) for part in (series[:, :half], series[:, half : 2 * half])]
    whole = means(np.moveaxis(series, 0, 1))
    tau, _ = _times(series)
    for k, name in enumerate(("energy", "magnetisation")):
        change = float(np.mean(halves[1].value[:, k] - halves[0].value[:, k]))
        error = math.sqrt(float(np.sum(halves[0].error[:, k] ** 2 + halves[1].error[:, k] ** 2))) / len(series)
        if abs(change) > _AGREE * error + 1e-12:
            return f"the {name} still drifts, by {change:.2g} +- {error:.2g} between the halves of the record", tau
        if random_starts and len(series) > 1:
            kinds = [(whole.value[start::2, k], whole.error[start::2, k]) for start in (0, 1)]
            gap = float(np.mean(kinds[0][0]) - np.mean(kinds[1][0]))
            error = math.sqrt(sum(float(np.sum(e**2)) / len(e) ** 2 for _, e in kinds))
            if abs(gap) > _AGREE * error + 1e-12:
                return f"ordered and random starts differ in {name} by {gap:.2g} +- {error:.2g}", tau
    if series.shape[1] < _TIMES * tau:
        return f"the record holds only {series.shape[1] / tau:.0f} autocorrelation times, not {_TIMES}", tau
    return "", tau


def _times(series: NDArray[np.float64]) -> tuple[float, float]:
    """The larger of the autocorrelation times of energy and magnetisation, averaged over chains, and its error.

    A record that never changes has nothing to forget: time 1.
    """
    found = []
    for k in range(series.shape[2]):
        moving = [column for column in series[:, :, k] if np.ptp(column) > 1e-12 * max(1e-300, np.abs(column).max())]
        if moving:
            each = [integrated_time(column) for column in moving]
            error = math.sqrt(sum((one.error or 0.0) ** 2 for one in each)) / len(each)
            found.append((float(np.mean([one.value for one in each])), error))
    return max(found, default=(1.0, 0.0))


def _spacing(tau: float) -> int:
    return max(1, math.ceil(tau))
