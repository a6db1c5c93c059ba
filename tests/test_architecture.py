"""The house rules that a program can check; the import graph itself is for lint-imports in `make check`."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "kadanoff"
MODULES = sorted(path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())
FIELDS = sorted(name for name in MODULES if list((PACKAGE / name).glob("studies*")))
HEAVY = {"numpy", "scipy", "numba", "xarray", "matplotlib", "MDAnalysis", "openmm", "pydantic", "h5netcdf", "dask"}


@pytest.fixture(scope="module")
def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def floors(contracts: configparser.ConfigParser) -> list[list[str]]:
    lines = contracts["importlinter:contract:floors"]["layers"].split("\n")
    return [[name.strip(" ()") for name in line.replace("|", ":").split(":")] for line in lines if line.strip()]


def test_every_module_stands_on_one_floor(contracts: configparser.ConfigParser) -> None:
    named = sorted(name for floor in floors(contracts) for name in floor)
    assert len(named) == len(set(named))
    assert set(MODULES) - {"__init__"} <= set(named)


def test_the_fields_and_the_report_may_not_import_each_other(contracts: configparser.ConfigParser) -> None:
    lines = contracts["importlinter:contract:floors"]["layers"].split("\n")
    (line,) = [line for line in lines if "molecules" in line]
    assert ":" not in line
    assert {"report", *FIELDS} <= {name.strip(" ()") for name in line.split("|")}


def test_every_field_with_kernels_is_held_to_the_kernel_contract(contracts: configparser.ConfigParser) -> None:
    sources = contracts["importlinter:contract:kernels"]["source_modules"].split()
    with_kernels = {f"kadanoff.{name}._kernels" for name in FIELDS if (PACKAGE / name / "_kernels").exists()}
    assert with_kernels <= set(sources)


def test_the_catalogue_imports_nothing_of_the_package() -> None:
    tree = ast.parse((PACKAGE / "catalogue.py").read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {name.split(".")[0] for name in names} & ({"kadanoff", ""} | HEAVY)


@pytest.mark.parametrize("module", ["kadanoff", "kadanoff.catalogue", "kadanoff.cli"])
def test_start_up_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_files_hold_one_idea_each() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path.name: lines for path, lines in lengths.items() if lines > 600} == {}
