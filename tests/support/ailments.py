"""What can be wrong with an installation, each done for real: what ``flask doctor`` has to find."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet

from config import Settings
from models.findings import Finding, Level
from models.reports import Report
from models.times import to_microseconds
from tests.support.production import make_certificate
from utils.db import open_database
from utils.doctor import examine
from utils.store import runs

LONG_AGO = timedelta(days=3)


@dataclass
class Patient:
    """An installation that has nothing but what is done to it."""

    settings: Settings
    now: datetime
    environ: dict[str, str] = field(default_factory=dict)
    tls: list[Path] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Its instance folder."""
        return self.settings.INSTANCE_DIR

    @property
    def file(self) -> Path:
        """Its SQLite database."""
        return self.folder / "secrets.db"

    def change(self, **changed: Any) -> None:
        """Change settings."""
        self.settings = self.settings.model_copy(update=changed)

    def examine(self) -> list[Finding]:
        """All that the doctor finds."""
        return examine(self.settings, self.environ, self.now, self.tls)

    def levels(self, check: str) -> set[Level]:
        """How bad one check finds it."""
        return {one.level for one in self.examine() if one.check == check}

    def run(self, sql: str, *parameters: object) -> None:
        """Change the database, and leave it closed."""
        db = open_database(self.settings.database_url, 5, 1)
        with db.write() as tx:
            tx.run(sql, *parameters)
        db.close()

    def ago(self, age: timedelta = LONG_AGO) -> int:
        """A time as the database keeps it."""
        return to_microseconds(self.now - age)

    def rotated(self, outcome: runs.Outcome | None, age: timedelta) -> None:
        """A rotation in the record that began so long ago; None: it never ended."""
        db, began = open_database(self.settings.database_url, 5, 1), self.now - age
        with db.write() as tx:
            number = runs.begin(tx, began)
            if outcome is not None:
                runs.finish(tx, number, outcome, began, Report())
        db.close()


def _elsewhere(patient: Patient) -> None:
    """The database is away."""
    if patient.settings.DATABASE_URL:
        patient.change(DATABASE_URL="postgresql://127.0.0.1:9/nothing", DATABASE_TIMEOUT=_SHORT)
    else:
        patient.file.unlink()


def _without_wal(patient: Patient) -> None:
    connection = sqlite3.connect(patient.file)
    assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()


def _damaged(patient: Patient) -> None:
    """One page of a table is overwritten; all that is read to find the keys stays."""
    connection = sqlite3.connect(patient.file)
    page, size = connection.execute(
        "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size "
        "WHERE name = 'known_sources'"
    ).fetchone()
    connection.close()
    with patient.file.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)


def _forgets_commits(patient: Patient) -> None:
    url = patient.settings.DATABASE_URL
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname  # of our own making: letters and digits
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())


def _another_file(patient: Patient) -> None:
    """What a backup looks like."""
    (patient.folder / "backup.db").write_bytes(b"SQLite format 3\0" + bytes(100))


def _read_by_others(patient: Patient) -> None:
    path = patient.folder / "metrics-token"
    path.write_text("a token")
    path.chmod(0o640)


def _beside_its_key(patient: Patient) -> None:
    path = patient.folder / "master.key"
    path.touch(mode=0o600)
    path.write_text(patient.settings.MASTER_KEYS[0])
    patient.change(MASTER_KEYS=())


def _certified(patient: Patient, later: timedelta) -> None:
    """A certificate that is good for one day."""
    made = make_certificate(patient.folder)
    made.key.chmod(0o600)
    patient.now += later


def _retired(patient: Patient) -> None:
    patient.run("UPDATE user_keys SET state = 'retired', retired_at = ?", patient.ago())


_SHORT = timedelta(seconds=1)
NEW_KEY = Fernet.generate_key().decode()
Ail = Callable[[Patient], object]
SQLITE, POSTGRESQL, BOTH = ("sqlite",), ("postgresql",), ("sqlite", "postgresql")

# What it is found as; on which engines; what is done.
AILMENTS: list[tuple[str, Level, tuple[str, ...], Ail]] = [
    ("instance-folder", "warn", BOTH, lambda p: p.folder.chmod(0o750)),
    ("instance-folder", "danger", BOTH, lambda p: p.folder.chmod(0o770)),
    ("parent-folders", "warn", BOTH, lambda p: p.folder.parent.chmod(0o770)),
    ("parent-folders", "danger", BOTH, lambda p: p.folder.parent.chmod(0o777)),
    ("database-files", "danger", SQLITE, lambda p: p.file.chmod(0o604)),
    ("secret-files", "danger", BOTH, _read_by_others),
    ("backups", "warn", BOTH, _another_file),
    ("tls-certificate", "warn", SQLITE, lambda p: _certified(p, timedelta(hours=12))),
    ("tls-certificate", "danger", SQLITE, lambda p: _certified(p, timedelta(days=2))),
    ("plain-http", "warn", SQLITE, lambda p: p.change(ALLOW_PLAIN_HTTP=True)),
    ("trusted-proxies", "warn", SQLITE, lambda p: p.change(**_proxies("10.0.0.0/12"))),
    ("trusted-proxies", "danger", SQLITE, lambda p: p.change(**_proxies("192.0.2.1, 0.0.0.0/0"))),
    ("trusted-proxies", "danger", SQLITE, lambda p: p.change(**_proxies("::/0"))),
    ("registration", "warn", SQLITE, lambda p: p.change(REGISTRATION="open")),
    ("signing-key", "warn", SQLITE, lambda p: p.change(JWT_SECRET_KEY="k" * 32)),
    (
        "secrets-in-environment",
        "warn",
        SQLITE,
        lambda p: p.environ.update(SECRETS_JWT_SECRET_KEY="k" * 32),
    ),
    (
        "secrets-in-environment",
        "warn",
        SQLITE,
        lambda p: p.environ.update(SECRETS_DATABASE_URL="postgresql://a:b@c/d"),
    ),
    ("bcrypt-cost", "danger", SQLITE, lambda p: p.change(BCRYPT_COST=9)),
    ("limits", "warn", SQLITE, lambda p: p.change(LOGIN_ATTEMPTS_SOURCE=0)),
    ("unknown-settings", "warn", SQLITE, lambda p: p.environ.update(SECRETS_REGISTRATIONS="no")),
    ("database", "danger", BOTH, _elsewhere),
    ("database", "danger", SQLITE, lambda p: p.file.write_bytes(b"no database" * 1000)),
    ("database", "danger", BOTH, lambda p: p.run("DROP TABLE remains")),
    ("schema", "warn", BOTH, lambda p: p.run("UPDATE schema_migrations SET number = 0")),
    ("schema", "danger", BOTH, lambda p: p.run("UPDATE schema_migrations SET number = 99")),
    ("sqlite-journal", "warn", SQLITE, _without_wal),
    ("sqlite-structure", "danger", SQLITE, _damaged),
    ("postgresql-durability", "danger", POSTGRESQL, _forgets_commits),
    ("master-keys", "danger", BOTH, lambda p: p.change(MASTER_KEYS=(NEW_KEY,))),
    ("master-keys", "danger", BOTH, lambda p: p.change(MASTER_KEYS=())),
    (
        "old-master-keys",
        "warn",
        BOTH,
        lambda p: p.change(MASTER_KEYS=(NEW_KEY, *p.settings.MASTER_KEYS)),
    ),
    ("master-key-place", "warn", SQLITE, _beside_its_key),
    (
        "wrapped-keys",
        "danger",
        BOTH,
        lambda p: p.run("UPDATE user_key_material SET sealed = 'changed'"),
    ),
    ("clock", "warn", BOTH, lambda p: _at(p, -timedelta(seconds=30))),
    ("clock", "danger", BOTH, lambda p: _at(p, -timedelta(hours=1))),
    ("clock", "danger", POSTGRESQL, lambda p: _at(p, timedelta(hours=1))),
    ("stale-values", "warn", BOTH, _retired),
    ("rotation", "danger", BOTH, lambda p: p.rotated("incomplete", timedelta())),
    ("rotation", "warn", BOTH, lambda p: p.rotated("interrupted", timedelta())),
    ("rotation", "warn", BOTH, lambda p: p.rotated(None, timedelta(hours=2))),
    ("rotation", "warn", BOTH, lambda p: p.rotated("done", LONG_AGO)),
    ("rotation", "warn", BOTH, lambda p: _at(p, LONG_AGO)),
    (
        "purge",
        "warn",
        BOTH,
        lambda p: p.run(
            "UPDATE secrets SET deleted_at = 1, purge_at = ? WHERE name = 'secret-0'", p.ago()
        ),
    ),
    ("remains", "warn", BOTH, lambda p: p.run("INSERT INTO remains (left_at) VALUES (?)", p.ago())),
    ("audit-retention", "warn", BOTH, lambda p: p.run("UPDATE audit_events SET happened_at = 1")),
]


def _at(patient: Patient, later: timedelta) -> None:
    patient.now += later


def _proxies(text: str) -> dict[str, Any]:
    return {"TRUSTED_PROXIES": Settings(TRUSTED_PROXIES=text).TRUSTED_PROXIES}  # type: ignore[arg-type]


def is_root() -> bool:
    """Whether this user can give files away."""
    return os.geteuid() == 0
