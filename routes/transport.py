"""May this request talk to us at all, and how do we talk back: proxies, TLS, origins, headers.

Credentials travel over TLS. The one exemption is ``flask run`` on a developer's machine: Python's
cookie jars do not return a ``Secure`` cookie over plain HTTP, even to localhost, so there the
cookies go without. It hangs on Werkzeug's development server *and* a loopback client *and* a
loopback Host *and* no sign of a proxy: a default nginx in front of a production server looks
like a loopback client too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from werkzeug.exceptions import BadRequest

from config import Settings
from models.errors import ForeignOrigin, InsecureTransport
from models.settings_text import Network
from routes.trace import trace_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDING = (
    "FORWARDED",
    "X_FORWARDED_FOR",
    "X_FORWARDED_PROTO",
    "X_FORWARDED_HOST",
    "X_REAL_IP",
    "VIA",
)
_HEADERS = (  # a response that has one of its own keeps it, in this spelling
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


@dataclass(frozen=True, slots=True)
class CookieNames:
    """What the session's cookies are called, and whether they carry ``Secure``."""

    access: str
    refresh: str
    csrf: str
    secure: bool


# A __Host- cookie is refused by clients unless it is Secure, has Path=/ and no Domain, so no
# sibling domain and no plain-HTTP page can plant one (RFC 6265bis section 4.1.3.2).
_PRODUCTION = CookieNames(
    "__Host-access_token", "__Host-refresh_token", "__Host-csrf_token", secure=True
)
# flask-jwt-extended's own names.
_DEVELOPMENT = CookieNames(
    "access_token_cookie", "refresh_token_cookie", "csrf_access_token", secure=False
)


def install(app: Flask, settings: Settings) -> None:
    """Put the checks before every request and the headers on every response."""

    def check() -> None:
        endpoint = app.view_functions.get(request.endpoint or "")
        _refuse_two_hosts()
        _refuse_foreign_origin(settings)
        if not getattr(endpoint, "plain_http", False):
            _refuse_plain_http(settings)

    app.before_request(check)
    app.wsgi_app = _Headers(  # type: ignore[method-assign, assignment]
        app.wsgi_app, settings.TRUSTED_PROXIES
    )


def cookie_names() -> CookieNames:
    """The names that this request's cookies have. No others are read."""
    return _DEVELOPMENT if _is_local_development() else _PRODUCTION


def _refuse_two_hosts() -> None:
    """RFC 9112 section 3.2. Granian joins them, and somebody before us may have picked one."""
    if "," in request.environ.get("HTTP_HOST", ""):
        raise BadRequest("Send one Host header.")


def _refuse_plain_http(settings: Settings) -> None:
    if request.is_secure or settings.ALLOW_PLAIN_HTTP or _is_local_development():
        return
    raise InsecureTransport(
        "Use https://. Operators: give the server a certificate; or name the TLS proxy in front "
        "of it in SECRETS_TRUSTED_PROXIES and let it send X-Forwarded-Proto; or, knowingly, set "
        "SECRETS_ALLOW_PLAIN_HTTP=true."
    )


def _is_local_development() -> bool:
    environ = request.environ
    return (
        "werkzeug.socket" in environ
        and environ["wsgi.url_scheme"] == "http"
        and _is_loopback(request.remote_addr)
        and _is_loopback_host(request.host)
        and not any("HTTP_" + name in environ for name in _FORWARDING)
    )


def _is_loopback(address: str | None) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _is_loopback_host(host: str) -> bool:
    """A page on evil.example whose name resolves to 127.0.0.1 sends its own name as Host."""
    name = (host.rsplit(":", 1)[0] if not host.endswith("]") else host).lower()
    return name == "localhost" or _is_loopback(name.strip("[]"))


def _refuse_foreign_origin(settings: Settings) -> None:
    """Browsers name the page that sends an unsafe request; API clients send no Origin."""
    if request.method in SAFE_METHODS:
        return
    own = {f"{request.scheme}://{request.host}".lower()}
    if settings.ALLOW_PLAIN_HTTP:  # something unnamed ends TLS: its clients see https
        own.add(f"https://{request.host}".lower())
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if (origin is not None and origin.lower() not in own) or site in {"cross-site", "same-site"}:
        raise ForeignOrigin(
            "This request was sent for another site's page. Call the API from its own origin, or "
            "not from a browser."
        )


class _Headers:
    """Put ours on every response; and believe ``X-Forwarded-For`` and ``X-Forwarded-Proto``, from
    the configured proxies only.

    Werkzeug's ProxyFix counts hops and believes whoever connects. Here the address must be
    configured, and the client is the rightmost one that is not a proxy of ours: everything to
    the left of it was written by somebody we do not know.
    """

    def __init__(self, app: WSGIApplication, trusted: tuple[Network, ...]) -> None:
        self._app = app
        self._trusted = trusted

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if self._trusted and self._is_trusted(environ.get("REMOTE_ADDR", "")):
            self._believe(environ)

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            there = {name for name, _ in headers}
            headers += [header for header in _HEADERS if header[0] not in there]
            headers.append(("X-Request-ID", trace_of(environ).request_id))
            if environ["wsgi.url_scheme"] == "https":
                headers.append(_HSTS)
            return start(status, headers, *rest)

        return self._app(environ, begin)

    def _believe(self, environ: WSGIEnvironment) -> None:
        proto = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        if proto in {"http", "https"}:
            environ["wsgi.url_scheme"] = proto
        chain = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        for address in reversed(chain):
            if not _is_address(address):
                return
            environ["REMOTE_ADDR"] = address
            if not self._is_trusted(address):
                return

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        # A socket that listens on :: shows an IPv4 client as ::ffff:192.0.2.1.
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
