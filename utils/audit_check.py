"""Verify the audit trail: each chain from its anchor to its head, and against a log of heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from models.events import (
    FIRST_OF_ACCOUNT,
    FIRST_OF_SYSTEM,
    OK,
    SYSTEM,
    ChainFault,
    ChainId,
    Head,
)
from models.rows import SystemKey
from utils.audit_heads import HEAD_LINE
from utils.db import Database, Tx
from utils.macs import event_mac, same_mac
from utils.store import audit

_BATCH = 200  # rows of a chain in memory at once, some 300 KB, for each request that verifies
_PURGE_BATCH = 2000  # rows that one transaction deletes


def verify_chain(tx: Tx, key: SystemKey, chain: ChainId) -> tuple[int, ChainFault | None]:
    """How many events are as they were written, and the first fault."""
    found = audit.find_head(tx, key, chain)
    if found is None:
        return 0, ChainFault(0, "the chain is missing, or its head is")
    head, intact = found
    if not intact:
        return 0, ChainFault(_number(head.number), "the head of the chain was changed")
    reached, last, fault = _follow(tx, key, chain, head)
    if fault is None and (reached, last) != (head.number, head.last_mac):
        fault = ChainFault(reached + 1, "is missing at the end of the chain")
    return reached - head.anchor, fault


def _follow(
    tx: Tx, key: SystemKey, chain: ChainId, head: Head
) -> tuple[int, str, ChainFault | None]:
    """The last event that follows from the beginning, its MAC, and what is wrong after it."""
    reached, last = head.anchor, head.anchor_mac
    lowest = audit.lowest(tx, chain)
    if lowest is not None and lowest != reached + 1:
        return reached, last, _out_of_place(reached + 1, lowest)
    while batch := audit.rows_after(tx, chain, reached, _BATCH):
        for *said, mac in batch:
            number, _, action, _, outcome, *_ = said
            if number != reached + 1:
                return reached, last, _out_of_place(reached + 1, number)
            first = FIRST_OF_SYSTEM if chain == SYSTEM else FIRST_OF_ACCOUNT
            if number == 1 and (action, outcome) != (first, OK):
                return reached, last, ChainFault(1, "is not what a chain begins with")
            if not same_mac(mac, event_mac(key, chain, said, last)):
                return reached, last, ChainFault(number, "was changed, or follows another event")
            reached, last = number, mac
    return reached, last, None


def verify_all(
    db: Database, key: SystemKey, heads: Iterable[str] = ()
) -> Iterator[tuple[ChainId, int, ChainFault | None]]:
    """Each chain, its events and its first fault; then what lines of a log (*heads*) contradict."""
    with db.read() as tx:
        chains = audit.chains(tx)
    for chain in chains:
        with db.read() as tx:
            events, fault = verify_chain(tx, key, chain)
        yield chain, events, fault
    for line in heads:
        if match := HEAD_LINE.search(line):
            chain, number, mac = ChainId(int(match[1])), int(match[2]), match[3]
            with db.read() as tx:
                there = _was_head(tx, key, chain, number, mac)
            if not there:
                yield chain, 0, ChainFault(number, "was the head once, and is not there now")


def purge_all(db: Database, key: SystemKey, before: datetime) -> int:
    """Delete events older than *before* from the beginning of each chain; how many."""
    with db.read() as tx:
        chains = audit.chains(tx)
    purged = 0
    for chain in chains:
        while True:
            with db.write() as tx:
                count = audit.purge(tx, key, chain, before, _PURGE_BATCH)
            purged += count
            if count < _PURGE_BATCH:
                break
    return purged


def _was_head(tx: Tx, key: SystemKey, chain: ChainId, number: int, mac: str) -> bool:
    """Whether the chain went on from there. What was purged since is believed to its head."""
    found = audit.find_head(tx, key, chain)
    if found is None or not found[1]:
        return False
    head, _ = found
    if number == head.anchor:
        return same_mac(head.anchor_mac, mac)
    return number < head.anchor or same_mac(audit.mac_of(tx, chain, number), mac)


def _out_of_place(expected: int, found: object) -> ChainFault:
    return ChainFault(expected, f"is missing, or out of place: event {found} is there instead")


def _number(found: object) -> int:
    return found if isinstance(found, int) else 0
