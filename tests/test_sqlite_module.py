"""Two modules for SQLite: pysqlite3 where it has a wheel, Python's own elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.server import ROOT

ROUND_TRIP = """
import sys
sys.modules["pysqlite3"] = None  # as on a platform for which there is no wheel

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.people import Person
from utils import sqlite

app = create_app(Settings(INSTANCE_DIR=sys.argv[1], BCRYPT_COST=4))
alice = Person(app, "alice")
for answer, status in [
    (alice.register(), 201),
    (alice.register(), 409),
    (alice.login(), 200),
    (alice.put("/secrets/db", json={"secret": "hunter2"}), 201),
    (alice.put("/secrets/db", json={"secret": "hunter3"}), 200),
]:
    assert answer.status_code == status, answer.text
assert alice.secret("db") == "hunter3"
db = vault_of(app).db
with db.read() as tx:
    print(sqlite.sqlite3.__name__, tx.one("PRAGMA journal_mode")[0], sqlite.has_wal_reset_bug())
db.close()
"""


def test_the_standard_module_works_too(tmp_path: Path) -> None:
    """Where pysqlite3 has no wheel the service runs over Python's own SQLite, with the journal
    that is safe there."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ROUND_TRIP, str(tmp_path / "instance")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    module, journal, has_bug = done.stdout.split()
    assert module == "sqlite3"
    assert journal == ("delete" if has_bug == "True" else "wal")
