"""Every setting: its name, default and meaning.

Change a default here, or leave the file alone and set ``SECRETS_<NAME>`` in the environment, or
``SECRETS_<NAME>_FILE`` to the path of a file that holds the value (Docker and systemd mount
secrets that way). Lists are separated by commas. Durations are ``90s``, ``15m``, ``12h``, ``7d``.
A bad value stops the start with one line that names the setting.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models.errors import ConfigurationError
from models.rows import Limits
from models.settings_text import (
    Command,
    Duration,
    Network,
    Strings,
    folder,
    networks,
    split_list,
)

PREFIX = "SECRETS_"
_MINIMUM_SIGNING_KEY_BYTES = 32
_MOST = 1_000_000


def _limit(default: int, what: str) -> Any:
    """A field that says how many there may be."""
    return Field(default=default, ge=0, le=_MOST, description=f"{what} 0: no limit.")


class Settings(BaseModel):
    """The settings. ``repr`` leaves out those that hold keys or passwords."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # --- where things are kept -------------------------------------------------------------

    INSTANCE_DIR: Annotated[Path, BeforeValidator(folder)] = Field(
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
    AUTO_MIGRATE: bool = Field(
        default=True,
        description="Bring the database's schema up to date at the start; otherwise only "
        "`flask db upgrade` does.",
    )
    MASTER_KEYS: Strings = Field(
        default=(),
        repr=False,
        description="Fernet keys, the current one first; empty: master.key in INSTANCE_DIR, "
        "made at the first start.",
    )
    MASTER_KEYS_COMMAND: Command = Field(
        default=(),
        repr=False,
        description="Instead: a program and its arguments, which prints the keys. Run at each "
        "start, for 30s at most, and never by a shell.",
    )

    # --- sessions and passwords ------------------------------------------------------------

    JWT_TOKEN_LOCATION: Annotated[tuple[Literal["cookies"], ...], BeforeValidator(split_list)] = (
        Field(
            default=("cookies",),
            min_length=1,
            max_length=1,
            description="Where a session's JWT travels. Cookies only.",
        )
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
    LOGIN_ATTEMPTS_PAIR: int = _limit(
        10,
        "Wrong passwords for one account from one source, before 429.",
    )
    LOGIN_ATTEMPTS_ACCOUNT: int = _limit(
        50,
        "The same, for one account from all sources that it never logged in from.",
    )
    LOGIN_ATTEMPTS_SOURCE: int = _limit(
        50,
        "The same, from one source (an IPv4 address, or an IPv6 /64) for all accounts.",
    )
    REGISTRATION: Literal["open", "closed"] = Field(
        default="open", description="Whether POST /register takes new accounts."
    )
    REGISTRATIONS_SOURCE: int = _limit(
        100,
        "Accounts that one source may register in an hour, before 429.",
    )
    MAX_SESSIONS: int = _limit(
        100,
        "Sessions of an account; a login beyond ends the one that was used longest ago.",
    )
    MAX_TOKENS: int = _limit(100, "API tokens of an account.")

    # --- secrets ---------------------------------------------------------------------------

    DELETED_RETENTION: Duration = Field(
        default=timedelta(days=30),
        description="How long a delete can be undone. flask purge removes for good what was "
        "deleted, or has expired, longer ago.",
    )
    VERSIONS_KEPT: int = Field(
        default=10,
        ge=1,
        le=1_000_000,
        description="Versions of a secret that flask purge leaves, the newest ones.",
    )

    MAX_SECRETS: int = _limit(
        10_000,
        "Secrets of an account; deleted and expired ones count until they are purged.",
    )
    MAX_VERSIONS: int = _limit(1000, "Versions of a secret; a write beyond is refused.")

    KEY_MAX_AGE: Duration = Field(
        default=timedelta(days=30),
        description="rotate_keys.py, run without arguments, replaces keys older than this.",
    )

    REQUESTS_PER_MINUTE_PRINCIPAL: int = _limit(
        6000,
        "Requests of an API token, or of all sessions of an account, before 429.",
    )
    REQUESTS_PER_MINUTE_SOURCE: int = _limit(
        6000,
        "Requests from one source, before 429; not health checks.",
    )

    AUDIT_RETENTION: Duration = Field(
        default=timedelta(days=365),
        description="`flask audit purge` deletes events older than this.",
    )
    AUDIT_SYNC_READS: bool = Field(
        default=False,
        description="Answer a read only when its event in the audit trail is durable. Otherwise a "
        "crash can lose the events of reads of the last second.",
    )

    # --- transport -------------------------------------------------------------------------

    ALLOW_PLAIN_HTTP: bool = Field(
        default=False,
        description="Accept credentials over plain HTTP: only where something in front of the "
        "service ends TLS and cannot be named in TRUSTED_PROXIES.",
    )
    TRUSTED_PROXIES: Annotated[tuple[Network, ...], BeforeValidator(networks)] = Field(
        default=(),
        description="Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto count.",
    )
    MAX_BODY_BYTES: int = Field(
        default=512 * 1024,
        ge=128 * 1024,
        le=64 * 1024 * 1024,
        description="Largest request body: a 64 KiB value, with every character escaped.",
    )

    # --- logs and metrics --------------------------------------------------------------------

    LOG_FORMAT: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="How a line of the log is written; auto: text on a terminal, otherwise json.",
    )
    LOG_LEVEL: Literal["info", "warning", "error"] = Field(
        default="info", description="What is logged: warning leaves out the line of each request."
    )
    METRICS_TOKEN: Annotated[str, Field(max_length=1024)] = Field(
        default="",
        repr=False,
        description="What `GET /metrics` wants as its bearer token, at least 32 characters; empty: "
        "nothing is counted or shown.",
    )

    @property
    def limits(self) -> Limits:
        """How many secrets and versions there may be, as the data layer takes it."""
        return Limits(self.MAX_SECRETS, self.MAX_VERSIONS)

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
    if "MASTER_KEYS_COMMAND" in given and not settings.MASTER_KEYS_COMMAND:
        raise ConfigurationError(f"{PREFIX}MASTER_KEYS_COMMAND: holds no command. Unset it.")
    if settings.MASTER_KEYS and settings.MASTER_KEYS_COMMAND:
        raise ConfigurationError(
            f"Set either {PREFIX}MASTER_KEYS or {PREFIX}MASTER_KEYS_COMMAND, not both."
        )
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
    """PyJWT only warns about a short key (RFC 7518 section 3.2 asks for 256 bits). The token of
    the metrics must be sendable in a header too."""
    signing = settings.JWT_SECRET_KEY
    if signing and len(signing.encode()) < _MINIMUM_SIGNING_KEY_BYTES:
        least = f"must have at least {_MINIMUM_SIGNING_KEY_BYTES} bytes"
        raise ConfigurationError(f"{PREFIX}JWT_SECRET_KEY: {least}.")
    if settings.METRICS_TOKEN and not re.fullmatch(r"[!-~]{32,}", settings.METRICS_TOKEN):
        raise ConfigurationError(
            f"{PREFIX}METRICS_TOKEN: must have at least 32 characters, ASCII without blanks."
        )
    if settings.SESSION_IDLE_LIFETIME > settings.SESSION_LIFETIME:
        too_long = "must not be longer than SESSION_LIFETIME"
        raise ConfigurationError(f"{PREFIX}SESSION_IDLE_LIFETIME: {too_long}.")
