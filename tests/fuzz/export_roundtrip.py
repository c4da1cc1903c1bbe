"""Values go in by an import and come out by an export, through the parser of each format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from flask import Flask

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.env_files import READERS
from tests.support.hostile_values import hostile_value
from tests.support.people import Person
from tests.support.postgres import start_postgres
from tests.torture.framework import Attempt, Figure, log_to, none

_VALUES = 10_000
_BATCH = 200
# What a format cannot carry is refused; tests/test_export.py shows that, for each of these.
_CANNOT = {"shell": "\0", "dotenv": "\0", "docker": "\0\n\r", "json": ""}
# Names of secrets, and of the variables that docs/api.md says they become.
_NAMES = (("VALUE_{}", "VALUE_{}"), ("value-{}.x", "VALUE_{}_X"), ("{}/a@b", "_{}_A_B"))


def row(attempt: Attempt) -> Sequence[Figure]:
    """10,000 hostile values through each export and its real parser: the same, and none runs."""
    wanted = attempt.scaled(_VALUES)
    passed = dict.fromkeys(READERS, 0)
    faults: list[str] = []
    with log_to(attempt.folder / "log"), start_postgres() as postgres:
        urls = ("", postgres.create_database("roundtrip"))
        people = [_person(attempt.folder / f"instance-{n}", url) for n, url in enumerate(urls)]
        for form in READERS:
            owners = cycle(people)
            while passed[form] < wanted:
                batch = list(_values(attempt, form, min(_BATCH, wanted - passed[form])))
                faults += _differences(attempt, next(owners), form, batch)
                passed[form] += len(batch)
        for someone in people:
            vault_of(someone.client.application).close()
    ran = [path.name for path in _workplace(attempt).iterdir() if path.name != "file"]
    attempt.blame([*faults, *ran])
    return [
        Figure(min(passed.values()), "values through each of 4 formats", at_least=wanted),
        none(faults, "differences"),
        none(ran, "commands that ran"),
    ]


def _values(attempt: Attempt, form: str, count: int) -> Iterator[str]:
    for _ in range(count):
        value = hostile_value(attempt.random)
        yield "".join(letter for letter in value if letter not in _CANNOT[form])


def _differences(attempt: Attempt, owner: Person, form: str, values: Sequence[str]) -> list[str]:
    """What does not come back as it went in: names only, for each value is in the seed."""
    names = [_names(number) for number in range(_BATCH)]
    secrets = {name: value for (name, _), value in zip(names, values, strict=False)}
    stored = owner.post(f"/secrets:import?prefix={form}/&on_conflict=overwrite", json=secrets)
    if stored.status_code != 200:
        return [f"{form}: the import answers {stored.status_code}"]
    exported = owner.get(f"/secrets:export?prefix={form}/&format={form}")
    if exported.status_code != 200:
        return [f"{form}: the export answers {exported.status_code}"]
    path = _workplace(attempt) / "file"
    path.write_bytes(exported.data)
    found = READERS[form](path)
    keys = [f"{form}/{name}" if form == "json" else variable for name, variable in names]
    differing = [key for key, value in zip(keys, values, strict=False) if found.get(key) != value]
    # (A batch that is shorter than the one before leaves some of its secrets.)
    return [f"{form}: {key}" for key in [*differing, *sorted(set(found) - set(keys))]]


def _names(number: int) -> tuple[str, str]:
    name, variable = _NAMES[number % len(_NAMES)]
    return name.format(number), variable.format(number)


def _workplace(attempt: Attempt) -> Path:
    """Where the parsers run: a command would leave a file here."""
    folder = attempt.folder / "workplace"
    folder.mkdir(exist_ok=True)
    return folder


def _person(folder: Path, url: str) -> Person:
    someone = Person(_application(folder, url), "ada")
    assert someone.register().status_code == 201
    assert someone.login().status_code == 200
    return someone


def _application(folder: Path, url: str) -> Flask:
    return create_app(
        Settings(INSTANCE_DIR=folder, DATABASE_URL=url, BCRYPT_COST=4, MAX_BODY_BYTES=2**22)
    )
