"""What happened to an account and its secrets is told to its owner: who, with what, when, how."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from models.events import SYSTEM, EventQuery, Stored
from routes.context import vault_of
from routes.trail import Unrecorded
from tests.support.api_tokens import Machine, made
from tests.support.people import PASSWORD, Person
from tests.support.shared import refusal
from utils.store import audit
from utils.vault import Vault


def events(vault: Vault, whose: Person, **query: str) -> list[dict[str, Any]]:
    """Somebody's events, newest first, without those of asking for them."""
    vault.audit.flush()
    response = whose.get("/audit", query_string={"limit": "100", **query})
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.get_json()["events"]
    return [one for one in found if not one["action"].startswith("audit.")]


def of_system(vault: Vault) -> list[Stored]:
    """The events of no account, newest first."""
    vault.audit.flush()
    with vault.db.read() as tx:
        return audit.list_page(tx, SYSTEM, EventQuery(2**62, 100))


def try_login(who: Person, username: str) -> TestResponse:
    """A login with a wrong password."""
    return who.post("/login", json={"username": username, "password": "wrong"})


def test_every_route_says_what_the_trail_calls_it(app: Flask) -> None:
    """Or why it leaves no event: nobody can forget it."""
    for name, view in app.view_functions.items():
        action = getattr(view, "audit", None)
        assert isinstance(action, str | Unrecorded), name
        if isinstance(action, Unrecorded):
            assert name.split(".")[0] in {"health", "metrics", "openapi"}
            assert action.reason


DONE: list[tuple[str, str, dict[str, Any] | None, str, str | None]] = [
    ("GET", "/account", None, "account.read", None),
    ("PUT", "/secrets/a/b", {"secret": "v"}, "secret.write", "a/b"),
    ("PUT", "/secrets/a/b", {"secret": "w"}, "secret.write", "a/b"),
    ("GET", "/secrets/a/b", None, "secret.read", "a/b"),
    ("PATCH", "/secrets/a/b", {"labels": {}}, "secret.change", "a/b"),
    ("POST", "/secrets", {"name": "c", "secret": "v"}, "secret.create", "c"),
    ("GET", "/secrets", None, "secret.list", None),
    ("GET", "/secrets/c:versions", None, "secret.versions", "c"),
    ("GET", "/secrets/c:shares", None, "secret.shares", "c"),
    ("GET", "/shared", None, "shared.list", None),
    ("POST", "/secrets:batchGet", {"names": ["c"]}, "secret.read", "c"),
    ("GET", "/secrets:export?prefix=c", None, "secret.export", "c"),
    ("DELETE", "/secrets/c", None, "secret.delete", "c"),
    ("POST", "/tokens", {"name": "job", "scopes": ["read"]}, "token.create", "job"),
    ("GET", "/tokens", None, "token.list", None),
    ("GET", "/keys", None, "key.list", None),
    ("POST", "/keys:rotate", None, "key.rotate", None),
    ("GET", "/sessions", None, "session.list", None),
    ("DELETE", "/sessions", None, "session.end-others", None),
    ("POST", "/refresh", None, "session.refresh", None),
]


def test_everything_that_is_done_is_told(vault: Vault, alice: Person) -> None:
    """One event each: which action, on what, by whom, with which session, from where, and the
    request's id."""
    answers = [alice.request(method, path, json=body) for method, path, body, *_ in DONE]
    assert [answer.status_code < 300 for answer in answers] == [True] * len(DONE)
    found = events(vault, alice)[::-1]
    assert [(one["action"], one["outcome"]) for one in found[:2]] == [
        ("account.create", "ok"),
        ("login", "ok"),
    ]
    told = {one["request_id"]: one for one in found[2:]}
    assert len(told) == len(found) - 2 == len(DONE)
    session = found[1]["credential_id"]
    for answer, (_, _, _, action, name) in zip(answers, DONE, strict=True):
        one = told[answer.headers["X-Request-ID"]]
        assert (one["action"], one["name"], one["outcome"]) == (action, name, "ok")
        assert (one["username"], one["via"], one["credential_id"]) == ("alice", "session", session)
        assert (one["address"], one["times"], one["problem"]) == ("127.0.0.1", 1, None)
    ordered = [one["number"] for one in found]
    assert ordered == list(range(1, len(found) + 1))


def test_what_ends_a_session_is_told(vault: Vault, alice: Person) -> None:
    """A logout, the end of one session, and another password."""
    new = "another password"
    change = {"current_password": PASSWORD, "new_password": new}
    assert alice.request("PUT", "/account/password", json=change).status_code == 200
    alice.password = new
    session = events(vault, alice)[0]["credential_id"]
    assert alice.request("DELETE", f"/sessions/{session}").status_code == 200
    assert alice.login().status_code == 200
    assert alice.request("POST", "/logout").status_code == 200
    assert alice.login().status_code == 200
    found = [(one["action"], one["name"]) for one in events(vault, alice)[::-1]]
    expected = [("password.change", None), ("session.end", session), ("login", None)]
    assert found[2:] == [*expected, ("logout", None), ("login", None)]


def test_refusals_are_told_with_their_problem(vault: Vault, alice: Person) -> None:
    """Of a known caller: absent, taken, not fulfilled, not valid."""
    alice.request("PUT", "/secrets/there", json={"secret": "v"})
    refused: list[tuple[TestResponse, str, str | None]] = [
        (alice.get("/secrets/absent"), "secret.read", "absent"),
        (alice.get("/secrets/not//a-name"), "secret.read", None),
        (
            alice.request("POST", "/secrets", json={"name": "there", "secret": "v"}),
            "secret.create",
            "there",
        ),
        (
            alice.request(
                "PUT", "/secrets/there", json={"secret": "v"}, headers={"If-None-Match": "*"}
            ),
            "secret.write",
            "there",
        ),
        (alice.request("PUT", "/secrets/there", json={"secret": 1}), "secret.write", "there"),
        (alice.request("DELETE", "/account", json={"password": "wrong"}), "account.delete", None),
    ]
    found = {one["request_id"]: one for one in events(vault, alice, outcome="refused")}
    assert len(found) == len(refused)
    for answer, action, name in refused:
        one = found[answer.headers["X-Request-ID"]]
        assert (one["action"], one["name"]) == (action, name)
        assert one["problem"] == refusal(answer)[1]
        assert one["username"] == "alice"


def test_a_tokens_acts_and_refusals_are_told(vault: Vault, app: Flask, alice: Person) -> None:
    """By its name and id, also where it may not do what it tried."""
    token = made(alice, name="job", scopes=["read"], prefixes=["a"])
    job = Machine(app, token["token"])
    alice.request("PUT", "/secrets/a", json={"secret": "v"})
    assert job.get("/secrets/a").status_code == 200
    assert job.get("/secrets/b").status_code == 403
    assert job.delete("/secrets/a").status_code == 403
    assert job.get("/keys").status_code == 403
    found = [one for one in events(vault, alice)[::-1] if one["via"] == "token"]
    assert [(one["action"], one["name"], one["problem"]) for one in found] == [
        ("secret.read", "a", None),
        ("secret.read", "b", "missing-power"),
        ("secret.delete", "a", "missing-power"),
        ("key.list", None, "missing-power"),
    ]
    for one in found:
        assert (one["username"], one["token"]) == ("alice", "job")
        assert one["credential_id"] == token["id"]


def test_refused_logins_are_told_to_whom_they_were_aimed_at(
    vault: Vault, alice: Person, stranger: Person
) -> None:
    """Those for nobody to the operator, without the name that was typed: it may be a password."""
    for _ in range(3):
        assert try_login(stranger, "alice").status_code == 401
    assert try_login(stranger, "my secret password").status_code == 401
    assert try_login(stranger, "nobody").status_code == 401
    found = events(vault, alice, action="login", outcome="refused")
    assert sum(one["times"] for one in found) == 3
    for one in found:
        assert (one["problem"], one["username"]) == ("wrong-credentials", "alice")
        assert (one["via"], one["credential_id"]) == (None, None)
    others = [one.event for one in of_system(vault) if one.event.action == "login"]
    assert sum(one.times for one in others) == 2
    assert {one.username for one in others} == {""}


def test_a_refresh_token_that_is_used_twice_is_told(
    vault: Vault, app: Flask, alice: Person
) -> None:
    """Somebody copied it: the owner should know."""
    thief, name = Person(app, "thief"), "__Host-refresh_token"
    cookie = alice.client.get_cookie(name)
    assert cookie is not None
    thief.client.set_cookie(name, cookie.value, secure=True)
    assert alice.request("POST", "/refresh").status_code == 200
    assert thief.request("POST", "/refresh").status_code == 401
    assert alice.login().status_code == 200
    found = events(vault, alice, action="session.refresh")
    assert [one["problem"] for one in found] == ["not-authenticated", None]


def test_a_deleted_account_is_told_to_the_operator(vault: Vault, alice: Person) -> None:
    """Nobody else is left to read it."""
    assert alice.request("DELETE", "/account", json={"password": PASSWORD}).status_code == 200
    found = of_system(vault)[0].event
    assert (found.action, found.username, found.outcome) == ("account.delete", "alice", "ok")
    alice.login()
    found = of_system(vault)[0].event
    assert (found.action, found.username, found.outcome) == ("login", "alice", "wrong-credentials")


def test_nobody_sees_the_events_of_another(vault: Vault, alice: Person, bob: Person) -> None:
    """Everybody has a chain of their own."""
    alice.request("PUT", "/secrets/mine", json={"secret": "v"})
    assert events(vault, bob, name="mine") == []
    assert len(events(vault, alice, name="mine")) == 1


def test_pages_hold_everything_once(vault: Vault, alice: Person) -> None:
    """Newest first, each page after the one before."""
    for number in range(7):
        alice.request("PUT", f"/secrets/s{number}", json={"secret": "v"})
    expected = [one["number"] for one in events(vault, alice, action="secret.write")]
    found, cursor = [], dict[str, str]()
    while True:
        page = alice.get(
            "/audit", query_string={"action": "secret.write", "limit": "3", **cursor}
        ).get_json()
        found += [one["number"] for one in page["events"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == expected
    assert len(found) == 7


def test_events_can_be_filtered(vault: Vault, alice: Person) -> None:
    """By action, name, beginning of a name, outcome and time."""
    for name in ("a/one", "a/two", "b"):
        alice.request("PUT", f"/secrets/{name}", json={"secret": "v"})
    alice.get("/secrets/absent")
    names = {one["name"] for one in events(vault, alice, prefix="a/")}
    assert names == {"a/one", "a/two"}
    assert {one["name"] for one in events(vault, alice, name="b")} == {"b"}
    assert {one["name"] for one in events(vault, alice, outcome="refused")} == {"absent"}
    middle = events(vault, alice, name="a/two")[0]
    since = {one["name"] for one in events(vault, alice, since=middle["at"], action="secret.write")}
    until = {one["name"] for one in events(vault, alice, until=middle["at"], action="secret.write")}
    assert (since, until) == ({"a/two", "b"}, {"a/one"})


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("action", "Nonsense!"), ("name", "a//b"), ("prefix", "a b"), ("outcome", "maybe")),
        *(
            ("since", "yesterday"),
            ("until", "1"),
            ("cursor", "0"),
            ("cursor", "-1"),
            ("limit", "0"),
        ),
        *(("cursor", "9" * 19), ("user", "bob")),
    ],
)
def test_what_no_filter_can_be_is_refused(alice: Person, parameter: str, value: str) -> None:
    """Not ignored: somebody would believe that there is nothing."""
    assert refusal(alice.get("/audit", query_string={parameter: value})) == (422, "invalid-fields")


def test_an_owner_can_verify_their_chain(vault: Vault, alice: Person) -> None:
    """And is told how many events fit."""
    vault.audit.flush()
    assert alice.get("/audit:verify").get_json() == {"ok": True, "events": 2, "fault": None}
    vault.audit.flush()
    assert alice.get("/audit:verify").get_json()["events"] == 3


def test_a_missing_csrf_token_is_told(settings: Settings) -> None:
    """Somebody's page sent it with the owner's cookies."""
    app = create_app(settings.model_copy(update={"JWT_COOKIE_CSRF_PROTECT": True}))
    alice = Person(app, "alice")
    alice.register()
    alice.login()
    assert refusal(alice.put("/secrets/a", json={"secret": "v"})) == (403, "csrf-failed")
    (found,) = events(vault_of(app), alice, outcome="refused")
    assert (found["action"], found["name"], found["problem"]) == (
        "secret.write",
        "a",
        "csrf-failed",
    )
    vault_of(app).close()


def test_too_many_attempts_are_told(vault: Vault, alice: Person, stranger: Person) -> None:
    """To the owner of the account that is being guessed at."""
    limit = vault.settings.LOGIN_ATTEMPTS_PAIR
    answers = [try_login(stranger, "alice").status_code for _ in range(limit + 2)]
    assert answers == [401] * limit + [429] * 2
    found = events(vault, alice, action="login", outcome="refused")
    counts = Counter[str]()
    for one in found:
        counts[one["problem"]] += one["times"]
    assert counts == {"wrong-credentials": limit, "too-many-attempts": 2}
