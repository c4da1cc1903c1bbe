"""What a refusal tells somebody at a terminal, who sees the body alone: what to send instead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.people import Person

pytestmark = pytest.mark.one_engine("sqlite", "it is about words")

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def told(person: Person, method: str, path: str, **sent: Any) -> str:
    """The sentence of the problem and those of its ``errors``, in lines."""
    problem = person.request(method, path, **sent).get_json()
    return "\n".join([problem["detail"], *(one["detail"] for one in problem.get("errors", []))])


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{'secret': 'x'}", "line 1, column 2"),
        (b'{"secret": "x",\n}', "line 2, column 1"),
        (b"", "empty"),
    ],
)
def test_json_that_does_not_parse_is_told_where(alice: Person, body: bytes, where: str) -> None:
    """Most often it is the shell's quotes. The place is told, not what stands there."""
    assert where in told(alice, "PUT", "/secrets/a", data=body, content_type=JSON)


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/secrets", {"name": "a", "secret": 1}, "must be a string"),
        ("/secrets", {"name": "a", "secret": "x", "labels": []}, "must be a JSON object"),
        (
            "/secrets",
            {"name": "a", "secret": "x", "labels": {"n": 1}},
            "each entry must be a string",
        ),
        ("/tokens", {"name": "a", "scopes": "read"}, "must be a list"),
        ("/tokens", {"name": "a", "scopes": []}, "must have at least 1 item"),
        ("/tokens", {"name": "a", "scopes": ["x"]}, "each entry must be 'read' or 'write'"),
        (
            "/tokens",
            {"name": "a", "scopes": ["read"], "expires_in": "90d"},
            "must be a whole number",
        ),
    ],
)
def test_a_field_of_the_wrong_type_is_told_in_the_words_of_json(
    alice: Person, path: str, body: dict[str, Any], sentence: str
) -> None:
    """No dictionaries, and it is told whether the field is wrong or what is in it."""
    assert told(alice, "POST", path, json=body).splitlines()[1:] == [sentence]


def test_a_bare_value_of_the_wrong_type_is_told_both_ways(alice: Person) -> None:
    """``curl -d value`` says that it is a form."""
    asked = told(alice, "PUT", "/secrets/a", data=b"value", content_type=FORM)
    assert "application/json" in asked
    assert "the value alone as text/plain or application/octet-stream" in asked
    assert "text/plain" not in told(alice, "PATCH", "/secrets/a", data=b"v", content_type=FORM)


@pytest.mark.parametrize(("method", "path"), [("GET", "/login"), ("GET", "/secret"), ("PUT", "/")])
def test_a_wrong_url_or_method_is_told_where_all_are(alice: Person, method: str, path: str) -> None:
    """The client has the service, and need not have our documents."""
    assert "GET /openapi.json" in told(alice, method, path)


def test_a_wrong_method_is_told_the_right_ones(alice: Person) -> None:
    """Its header ``Allow`` does not show in what curl prints."""
    assert "takes OPTIONS, POST;" in told(alice, "GET", "/login")


def test_who_sent_too_much_is_told_how_long_to_wait(alice: Person) -> None:
    """Nor does ``Retry-After``."""
    for _ in range(10):
        alice.post("/login", json={"username": "bob", "password": "wrong"})
    response = alice.post("/login", json={"username": "bob", "password": "wrong"})
    assert response.status_code == 429
    assert f"after {response.headers['Retry-After']} s" in response.get_json()["detail"]
