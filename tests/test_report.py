"""The report: what is in it, that it needs nothing outside itself, and that a browser shows it without complaint."""

import base64
import hashlib
import html.parser
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kadanoff.report import build, build_index, failures, summary
from kadanoff.report.pages import _prose, _unit
from kadanoff.report.reading import number
from kadanoff.study import Table, execute
from small_study import loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    execute(loaded(), path, seed=3)
    build(path)
    return path


class _Links(html.parser.HTMLParser):
    """Everything a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [
            (tag, value) for name, value in attrs if name in ("src", "href", "srcset", "data", "action") and value
        ]


def test_everything_is_in_the_page(folder):
    text = (folder / "report.html").read_text()
    for words in (
        "✓ Passed",
        "A walk.",
        "<li>one limit</li>",
        "<code>total</code>",
        "made up",
        "agrees",
        "not available: nothing to compare with",
        "What was lost",
        "coarse ≤ fine: it shrinks (if always)",
        "holds",
        "The walk. In nm.",
        "tables/walk.txt",
        "Nobody, Nowhere (1900).",
        "How to cite",
        "step-4",
        "Seed",
        "numpy",
        'xarray.open_dataset("data.nc"',
        "axis 3 × step 1000",
        "&#34;wait&#34;: 0.0",
    ):
        assert words in text, words


def test_the_page_refers_to_nothing_outside(folder):
    text = (folder / "report.html").read_text()
    links = _Links(text)
    assert [tag for tag, value in links.found if not value.startswith("data:")] == []
    assert "script" not in links.tags
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\((?!data:)", text)
    assert links.found.count(("link", "data:,")) == 1  # no request for an icon


def test_the_page_is_made_from_the_folder_alone(folder, tmp_path):
    for name in ("result.json", "data.nc", "provenance.json", "figures", "tables", "raw.bin"):
        source = folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert build(tmp_path).read_text() == (folder / "report.html").read_text()
    (tmp_path / "data.nc").unlink()
    (tmp_path / "provenance.json").unlink()
    shutil.rmtree(tmp_path / "figures")
    assert "A walk." in build(tmp_path).read_text()  # the numbers stand without the rest


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "damaged"), ("[]", "not a JSON object"), ('{"schema": 2}', "schema 2"), ('{"schema": 1}', "missing")],
)
def test_a_damaged_result_is_named(tmp_path, content, words):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match=words):
        build(tmp_path)
    assert words in failures(tmp_path)[0]


def test_text_is_escaped(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    result = json.loads((tmp_path / "result.json").read_text())
    result["verdict"]["text"] = result["estimates"]["total"]["source"] = "<script>alert(1)</script> a < b & c"
    (tmp_path / "result.json").write_text(json.dumps(result))
    text = build(tmp_path).read_text()
    assert "<script>" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; a &lt; b &amp; c") == 2


def test_the_ledger_shows_the_errors_of_both_sides(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    result = json.loads((tmp_path / "result.json").read_text())
    (row,) = result["ledger"]
    row |= {"fine": 2.0134, "fine_error": 0.031, "coarse": 1.5027, "coarse_error": 0.042, "error": 0.052}
    (tmp_path / "result.json").write_text(json.dumps(result))
    text = build(tmp_path).read_text()
    assert all(f"<span>{number}</span>" in text for number in ("2.01(3)", "1.50(4)"))
    assert "without brackets has no statistical error" in text
    del row["fine_error"], row["coarse_error"]  # a folder of an earlier version
    (tmp_path / "result.json").write_text(json.dumps(result))
    assert "<span>2.0134</span>" in build(tmp_path).read_text()


def test_a_false_verdict_is_given_whole(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    result = json.loads((tmp_path / "result.json").read_text())
    result["verdict"] = {"passed": False, "text": "Stopped: a long\nmessage.\n\nFinished stages: none."}
    (tmp_path / "result.json").write_text(json.dumps(result))
    assert failures(tmp_path) == ["verdict: Stopped: a long message."]


def test_the_summary_counts_warnings(folder, tmp_path):
    assert "warning" not in summary(folder)
    for count, words in ((1, "1 warning of libraries"), (3, "3 warnings of libraries")):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        record = json.loads((tmp_path / "provenance.json").read_text())
        (tmp_path / "provenance.json").write_text(json.dumps(record | {"warnings": count}))
        assert f"{words}, see {tmp_path / 'log.txt'}" in summary(tmp_path)


def test_an_index_replaces_only_its_own(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "small")
    for _ in range(2):
        assert "All 1 studies passed" in build_index(tmp_path, ["small"]).read_text()
    (tmp_path / "index.html").write_text("<!doctype html>mine")
    with pytest.raises(ValueError, match="not a page of kadanoff's"):
        build_index(tmp_path, ["small"])
    assert (tmp_path / "index.html").read_text() == "<!doctype html>mine"


def test_summary(folder):
    text = summary(folder)
    assert text.startswith("small: passed")
    assert re.search(r"total +\S+\([\d.]+\) nm +ok: (reference|within)", text)
    assert re.search(r"speedup +none: nothing to compare with", text)
    assert re.search(r"lost: spread +0.5 nat +theorem holds", text)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.9941, 0.0052, "0.994(5)"),
        (-1.5, None, "−1.5"),
        (365.0, None, "365"),
        (1.8e-32, None, "1.8 × 10^-32"),
        (None, None, "–"),
        (0.0, None, "0"),
    ],
)
def test_numbers_are_printed_to_be_read(value, error, text):
    assert number(value, error).replace("−", "-") == text.replace("−", "-")


def test_units_and_prose():
    assert str(_unit("kJ/mol/nm^2")) == "kJ/mol/nm<sup>2</sup>"
    assert str(_unit("nm^-3 ps")) == "nm<sup>−3</sup> ps"
    assert str(_unit("1")) == ""
    assert str(_prose("a <b>\nc\n\n- d\n- e")) == "<p>a &lt;b&gt; c</p>\n<ul><li>d</li><li>e</li></ul>"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides")
    execute(loaded(slides=4), path, seed=3)
    return build(path)


def test_slides_are_all_in_the_page_and_its_one_script_is_the_one_allowed(shown):
    text = shown.read_text()
    links = _Links(text)
    images = [value for tag, value in links.found if tag == "img" and value.startswith("data:image/png")]
    places = [shown.parent / "figures" / f"boards-{k}.png" for k in range(4)]
    assert images == ["data:image/png;base64," + base64.b64encode(place.read_bytes()).decode() for place in places]
    assert all(f"<p>step &lt;{k}&gt;</p>" in text for k in range(4))
    assert [tag for tag, value in links.found if not value.startswith("data:")] == []
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "<strong>Figure 2.</strong>" in text


def test_slides_with_a_lost_image_are_left_out(shown, tmp_path):
    shutil.copytree(shown.parent, tmp_path, dirs_exist_ok=True)
    assert "<script>" in build(tmp_path).read_text()
    told = tmp_path / "figures" / "slides.json"
    inside = told.read_text()
    told.write_text(inside.replace("boards-2.png", "../figures/boards-2.png"))  # a path may lead anywhere
    for lost in (None, tmp_path / "figures" / "boards-2.png"):
        if lost:
            told.write_text(inside)
            lost.unlink()
        text = build(tmp_path).read_text()
        assert "<script>" not in text
        assert "script-src" not in text


@pytest.fixture(scope="module")
def tabled(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    execute(loaded(table=True), path, seed=3)
    return build(path)


def test_a_table_is_in_its_folder_and_in_the_page(tabled):
    told = json.loads((tabled.parent / "tables" / "sizes.json").read_text())
    assert [column["name"] for column in told["columns"]] == ["name <a>", "size", "count", "share"]
    assert told["columns"][3]["values"] == [0.5, 0.25, None, -1e-9]
    assert told["columns"][3]["errors"] == [0.1, None, None, None]
    text = tabled.read_text()
    assert '<th scope="col">name &lt;a&gt;</th><th scope="col" class="n">size</th>' in text
    assert '<td>a10</td><td class="n" data-value="123456789">123,456,789</td>' in text
    assert "0.50(10)" in text
    assert "12,345 ± 680" in text
    assert '<td class="n" data-value="-1e-09">−1 × 10<sup>−9</sup></td>' in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in text


def test_a_table_that_was_removed_is_left_out(tabled, tmp_path):
    shutil.copytree(tabled.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tables" / "sizes.json").unlink()
    text = build(tmp_path).read_text()
    assert "<script>" not in text
    assert 'id="tables"' not in text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "a: 2, b: 1"),
        ({}, "got none"),
        ({"a": [1.0, float("nan")]}, "a is nan in row 1"),
        ({"a": [float("-inf")]}, "a is -inf in row 0"),
    ],
)
def test_a_table_needs_whole_columns_of_finite_numbers(columns, words):
    with pytest.raises(ValueError, match=words):
        Table(columns, "")


# --- in a browser ---------------------------------------------------------------

PROBE = """<script nonce="probe">addEventListener("load", () => setTimeout(() => {
  const images = [...document.images], root = document.documentElement;
  const seen = {images: images.length, loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
    visible: images.filter(i => i.getBoundingClientRect().width > 100).length, title: document.title,
    requests: performance.getEntriesByType("resource").map(r => r.name).filter(n => !n.startsWith("data:")),
    overflow: root.scrollWidth - root.clientWidth, height: root.scrollHeight};
  document.body.textContent = "PROBE" + JSON.stringify(seen) + "END";
}, 50));</script>"""


@pytest.fixture(scope="module")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("KADANOFF_BROWSER") == "required":
        pytest.fail("KADANOFF_BROWSER=required, but no Chromium was found")
    pytest.skip("no Chromium here")


def browse(browser, page: Path, profile: Path, *options: str) -> tuple[str, str]:
    """The document after loading, and what was said on the console; no name resolves, nothing can be fetched."""
    shutil.rmtree(profile, ignore_errors=True)
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr",
        "--virtual-time-budget=2000",
        f"--user-data-dir={profile}",
        *options,
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def probed(browser, page: Path, work: Path, *options: str, probe: str = PROBE, own: bool = False) -> dict:
    """Load a copy of the page with a probe in it, the only script that may run there; ``own``: but for the page's."""
    text = page.read_text()
    if own:
        text = text.replace("script-src ", "script-src 'nonce-probe' ")
    else:
        text = text.replace("default-src 'none';", "default-src 'none'; script-src 'nonce-probe';")
    text = text.replace("</body>", probe + "</body>")
    copy = page.with_name(f"probed-{page.name}")
    copy.write_text(text)
    try:
        document, _ = browse(browser, copy, work / "profile", *options)
    finally:
        copy.unlink()
    found = re.search(r"PROBE(.*?)END", document)
    assert found, document[-2000:]
    return json.loads(html.unescape(found.group(1)))


@pytest.mark.parametrize("size", ["500,900", "1300,900"])
def test_a_browser_shows_the_report(browser, folder, tmp_path, size):
    seen = probed(browser, folder / "report.html", tmp_path, f"--window-size={size}")
    assert seen["title"] == "small – kadanoff"
    assert seen["images"] == seen["loaded"] == seen["visible"] == 1
    assert seen["requests"] == []
    assert seen["overflow"] <= 0
    assert seen["height"] > 1000


def test_the_console_stays_silent(browser, folder, tmp_path):
    document, said = browse(browser, folder / "report.html", tmp_path / "profile")
    assert said == ""
    assert "</html>" in document


def test_the_index_opens_too(browser, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "small")
    index = build_index(tmp_path, ["small", "gone"])
    text = index.read_text()
    assert "1 of 2 studies not passed" in text
    assert "holds no result.json" in text
    seen = probed(browser, index, tmp_path)
    assert seen["images"] == seen["loaded"] == 1
    assert seen["requests"] == []
    assert seen["overflow"] <= 0


def test_the_probe_sees_trouble(browser, tmp_path):
    """Negative control: a broken image, an outside request, a page too wide and a message are all noticed."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><title>bad</title><body><img src='data:image/png;base64,AAAA'><img src='http://example.org/a.png'>"
        "<div style='width:3000px'>wide</div><script>console.error('trouble')</script></body>"
    )
    seen = probed(browser, page, tmp_path)
    assert (seen["images"], seen["loaded"]) == (2, 0)
    assert seen["requests"] == ["http://example.org/a.png"]
    assert seen["overflow"] > 0
    assert "trouble" in browse(browser, page, tmp_path / "profile")[1]


TURN = """<script nonce="probe">addEventListener("load", () => setTimeout(() => {
  const slider = document.querySelector("input[type=range]"), seen = [];
  for (const value of [null, 3, 1]) {
    if (value !== null) { slider.value = value; slider.dispatchEvent(new Event("input")); }
    seen.push([...document.querySelectorAll(".frame")].filter(f => f.getBoundingClientRect().width > 100)
      .map(f => f.querySelector("p").textContent + " " + f.querySelector("img").naturalWidth));
  }
  document.body.textContent = "PROBE" + JSON.stringify({seen, slider: slider.getBoundingClientRect().width > 100}) +
    "END";
}, 50));</script>"""


@pytest.mark.parametrize("size", ["500,900", "1300,900"])
def test_the_slider_turns_the_slides(browser, shown, tmp_path, size):
    found = probed(browser, shown, tmp_path, f"--window-size={size}", probe=TURN, own=True)
    assert found == {"slider": True, "seen": [["step <0> 8"], ["step <3> 32"], ["step <1> 16"]]}
    assert browse(browser, shown, tmp_path / "profile")[1] == ""


def test_without_javascript_all_slides_are_seen(browser, shown, tmp_path):
    found = probed(browser, shown, tmp_path, probe=TURN)  # the page's own script may not run
    every = [f"step <{k}> {8 * (k + 1)}" for k in range(4)]
    assert found == {"slider": False, "seen": [every] * 3}


SORT = """<script nonce="probe">addEventListener("load", () => setTimeout(() => {
  const heads = [...document.querySelectorAll(".sortable th")], seen = [];
  const rows = () => seen.push([...document.querySelectorAll(".sortable tbody tr")]
    .map(row => row.cells[0].textContent).join(" "));
  rows();
  for (const column of [1, 1, 3, 0, 0]) { heads[column].querySelector("button")?.click(); rows(); }
  const sorted = heads.map(head => head.getAttribute("aria-sort"));
  document.body.textContent = "PROBE" + JSON.stringify({seen, sorted}) + "END";
}, 50));</script>"""


def test_a_table_is_sorted_by_its_headings(browser, tabled, tmp_path):
    """Numbers the largest first, by value and not by digits; what is missing last; texts by the numbers in them."""
    found = probed(browser, tabled, tmp_path, probe=SORT, own=True)
    by_size, by_share = ["a10 a9 b c", "b a9 a10 c"], ["b a10 c a9"]
    assert found["seen"] == ["b a10 a9 c", *by_size, *by_share, "a9 a10 b c", "c b a10 a9"]
    assert found["sorted"] == ["descending", None, None, None]
    assert browse(browser, tabled, tmp_path / "profile")[1] == ""


def test_without_javascript_a_table_is_still_a_table(browser, tabled, tmp_path):
    assert set(probed(browser, tabled, tmp_path, probe=SORT)["seen"]) == {"b a10 a9 c"}
    seen = probed(browser, tabled, tmp_path, "--window-size=500,900")
    assert seen["overflow"] <= 0
