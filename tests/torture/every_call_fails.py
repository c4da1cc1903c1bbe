"""Each database call of each operation made to fail, one at a time: no state in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from routes import context
from tests.support.dump import Dump, delta, dump
from tests.support.faults import WHENS, FaultPlan, FaultyDatabase, When
from tests.support.people import Person
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.quiet import without_queued_events
from tests.torture.framework import Attempt, Figure, log_to, none
from tests.torture.rotation_faults import RotationLaboratory
from tests.torture.trial import Trial
from utils.vault import Vault

_SECRET = "/secrets/some/name"
_ROTATE = "rotation"
_NEW_PASSWORD = "another password altogether"
# Reserved in a transaction of its own before a password is looked at, on purpose; given back
# with the login, and by itself if that does not happen.
_ATTEMPTS = "login_attempts"
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Operation:
    """A request, what has to be there before it, and how it may answer when a call fails."""

    prepare: Callable[[Person], None]
    act: Callable[[Person], TestResponse]
    answers: frozenset[int] = frozenset({_UNAVAILABLE})


def _nothing(_person: Person) -> None:
    pass


def _account(person: Person) -> None:
    assert person.register().status_code == 201


def _login(person: Person) -> None:
    _account(person)
    assert person.login().status_code == 200


def _two_sessions(person: Person) -> None:
    _login(person)
    other = Person(person.client.application, person.username)
    assert other.login().status_code == 200


def _make_token(person: Person) -> TestResponse:
    fields = {"name": "job", "scopes": ["read"], "prefixes": ["some/"], "cidrs": ["::/0"]}
    return person.post("/tokens", json=fields)


def _token(person: Person) -> None:
    _login(person)
    assert _make_token(person).status_code == 201


def _delete_token(person: Person) -> TestResponse:
    listed = person.get("/tokens")
    if listed.status_code != HTTPStatus.OK or listed.json is None:
        return listed
    return person.delete(f"/tokens/{listed.json['tokens'][0]['id']}")


def _secret(person: Person) -> None:
    _login(person)
    body = {"secret": "before", "labels": {"is": "before"}}
    assert person.put(_SECRET, json=body).status_code == 201


def _deleted_secret(person: Person) -> None:
    _secret(person)
    assert person.delete(_SECRET).status_code == 200


def _stale_secret(person: Person) -> None:
    _secret(person)
    assert person.post("/keys:rotate").status_code == 202


def _read_to_the_end(person: Person) -> TestResponse:
    """The re-encryption begins when the answer has been sent."""
    response = person.get(_SECRET)
    response.close()
    return response


_PUT = {"secret": "after", "labels": {"is": "after"}}

OPERATIONS: dict[str, Operation] = {
    "register": Operation(_nothing, Person.register),
    "login": Operation(_account, Person.login),
    "login-again": Operation(_login, Person.login),
    "refresh": Operation(_login, lambda person: person.post("/refresh")),
    "logout": Operation(_login, lambda person: person.post("/logout")),
    "end-others": Operation(_two_sessions, lambda person: person.delete("/sessions")),
    "change-password": Operation(
        _two_sessions,
        lambda person: person.put(
            "/account/password",
            json={"current_password": person.password, "new_password": _NEW_PASSWORD},
        ),
    ),
    "delete-account": Operation(
        _stale_secret,
        lambda person: person.delete("/account", json={"password": person.password}),
    ),
    "make-token": Operation(_login, _make_token),
    "delete-token": Operation(_token, _delete_token),
    "create": Operation(
        _login, lambda person: person.post("/secrets", json={"name": "some/name", **_PUT})
    ),
    "put-new": Operation(_login, lambda person: person.put(_SECRET, json=_PUT)),
    "put-over": Operation(_secret, lambda person: person.put(_SECRET, json=_PUT)),
    "put-again": Operation(_deleted_secret, lambda person: person.put(_SECRET, json=_PUT)),
    "patch": Operation(_secret, lambda person: person.patch(_SECRET, json=_PUT)),
    "patch-labels": Operation(
        _secret, lambda person: person.patch(_SECRET, json={"labels": {"is": "after"}})
    ),
    "delete": Operation(_secret, lambda person: person.delete(_SECRET)),
    "new-key": Operation(_secret, lambda person: person.post("/keys:rotate")),
    # Re-encrypted in passing: whatever goes wrong with that must not fail the read.
    "read-stale": Operation(_stale_secret, _read_to_the_end, frozenset({200, _UNAVAILABLE})),
}


class Laboratory:
    """An application over a database that fails on command."""

    def __init__(self, settings: Settings) -> None:
        self.app: Flask = create_app(settings)
        self.vault: Vault = context.vault_of(self.app)
        without_queued_events(self.vault)
        self._plan = FaultPlan()
        faulty = FaultyDatabase(self.vault.db, self._plan)
        context.install(self.app, replace(self.vault, db=faulty))
        self._people = 0

    def close(self) -> None:
        """Close the database."""
        self.vault.close()

    def try_all(self, operation: Operation) -> Trial:
        """Fail each call of *operation*, first instead of and then after carrying it out."""
        trial = Trial()
        someone = self._prepared(operation)
        before = dump(self.vault.db, self.vault.master)
        self._plan.arm(0, "instead")
        assert operation.act(someone).status_code < 300
        trial.calls = self._plan.disarm()
        complete = self._changes(before)
        assert complete, "the operation changes nothing: nothing could be found half done"
        for when in WHENS:
            for number in range(1, trial.calls + 1):
                self._try(operation, number, when, complete, trial)
        return trial

    def _try(
        self, operation: Operation, number: int, when: When, complete: list[str], trial: Trial
    ) -> None:
        someone = self._prepared(operation)
        before = dump(self.vault.db, self.vault.master)
        self._plan.arm(number, when)
        status = operation.act(someone).status_code
        trial.failed += self._plan.fired
        self._plan.disarm()
        what = f"call {number} of {trial.calls} failed {when} being carried out"
        if status not in operation.answers:
            trial.wrong.append(f"{what}: answered {status}")
        changed = self._changes(before)
        if changed == complete:
            trial.survived += 1
        elif changed:
            trial.partial.append(f"{what}: {changed}")
        elif (again := operation.act(someone).status_code) >= 300:
            trial.wrong.append(f"{what}: trying again answered {again}")

    def _changes(self, before: Dump) -> list[str]:
        after = dump(self.vault.db, self.vault.master)
        return delta({**before, _ATTEMPTS: []}, {**after, _ATTEMPTS: []})

    def _prepared(self, operation: Operation) -> Person:
        """Somebody new, so that no trial meets what another left."""
        self._people += 1
        someone = Person(self.app, f"person{self._people}")
        operation.prepare(someone)
        return someone


def row(attempt: Attempt) -> Sequence[Figure]:
    """Every database call of every operation fails once: 0 partial states, on both engines."""
    names = [*sorted(OPERATIONS), _ROTATE]
    chosen = attempt.random.sample(names, attempt.scaled(len(names)))
    trials: list[Trial] = []
    with log_to(attempt.folder / "log"), start_postgres() as postgres:
        for engine in ("sqlite", "postgresql"):
            for name in chosen:
                settings = _fresh(attempt.folder / f"{engine}-{name}", engine, postgres)
                rotates = name == _ROTATE
                trial = _rotate(attempt, settings) if rotates else _operate(name, settings)
                attempt.blame([f"{engine} {name}: {f}" for f in trial.partial + trial.wrong])
                trials.append(trial)
    possible = 2 * sum(trial.calls for trial in trials)
    return [
        Figure(len(trials), "operations", at_least=2 * len(chosen)),
        Figure(sum(trial.failed for trial in trials), "failures", at_least=max(1, possible)),
        Figure(sum(trial.survived for trial in trials), "after the commit"),
        none([fault for trial in trials for fault in trial.partial], "partial states"),
        none([fault for trial in trials for fault in trial.wrong], "wrong answers"),
    ]


def _fresh(folder: Path, engine: str, postgres: PostgresServer) -> Settings:
    """A database of its own for each operation: a rotation would meet what others left."""
    url = "" if engine == "sqlite" else postgres.create_database(folder.name.replace("-", "_"))
    return Settings(INSTANCE_DIR=folder, DATABASE_URL=url, BCRYPT_COST=4)


def _operate(name: str, settings: Settings) -> Trial:
    laboratory = Laboratory(settings)
    trial = laboratory.try_all(OPERATIONS[name])
    laboratory.close()
    return trial


def _rotate(attempt: Attempt, settings: Settings) -> Trial:
    """A short attempt takes only some of the many calls of a rotation."""
    laboratory = RotationLaboratory(settings)
    calls = laboratory.count_calls()
    numbers = attempt.random.sample(range(1, calls + 1), attempt.scaled(calls))
    trial = laboratory.try_each(sorted(numbers))
    laboratory.close()
    return trial
