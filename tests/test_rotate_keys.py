"""rotate_keys.py as cron runs it: which keys each option replaces, and what it tells of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from models.rows import UserId
from models.times import utcnow
from tests.support.dump import delta, dump
from tests.support.people import Person
from tests.support.rotation import (
    Ran,
    add_owner,
    age_keys,
    assert_sound,
    number,
    rotate,
    run,
    seen,
    stale,
    states,
)
from utils.store import keys
from utils.store.system import PURPOSES
from utils.vault import Vault

FRESH, OLD = ["current"], ["destroyed", "current"]
EACH = 6  # ciphertexts that add_owner() makes


@pytest.fixture
def owners(vault: Vault) -> dict[str, UserId]:
    """Two accounts with keys of today, and one whose key was made 31 days ago."""
    made = {name: add_owner(vault, name) for name in ("ada", "bea", "old")}
    age_keys(vault, made["old"], timedelta(days=31))
    return made


def ended_well(ran: Ran, line: str) -> None:
    """Exit status 0, one line on stdout, and nothing for cron to send a mail about errors."""
    assert (ran.status, ran.out, ran.err) == (0, line + "\n", "")


def after(vault: Vault, owners: dict[str, UserId]) -> dict[str, list[str]]:
    """The states of each account's keys, in a state in which nothing is stale."""
    found = assert_sound(vault)
    assert stale(found) == []
    return {name: states(found, owner) for name, owner in owners.items()}


def last_outcome(vault: Vault) -> tuple[str, int, int, int, int]:
    """How the last run ended, as it was recorded."""
    with vault.db.read() as tx:
        row = tx.one(
            "SELECT outcome, switched, reencrypted, destroyed, failed FROM rotation_runs "
            "WHERE finished_at >= started_at ORDER BY id DESC LIMIT 1"
        )
    assert row is not None
    return row[0], row[1], row[2], row[3], row[4]


# --- which keys --------------------------------------------------------------------------------


def test_without_arguments_old_keys_are_replaced(vault: Vault, owners: dict[str, UserId]) -> None:
    """Those older than KEY_MAX_AGE, 30 days if not configured. What is stale anyway is swept."""
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owners["ada"], utcnow())
    before = seen(assert_sound(vault))
    line = f"new keys: 1, re-encrypted: {2 * EACH}, destroyed: 2, faults: 0"
    ended_well(rotate(vault.settings), line)
    assert after(vault, owners) == {"ada": OLD, "bea": FRESH, "old": OLD}
    assert seen(dump(vault.db, vault.master)) == before
    assert last_outcome(vault) == ("done", 1, 2 * EACH, 2, 0)

    ended_well(rotate(vault.settings), "new keys: 0, re-encrypted: 0, destroyed: 0, faults: 0")
    assert last_outcome(vault) == ("done", 0, 0, 0, 0)

    age_keys(vault, owners["bea"], timedelta(hours=2))
    line = f"new keys: 1, re-encrypted: {EACH}, destroyed: 1, faults: 0"
    ended_well(rotate(vault.settings, KEY_MAX_AGE="1h"), line)
    assert after(vault, owners) == {"ada": OLD, "bea": OLD, "old": OLD}


def test_all_keys_are_replaced(vault: Vault, owners: dict[str, UserId]) -> None:
    """Also one that was made while the clock was wrong; and the key that signs tokens."""
    age_keys(vault, owners["ada"], timedelta(days=-400))
    ran = rotate(vault.settings, "--all", "--json")
    assert ran.status == 0
    assert ran.json == {
        "ok": True,
        "switched": 3,
        "signing_keys": 1,
        "reencrypted": 3 * EACH,
        "destroyed": 3,
        "faults": [],
    }
    assert after(vault, owners) == {"ada": OLD, "bea": OLD, "old": OLD}


def test_only_the_named_users_keys_are_replaced(vault: Vault, owners: dict[str, UserId]) -> None:
    """Whatever their age, and however their names are written."""
    line = f"new keys: 2, re-encrypted: {2 * EACH}, destroyed: 2, faults: 0"
    ended_well(rotate(vault.settings, "--user", "ADA", "--user", "bea", "--user", "Ada"), line)
    assert after(vault, owners) == {"ada": OLD, "bea": OLD, "old": FRESH}


def test_an_unknown_user_stops_everything(vault: Vault, owners: dict[str, UserId]) -> None:
    """Before anything is done: a typing mistake must not rotate half of what was meant."""
    before = dump(vault.db, vault.master)
    for name in ("nobody", "not a username", ""):
        ran = rotate(vault.settings, "--user", "ada", "--user", name)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == f"rotate_keys.py: There is no user {name!r}.\n"
    run(vault, "UPDATE users SET state = 'deleted', password_hash = NULL WHERE username = 'bea'")
    assert rotate(vault.settings, "--user", "bea").status == 2
    run(vault, "UPDATE users SET state = 'active', password_hash = 'none' WHERE username = 'bea'")
    assert delta(before, dump(vault.db, vault.master)) == []


def test_keys_of_a_given_age_are_replaced(vault: Vault, owners: dict[str, UserId]) -> None:
    """With --user, only theirs."""
    age_keys(vault, owners["ada"], timedelta(days=3))
    assert rotate(vault.settings, "--older-than", "4d", "--user", "ada").status == 0
    assert after(vault, owners) == {"ada": FRESH, "bea": FRESH, "old": FRESH}
    assert rotate(vault.settings, "--older-than", "2d", "--user", "ada").status == 0
    assert after(vault, owners) == {"ada": OLD, "bea": FRESH, "old": FRESH}
    assert rotate(vault.settings, "--older-than", "2d").status == 0
    assert after(vault, owners) == {"ada": OLD, "bea": FRESH, "old": OLD}
    assert rotate(vault.settings, "--older-than", "36500d").status == 0
    assert after(vault, owners) == {"ada": OLD, "bea": FRESH, "old": OLD}


def test_a_sweep_makes_no_new_keys(vault: Vault, owners: dict[str, UserId]) -> None:
    """It only finishes what is stale."""
    with vault.db.write() as tx:
        for name in ("ada", "bea"):
            keys.switch(tx, vault.master, owners[name], utcnow())
    ran = rotate(vault.settings, "--sweep-only", "--user", "bea", "--json")
    assert (ran.json["switched"], ran.json["reencrypted"], ran.json["destroyed"]) == (0, EACH, 1)
    line = f"new keys: 0, re-encrypted: {EACH}, destroyed: 1, faults: 0"
    ended_well(rotate(vault.settings, "--sweep-only"), line)
    assert after(vault, owners) == {"ada": OLD, "bea": OLD, "old": FRESH}


# --- what would be done ------------------------------------------------------------------------


def test_a_dry_run_says_what_a_run_then_does(vault: Vault, owners: dict[str, UserId]) -> None:
    """And changes nothing, not even the record of runs."""
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owners["bea"], utcnow())
    for arguments in (
        ("--sweep-only", "--user", "ada"),
        ("--user", "bea"),
        (),
        ("--all",),
    ):
        before = dump(vault.db, vault.master)
        told = rotate(vault.settings, *arguments, "--dry-run", "--json").json
        assert dump(vault.db, vault.master) == before
        done = rotate(vault.settings, *arguments, "--json").json
        assert told == {"dry_run": True, **done}, arguments
    assert done["destroyed"] == 3
    ran = rotate(vault.settings, "--dry-run", "--all")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        f"dry run: would make 3 new keys, re-encrypt {3 * EACH} ciphertexts and destroy 3 keys\n"
    )


# --- what there is -----------------------------------------------------------------------------


def status(vault: Vault, *arguments: str) -> dict[str, Any]:
    """What --status tells, as JSON."""
    ran = rotate(vault.settings, "--status", "--json", *arguments)
    assert (ran.status, ran.err) == (0, "")
    return ran.json


def own_keys(person: Person) -> list[dict[str, Any]]:
    """A person's keys over HTTP, in the words of --status."""
    found: list[dict[str, Any]] = person.get("/keys").json["keys"]  # type: ignore[index]
    return [{"public_id": key.pop("id"), **key, "owner": person.username} for key in found]


def by_id(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keys in an order that does not depend on who lists them."""
    return sorted(found, key=lambda key: str(key["public_id"]))


def test_the_status_agrees_with_what_owners_are_told(
    vault: Vault, alice: Person, bob: Person
) -> None:
    """State, dates and count of each key that still exists; and the sums of them."""
    for value in ("first", "second"):
        alice.put("/secrets/a", json={"secret": value})
    for person in (alice, bob):
        person.post("/keys:rotate")
    alice.put("/secrets/a", json={"secret": "third"})
    told = status(vault)
    assert by_id(told["keys"]) == by_id(own_keys(alice) + own_keys(bob))
    assert (told["stale"], told["destroyed"], told["last_run"]) == (2, 0, None)
    assert rotate(vault.settings, "--sweep-only", "--user", "alice").status == 0

    told = status(vault)
    there = [key for key in own_keys(alice) + own_keys(bob) if key["state"] != "destroyed"]
    assert by_id(told["keys"]) == by_id(there)
    assert (told["stale"], told["oldest_stale"], told["destroyed"]) == (0, None, 1)
    run_told = told["last_run"]
    assert (run_told["outcome"], run_told["reencrypted"], run_told["destroyed"]) == ("done", 2, 1)
    assert run_told["started_at"] <= run_told["finished_at"]


def test_the_status_of_one_user_is_only_theirs(vault: Vault, owners: dict[str, UserId]) -> None:
    """All of its numbers."""
    assert rotate(vault.settings, "--user", "ada").status == 0
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owners["bea"], utcnow())
    everybody, ada, bea = (
        status(vault),
        status(vault, "--user", "ADA"),
        status(vault, "--user", "bea"),
    )
    assert (everybody["destroyed"], ada["destroyed"], bea["destroyed"]) == (1, 1, 0)
    assert (everybody["stale"], ada["stale"], bea["stale"]) == (EACH, 0, EACH)
    assert {key["owner"] for key in ada["keys"]} == {"ada"}
    assert [key["state"] for key in bea["keys"]] == ["retired", "current"]
    assert ada["oldest_stale"] is None
    assert bea["oldest_stale"] == everybody["oldest_stale"] is not None


def test_the_status_tells_since_when_something_is_stale(
    vault: Vault, owners: dict[str, UserId], now: datetime
) -> None:
    """The oldest value under a retired key: how long a stolen key would have been of use."""
    run(
        vault,
        "UPDATE secret_versions SET created_at = created_at - 86400000000 * 9 WHERE id = ?",
        number(
            vault,
            "SELECT min(v.id) FROM secret_versions v JOIN user_keys k ON k.id = v.key_id "
            "WHERE k.owner_id = ?",
            owners["bea"],
        ),
    )
    assert status(vault)["oldest_stale"] is None
    with vault.db.write() as tx:
        for owner in owners.values():
            keys.switch(tx, vault.master, owner, utcnow())
    told = status(vault, "--user", "bea")["oldest_stale"]
    nine_days_ago = now - timedelta(days=9)
    assert abs(datetime.fromisoformat(told.replace("Z", "+00:00")) - nine_days_ago) < timedelta(
        hours=1
    )


def test_the_status_is_a_table_for_people(vault: Vault, owners: dict[str, UserId]) -> None:
    """One row a key; the last line sums up."""
    assert rotate(vault.settings, "--user", "ada").status == 0
    ran = rotate(vault.settings, "--status")
    assert (ran.status, ran.err) == (0, "")
    header, *rows, masters, master, summary = ran.out.splitlines()
    assert header.split() == ["user", "key", "state", "created", "ciphertexts"]
    assert [(row.split()[0], row.split()[2], row.split()[4]) for row in rows] == [
        ("bea", "current", str(EACH)),
        ("old", "current", str(EACH)),
        ("ada", "current", str(EACH)),
    ]
    assert masters.split() == ["master", "key", "state", "wraps"]
    assert master.split() == [
        vault.master.current,
        "current",
        str(3 + len(PURPOSES)),
        "keys",
    ]  # of three users, and the service's
    assert summary.startswith("3 keys, 1 destroyed, 0 stale ciphertexts, oldest stale: none, ")
    assert summary.endswith(" done")
