"""What many clients were told by several processes at once, and whether one order explains it.

Eight clients share an account and fight for five secrets: they read, write, change and delete,
mostly on the condition that nothing has changed; two more write and read a pair of secrets, always
both in one batch. All that was asked and answered is checked for linearizability in the end
(:mod:`tests.torture.linearizability`). On SQLite three workers serve one file, and are killed on
the way, one of them or all; on PostgreSQL three nodes serve one database.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import requests
from cryptography.fernet import Fernet

from config import Settings
from tests.support.people import PASSWORD
from tests.support.postgres import start_postgres
from tests.support.production import ProductionServer
from tests.support.rotation import wait_until
from tests.support.server import Server
from tests.torture import linearizability
from tests.torture.framework import Attempt, Figure, none
from tests.torture.history_clients import Contender, Pairer, Record, Recorder, wait_for
from tests.torture.inspection import inspect
from tests.torture.one_secret import Operation
from tests.torture.writers import together

OPERATIONS = 50_000
KILLS = 60
_FEWEST_KILLS = 2  # one of each kind
NODES = 3  # processes that serve one database
_CONTENDERS = 8
_PAIRERS = 2
_SECRETS = tuple(f"fought-over/{i}" for i in range(5))
_REPORTS = 20  # of progress, where no kill gives occasion
_TIMEOUT = 60
_SETTINGS = {"SECRETS_ALLOW_PLAIN_HTTP": "true"}


def sqlite(attempt: Attempt, **environ: str) -> Sequence[Figure]:
    """Workers over SQLite are killed under 10 clients: one order explains all their answers."""
    instance = attempt.folder / "instance"
    server = Killable(instance, {**_SETTINGS, **environ}, workers=NODES)
    server.start().wait_until_ready()
    try:
        crew = Crew(attempt, [server.url])
        kills = max(_FEWEST_KILLS, attempt.scaled(KILLS))
        with together(crew.clients):
            for done in range(kills):
                crew.work((done + 1) / (kills + 1))
                if done % 2:
                    server.kill_a_worker(attempt)
                else:
                    server.kill()
                    server.start().wait_until_ready()
            crew.work(1)
        crew.read_all()
    finally:
        server.kill()
    settings = Settings(INSTANCE_DIR=instance)
    return [
        Figure(kills, "kills", at_least=kills),
        # Without these, the kills would have hit nothing.
        Figure(crew.unanswered, "outcomes unknown", at_least=max(1, kills // 2)),
        *_figures(attempt, crew, settings),
    ]


def postgresql(attempt: Attempt, **environ: str) -> Sequence[Figure]:
    """Three nodes over PostgreSQL, and 10 clients: one order explains all their answers."""
    master = Fernet.generate_key().decode()
    with ExitStack() as stack:
        url = stack.enter_context(start_postgres()).create_database("history")
        environ |= {**_SETTINGS, "SECRETS_DATABASE_URL": url, "SECRETS_MASTER_KEYS": master}
        servers = [ProductionServer(attempt.folder / f"node{i}", environ) for i in range(NODES)]
        for server in servers:
            stack.callback(server.start().stop)
        for server in servers:
            server.wait_until_ready()
        crew = Crew(attempt, [server.url for server in servers])
        with together(crew.clients):
            for done in range(_REPORTS):
                crew.work((done + 1) / _REPORTS)
        crew.read_all()
        settings = Settings(
            INSTANCE_DIR=attempt.folder / "node0", DATABASE_URL=url, MASTER_KEYS=(master,)
        )
        return [
            Figure(len(servers), "nodes", at_least=NODES),
            Figure(crew.unanswered, "outcomes unknown"),
            *_figures(attempt, crew, settings),
        ]


class Killable(ProductionServer):
    """A server whose workers can be killed one by one, too: once all of them have started. One that
    dies before that ends a server that is just beginning, which it says."""

    _had_started = 0

    def start(self) -> ProductionServer:
        """See :meth:`Server.start`."""
        self._had_started = self._started()
        return super().start()

    def wait_until_ready(self) -> Server:
        """Every worker, not only the first."""
        super().wait_until_ready()
        wait_until(lambda: self._started() >= self._had_started + self.workers, "all have started")
        return self

    def _started(self) -> int:
        return self.log.read_bytes().count(b"Started worker-") if self.log.exists() else 0

    def kill_a_worker(self, attempt: Attempt) -> None:
        """``kill -9`` of one process; the others go on, and it is replaced."""
        assert self.process is not None
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=", "-o", "pgid="], check=True, capture_output=True, text=True
        )
        group = [
            int(pid)
            for pid, pgid in map(str.split, listed.stdout.splitlines())
            if int(pgid) == self.process.pid and pid != pgid
        ]
        os.kill(attempt.random.choice(group), signal.SIGKILL)


@dataclass
class Crew:
    """The clients, and what they wrote down."""

    attempt: Attempt
    urls: Sequence[str]
    record: Record = field(default_factory=Record)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        token = _new_token(self.urls[0])
        contenders = [self._contender(f"c{i}", token) for i in range(_CONTENDERS)]
        pairers = [self._pairer(f"p{i}", token) for i in range(_PAIRERS)]
        self.clients: list[Recorder] = [*contenders, *pairers]
        self._last = self._contender("last", token), self._pairer("last of all", token)
        self._began = time.monotonic()

    def _contender(self, name: str, token: str) -> Contender:
        seed = self.attempt.random.random()
        return Contender(self.urls, name, seed, token, self.record, _SECRETS)

    def _pairer(self, name: str, token: str) -> Pairer:
        return Pairer(self.urls, name, self.attempt.random.random(), token, self.record)

    def work(self, share: float) -> None:
        """Let them work until that share of all operations is done."""
        wait_for(round(self.attempt.scaled(OPERATIONS) * share), self.record, self.clients)
        self.seconds = time.monotonic() - self._began
        self.attempt.say(f"{len(self.record.history)} operations")

    def read_all(self) -> None:
        """Once more, when nobody else does anything: what was lost last would show here only."""
        contender, pairer = self._last
        for name in _SECRETS:
            contender.do(name, "read")
        pairer.read()
        for client in self._last:
            client.hang_up()

    @property
    def unanswered(self) -> int:
        """Operations of which nobody told the client whether they were carried out."""
        return sum(one.answer is None for one in self.record.history)


def _new_token(url: str) -> str:
    """An account, and a token of it for all clients."""
    credentials = {"username": "owner", "password": PASSWORD}
    requests.post(url + "/register", json=credentials, timeout=_TIMEOUT).raise_for_status()
    login = requests.post(url + "/login", json=credentials, timeout=_TIMEOUT)
    # They are for TLS alone, which this is not: a cookie jar would not send them.
    cookies = "; ".join(f"{one.name}={one.value}" for one in login.cookies)
    made = requests.post(
        url + "/tokens",
        json={"name": "clients", "scopes": ["read", "write"]},
        headers={"Cookie": cookies},
        timeout=_TIMEOUT,
    )
    made.raise_for_status()
    return str(made.json()["token"])


def _figures(attempt: Attempt, crew: Crew, settings: Settings) -> list[Figure]:
    record, history = crew.record, crew.record.history
    behind = inspect(settings)
    _keep(history, attempt.folder / "history.jsonl")
    began = time.monotonic()
    impossible = linearizability.faults(history)
    checking = time.monotonic() - began
    broken = behind.unreadable + behind.inconsistent
    for faults in (impossible, record.torn, broken, record.unexpected):
        attempt.blame(faults)
    wanted = attempt.scaled(OPERATIONS)
    counts = _counts(history)
    return [
        Figure(len(history), "operations", at_least=wanted),
        Figure(round(crew.seconds), "s of work"),
        Figure(counts["busy"], "busy"),
        Figure(_overlapping(history), "beside another on the same secret", at_least=wanted // 10),
        *(
            Figure(counts[what], what, at_least=max(1, wanted // 100))
            for what in ("reads", "conditions met", "conditions refused", "deletes")
        ),
        Figure(behind.versions, "versions opened", at_least=wanted // 20),
        Figure(round(checking), "s to check"),
        none(impossible, "secrets that no order explains"),
        none(record.torn, "halves of a batch"),
        none(broken, "unreadable or inconsistent"),
        none(record.unexpected, "wrong answers"),
    ]


def _keep(history: Sequence[Operation], path: Path) -> None:
    """For whoever has to find out what happened; it stays with the other files of a short row."""
    with path.open("w") as file:
        for one in history:
            print(json.dumps(asdict(one)), file=file)


def _counts(history: Sequence[Operation]) -> Mapping[str, int]:
    """How often what was to be shown has happened."""
    counts = {"busy": 0, "reads": 0, "conditions met": 0, "conditions refused": 0, "deletes": 0}
    for one in history:
        if one.answer is None:
            continue
        asked, status = one.asked, one.answer.status
        conditional = asked.only_new or not (asked.if_tag is None is asked.if_version)
        counts["busy"] += status == "busy"
        counts["reads"] += asked.verb == "read" and status == "done"
        counts["conditions met"] += conditional and status == "done"
        counts["conditions refused"] += status == "refused"
        counts["deletes"] += asked.verb == "delete" and status == "done"
    return counts


def _overlapping(history: Sequence[Operation]) -> int:
    """Operations during which another one on the same secret was under way: else order is plain."""
    until: dict[str, int] = {}
    found = 0
    for one in sorted(history, key=lambda one: one.invoked):
        found += one.invoked < until.get(one.secret, 0)
        until[one.secret] = max(one.returned, until.get(one.secret, 0))
    return found
