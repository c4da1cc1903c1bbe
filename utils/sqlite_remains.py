"""What secure_delete leaves behind in a SQLite file, found and overwritten beside live writers.

secure_delete zeroes what is deleted. But when SQLite rebuilds a fragmented page (``rebuildPage`` in
its btree.c: neighbours are merged after deletions), it moves rows to the page's end and leaves
their former copies in what is now unused space. A row that is re-encrypted later is overwritten,
its former copy is not. VACUUM would remove it, but it holds the write lock for 1.6 s in a database
of 100 MB and for 8 s at 450 MB, and needs as much memory.

So the pages are looked at: of the tables that hold keys and ciphertexts, each leaf whose unused
space holds text. In each of them one row is made so long that it fills the page, and then is put
back, in one transaction: the first overwrites all that was unused, the second zeroes it.

Reading the file is safe, as nothing that is found there is believed: what is written goes through
SQL, and a page that changed meanwhile is only looked at again. Its layout is the one that
sqlite.org/fileformat2.html fixes.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.errors import DatabaseUnavailable
from utils.db import Tx

if TYPE_CHECKING:
    from utils.sqlite import SqliteDatabase

_RETRY_SECONDS = 0.05
_ROUNDS = 5  # a page that somebody writes to at the same time is looked at again
_BATCH = 20  # pages per transaction
_PAUSE_SECONDS = 0.002  # between batches: writers must not starve
# Fernet's alphabet. Shorter runs are offsets of former rows, or too little to tell anything.
_TEXT = re.compile(rb"[A-Za-z0-9_=-]{24}")
_INTERIOR, _LEAF = 5, 13  # pages of a table; indexes hold no ciphertext
_SLACK = 4  # lengths are numbers of varying length: growing a row may take two bytes more


class Leaf(NamedTuple):
    """A page with remains: the row that can fill it, and how much longer that must be."""

    table: str
    rowid: int
    growth: int


def scrub(db: SqliteDatabase) -> bool:
    """Overwrite all remains; False if the database is too busy to be sure of it."""
    for _ in range(_ROUNDS):
        if not empty_wal(db):  # what is in the WAL is not in the file yet
            return False
        found = list(remains(db))
        if not found:
            return True
        for start in range(0, len(found), _BATCH):
            with db.write() as tx:
                for leaf in found[start : start + _BATCH]:
                    _fill(tx, leaf)
            time.sleep(_PAUSE_SECONDS)
    return False


def empty_wal(db: SqliteDatabase) -> bool:
    """Leave nothing in the WAL, which has older copies of pages; False if somebody reads an old
    state for too long."""
    deadline = time.monotonic() + db.patience_seconds
    while not db.try_to_empty_wal():
        db.at_rest()
        if time.monotonic() >= deadline:
            return False
        time.sleep(_RETRY_SECONDS)
    return True


def remains(db: SqliteDatabase) -> Iterator[Leaf]:
    """The pages with text in their unused space, as the file has them."""
    with db.read() as tx:
        roots = tx.all(
            "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' "
            "AND name IN ('secret_versions', 'user_key_material', 'system_keys')"
        )
    file = _File(db.path)
    for table, root in roots:
        for page in file.leaves(root):
            if (row := _row_to_stretch(page, file.usable)) is not None:
                yield Leaf(table, *row)


def _fill(tx: Tx, leaf: Leaf) -> None:
    """Stretch a row over the unused space of its page, and put it back as it was."""
    row = tx.one(
        "SELECT CAST(ciphertext AS BLOB) FROM secret_versions WHERE rowid = ?"
        if leaf.table == "secret_versions"
        else "SELECT CAST(sealed AS BLOB) FROM user_key_material WHERE rowid = ?"
        if leaf.table == "user_key_material"
        else "SELECT CAST(sealed AS BLOB) FROM system_keys WHERE rowid = ?",
        leaf.rowid,
    )
    if row is None:
        return
    for value in (row[0] + b"0" * leaf.growth, row[0]):
        tx.run(
            "UPDATE secret_versions SET ciphertext = CAST(? AS TEXT) WHERE rowid = ?"
            if leaf.table == "secret_versions"
            else "UPDATE user_key_material SET sealed = CAST(? AS TEXT) WHERE rowid = ?"
            if leaf.table == "user_key_material"
            else "UPDATE system_keys SET sealed = CAST(? AS TEXT) WHERE rowid = ?",
            value,
            leaf.rowid,
        )


# --- the file ----------------------------------------------------------------------------------

_descriptors: dict[tuple[int, int], int] = {}
_reading = threading.Lock()


class _File:
    """The pages of a database file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open_for_ever(path)
        header = self._read(0, 100)
        self._page_size = {1: 65536}.get(_u16(header, 16), _u16(header, 16))
        self.usable = self._page_size - header[20]

    def leaves(self, root: int) -> Iterator[bytes]:
        """The leaf pages of one table."""
        pending, seen = [root], set[int]()
        while pending:
            number = pending.pop()
            page = self._read((number - 1) * self._page_size, self._page_size)
            if number in seen or len(page) < self._page_size:
                continue  # somebody is just rearranging the table
            seen.add(number)
            if page[0] == _LEAF:
                yield page
            elif page[0] == _INTERIOR:
                cells = (_u16(page, 12 + 2 * i) for i in range(_u16(page, 3)))
                pending += [_u32(page, 8), *(_u32(page, cell) for cell in cells)]

    def _read(self, offset: int, size: int) -> bytes:
        with _reading:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, size)


def _open_for_ever(path: Path) -> int:
    """Once per process, and never closed: POSIX drops all of a process's locks on a file when the
    process closes any descriptor of it, and SQLite's are among them."""
    try:
        status = path.stat()
        key = status.st_dev, status.st_ino
        if key not in _descriptors:
            _descriptors[key] = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise DatabaseUnavailable("The database file cannot be read.") from error
    return _descriptors[key]


def _row_to_stretch(page: bytes, usable: int) -> tuple[int, int] | None:
    """For a leaf with remains: the number of its shortest row, and by how much to stretch it."""
    cells = [_u16(page, 8 + 2 * i) for i in range(_u16(page, 3))]
    gap = page[8 + 2 * len(cells) : _u16(page, 5) or 65536]
    if not cells or not _TEXT.search(gap):
        return None
    unused = len(gap) + page[7] + sum(size for _, size in _free_blocks(page))
    (length, beyond, rowid) = min(_row(page, cell, usable) for cell in cells)
    return rowid, min(unused - _SLACK, usable - 35 - length) + beyond


def _free_blocks(page: bytes) -> Iterator[tuple[int, int]]:
    """Offset and size of each freed row's place."""
    block, last = _u16(page, 1), 0
    while last < block <= len(page) - 4:  # in ascending order, or the page is being written
        yield block, _u16(page, block + 2)
        last, block = block, _u16(page, block)


def _row(page: bytes, cell: int, usable: int) -> tuple[int, int, int]:
    """A row's length within its page, its number, and how much longer it must become before it
    takes more of the page at all: the rest of a long row is on pages of its own."""
    payload, cell = _varint(page, cell)
    rowid, _ = _varint(page, cell)
    largest, smallest = usable - 35, (usable - 12) * 32 // 255 - 23
    if payload <= largest:
        return payload, 0, rowid
    local = smallest + (payload - smallest) % (usable - 4)
    if local <= largest:
        return local, 0, rowid
    return smallest, usable - 4 - (local - smallest), rowid


def _u16(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 2], "big")


def _u32(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """A number in SQLite's variable-length notation, and where it ends."""
    value = 0
    for byte in page[at : at + 8]:
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at
    return value << 8 | page[at], at + 1
