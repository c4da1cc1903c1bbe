"""Session tokens (JWT) and the cookies that carry them.

A session is a row; its tokens only name it. Each lists who (``sub``, the account's id),
which session (``sid``), which token (``jti``) and what for (``type``), and nothing private:
anybody can read a JWT.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import flask_jwt_extended as fje
from flask import Flask, Response, current_app, g, request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import get_unverified_header
from jwt.exceptions import PyJWTError

from config import Settings
from models.errors import CsrfFailed, NotAuthenticated
from models.rows import Session, UserId
from models.times import utcnow
from routes import bearer
from routes.context import current_vault
from routes.transport import SAFE_METHODS, cookie_names
from utils.store import system
from utils.tokens import new_id

_ISSUER = "secrets-manager"
_AUDIENCE = "secrets-manager-api"
_REQUIRED = frozenset({"exp", "iat", "nbf", "jti", "type", "sub", "iss", "aud", "sid", "csrf"})
_LONGEST = 4096  # bytes; no cookie of ours is longer (ASVS 3.3.5)
_CONFIGURED_KID = "configured"
_LEEWAY_SECONDS = 30
_REMEMBERED_TOKENS = 4096  # of a process: some 1 KB each
_MEMORY = "secrets-manager-verified-tokens"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # no other spelling
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
CSRF_HEADER = "X-CSRF-TOKEN"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    session_id: str
    account_id: UserId
    token_id: str = field(repr=False)
    csrf: str = field(repr=False)
    signed_by: int | None  # the number of the key, which must still be there; None: configured


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature is right."""

    claims: Claims
    kind: str
    ends_at: float


def install(app: Flask, settings: Settings) -> None:
    """Configure flask-jwt-extended: one algorithm, named keys, issuer and audience."""
    app.config.update(
        JWT_TOKEN_LOCATION=list(settings.JWT_TOKEN_LOCATION),
        JWT_COOKIE_CSRF_PROTECT=settings.JWT_COOKIE_CSRF_PROTECT,
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=_ISSUER,
        JWT_DECODE_ISSUER=_ISSUER,
        JWT_ENCODE_AUDIENCE=_AUDIENCE,
        JWT_DECODE_AUDIENCE=_AUDIENCE,
        # Nodes' clocks differ: without it, a fresh token could be refused next door.
        JWT_DECODE_LEEWAY=_LEEWAY_SECONDS,
    )
    manager = fje.JWTManager(app)
    app.extensions[_MEMORY] = lru_cache(_REMEMBERED_TOKENS)(_verify)

    @manager.encode_key_loader
    def _encode_key(_identity: str) -> str:
        return _signing_key()[1]

    @manager.decode_key_loader
    def _decode_key(header: dict[str, Any], payload: dict[str, Any]) -> str:
        """Only keys of our own, by name. What the library would assume is required here:
        it takes a token without ``type`` for an access token, and one without ``exp``."""
        if not payload.keys() >= _REQUIRED:
            raise _refused()
        return _verifying_key(header.get("kid"))


def fetch_signing_key() -> None:
    """Have the key at hand that :func:`set_cookies` will sign with. For views to call before they
    commit: a database that fails afterwards would leave a used refresh token and nobody who
    holds its successor."""
    _signing_key()


def access_ends(session: Session, now: datetime) -> datetime:
    """When an access token ends that is made now: its session may end before it would."""
    return min(now + current_vault().settings.ACCESS_TOKEN_LIFETIME, session.expires_at)


def set_cookies(response: Response, session: Session, now: datetime) -> None:
    """Give the client a new access and a new refresh token for *session*."""
    names, csrf, ends = cookie_names(), new_id(), access_ends(session, now)
    claims = {"sid": session.id, "csrf": csrf, "iat": now, "nbf": now}
    headers = {"kid": _signing_key()[0]}
    access = fje.create_access_token(
        str(session.account.id),
        additional_claims={**claims, "jti": new_id(), "exp": ends},
        additional_headers=headers,
    )
    refresh = fje.create_refresh_token(
        str(session.account.id),
        additional_claims={**claims, "jti": session.refresh_id, "exp": session.idle_expires_at},
        additional_headers=headers,
    )
    until_access_ends = int((ends - now).total_seconds())
    until_idle = int((session.idle_expires_at - now).total_seconds())
    _set(response, names.access, access, until_access_ends)
    _set(response, names.refresh, refresh, until_idle)
    if current_vault().settings.JWT_COOKIE_CSRF_PROTECT:
        # The one cookie that scripts may read: that they can, and a foreign page can't, is the
        # whole protection.
        _set(response, names.csrf, csrf, until_idle, http_only=False)


def clear_cookies(response: Response) -> None:
    """Take the cookies back, with the attributes they were set with."""
    names = cookie_names()
    for name in (names.access, names.refresh, names.csrf):
        _set(response, name, "", 0, http_only=name != names.csrf)


def access_claims() -> Claims:
    """The claims of this request's access cookie. Raises NotAuthenticated."""
    return _claims(cookie_names().access, "access")


def refresh_claims() -> Claims:
    """The claims of this request's refresh cookie. Raises NotAuthenticated."""
    return _claims(cookie_names().refresh, "refresh")


def _claims(cookie: str, kind: str) -> Claims:
    sent = [] if bearer.is_sent() else request.cookies.getlist(cookie)
    # Two of one name: somebody planted one, and which is whose cannot be told.
    if len(sent) != 1 or len(sent[0]) > _LONGEST or not _TOKEN.fullmatch(sent[0]):
        raise _refused()
    try:
        verified: _Verified = current_app.extensions[_MEMORY](sent[0])
    except (PyJWTError, JWTExtendedException, ValueError, TypeError, RecursionError) as error:
        # All that a forged token can provoke; deep JSON in it is a RecursionError. One
        # answer for everything: the reason would only help whoever forged it.
        raise _refused() from error
    # The leeway is for other nodes' clocks, when a token begins. It ends on time.
    if verified.kind != kind or verified.ends_at <= utcnow().timestamp():
        raise _refused()
    return verified.claims


def _verify(token: str) -> _Verified:
    """What a token says, if it is genuine. Verifying one costs more than the rest of a request, and
    its signature does not change: so each is verified once by a process. All that ends a token
    before its time (the key that signed it, its session, its account) is asked for with its
    session, each time."""
    kid = get_unverified_header(token).get("kid")  # which decode_token hands to _decode_key
    found = fje.decode_token(token)
    claims = Claims(
        session_id=_id(found["sid"]),
        account_id=UserId(_number(found["sub"])),
        token_id=_id(found["jti"]),
        csrf=_id(found["csrf"]),
        signed_by=None if kid == _CONFIGURED_KID else _number(kid),
    )
    return _Verified(claims, found["type"], found["exp"])


def _id(claim: object) -> str:
    """What :func:`new_id` makes, and nothing that a database could choke on."""
    if not isinstance(claim, str) or not _ID.fullmatch(claim):
        raise _refused()
    return claim


def _number(claim: object) -> int:
    """What a BIGINT column can hold."""
    if not isinstance(claim, str) or not _NUMBER.fullmatch(claim) or int(claim) >= 2**63:
        raise _refused()
    return int(claim)


def check_csrf(claims: Claims) -> None:
    """Double submit: the header must repeat what the token holds. Raises CsrfFailed."""
    if not current_vault().settings.JWT_COOKIE_CSRF_PROTECT or request.method in SAFE_METHODS:
        return
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), claims.csrf.encode()):
        raise CsrfFailed(
            f"Send the value of the cookie {cookie_names().csrf} in the header {CSRF_HEADER}."
        )


def _set(
    response: Response, name: str, value: str, max_age: int, *, http_only: bool = True
) -> None:
    """Not the library's set_access_cookies: its names and Secure flag are one per application,
    and ours depend on how this request came in."""
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path="/",
        secure=cookie_names().secure,
        httponly=http_only,
        samesite="Strict",
    )


def _signing_key() -> tuple[str, str]:
    """``kid`` and key that sign now. The database is asked, once per request: another process
    may have rotated it, and what it retired must not sign any more."""
    vault = current_vault()
    if vault.settings.JWT_SECRET_KEY:
        return _CONFIGURED_KID, vault.settings.JWT_SECRET_KEY
    if "signing_key" not in g:
        with vault.db.read_once() as tx:
            g.signing_key = system.current_signing_key(tx, vault.master)
    return str(g.signing_key.number), g.signing_key.key.decode()


def _verifying_key(kid: object) -> str:
    """The key that a token names, while it exists. Raises NotAuthenticated."""
    vault = current_vault()
    configured = vault.settings.JWT_SECRET_KEY
    if configured and kid == _CONFIGURED_KID:
        return configured
    if configured:
        raise _refused()
    with vault.db.read_once() as tx:
        known = system.find_signing_key(tx, vault.master, _number(kid))
    if known is None:
        raise _refused()
    return known.key.decode()


def _refused() -> NotAuthenticated:
    return NotAuthenticated("Log in with POST /login (or POST /refresh) and send its cookies.")
