"""Another master key: everything that an old one wraps is wrapped under the current one instead.

User keys and system keys stay what they are, so values are not touched. Small transactions, as in
a rotation, and no journal: what is left to do is what is under another master key, so after a
crash the next run does the rest. Beside servers, rotations and another run it is safe because a
wrapped key is exchanged by compare-and-set on its old text: whoever destroyed the key meanwhile, or
wrapped it anew, was first. A node that does not have the new master key yet cannot open what was
exchanged; so every node gets it before (docs/keys.md, "Replacing a master key").
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from models.errors import MissingMasterKey, Undecryptable
from models.reports import Fault, Progress, Report
from models.rotation import Rewrapping
from models.rows import KeyId, WrappedKey
from utils.crypto import MasterKeys
from utils.db import Database, Tx
from utils.patience import patiently
from utils.store import keys, wrappings

_LARGEST_BATCH = 500  # keys; about 10 ms under the lock
_PAUSE_SECONDS = 0.002  # between batches: writers must not starve
_PASSES = 3  # PostgreSQL may show a key after one with a higher number


class Rewrapper:
    """One run, over all keys that there are when it begins."""

    def __init__(self, db: Database, master: MasterKeys, batch_size: int = _LARGEST_BATCH) -> None:
        self._db = db
        self._master = master
        self._batch_size = min(batch_size, _LARGEST_BATCH)
        self._blamed = Counter[str]()  # keys that did not open, by master key
        self.report = Report()

    def rewrap_all(self, progress: Progress = lambda _done: None) -> None:
        """Wrap everything anew; what does not open is reported and left as it is.

        It comes to an end also where a server goes on wrapping new keys under an old master key:
        what that key still wraps is reported instead.
        """
        with self._db.read() as tx:
            newest = keys.newest_key(tx)
        for _ in range(_PASSES):
            self.report.faults.clear()
            self._blamed.clear()
            before = self.report.rewrapped
            self._system_keys(progress)
            self._user_keys(newest, progress)
            if self.report.rewrapped == before:
                break
        self._blame_what_is_left()

    def _system_keys(self, progress: Progress) -> None:
        """One a transaction: they are few, and a rotation locks them in an order of its own."""
        with self._db.read() as tx:
            found = wrappings.system_keys(tx, self._master.current)
        for number, purpose, wrapped in found:
            rewrap = partial(self._master.rewrap_system_key, wrapped, purpose, number)
            ready = self._renewed("system_keys", number, wrapped, rewrap)
            self._exchange(ready, wrappings.replace_system_keys)
            progress(1)

    def _user_keys(self, newest: KeyId, progress: Progress) -> None:
        after = KeyId(0)
        while True:
            with self._db.read_by_index() as tx:
                found = wrappings.user_keys(
                    tx, self._master.current, after, newest, self._batch_size
                )
            if not found:
                return
            ready = []
            for key_id, owner, wrapped in found:
                rewrap = partial(self._master.rewrap_user_key, wrapped, owner, key_id)
                ready += self._renewed("user_keys", key_id, wrapped, rewrap)
            self._exchange(ready, wrappings.replace_user_keys)
            progress(len(found))
            after = found[-1][0]
            time.sleep(_PAUSE_SECONDS)

    def _renewed(
        self, table: str, number: int, wrapped: WrappedKey, rewrap: Callable[[], WrappedKey]
    ) -> list[Rewrapping]:
        """What to write for one key; nothing, and a fault, if it does not open."""
        try:
            renewed = rewrap()
        except (Undecryptable, MissingMasterKey) as error:
            self._blamed[wrapped.master] += 1
            self.report.faults.append(Fault(f"{table} id={number}", str(error)))
            return []
        return [Rewrapping(renewed.sealed, renewed.master, number, wrapped.sealed)]

    def _exchange(
        self, ready: Sequence[Rewrapping], replace: Callable[[Tx, Sequence[Rewrapping]], int]
    ) -> None:
        def attempt() -> int:
            with self._db.write(wait=False) as tx:
                return replace(tx, ready)

        if ready:
            self.report.rewrapped += patiently(self._db, attempt)

    def _blame_what_is_left(self) -> None:
        """Made meanwhile: were it not told, the operator would take the old master key away."""
        with self._db.read() as tx:
            counts = wrappings.counts(tx, None)
        for fingerprint in sorted(counts.keys() - {self._master.current}):
            count = counts[fingerprint] - self._blamed[fingerprint]
            if count > 0:
                what = (
                    f"wraps {count} keys made meanwhile: a server has it first. Put "
                    f"{self._master.current} first there, restart it, and run this again."
                )
                self.report.faults.append(Fault(f"master key {fingerprint}", what))
