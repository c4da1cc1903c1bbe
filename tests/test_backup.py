"""Backup and restore as an operator does them: real commands, beside a real server."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.people import PASSWORD
from tests.support.server import ROOT, Server
from utils.sqlite_library import sqlite3

CANARY = "canary-of-a-deleted-value"


def command(instance: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """``flask ...`` over the installation in *instance*."""
    settings = {f"SECRETS_{name}": value for name, value in environ.items()}
    return subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        cwd=ROOT,
        env=Server(instance, settings).environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextmanager
def ada(server: Server) -> Iterator[requests.Session]:
    """Her session."""
    who = {"username": "ada", "password": PASSWORD}
    with requests.Session() as session:
        session.post(f"{server.url}/register", json=who)
        assert session.post(f"{server.url}/login", json=who).status_code == 200
        yield session


@pytest.fixture
def backed_up(server: Server, tmp_path: Path) -> Path:
    """A backup of a live installation with one secret."""
    with ada(server) as session:
        session.put(f"{server.url}/secrets/a", json={"secret": "one"})
    made = command(server.instance, "backup", str(tmp_path / "backup.db"))
    assert made.returncode == 0, made.stderr
    return tmp_path / "backup.db"


@pytest.fixture
def elsewhere(server: Server, tmp_path: Path) -> Path:
    """An empty place, with the master key of the installation."""
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    shutil.copy2(server.instance / "master.key", folder / "master.key")
    return folder


def test_a_backup_is_private_and_complete_and_names_its_key(
    backed_up: Path, server: Server
) -> None:
    """Only its owner reads it, it needs no second file, and it does not replace another."""
    assert stat.S_IMODE(backed_up.stat().st_mode) == 0o600
    before = backed_up.read_bytes()
    again = command(server.instance, "backup", str(backed_up))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert backed_up.read_bytes() == before
    assert sorted(path.name for path in backed_up.parent.glob("*backup.db*")) == ["backup.db"]
    assert not list(backed_up.parent.glob(".backup*"))
    other = command(server.instance, "backup", str(backed_up.with_name("other.db")))
    (needed,) = [word for word in other.stderr.split() if len(word.rstrip(";")) == 16]
    lost = command(backed_up.parent / "new", "restore", str(backed_up))
    assert lost.returncode == 1
    assert needed.rstrip(";") in lost.stderr, "restoring without the key names the same key"
    assert not (backed_up.parent / "new" / "secrets.db").exists()


def test_what_was_deleted_does_not_come_along(server: Server, tmp_path: Path) -> None:
    """A database keeps the place of what was deleted; its copy has nothing in it."""
    with sqlite3.connect(server.instance / "secrets.db") as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE gone (t TEXT)")
        connection.execute("INSERT INTO gone VALUES (?)", (CANARY * 1000,))
        connection.commit()
        connection.execute("DROP TABLE gone")
    connection.close()
    path = tmp_path / "backup.db"
    assert command(server.instance, "backup", str(path)).returncode == 0
    files = [server.instance / "secrets.db", server.instance / "secrets.db-wal"]
    assert any(CANARY.encode() in file.read_bytes() for file in files if file.exists())
    assert CANARY.encode() not in path.read_bytes()


def test_backups_under_load_hold_all_that_was_acknowledged_before(
    server: Server, tmp_path: Path, elsewhere: Path
) -> None:
    """Each is the state of one moment, while clients write and keys rotate."""
    stopping, written = threading.Event(), [0]

    def write() -> None:
        with ada(server) as session:
            while not stopping.is_set():
                value = {"secret": str(written[0] + 1)}
                assert session.put(f"{server.url}/secrets/counter", json=value).ok
                written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = []
        for number in range(3):
            rotation = subprocess.Popen(
                [sys.executable, "rotate_keys.py", "--all", "--quiet"],
                cwd=ROOT,
                env=server.environment(),
            )
            before = written[0]
            path = tmp_path / f"{number}.db"
            assert command(server.instance, "backup", str(path)).returncode == 0
            made.append((before, path))
            assert rotation.wait(60) == 0
    finally:
        stopping.set()
        writer.join(60)
    for before, path in made:
        restored = command(elsewhere, "restore", str(path))
        assert (restored.returncode, "Restored and verified" in restored.stderr) == (0, True)
        with Server(elsewhere) as second, ada(second) as session:
            if before:
                answer = session.get(f"{second.url}/secrets/counter").json()
                assert int(answer["secret"]) >= before
        for file in elsewhere.glob("secrets.db*"):
            file.unlink()


def test_a_restored_installation_goes_on(backed_up: Path, elsewhere: Path) -> None:
    """The same accounts, values and history; and nothing is left beside the database."""
    restored = command(elsewhere, "restore", str(backed_up))
    assert restored.returncode == 0, restored.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == ["master.key", "secrets.db"]
    assert stat.S_IMODE((elsewhere / "secrets.db").stat().st_mode) == 0o600
    with Server(elsewhere) as second, ada(second) as session:
        assert session.get(f"{second.url}/secrets/a").json()["secret"] == "one"
        assert session.put(f"{second.url}/secrets/a", json={"secret": "two"}).json()["version"] == 2


def test_a_restore_shows_in_the_audit_trail(
    backed_up: Path, elsewhere: Path, server: Server
) -> None:
    """An older state whose chains are whole says itself when it came back, and from where; and a
    log of heads from the time in between still tells what is missing."""
    ended = json.loads(command(server.instance, "audit", "show").stdout.splitlines()[0])
    with ada(server) as session:
        session.put(f"{server.url}/secrets/a", json={"secret": "after the backup"})
    server.stop()
    assert command(elsewhere, "restore", str(backed_up)).returncode == 0
    whole = command(elsewhere, "audit", "verify")
    assert (whole.returncode, "fault: " in whole.stderr) == (0, False)
    newest = json.loads(command(elsewhere, "audit", "show").stdout.splitlines()[0])
    assert (newest["action"], newest["via"], newest["outcome"]) == ("restore", "command", "ok")
    assert newest["detail"]["number"] == ended["number"] == newest["number"] - 1
    with sqlite3.connect(backed_up) as connection:
        (mac,) = connection.execute(
            "SELECT last_mac FROM audit_heads WHERE chain_id = 0"
        ).fetchone()
    connection.close()
    assert newest["detail"]["mac"] == mac
    compared = command(elsewhere, "audit", "verify", "--heads", str(server.log))
    assert compared.returncode == 1
    assert "was the head once" in compared.stderr


@pytest.mark.parametrize("left", ["secrets.db", "secrets.db-wal", "secrets.db-journal"])
def test_a_restore_replaces_nothing(backed_up: Path, elsewhere: Path, left: str) -> None:
    """Not even the remains of a database: SQLite would take them for its own."""
    (elsewhere / left).write_bytes(b"precious")
    refused = command(elsewhere, "restore", str(backed_up))
    assert refused.returncode == 1
    assert f"{left} is there already" in refused.stderr
    assert (elsewhere / left).read_bytes() == b"precious"
    assert len(list(elsewhere.iterdir())) == 2


def _flip(path: Path) -> None:
    """Damage one ciphertext, as a bad disk would."""
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute("SELECT ciphertext FROM secret_versions").fetchone()
        broken = text[:50] + ("A" if text[50] != "A" else "B") + text[51:]
        connection.execute("UPDATE secret_versions SET ciphertext = ?", (broken,))
    connection.close()


def _forge(path: Path) -> None:
    """Change what the audit trail tells, as somebody with access to backups would."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE audit_events SET username = 'bob' WHERE action = 'login'")
    connection.close()


def test_a_trail_that_was_tampered_with_is_told_and_keeps_nobody_from_their_secrets(
    backed_up: Path, elsewhere: Path
) -> None:
    """The tampering is in every later backup: exit status 1, with its place, and all is there."""
    _forge(backed_up)
    restored = command(elsewhere, "restore", str(backed_up))
    assert restored.returncode == 1
    assert restored.stderr.count("fault: audit_events chain_id=") == 1
    assert "tampered with its audit trail: 1 chains" in restored.stderr
    with Server(elsewhere) as second, ada(second) as session:
        assert session.get(f"{second.url}/secrets/a").json()["secret"] == "one"
    again = command(elsewhere, "audit", "verify")
    assert (again.returncode, again.stderr.count("fault: ada: ")) == (1, 1)


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (id INTEGER)")
    connection.close()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a ciphertext": (_flip, "fault: secret_versions id=1"),
    "cut": (lambda path: os.truncate(path, path.stat().st_size // 2), "restored"),
    "no database": (lambda path: path.write_bytes(b"x" * 9000), "its file is no database"),
    "empty": (lambda path: path.write_bytes(b""), "not one of this service"),
    "of another program": (_foreign, "not one of this service"),
    "absent": (Path.unlink, "cannot be copied"),
    "in use": (lambda path: path.with_name("backup.db-wal").write_bytes(b"x"), "database in use"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_bad_backup_is_refused_and_leaves_nothing(
    backed_up: Path, elsewhere: Path, how: str
) -> None:
    """The operator hears of it now, and not when somebody misses a secret."""
    damage, sentence = BROKEN[how]
    damage(backed_up)
    refused = command(elsewhere, "restore", str(backed_up))
    assert refused.returncode == 1
    assert "Nothing was restored: " in refused.stderr
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [path.name for path in elsewhere.iterdir()] == ["master.key"]


def test_other_engines_have_their_own_ways(backed_up: Path, elsewhere: Path) -> None:
    """And are told apart before anything is connected to."""
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    refused = command(elsewhere, "restore", str(backed_up), DATABASE_URL=url)
    assert (refused.returncode, "use pg_restore" in refused.stderr) == (1, True)


def test_a_mistyped_place_is_no_empty_backup(tmp_path: Path) -> None:
    """A backup of a database that isn't there is an error, and makes none."""
    refused = command(tmp_path / "mistyped", "backup", str(tmp_path / "backup.db"))
    assert refused.returncode == 1
    assert "There is no database" in refused.stderr
    assert not (tmp_path / "backup.db").exists()
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize("arguments", [("purge",), ("audit", "verify"), ("audit", "purge")])
def test_commands_over_what_is_there_make_nothing_of_a_mistyped_place(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """They would find nothing wrong in it, every night."""
    refused = command(tmp_path / "mistyped", *arguments)
    assert refused.returncode == 1
    assert "Not started: There is no database" in refused.stderr
    assert not (tmp_path / "mistyped").exists()
