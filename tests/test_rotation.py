"""Switch, sweep, destroy: what each step does, to whose keys, and what it leaves alone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from models.errors import IntegrityViolation
from models.reports import Report
from models.rows import KeyId, UserId, Username
from models.times import utcnow
from tests.support.dump import Dump
from tests.support.rotation import (
    add_owner,
    age_keys,
    assert_sound,
    number,
    run,
    seen,
    stale,
    states,
    write,
)
from tests.support.wrapped import Recording
from utils import rotation
from utils.rotation import Rotator, owners_due
from utils.store import accounts, keys
from utils.vault import Vault

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)
PER_OWNER = 6  # ciphertexts that add_owner() makes


@pytest.fixture
def owners(vault: Vault) -> list[UserId]:
    """Three accounts, whose secrets lie among each other in the table."""
    made = [add_owner(vault, f"owner-{i}") for i in range(3)]
    for i in range(4):
        for owner in made:
            write(vault, owner, f"late-{i}", b"late")
    return made


@pytest.fixture(params=["by key", "in order"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to sweep: of a few keys by index, of many in the table's order."""
    monkeypatch.setattr(rotation, "_FEW_KEYS", 64 if request.param == "by key" else 0)
    return str(request.param)


def rows_of(found: Dump, owner: UserId) -> list[str]:
    """Everything that belongs to an account, as it is stored."""
    own_secrets = {row["id"] for row in found["secrets"] if row["owner_id"] == owner}
    own_keys = {row["id"] for row in found["user_keys"] if row["owner_id"] == owner}
    return sorted(
        [repr(row) for row in found["users"] if row["id"] == owner]
        + [repr(row) for row in found["secrets"] if row["id"] in own_secrets]
        + [repr(row) for row in found["secret_versions"] if row["secret_id"] in own_secrets]
        + [repr(row) for row in found["user_keys"] if row["id"] in own_keys]
        + [repr(row) for row in found["user_key_material"] if row["key_id"] in own_keys]
    )


def rotate(vault: Vault, now: datetime | None = None) -> Report:
    """A whole rotation of all accounts."""
    rotator = Rotator(vault.db, vault.master, now or utcnow())
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()
    return rotator.report


# --- the steps ---------------------------------------------------------------------------------


@pytest.mark.invariant(number=1)
@pytest.mark.invariant(number=2)
@pytest.mark.invariant(number=3)
@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_each_step_leaves_a_sound_state(
    vault: Vault, owners: list[UserId], path: str, batch_size: int
) -> None:
    """Old versions, deleted and expired secrets included: everything moves, nothing changes."""
    before = seen(assert_sound(vault))
    total = len(owners) * (PER_OWNER + 4)
    rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=batch_size)

    rotator.switch(ALWAYS)
    switched = assert_sound(vault)
    assert rotator.report.switched == len(owners)
    assert [states(switched, owner) for owner in owners] == [["retired", "current"]] * 3
    assert len(stale(switched)) == total
    assert seen(switched) == before

    steps: list[int] = []
    rotator.sweep(steps.append)
    swept = assert_sound(vault)
    assert (rotator.report.reencrypted, sum(steps)) == (total, total)
    assert max(steps) <= batch_size
    assert stale(swept) == []
    assert [states(swept, owner) for owner in owners] == [["retired", "current"]] * 3
    assert seen(swept) == before

    rotator.destroy()
    destroyed = assert_sound(vault)
    assert rotator.report == Report(switched=3, reencrypted=total, destroyed=3)
    assert [states(destroyed, owner) for owner in owners] == [["destroyed", "current"]] * 3
    assert seen(destroyed) == before


def test_values_are_sealed_anew(vault: Vault, owners: list[UserId]) -> None:
    """With another key and other randomness: no ciphertext is what it was."""
    before = {row["id"]: row["ciphertext"] for row in assert_sound(vault)["secret_versions"]}
    rotate(vault)
    after = {row["id"]: row["ciphertext"] for row in assert_sound(vault)["secret_versions"]}
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_keys_tell_when_they_changed(vault: Vault, owners: list[UserId], now: datetime) -> None:
    """Retired and destroyed at the time of the rotation, which is also when the next one began."""
    at = now + timedelta(days=3)
    rotate(vault, at)
    with vault.db.read() as tx:
        newest, oldest = keys.list_page(tx, owners[0], "", 10)
    assert (newest.state, newest.created_at) == ("current", at)
    assert (newest.retired_at, newest.destroyed_at) == (None, None)
    assert (oldest.state, oldest.retired_at, oldest.destroyed_at) == ("destroyed", at, at)
    assert (newest.ciphertexts_remaining, oldest.ciphertexts_remaining) == (PER_OWNER + 4, 0)


def test_with_nothing_to_do_nothing_is_written(
    vault: Vault, owners: list[UserId], now: datetime
) -> None:
    """Not even a lock is taken: cron may run every minute."""
    recording = Recording(vault.db)
    rotator = Rotator(recording, vault.master, utcnow())
    rotator.switch(now - timedelta(days=30))
    rotator.sweep()
    rotator.destroy()
    assert recording.written == []
    assert rotator.report == Report()


def test_large_values_are_moved_in_small_transactions(vault: Vault) -> None:
    """A batch of 64 KiB values would hold the lock for a second."""
    add_owner(vault, "large", count=40, size=65536)
    recording = Recording(vault.db)
    rotator = Rotator(recording, vault.master, utcnow())
    rotator.switch(ALWAYS)
    rotator.sweep()
    assert sum(recording.written) > 43 * 87_000
    assert max(recording.written) < 1_100_000
    assert stale(assert_sound(vault)) == []


# --- whose -------------------------------------------------------------------------------------


def test_only_keys_that_are_due_are_replaced(
    vault: Vault, owners: list[UserId], now: datetime
) -> None:
    """By their age; everything stale is swept all the same."""
    age_keys(vault, owners[1], timedelta(days=31))
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owners[2], now)
    rotator = Rotator(vault.db, vault.master, utcnow())
    rotator.switch(now - timedelta(days=30))
    rotator.sweep()
    found = assert_sound(vault)
    assert [len(states(found, owner)) for owner in owners] == [1, 2, 2]
    assert (rotator.report.switched, rotator.report.reencrypted) == (1, 2 * (PER_OWNER + 4))
    assert stale(found) == []


def test_a_rotation_of_one_account_touches_no_other(
    vault: Vault, owners: list[UserId], path: str
) -> None:
    """Not a byte, though others have stale values and drained keys too."""
    with vault.db.write() as tx:
        for owner in owners:
            keys.switch(tx, vault.master, owner, utcnow())
    drained = add_owner(vault, "drained", count=0)
    run(vault, "DELETE FROM secrets WHERE owner_id = ?", drained)
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, drained, utcnow())
    others = [owners[0], owners[2], drained]
    before = assert_sound(vault)
    rotator = Rotator(vault.db, vault.master, utcnow(), frozenset({owners[1]}))
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()
    after = assert_sound(vault)
    assert [rows_of(after, one) for one in others] == [rows_of(before, one) for one in others]
    assert rotator.report == Report(switched=1, reencrypted=PER_OWNER + 4, destroyed=2)
    assert states(after, owners[1]) == ["destroyed", "destroyed", "current"]
    assert seen(after) == seen(before)


def test_a_rotation_of_one_account_takes_no_lock_for_others(
    vault: Vault, owners: list[UserId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many accounts there are to look through."""
    monkeypatch.setattr(rotation, "_SWITCH_BATCH", 1)
    recording = Recording(vault.db)
    rotator = Rotator(recording, vault.master, utcnow(), frozenset({owners[1]}))
    rotator.switch(ALWAYS)
    assert (rotator.report.switched, len(recording.written)) == (1, 1)


def test_disabled_accounts_rotate_and_deleted_ones_do_not(
    vault: Vault, owners: list[UserId]
) -> None:
    """A disabled account may come back; a deleted one has left nothing."""
    run(vault, "UPDATE users SET state = 'disabled' WHERE id = ?", owners[0])
    with vault.db.write() as tx:
        leaving = accounts.find_credentials(tx, Username("owner-1"))
        assert leaving is not None
        assert leaving.account.id == owners[1]
        assert accounts.delete(tx, leaving, utcnow())
    before = assert_sound(vault)
    assert sorted(one for batch in owners_due(vault.db, ALWAYS) for one in batch) == sorted(
        [owners[0], owners[2]]
    )
    with vault.db.write() as tx:
        assert not keys.switch(tx, vault.master, owners[1], utcnow())
    assert rotate(vault).switched == 2
    after = assert_sound(vault)
    assert rows_of(after, owners[1]) == rows_of(before, owners[1])
    assert states(after, owners[0]) == ["destroyed", "current"]
    assert states(after, owners[2]) == ["destroyed", "current"]


# --- what is never destroyed -------------------------------------------------------------------


@pytest.mark.invariant(number=3)
def test_a_key_in_use_is_not_destroyed(vault: Vault, owners: list[UserId], now: datetime) -> None:
    """Neither by asking for it, nor by SQL: the foreign key stands before it."""
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owners[0], now)
    used = KeyId(number(vault, "SELECT id FROM user_keys WHERE state = 'retired'"))
    with vault.db.write() as tx:
        assert not keys.destroy(tx, used, now)
    Rotator(vault.db, vault.master, now).destroy()
    with pytest.raises(IntegrityViolation):
        run(vault, "DELETE FROM user_key_material WHERE key_id = ?", used)
    assert states(assert_sound(vault), owners[0]) == ["retired", "current"]


@pytest.mark.invariant(number=3)
def test_nothing_is_written_under_a_destroyed_key(vault: Vault, owners: list[UserId]) -> None:
    """The foreign key again, from the other side."""
    rotate(vault)
    gone = number(vault, "SELECT min(id) FROM user_keys WHERE state = 'destroyed'")
    with pytest.raises(IntegrityViolation):
        run(vault, "UPDATE secret_versions SET key_id = ?", gone)


@pytest.mark.invariant(number=2)
def test_a_current_key_is_never_destroyed(vault: Vault, now: datetime) -> None:
    """Not even one that nothing was written under yet."""
    owner = add_owner(vault, "new", count=0)
    run(vault, "DELETE FROM secrets")
    current = KeyId(number(vault, "SELECT id FROM user_keys"))
    with vault.db.write() as tx:
        assert not keys.destroy(tx, current, now)
    Rotator(vault.db, vault.master, now).destroy()
    assert states(assert_sound(vault), owner) == ["current"]


# --- how ---------------------------------------------------------------------------------------


@pytest.mark.one_engine("sqlite", "it reads SQLite's query plans")
def test_no_statement_of_a_sweep_reads_what_it_does_not_need(
    vault: Vault, owners: list[UserId], path: str
) -> None:
    """By index, in the order of the index: no table is scanned, and nothing is sorted. Otherwise
    each batch of a million rows would cost a million rows."""
    recording = Recording(vault.db)
    rotator = Rotator(recording, vault.master, utcnow(), batch_size=5)
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()
    plans = {sql: plan(vault, sql, parameters) for sql, parameters in recording.statements}
    assert len(plans) > 10
    assert any("secret_versions v" in sql for sql in plans)
    few = "USING INDEX retired_user_keys"  # a partial index: there are only so many
    for sql, steps in plans.items():
        wasteful = [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step]
        assert [step for step in wasteful if few not in step.replace("COVERING ", "")] == [], sql


def plan(vault: Vault, sql: str, parameters: object) -> list[str]:
    """How SQLite goes about a statement."""
    assert isinstance(parameters, tuple)
    with vault.db.read() as tx:
        return [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", *parameters)]
