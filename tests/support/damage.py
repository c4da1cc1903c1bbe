"""Damage to a database, as a bad disk, a bad restore or somebody with SQL would do it.

Each function does one kind, and returns the faults that must be found: ``{"users id=7"}``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from utils.db import Row
from utils.sqlite import SqliteDatabase
from utils.vault import Vault

Damage = Callable[[Vault], set[str]]


def plant(vault: Vault, sql: str, *parameters: Any) -> None:
    """Change rows past all constraints: those that the database would not let pass, too."""
    if isinstance(vault.db, SqliteDatabase):
        vault.close()
        with closing(sqlite3.connect(vault.db.path)) as lite, lite:
            lite.execute("PRAGMA foreign_keys = OFF")
            lite.execute(sql, parameters)
        return
    with psycopg.connect(vault.settings.DATABASE_URL) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(sql.replace("?", "%s").encode(), parameters or None)


def rows(vault: Vault, sql: str, *parameters: object) -> list[Row]:
    """What a query answers."""
    with vault.db.read() as tx:
        return tx.all(sql, *parameters)


def _newest_versions(vault: Vault) -> list[Row]:
    """Id and ciphertext of the newest versions of the first account's secrets."""
    return rows(
        vault,
        "SELECT v.id, v.ciphertext FROM secret_versions v JOIN secrets s "
        "ON s.id = v.secret_id AND s.version = v.number "
        "WHERE s.owner_id = (SELECT min(owner_id) FROM secrets) ORDER BY v.id",
    )


def _set_ciphertext(vault: Vault, row: int, ciphertext: str) -> set[str]:
    plant(vault, "UPDATE secret_versions SET ciphertext = ? WHERE id = ?", ciphertext, row)
    return {f"secret_versions id={row}"}


def _flipped(text: str) -> str:
    """One bit of one character in the middle."""
    middle = len(text) // 2
    return text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]


def flipped_ciphertext(vault: Vault) -> set[str]:
    """One bit."""
    row, ciphertext = _newest_versions(vault)[0]
    return _set_ciphertext(vault, row, _flipped(ciphertext))


def truncated_ciphertext(vault: Vault) -> set[str]:
    """Down to nothing."""
    return _set_ciphertext(vault, _newest_versions(vault)[1][0], "")


def swapped_ciphertexts(vault: Vault) -> set[str]:
    """Two values of one account, each in the other's place."""
    (here, one), (there, other), *_ = _newest_versions(vault)
    return _set_ciphertext(vault, here, other) | _set_ciphertext(vault, there, one)


def flipped_key(vault: Vault) -> set[str]:
    """A wrapped key: everything under it is lost with it."""
    ((key, sealed),) = rows(
        vault,
        "SELECT key_id, sealed FROM user_key_material "
        "WHERE key_id = (SELECT min(key_id) FROM secret_versions)",
    )
    plant(vault, "UPDATE user_key_material SET sealed = ? WHERE key_id = ?", _flipped(sealed), key)
    under = rows(vault, "SELECT id FROM secret_versions WHERE key_id = ?", key)
    return {f"user_keys id={key}", *(f"secret_versions id={row[0]}" for row in under)}


def reowned_key(vault: Vault) -> set[str]:
    """A key in somebody else's name."""
    ((key, owner),) = rows(
        vault, "SELECT id, owner_id FROM user_keys WHERE state = 'retired' ORDER BY id LIMIT 1"
    )
    plant(
        vault,
        "UPDATE user_keys SET owner_id = (SELECT min(id) FROM users WHERE id <> ?) WHERE id = ?",
        owner,
        key,
    )
    return {f"user_keys id={key}"}


def reowned_secret(vault: Vault) -> set[str]:
    """A secret in somebody else's account."""
    ((secret, owner),) = rows(vault, "SELECT id, owner_id FROM secrets ORDER BY id LIMIT 1")
    plant(
        vault,
        "UPDATE secrets SET owner_id = (SELECT min(id) FROM users WHERE id <> ?), "
        "name = 'stolen' WHERE id = ?",
        owner,
        secret,
    )
    found = rows(vault, "SELECT id FROM secret_versions WHERE secret_id = ?", secret)
    return {f"secret_versions id={row[0]}" for row in found}


def missing_material(vault: Vault) -> set[str]:
    """A key without its material, while ciphertexts need it."""
    ((key,),) = rows(vault, "SELECT max(key_id) FROM secret_versions")
    plant(vault, "DELETE FROM user_key_material WHERE key_id = ?", key)
    under = rows(vault, "SELECT id FROM secret_versions WHERE key_id = ?", key)
    return {f"user_keys id={key}", *(f"secret_versions id={row[0]}" for row in under)}


def missing_current_key(vault: Vault) -> set[str]:
    """An account that can't write any more."""
    ((owner,),) = rows(vault, "SELECT min(id) FROM users")
    plant(
        vault,
        "UPDATE user_keys SET state = 'retired' WHERE owner_id = ? AND state = 'current'",
        owner,
    )
    return {f"users id={owner}"}


def duplicate_current_key(vault: Vault) -> set[str]:
    """An account with two, which only a missing index allows."""
    ((key, owner),) = rows(
        vault, "SELECT id, owner_id FROM user_keys WHERE state = 'retired' ORDER BY id LIMIT 1"
    )
    plant(vault, "DROP INDEX one_current_user_key")
    plant(vault, "UPDATE user_keys SET state = 'current' WHERE id = ?", key)
    return {f"users id={owner}"}


def half_deleted_account(vault: Vault) -> set[str]:
    """An account that is said to be deleted, and whose keys still open its secrets."""
    ((owner,),) = rows(vault, "SELECT min(id) FROM users")
    plant(vault, "UPDATE users SET state = 'deleted', password_hash = NULL WHERE id = ?", owner)
    return {f"users id={owner}"}


def undead_key(vault: Vault) -> set[str]:
    """A key that is said to be destroyed, and is there."""
    ((key,),) = rows(vault, "SELECT min(id) FROM user_keys WHERE state = 'retired'")
    plant(vault, "UPDATE user_keys SET state = 'destroyed' WHERE id = ?", key)
    return {f"user_keys id={key}"}


def missing_newest_version(vault: Vault) -> set[str]:
    """A secret whose value is gone."""
    ((secret, version),) = rows(vault, "SELECT id, version FROM secrets ORDER BY id LIMIT 1")
    plant(vault, "DELETE FROM secret_versions WHERE secret_id = ? AND number = ?", secret, version)
    return {f"secrets id={secret}"}


def missing_secret(vault: Vault) -> set[str]:
    """Versions of a secret that does not exist."""
    ((secret,),) = rows(vault, "SELECT min(id) FROM secrets")
    plant(vault, "DELETE FROM secrets WHERE id = ?", secret)
    found = rows(vault, "SELECT id FROM secret_versions WHERE secret_id = ?", secret)
    return {f"secret_versions id={row[0]}" for row in found}


def flipped_system_key(vault: Vault) -> set[str]:
    """The pepper: nobody could log in."""
    ((key, sealed),) = rows(vault, "SELECT id, sealed FROM system_keys WHERE purpose = 'pepper'")
    plant(vault, "UPDATE system_keys SET sealed = ? WHERE id = ?", _flipped(sealed), key)
    return {f"system_keys id={key}"}


def missing_system_key(vault: Vault) -> set[str]:
    """No key signs tokens."""
    plant(vault, "DELETE FROM system_keys WHERE purpose = 'signing'")
    return {"system_keys"}


def changed_event(vault: Vault) -> set[str]:
    """What is said of who did it."""
    ((chain,),) = rows(vault, "SELECT min(chain_id) FROM audit_events WHERE chain_id <> 0")
    plant(vault, "UPDATE audit_events SET username = 'mallory' WHERE chain_id = ?", chain)
    return {f"audit_events chain_id={chain} number=1"}


def missing_chain(vault: Vault) -> set[str]:
    """All that an account's audit trail held."""
    ((chain,),) = rows(vault, "SELECT max(chain_id) FROM audit_events")
    plant(vault, "DELETE FROM audit_events WHERE chain_id = ?", chain)
    plant(vault, "DELETE FROM audit_heads WHERE chain_id = ?", chain)
    return {f"audit_events chain_id={chain} number=0"}


ALL: tuple[Damage, ...] = (
    flipped_ciphertext,
    truncated_ciphertext,
    swapped_ciphertexts,
    flipped_key,
    reowned_key,
    reowned_secret,
    missing_material,
    missing_current_key,
    duplicate_current_key,
    half_deleted_account,
    undead_key,
    missing_newest_version,
    missing_secret,
    flipped_system_key,
    missing_system_key,
    changed_event,
    missing_chain,
)
