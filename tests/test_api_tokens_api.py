"""The API tokens of an account: listed and deleted by their owner, used until they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import time_machine
from flask import Flask

from models.rows import TokenId
from models.times import utcnow
from routes import context
from routes.context import vault_of
from tests.support.api_tokens import Counting, Machine, listed, machine, made
from tests.support.people import PASSWORD, Person
from tests.support.quiet import without_queued_events
from tests.support.shared import indistinct, module_app, newcomer, pointers, refusal
from tests.support.trouble import locked
from utils.store import api_tokens
from utils.vault import Vault

shared = module_app()


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account."""
    return newcomer(shared, "ada")


# --- GET and DELETE -----------------------------------------------------------------------------


def test_pages_are_newest_first_and_whole(ada: Person) -> None:
    """Whatever the page size, and although tokens are deleted between two pages."""
    order = [made(ada, f"job{n}")["id"] for n in range(7)][::-1]
    for limit in (1, 3, 6, 7, 100):
        found, cursor = [], ""
        while True:
            page = ada.get(f"/tokens?limit={limit}{cursor}").json
            assert page is not None
            assert len(page["tokens"]) <= limit
            found += [token["id"] for token in page["tokens"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == order
    first = ada.get("/tokens?limit=2").json
    assert first is not None
    for token in first["tokens"]:
        ada.delete(f"/tokens/{token['id']}")
    rest = listed(ada, f"?cursor={first['next_cursor']}")
    assert [token["id"] for token in rest] == order[2:]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("limit=0", "?limit"), ("limit=101", "?limit"), ("cursor=x", "?cursor"), ("scope=a", "?")],
)
def test_queries_out_of_range_are_refused(ada: Person, query: str, pointer: str) -> None:
    """Never ignored."""
    assert pointers(ada.get(f"/tokens?{query}")) == {pointer}


def test_nobody_sees_or_deletes_the_tokens_of_others(shared: Flask, ada: Person) -> None:
    """Somebody else's is as absent as one that never was, or that cannot be."""
    eve, token = newcomer(shared, "eve"), made(ada)
    assert listed(eve) == []
    theirs = indistinct(eve.delete(f"/tokens/{token['id']}"))
    assert theirs[0] == 404
    for absent in ("A" * 22, "a", "%00" * 22, "x" * 500, "%F0%9F%94%91"):
        assert indistinct(eve.delete(f"/tokens/{absent}")) == theirs
    assert len(listed(ada)) == 1
    stranger = Person(shared, "stranger")
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/" + token["id"])):
        assert refusal(stranger.request(method, f"/tokens{path}"))[0] == 401


def test_a_deleted_token_is_refused_at_its_next_request(ada: Person) -> None:
    """And the deletion says what it deleted, once."""
    token = made(ada)
    job = Machine(ada.client.application, token["token"])
    assert job.get("/secrets").status_code == 200
    answer = ada.delete(f"/tokens/{token['id']}")
    assert (answer.status_code, answer.json) == (200, {"id": token["id"], "deleted": True})
    assert refusal(job.get("/secrets")) == (401, "invalid-token")
    assert refusal(ada.delete(f"/tokens/{token['id']}")) == (404, "not-found")
    assert listed(ada) == []


def test_an_expired_token_stays_in_the_list(ada: Person) -> None:
    """So that its owner sees why the job stopped. It is refused to the second."""
    start = utcnow()
    with time_machine.travel(start, tick=False) as clock:
        job = machine(ada, expires_in=60)
        clock.move_to(start + timedelta(seconds=59, microseconds=999_999))
        assert job.get("/secrets").status_code == 200
        clock.move_to(start + timedelta(seconds=60))
        assert refusal(job.get("/secrets")) == (401, "invalid-token")
        assert len(listed(ada)) == 1


# --- last use -----------------------------------------------------------------------------------


def test_the_last_use_is_kept_to_the_minute(ada: Person) -> None:
    """Written after the answer, and once a minute: a busy job costs no write a request."""
    minute = utcnow().replace(second=0, microsecond=0) + timedelta(minutes=1)
    vault = vault_of(ada.client.application)
    without_queued_events(vault)

    def last() -> datetime | None:
        (token,) = listed(ada)
        text = token["last_used_at"]
        return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None

    with time_machine.travel(minute + timedelta(seconds=10), tick=False) as clock:
        job = machine(ada, scopes=["read"])
        assert last() is None
        assert refusal(job.delete("/secrets/a")) == (403, "missing-power")
        assert last() is None, "what was refused is no use"
        job.get("/secrets/absent", buffered=True)
        assert last() == minute
        clock.move_to(minute + timedelta(seconds=59))
        counting = Counting(vault.db)
        context.install(ada.client.application, replace(vault, db=counting))
        job.get("/secrets", buffered=True)
        context.install(ada.client.application, vault)
        assert "write" not in counting.transactions
        clock.move_to(minute + timedelta(seconds=60))
        job.get("/secrets", buffered=True)
        assert last() == minute + timedelta(minutes=1)
        with vault.db.write() as tx:  # by a request that read the row before
            api_tokens.note_use(tx, TokenId(job.token.split("_")[1]), minute)
        assert last() == minute + timedelta(minutes=1)


def test_a_locked_database_delays_no_use(vault: Vault, alice: Person, engine: str) -> None:
    """The last use is not worth a wait, let alone an error."""
    without_queued_events(vault)
    alice.put("/secrets/a", json={"secret": "x"})
    job = machine(alice)
    with locked(vault.settings.DATABASE_URL):
        began = utcnow()
        assert job.get("/secrets/a", buffered=True).status_code == 200
        assert utcnow() - began < timedelta(seconds=2)
    if engine == "sqlite":
        assert listed(alice)[0]["last_used_at"] is None
    job.get("/secrets/a", buffered=True)
    assert listed(alice)[0]["last_used_at"] is not None


# --- accounts -----------------------------------------------------------------------------------


def test_a_disabled_or_deleted_account_has_no_tokens_that_work(
    app: Flask, vault: Vault, alice: Person, bob: Person
) -> None:
    """Disabling lasts until the account is enabled; deletion leaves not even a row."""
    jobs = machine(alice), machine(bob)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["users", "disable", "alice"]).exit_code == 0
    assert bob.delete("/account", json={"password": PASSWORD}).status_code == 200
    for job in jobs:
        assert refusal(job.get("/secrets")) == (401, "invalid-token")
    assert runner.invoke(args=["users", "enable", "alice"]).exit_code == 0
    assert jobs[0].get("/secrets").status_code == 200
    with vault.db.read() as tx:
        assert tx.all("SELECT count(*) FROM api_tokens") == [(1,)]


def test_a_new_password_stops_no_job(alice: Person) -> None:
    """Tokens are revoked one by one, by whoever knows which one leaked."""
    job = machine(alice)
    change = {"current_password": PASSWORD, "new_password": "quite another password"}
    assert alice.put("/account/password", json=change).status_code == 200
    assert job.get("/secrets").status_code == 200
