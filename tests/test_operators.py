"""What operators meet when something is not as it should be: one line that says what to do.

Nothing is created in the wrong place, nothing is reported as done that was not, and the log names
what a caller of the API is not told.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from models.errors import ConfigurationError, DatabaseUnavailable
from routes.context import vault_of
from tests.support.people import Person, problem
from tests.support.server import ROOT
from utils import configuration
from utils.vault import Vault


def rotate(database_url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run rotate_keys.py as cron would."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SECRETS_")},
        "SECRETS_DATABASE_URL": database_url,
        "SECRETS_INSTANCE_DIR": str(folder),
    }
    return subprocess.run(
        [sys.executable, "rotate_keys.py", *options],
        check=False,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("option", ["--all", "--verify", "--status"])
def test_a_rotation_creates_nothing_in_an_empty_database(
    database_url: str, tmp_path: Path, option: str
) -> None:
    """With the wrong database it would find nothing stale and report success for ever."""
    if database_url.startswith("sqlite"):
        (tmp_path / "secrets.db").touch()
    done = rotate(database_url, tmp_path / "instance", option)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "is empty" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "instance").exists()


def test_a_rotation_leaves_migrating_to_the_server(vault: Vault, tmp_path: Path) -> None:
    """``--verify`` of a restored backup changes nothing, its schema included."""
    with vault.db.write() as tx:
        tx.run("UPDATE schema_migrations SET number = number - 100")
    done = rotate(vault.settings.DATABASE_URL, vault.settings.INSTANCE_DIR, "--verify")
    assert done.returncode == 2
    assert re.search(r"has schema -\d+, older than this program's", done.stderr)
    with vault.db.read() as tx:
        assert tx.all("SELECT number FROM schema_migrations WHERE number > 0") == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("MASTER_KEYS", ""), ("MASTER_KEYS", "# none yet\n"), ("DATABASE_URL", "")],
)
def test_an_empty_mounted_file_stops_the_start(tmp_path: Path, name: str, content: str) -> None:
    """Taking it for "not given" would make a key in a container's throwaway layer."""
    path = tmp_path / "mounted"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"SECRETS_{name}"):
        configuration.load({f"SECRETS_{name}_FILE": str(path)})


def test_an_empty_list_of_master_keys_stops_the_start() -> None:
    """Set to nothing is not the same as not set."""
    with pytest.raises(ConfigurationError, match="SECRETS_MASTER_KEYS"):
        configuration.load({"SECRETS_MASTER_KEYS": " "})


def test_a_node_is_not_ready_while_a_master_key_is_missing(
    vault: Vault, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """503 for the load balancer, with no details; the log says which fingerprint is wanted."""
    with vault.db.write() as tx:
        tx.run("UPDATE user_key_material SET master = 'feedfacefeedface'")
    with caplog.at_level(logging.ERROR):
        response = alice.get("/readyz")
    assert response.status_code == 503
    assert problem(response) == "master-key-missing"
    assert "Retry-After" in response.headers
    assert "feedfacefeedface" not in response.text
    assert "feedfacefeedface" in caplog.text


def test_a_node_is_not_ready_with_another_schema(
    vault: Vault, stranger: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A node that an upgrade left behind takes itself out of the rotation, and says why in the
    log alone; it lives on."""
    with vault.db.write() as tx:
        tx.run("INSERT INTO schema_migrations (number, name, applied_at) VALUES (99, 'next', 0)")
    with caplog.at_level(logging.ERROR):
        response = stranger.get("/readyz")
    assert response.status_code == 503
    assert "schema" not in response.text
    assert "another schema than this program" in caplog.text
    assert response.headers["X-Request-ID"] in caplog.text
    assert stranger.get("/healthz").status_code == 200


def test_a_node_is_not_ready_without_a_database(
    vault: Vault,
    stranger: Person,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is alive and says so; whether it is ready is another question, and why it is not
    stands in the log alone."""

    def away() -> None:
        raise DatabaseUnavailable("The database is not available.", "its disk is full")

    monkeypatch.setattr(vault.db, "at_rest", away)
    assert stranger.get("/healthz").json == {"status": "ok"}
    with caplog.at_level(logging.ERROR):
        response = stranger.get("/readyz")
    assert (response.status_code, problem(response)) == (503, "database-unavailable")
    assert response.headers["Retry-After"] == "5"
    assert "disk" not in response.text
    assert "its disk is full" in caplog.text


def test_the_log_names_the_row_that_does_not_open(
    vault: Vault, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller only gets a request id; whoever looks it up must find out which row it was."""
    alice.put("/secrets/db", json={"secret": "hunter2"})
    with vault.db.write() as tx:
        tx.run("UPDATE secret_versions SET ciphertext = 'damaged'")
        row = tx.one("SELECT id FROM secrets")
    assert row is not None
    with caplog.at_level(logging.ERROR):
        assert problem(alice.get("/secrets/db")) == "secret-unreadable"
    assert f"Secret {row[0]}, version 1" in caplog.text


@pytest.mark.one_engine("sqlite", "it moves the file away")
def test_a_database_file_that_vanished_is_not_made_anew(app: Flask, alice: Person) -> None:
    """A volume that dropped out comes back; an empty database in its place would stay."""
    vault = vault_of(app)
    vault.close()
    path = Path(vault.settings.DATABASE_URL.removeprefix("sqlite:///"))
    path.rename(path.with_suffix(".away"))
    assert alice.get("/account").status_code == 503
    assert not path.exists()
    path.with_suffix(".away").rename(path)
    assert alice.get("/account").status_code == 200


@pytest.mark.invariant(number=9)
@pytest.mark.one_engine("sqlite", "it holds the one write lock")
@pytest.mark.parametrize(
    ("send", "kind"),
    [
        (lambda alice: alice.put("/secrets/bad name", json={"secret": "x"}), "invalid-fields"),
        (
            lambda alice: alice.put("/secrets/db", json={"secret": "x"}, headers={"If-Match": ","}),
            "malformed-request",
        ),
        (lambda alice: alice.delete("/secrets/bad name"), "not-found"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_without_the_write_lock(
    vault: Vault, alice: Person, send: Callable[[Person], object], kind: str
) -> None:
    """An answer that needs no lock does not wait for one."""
    with vault.db.write():
        assert problem(send(alice)) == kind  # type: ignore[arg-type]
