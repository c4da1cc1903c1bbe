"""System keys: the password pepper, the keys that sign session tokens, and those of the MACs over
API tokens, grants and the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.errors import ConfigurationError, MissingMasterKey, Undecryptable
from models.rows import SystemKey, WrappedKey
from models.times import to_microseconds
from utils.crypto import MasterKeys, generate_system_key, missing_master_key_sentence
from utils.db import Row, Tx

PEPPER = "pepper"
SIGNING = "signing"
TOKEN = "token"  # noqa: S105 - a purpose
GRANT = "grant"
AUDIT = "audit"
PURPOSES = (PEPPER, SIGNING, TOKEN, GRANT, AUDIT)


# From one fingerprint to the next by index: there are a few, under hundreds of thousands of keys,
# and load balancers ask every second.
_WRAPPING = (
    "WITH RECURSIVE used(master) AS (SELECT min(master) FROM user_key_material UNION ALL "
    "SELECT (SELECT min(m.master) FROM user_key_material m WHERE m.master > used.master) "
    "FROM used WHERE used.master IS NOT NULL) "
    "SELECT master FROM used WHERE master IS NOT NULL UNION SELECT master FROM system_keys"
)
# A login that read the key before it was retired may commit a little later.
_SETTLING = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key for session tokens; its number is the token header ``kid``."""

    number: int
    key: SystemKey = field(repr=False)


def ensure_system_keys(tx: Tx, master: MasterKeys, now: datetime) -> list[str]:
    """Create what is missing, and say of which purposes. In a write transaction, so that two
    starting processes share."""
    made = []
    if tx.dialect.row_locks:
        tx.run("LOCK TABLE system_keys IN SHARE ROW EXCLUSIVE MODE")
    for purpose in PURPOSES:
        if tx.one("SELECT 1 FROM system_keys WHERE purpose = ?", purpose) is None:
            _create(tx, master, purpose, now)
            made.append(purpose)
    return made


def load_keys(tx: Tx, master: MasterKeys) -> dict[str, SystemKey] | None:
    """Open every system key; the newest of each purpose, or None if one is yet to be made.

    Raises ConfigurationError when one does not open although its master key is configured:
    better at the start than at somebody's login.
    """
    opened: dict[str, SystemKey] = {}
    for number, purpose, sealed, fingerprint in tx.all(
        "SELECT id, purpose, sealed, master FROM system_keys ORDER BY id"
    ):
        try:
            key = master.unwrap_system_key(WrappedKey(sealed, fingerprint), purpose, number)
        except Undecryptable as error:
            raise ConfigurationError(
                f"System key {number} ({purpose}) does not open with master key {fingerprint}: "
                "the database is damaged. Restore a backup."
            ) from error
        opened[purpose] = key
    return opened if opened.keys() >= set(PURPOSES) else None


def audit_key(tx: Tx, master: MasterKeys) -> SystemKey | None:
    """The key of the audit trail, for commands, which do not open the others; None before the
    service has started for the first time."""
    row = tx.one("SELECT id, sealed, master FROM system_keys WHERE purpose = 'audit'")
    if row is None:
        return None
    return master.unwrap_system_key(WrappedKey(row[1], row[2]), AUDIT, row[0])


def current_signing_key(tx: Tx, master: MasterKeys) -> SigningKey:
    """The key that signs new session tokens."""
    row = tx.one(
        "SELECT id, sealed, master FROM system_keys WHERE purpose = 'signing' "
        "AND retired_at IS NULL"
    )
    if row is None:
        raise LookupError("there is no current signing key")
    return _signing_key(row, master)


def find_signing_key(tx: Tx, master: MasterKeys, number: int) -> SigningKey | None:
    """The signing key with this number, retired or not; None once it is destroyed."""
    row = tx.one(
        "SELECT id, sealed, master FROM system_keys WHERE purpose = 'signing' AND id = ?", number
    )
    return None if row is None else _signing_key(row, master)


def rotate_signing_key(tx: Tx, master: MasterKeys, now: datetime, created_before: datetime) -> bool:
    """Sign with a new key if the current one was made by then; whether it was replaced.

    A retired key goes on verifying while a session lives that it may have signed for, so that
    nobody is logged out; then it is deleted.
    """
    moment = to_microseconds(now)
    tx.run(
        "DELETE FROM system_keys WHERE purpose = 'signing' AND retired_at <= ? AND NOT EXISTS "
        "(SELECT 1 FROM sessions s WHERE s.created_at <= system_keys.retired_at "
        "AND s.idle_expires_at > ? AND s.expires_at > ?)",
        to_microseconds(now - _SETTLING),
        moment,
        moment,
    )
    retired = tx.run(
        "UPDATE system_keys SET retired_at = ? "
        "WHERE purpose = 'signing' AND retired_at IS NULL AND created_at <= ?",
        moment,
        to_microseconds(created_before),
    )
    if retired == 0:
        return False
    _create(tx, master, SIGNING, now)
    return True


def signing_key_due(tx: Tx, created_before: datetime) -> bool:
    """Whether :func:`rotate_signing_key` would replace the current one."""
    row = tx.one(
        "SELECT 1 FROM system_keys "
        "WHERE purpose = 'signing' AND retired_at IS NULL AND created_at <= ?",
        to_microseconds(created_before),
    )
    return row is not None


def refuse_missing_master_keys(tx: Tx, master: MasterKeys) -> None:
    """Raises MissingMasterKey, naming the fingerprints, rather than fail at some later read."""
    if missing := wrapping_fingerprints(tx) - set(master.fingerprints):
        raise MissingMasterKey(missing_master_key_sentence(missing))


def wrapping_fingerprints(tx: Tx) -> set[str]:
    """Fingerprints of all master keys that wrap anything in this database."""
    rows = tx.all(_WRAPPING)
    return {row[0] for row in rows}


def _signing_key(row: Row, master: MasterKeys) -> SigningKey:
    key = master.unwrap_system_key(WrappedKey(row[1], row[2]), SIGNING, row[0])
    return SigningKey(row[0], key)


def _create(tx: Tx, master: MasterKeys, purpose: str, now: datetime) -> None:
    """The row first, for its number: the wrapped key is bound to it."""
    row = tx.one(
        "INSERT INTO system_keys (purpose, created_at, sealed, master) VALUES (?, ?, '', '') "
        "RETURNING id",
        purpose,
        to_microseconds(now),
    )
    assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
    wrapped = master.wrap_system_key(generate_system_key(), purpose, row[0])
    tx.run(
        "UPDATE system_keys SET sealed = ?, master = ? WHERE id = ?",
        wrapped.sealed,
        wrapped.master,
        row[0],
    )
