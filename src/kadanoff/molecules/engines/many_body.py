"""Three-body and local-density terms as the arrays that the bead engine's kernels walk on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules._kernels.lanes import WIDTH
from kadanoff.molecules._kernels.many_body import ANGLE, DENSITY, QUADRATIC, SPLINE, Bodies
from kadanoff.molecules.local_density import LocalDensity
from kadanoff.molecules.potentials import Model
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet, Triplet

__all__ = ["bodies_of"]

_Array = NDArray[np.float64]


def bodies_of(model: Model, *, pad: int, chunks: int, room: int, exact: bool) -> Bodies | None:
    """The terms of a model beyond its pairs, with an empty list of ``room`` near beads a bead; None if there are none.

    ``numbers`` of an angular term: cut-off, decay, and a, b, c of a quadratic h = a + b x + c x^2, or the number of
    nodes; of a spline term: cut-off, knots a nm and intervals of r_ij, knots a nm, cut-off and intervals of r_jk; of a
    local density: outer and inner radius, start, step and number of nodes. In double precision h is always a table.
    """
    terms: list[Triplet | LocalDensity] = [*model.triplets, *model.densities]
    if not terms:
        return None
    kinds, start = np.zeros(len(terms), np.int64), np.zeros(len(terms), np.int64)
    numbers, ends = np.zeros((len(terms), 8)), np.zeros((len(terms), len(model.names)), np.int64)
    table: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    precise: list[_Array] = [np.zeros(0)]
    for k, term in enumerate(terms):
        kinds[k], values, fast, slow = _encoded(term, exact)
        numbers[k, : len(values)] = values
        in_double = exact or isinstance(term, LocalDensity)  # F(rho) is read once a bead: no need to be fast
        start[k] = sum(map(len, precise if in_double else table))
        table.append(fast)
        precise.append(slow)
        if isinstance(term, LocalDensity):
            ends[k, [model.names.index(name) for name in term.neighbours]] = 3
        else:
            for bit, name in zip((1, 2), term.ends, strict=True):
                ends[k, model.names.index(name)] |= bit
    long = 3 * pad
    return Bodies(
        reach=max(term.cutoff for term in terms), kinds=kinds,
        center=np.array([model.names.index(term.center) for term in terms]), ends=ends, numbers=numbers, start=start,
        table=np.concatenate(table), exact=np.concatenate(precise), near=np.zeros((pad, room + WIDTH), np.int32),
        count=np.zeros(pad, np.int32), back=np.zeros(chunks, np.int64), ahead=np.zeros(chunks, np.int64),
        g=np.zeros((chunks, 1 if exact else long), np.float32), g_exact=np.zeros((chunks, long if exact else 1)),
        sums=np.zeros((2, chunks)),
    )  # fmt: skip


def _encoded(term: Triplet | LocalDensity, exact: bool) -> tuple[int, tuple[float, ...], Any, Any]:
    nothing = np.zeros(0, np.float32)
    if isinstance(term, LocalDensity):
        nodes = np.stack([term.energy, term.slope * term.step], axis=1).ravel()
        return DENSITY, (term.outer, term.inner, term.start, term.step, len(term.energy)), nothing, nodes
    if isinstance(term, SplineTriplet):
        near, far, flat = term.near, term.far, term.coefficients.ravel()
        cells = (near.cutoff, 1.0 / near.spacing, near.intervals, 1.0 / far.spacing, far.cutoff, far.intervals)
        return SPLINE, cells, flat.astype(np.float32), flat
    assert isinstance(term, AngularTriplet)
    count = len(term.energy)
    width = 2.0 / (count - 1)
    u, v = term.energy, term.slope * width
    form = None if exact else term.quadratic()
    if form is not None:
        height, cosine = form
        values = (term.cutoff, term.decay, height * cosine**2, -2.0 * height * cosine, height)
        return QUADRATIC, values, nothing, np.zeros(0)
    du = np.diff(u)
    c0, c1, c2, c3 = u[:-1], v[:-1], 3 * du - 2 * v[:-1] - v[1:], v[:-1] + v[1:] - 2 * du
    pieces = np.stack([c0, c1, c2, c3, c1 / width, 2 * c2 / width, 3 * c3 / width, 0.0 * c0], axis=1)
    return ANGLE, (term.cutoff, term.decay, count), pieces.ravel().astype(np.float32), np.stack([u, v], 1).ravel()
