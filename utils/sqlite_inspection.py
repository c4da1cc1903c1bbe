"""A SQLite database as a doctor opens it: beside live writers, and without changing a byte.

The service's own way of opening sets the journal's mode, makes the WAL, and moves it into the
database when it closes: all of that would hide, or even mend, what is to be found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from models.errors import DatabaseUnavailable
from utils.sqlite import SqliteDatabase

Journal = Literal["wal", "rollback"]
# What of its settings the library must have taken; a library can be built without some.
_EXPECTED = {"synchronous": (2, 3), "foreign_keys": (1,), "secure_delete": (1,)}  # 2 FULL, 3 EXTRA


class ReadOnlySqlite(SqliteDatabase):
    """One that reads. Raises DatabaseUnavailable where there is no such file."""

    def __init__(self, path: Path, busy_timeout_seconds: float) -> None:
        self.journal, self.open_as = _look_at(path)
        super().__init__(path, busy_timeout_seconds)

    @property
    def was_left_alone(self) -> bool:
        """Whether nobody began to write since it was taken for a file that nobody uses."""
        return "immutable" not in self.open_as or not _wal(self.path).exists()

    def _create_private_file(self) -> None:
        """Nothing is created."""

    def _pragmas(self) -> tuple[str, ...]:
        return (
            f"PRAGMA busy_timeout = {self._busy_timeout_ms}",
            "PRAGMA query_only = ON",
            "PRAGMA trusted_schema = OFF",
            "PRAGMA cell_size_check = ON",
            "PRAGMA temp_store = MEMORY",
        )


class SettingsProbe(SqliteDatabase):
    """An empty database in memory that is given the service's settings, to see which it takes."""

    open_as = "mode=memory"

    def _create_private_file(self) -> None:
        """It has no file."""

    def ignored(self) -> list[str]:
        """The settings that this SQLite does not take."""
        with self.read() as tx:
            found = {
                "synchronous": tx.one("PRAGMA synchronous"),
                "foreign_keys": tx.one("PRAGMA foreign_keys"),
                "secure_delete": tx.one("PRAGMA secure_delete"),
            }
        return [name for name, row in found.items() if row is None or row[0] not in _EXPECTED[name]]


def _look_at(path: Path) -> tuple[Journal, str]:
    """The mode that the file is in, and how to open it without a change."""
    wal = _wal(path)
    if wal.exists():
        # In use, or left by a crash. Its index is read too, or else it would be written.
        index = path.with_name(path.name + "-shm").exists()
        return "wal", "mode=ro&readonly_shm=1" if index else "mode=ro"
    try:
        with path.open("rb") as file:  # nobody has it open in WAL mode, so no lock is lost by this
            header = file.read(20)
    except OSError as error:
        raise DatabaseUnavailable(
            "The database is not available.", "its file cannot be opened"
        ) from error
    # Opened as a file in use, SQLite would make a WAL for it.
    return ("wal", "mode=ro&immutable=1") if header[18:19] == b"\2" else ("rollback", "mode=ro")


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
