"""The start: with no configuration it works, and with a bad one it ends in one line that helps."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import Settings
from models.errors import ConfigurationError
from models.rows import PasswordHash, UserId, Username
from tests.support.postgres import PostgresServer
from tests.support.server import ROOT, Server
from utils.crypto import fingerprint
from utils.store import accounts
from utils.vault import Vault, open_vault

PASSWORD = "canary-7c1d90"
OTHER_KEY = Fernet.generate_key().decode()
on_one_engine = pytest.mark.one_engine("sqlite", "it is about settings and files")


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Where the instance folder is, or will be."""
    return tmp_path / "instance"


@pytest.fixture
def used(settings: Settings, now: datetime) -> Iterator[Vault]:
    """An installation that has been used: a database, and a master key in its folder."""
    vault = open_vault(settings, now)
    yield vault
    vault.close()


def refusal(instance: Path, *options: str, **environ: str) -> str:
    """What ``flask run`` has to say where it must not start: one line, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "run", "--port", "0", *options],
        cwd=ROOT,
        env=Server(instance, {f"SECRETS_{k}": v for k, v in environ.items()}).environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("Not started: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert PASSWORD not in done.stderr
    return done.stderr


# --- refused -----------------------------------------------------------------------------------


def test_a_bad_value_stops_the_start(instance: Path) -> None:
    """Named, and not shown."""
    assert "SECRETS_HASHING_SLOTS" in refusal(instance, HASHING_SLOTS=PASSWORD)
    assert not instance.exists()


def test_debug_mode_stops_the_start(instance: Path) -> None:
    """It would serve a console in which callers run code, beside every key there is."""
    assert "debug mode" in refusal(instance, "--debug")
    assert not instance.exists()


def test_a_malformed_master_key_stops_the_start(instance: Path) -> None:
    """Before anything is stored under it."""
    assert "32 bytes in URL-safe base64" in refusal(instance, MASTER_KEYS=PASSWORD)


def test_a_wrong_master_key_stops_the_start(used: Vault, instance: Path) -> None:
    """The line names the fingerprint of the key that is needed, on either engine."""
    url = used.settings.database_url
    line = refusal(instance, DATABASE_URL=url, MASTER_KEYS=OTHER_KEY)
    assert used.master.current in line
    assert fingerprint(OTHER_KEY) not in line


def test_every_master_key_in_use_is_needed(used: Vault, instance: Path, now: datetime) -> None:
    """Also one that wraps a single account's key: its owner would be the one to find out."""
    with used.db.write() as tx:
        new, hashed = (UserId(7), Username("alice")), PasswordHash("hash")
        accounts.create(tx, used.master, *new, hashed, now)
        tx.run("UPDATE user_key_material SET master = 'feedfacefeedface'")
    assert "feedfacefeedface" in refusal(instance, DATABASE_URL=used.settings.database_url)


def test_a_lost_master_key_is_not_replaced(used: Vault, instance: Path) -> None:
    """A fresh key would open nothing that is stored, and hide that the old one is missing."""
    (instance / "master.key").unlink()
    line = refusal(instance, DATABASE_URL=used.settings.database_url)
    assert used.master.current in line
    assert "Put the file back" in line
    assert not (instance / "master.key").exists()


@on_one_engine
def test_a_master_key_that_others_can_read_stops_the_start(used: Vault, instance: Path) -> None:
    """Who copied it meanwhile holds every secret. The line says what to run."""
    url = used.settings.database_url
    (instance / "master.key").chmod(0o644)
    assert f"chmod 600 {instance / 'master.key'}" in refusal(instance, DATABASE_URL=url)


@on_one_engine
def test_a_master_key_that_is_no_file_stops_the_start(used: Vault, instance: Path) -> None:
    """Docker makes a folder where a mounted file is missing."""
    (instance / "master.key").unlink()
    (instance / "master.key").mkdir()
    line = refusal(instance, DATABASE_URL=used.settings.database_url)
    assert str(instance / "master.key") in line


def test_a_newer_schema_stops_the_start(used: Vault, instance: Path) -> None:
    """An older program would write rows that the newer one does not expect."""
    with used.db.write() as tx:
        tx.run("INSERT INTO schema_migrations VALUES (?, ?, ?)", 9999, "9999_future", 0)
    line = refusal(instance, DATABASE_URL=used.settings.database_url)
    assert "schema 9999, newer than" in line


@on_one_engine
def test_a_damaged_system_key_stops_the_start(used: Vault, instance: Path) -> None:
    """Better at the start than at somebody's login."""
    with used.db.write() as tx:
        tx.run("UPDATE system_keys SET sealed = (SELECT min(sealed) FROM system_keys)")
    line = refusal(instance, DATABASE_URL=used.settings.database_url)
    assert "the database is damaged" in line


def test_an_instance_folder_that_cannot_be_made_stops_the_start(instance: Path) -> None:
    """Here because a file has its name; the same answer as without permission."""
    instance.write_text("")
    assert f"The folder {instance} cannot be created" in refusal(instance)


def test_a_database_in_no_folder_stops_the_start(instance: Path) -> None:
    """A typing mistake in a path must not become a new, empty database somewhere else."""
    line = refusal(instance, DATABASE_URL=f"sqlite:///{instance / 'no' / 'such' / 'x.db'}")
    assert "The database cannot be opened" in line


def test_a_file_that_is_no_database_stops_the_start(instance: Path) -> None:
    """And is left as it is."""
    instance.mkdir()
    (instance / "secrets.db").write_text("no database at all\n" * 100)
    assert "The database cannot be opened" in refusal(instance)
    assert (instance / "secrets.db").read_text() == "no database at all\n" * 100


def test_a_locked_database_stops_the_start(instance: Path) -> None:
    """Somebody else migrates it, say. To wait for ever would look like a service that hangs."""
    instance.mkdir()
    with closing(sqlite3.connect(instance / "secrets.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "busy" in refusal(instance, DATABASE_TIMEOUT="1s")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        pytest.param(f"mysql://u:{PASSWORD}@db/x", "must begin with", id="unknown scheme"),
        pytest.param(f"sqlite://{PASSWORD}.db", "must begin with", id="two slashes"),
        pytest.param(f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", "opened", id="no server"),
        pytest.param(f"postgresql://u:%zz{PASSWORD}@127.0.0.1:1/x", "opened", id="bad escape"),
        pytest.param(f"postgresql://u:x@{PASSWORD}@127.0.0.1:1/x", "opened", id="unescaped @"),
        pytest.param(f"postgresql://u:x/{PASSWORD}@127.0.0.1:1/x", "opened", id="unescaped /"),
    ],
)
def test_a_bad_database_url_stops_the_start(instance: Path, url: str, hint: str) -> None:
    """Without showing any of it: a mistyped URL has its password in odd places."""
    assert hint in refusal(instance, DATABASE_URL=url, DATABASE_TIMEOUT="1s")


@pytest.mark.one_engine("postgresql", "SQLite has no password")
def test_a_wrong_database_password_stops_the_start(
    instance: Path, postgres: PostgresServer
) -> None:
    """A real server's refusal stays behind the one line too."""
    url = postgres.url.replace("://secrets:", f"://secrets:{PASSWORD}")
    assert "cannot be opened" in refusal(instance, DATABASE_URL=url, DATABASE_TIMEOUT="1s")


# --- with no configuration ---------------------------------------------------------------------


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_what_it_needs(
    instance: Path, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """A private folder with the database and a master key, and says so once."""
    settings = Settings(INSTANCE_DIR=instance, BCRYPT_COST=10)
    open_vault(settings, now).close()
    assert mode(instance) == 0o700
    assert {path.name: mode(path) for path in instance.iterdir()} == {
        "master.key": 0o600,
        "secrets.db": 0o600,
    }
    open_vault(settings, now).close()
    said = [text for text in caplog.messages if "master.key" in text]
    assert len(said) == 1
    assert said[0].startswith(f"Created {instance / 'master.key'}. Keep a copy apart")
    assert (instance / "master.key").read_text().strip() not in caplog.text


def test_with_configured_keys_nothing_is_made_on_disk(
    database_url: str, instance: Path, now: datetime
) -> None:
    """A container with its keys and database elsewhere needs no writable folder."""
    settings = Settings(
        INSTANCE_DIR=instance, DATABASE_URL=database_url, MASTER_KEYS=(OTHER_KEY,), BCRYPT_COST=10
    )
    open_vault(settings, now).close()
    assert not instance.exists()


@on_one_engine
def test_a_folder_that_takes_no_links_is_named(
    settings: Settings, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network and memory-card file systems have none; no draft of a key stays behind."""

    def refuse(*_paths: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ConfigurationError, match=r"master\.key cannot be created"):
        open_vault(settings, now)
    assert list(settings.INSTANCE_DIR.iterdir()) == []


@on_one_engine
def test_a_low_hashing_cost_is_pointed_out(
    settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """The setting goes that low only for tests like these."""
    open_vault(settings, now).close()
    assert "SECRETS_BCRYPT_COST is below 10" in caplog.text


def test_an_empty_database_beside_a_used_master_key_is_pointed_out(
    used: Vault, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost file, or a mistyped path: its backup could replace the last good copy."""
    elsewhere = settings.INSTANCE_DIR / "elsewhere.db"
    for url, told in ((settings.DATABASE_URL, False), (f"sqlite:///{elsewhere}", True)):
        caplog.clear()
        opened = open_vault(settings.model_copy(update={"DATABASE_URL": url}), now)
        opened.db.close()
        assert ("elsewhere.db" in caplog.text) == told
