"""Encryption: what goes in comes out, in its own place, under its own key, and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from config import Settings
from models.errors import ConfigurationError, MissingMasterKey, Undecryptable
from models.rows import (
    Account,
    Ciphertext,
    Credentials,
    KeyId,
    PasswordHash,
    Secret,
    SecretId,
    SecretInfo,
    SecretName,
    SystemKey,
    UserId,
    Username,
    Value,
    ValueKind,
    WrappedKey,
)
from models.times import from_microseconds
from utils import crypto
from utils.crypto import MasterKeys, UserKey, fingerprint, generate_user_key, seal, unseal
from utils.store.system import SigningKey

MATERIAL = generate_user_key()
KEY, OTHER_KEY = UserKey(Fernet(MATERIAL)), UserKey(Fernet(generate_user_key()))
MASTER, OTHER_MASTER = Fernet.generate_key().decode(), Fernet.generate_key().decode()
OWNER, SECRET, VERSION, KEY_ID = UserId(7), SecretId(13), 3, KeyId(11)

kinds: st.SearchStrategy[ValueKind] = st.sampled_from(["text", "bytes"])
numbers = st.integers(1, 2**63 - 1)


# --- values ------------------------------------------------------------------------------------


@given(data=st.binary(max_size=4096), kind=kinds, owner=numbers, secret=numbers, number=numbers)
def test_a_value_comes_out_as_it_went_in(
    data: bytes, kind: ValueKind, owner: int, secret: int, number: int
) -> None:
    """Every byte, and whether it came in as text or as bytes."""
    place = UserId(owner), SecretId(secret), number
    assert unseal(KEY, seal(KEY, Value(data, kind), *place), *place) == Value(data, kind)


@given(data=st.binary(max_size=64), kind=kinds)
def test_the_same_value_is_never_the_same_ciphertext(data: bytes, kind: ValueKind) -> None:
    """Equal secrets do not show as equal rows."""
    value = Value(data, kind)
    assert seal(KEY, value, OWNER, SECRET, 1) != seal(KEY, value, OWNER, SECRET, 1)


@pytest.mark.invariant(number=7)
@pytest.mark.parametrize(
    ("key", "owner", "secret", "version"),
    [
        pytest.param(KEY, OWNER, SECRET, VERSION + 1, id="another version"),
        pytest.param(KEY, OWNER, SecretId(SECRET + 1), VERSION, id="another secret"),
        pytest.param(KEY, UserId(OWNER + 1), SECRET, VERSION, id="another owner"),
        pytest.param(KEY, OWNER, SecretId(VERSION), SECRET, id="secret and version swapped"),
        pytest.param(OTHER_KEY, OWNER, SECRET, VERSION, id="another key"),
    ],
)
def test_a_value_opens_in_its_own_row_only(
    key: UserKey, owner: UserId, secret: SecretId, version: int
) -> None:
    """A ciphertext that somebody copies to another row of the database does not open there."""
    sealed = seal(KEY, Value(b"hunter2", "text"), OWNER, SECRET, VERSION)
    with pytest.raises(Undecryptable):
        unseal(key, sealed, owner, secret, version)


@given(
    here=st.tuples(numbers, numbers, numbers), field=st.integers(0, 2), digits=st.integers(0, 99)
)
def test_no_place_begins_like_another(here: tuple[int, int, int], field: int, digits: int) -> None:
    """Opening compares a beginning: if one place were the beginning of another, a value could be
    stretched into its neighbour's row (version 1 into version 12)."""
    there = list(here)
    there[field] = int(f"{here[field]}{digits}")
    places = {
        place
        for owner, secret, version in (here, there)
        for place in (
            crypto._value_place(UserId(owner), SecretId(secret), version),
            crypto._user_key_place(UserId(owner), KeyId(secret)),
            crypto._system_key_place("pepper", owner),
            crypto._system_key_place("signing", owner),
        )
    }
    for place in places:
        assert not any(other.startswith(place) for other in places - {place})


def test_a_change_of_any_byte_is_noticed() -> None:
    """Authenticated encryption: no bit of a stored ciphertext can be changed unseen."""
    sealed = base64.urlsafe_b64decode(seal(KEY, Value(b"hunter2", "text"), OWNER, SECRET, 1))
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            text = Ciphertext(base64.urlsafe_b64encode(changed).decode())
            with pytest.raises(Undecryptable):
                unseal(KEY, text, OWNER, SECRET, 1)


@pytest.mark.parametrize("text", ["", "x", "ümlaut", "gAAAAA==", "\x00", "g" * 100, "gAAAAA=" * 9])
def test_what_is_no_ciphertext_does_not_open(text: str) -> None:
    """A damaged row is one of our own errors, whatever stands in it."""
    with pytest.raises(Undecryptable):
        unseal(KEY, Ciphertext(text), OWNER, SECRET, VERSION)


def test_a_value_without_its_kind_does_not_open() -> None:
    """Something else under the right key and in the right place is still not a value."""
    place = crypto._value_place(OWNER, SECRET, VERSION)
    for content in (b"", b"x", b"\x00text"):
        strange = Ciphertext(KEY.encrypt(place + content).decode())
        with pytest.raises(Undecryptable):
            unseal(KEY, strange, OWNER, SECRET, VERSION)


# --- wrapped keys ------------------------------------------------------------------------------


@given(owner=numbers, key_id=numbers, content=st.binary(max_size=64))
def test_a_user_key_comes_out_as_it_was_wrapped(owner: int, key_id: int, content: bytes) -> None:
    """Under any of several master keys, it opens what was sealed before it was wrapped."""
    row = UserId(owner), KeyId(key_id)
    wrapped = MasterKeys([MASTER]).wrap_user_key(MATERIAL, *row)
    sealed = seal(KEY, Value(content, "bytes"), row[0], SECRET, 1)
    opened = MasterKeys([OTHER_MASTER, MASTER]).unwrap_user_key(wrapped, *row)
    assert unseal(opened, sealed, row[0], SECRET, 1) == Value(content, "bytes")


@given(key=st.binary(min_size=1, max_size=64), number=numbers)
def test_a_system_key_comes_out_as_it_was_wrapped(key: bytes, number: int) -> None:
    """Byte for byte: it is the pepper of every password."""
    wrapped = MasterKeys([MASTER]).wrap_system_key(SystemKey(key), "pepper", number)
    both = MasterKeys([OTHER_MASTER, MASTER])
    assert both.unwrap_system_key(wrapped, "pepper", number) == key


@pytest.mark.invariant(number=7)
@pytest.mark.parametrize(
    "unwrap",
    [
        pytest.param(lambda m, w: m.unwrap_user_key(w, OWNER, KeyId(12)), id="another key's row"),
        pytest.param(lambda m, w: m.unwrap_user_key(w, UserId(8), KEY_ID), id="another owner"),
        pytest.param(lambda m, w: m.unwrap_user_key(w, UserId(11), KeyId(7)), id="swapped"),
        pytest.param(lambda m, w: m.unwrap_system_key(w, "pepper", 11), id="a system key's row"),
    ],
)
def test_a_user_key_opens_in_its_own_row_only(
    unwrap: Callable[[MasterKeys, WrappedKey], object],
) -> None:
    """Somebody who can write to the database can't give one account the key of another."""
    master = MasterKeys([MASTER])
    wrapped = master.wrap_user_key(MATERIAL, OWNER, KEY_ID)
    with pytest.raises(Undecryptable):
        unwrap(master, wrapped)


@pytest.mark.invariant(number=7)
@pytest.mark.parametrize(("purpose", "number"), [("signing", 1), ("pepper", 2), ("pepper key=", 1)])
def test_a_system_key_opens_in_its_own_row_only(purpose: str, number: int) -> None:
    """The pepper can't be passed off as a signing key, nor an old key as the new one."""
    master = MasterKeys([MASTER])
    wrapped = master.wrap_system_key(SystemKey(b"k" * 32), "pepper", 1)
    with pytest.raises(Undecryptable):
        master.unwrap_system_key(wrapped, purpose, number)


def test_a_missing_master_key_is_named() -> None:
    """The operator reads which key is needed; nothing is tried at random."""
    wrapped = MasterKeys([MASTER]).wrap_user_key(MATERIAL, OWNER, KEY_ID)
    with pytest.raises(MissingMasterKey, match=fingerprint(MASTER)):
        MasterKeys([OTHER_MASTER]).unwrap_user_key(wrapped, OWNER, KEY_ID)


@pytest.mark.invariant(number=6)
def test_a_wrong_label_opens_nothing() -> None:
    """A fingerprint only says which key to try. Rewriting it in the database gains nothing."""
    wrapped = MasterKeys([MASTER]).wrap_user_key(MATERIAL, OWNER, KEY_ID)
    relabelled = WrappedKey(wrapped.sealed, fingerprint(OTHER_MASTER))
    with pytest.raises(Undecryptable):
        MasterKeys([OTHER_MASTER]).unwrap_user_key(relabelled, OWNER, KEY_ID)


# --- master keys -------------------------------------------------------------------------------


def test_the_first_master_key_wraps_and_every_one_unwraps() -> None:
    """A new master key goes second on every node, then first: at no step is a node blind."""
    master = MasterKeys([MASTER, OTHER_MASTER])
    assert master.current == fingerprint(MASTER)
    assert master.fingerprints == (fingerprint(MASTER), fingerprint(OTHER_MASTER))
    assert master.wrap_user_key(MATERIAL, OWNER, KEY_ID).master == fingerprint(MASTER)


def test_master_keys_show_as_fingerprints() -> None:
    """What an operator needs to tell them apart, and nothing else."""
    master = MasterKeys([MASTER, OTHER_MASTER])
    assert repr(master) == f"<MasterKeys {fingerprint(MASTER)} {fingerprint(OTHER_MASTER)}>"


def test_a_fingerprint_names_a_key_and_tells_nothing_of_it() -> None:
    """16 hex digits, different for every key, and no part of the key or of what Fernet derives."""
    keys = [Fernet.generate_key().decode() for _ in range(200)]
    prints = [fingerprint(key) for key in keys]
    assert len(set(prints)) == len(keys)
    for key, shown in zip(keys, prints, strict=True):
        raw = base64.urlsafe_b64decode(key)
        assert len(bytes.fromhex(shown)) == 8
        assert shown not in {raw.hex()[i : i + 16] for i in range(0, 64, 2)}
        assert shown not in key.lower()


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param("", id="empty"),
        pytest.param("hunter2", id="a password"),
        pytest.param(MASTER[:-1], id="without padding"),
        pytest.param(MASTER[4:], id="29 bytes"),
        pytest.param(MASTER + OTHER_MASTER, id="two keys run together"),
        pytest.param(f"{MASTER}\n{OTHER_MASTER}", id="two lines"),
        pytest.param("!" + MASTER, id="a character too many"),
        pytest.param(MASTER.replace("=", "\n="), id="a newline inside"),
        pytest.param("ä" * 44, id="not ASCII"),
        pytest.param("/" * 43 + "=", id="the other base64"),
        pytest.param("A" * 42 + "B=", id="bits that are not used"),
    ],
)
def test_a_malformed_master_key_is_refused(malformed: str) -> None:
    """With the way to make a good one, and without showing the bad one: it may be nearly right."""
    with pytest.raises(ConfigurationError, match="32 bytes in URL-safe base64") as refused:
        MasterKeys([MASTER, malformed])
    assert not malformed or malformed not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "\n" not in str(refused.value)


def test_no_master_key_is_refused() -> None:
    """An empty list would wrap nothing and fail at the first account."""
    with pytest.raises(ConfigurationError, match="SECRETS_MASTER_KEYS"):
        MasterKeys([])


# --- what shows --------------------------------------------------------------------------------

CANARY = "canary-7c1d90"
MOMENT = from_microseconds(0)
ACCOUNT = Account(OWNER, Username("alice"), MOMENT)
INFO = SecretInfo(SECRET, SecretName("db"), 1, "tag", {}, MOMENT, MOMENT)


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(MasterKeys([MASTER]), id="MasterKeys"),
        pytest.param(KEY, id="UserKey"),
        pytest.param(Value(CANARY.encode(), "text"), id="Value"),
        pytest.param(Secret(INFO, 1, Value(CANARY.encode(), "text"), False), id="Secret"),
        pytest.param(Credentials(ACCOUNT, PasswordHash(CANARY), 0), id="Credentials"),
        pytest.param(SigningKey(1, SystemKey(CANARY.encode())), id="SigningKey"),
        pytest.param(WrappedKey(CANARY, "fingerprint"), id="WrappedKey"),
        pytest.param(
            Settings(
                MASTER_KEYS=(MASTER,),
                JWT_SECRET_KEY=CANARY * 4,
                DATABASE_URL=f"postgresql://u:{CANARY}@db/x",
            ),
            id="Settings",
        ),
    ],
)
def test_what_holds_a_secret_does_not_print_it(holder: object) -> None:
    """A repr ends up in logs and tracebacks; a format string calls str."""
    for shown in (repr(holder), str(holder), f"{[holder]}"):
        assert CANARY not in shown
        assert MASTER not in shown
        assert MATERIAL.decode() not in shown
