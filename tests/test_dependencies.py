"""What the service is made of: every library locked, nothing of the tests in it, nobody called."""

from __future__ import annotations

import importlib
import re
import time
from typing import Any

import pytest

from tests.support import docs
from tests.support.server import ROOT
from tests.support.source import SOURCES, imports, short

LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-mutants.txt"]
DEVELOPMENT = {"httpx", "hypothesis", "mypy", "pytest", "pytest-cov", "ruff", "time-machine", "uv"}
LOCK_ENTRY = re.compile(
    r"^(?P<name>[a-z0-9._-]+)(?:\[[a-z,]+\])?==(?P<rest>[^ ;\\]+(?:[^\n]*\\\n)+[^\n]*)",
    re.MULTILINE,
)
CLIENTS = {"requests", "httpx", "urllib3", "smtplib", "ftplib", "socket", "telnetlib"}
URL_CLIENTS = ("urllib.request", "http.client")  # beside things of the same package that we use


@pytest.mark.parametrize("name", LOCKS)
def test_every_library_is_locked_by_version_and_by_content(name: str) -> None:
    """Also those that others need: an index that serves something else is noticed by pip. The file
    is the inventory of what runs."""
    text = docs.read(name)
    entries = list(LOCK_ENTRY.finditer(text))
    lines = [line for line in text.splitlines() if line and line[0] not in "# "]
    assert len(entries) == len(lines) > 20
    assert all("--hash=sha256:" in entry["rest"] for entry in entries)
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert "--require-hashes" in docs.read("Makefile")


def test_what_runs_needs_nothing_of_the_tests() -> None:
    """Neither their libraries nor their code."""
    locked = {entry["name"] for entry in LOCK_ENTRY.finditer(docs.read("requirements.txt"))}
    assert not locked & DEVELOPMENT
    assert {entry["name"] for entry in LOCK_ENTRY.finditer(docs.read(LOCKS[1]))} > DEVELOPMENT
    assert {short(path) for path in SOURCES if {"tests", "pytest"} & set(imports(path))} == set()


def test_the_service_calls_nobody() -> None:
    """No URL of a caller, nor one of our own: only the database's driver opens connections."""
    callers = {short(path): CLIENTS & set(imports(path)) for path in SOURCES}
    listens = {"utils/serving_main.py": {"socket"}, "utils/serving_worker.py": {"socket"}}
    assert {name: used for name, used in callers.items() if used} == listens
    for name in listens:
        assert "connect(" not in docs.read(name)
        assert "create_connection" not in docs.read(name)
    texts = {short(path): path.read_text("utf-8") for path in SOURCES}
    assert [name for name, text in texts.items() if any(word in text for word in URL_CLIENTS)] == []


def patterns() -> list[Any]:
    """Every compiled pattern that our modules keep."""
    modules = [
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path in SOURCES
        if path.name != "__init__.py"
    ]
    kept = [value for module in modules for value in vars(module).values()]
    return [value for value in kept if isinstance(value, re.Pattern)]


def test_no_pattern_takes_long() -> None:
    """Of whatever 64 KiB are made: time grows with the length, not with its power."""
    found = patterns()
    assert len(found) > 10
    # 40 characters first: with 65,536 an exponential one would not end, and so not fail.
    for length in (40, 65_536):
        for part in ("a", '"', "a/", '"a",', "0", "."):
            text = (part * length)[:length] + "!"
            for pattern in found:
                began = time.perf_counter()
                pattern.fullmatch(text if isinstance(pattern.pattern, str) else text.encode())
                assert time.perf_counter() - began < 0.5, pattern.pattern
