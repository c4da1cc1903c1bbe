"""Around whatever checks a password that came in: it counts as a guess until it was right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter, sleep

from flask import request

from models.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    HashingSaturated,
    MissingMasterKey,
    TooManyAttempts,
    TryLater,
    WrongCredentials,
)
from models.rows import Account
from routes.context import current_vault
from utils.db import Tx
from utils.store import attempts
from utils.throttle import Bucket, Guess

# What :func:`one_attempt` refuses, for the routes that go through it to declare.
ATTEMPTS = (TooManyAttempts, HashingSaturated)
# A tenth of what a password's hash takes at the default cost; more than anything else differs by.
TICK_SECONDS = 0.025
_DATABASE = (DatabaseBusy, DatabaseUnavailable)


@dataclass(slots=True)
class Attempt:
    """A guess that was let through, and the units that it took."""

    guess: Guess
    taken: list[Bucket]
    now: datetime
    settled: bool = False

    def succeeded(self, tx: Tx, account: Account) -> None:
        """It was a login: give back what it took, and remember where it came from, in the
        transaction that opens the session."""
        self.give_back_in(tx)
        attempts.remember_source(tx, account.id, self.guess, self.now)

    def give_back_in(self, tx: Tx) -> None:
        """The password was right: give back what it took, in the transaction that it allows."""
        attempts.give_back(tx, self.taken)
        self.settled = True

    def give_back(self, *, wait: bool = True) -> None:
        """In a transaction of its own. If that fails the units come back by themselves, later."""
        with suppress(TryLater), current_vault().db.write(wait=wait) as tx:
            attempts.give_back(tx, self.taken)


@contextmanager
def refused_on_a_tick() -> Iterator[None]:
    """A wrong password for whoever it is, is answered when the next tick comes.

    The work is the same for every account, but not to the microsecond: a row that is there is
    fetched, a hash of a lower cost is made up for in two calls instead of one. On a quiet machine
    a thousand answers tell that apart. What is left of it after a tick is whether one was missed
    (bucketing: Köpf and Dürmuth, "A Provably Secure and Efficient Countermeasure against Timing
    Attacks", 2009).
    """
    began = perf_counter()
    try:
        yield
    except WrongCredentials:
        sleep((began - perf_counter()) % TICK_SECONDS)
        raise


@contextmanager
def one_attempt(username: str, now: datetime) -> Iterator[Attempt]:
    """Let one password for *username* be checked inside. Raises TooManyAttempts.

    Whatever is raised inside means that it was wrong, and counts, except for what is answered with
    503: then nobody has learned anything about it. Where nothing is raised it was right.
    """
    vault = current_vault()
    guess = vault.throttle.guess(username, request.remote_addr)
    with vault.hasher.admitted():  # first: a flood that it turns away must not write anything
        with vault.db.write() as tx:
            attempt = Attempt(guess, attempts.reserve(tx, guess, now), now)
        try:
            yield attempt
        except (TryLater, MissingMasterKey) as error:
            attempt.give_back(wait=not isinstance(error, _DATABASE))
            raise
        if not attempt.settled:
            attempt.give_back()
