"""Small lattices exactly: every state counted by its bond sums and its magnetisation, once for all couplings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from kadanoff.lattices._kernels.enumeration import count_states
from kadanoff.lattices.lattice import Lattice

__all__ = ["Spectrum", "spectrum"]

_MOST = 1 << 27  # states: a second or two


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The levels of a lattice: states that share all sums below, in any order.

    Arguments:
        bond_sums: (e, couplings) S_a, as in `sampling.Configurations`.
        field_sums: (e,) what the field h multiplies: sum_i s_i, or the number of sites in state 0 (Potts).
        magnetisations: (e,) per site, as in `sampling.Configurations`.
        degeneracy: (e,) number of states.
        sites: n.
    """

    bond_sums: NDArray[np.int64]
    field_sums: NDArray[np.int64]
    magnetisations: NDArray[np.float64]
    degeneracy: NDArray[np.int64]
    sites: int

    def log_partition(self, coupling: float | Sequence[float], field: float = 0.0) -> float:
        """ln Z = ln sum exp(sum_a K_a S_a + h M)."""
        return float(logsumexp(self._exponents(coupling, field), b=self.degeneracy))

    def probabilities(self, coupling: float | Sequence[float], field: float = 0.0) -> NDArray[np.float64]:
        """(e,) the Boltzmann probability of each level."""
        exponents = self._exponents(coupling, field) + np.log(self.degeneracy)
        return np.asarray(np.exp(exponents - logsumexp(exponents)))

    def mean(self, values: NDArray[np.float64], coupling: float | Sequence[float], field: float = 0.0) -> float:
        """The thermal mean of a quantity (e,) of the levels."""
        return float(self.probabilities(coupling, field) @ values)

    def energy(self, coupling: float | Sequence[float], field: float = 0.0) -> float:
        """-<sum_a K_a S_a + h M> / n in kT, as `sampling.Configurations.energies`."""
        return -self.mean(self._exponents(coupling, field), coupling, field) / self.sites

    def entropy(self, coupling: float | Sequence[float], field: float = 0.0) -> float:
        """Entropy per site in nats: ln Z / n + energy."""
        return self.log_partition(coupling, field) / self.sites + self.energy(coupling, field)

    def _exponents(self, coupling: float | Sequence[float], field: float) -> NDArray[np.float64]:
        couplings = np.atleast_1d(np.asarray(coupling, dtype=np.float64))
        if couplings.shape != self.bond_sums.shape[1:]:
            raise ValueError(f"the spectrum has {self.bond_sums.shape[1]} bond sums, {len(couplings)} couplings given")
        return np.asarray(self.bond_sums @ couplings + field * self.field_sums)


def spectrum(lattice: Lattice, *, shells: int = 1, model: str = "ising", states: int = 2) -> Spectrum:
    """Count all q^n states of a lattice of Ising or Potts spins (4 x 4 Ising spins: 2^16).

    Arguments:
        lattice: up to 2^27 states.
        shells: 1 for nearest neighbours, 2 for the next ones too.
        model, states: as `sampling.sample`.

    Raises:
        ValueError: for too many states, or another model.
    """
    if model not in ("ising", "potts") or (model == "ising" and states != 2) or states < 2:
        raise ValueError(f'spectrum: "ising" with 2 states or "potts" with 2 or more, not {model!r} with {states}')
    if shells not in (1, 2):
        raise ValueError(f"spectrum: one or two shells of neighbours, not {shells}")
    n = lattice.sites
    if n * math.log(states) > math.log(_MOST) + 1e-9:
        raise ValueError(f"spectrum: {states}^{n} states are too many; at most 2^27 can be counted")
    lattices = [lattice, lattice.shell(2)][:shells]
    shell = np.concatenate([np.full(one.coordination, k, np.int64) for k, one in enumerate(lattices)])
    bonds = np.array([len(one.bonds) for one in lattices] + [0] * (2 - shells), np.int64)
    found = count_states(np.hstack([one.neighbours for one in lattices]), shell, bonds, states)
    levels = np.nonzero(found)
    like, last, most = np.stack(levels[:shells], axis=1), levels[2], levels[3]
    if model == "ising":
        total = 2 * last - n
        return Spectrum(2 * like - bonds[:shells], total, total / n, found[levels], n)
    # the states are alike: what is counted of the last one holds for state 0
    return Spectrum(like, last, (states * most / n - 1) / (states - 1), found[levels], n)
