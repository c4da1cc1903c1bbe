"""POST /tokens: what a new token may be given, how many there may be, and that it is shown once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import pytest
from flask import Flask

from config import Settings
from models.errors import LimitReached
from models.powers import Powers
from models.rows import Account, UserId, Username
from models.times import utcnow
from routes.context import vault_of
from tests.support.api_tokens import TOKEN_FIELDS, Machine, listed, made
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.shared import module_app, newcomer, pointers, refusal
from utils.store import api_tokens
from utils.tokens import new_token, parse_token

MAX_TOKENS = Settings().MAX_TOKENS

shared = module_app()


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account."""
    return newcomer(shared, "ada")


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
