"""``rotate_keys.py --verify`` finds what is damaged and changes nothing; a rotation names what it
cannot open, leaves it as it is, and does the rest."""

from __future__ import annotations

from typing import Any

import pytest

from models.rows import UserId
from models.times import utcnow
from tests.support import damage
from tests.support.dump import dump, unopened
from tests.support.rotation import add_owner, assert_sound, rotate, stale
from utils.rotation import Rotator
from utils.sqlite import SqliteDatabase
from utils.sqlite_remains import empty_wal
from utils.store import keys
from utils.store.system import PURPOSES
from utils.vault import Vault
from utils.verify import verify

EACH = 6  # ciphertexts that add_owner() makes


@pytest.fixture
def owners(vault: Vault) -> list[UserId]:
    """Three accounts: with a current key, with a retired one that is needed, and one drained."""
    made = [add_owner(vault, name) for name in ("fresh", "stale", "drained")]
    with vault.db.write() as tx:
        for owner in made[1:]:
            keys.switch(tx, vault.master, owner, utcnow())
    Rotator(vault.db, vault.master, utcnow(), frozenset(made[2:])).sweep()
    return made


def faults(vault: Vault) -> dict[str, str]:
    """What --verify finds: where, and what. It changes nothing."""
    before = unopened(vault.db)
    ran = rotate(vault.settings, "--verify", "--json")
    assert unopened(vault.db) == before
    assert ran.status == (1 if ran.json["faults"] else 0)
    return {fault["where"]: fault["what"] for fault in ran.json["faults"]}


# --- verify ------------------------------------------------------------------------------------


def test_an_undamaged_database_has_no_faults(vault: Vault, owners: list[UserId]) -> None:
    """Everything was opened: old versions, deleted and expired secrets, keys in every state."""
    ran = rotate(vault.settings, "--verify")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        f"{len(PURPOSES) + 5} keys, {3 * EACH} ciphertexts and 4 events checked, 0 faults\n"
    )
    Rotator(vault.db, vault.master, utcnow()).destroy()
    assert faults(vault) == {}


@pytest.mark.parametrize("kind", damage.ALL, ids=lambda kind: kind.__name__)
def test_each_kind_of_damage_is_found(
    vault: Vault, owners: list[UserId], kind: damage.Damage
) -> None:
    """By the number of the row, and the rest is opened all the same. Nothing is changed."""
    expected = kind(vault)
    before = unopened(vault.db)
    progress: list[int] = []
    found = verify(vault.db, vault.master, progress.append)
    assert unopened(vault.db) == before
    told = {fault.where for fault in found.faults}
    # SQLite itself also lists references that lead nowhere, with its own word for the number.
    assert {where for where in told if "rowid=" not in where} == expected
    assert found.ciphertexts == sum(progress) == len(before["secret_versions"])
    assert not [fault for fault in found.faults if "gAAAA" in fault.what]


def test_many_kinds_of_damage_are_found_at_once(vault: Vault, owners: list[UserId]) -> None:
    """One fault hides no other, and the command names them all."""
    expected = damage.undead_key(vault) | damage.flipped_system_key(vault)
    expected |= damage.missing_newest_version(vault) | damage.flipped_ciphertext(vault)
    expected |= damage.missing_current_key(vault)
    assert set(faults(vault)) == expected
    assert len(expected) == 5


@pytest.mark.one_engine("sqlite", "it damages pages of the file")
def test_damaged_pages_are_found_and_the_rest_is_opened(vault: Vault, owners: list[UserId]) -> None:
    """What SQLite cannot read is a fault like another: no other table is left unchecked."""
    flipped = damage.flipped_system_key(vault)
    overwrite_page(vault, "secret_versions")
    ran = rotate(vault.settings, "--verify", "--json")
    told = {fault["where"]: fault["what"] for fault in ran.json["faults"]}
    assert (ran.status, ran.err) == (1, "")
    assert flipped <= set(told)
    assert told["secret_versions"] == "cannot be read to its end: its file is damaged"
    assert "database" in told
    assert ran.json["keys"] == len(PURPOSES) + 5


def overwrite_page(vault: Vault, table: str) -> None:
    """Overwrite the first page of a table."""
    assert isinstance(vault.db, SqliteDatabase)
    root = damage.rows(vault, "SELECT rootpage FROM sqlite_schema WHERE name = ?", table)[0][0]
    assert empty_wal(vault.db)
    vault.close()
    content = bytearray(vault.db.path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    vault.db.path.write_bytes(content)


# --- what a rotation makes of it ---------------------------------------------------------------


def test_what_does_not_open_is_left_as_it_is(vault: Vault, owners: list[UserId]) -> None:
    """Named by its number, each time; its key is kept, in case somebody can repair it; the rest
    goes on. Once it is repaired, the next run finishes."""
    healthy = {row["id"]: row["opened"] for row in dump(vault.db, vault.master)["secret_versions"]}
    (where,) = damage.flipped_ciphertext(vault)
    row = int(where.partition("=")[2])
    sql = "SELECT ciphertext, key_id FROM secret_versions WHERE id = ?"
    ((damaged, key),) = damage.rows(vault, sql, row)
    for run in range(2):
        ran = rotate(vault.settings, "--all")
        assert ran.status == 1
        assert ran.err == f"fault: {where}: A ciphertext does not open with its key.\n"
        moved, destroyed = 3 * EACH - 1, 4 if run == 0 else 3
        assert ran.out == f"new keys: 3, re-encrypted: {moved}, destroyed: {destroyed}, faults: 1\n"
        assert damage.rows(vault, sql, row) == [(damaged, key)]
        ((state,),) = damage.rows(vault, "SELECT state FROM user_keys WHERE id = ?", key)
        assert state == "retired"
    assert set(faults(vault)) == {where}
    ran = rotate(vault.settings, "--status", "--json")
    assert (ran.json["stale"], ran.json["last_run"]["outcome"]) == (1, "incomplete")
    assert ran.json["last_run"]["failed"] == 1

    middle = len(damaged) // 2
    repaired = damaged[:middle] + chr(ord(damaged[middle]) ^ 1) + damaged[middle + 1 :]
    damage.plant(vault, "UPDATE secret_versions SET ciphertext = ? WHERE id = ?", repaired, row)
    ran = rotate(vault.settings)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "new keys: 0, re-encrypted: 1, destroyed: 1, faults: 0\n"
    found = assert_sound(vault)
    assert stale(found) == []
    assert {row["id"]: row["opened"] for row in found["secret_versions"]} == healthy


@pytest.mark.parametrize(
    "kind", [damage.flipped_key, damage.swapped_ciphertexts, damage.reowned_secret]
)
def test_no_damage_stops_a_rotation_or_is_made_worse(
    vault: Vault, owners: list[UserId], kind: damage.Damage
) -> None:
    """Everything else is under new keys afterwards, and what was damaged is as it was."""
    expected = {where for where in kind(vault) if where.startswith("secret_versions")}
    numbers = {int(where.partition("=")[2]) for where in expected}

    def damaged_rows() -> list[dict[str, Any]]:
        return [row for row in unopened(vault.db)["secret_versions"] if row["id"] in numbers]

    before = sorted(map(repr, damaged_rows()))
    ran = rotate(vault.settings, "--all", "--json")
    assert ran.status == 1
    assert {fault["where"] for fault in ran.json["faults"]} == expected
    assert ran.json["reencrypted"] == 3 * EACH - len(expected)
    assert sorted(map(repr, damaged_rows())) == before
    assert stale(unopened(vault.db)) == sorted(numbers)


def test_values_of_an_account_without_a_current_key_are_not_forgotten(
    vault: Vault, owners: list[UserId]
) -> None:
    """There is nothing to re-encrypt them with; success is not reported before there is."""
    damage.plant(
        vault,
        "UPDATE user_keys SET state = 'retired' WHERE owner_id = ? AND state = 'current'",
        owners[0],
    )
    ran = rotate(vault.settings, "--all", "--json")
    assert ran.status == 1
    assert {fault["what"] for fault in ran.json["faults"]} == {
        "It has no key to be re-encrypted with."
    }
    assert len(ran.json["faults"]) == EACH
    assert ran.json["reencrypted"] == 2 * EACH


@pytest.mark.one_engine("sqlite", "it damages pages of the file")
def test_a_damaged_page_ends_a_rotation_in_one_line(vault: Vault, owners: list[UserId]) -> None:
    """It says what it is."""
    overwrite_page(vault, "secret_versions")
    ran = rotate(vault.settings, "--all")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "rotate_keys.py: The database is not available: its file is damaged. "
        "What was committed stays; run it again.\n"
    )
