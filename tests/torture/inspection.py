"""A look behind the API after the worst has happened: does everything open, does nothing dangle.

Not the service's own ``--verify``: what checks the service must not share its mistakes. Only
the cryptography is the service's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from config import Settings
from models.errors import MissingMasterKey, Undecryptable
from models.rows import Ciphertext, KeyId, SecretId, UserId, WrappedKey
from models.times import utcnow
from tests.torture.journal import Page, digest
from utils.crypto import MasterKeys, unseal
from utils.db import Tx
from utils.vault import open_store

_VERSIONS = """
    SELECT u.username, s.name, s.version, s.owner_id, v.secret_id, v.number, v.ciphertext,
           v.key_id, k.owner_id, m.sealed, m.master
    FROM secrets s JOIN users u ON u.id = s.owner_id
    LEFT JOIN secret_versions v ON v.secret_id = s.id
    LEFT JOIN user_keys k ON k.id = v.key_id
    LEFT JOIN user_key_material m ON m.key_id = v.key_id
    ORDER BY s.id, v.number
"""
_CURRENT_KEYS = """
    SELECT u.id, count(k.id), count(m.key_id) FROM users u
    LEFT JOIN user_keys k ON k.owner_id = u.id AND k.state = 'current'
    LEFT JOIN user_key_material m ON m.key_id = k.id
    WHERE u.state <> 'deleted'
    GROUP BY u.id
"""
_KEYS = """
    SELECT k.owner_id, k.id, m.sealed, m.master
    FROM user_key_material m JOIN user_keys k ON k.id = m.key_id
"""
_UNUSABLE = (Undecryptable, MissingMasterKey)


@dataclass(slots=True)
class Inspection:
    """What is stored, and what is wrong with it."""

    accounts: int = 0
    versions: int = 0
    unreadable: list[str] = field(default_factory=list)  # does not open
    inconsistent: list[str] = field(default_factory=list)  # opens, but does not fit together
    digests: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def missing(self, pages: Iterable[tuple[str, Page]]) -> list[str]:
        """Versions in the journals of these users that are not stored as they were written."""
        return [
            f"version {number} of {page.name} is not what {username} wrote"
            for username, page in pages
            for number, expected in page.digests.items()
            if self.digests.get((username, page.name, number)) != expected
        ]


def inspect(settings: Settings) -> Inspection:
    """Read everything that is in the database of a server that is not running."""
    db, master = open_store(settings, utcnow())
    found = Inspection()
    try:
        with db.read() as tx:
            if tx.dialect.name == "sqlite":
                _check_files(tx, found)
            _check_keys(tx, master, found)
            _check_versions(tx, master, found)
    finally:
        db.close()
    return found


def _check_files(tx: Tx, found: Inspection) -> None:
    structure = [row[0] for row in tx.all("PRAGMA integrity_check")]
    if structure != ["ok"]:
        found.inconsistent += [f"integrity_check: {line}" for line in structure]
    dangling = tx.all("PRAGMA foreign_key_check")
    found.inconsistent += [f"{row[0]} row {row[1]} refers to nothing" for row in dangling]


def _check_keys(tx: Tx, master: MasterKeys, found: Inspection) -> None:
    """Every account has exactly one current key, and every key there is opens."""
    for user, current, material in tx.all(_CURRENT_KEYS):
        found.accounts += 1
        if (current, material) != (1, 1):
            found.inconsistent.append(
                f"user {user} has {current} current keys, {material} of them with material"
            )
    for owner, key_id, sealed, wrapping in tx.all(_KEYS):
        try:
            master.unwrap_user_key(WrappedKey(sealed, wrapping), UserId(owner), KeyId(key_id))
        except _UNUSABLE as error:
            found.unreadable.append(f"key {key_id}: {error}")


def _check_versions(tx: Tx, master: MasterKeys, found: Inspection) -> None:
    """Every version opens under a key of its owner, and they are numbered without a gap."""
    for (_user, name, newest), rows in groupby(tx.all(_VERSIONS), key=lambda row: row[:3]):
        numbers = []
        for row in rows:
            if row[5] is None:
                continue
            numbers.append(row[5])
            _open(row, master, found)
        if numbers != list(range(1, newest + 1)):
            found.inconsistent.append(f"{name}: newest version {newest}, stored {numbers}")


def _open(row: tuple[object, ...], master: MasterKeys, found: Inspection) -> None:
    user, name, _newest, owner, secret, number, sealed, key_id, key_owner, key, wrapping = row
    where = f"{name} version {number}"
    found.versions += 1
    if key_owner != owner:
        found.inconsistent.append(f"{where} is under a key of user {key_owner}, not {owner}")
    assert isinstance(owner, int)
    assert isinstance(secret, int)
    assert isinstance(number, int)
    assert isinstance(key_id, int)
    try:
        wrapped = WrappedKey(str(key), str(wrapping))
        user_key = master.unwrap_user_key(wrapped, UserId(owner), KeyId(key_id))
        ciphertext = Ciphertext(str(sealed))
        value = unseal(user_key, ciphertext, UserId(owner), SecretId(secret), number)
    except _UNUSABLE as error:
        found.unreadable.append(f"{where}: {error}")
        return
    found.digests[str(user), str(name), number] = digest(value.kind == "text", value.data)
