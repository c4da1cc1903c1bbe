"""What an API token can do, and each way in which it cannot: scope, name, address."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from models.powers import SCOPES, parse_network
from routes import context, guard
from routes.context import vault_of
from tests.support.api_tokens import (
    NAMED,
    ROUTES,
    Counting,
    Machine,
    Route,
    machine,
    made,
    missing,
)
from tests.support.people import Person
from tests.support.shared import indistinct, module_app, newcomer, refusal, shared_app
from utils.vault import Vault

each_route = pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES.keys())
each_named_route = pytest.mark.parametrize("route", NAMED.values(), ids=NAMED.keys())

shared = module_app()


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account and two secrets, and one that can be undeleted."""
    someone = newcomer(shared, "ada")
    someone.put("/secrets/app/deleted", json={"secret": "canary"})
    assert someone.delete("/secrets/app/deleted").status_code == 200
    for name in ("app/there", "other/there"):
        assert someone.put(f"/secrets/{name}", json={"secret": "canary"}).status_code == 201
    return someone


def content(owner: Person) -> Any:
    """All that a refused call could have changed."""
    return owner.get("/secrets").json


# --- scopes ------------------------------------------------------------------------------------


def test_every_route_that_takes_tokens_is_tested_here(shared: Flask) -> None:
    """A new one that names may_read or may_write is in the url map, and so has to be above."""
    scopes = {getattr(guard, f"may_{scope}"): scope for scope in SCOPES}
    found = {}
    for rule in shared.url_map.iter_rules():
        access = getattr(shared.view_functions[rule.endpoint], "access", None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if access in scopes:
                found[f"{method} {rule.rule}"] = scopes[access]
    assert found == {what: route.scope for what, route in ROUTES.items()}


@each_route
def test_a_scope_is_needed_and_is_enough(ada: Person, route: Route) -> None:
    """Neither includes the other."""
    others = [scope for scope in SCOPES if scope != route.scope]
    name = route.name_in("app/")
    before = content(ada)
    without = route.call(machine(ada, "without", scopes=others), name)
    assert missing(without) == f"This token lacks the scope `{route.scope}`. Use one that has it."
    assert content(ada) == before
    assert route.call(machine(ada, "with", scopes=[route.scope]), name).status_code in {200, 201}


def test_a_missing_scope_is_told_before_anything_is_parsed_or_looked_up(ada: Person) -> None:
    """The answer is the same whatever the name, the body and the query are."""
    reader, writer = machine(ada, "r", scopes=["read"]), machine(ada, "w", scopes=["write"])
    for path in ("app/there", "absent", "a//b", "%00"):
        for query in ("", "?x=y", "?version=0"):
            assert "`read`" in missing(writer.get(f"/secrets/{path}{query}"))
            put = reader.put(f"/secrets/{path}{query}", data="{", content_type="text/x")
            assert "`write`" in missing(put)


def test_whoever_can_only_write_learns_no_value(ada: Person) -> None:
    """Neither by an answer nor by a condition, a representation or an older version."""
    writer = machine(ada, scopes=["write"])
    one = "/secrets/app/there"
    answers = [
        writer.get(one),
        writer.get(f"{one}?version=1"),
        writer.get(one, headers={"Accept": "text/plain"}),
        writer.get(one, headers={"If-None-Match": "*"}),
        writer.request("HEAD", one),
        writer.get("/secrets"),
        writer.put(one, json={"secret": "x"}, headers={"If-None-Match": "*"}),
        writer.post("/secrets", json={"name": "app/there", "secret": "x"}),
        writer.patch(one, json={"labels": {"a": "b"}}),
        writer.put(one, data=b"new", content_type="text/plain"),
        writer.patch(one, json={"secret": "newer"}, headers={"If-Match": "*"}),
        writer.delete(one),
    ]
    statuses = [403] * 6 + [412, 409] + [200] * 4
    assert [answer.status_code for answer in answers] == statuses
    for answer in answers:
        assert "canary" not in answer.text
        assert '"secret":' not in answer.text
    assert writer.post("/secrets", json={"name": "fresh", "secret": "x"}).status_code == 201


def test_compare_and_set_works_without_reading(ada: Person) -> None:
    """Each write answers with the tag that the next one can name."""
    writer = machine(ada, scopes=["write"])
    one = "/secrets/app/there"
    first = writer.put(one, json={"secret": "a"}).headers["ETag"]
    second = writer.put(one, json={"secret": "b"}, headers={"If-Match": first})
    assert second.status_code == 200
    late = writer.put(one, json={"secret": "c"}, headers={"If-Match": first})
    assert refusal(late) == (412, "precondition-failed")
    assert writer.delete(one, headers={"If-Match": second.headers["ETag"]}).status_code == 200


def test_versions_name_the_token_that_wrote_them(ada: Person) -> None:
    """Copied: it stays when the token is gone. ``session`` is nobody's name."""
    token = made(ada, "deploy")
    Machine(ada.client.application, token["token"]).put("/secrets/who", json={"secret": "1"})
    ada.put("/secrets/who", json={"secret": "2"})
    ada.delete(f"/tokens/{token['id']}")
    with vault_of(ada.client.application).db.read() as tx:
        rows = tx.all(
            "SELECT v.author, v.credential FROM secret_versions v "
            "JOIN secrets s ON s.id = v.secret_id "
            "WHERE s.name = 'who' AND v.author = ? ORDER BY v.number",
            ada.username,
        )
    assert rows == [(ada.username, "deploy"), (ada.username, "session")]


# --- prefixes ----------------------------------------------------------------------------------


@pytest.mark.invariant(number=8)
@each_named_route
@pytest.mark.parametrize("name", ["other/there", "other/absent", "app", "App/there", "ap/p/"])
def test_a_name_beyond_the_prefixes_is_refused_alike_whether_it_is_there(
    ada: Person, route: Route, name: str
) -> None:
    """The same for a secret, for none, and for a name that cannot be: nothing is learned."""
    limited = machine(ada, prefixes=["app/", "else/"])
    if "NAME" not in route.path and name.endswith("/"):
        return  # what is no name is a field error there
    before = content(ada)
    beyond = route.call(limited, name)
    assert "prefixes" in missing(beyond)
    assert indistinct(beyond) == indistinct(route.call(limited, "other/no-such"))
    assert content(ada) == before


@each_named_route
def test_a_name_within_a_prefix_is_reached(ada: Person, route: Route) -> None:
    """Whichever of them it begins with."""
    name = route.name_in("app/")
    limited = machine(ada, prefixes=["zzz", "app/"])
    assert route.call(limited, name).status_code in {200, 201}


@pytest.mark.invariant(number=8)
@pytest.mark.one_engine("sqlite", "it counts what is asked, whoever answers")
@pytest.mark.parametrize("route", NAMED.values(), ids=NAMED.keys())
def test_a_name_beyond_the_prefixes_is_never_looked_up(
    app: Flask, vault: Vault, alice: Person, route: Route
) -> None:
    """What the database is asked does not depend on it, so the time that it takes does not."""
    limited = machine(alice, prefixes=["app/"])
    counting = Counting(vault.db)
    context.install(app, replace(vault, db=counting))
    assert "prefixes" in missing(route.call(limited, "other/there"))
    assert counting.transactions == ["read"], "nothing but the token was looked up"


# --- addresses ---------------------------------------------------------------------------------


@each_route
@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("::ffff:192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::a01:203", False),  # 10.1.2.3 in the deprecated, "compatible" spelling is another host
        ("127.0.0.1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_a_token_works_from_its_networks_only(
    ada: Person, route: Route, address: str, allowed: bool
) -> None:
    """An address that cannot be told is none of them."""
    networks = ["::ffff:10.0.0.0/104", "192.0.2.7", "2001:db8::/32"]
    job = machine(ada, cidrs=networks)
    name = route.name_in("app/")
    answer = route.call(job, name, environ_base={"REMOTE_ADDR": address})
    if allowed:
        assert answer.status_code in {200, 201}
    else:
        assert "networks" in missing(answer)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::/0", "::/0"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
    ],
)
def test_networks_have_one_spelling(text: str, network: str) -> None:
    """IPv4 within IPv6 would be compared with addresses that never look like it."""
    assert str(parse_network(text)) == network


def test_the_address_is_what_a_trusted_proxy_says(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """And no other client's word for it."""
    trusted = {"TRUSTED_PROXIES": "10.9.9.9"}
    with shared_app(request, "sqlite", tmp_path_factory, **trusted) as app:
        job = machine(newcomer(app, "ada"), cidrs=["192.0.2.0/24"])
        for peer, forwarded, status in (
            ("10.9.9.9", "192.0.2.1", 200),
            ("10.9.9.9", "203.0.113.1", 403),
            ("203.0.113.1", "192.0.2.1", 403),
        ):
            headers = {"X-Forwarded-For": forwarded}
            base = {"REMOTE_ADDR": peer}
            answer = job.get("/secrets", headers=headers, environ_base=base)
            assert answer.status_code == status
