"""The audit trail: append to its chains, read them, cut off what is too old.

Each event is under a MAC over all that it says, its place, and the MAC of the event before it; and
each chain has a head, under a MAC (``utils/macs.py``), that says where it begins and ends. Without
the master key nobody can make one that fits. So whatever was changed, removed, inserted or put in
another order is found by ``utils/audit_check.py``.

Heads are locked last in a transaction, after the account's row, and those of several chains in the
order of their numbers: so nobody waits for each other in a circle.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from itertools import groupby

from models.events import SYSTEM, ChainId, Event, EventQuery, Head, Stored
from models.rows import SystemKey, UserId, Username
from models.times import from_microseconds, to_microseconds
from utils.db import Row, Tx
from utils.macs import event_mac, head_mac, same_mac

logger = logging.getLogger("secrets_manager")
FIRST_MAC = ""  # before the first event
_BROKEN = "broken"  # what no MAC is
_LATEST = to_microseconds(datetime.max.replace(tzinfo=timezone.utc))
_AFTER_ANY_NAME = "\x7f"

_HEAD = "SELECT anchor, anchor_mac, number, last_mac, mac FROM audit_heads WHERE chain_id = ?"
_LOCKED_HEAD = _HEAD + " FOR NO KEY UPDATE"
_BEGIN = (
    "INSERT INTO audit_heads (chain_id, anchor, anchor_mac, number, last_mac, mac) "
    "VALUES (?, 0, '', 0, '', '') ON CONFLICT (chain_id) DO NOTHING"
)
_UNWRITTEN = (0, "", 0, "", "")
# Where a chain goes on is told by its head, and by no event: one with the last number that there is
# would leave none for the next. What lies so near beyond the end is stepped over; what lies farther
# is never reached.
_LAST_WITHIN = (
    "SELECT number, mac FROM audit_events WHERE chain_id = ? AND number >= ? AND number <= ? "
    "ORDER BY number DESC LIMIT 1"
)
_NEAR = 2**32
_FARTHEST = 2**56  # where a head that is not to be believed does not tell where the end is
_COLUMNS = (
    "number, happened_at, action, name, outcome, username, via, credential_id, credential_name, "
    "address, request_id, times, detail"
)
_PAGE = (
    "SELECT " + _COLUMNS + " FROM audit_events "  # noqa: S608
    "WHERE chain_id = ? AND number > 0 AND number < ? "
    "AND (CAST(? AS TEXT) IS NULL OR action = ?) AND (CAST(? AS TEXT) IS NULL OR name = ?) "
    "AND (CAST(? AS TEXT) IS NULL OR (name >= ? AND name < ?)) "
    "AND (CAST(? AS TEXT) IS NULL OR (outcome = 'ok') = (CAST(? AS TEXT) = 'ok')) "
    "AND happened_at >= ? AND happened_at < ? ORDER BY number DESC LIMIT ?"
)
_FROM = (
    "SELECT " + _COLUMNS + ", mac FROM audit_events "  # noqa: S608
    "WHERE chain_id = ? AND number > ? ORDER BY number LIMIT ?"
)


_ROWS_AT_ONCE = 1000  # of 15 columns: SQLite takes 32,766 parameters
_INSERT = (
    "INSERT INTO audit_events (chain_id, number, happened_at, action, name, outcome, username, "
    "via, credential_id, credential_name, address, request_id, times, detail, mac) VALUES {rows}"
)


def append(tx: Tx, key: SystemKey, events: Iterable[tuple[ChainId, Event]]) -> None:
    """Add events to their chains. To be called last in a transaction: it locks their heads."""
    in_order = sorted(events, key=lambda one: one[0])
    rows: list[tuple[object, ...]] = []
    heads: list[tuple[object, ...]] = []
    for chain, group in groupby(in_order, key=lambda one: one[0]):
        head = _lock_head(tx, key, chain)
        number, last = head.number, head.last_mac
        for _, event in group:
            number += 1
            said = (number, *_fields(event))
            last = event_mac(key, chain, said, last)
            rows.append((chain, *said, last))
        moved = Head(head.anchor, head.anchor_mac, number, last)
        heads.append((number, last, head_mac(key, chain, moved), chain))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        tx.run_of(_INSERT, rows[start : start + _ROWS_AT_ONCE])
    tx.run_many(
        "UPDATE audit_heads SET number = ?, last_mac = ?, mac = ? WHERE chain_id = ?", heads
    )


def find_owner(tx: Tx, username: Username) -> tuple[ChainId, Username | None]:
    """Where an event about that name belongs, and the name if it is anybody's: what was typed may
    be anything, a password too, and only what is known to be a name is kept."""
    row = tx.one("SELECT id, state FROM users WHERE username = ?", username)
    if row is None:
        return SYSTEM, None
    return SYSTEM if row[1] == "deleted" else ChainId(row[0]), username


def find_username(tx: Tx, account: UserId) -> str:
    """What an account is called; empty if there is none."""
    row = tx.one("SELECT username FROM users WHERE id = ?", account)
    return str(row[0]) if row else ""


def chain_named(tx: Tx, username: Username) -> ChainId:
    """The chain of an account, also of one that is deleted; the system's if there is none."""
    row = tx.one("SELECT id FROM users WHERE username = ?", username)
    return ChainId(row[0]) if row else SYSTEM


def list_page(tx: Tx, chain: ChainId, query: EventQuery) -> list[Stored]:
    """Events of a chain, newest first."""
    prefix, outcome = query.prefix, query.outcome
    rows = tx.all(
        _PAGE,
        chain,
        query.before,
        query.action,
        query.action,
        query.name,
        query.name,
        prefix,
        prefix,
        None if prefix is None else prefix + _AFTER_ANY_NAME,
        outcome,
        outcome,
        0 if query.since is None else to_microseconds(query.since),
        _LATEST if query.until is None else to_microseconds(query.until),
        query.limit,
    )
    return [Stored(row[0], _event(row)) for row in rows]


def find_head(tx: Tx, key: SystemKey, chain: ChainId) -> tuple[Head, bool] | None:
    """A chain's head, and whether it is as it was written."""
    return _head(tx.one(_HEAD, chain), key, chain)


def chains(tx: Tx) -> list[ChainId]:
    """Every chain that there is, or should be."""
    rows = tx.all(
        "SELECT chain_id FROM audit_heads UNION SELECT id FROM users "
        "UNION SELECT DISTINCT chain_id FROM audit_events"
    )
    return [ChainId(one) for one in sorted({SYSTEM, *(row[0] for row in rows)}, key=str)]


def rows_after(tx: Tx, chain: ChainId, after: int, limit: int) -> list[Row]:
    """Rows as they are stored, oldest first: what the MAC is over, in that order, and the MAC."""
    return tx.all(_FROM, chain, after, limit)


def mac_of(tx: Tx, chain: ChainId, number: int) -> str | None:
    """The MAC of an event."""
    row = tx.one("SELECT mac FROM audit_events WHERE chain_id = ? AND number = ?", chain, number)
    return None if row is None else str(row[0])


def lowest(tx: Tx, chain: ChainId) -> object:
    """The number of the first event that is kept; None where there is none."""
    row = tx.one("SELECT min(number) FROM audit_events WHERE chain_id = ?", chain)
    return row and row[0]


def purge(tx: Tx, key: SystemKey, chain: ChainId, before: datetime, limit: int) -> int:
    """Delete at most *limit* events that are older than *before*, from a chain's beginning on; how
    many it deleted.

    The head keeps the MAC of the last one, so that the rest still verifies. What is not as it was
    written stays, and what comes after it: it is evidence.
    """
    found = _head(tx.one(_LOCKED_HEAD, chain), key, chain)
    if found is None or not found[1]:
        return 0
    head, _ = found
    number, last = head.anchor, head.anchor_mac
    for *said, mac in rows_after(tx, chain, head.anchor, limit):
        fits = said[0] == number + 1 and same_mac(mac, event_mac(key, chain, said, last))
        if not fits or said[1] >= to_microseconds(before):
            break
        number, last = number + 1, str(mac)
    if number == head.anchor:
        return 0
    moved = Head(number, last, head.number, head.last_mac)
    tx.run(
        "UPDATE audit_heads SET anchor = ?, anchor_mac = ?, mac = ? WHERE chain_id = ?",
        moved.anchor,
        moved.anchor_mac,
        head_mac(key, chain, moved),
        chain,
    )
    return tx.run(
        "DELETE FROM audit_events WHERE chain_id = ? AND number > ? AND number <= ?",
        chain,
        head.anchor,
        moved.anchor,
    )


def _lock_head(tx: Tx, key: SystemKey, chain: ChainId) -> Head:
    """The head to go on from. What is not as it was written must not be made good by going on: then
    the next event gets a MAC that fits nothing, and is found for ever. But it goes on: one row that
    somebody tampered with must not keep an account from its secrets."""
    row = tx.one(_LOCKED_HEAD, chain)
    if row is None:
        tx.run(_BEGIN, chain)
        row = tx.one(_LOCKED_HEAD, chain)
        if row == _UNWRITTEN and lowest(tx, chain) is None:
            return Head(0, FIRST_MAC, 0, FIRST_MAC)
    found = _head(row, key, chain)
    assert found is not None  # noqa: S101 - it was there, or was just made
    head, intact = found
    if intact:
        last = tx.one(_LAST_WITHIN, chain, head.number, head.number + _NEAR)
        if last == (head.number, head.last_mac) or (last is None and head.anchor == head.number):
            return head
    logger.error("The audit trail (chain %d) was tampered with: run flask audit verify.", chain)
    anchor, anchor_mac = (
        (head.anchor, head.anchor_mac) if isinstance(head.anchor, int) else (0, FIRST_MAC)
    )
    return Head(anchor, anchor_mac, _free_from(tx, chain, head.number if intact else 0), _BROKEN)


def _free_from(tx: Tx, chain: ChainId, number: int) -> int:
    """The first number from there on behind which there is room."""
    near = _NEAR if number else _FARTHEST
    while (last := tx.one(_LAST_WITHIN, chain, number + 1, number + near)) is not None:
        number, near = int(last[0]), _NEAR
    return number


def _head(row: Row | None, key: SystemKey, chain: ChainId) -> tuple[Head, bool] | None:
    if row is None:
        return None
    *ends, mac = row
    head = Head(*ends)
    return head, same_mac(mac, head_mac(key, chain, head))


def _fields(event: Event) -> tuple[object, ...]:
    """What an event's MAC is over, and how it is stored."""
    return (
        to_microseconds(event.at),
        event.action,
        event.name,
        event.outcome,
        event.username,
        event.via,
        event.credential_id,
        event.credential_name,
        event.address,
        event.request_id,
        event.times,
        event.detail,
    )


def _event(row: Row) -> Event:
    """Whatever SQLite lets somebody put into a column, the other events can be shown."""
    _, moment, *texts, times, detail = row
    event = Event(from_microseconds(moment), *map(str, texts))  # type: ignore[arg-type]
    times = times if isinstance(times, int) else 0
    return replace(event, times=times, detail=str(detail))
