"""Requests a minute, below the API: how many get through in one process, and in several."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import partial

import pytest
from flask import Flask

from config import Settings
from models.errors import TooManyRequests
from models.times import utcnow
from routes.context import vault_of
from tests.support.race import at_once
from tests.support.shared import module_app, unique
from tests.support.trouble import locked
from utils.db import Database
from utils.pace import Pace
from utils.throttle import Bucket
from utils.vault import Vault

NOW = utcnow()
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
UNITS = 60  # a minute: one comes back each second


app_of_all = module_app()


@pytest.fixture(scope="module")
def db(app_of_all: Flask) -> Database:
    """A database of each engine, for the whole module."""
    return vault_of(app_of_all).db


def bucket(units: int = UNITS) -> tuple[Bucket, ...]:
    """A limit of somebody's that nobody else has."""
    return (Bucket(unique("subject"), units, 60_000_000 // units),)


def sent(pace: Pace, limit: tuple[Bucket, ...], count: int, now: datetime) -> int:
    """How many of *count* requests at once get through."""
    through = 0
    for _ in range(count):
        try:
            pace.take(limit, now)
        except TooManyRequests:
            continue
        through += 1
    return through


def rows(db: Database, limit: tuple[Bucket, ...]) -> int:
    """Whether the bucket is stored."""
    with db.read() as tx:
        sql = "SELECT count(*) FROM request_buckets WHERE subject = ?"
        return int(tx.all(sql, limit[0].subject)[0][0])


# --- one process --------------------------------------------------------------------------------


def test_a_minutes_worth_gets_through_at_once_and_comes_back() -> None:
    """One by one; and who tries on while refused waits no longer for it."""
    pace, limit = Pace(), bucket()
    assert sent(pace, limit, 100, NOW) == UNITS
    assert sent(pace, limit, 100, NOW + SECOND) == 1
    assert sent(pace, limit, 100, NOW + 11 * SECOND) == 10
    assert sent(pace, limit, 100, NOW + 5 * MINUTE) == UNITS


def test_who_waits_as_long_as_told_gets_through() -> None:
    """Not a second earlier."""
    pace, limit = Pace(), bucket(6)
    sent(pace, limit, 6, NOW)
    with pytest.raises(TooManyRequests) as refused:
        pace.take(limit, NOW)
    wait = refused.value.retry_after_seconds * SECOND
    assert wait == 10 * SECOND
    assert sent(pace, limit, 1, NOW + wait - SECOND) == 0
    assert sent(pace, limit, 1, NOW + wait) == 1


def test_threads_of_a_process_share_its_count() -> None:
    """Of many at once so many get through, and no more."""
    pace, limit = Pace(), bucket()
    assert sum(at_once([partial(sent, pace, limit, 10, NOW)] * 20)) == UNITS


def test_a_clock_that_was_set_back_refuses_nobody() -> None:
    """What is full in a future that is no more would refuse until then."""
    pace, limit = Pace(), bucket()
    assert sent(pace, limit, UNITS, NOW) == UNITS
    assert sent(pace, limit, 100, NOW - timedelta(days=1)) == UNITS


def test_what_is_charged_is_paid_for_by_the_next(db: Database) -> None:
    """Nothing is refused for it when it comes; the units come back one by one, in all processes."""
    pace, other, limit = Pace(), Pace(), bucket()
    pace.take(limit, NOW)
    pace.charge(limit, 2 * UNITS - 1, NOW)
    assert sent(pace, limit, 1, NOW + MINUTE) == 0
    pace.settle(db, NOW)
    other.take(limit, NOW)
    other.settle(db, NOW)
    assert sent(other, limit, 1, NOW + MINUTE) == 0
    assert sent(other, limit, 100, NOW + MINUTE + 11 * SECOND) == 10


def test_no_charge_looks_like_a_clock_that_was_set_back() -> None:
    """It would be forgiven: so nobody owes more than five minutes."""
    pace, limit = Pace(), bucket(1)
    for _ in range(3):
        pace.charge(limit, 1000, NOW)
    assert sent(pace, limit, 1, NOW) == 0
    assert sent(pace, limit, 1, NOW + 4 * MINUTE) == 0
    assert sent(pace, limit, 1, NOW + 5 * MINUTE) == 1


# --- several ------------------------------------------------------------------------------------


def test_processes_learn_of_each_others_counts(db: Database) -> None:
    """Once they have settled, what one has let through the other does not."""
    one, other, limit = Pace(), Pace(), bucket()
    assert sent(one, limit, 40, NOW) == 40
    assert sent(other, limit, 1, NOW) == 1
    one.settle(db, NOW)
    other.settle(db, NOW)
    assert sent(other, limit, 100, NOW) == UNITS - 41
    other.settle(db, NOW)
    assert sent(one, limit, 1, NOW) == 1, "as far as it knows"
    one.settle(db, NOW)
    assert sent(one, limit, 100, NOW) == 0


def test_over_time_all_processes_together_let_the_limit_through(db: Database) -> None:
    """Four workers, and somebody who sends to each as much as it takes, for ten minutes: no more
    than the limit, and the worth of a minute and of a second for each worker."""
    paces, limit, through = [Pace() for _ in range(4)], bucket(), 0
    for second in range(600):
        now = NOW + second * SECOND
        for pace in paces:
            through += sent(pace, limit, 5 if second else 100, now)
            pace.settle(db, now)
    assert through <= 10 * UNITS + 4 * UNITS + 4
    assert through >= 10 * UNITS


def test_what_was_counted_is_told_once(db: Database) -> None:
    """Settling again, and settling after what all has come back, adds nothing."""
    one, limit = Pace(), bucket()
    sent(one, limit, 10, NOW)
    for _ in range(3):
        one.settle(db, NOW)
    other = Pace()
    other.take(limit, NOW)
    other.settle(db, NOW)
    assert sent(other, limit, 100, NOW) == UNITS - 11


def test_a_database_that_has_no_time_is_told_later(
    app: Flask, vault: Vault, settings: Settings
) -> None:
    """Nobody waits for it, nothing fails, and nothing is forgotten."""
    one, other, limit = Pace(), Pace(), bucket()
    sent(one, limit, 1, NOW)
    one.settle(vault.db, NOW)
    sent(one, limit, 40, NOW)
    began = time.monotonic()
    with locked(settings.DATABASE_URL):
        one.settle(vault.db, NOW)
    assert time.monotonic() - began < settings.DATABASE_TIMEOUT.total_seconds()
    one.settle(vault.db, NOW)
    other.take(limit, NOW)
    other.settle(vault.db, NOW)
    assert sent(other, limit, 100, NOW) == UNITS - 42


def test_processes_that_settle_at_once_lose_nothing(db: Database) -> None:
    """Each for the same hundred subjects: what one cannot tell now it tells later."""
    limits = [bucket() for _ in range(100)]
    paces = [Pace() for _ in range(4)]
    for pace in paces:
        for limit in limits:
            sent(pace, limit, 2, NOW)
    for _ in range(3):
        at_once([partial(pace.settle, db, NOW) for pace in paces])
    for pace in paces:
        pace.settle(db, NOW)
    late = Pace()
    for limit in limits:
        late.take(limit, NOW)
    late.settle(db, NOW)
    assert {sent(late, limit, 100, NOW) for limit in limits} == {UNITS - 9}


def test_nothing_is_kept_of_who_comes_no_more(db: Database) -> None:
    """Neither in the database nor in memory: made-up sources would fill both."""
    pace, gone = Pace(), [bucket() for _ in range(10)]
    for limit in gone:
        pace.take(limit, NOW)
    pace.settle(db, NOW)
    assert [rows(db, limit) for limit in gone] == [1] * 10
    for turn in range(200):
        last = bucket()
        pace.take(last, NOW + (5 + turn) * MINUTE)
        pace.settle(db, NOW + (5 + turn) * MINUTE)
    assert [rows(db, limit) for limit in gone] == [0] * 10
    assert len(pace._counts) == 1
