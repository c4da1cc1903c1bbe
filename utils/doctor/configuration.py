"""Settings that are right somewhere, and dangerous elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from config import HOLD_SECRETS, PREFIX, Settings
from models.findings import Finding, danger, ok, warn
from models.settings_text import Network
from utils.configuration import misspelt
from utils.vault import MINIMUM_SAFE_COST

_LIMITS = ("LOGIN_ATTEMPTS_PAIR", "LOGIN_ATTEMPTS_ACCOUNT", "LOGIN_ATTEMPTS_SOURCE")
# Shortest prefixes of networks of proxies: below the first it is a large part of the internet,
# below the second more machines than anybody has proxies.
_TOO_WIDE = {4: (8, 16), 6: (16, 48)}


def examine_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Cookies, TLS, proxies, registration, and what is in the environment."""
    if settings.ALLOW_PLAIN_HTTP:
        what = "Passwords and cookies are taken over plain HTTP (ALLOW_PLAIN_HTTP)."
        way = "Give the server a certificate, or name the proxy in SECRETS_TRUSTED_PROXIES."
        yield warn("plain-http", what, way)
    else:
        yield ok("plain-http", "Credentials over plain HTTP are refused; cookies are Secure.")
    yield proxies(settings.TRUSTED_PROXIES)
    csrf = "on" if settings.JWT_COOKIE_CSRF_PROTECT else "off: turn it on before browsers come"
    yield ok("csrf", f"CSRF tokens are {csrf}.")
    if settings.REGISTRATION == "open":
        what = "Whoever reaches the service can make an account."
        way = "When everybody has one: SECRETS_REGISTRATION=closed"
        yield warn("registration", what, way)
    else:
        yield ok("registration", "Closed.")
    if settings.JWT_SECRET_KEY:
        what = "Sessions are signed with JWT_SECRET_KEY, which no rotation replaces."
        yield warn("signing-key", what, "Unset it, or replace it yearly. Either ends all sessions.")
    else:
        yield ok("signing-key", "Keys of our own, which rotate.")
    yield from environment(environ)
    yield from limits(settings)


def proxies(networks: tuple[Network, ...]) -> Finding:
    """Whoever is in one of them can claim any address, and that TLS was used."""
    for level, kind in ((0, danger), (1, warn)):
        wide = [str(n) for n in networks if n.prefixlen < _TOO_WIDE[n.version][level]]
        if wide:
            what = f"All machines in {', '.join(wide)} can claim any address, and TLS."
            way = "Name in SECRETS_TRUSTED_PROXIES the addresses of your proxies only."
            return kind("trusted-proxies", what, way)
    return ok("trusted-proxies", f"Trusted: {', '.join(map(str, networks)) or 'none'}.")


def environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """A variable is inherited by every child, and shown by container tools; a file is not."""
    given = {PREFIX + name: environ.get(PREFIX + name, "") for name in HOLD_SECRETS}
    given = {name: value for name, value in given.items() if value}
    url = f"{PREFIX}DATABASE_URL"
    found = [name for name, value in given.items() if name != url or _holds_password(value)]
    if found:
        way = f"Put the value into a file of mode 0600, and name that in {found[0]}_FILE."
        what = f"In the environment, in the clear: {', '.join(found)}."
        yield warn("secrets-in-environment", what, way)
    else:
        yield ok("secrets-in-environment", "No secret is in the environment.")
    unread = misspelt(environ)
    if unread:
        yield warn("unknown-settings", " ".join(unread), "Correct the names, or unset them.")
    else:
        yield ok("unknown-settings", "Every variable is a setting.")


def limits(settings: Settings) -> Iterator[Finding]:
    """What slows down who guesses at passwords, here or in a stolen database."""
    if settings.BCRYPT_COST < MINIMUM_SAFE_COST:
        what = f"Passwords are hashed with cost {settings.BCRYPT_COST}, which is for tests only."
        yield danger("bcrypt-cost", what, f"Set SECRETS_BCRYPT_COST to {MINIMUM_SAFE_COST} or more")
    else:
        yield ok("bcrypt-cost", f"Passwords are hashed with cost {settings.BCRYPT_COST}.")
    off = [PREFIX + name for name in _LIMITS if getattr(settings, name) == 0]
    if off:
        what = f"Guesses at passwords are not limited by {', '.join(off)}."
        yield warn("limits", what, "Unset it, unless a proxy hides all clients' addresses.")
    else:
        yield ok("limits", "Guesses at passwords are limited.")


def _holds_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password) or "password=" in url
    except ValueError:
        return True  # whatever it is, it is not shown to be harmless
