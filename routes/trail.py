"""What a request leaves in the audit trail: one place for reads and refusals, one call for writes.

Each route names its action above its view (``endpoint(audit=...)``). What a view changes it records
in the transaction that changes it (``call.record(tx, name)``). Where it recorded nothing, the
answer or the refusal is an event by itself, queued. Refusals of strangers are kept of logins and
registrations only: what else strangers send is for the access log.

What a grantee does with a secret, its owner sees too; but a refusal only once the grant was found:
of what is not there, or not shared, only the caller's own trail tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import Flask, Response, g

from models.event_details import Detail, Value, to_text
from models.events import OK, SYSTEM, ChainId, Event, Via, Waiting
from models.names import is_id, is_token_name, parse_secret_name, parse_username
from models.rows import Account, ApiToken, Principal, UserId, Username
from models.times import utcnow
from routes.client import this_client
from routes.context import current_vault
from routes.pace import count_names
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


NOBODYS = Unrecorded("it is about no account and no secret")


@dataclass(slots=True)
class Trail:
    """What is known so far of the events that this request is. Who calls, its trace knows."""

    action: str
    names: tuple[str, ...] = ("",)
    owner: UserId | None = None  # whose secret it is about, if it is not the caller's
    typed: Username | None = None  # at a login
    detail: Detail = field(default_factory=dict)
    recorded: bool = False
    seen: list[tuple[str, str, Detail]] = field(default_factory=list)  # with their outcomes
    left: int = 0  # events, in each chain


def install(app: Flask) -> None:
    """Record refusals: all of them pass here."""
    app.after_request(_refused)


_NAMING = ("name", "session_id", "token_id")


def begin(action: str | Unrecorded, arguments: dict[str, object]) -> None:
    """A request reached its route. The name in its URL is kept if it can be one."""
    if isinstance(action, Unrecorded):
        return
    given = next((str(arguments[one]) for one in _NAMING if one in arguments), "")
    g.trail = Trail(action, (given if parse_secret_name(given) or is_id(given) else "",))


def retried(work: Callable[[], Result]) -> Result:
    """:func:`utils.db.retried` for a view, or its last transaction: each run begins with what was
    known before the first. What one that was undone has recorded is not recorded."""
    before = _trail()

    def attempt() -> Result:
        if before is not None:
            g.trail = replace(before, seen=list(before.seen))
        return work()

    return db.retried(attempt)


def typed(username: str) -> None:
    """Whose login is tried. Kept only if there is such an account."""
    if (trail := _trail()) is not None:
        trail.typed = parse_username(username)


def about(*names: str, owner: UserId | None = None) -> None:
    """What the request is about, or what of it was refused, where the URL does not say it in one
    word; and *owner*, once it is sure that the caller may know of a secret of theirs: then what
    becomes of the request is told to both."""
    if (trail := _trail()) is not None:
        possible = [one if parse_secret_name(one) or is_token_name(one) else "" for one in names]
        trail.names = tuple(dict.fromkeys(possible))
        trail.owner = owner or trail.owner


def says(**detail: Value) -> None:
    """What each event of this request is to say besides, also if it is refused."""
    if (trail := _trail()) is not None:
        trail.detail = detail


def saw(name: str, outcome: str = OK, **detail: Value) -> None:
    """A read of many: one event each, in place of the one for the whole."""
    if (trail := _trail()) is not None:
        trail.seen.append((name if parse_secret_name(name) else "", outcome, detail))


def record(
    tx: Tx,
    now: datetime,
    *names: str,
    chain: ChainId | None = None,
    caller: Principal | None = None,
    outcome: str = OK,
    details: Sequence[Detail] = (),
) -> None:
    """One event for each of *names*, in the transaction of what happened, as its last statement;
    *details*: what it says of each. *caller*: who it is by, where the request itself makes them
    so, and may fail yet; of all others the trace knows."""
    trail = _trail()
    assert trail is not None  # noqa: S101 - a view runs below its endpoint
    who, vault = caller or current_trace().caller, current_vault()
    chains = _chains(trail, who) if chain is None else [chain]
    told = zip(names, details or [trail.detail] * len(names), strict=True)
    events = _events(trail, who, now, [(name, outcome, detail) for name, detail in told])
    audit.append(tx, vault.audit.key, [(one, event) for one in chains for event in events])
    for one in chains:
        vault.audit.extended(one)
    trail.recorded, trail.left = True, len(events)


def record_creation(tx: Tx, now: datetime, account: Account) -> None:
    """The first event of an account: nobody is logged in to it yet."""
    trail, log, chain = _trail(), current_vault().audit, ChainId(account.id)
    assert trail is not None  # noqa: S101 - a view runs below its endpoint
    (event,) = _events(trail, None, now, [("", OK, {})])
    audit.append(tx, log.key, [(chain, replace(event, username=account.username))])
    log.extended(chain)
    trail.recorded = True


def answered(now: datetime) -> None:
    """The view is done. Raises DatabaseBusy where its event must be durable first and is not."""
    trail, who = _trail(), current_trace().caller
    if trail is None or who is None:
        return
    if not trail.recorded:
        vault = current_vault()
        seen = trail.seen or [(name, OK, trail.detail) for name in trail.names]
        events = _events(trail, who, now, seen)
        waiting = [Waiting(event, one) for one in _chains(trail, who) for event in events]
        vault.audit.add(waiting, wait=vault.settings.AUDIT_SYNC_READS)
        trail.recorded, trail.left = True, len(events)
    count_names(who, trail.left, now)


def _refused(response: Response) -> Response:
    trail, trace = _trail(), current_trace()
    if trail is None or not trace.problem or response.status_code == _NOT_AN_EVENT:
        return response
    by_stranger = trail.action in _BY_STRANGERS
    if (trace.caller is None and not by_stranger) or trail.recorded:
        return response
    who, now = None if by_stranger else trace.caller, utcnow()
    told = [(name, trace.problem, trail.detail) for name in trail.names]
    events = _events(trail, who, now, told)
    chains = _chains(trail, who)
    current_vault().audit.add_if_there_is_room(
        [Waiting(event, one, trail.typed) for one in chains for event in events]
    )
    count_names(who, len(events), now)
    return response


def _trail() -> Trail | None:
    found: Trail | None = g.get("trail")
    return found


def _chains(trail: Trail, who: Principal | None) -> list[ChainId]:
    """The caller's, and the owner's: both may see it. Nobody's is the system's."""
    mine = SYSTEM if who is None else ChainId(who.account.id)
    return [mine] if trail.owner is None else [mine, ChainId(trail.owner)]


def _events(
    trail: Trail, who: Principal | None, now: datetime, told: Sequence[tuple[str, str, Detail]]
) -> list[Event]:
    """One for each name, with what became of it and what else it says; the rest is the same."""
    via: Via = ""
    if who is not None:
        via = "token" if isinstance(who, ApiToken) else "session"
    username = "" if who is None else who.account.username
    credential_id = "" if who is None else who.id
    credential_name = who.name if isinstance(who, ApiToken) else ""
    address, request = this_client().address, request_id()
    return [
        Event(
            at=now,
            action=trail.action,
            name=name,
            outcome=outcome,
            username=username,
            via=via,
            credential_id=credential_id,
            credential_name=credential_name,
            address=address,
            request_id=request,
            detail=to_text(trail.action, detail),
        )
        for name, outcome, detail in told
    ]
