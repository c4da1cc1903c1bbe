"""POST /secrets:import: a file in, all or nothing, and what it did or would do with each name."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.api_tokens import machine, missing
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.shared import module_app, newcomer, pointers, refusal

TEXT = "text/plain"
FILE = "# The shop\nexport DB='it''s'\n".replace("''s", "\\'s") + 'PEM="line\nline"\nNEW=$HOME\n'

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


def send(person: Person, file: str | bytes | dict[str, Any], query: str = "") -> TestResponse:
    """Import a .env file, or an object as JSON."""
    path = f"/secrets:import?{query}"
    if isinstance(file, dict):
        return person.post(path, json=file)
    return person.post(path, data=file, content_type=TEXT)


def outcomes(answer: TestResponse) -> dict[str, str]:
    """What became of each name."""
    assert answer.status_code == 200, answer.text
    body: Any = answer.json
    assert set(body) == {"dry_run", "secrets"}
    return {one["name"]: one["outcome"] for one in body["secrets"]}


def content(person: Person) -> Any:
    """Every secret with its version, and its value."""
    listed: Any = person.get("/secrets").json
    return {one["name"]: (one["version"], person.secret(one["name"])) for one in listed["secrets"]}


def details(answer: TestResponse) -> list[str]:
    """What a refusal says of each thing that is wrong."""
    body: Any = answer.json
    return [problem["detail"] for problem in body["errors"]]


# --- what goes in ------------------------------------------------------------------------------


def test_a_env_file_becomes_secrets(alice: Person) -> None:
    """Under the prefix; in the order of the file; and the answer holds no value."""
    answer = send(alice, FILE, "prefix=app/")
    assert list(outcomes(answer).items()) == [
        ("app/DB", "created"),
        ("app/PEM", "created"),
        ("app/NEW", "created"),
    ]
    assert "$HOME" not in answer.text
    assert content(alice) == {
        "app/DB": (1, "it's"),
        "app/NEW": (1, "$HOME"),
        "app/PEM": (1, "line\nline"),
    }


def test_json_becomes_secrets(alice: Person) -> None:
    """An object of texts: what an export as JSON gives, names and all."""
    file = {"app/db-password": "a\r\n\0é", "x": ""}
    assert set(outcomes(send(alice, file)).values()) == {"created"}
    assert alice.get("/secrets:export").json == file
    bob = newcomer(alice.client.application, "bob")
    exported = alice.get("/secrets:export").data
    answer = bob.post("/secrets:import", data=exported, content_type="application/json")
    assert set(outcomes(answer).values()) == {"created"}
    assert content(bob) == content(alice)


@pytest.mark.parametrize("file", ["", "# nothing\n", {}])
def test_a_file_without_entries_does_nothing(alice: Person, file: Any) -> None:
    """And is no mistake."""
    assert outcomes(send(alice, file)) == {}
    assert content(alice) == {}


def test_of_a_name_that_comes_twice_the_last_one_counts(alice: Person) -> None:
    """In a .env file, as for python-dotenv and the shell. JSON with a key twice is malformed."""
    assert outcomes(send(alice, "A=1\nB=1\nA=2\n")) == {"A": "created", "B": "created"}
    assert content(alice) == {"A": (1, "2"), "B": (1, "1")}
    twice = alice.post(
        "/secrets:import", data=b'{"C": "1", "C": "2"}', content_type="application/json"
    )
    assert refusal(twice) == (400, "malformed-request")


# --- names that are taken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "of_taken", "after"),
    [
        ("overwrite", "updated", (2, "new")),
        ("skip", "skipped", (1, "old")),
        ("fail", "conflict", (1, "old")),
    ],
)
@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_name_that_is_taken_fails_is_skipped_or_overwritten(
    alice: Person, mode: str, of_taken: str, after: tuple[int, str], dry_run: str
) -> None:
    """Three modes; a dry run tells the same and does nothing; the same value is left alone."""
    send(alice, {"taken": "old", "same": "same"})
    before = content(alice)
    file = {"new": "new", "taken": "new", "same": "same"}
    answer = send(alice, file, f"on_conflict={mode}&dry_run={dry_run}")
    if mode == "fail" and dry_run == "false":
        assert refusal(answer) == (409, "import-conflict")
        problems: Any = answer.json
        assert problems["errors"] == [{"pointer": "/secrets/taken", "detail": "exists"}]
        assert content(alice) == before
        return
    assert outcomes(answer) == {"new": "created", "taken": of_taken, "same": "unchanged"}
    expected = {"new": (1, "new"), "taken": after, "same": (1, "same")}
    assert content(alice) == (before if dry_run == "true" else expected)


def test_an_import_fails_by_default_where_it_would_overwrite(alice: Person) -> None:
    """Nobody loses a value by forgetting a parameter. The same file twice is no conflict."""
    send(alice, {"a": "old"})
    assert refusal(send(alice, {"a": "new", "b": "new"})) == (409, "import-conflict")
    assert outcomes(send(alice, {"a": "old"})) == {"a": "unchanged"}
    assert content(alice) == {"a": (1, "old")}


def test_what_an_import_does_not_mention_stays(alice: Person) -> None:
    """Labels and expiry of a secret that is overwritten, as with PUT; and other secrets."""
    sent = {"secret": "old", "labels": {"env": "live"}, "expires_at": "2100-01-01T00:00:00Z"}
    alice.put("/secrets/a", json=sent)
    alice.put("/secrets/other", json={"secret": "x"})
    tag = alice.get("/secrets/a").headers["ETag"]
    assert outcomes(send(alice, "a=new", "on_conflict=overwrite")) == {"a": "updated"}
    found: Any = alice.get("/secrets/a")
    assert found.json["labels"] == {"env": "live"}
    assert found.json["expires_at"] == "2100-01-01T00:00:00.000000Z"
    assert found.headers["ETag"] != tag
    assert alice.secret("other") == "x"


def test_a_deleted_name_is_free_and_its_numbers_go_on(alice: Person) -> None:
    """As for any creation."""
    alice.put("/secrets/a", json={"secret": "old"})
    alice.delete("/secrets/a")
    assert outcomes(send(alice, "a=old")) == {"a": "created"}
    assert content(alice) == {"a": (2, "old")}


def test_bytes_that_are_the_same_are_unchanged(alice: Person) -> None:
    """And stay bytes."""
    alice.put("/secrets/a", data=b"same", content_type="application/octet-stream")
    assert outcomes(send(alice, "a=same", "on_conflict=overwrite")) == {"a": "unchanged"}
    found: Any = alice.get("/secrets/a").json
    assert (found["version"], found["encoding"]) == (1, "base64")


def test_of_many_imports_at_once_one_wins_whole(app: Flask, alice: Person) -> None:
    """The others find its names taken; no name is from one file and the next from another."""
    clients = [Person(app, alice.username) for _ in range(4)]
    assert {client.login().status_code for client in clients} == {200}
    files = [{f"n{number}": f"of {who}" for number in range(20)} for who in range(4)]
    answers = at_once(
        [partial(send, client, file) for client, file in zip(clients, files, strict=True)]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    winner = next(file for file, a in zip(files, answers, strict=True) if a.status_code == 200)
    assert content(alice) == {name: (1, value) for name, value in winner.items()}


# --- what is refused ---------------------------------------------------------------------------


def test_lines_that_do_not_parse_are_told_by_number(alice: Person) -> None:
    """All of them, for programs (RFC 5147) and for people, and nothing of what they hold."""
    answer = send(alice, 'GOOD=1\ncanary words\n\nOPEN="canary\n')
    assert pointers(answer) == {"#line=1,2", "#line=3,4"}
    assert details(answer) == [
        "line 2: must be NAME=value; or a quote is not closed",
        "line 4: must be NAME=value; or a quote is not closed",
    ]
    assert "canary" not in answer.text
    assert content(alice) == {}


def test_names_that_cannot_be_are_told_by_place(alice: Person) -> None:
    """With the prefix: a name that is too long, or has a character that no name has."""
    answer = send(alice, "GOOD=1\ncan$ary=1\n")
    assert pointers(answer) == {"#line=1,2"}
    answer = send(alice, {"a": "1", "canary/": "1", "canary//": "1"}, "prefix=app/")
    assert [detail[:8] for detail in details(answer)] == ["entry 2:", "entry 3:"]
    assert "canary" not in answer.text
    assert pointers(send(alice, "AB=1", "prefix=" + "x" * 254)) == {"#line=0,1"}
    assert content(alice) == {}


@pytest.mark.parametrize(
    "file", [b"[]", b'"text"', b"null", b'{"a": 1}', b'{"a": null}', b'{"a": {"b": "c"}}']
)
def test_json_that_is_no_object_of_texts_is_refused(alice: Person, file: bytes) -> None:
    """A number is not turned into text: it would come back as something else."""
    answer = alice.post("/secrets:import", data=file, content_type="application/json")
    assert pointers(answer) == {"#"}
    assert content(alice) == {}


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"A=\xff", TEXT, 400),
        (b"A=1", f"{TEXT}; charset=latin-1", 415),
        (b"A=1", "application/octet-stream", 415),
        (b"A=1", "application/x-www-form-urlencoded", 415),
        (b"A=1", None, 415),
        (b"{", "application/json", 400),
    ],
)
def test_other_bodies_are_refused(
    alice: Person, data: bytes, content_type: str | None, status: int
) -> None:
    """Two types, in UTF-8."""
    answer = alice.post("/secrets:import", data=data, content_type=content_type)
    assert refusal(answer)[0] == status
    assert content(alice) == {}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("prefix=/", "?prefix"),
        ("prefix=a//", "?prefix"),
        ("prefix=" + "x" * 255, "?prefix"),
        ("on_conflict=ask", "?on_conflict"),
        ("dry_run=yes", "?dry_run"),
        ("format=dotenv", "?"),
    ],
)
def test_what_an_import_does_not_take_is_refused(alice: Person, query: str, wrong: str) -> None:
    """A dry run that is misspelt must not become a real one."""
    assert pointers(send(alice, "A=1", query)) == {wrong}
    assert content(alice) == {}


def test_an_import_has_a_largest_number_of_entries(alice: Person) -> None:
    """1,000 go in, at once; one more is refused."""
    file = {f"n{number}": "x" for number in range(1_001)}
    assert pointers(send(alice, file)) == {"#"}
    del file["n1000"]
    assert set(outcomes(send(alice, file)).values()) == {"created"}
    assert len(alice.get("/secrets:export").json or {}) == 1_000


def test_a_value_over_the_limit_is_refused_with_its_line(alice: Person) -> None:
    """413, as elsewhere; nothing of the file is kept."""
    answer = send(alice, "A=1\nB=" + "x" * 65_537)
    assert refusal(answer) == (413, "too-large")
    assert "line 2" in answer.text
    assert content(alice) == {}
    assert outcomes(send(alice, "B=" + "x" * 65_536)) == {"B": "created"}


# --- who may -----------------------------------------------------------------------------------


@pytest.mark.invariant(number=8)
def test_a_token_must_reach_every_name(alice: Person) -> None:
    """One beyond its prefixes, and nothing happens; whether it is there is not told."""
    writer = machine(alice, scopes=["write"], prefixes=["app/"])
    for dry_run in ("true", "false"):
        answer = send(writer, {"app/a": "1", "other/b": "1"}, f"dry_run={dry_run}")
        assert "prefixes" in missing(answer)
    assert content(alice) == {}
    assert outcomes(send(writer, "a=1", "prefix=app/")) == {"app/a": "created"}
    reader = machine(alice, "reader", scopes=["read"])
    assert "`write`" in missing(send(reader, "a=1", "dry_run=true"))


@pytest.mark.parametrize("mode", ["overwrite", "skip", "fail"])
def test_whoever_can_only_write_cannot_try_out_values(alice: Person, mode: str) -> None:
    """A right guess and a wrong one are answered alike; with ``read`` they need not be."""
    send(alice, {"pin": "1234"})
    writer = machine(alice, "writer", scopes=["write"])
    answers = [
        send(writer, {"pin": guess}, f"dry_run=true&on_conflict={mode}") for guess in ("1234", "0")
    ]
    assert outcomes(answers[0]) == outcomes(answers[1]) != {"pin": "unchanged"}
    both = machine(alice, "both", scopes=["read", "write"])
    assert outcomes(send(both, {"pin": "1234"}, "dry_run=true")) == {"pin": "unchanged"}
    real = [send(writer, {"pin": guess}) for guess in ("1234", "0")]
    assert [refusal(answer) for answer in real] == [(409, "import-conflict")] * 2


def test_a_version_says_which_token_imported_it(alice: Person) -> None:
    """Nobody else sees it, and it is the importer's own."""
    send(machine(alice, "mover"), {"a": "1"})
    bob = newcomer(alice.client.application, "bob")
    assert outcomes(send(bob, {"a": "2"})) == {"a": "created"}
    assert (alice.secret("a"), bob.secret("a")) == ("1", "2")
