"""What a request leaves in the audit trail: one place for reads and refusals, one call for writes.

Each route names its action above its view (``endpoint(audit=...)``). What a view changes it records
in the transaction that changes it (``call.record(tx, name)``). Where it recorded nothing, the
answer or the refusal is an event by itself, queued. Refusals of strangers are kept of logins and
registrations only: what else strangers send is for the access log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import Flask, Response, g

from models.errors import DatabaseBusy
from models.events import OK, SYSTEM, ChainId, Event, Via, Waiting
from models.names import is_id, is_token_name, parse_secret_name, parse_username
from models.rows import Account, ApiToken, Principal, UserId, Username
from models.times import utcnow
from routes.client import this_client
from routes.context import current_vault
from routes.trace import current_trace, request_id
from utils import db
from utils.db import Result, Tx
from utils.store import audit

_BY_STRANGERS = frozenset({"login", "account.create"})
_NOT_AN_EVENT = 503  # nothing happened, and the database may be what is missing


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Says why a route leaves no event."""

    reason: str


@dataclass(slots=True)
class Trail:
    """What is known so far of the event that this request is."""

    action: str
    name: str = ""
    caller: Principal | None = None
    owner: UserId | None = None  # whose secret it is about, if it is not the caller's
    typed: Username | None = None  # at a login
    recorded: bool = False
    seen: list[tuple[str, str]] = field(default_factory=list)  # names and outcomes


def install(app: Flask) -> None:
    """Record refusals: all of them pass here."""
    app.after_request(_refused)


_NAMING = ("name", "session_id", "token_id")


def begin(action: str | Unrecorded, arguments: dict[str, object]) -> None:
    """A request reached its route. The name in its URL is kept if it can be one."""
    if isinstance(action, Unrecorded):
        return
    given = next((str(arguments[one]) for one in _NAMING if one in arguments), "")
    g.trail = Trail(action, given if parse_secret_name(given) or is_id(given) else "")


def retried(work: Callable[[], Result]) -> Result:
    """:func:`utils.db.retried` for a view, or its last transaction: each run begins with what was
    known before the first. What one that was undone has recorded is not recorded."""
    before = _trail()

    def attempt() -> Result:
        if before is not None:
            g.trail = replace(before, seen=list(before.seen))
        return work()

    return db.retried(attempt)


def caller(principal: Principal) -> None:
    """Who calls is known from here on."""
    if (trail := _trail()) is not None:
        trail.caller = principal


def typed(username: str) -> None:
    """Whose login is tried. Kept only if there is such an account."""
    if (trail := _trail()) is not None:
        trail.typed = parse_username(username)


def about(name: str, owner: UserId | None = None) -> None:
    """What the request is about, where the URL does not say it in one word."""
    if (trail := _trail()) is not None:
        trail.name = name if parse_secret_name(name) or is_token_name(name) else ""
        trail.owner = owner


def saw(name: str, outcome: str = OK) -> None:
    """A read of many: one event each, in place of the one for the whole."""
    if (trail := _trail()) is not None:
        trail.seen.append((name if parse_secret_name(name) else "", outcome))


def record(
    tx: Tx,
    now: datetime,
    *names: str,
    chain: ChainId | None = None,
    caller: Principal | None = None,
    action: str | None = None,
    outcome: str = OK,
) -> None:
    """One event for each of *names*, in the transaction of what happened, as its last statement."""
    trail = _trail()
    assert trail is not None  # noqa: S101 - a view runs below its endpoint
    who, vault = caller or trail.caller, current_vault()
    where = _chain(trail, who) if chain is None else chain
    events = [_event(trail, who, now, name, outcome, action) for name in names]
    audit.append(tx, vault.audit.key, [(where, event) for event in events])
    vault.audit.extended(where)
    trail.recorded = True


def record_creation(tx: Tx, now: datetime, account: Account) -> None:
    """The first event of an account: nobody is logged in to it yet."""
    trail, key = _trail(), current_vault().audit.key
    assert trail is not None  # noqa: S101 - a view runs below its endpoint
    event = replace(_event(trail, None, now, "", OK), username=account.username)
    audit.append(tx, key, [(ChainId(account.id), event)])
    trail.recorded = True


def answered(now: datetime) -> None:
    """The view is done. Raises DatabaseBusy where its event must be durable first and is not."""
    trail = _trail()
    if trail is None or trail.recorded or trail.caller is None:
        return
    vault, seen = current_vault(), trail.seen or [(trail.name, OK)]
    where = _chain(trail, trail.caller)
    vault.audit.add(
        [Waiting(_event(trail, trail.caller, now, *one), where) for one in seen],
        wait=vault.settings.AUDIT_SYNC_READS,
    )
    trail.recorded = True


def _refused(response: Response) -> Response:
    trail, problem = _trail(), current_trace().problem
    if trail is None or not problem or response.status_code == _NOT_AN_EVENT:
        return response
    by_stranger = trail.action in _BY_STRANGERS
    if (trail.caller is None and not by_stranger) or trail.recorded:
        return response
    who = None if by_stranger else trail.caller
    event = _event(trail, who, utcnow(), trail.name, problem)
    waiting = Waiting(event, _chain(trail, who), trail.typed)
    with suppress(DatabaseBusy):  # it is refused anyway
        current_vault().audit.add([waiting])
    return response


def _trail() -> Trail | None:
    found: Trail | None = g.get("trail")
    return found


def _chain(trail: Trail, who: Principal | None) -> ChainId:
    if trail.owner is not None:
        return ChainId(trail.owner)
    return SYSTEM if who is None else ChainId(who.account.id)


def _event(
    trail: Trail,
    who: Principal | None,
    now: datetime,
    name: str,
    outcome: str,
    action: str | None = None,
) -> Event:
    via: Via = ""
    if who is not None:
        via = "token" if isinstance(who, ApiToken) else "session"
    return Event(
        at=now,
        action=action or trail.action,
        name=name,
        outcome=outcome,
        username="" if who is None else who.account.username,
        via=via,
        credential_id="" if who is None else who.id,
        credential_name=who.name if isinstance(who, ApiToken) else "",
        address=this_client().address,
        request_id=request_id(),
    )
