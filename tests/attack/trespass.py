"""Everybody tries everything on what is not theirs, at every route that there is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.people import PASSWORD, Person
from tests.support.postgres import start_postgres
from tests.torture.framework import Attempt, Figure, log_to, none

_NAMES = ("ada", "bob", "eve")
_ABSENT_ID = "A" * 22
_ANY_ID = re.compile(r"[0-9A-Za-z_-]{22}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
# What a request says where its route wants a body; a route that wants another answers 422.
_BODIES: dict[str, dict[str, Any]] = {
    "POST /secrets": {"name": "NAME", "secret": "of the trespasser"},
    "PUT /secrets/<secret_name:name>": {"secret": "of the trespasser"},
    "PATCH /secrets/<secret_name:name>": {"secret": "of the trespasser"},
    "POST /login": {"username": "NOBODY", "password": PASSWORD},
    "DELETE /account": {"password": "not the password"},
    "PUT /account/password": {"current_password": "wrong", "new_password": "another password"},
}


def row(attempt: Attempt) -> Sequence[Figure]:
    """3 users and their API tokens, every route and method, what is another's: 0 leaks."""
    tries, rules, faults = 0, 0, list[str]()
    with log_to(attempt.folder / "log"), start_postgres() as postgres:
        for engine in ("sqlite", "postgresql"):
            url = "" if engine == "sqlite" else postgres.create_database("trespass")
            matrix = Matrix(_application(attempt.folder / engine, url))
            matrix.run()
            tries, rules = tries + matrix.tries, len(matrix.rules)
            faults += [f"{engine}: {fault}" for fault in matrix.faults]
            vault_of(matrix.app).db.close()
    attempt.blame(faults)
    return [
        Figure(rules, "routes and methods", at_least=20),
        Figure(tries, "tries", at_least=2 * rules * len(_NAMES)),
        none(faults, "leaks, changes, or differences between absent and not yours"),
    ]


def _application(folder: Path, url: str) -> Flask:
    # Guessing is another row's subject.
    limits = {f"LOGIN_ATTEMPTS_{name}": 0 for name in ("PAIR", "ACCOUNT", "SOURCE")}
    return create_app(
        Settings(INSTANCE_DIR=folder, DATABASE_URL=url, BCRYPT_COST=4, **limits)  # type: ignore[arg-type]
    )


@dataclass
class Owner:
    """Somebody with one of everything."""

    person: Person
    name: str
    value: str
    absent: dict[str, str]  # the same of nobody's
    ids: dict[str, str] = field(default_factory=dict)
    bearer: str = ""

    @property
    def private(self) -> set[str]:
        """What nobody else may ever see."""
        held = {v for k, v in self.ids.items() if k != "name"}
        return {self.person.username, self.name, self.value, f"label-of-{self.name}"} | held


@dataclass
class Matrix:
    """The tries, and what went wrong."""

    app: Flask
    tries: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rules = sorted(
            (rule.rule, method, rule)
            for rule in self.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        )
        self.owners = [self._owner(name) for name in _NAMES]

    def run(self) -> None:
        """Everybody against everybody else, with a session and with an API token."""
        before = [self._everything(owner) for owner in self.owners]
        for actor in self.owners:
            for victim in self.owners:
                if victim is not actor:
                    for _, method, rule in self.rules:
                        for with_token in (False, True):
                            self._try(actor, victim, rule, method, with_token=with_token)
        for owner, was in zip(self.owners, before, strict=True):
            if self._everything(owner) != was:
                self.faults.append(f"something of {owner.person.username} has changed")

    def _owner(self, username: str) -> Owner:
        person = Person(self.app, username)
        assert person.register().status_code == 201
        assert person.login().status_code == 200
        absent = {
            "name": f"absent-{len(self.rules)}-{_NAMES.index(username)}/db",
            **dict.fromkeys(("session_id", "key_id", "token_id"), _ABSENT_ID),
        }
        owner = Owner(person, f"private-{username}/db", f"value of {username}", absent)
        body = {"secret": owner.value, "labels": {f"label-of-{owner.name}": username}}
        assert person.put(f"/secrets/{owner.name}", json=body).status_code == 201
        made = person.post("/tokens", json={"name": f"ci-{username}", "scopes": ["read", "write"]})
        assert made.status_code == 201, made.text
        owner.bearer = str(made.json["token"])  # type: ignore[index]
        owner.ids = {
            "name": owner.name,
            "session_id": _first(person, "sessions"),
            "key_id": _first(person, "keys"),
            "token_id": _first(person, "tokens"),
        }
        return owner

    def _try(
        self, actor: Owner, victim: Owner, rule: Rule, method: str, *, with_token: bool
    ) -> None:
        """With what is the victim's, and with what is nobody's: the answers must not differ."""
        what = f"{actor.person.username} tries {method} {rule.rule} of {victim.person.username}"
        cursors = ("", victim.ids["key_id"]) if method == "GET" else ("",)
        for cursor in cursors:
            theirs = self._send(actor, rule, method, victim.ids, cursor, with_token=with_token)
            nobodys = cursor and victim.absent["key_id"]
            absent = self._send(actor, rule, method, victim.absent, nobodys, with_token=with_token)
            self.tries += 2
            shown = f"{theirs.text} {theirs.headers}"
            for name in victim.ids.values():  # what the actor has sent is no leak
                shown = shown.replace(quote(name), "").replace(name, "")
            leaked = {secret for secret in victim.private if secret in shown}
            if leaked:
                self.faults.append(f"{what}: the answer shows {sorted(leaked)}")
            if _seen(theirs, victim.ids) != _seen(absent, victim.absent):
                self.faults.append(
                    f"{what}: {theirs.status_code}, absent {absent.status_code}: they differ"
                )

    def _send(
        self,
        actor: Owner,
        rule: Rule,
        method: str,
        ids: Mapping[str, str],
        cursor: str,
        *,
        with_token: bool,
    ) -> TestResponse:
        unknown = set(rule.arguments) - set(ids)
        if unknown:
            raise LookupError(f"tell the matrix what {sorted(unknown)} of {rule.rule} may be")
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: quote(ids[m[1]]), rule.rule)
        body = _BODIES.get(f"{method} {rule.rule}", {})
        body = {k: ids["name"] if v == "NAME" else v for k, v in body.items()}
        assert actor.person.login().status_code == 200  # one other session, to be listed and ended
        if method in {"POST", "PUT"}:  # what they made of that name before must not count
            actor.person.delete(f"/secrets/{ids['name']}")
        options: dict[str, Any] = {} if method == "GET" else {"json": body}
        if cursor:
            options["query_string"] = {"cursor": cursor}
        if with_token:
            stranger = Person(self.app, "nobody")
            headers = {"Authorization": f"Bearer {actor.bearer}"}
            return stranger.request(method, path, headers=headers, **options)
        session = Person(self.app, actor.person.username)  # of its own: some routes end it
        assert session.login().status_code == 200
        answer = session.request(method, path, **options)
        session.post("/logout")
        return answer

    def _everything(self, owner: Owner) -> list[object]:
        """All that an owner can see of what is theirs."""
        assert owner.person.login().status_code == 200
        secret = owner.person.get(f"/secrets/{owner.name}").json
        tokens = owner.person.get("/tokens").json
        for token in tokens["tokens"]:  # type: ignore[index]
            token["last_used_at"] = None
        return [secret, tokens, owner.person.get("/account").json]


def _first(person: Person, noun: str) -> str:
    answer = person.get(f"/{noun}")
    assert answer.status_code == 200, answer.text
    return str(answer.json[noun][0]["id"])  # type: ignore[index]


def _seen(answer: TestResponse, ids: Mapping[str, str]) -> str:
    """An answer without what is new each time, times and ids, or was in the request."""
    body = answer.json if answer.is_json or "problem" in (answer.content_type or "") else None
    if isinstance(body, dict):
        body.pop("request_id", None)
    text = _MOMENT.sub("", repr(body if body is not None else answer.text))
    for name in ids.values():
        text = text.replace(name, "...")
    return f"{answer.status_code} {_ANY_ID.sub('...', text)}"
