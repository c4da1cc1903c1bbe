"""Passwords: hash, verify, refuse the common ones. Slow on purpose, and never under a lock.

bcrypt alone has three faults that the pre-hash removes: it raises above 72 bytes (older versions
cut silently), it treats the key as cyclic around NUL, and a stolen table can be attacked at
once. So what bcrypt gets is ``base64(HMAC-SHA256(pepper, account id, password))``: 44 printable
characters whatever the password, useless without the pepper (which the database holds only
wrapped), and different for each account, so that a hash copied to another row matches nothing.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt

from models.errors import FieldProblem, HashingSaturated, InvalidFields, Undecryptable
from models.rows import PasswordHash, SystemKey, UserId, Username

_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_COMMON_LIST_SIZE = 30_000
_LEAST_COST = 4  # that bcrypt takes
_NOBODY = UserId(0)  # no account has it
# A word that an attacker of this very service would try first (ASVS 6.2.11).
_CONTEXT_WORDS = ("secretsmanager", "secrets-manager", "secrets_manager", "secrets manager")


class PasswordHasher:
    """Hashes and verifies, a few at a time.

    bcrypt releases the interpreter lock, so *slots* hashes really run in parallel and take
    that many cores away from everybody else: 20 clients that log in pushed a health check to
    2.4 s before hashing went through a semaphore. No more than *queue* others may wait: each
    holds a thread of the server, and when all of them wait nobody else is answered either.
    """

    def __init__(
        self, pepper: SystemKey, cost: int, slots: int, queue: int, wait_seconds: float
    ) -> None:
        self._pepper = pepper
        self._cost = cost
        self._slots = threading.BoundedSemaphore(slots)
        self._admitted = threading.BoundedSemaphore(slots + queue)
        self._mine = threading.local()
        self._wait_seconds = wait_seconds
        self._nobody = _unmatchable_hash(cost)
        self._of_lower_cost = [_unmatchable_hash(lower) for lower in range(_LEAST_COST, cost)]

    def hash(self, password: str, account_id: UserId) -> PasswordHash:
        """Hash *password* for the account with this id. Raises HashingSaturated."""
        with self._slot():
            salted = bcrypt.hashpw(self._prehash(password, account_id), bcrypt.gensalt(self._cost))
        return PasswordHash(salted.decode())

    def verify(self, password: str, account_id: UserId, expected: PasswordHash) -> bool:
        """Whether *password* is the one that *expected* was made from.

        Raises HashingSaturated, or Undecryptable for what is stored but is no hash.
        """
        prehash = self._prehash(password, account_id)
        try:
            with self._slot():
                matches = bcrypt.checkpw(prehash, expected.encode())
                if not matches:
                    self._make_up_for(expected, prehash)
                return matches
        except ValueError as error:
            raise Undecryptable("A stored password hash is damaged.") from error

    def verify_nobody(self, password: str) -> bool:
        """Do the work of :meth:`verify` for an account that isn't there. Always False.

        Without it, an unknown name would answer 290 ms sooner than a known one.
        """
        return self.verify(password, _NOBODY, self._nobody)

    def _make_up_for(self, expected: PasswordHash, prehash: bytes) -> None:
        """Spend what a hash of an older, lower cost saved: else a wrong password would tell, by
        its time, an account that exists from one that doesn't. 2^c + 2^c + 2^(c+1) + … + 2^(C-1)
        rounds are just the 2^C of today's cost. What a call of bcrypt's takes before its first
        round comes on top, some 40 µs each: so nothing else is done here."""
        for lower in self._of_lower_cost[_cost(expected) - _LEAST_COST :]:
            bcrypt.checkpw(prehash, lower.encode())

    def needs_rehash(self, current: PasswordHash) -> bool:
        """Whether *current* was made at another cost than is configured now."""
        return _cost(current) != self._cost

    def _prehash(self, password: str, account_id: UserId) -> bytes:
        """Always 44 characters of base64. The id is digits, so the NUL after it keeps
        (id, password) pairs apart."""
        message = b"%d\x00" % account_id + password.encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.new(self._pepper, message, hashlib.sha256).digest())

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self.admitted(), _held(self._slots, self._wait_seconds):
            yield

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Have a place among those who hash or wait to, for what is to be done before that. What is
        hashed inside has it already. Raises HashingSaturated, at once."""
        if getattr(self._mine, "admitted", False):
            yield
            return
        with _held(self._admitted, 0):
            self._mine.admitted = True
            try:
                yield
            finally:
                self._mine.admitted = False


@contextmanager
def _held(semaphore: threading.Semaphore, wait_seconds: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=wait_seconds):
        raise HashingSaturated("Too many logins at once. Try again in a moment.")
    try:
        yield
    finally:
        semaphore.release()


def refuse_guessable(password: str, username: Username, pointer: str = "#/password") -> None:
    """Refuse what is tried first: common passwords, the account's name, the product's name.

    ASVS 6.2.4 and 6.2.11. Compared without case; the password itself is kept as sent.
    Raises InvalidFields, which names the field as *pointer*.
    """
    folded = password.lower()
    if folded in _common_passwords():
        reason = "is among the most common passwords; choose another"
    elif folded == username or any(word in folded for word in _CONTEXT_WORDS):
        reason = "must not be the username or contain the name of this service"
    else:
        return
    raise InvalidFields([FieldProblem(pointer, reason)])


@functools.cache
def _common_passwords() -> frozenset[str]:
    """The most common passwords, from the frequency list that zxcvbn ships.

    Its scorer is not used: it takes 1-58 ms and raises above 72 characters.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 40 ms, first use only

    return frozenset(FREQUENCY_LISTS["passwords"][:_COMMON_LIST_SIZE])


def _cost(hashed: PasswordHash) -> int:
    return int(hashed.split("$")[2])


def _unmatchable_hash(cost: int) -> PasswordHash:
    """A well-formed hash of the right cost that nobody ever computed: no start-up work."""
    digest = "".join(secrets.choice(_BCRYPT_ALPHABET) for _ in range(30)) + "."
    return PasswordHash(bcrypt.gensalt(cost).decode() + digest)
