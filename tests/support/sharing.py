"""Sharing in tests: who lets whom, and what the other sees of it."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from models.rows import UserId
from tests.support.people import Person
from tests.support.rotation import number, wait_until
from tests.support.shared import newcomer, unique
from utils.vault import Vault

SHARED_FIELDS = {
    *("owner", "name", "permission", "granted_at"),
    *("version", "created_at", "updated_at", "expires_at"),
}


def owner_of_db(app: Flask) -> Person:
    """Ada, logged in, with a secret "db" that has two versions and a label."""
    someone = newcomer(app, "ada")
    someone.put("/secrets/db", json={"secret": "first", "labels": {"team": "canary-label"}})
    someone.put("/secrets/db", json={"secret": "second"})
    return someone


def shared(
    owner: Person, name: str, grantee: Person | str, permission: str = "read"
) -> TestResponse:
    """The owner shares a secret."""
    username = grantee if isinstance(grantee, str) else grantee.username
    body = {"username": username, "permission": permission}
    return owner.post(f"/secrets/{name}:share", json=body)


def unshared(owner: Person, name: str, grantee: Person) -> TestResponse:
    """The owner ends it."""
    return owner.post(f"/secrets/{name}:unshare", json={"username": grantee.username})


def path_of(owner: Person, name: str) -> str:
    """Where a grantee finds the secret."""
    return f"/shared/{owner.username}/{name}"


def read(grantee: Person, owner: Person, name: str) -> tuple[int, str | None]:
    """Status and value that a grantee gets."""
    answer = grantee.get(path_of(owner, name), buffered=True)
    return answer.status_code, (answer.json or {}).get("secret")


def write(grantee: Person, owner: Person, name: str, value: str, **options: Any) -> TestResponse:
    """A grantee changes the value."""
    return grantee.patch(path_of(owner, name), json={"secret": value}, **options)


def received(grantee: Person, **query: str) -> list[dict[str, Any]]:
    """All that is shared with somebody, from page to page."""
    return _pages(grantee, "/shared", query)


def given(owner: Person, name: str, **query: str) -> list[dict[str, Any]]:
    """With whom a secret is shared, from page to page."""
    return _pages(owner, f"/secrets/{name}:shares", query)


def fill(vault: Vault, secret: int, count: int) -> None:
    """Let so many more have a grant on a secret."""
    with vault.db.write() as tx:
        for i in range(count):
            tx.run(
                "INSERT INTO users (id, username, state, password_hash, created_at) "
                "VALUES (?, ?, 'active', 'none', 1)",
                secret * 1000 + i,
                unique("filler"),
            )
            tx.run(
                "INSERT INTO grants (id, secret_id, grantee_id, permission, granted_at, mac) "
                "VALUES (?, ?, ?, 'read', 1, '')",
                unique("grant"),
                secret,
                secret * 1000 + i,
            )


def user_id(vault: Vault, username: str) -> UserId:
    """The number of an account."""
    return UserId(number(vault, "SELECT id FROM users WHERE username = ?", username))


def waits(vault: Vault) -> None:
    """Until a request waits for a lock; SQLite doesn't tell."""
    if vault.db.dialect.row_locks:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        wait_until(lambda: number(vault, waiting) > 0, "a request waits for a lock")
    else:
        time.sleep(0.3)


def _pages(person: Person, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        sent = query | ({"cursor": cursor} if cursor else {})
        page = person.get(path, query_string=sent)
        assert page.status_code == 200, page.text
        assert page.json is not None
        assert set(page.json) == {"shares", "next_cursor"}
        rows += page.json["shares"]
        assert page.json["next_cursor"] != cursor
        cursor = page.json["next_cursor"]
    return rows
