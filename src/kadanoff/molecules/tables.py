"""Bead models as files for other engines: LAMMPS, GROMACS, OpenMM, VOTCA.

Every writer samples the one interpolant of `PairPotential` and converts units explicitly: kadanoff has nm, kJ/mol,
ps, amu; LAMMPS files are in ``units real`` (Angstrom, kcal/mol, fs, g/mol); GROMACS, OpenMM and VOTCA share
kadanoff's units. Where a format has room for it, a row is marked ``i`` (supported by data) or ``o`` (extrapolated).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from kadanoff.molecules.lammps_terms import write_lammps_terms
from kadanoff.molecules.potentials import Model, PairPotential

if TYPE_CHECKING:
    from kadanoff.molecules.frames import Frames

__all__ = [
    "ANGSTROM", "KCAL", "hermite_coefficients", "openmm_expression", "read_gromacs", "read_lammps", "read_votca",
    "type_masses", "write_gromacs", "write_lammps", "write_lammps_data", "write_openmm", "write_votca",
]  # fmt: skip

_Array = NDArray[np.float64]

ANGSTROM = 0.1
"""1 Angstrom in nm."""

KCAL = 4.184
"""1 kcal in kJ (thermochemical, exact)."""


# ---- LAMMPS ----


def write_lammps(model: Model, path: str | Path, *, points: int = 20_000) -> tuple[Path, Path]:
    """Write ``path``, tables of all pairs for ``pair_style table linear``, and beside it a ``.in`` that loads them.

    The rows are uniform in r^2 (``RSQ``) and ``points`` equals the N of the pair style: LAMMPS then takes them as
    they are, without a spline of its own in between. It interpolates energy and F/r linearly in r^2, so the error
    falls as 1 / points^2. Terms beyond pairs are overlaid (``hybrid/overlay``), from files beside ``path`` that
    `lammps_terms` writes. Returns both paths. Units: real. Source: LAMMPS manual, pair_style table.
    """
    path = Path(path)
    if points < 100:
        raise ValueError(f"a LAMMPS table needs at least 100 points, not {points}")
    inner = 1e-3 * model.cutoff
    squares = np.linspace(inner**2, model.cutoff**2, points)
    r = np.sqrt(squares)
    blocks = [
        "# kadanoff bead model for LAMMPS pair_style table, units real: Angstrom, kcal/mol, kcal/mol/Angstrom\n"
        "# rows: index r energy force # i = supported by data, o = extrapolated\n"
        "# potential and force are zero at the cut-off and beyond: no tail correction\n"
    ]
    for (a, b), potential in model.pairs.items():
        low, high = potential.supported
        blocks.append(f"\n# {a}-{b}: supported from {low / ANGSTROM:.6g} to {high / ANGSTROM:.6g} Angstrom\n{a}-{b}\n")
        blocks.append(f"N {points} RSQ {inner / ANGSTROM:.15g} {model.cutoff / ANGSTROM:.15g}\n\n")
        flags = np.where(potential.is_supported(r), "i", "o")
        energy, force = potential.energy_at(r) / KCAL, potential.force_at(r) / KCAL * ANGSTROM
        rows = zip((r / ANGSTROM).tolist(), energy.tolist(), force.tolist(), flags.tolist(), strict=True)
        blocks.append("".join(f"{i} {x:.15g} {u:.15g} {f:.15g} # {s}\n" for i, (x, u, f, s) in enumerate(rows, 1)))
    path.write_text("".join(blocks))
    snippet = path.with_suffix(".in")
    lines = [
        "# kadanoff bead model for LAMMPS; include this after read_data (units real, atom_style atomic)",
        f"# bead types: {', '.join(f'{i} = {name}' for i, name in enumerate(model.names, 1))}",
    ]
    styles, more = write_lammps_terms(model, path)
    table = f"table linear {points}"
    lines.append(f"pair_style hybrid/overlay {table} {' '.join(styles)}" if styles else f"pair_style {table}")
    word = " table" if styles else ""
    for a, b in model.pairs:
        i, j = sorted((model.names.index(a) + 1, model.names.index(b) + 1))
        lines.append(f"pair_coeff {i} {j}{word} {path.name} {a}-{b}")
    lines += more
    lines += [f"mass {i} {mass:.15g}" for i, mass in enumerate(model.masses, 1)]
    lines += ["pair_modify tail no", "neighbor 1.0 bin", "neigh_modify every 1 delay 0 check yes"]
    snippet.write_text("\n".join(lines) + "\n")
    return path, snippet


def read_lammps(path: str | Path) -> dict[str, tuple[_Array, _Array, _Array]]:
    """Tables of a LAMMPS table file in ``units real``: keyword -> r (nm), energy (kJ/mol), force (kJ/mol/nm)."""
    tables: dict[str, tuple[_Array, _Array, _Array]] = {}
    rows = (line.split("#")[0].split() for line in Path(path).read_text().splitlines())
    words = [row for row in rows if row]
    at = 0
    while at < len(words):
        if at + 1 >= len(words) or words[at + 1][0] != "N":
            raise ValueError(f"{path}: no line 'N ...' after the keyword {words[at][0]!r}")
        number = int(words[at + 1][1])
        body = words[at + 2 : at + 2 + number]
        if len(body) < number:
            raise ValueError(f"{path}: the table {words[at][0]!r} ends after {len(body)} of {number} rows")
        data = np.array([row[1:4] for row in body], dtype=np.float64)
        tables[words[at][0]] = (data[:, 0] * ANGSTROM, data[:, 1] * KCAL, data[:, 2] * KCAL / ANGSTROM)
        at += 2 + number
    return tables


def write_lammps_data(model: Model, frame: Frames, path: str | Path) -> Path:
    """Write one frame as a LAMMPS data file (``units real``, ``atom_style atomic``), with velocities where present."""
    path = Path(path)
    if len(frame) != 1:
        raise ValueError(f"a data file holds one frame, not {len(frame)}")
    types = np.array([model.names.index(name) for name in frame.beads.names])[frame.beads.types] + 1
    box = frame.box[0] / ANGSTROM
    x = np.asarray(frame.positions[0], dtype=np.float64) / ANGSTROM
    x = x - box * np.floor(x / box)
    weights = zip(type_masses(model, frame), model.names, strict=True)
    masses = [f"{i} {mass:.17g} # {name}\n" for i, (mass, name) in enumerate(weights, 1)]
    parts = [
        "kadanoff beads, units real, atom_style atomic\n\n",
        f"{len(x)} atoms\n{len(model.names)} atom types\n\n",
        *(f"0.0 {edge:.17g} {axis}lo {axis}hi\n" for axis, edge in zip("xyz", box.tolist(), strict=True)),
        "\nMasses\n\n", *masses,
        "\nAtoms # atomic\n\n",
        *(f"{i} {t} {_three(p)}\n" for i, (t, p) in enumerate(zip(types.tolist(), x.tolist(), strict=True), 1)),
    ]  # fmt: skip
    if frame.velocities is not None:
        v = np.asarray(frame.velocities[0], dtype=np.float64) / ANGSTROM * 1e-3  # nm/ps -> Angstrom/fs
        parts += ["\nVelocities\n\n", *(f"{i} {_three(p)}\n" for i, p in enumerate(v.tolist(), 1))]
    path.write_text("".join(parts))
    return path


def type_masses(model: Model, frame: Frames) -> list[float]:
    """Mass (amu) of each type as the frame's beads have it, or the model's where there are none of a type.

    Raises `ValueError` where beads of one type have several masses.
    """
    masses = []
    for name, mass in zip(model.names, model.masses, strict=True):
        of_name = [k for k, other in enumerate(frame.beads.names) if other == name]
        own = np.unique(frame.beads.masses[np.isin(frame.beads.types, of_name)])
        if len(own) > 1:
            raise ValueError(f"beads of type {name} have masses {own[0]} to {own[-1]} amu; LAMMPS takes one a type")
        masses.append(float(own[0]) if len(own) else mass)
    return masses


def _three(point: list[float]) -> str:
    return f"{point[0]:.17g} {point[1]:.17g} {point[2]:.17g}"


# ---- GROMACS ----


def write_gromacs(model: Model, folder: str | Path, *, step: float = 0.002, extension: float = 1.0) -> list[Path]:
    """Write ``table_A_B.xvg`` for each pair into ``folder``: columns r, f, -f', g, -g', h, -h', the potential in h.

    Use C6 = 0 and C12 = 1 in the topology. **GROMACS 2020 and later run no tabulated non-bonded potential** (they
    went with the group scheme): these files serve GROMACS 2019 and earlier, and programs that read its tables.
    ``step`` in nm (GROMACS wants 0.002, or 0.0005 in double precision), ``extension`` in nm beyond the cut-off, where
    the table is zero. Returns the paths.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    r = step * np.arange(round((model.cutoff + extension) / step) + 1)
    written = []
    for (a, b), potential in model.pairs.items():
        low, high = potential.supported
        columns = np.zeros((len(r), 7))
        columns[:, 0], columns[:, 5], columns[:, 6] = r, potential.energy_at(r), potential.force_at(r)
        head = (
            f"kadanoff bead model, pair {a}-{b}: r (nm), f, -f', g, -g', h = U (kJ/mol), -h' = F (kJ/mol/nm)\n"
            f"supported by data from {low:.6g} to {high:.6g} nm; zero beyond the cut-off {model.cutoff:.6g} nm\n"
            "GROMACS 2020 and later run no tabulated non-bonded potential: for GROMACS 2019 and earlier (group scheme)"
        )
        path = folder / f"table_{a}_{b}.xvg"
        np.savetxt(path, columns, fmt="%.10e", header=head, comments="# ")
        written.append(path)
    return written


def read_gromacs(path: str | Path) -> tuple[_Array, _Array, _Array]:
    """r (nm), energy (kJ/mol) and force (kJ/mol/nm) of a GROMACS table that holds its potential in the column h."""
    data = np.loadtxt(path, comments=["#", "@"])
    if data.ndim != 2 or data.shape[1] != 7:
        raise ValueError(f"{path} is no GROMACS table of seven columns")
    return data[:, 0], data[:, 5], data[:, 6]


# ---- VOTCA ----


def write_votca(potential: PairPotential, path: str | Path) -> Path:
    """Write one potential as a VOTCA ``.pot`` file on its own grid: columns r (nm), U (kJ/mol), flag (i or o)."""
    path = Path(path)
    flags = np.where(potential.is_supported(potential.r), "i", "o").tolist()
    rows = zip(potential.r.tolist(), potential.energy.tolist(), flags, strict=True)
    path.write_text("".join(f"{r:.10g} {u:.15g} {flag}\n" for r, u, flag in rows))
    return path


def read_votca(path: str | Path) -> tuple[_Array, _Array, NDArray[np.bool_]]:
    """r (nm), U (kJ/mol) and whether data support the row, of a VOTCA ``.pot`` file."""
    rows = [line.split() for line in Path(path).read_text().splitlines() if line.strip() and line[0] not in "#@"]
    if not rows or any(len(row) < 3 for row in rows):
        raise ValueError(f"{path} is no VOTCA table of the columns r, U, flag")
    data = np.array([[float(x) for x in row[:2]] for row in rows])
    return data[:, 0], data[:, 1], np.array([row[-1] == "i" for row in rows])


# ---- OpenMM ----


def hermite_coefficients(model: Model) -> tuple[_Array, NDArray[np.int64]]:
    """Polynomials of every cell of every pair: U = c0 + c1 t + c2 t^2 + c3 t^3, t = r / step - k.

    Returns (4, rows) coefficients in kJ/mol and (types, types) first row of each pair; a last cell of zeros ends each
    pair.
    """
    blocks: list[_Array] = []
    first = np.zeros((len(model.names), len(model.names)), dtype=np.int64)
    for (a, b), p in model.pairs.items():
        i, j = model.names.index(a), model.names.index(b)
        first[i, j] = first[j, i] = sum(block.shape[1] for block in blocks)
        u, s = p.energy, p.slope * p.step
        du = np.diff(u)
        cells = np.stack([u[:-1], s[:-1], 3 * du - 2 * s[:-1] - s[1:], s[:-1] + s[1:] - 2 * du])
        blocks.append(np.pad(cells, ((0, 0), (0, 1))))
    return np.concatenate(blocks, axis=1), first


def openmm_expression(step: float) -> tuple[str, str]:
    """Energy and -r dU/dr of a pair as OpenMM expressions, exactly the Hermite interpolant.

    They need Discrete1DFunctions c0, c1, c2, c3 and a Discrete2DFunction ``first`` (see `hermite_coefficients`) and a
    per-particle parameter ``species``. Discrete functions and floor have no derivative, so OpenMM's force is the
    derivative of the cubic alone.
    """
    tail = f"t = x - floor(x); k = first(species1, species2) + floor(x); x = r * {1.0 / step!r}"
    energy = f"c0(k) + t * (c1(k) + t * (c2(k) + t * c3(k))); {tail}"
    virial = f"-x * (c1(k) + t * (2 * c2(k) + 3 * t * c3(k))); {tail}"
    return energy, virial


def write_openmm(model: Model, path: str | Path) -> Path:
    """Write the model as an OpenMM force field: a residue of one bead for each type, with the table's own interpolant.

    Load it with ``openmm.app.ForceField(path).createSystem(topology, nonbondedMethod=CutoffPeriodic,
    nonbondedCutoff=...)`` for a topology whose residues bear the names of the bead types; the cut-off (nm) stands in
    the file's comment. Units: nm, kJ/mol, amu.
    """
    path = Path(path)
    cells, first = hermite_coefficients(model)
    energy, _ = openmm_expression(model.step)
    lines = [
        f"<!-- kadanoff bead model; use nonbondedMethod=CutoffPeriodic and nonbondedCutoff={model.cutoff!r} (nm) -->",
        "<ForceField>",
        " <AtomTypes>",
    ]
    for name, mass in zip(model.names, model.masses, strict=True):
        lines.append(f"  <Type name={quoteattr(name)} class={quoteattr(name)} mass={quoteattr(repr(mass))}/>")
    lines += [" </AtomTypes>", " <Residues>"]
    for name in model.names:
        quoted = quoteattr(name)
        lines += [f"  <Residue name={quoted}>", f"   <Atom name={quoted} type={quoted}/>", "  </Residue>"]
    script = (  # beads have no elements, by which OpenMM would tell residues apart; names do it
        "def by_name(forcefield, residue, *_):\n    return forcefield._templates.get(residue.name)\n"
        "self.registerTemplateMatcher(by_name)"
    )
    lines += [" </Residues>", f" <InitializationScript>\n{script}\n </InitializationScript>"]
    lines += [f' <CustomNonbondedForce energy={quoteattr(energy)} bondCutoff="0">']
    lines.append('  <PerParticleParameter name="species"/>')
    lines += [f'  <Atom type={quoteattr(name)} species="{i}"/>' for i, name in enumerate(model.names)]
    for i in range(4):
        values = " ".join(map(repr, cells[i].tolist()))
        lines.append(f'  <Function name="c{i}" type="Discrete1D">{values}</Function>')
    size = len(model.names)
    rows = " ".join(map(repr, first.ravel().tolist()))  # symmetric, so either order will do
    lines.append(f'  <Function name="first" type="Discrete2D" xsize="{size}" ysize="{size}">{rows}</Function>')
    lines += [" </CustomNonbondedForce>", "</ForceField>"]
    path.write_text("\n".join(lines) + "\n")
    return path
