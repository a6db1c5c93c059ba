"""Waiting times of a known process, and how much they differ from those of the reversed one: exact, by quadrature.

Between an entry a and an exit b the process wanders through hidden states with the generator W (jumps that would be
seen left out): F_ab(t) = e_a exp(W t) x_b, the rate of finding the pair (a, b) with the time t between them. For lumps
a and b are the lumps before and after a visit, for resolved transitions the jumps that enclose a silence (Martinez,
Bisker, Horowitz and Parrondo, Nature Communications 10, 3542 (2019); Harunari, Dutta, Polettini and Roldan, Physical
Review X 12, 041026 (2022); van der Meer, Ertel and Seifert, Physical Review X 12, 031025 (2022)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Passage", "Waiting", "entry_law_is_fixed", "lump_passages", "transition_passages", "waiting_divergence"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_NODES = 24  # Gauss-Legendre points an octave of time
_SHORT = 0.25  # the first octave ends at this many of the fastest dwell times
_OCTAVES = 300


@dataclass(frozen=True, eq=False)
class Passage:
    """Entries (a, n) in flows per time, hidden rates (n, n), exits (n, b) in rates, and what reversal does with them.

    ``first`` (b,): the entry that exit b turns into, ``last`` (a,): the exit that entry a turns into.
    """

    entry: Array
    hidden: Array
    exit: Array
    first: Index
    last: Index

    @property
    def leaving(self) -> Array:
        """The rate (n,) at which each hidden state is left, by any jump."""
        return np.asarray(self.hidden.sum(axis=1) + self.exit.sum(axis=1))

    @property
    def totals(self) -> Array:
        """How often each pair of entry and exit is seen, (a, b), per unit time."""
        generator = np.diag(self.leaving) - self.hidden
        return np.asarray(self.entry @ np.linalg.solve(generator, self.exit))

    @property
    def moments(self) -> tuple[float, float, float]:
        """Entries per unit time, the mean of the time between entry and exit, and the mean of its square."""
        generator = np.diag(self.leaving) - self.hidden
        once = np.linalg.solve(generator, np.ones(len(generator)))
        twice = np.linalg.solve(generator, once)
        entries = self.entry.sum(axis=0)
        rate = float(entries.sum())
        return rate, float(entries @ once) / rate, 2.0 * float(entries @ twice) / rate


@dataclass(frozen=True)
class Waiting:
    """Divergences from the reversed process, in nats per unit time: of the pairs (entry, exit) alone, and of their
    times."""

    pairs: float
    times: float


def lump_passages(flows: Array, rates: Array, label: Index) -> list[Passage]:
    """The visits to every lump: entries by the lump before, exits by the lump after."""
    lumps = int(label.max()) + 1
    into = np.zeros((lumps, len(label)))
    np.add.at(into, label, flows)  # flows from lump I into state j
    out = np.zeros((len(label), lumps))
    np.add.at(out.T, label, rates.T)
    found = []
    for lump in range(lumps):
        here = np.flatnonzero(label == lump)
        others = np.delete(np.arange(lumps), lump)
        alike = np.arange(lumps - 1)
        found.append(
            Passage(into[np.ix_(others, here)], rates[np.ix_(here, here)], out[np.ix_(here, others)], alike, alike)
        )
    return found


def transition_passages(flows: Array, rates: Array, jumps: list[tuple[int, int]]) -> Passage:
    """The silences between resolved transitions; jump 2 m + 1 is the reverse of 2 m.

    Raises ValueError for a pair of states that the process never jumps between.
    """
    n = len(rates)
    entry, leave, hidden = np.zeros((len(jumps), n)), np.zeros((n, len(jumps))), rates.copy()
    for number, (i, j) in enumerate(jumps):
        if not (0 <= i < n and 0 <= j < n) or rates[i, j] == 0:
            raise ValueError(f"resolved transition {i} -> {j}: the process has no such jump")
        entry[number, j], leave[i, number], hidden[i, j] = flows[i, j], rates[i, j], 0.0
    bar = np.arange(len(jumps)) ^ 1
    return Passage(entry, hidden, leave, bar, bar)


def entry_law_is_fixed(rates: Array, label: Index) -> bool:
    """Whether the lump before and the lump entered settle how its states are entered, whatever came before.

    Sufficient: between two lumps I -> J all states of I that jump there share one law of the state entered. Then the
    lumped process is semi-Markov of second order. A lump of a single state always qualifies as I or as J.
    """
    for lump in range(int(label.max()) + 1):
        for other in range(int(label.max()) + 1):
            block = rates[np.ix_(label == lump, label == other)]
            total = block.sum(axis=1, keepdims=True)
            if lump == other or not total.any():
                continue
            law = (block / np.where(total > 0, total, 1.0))[total[:, 0] > 0]
            if not np.allclose(law, law[0], rtol=1e-9, atol=0.0):
                return False
    return True


def waiting_divergence(passage: Passage) -> Waiting:
    """sum_ab integral F_ab(t) ln(F_ab(t) / F_rev(t)) dt, split into that of the pairs and that of their times.

    F_rev is F of the reversed pair (rev b, rev a) at the same t. exp(W t) comes from a series without subtractions and
    repeated squaring, octave by octave of t with Gauss-Legendre points, until nothing is left inside: every density
    keeps its relative precision, however small. Relative error below 1e-10.

    Raises:
        ValueError: where a pair is seen whose reverse never is: the divergence is infinite.
    """
    totals = passage.totals
    back = totals[passage.first][:, passage.last].T  # back[a, b] = totals[first[b], last[a]]
    if (one_way := np.argwhere((totals > 0) & (back <= 0))).size:
        a, b = one_way[0]
        raise ValueError(f"entry {a} with exit {b} is seen, its reverse never: the entropy production is infinite")
    seen = totals > 0
    pairs = float(np.sum(totals[seen] * np.log(totals[seen] / back[seen])))
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    node, weight = (node + 1) / 2, weight / 2
    fastest = float(passage.leaving.max())
    step = _SHORT / fastest
    together, mass = np.zeros(totals.shape), np.zeros(totals.shape)
    power = _exponentials(passage, step * node)
    start, width = 0.0, step
    for octave in range(_OCTAVES):
        density = np.einsum("an,qnm,mb->qab", passage.entry, power, passage.exit, optimize=True)
        reverse = density[:, passage.first][:, :, passage.last].transpose(0, 2, 1)
        live = (density > 0) & (reverse > 0)
        terms = np.where(live, density * np.log(np.where(live, density / np.where(live, reverse, 1.0), 1.0)), 0.0)
        together += width * np.einsum("q,qab->ab", weight, terms)
        mass += width * np.einsum("q,qab->ab", weight, density)
        left = float(np.einsum("an,qnm->q", passage.entry, power).min()) / float(passage.entry.sum())
        if left < 1e-18:
            # the divergence of the normalised times of each pair: squaring many times over shifts the slowest rate,
            # and with it the masses, which `totals` knows better
            mirrored = mass[passage.first][:, passage.last].T
            seen &= (mass > 0) & (mirrored > 0)
            each = together[seen] / mass[seen] - np.log(mass[seen] / mirrored[seen])
            return Waiting(pairs, float(totals[seen] @ each))
        power = _exponentials(passage, step * (1 + node)) if octave == 0 else power @ power
        start, width = (step, step) if octave == 0 else (2 * start, 2 * width)
    raise ValueError("the waiting times are too long beside the fastest rate: the hidden states cannot be left")


def _exponentials(passage: Passage, times: Array) -> Array:
    """exp(W t) (q, n, n) at short times t (q,): e^{-rt} sum (r t)^m / m! (1 + W / r)^m, all terms positive."""
    leaving = passage.leaving
    rate = float(leaving.max())
    step = passage.hidden / rate + np.diag(1.0 - leaving / rate)
    power, total = np.eye(len(step)), np.zeros((len(times), *step.shape))
    factor = np.exp(-rate * times)
    for m in range(1, 40):
        total += factor[:, None, None] * power
        power, factor = power @ step, factor * rate * times / m
        if float(factor.max()) < 1e-22:
            break
    return total
