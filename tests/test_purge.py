"""Retention: what ``flask purge`` removes for good, what it leaves, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from click.testing import Result
from flask import Flask

from models.times import utcnow
from routes import context
from tests.support.dump import unopened
from tests.support.people import Person
from tests.support.purging import RETENTION, purge_here
from tests.support.race import at_once
from tests.support.rotation import add_owner, assert_sound, run
from tests.support.trouble import locked
from tests.support.wrapped import Meanwhile, Recording
from utils import purge
from utils.db import Database
from utils.purge import Purged
from utils.rotation import Rotator
from utils.store import keys
from utils.vault import Vault

TICK = timedelta(microseconds=1)
NOTHING = Purged(0, 0, 0)
Purge = Callable[..., Result]


@pytest.fixture
def command(app: Flask) -> Purge:
    """``command("--json")``: run it in this process."""

    def run_it(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["purge", *arguments])

    return run_it


def write(person: Person, name: str, count: int = 1) -> None:
    """Versions 1, 2, 3 ... with the values "1", "2", "3" ..."""
    for number in range(1, count + 1):
        answer = person.put(f"/secrets/{name}", json={"secret": str(number)})
        assert answer.status_code < 300


def numbers(person: Person, name: str) -> list[int]:
    """Which versions there are."""
    answer = person.get(f"/secrets/{name}:versions?limit=100").json
    assert answer is not None
    return [one["version"] for one in answer["versions"]]


def hidden(person: Person) -> list[str]:
    """Names of what is deleted or expired, and still kept."""
    answer = person.get("/secrets?deleted=true").json
    assert answer is not None
    return [row["name"] for row in answer["secrets"]]


def expire(person: Person, name: str, moment: datetime) -> None:
    """Let it end then."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert person.patch(f"/secrets/{name}", json={"expires_at": text}).status_code == 200


def delete(person: Person, name: str) -> datetime:
    """Delete it; its ``purge_at``."""
    answer = person.delete(f"/secrets/{name}")
    assert answer.json is not None
    return datetime.fromisoformat(answer.json["purge_at"].replace("Z", "+00:00"))


# --- what goes, and what stays -----------------------------------------------------------------


@pytest.mark.parametrize(("kept", "left"), [(1, 1), (2, 2), (11, 11), (12, 12), (100, 12)])
def test_the_newest_versions_stay(vault: Vault, alice: Person, kept: int, left: int) -> None:
    """So many of each secret; the value, and who wrote it, are as they were."""
    write(alice, "many", 12)
    write(alice, "one")
    before = alice.get("/secrets").json
    assert purge_here(vault, utcnow(), kept) == Purged(0, 0, 12 - left)
    assert numbers(alice, "many") == list(range(12, 12 - left, -1))
    assert (alice.secret("many"), numbers(alice, "one")) == ("12", [1])
    assert alice.get("/secrets").json == before
    assert purge_here(vault, utcnow(), kept) == NOTHING
    assert_sound(vault)


def test_versions_are_counted_not_subtracted(vault: Vault, alice: Person) -> None:
    """Where some were destroyed, as many of the others stay."""
    write(alice, "a", 9)
    alice.post("/secrets/a:destroy", json={"versions": [3, 5, 6, 7, 8]})
    assert purge_here(vault, utcnow(), kept=4) == NOTHING
    assert purge_here(vault, utcnow(), kept=3) == Purged(0, 0, 1)
    assert numbers(alice, "a") == [9, 4, 2]


def test_what_is_hidden_has_no_more_versions_than_others(vault: Vault, alice: Person) -> None:
    """Deleted and expired secrets keep as many, until they go as a whole."""
    for name in ("deleted", "expired"):
        write(alice, name, 5)
    delete(alice, "deleted")
    expire(alice, "expired", utcnow())
    assert purge_here(vault, utcnow(), kept=2) == Purged(0, 0, 6)
    alice.post("/secrets/deleted:undelete")
    assert numbers(alice, "deleted") == [5, 4]


def test_deleted_secrets_go_when_their_time_is_over(vault: Vault, alice: Person) -> None:
    """To the microsecond, with all versions. The name is as free as if it had never been used."""
    write(alice, "a", 3)
    write(alice, "live")
    purge_at = delete(alice, "a")
    assert purge_here(vault, purge_at - TICK) == NOTHING
    assert hidden(alice) == ["a"]
    assert purge_here(vault, purge_at) == Purged(1, 0, 0)
    assert hidden(alice) == []
    write(alice, "a")
    assert (numbers(alice, "a"), numbers(alice, "live")) == ([1], [1])
    assert_sound(vault)


def test_expired_secrets_go_as_much_later(vault: Vault, alice: Person) -> None:
    """And never sooner after they were changed: who ends a secret with a date of long ago, or
    mistypes one, has as long to notice."""
    write(alice, "a", 2)
    write(alice, "typo", 2)
    end = utcnow() + timedelta(minutes=1)
    expire(alice, "a", end)
    expire(alice, "typo", end - timedelta(days=9999))
    assert purge_here(vault, utcnow()) == NOTHING
    assert purge_here(vault, end + RETENTION - TICK) == Purged(0, 1, 0)
    assert alice.secret("a") == "2"
    assert purge_here(vault, end + RETENTION) == Purged(0, 1, 0)
    assert alice.get("/secrets/a").status_code == 404


def test_everybodys_time_runs(vault: Vault, alice: Person, bob: Person) -> None:
    """Of all accounts, those too that are disabled."""
    for person in (alice, bob):
        write(person, "a", 3)
        delete(person, "a")
    run(vault, "UPDATE users SET state = 'disabled' WHERE username = 'bob'")
    assert purge_here(vault, utcnow() + RETENTION) == Purged(2, 0, 0)
    found = unopened(vault.db)
    assert found["secrets"] == found["secret_versions"] == []


# --- in small steps ----------------------------------------------------------------------------


def test_much_is_purged_in_small_transactions(
    vault: Vault, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever there is, the lock is held for so many rows; and none is passed over."""
    monkeypatch.setattr(purge, "_SECRETS", 2)
    monkeypatch.setattr(purge, "_VERSIONS", 3)
    for i in range(7):
        write(bob if i % 2 else alice, f"deleted-{i}", 2)
        delete(bob if i % 2 else alice, f"deleted-{i}")
    write(alice, "many", 12)
    recorder = Recording(vault.db)
    assert purge_here(vault, utcnow() + RETENTION, 1, recorder) == Purged(7, 0, 7 + 11)
    assert len(recorder.written) == 6 + 4
    assert numbers(alice, "many") == [12]
    assert hidden(alice) == hidden(bob) == []


def meanwhile(vault: Vault, action: Callable[[], object]) -> Database:
    """Something happens between the looking and the first deletion."""
    left = [action]

    def perhaps() -> None:
        if left:
            left.pop()()

    return Meanwhile(vault.db, perhaps)


def test_what_is_undeleted_meanwhile_stays(vault: Vault, alice: Person) -> None:
    """Somebody came in the last moment: looked at again under the lock, not as it was found."""
    for name in ("undeleted", "anew", "gone"):
        write(alice, name, 2)
        delete(alice, name)

    def come_back() -> None:
        assert alice.post("/secrets/undeleted:undelete").status_code == 200
        assert alice.put("/secrets/anew", json={"secret": "3"}).status_code == 201

    db = meanwhile(vault, come_back)
    assert purge_here(vault, utcnow() + RETENTION, db=db) == Purged(1, 0, 0)
    assert (numbers(alice, "undeleted"), numbers(alice, "anew")) == ([2, 1], [3, 2, 1])
    assert hidden(alice) == []


def test_an_expiry_that_is_moved_meanwhile_counts(vault: Vault, alice: Person) -> None:
    """The value is written anew between the looking and the deletion."""
    write(alice, "a")
    expire(alice, "a", utcnow())
    db = meanwhile(vault, lambda: alice.put("/secrets/a", json={"secret": "2"}))
    assert purge_here(vault, utcnow() + RETENTION, db=db) == NOTHING
    assert numbers(alice, "a") == [2, 1]


def test_versions_that_are_among_the_newest_meanwhile_stay(vault: Vault, alice: Person) -> None:
    """Others were destroyed between the looking and the deletion."""
    write(alice, "a", 5)
    body = {"versions": [3, 4]}
    db = meanwhile(vault, lambda: alice.post("/secrets/a:destroy", json=body))
    assert purge_here(vault, utcnow(), 3, db) == NOTHING
    assert numbers(alice, "a") == [5, 2, 1]


def test_purges_beside_rotations_and_writers_lose_nothing(vault: Vault) -> None:
    """Two of them at once count each row once, nothing that stays is harmed, and nobody fails."""
    owners = [add_owner(vault, f"owner-{i}", count=12) for i in range(2)]
    now = utcnow() + RETENTION + timedelta(days=1)

    def rotate() -> Purged:
        for _ in range(3):
            with vault.db.write() as tx:
                for owner in sorted(owners):
                    keys.switch(tx, vault.master, owner, utcnow())
            rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=5)
            rotator.sweep()
            rotator.destroy()
            assert rotator.report.faults == []
        return NOTHING

    purges: list[Callable[[], Purged]] = [partial(purge_here, vault, now, 1)] * 2
    done = at_once([rotate, *purges])
    assert [sum(one.deleted for one in done), sum(one.expired for one in done)] == [2, 2]
    assert sum(one.versions for one in done) == 2
    found = assert_sound(vault)
    assert len(found["secrets"]) == len(found["secret_versions"]) == 24


# --- the command -------------------------------------------------------------------------------


def doomed(vault: Vault, alice: Person) -> None:
    """One deleted secret, one expired one and three versions whose time is over."""
    write(alice, "many", 13)
    for name in ("deleted", "expired"):
        write(alice, name)
    delete(alice, "deleted")
    expire(alice, "expired", utcnow())
    month = RETENTION // TICK
    run(vault, "UPDATE secrets SET purge_at = purge_at - ?", month)
    run(vault, "UPDATE secrets SET expires_at = expires_at - ?, updated_at = 0", month)


TOLD = "deleted secrets: 1, expired secrets: 1, versions: 3"


def test_the_command_says_in_one_line_what_went(
    vault: Vault, alice: Person, command: Purge
) -> None:
    """And nothing else; the second time, that nothing did."""
    doomed(vault, alice)
    before = unopened(vault.db)
    dry = command("--dry-run")
    assert (dry.exit_code, dry.stdout, dry.stderr) == (0, f"dry run: would purge {TOLD}\n", "")
    assert unopened(vault.db) == before
    done = command()
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{TOLD}, faults: 0\n", "")
    assert numbers(alice, "many") == list(range(13, 3, -1))
    assert hidden(alice) == []
    assert command().stdout == ("deleted secrets: 0, expired secrets: 0, versions: 0, faults: 0\n")


def test_the_command_says_it_for_programs(vault: Vault, alice: Person, command: Purge) -> None:
    """One JSON object; with --quiet nothing, unless something is wrong."""
    doomed(vault, alice)
    facts = {"deleted": 1, "expired": 1, "versions": 3}
    dry = command("--dry-run", "--json")
    assert json.loads(dry.stdout) == {"ok": True, "dry_run": True, **facts, "faults": []}
    quiet = command("--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")
    done = command("--json")
    assert json.loads(done.stdout) == {"ok": True, **dict.fromkeys(facts, 0), "faults": []}


def test_the_settings_decide(app: Flask, vault: Vault, alice: Person, command: Purge) -> None:
    """How many versions stay, and for how long what has expired does."""
    write(alice, "a", 4)
    write(alice, "expired")
    expire(alice, "expired", utcnow())
    run(vault, "UPDATE secrets SET updated_at = updated_at - 120000000")
    run(vault, "UPDATE secrets SET expires_at = 0 WHERE expires_at IS NOT NULL")
    for minutes, told in ((3, "expired secrets: 0"), (1, "expired secrets: 1")):
        changed = {"VERSIONS_KEPT": 3, "DELETED_RETENTION": timedelta(minutes=minutes)}
        settings = vault.settings.model_copy(update=changed)
        context.install(app, replace(vault, settings=settings))
        assert f"{told}, versions: 1\n" in command("--dry-run").stdout


def test_a_mistyped_option_is_a_wrong_usage(command: Purge) -> None:
    """2, as every command has it."""
    assert command("--dry").exit_code == 2


def test_a_database_that_stays_busy_is_told_in_one_line(
    vault: Vault, alice: Person, command: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1; what was committed stays, and the next run does the rest."""
    doomed(vault, alice)
    vault.close()
    with monkeypatch.context() as impatient, locked(vault.settings.DATABASE_URL):
        impatient.setattr(vault.db, "patience_seconds", 0.1)
        impatient.setattr(vault.db, "_busy_timeout_ms", 1000)
        done = command("--quiet")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == (
        "flask purge: The database is busy. Try again in a moment. "
        "What was committed stays; run it again.\n"
    )
    assert command().stdout == f"{TOLD}, faults: 0\n"
