"""What becomes of figures that ``make bench`` and ``make growth`` measure: files, tables, picture.

All from figures that are made up here, but for the last tests: they hold the documents and their
picture to what benchmarks/*.json have, or to not having anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

import benchmarks.__main__ as bench
from benchmarks import growth, plot, results, tables
from benchmarks.catalogue import LINES
from benchmarks.compare import Comparison, Line, Plan
from benchmarks.growth import Cost
from benchmarks.results import Entry, Machine
from tests.support import docs

_MACHINE: Machine = {"python": "3.12.1", "system": "Linux x86_64", "cores": 4, "commit": "abc123"}
_TEXT = "{http://www.w3.org/2000/svg}text"


def entry(name: str, *ratios: float) -> Entry:
    """A line that had these ratios, a run each."""
    found = [Comparison("requests/s", [ratio * 1000], [1000.0]) for ratio in ratios]
    runs = [results.run_of(one) for one in found]
    for run in runs:
        run["when"], run["on"] = "2031-02-03T04:05:06Z", _MACHINE
    return results.entry_of(name, runs)


def cost(name: str, unit: str, secrets: int, median: float) -> Cost:
    """One cell of the other table."""
    return {
        "name": name,
        "unit": unit,
        "secrets": secrets,
        "median": median,
        "figures": [median],
        "when": "2031-02-03T04:05:06Z",
        "on": _MACHINE,
    }


COSTS = [
    cost("read", "requests/s", 1_000, 2000),
    cost("read", "requests/s", 1_000_000, 500),
    cost("start", "seconds", 1_000, 0.5),
    cost("start", "seconds", 1_000_000, 0.75),
]

# --- the file ----------------------------------------------------------------------------------


def test_a_run_is_judged_by_the_median_of_its_rounds() -> None:
    """And keeps the spread and all figures, with when and on what they were taken."""
    run = results.run_of(Comparison("things", [50.0, 60.0, 10.0], [100.0, 100.0, 100.0], "note"))
    assert (run["lowest"], run["ratio"], run["highest"]) == (0.1, 0.5, 0.6)
    assert (run["unit"], run["ours"], run["note"]) == ("things", [50.0, 60.0, 10.0], "note")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", run["when"])
    assert run["on"]["cores"] >= 1
    assert re.fullmatch(r"3\.\d+\.\S+", run["on"]["python"])


@pytest.mark.parametrize(
    ("name", "ratios", "ok"),
    [
        ("read", [0.4, 0.46, 0.47], True),  # reach 0.45
        ("read", [0.44, 0.44, 0.9], False),
        ("start", [2.4, 2.4, 9.0], True),  # at most 2.5
        ("start", [2.6, 2.6, 1.0], False),
    ],
)
def test_a_line_is_judged_by_the_median_of_its_runs(
    name: str, ratios: list[float], ok: bool
) -> None:
    """One run that was lucky or unlucky decides nothing."""
    found = entry(name, *ratios)
    assert found["ok"] is ok
    assert found["reach"] == LINES[name].reach
    assert len(found["runs"]) == 3


def test_a_run_of_one_line_replaces_that_line_only(tmp_path: Path) -> None:
    """The file keeps the catalogue's order, whatever was measured first."""
    path = tmp_path / "results.json"
    results.save([entry("put", 0.6), entry("read", 0.3)], path)
    results.save([entry("read", 0.5, 0.5)], path)
    kept = json.loads(path.read_text())
    assert [(one["name"], one["ratio"], len(one["runs"])) for one in kept] == [
        ("read", 0.5, 2),
        ("put", 0.6, 1),
    ]
    assert set(kept[0]) == {"name", "ratio", "reach", "ok", "runs"}
    assert results.load(path) == kept


def test_nothing_measured_is_no_error(tmp_path: Path) -> None:
    """Before the first run there is no file."""
    assert results.load(tmp_path / "results.json") == []
    assert growth.load_costs(tmp_path / "growth.json") == []
    assert plot.picture([], []) == ""


@pytest.mark.parametrize(
    ("plan", "full"),
    [
        (Plan(Path()), True),
        (Plan(Path(), rounds=9, seconds=8), True),
        (Plan(Path(), scale=0.5), False),
        (Plan(Path(), rounds=1), False),
        (Plan(Path(), seconds=1), False),
        (Plan(Path(), url="http://127.0.0.1:5000"), False),
    ],
)
def test_only_what_is_measured_in_full_may_be_kept(plan: Plan, full: bool) -> None:
    """A glance at a tenth of the work must not pass for the whole."""
    assert plan.full is full


@pytest.fixture
def one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The catalogue with a single line, which takes no time; the file that figures go to."""
    figures = iter(range(4, 100))

    def measure(_plan: Plan) -> Comparison:
        return Comparison("things", [next(figures) / 10], [1.0])

    monkeypatch.setitem(LINES, "read", Line("read", "a thing", "another", 0.5, measure))
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.json")
    return tmp_path / "results.json"


def test_several_runs_stand_side_by_side(one_line: Path) -> None:
    """In the one file, and in the table that is printed."""
    output = one_line.with_name("elsewhere.json")
    asked = ["--line", "read", "--runs", "3", "--scale", "0.1", "--output", str(output)]
    assert bench.main(asked) == 0
    (kept,) = results.load(output)
    assert [run["ratio"] for run in kept["runs"]] == [0.4, 0.5, 0.6]
    assert kept["ok"]
    assert not one_line.exists()


def test_a_full_run_goes_to_the_file_of_the_project_and_a_short_one_nowhere(one_line: Path) -> None:
    """And the exit status tells of what falls short."""
    assert bench.main(["--line", "read", "--scale", "0.1"]) == 1
    assert not one_line.exists()
    assert bench.main(["--line", "read"]) == 0
    assert results.load(one_line)[0]["ratio"] == 0.5


# --- tables ------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_line_with_all_its_runs() -> None:
    """What, beside what, raw figures, runs, ratio, reach, verdict; then when and on what."""
    table = tables.results([entry("read", 0.5, 0.51, 0.52), entry("start", 2.75)])
    assert docs.rows(table) == [
        [
            "`read`: GET of a secret, by session",
            "bare Flask JSON route",
            "510 : 1,000 requests/s",
            "0.50 (0.50–0.50), 0.51 (0.51–0.51), 0.52 (0.52–0.52)",
            "0.510",
            "≥ 0.45",
            "ok",
        ],
        [
            "`start`: flask run to first answer",
            "bare Flask",
            "2,750 : 1,000 requests/s",
            "2.75 (2.75–2.75)",
            "2.750",
            "≤ 2.5",
            "short",
        ],
    ]
    assert table.endswith(
        "Measured on 4 cores, Linux x86_64, Python 3.12.1, commit abc123, 2031-02-03."
    )


def test_figures_of_two_machines_are_not_passed_off_as_one() -> None:
    """A sentence for each."""
    one, other = entry("read", 0.5), entry("put", 0.6)
    other["runs"][0]["on"] = {**_MACHINE, "cores": 64}
    assert tables.results([one, other]).count("\nMeasured on ") == 2


def test_costs_have_a_column_for_each_size() -> None:
    """In the units that they were measured in."""
    table = tables.growth(COSTS)
    assert table.splitlines()[0] == "| Secrets | 1,000 | 1,000,000 |"
    assert docs.rows(table) == [
        ["read, requests/s", "2,000", "500"],
        ["start, seconds", "0.5", "0.75"],
    ]


def test_a_cost_is_told_in_units_of_the_smallest_size() -> None:
    """Where rates fall, costs rise; seconds are costs already."""
    assert growth.relative(COSTS, "read") == [(1_000, 1.0), (1_000_000, 4.0)]
    assert growth.relative(COSTS, "start") == [(1_000, 1.0), (1_000_000, 1.5)]


def test_the_tables_of_a_document_are_replaced_where_they_stand() -> None:
    """Between their marks, over and over; whatever else it says stays."""
    document = "a\n<!-- results: why -->\nold\n<!-- end of results -->\nb | c\n"
    filled = tables.fill_in(document, [entry("read", 0.5)], COSTS)
    assert filled.startswith("a\n<!-- results: why -->\n\n| What |")
    assert filled.endswith(" 2031-02-03.\n\n<!-- end of results -->\nb | c\n")
    assert "old" not in filled
    again = tables.fill_in(filled, [entry("read", 0.25)], COSTS)
    assert again == filled.replace("500 : 1", "250 : 1").replace("0.50", "0.25").replace(
        "| ok |", "| short |"
    )


def test_the_picture_is_put_where_a_document_has_a_place_for_it() -> None:
    """By its path from there; and taken away with the last figure."""
    document = "<!-- picture: why -->\nold\n<!-- end of picture -->\n"
    filled = tables.fill_in(document, [], COSTS, "docs/it.svg")
    assert filled.splitlines()[2] == f"![{tables.ALT}](docs/it.svg)"
    assert "it.svg" not in tables.fill_in(filled, [], [], "docs/it.svg")


def test_the_tables_are_printed_without_measuring(
    one_line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In Markdown, as the documents have them."""
    results.save([entry("read", 0.7)], one_line)
    assert bench.main(["--table"]) == 0
    assert capsys.readouterr().out.startswith(tables.results(results.load(one_line)))


# --- picture -----------------------------------------------------------------------------------


def words(svg: str) -> list[str]:
    """All text of a picture."""
    return [str(found.text) for found in ElementTree.fromstring(svg).iter(_TEXT)]  # noqa: S314


def test_the_picture_shows_every_line_and_every_curve() -> None:
    """With its figure, and in words whether it falls short: colour alone tells not everybody."""
    shown = words(plot.picture([entry("read", 0.3), entry("start", 2.0)], COSTS))
    assert "0.300 (≥ 0.45), short" in shown
    assert "2.000 (≤ 2.5)" in shown
    assert {"read: 4.00 times", "start: 1.50 times"} <= set(shown)
    assert {"1,000", "1,000,000"} <= set(shown)


@pytest.mark.parametrize(
    ("entries", "costs"), [([entry("read", 0.3)], []), ([], COSTS), ([], COSTS[:1])]
)
def test_half_of_the_figures_make_half_a_picture(
    entries: Sequence[Entry], costs: Sequence[Cost]
) -> None:
    """Whichever there is, and of however few sizes."""
    assert len(words(plot.picture(entries, costs))) > 4


def test_a_bar_is_longer_the_nearer_it_gets() -> None:
    """Of what should be small too; and none leaves the chart."""

    def length(found: Entry) -> float:
        svg = ElementTree.fromstring(plot.picture([found], []))  # noqa: S314
        return float(svg.findall("{http://www.w3.org/2000/svg}rect")[1].attrib["width"])

    assert length(entry("read", 0.2)) < length(entry("read", 0.45)) < length(entry("read", 0.6))
    assert length(entry("start", 5.0)) < length(entry("start", 2.5)) < length(entry("start", 2.0))
    assert length(entry("read", 0.45)) == length(entry("start", 2.5))
    assert length(entry("read", 50)) == length(entry("read", 500))


def test_the_picture_is_made_for_light_and_for_dark_pages() -> None:
    """Every colour that a mark has is another on the other, and it brings its own background."""
    svg = plot.picture([entry("read", 0.3)], COSTS)
    style = svg[svg.index("<style>") : svg.index("</style>")]
    light, _, dark = style.partition("prefers-color-scheme:dark")
    used = set(re.findall(r"\b[fl]-\w+", svg.replace(style, "")))
    assert {"f-page", "f-ink", "l-grid", "f-bad", "l-s1"} <= used
    for name in used:
        colours = [re.findall(rf"\.{name}{{(.*?)}}", half) for half in (light, dark)]
        assert all(len(found) == 1 for found in colours)
        assert colours[0] != colours[1]


# --- documents ---------------------------------------------------------------------------------


def test_the_document_explains_every_line() -> None:
    """A figure that nobody can tell what it is of is none."""
    explained = docs.section(docs.read("docs/performance.md"), "## What each line measures")
    assert [cells[0].strip("`") for cells in docs.rows(explained)] == list(LINES)


@pytest.mark.parametrize("document", plot.DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_show_what_was_measured_and_nothing_else(document: Path) -> None:
    """`make plot` after a run makes them so. Without a run, there is no table and no picture."""
    text = document.read_text("utf-8")
    shown = tables.fill_in(text, results.load(), growth.load_costs(), plot.DOCUMENTS[document])
    assert shown == text, "make plot"
    places = {"README.md": ["picture"], "performance.md": ["picture", "results", "growth"]}
    assert re.findall(r"<!-- end of (\w+) -->", text) == places[document.name]
    assert re.findall(r"<!-- (\w+): ", text)[-len(places[document.name]) :] == places[document.name]


def test_the_picture_is_that_of_the_figures() -> None:
    """Drawn again, it is the same to the byte."""
    drawn = plot.PICTURE.read_text("utf-8") if plot.PICTURE.exists() else ""
    assert drawn == plot.picture(results.load(), growth.load_costs()), "make plot"
