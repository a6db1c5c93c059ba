"""Three-body terms of a bead model: a function of an angle (Stillinger-Weber form), or of three distances (splines).

    angular    U = sum_i sum_{j<k} h(cos theta_jik) exp(d / (r_ij - r_c)) exp(d / (r_ik - r_c))
    spline     U = sum_i sum_{j<k} sum_abc c_abc B_a(r_ij) B_b(r_ik) B_c(r_jk)

over the beads i of the centre type and the pairs j, k of neighbours of the two end types, both nearer to i than the
cut-off r_c; where the end types differ, j is of the first and k of the second, and every such pair counts once.
Sources: Stillinger & Weber, Phys. Rev. B 31, 5262 (1985); Larini, Lu, Voth, J. Chem. Phys. 132, 164107 (2010) for a
free h; Xie, Rupp, Hennig, npj Comput. Mater. 9, 162 (2023) (UF3) for the splines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kadanoff.molecules.splines import Knots

__all__ = ["AngularTriplet", "SplineTriplet", "Triplet"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AngularTriplet:
    """A three-body term in Stillinger-Weber form, with any function h of the cosine.

    ``center`` and ``ends``: bead types; ``cutoff`` r_c and ``decay`` d in nm (a sigma and gamma sigma of
    Stillinger-Weber); ``energy`` (m,) h in kJ/mol and ``slope`` (m,) dh/dcos on m equally spaced cosines from -1 to 1,
    between them the cubic Hermite polynomial (so that a quadratic h is exact on any grid).

    Raises `ValueError` for a table that is not finite or too short, or lengths that are not positive.
    """

    center: str
    ends: tuple[str, str]
    cutoff: float
    decay: float
    energy: Array
    slope: Array

    def __post_init__(self) -> None:
        _check_lengths(self.cutoff, self.decay)
        energy, slope = (np.array(x, dtype=np.float64) for x in (self.energy, self.slope))
        if energy.ndim != 1 or len(energy) < 2 or slope.shape != energy.shape:
            raise ValueError(f"h and its slope need two nodes or more on one grid, not {energy.shape}, {slope.shape}")
        if not (np.isfinite(energy).all() and np.isfinite(slope).all()):
            raise ValueError(f"h of the term {self.ends[0]}-{self.center}-{self.ends[1]} is not finite")
        for name, array in (("energy", energy), ("slope", slope)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "ends", tuple(self.ends))

    @classmethod
    def stillinger_weber(
        cls, epsilon: float, sigma: float, *, strength: float, reach: float, gamma: float, cosine: float = -1.0 / 3.0,
        center: str = "A", ends: tuple[str, str] | None = None,
    ) -> AngularTriplet:  # fmt: skip
        """h = strength epsilon (cos theta - cosine)^2, r_c = reach sigma, d = gamma sigma.

        ``epsilon`` kJ/mol, ``sigma`` nm; ``strength``, ``reach``, ``gamma``: lambda, a, gamma of the literature.
        """
        nodes = np.array([-1.0, 1.0])
        height = strength * epsilon
        return cls(center, ends or (center, center), reach * sigma, gamma * sigma,
                   height * (nodes - cosine) ** 2, 2.0 * height * (nodes - cosine))  # fmt: skip

    @property
    def cosines(self) -> Array:
        """(m,) the grid of cosines."""
        return np.linspace(-1.0, 1.0, len(self.energy))

    def angular(self, cosine: ArrayLike) -> tuple[Array, Array]:
        """h (kJ/mol) and dh/dcos at cosines of any shape."""
        x = np.clip(np.asarray(cosine, dtype=np.float64), -1.0, 1.0)
        width = 2.0 / (len(self.energy) - 1)
        k = np.minimum(((x + 1.0) / width).astype(np.int64), len(self.energy) - 2)
        t = (x + 1.0) / width - k
        du = self.energy[k + 1] - self.energy[k]
        s0, s1 = self.slope[k] * width, self.slope[k + 1] * width
        c2, c3 = 3 * du - 2 * s0 - s1, s0 + s1 - 2 * du
        return self.energy[k] + t * (s0 + t * (c2 + t * c3)), (s0 + t * (2 * c2 + 3 * t * c3)) / width

    def quadratic(self) -> tuple[float, float] | None:
        """(height, cosine) where h = height (cos theta - cosine)^2 exactly, to rounding; None for another h."""
        x = self.cosines
        curve = np.polynomial.polynomial.polyfit(x, self.energy, 2) if len(x) > 2 else _through_two(self)
        height = float(curve[2])
        if not height > 0.0:
            return None
        cosine = float(-curve[1] / (2.0 * height))
        scale = 1e-9 * height
        same = np.allclose(self.energy, height * (x - cosine) ** 2, rtol=0, atol=scale)
        return (height, cosine) if same and np.allclose(self.slope, 2 * height * (x - cosine), atol=scale) else None


@dataclass(frozen=True, eq=False)
class SplineTriplet:
    """A three-body term of three distances in tensor-product cubic B-splines (UF3 form).

    ``near``: knots of r_ij and of r_ik, ``far``: knots of r_jk, both from 0 (nm). ``coefficients`` (a, a, c) in
    kJ/mol, a = near.splines and c = far.splines. The last three along both near axes are zero: the term vanishes with
    two derivatives at the cut-off near.cutoff. Along r_jk it must reach 2 near.cutoff, or vanish likewise. Where the
    end types are alike the coefficients are symmetric in r_ij and r_ik.

    Raises `ValueError` where these do not hold.
    """

    center: str
    ends: tuple[str, str]
    near: Knots
    far: Knots
    coefficients: Array

    def __post_init__(self) -> None:
        c = np.array(self.coefficients, dtype=np.float64)
        a, b = self.near.splines, self.far.splines
        name = f"{self.ends[0]}-{self.center}-{self.ends[1]}"
        if c.shape != (a, a, b):
            raise ValueError(f"coefficients of {name} have shape {c.shape}, not {(a, a, b)}")
        if not np.isfinite(c).all():
            raise ValueError(f"coefficients of {name} are not finite")
        if self.near.start != 0.0 or self.far.start != 0.0:
            raise ValueError(f"the knots of {name} must start at 0: what no data decide is 0 there")
        if np.any(c[-3:]) or np.any(c[:, -3:]):
            raise ValueError(
                f"the last three coefficients of {name} along r_ij and r_ik must be zero, so that it ends smoothly"
            )
        if self.far.cutoff < 2.0 * self.near.cutoff * (1 - 1e-12) and np.any(c[:, :, -3:]):
            raise ValueError(f"along r_jk {name} must reach twice its cut-off, or end with three zero coefficients")
        if self.ends[0] == self.ends[1] and not np.allclose(c, c.transpose(1, 0, 2), rtol=0, atol=1e-12 * np.ptp(c)):
            raise ValueError(f"coefficients of {name} must be symmetric in r_ij and r_ik: its ends are of one type")
        c.flags.writeable = False
        object.__setattr__(self, "coefficients", c)
        object.__setattr__(self, "ends", tuple(self.ends))

    @property
    def cutoff(self) -> float:
        """Largest r_ij and r_ik, nm."""
        return self.near.cutoff


Triplet = AngularTriplet | SplineTriplet


def _check_lengths(cutoff: float, decay: float) -> None:
    if not (np.isfinite(cutoff) and cutoff > 0 and np.isfinite(decay) and decay > 0):
        raise ValueError(f"cut-off and decay of a three-body term must be positive (nm), not {cutoff} and {decay}")


def _through_two(term: AngularTriplet) -> Array:
    """The quadratic through two nodes with these slopes (their mean curvature)."""
    (u0, u1), (s0, s1) = term.energy, term.slope
    return np.array([0.5 * (u0 + u1) - 0.25 * (s1 - s0), 0.5 * (s0 + s1), 0.25 * (s1 - s0)])
