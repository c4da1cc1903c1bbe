"""The audit trail of the caller's own account. Only with a session: what a token did, its holder
need not see."""

from __future__ import annotations

from flask import Blueprint, Response

from models import audit_responses, requests
from models.audit_requests import ListEvents
from models.events import chain_of
from models.paging import cut
from routes import guard
from routes.context import current_vault
from routes.endpoint import Call, answer, endpoint
from utils.audit_check import verify_chain
from utils.store import audit

bp = Blueprint("audit", __name__)


@bp.get("/audit")
@endpoint(
    access=guard.session,
    audit="audit.read",
    body=requests.Nothing,
    query=ListEvents,
    answers={200: audit_responses.EventList},
)
def list_events(call: Call[requests.Nothing, ListEvents]) -> Response:
    """List what happened to my account and my secrets, newest first, whoever did it."""
    chain, limit = chain_of(call.account.id), call.query.limit
    with current_vault().db.read() as tx:
        found = audit.list_page(tx, chain, call.query.query())
    page, last = cut(found, limit)
    return answer(
        audit_responses.EventList(
            events=[audit_responses.Event.of(one) for one in page],
            next_cursor=None if last is None else str(last.number),
        )
    )


@bp.get("/audit:verify")
@endpoint(
    access=guard.session,
    audit="audit.verify",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: audit_responses.Verification},
)
def verify(call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """Check that my events are as they were written: none changed, removed, inserted or moved."""
    vault = current_vault()
    with vault.db.read() as tx:
        events, fault = verify_chain(tx, vault.audit.key, chain_of(call.account.id))
    return answer(audit_responses.Verification.of(events, fault))
