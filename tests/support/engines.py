"""Which engine a test runs on, and how many ran on each: one suite, two engines.

A test that asks for the fixture ``engine``, mostly by way of ``app`` or ``vault``, runs on both.
One that cannot says why: ``@pytest.mark.one_engine("sqlite", "it damages the file")``. What it
chose is written into the reports of a test: they come from several processes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest

ENGINES = ("sqlite", "postgresql")
MARK = "one_engine"
_PROPERTY = "engine"
_OF_BOTH = ("engine", "database_url", "app", "vault", "postgres")  # fixtures


@dataclass(frozen=True, slots=True)
class Choice:
    """One test on one engine."""

    test: str  # its name and variant, but for the engine
    engine: str  # empty: it needs no database
    alone: bool  # it is for this engine only, on purpose
    fault: str  # what is wrong with how it chooses; empty if nothing is
    counts: bool = True  # it came to an end; one that was skipped has shown nothing


def choice_of(item: pytest.Item) -> Choice:
    """What this test, or variant of a test, runs on."""
    callspec: Any = getattr(item, "callspec", None)
    params = {} if callspec is None else callspec.params
    # Mostly of the fixture "engine"; in modules that share one application, of that one.
    engine = next((value for value in params.values() if value in ENGINES), "")
    module, bracket, variant = item.nodeid.partition("[")
    if engine:
        variant = re.sub(rf"\b{engine}\b", "*", variant, count=1)
    mark = item.get_closest_marker(MARK)
    if mark is not None and mark.args:
        engine = str(mark.args[0])
    return Choice(module + bracket + variant, engine, mark is not None, _fault(item, mark, engine))


def _fault(item: pytest.Item, mark: pytest.Mark | None, engine: str) -> str:
    if mark is not None:
        complete = len(mark.args) == 2 and mark.args[0] in ENGINES and mark.args[1]
        return "" if complete else "one_engine takes an engine and a reason"
    if engine:
        return ""
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    used = [name for name in _OF_BOTH if name in fixtures]
    return f"needs {used[0]!r} on one engine and gives no reason" if used else ""


def choose(items: Sequence[pytest.Item], complete: bool) -> None:
    """Have all reports of each test tell its choice. If these are *complete* modules, a test with
    one engine among them has no other."""
    choices = [choice_of(item) for item in items]
    engines: defaultdict[str, set[str]] = defaultdict(set)
    for one in choices:
        engines[one.test].add(one.engine)
    for item, one in zip(items, choices, strict=True):
        narrow = complete and one.engine and not one.alone and len(engines[one.test]) < len(ENGINES)
        fault = f"is for {one.engine} alone and gives no reason" if narrow else one.fault
        item.user_properties.append((_PROPERTY, asdict(replace(one, fault=fault))))


def _told(properties: Iterable[tuple[str, object]], counts: bool) -> Choice:
    found: Any = dict(properties)[_PROPERTY]
    return Choice(**{**found, "counts": counts})


class Tally:
    """A plugin of pytest's that keeps count, and fails a run in which the engines differ.

    With several processes the reports come to the first of them, and only what they tell.
    """

    def __init__(self) -> None:
        self._choices: list[Choice] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for one engine has no variant for the other."""
        mark = metafunc.definition.get_closest_marker(MARK)
        if mark is not None and "engine" in metafunc.fixturenames:
            one = pytest.mark.parametrize("engine", mark.args[:1], indirect=True)
            metafunc.definition.add_marker(one)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Look at all of them, before some are selected."""
        choose(items, complete=not any("::" in argument for argument in config.args))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """If nothing is to run, count what would."""
        if session.config.option.collectonly:
            self._choices += (_told(item.user_properties, True) for item in session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that came to its end, or was skipped."""
        if report.when == "call" or (report.when == "setup" and report.skipped):
            self._choices.append(_told(report.user_properties, not report.skipped))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A run with a fault is a failed one."""
        if session.exitstatus == pytest.ExitCode.OK and faults(self._choices):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it at the end."""
        for fault in faults(self._choices):
            terminalreporter.write_line(f"engines: {fault}", red=True)
        terminalreporter.write_line(count(self._choices))


def count(tests: Iterable[Choice]) -> str:
    """The line that tells how many there were on each engine."""
    found = Counter((one.engine, one.alone) for one in tests if one.counts)
    both, alone = (
        ", ".join(f"{engine} {found[engine, alone]}" for engine in ENGINES)
        for alone in (False, True)
    )
    return f"engines: {both} (and for one alone, on purpose: {alone})"


def faults(tests: Sequence[Choice]) -> list[str]:
    """Tests that chose badly, and those that were to run on both engines, and came to an end on
    one alone. Where only one was asked for (``-k sqlite``) there is nothing to compare."""
    ends: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for one in tests:
        if one.engine and not one.alone:
            ends[one.test][one.engine] = one.counts
    lopsided = {name for name, ended in ends.items() if len(set(ended.values())) > 1}
    return [
        *sorted({f"{one.test} {one.fault}" for one in tests if one.fault}),
        *(f"{name} came to an end on one engine alone" for name in sorted(lopsided)),
    ]
