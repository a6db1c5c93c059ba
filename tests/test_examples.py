"""Every example, and every Python block that a reader is told to run, runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    pytest.param(document, block, id=f"{document.stem}-{number}")
    for document in DOCUMENTS
    if document.name != "architecture.md"
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), re.S | re.M))
    if "--8<--" not in block
]


@pytest.fixture(autouse=True)
def _in_a_clean_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_says_something(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(("document", "block"), BLOCKS)
def test_python_block_of_the_documentation_runs(document: Path, block: str) -> None:
    exec(compile(block, str(document), "exec"), {"__name__": "__main__"})
