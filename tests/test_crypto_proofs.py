"""What is encrypted anew takes the place of what is gone then: it is proven to open first, and a
refusal says which of the few reasons it was."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import cast

import pytest
from cryptography.fernet import Fernet

from models.errors import ConfigurationError, MissingMasterKey, Undecryptable
from models.rows import KeyId, SecretId, SystemKey, UserId, Value
from utils.crypto import (
    MasterKeys,
    UserKey,
    fingerprint,
    generate_user_key,
    missing_master_key_sentence,
    reseal,
    seal,
    unseal,
)

MATERIAL = generate_user_key()
OLD, NEW = UserKey(Fernet(MATERIAL)), UserKey(Fernet(generate_user_key()))
FORMER, CURRENT = Fernet.generate_key().decode(), Fernet.generate_key().decode()
ROW = UserId(7), SecretId(13), 3
KEY_ROW = UserId(7), KeyId(11)
VALUE = Value("grüße\n".encode(), "text")
WRONG_KEY = "A ciphertext does not open with its key."
WRONG_ROW = "A ciphertext belongs to another row."


class Forgetful(Fernet):
    """Encrypts something else, as broken memory could."""

    def encrypt(self, data: bytes) -> bytes:
        """All of it but the last byte."""
        return super().encrypt(data[:-1])


# --- values ------------------------------------------------------------------------------------


def test_a_value_is_the_same_under_its_new_key() -> None:
    """In its own row, and under the new key alone."""
    renewed = reseal(OLD, NEW, seal(OLD, VALUE, *ROW), *ROW)
    assert unseal(NEW, renewed, *ROW) == VALUE
    with pytest.raises(Undecryptable):
        unseal(OLD, renewed, *ROW)
    with pytest.raises(Undecryptable):
        unseal(NEW, renewed, ROW[0], ROW[1], 4)


def test_a_value_of_another_row_is_not_encrypted_anew() -> None:
    """Otherwise a rotation would bind it to the row into which somebody copied it."""
    sealed = seal(OLD, VALUE, *ROW)
    for row in ((UserId(8), ROW[1], 3), (ROW[0], SecretId(14), 3), (ROW[0], ROW[1], 4)):
        with pytest.raises(Undecryptable, match=WRONG_ROW):
            reseal(OLD, NEW, sealed, *row)
    with pytest.raises(Undecryptable, match=WRONG_KEY):
        reseal(NEW, OLD, sealed, *ROW)


def test_a_value_that_would_not_come_out_again_is_not_given_back() -> None:
    """The old ciphertext stays where it is: it still opens."""
    broken = cast(UserKey, Forgetful(Fernet.generate_key()))
    with pytest.raises(Undecryptable, match="did not survive its re-encryption"):
        reseal(OLD, broken, seal(OLD, VALUE, *ROW), *ROW)


# --- keys --------------------------------------------------------------------------------------


def test_a_key_is_the_same_under_its_new_master_key() -> None:
    """In its own row, and under the current master key alone."""
    wrapped = MasterKeys([FORMER]).wrap_user_key(MATERIAL, *KEY_ROW)
    renewed = MasterKeys([CURRENT, FORMER]).rewrap_user_key(wrapped, *KEY_ROW)
    assert renewed.master == fingerprint(CURRENT)
    opened = MasterKeys([CURRENT]).unwrap_user_key(renewed, *KEY_ROW)
    assert unseal(opened, seal(OLD, VALUE, *ROW), *ROW) == VALUE
    with pytest.raises(MissingMasterKey, match=fingerprint(CURRENT)):
        MasterKeys([FORMER]).unwrap_user_key(renewed, *KEY_ROW)


def test_a_key_of_the_service_is_the_same_under_its_new_master_key() -> None:
    """Byte for byte."""
    pepper = SystemKey(b"p" * 44)
    wrapped = MasterKeys([FORMER]).wrap_system_key(pepper, "pepper", 3)
    renewed = MasterKeys([CURRENT, FORMER]).rewrap_system_key(wrapped, "pepper", 3)
    assert renewed.master == fingerprint(CURRENT)
    assert MasterKeys([CURRENT]).unwrap_system_key(renewed, "pepper", 3) == pepper


def test_a_key_of_another_row_is_not_wrapped_anew() -> None:
    """Nor one whose master key is not here."""
    both = MasterKeys([CURRENT, FORMER])
    user = MasterKeys([FORMER]).wrap_user_key(MATERIAL, *KEY_ROW)
    system = MasterKeys([FORMER]).wrap_system_key(SystemKey(b"p" * 44), "pepper", 3)
    with pytest.raises(Undecryptable, match=WRONG_ROW):
        both.rewrap_user_key(user, UserId(8), KEY_ROW[1])
    with pytest.raises(Undecryptable, match=WRONG_ROW):
        both.rewrap_user_key(user, KEY_ROW[0], KeyId(12))
    for purpose, number in (("signing", 3), ("pepper", 4)):
        with pytest.raises(Undecryptable, match=WRONG_ROW):
            both.rewrap_system_key(system, purpose, number)
    with pytest.raises(MissingMasterKey):
        MasterKeys([CURRENT]).rewrap_user_key(user, *KEY_ROW)


def test_a_key_that_would_not_come_out_again_is_not_given_back() -> None:
    """The old master key goes on being needed for it, and opens it."""
    both = MasterKeys([CURRENT, FORMER])
    wrapped = MasterKeys([FORMER]).wrap_user_key(MATERIAL, *KEY_ROW)
    both._by_fingerprint[both.current] = Forgetful(CURRENT)
    with pytest.raises(Undecryptable, match="did not survive being wrapped anew"):
        both.rewrap_user_key(wrapped, *KEY_ROW)


def test_opened_keys_are_remembered_up_to_a_number() -> None:
    """A process serves any number of accounts: what it remembers must not grow with them."""
    master = MasterKeys([CURRENT])
    assert master._user_key.cache_info().maxsize == 4096
    assert master._system_key.cache_info().maxsize == 4096


def test_an_opened_key_is_remembered_for_its_own_row() -> None:
    """Asked for the same text in another row, a process that has it in memory refuses it too."""
    master = MasterKeys([CURRENT])
    user = master.wrap_user_key(MATERIAL, *KEY_ROW)
    assert master.unwrap_user_key(user, *KEY_ROW) is master.unwrap_user_key(user, *KEY_ROW)
    with pytest.raises(Undecryptable):
        master.unwrap_user_key(user, UserId(8), KEY_ROW[1])


def test_a_refused_master_key_comes_with_the_way_to_make_one() -> None:
    """Which makes one: the line is taken as it is printed."""
    with pytest.raises(ConfigurationError) as refused:
        MasterKeys(["hunter2"])
    _, python, code, end = re.split("(python -c )'(.*)'", str(refused.value))
    assert (python, end) == ("python -c ", "")
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert MasterKeys([made.stdout.strip()]).current


def test_a_missing_master_key_comes_with_the_way_out() -> None:
    """All that are missing, in one order, and what would make them dispensable."""
    sentence = missing_master_key_sentence({"feed", "beef"})
    assert "needs master key beef, feed, which" in sentence
    assert "rotate_keys.py --rewrap-master" in sentence
    assert "\n" not in sentence
