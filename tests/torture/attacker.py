"""Write access to the database file: a connection that obeys none of the service's rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The module that the service uses: two SQLites in one process undo each other's locks.
from utils.sqlite_library import sqlite3

Cell = tuple[str, int, str]  # table, row, column
_KEY_COLUMNS = {"user_key_material": "key_id"}


@dataclass
class Tamper:
    """One act: cells and their new values, in order, and where it must be found out."""

    changes: list[tuple[Cell, Any]]
    found_at: set[str] = field(default_factory=set)  # what verify() must name, each of them
    refused: set[int] = field(default_factory=set)  # accounts whose login must fail
    same_content: bool = False  # another spelling of the same bytes: not an act at all


class Attacker:
    """A connection of the attacker's own: no foreign keys, no syncing, and a way back."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._undo: list[tuple[Cell, Any]] = []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, sql: str, *parameters: object) -> list[Any]:
        """All rows."""
        return self._connection.execute(sql, parameters).fetchall()

    def value(self, cell: Cell) -> Any:
        """What is in a cell."""
        table, row, column = cell
        key = _KEY_COLUMNS.get(table, "id")
        sql = f"SELECT {column} FROM {table} WHERE {key} = ?"  # noqa: S608 - names of ours
        return self.rows(sql, row)[0][0]

    def commit(self, tamper: Tamper) -> None:
        """Do it."""
        self._connection.execute("BEGIN IMMEDIATE")
        for cell, value in tamper.changes:
            self._undo.append((cell, self.value(cell)))
            self._set(cell, value)
        self._connection.execute("COMMIT")

    def take_back(self) -> None:
        """Undo the last act."""
        self._connection.execute("BEGIN IMMEDIATE")
        while self._undo:
            self._set(*self._undo.pop())
        self._connection.execute("COMMIT")

    def _set(self, cell: Cell, value: Any) -> None:
        table, row, column = cell
        key = _KEY_COLUMNS.get(table, "id")
        # Bytes become text, whatever they are: a disk does not ask whether it is UTF-8.
        new = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
        sql = f"UPDATE {table} SET {column} = {new} WHERE {key} = ?"  # noqa: S608 - names of ours
        self._connection.execute(sql, (value, row))
