"""What somebody can do to the audit trail who can do everything to the database, and has all that
ever was in it, but has no master key. A row of ``make torture`` does it (audit_tampers)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from models.events import ChainId, Head
from models.rows import SystemKey
from utils.macs import event_mac, head_mac

Record = dict[str, Any]
Events = list[Record]


@dataclass
class Table:
    """The two tables in the attacker's hands: what they change is written back."""

    random: random.Random
    events: Events
    heads: list[Record]
    before: dict[int, tuple[Events, Record]]  # an earlier state of each chain
    touched: set[int] = field(default_factory=set)

    def event(self) -> Record:
        """Any event; its chain counts as touched."""
        found = self.random.choice(self.events)
        self.touched.add(found["chain_id"])
        return found

    def chain(self) -> tuple[Events, Record]:
        """The events of any chain, oldest first, and its head."""
        head = self.random.choice(self.heads)
        return self.of(head["chain_id"]), head

    def of(self, chain: int) -> Events:
        """The events of a chain, which counts as touched."""
        self.touched.add(chain)
        return [one for one in self.events if one["chain_id"] == chain]

    def other(self, chain: int) -> int:
        """The number of another chain."""
        return int(
            self.random.choice([h["chain_id"] for h in self.heads if h["chain_id"] != chain])
        )

    def drop(self, gone: Events) -> None:
        """Remove events."""
        self.events = [one for one in self.events if not any(one is each for each in gone)]

    def another(self, value: Any) -> Any:
        """Something else than *value*, and not far from it."""
        if isinstance(value, int):
            return value + self.random.choice((-1000, -1, 1, 7, 1000))
        if not value:
            return "x"
        at = self.random.randrange(len(value))
        return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


def change_a_column(table: Table) -> None:
    """Any column of any event."""
    event = table.event()
    column = table.random.choice([c for c in event if c not in {"chain_id", "number"}])
    event[column] = table.another(event[column])


def change_an_outcome(table: Table) -> None:
    """What was refused looks allowed, or somebody else's act."""
    event = table.event()
    event["outcome"] = "wrong-credentials" if event["outcome"] == "ok" else "ok"
    event["username"] = "somebody-else"


def remove_events(table: Table) -> None:
    """One, or several in a row, anywhere: also the first or the last."""
    events, _ = table.chain()
    at = table.random.randrange(len(events))
    table.drop(events[at : at + table.random.randrange(1, 5)])


def remove_and_close_the_gap(table: Table) -> None:
    """The events behind the gap get the numbers that are missing."""
    events, head = table.chain()
    at = table.random.randrange(len(events) - 1)
    table.drop([events[at]])
    for event in events[at + 1 :]:
        event["number"] -= 1
    head["number"] -= 1


def insert_an_event(table: Table) -> None:
    """A copy, changed or not, at the end, before the beginning, or in a chain that is nobody's."""
    event = dict(table.event())
    numbers = [one["number"] for one in table.of(event["chain_id"])]
    event["number"] = table.random.choice(
        (max(numbers) + 1, max(numbers) + 9, min(numbers) - 1, 0, -(2**63), 2**63 - 1)
    )
    if table.random.random() < 0.3:
        event["chain_id"] = table.random.randrange(2**60)
        table.touched = {event["chain_id"]}
    table.events.append(event)


def reorder(table: Table) -> None:
    """Two events of one chain in each other's place."""
    events, _ = table.chain()
    one, other = table.random.sample(events, 2)
    one["number"], other["number"] = other["number"], one["number"]


def swap_between_chains(table: Table) -> None:
    """Two events of two chains, each in the other's place."""
    one = table.event()
    other = table.random.choice(table.of(table.other(one["chain_id"])))
    for column in ("chain_id", "number"):
        one[column], other[column] = other[column], one[column]


def move_to_another_chain(table: Table) -> None:
    """The last event of one becomes the next of another."""
    event, chain = table.event(), 0
    chain = table.other(event["chain_id"])
    event["number"] = table.of(chain)[-1]["number"] + 1
    event["chain_id"] = chain


def edit_a_head(table: Table) -> None:
    """Any column of it."""
    _, head = table.chain()
    column = table.random.choice([c for c in head if c != "chain_id"])
    head[column] = table.another(head[column])


def take_anothers_head(table: Table) -> None:
    """All of it but the number of the chain."""
    _, head = table.chain()
    other = table.other(head["chain_id"])
    theirs = next(one for one in table.heads if one["chain_id"] == other)
    head.update({c: v for c, v in theirs.items() if c != "chain_id"})


def cut_the_end(table: Table) -> None:
    """And let the head end where the rest ends, as well as one can without the key."""
    events, head = table.chain()
    kept = table.random.randrange(1, len(events))
    table.drop(events[kept:])
    head["number"], head["last_mac"] = events[kept - 1]["number"], events[kept - 1]["mac"]


def cut_the_beginning(table: Table) -> None:
    """As a purge would do it, but for the head's MAC."""
    events, head = table.chain()
    gone = table.random.randrange(1, len(events))
    table.drop(events[:gone])
    head["anchor"], head["anchor_mac"] = events[gone - 1]["number"], events[gone - 1]["mac"]


def remove_a_chain(table: Table) -> None:
    """With its head, or without, or the head alone."""
    events, head = table.chain()
    what = table.random.choice(("all", "events", "head"))
    if what != "head":
        table.drop(events)
    if what != "events":
        table.heads.remove(head)


def rewrite_with_another_key(table: Table) -> None:
    """From any event to the head, consistently: only the key is missing."""
    events, head = table.chain()
    key, chain = SystemKey(table.random.randbytes(44)), ChainId(head["chain_id"])
    at = table.random.randrange(len(events))
    events[at]["username"] = "somebody-else"
    previous = events[at - 1]["mac"] if at else head["anchor_mac"]
    for event in events[at:]:
        said = [v for c, v in event.items() if c not in {"chain_id", "mac"}]
        previous = event["mac"] = event_mac(key, chain, said, previous)
    head["last_mac"] = previous
    ends = Head(head["anchor"], head["anchor_mac"], head["number"], previous)
    head["mac"] = head_mac(key, chain, ends)


def put_back(table: Table) -> None:
    """All of a chain as it once was: nothing but the log of heads knows better."""
    head = table.random.choice(table.heads)
    table.drop(table.of(head["chain_id"]))
    events, former = table.before[head["chain_id"]]
    table.events += [dict(one) for one in events]
    head.update(former)


ACTS: dict[Callable[[Table], None], int] = {  # and how often, of 100
    change_a_column: 22,
    change_an_outcome: 6,
    remove_events: 12,
    remove_and_close_the_gap: 7,
    insert_an_event: 10,
    reorder: 8,
    swap_between_chains: 6,
    move_to_another_chain: 4,
    edit_a_head: 7,
    take_anothers_head: 2,
    cut_the_end: 4,
    cut_the_beginning: 4,
    remove_a_chain: 2,
    rewrite_with_another_key: 4,
    put_back: 2,
}
