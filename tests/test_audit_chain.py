"""The chain: written together with what it tells of or not at all; what is done to it is found."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from models.errors import DatabaseUnavailable
from models.events import OK, SYSTEM, ChainId, Event, Waiting
from models.rows import Username
from tests.support.damage import plant, rows
from tests.support.people import Person
from utils.audit_check import purge_all, verify_all, verify_chain
from utils.audit_heads import HEAD_LINE
from utils.audit_log import AuditLog
from utils.store import audit
from utils.vault import Vault

YEAR = timedelta(days=365)


def chain_named(vault: Vault, username: str) -> ChainId:
    """The number of somebody's chain."""
    vault.audit.flush()
    with vault.db.read() as tx:
        return audit.chain_named(tx, Username(username))


def faults(vault: Vault, *heads: str) -> dict[ChainId, int]:
    """Each chain with a fault, and the number of its first."""
    vault.audit.flush()
    found = verify_all(vault.db, vault.audit.key, heads)
    return {chain: fault.number for chain, _, fault in found if fault is not None}


def count(vault: Vault, action: str) -> int:
    """How many events of this kind there are, in all chains."""
    return len(rows(vault, "SELECT 1 FROM audit_events WHERE action = ?", action))


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


def test_a_refused_registration_is_no_beginning(vault: Vault, alice: Person) -> None:
    """Whoever wiped the system's chain could else have it begin anew, and pass for whole."""
    vault.audit.flush()
    with vault.db.write() as tx:
        tx.run("DELETE FROM audit_events WHERE chain_id = ?", SYSTEM)
        tx.run("DELETE FROM audit_heads WHERE chain_id = ?", SYSTEM)
    again = {"username": alice.username, "password": "another password"}
    assert alice.post("/register", json=again).status_code == 409
    vault.audit.flush()
    assert set(faults(vault)) == {SYSTEM}


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


def test_writers_at_once_leave_no_gap(vault: Vault, now: datetime, alice: Person) -> None:
    """Each takes the next number, also where two chains are extended in one transaction."""
    chains = [SYSTEM, chain_named(vault, "alice")]
    before = len(rows(vault, "SELECT 1 FROM audit_events"))

    def extend(turn: int) -> None:
        for _ in range(10):
            order = chains if turn % 2 else chains[::-1]
            with vault.db.write() as tx:
                audit.append(tx, vault.audit.key, [(one, Event(now, "test")) for one in order])

    threads = [threading.Thread(target=extend, args=(turn,)) for turn in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(vault, "SELECT 1 FROM audit_events")) == before + 6 * 10 * 2
    assert faults(vault) == {}


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


TAMPERS = [
    "UPDATE audit_events SET outcome = 'changed' WHERE chain_id = ? AND number = 2",
    "UPDATE audit_events SET happened_at = happened_at + 1 WHERE chain_id = ? AND number = 2",
    "DELETE FROM audit_events WHERE chain_id = ? AND number = 2",
    "DELETE FROM audit_events WHERE chain_id = ? AND number >= 2",
    "DELETE FROM audit_events WHERE chain_id = ? AND number = 1",
    "DELETE FROM audit_events WHERE chain_id = ?",
    "DELETE FROM audit_heads WHERE chain_id = ?",
    "UPDATE audit_heads SET number = number - 1 WHERE chain_id = ?",
    "UPDATE audit_heads SET anchor = 1 WHERE chain_id = ?",
]


@pytest.mark.parametrize("sql", TAMPERS)
def test_what_was_tampered_with_is_found_for_ever(
    vault: Vault, alice: Person, bob: Person, sql: str
) -> None:
    """Also after the service went on, which it does; and in no other chain."""
    for number in range(3):
        alice.put(f"/secrets/{number}", json={"secret": "v"})
    chain = chain_named(vault, "alice")
    assert faults(vault) == {}
    plant(vault, sql, chain)
    assert set(faults(vault)) == {chain}
    told = alice.get("/audit:verify").get_json()
    assert told["ok"] is False
    assert told["fault"]["detail"]
    for number in range(3):
        assert alice.put(f"/secrets/{number}", json={"secret": "w"}).status_code == 200
        assert bob.put(f"/secrets/{number}", json={"secret": "w"}).status_code == 201
    assert set(faults(vault)) == {chain}
    purge_all(vault.db, vault.audit.key, datetime(2200, 1, 1, tzinfo=timezone.utc))
    assert set(faults(vault)) == {chain}


def test_a_purge_leaves_a_chain_that_verifies(vault: Vault, alice: Person, now: datetime) -> None:
    """It deletes what is too old, and nothing else; new events follow."""
    chain = chain_named(vault, "alice")
    with vault.db.write() as tx:
        audit.append(tx, vault.audit.key, [(chain, Event(now + YEAR, "test"))] * 3)
    assert purge_all(vault.db, vault.audit.key, now + YEAR / 2) == 3  # two of alice, the system's
    with vault.db.read() as tx:
        assert verify_chain(tx, vault.audit.key, chain) == (3, None)
    assert purge_all(vault.db, vault.audit.key, now + 2 * YEAR) == 3
    alice.put("/secrets/a", json={"secret": "v"})
    with vault.db.read() as tx:
        assert verify_chain(tx, vault.audit.key, chain) == (1, None)
    assert faults(vault) == {}


def test_the_log_of_heads_shows_an_end_that_was_put_back(
    vault: Vault, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Which the database alone cannot: its rows are all right."""
    chain = chain_named(vault, "alice")
    (head,) = rows(vault, "SELECT number, last_mac, mac FROM audit_heads WHERE chain_id = ?", chain)
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.close()
    lines = [record.getMessage() for record in caplog.records if HEAD_LINE.search(record.message)]
    assert any(f"chain={chain} " in line for line in lines)
    assert faults(vault, *lines) == {}
    plant(vault, "DELETE FROM audit_events WHERE chain_id = ? AND number > ?", chain, head[0])
    plant(
        vault,
        "UPDATE audit_heads SET number = ?, last_mac = ?, mac = ? WHERE chain_id = ?",
        *head,
        chain,
    )
    assert faults(vault) == {}
    assert set(faults(vault, *lines)) == {chain}


def test_heads_of_what_was_purged_are_no_fault(
    vault: Vault, alice: Person, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """An old log names events that are gone by right."""
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.close()
    lines = [record.getMessage() for record in caplog.records]
    alice.put("/secrets/a", json={"secret": "v"})
    assert purge_all(vault.db, vault.audit.key, now + YEAR) > 0
    assert faults(vault, *lines) == {}
