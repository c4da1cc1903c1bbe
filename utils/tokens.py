"""Random identifiers: minted here, nowhere else."""

from __future__ import annotations

import secrets

from models.rows import UserId

_LARGEST_ID = 2**63 - 1  # of a BIGINT
# No 0, 1, i, l, o: people read one-time passwords to each other, and type them.
_LEGIBLE = "23456789abcdefghjkmnpqrstuvwxyz"
_ONE_TIME_LENGTH = 24


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
