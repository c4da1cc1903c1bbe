"""Versions over the API: who wrote which, and rolling back, undeleting, destroying and moving."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from models.times import utcnow
from routes.context import vault_of
from tests.conftest import ENGINES
from tests.support.api_tokens import machine, missing
from tests.support.damage import plant
from tests.support.people import Person
from tests.support.shared import indistinct, newcomer, pointers, refusal, shared_app

ABSENT = (404, "not-found")
WRONG_STATE = (409, "wrong-state")
VERBS: dict[str, dict[str, Any]] = {
    "rollback": {"version": 1},
    "undelete": {},
    "destroy": {"versions": [1]},
    "move": {"to": "b"},
}
MONTH = timedelta(days=30)


@pytest.fixture(scope="module", params=ENGINES)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for the whole module, on each engine."""
    lifetimes = dict.fromkeys(
        ("ACCESS_TOKEN_LIFETIME", "SESSION_IDLE_LIFETIME", "SESSION_LIFETIME"), 3 * MONTH
    )
    with shared_app(request, request.param, tmp_path_factory, **lifetimes) as application:
        yield application


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with a secret of three versions."""
    someone = newcomer(app, "alice")
    for value in ("one", "two", "three"):
        write(someone, "a", value)
    return someone


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands until it is moved."""
    with time_machine.travel(utcnow(), tick=False) as moved:
        yield moved


def write(person: Person, name: str, value: str, **fields: Any) -> None:
    """Set a secret."""
    assert person.put(f"/secrets/{name}", json={"secret": value, **fields}).status_code < 300


def verb(person: Person, name: str, what: str, body: Any = None, **headers: str) -> TestResponse:
    """POST one; *body* as in VERBS unless given."""
    sent = VERBS[what] if body is None else body
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return person.post(f"/secrets/{name}:{what}", json=sent, headers=named)


def versions(person: Person, name: str = "a", **query: Any) -> Any:
    """The list of versions."""
    answer = person.get(f"/secrets/{name}:versions", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def numbers(person: Person, name: str = "a") -> list[int]:
    """Which versions there are."""
    return [one["version"] for one in versions(person, name)["versions"]]


def value(person: Person, name: str = "a", version: int | None = None) -> str:
    """What a version holds."""
    return person.secret(name + ("" if version is None else f"?version={version}"))


def sentence(answer: TestResponse) -> str:
    """What a refusal says."""
    refusal(answer)
    return str((answer.json or {})["detail"])


# --- the list -----------------------------------------------------------------------------------


def test_versions_are_listed_newest_first_and_say_who_wrote_them(alice: Person) -> None:
    """With a session or a token, which is named; and nothing of the value."""
    machine(alice, "deploy").put("/secrets/a", json={"secret": "four"})
    found = versions(alice)
    assert found["next_cursor"] is None
    assert [set(one) for one in found["versions"]] == [
        {"version", "created_at", "by", "credential"}
    ] * 4
    assert [(one["version"], one["by"], one["credential"]) for one in found["versions"]] == [
        (4, alice.username, "deploy"),
        *((n, alice.username, "session") for n in (3, 2, 1)),
    ]
    times = [datetime.fromisoformat(one["created_at"][:-1]) for one in found["versions"]]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_versions_come_in_pages(alice: Person, limit: int) -> None:
    """Each once, whatever the size of a page, and whatever is destroyed in between."""
    for _ in range(4):
        write(alice, "a", "more")
    found: list[int] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = versions(alice, **query)
        found += [one["version"] for one in page["versions"]]
        if page["next_cursor"] is None:
            break
        verb(alice, "a", "destroy", {"versions": [int(page["next_cursor"])]})
        query["cursor"] = page["next_cursor"]
    assert found == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "cursor", ["", "0", "01", "-1", "+1", "1.0", "x", "²", "9" * 11, "1" * 999]
)
def test_a_cursor_that_no_page_gave_is_refused(alice: Person, cursor: str) -> None:
    """An empty page would say "the end"."""
    answer = alice.get("/secrets/a:versions", query_string={"cursor": cursor})
    assert pointers(answer) == {"?cursor"}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", ""])
def test_a_page_has_a_size(alice: Person, limit: str) -> None:
    """``limit=-1`` would mean "all" to SQLite."""
    assert pointers(alice.get(f"/secrets/a:versions?limit={limit}")) == {"?limit"}


# --- one version --------------------------------------------------------------------------------


def test_an_absent_version_is_told_from_an_absent_secret(alice: Person, app: Flask) -> None:
    """To whoever may see the secret, and to nobody else."""
    told = sentence(alice.get("/secrets/a?version=99"))
    assert "not this version" in told
    assert sentence(verb(alice, "a", "rollback", {"version": 99})) == told
    assert sentence(verb(alice, "a", "destroy", {"versions": [1, 99]})) == told
    gone = sentence(alice.get("/secrets/absent?version=99"))
    assert gone != told
    bob = newcomer(app, "bob")
    assert sentence(bob.get("/secrets/a?version=99")) == gone
    alice.delete("/secrets/a")
    assert sentence(alice.get("/secrets/a?version=99")) == gone


def test_what_is_not_live_is_as_absent_as_anything(alice: Person, app: Flask) -> None:
    """Deleted, expired, impossible and somebody else's: one answer to all calls that need a live
    secret."""
    bob = newcomer(app, "bob")
    write(alice, "expired", "x", expires_at="2001-01-01T00:00:00Z")
    write(alice, "deleted", "x")
    alice.delete("/secrets/deleted")
    for what in ("versions", "rollback", "move"):
        method = "GET" if what == "versions" else "POST"
        body = None if what == "versions" else VERBS[what]
        answers = [
            indistinct(who.request(method, f"/secrets/{name}:{what}", json=body))
            for who, name in (
                *(
                    (alice, name)
                    for name in ("absent", "expired", "deleted", "a//b", "..", "x" * 256)
                ),
                (bob, "a"),
            )
        ]
        assert answers == [answers[0]] * 7
        assert answers[0][0] == 404
    for what in ("undelete", "destroy"):
        found = [indistinct(verb(who, name, what)) for who, name in ((alice, "no"), (bob, "a"))]
        assert found == [found[0]] * 2
        assert found[0][0] == 404


# --- rollback -----------------------------------------------------------------------------------


def test_a_rollback_is_a_new_version_with_the_older_value(alice: Person) -> None:
    """By whoever asked for it; the history stays, and so do labels and expiry."""
    write(alice, "a", "four", labels={"env": "live"}, expires_at="2999-01-01T00:00:00Z")
    before = alice.get("/secrets/a")
    answer = machine(alice, "fixer").post("/secrets/a:rollback", json={"version": 2})
    assert answer.status_code == 200
    assert (answer.json or {})["version"] == 5
    after = alice.get("/secrets/a")
    assert answer.headers["ETag"] == after.headers["ETag"] != before.headers["ETag"]
    assert after.json == {**(before.json or {}), "secret": "two", "version": 5} | {
        "updated_at": (answer.json or {})["updated_at"]
    }
    assert [value(alice, version=number) for number in (1, 2, 3, 4)] == [
        *("one", "two", "three", "four"),
    ]
    assert versions(alice)["versions"][0]["credential"] == "fixer"


def test_bytes_are_rolled_back_to_as_bytes(alice: Person) -> None:
    """And an empty value as one."""
    alice.put("/secrets/b", data=b"\xff\x00", content_type="application/octet-stream")
    write(alice, "b", "")
    write(alice, "b", "text")
    verb(alice, "b", "rollback", {"version": 1})
    assert (
        alice.get("/secrets/b", headers={"Accept": "application/octet-stream"}).data == b"\xff\x00"
    )
    verb(alice, "b", "rollback", {"version": 2})
    assert value(alice, "b") == ""
    assert verb(alice, "b", "rollback", {"version": 5}).status_code == 200  # the newest, again
    assert numbers(alice, "b") == [6, 5, 4, 3, 2, 1]


def test_a_version_that_does_not_open_is_not_rolled_back_to(alice: Person) -> None:
    """500 as for a read, nothing changes, and the other versions can be."""
    plant(
        vault_of(alice.client.application),
        "UPDATE secret_versions SET ciphertext = 'x' WHERE number = 1 AND author = ?",
        alice.username,
    )
    assert refusal(verb(alice, "a", "rollback")) == (500, "secret-unreadable")
    assert numbers(alice) == [3, 2, 1]
    assert verb(alice, "a", "rollback", {"version": 2}).status_code == 200


# --- undelete -----------------------------------------------------------------------------------


def test_an_undeleted_secret_is_as_it_was(alice: Person) -> None:
    """All of it but the tag, which never repeats."""
    write(alice, "a", "four", labels={"env": "live"}, expires_at="2999-01-01T00:00:00Z")
    before = alice.get("/secrets/a")
    alice.delete("/secrets/a")
    answer = verb(alice, "a", "undelete")
    assert answer.status_code == 200
    assert (answer.json or {})["deleted_at"] is (answer.json or {})["purge_at"] is None
    after = alice.get("/secrets/a")
    assert after.json == before.json
    assert after.headers["ETag"] == answer.headers["ETag"] != before.headers["ETag"]
    assert numbers(alice) == [4, 3, 2, 1]


def test_a_delete_can_be_undone_until_its_time_is_over(
    alice: Person, clock: time_machine.Traveller
) -> None:
    """To the microsecond, though no purge ever ran."""
    start = utcnow()
    alice.delete("/secrets/a")
    clock.move_to(start + MONTH)
    assert refusal(verb(alice, "a", "undelete")) == ABSENT
    clock.move_to(start + MONTH - timedelta(microseconds=1))
    assert verb(alice, "a", "undelete").status_code == 200


def test_only_what_is_deleted_can_be_undeleted(
    alice: Person, clock: time_machine.Traveller
) -> None:
    """A live secret, an expired one, and one that would be hidden still: told apart from absent
    ones, and nothing changes."""
    soon = (utcnow() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert refusal(verb(alice, "a", "undelete")) == WRONG_STATE
    for name in ("expired", "both"):
        write(alice, name, "x", expires_at=soon)
    alice.delete("/secrets/both")
    clock.shift(timedelta(minutes=2))
    before = alice.get("/secrets?deleted=true").json
    for name in ("expired", "both"):
        answer = verb(alice, name, "undelete")
        assert refusal(answer) == WRONG_STATE
        assert "expired" in sentence(answer)
    assert alice.get("/secrets?deleted=true").json == before
    write(alice, "expired", "again")  # as the sentence says
    assert verb(alice, "expired", "rollback").status_code == 200
    assert value(alice, "expired") == "x"


# --- destroy ------------------------------------------------------------------------------------


def test_destroyed_versions_are_gone_and_the_others_stay(alice: Person) -> None:
    """Numbers are not given out again; the value, and so the tag, is as it was."""
    before = alice.get("/secrets/a")
    answer = verb(alice, "a", "destroy", {"versions": [2, 1, 2]})
    assert (answer.status_code, answer.json) == (200, {"name": "a", "versions_destroyed": 2})
    assert numbers(alice) == [3]
    assert refusal(alice.get("/secrets/a?version=1")) == ABSENT
    after = alice.get("/secrets/a")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    write(alice, "a", "four")
    assert numbers(alice) == [4, 3]


def test_versions_are_destroyed_all_or_none(alice: Person) -> None:
    """A mistyped number must not look as if its value were gone."""
    for wanted in ([1, 99], [99]):
        assert refusal(verb(alice, "a", "destroy", {"versions": wanted})) == ABSENT
    assert numbers(alice) == [3, 2, 1]


def test_the_newest_version_is_not_destroyed_alone(alice: Person) -> None:
    """A secret without a value is none: the sentence says what to do first."""
    for wanted in ([3], [1, 3]):
        answer = verb(alice, "a", "destroy", {"versions": wanted})
        assert refusal(answer) == WRONG_STATE
        assert ":rollback" in sentence(answer)
    alice.delete("/secrets/a")
    assert refusal(verb(alice, "a", "destroy", {"versions": [3]})) == WRONG_STATE
    assert verb(alice, "a", "destroy", {"versions": [1]}).status_code == 200
    verb(alice, "a", "undelete")
    assert numbers(alice) == [3, 2]
    verb(alice, "a", "rollback", {"version": 2})
    assert verb(alice, "a", "destroy", {"versions": [3]}).status_code == 200
    assert (numbers(alice), value(alice)) == ([4, 2], "two")


@pytest.mark.parametrize("state", ["live", "deleted", "expired", "over"])
def test_all_of_a_secret_is_destroyed_whatever_its_state(
    alice: Person, state: str, clock: time_machine.Traveller
) -> None:
    """The name is free: a new secret begins at version 1 and has no past."""
    if state == "expired":
        alice.patch("/secrets/a", json={"expires_at": "2001-01-01T00:00:00Z"})
    elif state != "live":
        alice.delete("/secrets/a")
    if state == "over":
        clock.shift(MONTH)
    answer = verb(alice, "a", "destroy", {"all": True})
    assert (answer.status_code, answer.json) == (200, {"name": "a", "versions_destroyed": 3})
    assert alice.get("/secrets").json == alice.get("/secrets?deleted=true").json
    assert refusal(verb(alice, "a", "destroy", {"all": True})) == ABSENT
    assert refusal(verb(alice, "a", "undelete")) == ABSENT
    assert alice.post("/secrets", json={"name": "a", "secret": "new"}).status_code == 201
    assert numbers(alice) == [1]
    assert refusal(alice.get("/secrets/a?version=2")) == ABSENT


# --- move ---------------------------------------------------------------------------------------


def test_a_moved_secret_keeps_its_history_under_another_name(alice: Person) -> None:
    """Its numbers, dates, labels; its tag is new. The old name is free, and has no past."""
    write(alice, "a", "four", labels={"env": "live"})
    before = alice.get("/secrets/a")
    answer = verb(alice, "a", "move", {"to": "shop/b@x"})
    assert answer.status_code == 200
    assert answer.headers["Location"] == "/secrets/shop/b%40x"
    after = alice.get(answer.headers["Location"])
    assert after.headers["ETag"] == answer.headers["ETag"] != before.headers["ETag"]
    assert {**(after.json or {}), "updated_at": 0} == {
        **(before.json or {}),
        "name": "shop/b@x",
        "updated_at": 0,
    }
    assert [value(alice, "shop/b@x", number) for number in (1, 4)] == ["one", "four"]
    assert refusal(alice.get("/secrets/a")) == ABSENT
    write(alice, "a", "new")
    assert numbers(alice) == [1]


@pytest.mark.parametrize("state", ["live", "deleted", "expired", "itself"])
def test_a_name_that_is_taken_is_not_moved_to(alice: Person, state: str) -> None:
    """Also by what is hidden, which would lose its history; destroying that frees the name."""
    to = "a" if state == "itself" else "taken"
    if state != "itself":
        write(alice, to, "theirs")
    if state == "deleted":
        alice.delete(f"/secrets/{to}")
    elif state == "expired":
        alice.patch(f"/secrets/{to}", json={"expires_at": "2001-01-01T00:00:00Z"})
    before = alice.get("/secrets/a")
    assert refusal(verb(alice, "a", "move", {"to": to})) == (409, "already-exists")
    after = alice.get("/secrets/a")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    if state != "itself":
        verb(alice, to, "destroy", {"all": True})
        assert verb(alice, "a", "move", {"to": to}).status_code == 200


def test_somebody_elses_name_is_free(alice: Person, app: Flask) -> None:
    """Names are each owner's own."""
    bob = newcomer(app, "bob")
    write(bob, "b", "bob's")
    assert verb(alice, "a", "move", {"to": "b"}).status_code == 200
    assert (value(alice, "b"), value(bob, "b")) == ("three", "bob's")


def test_a_token_that_moves_must_reach_both_names(alice: Person) -> None:
    """Else it could take a secret out of what it is limited to, or put one where it reads it."""
    write(alice, "app/a", "x")
    limited = machine(alice, prefixes=["app/"])
    for name, to in (("app/a", "other/a"), ("a", "app/b"), ("app/a", "taken"), ("app/no", "b")):
        assert "prefixes" in missing(limited.post(f"/secrets/{name}:move", json={"to": to}))
    assert limited.post("/secrets/app/a:move", json={"to": "app/b"}).status_code == 200
    assert value(alice, "app/b") == "x"


# --- what they have in common -------------------------------------------------------------------


@pytest.mark.parametrize("what", ["rollback", "destroy", "move"])
def test_a_verb_honours_conditions(alice: Person, what: str) -> None:
    """Compare-and-set as for a PUT: 412, and nothing changes."""
    tag = alice.get("/secrets/a").headers["ETag"]
    before = (versions(alice), alice.get("/secrets").json)
    for header in ({"If_Match": '"stale"'}, {"If_None_Match": "*"}, {"If_None_Match": tag}):
        assert refusal(verb(alice, "a", what, **header)) == (412, "precondition-failed")
    assert refusal(verb(alice, "a", what, If_Match="x")) == (400, "malformed-request")
    assert (versions(alice), alice.get("/secrets").json) == before
    assert verb(alice, "a", what, If_Match=tag).status_code == 200


@pytest.mark.parametrize(("what", "body"), [("undelete", {}), ("destroy", {"all": True})])
def test_what_is_deleted_has_no_state_to_match(alice: Person, what: str, body: Any) -> None:
    """A condition on it must not be passed over."""
    tag = alice.get("/secrets/a").headers["ETag"]
    alice.delete("/secrets/a")
    for header in (tag, "*"):
        answer = verb(alice, "a", what, body, If_Match=header)
        assert refusal(answer) == (412, "precondition-failed")
    assert verb(alice, "a", what, body, If_None_Match="*").status_code == 200


@pytest.mark.parametrize(
    ("what", "body", "pointer"),
    [
        ("rollback", {}, "#/version"),
        ("rollback", {"version": 0}, "#/version"),
        ("rollback", {"version": "1"}, "#/version"),
        ("rollback", {"version": True}, "#/version"),
        ("rollback", {"version": 1.5}, "#/version"),
        ("rollback", {"version": 2**31}, "#/version"),
        ("rollback", {"version": 1, "name": "b"}, "#"),
        ("undelete", {"version": 1}, "#"),
        ("destroy", {}, "#"),
        ("destroy", {"versions": []}, "#/versions"),
        ("destroy", {"versions": [0]}, "#/versions"),
        ("destroy", {"versions": ["1"]}, "#/versions"),
        ("destroy", {"versions": 1}, "#/versions"),
        ("destroy", {"versions": list(range(1, 102))}, "#/versions"),
        ("destroy", {"versions": None}, "#"),
        ("destroy", {"all": False}, "#/all"),
        ("destroy", {"all": 1}, "#/all"),
        ("destroy", {"all": "true"}, "#/all"),
        ("destroy", {"all": None}, "#"),
        ("destroy", {"all": True, "versions": [1]}, "#"),
        ("destroy", {"all": True, "versions": None}, "#"),
        ("move", {}, "#/to"),
        ("move", {"to": ""}, "#/to"),
        ("move", {"to": "b:rollback"}, "#/to"),
        ("move", {"to": "a//b"}, "#/to"),
        ("move", {"to": ["b"]}, "#/to"),
    ],
)
def test_a_body_that_says_something_else_is_refused(
    alice: Person, what: str, body: Any, pointer: str
) -> None:
    """Nothing is guessed where something goes for good."""
    assert pointers(verb(alice, "a", what, body)) == {pointer}
    assert (numbers(alice), value(alice)) == ([3, 2, 1], "three")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "POST"])
@pytest.mark.parametrize("what", [*VERBS, "versions"])
def test_a_verb_has_one_method(alice: Person, what: str, method: str) -> None:
    """405 with the one that it has: never a secret called ``a:rollback``."""
    allowed = "GET" if what == "versions" else "POST"
    if method == allowed:
        return
    answer = alice.request(method, f"/secrets/a:{what}", json={"secret": "x"})
    assert refusal(answer) == (405, "method-not-allowed")
    assert allowed in answer.headers["Allow"].split(", ")
    assert "PUT" not in answer.headers["Allow"]
    assert (numbers(alice), value(alice)) == ([3, 2, 1], "three")


def test_a_name_with_slashes_has_verbs_like_any_other(alice: Person) -> None:
    """The verb belongs to the whole name."""
    write(alice, "shop/db/password", "one")
    write(alice, "shop/db/password", "two")
    assert verb(alice, "shop/db/password", "rollback").status_code == 200
    assert numbers(alice, "shop%2Fdb%2Fpassword") == [3, 2, 1]
