"""Three nodes and two rotations over one PostgreSQL, which are killed and come back.

Clients move from node to node and keep journals. What one node told them must be so at every other,
at their next request: values that were stored, sessions that ended, passwords that were tried.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from models.times import utcnow
from tests.support.postgres import start_postgres
from tests.torture.framework import Attempt, Figure, none
from tests.torture.inspection import Inspection, inspect
from tests.torture.nodes import Cluster, Rotation
from tests.torture.travellers import Guesser, Revoker, Traveller, TravellingWriter, totals
from tests.torture.writers import together
from utils.audit_check import verify_all
from utils.store import system
from utils.vault import open_store

KILLS = 60
RESTARTS = 24  # of the database
ROTATIONS = 2
WRITERS = 3
_WRITES_BETWEEN = 10  # at least, so that everything hits clients at work
_LONGEST_BETWEEN = 1.0  # seconds from then on
_ALSO_A_NODE = 0.4  # how often one is killed, and started in vain, while the database is away
_AWAY_SECONDS = (0.2, 1, 3, 12)  # longer than DATABASE_TIMEOUT too
_AWAY_SECONDS_OF_A_SHORT_RUN = 2
_PATIENCE = 120


def row(attempt: Attempt) -> Sequence[Figure]:
    """3 nodes, 2 rotations, 1 PostgreSQL, all killed: nothing lost, and what ended has ended."""
    with start_postgres() as database, Cluster(attempt.folder, database) as cluster:
        crew = Crew.of(attempt, cluster)
        chaos = Chaos(attempt, cluster, crew)
        rotations = [Rotation(cluster) for _ in range(ROTATIONS)]
        for rotation in rotations:
            rotation.start()
        with together(crew.everybody):
            chaos.reign(attempt.scaled(KILLS), attempt.scaled(RESTARTS))
        for rotation in rotations:
            rotation.finish()
        for writer in crew.writers:
            writer.read_all_back()
        cluster.stop()
        wrong = [fault for rotation in rotations for fault in rotation.faults()]
        wrong += cluster.rotate().complaints() + cluster.rotate("--verify").complaints()
        behind = inspect(cluster.settings)
        broken = _broken_chains(cluster)
    return [
        Figure(chaos.kills, "node kills", at_least=attempt.scaled(KILLS)),
        Figure(chaos.kills_meanwhile, "of them without a database"),
        Figure(chaos.restarts, "database restarts", at_least=attempt.scaled(RESTARTS)),
        Figure(sum(rotation.done for rotation in rotations), "rotations finished", at_least=1),
        *_figures(attempt, cluster, crew, behind, wrong, broken),
    ]


@dataclass(frozen=True, slots=True)
class Crew:
    """The clients."""

    writers: list[TravellingWriter]
    revoker: Revoker
    guesser: Guesser

    @classmethod
    def of(cls, attempt: Attempt, cluster: Cluster) -> Crew:
        """Clients that know all nodes."""
        seed, nodes = attempt.random.random, [node.url for node in cluster.nodes]
        authority = cluster.certificate.authority
        return cls(
            [TravellingWriter(nodes, authority, f"writer{i}", seed()) for i in range(WRITERS)],
            Revoker(nodes, authority, "revoker", seed()),
            Guesser(nodes, authority, "guesser", seed()),
        )

    @property
    def everybody(self) -> list[Traveller]:
        """All of them."""
        return [*self.writers, self.revoker, self.guesser]

    @property
    def acknowledged(self) -> int:
        """Writes so far; good enough to read from another thread."""
        return sum(writer.findings.acknowledged for writer in self.writers)


@dataclass
class Chaos:
    """What happens to nodes and database, one thing after the other."""

    attempt: Attempt
    cluster: Cluster
    crew: Crew
    kills: int = 0
    kills_meanwhile: int = 0
    restarts: int = 0

    def reign(self, kills: int, restarts: int) -> None:
        """So many of each, in any order, and clients at work before and after each."""
        acts = [self._kill_a_node] * kills + [self._restart_the_database] * restarts
        self.attempt.random.shuffle(acts)
        self._let_work()
        for number, act in enumerate(acts, 1):
            act()
            self._let_work()
            if number % 10 == 0:
                self.attempt.say(
                    f"{self.kills} node kills, {self.restarts} database restarts,"
                    f" {self.crew.acknowledged} writes acknowledged"
                )

    def _let_work(self) -> None:
        enough = self.crew.acknowledged + _WRITES_BETWEEN
        deadline = time.monotonic() + _PATIENCE
        while self.crew.acknowledged < enough:
            if time.monotonic() > deadline:
                raise TimeoutError("the writers do not get through")
            time.sleep(0.01)
        time.sleep(self.attempt.random.uniform(0, _LONGEST_BETWEEN))

    def _kill_a_node(self) -> None:
        node = self.attempt.random.choice(self.cluster.nodes)
        node.kill()
        time.sleep(self.attempt.random.uniform(0, _LONGEST_BETWEEN))
        node.revive()
        self.kills += 1

    def _restart_the_database(self) -> None:
        """In order, at once, or by ``kill -9``; and with it, sometimes, a node."""
        database = self.cluster.database
        how = self.attempt.random.choice((database.stop, database.abort, database.kill))
        self.cluster.without_database(how, self._meanwhile)
        for node in self.cluster.nodes:
            node.revive()
        self.restarts += 1

    def _meanwhile(self) -> None:
        seconds = self.attempt.random.choice(_AWAY_SECONDS)
        if self.attempt.scale < 1:
            seconds = min(seconds, _AWAY_SECONDS_OF_A_SHORT_RUN)
        if self.attempt.random.random() < _ALSO_A_NODE:
            node = self.attempt.random.choice(self.cluster.nodes)
            node.kill()
            node.start()
            self.kills_meanwhile += 1
        time.sleep(seconds)


def _broken_chains(cluster: Cluster) -> list[str]:
    """What the audit trail's own check finds, against the heads that all nodes told their logs."""
    db, master = open_store(cluster.settings, utcnow())
    with closing(db):
        with db.read() as tx:
            key = system.audit_key(tx, master)
        assert key is not None
        told = [line for node in cluster.nodes for line in node.log.read_text().splitlines()]
        return [
            f"chain {chain}: event {fault.number} {fault.detail}"
            for chain, _, fault in verify_all(db, key, told)
            if fault is not None
        ]


def _figures(
    attempt: Attempt,
    cluster: Cluster,
    crew: Crew,
    behind: Inspection,
    wrong: list[str],
    broken: list[str],
) -> list[Figure]:
    found, service = totals(crew.everybody)
    lost = found.lost + behind.missing(
        (writer.username, page) for writer in crew.writers for page in writer.pages.values()
    )
    wrong = wrong + found.unexpected + service.hung
    for faults in (lost, behind.unreadable, behind.inconsistent, found.half_done, wrong):
        attempt.blame(faults)
    for faults in (service.crashed, crew.revoker.alive, crew.guesser.too_many, broken):
        attempt.blame(faults)
    longest = max((until - since for since, until in service.outages), default=0.0)
    recovery = max((cluster.away.recovery(*outage) for outage in service.outages), default=0.0)
    return [
        Figure(service.answers, "operations", at_least=attempt.scaled(5000)),
        Figure(found.acknowledged, "acknowledged writes", at_least=attempt.scaled(1500)),
        Figure(found.in_doubt, "in doubt"),
        Figure(behind.versions, "versions opened", at_least=attempt.scaled(1500)),
        Figure(crew.revoker.revoked, "sessions ended", at_least=attempt.scaled(100)),
        none(crew.revoker.alive, "alive elsewhere"),
        Figure(crew.guesser.evaluated, "wrong passwords looked at", at_least=1),
        attempt.speed(crew.guesser.full_bursts, "bursts undisturbed", at_least=1),
        none(crew.guesser.too_many, "over the limit"),
        # Of a short outage nobody need notice anything.
        attempt.speed(service.later, "answers 503", at_least=1),
        none(service.crashed, "other 5xx"),
        attempt.speed(round(service.slowest, 1), "s the slowest answer", at_most=12),
        attempt.speed(round(longest, 1), "s the longest outage"),
        attempt.speed(round(recovery, 1), "s of it with a database", at_most=15),
        none(lost, "lost"),
        none(behind.unreadable, "unreadable"),
        none(behind.inconsistent + found.half_done, "inconsistent"),
        none(broken, "broken audit chains"),
        none(wrong, "wrong answers or exits"),
    ]
