"""Files of NAME=value as people write them, read as python-dotenv reads them."""

from __future__ import annotations

import io
import time

import dotenv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dotenv import assignments

FILE = """\ufeff# The shop
export DATABASE_URL=postgres://shop:p%40ss@db/shop?sslmode=require # not for tests
EMPTY=
SPACED = a value with  blanks   \t
  INDENTED=yes

SINGLE='as it is: $HOME `date` "x" #1 \\n it\\'s'
DOUBLE="line one\\nline \\"two\\"\\ttab"  # and a comment
PEM="-----BEGIN KEY-----
QUJD
-----END KEY-----"
HASH=#not-a-comment
NOTHING= # a comment
URL=http://x/#fragment
KEPT=${HOME}/${USER:-nobody}
'QUOTED'=1
dotted.name-x=1
LAST=1
LAST=2"""
READ = [
    (2, "DATABASE_URL", "postgres://shop:p%40ss@db/shop?sslmode=require"),
    (3, "EMPTY", ""),
    (4, "SPACED", "a value with  blanks"),
    (5, "INDENTED", "yes"),
    (7, "SINGLE", 'as it is: $HOME `date` "x" #1 \\n it\'s'),
    (8, "DOUBLE", 'line one\nline "two"\ttab'),
    (9, "PEM", "-----BEGIN KEY-----\nQUJD\n-----END KEY-----"),
    (12, "HASH", "#not-a-comment"),
    (13, "NOTHING", ""),
    (14, "URL", "http://x/#fragment"),
    (15, "KEPT", "${HOME}/${USER:-nobody}"),
    (16, "QUOTED", "1"),
    (17, "dotted.name-x", "1"),
    (18, "LAST", "1"),
    (19, "LAST", "2"),
]
PIECES = (
    *("A", "B2", "=", "=", "'", '"', "\\", "#", " ", "\t", "\n", "\n", "\r", "\r\n", "export "),
    *("export", "${X}", "${", "}", "\\n", "\\'", '\\"', " #", "\u00a0", "\x85", "\u2028", "é", "$"),
)


def as_python_dotenv(text: str) -> dict[str, str | None]:
    """What python-dotenv makes of it, without interpolation."""
    return dict(dotenv.dotenv_values(stream=io.StringIO(text, newline=None), interpolate=False))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_file_is_read_as_people_write_it(newline: str) -> None:
    """Comments, export, quotes, escapes, several lines, blanks, a byte order mark, any newlines."""
    text = FILE.replace("\n", newline)
    assert [(one.line, one.key, one.value) for one in assignments(text)] == READ
    assert as_python_dotenv(text) == {key: value for _, key, value in READ}


@pytest.mark.parametrize(
    "line",
    [
        *("just words", "A", "=x", "A B=1", "A='open", 'A="open', "A='x'y", 'A="x" y', "export"),
        *("export A", "'A=1", "''=1", "export =1", "A='\\'", 'A="\\"', "a'b=1"),
    ],
)
def test_a_line_that_does_not_parse_is_told_by_its_number(line: str) -> None:
    """Where python-dotenv would leave it out, or set nothing."""
    found = list(assignments(f"FIRST=1\n\n{line}\nLAST=1"))
    assert (found[0].key, found[1].line, found[1].key) == ("FIRST", 3, None)
    assert found[-1].key == "LAST"


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_what_is_read_is_what_python_dotenv_reads(text: str) -> None:
    """Any text at all, unless it is refused."""
    found = list(assignments(text))
    if all(one.key is not None for one in found):
        assert {one.key: one.value for one in found} == as_python_dotenv(text)


@pytest.mark.parametrize(
    "text",
    [
        "A=x" + " " * 500_000 + "y",
        "A='" * 150_000,
        'A="\n' * 120_000,
        "A=\\'\n" * 80_000,
        "#\n" * 250_000,
        " \n" * 250_000,
        "A=" + " #" * 200_000,
        "export " * 70_000,
        "A='" + "\\" * 500_001,
        "A=" + "${:-" * 120_000,
        "A=" + "${:-x}" * 80_000,
    ],
    ids=lambda text: text[:8],
)
def test_no_file_takes_long(text: str) -> None:
    """Half a megabyte of the worst: python-dotenv would take hours for the first."""
    began = time.process_time()
    for number, _ in enumerate(assignments(text)):
        if number == 2_000:
            break
    assert time.process_time() - began < 3
