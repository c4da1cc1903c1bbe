"""The chain of events: without a gap; tampering is found for ever, a purge leaves it whole."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from models.events import SYSTEM, Event
from tests.support.chains import chain_named, faults
from tests.support.damage import plant, rows
from tests.support.people import Person
from utils.audit_check import purge_all, verify_chain
from utils.audit_heads import HEAD_LINE
from utils.store import audit
from utils.vault import Vault

YEAR = timedelta(days=365)


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
