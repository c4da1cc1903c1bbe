"""One value under another key: what a rotation does by the million, and a read in passing."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import (
    DatabaseBusy,
    IntegrityViolation,
    MissingMasterKey,
    TryLater,
    Undecryptable,
)
from models.rotation import Reencryption, StaleCiphertext
from models.rows import KeyId, SecretId, UserId
from utils.behind import Behind
from utils.crypto import MasterKeys, UserKey, reseal
from utils.db import Database, Tx
from utils.patience import patiently
from utils.store import ciphertexts, keys


def reencrypt(stale: StaleCiphertext, key: UserKey, current: UserKey) -> Reencryption:
    """The same value under *current*, proven to open before anything is written.

    Raises Undecryptable.
    """
    renewed = reseal(key, current, stale.ciphertext, stale.owner, stale.secret, stale.version)
    return Reencryption(stale.current_key_id, renewed, stale.id, stale.key_id)


def unwrapped(tx: Tx, master: MasterKeys, owner: UserId, key_id: KeyId) -> UserKey:
    """A user key, ready to use. Raises MissingMasterKey or Undecryptable."""
    wrapped = keys.wrapped_key(tx, key_id)
    if wrapped is None:
        raise Undecryptable("The key is not there.")
    return master.unwrap_user_key(wrapped, owner, key_id)


class Exchange:
    """Puts re-encrypted values in place, one batch at a time, each in one transaction."""

    def __init__(self, db: Database, behind: Behind) -> None:
        self._db = db
        self._behind = behind
        self._batch: Sequence[Reencryption] = ()

    def begin(self, batch: Sequence[Reencryption]) -> None:
        """Hand over a batch. The one before has ended."""
        self._batch = batch
        self._behind.send(self._replace)

    def end(self) -> int:
        """How many values the last batch has moved: at once, or as soon as the database lets it.

        Raises IntegrityViolation, and nothing was moved, for a key that is destroyed meanwhile.
        """
        try:
            return self._behind.wait()
        except DatabaseBusy:
            return patiently(self._db, self._try)

    def _try(self) -> int:
        with self._db.write(wait=False) as tx:
            return self._replace(tx)

    def _replace(self, tx: Tx) -> int:
        return ciphertexts.replace(tx, self._batch)


def reencrypt_in_passing(db: Database, master: MasterKeys, secret: SecretId, version: int) -> bool:
    """Move one ciphertext that was just read, if that costs nobody a wait; whether it moved.

    The lock is only tried. Any reason not to move it is a reason to leave it to the next run,
    and none may fail the read.
    """
    try:
        with db.write(wait=False) as tx:
            stale = ciphertexts.stale_version(tx, secret, version)
            if stale is None:
                return False
            moved = reencrypt(
                stale,
                unwrapped(tx, master, stale.owner, stale.key_id),
                unwrapped(tx, master, stale.owner, stale.current_key_id),
            )
            return ciphertexts.replace(tx, [moved]) == 1
    except (TryLater, IntegrityViolation, Undecryptable, MissingMasterKey):
        return False
