"""The format of what is stored, for ever: values and keys of old databases go on opening."""

from __future__ import annotations

from cryptography.fernet import Fernet

from models.rows import Ciphertext, KeyId, SecretId, SystemKey, TokenId, UserId, Value, WrappedKey
from utils.crypto import MasterKeys, UserKey, unseal
from utils.tokens import TokenText, grant_mac, token_mac

# Made on 2026-11-24. A database out there holds thousands like these: whoever changes the format
# must go on opening them, and so must leave these lines alone.
KNOWN_MASTER = "21eGzhqnTIoi-ypzewaOOKGFgXpX26wiOk1OaETSpbQ="
KNOWN_FINGERPRINT = "653380a80e6c9ef2"
KNOWN_KEY = UserKey(Fernet(b"Y27UPQIBf7m-lnPykohv_JfsjLKSyiyyP07UfrSiRuc="))
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


# Worked out by hand from what the key signs, as JSON: ["v1 api-token", id, secret, owner, name,
# scopes, prefixes, networks, made, ends] and ["v1 grant", secret, owner, grantee, permission,
# since].
KNOWN_TOKEN_MAC = "f4eb87976bdfceeda1596f6d89b8c0c80adbabb14c65b3e69c0127242d1c2590"
KNOWN_GRANT_MAC = "8f326f71a85d5b7efa42d65cdbeec654f06cf18a94a5e580bda09ede7e2be66c"


def test_what_was_signed_long_ago_is_still_genuine() -> None:
    """A change of what a MAC covers, or of its label, would end every API token and every grant."""
    key, token = SystemKey(b"k" * 44), TokenText(TokenId("A" * 22), "B" * 43)
    row = (7, "deploy", "read write", "app/", "", 1_700_000_000_000_000, None)
    assert token_mac(key, token, row) == KNOWN_TOKEN_MAC
    assert grant_mac(key, (13, 7, 8, "read", 1_700_000_000_000_000)) == KNOWN_GRANT_MAC
