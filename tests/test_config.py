"""Settings: each from the environment or a mounted file, and a bad one named in one line."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from app import create_app
from config import Settings
from models.errors import ConfigurationError
from routes.context import vault_of
from tests.support.people import Person
from tests.support.server import ROOT
from tests.support.tokens import ACCESS, claims_of, cookie, header_of, present, sign
from utils import configuration
from utils.tokens import new_id

KEYS = (Fernet.generate_key().decode(), Fernet.generate_key().decode())
CANARY = "canary-7c1d90"

# Every setting with a value that is not its default, as it is written and as it is understood.
GOOD: dict[str, tuple[str, Any]] = {
    "INSTANCE_DIR": ("elsewhere/instance", Path("elsewhere/instance")),
    "DATABASE_URL": ("sqlite:///elsewhere.db", "sqlite:///elsewhere.db"),
    "DATABASE_TIMEOUT": ("90s", timedelta(seconds=90)),
    "DATABASE_POOL_SIZE": ("3", 3),
    "MASTER_KEYS": (",".join(KEYS), KEYS),
    "MASTER_KEYS_COMMAND": ("age -d 'the keys.age'", ("age", "-d", "the keys.age")),
    "JWT_COOKIE_CSRF_PROTECT": ("true", True),
    "JWT_SECRET_KEY": ("k" * 32, "k" * 32),
    "ACCESS_TOKEN_LIFETIME": ("5m", timedelta(minutes=5)),
    "SESSION_IDLE_LIFETIME": ("12h", timedelta(hours=12)),
    "SESSION_LIFETIME": ("60d", timedelta(days=60)),
    "BCRYPT_COST": ("13", 13),
    "HASHING_SLOTS": ("4", 4),
    "HASHING_QUEUE": ("7", 7),
    "HASHING_TIMEOUT": ("1s", timedelta(seconds=1)),
    "LOGIN_WINDOW": ("1h", timedelta(hours=1)),
    "LOGIN_ATTEMPTS_PAIR": ("5", 5),
    "LOGIN_ATTEMPTS_ACCOUNT": ("0", 0),
    "LOGIN_ATTEMPTS_SOURCE": ("1000", 1000),
    "REGISTRATION": ("closed", "closed"),
    "AUTO_MIGRATE": ("false", False),
    "AUDIT_RETENTION": ("30d", timedelta(days=30)),
    "AUDIT_SYNC_READS": ("true", True),
    "REGISTRATIONS_SOURCE": ("5", 5),
    "MAX_SESSIONS": ("1", 1),
    "MAX_TOKENS": ("0", 0),
    "DELETED_RETENTION": ("1d", timedelta(days=1)),
    "VERSIONS_KEPT": ("1", 1),
    "MAX_SECRETS": ("50", 50),
    "MAX_VERSIONS": ("0", 0),
    "KEY_MAX_AGE": ("7d", timedelta(days=7)),
    "REQUESTS_PER_MINUTE_PRINCIPAL": ("0", 0),
    "REQUESTS_PER_MINUTE_SOURCE": ("600", 600),
    "ALLOW_PLAIN_HTTP": ("true", True),
    "TRUSTED_PROXIES": (
        "10.0.0.0/8,::1",
        (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")),
    ),
    "MAX_BODY_BYTES": ("1048576", 1048576),
    "LOG_FORMAT": ("text", "text"),
    "LOG_LEVEL": ("error", "error"),
    "METRICS_TOKEN": ("m" * 32, "m" * 32),
}
# The seed's settings keep their names and meaning; of this one there is one value.
ONLY = {"JWT_TOKEN_LOCATION": ("cookies", ("cookies",))}

# For every setting that can be wrong, one way of being wrong.
BAD = {
    "INSTANCE_DIR": "",
    "DATABASE_TIMEOUT": f"5 {CANARY}",
    "DATABASE_POOL_SIZE": CANARY,
    "MASTER_KEYS_COMMAND": f"age '{CANARY}",
    "JWT_TOKEN_LOCATION": CANARY,
    "JWT_COOKIE_CSRF_PROTECT": CANARY,
    "JWT_SECRET_KEY": CANARY,
    "ACCESS_TOKEN_LIFETIME": CANARY,
    "SESSION_IDLE_LIFETIME": "31d",
    "SESSION_LIFETIME": "1d",
    "BCRYPT_COST": "3",
    "HASHING_SLOTS": "0",
    "HASHING_QUEUE": "-1",
    "HASHING_TIMEOUT": "0s",
    "LOGIN_WINDOW": "0m",
    "LOGIN_ATTEMPTS_PAIR": "-1",
    "LOGIN_ATTEMPTS_ACCOUNT": CANARY,
    "LOGIN_ATTEMPTS_SOURCE": "1000001",
    "REGISTRATION": CANARY,
    "AUTO_MIGRATE": CANARY,
    "AUDIT_RETENTION": CANARY,
    "AUDIT_SYNC_READS": CANARY,
    "REGISTRATIONS_SOURCE": "many",
    "MAX_SESSIONS": "-1",
    "MAX_TOKENS": CANARY,
    "DELETED_RETENTION": CANARY,
    "VERSIONS_KEPT": "0",
    "MAX_SECRETS": "-1",
    "MAX_VERSIONS": "1000001",
    "KEY_MAX_AGE": "-1d",
    "REQUESTS_PER_MINUTE_PRINCIPAL": "-1",
    "REQUESTS_PER_MINUTE_SOURCE": CANARY,
    "ALLOW_PLAIN_HTTP": CANARY,
    "TRUSTED_PROXIES": f"10.0.0.0/8,{CANARY}",
    "MAX_BODY_BYTES": "64k",
    "LOG_FORMAT": CANARY,
    "LOG_LEVEL": CANARY,
    "METRICS_TOKEN": f"{CANARY} and a blank, though it is long enough",
}


def load(**values: str) -> Settings:
    """The settings with these in the environment."""
    return configuration.load({f"SECRETS_{name}": value for name, value in values.items()})


# --- where settings come from ------------------------------------------------------------------


def test_the_tables_here_are_complete() -> None:
    """A new setting comes with a test of how it is written."""
    assert set(GOOD) | set(ONLY) == set(Settings.model_fields)
    anything_goes = {"DATABASE_URL", "MASTER_KEYS"}  # looked at where they are used
    assert set(BAD) == set(Settings.model_fields) - anything_goes


@pytest.mark.parametrize("name", [*GOOD, *ONLY])
def test_each_setting_comes_from_the_environment(name: str) -> None:
    """``SECRETS_<NAME>`` overrides the default and touches no other."""
    written, understood = {**GOOD, **ONLY}[name]
    assert load(**{name: written}) == Settings(**{name: understood})
    assert name in ONLY or getattr(Settings(), name) != understood


@pytest.mark.parametrize("name", [*GOOD, *ONLY])
def test_each_setting_comes_from_a_mounted_file(name: str, tmp_path: Path) -> None:
    """``SECRETS_<NAME>_FILE``: what Docker and systemd mount, with the newline at its end."""
    written, understood = {**GOOD, **ONLY}[name]
    (tmp_path / "mounted").write_text(written + "\n")
    assert load(**{f"{name}_FILE": str(tmp_path / "mounted")}) == Settings(**{name: understood})


@pytest.mark.parametrize("name", Settings.model_fields)
def test_both_at_once_is_refused(name: str, tmp_path: Path) -> None:
    """One of them would be ignored, and nobody would know which."""
    (tmp_path / "mounted").write_text("x")
    both = {name: "y", f"{name}_FILE": str(tmp_path / "mounted")}
    with pytest.raises(ConfigurationError, match=rf"SECRETS_{name} or SECRETS_{name}_FILE"):
        load(**both)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Going on with the default would be worst for a key."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        with pytest.raises(ConfigurationError, match="SECRETS_JWT_SECRET_KEY_FILE") as refused:
            load(JWT_SECRET_KEY_FILE=str(path))
        assert str(path) in str(refused.value)


def test_a_file_may_explain_itself(tmp_path: Path) -> None:
    """A list in a file has a line each, comments and blank lines."""
    (tmp_path / "keys").write_text(f"# since June\n{KEYS[0]}  # current\n\n{KEYS[1]}\r\n# end")
    assert load(MASTER_KEYS_FILE=str(tmp_path / "keys")).MASTER_KEYS == KEYS


def test_other_peoples_variables_do_not_count() -> None:
    """Only the prefix makes a variable ours."""
    assert configuration.load({"DATABASE_URL": "postgresql://not/ours", "HOME": "/"}) == Settings()


def test_defaults_are_those_of_the_seed() -> None:
    """Cookies only, no CSRF token for API clients, a key of our own unless one is given."""
    assert Settings().JWT_TOKEN_LOCATION == ("cookies",)
    assert Settings().JWT_COOKIE_CSRF_PROTECT is False
    assert Settings().JWT_SECRET_KEY == ""
    assert Settings().database_url == f"sqlite:///{ROOT / 'instance' / 'secrets.db'}"


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_named_and_not_shown(name: str) -> None:
    """One line with the setting's name. The value stays out: the next setting is a password."""
    with pytest.raises(ConfigurationError) as refused:
        load(**{name: BAD[name]})
    line = str(refused.value)
    assert line.startswith("SECRETS_")
    assert name in line
    assert CANARY not in line
    assert "\n" not in line
    assert line.endswith(".")


@pytest.mark.parametrize(
    "duration",
    ["", "5", "s", "5 s", "5S", "5ms", "1.5h", "+5s", "-5s", "0s", "5s5s", "1h\n1h", "\u0665s"],
)
def test_a_duration_is_a_number_and_a_unit(duration: str) -> None:
    """``90s``, ``15m``, ``12h``, ``7d``, and nothing that could be understood otherwise."""
    with pytest.raises(ConfigurationError, match="ACCESS_TOKEN_LIFETIME"):
        load(ACCESS_TOKEN_LIFETIME=duration)


@pytest.mark.parametrize("proxies", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", "10.0.0", "*"])
def test_proxies_are_addresses_or_networks(proxies: str) -> None:
    """A name would be looked up by whoever controls the lookup."""
    with pytest.raises(ConfigurationError, match=r"TRUSTED_PROXIES: must be addresses or networks"):
        load(TRUSTED_PROXIES=proxies)


def test_a_list_is_separated_by_commas_and_lines() -> None:
    """Spaces do not count, ``#`` begins a comment, an empty text is an empty list."""
    keys = load(MASTER_KEYS=" a, b\nc #d\n#e\n,").MASTER_KEYS
    assert keys == ("a", "b", "c")


def test_an_unknown_setting_in_code_is_refused() -> None:
    """A misspelt keyword must not leave the default in place."""
    with pytest.raises(ValueError, match="extra"):
        Settings.model_validate({"BCRYPT_COTS": 12})


def test_a_misspelt_variable_is_pointed_out() -> None:
    """It has no effect, and the warning says which name would; the value is not shown."""
    environ = {"SECRETS_MASTER_KEY": CANARY, "SECRETS_XYZZY": CANARY, "SECRETS_BCRYPT_COST": "12"}
    master, xyzzy = configuration.misspelt(environ)
    assert "SECRETS_MASTER_KEY is not a setting" in master
    assert "Did you mean SECRETS_MASTER_KEYS?" in master
    assert "SECRETS_XYZZY is not a setting" in xyzzy
    assert CANARY not in master + xyzzy


# --- the signing key ---------------------------------------------------------------------------


@pytest.mark.parametrize("weak", ["k", "k" * 31, "ü" * 15])
def test_a_weak_signing_key_is_refused(weak: str) -> None:
    """RFC 7518 section 3.2 asks for 256 bits; PyJWT only warns. Bytes count, not characters."""
    with pytest.raises(ConfigurationError, match="at least 32 bytes"):
        load(JWT_SECRET_KEY=weak)
    assert load(JWT_SECRET_KEY="ü" * 16)


@pytest.fixture
def keyed_app(settings: Settings) -> Flask:
    """An application with a signing key of the operator's."""
    return create_app(settings.model_copy(update={"JWT_SECRET_KEY": "k" * 32}))


def test_a_signing_key_of_the_operators_is_used(keyed_app: Flask, now: datetime) -> None:
    """What is signed with it by hand is accepted, what is signed with another key is not."""
    alice = Person(keyed_app, "alice")
    assert (alice.register().status_code, alice.login().status_code) == (201, 200)
    token = cookie(alice, ACCESS)
    claims = {**claims_of(token), "exp": int(now.timestamp()) + 60, "jti": new_id()}
    for key, status in ((b"k" * 32, 200), (b"q" * 32, 401)):
        forged = sign(header_of(token), claims, key)
        answer = present(keyed_app, "GET", "/account", f"{ACCESS}={forged}")
        assert answer.status_code == status
    vault_of(keyed_app).close()
