"""What somebody did to the audit trail is found, and keeps nobody from their secrets: the service
goes on, and what it cannot write of one account does not keep the others' events waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from models.errors import DatabaseUnavailable
from models.events import SYSTEM, ChainId, Event, Waiting
from tests.support.chains import chain_named, count, faults
from tests.support.damage import plant, rows
from tests.support.people import Person
from utils.audit_check import purge_all
from utils.audit_log import AuditLog
from utils.db import Tx
from utils.store import audit
from utils.vault import Vault

LAST_NUMBER = 2**63 - 1
_MOVED = "UPDATE audit_events SET number = ? WHERE chain_id = ? AND number = 2"
_HEAD = "UPDATE audit_heads SET number = ? WHERE chain_id = ?"
_NUMBERS = [LAST_NUMBER, 2**56, 2**56 + 1, 2**32 + 5, 9, 6, 5, 0, -1]
_HEADS = [LAST_NUMBER, LAST_NUMBER - 3, 2**40, 2, 0, -7]
_AFTER_ALL = datetime(2200, 1, 1, tzinfo=timezone.utc)
Introduce = Callable[[str], Person]


def end_of(vault: Vault, chain: ChainId) -> int:
    """The number that the head of a chain tells."""
    ((number,),) = rows(vault, "SELECT number FROM audit_heads WHERE chain_id = ?", chain)
    return int(number)


def test_an_event_with_any_number_stops_nobody(vault: Vault, person: Introduce) -> None:
    """One with the last number of all would leave none for the next, and one right behind the end
    would be in its way. Writes, batches and reads go on; the fault is found."""
    writes = [{"name": f"c{one}", "secret": "v"} for one in range(3)]
    chains = set[ChainId]()
    for place, number in enumerate(_NUMBERS):
        alice = person(f"alice{place}")
        for name in ("a", "b"):
            alice.put(f"/secrets/{name}", json={"secret": "v"})
        chain = chain_named(vault, alice.username)
        assert end_of(vault, chain) == 4
        plant(vault, _MOVED, number, chain)
        chains.add(chain)
        for _ in range(2):
            assert alice.put("/secrets/a", json={"secret": "w"}).status_code == 200, number
            assert alice.post("/secrets:batchWrite", json={"writes": writes}).status_code == 200
            assert alice.secret("a") == "w"
            vault.audit.flush()
        assert alice.get("/audit", query_string={"limit": "1"}).status_code == 200
        cursor = {"limit": "1", "cursor": str(LAST_NUMBER)}
        assert alice.get("/audit", query_string=cursor).status_code == 200
    assert count(vault, "secret.read") == 2 * len(_NUMBERS)
    assert set(faults(vault)) == chains


def test_a_head_with_any_number_stops_nobody(vault: Vault, person: Introduce) -> None:
    """Where a head is not to be believed, the events tell where the end is."""
    chains = set[ChainId]()
    for place, number in enumerate(_HEADS):
        alice = person(f"alice{place}")
        alice.put("/secrets/a", json={"secret": "v"})
        chain = chain_named(vault, alice.username)
        plant(vault, _HEAD, number, chain)
        chains.add(chain)
        for turn in range(2):
            assert alice.put("/secrets/a", json={"secret": f"{turn}"}).status_code == 200
        vault.audit.flush()
        assert end_of(vault, chain) == 5
    assert set(faults(vault)) == chains


def test_a_head_and_an_event_at_once_stop_nobody(vault: Vault, alice: Person) -> None:
    """Neither tells where the end is; the next event finds room all the same, and the one after."""
    alice.put("/secrets/a", json={"secret": "v"})
    chain = chain_named(vault, "alice")
    for turn in range(2):
        plant(vault, _HEAD, LAST_NUMBER, chain)
        plant(vault, _MOVED, 2**56 - turn, chain)
        for _ in range(2):
            assert alice.put("/secrets/a", json={"secret": "w"}).status_code == 200
    assert set(faults(vault)) == {chain}


@pytest.mark.parametrize("table", ["audit_events", "audit_heads"])
def test_no_column_stops_anybody(vault: Vault, alice: Person, table: str) -> None:
    """Whatever the database lets somebody put there: the trail is shown, purged and verified."""
    alice.put("/secrets/a", json={"secret": "v"})
    chain = chain_named(vault, "alice")
    columns = ["happened_at" if table == "audit_events" else "anchor"]
    values: list[object] = [LAST_NUMBER, -LAST_NUMBER]
    if vault.db.dialect.name == "sqlite":
        found = rows(vault, "SELECT name FROM pragma_table_info(?)", table)
        columns = [name for (name,) in found if name not in {"chain_id", "number"}]
        values = [b"\xff\x00", LAST_NUMBER]
    for column in columns:
        put = f"UPDATE {table} SET {column} = ? WHERE chain_id = ?"  # noqa: S608 - names of ours
        for value in values:
            plant(vault, put, value, chain)
            assert alice.get("/audit").status_code == 200, (column, value)
            assert alice.get("/audit:verify").get_json()["ok"] is False, (column, value)
            assert purge_all(vault.db, vault.audit.key, _AFTER_ALL) >= 0
            assert alice.put("/secrets/a", json={"secret": "w"}).status_code == 200, column
            assert set(faults(vault)) >= {chain}, (column, value)


def refuse_chain(monkeypatch: pytest.MonkeyPatch, chain: ChainId) -> None:
    """Whatever it is that keeps events out of this one chain."""
    append = audit.append

    def fails(tx: Tx, key: Any, events: Any) -> None:
        known = list(events)
        if any(one == chain for one, _ in known):
            raise ZeroDivisionError("with a value in its text")
        append(tx, key, known)

    monkeypatch.setattr("utils.audit_log.audit.append", fails)


def test_a_chain_that_takes_nothing_keeps_no_other_waiting(
    vault: Vault,
    alice: Person,
    bob: Person,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its events are given up, and the log says how many, without what they say; those of all
    others, of before and after, are written once."""
    chain = chain_named(vault, "alice")
    refuse_chain(monkeypatch, chain)
    with caplog.at_level(logging.ERROR, "secrets_manager"):
        for _ in range(3):
            alice.get("/secrets/absent")
            bob.get("/secrets/absent")
        vault.audit.flush()
        bob.get("/account")
        vault.audit.flush()
    lost = [one for one in caplog.messages if "were lost" in one]
    assert sum(int(one.split("lost: ")[1].split(",")[0]) for one in lost) == 3
    assert all("absent" not in one and "value" not in one for one in caplog.messages)
    monkeypatch.undo()
    found = rows(
        vault, "SELECT username, count(*) FROM audit_events WHERE name = 'absent' GROUP BY 1"
    )
    assert found == [("bob", 3)]
    assert count(vault, "account.read") == 1
    assert faults(vault) == {}


def test_a_read_whose_event_is_given_up_is_not_answered(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where reads wait for their events: what leaves no trace gives no value."""
    alice.put("/secrets/a", json={"secret": "v"})
    settings = vault.settings.model_copy(update={"AUDIT_SYNC_READS": True})
    object.__setattr__(vault, "settings", settings)
    refuse_chain(monkeypatch, chain_named(vault, "alice"))
    answer = alice.get("/secrets/a")
    assert answer.status_code == 503
    assert "secret" not in answer.get_json()


def test_a_database_that_is_away_costs_no_event(
    vault: Vault, alice: Person, bob: Person, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it goes while chain after chain is tried: what was written is not written again."""
    chain, other = chain_named(vault, "alice"), chain_named(vault, "bob")
    refuse_chain(monkeypatch, chain)
    together, calls = AuditLog._write_together, list[int]()

    def goes_away(log: AuditLog, batch: Any) -> None:
        calls.append(len(batch))
        if len(calls) == 3:
            raise DatabaseUnavailable("The disk is full.")
        together(log, batch)

    monkeypatch.setattr(AuditLog, "_write_together", goes_away)
    event = Event(now, "account.read", via="session")
    vault.audit.add([Waiting(event, one) for one in (SYSTEM, chain, other)])
    vault.audit.flush()
    assert [alice.username, bob.username] == ["alice", "bob"]
    assert len(calls) >= 4, "all, the first alone, then nothing, then the rest"
    assert count(vault, "account.read") == 2
    monkeypatch.undo()
    assert faults(vault) == {}


def test_refusals_that_find_no_room_are_counted(
    vault: Vault,
    alice: Person,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are refused anyway; but that some left no event is in the log."""
    vault.audit.flush()
    monkeypatch.setattr("utils.audit_log._MOST_WAITING", 2)
    write = AuditLog._write_together

    def unwritable(*_: object) -> None:
        raise DatabaseUnavailable("The disk is full.")

    monkeypatch.setattr(AuditLog, "_write_together", unwritable)
    answers = [alice.get("/secrets/absent").status_code for _ in range(5)]
    assert answers == [404] * 5
    monkeypatch.setattr(AuditLog, "_write_together", write)
    vault.audit.flush()
    assert count(vault, "secret.read") == 2
    assert "Refusals found no room in the audit trail's queue: 3." in caplog.messages
