"""Labels and expiry: what may be said of a secret, and what an expiry does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from models.times import rfc3339, utcnow
from tests.support.people import Person
from tests.support.shared import module_app, newcomer, pointers, refusal

ABSENT = (404, "not-found")
SOON = timedelta(minutes=10)  # within the access token's fifteen

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


@pytest.fixture
def clock() -> Iterator[Callable[[datetime], None]]:
    """``clock(moment)`` makes it that moment, and time stands still."""
    with time_machine.travel(utcnow(), tick=False) as traveller:
        yield traveller.move_to


def listed(person: Person, **query: str) -> list[dict[str, Any]]:
    """The list's rows."""
    page = person.get("/secrets", query_string=query).json
    assert page is not None
    rows: list[dict[str, Any]] = page["secrets"]
    return rows


# --- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"env": "prod"},
        {"k" * 63: "v" * 255},
        {"a.b/c_d-e0": ""},
        {f"key{number}": str(number) for number in range(32)},
        {"b": "2", "a": "1", "C": "3"},
        {"text": "é\U0001f511 \"quoted\" 'single' \\back /slash {brace} 100% a_b ?"},
        {"emoji": "\U0001f511" * 255},
        {"__proto__": "x", "constructor": "y"},
    ],
)
def test_labels_come_back_as_they_went_in(alice: Person, labels: dict[str, str]) -> None:
    """Up to 32, in the answer to the write, in the secret and in the list."""
    created = alice.post("/secrets", json={"name": "a", "secret": "x", "labels": labels})
    assert created.status_code == 201, created.text
    assert created.json is not None
    found = alice.get("/secrets/a").json
    assert found is not None
    assert created.json["labels"] == found["labels"] == listed(alice)[0]["labels"] == labels


@pytest.mark.parametrize(
    "labels",
    [
        {f"key{number}": "x" for number in range(33)},
        *({key: "x"} for key in ("", "k" * 64, "a b", "a:b", "é", "a\n", 'a"b', "a=b", "a\\")),
        *({"k": value} for value in ("v" * 256, "a\nb", "a\x00", "\x7f", "\x9f", "\u2028")),
        *({"k": value} for value in (None, 1, True, ["x"], {"x": "y"})),
        *([], "env:prod", ["env:prod"], 1, True, [["env", "prod"]]),
    ],
)
def test_impossible_labels_are_refused_as_a_whole(alice: Person, labels: Any) -> None:
    """With the rule, and without the key or the value that broke it."""
    answer = alice.post("/secrets", json={"name": "a", "secret": "x", "labels": labels})
    assert pointers(answer) == {"#/labels"}
    assert refusal(alice.get("/secrets/a")) == ABSENT


# --- expiry: how it is written ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2199-01-31T12:00:00Z", "2199-01-31T12:00:00.000000Z"),
        ("2199-01-31t12:00:00z", "2199-01-31T12:00:00.000000Z"),
        ("2199-01-31T12:00:00.5Z", "2199-01-31T12:00:00.500000Z"),
        ("2199-01-31T12:00:00.123456789Z", "2199-01-31T12:00:00.123456Z"),
        ("2199-01-31T12:00:00+02:30", "2199-01-31T09:30:00.000000Z"),
        ("2199-01-31T23:00:00-02:00", "2199-02-01T01:00:00.000000Z"),
        ("2199-01-31T12:00:00-00:00", "2199-01-31T12:00:00.000000Z"),
        ("2196-02-29T00:00:00Z", "2196-02-29T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_expiry_is_kept_as_the_same_moment_in_utc(alice: Person, sent: str, kept: str) -> None:
    """Whatever offset it was written with."""
    created = alice.post("/secrets", json={"name": "a", "secret": "x", "expires_at": sent})
    assert created.status_code == 201, created.text
    assert created.json is not None
    found = alice.get("/secrets/a").json
    assert found is not None
    assert created.json["expires_at"] == found["expires_at"] == kept
    assert listed(alice)[0]["expires_at"] == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "never", "2199-01-31", "2199-01-31T12:00:00", "2199-01-31 12:00:00Z"),
        *("2199-02-29T00:00:00Z", "2199-13-01T00:00:00Z", "2199-00-01T00:00:00Z"),
        *("2199-01-31T24:00:00Z", "2199-01-31T12:60:00Z", "2199-01-31T12:00:60Z"),
        *("2199-01-31T12:00:00+24:00", "2199-01-31T12:00:00+02:60", "2199-01-31T12:00:00+0200"),
        *("2199-01-31T12:00:00.Z", "2199-01-31T12:00:00,5Z", "2199-01-31T12:00Z"),
        *(" 2199-01-31T12:00:00Z", "2199-01-31T12:00:00Z\n", "2199-01-31T12:00:00Z "),
        *("2199-W05-4T12:00:00Z", "21990131T120000Z", "+2199-01-31T12:00:00Z", "4102444800"),
        *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"),
        *("0001-01-01T00:00:00+00:01", "\uff12199-01-31T12:00:00Z", "2199-01-31T12:00:00\u2212"),
        *(0, 4102444800, 4102444800.5, True, [], {}, ["2199-01-31T12:00:00Z"]),
    ],
)
def test_an_expiry_that_is_no_moment_is_refused(alice: Person, text: Any) -> None:
    """RFC 3339 with an offset, and nothing that a parser would have to guess at."""
    answer = alice.post("/secrets", json={"name": "a", "secret": "x", "expires_at": text})
    assert pointers(answer) == {"#/expires_at"}
    assert refusal(alice.get("/secrets/a")) == ABSENT


# --- expiry: what it does -----------------------------------------------------------------------


def test_a_secret_is_there_until_its_very_moment(
    alice: Person, clock: Callable[[datetime], None]
) -> None:
    """And one microsecond later it is absent, for every call."""
    ends = utcnow() + SOON
    alice.put("/secrets/a", json={"secret": "x", "expires_at": rfc3339(ends)})
    clock(ends - timedelta(microseconds=1))
    assert alice.secret("a") == "x"
    assert [row["name"] for row in listed(alice)] == ["a"]
    tag = alice.get("/secrets/a").headers["ETag"]
    clock(ends)
    for answer in (
        alice.get("/secrets/a"),
        alice.get("/secrets/a?version=1"),
        alice.get("/secrets/a", headers={"If-None-Match": tag}),
        alice.patch("/secrets/a", json={"expires_at": None}),
        alice.delete("/secrets/a"),
    ):
        assert refusal(answer) == ABSENT
    changed = alice.put("/secrets/a", json={"secret": "y"}, headers={"If-Match": tag})
    assert refusal(changed) == (412, "precondition-failed")
    assert listed(alice) == []
    assert [row["name"] for row in listed(alice, deleted="true")] == ["a"]


@pytest.mark.parametrize("how", ["POST", "PUT", "PUT if absent", "PUT bare"])
def test_an_expired_name_begins_again_with_nothing_but_its_numbers(
    alice: Person, clock: Callable[[datetime], None], how: str
) -> None:
    """Otherwise the new value would be born expired, under labels of another life."""
    first = {"secret": "first", "labels": {"env": "prod"}, "expires_at": rfc3339(utcnow() + SOON)}
    alice.put("/secrets/a", json=first)
    clock(utcnow() + SOON)
    answer = {
        "POST": lambda: alice.post("/secrets", json={"name": "a", "secret": "second"}),
        "PUT": lambda: alice.put("/secrets/a", json={"secret": "second"}),
        "PUT if absent": lambda: alice.put(
            "/secrets/a", json={"secret": "second"}, headers={"If-None-Match": "*"}
        ),
        "PUT bare": lambda: alice.put("/secrets/a", data=b"second", content_type="text/plain"),
    }[how]()
    assert answer.status_code == 201
    found = alice.get("/secrets/a").json
    assert found is not None
    assert (found["version"], found["secret"]) == (2, "second")
    assert (found["labels"], found["expires_at"]) == ({}, None)
    assert listed(alice, deleted="true") == []


def test_a_secret_can_be_created_expired(alice: Person) -> None:
    """A moment in the past is a moment: the secret is absent at once, and shown among the gone."""
    for version, past in enumerate(("2001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), start=1):
        body = {"name": "a", "secret": "x", "expires_at": past}
        created = alice.post("/secrets", json=body)
        assert created.status_code == 201
        assert created.json is not None
        assert created.json["version"] == version
        assert refusal(alice.get("/secrets/a")) == ABSENT
        (row,) = listed(alice, deleted="true")
        assert (row["expires_at"], row["deleted_at"]) == (past.replace("Z", ".000000Z"), None)
        assert row["purge_at"] is None


def test_an_expiry_can_be_moved_and_removed_while_there_is_time(
    alice: Person, clock: Callable[[datetime], None]
) -> None:
    """``null`` removes it; a past moment ends the secret now."""
    start = utcnow()
    alice.put("/secrets/a", json={"secret": "x", "expires_at": rfc3339(start + SOON / 2)})
    alice.patch("/secrets/a", json={"expires_at": rfc3339(start + SOON)})
    clock(start + SOON * 0.9)
    assert alice.secret("a") == "x"
    alice.patch("/secrets/a", json={"expires_at": None})
    clock(start + SOON * 1.1)
    assert alice.secret("a") == "x"
    ended = alice.patch("/secrets/a", json={"expires_at": rfc3339(start)})
    assert ended.status_code == 200
    assert refusal(alice.get("/secrets/a")) == ABSENT


def test_deleted_and_expired_show_among_the_gone_and_nowhere_else(
    alice: Person, clock: Callable[[datetime], None]
) -> None:
    """With the dates that say which of the two, and until when a delete can be undone."""
    expiry = rfc3339(utcnow() + SOON)
    for name in ("deleted", "live"):
        alice.put(f"/secrets/{name}", json={"secret": "x"})
    alice.put("/secrets/expired", json={"secret": "x", "expires_at": expiry})
    alice.put("/secrets/both", json={"secret": "x", "expires_at": expiry})
    gone = alice.delete("/secrets/deleted").json
    assert gone is not None
    alice.delete("/secrets/both")
    clock(utcnow() + SOON)
    assert [row["name"] for row in listed(alice)] == ["live"]
    rows = {row["name"]: row for row in listed(alice, deleted="true")}
    assert set(rows) == {"deleted", "expired", "both"}
    assert (rows["deleted"]["deleted_at"], rows["deleted"]["purge_at"]) == (
        gone["deleted_at"],
        gone["purge_at"],
    )
    assert rows["expired"]["deleted_at"] is None
    assert rows["both"]["deleted_at"] is not None
    kept = datetime.fromisoformat(gone["purge_at"][:-1]) - datetime.fromisoformat(
        gone["deleted_at"][:-1]
    )
    assert kept == timedelta(days=30)
