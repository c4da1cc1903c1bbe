"""``flask migrate-to`` in tests: an installation on SQLite, and a PostgreSQL that it moves to."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config import Settings
from tests.support.dump import Dump, unopened
from tests.support.lived_in import Left
from tests.support.rotation import environment
from tests.support.server import ROOT
from utils.db import open_database
from utils.sqlite_library import sqlite3

MIGRATION = "schema_migrations"  # when each database got its schema is its own


def installation(folder: Path) -> Settings:
    """Settings of a SQLite installation; it may be in use for an hour without limits."""
    return Settings(
        INSTANCE_DIR=folder,
        BCRYPT_COST=4,
        REGISTRATIONS_SOURCE=0,
        REQUESTS_PER_MINUTE_PRINCIPAL=0,
        REQUESTS_PER_MINUTE_SOURCE=0,
    )


@dataclass(frozen=True)
class Move:
    """A copy of that installation, and an empty database for it."""

    settings: Settings
    left: Left
    url: str

    @property
    def there(self) -> Settings:
        """The settings of the same service on PostgreSQL."""
        return self.settings.model_copy(update={"DATABASE_URL": self.url})

    def start(self, *options: str, url: str = "", **environ: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "migrate-to", url or self.url, *options],
            cwd=ROOT,
            env=environment(self.settings, **environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, url: str = "", **environ: str) -> tuple[int, str, str]:
        """Run it to its end: exit status, stdout, stderr."""
        return self.end(self.start(*options, url=url, **environ))

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for its end. It tells no password, and was not surprised."""
        with process:
            out, err = process.communicate(timeout=120)
        password = psycopg.conninfo.conninfo_to_dict(self.url)["password"]
        assert str(password) not in out + err
        assert "Traceback" not in err
        return process.returncode, out, err

    def refused(self, *options: str, url: str = "", **environ: str) -> str:
        """Run it in vain; its one line."""
        status, out, err = self.run(*options, url=url, **environ)
        assert (status, out) == (1, ""), err
        (line,) = err.splitlines()
        assert line.startswith("flask migrate-to: Nothing was copied: ")
        return line

    def execute(self, *statements: str) -> None:
        """Change the PostgreSQL database by hand."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def damage(self, statement: str, *parameters: object) -> None:
        """Change the SQLite database by hand."""
        with closing(sqlite3.connect(self.settings.INSTANCE_DIR / "secrets.db")) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            assert connection.execute(statement, parameters).rowcount == 1
            connection.commit()

    def prepare(self) -> None:
        """Make the schema before, as an owner may who then wants to look at it."""
        upgrade = [sys.executable, "-m", "flask", "db", "upgrade"]
        environ = environment(self.there)
        subprocess.run(upgrade, cwd=ROOT, env=environ, check=True, capture_output=True)

    def rows(self) -> int:
        """How many rows PostgreSQL has, schema or not."""
        with psycopg.connect(self.url) as connection:
            exists = connection.execute("SELECT to_regclass('users')").fetchone()
        return 0 if exists == (None,) else sum(map(len, held(self.there).values()))


def held(settings: Settings) -> Dump:
    """All rows of a database, each table's in some order of its own."""
    with closing(open_database(settings.database_url, 30, 2)) as db:
        found = unopened(db)
    del found[MIGRATION]
    return {
        table: sorted(rows, key=lambda row: repr(sorted(row.items())))
        for table, rows in found.items()
    }
