"""Three-body and local-density terms as files for LAMMPS: pair styles sw, sw/angle/table, uf3 and local/density.

All in ``units real``, to be overlaid on the pair tables (``pair_style hybrid/overlay``); the two-body parts of these
styles are zero. Each three-body term is a sub-style of its own, with zeros for the triples it does not name.
Sources: the LAMMPS manual's pages of these styles.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.potentials import Model
from kadanoff.molecules.splines import Knots
from kadanoff.molecules.three_body import AngularTriplet, SplineTriplet

__all__ = ["write_lammps_terms"]

_Array = NDArray[np.float64]
_ANGSTROM, _KCAL = 0.1, 4.184
_POINTS = 20_001  # rows of tables: of the angle from 0 to 180 degrees, and of rho
_CROWDED = 150.0  # beads/nm^3: no neighbourhood is denser (water has 33)


def write_lammps_terms(model: Model, path: str | Path) -> tuple[list[str], list[str]]:
    """Write the files of all terms beyond pairs beside ``path``; returns the sub-styles and the pair_coeff lines.

    A quadratic angular term becomes ``sw``, another one ``sw/angle/table``, a spline term ``uf3 3`` (its coefficients
    transformed, without loss, to the knots with repeated ends that uf3's uniform search wants), the densities one
    ``local/density``. Local densities beyond 150 beads/nm^3 leave the table of F.
    """
    path = Path(path)
    styles, files = list[str](), list[str]()
    for k, term in enumerate(model.triplets, 1):
        if isinstance(term, SplineTriplet):
            style, text = "uf3 3", _uf3(model, term)
            file = path.with_suffix(f".{k}.uf3")
        else:
            file = path.with_suffix(f".{k}.sw")
            if term.quadratic() is not None:
                style, text = "sw", _stillinger_weber(model, term)
            else:
                table = path.with_suffix(f".{k}.angle")
                table.write_text(_angle_table(term))
                style, text = "sw/angle/table", _stillinger_weber(model, term, table.name)
        file.write_text(text)
        styles.append(style)
        files.append(file.name)
    names = " ".join(_elements(model))
    counts = {style: styles.count(style) for style in styles}
    seen = dict.fromkeys(styles, 0)
    lines = []
    for style, name in zip(styles, files, strict=True):
        seen[style] += 1
        word = style.split()[0]
        number = f" {seen[style]}" if counts[style] > 1 else ""  # LAMMPS numbers sub-styles that come twice
        lines.append(f"pair_coeff * * {word}{number} {name} {names}")
    if model.densities:
        file = path.with_suffix(".ld")
        file.write_text(_local_density(model))
        styles.append("local/density")
        lines.append(f"pair_coeff * * local/density {file.name}")
    return styles, lines


def _elements(model: Model) -> list[str]:
    return [f"t{i}" for i in range(1, len(model.names) + 1)]


def _triple(model: Model, term: AngularTriplet | SplineTriplet) -> tuple[str, str, str]:
    center, first, second = (_elements(model)[model.names.index(name)] for name in (term.center, *term.ends))
    return center, first, second


def _stillinger_weber(model: Model, term: AngularTriplet, table: str | None = None) -> str:
    """Entries epsilon sigma a lambda gamma cos A B p q tol: the legs' cut-off from (i, j, j), h from (i, j, k)."""
    center, first, second = _triple(model, term)
    height, cosine = (1.0, 0.0) if table is not None else term.quadratic() or (0.0, 0.0)
    lines = [f"# kadanoff three-body term {term.ends[0]}-{term.center}-{term.ends[1]}, units real; no two-body part"]
    for i, j, k in product(_elements(model), repeat=3):
        legs = i == center and j == k and j in (first, second)
        bent = i == center and (j, k) in ((first, second), (second, first))
        sigma, gamma = (term.cutoff / _ANGSTROM, term.decay / term.cutoff) if legs else (0.0, 0.0)
        epsilon, strength, angle = (height / _KCAL, 1.0, cosine) if bent else (0.0, 0.0, 0.0)
        words = [i, j, k, f"{epsilon:.17g} {sigma:.17g} 1.0 {strength} {gamma:.17g} {angle:.17g} 0.0 0.0 0.0 0.0 0.0"]
        if table is not None:
            words.append(f"{table} {'H' if bent else 'NONE'} linear {_POINTS if bent else 5}")
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def _angle_table(term: AngularTriplet) -> str:
    """h and -dh/dtheta (per degree) on angles in degrees, and a table of zeros."""
    theta = np.linspace(0.0, np.pi, _POINTS)
    h, slope = term.angular(np.cos(theta))
    force = slope * np.sin(theta) * np.pi / 180.0
    rows = zip(np.linspace(0.0, 180.0, _POINTS).tolist(), (h / _KCAL).tolist(), (force / _KCAL).tolist(), strict=True)
    parts = ["# kadanoff h(theta), units real: degrees, kcal/mol, kcal/mol/degree\n\nH\n", f"N {_POINTS}\n\n"]
    parts += [f"{i} {a:.15g} {u:.15g} {f:.15g}\n" for i, (a, u, f) in enumerate(rows, 1)]
    parts += ["\nNONE\nN 5\n\n", *(f"{i + 1} {45.0 * i:.15g} 0.0 0.0\n" for i in range(5))]
    return "".join(parts)


def _clamped(knots: Knots, intervals: int) -> tuple[_Array, _Array]:
    """Knots with fourfold ends up to ``intervals`` spacings, and the matrix from coefficients on equal knots to theirs.

    Both are bases of one space, so that equal values at enough points say equal splines.
    """
    from scipy.interpolate import BSpline

    wide = Knots(0.0, intervals * knots.spacing, intervals)
    ends = np.concatenate([np.zeros(3), wide.r, np.full(3, wide.cutoff)])
    at = (np.arange(6 * intervals) + 0.5) / 6.0 * wide.spacing
    ours, theirs = wide.values(at), BSpline.design_matrix(at, ends, 3).toarray()
    return ends, np.linalg.lstsq(theirs, ours, rcond=None)[0]


def _uf3(model: Model, term: SplineTriplet) -> str:
    """Blocks of a uf3 file: zeros for all pairs and other triples; the matrix [ij][ik][jk], knots of jk, ik, ij."""
    near, far, own = term.near, term.far, _triple(model, term)
    reach = near.cutoff / _ANGSTROM
    intervals = max(far.intervals, int(np.ceil(2.0 * near.cutoff / far.spacing * (1.0 - 1e-12))))
    near_ends, to_near = _clamped(near, near.intervals)
    far_ends, to_far = _clamped(far, intervals)
    longer = np.pad(term.coefficients, ((0, 0), (0, 0), (0, intervals - far.intervals)))
    c = np.einsum("ai,bj,ck,ijk->abc", to_near, to_near, to_far, longer, optimize=True) / _KCAL
    c[-3:], c[:, -3:] = 0.0, 0.0  # rounding of the zeros that are there
    head = "#UF3 POT UNITS: real DATE: none AUTHOR: kadanoff CITATION: none"
    nothing, zero_ends = np.zeros((4, 4, 4)), np.repeat([0.0, 0.1], 4)
    blocks = []
    names = _elements(model)
    for a, one in enumerate(names):
        for two in names[a:]:
            edge = f"{0.0:.17g} " * 4 + " ".join([f"{reach:.17g}"] * 4)
            blocks.append(f"{head}\n2B {one} {two} 0 3 uk\n{reach:.17g} 8\n{edge}\n4\n0.0 0.0 0.0 0.0\n#\n")
    for i in names:
        for a, j in enumerate(names):
            for k in names[a:]:
                mine = (i, j, k) == own or (i, k, j) == own
                legs, across, table = (
                    (near_ends / _ANGSTROM, far_ends / _ANGSTROM, c) if mine else (zero_ends, 2 * zero_ends, nothing)
                )
                order = own if mine else (i, j, k)
                cut = reach if mine else 0.1
                blocks.append(f"{head}\n3B {' '.join(order)} 0 3 uk\n{2 * cut:.17g} {cut:.17g} {cut:.17g} ")
                blocks.append(f"{len(across)} {len(legs)} {len(legs)}\n")
                blocks += [" ".join(f"{x:.17g}" for x in line) + "\n" for line in (across, legs, legs)]
                blocks.append(" ".join(map(str, table.shape)) + "\n")
                blocks += [" ".join(f"{x:.17g}" for x in row) + "\n" for row in table.reshape(-1, table.shape[2])]
                blocks.append("#\n")
    return "".join(blocks)


def _local_density(model: Model) -> str:
    """All local densities; LAMMPS' spline of F has zero slope at its ends, which must lie out of reach."""
    lines = ["# kadanoff local densities, units real", "#", f"{len(model.densities)} {_POINTS}", ""]
    for term in model.densities:
        top = max(float(term.densities[-1]), 4.0 / 3.0 * np.pi * term.outer**3 * _CROWDED)
        low = min(float(term.densities[0]), 0.0)
        margin = 40.0 * (top - low) / (_POINTS - 81)  # a wrong slope fades by 0.27 a cell
        rho = np.linspace(low - margin, top + margin, _POINTS)
        lines.append(f"{term.inner / _ANGSTROM:.17g} {term.outer / _ANGSTROM:.17g}")
        lines.append(str(model.names.index(term.center) + 1))
        lines.append(" ".join(str(model.names.index(name) + 1) for name in term.neighbours))
        lines.append(f"{rho[0]:.17g} {rho[-1]:.17g} {rho[1] - rho[0]:.17g}")
        lines += [f"{value:.17g}" for value in (term.embedding(rho)[0] / _KCAL).tolist()]
        lines.append("")
    return "\n".join(lines) + "\n"
