"""GET /secrets:export: which secrets, in which form, for whom, and how much at most."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models.rows import SecretQuery, UserId
from models.times import rfc3339
from routes.context import vault_of
from tests.support.api_tokens import machine
from tests.support.env_files import read_by_bash
from tests.support.people import Person
from tests.support.shared import module_app, newcomer, pointers, refusal
from utils.db import Row, Tx
from utils.store import exports

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with three secrets, one of them labelled."""
    someone = newcomer(app, "alice")
    for name, value in (("app/db", "it's"), ("app/key", "two\nlines"), ("other", "x")):
        labels = {"env": "live"} if name == "app/db" else {}
        sent = {"secret": value, "labels": labels}
        assert someone.put(f"/secrets/{name}", json=sent).status_code == 201
    return someone


def export(person: Person, query: str = "") -> TestResponse:
    """The answer to an export."""
    return person.get(f"/secrets:export?{query}")


def reasons(answer: TestResponse) -> dict[str, str]:
    """Which secrets are in the way of an export, and why."""
    assert refusal(answer) == (409, "not-exportable")
    body: Any = answer.json
    return {problem["pointer"]: problem["detail"] for problem in body["errors"]}


def test_json_is_the_default_and_has_the_secrets_own_names(alice: Person) -> None:
    """Whole, whatever the prefix: so an import gives the same secrets again."""
    answer = export(alice)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {"app/db": "it's", "app/key": "two\nlines", "other": "x"}
    assert export(alice, "prefix=app/").json == {"app/db": "it's", "app/key": "two\nlines"}
    assert list(json.loads(answer.data)) == ["app/db", "app/key", "other"]


@pytest.mark.parametrize("form", ["shell", "dotenv", "docker"])
def test_a_file_of_variables_is_plain_text(alice: Person, form: str) -> None:
    """In UTF-8, and the folder of the prefix is cut off the names."""
    answer = export(alice, f"prefix=app/d&format={form}")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert "db=" in answer.text
    assert "key" not in answer.text


def test_bash_loads_what_was_exported(alice: Person, tmp_path: Path) -> None:
    """From the answer as it comes over the wire."""
    (tmp_path / "file").write_bytes(export(alice, "prefix=app/&format=shell").data)
    assert read_by_bash(tmp_path / "file") == {"db": "it's", "key": "two\nlines"}


def test_a_label_narrows_an_export(alice: Person) -> None:
    """As it does a list."""
    assert export(alice, "label=env:live").json == {"app/db": "it's"}
    assert export(alice, "label=env:test").json == {}
    assert export(alice, "label=env:live&prefix=other").json == {}


def test_only_the_newest_value_of_what_is_live_is_exported(alice: Person, now: datetime) -> None:
    """Not older versions, nothing deleted, nothing expired."""
    alice.put("/secrets/other", json={"secret": "newer"})
    alice.delete("/secrets/app/db")
    past = rfc3339(now - timedelta(hours=1))
    alice.patch("/secrets/app/key", json={"expires_at": past})
    assert export(alice).json == {"other": "newer"}


@pytest.mark.invariant(number=8)
def test_nobody_exports_what_is_somebody_elses(app: Flask, alice: Person) -> None:
    """Nor learns that it is there."""
    bob = newcomer(app, "bob")
    assert export(bob).json == {}
    assert export(bob, "prefix=app/&format=dotenv").data == b""
    assert refusal(export(Person(app, "stranger"))) == (401, "not-authenticated")


def test_a_token_exports_what_its_prefixes_and_scope_reach(alice: Person) -> None:
    """And no more, whatever it asks for."""
    reader = machine(alice, "reader", scopes=["read"], prefixes=["app/d", "oth", "other", "no"])
    assert export(reader).json == {"app/db": "it's", "other": "x"}
    assert export(reader, "prefix=app/").json == {"app/db": "it's"}
    assert export(reader, "prefix=app/k").json == {}
    writer = machine(alice, "writer", scopes=["write"])
    assert refusal(export(writer)) == (403, "missing-power")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("format=yaml", "?format"),
        ("format=", "?format"),
        ("prefix=:", "?prefix"),
        ("label=env", "?label"),
        ("limit=1", "?"),
        ("format=json&format=json", "?"),
    ],
)
def test_what_an_export_does_not_take_is_refused(alice: Person, query: str, wrong: str) -> None:
    """Never ignored."""
    assert pointers(export(alice, query)) == {wrong}


def test_secrets_that_do_not_fit_are_named_all_at_once(alice: Person) -> None:
    """With the reason, and nothing of their values; in the other formats they are no obstacle."""
    alice.put("/secrets/app/raw", data=b"\xffcanary", content_type="application/octet-stream")
    alice.put("/secrets/app/path", json={"secret": "canary"})
    alice.put("/secrets/app/a-b", json={"secret": "canary"})
    alice.put("/secrets/app/a.b", json={"secret": "canary"})
    alice.put("/secrets/app/ps-4", json={"secret": "fine"})
    alice.put("/secrets/app/ld-preload", json={"secret": "canary"})
    answer = export(alice, "prefix=app/&format=docker")
    assert reasons(answer) == {
        "/secrets/app/key": "has more than one line, and Docker's files have one for each variable",
        "/secrets/app/raw": (
            "is bytes that are not UTF-8; read it by itself, as application/octet-stream"
        ),
        "/secrets/app/ld-preload": (
            "would set LD_PRELOAD, which steers the shell or the loader; move the secret"
        ),
        "/secrets/app/a.b": "becomes the variable A_B, as app/a-b does",
    }
    assert "canary" not in answer.text
    assert set(reasons(export(alice))) == {"/secrets/app/raw"}


def test_bytes_that_are_text_are_exported_as_text(alice: Person) -> None:
    """A certificate that ``curl -T`` stored as bytes is text to whoever reads the file."""
    alice.put("/secrets/cert", data="é\n".encode(), content_type="application/octet-stream")
    assert export(alice, "prefix=cert").json == {"cert": "é\n"}


def test_an_export_has_a_largest_number_of_secrets(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused whole, with the way out; never cut."""
    monkeypatch.setattr(exports, "MAX_SECRETS", 2)
    assert pointers(export(alice)) == {"?prefix"}
    assert len(export(alice, "prefix=app/").json or {}) == 2
    reader = machine(alice, "reader", scopes=["read"], prefixes=["app/", "other"])
    assert pointers(export(reader)) == {"?prefix"}


@pytest.mark.parametrize("limit", ["MAX_BYTES", "_MAX_STORED"])
def test_an_export_has_a_largest_size(
    alice: Person, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Of all values together; roughly before anything is decrypted, and exactly after that."""
    room = 13 if limit == "MAX_BYTES" else 600  # it's, two lines: 13 bytes
    monkeypatch.setattr(exports, limit, room)
    assert len(export(alice, "prefix=app/").json or {}) == 2
    alice.put("/secrets/app/more", json={"secret": "x" * (room - 12)})
    answer = export(alice, "prefix=app/")
    assert pointers(answer) == {"?prefix"}
    assert "must be narrower" in answer.text


def test_a_full_export_is_within_the_bound_on_what_is_stored() -> None:
    """Values of the largest size allowed never fall to the rough limit before the exact one."""
    assert exports.MAX_SECRETS == 1_000
    assert exports._MAX_STORED > exports.MAX_BYTES * 4 / 3 + exports.MAX_SECRETS * 250


class Noting:
    """A transaction that notes what is asked of it."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.asked: list[str] = []

    def all(self, sql: str, *parameters: object) -> list[Row]:
        """See :meth:`Tx.all`."""
        self.asked.append(sql)
        return self._tx.all(sql, *parameters)


@pytest.mark.parametrize("count", [0, 3, 40])
def test_the_number_of_statements_does_not_grow_with_the_secrets(
    app: Flask, alice: Person, now: datetime, count: int
) -> None:
    """Two for each prefix that the caller is limited to, or two."""
    for number in range(count):
        alice.put(f"/secrets/many/{number}", json={"secret": "x"})
    vault = vault_of(app)
    with vault.db.read() as tx:
        row = tx.one("SELECT id FROM users WHERE username = ?", alice.username)
        assert row is not None
        noting, query = Noting(tx), SecretQuery(prefixes=("many/",))
        found = exports.export(
            cast(Tx, noting), vault.master, UserId(row[0]), query, now + timedelta(seconds=1)
        )
    assert len(found) == count
    assert len(noting.asked) == 2


def test_reading_many_moves_them_to_the_current_key(alice: Person) -> None:
    """As reading one does: after a rotation, what was exported needs no old key any more."""
    alice.post("/keys:rotate")

    def needing_the_old_key() -> list[int]:
        keys: Any = alice.get("/keys").json
        return [key["ciphertexts_remaining"] for key in keys["keys"] if key["state"] == "retired"]

    assert needing_the_old_key() == [3]
    assert len(alice.get("/secrets:export", buffered=True).json or {}) == 3
    assert needing_the_old_key() == [0]
