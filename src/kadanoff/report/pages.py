"""Draw report.html and the index page: one file each, nothing outside it is ever asked for."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from kadanoff.catalogue import STUDIES
from kadanoff.report.reading import Folder, agrees, failures, number, read
from kadanoff.study.stages import write_atomically

__all__ = ["build", "build_index", "index_path"]

_SCRIPTS = {name: (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8") for name in ("slides", "tables")}
_GENERATOR = '<meta name="generator" content="kadanoff">'


def _pretty(value: float | None, error: float | None = None) -> Markup:
    text, _, power = number(value, error).partition("^")
    return escape(text) + (Markup("<sup>") + power + Markup("</sup>") if power else "")


def _cell(value: float | None, error: float | None) -> Markup:
    """A number of a table: whole ones in full (a count stays exact beside its error), others to four digits or as far
    as the error goes."""
    if value is not None and (isinstance(value, int) or (error and value.is_integer() and abs(value) >= 1)):
        spread = f" ± {number(float(f'{error:.2g}'))}" if error else ""
        return escape(f"{value:,.0f}".replace("-", "−") + spread)
    return _pretty(value if value is None or error or abs(value) >= 1e4 else float(f"{value:.4g}"), error)


def _unit(unit: str) -> Markup:
    """``g/cm^3`` with its powers raised; a pure number has no unit."""
    if unit in ("", "1"):
        return Markup("")
    first, *rest = unit.split("^")
    marked = escape(first)
    for part in rest:
        length = next(
            (i for i, letter in enumerate(part) if not (letter.isdigit() or (i == 0 and letter in "+-"))), len(part)
        )
        marked += Markup("<sup>") + part[:length].replace("-", "−") + Markup("</sup>") + part[length:]
    return marked


def _prose(text: str) -> Markup:
    """Paragraphs and "- " lists of a verdict or caption."""
    parts: list[Markup] = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            parts.append(
                Markup("<ul>")
                + Markup("").join(Markup("<li>") + line[2:] + Markup("</li>") for line in lines)
                + Markup("</ul>")
            )
        else:
            parts.append(Markup("<p>") + " ".join(lines) + Markup("</p>"))
    return Markup("\n").join(parts)


def _theorem(text: str) -> str:
    return text.replace("<=", "≤").replace(">=", "≥").replace("==", "=")


def _breakable(name: str) -> Markup:
    """A name that may break after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "number": _pretty,
        "cell": _cell,
        "unit": _unit,
        "prose": _prose,
        "breakable": _breakable,
        "theorem": _theorem,
        "bytes": _bytes,
    }
    environment.globals["style"] = Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))
    return environment


def _image(path: Path) -> Markup:
    """A figure as a data address: inside an <img> the ids of two SVGs cannot clash."""
    kind = "svg+xml" if path.suffix == ".svg" else "png"
    return Markup(f"data:image/{kind};base64,") + base64.b64encode(path.read_bytes()).decode()


def _figures(folder: Folder) -> list[dict[str, Any]]:
    stems = [*folder.captions, *sorted(path.stem for path in (folder.path / "figures").glob("*.svg"))]
    paths = [(stem, folder.path / "figures" / f"{stem}.svg") for stem in dict.fromkeys(stems)]
    return [
        {"name": stem, "image": _image(path), "caption": folder.captions.get(stem, "")}
        for stem, path in paths
        if path.is_file()
    ]


def _slides(folder: Folder) -> list[dict[str, Any]]:
    """The slides whose images are all there, in the folder of figures and nowhere else."""
    figures = folder.path / "figures"
    shows = [
        {"caption": told["caption"], "images": [(figures / name, label) for name, label in told["images"].items()]}
        for told in folder.slides.values()
        if all(Path(name).name == name for name in told["images"])
    ]
    return [
        show | {"images": [{"image": _image(path), "label": label} for path, label in show["images"]]}
        for show in shows
        if all(path.is_file() for path, _ in show["images"])
    ]


def _scripts(shown: dict[str, list[dict[str, Any]]]) -> dict[str, Markup]:
    """{hash: text} of the scripts that what is shown needs, the only ones the page lets run."""
    texts = [_SCRIPTS[name] for name, what in shown.items() if what]
    return {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode(): Markup(text) for text in texts}


def _tables(folder: Folder) -> list[dict[str, Any]]:
    """Each table by rows; a column is one of numbers where no value of it is a text."""
    made = []
    for told in folder.tables:
        columns = told["columns"]
        numbers = [not any(isinstance(value, str) for value in column["values"]) for column in columns]
        cells = [zip(column["values"], column["errors"], strict=True) for column in columns]
        heads = [{"name": column["name"], "number": one} for column, one in zip(columns, numbers, strict=True)]
        made.append({"caption": told["caption"], "heads": heads, "rows": list(zip(*cells, strict=True))})
    return made


def _arrays(path: Path) -> list[dict[str, str]]:
    """What data.nc holds: name, dimensions, unit and meaning of each array."""
    if not path.is_file():
        return []
    import xarray

    with xarray.open_dataset(path, engine="h5netcdf") as data:
        return [
            {
                "name": str(name),
                "shape": " × ".join(f"{dimension} {size}" for dimension, size in variable.sizes.items()) or "a number",
                "unit": str(variable.attrs.get("units", "")),
                "says": str(variable.attrs.get("long_name", "")),
            }
            for name, variable in data.variables.items()
        ]


def _study_line(name: str, kind: str) -> str:
    return next((study.line for study in STUDIES if study.name == name), kind)


def build(folder: str | Path) -> Path:
    """Write ``report.html`` from what is in a study's folder and return its path.

    Raises ValueError where the folder holds no readable result.json.
    """
    found = read(Path(folder))
    result, provenance = found.result, found.provenance
    shown = {"slides": _slides(found), "tables": _tables(found)}
    page = (
        _templates()
        .get_template("report.html.j2")
        .render(
            result=result,
            line=_study_line(result["study"], provenance.get("kind", "")),
            estimates=[entry | {"name": name, "agrees": agrees(entry)} for name, entry in result["estimates"].items()],
            figures=_figures(found),
            **shown,
            scripts=_scripts(shown),
            files=[
                {"name": name, "bytes": (found.path / name).stat().st_size}
                for name in provenance.get("files", [])
                if (found.path / name).is_file()
            ],
            arrays=_arrays(found.path / "data.nc"),
            provenance=provenance,
            config=json.dumps(provenance.get("config", {}), indent=2, ensure_ascii=False),
        )
    )
    path = found.path / "report.html"
    write_atomically(path, page.encode())
    return path


def index_path(folder: str | Path) -> Path:
    """Where the index page goes. Raises ValueError where a page that kadanoff did not write is there."""
    path = Path(folder) / "index.html"
    if path.exists() and not (path.is_file() and _GENERATOR.encode() in path.read_bytes()):
        raise ValueError(f"{path} is not a page of kadanoff's; it is left alone: give another --out")
    return path


def build_index(folder: str | Path, names: list[str]) -> Path:
    """Write ``index.html`` over the studies ``names``, each a folder in ``folder``, and return its path.

    Raises ValueError where a page that kadanoff did not write has that name.
    """
    root, path = Path(folder), index_path(folder)
    studies = []
    for name in names:
        try:
            found = read(root / name)
        except ValueError as error:
            studies.append(
                {
                    "name": name,
                    "line": _study_line(name, ""),
                    "passed": False,
                    "failures": [str(error)],
                    "numbers": [],
                    "figure": None,
                }
            )
            continue
        figures = _figures(found)
        studies.append(
            {
                "name": name,
                "line": _study_line(name, ""),
                "passed": found.result["verdict"]["passed"],
                "failures": failures(root / name),
                "numbers": [
                    entry | {"name": key, "agrees": agrees(entry)}
                    for key, entry in found.result["estimates"].items()
                    if entry["reference"] is not None
                ],
                "figure": figures[0] if figures else None,
                "seconds": found.result["seconds"],
            }
        )
    write_atomically(path, _templates().get_template("index.html.j2").render(studies=studies).encode())
    return path
