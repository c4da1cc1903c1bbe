"""Representations of a secret: which form a caller gets, and when nothing needs to be sent."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.support.people import Person
from tests.support.shared import module_app, newcomer, refusal

JSON, TEXT, BYTES = "application/json", "text/plain; charset=utf-8", "application/octet-stream"

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, who keeps one text under the name a."""
    someone = newcomer(app, "alice")
    assert someone.put("/secrets/a", json={"secret": "hunter2"}).status_code == 201
    return someone


# --- Accept -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*", JSON),
        ("application/json, text/plain", JSON),
        ("application/json, text/javascript, */*; q=0.01", JSON),
        ("text/html, application/json;q=0.9, */*;q=0.8", JSON),
        ("application/json; charset=utf-8", JSON),
        ("application/json;charset=UTF-8, */*;q=0.1", JSON),
        ("text/html;q=nonsense", JSON),
        ("text/plain", TEXT),
        ("TEXT/Plain", TEXT),
        ("text/*", TEXT),
        ("text/plain; charset=utf-8", TEXT),
        ("text/plain, */*;q=0.1", TEXT),
        ("text/plain;q=0.5, application/json;q=0.4", TEXT),
        ("application/json;q=0, */*", TEXT),
        ("application/octet-stream", BYTES),
        ("application/octet-stream, application/json;q=0.9", BYTES),
        ("nonsense, text/plain", TEXT),
    ],
)
def test_a_caller_gets_the_form_it_prefers(
    alice: Person, accept: str | None, content_type: str
) -> None:
    """JSON unless something else is asked for; the bare value is the value and nothing around."""
    answer = alice.get("/secrets/a", headers={} if accept is None else {"Accept": accept})
    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert answer.headers["Vary"] == "Accept, Authorization, Cookie"
    if content_type != JSON:
        assert answer.data == b"hunter2"


UNACCEPTABLE = (
    *("text/html", "image/*", "application/problem+json", "application/xml", "nonsense"),
    *("text/plain;q=0", "*/*;q=0", "application/json;q=0, text/plain;q=0"),
)


@pytest.mark.parametrize("accept", UNACCEPTABLE)
def test_a_form_that_does_not_exist_is_406(alice: Person, accept: str) -> None:
    """With a problem in the one form that problems have."""
    answer = alice.get("/secrets/a", headers={"Accept": accept})
    assert refusal(answer) == (406, "not-acceptable")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/account", None),
        ("GET", "/secrets", None),
        ("POST", "/secrets", {"name": "b", "secret": "x"}),
        ("PUT", "/secrets/a", {"secret": "x"}),
        ("PATCH", "/secrets/a", {"secret": "x"}),
        ("DELETE", "/secrets/a", None),
        ("POST", "/logout", None),
    ],
)
def test_whoever_cannot_read_the_answer_changes_nothing(
    alice: Person, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """All other calls answer with JSON only, and find that out before they act."""
    answer = alice.request(method, path, json=body, headers={"Accept": "text/plain"})
    assert refusal(answer) == (406, "not-acceptable")
    assert alice.secret("a") == "hunter2"
    assert alice.get("/secrets/b").status_code == 404


def test_a_head_is_a_get_without_the_body(alice: Person) -> None:
    """The same status and headers, for what exists and what does not."""
    for path in ("/secrets/a", "/secrets/absent", "/secrets", "/account", "/nowhere"):
        get, head = alice.get(path), alice.request("HEAD", path)
        assert (head.status_code, head.data) == (get.status_code, b"")
        for answer in (get, head):
            del answer.headers["X-Request-ID"]
        assert dict(head.headers) == dict(get.headers)


# --- If-None-Match ------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize(
    "header", ["{tag}", "W/{tag}", '"other", {tag}', '{tag},W/"x"', "*", " {tag} "]
)
def test_a_known_state_is_not_sent_again(alice: Person, accept: str, header: str) -> None:
    """304 without a value, for a script that polls."""
    first = alice.get("/secrets/a", headers={"Accept": accept})
    sent = {"Accept": accept, "If-None-Match": header.format(tag=first.headers["ETag"])}
    again = alice.get("/secrets/a", headers=sent)
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control", "X-Content-Type-Options"):
        assert again.headers[name] == first.headers[name]
    assert "X-Request-ID" in again.headers
    alice.patch("/secrets/a", json={"labels": {"env": "prod"}})
    if header != "*":
        assert alice.get("/secrets/a", headers=sent).status_code == 200


@pytest.mark.parametrize("header", ['"other"', "", '""', "nonsense", '"unclosed', ",", '"*"'])
def test_any_other_state_is_sent(alice: Person, header: str) -> None:
    """Also where the header says nothing sensible: reading is always allowed."""
    answer = alice.get("/secrets/a", headers={"If-None-Match": header})
    assert (answer.status_code, answer.json and answer.json["secret"]) == (200, "hunter2")


def test_the_bare_value_and_the_json_are_two_states(alice: Person) -> None:
    """A strong tag names bytes, and theirs differ; both serve as If-Match."""
    text = {"Accept": "text/plain"}
    json, bare = alice.get("/secrets/a"), alice.get("/secrets/a", headers=text)
    tags = [answer.headers["ETag"] for answer in (json, bare)]
    assert tags[0] != tags[1]
    assert alice.get("/secrets/a", headers={**text, "If-None-Match": tags[0]}).status_code == 200
    assert alice.get("/secrets/a", headers={"If-None-Match": tags[1]}).status_code == 200
    for tag in tags:
        changed = alice.put("/secrets/a", json={"secret": "x"}, headers={"If-None-Match": tag})
        assert refusal(changed) == (412, "precondition-failed")
    changed = alice.put("/secrets/a", json={"secret": "x"}, headers={"If-Match": tags[1]})
    assert changed.status_code == 200


def test_every_change_makes_a_tag_that_never_was(alice: Person) -> None:
    """Of the value (also to the same one), the labels or the expiry; a mere read does not."""
    tags = [alice.get("/secrets/a").headers["ETag"]]
    changes: list[dict[str, Any]] = [
        *({"secret": "new"}, {"secret": "new"}, {"secret": "hunter2"}),
        *({"labels": {"a": "b"}}, {"labels": {}}, {"expires_at": "2199-01-01T00:00:00Z"}),
        {"expires_at": None},
    ]
    for change in changes:
        answer = alice.patch("/secrets/a", json=change)
        assert answer.headers["ETag"] == alice.get("/secrets/a").headers["ETag"]
        tags.append(answer.headers["ETag"])
    alice.delete("/secrets/a")
    tags.append(alice.put("/secrets/a", json={"secret": "hunter2"}).headers["ETag"])
    assert len(set(tags)) == len(tags) == len(changes) + 2
