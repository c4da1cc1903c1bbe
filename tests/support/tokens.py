"""Session cookies in tests: taken out of a jar, sent alone, forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import ORIGIN, Person

ACCESS, REFRESH, CSRF = "__Host-access_token", "__Host-refresh_token", "__Host-csrf_token"


def cookie(person: Person, name: str) -> str:
    """The value of a cookie that *person* holds."""
    held = person.client.get_cookie(name)
    assert held is not None, f"no cookie {name}"
    return held.decoded_value


def present(app: Flask, method: str, path: str, cookies: str, **options: Any) -> TestResponse:
    """A request by somebody who has nothing but this ``Cookie`` header."""
    client = app.test_client(use_cookies=False)
    headers = {"Cookie": cookies, **options.pop("headers", {})}
    return client.open(path, method=method, base_url=ORIGIN, headers=headers, **options)


def b64(data: bytes) -> str:
    """Base64url without padding, as in a JWT."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """The inverse of :func:`b64`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token: str) -> dict[str, Any]:
    """The header of a JWT, unverified."""
    found: dict[str, Any] = json.loads(unb64(token.partition(".")[0]))
    return found


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    found: dict[str, Any] = json.loads(unb64(token.split(".")[1]))
    return found


def sign(
    header: dict[str, Any] | bytes,
    claims: dict[str, Any] | bytes,
    key: bytes,
    digest: Callable[..., Any] = hashlib.sha256,
) -> str:
    """A JWT of any header and any claims: no library would make the ones that tests need."""
    parts = [part if isinstance(part, bytes) else _json(part) for part in (header, claims)]
    text = ".".join(b64(part) for part in parts)
    return f"{text}.{b64(hmac.new(key, text.encode(), digest).digest())}"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
