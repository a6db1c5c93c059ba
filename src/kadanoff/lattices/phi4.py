"""Configurations of a scalar phi^4 field on any lattice.

    weight  exp(K sum_<ij> phi_i phi_j - sum_i phi_i^2 - lambda sum_i (phi_i^2 - 1)^2)

K is twice the hopping parameter kappa of lattice field theory. lambda = 0 is a Gaussian field, lambda to infinity the
Ising model of coupling K. A sweep is one of Metropolis moves, then clusters of the signs (Brower and Tamayo, 1989).
"""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.lattices._kernels.phi4 import run_fields
from kadanoff.lattices.equilibrium import SHORTEST, autocorrelation, settle
from kadanoff.lattices.lattice import Lattice
from kadanoff.parallel import map_ordered

__all__ = ["FieldConfigurations", "sample_fields"]

_CHAINS = 8
_START = 0x5034_2000  # stream of disordered starts
_TUNING, _TRIALS = 25, 12  # sweeps of a trial of the width of moves; trials


@dataclass(frozen=True, eq=False)
class FieldConfigurations:
    """What `sample_fields` draws.

    Arguments:
        configurations: (samples, *lattice.shape) float64, chain after chain.
        bond_sums: (samples,) sum of phi_i phi_j over the bonds.
        energies: (samples,) -ln(weight) per site.
        magnetisations: (samples,) the mean of phi.
        autocorrelation_time: 1 + 2 sum_t rho(t) in sweeps, the larger one of energy and |magnetisation|.
        dropped: sweeps of each chain before equilibrium.
        every: sweeps between samples of a chain.
        chains: number of chains.
        acceptance: the part of the Metropolis moves that were taken.
    """

    configurations: NDArray[np.float64]
    bond_sums: NDArray[np.float64]
    energies: NDArray[np.float64]
    magnetisations: NDArray[np.float64]
    autocorrelation_time: Estimate
    dropped: int
    every: int
    chains: int
    acceptance: float


@dataclass(frozen=True, eq=False)
class _Stretch:
    lattice: Lattice
    coupling: float
    quartic: float
    width: float
    seed: int
    chain: int
    fields: NDArray[np.float64]
    first: int
    sweeps: int
    every: int = 1
    keep: int = 0


def sample_fields(
    lattice: Lattice,
    coupling: float,
    quartic: float,
    *,
    samples: int,
    seed: int,
    every: int | None = None,
    longest: int = 1 << 17,
    executor: Executor | None = None,
) -> FieldConfigurations:
    """Draw configurations of phi^4 in equilibrium, which is looked for as in `kadanoff.lattices.sampling.sample`.

    The width of the moves is set once, before, so that about half of them are taken. The result is the same for any
    number of workers.

    Arguments:
        lattice: from `kadanoff.lattices.lattice`.
        coupling: K.
        quartic: lambda >= 0; for 0 the weight has a sum only where z |K| < 2.
        samples: how many configurations.
        seed: of all random numbers.
        every: sweeps between samples; by default the autocorrelation time.
        longest: sweeps, after which the search for equilibrium is given up.
        executor: of `kadanoff.parallel`.

    Raises:
        ValueError: for a weight without a sum, no samples, and where no equilibrium is found.
    """
    if not (math.isfinite(coupling) and math.isfinite(quartic)) or quartic < 0:
        raise ValueError(f"sample_fields: a finite K and lambda >= 0, got {coupling} and {quartic}")
    if quartic == 0 and lattice.coordination * abs(coupling) >= 2:
        raise ValueError(
            f"sample_fields: without phi^4 the weight of {lattice.coordination} neighbours at K = {coupling} has no "
            f"finite sum; take |K| < {2 / lattice.coordination:g}"
        )
    if samples < 1 or (every is not None and every < 1):
        raise ValueError(f"sample_fields: at least one sample and one sweep between two, got {samples} and {every}")
    chains = min(_CHAINS, samples)
    fields = [_start(lattice.sites, seed, chain) for chain in range(chains)]
    width, reached = 1.0, 0.0
    for _ in range(_TRIALS):
        trial = _Stretch(lattice, coupling, quartic, width, seed, _CHAINS, fields[0], 0, _TUNING)
        reached = _run(trial)[3]
        if 0.4 < reached < 0.6:
            break
        width *= 2.0 ** (4 * (reached - 0.5))

    def stretches(fields: list[Any], first: int, sweeps: int, every: int = 1, keep: int = 0) -> list[Any]:
        tasks = [
            _Stretch(lattice, coupling, quartic, width, seed, chain, one, first, sweeps, every, keep)
            for chain, one in enumerate(fields)
        ]
        return list(map_ordered(_run, tasks, executor))

    def energies(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-(coupling * sums[..., 0] - sums[..., 1] - quartic * sums[..., 2]) / lattice.sites)

    def observed(found: list[Any]) -> NDArray[np.float64]:
        sums = np.stack([one[1] for one in found])
        return np.stack([energies(sums), np.abs(sums[..., 3]) / lattice.sites], axis=2)

    def advance(fields: list[Any], first: int, sweeps: int) -> tuple[list[Any], NDArray[np.float64]]:
        found = stretches(fields, first, sweeps)
        return [one[0] for one in found], observed(found)

    settled = settle(advance, fields, longest, True, "phi^4")
    spacing, share = every or math.ceil(settled.time), -(-samples // chains)
    first = settled.dropped + settled.series.shape[1]
    found = stretches(settled.spins, first, max(share * spacing, SHORTEST), spacing, share)
    series = np.concatenate([settled.series, observed(found)], axis=1)
    tau, error = autocorrelation(series)
    at = slice(spacing - 1, share * spacing, spacing)
    sums = np.concatenate([one[1][at] for one in found])[:samples]
    return FieldConfigurations(
        np.concatenate([one[2] for one in found])[:samples].reshape(samples, *lattice.shape),
        sums[:, 0],
        energies(sums),
        sums[:, 3] / lattice.sites,
        Estimate(tau, error, series[..., 0].size / tau, "sweep", "autocorrelation window"),
        settled.dropped,
        spacing,
        chains,
        float(np.mean([one[3] for one in found])),
    )


def _start(sites: int, seed: int, chain: int) -> NDArray[np.float64]:
    """Chains 0, 2, ... begin at phi = 1, the others at random."""
    if chain % 2 == 0:
        return np.ones(sites)
    return np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), _START + chain])).normal(size=sites)


def _run(stretch: _Stretch) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Last fields, sums (sweeps, 4), configurations (keep, n), the part of the moves taken."""
    fields, lattice = stretch.fields.copy(), stretch.lattice
    sums, stored = np.empty((stretch.sweeps, 4)), np.empty((stretch.keep, lattice.sites))
    taken = run_fields(
        fields,
        lattice.neighbours,
        lattice.bonds,
        stretch.coupling,
        stretch.quartic,
        stretch.width,
        np.argsort(lattice.colours, kind="stable").astype(np.int32),
        np.uint64(stretch.seed & (2**64 - 1)),
        stretch.chain,
        stretch.first,
        stretch.every,
        sums,
        stored,
    )
    return fields, sums, stored, taken / (stretch.sweeps * lattice.sites)
