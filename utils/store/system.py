"""System keys: the password pepper and the keys that sign session tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography.fernet import Fernet

from models.errors import ConfigurationError, Undecryptable
from models.rows import SystemKey, WrappedKey
from models.times import to_microseconds
from utils.crypto import MasterKeys, missing_master_key_sentence
from utils.db import Tx

PEPPER = "pepper"
SIGNING = "signing"


@dataclass(frozen=True, slots=True)
class SystemKeys:
    """The unwrapped system keys. ``signing`` holds retired ones too: their tokens still count."""

    pepper: SystemKey = field(repr=False)
    signing: dict[str, SystemKey] = field(repr=False)  # by token header `kid`
    signing_kid: str


def ensure_system_keys(tx: Tx, master: MasterKeys, now: datetime) -> None:
    """Create what is missing. In a write transaction, so that two starting processes share."""
    if tx.dialect.row_locks:
        tx.run("LOCK TABLE system_keys IN SHARE ROW EXCLUSIVE MODE")
    for purpose in (PEPPER, SIGNING):
        if tx.one("SELECT 1 FROM system_keys WHERE purpose = ?", purpose) is None:
            _create(tx, master, purpose, now)


def load_system_keys(tx: Tx, master: MasterKeys) -> SystemKeys | None:
    """Unwrap all system keys; None if they are yet to be made.

    Raises ConfigurationError when one does not open although its master key is configured.
    """
    rows = tx.all("SELECT id, purpose, sealed, master, retired_at FROM system_keys ORDER BY id")
    opened: dict[str, dict[str, SystemKey]] = {PEPPER: {}, SIGNING: {}}
    current: dict[str, str] = {}
    for number, purpose, sealed, fingerprint, retired_at in rows:
        try:
            key = master.unwrap_system_key(WrappedKey(sealed, fingerprint), purpose, number)
        except Undecryptable as error:
            raise ConfigurationError(
                f"System key {number} ({purpose}) does not open with master key {fingerprint}: "
                "the database is damaged. Restore a backup."
            ) from error
        opened[purpose][str(number)] = key
        if retired_at is None:
            current[purpose] = str(number)
    if not {PEPPER, SIGNING} <= current.keys():
        return None
    return SystemKeys(opened[PEPPER][current[PEPPER]], opened[SIGNING], current[SIGNING])


def missing_master_keys(tx: Tx, master: MasterKeys) -> set[str]:
    """Fingerprints that something is wrapped under and that are not configured."""
    return wrapping_fingerprints(tx) - set(master.fingerprints)


def refuse_missing_master_keys(tx: Tx, master: MasterKeys) -> None:
    """Raises ConfigurationError, naming the fingerprints, rather than fail at some later read."""
    if missing := missing_master_keys(tx, master):
        raise ConfigurationError(missing_master_key_sentence(missing))


def wrapping_fingerprints(tx: Tx) -> set[str]:
    """Fingerprints of all master keys that wrap anything in this database."""
    rows = tx.all("SELECT master FROM system_keys UNION SELECT master FROM user_key_material")
    return {row[0] for row in rows}


def _create(tx: Tx, master: MasterKeys, purpose: str, now: datetime) -> None:
    """The row first, for its number: the wrapped key is bound to it."""
    row = tx.one(
        "INSERT INTO system_keys (purpose, created_at, sealed, master) VALUES (?, ?, '', '') "
        "RETURNING id",
        purpose,
        to_microseconds(now),
    )
    assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
    wrapped = master.wrap_system_key(SystemKey(Fernet.generate_key()), purpose, row[0])
    tx.run(
        "UPDATE system_keys SET sealed = ?, master = ? WHERE id = ?",
        wrapped.sealed,
        wrapped.master,
        row[0],
    )
