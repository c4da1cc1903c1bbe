"""One refresh token, presented by several at once: who wins, and what becomes of the session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import requests

from tests.attack.workers import UNLIMITED, credentials, workers
from tests.support.postgres import start_postgres
from tests.support.race import at_once
from tests.support.server import Server
from tests.torture.framework import Attempt, Figure

_RACES = 300  # half of them on each engine
_THREADS = _WORKERS = 4
_ACCESS, _REFRESH = "access_token_cookie", "refresh_token_cookie"


def row(attempt: Attempt) -> Sequence[Figure]:
    """300 races of 4 threads for one refresh token, over 4 processes: never two winners."""
    found: Counter[str] = Counter()
    races = max(1, attempt.scaled(_RACES) // 2)
    found += _races(attempt.folder / "sqlite", races, {})
    with start_postgres() as postgres:
        url = {"SECRETS_DATABASE_URL": postgres.create_database("races")}
        found += _races(attempt.folder / "postgresql", races, url)
    attempt.say(str(dict(found)))
    return [
        Figure(found["races"], "races", at_least=2 * races),
        Figure(found["refused"], "refused", at_least=2 * races * (_THREADS - 1)),
        Figure(found["one winner"], "with one winner", at_least=2 * races),
        Figure(found["several winners"], "with several winners", at_most=0),
        Figure(found["alive"], "sessions alive after a second use", at_most=0),
        Figure(found["other answer"], "other answers", at_most=0),
    ]


def _races(folder: Path, races: int, environ: dict[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    folder.mkdir()
    with workers(folder, _WORKERS, **UNLIMITED, **environ) as servers:
        url = servers[0].url
        answer = requests.post(url + "/register", json=credentials("racer"), timeout=60)
        assert answer.status_code == 201
        for _ in range(races):
            found += _race(servers)
    return found


def _race(servers: list[Server]) -> Counter[str]:
    url = servers[0].url
    login = requests.post(url + "/login", json=credentials("racer"), timeout=60)
    headers = {"Cookie": f"{_REFRESH}={login.cookies[_REFRESH]}"}
    with ExitStack() as stack:
        jobs = []
        for server in servers:
            http = stack.enter_context(requests.Session())
            http.get(server.url + "/healthz", timeout=60)  # so that the connection is there
            jobs.append(partial(http.post, server.url + "/refresh", headers=headers, timeout=60))
        answers = at_once(jobs)
    statuses = Counter(answer.status_code for answer in answers)
    found = Counter({"races": 1, "refused": statuses[401]})
    found["other answer"] = _THREADS - statuses[200] - statuses[401]
    found["one winner"] = statuses[200] == 1
    found["several winners"] = statuses[200] > 1
    found["alive"] = any(_lives(url, answer) for answer in [login, *answers])
    return found


def _lives(url: str, answer: requests.Response) -> bool:
    """Whether a token that came with this answer still opens anything: the winner's refresh token
    too, or the session would come back."""
    opened = []
    for name, method, path in ((_ACCESS, "GET", "/account"), (_REFRESH, "POST", "/refresh")):
        if token := answer.cookies.get(name):
            headers = {"Cookie": f"{name}={token}"}
            tried = requests.request(method, url + path, headers=headers, timeout=60)
            opened.append(tried.status_code != 401)
    return any(opened)
