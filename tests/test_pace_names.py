"""Requests about many names leave many events in the audit trail, and count as many requests."""

from __future__ import annotations

from datetime import datetime

import time_machine

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.pace import get, limited
from tests.support.shared import newcomer


def test_as_many_names_as_a_request_is_about_it_counts(settings: Settings, now: datetime) -> None:
    """A batch, an import and an export leave an event for each name: nobody floods the trail with
    few requests. No batch is too large for the limit; the next request pays."""
    app = create_app(limited(settings, 100, 0))
    names = [f"a{number}" for number in range(40)]
    with time_machine.travel(now, tick=False) as clock:
        ada = newcomer(app, "ada")
        for method, path, body in (
            ("POST", "/secrets:import", dict.fromkeys(names, "v")),
            ("POST", "/secrets:batchGet", {"names": names}),
            ("GET", "/secrets:export", None),
            ("POST", "/secrets:batchWrite", {"writes": [{"name": "b", "secret": "v"}]}),
            ("POST", "/secrets:import?dry_run=true", dict.fromkeys(names, "w")),
        ):
            answer = ada.request(method, path, json=body)
            counted = len(names) if "batchWrite" not in path else 1
            assert answer.status_code == 200, path
            through = 0
            while get(ada) == 200:
                through += 1
            assert through == 100 - counted, path
            clock.shift(60)
        wide = {"names": [f"absent{number}" for number in range(100)]}
        assert ada.post("/secrets:batchGet", json=wide).status_code == 200
        assert ada.post("/secrets:batchGet", json=wide).status_code == 429
        clock.shift(1)
        assert ada.post("/secrets:batchGet", json=wide).status_code == 200, "as debt"
        clock.shift(59)
        assert get(ada) == 429
    vault_of(app).close()


def test_refused_in_haste_is_one_event(settings: Settings, now: datetime) -> None:
    """Who sends on while refused, from many addresses, does not fill the trail with it."""
    app = create_app(limited(settings, 5, 0))
    with time_machine.travel(now, tick=False):
        ada = newcomer(app, "ada")
        answers = [get(ada, f"/secrets/a{number}") for number in range(50)]
    assert answers == [404] * 5 + [429] * 45
    vault = vault_of(app)
    vault.audit.flush()
    with vault.db.read() as tx:
        found = tx.all(
            "SELECT count(*), sum(times) FROM audit_events WHERE outcome = 'too-many-requests'"
        )
    vault.close()
    assert found[0][1] == 45
    assert found[0][0] <= 5, "as many as there were batches"
