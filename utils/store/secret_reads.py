"""Reading secrets: one with its value, or a page of metadata."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.errors import Undecryptable
from models.paging import cut
from models.rows import (
    Ciphertext,
    KeyId,
    Secret,
    SecretInfo,
    SecretName,
    SecretQuery,
    UserId,
    WrappedKey,
)
from models.times import to_microseconds
from utils.crypto import MasterKeys, unseal
from utils.db import Row, Tx
from utils.store.secret_rows import (
    GONE,
    INFO,
    LIVE,
    WITH_VALUE,
    absent,
    absent_version,
    find,
    info_of,
    labels_json,
    live_one,
)

_OPENABLE = (
    "SELECT " + WITH_VALUE + "FROM secrets s "
    "JOIN secret_versions v ON v.secret_id = s.id "
    "JOIN user_keys k ON k.id = v.key_id "
    "JOIN user_key_material m ON m.key_id = k.id "
    "WHERE s.owner_id = ? AND " + LIVE + " AND "
)
_READ = _OPENABLE + "s.name = ? AND v.number = coalesce(CAST(? AS BIGINT), s.version)"
_READ_MANY = (
    "WITH wanted (name) AS (VALUES {rows}) "  # noqa: S608
    + _OPENABLE
    + "s.name IN (SELECT name FROM wanted) AND v.number = s.version"
)
_LIST = (
    "SELECT " + INFO + " FROM secrets s WHERE s.owner_id = ? "  # noqa: S608
    "AND s.name > ? AND s.name >= ? AND s.name < ? AND "
)
# A JSON fragment "key":"value" occurs in the labels' text only as a whole entry: quotes
# inside values are escaped there, and keys have none. LIKE would ignore case on one engine.
_FILTER = (
    " AND (CAST(? AS TEXT) = '' OR replace(s.labels, CAST(? AS TEXT), '') <> s.labels)"
    " AND (CAST(? AS TEXT) = '' OR replace(lower(s.name), CAST(? AS TEXT), '') <> lower(s.name))"
    " ORDER BY s.name LIMIT ?"
)
_LIST_LIVE = _LIST + LIVE + _FILTER
_LIST_GONE = _LIST + GONE + _FILTER

_INFO_AT = 6  # in WITH_VALUE

# The first byte above every character that a name may have: ends the range of a prefix.
AFTER_ANY_NAME = "\x7f"


def read(
    tx: Tx,
    master: MasterKeys,
    owner: UserId,
    name: SecretName,
    version: int | None,
    now: datetime,
) -> Secret:
    """Decrypt one version of a live secret (default: the newest).

    Raises NotFound, Undecryptable, MissingMasterKey.
    """
    row = tx.one(_READ, owner, to_microseconds(now), name, version)
    if row is None:
        known = version is not None and live_one(find(tx, owner, name), now) is not None
        raise absent_version() if known else absent()
    return opened(row, owner, master)


def read_many(
    tx: Tx, master: MasterKeys, owner: UserId, names: Sequence[SecretName], now: datetime
) -> dict[SecretName, Secret | Undecryptable]:
    """Decrypt the newest versions of all live secrets with these names, in one statement.

    What does not open is an entry too, and not the end of the others. Raises MissingMasterKey.
    """
    if not names:
        return {}
    found: dict[SecretName, Secret | Undecryptable] = {}
    for row in tx.all_of(_READ_MANY, [(name,) for name in names], owner, to_microseconds(now)):
        try:
            secret = opened(row, owner, master)
            found[secret.info.name] = secret
        except Undecryptable as error:
            found[info_of(row[_INFO_AT:]).name] = error
    return found


def opened(row: Row, owner: UserId, master: MasterKeys) -> Secret:
    """A row with the columns of ``WITH_VALUE``, decrypted. Raises Undecryptable: which, where."""
    number, ciphertext, key_id, state, sealed, wrapping = row[:_INFO_AT]
    info = info_of(row[_INFO_AT:])
    try:
        key = master.unwrap_user_key(WrappedKey(sealed, wrapping), owner, KeyId(key_id))
        value = unseal(key, Ciphertext(ciphertext), owner, info.id, number)
    except Undecryptable as error:
        where = f"Secret {info.id}, version {number}"
        raise Undecryptable(f"{where}, under key {key_id}, does not open.") from error
    return Secret(info, number, value, stale=state != "current")


def list_page(
    tx: Tx, owner: UserId, query: SecretQuery, now: datetime
) -> tuple[Sequence[SecretInfo], str | None]:
    """One page of metadata in byte order of names, and the name to continue after.

    Filters stay in one constant statement: an unused one compares with the empty text.
    """
    fragment = "" if query.label is None else labels_json(dict([query.label]))[1:-1]
    text = (query.text or "").lower()
    rows: list[Row] = []
    for prefix in query.prefixes:
        rows += tx.all(
            _LIST_GONE if query.gone else _LIST_LIVE,
            owner,
            query.after,
            prefix,
            prefix + AFTER_ANY_NAME,
            to_microseconds(now),
            fragment,
            fragment,
            text,
            text,
            query.limit + 1 - len(rows),  # one more than asked tells whether there is a next page
        )
        if len(rows) > query.limit:
            break
    page, last = cut([info_of(row) for row in rows], query.limit)
    return page, None if last is None else last.name
