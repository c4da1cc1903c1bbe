"""Random tampering with the audit trail: each act is found, in the chain that it was done to.

By somebody who can do everything to the database, and has all that ever was in it, but has no
master key. The last act is the one that the database alone cannot show: the end of a chain cut off
and its head put back as it once was. The log of heads shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

from app import create_app
from config import Settings
from models.events import Event
from models.times import utcnow
from routes.context import vault_of
from tests.support.people import Person
from tests.torture.audit_acts import ACTS, Events, Record, Table
from tests.torture.framework import Attempt, Figure, log_to, none
from utils.audit_check import verify_all
from utils.db import sqlite_path
from utils.sqlite_library import sqlite3
from utils.store import audit

TAMPERS = 10_000
_PEOPLE = 4
_EVENTS = 12  # more, in each chain
_PURGED = 5  # of one chain
_SOON = timedelta(hours=1)


def row(attempt: Attempt) -> Sequence[Figure]:
    """Random tampers with the audit trail: all of them found, and none where there was none."""
    tampers, acts = attempt.scaled(TAMPERS), list(ACTS)
    kinds, missed = Counter[str](), list[str]()
    with log_to(attempt.folder / "log"):
        trail = Trail(attempt)
        false = trail.faults()
        for _ in range(tampers):
            (act,) = attempt.random.choices(acts, list(ACTS.values()))
            touched = trail.suffer(act)
            if not touched & trail.faults():
                missed.append(f"{act.__name__} of chain {touched}")
            trail.heal()
            kinds[act.__name__] += 1
        false |= trail.faults()
        trail.close()
    attempt.blame(missed)
    return [
        Figure(kinds.total(), "tampers", at_least=tampers),
        Figure(len(kinds), "kinds", at_least=len(ACTS) if attempt.scale >= 1 else len(ACTS) // 2),
        none(missed, "not found"),
        none([str(chain) for chain in false], "found where nothing was done"),
    ]


class Trail:
    """A trail of several chains, one of them purged, and the log of their heads."""

    def __init__(self, attempt: Attempt) -> None:
        self._random = attempt.random
        settings = Settings(INSTANCE_DIR=attempt.folder / "instance", BCRYPT_COST=4)
        path = sqlite_path(settings.database_url)
        assert path is not None
        app = create_app(settings)
        self._vault = vault_of(app)
        for number in range(_PEOPLE):
            person = Person(app, f"person{number}")
            assert person.register().status_code == 201
            assert person.login().status_code == 200
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._live()
        self._before = {
            head["chain_id"]: ([e for e in self._events if e["chain_id"] == head["chain_id"]], head)
            for head in self._heads
        }
        self._live()
        self._log = [
            f"INFO audit head chain={h['chain_id']} number={h['number']} mac={h['last_mac']}"
            for h in self._heads
        ]

    def _live(self) -> None:
        """More happens, and the beginning of one chain is purged; this is how it is then."""
        vault, now = self._vault, utcnow()
        vault.audit.flush()
        with vault.db.write() as tx:
            chains = audit.chains(tx)
            happened = [(one, Event(now, "secret.read", name="a/b")) for one in chains]
            audit.append(tx, vault.audit.key, happened * _EVENTS)
            assert audit.purge(tx, vault.audit.key, chains[0], now + _SOON, _PURGED) == _PURGED
        self._events, self._heads = self._rows("audit_events"), self._rows("audit_heads")

    def _rows(self, table: str) -> list[Record]:
        found = self._connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608
        names = [column[0] for column in found.description]
        return [dict(zip(names, one, strict=True)) for one in found]

    def suffer(self, act: Callable[[Table], None]) -> set[int]:
        """One act; the chains that it touched."""
        events, heads = ([dict(one) for one in rows] for rows in (self._events, self._heads))
        table = Table(self._random, events, heads, self._before)
        act(table)
        self._put(table.events, table.heads)
        return table.touched

    def heal(self) -> None:
        """As it was before."""
        self._put(self._events, self._heads)

    def _put(self, events: Events, heads: list[Record]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for table, rows in (("audit_events", events), ("audit_heads", heads)):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self._connection.executemany(
                    f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - names of ours
                    [tuple(one.values()) for one in rows],
                )
        self._connection.execute("COMMIT")

    def faults(self) -> set[int]:
        """The chains in which something is found."""
        found = verify_all(self._vault.db, self._vault.audit.key, self._log)
        return {chain for chain, _, fault in found if fault is not None}

    def close(self) -> None:
        """Close everything."""
        self._connection.close()
        self._vault.close()
