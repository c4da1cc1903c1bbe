"""How passwords are hashed: bound to their account, a few at a time, bcrypt's faults made good."""

from __future__ import annotations

import base64
import hashlib
import hmac
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import HashingSaturated, Undecryptable
from models.rows import PasswordHash, SystemKey, UserId, Username
from tests.support.people import Person, problem
from tests.support.race import Gate
from utils import passwords
from utils.passwords import PasswordHasher
from utils.vault import Vault

PEPPER = SystemKey(b"p" * 44)
ALICE = Username("alice")
HERS, HIS = UserId(7), UserId(70)
ALICE_ID, BOB_ID, MALLORY_ID = UserId(71), UserId(72), UserId(73)
on_one_engine = pytest.mark.one_engine("sqlite", "it is about hashing")


def make_hasher(
    cost: int = 4, slots: int = 2, wait_seconds: float = 5, queue: int = 100
) -> PasswordHasher:
    """A hasher, cheap unless a test is about the cost."""
    return PasswordHasher(PEPPER, cost, slots, queue, wait_seconds)


@pytest.fixture
def hasher() -> PasswordHasher:
    """A cheap hasher."""
    return make_hasher()


# --- the pre-hash ------------------------------------------------------------------------------


def test_bcrypt_gets_a_keyed_hash_of_account_and_password(hasher: PasswordHasher) -> None:
    """base64(HMAC-SHA256(pepper, account id, NUL, password)): without the pepper, which the
    database holds only wrapped, a stolen table can't even be attacked."""
    message = b"71\x00" + "pässword".encode()
    prehash = base64.b64encode(hmac.new(PEPPER, message, hashlib.sha256).digest())
    hashed = hasher.hash("pässword", ALICE_ID)
    assert bcrypt.checkpw(prehash, hashed.encode())
    assert not bcrypt.checkpw("pässword".encode(), hashed.encode())


@pytest.mark.invariant(number=6)
def test_another_pepper_matches_nothing(hasher: PasswordHasher) -> None:
    """A table of hashes from one installation is worthless in another."""
    hashed = hasher.hash("hunter22", ALICE_ID)
    other = PasswordHasher(SystemKey(b"q" * 44), 4, 1, 1, 5)
    assert hasher.verify("hunter22", ALICE_ID, hashed)
    assert not other.verify("hunter22", ALICE_ID, hashed)


@pytest.mark.invariant(number=7)
def test_a_hash_matches_in_its_own_account_only(hasher: PasswordHasher) -> None:
    """Somebody who can write to the database can't paste a hash of theirs into another account."""
    hashed = hasher.hash("hunter22", MALLORY_ID)
    assert not hasher.verify("hunter22", ALICE_ID, hashed)


def test_a_hash_is_salted(hasher: PasswordHasher) -> None:
    """Two equal passwords do not show as equal rows, nor does one that is set twice."""
    assert hasher.hash("hunter22", ALICE_ID) != hasher.hash("hunter22", ALICE_ID)


@given(password=st.text(max_size=300), other=st.text(max_size=300))
def test_every_character_counts(password: str, other: str) -> None:
    """Any text is a password, and only itself: nothing is cut, trimmed, folded or normalised."""
    hasher = make_hasher()
    prehash = hasher._prehash(password, ALICE_ID)
    assert len(prehash) == 44
    assert b"\x00" not in prehash
    assert (hasher._prehash(other, ALICE_ID) == prehash) == (other == password)


@pytest.mark.parametrize(
    ("password", "similar"),
    [
        pytest.param("x" * 72 + "a", "x" * 72 + "b", id="after bcrypt's 72 bytes"),
        pytest.param("x" * 1023 + "a", "x" * 1023 + "b", id="at the end of a long one"),
        pytest.param("correct\x00horse", "correct\x00zebra", id="after NUL"),
        pytest.param("horse\x00", "horse\x00horse\x00", id="bcrypt's cycle around NUL"),
        pytest.param("correct horse", "correct horse ", id="trailing space"),
        pytest.param("Correct Horse", "correct horse", id="case"),
        pytest.param("caf\u00e9 noir", "cafe\u0301 noir", id="Unicode form"),
        pytest.param("a\ud800bcdefgh", "a\ud801bcdefgh", id="lone surrogates"),
    ],
)
def test_bcrypt_tells_similar_passwords_apart(
    hasher: PasswordHasher, password: str, similar: str
) -> None:
    """Where bcrypt alone would cut, cycle or raise, the pre-hash does not."""
    hashed = hasher.hash(password, ALICE_ID)
    assert hasher.verify(password, ALICE_ID, hashed)
    assert not hasher.verify(similar, ALICE_ID, hashed)


# --- nobody, and damage ------------------------------------------------------------------------


@pytest.mark.parametrize("cost", range(4, 19))
def test_the_hash_of_nobody_is_one_that_bcrypt_takes(cost: int) -> None:
    """Well-formed and of the configured cost: a malformed one would be refused at once, and the
    quick answer would tell that the account isn't there."""
    nobody = passwords._unmatchable_hash(cost)
    assert nobody.startswith(f"$2b${cost:02d}$")
    assert len(nobody) == 60
    if cost <= 8:  # bcrypt reads all costs alike; the higher ones would take seconds
        assert bcrypt.checkpw(b"x" * 44, nobody.encode()) is False


def test_nobody_costs_as_much_as_somebody() -> None:
    """An unknown name takes as long to refuse as a known one (a generous comparison)."""
    hasher = make_hasher(cost=8)
    hashed = hasher.hash("hunter22", ALICE_ID)

    somebody, nobody = [], []
    for _ in range(7):
        start = time.perf_counter()
        assert not hasher.verify("wrong", ALICE_ID, hashed)
        middle = time.perf_counter()
        assert not hasher.verify_nobody("wrong")
        somebody.append(middle - start)
        nobody.append(time.perf_counter() - middle)
    ratio = statistics.median(nobody) / statistics.median(somebody)
    assert 1 / 3 < ratio < 3


@on_one_engine
@pytest.mark.parametrize("username", ["alice", "nobody-here", "not a username", "a" * 65])
def test_every_login_does_one_bcrypt_of_the_same_cost(
    vault: Vault, alice: Person, username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known, unknown or impossible: the work, and so the time, is the same."""
    checked: list[bytes] = []
    real = bcrypt.checkpw

    def counting(password: bytes, hashed: bytes) -> bool:
        checked.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    refused = alice.post("/login", json={"username": username, "password": "wrong password"})
    assert (refused.status_code, problem(refused)) == (401, "wrong-credentials")
    assert [hashed[:7] for hashed in checked] == [b"$2b$%02d$" % vault.settings.BCRYPT_COST]


@pytest.mark.parametrize("damaged", ["", "x", "$2b$99$" + "a" * 53, "$2b$04$" + "é" * 53])
def test_a_damaged_hash_is_an_error_of_ours(hasher: PasswordHasher, damaged: str) -> None:
    """What bcrypt says of it stays inside; the hashing slot is free again."""
    for _ in range(3):
        with pytest.raises(Undecryptable):
            hasher.verify("hunter22", ALICE_ID, PasswordHash(damaged))
    assert hasher.hash("hunter22", ALICE_ID)


def test_a_hash_of_another_cost_is_due_for_renewal() -> None:
    """So that raising SECRETS_BCRYPT_COST reaches accounts as their owners log in."""
    hashed = make_hasher(cost=4).hash("hunter22", ALICE_ID)
    assert not make_hasher(cost=4).needs_rehash(hashed)
    assert make_hasher(cost=5).needs_rehash(hashed)


@pytest.mark.parametrize("cost", range(4, 8))
def test_a_wrong_password_takes_as_many_rounds_whatever_its_hash_cost(
    cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 to the power of today's cost: an account whose hash is older must not answer sooner than
    one that is not there. A right one has nothing to hide."""
    older = make_hasher(cost).hash("right", UserId(1))
    hasher, check, spent = make_hasher(7), bcrypt.checkpw, list[int]()

    def counted(password: bytes, hashed: bytes) -> bool:
        spent.append(2 ** int(hashed.split(b"$")[2]))
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    assert not hasher.verify("wrong", UserId(1), older)
    assert sum(spent) == 2**7
    spent.clear()
    assert hasher.verify("right", UserId(1), older)
    assert sum(spent) == 2**cost


# --- a few at a time ---------------------------------------------------------------------------


def test_who_finds_no_slot_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting longer would let logins take every core and every thread of the server."""
    hasher, gate = make_hasher(slots=1, wait_seconds=0.2), Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hasher.hash, "hunter22", ALICE_ID)
        assert gate.wait_for_arrival()
        start = time.monotonic()
        with pytest.raises(HashingSaturated):
            hasher.hash("hunter22", BOB_ID)
        waited = time.monotonic() - start
        with pytest.raises(HashingSaturated):
            hasher.verify_nobody("hunter22")
        gate.open()
        assert hasher.verify("hunter22", ALICE_ID, first.result(30))
    assert 0.2 <= waited < 5
    assert hasher.hash("hunter22", BOB_ID)


def test_no_more_than_a_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits holds a thread of the server: a flood of logins would hold all of them."""
    hasher, gate = make_hasher(slots=1, wait_seconds=60, queue=1), Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(hasher.hash, "hunter22", ALICE_ID) for _ in range(2)]
        assert gate.wait_for_arrival()
        deadline = time.monotonic() + 30
        while hasher._admitted.acquire(timeout=0):  # until the second one waits
            hasher._admitted.release()
            assert time.monotonic() < deadline
        start = time.monotonic()
        with pytest.raises(HashingSaturated):
            hasher.hash("hunter22", BOB_ID)
        assert time.monotonic() - start < 30
        gate.open()
        assert all(hashed.result(30) for hashed in working)
    assert hasher.hash("hunter22", BOB_ID)


def test_who_waits_gets_the_slot_that_comes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short queue is not an error."""
    hasher, gate = make_hasher(slots=1, wait_seconds=30), Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(hasher.hash, "hunter22", ALICE_ID) for _ in range(2)]
        assert gate.wait_for_arrival()
        assert not gate.wait_for_arrival(0.1), "two hashes run, but there is one slot"
        gate.open()
        assert all(hashed.result(30) for hashed in waiting)


def test_an_error_gives_the_slot_back(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a few errors would end all logins until the next restart."""
    with monkeypatch.context() as broken:
        broken.setattr(bcrypt, "hashpw", lambda *_: 1 / 0)
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                hasher.hash("hunter22", ALICE_ID)
    assert hasher.hash("hunter22", ALICE_ID)
