"""A thousand guesses at one password, from one source, while its owner goes on logging in."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.attack.workers import Client, kind, workers
from tests.support.people import PASSWORD
from tests.support.server import Server
from tests.torture.framework import Attempt, Figure

_GUESSES = 1000
_WORKERS, _THREADS = 4, 8
_WINDOW_SECONDS = 15 * 60
_OWNER_EVERY = 100  # guesses
_HOME, _ATTACKER, _NEW = "192.0.2.1", "198.51.100.1", "198.51.100.2"
_TRUSTING = {"SECRETS_TRUSTED_PROXIES": "127.0.0.1"}


def row(attempt: Attempt) -> Sequence[Figure]:
    """1,000 guesses over 4 workers: at most 20 are looked at, and the owner still logs in."""
    count = max(4 * _OWNER_EVERY, attempt.scaled(_GUESSES))
    with workers(attempt.folder, _WORKERS, **_TRUSTING) as servers:
        Client(servers, _HOME).register("owner")
        assert Client(servers, _HOME).login("owner").ok  # the source that they used before
        began = time.monotonic()
        answers, owner = _guess(servers, count)
        many = _from_many_sources(servers)
        owner.append(kind(Client(servers, _HOME).login("owner")))
        newcomer = kind(Client(servers, _NEW).login("owner"))
        seconds = time.monotonic() - began
    attempt.say(f"from one source {dict(answers)}, from many {dict(many)}, the owner {owner}")
    looked_at = answers["wrong-credentials"] + answers["200"]
    refused = answers["too-many-attempts"]
    other = answers.total() - looked_at - refused
    return [
        Figure(answers.total(), "guesses", at_least=count),
        Figure(round(seconds), "seconds", at_most=_WINDOW_SECONDS),
        Figure(looked_at, "looked at", at_least=1, at_most=20),
        Figure(answers["200"], "got in", at_most=0),
        Figure(refused, "answered 429"),
        Figure(other, "other answers", at_most=0),
        Figure(owner.count("200"), "logins of the owner meanwhile", at_least=len(owner)),
        Figure(many["200"], "got in from many sources", at_most=0),
        Figure(newcomer == "too-many-attempts", "new source refused after them", at_least=1),
    ]


def _guess(servers: list[Server], count: int) -> tuple[Counter[str], list[str]]:
    """The right password is among the later guesses: it must not be looked at any more."""
    answers, owner, lock = Counter[str](), list[str](), threading.Lock()

    def guess(number: int) -> None:
        client = Client(servers[number % _WORKERS :] + servers[: number % _WORKERS], _ATTACKER)
        right = number > 2 * _OWNER_EVERY and number % 7 == 0
        verdict = kind(client.login("owner", PASSWORD if right else f"guess number {number}"))
        client.http.close()
        with lock:
            answers[verdict] += 1
        if number % _OWNER_EVERY == 0:
            mine = kind(Client(servers, _HOME).login("owner"))
            with lock:
                owner.append(mine)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(guess, range(count)))
    return answers, owner


def _from_many_sources(servers: list[Server]) -> Counter[str]:
    """Until the account's own limit is reached, which is for sources that are new to it."""
    return Counter(
        kind(Client(servers, f"203.0.113.{number}").login("owner", f"guess {number}"))
        for number in range(120)
    )
