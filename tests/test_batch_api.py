"""Batches over HTTP: many secrets in one request, read each for itself, written all or none."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask import Flask

from tests.support.api_tokens import machine
from tests.support.batches import get_batch, numbered, write_batch
from tests.support.people import Person
from tests.support.shared import indistinct, module_app, newcomer, pointers, refusal

PAST, FAR = "2001-01-01T00:00:00Z", "2199-12-31T23:59:59.000000Z"
TYPE = "urn:secrets-manager:problem:"

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with two secrets."""
    someone = newcomer(app, "alice")
    someone.put("/secrets/app/a", json={"secret": "one", "labels": {"k": "v"}, "expires_at": FAR})
    someone.put("/secrets/app/b", data=b"\x00\xff", content_type="application/octet-stream")
    return someone


def everything(person: Person) -> dict[str, Any]:
    """Every secret with its metadata, by name; and those that are gone."""
    found: dict[str, Any] = {}
    for query in ("", "&deleted=true"):
        listed = person.get(f"/secrets?limit=100{query}").json
        assert listed is not None
        found |= {row["name"]: row for row in listed["secrets"]}
    return found


# --- batchGet ----------------------------------------------------------------------------------


def test_a_batch_reads_what_a_get_reads(alice: Person) -> None:
    """Text as text and bytes as base64, the newest version, with all that a GET tells; in the order
    that was asked for."""
    alice.patch("/secrets/app/a", json={"secret": "two"})
    found = get_batch(alice, "app/b", "app/a")
    assert found["secrets"] == [alice.get("/secrets/app/b").json, alice.get("/secrets/app/a").json]
    assert found["errors"] == []


def test_a_missing_name_does_not_fail_the_rest(app: Flask, alice: Person) -> None:
    """Absent, deleted, expired, impossible and somebody else's: each an error of its own, and all
    the same one."""
    alice.put("/secrets/deleted", json={"secret": "canary"})
    alice.delete("/secrets/deleted")
    alice.put("/secrets/expired", json={"secret": "canary", "expires_at": PAST})
    newcomer(app, "bob").put("/secrets/bobs", json={"secret": "canary"})
    gone = ["absent", "deleted", "expired", "bobs", "a//b", "..", "", "\x00", "x" * 300, "é"]
    found = get_batch(alice, *gone[:5], "app/a", *gone[5:])
    assert [secret["name"] for secret in found["secrets"]] == ["app/a"]
    assert [error.pop("name") for error in found["errors"]] == gone
    single = alice.get("/secrets/absent").json
    assert single is not None
    assert found["errors"] == [{name: single[name] for name in ("type", "status", "detail")}] * 10


def test_a_batch_takes_a_hundred_names_and_refuses_more(alice: Person) -> None:
    """One to a hundred, each once, and each a text."""
    assert len(get_batch(alice, *(f"n{i}" for i in range(100)))["errors"]) == 100
    for names in ([], [f"n{i}" for i in range(101)], ["a", "b", "a"], ["a", 1], ["a", None], "a"):
        refused = alice.post("/secrets:batchGet", json={"names": names})
        assert pointers(refused) == {"#/names"}
    assert pointers(alice.post("/secrets:batchGet", json={})) == {"#/names"}
    assert pointers(alice.post("/secrets:batchGet?names=a", json={"names": ["a"]})) == {"?"}


def test_a_repeated_name_is_told_by_its_place(alice: Person) -> None:
    """Never by what was sent."""
    refused = alice.post("/secrets:batchGet", json={"names": ["a", "canary", "canary"]})
    assert pointers(refused) == {"#/names"}
    assert "entry 2" in refused.text
    assert "canary" not in refused.text


@pytest.mark.invariant(number=8)
def test_a_token_reads_the_names_it_reaches(alice: Person) -> None:
    """Of the others it learns nothing: there or not, possible or not, the error is the same."""
    alice.put("/secrets/other/there", json={"secret": "canary"})
    job = machine(alice, scopes=["read"], prefixes=["app/"])
    beyond = ["other/there", "other/absent", "a//b", "App/a"]
    found = get_batch(job, beyond[0], "app/a", "app/absent", *beyond[1:])
    assert [secret["name"] for secret in found["secrets"]] == ["app/a"]
    errors = {error.pop("name"): error for error in found["errors"]}
    assert errors.pop("app/absent")["status"] == 404
    assert list(errors) == beyond
    assert [error["status"] for error in errors.values()] == [403] * 4
    assert {error["type"] for error in errors.values()} == {TYPE + "missing-power"}
    assert len({error["detail"] for error in errors.values()}) == 1


# --- batchWrite --------------------------------------------------------------------------------


def test_a_batch_writes_what_puts_write(alice: Person) -> None:
    """New ones and others, text and bytes; labels and expiry that are not mentioned stay, and null
    removes an expiry. The answer is metadata in the order of the writes, and never a value."""
    raw = base64.b64encode(b"\xff\x00").decode()
    answer = write_batch(
        alice,
        {"name": "new", "secret": "canary", "labels": {"x": "y"}, "expires_at": FAR},
        {"name": "app/a", "secret": "canary"},
        {"name": "app/b", "secret": raw, "encoding": "base64", "labels": {}, "expires_at": None},
    )
    assert answer.status_code == 200, answer.text
    assert "canary" not in answer.text
    assert answer.json is not None
    told = answer.json["secrets"]
    assert told == [everything(alice)[name] for name in ("new", "app/a", "app/b")]
    assert [(row["version"], row["labels"], row["expires_at"]) for row in told] == [
        (1, {"x": "y"}, FAR),
        (2, {"k": "v"}, FAR),
        (2, {}, None),
    ]
    assert [s["secret"] for s in get_batch(alice, "new", "app/a", "app/b")["secrets"]] == [
        *("canary", "canary", raw)
    ]
    assert alice.get("/secrets/app/a?version=1").json["secret"] == "one"  # type: ignore[index]


def test_a_deleted_or_expired_name_begins_anew(alice: Person) -> None:
    """As with a PUT: its numbers go on, its labels and its end do not."""
    alice.delete("/secrets/app/a")
    fields = {"secret": "x", "labels": {"k": "v"}, "expires_at": PAST}
    alice.put("/secrets/expired", json=fields)
    answer = write_batch(
        alice, *({"name": n, "secret": "y", "if_version": 0} for n in ("app/a", "expired"))
    )
    assert answer.status_code == 200, answer.text
    for name in ("app/a", "expired"):
        row = everything(alice)[name]
        assert (row["version"], row["labels"], row["expires_at"]) == (2, {}, None)
        assert (row["deleted_at"], row["purge_at"]) == (None, None)
        assert alice.secret(name) == "y"


def test_each_write_changes_the_tag(alice: Person) -> None:
    """A compare-and-set by ETag sees what a batch did."""
    tag = alice.get("/secrets/app/a").headers["ETag"]
    write_batch(alice, "app/a")
    late = alice.put("/secrets/app/a", json={"secret": "x"}, headers={"If-Match": tag})
    assert refusal(late) == (412, "precondition-failed")


def test_a_version_that_is_not_the_newest_fails_all(alice: Person) -> None:
    """Each such write is pointed to, the others are not, and nothing is written."""
    alice.patch("/secrets/app/b", json={"secret": "two"})
    alice.put("/secrets/gone", json={"secret": "x"})
    alice.delete("/secrets/gone")
    before = everything(alice)
    answer = write_batch(
        alice,
        {"name": "app/a", "secret": "x", "if_version": 1},
        {"name": "app/b", "secret": "x", "if_version": 1},
        {"name": "new", "secret": "x", "if_version": 0},
        {"name": "app/absent", "secret": "x", "if_version": 1},
        {"name": "gone", "secret": "x", "if_version": 1},
        "free",
    )
    assert refusal(answer) == (412, "precondition-failed")
    assert answer.json is not None
    wrong = [error["pointer"] for error in answer.json["errors"]]
    assert wrong == ["#/writes/1", "#/writes/3", "#/writes/4"]
    assert everything(alice) == before
    exists = write_batch(alice, {"name": "app/a", "secret": "x", "if_version": 0})
    assert refusal(exists) == (412, "precondition-failed")


def test_the_newest_version_lets_all_pass(alice: Person) -> None:
    """0 where there is none, and null insists on nothing."""
    answer = write_batch(
        alice,
        {"name": "app/a", "secret": "x", "if_version": 1},
        {"name": "new", "secret": "x", "if_version": 0},
        {"name": "app/b", "secret": "x", "if_version": None},
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("write", "pointer"),
    [
        ({"secret": "x"}, "#/writes/1/name"),
        ({"name": "a"}, "#/writes/1/secret"),
        ({"name": "a//b", "secret": "x"}, "#/writes/1/name"),
        ({"name": "a", "secret": None}, "#/writes/1/secret"),
        ({"name": "a", "secret": "!", "encoding": "base64"}, "#/writes/1/secret"),
        ({"name": "a", "secret": "x" * 65_537}, "#/writes/1/secret"),
        ({"name": "a", "secret": "x", "encoding": "hex"}, "#/writes/1/encoding"),
        ({"name": "a", "secret": "x", "labels": {"canary": 1}}, "#/writes/1/labels"),
        ({"name": "a", "secret": "x", "labels": {"canary!": ""}}, "#/writes/1/labels"),
        ({"name": "a", "secret": "x", "expires_at": "soon"}, "#/writes/1/expires_at"),
        ({"name": "a", "secret": "x", "if_version": -1}, "#/writes/1/if_version"),
        ({"name": "a", "secret": "x", "if_version": "1"}, "#/writes/1/if_version"),
        ({"name": "a", "secret": "x", "if_version": True}, "#/writes/1/if_version"),
        ({"name": "a", "secret": "x", "canary": 1}, "#/writes/1"),
        ({"name": "first", "secret": "x"}, "#/writes"),
        ("canary", "#/writes/1"),
        (None, "#/writes/1"),
    ],
)
def test_a_field_that_is_not_valid_is_pointed_to(alice: Person, write: Any, pointer: str) -> None:
    """Down to the field of the write, and without a word of what was sent; nothing is written."""
    before = everything(alice)
    body = {"writes": [{"name": "first", "secret": "x"}, write]}
    refused = alice.post("/secrets:batchWrite", json=body)
    assert pointers(refused) == {pointer}
    assert "canary" not in refused.text
    assert everything(alice) == before


def test_several_fields_are_pointed_to_at_once(alice: Person) -> None:
    """Whoever sends a hundred mends them in one go."""
    body = [{"name": "", "secret": 1}, {"name": "a", "secret": "x"}, {"secret": "x", "bogus": 1}]
    refused = alice.post("/secrets:batchWrite", json={"writes": body})
    assert pointers(refused) == {
        *("#/writes/0/name", "#/writes/0/secret", "#/writes/2/name", "#/writes/2")
    }


@pytest.mark.parametrize("writes", [[], numbered(101), {}, None, "canary"], ids=type)
def test_a_batch_of_writes_has_one_to_a_hundred(alice: Person, writes: Any) -> None:
    """And nothing else in their place."""
    refused = alice.post("/secrets:batchWrite", json={"writes": writes})
    assert pointers(refused) == {"#/writes"}


def test_a_hundred_are_written_and_read(alice: Person) -> None:
    """Each name gets its own value, also where half of them were there before."""
    for expected in (1, 2):
        assert write_batch(alice, *numbered(50)).status_code == 200
        found = get_batch(alice, *(one["name"] for one in numbered(100)))
        assert [s["secret"] for s in found["secrets"]] == [w["secret"] for w in numbered(50)]
        assert {s["version"] for s in found["secrets"]} == {expected}
    answer = write_batch(alice, *reversed(numbered(100)))
    assert answer.status_code == 200, answer.text
    found = get_batch(alice, *(one["name"] for one in numbered(100)))
    assert [s["secret"] for s in found["secrets"]] == [w["secret"] for w in numbered(100)]
    assert [s["version"] for s in found["secrets"]] == [3] * 50 + [1] * 50


def test_a_batch_that_is_larger_than_a_body_is_refused_whole(alice: Person) -> None:
    """The limit of a body holds, whatever is in it."""
    before = everything(alice)
    answer = write_batch(
        alice,
        *numbered(9, labels={"k": "v"}),
        *({"name": f"large/{i}", "secret": "x" * 65_536} for i in range(8)),
    )
    assert refusal(answer) == (413, "too-large")
    assert everything(alice) == before


@pytest.mark.invariant(number=8)
def test_a_token_has_to_reach_every_name(alice: Person) -> None:
    """One that it does not reach refuses all, before anything is looked up: the answer is the same
    whether it is there."""
    alice.put("/secrets/other/there", json={"secret": "canary"})
    job = machine(alice, scopes=["write"], prefixes=["app/"])
    before = everything(alice)
    answers = [
        write_batch(job, "app/a", {"name": f"other/{name}", "secret": "x", "if_version": 0})
        for name in ("there", "absent")
    ]
    assert refusal(answers[0]) == (403, "missing-power")
    assert indistinct(answers[0]) == indistinct(answers[1])
    assert everything(alice) == before
    assert write_batch(job, "app/a", "app/new").status_code == 200
    assert "value" not in write_batch(job, "app/a").text


def test_what_others_have_is_not_in_the_way(app: Flask, alice: Person) -> None:
    """Names are everybody's own: another's is neither changed nor a reason to refuse."""
    bob = newcomer(app, "bob")
    assert write_batch(bob, {"name": "app/a", "secret": "bobs", "if_version": 0}).status_code == 200
    assert (alice.secret("app/a"), bob.secret("app/a")) == ("one", "bobs")
