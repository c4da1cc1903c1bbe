"""Key rotation: new keys, re-encryption, destruction. Safe beside live writers and other rotations.

Three steps, each of many small transactions, so that a crash anywhere leaves a state in which
every ciphertext opens and the next run finds what is left by what is stale:

    switch    a new key is current; the old one is retired. Committed before anything moves.
    sweep     each ciphertext under a retired key is decrypted, sealed under the owner's current
              key, decrypted again to be sure, and exchanged by compare-and-set.
    destroy   the material of retired keys that nothing refers to is deleted.

What makes it safe is not that it runs alone (the lock is for economy) but that
- versions are immutable, so a value can't change between its reading and its exchange;
- ``UPDATE … WHERE id = ? AND key_id = ?`` skips a row that somebody else moved meanwhile;
- writers read the current key inside their transaction, so no row appears under a retired key;
- the foreign key forbids destroying material that a row refers to, and referring to
  material that is destroyed: a batch that lost such a race is rolled back and done again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NewType

from models.errors import (
    IntegrityViolation,
    MissingMasterKey,
    SecretsManagerError,
    Undecryptable,
)
from models.reports import Fault, Progress, Report
from models.rotation import Reencryption, StaleCiphertext
from models.rows import KeyId, UserId
from utils.crypto import MasterKeys, UserKey
from utils.db import Database, Tx
from utils.interruption import Interrupted
from utils.patience import patiently
from utils.reencryption import Exchange, reencrypt, unwrapped
from utils.store import ciphertexts, keys, system

DEFAULT_BATCH = 2000  # fewer pages written than with 500, where many keys interleave
_SWITCH_BATCH = 100  # accounts per transaction: about 10 ms under the lock
_TRANSACTION_BYTES = 1_000_000  # about 20 ms under the lock
_PAUSE_SECONDS = 0.002  # between batches that hold the lock all the time: writers must not starve
_FEW_KEYS = 64  # up to here sweeping key by key beats reading the table from end to end
_REMEMBERED_KEYS = 100_000  # unwrapped keys kept during a sweep: about 55 MB
_SORTED_BYTES = 16_000_000  # of ciphertext are sorted by key together: 45,000 values of 100 bytes

_Reason = NewType("_Reason", str)  # why there is no key
_Openable = tuple[StaleCiphertext, UserKey | _Reason, UserKey | _Reason]
_Found = tuple[list[StaleCiphertext], int | None]  # and where the next stretch begins, if any does
_Stretch = Callable[[Tx, int], _Found]


class Rotator:
    """One rotation, for some accounts or for all (*owners* is None)."""

    def __init__(
        self,
        db: Database,
        master: MasterKeys,
        now: datetime,
        owners: Collection[UserId] | None = None,
        batch_size: int = DEFAULT_BATCH,
    ) -> None:
        self._db = db
        self._master = master
        self._now = now
        self._owners = owners
        self._batch_size = batch_size
        self._behind = db.behind()
        self._exchange = Exchange(db, self._behind)
        self._opened: dict[tuple[KeyId, UserId], UserKey | _Reason] = {}
        self.report = Report()

    def switch(self, created_before: datetime) -> None:
        """Give every chosen account whose key was made by then a new current key."""
        for batch in owners_due(self._db, created_before):
            chosen = [one for one in batch if self._owners is None or one in self._owners]
            if chosen:
                self._switch(chosen, created_before)

    def rotate_signing_key(self, created_before: datetime) -> None:
        """Replace the key that signs session tokens if made by then; nobody is logged out."""

        def attempt() -> int:
            with self._db.write() as tx:
                return system.rotate_signing_key(tx, self._master, self._now, created_before)

        self.report.signing_keys += patiently(self._db, attempt)

    def _switch(self, owners: Sequence[UserId], created_before: datetime) -> None:
        def attempt() -> int:
            with self._db.write() as tx:
                switched = [
                    keys.switch(tx, self._master, owner, self._now, created_before)
                    for owner in owners
                ]
            return sum(switched)

        self.report.switched += patiently(self._db, attempt)
        time.sleep(_PAUSE_SECONDS)

    def sweep(self, progress: Progress = lambda _done: None) -> None:
        """Re-encrypt every ciphertext under a retired key; those that can't be are reported.

        Repeats until a pass finds nothing to move: a batch can lose its race (see above), and a
        key can be retired while the sweep is past its rows. But it leaves keys that are made
        from now on to the next run: else an account that goes on rotating would keep it going
        for ever. So it ends, because with each move a row's key gets newer.
        """
        with self._db.read() as tx:
            newest = keys.newest_key(tx)
        moving = True
        with self._behind:
            try:
                while moving:
                    self.report.faults.clear()
                    moving = self._pass(newest, progress)
                    self._settle()
            except (SecretsManagerError, Interrupted):
                with suppress(SecretsManagerError):  # the first error is the one to tell
                    self._settle()  # what is under way may be done, and is to be counted
                raise
        with self._db.read() as tx:
            stranded = ciphertexts.stranded(tx, newest, self._owners)
        self._blame(stranded, "It has no key to be re-encrypted with.")

    def _pass(self, newest: KeyId, progress: Progress) -> bool:
        """Go over everything stale once; whether anything was there that could be moved."""
        with self._db.read() as tx:
            retired = keys.retired_keys(tx, self._owners)
        stale = [key.id for key in retired if not key.drained and key.id <= newest]
        if self._owners is not None or len(stale) <= _FEW_KEYS:
            random.shuffle(stale)  # so that several rotations at once do not do the same work
            moving = [self._sweep_key(key_id, progress) for key_id in stale]
            return any(moving)
        return self._sweep_table(newest, progress)

    def _sweep_key(self, key_id: KeyId, progress: Progress) -> bool:
        def stretch(tx: Tx, after: int) -> _Found:
            found = ciphertexts.stale_of_key(tx, key_id, after, self._batch_size)
            return found, found[-1].id if len(found) == self._batch_size else None

        return self._sweep(stretch, progress)

    def _sweep_table(self, newest: KeyId, progress: Progress) -> bool:
        def stretch(tx: Tx, after: int) -> _Found:
            last = ciphertexts.end_of_stretch(tx, after, self._batch_size)
            found = [] if last is None else ciphertexts.stale_between(tx, newest, after, last)
            return found, last

        return self._sweep(stretch, progress)

    def _sweep(self, stretch: _Stretch, progress: Progress) -> bool:
        """Move what the table holds, stretch by stretch; whether there was anything to move.

        Encrypted outside the lock, exchanged inside it. On SQLite the lock is held for a quarter of
        the time where keys are many, and less where they are few; the encryption of the next batch
        is the pause in which waiting writers get their turn. PostgreSQL exchanges one batch while
        the next is encrypted, and locks nothing but its rows.
        """
        moving = False
        for batch in self._batches(stretch):
            ready = self._reencrypted(batch)
            for number, part in enumerate(_parts(ready)):
                if number:
                    time.sleep(_PAUSE_SECONDS)
                self._settle()
                self._exchange.begin(part)
            moving |= bool(ready)
            progress(len(batch))
        return moving

    def _batches(self, stretch: _Stretch) -> Iterator[list[_Openable]]:
        """What each *stretch* of the table holds, gathered and sorted by key.

        Each move leaves one place of the index by key and enters another. Neighbours in the table
        have different keys: unsorted, each batch would write that index all over.
        """
        after: int | None = 0
        gathered, size = list[_Openable](), 0
        while after is not None:
            with self._db.read_by_index() as tx:
                found, after = stretch(tx, after)
                # In the transaction that read it: there, all of its keys still exist.
                gathered += [(stale, *self._keys(tx, stale)) for stale in found]
            size += sum(len(stale.ciphertext) for stale in found)
            if after is None or size >= _SORTED_BYTES:
                gathered.sort(key=_by_key)
                for start in range(0, len(gathered), self._batch_size):
                    yield gathered[start : start + self._batch_size]
                gathered, size = [], 0

    def _reencrypted(self, batch: Sequence[_Openable]) -> list[Reencryption]:
        ready = []
        for stale, key, current in batch:
            try:
                ready.append(reencrypt(stale, _usable(key), _usable(current)))
            except Undecryptable as error:
                self._blame([stale.id], str(error))
        return ready

    def _settle(self) -> None:
        try:
            self.report.reencrypted += self._exchange.end()
        except IntegrityViolation:
            # Our "current" key was retired, drained and destroyed since we read it. Nothing
            # of this part was written; the next pass finds it with the newer key.
            self._opened.clear()

    def _blame(self, rows: Iterable[int], what: str) -> None:
        self.report.faults.extend(Fault(f"secret_versions id={row}", what) for row in rows)

    def _keys(self, tx: Tx, stale: StaleCiphertext) -> tuple[UserKey | _Reason, UserKey | _Reason]:
        return (
            self._key(tx, stale.key_id, stale.owner),
            self._key(tx, stale.current_key_id, stale.owner),
        )

    def _key(self, tx: Tx, key_id: KeyId, owner: UserId) -> UserKey | _Reason:
        """Unwrapping costs as much as decrypting a secret: it is done once while the sweep runs.

        So is failing to. By key *and* owner: the key of somebody else must not be found.
        """
        key = self._opened.get((key_id, owner))
        if key is None:
            if len(self._opened) >= _REMEMBERED_KEYS:
                self._opened.clear()
            try:
                key = unwrapped(tx, self._master, owner, key_id)
            except (Undecryptable, MissingMasterKey) as error:
                key = _Reason(str(error))
            self._opened[key_id, owner] = key
        return key

    def destroy(self) -> None:
        """Destroy the retired keys that no ciphertext needs. What is still needed stays."""
        with self._db.read() as tx:
            retired = keys.retired_keys(tx, self._owners)
        drained = [key.id for key in retired if key.drained]
        for start in range(0, len(drained), _SWITCH_BATCH):
            chunk = drained[start : start + _SWITCH_BATCH]
            if not self._destroy(chunk):
                # Another rotation has just moved a row under one of these keys. One by one,
                # so that only that key waits for the next run.
                for key_id in chunk:
                    self._destroy([key_id])
            time.sleep(_PAUSE_SECONDS)

    def _destroy(self, chunk: Sequence[KeyId]) -> bool:
        def attempt() -> int:
            with self._db.write() as tx:
                return sum(keys.destroy(tx, key_id, self._now) for key_id in chunk)

        try:
            self.report.destroyed += patiently(self._db, attempt)
        except IntegrityViolation:
            return False
        return True


def _by_key(openable: _Openable) -> tuple[KeyId, int]:
    return openable[0].key_id, openable[0].id


def _usable(key: UserKey | _Reason) -> UserKey:
    """Raises Undecryptable."""
    if isinstance(key, str):
        raise Undecryptable(key)
    return key


def _parts(ready: Sequence[Reencryption]) -> list[list[Reencryption]]:
    """Split by size: 500 values of 64 KiB in one transaction held the lock for 1.2 s."""
    parts: list[list[Reencryption]] = []
    size = _TRANSACTION_BYTES
    for one in ready:
        if size >= _TRANSACTION_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += len(one.ciphertext)
    return parts


def owners_due(db: Database, created_before: datetime) -> Iterator[list[UserId]]:
    """Accounts whose key was made by then, a batch at a time."""
    after = 0
    while True:
        with db.read() as tx:
            batch = keys.owners_due(tx, created_before, after, _SWITCH_BATCH)
        if not batch:
            return
        yield batch
        after = batch[-1]
