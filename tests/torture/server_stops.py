"""The production server stops and reloads under load, over TLS: nobody's request is cut off.

A request had begun if the application has a line for it in its log, so each of those must have been
answered. What was sent on a connection that the server kept and took requests on counts too,
whatever became of it: the server had its chance to say that it would close it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import requests

from tests.support.log import logged
from tests.support.people import PASSWORD
from tests.support.production import ProductionServer, make_certificate
from tests.torture.framework import Attempt, Figure, none
from tests.torture.visitors import Visitor, Visits, visiting

STOPS = 40
RELOADS = 40
VISITORS = 8
_REQUESTS = 100  # between two, so that each hits clients at work
_PATIENCE_SECONDS = 120
_ENVIRON = {
    "SECRETS_ACCESS_TOKEN_LIFETIME": "12h",
    # A machine that is busy with other things is not what is tested.
    "SECRETS_DATABASE_TIMEOUT": "60s",
}


def sigterm_row(attempt: Attempt) -> Sequence[Figure]:
    """SIGTERM to the production server under load: whatever had begun is answered."""
    stops = attempt.scaled(STOPS)
    with _visited(attempt, drain=5) as (server, visitors):
        for _ in range(stops):
            _let_work(visitors)
            server.stop()
            server.start().wait_until_ready()
        _let_work(visitors)
    visits = _sum(visitors)
    begun = len(
        [line for line in logged(server.log, "request") if line["route"] == "/secrets/<name>"]
    )
    unanswered = [f"{begun} requests are in the log, {visits.answered} were answered"]
    failed = [*visits.cut_on_kept, *(unanswered if begun != visits.answered else [])]
    attempt.blame([*failed, *visits.wrong])
    return [
        Figure(stops, "stops", at_least=stops),
        *_counts(visits, stops),
        Figure(visits.refused, "connections refused meanwhile", at_least=1),
        Figure(len(visits.cut_on_new), "more closed before the server took them"),
        none(failed, "failed that had begun"),
        none(visits.wrong, "wrong answers"),
        none(_killed(server), "workers killed"),
    ]


def reload_row(attempt: Attempt) -> Sequence[Figure]:
    """SIGHUP to the production server under load: every worker is replaced, no request fails."""
    reloads = attempt.scaled(RELOADS)
    with _visited(attempt, drain=10) as (server, visitors):
        for _ in range(reloads):
            _let_work(visitors)
            server.reload()
        _let_work(visitors)
    visits = _sum(visitors)
    failed = [*visits.cut_on_kept, *visits.cut_on_new]
    attempt.blame([*failed, *visits.wrong])
    return [
        Figure(reloads, "reloads", at_least=reloads),
        *_counts(visits, reloads),
        Figure(visits.refused, "connections refused", at_most=0),
        none(failed, "failed that had begun"),
        none(visits.wrong, "wrong answers"),
        none(_killed(server), "workers killed"),
    ]


@contextmanager
def _visited(attempt: Attempt, drain: float) -> Iterator[tuple[ProductionServer, list[Visitor]]]:
    """Two workers, with visitors that come as long as the block runs."""
    trust = make_certificate(attempt.folder)
    server = ProductionServer(
        attempt.folder / "instance", _ENVIRON, certificate=trust, workers=2, drain=drain
    )
    with server:
        cookies = _log_in(server)
        visitors = [
            Visitor(server.port, cookies, trust, number, keeps=number % 2 == 0)
            for number in range(VISITORS)
        ]
        with visiting(visitors):
            yield server, visitors


def _log_in(server: ProductionServer) -> str:
    assert server.certificate is not None
    credentials = {"username": "visited", "password": PASSWORD}
    verify = str(server.certificate.authority)
    for path in ("/register", "/login"):
        answer = requests.post(server.url + path, json=credentials, verify=verify, timeout=60)
        answer.raise_for_status()
    lines = answer.raw.headers.getlist("Set-Cookie")
    return "; ".join(line.partition(";")[0] for line in lines)


def _let_work(visitors: Sequence[Visitor]) -> None:
    enough = _sum(visitors).answered + _REQUESTS
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _sum(visitors).answered < enough:
        if time.monotonic() > deadline:
            raise TimeoutError("the visitors do not get through")
        time.sleep(0.01)


def _sum(visitors: Sequence[Visitor]) -> Visits:
    everybody = Visits()
    for visitor in visitors:
        everybody.add(visitor.visits)
    return everybody


def _counts(visits: Visits, times: int) -> list[Figure]:
    return [
        Figure(visits.answered, "requests", at_least=times * _REQUESTS),
        Figure(visits.on_kept_connections, "of them on kept connections", at_least=1),
        Figure(visits.let_go, "kept connections let go", at_least=1),
    ]


def _killed(server: ProductionServer) -> list[str]:
    """Workers that did not come to an end by themselves, in the log's words."""
    lines = server.log.read_text("utf-8").splitlines()
    return [line for line in lines if "Killing a worker" in line]
