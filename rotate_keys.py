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
from datetime import datetime, timedelta, timezone

from config import Settings
from models.errors import (
    ConfigurationError,
    RotationRunning,
    SecretsManagerError,
    TryLater,
)
from models.settings_text import parse_duration
from models.times import utcnow
from utils import configuration, logs
from utils.console import INCOMPLETE, Output, sentence
from utils.interruption import Interrupted, Interruption
from utils.rotation import DEFAULT_BATCH
from utils.rotation_commands import RotationCommands
from utils.vault import open_existing_store

USAGE, RUNNING = 2, 75
_LARGEST_BATCH = 10_000
# "All" asks no clock: a key that was made while one was wrong may seem to be of tomorrow.
_ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


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
            return carry_out(options, settings, RotationCommands(db, master, out))
    except ConfigurationError as error:
        return out.failure(USAGE, str(error))
    except RotationRunning as error:
        return out.failure(RUNNING, str(error))
    except TryLater as error:
        return out.failure(INCOMPLETE, f"{sentence(error)} What was committed stays; run it again.")
    except SecretsManagerError as error:
        return out.failure(INCOMPLETE, f"{error} Run it with --verify.")
    except Interrupted:
        return out.failure(
            INCOMPLETE, "Interrupted. What was committed stays; the next run does the rest."
        )


def carry_out(options: argparse.Namespace, settings: Settings, commands: RotationCommands) -> int:
    """Do what was asked; the exit status."""
    owners = commands.find_owners(options.user)
    if options.verify:
        return commands.verify()
    if options.status:
        return commands.status(owners)
    now = utcnow()
    if options.rewrap_master and options.dry_run:
        return commands.foresee_rewrapping()
    if options.rewrap_master:
        return commands.rewrap(now, options.batch_size)
    cutoff = _cutoff(options, settings, now)
    if options.dry_run:
        return commands.foresee(owners, cutoff)
    return commands.rotate(owners, cutoff, now, options.batch_size)


def _cutoff(options: argparse.Namespace, settings: Settings, now: datetime) -> datetime | None:
    """Keys made by this time are replaced; None: none is."""
    if options.sweep_only:
        return None
    if options.older_than is None and (options.all or options.user):
        return _ALWAYS
    age: timedelta = settings.KEY_MAX_AGE if options.older_than is None else options.older_than
    return now - age


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
