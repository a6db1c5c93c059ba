"""Configurations of Ising and Potts lattices, drawn with the Boltzmann weight, and how independent they are.

    Ising: exp(sum_a K_a sum_<ij>_a s_i s_j + h sum_i s_i), and products of more spins
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
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kadanoff.estimates import Estimate
from kadanoff.lattices.chains import REPLICAS, Leg, Record, System, run, start
from kadanoff.lattices.equilibrium import FIRST, SHORTEST, Settled, autocorrelation, settle
from kadanoff.lattices.lattice import CellProducts, Lattice
from kadanoff.lattices.operators import Operator
from kadanoff.parallel import map_ordered

__all__ = ["Algorithm", "Configurations", "sample"]

Algorithm = Literal["auto", "swendsen-wang", "wolff", "metropolis", "multispin", "heat-bath"]
Model = Literal["ising", "potts"]

_CHAINS = 8  # of one site at a time: the same whatever the number of workers
_GROUPS = 4  # most words of 64 chains, of the multi-spin code
_ERGODIC = 16  # sites: multispin never comes to states without any local field, a quarter of all of 2 x 2 spins
_WEAK = 0.1  # coupling, below which Metropolis flips nearly all spins at every sweep and forgets slowly
_LENGTHS, _LOCAL_REACH = 3.0, 64.0  # correlation lengths of a reach; the reach up to which local moves win


@dataclass(frozen=True, eq=False)
class Configurations:
    """What `sample` draws.

    Arguments:
        configurations: (samples, *lattice.shape) int8, chain after chain.
        bond_sums: (samples, couplings) int64, S_a: the sum over the bonds of one coupling of s_i s_j or of [s_i = s_j],
            or over the products of an operator.
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


def sample(
    lattice: Lattice,
    coupling: float | Sequence[float],
    *,
    samples: int,
    seed: int,
    model: Model = "ising",
    states: int = 2,
    field: float = 0.0,
    products: Sequence[tuple[float, Operator | CellProducts]] = (),
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
    of workers. What neither energy nor magnetisation show is not waited for: the staggered magnetisation of an
    antiferromagnet at its critical point (24 x 24) forgets in twice the time that is found.

    Arguments:
        lattice: from `kadanoff.lattices.lattice`.
        coupling: K of the nearest neighbours, or (K_1, K_2, ...) of first, second ... neighbours (`Lattice.shell`).
        samples: how many configurations.
        seed: of all random numbers.
        model, states: "ising", or "potts" with q = states.
        field: h.
        products: (K_a, operator) of Ising models with more than pairs, as (0.1, `lattice.PLAQUETTE`), the operator by
            its products of one cell or as one of `operators.even_operators`; their sums stand behind those of the pairs
            in `Configurations.bond_sums`.
        algorithm: "swendsen-wang" (couplings >= 0, any field), "wolff" (couplings >= 0, no field), "metropolis" (any),
            "multispin" (Metropolis of 64 chains at once: Ising, square lattices of even sides, 16 sites or more, one
            coupling > 0, no field), "heat-bath" (any Ising model, for products). "auto" takes multispin for 64 samples
            and more where the lattice or the correlation length is small and ``every`` is left open, else Swendsen-Wang
            where it can be had.
        every: sweeps between samples; by default the autocorrelation time. Sweeps of local moves and of clusters are
            not alike.
        equilibration: sweeps to drop without a test; by default found as above.
        longest: sweeps, after which the search for equilibrium is given up.
        executor: of `kadanoff.parallel`; chains run beside each other.

    Raises:
        ValueError: for what an algorithm cannot do, and where no equilibrium is found within ``longest`` sweeps.
    """
    if samples < 1:
        raise ValueError(f"sample: at least one configuration, not {samples}")
    if every is not None and every < 1:
        raise ValueError(f"sample: every = {every} sweeps; at least one sweep lies between samples")
    if equilibration is not None and equilibration < 0:
        raise ValueError(f"sample: {equilibration} sweeps cannot be dropped")
    many = samples >= REPLICAS and every is None
    system = _system(lattice, coupling, model, states, field, products, algorithm, many, seed)
    stride = system.stride
    # numbers of chains follow from the number of samples alone, so that workers change no bit
    legs = min(_CHAINS, samples) if system.chains == 1 else min(_GROUPS, -(-samples // (4 * system.chains)))
    # local moves need ages to rid a cold lattice of the stripes that a random start leaves
    mixed = system.algorithm in ("swendsen-wang", "wolff")
    spins = [start(system, number, mixed and number % 2 == 1) for number in range(legs)]
    if system.algorithm == "wolff":
        system = replace(system, clusters=_clusters(system, spins))

    def advance(spins: list[Any], first: int, records: int) -> tuple[list[Any], NDArray[np.float64]]:
        tasks = [Leg(system, number, state, first, records) for number, state in enumerate(spins)]
        found = list(map_ordered(run, tasks, executor))
        return [record.spins for record in found], _observed(system, found)

    if equilibration is None:
        settled = settle(advance, spins, longest // stride, mixed, system.algorithm)
    else:
        dropped = max(-(-equilibration // stride), 0 if every else FIRST)
        if dropped:
            spins, series = advance(spins, 0, dropped)
        time = 1.0 if every else autocorrelation(series)[0]
        settled = Settled(spins, np.empty((legs * system.chains, 0, 2)), dropped, time)
    spacing = -(-every // stride) if every else math.ceil(settled.time)
    share = -(-samples // (legs * system.chains))
    first, long = settled.dropped + settled.series.shape[1], max(share * spacing, SHORTEST)
    tasks = [Leg(system, number, state, first, long, spacing, share) for number, state in enumerate(settled.spins)]
    records = list(map_ordered(run, tasks, executor))
    series = np.concatenate([settled.series, _observed(system, records)], axis=1)
    tau, error = autocorrelation(series)
    at = slice(spacing - 1, share * spacing, spacing)
    like = np.concatenate([record.like[:, at] for record in records]).reshape(-1, len(system.couplings))
    counts = np.concatenate([record.counts[:, at] for record in records]).reshape(-1, states)[:samples]
    stored = np.concatenate([record.stored for record in records]).reshape(-1, *lattice.shape)[:samples]
    sums = system.sums(like[:samples])
    return Configurations(
        2 * stored - 1 if model == "ising" else stored,
        sums,
        system.energies(sums, counts),
        system.magnetisations(counts),
        Estimate(tau * stride, error * stride, series[..., 0].size / tau, "sweep", "autocorrelation window"),
        settled.dropped * stride,
        spacing * stride,
        legs * system.chains,
        system.algorithm,
    )


def _system(
    lattice: Lattice,
    coupling: float | Sequence[float],
    model: str,
    states: int,
    field: float,
    products: Sequence[tuple[float, Operator | CellProducts]],
    algorithm: str,
    many: bool,
    seed: int,
) -> System:
    pairs = tuple(float(k) for k in np.atleast_1d(np.asarray(coupling, dtype=np.float64)))
    couplings = (*pairs, *(float(k) for k, _ in products))
    if not pairs or not all(map(math.isfinite, (*couplings, field))):
        raise ValueError(f"sample: couplings and field are finite numbers, got {couplings} and {field}")
    if model not in ("ising", "potts"):
        raise ValueError(f'sample: the model is "ising" or "potts", not {model!r}')
    if model == "ising" and states != 2:
        raise ValueError(f'sample: an Ising spin has 2 states; {states} states are model="potts"')
    if not 2 <= states <= 127:
        raise ValueError(f"sample: 2 to 127 states, not {states}")
    if algorithm not in (known := get_args(Algorithm)):
        raise ValueError(f"sample: the algorithm is one of {', '.join(known)}, not {algorithm!r}")
    if products and algorithm == "auto":
        algorithm = "heat-bath"
    if products and (algorithm != "heat-bath" or model != "ising"):
        raise ValueError(f"sample: products of spins are for Ising models by heat-bath, not for {model} by {algorithm}")
    if algorithm == "heat-bath" and model != "ising":
        raise ValueError("sample: heat-bath is for Ising models; take metropolis")
    lattices = tuple(lattice if k == 0 else lattice.shell(k + 1) for k in range(len(pairs)))
    operators = tuple(operator for _, operator in products)
    system = System(lattices, model, states, couplings, float(field), algorithm, seed, products=operators)
    clusters = min(couplings) >= 0
    packable = (
        system.is_square
        and model == "ising"
        and field == 0
        and couplings[0] > 0
        and not any(m % 2 for m in lattice.cells)
        and lattice.sites >= _ERGODIC
    )
    if algorithm == "auto":
        local = packable and many and _multispin_wins(couplings[0], min(lattice.cells))
        algorithm = "multispin" if local else "swendsen-wang" if clusters else "metropolis"
    if algorithm in ("swendsen-wang", "wolff") and not clusters:
        raise ValueError(
            f"sample: {algorithm} joins like spins and needs couplings >= 0, got {couplings}; take metropolis"
        )
    if algorithm == "wolff" and field != 0:
        raise ValueError("sample: Wolff's clusters know no field; take swendsen-wang or metropolis")
    if algorithm == "multispin" and not packable:
        raise ValueError(
            "sample: multispin is for Ising spins on the square lattice of even sides, 16 sites or more, one coupling "
            "> 0 and no field; take metropolis"
        )
    return replace(system, algorithm=algorithm)


def _multispin_wins(coupling: float, side: int) -> bool:
    """Whether multi-spin Metropolis draws independent configurations of the square lattice faster than clusters.

    Its sweep costs some hundred times less, but takes about reach^2.17 sweeps to forget, the reach being the smaller
    one of side and three correlation lengths (1/xi = ln coth K - 2 K above the critical temperature, twice as much
    below it: Onsager, 1944). Both were timed at a dozen sizes and couplings; they break even at a reach near 80.
    """
    if coupling < _WEAK:
        return False
    rate = -math.log(math.tanh(coupling)) - 2 * coupling
    rate = rate if rate > 0 else -2 * rate
    return min(side, _LENGTHS / rate if rate else math.inf) <= _LOCAL_REACH


def _clusters(system: System, spins: list[Any]) -> int:
    """How many clusters of Wolff make up about one lattice: a number fixed once, from an ordered and a random start."""
    grown = [run(Leg(system, number, state, 0, 64)).flipped / 64 for number, state in enumerate(spins[:2])]
    return max(1, round(system.lattices[0].sites / max(grown)))


def _observed(system: System, records: list[Record]) -> NDArray[np.float64]:
    """(chains, records, 2): energy and magnetisation, without its sign where no field tells it."""
    like, counts = (np.concatenate([getattr(one, name) for one in records]) for name in ("like", "counts"))
    order = system.magnetisations(counts)
    order = order if system.field else np.abs(order)
    return np.stack([system.energies(system.sums(like), counts), order], axis=2)
