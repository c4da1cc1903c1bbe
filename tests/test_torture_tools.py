"""The instruments of ``make torture`` and ``make attack``: each must be able to say "short"."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from config import Settings
from models.times import utcnow
from tests.attack import __main__ as attack_program
from tests.support.people import Person
from tests.support.server import ROOT
from tests.torture import __main__ as torture_program
from tests.torture.framework import Attempt, Figure, Result, attempt, none
from tests.torture.inspection import inspect
from tests.torture.journal import Page, Stored, digest
from tests.torture.nodes import Absences, Rotated
from utils.vault import Vault, open_store

# --- the verdict -------------------------------------------------------------------------------


def _result(*figures: Figure, folder: Path = Path()) -> Result:
    return attempt("a-row", lambda _attempt: figures, Attempt(folder, 1, notes=io.StringIO()))


@pytest.mark.parametrize(
    ("figures", "ok"),
    [
        ([Figure(200, "kills", at_least=200), none([], "lost")], True),
        ([Figure(199, "kills", at_least=200), none([], "lost")], False),
        ([Figure(200, "kills", at_least=200), none(["one"], "lost")], False),
        ([Figure(math.nan, "kills", at_least=200)], False),
        ([Figure(200, "kills", at_least=1), Figure(math.nan, "ms", at_most=250)], False),
        ([none([], "lost")], False),
        ([Figure(0, "kills", at_least=0), none([], "lost")], False),
        ([Figure(200, "kills")], False),
        ([], False),
    ],
    ids=[
        "all goals met",
        "too little work",
        "a loss",
        "work not measured",
        "a figure not measured",
        "nothing done",
        "a goal of 0",
        "no goal",
        "no figure",
    ],
)
def test_a_row_is_ok_only_if_it_worked_and_met_every_goal(
    figures: Sequence[Figure], ok: bool
) -> None:
    """A row that killed nothing lost nothing either: that is short."""
    assert _result(*figures).ok is ok


def test_a_row_prints_its_name_figures_goal_and_verdict() -> None:
    """One line, as a reader of a log wants it."""
    figures = [Figure(200, "kills", at_least=200), Figure(3.14159, "ms p99", at_most=250)]
    assert str(_result(*figures, none([], "lost"))) == (
        "a-row  200 kills, 3.14 ms p99, 0 lost (0 s)  "
        "goal: at least 200 kills, at most 250 ms p99, 0 lost  ok"
    )
    assert str(_result()).endswith("  short")


def test_a_row_that_stops_is_short() -> None:
    """Its error is shown, and is not the end of the run."""

    def row(_attempt: Attempt) -> Sequence[Figure]:
        raise RuntimeError("the server did not start")

    notes = io.StringIO()
    result = attempt("a-row", row, Attempt(Path(), 1, notes=notes))
    assert not result.ok
    assert "stopped by RuntimeError" in str(result)
    assert "the server did not start" in notes.getvalue()


@pytest.mark.parametrize("program", [torture_program, attack_program], ids=["torture", "attack"])
def test_a_run_ends_with_a_count_and_an_exit_code(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line is all that a script needs to read; so is the exit code."""

    def good(_attempt: Attempt) -> Sequence[Figure]:
        """A row."""
        return [Figure(1, "kills", at_least=1)]

    def bad(_attempt: Attempt) -> Sequence[Figure]:
        """Another row."""
        return [Figure(0, "kills", at_least=1)]

    monkeypatch.setattr(program, "ROWS", {"good": good, "bad": bad})
    for arguments, exit_code, last in [
        ([], 1, "1 passed, 1 failed"),
        (["--row", "good"], 0, "1 passed, 0 failed"),
        (["--row", "bad"], 1, "0 passed, 1 failed"),
    ]:
        assert program.main(arguments) == exit_code
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == last
        assert all(re.search(r"  (ok|short)$", line) for line in lines[:-1])


@pytest.mark.parametrize(
    "arguments", [["--row", "absent"], ["--scale", "0"], ["--scale", "nan"], ["row"]], ids=" ".join
)
@pytest.mark.parametrize("package", ["tests.torture", "tests.attack"])
def test_a_mistyped_run_does_not_look_like_a_passed_one(package: str, arguments: list[str]) -> None:
    """Exit code 2, and no count."""
    command = [sys.executable, "-m", package, *arguments]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert "passed" not in run.stdout


def test_a_scale_shortens_but_never_to_nothing() -> None:
    """Half of 200 is 100, a thousandth is 1."""
    assert Attempt(Path(), 1, 0.5).scaled(200) == 100
    assert Attempt(Path(), 1, 0.001).scaled(200) == 1


# --- the journal -------------------------------------------------------------------------------

_KEPT = Stored(b"value", "text", {"a": "b"}, 3)


@pytest.mark.parametrize(
    ("found", "etag"),
    [
        (None, None),
        (replace(_KEPT, data=b"other"), '"tag"'),
        (replace(_KEPT, encoding="base64"), '"tag"'),
        (replace(_KEPT, labels={}), '"tag"'),
        (replace(_KEPT, version=4), '"tag"'),
        (_KEPT, '"another"'),
    ],
    ids=["absent", "value", "encoding", "labels", "version", "etag"],
)
def test_the_journal_notices_every_difference(found: Stored | None, etag: str | None) -> None:
    """Anything that differs from what was acknowledged is a loss."""
    page = Page("name")
    assert page.contradicts(_KEPT, None)  # not written yet
    page.keep(_KEPT, '"tag"')
    assert page.contradicts(_KEPT, '"tag"') == ""
    assert page.contradicts(found, etag)


# --- the look behind the API -------------------------------------------------------------------

_TAMPERINGS = {
    "a changed ciphertext": "UPDATE secret_versions SET ciphertext = 'gAAAAA' || ciphertext "
    "WHERE id = 1",
    "swapped ciphertexts": "UPDATE secret_versions SET ciphertext = (SELECT o.ciphertext FROM "
    "secret_versions o WHERE o.id = 3 - secret_versions.id) WHERE id IN (1, 2)",
    "a lost version": "DELETE FROM secret_versions WHERE id = 1",
    "a lost newest version": "DELETE FROM secret_versions WHERE id = 2",
    "a version too many": "UPDATE secrets SET version = 1",
    "no version at all": "DELETE FROM secret_versions",
    "another's key": "UPDATE secret_versions SET key_id = (SELECT k.id FROM user_keys k "
    "WHERE k.id <> secret_versions.key_id)",
    "no current key": "UPDATE user_keys SET state = 'retired'",
    "a key of another row": "UPDATE user_key_material SET sealed = (SELECT o.sealed FROM "
    "user_key_material o WHERE o.key_id <> user_key_material.key_id)",
}


@pytest.fixture
def stored(vault: Vault, alice: Person, bob: Person) -> Settings:
    """Two versions of a secret of Alice's, and Bob."""
    assert bob.username == "bob"
    assert alice.put("/secrets/a", json={"secret": "first"}).status_code == 201
    assert alice.put("/secrets/a", json={"secret": "second"}).status_code == 200
    return vault.settings


@pytest.mark.parametrize("tampering", _TAMPERINGS)
def test_the_inspection_finds(stored: Settings, tampering: str) -> None:
    """Each of these is found, and nothing is wrong before."""
    sound = inspect(stored)
    assert (sound.unreadable, sound.inconsistent, sound.versions) == ([], [], 2)
    db, _ = open_store(stored, utcnow())
    with db.write() as tx:
        assert tx.run(_TAMPERINGS[tampering]) >= 1
    db.close()
    found = inspect(stored)
    assert found.unreadable or found.inconsistent


def test_the_inspection_misses_no_acknowledged_version(stored: Settings) -> None:
    """A version that is there but holds another value is as lost as one that isn't."""
    page = Page("a")
    page.digests = {1: digest(True, b"first"), 2: digest(True, b"second")}
    found = inspect(stored)
    assert found.missing([("alice", page)]) == []
    for number, wrong in ((1, digest(False, b"first")), (2, digest(True, b"x")), (3, "any")):
        page.digests = {number: wrong}
        assert len(found.missing([("alice", page)])) == 1
    page.digests = {1: digest(True, b"first")}
    assert len(found.missing([("bob", page)])) == 1


# --- several nodes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outage", "recovery"),
    [((2, 3), 1), ((8, 25), 5), ((12, 21), 1), ((21, 24), 3), ((8, 15), 7), ((35, 50), 10)],
    ids=["before", "over it", "within and after", "after", "ended within", "the last counts"],
)
def test_a_recovery_counts_from_when_the_database_was_back(
    outage: tuple[float, float], recovery: float
) -> None:
    """What a client waited for while there was no database is not the service's to answer for; and
    an outage that ended without one is no recovery, so that all of it counts."""
    assert Absences([(10, 20), (30, 40)]).recovery(*outage) == recovery


@pytest.mark.parametrize(
    ("status", "output", "excused", "faults"),
    [
        (0, "", False, 0),
        (75, "Another rotation is running.", False, 0),
        (1, "The database is not available.", True, 0),
        (1, "The database is not available.", False, 1),
        (1, "Traceback (most recent call last):", True, 1),
    ],
)
def test_a_rotation_may_fail_only_with_the_database_and_in_one_line(
    status: int, output: str, excused: bool, faults: int
) -> None:
    """A traceback is a fault whatever happened."""
    assert len(Rotated(status, output, 0, 1).complaints(excused=excused)) == faults


def test_an_absence_excuses_whatever_it_touched() -> None:
    """From the moment the database is told to stop until it answers again."""
    away = Absences([(10, 20)])
    touched = [(0, 9), (0, 10), (12, 13), (20, 30), (21, 30)]
    assert [away.touch(*span) for span in touched] == [False, True, True, True, False]
