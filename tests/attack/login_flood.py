"""Twenty clients that do nothing but log in, and those who want something else meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

import requests

from tests.attack.workers import UNLIMITED, credentials, kind
from tests.support.production import ProductionServer, make_certificate
from tests.torture.framework import Attempt, Figure
from tests.torture.pace import percentile

_CLIENTS, _SECONDS = 20, 10.0
_ACCOUNTS = 5
_INTERVAL = 0.02  # between a bystander's requests
_LONGEST_MS = 250
# Too many are refused one way or the other; nothing else may happen.
_EXPECTED = {"wrong-credentials", "hashing-saturated"}


def row(attempt: Attempt) -> Sequence[Figure]:
    """20 clients log in for 10 s, at bcrypt's real cost: everybody else is still answered soon.

    The limits on guessing are raised, so that hashing alone decides who is refused.
    """
    certificate = make_certificate(attempt.folder)
    environ = {**UNLIMITED, "SECRETS_BCRYPT_COST": "12"}
    with ProductionServer(attempt.folder / "instance", environ, certificate=certificate) as server:
        flood = Flood(server.url, str(certificate.authority))
        health, reads = flood.run(max(1.0, _SECONDS * attempt.scale))
    attempt.say(str(dict(flood.answers)))
    other = sum(n for what, n in flood.answers.items() if what not in _EXPECTED)
    return [
        Figure(flood.answers["wrong-credentials"], "logins looked at", at_least=1),
        Figure(flood.answers["hashing-saturated"], "answered 503", at_least=1),
        Figure(other + len(flood.wrong), "other answers", at_most=0),
        Figure(len(health), "health checks", at_least=10),
        attempt.speed(percentile(health, 50), "ms at the median"),
        attempt.speed(percentile(health, 99), "ms at p99 of /healthz", at_most=_LONGEST_MS),
        Figure(len(reads), "reads", at_least=10),
        attempt.speed(percentile(reads, 50), "ms at their median"),
        attempt.speed(percentile(reads, 99), "ms at p99 of a read", at_most=_LONGEST_MS),
    ]


class Flood:
    """The clients, and two bystanders."""

    def __init__(self, url: str, authority: str) -> None:
        self._url = url
        self._authority = authority
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self, seconds: float) -> tuple[list[float], list[float]]:
        """Latencies in seconds, of health checks and of reads."""
        reader = self._session()
        for number in range(_ACCOUNTS):
            self._post(reader, "/register", f"account{number}")
        assert self._post(reader, "/login", "account0").ok
        assert reader.put(self._url + "/secrets/a", json={"secret": "x"}, timeout=60).ok
        health: list[float] = []
        reads: list[float] = []
        bystanders = [
            partial(self._ask, self._session(), "/healthz", health),
            partial(self._ask, reader, "/secrets/a", reads),
        ]
        clients = [partial(self._log_in, number) for number in range(_CLIENTS)]
        threads = [threading.Thread(target=one) for one in (*clients, *bystanders)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._over.set()
        for thread in threads:
            thread.join()
        return health, reads

    def _log_in(self, number: int) -> None:
        with self._session() as http:
            while not self._over.is_set():
                name = f"account{number % (2 * _ACCOUNTS)}"  # every other one is nobody's
                answer = self._post(http, "/login", name, "not the password")
                with self._lock:
                    self.answers[kind(answer)] += 1

    def _ask(self, http: requests.Session, path: str, latencies: list[float]) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            answer = http.get(self._url + path, timeout=60)
            latencies.append(time.monotonic() - began)
            if not answer.ok:
                self.wrong.append(f"GET {path}: {answer.status_code}")
            time.sleep(_INTERVAL)

    def _post(
        self, http: requests.Session, path: str, name: str, password: str = ""
    ) -> requests.Response:
        body = credentials(name, password) if password else credentials(name)
        return http.post(self._url + path, json=body, timeout=60)

    def _session(self) -> requests.Session:
        http = requests.Session()
        http.trust_env = False  # a bundle named there would be used in place of this authority
        http.verify = self._authority
        return http
