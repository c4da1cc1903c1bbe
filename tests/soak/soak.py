"""Ten minutes of a working service: nothing fails, nothing leaks, nothing grows."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from config import Settings
from models.times import utcnow
from tests.soak.chores import Chore, Processes, backup, command, scrape
from tests.soak.customers import Customer
from tests.soak.heard import Heard
from tests.support import canaries
from tests.support.production import ProductionServer, make_certificate
from tests.support.rotation import wait_until
from tests.torture.framework import Attempt, Figure, none
from tests.torture.pace import percentile
from tests.torture.writers import Findings, together
from utils.db import Database
from utils.vault import open_store

SECONDS = 600
WORKERS = 3
CUSTOMERS = 4
# Requests a second, of all of them. Each leaves an event, so within the warm-up there are more
# pages than the 2 MB that SQLite keeps for each connection: a cache that fills up is no leak.
RATE = 50
KINDS = {  # of canaries
    *("secret", "password", "access cookie", "refresh cookie", "API token"),
    *("master key", "user key", "pepper"),
}
CONTROLS = {  # what is to be seen in each place that is searched, and is no secret
    "log": "customer0",
    "errors": "request_id",
    "metrics": "/secrets/<name>",
    "arguments": "utils.serving",
    "audit": "secret.read",
    "commands": "rotate_keys.py",
}
_SHORTEST = 8.0  # seconds: each chore once
# Of the time: until each thread that has work has a connection, with its cache of pages full.
_WARM_UP = 0.4
_GROWTH = 5  # percent
_LEAST = 10  # requests of each customer
# A short run shares its machine, where a busy database or hashing is nobody's fault.
_PATIENT = {"SECRETS_DATABASE_TIMEOUT": "30s", "SECRETS_HASHING_TIMEOUT": "30s"}


def row(attempt: Attempt) -> Sequence[Figure]:
    """Steady load, rotations, purges, backups and scrapes: no error, no leak, no growth."""
    certificate = make_certificate(attempt.folder)
    token = secrets.token_urlsafe(32)
    environ = _environ(token) if attempt.scale >= 1 else _environ(token) | _PATIENT
    server = ProductionServer(
        attempt.folder / "instance", environ, certificate=certificate, workers=WORKERS
    )
    heard = Heard(attempt.folder / "heard", server.log)
    customers = [
        Customer(
            server.url,
            f"customer{number}",
            attempt.random.random(),
            CUSTOMERS / RATE,
            certificate.authority,
            heard,
        )
        for number in range(CUSTOMERS)
    ]
    seconds = max(_SHORTEST, SECONDS * attempt.scale)
    with server, ExitStack() as stack:
        processes = Processes(server, heard, os.getpid())
        db = open_store(Settings(INSTANCE_DIR=server.instance), utcnow())[0]
        stack.callback(db.close)
        watch = partial(_watch, processes, heard, db, server.instance / "master.key")
        spare = attempt.folder / "backup.db"
        chores = [
            Chore("watch", 0.5, watch),
            Chore("rotation", 10, partial(command, server, heard, "rotate_keys.py", "--all")),
            Chore("purge", 15, partial(command, server, heard, "-m", "flask", "purge")),
            Chore("backup", 20, partial(backup, server, heard, spare)),
            Chore("scrape", 5, partial(scrape, server, heard, token, certificate.authority)),
        ]
        with together(customers):
            for chore in chores:
                stack.enter_context(chore)
            wait_until(lambda: _all_made(1, customers), "every customer is at work")
            began = time.monotonic()
            time.sleep(seconds)
            # On a busy machine a short run would be over before anything happened.
            wait_until(lambda: _all_made(_LEAST, customers), "every customer was served")
            wait_until(lambda: all(one.done for one in chores), "each chore was done")
            for customer in customers:
                customer.let_go()
        took = time.monotonic() - began
        stack.pop_all().close()
    _hear_the_trail(server, heard)
    growth = processes.growth(began + seconds * _WARM_UP)
    for pid, course in sorted(processes.course().items()):
        attempt.say(f"worker {pid}: {course} MiB, {growth.get(pid, 0.0):+.1f} % after the warm-up")
    return _figures(attempt, customers, chores, heard, growth, seconds, took)


def _all_made(count: int, customers: Sequence[Customer]) -> bool:
    return all(len(customer.timetable.latencies) >= count for customer in customers)


def _environ(token: str) -> dict[str, str]:
    return {
        "SECRETS_BCRYPT_COST": "10",
        "SECRETS_METRICS_TOKEN": token,
        # There is to be something to purge; and wrong passwords are part of the load.
        "SECRETS_VERSIONS_KEPT": "3",
        "SECRETS_DELETED_RETENTION": "20s",
        **{f"SECRETS_LOGIN_ATTEMPTS_{what}": "0" for what in ("PAIR", "ACCOUNT", "SOURCE")},
    }


def _watch(processes: Processes, heard: Heard, db: Database, key: Path) -> None:
    """Memory, arguments, and the keys that there are just now: rotations make new ones."""
    processes.watch()
    master = key.read_bytes().strip()
    heard.plant_all("master key", canaries.with_halves({"": master}))
    opened = canaries.with_halves(canaries.open_keys(db, master))
    for kind in ("user key", "pepper"):
        found = {name: key for name, key in opened.items() if name.startswith(kind)}
        heard.plant_all(kind, found)


def _hear_the_trail(server: ProductionServer, heard: Heard) -> None:
    """All of it, as it is stored when the server has stopped."""
    db = open_store(Settings(INSTANCE_DIR=server.instance), utcnow())[0]
    with db.read() as tx:
        heard.hear("audit", repr(tx.all("SELECT * FROM audit_events")).encode())
    db.close()


def _figures(
    attempt: Attempt,
    customers: Sequence[Customer],
    chores: Sequence[Chore],
    heard: Heard,
    growth: dict[int, float],
    seconds: float,
    took: float,
) -> Sequence[Figure]:
    found = Findings()
    for customer in customers:
        found.add(customer.findings)
    latencies = [one for customer in customers for one in customer.timetable.latencies]
    faults = [fault for chore in chores for fault in chore.faults]
    hits, planned = heard.hits(), int(RATE * seconds)
    for wrong in (found.unexpected, found.lost, faults, hits):
        attempt.blame(wrong)
    planted = heard.planted
    attempt.say(f"planted: {planted}; {len(latencies) / took:.0f} requests a second")
    shown = [place for place, text in CONTROLS.items() if heard.shows(place, text)]
    enough = 0.9 * planned if attempt.scale >= 1 else CUSTOMERS * _LEAST
    return [
        Figure(seconds, "seconds"),
        Figure(len(latencies), "requests", at_least=enough),
        none(found.unexpected + found.lost, "errors"),
        Figure(percentile(latencies, 50), "ms p50"),
        Figure(percentile(latencies, 99), "ms p99"),
        *(Figure(one.done, f"{one.name}s", at_least=1) for one in chores[1:]),
        none(faults, "of these failed"),
        Figure(len(growth), "workers watched", at_least=WORKERS),
        attempt.speed(
            max(growth.values(), default=float("nan")), "% memory growth at most", at_most=_GROWTH
        ),
        Figure(len(KINDS & planted.keys()), "kinds of canaries", at_least=len(KINDS)),
        Figure(sum(planted.values()), "canaries", at_least=len(KINDS)),
        # A place in which nothing at all is found was not looked at.
        Figure(len(shown), "places searched", at_least=len(CONTROLS)),
        none(hits, "hits"),
    ]
