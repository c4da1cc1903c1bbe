"""What a batch of waiting events becomes: whose each is, and one event for many that are alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from models.events import TOO_FAST, ChainId, Event, Waiting
from models.rows import Username
from utils.db import Tx
from utils.store import audit


def place(tx: Tx, waiting: Waiting) -> tuple[ChainId, Event]:
    """Whose it is, if all that is known is what was typed. Looked up here and not in the request:
    there, a name that is somebody's would take longer."""
    if waiting.typed is None:
        return waiting.chain, waiting.event
    chain, username = audit.find_owner(tx, waiting.typed)
    return chain, replace(waiting.event, username=username or Username(""))


def summed(placed: Iterable[tuple[ChainId, Event]]) -> list[tuple[ChainId, Event]]:
    """What strangers are refused again and again is one event that says how often: else they could
    fill the disk. What a known caller does is never summed up, but for what came too fast."""
    found: dict[object, tuple[ChainId, Event]] = {}
    for chain, event in placed:
        who = (event.username, event.credential_id, event.address)
        alike: object = (chain, event.action, event.outcome, who)
        if event.via and event.outcome != TOO_FAST:
            alike = len(found), event.request_id
        if alike in found:
            first = found[alike][1]
            found[alike] = chain, replace(first, times=first.times + event.times)
        else:
            found[alike] = chain, event
    return list(found.values())
