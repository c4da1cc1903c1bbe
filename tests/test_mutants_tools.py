"""The instruments of ``make mutants``: what counts as noticed, and what as no change at all."""

from __future__ import annotations

import pytest

from tests.mutants.catalogue import MODULES, path_of
from tests.mutants.verdicts import HEADER, Row, is_same_sql, parse
from tests.support.server import ROOT

RESULTS = """\
    utils.tokens.x_new_id__mutmut_1: killed
    utils.tokens.xǁTokenTextǁwritten__mutmut_2: survived
    utils.tokens.x_new_id__mutmut_3: timeout
    utils.tokens.x__mac__mutmut_4: no tests
    utils.tokens.x__mac__mutmut_5: survived
"""
DIFF = """\
# utils.store.keys.x_switch__mutmut_1: survived
--- utils/store/keys.py
+++ utils/store/keys.py
@@ -1,3 +1,3 @@
 def switch(tx):
-    tx.run("{before}")
+    tx.run("{after}")
     return True
"""


def test_every_module_and_its_tests_are_there() -> None:
    """A file that is renamed must not fall out of what is measured."""
    for module, tests in MODULES.items():
        assert (ROOT / module).is_file()
        for name in tests:
            file, _, test = path_of(name).partition("::")
            assert f"def {test}" in (ROOT / "tests" / file).read_text("utf-8")


def test_a_row_counts_what_mutmut_tells() -> None:
    """A test run without end is noticed; a function that no test passes through is not."""
    row = Row("utils/tokens.py", parse(RESULTS), frozenset({"utils.tokens.x__mac__mutmut_5"}))
    assert str(row).split() == ["utils/tokens.py", "5", "1", "1", "2", "1", "50.0"]
    assert row.survivors == [
        "utils.tokens.xǁTokenTextǁwritten__mutmut_2",
        "utils.tokens.x__mac__mutmut_4",
    ]
    assert len(str(row)) == len(HEADER)
    assert Row("models/names.py", {}).percent == 100


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("DELETE FROM secrets", "delete from secrets", True),
        ("RETURNING id", "returning id", True),
        ("WHERE owner_id = ?", "WHERE OWNER_ID = ?", True),
        ("WHERE state = 'retired'", "where state = 'retired'", True),
        ("WHERE state = 'retired'", "WHERE STATE = 'RETIRED'", False),
        ("DELETE FROM secrets", "XXDELETE FROM secretsXX", False),
        ("The key is not there.", "the key is not there.", False),
    ],
)
def test_the_case_of_sql_is_no_change(before: str, after: str, same: bool) -> None:
    """But the case of data is, and so is any change of a sentence."""
    assert is_same_sql(DIFF.format(before=before, after=after)) is same
