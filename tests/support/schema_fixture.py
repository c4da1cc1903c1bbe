"""A database of each schema that there ever was, with data in every table, kept as SQL.

In ``tests/schemas/<number>/``: what SQLite and what PostgreSQL make of a database that was lived
in, the same in both; the master key, made for this, that opens it; and what is needed to log in.

    python -m tests.support.schema_fixture

makes that of the newest schema anew. Those of older schemas are never made again: no program is
left that could, and they stand for databases that are out there.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3  # pysqlite3 does not dump
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg

from config import Settings
from tests.support.lived_in import Left, live_in
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.rotation import environment
from tests.support.server import ROOT
from utils.db import sqlite_path
from utils.migrate import newest_schema

SCHEMAS = ROOT / "tests/schemas"
COMMAND = "python -m tests.support.schema_fixture"
# Comments, and settings of the dump's session: newer programs write some that older servers refuse.
_NOISE = re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config.*|\\\w+.*|)\n", re.MULTILINE)


def folder(number: int) -> Path:
    """Where the fixture of a schema is."""
    return SCHEMAS / f"{number:04d}"


def load(number: int, database_url: str) -> None:
    """Put the database of that schema into an empty one."""
    path = sqlite_path(database_url)
    if path is None:
        script = (folder(number) / "postgresql.sql").read_bytes()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(script)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript((folder(number) / "sqlite.sql").read_text("utf-8"))


def master_key(number: int) -> str:
    """The key that opens it."""
    return (folder(number) / "master.key").read_text().strip()


def left(number: int) -> Left:
    """What is needed to log in."""
    return Left(**json.loads((folder(number) / "left.json").read_text()))


def make(target: Path, server: PostgresServer) -> None:
    """Make the fixture of the newest schema in an empty folder."""
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(INSTANCE_DIR=Path(temporary) / "instance", BCRYPT_COST=4)
        # Its sessions last for some days: nobody can come back to them.
        facts = live_in(settings).facts() | {"access": "", "refresh": ""}
        url = server.create_database("schema_fixture")
        subprocess.run(
            [sys.executable, "-m", "flask", "migrate-to", "--quiet", url],
            cwd=ROOT,
            env=environment(settings),
            check=True,
        )
        with closing(sqlite3.connect(settings.INSTANCE_DIR / "secrets.db")) as connection:
            lines = [f"{line}\n" for line in connection.iterdump()]
        (target / "sqlite.sql").write_text("".join(lines), "utf-8")
        dump = ["--inserts", "--no-owner", "--no-privileges", f"--dbname={url}"]
        dumped = subprocess.run(
            [server.program("pg_dump"), *dump], check=True, capture_output=True, text=True
        )
        (target / "postgresql.sql").write_text(_NOISE.sub("", dumped.stdout), "utf-8")
        (target / "left.json").write_text(json.dumps(facts, indent=2) + "\n")
        shutil.copyfile(settings.INSTANCE_DIR / "master.key", target / "master.key")


if __name__ == "__main__":
    place = folder(newest_schema())
    with start_postgres() as running, tempfile.TemporaryDirectory() as drafts:
        make(Path(drafts), running)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(drafts, place)
        place.chmod(0o755)
    print(place.relative_to(ROOT))
