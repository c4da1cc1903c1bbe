"""Fixtures that read aloud. Whatever touches the database runs on both engines."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import time_machine
from flask import Flask

from app import create_app
from config import Settings
from models.times import utcnow
from routes.context import vault_of
from tests.support import engines
from tests.support.people import Person
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.server import Server
from utils.vault import Vault

ENGINES = engines.ENGINES


def pytest_configure(config: pytest.Config) -> None:
    """Count what runs on each engine."""
    config.pluginmanager.register(engines.Tally(), "engines")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One real PostgreSQL for this worker. Where none is installed this fails; it never skips."""
    with start_postgres(synced=False) as server:
        yield server


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Run the test once on each engine."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'secrets.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database(f"t{uuid.uuid4().hex}")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a fresh installation; hashing is cheap, as most tests are not about it, and more
    may wait for it, as some let many log in at once. They all come from one address."""
    return Settings(
        INSTANCE_DIR=tmp_path / "instance",
        DATABASE_URL=database_url,
        BCRYPT_COST=4,
        HASHING_QUEUE=100,
        REGISTRATIONS_SOURCE=0,
        REQUESTS_PER_MINUTE_PRINCIPAL=0,
        REQUESTS_PER_MINUTE_SOURCE=0,
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application."""
    application = create_app(settings)
    yield application
    vault_of(application).close()


@pytest.fixture
def vault(app: Flask) -> Vault:
    """What the application works with, to look behind the API."""
    return vault_of(app)


@pytest.fixture
def person(app: Flask) -> Callable[[str], Person]:
    """``person("carol")`` has an account and is logged in."""

    def introduce(username: str) -> Person:
        someone = Person(app, username)
        assert someone.register().status_code == 201
        assert someone.login().status_code == 200
        return someone

    return introduce


@pytest.fixture
def alice(person: Callable[[str], Person]) -> Person:
    """Alice, logged in."""
    return person("alice")


@pytest.fixture
def bob(person: Callable[[str], Person]) -> Person:
    """Bob, logged in."""
    return person("bob")


@pytest.fixture
def stranger(app: Flask) -> Person:
    """Somebody without an account."""
    return Person(app, "stranger")


@pytest.fixture
def now() -> datetime:
    """The current time."""
    return utcnow()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands until it is moved."""
    with time_machine.travel(utcnow(), tick=False) as moved:
        yield moved


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """``flask run`` as a real process, with no configuration but a folder of its own."""
    with Server(tmp_path / "instance") as running:
        yield running
