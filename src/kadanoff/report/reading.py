"""Read a study's folder back, and say it in text."""

from __future__ import annotations

import json
import math
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kadanoff.estimates import Estimate

__all__ = ["Folder", "agrees", "failures", "number", "read", "summary"]

_NAMES = {True: "passed", False: "NOT PASSED", None: "nothing to compare with"}


@dataclass(frozen=True)
class Folder:
    """What a study left: result.json, provenance.json, captions by figure, captions and images of slides, tables."""

    path: Path
    result: dict[str, Any]
    provenance: dict[str, Any]
    captions: dict[str, str]
    slides: dict[str, Any]
    tables: list[dict[str, Any]]


def _json(path: Path, *, needed: bool) -> dict[str, Any]:
    if not path.is_file():
        if needed:
            raise ValueError(f"{path.parent} holds no {path.name}: it is not the folder of a finished study")
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: not a JSON object")
    return content


def read(folder: Path) -> Folder:
    """Read a study's folder. Raises ValueError where there is no result, it is damaged, or of another schema."""
    result = _json(folder / "result.json", needed=True)
    if result.get("schema") != 1:
        raise ValueError(f"{folder / 'result.json'} has schema {result.get('schema')!r}; this kadanoff reads schema 1")
    missing = {"study", "estimates", "ledger", "verdict"} - set(result)
    if missing:
        raise ValueError(f"{folder / 'result.json'} is damaged: {', '.join(sorted(missing))} missing")
    captions = _json(folder / "figures" / "captions.json", needed=False)
    slides = _json(folder / "figures" / "slides.json", needed=False)
    provenance = _json(folder / "provenance.json", needed=False)
    places = [folder / "tables" / f"{name}.json" for name in provenance.get("tables", []) if Path(name).name == name]
    tables = [table for place in places if (table := _json(place, needed=False))]
    return Folder(folder, result, provenance, captions, slides, tables)


def agrees(entry: dict[str, Any]) -> bool | None:
    """Whether a number of result.json lies within its tolerance of its reference; None without a reference."""
    if entry["reference"] is None:
        return None
    return entry["value"] is not None and abs(entry["value"] - entry["reference"]) <= (entry["tolerance"] or 0.0)


def number(value: float | None, error: float | None = None) -> str:
    """A number as printed: ``0.994(5)`` with an error, up to 7 digits without."""
    if value is None:
        return "–"
    if error:
        return str(Estimate(value, error)).replace("-", "−")
    text = f"{value:.7g}" if abs(value) > 1e-10 else f"{value:.2g}"
    mantissa, _, power = text.partition("e")
    return (f"{mantissa} × 10^{int(power)}" if power else text).replace("-", "−")


def failures(folder: Path) -> list[str]:
    """What is false in a result: the verdict, numbers that miss their references, broken theorems. Empty where all is
    well."""
    try:
        result = read(folder).result
    except ValueError as error:
        return [str(error)]
    verdict = result["verdict"]
    first = " ".join(verdict["text"].strip().partition("\n\n")[0].split())
    reasons = [f"verdict: {first}"] if verdict["passed"] is False else []
    for name, entry in result["estimates"].items():
        if agrees(entry) is False:
            reasons.append(
                f"{name} is {number(entry['value'], entry['error'])}, should be {number(entry['reference'])}"
            )
    reasons += [f"ledger: {row['name']} breaks {row['theorem']}" for row in result["ledger"] if row["holds"] is False]
    return reasons


def _expected(entry: dict[str, Any]) -> str:
    """The reference in words; a tolerance shows where it is not the one that both errors give."""
    reference, tolerance = number(entry["reference"], entry["reference_error"]), entry["tolerance"]
    usual = 4.0 * math.hypot(entry["error"] or 0.0, entry["reference_error"] or 0.0)
    stated = tolerance and not math.isclose(tolerance, usual, rel_tol=1e-6) and tolerance > 1e-6
    return f"within {tolerance:.3g} of {reference}" if stated else f"reference {reference}"


def summary(folder: Path) -> str:
    """A result in a few lines of plain text, for the terminal."""
    found = read(folder)
    result, warned = found.result, found.provenance.get("warnings", 0)
    lines = [f"{result['study']}: {_NAMES[result['verdict']['passed']]}", ""]
    rows = []
    for name, entry in result["estimates"].items():
        value = number(entry["value"], entry["error"]) if entry["value"] is not None else f"none: {entry['reason']}"
        mark = {True: "ok", False: "DIFFERS", None: ""}[agrees(entry)]
        reference = "" if entry["reference"] is None else f"{mark}: {_expected(entry)}"
        rows.append((name, f"{value} {entry['unit'] if entry['value'] is not None else ''}".strip(), reference))
    for row in result["ledger"]:
        mark = {True: "theorem holds", False: "THEOREM BROKEN", None: ""}[row["holds"]]
        rows.append((f"lost: {row['name']}", f"{number(row['lost'], row['error'])} {row['unit']}".strip(), mark))
    short = [row for row in rows if not row[1].startswith("none: ")]  # a reason is a sentence, and no column
    wide = [max((len(row[0]) for row in rows), default=0), max((len(row[1]) for row in short), default=0)]
    lines += [f"  {name:<{wide[0]}}  {value:<{wide[1]}}  {reference}".rstrip() for name, value, reference in rows]
    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    for line in ["", *result["verdict"]["text"].splitlines()]:
        lines += textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="  ") or [""]
    if warned:
        lines += ["", f"  {warned} warning{'s' if warned > 1 else ''} of libraries, see {folder / 'log.txt'}"]
    return "\n".join(lines)
