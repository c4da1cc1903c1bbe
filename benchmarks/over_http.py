"""Requests to the running service, beside what Flask, SQLite, bcrypt and Fernet allow."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import bcrypt
import psycopg
from cryptography.fernet import Fernet

from benchmarks import load
from benchmarks.compare import Comparison, Plan, alternate
from benchmarks.filling import fill
from benchmarks.serving import WORKERS, Caller, Serving, bare, service
from config import Settings
from tests.support.postgres import start_postgres

_SECRETS = 100
_JSON = "application/json"
_BARE = [load.message("GET", "/", {})]


@dataclass(frozen=True)
class Subject:
    """The service that is measured, and an account on it with some secrets."""

    caller: Caller
    session: dict[str, str]
    names: list[str]

    def rate(self, plan: Plan, messages: Sequence[bytes], connections: int = 8) -> float:
        """Answers a second to these."""
        return load.apply(self.caller.address, messages, plan.seconds, connections).rate


@contextmanager
def subject(plan: Plan, environ: dict[str, str] | None = None) -> Iterator[Subject]:
    """The service at the plan's URL, or one of its own."""
    if plan.url:
        yield _enter(plan.url)
        return
    with service(plan.folder / "service", environ) as serving:
        yield _enter(_url(serving))


def read_by_session(plan: Plan) -> Comparison:
    """``GET /secrets/<name>`` with a session's cookie."""
    return _reads(plan, lambda subject: subject.session)


def read_by_token(plan: Plan) -> Comparison:
    """The same with an API token."""
    return _reads(plan, lambda subject: subject.caller.token(subject.session))


def _reads(plan: Plan, header: Callable[[Subject], dict[str, str]]) -> Comparison:
    with subject(plan) as ours, bare("json_route", plan.folder) as limit:
        messages = _gets(ours, header(ours))
        return alternate(
            plan, "requests/s", lambda: ours.rate(plan, messages), lambda: _rate(plan, limit)
        )


def read_on_postgresql(plan: Plan) -> Comparison:
    """``GET /secrets/<name>`` over PostgreSQL, beside one SELECT."""
    with start_postgres() as server:
        url = server.create_database("bench")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE bare (id integer PRIMARY KEY, value text)")
            connection.execute("INSERT INTO bare VALUES (1, 'hunter2')")
        with (
            subject(plan, {"SECRETS_DATABASE_URL": url}) as ours,
            bare("select_route", plan.folder, {"BARE_DATABASE": url}) as limit,
        ):
            messages = _gets(ours, ours.session)
            return alternate(
                plan, "requests/s", lambda: ours.rate(plan, messages), lambda: _rate(plan, limit)
            )


def batch_get(plan: Plan) -> Comparison:
    """``batchGet`` of 100 secrets, per secret, beside Fernet alone."""
    with subject(plan) as ours:
        body = json.dumps({"names": ours.names}).encode()
        messages = [load.message("POST", "/secrets:batchGet", ours.session, body, _JSON)]
        return alternate(
            plan,
            "secrets/s",
            lambda: ours.rate(plan, messages) * len(ours.names),
            lambda: _on_processes(_decrypts, WORKERS, plan.seconds),
        )


def put(plan: Plan) -> Comparison:
    """``PUT`` of one secret, durable, beside an INSERT that is."""
    database = {"BARE_DATABASE": str(plan.folder / "bare.db")}
    with subject(plan) as ours, bare("insert_route", plan.folder, database) as limit:
        body = json.dumps({"secret": "the value of one, some 40 characters long"}).encode()
        messages = [
            load.message("PUT", f"/secrets/{name}", ours.session, body, _JSON)
            for name in ours.names
        ]
        inserts = [load.message("PUT", "/", {})]
        return alternate(
            plan,
            "writes/s",
            lambda: ours.rate(plan, messages),
            lambda: load.apply(limit.address, inserts, plan.seconds).rate,
        )


def login(plan: Plan) -> Comparison:
    """``POST /login`` beside bcrypt on all cores."""
    cost = int(Settings.model_fields["BCRYPT_COST"].default)
    with subject(plan) as ours:
        body = json.dumps(ours.caller.credentials).encode()
        messages = [load.message("POST", "/login", {}, body, _JSON)]
        return alternate(
            plan,
            "logins/s",
            lambda: ours.rate(plan, messages, connections=4),
            lambda: _on_processes(_hashes, os.cpu_count() or 1, plan.seconds, cost),
            f"cost {cost}",
        )


def listing(plan: Plan) -> Comparison:
    """A page of 100 of a million secrets, beside one of a thousand."""
    many, few = plan.scaled(1_000_000), 1_000
    with service(plan.folder / "service") as serving:
        sides = []
        for name, count in (("many", many), ("few", few)):
            caller = Caller(_url(serving), name)
            session = caller.enter()
            fill(serving.environ, name, count)
            sides.append((Subject(caller, session, []), pages(session, count)))
        (large, large_pages), (small, small_pages) = sides
        return alternate(
            plan,
            "pages/s",
            lambda: large.rate(plan, large_pages),
            lambda: small.rate(plan, small_pages),
            f"{many} and {few} secrets",
        )


def pages(session: dict[str, str], count: int) -> list[bytes]:
    """Pages from everywhere: a cursor is the name before it."""
    chosen = random.Random(1)
    places = (f"filler/{chosen.randrange(count)}".encode() for _ in range(200))
    cursors = (base64.urlsafe_b64encode(place).decode().rstrip("=") for place in places)
    return [
        load.message("GET", f"/secrets?limit=100&cursor={cursor}", session) for cursor in cursors
    ]


def _enter(url: str) -> Subject:
    caller = Caller(url, f"bench-{time.time_ns()}")
    session = caller.enter()
    return Subject(caller, session, caller.store(session, _SECRETS))


def _gets(ours: Subject, header: dict[str, str]) -> list[bytes]:
    return [load.message("GET", f"/secrets/{name}", header) for name in ours.names]


def _url(serving: Serving) -> str:
    host, port = serving.address
    return f"http://{host}:{port}"


def _rate(plan: Plan, limit: Serving) -> float:
    return load.apply(limit.address, _BARE, plan.seconds).rate


def _on_processes(
    work: Callable[[float, int], float], processes: int, seconds: float, cost: int = 0
) -> float:
    """The sum of what so many processes get done in a second, each by itself."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawned) as pool:
        list(pool.map(time.sleep, [0.2] * processes))  # all are up before any begins
        return sum(pool.map(work, [seconds] * processes, [cost] * processes))


def _decrypts(seconds: float, _cost: int) -> float:
    fernet = Fernet(Fernet.generate_key())
    token = fernet.encrypt(b"the value of one, some 40 characters long" + bytes(30))
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        for _ in range(100):
            fernet.decrypt(token)
        done += 100
    return done / elapsed


def _hashes(seconds: float, cost: int) -> float:
    hashed = bcrypt.hashpw(b"a password", bcrypt.gensalt(cost))
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        bcrypt.checkpw(b"a password", hashed)
        done += 1
    return done / elapsed
