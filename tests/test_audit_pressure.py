"""More reads than their events can be written: callers become as slow as the trail; none is sent
away while it is written at all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from models.errors import DatabaseBusy
from models.events import Event, Waiting
from tests.support.damage import rows
from tests.support.people import Person
from tests.support.terminal import wait_until
from utils.audit_log import AuditLog
from utils.vault import Vault


class Slow:
    """Stands before the real writing of a batch, until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.through = threading.Event()
        self.reached = threading.Event()
        write = AuditLog._write

        def slowly(log: AuditLog, batch: object) -> None:
            self.reached.set()
            assert self.through.wait(60)
            write(log, batch)  # type: ignore[arg-type]

        monkeypatch.setattr(AuditLog, "_write", slowly)


@pytest.fixture
def slow(vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Room for three events, none of which is written yet."""
    alice.put("/secrets/a", json={"secret": "v"})
    vault.audit.flush()
    monkeypatch.setattr("utils.audit_log._MOST_WAITING", 3)
    return Slow(monkeypatch)


def test_who_finds_the_queue_full_waits_for_room(vault: Vault, alice: Person, slow: Slow) -> None:
    """Every read is answered, and leaves its event."""
    vault.audit._room_seconds = 60
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(lambda: alice.get("/secrets/a").status_code) for _ in range(8)]
        assert slow.reached.wait(60)
        wait_until(lambda: sum(one.done() for one in answers) == 3)
        slow.through.set()
        assert [one.result(60) for one in answers] == [200] * 8
    vault.audit.flush()
    found = rows(vault, "SELECT name FROM audit_events WHERE action = 'secret.read'")
    assert found == [("a",)] * 8


def test_who_waits_in_vain_is_told(vault: Vault, slow: Slow, now: datetime) -> None:
    """After a second: what would leave no trace is not answered."""
    vault.audit._room_seconds = 0.2
    waiting = Waiting(Event(now, "secret.read", via="session"))
    vault.audit.add([waiting] * 3)
    with pytest.raises(DatabaseBusy):
        vault.audit.add([waiting])
    slow.through.set()
    vault.audit._room_seconds = 60
    vault.audit.add([waiting])
    vault.audit.flush()
    found = rows(vault, "SELECT 1 FROM audit_events WHERE action = 'secret.read'")
    assert len(found) == 4
