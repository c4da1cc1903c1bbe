"""Events are written: of a change with it, of a read soon after, and none is lost or made up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from models.errors import DatabaseUnavailable
from models.events import OK, Event, Waiting
from tests.support.chains import count, faults
from tests.support.damage import rows
from tests.support.people import Person
from utils.audit_log import AuditLog
from utils.store import audit
from utils.vault import Vault

# --- changes ------------------------------------------------------------------------------------


@pytest.mark.invariant(number=9)
def test_a_write_that_is_rolled_back_leaves_no_event(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the event without the write, nor the write without the event."""
    alice.put("/secrets/a", json={"secret": "v"})
    append = audit.append

    def fail(*arguments: object) -> None:
        append(*arguments)  # type: ignore[arg-type]
        raise LookupError("after the event, before the commit")

    monkeypatch.setattr(audit, "append", fail)
    assert alice.put("/secrets/a", json={"secret": "w"}).status_code == 500
    assert alice.put("/secrets/b", json={"secret": "w"}).status_code == 500
    monkeypatch.undo()
    assert count(vault, "secret.write") == 1
    assert alice.secret("a") == "v"
    assert alice.get("/secrets/b").status_code == 404
    assert faults(vault) == {}


def test_every_write_records_in_its_own_transaction(
    vault: Vault, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a queue that takes nothing, the events of writes are there all the same."""
    vault.audit.flush()
    monkeypatch.setattr(AuditLog, "add", lambda *_arguments, **_options: None)
    writes = [
        ("POST", "/secrets", {"name": "c", "secret": "v"}, "secret.create"),
        ("PUT", "/secrets/a", {"secret": "v"}, "secret.write"),
        ("PATCH", "/secrets/a", {"secret": "w"}, "secret.change"),
        ("DELETE", "/secrets/a", None, "secret.delete"),
        ("POST", "/secrets/a:undelete", None, "secret.undelete"),
        ("POST", "/secrets/a:rollback", {"version": 1}, "secret.rollback"),
        ("POST", "/secrets/a:share", {"username": "bob", "permission": "read"}, "secret.share"),
        ("POST", "/secrets/a:unshare", {"username": "bob"}, "secret.unshare"),
        ("POST", "/secrets/a:destroy", {"all": True}, "secret.destroy"),
        ("POST", "/secrets:import", {"d": "v"}, "secret.import"),
        ("POST", "/tokens", {"name": "job", "scopes": ["read"]}, "token.create"),
        ("POST", "/keys:rotate", None, "key.rotate"),
        ("POST", "/refresh", None, "session.refresh"),
        ("DELETE", "/sessions", None, "session.end-others"),
        ("POST", "/logout", None, "logout"),
    ]
    assert bob.username == "bob"
    for method, path, body, action in writes:
        assert alice.request(method, path, json=body).status_code < 300
        assert count(vault, action) == 1, action
    app = alice.client.application
    unsafe = {
        getattr(app.view_functions[rule.endpoint], "audit", None)
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
    }
    told = {action for *_, action in writes}
    others = {"account.create", "login", "account.delete", "password.change", "session.end"}
    others |= {"token.delete", "secret.move", "shared.write", "secret.read"}  # see the next test
    assert unsafe - told == others, "add the new call's write above"


def test_what_touches_several_names_or_another_account_is_told_of_each(
    vault: Vault, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A move has two names, a batch has many; a grantee's write is told to both."""
    vault.audit.flush()
    monkeypatch.setattr(AuditLog, "add", lambda *_arguments, **_options: None)
    writes = [{"name": name, "secret": "v"} for name in ("a", "b")]
    assert alice.post("/secrets:batchWrite", json={"writes": writes}).status_code == 200
    assert alice.post("/secrets:import", json={"c": "v", "d": "v"}).status_code == 200
    assert alice.post("/secrets/a:move", json={"to": "e"}).status_code == 200
    grant = {"username": "bob", "permission": "write"}
    assert alice.post("/secrets/e:share", json=grant).status_code == 201
    assert bob.patch("/shared/alice/e", json={"secret": "w"}).status_code == 200
    told = [(one["action"], one["name"], one["username"]) for one in listed(alice)]
    assert told[:8][::-1] == [
        ("secret.write", "a", "alice"),
        ("secret.write", "b", "alice"),
        ("secret.import", "c", "alice"),
        ("secret.import", "d", "alice"),
        ("secret.move", "a", "alice"),
        ("secret.move", "e", "alice"),
        ("secret.share", "e", "alice"),
        ("shared.write", "e", "bob"),
    ]
    assert [(one["action"], one["name"]) for one in listed(bob)] == [
        ("shared.write", "e"),
        ("login", None),
        ("account.create", None),
    ]
    assert faults(vault) == {}


def listed(person: Person) -> list[dict[str, Any]]:
    """Their events, newest first."""
    found: list[dict[str, Any]] = person.get("/audit").get_json()["events"]
    return found


# --- reads and refusals -------------------------------------------------------------------------


def test_reads_are_written_within_a_second(vault: Vault, alice: Person) -> None:
    """In few transactions, in the order in which they came."""
    alice.put("/secrets/a", json={"secret": "v"})
    for _ in range(30):
        alice.get("/secrets/a")
    vault.audit.flush()
    found = rows(
        vault, "SELECT number, request_id FROM audit_events WHERE action = 'secret.read' ORDER BY 1"
    )
    assert len({request for _, request in found}) == 30
    assert faults(vault) == {}


def test_an_event_that_must_be_durable_is_before_the_answer(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AUDIT_SYNC_READS; and a read whose event cannot be written is not answered."""
    object.__setattr__(
        vault, "settings", vault.settings.model_copy(update={"AUDIT_SYNC_READS": True})
    )
    alice.put("/secrets/a", json={"secret": "v"})
    assert alice.get("/secrets/a").status_code == 200
    assert count(vault, "secret.read") == 1
    monkeypatch.setattr(AuditLog, "_write", _unwritable)
    monkeypatch.setattr(vault.audit, "_patience", 0.3)
    answer = alice.get("/secrets/a")
    assert answer.status_code == 503
    assert "secret" not in answer.get_json()


def _unwritable(*_: object) -> None:
    raise DatabaseUnavailable("The disk is full.")


def test_a_queue_that_is_full_refuses_reads(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could leave no trace is not answered; what waits is written when it can be."""
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.flush()
    monkeypatch.setattr("utils.audit_log._MOST_WAITING", 3)
    write = AuditLog._write
    monkeypatch.setattr(AuditLog, "_write", _unwritable)
    answers = [alice.get("/secrets/a").status_code for _ in range(5)]
    assert answers == [200] * 3 + [503] * 2
    monkeypatch.setattr(AuditLog, "_write", write)
    vault.audit.flush()
    assert count(vault, "secret.read") == 3


def test_strangers_cannot_fill_the_disk(vault: Vault, now: datetime) -> None:
    """The same from one address is one event that says how often; of a known caller, never."""
    refused = Event(now, "login", outcome="wrong-credentials", address="192.0.2.1")
    known = Event(now, "secret.read", outcome="not-found", via="session", address="192.0.2.1")
    vault.audit.add([Waiting(refused)] * 50 + [Waiting(known)] * 5)
    vault.audit.flush()
    found = rows(vault, "SELECT action, times FROM audit_events WHERE outcome <> ? ORDER BY 1", OK)
    assert found == [("login", 50), *[("secret.read", 1)] * 5]


def test_a_mistake_of_ours_does_not_end_the_writing(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread tries again; what waited is written when it can be."""
    vault.audit.flush()
    failing = [True]
    append = audit.append

    def breaks(*arguments: Any) -> None:
        if failing:
            failing.pop()
            raise ZeroDivisionError
        append(*arguments)

    monkeypatch.setattr("utils.audit_log.audit.append", breaks)
    assert alice.get("/account").status_code == 200
    vault.audit.flush()
    assert not failing
    assert count(vault, "account.read") == 1
