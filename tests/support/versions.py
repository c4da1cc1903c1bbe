"""Versions in tests: a secret that has some, the verbs on it, and what is told of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import Person
from tests.support.shared import newcomer, refusal

ABSENT = (404, "not-found")
WRONG_STATE = (409, "wrong-state")
VERBS: dict[str, dict[str, Any]] = {
    "rollback": {"version": 1},
    "undelete": {},
    "destroy": {"versions": [1]},
    "move": {"to": "b"},
}
MONTH = timedelta(days=30)
LIFETIMES = dict.fromkeys(
    ("ACCESS_TOKEN_LIFETIME", "SESSION_IDLE_LIFETIME", "SESSION_LIFETIME"), 3 * MONTH
)  # settings with which a login outlasts the time to undo a delete


def three_versions(app: Flask) -> Person:
    """Alice, logged in, with a secret of three versions."""
    someone = newcomer(app, "alice")
    for value in ("one", "two", "three"):
        write(someone, "a", value)
    return someone


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
