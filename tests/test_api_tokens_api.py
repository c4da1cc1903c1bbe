"""API tokens over HTTP: made, listed and deleted by their owner, and by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from flask import Flask

from config import Settings
from models.errors import LimitReached
from models.powers import Powers
from models.rows import Account, TokenId, UserId, Username
from models.times import utcnow
from routes import context
from routes.context import vault_of
from tests.conftest import ENGINES
from tests.support.api_tokens import TOKEN_FIELDS, Counting, Machine, machine, made
from tests.support.people import PASSWORD, Person
from tests.support.quiet import without_queued_events
from tests.support.race import at_once
from tests.support.shared import indistinct, newcomer, pointers, refusal, shared_app
from tests.support.trouble import locked
from utils.store import api_tokens
from utils.tokens import new_token, parse_token
from utils.vault import Vault

MAX_TOKENS = Settings().MAX_TOKENS


@pytest.fixture(scope="module", params=ENGINES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for tests that take an account of their own."""
    with shared_app(request, request.param, tmp_path_factory) as application:
        yield application


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account."""
    return newcomer(shared, "ada")


def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    """The person's tokens."""
    response = person.get(f"/tokens{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json["tokens"]  # type: ignore[index]
    return found


# --- POST /tokens ------------------------------------------------------------------------------


def test_a_token_is_shown_once(ada: Person) -> None:
    """With all that it may do, and never again: not in the list, not even in part."""
    answer = ada.post("/tokens", json={"name": "job", "scopes": ["read"]})
    assert answer.status_code == 201
    body = answer.json
    assert body is not None
    assert set(body) == TOKEN_FIELDS | {"token"}
    assert (body["name"], body["scopes"]) == ("job", ["read"])
    assert [body[k] for k in ("prefixes", "cidrs", "expires_at", "last_used_at")] == [None] * 4
    assert answer.headers["Location"] == f"/tokens/{body['id']}"
    parsed = parse_token(body["token"])
    assert parsed is not None
    assert parsed.id == body["id"]
    page = ada.get("/tokens")
    assert parsed.secret not in page.text
    (token,) = listed(ada)
    assert token == {key: value for key, value in body.items() if key != "token"}


def test_powers_are_kept_in_one_form(ada: Person) -> None:
    """Sorted, each once; IPv4 within IPv6 is the IPv4 that it means."""
    body = made(
        ada,
        scopes=["write", "read"],
        prefixes=["b/", "a", "b/"],
        cidrs=["::ffff:10.0.0.0/104", "2001:DB8::/32", "192.0.2.1"],
        expires_in=3600,
    )
    assert body["scopes"] == ["read", "write"]
    assert body["prefixes"] == ["a", "b/"]
    assert body["cidrs"] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]
    made_at, ends = (
        datetime.fromisoformat(body[key].replace("Z", "+00:00"))
        for key in ("created_at", "expires_at")
    )
    assert ends - made_at == timedelta(hours=1)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": "session"}, "#/name"),
        ({"name": "Session"}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"name": "a b"}, "#/name"),
        ({"name": "a\n"}, "#/name"),
        ({"name": "x" * 65}, "#/name"),
        ({"name": 1}, "#/name"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["admin"]}, "#/scopes"),
        ({"scopes": ["read", "admin"]}, "#/scopes"),
        ({"scopes": "read"}, "#/scopes"),
        ({"scopes": None}, "#/scopes"),
        ({"prefixes": []}, "#/prefixes"),
        ({"prefixes": [""]}, "#/prefixes"),
        ({"prefixes": ["/a"]}, "#/prefixes"),
        ({"prefixes": ["a//"]}, "#/prefixes"),
        ({"prefixes": ["a/../b"]}, "#/prefixes"),
        ({"prefixes": ["a b"]}, "#/prefixes"),
        ({"prefixes": ["a:share"]}, "#/prefixes"),
        ({"prefixes": ["x" * 256]}, "#/prefixes"),
        ({"prefixes": ["a", 1]}, "#/prefixes"),
        ({"prefixes": [f"a{n}" for n in range(33)]}, "#/prefixes"),
        ({"prefixes": "a"}, "#/prefixes"),
        ({"cidrs": []}, "#/cidrs"),
        ({"cidrs": ["10.0.0.1/8"]}, "#/cidrs"),
        ({"cidrs": ["10.0.0.0/33"]}, "#/cidrs"),
        ({"cidrs": ["fe80::%eth0/64"]}, "#/cidrs"),
        ({"cidrs": ["localhost"]}, "#/cidrs"),
        ({"cidrs": ["10.0.0.0/8 "]}, "#/cidrs"),
        ({"cidrs": [167772160]}, "#/cidrs"),
        ({"cidrs": [f"10.0.0.{n}" for n in range(33)]}, "#/cidrs"),
        ({"expires_in": 0}, "#/expires_in"),
        ({"expires_in": -1}, "#/expires_in"),
        ({"expires_in": 1.5}, "#/expires_in"),
        ({"expires_in": "90d"}, "#/expires_in"),
        ({"expires_in": True}, "#/expires_in"),
        ({"expires_in": 3650 * 86_400 + 1}, "#/expires_in"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "#/"),
    ],
)
def test_fields_out_of_range_are_refused(
    ada: Person, fields: dict[str, object], pointer: str
) -> None:
    """And nothing is made: a limit that is misunderstood must not become none."""
    answer = ada.post("/tokens", json={"name": "job", "scopes": ["read"], **fields})
    assert pointers(answer) == {pointer.rstrip("/") or "#"}
    assert listed(ada) == []


def test_a_whole_number_is_whole_however_it_is_written(ada: Person) -> None:
    """JSON has one kind of number, and JSON Schema calls 3600.0 and 3.6e3 integers."""
    for number, written in enumerate(("3600.0", "3.6e3", "3600")):
        body = f'{{"name": "job-{number}", "scopes": ["read"], "expires_in": {written}}}'
        answer = ada.post("/tokens", data=body, content_type="application/json")
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("missing", ["name", "scopes"])
def test_a_name_and_scopes_are_needed(ada: Person, missing: str) -> None:
    """There is no default of what a token may do."""
    fields = {"name": "job", "scopes": ["read"]}
    del fields[missing]
    assert pointers(ada.post("/tokens", json=fields)) == {f"#/{missing}"}


def test_the_most_of_everything_is_taken(ada: Person) -> None:
    """32 prefixes of the longest kind, 32 networks, ten years."""
    prefixes = [f"{n:02}" + "x" * 253 for n in range(32)]
    cidrs = [f"2001:db8:{n:x}::/48" for n in range(32)]
    body = made(ada, "x" * 64, prefixes=prefixes, cidrs=cidrs, expires_in=3650 * 86_400)
    assert body["prefixes"] == prefixes
    assert sorted(body["cidrs"]) == sorted(str(c).replace(":0::", "::") for c in cidrs)
    assert Machine(ada.client.application, body["token"]).get("/secrets").status_code == 403


def test_a_name_is_used_once_by_one_owner(shared: Flask, ada: Person) -> None:
    """In lists and versions it says which token; another owner's names are their own. A deleted
    token's can be used again."""
    token = made(ada, "job")
    again = ada.post("/tokens", json={"name": "job", "scopes": ["read"]})
    assert refusal(again) == (409, "already-exists")
    made(ada, "Job")
    made(newcomer(shared, "eve"), "job")
    assert ada.delete(f"/tokens/{token['id']}").status_code == 200
    assert made(ada, "job")["id"] != token["id"]


def test_an_account_has_a_hundred_tokens_at_most(ada: Person) -> None:
    """One too many is refused, and there is room again after a deletion."""
    tokens = [made(ada, f"job{n}") for n in range(MAX_TOKENS)]
    over = {"name": "one-more", "scopes": ["read"]}
    assert refusal(ada.post("/tokens", json=over)) == (409, "limit-reached")
    assert len(listed(ada, "?limit=100")) == MAX_TOKENS
    ada.delete(f"/tokens/{tokens[50]['id']}")
    made(ada, "one-more")


def test_many_at_once_do_not_pass_the_limit(shared: Flask, ada: Person) -> None:
    """Of those who all find room for one more, one gets it."""
    for number in range(MAX_TOKENS - 1):
        made(ada, f"job{number}")
    vault = vault_of(shared)
    with vault.db.read() as tx:
        row = tx.one("SELECT id FROM users WHERE username = ?", ada.username)
    assert row is not None
    owner = Account(UserId(row[0]), Username(ada.username), utcnow())

    def make(name: str) -> bool:
        with suppress(LimitReached), vault.db.write() as tx:
            powers = Powers(("read",))
            api_tokens.create(
                tx, vault.token_key, new_token(), owner, name, powers, utcnow(), MAX_TOKENS
            )
            return True
        return False

    won = at_once([partial(make, f"racer{number}") for number in range(8)])
    assert won.count(True) == 1
    assert len(listed(ada, "?limit=100")) == MAX_TOKENS


# --- GET and DELETE ----------------------------------------------------------------------------


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


# --- last use ----------------------------------------------------------------------------------


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


# --- accounts ----------------------------------------------------------------------------------


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
