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
_SHORT_WINDOW, _FEWEST_PATIENT = 120, 60
_MARGIN = 5  # seconds: a request takes less
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


def patient_row(attempt: Attempt) -> Sequence[Figure]:
    """1,000 guesses spread over a whole window: at most 20 are looked at.

    The window is 2 minutes here: by the clock that counts, it is one like that of 15 minutes. The
    right password is sent where the last refusal says that it can't be looked at yet.
    """
    guesses = max(_FEWEST_PATIENT, attempt.scaled(_GUESSES))
    limits = {"SECRETS_LOGIN_WINDOW": f"{_SHORT_WINDOW}s"}
    answers, right, empty_until = Counter[str](), 0, 0.0
    with workers(attempt.folder, _WORKERS, **_TRUSTING, **limits) as servers:
        attacker, owner = Client(servers, _ATTACKER), Client(servers, _HOME)
        owner.register("owner")
        assert owner.login("owner").ok
        began = time.monotonic()
        for number in range(guesses):
            time.sleep(max(0.0, began + number * _SHORT_WINDOW / _GUESSES - time.monotonic()))
            surely_empty = empty_until - time.monotonic() > _MARGIN and number % 7 == 0
            password = PASSWORD if surely_empty else f"guess number {number}"
            answer = attacker.login("owner", password)
            answers[kind(answer)] += 1
            right += surely_empty
            if "Retry-After" in answer.headers:  # in whole seconds, rounded up
                empty_until = time.monotonic() + int(answer.headers["Retry-After"]) - 1
        windows = max(1.0, (time.monotonic() - began) / _SHORT_WINDOW)  # more on a slow machine
        welcome = owner.login("owner").ok
    attempt.say(str(dict(answers)))
    return [
        Figure(answers.total(), "guesses", at_least=guesses),
        Figure(windows, "windows"),
        Figure(answers["wrong-credentials"], "looked at", at_least=1, at_most=round(20 * windows)),
        Figure(right, "with the right password", at_least=1),
        Figure(answers["200"], "got in", at_most=0),
        Figure(welcome, "login of the owner", at_least=1),
    ]
