"""``flask audit``: what an operator asks of the trail, beside a server or without one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from click.testing import Result
from flask import Flask

import rotate_keys
from models.events import Event, chain_of
from models.times import utcnow
from tests.support.damage import plant, rows
from tests.support.people import PASSWORD, Person
from tests.support.production import ProductionServer
from utils.store import audit
from utils.vault import Vault


def run(app: Flask, *arguments: str) -> Result:
    """A command of the application."""
    return app.test_cli_runner().invoke(args=list(arguments))


def shown(app: Flask, *arguments: str) -> list[dict[str, object]]:
    """What ``flask audit show`` prints."""
    result = run(app, "audit", "show", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_trail_that_is_whole_verifies(app: Flask, alice: Person, vault: Vault) -> None:
    """Exit status 0, and one line."""
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.flush()
    result = run(app, "audit", "verify")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "2 chains and 4 events checked, 0 faults\n"


def test_a_fault_is_named_by_account_and_event(app: Flask, alice: Person, vault: Vault) -> None:
    """Exit status 1, for cron."""
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.flush()
    plant(vault, "UPDATE audit_events SET username = 'bob' WHERE action = 'login'")
    result = run(app, "audit", "verify")
    assert result.exit_code == 1
    assert result.stderr == "fault: alice: event 2: was changed, or follows another event\n"
    assert result.stdout.endswith(" 1 faults\n")


def test_an_account_without_a_chain_is_a_fault(app: Flask, alice: Person, vault: Vault) -> None:
    """Its chain begins with the account: somebody removed all of it."""
    assert alice.get("/account").status_code == 200
    vault.audit.flush()
    plant(vault, "DELETE FROM audit_events")
    plant(vault, "DELETE FROM audit_heads")
    result = run(app, "audit", "verify")
    assert result.exit_code == 1
    assert "fault: the system: " in result.stderr
    assert "fault: alice: " in result.stderr


def test_a_log_of_heads_is_compared(
    app: Flask,
    alice: Person,
    vault: Vault,
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever else is in it."""
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.close()
    log = tmp_path_factory.mktemp("log") / "log"
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("audit")]
    log.write_text("\n".join(f"2026-11-24 INFO {line}\nsomething else" for line in lines))
    assert run(app, "audit", "verify", "--heads", str(log)).exit_code == 0
    log.write_text(log.read_text().replace("mac=", "mac=" + "0" * 64)[:200])
    result = run(app, "audit", "verify", "--heads", str(log))
    assert result.exit_code == 2, "a log without heads, or with broken ones, compares nothing"
    assert "has no line" in result.stderr
    (number,) = rows(vault, "SELECT max(number) FROM audit_events")[0]
    log.write_text(f"audit head chain=0 number={number} mac={'0' * 64}\n")
    result = run(app, "audit", "verify", "--heads", str(log))
    assert result.exit_code == 1
    assert "was the head once" in result.stderr


@pytest.mark.one_engine("sqlite", "it is about the log")
def test_heads_are_in_the_log_at_any_level(tmp_path: Path) -> None:
    """Without them, who puts the end of a chain back as it was is not found."""
    environ = {"SECRETS_LOG_LEVEL": "error", "SECRETS_ALLOW_PLAIN_HTTP": "true"}
    with ProductionServer(tmp_path / "instance", environ) as server:
        body = {"username": "alice", "password": PASSWORD}
        requests.post(f"{server.url}/register", json=body, timeout=60).raise_for_status()
    log = server.log.read_text()
    assert "audit head chain=" in log
    assert "/register" not in log


def test_what_is_too_old_is_purged(app: Flask, alice: Person, vault: Vault) -> None:
    """From the beginning on; what is kept verifies, and the system's trail says how much."""
    alice.get("/account")
    vault.audit.flush()
    with vault.db.read() as tx:
        chain = chain_of(tx.all("SELECT id FROM users")[0][0])
    old = utcnow() - vault.settings.AUDIT_RETENTION - timedelta(days=1)
    plant(vault, "DELETE FROM audit_events WHERE chain_id = ?", chain)
    plant(vault, "DELETE FROM audit_heads WHERE chain_id = ?", chain)
    with vault.db.write() as tx:
        first = (chain, Event(old, "account.create"))
        audit.append(tx, vault.audit.key, [first, *[(chain, Event(old, "test"))] * 4])
        audit.append(tx, vault.audit.key, [(chain, Event(utcnow(), "kept"))])
    assert run(app, "audit", "purge").output == "5 events purged\n"
    assert [event["action"] for event in shown(app, "--user", "alice")] == ["kept"]
    assert shown(app)[0]["action"] == "audit.purge"
    assert shown(app)[0]["times"] == 5
    assert run(app, "audit", "purge").output == "0 events purged\n"
    assert run(app, "audit", "verify").exit_code == 0


def test_what_the_operator_does_is_told_to_the_owner(app: Flask, alice: Person) -> None:
    """Whoever is shut out, or gets another password, can see by whom."""
    assert alice.username == "alice"
    for command in ("disable", "enable", "reset-password"):
        assert run(app, "users", command, "alice").exit_code == 0
    assert run(app, "users", "create", "carol").exit_code == 0
    found = [(event["action"], event["via"]) for event in shown(app, "--user", "alice")]
    assert found[:3] == [
        ("password.reset", "command"),
        ("account.enable", "command"),
        ("account.disable", "command"),
    ]
    (created,) = shown(app, "--user", "carol")
    assert (created["action"], created["via"]) == ("account.create", "command")
    assert run(app, "audit", "verify").exit_code == 0
    assert run(app, "audit", "show", "--user", "nobody").exit_code == 1


def test_a_rotation_is_told_to_the_operator(
    app: Flask, alice: Person, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event a run."""
    alice.put("/secrets/a", json={"secret": "v"})
    settings = vault.settings
    monkeypatch.setenv("SECRETS_INSTANCE_DIR", str(settings.INSTANCE_DIR))
    monkeypatch.setenv("SECRETS_DATABASE_URL", settings.DATABASE_URL)
    assert rotate_keys.main(["--all", "--quiet"]) == 0
    newest = shown(app)[0]
    assert (newest["action"], newest["outcome"], newest["via"]) == ("rotation", "ok", "command")
    assert run(app, "audit", "verify").exit_code == 0
