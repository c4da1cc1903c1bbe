"""Attempts to guess a password, counted in the database: one count for all workers and restarts.

Each subject has a leaky bucket in one number (GCRA): ``full_at``, the moment when all its units
will be back. Taking one unit moves it on by what a unit costs, and it may not move further ahead
of the clock than all units together. No job has to refill anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.errors import TooManyAttempts, TooManyRegistrations
from models.rows import UserId
from models.times import to_microseconds
from utils.db import Tx
from utils.throttle import Bucket, Guess

KNOWN_FOR = timedelta(days=90)
KNOWN_SOURCES = 20  # per account, the newest
_SWEEP = 10  # an attempt makes three rows at most: so the table cannot but shrink
_CLOCK_LEEWAY = 60_000_000  # microseconds that nodes' clocks may differ
_SECOND = 1_000_000

# One statement, so that of many at once each finds the number that the one before has left. The
# third case is a clock that was set back: it would lock everybody out until it has caught up.
_TAKE = (
    "INSERT INTO login_attempts (subject, full_at) VALUES (?, ?) "
    "ON CONFLICT (subject) DO UPDATE SET full_at = CASE "
    "WHEN login_attempts.full_at <= ? THEN excluded.full_at "
    "WHEN login_attempts.full_at > ? THEN ? "
    "ELSE login_attempts.full_at + ? END RETURNING full_at"
)


def reserve(tx: Tx, guess: Guess, now: datetime) -> list[Bucket]:
    """Take a unit from each bucket that applies, before the password is looked at: whoever asks
    afterwards lets a thousand through that come at once.

    Raises TooManyAttempts if any is empty. That has to roll the transaction back: a refused
    attempt must not take units, or trying on would keep the owner out.
    """
    moment = to_microseconds(now)
    buckets = guess.buckets(known=_is_known(tx, guess, now))
    wait = max((_take(tx, bucket, moment) for bucket in buckets), default=0)
    if wait > 0:
        raise TooManyAttempts(-(-wait // _SECOND))
    _sweep(tx, moment)
    return buckets


def refuse_registration(tx: Tx, buckets: Sequence[Bucket], now: datetime) -> None:
    """Look before the costly hashing, and take nothing. What decides is
    :func:`count_registration`. Raises TooManyRegistrations."""
    moment = to_microseconds(now)
    for bucket in buckets:
        row = tx.one("SELECT full_at FROM login_attempts WHERE subject = ?", bucket.subject)
        _refuse_early(0 if row is None else row[0] + bucket.cost - moment - bucket.capacity)


def count_registration(tx: Tx, buckets: Sequence[Bucket], now: datetime) -> None:
    """Take a unit for an account, in the transaction that makes it: what fails uses nothing up.

    Raises TooManyRegistrations, which has to roll the transaction back.
    """
    moment = to_microseconds(now)
    for bucket in buckets:
        _refuse_early(_take(tx, bucket, moment))
    _sweep(tx, moment)


def _refuse_early(wait: int) -> None:
    if wait > 0:
        raise TooManyRegistrations(-(-wait // _SECOND))


def give_back(tx: Tx, buckets: list[Bucket]) -> None:
    """Undo :func:`reserve`, after a password that was right, or was never looked at.

    The buckets are not emptied: whoever has an account would log in to go on guessing at others.
    """
    for bucket in buckets:
        tx.run(
            "UPDATE login_attempts SET full_at = full_at - ? WHERE subject = ?",
            bucket.cost,
            bucket.subject,
        )


def remember_source(tx: Tx, account: UserId, guess: Guess, now: datetime) -> None:
    """The account has logged in from there: the others' failures no longer count against it."""
    moment = to_microseconds(now)
    tx.run(
        "INSERT INTO known_sources (pair, user_id, last_used_at) VALUES (?, ?, ?) "
        "ON CONFLICT (pair) DO UPDATE SET last_used_at = excluded.last_used_at",
        guess.pair,
        account,
        moment,
    )
    tx.run(
        "DELETE FROM known_sources WHERE user_id = ? AND (last_used_at <= ? OR pair NOT IN "
        "(SELECT pair FROM known_sources WHERE user_id = ? "
        "ORDER BY last_used_at DESC, pair LIMIT ?))",
        account,
        to_microseconds(now - KNOWN_FOR),
        account,
        KNOWN_SOURCES,
    )


def _is_known(tx: Tx, guess: Guess, now: datetime) -> bool:
    row = tx.one(
        "SELECT 1 FROM known_sources WHERE pair = ? AND last_used_at > ?",
        guess.pair,
        to_microseconds(now - KNOWN_FOR),
    )
    return row is not None


def _take(tx: Tx, bucket: Bucket, moment: int) -> int:
    """Take a unit, also one that is not there; how many microseconds too early that is."""
    full = moment + bucket.capacity
    row = tx.one(
        _TAKE,
        bucket.subject,
        moment + bucket.cost,
        moment,
        full + _CLOCK_LEEWAY,
        full,
        bucket.cost,
    )
    assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
    return int(row[0]) - full


def _sweep(tx: Tx, moment: int) -> None:
    """Drop some buckets whose units are all back: made-up names must not fill the disk.

    Those that another transaction holds are left alone: it may be waiting for one of ours.
    """
    tx.run(
        "DELETE FROM login_attempts WHERE subject IN (SELECT subject FROM login_attempts "
        "WHERE full_at <= ? ORDER BY full_at LIMIT ? FOR NO KEY UPDATE SKIP LOCKED)",
        moment,
        _SWEEP,
    )
