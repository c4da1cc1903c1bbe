"""Rows that a rotation cannot do anything with: each is named with the reason, keeps its key, and
holds up nothing else."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from models.errors import IntegrityViolation
from models.reports import Fault
from models.rows import UserId
from tests.support.rotation import add_owner, number, run
from tests.support.wrapped import Meanwhile
from utils import rotation
from utils.rotation import Rotator
from utils.vault import Vault

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)
EACH = 4  # ciphertexts of an account
WRONG_KEY = "A ciphertext does not open with its key."
STATES = "SELECT count(*) FROM user_keys WHERE state = ?"


@pytest.fixture
def owners(vault: Vault) -> list[UserId]:
    """Three accounts."""
    return [add_owner(vault, name, count=1) for name in ("ada", "bea", "cleo")]


@pytest.fixture
def rotator(vault: Vault, owners: list[UserId], now: datetime) -> Rotator:
    """A rotation of all of them, which has made the new keys."""
    made = Rotator(vault.db, vault.master, now)
    made.switch(ALWAYS)
    return made


def versions_of(vault: Vault, owner: UserId) -> list[int]:
    """The numbers of an account's versions."""
    with vault.db.read() as tx:
        rows = tx.all(
            "SELECT v.id FROM secret_versions v JOIN secrets s ON s.id = v.secret_id "
            "WHERE s.owner_id = ? ORDER BY v.id",
            owner,
        )
    return [row[0] for row in rows]


def wheres(versions: list[int]) -> list[str]:
    """How a fault names them."""
    return [f"secret_versions id={version}" for version in versions]


@pytest.mark.parametrize("few_keys", [0, 64])
def test_a_damaged_value_is_named_and_keeps_its_key(
    vault: Vault,
    owners: list[UserId],
    rotator: Rotator,
    few_keys: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everything else moves, and every other key is destroyed."""
    monkeypatch.setattr(rotation, "_FEW_KEYS", few_keys)
    damaged = versions_of(vault, owners[1])[2]
    run(vault, "UPDATE secret_versions SET ciphertext = 'damaged' WHERE id = ?", damaged)
    rotator.sweep()
    rotator.destroy()
    assert rotator.report.faults == [Fault(f"secret_versions id={damaged}", WRONG_KEY)]
    assert (rotator.report.reencrypted, rotator.report.destroyed) == (3 * EACH - 1, 2)
    assert number(vault, STATES, "retired") == 1


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("sealed = 'damaged'", WRONG_KEY),
        ("master = 'feedfacefeedface'", "The database needs master key feedfacefeedface"),
    ],
)
def test_each_value_of_a_key_that_does_not_open_is_named(
    vault: Vault, owners: list[UserId], rotator: Rotator, damage: str, why: str
) -> None:
    """With what is wrong with the key, which cannot be destroyed: it may be mended."""
    former = number(vault, "SELECT min(id) FROM user_keys WHERE owner_id = ?", owners[1])
    run(vault, f"UPDATE user_key_material SET {damage} WHERE key_id = ?", former)  # noqa: S608
    rotator.sweep()
    rotator.destroy()
    faults = rotator.report.faults
    assert sorted(fault.where for fault in faults) == sorted(wheres(versions_of(vault, owners[1])))
    assert {fault.what.startswith(why) for fault in faults} == {True}
    assert (rotator.report.reencrypted, rotator.report.destroyed) == (2 * EACH, 2)


def test_values_without_a_current_key_are_named(
    vault: Vault, owners: list[UserId], rotator: Rotator, now: datetime
) -> None:
    """Of the accounts that were asked for; they have nowhere to go."""
    run(
        vault,
        "UPDATE user_keys SET state = 'retired' WHERE owner_id = ? AND state = 'current'",
        owners[1],
    )
    rotator.sweep()
    nowhere = "It has no key to be re-encrypted with."
    found = wheres(versions_of(vault, owners[1]))
    assert rotator.report.faults == [Fault(where, nowhere) for where in found]
    assert rotator.report.reencrypted == 2 * EACH
    for chosen, faults in ((owners[0], 0), (owners[1], EACH)):
        alone = Rotator(vault.db, vault.master, now, frozenset({chosen}))
        alone.sweep()
        assert len(alone.report.faults) == faults


def test_keys_that_cannot_be_destroyed_together_are_destroyed_one_by_one(
    vault: Vault, owners: list[UserId], rotator: Rotator, now: datetime
) -> None:
    """PostgreSQL refuses a whole transaction for one key that is needed again at that moment."""
    rotator.sweep()
    refusals = [IntegrityViolation("It is needed, as the test wanted.")] * 2

    def refuse() -> None:
        if refusals:
            raise refusals.pop()

    last = Rotator(Meanwhile(vault.db, refuse), vault.master, now)
    last.destroy()
    assert last.report.destroyed == 2, "all three were refused at once, and then the first"
    assert number(vault, STATES, "retired") == 1
    last.destroy()
    assert last.report.destroyed == 3
    assert number(vault, STATES, "retired") == 0


def test_a_report_counts_what_all_transactions_did(
    vault: Vault, owners: list[UserId], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many it takes."""
    monkeypatch.setattr(rotation, "_SWITCH_BATCH", 1)
    rotator = Rotator(vault.db, vault.master, now, batch_size=1)
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()
    report = rotator.report
    assert (report.switched, report.reencrypted, report.destroyed) == (3, 3 * EACH, 3)
