#!/usr/bin/env python3
"""Rotate encryption keys: run by cron, beside a live server, as often as you like.

Without arguments: users whose key is older than KEY_MAX_AGE get a new one, every ciphertext under
a retired key is re-encrypted (old versions and deleted secrets too), and keys that nothing
needs any more are destroyed. Settings are the server's (config.py, SECRETS_... variables).
With --rewrap-master it does none of this: it makes old master keys dispensable.

Exit status: 0 done; 1 something could not be done (it says what); 2 wrong usage or
configuration; 75 another rotation is running (cron will come again).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from config import Settings
from models.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    RotationRunning,
    SecretsManagerError,
    TryLater,
)
from models.names import parse_username
from models.rows import Fault, UserId
from models.settings_text import parse_duration
from models.times import rfc3339, utcnow
from utils import configuration, logs
from utils.console import Output
from utils.crypto import MasterKeys
from utils.db import Database
from utils.interruption import Interrupted, Interruption
from utils.record import leaves_remains, recorded, scrubbed
from utils.rewrapping import Rewrapper
from utils.rotation import DEFAULT_BATCH, Rotator, owners_due
from utils.status import read_status
from utils.store import ciphertexts, keys, system, wrappings
from utils.vault import open_existing_store
from utils.verify import verify

DONE, INCOMPLETE, USAGE, RUNNING = 0, 1, 2, 75
_LARGEST_BATCH = 10_000
# "All" asks no clock: a key that was made while one was wrong may seem to be of tomorrow.
_ALWAYS = datetime.max.replace(tzinfo=timezone.utc)
_REMAINS = "is in use: what was destroyed stays in its files until the next run"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    options = _options(arguments)
    out = Output(as_json=options.json, quiet=options.quiet)
    interruption = Interruption()
    try:
        settings = configuration.load(os.environ)
        logs.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
        db, master = open_existing_store(settings)
        db.at_rest = interruption.check
        with closing(db):
            return Command(options, settings, db, master, out).run()
    except ConfigurationError as error:
        return out.failure(USAGE, str(error))
    except RotationRunning as error:
        return out.failure(RUNNING, str(error))
    except TryLater as error:
        return out.failure(INCOMPLETE, f"{_why(error)} What was committed stays; run it again.")
    except SecretsManagerError as error:
        return out.failure(INCOMPLETE, f"{error} Run it with --verify.")
    except Interrupted:
        return out.failure(
            INCOMPLETE, "Interrupted. What was committed stays; the next run does the rest."
        )


@dataclass(frozen=True)
class Command:
    """One invocation: what was asked, and what it works with."""

    options: argparse.Namespace
    settings: Settings
    db: Database
    master: MasterKeys
    out: Output

    def run(self) -> int:
        """Do what was asked; the exit status."""
        owners = _owners(self.db, self.options.user)
        if self.options.verify:
            return self._verify()
        if self.options.status:
            return self._status(owners)
        now = utcnow()
        if self.options.rewrap_master:
            return self._rewrap(now)
        cutoff = _cutoff(self.options, self.settings, now)
        if self.options.dry_run:
            return self._dry_run(owners, cutoff)
        return self._rotate(owners, cutoff, now)

    def _rotate(
        self, owners: frozenset[UserId] | None, cutoff: datetime | None, now: datetime
    ) -> int:
        rotator = Rotator(self.db, self.master, now, owners, self.options.batch_size)
        report = rotator.report
        with self.db.rotation_lock():
            remains = leaves_remains(self.db)
            with recorded(self.db, self.master, report, now):
                if cutoff is not None:
                    rotator.switch(cutoff)
                    if owners is None:
                        rotator.rotate_signing_key(cutoff)
                with self.out.progress("re-encrypting", lambda: self._count_stale(owners)) as step:
                    rotator.sweep(step)
                rotator.destroy()
                if (remains or report.destroyed or report.signing_keys) and not scrubbed(self.db):
                    report.faults.append(Fault("database", _REMAINS))
        self.out.faults(report.faults)
        self.out.summary(
            f"new keys: {report.switched}, re-encrypted: {report.reencrypted}, "
            f"destroyed: {report.destroyed}, faults: {len(report.faults)}",
            {
                "switched": report.switched,
                "signing_keys": report.signing_keys,
                "reencrypted": report.reencrypted,
                "destroyed": report.destroyed,
            },
        )
        return INCOMPLETE if report.faults else DONE

    def _rewrap(self, now: datetime) -> int:
        """Wrap everything under the first master key, so that the others can be dropped."""
        count = self._count_rewrappable
        if self.options.dry_run:
            facts = {"dry_run": True, "rewrapped": count()}
            self.out.summary(f"dry run: would rewrap {facts['rewrapped']} keys", facts)
            return DONE
        rewrapper = Rewrapper(self.db, self.master, self.options.batch_size)
        report = rewrapper.report
        with self.db.rotation_lock():
            remains = leaves_remains(self.db)
            with recorded(self.db, self.master, report, now):
                with self.out.progress("rewrapping", count) as step:
                    rewrapper.rewrap_all(step)
                if (remains or report.rewrapped) and not scrubbed(self.db):
                    report.faults.append(Fault("database", _REMAINS))
        self.out.faults(report.faults)
        self.out.summary(
            f"rewrapped: {report.rewrapped}, faults: {len(report.faults)}",
            {"rewrapped": report.rewrapped},
        )
        return INCOMPLETE if report.faults else DONE

    def _dry_run(self, owners: frozenset[UserId] | None, cutoff: datetime | None) -> int:
        """Count what a run would do. A new key makes all of its owner's ciphertexts stale."""
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
        self.out.summary(
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
        return DONE

    def _verify(self) -> int:
        with self.out.progress("verifying", self._count_all) as step:
            found = verify(self.db, self.master, step)
        self.out.faults(found.faults)
        self.out.summary(
            f"{found.keys} keys, {found.ciphertexts} ciphertexts and {found.events} events "
            f"checked, {len(found.faults)} faults",
            {"keys": found.keys, "ciphertexts": found.ciphertexts, "events": found.events},
        )
        return INCOMPLETE if found.faults else DONE

    def _status(self, owners: frozenset[UserId] | None) -> int:
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
        self.out.summary(
            f"{len(status.keys)} keys, {status.destroyed} destroyed, {status.stale} stale "
            f"ciphertexts, oldest stale: {oldest or 'none'}, last run: {last}",
            status.facts(),
        )
        return DONE

    def _count_stale(self, owners: frozenset[UserId] | None) -> int:
        with self.db.read() as tx:
            return ciphertexts.count_stale(tx, owners)

    def _count_rewrappable(self) -> int:
        with self.db.read() as tx:
            counts = wrappings.counts(tx, None)
        return sum(counts.values()) - counts.get(self.master.current, 0)

    def _count_all(self) -> int:
        with self.db.read() as tx:
            return ciphertexts.count_all(tx)


def _cutoff(options: argparse.Namespace, settings: Settings, now: datetime) -> datetime | None:
    """Keys made by this time are replaced; None: none is."""
    if options.sweep_only:
        return None
    if options.older_than is None and (options.all or options.user):
        return _ALWAYS
    age: timedelta = settings.KEY_MAX_AGE if options.older_than is None else options.older_than
    return now - age


def _owners(db: Database, names: list[str] | None) -> frozenset[UserId] | None:
    """The accounts named on the command line. Raises ConfigurationError for one that isn't."""
    if not names:
        return None
    found = set()
    with db.read() as tx:
        for name in names:
            username = parse_username(name)
            owner = None if username is None else keys.find_owner(tx, username)
            if owner is None:
                raise ConfigurationError(f"There is no user {name!r}.")
            found.add(owner)
    return frozenset(found)


def _why(error: TryLater) -> str:
    """The operator may know more than the caller of the API."""
    if isinstance(error, DatabaseUnavailable) and error.why:
        return f"{str(error).removesuffix('.')}: {error.why}."
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Rotate encryption keys. Without options: replace keys older than KEY_MAX_AGE, "
        "re-encrypt everything stale, destroy what nothing needs.",
        epilog="Exit status: 0 done, 1 something could not be done, 2 usage or configuration, "
        "75 another rotation is running.",
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="new keys for all users, now")
    what.add_argument("--older-than", type=_age, metavar="30d", help="new keys for keys this old")
    what.add_argument("--sweep-only", action="store_true", help="no new keys, only re-encrypt")
    what.add_argument(
        "--rewrap-master", action="store_true", help="wrap all keys under the first master key"
    )
    what.add_argument("--status", action="store_true", help="show keys and what is stale")
    what.add_argument("--verify", action="store_true", help="open everything, change nothing")
    parser.add_argument(
        "--user", action="append", metavar="NAME", help="only this user (may be repeated)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--batch-size", type=_batch_size, default=DEFAULT_BATCH, metavar="N", help="1 to 10000"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line")
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong")
    return parser


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.user and (options.all or options.verify or options.rewrap_master):
        parser.error("--user cannot be combined with --all, --verify or --rewrap-master")
    if options.dry_run and (options.status or options.verify):
        parser.error("--dry-run says what a rotation would do: not with --status or --verify")
    return options


def _age(text: str) -> timedelta:
    try:
        age = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    assert isinstance(age, timedelta)  # noqa: S101 - of a str it makes nothing else
    return age


def _batch_size(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= _LARGEST_BATCH:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {_LARGEST_BATCH}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
