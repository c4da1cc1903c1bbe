"""Where a row puts its installations: on either engine, which is all that sets their rows apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from config import Settings
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.server import Server
from tests.torture.framework import Attempt, Figure, Row

Engine = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class Place:
    """An installation's folder, and its database, if that is not a file in the folder."""

    instance: Path
    url: str = field(default="", repr=False)  # it holds a password

    @property
    def name(self) -> str:
        """As the row calls it."""
        return self.instance.name

    @property
    def environ(self) -> dict[str, str]:
        """The variables that name it."""
        return {"SECRETS_INSTANCE_DIR": str(self.instance), "SECRETS_DATABASE_URL": self.url}

    def settings(self, **more: Any) -> Settings:
        """What a process has that its environment sends here."""
        return Settings(INSTANCE_DIR=self.instance, DATABASE_URL=self.url, **more)

    def server(self, environ: Mapping[str, str] | None = None) -> Server:
        """``flask run`` over it, not started."""
        return Server(self.instance, {**self.environ, **(environ or {})})


@dataclass(frozen=True, slots=True)
class Places:
    """Makes places; two names, two places."""

    folder: Path
    postgres: PostgresServer | None

    @property
    def engine(self) -> Engine:
        """What they are on."""
        return "sqlite" if self.postgres is None else "postgresql"

    def place(self, name: str) -> Place:
        """A new, empty one."""
        url = "" if self.postgres is None else self.postgres.create_database(name)
        return Place(self.folder / name, url)

    def copy(self, original: Place, name: str) -> Place:
        """One with the same content. Nobody may be using the original meanwhile."""
        target = self.folder / name
        if original.instance.exists():  # not if all that it would hold was given otherwise
            shutil.copytree(original.instance, target)
        if self.postgres is None:
            return Place(target)
        return Place(target, self.postgres.create_database(name, template=original.name))


@contextmanager
def places(engine: Engine, folder: Path) -> Iterator[Places]:
    """Places on this engine, while the block runs: PostgreSQL is started for it, as durable as it
    is by default, and removed after it."""
    if engine == "sqlite":
        yield Places(folder, None)
        return
    with start_postgres() as postgres:
        yield Places(folder, postgres)


def on(engine: Engine, row: Callable[[Places, Attempt], Sequence[Figure]]) -> Row:
    """A row that needs places, on this engine."""

    def there(attempt: Attempt) -> Sequence[Figure]:
        with places(engine, attempt.folder) as found:
            return row(found, attempt)

    there.__doc__ = row.__doc__
    return there
