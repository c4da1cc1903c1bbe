"""What ``rotate_keys.py`` can be asked for, and what it tells: rotate, rewrap, foresee, look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.errors import ConfigurationError
from models.names import parse_username
from models.reports import Fault, Report
from models.rows import UserId
from models.times import rfc3339
from utils.console import DONE, INCOMPLETE, Output
from utils.crypto import MasterKeys
from utils.db import Database
from utils.record import recorded
from utils.rewrapping import Rewrapper
from utils.rotation import Rotator, owners_due
from utils.scrubbing import leaves_remains, scrubbed
from utils.status import read_status
from utils.store import ciphertexts, keys, system, wrappings
from utils.verify import verify

_REMAINS = "is in use: what was destroyed stays in its files until the next run"
Owners = frozenset[UserId] | None  # the accounts that it is about; None: all


@dataclass(frozen=True, slots=True)
class RotationCommands:
    """Each works on one database, and returns the exit status."""

    db: Database
    master: MasterKeys
    out: Output

    def find_owners(self, names: Sequence[str] | None) -> Owners:
        """The accounts named on the command line. Raises ConfigurationError for one that isn't."""
        if not names:
            return None
        found = set()
        with self.db.read() as tx:
            for name in names:
                username = parse_username(name)
                owner = None if username is None else keys.find_owner(tx, username)
                if owner is None:
                    raise ConfigurationError(f"There is no user {name!r}.")
                found.add(owner)
        return frozenset(found)

    def rotate(self, owners: Owners, cutoff: datetime | None, now: datetime, batch: int) -> int:
        """New keys in place of those made by *cutoff* (None: of none), then all that follows."""
        rotator = Rotator(self.db, self.master, now, owners, batch)
        report = rotator.report
        with self._recorded(report, now):
            if cutoff is not None:
                rotator.switch(cutoff)
                if owners is None:
                    rotator.rotate_signing_key(cutoff)
            with self.out.progress("re-encrypting", lambda: self._count_stale(owners)) as step:
                rotator.sweep(step)
            rotator.destroy()
        return self._tell(
            report.faults,
            f"new keys: {report.switched}, re-encrypted: {report.reencrypted}, "
            f"destroyed: {report.destroyed}, faults: {len(report.faults)}",
            {
                "switched": report.switched,
                "signing_keys": report.signing_keys,
                "reencrypted": report.reencrypted,
                "destroyed": report.destroyed,
            },
        )

    def rewrap(self, now: datetime, batch: int) -> int:
        """Wrap everything under the first master key, so that the others can be dropped."""
        rewrapper = Rewrapper(self.db, self.master, batch)
        report = rewrapper.report
        with (
            self._recorded(report, now),
            self.out.progress("rewrapping", self._count_rewrappable) as step,
        ):
            rewrapper.rewrap_all(step)
        return self._tell(
            report.faults,
            f"rewrapped: {report.rewrapped}, faults: {len(report.faults)}",
            {"rewrapped": report.rewrapped},
        )

    def foresee_rewrapping(self) -> int:
        """Count what :meth:`rewrap` would do."""
        count = self._count_rewrappable()
        facts = {"dry_run": True, "rewrapped": count}
        return self._tell([], f"dry run: would rewrap {count} keys", facts)

    def foresee(self, owners: Owners, cutoff: datetime | None) -> int:
        """Count what :meth:`rotate` would do. A new key makes all of its owner's ciphertexts
        stale."""
        due: set[UserId] = set()
        if cutoff is not None:
            due = {owner for batch in owners_due(self.db, cutoff) for owner in batch}
        if owners is not None:
            due &= owners
        with self.db.read() as tx:
            counts = ciphertexts.counts_by_owner(tx)
            retired = len(keys.retired_keys(tx, owners))
            signing = cutoff is not None and owners is None and system.signing_key_due(tx, cutoff)
        moving = sum(
            count
            for (owner, state), count in counts.items()
            if (owners is None or owner in owners) and (state == "retired" or owner in due)
        )
        return self._tell(
            [],
            f"dry run: would make {len(due)} new keys, re-encrypt {moving} ciphertexts and "
            f"destroy {retired + len(due)} keys",
            {
                "dry_run": True,
                "switched": len(due),
                "signing_keys": int(signing),
                "reencrypted": moving,
                "destroyed": retired + len(due),
            },
        )

    def verify(self) -> int:
        """Open everything."""
        with self.out.progress("verifying", self._count_all) as step:
            found = verify(self.db, self.master, step)
        return self._tell(
            found.faults,
            f"{found.keys} keys, {found.ciphertexts} ciphertexts and {found.events} events "
            f"checked, {len(found.faults)} faults",
            {"keys": found.keys, "ciphertexts": found.ciphertexts, "events": found.events},
        )

    def status(self, owners: Owners) -> int:
        """Show keys, what is stale, and the last run."""
        status = read_status(self.db, self.master, owners)
        self.out.table(
            ("user", "key", "state", "created", "ciphertexts"),
            [
                (k.owner, k.public_id, k.state, rfc3339(k.created_at), str(k.ciphertexts_remaining))
                for k in status.keys
            ],
        )
        self.out.table(
            ("master key", "state", "wraps"),
            [(one.fingerprint, one.state, f"{one.keys} keys") for one in status.master_keys],
        )
        run = status.last_run
        oldest = None if status.oldest_stale_at is None else rfc3339(status.oldest_stale_at)
        last = "never" if run is None else f"{rfc3339(run.started_at)} {run.outcome}"
        return self._tell(
            [],
            f"{len(status.keys)} keys, {status.destroyed} destroyed, {status.stale} stale "
            f"ciphertexts, oldest stale: {oldest or 'none'}, last run: {last}",
            status.facts(),
        )

    @contextmanager
    def _recorded(self, report: Report, now: datetime) -> Iterator[None]:
        """Alone, on record, and with a scrub at the end: of what was destroyed here, or by a run
        that did not get to it."""
        with self.db.rotation_lock():
            remains = leaves_remains(self.db)
            with recorded(self.db, self.master, report, now):
                yield
                if (remains or report.leaves_remains) and not scrubbed(self.db):
                    report.faults.append(Fault("database", _REMAINS))

    def _tell(self, faults: list[Fault], line: str, facts: dict[str, Any]) -> int:
        self.out.faults(faults)
        self.out.summary(line, facts)
        return INCOMPLETE if faults else DONE

    def _count_stale(self, owners: Owners) -> int:
        with self.db.read() as tx:
            return ciphertexts.count_stale(tx, owners)

    def _count_rewrappable(self) -> int:
        with self.db.read() as tx:
            counts = wrappings.counts(tx, None)
        return sum(counts.values()) - counts.get(self.master.current, 0)

    def _count_all(self) -> int:
        with self.db.read() as tx:
            return ciphertexts.count_all(tx)
