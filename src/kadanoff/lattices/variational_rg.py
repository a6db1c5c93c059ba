"""Variational renormalization: the bias that makes block spins free is their Hamiltonian.

    weight of fine spins and blocks     exp( sum_a K_a S_a(s) - sum_a J_a S_a(s') )
    Omega(J) = ln < exp(-sum_a J_a S_a(s')) > + < sum_a J_a S_a >_free        convex, least at J = K'
    dOmega / dJ_a = -< S_a(s') >_J        d^2 Omega / dJ_a dJ_b = < S_a S_b >_J - < S_a >_J < S_b >_J

The least Omega is where the biased block spins look free: their operators have no mean, and the bias has undone the
Hamiltonian sum_a K'_a S_a that blocking made. With all operators this is exact; with few, K' is the truncation that
makes the operators vanish, another one than that of `couplings.fit_couplings`. How the condition <S'_a>_J = 0 moves
with K gives the linearised flow, from the same samples:

    < S'_a S'_b >c  dJ_b = < S'_a S_b >c dK_b,        T = dK' / dK = A^-1 B        as Swendsen's, in the biased ensemble

Free blocks have no long waves: the samples forget within a few sweeps, at T_c too. Wu and Car, Phys. Rev. Lett. 119,
220602 (2017), who write exp(-K S): their couplings have the other sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.estimates import integrated_time
from kadanoff.lattices._kernels.biased_blocks import biased_sweeps
from kadanoff.lattices.blocking import Blocks, Ties, lattice_blocks
from kadanoff.lattices.coupling_fixed_point import CouplingFixedPoint, point_of
from kadanoff.lattices.couplings import Couplings, other_sites
from kadanoff.lattices.lattice import Lattice
from kadanoff.lattices.monte_carlo_rg import Sector, sector_of
from kadanoff.lattices.operators import Operator, clusters, even_operators, odd_operators, operator_sums
from kadanoff.parallel import map_ordered

__all__ = ["BiasedSamples", "VariationalRG", "sample_biased", "variational_couplings", "variational_fixed_point"]

_STREAM = 0x5642_0000
_DROPPED = 0.25  # of every stage
_NEWTON = 0.15  # the longest step of a coupling towards a fixed point
_STEP = 0.1  # the longest step of a coupling: the curvature is that of one place
_STAGES, _CAPPED = 5, 40  # stages that double; steps that may be cut short before the search is given up
_TIMES = 20  # correlation times that a walker must see
_SIGMAS = 6.0


@dataclass(frozen=True, eq=False)
class BiasedSamples:
    """Sums of the operators under a bias, (walkers, records, operators): ``fine`` S and ``coarse`` S', the even ones
    first."""

    fine: NDArray[np.float64]
    coarse: NDArray[np.float64]

    @property
    def walkers(self) -> int:
        """Independent chains."""
        return len(self.coarse)

    def correlation_time(self, operator: int) -> float:
        """1 + 2 sum_t rho(t) of a block operator in records, the mean over walkers."""
        series = self.coarse[:, :, operator]
        return float(np.mean([integrated_time(one).value if np.ptp(one) > 0 else 1.0 for one in series]))


@dataclass(frozen=True, eq=False)
class VariationalRG:
    """``couplings`` K' of the block spins; ``even`` and ``odd``, the exponents of T = dK'/dK (one blocking, exponents
    only where K is a fixed point); ``correlation_time`` of the biased blocks, in sweeps; ``means``, of every operator
    per cluster under the final bias: what is left of correlations."""

    couplings: Couplings
    even: Sector
    odd: Sector
    correlation_time: float
    means: NDArray[np.float64]


class System(NamedTuple):
    """Tables of a blocked lattice for `biased_sweeps`: of the fine operators, which have the couplings K, and of those
    of the bias."""

    members: NDArray[np.int32]
    by_rule: bool
    fine: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]
    couplings: NDArray[np.float64]
    coarse: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


class _Leg(NamedTuple):
    system: System
    bias: NDArray[np.float64]
    key: NDArray[np.uint64]
    spins: NDArray[np.int8]
    coins: NDArray[np.int8]
    every: int
    records: int
    fine: bool


class _Walked(NamedTuple):
    spins: NDArray[np.int8]
    coins: NDArray[np.int8]
    kept: NDArray[np.int8]
    blocked: NDArray[np.int8]


class Walkers:
    """Chains under a bias that is changed from leg to leg; the result depends on seed, walkers and legs alone.

    Arguments:
        system: tables.
        walkers: number of chains, started from random spins, which is where free blocks are at home.
        seed: of all random numbers.
    """

    def __init__(self, system: System, walkers: int, seed: int) -> None:
        self.system, self.seed, self.leg = system, seed, 0
        generator = np.random.default_rng([seed & 0xFFFF_FFFF_FFFF_FFFF, _STREAM])
        sites, blocks = system.members.size, len(system.members)
        self.spins = [2 * generator.integers(0, 2, sites, dtype=np.int8) - 1 for _ in range(walkers)]
        self.coins = [2 * generator.integers(0, 2, blocks, dtype=np.int8) - 1 for _ in range(walkers)]

    def run(
        self,
        bias: NDArray[np.float64],
        records: int,
        every: int = 1,
        fine: bool = False,
        executor: Executor | None = None,
    ) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int8]]]:
        """Move on, and keep every ``every``-th sweep: walker by walker the ``fine`` spins (records, sites or 0) and
        the block spins (records, blocks)."""  # fmt: skip
        legs = [
            _Leg(
                self.system, bias,
                np.array([self.seed & 0xFFFF_FFFF_FFFF_FFFF, _STREAM, self.leg, walker], dtype=np.uint64),
                spins, coins, every, records, fine,
            )
            for walker, (spins, coins) in enumerate(zip(self.spins, self.coins, strict=True))
        ]  # fmt: skip
        self.leg += 1
        for walker, found in enumerate(map_ordered(_walk, legs, executor)):
            self.spins[walker], self.coins[walker] = found.spins, found.coins
            yield found.kept, found.blocked


def _walk(leg: _Leg) -> _Walked:
    system, spins, coins = leg.system, leg.spins.copy(), leg.coins.copy()
    kept = np.empty((leg.records, len(spins) if leg.fine else 0), dtype=np.int8)
    blocked = np.empty((leg.records, len(coins)), dtype=np.int8)
    biased_sweeps(
        spins, coins, system.members, system.by_rule, *system.fine, system.couplings, *system.coarse, leg.bias,
        leg.key, leg.every, kept, blocked,
    )  # fmt: skip
    return _Walked(spins, coins, kept, blocked)


def system_of(
    members: NDArray[np.int32],
    fine: Sequence[NDArray[np.int32]],
    couplings: NDArray[np.float64],
    coarse: Sequence[NDArray[np.int32]],
    ties: Ties,
) -> System:
    """Tables from the blocks (blocks, size), the clusters (clusters, spins) of the fine operators that have couplings,
    and those of the operators of the bias."""
    return System(
        members, ties == "first", other_sites(fine, members.size), couplings, other_sites(coarse, len(members))
    )


def sample_biased(
    lattice: Lattice,
    couplings: ArrayLike,
    bias: ArrayLike,
    *,
    operators: tuple[Operator, ...] | None = None,
    odd: tuple[Operator, ...] | None = None,
    edge: int = 2,
    ties: Ties = "coin",
    records: int,
    every: int = 1,
    dropped: int = 0,
    walkers: int = 16,
    seed: int = 0,
    executor: Executor | None = None,
) -> BiasedSamples:
    """Fine spins under exp(sum_a K_a S_a - sum_a J_a S'_a), by Metropolis moves from random spins.

    Arguments:
        lattice, operators, odd, edge, ties, walkers, seed, executor: as `variational_couplings`.
        couplings: K (a,); bias: J (a,), zeros for none.
        records: kept of each walker, ``every`` so many sweeps, after ``dropped`` ones.

    Raises:
        ValueError: as `variational_couplings`.
    """
    even, kinds, blocks, k = _checked(lattice, couplings, operators, odd, edge, walkers)
    j = np.asarray(bias, dtype=np.float64)
    if j.shape != (len(even),):
        raise ValueError(f"bias: expected {len(even)} numbers, got shape {j.shape}")
    chains = Walkers(_system(blocks, even, k, ties), walkers, seed)
    return _measured(chains, blocks, kinds, j, records, every, dropped, executor)


def variational_couplings(
    lattice: Lattice,
    couplings: ArrayLike,
    operators: tuple[Operator, ...] | None = None,
    *,
    odd: tuple[Operator, ...] | None = None,
    edge: int = 2,
    ties: Ties = "coin",
    sweeps: int = 2000,
    walkers: int = 16,
    seed: int = 0,
    executor: Executor | None = None,
) -> VariationalRG:
    """Renormalized couplings of the majority rule by the variational principle, and the linearised flow there.

    Newton steps J + A^-1 <S'>_J, each from twice as many sweeps as the one before; the last, from ``sweeps``, is the
    estimate, and its jackknife over the walkers the error. What a step leaves is of the order of its square.

    Arguments:
        lattice: of the fine spins.
        couplings: K (a,) of the first operators; those left out are 0.
        operators: even ones, of both lattices; by default the first five of the lattice.
        odd: operators whose exponents are measured, too; by default the first four.
        edge, ties: of `blocking.lattice_blocks` and of the majority.
        sweeps: of the last stage, of each walker; all stages together are some twice as many.
        walkers: independent chains, more than operators.
        seed, executor: the result does not depend on how many workers there are.

    Raises:
        ValueError: for lattices that cannot be blocked or hold the operators, too few walkers or sweeps, couplings for
            which no minimum is found.
    """
    even, kinds, blocks, k = _checked(lattice, couplings, operators, odd, edge, walkers)
    width = len(even)
    least = 2 ** (_STAGES + 2)
    if sweeps < least:
        raise ValueError(f"sweeps: {least} at least, got {sweeps}")
    chains = Walkers(_system(blocks, even, k, ties), walkers, seed)
    bias, steps = _search(chains, blocks.coarse, even, k, sweeps, executor)
    samples = _measured(chains, blocks, kinds, bias, sweeps, 1, int(_DROPPED * sweeps), executor)
    step, replicates = newton_steps(samples.coarse[:, :, :width])
    errors = np.sqrt((walkers - 1) * replicates.var(axis=0))
    if np.any(np.abs(step) > np.maximum(_STEP / 2, _SIGMAS * errors)):
        raise ValueError(f"the couplings still move by {np.abs(step).max():.3g} in the last stage: take more sweeps")
    slowest = max(samples.correlation_time(a) for a in range(len(kinds)))
    if sweeps < _TIMES * slowest:
        raise ValueError(
            f"block spins remember {slowest:.3g} sweeps, and a walker must see {_TIMES} such times: take "
            f"{math.ceil(_TIMES * slowest)} sweeps"
        )
    moved = replicates - replicates.mean(axis=0)
    found = Couplings(
        even, bias + step, (walkers - 1) / walkers * moved.T @ moved, walkers, steps + 1,
        bias + replicates, "variational bias, jackknife over walkers",
    )  # fmt: skip
    s, t = (x.reshape(walkers * sweeps, len(kinds), 1) for x in (samples.fine, samples.coarse))
    clusters_of = np.array([len(clusters(kind, blocks.coarse)) for kind in kinds])
    return VariationalRG(
        found,
        sector_of(even, [(s[:, :width], t[:, :width], blocks.ratio)], walkers, True),
        sector_of(kinds[width:], [(s[:, width:], t[:, width:], blocks.ratio)], walkers, False),
        slowest,
        samples.coarse.mean(axis=(0, 1)) / clusters_of,
    )


def variational_fixed_point(
    lattice: Lattice,
    couplings: ArrayLike,
    operators: tuple[Operator, ...] | None = None,
    *,
    odd: tuple[Operator, ...] | None = None,
    edge: int = 2,
    ties: Ties = "coin",
    steps: int = 4,
    sweeps: int = 2000,
    walkers: int = 16,
    seed: int = 0,
    executor: Executor | None = None,
) -> tuple[CouplingFixedPoint, tuple[VariationalRG, ...]]:
    """The fixed point of the flow of so many couplings, K* = R(K*), by Newton steps K + (1 - T)^-1 (R(K) - K).

    Arguments:
        couplings: where to start; the critical ones of the lattice will do.
        steps: runs of `variational_couplings`, the rest of whose arguments these are. The last makes the error.

    Returns:
        The fixed point, and the runs: the first holds R of the start, the last the exponents next to the fixed point.

    Raises:
        ValueError: as `variational_couplings`, and where the last step is still longer than 0.05.
    """
    if steps < 2:
        raise ValueError(f"steps: two at least, got {steps}")
    here = np.atleast_1d(np.asarray(couplings, dtype=np.float64))
    runs: list[VariationalRG] = []
    for number in range(steps):
        found = variational_couplings(
            lattice, here, operators, odd=odd, edge=edge, ties=ties, sweeps=sweeps, walkers=walkers,
            seed=seed + number, executor=executor,
        )  # fmt: skip
        runs.append(found)
        k = np.concatenate([here, np.zeros(len(found.couplings.values) - len(here))])
        newton = np.linalg.inv(np.eye(len(k)) - found.even.matrices[0])
        move = newton @ (found.couplings.values - k)
        longest = float(np.max(np.abs(move)))
        here = k + move * min(1.0, _NEWTON / longest)
    if longest > _STEP / 2:
        raise ValueError(f"the fixed point still moves by {longest:.3g}: take more steps, or start nearer to it")
    # to first order: what the matrix is off counts only times the last step
    replicates = found.couplings.replicates @ newton.T
    errors = np.sqrt((walkers - 1) * replicates.var(axis=0))
    names = tuple(operator.name for operator in found.couplings.operators)
    return point_of(names, here, errors, found.even.matrices[0], walkers), tuple(runs)


def newton_steps(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A^-1 <S'> of sums (walkers, records, operators) of all walkers (operators,), and without each of them.

    Raises ValueError for operators that do not fluctuate independently.
    """
    first = sums.mean(axis=1)
    second = np.einsum("wni,wnj->wij", sums, sums, optimize=True) / sums.shape[1]
    walkers = len(sums)
    m = np.concatenate([first.mean(axis=0)[None], (first.sum(axis=0) - first) / (walkers - 1)])
    a = np.concatenate([second.mean(axis=0)[None], (second.sum(axis=0) - second) / (walkers - 1)])
    a = a - m[:, :, None] * m[:, None, :]
    if np.max(np.linalg.cond(a)) > 1e12:
        raise ValueError(
            "the block operators do not fluctuate independently: block spins that are all alike, or operators that are "
            "the same on so small a lattice"
        )
    found = np.linalg.solve(a, m[:, :, None])[:, :, 0]
    return found[0], found[1:]


def _search(
    chains: Walkers,
    coarse: Lattice,
    operators: tuple[Operator, ...],
    start: NDArray[np.float64],
    sweeps: int,
    executor: Executor | None,
) -> tuple[NDArray[np.float64], int]:
    """The minimum, as far as stages of fewer than ``sweeps`` sweeps find it, and the number of steps."""  # fmt: skip
    bias, steps, stage = start.copy(), 0, _STAGES
    while stage:
        records = sweeps >> stage
        for _ in chains.run(bias, 1, max(1, int(_DROPPED * records)), executor=executor):
            pass
        blocked = [blocks for _, blocks in chains.run(bias, records, executor=executor)]
        sums = np.stack([operator_sums(each, coarse, operators) for each in blocked])
        step, _ = newton_steps(sums.astype(np.float64))
        longest = float(np.max(np.abs(step)))
        bias += step * min(1.0, _STEP / longest) if longest > 0 else 0.0
        steps += 1
        if longest <= _STEP:
            stage -= 1
        elif steps > _CAPPED:
            raise ValueError(
                f"no minimum after {steps} steps of {_STEP}: the block spins are nearly ordered, or the sweeps too few"
            )
    return bias, steps


def _measured(
    chains: Walkers, blocks: Blocks, kinds: tuple[Operator, ...], bias: NDArray[np.float64], records: int, every: int,
    dropped: int, executor: Executor | None,
) -> BiasedSamples:  # fmt: skip
    if dropped:
        for _ in chains.run(bias, 1, dropped, executor=executor):
            pass
    fine, coarse = [], []
    for spins, blocked in chains.run(bias, records, every, True, executor):
        fine.append(operator_sums(spins, blocks.fine, kinds).astype(np.float64))
        coarse.append(operator_sums(blocked, blocks.coarse, kinds).astype(np.float64))
    return BiasedSamples(np.stack(fine), np.stack(coarse))


def _checked(
    lattice: Lattice,
    couplings: ArrayLike,
    operators: tuple[Operator, ...] | None,
    odd: tuple[Operator, ...] | None,
    edge: int,
    walkers: int,
) -> tuple[tuple[Operator, ...], tuple[Operator, ...], Blocks, NDArray[np.float64]]:
    even = even_operators(lattice)[:5] if operators is None else operators
    others = odd_operators(lattice)[:4] if odd is None else odd
    if wrong := [kind.name for kind in even if not kind.even] + [kind.name for kind in others if kind.even]:
        raise ValueError(f"operators are even and odd ones apart; {', '.join(wrong)} is among the others")
    given = np.asarray(couplings, dtype=np.float64)
    if given.ndim != 1 or not 1 <= len(given) <= len(even) or not np.all(np.isfinite(given)):
        raise ValueError(f"couplings: expected 1 to {len(even)} finite numbers, got {given}")
    if walkers < len(even) + 3:
        raise ValueError(f"walkers: errors of {len(even)} couplings need {len(even) + 3} at least, got {walkers}")
    blocks = lattice_blocks(lattice, edge)
    k = np.concatenate([given, np.zeros(len(even) - len(given))])
    return even, even + others, blocks, k


def _system(blocks: Blocks, operators: tuple[Operator, ...], couplings: NDArray[np.float64], ties: Ties) -> System:
    if ties not in get_args(Ties):
        raise ValueError(f"ties: expected one of {', '.join(get_args(Ties))}, got {ties!r}")
    live = np.flatnonzero(couplings) if np.any(couplings) else np.array([0])
    return system_of(
        blocks.members, [clusters(operators[a], blocks.fine) for a in live], couplings[live],
        [clusters(kind, blocks.coarse) for kind in operators], ties,
    )  # fmt: skip
