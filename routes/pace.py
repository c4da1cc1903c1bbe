"""Whoever sends too many requests is told to wait: a source, before anything is looked up, and a
principal, once it is known. What is counted where is told in ``utils/pace.py``."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, Response, current_app, request

from models.rows import ApiToken, Principal
from models.times import utcnow
from routes.context import current_vault


def install(app: Flask) -> None:
    """Count before every request, and settle after an answer, once a second."""
    app.before_request(_count_source)
    app.after_request(_settle)


def count_principal(caller: Principal | None, now: datetime) -> None:
    """One API token, or all sessions of an account together: it has as many as it likes.

    Raises TooManyRequests.
    """
    if caller is not None:
        vault = current_vault()
        vault.pace.take(vault.throttle.requests_of_principal(_principal(caller)), now)


def count_names(caller: Principal | None, names: int, now: datetime) -> None:
    """A request about many names leaves as many events in the audit trail, and is as many requests:
    else a batch would be a way to flood it. What is over is not refused any more: it is there when
    the next requests are counted."""
    if names > 1:
        vault = current_vault()
        buckets = vault.throttle.requests_of_source(request.remote_addr)
        if caller is not None:
            buckets += vault.throttle.requests_of_principal(_principal(caller))
        vault.pace.charge(buckets, names - 1, now)


def _principal(caller: Principal) -> str:
    return caller.id if isinstance(caller, ApiToken) else str(caller.account.id)


def _count_source() -> None:
    """Health checks are not counted: they come from whatever watches over the service, and a
    refused one would take the service down. Raises TooManyRequests."""
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, "plain_http", False):
        vault = current_vault()
        vault.pace.take(vault.throttle.requests_of_source(request.remote_addr), utcnow())


def _settle(response: Response) -> Response:
    vault, now = current_vault(), utcnow()
    if vault.pace.is_due(now):
        response.call_on_close(lambda: vault.pace.settle(vault.db, now))
    return response
