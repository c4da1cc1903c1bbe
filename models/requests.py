"""What may come in: one model per body and per query string.

Everything is parsed here, once; nothing downstream checks again. Unknown fields are refused,
never ignored: a client that misspells ``expires_at`` must not believe that its secret expires.
Strict types: ``"1"`` is not 1 and ``true`` is not a string.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.errors import BodyTooLarge, MalformedRequest
from models.paging import CURSOR_RULE
from models.powers import visible_prefixes
from models.rows import KEEP, Change, SecretName, SecretQuery, Username, Value, ValueKind
from models.times import parse_rfc3339

MAX_VALUE_BYTES = 64 * 1024
MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_BYTES = 1024


class Request(BaseModel):
    """Base of all requests; a refused input never shows in an error's text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def _refuse(kind: str, message: str) -> PydanticCustomError:
    """An error whose message is ours and holds nothing of the input."""
    return PydanticCustomError(kind, "{message}", {"message": message})


def _username(text: str) -> Username:
    if (parsed := names.parse_username(text)) is None:
        raise _refuse("username", f"must be {names.USERNAME_RULE}")
    return parsed


def _secret_name(text: str) -> SecretName:
    if (parsed := names.parse_secret_name(text)) is None:
        raise _refuse("secret_name", f"must be {names.NAME_RULE}")
    return parsed


def _prefix(text: str) -> str:
    if not names.is_name_prefix(text):
        raise _refuse("prefix", "must be the beginning of a secret's name")
    return text


def _name_part(text: str) -> str:
    if not names.is_name_part(text):
        raise _refuse("q", "must be a part of a secret's name")
    return text


def _new_password(text: str) -> str:
    """Length only: no composition rules, no trimming (OWASP ASVS 6.2.1, 6.2.5, 6.2.8)."""
    if len(text) < MIN_PASSWORD_CHARACTERS:
        raise _refuse("password", f"must have at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(text.encode()) > MAX_PASSWORD_BYTES:
        raise _refuse("password", f"must have at most {MAX_PASSWORD_BYTES} bytes in UTF-8")
    return text


def _labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > names.MAX_LABELS:
        raise _refuse("labels", f"must have at most {names.MAX_LABELS} entries")
    if not all(names.is_label_key(key) for key in labels):
        raise _refuse("label_key", f"each key must be {names.LABEL_KEY_RULE}")
    if not all(names.is_label_value(value) for value in labels.values()):
        raise _refuse("label_value", f"each value must be {names.LABEL_VALUE_RULE}")
    return labels


def _label_filter(text: str) -> str:
    key, colon, value = text.partition(":")
    if not colon or not names.is_label_key(key) or not names.is_label_value(value):
        raise _refuse("label", "must be key:value")
    return text


def _moment(text: Any) -> datetime:
    try:
        moment = parse_rfc3339(text) if isinstance(text, str) else None
    except ValueError as error:
        raise _refuse("time", "must be a time that exists") from error
    if moment is None:
        raise _refuse("time", "must be an RFC 3339 time with an offset: 2030-01-31T12:00:00Z")
    return moment


UsernameField = Annotated[Username, AfterValidator(_username), shapes.USERNAME]
SecretNameField = Annotated[SecretName, AfterValidator(_secret_name), shapes.SECRET_NAME]
Moment = Annotated[datetime, BeforeValidator(_moment), shapes.MOMENT]
Labels = Annotated[dict[str, str], AfterValidator(_labels), shapes.LABELS]
NamePrefix = Annotated[str, AfterValidator(_prefix), shapes.PREFIX]
LabelFilter = Annotated[str, AfterValidator(_label_filter), shapes.LABEL]
NewPassword = Annotated[str, AfterValidator(_new_password), Field(repr=False), shapes.PASSWORD]


# --- secrets -----------------------------------------------------------------------------------


class WithValue(Request):
    """``encoding`` tells how ``secret`` is written."""

    model_config = shapes.secret_fields(MAX_VALUE_BYTES)
    secret: str | None = Field(default=None, repr=False)
    encoding: Literal["text", "base64"] = "text"

    @model_validator(mode="after")
    def _value_can_be_kept(self) -> WithValue:
        _ = self.value  # found out now, and kept
        return self

    @cached_property
    def value(self) -> Value | None:
        """What ``secret`` says. Raises BodyTooLarge, and PydanticCustomError for no base64."""
        if self.secret is None:
            return None
        if self.encoding == "base64":
            return checked_value(from_base64(self.secret), "bytes")
        return checked_value(self.secret.encode(), "text")


class _SecretFields(WithValue):
    """What can be said of a secret."""

    labels: Labels = Field(default_factory=dict)
    expires_at: Moment | None = None

    def change(self) -> Change:
        """What this request changes: only what it mentions."""
        mentioned = self.model_fields_set
        return Change(
            value=self.value,
            labels=self.labels if "labels" in mentioned else None,
            expires_at=self.expires_at if "expires_at" in mentioned else KEEP,
        )


# `encoding` alone says nothing.
_SAID = [field for field in _SecretFields.model_fields if field != "encoding"]


def checked_value(data: bytes, kind: ValueKind) -> Value:
    """The value, if it is within the limit.

    Raises BodyTooLarge (413), not a field error: the caller must send less, not other, data.
    """
    if len(data) > MAX_VALUE_BYTES:
        raise BodyTooLarge(f"A secret's value is at most {MAX_VALUE_BYTES} bytes.")
    return Value(data, kind)


def from_base64(text: str) -> bytes:
    """RFC 4648 section 4, padded, and only the canonical spelling.

    Python's decoder takes ``QUJ=`` and ``QUI=`` for the same bytes; a value that does not
    come back as it was sent is one we refuse.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refuse("base64", "`secret` must be base64 (RFC 4648 section 4), padded") from error
    if base64.b64encode(data).decode() != text:
        raise _refuse("base64", "`secret` must be canonical base64")
    return data


class NewSecret(_SecretFields):
    """``POST /secrets``."""

    name: SecretNameField
    secret: str = Field(repr=False)


class PutSecret(_SecretFields):
    """``PUT /secrets/<name>``. Labels and expiry that it does not mention stay."""

    secret: str = Field(repr=False)

    @classmethod
    def fields_of_bare(cls, data: bytes, kind: ValueKind) -> dict[str, str]:
        """The fields that say the same as a body that is the value itself.

        Raises MalformedRequest for text that isn't UTF-8.
        """
        if kind == "bytes":
            return {"secret": base64.b64encode(data).decode(), "encoding": "base64"}
        try:
            return {"secret": data.decode("utf-8")}
        except UnicodeDecodeError as error:
            raise MalformedRequest(
                "text/plain must be UTF-8. Send bytes as application/octet-stream."
            ) from error


class PatchSecret(_SecretFields):
    """``PATCH /secrets/<name>``: what it mentions is replaced; ``null`` removes an expiry."""

    model_config = shapes.secret_fields(MAX_VALUE_BYTES, **shapes.something(_SAID))

    @model_validator(mode="after")
    def _says_something(self) -> PatchSecret:
        mentioned = self.model_fields_set
        if mentioned.isdisjoint(_SAID):
            raise _refuse("empty", f"needs at least one of: {', '.join(_SAID)}")
        if self.secret is None and mentioned & {"secret", "encoding"}:
            raise _refuse("secret", "`secret` must be a string; `encoding` alone says nothing")
        return self


class Nothing(Request):
    """A call that takes no fields: no body at all, or ``{}``."""


# --- query strings (all values arrive as strings, so these are not strict) ---------------------


class Query(Request):
    """Base of query strings: numbers come as digits."""

    model_config = ConfigDict(strict=False)


class NoQuery(Query):
    """A call that takes no parameters."""


def _digits(text: Any) -> Any:
    """Only plain digits: int() alone would take `+1`, ` 1 `, `1_0` and other alphabets'."""
    if isinstance(text, str) and not re.fullmatch(r"[0-9]{1,10}", text):
        raise _refuse("integer", "must be a whole number, written in digits")
    return text


Number = Annotated[int, BeforeValidator(_digits)]


class ReadSecret(Query):
    """``GET /secrets/<name>``."""

    version: Annotated[Number, Field(ge=1, le=2**31 - 1)] | None = None


class ListSecrets(Query):
    """``GET /secrets``."""

    prefix: NamePrefix = ""
    label: LabelFilter | None = None
    q: Annotated[str, AfterValidator(_name_part), shapes.NAME_PART] | None = None
    deleted: Literal["true", "false"] = "false"
    limit: Annotated[Number, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, AfterValidator(_cursor), shapes.CURSOR] | None = None

    def query(self, within: tuple[str, ...]) -> SecretQuery:
        """The same, as the data layer takes it, for a caller limited to prefixes *within*."""
        key, _, value = (self.label or "").partition(":")
        return SecretQuery(
            prefixes=visible_prefixes(within, self.prefix),
            label=(key, value) if self.label is not None else None,
            text=self.q,
            gone=self.deleted == "true",
            after=_cursor_name(self.cursor) if self.cursor else "",
            limit=self.limit,
        )


def cursor_after(name: str) -> str:
    """An opaque cursor for the page that follows *name*."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _cursor_name(cursor: str) -> str:
    padded = cursor + "=" * (-len(cursor) % 4)
    return base64.urlsafe_b64decode(padded).decode("ascii")


def _cursor(text: str) -> str:
    try:
        name = names.parse_secret_name(_cursor_name(text))
    except ValueError:  # binascii.Error and UnicodeDecodeError are kinds of it
        name = None
    if name is None or cursor_after(name) != text:
        raise _refuse("cursor", CURSOR_RULE)
    return text


def _id_cursor(text: str) -> str:
    if not names.is_id(text):
        raise _refuse("cursor", CURSOR_RULE)
    return text


class ListKeys(Query):
    """``GET /keys``."""

    limit: Annotated[Number, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, AfterValidator(_id_cursor), shapes.ID] | None = None
