"""What is: the things the database knows, as frozen values.

Types name what a value is for, so that mypy refuses to store a bare key or to pass a
secret's id where a user's belongs. What holds plaintext does not print it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, Literal, NamedTuple, NewType

from models.powers import Powers

UserId = NewType("UserId", int)
SecretId = NewType("SecretId", int)
KeyId = NewType("KeyId", int)  # internal; the API shows a key's public id

Username = NewType("Username", str)  # checked and lower-cased
SecretName = NewType("SecretName", str)  # checked
SessionId = NewType("SessionId", str)
TokenId = NewType("TokenId", str)  # of an API token; public

KeyMaterial = NewType("KeyMaterial", bytes)  # a user key's bytes, on their way to be wrapped
SystemKey = NewType("SystemKey", bytes)  # pepper, signing key, token key; never stored
Ciphertext = NewType("Ciphertext", str)  # a value sealed under a user key
PasswordHash = NewType("PasswordHash", str)

ValueKind = Literal["text", "bytes"]


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key sealed under a master key, with the fingerprint of that master key."""

    sealed: str = field(repr=False)
    master: str


@dataclass(frozen=True, slots=True)
class Account:
    """A person or service that owns secrets.

    The id is random and made before the row, so that the password can be hashed, bound to it,
    while no lock is held.
    """

    id: UserId
    username: Username
    created_at: datetime
    one_time: bool = False  # its password was given out by the operator, and has to be changed


AccountState = Literal["active", "disabled", "deleted"]


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as the operator sees it."""

    account: Account
    state: AccountState


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    account: Account
    password_hash: PasswordHash = field(repr=False)
    password_number: int  # another one: another password


@dataclass(frozen=True, slots=True)
class Client:
    """Where a session is used from: an address, and what the program calls itself."""

    address: str
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """A login: it ends by logout, by its clock, or when a refresh token is used twice."""

    id: SessionId
    account: Account
    refresh_id: str = field(repr=False)
    created_at: datetime
    last_used_at: datetime  # at login or refresh, by:
    client: Client
    idle_expires_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program calls with. Its secret half is in no row: only a MAC over it and all of
    this but its last use."""

    id: TokenId
    account: Account
    name: str
    powers: Powers
    created_at: datetime
    last_used_at: datetime | None  # to the minute


Principal = Session | ApiToken


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes a version, as it will be shown: a copied name, not a reference."""

    username: Username
    credential: str  # "session", or the name of an API token


@dataclass(frozen=True, slots=True)
class Act:
    """The circumstances of a write: whose secrets, by whom, when."""

    owner: UserId
    author: Author
    now: datetime


@dataclass(frozen=True, slots=True)
class Value:
    """A secret's plaintext, and whether it came in as text or as bytes."""

    data: bytes = field(repr=False)
    kind: ValueKind


class Keep(Enum):
    """Says "not mentioned" where None already means "none"."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Change:
    """What a write mentions; the rest of the secret stays as it is."""

    value: Value | None = None
    labels: dict[str, str] | None = None
    expires_at: datetime | Keep | None = KEEP


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """All about a secret but its value."""

    id: SecretId
    name: SecretName
    version: int
    tag: str  # changes with every change of value, labels or expiry; never repeats
    labels: dict[str, str]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    purge_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret with the value of one of its versions."""

    info: SecretInfo
    version: int
    value: Value
    stale: bool  # sealed under a key that is no longer current


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """All about a version but its value."""

    number: int
    created_at: datetime
    author: Author


@dataclass(frozen=True, slots=True)
class Deletion:
    """A delete that can be undone until ``purge_at``."""

    name: SecretName
    deleted_at: datetime
    purge_at: datetime


@dataclass(frozen=True, slots=True)
class SecretQuery:
    """Which of an account's secrets to list; *after* is the last name of the page before."""

    prefixes: tuple[str, ...] = ("",)  # sorted, none within another
    label: tuple[str, str] | None = None
    text: str | None = None
    gone: bool = False  # the deleted and the expired ones, instead of the live ones
    after: str = ""
    limit: int = 50


KeyState = Literal["current", "retired", "destroyed"]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is told of a user key, for ever. Never the key."""

    public_id: str
    owner: Username
    state: KeyState
    created_at: datetime
    retired_at: datetime | None
    destroyed_at: datetime | None
    ciphertexts_remaining: int


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


@dataclass(frozen=True, slots=True)
class Fault:
    """Something stored that is not as it must be: where (by id) and what."""

    where: str
    what: str


@dataclass
class Report:
    """What a rotation did so far, and what it could not do."""

    switched: int = 0
    signing_keys: int = 0
    reencrypted: int = 0
    destroyed: int = 0
    rewrapped: int = 0
    faults: list[Fault] = field(default_factory=list)
