"""Whole tables, read from SQLite and from PostgreSQL in one order, and copied into the latter.

The only statements of ours that are made of names. These are the names of tables and columns, as
the catalogue of a schema has them that our own migrations made: so a new table or column cannot be
forgotten here. They are quoted by the driver, and no value is ever a part of a statement.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Protocol, cast

from psycopg import sql

from utils.db import Row, Tx

# When a database got its schema is not a part of what it holds.
_OWN = "schema_migrations"

_SQLITE_COLUMNS = (
    "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c "
    "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'"
)
_POSTGRES_COLUMNS = (
    "SELECT c.relname, a.attname, a.attidentity <> '', a.atttypid = 'text'::regtype, "
    "coalesce(array_position(i.indkey::int2[], a.attnum), -1) "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
    "LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "
    "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::text::regnamespace "
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
)
_REFERENCES = (
    "SELECT c.relname, r.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
    "JOIN pg_class r ON r.oid = k.confrelid "
    "WHERE k.contype = 'f' AND c.relnamespace = current_schema()::text::regnamespace"
)
_LAST_NUMBERS = "SELECT name, seq FROM sqlite_sequence"


class _Sqlite(Protocol):
    """What a transaction of SQLite's can do besides."""

    def stream(self, sql: str) -> Generator[Row, None, None]: ...


class _Postgres(Protocol):
    """And one of PostgreSQL's."""

    def execute(self, statement: sql.Composed) -> None: ...

    def stream(self, statement: sql.Composed) -> Generator[Row, None, None]: ...

    def copy_in(self, statement: sql.Composed, rows: Iterable[Row]) -> int: ...


@dataclass(frozen=True, slots=True)
class Table:
    """What is to be known of a table to copy it."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]  # of its primary key
    texts: frozenset[str]  # columns that sort as bytes in SQLite
    identity: str | None  # the column that the database numbers


def columns_of_sqlite(tx: Tx) -> dict[str, set[str]]:
    """Each table's columns."""
    found: dict[str, set[str]] = {}
    for table, column in tx.all(_SQLITE_COLUMNS):
        found.setdefault(table, set()).add(column)
    found.pop(_OWN, None)
    return found


def tables_of_postgres(tx: Tx) -> list[Table]:
    """All tables, each after those that it refers to."""
    columns: dict[str, list[Row]] = {}
    for table, *column in tx.all(_POSTGRES_COLUMNS):
        columns.setdefault(table, []).append(tuple(column))
    columns.pop(_OWN, None)
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(sorted(columns), ()))
    for table, referred in tx.all(_REFERENCES):
        if table != referred:
            order.add(table, referred)
    return [_table(name, columns[name]) for name in order.static_order()]


def _table(name: str, columns: list[Row]) -> Table:
    keys = sorted((place, column) for column, _, _, place in columns if place >= 0)
    return Table(
        name,
        tuple(column for column, *_ in columns),
        tuple(column for _, column in keys),
        frozenset(column for column, _, is_text, _ in columns if is_text),
        next((column for column, is_identity, *_ in columns if is_identity), None),
    )


def count(tx: Tx, table: Table) -> int:
    """How many rows it has in SQLite."""
    name = _quoted(table.name)
    (found,) = cast(_Sqlite, tx).stream(f"SELECT count(*) FROM {name}")  # noqa: S608 - see above
    return int(found[0])


def rows_of_sqlite(tx: Tx, table: Table) -> Generator[Row, None, None]:
    """All rows, by primary key; a few at a time are in memory."""
    columns, key = (", ".join(map(_quoted, names)) for names in (table.columns, table.key))
    return cast(_Sqlite, tx).stream(
        f"SELECT {columns} FROM {_quoted(table.name)} ORDER BY {key}"  # noqa: S608 - see above
    )


def rows_of_postgres(tx: Tx, table: Table) -> Generator[Row, None, None]:
    """The same of the other engine, in the same order."""
    key = [
        sql.SQL('{} COLLATE "C"' if name in table.texts else "{}").format(sql.Identifier(name))
        for name in table.key
    ]
    return cast(_Postgres, tx).stream(
        sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            _names(table.columns), sql.Identifier(table.name), sql.SQL(", ").join(key)
        )
    )


def copy_in(tx: Tx, table: Table, rows: Iterator[Row]) -> int:
    """Add *rows*, numbers and all; how many the server took. Raises IntegrityViolation."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN")
    name = sql.Identifier(table.name)
    return cast(_Postgres, tx).copy_in(statement.format(name, _names(table.columns)), rows)


def lock(tx: Tx, tables: Collection[Table]) -> None:
    """Let nobody else write into them until the transaction ends."""
    names = _names([table.name for table in tables])
    _run(tx, sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))


def is_empty(tx: Tx, table: Table) -> bool:
    """Whether it has no rows."""
    statement = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table.name))
    return not list(cast(_Postgres, tx).stream(statement))


def last_numbers(tx: Tx) -> dict[str, int]:
    """Per table of SQLite's, the highest number that it ever gave to a row, also to one that is
    gone."""
    return {row[0]: row[1] for row in tx.all(_LAST_NUMBERS)}


def go_on_after(tx: Tx, table: Table, number: int) -> None:
    """Let the next row that the database numbers have the next number. If the transaction rolls
    back, so does this."""
    assert table.identity is not None  # noqa: S101 - what SQLite numbers, PostgreSQL does too
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} RESTART WITH {}")
    names = sql.Identifier(table.name), sql.Identifier(table.identity)
    _run(tx, statement.format(*names, sql.Literal(number + 1)))


def gather_statistics(tx: Tx, tables: Collection[Table]) -> None:
    """Let the first queries be planned for full tables."""
    _run(tx, sql.SQL("ANALYZE {}").format(_names([table.name for table in tables])))


def _run(tx: Tx, statement: sql.Composed) -> None:
    cast(_Postgres, tx).execute(statement)


def _names(names: Collection[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
