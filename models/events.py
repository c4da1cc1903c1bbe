"""What the audit trail says of one event. Never a value, password, token or cookie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NewType

from models.rows import UserId, Username

ChainId = NewType("ChainId", int)  # an account's number, or:
SYSTEM = ChainId(0)  # what belongs to no account, or to one that is gone
OK = "ok"
TOO_FAST = "too-many-requests"  # the kind of problem
# What a chain begins with: the system's, and an account's. One that begins otherwise has lost its
# beginning; a refused registration, which anybody can cause, is no beginning.
FIRST_OF_SYSTEM, FIRST_OF_ACCOUNT = "audit.begin", "account.create"

Via = Literal["session", "token", "command", ""]


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what, with what, from where, when, and how it ended."""

    at: datetime
    action: str
    name: str = ""  # of the secret or API token; the id of a session
    outcome: str = OK  # or the kind of problem
    username: str = ""  # who did it
    via: Via = ""
    credential_id: str = ""  # of the session or token
    credential_name: str = ""  # of the token
    address: str = ""
    request_id: str = ""
    times: int = 1  # how often, where the same was refused to a stranger again and again
    detail: str = ""  # as models/event_details.py writes it


@dataclass(frozen=True, slots=True)
class Stored:
    """An event in its place."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is yet to be written. All that tells whose may be a name that was typed."""

    event: Event
    chain: ChainId = SYSTEM
    typed: Username | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends, and where what is kept of it begins."""

    anchor: int  # the last event that was purged
    anchor_mac: str
    number: int  # of the newest event
    last_mac: str


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first event of a chain that is not as it was written."""

    number: int
    detail: str


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which of an account's events to list; *before* is the last number of the page before."""

    before: int
    limit: int
    action: str | None = None
    name: str | None = None
    prefix: str | None = None
    outcome: Literal["ok", "refused"] | None = None
    since: datetime | None = None
    until: datetime | None = None


def chain_of(account: UserId) -> ChainId:
    """The chain of an account."""
    return ChainId(account)
