"""What goes out of the audit trail."""

from __future__ import annotations

from typing import Annotated, Literal

from models import event_details, shapes
from models.events import OK, ChainFault, Stored
from models.responses import Moment, Response


class Event(Response):
    """One event of mine, whoever caused it."""

    number: int
    at: Moment
    action: str
    name: str | None  # of the secret or token; the id of a session or token
    outcome: Literal["ok", "refused"]
    problem: str | None  # the kind, as in docs/problems.md
    username: str | None
    via: Literal["session", "token", "command"] | None
    credential_id: str | None
    token: str | None  # its name
    address: str | None
    request_id: str | None
    times: int
    detail: Annotated[dict[str, event_details.Value], shapes.DETAIL] | None

    @classmethod
    def of(cls, stored: Stored) -> Event:
        """Shape an event for the owner of its chain."""
        event = stored.event
        detail = event_details.from_text(event.action, event.detail)
        return cls(
            number=stored.number,
            at=event.at,
            action=event.action,
            name=event.name or None,
            outcome="ok" if event.outcome == OK else "refused",
            problem=None if event.outcome == OK else event.outcome,
            username=event.username or None,
            via=event.via if event.via in {"session", "token", "command"} else None,
            credential_id=event.credential_id or None,
            token=event.credential_name or None,
            address=event.address or None,
            request_id=event.request_id or None,
            times=event.times,
            detail=None if detail is None else dict(detail),
        )


class EventList(Response):
    """``GET /audit``."""

    events: list[Event]
    next_cursor: str | None


class Fault(Response):
    """The first event that is not as it was written."""

    number: int
    detail: str


class Verification(Response):
    """``GET /audit:verify``."""

    ok: bool
    events: int  # that are as they were written
    fault: Fault | None

    @classmethod
    def of(cls, events: int, fault: ChainFault | None) -> Verification:
        """Shape the outcome for the owner of the chain."""
        shown = None if fault is None else Fault(number=fault.number, detail=fault.detail)
        return cls(ok=fault is None, events=events, fault=shown)
