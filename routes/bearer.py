"""API tokens on their way in: the header ``Authorization: Bearer``.

Where it is sent, cookies are not looked at: of two credentials, which one counts must not depend on
who reads the request. A program sends the header on purpose, no browser does by itself, so
there is nothing that CSRF protection could add.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime

from flask import Response, after_this_request, request

from models.errors import IntegrityViolation, InvalidToken, TryLater
from models.rows import ApiToken, TokenId
from routes.context import current_vault
from routes.trace import note_caller
from utils.db import Database
from utils.store import api_tokens
from utils.tokens import parse_token

_OF_OTHERS = frozenset({"basic", "digest", "negotiate"})
_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)  # RFC 9110 section 11.1: any case


def is_sent() -> bool:
    """Whether this request carries a token, or what should have been one.

    A password for somebody else does not count: requests and curl send what a ``.netrc`` holds
    for the host, and a proxy passes on what it was itself sent.
    """
    sent = request.headers.get("Authorization")
    return sent is not None and sent.partition(" ")[0].lower() not in _OF_OTHERS


def is_exactly(wanted: str) -> bool:
    """Whether this token was sent, found in a time that does not tell how much of it is right."""
    match = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    return match is not None and hmac.compare_digest(match[1].encode(), wanted.encode())


def token(now: datetime) -> ApiToken:
    """The token of this request, used from where it may be used.

    Raises InvalidToken, for every reason the same, and where the header holds anything
    else or several; or MissingPower for a foreign address.
    """
    match = _BEARER.fullmatch(request.headers["Authorization"])  # several are joined: no token
    parsed = parse_token(match[1]) if match else None
    if parsed is None:
        raise _refused()
    vault = current_vault()
    with vault.db.read_once() as tx:
        found = api_tokens.find(tx, vault.token_key, parsed, now)
    if found is None:
        raise _refused()
    note_caller(found)
    found.powers.require_address(request.remote_addr)
    return found


def note_use(used: ApiToken, now: datetime) -> None:
    """Have the use remembered, to the minute, after the answer is sent."""
    minute = now.replace(second=0, microsecond=0)
    if used.last_used_at is not None and used.last_used_at >= minute:
        return
    db = current_vault().db

    @after_this_request
    def _once_sent(response: Response) -> Response:
        response.call_on_close(lambda: _remember(db, used.id, minute))
        return response


def _remember(db: Database, used: TokenId, minute: datetime) -> None:
    """The lock is only tried: no call may wait or fail for this."""
    try:
        with db.write(wait=False) as tx:
            api_tokens.note_use(tx, used, minute)
    except (TryLater, IntegrityViolation):
        return


def _refused() -> InvalidToken:
    return InvalidToken(
        "Send one header Authorization: Bearer with a token that POST /tokens made, and that is "
        "neither expired nor deleted."
    )
