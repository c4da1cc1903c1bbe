"""The format of what is stored, for ever: values and keys of old databases go on opening."""

from __future__ import annotations

from cryptography.fernet import Fernet

from models.events import ChainId, Head
from models.rows import (
    Ciphertext,
    KeyId,
    SecretId,
    SystemKey,
    TokenId,
    UserId,
    Value,
    WrappedKey,
)
from utils.crypto import MasterKeys, UserKey, unseal
from utils.macs import event_mac, grant_mac, head_mac, token_mac
from utils.tokens import TokenText

# Made on 2026-11-24. A database out there holds thousands like these: whoever changes the format
# must go on opening them, and so must leave these lines alone.
KNOWN_MASTER = "21eGzhqnTIoi-ypzewaOOKGFgXpX26wiOk1OaETSpbQ="
KNOWN_FINGERPRINT = "653380a80e6c9ef2"
KNOWN_KEY_TEXT = b"Y27UPQIBf7m-lnPykohv_JfsjLKSyiyyP07UfrSiRuc="
KNOWN_KEY = UserKey(Fernet(KNOWN_KEY_TEXT))
KNOWN_WRAPPED_KEY = (
    "gAAAAABrBPr1eGAbLelmOhnnqRAn97gnkwgb5Jeo7p0Ny9gi2UGvowNaKxHt6iushWwnQw0ZdqSjHF46xaDxgAFxScid"
    "0lPdKQ1BPJAtDllaBQKnF0tbiZNxoqoKuqw3uf5oT_30lhBvqIWtHDYCIUR6wrmHdZK7_LUPNG3BWuf59SM7-4PH8mw="
)
KNOWN_PEPPER = (
    "gAAAAABrBPr1WP4fVObXMPByli3abEjOANZ2hv7xM5Jblt9kebWbf1mUAUhdFgDE6zaHy_4KQX-LwHZkwlytDPySvYb0"
    "ss3G0YV-_S5ZLXzyHoyc24tEcwH4J9wolczMg5tIsV39vgu-"
)
KNOWN_TEXT = Ciphertext(
    "gAAAAABrBPr10rFb8IlY-VBZEFVkWOFeahQ66_eImij0NtAshsBXXzNV1IACAlMdiYxhRHBjxtbTGl6tg45RzuaqylS9"
    "TtXIQXsNXx1pNwiYdN0q55BAR4g0T-cEWORjrmJVa3uRtXaS"
)
KNOWN_BYTES = Ciphertext(
    "gAAAAABrBPr1fOM2Hdjsuy3vItfezkA1Gg1jxAPpSio-kDtwp_BoTSp_pbKfBDJgduM-Xw6c91LC6vM2G7V5KICy-RG1"
    "BL_jxDZJh2BOW9FmlSmcd8w0ADLJlwP5EpQjDtzjI9HsSYg3"
)


OWNER = UserId(7)
ROW = OWNER, SecretId(13), 3


def test_what_was_sealed_long_ago_still_opens() -> None:
    """A change of the format that loses old ciphertexts can't go unnoticed."""
    assert unseal(KNOWN_KEY, KNOWN_TEXT, *ROW) == Value("grüße\n".encode(), "text")
    assert unseal(KNOWN_KEY, KNOWN_BYTES, *ROW) == Value(b"\x00\xff", "bytes")


def test_what_was_wrapped_long_ago_still_opens() -> None:
    """Keys, and the fingerprint by which they find their master key, outlive every release."""
    master = MasterKeys([KNOWN_MASTER])
    assert master.current == KNOWN_FINGERPRINT
    wrapped = WrappedKey(KNOWN_WRAPPED_KEY, KNOWN_FINGERPRINT)
    opened = master.unwrap_user_key(wrapped, OWNER, KeyId(11))
    assert unseal(opened, KNOWN_BYTES, *ROW).data == b"\x00\xff"
    pepper = WrappedKey(KNOWN_PEPPER, KNOWN_FINGERPRINT)
    assert master.unwrap_system_key(pepper, "pepper", 1) == b"x" * 8


def test_a_mac_that_was_made_long_ago_still_fits() -> None:
    """Of an API token, a grant, an event and a chain's head. Under another label, or with fields in
    another order, every row that is stored would be a dead one."""
    key, number = SystemKey(KNOWN_KEY_TEXT), TokenId("B" * 22)
    powers = (7, "backup", "read", "shop/ test/", "", 1700000000000000, None)
    who = ("ada", "token", number, "backup", "192.0.2.1", "r" * 22)
    said = (1, 1700000000000000, "secret.read", "a", "ok", *who, 1, "")
    assert token_mac(key, TokenText(number, "C" * 43), powers) == (
        "dc0dccb77e1b14854dce9777428c133d151f882b9107f1485f8f828d8547ffb1"
    )
    assert grant_mac(key, (13, 7, 8, "read", 1700000000000000)) == (
        "bfd712824795f987875e6387008ba9a5468a91ade817eec633473537ec73e9d8"
    )
    assert event_mac(key, ChainId(7), said, "") == (
        "2809a4d8a4c09c763516c27c00b26ce3cf9c96605480518d702c2d34daa8c565"
    )
    assert head_mac(key, ChainId(7), Head(0, "", 1, "ab")) == (
        "d2d22d3f353e0bd23156abd9eff096992c3876674129a481eee7da1d39bb0860"
    )
