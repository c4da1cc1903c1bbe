"""Everything that a database holds, and what changed between two moments.

Tables and columns come from the catalogue, so that a new table cannot be forgotten here.
"""

from __future__ import annotations

from typing import Any

from models.rows import Ciphertext, KeyId, SecretId, UserId, WrappedKey
from utils.crypto import MasterKeys, unseal
from utils.db import Database, Tx

Dump = dict[str, list[dict[str, Any]]]  # table -> rows -> columns

# New with every run of the same operation: only whether they are set is compared.
_VOLATILE = {
    *("tag", "sealed", "ciphertext", "password_hash", "mac", "username", "author", "name"),
    *("subject", "pair"),
}
_ENDINGS = ("id", "_at")
# Written soon after what they tell of, by a thread: when is nobody's to say.
_LATER = {"audit_events", "audit_heads"}


def dump(db: Database, master: MasterKeys) -> Dump:
    """All rows of all tables but the audit trail's, and of each secret's version also what it opens
    to.

    Raises Undecryptable if one does not open.
    """
    content = {table: rows for table, rows in unopened(db).items() if table not in _LATER}
    _open_versions(content, master)
    return content


def unopened(db: Database) -> Dump:
    """All rows of all tables as they are stored, also of a database that is damaged."""
    with db.read() as tx:
        content = {table: _rows(tx, table, names) for table, names in _columns(tx).items()}
    assert content["schema_migrations"], "the catalogue lists no tables of ours"
    return content


def delta(before: Dump, after: Dump) -> list[str]:
    """The rows that went (-) and came (+), without what is new each time.

    A row that changed is one of each, even if all that changed is volatile.
    """
    return [
        f"{sign} {table} {row}"
        for sign, here, there in (("-", before, after), ("+", after, before))
        for table in sorted(here)
        for row in sorted(_masked(row) for row in here[table] if row not in there[table])
    ]


def _columns(tx: Tx) -> dict[str, list[str]]:
    """The columns of each table of ours."""
    query = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
        if tx.dialect.name == "postgresql"
        else "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c "
        "WHERE t.type = 'table' AND t.name <> 'sqlite_sequence'"
    )
    found: dict[str, list[str]] = {}
    for table, column in tx.all(query):
        found.setdefault(table, []).append(column)
    return found


def _rows(tx: Tx, table: str, columns: list[str]) -> list[dict[str, Any]]:
    # Names from the catalogue, in a test.
    rows = tx.all(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _open_versions(content: Dump, master: MasterKeys) -> None:
    owners = {row["id"]: UserId(row["owner_id"]) for row in content["secrets"]}
    material = {row["key_id"]: row for row in content["user_key_material"]}
    for row in content["secret_versions"]:
        owner, wrapped = owners[row["secret_id"]], material[row["key_id"]]
        key = master.unwrap_user_key(
            WrappedKey(wrapped["sealed"], wrapped["master"]), owner, KeyId(row["key_id"])
        )
        ciphertext = Ciphertext(row["ciphertext"])
        secret = SecretId(row["secret_id"])
        row["opened"] = unseal(key, ciphertext, owner, secret, row["number"]).data


def _masked(row: dict[str, Any]) -> str:
    shown = {
        column: value if value is None or not _is_volatile(column) else "..."
        for column, value in row.items()
    }
    return ", ".join(f"{column}={value!r}" for column, value in shown.items())


def _is_volatile(column: str) -> bool:
    return column in _VOLATILE or column.endswith(_ENDINGS)
