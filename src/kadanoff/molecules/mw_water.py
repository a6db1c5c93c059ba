"""mW water: one bead a molecule, Stillinger-Weber's potential with the parameters of Molinero and Moore.

    U = sum_{i<j} v2(r_ij) + sum_i sum_{j<k} lambda epsilon (cos theta_jik + 1/3)^2 w(r_ij) w(r_ik)
    v2 = A epsilon (B (sigma/r)^4 - 1) exp(sigma / (r - a sigma)),    w = exp(gamma sigma / (r - a sigma))

Both vanish with all derivatives at a sigma. Source: Molinero & Moore, J. Phys. Chem. B 113, 4008 (2009); Stillinger &
Weber, Phys. Rev. B 31, 5262 (1985).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.potentials import Model, PairPotential
from kadanoff.molecules.three_body import AngularTriplet

__all__ = ["EPSILON", "SIGMA", "mw_water", "stillinger_weber_pair"]

_Array = NDArray[np.float64]

EPSILON = 6.189 * 4.184
"""epsilon of mW water, 6.189 kcal/mol, in kJ/mol."""

SIGMA = 0.23925
"""sigma of mW water, nm."""


def stillinger_weber_pair(
    epsilon: float, sigma: float, *, a: float, big_a: float, big_b: float, power: float = 4.0, step: float = 0.0005
) -> PairPotential:
    """v2 = A epsilon (B (sigma/r)^power - 1) exp(sigma / (r - a sigma)), zero from a sigma on (q = 0 of the
    literature).

    ``epsilon`` in kJ/mol, ``sigma`` and ``step`` (shrunk to divide the cut-off) in nm; ``a``, ``big_a``, ``big_b``:
    a, A, B. Exact at the nodes from 0.5 sigma on. Raises `ValueError` for lengths and energies that are not positive.
    """
    if not (epsilon > 0 and sigma > 0 and a > 0):
        raise ValueError(f"epsilon, sigma and a must be positive, not {epsilon}, {sigma}, {a}")
    cutoff = a * sigma

    def parts(r: _Array) -> tuple[_Array, _Array, _Array, _Array]:
        gap = np.minimum(r - cutoff, -sigma / 700.0)  # e^-700 is the last number before zero
        ratio = big_b * (sigma / r) ** power
        return ratio, -power * ratio / r, np.exp(sigma / gap), -sigma / gap**2

    def energy(r: _Array) -> _Array:
        ratio, _, factor, _ = parts(r)
        return np.asarray(big_a * epsilon * (ratio - 1.0) * factor)

    def slope(r: _Array) -> _Array:
        ratio, change, factor, damping = parts(r)
        return np.asarray(big_a * epsilon * factor * (change + (ratio - 1.0) * damping))

    return PairPotential.from_function(energy, slope, cutoff, step, core=0.5 * sigma)


def mw_water(*, step: float = 0.0005, name: str = "W") -> Model:
    """The mW model of water as a bead `Model`: the pair part as a table of ``step`` nm, the three-body part exact.

    One bead of 18.0154 amu; energies in kJ/mol, lengths in nm. The minimum of v2 is -epsilon at 2^(1/6) sigma; the
    diamond lattice at that spacing has an energy of -2 epsilon a molecule. Source: Molinero & Moore (2009), table 1.
    """
    pair = stillinger_weber_pair(EPSILON, SIGMA, a=1.8, big_a=7.049556277, big_b=0.6022245584, step=step)
    bend = AngularTriplet.stillinger_weber(
        EPSILON, SIGMA, strength=23.15, reach=1.8, gamma=1.2, center=name, ends=(name, name)
    )
    return Model((name,), (18.0154,), {(name, name): pair}, (bend,))
