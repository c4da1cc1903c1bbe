"""Random identifiers, and API tokens as text: minted here, nowhere else. No I/O.

An API token reads ``smt_<id>_<secret>_<checksum>``: a prefix that secret scanners find, the public
id of its row, 256 random bits, and the CRC-32 of all before it. Letters, digits and ``_`` only: a
double click selects all of it. The checksum lets a scanner tell a token from what looks
like one, and us refuse a mistyped one without asking the database; it protects nothing.
"""

from __future__ import annotations

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

from models.rows import TokenId, UserId

_LARGEST_ID = 2**63 - 1  # of a BIGINT
# No 0, 1, i, l, o: people read one-time passwords to each other, and type them.
_LEGIBLE = "23456789abcdefghjkmnpqrstuvwxyz"
_ONE_TIME_LENGTH = 24
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 22, 43, 6  # 131 bits, 256 bits, 32 bits
# docs/api.md shows it, for scanners.
API_TOKEN = re.compile(r"smt_[0-9A-Za-z]{22}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")


@dataclass(frozen=True, slots=True)
class TokenText:
    """An API token as its holder has it, taken apart."""

    id: TokenId
    secret: str = field(repr=False)

    def written(self) -> str:
        """The whole token. To be shown once, and kept by nobody but its holder."""
        body = f"smt_{self.id}_{self.secret}"
        return f"{body}_{_checksum(body)}"


def new_id() -> str:
    """128 random bits in URL-safe base64 (22 characters; ASVS 11.5.1 rules out UUIDs)."""
    return secrets.token_urlsafe(16)


def new_account_id() -> UserId:
    """A random number for a new account: names it, tells nothing, is no secret.

    Two equal ones among a million accounts are as likely as one in 18 million; the primary
    key would refuse the second.
    """
    return UserId(1 + secrets.randbelow(_LARGEST_ID))


def new_one_time_password() -> str:
    """118 random bits as 24 letters and digits, for a person to type once."""
    return "".join(secrets.choice(_LEGIBLE) for _ in range(_ONE_TIME_LENGTH))


def new_token() -> TokenText:
    """A new API token."""
    return TokenText(TokenId(_base62(_ID_LENGTH)), _base62(_SECRET_LENGTH))


def parse_token(text: str) -> TokenText | None:
    """The token, or None for what none of ours can be."""
    if not API_TOKEN.fullmatch(text):
        return None
    _, number, secret, _ = text.split("_")
    token = TokenText(TokenId(number), secret)
    return token if token.written() == text else None


def _base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits
