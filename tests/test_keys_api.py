"""A caller's own keys over HTTP: what is told of them, and a new one on demand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models.times import utcnow
from tests.support.people import Person
from tests.support.rotation import assert_sound, seen
from tests.support.shared import module_app, newcomer, pointers, refusal
from utils.rotation import Rotator
from utils.vault import Vault

FIELDS = {"id", "state", "created_at", "retired_at", "destroyed_at", "ciphertexts_remaining"}

shared = module_app()


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account."""
    return newcomer(shared, "ada")


def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    """The person's keys."""
    response = person.get(f"/keys{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json["keys"]  # type: ignore[index]
    return found


def rotated(person: Person) -> dict[str, Any]:
    """Ask for a new key; what is told of it."""
    response = person.post("/keys:rotate")
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json  # type: ignore[assignment]
    return body


def remaining(person: Person) -> list[tuple[str, int]]:
    """State and count of each key, newest first."""
    return [(key["state"], key["ciphertexts_remaining"]) for key in listed(person)]


# --- GET /keys ---------------------------------------------------------------------------------


def test_an_account_begins_with_one_current_key(ada: Person) -> None:
    """All that is told of it, and in which words."""
    (key,) = listed(ada)
    assert set(key) == FIELDS
    assert (key["state"], key["ciphertexts_remaining"]) == ("current", 0)
    assert (key["retired_at"], key["destroyed_at"]) == (None, None)
    made = datetime.fromisoformat(key["created_at"].replace("Z", "+00:00"))
    assert abs((utcnow() - made).total_seconds()) < 60


def test_counts_cover_old_versions_and_deleted_secrets(ada: Person) -> None:
    """Whatever is stored under a key depends on it, whether its owner can see it or not."""
    for value in ("first", "second"):
        ada.put("/secrets/a", json={"secret": value})
    ada.put("/secrets/b", json={"secret": "deleted"})
    ada.delete("/secrets/b")
    ada.put("/secrets/c", json={"secret": "x", "expires_at": "2100-01-01T00:00:00Z"})
    ada.patch("/secrets/c", json={"labels": {"no": "new-value"}})
    assert remaining(ada) == [("current", 4)]
    rotated(ada)
    assert remaining(ada) == [("current", 0), ("retired", 4)]
    ada.put("/secrets/a", json={"secret": "third"})
    assert remaining(ada) == [("current", 1), ("retired", 4)]


def test_pages_are_newest_first_and_whole(ada: Person) -> None:
    """Whatever the page size, and even when a key is made between two pages."""
    order = [listed(ada)[0]["id"]]
    order += [rotated(ada)["id"] for _ in range(4)]
    order.reverse()
    assert [key["id"] for key in listed(ada)] == order
    for limit in (1, 2, 4, 5, 100):
        found, cursor = [], ""
        while True:
            page = ada.get(f"/keys?limit={limit}{cursor}").json
            assert page is not None
            found += [key["id"] for key in page["keys"]]
            assert len(page["keys"]) <= limit
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == order
    first = ada.get("/keys?limit=2").json
    rotated(ada)
    assert first is not None
    assert [key["id"] for key in listed(ada, f"?cursor={first['next_cursor']}")] == order[2:]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=101", "?limit"),
        ("limit=-1", "?limit"),
        ("cursor=1", "?cursor"),
        ("cursor=", "?cursor"),
        ("state=retired", "?"),
    ],
)
def test_queries_out_of_range_are_refused(ada: Person, query: str, pointer: str) -> None:
    """Never ignored."""
    assert pointers(ada.get(f"/keys?{query}")) == {pointer}


def test_nobody_sees_the_keys_of_others(shared: Flask, ada: Person) -> None:
    """Neither in the list nor by a cursor that names one of them."""
    eve = newcomer(shared, "eve")
    rotated(ada)
    (own,) = listed(eve)
    newest = listed(ada)[0]["id"]
    assert own["id"] not in {key["id"] for key in listed(ada)}
    assert pointers(eve.get(f"/keys?cursor={newest}")) == {"?cursor"}
    stranger = Person(shared, "stranger")
    assert refusal(stranger.get("/keys")) == (401, "not-authenticated")
    assert refusal(stranger.post("/keys:rotate")) == (401, "not-authenticated")


def test_nothing_of_a_key_itself_is_ever_shown(vault: Vault, alice: Person) -> None:
    """Wrapped or not, in no state."""
    alice.put("/secrets/a", json={"secret": "value"})
    with vault.db.read() as tx:
        stored = tx.all("SELECT sealed FROM user_key_material")
    answers = [alice.post("/keys:rotate"), alice.get("/keys")]
    with vault.db.read() as tx:
        stored += tx.all("SELECT sealed FROM user_key_material")
    rotator = Rotator(vault.db, vault.master, utcnow())
    rotator.sweep()
    rotator.destroy()
    answers.append(alice.get("/keys"))
    assert [key["state"] for key in answers[-1].json["keys"]] == ["current", "destroyed"]  # type: ignore[index]
    for answer in answers:
        assert not [sealed for (sealed,) in stored if sealed[:24] in answer.text]
        assert vault.master.current not in answer.text
        assert "gAAAA" not in answer.text


# --- POST /keys:rotate -------------------------------------------------------------------------


def test_a_new_key_is_current_at_once(ada: Person) -> None:
    """And everything that is written from then on is under it."""
    (former,) = listed(ada)
    ada.put("/secrets/a", json={"secret": "x"})
    key = rotated(ada)
    assert set(key) == FIELDS
    assert (key["state"], key["ciphertexts_remaining"]) == ("current", 0)
    newest, retired = listed(ada)
    assert newest == key
    assert retired["id"] == former["id"]
    assert retired["created_at"] == former["created_at"]
    assert retired["retired_at"] == key["created_at"]
    assert (retired["state"], retired["destroyed_at"]) == ("retired", None)
    ada.put("/secrets/b", json={"secret": "y"})
    assert remaining(ada) == [("current", 1), ("retired", 1)]


def test_a_clock_that_was_set_back_prevents_no_rotation(vault: Vault, alice: Person) -> None:
    """A key that seems to be made tomorrow is replaced like any other: 202 is a promise."""
    with vault.db.write() as tx:
        tx.run("UPDATE user_keys SET created_at = created_at + 86400000000")
    (former,) = listed(alice)
    assert rotated(alice)["id"] != former["id"]


def test_rotating_takes_no_fields_and_only_post(ada: Person) -> None:
    """What a caller says about it would be ignored, so it is refused."""
    assert pointers(ada.post("/keys:rotate", json={"user": "eve"})) == {"#"}
    assert pointers(ada.post("/keys:rotate?all=true")) == {"?"}
    answer = ada.get("/keys:rotate")
    assert refusal(answer) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert remaining(ada) == [("current", 0)]


def test_a_rotation_is_invisible_to_the_owner(vault: Vault, alice: Person) -> None:
    """Values, versions, tags, labels and times read the same before, after, and after each
    version was read and so re-encrypted."""
    for name, body in (
        ("text", {"secret": "ü\0\n"}),
        ("empty", {"secret": ""}),
        ("bytes", {"secret": "AP8=", "encoding": "base64"}),
        ("labels", {"secret": "x", "labels": {"env": "live"}}),
        ("expires", {"secret": "x", "expires_at": "2100-01-01T00:00:00Z"}),
        ("text", {"secret": "second version"}),
        ("large", {"secret": "x" * 65536}),
    ):
        assert alice.put(f"/secrets/{name}", json=body).status_code < 300
    alice.delete("/secrets/empty")

    def look() -> list[tuple[int, str, str | None]]:
        paths = ["/secrets", "/secrets?deleted=true", "/secrets/empty", "/secrets/text?version=1"]
        paths += [f"/secrets/{name}" for name in ("text", "bytes", "labels", "expires", "large")]
        # Buffered: what happens after an answer was sent has happened then.
        answers: list[TestResponse] = [alice.get(path, buffered=True) for path in paths]
        return [
            (
                answer.status_code,
                answer.text.partition('"request_id"')[0],
                answer.headers.get("ETag"),
            )
            for answer in answers
        ]

    before, stored = look(), seen(assert_sound(vault))
    rotated(alice)
    assert look() == before  # which also moved what was read
    assert remaining(alice) == [("current", 6), ("retired", 1)]
    assert look() == before
    assert seen(assert_sound(vault)) == stored
