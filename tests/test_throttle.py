"""The limits on guessing, below the API: their arithmetic, and what is stored of whom."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from functools import partial

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.errors import TooManyAttempts
from models.rows import SystemKey, UserId
from models.times import utcnow
from routes.context import vault_of
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.shared import module_app, unique
from utils.db import Database
from utils.store import attempts
from utils.throttle import Throttle, source_of

PEPPER = SystemKey(b"p" * 44)
WINDOW = timedelta(minutes=15)
HOME = "192.0.2.1"
NOW = utcnow()

app = module_app()


@pytest.fixture(scope="module")
def db(app: Flask) -> Database:
    """Its database."""
    return vault_of(app).db


def throttle(pair: int = 0, account: int = 0, source: int = 0) -> Throttle:
    """Limits for a test; without a number there is none."""
    return Throttle(PEPPER, WINDOW, pair, account, source)


def refused_for(
    db: Database, limits: Throttle, name: str, now: datetime, address: str = HOME
) -> int:
    """Reserve an attempt; 0 if it may be made, otherwise the seconds to wait."""
    try:
        with db.write() as tx:
            attempts.reserve(tx, limits.guess(name, address), now)
    except TooManyAttempts as error:
        return error.retry_after_seconds
    return 0


def rows(db: Database) -> int:
    """How many buckets are stored."""
    with db.read() as tx:
        return int(tx.all("SELECT count(*) FROM login_attempts")[0][0])


# --- arithmetic --------------------------------------------------------------------------------


@given(
    units=st.integers(1, 7),
    gaps=st.lists(st.integers(0, int(WINDOW.total_seconds())), min_size=1, max_size=30),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_no_stretch_of_time_has_more_attempts_than_it_may(
    db: Database, units: int, gaps: list[int]
) -> None:
    """Of any length: what comes at once, and what came back since. And who waits as long as it is
    told to gets in, so nobody who pauses is kept out for good."""
    limits, name, now, allowed = throttle(pair=units), unique("guessed"), NOW, list[datetime]()
    for gap in gaps:
        now += timedelta(seconds=gap)
        wait = refused_for(db, limits, name, now)
        if wait:
            assert wait <= WINDOW.total_seconds() / units + 1
            now += timedelta(seconds=wait)
            assert refused_for(db, limits, name, now) == 0
        allowed.append(now)
    for (i, first), (j, last) in itertools.combinations(enumerate(allowed), 2):
        assert j - i + 1 <= units + (last - first) * units / WINDOW


def test_attempts_that_were_not_made_come_back(db: Database) -> None:
    """All of them within the window, and never more than there were."""
    limits, name = throttle(pair=5), unique("pauses")
    for start in (NOW, NOW + WINDOW, NOW + 100 * WINDOW):
        waits = [refused_for(db, limits, name, start) for _ in range(7)]
        assert waits == [0, 0, 0, 0, 0, 180, 180]


def test_who_is_refused_uses_nothing_up(db: Database) -> None:
    """One empty bucket refuses, and the others stay as they are: else trying on from one place
    would close the account to every other place."""
    limits, name = throttle(pair=2, account=4, source=9), unique("victim")
    assert [refused_for(db, limits, name, NOW) > 0 for _ in range(9)] == [False] * 2 + [True] * 7
    elsewhere = [refused_for(db, limits, name, NOW, "192.0.2.2") for _ in range(3)]
    assert [wait > 0 for wait in elsewhere] == [False, False, True]


def test_the_longest_wait_is_told(db: Database) -> None:
    """Who waited for the first of two buckets would be refused by the other."""
    limits, name = throttle(pair=10, account=2), unique("slow")
    assert [refused_for(db, limits, name, NOW) for _ in range(3)] == [0, 0, 450]


def test_of_many_at_once_only_so_many_get_through(db: Database) -> None:
    """The count is read and written in one statement: no two find the same unit."""
    limits, name = throttle(pair=10, account=50, source=1000), unique("stormed")
    ask = partial(refused_for, db, limits, name, NOW)
    waits = at_once([ask] * 40)
    assert waits.count(0) == 10


def test_buckets_that_are_shared_crosswise_do_not_wait_for_each_other(db: Database) -> None:
    """Many accounts from many sources: each two transactions want the same rows, and take them in
    the same order. What one sweeps away, another may be about to use."""
    limits = throttle(pair=100, account=100, source=100)
    names = [unique("crossed") for _ in range(4)]

    def hammer(number: int, now: datetime = NOW) -> bool:
        return all(
            refused_for(db, limits, names[(number + i) % 4], now, f"198.51.100.{number * i % 4}")
            == 0
            for i in range(10)
        )

    assert all(hammer(number, NOW - timedelta(days=1)) for number in range(8))
    assert all(at_once([partial(hammer, number) for number in range(8)]))


def test_a_clock_that_was_set_back_locks_nobody_out(db: Database) -> None:
    """A bucket that was used in a future which is no more would be full in that future."""
    limits, name = throttle(pair=2), unique("early")
    assert [refused_for(db, limits, name, NOW) for _ in range(3)] == [0, 0, 450]
    past = NOW - timedelta(days=300)
    assert [refused_for(db, limits, name, past) for _ in range(2)] == [0, 450]
    assert refused_for(db, limits, name, past + timedelta(seconds=450)) == 0


def test_a_node_whose_clock_is_slow_gives_nothing_away(db: Database) -> None:
    """Seconds between the clocks of two nodes must not reset a bucket."""
    limits, name = throttle(pair=2), unique("skewed")
    slow = NOW - timedelta(seconds=50)
    waits = [refused_for(db, limits, name, moment) for moment in (NOW, NOW, slow, NOW, slow)]
    assert [wait > 0 for wait in waits] == [False, False, True, True, True]


def test_what_is_given_back_can_be_used_again(db: Database) -> None:
    """The bucket is neither emptied by it nor made larger."""
    limits, name = throttle(pair=2, account=2, source=1000), unique("right")
    assert refused_for(db, limits, name, NOW) == 0
    for _ in range(5):
        with db.write() as tx:
            attempts.give_back(tx, attempts.reserve(tx, limits.guess(name, HOME), NOW))
    assert [refused_for(db, limits, name, NOW) > 0 for _ in range(2)] == [False, True]


def test_made_up_names_do_not_fill_the_table(db: Database) -> None:
    """Each attempt takes along some of the buckets whose time is over."""
    limits = throttle(pair=5, account=5, source=10_000)
    for number in range(50):
        assert refused_for(db, limits, f"made-up-{number}", NOW) == 0
    before = rows(db)
    for number in range(before // 5):
        assert refused_for(db, limits, "the same", NOW + (number + 3) * WINDOW) == 0
    assert rows(db) <= 10 < before


# --- who is who --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::c000:201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2:ffff::", "2001:db8:1:2::"),
        ("2001:db8:1:3::", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        *((text, "") for text in ("", None, "unix:", "192.0.2.1:80", "nonsense")),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(address: str | None, source: str) -> None:
    """A customer gets a whole /64, and would have as many addresses as guesses."""
    assert source_of(address) == source


def test_names_are_compared_as_a_login_compares_them() -> None:
    """Every spelling of an account is that account; what no account can be is itself."""
    limits = throttle(1, 1, 1)
    same = {limits.guess(name, HOME) for name in ("Alice", "alice", "ALICE")}
    assert len(same) == 1
    others = ["", " ", "Alice ", "alice ", "é", "e\u0301", "\ud800", "x" * 10_000, "a\0b", "bob"]
    assert len({limits.guess(name, HOME) for name in others} | same) == len(others) + 1


def test_different_things_have_different_buckets() -> None:
    """A name that is spelt like an address, or holds what separates the two, is still a name."""
    limits = throttle(1, 1, 1)
    guesses = [
        limits.guess(name, at) for name in ("a", HOME, f"{HOME}\0a", "") for at in ("", HOME)
    ]
    subjects = [{bucket.subject for bucket in one.buckets(known=False)} for one in guesses]
    assert all(len(found) == 3 for found in subjects)
    assert len({one.pair for one in guesses}) == len(guesses)
    # 8 pairs, 4 names and 2 sources.
    assert len(set().union(*subjects)) == 14


def test_a_database_has_subjects_of_its_own() -> None:
    """Without the pepper nobody can tell whether a name is among them."""
    other = Throttle(SystemKey(b"q" * 44), WINDOW, 1, 1, 1)
    assert other.guess("alice", HOME).pair != throttle(1, 1, 1).guess("alice", HOME).pair


# --- known sources -----------------------------------------------------------------------------


@pytest.fixture
def account(app: Flask) -> UserId:
    """Somebody who has never logged in."""
    someone = Person(app, unique("known"))
    assert someone.register().status_code == 201
    with vault_of(app).db.read() as tx:
        row = tx.one("SELECT id FROM users WHERE username = ?", someone.username)
    assert row is not None
    return UserId(row[0])


def visit(db: Database, account: UserId, address: str, now: datetime) -> None:
    """Log in from *address*."""
    with db.write() as tx:
        guess = throttle(account=1).guess(str(account), address)
        attempts.remember_source(tx, account, guess, now)


def is_known(db: Database, account: UserId, address: str, now: datetime) -> bool:
    """Whether the account's own limit is waived for *address*."""
    limits = throttle(account=1)
    return [refused_for(db, limits, str(account), now, address) for _ in range(2)][1] == 0


def test_a_source_is_known_for_ninety_days(db: Database, account: UserId) -> None:
    """From the last login, not from the first."""
    visit(db, account, HOME, NOW)
    visit(db, account, HOME, NOW + timedelta(days=80))
    assert is_known(db, account, HOME, NOW + timedelta(days=169))
    assert not is_known(db, account, HOME, NOW + timedelta(days=170))
    assert not is_known(db, account, "192.0.2.2", NOW)


def test_the_newest_sources_are_kept(db: Database, account: UserId) -> None:
    """Somebody who moves about leaves no trail without an end."""
    for number in range(25):
        visit(db, account, f"192.0.2.{number}", NOW + timedelta(minutes=number))
    visit(db, account, "192.0.2.5", NOW + timedelta(minutes=30))
    with db.read() as tx:
        kept = tx.all("SELECT pair FROM known_sources WHERE user_id = ?", account)
    pairs = [throttle().guess(str(account), f"192.0.2.{number}").pair for number in range(25)]
    assert {row[0] for row in kept} == {pairs[5], *pairs[6:]}
