"""The invariants of ARCHITECTURE.md: each has tests on both engines, and is found by its number."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from pathlib import Path

import pytest

from tests.support import docs
from tests.support.engines import ENGINES
from tests.support.invariants import Guard, guards

NUMBERS = range(1, 11)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Guard]:
    """Every test that guards one."""
    return guards(tmp_path_factory.mktemp("invariants"))


def table() -> dict[int, str]:
    """The last column of the document's table: in which files the tests are."""
    rows = docs.rows(docs.section(docs.read("ARCHITECTURE.md"), "## Invariants"))
    return {int(number): files for number, _, files in rows}


def test_each_invariant_has_tests_on_each_engine(found: list[Guard]) -> None:
    """A promise without a test is a wish; and each number is one of the table's."""
    assert list(table()) == list(NUMBERS)
    assert {one.number for one in found} == set(NUMBERS)
    missing = set(product(NUMBERS, ENGINES)) - {(one.number, one.engine) for one in found}
    assert missing == set()


def test_the_table_names_the_files_of_each_invariant(found: list[Guard]) -> None:
    """Those that have a test of it, and no others."""
    files: defaultdict[object, set[str]] = defaultdict(set)
    for one in found:
        files[one.number].add(Path(one.test.partition("::")[0]).stem.removeprefix("test_"))
    told = {number: ", ".join(f"`{name}`" for name in sorted(files[number])) for number in files}
    assert table() == told


def test_a_number_selects_the_tests_of_that_invariant(found: list[Guard], tmp_path: Path) -> None:
    """As ARCHITECTURE.md tells to, those and no others: 1 is not 10."""
    told = "-m 'invariant(number={})'"
    assert told.format(3) in docs.section(docs.read("ARCHITECTURE.md"), "## Invariants")
    selected = {one.test for one in guards(tmp_path, "invariant(number=1)")}
    assert selected == {one.test for one in found if one.number == 1}
