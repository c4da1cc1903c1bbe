"""What may go out: allow-lists. A new column stays private until somebody names it here."""

from __future__ import annotations

import base64
import functools
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from models import rows, shapes
from models.times import rfc3339

Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str), shapes.MOMENT]


class Response(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(Response):
    """``POST /register``, ``GET /account``."""

    username: str
    created_at: Moment

    @classmethod
    def of(cls, account: rows.Account) -> Account:
        """Shape an account for its owner."""
        return cls(username=account.username, created_at=account.created_at)


class LoggedIn(Response):
    """``POST /login``, ``POST /refresh``. The tokens themselves travel in cookies only."""

    username: str
    expires_in: int  # seconds that the access cookie stays valid


class LoggedOut(Response):
    """``POST /logout``."""

    logged_out: Literal[True] = True


class Session(Response):
    """A session, for its owner to recognise. ``address`` and ``client`` are of the last use: the
    login, or the last refresh."""

    id: str
    created_at: Moment
    last_used_at: Moment
    expires_at: Moment
    idle_expires_at: Moment
    address: str
    client: str
    current: bool

    @classmethod
    def of(cls, session: rows.Session, current: rows.SessionId) -> Session:
        """Shape a session for its owner, who asks with the session *current*."""
        return cls(
            id=session.id,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            idle_expires_at=session.idle_expires_at,
            address=session.client.address,
            client=session.client.name,
            current=session.id == current,
        )


class SessionList(Response):
    """``GET /sessions``."""

    sessions: list[Session]
    next_cursor: str | None


class SessionsEnded(Response):
    """``DELETE /sessions``, ``DELETE /sessions/<id>``, ``PUT /account/password``."""

    sessions_ended: int


class AccountDeleted(Response):
    """``DELETE /account``."""

    username: str
    deleted_at: Moment


class SecretInfo(Response):
    """A secret without its value."""

    name: str
    version: int
    labels: dict[str, str]
    created_at: Moment
    updated_at: Moment
    expires_at: Moment | None
    deleted_at: Moment | None = None
    purge_at: Moment | None = None

    @classmethod
    def of(cls, info: rows.SecretInfo) -> SecretInfo:
        """Shape a secret's metadata for its owner."""
        return cls(**allowed(cls, info))


class Secret(Response):
    """``GET /secrets/<name>``: the one answer that carries a value."""

    name: str
    secret: str = Field(repr=False)
    encoding: Literal["text", "base64"]
    version: int
    labels: dict[str, str]
    created_at: Moment
    updated_at: Moment
    expires_at: Moment | None

    @classmethod
    def of(cls, secret: rows.Secret) -> Secret:
        """Shape a secret for its owner: text as it is, bytes as base64."""
        value = value_fields(secret.value)
        return cls(**allowed(cls, secret.info, version=secret.version, **value))


def allowed(answer: type[Response], info: rows.SecretInfo, **given: Any) -> dict[str, Any]:
    """What is known of a secret under a name that *answer* has too, and *given*."""
    return {name: getattr(info, name) for name in _in_common(answer)} | given


@functools.cache
def _in_common(answer: type[Response]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(rows.SecretInfo) if one.name in answer.model_fields)


def value_fields(value: rows.Value) -> dict[str, Any]:
    """A value as JSON holds it: text as it is, bytes as base64."""
    if value.kind == "text":
        return {"secret": value.data.decode(), "encoding": "text"}
    return {"secret": base64.b64encode(value.data).decode(), "encoding": "base64"}


class SecretList(Response):
    """``GET /secrets``."""

    secrets: list[SecretInfo]
    next_cursor: str | None


class Deleted(Response):
    """``DELETE /secrets/<name>``."""

    name: str
    deleted_at: Moment
    purge_at: Moment


class Health(Response):
    """``GET /healthz``, ``GET /readyz``."""

    status: Literal["ok"] = "ok"


class Key(Response):
    """One of my keys, as ``GET /keys`` tells of it for ever."""

    id: str
    state: rows.KeyState
    created_at: Moment
    retired_at: Moment | None
    destroyed_at: Moment | None
    ciphertexts_remaining: int

    @classmethod
    def of(cls, key: rows.KeyInfo) -> Key:
        """Shape a key's metadata for its owner."""
        return cls(
            id=key.public_id,
            state=key.state,
            created_at=key.created_at,
            retired_at=key.retired_at,
            destroyed_at=key.destroyed_at,
            ciphertexts_remaining=key.ciphertexts_remaining,
        )


class KeyList(Response):
    """``GET /keys``."""

    keys: list[Key]
    next_cursor: str | None


class Token(Response):
    """An API token without the token: for its owner to recognise, and to see what it may do."""

    id: str
    name: str
    scopes: list[str]
    prefixes: list[str] | None  # null: every name
    cidrs: list[str] | None  # null: every address
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None  # to the minute

    @classmethod
    def of(cls, token: rows.ApiToken) -> Token:
        """Shape a token's metadata for its owner."""
        return cls(**_token_fields(token))


class NewToken(Token):
    """``POST /tokens``: the one answer that shows the token."""

    token: str = Field(repr=False)

    @classmethod
    def showing(cls, made: rows.ApiToken, token: str) -> NewToken:
        """Shape a token that was just made."""
        return cls(**_token_fields(made), token=token)


def _token_fields(token: rows.ApiToken) -> dict[str, Any]:
    powers = token.powers
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(powers.scopes),
        "prefixes": list(powers.prefixes) or None,
        "cidrs": list(powers.cidrs) or None,
        "created_at": token.created_at,
        "expires_at": powers.expires_at,
        "last_used_at": token.last_used_at,
    }


class TokenList(Response):
    """``GET /tokens``."""

    tokens: list[Token]
    next_cursor: str | None


class TokenDeleted(Response):
    """``DELETE /tokens/<token_id>``."""

    id: str
    deleted: Literal[True] = True
