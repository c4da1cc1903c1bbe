"""What is: the things the database knows, as frozen values.

Types name what a value is for, so that mypy refuses to store a bare key or to pass a
secret's id where a user's belongs. What holds plaintext does not print it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, Literal, NewType

from models.powers import Powers

UserId = NewType("UserId", int)
SecretId = NewType("SecretId", int)
KeyId = NewType("KeyId", int)  # internal; the API shows a key's public id

Username = NewType("Username", str)  # checked and lower-cased
SecretName = NewType("SecretName", str)  # checked
SessionId = NewType("SessionId", str)
TokenId = NewType("TokenId", str)  # of an API token; public

KeyMaterial = NewType("KeyMaterial", bytes)  # a user key's bytes, on their way to be wrapped
SystemKey = NewType("SystemKey", bytes)  # one of the service itself; never stored
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
class Limits:
    """How many an account may have. 0: no limit."""

    secrets: int = 0  # rows: deleted and expired ones count until they are purged
    versions: int = 0  # of one secret


@dataclass(frozen=True, slots=True)
class Act:
    """The circumstances of a write: whose secrets, by whom, when, and how many there may be."""

    owner: UserId
    author: Author
    now: datetime
    limits: Limits = Limits()


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
class Write:
    """One of the writes of a batch. *if_version*: of the newest version, 0 where there must be no
    such secret; None insists on nothing."""

    name: SecretName
    change: Change
    if_version: int | None = None


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


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """A secret to be, of a file that is imported."""

    name: SecretName
    value: Value


OnConflict = Literal["fail", "skip", "overwrite"]
ImportOutcome = Literal["created", "updated", "unchanged", "skipped", "conflict"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did with a name, or would do."""

    name: SecretName
    outcome: ImportOutcome


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
