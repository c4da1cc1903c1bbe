"""docs/asvs.csv: what it names for each requirement of OWASP ASVS 5.0 exists, and its goal is met.

Whether a test really shows what its row says is for whoever reviews a change of that row.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support import docs
from tests.support.server import ROOT
from tests.support.source import tree

COLUMNS = ["id", "level", "requirement", "status", "evidence"]
REQUIREMENTS = {"L1": 57, "L2": 98, "L3": 38}  # those of ASVS 5.0 that apply to such a service
MET_OF_LEVEL_2 = 0.9  # the rest is decided
# The goal is 0 everywhere.
OPEN = {"L1": 0, "L2": 0, "L3": 0}
MET = {"L1": 57, "L2": 96, "L3": 35}  # so that none becomes "decided" unnoticed
REFERENCE = re.compile(
    r"(?P<path>[\w./-]+\.py)(?P<mark>::?)(?P<name>[A-Za-z_][\w.]*)"
    r"|(?P<document>[\w./-]+\.md)#(?P<anchor>[\w-]+)"
    r"|Makefile:(?P<target>[a-z]+)"
)

with (ROOT / "docs/asvs.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))


def references(row: dict[str, str]) -> list[re.Match[str]]:
    """What the evidence of a row begins with."""
    found = []
    for word in row["evidence"].split(" "):
        if (match := REFERENCE.fullmatch(word)) is None:
            break
        found.append(match)
    return found


def sentence(row: dict[str, str]) -> str:
    """What the evidence of a row says after its references."""
    return " ".join(row["evidence"].split(" ")[len(references(row)) :])


def defined(path: Path) -> set[str]:
    """Functions, classes, constants and methods of a module: ``Class.method``."""
    found = set()
    waiting = [("", node) for node in tree(path).body]
    for prefix, node in waiting:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            waiting += [(f"{prefix}{node.name}.", inner) for inner in node.body]
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found |= {prefix + target.id for target in targets if isinstance(target, ast.Name)}
    return found


def exists(reference: re.Match[str]) -> bool:
    """Whether there is such a test, symbol, heading or target."""
    if reference["document"]:
        path = ROOT / reference["document"]
        return path.is_file() and reference["anchor"] in docs.anchors(path.read_text("utf-8"))
    if reference["target"]:
        return f"\n{reference['target']}: " in docs.read("Makefile")
    path = ROOT / reference["path"]
    is_test = reference["name"].startswith("test_")
    if is_test != (reference["mark"] == "::") or not path.is_file():
        return False
    return reference["name"] in defined(path)


def shows(reference: re.Match[str]) -> bool:
    """Whether it can be run or read as code; a document alone shows nothing."""
    return bool(reference["path"])


def order(row: dict[str, str]) -> list[int]:
    """V1.10.2 comes after V1.2.1."""
    return [int(part) for part in row["id"].removeprefix("V").split(".")]


def test_every_requirement_has_its_row() -> None:
    """All that apply, once each, in the order of the standard, and no column left empty."""
    ids = [row["id"] for row in ROWS]
    assert len(set(ids)) == len(ids) == sum(REQUIREMENTS.values())
    assert all(re.fullmatch(r"V[1-9]\d*\.[1-9]\d*\.[1-9]\d*", number) for number in ids)
    assert Counter(row["level"] for row in ROWS) == REQUIREMENTS
    assert sorted(ROWS, key=order) == ROWS
    assert all(list(row) == COLUMNS and all(row.values()) for row in ROWS)
    assert {row["status"] for row in ROWS} <= {"met", "decided", "open"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_what_a_row_names_exists(row: dict[str, str]) -> None:
    """Renamed or removed, the evidence would be a claim; and a sentence tells what it shows."""
    found = references(row)
    assert found, "begins with no reference"
    assert [reference[0] for reference in found if not exists(reference)] == []
    assert re.fullmatch(r"[A-Z0-9a-z/_].*\.", sentence(row))
    if row["status"] == "met":
        assert any(map(shows, found)), "names no test and no code"
    if row["status"] == "decided":
        assert any(reference["document"] for reference in found), "is written down nowhere"
    if row["status"] == "open":
        assert re.search(r"\bcomes? with\b", sentence(row)), "does not say what is missing"


@pytest.mark.parametrize("level", REQUIREMENTS)
def test_the_goal_is_met(level: str) -> None:
    """Level 1 as a whole, nine tenths of level 2; nothing is left undecided but what OPEN counts.

    Exactly: whoever closes a gap lowers the number, so that it can't grow again."""
    found = Counter(row["status"] for row in ROWS if row["level"] == level)
    assert (found["met"], found["open"]) == (MET[level], OPEN[level])
    if level == "L1":
        assert found["decided"] == 0
    if level == "L2":
        assert found["met"] + found["open"] >= MET_OF_LEVEL_2 * REQUIREMENTS[level]


@pytest.mark.parametrize(
    "evidence",
    [
        *("tests/test_asvs.py::test_that_is_not_there", "tests/test_no_such_file.py::test_x"),
        *("tests/test_asvs.py:test_the_goal_is_met", "utils/crypto.py:no_such_function"),
        *("utils/crypto.py:MasterKeys.no_such_method", "utils/crypto.py:crypto"),
        *("SECURITY.md#no-such-heading", "NOTHING.md#decisions", "Makefile:nothing"),
        *("utils/crypto.py::seal", "no/such/file.py:seal"),
    ],
)
def test_a_reference_to_nothing_is_found(evidence: str) -> None:
    """The instrument: it must be able to say no."""
    (found,) = references({"evidence": f"{evidence} Shows nothing."})
    assert not exists(found)


@pytest.mark.parametrize(
    "evidence",
    [
        *("tests/test_asvs.py::test_a_reference_to_nothing_is_found", "utils/crypto.py:seal"),
        *("utils/crypto.py:MasterKeys.wrap_user_key", "config.py:Settings.BCRYPT_COST"),
        *("routes/tokens.py:_REQUIRED", "SECURITY.md#decisions", "Makefile:lock"),
    ],
)
def test_a_reference_to_something_is_found(evidence: str) -> None:
    """The control: and yes."""
    (found,) = references({"evidence": f"{evidence} Shows something."})
    assert exists(found)
