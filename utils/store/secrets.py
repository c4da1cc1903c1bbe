"""Secrets: each write is a new immutable version, sealed under the owner's current key.

A name keeps one row for ever (until destroyed): deleting and expiring only hide it, and creating
the name again continues its numbering.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from models.conditions import Conditions
from models.errors import AlreadyExists, NotFound, Undecryptable
from models.rows import (
    KEEP,
    Act,
    Change,
    Ciphertext,
    Deletion,
    KeyId,
    Secret,
    SecretId,
    SecretInfo,
    SecretName,
    SecretQuery,
    UserId,
    Value,
    WrappedKey,
)
from models.times import from_microseconds, maybe_from_microseconds, to_microseconds
from utils.crypto import MasterKeys, seal, unseal
from utils.db import Row, Tx
from utils.store.keys import current_key, lock_owner
from utils.tokens import new_id

_INFO = (
    "s.id, s.name, s.version, s.tag, s.labels, "
    "s.created_at, s.updated_at, s.expires_at, s.deleted_at, s.purge_at"
)
_LIVE = "s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ?)"
_GONE = "(s.deleted_at IS NOT NULL OR s.expires_at <= ?)"
_FIND = "SELECT " + _INFO + " FROM secrets s WHERE s.owner_id = ? AND s.name = ?"  # noqa: S608
_READ = (
    "SELECT " + _INFO + ", v.number, v.ciphertext, k.id, k.state, m.sealed, m.master "
    "FROM secrets s "
    "JOIN secret_versions v ON v.secret_id = s.id "
    "JOIN user_keys k ON k.id = v.key_id "
    "JOIN user_key_material m ON m.key_id = k.id "
    "WHERE s.owner_id = ? AND s.name = ? AND " + _LIVE + " "
    "AND v.number = coalesce(CAST(? AS BIGINT), s.version)"
)
_LIST = (
    "SELECT " + _INFO + " FROM secrets s WHERE s.owner_id = ? "  # noqa: S608
    "AND s.name > ? AND s.name >= ? AND s.name < ? AND "
)
# A JSON fragment "key":"value" occurs in the labels' text only as a whole entry: quotes
# inside values are escaped there, and keys have none. LIKE would ignore case on one engine.
_FILTER = (
    " AND (CAST(? AS TEXT) = '' OR replace(s.labels, CAST(? AS TEXT), '') <> s.labels)"
    " AND (CAST(? AS TEXT) = '' OR replace(lower(s.name), CAST(? AS TEXT), '') <> lower(s.name))"
    " ORDER BY s.name LIMIT ?"
)
_LIST_LIVE = _LIST + _LIVE + _FILTER
_LIST_GONE = _LIST + _GONE + _FILTER

# The first byte above every character that a name may have: ends the range of a prefix.
_AFTER_ANY_NAME = "\x7f"


# --- writing -----------------------------------------------------------------------------------


def create(tx: Tx, master: MasterKeys, act: Act, name: SecretName, change: Change) -> SecretInfo:
    """Store a secret under a name that no live secret has. Raises AlreadyExists."""
    lock_owner(tx, act.owner)
    found = _find(tx, act.owner, name)
    if _live(found, act.now) is not None:
        raise AlreadyExists("A secret with this name exists. PUT replaces its value.")
    return _begin(tx, master, act, name, found, change)


def put(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    change: Change,
    conditions: Conditions,
) -> tuple[SecretInfo, bool]:
    """Set the value, creating the secret if need be; whether it was created comes second.

    Raises PreconditionFailed.
    """
    lock_owner(tx, act.owner)
    found = _find(tx, act.owner, name)
    live = _live(found, act.now)
    conditions.require(live)
    if live is None:
        return _begin(tx, master, act, name, found, change), True
    return _change(tx, master, act, live, change), False


def patch(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    change: Change,
    conditions: Conditions,
) -> SecretInfo:
    """Replace what *change* mentions. Raises NotFound or PreconditionFailed."""
    lock_owner(tx, act.owner)
    live = _live(_find(tx, act.owner, name), act.now)
    if live is None:
        raise absent()
    conditions.require(live)
    return _change(tx, master, act, live, change)


def delete(
    tx: Tx, act: Act, name: SecretName, conditions: Conditions, retention: timedelta
) -> Deletion:
    """Hide the secret. Its versions stay until ``purge_at``. Raises NotFound."""
    lock_owner(tx, act.owner)
    live = _live(_find(tx, act.owner, name), act.now)
    if live is None:
        raise absent()
    conditions.require(live)
    tx.run(
        "UPDATE secrets SET deleted_at = ?, purge_at = ?, tag = ? WHERE id = ?",
        to_microseconds(act.now),
        to_microseconds(act.now + retention),
        new_id(),
        live.id,
    )
    return Deletion(name, act.now, act.now + retention)


def _begin(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    former: SecretInfo | None,
    change: Change,
) -> SecretInfo:
    """A new secret, or a new life of a deleted or expired one, with nothing left of its labels."""
    labels, expires_at = change.labels or {}, _given(change)
    moment, tag = to_microseconds(act.now), new_id()
    if former is None:
        row = tx.one(
            "INSERT INTO secrets (owner_id, name, version, tag, labels, created_at, updated_at, "
            "expires_at) VALUES (?, ?, 1, ?, ?, ?, ?, ?) RETURNING id",
            act.owner,
            name,
            tag,
            _labels_json(labels),
            moment,
            moment,
            _maybe_microseconds(expires_at),
        )
        assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
        secret_id, version, created_at = SecretId(row[0]), 1, act.now
    else:
        secret_id, version, created_at = former.id, former.version + 1, former.created_at
        tx.run(
            "UPDATE secrets SET version = ?, tag = ?, labels = ?, updated_at = ?, expires_at = ?, "
            "deleted_at = NULL, purge_at = NULL WHERE id = ?",
            version,
            tag,
            _labels_json(labels),
            moment,
            _maybe_microseconds(expires_at),
            secret_id,
        )
    assert change.value is not None  # noqa: S101 - requests that create carry a value
    _add_version(tx, master, act, secret_id, version, change.value)
    return SecretInfo(secret_id, name, version, tag, labels, created_at, act.now, expires_at)


def _change(tx: Tx, master: MasterKeys, act: Act, live: SecretInfo, change: Change) -> SecretInfo:
    """Apply what *change* mentions to a live secret."""
    labels = live.labels if change.labels is None else change.labels
    expires_at = live.expires_at if change.expires_at is KEEP else change.expires_at
    version, tag = live.version, new_id()
    if change.value is not None:
        version += 1
        _add_version(tx, master, act, live.id, version, change.value)
    tx.run(
        "UPDATE secrets SET version = ?, tag = ?, labels = ?, updated_at = ?, expires_at = ? "
        "WHERE id = ?",
        version,
        tag,
        _labels_json(labels),
        to_microseconds(act.now),
        _maybe_microseconds(expires_at),
        live.id,
    )
    return SecretInfo(
        live.id, live.name, version, tag, labels, live.created_at, act.now, expires_at
    )


def _add_version(
    tx: Tx, master: MasterKeys, act: Act, secret: SecretId, number: int, value: Value
) -> None:
    """The key is read here, inside the write transaction; see :func:`current_key`."""
    key_id, key = current_key(tx, master, act.owner)
    tx.run(
        "INSERT INTO secret_versions "
        "(secret_id, number, key_id, ciphertext, created_at, author, credential) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        secret,
        number,
        key_id,
        seal(key, value, act.owner, secret, number),
        to_microseconds(act.now),
        act.author.username,
        act.author.credential,
    )


# --- reading -----------------------------------------------------------------------------------


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
    row = tx.one(_READ, owner, name, to_microseconds(now), version)
    if row is None:
        raise absent()
    info = _info(row)
    number, ciphertext, key_id, state, sealed, wrapping = row[10:]
    try:
        key = master.unwrap_user_key(WrappedKey(sealed, wrapping), owner, KeyId(key_id))
        value = unseal(key, Ciphertext(ciphertext), owner, info.id, number)
    except Undecryptable as error:
        where = f"Secret {info.id}, version {number}"
        raise Undecryptable(f"{where}, under key {key_id}, does not open.") from error
    return Secret(info, number, value, stale=state != "current")


def list_page(
    tx: Tx, owner: UserId, query: SecretQuery, now: datetime
) -> tuple[list[SecretInfo], str | None]:
    """One page of metadata in byte order of names, and the name to continue after.

    Keyset paging: each page starts where the last name ended, by index, so the millionth
    costs as much as the first, and a write in between neither repeats nor hides a row.
    Filters stay in one constant statement: an unused one compares with the empty text.
    """
    fragment = "" if query.label is None else _labels_json(dict([query.label]))[1:-1]
    text = (query.text or "").lower()
    rows: list[Row] = []
    for prefix in query.prefixes:
        rows += tx.all(
            _LIST_GONE if query.gone else _LIST_LIVE,
            owner,
            query.after,
            prefix,
            prefix + _AFTER_ANY_NAME,
            to_microseconds(now),
            fragment,
            fragment,
            text,
            text,
            query.limit + 1 - len(rows),  # one more than asked tells whether there is a next page
        )
        if len(rows) > query.limit:
            break
    page = [_info(row) for row in rows[: query.limit]]
    return page, page[-1].name if len(rows) > query.limit else None


def _find(tx: Tx, owner: UserId, name: SecretName) -> SecretInfo | None:
    """The name's row, live or not."""
    row = tx.one(_FIND, owner, name)
    return _info(row) if row is not None else None


def _live(info: SecretInfo | None, now: datetime) -> SecretInfo | None:
    """The same rule as ``_LIVE``, for a row at hand."""
    if info is None or info.deleted_at is not None:
        return None
    return info if info.expires_at is None or info.expires_at > now else None


def _info(row: Row) -> SecretInfo:
    return SecretInfo(
        id=SecretId(row[0]),
        name=SecretName(row[1]),
        version=row[2],
        tag=row[3],
        labels=json.loads(row[4]),
        created_at=from_microseconds(row[5]),
        updated_at=from_microseconds(row[6]),
        expires_at=maybe_from_microseconds(row[7]),
        deleted_at=maybe_from_microseconds(row[8]),
        purge_at=maybe_from_microseconds(row[9]),
    )


def absent() -> NotFound:
    """The one answer for absent, deleted, expired, impossible and somebody else's."""
    return NotFound("No secret of yours has this name, or it is deleted or expired.")


def _given(change: Change) -> datetime | None:
    return None if change.expires_at is KEEP else change.expires_at


def _maybe_microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


def _labels_json(labels: dict[str, str]) -> str:
    return json.dumps(labels, sort_keys=True, separators=(",", ":"))
