"""From SQLite to PostgreSQL: every row, proven to be there and to open before it counts.

Everything happens in one transaction of PostgreSQL's: the schema, the copy, the comparison of each
row, and what ``rotate_keys.py --verify`` does. So whatever goes wrong, or kills us, the database is
as empty as it was. First it is made sure that nothing has the SQLite database open, as what a
service that still ran acknowledged afterwards would stay behind; then the write lock is held, and
at the end it is looked again. What the file holds does not change, and is the way back; only its
mode of journal does, until the service opens it again.

Master keys stay where they are: what they wrap is copied as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest

from config import Settings
from models.errors import DatabaseUnavailable, IntegrityViolation, MoveFailed, MoveUncertain
from models.reports import Fault, Progress
from utils import table_copy
from utils.console import Output
from utils.crypto import MasterKeys
from utils.db import Database, Row, Tx, open_database, sqlite_path
from utils.migrate import applied_schema, migrate
from utils.sqlite import SqliteDatabase
from utils.store import ciphertexts
from utils.table_copy import Table
from utils.vault import open_existing_store
from utils.verify import verify

_MOST_FAULTS = 1000  # of a table: one that lacks a row near its beginning differs in all others


@dataclass
class Moved:
    """How many rows each table has, how much of it was opened, and what is wrong. *copied* all the
    same, if that is only that the audit trail was tampered with before."""

    rows: dict[str, int] = field(default_factory=dict)
    keys: int = 0
    ciphertexts: int = 0
    faults: list[Fault] = field(default_factory=list)
    copied: bool = False
    opened_meanwhile: bool = False  # by somebody who waited for the lock, and may have written


class _Faulty(Exception):
    """Ends the transaction with nothing done."""


def migrate_to(
    settings: Settings, url: str, now: datetime, out: Output, check: Callable[[], None]
) -> Moved:
    """Copy the SQLite database of *settings* into the empty PostgreSQL database behind *url*.

    *check* is called after each row, and may raise what ends it all. Raises MoveFailed,
    MoveUncertain, ConfigurationError or TryLater.
    """
    if sqlite_path(settings.database_url) is None:
        raise MoveFailed("What is copied is SECRETS_DATABASE_URL, which is not SQLite.")
    if not url.startswith(("postgresql://", "postgres://")):
        raise MoveFailed("The URL to copy into must begin with postgresql://.")
    source, master = open_existing_store(settings)
    assert isinstance(source, SqliteDatabase)  # noqa: S101 - by its URL
    timeout = settings.DATABASE_TIMEOUT.total_seconds()
    with closing(source), closing(open_database(url, timeout, 2)) as target:
        return _Move(source, target, master, out, check).run(now)


@dataclass(frozen=True)
class _Move:
    source: SqliteDatabase
    target: Database
    master: MasterKeys
    out: Output
    check: Callable[[], None]
    moved: Moved = field(default_factory=Moved)

    def run(self, now: datetime) -> Moved:
        self.moved.faults.extend(self.source.check())
        if self.moved.faults:
            return self.moved
        if self.source.is_open_elsewhere():
            raise MoveFailed(
                "Something has the SQLite database open. Stop the service on it, and its commands."
            )
        proven = False
        try:
            with self.source.write() as here, self.target.write() as there:
                self._copy(here, there, now)
                proven = True
        except _Faulty:
            return self.moved
        except DatabaseUnavailable as error:
            if proven:
                raise MoveUncertain(
                    "PostgreSQL went away while it stored the copy, so that all of it is there, or "
                    "nothing. Run this again: that refuses a database which has rows."
                ) from error
            raise
        self.moved.copied = True
        self.moved.opened_meanwhile = self.source.is_open_elsewhere()
        return self.moved

    def _copy(self, here: Tx, there: Tx, now: datetime) -> None:
        tables = self._empty_tables(here, there, now)
        numbers = table_copy.last_numbers(here)

        def count() -> int:
            return sum(table_copy.count(here, table) for table in tables)

        with self._step("copying", count) as step:
            for table in tables:
                with _named(table), closing(table_copy.rows_of_sqlite(here, table)) as rows:
                    copied = table_copy.copy_in(there, table, _counted(rows, step))
                    self.moved.rows[table.name] = copied
                if table.name in numbers:
                    table_copy.go_on_after(there, table, numbers[table.name])
        table_copy.gather_statistics(there, tables)
        with self._step("comparing", count) as step:
            for table in tables:
                self.moved.faults.extend(_differences(here, there, table, step))
        with self._step("verifying", lambda: ciphertexts.count_all(here)) as step:
            found = verify(_Within(self.target, there), self.master, step)
        self.moved.keys, self.moved.ciphertexts = found.keys, found.ciphertexts
        if self.moved.faults or not found.opens:
            self.moved.faults.extend(found.faults)
            raise _Faulty
        self.moved.faults.extend(found.faults)

    def _empty_tables(self, here: Tx, there: Tx, now: datetime) -> list[Table]:
        """The tables to fill, locked. Raises MoveFailed where one is not empty, or not ours."""
        expected = table_copy.columns_of_sqlite(here)
        ours = {*expected} if applied_schema(there) else set()
        foreign = {table.name for table in table_copy.tables_of_postgres(there)} - ours
        if foreign:
            raise MoveFailed(
                f"The PostgreSQL database holds tables of something else ({_listed(foreign)}). "
                "Make one for this service alone."
            )
        migrate(_Within(self.target, there), now)
        tables = table_copy.tables_of_postgres(there)
        found = {table.name: {*table.columns} for table in tables}
        if found != expected:
            different = {name for name in expected if expected[name] != found.get(name)}
            raise MoveFailed(
                f"The tables of the two databases are not the same ({_listed(different)})."
            )
        table_copy.lock(there, tables)
        full = {table.name for table in tables if not table_copy.is_empty(there, table)}
        if full:
            raise MoveFailed(
                f"The PostgreSQL database is not empty: it has rows in {_listed(full)}. Nothing is "
                "ever replaced; make a new one."
            )
        return tables

    @contextmanager
    def _step(self, label: str, count: Callable[[], int]) -> Iterator[Progress]:
        with self.out.progress(label, count) as bar:

            def step(done: int) -> None:
                self.check()
                bar(done)

            yield step


@contextmanager
def _named(table: Table) -> Iterator[None]:
    """Say in which table there is something that PostgreSQL does not take: what SQLite lets anybody
    write who writes into the file by hand, or damage that it does not see."""
    try:
        yield
    except IntegrityViolation as error:
        raise MoveFailed(f"PostgreSQL refuses a row of {table.name}.") from error
    except UnicodeDecodeError as error:
        raise MoveFailed(f"A row of {table.name} holds a text that is not UTF-8.") from error


def _counted(rows: Iterator[Row], step: Progress) -> Iterator[Row]:
    for row in rows:
        step(1)
        yield row


def _differences(here: Tx, there: Tx, table: Table, step: Progress) -> Iterator[Fault]:
    """Both tables in the order of their primary key, row beside row, column by column."""
    places = [table.columns.index(name) for name in table.key]
    faults = 0
    with (
        closing(table_copy.rows_of_sqlite(here, table)) as ours,
        closing(table_copy.rows_of_postgres(there, table)) as theirs,
    ):
        for old, new in zip_longest(ours, theirs):
            step(1)
            if old == new or faults >= _MOST_FAULTS:
                continue
            faults += 1
            which = " ".join(f"{table.columns[at]}={(old or new)[at]}" for at in places)
            if old is None or new is None:
                what = "is missing in the copy" if new is None else "is in the copy alone"
            else:
                pairs = zip(table.columns, old, new, strict=True)
                what = f"differs in {', '.join(name for name, a, b in pairs if a != b)}"
            yield Fault(f"{table.name} {which}", what)


class _Within(Database):
    """A database as one of its transactions sees it, so that what goes over a database can go over
    what is not committed yet."""

    def __init__(self, db: Database, tx: Tx) -> None:
        self.dialect = db.dialect
        self._db = db
        self._tx = tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """The transaction that is open anyway."""
        yield self._tx

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:  # noqa: ARG002 - nobody is waited for
        """The same: what fails in it fails as a whole."""
        yield self._tx

    def rotation_lock(self) -> AbstractContextManager[None]:
        """See :meth:`Database.rotation_lock`."""
        return self._db.rotation_lock()

    def scrub(self) -> bool:
        """Nothing was ever deleted."""
        return True

    def check(self) -> list[Fault]:
        """See :meth:`Database.check`."""
        return self._db.check()

    def close(self) -> None:
        """Its transaction ends elsewhere."""


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
