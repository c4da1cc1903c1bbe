"""Everybody tries everything on what is not theirs, at every route that there is.

The routes come from the url map, so a new one is in the matrix by itself. What the matrix cannot
know by itself it does not pass over in silence: a variable in a URL that it has nothing for, and a
body that the route does not take, are faults until somebody says here what to send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.attack.belongings import Ids, Owner, absent_ids
from tests.support.people import PASSWORD
from tests.support.postgres import start_postgres
from tests.torture.framework import Attempt, Figure, log_to, none

_OWNERS = 3
# What to send where a route wants a body; {name} is a name of the victim's, or nobody's.
BODIES: dict[str, Any] = {
    "POST /register": {"username": "{username}", "password": PASSWORD},
    "POST /login": {"username": "{username}", "password": "not the password"},
    "DELETE /account": {"password": "not the password"},
    "PUT /account/password": {"current_password": "not it", "new_password": "another password"},
    "POST /tokens": {"name": "made-by-{session_id}", "scopes": ["read"]},
    "POST /secrets": {"name": "{name}", "secret": "of the trespasser"},
    "PUT /secrets/<secret_name:name>": {"secret": "of the trespasser"},
    "PATCH /secrets/<secret_name:name>": {"secret": "of the trespasser"},
    "POST /secrets/<secret_name:name>:rollback": {"version": 1},
    "POST /secrets/<secret_name:name>:destroy": {"all": True},
    "POST /secrets/<secret_name:name>:move": {"to": "moved/{name}"},
    "POST /secrets:batchGet": {"names": ["{name}"]},
    "POST /secrets:batchWrite": {"writes": [{"name": "{name}", "secret": "of the trespasser"}]},
    "POST /secrets:import": {"{name}": "of the trespasser"},
    "POST /secrets/<secret_name:name>:share": {"username": "{owner}", "permission": "write"},
    "POST /secrets/<secret_name:name>:unshare": {"username": "{owner}"},
    "PATCH /shared/<owner>/<secret_name:name>": {"secret": "of the trespasser"},
}
# What the owner has to do first, where a route is not for a secret that is there.
FIRST: dict[str, tuple[str, str]] = {
    "POST /secrets/<secret_name:name>:undelete": ("DELETE", "/secrets/{name}"),
}
# What else a route can be asked. A cursor that is none of the caller's may well be refused.
QUERIES: dict[str, list[dict[str, str]]] = {
    "GET /secrets": [
        {"prefix": "{name}"},
        {"q": "{name}"},
        {"label": "whose:label-{username}"},
        {"deleted": "true"},
    ],
    "GET /secrets/<secret_name:name>": [{"version": "1"}],
    "GET /secrets/<secret_name:name>:versions": [{"cursor": "1"}],
    "GET /secrets:export": [{"prefix": "{name}"}, {"label": "whose:label-{username}"}],
    "POST /secrets:import": [{"dry_run": "true"}, {"on_conflict": "overwrite"}],
    "GET /keys": [{"cursor": "{key_id}"}],
    "GET /sessions": [{"cursor": "1.{session_id}"}],
    "GET /tokens": [{"cursor": "1.{token_id}"}],
    "GET /shared": [{"owner": "{owner}"}, {"cursor": "1.{session_id}"}],
    "GET /secrets/<secret_name:name>:shares": [{"cursor": "1.{session_id}"}],
    "GET /audit": [{"name": "{name}"}, {"prefix": "{name}"}, {"name": "{session_id}"}],
}
# Registration tells that a name is taken: decided, and written in SECURITY.md.
TELLS = {"POST /register"}
# These tell callers what they did themselves, so also which names and ids they tried; and each time
# more. That nobody's events are in another's trail is shown by tests/test_audit_api.py.
OWN_DEEDS = {"GET /audit", "GET /audit:verify"}
_NOT_TAKEN = {400, 411, 415, 422}  # what was sent is not what the route takes: nothing was tried
_WITHOUT_SESSION = {
    "POST /login",
    "POST /register",
    "POST /refresh",
    "POST /logout",
    "GET /metrics",
    "HEAD /metrics",
}
_ID = re.compile(r"(?<![0-9A-Za-z_-])[0-9A-Za-z_-]{22}(?![0-9A-Za-z_-])")
_TOKEN = re.compile(r"smt_[0-9A-Za-z_]+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")


def row(attempt: Attempt) -> Sequence[Figure]:
    """3 users and their API tokens, every route and method, what is another's: 0 leaks."""
    tries, rules, faults = 0, 0, list[str]()
    pairs = attempt.scaled(_OWNERS * (_OWNERS - 1))
    with log_to(attempt.folder / "log"), start_postgres() as postgres:
        for engine in ("sqlite", "postgresql"):
            url = "" if engine == "sqlite" else postgres.create_database("trespass")
            app = _application(attempt.folder / engine, url)
            matrix = Matrix(app, pairs)
            matrix.run()
            tries, rules = tries + matrix.tries, len(matrix.routes)
            faults += [f"{engine}: {fault}" for fault in matrix.faults]
            vault_of(app).close()
    attempt.blame(faults)
    return [
        Figure(_OWNERS, "users, each with a session and a token"),
        Figure(pairs, "pairs of them on each engine", at_least=pairs),
        Figure(rules, "routes and methods", at_least=20),
        # Engines, pairs, kinds of credentials, routes; and some can be asked in more ways than one.
        Figure(tries, "tries", at_least=2 * pairs * 2 * rules),
        none(faults, "leaks, changes, or differences between absent and not yours"),
    ]


def _application(folder: Path, url: str) -> Flask:
    # Guessing is another row's subject.
    limits = {f"LOGIN_ATTEMPTS_{name}": 0 for name in ("PAIR", "ACCOUNT", "SOURCE")}
    return create_app(
        Settings(
            INSTANCE_DIR=folder,
            DATABASE_URL=url,
            BCRYPT_COST=4,
            REGISTRATIONS_SOURCE=0,
            REQUESTS_PER_MINUTE_PRINCIPAL=0,
            REQUESTS_PER_MINUTE_SOURCE=0,
            **limits,  # type: ignore[arg-type]
        )
    )


@dataclass(frozen=True, slots=True)
class Try:
    """A request at somebody's belongings: what is the same of it whoever they belong to."""

    route: str  # "GET /secrets/<secret_name:name>"
    arguments: frozenset[str]
    query: Mapping[str, str]
    with_token: bool

    def by(self, caller: Owner, ids: Ids) -> TestResponse:
        """Send it as *caller*, about what *ids* name."""
        return self.send(caller.send_with_token if self.with_token else caller.send, ids)

    def send(self, send: Callable[..., TestResponse], ids: Ids) -> TestResponse:
        """The same, by way of *send*."""
        method, rule = self.route.split(" ", 1)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: quote(ids[found[1]]), rule)
        options: dict[str, Any] = {}
        if self.route in BODIES:
            options["json"] = filled(BODIES[self.route], ids)
        if self.query:
            options["query_string"] = filled(self.query, ids)
        return send(method, path, **options)

    def said(self, ids: Ids) -> Ids:
        """Those of *ids* that the request itself holds: to hear them again is no leak."""
        written = repr((BODIES.get(self.route), dict(self.query)))
        names = self.arguments | set(re.findall(r"\{(\w+)\}", written))
        return {name: value for name, value in ids.items() if name in names}

    def __str__(self) -> str:
        asked = f" with {dict(self.query)}" if self.query else ""
        return f"{self.route}{asked} by {'token' if self.with_token else 'session'}"


def filled(template: Any, ids: Ids) -> Any:
    """The template of a body or query with everything in braces replaced, at any depth."""
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], template)
    if isinstance(template, Mapping):
        return {filled(key, ids): filled(value, ids) for key, value in template.items()}
    return [filled(value, ids) for value in template] if isinstance(template, list) else template


@dataclass
class Matrix:
    """The tries, and what went wrong."""

    app: Flask
    pairs: int
    tries: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owners = [Owner(self.app) for _ in range(_OWNERS)]
        self.routes = {
            f"{method} {rule.rule}": frozenset(rule.arguments)
            for rule in self.app.url_map.iter_rules()
            for method in rule.methods or ()
        }

    def run(self) -> None:
        """Everybody against everybody else, with a session and with an API token."""
        known = set(absent_ids())
        for route, arguments in sorted(self.routes.items()):
            if arguments <= known:
                continue
            self.faults.append(f"tell the matrix what {sorted(arguments - known)} of {route} is")
            del self.routes[route]
        for actor, victim in list(permutations(self.owners, 2))[: self.pairs]:
            actor.settle()
            victim.settle()
            for one in self._everything_there_is():
                self._attack(actor, victim, one)

    def _everything_there_is(self) -> Iterator[Try]:
        for route, arguments in sorted(self.routes.items()):
            for query in ({}, *QUERIES.get(route, ())):
                for with_token in (False, True):
                    yield Try(route, arguments, query, with_token)

    def _attack(self, actor: Owner, victim: Owner, one: Try) -> None:
        """With what is the victim's, and with what is nobody's: the answers must not differ."""
        victim.renew_secret()
        before, absent = victim.everything(), absent_ids()
        theirs = one.by(actor, victim.ids)
        changed = _difference(before, victim.everything())
        if changed:
            self.faults.append(f"{one}: the victim's {', '.join(changed)} changed")
            victim.settle()
        nobodys = one.by(actor, absent)
        self.tries += 1
        self._judge(one, theirs, nobodys, victim, one.said(absent))
        if one.arguments:
            self._control(victim, one)

    def _judge(
        self, one: Try, theirs: TestResponse, nobodys: TestResponse, victim: Owner, absent: Ids
    ) -> None:
        said = one.said(victim.ids)
        shown = _without(f"{theirs.text} {theirs.headers}", said)
        leaked = sorted(secret for secret in victim.private if secret in shown)
        if leaked and one.route not in OWN_DEEDS:
            self.faults.append(f"{one}: the answer shows {leaked}")
        if one.route not in TELLS | OWN_DEEDS and _seen(theirs, said) != _seen(nobodys, absent):
            self.faults.append(
                f"{one}: answered {theirs.status_code}, and {nobodys.status_code} of nobody's"
            )
        for status in {theirs.status_code, nobodys.status_code}:
            if status in _NOT_TAKEN and not one.query:
                self.faults.append(f"{one}: answered {status}: tell the matrix what to send")
            if status >= 500:
                self.faults.append(f"{one}: answered {status}, a bug")
            if status == 401 and one.route not in _WITHOUT_SESSION:
                self.faults.append(f"{one}: answered 401: the attacker is not logged in")

    def _control(self, victim: Owner, one: Try) -> None:
        """What is refused to others works for the owner: else it was refused for another reason."""
        if one.with_token:  # which many routes take from nobody
            return
        if one.route in FIRST:
            method, path = FIRST[one.route]
            victim.person.request(method, path.format_map(victim.ids))
        answer = one.send(victim.person.request, victim.ids)
        if answer.status_code >= 400:
            self.faults.append(f"{one}: the owner gets {answer.status_code} too")
        victim.settle()


def _difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [what for what in before if before[what] != after[what]]


def _without(text: str, ids: Ids) -> str:
    for value in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(quote(value), "...").replace(value, "...")
    return text


def _seen(answer: TestResponse, ids: Ids) -> tuple[int, str, list[tuple[str, str]]]:
    """An answer without what is new each time, and without what the request itself said."""
    headers = sorted(
        (name, value if name != "Set-Cookie" else value.partition("=")[0])
        for name, value in answer.headers.items()
        if name not in {"X-Request-ID", "Content-Length"}
    )
    shown = [(name, _ID.sub("...", _without(value, ids))) for name, value in headers]
    text = _TOKEN.sub("...", _MOMENT.sub("...", _without(answer.text, ids)))
    return answer.status_code, _ID.sub("...", text), shown
