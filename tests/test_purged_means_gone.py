"""Nothing of what was purged, or destroyed by a call, is left in any file of SQLite's, after the
purge or the rotation that comes next.

Found by searching all bytes, as for rotations in test_destroyed_means_gone.py.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from config import Settings
from models.times import utcnow
from tests.support.past import Past, live_for_years
from tests.support.purging import RETENTION, purge, purge_here, start
from tests.support.remote import Remote
from tests.support.rotation import end, number, rotate, run, wait_until
from tests.support.server import Server
from tests.support.trouble import old_snapshot
from utils.scrubbing import has_remains, scrubbed
from utils.sqlite import SqliteDatabase
from utils.sqlite_remains import remains
from utils.vault import Vault, open_vault

pytestmark = [
    pytest.mark.one_engine(
        "sqlite", "it looks into files; SECURITY.md says what PostgreSQL leaves"
    ),
    pytest.mark.invariant(number=5),
]

DOOMED = "s.purge_at IS NOT NULL OR v.number < s.version"
IN_USE = (
    "fault: database: is in use: what was purged or destroyed stays in its files until the next "
    "run\n"
)
NOTHING = "deleted secrets: 0, expired secrets: 0, versions: 0, faults: 0\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything in one folder."""
    return Settings(INSTANCE_DIR=tmp_path / "instance", BCRYPT_COST=4)


@pytest.fixture
def used(settings: Settings, engine: str) -> Iterator[Vault]:
    """An installation that has seen years; half of what it holds was deleted more than a month ago,
    and of the other half only the newest version is to stay."""
    vault = open_vault(settings, utcnow())
    with closing(vault.db):
        live_for_years(vault, random.Random(4))
        doom(vault)
        yield vault


def doom(vault: Vault, every: int = 2) -> None:
    """Let every second secret, or all of them, have been deleted long ago."""
    run(vault, "UPDATE secrets SET deleted_at = 0, purge_at = 1 WHERE id % ? = 0", every)


def test_nothing_is_left_after_a_purge(used: Vault, settings: Settings) -> None:
    """Beside a live server, whose connections stay open and which goes on writing."""
    with Server(settings.INSTANCE_DIR) as server:
        alice = Remote(server, "alice").enter()
        for i in range(10):
            assert alice.put("a", f"value {i}").ok
        past = Past(used, keys=False, which=DOOMED)
        assert past.count > 300
        assert past.found_in(settings.INSTANCE_DIR).keys() >= {"secrets.db"}
        ran = purge(settings, VERSIONS_KEPT="1")
        assert (ran.status, ran.err) == (0, "")
        assert past.found_in(settings.INSTANCE_DIR) == {}
        assert alice.secret("a") == "value 9"
        assert alice.put("a", "after").ok
        assert past.found_in(settings.INSTANCE_DIR) == {}
    assert rotate(settings, "--verify").status == 0
    assert not has_remains(used.db)


def test_what_a_purge_deletes_is_in_the_files_until_it_scrubs(used: Vault) -> None:
    """The instrument, and the reason for the last step."""
    past = Past(used, keys=False, which=DOOMED)
    purge_here(used, utcnow(), kept=1)
    assert has_remains(used.db)
    assert past.found_in(used.settings.INSTANCE_DIR) != {}
    assert scrubbed(used.db)
    assert not has_remains(used.db)
    assert past.found_in(used.settings.INSTANCE_DIR) == {}
    assert used.db.check() == []


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_left_when_everything_went(settings: Settings, engine: str, seed: int) -> None:
    """A table without a single row has no row that could be stretched over what is left."""
    vault = open_vault(settings, utcnow())
    with closing(vault.db):
        assert isinstance(vault.db, SqliteDatabase)
        live_for_years(vault, random.Random(seed))
        past = Past(vault, keys=False)
        doom(vault, every=1)
        purge_here(vault, utcnow())
        assert number(vault, "SELECT count(*) FROM secret_versions") == 0
        assert scrubbed(vault.db)
        assert list(remains(vault.db)) == []
        assert past.found_in(settings.INSTANCE_DIR) == {}
        assert vault.db.check() == []


@pytest.mark.parametrize("what", ["rotation", "purge"])
def test_what_a_call_destroyed_is_gone_with_the_next_run(
    used: Vault, settings: Settings, what: str
) -> None:
    """Of either command, though it has nothing to do itself; and the one after that need not."""
    for command in (rotate, purge):
        assert command(settings).status == 0
    with Server(settings.INSTANCE_DIR) as server:
        alice = Remote(server, "alice").enter()
        for i in range(3):
            assert alice.put("a", f"value {i}").ok
        assert alice.put("b", "value").ok
        past = Past(used, keys=False, which="(s.name = 'a' AND v.number < 3) OR s.name = 'b'")
        assert past.count == 3
        for name, body in (("a", {"versions": [1, 2]}), ("b", {"all": True})):
            answer = alice.request("POST", f"/secrets/{name}:destroy", json=body)
            assert answer.status_code == 200, answer.text
        assert past.found_in(settings.INSTANCE_DIR) != {}
        assert has_remains(used.db)
        ran = (rotate if what == "rotation" else purge)(settings)
        assert (ran.status, ran.err) == (0, "")
        assert past.found_in(settings.INSTANCE_DIR) == {}
        assert not has_remains(used.db)
        assert alice.secret("a") == "value 2"


def test_a_long_read_is_told_and_the_next_run_finishes(used: Vault, settings: Settings) -> None:
    """While somebody reads an old state the WAL cannot be emptied: that is a fault, and the next
    run sees to it though it finds nothing to purge."""
    assert isinstance(used.db, SqliteDatabase)
    past = Past(used, keys=False, which=DOOMED)
    with old_snapshot(used.db.path):
        ran = purge(settings, "--quiet", VERSIONS_KEPT="1", DATABASE_TIMEOUT="1s")
        assert (ran.status, ran.err) == (1, IN_USE)
        assert past.found_in(settings.INSTANCE_DIR) != {}
    ran = purge(settings, VERSIONS_KEPT="1")
    assert (ran.status, ran.out, ran.err) == (0, NOTHING, "")
    assert past.found_in(settings.INSTANCE_DIR) == {}


def test_a_purge_that_is_killed_is_finished_by_the_next(used: Vault, settings: Settings) -> None:
    """Wherever it was: nothing is half deleted, and nothing is left in the end."""
    past = Past(used, keys=False, which=DOOMED)
    before = number(used, "SELECT count(*) FROM secrets")
    process = start(settings, VERSIONS_KEPT="1")
    wait_until(lambda: number(used, "SELECT count(*) FROM secrets") < before, "it purges")
    os.kill(process.pid, signal.SIGKILL)
    assert end(process).status == -signal.SIGKILL
    assert rotate(settings, "--verify").status == 0
    assert purge(settings, VERSIONS_KEPT="1").status == 0
    assert past.found_in(settings.INSTANCE_DIR) == {}
    assert number(used, "SELECT count(*) FROM secrets WHERE purge_at IS NOT NULL") == 0


def test_a_note_that_is_made_while_a_scrub_runs_stays(
    used: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted then may have escaped it."""
    purge_here(used, utcnow(), kept=1)
    notes = number(used, "SELECT count(*) FROM remains")
    assert notes > 1
    real = used.db.scrub

    def scrub_and_purge() -> bool:
        done = real()
        doom(used, every=1)
        purge_here(used, utcnow() + RETENTION + timedelta(days=1))
        return done

    monkeypatch.setattr(used.db, "scrub", scrub_and_purge)
    assert scrubbed(used.db)
    assert has_remains(used.db)
