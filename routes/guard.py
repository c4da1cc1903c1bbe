"""Who is calling, and with which power. Each route names one of these above its view.

An access rule returns the caller's session or API token, or None for routes that are open to
everybody, and raises where the caller may not pass. It runs before the request's body is read:
strangers learn nothing from validation, and cost us nothing. A route whose rule does not say
otherwise is closed to API tokens.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from models.errors import (
    CsrfFailed,
    InvalidToken,
    MissingPower,
    NotAuthenticated,
    PasswordChangeRequired,
)
from models.powers import Scope
from models.rows import Principal, Session
from routes import bearer, tokens
from routes.context import current_vault
from routes.declared import Access
from routes.trace import note_caller
from utils.store import sessions


def anybody(_now: datetime) -> None:
    """No credentials needed; any that are sent are not looked at."""


def metrics_token(now: datetime) -> None:
    """The bearer token of the setting METRICS_TOKEN, if there is one. Raises NotAuthenticated,
    InvalidToken, or MissingPower for an API token: that metrics are off looks no different."""
    wanted = current_vault().settings.METRICS_TOKEN
    if wanted and bearer.is_exactly(wanted):
        return
    if bearer.is_sent():
        bearer.token(now)
        raise _not_for_tokens()
    raise NotAuthenticated("Send the token of SECRETS_METRICS_TOKEN as Authorization: Bearer.")


def refresh_cookie(_now: datetime) -> None:
    """The view takes the refresh cookie itself: it works once, so to look is to use it up."""


def may_read(now: datetime) -> Principal:
    """A live session, or an API token with the scope ``read``. Raises what :func:`session` does,
    InvalidToken or MissingPower."""
    return _owner("read", now)


def may_write(now: datetime) -> Principal:
    """A live session, or an API token with the scope ``write``; raises like :func:`may_read`."""
    return _owner("write", now)


def session(now: datetime) -> Session:
    """A live session, by its access cookie; not one that has yet to replace a one-time password.

    Raises NotAuthenticated, CsrfFailed or PasswordChangeRequired.
    """
    return _with_own_password(session_even_with_one_time_password(now))


def session_even_with_one_time_password(now: datetime) -> Session:
    """A live session, by its access cookie. Raises NotAuthenticated or CsrfFailed; InvalidToken or
    MissingPower for an API token."""
    if bearer.is_sent():
        bearer.token(now)  # which notes whose it is
        raise _not_for_tokens()
    return _find(tokens.access_claims(), now)


def session_even_if_access_expired(now: datetime) -> Session:
    """A live session, by either cookie: one that ended must be able to log out."""
    try:
        return session_even_with_one_time_password(now)
    except NotAuthenticated:
        return _find(tokens.refresh_claims(), now)


def session_if_any(now: datetime) -> Session | None:
    """The session that a login is about to replace, if the caller sent a live one.

    Old cookies, or cookies without their CSRF token, must not keep anybody from logging in.
    """
    with suppress(NotAuthenticated, CsrfFailed, MissingPower):
        return session_even_if_access_expired(now)
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """An access rule as OpenAPI tells of it: the credentials of which one is needed, whether none
    will do too, and what it raises."""

    schemes: tuple[str, ...] = ()
    optional: bool = False
    refuses: tuple[type[Exception], ...] = ()


_ACCOUNT = (NotAuthenticated, InvalidToken, CsrfFailed, MissingPower)
_OWNER = (*_ACCOUNT, PasswordChangeRequired)
DOORS: dict[Access, Door] = {
    anybody: Door(),
    metrics_token: Door(("metrics",), refuses=(NotAuthenticated, InvalidToken, MissingPower)),
    refresh_cookie: Door(("refresh",), refuses=(NotAuthenticated, CsrfFailed)),
    may_read: Door(("session", "token"), refuses=_OWNER),
    may_write: Door(("session", "token"), refuses=_OWNER),
    session: Door(("session",), refuses=_OWNER),
    session_even_with_one_time_password: Door(("session",), refuses=_ACCOUNT),
    session_even_if_access_expired: Door(("session", "refresh"), refuses=_ACCOUNT),
    session_if_any: Door(("session", "refresh"), optional=True),
}


def _owner(scope: Scope, now: datetime) -> Principal:
    if not bearer.is_sent():
        return _with_own_password(_find(tokens.access_claims(), now))
    token = bearer.token(now)
    token.powers.require_scope(scope)
    bearer.note_use(token, now)
    return token


def _with_own_password(found: Session) -> Session:
    if found.account.one_time:
        raise PasswordChangeRequired("Choose a password of your own with PUT /account/password.")
    return found


def _find(claims: tokens.Claims, now: datetime) -> Session:
    """The row decides, on every request: a session ended anywhere is ended here at once."""
    with current_vault().db.read_once() as tx:
        found = sessions.find_session(
            tx, claims.session_id, claims.account_id, now, claims.signed_by
        )
    if found is None:
        raise NotAuthenticated("The session has ended. Log in with POST /login.")
    note_caller(found)
    tokens.check_csrf(claims)  # only now: who is refused for it leaves an event
    return found


def _not_for_tokens() -> MissingPower:
    return MissingPower("API tokens cannot do this. Log in with POST /login instead.")
