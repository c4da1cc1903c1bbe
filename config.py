"""Every setting: its name, default and meaning.

Change a default here, or leave the file alone and set ``SECRETS_<NAME>`` in the environment, or
``SECRETS_<NAME>_FILE`` to the path of a file that holds the value (Docker and systemd mount
secrets that way). Lists are separated by commas. Durations are ``90s``, ``15m``, ``12h``, ``7d``.
A bad value stops the start with one line that names the setting.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import ConfigurationError

PREFIX = "SECRETS_"
_MINIMUM_SIGNING_KEY_BYTES = 32
_LONGEST = timedelta(days=36_500)
_MOST_ATTEMPTS = 1_000_000
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """``15m`` as a timedelta. Raises ValueError with what to write instead."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", value.strip())
    if match is None:
        raise ValueError("must be a duration such as 90s, 15m, 12h or 7d")
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > _LONGEST:  # added to the time of day it would leave the calendar
        raise ValueError(f"must be at most {_LONGEST.days}d")
    return duration


def _list(value: Any) -> Any:
    """Split a list from the environment at commas and lines; ``#`` begins a comment."""
    if not isinstance(value, str):
        return value
    lines = (line.partition("#")[0] for line in value.splitlines())
    return tuple(part for line in lines for part in re.split(r"[,\s]+", line) if part)


def _networks(value: Any) -> Any:
    try:
        return tuple(ipaddress.ip_network(part) for part in _list(value))
    except ValueError as error:  # its text quotes the value
        raise ValueError("must be addresses or networks such as 10.0.0.0/8") from error


def _folder(value: Any) -> Any:
    """An empty one would be the current folder, wherever that is."""
    if value == "":
        raise ValueError("must name a folder")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(gt=timedelta(0))]
Strings = Annotated[tuple[str, ...], BeforeValidator(_list)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseModel):
    """The settings. ``repr`` leaves out those that hold keys or passwords."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # --- where things are kept -------------------------------------------------------------

    INSTANCE_DIR: Annotated[Path, BeforeValidator(_folder)] = Field(
        default=Path(__file__).with_name("instance"),
        description="Folder for the SQLite database and the generated master key (made as 0700).",
    )
    DATABASE_URL: str = Field(
        default="",
        repr=False,
        description="sqlite:///path or postgresql://...; empty: secrets.db in INSTANCE_DIR.",
    )
    DATABASE_TIMEOUT: Duration = Field(
        default=timedelta(seconds=5),
        description="How long a request waits for a lock or a connection before it answers 503.",
    )
    DATABASE_POOL_SIZE: int = Field(
        default=8, ge=1, le=1000, description="PostgreSQL connections per process, at most."
    )
    MASTER_KEYS: Strings = Field(
        default=(),
        repr=False,
        description="Fernet keys, the current one first; empty: master.key in INSTANCE_DIR, "
        "made at the first start.",
    )

    # --- sessions and passwords ------------------------------------------------------------

    JWT_TOKEN_LOCATION: Annotated[tuple[Literal["cookies"], ...], BeforeValidator(_list)] = Field(
        default=("cookies",),
        min_length=1,
        max_length=1,
        description="Where a session's JWT travels. Cookies only.",
    )
    JWT_COOKIE_CSRF_PROTECT: bool = Field(
        default=False,
        description="Double-submit CSRF protection. Off for API clients; turn it on before "
        "browsers use the API.",
    )
    JWT_SECRET_KEY: Annotated[str, Field(max_length=1024)] = Field(
        default="",
        repr=False,
        description="Signs session tokens, at least 32 bytes; empty: a key of our own, kept "
        "wrapped in the database.",
    )
    ACCESS_TOKEN_LIFETIME: Duration = Field(
        default=timedelta(minutes=15), description="How long an access cookie works."
    )
    SESSION_IDLE_LIFETIME: Duration = Field(
        default=timedelta(days=7), description="A session ends when it is not refreshed this long."
    )
    SESSION_LIFETIME: Duration = Field(
        default=timedelta(days=30), description="A session ends after this time at the latest."
    )
    BCRYPT_COST: int = Field(
        default=12,
        ge=4,
        le=18,
        description="log2 of bcrypt's rounds. Below 10 is for tests only (ASVS 11.4.2).",
    )
    HASHING_SLOTS: int = Field(
        default=2, ge=1, le=64, description="Passwords hashed at the same time, per process."
    )
    HASHING_QUEUE: int = Field(
        default=4,
        ge=0,
        le=1000,
        description="Logins that may wait for a slot, per process; more get 503 at once. With the "
        "slots, fewer than the server's threads.",
    )
    HASHING_TIMEOUT: Duration = Field(
        default=timedelta(seconds=3),
        description="How long a login waits for a hashing slot before it answers 503.",
    )
    LOGIN_WINDOW: Duration = Field(
        default=timedelta(minutes=15),
        description="How long until all attempts that the next three settings allow are back, "
        "one by one.",
    )
    LOGIN_ATTEMPTS_PAIR: int = Field(
        default=10,
        ge=0,
        le=_MOST_ATTEMPTS,
        description="Wrong passwords for one account from one source, before 429. 0: no limit.",
    )
    LOGIN_ATTEMPTS_ACCOUNT: int = Field(
        default=50,
        ge=0,
        le=_MOST_ATTEMPTS,
        description="The same, for one account from all sources that it never logged in from. "
        "0: no limit.",
    )
    LOGIN_ATTEMPTS_SOURCE: int = Field(
        default=50,
        ge=0,
        le=_MOST_ATTEMPTS,
        description="The same, from one source (an IPv4 address, or an IPv6 /64) for all accounts. "
        "0: no limit.",
    )
    REGISTRATION: Literal["open", "closed"] = Field(
        default="open", description="Whether POST /register takes new accounts."
    )

    # --- secrets ---------------------------------------------------------------------------

    DELETED_RETENTION: Duration = Field(
        default=timedelta(days=30),
        description="From delete to `purge_at`, which answers tell; nothing is purged yet.",
    )

    KEY_MAX_AGE: Duration = Field(
        default=timedelta(days=30),
        description="rotate_keys.py, run without arguments, replaces keys older than this.",
    )

    # --- audit trail -----------------------------------------------------------------------

    AUDIT_RETENTION: Duration = Field(
        default=timedelta(days=365),
        description="`flask audit purge` deletes events older than this.",
    )
    AUDIT_SYNC_READS: bool = Field(
        default=False,
        description="Answer a read only when its event is durable. Otherwise a crash can lose the "
        "events of reads of the last second.",
    )

    # --- transport -------------------------------------------------------------------------

    ALLOW_PLAIN_HTTP: bool = Field(
        default=False,
        description="Accept credentials over plain HTTP: only where something in front of the "
        "service ends TLS and cannot be named in TRUSTED_PROXIES.",
    )
    TRUSTED_PROXIES: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        default=(),
        description="Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto count.",
    )
    MAX_BODY_BYTES: int = Field(
        default=512 * 1024,
        ge=128 * 1024,
        le=64 * 1024 * 1024,
        description="Largest request body: a 64 KiB value, with every character escaped.",
    )

    @property
    def database_url(self) -> str:
        """The database in use."""
        return self.DATABASE_URL or f"sqlite:///{self.INSTANCE_DIR / 'secrets.db'}"


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from the defaults above and the environment. Raises ConfigurationError."""
    given: dict[str, Any] = {}
    for name in Settings.model_fields:
        if (value := _from_environment(environ, name)) is not None:
            given[name] = value
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigurationError(f"{PREFIX}{first['loc'][0]}: {reason}.") from None
    if "MASTER_KEYS" in given and not settings.MASTER_KEYS:
        raise ConfigurationError(f"{PREFIX}MASTER_KEYS: holds no key. Unset it, or give one.")
    _refuse_weak(settings)
    return settings


def refuse_debug_mode(environ: Mapping[str, str]) -> None:
    """Flask's debug mode puts a console beside the API: whoever knows its PIN runs code in the
    process that holds all keys. Raises ConfigurationError."""
    if environ.get("FLASK_DEBUG", "").lower() not in {"", "0", "false", "no"}:
        raise ConfigurationError(
            "Flask's debug mode (FLASK_DEBUG, or flask run --debug) lets callers run code here. "
            "Turn it off."
        )


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """One warning per ``SECRETS_…`` variable that no setting reads."""
    known = {PREFIX + name + suffix for name in Settings.model_fields for suffix in ("", "_FILE")}
    warnings = []
    for name in sorted(set(environ) - known):
        if name.startswith(PREFIX):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            warnings.append(f"{name} is not a setting and has no effect.{hint}")
    return warnings


def _from_environment(environ: Mapping[str, str], name: str) -> str | None:
    direct, path = environ.get(PREFIX + name), environ.get(f"{PREFIX}{name}_FILE")
    if path is None:
        return direct
    if direct is not None:
        raise ConfigurationError(f"Set either {PREFIX}{name} or {PREFIX}{name}_FILE, not both.")
    try:
        # The newline at the end belongs to the file, not to the value.
        value = Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{PREFIX}{name}_FILE: {path} cannot be read as a text file."
        ) from error
    if not value.strip():
        # Mounted empty, or not mounted yet: the default would be a key or database of our own.
        raise ConfigurationError(f"{PREFIX}{name}_FILE: {path} is empty.")
    return value


def _refuse_weak(settings: Settings) -> None:
    """PyJWT only warns about a short key (RFC 7518 section 3.2 asks for 256 bits)."""
    if (
        settings.JWT_SECRET_KEY
        and len(settings.JWT_SECRET_KEY.encode()) < _MINIMUM_SIGNING_KEY_BYTES
    ):
        raise ConfigurationError(
            f"{PREFIX}JWT_SECRET_KEY: must have at least {_MINIMUM_SIGNING_KEY_BYTES} bytes."
        )
    if settings.SESSION_IDLE_LIFETIME > settings.SESSION_LIFETIME:
        raise ConfigurationError(
            f"{PREFIX}SESSION_IDLE_LIFETIME: must not be longer than SESSION_LIFETIME."
        )
