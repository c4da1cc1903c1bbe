"""The lines of the log: which there are, and that no value can forge or lengthen one."""

from __future__ import annotations

import ast
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.support import docs
from tests.support.server import ROOT
from tests.support.source import SOURCES, short, tree
from utils import logs

CANARY = "canary-51f0c2"
# What ends a line for a terminal, for Python's splitlines(), or for a program that reads JSON.
HOSTILE = [
    f'{CANARY}\r\n{{"time": "2026-11-25T09:15:44.633324Z", "level": "info"}}',
    *(f"a{character}b" for character in "\n\r\x00\x0b\x0c\x1b\x1c\x1d\x1e\x7f\x85\x9b\u2028\u202e"),
    "a\x1b[2Jb",
    "\ud800",
    'a" b=c',
]
FORMS = [logs.JsonFormatter(), logs.TextFormatter()]
each_form = pytest.mark.parametrize("form", FORMS, ids=["json", "text"])


def record(message: object, name: str = "secrets_manager", **more: object) -> logging.LogRecord:
    """A record as the logger *name* would make it."""
    fields = {"name": name, "levelno": logging.ERROR, "levelname": "ERROR", "msg": message}
    return logging.makeLogRecord({**fields, **more})


def failing_deeply() -> NoReturn:
    """An exception with a long history, whose messages quote a value."""

    def fall(depth: int) -> NoReturn:
        try:
            if depth:
                fall(depth - 1)
        except ValueError as error:
            raise LookupError(f"{CANARY}\r\nforged") from error
        raise ValueError(f"{CANARY}\r\nforged")

    fall(60)


def caught(fail: Callable[[], NoReturn]) -> Exception:
    """What *fail* raises."""
    try:
        fail()
    except LookupError as error:
        return error


# --- the inventory -----------------------------------------------------------------------------


def test_every_kind_of_line_is_documented() -> None:
    """Its name, its level and each of its fields, in the order in which they are written."""
    table = docs.rows(docs.section(docs.read("docs/logs.md"), "## Lines"))
    lines, fields = table[: len(logs.EVENTS)], table[len(logs.EVENTS) :]
    assert [(row[0], row[1], row[2]) for row in lines] == [
        (
            f"`{event.name}`",
            logging.getLevelName(event.level).lower(),
            ", ".join(f"`{name}`" for name in event.fields),
        )
        for event in logs.EVENTS
    ]
    assert all(len(row) == 4 and row[3] for row in lines)
    explained = {name for row in fields for name in re.findall(r"`(\w+)`", row[0])}
    assert explained == {name for event in logs.EVENTS for name in event.fields}


def test_a_field_that_is_not_documented_cannot_be_logged() -> None:
    """Nobody adds the value of a secret by mistake."""
    with pytest.raises(KeyError):
        logs.line(logs.REQUEST, secret=CANARY)


def test_nothing_else_writes_a_log() -> None:
    """One module decides where lines go; results of commands are printed by another, and why the
    server does not start by the main process, which has no log."""
    sinks = {"basicConfig", "addHandler", "FileHandler", "StreamHandler", "SysLogHandler"}
    used = {
        f"{short(path)}: {name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        for name in [getattr(node, "attr", None) or getattr(node, "id", None)]
        if name in {*sinks, "dictConfig", "print", "syslog"}
    }
    assert used == {
        "utils/logs.py: dictConfig",
        "utils/console.py: print",
        "utils/serving.py: print",
    }


# --- one event, one line -----------------------------------------------------------------------


@each_form
@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_ends_its_line(form: logging.Formatter, value: str) -> None:
    """Neither in a field, nor in a sentence, nor from another library."""
    for made in [
        record(logs.line(logs.REQUEST, account=value, client=value)),
        record("a sentence about %s", args=(value,)),
        record(value, "another.library"),
        record(logs.line(logs.CRASH, message=value)),
    ]:
        written = form.format(made)
        assert len(written.splitlines()) == 1
        assert written.isascii()
        assert written.isprintable()


@each_form
def test_a_traceback_cannot_forge_a_line(form: logging.Formatter) -> None:
    """Frames and types only; in text, each on a line that begins as no other does."""
    error = caught(failing_deeply)
    facts = (type(error), error, error.__traceback__)
    for made in [
        record(logs.line(logs.ERROR, traceback=logs.describe(error))),
        record("It failed", "another.library", exc_info=facts),
    ]:
        first, *rest = form.format(made).splitlines()
        assert all(line.startswith("    ") for line in rest)
        written = "\n".join([first, *rest])
        assert "builtins.LookupError" in written
        assert "in fall" in written
        assert CANARY not in written
        assert "forged" not in written
        assert bool(rest) == isinstance(form, logs.TextFormatter)


@each_form
def test_a_line_fits_into_one_write(form: logging.Formatter) -> None:
    """Longer ones of two workers that share a pipe could be mixed (PIPE_BUF)."""
    error = caught(failing_deeply)
    facts = {"request_id": "x" * 22, "route": "y" * 60, "method": "DELETE", "problem": "z" * 40}
    made = logs.line(logs.ERROR, **facts, traceback=logs.describe(error))
    assert len(form.format(record(made))) < 4096
    assert len(form.format(record("\n" * 10_000, "another.library"))) < 4096
    assert len(form.format(record(logs.line(logs.NOTICE, message="x" * 10_000)))) < 4096


@each_form
def test_a_library_is_quoted_by_its_template_alone(form: logging.Formatter) -> None:
    """What it fills in, and what it lists below its first line, may be a request or a URL."""
    said = "failed: %s\nTraceback (most recent call last):\nValueError: " + CANARY
    written = form.format(record(said, "another.library", args=(CANARY,)))
    assert "failed: %s" in written
    assert CANARY not in written


def test_json_lines_have_the_time_in_utc() -> None:
    """RFC 3339, to the microsecond, whatever zone the machine is in."""
    written = json.loads(logs.JsonFormatter().format(record("x", created=1_764_062_144.5)))
    assert written == {
        "time": "2025-11-25T09:15:44.500000Z",
        "level": "error",
        "event": "notice",
        "message": "x",
    }


# --- whole programs ----------------------------------------------------------------------------

PROGRAM = f"""
import logging, sys, threading
from utils import logs
logs.configure(*sys.argv[1:])
logging.getLogger("secrets_manager").warning("a sentence")
logging.getLogger("another.library").info("not of interest")
def fail(): raise ValueError("{CANARY}")
class Falls:
    def __del__(self): fail()
Falls()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def run(*arguments: str, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """The program above, with a log of its own."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_nobody_caught_is_a_line_too() -> None:
    """In a thread, in a destructor, at the end: Python itself would print the message."""
    done = run()
    assert done.returncode == 1
    assert done.stdout == ""
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["notice", *["crash"] * 3]
    assert all("in fail" in event["traceback"] for event in events[1:])
    assert CANARY not in done.stderr


def test_the_level_leaves_out_what_is_below() -> None:
    """``error`` leaves out notices."""
    assert "notice" not in run("json", "error").stderr
    assert "notice" in run("json", "warning").stderr


def test_a_terminal_shows_text() -> None:
    """And a pipe JSON, unless a setting says otherwise."""
    ours, theirs = pty.openpty()
    run(stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert re.match(r'\S+Z WARNING notice message="a sentence"\r\n', shown)
    assert run("json").stderr.startswith("{")
    assert re.match(r"\S+Z WARNING notice ", run("text").stderr)


def test_whoever_has_set_up_logging_is_left_alone() -> None:
    """A test runner, or a program that embeds the application, keeps its own handlers."""
    before = logging.getLogger().handlers[:]
    logs.configure()
    assert before
    assert logging.getLogger().handlers == before
