"""Open everything that is stored and check the invariants. Changes nothing.

What an operator runs after a restore: it answers "would every read succeed?" before anybody has
to find out. Faults are named by table and row number, never by name or value.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from models.errors import DatabaseUnavailable, MissingMasterKey, Undecryptable
from models.reports import Fault, Progress
from models.rows import Ciphertext, KeyId, SecretId, SystemKey, UserId, WrappedKey
from utils.audit_check import verify_all
from utils.crypto import MasterKeys, UserKey, unseal
from utils.db import Database, Row, Tx
from utils.macs import grant_mac, same_mac
from utils.store.system import AUDIT, GRANT, PURPOSES

_BATCH = 1000
_REMEMBERED_KEYS = 20_000

# Not the store's statements: their joins take for granted what is to be found out here.
_SYSTEM_KEYS = (
    "SELECT id, purpose, sealed, master FROM system_keys WHERE id > ? ORDER BY id LIMIT ?"
)
_USER_KEYS = (
    "SELECT k.id, k.owner_id, k.state, m.sealed, m.master FROM user_keys k "
    "LEFT JOIN user_key_material m ON m.key_id = k.id WHERE k.id > ? ORDER BY k.id LIMIT ?"
)
_VERSIONS = (
    "SELECT v.id, s.owner_id, v.secret_id, v.number, v.ciphertext, v.key_id, m.sealed, m.master "
    "FROM secret_versions v "
    "LEFT JOIN secrets s ON s.id = v.secret_id "
    "LEFT JOIN user_key_material m ON m.key_id = v.key_id WHERE v.id > ? ORDER BY v.id LIMIT ?"
)
_GRANTS = (
    "SELECT g.id, g.secret_id, s.owner_id, g.grantee_id, g.permission, g.granted_at, g.mac "
    "FROM grants g LEFT JOIN secrets s ON s.id = g.secret_id WHERE g.id > ? ORDER BY g.id LIMIT ?"
)
_OWNERS_WITHOUT_ONE_CURRENT_KEY = (
    "SELECT u.id, (SELECT count(*) FROM user_keys k "
    "WHERE k.owner_id = u.id AND k.state = 'current') AS current_keys "
    "FROM users u WHERE u.state <> 'deleted' AND (SELECT count(*) FROM user_keys k "
    "WHERE k.owner_id = u.id AND k.state = 'current') <> 1 ORDER BY u.id"
)
_DELETED_OWNERS_WITH_A_KEY = (
    "SELECT DISTINCT u.id FROM users u JOIN user_keys k ON k.owner_id = u.id "
    "WHERE u.state = 'deleted' AND k.state <> 'destroyed' ORDER BY u.id"
)
_SECRETS_WITHOUT_NEWEST_VERSION = (
    "SELECT s.id, s.version FROM secrets s WHERE s.version <> coalesce("
    "(SELECT max(v.number) FROM secret_versions v WHERE v.secret_id = s.id), 0) ORDER BY s.id"
)
_CURRENT_SYSTEM_KEYS = (
    "SELECT purpose, count(*) FROM system_keys WHERE retired_at IS NULL GROUP BY purpose"
)


@dataclass
class Verification:
    """How much was opened, and what is wrong."""

    keys: int
    ciphertexts: int
    faults: list[Fault]
    events: int = 0  # of the audit trail, that are as they were written
    tampered: int = 0  # of the faults: chains of the audit trail, which no read depends on

    @property
    def opens(self) -> bool:
        """Whether all keys and values do. A trail that was tampered with once is so in every later
        copy. That must be told, but must not keep anybody from their secrets, in a copy as little
        as in the live service."""
        return len(self.faults) == self.tampered


def verify(db: Database, master: MasterKeys, progress: Progress) -> Verification:
    """Open every wrapped key and every ciphertext, in batches; *progress* counts ciphertexts.

    What a damaged file makes unreadable is a fault like another, and the rest goes on.
    """
    found = Verification(0, 0, [])
    checker = _Checker(master, found, progress)
    with _unreadable_is_a_fault("database", found):
        found.faults.extend(db.check())
    with _unreadable_is_a_fault("system_keys", found):
        for row in _rows(db, _SYSTEM_KEYS):
            checker.system_key(row)
    with _unreadable_is_a_fault("user_keys", found):
        for row in _rows(db, _USER_KEYS):
            checker.user_key(row)
    with _unreadable_is_a_fault("secret_versions", found):
        for row in _rows(db, _VERSIONS):
            checker.version(row)
    with _unreadable_is_a_fault("grants", found):
        for row in _rows(db, _GRANTS, ""):
            checker.grant(row)
    with _unreadable_is_a_fault("audit_events", found):
        checker.audit_trail(db)
    with _unreadable_is_a_fault("database", found), db.read() as tx:
        found.faults.extend(_invariants(tx))
    return found


def verify_keys(db: Database, master: MasterKeys) -> Verification:
    """Open every wrapped key, and check the invariants; no ciphertext.

    Raises DatabaseUnavailable.
    """
    found = Verification(0, 0, [])
    checker = _Checker(master, found, lambda _done: None)
    for row in _rows(db, _SYSTEM_KEYS):
        checker.system_key(row)
    for row in _rows(db, _USER_KEYS):
        checker.user_key(row)
    with db.read() as tx:
        found.faults.extend(_invariants(tx))
    return found


@contextmanager
def _unreadable_is_a_fault(where: str, found: Verification) -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailable as error:
        found.faults.append(Fault(where, f"cannot be read to its end: {error.why or error}"))


class _Checker:
    def __init__(self, master: MasterKeys, found: Verification, progress: Progress) -> None:
        self._master = master
        self._found = found
        self._progress = progress
        self._opened: dict[tuple[KeyId, UserId], UserKey] = {}
        self._grant_key: SystemKey | None = None
        self._audit_key: SystemKey | None = None

    def system_key(self, row: Row) -> None:
        number, purpose, sealed, fingerprint = row
        self._found.keys += 1
        try:
            key = self._master.unwrap_system_key(WrappedKey(sealed, fingerprint), purpose, number)
        except (Undecryptable, MissingMasterKey) as error:
            self._fault("system_keys", number, str(error))
            return
        if purpose == GRANT:
            self._grant_key = key
        if purpose == AUDIT:
            self._audit_key = key

    def user_key(self, row: Row) -> None:
        number, owner, state, sealed, fingerprint = row
        self._found.keys += 1
        if (sealed is None) != (state == "destroyed"):
            self._fault("user_keys", number, f"is {state}, but its material says otherwise")
        if sealed is None:
            return
        try:
            self._master.unwrap_user_key(WrappedKey(sealed, fingerprint), owner, number)
        except (Undecryptable, MissingMasterKey) as error:
            self._fault("user_keys", number, str(error))

    def version(self, row: Row) -> None:
        number, owner, secret, version, ciphertext, key_id, sealed, fingerprint = row
        self._found.ciphertexts += 1
        self._progress(1)
        if owner is None or sealed is None:
            self._fault("secret_versions", number, "refers to a secret or key that is not there")
            return
        try:
            key = self._key(KeyId(key_id), UserId(owner), WrappedKey(sealed, fingerprint))
            unseal(key, Ciphertext(ciphertext), UserId(owner), SecretId(secret), version)
        except (Undecryptable, MissingMasterKey) as error:
            self._fault("secret_versions", number, str(error))

    def grant(self, row: Row) -> None:
        """Without the key for it, which is a fault already, nothing can be said of it."""
        number, *bound, mac = row
        if self._grant_key and not same_mac(mac, grant_mac(self._grant_key, tuple(bound))):
            self._fault("grants", number, "does not fit its MAC, and so grants nothing")

    def audit_trail(self, db: Database) -> None:
        """Chain after chain, a batch of events at a time; without its key as for grants."""
        if self._audit_key is None:
            return
        for chain, events, fault in verify_all(db, self._audit_key):
            self._found.events += events
            if fault is not None:
                self._found.tampered += 1
                where = f"audit_events chain_id={chain} number={fault.number}"
                self._found.faults.append(Fault(where, fault.detail))

    def _key(self, key_id: KeyId, owner: UserId, wrapped: WrappedKey) -> UserKey:
        """Remembered by key *and* owner: the key of somebody else must fail, not be found."""
        key = self._opened.get((key_id, owner))
        if key is None:
            if len(self._opened) >= _REMEMBERED_KEYS:
                self._opened.clear()
            key = self._master.unwrap_user_key(wrapped, owner, key_id)
            self._opened[key_id, owner] = key
        return key

    def _fault(self, table: str, number: object, what: str) -> None:
        self._found.faults.append(Fault(f"{table} id={number}", what))


def _rows(db: Database, sql: str, after: int | str = 0) -> Iterator[Row]:
    """All rows of a statement that takes (after, limit), a short transaction per batch."""
    while True:
        with db.read() as tx:
            batch = tx.all(sql, after, _BATCH)
        if not batch:
            return
        yield from batch
        after = batch[-1][0]


def _invariants(tx: Tx) -> Iterator[Fault]:
    for number, count in tx.all(_OWNERS_WITHOUT_ONE_CURRENT_KEY):
        yield Fault(f"users id={number}", f"has {count} current keys instead of one")
    for (number,) in tx.all(_DELETED_OWNERS_WITH_A_KEY):
        yield Fault(f"users id={number}", "is deleted, but a key of theirs is not destroyed")
    for number, version in tx.all(_SECRETS_WITHOUT_NEWEST_VERSION):
        yield Fault(f"secrets id={number}", f"says its newest version is {version}; it is not")
    current = {row[0]: row[1] for row in tx.all(_CURRENT_SYSTEM_KEYS)}
    for purpose in PURPOSES:
        if current.get(purpose) != 1:
            yield Fault("system_keys", f"there is not exactly one current {purpose} key")
