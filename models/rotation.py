"""What a rotation has in hand: keys on their way out, and what moves to another key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from models.rows import Ciphertext, KeyId, SecretId, UserId


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that seals nothing new; drained once no ciphertext needs it."""

    id: KeyId
    drained: bool


class StaleCiphertext(NamedTuple):
    """A ciphertext under a retired key, and the current key that it is to move to.

    A tuple, because a rotation makes millions: as dataclasses they took a tenth of its time.
    """

    id: int  # the version row's, internal
    owner: UserId
    secret: SecretId
    version: int
    ciphertext: Ciphertext
    key_id: KeyId
    current_key_id: KeyId


class Reencryption(NamedTuple):
    """The same value under the owner's current key, ready to take the old one's place."""

    new_key_id: KeyId
    ciphertext: Ciphertext
    id: int
    old_key_id: KeyId


class Rewrapping(NamedTuple):
    """The same key under the current master key, ready to take the place of *old*."""

    sealed: str
    master: str
    id: int  # the key's number
    old: str  # what was sealed under the other master key
