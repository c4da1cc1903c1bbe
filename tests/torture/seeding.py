"""Secrets by the thousand, put straight into a database, and checked one by one.

Their values follow from their numbers, so a check needs no journal. Sealed and stored exactly as
a write over HTTP does it, except that a transaction holds thousands of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from models.errors import MissingMasterKey, Undecryptable
from models.rows import (
    Ciphertext,
    KeyId,
    PasswordHash,
    SecretId,
    UserId,
    Username,
    Value,
    WrappedKey,
)
from models.times import to_microseconds, utcnow
from tests.support.chains import begin_chain
from utils.crypto import MasterKeys, UserKey, seal, unseal
from utils.db import Database, Tx
from utils.store import accounts, keys, system
from utils.tokens import new_account_id, new_id

VALUE_BYTES = 100
_PREFIX = "filler/"
_CHUNK = 20_000

_SECRETS = (
    "INSERT INTO secrets (owner_id, name, version, tag, labels, created_at, updated_at) "
    "VALUES (?, ?, 1, ?, '{}', ?, ?)"
)
_NUMBERED = "SELECT id, name FROM secrets WHERE id > ? AND name >= 'filler/' AND name < 'filler0'"
_VERSIONS = (
    "INSERT INTO secret_versions "
    "(secret_id, number, key_id, ciphertext, created_at, author, credential) "
    "VALUES (?, 1, ?, ?, ?, 'filler', 'session')"
)
_STORED = (
    "SELECT v.id, s.name, s.owner_id, v.secret_id, v.number, v.ciphertext, "
    "v.key_id, m.sealed, m.master "
    "FROM secret_versions v JOIN secrets s ON s.id = v.secret_id "
    "JOIN user_key_material m ON m.key_id = v.key_id "
    "WHERE v.id > ? AND s.name >= 'filler/' AND s.name < 'filler0' ORDER BY v.id LIMIT ?"
)


def name_of(number: int) -> str:
    """The name of the secret with this number."""
    return f"{_PREFIX}{number}"


def value_of(number: int) -> bytes:
    """What the secret with this number holds."""
    return hashlib.shake_128(b"%d" % number).digest(VALUE_BYTES)


def add_accounts(db: Database, master: MasterKeys, count: int) -> list[UserId]:
    """Accounts that nobody can log in to."""
    owners = []
    with db.write() as tx:
        key = system.audit_key(tx, master)
        assert key is not None
        for number in range(count):
            name, nobody = Username(f"filler-{number}"), PasswordHash("none")
            account = accounts.create(tx, master, new_account_id(), name, nobody, utcnow())
            begin_chain(tx, key, account)
            owners.append(account.id)
    return owners


def fill(db: Database, master: MasterKeys, owners: Sequence[UserId], count: int) -> None:
    """Give these accounts *count* secrets, one after the other, round and round.

    So neighbours in the table belong to different accounts, as they do where accounts live
    side by side: for a rotation of many keys the least favourable order.
    """
    with db.read() as tx:
        current = [keys.current_key(tx, master, owner) for owner in owners]
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        with db.write() as tx:
            _fill(tx, owners, current, numbers)


def _fill(
    tx: Tx, owners: Sequence[UserId], current: Sequence[tuple[KeyId, UserKey]], numbers: range
) -> None:
    row = tx.one("SELECT coalesce(max(id), 0) FROM secrets")
    assert row is not None
    moment, turn = to_microseconds(utcnow()), len(owners)
    tx.run_many(
        _SECRETS,
        [(owners[number % turn], name_of(number), new_id(), moment, moment) for number in numbers],
    )
    ids = {name: SecretId(number) for number, name in tx.all(_NUMBERED, row[0])}
    tx.run_many(_VERSIONS, list(_sealed(owners, current, numbers, ids, moment)))


def _sealed(
    owners: Sequence[UserId],
    current: Sequence[tuple[KeyId, UserKey]],
    numbers: range,
    ids: dict[str, SecretId],
    moment: int,
) -> Iterator[tuple[object, ...]]:
    for number in numbers:
        secret = ids[name_of(number)]
        key_id, key = current[number % len(owners)]
        value = Value(value_of(number), "bytes")
        yield secret, key_id, seal(key, value, owners[number % len(owners)], secret, 1), moment


@dataclass
class Contents:
    """What became of the secrets that were filled in."""

    intact: int = 0
    faults: list[str] = field(default_factory=list)


def check(db: Database, master: MasterKeys) -> Contents:
    """Open each of them, in batches, and compare it with what it should hold."""
    found, after = Contents(), 0
    opened: dict[tuple[KeyId, UserId], UserKey] = {}
    while True:
        with db.read() as tx:
            rows = tx.all(_STORED, after, _CHUNK)
        if not rows:
            return found
        for _, name, owner, secret, version, ciphertext, key_id, sealed, wrapping in rows:
            try:
                key = opened.get((key_id, owner))
                if key is None:
                    wrapped = WrappedKey(sealed, wrapping)
                    key = master.unwrap_user_key(wrapped, owner, key_id)
                    opened[key_id, owner] = key
                value = unseal(key, Ciphertext(ciphertext), owner, secret, version)
            except (Undecryptable, MissingMasterKey) as error:
                found.faults.append(f"{name}: {error}")
                continue
            if value.data == value_of(int(name.removeprefix(_PREFIX))):
                found.intact += 1
            else:
                found.faults.append(f"{name} holds something else")
        after = rows[-1][0]
