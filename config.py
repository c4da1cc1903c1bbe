"""Every setting: its name, default and meaning.

Change a default here, or leave the file alone and set ``SECRETS_<NAME>`` in the environment, or
``SECRETS_<NAME>_FILE`` to the path of a file that holds the value (Docker and systemd mount
secrets that way). Lists are separated by commas. Durations are ``90s``, ``15m``, ``12h``, ``7d``.
A bad value stops the start with one line that names the setting.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

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

    @property
    def master_key_source(self) -> str | None:
        """The setting that says where the master keys are; None: in INSTANCE_DIR."""
        return next((name for name in MASTER_KEY_SOURCES if getattr(self, name)), None)


# At most one of them is set; utils/vault.SOURCES has what each gives.
MASTER_KEY_SOURCES = tuple(name for name in Settings.model_fields if name.startswith("MASTER_KEYS"))
# A key, password or token, which repr leaves out, and not a command that prints one.
HOLD_SECRETS = tuple(
    name
    for name, setting in Settings.model_fields.items()
    if not setting.repr and name != "MASTER_KEYS_COMMAND"
)
