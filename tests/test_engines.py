"""One suite, two engines: what counts the tests on each, and fails a run in which they differ."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.postgres_programs import CHOICE, find_postgres
from tests.support.server import ROOT

CONFTEST = """
import pytest
from tests.support.engines import ENGINES, Tally

def pytest_configure(config):
    config.addinivalue_line("markers", "one_engine(engine, why): alone")
    config.pluginmanager.register(Tally(), "engines")

@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param

@pytest.fixture
def postgres():
    return None
"""
SOUND = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_both(engine, n): pass

@pytest.mark.one_engine("sqlite", "it is about a file")
def test_file(engine): assert engine == "sqlite"

@pytest.mark.one_engine("postgresql", "it is about a server")
def test_server(postgres): pass

def test_neither(): pass
"""
LOPSIDED = {
    "narrow": (
        "[*] is for sqlite alone and gives no reason",
        """
import pytest

@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_it(engine): pass
""",
    ),
    "own": (
        " needs 'engine' on one engine and gives no reason",
        """
import pytest

@pytest.fixture
def engine(): return "sqlite"

def test_it(engine): pass
""",
    ),
    "postgres": (
        " needs 'postgres' on one engine and gives no reason",
        "def test_it(postgres): pass",
    ),
    "silent": (
        "[*] one_engine takes an engine and a reason",
        """
import pytest

@pytest.mark.one_engine("sqlite")
def test_it(engine): pass
""",
    ),
    "skipped": (
        "[*] came to an end on one engine alone",
        """
import pytest

def test_it(engine):
    if engine == "postgresql":
        pytest.skip("not now")
""",
    ),
}


def run(folder: Path, tests: Mapping[str, str], *arguments: str) -> tuple[int, list[str]]:
    """Run these tests; the exit status, and what is said about engines."""
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, [line for line in done.stdout.splitlines() if "engines: " in line]


@pytest.mark.parametrize("arguments", [(), ("-n", "2"), ("--collect-only",)], ids=" ".join)
def test_a_run_tells_how_many_tests_ran_on_each_engine(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """In one process, in several, and without running them."""
    assert run(tmp_path, {"sound": SOUND}, *arguments) == (
        0,
        ["engines: sqlite 2, postgresql 2 (and for one alone, on purpose: sqlite 1, postgresql 1)"],
    )


def test_a_selection_of_one_engine_is_no_fault(tmp_path: Path) -> None:
    """Whoever asks for one gets one."""
    assert run(tmp_path, {"sound": SOUND}, "-k", "sqlite") == (
        0,
        ["engines: sqlite 2, postgresql 0 (and for one alone, on purpose: sqlite 1, postgresql 0)"],
    )


def test_a_postgresql_that_was_chosen_is_the_one_or_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version in its place would pass for the one that was meant."""
    usual = find_postgres()
    monkeypatch.setenv(CHOICE, str(usual))
    assert find_postgres() == usual
    monkeypatch.setenv(CHOICE, str(tmp_path))
    assert find_postgres() is None


@pytest.mark.invariant(number=10)
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_that_tests_one_engine_less_fails(tmp_path: Path, processes: str) -> None:
    """Every test passes, and the run does not; it says which tests they are."""
    tests = {name: text for name, (_, text) in LOPSIDED.items()}
    status, lines = run(tmp_path, tests, "-n", processes)
    assert status == 1
    assert sorted(lines[:-1]) == sorted(
        f"engines: test_{name}.py::test_it{fault}" for name, (fault, _) in LOPSIDED.items()
    )
